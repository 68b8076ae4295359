/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * corner.c: programs that only compute have half of the machine, the last CPUs, and the rest is free of them.
 *
 *	cc -O2 -shared -fPIC -o corner.so corner.c
 *	tacho sched --policy ./corner.so --dry-run --explain
 */
#include <tacho/policy.h>

#define LONG_ENOUGH 500000000u /* ns */
#define MAX_TASKS   200

struct memory {
	struct {
		uint32_t id;
		uint32_t is_in; /* the corner */
		uint64_t right_ns; /* when it was last where it belongs */
	} task[MAX_TASKS];
};

/* It uses a CPU, and has little to do with anybody. */
static bool computes(const struct tacho_policy_domain *d, const struct tacho_policy_tuning *tuning)
{
	return d->service + d->wait >= tuning->cpu_threshold &&
	       d->wakes_in + d->wakes_out < tuning->min_rate / 10;
}

/* In and out after half a second each, by the clock: calls may be seconds apart. */
static bool belongs(struct memory *memory, const struct tacho_policy_input *input,
		    const struct tacho_policy_domain *d)
{
	const uint32_t slot = d->id % MAX_TASKS;
	const bool should = computes(d, &input->tuning);

	if (memory->task[slot].id != d->id) {
		/* somebody else's: of two with one slot, neither is placed */
		memory->task[slot].id = d->id;
		memory->task[slot].is_in = false;
		memory->task[slot].right_ns = input->time_ns;
	}
	if (should == memory->task[slot].is_in) {
		memory->task[slot].right_ns = input->time_ns;
	} else if (input->time_ns - memory->task[slot].right_ns >= LONG_ENOUGH) {
		memory->task[slot].is_in = should;
		memory->task[slot].right_ns = input->time_ns;
	}
	return memory->task[slot].is_in;
}

static void decide(void *state, const struct tacho_policy_input *input,
		   struct tacho_policy_plan *plan)
{
	struct tacho_cpus corner = { { 0 } };

	for (uint32_t i = input->nr_cpus / 2; i < input->nr_cpus; i++)
		tacho_cpus_add(&corner, input->cpus[i].id);

	for (uint32_t i = 0; i < input->nr_domains; i++) {
		const struct tacho_policy_domain *d = &input->domains[i];
		struct tacho_policy_place *place;

		/* Ask again every time: what is not asked for any more is undone. */
		if (!belongs(state, input, d) || !(d->flags & TACHO_D_MOVABLE))
			continue;
		place = tacho_plan_add(plan, i, &corner, d->id,
				       "%s: %.0f %% of a CPU, and %.0f wake-ups/s", d->name,
				       100 * d->service, d->wakes_in + d->wakes_out);
		if (!place)
			return; /* no room */
		place->fact = d->service + d->wait;
		place->threshold = input->tuning.cpu_threshold;
		snprintf(place->fact_name, sizeof(place->fact_name), "share of a CPU");
	}
}

const struct tacho_policy tacho_policy = {
	TACHO_POLICY_ABI, "corner", "keeps what only computes on the last half of the CPUs", NULL,
	decide,
};
