/* templates: identity, versions, one active per role and stage, restore */
BEGIN;
SELECT plan(44);

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
SELECT is(count(DISTINCT a.changed_at), 1::bigint, 'in one instant')
	FROM linkedin_ingest.prompt_template_activations a, other
	WHERE (a.template_id, a.is_active) IN (SELECT id, false FROM made UNION ALL SELECT id, true FROM other);
SELECT results_eq($$SELECT a.is_active, a.template_id = other.id, a.version, a.changed_by = session_user FROM linkedin_ingest.prompt_template_activations a, other
		WHERE a.role = 'CPO' ORDER BY a.id$$,
	$$VALUES (true, false, 4, true), (false, false, 4, true), (true, true, 1, true)$$,
	'each activation is on record, a repeated one once');
SELECT results_eq($$SELECT role, version, activated_by = session_user FROM linkedin_ingest.active_templates WHERE role = 'CPO'$$,
	$$VALUES ('CPO', 1, true)$$, 'active_templates shows it');
SELECT throws_ok($$SELECT linkedin_ingest.activate_template('00000000-0000-7000-8000-000000000009')$$, 'P0002', NULL, 'an unknown template');
SELECT throws_ok($$SELECT linkedin_ingest.activate_template(NULL)$$, '22023', NULL, 'no template');
CREATE ROLE pgtap_template_operator;
SELECT linkedin_ingest.grant_access('pgtap_template_operator', 'operator') \g /dev/null
GRANT SELECT ON other TO pgtap_template_operator;
SET LOCAL ROLE pgtap_template_operator;
UPDATE linkedin_ingest.prompt_templates SET description = 'by somebody else' WHERE id = (SELECT id FROM other);
UPDATE linkedin_ingest.prompt_templates SET is_active = false WHERE id = (SELECT id FROM other);
RESET ROLE;
SELECT is(v.changed_by, 'pgtap_template_operator', 'who saved a version is on record')
	FROM linkedin_ingest.prompt_template_versions v JOIN other ON v.template_id = other.id WHERE v.version = 2;
SELECT ok(v.changed_at BETWEEN now() AND clock_timestamp(), 'and when')
	FROM linkedin_ingest.prompt_template_versions v JOIN other ON v.template_id = other.id WHERE v.version = 2;
SELECT results_eq($$SELECT a.is_active, a.version, a.changed_by, a.changed_at BETWEEN now() AND clock_timestamp()
		FROM linkedin_ingest.prompt_template_activations a JOIN other ON a.template_id = other.id ORDER BY a.changed_at DESC LIMIT 1$$,
	$$VALUES (false, 2, 'pgtap_template_operator', true)$$, 'the same for who switched it off');
SELECT is_empty($$SELECT FROM linkedin_ingest.active_templates WHERE role = 'CPO'$$, 'none is active then');

/* compatibility has no role */
UPDATE linkedin_ingest.prompt_templates SET is_active = false WHERE stage = 'compatibility';
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
