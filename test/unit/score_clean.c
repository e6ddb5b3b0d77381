/*-------------------------------------------------------------------------
 *
 * score_clean.c
 *		What of a text is not sent: contacts, ids, invisible characters, names.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/score/clean.c src/score/blind.c src/score/chars.c */
#include "postgres_fe.h"

#include "score/blind.h"
#include "score/chars.h"
#include "score/clean.h"
#include "tap.h"

static const char *
clean(LiCleanKind kind, const char *raw)
{
	LiCleaner	cleaner;

	li_cleaner_init(&cleaner, "Anna Example", "ACoAABcdef0123", "anna-example-42");
	return li_clean(&cleaner, kind, raw);
}

static void
test_contacts(void)
{
	static const struct
	{
		const char *raw;
		const char *clean;
	}			cases[] =
	{
		/* what goes */
		{"mail anna@example.org now", "mail now"},
		{"anna.x+y@mail.example.org", NULL},
		{"mailto:anna@example.org!", "!"},
		{"(anna@example.org)", "()"},
		{"an\u200bna@exa\u200dmple.org", NULL},
		{"see https://example.org/a?b=c#d, then", "see , then"},
		{"ftp://example.org x", "x"},
		{"www.example.org/path and more", "and more"},
		{"linkedin.com/in/somebody-else", NULL},
		{"UK.LinkedIn.com/in/x y", "y"},
		{"find me on github.com/someone.", "find me on ."},
		{"my site example.com here", "my site here"},
		{"example.dev/talks", NULL},
		{"call +49 171 1234567", "call"},
		{"+1 (555) 010-4477", NULL},
		{"(555) 010-4477", NULL},
		{"555-010-4477", NULL},
		{"1-555-010-4477", NULL},
		{"Tel. 0711 123456", "Tel."},
		{"0171/1234567", NULL},
		{"0033 1 23 45 67 89", NULL},
		{"01 23 45 67 89", NULL},
		{"phone: 555 0199", "phone:"},
		{"2125550123", NULL},
		{"urn:li:member:12345 x", "x"},
		{"id ACoAABcdefghijklmnop_123-45", "id"},
		{"ACoAABcdef0123", NULL},
		{"profile anna-example-42", "profile"},
		{"9b2f6a0e-1111-4222-8333-444455556666", NULL},
		{"follow @annaexample", "follow"},
		{"annaexample.dev", NULL},
		{"Anna_Example on chat", "on chat"},
		/* what stays */
		{"Node.js, ASP.NET/C#, Vue.js", "Node.js, ASP.NET/C#, Vue.js"},
		{"Scaled Booking.com to 1,000,000 users", "Scaled Booking.com to 1,000,000 users"},
		{"ISO/IEC 27001:2013 and SOC 2", "ISO/IEC 27001:2013 and SOC 2"},
		{"05/2012-06/2015", "05/2012-06/2015"},
		{"01.02.2019 - 03.04.2020", "01.02.2019 - 03.04.2020"},
		{"2012-2015 2016-2019", "2012-2015 2016-2019"},
		{"USD 1 000 000 000", "USD 1 000 000 000"},
		{"$1,200,000 saved, 99.99 % up", "$1,200,000 saved, 99.99 % up"},
		{"4000000000 requests", "4000000000 requests"},
		{"10.0.0.1 and 192.168.100.200", "10.0.0.1 and 192.168.100.200"},
		{"head of platform @Google", "head of platform @Google"},
		{"and/or CI/CD 24/7", "and/or CI/CD 24/7"},
		{"e.g. v1.0 i.e. 3.5", "e.g. v1.0 i.e. 3.5"},
		{"Anna Example led it", "Anna Example led it"},
		{"C++: std::vector", "C++: std::vector"},
		{"ISBN 978-3-16-148410-0", "ISBN 978-3-16-148410-0"}
	};

	for (int i = 0; i < lengthof(cases); i++)
		is_text(clean(LI_CLEAN_TEXT, cases[i].raw), cases[i].clean, cases[i].raw);
	is_text(clean(LI_CLEAN_NAME, "booking.com"), "booking.com", "a host is a name of a company");
	is_text(clean(LI_CLEAN_NAME, "www.example.org"), NULL, "unless it is a site");
}

static void
test_layout(void)
{
	LiCleaner	cleaner;
	const char *flag = "\U0001F3F4\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F";

	is_text(clean(LI_CLEAN_TEXT, "  a \t b\u00a0c  "), "a b c", "spaces become one");
	is_text(clean(LI_CLEAN_TEXT, "\n\na\r\nb\rc\n\n\n\nd \n"), "a\nb\nc\n\nd", "line ends become plain");
	is_text(clean(LI_CLEAN_LINE, "a\nb\u2028c"), "a b c", "one line");
	is_text(clean(LI_CLEAN_TEXT, "\u2022 a\n\u2022b\n* c\n\u25aa\u00a0 d"), "- a\n- b\n- c\n- d", "bullets");
	is_text(clean(LI_CLEAN_TEXT, "2 * 3 \u2022 4"), "2 * 3 \u2022 4", "no bullet inside a line");
	is_text(clean(LI_CLEAN_TEXT, "a\001\002b\u200e\u2066c\ufeff"), "abc", "controls go");
	is_text(clean(LI_CLEAN_TEXT, "e\u0301 \u00e9"), "\u00e9 \u00e9", "letters are composed");
	is_text(clean(LI_CLEAN_TEXT, "a\xff\xfe" "b\xe2\x82"), "ab", "bytes that are no character go");
	is_text(clean(LI_CLEAN_TEXT, ""), NULL, "nothing");
	is_text(clean(LI_CLEAN_TEXT, " \n\u200b"), NULL, "nothing that can be seen");
	is_text(clean(LI_CLEAN_TEXT, NULL), NULL, "not there");

	li_cleaner_init(&cleaner, NULL, NULL, NULL);
	li_clean(&cleaner, LI_CLEAN_TEXT, flag);
	ok(!cleaner.hidden_text, "a flag hides nothing");
	is_text(li_clean(&cleaner, LI_CLEAN_TEXT, "x\U000E0068\U000E0069\U000E0020\U000E0061y"), "xy",
			"tag characters go");
	ok(cleaner.hidden_text, "and are noticed");
}

static void
test_blind(void)
{
	static const struct
	{
		const char *full,
				   *first,
				   *last,
				   *text,
				   *blind;
	}			cases[] =
	{
		{"Anna Example", "Anna", "Example", "Anna Example leads", "the candidate leads"},
		{"Anna Example", "Anna", "Example", "ANNA EXAMPLE leads", "the candidate leads"},
		{"Anna Example", "Anna", "Example", "anna\n  example leads", "the candidate leads"},
		{"Anna Example", "Anna", "Example", "Anna's team", "the candidate's team"},
		{"Anna Example", "Anna", "Example", "Ms Example, an example", "Ms the candidate, an example"},
		{"Anna Example", "Anna", "Example", "Annabel Examples", "Annabel Examples"},
		{"Anna Example", "Anna", "Example", "Joanna", "Joanna"},
		{"Anna M. Example", "Anna", "Example", "Anna Example", "the candidate"},
		{"Anna Example, PhD", "Anna", "Example", "Anna-Example GmbH", "the candidate GmbH"},
		{"Li Wu", "Li", "Wu", "Li Wu of Wu Labs", "the candidate of Wu Labs"},
		{"Mark Young", "Mark", "Young", "mark young teams, Young",
		"the candidate teams, the candidate"},
		{"Jean-Luc van der Berg", "Jean-Luc", "van der Berg", "Luc saw der Berg by van",
		"the candidate saw der the candidate by van"},
		{"\u00c9lodie \u00dcnal", "\u00c9lodie", "\u00dcnal", "\u00e9lodie \u00fcnal and \u00dcnal\u00f3",
		"the candidate and \u00dcnal\u00f3"},
		{"\u738b\u4f1f", "\u4f1f", "\u738b", "\u738b\u4f1f\u662f\u5de5\u7a0b\u5e08", "the candidate\u662f\u5de5\u7a0b\u5e08"},
		{"Madonna", NULL, NULL, "Madonna sings", "the candidate sings"},
		{"Anna Example", NULL, NULL, "Example wrote", "the candidate wrote"}
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		LiBlind    *blind = li_blind_new(cases[i].full, cases[i].first, cases[i].last);

		is_text(li_blind_apply(blind, cases[i].text), cases[i].blind, cases[i].text);
	}
	is_text(li_blind_apply(li_blind_new("A B", "A", "B"), NULL), NULL, "not there");
}

static void
test_chars(void)
{
	uint32		cp;

	is_int(li_char_clip("a\u00e9b", 4, 2), 1, "a text is not cut inside a character");
	is_int(li_char_clip("a\u00e9b", 4, 3), 3, "but behind it");
	is_int(li_char_clip("ab", 2, 9), 2, "nor longer than it is");
	is_int(li_char_count("a\u00e9\U0001F600", 7), 3, "characters are counted");
	is_int(li_char_read("\xf0\x9f", "\xf0\x9f" + 2, &cp), 1, "half a character is one byte");
	is_int(cp, 0xfffd, "of its own kind");
	is_int(li_char_fold(0xc4), 0xe4, "letters beyond ASCII are folded");
}

int
main(void)
{
	test_contacts();
	test_layout();
	test_blind();
	test_chars();
	return done_testing();
}
