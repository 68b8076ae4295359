/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gang.c: the members of a working set that overlap have CPUs of their own, at the same time.
 *
 * Gang scheduling as a user can have it: not by the clock, but by place. Where two members would
 * wait for the same CPU while they could run at once, each is given one, all in one cache if it is
 * large enough. A set that is larger than the machine is left alone. Working sets: section 4.5.3 of
 * paper 001. Called by a runner.
 */
#include "sched/policies/common.h"

#define OVERLAP                                                                                    \
	0.25 /* share of the time in which two members run at once, from which they are a gang, */
#define OVERLAP_END 0.05 /* and below which they are none any more */
#define WORKS	    0.02 /* members with less service or wait need no CPU of their own */
#define VOTES	    TACHO_LASTS(3) /* ms before it is one, */
#define TIRED	    TACHO_LASTS(10) /* and before it is none */

struct gang {
	const struct tacho_policy_input *input;
	struct tacho_groups *groups;
	struct tacho_field field;
};

/* A member that shall have a CPU of its own. */
static bool is_player(const struct tacho_policy_input *input, uint32_t member)
{
	const struct tacho_policy_domain *d = tacho_input_domain(input, member);

	return d && d->flags & TACHO_D_MOVABLE && tacho_domain_demand(d) >= WORKS;
}

/* How many; 0: the set cannot be played, because a member may not be moved or is large. */
static uint32_t players(const struct gang *g, uint32_t set, struct tacho_cpus *allowed,
			bool *placed)
{
	uint32_t nr = 0;

	*allowed = tacho_input_online(g->input);
	*placed = true;
	for (uint32_t i = 0; i < g->input->sets[set].nr; i++) {
		uint32_t member = tacho_input_member(g->input, set, i);
		const struct tacho_policy_domain *d = tacho_input_domain(g->input, member);

		if (!d)
			return 0;
		if (!is_player(g->input, member)) {
			if (!(d->flags & TACHO_D_MOVABLE) && tacho_sane(d->service) > OVERLAP)
				return 0;
			continue;
		}
		if (tacho_sane(d->service) > 1.1)
			return 0; /* several tasks that run at once: it needs more than one */
		*allowed = tacho_cpus_and(allowed, &d->allowed);
		*placed = *placed && !tacho_cpus_empty(&d->placed);
		nr++;
	}
	if (nr < 2 || nr > tacho_cpus_count(allowed))
		return 0;
	return nr;
}

/* Where so many can be: in one cache, else anywhere. */
static struct tacho_cpus stage(const struct gang *g, const struct tacho_cpus *allowed, uint32_t nr,
			       uint32_t home)
{
	uint32_t cpu = tacho_field_choose_cache(&g->field, allowed, nr, home, home);
	struct tacho_cpus cpus;

	if (cpu == TACHO_POLICY_NONE)
		return *allowed;
	cpus = tacho_input_cache(g->input, cpu);
	return tacho_cpus_and(&cpus, allowed);
}

static bool wanted(const struct gang *g, uint32_t set, struct tacho_group *group, bool placed)
{
	double together = tacho_sane(g->input->sets[set].together);
	double wait = tacho_sane(g->input->sets[set].wait);

	/* on one CPU nothing is at once: then they wait for each other */
	if (!placed && together < OVERLAP && wait < 2 * OVERLAP) {
		group->votes = 0;
		return false;
	}
	group->tired = tacho_groups_last(g->groups, group->tired, together < OVERLAP_END);
	if (placed && group->tired >= TIRED) {
		group->votes = group->tired = 0;
		return false;
	}
	group->votes = tacho_groups_last(g->groups, group->votes, true);
	return group->votes >= VOTES;
}

/*
 * The CPU of a member: where it was put if that is in the stage, else the one with the least load.
 */
static uint32_t seat(const struct gang *g, uint32_t member, const struct tacho_cpus *left)
{
	const struct tacho_policy_domain *d = &g->input->domains[member];
	struct tacho_cpus here = tacho_cpus_and(&d->placed, left);

	if (tacho_cpus_count(&d->placed) == 1 && !tacho_cpus_empty(&here))
		return tacho_input_first(g->input, &here);
	return tacho_field_choose(&g->field, left, TACHO_POLICY_NONE, d->home, d->node);
}

static void plan_member(struct gang *g, struct tacho_policy_plan *plan, uint32_t set,
			uint32_t member, uint32_t cpu, const struct tacho_group *group)
{
	const struct tacho_policy_set *s = &g->input->sets[set];
	struct tacho_cpus cpus = tacho_cpus_one(g->input->cpus[cpu].id);
	struct tacho_policy_place *place;

	place = tacho_plan_add(plan, member, &cpus, tacho_group_name(group),
			       "%.31s: one of %u that run at once for %.0f %% of the time",
			       g->input->domains[member].name, s->nr, tacho_percent(s->together));
	tacho_field_put(&g->field, cpu, 1);
	if (!place)
		return;
	place->fact = tacho_sane(s->together);
	place->threshold = OVERLAP;
	snprintf(place->fact_name, sizeof(place->fact_name), "share of the time");
}

/* Those that have a seat first: nobody takes it from them. */
static void plan_set(struct gang *g, struct tacho_policy_plan *plan, uint32_t set,
		     const struct tacho_cpus *cpus, const struct tacho_group *group)
{
	struct tacho_cpus left = *cpus;

	for (int seated = 1; seated >= 0; seated--)
		for (uint32_t i = 0; i < g->input->sets[set].nr; i++) {
			uint32_t member = tacho_input_member(g->input, set, i), cpu;
			struct tacho_cpus here;

			if (!is_player(g->input, member))
				continue;
			here = tacho_cpus_and(&g->input->domains[member].placed, cpus);
			if ((tacho_cpus_count(&here) == 1) != seated)
				continue;
			cpu = seat(g, member, &left);
			if (cpu == TACHO_POLICY_NONE)
				continue;
			tacho_cpus_remove(&left, g->input->cpus[cpu].id);
			plan_member(g, plan, set, member, cpu, group);
		}
}

static void decide(void *state, const struct tacho_policy_input *input,
		   struct tacho_policy_plan *plan)
{
	struct gang g = { .input = input, .groups = state };

	tacho_field_start(&g.field, input);
	tacho_groups_start(g.groups, input->time_ns);
	for (uint32_t set = 0; set < input->nr_sets && set < TACHO_GROUPS; set++) {
		struct tacho_cpus allowed, cpus;
		struct tacho_group *group;
		bool placed;
		uint32_t nr = players(&g, set, &allowed, &placed), first;

		group = nr ? tacho_groups_get(g.groups, input, set) : NULL;
		if (!group || !wanted(&g, set, group, placed)) {
			if (group)
				group->cpu = 0;
			continue;
		}
		for (uint32_t i = 0; i < input->sets[set].nr; i++)
			tacho_field_remove(&g.field, tacho_input_member(input, set, i));
		first = group->cpu ? group->cpu - 1u
				   : input->domains[tacho_input_member(input, set, 0)].home;
		cpus = stage(&g, &allowed, nr, first);
		first = tacho_input_first(input, &cpus);
		group->cpu = (uint16_t)(first + 1);
		plan_set(&g, plan, set, &cpus, group);
	}
	tacho_groups_end(g.groups, input);
}

const struct tacho_policy tacho_policy_gang = {
	TACHO_POLICY_ABI,
	"gang",
	"gives the members of a working set that overlap CPUs of their own, in one cache",
	NULL,
	decide,
};
