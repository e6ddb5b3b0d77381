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

#include "score/chars.h"
#include "score/injection.h"

#define MAX_STEPS	5
#define WORD_ROOM	20			/* bytes; no word of the table is longer */
#define NEARBY		8			/* words in which talk about attacks is looked for */

typedef struct Word
{
	char		text[WORD_ROOM];	/* folded; empty when longer than that */
	int			sentence;		/* number of the sentence it belongs to */
	bool		first;			/* opens a line or a sentence */
} Word;

typedef struct Step
{
	const char *words;			/* alternatives, divided by '|' */
	int			gap;			/* other words that may stand before it */
} Step;

typedef struct Phrase
{
	const char *kind;
	bool		order;			/* counts only where an order can stand */
	Step		steps[MAX_STEPS];
} Phrase;

#define SUBJECT "candidate|applicant|profile|resume|cv"
#define MODEL "ai|llm|llms|chatbot|gpt|chatgpt|claude|gemini|copilot"

static const Phrase phrases[] = {
	{"override", false, {
		{"ignore|disregard|forget|override|bypass|discard"},
		{"previous|prior|above|earlier|preceding|all|any|your|the|these|other|existing", 1},
	{"instruction|instructions|prompt|prompts|directives|rubric", 3}}},
	{"override", false, {
		{"ignore|disregard|forget|override|bypass|discard"},
		{"previous|prior|above|earlier|preceding|your", 1},
	{"rules|guidelines|criteria|context|constraints|text", 2}}},
	{"override", false, {
		{"not|don't|never"}, {"follow|obey", 0},
	{"instructions|instruction|rubric|prompt", 3}}},
	{"override", false, {
		{"ignoriere|ignorieren|vergiss|missachte"},
		{"alle|vorherigen|vorigen|bisherigen|obigen", 1},
	{"anweisungen|anweisung|instruktionen|vorgaben", 2}}},
	{"override", false, {
		{"ignora|ignore|ignorez|olvida|oublie|oubliez|dimentica"},
		{"instrucciones|instructions|consignes|istruzioni|instruções", 3},
	{"anteriores|previas|précédentes|antérieures|precedenti", 1}}},

	{"score", true, {
		{"give|assign|award|rate|score|grade|rank|set|return|output|mark"},
		{SUBJECT "|person|me|him|her|them|criterion|criteria|score|scores|rating", 3},
	{"100|10|maximum|max|highest|perfect|full|top|best", 4}}},
	{"score", true, {
		{"give|assign|award|return|output|set"},
		{"100|maximum|max|highest|perfect|full|top", 2},
	{"score|scores|rating|ratings|points|marks", 2}}},

	{"verdict", true, {
		{"recommend|hire|select|shortlist|advance|approve|accept|choose|prefer"},
	{"this", 1}, {SUBJECT "|person|individual", 1}}},
	{"verdict", false, {
		{"this"}, {SUBJECT, 0}, {"must|should|shall|deserves", 0}}},
	{"verdict", false, {
		{"recommend|rate|rank|score"}, {"this", 1}, {SUBJECT, 1},
	{"highly|strongly|above|highest|first", 3}}},

	{"address", false, {
		{"you"}, {"are|re", 0}, {"now", 0}, {"a|an|acting|playing", 0}}},
	{"address", false, {
		{"you"}, {"are|re", 0}, {"a|an|the|any", 0}, {MODEL "|language|evaluation|grading", 2},
	{"model|assistant|system|evaluator|reviewer|screener|reading|reviewing|evaluating|scoring|processing|parsing", 1}}},
	{"address", true, {
		{"attention|note|notice|message|hey|dear|hi|hello|instruction|instructions"},
		{MODEL "|language|automated", 2},
	{"model|models|assistant|system|systems|evaluator|evaluators|reviewer|reviewers|screener|screeners|reading|reviewing|evaluating|scoring|processing", 1}}},

	{"disclosure", false, {
		{"reveal|print|repeat|output|show|display|disclose|leak"},
		{"your|system|hidden|initial|original", 2},
	{"prompt|prompts|instructions", 1}}},

	{"output", true, {
		{"respond|reply|answer|output|return|write|say"},
		{"only|exactly|solely|nothing", 1},
	{"with|json|score|scores|but|text|result", 2}}},
	{"output", false, {
		{"your"}, {"response|answer|output|evaluation|assessment|verdict", 1},
	{"must|should|shall", 0}, {"be|contain|include|start|say|have|state|end", 0}}}
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

static bool
is_one_of(const char *word, const char *list)
{
	size_t		len = strlen(word);

	if (len == 0)
		return false;
	while (*list != '\0')
	{
		size_t		n = strcspn(list, "|");

		if (n == len && memcmp(list, word, n) == 0)
			return true;
		list += n;
		if (*list == '|')
			list++;
	}
	return false;
}

/*
 * Which words can open a phrase, by first byte and length: nearly every word
 * of a profile is passed over by one look.
 */
static const bool *
openers(void)
{
	static bool table[256 * WORD_ROOM];
	static bool filled = false;

	if (!filled)
	{
		for (int i = 0; i < lengthof(phrases); i++)
		{
			const char *list = phrases[i].steps[0].words;

			while (*list != '\0')
			{
				size_t		n = strcspn(list, "|");

				table[(unsigned char) list[0] * WORD_ROOM + n] = true;
				list += n;
				if (*list == '|')
					list++;
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

	for (const char *p = text; p <= end;)
	{
		uint32		cp = ' ';
		uint32		next = ' ';

		if (p < end)
		{
			p += li_char_read(p, end, &cp);
			if (p < end)
				li_char_read(p, end, &next);
		}
		else
			p++;
		if (cp == 0x2019)
			cp = '\'';
		if (li_char_is_word(cp) || (cp == '\'' && len > 0 && li_char_is_word(next)))
		{
			char		bytes[4];
			int			size = li_char_write(li_char_fold(cp), bytes);

			if (len < 0)
			{
				list[n].sentence = sentence;
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
			list[n].text[len < WORD_ROOM ? len : 0] = '\0';
			n++;
			len = -1;
		}
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

/* The last word of the phrase's steps from "step" on; -1: not matched. */
static int
match_steps(const Phrase *phrase, int step, const Word *words, int n, int at)
{
	int			sentence = words[at].sentence;

	if (step == MAX_STEPS || phrase->steps[step].words == NULL)
		return at;
	for (int skip = 0; skip <= phrase->steps[step].gap; skip++)
	{
		int			i = at + 1 + skip;

		if (i >= n || words[i].sentence != sentence)
			return -1;
		if (is_one_of(words[i].text, phrase->steps[step].words))
		{
			int			last = match_steps(phrase, step + 1, words, n, i);

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

	for (int i = Max(first - NEARBY, 0); i < Min(last + NEARBY, n); i++)
	{
		if (words[i].sentence == sentence && is_one_of(words[i].text, talk))
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
	const bool *table = openers();
	Word	   *words;
	int			n = read_words(text, &words);
	int			found = 0;

	for (int i = 0; i < n; i++)
	{
		const Word *word = &words[i];

		if (!table[(unsigned char) word->text[0] * WORD_ROOM + strlen(word->text)])
			continue;
		for (int k = 0; k < lengthof(phrases); k++)
		{
			const Phrase *phrase = &phrases[k];
			int			last;

			if (!is_one_of(word->text, phrase->steps[0].words))
				continue;
			if (phrase->order && !word->first &&
				!(i > 0 && is_one_of(words[i - 1].text, leads)))
				continue;
			last = match_steps(phrase, 1, words, n, i);
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
