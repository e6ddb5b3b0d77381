/* reviews.sql: what people say of a score, and totals made anew */

/* What counts of a rubric when its weights change. */
CREATE FUNCTION linkedin_ingest.rubric_weights(rubric jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN (
		SELECT coalesce(jsonb_object_agg(r.item ->> 'key', r.item -> 'weight'), '{}')
		FROM jsonb_array_elements(CASE jsonb_typeof(rubric) WHEN 'array' THEN rubric ELSE '[]' END) AS r (item));
COMMENT ON FUNCTION linkedin_ingest.rubric_weights(jsonb) IS 'weights of a rubric by criterion key; {} for no rubric';

/*
 * The worker does the same sum when an answer arrives (src/score); both take a
 * number for what a double keeps of it, 15 digits.
 */
CREATE FUNCTION linkedin_ingest.weighted_total(rubric jsonb, criteria jsonb) RETURNS numeric
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN (
		SELECT CASE WHEN sum(s.weight) >= 0.5 THEN round(sum(s.weight * s.score) / sum(s.weight), 2) END
		FROM (
			SELECT w.value::float8::numeric AS weight,
				(criteria #>> ARRAY[w.key, 'score'])::float8::numeric AS score
			FROM jsonb_each_text(linkedin_ingest.rubric_weights(rubric)) AS w) s
		WHERE s.score IS NOT NULL);
COMMENT ON FUNCTION linkedin_ingest.weighted_total(jsonb, jsonb) IS
	'sum of weight times score over the scored criteria {"key": {"score": ...}}, divided by their weights, rounded to 2; null when they weigh less than a half';

CREATE FUNCTION linkedin_ingest.weights_version(parsed_score jsonb, template_version int) RETURNS int
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN coalesce((parsed_score #>> '{_metadata,weights_version}')::int, template_version);
COMMENT ON FUNCTION linkedin_ingest.weights_version(jsonb, int) IS
	'version of the template whose weights made a job''s total: the one that retotal() used last, else the one it was asked with';

/*
 * Kept beside the model's answer, which no review changes.  Nobody but a
 * superuser can change or delete a row; rows go with their job.  A purge of
 * old jobs keeps those that have been reviewed.
 */
CREATE TABLE linkedin_ingest.score_reviews (
	id uuid PRIMARY KEY DEFAULT linkedin_ingest.uuid_v7(),
	job_id uuid NOT NULL REFERENCES linkedin_ingest.scoring_jobs ON DELETE CASCADE,
	verdict text NOT NULL CHECK (verdict IN ('agree', 'adjust', 'reject')),
	reason text CHECK (reason ~ '\S'),
	corrected jsonb,
	reviewed_by text NOT NULL DEFAULT linkedin_ingest.outer_user(),
	reviewed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	CONSTRAINT score_reviews_reason_unless_agreed CHECK (verdict = 'agree' OR reason IS NOT NULL),
	CONSTRAINT score_reviews_corrected_if_adjusted CHECK ((verdict = 'adjust') = (corrected IS NOT NULL))
);
CREATE INDEX score_reviews_job ON linkedin_ingest.score_reviews (job_id, reviewed_at, id);
COMMENT ON TABLE linkedin_ingest.score_reviews IS 'what people said of completed jobs; of several reviews of a job the latest counts';
COMMENT ON COLUMN linkedin_ingest.score_reviews.id IS 'time-ordered';
COMMENT ON COLUMN linkedin_ingest.score_reviews.job_id IS 'the job';
COMMENT ON COLUMN linkedin_ingest.score_reviews.verdict IS 'agree: the score stands; adjust: with other scores for some criteria; reject: it does not count';
COMMENT ON COLUMN linkedin_ingest.score_reviews.reason IS 'the reviewer''s words; null only for agree';
COMMENT ON COLUMN linkedin_ingest.score_reviews.corrected IS 'adjust: criterion key to score 0..100; the others stay as the model gave them';
COMMENT ON COLUMN linkedin_ingest.score_reviews.reviewed_by IS 'the outer user';
COMMENT ON COLUMN linkedin_ingest.score_reviews.reviewed_at IS 'when';

/* Computed when read, so that it follows the weights (retotal). */
CREATE FUNCTION linkedin_ingest.adjusted_total(template_id uuid, template_version int, parsed_score jsonb,
											   corrected jsonb) RETURNS numeric
	LANGUAGE sql STABLE PARALLEL SAFE
	RETURN (
		SELECT linkedin_ingest.weighted_total(v.rubric, parsed_score -> 'criteria'
			|| (SELECT jsonb_object_agg(c.key, jsonb_build_object('score', c.value)) FROM jsonb_each(corrected) AS c))
		FROM linkedin_ingest.prompt_template_versions v
		WHERE v.template_id = adjusted_total.template_id
			AND v.version = linkedin_ingest.weights_version(parsed_score, template_version));
COMMENT ON FUNCTION linkedin_ingest.adjusted_total(uuid, int, jsonb, jsonb) IS
	'the total of a job with some scores corrected {"key": score}, by the weights of its own total';

CREATE FUNCTION linkedin_ingest.review_score(job_id uuid, verdict text, reason text, corrected jsonb DEFAULT NULL)
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
#variable_conflict use_variable
DECLARE
	faults text[] := '{}';
	job record;
BEGIN
	IF verdict IS NULL OR verdict NOT IN ('agree', 'adjust', 'reject') THEN
		faults := faults || format('verdict: invalid: verdict must be agree, adjust or reject, not "%s"',
								   coalesce(left(verdict, 100), 'null'));
	END IF;
	IF reason !~ '\S' THEN
		faults := faults || 'reason: blank: reason must not be blank'::text;
	ELSIF reason IS NULL AND verdict IN ('adjust', 'reject') THEN
		faults := faults || format('reason: missing: verdict %s needs a reason', verdict);
	END IF;
	IF corrected IS NULL THEN
		IF verdict = 'adjust' THEN
			faults := faults || 'corrected: missing: verdict adjust needs corrected scores'::text;
		END IF;
	ELSIF verdict IN ('agree', 'reject') THEN
		faults := faults || format('corrected: combination: verdict %s takes no corrected scores', verdict);
	ELSIF jsonb_typeof(corrected) <> 'object' OR corrected = '{}' THEN
		faults := faults || 'corrected: invalid: corrected must be an object of criterion keys and scores'::text;
	ELSE
		faults := faults || ARRAY(
			SELECT format('corrected: out_of_range: the score of criterion "%s" must be a number from 0 to 100',
						  left(c.key, 100))
			FROM jsonb_each(corrected) AS c
			WHERE CASE jsonb_typeof(c.value) WHEN 'number' THEN c.value::numeric NOT BETWEEN 0 AND 100 ELSE true END
			ORDER BY c.key COLLATE "C");
	END IF;
	PERFORM linkedin_ingest.raise_faults(faults);

	/* The lock puts reviews of one job in an order. */
	SELECT j.status, j.parsed_score -> 'criteria' AS criteria INTO job
	FROM linkedin_ingest.scoring_jobs j WHERE j.id = job_id FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'job % not found', coalesce(job_id::text, 'null')
			USING ERRCODE = 'P0002', COLUMN = 'job_id';
	END IF;
	IF job.status <> 'completed' THEN
		RAISE EXCEPTION 'job % is %', job_id, job.status
			USING ERRCODE = '55000', COLUMN = 'job_id', DETAIL = 'Only completed jobs can be reviewed.';
	END IF;
	PERFORM linkedin_ingest.raise_faults(ARRAY(
		SELECT format('corrected: unknown: the job has no criterion "%s"', left(k, 100))
		FROM jsonb_object_keys(corrected) AS k
		WHERE coalesce(jsonb_typeof(job.criteria -> k) <> 'object', true)
		ORDER BY k COLLATE "C"));

	INSERT INTO linkedin_ingest.score_reviews (job_id, verdict, reason, corrected)
	VALUES (job_id, verdict, reason, corrected);
END
$$;
COMMENT ON FUNCTION linkedin_ingest.review_score(uuid, text, text, jsonb) IS
	'notes what a person says of a completed job: agree, adjust (with scores for some criteria) or reject; the latest review counts';

/*
 * needs_review stays as it is: its reasons are facts of the criteria, which do
 * not change.
 */
CREATE FUNCTION linkedin_ingest.retotal(template_id uuid) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	template record;
	present jsonb;
	changed bigint;
BEGIN
	IF template_id IS NULL THEN
		RAISE EXCEPTION 'template_id must be given' USING ERRCODE = '22023', COLUMN = 'template_id';
	END IF;
	/* Nobody saves another version meanwhile. */
	SELECT t.version, t.rubric INTO template
	FROM linkedin_ingest.prompt_templates t WHERE t.id = retotal.template_id FOR SHARE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'template % not found', template_id
			USING ERRCODE = 'P0002', COLUMN = 'template_id';
	END IF;
	present := linkedin_ingest.rubric_weights(template.rubric);

	WITH versions AS MATERIALIZED (
		SELECT v.version, linkedin_ingest.rubric_weights(v.rubric) AS weights
		FROM linkedin_ingest.prompt_template_versions v
		WHERE v.template_id = retotal.template_id
	), old AS (
		SELECT j.id, j.overall_score, w.version
		FROM linkedin_ingest.scoring_jobs j
		JOIN versions a ON a.version = j.template_version
		JOIN versions w ON w.version = linkedin_ingest.weights_version(j.parsed_score, j.template_version)
		WHERE j.template_id = retotal.template_id AND j.status = 'completed'
			AND jsonb_typeof(j.parsed_score -> 'criteria') = 'object'
			AND (SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(a.weights) k)
				= (SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(present) k)
			AND w.weights <> present
		ORDER BY j.id
		FOR NO KEY UPDATE OF j
	)
	UPDATE linkedin_ingest.scoring_jobs j
	SET overall_score = linkedin_ingest.weighted_total(template.rubric, j.parsed_score -> 'criteria'),
		parsed_score = j.parsed_score || jsonb_build_object('_metadata',
			coalesce(j.parsed_score -> '_metadata', '{}') || jsonb_build_object(
				'weights_version', template.version,
				'totals', coalesce(j.parsed_score #> '{_metadata,totals}', '[]') || jsonb_build_object(
					'version', old.version, 'overall_score', old.overall_score, 'until', clock_timestamp())))
	FROM old
	WHERE j.id = old.id;
	GET DIAGNOSTICS changed = ROW_COUNT;
	RETURN changed;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.retotal(uuid) IS
	'makes the totals of a template''s completed jobs anew with its present weights, without any call; only jobs asked with the same criterion keys; former totals stay in parsed_score._metadata.totals; returns how many';

CREATE FUNCTION linkedin_ingest.rebuild_profile_scores() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	changed bigint;
BEGIN
	/* Results are recorded afterwards; the next statement sees all of before. */
	LOCK TABLE linkedin_ingest.latest_scores IN SHARE ROW EXCLUSIVE MODE;
	WITH latest AS MATERIALIZED (
		SELECT DISTINCT ON (j.profile_id, j.role, j.stage) j.profile_id, j.role, j.stage, j.id, j.completed_at
		FROM linkedin_ingest.scoring_jobs j
		WHERE j.status = 'completed' AND j.stage IS NOT NULL
		ORDER BY j.profile_id, j.role, j.stage, j.completed_at DESC, j.id DESC
	), gone AS (
		DELETE FROM linkedin_ingest.latest_scores l
		WHERE NOT EXISTS (SELECT FROM latest n
						  WHERE n.profile_id = l.profile_id AND n.stage = l.stage
							  AND n.role IS NOT DISTINCT FROM l.role)
		RETURNING 1
	), put AS (
		INSERT INTO linkedin_ingest.latest_scores AS l (profile_id, role, stage, job_id, completed_at)
		SELECT n.profile_id, n.role, n.stage, n.id, n.completed_at FROM latest n
		ON CONFLICT ON CONSTRAINT latest_scores_key DO UPDATE
		SET job_id = excluded.job_id, completed_at = excluded.completed_at
		WHERE (l.job_id, l.completed_at) IS DISTINCT FROM (excluded.job_id, excluded.completed_at)
		RETURNING 1
	)
	SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM put) INTO changed;
	RETURN changed;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.rebuild_profile_scores() IS
	'finds the latest score per person, role and stage anew; returns how many rows of latest_scores were wrong, normally none';
