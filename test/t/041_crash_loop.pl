# A worker that crashes again and again takes the server with it each time: it is
# not started any more until somebody asks for it.

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $model = start_model();
my $node = new_node('main', model => $model, crash => 1);
my $db = 'postgres';
my $log = 0;

$node->safe_psql($db, 'CREATE DATABASE innocent');
$node->safe_psql('innocent', 'CREATE EXTENSION linkedin_ingest');

# Kills the worker as often, each time once it runs.
sub crash
{
	my ($times) = @_;

	for (1 .. $times)
	{
		wait_for_sql($node, $db, q{SELECT string_agg(state, ' ') FROM linkedin_ingest.worker_status}, 'running');
		my $log = -s $node->logfile;

		kill 'KILL', worker_pid($node, $db);
		$node->wait_for_log(qr/ready to accept connections/, $log);
	}
	return;
}

sub is_stopped
{
	my ($what) = @_;

	wait_for_sql($node, $db, 'SELECT state FROM linkedin_ingest.worker_status', 'stopped');
	like($node->safe_psql($db, 'SELECT reason FROM linkedin_ingest.worker_status'), qr/crashed too often .* resume_worker\(\)/, "$what: stopped, with the reason");
	is($node->safe_psql($db, "SELECT linkedin_ingest.health() ->> 'status'"), 'down', "$what: health is down");
	is($node->safe_psql($db, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'linkedin_ingest worker' AND datname = '$db'"), '0', "$what: no worker");
	return;
}

# --- eight crashes; an exit in order does not count

my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');
crash(7);
my $pid = wait_for_worker($node, $db);
$node->safe_psql($db, "SELECT pg_terminate_backend($pid)");
wait_for_sql($node, $db, "SELECT pid <> $pid AND state = 'running' FROM linkedin_ingest.worker_status");
pass('seven crashes and an exit: it is started again');
crash(1);
is_stopped('eight crashes');

my $job = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO')");
wait_for_worker($node, 'innocent');
pass('the worker of another database runs, though it was ended as often');
$node->safe_psql('innocent', 'SELECT linkedin_ingest.pause_worker()');
$node->safe_psql('innocent', 'SELECT linkedin_ingest.resume_worker()');
is_stopped('asked for elsewhere');
is(job_status($node, $db, $job), 'pending', 'jobs wait');
is(scalar(() = slurp_file($node->logfile) =~ /database "postgres" crashed 8 times within 5 minutes and is not started again/g), 1, 'one line in the log');
like(slurp_file($node->logfile), qr/HINT:  Look above for how it ended\./, 'with a hint');

# --- what starts it again

$node->safe_psql($db, 'SELECT linkedin_ingest.resume_worker()');
is($node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$job', '60 s')"), 'completed', 'resume_worker() starts it again');
is($node->safe_psql($db, "SELECT linkedin_ingest.health() ->> 'status'"), 'ok', 'and health is ok');

crash(8);
is_stopped('five more');
$node->reload;
wait_for_worker($node, $db);
pass('a reload of the configuration starts it again');

crash(8);
is_stopped('and five more');
$node->safe_psql($db, 'DROP EXTENSION linkedin_ingest');
$node->safe_psql($db, 'CREATE EXTENSION linkedin_ingest');
wait_for_worker($node, $db);
pass('CREATE EXTENSION starts it again');

$node->stop;
done_testing();
