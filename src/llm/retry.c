/*-------------------------------------------------------------------------
 *
 * retry.c
 *		When to ask again.
 *
 * A hint is looked for in retry-after-ms, then in retry-after as seconds, then
 * in it as a date.  What is negative, longer than a day or unreadable is passed
 * over.  A date is measured against the Date of the same response: both come
 * from the server's clock, so ours need not agree, and this file needs none.
 *
 * The x-ratelimit-reset-* headers are no hints: they tell when a limit will be
 * full again, not when the next request fits.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <ctype.h>
#include <math.h>

#include "llm/headers.h"
#include "llm/retry.h"

#define MAX_HINT_MS INT64CONST(86400000)

#define BACKOFF_BASE_MS 1000
#define BACKOFF_CAP_MS 60000
#define OVERLOAD_CAP_MS 300000

/*
 * Reads a plain decimal number, all of the text, as ms.  False: it is none, or
 * not within a day.
 */
static bool
read_number(const char *text, double unit_ms, int64 *ms)
{
	double		value;

	/* strtod would also take blanks, signs, hexadecimal, inf and nan */
	if (text[0] == '\0' || strspn(text, "0123456789.") != strlen(text) ||
		strlen(text) > 20 || strchr(text, '.') != strrchr(text, '.') ||
		strcmp(text, ".") == 0)
		return false;
	value = strtod(text, NULL) * unit_ms;
	if (!(value >= 0 && value <= MAX_HINT_MS))
		return false;
	*ms = (int64) ceil(value);
	return true;
}

/* Days since 1970-01-01 in the Gregorian calendar. */
static int64
days_from_civil(int year, int month, int day)
{
	/* years that begin in March, so that the leap day is a year's last */
	int64		y = year - (month <= 2);
	int64		era = y / 400;
	int64		year_of_era = y - era * 400;
	int64		day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 -
		   year_of_era / 100 + day_of_year - 719468;
}

/*
 * Reads one of the three forms of RFC 9110, section 5.6.7, as seconds since
 * 1970.  The name of the day is not checked.
 */
static bool
read_date(const char *text, int64 *seconds)
{
	static const char *const months[] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun",
		"Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
	};
	char		name[4] = "";
	char		zone[4] = "";
	int			day;
	int			month = 0;
	int			year;
	int			hour;
	int			minute;
	int			second;
	int			end = -1;

	if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d %3[A-Z]%n",
			   &day, name, &year, &hour, &minute, &second, zone, &end) == 7 &&
		end >= 0 && text[end] == '\0')
		/* Sun, 06 Nov 1994 08:49:37 GMT */;
	else if (sscanf(text, "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d %3[A-Z]%n",
					&day, name, &year, &hour, &minute, &second, zone, &end) == 7 &&
			 end >= 0 && text[end] == '\0')
		year += 2000;			/* Sunday, 06-Nov-94 08:49:37 GMT; nobody means 1994 */
	else if (sscanf(text, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n",
					name, &day, &hour, &minute, &second, &year, &end) == 6 &&
			 end >= 0 && text[end] == '\0')
		strlcpy(zone, "GMT", sizeof(zone)); /* Sun Nov  6 08:49:37 1994 */
	else
		return false;

	for (int i = 0; i < (int) lengthof(months); i++)
	{
		if (strcmp(name, months[i]) == 0)
			month = i + 1;
	}
	if (month == 0 || strcmp(zone, "GMT") != 0 || day < 1 || day > 31 ||
		year < 1970 || year > 9999 || hour < 0 || hour > 23 ||
		minute < 0 || minute > 59 || second < 0 || second > 60)
		return false;
	*seconds = days_from_civil(year, month, day) * 86400 +
			   hour * 3600 + minute * 60 + second;
	return true;
}

int64
li_retry_after_ms(const char *headers, size_t len)
{
	char	   *text;
	char	   *date;
	int64		ms;
	int64		then;
	int64		now;

	text = li_header_value(headers, len, "retry-after-ms");
	if (text != NULL && read_number(text, 1, &ms))
		return ms;

	text = li_header_value(headers, len, "retry-after");
	if (text == NULL)
		return -1;
	if (read_number(text, 1000, &ms))
		return ms;
	date = li_header_value(headers, len, "date");
	if (date == NULL || !read_date(date, &now) || !read_date(text, &then))
		return -1;
	ms = (then - now) * 1000;
	return ms >= 0 && ms <= MAX_HINT_MS ? ms : -1;
}

bool
li_retry_forbidden(const char *headers, size_t len)
{
	char	   *text = li_header_value(headers, len, "x-should-retry");

	return text != NULL && pg_strcasecmp(text, "false") == 0;
}

int64
li_backoff_ms(int attempt, bool overload, double random)
{
	int64		cap = overload ? OVERLOAD_CAP_MS : BACKOFF_CAP_MS;
	int64		step = cap;

	/* 2^20 s is far beyond either cap */
	if (attempt <= 20)
		step = Min(cap, (int64) BACKOFF_BASE_MS << (Max(attempt, 1) - 1));
	return (int64) (random * step);
}
