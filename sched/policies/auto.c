/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * auto.c: chooses among the other policies, by the facts; asks for nothing where nothing is to be
 * won.
 *
 * Working sets come first (affinity): that is where most is won. Only when that had no wish for a
 * while are the others asked: spread where there are several caches, and balance. They act on what
 * lasts, and keep what they have begun until that is over. One at a time: their wishes would
 * contradict each other. Nothing asked for is what the kernel does by itself, and the rule. Called
 * by a runner.
 */
#include <string.h>

#include "sched/policies/common.h"

#define ALONE 500u /* ms without a wish of affinity, before another is asked */

struct auto_state {
	struct tacho_groups affinity;
	struct tacho_balance_state balance;
	struct tacho_spread_state spread;
	uint32_t alone; /* ms without a wish of affinity, plus one; 0: it has one */
	uint32_t last_ms; /* of the call before */
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

static void decide(void *state, const struct tacho_policy_input *input,
		   struct tacho_policy_plan *plan)
{
	struct auto_state *s = state;
	const uint32_t step_ms = tacho_step_ms(&s->last_ms, input->time_ns);

	tacho_policy_affinity.decide(&s->affinity, input, plan);
	s->alone = tacho_lasts(s->alone, !plan->nr, step_ms, UINT32_MAX);
	if (plan->nr) {
		memset(&s->balance, 0, sizeof(s->balance));
		memset(&s->spread, 0, sizeof(s->spread));
		return;
	}
	if (s->alone < ALONE)
		return;
	if (tacho_auto_spreads(input->cpus, input->nr_cpus))
		tacho_policy_spread.decide(&s->spread, input, plan);
	if (plan->nr)
		memset(&s->balance, 0, sizeof(s->balance));
	else if (s->balance.nr || can_balance(input)) /* what it has placed makes it even */
		tacho_policy_balance.decide(&s->balance, input, plan);
}

_Static_assert(sizeof(struct auto_state) <= TACHO_POLICY_STATE, "the state has no room for it");

const struct tacho_policy tacho_policy_auto = {
	TACHO_POLICY_ABI,
	"auto",
	"chooses among the others by the facts; does nothing where nothing is to be won",
	NULL,
	decide,
};
