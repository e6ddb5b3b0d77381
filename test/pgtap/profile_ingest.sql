/* payloads into stored people; run from the top directory */
\set cassidy_marisol `cat test/fixtures/profiles/cassidy/marisol-okonkwo-reyes.json`
\set resume_marisol `cat test/fixtures/profiles/json_resume/marisol-okonkwo-reyes.json`
\set cassidy_kenjiro `cat test/fixtures/profiles/cassidy/kenjiro-matsunaga.json`
\set cassidy_xiomara `cat test/fixtures/profiles/cassidy/xiomara-teller.json`
BEGIN;
SELECT plan(69);

CREATE FUNCTION pg_temp.fault(statement text) RETURNS jsonb
	LANGUAGE plpgsql AS $$
DECLARE
	code text; message text; detail text; hint text; col text;
BEGIN
	EXECUTE statement;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
		detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, col = COLUMN_NAME;
	RETURN jsonb_build_object('code', code, 'message', message, 'detail', detail, 'hint', hint, 'column', col);
END
$$;
CREATE FUNCTION pg_temp.profile(id uuid) RETURNS linkedin_ingest.profiles
	LANGUAGE sql AS $$ SELECT p.* FROM linkedin_ingest.profiles AS p WHERE p.id = $1 $$;
/* everything stored for a person with the versions of its rows */
CREATE FUNCTION pg_temp.versions(id uuid) RETURNS text[]
	LANGUAGE sql AS $$
	SELECT array_agg(v ORDER BY v) FROM (
		SELECT format('p %s %s', p.xmin, p.ctid) FROM linkedin_ingest.profiles AS p WHERE p.id = $1
		UNION ALL SELECT format('e %s %s', e.xmin, e.ctid) FROM linkedin_ingest.experiences AS e WHERE e.profile_id = $1
		UNION ALL SELECT format('s %s %s', s.xmin, s.ctid) FROM linkedin_ingest.educations AS s WHERE s.profile_id = $1
		UNION ALL SELECT format('a %s %s', a.xmin, a.ctid) FROM linkedin_ingest.profile_aliases AS a WHERE a.profile_id = $1
		UNION ALL SELECT format('y %s %s', y.xmin, y.ctid) FROM linkedin_ingest.payloads AS y WHERE y.profile_id = $1) AS t (v)
$$;
/* ingests and tells what came of it */
CREATE FUNCTION pg_temp.outcome(payload jsonb, source text DEFAULT NULL) RETURNS text
	LANGUAGE sql AS $$ SELECT outcome FROM linkedin_ingest.store_profile(payload, source, NULL) $$;

/* a new person */
SELECT linkedin_ingest.ingest_profile(:'cassidy_marisol') AS marisol \gset
SELECT is(uuid_send(:'marisol'::uuid) IS NOT NULL AND substr(:'marisol', 15, 1) = '7', true, 'ingest_profile returns a uuid of version 7');
SELECT is(jsonb_strip_nulls(to_jsonb(p)) - '{id,about,skills,languages,created_at,updated_at,fetched_at,content_hash}'::text[],
	'{"linkedin_id": "900100101", "public_id": "marisol-okonkwo-reyes", "linkedin_url": "https://www.linkedin.com/in/marisol-okonkwo-reyes",
	"urn": "ACoAAB90010010Fict", "first_name": "Marisol", "last_name": "Okonkwo-Reyes", "full_name": "Marisol Okonkwo-Reyes",
	"headline": "CTO at Ferrovia Cloudworks | Platform engineering, developer experience, honest postmortems",
	"job_title": "Chief Technology Officer", "company_name": "Ferrovia Cloudworks", "city": "Lisbon", "country": "Portugal",
	"location": "Lisbon, Portugal", "email": "marisol.okonkwo-reyes@example.com", "phone": "+1 555 010 0142",
	"profile_image_url": "https://media.example.org/photos/marisol.jpg", "follower_count": 18450, "connection_count": 500,
	"certifications": [], "is_premium": true, "is_creator": true, "is_influencer": false, "is_verified": true, "source": "cassidy"}',
	'every column is filled') FROM pg_temp.profile(:'marisol') AS p;
SELECT is(fetched_at, now(), 'without a time in the payload it was fetched now') FROM pg_temp.profile(:'marisol');
SELECT is(linkedin_ingest.stored_canonical(p), linkedin_ingest.canonical_profile(:'cassidy_marisol') - 'fetched_at',
	'what is stored is the canonical form') FROM pg_temp.profile(:'marisol') AS p;
SELECT is(content_hash, sha256(convert_to((linkedin_ingest.canonical_profile(:'cassidy_marisol') - 'fetched_at')::text, 'UTF8')),
	'content_hash is that of the canonical form') FROM pg_temp.profile(:'marisol');
SELECT results_eq(format('SELECT ordinal, title, start_year, start_month, end_year, is_current FROM linkedin_ingest.experiences WHERE profile_id = %L ORDER BY ordinal', :'marisol'),
	$$VALUES (1, 'Chief Technology Officer', 2020, 3, NULL, true), (2, 'Vice President of Engineering', 2017, 1, 2020, false),
		(3, 'Principal Engineer', 2011, 6, 2016, false), (4, 'Software Engineer', 2006, 9, 2011, false)$$, 'experiences');
SELECT results_eq(format('SELECT ordinal, school, degree, start_year, end_year FROM linkedin_ingest.educations WHERE profile_id = %L ORDER BY ordinal', :'marisol'),
	$$VALUES (1, 'Politécnica de Valdemora', 'MSc', 2004, 2006), (2, 'Politécnica de Valdemora', 'BSc', 2000, 2004)$$, 'educations');
SELECT is(payload, :'cassidy_marisol'::jsonb, 'the payload is kept word for word') FROM linkedin_ingest.payloads WHERE profile_id = :'marisol';

/* the same again */
SELECT pg_temp.versions(:'marisol') AS before \gset
SELECT is(linkedin_ingest.ingest_profile(:'cassidy_marisol'), :'marisol', 'the same person has the same id');
SELECT is(pg_temp.outcome(:'cassidy_marisol'), 'unchanged', 'the same content changes nothing');
SELECT is(pg_temp.versions(:'marisol'), :'before', 'no row has a new version, no payload is added');

/* a poorer source */
SELECT is(pg_temp.outcome(:'resume_marisol'), 'unchanged', 'a poorer, older source changes nothing');
SELECT is(linkedin_ingest.stored_canonical(p), linkedin_ingest.canonical_profile(:'cassidy_marisol') - 'fetched_at', 'nothing is lost')
	FROM pg_temp.profile(:'marisol') AS p;
SELECT is((SELECT array_agg(source ORDER BY source) FROM linkedin_ingest.payloads WHERE profile_id = :'marisol'),
	'{cassidy,json_resume}', 'but its payload is kept');
SELECT is(pg_temp.outcome('{"profile_id": "900100101", "full_name": "Marisol Okonkwo-Reyes", "headline": "Speaker", "about": null, "city": "", "experiences": [], "skills": null}'),
	'updated', 'a sparse payload with one new fact');
SELECT is(linkedin_ingest.stored_canonical(p), (linkedin_ingest.canonical_profile(:'cassidy_marisol') - 'fetched_at') || '{"headline": "Speaker"}',
	'changes that fact and erases nothing') FROM pg_temp.profile(:'marisol') AS p;
SELECT is(pg_temp.outcome(:'cassidy_marisol'), 'updated', 'the next full payload sets it back');

/* a source that selects adds, a source that is complete replaces */
SELECT linkedin_ingest.ingest_profile('{"full_name": "Rowan Tester", "public_id": "rowan-tester", "profile_id": 501, "experiences": [
	{"title": "CTO", "company": "Acorn", "company_id": "acorn-1", "start_year": 2020, "start_month": 2, "date_range": "Feb 2020 - Present", "is_current": true, "skills": ["Go"]},
	{"title": "Engineer", "company": "Birch", "start_year": 2012, "end_year": 2020, "end_month": 1, "job_type": "Full-time"}],
	"educations": [{"school": "Northmoor", "degree": "BSc", "end_year": 2012}], "languages": ["English"], "skills": ["Go"]}') AS rowan \gset
SELECT is(pg_temp.outcome('{"basics": {"name": "Rowan Tester", "profiles": [{"network": "linkedin", "username": "Rowan-Tester"}]},
	"work": [{"name": "acorn", "position": "cto", "startDate": "2020", "summary": "Runs engineering"},
		{"name": "Cedar", "position": "Adviser", "startDate": "2015-06", "endDate": "2016"}],
	"education": [{"institution": "Northmoor", "studyType": "BSc", "area": "Physics"}], "languages": [{"language": "english", "fluency": "Native"}, {"language": "Welsh"}],
	"skills": [{"name": "SQL"}]}'), 'updated', 'a résumé tells more');
SELECT results_eq(format('SELECT ordinal, title, company_name, company_linkedin_id, start_year, start_month, end_year, description, skills, is_current
		FROM linkedin_ingest.experiences WHERE profile_id = %L ORDER BY ordinal', :'rowan'),
	$$VALUES (1, 'cto', 'acorn', 'acorn-1', 2020, 2, NULL::int, 'Runs engineering', '{Go}'::text[], true),
		(2, 'Adviser', 'Cedar', NULL, 2015, 6, 2016, NULL, '{}', false),
		(3, 'Engineer', 'Birch', NULL, 2012, NULL, 2020, NULL, '{}', false)$$,
	'roles it knows are completed, others are added by date, none is lost');
SELECT is((linkedin_ingest.stored_canonical(p) -> 'languages'), '[{"name": "english", "proficiency": "Native"}, {"name": "Welsh", "proficiency": null}]', 'languages are merged by name')
	FROM pg_temp.profile(:'rowan') AS p;
SELECT is(skills, '{Go,SQL}', 'skills are added') FROM pg_temp.profile(:'rowan');
SELECT is(pg_temp.outcome('{"full_name": "Rowan Tester", "profile_id": 501, "experiences": [{"title": "CTO", "company": "Acorn", "start_year": 2020, "end_year": 2025, "end_month": 6}]}'),
	'updated', 'a complete list');
SELECT results_eq(format('SELECT title, company_linkedin_id, start_month, end_year, end_month, date_range, description, is_current FROM linkedin_ingest.experiences WHERE profile_id = %L', :'rowan'),
	$$VALUES ('CTO', 'acorn-1', 2, 2025, 6, NULL::text, 'Runs engineering', false)$$,
	'replaces the list, keeps what a role already told, and drops the caption of the old dates');
SELECT is((SELECT count(*) FROM linkedin_ingest.educations WHERE profile_id = :'rowan'), 1::bigint, 'a list it does not have stays');

/* an older payload fills gaps only */
SELECT is(pg_temp.outcome('{"full_name": "Rowan T.", "public_id": "rowan-old", "profile_id": 501, "scraped_at": "2019-01-01", "city": "Gent", "experiences": [{"title": "Engineer", "company": "Birch"}]}'),
	'updated', 'an older payload');
SELECT is(ARRAY[full_name, public_id, city, job_title, source], '{Rowan Tester,rowan-tester,Gent,cto,cassidy}', 'fills what was empty, and only that')
	FROM pg_temp.profile(:'rowan');
SELECT is((SELECT array_agg(title) FROM linkedin_ingest.experiences WHERE profile_id = :'rowan'), '{CTO}', 'a list with entries is no gap');
SELECT is(fetched_at, now(), 'the profile is as fresh as before') FROM pg_temp.profile(:'rowan');
SELECT is(linkedin_ingest.find_profile('rowan-old'), :'rowan', 'and an id that lost finds the person');
SELECT linkedin_ingest.ingest_profile('{"full_name": "Time Traveller", "public_id": "time-traveller", "scraped_at": "2077-01-01"}') AS traveller \gset
SELECT is(fetched_at, now(), 'a payload from the future was fetched now') FROM pg_temp.profile(:'traveller');
SELECT linkedin_ingest.ingest_profile('{"full_name": "Past Tense", "public_id": "past-tense", "scraped_at": "2024-05-06T07:08:09Z"}') AS past \gset
SELECT is(fetched_at, '2024-05-06T07:08:09Z', 'the time of the payload is kept') FROM pg_temp.profile(:'past');
SELECT is(pg_temp.outcome('{"full_name": "Past Tense II", "public_id": "past-tense", "scraped_at": "2024-05-06T07:08:10Z"}'), 'updated', 'a second later is newer');

/* one person, many names */
SELECT is(linkedin_ingest.ingest_profile('{"full_name": "Rowan Tester", "profile_id": 501, "public_id": "rowan-renamed"}'), :'rowan', 'matched by member id');
SELECT is(ARRAY[public_id, linkedin_url], '{rowan-renamed,https://www.linkedin.com/in/rowan-renamed}', 'a changed vanity name is taken over') FROM pg_temp.profile(:'rowan');
SELECT is(linkedin_ingest.ingest_profile('{"full_name": "Rowan Tester", "public_id": "rowan-tester"}'), :'rowan', 'matched by a former public id');
SELECT is(linkedin_ingest.ingest_profile('{"full_name": "Rowan Tester", "linkedin_url": "https://uk.linkedin.com/in/ROWAN-renamed/?x=1"}'), :'rowan', 'matched by URL');
SELECT results_eq(format('SELECT kind, value FROM linkedin_ingest.profile_aliases WHERE profile_id = %L ORDER BY kind, value COLLATE "C"', :'rowan'),
	$$VALUES ('linkedin_id', '501'), ('linkedin_url', 'https://www.linkedin.com/in/rowan-old'), ('linkedin_url', 'https://www.linkedin.com/in/rowan-renamed'),
		('linkedin_url', 'https://www.linkedin.com/in/rowan-tester'), ('public_id', 'rowan-old'), ('public_id', 'rowan-renamed'), ('public_id', 'rowan-tester')$$,
	'every id and URL ever seen is an alias');
SELECT is(linkedin_ingest.find_profile(f.reference), :'rowan'::uuid, 'found by ' || f.label)
	FROM (VALUES (:'rowan', 'uuid'), (upper(:'rowan'), 'uuid in upper case'), ('501', 'member id'), (' Rowan-Renamed ', 'public id'),
		('rowan-tester', 'former public id'), ('linkedin.com/in/rowan-tester/', 'former URL'),
		('https://www.linkedin.com/in/rowan%2Drenamed?x', 'URL')) AS f (reference, label);
SELECT is(linkedin_ingest.find_profile(f.reference), NULL, 'not found: ' || f.reference)
	FROM (VALUES ('nobody-here'), ('00000000-0000-7000-8000-00000000dead'), ('https://www.linkedin.com/company/501'), ('')) AS f (reference);
SELECT linkedin_ingest.ingest_profile('{"full_name": "Robin Other", "public_id": "robin-other", "profile_id": 502}') AS robin \gset
SELECT is(pg_temp.fault($$SELECT linkedin_ingest.ingest_profile('{"full_name": "Rowan Robin", "profile_id": 502, "public_id": "rowan-old"}')$$),
	jsonb_build_object('code', '23505', 'column', 'payload', 'message', 'payload matches more than one profile',
		'detail', format('Its ids and URL belong to %s and %s.', :'rowan', :'robin'),
		'hint', format('If they are one person: SELECT linkedin_ingest.merge_profiles(%L, %L).', :'rowan', :'robin')),
	'a payload that matches two people names both');

/* roles */
SELECT linkedin_ingest.ingest_profile(:'cassidy_kenjiro', 'cassidy', 'cio') AS kenjiro \gset
SELECT is(suggested_role, 'CIO', 'the suggested role in any case') FROM pg_temp.profile(:'kenjiro');
SELECT linkedin_ingest.ingest_profile(:'cassidy_kenjiro', 'cassidy');
SELECT is(suggested_role, 'CIO', 'none suggested leaves it') FROM pg_temp.profile(:'kenjiro');
SELECT linkedin_ingest.ingest_profile(:'cassidy_kenjiro', 'cassidy', ' Cto ');
SELECT is(suggested_role, 'CTO', 'another one changes it') FROM pg_temp.profile(:'kenjiro');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.ingest_profile(%L, NULL, %L)', :'cassidy_xiomara', 'Chief Vibes Officer')) - 'hint',
	'{"code": "22023", "column": "suggested_role", "detail": "", "message": "unknown role \"Chief Vibes Officer\""}', 'an unknown role');
SELECT is(linkedin_ingest.find_profile('xiomara-teller'), NULL, 'and nothing is stored');
INSERT INTO linkedin_ingest.roles (role, title) VALUES ('CDO', 'Chief Data Officer');
SELECT lives_ok(format('SELECT linkedin_ingest.ingest_profile(%L, NULL, %L)', :'cassidy_xiomara', 'cdo'), 'a role added is usable at once');

/* errors of the payload come through */
SELECT is(pg_temp.fault($$SELECT linkedin_ingest.ingest_profile('{"headline": "x"}', 'cassidy')$$) - 'detail' - 'hint',
	'{"code": "22023", "column": "payload", "message": "payload lacks what a profile needs"}', 'a payload that lacks essentials');
SELECT is(pg_temp.fault($$SELECT linkedin_ingest.ingest_profile('{}', 'nobody')$$) -> 'column', '"source"', 'an unknown source');
SELECT is(pg_temp.fault($$SELECT linkedin_ingest.ingest_profile(NULL)$$) - 'detail' - 'hint' - 'message', '{"code": "22023", "column": "payload"}', 'no payload');

/* employers */
INSERT INTO linkedin_ingest.companies (linkedin_company_id, company_name) VALUES ('acorn-1', 'Acorn Works');
INSERT INTO linkedin_ingest.companies (company_name, linkedin_url) VALUES ('Birch Ltd', 'https://www.linkedin.com/company/birch');
SELECT linkedin_ingest.ingest_profile('{"full_name": "Em Ployee", "public_id": "em-ployee", "job_title": "CIO", "company": "ACORN", "experiences": [
	{"title": "CIO", "company": "Acorn", "company_id": "acorn-1", "company_linkedin_url": "https://www.linkedin.com/company/birch", "start_year": 2020},
	{"title": "Deputy CIO", "company": "Acorn", "company_id": "acorn-1", "start_year": 2018, "end_year": 2020},
	{"title": "Clerk", "company": "Birch", "company_linkedin_url": "linkedin.com/company/Birch/", "start_year": 2015, "end_year": 2018},
	{"title": "Intern", "company": "Cedar", "company_id": "cedar-9", "start_year": 2014, "end_year": 2015}]}') AS employee \gset
SELECT results_eq(format('SELECT ordinal, company_name, company_id IS NOT NULL FROM linkedin_ingest.profile_companies WHERE profile_id = %L ORDER BY ordinal', :'employee'),
	$$VALUES (1, 'Acorn Works', true), (2, 'Acorn Works', true), (3, 'Birch Ltd', true), (4, 'Cedar', false)$$, 'roles are linked to known companies by id, then by URL');
SELECT is(company_id, (SELECT id FROM linkedin_ingest.companies WHERE linkedin_company_id = 'acorn-1'), 'and so is the present employer')
	FROM pg_temp.profile(:'employee');

/* many at once */
CREATE TEMP TABLE batch AS SELECT * FROM linkedin_ingest.ingest_profiles(jsonb_build_array(
	'{"full_name": "Batch One", "public_id": "batch-one"}'::jsonb, '{"full_name": "Batch Two"}'::jsonb,
	'{"full_name": "Batch One", "public_id": "batch-one"}'::jsonb, '{"full_name": "Batch One", "public_id": "batch-one", "city": "Gent"}'::jsonb,
	'{"full_name": "Rowan Robin", "profile_id": 502, "public_id": "rowan-old"}'::jsonb, 'null'::jsonb));
SELECT results_eq('SELECT ordinal, outcome, error_code, profile_id IS NULL, error IS NULL FROM batch ORDER BY ordinal',
	$$VALUES (1, 'created', NULL, false, true), (2, 'failed', '22023', true, false), (3, 'unchanged', NULL, false, true),
		(4, 'updated', NULL, false, true), (5, 'failed', '23505', true, false), (6, 'failed', '22023', true, false)$$,
	'each item has its outcome, and a bad one costs only itself');
SELECT is((SELECT count(DISTINCT profile_id) FROM batch), 1::bigint, 'one person, one id');
SELECT alike((SELECT error FROM batch WHERE ordinal = 2), '%public_id: missing%', 'the error says what is missing');
SELECT is(city, 'Gent', 'good items are stored') FROM linkedin_ingest.profiles WHERE public_id = 'batch-one';
SELECT is_empty($$SELECT * FROM linkedin_ingest.ingest_profiles('[]')$$, 'an empty list is no fault');
SELECT is(pg_temp.fault($$SELECT * FROM linkedin_ingest.ingest_profiles('{"a": 1}')$$) - 'detail' - 'hint',
	'{"code": "22023", "column": "payloads", "message": "payloads must be a list"}', 'an object is no list');
SELECT is((SELECT count(*) FROM linkedin_ingest.ingest_profiles('[{"full_name": "x"}, {"basics": {"name": "B C", "url": "linkedin.com/in/b-c"}}]', 'json_resume')
	WHERE outcome = 'created'), 1::bigint, 'the source named counts for all');

/* deletion */
DELETE FROM linkedin_ingest.profiles WHERE id = :'rowan';
SELECT is((SELECT count(*) FROM linkedin_ingest.payloads WHERE profile_id = :'rowan') + (SELECT count(*) FROM linkedin_ingest.profile_aliases WHERE profile_id = :'rowan')
	+ (SELECT count(*) FROM linkedin_ingest.educations WHERE profile_id = :'rowan'), 0::bigint, 'a deleted person leaves nothing behind');
SELECT is(pg_temp.outcome('{"full_name": "Rowan Tester", "profile_id": 501, "public_id": "rowan-renamed"}'), 'created', 'and can come again');

SELECT * FROM finish();
ROLLBACK;
