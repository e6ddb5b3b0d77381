# Limits that hold under concurrency, and jobs that wait for nobody.

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $model = start_model();
my $node = new_node('main', model => $model, conf => "linkedin_ingest.poll_interval = '500ms'");
my $db = 'postgres';

wait_for_worker($node, $db);

# --- the hourly limit, whatever the isolation level

for my $level ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
{
	my $profile = $node->safe_psql($db, qq{
		SELECT linkedin_ingest.ingest_profile(jsonb_build_object('basics', jsonb_build_object('name', 'Person', 'summary', 'Ran many services.',
			'url', 'https://www.linkedin.com/in/limit-' || lower(replace('$level', ' ', '-')))), 'json_resume')});
	my @sessions;

	# Twenty sessions whose snapshots are taken before any has queued a job.
	for (1 .. 20)
	{
		my $session = $node->background_psql($db, on_error_stop => 0);

		$session->query_safe("BEGIN ISOLATION LEVEL $level");
		$session->query_safe('SELECT count(*) FROM linkedin_ingest.scoring_jobs');
		push @sessions, $session;
	}
	# A refused one ends its transaction at once: the next waits for the lock.
	$_->query("SELECT linkedin_ingest.score_profile('$profile', 'CTO');\nCOMMIT") for @sessions;
	my $made = $node->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE profile_id = '$profile'");
	if ($level eq 'READ COMMITTED')
	{
		is($made, '10', "$level: exactly ten of twenty");
	}
	else
	{
		cmp_ok($made, '<=', 10, "$level: not more than ten ($made; the rest has to retry)");
	}
	$_->quit for @sessions;
	$node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO') FROM generate_series(1, 10 - $made)");
	my ($ret, $out, $err) = $node->psql($db, "\\set VERBOSITY verbose\nSELECT linkedin_ingest.score_profile('$profile', 'CTO')");
	like($err, qr/53400/, "$level: the eleventh is 53400");
	$node->restart;
	wait_for_worker($node, $db);
	($ret, $out, $err) = $node->psql($db, "\\set VERBOSITY verbose\nSELECT linkedin_ingest.score_profile('$profile', 'CTO')");
	like($err, qr/53400/, "$level: also after a restart");
}

# --- one locked row holds up nobody

$node->safe_psql($db, 'ALTER SYSTEM SET linkedin_ingest.max_jobs_per_profile_per_hour = 0');
$node->reload;
my $profile = $node->safe_psql($db, "SELECT id FROM linkedin_ingest.profiles LIMIT 1");
use_model($node, $db, $model, 'latency=3000');
my $locked = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO')");
my $other = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CIO')");
wait_for_inflight($model, 2);
my $holder = $node->background_psql($db);
$holder->query_safe('BEGIN');
$holder->query_safe("SELECT linkedin_ingest.cancel_job('$locked')");
is($node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$other', '60 s')"), 'completed',
	'an uncommitted cancel of one job does not hold up the record of another');
my $new = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CISO')");
use_model($node, $db, $model, 'latency=100');
is($node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$new', '60 s')"), 'completed', 'nor the next claim');
is(job_status($node, $db, $locked), 'processing', 'the locked one waits');
$holder->query_safe('COMMIT');
wait_for_sql($node, $db, "SELECT status || ' ' || (SELECT string_agg(outcome, ' ') FROM linkedin_ingest.scoring_attempts WHERE job_id = '$locked') FROM linkedin_ingest.scoring_jobs WHERE id = '$locked'",
	'cancelled cancelled');
pass('the cancel counts, and the call that was made is on record');
$holder->quit;

# A job of a high priority that somebody holds does not starve the others.
$node->safe_psql($db, "SELECT linkedin_ingest.pause_worker()");
my $high = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO', priority => 9)");
my $low = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO')");
$holder = $node->background_psql($db);
$holder->query_safe('BEGIN');
$holder->query_safe("SELECT FROM linkedin_ingest.scoring_jobs WHERE id = '$high' FOR UPDATE");
$node->safe_psql($db, 'SELECT linkedin_ingest.resume_worker()');
is($node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$low', '60 s')"), 'completed', 'a held job of a higher priority');
$holder->query_safe('COMMIT');
is($node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$high', '60 s')"), 'completed', 'runs when it is let go');
$holder->quit;

# --- a provider that throttles without a hint is not hammered

use_model($node, $db, $model, 'error=rate_limit_exceeded,note=storm');
control($model, 'POST', 'reset');
$node->safe_psql($db, "SELECT count(linkedin_ingest.score_profile('$profile', 'CTO')) FROM generate_series(1, 20)");
my $until = time + 4;
wait_for_sql($node, $db, 'SELECT clock_timestamp() > to_timestamp(' . $until . ')');
my $calls = () = ledger($model);
cmp_ok($calls, '<=', 100, "429 without Retry-After: 20 jobs make $calls calls in 4 s");
use_model($node, $db, $model);
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing')", '0', 90);
pass('all complete when it relents');

# --- max_in_flight of a provider holds across lanes

use_model($node, $db, $model, 'latency=300');
control($model, 'POST', 'reset');
$node->safe_psql($db, "UPDATE linkedin_ingest.llm_providers SET max_in_flight = 2 WHERE name = 'openai'");
$node->safe_psql($db, "SELECT count(linkedin_ingest.score_profile('$profile', r)) FROM unnest('{CTO,CIO,CISO}'::text[]) r, generate_series(1, 4)");
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing')", '0');
is(JSON::PP::decode_json(control($model, 'GET', 'inflight'))->{peak}, 2, 'max_in_flight of the provider, over three lanes');

is($node->safe_psql($db, 'SELECT count(*) FROM linkedin_ingest.queue_anomalies'), '0', 'no anomalies');
$node->stop;
done_testing();
