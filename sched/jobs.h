/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jobs.h: running what a launch file says: when to start, whether to start again, when all have run
 * often enough.
 *
 * restart: a program that ended starts again until every one has run nr_runs times; once: it does
 * not. random: the times in the file are drawn anew between 0 and their largest, from a seed. It is
 * driven: tacho_jobs_round does what is due, tacho_jobs_fd can be polled. Prints nothing; what
 * happens is told to the caller.
 *
 * The programs are children of a keeper, a process of this object that has nothing open but a
 * socket to it. The keeper waits for them, and ends them, their process groups and whatever else
 * they left behind when the object is closed or this process dies: SIGTERM, after two seconds
 * SIGKILL. If the keeper is killed, the kernel kills the programs. So nobody's signals or children
 * are touched, and the programs' CPU time is not ours. Open before there are threads.
 */
#ifndef TACHO_SCHED_JOBS_H
#define TACHO_SCHED_JOBS_H

#include <stdbool.h>
#include <sys/resource.h>

#include "launch.h"

struct tacho_jobs_options {
	bool restart;
	bool random;
	unsigned seed;
	unsigned nr_runs; /* [3] with restart; without, it is 1 */
	const char *output; /* directory for what programs print, LABEL.out; NULL: nowhere */
	/*
	 * It was started (run from 1), its threads appeared (index as in the file; the main thread,
	 * 0, at once), it ended: status as of wait, usage of it and of its children. All are called
	 * by tacho_jobs_round; any may be NULL.
	 */
	void (*started)(void *arg, const struct tacho_launch_job *job, int pid, unsigned run);
	void (*thread)(void *arg, const struct tacho_launch_job *job, int pid, int tid,
		       uint32_t index);
	void (*ended)(void *arg, const struct tacho_launch_job *job, int pid, unsigned run,
		      double elapsed_s, int status, const struct rusage *usage);
	void *arg;
};

struct tacho_jobs;
int tacho_jobs_open(struct tacho_jobs **jobs, const struct tacho_launch *launch,
		    const struct tacho_jobs_options *options, char *why, size_t why_size);
void tacho_jobs_close(struct tacho_jobs *jobs);
/*
 * Start, reap, look for threads. 0; 1: all have run often enough; -errno: a program could not be
 * started, why says which.
 */
int tacho_jobs_round(struct tacho_jobs *jobs, char *why, size_t why_size);
int tacho_jobs_fd(const struct tacho_jobs *jobs); /* POLLIN: call round */
/*
 * Seconds until round has to be called again (a start, a look for threads); < 0: only for the fd.
 */
double tacho_jobs_next(const struct tacho_jobs *jobs);
/* Since open: time 0 of the launch file. */
double tacho_jobs_seconds(const struct tacho_jobs *jobs);

#endif /* TACHO_SCHED_JOBS_H */
