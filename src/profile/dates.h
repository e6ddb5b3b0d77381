/*-------------------------------------------------------------------------
 * dates.h
 *		Dates as providers write them, at the precision they give.
 *-------------------------------------------------------------------------
 */
#ifndef LI_PROFILE_DATES_H
#define LI_PROFILE_DATES_H

/* Years outside are not dates of a career. */
#define LI_MIN_YEAR 1900
#define LI_MAX_YEAR 2100

/* 0 stands for what is not given, in all of these. */
typedef struct LiPartialDate
{
	int			year;
	int			month;
	int			day;
} LiPartialDate;

/* What a caption such as "Mar 2019 - Present · 5 yrs" tells. */
typedef struct LiDateRange
{
	LiPartialDate start;
	LiPartialDate end;
	bool		ongoing;		/* the end is "Present" in some language */
	char	   *duration;		/* the text after the dot; null: none */
} LiDateRange;

extern int	li_year_any(const char *text);
extern int	li_month_any(const char *text);
extern bool li_is_present_word(const char *text);
extern bool li_partial_iso(const char *text, LiPartialDate *date);
extern bool li_date_caption(const char *text, LiDateRange *range);
extern char *li_timestamp(const char *text);

#endif
