# Size under load: rounds of jobs, each followed by a purge, with autovacuum
# doing its work.  What the tables and indexes take stops growing.  Then the
# cost of a purge, of a cancel and of the operators' views with a million
# finished jobs.

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my ($rounds, $jobs) = (12, 4000);
my $model = start_model();
my $node = new_node('purge', model => $model, conf => q{
log_statement = 'none'
log_min_messages = warning
shared_buffers = 512MB
max_wal_size = 4GB
autovacuum_naptime = 1s
linkedin_ingest.max_jobs_per_profile_per_hour = 0
});
my $db = 'postgres';
my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');
my @tables = qw(scoring_jobs scoring_attempts latest_scores spend_daily workers);

control($model, 'POST', 'keep?on=0');
use_model($node, $db, $model, 'ok,canned');
wait_for_worker($node, $db);

sub show
{
	my ($what, $format, @values) = @_;

	diag(sprintf("%-58s $format", $what, @values));
	return;
}

# Bytes of a table with TOAST and indexes, and of the claim's index alone.
sub sizes
{
	my $list = join ', ', map { "pg_total_relation_size('linkedin_ingest.$_')" } @tables;

	return split /\|/, $node->safe_psql($db, "SELECT pg_relation_size('linkedin_ingest.scoring_jobs_claim'), $list");
}

my @peak;
for my $round (1 .. $rounds)
{
	my $done = $node->safe_psql($db, "SELECT coalesce(sum(calls), 0) + $jobs FROM linkedin_ingest.spend_daily");

	$node->safe_psql($db, qq{
		SELECT count(*) FROM linkedin_ingest.score_profiles(ARRAY(SELECT '$profile'::uuid FROM generate_series(1, $jobs)), 'CTO')});
	wait_for_sql($node, $db, "SELECT coalesce(sum(calls), 0) FROM linkedin_ingest.spend_daily", $done, 300);
	# All but the latest: one person, one role.
	my $start = time;
	my $purged = $node->safe_psql($db, "SELECT linkedin_ingest.purge_jobs('0')");
	my @now = sizes();
	show("round $round: $purged purged in " . sprintf('%.1f s', time - $start), 'MB: claim index %.1f, ' . join(', ', map { "$_ %.1f" } @tables),
		map { $_ / 1048576 } @now);
	push @peak, \@now;
}
my $half = $rounds / 2;
for my $i (0 .. @tables)
{
	my $name = $i == 0 ? 'scoring_jobs_claim' : $tables[ $i - 1 ];
	my ($before, $after) = ($peak[ $half - 1 ][$i], $peak[-1][$i]);

	# A round more or less may wait for autovacuum.
	cmp_ok($after, '<=', 1.5 * $before + 1048576, sprintf('%s stops growing: %.1f MB after round %d, %.1f after round %d',
			$name, $before / 1048576, $half, $after / 1048576, $rounds));
}

# --- a million finished jobs

$node->safe_psql($db, 'SELECT linkedin_ingest.pause_worker()');
$node->safe_psql($db, q{
	SET check_function_bodies = off;	-- rows as they come, as in a restore
	INSERT INTO linkedin_ingest.profiles (full_name) SELECT 'Person ' || i FROM generate_series(1, 100000) i;
	INSERT INTO linkedin_ingest.scoring_jobs (id, profile_id, role, stage, template_id, template_version, provider, model, max_tokens,
		status, claim_no, worker_id, attempts, parsed_score, llm_response, overall_score, created_at, started_at, completed_at, cache_key)
	SELECT (lpad(to_hex((extract(epoch FROM t) * 1000)::bigint), 12, '0') || '7' || substr(md5(i::text), 1, 3) || '8' || substr(md5(i || 'a'), 1, 15))::uuid,
		p.id, l.role, 'scoring', v.id, v.version, 'openai', 'gpt-6-luna', 1000, 'completed', 1, gen_random_uuid(), 1,
		l.parsed_score, l.llm_response, 50, t, t, t + interval '2 s', md5(i::text)
	FROM generate_series(1, 1000000) i
	CROSS JOIN LATERAL (SELECT now() - interval '200 days' + i * interval '17 s' AS t) x
	JOIN (SELECT id, row_number() OVER () AS n FROM linkedin_ingest.profiles) p ON p.n = 1 + (i::bigint * 7919) % 100000
	CROSS JOIN (SELECT * FROM linkedin_ingest.scoring_jobs WHERE status = 'completed' LIMIT 1) l
	JOIN linkedin_ingest.prompt_templates v ON v.id = l.template_id;
	INSERT INTO linkedin_ingest.scoring_attempts (job_id, attempt, claim_no, kind, charged, provider, model, outcome, recorded_at)
		SELECT id, 1, 1, 'first', true, provider, model, 'ok', completed_at FROM linkedin_ingest.scoring_jobs WHERE overall_score = 50;
	SELECT linkedin_ingest.rebuild_profile_scores();});
$node->safe_psql($db, 'VACUUM ANALYZE');
show('a million finished jobs', '%s', $node->safe_psql($db, "SELECT pg_size_pretty(pg_total_relation_size('linkedin_ingest.scoring_jobs'))"));

sub timed
{
	my ($what, $statement) = @_;
	my $start = time;
	my $result = $node->safe_psql($db, $statement);
	my $ms = 1000 * (time - $start);

	show("  $what", '%.0f ms', $ms);
	return ($result, $ms);
}

timed('(psql alone)', 'SELECT 1');
timed('queue_status', 'SELECT count(*) FROM linkedin_ingest.queue_status');
timed('provider_status', 'SELECT count(*) FROM linkedin_ingest.provider_status');
my ($anomalies) = timed('queue_anomalies', 'SELECT count(*) FROM linkedin_ingest.queue_anomalies');
is($anomalies, '0', 'no anomalies');
timed('health', 'SELECT linkedin_ingest.health()');
timed("purge_jobs('201 days'): nothing to do", "SELECT linkedin_ingest.purge_jobs('201 days')");
my ($purged, $ms) = timed("purge_jobs('90 days'): 10,000 jobs", "SELECT linkedin_ingest.purge_jobs('90 days')");
is($purged, '10000', 'one call takes so many');
my ($calls, $sum, $start) = (1, $purged, time);
while ($purged > 0)
{
	$purged = $node->safe_psql($db, "SELECT linkedin_ingest.purge_jobs('90 days')");
	$calls++;
	$sum += $purged;
}
show("  all of that age: $sum jobs in $calls calls", '%.1f s', time - $start);
($purged, $ms) = timed("purge_jobs('90 days'): nothing left but the latest", "SELECT linkedin_ingest.purge_jobs('90 days')");
is($purged, '0', 'the rest stays');

$node->safe_psql($db, qq{
	SELECT count(*) FROM linkedin_ingest.score_profiles(ARRAY(SELECT '$profile'::uuid FROM generate_series(1, 100000)), 'CTO')});
my ($cancelled) = timed('cancel_jobs: 100,000 pending', 'SELECT linkedin_ingest.cancel_jobs()');
is($cancelled, '100000', 'all cancelled');

$node->stop('fast');
done_testing();
