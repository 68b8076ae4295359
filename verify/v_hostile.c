// SPDX-License-Identifier: BSD-2-Clause
/*
 * v_hostile.c: an area whose bytes are whatever the other party likes, at every load anew.
 *
 * One event, logged once, or one look of the reader; every load of the area gives each of a set of
 * values that mean most trouble. A writer may touch nothing but the principals (read) and the part
 * with its scratch page, the reader nothing but the body, and both come to an end. Values are not
 * remembered, so that two loads of one field differ too.
 */
#include <string.h>

#include "model.h"
#include "v_area.h"
#include "v_rseq.h"
#include "v_scenarios.h"

#define MAX_REFUSALS                                                                               \
	2 /* of one compare-and-swap; an area that never stops costs time, not safety */

#define MAX_STEPS 40 /* accesses of one look at two rows */

static struct v_area area;
static unsigned int refusals;

/* Of the event and of its correspondent: the program's, who may say what he likes too. */
static const uint32_t principals[][2] = {
	{ 0, V_DOMAINS },
	{ V_PRINCIPALS, V_DOMAINS },
	{ 0, TACHO_NONE },
	{ TACHO_NONE, V_PRINCIPALS + 1 },
};

static tacho_u64 now(tacho_u32 source)
{
	(void)source;
	return 1;
}

static int copy(uint64_t *values, const uint64_t *from, size_t nr)
{
	memcpy(values, from, nr * sizeof(*from));
	return (int)nr;
}
#define VALUES(...)                                                                                \
	copy(values, (const uint64_t[]){ __VA_ARGS__ },                                            \
	     sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

/* One layout of each row size, each clock, all adding; and what is no layout. */
static int layouts(uint64_t *values)
{
	if (v_full) {
		for (int i = 0; i < 255; i++)
			values[i] = (uint64_t)i;
		values[255] = 0xffffff3f;
		return 256;
	}
	return VALUES(0x3f, 0x00, 0x01, 0x03, 0x0f, 0x18, 0x2f, 0x30, 0x40, 0x7f, 0x80, 0xffffff3f);
}

/* By the expression that is loaded. A correspondent's domain is compared, never part of an address. */
static int hostile(const char *what, size_t size, uint64_t *values)
{
	if (strstr(what, "layout"))
		return layouts(values);
	if (strstr(what, "routes"))
		return VALUES(64, 0x7fffffc0, 63, 0, 0x80000000, 0xffffffff);
	if (strstr(what, "principals[correspondent"))
		return VALUES(0, 0xffffffff);
	if (strstr(what, "principals"))
		return VALUES(0, V_DOMAINS, 0xffffffff);
	if (strstr(what, "lock") || strstr(what, "clock") || strstr(what, "tick") ||
	    strstr(what, "entry") || strstr(what, "->event") || strstr(what, "->domain"))
		return VALUES(0); /* never part of an address */
	if (strstr(what, "sample"))
		return VALUES(0, 0xffffffff);
	if (strstr(what, "row_mask"))
		return VALUES(1, 0x7fffffff, 0xffffffff);
	if (strstr(what, "rows_off"))
		return VALUES(0, 4095, 4096, 0xffffffff);
	return size == 8 ? VALUES(0, 0x7fffffff, UINT64_MAX) : VALUES(0, 1, 0xffffffff);
}

/* The checker asks for both outcomes of every compare-and-swap; not forever. */
static bool refused(void)
{
	return ++refusals > MAX_REFUSALS;
}

static void generic(void)
{
	const uint32_t *principal =
		principals[v_choose(sizeof(principals) / sizeof(principals[0]))];

	tacho__generic_write(&area.hook, 0, principal[0], principal[1], 1, now);
}

/* The three sequences, each by itself: what one has read is nothing to the next. */
static void rseq(void)
{
	const uint32_t *principal =
		principals[v_choose(sizeof(principals) / sizeof(principals[0]))];

	switch (v_choose(3)) {
	case 0:
		v_rseq_write(&area.hook, principal[0], principal[1], 1, false, now);
		break;
	case 1:
		v_rseq_write(&area.hook, principal[0], principal[1], 1, true, now);
		break;
	default:
		v_rseq_sample(&area.hook, principal[0], principal[1]);
	}
}

/* --- the reader ------------------------------------------------------------------------------- */

static int reader_hostile(const char *what, size_t size, uint64_t *values)
{
	if (strstr(what, "layout"))
		return VALUES(0x3f, 0x00, 0x7f);
	if (strstr(what, "row_mask"))
		return v_full ? VALUES(1, 127, 0xffffffff) : VALUES(1, 0xffffffff);
	if (strstr(what, "rows_off"))
		return VALUES(1024, 1u << 20, 0xffffffe0);
	if (strstr(what, "pos"))
		return VALUES(0, 3, 1u << 31, UINT64_MAX);
	return hostile(what, size, values);
}

static void look(void)
{
	struct tacho_window window;
	struct tacho_cursor cursor;
	struct tacho_row row;

	if (tacho_cursor_init(&cursor, &area.view, 0, 1, v_choose(2) != 0) ||
	    tacho_window_open(&window, &cursor, &area.view))
		return;
	if (window.begin != window.end) {
		tacho_window_row(&window, window.begin, &row);
		tacho_window_row(&window, window.end - 1, &row);
	}
	tacho_window_close(&window, &cursor, &area.view);
}

static void reader(void)
{
	uint64_t sum;

	if (v_choose(2))
		tacho_view_sum(&area.view, 0, 1, &sum);
	else
		look();
	v_check(v_steps() <= MAX_STEPS, "one look takes more than %d accesses", MAX_STEPS);
}

static void reader_setup(void)
{
	const struct v_area_options options = { 1, 2, TACHO_ENTRIES_ALL, 1, V_HOSTILE };

	v_area_make(&area, 0, &options);
	if (v_mutant_is("BOUND"))
		area.view.header.body_size = 1u << 31;
}

/* --- scenarios -------------------------------------------------------------------------------- */

static void begin(void)
{
	refusals = 0;
}

static void setup(void)
{
	const struct v_area_options options = { 1, 2, TACHO_ENTRIES_ALL, 1, V_HOSTILE };

	v_area_make(&area, 0, &options);
	area.hook.nr_cpus = 1;
	area.hook.generic_cpus = 1;
	v_region("hook", V_TAG_HOOK, &area.hook, sizeof(area.hook), V_READ);
}

const struct v_scenario v_hostile_generic = {
	.name = "hostile/generic",
	.says = "no access outside the area whatever is in it, generic writer",
	.setup = setup,
	.begin = begin,
	.thread = { { .name = "writer", .run = generic } },
	.hostile = hostile,
	.refused = refused,
	.mutants = "MASK_ROW MASK_CONTROL MASK_DOMAIN MASK_PRINCIPAL",
};

const struct v_scenario v_hostile_rseq = {
	.name = "hostile/rseq",
	.says = "the same, restartable writer",
	.setup = setup,
	.begin = begin,
	.thread = { { .name = "writer", .run = rseq } },
	.cpus = 1,
	.unaligned = true,
	.hostile = hostile,
	.refused = refused,
	.mutants = "MASK_ROW MASK_CONTROL MASK_DOMAIN MASK_PRINCIPAL SCRATCH",
};

const struct v_scenario v_hostile_reader = {
	.name = "hostile/reader",
	.says = "the same, reader",
	.setup = reader_setup,
	.begin = begin,
	.thread = { { .name = "reader", .run = reader } },
	.hostile = reader_hostile,
	.refused = refused,
	.mutants = "BOUND",
};
