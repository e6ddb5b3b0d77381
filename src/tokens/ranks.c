/*-------------------------------------------------------------------------
 *
 * ranks.c
 *		A vocabulary of tokens, mapped from its file.
 *
 * The file is used as it lies on disk: every process maps it read-only, so
 * there is one copy in the page cache and nothing to parse.  data/make.js
 * writes it.  All numbers are little-endian, 32 bits wide:
 *
 *	header		"LiRanks1", 0x01020304, CRC-32C of all that follows, split
 *				rules, bytes of classes, n, bytes of entries, bytes of the
 *				longest token
 *	classes		for each 256 characters the number of their block (a byte), then
 *				the blocks, a class per character (a byte)
 *	slots		2^n, a hash table with linear probing: 0, or in the low 22 bits
 *				1 + where the token's entry begins, above them the low 10 bits
 *				of its hash
 *	entries		in the order of the ranks: length (a byte), bytes
 *
 * Which number a token has is never needed, only which of two is the lower,
 * and that is where the entries begin.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "port/pg_crc32c.h"

#include "tokens/ranks.h"

#define MAGIC		"LiRanks1"
#define BYTE_ORDER_WORD 0x01020304
#define OFFSET_BITS 22
#define OFFSET_MASK ((1U << OFFSET_BITS) - 1)
#define TAG_MASK	((1U << (32 - OFFSET_BITS)) - 1)
#define CLASS_INDEX (0x110000 / 256)

typedef struct Header
{
	char		magic[8];
	uint32		byte_order;
	uint32		crc;
	uint32		rules;			/* from here on under the checksum */
	uint32		classes_size;
	uint32		slot_bits;
	uint32		entries_size;
	uint32		longest;
} Header;

static uint64
mix(uint64 hash, uint64 word)
{
	hash = (hash ^ word) * UINT64CONST(0x9e3779b97f4a7c15);
	return hash ^ (hash >> 32);
}

static inline uint64
read_word(const uint8 *bytes)
{
	uint64		word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static inline uint64
read_half(const uint8 *bytes)
{
	uint32		half;

	memcpy(&half, bytes, sizeof(half));
	return half;
}

/* As hash() in data/make.js. */
static inline uint64
token_hash(const uint8 *bytes, size_t len)
{
	uint64		hash = len;

	if (len >= 8)
	{
		for (size_t i = 0; i + 8 < len; i += 8)
			hash = mix(hash, read_word(bytes + i));
		hash = mix(hash, read_word(bytes + len - 8));
	}
	else if (len >= 4)
		hash = mix(hash, read_half(bytes) | read_half(bytes + len - 4) << 32);
	else
		hash = mix(hash, bytes[0] | bytes[len >> 1] << 8 | bytes[len - 1] << 16);
	return mix(hash, 0);
}

uint32
li_ranks_find(const LiRanks *ranks, const uint8 *bytes, size_t len)
{
	uint64		hash;
	uint32		slot;
	uint32		mask = (1U << ranks->slot_bits) - 1;
	uint32		found;

	if (len - 1 >= ranks->longest)
		return LI_NO_TOKEN;
	hash = token_hash(bytes, len);
	slot = hash >> (64 - ranks->slot_bits);
	while ((found = ranks->slots[slot]) != 0)
	{
		if (found >> OFFSET_BITS == (hash & TAG_MASK))
		{
			const uint8 *entry = ranks->entries + (found & OFFSET_MASK) - 1;

			if (entry[0] == len && memcmp(entry + 1, bytes, len) == 0)
				return (found & OFFSET_MASK) - 1;
		}
		slot = (slot + 1) & mask;
	}
	return LI_NO_TOKEN;
}

/*
 * Does the header describe a file of "size" bytes?  What lies behind it is
 * trusted for its checksum.
 */
static bool
header_fits(const Header *header, uint64 size)
{
	return memcmp(header->magic, MAGIC, sizeof(header->magic)) == 0 &&
		header->byte_order == BYTE_ORDER_WORD &&
		header->rules <= LI_SPLIT_O200K &&
		header->classes_size >= CLASS_INDEX + 256 && header->classes_size % 4 == 0 &&
		header->slot_bits >= 8 && header->slot_bits <= OFFSET_BITS &&
		header->longest <= 255 &&
		(uint64) sizeof(Header) + header->classes_size + ((uint64) 4 << header->slot_bits) +
		header->entries_size == size;
}

const char *
li_ranks_open(LiRanks *ranks, const char *path)
{
	struct stat status;
	const uint8 *file;
	const Header *header;
	pg_crc32c	crc;
	int			fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return "the file cannot be opened";
	if (fstat(fd, &status) != 0 || status.st_size < (off_t) sizeof(Header))
	{
		close(fd);
		return "the file is too short";
	}
	file = mmap(NULL, status.st_size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (file == MAP_FAILED)
		return "the file cannot be mapped";

	header = (const Header *) file;
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, &header->rules, status.st_size - offsetof(Header, rules));
	FIN_CRC32C(crc);
	if (!header_fits(header, status.st_size) || !EQ_CRC32C(crc, header->crc))
	{
		munmap((void *) file, status.st_size);
		return "the file is damaged, or of another version or byte order";
	}

	ranks->rules = header->rules;
	ranks->blocks_index = file + sizeof(Header);
	ranks->blocks = ranks->blocks_index + CLASS_INDEX;
	ranks->slots = (const uint32 *) (ranks->blocks_index + header->classes_size);
	ranks->slot_bits = header->slot_bits;
	ranks->entries = (const uint8 *) (ranks->slots + ((size_t) 1 << header->slot_bits));
	ranks->longest = header->longest;
	return NULL;
}
