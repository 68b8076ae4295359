/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * world_input.h: inputs for policies, built by hand: processors, domains, who wakes whom.
 *
 *	world_cpus(&w, 4, 2);			four CPUs, two to a cache
 *	a = world_task(&w, "a", 0.3);		a movable domain
 *	world_on(&w, a, 0, 1.0);		where it runs, in shares of its service
 *	world_pair(&w, a, b, 8000);		wake-ups per second
 *	world_set(&w, (uint32_t[]){ a, b }, 2, 0.02);
 *	input = world_input(&w);
 *
 * world_noise changes every number by up to 20 %. world_apply does what a scheduler would: the
 * domains of the plan are placed, all others are not.
 */
#ifndef TACHO_TESTS_WORLD_INPUT_H
#define TACHO_TESTS_WORLD_INPUT_H

#include "sched/policies.h"
#include "t.h"

#define W_CPUS	  16u
#define W_DOMAINS 64u
#define W_PAIRS	  64u
#define W_SETS	  16u
#define NONE	  TACHO_POLICY_NONE

struct world {
	struct tacho_policy_input input;
	struct tacho_policy_cpu cpus[W_CPUS];
	struct tacho_policy_domain domains[W_DOMAINS];
	double on[W_DOMAINS][W_CPUS]; /* share of its service */
	double flat[W_DOMAINS * W_CPUS];
	struct tacho_policy_pair pairs[W_PAIRS];
	struct tacho_policy_set sets[W_SETS];
	uint32_t members[W_DOMAINS];
	uint64_t seed;
	double noise;
	struct tacho_policy_plan plan;
	struct tacho_policy_place place[W_DOMAINS];
};

static inline void world_cpus(struct world *w, uint32_t nr, uint32_t per_cache)
{
	memset(w, 0, sizeof(*w));
	w->seed = 1;
	w->input.nr_cpus = nr;
	w->input.nr_nodes = 1;
	w->input.interval_ns = 20000000;
	w->input.time_ns = 1000000000;
	w->input.metric = "faults";
	w->input.tuning = (struct tacho_policy_tuning){ 50e-6, 500, 0.05, 0.3, 50e3, 1e6 };
	for (uint32_t i = 0; i < nr; i++)
		w->cpus[i] = (struct tacho_policy_cpu){
			.id = i, .core = i, .cache = i / per_cache, .package = i / per_cache
		};
}

static inline struct tacho_cpus world_all(const struct world *w)
{
	struct tacho_cpus cpus = { { 0 } };

	for (uint32_t i = 0; i < w->input.nr_cpus; i++)
		tacho_cpus_add(&cpus, w->cpus[i].id);
	return cpus;
}

static inline uint32_t world_task(struct world *w, const char *name, double service)
{
	uint32_t i = w->input.nr_domains++;
	struct tacho_policy_domain *d = &w->domains[i];

	memset(d, 0, sizeof(*d));
	d->id = 100 + i;
	d->flags = TACHO_D_MOVABLE;
	d->pid = (int)(1000 + i);
	snprintf(d->name, sizeof(d->name), "%s", name);
	d->nr_tasks = 1;
	d->set = d->node = NONE;
	d->home = 0;
	d->service = service;
	d->allowed = world_all(w);
	for (uint32_t cpu = 0; cpu < W_CPUS; cpu++)
		w->on[i][cpu] = 0;
	w->on[i][0] = 1;
	return i;
}

/* It runs that share of its time there, the rest where it did most so far. */
static inline void world_on(struct world *w, uint32_t domain, uint32_t cpu, double share)
{
	for (uint32_t i = 0; i < W_CPUS; i++)
		w->on[domain][i] *= 1 - share;
	w->on[domain][cpu] += share;
	for (uint32_t i = 0; i < W_CPUS; i++)
		if (w->on[domain][i] > w->on[domain][w->domains[domain].home])
			w->domains[domain].home = i;
}

static inline void world_pair(struct world *w, uint32_t a, uint32_t b, double rate)
{
	struct tacho_policy_pair *pair = &w->pairs[w->input.nr_pairs++];

	*pair = (struct tacho_policy_pair){ .a = a < b ? a : b, .b = a < b ? b : a, .rate = rate };
	pair->forth = rate / 2;
}

static inline uint32_t world_set(struct world *w, const uint32_t *members, uint32_t nr,
				 double together)
{
	uint32_t set = w->input.nr_sets++;

	w->sets[set] = (struct tacho_policy_set){ .first = w->input.nr_members, .nr = nr };
	w->sets[set].together = together;
	for (uint32_t i = 0; i < nr; i++) {
		w->members[w->input.nr_members++] = members[i];
		w->domains[members[i]].set = set;
	}
	return set;
}

static inline double world_about(struct world *w, double value)
{
	return value * (1 + w->noise * ((double)(t_random(&w->seed) % 2001) / 1000 - 1));
}

static inline void world_domains(struct world *w)
{
	struct tacho_policy_input *in = &w->input;

	for (uint32_t c = 0; c < in->nr_cpus; c++)
		w->cpus[c].busy = w->cpus[c].runq = 0;
	for (uint32_t i = 0; i < in->nr_domains; i++)
		for (uint32_t c = 0; c < in->nr_cpus; c++) {
			double on = world_about(w, w->on[i][c] * w->domains[i].service);

			w->flat[i * in->nr_cpus + c] = on;
			w->cpus[c].busy += on;
			w->cpus[c].runq += on + w->on[i][c] * world_about(w, w->domains[i].wait);
		}
}

/* Everything that follows from the rest. together of sets stays as it was given. */
static inline struct tacho_policy_input *world_input(struct world *w)
{
	struct tacho_policy_input *in = &w->input;

	world_domains(w);
	for (uint32_t c = 0; c < in->nr_cpus; c++)
		w->cpus[c].busy = w->cpus[c].busy < 1 ? w->cpus[c].busy : 1;
	for (uint32_t i = 0; i < in->nr_pairs; i++) {
		struct tacho_policy_pair *pair = &w->pairs[i];
		double same = 0;

		for (uint32_t c = 0; c < in->nr_cpus; c++)
			same += w->on[pair->a][c] * w->on[pair->b][c];
		pair->apart = same < 1 ? 1 - same : 0;
	}
	for (uint32_t s = 0; s < in->nr_sets; s++) {
		struct tacho_policy_set *set = &w->sets[s];

		set->rate = set->service = set->wait = 0;
		for (uint32_t i = 0; i < set->nr; i++) {
			set->service +=
				world_about(w, w->domains[w->members[set->first + i]].service);
			set->wait += world_about(w, w->domains[w->members[set->first + i]].wait);
		}
		for (uint32_t i = 0; i < in->nr_pairs; i++)
			if (w->domains[w->pairs[i].a].set == s &&
			    w->domains[w->pairs[i].b].set == s)
				set->rate += w->pairs[i].rate;
	}
	in->cpus = w->cpus;
	in->domains = w->domains;
	in->service_on = w->flat;
	in->pairs = w->pairs;
	in->sets = w->sets;
	in->members = w->members;
	return in;
}

/*
 * One call, 20 ms later than the last one. The plan must pass the check. Returns how many are
 * named.
 */
static inline uint32_t world_ask(struct world *w, struct tacho_runner *runner)
{
	char why[128];

	w->input.time_ns += 20000000;
	w->plan = (struct tacho_policy_plan){ 0, W_DOMAINS, w->place };
	T_EQ(tacho_runner_decide(runner, world_input(w), &w->plan, why, sizeof(why)), 0);
	if (!T_EQ(tacho_plan_check(&w->plan, &w->input, why, sizeof(why)), 0))
		T_FAIL("%s", why);
	return w->plan.nr;
}

static inline const struct tacho_policy_place *world_named(const struct world *w, uint32_t domain)
{
	for (uint32_t i = 0; i < w->plan.nr; i++)
		if (w->place[i].domain == domain)
			return &w->place[i];
	return NULL;
}

/* The CPU that a domain shall be on; NONE: none, or several. */
static inline uint32_t world_where(const struct world *w, uint32_t domain)
{
	const struct tacho_policy_place *place = world_named(w, domain);

	if (!place || tacho_cpus_count(&place->cpus) != 1)
		return NONE;
	return tacho_cpus_next(&place->cpus, 0);
}

/* What was asked for, happens: those named run in equal shares where they shall. */
static inline void world_apply(struct world *w)
{
	for (uint32_t i = 0; i < w->input.nr_domains; i++) {
		const struct tacho_policy_place *place = world_named(w, i);
		uint32_t nr;

		memset(&w->domains[i].placed, 0, sizeof(w->domains[i].placed));
		if (!place)
			continue;
		w->domains[i].placed = place->cpus;
		nr = tacho_cpus_count(&place->cpus);
		if (tacho_cpus_has(&place->cpus, w->cpus[w->domains[i].home].id) && nr > 1)
			continue;
		for (uint32_t c = 0; c < W_CPUS; c++)
			w->on[i][c] = tacho_cpus_has(&place->cpus, c) ? 1.0 / nr : 0;
		w->domains[i].home = tacho_cpus_next(&place->cpus, 0);
	}
}

#endif /* TACHO_TESTS_WORLD_INPUT_H */
