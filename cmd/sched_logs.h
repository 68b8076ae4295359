/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sched_logs.h: the log files of tacho sched, as Clavis has them (paper 003, section on its logs).
 *
 * One object writes a directory of views of what the scheduler saw and did. It is fed by three
 * calls: a note, a view, and what became of a launched program; cmd/sched.c feeds the report
 * (sched_report.h) with the same three.
 *
 *	scheduler.log	starts and ends, every note, the assignment whenever it changed, the report
 *	mould.log	each second: which thread ran on which CPU; can be replayed (sched/mould.h)
 *	time.log	a line per run: elapsed, user, system, status, command
 *	online.log	each second: the workload (sched/workload.h), its classes and rates
 *	numa.log	each second: pages by node of every launched process and of the workload
 *	systemwide.log	each second: load and run queue of every CPU
 *	HOST.report	each second: one vector per domain
 *
 * Every file begins with a # line that names its columns, and is written line by line. What cannot
 * be written (the disk is full) is told once, and the scheduler goes on. Names from outside are
 * made printable, blanks in them become _. One thread.
 */
#ifndef TACHO_CMD_SCHED_LOGS_H
#define TACHO_CMD_SCHED_LOGS_H

#include <stdint.h>

#include "sched/sched.h"
#include "sched/world.h"

enum sched_job_kind {
	SCHED_JOB_STARTED, /* a run of a program of the launch file */
	SCHED_JOB_THREAD, /* one of its threads appeared; the main thread too, index 0 */
	SCHED_JOB_ENDED,
};

/* What became of a launched program. Good during the call. */
struct sched_job {
	enum sched_job_kind kind;
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	const char *label;
	const char *command; /* the whole invocation in one line (tacho_launch_command) */
	int pid;
	unsigned run; /* from 1 */
	int tid; /* of a thread, */
	uint32_t index; /* and which it is */
	double elapsed_s, user_s, system_s; /* ended */
	int status; /* ended: as of wait */
};

struct sched_logs_options {
	const char *directory; /* is made if it is not there */
	const char *host; /* NULL: the name of this machine */
	const struct tacho_world *world; /* whose pages() is asked; NULL: the real one */
	uint32_t nr_nodes; /* [1] */
	uint64_t start_ns; /* time 0 of the files, CLOCK_MONOTONIC; 0: now */
	/* A file can no longer be written: one line, once per file. */
	void (*complain)(void *arg, const char *line);
	void *arg;
};

struct sched_logs;
struct sched_report;

/* -errno: why says which file, in one line; nothing is left open. */
int sched_logs_open(struct sched_logs **logs, const struct sched_logs_options *options, char *why,
		    size_t why_size);
void sched_logs_close(struct sched_logs *logs); /* NULL is nothing */

void sched_logs_note(struct sched_logs *logs, const struct tacho_note *note);
/* May be called as often as there are views: writes at most once per second. */
void sched_logs_view(struct sched_logs *logs, const struct tacho_policy_input *input);
void sched_logs_job(struct sched_logs *logs, const struct sched_job *job);
/* The report, as text, to the end of scheduler.log. */
void sched_logs_report(struct sched_logs *logs, const struct sched_report *report);

#endif /* TACHO_CMD_SCHED_LOGS_H */
