/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * couples.h: means of what two domains have to do with each other: how often they wake each other,
 * how long they run at the same time.
 *
 * The engine's matrix is of one interval; here are means over the last ones, as snapshot.h has them
 * for domains. A small table by pair: the busiest ones, what does not come any more leaves it. For
 * snapshot.c.
 */
#ifndef TACHO_SCHED_COUPLES_H
#define TACHO_SCHED_COUPLES_H

#include <tacho/policy.h>

#include "facts/facts.h"

#define TACHO_MAX_COUPLES 1024u

struct tacho_couple {
	uint32_t a, b; /* numbers of domains, a < b */
	double forth, back; /* wake-ups per second: by a, by b */
	double together; /* share of the time */
	double new_forth, new_back; /* of the interval that is being added */
	unsigned quiet; /* intervals without a wake-up */
};

#define TACHO_MAX_CROWDS 128u

/* A set of more than two. */
struct tacho_crowd {
	uint64_t key; /* of its members */
	uint64_t interval; /* of the last value */
	double mean; /* share of the time in which two of them ran at once */
	double weight;
};

/* Zeroed, it is empty. */
struct tacho_couples {
	struct tacho_couple *couple; /* ascending (a, b) */
	size_t nr;
	double weight; /* as in snapshot.c: of the intervals so far */
	double keep; /* how much of a mean the last interval left */
	uint64_t interval; /* number of the last one */
	struct tacho_crowd crowds[TACHO_MAX_CROWDS]; /* by key, modulo */
};

/* The interval that has ended: rate is 1 / seconds, keep what old means keep. 0 or -ENOMEM. */
int tacho_couples_add(struct tacho_couples *couples, struct tacho_facts *facts, double rate,
		      double keep);
/* Share of the time in which two of these ran at once. */
double tacho_couples_crowd(struct tacho_couples *couples, struct tacho_facts *facts,
			   const uint32_t *domains, size_t nr);
/* Those of domains that have an index; by rate, largest first. Returns how many. */
size_t tacho_couples_list(const struct tacho_couples *couples, const uint32_t *index,
			  uint32_t nr_domains, struct tacho_policy_pair *pairs, size_t max);
void tacho_couples_forget(struct tacho_couples *couples, uint32_t domain);
void tacho_couples_clear(struct tacho_couples *couples);
void tacho_couples_fini(struct tacho_couples *couples);

#endif /* TACHO_SCHED_COUPLES_H */
