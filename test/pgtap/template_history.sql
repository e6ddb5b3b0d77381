/* templates: going back to a version, comparing two, what was live when, what is recommended */
BEGIN;
SELECT plan(70);
SET LOCAL client_min_messages = error;

/* "sqlstate column: message | detail"; null when it succeeds */
CREATE FUNCTION pg_temp.fault(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text;
	col text;
	message text;
	detail text;
BEGIN
	EXECUTE statement;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, col = COLUMN_NAME, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN format('%s %s: %s', state, col, message || coalesce(nullif(' | ' || detail, ' | '), ''));
END
$$;

INSERT INTO linkedin_ingest.roles (role, title) VALUES ('COO', 'Chief Operating Officer'), ('CPO', 'Chief Product Officer');
INSERT INTO linkedin_ingest.prompt_templates (role, name, description, prompt_text, rubric, model, max_tokens, temperature, metadata)
	VALUES ('COO', 'operations', 'one', E'Assess {{profile}}.\n\n{{rubric}}\n\nBe fair.',
		'[{"key": "scale", "title": "Scale", "weight": 0.6, "description": "Size", "levels": {"0": "none", "100": "large"}},
		  {"key": "cost", "title": "Cost", "weight": 0.4, "description": "Savings"}]',
		'gpt-6-luna', 1000, 0.5, '{"a": 1, "b": 2}')
	RETURNING id AS t \gset
CREATE TEMP TABLE made AS SELECT t.* FROM linkedin_ingest.prompt_templates t WHERE t.id = :'t';
CREATE FUNCTION pg_temp.diff(a int, b int) RETURNS TABLE (field text, old_value text, new_value text, hunk text) LANGUAGE sql AS
	'SELECT d.* FROM made, linkedin_ingest.template_diff(made.id, $1, $2) d';
CREATE FUNCTION pg_temp.restore(v int) RETURNS int LANGUAGE sql AS
	'SELECT linkedin_ingest.restore_template_version(made.id, $1) FROM made';

/* template_diff: plain fields */
UPDATE linkedin_ingest.prompt_templates SET name = 'operations 2', model = NULL, max_tokens = 1500, temperature = 0.7, blind = false WHERE id = :'t';
SELECT results_eq('SELECT * FROM pg_temp.diff(1, 2)',
	$$VALUES ('name', 'operations', 'operations 2', NULL), ('model', 'gpt-6-luna', NULL, NULL), ('max_tokens', '1000', '1500', NULL),
		('temperature', '0.5', '0.7', NULL), ('blind', 'true', 'false', NULL)$$, 'a row for each field that differs');
SELECT results_eq('SELECT field, old_value, new_value FROM pg_temp.diff(2, 1)',
	'SELECT field, new_value, old_value FROM pg_temp.diff(1, 2)', 'the other way round');
SELECT is_empty('SELECT * FROM pg_temp.diff(1, 1)', 'a version does not differ from itself');

/* texts, by hunks */
UPDATE linkedin_ingest.prompt_templates SET system_text = E'You assess.\nRely on data.',
	prompt_text = E'Assess {{profile}} well.\n\n{{rubric}}\n\nBe fair.' WHERE id = :'t';
SELECT results_eq('SELECT * FROM pg_temp.diff(2, 3)', $$VALUES
	('system_text', NULL, E'You assess.\nRely on data.', E'@@ -0,0 +1,2 @@\n+You assess.\n+Rely on data.'),
	('prompt_text', E'Assess {{profile}}.\n\n{{rubric}}\n', E'Assess {{profile}} well.\n\n{{rubric}}\n',
	 E'@@ -1,4 +1,4 @@\n-Assess {{profile}}.\n+Assess {{profile}} well.\n \n {{rubric}}\n ')$$, 'a text by its lines');
UPDATE linkedin_ingest.prompt_templates SET prompt_text = (SELECT string_agg('line ' || n, E'\n' ORDER BY n) FROM generate_series(1, 500) n) WHERE id = :'t';
UPDATE linkedin_ingest.prompt_templates SET prompt_text = (SELECT string_agg(CASE n WHEN 100 THEN 'changed' ELSE 'line ' || n END, E'\n' ORDER BY n)
	FROM generate_series(1, 500) n WHERE n <> 400) WHERE id = :'t';
SELECT results_eq('SELECT field, old_value, new_value, hunk FROM pg_temp.diff(4, 5)', $$VALUES
	('prompt_text', E'line 97\nline 98\nline 99\nline 100\nline 101\nline 102\nline 103', E'line 97\nline 98\nline 99\nchanged\nline 101\nline 102\nline 103',
	 E'@@ -97,7 +97,7 @@\n line 97\n line 98\n line 99\n-line 100\n+changed\n line 101\n line 102\n line 103'),
	('prompt_text', E'line 397\nline 398\nline 399\nline 400\nline 401\nline 402\nline 403', E'line 397\nline 398\nline 399\nline 401\nline 402\nline 403',
	 E'@@ -397,7 +397,6 @@\n line 397\n line 398\n line 399\n-line 400\n line 401\n line 402\n line 403')$$, 'a long one by several hunks, each with its place');
UPDATE linkedin_ingest.prompt_templates SET prompt_text = (SELECT string_agg(md5(n::text), E'\n' ORDER BY n) FROM generate_series(1, 500) n) WHERE id = :'t';
SELECT clock_timestamp() AS before \gset
SELECT is(count(*), 1::bigint, 'five hundred lines that all differ') FROM pg_temp.diff(5, 6);
SELECT cmp_ok(clock_timestamp() - :'before'::timestamptz, '<', interval '1 s', 'are compared in a moment');

/* the rubric, by criterion */
UPDATE linkedin_ingest.prompt_templates SET rubric =
	'[{"key": "scale", "title": "Scale of it", "weight": 0.5, "description": "Size in people", "levels": {"0": "none", "50": "some", "100": "very large"}},
	  {"key": "quality", "title": "Quality", "weight": 0.50, "description": "Fewer faults"}]' WHERE id = :'t';
SELECT results_eq('SELECT field, old_value, new_value FROM pg_temp.diff(6, 7)', $$VALUES
	('rubric.scale.title', 'Scale', 'Scale of it'), ('rubric.scale.weight', '0.6', '0.5'), ('rubric.scale.levels.50', NULL, 'some'),
	('rubric.scale.levels.100', 'large', 'very large'), ('rubric.scale.description', 'Size', 'Size in people'),
	('rubric.quality', NULL, '{"key": "quality", "title": "Quality", "weight": 0.50, "description": "Fewer faults"}'),
	('rubric.cost', '{"key": "cost", "title": "Cost", "weight": 0.4, "description": "Savings"}', NULL)$$,
	'each part of a criterion; a criterion that came or went as a whole');
UPDATE linkedin_ingest.prompt_templates SET rubric = jsonb_build_array(rubric -> 1, rubric -> 0) WHERE id = :'t';
SELECT results_eq('SELECT field, old_value, new_value FROM pg_temp.diff(7, 8)',
	$$VALUES ('rubric', 'scale, quality', 'quality, scale')$$, 'their order');
UPDATE linkedin_ingest.prompt_templates SET rubric = NULL, response_schema = '{"type": "object"}' WHERE id = :'t';
SELECT results_eq('SELECT field, old_value IS NULL, new_value IS NULL FROM pg_temp.diff(8, 9)',
	$$VALUES ('rubric.quality', false, true), ('rubric.scale', false, true), ('response_schema', true, false)$$, 'no rubric any more');

/* JSON, by the lines of its pretty form */
UPDATE linkedin_ingest.prompt_templates SET metadata = '{"a": 1, "b": 3}' WHERE id = :'t';
SELECT results_eq('SELECT field, hunk FROM pg_temp.diff(9, 10)',
	$$VALUES ('metadata', E'@@ -1,4 +1,4 @@\n {\n     "a": 1,\n-    "b": 2\n+    "b": 3\n }')$$, 'metadata');
UPDATE linkedin_ingest.prompt_templates SET role = 'CPO' WHERE id = :'t';
SELECT results_eq('SELECT field, old_value, new_value FROM pg_temp.diff(10, 11)', $$VALUES ('role', 'COO', 'CPO')$$, 'role');
SELECT results_eq('SELECT DISTINCT split_part(field, ''.'', 1) FROM pg_temp.diff(1, 11) ORDER BY 1',
	$$VALUES ('blind'), ('max_tokens'), ('metadata'), ('model'), ('name'), ('prompt_text'), ('response_schema'), ('role'), ('rubric'), ('system_text'), ('temperature')$$,
	'over many versions');

SELECT is(pg_temp.fault(s), f, s) FROM (VALUES
	('SELECT linkedin_ingest.template_diff(NULL, 1, 2)', '22023 template_id: template_id must be given'),
	('SELECT pg_temp.diff(NULL, 2)', '22023 from_version: from_version must be given'),
	('SELECT pg_temp.diff(1, NULL)', '22023 to_version: to_version must be given'),
	('SELECT pg_temp.diff(NULL, NULL)', E'22023 from_version: 2 invalid arguments | from_version: missing: from_version must be given\nto_version: missing: to_version must be given'),
	('SELECT linkedin_ingest.template_diff(''00000000-0000-7000-8000-0000000000ff'', 1, 2)', 'P0002 template_id: template 00000000-0000-7000-8000-0000000000ff not found'),
	('SELECT pg_temp.diff(99, 98)', format('P0002 from_version: template %s has no version 99', :'t')),
	('SELECT pg_temp.diff(1, 99)', format('P0002 to_version: template %s has no version 99', :'t'))) v (s, f);

/* restore_template_version */
SELECT is(pg_temp.restore(1), 12, 'an earlier version is saved as a new one');
SELECT results_eq($$SELECT to_jsonb(t) - '{version,updated_at}'::text[] FROM linkedin_ingest.prompt_templates t JOIN made ON made.id = t.id$$,
	$$SELECT to_jsonb(made) - '{version,updated_at}'::text[] FROM made$$, 'in every column');
SELECT is_empty('SELECT * FROM pg_temp.diff(1, 12)', 'without a difference');
SELECT is(v.note, 'equals version 1', 'and says so') FROM linkedin_ingest.prompt_template_versions v JOIN made ON made.id = v.template_id WHERE v.version = 12;
SELECT is(v.content_sha256, w.content_sha256, 'by the same hash') FROM linkedin_ingest.prompt_template_versions v
	JOIN linkedin_ingest.prompt_template_versions w ON w.template_id = v.template_id AND w.version = 1
	JOIN made ON made.id = v.template_id WHERE v.version = 12;
SELECT is(pg_temp.restore(12), 12, 'the present version makes no new one');
SELECT is(pg_temp.restore(1), 12, 'nor does one that equals it');
SELECT is(count(*), 12::bigint, 'as many as before') FROM linkedin_ingest.prompt_template_versions v JOIN made ON made.id = v.template_id;
SELECT is(pg_temp.restore(9), 13, 'also to one without a rubric');
SELECT results_eq($$SELECT t.rubric IS NULL, t.response_schema FROM linkedin_ingest.prompt_templates t JOIN made ON made.id = t.id$$,
	$$VALUES (true, '{"type": "object"}'::jsonb)$$, 'which has a schema');
SELECT is(pg_temp.fault(s), f, s) FROM (VALUES
	('SELECT linkedin_ingest.restore_template_version(NULL, 1)', '22023 template_id: template_id must be given'),
	('SELECT pg_temp.restore(NULL)', '22023 version: version must be given'),
	('SELECT linkedin_ingest.restore_template_version(''00000000-0000-7000-8000-0000000000ff'', 1)', 'P0002 template_id: template 00000000-0000-7000-8000-0000000000ff not found'),
	('SELECT pg_temp.restore(14)', format('P0002 version: template %s has no version 14', :'t')),
	('SELECT pg_temp.restore(0)', format('P0002 version: template %s has no version 0', :'t'))) v (s, f);
INSERT INTO linkedin_ingest.prompt_templates (role, name, prompt_text, is_active) VALUES ('CPO', 'in the way', 'x', true);
SELECT linkedin_ingest.activate_template(:'t');
SELECT alike(pg_temp.fault('SELECT pg_temp.restore(11)'), '23505 is_active: another template is active for role CPO of stage scoring%',
	'an active template cannot go back to where another is active');

/* template_at: a history with known times, as a dump would bring it; seeds not listed stay */
DELETE FROM linkedin_ingest.seeds;
INSERT INTO linkedin_ingest.roles (role, title) VALUES ('CDO', 'Chief Data Officer'), ('CMO', 'Chief Marketing Officer');
SET LOCAL check_function_bodies = off;
INSERT INTO linkedin_ingest.prompt_templates (id, role, stage, name, prompt_text, version, is_active) VALUES
	('00000000-0000-7000-8000-00000000000a', 'CDO', 'scoring', 'a', 'x', 2, false),
	('00000000-0000-7000-8000-00000000000b', 'CMO', 'scoring', 'b', 'x', 3, true),
	('00000000-0000-7000-8000-00000000000c', 'CDO', 'screening', 'c', 'x', 1, true);
INSERT INTO linkedin_ingest.prompt_template_versions (template_id, version, role, stage, name, prompt_text, blind, metadata, content_sha256, changed_by, changed_at)
	SELECT v.id, v.version, v.role, v.stage, v.id::text, 'x', true, '{}', '\x00', 'somebody', v.at
	FROM (VALUES ('00000000-0000-7000-8000-00000000000a'::uuid, 1, 'CDO', 'scoring', '2024-01-01Z'::timestamptz),
		('00000000-0000-7000-8000-00000000000a', 2, 'CDO', 'scoring', '2024-03-01Z'),
		('00000000-0000-7000-8000-00000000000b', 1, 'CDO', 'scoring', '2024-01-15Z'),
		('00000000-0000-7000-8000-00000000000b', 2, 'CDO', 'scoring', '2024-05-01Z'),
		('00000000-0000-7000-8000-00000000000b', 3, 'CMO', 'scoring', '2024-08-01Z'),
		('00000000-0000-7000-8000-00000000000c', 1, 'CDO', 'screening', '2024-01-01Z')) v (id, version, role, stage, at);
INSERT INTO linkedin_ingest.prompt_template_activations (template_id, role, stage, version, is_active, changed_by, changed_at) VALUES
	('00000000-0000-7000-8000-00000000000a', 'CDO', 'scoring', 1, true, 'somebody', '2024-02-01Z'),
	('00000000-0000-7000-8000-00000000000a', 'CDO', 'scoring', 2, false, 'somebody', '2024-04-01Z'),
	('00000000-0000-7000-8000-00000000000b', 'CDO', 'scoring', 1, true, 'somebody', '2024-04-01Z'),
	('00000000-0000-7000-8000-00000000000b', 'CDO', 'scoring', 2, false, 'somebody', '2024-06-01Z'),
	('00000000-0000-7000-8000-00000000000b', 'CDO', 'scoring', 2, true, 'somebody', '2024-07-01Z'),
	('00000000-0000-7000-8000-00000000000c', 'CDO', 'screening', 1, true, 'somebody', '2024-01-01Z');
SET LOCAL check_function_bodies = on;
SELECT is((SELECT right(l.template_id::text, 1) || l.version FROM linkedin_ingest.template_at(role, 'scoring', at) l), live, format('%s at %s: %s', role, at, why))
FROM (VALUES ('CDO', '2024-01-20Z'::timestamptz, NULL, 'saved, not active yet'),
	('CDO', '2024-02-01Z', 'a1', 'from the instant on'), ('cdo', '2024-02-29Z', 'a1', 'role in any case'), ('CDO', '2024-03-01Z', 'a2', 'a new version while active'),
	('CDO', '2024-03-31 23:59:59.999999Z', 'a2', 'until just before the swap'), ('CDO', '2024-04-01Z', 'b1', 'swapped, no gap'),
	('CDO', '2024-05-02Z', 'b2', 'a version later'), ('CDO', '2024-06-01Z', NULL, 'deactivated'), ('CDO', '2024-07-02Z', 'b2', 'active again'),
	('CDO', '2024-08-02Z', NULL, 'given another role'), ('CMO', '2024-07-31Z', NULL, 'before'), ('CMO', '2024-08-02Z', 'b3', 'for which it is live since'),
	('CMO', 'infinity', 'b3', 'now'), ('CMO', '-infinity', NULL, 'before everything')) v (role, at, live, why);
SELECT is((SELECT right(l.template_id::text, 1) || l.version FROM linkedin_ingest.template_at('CDO', 'screening', '2024-09-01Z') l), 'c1', 'each stage for itself');
SELECT is((SELECT l.name FROM linkedin_ingest.template_at(NULL, 'compatibility', clock_timestamp()) l), 'Role compatibility', 'compatibility has no role');
SELECT is_empty($$SELECT a.role, a.stage FROM linkedin_ingest.active_templates a, linkedin_ingest.template_at(a.role, a.stage, clock_timestamp()) l
	WHERE (l.template_id, l.version) IS DISTINCT FROM (a.template_id, a.version)$$, 'at this moment: what active_templates shows');
SELECT is(linkedin_ingest.template_at('CDO', 'scoring', clock_timestamp()), NULL, 'null when there is none');
SELECT is(pg_temp.fault(s), f, s) FROM (VALUES
	('SELECT linkedin_ingest.template_at(''XYZ'', ''scoring'', now())', '22023 role: unknown role "XYZ"'),
	('SELECT linkedin_ingest.template_at(NULL, ''scoring'', now())', '22023 role: role must be given'),
	('SELECT linkedin_ingest.template_at(''CTO'', ''compatibility'', now())', '22023 role: stage compatibility has no role'),
	('SELECT linkedin_ingest.template_at(''CTO'', ''final'', now())', '22023 stage: stage must be screening, compatibility or scoring'),
	('SELECT linkedin_ingest.template_at(''CTO'', NULL, now())', '22023 stage: stage must be screening, compatibility or scoring'),
	('SELECT linkedin_ingest.template_at(''CTO'', ''scoring'', NULL)', '22023 at: at must be given')) v (s, f);

/* recommended_templates */
DELETE FROM linkedin_ingest.prompt_templates WHERE role IN ('CDO', 'CMO', 'COO', 'CPO');
INSERT INTO linkedin_ingest.prompt_templates (role, name, prompt_text) VALUES ('CTO', 'a draft', 'x');
INSERT INTO linkedin_ingest.profiles (id, full_name, suggested_role) VALUES
	('00000000-0000-7000-8000-0000000000a1', 'Ada Example', 'CTO'), ('00000000-0000-7000-8000-0000000000a2', 'Bo Example', NULL),
	('00000000-0000-7000-8000-0000000000a3', 'Cy Example', 'COO');
SELECT results_eq($$SELECT name FROM linkedin_ingest.recommended_templates('00000000-0000-7000-8000-0000000000a1')$$,
	$$VALUES ('Fortium Partners CTO evaluation')$$, 'the active scoring template of the suggested role');
SELECT results_eq($$SELECT stage, role FROM linkedin_ingest.recommended_templates('00000000-0000-7000-8000-0000000000a2')$$,
	$$VALUES ('scoring', 'CIO'), ('scoring', 'CISO'), ('scoring', 'CTO'), ('screening', 'CIO'), ('screening', 'CISO'), ('screening', 'CTO'), ('compatibility', NULL)$$,
	'without one all active templates, scoring first');
SELECT is_empty($$SELECT * FROM linkedin_ingest.recommended_templates('00000000-0000-7000-8000-0000000000a3')$$, 'a role without template: none');
SELECT is(pg_temp.fault('SELECT linkedin_ingest.recommended_templates(NULL)'), '22023 profile_id: profile_id must be given', 'no profile');
SELECT is(pg_temp.fault('SELECT linkedin_ingest.recommended_templates(''00000000-0000-7000-8000-0000000000ff'')'),
	'P0002 profile_id: profile 00000000-0000-7000-8000-0000000000ff not found', 'an unknown one');

/* who may */
UPDATE linkedin_ingest.prompt_templates SET prompt_text = 'x', rubric = NULL WHERE id = '019a6f00-0000-7000-8000-0000000000c1';
CREATE ROLE pgtap_history_reader;
CREATE ROLE pgtap_history_operator;
SELECT linkedin_ingest.grant_access('pgtap_history_reader', 'reader'), linkedin_ingest.grant_access('pgtap_history_operator', 'operator') \g /dev/null
CREATE FUNCTION pg_temp.fault_as(who text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', who);
	answer := left(pg_temp.fault(statement), 5);
	RESET ROLE;
	RETURN answer;
END
$$;
SELECT is(pg_temp.fault_as(who, s), f, format('%s: %s', who, s)) FROM (VALUES
	('pgtap_history_reader', 'SELECT linkedin_ingest.template_diff(''019a6f00-0000-7000-8000-0000000000c1'', 1, 2)', NULL),
	('pgtap_history_reader', 'SELECT linkedin_ingest.template_at(''CTO'', ''scoring'', now())', NULL),
	('pgtap_history_reader', 'SELECT linkedin_ingest.recommended_templates(''00000000-0000-7000-8000-0000000000a1'')', NULL),
	('pgtap_history_reader', 'SELECT linkedin_ingest.restore_template_version(''019a6f00-0000-7000-8000-0000000000c1'', 1)', '42501'),
	('pgtap_history_operator', 'SELECT linkedin_ingest.restore_template_version(''019a6f00-0000-7000-8000-0000000000c1'', 1)', NULL)) v (who, s, f);

SELECT * FROM finish();
ROLLBACK;
