/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * corner.c: programs that only compute have half of the machine, the last CPUs, and the rest is free of them.
 *
 *	cc -O2 -shared -fPIC -o corner.so corner.c
 *	tacho sched --policy ./corner.so --dry-run --explain
 */
#include <tacho/policy.h>

#define LONG_ENOUGH 25 /* calls in a row; half a second */
#define MAX_TASKS   200

struct memory {
	struct {
		uint32_t id;
		int32_t calls; /* in a row that it computed; counts down when it does not */
	} task[MAX_TASKS];
};

/* It uses a CPU, and has little to do with anybody. */
static bool computes(const struct tacho_policy_domain *d, const struct tacho_policy_tuning *tuning)
{
	return d->service + d->wait >= tuning->cpu_threshold &&
	       d->wakes_in + d->wakes_out < tuning->min_rate / 10;
}

static void decide(void *state, const struct tacho_policy_input *input,
		   struct tacho_policy_plan *plan)
{
	struct memory *memory = state;
	struct tacho_cpus corner = { { 0 } };

	for (uint32_t i = input->nr_cpus / 2; i < input->nr_cpus; i++)
		tacho_cpus_add(&corner, input->cpus[i].id);

	for (uint32_t i = 0; i < input->nr_domains; i++) {
		const struct tacho_policy_domain *d = &input->domains[i];
		const uint32_t slot = d->id % MAX_TASKS;
		int32_t *calls = &memory->task[slot].calls;
		struct tacho_policy_place *place;

		if (memory->task[slot].id != d->id)
			*calls = 0; /* somebody else's: of two with one slot, neither is placed */
		memory->task[slot].id = d->id;
		if (!computes(d, &input->tuning))
			*calls -= *calls > 0;
		else if (*calls < 2 * LONG_ENOUGH)
			*calls += 1;

		/* Ask again every time: what is not asked for any more is undone. */
		if (*calls < LONG_ENOUGH || !(d->flags & TACHO_D_MOVABLE))
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
