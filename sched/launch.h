/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * launch.h: launch files, in the syntax of Clavis (paper 003), read whole before anything is
 * started.
 *
 *	[label] SECONDS INVOCATION...
 *	***rundir DIRECTORY
 *	***thread N [CPU ...]
 *	***numa thread N [CPU, NODE]
 *	***priority thread N [P]
 *
 * A label may be missing: then it is the program's name. Labels are made unique: the second "x" is
 * called "x#2". Numbers in brackets stand apart by blanks, commas or both. The first one is a CPU
 * if it is whole (-1: none); one with a point in it, and those that follow, are whatever a policy
 * wants to be told. Blank lines and lines that begin with # mean nothing. An invocation is a
 * program and its arguments, no shell; quotes and backslashes keep blanks together. Without a
 * rundir a program runs where the scheduler was started. Errors have the form FILE:LINE: WHAT; all
 * that a parser can find are found at once. Prints nothing, starts nothing.
 */
#ifndef TACHO_SCHED_LAUNCH_H
#define TACHO_SCHED_LAUNCH_H

#include <stddef.h>
#include <stdint.h>

#include <tacho/policy.h>

#define TACHO_LAUNCH_NUMBERS 8u

struct tacho_launch_thread {
	uint32_t thread; /* 0: the first one of the process */
	double number[TACHO_LAUNCH_NUMBERS]; /* in the brackets; [0] is the CPU */
	uint32_t nr_numbers;
	int cpu; /* -1: not said */
	int node; /* -1: not said */
	int priority; /* 0 none, 1 important: nice, by policy bind, 2 real time: by jobs.c */
	uint32_t line; /* of the (numa) thread line, 0: none */
	uint32_t priority_line;
};

struct tacho_launch_job {
	char *label;
	double start_s; /* after the scheduler's start */
	char **argv; /* NULL at the end */
	char *rundir; /* NULL: not said */
	struct tacho_launch_thread *threads; /* by number */
	size_t nr_threads;
	uint32_t line;
	uint32_t rundir_line; /* 0: none */
};

struct tacho_launch {
	struct tacho_launch_job *jobs;
	size_t nr_jobs;
	char *errors; /* one line each; NULL: none */
	size_t nr_errors;
};

/*
 * Parse size bytes, called name in errors. check: also that programs and directories are there. 0;
 * -EINVAL: see errors, no jobs; -ENOMEM. Free with tacho_launch_fini in any case.
 */
int tacho_launch_parse(struct tacho_launch *launch, const char *name, const char *text, size_t size,
		       int check);
/* With check. Also -errno of the file, with a line in errors. */
int tacho_launch_read(struct tacho_launch *launch, const char *file);
void tacho_launch_fini(struct tacho_launch *launch);
/* Whether all CPUs and nodes are there: as parse, but the jobs stay. */
int tacho_launch_check_cpus(struct tacho_launch *launch, const char *name,
			    const struct tacho_cpus *online, uint32_t nr_nodes);

/* Its line for that thread, or NULL. */
const struct tacho_launch_thread *tacho_launch_thread(const struct tacho_launch_job *job,
						      uint32_t thread);
/* The invocation in one printable line, cut if it is longer. Returns text. */
const char *tacho_launch_command(const struct tacho_launch_job *job, char *text, size_t size);

#endif /* TACHO_SCHED_LAUNCH_H */
