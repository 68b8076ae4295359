/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sched.h: the scheduler: logs -> facts -> policy -> plan -> actions, in a loop.
 *
 * One object owns a session with the kernel (facts/live.h), a topology, a policy, the ledger of
 * what it changed, and the judge of whether that helped. It is driven from outside:
 * tacho_sched_round does what is due, tacho_sched_wait says how long nothing is. It never prints:
 * everything that a person may want to know is a note. Section 4.5 of paper 001; Clavis in paper
 * 003.
 *
 * Nearly free between changes: where tasks switch often, events cost. They are on in windows of a
 * few periods: when the processors' load or the rate of switches (/proc/stat, 10 us per look) has
 * changed, and now and then. Where events are so few that they cost less than the budget, and while
 * a move waits for its judgement, they stay on.
 *
 * Promises: what is changed is in the ledger before it is changed, and undone when the object is
 * closed or its process dies; nothing is narrowed that is younger than min_age_ms, real-time, or
 * was given processors by somebody else (force).
 */
#ifndef TACHO_SCHED_SCHED_H
#define TACHO_SCHED_SCHED_H

#include <tacho/policy.h>

#include "facts/live.h"
#include "ledger.h"
#include "topology.h"

enum tacho_note_kind {
	TACHO_NOTE_START, /* what: policy, topology, cost of a wake-up */
	TACHO_NOTE_PLACE, /* a task or domain was given CPUs */
	TACHO_NOTE_NICE,
	TACHO_NOTE_MEMORY, /* pages moved to a node */
	TACHO_NOTE_CPUSET,
	TACHO_NOTE_RELEASE, /* as it was before: no longer asked for, or the end */
	TACHO_NOTE_TAKE_BACK, /* as it was before: the move did not help */
	TACHO_NOTE_KEEP, /* the move helped: judged */
	TACHO_NOTE_SKIP, /* asked for, but may not be: real time, young, a cpuset... */
	TACHO_NOTE_WOULD, /* another policy would do it: who observes is told */
	TACHO_NOTE_CHILD, /* born while its parent was placed */
	TACHO_NOTE_USER, /* the user changed it: it is his */
	TACHO_NOTE_SPLIT, /* a process is looked at by thread, or as a whole again */
	TACHO_NOTE_CPUS, /* CPUs came or went */
	TACHO_NOTE_POLICY, /* it crashed, looped, or said nonsense */
	TACHO_NOTE_LOST, /* events */
	TACHO_NOTE_BLIND, /* nothing says when events are worth it */
	TACHO_NOTE_END,
	TACHO_NR_NOTES
};
extern const char *const tacho_note_names[TACHO_NR_NOTES]; /* "place", "take back"... */

/* Something happened. Good during the call. */
struct tacho_note {
	enum tacho_note_kind kind;
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	char name[32]; /* domain, or empty */
	int pid, tid; /* tid 0: all tasks of the domain */
	uint32_t nr_tasks; /* how many it concerned */
	uint32_t move; /* number of the move that it belongs to; 0: none */
	struct tacho_cpus from, to; /* from: where it ran, or was allowed to */
	const char *policy;
	const char *fact_name; /* what caused it, and what that was compared with; "": nothing */
	double fact, threshold;
	const char
		*progress; /* judged by: "bytes/s", "wake-ups/s", "instructions/s", "CPU share" */
	double before, after; /* of the progress */
	uint64_t pages;
	const char *text; /* one line for a person, always there */
};

struct tacho_sched_options {
	struct tacho_kernel_options kernel; /* rules, by */
	const char *policy; /* ["auto"] */
	const char *topology; /* file, or NULL */
	const char *ledger; /* [TACHO_LEDGER_FILE] */
	unsigned period_ms; /* [20] */
	unsigned min_age_ms; /* [200] */
	unsigned policy_ms; /* limit of a foreign policy's decision [100] */
	unsigned
		max_bounces; /* moves of one kind that were taken back, before it is given up [5] */
	double min_gain; /* [0.05]; negative: what costs less than that is kept, too */
	double budget; /* share of a CPU that events may cost in the mean [0.002] */
	double cpu_threshold, disk_threshold, net_threshold; /* see policy.h */
	const char *metric; /* of intensity: "cache", "pages", "faults" [the best here] */
	bool always; /* events are never switched off */
	bool dry_run; /* plan, and do nothing */
	bool force; /* also what has an affinity of its own */
	bool no_guard; /* no restorer (tests) */
	const struct tacho_world *world; /* NULL: the real one */
	void (*note)(void *arg, const struct tacho_note *note);
	/* After every decision: what the policy saw, and what is placed. */
	void (*view)(void *arg, const struct tacho_policy_input *input);
	void *arg;
};

struct tacho_sched;

/*
 * -EBUSY: another scheduler runs, why names it. Otherwise as tacho_kernel_open and
 * tacho_runner_open.
 */
int tacho_sched_open(struct tacho_sched **sched, const struct tacho_sched_options *options,
		     char *why, size_t why_size);
/* Undo everything. *undone (may be NULL): tasks. */
void tacho_sched_close(struct tacho_sched *sched, size_t *undone);

/* Do what is due. 0, or -errno when it cannot go on; then close. */
int tacho_sched_round(struct tacho_sched *sched);
/*
 * Sleep until something is due, or fd (or -1) can be read: returns 1 then, otherwise 0, or -EINTR.
 */
int tacho_sched_wait(struct tacho_sched *sched, int fd);
const char *tacho_sched_error(const struct tacho_sched *sched);

/* A task that a launch file started: where it shall run (none: anywhere), how important it is. */
int tacho_sched_launched(struct tacho_sched *sched, int tid, const struct tacho_cpus *bound,
			 int priority);

struct tacho_sched_totals {
	uint64_t rounds, windows; /* looks at the logs; times that events were switched on */
	uint64_t decisions, moves, kept, taken_back, skipped, children, pages;
	uint64_t rows, lost;
	uint64_t on_ns, wall_ns; /* events on, since open */
	double own_cpu; /* share of a CPU: we, the restorer, a foreign policy */
	double wake_cost; /* seconds */
	size_t placed; /* tasks, now */
};
void tacho_sched_totals(const struct tacho_sched *sched, struct tacho_sched_totals *totals);
const struct tacho_topology *tacho_sched_topology(const struct tacho_sched *sched);

/* "0-3,7", "none"; cut with "..." where it is too long for size bytes. Returns text. */
char *tacho_cpus_format(const struct tacho_cpus *cpus, char *text, size_t size);

#endif /* TACHO_SCHED_SCHED_H */
