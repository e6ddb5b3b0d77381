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

#include "session.h"

PG_FUNCTION_INFO_V1(linkedin_ingest_is_restoring);
PG_FUNCTION_INFO_V1(linkedin_ingest_outer_user);

/* Whether this session loads a dump. */
bool
li_is_restoring(void)
{
	return !check_function_bodies && !creating_extension &&
		superuser_arg(GetSessionUserId());
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
