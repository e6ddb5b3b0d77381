/*-------------------------------------------------------------------------
 *
 * address.h
 *		What kind of network address a connection is about to go to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_HTTP_ADDRESS_H
#define LI_HTTP_ADDRESS_H

#include <sys/socket.h>

typedef enum LiAddressClass
{
	LI_ADDRESS_LOOPBACK,
	LI_ADDRESS_PUBLIC,
	LI_ADDRESS_PRIVATE,			/* reachable for this host, not for the world */
	LI_ADDRESS_UNUSABLE			/* never a model server */
} LiAddressClass;

/* The class of a socket address; families other than IP are UNUSABLE. */
extern LiAddressClass li_http_address_class(const struct sockaddr *address);

/* The same for an address in text form ("::1", "10.0.0.1"). */
extern LiAddressClass li_http_address_class_text(const char *address);

/*
 * May a request go there?  Loopback always; the world by TLS only; private
 * addresses, and plain HTTP beyond loopback, when the server allows private
 * endpoints.
 */
extern bool li_http_address_allowed(LiAddressClass class, bool tls,
									bool allow_private);

#endif /* LI_HTTP_ADDRESS_H */
