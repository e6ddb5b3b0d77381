# A switchover and a failover under Patroni, with 1,000 jobs in the queue and calls
# in flight: nothing is lost, nothing is stored twice, and every call is on record.
#
# Three members and etcd as processes of this test, on loopback ports of their own;
# Debian's services are not used.  Patroni hands none of its environment to the
# server, so the key comes from a file.

use strict;
use warnings FATAL => 'all';

use IO::Socket::INET ();
use JSON::PP ();
use LinkedinIngest::Test;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

use constant { JOBS => 1000, LATENCY => 300, IN_FLIGHT => 15, TTL => 20 };

my $dir = PostgreSQL::Test::Utils::tempdir('patroni');
my $bindir = qx{pg_config --bindir};
chomp $bindir;
my %pid;
my %port;
my @members = ('one', 'two', 'three');

END
{
	my $status = $?;

	kill 'TERM', $pid{$_} for grep { $_ ne 'etcd' && $pid{$_} } keys %pid;
	waitpid $pid{$_}, 0 for grep { $_ ne 'etcd' && $pid{$_} } keys %pid;
	if ($pid{etcd})
	{
		kill 'TERM', $pid{etcd};
		waitpid $pid{etcd}, 0;
	}
	$? = $status;
}

# A process of ours; its output goes to the test's log folder.
sub start
{
	my ($name, @command) = @_;
	my $pid = fork // die "fork: $!";

	if ($pid == 0)
	{
		open STDOUT, '>>', "$PostgreSQL::Test::Utils::log_path/$name.log" or POSIX::_exit(1);
		open STDERR, '>&', \*STDOUT or POSIX::_exit(1);
		exec @command or POSIX::_exit(1);
	}
	$pid{$name} = $pid;
	return;
}

sub patronictl
{
	my (@command) = @_;
	my ($out, $err);

	IPC::Run::run([ 'patronictl', '-c', "$dir/one.yml", @command ], '<', \undef, '>', \$out, '2>', \$err)
	  or die "patronictl @command: $out$err";
	return $out;
}

# The text that a member answers; undef when it cannot be reached.
sub on
{
	my ($member, $sql) = @_;
	my ($out, $err);

	return unless IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', '127.0.0.1', '-p', $port{$member}, '-U', 'postgres', '-d', 'postgres', '-c', $sql ],
		'<', \undef, '>', \$out, '2>', \$err);
	chomp $out;
	return $out;
}

# Waits until the sub gives something true, which is returned.
sub wait_until
{
	my ($what, $seconds, $sub) = @_;
	my $deadline = time + $seconds;

	while (1)
	{
		my $result = $sub->();

		return $result if $result;
		die "waited $seconds s for: $what" if time > $deadline;
		sleep 0.02;
	}
}

# The member that takes writes, other than one of these.
sub leader
{
	my (@not) = @_;

	for my $member (grep { my $name = $_; $pid{$name} && !grep { $_ eq $name } @not } @members)
	{
		my $answer = on($member, 'SELECT NOT pg_is_in_recovery()');

		return $member if defined $answer && $answer eq 't';
	}
	return;
}

# Its name, as Patroni knows it: the server's own word comes earlier, and a leader that goes
# in between leaves nobody whom Patroni would promote.
sub wait_for_sync { return wait_until('a synchronous standby', 120, sub { (patronictl('list') =~ /\| (\w+) +\|[^|]*\| Sync Standby/)[0] }) }

sub completed { return on($_[0], "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status = 'completed'") // 0 }

# --- three members

$port{$_} = PostgreSQL::Test::Cluster::get_free_port() for @members, map { ("$_ api") } @members;
$port{$_} = PostgreSQL::Test::Cluster::get_free_port() for 'etcd', 'etcd peer';
my $host = slurp_file('/etc/machine-id') =~ s/\s+//gr;
append_to_file("$dir/key", "fictional\n");
chmod 0600, "$dir/key";

start('etcd', 'etcd', '--data-dir', "$dir/etcd", '--name', 'only',
	'--listen-client-urls', "http://127.0.0.1:$port{etcd}", '--advertise-client-urls', "http://127.0.0.1:$port{etcd}",
	'--listen-peer-urls', "http://127.0.0.1:$port{'etcd peer'}", '--initial-advertise-peer-urls', "http://127.0.0.1:$port{'etcd peer'}",
	'--initial-cluster', "only=http://127.0.0.1:$port{'etcd peer'}");
wait_until('etcd', 60, sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port{etcd}) });

for my $member (@members)
{
	append_to_file("$dir/$member.yml", <<"YML");
scope: failover
name: $member
restapi:
  listen: 127.0.0.1:$port{"$member api"}
  connect_address: 127.0.0.1:$port{"$member api"}
etcd3:
  host: 127.0.0.1:$port{etcd}
bootstrap:
  dcs:
    ttl: ${\TTL}
    loop_wait: 1
    retry_timeout: 3
    synchronous_mode: true
    postgresql:
      use_pg_rewind: true
      parameters:
        shared_preload_libraries: linkedin_ingest
        linkedin_ingest.home_hosts: $host
        linkedin_ingest.max_jobs_per_profile_per_hour: 0
        linkedin_ingest.max_in_flight: ${\IN_FLIGHT}
        max_worker_processes: 16
        fsync: 'off'
  initdb:
    - encoding: UTF8
    - auth: trust
  pg_hba:
    - local all all trust
    - host all all 127.0.0.1/32 trust
    - host replication all 127.0.0.1/32 trust
postgresql:
  listen: 127.0.0.1:$port{$member}
  connect_address: 127.0.0.1:$port{$member}
  data_dir: $dir/$member
  bin_dir: $bindir
  pgpass: $dir/$member.pgpass
  authentication:
    superuser:
      username: postgres
    replication:
      username: postgres
  parameters:
    unix_socket_directories: ''
    log_destination: stderr
    logging_collector: 'off'
YML
}
start($members[0], 'patroni', "$dir/$members[0].yml");
wait_until('the first leader', 120, sub { leader() });
start($_, 'patroni', "$dir/$_.yml") for @members[ 1, 2 ];
wait_until('three members', 120, sub { on($members[0], "SELECT count(*) = 2 FROM pg_stat_replication WHERE state = 'streaming'") // '' eq 't' });
my $standby = wait_for_sync();
diag(patronictl('list'));

# --- 1,000 jobs

my $model = start_model();
my $fixture = slurp_file('test/fixtures/profiles/cassidy/marisol-okonkwo-reyes.json');
on($members[0], 'CREATE EXTENSION linkedin_ingest') // die 'CREATE EXTENSION';
on($members[0], "UPDATE linkedin_ingest.llm_providers SET base_url = '$model/latency=${\LATENCY}/v1', api_key_ref = 'file:$dir/key' WHERE name = 'openai'");
my $profile = on($members[0], "SELECT linkedin_ingest.ingest_profile(\$json\$$fixture\$json\$::jsonb)");
my $timing = time;
is(on($members[0], "SELECT count(linkedin_ingest.score_profile('$profile', 'CTO')) FROM generate_series(1, ${\JOBS})"), JOBS, 'the jobs are queued');

# Runs a change of the leader and says when the next one took over and asked.
sub change_leader
{
	my ($what, $old, $change) = @_;
	my $inflight = JSON::PP::decode_json(control($model, 'GET', 'inflight'))->{inflight};
	my $begin = time;
	my ($new, $promoted, $seq);

	$change->();
	$new = wait_until("a leader after the $what", 120, sub { leader($old) });
	$promoted = time;
	$seq = (ledger($model))[-1]{seq};
	wait_until('the next call', 60, sub { (ledger($model))[-1]{seq} > $seq });
	diag(sprintf('%s from %s to %s with %d calls in flight: a new leader after %.1f s, its first call %.2f s later',
			$what, $old, $new, $inflight, $promoted - $begin, time - $promoted));
	cmp_ok(time - $promoted, '<', 50, "$what: the new leader goes on by itself (goal: 5 s)");
	return ($new, $inflight);
}

wait_until('200 jobs', 120, sub { completed($members[0]) >= 200 });
my ($second, $given_back) = change_leader('switchover', $members[0],
	sub { patronictl('switchover', '--leader', $members[0], '--candidate', $standby, '--force') });
is($second, $standby, 'switchover to the chosen member');
wait_for_sync();
wait_until('500 jobs', 120, sub { completed($second) >= 500 });

my ($third, $lost) = change_leader('failover', $second, sub {
	my ($postmaster) = slurp_file("$dir/$second/postmaster.pid") =~ /^(\d+)/;

	# Patroni first: it would start the server again.
	kill 'KILL', $pid{$second};
	kill 'KILL', $postmaster;
	waitpid delete $pid{$second}, 0;
});
wait_until('all jobs', 300, sub { completed($third) == JOBS });
diag(sprintf('%d jobs in %.1f s', JOBS, time - $timing));

# --- ledger and tables

my @calls = ledger($model);
my $answers = grep { $_->{outcome} eq 'done' && $_->{status} == 200 } @calls;
my $on_record = on($third, 'SELECT count(*) FROM linkedin_ingest.scoring_attempts');
my $extra = @calls - JOBS;
diag(sprintf('%d calls, %d answered, %d on record, %d more than jobs', scalar @calls, $answers, $on_record, $extra));
is(on($third, "SELECT count(*), count(DISTINCT job_id) FROM linkedin_ingest.scoring_attempts WHERE outcome = 'ok'"), JOBS . '|' . JOBS, 'each answer is stored once');
is(on($third, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status <> 'completed'"), '0', 'no job is lost');
cmp_ok($extra, '<=', 2 * IN_FLIGHT, 'no more extra calls than were in flight');
cmp_ok($extra, '>=', 0, 'none was answered without a call');
cmp_ok($on_record, '>=', scalar @calls, 'every call is on record');
cmp_ok($on_record - @calls, '<=', IN_FLIGHT, 'as unknown also those that were claimed and not sent any more');
is(on($third, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE attempts > 2"), '0', 'a switchover charges nobody, the failover each job once');
cmp_ok(on($third, "SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE attempts = 2"), '<=', IN_FLIGHT, 'that was in flight');
is(on($third, 'SELECT count(*) FROM linkedin_ingest.queue_anomalies'), '0', 'no anomalies');
done_testing();
