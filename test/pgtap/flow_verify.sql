-- verify_profile and verify_payload: completeness, titles, errors, warnings.
\set QUIET on
BEGIN;
SELECT plan(44);
SET LOCAL client_min_messages = error;

CREATE FUNCTION pg_temp.fault(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text;
	argument text;
BEGIN
	EXECUTE statement;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, argument = COLUMN_NAME;
	RETURN rtrim(state || ' ' || argument);
END
$$;
-- completeness, proceed, errors and warnings in one line
CREATE FUNCTION pg_temp.short(verified jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT format('%s %s [%s] [%s]', verified ->> 'completeness', verified ->> 'proceed',
		(SELECT string_agg(e ->> 'field' || ' ' || (e ->> 'type'), ', ' ORDER BY n) FROM jsonb_array_elements(verified -> 'errors') WITH ORDINALITY x (e, n)),
		(SELECT string_agg(e ->> 'field' || ' ' || (e ->> 'type'), ', ' ORDER BY n) FROM jsonb_array_elements(verified -> 'warnings') WITH ORDINALITY x (e, n)))
$$;

INSERT INTO linkedin_ingest.profiles (full_name, headline, job_title) VALUES ('Ada Sample', 'CTO at Nordlicht', 'Chief Technology Officer') RETURNING id AS ada \gset
INSERT INTO linkedin_ingest.experiences (profile_id, ordinal, title, company_name)
	VALUES (:'ada', 1, 'Chief Technology Officer', 'Nordlicht'), (:'ada', 2, 'Vice President, Engineering', 'Altwerk'), (:'ada', 3, 'Doctor', 'Clinic');
INSERT INTO linkedin_ingest.profiles (full_name, headline) VALUES ('Bo Sample', 'Project Coordinator and Team Leader') RETURNING id AS bo \gset
INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Cy Sample') RETURNING id AS cy \gset
INSERT INTO linkedin_ingest.experiences (profile_id, ordinal, title) VALUES (:'cy', 1, 'Head of IT');
INSERT INTO linkedin_ingest.profiles (full_name, headline) VALUES ('Di Sample', E' \t') RETURNING id AS di \gset
INSERT INTO linkedin_ingest.experiences (profile_id, ordinal, description) VALUES (:'di', 1, 'Did things.');
INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Ed Sample') RETURNING id AS ed \gset
INSERT INTO linkedin_ingest.experiences (profile_id, ordinal, company_name) VALUES (:'ed', 1, 'Altwerk');

-- words, not substrings, in any script (test/unit/score_titles.c has more)
SELECT is(linkedin_ingest.executive_indicators(title), found::text[], format('executive_indicators(%L)', title))
FROM (VALUES ('CTO', '{cto}'), ('Group CTO / CISO', '{cto,ciso}'), ('Senior Vice-President', '{"vice president"}'), ('President', '{president}'),
	('Head of IT', '{head}'), ('Founder & Partner', '{founder,partner}'), ('Managing Director', '{"managing director"}'),
	('coordinator', '{}'), ('doctor', '{}'), ('leader', '{}'), ('Project Coordinator, Doctor, Team Leader', '{}'), ('Headhunter', '{}'), ('directorate', '{}'),
	('', '{}'), (U&'\00C9director', '{}'), (U&'\0434irector', '{}'), (U&'\682A\5F0F\4F1A\793ECTO', '{cto}'), ('chief' || U&'\2013' || 'of staff', '{chief}')) AS c (title, found);
SELECT is(linkedin_ingest.executive_indicators(NULL), NULL, 'null for null');

-- a stored person
SELECT is(pg_temp.fault('SELECT linkedin_ingest.verify_profile(NULL)'), '22023 profile_id', 'no profile_id');
SELECT is(pg_temp.fault('SELECT linkedin_ingest.verify_profile(''00000000-0000-7000-8000-00000000dead'')'), 'P0002 profile_id', 'unknown profile');
SELECT is(pg_temp.short(linkedin_ingest.verify_profile(:'ada')), 'complete true [] []', 'name, headline, experience: complete');
SELECT is(linkedin_ingest.verify_profile(:'ada') -> 'profile_id', to_jsonb(:'ada'::text), 'it says of whom');
SELECT is(linkedin_ingest.verify_profile(:'ada') -> 'parts', '{"name": true, "headline": true, "experience": true}'::jsonb, 'which parts are there');
SELECT is(linkedin_ingest.verify_profile(:'ada') -> 'executive_titles', '[
	{"field": "headline", "title": "CTO at Nordlicht", "indicators": ["cto"]},
	{"field": "job_title", "title": "Chief Technology Officer", "indicators": ["chief"]},
	{"field": "experiences[1].title", "title": "Vice President, Engineering", "indicators": ["vice president"]}]'::jsonb, 'matched titles, each once');
SELECT is(linkedin_ingest.verify_profile(:'ada') -> 'is_executive', 'true'::jsonb, 'an executive');
SELECT is((SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(linkedin_ingest.verify_profile(:'ada')) k),
	'{completeness,errors,executive_titles,is_executive,parts,proceed,profile_id,warnings}', 'its keys');
SELECT is(pg_temp.short(linkedin_ingest.verify_profile(:'bo')), 'partial true [] [experience missing, title not_executive]', 'no position: partial; coordinator and leader are no hits');
SELECT is(linkedin_ingest.verify_profile(:'bo') -> 'executive_titles', '[]'::jsonb, 'no title matched');
SELECT is(pg_temp.short(linkedin_ingest.verify_profile(:'cy')), 'partial true [] [headline missing]', 'no headline: partial');
SELECT is(pg_temp.short(linkedin_ingest.verify_profile(:'di')), 'insufficient false [headline missing, experience missing] [title not_executive]',
	'a blank headline and a position without title and employer are nothing: insufficient');
SELECT is(pg_temp.short(linkedin_ingest.verify_profile(:'ed')), 'partial true [] [headline missing, title not_executive]', 'an employer alone is a position');
SELECT is(linkedin_ingest.verify_profile(:'di') #> '{errors,0}', '{"field": "headline", "type": "missing", "message": "there is no headline"}'::jsonb, 'an error');

-- a payload
\set full '{"full_name": "Flo Sample", "public_id": "flo-sample", "headline": "CISO", "experiences": [{"title": "CISO", "company": "Altwerk"}]}'
SELECT is(pg_temp.short(linkedin_ingest.verify_payload(:'full')), 'complete true [] []', 'a payload');
SELECT is(linkedin_ingest.verify_payload(:'full', 'cassidy') #> '{executive_titles,0,indicators}', '["ciso"]'::jsonb, 'with its source named');
SELECT is(pg_temp.short(linkedin_ingest.verify_payload('{"full_name": "Flo Sample", "public_id": "flo-sample"}')),
	'insufficient false [headline missing, experience missing] [title not_executive]', 'of a name alone');
SELECT is(pg_temp.short(linkedin_ingest.verify_payload('{"public_id": "flo-sample", "headline": "CISO"}', 'cassidy')), 'insufficient false [full_name missing] []',
	'without a name, which ingest_profile would refuse');
SELECT is((SELECT array_agg(e ->> 'field' ORDER BY n) FROM jsonb_array_elements(linkedin_ingest.verify_payload('{"headline": "CISO"}', 'cassidy') -> 'errors') WITH ORDINALITY x (e, n)),
	'{full_name,linkedin_id,public_id,linkedin_url}', 'every fault is an error of its own');
SELECT is(linkedin_ingest.verify_payload('{"what": "is this"}') ->> 'completeness', 'insufficient', 'a shape that nobody knows');
SELECT ok(jsonb_array_length(linkedin_ingest.verify_payload('{"what": "is this"}') -> 'errors') > 0, 'has an error too');
SELECT is(linkedin_ingest.verify_payload('17') ->> 'proceed', 'false', 'nor is a number a person');
SELECT is(pg_temp.fault('SELECT linkedin_ingest.verify_payload(NULL)'), '22023 payload', 'no payload');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.verify_payload(%L, ''nowhere'')', :'full')), '22023 source', 'unknown source');
SELECT is((SELECT count(*) FROM linkedin_ingest.profiles), 5::bigint, 'nothing is stored');

SELECT * FROM finish();
ROLLBACK;
