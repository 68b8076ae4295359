/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spread.c: domains that use much memory are kept apart.
 *
 * Distributed intensity, as Clavis has it (paper 003): tasks that compute are sorted into classes
 * by what they ask of the memory, and those of each class are dealt over the caches (over the CPUs
 * where all share one), so that no cache has two of a kind while another has none. A task changes
 * its class when five of ten samples say so; whoever sits in a place that its class has a right to
 * stays there: fewest moves. What intensity means is the input's to say (metric), and in every
 * reason. Classes are relative to the mean, because metrics have no common scale. Called by a
 * runner, and by auto.c.
 */
#include <string.h>

#include "sched/policies/common.h"

#define SAMPLES	 10u
#define ENOUGH	 5u /* of them, for another class */
#define UNEVEN	 TACHO_LASTS(5) /* ms, more than it was even, before they are dealt anew */
#define QUIET	 100u /* ms after which one that does not compute is forgotten */
#define LITTLE	 0.5 /* of the mean: a turtle; all others are devils, */
#define MUCH	 2.0 /* and from so much on, super-devils */
#define CLASSES	 3u
#define MISSES	 100000.0 /* per second, below which everybody is a turtle: cache misses, */
#define OTHERS	 100.0 /* and pages or faults */
#define CONTENDS 2u /* devils that it takes */

static const char *const class_names[CLASSES] = { "turtle", "devil", "super-devil" };

/* One that is to be dealt. */
struct card {
	struct tacho_spread_task *task;
	uint32_t domain; /* index */
	double intensity;
	uint32_t unit; /* where it sits; each is called by the index of its first CPU */
	uint32_t to; /* where it shall sit */
};

struct spread {
	const struct tacho_policy_input *input;
	struct tacho_spread_state *state;
	uint32_t nr_units;
	uint16_t unit_of[TACHO_POLICY_CPUS]; /* by index of the CPU */
	uint16_t count[CLASSES][TACHO_POLICY_CPUS]; /* by unit */
	double sum[TACHO_POLICY_CPUS];
	uint32_t total[CLASSES]; /* devils of each class */
	struct card card[TACHO_SPREAD_TASKS];
	uint32_t nr;
};

/* --- classes ---------------------------------------------------------------------------------- */

static struct tacho_spread_task *find(struct tacho_spread_state *state, uint32_t id)
{
	for (uint32_t i = 0; i < state->nr; i++)
		if (state->task[i].id == id)
			return &state->task[i];
	return NULL;
}

static bool is_candidate(const struct tacho_policy_input *input, uint32_t index)
{
	const struct tacho_policy_domain *d = &input->domains[index];

	return d->flags & TACHO_D_MOVABLE && d->home < input->nr_cpus &&
	       tacho_domain_computes(d, &input->tuning);
}

static uint8_t class_of(const struct tacho_policy_input *input, double intensity, double mean)
{
	bool misses = input->metric && strstr(input->metric, "miss");

	if (intensity < (misses ? MISSES : OTHERS) || intensity < LITTLE * mean)
		return 0;
	return intensity < MUCH * mean ? 1 : 2;
}

/* One more sample; another class if that has enough of the last ones. */
static void classify(struct tacho_spread_task *task, uint8_t class)
{
	uint32_t nr[CLASSES] = { 0 };

	task->classes = (task->classes << 2 | class) & ((1u << 2 * SAMPLES) - 1);
	if (task->nr_classes < SAMPLES)
		task->nr_classes++;
	for (uint32_t i = 0; i < task->nr_classes; i++) {
		uint32_t was = task->classes >> 2 * i & 3;

		if (was < CLASSES && ++nr[was] >= ENOUGH && nr[was] > nr[task->class])
			task->class = (uint8_t)was;
	}
}

static void forget_quiet(struct tacho_spread_state *state)
{
	for (uint32_t i = state->nr; i-- > 0;) {
		struct tacho_spread_task *task = &state->task[i];

		task->quiet = (uint8_t)tacho_lasts(task->quiet, true, state->step_ms, UINT8_MAX);
		if (task->quiet > QUIET)
			*task = state->task[--state->nr];
	}
}

static void samples(struct spread *s)
{
	const struct tacho_policy_input *input = s->input;
	struct tacho_spread_state *state = s->state;
	double mean = 0;
	uint32_t nr = 0;

	for (uint32_t i = 0; i < input->nr_domains; i++)
		if (is_candidate(input, i)) {
			mean += tacho_sane(input->domains[i].intensity);
			nr++;
		}
	mean /= nr ? nr : 1;
	for (uint32_t i = 0; i < input->nr_domains; i++) {
		const struct tacho_policy_domain *d = &input->domains[i];
		struct tacho_spread_task *task;

		if (!is_candidate(input, i))
			continue;
		task = find(state, d->id);
		if (!task && state->nr < TACHO_SPREAD_TASKS) {
			task = &state->task[state->nr++];
			*task = (struct tacho_spread_task){ .id = d->id };
		}
		if (!task)
			continue;
		task->quiet = 0;
		classify(task, class_of(input, tacho_sane(d->intensity), mean));
	}
	forget_quiet(state);
}

/* --- dealing ---------------------------------------------------------------------------------- */

/* Caches; or CPUs, where there is but one cache. */
static void units(struct spread *s)
{
	const struct tacho_policy_cpu *cpus = s->input->cpus;
	bool several;
	bool by_cache = tacho_input_caches(s->input, &several) > 1;

	for (uint32_t i = 0; i < s->input->nr_cpus && i < TACHO_POLICY_CPUS; i++) {
		uint32_t k = by_cache ? 0 : i;

		while (cpus[k].cache != cpus[i].cache)
			k++;
		s->unit_of[i] = (uint16_t)k;
		s->nr_units += k == i;
	}
}

static struct tacho_cpus unit_cpus(const struct spread *s, uint32_t unit)
{
	struct tacho_cpus cpus = { { 0 } };

	for (uint32_t i = 0; i < s->input->nr_cpus; i++)
		if (s->unit_of[i] == unit)
			tacho_cpus_add(&cpus, s->input->cpus[i].id);
	return cpus;
}

/* Where it sits: where we put it, or wanted to, or where it runs. */
static uint32_t sits(const struct spread *s, const struct tacho_spread_task *task,
		     const struct tacho_policy_domain *d)
{
	uint32_t cpu = tacho_input_first(s->input, &d->placed);

	if (cpu == TACHO_POLICY_NONE && task->unit && task->unit <= s->input->nr_cpus)
		cpu = task->unit - 1u;
	return s->unit_of[cpu == TACHO_POLICY_NONE ? d->home : cpu];
}

static bool before(const struct card *a, const struct card *b)
{
	if (a->task->class != b->task->class)
		return a->task->class > b->task->class;
	/* who was dealt before has the older right: intensities are never the same twice */
	if (!a->task->unit != !b->task->unit)
		return a->task->unit != 0;
	return a->task->id < b->task->id;
}

static void cards(struct spread *s)
{
	for (uint32_t i = 0; i < s->input->nr_domains; i++) {
		const struct tacho_policy_domain *d = &s->input->domains[i];
		struct tacho_spread_task *task = find(s->state, d->id);
		struct card card = { task, i, tacho_sane(d->intensity), 0, TACHO_POLICY_NONE };
		uint32_t at = s->nr;

		if (!task || !task->class || !is_candidate(s->input, i) ||
		    s->nr == TACHO_SPREAD_TASKS)
			continue;
		card.unit = sits(s, task, d);
		for (; at > 0 && before(&card, &s->card[at - 1]); at--)
			s->card[at] = s->card[at - 1];
		s->card[at] = card;
		s->nr++;
		s->total[task->class]++;
	}
}

static void seat(struct spread *s, struct card *card, uint32_t unit)
{
	card->to = unit;
	s->count[card->task->class][unit]++;
	s->count[0][unit]++; /* turtles are not dealt: this is all devils */
	s->sum[unit] += card->intensity;
}

/*
 * The unit with the fewest of its class, then with the fewest devils, then with the least
 * intensity.
 */
static uint32_t poorest(const struct spread *s, const struct card *card)
{
	uint8_t class = card->task->class;
	uint32_t best = TACHO_POLICY_NONE;

	for (uint32_t i = 0; i < s->input->nr_cpus; i++) {
		struct tacho_cpus cpus;

		if (s->unit_of[i] != i)
			continue;
		cpus = unit_cpus(s, i);
		cpus = tacho_cpus_and(&cpus, &s->input->domains[card->domain].allowed);
		if (tacho_cpus_empty(&cpus))
			continue;
		if (best == TACHO_POLICY_NONE || s->count[class][i] < s->count[class][best] ||
		    (s->count[class][i] == s->count[class][best] &&
		     (s->count[0][i] < s->count[0][best] ||
		      (s->count[0][i] == s->count[0][best] && s->sum[i] < s->sum[best]))))
			best = i;
	}
	return best;
}

/* Returns how many sit where their class has no right to. */
static uint32_t deal(struct spread *s)
{
	uint32_t all = (s->nr + s->nr_units - 1) / s->nr_units, moves = 0;

	for (uint32_t i = 0; i < s->nr; i++) {
		struct card *card = &s->card[i];
		uint8_t class = card->task->class;
		uint32_t most = (s->total[class] + s->nr_units - 1) / s->nr_units;

		if (s->count[class][card->unit] < most && s->count[0][card->unit] < all)
			seat(s, card, card->unit);
	}
	for (uint32_t i = 0; i < s->nr; i++) {
		struct card *card = &s->card[i];
		uint32_t unit;

		if (card->to != TACHO_POLICY_NONE)
			continue;
		unit = poorest(s, card);
		if (unit == TACHO_POLICY_NONE)
			continue;
		seat(s, card, unit);
		moves += unit != card->unit;
	}
	return moves;
}

static void plan_card(const struct spread *s, const struct card *card,
		      struct tacho_policy_plan *plan)
{
	const struct tacho_policy_input *input = s->input;
	const struct tacho_policy_domain *d = &input->domains[card->domain];
	uint32_t unit = card->task->unit - 1u;
	struct tacho_cpus cpus = unit_cpus(s, unit);
	struct tacho_policy_place *place;

	cpus = tacho_cpus_and(&cpus, &d->allowed);
	if (tacho_cpus_empty(&cpus))
		return;
	place = tacho_plan_add(plan, card->domain, &cpus, d->id,
			       "%.20s: %s by %.20s, %.3g/s: one of %u to keep apart", d->name,
			       class_names[card->task->class],
			       input->metric ? input->metric : "intensity", card->intensity, s->nr);
	if (!place)
		return;
	place->fact = card->intensity;
	place->threshold = input->metric && strstr(input->metric, "miss") ? MISSES : OTHERS;
	snprintf(place->fact_name, sizeof(place->fact_name), "%.20s/s",
		 input->metric ? input->metric : "intensity");
	/* its memory follows, where there is more than one */
	if (input->nr_nodes > 1 && d->node < input->nr_nodes && input->cpus[unit].node != d->node)
		place->node = input->cpus[unit].node;
}

static void decide(void *memory, const struct tacho_policy_input *input,
		   struct tacho_policy_plan *plan)
{
	struct spread s = { .input = input, .state = memory };
	uint32_t moves;
	bool act;

	if (!input->nr_cpus || s.state->nr > TACHO_SPREAD_TASKS)
		return;
	s.state->step_ms = tacho_step_ms(&s.state->last_ms, input->time_ns);
	if (s.state->step_ms > TACHO_UNSEEN)
		s.state->step_ms = TACHO_UNSEEN;
	samples(&s);
	units(&s);
	cards(&s);
	moves = s.nr >= CONTENDS && s.nr_units > 1 ? deal(&s) : 0;
	tacho_trend_add(&s.state->uneven, moves != 0, s.state->step_ms);
	act = moves && s.state->uneven.ms >= UNEVEN;
	if (act)
		s.state->uneven = (struct tacho_trend){ 0 };
	for (uint32_t i = 0; i < s.nr; i++) {
		struct card *card = &s.card[i];

		if (s.nr < CONTENDS)
			card->task->unit = 0;
		else if (act && card->to != TACHO_POLICY_NONE)
			card->task->unit = (uint16_t)(card->to + 1);
		if (card->task->unit && card->task->unit <= input->nr_cpus)
			plan_card(&s, card, plan);
	}
}

_Static_assert(sizeof(struct tacho_spread_state) <= TACHO_POLICY_STATE, "no room");

const struct tacho_policy tacho_policy_spread = {
	TACHO_POLICY_ABI,
	"spread",
	"keeps apart who uses much memory: deals them over the caches",
	NULL,
	decide,
};
