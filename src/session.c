/*-------------------------------------------------------------------------
 *
 * session.c
 *		Facts about the session that triggers need.
 *
 * Triggers exist before a dump loads its rows, so they have to know that a
 * restore is under way.  pg_dump and pg_restore set check_function_bodies to
 * off at the top of every script, nobody else has a reason to, and only a
 * superuser can restore tables of an extension: the three together are taken
 * as the sign.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"

#include "session.h"

PG_FUNCTION_INFO_V1(linkedin_ingest_is_restoring);
PG_FUNCTION_INFO_V1(linkedin_ingest_outer_user);

/*
 * Whether check_function_bodies was set by a command of this session: a default
 * of the database or the role, which its owner may set for a superuser's
 * session, is no sign.
 */
static bool
set_in_session(void)
{
	static struct config_generic *setting = NULL;
	struct config_generic **settings;
	int			n;
	int			i;

	if (setting == NULL)
	{
#if PG_VERSION_NUM >= 160000
		settings = get_guc_variables(&n);
#else
		settings = get_guc_variables();
		n = GetNumConfigOptions();
#endif
		for (i = 0; i < n; i++)
			if (strcmp(settings[i]->name, "check_function_bodies") == 0)
				setting = settings[i];
	}
	return setting != NULL && setting->source == PGC_S_SESSION;
}

/* Whether this session loads a dump. */
bool
li_is_restoring(void)
{
	return !check_function_bodies && !creating_extension &&
		superuser_arg(GetSessionUserId()) && set_in_session();
}

/* is_restoring() -> boolean */
Datum
linkedin_ingest_is_restoring(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(li_is_restoring());
}

/*
 * outer_user() -> text
 *
 * The role outside every SECURITY DEFINER function: the login role or what
 * SET ROLE made of it.
 */
Datum
linkedin_ingest_outer_user(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(GetUserNameFromId(GetOuterUserId(), false)));
}
