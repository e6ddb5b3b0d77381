# Every class of answer, from every dialect, through a worker: what the job
# becomes, what is charged, and what becomes of the account.
#
# Each case has a provider of its own, and so an account of its own; all run at
# the same time.  What each wording means is the unit test llm_matrix's matter.

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $model = start_model();
my $node = new_node('main',
	conf => "linkedin_ingest.max_jobs_per_profile_per_hour = 0\nlinkedin_ingest.poll_interval = '500ms'\nlinkedin_ingest.max_response_size = '64kB'");
my $db = 'postgres';
my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');

# Dialect, directives of the model server; outcome and code of the first call;
# what becomes of the job, which may be tried twice:
#	completed
#	failed		at once, or after being asked again
#	tried		failed when its tries were used up
#	forbidden	failed because the server forbade to try again
#	waits		pending, uncharged; its account is throttled
#	blocked		pending, uncharged; its account is blocked
#	model		pending, uncharged; its model is blocked
my @cases = (
	[ 'openai', 'ok', 'ok', '', 'completed' ],
	[ 'openai', 'parts', 'ok', '', 'completed' ],
	[ 'openai', 'quote=invented', 'ok', '', 'completed' ],
	[ 'openai', 'error=rate_limit_exceeded,retry-after=600', 'defer', 'rate_limited', 'waits' ],
	[ 'openai', 'error=rate_limit_exceeded,retry-after-ms=600000', 'defer', 'rate_limited', 'waits' ],
	[ 'openai', 'error=rate_limit_exceeded,retry-after=600.5', 'defer', 'rate_limited', 'waits' ],
	[ 'openai', 'error=rate_limit_exceeded,retry-after=date%2B600', 'defer', 'rate_limited', 'waits' ],
	[ 'openai', 'error=tokens_rate_limit', 'defer', 'rate_limited', 'waits' ],
	[ 'openai', 'error=tokens_rate_limit,retry-after=-5', 'defer', 'rate_limited', 'waits' ],
	[ 'openai', 'error=tokens_rate_limit,retry-after=date-600', 'defer', 'rate_limited', 'waits' ],
	[ 'openai', 'error=tokens_rate_limit,retry-after=soon', 'defer', 'rate_limited', 'waits' ],
	[ 'openai', 'error=tokens_rate_limit,retry-after=9999999', 'defer', 'rate_limited', 'waits' ],
	[ 'openai', 'error=slow_down,retry-after=600', 'defer', 'rate_limited', 'waits' ],
	[ 'openai', 'error=unknown_429,retry-after=600', 'defer', 'rate_limited', 'waits' ],
	[ 'openai', 'error=server_is_overloaded,retry-after=600', 'defer', 'overloaded', 'waits' ],
	[ 'openai', 'error=unavailable', 'defer', 'overloaded', 'waits' ],
	[ 'openai', 'error=gateway_html_503,retry-after=600', 'defer', 'overloaded', 'waits' ],
	[ 'openai', 'error=request_above_limit', 'shrink', 'context_length_exceeded', 'failed' ],
	[ 'openai', 'error=tokens_rate_limit,ratelimit=50:50', 'shrink', 'context_length_exceeded', 'failed' ],
	[ 'openai', 'error=insufficient_quota,retry-after=1', 'open', 'quota_exhausted', 'blocked' ],
	[ 'openai', 'error=insufficient_quota,x-should-retry=true', 'open', 'quota_exhausted', 'blocked' ],
	[ 'openai', 'error=quota_by_type', 'open', 'quota_exhausted', 'blocked' ],
	[ 'openai', 'error=quota_by_code', 'open', 'quota_exhausted', 'blocked' ],
	[ 'openai', 'error=credit_balance_exhausted', 'open', 'quota_exhausted', 'blocked' ],
	[ 'openai', 'error=organization_spend_limit_exceeded', 'open', 'quota_exhausted', 'blocked' ],
	[ 'openai', 'error=project_spend_limit_exceeded', 'open', 'quota_exhausted', 'blocked' ],
	[ 'openai', 'error=organization_usage_limit_exceeded', 'open', 'quota_exhausted', 'blocked' ],
	[ 'openai', 'error=insufficient_quota,status=200', 'open', 'quota_exhausted', 'blocked' ],
	[ 'openai', 'error=invalid_api_key', 'open', 'invalid_api_key', 'blocked' ],
	[ 'openai', 'error=not_a_member', 'open', 'invalid_api_key', 'blocked' ],
	[ 'openai', 'error=ip_not_allowed', 'open', 'invalid_api_key', 'blocked' ],
	[ 'openai', 'error=billing', 'open', 'quota_exhausted', 'blocked' ],
	[ 'openai', 'error=forbidden', 'open', 'permission_denied', 'blocked' ],
	[ 'openai', 'error=model_not_found', 'open', 'model_not_found', 'model' ],
	[ 'openai', 'error=not_found', 'open', 'config_error', 'blocked' ],
	[ 'openai', 'error=bad_parameter', 'fail', 'bad_request', 'failed' ],
	[ 'openai', 'error=unsupported_value,x-should-retry=true', 'fail', 'bad_request', 'failed' ],
	[ 'openai', 'error=invalid_schema', 'fail', 'bad_request', 'failed' ],
	[ 'openai', 'error=method_not_allowed', 'fail', 'bad_request', 'failed' ],
	[ 'openai', 'error=content_filter', 'fail', 'content_filtered', 'failed' ],
	[ 'openai', 'finish=content_filter', 'fail', 'content_filtered', 'failed' ],
	[ 'openai', 'refusal', 'fail', 'refused', 'failed' ],
	[ 'openai', 'redirect', 'fail', 'config_error', 'failed' ],
	[ 'openai', 'status=308', 'fail', 'config_error', 'failed' ],
	[ 'openai', 'oversize=1000000', 'fail', 'response_too_large', 'failed' ],
	[ 'openai', 'error=context_length_exceeded', 'shrink', 'context_length_exceeded', 'failed' ],
	[ 'openai', 'error=request_too_large', 'shrink', 'context_length_exceeded', 'failed' ],
	[ 'openai', 'finish=length', 'reask', 'truncated', 'failed' ],
	[ 'openai', 'badjson', 'reask', 'invalid_json', 'failed' ],
	[ 'openai', 'taint=surrogate', 'reask', 'invalid_json', 'failed' ],
	[ 'openai', 'taint=rawnul', 'reask', 'invalid_json', 'failed' ],
	[ 'openai', 'taint=ff', 'reask', 'invalid_json', 'failed' ],
	[ 'openai', 'deep', 'reask', 'invalid_json', 'failed' ],
	[ 'openai', 'score=string', 'reask', 'schema_violation', 'failed' ],
	[ 'openai', 'score=range', 'reask', 'schema_violation', 'failed' ],
	[ 'openai', 'extra', 'reask', 'schema_violation', 'failed' ],
	[ 'openai', 'missing=all', 'reask', 'schema_violation', 'failed' ],
	[ 'openai', 'missing', 'reask', 'schema_violation', 'completed' ],
	[ 'openai', 'error=server_error', 'retry', 'provider_error', 'tried' ],
	[ 'openai', 'error=server_error,retry-after=1', 'retry', 'provider_error', 'tried' ],
	[ 'openai', 'error=server_error,x-should-retry=false', 'retry', 'provider_error', 'forbidden' ],
	[ 'openai', 'error=server_error,status=200', 'retry', 'provider_error', 'tried' ],
	[ 'openai', 'error=request_timeout', 'retry', 'timeout', 'tried' ],
	[ 'openai', 'error=conflict', 'retry', 'provider_error', 'tried' ],
	[ 'openai', 'status=502', 'retry', 'provider_error', 'tried' ],
	[ 'openai', 'status=504', 'retry', 'provider_error', 'tried' ],
	[ 'openai', 'status=520', 'retry', 'provider_error', 'tried' ],
	[ 'openai', 'status=521', 'retry', 'provider_error', 'tried' ],
	[ 'openai', 'status=522', 'retry', 'provider_error', 'tried' ],
	[ 'openai', 'status=523', 'retry', 'provider_error', 'tried' ],
	[ 'openai', 'status=524', 'retry', 'provider_error', 'tried' ],
	[ 'openai', 'html', 'retry', 'provider_error', 'tried' ],
	[ 'openai', 'type=text%2Fplain', 'retry', 'provider_error', 'tried' ],
	[ 'openai', 'empty', 'retry', 'empty_response', 'tried' ],
	[ 'openai', 'nochoices', 'retry', 'empty_response', 'tried' ],
	[ 'openai', 'nochoices=absent', 'retry', 'empty_response', 'tried' ],
	[ 'openai', 'nullcontent', 'retry', 'empty_response', 'tried' ],
	[ 'openai', 'reset', 'retry', 'connection_failed', 'tried' ],
	[ 'openai', 'close', 'retry', 'connection_failed', 'tried' ],
	[ 'openai', 'cut', 'retry', 'connection_failed', 'tried' ],
	[ 'openai', 'close-after-headers', 'retry', 'connection_failed', 'tried' ],
	[ 'openai', 'hang', 'retry', 'timeout', 'tried' ],

	[ 'azure', 'ok', 'ok', '', 'completed' ],
	[ 'azure', 'error=rate_limit_exceeded,retry-after-ms=600000', 'defer', 'rate_limited', 'waits' ],
	[ 'azure', 'error=tokens_rate_limit,ratelimit=-1:-1,retry-after=600', 'defer', 'rate_limited', 'waits' ],
	[ 'azure', 'error=tokens_rate_limit,ratelimit=50:50,retry-after=600', 'shrink', 'context_length_exceeded', 'failed' ],
	[ 'azure', 'error=unavailable,retry-after=600', 'defer', 'overloaded', 'waits' ],
	[ 'azure', 'error=insufficient_quota', 'open', 'quota_exhausted', 'blocked' ],
	[ 'azure', 'error=invalid_api_key', 'open', 'invalid_api_key', 'blocked' ],
	[ 'azure', 'error=forbidden', 'open', 'permission_denied', 'blocked' ],
	[ 'azure', 'error=model_not_found', 'open', 'model_not_found', 'model' ],
	[ 'azure', 'error=content_filter', 'fail', 'content_filtered', 'failed' ],
	[ 'azure', 'finish=content_filter', 'fail', 'content_filtered', 'failed' ],
	[ 'azure', 'error=bad_parameter', 'fail', 'bad_request', 'failed' ],
	[ 'azure', 'error=context_length_exceeded', 'shrink', 'context_length_exceeded', 'failed' ],
	[ 'azure', 'finish=length', 'reask', 'truncated', 'failed' ],
	[ 'azure', 'error=server_error', 'retry', 'provider_error', 'tried' ],

	[ 'vllm', 'ok', 'ok', '', 'completed' ],
	[ 'vllm', 'error=context_length_exceeded', 'shrink', 'context_length_exceeded', 'failed' ],
	[ 'vllm', 'error=bad_parameter', 'fail', 'bad_request', 'failed' ],
	[ 'vllm', 'error=invalid_api_key', 'open', 'invalid_api_key', 'blocked' ],
	[ 'vllm', 'error=model_not_found', 'open', 'model_not_found', 'model' ],
	[ 'vllm', 'error=unavailable,retry-after=600', 'defer', 'overloaded', 'waits' ],
	[ 'vllm', 'error=server_error', 'retry', 'provider_error', 'tried' ],
	[ 'vllm', 'score=range', 'reask', 'schema_violation', 'failed' ],
	[ 'vllm-old', 'error=context_length_exceeded', 'shrink', 'context_length_exceeded', 'failed' ],
	[ 'vllm-old', 'error=bad_parameter', 'fail', 'bad_request', 'failed' ],
	[ 'vllm-old', 'error=model_not_found', 'open', 'model_not_found', 'model' ],

	[ 'ollama', 'ok', 'ok', '', 'completed' ],
	[ 'ollama', 'error=queue_full,retry-after=600', 'defer', 'overloaded', 'waits' ],
	[ 'ollama', 'error=model_not_found', 'open', 'model_not_found', 'model' ],
	[ 'ollama', 'error=bad_parameter', 'fail', 'bad_request', 'failed' ],
	[ 'ollama', 'error=server_error', 'retry', 'provider_error', 'tried' ],
	[ 'ollama', 'finish=length', 'reask', 'truncated', 'failed' ],

	[ 'llamacpp', 'ok', 'ok', '', 'completed' ],
	[ 'llamacpp', 'error=context_length_exceeded', 'shrink', 'context_length_exceeded', 'failed' ],
	[ 'llamacpp', 'error=invalid_api_key', 'open', 'invalid_api_key', 'blocked' ],
	[ 'llamacpp', 'error=not_found', 'open', 'config_error', 'blocked' ],
	[ 'llamacpp', 'error=loading_model,retry-after=600', 'defer', 'overloaded', 'waits' ],
	[ 'llamacpp', 'error=invalid_schema', 'fail', 'bad_request', 'failed' ],
	[ 'llamacpp', 'error=server_error', 'retry', 'provider_error', 'tried' ],
	[ 'llamacpp', 'taint=nul', 'reask', 'invalid_json', 'failed' ],

	[ 'anthropic', 'ok', 'ok', '', 'completed' ],
	[ 'anthropic', 'error=rate_limit_exceeded,retry-after=600,x-should-retry=true', 'defer', 'rate_limited', 'waits' ],
	[ 'anthropic', 'error=tokens_rate_limit,ratelimit=50:50,retry-after=600', 'shrink', 'context_length_exceeded', 'failed' ],
	[ 'anthropic', 'error=overloaded,retry-after=600', 'defer', 'overloaded', 'waits' ],
	[ 'anthropic', 'error=overloaded', 'defer', 'overloaded', 'waits' ],
	[ 'anthropic', 'error=insufficient_quota', 'open', 'quota_exhausted', 'blocked' ],
	[ 'anthropic', 'error=spend_limit_400', 'open', 'quota_exhausted', 'blocked' ],
	[ 'anthropic', 'error=billing', 'open', 'quota_exhausted', 'blocked' ],
	[ 'anthropic', 'error=invalid_api_key', 'open', 'invalid_api_key', 'blocked' ],
	[ 'anthropic', 'error=forbidden', 'open', 'permission_denied', 'blocked' ],
	[ 'anthropic', 'error=model_not_found', 'open', 'model_not_found', 'model' ],
	[ 'anthropic', 'error=bad_parameter', 'fail', 'bad_request', 'failed' ],
	[ 'anthropic', 'error=content_filter', 'fail', 'content_filtered', 'failed' ],
	[ 'anthropic', 'refusal', 'fail', 'refused', 'failed' ],
	[ 'anthropic', 'error=context_length_exceeded', 'shrink', 'context_length_exceeded', 'failed' ],
	[ 'anthropic', 'error=request_too_large', 'shrink', 'context_length_exceeded', 'failed' ],
	[ 'anthropic', 'finish=model_context_window_exceeded', 'shrink', 'context_length_exceeded', 'failed' ],
	[ 'anthropic', 'finish=length', 'reask', 'truncated', 'failed' ],
	[ 'anthropic', 'badjson', 'reask', 'invalid_json', 'failed' ],
	[ 'anthropic', 'score=range', 'reask', 'schema_violation', 'failed' ],
	[ 'anthropic', 'error=server_error', 'retry', 'provider_error', 'tried' ],
	[ 'anthropic', 'error=server_error,x-should-retry=false', 'retry', 'provider_error', 'forbidden' ],
	[ 'anthropic', 'error=gateway_timeout', 'retry', 'provider_error', 'tried' ],
	[ 'anthropic', 'error=conflict', 'retry', 'provider_error', 'tried' ],
	[ 'anthropic', 'empty', 'retry', 'empty_response', 'tried' ],
	[ 'anthropic', 'nullcontent', 'retry', 'empty_response', 'tried' ]);

cmp_ok(scalar @cases, '>=', 80, scalar(@cases) . ' answers');

my %route = (azure => '/openai/v1');
my %kind = (azure => 'azure', anthropic => 'anthropic');
my (@providers, @models);
for my $n (0 .. $#cases)
{
	my ($dialect, $directives) = @{ $cases[$n] };
	my $kind = $kind{$dialect} // 'openai';
	my $url = "$model/$directives,dialect=$dialect,note=case$n" . ($route{$dialect} // '/v1');
	my $timeout = $directives eq 'hang' ? '1 second' : '1 minute';

	push @providers, "('case$n', '$kind', '$url', 'env:OPENAI_API_KEY', '$timeout')";
	push @models, "('case$n', 'case$n', 'max_tokens', 1, 2)";
}
$node->safe_psql($db, 'INSERT INTO linkedin_ingest.llm_providers (name, kind, base_url, api_key_ref, request_timeout) VALUES ' . join(', ', @providers));
$node->safe_psql($db, 'INSERT INTO linkedin_ingest.llm_models (model, provider, token_parameter, input_usd_per_mtok, output_usd_per_mtok) VALUES ' . join(', ', @models));
wait_for_worker($node, $db);

# All begin together, each with two tries.
$node->safe_psql($db, 'SELECT linkedin_ingest.pause_worker()');
$node->safe_psql($db, "SELECT count(linkedin_ingest.score_profile('$profile', 'CTO', model => 'case' || n)) FROM generate_series(0, $#cases) AS n");
$node->safe_psql($db, 'UPDATE linkedin_ingest.scoring_jobs SET max_attempts = 2');
$node->safe_psql($db, 'SELECT linkedin_ingest.resume_worker()');

my $ends = grep { $_->[4] =~ /^(completed|failed|tried|forbidden)$/ } @cases;
wait_for_sql($node, $db, qq{
	SELECT count(DISTINCT a.job_id) = @{[ scalar @cases ]}
		AND (SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status IN ('completed', 'failed')) >= $ends
	FROM linkedin_ingest.scoring_attempts a WHERE a.outcome IS NOT NULL}, 't', 120);

# One line per job: what the first call was, and what the job and its account are.
my %got = map { my ($name, $rest) = split /: /, $_, 2; $name => $rest } split /\n/, $node->safe_psql($db, q{
	SELECT j.model || ': ' || concat_ws(' ', a.outcome, a.error_code, CASE WHEN a.charged THEN 'charged' ELSE 'uncharged' END,
		'|', CASE WHEN j.status = 'processing' THEN 'pending' ELSE j.status END, j.error ->> 'code',
		CASE WHEN j.status = 'failed' THEN 'retryable ' || (j.error ->> 'retryable') END,
		CASE WHEN j.status <> 'processing' THEN 'attempts ' || j.attempts END,
		'|', 'block ' || b.code || CASE WHEN b.model <> '' THEN ' of the model' ELSE '' END)
	FROM linkedin_ingest.scoring_jobs j
	JOIN linkedin_ingest.scoring_attempts a ON (a.job_id, a.attempt) = (j.id, 1)
	LEFT JOIN linkedin_ingest.provider_blocks b ON b.provider = j.provider});

for my $n (0 .. $#cases)
{
	my ($dialect, $directives, $outcome, $code, $end) = @{ $cases[$n] };
	my $call = join ' ', grep { $_ ne '' } $outcome, $code, $outcome =~ /^(defer|open)$/ ? 'uncharged' : 'charged';
	my $expected = {
		completed => "completed attempts 1 |",
		failed => "failed $code retryable false attempts 1 |",
		tried => "failed $code retryable true attempts 2 |",
		forbidden => "failed $code retryable false attempts 1 |",
		waits => "pending( $code)?( attempts 0)? |",
		blocked => "pending $code attempts 0 | block $code",
		model => "pending $code attempts 0 | block $code of the model" }->{$end};

	$expected =~ s/\|/\\|/g;
	like($got{"case$n"} // 'nothing', qr/^\Q$call\E \| $expected$/, "$dialect, $directives: $call, $end");
}

# A hint is kept to the second, in every form, and the whole account waits.
my $hints = grep { $_->[4] eq 'waits' && $_->[1] =~ /retry-after(-ms)?=(date%2B)?600/ } @cases;
is($node->safe_psql($db, q{
	SELECT count(*) FROM linkedin_ingest.scoring_jobs j
	JOIN linkedin_ingest.scoring_attempts a ON a.job_id = j.id
	JOIN linkedin_ingest.account_states() s ON s.provider = j.provider AND s.model = ''
	WHERE j.status = 'pending' AND a.finished_at IS NOT NULL
		AND j.run_at - a.finished_at BETWEEN '598 s' AND '605 s' AND s.throttled_until = j.run_at}), $hints,
	"$hints hints are kept to the second");

# The reason of a wait is told.
is($node->safe_psql($db, q{
	SELECT count(*) FROM linkedin_ingest.provider_blocks b
	JOIN linkedin_ingest.scoring_jobs j ON j.provider = b.provider
	WHERE linkedin_ingest.job_status(j.id) #>> '{error,code}' IS DISTINCT FROM b.code}), '0', 'job_status tells why a job is blocked');
is($node->safe_psql($db, q{
	SELECT count(*) FROM linkedin_ingest.provider_blocks b
	WHERE NOT EXISTS (SELECT FROM linkedin_ingest.provider_status s
		WHERE s.provider = b.provider AND coalesce(s.model, '') = b.model AND s.blocked AND s.blocked_code = b.code)}),
	'0', 'provider_status has every block');
is($node->safe_psql($db, 'SELECT count(*) FROM linkedin_ingest.provider_blocks'),
	scalar(grep { $_->[4] =~ /^(blocked|model)$/ } @cases), 'and there is no other');

# What was answered is paid for, whatever it was worth; what was not, is not.
is($node->safe_psql($db, q{
	SELECT count(*) FROM linkedin_ingest.scoring_attempts
	WHERE (http_status = 200 AND (outcome IN ('ok', 'reask') OR error_code IN ('refused', 'truncated', 'content_filtered')))
		AND error_code IS DISTINCT FROM 'invalid_json' AND (prompt_tokens IS NULL OR cost_usd <= 0)}), '0', 'answers are paid for');

my @calls = ledger($model);
is(scalar(grep { $_->{script} =~ /followed/ } @calls), 0, 'no redirect is followed');
my @again = grep { my $n = $_; $cases[$n][4] =~ /^(blocked|model)$/ && 1 != grep { $_->{script} =~ /note=case$n\b/ } @calls } 0 .. $#cases;
is("@again", '', 'a blocked account is called once');
is($node->safe_psql($db, 'SELECT count(*) FROM linkedin_ingest.queue_anomalies'), '0', 'no anomalies');
$node->stop;
done_testing();
