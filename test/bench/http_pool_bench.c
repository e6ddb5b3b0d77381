/*-------------------------------------------------------------------------
 *
 * http_pool_bench.c
 *		Requests per second through the pool in one thread.
 *
 * Usage: http_pool_bench URL CONNECTIONS REQUESTS BODY_BYTES [CA_FILE]
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/http/pool.c src/http/call.c src/http/buffer.c src/http/error.c src/http/resolve.c src/http/address.c; libs: -lcurl -lpthread */
#include "postgres_fe.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "http/pool.h"

static double
seconds(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	static const char *const headers[] = {
		"Content-Type: application/json", "Authorization: Bearer none",
		"User-Agent: linkedin_ingest", NULL
	};
	LiHttpRequest request = {
		.headers = headers,
		.connect_timeout_ms = 5000,
		.timeout_ms = 60000,
		.max_response = 4 * 1024 * 1024
	};
	LiHttpPool *pool;
	LiHttpCall *call;
	int			connections;
	int			total;
	int			started = 0;
	int			done = 0;
	int			failed = 0;
	char	   *body;
	double		wall;
	double		cpu;
	struct rusage usage;

	if (argc < 5)
	{
		fprintf(stderr, "usage: %s URL CONNECTIONS REQUESTS BODY_BYTES [CA_FILE]\n", argv[0]);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	request.url = argv[1];
	connections = atoi(argv[2]);
	total = atoi(argv[3]);
	request.body_len = atoi(argv[4]);
	request.ca_file = argc > 5 ? argv[5] : NULL;
	body = malloc(request.body_len + 1);
	memset(body, 'x', request.body_len);
	request.body = body;
	pool = li_http_pool_create(connections);

	wall = seconds(CLOCK_MONOTONIC);
	cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
	while (done < total)
	{
		struct pollfd pfd = { .fd = li_http_pool_fd(pool), .events = POLLIN };

		while (started < total && started - done < connections)
		{
			li_http_start(pool, &request, NULL);
			started++;
		}
		poll(&pfd, 1, (int) li_http_pool_timeout(pool));
		li_http_drive(pool);
		while ((call = li_http_next_done(pool)) != NULL)
		{
			const LiHttpResponse *response = li_http_call_response(call);

			if (response->error != LI_HTTP_OK || response->status != 200)
			{
				if (failed++ == 0)
					printf("%d %s\n", response->status, response->message);
			}
			li_http_call_free(call);
			done++;
		}
	}
	wall = seconds(CLOCK_MONOTONIC) - wall;
	cpu = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
	getrusage(RUSAGE_SELF, &usage);
	printf("%d requests, %d failed, %.0f/s, %.1f us CPU each, %ld MiB\n",
		   total, failed, total / wall, cpu * 1e6 / total, usage.ru_maxrss / 1024);
	li_http_pool_destroy(pool);
	free(body);
	return failed > 0;
}
