# The kill matrix, a fixed sample: every fault point with two ways of failing.
# build: faults
#
# test/long/kills is the whole; docs/reliability.md tells what is asserted.

use strict;
use warnings FATAL => 'all';

use JSON::PP ();
use LinkedinIngest::Kills;
use LinkedinIngest::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $lanes = 2;
my $dir = PostgreSQL::Test::Utils::tempdir_short();
my $template = make_template("$dir/template");
my @models = map { start_model() } 1 .. $lanes;

# Round and round the ways of failing, so that each meets many points.
my @list;
for my $i (0 .. $#POINTS)
{
	my @ways = grep { $_->[0] eq $POINTS[$i] } combinations(@KILLS);

	push @list, [ @{ $ways[ $i % @ways ] }, $i ], [ @{ $ways[ ($i + 3) % @ways ] }, 100 + $i ];
}
# Found by the whole: a sample asked for twice after an error between two lines.
push @list, [ 'before-send', 'error', 8 ];
my %covered = map { $_->[1] => 1 } @list;
is(scalar(keys %covered), scalar(@KILLS), 'every way of failing is in the list');
cmp_ok(scalar(@list), '>=', 48, scalar(@list) . ' runs');

# Each lane tells what it found line by line.
my @pipes;
for my $number (0 .. $lanes - 1)
{
	my $pid = open(my $pipe, '-|') // die $!;

	if ($pid == 0)
	{
		my $lane = new_lane("$dir/$number", $template, $models[$number]);

		$| = 1;
		for (my $i = $number; $i < @list; $i += $lanes)
		{
			my $found = run_kill($lane, @{ $list[$i] });

			delete $found->{tables};
			print JSON::PP::encode_json({ run => "@{ $list[$i] }", %$found }), "\n";
		}
		end_lane($lane);
		POSIX::_exit(0);		# the END blocks are the parent's
	}
	push @pipes, $pipe;
}

my %sum = map { $_ => 0 } qw(jobs calls extra lost duplicated stale);
my $runs = 0;
for my $pipe (@pipes)
{
	while (<$pipe>)
	{
		my $found = JSON::PP::decode_json($_);
		my @problems = @{ $found->{problems} };

		$runs++;
		ok(!@problems, $found->{run}) or diag(join("\n", @problems[ 0 .. ($#problems < 5 ? $#problems : 5) ]),
			"\n", substr($found->{log} // '', -4000));
		$sum{$_} += $found->{$_} // 0 for keys %sum;
	}
	close $pipe;
}
is($runs, scalar(@list), 'all runs came to an end');
is($sum{lost}, 0, 'no job was lost');
is($sum{duplicated}, 0, 'no result was stored twice');
note(join ', ', map { "$_ $sum{$_}" } sort keys %sum);
done_testing();
