/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sched_jobs.c: the programs of a launch file, and what the scheduler is told of them.
 *
 * Owns the launch file, the running programs (sched/jobs.h) and the mould that is replayed. Reads
 * all files before anything is started: with an error in one of them nothing is. What became of a
 * program is told to whoever writes it down. Called by sched.c. Section 2 of paper 003 (Clavis).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sched/jobs.h"
#include "sched/mould.h"
#include "sched_verb.h"

/* How important a thread is, if it is: the mould places threads and knows nothing of that. */
struct rank {
	int pid, tid, priority;
};

struct sched_jobs {
	struct sched_jobs_choice choice;
	struct tacho_launch launch;
	struct tacho_mould mould;
	struct tacho_mould_player *player;
	struct tacho_jobs *jobs;
	struct tacho_sched *sched;
	struct rank *ranks; /* of threads that run */
	size_t nr_ranks, rank_room;
	double next_play; /* seconds of the launch file; < 0: never */
	bool has_complained;
};

/* --- what became of a program --------------------------------------------------------------- */

static void tell(struct sched_jobs *jobs, const struct tacho_launch_job *job,
		 struct sched_job *what)
{
	char command[400];

	if (!jobs->choice.tell)
		return;
	what->time_ns = tacho_live_now();
	what->label = job->label;
	what->command = tacho_launch_command(job, command, sizeof(command));
	jobs->choice.tell(jobs->choice.arg, what);
}

static void on_started(void *arg, const struct tacho_launch_job *job, int pid, unsigned run)
{
	struct sched_job what = { .kind = SCHED_JOB_STARTED, .pid = pid, .run = run };

	tell(arg, job, &what);
}

static void rank_add(struct sched_jobs *jobs, int pid, int tid, int priority)
{
	size_t room = 2 * jobs->rank_room + 16;
	struct rank *grown;

	if (!priority)
		return;
	if (jobs->nr_ranks == jobs->rank_room) {
		grown = realloc(jobs->ranks, room * sizeof(*grown));
		if (!grown)
			return; /* not important from its next place on */
		jobs->ranks = grown;
		jobs->rank_room = room;
	}
	jobs->ranks[jobs->nr_ranks++] = (struct rank){ pid, tid, priority };
}

static void ranks_end(struct sched_jobs *jobs, int pid)
{
	size_t i, nr = 0;

	for (i = 0; i < jobs->nr_ranks; i++)
		if (jobs->ranks[i].pid != pid)
			jobs->ranks[nr++] = jobs->ranks[i];
	jobs->nr_ranks = nr;
}

static int rank_of(const struct sched_jobs *jobs, int tid)
{
	size_t i;

	for (i = 0; i < jobs->nr_ranks; i++)
		if (jobs->ranks[i].tid == tid)
			return jobs->ranks[i].priority;
	return 0;
}

/* Where the launch file wants a thread: one CPU, those of a node, or anywhere. */
static void bound_of(const struct sched_jobs *jobs, const struct tacho_launch_thread *line,
		     struct tacho_cpus *bound)
{
	const struct tacho_topology *topology = tacho_sched_topology(jobs->sched);
	uint32_t i;

	memset(bound, 0, sizeof(*bound));
	if (line && line->cpu >= 0)
		*bound = tacho_cpus_one((uint32_t)line->cpu);
	else if (line && line->node >= 0)
		for (i = 0; i < topology->nr_cpus; i++)
			if (topology->cpus[i].node == (uint32_t)line->node)
				tacho_cpus_add(bound, topology->cpus[i].id);
}

/* Of the first one only; a thread that has ended already is nobody's loss. */
static void unplaced_say(struct sched_jobs *jobs, const struct tacho_launch_job *job,
			 uint32_t index, int error)
{
	char line[300];

	if (!error || error == -ESRCH || jobs->has_complained)
		return;
	jobs->has_complained = true;
	snprintf(line, sizeof(line), "%s, thread %u: it cannot be placed, nor others maybe: %s",
		 job->label, index, strerror(-error));
	if (jobs->choice.complain)
		jobs->choice.complain(jobs->choice.arg, line);
}

static void on_thread(void *arg, const struct tacho_launch_job *job, int pid, int tid,
		      uint32_t index)
{
	struct sched_job what = {
		.kind = SCHED_JOB_THREAD, .pid = pid, .tid = tid, .index = index
	};
	const struct tacho_launch_thread *line = tacho_launch_thread(job, index);
	struct sched_jobs *jobs = arg;
	struct tacho_cpus bound;
	int error;

	bound_of(jobs, line, &bound);
	error = tacho_sched_launched(jobs->sched, tid, &bound, line ? line->priority : 0);
	if (line)
		unplaced_say(jobs, job, index, error);
	rank_add(jobs, pid, tid, line ? line->priority : 0);
	if (jobs->player) {
		error = tacho_mould_thread(jobs->player, job->label, pid, tid, index,
					   tacho_jobs_seconds(jobs->jobs));
		unplaced_say(jobs, job, index, error);
		jobs->next_play = 0;
	}
	tell(jobs, job, &what);
}

static double timeval_s(const struct timeval *tv)
{
	return (double)tv->tv_sec + (double)tv->tv_usec / 1e6;
}

static void on_ended(void *arg, const struct tacho_launch_job *job, int pid, unsigned run,
		     double elapsed_s, int status, const struct rusage *usage)
{
	struct sched_job what = { .kind = SCHED_JOB_ENDED,
				  .pid = pid,
				  .run = run,
				  .elapsed_s = elapsed_s,
				  .user_s = timeval_s(&usage->ru_utime),
				  .system_s = timeval_s(&usage->ru_stime),
				  .status = status };
	struct sched_jobs *jobs = arg;

	if (jobs->player)
		tacho_mould_ended(jobs->player, pid);
	ranks_end(jobs, pid);
	tell(jobs, job, &what);
}

static void on_bind(void *arg, int tid, const struct tacho_cpus *cpus)
{
	struct sched_jobs *jobs = arg;

	tacho_sched_launched(jobs->sched, tid, cpus, rank_of(jobs, tid));
}

/* --- files ---------------------------------------------------------------------------------- */

/* A line for each error in a file. */
static int errors_say(const char *file, const char *errors, int error)
{
	if (!errors || !errors[0])
		return ui_fail(&sched_verb, "%s: %s", file, strerror(-error));
	return ui_fail_lines(&sched_verb, errors);
}

int sched_jobs_open(struct sched_jobs **out, const struct sched_jobs_choice *choice)
{
	struct sched_jobs *jobs = calloc(1, sizeof(*jobs));
	int error, status = UI_DONE;

	*out = jobs;
	if (!jobs)
		return ui_fail(&sched_verb, "no memory");
	jobs->choice = *choice;
	error = tacho_launch_read(&jobs->launch, choice->launch);
	if (error)
		status = errors_say(choice->launch, jobs->launch.errors, error);
	if (!choice->mould)
		return status;
	error = tacho_mould_read(&jobs->mould, choice->mould);
	if (error)
		status = errors_say(choice->mould, jobs->mould.errors, error);
	return status;
}

bool sched_jobs_bind(const struct sched_jobs *jobs)
{
	size_t i;

	for (i = 0; jobs && i < jobs->launch.nr_jobs; i++)
		if (jobs->launch.jobs[i].nr_threads > 0)
			return true;
	return false;
}

void sched_jobs_close(struct sched_jobs *jobs)
{
	if (!jobs)
		return;
	if (jobs->jobs)
		tacho_jobs_close(jobs->jobs);
	if (jobs->player)
		tacho_mould_player_close(jobs->player);
	tacho_mould_fini(&jobs->mould);
	tacho_launch_fini(&jobs->launch);
	free(jobs->ranks);
	free(jobs);
}

/* --- running -------------------------------------------------------------------------------- */

int sched_jobs_start(struct sched_jobs *jobs, struct tacho_sched *sched)
{
	const struct tacho_topology *topology = tacho_sched_topology(sched);
	const struct tacho_jobs_options options = {
		.restart = jobs->choice.restart,
		.random = jobs->choice.random,
		.seed = jobs->choice.seed,
		.nr_runs = jobs->choice.runs,
		.output = jobs->choice.output,
		.started = on_started,
		.thread = on_thread,
		.ended = on_ended,
		.arg = jobs,
	};
	char why[200] = "";
	int error;

	jobs->sched = sched;
	error = tacho_launch_check_cpus(&jobs->launch, jobs->choice.launch, &topology->online,
					topology->nr_nodes);
	if (error)
		return errors_say(jobs->choice.launch, jobs->launch.errors, error);
	if (jobs->choice.mould &&
	    tacho_mould_player_open(&jobs->player, &jobs->mould, on_bind, jobs))
		return ui_fail(&sched_verb, "no memory");
	error = tacho_jobs_open(&jobs->jobs, &jobs->launch, &options, why, sizeof(why));
	if (error)
		return ui_fail(&sched_verb, "%s", why[0] ? why : strerror(-error));
	return UI_DONE;
}

int sched_jobs_round(struct sched_jobs *jobs, char *why, size_t why_size)
{
	double now;
	int result;

	result = tacho_jobs_round(jobs->jobs, why, why_size);
	if (result < 0)
		return result;
	now = tacho_jobs_seconds(jobs->jobs);
	if (jobs->player && jobs->next_play >= 0 && now >= jobs->next_play)
		jobs->next_play = tacho_mould_play(jobs->player, now);
	return result;
}

int sched_jobs_fd(const struct sched_jobs *jobs)
{
	return tacho_jobs_fd(jobs->jobs);
}

double sched_jobs_next(const struct sched_jobs *jobs)
{
	double next = tacho_jobs_next(jobs->jobs), play = jobs->next_play;

	if (!jobs->player || play < 0)
		return next;
	play -= tacho_jobs_seconds(jobs->jobs);
	if (play < 0)
		play = 0;
	return next < 0 || play < next ? play : next;
}
