/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queries.h: what a policy asks of the facts (section 4.5.3 of paper 001): processor load, affinity
 * of a domain to a processor, locality, working sets. Pure functions of what facts.h gives;
 * deterministic: the same rows give the same answers, in the same order.
 */
#ifndef TACHO_FACTS_QUERIES_H
#define TACHO_FACTS_QUERIES_H

#include "facts/facts.h"

/* Share of the interval in which the CPU ran anything but idle, 0..1. */
double tacho_facts_load(const struct tacho_facts *facts, uint32_t cpu);
/* Share of the domain's service that it got on this CPU, 0..1; 0 if it did not run. */
double tacho_facts_affinity(const struct tacho_facts *facts, uint32_t domain, uint32_t cpu);

/* A partner of a domain: both directions together. */
struct tacho_facts_partner {
	uint32_t domain;
	double rate; /* wake-ups per second, decayed */
	double forth; /* of them, by the domain that was asked about */
};
/*
 * Locality: the partners with a rate that still matters, largest first (then the lower number), at
 * most max; idle and the system too. Returns how many. O(pairs): for many domains, sort
 * tacho_facts_pairs instead.
 */
size_t tacho_facts_partners(const struct tacho_facts *facts, uint32_t domain,
			    struct tacho_facts_partner *partners, size_t max);

/* A working set: domains that communicate with each other. */
struct tacho_facts_set {
	uint32_t first, nr; /* members[first .. first + nr - 1], ascending numbers */
	double rate; /* wake-ups per second inside, of the pairs that count */
};
struct tacho_i_sets;
struct tacho_facts_sets {
	struct tacho_facts_set *sets; /* by rate, largest first; then the lowest member */
	uint32_t *members;
	size_t nr_sets, nr_members;
	size_t max_members; /* room in members; sets has room for half as many */
	struct tacho_i_sets *work; /* memory of tacho_facts_sets */
};
/*
 * Cluster the matrix. Pairs (both directions together) with less than min_rate do not count, nor do
 * idle and the system, nor domains for which skip (may be NULL) says so. Greedy and deterministic:
 * pairs by rate, largest first, then by numbers; two sets are joined when the pair's rate is at
 * least a quarter of the largest pair of either, so that a busy pair does not swallow whoever
 * speaks with it now and then, nor do two busy pairs become one set. A domain is in one set at
 * most; whoever was joined with nobody is in none, so a set has two members or more. O(pairs * log
 * pairs). 0 or -ENOMEM, and then there are no sets; free with tacho_facts_sets_fini. The struct
 * begins zeroed and may be used again: memory is kept.
 */
int tacho_facts_sets(const struct tacho_facts *facts, double min_rate,
		     bool (*skip)(void *arg, uint32_t domain), void *arg,
		     struct tacho_facts_sets *sets);
void tacho_facts_sets_fini(struct tacho_facts_sets *sets);

#endif /* TACHO_FACTS_QUERIES_H */
