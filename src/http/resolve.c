/*-------------------------------------------------------------------------
 *
 * resolve.c
 *		Names of servers to addresses, without ever waiting for DNS.
 *
 * libcurl's own resolver is not used, for three reasons: a DNS server that
 * does not answer can hold up curl_multi_socket_action (and thus every other
 * transfer, and shutdown) while it joins its thread; a burst of first requests
 * starts one thread each; and libcurl does not tell a name that does not exist
 * from a resolver that is down.
 *
 * So each host is looked up once, in a detached thread that does nothing but
 * getaddrinfo() and inherits a mask with all signals blocked (a handler of
 * PostgreSQL must never run in it).  Thread and resolver share one Lookup; the
 * last of the two to let go frees it, so that nobody waits for a thread.
 *
 * Known addresses stay in use while they are looked up anew, and when that
 * fails: kept connections and running work outlive an outage of DNS.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <curl/curl.h>

#include "http/resolve.h"

#define ADDRESSES_LIFE_US INT64CONST(60000000)
#define FAILURE_LIFE_US INT64CONST(1000000)
#define LOOKUP_LIFE_US INT64CONST(120000000) /* then another is tried */
#define FAILURES_TO_UNKNOWN 3
#define MAX_ADDRESSES 8
#define MAX_HOST 255 /* RFC 1035 */

/* "[IPv6]," is the longest form of an address */
#define ADDRESSES_SIZE (MAX_ADDRESSES * (INET6_ADDRSTRLEN + 3))
#define PIN_SIZE (MAX_HOST + 8 + ADDRESSES_SIZE)

typedef struct Lookup
{
	pthread_mutex_t lock;
	int			users;			/* thread, resolver */
	bool		done;
	int			gai_error;
	int			event_fd;		/* a duplicate: the resolver's may be closed */
	char		addresses[ADDRESSES_SIZE]; /* comma-separated */
	char		name[MAX_HOST + 1];
} Lookup;

struct LiHost
{
	LiHost	   *next;
	LiResolver *resolver;
	size_t		origin_len;
	char	   *origin;			/* "https://name:port" as URLs begin */
	bool		tls;
	char	   *name;
	int			port;
	bool		literal;		/* the name is an address */
	Lookup	   *lookup;			/* under way; NULL: none */
	int64		lookup_us;		/* when it started */
	bool		known;			/* pin holds addresses */
	int			failures;		/* "no such name" in a row */
	int64		stale_us;		/* when to look up again */
	char		pin[PIN_SIZE];
};

struct LiResolver
{
	LiHost	   *hosts;
	int			event_fd;
};

/* One of the two users lets go. */
static void
lookup_release(Lookup *lookup)
{
	bool		last;

	pthread_mutex_lock(&lookup->lock);
	last = --lookup->users == 0;
	pthread_mutex_unlock(&lookup->lock);

	if (last)
	{
		close(lookup->event_fd);
		pthread_mutex_destroy(&lookup->lock);
		free(lookup);
	}
}

static void *
lookup_thread(void *arg)
{
	Lookup	   *lookup = arg;
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	char		addresses[ADDRESSES_SIZE];
	size_t		used = 0;
	int			count = 0;
	uint64		one = 1;
	int			rc;

	rc = getaddrinfo(lookup->name, NULL, &hints, &list);
	addresses[0] = '\0';
	for (struct addrinfo *a = list;
		 rc == 0 && a != NULL && count < MAX_ADDRESSES;
		 a = a->ai_next)
	{
		char		text[INET6_ADDRSTRLEN];
		bool		v6 = a->ai_family == AF_INET6;
		const void *address;

		if (v6)
			address = &((struct sockaddr_in6 *) a->ai_addr)->sin6_addr;
		else if (a->ai_family == AF_INET)
			address = &((struct sockaddr_in *) a->ai_addr)->sin_addr;
		else
			continue;
		if (inet_ntop(a->ai_family, address, text, sizeof(text)) == NULL)
			continue;
		used += snprintf(addresses + used, sizeof(addresses) - used,
						 v6 ? "%s[%s]" : "%s%s", count > 0 ? "," : "", text);
		count++;
	}
	if (list != NULL)
		freeaddrinfo(list);
	if (rc == 0 && count == 0)
		rc = EAI_NONAME;

	pthread_mutex_lock(&lookup->lock);
	strlcpy(lookup->addresses, addresses, sizeof(lookup->addresses));
	lookup->gai_error = rc;
	lookup->done = true;
	pthread_mutex_unlock(&lookup->lock);

	/* an eventfd takes 8 bytes or is full, and then it is readable anyway */
	if (write(lookup->event_fd, &one, sizeof(one)) < 0)
		rc = 0;
	lookup_release(lookup);
	return NULL;
}

/* NULL: no memory, descriptor or thread to be had. */
static Lookup *
lookup_start(const char *name, int event_fd)
{
	Lookup	   *lookup = calloc(1, sizeof(Lookup));
	pthread_attr_t attr;
	pthread_t	thread;
	int			rc;

	if (lookup == NULL)
		return NULL;
	lookup->users = 2;
	strlcpy(lookup->name, name, sizeof(lookup->name));
	lookup->event_fd = fcntl(event_fd, F_DUPFD_CLOEXEC, 0);
	if (lookup->event_fd < 0)
	{
		free(lookup);
		return NULL;
	}
	pthread_mutex_init(&lookup->lock, NULL);

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(&thread, &attr, lookup_thread, lookup);
	pthread_attr_destroy(&attr);
	if (rc != 0)
	{
		lookup->users = 1;
		lookup_release(lookup);
		return NULL;
	}
	return lookup;
}

LiResolver *
li_resolver_create(void)
{
	LiResolver *resolver = calloc(1, sizeof(LiResolver));

	if (resolver == NULL)
		return NULL;
	resolver->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (resolver->event_fd < 0)
	{
		free(resolver);
		return NULL;
	}
	return resolver;
}

static void
host_free(LiHost *host)
{
	if (host->lookup != NULL)
		lookup_release(host->lookup);
	free(host->origin);
	free(host->name);
	free(host);
}

void
li_resolver_destroy(LiResolver *resolver)
{
	while (resolver->hosts != NULL)
	{
		LiHost	   *host = resolver->hosts;

		resolver->hosts = host->next;
		host_free(host);
	}
	close(resolver->event_fd);
	free(resolver);
}

int
li_resolver_fd(const LiResolver *resolver)
{
	return resolver->event_fd;
}

void
li_resolver_clear(LiResolver *resolver)
{
	uint64		count;

	while (read(resolver->event_fd, &count, sizeof(count)) > 0)
		/* a read empties it; the next one says EAGAIN */;
}

/* A malloc'd copy of one part of a URL; NULL: there is none. */
static char *
url_part(CURLU *url, CURLUPart part, unsigned int flags)
{
	char	   *text = NULL;
	char	   *copy = NULL;

	if (curl_url_get(url, part, &text, flags) == CURLUE_OK && text != NULL)
		copy = strdup(text);
	curl_free(text);
	return copy;
}

static bool
plain_ascii(const char *text)
{
	for (; *text != '\0'; text++)
	{
		if (*text <= ' ' || *text >= 0x7F)
			return false;
	}
	return true;
}

/*
 * Fills the facts of a new host from its origin, which is read by libcurl's
 * own parser, so that both mean the same host.  Returns what is wrong, or NULL.
 */
static const char *
read_origin(LiHost *host)
{
	CURLU	   *url = curl_url();
	char	   *scheme = NULL;
	char	   *user = NULL;
	char	   *port = NULL;
	const char *fault = NULL;

	if (url == NULL)
		return "out of memory";
	if (curl_url_set(url, CURLUPART_URL, host->origin, 0) == CURLUE_OK)
	{
		scheme = url_part(url, CURLUPART_SCHEME, 0);
		user = url_part(url, CURLUPART_USER, 0);
		host->name = url_part(url, CURLUPART_HOST, 0);
		port = url_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
	}

	if (host->name == NULL || scheme == NULL || port == NULL)
		fault = "the URL is malformed";
	else if (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0)
		fault = "the URL's scheme is neither https nor http";
	else if (user != NULL)
		fault = "the URL carries a user name";
	else if (strlen(host->name) > MAX_HOST)
		fault = "the URL's host name is too long";
	else
	{
		struct in_addr ip4;
		struct in6_addr ip6;
		size_t		len = strlen(host->name);

		host->tls = strcmp(scheme, "https") == 0;
		host->port = atoi(port);
		host->literal = inet_pton(AF_INET, host->name, &ip4) == 1;
		if (host->name[0] == '[')
		{
			host->name[len - 1] = '\0';
			host->literal = inet_pton(AF_INET6, host->name + 1, &ip6) == 1;
			if (!host->literal)
				fault = "the URL's address is malformed";
		}
	}

	free(scheme);
	free(user);
	free(port);
	curl_url_cleanup(url);
	return fault;
}

LiHost *
li_resolver_host(LiResolver *resolver, const char *url, const char **fault)
{
	const char *authority = strstr(url, "://");
	size_t		origin_len;
	LiHost	   *host;

	*fault = "the URL is malformed";
	if (authority == NULL || !plain_ascii(url))
		return NULL;
	authority += 3;
	origin_len = (authority - url) + strcspn(authority, "/?#\\");

	for (host = resolver->hosts; host != NULL; host = host->next)
	{
		if (host->origin_len == origin_len &&
			memcmp(host->origin, url, origin_len) == 0)
			return host;
	}

	host = calloc(1, sizeof(LiHost));
	if (host != NULL)
		host->origin = strndup(url, origin_len);
	if (host == NULL || host->origin == NULL)
	{
		free(host);
		*fault = "out of memory";
		return NULL;
	}
	host->origin_len = origin_len;
	host->resolver = resolver;
	*fault = read_origin(host);
	if (*fault != NULL)
	{
		host_free(host);
		return NULL;
	}
	host->next = resolver->hosts;
	resolver->hosts = host;
	return host;
}

bool
li_host_tls(const LiHost *host)
{
	return host->tls;
}

/* Takes over what a look-up has found, if it has ended; gives up a lost one. */
static void
absorb_lookup(LiHost *host, int64 now_us)
{
	Lookup	   *lookup = host->lookup;
	bool		done;

	pthread_mutex_lock(&lookup->lock);
	done = lookup->done;
	pthread_mutex_unlock(&lookup->lock);
	if (!done && now_us - host->lookup_us < LOOKUP_LIFE_US)
		return;

	if (!done)
		host->stale_us = now_us;
	else if (lookup->gai_error == 0)
	{
		host->known = true;
		host->failures = 0;
		host->stale_us = host->lookup_us + ADDRESSES_LIFE_US;
		snprintf(host->pin, sizeof(host->pin), "%s:%d:%s",
				 host->name, host->port, lookup->addresses);
	}
	else
	{
		bool		no_such_name = lookup->gai_error == EAI_NONAME;

#ifdef EAI_NODATA
		no_such_name |= lookup->gai_error == EAI_NODATA;
#endif
		host->failures = no_such_name ? host->failures + 1 : 0;
		host->stale_us = now_us + FAILURE_LIFE_US;
	}
	host->lookup = NULL;
	lookup_release(lookup);
}

LiNameState
li_host_name_state(LiHost *host, int64 now_us)
{
	if (host->lookup != NULL)
		absorb_lookup(host, now_us);
	if (host->literal || host->known)
		return LI_NAME_KNOWN;
	return host->lookup != NULL || now_us < host->stale_us ? LI_NAME_PENDING : LI_NAME_NEW;
}

LiHostState
li_host_state(LiHost *host, int64 now_us)
{
	if (host->literal)
		return LI_HOST_READY;

	if (host->lookup != NULL)
		absorb_lookup(host, now_us);
	if (host->lookup == NULL && now_us >= host->stale_us)
	{
		host->lookup = lookup_start(host->name, host->resolver->event_fd);
		host->lookup_us = now_us;
		if (host->lookup == NULL)
			host->stale_us = now_us + FAILURE_LIFE_US;
	}

	if (host->known)
		return LI_HOST_READY;
	if (host->lookup != NULL)
		return LI_HOST_WAITING;
	return host->failures >= FAILURES_TO_UNKNOWN ?
			   LI_HOST_UNKNOWN :
			   LI_HOST_TEMPORARY;
}

char *
li_host_pin(LiHost *host)
{
	return host->known ? host->pin : NULL;
}
