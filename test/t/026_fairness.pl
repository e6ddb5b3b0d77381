# Who shares a slow model: the backlog of one does not starve another, whatever
# its size; priorities first; jobs of the future at their time; and none of it
# by walking the backlog.

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $model = start_model();
my $node = new_node('main', model => $model, preload => 0, conf => q{
shared_preload_libraries = 'linkedin_ingest,pg_stat_statements'
pg_stat_statements.track = all
linkedin_ingest.max_jobs_per_profile_per_hour = 0
linkedin_ingest.max_in_flight = 8
linkedin_ingest.batch_size = 8
fsync = off
autovacuum = off
});
my $db = 'postgres';
my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');
my $backlog = 100_000;

$node->safe_psql($db, 'CREATE EXTENSION pg_stat_statements');
wait_for_worker($node, $db);
use_model($node, $db, $model, 'latency=100');

# As many jobs of a role by a creator, made while the worker is paused.
sub queue
{
	my ($count, $role, $creator, %option) = @_;
	my $priority = $option{priority} // 0;

	$node->safe_psql($db, "CREATE ROLE $creator; SELECT linkedin_ingest.grant_access('$creator', 'scorer')")
	  unless $node->safe_psql($db, "SELECT 1 FROM pg_roles WHERE rolname = '$creator'");
	$node->safe_psql($db, qq{
		SET client_min_messages = error;
		SET ROLE $creator;
		SELECT count(*) FROM linkedin_ingest.score_profiles(ARRAY(SELECT '$profile'::uuid FROM generate_series(1, $count)), '$role', priority => $priority)});
	return;
}

sub pause { $node->safe_psql($db, 'SELECT linkedin_ingest.pause_worker()'); return; }
sub resume { $node->safe_psql($db, 'SELECT linkedin_ingest.resume_worker()'); return; }

# Everything ends; the next part begins with an empty queue.
sub clear
{
	$node->safe_psql($db, 'SELECT linkedin_ingest.cancel_jobs()');
	wait_for_inflight($model, 0);
	$node->safe_psql($db, 'TRUNCATE linkedin_ingest.scoring_jobs CASCADE');
	pause();
	return;
}

# How many of the others were completed before the last of these.
sub before_last
{
	my ($which) = @_;

	return $node->safe_psql($db, qq{
		SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status = 'completed' AND NOT ($which)
			AND completed_at < (SELECT max(completed_at) FROM linkedin_ingest.scoring_jobs WHERE $which)});
}

sub wait_for_all
{
	my ($which) = @_;

	wait_for_sql($node, $db, "SELECT bool_and(status = 'completed') FROM linkedin_ingest.scoring_jobs WHERE $which", 't', 120);
	return;
}

sub fair_by
{
	my ($what) = @_;

	$node->append_conf('postgresql.conf', "linkedin_ingest.fair_by = '$what'");
	$node->reload;
	wait_for_sql($node, $db, "SELECT current_setting('linkedin_ingest.fair_by')", $what);
	return;
}

$node->safe_psql($db, 'SELECT linkedin_ingest.score_profile($$' . $profile . '$$, $$CTO$$)');
wait_for_all('true');
pause();

# The buffers that looking at the lanes and claiming touch, in the mean.
sub claim_buffers
{
	return $node->safe_psql($db, q{
		SELECT round(sum(shared_blks_hit + shared_blks_read)::numeric / max(calls) FILTER (WHERE query ~ 'claim_no [+] '), 1)
		FROM pg_stat_statements
		WHERE query ~ '^WITH RECURSIVE groups' OR query ~ '^UPDATE linkedin_ingest.scoring_jobs .*claim_no [+] '});
}

# --- by creator

my %buffers;
for my $size (1000, $backlog)
{
	queue($size, 'CTO', 'busy');
	queue(10, 'CTO', 'modest');
	$node->safe_psql($db, 'VACUUM ANALYZE linkedin_ingest.scoring_jobs');
	$node->safe_psql($db, 'SELECT pg_stat_statements_reset()');
	resume();
	wait_for_all("created_by = 'modest'");
	$buffers{$size} = claim_buffers();
	clear() if $size < $backlog;
}
cmp_ok($buffers{$backlog}, '<=', 2 * $buffers{1000} + 50,
	"a claim touches $buffers{$backlog} buffers beside $backlog jobs, $buffers{1000} beside 1000");
# 4 of each 8: the ten are done after three batches; a few more for what was
# claimed while the first answers came one by one.
my $others = before_last("created_by = 'modest'");
cmp_ok($others, '<=', 40, "created_by: of $backlog jobs of another $others were done before the last of ten");
cmp_ok($others, '>=', 4, 'and those went on');
clear();

# --- by role, of one creator

fair_by('role');
queue($backlog, 'CTO', 'busy');
queue(10, 'CISO', 'busy');
resume();
wait_for_all("role = 'CISO'");
$others = before_last("role = 'CISO'");
cmp_ok($others, '<=', 40, "role: of $backlog jobs of another $others were done before the last of ten");
clear();

# --- by nobody: lanes share alone, so one with more of them has more; within a
# lane the oldest go first

fair_by('none');
queue(500, 'CTO', 'busy');
queue(500, 'CIO', 'busy');
queue(500, 'CISO', 'busy');
queue(40, 'CTO', 'modest');
resume();
wait_for_all("created_by = 'modest'");
my $none = before_last("created_by = 'modest'");
clear();
fair_by('created_by');
queue(500, 'CTO', 'busy');
queue(500, 'CIO', 'busy');
queue(500, 'CISO', 'busy');
queue(40, 'CTO', 'modest');
resume();
wait_for_all("created_by = 'modest'");
my $fair = before_last("created_by = 'modest'");
cmp_ok($none, '>', 2 * $fair, "none: three lanes get three shares ($none done before the last of forty, $fair with created_by)");
clear();

# --- priorities first, in a backlog of others and of its own

queue(1000, 'CTO', 'busy');
queue(30, 'CTO', 'modest', priority => 5);
queue(30, 'CTO', 'busy', priority => 9);
resume();
wait_for_all('priority > 0');
is($node->safe_psql($db, q{
		SELECT count(*) FROM linkedin_ingest.scoring_jobs a JOIN linkedin_ingest.scoring_jobs b
			ON a.priority > b.priority AND a.started_at > b.started_at + interval '1 ms'
		WHERE a.claim_no = 1 AND b.claim_no = 1}), '0', 'no job was claimed after one of a lower priority');
clear();

# --- at their time

resume();
my ($at, $job) = split /\|/, $node->safe_psql($db, qq{
	SELECT t, linkedin_ingest.score_profile('$profile', 'CTO', run_at => t) FROM (SELECT clock_timestamp() + interval '1500 ms' AS t) x});
wait_for_all("id = '$job'");
my ($early, $late) = split /\|/, $node->safe_psql($db,
	"SELECT started_at < run_at, extract(epoch FROM started_at - run_at) FROM linkedin_ingest.scoring_jobs WHERE id = '$job'");
is($early, 'f', 'a job of the future does not run before its time');
cmp_ok($late, '<', 3, sprintf('but soon after (%.0f ms)', 1000 * $late));

# --- one that waits for another, and one of its kind at a time

my ($first, $again, $second) = split /\n/, $node->safe_psql($db, qq{
	BEGIN;
	SELECT linkedin_ingest.score_profile('$profile', 'CTO', unique_key => 'daily') AS first \\gset
	SELECT :'first';
	SELECT linkedin_ingest.score_profile('$profile', 'CTO', unique_key => 'daily');
	SELECT linkedin_ingest.score_profile('$profile', 'CIO', after_job => :'first');
	COMMIT;});
is($again, $first, 'unique_key: the pending job is returned');
wait_for_all("id = '$second'");
is($node->safe_psql($db, "SELECT b.started_at >= a.completed_at FROM linkedin_ingest.scoring_jobs a, linkedin_ingest.scoring_jobs b WHERE a.id = '$first' AND b.id = '$second'"),
	't', 'a dependent job is claimed when its predecessor has completed');
isnt($node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO', unique_key => 'daily')"), $first, 'an ended one does not count');
wait_for_all('true');
use_model($node, $db, $model, 'hang');
$first = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO', unique_key => 'daily')");
wait_for_inflight($model, 1);
is($node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO', unique_key => 'daily')"), $first, 'one in flight does');

is($node->safe_psql($db, 'SELECT count(*) FROM linkedin_ingest.queue_anomalies'), '0', 'no anomalies');
$node->stop;
done_testing();
