/*-------------------------------------------------------------------------
 *
 * schema.h
 *		The part of JSON Schema that answers are held to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_SCHEMA_H
#define LI_SCORE_SCHEMA_H

#include "json.h"
#include "score/faults.h"

/*
 * Does "value" follow "schema"?  If not, *path (in the current memory context)
 * says where, in names that the schema gives: never a word of the answer.
 * A property that is not required may be null.
 */
extern bool li_schema_accepts(const json_t *schema, const json_t *value, char **path);

/*
 * Adds what is wrong with a caller's schema: it must describe an object and
 * use known keywords only.
 */
extern void li_schema_check(const json_t *schema, LiFaults *faults);

/*
 * "schema", which li_schema_check() has passed, as providers with strict
 * schemas take it: every object closed, every property required, an optional
 * one a union with null.  JSON text in the current memory context; NULL when
 * the schema allows objects with members of any name, which no strict schema
 * can.
 */
extern char *li_schema_strict(const json_t *schema);

#endif							/* LI_SCORE_SCHEMA_H */
