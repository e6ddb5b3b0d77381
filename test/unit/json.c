/*-------------------------------------------------------------------------
 *
 * json.c
 *		Which JSON is let in, and how it is written.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/json.c; libs: -ljansson */
#include "postgres_fe.h"

#include "json.h"
#include "tap.h"

static LiJsonFault
fault_of(const char *text, size_t len)
{
	LiJsonError error;
	LiJson	   *json = li_json_parse(text, len, &error);

	if ((json == NULL) != (error.fault != LI_JSON_OK) || error.message == NULL)
		ok(false, "fault and result agree");
	li_json_free(json);
	return error.fault;
}

/* n times "open", then "inner", then n times "close" */
static char *
nested(int n, const char *open, const char *inner, const char *close)
{
	char	   *text = malloc(n * (strlen(open) + strlen(close)) + strlen(inner) + 1);

	text[0] = '\0';
	for (int i = 0; i < n; i++)
		strcat(text, open);
	strcat(text, inner);
	for (int i = 0; i < n; i++)
		strcat(text, close);
	return text;
}

int
main(void)
{
	static const char *const good[] = {
		"{}", "[]", " {\"a\":1} \n", "{\"a\":{\"a\":1},\"b\":[1,2.5,-3e4,true,false,null]}",
		"{\"\":\"\"}", "[\"\\u0001\\\"\\\\\\/\\ud83d\\ude00\"]",
		"[\"\xF0\x9F\x98\x80\xEF\xBF\xBF\xEF\xB7\x90\x7F\"]", "[1e-400]", "[9223372036854775807]"
	};
	static const char *const bad[] = {
		"", " ", "1", "\"a\"", "null", "{", "[1,]", "{\"a\":1,}", "{'a':1}", "{a:1}",
		"[NaN]", "[Infinity]", "[01]", "[1.]", "[.5]", "[+1]", "{} x", "{}{}",
		"{\"a\":1,\"a\":2}", "{\"a\":{\"b\":1,\"b\":2}}",
		"[\"\\u0000\"]", "{\"\\u0000\":1}", "[\"\\ud800\"]", "[\"\\udc00\\ud800\"]",
		"[\"\\ud800x\"]", "[\"\xFF\"]", "[\"\xED\xA0\x80\"]", "[\"\xC0\x80\"]",
		"[\"\xF4\x90\x80\x80\"]", "[\"\n\"]", "[1e130000]", "[1e400]", "[-1e400]",
		"[99999999999999999999]", "<html></html>", "\xEF\xBB\xBF{}"
	};
	char	   *text;
	LiJson	   *json;
	LiJsonError error;

	for (int i = 0; i < (int) lengthof(good); i++)
		is_int(fault_of(good[i], strlen(good[i])), LI_JSON_OK, psprintf("good %d", i));
	for (int i = 0; i < (int) lengthof(bad); i++)
		is_int(fault_of(bad[i], strlen(bad[i])), LI_JSON_SYNTAX, psprintf("bad %d", i));
	is_int(fault_of("{}\0", 3), LI_JSON_SYNTAX, "a NUL after the end");
	is_int(fault_of("[\"a\0b\"]", 7), LI_JSON_SYNTAX, "a NUL inside");
	is_int(fault_of("{}garbage", 2), LI_JSON_OK, "no more than len bytes are read");

	text = nested(32, "[", "", "]");
	is_int(fault_of(text, strlen(text)), LI_JSON_OK, "32 levels");
	text = nested(33, "[", "", "]");
	is_int(fault_of(text, strlen(text)), LI_JSON_LIMIT, "33 levels");
	text = nested(31, "{\"a\":", "{\"a\":1}", "}");
	is_int(fault_of(text, strlen(text)), LI_JSON_LIMIT, "the value in level 32 is level 33");
	text = nested(3000, "[", "", "]");
	is_int(fault_of(text, strlen(text)), LI_JSON_LIMIT, "3,000 levels");
	text = nested(100000, "[", "", "");
	is_int(fault_of(text, strlen(text)), LI_JSON_LIMIT, "100,000 levels, unclosed");

	text = malloc(LI_JSON_MAX_VALUES * 2 + 10);
	strcpy(text, "[");
	for (int i = 1; i < LI_JSON_MAX_VALUES; i++)
		strcpy(text + i * 2 - 1, i + 1 < LI_JSON_MAX_VALUES ? "1," : "1]");
	is_int(fault_of(text, strlen(text)), LI_JSON_OK, "as many values as allowed");
	strcpy(text + strlen(text) - 1, ",1]");
	is_int(fault_of(text, strlen(text)), LI_JSON_LIMIT, "one more");

	text = psprintf("{\"%01024d\":1}", 0);
	is_int(fault_of(text, strlen(text)), LI_JSON_OK, "a name of 1,024 bytes");
	text = psprintf("{\"%01025d\":1}", 0);
	is_int(fault_of(text, strlen(text)), LI_JSON_LIMIT, "a name of 1,025 bytes");

	json = li_json_parse("{\"a\":1,\"a\":\"Jane Roe\"}", 22, &error);
	ok(json == NULL && strstr(error.message, "Jane") == NULL && error.position > 0,
	   "a fault is described without a quotation");
	ok(li_json_parse("{", 1, NULL) == NULL, "the error need not be asked for");
	li_json_free(NULL);

	text = "{\"z\":87.35,\"a\":0.1,\"m\":[1.0,1e22,-0.0,1e-7,123456789012],"
		   "\"t\":\"\\u0001\\n/\\\"\\u007f\xC3\xA9\"}";
	json = li_json_parse(text, strlen(text), NULL);
	is_text(li_json_dump_compact(json->root),
			"{\"z\":87.35,\"a\":0.1,\"m\":[1.0,1e22,-0.0,1e-7,123456789012],"
			"\"t\":\"\\u0001\\n/\\\"\x7F\xC3\xA9\"}",
			"written in the order it was read");
	is_text(li_json_dump_compact(json_object_get(json->root, "z")), "87.35",
			"a value alone");
	li_json_free(json);

	json = li_json_new();
	ok(json->root == NULL, "a new holder is empty");
	json->root = json_array();
	json_array_append_new(json->root, json_string("x"));
	is_text(li_json_dump_compact(json->root), "[\"x\"]", "and takes a tree");
	li_json_free(json);
	return done_testing();
}
