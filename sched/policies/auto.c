/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * auto.c: chooses among the other policies, by the facts; asks for nothing where nothing is to be
 * won.
 *
 * Working sets come first (affinity): that is where most is won. Only when its wishes have been the
 * same for a while are the others asked: spread where there are several caches, and balance. Of
 * theirs, what names a domain or a CPU that affinity names is dropped. They act on what lasts, and
 * keep what they have begun until that is over. One at a time: their wishes would contradict each
 * other. Nothing asked for is what the kernel does by itself, and the rule. Called by a runner.
 */
#include <string.h>

#include "sched/policies/common.h"

#define SETTLED 500u /* ms in which affinity wishes nothing new, before another is asked */

struct auto_state {
	struct tacho_groups affinity;
	struct tacho_balance_state balance;
	struct tacho_spread_state spread;
	uint64_t wishes; /* of affinity, in the last call */
	uint32_t settled; /* ms since those changed */
	uint32_t last_ms; /* of the call before */
	bool has_begun; /* spread or balance had a wish in the last call */
};

bool tacho_auto_spreads(const struct tacho_policy_cpu *cpus, uint32_t nr_cpus)
{
	const struct tacho_policy_input input = { .cpus = cpus, .nr_cpus = nr_cpus };
	bool several;

	return tacho_input_caches(&input, &several) > 1 && several;
}

/*
 * A CPU idles while others have a queue, for whatever reason: only then is balancing not the
 * kernel's business.
 */
static bool can_balance(const struct tacho_policy_input *input)
{
	double idlest = 1, longest = 0;

	for (uint32_t i = 0; i < input->nr_cpus; i++) {
		idlest = tacho_least(idlest, tacho_sane(input->cpus[i].busy));
		longest = tacho_most(longest, tacho_sane(input->cpus[i].runq));
	}
	return idlest < 0.5 && longest > 1.5;
}

/* A number for who shall be where, the same in whatever order it is said. */
static uint64_t wishes_of(const struct tacho_policy_input *input,
			  const struct tacho_policy_plan *plan)
{
	uint64_t all = 0;

	for (uint32_t i = 0; i < plan->nr; i++) {
		const struct tacho_policy_place *place = &plan->place[i];
		uint64_t one = input->domains[place->domain].id + 1;

		for (unsigned k = 0; k < TACHO_POLICY_CPUS / 64; k++)
			one = (one ^ place->cpus.bits[k]) * 1099511628211u; /* FNV-1a */
		all += one;
	}
	return all;
}

static bool is_taken(const struct tacho_policy_plan *plan, const struct tacho_policy_place *place)
{
	for (uint32_t i = 0; i < plan->nr; i++) {
		const struct tacho_cpus both = tacho_cpus_and(&plan->place[i].cpus, &place->cpus);

		if (plan->place[i].domain == place->domain || !tacho_cpus_empty(&both))
			return true;
	}
	return false;
}

/* What does not stand in the way of those that are in the plan. */
static void add(struct tacho_policy_plan *plan, const struct tacho_policy_plan *more)
{
	uint32_t nr = plan->nr;

	for (uint32_t i = 0; i < more->nr; i++)
		if (!is_taken(plan, &more->place[i]))
			plan->place[nr++] = more->place[i];
	plan->nr = nr;
}

static void ask_others(struct auto_state *s, const struct tacho_policy_input *input,
		       struct tacho_policy_plan *plan)
{
	struct tacho_policy_plan more = { 0, plan->max - plan->nr, plan->place + plan->nr };

	if (tacho_auto_spreads(input->cpus, input->nr_cpus))
		tacho_policy_spread.decide(&s->spread, input, &more);
	if (more.nr)
		memset(&s->balance, 0, sizeof(s->balance));
	else if (s->balance.nr || can_balance(input)) /* what it has placed makes it even */
		tacho_policy_balance.decide(&s->balance, input, &more);
	s->has_begun = more.nr > 0;
	add(plan, &more);
}

static void decide(void *state, const struct tacho_policy_input *input,
		   struct tacho_policy_plan *plan)
{
	struct auto_state *s = state;
	const uint32_t step_ms = tacho_step_ms(&s->last_ms, input->time_ns);
	uint64_t wishes;

	tacho_policy_affinity.decide(&s->affinity, input, plan);
	wishes = wishes_of(input, plan);
	s->settled = tacho_lasts(s->settled, wishes == s->wishes, step_ms, UINT32_MAX);
	s->wishes = wishes;
	if (s->settled >= SETTLED || s->has_begun)
		ask_others(s, input, plan);
}

_Static_assert(sizeof(struct auto_state) <= TACHO_POLICY_STATE, "the state has no room for it");

const struct tacho_policy tacho_policy_auto = {
	TACHO_POLICY_ABI,
	"auto",
	"chooses among the others by the facts; does nothing where nothing is to be won",
	NULL,
	decide,
};
