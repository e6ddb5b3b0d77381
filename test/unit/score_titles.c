/*-------------------------------------------------------------------------
 *
 * score_titles.c
 *		Which words of a title count, and which only look so.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/score/titles.c src/score/chars.c */
#include "postgres_fe.h"

#include "lib/stringinfo.h"

#include "score/titles.h"
#include "tap.h"

static const char *
find(const char *title)
{
	const char *found[LI_TITLE_INDICATORS];
	StringInfoData buf;
	int			n = li_title_indicators(title, found);

	initStringInfo(&buf);
	for (int i = 0; i < n; i++)
		appendStringInfo(&buf, "%s%s", i > 0 ? ", " : "", found[i]);
	return buf.data;
}

static const struct
{
	const char *title;
	const char *found;
}			cases[] =
{
	{"CTO", "cto"},
	{"Group CTO / CISO (interim)", "cto, ciso"},
	{"Chief Information Officer", "chief"},
	{"Vice President, Engineering", "vice president"},
	{"Senior Vice-President of Data", "vice president"},
	{"vice\xc2\xa0president", "vice president"},
	{"Vice\nPresident", "vice president"},
	{"President and Vice President", "president, vice president"},
	{"President & Co-Founder", "president, founder"},
	{"Cofounder, ex-VP", "cofounder, vp"},
	{"Managing Director", "managing director"},
	{"Director, Director, director", "director"},
	{"Head of IT", "head"},
	{"HEAD_OF_IT", "head"},
	{"Partner", "partner"},
	{"SVP|EVP|AVP", "svp, evp, avp"},
	{"CXO;", "cxo"},

	/* words that hold one, or look like one */
	{"Project Coordinator", ""},
	{"Doctor of medicine", ""},
	{"Team Leader", ""},
	{"Factotum, Directory Services", ""},
	{"Headhunter, Headmaster", ""},
	{"Vice principal", ""},
	{"Software Engineer", ""},
	{"CTO2, 3CTO", ""},
	{"Partnership, Foundation", ""},
	{"directorships", ""},
	{"chairmanchairmanchairman", ""},
	{"", ""},
	{" -/ ", ""},

	/* any script */
	{"\xc3\x89" "director", ""},	/* E with acute before it */
	{"E\xcc\x81" "director", ""},	/* the same as two characters */
	{"director\xc3\xa9", ""},
	{"cto\xd0\xb2", ""},		/* a Cyrillic letter behind it */
	{"\xd0\xb8" "head", ""},
	{"\xd0\x98\xd0\xa2-\xd0\xb4\xd0\xb8\xd1\x80\xd0\xb5\xd0\xba\xd1\x82\xd0\xbe\xd1\x80 (CTO)", "cto"},
	{"\xe6\xa0\xaa\xe5\xbc\x8f\xe4\xbc\x9a\xe7\xa4\xbe" "CTO", "cto"},	/* Han before it */
	{"CTO\xe3\x80\x81" "CIO", "cto, cio"},	/* ideographic comma */
	{"\xef\xbc\xa3\xef\xbc\xb4\xef\xbc\xaf", "cto"},	/* wide letters */
	{"C\xe2\x80\x8bTO", "cto"}, /* a zero-width space in it */
	{"\xe2\x80\x8e" "CTO\xe2\x80\x8e", "cto"},
	{"\xf0\x9f\x9a\x80" "CTO\xf0\x9f\x9a\x80", "cto"},	/* between rockets */
	{"CTO\xe2\x80\x93" "EMEA", "cto"},	/* a dash behind it */
	{"\xff" "CTO\xfe", "cto"},	/* bytes that are no UTF-8 */
};

int
main(void)
{
	for (int i = 0; i < lengthof(cases); i++)
		is_text(find(cases[i].title), cases[i].found, psprintf("case %d: %s", i + 1, cases[i].title));
	is_int(strlen(find("vice president vice chairman managing director general manager chief ceo cto cio"
					   " ciso cso cdo cpo coo cfo cmo cro chro cxo vp svp evp avp president head director"
					   " founder cofounder partner chairman chairwoman chairperson")) > 200, 1,
		   "all of them at once");
	return done_testing();
}
