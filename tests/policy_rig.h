/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policy_rig.h: a policy on processors and programs that are made up (world_input.h): it is asked,
 * what it asks for is done, and it is asked again: what is right must stay as it is, with all
 * numbers changing by a fifth.
 */
#ifndef TACHO_TESTS_POLICY_RIG_H
#define TACHO_TESTS_POLICY_RIG_H

#include "world_input.h"

static struct world w;
static struct tacho_runner *runner;

static inline void policy_open(const char *name)
{
	char why[128];

	tacho_runner_close(runner);
	runner = NULL;
	if (!T_EQ(tacho_runner_open(&runner, name, 0, why, sizeof(why)), 0))
		printf("     %s\n", why);
}

/* A machine without programs, and a policy that knows nothing yet. */
static inline void start(const char *name, uint32_t nr_cpus, uint32_t per_cache)
{
	world_cpus(&w, nr_cpus, per_cache);
	policy_open(name);
}

/* Ask so often; how many were named the last time. */
static inline uint32_t ask(unsigned times)
{
	uint32_t nr = 0;

	while (times-- > 0)
		nr = world_ask(&w, runner);
	return nr;
}

/* The first one talks to all others: a set. */
static inline void star(const uint32_t *members, uint32_t nr, double rate, double together)
{
	for (uint32_t i = 1; i < nr; i++)
		world_pair(&w, members[0], members[i], rate);
	world_set(&w, members, nr, together);
}

/* No sets any more, of any domain. */
static inline void sets_forget(void)
{
	w.input.nr_sets = w.input.nr_members = 0;
	for (uint32_t i = 0; i < w.input.nr_domains; i++)
		w.domains[i].set = NONE;
}

/* Whatever changes by a fifth, it asks for nothing. */
static inline void quiet(unsigned times)
{
	w.noise = 0.2;
	while (times-- > 0)
		T_EQ(ask(1), 0);
	w.noise = 0;
}

/* The plan is done and asked again a hundred times: nothing changes. */
static inline void steady(void)
{
	struct tacho_policy_place before[W_DOMAINS];
	uint32_t nr = w.plan.nr;

	memcpy(before, w.place, sizeof(before));
	w.noise = 0.2;
	for (unsigned round = 0; round < 100; round++) {
		world_apply(&w);
		if (!T_EQ(world_ask(&w, runner), nr))
			return;
		for (uint32_t i = 0; i < nr; i++)
			if (!T_EQ(w.place[i].domain, before[i].domain) ||
			    !T_EQ(w.place[i].group, before[i].group) ||
			    !T_OK(tacho_cpus_equal(&w.place[i].cpus, &before[i].cpus)))
				return;
	}
	w.noise = 0;
}

static inline void stop(void)
{
	tacho_runner_close(runner);
	runner = NULL;
}

#endif /* TACHO_TESTS_POLICY_RIG_H */
