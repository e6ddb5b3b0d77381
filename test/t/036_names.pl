# A DNS server that does not answer holds up the provider whose name it is asked
# for, and nobody else; a name that does not exist blocks its provider.
#
# getaddrinfo() of the server is replaced: "stuck.test" takes 60 s, "model.test" is
# this host, "gone.test" does not exist.

use strict;
use warnings FATAL => 'all';

use LinkedinIngest::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

# The goals are 50 ms more for the other provider's jobs and 1 s for a stop; a busy
# machine gets ten times that.
use constant { MORE => 0.5, STOP => 10 };

my $shim = PostgreSQL::Test::Utils::tempdir('shim') . '/names';
append_to_file("$shim.c", <<'C');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <time.h>

int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
		dlsym(RTLD_NEXT, "getaddrinfo");

	if (node != NULL && strcmp(node, "stuck.test") == 0)
	{
		struct timespec minute = {60, 0};

		nanosleep(&minute, NULL);
		return EAI_AGAIN;
	}
	if (node != NULL && strcmp(node, "gone.test") == 0)
		return EAI_NONAME;
	return real(node != NULL && strcmp(node, "model.test") == 0 ? "127.0.0.1" : node, service, hints, result);
}
C
system_or_bail('gcc', '-shared', '-fPIC', '-o', "$shim.so", "$shim.c", '-ldl');

my $model = start_model();
my ($port) = $model =~ /:(\d+)$/;
my $db = 'postgres';
my $node;
{
	local $ENV{LD_PRELOAD} = "$shim.so";
	$node = new_node('main', conf => "linkedin_ingest.max_jobs_per_profile_per_hour = 0\nlinkedin_ingest.max_in_flight = 50");
}

sub sql { return $node->safe_psql($db, $_[0]) }

# A provider at that host and a model of the same name.
sub provider
{
	my ($name) = @_;

	sql("INSERT INTO linkedin_ingest.llm_providers (name, kind, base_url, connect_timeout) VALUES ('$name', 'openai', 'http://$name.test:$port/ok/v1', '3 s');
		INSERT INTO linkedin_ingest.llm_models (model, provider, token_parameter, supports_json_schema) VALUES ('$name', '$name', 'max_tokens', true)");
	return;
}

my $profile = ingest($node, $db, 'cassidy/marisol-okonkwo-reyes');
wait_for_worker($node, $db);
provider($_) for 'model', 'stuck', 'gone';

sub queue
{
	my ($name, $jobs) = @_;

	return sql("SELECT count(linkedin_ingest.score_profile('$profile', 'CTO', model => '$name')) FROM generate_series(1, $jobs)");
}

# Seconds from the commit of a job to its answer, of the middle one and of the worst of 30.
sub latency
{
	my @seconds = sort { $a <=> $b } map { one() } 1 .. 30;

	return @seconds[ 15, -1 ];
}

sub one
{
	my $start = time;
	my $job = sql("SELECT linkedin_ingest.score_profile('$profile', 'CTO', model => 'model')");

	my $end = sql("SELECT linkedin_ingest.wait_for_job('$job', '60 s')");

	die sql("SELECT linkedin_ingest.job_status('$job')") if $end ne 'completed';
	return time - $start;
}

one();
my ($usual, $worst) = latency();
for my $jobs (20, 200)
{
	my ($now, $now_worst);

	queue('stuck', $jobs);
	wait_for_sql($node, $db, "SELECT count(*) > 0 FROM linkedin_ingest.scoring_jobs WHERE model = 'stuck' AND claim_no > 0");
	($now, $now_worst) = latency();
	diag(sprintf('a job of the other provider: %.0f ms (at most %.0f) without, %.0f (at most %.0f) with %d jobs whose look-up hangs',
			1000 * $usual, 1000 * $worst, 1000 * $now, 1000 * $now_worst, $jobs));
	cmp_ok($now - $usual, '<', MORE, "$jobs jobs wait for a name: the other provider's are not delayed");
	cmp_ok($now_worst - $worst, '<', 4 * MORE, "$jobs jobs: not one of them");
}
wait_for_sql($node, $db, "SELECT count(*) > 0 FROM linkedin_ingest.scoring_attempts WHERE model = 'stuck'");
is(sql("SELECT DISTINCT outcome, error_code, http_status, charged FROM linkedin_ingest.scoring_attempts WHERE model = 'stuck'"),
	'retry|timeout||t', 'what hangs ends as a time-out, to be tried again');
is(sql("SELECT error ->> 'code', attempts, count(*) FROM linkedin_ingest.scoring_jobs WHERE model = 'stuck' GROUP BY 1, 2 ORDER BY 2"), "|0|219\ntimeout|1|1",
	'one job is charged for it, the others wait');

# --- a name that does not exist

queue('gone', 5);
wait_for_sql($node, $db, "SELECT blocked_code FROM linkedin_ingest.account_states() WHERE provider = 'gone' AND model = ''", 'connection_failed');
is(sql("SELECT DISTINCT status FROM linkedin_ingest.scoring_jobs WHERE model = 'gone'"), 'pending', 'a name that does not exist blocks the provider, its jobs wait');
is(sql("SELECT string_agg(outcome || ' ' || charged, ', ' ORDER BY claimed_at) FROM linkedin_ingest.scoring_attempts WHERE model = 'gone'"),
	'retry true, retry true, open false', 'after it was looked up in vain three times');

# --- stop

my $start = time;
$node->stop('fast');
diag(sprintf('%.0f ms for a fast stop while a look-up hangs', 1000 * (time - $start)));
cmp_ok(time - $start, '<', STOP, 'a stop does not wait for it');
is(join("\n", repeated_lines($node, 1)), '', 'no loop in the log');
is(join("\n", error_lines($node)), '', 'no error in the log');
done_testing();
