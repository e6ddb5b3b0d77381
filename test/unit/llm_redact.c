/*-------------------------------------------------------------------------
 *
 * llm_redact.c
 *		What is left of a provider's error message.
 *
 * Keys are put together here, so that none stands in the source.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/llm/redact.c */
#include "postgres_fe.h"

#include "llm/redact.h"
#include "tap.h"

static LiEndpoint endpoint = { .base_url = "https://models.test/v1" };

static const LiAsk question = {
	.system_text = "You judge profiles.",
	.user_text = { "Rate this person for the role of CTO.",
				   "Ada Example, engineer at Example Works since 2011" },
	.model = "gpt-4o-mini-2024-07-18"
};

static void
check(const char *message, const char *expected, const char *name)
{
	is_text(li_safe_message(message, &endpoint, &question), expected, name);
}

static char *
key(const char *tail)
{
	return psprintf("%s%c%s", "sk", '-', tail);
}

int
main(void)
{
	char	   *text;
	char	   *long_text;

	check("Rate limit reached. Please try again in 6s.",
		  "Rate limit reached. Please try again in 6s.", "plain text stays");
	check("", NULL, "nothing stays nothing");
	check(" \n\t ", NULL, "blanks are nothing");
	check("a\nb\tc\x7F"
		  "d\x1B[31m",
		  "a b c d [31m", "one line without control characters");

	check(psprintf("Incorrect API key provided: %s. You can find", key("abc*****xyz")),
		  "Incorrect API key provided: [redacted]. You can find", "a masked key");
	check(psprintf("key %s, too", key("proj_aB3-x")), "key [redacted], too", "a short key");
	check(psprintf("(%s)", key("0")), "([redacted])", "a stub of a key");
	check("abc****** is wrong", "[redacted] is wrong", "another masked key");
	check("Authorization: Bearer abcdef is wrong",
		  "Authorization: Bearer [redacted] is wrong", "a bearer's token");
	check("bearer x/y+z==", "bearer [redacted]", "in any case and alphabet");
	check("\"Bearer abc\".", "\"Bearer [redacted]\".", "inside quotes");
	check("Bearer", "Bearer", "a bearer of nothing");
	check("see https://user:secret@models.test/v1", "see https://[redacted]@models.test/v1",
		  "user-info of a URL");
	check("see https://models.test/v1?a=b@c", "see https://models.test/v1?a=b@c",
		  "an @ elsewhere");
	check("org org-A1b2C3d4E5f6G7h8I9j0 reached", "org [redacted] reached", "a long id");
	check("The model `gpt-4o-mini-2024-07-18` does not exist",
		  "The model `gpt-4o-mini-2024-07-18` does not exist", "the model's name stays");
	check("The model gpt-4o-mini-2024-07-19 does not exist",
		  "The model [redacted] does not exist", "another such word does not");
	check("internationalization-and-localization", "internationalization-and-localization",
		  "a long word without a digit stays");
	endpoint.key = "tiny/key+1=";
	check("not tiny/key+1= but xtiny/key+1=y", "not [redacted] but x[redacted]y",
		  "the endpoint's key, whatever its form");
	endpoint.key = "";
	check("empty key", "empty key", "an empty key");
	endpoint.key = NULL;

	check("Invalid value: 'high'. Supported: \"low\" and `none`.",
		  "Invalid value: 'high'. Supported: \"low\" and `none`.", "short quotations stay");
	check("Invalid value: 'a text that is much too long to be a mere parameter' here",
		  "Invalid value: '[omitted]' here", "long ones do not");
	check("Got \"a text that is much too long to be a mere parameter",
		  "Got \"[omitted]", "nor without their end");
	check("Got \xE2\x80\x9C"
		  "a text that is much too long to be a mere parameter\xE2\x80\x9D!",
		  "Got \xE2\x80\x9C[omitted]\xE2\x80\x9D!", "nor with typographic quotes");
	check("Don't worry, it isn't a quotation although there are apostrophes, aren't there",
		  "Don't worry, it isn't a quotation although there are apostrophes, aren't there",
		  "an apostrophe is no quote");

	check("Cannot process: Ada Example, engineer at Example Works", NULL,
		  "a message that repeats the profile");
	check("In the middle engineer at Example Works since of it", NULL, "a piece of it");
	check("Rate this person for the role of CTO. is refused", NULL, "the prompt");
	check("You judge profiles. is refused", NULL, "the system text");

	long_text = psprintf("%0500d", 0);
	memset(long_text, 'a', 500);
	check(long_text, psprintf("%.300s", long_text), "cut at 300 bytes");
	memcpy(long_text + 298, "\xE2\x82\xAC", 3);
	check(long_text, psprintf("%.298s", long_text), "between characters");
	text = li_clip("\xF0\x9F\x98\x80\xF0\x9F\x98\x80", 7);
	is_text(text, "\xF0\x9F\x98\x80", "a clip between characters");
	is_text(li_clip("abc", 3), "abc", "a clip that fits");
	is_text(li_clip("\xF0\x9F\x98\x80", 3), "", "a clip of nothing");
	long_text = psprintf("%0100000d", 0);
	ok(li_safe_message(long_text, &endpoint, &question) != NULL, "a huge message");
	return done_testing();
}
