/*-------------------------------------------------------------------------
 *
 * resolve.h
 *		Names of servers to addresses, without ever waiting for DNS.
 *
 * Only pool.c uses this.  Nothing throws; memory is malloc'd.  All functions
 * are called with every signal blocked, because they may start a thread.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_HTTP_RESOLVE_H
#define LI_HTTP_RESOLVE_H

#include "http/pool.h"

typedef struct LiResolver LiResolver;
typedef struct LiHost LiHost;

typedef enum LiHostState
{
	LI_HOST_READY,				/* connect: the addresses are known */
	LI_HOST_WAITING,			/* the look-up has not come back */
	LI_HOST_TEMPORARY,			/* it failed, for now as far as one can tell */
	LI_HOST_UNKNOWN				/* three look-ups in a row found no such name */
} LiHostState;

/* NULL: no memory or no descriptor. */
extern LiResolver *li_resolver_create(void);

/* Look-ups still under way go on alone and clean up after themselves. */
extern void li_resolver_destroy(LiResolver *resolver);

/* Readable when a look-up has ended; li_resolver_clear() makes it quiet. */
extern int li_resolver_fd(const LiResolver *resolver);
extern void li_resolver_clear(LiResolver *resolver);

/*
 * The host of a URL; it lives as long as the resolver.  NULL with *fault set
 * to a static text when requests may not go to such a URL.
 */
extern LiHost *li_resolver_host(LiResolver *resolver, const char *url,
								const char **fault);

extern bool li_host_tls(const LiHost *host);

/* Starts or repeats the look-up where that is due.  now_us: monotonic. */
extern LiHostState li_host_state(LiHost *host, int64 now_us);

/* See li_http_name_state().  Starts nothing. */
extern LiNameState li_host_name_state(LiHost *host, int64 now_us);

/*
 * The line for CURLOPT_RESOLVE that tells libcurl the addresses of a host that
 * is ready; NULL when it needs none.  Lives as long as the host.
 */
extern char *li_host_pin(LiHost *host);

#endif /* LI_HTTP_RESOLVE_H */
