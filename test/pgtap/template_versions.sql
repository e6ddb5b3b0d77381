/* templates: identity, versions, one active per role and stage, restore */
BEGIN;
SELECT plan(48);

/* what the extension brings */
SELECT results_eq($$SELECT role, stage, name, version, is_active, blind FROM linkedin_ingest.prompt_templates ORDER BY role$$,
	$$VALUES ('CIO', 'scoring', 'Fortium Partners CIO evaluation', 1, true, true),
		('CISO', 'scoring', 'Fortium Partners CISO evaluation', 1, true, true),
		('CTO', 'scoring', 'Fortium Partners CTO evaluation', 1, true, true)$$, 'three seeded templates');
SELECT is(array_agg(r.role ORDER BY r.role), '{CIO,CISO,CTO}', 'three seeded roles') FROM linkedin_ingest.roles r;
SELECT is(count(*), 3::bigint, 'seeds are listed') FROM linkedin_ingest.seeds s
	JOIN linkedin_ingest.prompt_templates t ON s.table_name = 'prompt_templates' AND s.key = t.id::text;
SELECT is(count(*), 18::bigint, 'six criteria each, with five levels and a description')
	FROM linkedin_ingest.prompt_templates t, jsonb_array_elements(t.rubric) c
	WHERE (SELECT array_agg(k::int ORDER BY k::int) FROM jsonb_object_keys(c -> 'levels') k) = '{0,25,50,75,100}'
		AND length(c ->> 'description') > 20;
SELECT is(t.metadata -> 'scoring_weights',
		(SELECT jsonb_object_agg(c ->> 'key', (c ->> 'weight')::numeric * 100) FROM jsonb_array_elements(t.rubric) c),
		t.role || ': weights and metadata agree')
	FROM linkedin_ingest.prompt_templates t ORDER BY t.role;
SELECT is(count(*), 0::bigint, 'nothing doubtful in the seeds')
	FROM linkedin_ingest.prompt_templates t,
		linkedin_ingest.template_faults(t.stage, t.system_text, t.prompt_text, t.rubric, t.response_schema) f
	WHERE f.faults <> '{}' OR f.doubts <> '{}';
SELECT is(count(*), 3::bigint, 'each has its first version')
	FROM linkedin_ingest.prompt_templates t
	JOIN linkedin_ingest.prompt_template_versions v ON v.template_id = t.id AND v.version = 1
		AND v.prompt_text = t.prompt_text AND v.rubric = t.rubric AND v.changed_by = session_user;

/* roles */
SELECT throws_ok($$INSERT INTO linkedin_ingest.roles (role, title) VALUES ('cpo', 'x')$$, '23514', NULL, 'a role is in upper case');
SELECT lives_ok($$INSERT INTO linkedin_ingest.roles (role, title) VALUES ('CPO', 'Chief Product Officer')$$, 'a new role');

/* identity */
CREATE TEMP TABLE made AS
	WITH new AS (
		INSERT INTO linkedin_ingest.prompt_templates (id, role, name, prompt_text, version, created_at, updated_at)
		VALUES ('00000000-0000-7000-8000-000000000001', 'CPO', 'first', 'Assess {{profile}}', 7, 'epoch', 'epoch')
		RETURNING *)
	SELECT * FROM new;
SELECT isnt(id, '00000000-0000-7000-8000-000000000001', 'the id is the table''s own') FROM made;
SELECT is(version, 1, 'so is the version') FROM made;
SELECT ok(created_at > now() - interval '1 min' AND updated_at = created_at, 'and the times') FROM made;
SELECT is(is_active, false, 'a template is not active unless it is said') FROM made;

/* versions */
SELECT is(count(*), 1::bigint, 'a version is written') FROM linkedin_ingest.prompt_template_versions v JOIN made ON v.template_id = made.id;
UPDATE linkedin_ingest.prompt_templates t SET prompt_text = 'Judge {{profile}}', version = 99, id = gen_random_uuid(), created_at = 'epoch'
	FROM made WHERE t.id = made.id;
SELECT results_eq($$SELECT t.version, t.created_at FROM linkedin_ingest.prompt_templates t JOIN made ON t.id = made.id$$,
	$$SELECT 2, created_at FROM made$$, 'a change of content makes version 2');
CREATE TEMP TABLE second AS SELECT t.* FROM linkedin_ingest.prompt_templates t JOIN made ON t.id = made.id;
SELECT results_eq($$UPDATE linkedin_ingest.prompt_templates t SET prompt_text = t.prompt_text, metadata = '{ }', updated_at = 'epoch'
		FROM made WHERE t.id = made.id RETURNING t.*$$,
	$$SELECT * FROM second$$, 'saving the same content returns the row');
SELECT is(count(*), 2::bigint, 'and makes no version') FROM linkedin_ingest.prompt_template_versions v JOIN made ON v.template_id = made.id;
UPDATE linkedin_ingest.prompt_templates t SET temperature = 0.5 FROM made WHERE t.id = made.id;
UPDATE linkedin_ingest.prompt_templates t SET temperature = 0.50 FROM made WHERE t.id = made.id;
SELECT is(t.version, 3, '0.5 and 0.50 are the same') FROM linkedin_ingest.prompt_templates t JOIN made ON t.id = made.id;
UPDATE linkedin_ingest.prompt_templates t SET temperature = NULL FROM made WHERE t.id = made.id;
SELECT results_eq($$SELECT v.version, v.note FROM linkedin_ingest.prompt_template_versions v JOIN made ON v.template_id = made.id ORDER BY 1$$,
	$$VALUES (1, NULL), (2, NULL), (3, NULL), (4, 'equals version 2')$$, 'a version like an earlier one says so');
SELECT is(count(DISTINCT v.content_sha256), 3::bigint, 'and has its hash')
	FROM linkedin_ingest.prompt_template_versions v JOIN made ON v.template_id = made.id;
SELECT throws_ok($$UPDATE linkedin_ingest.prompt_template_versions SET note = 'x'$$, '55000', NULL, 'versions are not updated');
SELECT throws_ok($$DELETE FROM linkedin_ingest.prompt_template_versions$$, '55000', NULL, 'nor deleted');
SET LOCAL client_min_messages = warning;
SELECT throws_ok($$TRUNCATE linkedin_ingest.prompt_templates CASCADE$$, '55000', NULL, 'nor truncated');
SELECT throws_ok($$INSERT INTO linkedin_ingest.prompt_template_versions
		SELECT template_id, 50, role, stage, name, description, system_text, prompt_text, rubric, response_schema, model, max_tokens,
			temperature, blind, metadata, content_sha256, changed_by, changed_at FROM linkedin_ingest.prompt_template_versions LIMIT 1$$,
	'55000', NULL, 'nor written by hand');

/* one active per role and stage */
SELECT linkedin_ingest.activate_template(id) FROM made;
SELECT is(t.is_active, true, 'activate_template activates') FROM linkedin_ingest.prompt_templates t JOIN made ON t.id = made.id;
SELECT is(t.version, 4, 'without a new version') FROM linkedin_ingest.prompt_templates t JOIN made ON t.id = made.id;
SELECT throws_ok($$INSERT INTO linkedin_ingest.prompt_templates (role, name, prompt_text, is_active) VALUES ('CPO', 'x', 'x', true)$$,
	'23505', NULL, 'a second active one is refused');
CREATE FUNCTION pg_temp.detail_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE statement;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN detail;
END
$$;
SELECT is(pg_temp.detail_of($$INSERT INTO linkedin_ingest.prompt_templates (role, name, prompt_text, is_active) VALUES ('CPO', 'x', 'x', true)$$),
	format('Template %s ("first") is active.', id), 'the detail names the one that is') FROM made;
CREATE TEMP TABLE other AS
	WITH new AS (INSERT INTO linkedin_ingest.prompt_templates (role, name, prompt_text) VALUES ('CPO', 'first', 'x') RETURNING *)
	SELECT * FROM new;
SELECT throws_ok($$UPDATE linkedin_ingest.prompt_templates t SET is_active = true FROM other WHERE t.id = other.id$$,
	'23505', NULL, 'also by an update');
SELECT linkedin_ingest.activate_template(id) FROM other;
SELECT linkedin_ingest.activate_template(id) FROM other;
SELECT results_eq($$SELECT t.id FROM linkedin_ingest.prompt_templates t WHERE t.role = 'CPO' AND t.is_active$$,
	$$SELECT id FROM other$$, 'activating one takes out the other');
SELECT results_eq($$SELECT a.is_active, a.template_id = other.id, a.version, a.changed_by = session_user FROM linkedin_ingest.prompt_template_activations a, other
		WHERE a.role = 'CPO' ORDER BY a.id$$,
	$$VALUES (true, false, 4, true), (false, false, 4, true), (true, true, 1, true)$$,
	'each activation is on record, a repeated one once');
SELECT results_eq($$SELECT role, version, activated_by = session_user FROM linkedin_ingest.active_templates WHERE role = 'CPO'$$,
	$$VALUES ('CPO', 1, true)$$, 'active_templates shows it');
SELECT throws_ok($$SELECT linkedin_ingest.activate_template('00000000-0000-7000-8000-000000000009')$$, 'P0002', NULL, 'an unknown template');
SELECT throws_ok($$SELECT linkedin_ingest.activate_template(NULL)$$, '22023', NULL, 'no template');

/* compatibility has no role */
SELECT throws_ok($$INSERT INTO linkedin_ingest.prompt_templates (role, stage, name, prompt_text) VALUES ('CTO', 'compatibility', 'x', 'x')$$,
	'23514', NULL, 'a compatibility template has no role');
SELECT throws_ok($$INSERT INTO linkedin_ingest.prompt_templates (name, prompt_text) VALUES ('x', 'x')$$,
	'23514', NULL, 'every other has one');
SELECT lives_ok($$INSERT INTO linkedin_ingest.prompt_templates (stage, name, prompt_text, is_active) VALUES ('compatibility', 'x', '{{roles}}', true)$$,
	'one without a role');
SELECT throws_ok($$INSERT INTO linkedin_ingest.prompt_templates (stage, name, prompt_text, is_active) VALUES ('compatibility', 'y', 'x', true)$$,
	'23505', NULL, 'only one of them is active');

/* deletion */
INSERT INTO linkedin_ingest.profiles (id, full_name) VALUES ('00000000-0000-7000-8000-0000000000aa', 'Sample Person');
INSERT INTO linkedin_ingest.scoring_jobs (profile_id, role, stage, template_id, template_version, provider, model, max_tokens)
	SELECT '00000000-0000-7000-8000-0000000000aa', 'CPO', 'scoring', id, 1, 'openai', 'gpt-6-luna', 100 FROM made;
SELECT throws_ok($$DELETE FROM linkedin_ingest.prompt_templates t USING made WHERE t.id = made.id$$,
	'23503', NULL, 'a template that a job names stays');
SELECT lives_ok($$DELETE FROM linkedin_ingest.prompt_templates t USING other WHERE t.id = other.id$$, 'another goes');
SELECT is(count(*), 0::bigint, 'with its versions') FROM linkedin_ingest.prompt_template_versions v JOIN other ON v.template_id = other.id;

/* a restore keeps rows as they come */
SET LOCAL check_function_bodies = off;
INSERT INTO linkedin_ingest.prompt_templates (id, role, name, prompt_text, version, is_active, created_at, updated_at)
	VALUES ('00000000-0000-7000-8000-000000000002', 'CPO', 'restored', '{{whatever}}', 7, true, '2020-01-01', '2020-01-02');
SELECT results_eq($$SELECT version, is_active, created_at, updated_at FROM linkedin_ingest.prompt_templates
		WHERE id = '00000000-0000-7000-8000-000000000002'$$,
	$$VALUES (7, true, '2020-01-01'::timestamptz, '2020-01-02'::timestamptz)$$, 'template');
SELECT is(count(*), 0::bigint, 'no version is made up') FROM linkedin_ingest.prompt_template_versions
	WHERE template_id = '00000000-0000-7000-8000-000000000002';
SELECT is(count(*), 0::bigint, 'nor an activation') FROM linkedin_ingest.prompt_template_activations
	WHERE template_id = '00000000-0000-7000-8000-000000000002';
SELECT lives_ok($$INSERT INTO linkedin_ingest.prompt_template_versions (template_id, version, stage, name, prompt_text, blind, metadata,
		content_sha256, changed_by, changed_at)
	VALUES ('00000000-0000-7000-8000-000000000002', 7, 'scoring', 'restored', 'x', true, '{}', '\x00', 'somebody', '2020-01-02')$$,
	'versions come from the dump');
SET LOCAL check_function_bodies = on;
SELECT throws_ok($$DELETE FROM linkedin_ingest.prompt_template_versions WHERE version = 7$$, '55000', NULL, 'and are then as fixed as any');

SELECT * FROM finish();
ROLLBACK;
