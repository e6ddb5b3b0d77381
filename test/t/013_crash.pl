# kill -9 of the worker with 100 calls in flight.

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $model = start_model();
my $node = new_node('main', model => $model, crash => 1,
	conf => 'linkedin_ingest.max_jobs_per_profile_per_hour = 0');
my $db = 'postgres';

my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');
my $pid = wait_for_worker($node, $db);

use_model($node, $db, $model, 'latency=3000');
$node->safe_psql($db, "SELECT count(linkedin_ingest.score_profile('$profile', 'CTO')) FROM generate_series(1, 100)");
wait_for_inflight($model, 100);
kill 'KILL', $pid;

wait_for_sql($node, $db,
	"SELECT count(*) FILTER (WHERE status = 'completed') FROM linkedin_ingest.scoring_jobs", '100', 90);
pass('all 100 jobs complete');

my @calls = ledger($model);
my $extra = @calls - 100;
cmp_ok($extra, '<=', 100, "at most one extra call for each in flight ($extra)");
is($node->safe_psql($db, 'SELECT count(*) FROM linkedin_ingest.scoring_attempts'), scalar @calls,
	'every call is in scoring_attempts');
is($node->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.scoring_attempts WHERE outcome = 'unknown' AND error_code = 'worker_lost' AND charged"),
	$extra, 'the lost ones as unknown, charged');
is($node->safe_psql($db, "SELECT count(*), count(DISTINCT job_id) FROM linkedin_ingest.scoring_attempts WHERE outcome = 'ok'"),
	'100|100', 'each result was stored once');
is($node->safe_psql($db, 'SELECT DISTINCT attempts, claim_no FROM linkedin_ingest.scoring_jobs'), '2|2',
	'the lost claim stays charged');
is($node->safe_psql($db, 'SELECT count(*) FROM linkedin_ingest.queue_anomalies'), '0', 'no anomalies');

# A job that outlives its tries.
use_model($node, $db, $model, 'hang');
my $job = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CIO')");
wait_for_inflight($model, 1);
$node->safe_psql($db, "UPDATE linkedin_ingest.scoring_jobs SET max_attempts = 1 WHERE id = '$job'");
kill 'KILL', worker_pid($node, $db);
wait_for_sql($node, $db, "SELECT status || ' ' || (error ->> 'code') FROM linkedin_ingest.scoring_jobs WHERE id = '$job'",
	'failed worker_lost', 60);
pass('a job whose tries are used up fails as worker_lost');

$node->stop('fast');
done_testing();
