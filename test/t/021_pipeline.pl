# The three-stage flow with a real worker: verify, compatibility, and scoring of
# the roles that pass the gate; early stop; a check that is cancelled or fails.

use strict;
use warnings FATAL => 'all';

use JSON::PP ();
use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $model = start_model();
# With such a poll only a commit can have woken the worker.
my $node = new_node('main', model => $model, conf => qq{
linkedin_ingest.poll_interval = '1h'
linkedin_ingest.max_jobs_per_profile_per_hour = 0});
my $db = 'postgres';
my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');
my $other = ingest($node, $db, 'cassidy/torvald-aberg-lindqvist');

sub sql { return $node->safe_psql($db, $_[0]) }

# Tests bring their own template when the database has none.
sql(q{
	INSERT INTO linkedin_ingest.prompt_templates (stage, name, prompt_text, is_active)
	SELECT 'compatibility', 'all roles', 'Rate {{profile}} for each of these roles: {{roles}}', true
	WHERE NOT EXISTS (SELECT FROM linkedin_ingest.prompt_templates WHERE stage = 'compatibility' AND is_active)});
wait_for_worker($node, $db);

# An answer to the compatibility question; the schema's wording tells it from
# the scoring ones.
sub rating
{
	my (%confidence) = @_;
	my %roles = map {
		$_ => {
			confidence => $confidence{$_},
			reasoning => "about $_",
			key_qualifications => ['leads'],
			missing_qualifications => [],
			evidence => [] }
	} keys %confidence;

	return JSON::PP->new->canonical->encode({ roles => \%roles, overall_assessment => 'so so' });
}

sub use_script
{
	my ($name, @steps) = @_;

	control($model, 'POST', "script/$name", JSON::PP::encode_json(\@steps));
	use_model($node, $db, $model, "s/$name");
	return;
}

# pipeline(PROFILE [, ROLES]): step or role to job id.
sub pipeline
{
	my ($id, $roles) = @_;

	return map { my ($step, $role, $job) = split /\|/, $_, -1; ($role || $step) => $job }
	  split /\n/, sql("SELECT step, role, job_id FROM linkedin_ingest.score_pipeline('$id', " . ($roles ? "'$roles'" : 'NULL') . ')');
}

sub job
{
	my ($id) = @_;

	return JSON::PP::decode_json(sql("SELECT row_to_json(j) FROM linkedin_ingest.scoring_jobs j WHERE id = '$id'"));
}

# --- some roles pass, some do not

use_script('gate', { do => 'ok', match => 'overall_assessment', content => rating(CTO => 0.4, CIO => 0.39, CISO => 0.85) });
my %job = pipeline($profile);
is(join(' ', sort keys %job), 'CIO CISO CTO compatibility verify', 'a row per step');
is($job{verify}, '', 'verify has no job');
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing')", '0');
is(job($job{compatibility})->{status}, 'completed', 'the check is completed');
is(job($job{compatibility})->{recommended_role}, 'CISO', 'and recommends the role with the highest confidence');
is(job($job{compatibility})->{overall_score}, undef, 'it is no score');
is(job($job{CISO})->{status}, 'completed', 'a role that passes is scored');
ok(job($job{CISO})->{overall_score} > 0, 'with a total');
is(job($job{CTO})->{status}, 'completed', 'so is one at the gate itself');
my $stopped = job($job{CIO});
is($stopped->{status}, 'cancelled', 'one below it is not');
is($stopped->{error}{code}, 'gate_not_passed', 'because of the gate');
is($stopped->{attempts}, 0, 'it was never claimed');
is(scalar ledger($model), 3, 'three calls for three jobs');
is(sql("SELECT string_agg(role || ' ' || confidence || ' ' || passed || ' ' || recommended, ', ' ORDER BY role) FROM linkedin_ingest.profile_compatibility WHERE profile_id = '$profile'"),
	'CIO 0.39 false false, CISO 0.85 true true, CTO 0.4 true false', 'profile_compatibility');
is(sql("SELECT count(*) FROM linkedin_ingest.scoring_jobs c, linkedin_ingest.scoring_jobs s
	WHERE c.id = '$job{compatibility}' AND s.after_job = c.id AND s.status = 'completed' AND s.started_at < c.completed_at"), '0',
	'no scoring job ran before the check had ended');

# --- nobody passes: one call

control($model, 'POST', 'reset');
use_script('none', { do => 'ok', match => 'overall_assessment', content => rating(CTO => 0.1, CIO => 0, CISO => 0.3999) });
%job = pipeline($other);
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing')", '0');
is(sql("SELECT string_agg(DISTINCT error ->> 'code', ',') || count(*) FROM linkedin_ingest.scoring_jobs WHERE after_job = '$job{compatibility}'"),
	'gate_not_passed3', 'no role passes, no role is scored');
is(job($job{compatibility})->{recommended_role}, undef, 'none is recommended');
is(scalar ledger($model), 1, 'one call');

# --- the gate is for the roles that were asked for

control($model, 'POST', 'reset');
use_script('two', { do => 'ok', match => 'overall_assessment', content => rating(CTO => 0.9, CIO => 0.9, CISO => 0.1) });
%job = pipeline($other, '{ciso,cto}');
is(join(' ', sort keys %job), 'CISO CTO compatibility verify', 'roles in any case');
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing')", '0');
is(job($job{CTO})->{status} . ' ' . job($job{CISO})->{status}, 'completed cancelled', 'each by its own confidence');

# --- early stop

control($model, 'POST', 'reset');
my $poor = sql(q{INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Bo Sample') RETURNING id});
is(sql("SELECT * FROM linkedin_ingest.score_pipeline('$poor')"), 'verify||', 'a profile with too little to tell stops at verify');
is(sql("SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE profile_id = '$poor'"), '0', 'without a job');
is(scalar ledger($model), 0, 'and without a call');
is(sql("SELECT linkedin_ingest.verify_profile('$poor') ->> 'completeness'"), 'insufficient', 'verify_profile says why');

# --- a check that is cancelled while it runs

use_model($node, $db, $model, 'hang');
%job = pipeline($profile);
wait_for_inflight($model, 1);
is(sql("SELECT linkedin_ingest.cancel_job('$job{compatibility}')"), 't', 'a running check is cancelled');
is(sql("SELECT string_agg(DISTINCT status || ' ' || (error ->> 'code'), ',') || count(*) FROM linkedin_ingest.scoring_jobs WHERE after_job = '$job{compatibility}'"),
	'cancelled dependency_failed3', 'and with it those that wait for it');
wait_for_inflight($model, 0);

# --- retried, it fails, and they end again; retried once more, they run

use_model($node, $db, $model, 'error=content_filter');
sql("SELECT linkedin_ingest.retry_job('$job{compatibility}')");
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing')", '0');
is(job($job{compatibility})->{error}{code}, 'content_filtered', 'the retried check fails');
is(sql("SELECT string_agg(DISTINCT status || ' ' || (error ->> 'code'), ',') || count(*) FROM linkedin_ingest.scoring_jobs WHERE after_job = '$job{compatibility}'"),
	'cancelled dependency_failed3', 'its dependents end with it');
use_script('again', { do => 'ok', match => 'overall_assessment', content => rating(CTO => 0.9, CIO => 0.9, CISO => 0.9) });
sql("SELECT linkedin_ingest.retry_job('$job{compatibility}')");
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing')", '0');
is(sql("SELECT string_agg(DISTINCT status, ',') || count(*) FROM linkedin_ingest.scoring_jobs WHERE after_job = '$job{compatibility}'"),
	'completed3', 'in the end all are scored');

# --- a score is reviewed beside the model's answer

sql("SELECT linkedin_ingest.review_score('$job{CTO}', 'adjust', 'knows the field', '{\"technology_leadership\": 100}')");
is(sql("SELECT overall_score IS NOT DISTINCT FROM (SELECT overall_score FROM linkedin_ingest.scoring_jobs WHERE id = '$job{CTO}'), reviewed_score = effective_score, reviewed_score > overall_score
	FROM linkedin_ingest.profile_scores WHERE job_id = '$job{CTO}'"), 't|t|t', 'the corrected criterion raises the score in effect, not that of the model');
control($model, 'POST', 'reset');
sql(q{UPDATE linkedin_ingest.prompt_templates t SET rubric = (
		SELECT jsonb_agg(r || jsonb_build_object('weight', CASE r ->> 'key' WHEN 'technology_leadership' THEN 0.20 WHEN 'team_building' THEN 0.25 ELSE (r ->> 'weight')::numeric END) ORDER BY n)
		FROM jsonb_array_elements(t.rubric) WITH ORDINALITY x (r, n))
	WHERE role = 'CTO' AND stage = 'scoring' AND is_active});
is(sql("SELECT linkedin_ingest.retotal(template_id) = (SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE role = 'CTO' AND status = 'completed') FROM linkedin_ingest.scoring_jobs WHERE id = '$job{CTO}'"),
	't', 'new weights: every scored job of the template has a new total');
is(sql("SELECT j.overall_score = linkedin_ingest.weighted_total(t.rubric, j.parsed_score -> 'criteria'), jsonb_array_length(j.parsed_score #> '{_metadata,totals}')
	FROM linkedin_ingest.scoring_jobs j JOIN linkedin_ingest.prompt_templates t ON t.id = j.template_id WHERE j.id = '$job{CTO}'"), 't|1', 'by the new weights, the old total kept');
is(scalar ledger($model), 0, 'without a call');

is(sql('SELECT count(*) FROM linkedin_ingest.queue_anomalies'), '0', 'no anomalies');
is(JSON::PP::decode_json(control($model, 'GET', 'ledger?count=1'))->{misuse}, 0, 'no script was misspelt');
$node->stop;
done_testing();
