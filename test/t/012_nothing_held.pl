# While a hundred models think, the worker holds nothing that anybody needs.

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $model = start_model();
my $node = new_node('main', model => $model,
	conf => "linkedin_ingest.max_jobs_per_profile_per_hour = 0\nautovacuum = off");
my $db = 'postgres';

$node->safe_psql($db, 'CREATE DATABASE other');
my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');
my $pid = wait_for_worker($node, $db);

use_model($node, $db, $model, 'latency=20000');
$node->safe_psql($db, "SELECT count(linkedin_ingest.score_profile('$profile', 'CTO')) FROM generate_series(1, 100)");
wait_for_inflight($model, 100);
wait_for_sql($node, $db, "SELECT state IN ('idle', 'active') AND query = '100 jobs in flight' FROM pg_stat_activity WHERE pid = $pid");

# The flight is not over before 20 s: what follows has to be quicker.
is($node->safe_psql($db, "SELECT backend_xid IS NULL, backend_xmin IS NULL, xact_start IS NULL FROM pg_stat_activity WHERE pid = $pid"),
	't|t|t', 'no transaction, no snapshot');
is($node->safe_psql($db, "SELECT count(*) FROM pg_locks WHERE pid = $pid"), '0', 'no lock');

$node->safe_psql($db, qq{
	CREATE TABLE litter (i int);
	INSERT INTO litter SELECT generate_series(1, 1000);
	DELETE FROM litter;
	SELECT pg_stat_force_next_flush();});
my ($ret, $out, $err) = $node->psql($db, 'VACUUM (VERBOSE) litter');
like($err, qr/1000 removed|removed 1000|tuples: 1000 removed/, 'VACUUM removes what died meanwhile');
($ret, $out, $err) = $node->psql($db, 'VACUUM (VERBOSE) linkedin_ingest.scoring_jobs');
like($err, qr/100 remain, 0 are dead but not yet removable/,
	'also in the queue itself: the rows that the claim replaced');

is($node->safe_psql($db, "SELECT count(*) FROM (SELECT FROM linkedin_ingest.scoring_jobs WHERE status = 'processing' FOR UPDATE NOWAIT) s"),
	'100', 'every claimed row can be locked');
$node->safe_psql($db, "SET lock_timeout = '1s'; ALTER TABLE linkedin_ingest.scoring_jobs ADD COLUMN passing_fancy int; ALTER TABLE linkedin_ingest.scoring_jobs DROP COLUMN passing_fancy");
pass('so can the table');

my $start = time;
$node->safe_psql($db, 'DROP DATABASE other');
my $took = time - $start;
cmp_ok($took, '<', 4, sprintf('DROP DATABASE of another database does not wait (%.0f ms)', 1000 * $took));

is(scalar(grep { $_->{outcome} eq 'open' } ledger($model)), 100, 'all that time 100 calls were open');

$start = time;
$node->stop('fast');
$took = time - $start;
cmp_ok($took, '<', 6, sprintf('a fast shutdown does not wait for the models (%.0f ms)', 1000 * $took));

# Handed back, uncharged; the calls, possibly paid, are on record.
$node->start;
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_attempts WHERE outcome = 'cancelled' AND NOT charged AND claim_no = 1", '100');
pass('100 calls recorded as cancelled and uncharged');
wait_for_inflight($model, 100);
is($node->safe_psql($db, 'SELECT DISTINCT claim_no, attempts FROM linkedin_ingest.scoring_jobs'), '2|1',
	'the jobs were given back uncharged and are claimed anew');
is($node->safe_psql($db, 'SELECT count(*) FROM linkedin_ingest.queue_anomalies'), '0', 'no anomalies');

# More requests than the limit on open files allows: clipped, not crashed.
my $postmaster = slurp_file($node->data_dir . '/postmaster.pid') =~ s/\n.*//sr;
$node->append_conf('postgresql.conf', 'linkedin_ingest.max_in_flight = 5000');
$node->reload;
run_log([ 'prlimit', '--pid', $postmaster, '--nofile=1200:1200' ]);
$pid = worker_pid($node, $db);
$node->safe_psql($db, "SELECT pg_terminate_backend($pid)");
wait_for_sql($node, $db, "SELECT pid <> $pid FROM linkedin_ingest.worker_status WHERE state = 'running'");
like(slurp_file($node->logfile), qr/max_in_flight is clipped from 5000 to \d+ by the limit on open files/,
	'max_in_flight is clipped by the limit on open files, and the log says so');
use_model($node, $db, $model, 'latency=100');
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status = 'completed'", '100');
pass('and all jobs complete');

$node->stop('fast');
done_testing();
