// SPDX-License-Identifier: BSD-2-Clause
/*
 * together.c: who ran at the same time.
 *
 * Owns the slices of the interval that runs and of the one that has ended, by CPU, and what is
 * computed from them: for pairs, for how long both ran, and for a crowd, for how long two of them
 * did. Must not know what a row is; called by facts.c only. What section 4.5.3 of paper 001 needs
 * to tell those who alternate from those who overlap.
 *
 * A slice costs the row that brings it one store. All else waits until somebody asks:
 *
 *	slices by CPU -> steps: in the order of time, when a domain was on no CPU before, or
 *	                 is on none any more                           O(slices * log CPUs)
 *	edges: pairs with a wake-up; of a domain the PARTNERS with the most
 *	                                                               O(pairs * PARTNERS)
 *	steps -> ns of each edge: an edge is kept by one end; when that goes on, and when it
 *	         goes off, look for how long the other one has run     O(steps * PARTNERS)
 *	a crowd: one pass over the steps, count who is on              O(steps)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "facts/facts_internal.h"

#define PARTNERS 8u
#define NOBODY	 UINT32_MAX

struct slice {
	uint64_t from_ns;
	uint64_t until_ns;
	uint32_t domain;
	uint32_t pad0;
};

/* One CPU: in the order of time, disjoint. */
struct track {
	struct slice *slices;
	size_t nr, max;
};

/* A domain goes on its first CPU, or off its last one. */
struct step {
	uint64_t ns;
	uint32_t domain;
	bool is_on;
};

/* The next end of a slice of a CPU, in the merge. */
struct head {
	uint64_t ns;
	uint32_t cpu;
	bool is_until;
	size_t at; /* slice */
};

struct edge {
	uint32_t a, b; /* a < b */
	uint32_t owner; /* one of them, or NOBODY: of too many */
	uint32_t pad0;
	uint64_t wakes; /* both directions */
	uint64_t
		before_ns; /* the owner is on: for how long the other one had run when it went on */
	uint64_t together_ns;
};

/* A domain in the pass over the steps; only good with the stamp of the last one. */
struct runner {
	uint64_t stamp;
	uint64_t ran_ns; /* before since_ns */
	uint64_t since_ns;
	bool is_on;
	uint32_t nr_edges;
	uint32_t edges[PARTNERS];
};

struct tacho_i_slices {
	uint32_t nr_domains, nr_cpus;
	struct track *now; /* by CPU */
	struct track *then;
	struct head *heads;
	uint32_t *on; /* CPUs of a domain; all 0 outside of a merge */
	bool *is_member; /* of a crowd; all false outside of it */
	struct step *steps;
	size_t nr_steps, max_steps;
	bool has_steps; /* they are those of then */
	struct edge *edges;
	size_t nr_edges, max_edges;
	uint32_t *index; /* numbers of edges, by hash of the key; NOBODY: free */
	uint32_t nr_index; /* a power of two */
	struct runner *runners; /* by domain */
	uint64_t stamp;
	bool has_edges; /* they are those of then, and their ns */
};

/* --- life ------------------------------------------------------------------------------------- */

void tacho_i_slices_destroy(struct tacho_i_slices *slices)
{
	if (!slices)
		return;
	for (uint32_t i = 0; i < slices->nr_cpus; i++) {
		if (slices->now)
			free(slices->now[i].slices);
		if (slices->then)
			free(slices->then[i].slices);
	}
	free(slices->now);
	free(slices->then);
	free(slices->heads);
	free(slices->on);
	free(slices->is_member);
	free(slices->steps);
	free(slices->edges);
	free(slices->index);
	free(slices->runners);
	free(slices);
}

int tacho_i_slices_create(struct tacho_i_slices **out, uint32_t nr_domains, uint32_t nr_cpus)
{
	struct tacho_i_slices *slices = calloc(1, sizeof(*slices));

	if (!slices)
		return -ENOMEM;
	slices->nr_domains = nr_domains;
	slices->nr_cpus = nr_cpus;
	slices->now = calloc(nr_cpus, sizeof(*slices->now));
	slices->then = calloc(nr_cpus, sizeof(*slices->then));
	slices->heads = calloc(nr_cpus, sizeof(*slices->heads));
	slices->on = calloc(nr_domains, sizeof(*slices->on));
	slices->is_member = calloc(nr_domains, sizeof(*slices->is_member));
	slices->runners = calloc(nr_domains, sizeof(*slices->runners));
	if (!slices->now || !slices->then || !slices->heads || !slices->on || !slices->is_member ||
	    !slices->runners) {
		tacho_i_slices_destroy(slices);
		return -ENOMEM;
	}
	*out = slices;
	return 0;
}

/* Room for nr of them, more than max; what is in the array stays. NULL: it is as it was. */
static void *array_grow(void *array, size_t *max, size_t nr, size_t size)
{
	size_t wanted = *max ? *max : 64;
	void *grown;

	while (wanted < nr)
		wanted *= 2;
	grown = realloc(array, wanted * size);
	if (grown)
		*max = wanted;
	return grown;
}

/* --- slices ----------------------------------------------------------------------------------- */

/* What is in the track from from_ns on goes. */
static void track_cut(struct track *track, uint64_t from_ns)
{
	while (track->nr > 0 && track->slices[track->nr - 1].from_ns >= from_ns)
		track->nr--;
	if (track->nr > 0 && track->slices[track->nr - 1].until_ns > from_ns)
		track->slices[track->nr - 1].until_ns = from_ns;
}

int tacho_i_slices_add(struct tacho_i_slices *slices, uint32_t cpu, uint32_t domain,
		       uint64_t from_ns, uint64_t until_ns)
{
	struct track *track = &slices->now[cpu];
	struct slice *last = track->nr > 0 ? &track->slices[track->nr - 1] : NULL;

	if (last && last->until_ns > from_ns) {
		track_cut(track, from_ns);
		last = track->nr > 0 ? &track->slices[track->nr - 1] : NULL;
	}
	/* two tasks of one domain */
	if (last && last->until_ns == from_ns && last->domain == domain) {
		last->until_ns = until_ns;
		return 0;
	}
	if (track->nr == track->max) {
		struct slice *grown =
			array_grow(track->slices, &track->max, track->nr + 1, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		track->slices = grown;
	}
	track->slices[track->nr++] = (struct slice){ from_ns, until_ns, domain, 0 };
	return 0;
}

void tacho_i_slices_end(struct tacho_i_slices *slices, uint64_t now_ns)
{
	struct track *ended = slices->now;

	slices->now = slices->then;
	slices->then = ended;
	for (uint32_t i = 0; i < slices->nr_cpus; i++) {
		track_cut(&slices->then[i], now_ns);
		slices->now[i].nr = 0;
	}
	slices->has_steps = slices->has_edges = false;
}

void tacho_i_slices_clear(struct tacho_i_slices *slices)
{
	for (uint32_t i = 0; i < slices->nr_cpus; i++)
		slices->now[i].nr = slices->then[i].nr = 0;
	slices->has_steps = slices->has_edges = false;
}

static void track_forget(struct track *track, uint32_t domain)
{
	size_t nr = 0;

	for (size_t i = 0; i < track->nr; i++)
		if (track->slices[i].domain != domain)
			track->slices[nr++] = track->slices[i];
	track->nr = nr;
}

void tacho_i_slices_forget(struct tacho_i_slices *slices, uint32_t domain, bool has_slices)
{
	for (uint32_t i = 0; has_slices && i < slices->nr_cpus; i++) {
		track_forget(&slices->now[i], domain);
		track_forget(&slices->then[i], domain);
	}
	slices->has_steps = slices->has_edges = false;
}

/* --- steps ------------------------------------------------------------------------------------ */

static inline bool head_before(const struct head *a, const struct head *b)
{
	return a->ns != b->ns ? a->ns < b->ns : a->cpu < b->cpu;
}

/* heads[i] may be later than what is below it in the heap. */
static void heads_sink(struct head *heads, uint32_t nr, uint32_t i)
{
	const struct head head = heads[i];

	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child + 1 < nr && head_before(&heads[child + 1], &heads[child]))
			child++;
		if (child >= nr || !head_before(&heads[child], &head))
			break;
		heads[i] = heads[child];
		i = child;
	}
	heads[i] = head;
}

static uint32_t heads_fill(const struct tacho_i_slices *slices, size_t *nr_slices)
{
	uint32_t nr = 0;

	*nr_slices = 0;
	for (uint32_t i = 0; i < slices->nr_cpus; i++) {
		const struct track *track = &slices->then[i];

		if (track->nr == 0)
			continue;
		*nr_slices += track->nr;
		slices->heads[nr++] = (struct head){ .ns = track->slices[0].from_ns, .cpu = i };
	}
	for (uint32_t i = nr / 2; i-- > 0;)
		heads_sink(slices->heads, nr, i);
	return nr;
}

/* Take a head as a step, if it is one; the head goes on. False: the track is at its end. */
static bool head_take(struct tacho_i_slices *slices, struct head *head)
{
	const struct track *track = &slices->then[head->cpu];
	const struct slice *slice = &track->slices[head->at];
	uint32_t *on = &slices->on[slice->domain];

	if (head->is_until ? --*on == 0 : ++*on == 1)
		slices->steps[slices->nr_steps++] =
			(struct step){ head->ns, slice->domain, !head->is_until };
	if (!head->is_until) {
		head->ns = slice->until_ns;
		head->is_until = true;
		return true;
	}
	if (++head->at == track->nr)
		return false;
	head->ns = slice[1].from_ns;
	head->is_until = false;
	return true;
}

/* Slices of one CPU only do not overlap: then there are no steps at all. */
static int steps_make(struct tacho_i_slices *slices)
{
	size_t nr_slices;
	uint32_t nr;

	if (slices->has_steps)
		return 0;
	slices->nr_steps = 0;
	nr = heads_fill(slices, &nr_slices);
	if (nr < 2)
		nr = 0;
	if (nr > 0 && 2 * nr_slices > slices->max_steps) {
		struct step *grown = array_grow(slices->steps, &slices->max_steps, 2 * nr_slices,
						sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		slices->steps = grown;
	}
	while (nr > 0) {
		if (!head_take(slices, &slices->heads[0]))
			slices->heads[0] = slices->heads[--nr];
		heads_sink(slices->heads, nr, 0);
	}
	slices->has_steps = true;
	return 0;
}

/* --- pairs ------------------------------------------------------------------------------------ */

/* Where the edge of two domains is in the index, or the free place where it belongs. */
static uint32_t *index_of(const struct tacho_i_slices *slices, uint32_t a, uint32_t b)
{
	const uint64_t key = TACHO_I_KEY(a, b) * 0x9e3779b97f4a7c15u;
	uint32_t i = (uint32_t)(key >> 32);

	for (;; i++) {
		uint32_t *place = &slices->index[i & (slices->nr_index - 1)];

		if (*place == NOBODY ||
		    (slices->edges[*place].a == a && slices->edges[*place].b == b))
			return place;
	}
}

/* An empty index, and room for as many edges; at most half of the index is used. */
static int edges_reserve(struct tacho_i_slices *slices, size_t nr)
{
	uint32_t nr_index = slices->nr_index ? slices->nr_index : 128;

	if (nr > slices->max_edges) {
		struct edge *grown =
			array_grow(slices->edges, &slices->max_edges, nr, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		slices->edges = grown;
	}
	while (nr_index < 2 * nr)
		nr_index *= 2;
	if (nr_index > slices->nr_index) {
		uint32_t *index = realloc(slices->index, nr_index * sizeof(*index));

		if (!index)
			return -ENOMEM;
		slices->index = index;
		slices->nr_index = nr_index;
	}
	memset(slices->index, 0xff, slices->nr_index * sizeof(*slices->index));
	slices->nr_edges = 0;
	return 0;
}

/* Both directions of a pair are one edge. */
static void edges_add(struct tacho_i_slices *slices, const struct tacho_facts_pair *pair)
{
	const uint32_t a = pair->from < pair->to ? pair->from : pair->to;
	const uint32_t b = pair->from < pair->to ? pair->to : pair->from;
	uint32_t *place = index_of(slices, a, b);

	if (*place == NOBODY) {
		*place = (uint32_t)slices->nr_edges;
		slices->edges[slices->nr_edges++] = (struct edge){
			.a = a,
			.b = b,
			.owner = NOBODY,
		};
		slices->runners[a] = (struct runner){ .stamp = slices->stamp };
		slices->runners[b] = (struct runner){ .stamp = slices->stamp };
	}
	slices->edges[*place].wakes += pair->wakes;
}

static uint32_t edge_other(const struct edge *edge, uint32_t domain)
{
	return edge->a == domain ? edge->b : edge->a;
}

/* A domain keeps the edges with the most wake-ups, the largest first. */
static void runner_offer(struct tacho_i_slices *slices, uint32_t domain, uint32_t number)
{
	const struct edge *edge = &slices->edges[number];
	struct runner *runner = &slices->runners[domain];
	uint32_t at = runner->nr_edges;

	for (; at > 0; at--) {
		const struct edge *last = &slices->edges[runner->edges[at - 1]];

		if (last->wakes > edge->wakes ||
		    (last->wakes == edge->wakes &&
		     edge_other(last, domain) < edge_other(edge, domain)))
			break;
		if (at < PARTNERS)
			runner->edges[at] = runner->edges[at - 1];
	}
	if (at < PARTNERS)
		runner->edges[at] = number;
	if (runner->nr_edges < PARTNERS)
		runner->nr_edges++;
}

static bool runner_has(const struct runner *runner, uint32_t number)
{
	for (uint32_t i = 0; i < runner->nr_edges; i++)
		if (runner->edges[i] == number)
			return true;
	return false;
}

/*
 * Each edge that an end has kept gets one owner: of two, the one with fewer edges, so that the
 * clients of a server work for it, each on its own slices.
 */
static void edges_share(struct tacho_i_slices *slices)
{
	for (uint32_t i = 0; i < slices->nr_edges; i++) {
		struct edge *edge = &slices->edges[i];
		const struct runner *a = &slices->runners[edge->a];
		const struct runner *b = &slices->runners[edge->b];
		bool has_a = runner_has(a, i), has_b = runner_has(b, i);

		if (has_a && (!has_b || a->nr_edges <= b->nr_edges))
			edge->owner = edge->a;
		else if (has_b)
			edge->owner = edge->b;
	}
	for (uint32_t i = 0; i < slices->nr_edges; i++) {
		slices->runners[slices->edges[i].a].nr_edges = 0;
		slices->runners[slices->edges[i].b].nr_edges = 0;
	}
	for (uint32_t i = 0; i < slices->nr_edges; i++) {
		struct runner *owner;

		if (slices->edges[i].owner == NOBODY)
			continue;
		owner = &slices->runners[slices->edges[i].owner];
		owner->edges[owner->nr_edges++] = i;
	}
}

/* For how long a domain has run up to ns. */
static inline uint64_t runner_ran(const struct runner *runner, uint64_t ns)
{
	return runner->ran_ns + (runner->is_on ? ns - runner->since_ns : 0);
}

static void steps_run(struct tacho_i_slices *slices)
{
	for (size_t i = 0; i < slices->nr_steps; i++) {
		const struct step step = slices->steps[i];
		struct runner *runner = &slices->runners[step.domain];

		if (runner->stamp != slices->stamp)
			continue;
		if (!step.is_on)
			runner->ran_ns += step.ns - runner->since_ns;
		runner->since_ns = step.ns;
		runner->is_on = step.is_on;
		for (uint32_t k = 0; k < runner->nr_edges; k++) {
			struct edge *edge = &slices->edges[runner->edges[k]];
			uint32_t other = edge_other(edge, step.domain);
			uint64_t ran = runner_ran(&slices->runners[other], step.ns);

			if (step.is_on)
				edge->before_ns = ran;
			else
				edge->together_ns += ran - edge->before_ns;
		}
	}
}

static int edges_make(struct tacho_i_slices *slices, const struct tacho_facts_pair *pairs,
		      size_t nr)
{
	int ret = steps_make(slices);

	if (!ret)
		ret = edges_reserve(slices, nr);
	if (ret)
		return ret;
	slices->stamp++;
	for (size_t i = 0; i < nr; i++)
		if (pairs[i].wakes > 0)
			edges_add(slices, &pairs[i]);
	for (uint32_t i = 0; i < slices->nr_edges; i++) {
		runner_offer(slices, slices->edges[i].a, i);
		runner_offer(slices, slices->edges[i].b, i);
	}
	edges_share(slices);
	steps_run(slices);
	slices->has_edges = true;
	return 0;
}

uint64_t tacho_i_slices_together(struct tacho_i_slices *slices,
				 const struct tacho_facts_pair *pairs, size_t nr, uint32_t a,
				 uint32_t b)
{
	uint32_t place;

	if (!slices->has_edges && edges_make(slices, pairs, nr))
		return 0;
	place = *index_of(slices, a < b ? a : b, a < b ? b : a);
	return place == NOBODY ? 0 : slices->edges[place].together_ns;
}

/* --- crowds ----------------------------------------------------------------------------------- */

static void members_mark(struct tacho_i_slices *slices, const uint32_t *domains, size_t nr,
			 bool is_member)
{
	for (size_t i = 0; i < nr; i++)
		if (domains[i] < slices->nr_domains)
			slices->is_member[domains[i]] = is_member;
}

uint64_t tacho_i_slices_crowd(struct tacho_i_slices *slices, const uint32_t *domains, size_t nr)
{
	uint64_t sum = 0, last_ns = 0;
	uint32_t nr_on = 0;

	if (steps_make(slices))
		return 0;
	members_mark(slices, domains, nr, true);
	for (size_t i = 0; i < slices->nr_steps; i++) {
		const struct step *step = &slices->steps[i];

		if (!slices->is_member[step->domain])
			continue;
		if (nr_on >= 2)
			sum += step->ns - last_ns;
		last_ns = step->ns;
		nr_on += step->is_on ? 1 : -1u;
	}
	members_mark(slices, domains, nr, false);
	return sum;
}
