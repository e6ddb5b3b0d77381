/* templates: what is refused, and with which words, when one is saved */
BEGIN;
SELECT plan(15);

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

SET LOCAL client_min_messages = error;
SELECT is(pg_temp.save('x', pg_temp.rubric(pg_temp.criterion('a', 1, 'a digital native'))), NULL, 'a proxy is saved, with a warning');

SELECT * FROM finish();
ROLLBACK;
