# A worker's ways of life, each once, for a server that valgrind runs
# (test/long/valgrind).  What it finds is judged afterwards by test/lib/memcheck;
# here only: each way was gone to its end.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(basename);
use JSON::PP ();
use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Some fifty times slower, on a machine that may be busy.
my $patience = 1800;
$ENV{PGCTLTIMEOUT} = $patience;
$ENV{ANTHROPIC_API_KEY} = 'fictional';

my $model = start_model();
my $db = 'postgres';
my $node = new_node('main', model => $model, conf => qq{
autovacuum = off
authentication_timeout = '10min'
linkedin_ingest.max_jobs_per_profile_per_hour = 0
linkedin_ingest.lease_interval = '30min'
linkedin_ingest.poll_interval = '500ms'
linkedin_ingest.max_response_size = '64kB'});

# A session takes seconds to begin, so what goes together goes through one.
my $first = '';
sub sql
{
	my ($statements) = @_;
	my $out = $node->safe_psql($db, $first . $statements);

	$first = '';
	return $out;
}

sub running
{
	wait_for_sql($node, $db, 'SELECT state FROM linkedin_ingest.worker_status WHERE database = current_database() LIMIT 1',
		'running', $patience);
	return worker_pid($node, $db);
}

# Answers from now on, that is, from the next sql().
sub serve
{
	my ($directives) = @_;

	$first .= "UPDATE linkedin_ingest.llm_providers SET base_url = '$model/$directives/v1' WHERE name = 'openai';\n";
	return;
}

sub script
{
	my ($name, @steps) = @_;

	control($model, 'POST', "script/$name", JSON::PP::encode_json(\@steps));
	return serve("s/$name");
}

# The end of a job, waited for: status and code, then kind and outcome of each of
# its calls.  The job is an id or a call that makes one.
sub ended
{
	my ($job, $meanwhile) = @_;

	$job = "'$job'" unless $job =~ /\(/;
	$meanwhile //= '';
	return sql(qq{
		SELECT $job AS job \\gset
		$meanwhile
		SELECT linkedin_ingest.wait_for_job(:'job', '$patience s') \\g /dev/null
		SELECT concat_ws(' ', status, error ->> 'code') || ': ' ||
			coalesce((SELECT string_agg(concat_ws(' ', kind, outcome), ', ' ORDER BY attempt)
				FROM linkedin_ingest.scoring_attempts WHERE job_id = j.id), '')
		FROM linkedin_ingest.scoring_jobs AS j WHERE id = :'job'});
}

sub score { return ended("linkedin_ingest.score_profile($_[0])", $_[1]) }

sub queue { return sql("SELECT linkedin_ingest.score_profile($_[0])") }

running();

#----- people

my @file = glob 'test/fixtures/profiles/*/*.json';
my %name = map { basename($_, '.json') => 1 } @file;

sql(join '', map { 'SELECT linkedin_ingest.ingest_profile($json$' . slurp_file($_) . "\$json\$::jsonb);\n" } @file);
is(sql('SELECT count(*) FROM linkedin_ingest.profiles'), scalar keys %name, 'people of two providers');
is(sql(q{SELECT string_agg(outcome, ' ' ORDER BY ordinal) FROM linkedin_ingest.ingest_profiles(
	'[{"full_name": "No Body"}, 7, {"linkedin_url": "https://www.linkedin.com/in/ada-sample", "full_name": "Ada \u00dcber Sample",
	"experiences": [{"title": "CTO", "company": "Example Works", "start": "Mar 2019", "duration": "4 yrs 2 mos"}, 3, null]}]')}),
	'failed failed created', 'good and bad ones in one call');
my ($profile, $other) = map { sql("SELECT id FROM linkedin_ingest.profiles WHERE full_name LIKE '$_ %'") } qw(Marisol Torvald);

#----- healthy answers

serve('ok');
is(score("'$profile', 'CTO', samples => 3"), 'completed: first ok, sample ok, sample ok', 'samples');
is(score("'$profile', prompt => 'Is this person fit to lead? {{profile}}'"), 'completed: first ok', 'a free prompt');
serve('drip=64:5');
is(score("'$profile', 'CIO'"), 'completed: first ok', 'in pieces');
serve('chunked');
is(score("'$profile', 'CISO'"), 'completed: first ok', 'in chunks');
sql("SELECT count(linkedin_ingest.score_profile(id, 'CTO')) FROM linkedin_ingest.profiles");
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing')", '0', $patience);
is(sql("SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status <> 'completed'"), '0', 'many at once');

#----- answers that are asked for again, and others that are hostile

script('again', { do => 'badjson', times => 1 });
is(score("'$profile', 'CTO'"), 'completed: first reask, reask ok', 'a re-ask');
script('long', { do => 'error=context_length_exceeded', times => 1 });
is(score("'$profile', 'CTO'"), 'completed: first shrink, reask ok', 'a prompt that is shortened');
for my $directives ('taint=ff', 'taint=rawnul', 'score=string', 'score=huge', 'score=nan', 'dupkeys', 'deep=1000', 'extra', 'missing=all', 'prose=both', 'taint=nul',
	'taint=surrogate', 'score=range')
{
	serve($directives);
	like(score("'$profile', 'CTO'"), qr/^failed \w+: first reask(, reask \w+)+$/, "$directives: refused");
}
for my $directives ('quote=invented', 'quote=reworded', 'quote=short', 'score=null', 'fence', 'total=100', 'no-usage', 'parts')
{
	serve($directives);
	like(score("'$profile', 'CTO'"), qr/^completed: first ok$/, "$directives: taken");
}
for my $directives ('oversize=200000', 'refusal', 'error=bad_parameter', 'redirect', 'error=content_filter,dialect=azure')
{
	serve($directives);
	like(score("'$profile', 'CTO'"), qr/^failed \w+: first fail$/, "$directives: final");
}

#----- calls that are tried again

for my $directives ('error=server_error', 'reset', 'reset=reused', 'cut', 'close', 'close-after-headers', 'html', 'empty', 'nochoices', 'type=text%2Fplain',
	'gzip', 'status=429,retry-after=1', 'error=loading_model,dialect=llamacpp')
{
	my $name = 'retry-' . $directives =~ s/\W+/-/gr;

	script($name, { do => $directives, times => 1 });
	like(score("'$profile', 'CTO'"), qr/^completed: first (retry|defer), \w+ ok$/, "$directives: tried again");
}

#----- cancelled, refused, retried by hand

serve('hang');
my $job = queue("'$profile', 'CTO'");
wait_for_inflight($model, 1, $patience);
sql("SELECT linkedin_ingest.cancel_job('$job')");
wait_for_inflight($model, 0, $patience);
like(ended($job), qr/^cancelled/, 'cancelled under way');
serve('error=invalid_api_key');
sql("SELECT linkedin_ingest.retry_job('$job')");
wait_for_sql($node, $db, 'SELECT count(*) FROM linkedin_ingest.provider_blocks', '1', $patience);
serve('ok');
like(ended($job), qr/^completed: /, 'refused, retried, completed');

#----- another dialect, a pipeline, a list of models

sql("UPDATE linkedin_ingest.llm_providers SET base_url = '$model/ok/v1' WHERE name = 'anthropic'");
like(score("'$profile', 'CTO', model => 'claude-haiku-4-5'"), qr/^completed: /, 'the other dialect');
sql("SELECT count(*) FROM linkedin_ingest.score_pipeline('$other')");
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing')", '0', $patience);
pass('a pipeline');
serve('shutdown=gpt-4o-mini:2027-03-01,models=gpt-4o-mini+gpt-6-luna');
like(sql("SELECT * FROM linkedin_ingest.refresh_models('openai')"), qr/^gpt-4o-mini\|/, 'a list of models');

#----- a session that works by itself, an explanation, the views

serve('ok');
like(score("'$profile', 'CISO'", 'CALL linkedin_ingest.run_once();'), qr/^completed: /, 'the session or the worker scores');
like(sql("SELECT linkedin_ingest.explain_score('$profile', 'CTO')"), qr/messages/, 'an explanation');
sql("SELECT * FROM linkedin_ingest.$_")
  for qw(worker_status queue_status provider_status model_status queue_anomalies health() version());
pass('views');

#----- the worker's end in several ways

my $pid = running();
serve('hang');
$job = queue("'$profile', 'CTO'");
wait_for_inflight($model, 1, $patience);
kill 'TERM', $pid;
serve('ok');
sql('SELECT 1');
wait_for_sql($node, $db, "SELECT count(*) FROM linkedin_ingest.worker_status WHERE pid <> $pid AND state = 'running'", '1', $patience);
like(ended($job), qr/^completed: /, 'handed back, and done by its successor');
sql('DROP EXTENSION linkedin_ingest CASCADE; CREATE EXTENSION linkedin_ingest');
running();
sql('CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION linkedin_ingest');
wait_for_sql($node, 'other', 'SELECT state FROM linkedin_ingest.worker_status WHERE database = current_database() LIMIT 1', 'running', $patience);
sql('DROP DATABASE other');
$node->stop;
pass('extension and database dropped, server stopped');
done_testing();
