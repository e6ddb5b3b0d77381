/*-------------------------------------------------------------------------
 *
 * faults.c
 *		A list of faults in what a caller gave.
 *
 * Whoever saves a template is told everything that is wrong with it at once.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "lib/stringinfo.h"

#include "score/chars.h"
#include "score/faults.h"

#define MAX_QUOTE 60

void
li_fault(LiFaults *faults, const char *format,...)
{
	StringInfoData buf;

	if (faults->n == LI_MAX_FAULTS)
		return;
	initStringInfo(&buf);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&buf, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&buf, needed);
	}
	faults->lines[faults->n++] = buf.data;
}

char *
li_fault_quote(const char *text)
{
	const char *end = text + strlen(text);
	StringInfoData buf;
	int			chars = 0;

	initStringInfo(&buf);
	while (text < end)
	{
		uint32		cp;
		int			len = li_char_read(text, end, &cp);

		if (chars++ == MAX_QUOTE)
		{
			appendStringInfoString(&buf, "...");
			break;
		}
		if (li_char_is_space(cp) || li_char_is_invisible(cp))
			appendStringInfoChar(&buf, ' ');
		else
			appendBinaryStringInfo(&buf, text, len);
		text += len;
	}
	return buf.data;
}
