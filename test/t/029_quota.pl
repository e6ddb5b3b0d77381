# An account without money, and ten thousand jobs that wait for it: hardly a
# call is made, and no waiting row is written.

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $model = start_model();
my $node = new_node('main', model => $model,
	conf => "linkedin_ingest.max_jobs_per_profile_per_hour = 0\nlinkedin_ingest.poll_interval = '500ms'\nautovacuum = off");
my $db = 'postgres';
my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');
my $jobs = 10000;
my $in_flight = 8;

wait_for_worker($node, $db);

sub calls
{
	return scalar(() = ledger($model));
}

# Made so far; a slow machine may add those that are due each minute.
sub probes
{
	return $node->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.scoring_attempts WHERE kind = 'probe'");
}

# Jobs whose row is not the one that was there before the first call.
sub written
{
	return $node->safe_psql($db, q{
		SELECT count(*) FROM linkedin_ingest.scoring_jobs j JOIN before b USING (id)
		WHERE (j.xmin::text, j.ctid) IS DISTINCT FROM (b.writer, b.place)});
}

# Everybody who asks is told the same.
sub told
{
	my ($when) = @_;
	my $waiting = $node->safe_psql($db, "SELECT id FROM linkedin_ingest.scoring_jobs WHERE claim_no = 0 ORDER BY run_at DESC LIMIT 1");

	is($node->safe_psql($db, "SELECT concat_ws(' ', s ->> 'status', s ->> 'attempts', s #>> '{error,code}') FROM linkedin_ingest.job_status('$waiting') s"),
		'pending 0 quota_exhausted', "$when: job_status of a job that waits");
	is($node->safe_psql($db, "SELECT concat_ws(' ', jobs, blocked, reason) FROM linkedin_ingest.queue_status WHERE status = 'pending'"),
		"$jobs $jobs openai: quota_exhausted", "$when: queue_status");
	is($node->safe_psql($db, "SELECT concat_ws(' ', blocked, blocked_code, blocked_message) FROM linkedin_ingest.provider_status WHERE provider = 'openai'"),
		"t quota_exhausted the account's quota or budget is used up (HTTP status 429)", "$when: provider_status");
	return;
}

$node->safe_psql($db, 'SELECT linkedin_ingest.pause_worker()');
use_model($node, $db, $model, 'error=insufficient_quota,latency=100');
$node->safe_psql($db, "UPDATE linkedin_ingest.llm_providers SET max_in_flight = $in_flight WHERE name = 'openai'");
$node->safe_psql($db, "SET client_min_messages = error; SELECT count(linkedin_ingest.score_profile('$profile', 'CTO')) FROM generate_series(1, $jobs)");
$node->safe_psql($db, 'CREATE TABLE before AS SELECT id, xmin::text AS writer, ctid AS place FROM linkedin_ingest.scoring_jobs');
$node->safe_psql($db, 'SELECT linkedin_ingest.resume_worker()');

wait_for_sql($node, $db, "SELECT code FROM linkedin_ingest.provider_blocks", 'quota_exhausted');
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status = 'processing'", '0');
my $calls = calls();
cmp_ok($calls, '<=', $in_flight, "$jobs jobs: $calls calls, no more than may be in flight");
cmp_ok(written(), '<=', $calls, 'no row is written but of those that were called');
is($node->safe_psql($db, 'SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE attempts > 0'), '0', 'and nobody is charged');
told('blocked');

# Several looks of the worker at the queue later nothing has changed.
my $start = $node->safe_psql($db, 'SELECT clock_timestamp()');
wait_for_sql($node, $db, "SELECT clock_timestamp() > '$start'::timestamptz + interval '3 s'");
is(calls(), $calls + probes(), 'no further call but probes');
cmp_ok(written(), '<=', $calls + probes(), 'no further row');

# A change of the settings has one job try at once, and one alone.
for my $change (1 .. 2)
{
	my $made = probes();

	$node->safe_psql($db, "UPDATE linkedin_ingest.llm_providers SET request_timeout = '$change minutes' WHERE name = 'openai'");
	wait_for_sql($node, $db, "SELECT count(*) > $made FROM linkedin_ingest.scoring_attempts WHERE kind = 'probe' AND outcome = 'open'");
	wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status = 'processing'", '0');
	is(calls(), $calls + probes(), "change $change: one probe, no more");
	cmp_ok(written(), '<=', $calls + probes(), "change $change: at most its row");
}
told('probed');

# A restart calls nobody: the block is kept.
$node->restart;
wait_for_worker($node, $db);
wait_for_sql($node, $db, "SELECT blocked FROM linkedin_ingest.provider_status WHERE provider = 'openai'");
is(calls(), $calls + probes(), 'a restart makes no call');
cmp_ok(written(), '<=', $calls + probes(), 'and writes no row');
told('restarted');

is($node->safe_psql($db, 'SELECT count(*) FROM linkedin_ingest.queue_anomalies'), '0', 'no anomalies');
$node->stop;
done_testing();
