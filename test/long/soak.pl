# Half an hour under load with 2 % mixed faults: memory, descriptors, nothing
# stuck, nothing lost.
#
#	make soak			or	test/run long/soak
#
# The slope of the worker's memory is taken after a third of the time: until
# then caches and pools fill.

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use List::Util qw(max min sum);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $minutes = 30;
my $per_second = 100;			# jobs
my $model = start_model();
my $node = new_node('soak', model => $model, conf => q{
log_statement = 'none'
shared_buffers = 512MB
max_wal_size = 4GB
linkedin_ingest.max_jobs_per_profile_per_hour = 0
});
my $db = 'postgres';
my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');
my $pid = wait_for_worker($node, $db);

# Every so many calls one goes wrong, 2 % of all: ten kinds of fault.
my @faults = (
	'status=500', 'error=rate_limit_exceeded,retry-after=1', 'close', 'reset', 'cut', 'badjson', 'html',
	'finish=length', 'missing', 'error=server_is_overloaded,retry-after=1');
my @steps = map { { do => $_, every => 500 } } @faults;
push @steps, { do => 'hang', every => 5000 }, { do => 'refusal', every => 5000 }, { do => 'latency=50-150,canned' };
control($model, 'POST', 'keep?on=0');
control($model, 'POST', 'script/soak', JSON::PP::encode_json(\@steps));
$node->safe_psql($db, "UPDATE linkedin_ingest.llm_providers SET request_timeout = '5 s' WHERE name = 'openai'");
use_model($node, $db, $model, 's/soak');

sub memory_kb
{
	my ($kb) = slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m;

	return $kb;
}

sub descriptors
{
	my @fd = glob "/proc/$pid/fd/*";

	return scalar @fd;
}

# Least squares: what is added to the second column per unit of the first.
sub slope
{
	my @points = @_;
	my $n = @points;
	my ($x, $y) = map { my $i = $_; sum(map { $_->[$i] } @points) / $n } 0, 1;
	my $above = sum(map { ($_->[0] - $x) * ($_->[1] - $y) } @points);
	my $below = sum(map { ($_->[0] - $x)**2 } @points);

	return $above / $below;
}

my $start = time;
my $end = $start + $minutes * 60;
my $second = 0;
my $queued = 0;
my (@memory, @descriptors, @size);

while (time < $end)
{
	$node->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.score_profiles(array_fill('$profile'::uuid, ARRAY[$per_second]), 'CTO')");
	$queued += $per_second;
	$second++;
	if ($second % 10 == 0)
	{
		push @memory, [ (time - $start) / 3600, memory_kb() / 1024 ];
		push @descriptors, descriptors();
	}
	if ($second % 60 == 0)
	{
		$node->safe_psql($db, "SELECT linkedin_ingest.purge_jobs('2 min')");
		push @size, $node->safe_psql($db, "SELECT pg_total_relation_size('linkedin_ingest.scoring_jobs') + pg_total_relation_size('linkedin_ingest.scoring_attempts')");
		diag(sprintf '%3d min: %d jobs queued, %s, memory %.1f MB, %d descriptors, tables %d MB', $second / 60, $queued,
			$node->safe_psql($db, "SELECT string_agg(format('%s %s', n, status), ', ') FROM (SELECT status, count(*) n FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing') GROUP BY 1) s"),
			$memory[-1][1], $descriptors[-1], $size[-1] / 1048576);
	}
	my $ahead = $start + $second - time;
	sleep $ahead if $ahead > 0;
}
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing')", '0', 300);

my @late = @memory[ @memory / 3 .. $#memory ];
my @late_fd = @descriptors[ @descriptors / 3 .. $#descriptors ];
my $slope = slope(@late);
my $calls = JSON::PP::decode_json(control($model, 'GET', 'ledger?count=1'))->{calls};

diag(sprintf '%d jobs, %d calls in %.0f minutes; memory %.1f to %.1f MB, slope %.2f MB/h; descriptors %d to %d', $queued, $calls,
	$minutes, min(map { $_->[1] } @late), max(map { $_->[1] } @late), $slope, min(@late_fd), max(@late_fd));
is(worker_pid($node, $db), $pid, 'the worker is the one that began');
cmp_ok($slope, '<', 1, 'memory grows by less than 1 MB an hour');
# connections come and go with the calls in flight; none is left behind
cmp_ok(max(@late_fd) - min(@late_fd), '<=', 64, 'descriptors stay what they are');
is($node->safe_psql($db, 'SELECT count(*) FROM linkedin_ingest.queue_anomalies'), '0', 'no anomalies, nothing stuck');
is($node->safe_psql($db, 'SELECT sum(calls) FROM linkedin_ingest.spend_daily'), $calls, 'every call is on the bill');
is($node->safe_psql($db, "SELECT (completed + failed) >= $queued FROM linkedin_ingest.worker_status WHERE pid = $pid"), 't', 'every job has ended');
cmp_ok(max(@size[ @size / 3 .. $#size ]), '<=', 1.5 * min(@size[ @size / 3 .. $#size ]), 'the tables do not grow') if @size >= 6;

$node->stop;
done_testing();
