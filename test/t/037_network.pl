# What a network and a server on it can do to a call, end to end: proxies of the
# environment, endless and packed answers, headers without end, connections that
# are closed without a word.  (Redirects and plain oversize: 015_outcomes.)

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $model = start_model(KEEPALIVE => '1s');
my $db = 'postgres';
my $node;
{
	# Nobody listens there: a call that went through a proxy would fail.
	my @names = map { ($_, uc) } qw(http_proxy https_proxy all_proxy);
	local @ENV{@names} = ('http://127.0.0.1:1/') x @names;
	delete local @ENV{qw(no_proxy NO_PROXY)};
	$node = new_node('main', model => $model,
		conf => "linkedin_ingest.max_jobs_per_profile_per_hour = 0\nlinkedin_ingest.max_response_size = '64kB'");
}

sub sql { return $node->safe_psql($db, $_[0]) }

my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');
my $pid = wait_for_worker($node, $db);

# Asks once with these faults: how the call ended.
sub call
{
	my ($directives) = @_;
	my $job;

	use_model($node, $db, $model, $directives);
	$job = sql("SELECT linkedin_ingest.score_profile('$profile', 'CTO')");
	wait_for_sql($node, $db, "SELECT count(*) > 0 FROM linkedin_ingest.scoring_attempts WHERE job_id = '$job' AND outcome IS NOT NULL");
	sql("SELECT linkedin_ingest.cancel_job('$job')");
	return sql("SELECT outcome, error_code FROM linkedin_ingest.scoring_attempts WHERE job_id = '$job' ORDER BY attempt LIMIT 1");
}

sub memory { return (slurp_file("/proc/$pid/status") =~ /VmHWM:\s+(\d+) kB/)[0] }

is(call('ok'), 'ok|', 'proxies of the environment are not used');

my $before = memory();
is(call('oversize=5000000,chunked'), 'fail|response_too_large', 'an answer beyond max_response_size that does not tell its length');
is(call('bomb=50000000') =~ s{\|.*}{}r, 'retry', 'a packed answer is not unpacked, and no JSON');
my $grown = memory() - $before;
diag("the worker grew by $grown kB");
cmp_ok($grown, '<', 30000, 'nor is the other read whole');

control($model, 'POST', 'script/headers', sprintf('[{"do": "h.x-flood=%s"}]', 'a' x 100_000));
is(call('s/headers'), 'fail|response_too_large', 'headers without end');

sql("UPDATE linkedin_ingest.llm_providers SET request_timeout = '1500 ms' WHERE name = 'openai'");
my $start = time;
is(call('drip=1:100'), 'retry|timeout', 'an answer that drips ends with request_timeout');
cmp_ok(time - $start, '<', 15, 'in time');
is(call('hang'), 'retry|timeout', 'one that never comes too');
sql("UPDATE linkedin_ingest.llm_providers SET request_timeout = DEFAULT WHERE name = 'openai'");

for my $url ('ftp://127.0.0.1/v1', 'file:///etc/passwd', 'gopher://127.0.0.1/', 'https://user:word@example.org/')
{
	my ($rc, $out, $err) = $node->psql($db, "UPDATE linkedin_ingest.llm_providers SET base_url = '$url' WHERE name = 'openai'");
	is($rc, 3, "base_url $url is refused") or diag($out);
}
sql("UPDATE linkedin_ingest.llm_providers SET base_url = 'http://10.0.0.1/v1' WHERE name = 'openai'");
my $job = sql("SELECT linkedin_ingest.score_profile('$profile', 'CTO')");
wait_for_sql($node, $db, "SELECT blocked_code FROM linkedin_ingest.account_states() WHERE provider = 'openai' AND model = ''", 'config_error');
is(sql("SELECT count(*) FROM linkedin_ingest.scoring_attempts WHERE job_id = '$job' AND http_status IS NOT NULL"), '0', 'a private address blocks the provider, nothing is sent');
sql("SELECT linkedin_ingest.cancel_job('$job')");

# --- kept connections that are closed: no call without a record

control($model, 'POST', 'reset');
sql('TRUNCATE linkedin_ingest.scoring_jobs CASCADE');
use_model($node, $db, $model);
for my $round (1 .. 4)
{
	# Around the second after which the server closes.
	sleep(0.4 + 0.3 * $round) if $round > 1;
	sql("SELECT count(linkedin_ingest.score_profile('$profile', 'CTO')) FROM generate_series(1, 20)");
	wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status = 'completed'", 20 * $round);
}
control($model, 'POST', 'script/once', '[{"do": "reset=reused", "times": 20}]');
use_model($node, $db, $model, 's/once');
sql("SELECT count(linkedin_ingest.score_profile('$profile', 'CIO')) FROM generate_series(1, 20)");
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status = 'completed'", '100');
is(sql('SELECT count(*) FROM linkedin_ingest.scoring_attempts'), scalar(() = ledger($model)), 'connections closed without a word: every call is on record');
is(sql("SELECT count(*) FROM linkedin_ingest.scoring_attempts WHERE outcome = 'retry' AND error_code <> 'connection_failed'"), '0', 'those that were cut as connection_failed');
is(sql("SELECT count(DISTINCT job_id), count(*) FROM linkedin_ingest.scoring_attempts WHERE outcome = 'ok'"), '100|100', 'each answer is stored once');
is(sql('SELECT count(*) FROM linkedin_ingest.queue_anomalies'), '0', 'no anomalies');
is(join("\n", grep { !/does not have the required form/ } error_lines($node)), '', 'no error in the log');
$node->stop;
done_testing();
