// SPDX-License-Identifier: BSD-2-Clause
/*
 * weak.c: the memory of the model checker.
 *
 * Owns places (addresses that threads touched), locations (places that were written, each a list of
 * messages in modification order) and views. Must not know threads beyond their index, or scenarios.
 *
 *   cur   what the thread knows: of each location it may read this message or a newer one
 *   acq   what it will know after an acquire fence: cur and the views of all messages it has read
 *   rel   what it knew at its last release fence: the view of its relaxed stores
 *   sc    what sequentially consistent operations know of each other
 *         cur <= acq, rel <= cur
 *
 * A load takes any message that is not older than cur. A store goes anywhere behind cur, but never
 * between a read-modify-write and the message that it read. A read-modify-write reads a message with
 * nothing atomic behind it, stands right behind it, and passes its view on (release sequence).
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model_i.h"

#define MAX_REGIONS  32
#define MAX_PLACES   1024 /* power of two */
#define MAX_LOCS     64
#define MAX_MESSAGES 96
#define MAX_DEFERRED 16
#define VIEWS	     (V_THREADS + 1)

struct view {
	uint8_t message[MAX_LOCS];
};

struct message {
	uint64_t value;
	uint32_t mark;
	bool atomic; /* written by a read-modify-write */
	struct view view;
};

struct location {
	const void *at;
	size_t size;
	unsigned int nr;
	uint8_t order[MAX_MESSAGES]; /* message at each rank */
	uint8_t rank[MAX_MESSAGES]; /* rank of each message */
	struct message message[MAX_MESSAGES];
};

struct region {
	const char *name;
	enum v_tag tag;
	uintptr_t base;
	size_t size;
	unsigned int flags;
	struct region *first; /* of that name: it has the fields below for all of them */
	bool lent;
	int filled; /* location: one message each time it is lent */
	int used[V_THREADS]; /* location: one message for each use of the thread */
};

/* A place becomes a location with its first store. shared: several parties, one of which stores. */
struct place {
	const void *at; /* NULL: free */
	size_t size;
	struct region *region;
	unsigned int parties;
	bool written;
	bool shared;
	int loc;
};

static struct region regions[MAX_REGIONS];
static unsigned int nr_regions;
static struct place places[MAX_PLACES];
static struct location locs[MAX_LOCS];
static unsigned int nr_locs;
static struct view cur[VIEWS], acq[VIEWS], rel[VIEWS], sc, cpu_view[MAX_CPUS];
static struct v_op deferred[V_THREADS][MAX_DEFERRED];
static unsigned int nr_deferred[V_THREADS];

/* --- views ------------------------------------------------------------------------------------ */

static unsigned int rank_in(const struct view *view, unsigned int loc)
{
	return locs[loc].rank[view->message[loc]];
}

static void raise_to(struct view *view, unsigned int loc, uint8_t message)
{
	if (locs[loc].rank[message] > rank_in(view, loc))
		view->message[loc] = message;
}

static void join(struct view *view, const struct view *with)
{
	for (unsigned int loc = 0; loc < nr_locs; loc++)
		if (view->message[loc] != with->message[loc])
			raise_to(view, loc, with->message[loc]);
}

/* --- regions and places ----------------------------------------------------------------------- */

void v_region(const char *name, enum v_tag tag, const void *base, size_t size, unsigned int flags)
{
	struct region *region = &regions[nr_regions++];

	if (nr_regions == MAX_REGIONS)
		v_fail("checker: too many regions");
	memset(region, 0, sizeof(*region));
	region->name = name;
	region->tag = tag;
	region->base = (uintptr_t)base;
	region->size = size;
	region->flags = flags;
	region->first = region;
	for (unsigned int i = 0; i + 1 < nr_regions && region->first == region; i++)
		if (!strcmp(regions[i].name, name))
			region->first = &regions[i];
	region->filled = -1;
	for (unsigned int t = 0; t < V_THREADS; t++)
		region->used[t] = -1;
}

static struct region *region_of(const void *at, size_t size)
{
	uintptr_t from = (uintptr_t)at;

	for (unsigned int i = 0; i < nr_regions; i++) {
		struct region *region = &regions[i];

		if (from >= region->base && from - region->base < region->size &&
		    size <= region->size - (from - region->base))
			return region;
	}
	return NULL;
}

static struct region *region_named(const char *name)
{
	for (unsigned int i = 0; i < nr_regions; i++)
		if (!strcmp(regions[i].name, name))
			return &regions[i];
	v_fail("checker: no region is called %s", name);
}

static struct place *place_of(const struct v_op *op)
{
	uint64_t hash = v_i_mix((uintptr_t)op->at, 1);

	for (unsigned int i = 0; i < MAX_PLACES; i++) {
		struct place *place = &places[(hash + i) & (MAX_PLACES - 1)];

		if (!place->at) {
			place->at = op->at;
			place->size = op->size;
			place->region = region_of(op->at, op->size);
			place->loc = -1;
			return place;
		}
		if (place->at == op->at) {
			if (place->size != op->size)
				v_fail("%s is read and written in different sizes", op->what);
			return place;
		}
	}
	v_fail("checker: too many places");
}

static uint64_t truncated(uint64_t value, size_t size)
{
	return size == 8 ? value : value & ((1ull << 8 * size) - 1);
}

static uint64_t value_at(const void *at, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, at, size);
	return value;
}

static unsigned int loc_add(const void *at, size_t size)
{
	struct location *loc = &locs[nr_locs];

	if (nr_locs == MAX_LOCS)
		v_fail("checker: too many locations");
	memset(loc, 0, sizeof(*loc));
	loc->at = at;
	loc->size = size;
	loc->nr = 1;
	if (at)
		loc->message[0].value = value_at(at, size);
	return nr_locs++;
}

/*
 * Note who touches a place: a thread, its handler, and whoever kills it. Accesses to a place that has
 * one party only are not seen by others, and nobody comes between them and the next one. What was
 * explored before a place was known as shared is void.
 */
static void place_touch(struct place *place, const struct v_op *op)
{
	bool was_shared = place->shared;

	if (v_self() == MAIN)
		return;
	place->parties |= 1u << (v_self() + (v_in_handler() ? V_THREADS : 0));
	if (v_scenario->thread[v_self()].mortal)
		place->parties |= 1u << 2 * V_THREADS;
	if (op->kind != V_LOAD) {
		place->written = true;
		if (place->loc < 0)
			place->loc = (int)loc_add(op->at, op->size);
	}
	place->shared = place->written && (place->parties & (place->parties - 1)) != 0;
	if (place->shared && !was_shared)
		v_i_restart();
}

/* --- telling what happens --------------------------------------------------------------------- */

static const char *kind_name(const struct v_op *op)
{
	static const char *const kinds[] = { "load", "store", "add", "cas", "fence" };

	return kinds[op->kind];
}

#define tell(...) (v_i_tracing() ? tell_op(__VA_ARGS__) : (void)0)
static void tell_op(const struct v_op *op, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void tell_op(const struct v_op *op, const char *format, ...)
{
	static const char *const orders[] = { "relaxed", "acquire", "release", "seq" };
	const char *slash = strrchr(op->file, '/');
	char text[80], place[40];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(place, sizeof(place), "%s:%d", slash ? slash + 1 : op->file, op->line);
	v_note("%-14s %-5s %-7s %-44s %s", place, kind_name(op), orders[op->order], op->what, text);
}

static const char *number(uint64_t value, char *text)
{
	snprintf(text, 24, value < 1000000 ? "%" PRIu64 : "0x%" PRIx64, value);
	return text;
}

/* --- lent memory ------------------------------------------------------------------------------ */

/* A store of the running thread to a location that only the checker knows. */
static void ghost_store(int *loc)
{
	unsigned int self = v_self();
	struct location *l;
	uint8_t id;

	if (*loc < 0)
		*loc = (int)loc_add(NULL, 0);
	l = &locs[*loc];
	id = (uint8_t)l->nr;
	if (l->nr == MAX_MESSAGES)
		v_fail("checker: too many messages");
	memset(&l->message[id], 0, sizeof(l->message[id]));
	l->order[l->nr] = id;
	l->rank[id] = (uint8_t)l->nr++;
	cur[self].message[*loc] = id;
	acq[self].message[*loc] = id;
}

static bool ghost_known(int loc)
{
	return loc < 0 || rank_in(&cur[v_self()], (unsigned int)loc) == locs[loc].nr - 1;
}

static void region_use(struct region *region, const struct v_op *op)
{
	if (!region->lent)
		v_fail("%s is used after it was taken back (%s)", region->name, op->what);
	if (!ghost_known(region->filled))
		v_fail("%s is used before it is known to be filled in (%s)", region->name,
		       op->what);
	ghost_store(&region->used[v_self()]);
}

void v_lend(const char *name)
{
	struct region *region = region_named(name);

	region->lent = true;
	ghost_store(&region->filled);
	v_note("%s is lent", name);
}

void v_take_back(const char *name)
{
	struct region *region = region_named(name);

	for (unsigned int t = 0; t < V_THREADS; t++)
		if (t != v_self() && !ghost_known(region->used[t]))
			v_fail("%s is taken back, a use of it is not known to be over", name);
	region->lent = false;
	v_note("%s is taken back", name);
}

/* --- entering an operation -------------------------------------------------------------------- */

static void region_check(const struct v_op *op, const struct region *region)
{
	bool write = op->kind != V_LOAD;

	if (!region)
		v_fail("%s outside the area: %s", write ? "store" : "load", op->what);
	if (!(region->flags & (write ? V_WRITE : V_READ)))
		v_fail("%s may not be %s: %s", region->name, write ? "written" : "read", op->what);
	if ((uintptr_t)op->at % op->size && !v_scenario->unaligned)
		v_fail("%s is not aligned to its size", op->what);
}

/* Returns the place, or NULL: memory of which nothing is remembered here. */
static struct place *enter(struct v_op *op)
{
	struct region *region = NULL;
	struct place *place = NULL;

	if ((v_scenario->hostile || v_scenario->direct) && v_self() != MAIN) {
		region = region_of(op->at, op->size);
	} else {
		place = place_of(op);
		region = place->region;
	}
	op->tag = region ? region->tag : V_TAG_OTHER;
	if (v_mutant && v_mutant->change)
		v_mutant->change(op);
	if (v_self() == MAIN)
		return place;
	region_check(op, region);
	if (v_scenario->hostile || v_scenario->direct) {
		v_i_step();
		return v_scenario->direct || region->flags & V_HOSTILE ? NULL : place_of(op);
	}
	if (v_i_observer(v_self()) && (op->kind != V_LOAD || op->order == V_SEQ))
		v_fail("checker: an observer does more than load: %s", op->what);
	place_touch(place, op);
	if (op->skip)
		return place;
	/* a membarrier changes what a thread knows: it must be able to come between any two uses */
	if (place->shared || (v_scenario->cpus && region->flags & V_LENT))
		v_i_point();
	v_i_step();
	if (region->flags & V_LENT)
		region_use(region->first, op);
	return place;
}

static uint64_t other_value(const struct v_op *op)
{
	uint64_t values[256], value;
	char text[24];

	if (v_scenario->direct)
		value = value_at(op->at, op->size);
	else
		value = values[v_i_choose(
			(unsigned int)v_scenario->hostile(op->what, op->size, values))];
	value = truncated(value, op->size);
	v_i_read(value);
	tell(op, "= %s", number(value, text));
	return value;
}

/* --- reading and writing messages ------------------------------------------------------------- */

static unsigned int oldest(unsigned int loc, enum v_order order)
{
	unsigned int rank = rank_in(&cur[v_self()], loc);

	if (order == V_SEQ && rank_in(&sc, loc) > rank)
		rank = rank_in(&sc, loc);
	return rank;
}

static struct message *message_at(unsigned int loc, unsigned int rank)
{
	return &locs[loc].message[locs[loc].order[rank]];
}

/* May something be put at this rank? Not between a read-modify-write and what it read. */
static bool rank_free(unsigned int loc, unsigned int rank)
{
	return rank == locs[loc].nr || !message_at(loc, rank)->atomic;
}

static void message_read(unsigned int loc, unsigned int rank, enum v_order order)
{
	unsigned int self = v_self();
	uint8_t id = locs[loc].order[rank];
	const struct view *view = &locs[loc].message[id].view;

	raise_to(&cur[self], loc, id);
	raise_to(&acq[self], loc, id);
	join(&acq[self], view);
	if (order == V_ACQUIRE || order == V_SEQ)
		join(&cur[self], view);
}

/* read: the view that a read-modify-write passes on, or NULL. */
static void message_write(const struct v_op *op, unsigned int loc, unsigned int rank,
			  uint64_t value, const struct view *read)
{
	struct location *l = &locs[loc];
	uint8_t id = (uint8_t)l->nr;
	unsigned int self = v_self();
	struct message *message = &l->message[id];

	if (l->nr == MAX_MESSAGES)
		v_fail("checker: too many messages");
	for (unsigned int i = l->nr++; i > rank; i--) {
		l->order[i] = l->order[i - 1];
		l->rank[l->order[i]] = (uint8_t)i;
	}
	l->order[rank] = id;
	l->rank[id] = (uint8_t)rank;
	message->value = truncated(value, op->size);
	message->mark = v_i_mark();
	message->atomic = read != NULL;
	cur[self].message[loc] = id;
	acq[self].message[loc] = id;
	message->view = op->order == V_RELEASE || op->order == V_SEQ ? cur[self] : rel[self];
	message->view.message[loc] = id;
	if (read)
		join(&message->view, read);
	if (op->order == V_SEQ)
		raise_to(&sc, loc, id);
}

static uint64_t load(const struct v_op *op, const struct place *place)
{
	unsigned int loc = (unsigned int)place->loc, rank, newer;
	uint64_t value;
	char text[24];

	if (place->loc < 0) {
		value = value_at(op->at, op->size);
	} else {
		/* the newest first: then the first execution is what a strong memory does */
		newer = v_self() == MAIN ? 0 : v_i_choose(locs[loc].nr - oldest(loc, op->order));
		rank = locs[loc].nr - 1 - newer;
		value = message_at(loc, rank)->value;
		message_read(loc, rank, op->order);
		tell(op, newer ? "= %s, %u newer" : "= %s", number(value, text), newer);
	}
	if (v_mutant && v_mutant->loaded)
		v_mutant->loaded(op, &value);
	v_i_read(value);
	return value;
}

static void store(const struct v_op *op, unsigned int loc)
{
	unsigned int ranks[MAX_MESSAGES + 1], nr = 0, rank;
	char text[24];

	for (rank = locs[loc].nr; rank > oldest(loc, op->order); rank--)
		if (rank_free(loc, rank))
			ranks[nr++] = rank;
	rank = ranks[v_i_choose(nr)];
	message_write(op, loc, rank, op->value, NULL);
	tell(op, rank < locs[loc].nr - 1 ? "<- %s, behind others" : "<- %s",
	     number(op->value, text));
}

/* The messages that a read-modify-write may read; a compare-and-swap may also fail by any value. */
static unsigned int rmw_ranks(const struct v_op *op, unsigned int loc, unsigned int *ranks)
{
	unsigned int nr = 0;

	for (unsigned int rank = locs[loc].nr; rank-- > oldest(loc, op->order);) {
		bool fails = op->kind == V_CAS && !op->blind &&
			     message_at(loc, rank)->value != op->expected;

		if (fails || rank_free(loc, rank + 1))
			ranks[nr++] = rank;
	}
	return nr;
}

/* --- the operations --------------------------------------------------------------------------- */

uint64_t v_load(const char *file, int line, const char *what, const void *p, size_t size,
		enum v_order order)
{
	struct v_op op = { .kind = V_LOAD,
			   .order = order,
			   .file = file,
			   .line = line,
			   .what = what,
			   .at = p,
			   .size = size };
	struct place *place = enter(&op);

	return place ? load(&op, place) : other_value(&op);
}

static void store_deferred(unsigned int self)
{
	v_i_sequence_end(); /* it was committed */
	for (unsigned int i = 0; i < nr_deferred[self]; i++) {
		const struct v_op *op = &deferred[self][i];

		if (i > 0 && place_of(op)->shared)
			v_i_point();
		store(op, (unsigned int)place_of(op)->loc);
	}
	nr_deferred[self] = 0;
}

void v_store(const char *file, int line, const char *what, void *p, size_t size, uint64_t value,
	     enum v_order order)
{
	struct v_op op = { .kind = V_STORE,
			   .order = order,
			   .file = file,
			   .line = line,
			   .what = what,
			   .at = p,
			   .size = size,
			   .value = value };
	struct place *place = enter(&op);
	unsigned int self = v_self();
	char text[24];

	if (self == MAIN)
		v_fail("checker: store outside a thread");
	if (!place) {
		if (v_scenario->direct)
			memcpy(p, &value, size);
		tell(&op, "<- %s", number(value, text));
		return;
	}
	if (op.skip)
		return;
	if (op.defer) {
		deferred[self][nr_deferred[self]++] = op;
		return;
	}
	store(&op, (unsigned int)place->loc);
	if (op.tag == V_TAG_POS && nr_deferred[self])
		store_deferred(self);
}

uint64_t v_add(const char *file, int line, const char *what, void *p, size_t size, uint64_t value,
	       enum v_order order)
{
	struct v_op op = { .kind = V_ADD,
			   .order = order,
			   .file = file,
			   .line = line,
			   .what = what,
			   .at = p,
			   .size = size,
			   .value = value };
	struct place *place = enter(&op);
	unsigned int ranks[MAX_MESSAGES], loc, rank;
	uint64_t was;
	char text[24];

	if (!place)
		return other_value(&op);
	loc = (unsigned int)place->loc;
	if (op.split) {
		was = load(&op, place);
		v_store(file, line, what, p, size, was + value, order);
		return was;
	}
	rank = ranks[v_i_choose(rmw_ranks(&op, loc, ranks))];
	was = message_at(loc, rank)->value;
	message_read(loc, rank, op.order);
	message_write(&op, loc, rank + 1, was + value, &message_at(loc, rank)->view);
	v_i_read(was);
	tell(&op, "%s + %" PRId64, number(was, text),
	     size == 4 ? (int64_t)(int32_t)value : (int64_t)value);
	return was;
}

/* In hostile memory a compare-and-swap does what it likes. */
static bool hostile_cas(const struct v_op *op, uint64_t *expected)
{
	bool done = v_i_choose(2) == 0;

	v_i_read(done);
	tell(op, done ? "taken" : "refused");
	if (done)
		return true;
	if (v_scenario->refused())
		v_prune();
	*expected = other_value(op);
	return false;
}

bool v_cas(const char *file, int line, const char *what, void *p, size_t size, uint64_t *expected,
	   uint64_t value, enum v_order order)
{
	struct v_op op = { .kind = V_CAS,
			   .order = order,
			   .file = file,
			   .line = line,
			   .what = what,
			   .at = p,
			   .size = size,
			   .value = value,
			   .expected = *expected };
	struct place *place = enter(&op);
	unsigned int ranks[MAX_MESSAGES], loc, rank;
	uint64_t was;
	char text[24], text2[24];

	if (!place)
		return hostile_cas(&op, expected);
	if (op.skip)
		return true;
	if (op.blind) {
		store(&op, (unsigned int)place->loc);
		return true;
	}
	loc = (unsigned int)place->loc;
	rank = ranks[v_i_choose(rmw_ranks(&op, loc, ranks))];
	was = message_at(loc, rank)->value;
	v_i_read(was);
	if (was != *expected) {
		message_read(loc, rank, V_RELAXED);
		tell(&op, "= %s, not %s", number(was, text), number(*expected, text2));
		*expected = was;
		return false;
	}
	message_read(loc, rank, op.order);
	message_write(&op, loc, rank + 1, value, &message_at(loc, rank)->view);
	tell(&op, "%s -> %s", number(was, text), number(value, text2));
	return true;
}

static void fence(unsigned int thread, enum v_order order)
{
	if (order == V_ACQUIRE || order == V_SEQ)
		cur[thread] = acq[thread];
	if (order == V_SEQ) {
		join(&cur[thread], &sc);
		sc = cur[thread];
		acq[thread] = cur[thread];
	}
	if (order == V_RELEASE || order == V_SEQ)
		rel[thread] = cur[thread];
}

void v_fence(const char *file, int line, enum v_order order)
{
	struct v_op op = {
		.kind = V_FENCE, .order = order, .file = file, .line = line, .what = ""
	};

	if (v_mutant && v_mutant->change)
		v_mutant->change(&op);
	if (op.skip)
		return;
	if (v_self() != MAIN && op.order == V_SEQ) {
		if (v_i_observer(v_self()))
			v_fail("checker: an observer has a sequentially consistent fence");
		v_i_point();
	}
	if (v_self() != MAIN)
		v_i_step();
	fence(v_self(), op.order);
	tell(&op, " ");
}

/* --- for explore.c ---------------------------------------------------------------------------- */

void v_i_memory_setup(void)
{
	nr_regions = 0;
	nr_locs = 0;
	memset(places, 0, sizeof(places));
}

void v_i_memory_begin(void)
{
	memset(cur, 0, sizeof(cur));
	memset(acq, 0, sizeof(acq));
	memset(rel, 0, sizeof(rel));
	memset(&sc, 0, sizeof(sc));
	memset(cpu_view, 0, sizeof(cpu_view));
	memset(nr_deferred, 0, sizeof(nr_deferred));
	for (unsigned int i = 0; i < nr_locs; i++)
		locs[i].nr = 1;
	for (unsigned int i = 0; i < nr_regions; i++)
		regions[i].lent = !(regions[i].flags & V_KEPT);
}

void v_i_memory_end(void)
{
	for (unsigned int loc = 0; loc < nr_locs; loc++)
		cur[MAIN].message[loc] = locs[loc].order[locs[loc].nr - 1];
}

static uint64_t view_hash(uint64_t hash, const struct view *view)
{
	uint64_t word = 0;

	for (unsigned int loc = 0; loc < nr_locs; loc++) {
		word = word << 8 | rank_in(view, loc);
		if (loc % 8 == 7) {
			hash = v_i_mix(hash, word);
			word = 0;
		}
	}
	return v_i_mix(hash, word);
}

/* Messages go by their rank: in which order they were made does not matter. */
uint64_t v_i_memory_hash(uint64_t hash)
{
	for (unsigned int loc = 0; loc < nr_locs; loc++) {
		hash = v_i_mix(hash, locs[loc].nr);
		for (unsigned int rank = 1; rank < locs[loc].nr; rank++) {
			const struct message *message = message_at(loc, rank);

			hash = v_i_mix(hash, message->value);
			hash = v_i_mix(hash, (uint64_t)message->mark << 1 | message->atomic);
			hash = view_hash(hash, &message->view);
		}
	}
	for (unsigned int t = 0; t < V_THREADS; t++) {
		if (!v_i_running(t))
			continue;
		hash = view_hash(hash, &cur[t]);
		hash = view_hash(hash, &acq[t]);
		hash = view_hash(hash, &rel[t]);
	}
	for (int cpu = 0; cpu < v_scenario->cpus; cpu++)
		hash = view_hash(hash, &cpu_view[cpu]);
	return view_hash(hash, &sc);
}

/*
 * A context switch: what ran on a CPU happens before what runs there next, and a thread that moves
 * takes along what it did.
 */
void v_i_switch_out(unsigned int thread, unsigned int cpu)
{
	join(&cpu_view[cpu], &cur[thread]);
}

void v_i_switch_in(unsigned int thread, unsigned int cpu)
{
	join(&cur[thread], &cpu_view[cpu]);
	join(&acq[thread], &cpu_view[cpu]);
}

void v_i_fence_all(void)
{
	fence(v_self(), V_SEQ);
	for (unsigned int t = 0; t < V_THREADS; t++)
		if (t != v_self())
			fence(t, V_SEQ);
	fence(v_self(), V_SEQ);
}

bool v_message(const void *p, unsigned int i, uint64_t *value, uint32_t *mark)
{
	for (unsigned int loc = 0; loc < nr_locs; loc++) {
		if (locs[loc].at != p)
			continue;
		if (i >= locs[loc].nr)
			return false;
		*value = message_at(loc, i)->value;
		*mark = i == 0 ? 0 : message_at(loc, i)->mark;
		return true;
	}
	if (i > 0)
		return false;
	*value = value_at(p, 8);
	*mark = 0;
	return true;
}
