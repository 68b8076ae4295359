// SPDX-License-Identifier: BSD-2-Clause
/*
 * v_litmus.c: is the checker itself right?
 *
 * The litmus tests of the literature on C11 atomics, each with the outcome that only a weak memory
 * has. Where the standard allows it the checker must find it, where not it must not. They run three
 * times: with each of the two reductions of the search, and without. One of them is allowed by the
 * standard and never found: load buffering, which this memory does not have.
 */
#include <string.h>

#include "model.h"
#include <tacho/atomic.h>
#include "v_scenarios.h"

struct litmus {
	const char *name;
	void (*thread[V_THREADS])(void);
	bool (*weak)(void); /* is what the threads read the weak outcome? */
	bool allowed;
	bool observed; /* threads 2 and 3 are observers */
};

static uint32_t x, y;
static uint32_t r[V_THREADS][2]; /* what each thread read */

#define R(i) (r[v_self()][i])

/* Message passing: is what was written before the flag there with the flag? */
static void mp_write(void)
{
	tacho_store_relaxed(&x, 1);
	tacho_store_relaxed(&y, 1);
}
static void mp_write_release(void)
{
	tacho_store_relaxed(&x, 1);
	tacho_store_release(&y, 1);
}
static void mp_write_fence(void)
{
	tacho_store_relaxed(&x, 1);
	tacho_fence_release();
	tacho_store_relaxed(&y, 1);
}
static void mp_read(void)
{
	R(0) = tacho_load_relaxed(&y);
	R(1) = tacho_load_relaxed(&x);
}
static void mp_read_acquire(void)
{
	R(0) = tacho_load_acquire(&y);
	R(1) = tacho_load_relaxed(&x);
}
static void mp_read_fence(void)
{
	R(0) = tacho_load_relaxed(&y);
	tacho_fence_acquire();
	R(1) = tacho_load_relaxed(&x);
}
static bool mp_weak(void)
{
	return r[2][0] == 1 && r[2][1] == 0;
}

/* The flag passes through a read-modify-write of a third thread: a release sequence. */
static void mp_pass(void)
{
	tacho_add_relaxed(&y, 1);
}
static bool mp_pass_weak(void)
{
	return r[2][0] == 2 && r[2][1] == 0;
}

/* The reader fails a compare-and-swap on the flag: a relaxed load. */
static void mp_read_cas(void)
{
	uint32_t expected = 7;

	tacho_cas_acquire(&y, &expected, 8);
	R(0) = expected;
	R(1) = tacho_load_relaxed(&x);
}

/* Store buffering: can both miss the other's store? */
static void sb_0(void)
{
	tacho_store_release(&x, 1);
	R(0) = tacho_load_acquire(&y);
}
static void sb_1(void)
{
	tacho_store_release(&y, 1);
	R(0) = tacho_load_acquire(&x);
}
static void sb_0_seq(void)
{
	tacho_store_seq(&x, 1);
	R(0) = tacho_load_seq(&y);
}
static void sb_1_seq(void)
{
	tacho_store_seq(&y, 1);
	R(0) = tacho_load_seq(&x);
}
static void sb_1_add(void)
{
	tacho_add_seq(&y, 1);
	R(0) = tacho_load_seq(&x);
}
static void sb_0_fence(void)
{
	tacho_store_relaxed(&x, 1);
	tacho_fence_seq();
	R(0) = tacho_load_relaxed(&y);
}
static void sb_1_fence(void)
{
	tacho_store_relaxed(&y, 1);
	tacho_fence_seq();
	R(0) = tacho_load_relaxed(&x);
}
static void sb_1_loose(void)
{
	tacho_store_relaxed(&y, 1);
	R(0) = tacho_load_seq(&x);
}
static bool sb_weak(void)
{
	return r[0][0] == 0 && r[1][0] == 0;
}

/* Load buffering: can both see a store that comes later? Not here. */
static void lb_0(void)
{
	R(0) = tacho_load_relaxed(&x);
	tacho_store_relaxed(&y, 1);
}
static void lb_1(void)
{
	R(0) = tacho_load_relaxed(&y);
	tacho_store_relaxed(&x, 1);
}
static bool lb_weak(void)
{
	return r[0][0] == 1 && r[1][0] == 1;
}

/* Independent reads of independent writes: do two readers agree on the order? */
static void iriw_x(void)
{
	tacho_store_release(&x, 1);
}
static void iriw_y(void)
{
	tacho_store_release(&y, 1);
}
static void iriw_x_seq(void)
{
	tacho_store_seq(&x, 1);
}
static void iriw_y_seq(void)
{
	tacho_store_seq(&y, 1);
}
static void iriw_read_xy(void)
{
	R(0) = tacho_load_acquire(&x);
	R(1) = tacho_load_acquire(&y);
}
static void iriw_read_yx(void)
{
	R(0) = tacho_load_acquire(&y);
	R(1) = tacho_load_acquire(&x);
}
static void iriw_read_xy_seq(void)
{
	R(0) = tacho_load_seq(&x);
	R(1) = tacho_load_seq(&y);
}
static void iriw_read_yx_seq(void)
{
	R(0) = tacho_load_seq(&y);
	R(1) = tacho_load_seq(&x);
}
static void iriw_read_xy_fence(void)
{
	R(0) = tacho_load_relaxed(&x);
	tacho_fence_seq();
	R(1) = tacho_load_relaxed(&y);
}
static void iriw_read_yx_fence(void)
{
	R(0) = tacho_load_relaxed(&y);
	tacho_fence_seq();
	R(1) = tacho_load_relaxed(&x);
}
static bool iriw_weak(void)
{
	return r[2][0] == 1 && r[2][1] == 0 && r[3][0] == 1 && r[3][1] == 0;
}

/* Coherence: one location has one order. */
static void co_write_1(void)
{
	tacho_store_relaxed(&x, 1);
}
static void co_write_2(void)
{
	tacho_store_relaxed(&x, 2);
}
static void co_read(void)
{
	R(0) = tacho_load_relaxed(&x);
	R(1) = tacho_load_relaxed(&x);
}
static bool co_weak(void)
{
	return r[2][0] == 1 && r[2][1] == 2 && r[3][0] == 2 && r[3][1] == 1;
}
static void co_write_read(void)
{
	tacho_store_relaxed(&x, 1);
	R(0) = tacho_load_relaxed(&x);
}
static bool co_own_weak(void)
{
	return r[0][0] == 0;
}

/* Two stores each, in opposite order: can the first of both be the last? */
static void ww_0(void)
{
	tacho_store_relaxed(&x, 1);
	tacho_store_relaxed(&y, 2);
}
static void ww_1(void)
{
	tacho_store_relaxed(&y, 1);
	tacho_store_relaxed(&x, 2);
}
static bool ww_weak(void)
{
	return tacho_load_relaxed(&x) == 1 && tacho_load_relaxed(&y) == 1;
}

/* Read-modify-writes lose nothing. */
static void add_2(void)
{
	tacho_add_relaxed(&x, 1);
	tacho_add_relaxed(&x, 1);
}
static bool add_weak(void)
{
	return tacho_load_relaxed(&x) != 4;
}
static void cas_1(void)
{
	uint32_t expected = 0;

	R(0) = tacho_cas_relaxed(&x, &expected, 1);
}
static bool cas_weak(void)
{
	return r[0][0] == r[1][0];
}
/* A store may come between two of them, but not into one. */
static void add_read(void)
{
	R(0) = tacho_add_relaxed(&x, 10);
}
static bool add_store_weak(void)
{
	return r[0][0] == 0 && tacho_load_relaxed(&x) == 11;
}

static const struct litmus tests[] = {
	{ "message passing, relaxed", { mp_write, NULL, mp_read }, mp_weak, true, true },
	{ "message passing, release only",
	  { mp_write_release, NULL, mp_read },
	  mp_weak,
	  true,
	  true },
	{ "message passing, acquire only",
	  { mp_write, NULL, mp_read_acquire },
	  mp_weak,
	  true,
	  true },
	{ "message passing", { mp_write_release, NULL, mp_read_acquire }, mp_weak, false, true },
	{ "message passing, fences",
	  { mp_write_fence, NULL, mp_read_fence },
	  mp_weak,
	  false,
	  true },
	{ "message passing, release and fence",
	  { mp_write_release, NULL, mp_read_fence },
	  mp_weak,
	  false,
	  true },
	{ "message passing, fence and acquire",
	  { mp_write_fence, NULL, mp_read_acquire },
	  mp_weak,
	  false,
	  true },
	{ "message passing, by way of a third",
	  { mp_write_release, mp_pass, mp_read_acquire },
	  mp_pass_weak,
	  false,
	  true },
	{ "message passing, failed swap",
	  { mp_write_release, NULL, mp_read_cas },
	  mp_weak,
	  true,
	  false },
	{ "store buffering, release and acquire", { sb_0, sb_1 }, sb_weak, true, false },
	{ "store buffering, one side", { sb_0_seq, sb_1 }, sb_weak, true, false },
	{ "store buffering, store not seq", { sb_0_seq, sb_1_loose }, sb_weak, true, false },
	{ "store buffering, seq", { sb_0_seq, sb_1_seq }, sb_weak, false, false },
	{ "store buffering, seq add", { sb_0_seq, sb_1_add }, sb_weak, false, false },
	{ "store buffering, fences", { sb_0_fence, sb_1_fence }, sb_weak, false, false },
	{ "load buffering", { lb_0, lb_1 }, lb_weak, false, false },
	{ "independent reads, acquire",
	  { iriw_x, iriw_y, iriw_read_xy, iriw_read_yx },
	  iriw_weak,
	  true,
	  true },
	{ "independent reads, seq",
	  { iriw_x_seq, iriw_y_seq, iriw_read_xy_seq, iriw_read_yx_seq },
	  iriw_weak,
	  false,
	  false },
	{ "independent reads, fences",
	  { iriw_x, iriw_y, iriw_read_xy_fence, iriw_read_yx_fence },
	  iriw_weak,
	  false,
	  false },
	{ "coherence", { co_write_1, co_write_2, co_read, co_read }, co_weak, false, true },
	{ "coherence, own store", { co_write_read, co_write_2 }, co_own_weak, false, false },
	{ "two stores each", { ww_0, ww_1 }, ww_weak, true, false },
	{ "additions", { add_2, add_2 }, add_weak, false, false },
	{ "one swap wins", { cas_1, cas_1 }, cas_weak, false, false },
	{ "store into an addition", { add_read, co_write_1 }, add_store_weak, false, false },
};
#define NR_TESTS (sizeof(tests) / sizeof(tests[0]))

static bool seen[NR_TESTS];
static const struct litmus *test;

static void run(void)
{
	v_forget((uint64_t)(test - tests)); /* states of different tests are different */
	if (test->thread[v_self()])
		test->thread[v_self()]();
}

static void begin(void)
{
	memset(r, 0, sizeof(r));
	test = &tests[v_choose(NR_TESTS)];
	while (v_scenario->thread[2].observer && !test->observed)
		test = &tests[(size_t)(test - tests + 1) % NR_TESTS];
	v_note("%s", test->name);
}

static void end(void)
{
	uint64_t outcome = (uint64_t)(test - tests);

	for (unsigned int i = 0; i < V_THREADS; i++)
		outcome = outcome * 409 + r[i][0] * 19 + r[i][1];
	v_outcome((outcome * 31 + tacho_load_relaxed(&x)) * 31 + tacho_load_relaxed(&y));
	if (!test->weak())
		return;
	v_check(test->allowed, "checker: %s: an outcome that cannot be", test->name);
	seen[test - tests] = true;
}

static void finish(void)
{
	for (size_t i = 0; i < NR_TESTS; i++)
		v_check(seen[i] == tests[i].allowed ||
				(v_scenario->thread[2].observer && !tests[i].observed),
			"checker: %s: not found", tests[i].name);
}

static void setup(void)
{
	memset(seen, 0, sizeof(seen));
	v_region("x", V_TAG_OTHER, &x, sizeof(x), V_READ | V_WRITE);
	v_region("y", V_TAG_OTHER, &y, sizeof(y), V_READ | V_WRITE);
}

#define THREAD(i) .name = #i, .run = run

const struct v_scenario v_litmus = {
	.name = "litmus",
	.says = "the checker knows the memory of C11",
	.setup = setup,
	.begin = begin,
	.end = end,
	.finish = finish,
	.thread = { { THREAD(0) }, { THREAD(1) }, { THREAD(2) }, { THREAD(3) } },
};

const struct v_scenario v_litmus_observer = {
	.name = "litmus/observer",
	.says = "the same with observers that run last",
	.setup = setup,
	.begin = begin,
	.end = end,
	.finish = finish,
	.thread = { { THREAD(0) },
		    { THREAD(1) },
		    { THREAD(2), .observer = true },
		    { THREAD(3), .observer = true } },
};

const struct v_scenario v_litmus_plain = {
	.name = "litmus/plain",
	.says = "the same without any reduction of the search",
	.setup = setup,
	.begin = begin,
	.end = end,
	.finish = finish,
	.thread = { { THREAD(0) }, { THREAD(1) }, { THREAD(2) }, { THREAD(3) } },
	.plain = true,
	.same_as = &v_litmus,
};
