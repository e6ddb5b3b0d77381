package LinkedinIngest::Ledger;

# Compares the model server's ledger, the truth about paid calls, with the
# tables once a run is over and every process that took part has ended or is
# idle.
#
#	my $found = check_ledger(
#		sql => sub { ... },		# runs a query, returns its text
#		calls => \@lines,		# the ledger's lines of this run, as hashes
#		kills => 1,				# how often something was killed, hung or ended
#		in_flight => 40);		# the most calls that could be in flight at once
#	is_deeply($found->{problems}, [], 'nothing lost, nothing paid for twice');
#
# The jobs of a run must be of different people: the ledger knows a call's
# person, not its job.

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use JSON::PP ();

our @EXPORT = qw(check_ledger);

my $TABLES = q{
	SELECT jsonb_build_object(
		'jobs', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', j.id, 'status', j.status, 'samples', j.samples,
					'attempts', j.attempts, 'max_attempts', j.max_attempts, 'claim_no', j.claim_no,
					'stored', j.parsed_score IS NOT NULL, 'code', j.error ->> 'code') ORDER BY j.id), '[]')
				 FROM linkedin_ingest.scoring_jobs j),
		'rows', (SELECT coalesce(jsonb_agg(jsonb_build_object('job', a.job_id, 'attempt', a.attempt, 'claim_no', a.claim_no,
					'sample', a.sample, 'outcome', a.outcome, 'charged', a.charged, 'http_status', a.http_status,
					'request_id', a.request_id) ORDER BY a.job_id, a.attempt), '[]')
				 FROM linkedin_ingest.scoring_attempts a),
		'spend', (SELECT jsonb_build_array(coalesce(sum(s.calls), 0), coalesce(sum(s.prompt_tokens), 0),
					coalesce(sum(s.completion_tokens), 0), coalesce(sum(s.cost_usd), 0)) FROM linkedin_ingest.spend_daily s),
		'paid', (SELECT jsonb_build_array(count(*), coalesce(sum(a.prompt_tokens), 0),
					coalesce(sum(a.completion_tokens), 0), coalesce(sum(a.cost_usd), 0))
				 FROM linkedin_ingest.scoring_attempts a
				 WHERE a.http_status IS NOT NULL OR a.outcome NOT IN ('unknown', 'cancelled')),
		'anomalies', (SELECT coalesce(jsonb_agg(to_jsonb(q)), '[]') FROM linkedin_ingest.queue_anomalies q),
		'stale', (SELECT coalesce(sum(w.stale), 0) FROM linkedin_ingest.worker_status w))
};

# Returns { problems => [texts], jobs, completed, failed, cancelled, calls,
# extra, lost, duplicated, stale, unknown, tables }; tables is what was read.
#	unrowed		n: so many claims may be charged without a call (render failed)
#	foreign		true: what was in flight is on record elsewhere (resume_worker())
#	expect		the number of jobs
sub check_ledger
{
	my (%arg) = @_;
	my $tables = JSON::PP::decode_json($arg{sql}->($TABLES));
	my @calls = @{ $arg{calls} };
	my %found = (problems => [], jobs => scalar @{ $tables->{jobs} }, calls => scalar @calls,
		map { $_ => 0 } qw(completed failed cancelled extra lost duplicated unknown));
	my (%rows, %call, %tag_of, %job_of, %id_seen);

	my $bad = sub { push @{ $found{problems} }, join ' ', @_ };

	$bad->("there are $found{jobs} jobs, not $arg{expect}")
	  if defined $arg{expect} && $found{jobs} != $arg{expect};
	push @{ $rows{ $_->{job} } }, $_ for @{ $tables->{rows} };
	$call{ $_->{request_id} } = $_ for grep { defined $_->{request_id} } @calls;

	# Which call belongs to which row.
	for my $row (@{ $tables->{rows} })
	{
		my $id = $row->{request_id} // next;

		$bad->("call $id has several attempt rows") if $id_seen{$id}++;
		if (!$call{$id})
		{
			$bad->("attempt row of a call $id that the model server did not see");
			next;
		}
		my $tag = $call{$id}{tag};
		$bad->("calls of job $row->{job} are about several people")
		  if ($tag_of{ $row->{job} } //= $tag) ne $tag;
		$bad->("calls of person $tag are of several jobs")
		  if ($job_of{$tag} //= $row->{job}) ne $row->{job};
	}

	my %calls_of;
	$calls_of{ $_->{tag} }++ for @calls;

	for my $job (@{ $tables->{jobs} })
	{
		my $id = $job->{id};
		my @rows = @{ $rows{$id} // [] };
		my (%ok, %lost, %last, %used);

		if ($job->{status} =~ /^(completed|failed|cancelled)$/)
		{
			$found{ $job->{status} }++;
		}
		else
		{
			$found{lost}++;
			$bad->("job $id ended as $job->{status}");
		}

		# The result: stored once.
		for my $row (@rows)
		{
			if (!defined $row->{outcome})
			{
				$bad->("attempt $row->{attempt} of job $id is open");
				next;
			}
			$ok{ $row->{sample} }++ if $row->{outcome} eq 'ok';
			$lost{ $row->{claim_no} }++ if $row->{outcome} eq 'unknown';
			$last{ $row->{claim_no} } = $row;
			$used{ $row->{claim_no} } ||= $row->{charged};
		}
		for my $sample (grep { $ok{$_} > 1 } keys %ok)
		{
			$found{duplicated} += $ok{$sample} - 1;
			$bad->("sample $sample of job $id has $ok{$sample} results");
		}
		if ($job->{status} eq 'completed')
		{
			$bad->("job $id is completed without a result") if !$job->{stored};
			$bad->("job $id of $job->{samples} samples has results of " . keys(%ok))
			  if keys(%ok) * 2 < $job->{samples} || keys(%ok) > $job->{samples};
		}
		elsif ($job->{samples} == 1)
		{
			$bad->("job $id is $job->{status} with a result") if $job->{stored} || %ok;
		}

		# Calls in flight when something died: one claim at most for each time.
		$found{unknown} += $_ for values %lost;
		$bad->("job $id lost " . keys(%lost) . " claims in $arg{kills} kills")
		  if keys(%lost) > $arg{kills};

		# The charge: a claim counts unless its last call was given back.  One that
		# was put off counts all the same when it has used up a call before.
		$bad->("job $id has claim $job->{claim_no} and a row of a later one")
		  if grep { $_ > $job->{claim_no} } keys %last;
		my $charged = grep { $_->{charged} || $_->{outcome} =~ /^(defer|open)$/ && $used{ $_->{claim_no} } } values %last;
		my $unrowed = $job->{attempts} - $charged;
		$bad->("job $id is charged $job->{attempts}, its claims $charged")
		  if $job->{samples} == 1 && ($unrowed < 0 || $unrowed > ($arg{unrowed} // 0));

		# Every call is a row; what did not serve was in flight at a kill.
		my $tag = $tag_of{$id} // next;
		my $calls = delete $calls_of{$tag} // 0;
		my $served = grep { $_->{outcome} !~ /^(unknown|cancelled)$/ } grep { defined $_->{outcome} } @rows;
		my $extra = $calls - $served;

		$found{extra} += $extra;
		$bad->("job $id has $served rows of calls that were answered, the model server saw $calls calls")
		  if $extra < 0;
		$bad->("job $id had $calls calls and has " . @rows . ' attempt rows')
		  if $calls > @rows && !$arg{foreign};
	}

	# People none of whose answers came: jobs that failed or were cancelled.
	for my $tag (keys %calls_of)
	{
		$found{extra} += $calls_of{$tag};
	}
	$bad->(keys(%calls_of) . ' people were asked about, and no row tells of it')
	  if keys(%calls_of) > grep { !defined $tag_of{ $_->{id} } } @{ $tables->{jobs} };

	my $most = $arg{kills} * $arg{in_flight};
	$bad->("$found{unknown} calls were lost in $arg{kills} kills, with $arg{in_flight} in flight at most")
	  if $found{unknown} > $most;
	my $aborted = grep { ($_->{outcome} // '') eq 'cancelled' } @{ $tables->{rows} };
	$bad->("$found{extra} extra calls, with $found{unknown} lost and $aborted aborted ones on record")
	  if $found{extra} > $found{unknown} + $aborted && !$arg{foreign};

	for my $i (0 .. 3)
	{
		my $what = (qw(calls prompt_tokens completion_tokens cost_usd))[$i];

		$bad->("spend_daily has $tables->{spend}[$i] $what, the attempts $tables->{paid}[$i]")
		  if abs($tables->{spend}[$i] - $tables->{paid}[$i]) > 1e-9;
	}
	$bad->('anomaly: ' . JSON::PP->new->canonical->encode($_)) for @{ $tables->{anomalies} };
	$found{stale} = $tables->{stale};
	$found{tables} = $tables;
	return \%found;
}

1;
