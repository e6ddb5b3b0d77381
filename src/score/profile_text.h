/*-------------------------------------------------------------------------
 *
 * profile_text.h
 *		A profile as the text that is sent to a model.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_PROFILE_TEXT_H
#define LI_SCORE_PROFILE_TEXT_H

/* What a profile says, as stored.  Strings may be NULL, numbers 0: not known. */
typedef struct LiExperience
{
	const char *title;
	const char *company;
	const char *location;
	const char *description;
	const char *date_range;		/* used when there is no year */
	int			start_year;
	int			start_month;
	int			end_year;
	int			end_month;
	bool		is_current;
	const char *employees;		/* of the employer, if it is known */
	const char *industries;
	const char *country;
} LiExperience;

typedef struct LiEducation
{
	const char *school;
	const char *degree;
	const char *field_of_study;
	const char *activities;
	int			start_year;
	int			end_year;
} LiEducation;

typedef struct LiProfile
{
	const char *full_name;
	const char *first_name;
	const char *last_name;
	const char *member_id;
	const char *public_id;
	const char *headline;
	const char *about;
	const char *job_title;
	const char *company_name;
	const char *location;
	const char *suggested_role;
	const char *skills;			/* ", " between them */
	const char *certifications; /* JSON array */
	const char *languages;		/* JSON array */
	LiExperience *experiences;	/* in the profile's order */
	int			n_experiences;
	LiEducation *educations;
	int			n_educations;
} LiProfile;

/* Values for placeholders: clean, blinded, one line of at most 200 characters. */
typedef struct LiProfileValues
{
	const char *full_name;
	const char *headline;
	const char *job_title;
	const char *company_name;
	const char *location;
	const char *suggested_role;
} LiProfileValues;

typedef struct LiProfileText LiProfileText;

/* One part of the text that was shortened; lengths in characters. */
typedef struct LiShortened
{
	const char *part;			/* "experience 3 description" */
	int			length;
	int			kept;			/* 0: left out */
} LiShortened;

/*
 * Cleans, blinds and lays out a profile.  The result, in the current memory
 * context, refers to nothing in "profile".
 */
extern LiProfileText *li_profile_text_new(const LiProfile *profile, bool blind);

/* One that can be shortened on its own; the texts in it are shared. */
extern LiProfileText *li_profile_text_copy(const LiProfileText *text);

extern const LiProfileValues *li_profile_text_values(const LiProfileText *text);

/* Characters of substance: labels and the name are none. */
extern int	li_profile_text_substance(const LiProfileText *text);

/* Text in characters that no reader sees was removed. */
extern bool li_profile_text_hidden(const LiProfileText *text);

/*
 * Shortens the text until it has at most "max_bytes", or is as short as it
 * gets; what an earlier call cut stays cut.  False when nothing was left to
 * cut.
 */
extern bool li_profile_text_shorten(LiProfileText *text, size_t max_bytes);

extern size_t li_profile_text_size(const LiProfileText *text);

/* The text; in the current memory context. */
extern char *li_profile_text_write(const LiProfileText *text);

/* What has been shortened, in the order of the text; returns their number. */
extern int	li_profile_text_shortened(const LiProfileText *text, LiShortened **list);

#endif							/* LI_SCORE_PROFILE_TEXT_H */
