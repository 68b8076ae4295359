// SPDX-License-Identifier: BSD-2-Clause
/*
 * flock.c: a policy for tests: every working set of a test's children on one CPU, whether anything is to be won or not.
 *
 * What a good policy decides depends on what else the machine does; this one does not, and leaves everybody else's
 * processes alone: children of a test have its name. The CPU is the first one that all members may use; with FLOCK_WANDERS in
 * the environment the second one, from a second after they have the first.
 */
#include <stdlib.h>
#include <string.h>

#include <tacho/policy.h>

static bool is_ours(const struct tacho_policy_domain *domain)
{
	return strncmp(domain->name, "t_sched", strlen("t_sched")) == 0;
}

struct flock {
	uint64_t since_ns; /* somebody has been placed since then */
};

static bool wanders(struct flock *flock, const struct tacho_policy_input *input)
{
	bool is_placed = false;

	for (uint32_t i = 0; i < input->nr_domains; i++)
		is_placed |= is_ours(&input->domains[i]) &&
			     tacho_cpus_count(&input->domains[i].placed) == 1;
	if (is_placed && !flock->since_ns)
		flock->since_ns = input->time_ns;
	return flock->since_ns && input->time_ns - flock->since_ns > 1000000000u &&
	       getenv("FLOCK_WANDERS");
}

static void set_place(const struct tacho_policy_input *input, const struct tacho_policy_set *set,
		      bool is_second, struct tacho_policy_plan *plan)
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
	if (is_second)
		tacho_cpus_remove(&cpus, tacho_cpus_next(&cpus, 0));
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
	const bool is_second = wanders(state, input);

	for (uint32_t i = 0; i < input->nr_sets; i++)
		set_place(input, &input->sets[i], is_second, plan);
}

const struct tacho_policy tacho_policy = {
	TACHO_POLICY_ABI, "flock", "every working set on one CPU", NULL, decide,
};
