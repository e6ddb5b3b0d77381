# Rates, calls at once, breaker and budgets: what holds calls back, and that
# nothing else does.  Figures over minutes are in test/bench/limits.pl.

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $model = start_model();
my $node = new_node('main', model => $model,
	conf => "linkedin_ingest.max_jobs_per_profile_per_hour = 0\nlinkedin_ingest.poll_interval = '500ms'");
my $db = 'postgres';
my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');

# A second database with the same account.
$node->safe_psql($db, 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION linkedin_ingest');
my $other_profile = ingest($node, 'other', 'cassidy/marisol-okonkwo-reyes');
wait_for_worker($node, $_) for $db, 'other';

sub both
{
	my ($sql) = @_;

	return map { $node->safe_psql($_, $sql) } $db, 'other';
}

# both databases point to the same account, with these columns set
sub provider
{
	my ($directives, $columns) = @_;

	both("UPDATE linkedin_ingest.llm_providers SET base_url = '$model/$directives/v1', max_in_flight = NULL,"
		  . " requests_per_minute = NULL, tokens_per_minute = NULL, daily_budget_usd = NULL WHERE name = 'openai'");
	both("UPDATE linkedin_ingest.llm_providers SET $columns WHERE name = 'openai'") if $columns;
	control($model, 'POST', 'reset');
	return;
}

sub queue
{
	my ($in, $n, $role) = @_;
	my $person = $in eq $db ? $profile : $other_profile;

	$role //= 'CTO';
	$node->safe_psql($in, "SELECT count(linkedin_ingest.score_profile('$person', '$role')) FROM generate_series(1, $n)");
	return;
}

sub wait_for_end
{
	wait_for_sql($node, $_, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing')",
		'0', 120)
	  for $db, 'other';
	return;
}

# Seconds from the first call's arrival to the last one's.
sub span
{
	my @at = sort { $a <=> $b } map { $_->{at} } ledger($model);

	return ($at[-1] - $at[0]) / 1000;
}

# --- requests per minute, shared by two databases

provider('latency=20,note=rpm', 'requests_per_minute = 1200');
queue($_, 60) for $db, 'other';
wait_for_end();
is(scalar(ledger($model)), 120, 'each job was asked once');
my $span = span();
cmp_ok($span, '>=', 5.5, "120 calls, 10 of them at once and 19.6 a second ($span s)");
cmp_ok($span, '<', 30, 'and not slower than need be');
is($node->safe_psql($db, 'SELECT bool_and(attempts = 1 AND claim_no = 1) FROM linkedin_ingest.scoring_jobs'), 't',
	'no job was claimed in vain');

# --- a limit told by the answers

provider('h.x-ratelimit-limit-requests=600,note=told');
queue($db, 5);
wait_for_end();
is($node->safe_psql($db, "SELECT requests_per_minute_limit FROM linkedin_ingest.provider_status WHERE provider = 'openai' AND model IS NOT NULL"),
	'600', 'learned from x-ratelimit-limit-requests');
queue($db, 40);
wait_for_end();
$span = span();
cmp_ok($span, '>=', 3.5, "and kept: 45 calls, 5 of them at once and 9.8 a second ($span s)");

# --- tokens per minute: reserved before, settled after

provider('latency=50,note=tpm', 'tokens_per_minute = 600000');
queue($_, 40) for $db, 'other';
wait_for_end();
my $tokens = $node->safe_psql($db, 'SELECT avg(prompt_tokens + completion_tokens)::int FROM linkedin_ingest.scoring_attempts WHERE prompt_tokens IS NOT NULL');
$span = span();
# half a second's worth at once, one call as a debt, and 9,800 a second
cmp_ok($span, '>=', (80 * $tokens - 5000 - 5000) / 9800 - 0.5, "80 calls of $tokens tokens at 600,000 a minute ($span s)");

# --- a limit that is used up is told

provider('ok,note=low', 'requests_per_minute = 2');
queue($db, 3);
wait_for_sql($node, $db, "SELECT linkedin_ingest.job_status(id) -> 'error' ->> 'code' FROM linkedin_ingest.scoring_jobs WHERE status = 'pending' LIMIT 1",
	'rate_limited');
like($node->safe_psql($db, "SELECT linkedin_ingest.job_status(id) -> 'error' ->> 'message' FROM linkedin_ingest.scoring_jobs WHERE status = 'pending' LIMIT 1"),
	qr/^the limits per minute leave no room until 2/, 'a job that waits for room says so');
is(scalar(ledger($model)), 1, 'one call so far');
provider('ok,note=low');
wait_for_end();

# --- calls at once, over two databases

provider('latency=200,note=mif', 'max_in_flight = 3');
queue($_, 12) for $db, 'other';
wait_for_end();
is(JSON::PP::decode_json(control($model, 'GET', 'inflight'))->{peak}, 3, 'max_in_flight holds over two databases');

# --- a provider that is down is asked once a second, and not by every job

provider('close,note=down');
my $log = -s $node->logfile;
queue($db, 300);
wait_for_sql($node, $db, "SELECT breaker_open FROM linkedin_ingest.provider_status WHERE provider = 'openai' AND model IS NULL");
wait_for_inflight($model, 0);
control($model, 'POST', 'reset');
my $until = $node->safe_psql($db, "SELECT clock_timestamp() + interval '5 s'");
wait_for_sql($node, $db, "SELECT clock_timestamp() > '$until'");
my $calls = () = ledger($model);
cmp_ok($calls, '<=', 8, "while it is open: $calls calls in 5 s");
cmp_ok($calls, '>=', 2, 'it is tried all the same');
like($node->safe_psql($db, "SELECT linkedin_ingest.job_status(id) -> 'error' ->> 'code' FROM linkedin_ingest.scoring_jobs WHERE status = 'pending' AND error IS NULL LIMIT 1"),
	qr/connection_failed/, 'a waiting job says why');
is($node->safe_psql($db, "SELECT linkedin_ingest.health() ->> 'status'"), 'degraded', 'health');
use_model($node, $db, $model, 'latency=100,note=down');
wait_for_end();
is($node->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status = 'failed'"), '0',
	'no job has failed for it');
# A breaker belongs to an account: what is at another address starts afresh.
use_model($node, $db, $model, 'close,note=down');
queue($db, 20);
wait_for_sql($node, $db, "SELECT breaker_open FROM linkedin_ingest.provider_status WHERE provider = 'openai' AND model IS NULL");
control($model, 'POST', 'script/revive', '[{"do": "close", "times": 12}]');
provider('s/revive');
queue($db, 200);
wait_for_end();
is(() = slurp_file($node->logfile, $log) =~ /answers again/g, 1, 'one log line when it answers again');
is($node->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status = 'failed'"), '0', 'all are done');

# --- slow_down: half the calls, and then more by and by

control($model, 'POST', 'script/ramp', '[{"do": "error=slow_down", "times": 1}, {"do": "latency=20"}]');
provider('s/ramp');
$log = -s $node->logfile;
queue($db, 20);
wait_for_sql($node, $db, "SELECT calls_per_second_limit > 0 FROM linkedin_ingest.provider_status WHERE provider = 'openai' AND model IS NULL");
pass('a pace is set');
wait_for_end();
is(() = slurp_file($node->logfile, $log) =~ /asks for a slower start/g, 1, 'and told once');
is($node->safe_psql($db, "SELECT breaker_open FROM linkedin_ingest.provider_status WHERE provider = 'openai' AND model IS NULL"), 'f', 'it is no outage');

# --- daily budgets

$node->safe_psql($_, "UPDATE linkedin_ingest.llm_models SET input_usd_per_mtok = 1, cached_input_usd_per_mtok = NULL, output_usd_per_mtok = 2 WHERE model = 'gpt-6-luna'")
  for $db, 'other';
provider('latency=30,note=budget', 'max_in_flight = NULL');
my $spent = $node->safe_psql($db, 'SELECT coalesce(sum(cost_usd), 0) FROM linkedin_ingest.spend_daily');
my $limit = $node->safe_psql($db, "SELECT $spent + 0.05");
$node->safe_psql($db, "UPDATE linkedin_ingest.llm_providers SET daily_budget_usd = $limit WHERE name = 'openai'");
$log = -s $node->logfile;
queue($db, 100);
wait_for_sql($node, $db, "SELECT budget_used_up FROM linkedin_ingest.provider_status WHERE provider = 'openai' AND model IS NULL");
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status = 'processing'", '0');
my $rest = $node->safe_psql($db, "SELECT $limit - (SELECT sum(cost_usd) FROM linkedin_ingest.spend_daily)");
cmp_ok($rest, '>=', 0, "the provider's budget is not crossed ($rest left)");
cmp_ok($rest, '<=', 0.012, 'and used up to what a call might cost');
is($node->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status = 'pending'") > 50, 1, 'the others wait');
is($node->safe_psql($db, "SELECT DISTINCT linkedin_ingest.job_status(id) -> 'error' ->> 'code' FROM linkedin_ingest.scoring_jobs WHERE status = 'pending'"),
	'budget_exhausted', 'and say why');
is($node->safe_psql($db, "SELECT max(attempts) FROM linkedin_ingest.scoring_jobs WHERE status = 'pending'"), '0', 'uncharged');
$calls = () = ledger($model);
$node->restart;
wait_for_worker($node, $db);
wait_for_sql($node, $db, "SELECT budget_used_up FROM linkedin_ingest.provider_status WHERE provider = 'openai' AND model IS NULL");
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status = 'processing'", '0');
is(scalar(ledger($model)), $calls, 'not crossed after a restart either');
is(() = slurp_file($node->logfile, $log) =~ /daily budget is used up/g, 2, 'one log line, and one after the restart')
  or diag(join "\n", grep { /budget/ } split /\n/, slurp_file($node->logfile, $log));
$node->safe_psql($db, "UPDATE linkedin_ingest.llm_providers SET daily_budget_usd = NULL WHERE name = 'openai'");
wait_for_end();
pass('raised: they go on by themselves');

$spent = $node->safe_psql($db, "SELECT coalesce(sum(cost_usd), 0) FROM linkedin_ingest.spend_daily WHERE role = 'CIO'");
$node->safe_psql($db, "UPDATE linkedin_ingest.roles SET daily_budget_usd = $spent + 0.03 WHERE role = 'CIO'");
queue($db, 40, 'CIO');
queue($db, 10, 'CISO');
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE role = 'CISO' AND status = 'completed'", '10');
wait_for_sql($node, $db, "SELECT linkedin_ingest.budget_used_up('openai', 'CIO', NULL) AND NOT linkedin_ingest.budget_used_up('openai', 'CISO', NULL)");
pass("a role's budget holds back that role alone");
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status = 'processing'", '0');
cmp_ok($node->safe_psql($db, "SELECT $spent + 0.03 - sum(cost_usd) FROM linkedin_ingest.spend_daily WHERE role = 'CIO'"), '>=', 0,
	'and is not crossed');
is($node->safe_psql($db, "SELECT reason FROM linkedin_ingest.queue_status WHERE role = 'CIO' AND status = 'pending'"),
	'openai: budget_exhausted', 'queue_status says why');
$node->safe_psql($db, "UPDATE linkedin_ingest.roles SET daily_budget_usd = NULL WHERE role = 'CIO'");
wait_for_end();

# --- what one model lacks holds back nobody else

# A model whose answers tell a low limit, a model of the same account without
# one at a high priority, and another provider's at a low one.
$node->safe_psql($db, qq{
	INSERT INTO linkedin_ingest.llm_providers (name, kind, base_url) VALUES ('second', 'openai', '$model/ok,note=second/v1');
	INSERT INTO linkedin_ingest.llm_models (model, provider) VALUES ('zz-limited', 'openai'), ('aa-free', 'openai'), ('second-model', 'second')});
control($model, 'POST', 'script/limited', '[{"do": "h.x-ratelimit-limit-requests=6", "match": "zz-limited"}]');
provider('s/limited');
$node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO', model => 'zz-limited')");
wait_for_end();
$node->safe_psql($db, qq{
	SELECT count(linkedin_ingest.score_profile('$profile', 'CTO', model => 'zz-limited', priority => 20)) FROM generate_series(1, 20);
	SELECT count(linkedin_ingest.score_profile('$profile', 'CTO', model => 'aa-free', priority => 10)) FROM generate_series(1, 50);
	SELECT count(linkedin_ingest.score_profile('$profile', 'CTO', model => 'second-model')) FROM generate_series(1, 50)});
wait_for_sql($node, $db, q{
	SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE model IN ('aa-free', 'second-model') AND status = 'completed'}, '100', 60);
cmp_ok($node->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE model = 'zz-limited' AND status = 'completed'"), '<', 20,
	'a model without room holds back neither its account nor lower priorities');
$node->safe_psql($db, "SELECT linkedin_ingest.cancel_job(id) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing')");

# One dear job and many cheap ones under a budget that the dear one exceeds.
$node->safe_psql($db, q{
	INSERT INTO linkedin_ingest.llm_models (model, provider, input_usd_per_mtok, output_usd_per_mtok)
	VALUES ('dear', 'openai', 1000, 10000), ('cheap', 'openai', 0.001, 0.001)});
provider('ok,note=dear', 'max_in_flight = NULL');
$node->safe_psql($db, "UPDATE linkedin_ingest.llm_providers SET daily_budget_usd = (SELECT sum(cost_usd) + 1 FROM linkedin_ingest.spend_daily) WHERE name = 'openai'");
$node->safe_psql($db, qq{
	SELECT linkedin_ingest.score_profile('$profile', 'CTO', model => 'dear', priority => 5);
	SELECT count(linkedin_ingest.score_profile('$profile', 'CTO', model => 'cheap')) FROM generate_series(1, 10)});
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE model = 'cheap' AND status = 'completed'", '10');
is($node->safe_psql($db, "SELECT status, attempts, linkedin_ingest.job_status(id) -> 'error' ->> 'code' FROM linkedin_ingest.scoring_jobs WHERE model = 'dear'"),
	'pending|0|budget_exhausted', 'a job that the budget cannot pay holds back no other');

# A worker that leaves takes its reservations along.
use_model($node, $db, $model, 'hang');
$node->safe_psql($db, "SELECT count(linkedin_ingest.score_profile('$profile', 'CTO')) FROM generate_series(1, 5)");
wait_for_inflight($model, 5);
$node->safe_psql($db, 'SELECT pg_terminate_backend(pid) FROM linkedin_ingest.worker_status');
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.worker_status WHERE pid IS NOT NULL AND state = 'running'", '1');
$node->safe_psql($db, "SELECT linkedin_ingest.cancel_job(id) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing')");
use_model($node, $db, $model, 'ok,note=after');
$node->safe_psql($db, "SELECT count(linkedin_ingest.score_profile('$profile', 'CTO', model => 'cheap')) FROM generate_series(1, 5)");
wait_for_end();
pass('what a worker had reserved ends with it');
is($node->safe_psql($db, "SELECT in_flight FROM linkedin_ingest.provider_status WHERE provider = 'openai' AND model IS NULL"), '0', 'and its places');

# A lying usage: nobody's estimate follows it.
control($model, 'POST', 'script/liar', '[{"times": 1, "do": "ok", "body": ' . JSON::PP->new->allow_nonref->encode(
	'{"choices":[{"message":{"content":"{}"},"finish_reason":"stop"}],"usage":{"prompt_tokens":90000000,"completion_tokens":90000000}}') . '}]');
use_model($node, $db, $model, 's/liar');
$node->safe_psql($db, "UPDATE linkedin_ingest.llm_providers SET daily_budget_usd = NULL, tokens_per_minute = 1000000 WHERE name = 'openai'");
$node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO', model => 'aa-free') FROM generate_series(1, 5)");
wait_for_end();
pass('one lying usage stops nobody');

# An answer that has to be asked for again while the tokens are used up: the
# claim is charged, and ends.
control($model, 'POST', 'script/bad', '[{"do": "badjson", "every": 1}]');
use_model($node, $db, $model, 's/bad');
$node->safe_psql($db, "UPDATE linkedin_ingest.llm_providers SET tokens_per_minute = 2000 WHERE name = 'openai'");
control($model, 'POST', 'reset');
my $bad = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO')");
wait_for_sql($node, $db, "SELECT attempts > 0 AND status = 'pending' FROM linkedin_ingest.scoring_jobs WHERE id = '$bad'", 't', 90);
pass('what was paid for in vain is charged');
$node->safe_psql($db, "SELECT linkedin_ingest.cancel_job('$bad')");

# Two rows with one account: the narrower limit counts.
$node->safe_psql($db, qq{
	UPDATE linkedin_ingest.llm_providers SET base_url = '$model/ok,note=twin/v1', tokens_per_minute = NULL, requests_per_minute = 1200 WHERE name = 'openai';
	INSERT INTO linkedin_ingest.llm_providers (name, kind, base_url, api_key_ref) VALUES ('zz-twin', 'openai', '$model/ok,note=twin/v1', 'env:OPENAI_API_KEY')});
wait_for_sql($node, $db, "SELECT requests_per_minute_limit FROM linkedin_ingest.provider_status WHERE provider = 'openai' AND model IS NULL", '1200');
control($model, 'POST', 'reset');
queue($db, 60);
wait_for_end();
$span = span();
cmp_ok($span, '>=', 2.3, "of two rows with one account the narrower limit counts (60 calls in $span s)");

is($node->safe_psql($_, 'SELECT count(*) FROM linkedin_ingest.queue_anomalies'), '0', "no anomalies in $_") for $db, 'other';
$node->stop;
done_testing();
