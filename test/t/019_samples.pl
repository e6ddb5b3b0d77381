# Several samples of one answer, and answers that are not asked for twice.

use strict;
use warnings FATAL => 'all';

use JSON::PP ();
use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $model = start_model();
my $node = new_node('main', model => $model, crash => 1,
	conf => "linkedin_ingest.max_jobs_per_profile_per_hour = 0\nlinkedin_ingest.poll_interval = '500ms'");
my $db = 'postgres';
my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');
my @keys = split /\n/, $node->safe_psql($db,
	"SELECT c ->> 'key' FROM linkedin_ingest.prompt_templates, jsonb_array_elements(rubric) AS c WHERE role = 'CTO' AND stage = 'scoring' AND is_active");

wait_for_worker($node, $db);

# The content of an answer that gives every criterion the same score.
sub content
{
	my ($score) = @_;

	return JSON::PP->new->canonical->encode({
			criteria => { map { $_ => { score => $score, justification => 'as told', evidence => [] } } @keys },
			strengths => [], development_areas => [], summary => 'told', alternative_role => undef });
}

# A script that answers with these scores, one call after the other.
sub script
{
	my ($name, @steps) = @_;

	control($model, 'POST', "script/$name", JSON::PP::encode_json([
				map { ref $_ ? { %$_, times => 1 } : { do => 'ok', content => content($_), times => 1 } } @steps ]));
	use_model($node, $db, $model, "s/$name");
	return;
}

sub score
{
	my (%option) = @_;
	my $arguments = join '', map { ", $_ => $option{$_}" } sort keys %option;

	return $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO'$arguments)");
}

sub column
{
	my ($job, $what) = @_;

	return $node->safe_psql($db, "SELECT $what FROM linkedin_ingest.scoring_jobs WHERE id = '$job'");
}

sub attempts
{
	my ($job) = @_;

	return $node->safe_psql($db,
		"SELECT string_agg(sample || ' ' || kind || ' ' || coalesce(outcome, 'none'), ', ' ORDER BY sample, attempt) FROM linkedin_ingest.scoring_attempts WHERE job_id = '$job'");
}

sub ends
{
	my ($job) = @_;

	return $node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$job', '60 s')");
}

# --- the median, the spread

script('five', 40, 90, 60, 80, 70);
my $job = score(samples => 5);
is(ends($job), 'completed', 'five samples');
is(column($job, 'overall_score'), '70.00', 'the median counts');
is(column($job, "jsonb_array_length(parsed_score -> 'samples')"), '5', 'all are kept');
is(column($job, "review_reasons @> '{spread}'"), 't', 'a wide spread wants a look');
is(attempts($job), '1 first ok, 2 sample ok, 3 sample ok, 4 sample ok, 5 sample ok', 'one call each');
is(column($job, 'attempts'), '1', 'one charged try');
is($node->safe_psql($db, "SELECT sum(prompt_tokens) = (SELECT prompt_tokens FROM linkedin_ingest.scoring_jobs WHERE id = '$job'), sum(cost_usd) = (SELECT cost_usd FROM linkedin_ingest.scoring_jobs WHERE id = '$job') FROM linkedin_ingest.scoring_attempts WHERE job_id = '$job'"),
	't|t', 'tokens and cost are sums');

script('alike', 70, 72, 74, 10, 10, 10, 10);
$job = score(samples => 7);
is(ends($job), 'completed', 'seven samples of which three agree');
is(column($job, 'overall_score'), '72.00', 'the three count');
is($node->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.scoring_attempts WHERE job_id = '$job'"), '3',
	'the rest is not paid for');

# At most three at a time.
control($model, 'POST', 'reset');
use_model($node, $db, $model, 'latency=300');
$job = score(samples => 9);
is(ends($job), 'completed', 'nine samples');
cmp_ok(JSON::PP::decode_json(control($model, 'GET', 'inflight'))->{peak}, '<=', 3, 'three in flight at most');

# --- samples that fail

script('half', 50, { do => 'refusal' }, 60, { do => 'refusal' });
$job = score(samples => 4);
is(ends($job), 'completed', 'half of the samples are enough');
is(column($job, 'overall_score'), '55.00', 'the mean of the middle two');
script('fewer', 50, { do => 'refusal' }, { do => 'refusal' }, { do => 'refusal' });
$job = score(samples => 4);
is(ends($job), 'failed', 'fewer are not');
is(column($job, "error ->> 'code'"), 'refused', 'with the code of what failed');

script('retried', 50, { do => 'error=server_error' }, 60, 70);
$job = score(samples => 3);
is(ends($job), 'completed', 'a sample that is retried');
is(column($job, "claim_no || ' ' || attempts"), '2 2', 'by a second, charged claim');
is($node->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.scoring_attempts WHERE job_id = '$job' AND outcome = 'ok'"), '3',
	'that asks for the missing one alone');
is(column($job, 'overall_score'), '60.00', 'the median of all three');

script('deferred', 50, { do => 'error=rate_limit_exceeded,retry-after=1' }, 60, 70);
$job = score(samples => 3);
is(ends($job), 'completed', 'a sample that is throttled');
is(column($job, 'attempts'), '1', 'the first claim was not charged');

# Samples answer the question that was asked: what they were asked must be what
# is asked now.
control($model, 'POST', 'script/changed', JSON::PP::encode_json([
			{ do => 'ok', content => content(20), times => 1 }, { do => 'error=server_error,retry-after=2', times => 1 },
			map { { do => 'ok', content => content($_), times => 1 } } 60, 70, 80 ]));
use_model($node, $db, $model, 's/changed');
$job = score(samples => 2);
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_attempts WHERE job_id = '$job' AND outcome IS NOT NULL", '2');
$node->safe_psql($db, "UPDATE linkedin_ingest.profiles SET about = 'Ran a platform of seven hundred services for a bank.' WHERE id = '$profile'");
is(ends($job), 'completed', 'a person who changes between two claims');
is(column($job, 'overall_score'), '65.00', 'the sample of what the person was is not used');
is($node->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.scoring_attempts WHERE job_id = '$job' AND outcome = 'ok'"), '3', 'it is asked for again');

# --- a crash costs the samples in flight

control($model, 'POST', 'script/crash', JSON::PP::encode_json([
			(map { { do => 'ok', content => content($_), times => 1 } } 40, 60, 90), { do => 'hang', times => 1 } ]));
use_model($node, $db, $model, 's/crash');
$job = score(samples => 6);
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_attempts WHERE job_id = '$job' AND outcome = 'ok'", '3');
wait_for_inflight($model, 1);
kill 'KILL', worker_pid($node, $db);
wait_for_sql($node, $db, "SELECT status FROM linkedin_ingest.scoring_jobs WHERE id = '$job'", 'completed', 90);
is($node->safe_psql($db, "SELECT count(*) FILTER (WHERE outcome = 'ok'), count(*) FILTER (WHERE outcome = 'unknown') FROM linkedin_ingest.scoring_attempts WHERE job_id = '$job'"),
	'6|1', 'a crash costs the sample in flight, no more');

# Cancel, with three in flight.
use_model($node, $db, $model, 'hang');
$job = score(samples => 5);
wait_for_inflight($model, 3);
$node->safe_psql($db, "SELECT linkedin_ingest.cancel_job('$job')");
wait_for_inflight($model, 0);
wait_for_sql($node, $db, "SELECT string_agg(DISTINCT outcome, ' ') || count(*) FROM linkedin_ingest.scoring_attempts WHERE job_id = '$job'", 'cancelled3');
pass('a cancel ends all three and records each');

# --- the cache

use_model($node, $db, $model);
my $count = 1000;
$node->safe_psql($db, qq{
	SELECT count(linkedin_ingest.ingest_profile(jsonb_set(jsonb_set(
		'{"basics": {"name": "Person", "label": "Head of platforms", "summary": "Ran a platform of many services.", "url": ""}, "work": []}',
		'{basics,url}', to_jsonb('https://www.linkedin.com/in/person-' || i)), '{basics,summary}', to_jsonb('Ran ' || i || ' services for a bank with many branches.')), 'json_resume'))
	FROM generate_series(1, $count) i});
my $all = q{(SELECT array_agg(id) FROM linkedin_ingest.profiles WHERE public_id LIKE 'person-%')};

sub score_all
{
	control($model, 'POST', 'reset');
	$node->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.score_profiles($all, 'CTO')");
	wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing')", '0');
	return scalar(() = ledger($model));
}

$node->append_conf('postgresql.conf', "linkedin_ingest.cache_ttl = '1d'");
$node->reload;
is(score_all(), $count, "$count people, $count calls");
is(score_all(), 0, 'the same again: no call');
is($node->safe_psql($db, qq{
	SELECT count(*), bool_and(b.cached), bool_and(a.overall_score = b.overall_score), bool_and(a.parsed_score -> 'criteria' = b.parsed_score -> 'criteria'), max(b.cost_usd), max(b.attempts)
	FROM linkedin_ingest.scoring_jobs a JOIN linkedin_ingest.scoring_jobs b ON b.profile_id = a.profile_id AND b.created_at > a.created_at
	JOIN linkedin_ingest.profiles p ON p.id = a.profile_id AND p.public_id LIKE 'person-%'}),
	"$count|t|t|t|0|0", 'with the same criteria and totals, for nothing');
is($node->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.scoring_attempts a JOIN linkedin_ingest.scoring_jobs j ON j.id = a.job_id WHERE j.cached"),
	'0', 'and no attempt row');
$node->safe_psql($db, "UPDATE linkedin_ingest.profiles SET about = about || '!' WHERE public_id = 'person-7'");
is(score_all(), 1, 'one byte of one profile changed: one call');
# An answer from the cache makes none younger: when the call is older than the
# time to live, the model is asked, whoever was answered without meanwhile.
is(score_all(), 0, 'all once more: no call');
$node->safe_psql($db, "UPDATE linkedin_ingest.scoring_jobs SET completed_at = completed_at - interval '2 days' WHERE NOT cached AND status = 'completed'");
$node->safe_psql($db, 'SELECT linkedin_ingest.rebuild_profile_scores()');
is($node->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.profiles p WHERE p.public_id LIKE 'person-%' AND (linkedin_ingest.explain_score(p.id, 'CTO') ->> 'cache_hit')::boolean"),
	'0', 'explain_score knows that too');
is(score_all(), $count, 'the calls are older than cache_ttl: all are asked again');
my $someone = $node->safe_psql($db, "SELECT id FROM linkedin_ingest.profiles WHERE public_id = 'person-9'");
is($node->safe_psql($db, "SELECT linkedin_ingest.explain_score('$someone', 'CTO') ->> 'cache_hit'"), 'true', 'explain_score knows it beforehand');

is($node->safe_psql($db, 'SELECT count(*) FROM linkedin_ingest.queue_anomalies'), '0', 'no anomalies');
$node->stop;
done_testing();
