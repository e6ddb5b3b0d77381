/*-------------------------------------------------------------------------
 *
 * uuid.c
 *		Ids: version 7 for rows, random ones for incarnations.
 *
 * Version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then 12
 * bits that hold the fraction of the millisecond (method 3 of section 6.2), so
 * that ids made by one session in one statement still sort by time, then
 * random bits.  An insert therefore goes to the right end of the index.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "fmgr.h"

#include "uuid.h"

PG_FUNCTION_INFO_V1(linkedin_ingest_uuid_v7);

/* Fills 16 random bytes; an error when the system has no randomness. */
void
li_uuid_random(pg_uuid_t *uuid)
{
	if (!pg_strong_random(uuid->data, UUID_LEN))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	uuid->data[6] = (uuid->data[6] & 0x0f) | 0x40;
	uuid->data[8] = (uuid->data[8] & 0x3f) | 0x80;
}

/* uuid_v7() -> uuid */
Datum
linkedin_ingest_uuid_v7(PG_FUNCTION_ARGS)
{
	static uint64 last = 0;
	pg_uuid_t  *uuid = palloc(sizeof(pg_uuid_t));
	struct timespec now;
	uint64		stamp;			/* ms << 12 | fraction of the ms in 1/4096 */
	int			i;

	clock_gettime(CLOCK_REALTIME, &now);
	stamp = ((uint64) now.tv_sec * 1000 + now.tv_nsec / 1000000) << 12;
	stamp |= ((uint64) (now.tv_nsec % 1000000) << 12) / 1000000;
	if (stamp <= last)
		stamp = last + 1;		/* same tick, or the clock went back */
	last = stamp;

	li_uuid_random(uuid);
	for (i = 0; i < 6; i++)
		uuid->data[i] = (unsigned char) (stamp >> (12 + 8 * (5 - i)));
	uuid->data[6] = 0x70 | (unsigned char) ((stamp >> 8) & 0x0f);
	uuid->data[7] = (unsigned char) (stamp & 0xff);
	PG_RETURN_UUID_P(uuid);
}
