/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bind.c: what the launch file says, and nothing else.
 *
 * The mode of that name in Clavis (paper 003): threads stay on the CPUs of their ***thread lines,
 * and those of ***priority 1 are nicer to themselves. Real-time ones (2) are not touched here:
 * jobs.c makes them so and binds them when they appear, under any policy, and the scheduler leaves
 * them alone. Called by a runner.
 */
#include "sched/policies/common.h"

#define NICE_IMPORTANT (-10)

static void decide(void *state, const struct tacho_policy_input *input,
		   struct tacho_policy_plan *plan)
{
	(void)state;
	for (uint32_t i = 0; i < input->nr_domains; i++) {
		const struct tacho_policy_domain *d = &input->domains[i];
		bool bound = !tacho_cpus_empty(&d->bound);
		struct tacho_policy_place *place;

		if (!(d->flags & TACHO_D_MOVABLE) || !(d->flags & TACHO_D_LAUNCHED) ||
		    (!bound && d->priority != 1))
			continue;
		place = tacho_plan_add(
			plan, i, bound ? &d->bound : &d->allowed, d->id,
			bound && d->priority == 1
				? "%.31s: the launch file binds it, and calls it important"
			: bound ? "%.31s: the launch file binds it"
				: "%.31s: the launch file calls it important",
			d->name);
		if (!place)
			return;
		place->fact = bound ? (double)tacho_cpus_count(&d->bound) : (double)d->priority;
		snprintf(place->fact_name, sizeof(place->fact_name), "%s",
			 bound ? "CPUs bound to" : "priority");
		if (d->priority == 1)
			place->nice = NICE_IMPORTANT;
	}
}

const struct tacho_policy tacho_policy_bind = {
	TACHO_POLICY_ABI, "bind", "puts what a launch file started where it says", NULL, decide,
};
