# A key that the server has is found in no log, catalog, view or dump.

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $marker = 'marker' . 'KEY' . '7f3a9c';
$ENV{OPENAI_API_KEY} = $marker;
# Where the test itself has to write it down, one letter is a wildcard.
my $pattern = $marker =~ s/K/_/r;

my $model = start_model();
my $node = new_node('main', model => $model,
	conf => "log_statement = 'none'\nlinkedin_ingest.max_jobs_per_profile_per_hour = 0\nlinkedin_ingest.poll_interval = '500ms'");
my $db = 'postgres';

# A statement is logged as it was written, so the payload goes first.
my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');

# debug5 comes with a reload: a postmaster that starts at debug3 or above logs
# its whole environment before any library is loaded (docs/install.md).
$node->append_conf('postgresql.conf',
	"log_statement = 'all'\nlog_min_messages = debug5\nlog_min_error_statement = debug5");
$node->reload;

wait_for_worker($node, $db);
for my $directives ("key=$marker", 'key=another', 'error=invalid_api_key', 'error=server_error', 'refusal', 'reset', 'ok')
{
	use_model($node, $db, $model, $directives);
	my $job = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO')");
	wait_for_sql($node, $db, "SELECT EXISTS (SELECT FROM linkedin_ingest.scoring_attempts WHERE job_id = '$job')");
	is($node->safe_psql($db, "SELECT outcome FROM linkedin_ingest.scoring_attempts WHERE job_id = '$job' ORDER BY attempt LIMIT 1"), 'ok', 'the key is sent')
	  if $directives =~ /marker/;
	$node->safe_psql($db, "SELECT linkedin_ingest.cancel_job('$job')");
}
# A file that is not what it should be, named in no error.
my $file = PostgreSQL::Test::Utils::tempdir() . '/key';
append_to_file($file, $marker . "\n");
chmod 0644, $file;
$node->safe_psql($db, "UPDATE linkedin_ingest.llm_providers SET api_key_ref = 'file:$file', base_url = '$model/key=$marker/v1' WHERE name = 'openai'");
like($node->safe_psql($db, "SELECT blocked_message FROM linkedin_ingest.account_states() WHERE provider = 'openai' AND model = ''"),
	qr/open to others/, 'a key file that others may read is refused');
chmod 0600, $file;
my $job = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CISO')");
is($node->safe_psql($db, "SELECT linkedin_ingest.wait_for_job('$job', '30 s')"), 'completed', 'one that only the server reads is used');
$node->safe_psql($db, $_)
  for 'SELECT * FROM linkedin_ingest.worker_status', 'SELECT * FROM linkedin_ingest.provider_status',
  'SELECT linkedin_ingest.health()', 'SELECT linkedin_ingest.version()';

# Every table and view that a superuser can read, in every schema.
my $found = $node->safe_psql($db, qq{
	SELECT string_agg(c.oid::regclass::text, ' ')
	FROM pg_class c
	WHERE c.relkind IN ('r', 'v', 'm') AND c.oid::regclass::text !~ 'pg_stat_ssl'
	AND query_to_xml('SELECT count(*) FROM ' || c.oid::regclass || ' t WHERE t::text LIKE ''%$pattern%'' AND t::text NOT LIKE ''%query_to_xml%''', false, true, '')::text !~ '<count>0</count>'});
# The provider's base_url of the scripted server holds the word it expects.
$found =~ s/linkedin_ingest\.(llm_providers|provider_status)\s*//g;
is($found, '', 'in no table, catalog or view');

use_model($node, $db, $model);
my ($dump) = run_command([ 'pg_dump', '-d', $node->connstr($db) ]);
unlike($dump, qr/\Q$marker\E/, 'in no dump');
($dump) = run_command([ 'pg_dumpall', '-d', $node->connstr($db) ]);
unlike($dump, qr/\Q$marker\E/, 'nor one of all databases');

$node->stop;
my $log = slurp_file($node->logfile);
# What this test itself wrote: the scripted server is told the word in the URL.
$log =~ s{/key=\Q$marker\E/}{}g;
like($log, qr/DEBUG/, 'the log is at debug5');
is(join("\n", grep { /\Q$marker\E/ } split /\n/, $log), '', 'the key is in no line of it');
is(join("\n", grep { /Bearer/i } split /\n/, $log), '', 'nor is a header');
my ($text) = slurp_file(__FILE__ =~ s{/t/.*}{/fixtures/profiles/cassidy/marisol-okonkwo-reyes.json}r) =~ /\\"about\\": \\"([^.\\]{30,})/;
ok(length $text, 'a sentence of the profile to look for');
ok($log !~ /\Q$text\E/, 'nor profile text');
done_testing();
