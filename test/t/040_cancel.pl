# Cancelling many jobs: quick, felt by calls in flight, and never in a deadlock
# with the worker, whatever a session has locked and in which order.

use strict;
use warnings FATAL => 'all';

use JSON::PP ();
use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $model = start_model();
my $node = new_node('main', model => $model,
	conf => "linkedin_ingest.max_jobs_per_profile_per_hour = 0\nlog_lock_waits = on\ndeadlock_timeout = '200ms'");
my $db = 'postgres';
my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');

wait_for_worker($node, $db);

sub score
{
	my ($role, $after) = @_;

	return $node->safe_psql($db,
		"SELECT linkedin_ingest.score_profile('$profile', '$role'" . ($after ? ", after_job => '$after'" : '') . ')');
}

# What a listener hears within some seconds, until it has heard so much.
sub heard
{
	my ($listener, $pattern) = @_;
	my $heard = '';

	for (1 .. 200)
	{
		$heard .= $listener->query('SELECT pg_sleep(0.05)');
		last if $heard =~ $pattern;
	}
	return $heard;
}

# Until so many calls have come and been answered since the ledger was emptied.
sub wait_for_answers
{
	my ($count) = @_;
	my $deadline = time + 60;

	until (JSON::PP::decode_json(control($model, 'GET', 'ledger?count=1'))->{calls} >= $count)
	{
		die "waited for $count calls\n" if time > $deadline;
		select undef, undef, undef, 0.05;
	}
	wait_for_inflight($model, 0);
	return;
}

# --- calls in flight

use_model($node, $db, $model, 'hang');
my @jobs = map { score('CTO') } 1 .. 20;
my $waiting = score('CIO', $jobs[0]);
wait_for_inflight($model, 20);
my $listener = $node->background_psql($db);
$listener->query_safe('LISTEN linkedin_ingest');
my $start = time;
is($node->safe_psql($db, "SELECT linkedin_ingest.cancel_jobs('cto')"), '21', 'twenty in flight and one that waits are cancelled');
wait_for_inflight($model, 0);
my $took = time - $start;
cmp_ok($took, '<', 1.5, sprintf('the calls are aborted at once (%.0f ms, psql and polling included)', 1000 * $took));
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_attempts WHERE outcome = 'cancelled' AND error_code = 'cancelled'", '20');
pass('and recorded as cancelled');
is($node->safe_psql($db, "SELECT string_agg(DISTINCT error ->> 'code', ' ') FROM linkedin_ingest.scoring_jobs WHERE role = 'CTO' AND status = 'cancelled'"),
	'cancelled', 'each job tells why');
is($node->safe_psql($db, "SELECT error ->> 'code' FROM linkedin_ingest.scoring_jobs WHERE id = '$waiting'"), 'dependency_failed', 'the one that waited too');
my $heard = heard($listener, qr/$waiting/);
is(scalar(() = $heard =~ /"status" : "cancelled"/g), 21, 'each is notified');

# --- a hundred thousand

$node->safe_psql($db, 'SELECT linkedin_ingest.pause_worker()');
my $count = 100_000;
$node->safe_psql($db, qq{
	SELECT count(*) FROM linkedin_ingest.score_profiles(ARRAY(SELECT '$profile'::uuid FROM generate_series(1, $count)), 'CTO')});
$start = time;
is($node->safe_psql($db, 'SELECT linkedin_ingest.cancel_jobs()'), $count, "$count pending jobs in one statement");
$took = time - $start;
cmp_ok($took, '<', 100, sprintf('within seconds (%.1f s)', $took));
$heard = heard($listener, qr/"jobs" : $count/);
like($heard, qr/"job_id" : null, "status" : "cancelled", "jobs" : $count/, 'one notice tells of all');
is(scalar(() = $heard =~ /Asynchronous notification/g), 1, 'and no other');
$listener->quit;
$node->safe_psql($db, 'SELECT linkedin_ingest.resume_worker()');

# --- a session that cancels in whichever order, beside the record

# It holds the job that waits, then comes for the one that is being recorded.
# The worker is let go once the lock is there.
$node->safe_psql($db, 'SELECT linkedin_ingest.pause_worker()');
use_model($node, $db, $model, 'latency=100');
my ($first, $other) = (score('CTO'), score('CISO'));
my $second = score('CIO', $first);
my $session = $node->background_psql($db, on_error_stop => 0);
$session->query_safe('BEGIN');
is($session->query_safe("SELECT linkedin_ingest.cancel_job('$second')"), 't', 'a session cancels the job that waits, and keeps it locked');
control($model, 'POST', 'reset');
$node->safe_psql($db, 'SELECT linkedin_ingest.resume_worker()');
is($node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$other', '30 s')"), 'completed', 'the worker goes on with others meanwhile');
wait_for_answers(2);
is(job_status($node, $db, $first), 'processing', 'and leaves the one that it cannot end');
is($node->safe_psql($db, "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = " . worker_pid($node, $db)), '0', 'it waits for no lock');
is($session->query_safe("SELECT linkedin_ingest.cancel_job('$first')"), 't', 'the session comes for that one too: no deadlock');
$session->query_safe('COMMIT');
is($node->safe_psql($db, "SELECT string_agg(status, ' ') FROM linkedin_ingest.scoring_jobs WHERE id IN ('$first', '$second')"), 'cancelled cancelled', 'both are cancelled');
wait_for_sql($node, $db, "SELECT string_agg(outcome, ' ') FROM linkedin_ingest.scoring_attempts WHERE job_id = '$first'", 'cancelled');
pass('the call that was made is on record');

# The same, and the session gives up: the job is recorded then.
$node->safe_psql($db, 'SELECT linkedin_ingest.pause_worker()');
$first = score('CTO');
$second = score('CIO', $first);
$session->query_safe('BEGIN');
$session->query_safe("SELECT linkedin_ingest.cancel_job('$second')");
control($model, 'POST', 'reset');
$node->safe_psql($db, 'SELECT linkedin_ingest.resume_worker()');
wait_for_answers(1);
is(job_status($node, $db, $first), 'processing', 'answered, and not recorded yet');
$session->query_safe('ROLLBACK');
is($node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$second', '30 s')"), 'completed', 'a cancel that is rolled back: both run');

# --- a profile that somebody has locked, as a DELETE does before it comes to the jobs

my $bystander = ingest($node, $db, 'cassidy/torvald-aberg-lindqvist');
$node->safe_psql($db, 'SELECT linkedin_ingest.pause_worker()');
$first = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$bystander', 'CTO')");
$session->query_safe('BEGIN');
$session->query_safe("SELECT FROM linkedin_ingest.profiles WHERE id = '$bystander' FOR UPDATE");
$node->safe_psql($db, 'SELECT linkedin_ingest.resume_worker()');
is($node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$first', '30 s')"), 'completed', 'the record does not wait for the profile');
$session->query_safe("DELETE FROM linkedin_ingest.profiles WHERE id = '$bystander'");
$session->query_safe('COMMIT');
is($node->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.latest_scores WHERE profile_id = '$bystander'"), '0', 'everything goes with the profile');

# Deleted in a transaction that stays open while the answer arrives, and after a
# cancel: the worker waits for neither.
use_model($node, $db, $model, 'latency=3000');
$bystander = ingest($node, $db, 'cassidy/torvald-aberg-lindqvist');
$first = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$bystander', 'CTO')");
wait_for_inflight($model, 1);
$session->query_safe('BEGIN');
$session->query_safe("DELETE FROM linkedin_ingest.profiles WHERE id = '$bystander'");
$other = score('CISO');
is($node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$other', '30 s')"), 'completed', 'an uncommitted DELETE of a profile holds up no other job');
$session->query_safe('ROLLBACK');
is($node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$first', '30 s')"), 'completed', 'nor is its own job lost when it is rolled back');

use_model($node, $db, $model, 'hang');
$first = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$bystander', 'CTO')");
wait_for_inflight($model, 1);
$session->query_safe('BEGIN');
$session->query_safe("SELECT linkedin_ingest.cancel_job('$first')");
$session->query_safe("DELETE FROM linkedin_ingest.profiles WHERE id = '$bystander'");
$session->query_safe('COMMIT');
wait_for_inflight($model, 0);
pass('cancelled and deleted in one transaction: the call is aborted');
$session->quit;

unlike(slurp_file($node->logfile), qr/deadlock detected/, 'there was no deadlock');
is($node->safe_psql($db, 'SELECT count(*) FROM linkedin_ingest.queue_anomalies'), '0', 'no anomalies');
$node->stop;
done_testing();
