# Each kind of answer leads to the state and code that the contract names.

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $model = start_model();
my $node = new_node('main', model => $model,
	conf => "linkedin_ingest.max_jobs_per_profile_per_hour = 0\nlinkedin_ingest.poll_interval = '500ms'\nlinkedin_ingest.max_response_size = '64kB'");
my $db = 'postgres';
my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');

wait_for_worker($node, $db);

# Puts a job to a server that answers so, and returns what is on record after
# its first recorded call.
sub ask
{
	my ($directives, %set) = @_;
	my $job;

	use_model($node, $db, $model, $directives);
	$node->safe_psql($db, "UPDATE linkedin_ingest.llm_providers SET request_timeout = '$set{timeout}' WHERE name = 'openai'")
	  if $set{timeout};
	$job = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO')");
	wait_for_sql($node, $db, "SELECT EXISTS (SELECT FROM linkedin_ingest.scoring_attempts WHERE job_id = '$job' AND outcome IS NOT NULL)");
	return $job;
}

# The first call and what the job is now.  A retry may already be under way, so
# a job that is tried again counts as "open", pending or processing.
sub state_of
{
	my ($job) = @_;

	return $node->safe_psql($db, qq{
		SELECT concat_ws(' ', CASE WHEN j.status IN ('pending', 'processing') THEN 'open' ELSE j.status END,
			a.error_code, CASE WHEN a.charged THEN 'charged' ELSE 'uncharged' END, a.outcome)
		FROM linkedin_ingest.scoring_jobs j
		JOIN linkedin_ingest.scoring_attempts a ON a.job_id = j.id
		WHERE j.id = '$job' ORDER BY a.attempt LIMIT 1});
}

# Ends jobs that would otherwise be asked again by the next server.
sub end_job
{
	$node->safe_psql($db, "SELECT linkedin_ingest.cancel_job('$_')") for @_;
	wait_for_inflight($model, 0);
	$node->safe_psql($db, "SELECT linkedin_ingest.unblock_provider('openai')");
	return;
}

# RETRY: charged, pending with a later run_at.
for my $case (
	[ 'reset', 'connection_failed' ],
	[ 'cut', 'connection_failed' ],
	[ 'error=server_error', 'provider_error' ],
	[ 'html', 'provider_error|empty_response|invalid_json' ],
	[ 'empty', 'empty_response' ],
	[ 'nochoices', 'empty_response' ])
{
	my $job = ask($case->[0]);
	like(state_of($job), qr/^open ($case->[1]) charged retry$/, "$case->[0]: retried");
	end_job($job);
}

my $job = ask('hang', timeout => '1 second');
like(state_of($job), qr/^open timeout charged retry$/, 'timeout: retried');
end_job($job);
$node->safe_psql($db, "UPDATE linkedin_ingest.llm_providers SET request_timeout = '1 minute' WHERE name = 'openai'");

# Nobody listens there: the discard port of the loopback address.
$node->safe_psql($db, "UPDATE linkedin_ingest.llm_providers SET base_url = 'http://127.0.0.1:9/v1' WHERE name = 'openai'");
$job = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO')");
wait_for_sql($node, $db, "SELECT count(*) > 0 FROM linkedin_ingest.scoring_attempts WHERE job_id = '$job'");
like(state_of($job), qr/^open connection_failed charged retry$/, 'connection refused: retried');
end_job($job);

# DEFER: uncharged, never early, the whole account waits.
$job = ask('error=rate_limit_exceeded,retry-after=2');
like(state_of($job), qr/^open rate_limited uncharged defer$/, '429 is not charged');
is($node->safe_psql($db, "SELECT run_at - updated_at BETWEEN '1.8 s' AND '2.2 s' FROM linkedin_ingest.scoring_jobs WHERE id = '$job'"),
	't', 'it waits as long as Retry-After says');
is($node->safe_psql($db, "SELECT throttled_until > now() FROM linkedin_ingest.account_states() WHERE provider = 'openai' AND model = ''"),
	't', 'the account is throttled');
use_model($node, $db, $model, 'ok,note=after');
end_job($job);

# OPEN: uncharged, the account or the model is blocked.
for my $case (
	[ 'error=invalid_api_key', 'invalid_api_key', '' ],
	[ 'error=insufficient_quota', 'quota_exhausted', '' ],
	[ 'error=quota_by_type', 'quota_exhausted', '' ],
	[ 'error=forbidden', 'permission_denied', '' ],
	[ 'error=model_not_found', 'model_not_found', 'gpt-6-luna' ])
{
	$job = ask($case->[0]);
	like(state_of($job), qr/^open $case->[1] uncharged open$/, "$case->[0]: pending, uncharged");
	is($node->safe_psql($db, "SELECT model || ' ' || code FROM linkedin_ingest.provider_blocks"),
		"$case->[2] $case->[1]", "$case->[0]: blocked");
	my $second = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CIO')");
	is($node->safe_psql($db, "SELECT linkedin_ingest.job_status('$second') #>> '{error,code}'"),
		$case->[1], "$case->[0]: a waiting job's status says why");
	end_job($job, $second);
	is($node->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.provider_blocks"), '0', 'unblocked');
}

# A block holds up ten thousand jobs for the price of one call, and is lifted
# by a change of the settings.
$node->safe_psql($db, "SELECT linkedin_ingest.pause_worker()");
use_model($node, $db, $model, 'error=insufficient_quota,note=many');
$node->safe_psql($db, qq{
	SELECT count(linkedin_ingest.score_profile('$profile', 'CTO')) FROM generate_series(1, 2000)});
$node->safe_psql($db, 'UPDATE linkedin_ingest.llm_providers SET max_in_flight = 5');
$node->safe_psql($db, 'SELECT linkedin_ingest.resume_worker()');
wait_for_sql($node, $db, 'SELECT count(*) FROM linkedin_ingest.provider_blocks', '1');
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status = 'processing'", '0');
my $calls = grep { $_->{script} =~ /many/ } ledger($model);
cmp_ok($calls, '<=', 5, "2000 waiting jobs cost no more calls than were in flight ($calls)");
is($node->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status = 'pending' AND claim_no = 0"),
	2000 - $calls, 'no waiting row was touched');
$node->restart;
wait_for_worker($node, $db);
wait_for_sql($node, $db, "SELECT blocked FROM linkedin_ingest.provider_status WHERE provider = 'openai'");
is(scalar(grep { $_->{script} =~ /many/ } ledger($model)), $calls, 'a restart does not call a blocked account');
$node->safe_psql($db, 'UPDATE linkedin_ingest.llm_providers SET max_in_flight = NULL');
use_model($node, $db, $model);
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status = 'pending'", '0');
pass('the queue drains when the account is well again');

# FAIL: final, with the first answer.
for my $case (
	[ 'error=bad_parameter', 'bad_request', 'fail' ],
	[ 'refusal', 'refused', 'fail' ],
	[ 'finish=content_filter', 'content_filtered', 'fail' ],
	[ 'error=content_filter', 'content_filtered', 'fail' ],
	[ 'redirect', '\w+', 'fail' ])
{
	$job = ask($case->[0]);
	wait_for_sql($node, $db, "SELECT status FROM linkedin_ingest.scoring_jobs WHERE id = '$job'", 'failed');
	like(state_of($job), qr/^failed $case->[1] charged $case->[2]$/, "$case->[0]: failed");
	is($node->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.scoring_attempts WHERE job_id = '$job'"), '1',
		"$case->[0]: one call");
}
is(scalar(grep { $_->{script} =~ /followed/ } ledger($model)), 0, 'a redirect is never followed');

# REASK: truncated once with twice the cap, then failed.
$job = ask('finish=length');
wait_for_sql($node, $db, "SELECT status FROM linkedin_ingest.scoring_jobs WHERE id = '$job'", 'failed');
is($node->safe_psql($db, "SELECT error ->> 'code', attempts FROM linkedin_ingest.scoring_jobs WHERE id = '$job'"),
	'truncated|1', 'finish_reason length: failed as truncated, charged once');
is($node->safe_psql($db, "SELECT string_agg(kind || ' ' || outcome, ', ' ORDER BY attempt) FROM linkedin_ingest.scoring_attempts WHERE job_id = '$job'"),
	'first reask, reask fail', 'asked again once');
is($node->safe_psql($db, "SELECT request ->> 'max_completion_tokens' FROM linkedin_ingest.scoring_jobs WHERE id = '$job'"),
	'4000', 'with twice the cap');

# An answer without end, and one beyond the cap.
$job = ask('oversize=1000000');
wait_for_sql($node, $db, "SELECT error ->> 'code' FROM linkedin_ingest.scoring_jobs WHERE id = '$job'", 'response_too_large');
pass('oversize: response_too_large');
end_job($job);

# Tries used up.
use_model($node, $db, $model, 'error=server_error');
$node->safe_psql($db, "SELECT linkedin_ingest.pause_worker()");
$job = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO')");
$node->safe_psql($db, "UPDATE linkedin_ingest.scoring_jobs SET max_attempts = 1 WHERE id = '$job'");
$node->safe_psql($db, 'SELECT linkedin_ingest.resume_worker()');
is($node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$job', '30 s')"), 'failed', 'tries used up: failed');
is($node->safe_psql($db, "SELECT error ->> 'code', error ->> 'retryable' FROM linkedin_ingest.scoring_jobs WHERE id = '$job'"),
	'provider_error|true', 'with the last code, retryable by hand');
use_model($node, $db, $model);
$node->safe_psql($db, "SELECT linkedin_ingest.retry_job('$job')");
is($node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$job', '30 s')"), 'completed', 'retry_job');

is($node->safe_psql($db, 'SELECT count(*) FROM linkedin_ingest.queue_anomalies'), '0', 'no anomalies');
$node->stop;
done_testing();
