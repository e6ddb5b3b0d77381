# Figures of the engine: make bench.  Compare figures of one run; the ratios
# are what lasts.  fsync and synchronous_commit are on.

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use List::Util qw(sum);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $jobs = 20_000;
my $model = start_model();
my $node = new_node('bench', model => $model, conf => q{
fsync = on
synchronous_commit = on
log_statement = 'none'
log_min_messages = warning
shared_buffers = 512MB
max_wal_size = 4GB
shared_preload_libraries = 'linkedin_ingest,pg_stat_statements'
pg_stat_statements.track = all
linkedin_ingest.max_jobs_per_profile_per_hour = 0
linkedin_ingest.poll_interval = '1h'
});
my $db = 'postgres';

$node->safe_psql($db, 'CREATE EXTENSION pg_stat_statements');
my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');
my $pid = wait_for_worker($node, $db);
control($model, 'POST', 'keep?on=0');

sub show
{
	my ($what, $format, @values) = @_;

	diag(sprintf("%-58s $format", $what, @values));
	return;
}

sub percentile
{
	my ($p, @values) = @_;

	@values = sort { $a <=> $b } @values;
	return $values[ int($p / 100 * $#values + 0.5) ];
}

sub cpu_seconds
{
	my @stat = split / /, slurp_file("/proc/$pid/stat") =~ s/^.*\) //r;

	return ($stat[11] + $stat[12]) / 100;
}

# --- from the commit to the request on the wire, on an idle server

{
	# created_at is taken before the commit, the arrival after the whole request
	# was read: the difference is an upper bound.
	my $script = PostgreSQL::Test::Utils::tempdir() . '/latency.sql';
	my @ms;

	append_to_file($script,
		"SELECT linkedin_ingest.score_profile('$profile', 'CTO') AS job \\gset\nSELECT linkedin_ingest.wait_for_job(:'job', '10 s');\n" x 500);
	$node->safe_psql($db, slurp_file($script)) for 1 .. 2;
	my %created = map { split /\|/ } split /\n/, $node->safe_psql($db, q{
		SELECT a.request_id, extract(epoch FROM j.created_at) FROM linkedin_ingest.scoring_jobs j
		JOIN linkedin_ingest.scoring_attempts a ON a.job_id = j.id});
	for my $call (ledger($model))
	{
		push @ms, $call->{at} - 1000 * $created{ $call->{request_id} } if $created{ $call->{request_id} };
	}
	show('commit to request on the wire, idle, ' . @ms . ' jobs', 'p50 %.1f ms  p99 %.1f ms', percentile(50, @ms), percentile(99, @ms));
	my @whole = map { 1000 * $_ } split /\n/, $node->safe_psql($db,
		'SELECT extract(epoch FROM completed_at - created_at) FROM linkedin_ingest.scoring_jobs');
	show('created to completed (server answers at once)', 'p50 %.1f ms  p99 %.1f ms', percentile(50, @whole), percentile(99, @whole));
	cmp_ok(percentile(50, @ms), '<=', 3, 'p50 within 3 ms');
	cmp_ok(percentile(99, @ms), '<=', 15, 'p99 within 15 ms');
}

# --- throughput

for my $run ([ 0, 'ok,canned' ], [ 100, 'latency=100,canned' ])
{
	my ($ms, $directives) = @$run;
	my $count = $ms ? $jobs / 4 : $jobs;

	$node->safe_psql($db, 'SELECT linkedin_ingest.pause_worker()');
	use_model($node, $db, $model, $directives);
	$node->safe_psql($db, qq{
		SELECT count(*) FROM linkedin_ingest.score_profiles((SELECT array_agg('$profile'::uuid) FROM generate_series(1, $count)), 'CTO')});
	$node->safe_psql($db, 'VACUUM ANALYZE linkedin_ingest.scoring_jobs');
	my $cpu = cpu_seconds();
	my $start = time;
	$node->safe_psql($db, 'SELECT linkedin_ingest.resume_worker()');
	wait_for_sql($node, $db, "SELECT NOT EXISTS (SELECT FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing'))", 't', 600);
	my $took = time - $start;
	show("$count jobs, server answers after $ms ms, 256 in flight", '%.0f jobs/s  %.3f ms CPU of the worker per job',
		$count / $took, 1000 * (cpu_seconds() - $cpu) / $count);
	show('  share of the limit that the latency sets', '%.0f %%', 100 * $count / $took / (256 * 1000 / $ms)) if $ms;
}

# --- the claim, whatever lies in the queue

sub claim_ms
{
	my ($what) = @_;

	$node->safe_psql($db, 'VACUUM ANALYZE linkedin_ingest.scoring_jobs');
	$node->safe_psql($db, 'SELECT pg_stat_statements_reset(); SELECT linkedin_ingest.resume_worker()');
	wait_for_sql($node, $db, "SELECT count(*) >= 5000 FROM linkedin_ingest.scoring_jobs WHERE completed_at > (SELECT stats_reset FROM pg_stat_statements_info)", 't', 300);
	my ($claim, $lanes) = split /\|/, $node->safe_psql($db, q{
		SELECT avg(mean_exec_time) FILTER (WHERE query ~ 'claim_no [+] '), avg(mean_exec_time) FILTER (WHERE query ~ '^WITH RECURSIVE groups')
		FROM pg_stat_statements WHERE query ~ '^(UPDATE linkedin_ingest.scoring_jobs .*claim_no [+] |WITH RECURSIVE groups)'});
	$node->safe_psql($db, 'SELECT linkedin_ingest.pause_worker()');
	wait_for_inflight($model, 0);
	show("claim with $what", 'lanes %.3f ms  claim %.3f ms', $lanes, $claim);
	return $lanes + $claim;
}

sub queue
{
	my ($count, %set) = @_;
	my %column = (provider => "'openai'", priority => '0', run_at => 'now()', %set);

	$node->safe_psql($db, qq{
		INSERT INTO linkedin_ingest.scoring_jobs (profile_id, role, stage, template_id, template_version, provider, model, max_tokens, temperature, priority, run_at)
		SELECT j.profile_id, j.role, j.stage, j.template_id, j.template_version, $column{provider}, j.model, j.max_tokens, j.temperature, $column{priority}, $column{run_at}
		FROM (SELECT * FROM linkedin_ingest.scoring_jobs LIMIT 1) j, generate_series(1, $count)});
	return;
}

{
	$node->safe_psql($db, 'SELECT linkedin_ingest.pause_worker()');
	use_model($node, $db, $model, 'ok,canned');
	$node->safe_psql($db, q{
		INSERT INTO linkedin_ingest.llm_providers (name, kind, base_url, api_key_ref)
		VALUES ('locked', 'openai', 'http://127.0.0.1:9/v1', 'env:LINKEDIN_INGEST_NO_SUCH_KEY')});
	queue(6_000);
	my $small = claim_ms('6,000 pending');
	queue(1_000_000);
	queue(100_000, provider => "'locked'");
	queue(100_000, run_at => "now() + '1 day'", priority => '100');
	my $large = claim_ms('1,200,000 pending, blocked and scheduled');
	show('  ratio', '%.2f', $large / $small);
	cmp_ok($large / $small, '<=', 3, 'the claim does not grow with the queue');
}

$node->stop('fast');
done_testing();
