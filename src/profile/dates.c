/*-------------------------------------------------------------------------
 * dates.c
 *		Dates as providers write them, at the precision they give.
 *
 * A year alone stays a year: inventing 1 January would turn "2019 - 2020" into
 * a job of a year, or of a day.  What cannot be read is absent, never an error,
 * for one odd date must not cost a person.
 *
 * Pure: builds without the server.  Results are palloc'd.
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <string.h>

#include "profile/dates.h"
#include "profile/text.h"

/*
 * Month names and their abbreviations, lower case without a final dot, of the
 * languages LinkedIn's European users export in: English, German, French,
 * Spanish, Italian, Portuguese, Dutch, the Scandinavian ones, Polish.
 */
static const char *const month_names[12] = {
	" jan january januar jänner jän janvier janv enero ene gennaio gen janeiro januari styczeń stycznia sty ",
	" feb february februar feber février fevrier févr fevr fév febrero febbraio febb fevereiro fev februari luty lutego lut ",
	" mar march märz mär mrz maerz mars marzo março marco maart mrt marts marzec marca ",
	" apr april avril avr abril abr aprile kwiecień kwietnia kwi ",
	" may mai mayo maggio mag maio mei maj maja ",
	" jun june juni juin junio giugno giu junho czerwiec czerwca cze ",
	" jul july juli juillet juil julio luglio lug julho lipiec lipca lip ",
	" aug august août aout agosto ago augustus augusti sierpień sierpnia sie ",
	" sep sept september septembre septiembre settembre set setembro wrzesień września wrz ",
	" oct october oktober okt octobre octubre ottobre ott outubro out październik października paź ",
	" nov november novembre noviembre novembro listopad listopada lis ",
	" dec december dezember dez décembre decembre déc diciembre dic dicembre dezembro desember des grudzień grudnia gru ",
};

static const char present_words[] =
	" present current currently now today ongoing heute aktuell présent"
	" aujourd'hui actuellement presente actualidad actual atual oggi attuale"
	" heden nu nå obecnie ";

static bool
in_list(const char *list, const char *word)
{
	char	   *needle = psprintf(" %s ", word);
	bool		found = word[0] != '\0' && strchr(word, ' ') == NULL &&
		strstr(list, needle) != NULL;

	pfree(needle);
	return found;
}

/* Lower case, trimmed, without final dots and commas. */
static char *
folded(const char *text)
{
	char	   *trimmed = li_text_trim(text);
	char	   *word;
	size_t		len;

	if (trimmed == NULL)
		return pstrdup("");
	word = li_utf8_lower(trimmed);
	len = strlen(word);
	while (len > 0 && (word[len - 1] == '.' || word[len - 1] == ','))
		word[--len] = '\0';
	return word;
}

/* Reads up to max_digits digits; returns how many there were. */
static int
digits(const char *s, int max_digits, int *value)
{
	int			n = 0;

	*value = 0;
	while (n < max_digits && s[n] >= '0' && s[n] <= '9')
		*value = *value * 10 + (s[n++] - '0');
	return n;
}

/* "Present" in one of the languages above. */
bool
li_is_present_word(const char *text)
{
	return in_list(present_words, folded(text));
}

/*
 * The longest of YYYY, YYYY-MM, YYYY-MM-DD that the text starts with, a time
 * after the day allowed.  A zero month or day counts as not given.  False, and
 * nothing set, when it is none of them.
 */
bool
li_partial_iso(const char *text, LiPartialDate *date)
{
	char	   *word = folded(text);
	const char *p = word;
	LiPartialDate d = {0, 0, 0};

	if (digits(p, 5, &d.year) != 4 || d.year < LI_MIN_YEAR || d.year > LI_MAX_YEAR)
		return false;
	p += 4;
	if (*p == '-')
	{
		if (digits(p + 1, 3, &d.month) != 2 || d.month > 12)
			return false;
		p += 3;
		if (*p == '-')
		{
			if (digits(p + 1, 3, &d.day) != 2 || d.day > 31)
				return false;
			p += 3;
			if (*p == 't' || *p == ' ')
				p += strlen(p);
		}
	}
	if (*p != '\0')
		return false;
	if (d.month == 0)
		d.day = 0;
	*date = d;
	return true;
}

/* The year of "2020" or of an ISO date; 0 for everything else. */
int
li_year_any(const char *text)
{
	LiPartialDate date;

	return li_partial_iso(text, &date) ? date.year : 0;
}

/* 1..12 of "3", "03", "Mar", "März", ...; 0 for everything else. */
int
li_month_any(const char *text)
{
	char	   *word = folded(text);
	int			value;
	int			n = digits(word, 3, &value);

	if (n > 0)
		return n <= 2 && word[n] == '\0' && value >= 1 && value <= 12 ? value : 0;
	for (int month = 1; month <= 12; month++)
	{
		if (in_list(month_names[month - 1], word))
			return month;
	}
	return 0;
}

/*
 * One side of a caption: a year, before or after it perhaps a month ("Mar
 * 2019", "2019-03", "03/2019", "marzo de 2019").  False without a year.
 */
static bool
caption_side(const char *text, size_t len, LiPartialDate *date)
{
	char	   *side = pnstrdup(text, len);
	LiPartialDate d = {0, 0, 0};

	if (li_partial_iso(side, date))
		return true;
	for (char *token = strtok(side, " /,\t\n"); token; token = strtok(NULL, " /,\t\n"))
	{
		int			year = li_year_any(token);
		int			month = li_month_any(token);

		if (year > 0 && strlen(token) == 4)
			d.year = year;
		else if (month > 0)
			d.month = month;
	}
	if (d.year == 0)
		return false;
	*date = d;
	return true;
}

/* Finds what parts the two sides: a spaced hyphen, a dash, the word "to". */
static const char *
find_separator(const char *text, size_t *len)
{
	static const char *const separators[] = {
		" - ", " \xE2\x80\x93 ", " \xE2\x80\x94 ", "\xE2\x80\x93",
		"\xE2\x80\x94", " to ", " bis "
	};

	for (int i = 0; i < lengthof(separators); i++)
	{
		const char *found = strstr(text, separators[i]);

		if (found)
		{
			*len = strlen(separators[i]);
			return found;
		}
	}

	/* "2018-2020", which is no ISO date */
	if (strlen(text) == 9 && text[4] == '-')
	{
		*len = 1;
		return text + 4;
	}
	return NULL;
}

/*
 * Reads a caption such as "Mar 2019 - Present · 5 yrs".  False, with *range
 * zeroed, when no year is found on either side.
 */
bool
li_date_caption(const char *text, LiDateRange *range)
{
	char	   *caption = li_text_trim(text);
	char	   *dot;
	const char *separator;
	size_t		separator_len;

	memset(range, 0, sizeof(*range));
	if (caption == NULL)
		return false;

	dot = strstr(caption, "\xC2\xB7");
	if (dot)
	{
		range->duration = li_text_trim(dot + 2);
		*dot = '\0';
		caption = li_text_trim(caption);
		if (caption == NULL)
			caption = pstrdup("");
	}

	separator = find_separator(caption, &separator_len);
	if (separator)
	{
		const char *right = separator + separator_len;

		caption_side(caption, separator - caption, &range->start);
		if (!caption_side(right, strlen(right), &range->end))
			range->ongoing = li_is_present_word(right);
	}
	else
		caption_side(caption, strlen(caption), &range->start);

	if (range->start.year == 0 && range->end.year == 0)
	{
		memset(range, 0, sizeof(*range));
		return false;
	}
	return true;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar. */
static int64
days_from_civil(int y, int m, int d)
{
	int64		year = y - (m <= 2);
	int64		era = year / 400;
	int64		yoe = year - era * 400;
	int64		doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	int64		doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * 146097 + doe - 719468;
}

/*
 * The moment of an ISO 8601 date-time as "YYYY-MM-DDThh:mm:ssZ".  A date alone
 * is its first second, a time without zone is UTC, fractions are cut off: all
 * on the early side, so that doubt never makes a payload look newer.  Null when
 * it cannot be read.
 */
char *
li_timestamp(const char *text)
{
	char	   *word = folded(text);
	const char *p = word;
	LiPartialDate date;
	int			hour = 0;
	int			minute = 0;
	int			second = 0;
	int			offset = 0;
	int64		total;
	int64		days;
	int64		era;
	int64		doe;
	int64		yoe;
	int64		doy;
	int64		mp;
	int64		month;

	if (!li_partial_iso(word, &date) || date.day == 0)
		return NULL;
	if (days_from_civil(date.year, date.month, date.day) >=
		days_from_civil(date.year + (date.month == 12), date.month % 12 + 1, 1))
		return NULL;
	p += 10;
	if (*p != '\0')
	{
		p++;
		if (digits(p, 3, &hour) != 2 || hour > 23 || p[2] != ':' ||
			digits(p + 3, 3, &minute) != 2 || minute > 59)
			return NULL;
		p += 5;
		if (*p == ':')
		{
			if (digits(p + 1, 3, &second) != 2 || second > 60)
				return NULL;
			p += 3;
			if (*p == '.' || *p == ',')
			{
				p++;
				p += strspn(p, "0123456789");
			}
		}
		if (*p == '+' || *p == '-')
		{
			int			sign = *p == '+' ? 1 : -1;
			int			zone_hour;
			int			zone_minute = 0;

			if (digits(p + 1, 2, &zone_hour) != 2 || zone_hour > 15)
				return NULL;
			p += 3;
			if (*p == ':')
				p++;
			if (*p != '\0')
			{
				if (digits(p, 3, &zone_minute) != 2 || zone_minute > 59)
					return NULL;
				p += 2;
			}
			offset = sign * (zone_hour * 60 + zone_minute);
		}
		else if (*p == 'z')
			p++;
		if (*p != '\0')
			return NULL;
	}

	total = days_from_civil(date.year, date.month, date.day) * 86400 +
		hour * 3600 + minute * 60 + second - (int64) offset * 60;
	days = total / 86400;
	total %= 86400;
	if (total < 0)
	{
		total += 86400;
		days--;
	}

	days += 719468;
	era = days / 146097;
	doe = days - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	month = mp + (mp < 10 ? 3 : -9);
	return psprintf("%04d-%02d-%02dT%02d:%02d:%02dZ",
					(int) (yoe + era * 400 + (month <= 2)), (int) month,
					(int) (doy - (153 * mp + 2) / 5 + 1),
					(int) (total / 3600), (int) (total / 60 % 60), (int) (total % 60));
}
