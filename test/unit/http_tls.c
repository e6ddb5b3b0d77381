/*-------------------------------------------------------------------------
 *
 * http_tls.c
 *		Whom the transport trusts.
 *
 * The servers are "openssl s_server", each with a certificate of its own.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/http/pool.c src/http/call.c src/http/buffer.c src/http/error.c src/http/resolve.c src/http/address.c; libs: -lcurl -lpthread */
#include "postgres_fe.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "http/pool.h"
#include "tap.h"

static char dir[] = "/tmp/http_tls.XXXXXX";

/* Makes a self-signed certificate for the names; returns its file. */
static char *
certificate(const char *file, const char *names)
{
	char	   *command = psprintf("cd %s && openssl req -x509 -newkey ec "
							 "-pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
							 "-subj /CN=test -addext subjectAltName=%s "
							 "-keyout %s.key -out %s.pem 2>/dev/null",
							 dir, names, file, file);

	if (system(command) != 0)
	{
		printf("Bail out! openssl made no certificate\n");
		exit(1);
	}
	return psprintf("%s/%s.pem", dir, file);
}

/* Starts a server; returns its port. */
static int
serve(const char *certificate, const char *options, pid_t *pid)
{
	int			fds[2];
	char		line[256];
	FILE	   *out;
	int			port = 0;

	if (pipe(fds) < 0)
		exit(1);
	*pid = fork();
	if (*pid == 0)
	{
		dup2(fds[1], 1);
		dup2(fds[1], 2);
		close(fds[0]);
		close(fds[1]);
		execl("/bin/sh", "sh", "-c",
			  psprintf("exec openssl s_server -accept 127.0.0.1:0 -www -cert %s "
					   "-key %.*s.key %s",
					   certificate,
					   (int) strlen(certificate) - 4, certificate, options),
			  (char *) NULL);
		_exit(1);
	}
	close(fds[1]);
	out = fdopen(fds[0], "r");
	while (port == 0 && fgets(line, sizeof(line), out) != NULL)
	{
		if (strncmp(line, "ACCEPT", 6) == 0)
			port = atoi(strrchr(line, ':') + 1);
	}
	if (port == 0)
	{
		printf("Bail out! openssl s_server did not start\n");
		exit(1);
	}
	return port;				/* "out" stays open, or the server gets SIGPIPE */
}

static void
check(LiHttpPool *pool, const char *host, int port, const char *ca_file,
	  LiHttpError expected, const char *name)
{
	LiHttpRequest request = {
		.url = psprintf("https://%s:%d/", host, port),
		.connect_timeout_ms = 10000,
		.timeout_ms = 20000,
		.max_response = 1000000,
		.ca_file = ca_file
	};
	LiHttpCall *call;

	li_http_start(pool, &request, NULL);
	while ((call = li_http_next_done(pool)) == NULL)
	{
		struct pollfd pfd = { .fd = li_http_pool_fd(pool), .events = POLLIN };

		poll(&pfd, 1, (int) li_http_pool_timeout(pool));
		li_http_drive(pool);
	}
	if (!is_int(li_http_call_response(call)->error, expected, name))
		printf("#   %s\n", li_http_call_response(call)->message);
	li_http_call_free(call);
}

int
main(void)
{
	LiHttpPool *pool;
	char	   *good;
	char	   *other;
	pid_t		good_pid;
	pid_t		other_pid;
	pid_t		old_pid;
	int			good_port;
	int			other_port;
	int			old_port;

	signal(SIGPIPE, SIG_IGN);
	if (mkdtemp(dir) == NULL)
		return 1;
	good = certificate("good", "DNS:localhost,IP:127.0.0.1");
	other = certificate("other", "DNS:other.test");
	good_port = serve(good, "", &good_pid);
	other_port = serve(other, "", &other_pid);
	old_port = serve(good, "-tls1_1 -cipher DEFAULT@SECLEVEL=0", &old_pid);
	pool = li_http_pool_create(8);

	check(pool, "localhost", good_port, good, LI_HTTP_OK, "a certificate of the CA file");
	check(pool, "127.0.0.1", good_port, good, LI_HTTP_OK, "the same by address");
	check(pool, "localhost", good_port, NULL, LI_HTTP_TLS_CERTIFICATE,
		  "it is not trusted without the CA file");
	check(pool, "localhost", good_port, good, LI_HTTP_OK, "with it again");
	check(pool, "localhost", good_port, other, LI_HTTP_TLS_CERTIFICATE,
		  "not with another CA file");
	check(pool, "localhost", other_port, other, LI_HTTP_TLS_CERTIFICATE,
		  "a certificate for another name");
	check(pool, "localhost", old_port, good, LI_HTTP_TLS_HANDSHAKE, "TLS 1.1 is too old");

	li_http_pool_destroy(pool);
	kill(good_pid, SIGKILL);
	kill(other_pid, SIGKILL);
	kill(old_pid, SIGKILL);
	while (wait(NULL) > 0)
		;
	if (system(psprintf("rm -r %s", dir)) != 0)
		return 1;
	return done_testing();
}
