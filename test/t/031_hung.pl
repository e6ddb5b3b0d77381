# Workers that hang, heartbeats that cannot be written, rows that cannot be
# stored: whose jobs they are then, and that nothing is paid for twice.
# build: faults

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Ledger;
use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $model = start_model();
my $lease = 2;
my $node = new_node('main', model => $model, crash => 1,
	conf => "linkedin_ingest.max_jobs_per_profile_per_hour = 0\nlinkedin_ingest.poll_interval = '500ms'\nlinkedin_ingest.lease_interval = '${lease}s'");
my $db = 'postgres';
my $faults = $node->data_dir . '/linkedin_ingest.faults';
my $run = 0;

mkdir $faults or die $!;
$node->safe_psql($db, q{
	SELECT count(linkedin_ingest.ingest_profile(jsonb_build_object(
		'basics', jsonb_build_object('name', 'Person ' || i, 'label', 'Head of platform ' || i,
			'summary', 'Ran ' || i || ' services for a bank with many branches.',
			'url', 'https://www.linkedin.com/in/person-' || i), 'work', '[]'::jsonb), 'json_resume'))
	FROM generate_series(1, 10) i});
wait_for_worker($node, $db);

sub arm
{
	my ($point, $action, $nth) = @_;

	unlink glob("$faults/$point*");
	append_to_file("$faults/$point", "$action $nth\n");
	return;
}

sub wait_for_file
{
	my ($path) = @_;
	my $deadline = time + 60;

	until (-e $path)
	{
		die "no $path\n" if time > $deadline;
		sleep 0.02;
	}
	return slurp_file($path);
}

# Jobs about the ten people, with a script of the model server of their own.
sub begin
{
	my ($directives) = @_;

	$node->safe_psql($db, 'TRUNCATE linkedin_ingest.scoring_jobs, linkedin_ingest.scoring_attempts, linkedin_ingest.latest_scores, linkedin_ingest.spend_daily, linkedin_ingest.workers CASCADE');
	$run++;
	use_model($node, $db, $model, "$directives,note=run$run");
	$node->safe_psql($db, "SELECT count(linkedin_ingest.score_profile(id, 'CTO')) FROM linkedin_ingest.profiles");
	return;
}

sub calls { return grep { $_->{script} =~ /note=run$run$/ } ledger($model) }

sub wait_for_end
{
	wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing')", '0', 120);
	return;
}

sub nothing_lost
{
	my ($what, %arg) = @_;
	my $found = check_ledger(sql => sub { $node->safe_psql($db, @_) }, calls => [ calls() ], in_flight => 10, %arg);

	is(join("\n", @{ $found->{problems} }), '', "$what: ledger and tables agree");
	return $found;
}

# Until the process is gone.
sub wait_for_exit
{
	my ($pid) = @_;
	my $deadline = time + 60;

	while (kill 0, $pid)
	{
		die "process $pid is still there\n" if time > $deadline;
		sleep 0.02;
	}
	return;
}

# --- no fault point is in a library that is built as usual

sub fault_symbols
{
	my ($library) = @_;

	return scalar grep { /li_fault_point/ } qx{nm "$library"};
}

my $library = qx{pg_config --pkglibdir};
chomp $library;
is(fault_symbols("$library/linkedin_ingest.so"), 1, 'this library has fault points');
(my $usual = $library) =~ s|/prefix-faults/|/prefix/|;
is(fault_symbols("$usual/linkedin_ingest.so"), 0, 'the usual one has none');

# --- stopped with calls in flight, for longer than the lease

my $log = -s $node->logfile;
begin('latency=1000');
wait_for_inflight($model, 10);
my $pid = worker_pid($node, $db);
kill 'STOP', $pid;
wait_for_inflight($model, 0);	# the answers wait in its sockets
$node->wait_for_log(qr/worker with PID $pid gave no sign of life/, $log);
wait_for_end();
is($node->safe_psql($db, "SELECT string_agg(coalesce(reason, state), ', ' ORDER BY pid = $pid) FROM linkedin_ingest.worker_status"),
	'running, replaced: it gave no sign of life', 'a stopped worker is replaced');
is(scalar(calls()), 20, 'which asks again');
is($node->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.scoring_attempts WHERE outcome = 'unknown' AND http_status IS NULL"), '10',
	'what came of the first calls is unknown');
kill 'CONT', $pid;
wait_for_exit($pid);
pass('the stopped one ends when it wakes');
is($node->safe_psql($db, "SELECT count(*), count(DISTINCT request_id), bool_and(charged) FROM linkedin_ingest.scoring_attempts WHERE outcome = 'unknown' AND http_status = 200 AND cost_usd > 0"),
	'10|10|t', 'its late answers are on record, with what they cost');
is($node->safe_psql($db, 'SELECT sum(stale) FROM linkedin_ingest.worker_status'), '10', 'and counted as stale');
is($node->safe_psql($db, "SELECT DISTINCT status, attempts, claim_no FROM linkedin_ingest.scoring_jobs"), 'completed|2|2', 'each job has its one result');
is(nothing_lost('stopped in flight', kills => 1)->{extra}, 10, 'one extra call for each in flight');

# --- stopped when the answers were read and not yet recorded

for my $point ('before-record', 'before-record-commit')
{
	$log = -s $node->logfile;
	arm($point, 'stop', 1);
	begin('latency=300');
	chomp($pid = wait_for_file("$faults/$point.fired"));
	$node->wait_for_log(qr/worker with PID $pid gave no sign of life/, $log);
	# Rows that it has locked stay with it; the others are asked for again.
	wait_for_sql($node, $db, 'SELECT count(*) > 0 FROM linkedin_ingest.worker_status WHERE pid IS NOT NULL AND reason IS NULL');
	wait_for_end() if $point eq 'before-record';
	kill 'CONT', $pid;
	wait_for_exit($pid);
	wait_for_end();
	is($node->safe_psql($db, 'SELECT DISTINCT status FROM linkedin_ingest.scoring_jobs'), 'completed', "stopped at $point: all jobs complete");
	nothing_lost("stopped at $point", kills => 1);
}

# --- heartbeats that cannot be written take no job away

$log = -s $node->logfile;
begin('latency=2500');
wait_for_inflight($model, 10);
my $blocker = $node->background_psql($db);
$blocker->query_safe('BEGIN; LOCK TABLE linkedin_ingest.workers IN ACCESS EXCLUSIVE MODE');
my $until = time + 3 * $lease;
wait_for_sql($node, $db, "SELECT extract(epoch FROM clock_timestamp()) > $until");
$blocker->query_safe('COMMIT');
$blocker->quit;
wait_for_end();
is(scalar(calls()), 10, 'table workers locked for three leases: one call for each job');
is($node->safe_psql($db, 'SELECT DISTINCT status, attempts, claim_no FROM linkedin_ingest.scoring_jobs'), 'completed|1|1', 'and one claim');
unlike(slurp_file($node->logfile, $log), qr/gave no sign of life|rescued/, 'no worker is replaced, no job rescued');
nothing_lost('table workers locked', kills => 0);

# --- how soon the jobs of a killed worker are free again

$log = -s $node->logfile;
begin('latency=1000');
wait_for_inflight($model, 10);
kill 'KILL', worker_pid($node, $db);
wait_for_end();
nothing_lost('killed', kills => 1);

# Seconds of the day at which the log has a line.
sub logged_at
{
	my ($what) = @_;

	slurp_file($node->logfile, $log) =~ /^\S+ (\d+):(\d+):(\d+\.\d+) .*$what/m or die "not in the log: $what\n";
	return $1 * 3600 + $2 * 60 + $3;
}
my $seconds = logged_at('rescued 10 jobs') - logged_at('ready to accept connections');
$seconds += 86400 if $seconds < 0;
cmp_ok($seconds, '<', 50, 'the jobs of a killed worker are free soon after the server accepts connections');
note(sprintf 'after %.3f s; the aim is 5 s', $seconds);

# --- a row that cannot be stored costs one row

sub outcomes
{
	return $node->safe_psql($db, q{SELECT string_agg(s, ', ' ORDER BY s) FROM
		(SELECT concat_ws(' ', status, error ->> 'code', count(*)) AS s FROM linkedin_ingest.scoring_jobs GROUP BY status, error ->> 'code') x});
}

my $poison = $node->safe_psql($db, "SELECT id FROM linkedin_ingest.profiles WHERE public_id = 'person-7'");
$node->safe_psql($db, "ALTER TABLE linkedin_ingest.scoring_jobs ADD CONSTRAINT poison CHECK (profile_id <> '$poison' OR status <> 'completed') NOT VALID");
begin('latency=300');
wait_for_end();
is(outcomes(), 'completed 9, failed invalid_json 1', 'a result that cannot be stored fails alone');
like($node->safe_psql($db, "SELECT error ->> 'message' FROM linkedin_ingest.scoring_jobs WHERE status = 'failed'"), qr/SQLSTATE 23514/,
	'with the code of the error');
is(scalar(calls()), 10, 'and is not asked for again');
$node->safe_psql($db, 'ALTER TABLE linkedin_ingest.scoring_jobs DROP CONSTRAINT poison');

arm('in-record', 'error', 1);
begin('latency=300');
wait_for_end();
is(outcomes(), 'completed 10', 'a batch that cannot be recorded is recorded row by row');
nothing_lost('record failed once', kills => 0);

arm('in-render', 'error', 2);
begin('latency=300');
wait_for_end();
is($node->safe_psql($db, "SELECT string_agg(n || ' with ' || claim_no, ', ' ORDER BY claim_no) FROM (SELECT claim_no, count(*) AS n FROM linkedin_ingest.scoring_jobs WHERE status = 'completed' GROUP BY claim_no) x"),
	'9 with 1, 1 with 2', 'a question that cannot be rendered comes again alone');
nothing_lost('render failed once', kills => 0, unrowed => 1);

# --- an error after a commit ends the worker, which gives back what it has lost sight of

for my $point ('after-claim-commit', 'after-record-commit')
{
	$log = -s $node->logfile;
	arm($point, 'error', 1);
	begin('latency=300');
	wait_for_end();
	is(outcomes(), 'completed 10', "error $point: all jobs complete");
	nothing_lost("error $point", kills => 1);
	like(slurp_file($node->logfile, $log), qr/fault "$point"/, "error $point: it was thrown");
}

$node->stop;
done_testing();
