/*-------------------------------------------------------------------------
 *
 * diff.c
 *		What changed between two texts, line by line.
 *
 * The shortest edit script is found as Myers describes ("An O(ND) Difference
 * Algorithm and Its Variations", 1986): searches from both ends until they
 * meet, then the same on either side of the meeting point.  That takes memory
 * for one row, and time by the number of differences.
 *
 * Two texts of many thousand lines with little in common would take seconds to
 * compare, to no use: nobody reads such a script.  A search that goes on for
 * too long is given up, and what was compared counts as replaced as a whole.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "lib/stringinfo.h"

#include "score/diff.h"

#define CONTEXT		3
#define MAX_STEPS	2000		/* differences searched for, from either end */

typedef struct Line
{
	const char *text;
	int			len;
	int			id;				/* the same for equal lines */
} Line;

typedef struct Side
{
	Line	   *lines;
	int			n;
	bool	   *changed;		/* not in the other text; one more at the end */
} Side;

typedef struct Diff
{
	Side		old;
	Side		new;
	int		   *forward;		/* by diagonal: how far a search has come */
	int		   *backward;
} Diff;

static void
split(const char *text, Side *side)
{
	const char *end;
	int			n = 0;

	if (text != NULL)
	{
		n = 1;
		for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
			n++;
	}
	side->n = n;
	side->lines = palloc((n + 1) * sizeof(Line));
	side->changed = palloc0((n + 1) * sizeof(bool));
	for (int i = 0; i < n; i++)
	{
		end = text + strcspn(text, "\n");
		side->lines[i].text = text;
		side->lines[i].len = end - text;
		text = end + 1;
	}
}

static int
compare_lines(const void *a, const void *b)
{
	const Line *one = *(Line *const *) a;
	const Line *two = *(Line *const *) b;
	int			cmp = memcmp(one->text, two->text, Min(one->len, two->len));

	return cmp != 0 ? cmp : (one->len > two->len) - (one->len < two->len);
}

static void
number_lines(Diff *diff)
{
	int			n = diff->old.n + diff->new.n;
	Line	  **sorted = palloc((n + 1) * sizeof(Line *));

	for (int i = 0; i < n; i++)
		sorted[i] = i < diff->old.n ? &diff->old.lines[i] : &diff->new.lines[i - diff->old.n];
	qsort(sorted, n, sizeof(Line *), compare_lines);
	for (int i = 0; i < n; i++)
		sorted[i]->id = i > 0 && compare_lines(&sorted[i - 1], &sorted[i]) == 0 ?
			sorted[i - 1]->id : i;
}

/*
 * One more step on diagonal k = x - y of a box of n by m lines: the furthest x
 * that an edit leads to from a neighbouring diagonal, -1 when none does.
 */
static int
step(const int *reached, int k, int n, int m)
{
	int			right = reached[k - 1];
	int			down = reached[k + 1];

	right = right >= 0 && right < n ? right + 1 : -1;
	down = down >= 0 && down - k <= m ? down : -1;
	return Max(right, down);
}

/*
 * A point on a shortest path through the box of n old and m new lines; false
 * when the search is given up.  Both are more than 0, and neither the first
 * lines nor the last ones are equal, so the point is no corner of the box.
 */
static bool
meet(Diff *diff, const Line *a, int n, const Line *b, int m, int *meet_x, int *meet_y)
{
	int		   *forward = diff->forward + m + 1;
	int		   *backward = diff->backward + m + 1;
	int			delta = n - m;

	for (int k = -m - 1; k <= n + 1; k++)
		forward[k] = backward[k] = -1;
	for (int d = 0; d <= MAX_STEPS; d++)
	{
		int			lowest = d <= m ? -d : -m + (d - m) % 2;
		int			highest = Min(d, n);

		for (int k = lowest; k <= highest; k += 2)
		{
			int			x = d == 0 ? 0 : step(forward, k, n, m);

			while (x >= 0 && x < n && x - k < m && a[x].id == b[x - k].id)
				x++;
			forward[k] = x;
			if (x >= 0 && delta % 2 != 0 && delta - k >= -m && delta - k <= n &&
				backward[delta - k] >= 0 && x + backward[delta - k] >= n)
			{
				*meet_x = x;
				*meet_y = x - k;
				return true;
			}
		}
		for (int k = lowest; k <= highest; k += 2)
		{
			int			x = d == 0 ? 0 : step(backward, k, n, m);

			while (x >= 0 && x < n && x - k < m && a[n - 1 - x].id == b[m - 1 - (x - k)].id)
				x++;
			backward[k] = x;
			if (x >= 0 && delta % 2 == 0 && delta - k >= -m && delta - k <= n &&
				forward[delta - k] >= 0 && x + forward[delta - k] >= n)
			{
				*meet_x = n - x;
				*meet_y = m - (x - k);
				return true;
			}
		}
	}
	return false;
}

/* Marks what differs in n old lines from "a" on and m new ones from "b" on. */
static void
compare(Diff *diff, int a, int n, int b, int m)
{
	const Line *old = diff->old.lines;
	const Line *new = diff->new.lines;
	int			x;
	int			y;

	while (n > 0 && m > 0 && old[a].id == new[b].id)
		a++, b++, n--, m--;
	while (n > 0 && m > 0 && old[a + n - 1].id == new[b + m - 1].id)
		n--, m--;
	if (n > 0 && m > 0 && meet(diff, old + a, n, new + b, m, &x, &y))
	{
		compare(diff, a, x, b, y);
		compare(diff, a + x, n - x, b + y, m - y);
		return;
	}
	memset(diff->old.changed + a, true, n * sizeof(bool));
	memset(diff->new.changed + b, true, m * sizeof(bool));
}

static void
append_range(StringInfo buf, int start, int n)
{
	/* an empty range is behind a line, and is given that line's number */
	if (n == 1)
		appendStringInfo(buf, "%d", start + 1);
	else
		appendStringInfo(buf, "%d,%d", n == 0 ? start : start + 1, n);
}

static void
append_line(StringInfo buf, char mark, const Line *line)
{
	appendStringInfoChar(buf, '\n');
	appendStringInfoChar(buf, mark);
	appendBinaryStringInfo(buf, line->text, line->len);
}

/* The hunk of old lines from "a" to "a_end" and new ones from "b" to "b_end". */
static char *
write_hunk(const Diff *diff, int a, int a_end, int b, int b_end)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "@@ -");
	append_range(&buf, a, a_end - a);
	appendStringInfoString(&buf, " +");
	append_range(&buf, b, b_end - b);
	appendStringInfoString(&buf, " @@");
	while (a < a_end || b < b_end)
	{
		if (a < a_end && diff->old.changed[a])
			append_line(&buf, '-', &diff->old.lines[a++]);
		else if (b < b_end && diff->new.changed[b])
			append_line(&buf, '+', &diff->new.lines[b++]);
		else
		{
			append_line(&buf, ' ', &diff->old.lines[a++]);
			b++;
		}
	}
	return buf.data;
}

int
li_diff(const char *old_text, const char *new_text, char ***hunks)
{
	Diff		diff;
	int			a = 0;
	int			b = 0;
	int			n = 0;
	int			room = 8;

	split(old_text, &diff.old);
	split(new_text, &diff.new);
	number_lines(&diff);
	diff.forward = palloc((diff.old.n + diff.new.n + 3) * sizeof(int));
	diff.backward = palloc((diff.old.n + diff.new.n + 3) * sizeof(int));
	compare(&diff, 0, diff.old.n, 0, diff.new.n);

	*hunks = palloc(room * sizeof(char *));
	while (a < diff.old.n || b < diff.new.n)
	{
		int			context = Min(a, CONTEXT);
		int			first_a;
		int			first_b;
		int			equal = 0;

		if (!diff.old.changed[a] && !diff.new.changed[b])
		{
			a++, b++;
			continue;
		}
		first_a = a - context;
		first_b = b - context;

		/* changes with no more than two contexts between them are one hunk */
		while ((a < diff.old.n || b < diff.new.n) && equal <= 2 * CONTEXT)
		{
			if (diff.old.changed[a])
				a++, equal = 0;
			else if (diff.new.changed[b])
				b++, equal = 0;
			else
				a++, b++, equal++;
		}
		context = Max(equal - CONTEXT, 0);
		if (n == room)
		{
			room *= 2;
			*hunks = repalloc(*hunks, room * sizeof(char *));
		}
		(*hunks)[n++] = write_hunk(&diff, first_a, a - context, first_b, b - context);
	}
	return n;
}
