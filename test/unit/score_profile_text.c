/*-------------------------------------------------------------------------
 *
 * score_profile_text.c
 *		Profiles laid out for a model, withheld names, shortening.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/score/profile_text.c src/score/clean.c src/score/blind.c src/score/chars.c src/json.c; libs: -ljansson */
#include "postgres_fe.h"

#include "lib/stringinfo.h"

#include "score/chars.h"
#include "score/profile_text.h"
#include "tap.h"

static LiExperience experiences[] = {
	{.title = "CTO",.company = "Nordlicht",.location = "Berlin",.start_year = 2019,.start_month = 3,
		.is_current = true,.description = "Anna leads 240 people.\nMail a@example.org",
	.employees = "1001-5000",.industries = "Software, Security",.country = "DE"},
	{.title = "VP Engineering",.company = "Altwerk",.start_year = 2012,.end_year = 2019,.end_month = 2},
	{.title = "Developer",.date_range = "a few years"},
	{.title = "Intern",.end_year = 2004},
};

static LiEducation educations[] = {
	{.school = "TU Berlin",.degree = "Dipl.-Ing.",.field_of_study = "Computer science",
	.start_year = 1999,.end_year = 2005,.activities = "Chess"}
};

static LiProfile
sample(void)
{
	LiProfile	p = {
		.full_name = "Anna Example",.first_name = "Anna",.last_name = "Example",
		.headline = "CTO | anna@example.org",.about = "Example builds teams.\n\u2022 one\n\u2022 two",
		.job_title = "CTO",.company_name = "Nordlicht",.location = "Berlin, Germany",
		.suggested_role = "CTO",.skills = "Go, Kubernetes",
		.certifications = "[{\"name\": \"CISSP\", \"authority\": \"ISC2\", \"license_number\": \"1\"}, 5, {}]",
		.languages = "[\"English\", {\"name\": \"German\", \"proficiency\": \"native\"}]",
		.experiences = experiences,.n_experiences = 4,
		.educations = educations,.n_educations = 1
	};

	return p;
}

static void
test_layout(void)
{
	LiProfile	profile = sample();
	LiProfile	bare = {.full_name = "X"};

	is_text(li_profile_text_write(li_profile_text_new(&profile, true)),
			"Name: the candidate\n"
			"Headline: CTO |\n"
			"Current title: CTO\n"
			"Current company: Nordlicht\n"
			"Location: Berlin, Germany\n"
			"About:\n"
			"  the candidate builds teams.\n"
			"  - one\n"
			"  - two\n"
			"\n"
			"Experience 1\n"
			"Title: CTO\n"
			"Company: Nordlicht\n"
			"Company facts: 1001-5000 employees; industries Software, Security; country DE\n"
			"Dates: 2019-03 to present\n"
			"Location: Berlin\n"
			"Description:\n"
			"  the candidate leads 240 people.\n"
			"  Mail\n"
			"\n"
			"Experience 2\n"
			"Title: VP Engineering\n"
			"Company: Altwerk\n"
			"Dates: 2012 to 2019-02\n"
			"\n"
			"Experience 3\n"
			"Title: Developer\n"
			"Dates: a few years\n"
			"\n"
			"Experience 4\n"
			"Title: Intern\n"
			"Dates: until 2004\n"
			"\n"
			"Education 1\n"
			"School: TU Berlin\n"
			"Degree: Dipl.-Ing.\n"
			"Field of study: Computer science\n"
			"Activities:\n"
			"  Chess\n"
			"\n"
			"Skills: Go, Kubernetes\n"
			"Certifications: CISSP (ISC2)\n"
			"Languages: English; German (native)", "a blind profile");
	ok(strstr(li_profile_text_write(li_profile_text_new(&profile, false)),
			  "Years: 1999 to 2005\n") != NULL, "an open one tells years of education");
	is_text(li_profile_text_write(li_profile_text_new(&bare, false)), "Name: X", "a name is enough");
	is_int(li_profile_text_substance(li_profile_text_new(&bare, false)), 0, "and is no substance");
}

static void
test_same_but_for_the_name(void)
{
	LiProfile	one = sample();
	LiProfile	two = sample();

	two.full_name = "Ben O\u2019Sample";
	two.first_name = "Ben";
	two.last_name = "O\u2019Sample";
	one.headline = "Anna Example, CTO";
	two.headline = "Ben O\u2019Sample, CTO";
	two.about = "O\u2019Sample builds teams.\n\u2022 one\n\u2022 two";
	one.experiences = two.experiences = NULL;
	one.n_experiences = two.n_experiences = 0;
	is_text(li_profile_text_write(li_profile_text_new(&one, true)),
			li_profile_text_write(li_profile_text_new(&two, true)),
			"profiles that differ in the name are sent alike");
}

static void
test_values(void)
{
	LiProfile	profile = sample();
	const LiProfileValues *v;
	StringInfoData longer;

	initStringInfo(&longer);
	for (int i = 0; i < 100; i++)
		appendStringInfoString(&longer, "\u00fcber ");
	profile.headline = longer.data;
	profile.job_title = "Lead\nof {{profile}}";
	v = li_profile_text_values(li_profile_text_new(&profile, true));
	is_text(v->full_name, "the candidate", "a value is blind too");
	is_text(v->job_title, "Lead of {{profile}}", "a value is one line");
	ok(li_char_count(v->headline, strlen(v->headline)) <= 200, "and has 200 characters at most");
	is_text(v->suggested_role, "CTO", "the role suggested");
	v = li_profile_text_values(li_profile_text_new(&profile, false));
	is_text(v->full_name, "Anna Example", "an open one");
}

/* Descriptions of "n" words in which characters have two bytes. */
static const char *
words(int n)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < n; i++)
		appendStringInfo(&buf, "\u00e4\u00f6\u00fc%d ", i);
	return buf.data;
}

static bool
is_valid(const char *s)
{
	const char *end = s + strlen(s);

	while (s < end)
	{
		uint32		cp;

		s += li_char_read(s, end, &cp);
		if (cp == 0xfffd)
			return false;
	}
	return true;
}

static void
test_shortening(void)
{
	LiExperience roles[] = {
		{.title = "Oldest",.start_year = 1999,.end_year = 2005},
		{.title = "Newest",.start_year = 2015,.is_current = true},
		{.title = "Middle",.start_year = 2005,.end_year = 2015}
	};
	LiProfile	profile = {.full_name = "X",.experiences = roles,.n_experiences = 3};
	LiProfileText *text;
	LiShortened *cut;
	size_t		full;
	bool		fits = true;
	bool		valid = true;

	roles[0].description = words(100);
	roles[1].description = words(300);
	roles[2].description = words(200);
	profile.about = words(150);
	text = li_profile_text_new(&profile, true);
	full = li_profile_text_size(text);

	ok(!li_profile_text_shorten(text, full), "what fits is left alone");
	ok(li_profile_text_shorten(text, full - 50), "a little is cut");
	is_int(li_profile_text_shortened(text, &cut), 1, "from one part");
	is_text(cut[0].part, "experience 1 description", "the oldest");
	ok(cut[0].kept > 0 && cut[0].kept < cut[0].length, "not all of it");
	ok(strstr(li_profile_text_write(text), " [...]\n") != NULL, "the cut is marked");

	li_profile_text_shorten(text, full - 1200);
	is_int(li_profile_text_shortened(text, &cut), 2, "then the next is cut");
	is_text(cut[1].part, "experience 3 description", "by age, not by place");

	ok(li_profile_text_shorten(text, 0), "as short as it gets");
	is_int(li_profile_text_shortened(text, &cut), 3, "three parts are gone");
	is_text(cut[0].part, "about", "the summary too");
	is_int(cut[0].kept + cut[1].kept + cut[2].kept, 0, "as a whole");
	ok(strstr(li_profile_text_write(text), "\u00e4\u00f6\u00fc299") != NULL, "the newest role is whole");
	ok(!li_profile_text_shorten(text, 0), "there is nothing left to cut");

	for (int less = 0; less < 2600; less += 7)
	{
		text = li_profile_text_new(&profile, true);
		li_profile_text_shorten(text, full - less);
		fits &= li_profile_text_size(text) <= full - less;
		valid &= is_valid(li_profile_text_write(text));
	}
	ok(fits, "every size that can be reached is");
	ok(valid, "and no character is cut in two");
}

int
main(void)
{
	test_layout();
	test_same_but_for_the_name();
	test_values();
	test_shortening();
	return done_testing();
}
