/*-------------------------------------------------------------------------
 * profile_pure.c
 *		Unit tests of the profile room's pure modules: text, dates, URLs.
 *-------------------------------------------------------------------------
 */
/* sources: src/profile/text.c src/profile/dates.c src/profile/url.c */
#include "postgres_fe.h"

#include <string.h>

#include "profile/dates.h"
#include "profile/text.h"
#include "profile/url.h"
#include "tap.h"

static void
test_utf8(void)
{
	static const char *const bad[] = {
		"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
		"\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "\xFF", "\xE2\x82", "\xC3"
	};
	uint32		c;

	for (int i = 0; i < lengthof(bad); i++)
		ok(li_utf8_decode(bad[i], strlen(bad[i]), &c) == -1, "bytes that are not UTF-8");
	ok(li_utf8_decode("", 0, &c) == 0, "the end of the text");
	ok(li_utf8_decode("\xF0\x9F\x98\x80", 4, &c) == 4 && c == 0x1F600, "four bytes");
	is_text(li_utf8_lower("ÀÉÎÕÜ ĄŁŻŹ ΆΈΣΩ ЁЖЯ Ստ ẞİ"), "àéîõü ąłżź άέσω ёжя ստ ßi", "lower case of several alphabets");
	is_text(li_utf8_lower("×÷ßıĸ漢字"), "×÷ßıĸ漢字", "what has no lower case stays");
	is_text(li_utf8_nfc("e\xCC\x81"), "\xC3\xA9", "NFC composes");
	is_text(li_utf8_nfc("a\xFFz"), "az", "bad bytes are dropped");
	ok(li_utf8_equal_caseless("ÅSA", "åsa"), "equal but for case");
	ok(!li_utf8_equal_caseless("a", NULL), "text and null differ");
	ok(li_utf8_equal_caseless(NULL, NULL), "null and null do not");
}

static void
test_text(void)
{
	is_text(li_text_trim(" \t\xC2\xA0x y\xE3\x80\x80\xEF\xBB\xBF\n"), "x y", "white space of all kinds is trimmed");
	is_text(li_text_trim(" \xE2\x80\x8B "), NULL, "nothing visible is nothing");
	is_text(li_text_trim("\xE2\x80\x8Fשלום"), "\xE2\x80\x8Fשלום", "a direction mark belongs to the text");
	is_text(li_text_trim("\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB "), "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB", "a joined emoji stays whole");
	is_text(li_text_unfence("```json\n{\"a\":1}\n```"), "{\"a\":1}\n", "a fence is opened");
	is_text(li_text_unfence("Sure:\n```\n[1]\n```\nBye"), "[1]\n", "chatter around a fence goes");
	is_text(li_text_unfence("```{\"a\":1}```"), "{\"a\":1}", "a fence on one line");
	is_text(li_text_unfence("```json\n{\"a\":1}"), "{\"a\":1}", "a fence that is not closed");
	is_text(li_text_unfence("{\"a\":\"```x```\"}"), "{\"a\":\"```x```\"}", "a fence inside JSON is text");
	is_text(li_text_unfence("plain"), "plain", "no fence");
	is_text(li_text_unfence("```"), "```", "a fence with nothing in it");
	is_text(li_text_unfence(""), "", "no text");
	is_text(li_text_one_line("a\n b\x01\x7F c", 100), "a b c", "one line");
	is_text(li_text_one_line("äöü", 2), "äö...", "cut between characters");
	is_text(li_json_drop_bad_escapes("\"a\\u0000b\""), "\"ab\"", "an escaped NUL is dropped");
	is_text(li_json_drop_bad_escapes("\"\\\\u0000\""), "\"\\\\u0000\"", "an escaped backslash is not an escape");
	is_text(li_json_drop_bad_escapes("\"\\ud83d\\ude00\""), "\"\\ud83d\\ude00\"", "a pair of surrogates stays");
	is_text(li_json_drop_bad_escapes("\"\\ud83d\\ud83d\\ude00\""), "\"\\ud83d\\ude00\"", "the half before a pair goes");
	is_text(li_json_drop_bad_escapes("\"\\ude00\\ud83d\""), "\"\"", "halves in the wrong order go");
	is_text(li_json_drop_bad_escapes("\"\\ud83d\\u00e4\""), "\"\\u00e4\"", "a half before another letter goes");
	is_text(li_json_drop_bad_escapes("\\u12"), "\\u12", "a short escape is left to the parser");
	is_text(li_json_drop_bad_escapes("\\"), "\\", "a backslash at the end");
	is_text(li_json_drop_huge_numbers("{\"a 1e999\\\"\":[1e999,-1E+999,12,-0.5e3,\"-1e999\"]}"),
			"{\"a 1e999\\\"\":[null,null,12,-0.5e3,\"-1e999\"]}", "numbers beyond a double");
}

static void
check_range(const char *caption, int y1, int m1, int y2, int m2, bool ongoing, const char *duration)
{
	LiDateRange r;

	li_date_caption(caption, &r);
	ok(r.start.year == y1 && r.start.month == m1 && r.end.year == y2 && r.end.month == m2 &&
	   r.ongoing == ongoing, "%s", caption);
	is_text(r.duration, duration, "its duration");
}

static void
test_dates(void)
{
	static const char *const marches[] = {
		"3", "03", "Mar", "mar.", "MARCH", "März", "mrz", "mars", "marzo", "março", "maart", "marzec"
	};
	static const char *const no_months[] = {"0", "13", "003", "x", "", "-1", "3.5", "Marchy", "mar apr"};
	static const char *const no_years[] = {"", "20", "20201", "Present", "now", "2020-13", "1899", "2101", "abcd", "2020x"};
	LiPartialDate d;

	for (int i = 0; i < lengthof(marches); i++)
		ok(li_month_any(marches[i]) == 3, "%s", marches[i]);
	for (int i = 0; i < lengthof(no_months); i++)
		ok(li_month_any(no_months[i]) == 0, "no month");
	for (int i = 0; i < lengthof(no_years); i++)
		ok(li_year_any(no_years[i]) == 0, "no year");
	ok(li_year_any(" 2020 ") == 2020 && li_year_any("2020-05-01T00:00:00Z") == 2020, "years");
	ok(li_partial_iso("2020-00-00", &d) && d.year == 2020 && d.month == 0 && d.day == 0, "zeros are not given");
	ok(li_partial_iso("2020-05", &d) && d.month == 5 && d.day == 0, "a month without a day");
	ok(!li_partial_iso("2020-5", &d), "one digit is no month");
	ok(li_is_present_word("Present") && li_is_present_word("heute") && !li_is_present_word("2020"), "the present");
	check_range("Mar 2019 - Present \xC2\xB7 5 yrs 2 mos", 2019, 3, 0, 0, true, "5 yrs 2 mos");
	check_range("2018 \xE2\x80\x93 2020", 2018, 0, 2020, 0, false, NULL);
	check_range("2018-2020", 2018, 0, 2020, 0, false, NULL);
	check_range("2018-03 - 2020-04", 2018, 3, 2020, 4, false, NULL);
	check_range("marzo de 2019 - actualidad", 2019, 3, 0, 0, true, NULL);
	check_range("2015", 2015, 0, 0, 0, false, NULL);
	check_range("Jan 2015", 2015, 1, 0, 0, false, NULL);
	check_range("01/2015 to 02/2016", 2015, 1, 2016, 2, false, NULL);
	check_range("Present", 0, 0, 0, 0, false, NULL);
	check_range("\xC2\xB7", 0, 0, 0, 0, false, NULL);
	check_range("", 0, 0, 0, 0, false, NULL);
	is_text(li_timestamp("2026-01-05T10:00:00+02:00"), "2026-01-05T08:00:00Z", "a zone");
	is_text(li_timestamp("2026-01-01 00:30-0100"), "2026-01-01T01:30:00Z", "a zone without a colon");
	is_text(li_timestamp("2025-12-31T23:30:00.123-01:00"), "2026-01-01T00:30:00Z", "into the next year");
	is_text(li_timestamp("2024-03-01T00:00:00+01:00"), "2024-02-29T23:00:00Z", "back over a leap day");
	is_text(li_timestamp("2026-01-05"), "2026-01-05T00:00:00Z", "a date alone is its first second");
	is_text(li_timestamp("2026-01"), NULL, "a month is no moment");
	is_text(li_timestamp("2026-01-05T25:00"), NULL, "no such hour");
	is_text(li_timestamp("2026-02-29"), NULL, "no such day");
	is_text(li_timestamp("2026-01-05T10:00 soon"), NULL, "text after it");
}

static void
test_urls(void)
{
	static const char *const others[] = {
		"", "/in/x", "in/x", "https://linkedin.com", "https://xlinkedin.com/in/x", "https://abc.linkedin.com/in/x",
		"https://a.b.linkedin.com/in/x", "https://linkedin.com.evil.example/in/x", "https://linkedin.com@evil.example/in/x",
		"https://evil.example#@linkedin.com/in/x", "https://evil.example?linkedin.com/in/x", "https://linkedin.com:443@evil.example/in/x",
		"https:\\\\linkedin.com\\in\\x", "javascript://linkedin.com/in/x", "//linkedin.com/in/x", "https://linkedin.com./in/x",
		"https://www.linkedin.com/in/%", "https://www.linkedin.com/in/%2", "https://www.linkedin.com/in/%00",
		"https://www.linkedin.com/in/a%20b", "https://www.linkedin.com/in/..", "https://www.linkedin.com/in/%2E%2E",
		"https://www.linkedin.com/in/a%25b", "https://www.linkedin.com/in/\xFF", "https://www.linkedin.com/in/%E2%80%8B"
	};

	for (int i = 0; i < lengthof(others); i++)
	{
		LiUrl		url = li_url_parse(others[i]);

		ok(url.kind == LI_URL_OTHER && url.normalized == NULL, "%s", others[i]);
	}
	is_text(li_url_parse("nl.linkedin.com/in/Zo%C3%AB%E2%80%8B-X/?a#b").normalized, "https://www.linkedin.com/in/zoë-x", "much at once");
	is_text(li_url_parse("https://www.linkedin.com/in/x").slug, "x", "the name in the path");
	is_text(li_public_id("Zo%C3%AB"), "zoë", "a public id");
	is_text(li_public_id("https://www.linkedin.com/in/X/"), "x", "a URL in place of a public id");
	is_text(li_public_id("https://www.linkedin.com/company/x"), NULL, "a company is nobody's public id");
	is_text(li_public_id(" "), NULL, "an empty public id");
	is_text(li_url_kind_name(li_url_parse("linkedin.com/pub/a/1").kind), "legacy", "names of kinds");
}

int
main(void)
{
	test_utf8();
	test_text();
	test_dates();
	test_urls();
	return done_testing();
}
