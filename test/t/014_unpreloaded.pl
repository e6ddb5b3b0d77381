# Without shared_preload_libraries everything works but the worker; without a
# key nobody is called.

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $model = start_model();
my $node = new_node('main', model => $model, preload => 0);
my $db = 'postgres';

my $profile = ingest($node, $db, 'json_resume/torvald-aberg-lindqvist');
like($node->safe_psql($db, "SELECT state || ': ' || reason FROM linkedin_ingest.worker_status"),
	qr/^stopped: .*not preloaded/, 'worker_status says why nothing runs');

my ($ret, $out, $err) = $node->psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO')");
is($ret, 0, 'score_profile works');
like($err, qr/WARNING:.*worker/, 'and warns');
my $job = $out;
is(job_status($node, $db, $job), 'pending', 'the job waits');

$node->safe_psql($db, 'CALL linkedin_ingest.run_once()');
is(job_status($node, $db, $job), 'completed', 'run_once scores');
is(scalar(ledger($model)), 1, 'with one call');
$node->safe_psql($db, 'CALL linkedin_ingest.run_once(10)');
is(scalar(ledger($model)), 1, 'nothing left to do is no error');

($ret, $out, $err) = $node->psql($db, 'BEGIN; CALL linkedin_ingest.run_once(); COMMIT;');
like($err, qr/run_once cannot run inside a transaction block/, 'not inside a transaction block');
($ret, $out, $err) = $node->psql($db, '\set VERBOSITY verbose' . "\nBEGIN; CALL linkedin_ingest.run_once();");
like($err, qr/2D000/, 'its SQLSTATE');

# A session that is ended in the middle of a call: its job is rescued.
use_model($node, $db, $model, 'hang');
$job = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CIO')");
my $session = $node->background_psql($db, on_error_stop => 0);
my $pid = $session->query_safe('SELECT pg_backend_pid()');
$session->{stdin} .= "CALL linkedin_ingest.run_once();\n";
$session->{run}->pump_nb();
wait_for_inflight($model, 1);
$node->safe_psql($db, "SELECT pg_cancel_backend($pid)");
wait_for_sql($node, $db, "SELECT status || attempts FROM linkedin_ingest.scoring_jobs WHERE id = '$job'", 'pending0');
pass('a cancelled run_once gives the job back uncharged');
wait_for_inflight($model, 0);
$session->quit;

$session = $node->background_psql($db, on_error_stop => 0);
$pid = $session->query_safe('SELECT pg_backend_pid()');
$session->{stdin} .= "CALL linkedin_ingest.run_once();\n";
$session->{run}->pump_nb();
wait_for_inflight($model, 1);
$node->safe_psql($db, "SELECT pg_terminate_backend($pid, 10000)");
use_model($node, $db, $model);
$node->safe_psql($db, 'CALL linkedin_ingest.run_once()');
is(job_status($node, $db, $job), 'completed', 'the job of a terminated session is rescued by the next');

# --- no key

$node->safe_psql($db, "UPDATE linkedin_ingest.llm_providers SET api_key_ref = 'env:LINKEDIN_INGEST_NO_SUCH_KEY' WHERE name = 'openai'");
control($model, 'POST', 'reset');
($ret, $out, $err) = $node->psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CISO')");
like($err, qr/WARNING/, 'score_profile warns that there is no key');
$job = $out;
$node->safe_psql($db, 'CALL linkedin_ingest.run_once()');
is(job_status($node, $db, $job), 'pending', 'without a key the job waits');
is(scalar(ledger($model)), 0, 'and nobody is called');
is($node->safe_psql($db, "SELECT linkedin_ingest.job_status('$job') #>> '{error,code}'"), 'config_error',
	'job_status says why');
is($node->safe_psql($db, "SELECT key_found FROM linkedin_ingest.provider_status WHERE provider = 'openai'"), 'f',
	'so does provider_status');

$node->stop;
done_testing();
