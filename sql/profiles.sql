/* profiles.sql: people and companies */

CREATE TABLE linkedin_ingest.companies (
	id uuid PRIMARY KEY DEFAULT linkedin_ingest.uuid_v7(),
	linkedin_company_id text UNIQUE,
	company_name text NOT NULL CHECK (btrim(company_name) <> ''),
	linkedin_url text,
	tagline text,
	description text,
	website text,
	domain text,
	logo_url text,
	/* the bound moves with time and only upwards, so a dump always restores */
	year_founded int CHECK (year_founded BETWEEN 1600 AND extract(year FROM CURRENT_DATE) + 1),
	industries text[] NOT NULL DEFAULT '{}',
	specialties text[] NOT NULL DEFAULT '{}',
	employee_count int CHECK (employee_count >= 0),
	employee_range text,
	follower_count int CHECK (follower_count >= 0),
	hq_address_line1 text,
	hq_address_line2 text,
	hq_city text,
	hq_region text,
	hq_country text,
	hq_postalcode text,
	hq_full_address text,
	email text CHECK (email ~ '^[^@[:space:]]+@[^@[:space:]]+\.[^@[:space:]]+$'),
	phone text,
	funding jsonb,
	locations jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(locations) = 'array'),
	affiliated_companies jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(affiliated_companies) = 'array'),
	size_category text NOT NULL GENERATED ALWAYS AS (
		CASE
			WHEN employee_count IS NULL THEN 'unknown'
			WHEN employee_count < 10 THEN 'startup'
			WHEN employee_count < 50 THEN 'small'
			WHEN employee_count < 200 THEN 'medium'
			WHEN employee_count < 1000 THEN 'large'
			ELSE 'enterprise'
		END) STORED,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX companies_linkedin_url_idx ON linkedin_ingest.companies (linkedin_url);
CREATE INDEX companies_domain_idx ON linkedin_ingest.companies (domain);
CREATE TRIGGER set_timestamps BEFORE INSERT OR UPDATE ON linkedin_ingest.companies
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.set_timestamps();
COMMENT ON TABLE linkedin_ingest.companies IS 'employers, one row each';
COMMENT ON COLUMN linkedin_ingest.companies.id IS 'row id';
COMMENT ON COLUMN linkedin_ingest.companies.linkedin_company_id IS 'LinkedIn''s id of the company; null when not known, never a placeholder';
COMMENT ON COLUMN linkedin_ingest.companies.company_name IS 'name, not blank';
COMMENT ON COLUMN linkedin_ingest.companies.linkedin_url IS 'LinkedIn page as normalize_linkedin_url() writes it';
COMMENT ON COLUMN linkedin_ingest.companies.tagline IS 'one-line slogan';
COMMENT ON COLUMN linkedin_ingest.companies.description IS 'what the company says of itself';
COMMENT ON COLUMN linkedin_ingest.companies.website IS 'web site as given';
COMMENT ON COLUMN linkedin_ingest.companies.domain IS 'host of the web site, lower case, without www.';
COMMENT ON COLUMN linkedin_ingest.companies.logo_url IS 'address of the logo';
COMMENT ON COLUMN linkedin_ingest.companies.year_founded IS 'year of foundation, 1600 to next year';
COMMENT ON COLUMN linkedin_ingest.companies.industries IS 'industries, most important first';
COMMENT ON COLUMN linkedin_ingest.companies.specialties IS 'specialties, in the order given';
COMMENT ON COLUMN linkedin_ingest.companies.employee_count IS 'number of employees';
COMMENT ON COLUMN linkedin_ingest.companies.employee_range IS 'number of employees as a range, as given';
COMMENT ON COLUMN linkedin_ingest.companies.follower_count IS 'followers of the page';
COMMENT ON COLUMN linkedin_ingest.companies.hq_address_line1 IS 'head office: first line of the address';
COMMENT ON COLUMN linkedin_ingest.companies.hq_address_line2 IS 'head office: second line of the address';
COMMENT ON COLUMN linkedin_ingest.companies.hq_city IS 'head office: city';
COMMENT ON COLUMN linkedin_ingest.companies.hq_region IS 'head office: state or region';
COMMENT ON COLUMN linkedin_ingest.companies.hq_country IS 'head office: country';
COMMENT ON COLUMN linkedin_ingest.companies.hq_postalcode IS 'head office: postal code';
COMMENT ON COLUMN linkedin_ingest.companies.hq_full_address IS 'head office: whole address as given';
COMMENT ON COLUMN linkedin_ingest.companies.email IS 'e-mail address';
COMMENT ON COLUMN linkedin_ingest.companies.phone IS 'phone number as given';
COMMENT ON COLUMN linkedin_ingest.companies.funding IS 'funding: crunchbase_url, last_funding_round_type and further last_funding_round_ keys; null when not known';
COMMENT ON COLUMN linkedin_ingest.companies.locations IS 'offices: list of {is_headquarter, full_address, line1, line2, city, region, country, zipcode}';
COMMENT ON COLUMN linkedin_ingest.companies.affiliated_companies IS 'related companies: list of {name, linkedin_url, company_id}';
COMMENT ON COLUMN linkedin_ingest.companies.size_category IS 'by employee_count: unknown, startup (< 10), small (< 50), medium (< 200), large (< 1000), enterprise';
COMMENT ON COLUMN linkedin_ingest.companies.created_at IS 'when the row was made';
COMMENT ON COLUMN linkedin_ingest.companies.updated_at IS 'when the row was last changed';

CREATE FUNCTION linkedin_ingest.company_age(company linkedin_ingest.companies) RETURNS int
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	RETURN extract(year FROM CURRENT_DATE)::int - (company).year_founded;
COMMENT ON FUNCTION linkedin_ingest.company_age(linkedin_ingest.companies) IS
	'years since the year of foundation; null when that is not known';

CREATE FUNCTION linkedin_ingest.is_startup(company linkedin_ingest.companies) RETURNS boolean
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	RETURN CASE
		WHEN (company).employee_count >= 200 THEN false
		WHEN linkedin_ingest.company_age(company) > 10 THEN false
		WHEN lower((company).funding ->> 'last_funding_round_type') ~ '^(seed|angel|series[ _-]?[ab])$' THEN true
		WHEN (company).employee_count IS NULL AND (company).year_founded IS NULL THEN NULL
		ELSE coalesce((company).employee_count < 50, true)
			AND coalesce(linkedin_ingest.company_age(company) <= 7, true)
	END;
COMMENT ON FUNCTION linkedin_ingest.is_startup(linkedin_ingest.companies) IS
	'whether the company is a start-up by its size, age and last funding round; null when neither size nor age is known';

CREATE FUNCTION linkedin_ingest.headquarters(company linkedin_ingest.companies) RETURNS jsonb
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	RETURN coalesce(
		(SELECT l.value
		 FROM jsonb_array_elements((company).locations) WITH ORDINALITY AS l(value, n)
		 WHERE l.value -> 'is_headquarter' = 'true'
		 ORDER BY l.n LIMIT 1),
		CASE WHEN num_nonnulls((company).hq_full_address, (company).hq_address_line1, (company).hq_address_line2,
			(company).hq_city, (company).hq_region, (company).hq_country, (company).hq_postalcode) > 0
		THEN jsonb_build_object(
			'is_headquarter', true,
			'full_address', (company).hq_full_address,
			'line1', (company).hq_address_line1,
			'line2', (company).hq_address_line2,
			'city', (company).hq_city,
			'region', (company).hq_region,
			'country', (company).hq_country,
			'zipcode', (company).hq_postalcode)
		END);
COMMENT ON FUNCTION linkedin_ingest.headquarters(linkedin_ingest.companies) IS
	'the location flagged as head office, else one made from the hq_ columns; null when there is neither';

CREATE TABLE linkedin_ingest.profiles (
	id uuid PRIMARY KEY DEFAULT linkedin_ingest.uuid_v7(),
	linkedin_id text UNIQUE,
	public_id text,
	linkedin_url text UNIQUE,
	urn text,
	first_name text,
	last_name text,
	full_name text NOT NULL CHECK (btrim(full_name) <> ''),
	headline text,
	about text,
	job_title text,
	company_name text,
	company_id uuid REFERENCES linkedin_ingest.companies ON DELETE SET NULL,
	city text,
	state text,
	country text,
	location text,
	email text,
	phone text,
	profile_image_url text,
	follower_count int CHECK (follower_count >= 0),
	connection_count int CHECK (connection_count >= 0),
	languages jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(languages) = 'array'),
	skills text[] NOT NULL DEFAULT '{}',
	certifications jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(certifications) = 'array'),
	is_premium boolean,
	is_creator boolean,
	is_influencer boolean,
	is_verified boolean,
	suggested_role text REFERENCES linkedin_ingest.roles ON UPDATE CASCADE ON DELETE SET NULL,
	source text,
	content_hash bytea,
	fetched_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX profiles_public_id_idx ON linkedin_ingest.profiles (public_id);
CREATE INDEX profiles_company_id_idx ON linkedin_ingest.profiles (company_id);
CREATE INDEX profiles_suggested_role_idx ON linkedin_ingest.profiles (suggested_role);
CREATE TRIGGER set_timestamps BEFORE INSERT OR UPDATE ON linkedin_ingest.profiles
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.set_timestamps();
COMMENT ON TABLE linkedin_ingest.profiles IS 'people, one row each, in the canonical form of canonical_profile()';
COMMENT ON COLUMN linkedin_ingest.profiles.id IS 'row id; survives every ingestion';
COMMENT ON COLUMN linkedin_ingest.profiles.linkedin_id IS 'member id at LinkedIn as the provider gives it';
COMMENT ON COLUMN linkedin_ingest.profiles.public_id IS 'vanity name in the LinkedIn URL: decoded, NFC, lower case';
COMMENT ON COLUMN linkedin_ingest.profiles.linkedin_url IS 'LinkedIn page as normalize_linkedin_url() writes it';
COMMENT ON COLUMN linkedin_ingest.profiles.urn IS 'LinkedIn''s resource name of the member';
COMMENT ON COLUMN linkedin_ingest.profiles.first_name IS 'first name';
COMMENT ON COLUMN linkedin_ingest.profiles.last_name IS 'last name';
COMMENT ON COLUMN linkedin_ingest.profiles.full_name IS 'whole name, not blank';
COMMENT ON COLUMN linkedin_ingest.profiles.headline IS 'headline';
COMMENT ON COLUMN linkedin_ingest.profiles.about IS 'the person''s own summary';
COMMENT ON COLUMN linkedin_ingest.profiles.job_title IS 'title of the present job';
COMMENT ON COLUMN linkedin_ingest.profiles.company_name IS 'employer of the present job';
COMMENT ON COLUMN linkedin_ingest.profiles.company_id IS 'employer of the present job, when it is a known company';
COMMENT ON COLUMN linkedin_ingest.profiles.city IS 'city';
COMMENT ON COLUMN linkedin_ingest.profiles.state IS 'state or region';
COMMENT ON COLUMN linkedin_ingest.profiles.country IS 'country, name or code as given';
COMMENT ON COLUMN linkedin_ingest.profiles.location IS 'place in words, as given or made of city, state and country';
COMMENT ON COLUMN linkedin_ingest.profiles.email IS 'e-mail address; never sent to a model';
COMMENT ON COLUMN linkedin_ingest.profiles.phone IS 'phone number; never sent to a model';
COMMENT ON COLUMN linkedin_ingest.profiles.profile_image_url IS 'address of the photo; never sent to a model';
COMMENT ON COLUMN linkedin_ingest.profiles.follower_count IS 'followers';
COMMENT ON COLUMN linkedin_ingest.profiles.connection_count IS 'connections, at most what the provider counts to';
COMMENT ON COLUMN linkedin_ingest.profiles.languages IS 'list of {name, proficiency}';
COMMENT ON COLUMN linkedin_ingest.profiles.skills IS 'skills; those of the experiences when the payload has no list of its own';
COMMENT ON COLUMN linkedin_ingest.profiles.certifications IS 'list of {name, authority, license_number, url, issued_year, issued_month, expires_year, expires_month}';
COMMENT ON COLUMN linkedin_ingest.profiles.is_premium IS 'whether the member has a paid account';
COMMENT ON COLUMN linkedin_ingest.profiles.is_creator IS 'whether the member has creator mode on';
COMMENT ON COLUMN linkedin_ingest.profiles.is_influencer IS 'whether LinkedIn calls the member an influencer';
COMMENT ON COLUMN linkedin_ingest.profiles.is_verified IS 'whether LinkedIn has verified the member';
COMMENT ON COLUMN linkedin_ingest.profiles.suggested_role IS 'role the person was proposed for at ingestion';
COMMENT ON COLUMN linkedin_ingest.profiles.source IS 'source of the payload that last changed the row';
COMMENT ON COLUMN linkedin_ingest.profiles.content_hash IS 'SHA-256 of the canonical form as stored';
COMMENT ON COLUMN linkedin_ingest.profiles.fetched_at IS 'when the provider fetched the payload that last changed the row; the time of ingestion when the payload does not say';
COMMENT ON COLUMN linkedin_ingest.profiles.created_at IS 'when the row was made';
COMMENT ON COLUMN linkedin_ingest.profiles.updated_at IS 'when the row was last changed';

CREATE TABLE linkedin_ingest.profile_aliases (
	profile_id uuid NOT NULL REFERENCES linkedin_ingest.profiles ON DELETE CASCADE,
	kind text NOT NULL CHECK (kind IN ('linkedin_id', 'public_id', 'linkedin_url')),
	value text NOT NULL,
	first_seen_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (kind, value)
);
CREATE INDEX profile_aliases_profile_id_idx ON linkedin_ingest.profile_aliases (profile_id);
COMMENT ON TABLE linkedin_ingest.profile_aliases IS
	'every member id, public id and URL ever seen for a person, the present ones included';
COMMENT ON COLUMN linkedin_ingest.profile_aliases.profile_id IS 'the person';
COMMENT ON COLUMN linkedin_ingest.profile_aliases.kind IS 'which column of profiles it was: linkedin_id, public_id or linkedin_url';
COMMENT ON COLUMN linkedin_ingest.profile_aliases.value IS 'the id or URL, normalised';
COMMENT ON COLUMN linkedin_ingest.profile_aliases.first_seen_at IS 'when it was first seen';

CREATE TABLE linkedin_ingest.experiences (
	profile_id uuid NOT NULL REFERENCES linkedin_ingest.profiles ON DELETE CASCADE,
	ordinal int NOT NULL CHECK (ordinal >= 1),
	title text,
	company_name text,
	company_id uuid REFERENCES linkedin_ingest.companies ON DELETE SET NULL,
	company_linkedin_id text,
	company_linkedin_url text,
	company_logo_url text,
	location text,
	start_year int CHECK (start_year BETWEEN 1900 AND 2100),
	start_month int CHECK (start_month BETWEEN 1 AND 12),
	end_year int CHECK (end_year BETWEEN 1900 AND 2100),
	end_month int CHECK (end_month BETWEEN 1 AND 12),
	date_range text,
	duration text,
	description text,
	is_current boolean NOT NULL DEFAULT false,
	job_type text,
	skills text[] NOT NULL DEFAULT '{}',
	PRIMARY KEY (profile_id, ordinal)
);
CREATE INDEX experiences_company_id_idx ON linkedin_ingest.experiences (company_id);
COMMENT ON TABLE linkedin_ingest.experiences IS 'roles held, in the order of the profile';
COMMENT ON COLUMN linkedin_ingest.experiences.profile_id IS 'the person';
COMMENT ON COLUMN linkedin_ingest.experiences.ordinal IS 'place in the profile, from 1';
COMMENT ON COLUMN linkedin_ingest.experiences.title IS 'job title';
COMMENT ON COLUMN linkedin_ingest.experiences.company_name IS 'employer as written in the profile';
COMMENT ON COLUMN linkedin_ingest.experiences.company_id IS 'employer, when it is a known company';
COMMENT ON COLUMN linkedin_ingest.experiences.company_linkedin_id IS 'employer''s id at LinkedIn';
COMMENT ON COLUMN linkedin_ingest.experiences.company_linkedin_url IS 'employer''s LinkedIn page as normalize_linkedin_url() writes it';
COMMENT ON COLUMN linkedin_ingest.experiences.company_logo_url IS 'address of the employer''s logo';
COMMENT ON COLUMN linkedin_ingest.experiences.location IS 'place of work as written';
COMMENT ON COLUMN linkedin_ingest.experiences.start_year IS 'first year; null when not known';
COMMENT ON COLUMN linkedin_ingest.experiences.start_month IS 'first month, 1 to 12; null when not known';
COMMENT ON COLUMN linkedin_ingest.experiences.end_year IS 'last year; null when not known, or not ended';
COMMENT ON COLUMN linkedin_ingest.experiences.end_month IS 'last month, 1 to 12; null when not known, or not ended';
COMMENT ON COLUMN linkedin_ingest.experiences.date_range IS 'the dates as written';
COMMENT ON COLUMN linkedin_ingest.experiences.duration IS 'the duration as written';
COMMENT ON COLUMN linkedin_ingest.experiences.description IS 'what the person says of the role';
COMMENT ON COLUMN linkedin_ingest.experiences.is_current IS 'whether the role is held now: as given, else when it has a start and no end';
COMMENT ON COLUMN linkedin_ingest.experiences.job_type IS 'kind of employment as written';
COMMENT ON COLUMN linkedin_ingest.experiences.skills IS 'skills named with the role';

CREATE TABLE linkedin_ingest.educations (
	profile_id uuid NOT NULL REFERENCES linkedin_ingest.profiles ON DELETE CASCADE,
	ordinal int NOT NULL CHECK (ordinal >= 1),
	school text,
	degree text,
	field_of_study text,
	start_year int CHECK (start_year BETWEEN 1900 AND 2100),
	end_year int CHECK (end_year BETWEEN 1900 AND 2100),
	date_range text,
	activities text,
	school_linkedin_url text,
	school_id text,
	PRIMARY KEY (profile_id, ordinal)
);
COMMENT ON TABLE linkedin_ingest.educations IS 'schools and degrees, in the order of the profile';
COMMENT ON COLUMN linkedin_ingest.educations.profile_id IS 'the person';
COMMENT ON COLUMN linkedin_ingest.educations.ordinal IS 'place in the profile, from 1';
COMMENT ON COLUMN linkedin_ingest.educations.school IS 'school or university';
COMMENT ON COLUMN linkedin_ingest.educations.degree IS 'degree';
COMMENT ON COLUMN linkedin_ingest.educations.field_of_study IS 'subject';
COMMENT ON COLUMN linkedin_ingest.educations.start_year IS 'first year; null when not known';
COMMENT ON COLUMN linkedin_ingest.educations.end_year IS 'last year; null when not known, or not ended';
COMMENT ON COLUMN linkedin_ingest.educations.date_range IS 'the dates as written';
COMMENT ON COLUMN linkedin_ingest.educations.activities IS 'activities and courses';
COMMENT ON COLUMN linkedin_ingest.educations.school_linkedin_url IS 'school''s LinkedIn page as normalize_linkedin_url() writes it';
COMMENT ON COLUMN linkedin_ingest.educations.school_id IS 'school''s id at LinkedIn';

CREATE TABLE linkedin_ingest.payloads (
	id uuid PRIMARY KEY DEFAULT linkedin_ingest.uuid_v7(),
	profile_id uuid REFERENCES linkedin_ingest.profiles ON DELETE CASCADE,
	company_id uuid REFERENCES linkedin_ingest.companies ON DELETE CASCADE,
	source text NOT NULL,
	payload jsonb NOT NULL,
	payload_hash bytea NOT NULL UNIQUE,
	received_at timestamptz NOT NULL DEFAULT now(),
	unmapped text[] NOT NULL DEFAULT '{}',
	CHECK (num_nonnulls(profile_id, company_id) = 1)
);
CREATE INDEX payloads_profile_id_idx ON linkedin_ingest.payloads (profile_id, received_at);
CREATE INDEX payloads_company_id_idx ON linkedin_ingest.payloads (company_id, received_at);
COMMENT ON TABLE linkedin_ingest.payloads IS 'what providers sent, word for word, once per distinct content';
COMMENT ON COLUMN linkedin_ingest.payloads.id IS 'row id';
COMMENT ON COLUMN linkedin_ingest.payloads.profile_id IS 'the person it is about; null when it is about a company';
COMMENT ON COLUMN linkedin_ingest.payloads.company_id IS 'the company it is about; null when it is about a person';
COMMENT ON COLUMN linkedin_ingest.payloads.source IS 'source it was read as';
COMMENT ON COLUMN linkedin_ingest.payloads.payload IS 'the payload with its envelope';
COMMENT ON COLUMN linkedin_ingest.payloads.payload_hash IS 'SHA-256 of the payload''s text';
COMMENT ON COLUMN linkedin_ingest.payloads.received_at IS 'when it was first ingested';
COMMENT ON COLUMN linkedin_ingest.payloads.unmapped IS 'paths that no mapping used, and notes on entries and values that were dropped';

CREATE VIEW linkedin_ingest.profile_companies AS
	SELECT
		p.id AS profile_id,
		p.full_name,
		e.ordinal,
		e.title,
		e.company_id,
		coalesce(c.company_name, e.company_name) AS company_name,
		coalesce(c.linkedin_company_id, e.company_linkedin_id) AS company_linkedin_id,
		coalesce(c.linkedin_url, e.company_linkedin_url) AS company_linkedin_url,
		e.start_year,
		e.start_month,
		e.end_year,
		e.end_month,
		e.is_current,
		e.location,
		c.industries,
		c.employee_count,
		c.size_category,
		linkedin_ingest.is_startup(c) AS is_startup,
		linkedin_ingest.company_age(c) AS company_age,
		linkedin_ingest.headquarters(c) AS headquarters
	FROM linkedin_ingest.experiences AS e
		JOIN linkedin_ingest.profiles AS p ON p.id = e.profile_id
		LEFT JOIN linkedin_ingest.companies AS c ON c.id = e.company_id;
COMMENT ON VIEW linkedin_ingest.profile_companies IS
	'one row per role held, with what is known of the employer; several roles at one employer are several rows';
COMMENT ON COLUMN linkedin_ingest.profile_companies.profile_id IS 'the person';
COMMENT ON COLUMN linkedin_ingest.profile_companies.full_name IS 'the person''s name';
COMMENT ON COLUMN linkedin_ingest.profile_companies.ordinal IS 'place of the role in the profile, from 1';
COMMENT ON COLUMN linkedin_ingest.profile_companies.title IS 'job title';
COMMENT ON COLUMN linkedin_ingest.profile_companies.company_id IS 'the employer, when it is a known company';
COMMENT ON COLUMN linkedin_ingest.profile_companies.company_name IS 'employer''s name: the company''s own, else as the profile writes it';
COMMENT ON COLUMN linkedin_ingest.profile_companies.company_linkedin_id IS 'employer''s id at LinkedIn';
COMMENT ON COLUMN linkedin_ingest.profile_companies.company_linkedin_url IS 'employer''s LinkedIn page';
COMMENT ON COLUMN linkedin_ingest.profile_companies.start_year IS 'first year';
COMMENT ON COLUMN linkedin_ingest.profile_companies.start_month IS 'first month';
COMMENT ON COLUMN linkedin_ingest.profile_companies.end_year IS 'last year';
COMMENT ON COLUMN linkedin_ingest.profile_companies.end_month IS 'last month';
COMMENT ON COLUMN linkedin_ingest.profile_companies.is_current IS 'whether the role is held now';
COMMENT ON COLUMN linkedin_ingest.profile_companies.location IS 'place of work as written';
COMMENT ON COLUMN linkedin_ingest.profile_companies.industries IS 'employer''s industries';
COMMENT ON COLUMN linkedin_ingest.profile_companies.employee_count IS 'employer''s number of employees';
COMMENT ON COLUMN linkedin_ingest.profile_companies.size_category IS 'employer''s size; null when the company is not known';
COMMENT ON COLUMN linkedin_ingest.profile_companies.is_startup IS 'whether the employer is a start-up';
COMMENT ON COLUMN linkedin_ingest.profile_companies.company_age IS 'employer''s age in years';
COMMENT ON COLUMN linkedin_ingest.profile_companies.headquarters IS 'employer''s head office';
