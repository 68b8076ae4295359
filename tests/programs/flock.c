// SPDX-License-Identifier: BSD-2-Clause
/*
 * flock.c: a policy for tests: every working set on one CPU, whether anything is to be won or not.
 *
 * What a good policy decides depends on what else the machine does; this one does not. The CPU is the first one
 * that all members may use.
 */
#include <tacho/policy.h>

static void decide(void *state, const struct tacho_policy_input *input,
		   struct tacho_policy_plan *plan)
{
	(void)state;
	for (uint32_t i = 0; i < input->nr_sets; i++) {
		const struct tacho_policy_set *set = &input->sets[i];
		const uint32_t *members = input->members + set->first;
		struct tacho_cpus cpus = input->domains[members[0]].allowed;
		uint32_t group = input->domains[members[0]].id;

		for (uint32_t k = 1; k < set->nr; k++) {
			cpus = tacho_cpus_and(&cpus, &input->domains[members[k]].allowed);
			if (input->domains[members[k]].id < group)
				group = input->domains[members[k]].id;
		}
		cpus = tacho_cpus_one(tacho_cpus_next(&cpus, 0));
		for (uint32_t k = 0; k < set->nr; k++)
			if (input->domains[members[k]].flags & TACHO_D_MOVABLE)
				(void)tacho_plan_add(plan, members[k], &cpus, group,
						     "%.0f wake-ups/s in its set", set->rate);
	}
}

const struct tacho_policy tacho_policy = {
	TACHO_POLICY_ABI, "flock", "every working set on one CPU", NULL, decide,
};
