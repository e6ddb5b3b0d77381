/*-------------------------------------------------------------------------
 * profile_fuzz.c
 *		Fuzz target: the profile room's pure parsers must survive any bytes.
 *
 * Beyond not crashing: a normalised URL is its own normal form and stays on
 * linkedin.com, trimmed text does not grow, a timestamp is its own timestamp.
 * Built with clang -fsanitize=fuzzer,address,undefined -DFRONTEND.
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <string.h>

#include "profile/dates.h"
#include "profile/text.h"
#include "profile/url.h"

extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	char	   *text = pnstrdup((const char *) data, size);
	LiUrl		url = li_url_parse(text);
	LiDateRange range;
	char	   *made;

	if (url.normalized)
	{
		check(strncmp(url.normalized, "https://www.linkedin.com/", 25) == 0);
		check(strcmp(li_url_parse(url.normalized).normalized, url.normalized) == 0);
	}
	made = li_public_id(text);
	if (made)
		check(strcmp(li_public_id(made), made) == 0);

	made = li_text_trim(text);
	if (made)
	{
		check(strlen(made) <= strlen(text));
		check(strcmp(li_text_trim(made), made) == 0);
	}
	check(strlen(li_json_drop_bad_escapes(text)) <= strlen(text));
	li_json_drop_huge_numbers(text);
	check(strlen(li_text_unfence(text)) <= strlen(text));
	li_text_one_line(text, 20);
	li_utf8_nfc(text);

	check(li_month_any(text) <= 12);
	li_date_caption(text, &range);
	check(range.start.year == 0 || range.start.year >= LI_MIN_YEAR);
	check(range.start.year <= LI_MAX_YEAR);
	made = li_timestamp(text);
	if (made)
		check(strcmp(li_timestamp(made), made) == 0);
	return 0;
}
