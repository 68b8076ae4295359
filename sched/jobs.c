// SPDX-License-Identifier: BSD-2-Clause
/*
 * jobs.c: running what a launch file says: when, how often, until all are done.
 *
 * Owns the schedule; the programs themselves belong to the keeper (keeper.c). Threads are found in
 * /proc, soon after the start and less and less often then. Must not place anybody: that is the
 * scheduler's business, who is told by the caller; except threads of ***priority 2, real time,
 * which he leaves alone: they get it here, with the CPU of their line. Called by cmd/. The launch
 * file, restart/once, random/fixed: Clavis, paper 003.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "facts/live.h"
#include "internal.h"
#include "jobs.h"
#include "keeper.h"

#define NEVER	    1e18
#define MIN_PERIOD  0.1 /* seconds between starts: what fails at once is not tried all the time */
#define MAX_THREADS 65536u
#define LOOK_SHARE  50 /* a look that took long is followed by so much more time without one */

struct job {
	double due; /* seconds since open; NEVER: not any more, or it runs */
	bool starting; /* the keeper was told */
	int pid; /* 0: it does not run */
	unsigned run; /* the last one */
	unsigned nr_ended;
	double started; /* seconds since open */
	double look; /* for threads, next */
	int *tids; /* that live, sorted */
	size_t nr_tids;
	uint32_t nr_seen; /* threads of this run: the index of the next one */
};

struct tacho_jobs {
	const struct tacho_launch *launch;
	struct tacho_jobs_options options;
	struct job *jobs;
	uint64_t start_ns;
	int keeper, fd;
	int error; /* a program could not be started: final */
	const struct tacho_launch_thread *refused; /* could not be given real time */
};

static double seconds_at(const struct tacho_jobs *jobs, uint64_t time_ns)
{
	return time_ns > jobs->start_ns ? (double)(time_ns - jobs->start_ns) / 1e9 : 0;
}

double tacho_jobs_seconds(const struct tacho_jobs *jobs)
{
	return seconds_at(jobs, tacho_live_now());
}

int tacho_jobs_fd(const struct tacho_jobs *jobs)
{
	return jobs->fd;
}

/* --- opening ---------------------------------------------------------------------------------- */

/*
 * The next of 2^64 well mixed values (splitmix64): the same from the same seed, on every machine.
 */
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static void times_set(struct tacho_jobs *jobs)
{
	uint64_t state = jobs->options.seed;
	double latest = 0;
	size_t i;

	for (i = 0; i < jobs->launch->nr_jobs; i++)
		if (jobs->launch->jobs[i].start_s > latest)
			latest = jobs->launch->jobs[i].start_s;
	for (i = 0; i < jobs->launch->nr_jobs; i++) {
		jobs->jobs[i].due = jobs->launch->jobs[i].start_s;
		if (jobs->options.random)
			jobs->jobs[i].due =
				latest * ((double)(random_next(&state) >> 11) * 0x1p-53);
	}
}

int tacho_jobs_open(struct tacho_jobs **jobs_out, const struct tacho_launch *launch,
		    const struct tacho_jobs_options *options, char *why, size_t why_size)
{
	struct tacho_jobs *jobs = calloc(1, sizeof(*jobs));
	struct stat st;
	int error = 0;

	if (!jobs)
		return -ENOMEM;
	jobs->launch = launch;
	jobs->options = *options;
	if (!options->restart)
		jobs->options.nr_runs = 1;
	else if (!options->nr_runs)
		jobs->options.nr_runs = 3;
	jobs->jobs = calloc(launch->nr_jobs + 1, sizeof(*jobs->jobs));
	if (!jobs->jobs) {
		error = -ENOMEM;
		goto out;
	}
	if (options->output) {
		if (stat(options->output, &st))
			error = -errno;
		else if (!S_ISDIR(st.st_mode))
			error = -ENOTDIR;
	}
	if (error) {
		snprintf(why, why_size, "%s: cannot hold the output of programs: %s",
			 options->output, strerror(-error));
		goto out;
	}
	error = tacho_i_keeper_open(launch, options->output, &jobs->keeper, &jobs->fd);
	if (error) {
		snprintf(why, why_size, "no process that keeps the programs: %s", strerror(-error));
		goto out;
	}
	jobs->start_ns = tacho_live_now();
	times_set(jobs);
	*jobs_out = jobs;
	return 0;
out:
	free(jobs->jobs);
	free(jobs);
	return error;
}

void tacho_jobs_close(struct tacho_jobs *jobs)
{
	size_t i;

	if (!jobs)
		return;
	tacho_i_keeper_close(jobs->keeper, jobs->fd);
	for (i = 0; i < jobs->launch->nr_jobs; i++)
		free(jobs->jobs[i].tids);
	free(jobs->jobs);
	free(jobs);
}

/* --- threads ---------------------------------------------------------------------------------- */

/* Whatever it starts itself is as others are. That it is gone already is no error. */
static int thread_realtime(struct tacho_jobs *jobs, const struct tacho_launch_thread *thread,
			   int tid)
{
	const struct sched_param lowest = { .sched_priority = 1 };
	struct tacho_cpus cpus;

	if (sched_setscheduler(tid, SCHED_FIFO | SCHED_RESET_ON_FORK, &lowest) && errno != ESRCH)
		goto out;
	if (thread->cpu < 0)
		return 0;
	cpus = tacho_cpus_one((uint32_t)thread->cpu);
	if (sched_setaffinity(tid, sizeof(cpus), (const cpu_set_t *)(const void *)cpus.bits) &&
	    errno != ESRCH)
		goto out;
	return 0;
out:
	jobs->refused = thread;
	return -errno;
}

static int thread_add(struct tacho_jobs *jobs, struct job *job, int tid)
{
	const struct tacho_launch_job *launch = &jobs->launch->jobs[job - jobs->jobs];
	const uint32_t index = job->nr_seen++;
	const struct tacho_launch_thread *thread = tacho_launch_thread(launch, index);
	int error = 0;

	if (thread && thread->priority == 2)
		error = thread_realtime(jobs, thread, tid);
	if (!error && jobs->options.thread)
		jobs->options.thread(jobs->options.arg, launch, job->pid, tid, index);
	return error;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static int tid_add(int **tids, size_t *nr, int tid)
{
	int *grown;

	/* room is doubled at each power of two from 16 on */
	if (*nr == 0 || (*nr >= 16 && (*nr & (*nr - 1)) == 0)) {
		grown = realloc(*tids, (*nr ? 2 * *nr : 16) * sizeof(**tids));
		if (!grown)
			return -ENOMEM;
		*tids = grown;
	}
	(*tids)[(*nr)++] = tid;
	return 0;
}

/* Sorted. Without the directory there are none: it has ended, and the keeper will say so. */
static int threads_list(int pid, int **tids, size_t *nr)
{
	bool is_sorted = true;
	struct dirent *entry;
	char path[48];
	int error = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && !error && *nr < MAX_THREADS && (entry = readdir(dir))) {
		int tid = (int)strtol(entry->d_name, NULL, 10);

		if (tid <= 0)
			continue;
		is_sorted &= !*nr || (*tids)[*nr - 1] < tid;
		error = tid_add(tids, nr, tid);
	}
	if (dir)
		closedir(dir);
	if (!is_sorted)
		qsort(*tids, *nr, sizeof(**tids), by_number);
	return error;
}

/* A list made while threads end may lack some that live. */
static bool is_there(int pid, int tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d", pid, tid);
	return access(path, F_OK) == 0;
}

/* Several that appeared between two looks are in the order of their numbers, as they were made. */
static int threads_look(struct tacho_jobs *jobs, struct job *job)
{
	size_t nr_found = 0, nr_live = 0, old = 0, at = 0;
	int *found = NULL, *live = NULL;
	int error = threads_list(job->pid, &found, &nr_found);

	while (!error && nr_found && (old < job->nr_tids || at < nr_found)) {
		int before = old < job->nr_tids ? job->tids[old] : INT_MAX;
		int now = at < nr_found ? found[at] : INT_MAX;
		int tid = before < now ? before : now;

		old += before == tid;
		at += now == tid;
		if (now != tid && !is_there(job->pid, tid))
			continue;
		error = tid_add(&live, &nr_live, tid);
		if (!error && before != tid)
			error = thread_add(jobs, job, tid);
	}
	free(found);
	if (error || !nr_found) {
		free(live);
		return error;
	}
	free(job->tids);
	job->tids = live;
	job->nr_tids = nr_live;
	return 0;
}

/* Threads come early in a life. A look takes some ten microseconds, or a few for each thread. */
static double look_period(double age, double took)
{
	double period = age < 1 ? 0.02 : age < 10 ? 0.1 : 0.5;

	return period > LOOK_SHARE * took ? period : LOOK_SHARE * took;
}

/* --- what the keeper says --------------------------------------------------------------------- */

static int job_started(struct tacho_jobs *jobs, struct job *job,
		       const struct tacho_i_keeper_message *message)
{
	job->starting = false;
	job->pid = message->pid;
	job->started = seconds_at(jobs, message->time_ns);
	job->look = job->started;
	job->nr_seen = 0;
	job->nr_tids = 0;
	free(job->tids);
	job->tids = NULL;
	if (tid_add(&job->tids, &job->nr_tids, job->pid))
		return -ENOMEM;
	if (jobs->options.started)
		jobs->options.started(jobs->options.arg, &jobs->launch->jobs[message->job],
				      job->pid, job->run);
	return thread_add(jobs, job, job->pid);
}

static void job_ended(struct tacho_jobs *jobs, struct job *job,
		      const struct tacho_i_keeper_message *message)
{
	double now = seconds_at(jobs, message->time_ns);

	job->pid = 0;
	job->nr_ended++;
	job->due = NEVER;
	if (jobs->options.restart)
		job->due = now > job->started + MIN_PERIOD ? now : job->started + MIN_PERIOD;
	if (jobs->options.ended)
		jobs->options.ended(jobs->options.arg, &jobs->launch->jobs[message->job],
				    message->pid, job->run, now - job->started, message->status,
				    &message->usage);
}

static int job_failed(struct tacho_jobs *jobs, const struct tacho_i_keeper_message *message,
		      char *why, size_t why_size)
{
	static const char *const steps[] = {
		[TACHO_I_STEP_FORK] = "no new process",
		[TACHO_I_STEP_OUTPUT] = "its output cannot be opened",
		[TACHO_I_STEP_DIR] = "its rundir cannot be entered",
		[TACHO_I_STEP_EXEC] = "cannot be run",
	};
	const struct tacho_launch_job *job = &jobs->launch->jobs[message->job];

	snprintf(why, why_size, "line %u, %s: %.120s: %s: %s", job->line, job->label, job->argv[0],
		 steps[message->step & 3], strerror(message->error));
	if (why_size)
		(void)tacho_i_text_check(why, why_size);
	jobs->error = -message->error;
	return jobs->error;
}

static int message_take(struct tacho_jobs *jobs, const struct tacho_i_keeper_message *message,
			char *why, size_t why_size)
{
	struct job *job = &jobs->jobs[message->job];

	switch (message->kind) {
	case TACHO_I_KEEPER_STARTED:
		return job_started(jobs, job, message);
	case TACHO_I_KEEPER_ENDED:
		job_ended(jobs, job, message);
		return 0;
	default:
		return job_failed(jobs, message, why, why_size);
	}
}

/* --- a round ---------------------------------------------------------------------------------- */

static int job_start(struct tacho_jobs *jobs, struct job *job)
{
	struct tacho_i_keeper_message order = { .kind = TACHO_I_KEEPER_START,
						.job = (uint32_t)(job - jobs->jobs),
						.run = job->run + 1 };

	if (send(jobs->fd, &order, sizeof(order), MSG_NOSIGNAL) < 0)
		return errno == EAGAIN ? 0 : -errno; /* the next round will do */
	job->run++;
	job->starting = true;
	job->due = NEVER;
	return 0;
}

static bool all_have_run(const struct tacho_jobs *jobs)
{
	size_t i;

	for (i = 0; i < jobs->launch->nr_jobs; i++)
		if (jobs->jobs[i].nr_ended < jobs->options.nr_runs)
			return false;
	return true;
}

int tacho_jobs_round(struct tacho_jobs *jobs, char *why, size_t why_size)
{
	struct tacho_i_keeper_message message;
	struct job *job;
	ssize_t got;
	int error = jobs->error;
	double now, took;

	if (why_size)
		why[0] = '\0';
	while (!error && (got = recv(jobs->fd, &message, sizeof(message), 0)) != -1) {
		if (got != sizeof(message) || message.job >= jobs->launch->nr_jobs)
			error = jobs->error = -EPIPE;
		else
			error = message_take(jobs, &message, why, why_size);
	}
	if (!error && all_have_run(jobs))
		return 1;
	now = tacho_jobs_seconds(jobs);
	for (job = jobs->jobs; !error && job < jobs->jobs + jobs->launch->nr_jobs; job++) {
		if (job->due <= now)
			error = job_start(jobs, job);
		if (!error && job->pid && job->look <= now) {
			error = threads_look(jobs, job);
			took = tacho_jobs_seconds(jobs) - now;
			job->look = now + took + look_period(now - job->started, took);
		}
	}
	if (error && jobs->refused)
		snprintf(why, why_size,
			 "line %u: thread %u cannot have real time: %s: say [1], or [0]",
			 jobs->refused->priority_line, jobs->refused->thread, strerror(-error));
	else if (error && why_size && !why[0])
		snprintf(why, why_size, "%s",
			 error == -EPIPE ? "the process that keeps the programs is gone"
					 : strerror(-error));
	return error;
}

double tacho_jobs_next(const struct tacho_jobs *jobs)
{
	double next = NEVER, now = tacho_jobs_seconds(jobs);
	const struct job *job;

	for (job = jobs->jobs; job < jobs->jobs + jobs->launch->nr_jobs; job++) {
		if (job->due < next)
			next = job->due;
		if (job->pid && job->look < next)
			next = job->look;
	}
	if (next >= NEVER)
		return -1;
	return next > now ? next - now : 0;
}
