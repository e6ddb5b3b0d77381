# From score_profile() to the score in the table, and what happens on the way.

use strict;
use warnings FATAL => 'all';

use JSON::PP ();
use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $model = start_model();
# With such a poll only the commit can have woken the worker.
my $node = new_node('main', model => $model, conf => "linkedin_ingest.poll_interval = '1h'");
my $db = 'postgres';

my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');
wait_for_worker($node, $db);

# --- one job

my $job = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'cto')");
is($node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$job', '30 s')"),
	'completed', 'the commit wakes the worker, the answer wakes the waiter');

my $row = JSON::PP::decode_json($node->safe_psql($db,
		"SELECT row_to_json(j) FROM linkedin_ingest.scoring_jobs j WHERE id = '$job'"));
is($row->{attempts}, 1, 'one charged try');
is($row->{claim_no}, 1, 'one claim');
ok($row->{overall_score} > 0, 'a score');
ok($row->{prompt_tokens} > 0 && $row->{cost_usd} > 0, 'tokens and cost');
is($row->{status}, 'completed', 'completed');

is($node->safe_psql($db, qq{
	SELECT round(sum((r.c ->> 'weight')::numeric * (j.parsed_score -> 'criteria' -> (r.c ->> 'key') ->> 'score')::numeric)
		/ sum((r.c ->> 'weight')::numeric), 2) = j.overall_score
	FROM linkedin_ingest.scoring_jobs j
	JOIN linkedin_ingest.prompt_template_versions v ON (v.template_id, v.version) = (j.template_id, j.template_version)
	CROSS JOIN LATERAL jsonb_array_elements(v.rubric) AS r(c)
	WHERE j.id = '$job' GROUP BY j.overall_score}), 't', 'the total is the weighted sum of the criteria');
is($node->safe_psql($db, qq{
	SELECT count(*) FROM linkedin_ingest.scoring_jobs j,
		jsonb_each(j.parsed_score -> 'criteria') AS c, jsonb_array_elements(c.value -> 'grounding') AS g
	WHERE j.id = '$job' AND g ->> 'match' = 'absent'}), '0', 'its quotes stand in the profile');

my @calls = ledger($model);
is(scalar @calls, 1, 'one call');
my $body = control($model, 'GET', "body?seq=$calls[0]{seq}");
is($body, $node->safe_psql($db, "SELECT request FROM linkedin_ingest.scoring_jobs WHERE id = '$job'"),
	'the request is stored byte for byte');
my $request = JSON::PP::decode_json($body);
is(join(' ', map { $_->{role} } @{ $request->{messages} }), 'system user user', 'three messages');
is($request->{response_format}{type}, 'json_schema', 'a strict schema');
is($request->{model}, 'gpt-6-luna', 'the default model');
unlike($body, qr/okonkwo|marisol|\@example|linkedin\.com/i, 'a blind template sends no name, address or link');

is($node->safe_psql($db, "SELECT status, outcome, charged, http_status FROM linkedin_ingest.scoring_jobs JOIN linkedin_ingest.scoring_attempts ON job_id = id"),
	'completed|ok|t|200', 'one attempt');
is($node->safe_psql($db, "SELECT role, band FROM linkedin_ingest.profile_scores WHERE job_id = '$job'"),
	'CTO|' . $node->safe_psql($db, "SELECT linkedin_ingest.score_band($row->{overall_score})"), 'in profile_scores');
is($node->safe_psql($db, 'SELECT calls, cost_usd > 0 FROM linkedin_ingest.spend_daily'), '1|t', 'in the bill');

# --- a notice

my $listener = $node->background_psql($db);
$listener->query_safe('LISTEN linkedin_ingest');
$job = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CISO')");
$node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$job', '30 s')");
my $heard = '';
for (1 .. 200)
{
	$heard .= $listener->query('SELECT pg_sleep(0.05)');
	last if $heard =~ /$job/;
}
like($heard, qr/Asynchronous notification "linkedin_ingest".*\Q$job\E/, 'NOTIFY tells of the end');
$listener->quit;

# --- many jobs on kept connections

$node->safe_psql($db, 'ALTER SYSTEM SET linkedin_ingest.max_jobs_per_profile_per_hour = 0');
$node->reload;
control($model, 'POST', 'reset');
$node->safe_psql($db, qq{
	SELECT count(linkedin_ingest.score_profile('$profile', r)) FROM unnest('{CTO,CIO,CISO}'::text[]) r, generate_series(1, 200)});
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status <> 'completed'", '0');
@calls = ledger($model);
is(scalar @calls, 600, '600 jobs, 600 calls');
my %connections = map { $_->{connection} => 1 } @calls;
cmp_ok(scalar keys %connections, '<=', 256, 'on no more connections than max_in_flight');
is($node->safe_psql($db, 'SELECT count(*), count(DISTINCT job_id) FROM linkedin_ingest.scoring_attempts'),
	'602|602', 'one attempt each');

# --- cancel

use_model($node, $db, $model, 'hang');
$job = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CIO')");
wait_for_sql($node, $db, "SELECT status FROM linkedin_ingest.scoring_jobs WHERE id = '$job'", 'processing');
wait_for_inflight($model, 1);
is($node->safe_psql($db, "SELECT linkedin_ingest.cancel_job('$job')"), 't', 'a running job is cancelled');
wait_for_inflight($model, 0);
pass('and its transfer aborted');
wait_for_sql($node, $db, "SELECT outcome FROM linkedin_ingest.scoring_attempts WHERE job_id = '$job'", 'cancelled');
is(job_status($node, $db, $job), 'cancelled', 'the job stays cancelled');

# --- pause

$node->safe_psql($db, "SELECT linkedin_ingest.pause_worker('maintenance')");
use_model($node, $db, $model);
$job = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CIO')");
wait_for_sql($node, $db, "SELECT state FROM linkedin_ingest.worker_status", 'paused');
is(job_status($node, $db, $job), 'pending', 'a paused worker claims nothing');
$node->safe_psql($db, 'SELECT linkedin_ingest.resume_worker()');
is($node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$job', '30 s')"), 'completed', 'it goes on');

# --- waiting

is(($node->psql($db, "BEGIN; SELECT linkedin_ingest.wait_for_job(linkedin_ingest.score_profile('$profile', 'CIO'), '5 s'); COMMIT"))[0],
	3, 'waiting for a job of the own transaction is an error');
$node->safe_psql($db, "UPDATE linkedin_ingest.llm_providers SET base_url = '$model/latency=500/v1' WHERE name = 'openai'");
is($node->safe_psql($db, qq{
	SELECT linkedin_ingest.score_profile('$profile', 'CTO') AS job \\gset
	BEGIN ISOLATION LEVEL REPEATABLE READ;
	SELECT linkedin_ingest.wait_for_job(:'job', '30 s');
	COMMIT}), 'completed', 'REPEATABLE READ sees the end all the same');

# --- a role with no more than it needs

my $old = worker_pid($node, $db);
$node->safe_psql($db, q{
	CREATE TABLE written_by (role text);
	GRANT INSERT ON written_by TO PUBLIC;
	CREATE FUNCTION note_writer() RETURNS trigger LANGUAGE plpgsql AS
		'BEGIN INSERT INTO public.written_by VALUES (current_user); RETURN NULL; END';
	CREATE TRIGGER note_writer AFTER INSERT ON linkedin_ingest.scoring_attempts FOR EACH STATEMENT EXECUTE FUNCTION note_writer();
	CREATE ROLE scoring_worker;
	SELECT linkedin_ingest.grant_access('scoring_worker', 'worker');
	ALTER SYSTEM SET linkedin_ingest.worker_role = 'scoring_worker'});
$node->reload;
wait_for_sql($node, $db, "SELECT pid <> $old FROM linkedin_ingest.worker_status WHERE state = 'running'");
$job = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO')");
is($node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$job', '30 s')"), 'completed',
	'a worker_role with the level worker is enough');
is($node->safe_psql($db, 'SELECT DISTINCT role FROM written_by'), 'scoring_worker', 'and the worker writes as that role');
$node->safe_psql($db, 'DROP TRIGGER note_writer ON linkedin_ingest.scoring_attempts');
use_model($node, $db, $model, 'error=insufficient_quota');
$job = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO')");
wait_for_sql($node, $db, 'SELECT count(*) FROM linkedin_ingest.provider_blocks', '1');
$node->safe_psql($db, "SELECT linkedin_ingest.cancel_job('$job'); SELECT linkedin_ingest.unblock_provider('openai')");
$node->safe_psql($db, 'CREATE ROLE feeble_worker; ALTER SYSTEM SET linkedin_ingest.worker_role = feeble_worker');
$node->reload;
wait_for_sql($node, $db, "SELECT reason ~ 'worker_role lacks ' FROM linkedin_ingest.worker_status");
pass('what a role lacks is said before the first job');
$node->safe_psql($db, 'ALTER SYSTEM RESET linkedin_ingest.worker_role');
$node->reload;
use_model($node, $db, $model);
$job = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO')");
is($node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$job', '90 s')"), 'completed', 'and it goes on when that is mended');

is($node->safe_psql($db, 'SELECT count(*) FROM linkedin_ingest.queue_anomalies'), '0', 'no anomalies');
$node->stop;
done_testing();
