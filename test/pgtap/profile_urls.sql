/* LinkedIn addresses: one person, one URL */
BEGIN;
SELECT plan(61);

CREATE FUNCTION pg_temp.reads_as(url text, kind text, normalized text) RETURNS SETOF text
	LANGUAGE sql AS $$
	SELECT is(linkedin_ingest.linkedin_url_kind(url), kind, 'kind of ' || url)
	UNION ALL
	SELECT is(linkedin_ingest.normalize_linkedin_url(url), normalized, 'form of ' || url);
$$;

SELECT pg_temp.reads_as(u.url, u.kind, u.normalized) FROM (VALUES
	('https://www.linkedin.com/in/Jane-Doe/', 'person', 'https://www.linkedin.com/in/jane-doe'),
	('linkedin.com/in/jane', 'person', 'https://www.linkedin.com/in/jane'),
	('HTTP://UK.LinkedIn.com/IN/jane?trk=nav#about', 'person', 'https://www.linkedin.com/in/jane'),
	('m.linkedin.com//in//jane//details/experience/', 'person', 'https://www.linkedin.com/in/jane'),
	('https://www.linkedin.com:443/in/jane', 'person', 'https://www.linkedin.com/in/jane'),
	('https://de.linkedin.com/in/J%C3%96rg-M%C3%BCller', 'person', 'https://www.linkedin.com/in/jörg-müller'),
	(E'\uFEFF https://www.linkedin.com/in/x%E2%80%8By\u200B ', 'person', 'https://www.linkedin.com/in/xy'),
	('https://www.linkedin.com/in/松永', 'person', 'https://www.linkedin.com/in/松永'),
	('https://www.linkedin.com/company/1234/life', 'company', 'https://www.linkedin.com/company/1234'),
	('www.linkedin.com/company/Ferrovia-Cloudworks', 'company', 'https://www.linkedin.com/company/ferrovia-cloudworks'),
	('https://www.linkedin.com/school/northmoor/people', 'school', 'https://www.linkedin.com/school/northmoor'),
	('https://www.linkedin.com/pub/jane-doe/1/2/3', 'legacy', NULL),
	('https://www.linkedin.com/profile/view?id=42', 'legacy', NULL),
	('https://www.linkedin.com/in/', 'other', NULL),
	('https://www.linkedin.com/jobs/view/1', 'other', NULL),
	('https://linkedin.com.evil.example/in/x', 'other', NULL),
	('https://evil.example/linkedin.com/in/x', 'other', NULL),
	('https://linkedin.com@evil.example/in/x', 'other', NULL),
	('https://user:pw@www.linkedin.com/in/x', 'other', NULL),
	('https://notlinkedin.com/in/x', 'other', NULL),
	('https://linkedin.com:8080/in/x', 'other', NULL),
	('https://linkedin.com\@evil.example/in/x', 'other', NULL),
	('ftp://www.linkedin.com/in/x', 'other', NULL),
	('https://www.linkedin.com/in/%FF', 'other', NULL),
	('https://www.linkedin.com/in/a%2Fb', 'other', NULL),
	('https://www.linkedin.com/in/a%00b', 'other', NULL),
	('https://www.linkedin.com/in/' || repeat('x', 500), 'other', NULL),
	('', 'other', NULL)) AS u (url, kind, normalized);

SELECT is(linkedin_ingest.normalize_linkedin_url('https://www.linkedin.com/in/Jose%CC%81'),
	linkedin_ingest.normalize_linkedin_url('https://www.linkedin.com/in/jos%C3%A9'),
	'composed and decomposed letters are the same name');
SELECT is(linkedin_ingest.normalize_linkedin_url(linkedin_ingest.normalize_linkedin_url('uk.linkedin.com/in/J%C3%96RG')),
	'https://www.linkedin.com/in/jörg', 'the normal form is its own normal form');
SELECT is(linkedin_ingest.normalize_linkedin_url(NULL), NULL, 'null in, null out');
SELECT is(linkedin_ingest.linkedin_url_kind(NULL), NULL, 'null has no kind');
SELECT volatility_is('linkedin_ingest', 'normalize_linkedin_url', ARRAY['text'], 'immutable');

SELECT * FROM finish();
ROLLBACK;
