/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * watch.h: when events are on.
 *
 * A scheduler whose placements fit has nothing to read. Where tasks switch a million times a
 * second, events cost a tenth of it; /proc/stat, 10 us per look, says whether anything has changed:
 * the rate of switches and how busy the CPUs are. So events are on in windows: when that has
 * changed, when somebody says that there will be something to see, and now and then. What that
 * costs, those who write and us who read, is paid from a budget that grows with time, so that loads
 * that never rest do not keep events on. While the file cannot be read nothing says when to look, and
 * they are on. Pure: it is told times and numbers, and answers; watch.c reads the file in one
 * function.
 */
#ifndef TACHO_SCHED_WATCH_H
#define TACHO_SCHED_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One look at /proc/stat. */
struct tacho_look {
	uint64_t time_ns;
	uint64_t switches; /* since boot */
	uint64_t idle_ns; /* all CPUs */
	uint32_t nr_cpus; /* that have a line: also those that we may not use */
};

#define TACHO_WATCH_LOOKS 32u

struct tacho_watch {
	double budget; /* share of a CPU that events and reading them may cost in the mean */
	bool always;
	bool is_on;
	bool is_blind; /* the last look failed */
	int fd; /* /proc/stat, -1: it cannot be read */
	char *text; /* of the file; grows until all of it fits */
	size_t room;
	uint64_t changed_ns; /* on or off since then */
	uint64_t calm_ns; /* nothing was decided since then */
	uint64_t period_ns; /* between two windows without a cause; grows while nothing is found */
	double saved; /* seconds of a CPU: what the budget has left; below 0: a debt */
	uint64_t paid_ns; /* up to then */
	double own; /* share of a CPU that reading and deciding cost while they are on */
	uint64_t wake_ns; /* somebody wants them to be on then; 0: nobody */
	double rate, busy; /* when events went off: switches per second, share of all CPUs */
	double slow_rate; /* switches per second, at the beginning of the pause; 0: it is too short */
	unsigned off_looks; /* nr_looks when they went off */
	double row_rate; /* rows per second while they were on */
	struct tacho_look looks[TACHO_WATCH_LOOKS];
	unsigned nr_looks; /* ever */
};

void tacho_watch_init(struct tacho_watch *watch, double budget, bool always);
void tacho_watch_fini(struct tacho_watch *watch);
/* Read /proc/stat. 0 or -errno, and then it is blind until a look succeeds. */
int tacho_watch_look(struct tacho_watch *watch, uint64_t now_ns, struct tacho_look *look);
/* Whether a look is needed now: always while they are off, and before they go off. */
bool tacho_watch_needs_look(const struct tacho_watch *watch, uint64_t now_ns);
/*
 * Every round; with a look if one was needed, else with the time only. Whether events shall be on
 * from now on.
 */
bool tacho_watch_step(struct tacho_watch *watch, const struct tacho_look *look);
/* Something was decided or waits for a judgement: they stay on. */
void tacho_watch_busy(struct tacho_watch *watch, uint64_t now_ns);
/* There will be something to see at that time. */
void tacho_watch_wake(struct tacho_watch *watch, uint64_t at_ns);
/* What else costs us time that the budget has to pay. */
void tacho_watch_spend(struct tacho_watch *watch, uint64_t own_ns);
/* The last interval: rows that were read, and what reading them and deciding cost. */
void tacho_watch_cost(struct tacho_watch *watch, uint64_t rows, uint64_t own_ns,
		      uint64_t interval_ns);

#endif /* TACHO_SCHED_WATCH_H */
