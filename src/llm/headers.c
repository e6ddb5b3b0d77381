/*-------------------------------------------------------------------------
 *
 * headers.c
 *		Finding a field in the raw headers of a response.
 *
 * A line without a colon, or with blanks before it, is not a field (RFC 9112,
 * section 5.1) and is passed over; so are continuation lines, which have been
 * obsolete since 2014.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "llm/headers.h"

/* The end of the line that starts at "line", without its line break. */
static const char *
line_end(const char *line, const char *end)
{
	const char *newline = memchr(line, '\n', end - line);

	if (newline == NULL)
		return end;
	return newline > line && newline[-1] == '\r' ? newline - 1 : newline;
}

static const char *
next_line(const char *line, const char *end)
{
	const char *newline = memchr(line, '\n', end - line);

	return newline == NULL ? end : newline + 1;
}

char *
li_header_value(const char *headers, size_t len, const char *name)
{
	const char *end = headers + len;
	const char *found = NULL;
	const char *found_end = NULL;
	size_t		name_len = strlen(name);

	for (const char *line = headers; line < end; line = next_line(line, end))
	{
		const char *stop = line_end(line, end);

		if (stop - line >= 5 && memcmp(line, "HTTP/", 5) == 0)
			found = NULL;		/* a new block */
		else if (found == NULL && stop - line > name_len &&
				 line[name_len] == ':' &&
				 pg_strncasecmp(line, name, name_len) == 0)
		{
			found = line + name_len + 1;
			found_end = stop;
		}
	}
	if (found == NULL)
		return NULL;

	while (found < found_end && (*found == ' ' || *found == '\t'))
		found++;
	while (found_end > found && (found_end[-1] == ' ' || found_end[-1] == '\t'))
		found_end--;
	return pnstrdup(found, found_end - found);
}
