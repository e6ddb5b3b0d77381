/* templates that the extension brings, and how an upgrade may change them */
BEGIN;
SELECT plan(21);

SELECT results_eq($$SELECT stage, role, name, version, is_active, blind, model FROM linkedin_ingest.prompt_templates ORDER BY stage, role$$,
	$$VALUES ('compatibility', NULL, 'Role compatibility', 1, true, true, NULL),
		('scoring', 'CIO', 'Fortium Partners CIO evaluation', 1, true, true, NULL),
		('scoring', 'CISO', 'Fortium Partners CISO evaluation', 1, true, true, NULL),
		('scoring', 'CTO', 'Fortium Partners CTO evaluation', 1, true, true, NULL),
		('screening', 'CIO', 'CIO screening', 1, true, true, NULL),
		('screening', 'CISO', 'CISO screening', 1, true, true, NULL),
		('screening', 'CTO', 'CTO screening', 1, true, true, NULL)$$, 'seven seeded templates, all active');
SELECT is(array_agg(r.role ORDER BY r.role), '{CIO,CISO,CTO}', 'three seeded roles') FROM linkedin_ingest.roles r;
SELECT set_eq($$SELECT s.key FROM linkedin_ingest.seeds s WHERE s.table_name = 'prompt_templates'$$,
	$$SELECT id::text FROM linkedin_ingest.prompt_templates$$, 'seeds are listed');
SELECT results_eq($$SELECT t.stage, count(*) FROM linkedin_ingest.prompt_templates t, jsonb_array_elements(t.rubric) c
		WHERE (SELECT array_agg(k::int ORDER BY k::int) FROM jsonb_object_keys(c -> 'levels') k) = '{0,25,50,75,100}'
			AND length(c ->> 'description') > 15 AND length(c ->> 'title') > 5
		GROUP BY t.stage ORDER BY t.stage$$,
	$$VALUES ('scoring', 18::bigint), ('screening', 9)$$, 'six criteria or three, each with five levels and a description');
SELECT is(t.metadata -> 'scoring_weights',
		(SELECT jsonb_object_agg(c ->> 'key', (c ->> 'weight')::numeric * 100) FROM jsonb_array_elements(t.rubric) c),
		format('%s %s: weights and metadata agree', t.role, t.stage))
	FROM linkedin_ingest.prompt_templates t WHERE t.rubric IS NOT NULL ORDER BY t.stage, t.role;
SELECT is_empty($$SELECT t.name, f.faults, f.doubts FROM linkedin_ingest.prompt_templates t,
		linkedin_ingest.template_faults(t.stage, t.system_text, t.prompt_text, t.rubric, t.response_schema) f
	WHERE f.faults <> '{}' OR f.doubts <> '{}'$$, 'nothing doubtful in them');
SELECT is(count(*), 7::bigint, 'each has its first version')
	FROM linkedin_ingest.prompt_templates t
	JOIN linkedin_ingest.prompt_template_versions v ON v.template_id = t.id AND v.version = 1
		AND v.prompt_text = t.prompt_text AND v.rubric IS NOT DISTINCT FROM t.rubric AND v.changed_by = session_user;
SELECT is(count(*), 7::bigint, 'and its activation') FROM linkedin_ingest.prompt_template_activations a WHERE a.is_active;

/* what they ask, and of whom */
INSERT INTO linkedin_ingest.profiles (id, full_name, suggested_role) VALUES ('00000000-0000-7000-8000-0000000000aa', 'Sample Person', 'CTO');
CREATE TEMP TABLE asked AS
	SELECT t.role, t.stage, linkedin_ingest.explain_score('00000000-0000-7000-8000-0000000000aa', template_id => t.id) AS e
	FROM linkedin_ingest.prompt_templates t;
SELECT is_empty($$SELECT a.role, a.stage, a.e -> 'prompt_tokens' FROM asked a
		WHERE (a.e ->> 'prompt_tokens')::int > CASE a.stage WHEN 'scoring' THEN 1200 ELSE 700 END$$,
	'short enough, with an empty profile: 700 tokens, 1200 for scoring');
SELECT is_empty($$SELECT a.role, a.stage FROM asked a WHERE a.e #>> '{messages,0,content}' || (a.e #>> '{messages,1,content}') LIKE '%{{%'$$,
	'every placeholder stands for something');
SELECT is((SELECT count(*) FROM linkedin_ingest.roles r WHERE a.e #>> '{messages,1,content}' LIKE format('%%%s (%s)%%', r.role, r.title)), 3::bigint,
		'compatibility tells of every role')
	FROM asked a WHERE a.stage = 'compatibility';
SET LOCAL linkedin_ingest.screening_model = 'gpt-5.6-luna';
SELECT results_eq($$SELECT DISTINCT t.stage, linkedin_ingest.explain_score('00000000-0000-7000-8000-0000000000aa', template_id => t.id) ->> 'model'
		FROM linkedin_ingest.prompt_templates t ORDER BY 1$$,
	$$VALUES ('compatibility', 'gpt-6-luna'), ('scoring', 'gpt-6-luna'), ('screening', 'gpt-5.6-luna')$$, 'screening asks the setting screening_model');

/*
 * An upgrade, as docs/templates.md has it: it changes what is still listed and
 * keeps it listed.
 */
UPDATE linkedin_ingest.prompt_templates SET prompt_text = prompt_text || ' Take care.' WHERE role = 'CTO' AND stage = 'screening';
UPDATE linkedin_ingest.prompt_templates SET is_active = false WHERE role = 'CIO' AND stage = 'screening';
DELETE FROM linkedin_ingest.prompt_templates WHERE stage = 'compatibility';
UPDATE linkedin_ingest.prompt_templates SET prompt_text = prompt_text WHERE role = 'CISO';
SELECT set_eq($$SELECT t.stage || ' ' || t.role FROM linkedin_ingest.seeds s JOIN linkedin_ingest.prompt_templates t ON t.id::text = s.key$$,
	ARRAY['scoring CTO', 'scoring CIO', 'scoring CISO', 'screening CISO'], 'a template changed, switched off or deleted is listed no more; one saved as it was is');
ALTER TABLE linkedin_ingest.prompt_templates DISABLE TRIGGER strike_seed;
UPDATE linkedin_ingest.prompt_templates t SET description = 'new in this release'
	FROM linkedin_ingest.seeds s
	WHERE s.table_name = 'prompt_templates' AND s.key = t.id::text AND t.stage = 'screening';
ALTER TABLE linkedin_ingest.prompt_templates ENABLE TRIGGER strike_seed;
SELECT results_eq($$SELECT role, version, description = 'new in this release' FROM linkedin_ingest.prompt_templates WHERE stage = 'screening' ORDER BY role$$,
	$$VALUES ('CIO', 1, false), ('CISO', 2, true), ('CTO', 2, false)$$, 'an upgrade changes those still listed, as a new version');
SELECT is(count(*), 4::bigint, 'which stay listed') FROM linkedin_ingest.seeds s WHERE s.table_name = 'prompt_templates';
UPDATE linkedin_ingest.prompt_templates SET description = 'mine' WHERE role = 'CISO' AND stage = 'screening';
SELECT is(count(*), 3::bigint, 'until somebody changes them') FROM linkedin_ingest.seeds s WHERE s.table_name = 'prompt_templates';

SELECT * FROM finish();
ROLLBACK;
