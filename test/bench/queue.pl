# The queue under what slows queues down: millions of finished rows, a foreign
# snapshot that keeps dead rows alive, idleness.
#
#	make bench			or	test/run test/bench/queue.pl

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use List::Util qw(max sum);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $rows = 5_000_000;		# finished ones
my $minutes = 3;			# of the foreign snapshot
my $model = start_model();
my $node = new_node('queue', model => $model, conf => q{
fsync = on
synchronous_commit = on
log_statement = 'none'
log_min_messages = warning
log_line_prefix = '%m [%p] '
shared_buffers = 2GB
max_wal_size = 8GB
maintenance_work_mem = 512MB
shared_preload_libraries = 'linkedin_ingest,auto_explain'
auto_explain.log_nested_statements = on
auto_explain.log_level = 'log'
linkedin_ingest.max_jobs_per_profile_per_hour = 0
});
my $db = 'postgres';
my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');
my $pid = wait_for_worker($node, $db);

control($model, 'POST', 'keep?on=0');
use_model($node, $db, $model, 'latency=20,canned');

sub show
{
	my ($what, $format, @values) = @_;

	diag(sprintf("%-70s $format", $what, @values));
	return;
}

sub percentile
{
	my ($p, @values) = @_;

	@values = sort { $a <=> $b } @values;
	return $values[ int($p / 100 * $#values + 0.5) ] // 0;
}

sub cpu_seconds
{
	my @stat = split / /, slurp_file("/proc/$pid/stat") =~ s/^.*\) //r;

	return ($stat[11] + $stat[12]) / 100;
}

sub done
{
	return $node->safe_psql($db, "SELECT completed FROM linkedin_ingest.worker_status WHERE pid = $pid");
}

# feed(SECONDS, PER_SECOND [, CALLBACK]): queues jobs at that rate, as many at a
# time as a tenth of a second brings; calls back every second.
sub feed
{
	my ($seconds, $per_second, $each_second) = @_;
	my $script = PostgreSQL::Test::Utils::tempdir() . '/feed.sql';
	my $n = $per_second / 10;
	my $start = time;

	append_to_file($script, "SELECT count(*) FROM linkedin_ingest.score_profiles(array_fill('$profile'::uuid, ARRAY[$n]), 'CTO');\n");
	my $pgbench = IPC::Run::start([ 'pgbench', '-n', '-c', 2, '-R', 10, '-T', $seconds, '-f', $script, '-h', $node->host, '-p', $node->port, $db ],
		'>', \my $out, '2>', \my $err);
	for my $second (1 .. $seconds)
	{
		my $ahead = $start + $second - time;

		sleep $ahead if $ahead > 0;
		$each_second->() if $each_second;
	}
	$pgbench->finish or die $err;
	return time - $start;
}

sub wait_for_empty
{
	wait_for_sql($node, $db, "SELECT NOT EXISTS (SELECT FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing') AND run_at < now() + interval '1 hour')",
		't', 600);
	return;
}

# claims(WHAT): feeds for 20 s and reads from the log how long each claim took,
# and with which plan.
sub claims
{
	my ($what) = @_;
	my $from = -s $node->logfile;

	$node->safe_psql($db, q{ALTER SYSTEM SET auto_explain.log_min_duration = 0});
	$node->reload;
	feed(20, 200);
	wait_for_empty();
	$node->safe_psql($db, q{ALTER SYSTEM RESET auto_explain.log_min_duration});
	$node->reload;
	my (@claim, @lanes, %plan);
	for my $entry (split /^(?=\S+ \S+ \S+ \[$pid\] LOG:)/m, slurp_file($node->logfile, $from))
	{
		next unless $entry =~ /duration: ([\d.]+) ms/;
		my $ms = $1;

		if ($entry =~ /Query Text: UPDATE linkedin_ingest.scoring_jobs AS j SET status = 'processing'/)
		{
			push @claim, $ms;
			my ($shape) = $entry =~ /(Update on scoring_jobs.*?)(?=^\S+ \S+ \S+ \[|\z)/ms;
			$shape =~ s/ *\([^()]*rows=[^()]*\)//g;
			$plan{$shape}++;
		}
		push @lanes, $ms if $entry =~ /Query Text: WITH RECURSIVE groups/;
	}
	show($what, 'claim p50 %.2f p99 %.2f ms, lanes p50 %.2f p99 %.2f ms, %d claims', percentile(50, @claim),
		percentile(99, @claim), percentile(50, @lanes), percentile(99, @lanes), scalar @claim);
	return (percentile(99, @claim) + percentile(99, @lanes), join "\n----\n", sort keys %plan);
}

# --- idle

{
	$node->safe_psql($db, 'ALTER SYSTEM SET autovacuum = off');
	$node->reload;
	$node->safe_psql($db, 'CHECKPOINT');
	my $lsn = $node->safe_psql($db, 'SELECT pg_current_wal_insert_lsn()');
	my $cpu = cpu_seconds();
	sleep 60;
	my $wal = $node->safe_psql($db, "SELECT pg_current_wal_insert_lsn() - '$lsn'");
	my $share = (cpu_seconds() - $cpu) / 60 * 100;
	show('idle for a minute', '%.3f %% of a processor, %d bytes of WAL', $share, $wal);
	cmp_ok($share, '<', 0.1, 'idle: less than 0.1 % of a processor');
	# the server itself logs a record of running transactions now and then
	cmp_ok($wal, '<=', 1000, 'idle: no WAL of ours');
	$node->safe_psql($db, 'ALTER SYSTEM RESET autovacuum');
	$node->reload;
}

# --- transaction ids

{
	my $xid = $node->safe_psql($db, 'SELECT pg_current_xact_id()');
	$node->safe_psql($db, 'SELECT linkedin_ingest.pause_worker()');
	$node->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.score_profiles(array_fill('$profile'::uuid, ARRAY[20000]), 'CTO')");
	$xid = $node->safe_psql($db, 'SELECT pg_current_xact_id()');
	$node->safe_psql($db, 'SELECT linkedin_ingest.resume_worker()');
	wait_for_empty();
	my $used = $node->safe_psql($db, "SELECT (pg_current_xact_id()::text::bigint - $xid) / 20000.0");
	show('20,000 jobs at load', '%.3f transaction ids per job', $used);
	cmp_ok($used, '<=', 0.1, 'at most 0.1 transaction ids per job at load');
}

# --- a foreign snapshot

{
	my $seconds = $minutes * 60;
	my @rate;
	my $before = done();
	my $elapsed = feed(30, 500);
	my $rate = (done() - $before) / $elapsed;
	show('500 jobs/s for 30 s, nothing else', '%.0f jobs/s', $rate);
	wait_for_empty();

	my $foreign = $node->background_psql($db);
	$foreign->set_query_timer_restart;
	$foreign->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
	$foreign->query_safe('SELECT count(*) FROM pg_class');
	my $last = $before = done();
	my $cpu = cpu_seconds();
	my $second = 0;
	feed($seconds, 500, sub {
		my $now = done();

		push @rate, $now - $last;
		$last = $now;
		if (++$second % 30 == 0)
		{
			show("  after $second s", '%.0f jobs/s, worker %.0f %% of a processor, %s jobs wait', sum(@rate[-30 .. -1]) / 30,
				(cpu_seconds() - $cpu) / 30 * 100,
				$node->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status = 'pending'"));
			$cpu = cpu_seconds();
		}
	});
	my $held = sum(@rate[-30 .. -1]) / 30;
	show("the same with a foreign REPEATABLE READ transaction, the last 30 s of $minutes minutes", '%.0f jobs/s (%.1f %%)',
		$held, 100 * $held / $rate);
	cmp_ok($held, '>=', 0.9 * $rate, 'a foreign snapshot costs less than a tenth');
	$foreign->query_safe('COMMIT');
	$foreign->quit;
	wait_for_empty();
}

# --- millions of rows

{
	my ($small, $small_plan) = claims('few rows');
	my $columns = q{profile_id, role, stage, template_id, template_version, provider, model, max_tokens, temperature, priority, run_at};
	my $from = q{FROM (SELECT * FROM linkedin_ingest.scoring_jobs LIMIT 1) j};

	$node->safe_psql($db, 'SELECT linkedin_ingest.pause_worker()');
	$node->safe_psql($db, 'ALTER TABLE linkedin_ingest.scoring_jobs DISABLE TRIGGER USER');
	for my $state ([ 'completed', $rows ], [ 'failed', 100_000 ])
	{
		my ($status, $count) = @$state;

		$node->safe_psql($db, qq{
			INSERT INTO linkedin_ingest.scoring_jobs ($columns, status, completed_at, created_at, claim_no, attempts)
			SELECT j.profile_id, j.role, j.stage, j.template_id, j.template_version, j.provider, j.model, j.max_tokens, j.temperature, j.priority,
				now() - i * interval '1 s', '$status', now() - i * interval '1 s', now() - i * interval '1 s', 1, 1
			$from, generate_series(1, $count) i});
	}
	$node->safe_psql($db, qq{
		INSERT INTO linkedin_ingest.scoring_jobs ($columns)
		SELECT j.profile_id, j.role, j.stage, j.template_id, j.template_version, j.provider, j.model, j.max_tokens, j.temperature, 100, now() + interval '1 day'
		$from, generate_series(1, 100000) i});
	$node->safe_psql($db, 'ALTER TABLE linkedin_ingest.scoring_jobs ENABLE TRIGGER USER');
	$node->safe_psql($db, 'VACUUM ANALYZE linkedin_ingest.scoring_jobs');
	$node->safe_psql($db, 'SELECT linkedin_ingest.resume_worker()');
	my ($large, $large_plan) = claims("$rows finished, 100,000 failed, 100,000 scheduled rows");
	cmp_ok($large, '<=', 5, 'p99 of a claim, its lanes included, within 5 ms');
	is($large_plan, $small_plan, 'the same plan');
}

$node->stop('fast');
done_testing();
