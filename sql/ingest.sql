/* ingest.sql: from a provider's payload to a stored person */

CREATE FUNCTION linkedin_ingest.normalize_linkedin_url(url text) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_normalize_linkedin_url';
COMMENT ON FUNCTION linkedin_ingest.normalize_linkedin_url(text) IS
	'the one form of the address of a person''s, company''s or school''s LinkedIn page; null for every other address';

CREATE FUNCTION linkedin_ingest.linkedin_url_kind(url text) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_linkedin_url_kind';
COMMENT ON FUNCTION linkedin_ingest.linkedin_url_kind(text) IS
	'what an address leads to: person, company, school, legacy (an old form that no longer names a person) or other';

/*
 * Reads the adapters' rows as their owner, so that whoever may ingest needs no
 * right on them.
 */
CREATE FUNCTION linkedin_ingest.read_payload(
		payload jsonb, source text,
		OUT source_read text, OUT canonical jsonb, OUT unmapped text[])
	LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_read_payload';
COMMENT ON FUNCTION linkedin_ingest.read_payload(jsonb, text) IS
	'a person''s payload read: the source it was read as, the canonical form, and the paths no mapping used';

CREATE FUNCTION linkedin_ingest.canonical_profile(payload jsonb, source text DEFAULT NULL) RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
	RETURN (linkedin_ingest.read_payload(payload, source)).canonical;
COMMENT ON FUNCTION linkedin_ingest.canonical_profile(jsonb, text) IS
	'the canonical form of a person''s payload (docs/profiles.md); without a source it is recognised from the shape';

CREATE FUNCTION linkedin_ingest.merge_canonical(
		stored jsonb, incoming jsonb, complete_lists text[], older boolean) RETURNS jsonb
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_merge_canonical';
COMMENT ON FUNCTION linkedin_ingest.merge_canonical(jsonb, jsonb, text[], boolean) IS
	'two canonical forms of one person as one: nulls and empty lists never win, only complete lists replace, an older form fills gaps only';

CREATE FUNCTION linkedin_ingest.stored_canonical(profile linkedin_ingest.profiles) RETURNS jsonb
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	RETURN to_jsonb(profile)
		- '{id,company_id,suggested_role,source,content_hash,fetched_at,created_at,updated_at}'::text[]
		|| jsonb_build_object(
			'experiences', coalesce(
				(SELECT jsonb_agg(to_jsonb(e) - '{profile_id,ordinal,company_id}'::text[] ORDER BY e.ordinal)
				 FROM linkedin_ingest.experiences AS e WHERE e.profile_id = (profile).id), '[]'),
			'educations', coalesce(
				(SELECT jsonb_agg(to_jsonb(e) - '{profile_id,ordinal}'::text[] ORDER BY e.ordinal)
				 FROM linkedin_ingest.educations AS e WHERE e.profile_id = (profile).id), '[]'));
COMMENT ON FUNCTION linkedin_ingest.stored_canonical(linkedin_ingest.profiles) IS
	'the canonical form of a stored person, without fetched_at';

CREATE FUNCTION linkedin_ingest.known_company(linkedin_company_id text, linkedin_url text) RETURNS uuid
	LANGUAGE sql STABLE PARALLEL SAFE
	RETURN (
		SELECT c.id FROM linkedin_ingest.companies AS c
		WHERE c.linkedin_company_id = $1 OR c.linkedin_url = $2
		ORDER BY (c.linkedin_company_id = $1) DESC NULLS LAST, c.id
		LIMIT 1);
COMMENT ON FUNCTION linkedin_ingest.known_company(text, text) IS
	'the stored company with this LinkedIn id, else with this LinkedIn page; null when there is none';

/* The unique key of profile_aliases makes concurrent ingestions of one person meet. */
CREATE FUNCTION linkedin_ingest.add_aliases(
		profile_id uuid, linkedin_id text, public_id text, linkedin_url text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	other uuid;
BEGIN
	INSERT INTO linkedin_ingest.profile_aliases (profile_id, kind, value)
		SELECT $1, k.kind, k.value
		FROM (VALUES (1, 'linkedin_id', $2), (2, 'public_id', $3), (3, 'linkedin_url', $4))
			AS k (n, kind, value)
		WHERE k.value IS NOT NULL
		ORDER BY k.n
		ON CONFLICT DO NOTHING;
	SELECT a.profile_id INTO other
		FROM linkedin_ingest.profile_aliases AS a
		WHERE (a.kind, a.value) IN (('linkedin_id', $2), ('public_id', $3), ('linkedin_url', $4))
			AND a.profile_id <> $1
		LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'another profile has the same id or URL'
			USING ERRCODE = 'unique_violation',
				DETAIL = format('Profiles %s and %s would share it.', $1, other),
				SCHEMA = 'linkedin_ingest',
				TABLE = 'profile_aliases';
	END IF;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.add_aliases(uuid, text, text, text) IS
	'notes ids and URLs by which a person has been seen; an error when one is another person''s';

CREATE FUNCTION linkedin_ingest.keep_aliases() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	IF NOT linkedin_ingest.is_restoring() THEN
		PERFORM linkedin_ingest.add_aliases(NEW.id, NEW.linkedin_id, NEW.public_id, NEW.linkedin_url);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.keep_aliases() IS
	'trigger: every id and URL of a profile is among its aliases';
CREATE TRIGGER keep_aliases
	AFTER INSERT OR UPDATE OF linkedin_id, public_id, linkedin_url ON linkedin_ingest.profiles
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.keep_aliases();

CREATE FUNCTION linkedin_ingest.write_experiences(profile_id uuid, experiences jsonb) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	BEGIN ATOMIC
		DELETE FROM linkedin_ingest.experiences AS e WHERE e.profile_id = $1;
		INSERT INTO linkedin_ingest.experiences (
				profile_id, ordinal, title, company_name, company_id, company_linkedin_id,
				company_linkedin_url, company_logo_url, location, start_year, start_month, end_year,
				end_month, date_range, duration, description, is_current, job_type, skills)
			SELECT $1, l.n, r.title, r.company_name,
				linkedin_ingest.known_company(r.company_linkedin_id, r.company_linkedin_url),
				r.company_linkedin_id, r.company_linkedin_url, r.company_logo_url, r.location,
				r.start_year, r.start_month, r.end_year, r.end_month, r.date_range, r.duration,
				r.description, r.is_current, r.job_type, r.skills
			FROM jsonb_array_elements($2) WITH ORDINALITY AS l (entry, n),
				jsonb_populate_record(NULL::linkedin_ingest.experiences, l.entry) AS r;
	END;
COMMENT ON FUNCTION linkedin_ingest.write_experiences(uuid, jsonb) IS
	'stores the experiences of a canonical form in place of what is stored, linked to known companies';

CREATE FUNCTION linkedin_ingest.write_educations(profile_id uuid, educations jsonb) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	BEGIN ATOMIC
		DELETE FROM linkedin_ingest.educations AS e WHERE e.profile_id = $1;
		INSERT INTO linkedin_ingest.educations (
				profile_id, ordinal, school, degree, field_of_study, start_year, end_year,
				date_range, activities, school_linkedin_url, school_id)
			SELECT $1, l.n, r.school, r.degree, r.field_of_study, r.start_year, r.end_year,
				r.date_range, r.activities, r.school_linkedin_url, r.school_id
			FROM jsonb_array_elements($2) WITH ORDINALITY AS l (entry, n),
				jsonb_populate_record(NULL::linkedin_ingest.educations, l.entry) AS r;
	END;
COMMENT ON FUNCTION linkedin_ingest.write_educations(uuid, jsonb) IS
	'stores the educations of a canonical form in place of what is stored';

/* The row that a canonical form makes; id, role and times are the caller's. */
CREATE FUNCTION linkedin_ingest.profile_row(canonical jsonb) RETURNS linkedin_ingest.profiles
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	RETURN jsonb_populate_record(NULL::linkedin_ingest.profiles,
		canonical - 'fetched_at' || jsonb_build_object(
			'company_id', (
				SELECT linkedin_ingest.known_company(e.company_linkedin_id, e.company_linkedin_url)
				FROM jsonb_array_elements(canonical -> 'experiences') WITH ORDINALITY AS l (entry, n),
					jsonb_populate_record(NULL::linkedin_ingest.experiences, l.entry) AS e
				WHERE e.is_current AND lower(e.company_name) = lower(canonical ->> 'company_name')
				ORDER BY l.n LIMIT 1),
			'content_hash', sha256(convert_to((canonical - 'fetched_at')::text, 'UTF8'))));
COMMENT ON FUNCTION linkedin_ingest.profile_row(jsonb) IS
	'a canonical form as a row of profiles: its columns, the content hash, and the present employer when it is a known company';

/*
 * Two sessions may ingest the same new person at once.  Both find nobody, one
 * inserts, the other waits on the unique keys of profiles and profile_aliases,
 * fails, and looks again: it then finds the person and merges.  The row lock
 * makes merges of one person follow one another.
 */
CREATE FUNCTION linkedin_ingest.store_profile(
		payload jsonb, source text, suggested_role text,
		OUT profile_id uuid, OUT outcome text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	new_role text;
	read record;
	given jsonb;
	fetched timestamptz;
	complete text[];
	persons uuid[];
	stored linkedin_ingest.profiles;
	fresh linkedin_ingest.profiles;
	known jsonb;
	merged jsonb;
	older boolean;
BEGIN
	IF store_profile.suggested_role IS NOT NULL THEN
		SELECT r.role INTO new_role FROM linkedin_ingest.roles AS r
			WHERE r.role = upper(btrim(store_profile.suggested_role));
		IF NOT FOUND THEN
			RAISE EXCEPTION 'unknown role "%"', store_profile.suggested_role
				USING ERRCODE = 'invalid_parameter_value',
					COLUMN = 'suggested_role',
					HINT = 'The roles are the rows of linkedin_ingest.roles.';
		END IF;
	END IF;

	SELECT * INTO read FROM linkedin_ingest.read_payload(store_profile.payload, store_profile.source);
	given := read.canonical - 'fetched_at';
	/* a payload cannot have been fetched in the future */
	fetched := least((read.canonical ->> 'fetched_at')::timestamptz, now());
	SELECT s.complete_lists INTO complete FROM linkedin_ingest.sources AS s WHERE s.source = read.source_read;

	FOR attempt IN 1 .. 5 LOOP
		SELECT array_agg(DISTINCT a.profile_id) INTO persons
			FROM linkedin_ingest.profile_aliases AS a
			WHERE (a.kind, a.value) IN (
				('linkedin_id', given ->> 'linkedin_id'),
				('public_id', given ->> 'public_id'),
				('linkedin_url', given ->> 'linkedin_url'));
		IF cardinality(persons) > 1 THEN
			RAISE EXCEPTION 'payload matches more than one profile'
				USING ERRCODE = 'unique_violation',
					DETAIL = format('Its ids and URL belong to %s.', array_to_string(persons, ' and ')),
					HINT = format('If they are one person: SELECT linkedin_ingest.merge_profiles(%L, %L).',
						persons[1], persons[2]),
					COLUMN = 'payload';
		END IF;

		BEGIN
			IF persons IS NULL THEN
				merged := given;
				fresh := linkedin_ingest.profile_row(merged);
				fresh.id := linkedin_ingest.uuid_v7();
				fresh.suggested_role := new_role;
				fresh.source := read.source_read;
				fresh.fetched_at := coalesce(fetched, now());
				fresh.created_at := now();
				fresh.updated_at := now();
				INSERT INTO linkedin_ingest.profiles VALUES (fresh.*);
				known := '{}';
				outcome := 'created';
			ELSE
				SELECT p.* INTO stored FROM linkedin_ingest.profiles AS p
					WHERE p.id = persons[1] FOR NO KEY UPDATE;
				CONTINUE WHEN NOT FOUND;
				known := linkedin_ingest.stored_canonical(stored);
				older := coalesce(fetched < stored.fetched_at, false);
				merged := linkedin_ingest.merge_canonical(known, given, complete, older);
				fresh := stored;
				fresh.suggested_role := coalesce(new_role, stored.suggested_role);
				outcome := 'unchanged';
				IF merged IS DISTINCT FROM known THEN
					fresh := linkedin_ingest.profile_row(merged);
					fresh.suggested_role := coalesce(new_role, stored.suggested_role);
					fresh.source := CASE WHEN older THEN stored.source ELSE read.source_read END;
					fresh.fetched_at := CASE WHEN older THEN stored.fetched_at ELSE coalesce(fetched, now()) END;
				END IF;
				IF merged IS DISTINCT FROM known
					OR fresh.suggested_role IS DISTINCT FROM stored.suggested_role
				THEN
					UPDATE linkedin_ingest.profiles AS p
						SET (linkedin_id, public_id, linkedin_url, urn, first_name, last_name, full_name,
								headline, about, job_title, company_name, company_id, city, state, country,
								location, email, phone, profile_image_url, follower_count, connection_count,
								languages, skills, certifications, is_premium, is_creator, is_influencer,
								is_verified, suggested_role, source, content_hash, fetched_at)
							= (fresh.linkedin_id, fresh.public_id, fresh.linkedin_url, fresh.urn,
								fresh.first_name, fresh.last_name, fresh.full_name, fresh.headline,
								fresh.about, fresh.job_title, fresh.company_name, fresh.company_id,
								fresh.city, fresh.state, fresh.country, fresh.location, fresh.email,
								fresh.phone, fresh.profile_image_url, fresh.follower_count,
								fresh.connection_count, fresh.languages, fresh.skills,
								fresh.certifications, fresh.is_premium, fresh.is_creator,
								fresh.is_influencer, fresh.is_verified, fresh.suggested_role,
								fresh.source, fresh.content_hash, fresh.fetched_at)
						WHERE p.id = stored.id;
					outcome := 'updated';
				END IF;
				fresh.id := stored.id;
			END IF;

			profile_id := fresh.id;
			/* ids that lost to newer ones still find the person */
			PERFORM linkedin_ingest.add_aliases(profile_id, given ->> 'linkedin_id',
				given ->> 'public_id', given ->> 'linkedin_url');
			IF merged -> 'experiences' IS DISTINCT FROM known -> 'experiences' THEN
				PERFORM linkedin_ingest.write_experiences(profile_id, merged -> 'experiences');
			END IF;
			IF merged -> 'educations' IS DISTINCT FROM known -> 'educations' THEN
				PERFORM linkedin_ingest.write_educations(profile_id, merged -> 'educations');
			END IF;
			INSERT INTO linkedin_ingest.payloads (profile_id, source, payload, payload_hash, unmapped)
				VALUES (store_profile.profile_id, read.source_read, store_profile.payload,
					sha256(convert_to(store_profile.payload::text, 'UTF8')), read.unmapped)
				ON CONFLICT (payload_hash) DO NOTHING;
			RETURN;
		EXCEPTION WHEN unique_violation THEN
			/* another session was first: look again */
			CONTINUE;
		END;
	END LOOP;
	RAISE EXCEPTION 'could not store the profile because of concurrent ingestions'
		USING ERRCODE = 'serialization_failure',
			HINT = 'Try again in a new transaction.';
END
$$;
COMMENT ON FUNCTION linkedin_ingest.store_profile(jsonb, text, text) IS
	'stores a person''s payload and says what came of it: created, updated or unchanged';

CREATE FUNCTION linkedin_ingest.ingest_profile(
		payload jsonb, source text DEFAULT NULL, suggested_role text DEFAULT NULL) RETURNS uuid
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	RETURN (SELECT s.profile_id
		FROM linkedin_ingest.store_profile(payload, source, suggested_role) AS s);
END
$$;
COMMENT ON FUNCTION linkedin_ingest.ingest_profile(jsonb, text, text) IS
	'stores a person''s payload in the canonical form and returns the person''s id, the same for ever';

CREATE FUNCTION linkedin_ingest.ingest_profiles(payloads jsonb, source text DEFAULT NULL)
	RETURNS TABLE (ordinal int, profile_id uuid, outcome text, error_code text, error text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	item jsonb;
	detail text;
BEGIN
	IF jsonb_typeof(payloads) IS DISTINCT FROM 'array' THEN
		RAISE EXCEPTION 'payloads must be a list'
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('payloads: type: it must be a JSON array, not %s.',
					coalesce(jsonb_typeof(payloads), 'null')),
				COLUMN = 'payloads';
	END IF;
	ordinal := 0;
	FOR item IN SELECT l.value FROM jsonb_array_elements(payloads) AS l LOOP
		ordinal := ordinal + 1;
		profile_id := NULL;
		outcome := NULL;
		error_code := NULL;
		error := NULL;
		BEGIN
			SELECT s.profile_id, s.outcome INTO profile_id, outcome
				FROM linkedin_ingest.store_profile(item, ingest_profiles.source, NULL) AS s;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS
				error_code = RETURNED_SQLSTATE,
				error = MESSAGE_TEXT,
				detail = PG_EXCEPTION_DETAIL;
			outcome := 'failed';
			IF detail <> '' THEN
				error := error || ' (' || replace(detail, E'\n', '; ') || ')';
			END IF;
		END;
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.ingest_profiles(jsonb, text) IS
	'stores a list of persons'' payloads, each on its own: a bad one costs one row of the answer';

CREATE FUNCTION linkedin_ingest.find_profile(reference text) RETURNS uuid
	LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	wanted text := btrim(reference, E' \t\r\n');
	url text := linkedin_ingest.normalize_linkedin_url(wanted);
	sought text := CASE WHEN wanted !~ '[/?#]' THEN
		split_part(linkedin_ingest.normalize_linkedin_url('linkedin.com/in/' || wanted), '/in/', 2) END;
	found_id uuid;
BEGIN
	IF wanted ~* '^\{?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}\}?$' THEN
		SELECT p.id INTO found_id FROM linkedin_ingest.profiles AS p WHERE p.id = wanted::uuid;
		IF FOUND THEN
			RETURN found_id;
		END IF;
	END IF;
	SELECT a.profile_id INTO found_id
		FROM linkedin_ingest.profile_aliases AS a
			JOIN linkedin_ingest.profiles AS p ON p.id = a.profile_id
			CROSS JOIN LATERAL (SELECT
				CASE a.kind
					WHEN 'linkedin_url' THEN p.linkedin_url
					WHEN 'public_id' THEN p.public_id
					ELSE p.linkedin_id
				END IS NOT DISTINCT FROM a.value AS present) AS c
		WHERE (a.kind, a.value) IN (
			('linkedin_url', url), ('public_id', sought), ('linkedin_id', wanted))
		ORDER BY c.present DESC, a.kind = 'linkedin_url' DESC, a.kind = 'public_id' DESC
		LIMIT 1;
	RETURN found_id;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.find_profile(text) IS
	'the person with this id, LinkedIn URL, public id or member id, present or former; null when there is none';
