/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * affinity.c: domains that communicate come together.
 *
 * The example of section 4.5.3 of paper 001, generalised: for each working set, what it costs to be
 * apart (each wake-up on another CPU, at the price that was measured at the start) is compared with
 * what it gains (time in which two members really ran at once). Members that take turns share a
 * CPU, those that overlap share a cache, load permitting; what is together by itself is left alone.
 * Thresholds and examples: doc/policies.md. A function of its input and state; prints nothing.
 * Called by a runner, and by auto.c.
 */
#include <string.h>

#include "sched/policies/common.h"

#define TOGETHER_MOST 0.3 /* members that run at once for more of the time do not take turns; */
#define TOGETHER_IDLE 0.4 /* and so much more of it where CPUs idle: waking them takes time, too */
#define ONE_CPU	      1.3 /* what one CPU can do, and what waking across CPUs took beside it */
#define WAKING	      0.5 /* of the time that waking takes, both seem to run */
#define IDLE_LEAST    0.5 /* waking a busy CPU is not free: behind who runs there, one waits */
#define IN_THE_WAY    0.1 /* of what a set takes from others that compute, it loses so much */
#define WAIT_LEAST    0.25 /* a placed set that waits less than this is content */
#define TIRED	      TACHO_LASTS(3) /* ms before a set is let go */
#define DOUBTS	      TACHO_LASTS(10) /* ms before a wish that was not granted yet is dropped */
#define MOVING	      TACHO_LASTS(5) /* ms before a placed set goes to another CPU */
#define EMPTIER	      0.25 /* of a CPU, to be worth it */
#define HOLD_NS	      2000000000u /* a set that was let go is not placed again before; doubles */
#define HOLD_DOUBLE   5u /* times */

enum aim { AIM_NONE, AIM_CPU, AIM_CACHE };

/* A working set, looked at. */
struct look {
	uint32_t set;
	struct tacho_group *group;
	enum aim aim;
	bool placed; /* the plan before this one had it, and it was granted */
	uint32_t cpu; /* index: where it shall be; of a cache: its first one */
	uint32_t home; /* index: where it ran most */
	uint32_t node;
	uint32_t named; /* members that may be named */
	uint32_t fixed; /* index: a member cannot leave this CPU */
	uint32_t a, b; /* the pair with the largest rate */
	double top;
	double rate, apart, apart_caches; /* apart: rate * how far, summed over the pairs */
	double service, together, wait, waits;
	double idle; /* of the CPUs that it uses, what others leave */
	double cost, squeeze, demand;
	struct tacho_cpus allowed;
};

struct affinity {
	struct tacho_groups *groups;
	const struct tacho_policy_input *input;
	struct tacho_field field;
	struct look look[TACHO_GROUPS];
	uint32_t nr;
	double others; /* demand of all that is in no working set */
	bool caches; /* there are several, and one with several CPUs */
};

/* --- looking ---------------------------------------------------------------------------------- */

/* The rates of all pairs, to the sets in which both ends are. */
static void add_pairs(struct affinity *a)
{
	const struct tacho_policy_input *input = a->input;

	for (uint32_t i = 0; i < input->nr_pairs; i++) {
		const struct tacho_policy_pair *pair = &input->pairs[i];
		const struct tacho_policy_domain *d = tacho_input_domain(input, pair->a);
		const struct tacho_policy_domain *e = tacho_input_domain(input, pair->b);
		double rate = tacho_sane(pair->rate);
		struct look *look;

		if (!d || !e || d->set != e->set || d->set >= a->nr || !(rate > 0))
			continue;
		look = &a->look[d->set];
		look->rate += rate;
		look->apart += rate * tacho_least(tacho_sane(pair->apart), 1);
		if (a->caches)
			look->apart_caches +=
				rate * tacho_input_apart(input, pair->a, pair->b, true);
		if (rate > look->top) {
			look->top = rate;
			look->a = pair->a;
			look->b = pair->b;
		}
	}
}

/* Share of the set's wake-ups in which this member takes part. */
static double weight(const struct affinity *a, const struct look *look, uint32_t member)
{
	double rate = 0;

	for (uint32_t i = 0; i < a->input->nr_pairs; i++) {
		const struct tacho_policy_pair *pair = &a->input->pairs[i];
		uint32_t other = pair->a == member ? pair->b : pair->a;

		if ((pair->a == member || pair->b == member) && other < a->input->nr_domains &&
		    a->input->domains[other].set == look->set)
			rate += tacho_sane(pair->rate);
	}
	return look->rate > 0 ? rate / look->rate : 0;
}

/* The CPU that a member which we may not move does not leave, or TACHO_POLICY_NONE. */
static uint32_t anchor(const struct tacho_policy_input *input, uint32_t member)
{
	const struct tacho_policy_domain *d = &input->domains[member];
	uint32_t home = d->home < input->nr_cpus ? d->home : TACHO_POLICY_NONE;

	if (tacho_cpus_count(&d->allowed) == 1)
		return tacho_input_first(input, &d->allowed);
	if (home != TACHO_POLICY_NONE &&
	    tacho_input_on(input, member, home) >= 0.95 * tacho_sane(d->service))
		return home;
	return TACHO_POLICY_NONE;
}

/* A member that may not be moved. False: the set is not to be touched. */
static bool look_fixed(struct affinity *a, struct look *look, uint32_t member)
{
	const struct tacho_policy_domain *d = &a->input->domains[member];
	uint32_t cpu;

	if (weight(a, look, member) < 0.25)
		return true;
	if (d->flags & TACHO_D_HELD)
		return false;
	if (d->flags & TACHO_D_YOUNG)
		return look->placed;
	if (d->flags & TACHO_D_SYSTEM)
		return false;
	cpu = anchor(a->input, member);
	if (cpu == TACHO_POLICY_NONE || (look->fixed != TACHO_POLICY_NONE && look->fixed != cpu))
		return false;
	look->fixed = cpu;
	return true;
}

/* Where the members may be, where they are, and whether we put them there. */
static void look_places(struct affinity *a, struct look *look, uint32_t nr)
{
	const struct tacho_policy_input *input = a->input;
	const struct tacho_cpus *placed = NULL;
	uint32_t same = 0;

	look->allowed = tacho_input_online(input);
	for (uint32_t i = 0; i < nr; i++) {
		uint32_t member = tacho_input_member(input, look->set, i);
		const struct tacho_policy_domain *d = tacho_input_domain(input, member);

		if (!d || !(d->flags & TACHO_D_MOVABLE))
			continue;
		look->named++;
		look->waits += tacho_sane(d->waits);
		look->allowed = tacho_cpus_and(&look->allowed, &d->allowed);
		if (look->node == TACHO_POLICY_NONE)
			look->node = d->node;
		if (tacho_cpus_empty(&d->placed))
			continue;
		if (!placed)
			placed = &d->placed;
		same += tacho_cpus_equal(placed, &d->placed);
	}
	if (!placed || same < 2 - (look->named < 2))
		return;
	look->cpu = tacho_input_first(input, placed);
	look->placed = look->cpu != TACHO_POLICY_NONE;
	look->aim = tacho_cpus_count(placed) == 1 ? AIM_CPU : AIM_CACHE;
	if (!look->placed)
		look->aim = AIM_NONE;
}

/* Where it ran most, and how idle the CPUs are that it uses. */
static void look_cpus(struct affinity *a, struct look *look, uint32_t nr)
{
	const struct tacho_policy_input *input = a->input;
	double most = 0, all = 0, idle = 0;

	for (uint32_t cpu = 0; cpu < a->field.nr; cpu++) {
		double own = 0;

		for (uint32_t i = 0; i < nr; i++)
			own += tacho_input_on(input, tacho_input_member(input, look->set, i), cpu);
		if (own > most) {
			most = own;
			look->home = cpu;
		}
		all += own;
		idle += own * tacho_most(1 - tacho_most(tacho_sane(input->cpus[cpu].busy) - own, 0),
					 IDLE_LEAST);
	}
	look->idle = all > 0 ? idle / all : 1;
}

/* False: this set is none of our business. */
static bool look_at(struct affinity *a, struct look *look)
{
	const struct tacho_policy_input *input = a->input;
	const struct tacho_policy_set *set = &input->sets[look->set];
	uint32_t nr = set->nr <= TACHO_MEMBERS / 2 ? set->nr : 0;

	look->service = tacho_sane(set->service);
	look->together = tacho_sane(set->together);
	look->wait = tacho_sane(set->wait);
	look_places(a, look, nr);
	for (uint32_t i = 0; i < nr; i++) {
		uint32_t member = tacho_input_member(input, look->set, i);

		if (member == TACHO_POLICY_NONE)
			return false;
		if (!(input->domains[member].flags & TACHO_D_MOVABLE) &&
		    !look_fixed(a, look, member))
			return false;
	}
	if (look->named < 2 - (look->fixed != TACHO_POLICY_NONE))
		return false;
	if (look->fixed != TACHO_POLICY_NONE) {
		struct tacho_cpus one = tacho_cpus_one(input->cpus[look->fixed].id);

		look->allowed = tacho_cpus_and(&look->allowed, &one);
	}
	if (look->placed && !tacho_cpus_has(&look->allowed, input->cpus[look->cpu].id))
		look->placed = false;
	look_cpus(a, look, nr);
	look->demand = tacho_least(look->service + look->wait, 1);
	look->squeeze = IN_THE_WAY *
			tacho_least(tacho_most(look->demand + a->others - input->nr_cpus, 0), 1);
	return !tacho_cpus_empty(&look->allowed);
}

/* --- judging ---------------------------------------------------------------------------------- */

/* The CPUs of an aim, by number. */
static struct tacho_cpus cpus_of(const struct affinity *a, const struct look *look)
{
	struct tacho_cpus cpus;

	if (look->aim == AIM_CPU)
		return tacho_cpus_one(a->input->cpus[look->cpu].id);
	cpus = tacho_input_cache(a->input, look->cpu);
	return tacho_cpus_and(&cpus, &look->allowed);
}

static double wake_cost(const struct affinity *a)
{
	return tacho_sane(a->input->tuning.wake_cost);
}

/* Share of all CPUs that nothing uses. */
static double idle_of(const struct tacho_policy_input *input)
{
	double idle = 0;

	for (uint32_t i = 0; i < input->nr_cpus; i++)
		idle += 1 - tacho_least(tacho_sane(input->cpus[i].busy), 1);
	return input->nr_cpus ? idle / input->nr_cpus : 0;
}

/* A set that nobody placed: what is there to be won? */
static enum aim judge_free(struct affinity *a, struct look *look)
{
	const double least = tacho_sane(a->input->tuning.min_gain), price = wake_cost(a);
	bool turns = look->together <= TOGETHER_MOST + TOGETHER_IDLE * idle_of(a->input) &&
		     look->together <= look->rate * price && look->service <= ONE_CPU;
	double gain;

	look->cost = tacho_least(look->apart * price * look->idle, 1);
	/* who wakes somebody goes on while the other comes up: that is no work done at once */
	gain = look->cost - tacho_most(look->together - WAKING * look->cost, 0) - look->squeeze;
	if (turns && gain > least) {
		look->demand = tacho_least(look->demand + look->cost, 1);
		return AIM_CPU;
	}
	if (turns || !a->caches || look->squeeze > 0)
		return AIM_NONE;
	look->cost = tacho_least(look->apart_caches * price * look->idle, 1);
	if (look->cost <= 2 * least)
		return AIM_NONE;
	look->demand = look->service + look->wait;
	return AIM_CACHE;
}

/* How idle the CPU is to which the kernel would take a member away. */
static double idle_elsewhere(const struct affinity *a, const struct look *look)
{
	double idle = 0;

	for (uint32_t i = 0; i < a->field.nr; i++)
		if (i != look->cpu && tacho_cpus_has(&look->allowed, a->input->cpus[i].id))
			idle = tacho_most(idle, 1 - tacho_sane(a->input->cpus[i].busy));
	return idle;
}

/*
 * A set that is placed: shall it stay? On one CPU nothing runs at once: what it waits for says that
 * it would.
 */
static enum aim judge_placed(struct affinity *a, struct look *look)
{
	const double price = wake_cost(a), idle = idle_elsewhere(a, look);
	bool bad;

	look->cost = tacho_least(look->rate * price * tacho_most(idle, IDLE_LEAST), 1);
	if (look->aim == AIM_CACHE) {
		struct tacho_cpus cache = cpus_of(a, look);

		look->demand = look->service + look->wait;
		bad = look->squeeze > look->cost || look->demand > tacho_cpus_count(&cache) + 0.5;
	} else {
		bad = look->waits > 0 && look->wait > WAIT_LEAST &&
		      look->wait > look->waits * price && idle > 0.5;
		bad = bad || look->together > TOGETHER_MOST ||
		      look->squeeze > look->cost + a->input->tuning.min_gain;
		look->demand = tacho_most(look->demand, tacho_least(look->cost, 0.5));
	}
	look->group->tired = tacho_groups_last(a->groups, look->group->tired, bad);
	if (look->group->tired < TIRED)
		return look->aim;
	look->group->held_until =
		a->input->time_ns +
		((uint64_t)HOLD_NS
		 << (look->group->bounces < HOLD_DOUBLE ? look->group->bounces : HOLD_DOUBLE));
	look->group->bounces += look->group->bounces < 255;
	look->group->tired = 0;
	return AIM_NONE;
}

/*
 * A wish is made at once: the scheduler grants what is wished twice. It is granted when it was
 * measured how things are without it, and may be suspended for a second measurement: what comes and
 * goes meanwhile does not end it at once.
 */
static enum aim judge_wished(struct affinity *a, struct look *look)
{
	struct tacho_group *group = look->group;
	const bool before = group->cpu && group->kind;
	enum aim aim = judge_free(a, look);

	if (aim != AIM_NONE) {
		group->votes = 1;
		group->tired = 0;
		return aim;
	}
	group->tired = tacho_groups_last(a->groups, group->tired, true);
	if (!before || group->tired >= DOUBTS) {
		group->votes = group->tired = 0;
		return AIM_NONE;
	}
	return group->kind;
}

static void judge(struct affinity *a, struct look *look)
{
	if (look->placed) {
		look->aim = judge_placed(a, look);
		look->group->votes = look->aim != AIM_NONE;
	} else if (look->group->held_until <= a->input->time_ns) {
		look->aim = judge_wished(a, look);
	} else {
		look->aim = AIM_NONE;
	}
}

/* --- planning --------------------------------------------------------------------------------- */

static void take_out(struct affinity *a, const struct look *look)
{
	for (uint32_t i = 0; i < a->input->sets[look->set].nr; i++) {
		uint32_t member = tacho_input_member(a->input, look->set, i);

		if (member != TACHO_POLICY_NONE)
			tacho_field_remove(&a->field, member);
	}
}

static void put(struct affinity *a, const struct look *look, double sign)
{
	struct tacho_cpus cpus = cpus_of(a, look);
	double share = sign * look->demand / tacho_most(tacho_cpus_count(&cpus), 1);

	for (uint32_t i = 0; i < a->field.nr; i++)
		if (tacho_cpus_has(&cpus, a->input->cpus[i].id))
			tacho_field_put(&a->field, i, share);
}

static void choose(struct affinity *a, struct look *look)
{
	uint32_t now = look->group->cpu ? look->group->cpu - 1u : TACHO_POLICY_NONE;

	if (look->aim == AIM_CPU)
		look->cpu =
			tacho_field_choose(&a->field, &look->allowed, now, look->home, look->node);
	else
		look->cpu = tacho_field_choose_cache(&a->field, &look->allowed, look->demand, now,
						     look->home);
	if (look->cpu == TACHO_POLICY_NONE)
		look->aim = AIM_NONE;
	else
		put(a, look, 1);
}

/* A placed set whose CPU is much fuller than another goes there, if that lasts. One at a time. */
static bool move_on(struct affinity *a, struct look *look)
{
	const double *load = a->field.load;
	uint32_t from = look->cpu, to;

	if (look->aim != AIM_CPU || !look->placed)
		return false;
	put(a, look, -1);
	to = tacho_field_choose(&a->field, &look->allowed, TACHO_POLICY_NONE, TACHO_POLICY_NONE,
				look->node);
	/* without it, the other one must be emptier */
	look->group->moving = tacho_groups_last(a->groups, look->group->moving,
						to != TACHO_POLICY_NONE && to != from &&
							load[to] + EMPTIER <= load[from]);
	if (look->group->moving >= MOVING) {
		look->group->moving = 0;
		look->cpu = to;
	}
	put(a, look, 1);
	return look->cpu != from;
}

/* --- the plan --------------------------------------------------------------------------------- */

static void say(const struct affinity *a, const struct look *look, struct tacho_policy_place *place)
{
	const struct tacho_policy_input *input = a->input;
	const char *x = input->domains[look->a].name, *y = input->domains[look->b].name;
	double rate = tacho_least(look->rate, 9999999);
	char names[40];

	if (input->sets[look->set].nr > 2)
		snprintf(names, sizeof(names), "%.9s, %.9s and %u", x, y,
			 input->sets[look->set].nr - 2);
	else
		snprintf(names, sizeof(names), "%.11s and %.11s", x, y);
	place->fact = look->cost;
	place->threshold = input->tuning.min_gain;
	snprintf(place->fact_name, sizeof(place->fact_name), "share of a CPU");
	if (look->placed && look->aim == AIM_CPU)
		snprintf(place->reason, sizeof(place->reason),
			 "%.0f wake-ups/s of %s stay together: %.1f us to wait, %.1f us if apart",
			 rate, names,
			 look->waits > 0 ? tacho_least(look->wait / look->waits * 1e6, 9999) : 0,
			 wake_cost(a) * 1e6);
	else if (look->placed)
		snprintf(place->reason, sizeof(place->reason),
			 "%.0f wake-ups/s of %s stay in one cache", rate, names);
	else
		snprintf(place->reason, sizeof(place->reason),
			 "%.0f wake-ups/s of %s: apart %.0f %%, at once %.0f %%, "
			 "costs %.0f %% of a CPU",
			 rate, names,
			 tacho_percent((look->aim == AIM_CPU ? look->apart : look->apart_caches) /
				       look->rate),
			 tacho_percent(look->together), tacho_percent(look->cost));
}

static void plan_set(const struct affinity *a, const struct look *look,
		     struct tacho_policy_plan *plan)
{
	struct tacho_cpus cpus = cpus_of(a, look);

	for (uint32_t i = 0; i < a->input->sets[look->set].nr; i++) {
		uint32_t member = tacho_input_member(a->input, look->set, i);
		const struct tacho_policy_domain *d = tacho_input_domain(a->input, member);
		struct tacho_policy_place *place;

		if (!d || !(d->flags & TACHO_D_MOVABLE))
			continue;
		place = tacho_plan_add(plan, member, &cpus, tacho_group_name(look->group), " ");
		if (!place)
			return;
		say(a, look, place);
	}
	look->group->cpu = (uint16_t)(look->cpu + 1);
	look->group->kind = look->aim;
}

/* Wake-ups of each group among its placed members. */
static void rates_of(const struct affinity *a, double rates[TACHO_GROUPS])
{
	const struct tacho_policy_input *input = a->input;

	for (uint32_t i = 0; i < input->nr_pairs; i++) {
		const struct tacho_policy_domain *d = tacho_input_domain(input, input->pairs[i].a);
		const struct tacho_policy_domain *e = tacho_input_domain(input, input->pairs[i].b);
		struct tacho_group *group;

		if (!d || !e || tacho_cpus_empty(&d->placed) || tacho_cpus_empty(&e->placed))
			continue;
		group = tacho_groups_of(a->groups, d->id);
		if (group && group == tacho_groups_of(a->groups, e->id))
			rates[group - a->groups->group] += tacho_sane(input->pairs[i].rate);
	}
}

/*
 * Placed domains that are in no set just now stay for a while, if they do not wait: who
 * speaks in bursts shall not be moved with each. Those of a set that speaks less stay until its
 * rate is below half of what makes partners.
 */
static void plan_lingering(const struct affinity *a, struct tacho_policy_plan *plan)
{
	const struct tacho_policy_input *input = a->input;
	double rates[TACHO_GROUPS] = { 0 };

	rates_of(a, rates);
	for (uint32_t i = 0; i < input->nr_domains; i++) {
		const struct tacho_policy_domain *d = &input->domains[i];
		struct tacho_group *group = tacho_groups_of(a->groups, d->id);
		struct tacho_cpus cpus = d->placed;
		struct tacho_policy_place *place;
		double rate;

		if (!group || d->set < input->nr_sets || tacho_cpus_empty(&d->placed) ||
		    !(d->flags & TACHO_D_MOVABLE) || !group->cpu)
			continue;
		rate = group->seen == 1 ? 0 : rates[group - a->groups->group];
		if (rate < input->tuning.min_rate / 2 &&
		    (tacho_sane(d->wait) > WAIT_LEAST ||
		     tacho_groups_absent(a->groups, d->id, input->time_ns) > TACHO_LINGER))
			continue;
		if (group->seen == 1 && group->kind == AIM_CPU)
			cpus = tacho_cpus_one(input->cpus[group->cpu - 1].id);
		else if (!group->seen)
			group->seen = 2; /* remembered */
		place = tacho_plan_add(
			plan, i, &cpus, tacho_group_name(group),
			"%.31s: %.0f wake-ups/s, fewer than before; it stays for now", d->name,
			tacho_least(d->wakes_in + d->wakes_out, 9999999));
		if (!place)
			return;
		place->fact = d->wakes_in + d->wakes_out;
		place->threshold = input->tuning.min_rate / 2;
		snprintf(place->fact_name, sizeof(place->fact_name), "wake-ups/s");
	}
}

static void look_at_all(struct affinity *a)
{
	const struct tacho_policy_input *input = a->input;
	bool several;

	a->caches = tacho_input_caches(input, &several) > 1 && several;
	a->nr = input->nr_sets < TACHO_GROUPS ? input->nr_sets : TACHO_GROUPS;
	for (uint32_t i = 0; i < input->nr_domains; i++)
		if (input->domains[i].set >= input->nr_sets)
			a->others += tacho_domain_demand(&input->domains[i]);
	for (uint32_t i = 0; i < a->nr; i++) {
		a->look[i].set = i;
		a->look[i].cpu = a->look[i].home = a->look[i].node = a->look[i].fixed =
			TACHO_POLICY_NONE;
	}
	add_pairs(a);
	for (uint32_t i = 0; i < a->nr; i++) {
		struct look *look = &a->look[i];
		bool ours = look_at(a, look) && look->top > 0;

		look->group = ours ? tacho_groups_get(a->groups, input, i) : NULL;
		if (look->group)
			judge(a, look);
		else
			look->aim = AIM_NONE;
	}
}

static void decide(void *state, const struct tacho_policy_input *input,
		   struct tacho_policy_plan *plan)
{
	struct affinity a = { .groups = state, .input = input };
	bool moved = false;

	if (!input->nr_cpus)
		return;
	tacho_field_start(&a.field, input);
	tacho_groups_start(a.groups, input->time_ns);
	look_at_all(&a);
	for (uint32_t i = 0; i < a.nr; i++)
		if (a.look[i].aim)
			take_out(&a, &a.look[i]);
	for (uint32_t i = 0; i < a.nr; i++)
		if (a.look[i].aim && a.look[i].placed)
			put(&a, &a.look[i], 1);
	for (uint32_t i = 0; i < a.nr; i++)
		if (a.look[i].aim && !a.look[i].placed)
			choose(&a, &a.look[i]);
	for (uint32_t i = 0; i < a.nr && !moved; i++)
		if (a.look[i].aim)
			moved = move_on(&a, &a.look[i]);
	for (uint32_t i = 0; i < a.nr; i++)
		if (a.look[i].aim)
			plan_set(&a, &a.look[i], plan);
		else if (a.look[i].group)
			a.look[i].group->cpu = 0;
	plan_lingering(&a, plan);
	tacho_groups_end(a.groups, input);
}

_Static_assert(sizeof(struct tacho_groups) <= TACHO_POLICY_STATE, "the state has no room for it");

const struct tacho_policy tacho_policy_affinity = {
	TACHO_POLICY_ABI,
	"affinity",
	"brings together who communicates: on one CPU if they take turns, else in one cache",
	NULL,
	decide,
};
