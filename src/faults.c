/*-------------------------------------------------------------------------
 *
 * faults.c
 *		Named places at which a test makes the server fail.
 *
 * A place is armed by a file of its name in linkedin_ingest.faults below the
 * data directory, with one line, "ACTION N [OTHER]": what to do at the Nth
 * passing, or with N = 0 at each; passings before the place OTHER has fired do
 * not count.  Files, because they are there again after the crash that they
 * caused.  Passings are counted for all processes together, in the length of
 * NAME.passed; so an action happens once, whatever is restarted by it.
 * NAME.fired, with the process's id, appears when it is about to happen.
 *
 *		kill				this process ends by SIGKILL
 *		postmaster			the postmaster does, this process goes on
 *		postmaster-here		the postmaster does, and this process here
 *		immediate			immediate shutdown, this process goes on
 *		immediate-here		immediate shutdown, this process waits here for it
 *		error				an error is thrown
 *		stop				this process gets SIGSTOP
 *		wait				until NAME.fired is removed
 *
 * Nothing of this is in a library that is not built with -DLI_FAULTS.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "faults.h"

#ifdef LI_FAULTS

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "miscadmin.h"

#define FOLDER "linkedin_ingest.faults"		/* the server's processes are in the data directory */

/* Which passing this is, from 1; 0: not known. */
static int
count_passing(const char *name)
{
	char		path[MAXPGPATH];
	int			fd;
	off_t		n = 0;

	snprintf(path, sizeof(path), FOLDER "/%s.passed", name);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0)
		return 0;
	/* Appended atomically, so each process learns its own number. */
	if (write(fd, ".", 1) == 1)
		n = lseek(fd, 0, SEEK_CUR);
	close(fd);
	return (int) n;
}

/* Until the condition is false; ends with the postmaster. */
static void
stay_while(bool (*condition) (const char *path), const char *path)
{
	while (condition(path))
	{
		if (getppid() != PostmasterPid)
			kill(getpid(), SIGKILL);
		usleep(2000);
	}
}

static bool
always(const char *path)
{
	return true;
}

static bool
exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static void
act(const char *action, const char *name, const char *fired)
{
	if (strcmp(action, "kill") == 0)
		kill(getpid(), SIGKILL);
	else if (strncmp(action, "postmaster", 10) == 0)
	{
		kill(PostmasterPid, SIGKILL);
		while (getppid() == PostmasterPid)
			usleep(100);
		if (strcmp(action, "postmaster-here") == 0)
			kill(getpid(), SIGKILL);
	}
	else if (strncmp(action, "immediate", 9) == 0)
	{
		kill(PostmasterPid, SIGQUIT);
		if (strcmp(action, "immediate-here") == 0)
			stay_while(always, NULL);
	}
	else if (strcmp(action, "error") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_RAISE_EXCEPTION),
				 errmsg("fault \"%s\"", name)));
	else if (strcmp(action, "stop") == 0)
		raise(SIGSTOP);
	else if (strcmp(action, "wait") == 0)
		stay_while(exists, fired);
}

void
li_fault_point(const char *name)
{
	char		path[MAXPGPATH];
	char		fired[MAXPGPATH];
	char		action[32];
	char		first[64];
	int			n;
	int			fields;
	FILE	   *file;

	snprintf(path, sizeof(path), FOLDER "/%s", name);
	file = fopen(path, "r");
	if (file == NULL)
		return;
	fields = fscanf(file, "%31s %d %63s", action, &n, first);
	fclose(file);
	if (fields == 3)
	{
		snprintf(fired, sizeof(fired), FOLDER "/%s.fired", first);
		if (!exists(fired))
			return;
	}
	if (fields < 2 || (n != count_passing(name) && n != 0))
		return;

	/* In one piece, as the test is waiting for it. */
	snprintf(path, sizeof(path), FOLDER "/%s.%d", name, (int) getpid());
	snprintf(fired, sizeof(fired), FOLDER "/%s.fired", name);
	file = fopen(path, "w");
	if (file != NULL)
	{
		fprintf(file, "%d\n", (int) getpid());
		fclose(file);
		(void) rename(path, fired);
	}
	act(action, name, fired);
}

#endif							/* LI_FAULTS */
