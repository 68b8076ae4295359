// SPDX-License-Identifier: BSD-2-Clause
/*
 * pairs.c: the IPC matrix and the reasons of exits: counts by key, with decayed rates.
 *
 * Owns the hash table behind both. Must not know what a row is; called by facts.c only.
 *
 * A row costs one look-up. The end of an interval costs as much as there are keys that were counted
 * in it, however large the table is: the rate of a key is kept as of the last interval that had it,
 * and is brought forward when it is counted again or asked for. The list that a caller sees is made
 * when it is first asked for, so that a loop of 20 ms that looks once a second sorts once a second.
 *
 * The rate of paper 001, section 4.5.3 (old values lose weight), for intervals of any length:
 *   rate' = rate * 2^(-wall / half life) + count / wall * (1 - 2^(-wall / half life))
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "facts/facts_internal.h"

#define FREE	  UINT64_MAX /* no key: its upper half would be TACHO_NONE */
#define MIN_SLOTS 64u
#define MAX_SLOTS (1u << 24)
#define LN2	  0.69314718055994530942
/* A rate matters until it is this share of what one event alone leaves: six half-lives. */
#define MATTERS (1.0 / 64)

/* What a row needs is apart from the rest: four slots in a cache line. */
struct slot {
	uint64_t key;
	uint64_t count; /* of the interval that runs; not 0: it is in table->counted */
};

struct past {
	uint64_t last; /* count of the interval that has ended; not 0: it is in table->ended */
	double rate; /* per second, at rate_ns */
	uint64_t rate_ns;
};

union shown {
	struct tacho_facts_pair pair;
	struct tacho_facts_reason reason;
};

/* A caller steps through an array of one of them. */
_Static_assert(sizeof(struct tacho_facts_pair) == sizeof(union shown), "stride of pairs");
_Static_assert(sizeof(struct tacho_facts_reason) == sizeof(union shown), "stride of reasons");

/* nr_used <= nr_slots / 2, so every list is of that size. */
struct tacho_i_table {
	struct slot *slots;
	struct past *past; /* of each slot */
	uint32_t nr_slots; /* a power of two */
	uint32_t shift; /* 64 - log2(nr_slots) */
	uint32_t nr_used; /* slots with a key */
	uint32_t nr_counted;
	uint32_t nr_ended;
	uint32_t *counted; /* slot numbers */
	uint32_t *ended;
	union shown *shown; /* large enough for the interval that has ended */
	union shown *shown_next; /* NULL, or for the next ones */
	size_t nr_shown;
	bool is_shown; /* shown and nr_shown are up to date */
	double half_life_s; /* 0: nothing outlives its interval */
	double least; /* a smaller rate is none */
	uint64_t end_ns;
};

/* --- decay ------------------------------------------------------------------------------------ */

/* 1 - e^-y over y, 0 <= y <= 1. Its own series: the same bits on every machine, and exact at 0. */
static double share_lost(double y)
{
	static const double inverse[] = {
		1.0 / 2,  1.0 / 3,  1.0 / 4,  1.0 / 5,	1.0 / 6,  1.0 / 7,  1.0 / 8,  1.0 / 9,
		1.0 / 10, 1.0 / 11, 1.0 / 12, 1.0 / 13, 1.0 / 14, 1.0 / 15, 1.0 / 16, 1.0 / 17,
	};
	double sum = 1;

	for (size_t i = sizeof(inverse) / sizeof(inverse[0]); i-- > 0;)
		sum = 1 - sum * y * inverse[i];
	return sum;
}

/* 2^-x, x >= 0 */
static double halved(double x)
{
	double y;

	if (x >= 1000)
		return 0;
	if (x == 0)
		return 1;
	y = (x - (int)x) * LN2;
	return ldexp(1 - y * share_lost(y), -(int)x);
}

/* What one event in an interval adds to a rate. */
static double weight(double half_life_s, double wall_s)
{
	const double y = wall_s / half_life_s * LN2;

	if (y < 1)
		return LN2 / half_life_s * share_lost(y);
	return (1 - halved(wall_s / half_life_s)) / wall_s;
}

/* The share of a rate that is left after a time. */
static double share_kept(const struct tacho_i_table *table, uint64_t ns)
{
	return halved((double)ns * 1e-9 / table->half_life_s);
}

/* The rate of a slot at the end of the last interval; what does not matter any more is 0. */
static double rate_of(const struct tacho_i_table *table, uint32_t i)
{
	const struct past *past = &table->past[i];
	double rate;

	if (past->rate == 0)
		return 0;
	rate = past->rate * share_kept(table, table->end_ns - past->rate_ns);
	return rate < table->least ? 0 : rate;
}

/* --- the table -------------------------------------------------------------------------------- */

/* The slot of key, or the free one where it belongs. */
static inline uint32_t slot_of(const struct tacho_i_table *table, uint64_t key)
{
	const struct slot *slots = table->slots;
	uint32_t i = (uint32_t)(key * 0x9e3779b97f4a7c15u >> table->shift);

	while (slots[i].key != key && slots[i].key != FREE)
		i = (i + 1) & (table->nr_slots - 1);
	return i;
}

static bool is_live(const struct tacho_i_table *table, uint32_t i)
{
	return table->slots[i].key != FREE &&
	       (table->slots[i].count || table->past[i].last || rate_of(table, i) > 0);
}

static void lists_free(struct tacho_i_table *table)
{
	free(table->slots);
	free(table->past);
	free(table->counted);
	free(table->ended);
	free(table->shown_next);
}

/* Empty, of that many slots. The list that a caller may hold stays as it is. */
static int lists_alloc(struct tacho_i_table *table, uint32_t nr_slots)
{
	table->nr_slots = nr_slots;
	table->shift = 64 - (uint32_t)__builtin_ctz(nr_slots);
	table->nr_used = table->nr_counted = table->nr_ended = 0;
	table->slots = malloc(nr_slots * sizeof(*table->slots));
	table->past = malloc(nr_slots * sizeof(*table->past));
	table->counted = malloc(nr_slots / 2 * sizeof(*table->counted));
	table->ended = malloc(nr_slots / 2 * sizeof(*table->ended));
	table->shown_next = malloc(nr_slots / 2 * sizeof(*table->shown_next));
	if (!table->slots || !table->past || !table->counted || !table->ended ||
	    !table->shown_next) {
		lists_free(table);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < nr_slots; i++)
		table->slots[i].key = FREE;
	return 0;
}

/* Leave out what is dead, and have room for half as much again at least. */
static int table_rebuild(struct tacho_i_table *table)
{
	struct tacho_i_table old = *table;
	uint32_t live = 1, nr_slots = MIN_SLOTS;

	for (uint32_t i = 0; i < old.nr_slots; i++)
		live += is_live(&old, i);
	while (nr_slots < 3 * live && nr_slots < MAX_SLOTS)
		nr_slots *= 2;
	if (live > nr_slots / 2 || lists_alloc(table, nr_slots)) {
		*table = old;
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < old.nr_slots; i++) {
		uint32_t to;

		if (!is_live(&old, i))
			continue;
		to = slot_of(table, old.slots[i].key);
		table->slots[to] = old.slots[i];
		table->past[to] = old.past[i];
		table->nr_used++;
		if (old.slots[i].count)
			table->counted[table->nr_counted++] = to;
		if (old.past[i].last)
			table->ended[table->nr_ended++] = to;
	}
	lists_free(&old);
	return 0;
}

int tacho_i_table_create(struct tacho_i_table **out, double half_life_s)
{
	struct tacho_i_table *table = calloc(1, sizeof(*table));
	int ret;

	if (!table)
		return -ENOMEM;
	table->half_life_s = half_life_s;
	table->least = half_life_s > 0 ? MATTERS * LN2 / half_life_s : 0;
	ret = lists_alloc(table, MIN_SLOTS);
	if (ret) {
		free(table);
		return ret;
	}
	*out = table;
	return 0;
}

void tacho_i_table_destroy(struct tacho_i_table *table)
{
	if (!table)
		return;
	lists_free(table);
	free(table->shown);
	free(table);
}

/* Give a slot to a key that has none. */
static int key_add(struct tacho_i_table *table, uint64_t key, uint32_t *i)
{
	if (table->nr_used == table->nr_slots / 2) {
		int ret = table_rebuild(table);

		if (ret)
			return ret;
		*i = slot_of(table, key);
	}
	table->slots[*i] = (struct slot){ .key = key };
	table->past[*i] = (struct past){ 0 };
	table->nr_used++;
	return 0;
}

int tacho_i_table_add(struct tacho_i_table *table, uint64_t key)
{
	uint32_t i = slot_of(table, key);

	if (table->slots[i].key == FREE) {
		int ret = key_add(table, key, &i);

		if (ret)
			return ret;
	}
	if (table->slots[i].count++ == 0)
		table->counted[table->nr_counted++] = i;
	return 0;
}

/* --- intervals -------------------------------------------------------------------------------- */

void tacho_i_table_end(struct tacho_i_table *table, uint64_t now_ns, uint64_t wall_ns)
{
	const bool is_matrix = table->half_life_s > 0;
	const double each = is_matrix ? weight(table->half_life_s, (double)wall_ns * 1e-9) : 0;
	const double kept = is_matrix ? share_kept(table, wall_ns) : 0;
	const uint64_t begin_ns = table->end_ns;
	uint32_t *swap = table->ended;

	table->end_ns = now_ns;
	for (uint32_t k = 0; k < table->nr_ended; k++)
		table->past[table->ended[k]].last = 0;
	for (uint32_t k = 0; k < table->nr_counted; k++) {
		struct slot *slot = &table->slots[table->counted[k]];
		struct past *past = &table->past[table->counted[k]];
		/* as rate_of, but most were counted in the interval before too */
		double rate = past->rate_ns == begin_ns ? past->rate * kept
							: rate_of(table, table->counted[k]);

		past->rate = (rate < table->least ? 0 : rate) + (double)slot->count * each;
		past->rate_ns = now_ns;
		past->last = slot->count;
		slot->count = 0;
	}
	table->ended = table->counted;
	table->nr_ended = table->nr_counted;
	table->counted = swap;
	table->nr_counted = 0;
	table->is_shown = false;
	if (table->shown_next) {
		free(table->shown);
		table->shown = table->shown_next;
		table->shown_next = NULL;
	}
}

/* What was counted so far belongs to no interval. */
void tacho_i_table_clear(struct tacho_i_table *table)
{
	for (uint32_t i = 0; i < table->nr_slots; i++)
		table->slots[i].key = FREE;
	table->nr_used = table->nr_counted = table->nr_ended = 0;
	table->is_shown = false;
}

/* The slots stay, for those behind them; they are dead. */
void tacho_i_table_forget(struct tacho_i_table *table, uint32_t domain)
{
	const bool is_matrix = table->half_life_s > 0;
	uint32_t nr = 0;

	for (uint32_t i = 0; i < table->nr_slots; i++) {
		struct slot *slot = &table->slots[i];

		if (slot->key >> 32 != domain && !(is_matrix && (uint32_t)slot->key == domain))
			continue;
		slot->count = 0;
		table->past[i] = (struct past){ 0 };
	}
	for (uint32_t k = 0; k < table->nr_counted; k++)
		if (table->slots[table->counted[k]].count)
			table->counted[nr++] = table->counted[k];
	table->nr_counted = nr;
	table->is_shown = false;
}

/* --- what a caller sees ----------------------------------------------------------------------- */

static int pair_compare(const void *a, const void *b)
{
	const struct tacho_facts_pair *x = a, *y = b;

	if (x->rate != y->rate)
		return x->rate < y->rate ? 1 : -1;
	if (x->from != y->from)
		return x->from > y->from ? 1 : -1;
	return (x->to > y->to) - (x->to < y->to);
}

static int reason_compare(const void *a, const void *b)
{
	const struct tacho_facts_reason *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	if (x->domain != y->domain)
		return x->domain > y->domain ? 1 : -1;
	if (x->userspace != y->userspace)
		return x->userspace ? 1 : -1;
	return (x->reason > y->reason) - (x->reason < y->reason);
}

/*
 * shown is large enough: it was made when the table had no more slots than at the end of the
 * interval, and what came into the table since then has neither a rate nor a last count.
 */
static void pairs_show(struct tacho_i_table *table)
{
	size_t nr = 0;

	for (uint32_t i = 0; i < table->nr_slots; i++) {
		const uint64_t key = table->slots[i].key;
		double rate = key == FREE ? 0 : rate_of(table, i);

		if (key == FREE || (rate == 0 && table->past[i].last == 0))
			continue;
		table->shown[nr++].pair = (struct tacho_facts_pair){
			.from = (uint32_t)(key >> 32),
			.to = (uint32_t)key,
			.wakes = table->past[i].last,
			.rate = rate,
		};
	}
	table->nr_shown = nr;
	table->is_shown = true;
	qsort(table->shown, nr, sizeof(*table->shown), pair_compare);
}

static void reasons_show(struct tacho_i_table *table)
{
	size_t nr = 0;

	for (uint32_t k = 0; k < table->nr_ended; k++) {
		const uint64_t key = table->slots[table->ended[k]].key;
		const uint64_t last = table->past[table->ended[k]].last;

		if (last == 0) /* forgotten */
			continue;
		table->shown[nr++].reason = (struct tacho_facts_reason){
			.domain = (uint32_t)(key >> 32),
			.reason = (uint32_t)key & ~TACHO_I_USERSPACE,
			.userspace = (key & TACHO_I_USERSPACE) != 0,
			.count = last,
		};
	}
	table->nr_shown = nr;
	table->is_shown = true;
	qsort(table->shown, nr, sizeof(*table->shown), reason_compare);
}

size_t tacho_i_table_pairs(struct tacho_i_table *table, const struct tacho_facts_pair **pairs)
{
	*pairs = NULL;
	if (!table->shown) /* no interval has ended */
		return 0;
	if (!table->is_shown)
		pairs_show(table);
	*pairs = &table->shown->pair;
	return table->nr_shown;
}

/* A key that came after the end of the interval has no rate yet. */
double tacho_i_table_rate(const struct tacho_i_table *table, uint64_t key)
{
	const uint32_t i = slot_of(table, key);

	return table->slots[i].key == FREE ? 0 : rate_of(table, i);
}

size_t tacho_i_table_reasons(struct tacho_i_table *table, const struct tacho_facts_reason **reasons)
{
	*reasons = NULL;
	if (!table->shown)
		return 0;
	if (!table->is_shown)
		reasons_show(table);
	*reasons = &table->shown->reason;
	return table->nr_shown;
}
