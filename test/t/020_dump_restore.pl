# A dump of a used database, restored into a fresh one, is row for row equal:
# changed and deleted seeds, jobs of every state, any version and time.  And a
# copy does not run its jobs.
#
# The server does not preload the library: no worker, so nothing moves while
# tables are compared.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use LinkedinIngest::Test;

my $node = new_node('dump', preload => 0, extension => 0);
my $dir = PostgreSQL::Test::Utils::tempdir('dumps');

# Every table with what is in it; one line a table.
my $contents = q{
	SELECT string_agg(c.relname || ' ' || (xpath('/row/n/text()', query_to_xml(format(
		'SELECT count(*) || '' '' || md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '''')) AS n FROM %s t', c.oid::regclass),
		false, true, '')))[1]::text, chr(10) ORDER BY c.relname)
	FROM pg_class c
	WHERE c.relnamespace = 'linkedin_ingest'::regnamespace AND c.relkind = 'r'
		AND c.relname NOT IN ('workers', 'provider_blocks', 'home', 'seeds')};

sub new_database
{
	my ($db) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0");
	return;
}

# dump(DB, OPTION...): the file.
sub dump_to
{
	my ($db, @option) = @_;
	my $file = "$dir/" . join('_', $db, map { s/\W//gr } @option);

	$node->command_ok([ 'pg_dump', '-f', $file, @option, $db ],
		"pg_dump @option $db");
	return $file;
}

sub restore_with_psql
{
	my ($file, $db) = @_;

	new_database($db);
	$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-d', $db, '-f', $file ],
		"psql restores into $db");
	return;
}

$node->safe_psql('postgres', 'CREATE ROLE dump_reader; CREATE ROLE dump_scorer');

# A database as it comes: all its seeds are listed, and a copy has them once.
new_database('fresh');
$node->safe_psql('fresh', 'CREATE EXTENSION linkedin_ingest');
restore_with_psql(dump_to('fresh'), 'fresh_copy');
is( $node->safe_psql('fresh_copy', $contents),
	$node->safe_psql('fresh', $contents),
	'a database as installed comes back equal');

# A used one.
new_database('used');
$node->safe_psql('used', 'CREATE EXTENSION linkedin_ingest');
my $seeds = $node->safe_psql('used', 'SELECT count(*) FROM linkedin_ingest.seeds');
$node->safe_psql(
	'used', q{
	SELECT linkedin_ingest.grant_access('dump_reader', 'reader'), linkedin_ingest.grant_access('dump_scorer', 'scorer');

	-- seeds changed, saved as they were, and deleted
	UPDATE linkedin_ingest.roles SET description = 'changed' WHERE role = 'CTO';
	UPDATE linkedin_ingest.roles SET title = title WHERE role = 'CIO';
	UPDATE linkedin_ingest.llm_providers SET base_url = 'http://127.0.0.1:9/v1', api_key_ref = NULL WHERE name = 'openai';
	DELETE FROM linkedin_ingest.llm_models WHERE provider = 'anthropic';
	DELETE FROM linkedin_ingest.llm_providers WHERE name = 'anthropic';
	UPDATE linkedin_ingest.llm_models SET input_usd_per_mtok = 7 WHERE model = 'gpt-6-sol';
	DELETE FROM linkedin_ingest.source_mappings WHERE (source, target_path) = (SELECT min(source), min(target_path) FROM linkedin_ingest.source_mappings WHERE source = (SELECT min(source) FROM linkedin_ingest.sources));
	UPDATE linkedin_ingest.sources SET description = 'changed' WHERE source = (SELECT min(source) FROM linkedin_ingest.sources);
	UPDATE linkedin_ingest.prompt_templates SET prompt_text = prompt_text || ' Take care.' WHERE stage = 'scoring' AND role = 'CTO' AND is_active;
	UPDATE linkedin_ingest.prompt_templates SET description = 'once more' WHERE stage = 'scoring' AND role = 'CTO' AND is_active;
	DELETE FROM linkedin_ingest.prompt_templates WHERE role = 'CISO';

	-- rows of our own
	INSERT INTO linkedin_ingest.roles (role, title) VALUES ('COO', 'Chief Operating Officer');
	INSERT INTO linkedin_ingest.prompt_templates (role, name, prompt_text, is_active) VALUES ('COO', 'operations', 'Score for {{role}}. {{profile}}', true);
	UPDATE linkedin_ingest.prompt_templates SET prompt_text = 'Rate for {{role}}. {{profile}}' WHERE role = 'COO';
	INSERT INTO linkedin_ingest.llm_models (model, provider, last_seen_at) VALUES ('test-small', 'ollama', '2026-01-02 03:04:05.678901Z');
	INSERT INTO linkedin_ingest.companies (company_name, employee_count, industries) VALUES ('Example Works', 120, '{Machines}');
	INSERT INTO linkedin_ingest.profiles (full_name, public_id, linkedin_url, suggested_role) VALUES ('Ada Example', 'ada-example', 'https://www.linkedin.com/in/ada-example', 'COO');
	SELECT linkedin_ingest.ingest_profile('{"full_name": "Bo Example", "public_id": "bo-example", "headline": "Line \"one\"\n\ttwo", "experiences": [{"title": "Head", "company": "Example Works", "start_year": 2020, "is_current": true}]}');
	SELECT linkedin_ingest.score_profile(p.id, r) FROM linkedin_ingest.profiles p, unnest(ARRAY['CTO', 'COO']) r;
	SELECT linkedin_ingest.score_profile(p.id, prompt => E'And \\ what?\tYes\n', unique_key => 'k', run_at => '2100-01-01') FROM linkedin_ingest.profiles p;
	SELECT linkedin_ingest.score_profile(j.profile_id, 'COO', after_job => j.id) FROM linkedin_ingest.scoring_jobs j WHERE j.role = 'CTO';
	INSERT INTO linkedin_ingest.spend_daily (day, provider, model, calls, cost_usd) VALUES ('2026-01-01', 'openai', 'gpt-6-sol', 3, 0.123456789);
	INSERT INTO linkedin_ingest.provider_blocks (account, provider, code, message, blocked_at, next_probe_at) VALUES ('x', 'openai', 'quota_exhausted', 'x', now(), now());
	SELECT linkedin_ingest.pause_worker('before the dump');
});

# Jobs in every other state, as a worker of this server leaves them, and as no
# worker would: what is there comes back, whatever it is.
$node->safe_psql(
	'used', q{
	WITH j AS (SELECT id, row_number() OVER (ORDER BY id) AS n FROM linkedin_ingest.scoring_jobs WHERE run_at < 'infinity' LIMIT 4)
	UPDATE linkedin_ingest.scoring_jobs SET status = 'processing', claim_no = 7, claim_token = gen_random_uuid(), worker_id = gen_random_uuid(),
		attempts = 1, started_at = '2026-03-04 05:06:07Z' FROM j WHERE scoring_jobs.id = j.id;
	INSERT INTO linkedin_ingest.scoring_attempts (job_id, attempt, claim_no, kind, charged, provider, model)
		SELECT id, 1, 7, 'first', true, provider, model FROM linkedin_ingest.scoring_jobs WHERE status = 'processing';
	UPDATE linkedin_ingest.scoring_jobs SET status = 'completed', completed_at = '2026-03-04 05:06:09.5Z', overall_score = 71.5, prompt_tokens = 10, completion_tokens = 20,
		cost_usd = 0.0001, request = '{"b":  1, "a": 2, "a": 3}', llm_response = '{"id": "\u00e9\\\\n"}', parsed_score = '{"criteria": {}}', needs_review = true, review_reasons = '{ungrounded,"a b"}'
		WHERE id = (SELECT min(id::text)::uuid FROM linkedin_ingest.scoring_jobs WHERE status = 'processing' AND stage IS NOT NULL);
	UPDATE linkedin_ingest.scoring_attempts a SET outcome = 'ok' FROM linkedin_ingest.scoring_jobs j WHERE j.id = a.job_id AND j.status = 'completed';
	INSERT INTO linkedin_ingest.latest_scores SELECT profile_id, role, stage, id, completed_at FROM linkedin_ingest.scoring_jobs WHERE status = 'completed';
	SELECT linkedin_ingest.review_score(id, v, E'why\tnot?') FROM linkedin_ingest.scoring_jobs, unnest(ARRAY['agree', 'reject']) v WHERE status = 'completed';
	UPDATE linkedin_ingest.scoring_jobs SET status = 'failed', completed_at = now(), error = '{"code": "timeout"}'
		WHERE id = (SELECT min(id::text)::uuid FROM linkedin_ingest.scoring_jobs WHERE status = 'processing');
	SELECT linkedin_ingest.settle_dependents(id) FROM linkedin_ingest.scoring_jobs WHERE status IN ('completed', 'failed');
	SELECT linkedin_ingest.cancel_job(min(id::text)::uuid) FROM linkedin_ingest.scoring_jobs WHERE status = 'processing';
});
is( $node->safe_psql(
		'used', "SELECT string_agg(DISTINCT status, ' ' ORDER BY status) FROM linkedin_ingest.scoring_jobs"),
	'cancelled completed failed pending processing',
	'jobs of every state');
is( $node->safe_psql(
		'used', q{SELECT count(*) FROM linkedin_ingest.scoring_jobs j JOIN linkedin_ingest.prompt_templates t ON t.id = j.template_id WHERE t.version > 1}
	) > 0,
	1,
	'of templates with a history');
cmp_ok($node->safe_psql('used', 'SELECT count(*) FROM linkedin_ingest.seeds'),
	'<', $seeds, 'changed and deleted seeds are struck off the list');
is( $node->safe_psql(
		'used', q{SELECT string_agg(key, ' ' ORDER BY key) FROM linkedin_ingest.seeds WHERE table_name = 'roles'}),
	'CIO CISO',
	'one saved as it was is not');

my $expected = $node->safe_psql('used', $contents);

restore_with_psql(dump_to('used'), 'by_copy');
restore_with_psql(dump_to('used', '--inserts'), 'by_inserts');
restore_with_psql(dump_to('by_copy'), 'copy_of_copy');
new_database('by_pg_restore');
$node->command_ok(
	[ 'pg_restore', '--exit-on-error', '-d', 'by_pg_restore', dump_to('used', '-Fc') ],
	'pg_restore restores into by_pg_restore');

for my $db (qw(by_copy by_inserts copy_of_copy by_pg_restore))
{
	is($node->safe_psql($db, $contents), $expected, "$db is row for row equal");
	is( $node->safe_psql(
			$db, q{SELECT (SELECT count(*) FROM linkedin_ingest.home) + (SELECT count(*) FROM linkedin_ingest.workers)
				+ (SELECT count(*) FROM linkedin_ingest.provider_blocks) + (SELECT count(*) FROM linkedin_ingest.seeds)}),
		'0',
		"$db has no state of the other's machinery");
	is( $node->safe_psql(
			$db, q{SELECT has_function_privilege('dump_scorer', 'linkedin_ingest.cancel_job(uuid)', 'EXECUTE'),
				has_function_privilege('dump_reader', 'linkedin_ingest.cancel_job(uuid)', 'EXECUTE'),
				has_table_privilege('dump_reader', 'linkedin_ingest.profile_scores', 'SELECT'),
				has_function_privilege('pg_monitor', 'linkedin_ingest.worker_slots()', 'EXECUTE')}),
		't|f|t|t',
		"$db has the same rights");
}

# Afterwards everything works as before: the rules are back, and a copy with
# jobs is at home nowhere until it is told so.
isnt($node->safe_psql('by_copy', 'SELECT linkedin_ingest.home_problem()'),
	'', 'a copy is not at home');
$node->safe_psql('by_copy',
	q{SELECT linkedin_ingest.score_profile(p.id, 'CTO') FROM linkedin_ingest.profiles p});
isnt($node->safe_psql('by_copy', 'SELECT linkedin_ingest.home_problem()'),
	'', 'nor after a new job');
my ($code, $out, $err) = $node->psql('by_copy',
	q{UPDATE linkedin_ingest.scoring_jobs SET status = 'processing' WHERE status = 'completed'});
like($err, qr/cannot go from "completed" to "processing"/,
	'the state machine holds in a copy');
my $foreign = $node->safe_psql('by_copy',
	q{SELECT string_agg(id::text, ',') FROM linkedin_ingest.scoring_jobs WHERE status = 'processing'});
$node->safe_psql('by_copy', 'SELECT linkedin_ingest.resume_worker()');
is($node->safe_psql('by_copy', 'SELECT linkedin_ingest.home_problem()'),
	'', 'resume_worker makes it a home');
is( $node->safe_psql(
		'by_copy', qq{SELECT string_agg(DISTINCT status || attempts || claim_no, ',') FROM linkedin_ingest.scoring_jobs WHERE id = ANY ('{$foreign}')}),
	'pending07',
	'jobs that ran elsewhere are pending, uncharged');
is($node->safe_psql('by_copy', 'SELECT count(*) FROM linkedin_ingest.queue_anomalies'),
	'0', 'no anomaly');

# A seeded table emptied by hand has no row to announce itself with --inserts.
$node->safe_psql('fresh', 'DELETE FROM linkedin_ingest.llm_models');
restore_with_psql(dump_to('fresh', '--inserts'), 'emptied');
is( $node->safe_psql('emptied', $contents),
	$node->safe_psql('fresh', $contents),
	'an emptied table stays empty');

# The sign of a restore is a command of the session, not a default that the
# owner of the database may set for everybody.
$node->safe_psql('fresh', 'ALTER DATABASE fresh SET check_function_bodies = off');
is($node->safe_psql('fresh', 'SELECT linkedin_ingest.is_restoring()'), 'f', 'a default is no sign of a restore');
is($node->safe_psql('fresh', 'SET check_function_bodies = off; SELECT linkedin_ingest.is_restoring()'), 't', 'a command is');

done_testing();
