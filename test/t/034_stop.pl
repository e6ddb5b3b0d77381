# Pause, reload and every way to stop the server, with calls in flight and jobs
# that wait.

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# The goal is 1 s for a pause, 2 s more than without a worker for a stop; a busy
# machine gets ten times that.
use constant { PAUSE => 10, MORE => 20 };

my $model = start_model();
my $node = new_node('main', model => $model, crash => 1, conf => <<'CONF');
linkedin_ingest.max_jobs_per_profile_per_hour = 0
linkedin_ingest.max_in_flight = 20
linkedin_ingest.poll_interval = '10min'
CONF
my $plain = new_node('plain', preload => 0, extension => 0);
my $db = 'postgres';
my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');
my $open = "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing')";
my $start;

sub queue
{
	my ($jobs) = @_;

	return $node->safe_psql($db,
		"SELECT count(linkedin_ingest.score_profile('$profile', 'CTO')) FROM generate_series(1, $jobs)");
}

sub jobs { return $node->safe_psql($db, "SELECT status, attempts, count(*) FROM linkedin_ingest.scoring_jobs GROUP BY 1, 2 ORDER BY 1, 2") }

sub empty
{
	$node->safe_psql($db, 'TRUNCATE linkedin_ingest.scoring_jobs CASCADE');
	control($model, 'POST', 'reset');
	return;
}

sub figure
{
	my ($what) = @_;

	diag(sprintf('%6.0f ms: %s', 1000 * (time - $start), $what));
	return time - $start;
}

wait_for_worker($node, $db);

# --- pause and resume, without and with room for more

use_model($node, $db, $model, 'latency=3000');
queue(50);
wait_for_inflight($model, 20);
$start = time;
$node->safe_psql($db, "SELECT linkedin_ingest.pause_worker('maintenance')");
wait_for_sql($node, $db, 'SELECT state, reason FROM linkedin_ingest.worker_status', 'paused|paused: maintenance');
cmp_ok(figure('pause_worker() shown, all of max_in_flight in use'), '<', PAUSE, 'a pause takes effect');
wait_for_inflight($model, 0);
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status = 'completed'", '20');
pass('calls in flight end and are recorded');
queue(5);
pass_time($node, $db, 2);
is(jobs(), "completed|1|20\npending|0|35", 'nothing more is claimed');
is(scalar(() = ledger($model)), 20, 'nor asked');
use_model($node, $db, $model);
$start = time;
$node->safe_psql($db, 'SELECT linkedin_ingest.resume_worker()');
wait_for_sql($node, $db, "SELECT count(*) > 20 FROM linkedin_ingest.scoring_jobs WHERE status = 'completed'");
cmp_ok(figure('resume_worker() to the first completed job'), '<', PAUSE, 'resume takes effect');
wait_for_sql($node, $db, $open, '0');
is(jobs(), 'completed|1|55', 'all jobs in their first try');

# --- reload

empty();
use_model($node, $db, $model, 'latency=100');
queue(400);
my $pid = worker_pid($node, $db);
for my $i (1 .. 10)
{
	$node->safe_psql($db, 'ALTER SYSTEM SET linkedin_ingest.max_in_flight = ' . (5, 40, 20)[ $i % 3 ]);
	$node->reload;
	wait_for_sql($node, $db, "SELECT count(*) > $i * 25 FROM linkedin_ingest.scoring_jobs WHERE status = 'completed'");
}
wait_for_sql($node, $db, $open, '0');
is(jobs(), 'completed|1|400', 'ten reloads: all jobs in their first try');
is(scalar(() = ledger($model)), 400, 'each was asked once');
is(worker_pid($node, $db), $pid, 'by the same worker');
$node->safe_psql($db, 'ALTER SYSTEM RESET linkedin_ingest.max_in_flight');
$node->reload;

# --- stop

for my $mode ('smart', 'fast', 'immediate')
{
	my $without;

	empty();
	# While the server is down the model recovers.
	control($model, 'POST', 'script/recovers', '[{"do": "hang"}]');
	use_model($node, $db, $model, 's/recovers');
	queue(100);
	wait_for_inflight($model, 20);
	$plain->safe_psql($db, 'CHECKPOINT');
	$start = time;
	$plain->stop($mode);
	$without = time - $start;
	$node->safe_psql($db, 'CHECKPOINT');
	$start = time;
	$node->stop($mode);
	cmp_ok(figure(sprintf('%s stop with 20 calls in flight (%.0f ms without the library)', $mode, 1000 * $without)) - $without,
		'<', MORE, "$mode stop");
	wait_for_inflight($model, 0);
	control($model, 'POST', 'script/recovers', '[{"do": "ok"}]');
	$plain->start;
	$node->start;
	wait_for_sql($node, $db, $open, '0');
	my $lost = $mode eq 'immediate' ? 20 : 0;
	is($node->safe_psql($db, "SELECT count(*) FILTER (WHERE status = 'completed'), sum(attempts) FROM linkedin_ingest.scoring_jobs"),
		'100|' . (100 + $lost), "$mode: all jobs are completed, those in flight " . ($lost ? 'charged' : 'uncharged'));
	is($node->safe_psql($db, 'SELECT count(*) FROM linkedin_ingest.scoring_attempts'), scalar(() = ledger($model)),
		"$mode: every call is on record");
}

# --- a stop that lets calls end

empty();
$node->append_conf('postgresql.conf', "linkedin_ingest.shutdown_grace = '60s'");
$node->reload;
wait_for_sql($node, $db, 'SHOW linkedin_ingest.shutdown_grace', '1min');
use_model($node, $db, $model, 'latency=2000');
queue(100);
wait_for_inflight($model, 20);
$start = time;
$node->stop('fast');
cmp_ok(figure('fast stop with calls of 2 s, shutdown_grace = 60s'), '<', 30, 'shutdown_grace: the server stops when the calls have ended');
my $asked = () = ledger($model);
# A look at the jobs before the worker is at them again.
$node->append_conf('postgresql.conf', "linkedin_ingest.databases = 'none'");
$node->start;
is(jobs(), "completed|1|$asked\npending|0|" . (100 - $asked), 'their answers are recorded, nothing new was begun');
use_model($node, $db, $model, 'hang');
$node->append_conf('postgresql.conf', "linkedin_ingest.databases = ''");
$node->reload;
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status = 'processing'", '20');
$node->append_conf('postgresql.conf', "linkedin_ingest.shutdown_grace = '1s'");
$node->reload;
wait_for_sql($node, $db, 'SHOW linkedin_ingest.shutdown_grace', '1s');
$start = time;
$node->stop('fast');
cmp_ok(figure('fast stop with calls that hang, shutdown_grace = 1s'), '<', 30, 'and no later than the grace');
$node->append_conf('postgresql.conf', "linkedin_ingest.databases = 'none'");
$node->start;
is(jobs(), "completed|1|$asked\npending|0|" . (100 - $asked), 'the rest is handed back, uncharged');

is($node->safe_psql($db, 'SELECT count(*) FROM linkedin_ingest.queue_anomalies'), '0', 'no anomalies');
is(join("\n", grep { !/parameter "/ } repeated_lines($node, 8)), '', 'no loop in the log');
is(join("\n", grep { !/the database system is/ } error_lines($node)), '', 'no error in the log');
$node->stop;
done_testing();
