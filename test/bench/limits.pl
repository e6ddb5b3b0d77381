# Limits over minutes: how much of a rate is used, and how much is overrun.
#
#	make bench			or	test/run test/bench/limits.pl
#
# Two databases with the same account, 256 calls at once in each.  Overrun is
# measured over every 60 seconds, by the model server's own clock.

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $model = start_model();
my $node = new_node('main', model => $model,
	conf => "linkedin_ingest.max_jobs_per_profile_per_hour = 0");
my @db = ('postgres', 'other');
my %profile;

$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION linkedin_ingest');
for my $db (@db)
{
	$profile{$db} = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');
	wait_for_worker($node, $db);
}

sub provider
{
	my ($directives, $columns) = @_;

	$node->safe_psql($_, "UPDATE linkedin_ingest.llm_providers SET requests_per_minute = NULL, tokens_per_minute = NULL; "
		  . "UPDATE linkedin_ingest.llm_providers SET base_url = '$model/$directives/v1', $columns WHERE name = 'openai'")
	  for @db;
	control($model, 'POST', 'reset');
	return;
}

sub queue
{
	my ($n) = @_;

	$node->safe_psql($_, "SELECT count(*) FROM linkedin_ingest.score_profiles(array_fill('$profile{$_}'::uuid, ARRAY[$n]), 'CTO')") for @db;
	return;
}

sub cancel
{
	$node->safe_psql($_, "UPDATE linkedin_ingest.scoring_jobs SET status = 'cancelled', completed_at = clock_timestamp() WHERE status = 'pending'") for @db;
	wait_for_inflight($model, 0);
	return;
}

# The most that any span of so many seconds holds, of [ms, amount] pairs.
sub busiest
{
	my ($seconds, @calls) = @_;
	my ($from, $sum, $most) = (0, 0, 0);

	@calls = sort { $a->[0] <=> $b->[0] } @calls;
	for my $to (0 .. $#calls)
	{
		$sum += $calls[$to][1];
		$sum -= $calls[ $from++ ][1] while $calls[$to][0] - $calls[$from][0] >= $seconds * 1000;
		$most = $sum if $sum > $most;
	}
	return $most;
}

sub used
{
	my ($seconds, $limit, @calls) = @_;
	my ($start) = sort { $a <=> $b } map { $_->[0] } @calls;
	my $sum = 0;

	$sum += $_->[1] for grep { $_->[0] < $start + $seconds * 1000 } @calls;
	return $sum / ($limit * $seconds / 60);
}

# The tokens of each call, by what was recorded.
sub token_calls
{
	my @calls;

	for my $db (@db)
	{
		push @calls, map { [ split /\|/ ] } split /\n/, $node->safe_psql($db,
			q{SELECT extract(epoch FROM a.sent_at) * 1000, a.prompt_tokens + a.completion_tokens
			  FROM linkedin_ingest.scoring_attempts a JOIN linkedin_ingest.scoring_jobs j ON j.id = a.job_id
			  WHERE a.prompt_tokens IS NOT NULL});
	}
	return @calls;
}

# --- requests per minute

provider('latency=500-1500,note=rpm', 'requests_per_minute = 6000');
queue(8000);
my $until = time + 125;
wait_for_sql($node, 'postgres', "SELECT clock_timestamp() > to_timestamp($until)", 't', 200);
my @calls = map { [ $_->{at}, 1 ] } ledger($model);
my ($most, $use) = (busiest(60, @calls), used(120, 6000, @calls));
diag(sprintf '6,000 requests a minute, 2 databases, 2 minutes: busiest 60 s %d (overrun %d), use %.1f %%',
	$most, $most > 6000 ? $most - 6000 : 0, $use * 100);
cmp_ok($most, '<=', 6000, 'requests: no overrun');
cmp_ok($use, '>=', 0.95, 'requests: 95 % are used');
cancel();

# --- tokens per minute

provider('latency=500-1500,note=tpm', 'tokens_per_minute = 3000000');
$node->safe_psql($_, 'DELETE FROM linkedin_ingest.scoring_jobs') for @db;
queue(8000);
$until = time + 125;
wait_for_sql($node, 'postgres', "SELECT clock_timestamp() > to_timestamp($until)", 't', 200);
@calls = token_calls();
($most, $use) = (busiest(60, @calls), used(120, 3000000, @calls));
diag(sprintf '3,000,000 tokens a minute, 2 databases, 2 minutes, %d calls: busiest 60 s %d (overrun %.2f %%), use %.1f %%',
	scalar @calls, $most, $most > 3000000 ? ($most / 3000000 - 1) * 100 : 0, $use * 100);
cmp_ok($most, '<=', 3000000 * 1.02, 'tokens: at most 2 % overrun');
cmp_ok($use, '>=', 0.95, 'tokens: 95 % are used');
cancel();

# --- a storm of 429: nobody is charged, nobody comes early

$node->safe_psql($_, 'DELETE FROM linkedin_ingest.scoring_jobs') for @db;
my ($per_second, $jobs) = (100, 4000);
provider("limit=$per_second:1,latency=20,note=storm", 'max_in_flight = NULL');
my $start = time;
queue($jobs / 2);
wait_for_sql($node, $_, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing')", '0', 200)
  for @db;
my @ledger = ledger($model);
my ($first) = sort { $a <=> $b } map { $_->{at} } @ledger;
my ($last) = sort { $b <=> $a } map { $_->{at} } @ledger;
my $ratio = ($last - $first) / 1000 / ($jobs / $per_second);
my $refused = grep { $_->{status} == 429 } @ledger;
diag(sprintf '429 storm: %d jobs at %d/s in %.1f s, ratio %.3f, %d calls refused', $jobs, $per_second,
	($last - $first) / 1000, $ratio, $refused);
cmp_ok($ratio, '<=', 1.15, '429 storm: drained within 1.15 times the time it takes at least');
is($node->safe_psql($_, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE attempts <> 1 OR status <> 'completed'"), '0',
	"429 storm: no attempt is charged in $_")
  for @db;

$node->stop;
done_testing();
