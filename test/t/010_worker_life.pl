# The launcher finds databases by itself, and a worker is in nobody's way.

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $running = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'linkedin_ingest worker'"
  . " AND datname = ";

my $node = new_node('main', extension => 0,
	conf => "linkedin_ingest.poll_interval = '1h'\nlog_min_messages = info");

# --- found without a setting, gone with the extension

wait_for_sql($node, 'postgres',
	"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'linkedin_ingest launcher'", '1');
$node->safe_psql('postgres', 'CREATE DATABASE one');
$node->safe_psql('postgres', 'CREATE DATABASE two');

my $start = time;
$node->safe_psql('one', 'CREATE EXTENSION linkedin_ingest');
wait_for_sql($node, 'postgres', "$running 'one'", '1', 20);
note(sprintf('worker up %.0f ms after CREATE EXTENSION', 1000 * (time - $start)));
is($node->safe_psql('postgres', "$running 'two'"), '0', 'no worker where the extension is not');
wait_for_worker($node, 'one');
pass('worker_status shows a running worker');

$node->safe_psql('two', 'BEGIN; CREATE EXTENSION linkedin_ingest; ROLLBACK');
$node->safe_psql('two', 'CREATE EXTENSION linkedin_ingest');
wait_for_sql($node, 'postgres', "$running 'two'", '1', 20);
$node->safe_psql('two', 'BEGIN; DROP EXTENSION linkedin_ingest; ROLLBACK');
is($node->safe_psql('postgres', "$running 'two'"), '1', 'a rolled back DROP EXTENSION keeps the worker');
$node->safe_psql('two', 'DROP EXTENSION linkedin_ingest');
wait_for_sql($node, 'postgres', "$running 'two'", '0', 20);
pass('DROP EXTENSION ends the worker, without a poll');
$node->safe_psql('two', 'CREATE EXTENSION linkedin_ingest');
wait_for_sql($node, 'postgres', "$running 'two'", '1', 20);
pass('CREATE EXTENSION starts it again');

# --- databases that others want to themselves

$node->safe_psql('postgres', 'ALTER DATABASE two RENAME TO three');
wait_for_sql($node, 'postgres', "$running 'three'", '1', 20);
pass('a renamed database gets its worker back');
$node->safe_psql('postgres', 'CREATE DATABASE four TEMPLATE three');
wait_for_sql($node, 'postgres', "$running 'four'", '1', 20);
wait_for_sql($node, 'postgres', "$running 'three'", '1', 20);
pass('CREATE DATABASE TEMPLATE: both have a worker');
$start = time;
$node->safe_psql('postgres', 'DROP DATABASE four');
cmp_ok(time - $start, '<', 4, 'DROP DATABASE does not run into its own five seconds');
$node->safe_psql('postgres', 'CREATE DATABASE five');
$node->safe_psql('postgres', 'DROP DATABASE five');
pass('template1 is not in use by us');

# --- processes that end

my $pid = worker_pid($node, 'one');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
wait_for_sql($node, 'one',
	"SELECT pid <> $pid FROM linkedin_ingest.worker_status WHERE state = 'running'", 't', 30);
pass('a terminated worker is replaced');

my $launcher = $node->safe_psql('postgres',
	"SELECT pid FROM pg_stat_activity WHERE backend_type = 'linkedin_ingest launcher'");
$pid = worker_pid($node, 'one');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($launcher)");
wait_for_sql($node, 'postgres',
	"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'linkedin_ingest launcher' AND pid <> $launcher",
	'1', 30);
is(worker_pid($node, 'one'), $pid, 'a restarted launcher adopts the live worker');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
wait_for_sql($node, 'one',
	"SELECT pid <> $pid FROM linkedin_ingest.worker_status WHERE state = 'running'", 't', 30);
pass('and starts its successor');

# --- settings

$node->append_conf('postgresql.conf', "linkedin_ingest.databases = 'three'");
$node->reload;
wait_for_sql($node, 'postgres', "$running 'one'", '0', 20);
is($node->safe_psql('postgres', "$running 'three'"), '1', 'databases narrows the choice');
isnt($node->safe_psql('one', 'SELECT reason FROM linkedin_ingest.worker_status'), '',
	'worker_status says why none runs');
$node->append_conf('postgresql.conf', "linkedin_ingest.databases = ''");
$node->reload;
wait_for_sql($node, 'postgres', "$running 'one'", '1', 20);
pass('and widens it again');

$start = time;
$node->restart;
wait_for_sql($node, 'postgres', "$running 'one'", '1', 20);
note(sprintf('restart to worker: %.0f ms', 1000 * (time - $start)));
pass('the worker is back after a restart');

my $log = slurp_file($node->logfile);
unlike($log, qr/ERROR|PANIC|TRAP/, 'no error in the log');

$node->stop;
done_testing();
