/*-------------------------------------------------------------------------
 * text.h
 *		UTF-8 text as providers send it.
 *-------------------------------------------------------------------------
 */
#ifndef LI_PROFILE_TEXT_H
#define LI_PROFILE_TEXT_H

#include "lib/stringinfo.h"

extern int	li_utf8_decode(const char *s, size_t len, uint32 *codepoint);
extern void li_utf8_append(StringInfo buf, uint32 codepoint);
extern char *li_utf8_lower(const char *s);
extern char *li_utf8_nfc(const char *s);
extern bool li_utf8_equal_caseless(const char *a, const char *b);
extern bool li_is_space(uint32 codepoint);
extern bool li_is_invisible(uint32 codepoint);
extern char *li_text_trim(const char *s);
extern char *li_text_unfence(const char *s);
extern char *li_text_one_line(const char *s, int max_chars);
extern char *li_json_drop_bad_escapes(const char *json);
extern char *li_json_drop_huge_numbers(const char *json);

#endif
