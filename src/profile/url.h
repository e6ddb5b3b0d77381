/*-------------------------------------------------------------------------
 * url.h
 *		LinkedIn addresses: one person, one URL.
 *-------------------------------------------------------------------------
 */
#ifndef LI_PROFILE_URL_H
#define LI_PROFILE_URL_H

typedef enum LiUrlKind
{
	LI_URL_PERSON,
	LI_URL_COMPANY,
	LI_URL_SCHOOL,
	LI_URL_LEGACY,
	LI_URL_OTHER
} LiUrlKind;

typedef struct LiUrl
{
	LiUrlKind	kind;
	char	   *normalized;		/* null for LEGACY and OTHER */
	char	   *slug;			/* the name or id in the path, likewise */
} LiUrl;

/* No LinkedIn name comes near it; a longer one could not be indexed. */
#define LI_MAX_SLUG_BYTES 400

extern LiUrl li_url_parse(const char *url);
extern const char *li_url_kind_name(LiUrlKind kind);
extern char *li_public_id(const char *raw);

#endif
