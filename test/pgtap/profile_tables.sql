/* tables of people and companies: constraints, generated values, views */
BEGIN;
SELECT plan(34);

INSERT INTO linkedin_ingest.companies (linkedin_company_id, company_name) VALUES ('c1', 'Acorn Works');
SELECT throws_ok($$INSERT INTO linkedin_ingest.companies (linkedin_company_id, company_name) VALUES ('c1', 'Other')$$,
	'23505', NULL, 'two companies cannot have one LinkedIn id');
SELECT throws_ok($$INSERT INTO linkedin_ingest.companies (company_name) VALUES (' ')$$,
	'23514', NULL, 'a company needs a name');
SELECT throws_ok($$INSERT INTO linkedin_ingest.companies (company_name, year_founded) VALUES ('X', 1599)$$,
	'23514', NULL, 'companies are not older than 1600');
SELECT throws_ok($$INSERT INTO linkedin_ingest.companies (company_name, year_founded)
	VALUES ('X', extract(year FROM now())::int + 2)$$, '23514', NULL, 'nor founded after next year');
SELECT lives_ok($$INSERT INTO linkedin_ingest.companies (company_name, year_founded)
	VALUES ('X', extract(year FROM now())::int + 1)$$, 'next year is possible');
SELECT throws_ok($$INSERT INTO linkedin_ingest.companies (company_name, employee_count) VALUES ('X', -1)$$,
	'23514', NULL, 'employees cannot be fewer than none');
SELECT throws_ok($$INSERT INTO linkedin_ingest.companies (company_name, follower_count) VALUES ('X', -1)$$,
	'23514', NULL, 'nor followers');
SELECT throws_ok($$INSERT INTO linkedin_ingest.companies (company_name, email) VALUES ('X', 'nobody at example')$$,
	'23514', NULL, 'an e-mail address must look like one');

CREATE FUNCTION pg_temp.company(employees int, age int, round text) RETURNS linkedin_ingest.companies
	LANGUAGE sql AS $$
	INSERT INTO linkedin_ingest.companies (company_name, employee_count, year_founded, funding)
		VALUES ('Sample', $1, extract(year FROM CURRENT_DATE)::int - $2,
			CASE WHEN $3 IS NOT NULL THEN jsonb_build_object('last_funding_round_type', $3) END)
		RETURNING companies.*;
$$;
SELECT is((pg_temp.company(s.employees, NULL, NULL)).size_category, s.category,
		format('%s employees: %s', coalesce(s.employees::text, 'null'), s.category))
	FROM (VALUES (NULL, 'unknown'), (9, 'startup'), (10, 'small'), (49, 'small'), (50, 'medium'),
		(200, 'large'), (1000, 'enterprise')) AS s (employees, category);
SELECT is(linkedin_ingest.company_age(pg_temp.company(NULL, 12, NULL)), 12, 'age of a company');
SELECT is(linkedin_ingest.is_startup(pg_temp.company(s.employees, s.age, s.round)), s.answer,
		format('start-up: %s employees, %s years, round %s',
			coalesce(s.employees::text, 'null'), coalesce(s.age::text, 'null'), coalesce(s.round, 'null')))
	FROM (VALUES
		(200, 1, 'Seed', false),
		(10, 11, 'Seed', false),
		(150, 5, 'Series B', true),
		(150, 5, 'Series C', false),
		(49, 7, NULL, true),
		(49, 8, NULL, false),
		(30, NULL, NULL, true),
		(NULL, NULL, NULL, NULL)) AS s (employees, age, round, answer);

SELECT is(linkedin_ingest.headquarters(c) ->> 'city', 'Gent', 'the flagged location is the head office')
	FROM jsonb_populate_record(NULL::linkedin_ingest.companies,
		'{"hq_city": "Oslo", "locations": [{"city": "Bari"}, {"city": "Gent", "is_headquarter": true}]}') AS c;
SELECT is(linkedin_ingest.headquarters(c) ->> 'city', 'Oslo', 'else the hq_ columns are')
	FROM jsonb_populate_record(NULL::linkedin_ingest.companies, '{"hq_city": "Oslo", "locations": [{"city": "Bari"}]}') AS c;
SELECT is(linkedin_ingest.headquarters(c), NULL, 'else there is none')
	FROM jsonb_populate_record(NULL::linkedin_ingest.companies, '{"company_name": "X", "locations": []}') AS c;

SELECT throws_ok($$INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('')$$,
	'23514', NULL, 'a profile needs a name');
INSERT INTO linkedin_ingest.profiles (id, full_name, linkedin_id, public_id, linkedin_url)
	VALUES ('00000000-0000-7000-8000-000000000001', 'Direct Row', 'd1', 'direct-row', 'https://www.linkedin.com/in/direct-row');
SELECT results_eq(
	$$SELECT kind, value FROM linkedin_ingest.profile_aliases
		WHERE profile_id = '00000000-0000-7000-8000-000000000001' ORDER BY kind$$,
	$$VALUES ('linkedin_id', 'd1'), ('linkedin_url', 'https://www.linkedin.com/in/direct-row'), ('public_id', 'direct-row')$$,
	'a row inserted by hand is found by its ids too');
SELECT throws_ok($$INSERT INTO linkedin_ingest.profiles (full_name, public_id) VALUES ('Second Row', 'direct-row')$$,
	'23505', NULL, 'an id of another person is refused');

INSERT INTO linkedin_ingest.experiences (profile_id, ordinal, title, company_name, company_id)
	SELECT '00000000-0000-7000-8000-000000000001', n, 'Role ' || n, 'acorn works ltd', c.id
	FROM linkedin_ingest.companies AS c, generate_series(1, 2) AS n WHERE c.linkedin_company_id = 'c1';
SELECT results_eq(
	$$SELECT ordinal, title, company_name, size_category FROM linkedin_ingest.profile_companies
		WHERE profile_id = '00000000-0000-7000-8000-000000000001' ORDER BY ordinal$$,
	$$VALUES (1, 'Role 1', 'Acorn Works', 'unknown'), (2, 'Role 2', 'Acorn Works', 'unknown')$$,
	'two roles at one employer are two rows');
DELETE FROM linkedin_ingest.companies WHERE linkedin_company_id = 'c1';
SELECT is((SELECT count(*) FROM linkedin_ingest.experiences
	WHERE profile_id = '00000000-0000-7000-8000-000000000001' AND company_id IS NULL), 2::bigint,
	'a role outlives the row of its employer');
DELETE FROM linkedin_ingest.profiles WHERE id = '00000000-0000-7000-8000-000000000001';
SELECT is((SELECT count(*) FROM linkedin_ingest.experiences) + (SELECT count(*) FROM linkedin_ingest.profile_aliases
	WHERE value LIKE '%direct-row'), 0::bigint, 'what belongs to a profile goes with it');

SELECT is_empty($$
	SELECT c.relname, a.attname
	FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	WHERE c.relnamespace = 'linkedin_ingest'::regnamespace
		AND c.relname IN ('companies', 'profiles', 'profile_aliases', 'experiences', 'educations', 'payloads',
			'profile_companies', 'sources', 'source_mappings')
		AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)$$,
	'every table and column has a comment');

SELECT * FROM finish();
ROLLBACK;
