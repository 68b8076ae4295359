/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * krounds.h: what recording an event of the kernel adds to some work, ways of recording side by side.
 *
 * A case is the work with one way of recording switched on. Cases are repeated in rounds, one
 * repetition of each per round; what a case adds is its time minus that of the work alone in the same
 * round. Every repetition is counted: a case whose events did not arrive is not printed.
 *
 * Metrics: the time of a unit of the work, `percent` and `cycles/event` (of the time-stamp counter), both
 * added. Differences can be negative; their minimum is that of one lucky round and says little.
 * `best-cycles` and `best-percent` are differences of the best times of all rounds: on a machine that is not
 * idle they say what the code costs, and the medians what the machine was like.
 */
#ifndef TACHO_BENCH_KROUNDS_H
#define TACHO_BENCH_KROUNDS_H

#include <stdint.h>

#include "bench.h"
#include "krival.h"
#include "kself.h"

/* What happens during the work. A case records some of it. */
enum krounds_what {
	KROUNDS_SWITCHES,
	KROUNDS_WAKES,
	KROUNDS_ENDS, /* of system calls */
	KROUNDS_CALLS,
	KROUNDS_INSIDE, /* wakes inside one domain: no rows */
	KROUNDS_NR,
};

/* What some of the work says. */
struct krounds_sample {
	double ticks; /* per unit */
	double best; /* per unit, of what was not disturbed */
	uint64_t units;
	uint64_t happened[KROUNDS_NR]; /* so often; on the whole machine it may be more */
};

enum krounds_way { KROUNDS_NATIVE, KROUNDS_OURS, KROUNDS_RIVAL };

struct krounds_case {
	char name[48];
	enum krounds_way way;
	enum tacho_kernel_by by; /* ours: what a domain is */
	struct kself_config ours;
	enum krounds_what what[KSELF_EVENTS]; /* ours, by event */
	enum krival_kind rival;
	enum krival_event event; /* rival */
	/* filled in by krounds_run */
	double *ns, *cycles, *percent; /* by round */
	double *bests; /* by piece */
	size_t nr_best;
	double best; /* ticks per unit */
	double per_unit; /* events */
	uint64_t recorded, happened; /* events of all rounds */
	uint64_t lost; /* that it told of */
	bool is_out; /* it could not be had */
	unsigned int failed; /* repetitions */
	unsigned int noisy; /* repetitions beside other work */
};

struct krounds {
	struct bench *bench;
	const char *metric; /* "ns/roundtrip" */
	uint64_t nr; /* units per repetition */
	uint64_t piece; /* units that cause at most KRIVAL_DRAIN events */
	unsigned int cpus; /* that the work takes */
	double per_unit; /* events, to divide by; 0: those that each case records */
	/* Some of the work: nr units. 0 or -errno. */
	int (*work)(void *arg, uint64_t nr, struct krounds_sample *sample);
	void *arg;
};

/* Run, check and print. The first case is the work alone. 0 or -errno: the work cannot be done. */
int krounds_run(const struct krounds *rounds, struct krounds_case *cases, size_t nr);

/* Lines of the table at the end, on standard error: by medians and by best times. */
void krounds_ratio(const struct bench *bench, const char *a, const char *b, const char *target);
void krounds_percent(const struct bench *bench, const char *name, const char *target);

#endif /* TACHO_BENCH_KROUNDS_H */
