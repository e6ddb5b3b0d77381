# What a claim costs does not depend on what lies in the queue: the buffers it
# touches are the same with 1,000 jobs and with 1,200,000 of which most may not
# be claimed.  (Times are in the benchmark.)

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $model = start_model();
my $node = new_node('main', model => $model, preload => 0,
	conf => "shared_preload_libraries = 'pg_stat_statements'\npg_stat_statements.track = all\nautovacuum = off\nshared_buffers = 512MB\nfsync = off\nmax_wal_size = 4GB\nlinkedin_ingest.max_jobs_per_profile_per_hour = 0");
my $db = 'postgres';

$node->safe_psql($db, 'CREATE EXTENSION pg_stat_statements');
my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');
my $first = $node->safe_psql($db, "SELECT linkedin_ingest.score_profile('$profile', 'CTO')");

# Copies of the first job: as many as asked for, with what is given overridden.
sub queue
{
	my ($count, %set) = @_;
	my %column = (provider => "'openai'", model => "'gpt-6-luna'", priority => '0', run_at => 'now()', role => "'CTO'", %set);

	$node->safe_psql($db, qq{
		INSERT INTO linkedin_ingest.scoring_jobs (profile_id, role, stage, template_id, template_version, provider, model, max_tokens, temperature, priority, run_at)
		SELECT j.profile_id, $column{role}, j.stage, j.template_id, j.template_version, $column{provider}, $column{model}, j.max_tokens, j.temperature, $column{priority}, $column{run_at}
		FROM linkedin_ingest.scoring_jobs j, generate_series(1, $count) WHERE j.id = '$first'});
	return;
}

# Buffers per statement of one claim of 50 jobs.
sub claim
{
	$node->safe_psql($db, 'SELECT pg_stat_statements_reset()');
	$node->safe_psql($db, 'CALL linkedin_ingest.run_once(50)');
	my %buffers = map { split /\|/ } split /\n/, $node->safe_psql($db, q{
		SELECT CASE WHEN query ~ '^WITH RECURSIVE groups' THEN 'lanes' ELSE 'claim' END,
			round((shared_blks_hit + shared_blks_read)::numeric / calls)
		FROM pg_stat_statements
		WHERE query ~ '^WITH RECURSIVE groups' OR query ~ '^UPDATE linkedin_ingest.scoring_jobs .*claim_no [+] '});
	return \%buffers;
}

queue(1000);
$node->safe_psql($db, 'VACUUM ANALYZE linkedin_ingest.scoring_jobs');
claim();
$node->safe_psql($db, 'VACUUM linkedin_ingest.scoring_jobs');
my $small = claim();
note("1,000 jobs: lanes $small->{lanes}, claim $small->{claim} buffers");

# 1,000,000 of the same; 100,000 of a provider without a key; 100,000 of the
# future with a higher priority.
$node->safe_psql($db, q{
	INSERT INTO linkedin_ingest.llm_providers (name, kind, base_url, api_key_ref)
	VALUES ('locked', 'openai', 'http://127.0.0.1:9/v1', 'env:LINKEDIN_INGEST_NO_SUCH_KEY')});
queue(1_000_000);
queue(100_000, provider => "'locked'");
queue(100_000, run_at => "now() + '1 day'", priority => '100');
$node->safe_psql($db, 'VACUUM ANALYZE linkedin_ingest.scoring_jobs');
claim();
$node->safe_psql($db, 'VACUUM linkedin_ingest.scoring_jobs');
my $large = claim();
note("1,200,000 jobs: lanes $large->{lanes}, claim $large->{claim} buffers");

# Three lanes instead of one, and a level or two more in each index.
cmp_ok($large->{lanes}, '<=', $small->{lanes} + 40, 'looking at the lanes');
cmp_ok($large->{claim}, '<=', $small->{claim} * 1.5 + 50, 'claiming');
is($node->safe_psql($db, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE (provider = 'locked' OR priority = 100) AND claim_no > 0"),
	'0', 'none was claimed that may not be');

$node->stop;
done_testing();
