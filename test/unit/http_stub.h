/*-------------------------------------------------------------------------
 *
 * http_stub.h
 *		A server on loopback that misbehaves as its path says.
 *
 * One thread per connection.  It counts whole requests (the calls somebody
 * would have paid for) and connections.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HTTP_STUB_H
#define HTTP_STUB_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

static int	stub_port;
static int	stub_requests;		/* whole ones */
static int	stub_connections;
static char stub_last_head[65536]; /* of the last request */

#define STUB_GET(counter) __atomic_load_n(&(counter), __ATOMIC_SEQ_CST)
#define STUB_ADD(counter) __atomic_add_fetch(&(counter), 1, __ATOMIC_SEQ_CST)

static bool
stub_send(int fd, const char *data, size_t len)
{
	while (len > 0)
	{
		ssize_t		n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data += n;
		len -= n;
	}
	return true;
}

static bool
stub_print(int fd, const char *text)
{
	return stub_send(fd, text, strlen(text));
}

/*
 * Reads one whole request into buffer; returns its body's length or -1.  The
 * body starts at *body.
 */
static long
stub_receive(int fd, char *buffer, size_t size, char **body)
{
	size_t		len = 0;
	size_t		need = 0;

	*body = NULL;
	for (;;)
	{
		ssize_t		n;

		if (*body != NULL && len >= need)
			return need - (*body - buffer);
		n = recv(fd, buffer + len, size - 1 - len, 0);
		if (n <= 0)
			return -1;
		len += n;
		buffer[len] = '\0';
		if (buffer[0] == 0x16)
			return -1;			/* a TLS hello */
		if (*body == NULL)
		{
			char	   *end = strstr(buffer, "\r\n\r\n");
			char	   *length = strcasestr(buffer, "\r\ncontent-length:");

			if (end == NULL)
				continue;
			*body = end + 4;
			need = *body - buffer;
			if (length != NULL && length < end)
				need += atol(length + 17);
		}
	}
}

/* Serves one request; false: close the connection. */
static bool
stub_serve(int fd, const char *path, const char *body, long body_len)
{
	char		head[256];

	if (strcmp(path, "/ok") == 0)
		return stub_print(fd, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
							  "X-Request-Id: abc\r\nContent-Length: 11\r\n\r\n{\"ok\":true}");
	if (strcmp(path, "/echo") == 0)
	{
		snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n\r\n",
				 body_len);
		return stub_print(fd, head) && stub_send(fd, body, body_len);
	}
	if (strncmp(path, "/status/", 8) == 0)
	{
		snprintf(head, sizeof(head), "HTTP/1.1 %.3s Told\r\nLocation: /ok\r\n"
									 "Content-Length: 4\r\n\r\ntold",
				 path + 8);
		return stub_print(fd, head);
	}
	if (strcmp(path, "/close") == 0)
		return false;
	if (strcmp(path, "/cut") == 0)
	{
		stub_print(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"half\":");
		return false;
	}
	if (strcmp(path, "/cut-chunk") == 0)
	{
		stub_print(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n");
		return false;
	}
	if (strcmp(path, "/hang") == 0)
	{
		char		byte;

		while (recv(fd, &byte, 1, 0) > 0)
			;
		return false;
	}
	if (strcmp(path, "/stall") == 0)
	{
		char		byte;

		stub_print(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
		while (recv(fd, &byte, 1, 0) > 0)
			;
		return false;
	}
	if (strcmp(path, "/drip") == 0)
	{
		bool		alive = stub_print(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");

		while (alive)
		{
			usleep(20000);
			alive = stub_print(fd, " ");
		}
		return false;
	}
	if (strcmp(path, "/chunked") == 0)
	{
		static const char chunk[4096] = { [0 ... 4095] = 'x' };
		bool		alive = stub_print(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");

		for (int i = 0; alive && i < 4096; i++)
			alive = stub_print(fd, "1000\r\n") && stub_send(fd, chunk, 4096) &&
					stub_print(fd, "\r\n");
		return alive && stub_print(fd, "0\r\n\r\n");
	}
	if (strcmp(path, "/headers") == 0)
	{
		bool		alive = stub_print(fd, "HTTP/1.1 200 OK\r\n");

		for (int i = 0; alive && i < 2000; i++)
			alive = stub_print(fd, "X-Padding: 0123456789012345678901234567890123456789\r\n");
		return alive && stub_print(fd, "Content-Length: 0\r\n\r\n");
	}
	if (strcmp(path, "/interim") == 0)
		return stub_print(fd, "HTTP/1.1 102 Processing\r\nX-Old: 1\r\n\r\n"
							  "HTTP/1.1 200 OK\r\nX-New: 1\r\nContent-Length: 2\r\n\r\n{}");
	if (strcmp(path, "/interims") == 0)
	{
		bool		alive = true;

		while (alive)
			alive = stub_print(fd, "HTTP/1.1 102 Processing\r\nX-Padding: 0123456789\r\n\r\n");
		return false;
	}
	if (strcmp(path, "/trailer") == 0)
		return stub_print(fd, "HTTP/1.1 200 OK\r\nX-New: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
							  "2\r\n{}\r\n0\r\nX-Trailer: 1\r\n\r\n");
	if (strcmp(path, "/no-status") == 0)
	{
		stub_print(fd, "hello, this is not HTTP\r\n\r\n");
		return false;
	}
	if (strcmp(path, "/nul") == 0)
		return stub_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na\0b", 41);
	if (strcmp(path, "/empty") == 0)
		return stub_print(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	return stub_print(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

static void *
stub_connection(void *arg)
{
	int			fd = (int) (intptr_t) arg;
	size_t		size = 9 * 1024 * 1024;
	char	   *buffer = malloc(size);
	char		path[256];
	char	   *body;
	long		len;

	while ((len = stub_receive(fd, buffer, size, &body)) >= 0)
	{
		STUB_ADD(stub_requests);
		snprintf(stub_last_head, sizeof(stub_last_head), "%.*s",
				 (int) Min(body - buffer, (long) sizeof(stub_last_head) - 1), buffer);
		if (sscanf(buffer, "%*s %255s", path) != 1 ||
			!stub_serve(fd, path, body, len))
			break;
	}
	free(buffer);
	shutdown(fd, SHUT_RDWR);
	close(fd);
	return NULL;
}

static void *
stub_listen(void *arg)
{
	int			listener = (int) (intptr_t) arg;

	for (;;)
	{
		int			fd = accept(listener, NULL, NULL);
		pthread_t	thread;
		pthread_attr_t attr;

		if (fd < 0)
			continue;
		STUB_ADD(stub_connections);
		pthread_attr_init(&attr);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		pthread_create(&thread, &attr, stub_connection, (void *) (intptr_t) fd);
		pthread_attr_destroy(&attr);
	}
	return NULL;
}

/* Sets stub_port; the server ends with the process. */
static void
stub_start(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t	len = sizeof(address);
	int			listener = socket(AF_INET, SOCK_STREAM, 0);
	pthread_t	thread;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *) &address, len) < 0 ||
		listen(listener, 1024) < 0 ||
		getsockname(listener, (struct sockaddr *) &address, &len) < 0)
	{
		printf("Bail out! no listening socket\n");
		exit(1);
	}
	stub_port = ntohs(address.sin_port);
	pthread_create(&thread, NULL, stub_listen, (void *) (intptr_t) listener);
}

#endif /* HTTP_STUB_H */
