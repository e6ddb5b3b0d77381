/*-------------------------------------------------------------------------
 *
 * count.c
 *		How many tokens of a vocabulary a text has.
 *
 * Most pieces are tokens.  In others, which begin as single bytes, those two
 * neighbours are joined over and over that make the token of the lowest rank,
 * the first of equals, until no two make one.  In a short piece all neighbours
 * are looked at each time, which is quick because they lie together; in a long
 * one a heap tells which are next, so that a megabyte without a blank takes
 * n log n.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#define CHECK_FOR_INTERRUPTS() ((void) 0)
#else
#include "postgres.h"
#include "miscadmin.h"
#endif

#include "tokens/count.h"
#include "tokens/split.h"

#define SHORT_PIECE 96			/* bytes; where both ways take the same time */

/* A piece of up to SHORT_PIECE bytes. */
static size_t
count_short(const LiRanks *ranks, const uint8 *piece, int len)
{
	uint8		starts[SHORT_PIECE + 1];	/* of the parts; the last is the end */
	uint32		joined[SHORT_PIECE];	/* part i with the next one */
	int			n = len;

	for (int i = 0; i <= len; i++)
		starts[i] = i;
	for (int i = 0; i < len - 1; i++)
		joined[i] = li_ranks_find(ranks, piece + i, 2);

	while (n > 1)
	{
		uint32		lowest = LI_NO_TOKEN;
		int			at = 0;

		for (int i = 0; i < n - 1; i++)
		{
			if (joined[i] < lowest)
			{
				lowest = joined[i];
				at = i;
			}
		}
		if (lowest == LI_NO_TOKEN)
			break;
		memmove(starts + at + 1, starts + at + 2, n - at - 1);
		memmove(joined + at, joined + at + 1, (n - at - 2) * sizeof(uint32));
		n--;
		if (at > 0)
			joined[at - 1] = li_ranks_find(ranks, piece + starts[at - 1],
										   starts[at + 1] - starts[at - 1]);
		if (at < n - 1)
			joined[at] = li_ranks_find(ranks, piece + starts[at],
									   starts[at + 2] - starts[at]);
	}
	return n;
}

/* A binary heap of (rank, place), the lowest first. */
typedef struct Heap
{
	uint64	   *items;
	size_t		n;
} Heap;

static void
sift_down(Heap *heap, size_t i)
{
	uint64		item = heap->items[i];
	size_t		child;

	while ((child = 2 * i + 1) < heap->n)
	{
		if (child + 1 < heap->n && heap->items[child + 1] < heap->items[child])
			child++;
		if (item <= heap->items[child])
			break;
		heap->items[i] = heap->items[child];
		i = child;
	}
	heap->items[i] = item;
}

static void
push(Heap *heap, uint64 item)
{
	size_t		i = heap->n++;

	while (i > 0 && item < heap->items[(i - 1) / 2])
	{
		heap->items[i] = heap->items[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	heap->items[i] = item;
}

static uint64
pop(Heap *heap)
{
	uint64		item = heap->items[0];

	heap->items[0] = heap->items[--heap->n];
	if (heap->n > 0)
		sift_down(heap, 0);
	return item;
}

/* A part of a long piece, kept where it begins. */
typedef struct Part
{
	uint32		next;			/* where it ends */
	uint32		previous;		/* where the one before begins */
	uint32		joined;			/* with the next one */
} Part;

typedef struct LongPiece
{
	const LiRanks *ranks;
	const uint8 *bytes;
	uint32		len;
	Part	   *parts;
	Heap		heap;
} LongPiece;

/* Looks up what part "at" makes with the next one. */
static void
look_up(LongPiece *piece, uint32 at)
{
	Part	   *part = &piece->parts[at];

	part->joined = part->next == piece->len ? LI_NO_TOKEN :
		li_ranks_find(piece->ranks, piece->bytes + at, piece->parts[part->next].next - at);
}

static void
look_up_again(LongPiece *piece, uint32 at)
{
	look_up(piece, at);
	if (piece->parts[at].joined != LI_NO_TOKEN)
		push(&piece->heap, (uint64) piece->parts[at].joined << 32 | at);
}

static size_t
count_long(const LiRanks *ranks, const uint8 *bytes, uint32 len)
{
	LongPiece	piece = {.ranks = ranks,.bytes = bytes,.len = len};
	Heap	   *heap = &piece.heap;
	Part	   *parts;
	size_t		n = len;

	/* each time two are joined one item goes and at most two come */
	piece.parts = parts = palloc_extended((size_t) len * sizeof(Part), MCXT_ALLOC_HUGE);
	heap->items = palloc_extended((size_t) len * 2 * sizeof(uint64), MCXT_ALLOC_HUGE);
	for (uint32 i = 0; i < len; i++)
	{
		parts[i].next = i + 1;
		parts[i].previous = i - 1;
	}
	for (uint32 i = 0; i < len; i++)
	{
		look_up(&piece, i);
		if (parts[i].joined != LI_NO_TOKEN)
			heap->items[heap->n++] = (uint64) parts[i].joined << 32 | i;
	}
	for (size_t i = heap->n / 2; i-- > 0;)
		sift_down(heap, i);

	while (heap->n > 0)
	{
		uint64		item = pop(heap);
		uint32		at = (uint32) item;
		uint32		gone;

		/* what was joined since has left its item behind */
		if (parts[at].joined != item >> 32)
			continue;
		gone = parts[at].next;
		parts[at].next = parts[gone].next;
		parts[gone].joined = LI_NO_TOKEN;
		if (parts[at].next < len)
			parts[parts[at].next].previous = at;
		look_up_again(&piece, at);
		if (at > 0)
			look_up_again(&piece, parts[at].previous);
		n--;
		CHECK_FOR_INTERRUPTS();
	}
	pfree(heap->items);
	pfree(parts);
	return n;
}

size_t
li_ranks_count(const LiRanks *ranks, const char *text, size_t len)
{
	const uint8 *p = (const uint8 *) text;
	const uint8 *end = p + len;
	size_t		tokens = 0;

	while (p < end)
	{
		const uint8 *next = li_split_next(ranks, p, end);
		size_t		size = next - p;

		if (li_ranks_find(ranks, p, size) != LI_NO_TOKEN)
			tokens++;
		else if (size <= SHORT_PIECE)
			tokens += count_short(ranks, p, size);
		else
			tokens += count_long(ranks, p, size);
		p = next;
		CHECK_FOR_INTERRUPTS();
	}
	return tokens;
}
