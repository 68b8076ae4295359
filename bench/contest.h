/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * contest.h: one load under several configurations that take turns.
 *
 *   stock   the kernel alone
 *   null    the same once more, in every third round: what differs between the two is noise
 *   auto    `tacho sched --policy auto`, started before the load and ended after it
 *   best    the best static placement (best.c), made with sched_setaffinity; not run if that is "anywhere"
 *
 * A repetition: start the load anew, let it settle, measure, end it. One repetition of each configuration per
 * round; which one begins a round changes from round to round.
 */
#ifndef TACHO_BENCH_CONTEST_H
#define TACHO_BENCH_CONTEST_H

#include "bench.h"
#include "loads.h"

enum contest_way { CONTEST_STOCK, CONTEST_NULL, CONTEST_AUTO, CONTEST_BEST, CONTEST_WAYS };
extern const char *const contest_way_name[CONTEST_WAYS];

/* What came out, by configuration. NULL where nothing was measured. */
struct contest_values {
	double *ops, *p99, *hogs; /* by repetition */
	unsigned int nr;
};

/* Processor time of tacho, and the time in which it took that. */
struct contest_own {
	pid_t pid;
	uint64_t ns, wall_ns; /* sums */
	uint64_t begin_ns, begin_wall_ns;
};

struct contest {
	struct bench *bench;
	char tacho[4096]; /* the command; empty: no such verb, so no auto */
	unsigned int settle_ms;
	/* of the load at hand: */
	const struct load *load;
	struct load_place best;
	bool has_best; /* a placement was found that is better than anywhere */
	bool is_pinnable; /* placements exist and were tried */
	struct contest_values values[CONTEST_WAYS];
	struct contest_own first; /* the repetitions, of about a second each */
	struct contest_own lasting; /* some seconds of the load with the same scheduler */
	struct contest_own *own; /* the one of them that is kept now */
};

/* How noisy a case was, and how it came out: for the table at the end. */
struct contest_row {
	char name[48];
	double median[CONTEST_WAYS]; /* 0: not measured */
	double noise; /* as a share: by how much stock differs from itself */
	double own_percent;
	bool is_pinnable;
};

/* Is there a tacho with the verb sched beside this program? 0 or -errno and why. */
int contest_open(struct contest *contest, struct bench *bench, char *why, size_t why_size);
/* Search, run all rounds, print the lines. -ENOENT and why: something is not installed. */
int contest_run(struct contest *contest, const struct load *load, struct contest_row *row,
		char *why, size_t why_size);
/* From the start of a pattern to the right placement. */
int contest_reaction(struct contest *contest, char *why, size_t why_size);

/* best.c: find contest->best by trying. */
int best_find(struct contest *contest, char *why, size_t why_size);

/* One repetition; used by best.c as well. settle_ms and ms do not matter to loads that are whole. */
int contest_sample(const struct load *load, const struct load_place *place, unsigned int settle_ms,
		   unsigned int ms, struct load_sample *sample, char *why, size_t why_size);

#endif /* TACHO_BENCH_CONTEST_H */
