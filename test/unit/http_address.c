/*-------------------------------------------------------------------------
 *
 * http_address.c
 *		Which addresses requests may go to.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/http/address.c */
#include "postgres_fe.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "http/address.h"
#include "tap.h"

#define LOOPBACK LI_ADDRESS_LOOPBACK
#define PUBLIC LI_ADDRESS_PUBLIC
#define PRIVATE LI_ADDRESS_PRIVATE
#define UNUSABLE LI_ADDRESS_UNUSABLE

static const struct
{
	const char *address;
	LiAddressClass class;
} cases[] = {
	{ "127.0.0.1", LOOPBACK },
	{ "127.255.255.254", LOOPBACK },
	{ "126.255.255.255", PUBLIC },
	{ "128.0.0.0", PUBLIC },
	{ "::1", LOOPBACK },
	{ "0.0.0.0", UNUSABLE },
	{ "0.1.2.3", UNUSABLE },
	{ "1.0.0.0", PUBLIC },
	{ "9.255.255.255", PUBLIC },
	{ "10.0.0.1", PRIVATE },
	{ "10.255.255.255", PRIVATE },
	{ "11.0.0.0", PUBLIC },
	{ "100.63.255.255", PUBLIC },
	{ "100.64.0.0", PRIVATE },
	{ "100.127.255.255", PRIVATE },
	{ "100.128.0.0", PUBLIC },
	{ "100.100.100.200", UNUSABLE },
	{ "169.253.255.255", PUBLIC },
	{ "169.254.0.1", PRIVATE },
	{ "169.254.169.254", UNUSABLE },
	{ "169.255.0.0", PUBLIC },
	{ "172.15.255.255", PUBLIC },
	{ "172.16.0.0", PRIVATE },
	{ "172.31.255.255", PRIVATE },
	{ "172.32.0.0", PUBLIC },
	{ "192.0.0.192", UNUSABLE },
	{ "192.0.2.1", UNUSABLE },
	{ "192.0.3.1", PUBLIC },
	{ "192.167.255.255", PUBLIC },
	{ "192.168.0.1", PRIVATE },
	{ "192.169.0.0", PUBLIC },
	{ "198.17.255.255", PUBLIC },
	{ "198.18.0.1", PRIVATE },
	{ "198.19.255.255", PRIVATE },
	{ "198.20.0.0", PUBLIC },
	{ "198.51.100.7", UNUSABLE },
	{ "203.0.113.7", UNUSABLE },
	{ "223.255.255.255", PUBLIC },
	{ "224.0.0.1", UNUSABLE },
	{ "239.255.255.255", UNUSABLE },
	{ "240.0.0.1", UNUSABLE },
	{ "255.255.255.255", UNUSABLE },
	{ "8.8.8.8", PUBLIC },
	{ "::", UNUSABLE },
	{ "::2", UNUSABLE },
	{ "::10.0.0.1", UNUSABLE },
	{ "::ffff:8.8.8.8", PRIVATE },
	{ "::ffff:127.0.0.1", PRIVATE },
	{ "::ffff:10.0.0.1", PRIVATE },
	{ "::ffff:169.254.169.254", UNUSABLE },
	{ "64:ff9b::8.8.8.8", PUBLIC },
	{ "64:ff9b::10.0.0.1", PRIVATE },
	{ "64:ff9b::127.0.0.1", UNUSABLE },
	{ "64:ff9b::169.254.169.254", UNUSABLE },
	{ "64:ff9b:1::8.8.8.8", PRIVATE },
	{ "100::1", UNUSABLE },
	{ "2000::1", PUBLIC },
	{ "2001::1", PRIVATE },
	{ "2001:1::1", PUBLIC },
	{ "2001:db8::1", UNUSABLE },
	{ "2001:4860:4860::8888", PUBLIC },
	{ "2002:0a00:0001::1", PRIVATE },
	{ "2606:4700::1", PUBLIC },
	{ "3fff:fff::1", UNUSABLE },
	{ "3fff:1000::1", PUBLIC },
	{ "4000::1", UNUSABLE },
	{ "fbff::1", UNUSABLE },
	{ "fc00::1", PRIVATE },
	{ "fdff::1", PRIVATE },
	{ "fd00:ec2::254", UNUSABLE },
	{ "fe7f::1", UNUSABLE },
	{ "fe80::1", PRIVATE },
	{ "febf::1", PRIVATE },
	{ "fec0::1", PRIVATE },
	{ "ff02::1", UNUSABLE },
	{ "", UNUSABLE },
	{ "localhost", UNUSABLE },
	{ "127.1", UNUSABLE },
	{ "0x7f000001", UNUSABLE },
	{ "fe80::1%lo", UNUSABLE },
};

int
main(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	for (int i = 0; i < (int) lengthof(cases); i++)
		is_int(li_http_address_class_text(cases[i].address), cases[i].class,
			   cases[i].address);

	inet_pton(AF_INET, "10.1.2.3", &in.sin_addr);
	inet_pton(AF_INET6, "::1", &in6.sin6_addr);
	is_int(li_http_address_class((struct sockaddr *) &in), PRIVATE, "sockaddr_in");
	is_int(li_http_address_class((struct sockaddr *) &in6), LOOPBACK, "sockaddr_in6");
	is_int(li_http_address_class((struct sockaddr *) &un), UNUSABLE, "sockaddr_un");

	/* class, tls, allow_private */
	ok(li_http_address_allowed(LOOPBACK, false, false), "loopback: always");
	ok(li_http_address_allowed(PUBLIC, true, false), "the world: by TLS");
	ok(!li_http_address_allowed(PUBLIC, false, false), "the world: not in clear");
	ok(li_http_address_allowed(PUBLIC, false, true), "the world in clear: when allowed");
	ok(!li_http_address_allowed(PRIVATE, true, false), "private: not by itself");
	ok(li_http_address_allowed(PRIVATE, false, true), "private: when allowed");
	ok(!li_http_address_allowed(UNUSABLE, true, true), "unusable: never");
	return done_testing();
}
