// SPDX-License-Identifier: BSD-2-Clause
/*
 * v_transcript.c: is v_rseq.c what arch/x86_64.h does?
 *
 * One event on an area, by the transcription in the model and by the assembler in memory, with every
 * layout byte, ordinary and lying control registers, every kind of route and principal. Results and
 * all bytes of the part must be the same. This does not show that the loads and stores are made in
 * the same order; that is for the reader of the two files.
 */
#include <string.h>

#include "model.h"
#include "v_area.h"
#include "v_asm.h"
#include "v_rseq.h"
#include "v_scenarios.h"

#define PART_SIZE (2 * TACHO_PAGE) /* body and scratch */
#define NOW	  0x1122334455667788ull /* what the model's clock says */
#define COUNTER	  0x8877665544332211ull
#define TRIES	  4 /* a sequence that was interrupted may skip a number of the virtual clock */

static struct v_area area, real;
static unsigned char made[PART_SIZE]; /* the part as setup made it */
static unsigned char before[PART_SIZE]; /* the part as the execution finds it */
static uint32_t layout, principal, correspondent;
static unsigned int operation; /* 0 write, 1 write a sampled row, 2 sample */
static int result;

static tacho_u64 now(tacho_u32 source)
{
	(void)source;
	return NOW;
}

static void run(void)
{
	if (operation == 2)
		result = (int)v_rseq_sample(&area.hook, principal, correspondent);
	else
		result = (int)v_rseq_write(&area.hook, principal, correspondent, COUNTER,
					   operation == 1, now);
}

static int run_real(void)
{
	memcpy(v_area_part(&real, 0), before, PART_SIZE);
	if (operation == 2)
		return v_asm_sample(&real.hook, principal, correspondent);
	return v_asm_write(&real.hook, principal, correspondent, COUNTER, operation == 1);
}

/* The time-stamp counter is what it is: put what the model has in its place. */
static void time_forget(void)
{
	const unsigned char *model = v_area_part(&area, 0);
	unsigned char *part = v_area_part(&real, 0);
	uint64_t want = NOW, time;

	for (unsigned int at = 0; at + sizeof(want) <= PART_SIZE; at++) {
		if (memcmp(model + at, &want, sizeof(want)) != 0)
			continue;
		memcpy(&time, part + at, sizeof(time));
		v_check(time != 0, "the assembler stores no time");
		memcpy(part + at, &want, sizeof(want));
	}
}

static void end(void)
{
	const unsigned char *model = v_area_part(&area, 0);
	int real_result = -1;

	for (int i = 0; i < TRIES; i++) {
		real_result = run_real();
		time_forget();
		if (real_result == result && !memcmp(model, v_area_part(&real, 0), PART_SIZE))
			return;
	}
	v_check(real_result == result, "layout 0x%02x: result %d in the model, %d in the assembler",
		layout, result, real_result);
	for (unsigned int at = 0; at < PART_SIZE; at++)
		v_check(model[at] == v_area_part(&real, 0)[at],
			"layout 0x%02x: byte %u of the part is %u in the model, %u in the assembler",
			layout, at, model[at], v_area_part(&real, 0)[at]);
}

/* A value out of few: which does not matter, only that all of them come. */
#define ANY(...)                                                                                   \
	(((const uint64_t[]){ __VA_ARGS__ })[v_choose(sizeof((const uint64_t[]){ __VA_ARGS__ }) /  \
						      sizeof(uint64_t))])

static void begin(void)
{
	struct tacho_control *control = v_area_control(&area, 0);
	struct tacho_cpu *cpu = (struct tacho_cpu *)(void *)v_area_part(&area, 0);
	struct tacho_sample *sample = v_area_sample(&area, 0, 1);
	tacho_u32 *routes = (tacho_u32 *)(void *)area.hook.routes;

	memcpy(v_area_part(&area, 0), made, PART_SIZE);
	operation = v_choose(3);
	layout = operation == 2 ? 0x3f : v_choose(256);
	control->layout = layout | 0xab00;
	control->pos = operation == 2 ? 0 : ANY(0, 5, UINT64_MAX);
	control->row_mask = (uint32_t)(control->pos == 5 ? ANY(3, 0xffffffff) : 1);
	control->rows_off = (uint32_t)(operation == 2 ? 1024 : ANY(1024, 4095));
	cpu->virtual_clock = 41;
	cpu->tick = 42;
	*v_area_sum(&area, 0) = 43;
	/* the guessed route, none, another spelling of it, a sampled one */
	routes[1] = (uint32_t)ANY(64, 0, 65, 0x80000040);
	routes[0] = routes[1];
	principal = (uint32_t)(operation == 0 ? ANY(1, V_PRINCIPALS) : 1);
	correspondent = (uint32_t)ANY(V_DOMAINS + 1, 1, TACHO_NONE);
	sample->threshold = operation == 2 ? (uint32_t)ANY(0, 1, 2, 0xffffffff) : 0;
	sample->count = operation == 2 ? (uint32_t)ANY(0, 1, 0xffffffff) : 0;
	memcpy(before, v_area_part(&area, 0), PART_SIZE);
}

static const char *skip(void)
{
	return v_asm_usable() ? NULL : "no restartable sequences here";
}

static void setup(void)
{
	const struct v_area_options options = { 1, 2, 0, 0, 0 };

	v_area_make(&area, 0, &options);
	v_area_make(&real, 1, &options);
	memcpy(made, v_area_part(&area, 0), PART_SIZE);
	area.hook.nr_cpus = 1;
	v_asm_hook(&real.hook);
	v_region("hook", V_TAG_HOOK, &area.hook, sizeof(area.hook), V_READ);
}

const struct v_scenario v_transcript = {
	.name = "rseq/transcript",
	.says = "the transcription of the restartable writer does what the assembler does",
	.setup = setup,
	.begin = begin,
	.end = end,
	.skip = skip,
	.thread = { { .name = "writer", .run = run } },
	.cpus = 1,
	.unaligned = true,
	.direct = true,
	.mutants = "VIRTUAL",
};
