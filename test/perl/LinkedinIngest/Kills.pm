package LinkedinIngest::Kills;

# The kill matrix: one run is a point at which the server is made to fail, a way
# of failing and a seed.  The seed decides how many jobs there are, their
# samples, latencies and faults, at which passing of the point it happens, and
# how many workers there are; what timing makes of it differs from run to run.
#
#	my $lane = new_lane($dir, $template, $url);
#	my $found = run($lane, 'after-claim-commit', 'postmaster', 17);
#
# $found is what check_ledger() returns, its problems among it.
#
# A lane is a server that is used for run after run, as far as a failure leaves
# one; it needs the library with fault points (src/faults.h).  Servers begin as
# copies of a template.  fsync is off: what is killed are processes, and what
# they have written to the kernel stays.

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use File::Path qw(make_path remove_tree);
use IPC::Run ();
use JSON::PP ();
use LinkedinIngest::Ledger;
use Time::HiRes qw(time sleep);

our @EXPORT = qw(@POINTS @KILLS combinations make_template new_lane end_lane run_kill);

# The key of the provider openai: servers inherit it.
$ENV{OPENAI_API_KEY} = 'fictional';

my $PORT = 54330;				# names the socket, nothing listens on it
my $PEOPLE = 40;
my $DEADLINE = 120;				# s, for anything to happen

# What a run needs so that the point is passed:
#	first	a worker is killed before, with calls in flight
#	leave	the worker is told to leave, with calls in flight
#	grace	it may finish them
#	samples	jobs have several
#	reask	answers that are asked for again
#	cancel	jobs are cancelled with their calls in flight
#	session	run_once() takes jobs too
#	most	the passing is one of the first so many
#	never	ways of failing that the point has not
my %point = (
	'launcher-before-start' => { first => 1, most => 1, never => 'hang' },
	'launcher-after-start' => { first => 1, most => 1, never => 'hang' },
	'worker-start' => { first => 1, most => 1 },
	'worker-connected' => { first => 1, most => 1 },
	'in-rescue' => { first => 1, most => 1 },
	'before-claim-commit' => { most => 2 },
	'after-claim-commit' => { most => 2 },
	'in-render' => { most => 4 },
	'after-render' => { most => 2 },
	'before-open-commit' => { samples => 1, most => 2 },
	'after-open-commit' => { samples => 1, most => 2 },
	'before-send' => { most => 5 },
	'after-send' => { most => 5 },
	'first-byte' => { most => 5, never => 'error' },	# in a callback of libcurl nothing may be thrown
	'answered' => { most => 5 },
	'before-record' => { most => 3 },
	'in-record' => { most => 3 },
	'before-record-commit' => { most => 3 },
	'after-record-commit' => { most => 3 },
	'before-next-call' => { reask => 1, most => 1 },
	'before-notify-commit' => { most => 2 },
	'before-drop-commit' => { cancel => 1, most => 1 },
	'draining' => { leave => 1, grace => 1, most => 2 },
	'before-hand-back' => { leave => 1, most => 1 },
	'before-hand-back-commit' => { leave => 1, most => 1 },
	'after-hand-back-commit' => { leave => 1, most => 1 },
	'run-once' => { session => 1, most => 3, never => 'hang' });

our @POINTS = sort keys %point;

# kill: the process at the point by SIGKILL.  postmaster, immediate: the server
# by SIGKILL of the postmaster, or as pg_ctl stop -m immediate does; then it is
# started again.  promote: likewise, and a synchronous standby is promoted.
# error: an error is thrown.  hang: SIGSTOP for longer than the lease.
our @KILLS = qw(kill postmaster immediate promote error hang);

# combinations(KILL, ...): every [POINT, KILL] that there is.
sub combinations
{
	my (@kills) = @_;
	my @all;

	for my $point (@POINTS)
	{
		push @all, map { [ $point, $_ ] } grep { $_ ne ($point{$point}{never} // '') } @kills;
	}
	return @all;
}

# ---------- servers

sub command
{
	my (@command) = @_;
	my $out = '';

	IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>&1')
	  or die "@command: $out\n";
	return $out;
}

sub sql
{
	my ($server, $query) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', $server->{socket}, '-p', $PORT,
			'-U', 'postgres', '-d', 'postgres', '-c', $query ],
		'<', \undef, '>', \$out, '2>', \$err)
	  or die "$query: $err\n";
	chomp $out;
	return $out;
}

# Polls until the condition is true; an error is "not yet".
sub await
{
	my ($what, $condition) = @_;
	my $deadline = time + $DEADLINE;

	until (eval { $condition->() })
	{
		die "waited $DEADLINE s for: $what\n$@" if time > $deadline;
		sleep 0.03;
	}
	return;
}

sub slurp
{
	my ($path) = @_;

	open my $file, '<', $path or return undef;
	local $/;
	return scalar <$file>;
}

sub spew
{
	my ($path, $text) = @_;

	open my $file, '>', $path or die "$path: $!";
	print $file $text;
	close $file or die "$path: $!";
	return;
}

sub postmaster
{
	my ($server) = @_;
	my $text = slurp("$server->{data}/postmaster.pid") // return 0;

	return $text =~ /^(\d+)/ ? $1 : 0;
}

sub start
{
	my ($server) = @_;

	# Refused as long as processes of a killed postmaster live.
	await('the server to start', sub {
			command('setsid', '-w', 'pg_ctl', '-D', $server->{data}, '-l', "$server->{dir}/log", '-w', '-s', 'start');
			return 1; });
	return;
}

sub stop
{
	my ($server) = @_;

	return if !postmaster($server);
	eval { command('pg_ctl', '-D', $server->{data}, '-m', 'immediate', '-w', '-s', 'stop') };
	return;
}

# make_template(DIR): a stopped cluster with the extension and people.
sub make_template
{
	my ($dir) = @_;
	my $server = { dir => $dir, data => "$dir/data", socket => "$dir/socket" };

	make_path($server->{socket});
	command('initdb', '-D', $server->{data}, '-U', 'postgres', '--auth=trust', '--encoding=UTF8',
		'--locale=C.UTF-8', '--no-sync', '--no-instructions', '--wal-segsize=1');
	open my $conf, '>>', "$server->{data}/postgresql.conf" or die $!;
	print $conf <<"END";
shared_preload_libraries = 'linkedin_ingest'
max_worker_processes = 16
listen_addresses = ''
port = $PORT
fsync = off
shared_buffers = 16MB
max_connections = 20
min_wal_size = 4MB
restart_after_crash = on
wal_retrieve_retry_interval = '100ms'
log_line_prefix = '%m [%p] '
linkedin_ingest.max_jobs_per_profile_per_hour = 0
linkedin_ingest.poll_interval = '500ms'
include = 'run.conf'
END
	close $conf or die $!;
	spew("$server->{data}/run.conf", "unix_socket_directories = '$server->{socket}'\n");
	start($server);
	sql($server, 'CREATE EXTENSION linkedin_ingest');
	sql($server, qq{
		SELECT count(linkedin_ingest.ingest_profile(jsonb_build_object(
			'basics', jsonb_build_object('name', 'Person ' || i, 'label', 'Head of platform ' || i,
				'summary', 'Ran ' || i || ' services for a bank with many branches.',
				'url', 'https://www.linkedin.com/in/person-' || i), 'work', '[]'::jsonb), 'json_resume'))
		FROM generate_series(1, $PEOPLE) i});
	# What "home" calls this host; a host without an id cannot be listed.
	$server->{host} = sql($server, 'SELECT host_id FROM linkedin_ingest.this_home()');
	command('pg_ctl', '-D', $server->{data}, '-m', 'fast', '-w', '-s', 'stop');
	return $server;
}

sub copy
{
	my ($template, $dir) = @_;
	my $server = { dir => $dir, data => "$dir/data", socket => "$dir/s", host => $template->{host} };

	remove_tree($dir);
	make_path($server->{socket});
	command('cp', '-a', $template->{data}, $server->{data});
	mkdir "$server->{data}/linkedin_ingest.faults" or die $!;
	return $server;
}

sub configure
{
	my ($server, %setting) = @_;

	$setting{unix_socket_directories} = $server->{socket};
	spew("$server->{data}/run.conf", join '', map { "$_ = '$setting{$_}'\n" } sort keys %setting);
	return;
}

# new_lane(DIR, TEMPLATE, URL): room for one run after the other.
sub new_lane
{
	my ($dir, $template, $url) = @_;

	return { dir => $dir, template => $template, url => $url, servers => [], run => 0 };
}

sub end_lane
{
	my ($lane) = @_;

	for my $server (@{ $lane->{servers} })
	{
		kill 'CONT', @{ $server->{stopped} // [] };
		stop($server);
	}
	$lane->{servers} = [];
	remove_tree($lane->{dir});
	return;
}

# ---------- the model server

sub control
{
	my ($lane, $method, $path, $body) = @_;
	my @command = ('curl', '-sS', '-f', '--noproxy', '*', '-X', $method);

	push @command, '--data-binary', $body if defined $body;
	return command(@command, "$lane->{url}/control/$path");
}

sub calls
{
	my ($lane, $script) = @_;

	return map { JSON::PP::decode_json($_) } split /\n/, control($lane, 'GET', "ledger?script=s/$script");
}

# ---------- a run

# Numbers from the seed, the same on every machine.
sub dice
{
	my ($seed) = @_;
	my $state = ($seed * 2654435761 + 12345) % 4294967296;

	return sub {
		my ($from, $to) = @_;

		$state = ($state * 1103515245 + 12345) % 2147483648 for 1 .. 2;
		return $from + int($state / 65536) % ($to - $from + 1);
	};
}

# What the seed makes of a run.
sub plan
{
	my ($point, $kill, $seed) = @_;
	my $need = $point{$point} // die "no such point: $point\n";
	my $dice = dice($seed);
	my %plan = (point => $point, kill => $kill, seed => $seed, need => $need);

	$plan{jobs} = $dice->(5, $PEOPLE);
	$plan{workers} = $dice->(1, 2);
	$plan{capacity} = $dice->(4, 30);
	$plan{batch} = $dice->(2, 20);
	$plan{nth} = $dice->(1, $need->{most});
	$plan{stays} = $dice->(0, 1);
	$plan{sampled} = $need->{samples} ? $dice->(1, 5) : $dice->(0, 3);
	$plan{first} = $dice->(1, 4);
	$plan{cancel} = $dice->(1, 3);

	# The model: slower where something must be caught in flight.
	my $low = $dice->(20, 40);
	my $high = $dice->(50, 100);
	my @do = ({ do => "latency=$low-$high,drip=" . $dice->(200, 600) . ':5', every => $dice->(2, 4) });
	my $fault = sub {
		my ($do, $every, $often) = @_;

		push @do, { do => "$do,latency=$low", every => $every, times => $every * $often };
	};
	if ($dice->(0, 2) == 0)
	{
		$fault->('error=server_error', $dice->(7, 12), 3);
		$fault->('error=rate_limit_exceeded,retry-after-ms=200', $dice->(7, 12), 2);
		$fault->('reset', $dice->(7, 12), 2);
	}
	$fault->('badjson', $need->{reask} ? 2 : $dice->(3, 5), 4) if $need->{reask} || $dice->(0, 2) == 0;
	if ($need->{leave} || $need->{cancel} || $need->{session})
	{
		($low, $high) = (400, 700);
		@do = () if !$need->{session};
	}
	@plan{qw(low high)} = ($low, $high);
	$plan{slower} = 1;
	$plan{do} = \@do;
	return \%plan;
}

sub action
{
	my ($plan) = @_;
	my $kill = $plan->{kill} eq 'promote' ? 'postmaster' : $plan->{kill};

	return 'stop' if $kill eq 'hang';
	return "$kill-here" if $kill =~ /^(postmaster|immediate)$/ && $plan->{stays};
	return $kill;
}

sub arm
{
	my ($server, $point, @what) = @_;

	spew("$server->{data}/linkedin_ingest.faults/.new", "@what\n");
	rename "$server->{data}/linkedin_ingest.faults/.new", "$server->{data}/linkedin_ingest.faults/$point"
	  or die $!;
	return;
}

sub has_fired
{
	my ($server, $point) = @_;

	return -e "$server->{data}/linkedin_ingest.faults/$point.fired";
}

# The server for a run: that of the run before, if it may be used again.
sub prepare
{
	my ($lane, $plan) = @_;
	my %setting = (
		'linkedin_ingest.workers_per_database' => $plan->{workers},
		'linkedin_ingest.max_in_flight' => $plan->{capacity},
		'linkedin_ingest.batch_size' => $plan->{batch},
		'linkedin_ingest.lease_interval' => $plan->{kill} eq 'hang' ? '2s' : '1min',
		'linkedin_ingest.shutdown_grace' => $plan->{need}{grace} ? '3s' : '0');
	my $promote = $plan->{kill} eq 'promote';
	my $server = $lane->{servers}[0];

	if ($promote || !$server || !eval { sql($server, 'SELECT 1') })
	{
		end_lane($lane);
		$server = copy($lane->{template}, "$lane->{dir}/a");
		push @{ $lane->{servers} }, $server;
		if ($promote)
		{
			$setting{'linkedin_ingest.home_hosts'} = $server->{host} if $server->{host} ne '';
			my $standby = copy($lane->{template}, "$lane->{dir}/b");
			push @{ $lane->{servers} }, $standby;
			configure($standby, %setting,
				primary_conninfo => "host=$server->{socket} port=$PORT user=postgres application_name=standby");
			spew("$standby->{data}/standby.signal", '');
			$setting{synchronous_standby_names} = 'standby';
		}
		configure($server, %setting);
		start($server);
		start($lane->{servers}[1]) if $promote;
		await('the standby', sub {
				sql($server, q{SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'}) eq '1' })
		  if $promote;
	}
	else
	{
		sql($server, 'TRUNCATE linkedin_ingest.scoring_jobs, linkedin_ingest.scoring_attempts,'
			  . ' linkedin_ingest.latest_scores, linkedin_ingest.spend_daily, linkedin_ingest.workers CASCADE');
		remove_tree("$server->{data}/linkedin_ingest.faults", { keep_root => 1 });
		configure($server, %setting);
		# also what the crashes of earlier runs count
		command('pg_ctl', '-D', $server->{data}, '-s', 'reload');
	}
	return $server;
}

sub wait_for_workers
{
	my ($server, $n) = @_;

	await("$n workers", sub {
			sql($server, q{SELECT string_agg(state, ' ') FROM linkedin_ingest.worker_status WHERE kind = 'worker'})
			  eq join ' ', ('running') x $n });
	return;
}

sub queue
{
	my ($server, $plan, $script, $url) = @_;

	return sql($server, qq{
		BEGIN;
		DELETE FROM linkedin_ingest.provider_blocks;
		UPDATE linkedin_ingest.llm_providers SET base_url = '$url/s/$script/v1' WHERE name = 'openai';
		SELECT count(linkedin_ingest.score_profile(p.id, (ARRAY['CTO', 'CIO', 'CISO'])[1 + n % 3],
			samples => CASE WHEN n <= $plan->{sampled} THEN (2 + n % 4)::int ELSE 1 END,
			priority => (n % 2)::int))
		FROM (SELECT id, row_number() OVER (ORDER BY public_id) AS n FROM linkedin_ingest.profiles) p
		WHERE n <= $plan->{jobs};
		COMMIT});
}

# What the run needs to get to its point, once calls are in flight.
sub provoke
{
	my ($server, $plan) = @_;
	my $need = $plan->{need};
	my $busy = sub {
		sql($server, q{SELECT count(*) > 0 FROM linkedin_ingest.worker_status WHERE kind = 'worker' AND in_flight > 0}) eq 't' };

	if ($need->{session})
	{
		for (1 .. 2)
		{
			my ($out, $err) = ('', '');

			push @{ $plan->{sessions} }, IPC::Run::start([ 'psql', '-Xq', '-h', $server->{socket}, '-p', $PORT,
					'-U', 'postgres', '-d', 'postgres', '-c', 'CALL linkedin_ingest.run_once(5)' ],
				'<', \undef, '>', \$out, '2>', \$err);
		}
	}
	if ($need->{leave})
	{
		await('calls in flight', $busy);
		sql($server, q{SELECT pg_terminate_backend(pid) FROM linkedin_ingest.worker_status WHERE kind = 'worker' AND in_flight > 0});
	}
	if ($need->{cancel})
	{
		await('calls in flight', $busy);
		sql($server, qq{SELECT count(linkedin_ingest.cancel_job(id)) FROM (SELECT id FROM linkedin_ingest.scoring_jobs
			WHERE status = 'processing' LIMIT $plan->{cancel}) j});
	}
	return;
}

sub jobs_left
{
	my ($server) = @_;

	return sql($server, q{SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE status IN ('pending', 'processing')});
}

# run_kill(LANE, POINT, KILL, SEED)
sub run_kill
{
	my ($lane, $point, $kill, $seed) = @_;
	my $plan = plan($point, $kill, $seed);
	my $found = eval { run_plan($lane, $plan) };

	# The jobs ended before the point was reached (a busy machine): no run at
	# all.  Once more at the first passing, with a slower model.
	for (1 .. 3)
	{
		last if $found || $@ ne "never passed\n";
		$plan->{nth} = 1;
		$plan->{slower} *= 3;
		$found = eval { run_plan($lane, $plan) };
	}
	if (!$found)
	{
		# What is left is no ground for another run.
		$found = { problems => ["$@"], map { $_ => 0 } qw(jobs calls extra lost duplicated stale) };
	}
	if (@{ $found->{problems} })
	{
		$found->{log} = JSON::PP->new->pretty->canonical->encode($found->{tables} // {}) . join '', map { slurp("$_->{dir}/log") // '' } @{ $lane->{servers} };
		end_lane($lane);
	}
	return $found;
}

sub run_plan
{
	my ($lane, $plan) = @_;
	my ($point, $kill) = @{$plan}{qw(point kill)};
	my $script = sprintf 'r%d-%d', $$, ++$lane->{run};
	my $server = prepare($lane, $plan);
	my $log_before = length(slurp("$server->{dir}/log") // '');
	my $primary = $server;

	my $latency = sprintf 'latency=%d-%d', map { $_ * $plan->{slower} } @{$plan}{qw(low high)};
	control($lane, 'POST', "script/$script", JSON::PP::encode_json([ @{ $plan->{do} }, { do => $latency } ]));
	wait_for_workers($server, $plan->{workers});
	arm($server, 'after-send', 'kill', $plan->{first}) if $plan->{need}{first};
	arm($server, $point, action($plan), $plan->{nth}, $plan->{need}{first} ? 'after-send' : ());
	# The server may be gone any time after the commit, before psql hears of it.
	my $gone = sub { has_fired($server, $point) || has_fired($server, 'after-send') };
	eval { queue($server, $plan, $script, $lane->{url}); 1 } or $gone->() or die $@;
	eval { provoke($server, $plan); 1 } or $gone->() or die $@;

	my $ended = 0;
	await("$point to be passed", sub {
			return 1 if has_fired($server, $point) || $ended && time > $ended + 1;
			$ended = time if !$ended && jobs_left($server) == 0;
			return 0;
	});
	die "never passed\n" if !has_fired($server, $point);

	if ($kill eq 'postmaster' || $kill eq 'immediate')
	{
		my $pid = postmaster($server);

		await('the postmaster to end', sub { !$pid || !kill(0, $pid) || (slurp("/proc/$pid/stat") // '') =~ /\) Z / });
		start($server);
	}
	elsif ($kill eq 'promote')
	{
		my $pid = postmaster($server);

		await('the postmaster to end', sub { !$pid || !kill(0, $pid) || (slurp("/proc/$pid/stat") // '') =~ /\) Z / });
		$server = $lane->{servers}[1];
		command('pg_ctl', '-D', $server->{data}, '-w', '-s', 'promote');
		sql($server, 'SELECT linkedin_ingest.resume_worker()') if $server->{host} eq '';
	}
	elsif ($kill eq 'hang')
	{
		my $pid = slurp("$server->{data}/linkedin_ingest.faults/$point.fired");

		chomp $pid;
		$server->{stopped} = [$pid];
		await('the hung worker to be replaced', sub { substr(slurp("$server->{dir}/log"), $log_before) =~ /worker with PID $pid gave no sign of life/ });
		# What it has locked stays so until it goes on.
		my $until = time + 1.5;
		sleep 0.1 while time < $until && (eval { jobs_left($server) } // 1) > 0;
		kill 'CONT', $pid;
		await('the hung worker to end', sub { !kill(0, $pid) });
		$server->{stopped} = [];
	}

	await('the jobs to end', sub { jobs_left($server) == 0 });
	$_->finish for @{ delete $plan->{sessions} // [] };
	if ($kill eq 'hang' || $plan->{need}{session} || $plan->{need}{cancel})
	{
		await('the workers to be idle', sub {
				sql($server, q{SELECT coalesce(sum(in_flight), 0) FROM linkedin_ingest.worker_status}) eq '0' });
	}

	my $log = substr(slurp("$primary->{dir}/log"), $log_before);
	my $replaced = () = $log =~ /gave no sign of life/g;
	my $found = check_ledger(
		sql => sub { sql($server, @_) },
		calls => [ calls($lane, $script) ],
		expect => $plan->{jobs},
		kills => 1 + ($plan->{need}{first} ? 1 : 0) + $replaced,
		in_flight => $plan->{workers} * $plan->{capacity} + ($plan->{need}{session} ? 30 : 0),	# 2 sessions, 5 jobs, 3 samples
		unrowed => $point eq 'in-render' && $kill eq 'error' ? 1 : 0,
		foreign => $kill eq 'promote' && $server->{host} eq '');

	push @{ $found->{problems} }, "log: $1"
	  if $log =~ /(.*(?:TRAP:|PANIC:|terminated by signal (?:4|6|7|8|11)\b).*)/;
	control($lane, 'DELETE', "script/$script");
	return $found;
}

1;
