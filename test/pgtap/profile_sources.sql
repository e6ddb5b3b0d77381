/* a new provider is rows, not code */
BEGIN;
SELECT plan(17);

INSERT INTO linkedin_ingest.sources (source, fingerprints, ignored_paths, complete_lists)
	VALUES ('acme_feed', '{kind person}', '{internal}', '{experiences}');
INSERT INTO linkedin_ingest.source_mappings (source, target_path, paths, transform, required) VALUES
	('acme_feed', '$', '{person}', 'strip_fence', false),
	('acme_feed', 'public_id', '{handle}', 'public_id', false),
	('acme_feed', 'full_name', '{names[1],names[0]}', 'text', false),
	('acme_feed', 'city', '{city}', 'bool_as_absent text', false),
	('acme_feed', 'country', '{country}', 'null_string_as_absent text', false),
	('acme_feed', 'headline', '{headline}', 'text', true),
	('acme_feed', 'skills', '{tags}', 'split(;) texts', false),
	('acme_feed', 'experiences', '{jobs}', 'flatten_positions(positions)', false),
	('acme_feed', 'experiences[].company_name', '{firm}', 'text', false),
	('acme_feed', 'experiences[].title', '{role,title}', 'text', false),
	('acme_feed', 'experiences[].start_year', '{from}', 'ymd_object(year)', false),
	('acme_feed', 'experiences[].start_month', '{from}', 'ymd_object(month)', false),
	('acme_feed', 'experiences[].end_year', '{until}', 'null_string_as_absent partial_iso(year)', false),
	('acme_feed', 'experiences[].end_month', '{until}', 'null_string_as_absent partial_iso(month)', false),
	('acme_feed', 'experiences[].description', '{notes}', 'lines', false),
	('acme_feed', 'educations', '{schools}', 'json_in_string', false),
	('acme_feed', 'educations[].school', '{$}', 'text', false),
	('acme_feed', 'certifications', '{badges}', 'json_in_string', false),
	('acme_feed', 'certifications[].name', '{name}', 'text', false),
	('acme_feed', 'certifications[].issued_year', '{when}', 'date_caption(start_year)', false),
	('acme_feed', 'certifications[].issued_month', '{when}', 'date_caption(start_month)', false);

CREATE TEMP TABLE feed AS SELECT jsonb_build_object('kind', 'p', 'person', '{
	"handle": "Sam-Field", "names": ["Sam Field"], "city": true, "country": "null", "headline": "Builder",
	"tags": "Go; SQL;", "internal": {"a": 1}, "surprise": 1,
	"jobs": [{"firm": "Acorn", "from": {"year": 2015, "month": 0}, "positions": [
			{"role": "Lead", "from": {"year": 2018, "month": 4}, "until": "null", "notes": ["built", "ran"]},
			{"title": "Engineer", "until": "2018-03-31"}]},
		{"firm": "Birch", "title": "Intern", "from": {"year": 2013}, "until": "2014", "perk": "bicycle"}],
	"schools": ["Northmoor"], "badges": [{"name": "Badge", "when": "Mai 2017 - heute"}]}'::jsonb) AS payload;
CREATE TEMP TABLE fed AS SELECT r.* FROM feed, linkedin_ingest.read_payload(payload, NULL) AS r;

SELECT is(source_read, 'acme_feed', 'the new source is recognised') FROM fed;
SELECT is(jsonb_strip_nulls(canonical) - '{experiences,educations,certifications}'::text[],
	'{"full_name": "Sam Field", "public_id": "sam-field", "linkedin_url": "https://www.linkedin.com/in/sam-field",
	"headline": "Builder", "skills": ["Go", "SQL"], "languages": [], "job_title": "Lead", "company_name": "Acorn"}',
	'its person is read') FROM fed;
SELECT is(jsonb_strip_nulls(canonical -> 'experiences'),
	'[{"title": "Lead", "company_name": "Acorn", "start_year": 2018, "start_month": 4, "is_current": true, "description": "built\nran", "skills": []},
	{"title": "Engineer", "company_name": "Acorn", "start_year": 2015, "end_year": 2018, "end_month": 3, "is_current": false, "skills": []},
	{"title": "Intern", "company_name": "Birch", "start_year": 2013, "end_year": 2014, "is_current": false, "skills": []}]',
	'nested positions are roles of their own') FROM fed;
SELECT is(jsonb_strip_nulls(canonical -> 'educations'), '[{"school": "Northmoor"}]', 'entries may be plain texts') FROM fed;
SELECT is(jsonb_strip_nulls(canonical -> 'certifications'), '[{"name": "Badge", "issued_year": 2017, "issued_month": 5}]',
	'dates are read from a caption') FROM fed;
SELECT is(unmapped, '{jobs[*].perk,surprise}', 'what is neither mapped nor ignored is noted') FROM fed;
SELECT is(linkedin_ingest.canonical_profile(jsonb_set(payload, '{person}', to_jsonb(E'```\n' || (payload ->> 'person') || E'\n```'))),
	canonical, 'a fenced record is the same record') FROM feed, fed;
SELECT throws_ok($$SELECT linkedin_ingest.canonical_profile(payload #- '{person,headline}') FROM feed$$,
	'22023', 'payload lacks what a profile needs', 'what the source requires must be there');

CREATE FUNCTION pg_temp.mapping_fault(target text, path text, transform text) RETURNS text
	LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	INSERT INTO linkedin_ingest.source_mappings (source, target_path, paths, transform) VALUES ('acme_feed', $1, ARRAY[$2], $3);
	RETURN NULL;
EXCEPTION WHEN invalid_parameter_value THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN detail;
END
$$;
SELECT is(pg_temp.mapping_fault(m.target, m.path, m.transform), m.fault, 'mapping refused: ' || m.fault)
	FROM (VALUES
		('shoe_size', 'a', 'text', 'there is no target "shoe_size".'),
		('educations[].title', 'a', 'text', 'there is no target "educations[].title".'),
		('about', 'a..b', 'text', 'path "a..b" has an empty key.'),
		('about', 'a[x]', 'text', '[x] is neither [*], [number] nor [key=text].'),
		('about', 'a', 'shout', 'there is no transform "shout".'),
		('about', 'a', 'partial_iso(week)', 'transform "partial_iso" does not take this argument.'),
		('about', 'a', 'texts text', 'transform "text" must not follow one that gathers.')) AS m (target, path, transform, fault);
SELECT is(linkedin_ingest.mapping_fault('about', '{a.b[0].c[type=main]}', 'null_string_as_absent text'), NULL, 'a good mapping has no fault');
SELECT is_empty($$SELECT source, target_path, linkedin_ingest.mapping_fault(target_path, paths, transform)
	FROM linkedin_ingest.source_mappings WHERE linkedin_ingest.mapping_fault(target_path, paths, transform) IS NOT NULL$$,
	'all mappings can be used');

SELECT * FROM finish();
ROLLBACK;
