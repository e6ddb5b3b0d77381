/*-------------------------------------------------------------------------
 *
 * buffer.c
 *		Bytes that grow, in malloc'd memory: nothing here can throw.
 *
 * A StringInfo would palloc, and so leave a callback of libcurl by longjmp.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "http/buffer.h"

#define FIRST_SIZE 4096
#define KEPT_SIZE (64 * 1024)

bool
li_buffer_append(LiBuffer *buffer, const char *data, size_t len)
{
	if (buffer->len + len + 1 > buffer->size)
	{
		size_t		size = Max(buffer->size * 2, FIRST_SIZE);
		char	   *grown;

		while (size < buffer->len + len + 1)
			size *= 2;
		grown = realloc(buffer->data, size);
		if (grown == NULL)
			return false;
		buffer->data = grown;
		buffer->size = size;
	}
	memcpy(buffer->data + buffer->len, data, len);
	buffer->len += len;
	buffer->data[buffer->len] = '\0';
	return true;
}

void
li_buffer_clear(LiBuffer *buffer)
{
	buffer->len = 0;
	if (buffer->size > KEPT_SIZE)
	{
		free(buffer->data);
		buffer->data = NULL;
		buffer->size = 0;
	}
}
