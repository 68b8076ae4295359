/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plan.c: what makes no sense is removed from a plan before anybody acts on it.
 *
 * A plan may come from a shared object of the user's, through memory that it still can write: the
 * caller has a copy. Nothing in it is believed but that it is as long as `max` says. What remains
 * can be carried out as far as the input tells. Prints nothing. Called after tacho_runner_decide,
 * by the loop and by tests.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sched/policies.h"

struct check {
	const struct tacho_policy_input *input;
	struct tacho_cpus online;
	uint64_t *seen; /* a bit per domain; NULL: no memory, look it up */
	uint32_t removed;
	char *why;
	size_t why_size;
};

/* Only the first is told. */
static bool __attribute__((format(printf, 2, 3))) refuse(struct check *check, const char *fmt, ...)
{
	va_list list;

	if (!check->removed++ && check->why_size) {
		va_start(list, fmt);
		vsnprintf(check->why, check->why_size, fmt, list);
		va_end(list);
	}
	return false;
}

/* A text of a stranger: it ends, and does nothing to a terminal. */
static void clean(char *text, size_t size)
{
	size_t len = 0;

	while (len < size - 1 && text[len]) {
		if (text[len] < ' ' || text[len] > '~')
			text[len] = '?';
		len++;
	}
	memset(text + len, 0, size - len);
}

static bool is_named(struct check *check, const struct tacho_policy_place *first, uint32_t nr,
		     uint32_t domain)
{
	uint64_t bit = (uint64_t)1 << (domain % 64);

	if (check->seen) {
		bool named = check->seen[domain / 64] & bit;

		check->seen[domain / 64] |= bit;
		return named;
	}
	for (uint32_t i = 0; i < nr; i++)
		if (first[i].domain == domain)
			return true;
	return false;
}

static double finite_or_zero(double value)
{
	return value - value == 0 ? value : 0;
}

static bool good(struct check *check, struct tacho_policy_place *place,
		 const struct tacho_policy_place *first, uint32_t nr)
{
	const struct tacho_policy_input *input = check->input;
	const struct tacho_policy_domain *d;
	struct tacho_cpus can;

	if (place->domain >= input->nr_domains)
		return refuse(check, "there is no domain %u, only %u", place->domain,
			      input->nr_domains);
	d = &input->domains[place->domain];
	if (!(d->flags & TACHO_D_MOVABLE))
		return refuse(check, "%.31s (pid %d) may not be moved", d->name, d->pid);
	can = tacho_cpus_and(&check->online, &d->allowed);
	can = tacho_cpus_and(&can, &place->cpus);
	if (!tacho_cpus_count(&can))
		return refuse(check, "%.31s (pid %d): no CPU that is online and allowed", d->name,
			      d->pid);
	if (place->nice != TACHO_NICE_KEEP && (place->nice < -20 || place->nice > 19))
		return refuse(check, "%.31s (pid %d): there is no nice value %d", d->name, d->pid,
			      place->nice);
	if (place->node != TACHO_POLICY_NONE && place->node >= input->nr_nodes)
		return refuse(check, "%.31s (pid %d): there is no node %u", d->name, d->pid,
			      place->node);
	if (is_named(check, first, nr, place->domain))
		return refuse(check, "%.31s (pid %d) is named twice", d->name, d->pid);
	place->cpus = can;
	place->fact = finite_or_zero(place->fact);
	place->threshold = finite_or_zero(place->threshold);
	clean(place->cpuset, sizeof(place->cpuset));
	clean(place->fact_name, sizeof(place->fact_name));
	clean(place->reason, sizeof(place->reason));
	return true;
}

uint32_t tacho_plan_check(struct tacho_policy_plan *plan, const struct tacho_policy_input *input,
			  char *why, size_t why_size)
{
	struct check check = { .input = input, .why = why, .why_size = why ? why_size : 0 };
	uint32_t nr = 0, all = plan->nr;

	if (check.why_size)
		why[0] = '\0';
	if (all > plan->max) {
		refuse(&check, "%u placements, and room for %u", all, plan->max);
		check.removed = all - plan->max;
		all = plan->max;
	}
	for (uint32_t i = 0; i < input->nr_cpus; i++)
		tacho_cpus_add(&check.online, input->cpus[i].id);
	if (all)
		check.seen = calloc(input->nr_domains / 64 + 1, sizeof(*check.seen));
	for (uint32_t i = 0; i < all; i++) {
		if (!good(&check, &plan->place[i], plan->place, nr))
			continue;
		if (nr != i)
			plan->place[nr] = plan->place[i];
		nr++;
	}
	free(check.seen);
	plan->nr = nr;
	if (check.why_size)
		clean(why, why_size);
	return check.removed;
}
