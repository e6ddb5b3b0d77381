/*-------------------------------------------------------------------------
 *
 * injection.c
 *		Does a profile speak to the model?
 *
 * Text that reads like an instruction to a model is a reason for a person to
 * look at the result, never a lower score: the detector only flags, so what
 * matters most is that it does not flag people who merely write about models,
 * prompts and attacks.  It is a table of phrases, each a row of words with a
 * few other words allowed between, which must lie within one sentence.  Three
 * things keep it precise: orders count only where an order can stand (at the
 * start of a line or sentence, after "please", "you must", ...), a phrase that
 * stands next to words about attacks and defences is talk about them, and a
 * scale ("score applicants from 0 to 100") is no demand.  An author who knows
 * the table can write around it; the fence and the checks of the evidence do
 * not depend on it.  docs/scoring.md lists the kinds.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <ctype.h>

#include "score/chars.h"
#include "score/injection.h"

#define WORD_ROOM	20			/* bytes; no word of the table is longer */
#define NEARBY		8			/* words in which talk about attacks is looked for */
#define NEARBY_QUOTED	30		/* the same for a phrase between quotation marks */

typedef struct Word
{
	char		text[WORD_ROOM];	/* folded; empty when longer than that */
	int			len;
	int			sentence;		/* number of the sentence it belongs to */
	bool		first;			/* opens a line or a sentence */
	bool		quoted;			/* stands between quotation marks */
} Word;

typedef struct Phrase
{
	const char *kind;
	bool		order;			/* counts only where an order can stand */

	/*
	 * Steps divided by spaces, each a list of words divided by '|'.  A number
	 * before a step says how many other words may stand in front of it.
	 */
	const char *steps;
} Phrase;

/* A step as it is read from a phrase. */
typedef struct Step
{
	const char *words;
	size_t		len;
	int			gap;
} Step;

#define SUBJECT "candidate|applicant|profile|resume|cv"
#define MODEL "ai|llm|llms|chatbot|gpt|chatgpt|claude|gemini|copilot"
#define READER "model|models|assistant|system|systems|evaluator|evaluators|reviewer|reviewers|" \
	"screener|screeners|reading|reviewing|evaluating|scoring|processing|parsing"

static const Phrase phrases[] = {
	{"override", false,
	"ignore|disregard|forget|override|bypass|discard "
	"1 previous|prior|above|earlier|preceding|all|any|your|the|these|other|existing "
	"3 instruction|instructions|prompt|prompts|directives|rubric"},
	{"override", false,
	"ignore|disregard|forget|override|bypass|discard "
	"1 previous|prior|above|earlier|preceding|your "
	"2 rules|guidelines|criteria|context|constraints|text"},
	{"override", false,
	"not|never follow|obey 3 instructions|instruction|rubric|prompt"},
	{"override", false,
	"don t follow|obey 3 instructions|instruction|rubric|prompt"},
	{"override", false,
	"ignoriere|ignorieren|vergiss|missachte 1 alle|vorherigen|vorigen|bisherigen|obigen "
	"2 anweisungen|anweisung|instruktionen|vorgaben"},
	{"override", false,
	"ignora|ignore|ignorez|olvida|oublie|oubliez|dimentica "
	"3 instrucciones|instructions|consignes|istruzioni|instruções "
	"1 anteriores|previas|précédentes|antérieures|precedenti"},

	{"score", true,
	"give|assign|award|rate|score|grade|rank|set|return|output|mark "
	"3 " SUBJECT "|person|me|him|her|them|criterion|criteria|score|scores|rating "
	"4 100|10|maximum|max|highest|perfect|full|top|best"},
	{"score", true,
	"give|assign|award|return|output|set 2 100|maximum|max|highest|perfect|full|top "
	"2 score|scores|rating|ratings|points|marks"},

	{"verdict", true,
	"recommend|hire|select|shortlist|advance|approve|accept|choose|prefer "
	"1 this 1 " SUBJECT "|person|individual"},
	{"verdict", false,
	"this " SUBJECT " must|should|shall|deserves"},
	{"verdict", false,
	"recommend|rate|rank|score 1 this 1 " SUBJECT " 3 highly|strongly|above|highest|first"},

	{"address", false,
	"you are|re now a|an|acting|playing"},
	{"address", false,
	"you are|re a|an|the|any 2 " MODEL "|language|evaluation|grading 1 " READER},
	{"address", true,
	"attention|note|notice|message|hey|dear|hi|hello|instruction|instructions "
	"2 " MODEL "|language|automated 1 " READER},

	{"disclosure", false,
	"reveal|print|repeat|output|show|display|disclose|leak "
	"2 your|system|hidden|initial|original 1 prompt|prompts|instructions"},

	{"output", true,
	"respond|reply|answer|output|return|write|say 1 only|exactly|solely|nothing "
	"2 with|json|score|scores|but|text|result"},
	{"output", false,
	"your 1 response|answer|output|evaluation|assessment|verdict must|should|shall "
	"be|contain|include|start|say|have|state|end"}
};

/* Marks by which chat models are told who speaks, and our own fence. */
static const char *const marks[] = {
	"<|im_start|>", "<|im_end|>", "<|system|>", "<|user|>", "<|assistant|>",
	"<|endoftext|>", "<|eot_id|>", "[inst]", "[/inst]", "<<sys>>", "<system>",
	"</system>", "### instruction", "### system", "<<<profile", "<<<end"
};

/* Words that tell that attacks, not orders, are the subject. */
static const char talk[] =
	"attack|attacks|attacker|attackers|adversarial|injection|injections|jailbreak|"
	"jailbreaks|jailbreaking|malicious|detect|detects|detecting|detection|prevent|"
	"prevents|preventing|prevention|defend|defending|defence|defense|defences|"
	"defenses|mitigate|mitigating|mitigation|against|exploit|exploits|vulnerability|"
	"vulnerabilities|hackers|teaming|guardrails";

/* Words after which an order can stand though no sentence starts. */
static const char leads[] =
	"please|must|should|shall|always|you|just|now|simply|then|and|so|therefore|kindly";

/* Words that make a scale of what would else be a demand. */
static const char scales[] = "from|between|0|zero|1|scale|out";

/* Is "word" in a list of "len" bytes? */
static bool
is_listed(const char *word, const char *list, size_t len)
{
	const char *end = list + len;
	size_t		n = strlen(word);

	if (n == 0)
		return false;
	while (list < end)
	{
		const char *to = memchr(list, '|', end - list);

		if (to == NULL)
			to = end;
		if (to - list == n && memcmp(list, word, n) == 0)
			return true;
		list = to + 1;
	}
	return false;
}

static bool
is_one_of(const char *word, const char *list)
{
	return is_listed(word, list, strlen(list));
}

/* Reads the step at "p"; returns where the next one starts, NULL at the end. */
static const char *
read_step(const char *p, Step *step)
{
	if (*p == '\0')
		return NULL;
	step->gap = 0;
	if (*p >= '0' && *p <= '9' && p[1] == ' ')
	{
		step->gap = *p - '0';
		p += 2;
	}
	step->words = p;
	step->len = strcspn(p, " ");
	p += step->len;
	return *p == ' ' ? p + 1 : p;
}

/*
 * Which phrases a word can open, by its first byte and its length, as bits:
 * nearly every word of a profile is passed over by one look.
 */
static const uint32 *
openers(void)
{
	static uint32 table[256 * WORD_ROOM];
	static bool filled = false;

	StaticAssertStmt(lengthof(phrases) < 32, "a phrase has no bit");

	if (!filled)
	{
		for (int i = 0; i < lengthof(phrases); i++)
		{
			const char *p = phrases[i].steps;

			while (*p != ' ')
			{
				size_t		n = strcspn(p, "| ");

				table[(unsigned char) p[0] * WORD_ROOM + n] |= (uint32) 1 << i;
				p += n;
				if (*p == '|')
					p++;
			}
		}
		filled = true;
	}
	return table;
}

/* Cuts "text" into words; returns their number. */
static int
read_words(const char *text, Word **words)
{
	const char *end = text + strlen(text);
	Word	   *list = palloc((end - text + 2) / 2 * sizeof(Word));
	int			n = 0;
	int			len = -1;		/* bytes of the word being read; -1: none */
	int			sentence = 0;
	bool		first = true;
	bool		quoted = false;

	for (const char *p = text; p <= end;)
	{
		uint32		cp = ' ';
		uint32		next = ' ';

		/* the common case: an ASCII letter or digit inside a word */
		if (len >= 0 && p < end && isalnum((unsigned char) *p) && (unsigned char) *p < 0x80)
		{
			if (len + 1 < WORD_ROOM)
				list[n].text[len] = pg_tolower((unsigned char) *p);
			len++;
			p++;
			continue;
		}
		if (p < end)
		{
			p += li_char_read(p, end, &cp);
			if (p < end)
				li_char_read(p, end, &next);
		}
		else
			p++;
		if (li_char_is_word(cp))
		{
			char		bytes[4];
			int			size = li_char_write(li_char_fold(cp), bytes);

			if (len < 0)
			{
				list[n].sentence = sentence;
				list[n].quoted = quoted;
				list[n].first = first;
				first = false;
				len = 0;
			}
			if (len + size < WORD_ROOM)
				memcpy(list[n].text + len, bytes, size);
			len += size;
			continue;
		}
		if (len >= 0)
		{
			if (len >= WORD_ROOM)
				len = 0;
			list[n].text[len] = '\0';
			list[n].len = len;
			n++;
			len = -1;
		}
		if (cp == '"')
			quoted = !quoted;
		else if (cp == 0x201c || cp == 0x201d || cp == '\n')
			quoted = cp == 0x201c;
		if (cp == '\n' ||
			((cp == '.' || cp == '!' || cp == '?') && li_char_is_space(next)))
		{
			sentence++;
			first = true;
		}
		else if (cp == ':' || cp == '"' || cp == 0x201c || cp == '(' || cp == ';')
			first = true;
	}
	*words = list;
	return n;
}

/* The last word of the steps from "steps" on, which follow word "at"; -1: none. */
static int
match_steps(const char *steps, const Word *words, int n, int at)
{
	Step		step;
	const char *next = read_step(steps, &step);

	if (next == NULL)
		return at;
	for (int i = at + 1; i <= at + 1 + step.gap; i++)
	{
		if (i >= n || words[i].sentence != words[at].sentence)
			return -1;
		if (is_listed(words[i].text, step.words, step.len))
		{
			int			last = match_steps(next, words, n, i);

			if (last >= 0)
				return last;
		}
		if (is_one_of(words[i].text, scales))
			return -1;
	}
	return -1;
}

static bool
is_talk(const Word *words, int n, int first, int last)
{
	int			sentence = words[first].sentence;
	bool		quoted = words[first].quoted && words[last].quoted;
	int			from = Max(first - (quoted ? NEARBY_QUOTED : NEARBY), 0);
	int			to = Min(last + NEARBY, n);

	/* what is said behind an order does not take it back */
	if (words[first].first && !quoted && (first == 0 || words[first - 1].sentence != sentence))
		to = first;
	for (int i = from; i < to; i++)
	{
		if ((words[i].sentence == sentence || (quoted && words[i].sentence == sentence - 1)) &&
			is_one_of(words[i].text, talk))
			return true;
	}
	return false;
}

static int
add_kind(const char **kinds, int n, const char *kind)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(kinds[i], kind) == 0)
			return n;
	}
	Assert(n < LI_INJECTION_KINDS);
	kinds[n] = kind;
	return n + 1;
}

int
li_injection_scan(const char *text, const char **kinds)
{
	const uint32 *table = openers();
	Word	   *words;
	int			n = read_words(text, &words);
	int			found = 0;

	for (int i = 0; i < n; i++)
	{
		const Word *word = &words[i];
		uint32		candidates = table[(unsigned char) word->text[0] * WORD_ROOM + word->len];

		for (int k = 0; candidates >> k != 0; k++)
		{
			const Phrase *phrase = &phrases[k];
			Step		step;
			const char *next;
			int			last;

			if ((candidates & ((uint32) 1 << k)) == 0)
				continue;
			next = read_step(phrase->steps, &step);
			if (!is_listed(word->text, step.words, step.len))
				continue;
			if (phrase->order && !word->first &&
				!(i > 0 && is_one_of(words[i - 1].text, leads)))
				continue;
			last = match_steps(next, words, n, i);
			if (last >= 0 && !is_talk(words, n, i, last))
				found = add_kind(kinds, found, phrase->kind);
		}
	}
	pfree(words);

	for (const char *p = strpbrk(text, "<[#"); p != NULL; p = strpbrk(p + 1, "<[#"))
	{
		for (int k = 0; k < lengthof(marks); k++)
		{
			if (pg_strncasecmp(p, marks[k], strlen(marks[k])) == 0)
				found = add_kind(kinds, found, "markup");
		}
	}
	return found;
}
