/*-------------------------------------------------------------------------
 *
 * provider.c
 *		The dialects by the kind of provider that speaks them.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "llm/provider.h"

static const LiProvider *const providers[] = {
	&li_provider_openai,
	&li_provider_azure,
	&li_provider_anthropic
};

const LiProvider *
li_provider_find(const char *kind)
{
	for (int i = 0; i < (int) lengthof(providers); i++)
	{
		if (strcmp(providers[i]->kind, kind) == 0)
			return providers[i];
	}
	return NULL;
}
