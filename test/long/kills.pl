# The kill matrix; see test/long/kills.
# build: faults
#
# Four lanes at once, each with a model server of its own; every result is
# appended to the results file, and what stands there already is not run again.

use strict;
use warnings FATAL => 'all';

use Fcntl qw(:flock);
use File::Path qw(make_path remove_tree);
use LinkedinIngest::Kills;
use Time::HiRes qw(time);

my $dir = $ENV{KILLS_DIR} // die "KILLS_DIR is not set\n";
my $runs = $ENV{KILLS_RUNS} // 2592;
my $lanes = $ENV{KILLS_LANES} // 4;
my $only = $ENV{KILLS_ONLY} // '';		# "POINT KILL", a regular expression
my $llm = 'test/llm';
my @counts = qw(jobs calls extra lost duplicated stale);
my $results = "$dir/results.tsv";

make_path("$dir/failed");
remove_tree("$dir/work");
my $template = make_template("$dir/work/template");

# Every combination with the next seed, until there are enough.
my @todo;
my @combinations = grep { "@$_" =~ /$only/ } combinations(@KILLS);
for (my $seed = 1; @todo < $runs; $seed++)
{
	push @todo, map { [ @$_, $seed ] } @combinations;
}
$#todo = $runs - 1;

my %done;
if (open my $file, '<', $results)
{
	while (<$file>)
	{
		my ($point, $kill, $seed) = split /\t/;
		$done{"$point $kill $seed"} = 1;
	}
	close $file;
}
@todo = grep { !$done{"@$_"} } @todo;
printf "# %d runs to do, %d done\n", scalar @todo, scalar keys %done;

sub lane
{
	my ($number) = @_;
	my $url = qx{"$llm/start" "$dir/work/model$number"};

	die "the model server did not start\n" if $? != 0;
	chomp $url;
	my $lane = new_lane("$dir/work/$number", $template, $url);

	local $SIG{TERM} = sub { exit 1 };
	for (my $i = $number; $i < @todo; $i += $lanes)
	{
		my ($point, $kill, $seed) = @{ $todo[$i] };
		my $begin = time;
		my $found = run_kill($lane, $point, $kill, $seed);
		my @problems = @{ $found->{problems} };

		if (@problems)
		{
			open my $log, '>', "$dir/failed/$point-$kill-$seed.log" or die $!;
			print $log map({ "$_\n" } @problems), "\n", $found->{log} // '';
			close $log;
		}
		open my $file, '>>', $results or die $!;
		flock $file, LOCK_EX;
		print $file join("\t", $point, $kill, $seed, @problems ? 'failed' : 'passed',
			sprintf('%.2f', time - $begin), @{$found}{@counts}), "\n";
		close $file or die $!;
	}
	end_lane($lane);
	return;
}

my @children;
for my $number (0 .. $lanes - 1)
{
	my $pid = fork // die $!;

	if ($pid == 0)
	{
		my $good = eval { lane($number); 1 };

		warn $@ if !$good;
		system("$llm/stop", "$dir/work/model$number");
		exit($good ? 0 : 1);
	}
	push @children, $pid;
}
$SIG{TERM} = $SIG{INT} = sub { kill 'TERM', @children; exit 1 };
my $died = 0;
for my $pid (@children)
{
	waitpid $pid, 0;
	$died++ if $? != 0;
}

my %sum = map { $_ => 0 } qw(passed failed), @counts;
open my $file, '<', $results or die $!;
while (<$file>)
{
	chomp;
	my ($point, $kill, $seed, $status, $seconds, @values) = split /\t/;

	print(($status eq 'passed' ? 'ok' : 'not ok') . " - $point $kill $seed\n");
	$sum{$status}++;
	$sum{ $counts[$_] } += $values[$_] for 0 .. $#counts;
}
print "not ok - a lane ended early\n" if $died;
print '# ', join(', ', map { "$_ $sum{$_}" } @counts), "\n";
print "# $sum{passed} passed, $sum{failed} failed\n";
remove_tree("$dir/work");
exit($sum{failed} > 0 || $died ? 1 : 0);
