/* sources.sql: adapters, as rows */

CREATE TABLE linkedin_ingest.sources (
	source text PRIMARY KEY CHECK (source ~ '^[a-z][a-z0-9_]*$'),
	description text,
	fingerprints text[] NOT NULL DEFAULT '{}',
	ignored_paths text[] NOT NULL DEFAULT '{}',
	complete_lists text[] NOT NULL DEFAULT '{}'
		CHECK (complete_lists <@ '{experiences,educations,languages,certifications,skills}'),
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER set_timestamps BEFORE INSERT OR UPDATE ON linkedin_ingest.sources
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.set_timestamps();
COMMENT ON TABLE linkedin_ingest.sources IS 'providers of profiles whose JSON can be read';
COMMENT ON COLUMN linkedin_ingest.sources.source IS 'name of the source';
COMMENT ON COLUMN linkedin_ingest.sources.description IS 'what it is';
COMMENT ON COLUMN linkedin_ingest.sources.fingerprints IS
	'how its payloads are recognised: each a list of paths, parted by spaces, that must all be there; one is enough, and the longest wins';
COMMENT ON COLUMN linkedin_ingest.sources.ignored_paths IS
	'paths of the record that are known and not read; they are not reported as unmapped';
COMMENT ON COLUMN linkedin_ingest.sources.complete_lists IS
	'lists that the source carries in full, so that they replace what is stored; all others only add to it';
COMMENT ON COLUMN linkedin_ingest.sources.created_at IS 'when the row was made';
COMMENT ON COLUMN linkedin_ingest.sources.updated_at IS 'when the row was last changed';

CREATE TABLE linkedin_ingest.source_mappings (
	source text NOT NULL REFERENCES linkedin_ingest.sources ON UPDATE CASCADE ON DELETE CASCADE,
	target_path text NOT NULL,
	paths text[] NOT NULL CHECK (cardinality(paths) > 0 AND array_position(paths, NULL) IS NULL),
	transform text NOT NULL DEFAULT 'text',
	required boolean NOT NULL DEFAULT false,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (source, target_path)
);
CREATE TRIGGER set_timestamps BEFORE INSERT OR UPDATE ON linkedin_ingest.source_mappings
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.set_timestamps();
COMMENT ON TABLE linkedin_ingest.source_mappings IS 'where in a source''s JSON each place of the canonical form is found';
COMMENT ON COLUMN linkedin_ingest.source_mappings.source IS 'the source';
COMMENT ON COLUMN linkedin_ingest.source_mappings.target_path IS
	'place of the canonical form, as in full_name or experiences[].title; $ is the record within the envelope, $status and $error what the envelope says of itself';
COMMENT ON COLUMN linkedin_ingest.source_mappings.paths IS
	'where to look, the first that can be read wins: keys parted by dots, with [*], [0] or [key=text]; $ is the value itself; relative to the record, or to the entry of a list';
COMMENT ON COLUMN linkedin_ingest.source_mappings.transform IS
	'how it is read: transforms parted by spaces, applied from left to right';
COMMENT ON COLUMN linkedin_ingest.source_mappings.required IS 'whether a payload without it is refused';
COMMENT ON COLUMN linkedin_ingest.source_mappings.created_at IS 'when the row was made';
COMMENT ON COLUMN linkedin_ingest.source_mappings.updated_at IS 'when the row was last changed';

CREATE FUNCTION linkedin_ingest.mapping_fault(target_path text, paths text[], transform text) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_mapping_fault';
COMMENT ON FUNCTION linkedin_ingest.mapping_fault(text, text[], text) IS
	'what is wrong with a row of source_mappings; null when it can be used';

CREATE FUNCTION linkedin_ingest.check_source_mapping() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	fault text;
BEGIN
	IF linkedin_ingest.is_restoring() THEN
		RETURN NEW;
	END IF;
	fault := linkedin_ingest.mapping_fault(NEW.target_path, NEW.paths, NEW.transform);
	IF fault IS NOT NULL THEN
		RAISE EXCEPTION 'mapping "%" of source "%" cannot be used', NEW.target_path, NEW.source
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = fault || '.',
				HINT = 'Targets, paths and transforms are described in docs/profiles.md.';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.check_source_mapping() IS
	'trigger: refuses a mapping that could not be read later';
CREATE TRIGGER check_source_mapping BEFORE INSERT OR UPDATE ON linkedin_ingest.source_mappings
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.check_source_mapping();

INSERT INTO linkedin_ingest.sources (source, description, fingerprints, ignored_paths, complete_lists) VALUES
('cassidy',
 'Cassidy workflow, with or without its envelope, and the record it carries',
 '{full_name linkedin_url,full_name public_id,full_name profile_id,workflowRun,full_name,linkedin_url,first_name,public_id,profile_id,name url,name id}',
 '{company_description,company_domain,company_employee_count,company_employee_range,company_industry,company_linkedin_url,company_logo_url,company_website,company_year_founded,current_company_join_month,current_company_join_year,current_job_duration,hq_city,hq_country,hq_region,school,educations[*].school_logo_url,educations[*].start_month,educations[*].end_month}',
 '{experiences,educations,languages,skills}'),
('json_resume',
 'JSON Resume 1.x; a selection made by its author, so its lists only add',
 '{basics work,basics}',
 '{$schema,meta,basics.location.address,basics.location.postalCode,basics.profiles,work[*].description,education[*].score,education[*].url,skills[*].level,volunteer,awards,publications,interests,references,projects}',
 '{}');

INSERT INTO linkedin_ingest.source_mappings (source, target_path, paths, transform, required) VALUES
('cassidy', '$', '{workflowRun.actionResults[*].output.value,workflowRun.actionResults[*].output,output.value,output,data,$}', 'json_in_string', false),
('cassidy', '$status', '{workflowRun.status,status}', 'text', false),
('cassidy', '$error', '{workflowRun.error.message,workflowRun.error,workflowRun.actionResults[*].error.message,workflowRun.actionResults[*].error,error.message,error}', 'null_string_as_absent text', false),
('cassidy', 'linkedin_id', '{profile_id,linkedin_id,id}', 'text', false),
('cassidy', 'public_id', '{public_id}', 'public_id', false),
('cassidy', 'linkedin_url', '{linkedin_url,url}', 'url', false),
('cassidy', 'urn', '{urn}', 'text', false),
('cassidy', 'first_name', '{first_name}', 'text', false),
('cassidy', 'last_name', '{last_name}', 'text', false),
('cassidy', 'full_name', '{full_name,name}', 'text', false),
('cassidy', 'headline', '{headline,position}', 'text', false),
('cassidy', 'about', '{about}', 'text', false),
('cassidy', 'job_title', '{job_title}', 'text', false),
('cassidy', 'company_name', '{company,company_name}', 'text', false),
('cassidy', 'city', '{city}', 'text', false),
('cassidy', 'state', '{state}', 'text', false),
('cassidy', 'country', '{country,country_code}', 'text', false),
('cassidy', 'location', '{location}', 'text', false),
('cassidy', 'email', '{email}', 'text', false),
('cassidy', 'phone', '{phone}', 'text', false),
('cassidy', 'profile_image_url', '{profile_image_url}', 'text', false),
('cassidy', 'follower_count', '{follower_count,followers}', 'int_any', false),
('cassidy', 'connection_count', '{connection_count,connections}', 'int_any', false),
('cassidy', 'is_premium', '{is_premium}', 'bool_any', false),
('cassidy', 'is_creator', '{is_creator}', 'bool_any', false),
('cassidy', 'is_influencer', '{is_influencer}', 'bool_any', false),
('cassidy', 'is_verified', '{is_verified}', 'bool_any', false),
('cassidy', 'fetched_at', '{fetched_at,scraped_at}', 'timestamp', false),
('cassidy', 'skills', '{skills,skills[*].name}', 'split(|) texts', false),
('cassidy', 'experiences', '{experiences}', 'json_in_string', false),
('cassidy', 'experiences[].title', '{title}', 'text', false),
('cassidy', 'experiences[].company_name', '{company,company_name}', 'text', false),
('cassidy', 'experiences[].company_linkedin_id', '{company_id}', 'text', false),
('cassidy', 'experiences[].company_linkedin_url', '{company_linkedin_url}', 'url(organization)', false),
('cassidy', 'experiences[].company_logo_url', '{company_logo_url}', 'text', false),
('cassidy', 'experiences[].location', '{location}', 'text', false),
('cassidy', 'experiences[].start_year', '{start_year}', 'year_any', false),
('cassidy', 'experiences[].start_month', '{start_month}', 'month_any', false),
('cassidy', 'experiences[].end_year', '{end_year}', 'year_any', false),
('cassidy', 'experiences[].end_month', '{end_month}', 'month_any', false),
('cassidy', 'experiences[].date_range', '{date_range}', 'text', false),
('cassidy', 'experiences[].duration', '{duration}', 'text', false),
('cassidy', 'experiences[].description', '{description}', 'text', false),
('cassidy', 'experiences[].is_current', '{is_current,current_job}', 'bool_any', false),
('cassidy', 'experiences[].job_type', '{job_type}', 'text', false),
('cassidy', 'experiences[].skills', '{skills,skills[*].name}', 'split(|) texts', false),
('cassidy', 'educations', '{educations}', 'json_in_string', false),
('cassidy', 'educations[].school', '{school}', 'text', false),
('cassidy', 'educations[].degree', '{degree}', 'text', false),
('cassidy', 'educations[].field_of_study', '{field_of_study}', 'text', false),
('cassidy', 'educations[].start_year', '{start_year}', 'year_any', false),
('cassidy', 'educations[].end_year', '{end_year}', 'year_any', false),
('cassidy', 'educations[].date_range', '{date_range}', 'text', false),
('cassidy', 'educations[].activities', '{activities}', 'text', false),
('cassidy', 'educations[].school_linkedin_url', '{school_linkedin_url}', 'url(organization)', false),
('cassidy', 'educations[].school_id', '{school_id}', 'text', false),
('cassidy', 'languages', '{languages}', 'json_in_string', false),
('cassidy', 'languages[].name', '{name,language,$}', 'text', false),
('cassidy', 'languages[].proficiency', '{proficiency}', 'text', false),
('cassidy', 'certifications', '{certifications}', 'json_in_string', false),
('cassidy', 'certifications[].name', '{name,title,$}', 'text', false),
('cassidy', 'certifications[].authority', '{authority,issuer}', 'text', false),
('cassidy', 'certifications[].license_number', '{license_number}', 'text', false),
('cassidy', 'certifications[].url', '{url}', 'text', false),
('cassidy', 'certifications[].issued_year', '{issued_year,start_year}', 'year_any', false),
('cassidy', 'certifications[].issued_month', '{issued_month,start_month}', 'month_any', false),
('cassidy', 'certifications[].expires_year', '{expires_year,end_year}', 'year_any', false),
('cassidy', 'certifications[].expires_month', '{expires_month,end_month}', 'month_any', false),
('json_resume', 'public_id', '{basics.profiles[network=LinkedIn].username}', 'public_id', false),
('json_resume', 'linkedin_url', '{basics.profiles[network=LinkedIn].url,basics.profiles[*].url,basics.url}', 'url', false),
('json_resume', 'full_name', '{basics.name}', 'text', false),
('json_resume', 'headline', '{basics.label}', 'text', false),
('json_resume', 'about', '{basics.summary}', 'text', false),
('json_resume', 'city', '{basics.location.city}', 'text', false),
('json_resume', 'state', '{basics.location.region}', 'text', false),
('json_resume', 'country', '{basics.location.country,basics.location.countryCode}', 'text', false),
('json_resume', 'email', '{basics.email}', 'text', false),
('json_resume', 'phone', '{basics.phone}', 'text', false),
('json_resume', 'profile_image_url', '{basics.image,basics.picture}', 'text', false),
('json_resume', 'fetched_at', '{meta.lastModified}', 'timestamp', false),
('json_resume', 'skills', '{skills[*].name,skills[*].keywords}', 'texts', false),
('json_resume', 'experiences', '{work}', 'json_in_string', false),
('json_resume', 'experiences[].title', '{position}', 'text', false),
('json_resume', 'experiences[].company_name', '{name,company}', 'text', false),
('json_resume', 'experiences[].company_linkedin_url', '{url}', 'url(organization)', false),
('json_resume', 'experiences[].location', '{location}', 'text', false),
('json_resume', 'experiences[].start_year', '{startDate}', 'partial_iso(year)', false),
('json_resume', 'experiences[].start_month', '{startDate}', 'partial_iso(month)', false),
('json_resume', 'experiences[].end_year', '{endDate}', 'partial_iso(year)', false),
('json_resume', 'experiences[].end_month', '{endDate}', 'partial_iso(month)', false),
('json_resume', 'experiences[].description', '{summary,highlights}', 'lines', false),
('json_resume', 'educations', '{education}', 'json_in_string', false),
('json_resume', 'educations[].school', '{institution}', 'text', false),
('json_resume', 'educations[].degree', '{studyType}', 'text', false),
('json_resume', 'educations[].field_of_study', '{area}', 'text', false),
('json_resume', 'educations[].start_year', '{startDate}', 'partial_iso(year)', false),
('json_resume', 'educations[].end_year', '{endDate}', 'partial_iso(year)', false),
('json_resume', 'educations[].activities', '{courses}', 'lines', false),
('json_resume', 'languages', '{languages}', 'json_in_string', false),
('json_resume', 'languages[].name', '{language}', 'text', false),
('json_resume', 'languages[].proficiency', '{fluency}', 'text', false),
('json_resume', 'certifications', '{certificates}', 'json_in_string', false),
('json_resume', 'certifications[].name', '{name}', 'text', false),
('json_resume', 'certifications[].authority', '{issuer}', 'text', false),
('json_resume', 'certifications[].url', '{url}', 'text', false),
('json_resume', 'certifications[].issued_year', '{date}', 'partial_iso(year)', false),
('json_resume', 'certifications[].issued_month', '{date}', 'partial_iso(month)', false);
