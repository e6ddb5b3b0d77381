/*-------------------------------------------------------------------------
 *
 * tokens.c
 *		Counts of tokens, beside those of the reference.
 *
 * Without an argument the strings of the fixture are counted; with one, those
 * of another file of its kind, which test/long/tokens writes.  With "speed" and
 * more files, how fast.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/tokens/ranks.c src/tokens/split.c src/tokens/count.c */
#include "postgres_fe.h"

#include <time.h>
#include <unistd.h>

#include "lib/stringinfo.h"

#include "tap.h"
#include "tokens/count.h"
#include "tokens/split.h"

#define DATA "src/tokens/data/linkedin_ingest.%s.ranks"
#define FIXTURE "test/fixtures/tokens.tsv"

static const char *const names[2] = {"o200k_base", "cl100k_base"};
static LiRanks vocabularies[2];

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static char *
read_file(const char *path, size_t *len)
{
	FILE	   *file = fopen(path, "rb");
	char	   *data;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0)
		abort();
	*len = ftell(file);
	rewind(file);
	data = malloc(*len + 1);
	if (fread(data, 1, *len, file) != *len)
		abort();
	data[*len] = '\0';
	fclose(file);
	return data;
}

static int
count(int vocabulary, const char *text, size_t len)
{
	return li_ranks_count(&vocabularies[vocabulary], text, len);
}

/* \xNN back to bytes, in place; returns the length. */
static size_t
unescape(char *text, const char *end)
{
	char	   *out = text;

	for (const char *p = text; p < end; p++)
	{
		if (*p == '\\')
		{
			char		hex[3] = {p[2], p[3], '\0'};

			*out++ = strtol(hex, NULL, 16);
			p += 3;
		}
		else
			*out++ = *p;
	}
	return out - text;
}

static void
compare_file(const char *path)
{
	size_t		size;
	char	   *data = read_file(path, &size);
	int			strings = 0;
	int			wrong[2] = {0, 0};

	for (char *line = data, *end; line < data + size; line = end + 1)
	{
		char	   *text = line;
		int			expected[2];
		size_t		len;

		end = strchr(line, '\n');
		expected[0] = strtol(text, &text, 10);
		expected[1] = strtol(text, &text, 10);
		text++;
		len = unescape(text, end);
		strings++;
		for (int v = 0; v < 2; v++)
		{
			int			got = count(v, text, len);

			if (got != expected[v] && wrong[v]++ < 5)
				printf("# line %d: %s counts %d, expected %d\n", strings, names[v], got, expected[v]);
		}
	}
	for (int v = 0; v < 2; v++)
		ok(strings > 0 && wrong[v] == 0, "%s: %d strings as the reference counts them, %d not",
		   names[v], strings, wrong[v]);
	free(data);
}

static void
show_speed(char **paths)
{
	for (; *paths != NULL; paths++)
	{
		size_t		len;
		char	   *data = read_file(*paths, &len);

		for (int v = 0; v < 2; v++)
		{
			double		best = 1e9;

			for (int n = 0; n < 5; n++)
			{
				double		start = now();

				count(v, data, len);
				start = now() - start;
				best = Min(best, start);
			}
			printf("%s %s here %.1f MB/s, %.3f ms\n", names[v],
				   strrchr(*paths, '/') ? strrchr(*paths, '/') + 1 : *paths,
				   len / best / 1e6, best * 1e3);
		}
		free(data);
	}
}

static void
test_plain(void)
{
	const char *chat = "<|endoftext|>";

	for (int v = 0; v < 2; v++)
	{
		ok(count(v, "", 0) == 0, "%s: nothing", names[v]);
		is_int(count(v, "Hello world", 11), 2, "words");
		is_int(count(v, "123456789012345678901234", 24), 8, "digits are a token for each three");
		ok(count(v, chat, strlen(chat)) > 1, "a special token is ordinary text");
	}
}

/* One letter often, or any letters: no more than a little over linear. */
static void
test_long(void)
{
	size_t		len = 1000000;
	char	   *text = malloc(len);

	memset(text, 'a', len);
	for (int v = 0; v < 2; v++)
	{
		double		start = now();
		double		tenth;
		double		whole;
		int			tokens = count(v, text, len / 10);

		tenth = now() - start;
		start = now();
		ok(count(v, text, len) == tokens * 10, "%s: a megabyte of one letter", names[v]);
		whole = now() - start;
		ok(whole < tenth * 40, "takes about ten times as long as a tenth of it");
	}
	free(text);
}

/* What is no UTF-8 is taken, and every byte of it, in pieces that end. */
static void
test_any_bytes(void)
{
	uint32		seed = 1;
	int			bad = 0;

	for (int n = 0; n < 20000; n++)
	{
		int			len = n % 40 + 1;
		uint8	   *text = malloc(len);	/* so that a byte too far is seen */

		for (int i = 0; i < len; i++)
		{
			seed = seed * 1103515245 + 12345;
			text[i] = (seed >> 16) | (n % 3 ? 0x80 : 0);
			if (n % 4 == 0)
				text[i] = "\xf0\x9f\x98\x80\xe2\x80\x8d '\xc5\xbf"[seed >> 16 & 7];
		}
		for (int v = 0; v < 2; v++)
		{
			const uint8 *p = text;

			while (p < text + len)
			{
				const uint8 *next = li_split_next(&vocabularies[v], p, text + len);

				if (next <= p || next > text + len)
				{
					bad++;
					break;
				}
				p = next;
			}
			if (count(v, (char *) text, len) < 1 || count(v, (char *) text, len) > len)
				bad++;
		}
		free(text);
	}
	is_int(bad, 0, "any bytes are split and counted");
}

/* A file that was changed, cut or is another one is not used. */
static void
test_damaged(void)
{
	char		path[] = "/tmp/tokens.XXXXXX";
	size_t		size;
	char	   *data = read_file("src/tokens/data/linkedin_ingest.cl100k_base.ranks", &size);
	size_t		places[] = {0, 8, 12, 16, 20, 24, 28, 32, 36, size / 2, size - 1};
	LiRanks		ranks;
	int			refused = 0;
	int			fd = mkstemp(path);

	for (int i = 0; i < lengthof(places); i++)
	{
		data[places[i]] ^= 0x40;
		if (pwrite(fd, data, size, 0) != (ssize_t) size)
			abort();
		data[places[i]] ^= 0x40;
		refused += li_ranks_open(&ranks, path) != NULL;
	}
	is_int(refused, lengthof(places), "a changed byte is noticed wherever it is");
	if (pwrite(fd, data, size, 0) != (ssize_t) size)
		abort();
	ok(li_ranks_open(&ranks, path) == NULL, "a copy is as good");
	ok(ftruncate(fd, size - 1) == 0 && li_ranks_open(&ranks, path) != NULL, "a file cut short");
	ok(ftruncate(fd, 7) == 0 && li_ranks_open(&ranks, path) != NULL, "shorter than a header");
	ok(ftruncate(fd, 0) == 0 && li_ranks_open(&ranks, path) != NULL, "empty");
	close(fd);
	unlink(path);
	ok(li_ranks_open(&ranks, path) != NULL, "or gone");
	free(data);
}

int
main(int argc, char **argv)
{
	for (int v = 0; v < 2; v++)
	{
		const char *problem = li_ranks_open(&vocabularies[v], psprintf(DATA, names[v]));

		if (problem != NULL)
		{
			printf("not ok - %s: %s\n", names[v], problem);
			return 1;
		}
	}
	if (argc > 2)
	{
		show_speed(argv + 2);
		return 0;
	}
	if (argc == 2)
		compare_file(argv[1]);
	else
	{
		compare_file(FIXTURE);
		test_plain();
		test_long();
		test_any_bytes();
		test_damaged();
	}
	return done_testing();
}
