# Another version of the extension than the library's, pg_upgrade, binary upgrade
# mode and single-user mode.

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $model = start_model();
my $node = new_node('main', model => $model, conf => <<'CONF');
linkedin_ingest.max_jobs_per_profile_per_hour = 0
linkedin_ingest.max_in_flight = 10
linkedin_ingest.poll_interval = '1s'
CONF
my $db = 'postgres';
my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');
my $state = 'SELECT state, reason FROM linkedin_ingest.worker_status';
my $open = "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing')";
my $version = $node->safe_psql($db, "SELECT extversion FROM pg_extension WHERE extname = 'linkedin_ingest'");
my $made = 0;

sub queue
{
	my ($jobs) = @_;

	$made += $jobs;
	return $node->safe_psql($db,
		"SELECT count(linkedin_ingest.score_profile('$profile', 'CTO')) FROM generate_series(1, $jobs)");
}

# --- the next version, and back

my $folder = qx{pg_config --sharedir};
chomp $folder;
my @scripts = ("$folder/extension/linkedin_ingest--$version--9.9.sql", "$folder/extension/linkedin_ingest--9.9--$version.sql");
append_to_file($_, "SELECT 1;\n") for @scripts;
END { unlink @scripts if @scripts }

wait_for_worker($node, $db);
use_model($node, $db, $model, 'latency=2000');
queue(30);
wait_for_inflight($model, 10);
my $start = time;
$node->safe_psql($db, "ALTER EXTENSION linkedin_ingest UPDATE TO '9.9'");
diag(sprintf('%.0f ms for ALTER EXTENSION UPDATE with 10 calls in flight', 1000 * (time - $start)));
cmp_ok(time - $start, '<', 20, 'ALTER EXTENSION UPDATE waits for no call');
wait_for_sql($node, $db, "SELECT state = 'paused' AND reason ~ 'version' FROM linkedin_ingest.worker_status");
diag(sprintf('%.0f ms until worker_status says why', 1000 * (time - $start)));
like($node->safe_psql($db, "SELECT query FROM pg_stat_activity WHERE backend_type = 'linkedin_ingest worker'"),
	qr/^paused: .*version/, 'pg_stat_activity says it too');

# The calls end: their answers are kept until they can be recorded.
wait_for_inflight($model, 0);
my $rows = "SELECT md5(string_agg(j::text, ' ' ORDER BY id)) FROM linkedin_ingest.scoring_jobs j";
my $before = $node->safe_psql($db, $rows);
pass_time($node, $db, 3);
is($node->safe_psql($db, $rows), $before, 'another version: no job row changes');
is(scalar(() = ledger($model)), 10, 'nobody is called');
is(join("\n", repeated_lines($node, 1)), '', 'it is told once, and nothing else');

use_model($node, $db, $model);
$node->safe_psql($db, "ALTER EXTENSION linkedin_ingest UPDATE TO '$version'");
wait_for_sql($node, $db, $open, '0');
is(scalar(() = ledger($model)), 30, 'back again: the answers were kept, each job was asked once');
is($node->safe_psql($db, "SELECT status, attempts, count(*) FROM linkedin_ingest.scoring_jobs GROUP BY 1, 2"), 'completed|1|30', 'in its first try');
is($node->safe_psql($db, $state), 'running|', 'worker_status');

# Found at the start of the server, it keeps no other database from its worker.
use_model($node, $db, $model, 'hang');
queue(15);
wait_for_inflight($model, 10);
$node->safe_psql($db, "ALTER EXTENSION linkedin_ingest UPDATE TO '9.9'");
wait_for_sql($node, $db, 'SELECT state FROM linkedin_ingest.worker_status', 'paused');
$node->safe_psql($db, 'CREATE DATABASE later');
$node->safe_psql('later', "CREATE EXTENSION linkedin_ingest VERSION '$version'");
wait_for_worker($node, 'later');
$node->restart;
wait_for_worker($node, 'later');
pass('another version in one database: the others have their workers');
wait_for_sql($node, $db, "SELECT state = 'paused' AND reason ~ 'version' FROM linkedin_ingest.worker_status");
is($node->safe_psql($db, "SELECT status, attempts, count(*) FROM linkedin_ingest.scoring_jobs WHERE status <> 'completed' GROUP BY 1, 2"),
	'pending|0|15', 'jobs in flight were handed back, uncharged');
use_model($node, $db, $model);
$node->safe_psql($db, "ALTER EXTENSION linkedin_ingest UPDATE TO '$version'");
wait_for_sql($node, $db, $open, '0');
pass('and its own goes on after the update');
is(join("\n", error_lines($node)), '', 'no error in the log');

# --- binary upgrade mode

use_model($node, $db, $model, 'hang');
queue(15);
wait_for_inflight($model, 10);
$node->stop;
my $calls = () = ledger($model);
my $data = $node->data_dir;
my $bindir = $node->config_data('--bindir');
my $log = $node->logfile;
command_ok([ 'pg_ctl', '-w', '-D', $data, '-l', $log, '-o', '-b', 'start' ], 'postgres -b');
is($node->safe_psql($db, "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'linkedin_ingest%'"), '0', 'postgres -b: no launcher, no worker');
isnt($node->safe_psql($db, 'SELECT reason FROM linkedin_ingest.worker_status'), '', 'worker_status says why');
is($node->safe_psql($db, $open), '15', 'the jobs wait');
command_ok([ 'pg_ctl', '-w', '-D', $data, 'stop' ], 'and it stops');

# --- single-user mode

my ($out, $err);
IPC::Run::run([ 'postgres', '--single', '-F', '-D', $data, $db ], '<', \"SELECT 'made ' || linkedin_ingest.score_profile('$profile', 'CIO', priority => 9) AS job\n",
	'>', \$out, '2>', \$err) or diag($err);
$made++;
like($out, qr/job = "made [0-9a-f-]{36}"/, 'single-user mode: a job is queued');
unlike($err, qr/ERROR|FATAL/, 'no error');
is(scalar(() = ledger($model)), $calls, 'and nobody is called');

# --- pg_upgrade

sub snapshot { return $_[0]->safe_psql($db, "SELECT (SELECT md5(string_agg(j::text, ' ' ORDER BY id)) FROM linkedin_ingest.scoring_jobs j), (SELECT md5(string_agg(a::text, ' ' ORDER BY job_id, attempt)) FROM linkedin_ingest.scoring_attempts a), (SELECT md5(string_agg(t::text, ' ' ORDER BY id)) FROM linkedin_ingest.prompt_templates t), (SELECT count(*) FROM linkedin_ingest.seeds)") }

command_ok([ 'pg_ctl', '-w', '-D', $data, '-l', $log, '-o', '-b', 'start' ], 'a look at the rows');
my $rows_before = snapshot($node);
command_ok([ 'pg_ctl', '-w', '-D', $data, 'stop' ], 'which ends');
my $new = PostgreSQL::Test::Cluster->new('new');
$new->init(extra => [ '--encoding=UTF8' ]);
$new->append_conf('postgresql.conf', "shared_preload_libraries = 'linkedin_ingest'\nlinkedin_ingest.max_jobs_per_profile_per_hour = 0\nlinkedin_ingest.poll_interval = '500ms'");
my @upgrade = ('pg_upgrade', '--no-sync', '-d', $data, '-D', $new->data_dir, '-b', $bindir, '-B', $bindir, '-s', $new->host, '-p', $node->port, '-P', $new->port);
chdir $PostgreSQL::Test::Utils::tmp_check;
command_ok([ @upgrade, '--check' ], 'pg_upgrade --check');
command_ok(\@upgrade, 'pg_upgrade');
is(scalar(() = ledger($model)), $calls, 'pg_upgrade calls nobody');
$new->start;
wait_for_worker($new, $db, 'paused');
like($new->safe_psql($db, $state), qr/^paused\|the jobs belong to another cluster; call resume_worker/, 'the new cluster is a copy');
pass_time($new, $db, 1.5);
is(snapshot($new), $rows_before, 'it has the rows of the old one');
is(scalar(() = ledger($model)), $calls, 'and nobody is called');
is(join("\n", repeated_lines($new, 1)), '', 'told once');
use_model($new, $db, $model);
$new->safe_psql($db, 'SELECT linkedin_ingest.resume_worker()');
wait_for_sql($new, $db, $open, '0');
is($new->safe_psql($db, "SELECT status, count(*) FROM linkedin_ingest.scoring_jobs GROUP BY 1"), "completed|$made", 'after resume_worker() all jobs are completed');
is($new->safe_psql($db, 'SELECT count(*) FROM linkedin_ingest.queue_anomalies'), '0', 'no anomalies');
is(join("\n", error_lines($new)), '', 'no error in the log');
$new->stop;
done_testing();
