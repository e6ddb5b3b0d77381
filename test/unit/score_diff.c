/*-------------------------------------------------------------------------
 *
 * score_diff.c
 *		Line diffs: their form, and that they lead from one text to the other.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/score/diff.c */
#include "postgres_fe.h"

#include <time.h>

#include "lib/stringinfo.h"

#include "score/diff.h"
#include "tap.h"

/* The hunks joined by empty lines. */
static char *
diff(const char *old_text, const char *new_text)
{
	StringInfoData buf;
	char	  **hunks;
	int			n = li_diff(old_text, new_text, &hunks);

	initStringInfo(&buf);
	for (int i = 0; i < n; i++)
		appendStringInfo(&buf, "%s%s", i > 0 ? "\n\n" : "", hunks[i]);
	return buf.data;
}

static void
test_form(void)
{
	static const struct
	{
		const char *old_text;
		const char *new_text;
		const char *hunks;
		const char *name;
	}			cases[] =
	{
		{"a\nb", "a\nb", "", "equal"},
		{NULL, NULL, "", "nothing and nothing"},
		{NULL, "a", "@@ -0,0 +1 @@\n+a", "nothing and a line"},
		{"a\nb", NULL, "@@ -1,2 +0,0 @@\n-a\n-b", "two lines and nothing"},
		{NULL, "", "@@ -0,0 +1 @@\n+", "nothing and an empty text"},
		{"a", "b", "@@ -1 +1 @@\n-a\n+b", "one line"},
		{"a", "a\n", "@@ -1 +1,2 @@\n a\n+", "a final line end"},
		{"a\nb\nc", "a\nx\nc", "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c", "a line in the middle"},
		{"a\nb\nc\nd\ne\nf\ng\nh", "a\nb\nc\nd\nx\ne\nf\ng\nh",
		"@@ -2,6 +2,7 @@\n b\n c\n d\n+x\n e\n f\n g", "three lines of context"},
		{"1\n2\n3\n4\n5\n6\n7\n8", "x\n2\n3\n4\n5\n6\n7\ny",
		"@@ -1,8 +1,8 @@\n-1\n+x\n 2\n 3\n 4\n 5\n 6\n 7\n-8\n+y", "six equal lines between: one hunk"},
		{"1\n2\n3\n4\n5\n6\n7\n8\n9", "x\n2\n3\n4\n5\n6\n7\n8\ny",
		"@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n\n@@ -6,4 +6,4 @@\n 6\n 7\n 8\n-9\n+y", "seven: two hunks"},
		{"a\nb\nc\na\nb\nb\na", "c\nb\na\nb\na\nc",
		"@@ -1,7 +1,6 @@\n-a\n+c\n b\n-c\n a\n b\n-b\n a\n+c", "the example of Myers: five edits"},
		{"a\r\nb", "a\nb", "@@ -1,2 +1,2 @@\n-a\r\n+a\n b", "a carriage return is part of its line"},
	};

	for (int i = 0; i < lengthof(cases); i++)
		is_text(diff(cases[i].old_text, cases[i].new_text), cases[i].hunks, cases[i].name);
}

static int
next_random(void)
{
	static uint32 state = 12345;

	state = state * 1664525 + 1013904223;
	return state >> 16;
}

/* A text of "n" lines out of "kinds". */
static char *
random_text(int n, int kinds)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < n; i++)
		appendStringInfo(&buf, "%sline %d", i > 0 ? "\n" : "", next_random() % kinds);
	return buf.data;
}

/* Length of the longest common subsequence of lines, the slow way. */
static int
common_lines(char *one, char *two)
{
	char	   *a[64];
	char	   *b[64];
	int			table[65][65] = {{0}};
	int			n = 0;
	int			m = 0;

	for (char *p = strtok(pstrdup(one), "\n"); p != NULL; p = strtok(NULL, "\n"))
		a[n++] = p;
	for (char *p = strtok(pstrdup(two), "\n"); p != NULL; p = strtok(NULL, "\n"))
		b[m++] = p;
	for (int i = 1; i <= n; i++)
	{
		for (int j = 1; j <= m; j++)
			table[i][j] = strcmp(a[i - 1], b[j - 1]) == 0 ? table[i - 1][j - 1] + 1 :
				Max(table[i - 1][j], table[i][j - 1]);
	}
	return table[n][m];
}

/*
 * "old_text" with the hunks applied; the marked lines are counted.  NULL when a
 * hunk does not fit.
 */
static char *
patch(const char *old_text, char **hunks, int n, int *marked)
{
	StringInfoData buf;
	const char *from = old_text;
	int			line = 1;

	initStringInfo(&buf);
	*marked = 0;
	for (int i = 0; i < n; i++)
	{
		int			start = atoi(strchr(hunks[i], '-') + 1);
		const char *h = strchr(hunks[i], '\n') + 1;

		if (strncmp(strchr(hunks[i], '-') + strspn(strchr(hunks[i], '-'), "-0123456789"), ",0", 2) == 0)
			start++;
		for (; line < start; line++)
		{
			int			len = strcspn(from, "\n");

			appendBinaryStringInfo(&buf, from, len);
			appendStringInfoChar(&buf, '\n');
			from += len + (from[len] == '\n');
		}
		for (;;)
		{
			int			len = strcspn(h, "\n");

			if (*h != '+')
			{
				if ((int) strcspn(from, "\n") != len - 1 || memcmp(from, h + 1, len - 1) != 0)
					return NULL;
				from += len - 1;
				from += *from == '\n';
				line++;
			}
			if (*h != '-')
			{
				appendBinaryStringInfo(&buf, h + 1, len - 1);
				appendStringInfoChar(&buf, '\n');
			}
			*marked += *h != ' ';
			if (h[len] == '\0')
				break;
			h += len + 1;
		}
	}
	appendStringInfoString(&buf, from);
	if (*from == '\0' && buf.len > 0)
		buf.data[--buf.len] = '\0';
	return buf.data;
}

static void
test_random(void)
{
	int			wrong = 0;
	int			long_ones = 0;

	for (int i = 0; i < 3000; i++)
	{
		int			n = 1 + next_random() % 60;
		int			m = 1 + next_random() % 60;
		int			kinds = 1 + next_random() % 20;
		char	   *one = random_text(n, kinds);
		char	   *two = random_text(m, kinds);
		char	  **hunks;
		int			n_hunks = li_diff(one, two, &hunks);
		int			marked;
		char	   *patched = patch(one, hunks, n_hunks, &marked);

		wrong += patched == NULL || strcmp(patched, two) != 0;
		long_ones += marked != n + m - 2 * common_lines(one, two);
	}
	is_int(wrong, 0, "hunks lead from one text to the other");
	is_int(long_ones, 0, "by the shortest way");
}

static void
test_speed(void)
{
	clock_t		start = clock();
	char	  **hunks;
	char	   *one = random_text(500, 100000);
	char	   *two = random_text(500, 100000);

	ok(li_diff(one, two, &hunks) > 0, "two texts of 500 lines with nothing in common");
	one = random_text(50000, 1000000);
	two = random_text(50000, 1000000);
	is_int(li_diff(one, two, &hunks), 1, "two of 50000: given up, one hunk");
	ok((clock() - start) / CLOCKS_PER_SEC < 5, "in seconds");
}

int
main(void)
{
	test_form();
	test_random();
	test_speed();
	return done_testing();
}
