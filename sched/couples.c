// SPDX-License-Identifier: BSD-2-Clause
/*
 * couples.c: what couples.h promises.
 */
#include "couples.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_QUIET 16u /* intervals after which a couple is none any more */
/* so many new ones are taken in before the smallest are thrown out, all in one go */
#define ROOM (2 * TACHO_MAX_COUPLES)

static int by_names(const void *a, const void *b)
{
	const struct tacho_couple *x = a, *y = b;

	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	return (x->b > y->b) - (x->b < y->b);
}

static struct tacho_couple *find(struct tacho_couples *couples, size_t nr, uint32_t a, uint32_t b)
{
	const struct tacho_couple key = { .a = a, .b = b };

	return nr ? bsearch(&key, couples->couple, nr, sizeof(key), by_names) : NULL;
}

/* What it is worth: a new one has no mean yet, of an old one maybe not all has been read. */
static double worth(const struct tacho_couple *couple)
{
	const double mean = couple->forth + couple->back;
	const double now = couple->new_forth + couple->new_back;

	return mean > now ? mean : now;
}

static int by_worth(const void *a, const void *b)
{
	const double x = worth(a), y = worth(b);

	return x != y ? (x < y ? 1 : -1) : by_names(a, b);
}

/* In the order of names; of more than there is room for, the busiest. */
static void tidy(struct tacho_couples *couples)
{
	struct tacho_couple *couple = couples->couple;

	if (couples->nr > TACHO_MAX_COUPLES) {
		qsort(couple, couples->nr, sizeof(*couple), by_worth);
		couples->nr = TACHO_MAX_COUPLES;
	}
	qsort(couple, couples->nr, sizeof(*couple), by_names);
}

/* One direction of a pair. *sorted: so many stand in order, new ones behind them. */
static void note(struct tacho_couples *couples, const struct tacho_facts_pair *pair, size_t *sorted,
		 double rate)
{
	const uint32_t a = pair->from < pair->to ? pair->from : pair->to;
	const uint32_t b = pair->from < pair->to ? pair->to : pair->from;
	struct tacho_couple *couple = find(couples, *sorted, a, b);

	for (size_t i = *sorted; !couple && i < couples->nr; i++)
		if (couples->couple[i].a == a && couples->couple[i].b == b)
			couple = &couples->couple[i];
	if (!couple) {
		if (couples->nr == ROOM) {
			tidy(couples);
			*sorted = couples->nr;
		}
		couple = &couples->couple[couples->nr++];
		*couple = (struct tacho_couple){ .a = a, .b = b };
		if (couples->nr - *sorted == 32) {
			/* few are searched one by one */
			qsort(couples->couple, couples->nr, sizeof(*couple), by_names);
			*sorted = couples->nr;
			couple = find(couples, *sorted, a, b);
		}
	}
	if (pair->from == a)
		couple->new_forth += (double)pair->wakes * rate;
	else
		couple->new_back += (double)pair->wakes * rate;
	couple->quiet = 0;
}

static void means(struct tacho_couples *couples, struct tacho_facts *facts, double rate,
		  double gain)
{
	struct tacho_couple *couple;
	size_t kept = 0;

	for (size_t i = 0; i < couples->nr; i++) {
		couple = &couples->couple[i];
		couple->forth += (couple->new_forth - couple->forth) * gain;
		couple->back += (couple->new_back - couple->back) * gain;
		couple->together +=
			((double)tacho_facts_together(facts, couple->a, couple->b) * 1e-9 * rate -
			 couple->together) *
			gain;
		couple->new_forth = couple->new_back = 0;
		if (couple->quiet++ < MAX_QUIET)
			couples->couple[kept++] = *couple;
	}
	couples->nr = kept;
}

int tacho_couples_add(struct tacho_couples *couples, struct tacho_facts *facts, double rate,
		      double keep)
{
	const struct tacho_facts_pair *pairs;
	size_t nr = tacho_facts_pairs(facts, &pairs), sorted;

	if (!couples->couple)
		couples->couple = calloc(ROOM, sizeof(*couples->couple));
	if (!couples->couple)
		return -ENOMEM;
	couples->weight = couples->weight * keep + (1 - keep);
	couples->keep = keep;
	couples->interval++;
	sorted = couples->nr;
	for (size_t i = 0; i < nr; i++)
		if (pairs[i].wakes && pairs[i].from != pairs[i].to &&
		    pairs[i].from >= TACHO_DOMAIN_FIRST && pairs[i].to >= TACHO_DOMAIN_FIRST)
			note(couples, &pairs[i], &sorted, rate);
	tidy(couples);
	means(couples, facts, rate, (1 - keep) / couples->weight);
	return 0;
}

/*
 * A set is known by its members; as many sets as there is room for have a mean, the others the last
 * value.
 */
static double crowd_mean(struct tacho_couples *couples, const uint32_t *domains, size_t nr,
			 double value)
{
	uint64_t key = 1469598103934665603ull;
	struct tacho_crowd *crowd;

	for (size_t i = 0; i < nr; i++)
		key = (key ^ domains[i]) * 1099511628211ull;
	crowd = &couples->crowds[key % TACHO_MAX_CROWDS];
	if (crowd->key != key || crowd->interval + 4 < couples->interval)
		*crowd = (struct tacho_crowd){ .key = key, .interval = couples->interval - 1 };
	if (crowd->interval != couples->interval) {
		crowd->weight = crowd->weight * couples->keep + (1 - couples->keep);
		crowd->mean += (value - crowd->mean) * (1 - couples->keep) / crowd->weight;
		crowd->interval = couples->interval;
	}
	return crowd->mean;
}

double tacho_couples_crowd(struct tacho_couples *couples, struct tacho_facts *facts,
			   const uint32_t *domains, size_t nr)
{
	const uint64_t wall_ns = tacho_facts_wall_ns(facts);
	const struct tacho_couple *couple;

	/* two: their mean is known */
	if (nr == 2) {
		couple = domains[0] < domains[1]
				 ? find(couples, couples->nr, domains[0], domains[1])
				 : find(couples, couples->nr, domains[1], domains[0]);
		return couple ? couple->together : 0;
	}
	return wall_ns ? crowd_mean(couples, domains, nr,
				    (double)tacho_facts_crowd(facts, domains, nr) / (double)wall_ns)
		       : 0;
}

static int by_rate(const void *a, const void *b)
{
	const struct tacho_policy_pair *x = a, *y = b;

	if (x->rate != y->rate)
		return x->rate < y->rate ? 1 : -1;
	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	return (x->b > y->b) - (x->b < y->b);
}

size_t tacho_couples_list(const struct tacho_couples *couples, const uint32_t *index,
			  uint32_t nr_domains, struct tacho_policy_pair *pairs, size_t max)
{
	const struct tacho_couple *couple;
	uint32_t a, b;
	size_t nr = 0;

	for (size_t i = 0; i < couples->nr && nr < max; i++) {
		couple = &couples->couple[i];
		if (couple->a >= nr_domains || couple->b >= nr_domains)
			continue;
		a = index[couple->a];
		b = index[couple->b];
		if (a == TACHO_POLICY_NONE || b == TACHO_POLICY_NONE)
			continue;
		/* in the order of the input, not of the numbers */
		pairs[nr++] = (struct tacho_policy_pair){
			.a = a < b ? a : b,
			.b = a < b ? b : a,
			.rate = couple->forth + couple->back,
			.forth = a < b ? couple->forth : couple->back,
			.together = couple->together,
		};
	}
	qsort(pairs, nr, sizeof(*pairs), by_rate);
	return nr;
}

void tacho_couples_forget(struct tacho_couples *couples, uint32_t domain)
{
	size_t kept = 0;

	for (size_t i = 0; i < couples->nr; i++)
		if (couples->couple[i].a != domain && couples->couple[i].b != domain)
			couples->couple[kept++] = couples->couple[i];
	couples->nr = kept;
}

void tacho_couples_clear(struct tacho_couples *couples)
{
	couples->nr = 0;
	couples->weight = 0;
	memset(couples->crowds, 0, sizeof(couples->crowds));
}

void tacho_couples_fini(struct tacho_couples *couples)
{
	free(couples->couple);
	*couples = (struct tacho_couples){ .couple = NULL };
}
