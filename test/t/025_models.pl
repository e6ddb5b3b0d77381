# Models that end: what the provider's list says reaches llm_models, whatever
# becomes of the caller, the worker or the provider meanwhile.

use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $model = start_model();
my $node = new_node('main', model => $model, crash => 1,
	conf => "linkedin_ingest.max_jobs_per_profile_per_hour = 0\nlinkedin_ingest.poll_interval = '1s'");
my $db = 'postgres';
my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');

sub sql { return $node->safe_psql($db, $_[0]) }

# What a statement ends with: "SQLSTATE column detail", or its rows.
sub fault
{
	my ($statement, $where) = @_;
	my ($out, $err);

	($where // $node)->psql($db, "\\set VERBOSITY verbose\n$statement", stdout => \$out, stderr => \$err);
	my ($state) = $err =~ /ERROR:  (\w{5}): / or return $out;
	my ($column) = $err =~ /COLUMN NAME:  (\S+)/;
	my ($detail) = $err =~ /DETAIL:  (.*)/;
	return join ' ', $state, $column // '', $detail // '';
}

# The calls for the list, of a script if it is given.
sub lists { my ($script) = @_; return grep { $_->{path} =~ m{/models$} && (!$script || $_->{script} eq $script) } ledger($model) }

wait_for_worker($node, $db);

#----- what the list says

my $refresh = "SELECT * FROM linkedin_ingest.refresh_models('openai')";
use_model($node, $db, $model, 'shutdown=gpt-4o-mini:2027-03-01,models=gpt-4o-mini+gpt-6-luna+never-heard-of');
is(sql($refresh), 'gpt-4o-mini|ends on 2027-03-01, was 2027-01-14', 'a date that moved');
is(sql($refresh), '', 'nothing to tell when nothing changed');
is(sql("SELECT string_agg(model, ' ' ORDER BY model) FROM linkedin_ingest.llm_models WHERE last_seen_at > now() - interval '10 minutes'"),
	'gpt-4o-mini gpt-6-luna', 'the listed ones were seen');
is(sql("SELECT count(*) FROM linkedin_ingest.llm_models"), '13', 'no row for a model that has none');
is(sql("SELECT ROW(sunset_on, input_usd_per_mtok, replacement)::text FROM linkedin_ingest.llm_models WHERE model = 'gpt-4o-mini'"),
	'(2027-03-01,0.15,gpt-6-luna)', 'its price and replacement stay');
my @calls = lists();
is($calls[0]{method}, 'GET', 'asked with GET');
is($calls[0]{auth}, 'authorization', 'and with the key');
use_model($node, $db, $model, 'models=gpt-4o-mini');
is(sql($refresh), '', 'a date that is not given any more...');
is(sql("SELECT sunset_on FROM linkedin_ingest.llm_models WHERE model = 'gpt-4o-mini'"), '2027-03-01', '...stays');
use_model($node, $db, $model, 'shutdown=gpt-6-luna:2027-06-30,models=gpt-6-luna');
is(sql('SELECT * FROM linkedin_ingest.refresh_models()'), 'gpt-6-luna|ends on 2027-06-30', 'all providers that have their key; a first date');
sql("UPDATE linkedin_ingest.llm_models SET sunset_on = NULL WHERE model = 'gpt-6-luna'");

#----- answers that are no list

is(fault("SELECT * FROM linkedin_ingest.refresh_models('nobody')"), 'P0002 provider ', 'an unknown provider');
for my $case (
	[ 'html', 'provider_error' ],
	[ 'empty', 'empty_response' ],
	[ 'reset', 'connection_failed' ],
	[ 'cut', 'connection_failed' ],
	[ 'redirect', 'config_error' ],
	[ 'error=server_error', 'provider_error' ],
	[ 'error=invalid_api_key', 'invalid_api_key' ],
	[ 'error=not_found', 'config_error' ],
	[ 'error=rate_limit_exceeded', 'rate_limited' ])
{
	use_model($node, $db, $model, $case->[0]);
	like(fault($refresh), qr/^58000 provider $case->[1]: /, "$case->[0]: no list");
}
is(sql("SELECT count(*) FROM linkedin_ingest.provider_status WHERE provider = 'openai' AND (blocked OR throttled_until IS NOT NULL)"), '0', 'and nothing is blocked for that');
sql("UPDATE linkedin_ingest.llm_providers SET base_url = 'http://127.0.0.1:9/v1' WHERE name = 'openai'");
like(fault($refresh), qr/^58000 provider connection_failed: /, 'nobody listens');
like(fault('SELECT * FROM linkedin_ingest.refresh_models()'), qr/^58000  openai: connection_failed: /, 'all that were asked failed');

#----- a provider that hangs

use_model($node, $db, $model, 'hang');
sql("UPDATE linkedin_ingest.llm_providers SET request_timeout = '1 s' WHERE name = 'openai'");
like(fault($refresh), qr/^58000 provider timeout: /, 'the time-out of the provider');
sql("UPDATE linkedin_ingest.llm_providers SET request_timeout = '5 min' WHERE name = 'openai'");
like(fault("SELECT code, message FROM linkedin_ingest.list_models('{openai}', 700)"), qr/^timeout\|/, 'the patience of the caller');
wait_for_inflight($model, 0);
my $worker = worker_pid($node, $db);
kill 'STOP', $worker;
is(fault("SELECT code, message FROM linkedin_ingest.list_models('{openai}', 700)"),
	'timeout|no answer came within 700 ms', 'a worker that hangs');
kill 'CONT', $worker;

like(fault("SET statement_timeout = '2 s'; $refresh"), qr/^57014 /, 'a caller that is cancelled');
wait_for_inflight($model, 0);
pass('its call is ended');

# Law 1, and jobs go on meanwhile.
sql(qq{INSERT INTO linkedin_ingest.llm_providers (name, kind, base_url) VALUES ('other', 'openai', '$model/hang,note=other/v1');
	INSERT INTO linkedin_ingest.llm_models (model, provider) VALUES ('other-1', 'other')});
use_model($node, $db, $model, 'ok');
my ($out, $err) = ('', '');
my $waiting = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr($db), '-c', "SELECT * FROM linkedin_ingest.refresh_models('other')" ],
	'<', \undef, '>', \$out, '2>', \$err);
wait_for_inflight($model, 1);
is(sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'linkedin_ingest worker' AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL OR xact_start IS NOT NULL)"),
	'0', 'the worker holds nothing while the provider thinks');
my $job = sql("SELECT linkedin_ingest.score_profile('$profile', 'CTO')");
wait_for_sql($node, $db, "SELECT status FROM linkedin_ingest.scoring_jobs WHERE id = '$job'", 'completed');
pass('a job completes meanwhile');

# Its worker leaves: the successor takes the errand over.
sql(qq{UPDATE linkedin_ingest.llm_providers SET base_url = '$model/note=after,models=other-1,shutdown=other-1:2027-09-09/v1' WHERE name = 'other'});
sql("SELECT pg_terminate_backend(" . worker_pid($node, $db) . ")");
$waiting->finish;
is($out, "other-1|ends on 2027-09-09\n", 'a worker that leaves hands its errand on') or diag($err);

# Its worker is killed: the server restarts, and nothing is left behind.
sql(qq{UPDATE linkedin_ingest.llm_providers SET base_url = '$model/hang,note=kill/v1' WHERE name = 'other'});
wait_for_worker($node, $db);
my @waiting = map {
	IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr($db), '-c', "SELECT * FROM linkedin_ingest.refresh_models('other')" ],
		'<', \undef, '>', \my $o, '2>', \my $e)
} 1 .. 4;
wait_for_inflight($model, 4);
kill 'KILL', worker_pid($node, $db);
$_->finish for @waiting;
wait_for_sql($node, $db, 'SELECT pg_postmaster_start_time() IS NOT NULL AND NOT pg_is_in_recovery()');
wait_for_worker($node, $db);
wait_for_inflight($model, 0);
use_model($node, $db, $model, 'note=restarted');
is(fault($refresh), '', 'after a crash there is room again');

#----- several at once

# Another asks while the first one's provider hangs: more sessions than places.
sql(qq{UPDATE linkedin_ingest.llm_providers SET base_url = '$model/latency=50,note=many/v1' WHERE name = 'openai'});
@waiting = map {
	my ($o, $e) = ('', '');
	[ IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr($db), '-c', $refresh ], '<', \undef, '>', \$o, '2>', \$e), \$o, \$e ]
} 1 .. 12;
$_->[0]->finish for @waiting;
is(join('', map { ${ $_->[1] } . ${ $_->[2] } } @waiting), '', 'twelve sessions at once');
is(scalar(lists('latency=50,note=many')), 12, 'each has its answer');

# All providers: one that fails does not keep the other from being refreshed.
sql(qq{UPDATE linkedin_ingest.llm_providers SET base_url = '$model/hang,note=both/v1', request_timeout = '1 s' WHERE name = 'other'});
use_model($node, $db, $model, 'shutdown=gpt-4o:2027-02-02,models=gpt-4o');
$node->psql($db, 'SELECT * FROM linkedin_ingest.refresh_models()', stdout => \$out, stderr => \$err);
is($out, 'gpt-4o|ends on 2027-02-02, was 2027-01-14', 'the provider that answers');
like($err, qr/WARNING:  provider "other" gave no list of its models\nDETAIL:  timeout: /, 'a warning for the one that does not');
unlike($err, qr/anthropic|ollama/, 'who has no key or no model is not asked');
sql(q{DELETE FROM linkedin_ingest.llm_models WHERE provider = 'other'; DELETE FROM linkedin_ingest.llm_providers WHERE name = 'other'});

# Another database has its own worker.
$node->safe_psql($db, 'CREATE DATABASE second');
$node->safe_psql('second', 'CREATE EXTENSION linkedin_ingest');
use_model($node, 'second', $model, 'shutdown=gpt-4o:2027-05-05,models=gpt-4o');
wait_for_worker($node, 'second');
is($node->safe_psql('second', 'SELECT * FROM linkedin_ingest.refresh_models()'),
	'gpt-4o|ends on 2027-05-05, was 2027-01-14', 'another database');
$node->safe_psql($db, 'DROP DATABASE second');

# A provider that only this transaction knows.
like(fault(qq{BEGIN; INSERT INTO linkedin_ingest.llm_providers (name, kind, base_url) VALUES ('new', 'openai', '$model/ok/v1');
	SELECT * FROM linkedin_ingest.refresh_models('new')}), qr/^58000 provider config_error: .*commit/, 'the worker sees what is committed');

#----- the log

my $log = slurp_file($node->logfile);
my @told = $log =~ /models in use end: (.*)/g;
is(scalar(@told), 0, 'no line while nothing in use ends');
sql("ALTER DATABASE postgres SET linkedin_ingest.default_model = 'gpt-3.5-turbo'");
$node->restart;
wait_for_worker($node, $db);
wait_for_sql($node, $db, "SELECT pg_read_file('" . $node->logfile . "') LIKE '%models in use end%'");
sql("SELECT pg_terminate_backend(" . worker_pid($node, $db) . ")");
wait_for_worker($node, $db);
$job = sql("SELECT linkedin_ingest.score_profile('$profile', 'CTO', model => 'gpt-6-luna')");
wait_for_sql($node, $db, "SELECT status FROM linkedin_ingest.scoring_jobs WHERE id = '$job'", 'completed');
@told = slurp_file($node->logfile) =~ /models in use end: (.*)/g;
is(join('|', @told), '"gpt-3.5-turbo" ended on 2026-10-23 (replacement "gpt-6-luna")', 'one line, also when the worker is started again');
is(sql("SELECT linkedin_ingest.health() ->> 'status'"), 'degraded', 'health: a setting asks for a model that has ended');
is(fault("SELECT linkedin_ingest.score_profile('$profile', 'CTO')"), '22023 model ', 'no job is taken for it');
is(fault("SELECT * FROM linkedin_ingest.replace_model('gpt-3.5-turbo', 'gpt-6-luna', dry_run => false)"),
	'setting|linkedin_ingest.default_model of the database|gpt-6-luna, for new sessions', 'the setting is replaced');
is(sql('SHOW linkedin_ingest.default_model'), 'gpt-6-luna', 'for new sessions');

#----- a model that is not there

sql("UPDATE linkedin_ingest.llm_models SET sunset_on = CURRENT_DATE + 5, replacement = 'gpt-6-sol' WHERE model = 'gpt-4o'");
sql("UPDATE linkedin_ingest.llm_models SET max_output_tokens = 1500 WHERE model = 'gpt-6-sol'");
control($model, 'POST', 'script/dead', '[{"do": "error=model_not_found", "match": "gpt-4o"}]');
use_model($node, $db, $model, 's/dead');
my @jobs = map { sql("SELECT linkedin_ingest.score_profile('$profile', 'CTO', model => 'gpt-4o', max_tokens => 3000)") } 1 .. 3;
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.provider_status WHERE model = 'gpt-4o' AND blocked", '1');
my $ends = sql('SELECT CURRENT_DATE + 5');
is(sql("SELECT DISTINCT linkedin_ingest.job_status(id) #>> '{error,message}' FROM linkedin_ingest.scoring_jobs WHERE status = 'pending'"),
	"the provider does not have the model (HTTP status 404); it ends on $ends, its replacement is gpt-6-sol", 'waiting jobs say when it ends and what replaces it');
is(sql("SELECT kind, name, change FROM linkedin_ingest.replace_model('gpt-4o', 'gpt-6-sol', false)"),
	'jobs|queued for role CTO|3 ask model gpt-6-sol of provider openai; 3 without their temperature, which it does not take; 3 with max_tokens lowered to 1500',
	'what is queued asks the replacement');
wait_for_sql($node, $db, "SELECT string_agg(DISTINCT status, ' ') FROM linkedin_ingest.scoring_jobs WHERE id IN ('" . join("','", @jobs) . "')", 'completed');
is(sql("SELECT concat_ws(' ', r ->> 'model', r ->> 'max_completion_tokens', r -> 'temperature', r ->> 'reasoning_effort') FROM (SELECT request::jsonb AS r FROM linkedin_ingest.scoring_jobs WHERE id = '$jobs[0]') s"),
	'gpt-6-sol 1500 low', 'the request has what the replacement takes');

#----- a request carries what the model's row allows

use_model($node, $db, $model, 'ok');

# What was sent; without a schema the answer does not suit, which is no matter.
sub request_of
{
	my ($columns, $later) = @_;
	my $id;

	sql("DELETE FROM linkedin_ingest.llm_models WHERE model = 'm'");
	sql("INSERT INTO linkedin_ingest.llm_models (model, provider, $columns->[0]) VALUES ('m', 'openai', $columns->[1])");
	sql("SELECT linkedin_ingest.pause_worker()") if $later;
	$id = sql("SET client_min_messages = error; SELECT linkedin_ingest.score_profile('$profile', 'CTO', model => 'm')");
	sql("UPDATE linkedin_ingest.llm_models SET $later WHERE model = 'm'; SELECT linkedin_ingest.resume_worker()") if $later;
	wait_for_sql($node, $db, "SELECT status IN ('completed', 'failed') FROM linkedin_ingest.scoring_jobs WHERE id = '$id'");
	return sql(qq{SELECT concat_ws(' ', r -> 'max_tokens', r -> 'max_completion_tokens', r -> 'temperature', r ->> 'reasoning_effort', r #>> '{response_format,type}')
		FROM (SELECT request::jsonb AS r FROM linkedin_ingest.scoring_jobs WHERE id = '$id') s});
}

is(request_of([ 'token_parameter', 'NULL' ]), '2000 0.1 json_schema', 'a row that says nothing: as without a row');
is(request_of([ 'token_parameter, reasoning_effort', "'max_completion_tokens', 'none'" ]), '2000 0.1 none json_schema', 'reasoning_effort');
is(request_of([ 'supports_temperature, supports_json_schema', 'false, false' ]), '2000 json_object', 'no temperature, no schema');
is(request_of([ 'supports_temperature', 'true' ], 'supports_temperature = false'), '2000 json_schema', 'the row counts when the request is sent');

#----- who may not be asked, and where nobody can ask

use_model($node, $db, $model, 'error=invalid_api_key');
$job = sql("SELECT linkedin_ingest.score_profile('$profile', 'CTO')");
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.provider_status WHERE model IS NULL AND provider = 'openai' AND blocked", '1');
my $before = lists();
like(fault($refresh), qr/^55000 provider invalid_api_key: /, 'a blocked account is not asked');
like(fault('SELECT * FROM linkedin_ingest.refresh_models()'), qr/^58000  openai: invalid_api_key: /, 'nor among all');
is(scalar(lists()), $before, 'no call was made');
sql("SELECT linkedin_ingest.cancel_job('$job'); SELECT linkedin_ingest.unblock_provider('openai')");
use_model($node, $db, $model, 'ok');
sql("SELECT linkedin_ingest.pause_worker('lunch')");
like(fault($refresh), qr/^55000  paused by .*: lunch/, 'a paused worker is not asked');
sql("SELECT linkedin_ingest.resume_worker()");
is(fault($refresh), '', 'and is again');
sql("UPDATE linkedin_ingest.llm_providers SET api_key_ref = 'env:LI_NO_SUCH_VARIABLE' WHERE name = 'openai'");
like(fault($refresh), qr/^55000 provider config_error: /, 'no key');
like(fault('SELECT * FROM linkedin_ingest.refresh_models()'), qr/^55000  No provider/, 'nobody to ask');
$node->stop;

my $bare = new_node('bare', preload => 0);
like(fault($refresh, $bare), qr/^55000  the library is not preloaded/, 'without preload nobody can ask');
is($bare->safe_psql($db, 'SELECT model, provider, state FROM linkedin_ingest.model_status'), 'gpt-6-luna|openai|ok', 'model_status works there, the library not loaded before');
is($bare->safe_psql($db, "SET client_min_messages = error; SELECT count(*) FROM linkedin_ingest.replace_model('gpt-6-luna', 'gpt-6-sol')"), '2', 'so does replace_model');
$bare->stop;

done_testing();
