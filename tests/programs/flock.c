// SPDX-License-Identifier: BSD-2-Clause
/*
 * flock.c: a policy for tests: every working set of a test's children on one CPU, whether anything is to be won or not.
 *
 * What a good policy decides depends on what else the machine does; this one does not, and leaves everybody else's
 * processes alone: children of a test have its name. The CPU is the first one that all members may use.
 */
#include <string.h>

#include <tacho/policy.h>

static bool is_ours(const struct tacho_policy_domain *domain)
{
	return strncmp(domain->name, "t_sched", strlen("t_sched")) == 0;
}

static void set_place(const struct tacho_policy_input *input, const struct tacho_policy_set *set,
		      struct tacho_policy_plan *plan)
{
	const uint32_t *members = input->members + set->first;
	uint32_t group = TACHO_POLICY_NONE;
	struct tacho_cpus cpus;

	memset(&cpus, 0xff, sizeof(cpus));
	for (uint32_t k = 0; k < set->nr; k++) {
		const struct tacho_policy_domain *domain = &input->domains[members[k]];

		if (!is_ours(domain))
			continue;
		cpus = tacho_cpus_and(&cpus, &domain->allowed);
		group = domain->id < group ? domain->id : group;
	}
	cpus = tacho_cpus_one(tacho_cpus_next(&cpus, 0));
	for (uint32_t k = 0; k < set->nr; k++)
		if (is_ours(&input->domains[members[k]]) &&
		    input->domains[members[k]].flags & TACHO_D_MOVABLE)
			(void)tacho_plan_add(plan, members[k], &cpus, group,
					     "%.0f wake-ups/s in its set", set->rate);
}

static void decide(void *state, const struct tacho_policy_input *input,
		   struct tacho_policy_plan *plan)
{
	(void)state;
	for (uint32_t i = 0; i < input->nr_sets; i++)
		set_place(input, &input->sets[i], plan);
}

const struct tacho_policy tacho_policy = {
	TACHO_POLICY_ABI, "flock", "every working set on one CPU", NULL, decide,
};
