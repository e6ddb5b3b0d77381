/*-------------------------------------------------------------------------
 *
 * headers.h
 *		Finding a field in the raw headers of a response.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_LLM_HEADERS_H
#define LI_LLM_HEADERS_H

/*
 * The value of the first field of that name, in any case, without the blanks
 * around it, as a new string in the current context; NULL: there is none.
 * When the text holds several header blocks the last one counts.
 */
extern char *li_header_value(const char *headers, size_t len, const char *name);

#endif /* LI_LLM_HEADERS_H */
