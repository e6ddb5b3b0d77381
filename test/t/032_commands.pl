# Commands that want tables or a database to themselves, while calls are in
# flight and jobs wait: none takes longer than without a worker, none loses a job.

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# The goal is 2 s more than without a worker; a busy machine gets ten times that.
use constant MORE => 20;

my $model = start_model();
my $node = new_node('main', extension => 0, conf => <<'CONF');
linkedin_ingest.databases = 'busy, renamed, copy'
linkedin_ingest.max_jobs_per_profile_per_hour = 0
linkedin_ingest.max_in_flight = 20
linkedin_ingest.lease_interval = '4s'
linkedin_ingest.poll_interval = '10min'
allow_in_place_tablespaces = on
CONF
my $open = "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing')";
my %profile;

# Both have the extension and the same jobs; only "busy" has a worker.
for my $db ('busy', 'idle')
{
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, 'CREATE EXTENSION linkedin_ingest');
	$profile{$db} = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');
}

my %made = (busy => 0, idle => 0);

sub queue
{
	my ($db, $jobs) = @_;

	$made{$db} += $jobs;
	return $node->safe_psql($db,
		"SELECT count(linkedin_ingest.score_profile('$profile{$db}', 'CTO')) FROM generate_series(1, $jobs)");
}

# Jobs must not run out, however slow the machine.
sub top_up
{
	queue('busy', 300) if $node->safe_psql('busy', $open) < 300;
	return;
}

sub table_command
{
	top_up();
	return command(@_);
}

# Runs the command for both and compares; the text has the database's name as DB.
sub command
{
	my ($text, %option) = @_;
	my %seconds;

	for my $db ('idle', 'busy')
	{
		my $start = time;

		$node->safe_psql($option{in} // $db, $text =~ s/DB/$db/gr);
		$seconds{$db} = time - $start;
	}
	my $more = $seconds{busy} - $seconds{idle};
	diag(sprintf('%6.0f ms, %6.0f without a worker: %s', 1000 * $seconds{busy}, 1000 * $seconds{idle}, $text));
	cmp_ok($more, '<', MORE, $text);
	return;
}

# --- tables, while jobs run one after another

use_model($node, 'busy', $model, 'latency=200');
wait_for_worker($node, 'busy');
queue($_, 600) for 'idle', 'busy';
wait_for_sql($node, 'busy', 'SELECT count(*) > 20 FROM linkedin_ingest.scoring_attempts');

table_command('VACUUM FULL linkedin_ingest.scoring_jobs');
table_command('VACUUM FULL linkedin_ingest.scoring_attempts');
table_command('VACUUM FULL');
table_command('REINDEX TABLE linkedin_ingest.scoring_jobs');
table_command('REINDEX TABLE CONCURRENTLY linkedin_ingest.scoring_jobs');
table_command('REINDEX TABLE CONCURRENTLY linkedin_ingest.scoring_attempts');
table_command('CLUSTER linkedin_ingest.scoring_jobs USING scoring_jobs_pkey');
table_command('ALTER TABLE linkedin_ingest.scoring_jobs ADD COLUMN note text DEFAULT clock_timestamp()::text');
table_command('ALTER TABLE linkedin_ingest.scoring_attempts ADD COLUMN note text');
table_command('CREATE INDEX CONCURRENTLY own ON linkedin_ingest.scoring_jobs (note)');
table_command('ANALYZE linkedin_ingest.scoring_jobs');
table_command('DROP INDEX linkedin_ingest.own');
table_command('ALTER TABLE linkedin_ingest.scoring_jobs DROP COLUMN note');
cmp_ok($node->safe_psql('busy', $open), '>', 0, 'jobs were running all the while');
is($node->psql('busy', 'TRUNCATE linkedin_ingest.scoring_jobs'), 3, 'TRUNCATE of the jobs is refused: attempts point to them');

# A lock held for longer than the worker waits for one at a time (lease_interval / 4).
top_up();
my $locker = $node->background_psql('busy');
my $logged = -s $node->logfile;
$locker->query_safe('BEGIN; LOCK TABLE linkedin_ingest.scoring_jobs');
$node->wait_for_log(qr/worker waits: its tables are locked/, $logged);
pass_time($node, 'postgres', 3);
my $start = time;
$locker->query_safe('COMMIT');
$locker->quit;
wait_for_sql($node, 'busy', $open, '0');
diag(sprintf('%6.0f ms from the end of a lock to the last job', 1000 * (time - $start)));
my $waits = () = slurp_file($node->logfile, $logged) =~ /worker waits: its tables are locked/g;
is($waits, 1, 'a table locked for several time-outs is told once');

is($node->safe_psql('busy', "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status = 'completed' AND attempts = 1"),
	$made{busy}, 'every job is completed in its first try');
is(scalar(() = ledger($model)), $made{busy}, 'and was asked once');
is($node->safe_psql('busy', 'SELECT count(*) FROM linkedin_ingest.queue_anomalies'), '0', 'no anomalies');
is(join("\n", repeated_lines($node)), '', 'no loop in the log');
is(join("\n", grep { !/cannot truncate/ } error_lines($node)), '', 'no error');

# --- databases, while calls hang and jobs wait

use_model($node, 'busy', $model, 'hang');
queue('busy', 500);
wait_for_inflight($model, 20);
$node->safe_psql('postgres', "CREATE TABLESPACE here LOCATION ''");

command('ALTER DATABASE DB SET TABLESPACE here', in => 'postgres');
wait_for_inflight($model, 20);
command('CREATE DATABASE copy_of_DB TEMPLATE DB', in => 'postgres');
wait_for_inflight($model, 20);
command('BEGIN; ALTER DATABASE DB RENAME TO renamed; ROLLBACK', in => 'postgres');
wait_for_inflight($model, 20);
command("ALTER DATABASE DB RENAME TO renamed;\nALTER DATABASE renamed RENAME TO DB", in => 'postgres');
wait_for_inflight($model, 20);

# All jobs taken away: their calls are ended.
command('TRUNCATE linkedin_ingest.scoring_jobs CASCADE');
wait_for_inflight($model, 0);
is($node->safe_psql('busy', 'SELECT count(*) FROM linkedin_ingest.queue_anomalies'), '0', 'no anomalies after TRUNCATE CASCADE');
queue('busy', 500);
wait_for_inflight($model, 20);

# The way out must not wait for the calls either.
my $pid = worker_pid($node, 'busy');
command('DROP EXTENSION linkedin_ingest CASCADE');
wait_for_sql($node, 'postgres', "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid", '0', 20);
wait_for_inflight($model, 0);
pass('DROP EXTENSION ends the calls and the worker');

# Again: DROP DATABASE.
$node->safe_psql('busy', 'CREATE EXTENSION linkedin_ingest');
$profile{busy} = ingest($node, 'busy', 'cassidy/marisol-okonkwo-reyes');
use_model($node, 'busy', $model, 'hang');
queue('busy', 50);
wait_for_inflight($model, 20);
command('DROP DATABASE DB', in => 'postgres');
wait_for_inflight($model, 0);
pass('DROP DATABASE ends the calls');

is(join("\n", repeated_lines($node, 12)), '', 'no loop in the log');
is(join("\n", grep { !/cannot truncate/ } error_lines($node)), '', 'no error');
$node->stop;
done_testing();
