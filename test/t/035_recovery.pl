# Point-in-time recovery spends nothing; a switchover between listed hosts goes on
# by itself.  A host without /etc/machine-id cannot be listed and stays paused.

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# The goal is 5 s; a busy machine gets ten times that.
use constant GOES_ON => 50;

my $model = start_model();
my $conf = "linkedin_ingest.max_jobs_per_profile_per_hour = 0\nlinkedin_ingest.max_in_flight = 20\n";
my $node = new_node('main', model => $model, standby => 1, conf => $conf);
my $db = 'postgres';
my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');
my $host = $node->safe_psql($db, 'SELECT host_id FROM linkedin_ingest.this_home()');
my $open = "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing')";
my $rows = "SELECT md5(string_agg(j::text, ' ' ORDER BY id)) FROM linkedin_ingest.scoring_jobs j";
my $state = "SELECT state, reason FROM linkedin_ingest.worker_status WHERE kind = 'worker'";

$node->enable_archiving;
$node->restart;
wait_for_worker($node, $db);

sub queue
{
	my ($on, $role, $jobs) = @_;

	return $on->safe_psql($db,
		"SELECT count(linkedin_ingest.score_profile('$profile', '$role')) FROM generate_series(1, $jobs)");
}

# --- point-in-time recovery: base backup, archive, a time between

use_model($node, $db, $model, 'hang');
queue($node, 'CTO', 3);
wait_for_inflight($model, 3);
$node->backup('base');
queue($node, 'CIO', 4);
wait_for_inflight($model, 7);
my $target = $node->safe_psql($db, 'SELECT clock_timestamp()');
queue($node, 'CISO', 5);
wait_for_inflight($model, 12);
my $wal = $node->safe_psql($db, 'SELECT pg_walfile_name(pg_current_wal_insert_lsn())');
$node->safe_psql($db, 'SELECT pg_switch_wal()');
wait_for_sql($node, $db, "SELECT last_archived_wal >= '$wal' FROM pg_stat_archiver");

my $recovered = PostgreSQL::Test::Cluster->new('recovered');
$recovered->init_from_backup($node, 'base', has_restoring => 1, standby => 0);
$recovered->append_conf('postgresql.conf',
	"archive_mode = off\nrecovery_target_time = '$target'\nrecovery_target_action = 'promote'\nlinkedin_ingest.poll_interval = '500ms'");
my $calls = () = ledger($model);
$recovered->start;
wait_for_worker($recovered, $db, 'paused');
like($recovered->safe_psql($db, $state), qr/the timeline is 2, the jobs belong to 1 .*resume_worker/, 'recovered to a time: paused, with the reason');
is($recovered->safe_psql($db, "SELECT count(*) FILTER (WHERE role = 'CTO'), count(*) FILTER (WHERE role = 'CIO'), count(*) FILTER (WHERE role = 'CISO') FROM linkedin_ingest.scoring_jobs"),
	'3|4|0', 'it has what there was at that time');
is($recovered->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status = 'processing'"), '7', 'claims of its original among it');
my $before = $recovered->safe_psql($db, $rows);
pass_time($recovered, $db, 2);
is($recovered->safe_psql($db, $rows), $before, 'no job row changes');
is(scalar(() = ledger($model)), $calls, 'nobody is called');
is(join("\n", repeated_lines($recovered, 1)), '', 'told once');
use_model($recovered, $db, $model);
$recovered->safe_psql($db, 'SELECT linkedin_ingest.resume_worker()');
wait_for_sql($recovered, $db, $open, '0');
is($recovered->safe_psql($db, 'SELECT status, attempts, count(*) FROM linkedin_ingest.scoring_jobs GROUP BY 1, 2'), 'completed|1|7',
	'after resume_worker() its jobs run, the copied claims uncharged');
$recovered->stop;

# --- a copy on a listed host, without a promotion

my $copy = PostgreSQL::Test::Cluster->new('copy');
$node->backup('copy');
$copy->init_from_backup($node, 'copy');
$copy->append_conf('postgresql.conf', "archive_mode = off\nlinkedin_ingest.home_hosts = '$host'");
$calls = () = ledger($model);
$copy->start;
wait_for_worker($copy, $db, 'paused');
isnt($copy->safe_psql($db, $state), 'paused|', 'a copy that was not promoted is paused on a listed host too');
is(scalar(() = ledger($model)), $calls, 'and calls nobody');
$copy->stop;

# --- switchover between listed hosts, there and back

use_model($node, $db, $model);
my %node = (main => $node);
$node->append_conf('postgresql.conf', "linkedin_ingest.home_hosts = '$host, another'\narchive_mode = off");
$node->restart;
wait_for_sql($node, $db, $open, '0');
control($model, 'POST', 'reset');
$node->safe_psql($db, 'TRUNCATE linkedin_ingest.scoring_jobs CASCADE');
$node->backup('standby');
$node{standby} = PostgreSQL::Test::Cluster->new('standby');
$node{standby}->init_from_backup($node, 'standby', has_streaming => 1);
$node{standby}->start;
use_model($node, $db, $model, 'latency=300');
queue($node, 'CTO', 400);
my ($from, $to) = ('main', 'standby');
my $completed = 50;
for my $turn ('there', 'back')
{
	my $start;

	wait_for_sql($node{$from}, $db, "SELECT count(*) > $completed FROM linkedin_ingest.scoring_jobs WHERE status = 'completed'");
	$completed += 100;
	$node{$from}->stop;
	my $seq = (ledger($model))[-1]{seq};
	$start = time;
	$node{$to}->promote;
	if ($host eq '')
	{
		wait_for_worker($node{$to}, $db, 'paused');
		$node{$to}->safe_psql($db, 'SELECT linkedin_ingest.resume_worker()');
	}
	while (1)
	{
		last if (ledger($model))[-1]{seq} > $seq;
		die 'the new server does not go on' if time > $start + GOES_ON + 10;
	}
	my $took = time - $start;
	diag(sprintf('%s: %.0f ms from the promotion to the first call', $turn, 1000 * $took));
	cmp_ok($took, '<', GOES_ON, "switchover $turn: the new server goes on by itself");
	# The old one follows.
	$node{$from}->set_standby_mode;
	$node{$from}->enable_streaming($node{$to});
	$node{$from}->start;
	is($node{$from}->safe_psql($db, "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'linkedin_ingest%'"), '0', 'the old one is a standby without a worker');
	$node{$to}->wait_for_catchup($node{$from}->name);
	($from, $to) = ($to, $from);
}
wait_for_sql($node{$from}, $db, $open, '0');
is($node{$from}->safe_psql($db, 'SELECT status, attempts, count(*) FROM linkedin_ingest.scoring_jobs GROUP BY 1, 2'), 'completed|1|400',
	'every job is completed once, what was in flight at a switch uncharged');
is($node{$from}->safe_psql($db, 'SELECT count(*) FROM linkedin_ingest.scoring_attempts'), scalar(() = ledger($model)), 'every call is on record');
is($node{$from}->safe_psql($db, 'SELECT count(*) FROM linkedin_ingest.queue_anomalies'), '0', 'no anomalies');
is(join("\n", map { repeated_lines($_) } values %node), '', 'no loop in the logs');
$_->stop for values %node;
done_testing();
