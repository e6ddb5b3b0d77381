/* what cannot be asked, and template versions that come and go while a session remembers them */
BEGIN;
SELECT plan(7);

INSERT INTO linkedin_ingest.profiles (id, linkedin_id, first_name, last_name, full_name, headline)
	VALUES ('00000000-0000-7000-8000-0000000000a1', 'ACoAAfictional00000001', 'Ada', 'Sample', 'Ada Sample', 'CTO');

CREATE FUNCTION pg_temp.ask(template_id uuid, version int, profile_id uuid DEFAULT '00000000-0000-7000-8000-0000000000a1',
							model text DEFAULT 'gpt-6-luna') RETURNS text
	LANGUAGE sql AS $$
	SELECT linkedin_ingest.render_ask(profile_id, 'CTO', 'scoring', template_id, version, NULL,
		'openai', model, 2000, 0.1, 1)::text
$$;

SELECT throws_ok($$SELECT pg_temp.ask('019a6f00-0000-7000-8000-0000000000c1', 1, '00000000-0000-7000-8000-000000000000')$$,
	'P0002', 'the question cannot be asked: the profile does not exist any more', 'a profile that is gone');
SELECT throws_ok($$SELECT pg_temp.ask('019a6f00-0000-7000-8000-0000000000c1', 999)$$,
	'P0002', 'the question cannot be asked: the job''s template version does not exist', 'a version that is gone');
SELECT throws_ok($$SELECT pg_temp.ask(NULL, 1)$$,
	'22023', 'profile_id, model, and template_id or prompt must be given', 'neither template nor prompt');
SELECT throws_ok($$SELECT pg_temp.ask('019a6f00-0000-7000-8000-0000000000c1', 1, model => NULL)$$,
	'22023', 'profile_id, model, and template_id or prompt must be given', 'no model');

-- More versions than a session remembers; each is asked for, then the first ones again.
INSERT INTO linkedin_ingest.prompt_templates (role, stage, name, prompt_text)
	SELECT 'CTO', 'scoring', 'number ' || n, 'Prompt number ' || n || ' for {{profile}}.' FROM generate_series(1, 450) n;
CREATE TEMP TABLE many AS
	SELECT substr(name, 8)::int AS n, id FROM linkedin_ingest.prompt_templates WHERE name ~ '^number [0-9]+$';
SELECT is((SELECT count(*) FROM many WHERE position('Prompt number ' || n || ' for' IN pg_temp.ask(id, 1)) > 0), 450::bigint,
	'450 templates, each with its own prompt');
SELECT is((SELECT count(*) FROM many WHERE n <= 3 AND position('Prompt number ' || n || ' for' IN pg_temp.ask(id, 1)) > 0), 3::bigint,
	'the first ones again');

-- A template that is rolled back may come back under its number with another text.
SAVEPOINT before;
UPDATE linkedin_ingest.prompt_templates SET prompt_text = 'Rolled back {{profile}}.' WHERE id = (SELECT id FROM many WHERE n = 1);
SELECT pg_temp.ask(id, 2) FROM many WHERE n = 1 \g /dev/null
ROLLBACK TO before;
UPDATE linkedin_ingest.prompt_templates SET prompt_text = 'Kept {{profile}}.' WHERE id = (SELECT id FROM many WHERE n = 1);
SELECT ok(position('Kept' IN pg_temp.ask(id, 2)) > 0, 'a version that was rolled back is not remembered') FROM many WHERE n = 1;

SELECT * FROM finish();
ROLLBACK;
