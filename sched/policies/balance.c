/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * balance.c: run-queue load.
 *
 * The kernel balances by itself; what remains is what it left uneven for long: one CPU with at
 * least one task more than another has, among tasks that compute, for most of a fifth of a second.
 * Then the one that waits most goes where least is to be run. It is let go when it has not waited
 * for a while: the kernel does the rest. Loads are counted from the domains (service and wait), or
 * taken from the run queues where those were sampled. Section 4.5.3 of paper 001, processor load.
 * Called by a runner, and by auto.c.
 */
#include "sched/policies/common.h"

#define UNEVEN	  1.25 /* tasks: "more than one", and the error of a measurement */
#define VOTES	  TACHO_LASTS(5) /* ms, more than it was even */
#define WAITS	  0.2 /* share that a task must have waited to be moved */
#define CALM	  0.05 /* one that waits less needs no help */
#define CALM_MOST 2000u /* ms, after which it is let go */
#define NR_PLACED 64u

static uint32_t find(const struct tacho_balance_state *state, uint32_t id)
{
	for (uint32_t i = 0; i < state->nr; i++)
		if (state->id[i] == id)
			return i;
	return NR_PLACED;
}

/* One task that computes and may go elsewhere. */
static bool is_candidate(const struct tacho_policy_input *input, uint32_t index)
{
	const struct tacho_policy_domain *d = &input->domains[index];

	return d->flags & TACHO_D_MOVABLE && d->nr_tasks <= 1 && d->home < input->nr_cpus &&
	       d->set >= input->nr_sets && tacho_domain_computes(d, &input->tuning);
}

static void loads(struct tacho_field *field, const struct tacho_policy_input *input)
{
	tacho_field_start(field, input);
	/* what the domains do not show: tasks too small to be told of */
	for (uint32_t i = 0; i < field->nr; i++)
		field->load[i] = tacho_most(field->load[i], tacho_sane(input->cpus[i].runq));
}

/* The fullest CPU that a candidate can leave for one with a task less: the one that waits most. */
static uint32_t most_waiting(const struct tacho_field *field,
			     const struct tacho_policy_input *input, uint32_t *to)
{
	uint32_t best = TACHO_POLICY_NONE;
	double most = WAITS;

	for (uint32_t i = 0; i < input->nr_domains; i++) {
		const struct tacho_policy_domain *d = &input->domains[i];
		uint32_t cpu;

		if (!is_candidate(input, i) || tacho_sane(d->wait) <= most)
			continue;
		cpu = tacho_field_choose(field, &d->allowed, TACHO_POLICY_NONE, TACHO_POLICY_NONE,
					 d->node);
		if (cpu == TACHO_POLICY_NONE || field->load[d->home] - field->load[cpu] <= UNEVEN)
			continue;
		most = tacho_sane(d->wait);
		best = i;
		*to = cpu;
	}
	return best;
}

static void plan_one(const struct tacho_field *field, struct tacho_policy_plan *plan,
		     uint32_t index, uint32_t to, bool stays)
{
	const struct tacho_policy_input *input = field->input;
	const struct tacho_policy_domain *d = &input->domains[index];
	const struct tacho_cpus cpus = tacho_cpus_one(input->cpus[to].id);
	double here = tacho_least(field->load[d->home], 9999);
	double there = tacho_least(field->load[to], 9999);
	struct tacho_policy_place *place;

	place = stays ? tacho_plan_add(plan, index, &cpus, d->id,
				       "%.31s stays on CPU %u: load %.1f there", d->name,
				       input->cpus[to].id, there)
		      : tacho_plan_add(plan, index, &cpus, d->id,
				       "%.31s waits %.0f %%: load %.1f on CPU %u, %.1f on CPU %u",
				       d->name, tacho_percent(d->wait), here,
				       input->cpus[d->home].id, there, input->cpus[to].id);
	if (!place)
		return;
	place->fact = stays ? there : here - there;
	place->threshold = UNEVEN;
	snprintf(place->fact_name, sizeof(place->fact_name),
		 stays ? "tasks that can run" : "tasks more than there");
}

/* Those placed before stay, until they have been calm for long. */
static void plan_placed(struct tacho_balance_state *state, struct tacho_field *field,
			struct tacho_policy_plan *plan)
{
	const struct tacho_policy_input *input = field->input;
	struct tacho_balance_state kept = *state;

	kept.nr = 0;
	for (uint32_t i = 0; i < input->nr_domains; i++) {
		const struct tacho_policy_domain *d = &input->domains[i];
		uint32_t at = find(state, d->id), cpu = tacho_input_first(input, &d->placed);

		if (at == NR_PLACED || !(d->flags & TACHO_D_MOVABLE) || !is_candidate(input, i))
			continue;
		if (cpu == TACHO_POLICY_NONE || tacho_cpus_count(&d->placed) != 1)
			cpu = state->cpu[at] < input->nr_cpus ? state->cpu[at] : d->home;
		kept.calm[kept.nr] = (uint16_t)tacho_lasts(
			state->calm[at], tacho_sane(d->wait) < CALM, state->step_ms, UINT16_MAX);
		if (kept.calm[kept.nr] > CALM_MOST ||
		    !tacho_cpus_has(&d->allowed, input->cpus[cpu].id))
			continue;
		kept.cpu[kept.nr] = (uint16_t)cpu;
		kept.id[kept.nr++] = d->id;
		plan_one(field, plan, i, cpu, true);
	}
	*state = kept;
}

static struct tacho_policy_place *planned(struct tacho_policy_plan *plan, uint32_t index)
{
	for (uint32_t i = 0; i < plan->nr; i++)
		if (plan->place[i].domain == index)
			return &plan->place[i];
	return NULL;
}

/* One more, or one that is placed goes on to another CPU. */
static void plan_next(struct tacho_balance_state *state, struct tacho_field *field,
		      struct tacho_policy_plan *plan, uint32_t index, uint32_t to)
{
	const struct tacho_policy_input *input = field->input;
	struct tacho_policy_place *place = planned(plan, index);
	uint32_t at = find(state, input->domains[index].id);

	if (at == NR_PLACED) {
		if (state->nr == NR_PLACED)
			return;
		at = state->nr++;
		state->id[at] = input->domains[index].id;
	}
	state->cpu[at] = (uint16_t)to;
	state->calm[at] = 0;
	if (place)
		*place = plan->place[--plan->nr];
	plan_one(field, plan, index, to, false);
}

static void decide(void *memory, const struct tacho_policy_input *input,
		   struct tacho_policy_plan *plan)
{
	struct tacho_balance_state *state = memory;
	struct tacho_field field;
	uint32_t to = TACHO_POLICY_NONE, next;

	if (state->nr > NR_PLACED)
		state->nr = 0;
	state->step_ms = tacho_step_ms(&state->last_ms, input->time_ns);
	loads(&field, input);
	plan_placed(state, &field, plan);
	next = most_waiting(&field, input, &to);
	tacho_trend_add(&state->uneven, next != TACHO_POLICY_NONE, state->step_ms);
	if (next == TACHO_POLICY_NONE || state->uneven.ms < VOTES)
		return;
	/* one at a time: the next calls see what became of it */
	plan_next(state, &field, plan, next, to);
	state->uneven = (struct tacho_trend){ 0 };
}

_Static_assert(sizeof(struct tacho_balance_state) <= TACHO_POLICY_STATE, "no room");

const struct tacho_policy tacho_policy_balance = {
	TACHO_POLICY_ABI,
	"balance",
	"evens out what the run queues left uneven, for tasks that compute",
	NULL,
	decide,
};
