# A copy spends nothing: a restored dump, a database made with TEMPLATE, a copied
# data directory and a promoted standby call nobody until resume_worker().

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $model = start_model();
my $node = new_node('main', model => $model, standby => 1,
	conf => "linkedin_ingest.max_jobs_per_profile_per_hour = 0\nlinkedin_ingest.poll_interval = '500ms'");
my $db = 'postgres';
my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');

wait_for_worker($node, $db);
my $job = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO')");
is($node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$job', '30 s')"), 'completed',
	'a new database works without ceremony');

# Jobs in flight and waiting while the copies are made.
use_model($node, $db, $model, 'hang');
$node->safe_psql($db, "SELECT count(linkedin_ingest.score_profile('$profile', 'CIO')) FROM generate_series(1, 3)");
wait_for_inflight($model, 3);
$node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CISO', run_at => now() + '1 h')");

# --- copies

$node->backup('copy');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
$node->run_log([ 'pg_dump', '-d', $node->connstr($db), '-f', $dump ]);

# What a copy must not touch.
my $rows = "SELECT md5(string_agg(j::text, ' ' ORDER BY id)) FROM linkedin_ingest.scoring_jobs j WHERE status IN ('pending', 'processing')";

# Checks that the database of a node is paused and that nobody was called from
# it: its jobs are due, and the model server's ledger does not grow.
sub calls_nobody
{
	my ($copy, $name, $what) = @_;
	my $before = () = ledger($model);

	# Due jobs, as the copy has them and one more that arrives now.
	my $new = $copy->safe_psql($name, "SELECT linkedin_ingest.score_profile('$profile', 'CTO')");
	wait_for_sql($copy, $name, "SELECT state FROM linkedin_ingest.worker_status WHERE kind = 'worker'", 'paused');
	like($copy->safe_psql($name, "SELECT reason FROM linkedin_ingest.worker_status WHERE kind = 'worker'"),
		qr/resume_worker/, "$what: paused, with the reason");
	my $frozen = $copy->safe_psql($name, $rows);
	# Several polls of the copy's worker, seen by its own count.
	wait_for_sql($copy, $name, "SELECT now() > xact.t + '1500 ms' FROM (SELECT created_at AS t FROM linkedin_ingest.scoring_jobs WHERE id = '$new') xact");
	is($copy->safe_psql($name, $rows), $frozen, "$what: no job row changes");
	is(scalar(() = ledger($model)), $before, "$what: nobody is called");
	return;
}

# Resumes a copy and checks that its jobs run, the foreign ones uncharged.
sub resumes
{
	my ($copy, $name, $what) = @_;

	use_model($copy, $name, $model);
	$copy->safe_psql($name, 'SELECT linkedin_ingest.resume_worker()');
	wait_for_sql($copy, $name, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing') AND run_at <= now()", '0');
	is($copy->safe_psql($name, "SELECT count(*), max(attempts) FROM linkedin_ingest.scoring_jobs WHERE role = 'CIO' AND status = 'completed'"),
		'3|1', "$what: runs after resume_worker(), the copied claims uncharged");
	is($copy->safe_psql($name, 'SELECT count(*) FROM linkedin_ingest.queue_anomalies'), '0', "$what: no anomalies");
	return;
}

# A dump in another database of the same server.
$node->safe_psql($db, 'CREATE DATABASE restored');
$node->run_log([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump ]);
wait_for_worker($node, 'restored', 'paused');
calls_nobody($node, 'restored', 'restored dump');
resumes($node, 'restored', 'restored dump');

# A copy whose jobs have all ended is one all the same, and says so: the next
# job would wait.
$node->safe_psql($db, 'CREATE DATABASE ended');
$node->run_log([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('ended'), '-f', $dump ]);
$node->safe_psql('ended', q{
	UPDATE linkedin_ingest.scoring_jobs SET status = 'cancelled', completed_at = now() WHERE status IN ('pending', 'processing')});
wait_for_sql($node, 'ended', "SELECT state || ' ' || (reason ~ 'resume_worker') FROM linkedin_ingest.worker_status WHERE kind = 'worker'", 'paused true');
is($node->safe_psql('ended', "SELECT linkedin_ingest.health() ->> 'status'"), 'degraded', 'a copy of ended jobs is paused too');
calls_nobody($node, 'ended', 'copy of ended jobs');

# A database made with TEMPLATE: the worker leaves the original for it and
# hands its three jobs back.
$node->safe_psql('restored', 'CREATE DATABASE cloned TEMPLATE postgres');
wait_for_inflight($model, 3);
calls_nobody($node, 'cloned', 'TEMPLATE');

# A copied data directory, started as a server of its own.
my $copied = PostgreSQL::Test::Cluster->new('copied');
$copied->init_from_backup($node, 'copy');
$copied->start;
calls_nobody($copied, $db, 'copied data directory');
resumes($copied, $db, 'copied data directory');
$copied->stop;

# A standby has no worker; promoted, it is a copy, unless its host is listed.
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
is($standby->safe_psql($db, "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'linkedin_ingest%'"), '0',
	'a standby runs no worker');
is($standby->safe_psql($db, "SELECT reason FROM linkedin_ingest.worker_status WHERE kind = 'worker'"), 'the server is a standby',
	'and worker_status says so');
$standby->promote;
wait_for_worker($standby, $db, 'paused');
calls_nobody($standby, $db, 'promoted standby');

my $host = $standby->safe_psql($db, 'SELECT host_id FROM linkedin_ingest.this_home()');
SKIP:
{
	skip 'the host has no /etc/machine-id', 1 if $host eq '';
	use_model($standby, $db, $model);
	$standby->append_conf('postgresql.conf', "linkedin_ingest.home_hosts = '$host'");
	$standby->reload;
	wait_for_sql($standby, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing') AND run_at <= now()", '0');
	pass('a listed host goes on by itself');
}
$standby->stop;
$node->stop;
done_testing();
