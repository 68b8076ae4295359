// SPDX-License-Identifier: BSD-2-Clause
/*
 * mutants.c: what is removed from the code to see that the checker would notice.
 *
 * A mutant changes accesses on their way into the memory of the model, by what they touch and by
 * their order, so that the code under test stays as it is. Those without a function are done by the
 * scenario, with v_mutant_is: a mask of all ones in a hook is a mask removed.
 */
#include <string.h>

#include "model_i.h"

const struct v_mutant *v_mutant;

/* By thread: behind an acquire fence, and the position that it saw ahead of it. */
static bool fenced[V_THREADS + 1];
static uint64_t first_look[V_THREADS + 1];

static bool is(const struct v_op *op, enum v_kind kind, enum v_tag tag, enum v_order order)
{
	return op->kind == kind && op->tag == tag && op->order == order;
}

static void no_a(struct v_op *op)
{
	if (is(op, V_STORE, V_TAG_POS, V_RELEASE))
		op->order = V_RELAXED;
}

static void no_a2(struct v_op *op)
{
	if (is(op, V_LOAD, V_TAG_POS, V_ACQUIRE))
		op->order = V_RELAXED;
}

static void no_b(struct v_op *op)
{
	if (op->kind == V_FENCE && op->order == V_ACQUIRE)
		op->skip = true;
}

static void no_c(struct v_op *op)
{
	if (op->kind == V_FENCE && op->order == V_RELEASE)
		op->skip = true;
}

static void no_l(struct v_op *op)
{
	if (is(op, V_CAS, V_TAG_LOCK, V_ACQUIRE))
		op->order = V_RELAXED;
}

static void no_l2(struct v_op *op)
{
	if (is(op, V_STORE, V_TAG_LOCK, V_RELEASE))
		op->order = V_RELAXED;
}

static void no_lock(struct v_op *op)
{
	if (op->tag == V_TAG_LOCK)
		op->skip = true;
}

static void position_first(struct v_op *op)
{
	if (op->kind == V_STORE && op->tag == V_TAG_ROW)
		op->defer = true;
}

/* The second look is the load of the position behind the acquire fence: let it miss one row. */
static void wide_window(struct v_op *op)
{
	if (op->kind == V_FENCE)
		fenced[v_self()] = op->order == V_ACQUIRE;
}

static void wide_window_loaded(const struct v_op *op, uint64_t *value)
{
	if (op->tag != V_TAG_POS)
		return;
	if (fenced[v_self()] && *value > first_look[v_self()])
		--*value;
	first_look[v_self()] = *value; /* the second look is the first one of what comes next */
	fenced[v_self()] = false;
}

static void plain_add(struct v_op *op)
{
	if (op->kind == V_ADD && op->tag == V_TAG_SUM)
		op->split = true;
}

static void plain_count(struct v_op *op)
{
	if (op->kind == V_CAS && op->tag == V_TAG_COUNT)
		op->blind = true;
}

/* Every sequentially consistent access becomes an acquire or a release. */
static void weaken(struct v_op *op)
{
	if (op->order == V_SEQ && op->kind != V_FENCE)
		op->order = op->kind == V_LOAD ? V_ACQUIRE : V_RELEASE;
}

/* The writer's half of G: its increment and its look at the hook. */
static void no_g(struct v_op *op)
{
	if ((op->tag == V_TAG_GUARD && op->kind == V_ADD) ||
	    (op->tag == V_TAG_HOOK && op->kind == V_LOAD))
		weaken(op);
}

/* The control thread's half: the clearing, the fence behind it and the sum. */
static void no_g2(struct v_op *op)
{
	if (op->kind == V_FENCE && op->order == V_SEQ)
		op->skip = true;
	if ((op->tag == V_TAG_GUARD && op->kind == V_LOAD) ||
	    (op->tag == V_TAG_HOOK && op->kind == V_STORE) || op->tag == V_TAG_GUARD_SET)
		weaken(op);
}

static void no_g3(struct v_op *op)
{
	if (op->tag == V_TAG_GUARD && op->kind == V_ADD && op->order == V_RELEASE)
		op->order = V_RELAXED;
}

static void no_guard(const struct v_op *op, uint64_t *value)
{
	if (op->tag == V_TAG_GUARD && op->kind == V_LOAD)
		*value = 0;
}

static void no_h(struct v_op *op)
{
	if (is(op, V_STORE, V_TAG_HOOK, V_RELEASE))
		op->order = V_RELAXED;
}

static void no_h2(struct v_op *op)
{
	if (is(op, V_LOAD, V_TAG_HOOK, V_ACQUIRE) || is(op, V_LOAD, V_TAG_HOOK, V_SEQ))
		op->order = V_RELAXED;
}

/*
 * One turn of tacho_i_grace instead of two: its second store of the set does not happen and its
 * second sum is zero. A fence begins a grace period.
 */
static unsigned int turns;

static void one_set(struct v_op *op)
{
	if (op->kind == V_FENCE && op->order == V_SEQ)
		turns = 0;
	if (op->kind == V_STORE && op->tag == V_TAG_GUARD_SET)
		op->skip = ++turns == 2;
}

static void one_set_loaded(const struct v_op *op, uint64_t *value)
{
	if (op->tag == V_TAG_GUARD && op->kind == V_LOAD && turns == 2)
		*value = 0;
}

static const struct v_mutant mutants[] = {
	{ "A", "the position is stored without release", no_a, NULL },
	{ "A2", "the reader's first look at the position is no acquire", no_a2, NULL },
	{ "B", "no fence between the reader's copy and its second look", no_b, NULL },
	{ "C", "no fence between the writer's last position and its row", no_c, NULL },
	{ "L", "the lock is taken without acquire", no_l, NULL },
	{ "L2", "the lock is given back without release", no_l2, NULL },
	{ "LOCK", "no lock", no_lock, NULL },
	{ "ORDER", "the position is stored before the row", position_first, NULL },
	{ "WINDOW", "the reader also keeps the row that is being replaced", wide_window,
	  wide_window_loaded },
	{ "ADD", "the sum is read and written, not added to", plain_add, NULL },
	{ "SAMPLE", "the count of a sample is written whatever it has become", plain_count, NULL },
	{ "THRESHOLD", "a count writes the threshold beside it, as it found it", NULL, NULL },
	{ "RESTART", "a sequence that was preempted goes on", NULL, NULL },
	{ "CPU", "the CPU is asked for ahead of the sequence", NULL, NULL },
	{ "VIRTUAL", "the virtual clock stands still", NULL, NULL },
	{ "MASK_ROW", "the offset of the row is not masked", NULL, NULL },
	{ "MASK_CONTROL", "the route is not masked", NULL, NULL },
	{ "MASK_DOMAIN", "the domain is not masked", NULL, NULL },
	{ "MASK_PRINCIPAL", "the principal is not masked", NULL, NULL },
	{ "BOUND", "the reader does not look where the body ends", NULL, NULL },
	{ "SCRATCH", "no scratch page behind the body", NULL, NULL },
	{ "G", "the writer's entry is not sequentially consistent", no_g, NULL },
	{ "G2", "the control thread's side is not sequentially consistent", no_g2, NULL },
	{ "G3", "a writer leaves without release", no_g3, NULL },
	{ "GUARD", "the control thread does not wait for writers out of line", NULL, no_guard },
	{ "H", "the hook is put into use without release", no_h, NULL },
	{ "H2", "the hook's use is seen without acquire", no_h2, NULL },
	{ "GRACE", "the area is taken back without waiting", NULL, NULL },
	{ "ONE_SET", "only the set that is current is waited for", one_set, one_set_loaded },
	{ "REFILL", "a hook is filled in again although a writer may be late", NULL, NULL },
	{ "MEMBARRIER", "sequences are not restarted when a hook goes", NULL, NULL },
	{ "HOIST", "whether the hook is in use is asked ahead of the sequence", NULL, NULL },
};

const struct v_mutant *v_mutant_find(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(mutants) / sizeof(mutants[0]); i++)
		if (strlen(mutants[i].name) == len && !memcmp(mutants[i].name, name, len))
			return &mutants[i];
	return NULL;
}

bool v_mutant_is(const char *name)
{
	return v_mutant && !strcmp(v_mutant->name, name);
}

void v_mutant_begin(void)
{
	memset(fenced, 0, sizeof(fenced));
	turns = 0;
}
