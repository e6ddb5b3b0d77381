# The same jobs through Anthropic's Messages API and through Azure.

use strict;
use warnings FATAL => 'all';

use JSON::PP ();
use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

$ENV{ANTHROPIC_API_KEY} = 'fictional-a';
$ENV{AZURE_API_KEY} = 'fictional-z';

my $model = start_model();
my $node = new_node('main',
	conf => "linkedin_ingest.max_jobs_per_profile_per_hour = 0\nlinkedin_ingest.poll_interval = '500ms'");
my $db = 'postgres';
my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');

$node->safe_psql($db, q{
	INSERT INTO linkedin_ingest.llm_providers (name, kind, base_url, api_key_ref)
		VALUES ('azure', 'azure', 'https://example.test/openai/v1', 'env:AZURE_API_KEY');
	INSERT INTO linkedin_ingest.llm_models (model, provider, input_usd_per_mtok, cached_input_usd_per_mtok,
			output_usd_per_mtok, token_parameter, max_output_tokens)
		VALUES ('our-deployment', 'azure', 0.40, 0.10, 1.60, 'max_completion_tokens', 32768)});
wait_for_worker($node, $db);

my %dialect = (
	anthropic => { model => 'claude-haiku-4-5', path => '/v1/messages', route => '/v1', key => 'fictional-a',
		header => 'x-api-key', cap => 'max_tokens', prompt => 'input_tokens', completion => 'output_tokens' },
	azure => { model => 'our-deployment', path => '/openai/v1/chat/completions', route => '/openai/v1', key => 'fictional-z',
		header => 'api-key', cap => 'max_completion_tokens', prompt => 'prompt_tokens', completion => 'completion_tokens' });

sub serve
{
	my ($name, $directives) = @_;

	$node->safe_psql($db, "UPDATE linkedin_ingest.llm_providers SET base_url = '$model/$directives$dialect{$name}{route}' WHERE name = '$name'");
	return;
}

sub script
{
	my ($name, @steps) = @_;

	control($model, 'POST', "script/$name", JSON::PP::encode_json(\@steps));
	return serve($name, "s/$name");
}

# Queues a job, waits for its end and returns its id.
sub run
{
	my ($name, $arguments) = @_;
	my $job = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', $arguments, model => '$dialect{$name}{model}')");

	$node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$job', '60 s')");
	return $job;
}

sub column
{
	my ($job, $what) = @_;

	return $node->safe_psql($db, "SELECT $what FROM linkedin_ingest.scoring_jobs AS j WHERE id = '$job'");
}

sub attempts
{
	my ($job) = @_;

	return $node->safe_psql($db, "SELECT string_agg(concat_ws(' ', kind, outcome, error_code), ', ' ORDER BY attempt) FROM linkedin_ingest.scoring_attempts WHERE job_id = '$job'");
}

for my $name (sort keys %dialect)
{
	my $d = $dialect{$name};

	# A key that the server checks, a strict schema that it would refuse, an
	# answer that is judged.
	control($model, 'POST', 'reset');
	serve($name, "key=$d->{key}");
	my $job = run($name, "'CTO'");
	is(column($job, 'status'), 'completed', "$name: a job is completed");
	my ($call) = ledger($model);
	is($call->{path} =~ s{^/[^/]*}{}r, $d->{path}, "$name: its path");
	is($call->{auth}, $d->{header}, "$name: its header for the key");
	is(column($job, "provider || ' ' || model"), "$name $d->{model}", "$name: its provider");
	is(column($job, "overall_score = (SELECT round(sum(weight * score) / sum(weight), 2) FROM linkedin_ingest.score_criteria WHERE job_id = j.id)"),
		't', "$name: the strict schema is answered");
	is(column($job, "prompt_tokens = (llm_response #>> '{usage,$d->{prompt}}')::int AND completion_tokens = (llm_response #>> '{usage,$d->{completion}}')::int AND prompt_tokens > 100"),
		't', "$name: its tokens");
	is(column($job, "cost_usd = (SELECT (j.prompt_tokens * input_usd_per_mtok + j.completion_tokens * output_usd_per_mtok) / 1000000 FROM linkedin_ingest.llm_models WHERE model = j.model)"),
		't', "$name: their price");
	is($node->safe_psql($db, "SELECT request_id IS NOT NULL, http_status FROM linkedin_ingest.scoring_attempts WHERE job_id = '$job'"),
		't|200', "$name: its request id");
	is(column($job, "parsed_score #>> '{_metadata,model_used}'"), $d->{model}, "$name: the model that answered");

	# Part of the prompt came from the provider's cache.
	my $usage = $name eq 'anthropic'
	  ? { input_tokens => 300, cache_read_input_tokens => 700, cache_creation_input_tokens => 0, output_tokens => 50 }
	  : { prompt_tokens => 1000, completion_tokens => 50, total_tokens => 1050, prompt_tokens_details => { cached_tokens => 700 } };
	my $content = '{"overall_score": 64, "why": "told"}';
	my $body = $name eq 'anthropic'
	  ? { type => 'message', content => [ { type => 'text', text => $content } ], stop_reason => 'end_turn', usage => $usage }
	  : { choices => [ { message => { content => $content }, finish_reason => 'stop' } ], usage => $usage };
	script($name, { body => JSON::PP::encode_json($body) });
	$job = run($name, "prompt => 'Rate {{full_name}}.'");
	is(column($job, "concat_ws(' ', status, overall_score, prompt_tokens, completion_tokens)"), 'completed 64.00 1000 50',
		"$name: tokens read from the cache are part of the prompt");
	is(column($job, "cost_usd = (SELECT (300 * input_usd_per_mtok + 700 * cached_input_usd_per_mtok + 50 * output_usd_per_mtok) / 1000000 FROM linkedin_ingest.llm_models WHERE model = j.model)"),
		't', "$name: and cost what they cost");

	# Asked again, with the fault named and both answers paid for.
	script($name, { do => 'badjson', times => 1 });
	$job = run($name, "'CTO'");
	is(column($job, 'status') . ': ' . attempts($job), 'completed: first reask invalid_json, reask ok', "$name: asked again");
	is(column($job, "prompt_tokens = (SELECT sum(prompt_tokens) FROM linkedin_ingest.scoring_attempts WHERE job_id = j.id) AND attempts = 1"),
		't', "$name: both calls are paid for");
	script($name, { do => 'score=range', times => 1 });
	$job = run($name, "'CIO'");
	is(attempts($job), 'first reask schema_violation, reask ok', "$name: a score out of range, which no schema forbids");

	serve($name, 'refusal');
	$job = run($name, "'CTO'");
	is(column($job, "status || ' ' || (error ->> 'code')") . ': ' . attempts($job), 'failed refused: first fail refused', "$name: a refusal");

	serve($name, 'finish=length');
	$job = run($name, "'CTO'");
	is(column($job, "status || ' ' || (error ->> 'code')") . ': ' . attempts($job),
		'failed truncated: first reask truncated, reask fail truncated', "$name: an answer that is cut twice");
	is(column($job, "request ->> '$d->{cap}'"), '4000', "$name: the second time with twice the room");
	script($name, { do => 'finish=length', times => 1 });
	$job = run($name, "'CTO'");
	is(column($job, 'status') . ': ' . attempts($job), 'completed: first reask truncated, reask ok', "$name: cut once");

	serve($name, 'context=800');
	$job = run($name, "'CISO'");
	like(attempts($job), qr/^first shrink context_length_exceeded, reask /, "$name: a prompt that is too long is shortened");

	# The other answers that a schema is made for.
	serve($name, 'ok');
	$node->safe_psql($db, "UPDATE linkedin_ingest.prompt_templates SET model = '$d->{model}' WHERE stage = 'compatibility'");
	$job = $node->safe_psql($db, "SELECT linkedin_ingest.check_compatibility('$profile')");
	is($node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$job', '60 s')"), 'completed', "$name: all roles at once");
	$job = run($name, "'CTO', samples => 3");
	is(column($job, "status || ' ' || (SELECT count(*) FROM linkedin_ingest.scoring_attempts WHERE job_id = j.id AND outcome = 'ok')"),
		'completed 3', "$name: samples");
}

# What only one of them has.
my $job = run('anthropic', "'CTO'");
is(column($job, "request #>> '{messages,0,role}' || ' ' || json_array_length(request -> 'messages') || ' ' || json_array_length(request #> '{messages,0,content}')"),
	'user 1 2', 'anthropic: two blocks of one message');
is(column($job, "request ->> 'system' LIKE '%' AND request #>> '{output_config,format,type}' = 'json_schema' AND request ->> 'temperature' = '0.1'"),
	't', 'anthropic: system text, schema and temperature');
is(column($job, "request::text ~ '\"(minimum|maximum|maxLength|maxItems)\":'"), 'f', 'anthropic: no limits in the schema');
$node->safe_psql($db, "UPDATE linkedin_ingest.llm_providers SET merge_user_messages = true WHERE name = 'anthropic'");
$job = run('anthropic', "'CTO'");
is(column($job, "status || ' ' || json_array_length(request #> '{messages,0,content}')"), 'completed 1', 'anthropic: merged');
$job = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO', model => 'claude-sonnet-5')");
$node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$job', '60 s')");
is(column($job, "status || ' ' || coalesce(request ->> 'temperature', 'none')"), 'completed none', 'a model that takes no temperature gets none');

# A wrong key blocks the account in either dialect.
for my $name (sort keys %dialect)
{
	serve($name, 'key=another');
	$job = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO', model => '$dialect{$name}{model}')");
	wait_for_sql($node, $db, "SELECT blocked_code FROM linkedin_ingest.provider_status WHERE provider = '$name' AND model IS NULL", 'invalid_api_key');
	is(job_status($node, $db, $job), 'pending', "$name: a wrong key blocks the account");
}

is($node->safe_psql($db, 'SELECT count(*) FROM linkedin_ingest.queue_anomalies'), '0', 'no anomalies');
$node->stop;
done_testing();
