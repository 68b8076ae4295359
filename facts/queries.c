// SPDX-License-Identifier: BSD-2-Clause
/*
 * queries.c: load, affinity, locality and working sets, out of the facts.
 *
 * Owns nothing but the memory of a struct tacho_facts_sets. Must not look at rows, nor keep
 * anything from one interval to the next. Called by the scheduler for its policies. Section 4.5.3
 * of paper 001.
 *
 * What a domain wakes and what wakes it are two entries of the matrix; here they are one pair. It
 * is counted at the entry from the lower number, or at the other one where there is no such entry.
 */
#include <errno.h>
#include <stdlib.h>

#include "facts/facts_internal.h"
#include "facts/queries.h"

/* --- processors ------------------------------------------------------------------------------- */

/* A row that came late may charge more than there was. */
static double share(uint64_t part, uint64_t whole)
{
	return part == 0 ? 0 : part < whole ? (double)part / (double)whole : 1;
}

double tacho_facts_load(const struct tacho_facts *facts, uint32_t cpu)
{
	const struct tacho_facts_cpu *now = tacho_facts_cpu(facts, cpu);

	return share(now->service_ns - now->idle_ns, tacho_facts_wall_ns(facts));
}

double tacho_facts_affinity(const struct tacho_facts *facts, uint32_t domain, uint32_t cpu)
{
	return share(tacho_facts_service_on(facts, domain, cpu),
		     tacho_facts_domain(facts, domain)->service_ns);
}

/* --- locality --------------------------------------------------------------------------------- */

/*
 * An entry of the matrix as a pair, or false: it is counted elsewhere, or does not matter any more.
 */
static bool pair_of(const struct tacho_facts *facts, const struct tacho_facts_pair *entry,
		    double *back)
{
	if (!(entry->rate > 0))
		return false;
	*back = tacho_i_facts_rate(facts, entry->to, entry->from);
	return entry->from < entry->to || *back == 0;
}

static bool partner_before(const struct tacho_facts_partner *a, const struct tacho_facts_partner *b)
{
	return a->rate != b->rate ? a->rate > b->rate : a->domain < b->domain;
}

/* Entries come nearly in the order of the result, so a place is found near its end. */
size_t tacho_facts_partners(const struct tacho_facts *facts, uint32_t domain,
			    struct tacho_facts_partner *partners, size_t max)
{
	const struct tacho_facts_pair *entries;
	const size_t nr_entries = tacho_facts_pairs(facts, &entries);
	size_t nr = 0;

	for (size_t i = 0; i < nr_entries; i++) {
		const struct tacho_facts_pair *entry = &entries[i];
		struct tacho_facts_partner partner;
		double back;
		size_t at = nr;

		if ((entry->from != domain && entry->to != domain) || !pair_of(facts, entry, &back))
			continue;
		partner.domain = entry->from == domain ? entry->to : entry->from;
		partner.rate = entry->rate + back;
		partner.forth = entry->from == domain ? entry->rate : back;
		for (; at > 0 && partner_before(&partner, &partners[at - 1]); at--)
			if (at < max)
				partners[at] = partners[at - 1];
		if (at < max)
			partners[at] = partner;
		if (nr < max)
			nr++;
	}
	return nr;
}

/* --- working sets ----------------------------------------------------------------------------- */

struct edge {
	uint32_t a, b;
	double rate;
};

/* A domain that has an edge; only those are set. The root of a set is its lowest number. */
struct node {
	uint32_t parent;
	uint32_t nr; /* of the set, in the root */
	double largest; /* edge of the set, in the root; 0: it is alone */
	double rate; /* sum of its edges, in the root */
	uint32_t fill; /* where its next member goes, in the root */
	bool is_listed;
};

struct tacho_i_sets {
	struct edge *edges;
	size_t nr_edges, max_edges;
	struct node *nodes; /* by domain */
	size_t max_nodes;
	uint32_t *sorted; /* members by number; as many as sets->max_members */
};

static int edge_compare(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	if (x->rate != y->rate)
		return x->rate < y->rate ? 1 : -1;
	if (x->a != y->a)
		return x->a > y->a ? 1 : -1;
	return (x->b > y->b) - (x->b < y->b);
}

static int set_compare(const void *a, const void *b)
{
	const struct tacho_facts_set *x = a, *y = b;

	if (x->rate != y->rate)
		return x->rate < y->rate ? 1 : -1;
	/* in the order of their lowest members, until here */
	return (x->first > y->first) - (x->first < y->first);
}

static int number_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static bool is_wanted(uint32_t domain, bool (*skip)(void *arg, uint32_t domain), void *arg)
{
	return domain >= TACHO_DOMAIN_FIRST && !(skip && skip(arg, domain));
}

/* *highest: the highest number of a domain. */
static int edges_collect(const struct tacho_facts *facts, double min_rate,
			 bool (*skip)(void *arg, uint32_t domain), void *arg,
			 struct tacho_i_sets *work, uint32_t *highest)
{
	const struct tacho_facts_pair *entries;
	const size_t nr = tacho_facts_pairs(facts, &entries);

	work->nr_edges = 0;
	*highest = 0;
	if (nr > work->max_edges) {
		struct edge *edges = realloc(work->edges, 2 * nr * sizeof(*edges));

		if (!edges)
			return -ENOMEM;
		work->edges = edges;
		work->max_edges = 2 * nr;
	}
	for (size_t i = 0; i < nr; i++) {
		struct edge edge = { entries[i].from, entries[i].to, 0 };
		double back;

		if (edge.a > edge.b) {
			edge.a = entries[i].to;
			edge.b = entries[i].from;
		}
		if (!pair_of(facts, &entries[i], &back))
			continue;
		edge.rate = entries[i].rate + back;
		if (!(edge.rate >= min_rate) || !is_wanted(edge.a, skip, arg) ||
		    !is_wanted(edge.b, skip, arg))
			continue;
		work->edges[work->nr_edges++] = edge;
		if (edge.b > *highest)
			*highest = edge.b;
	}
	if (work->nr_edges > 0)
		qsort(work->edges, work->nr_edges, sizeof(*work->edges), edge_compare);
	return 0;
}

static int nodes_reserve(struct tacho_i_sets *work, size_t nr)
{
	struct node *nodes;

	if (nr <= work->max_nodes)
		return 0;
	nodes = realloc(work->nodes, 2 * nr * sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	work->nodes = nodes;
	work->max_nodes = 2 * nr;
	return 0;
}

static int members_reserve(struct tacho_facts_sets *sets, size_t nr)
{
	struct tacho_i_sets *work = sets->work;

	if (nr <= sets->max_members)
		return 0;
	free(sets->members);
	free(sets->sets);
	free(work->sorted);
	sets->members = malloc(2 * nr * sizeof(*sets->members));
	sets->sets = malloc(nr * sizeof(*sets->sets));
	work->sorted = malloc(2 * nr * sizeof(*work->sorted));
	sets->max_members = sets->members && sets->sets && work->sorted ? 2 * nr : 0;
	return sets->max_members ? 0 : -ENOMEM;
}

static uint32_t root_of(struct node *nodes, uint32_t domain)
{
	while (nodes[domain].parent != domain) {
		nodes[domain].parent = nodes[nodes[domain].parent].parent;
		domain = nodes[domain].parent;
	}
	return domain;
}

/* The rule: largest edges first; a set takes part when the edge is a quarter of its largest one. */
static void sets_join(struct tacho_i_sets *work)
{
	struct node *nodes = work->nodes;

	for (size_t i = 0; i < work->nr_edges; i++) {
		const struct edge *edge = &work->edges[i];

		nodes[edge->a] = (struct node){ .parent = edge->a, .nr = 1 };
		nodes[edge->b] = (struct node){ .parent = edge->b, .nr = 1 };
	}
	for (size_t i = 0; i < work->nr_edges; i++) {
		const struct edge *edge = &work->edges[i];
		uint32_t a = root_of(nodes, edge->a), b = root_of(nodes, edge->b);
		uint32_t low = a < b ? a : b, high = a < b ? b : a;

		if (low == high || edge->rate * 4 < nodes[low].largest ||
		    edge->rate * 4 < nodes[high].largest)
			continue;
		nodes[high].parent = low;
		nodes[low].nr += nodes[high].nr;
		if (nodes[high].largest > nodes[low].largest)
			nodes[low].largest = nodes[high].largest;
		if (edge->rate > nodes[low].largest)
			nodes[low].largest = edge->rate;
	}
	for (size_t i = 0; i < work->nr_edges; i++) {
		const struct edge *edge = &work->edges[i];
		uint32_t root = root_of(nodes, edge->a);

		if (root == root_of(nodes, edge->b))
			nodes[root].rate += edge->rate;
	}
}

/* All domains that are in a set, ascending. */
static size_t members_list(struct tacho_i_sets *work)
{
	size_t nr = 0;

	for (size_t i = 0; i < work->nr_edges; i++) {
		const uint32_t ends[] = { work->edges[i].a, work->edges[i].b };

		for (int k = 0; k < 2; k++) {
			struct node *node = &work->nodes[ends[k]];

			if (node->is_listed || work->nodes[root_of(work->nodes, ends[k])].nr < 2)
				continue;
			node->is_listed = true;
			work->sorted[nr++] = ends[k];
		}
	}
	qsort(work->sorted, nr, sizeof(*work->sorted), number_compare);
	return nr;
}

/* Members in the order of their sets; the first member of a set that comes is its root. */
static void sets_list(struct tacho_facts_sets *sets, size_t nr_members)
{
	struct tacho_i_sets *work = sets->work;
	uint32_t first = 0;

	for (size_t i = 0; i < nr_members; i++) {
		const uint32_t domain = work->sorted[i];
		struct node *root = &work->nodes[root_of(work->nodes, domain)];

		if (root == &work->nodes[domain]) {
			sets->sets[sets->nr_sets++] =
				(struct tacho_facts_set){ first, root->nr, root->rate };
			root->fill = first;
			first += root->nr;
		}
		sets->members[root->fill++] = domain;
	}
	sets->nr_members = nr_members;
	qsort(sets->sets, sets->nr_sets, sizeof(*sets->sets), set_compare);
}

int tacho_facts_sets(const struct tacho_facts *facts, double min_rate,
		     bool (*skip)(void *arg, uint32_t domain), void *arg,
		     struct tacho_facts_sets *sets)
{
	uint32_t highest;
	size_t most;
	int ret;

	sets->nr_sets = sets->nr_members = 0;
	if (!sets->work)
		sets->work = calloc(1, sizeof(*sets->work));
	if (!sets->work)
		return -ENOMEM;
	ret = edges_collect(facts, min_rate, skip, arg, sets->work, &highest);
	if (ret || sets->work->nr_edges == 0)
		return ret;
	most = 2 * sets->work->nr_edges;
	if (most > (size_t)highest + 1)
		most = (size_t)highest + 1;
	ret = nodes_reserve(sets->work, (size_t)highest + 1);
	if (!ret)
		ret = members_reserve(sets, most);
	if (ret)
		return ret;
	sets_join(sets->work);
	sets_list(sets, members_list(sets->work));
	return 0;
}

void tacho_facts_sets_fini(struct tacho_facts_sets *sets)
{
	if (sets->work) {
		free(sets->work->sorted);
		free(sets->work->nodes);
		free(sets->work->edges);
		free(sets->work);
	}
	free(sets->members);
	free(sets->sets);
	*sets = (struct tacho_facts_sets){ 0 };
}
