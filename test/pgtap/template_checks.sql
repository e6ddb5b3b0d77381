/* templates: what is refused, and with which words, when one is saved */
BEGIN;
SELECT plan(65);

/* "sqlstate column: message | detail" of saving a template; null when it is saved */
CREATE FUNCTION pg_temp.save(prompt_text text, rubric jsonb DEFAULT NULL, system_text text DEFAULT NULL, response_schema jsonb DEFAULT NULL)
	RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text;
	col text;
	message text;
	detail text;
BEGIN
	INSERT INTO linkedin_ingest.prompt_templates (role, name, prompt_text, rubric, system_text, response_schema)
		VALUES ('CTO', 'x', prompt_text, rubric, system_text, response_schema);
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, col = COLUMN_NAME, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN format('%s %s: %s', state, col, message || coalesce(nullif(' | ' || detail, ' | '), ''));
END
$$;
CREATE FUNCTION pg_temp.criterion(key text, weight numeric, description text DEFAULT 'd') RETURNS jsonb LANGUAGE sql
	RETURN jsonb_build_object('key', key, 'title', key, 'weight', weight, 'description', description);
CREATE FUNCTION pg_temp.rubric(VARIADIC criteria jsonb[]) RETURNS jsonb LANGUAGE sql
	RETURN to_jsonb(criteria);

SELECT is(pg_temp.save('{{profile}} {{role_title}} {{headline}} {{current_company}}',
	pg_temp.rubric(pg_temp.criterion('a', 0.6), pg_temp.criterion('b', 0.3995)), 'For {{role}}: {{rubric}}'), NULL, 'a good one');
SELECT is(pg_temp.save('{{profile}} {{salary}}'),
	'22023 prompt_text: placeholder {{salary}} is not known here', 'an unknown placeholder');
SELECT is(pg_temp.save('x', NULL, '{{full_name}}'),
	'22023 system_text: placeholder {{full_name}} is not known here', 'one that the system text may not have');
SELECT matches(pg_temp.save(E' \n'), '^23514 ', 'a blank prompt');
SELECT is(pg_temp.save('x', pg_temp.rubric(pg_temp.criterion('a', 0.6), pg_temp.criterion('b', 0.398))),
	'22023 rubric: the weights sum to 0.998, not to 1', 'weights');
SELECT is(pg_temp.save('x', pg_temp.rubric(pg_temp.criterion('a', 0.6), pg_temp.criterion('a', 0.4))),
	'22023 rubric: criterion key "a" occurs twice', 'a key twice');
SELECT matches(pg_temp.save('x', pg_temp.rubric(pg_temp.criterion('', 1))), '^22023 rubric: .*criterion 1 has no key', 'an empty key');
SELECT is(pg_temp.save('x', pg_temp.rubric(pg_temp.criterion('a', 1, ''))),
	'22023 rubric: criterion "a" has no description', 'no description');
SELECT is(pg_temp.save('x', '{"a": 1}'), '22023 rubric: the rubric is not a list of criteria', 'no rubric at all');
SELECT is(pg_temp.save('x', pg_temp.rubric(pg_temp.criterion('a', 1, 'not above a certain age'))),
	'22023 rubric: criterion "a" names "age", a protected attribute', 'a protected attribute');
SELECT is(pg_temp.save('{{x}}', pg_temp.rubric(pg_temp.criterion('a', 1, ''))),
	E'22023 prompt_text: 2 invalid arguments | prompt_text: unknown_placeholder: placeholder {{x}} is not known here\n'
	'rubric: no_description: criterion "a" has no description', 'all faults at once, a line each');
SELECT is(pg_temp.save('x', NULL, NULL, '{"type": "object", "properties": {"a": {"type": "string", "pattern": "b"}}}'),
	'22023 response_schema: keyword "pattern" at the top.a is not supported', 'an unknown keyword');
SELECT is(pg_temp.save('x', NULL, NULL, '{"type": "array"}'),
	'22023 response_schema: the schema does not describe an object: its "type" must be "object"', 'a schema of no object');
SELECT is(pg_temp.save('x', pg_temp.rubric(pg_temp.criterion('a', 1)), NULL, '{"type": "object"}'),
	'22023 response_schema: a template with a rubric may not have a response_schema', 'both');

/* words: what may not be weighed, what only stands in for it, and what merely looks alike */
SELECT is(pg_temp.save('x', pg_temp.rubric(pg_temp.criterion('a', 1, format('Looks at the %s too', word)))),
		format('22023 rubric: criterion "a" names "%s", a protected attribute', lower(word)), word)
	FROM unnest(ARRAY['age', 'gender', 'race', 'religion', 'nationality', 'disability', 'pregnancy', 'marital status',
		'sexual orientation', 'ethnicity', 'Gender']) word;
SELECT is(pg_temp.save('x', jsonb_build_array(pg_temp.criterion('a', 1) || patch)),
		format('22023 rubric: criterion "%s" names "%s", a protected attribute', coalesce(patch ->> 'key', 'a'), found), 'in ' || place)
	FROM (VALUES ('a key', '{"key": "age_range"}'::jsonb, 'age'), ('a title', '{"title": "Gender"}', 'gender'),
		('a level', '{"levels": {"0": "x", "100": "the same religion"}}', 'religion')) v (place, patch, found);
SELECT results_eq(format($$SELECT faults, doubts FROM linkedin_ingest.template_faults('scoring', NULL, 'x', %L, NULL)$$,
		pg_temp.rubric(pg_temp.criterion('a', 1, format('Looks at %s too', word)))),
		format($$VALUES ('{}'::text[], ARRAY['rubric: proxy: criterion "a" names "%s", which may stand in for a protected attribute'])$$, word), word)
	FROM unnest(ARRAY['graduation year', 'digital native', 'culture fit', 'native speaker']) word;
SELECT results_eq(format($$SELECT faults, doubts FROM linkedin_ingest.template_faults('scoring', NULL, 'x', %L, NULL)$$,
		pg_temp.rubric(pg_temp.criterion('a', 1, word))), $$VALUES ('{}'::text[], '{}'::text[])$$, 'harmless: ' || word)
	FROM unnest(ARRAY['manager', 'agenda', 'engage and engagement', 'stage', 'language', 'leverage', 'coverage', 'embrace', 'trace',
		'customer orientation', 'the age of AI', 'race conditions', 'cloud native', 'organisational culture', 'years of experience']) word;
SELECT results_eq($$SELECT faults, doubts FROM linkedin_ingest.template_faults('scoring', 'Do not consider age or gender.', 'Leave race aside. Find a culture fit.', NULL, NULL)$$,
	$$VALUES ('{}'::text[], ARRAY['prompt_text: proxy: the prompt names "culture fit", which may stand in for a protected attribute'])$$,
	'texts may name attributes, to leave them aside; a proxy in the prompt is doubtful');

/* response_schema: the keywords there are */
SELECT is(pg_temp.save('x', NULL, NULL, '{"type": "object", "additionalProperties": false, "required": ["a"], "properties": {
	"a": {"type": "number", "minimum": 0, "maximum": 100}, "b": {"type": "array", "minItems": 0, "maxItems": 3, "items": {"type": "string"}},
	"c": {"anyOf": [{"type": "string", "enum": ["x", "y"]}, {"type": "null"}]}}}'), NULL, 'every supported keyword');
SELECT is(pg_temp.save('x', NULL, NULL, jsonb_build_object('type', 'object', 'properties', jsonb_build_object('a', schema))),
		'22023 response_schema: ' || fault, fault)
	FROM (VALUES ('{"type": "string", "maxLength": 3}'::jsonb, 'keyword "maxLength" at the top.a is not supported'),
		('{"$ref": "#/x"}', 'keyword "$ref" at the top.a is not supported'),
		('{"oneOf": [{"type": "string"}]}', 'keyword "oneOf" at the top.a is not supported'),
		('{"type": "text"}', '"type" at the top.a is not a type of JSON'),
		('{"type": "number", "minimum": "0"}', '"minimum" at the top.a is not a number it can be'),
		('{"type": "array", "minItems": -1}', '"minItems" at the top.a is not a number it can be'),
		('{"enum": []}', '"enum" at the top.a is not a list of values'),
		('{"anyOf": {}}', '"anyOf" at the top.a is not a list of schemas'),
		('{"type": "object", "required": ["b"]}', '"required" at the top.a names "b", which is no property'),
		('{"type": "object", "additionalProperties": 1}', '"additionalProperties" at the top.a is neither a boolean nor a schema'),
		('"string"', 'the schema at the top.a is not an object')) v (schema, fault);
SELECT is(pg_temp.save('x', NULL, NULL, schema), '22023 response_schema: the schema does not describe an object: its "type" must be "object"', format('no schema of an object: %s', schema))
	FROM (VALUES ('[]'::jsonb), ('{}'), ('{"type": "string"}'), ('{"type": ["object", "null"]}')) v (schema);

SET LOCAL client_min_messages = error;
SELECT is(pg_temp.save('x', pg_temp.rubric(pg_temp.criterion('a', 1, 'a digital native'))), NULL, 'a proxy is saved, with a warning');

SELECT * FROM finish();
ROLLBACK;
