/*-------------------------------------------------------------------------
 *
 * models.h
 *		Asking a provider which models it has.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_LLM_MODELS_H
#define LI_LLM_MODELS_H

#include "lib/stringinfo.h"

#include "llm/provider.h"

/*
 * Fills url and headers of *request with a GET of the list (memory in the
 * current context).  Returns NULL, or a static text that says which part of
 * the endpoint may not stand in a request (never its value).
 */
extern const char *li_models_build(const LiProvider *dialect,
								   const LiEndpoint *endpoint, LiHttpRequest *request);

/*
 * Reads whatever came back, transport errors included.  LI_OK: a line
 * "id TAB date LF" for each model was appended to "lines", the date YYYY-MM-DD
 * or empty.  Else code and message say why not, the message in our own words.
 */
extern LiOutcome li_models_read(const LiHttpResponse *response, StringInfo lines);

#endif /* LI_LLM_MODELS_H */
