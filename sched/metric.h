/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * metric.h: how much a domain uses memory: where `intensity` of a policy's input comes from.
 *
 * Clavis takes misses of the last level of cache per instruction (paper 003); where there are no
 * counters, it must be something else, and every report says what: pages that were referenced per
 * second (clear_refs and smaps_rollup, once a second, for domains that compute; it costs them a
 * walk through their page tables and the faults of accessed bits), or page faults, which cost less
 * and say little: a program that does nothing else is slower by a tenth while they are logged. So
 * it is none where nobody looks at it. Prints nothing; 0 or -errno.
 */
#ifndef TACHO_SCHED_METRIC_H
#define TACHO_SCHED_METRIC_H

#include <stdbool.h>
#include <stdint.h>

enum tacho_metric_source {
	TACHO_METRIC_CACHE, /* "cache": misses of the last level, a hardware counter */
	TACHO_METRIC_PAGES, /* "pages": referenced per second */
	TACHO_METRIC_FAULTS, /* "faults" */
	TACHO_METRIC_NONE, /* not measured */
	TACHO_NR_METRICS
};

/* As a report says it: "cache misses". */
extern const char *const tacho_metric_names[TACHO_NR_METRICS];

/* What the policy does with it. */
enum tacho_metric_use {
	TACHO_METRIC_UNUSED,
	TACHO_METRIC_READ,
	TACHO_METRIC_DECIDES, /* it is about nothing else: worth what pages cost */
};
/*
 * name as above; NULL: cache where there is a PMU, otherwise pages if it decides, faults if it is
 * read or counted anyway, else none. -EINVAL: no such name; -EOPNOTSUPP: not on this machine; why: one
 * line.
 */
int tacho_metric_choose(const char *name, enum tacho_metric_use use, bool has_faults,
			enum tacho_metric_source *source, char *why, unsigned why_size);

/* Pages of a process that were referenced since the last call for it; *pages is 0 at the first. */
int tacho_metric_pages(int pid, uint64_t *pages);

#endif /* TACHO_SCHED_METRIC_H */
