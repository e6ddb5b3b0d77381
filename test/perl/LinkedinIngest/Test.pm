package LinkedinIngest::Test;

# What the Perl tests share: a server that preloads the library, the scripted
# model server with its ledger, and waiting for a state with a deadline.
#
#	use LinkedinIngest::Test;
#	my $model = start_model();					# http://127.0.0.1:PORT
#	my $node = new_node('main', model => $model);
#	my $id = $node->safe_psql('postgres', ...);
#	wait_for_sql($node, 'postgres', "SELECT ...", 'completed');
#	is(scalar(ledger($model)), 1, 'one call');
#
# Model servers end with the test, as the nodes of PostgreSQL::Test do.

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use File::Basename qw(dirname);
use File::Spec;
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

our @EXPORT = qw(new_node start_model stop_model ledger control use_model
  wait_for_sql wait_for_inflight worker_pid wait_for_worker job_status ingest
  repeated_lines error_lines pass_time);

# The key of the provider openai: servers inherit it, also at a restart.
$ENV{OPENAI_API_KEY} = 'fictional';

my $llm = File::Spec->rel2abs(dirname(__FILE__) . '/../../llm');
my %model_dir;

# new_node(NAME, OPTION => VALUE, ...): an initialised and started server.
#	preload		0: without shared_preload_libraries
#	extension	0: CREATE EXTENSION is not done in database postgres
#	model		url of a model server: the provider openai points to it
#	crash		1: the server restarts after a crash (tests that kill)
#	conf		further lines for postgresql.conf
#	standby		1: init allows streaming replication
sub new_node
{
	my ($name, %option) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	# In the C locale that tests run in, initdb would choose SQL_ASCII.
	$node->init(allows_streaming => $option{standby} ? 1 : 0, extra => [ '--encoding=UTF8' ]);
	$node->append_conf('postgresql.conf',
		"shared_preload_libraries = 'linkedin_ingest'")
	  if $option{preload} // 1;
	$node->append_conf('postgresql.conf', 'restart_after_crash = on')
	  if $option{crash};
	$node->append_conf('postgresql.conf', $option{conf}) if $option{conf};
	$node->start;
	if ($option{extension} // 1)
	{
		$node->safe_psql('postgres', 'CREATE EXTENSION linkedin_ingest');
		use_model($node, 'postgres', $option{model}) if $option{model};
	}
	return $node;
}

# start_model(VAR => VALUE, ...): starts the scripted model server and returns
# its url without path; the settings are those of test/llm/start (TLS => 1).
sub start_model
{
	my (%env) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir('model');
	local @ENV{ keys %env } = values %env;
	my $url = qx{"$llm/start" "$dir"};

	die "the model server did not start" if $? != 0;
	chomp $url;
	$model_dir{$url} = $dir;
	return $url;
}

sub stop_model
{
	my ($url) = @_;
	my $dir = delete $model_dir{$url};

	system("$llm/stop", $dir) if defined $dir;
	return;
}

# use_model(NODE, DB, URL [, DIRECTIVES]): points the provider openai of a
# database to the model server, with faults from its README ("latency=250").
sub use_model
{
	my ($node, $db, $url, $directives) = @_;
	my $base = "$url/" . ($directives // 'ok') . '/v1';

	$node->safe_psql($db,
		"UPDATE linkedin_ingest.llm_providers SET base_url = '$base' WHERE name = 'openai'"
	);
	return;
}

# control(URL, METHOD, PATH [, BODY]): the model server's own paths, below
# /control/; returns the text of the answer.
sub control
{
	my ($url, $method, $path, $body) = @_;
	my @command = ('curl', '-sS', '-f', '--noproxy', '*', '-X', $method);
	my ($out, $err);

	push @command, '--data-binary', $body if defined $body;
	IPC::Run::run([ @command, "$url/control/$path" ], '>', \$out, '2>', \$err)
	  or die "$method $path: $err";
	return $out;
}

# ledger(URL): the calls that the model server saw, in order, as hashes.
sub ledger
{
	my ($url) = @_;

	return map { JSON::PP::decode_json($_) }
	  split /\n/, control($url, 'GET', 'ledger');
}

# wait_for_sql(NODE, DB, QUERY [, EXPECTED [, SECONDS]]): polls until the query
# gives the expected text ('t').  An error is "not yet": a server that restarts
# refuses connections.  Dies with the last answer when the deadline has passed.
sub wait_for_sql
{
	my ($node, $db, $query, $expected, $seconds) = @_;
	my $deadline = time + ($seconds // 60);
	my $last;

	$expected //= 't';
	while (1)
	{
		$last = eval { $node->safe_psql($db, $query) };
		return if defined $last && $last eq $expected;
		last if time > $deadline;
		sleep 0.05;
	}
	die "waited for '$expected' of: $query\nlast answer: "
	  . ($last // "none, $@") . "\n";
}

# wait_for_inflight(URL, N [, SECONDS]): until the model server holds N calls.
sub wait_for_inflight
{
	my ($url, $n, $seconds) = @_;
	my $deadline = time + ($seconds // 60);
	my $now;

	while (1)
	{
		$now = JSON::PP::decode_json(control($url, 'GET', 'inflight'))->{inflight};
		return if $now == $n;
		last if time > $deadline;
		sleep 0.02;
	}
	die "waited for $n calls in flight, there are $now\n";
}

# ingest(NODE, DB, NAME): a person of test/fixtures/profiles ('cassidy/...');
# returns the profile's id.
sub ingest
{
	my ($node, $db, $name) = @_;
	my $json = slurp_file("$llm/../fixtures/profiles/$name.json");

	return $node->safe_psql($db,
		"SELECT linkedin_ingest.ingest_profile(\$json\$$json\$json\$::jsonb)");
}

# worker_pid(NODE, DB): of the database's worker; undef when there is none.
sub worker_pid
{
	my ($node, $db) = @_;
	my $pid = $node->safe_psql($db,
		'SELECT pid FROM linkedin_ingest.worker_status WHERE pid IS NOT NULL AND database = current_database() LIMIT 1'
	);

	return $pid eq '' ? undef : $pid;
}

# wait_for_worker(NODE, DB [, STATE]): until its state is running.
sub wait_for_worker
{
	my ($node, $db, $state) = @_;

	wait_for_sql($node, $db,
		'SELECT state FROM linkedin_ingest.worker_status WHERE database = current_database() LIMIT 1',
		$state // 'running');
	return worker_pid($node, $db);
}

sub job_status
{
	my ($node, $db, $job) = @_;

	return $node->safe_psql($db,
		"SELECT status FROM linkedin_ingest.scoring_jobs WHERE id = '$job'");
}

# repeated_lines(NODE [, MOST]): the messages that stand in the server's log more
# than so often (4), and so may tell of a loop; numbers in them count as equal.
# Errors of whomever, and every line that names the extension.
sub repeated_lines
{
	my ($node, $most) = @_;
	my %count;

	for my $line (split /\n/, slurp_file($node->logfile))
	{
		next unless $line =~ /\b(ERROR|FATAL|PANIC|WARNING|LOG):  (.*)/;
		my ($level, $text) = ($1, $2);

		next if $text =~ /^statement: /;
		next if $level =~ /LOG|WARNING/ && $text !~ /linkedin_ingest/;
		$text =~ s/[0-9]+/N/g;
		$count{"$level: $text"}++;
	}
	return map { "$count{$_} times $_" } grep { $count{$_} > ($most // 4) } sort keys %count;
}

# error_lines(NODE): those of its log, but for sessions that a stop has ended.
sub error_lines
{
	my ($node) = @_;

	return grep { /\b(?:ERROR|FATAL|PANIC):  / && !/terminating connection due to administrator command/ } split /\n/, slurp_file($node->logfile);
}

# pass_time(NODE, DB, SECONDS): where a test shows that nothing happens.
sub pass_time
{
	my ($node, $db, $seconds) = @_;
	my $until = $node->safe_psql($db, "SELECT clock_timestamp() + '$seconds s'");

	wait_for_sql($node, $db, "SELECT clock_timestamp() > '$until'", 't', $seconds + 60);
	return;
}

END
{
	my $status = $?;

	stop_model($_) for keys %model_dir;
	$? = $status;
}

1;
