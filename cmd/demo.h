/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * demo.h: what the files of tacho demo share.
 *
 *   demo.c          options; which parts are shown
 *   demo_mix.c      the scheduler's part: a mix of programs, measured without it and with it
 *   demo_load.c     the programs of the mix, which count what they get done
 *   demo_picture.c  who runs where and talks to whom, as text                          (pure)
 *   demo_process.c  the other part: an instrumented program, watched and measured
 *
 * One thread. Included by these files only. Section 4.5 of paper 001 is what the first part shows.
 */
#ifndef TACHO_CMD_DEMO_H
#define TACHO_CMD_DEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tacho/policy.h>

#include "facts/facts.h"
#include "text.h"
#include "ui.h"

extern const struct ui_verb demo_verb; /* demo.c */

/* demo_process.c: the program, or the example that was built with this command. The exit status. */
int demo_process(const char *program);

/*
 * demo_mix.c: measured without and with the scheduler. report: where to, NULL: in TMPDIR, or /tmp. The exit
 * status; -EPERM or -EOPNOTSUPP: this user, or this kernel, cannot, and why is in one line.
 */
int demo_mix(const char *report, bool ascii, char *why, size_t why_size);

/* --- demo_load.c ---------------------------------------------------------------------------- */

#define DEMO_TASKS 16u

/* One program of the mix. */
struct demo_task {
	char name[16]; /* of the process, too */
	int pid;
	uint32_t load; /* enum demo_which: what it belongs to */
	struct tacho_cpus before; /* its affinity when it was started */
};

enum demo_which { DEMO_PAIR, DEMO_STAR, DEMO_HOG, DEMO_NR_LOADS };

/* Programs that belong together. */
struct demo_load {
	const char *name;
	const char *about;
	const char *unit; /* what is counted */
	bool has_latency;
};
extern const struct demo_load demo_loads[DEMO_NR_LOADS];

/* What a load has got done, since it was started. */
struct demo_count {
	uint64_t done;
	uint32_t latency
		[TACHO_FACTS_BUCKETS]; /* as tacho_facts_quantile takes it, of each of them */
};

struct demo_mix {
	struct demo_task tasks[DEMO_TASKS];
	uint32_t nr_tasks;
	struct demo_count *counts; /* one per task, shared with it, written by it */
};

/*
 * Start them all; each ends after that many seconds, and with us. 0 or -errno; demo_load_stop is
 * due in any case.
 */
int demo_load_start(struct demo_mix *mix, unsigned seconds);
void demo_load_stop(struct demo_mix *mix);
/* Stop the programs of a load, or let them go on. */
void demo_load_pause(const struct demo_mix *mix, uint32_t load, bool pause);
int demo_load_affinity(int pid, struct tacho_cpus *cpus);
/* 0, or -ECHILD if one of them has ended. */
int demo_load_check(const struct demo_mix *mix);
void demo_load_read(const struct demo_mix *mix, uint32_t load, struct demo_count *count);
uint64_t demo_load_done(const struct demo_mix *mix, uint32_t task);
/* What came between two readings. */
void demo_load_between(const struct demo_count *from, const struct demo_count *to,
		       struct demo_count *count);

/* --- demo_picture.c ------------------------------------------------------------------------- */

#define DEMO_CPUS  16u
#define DEMO_LINKS 16u

/* One moment. */
struct demo_picture {
	uint32_t nr_cpus;
	uint32_t cpus[DEMO_CPUS]; /* their numbers */
	uint32_t nr_tasks;
	struct {
		const char *name;
		bool is_placed; /* by the scheduler */
		bool is_paused;
		double share[DEMO_CPUS]; /* of that CPU */
	} tasks[DEMO_TASKS];
	uint32_t nr_links;
	struct {
		uint32_t a, b; /* tasks that talk to each other, */
		double rate; /* so often per second */
	} links[DEMO_LINKS];
};

void demo_picture_draw(const struct demo_picture *picture, struct text *text);

#endif /* TACHO_CMD_DEMO_H */
