/*-------------------------------------------------------------------------
 *
 * buffer.h
 *		Bytes that grow, in malloc'd memory: nothing here can throw.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_HTTP_BUFFER_H
#define LI_HTTP_BUFFER_H

typedef struct LiBuffer
{
	char	   *data;			/* NUL-terminated; NULL while nothing came */
	size_t		len;
	size_t		size;
} LiBuffer;

/* False, and nothing changed: no memory. */
extern bool li_buffer_append(LiBuffer *buffer, const char *data, size_t len);

/* Empties it; keeps a modest amount of memory for the next use. */
extern void li_buffer_clear(LiBuffer *buffer);

#endif /* LI_HTTP_BUFFER_H */
