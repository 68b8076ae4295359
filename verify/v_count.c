// SPDX-License-Identifier: BSD-2-Clause
/*
 * v_count.c: sampling and adding logs: nothing is counted twice and nothing is forgotten.
 *
 * Two writers, one of them with a signal handler. tacho__generic_sample and tacho__generic_write as
 * they are, or the restartable writer of v_rseq.c.
 */
#include <string.h>

#include "model.h"
#include "v_area.h"
#include "v_rseq.h"
#include "v_scenarios.h"

#define WRITERS	      2
#define NEW_THRESHOLD 7

struct count_options {
	struct v_area_options area;
	unsigned int events[WRITERS]; /* of each writer; the handler has one more */
	bool rseq;
};

static struct v_area area;
static const struct count_options *options;
static unsigned int fired[WRITERS]; /* events that became rows */
static unsigned int counted; /* events in all */
static uint64_t added; /* sum of their counters */

/* As lib/hot.c and lib/slow.c do it. True: a row. */
static bool sample_rseq(void)
{
	enum tacho__result result = v_rseq_write(&area.hook, 1, V_DOMAINS + 1, 1, false, NULL);

	if (result == TACHO__SAMPLED)
		result = v_rseq_sample(&area.hook, 1, V_DOMAINS + 1);
	if (result != TACHO__DUE)
		return false;
	result = v_rseq_write(&area.hook, 1, V_DOMAINS + 1, 1, true, NULL);
	v_check(result == TACHO__DONE, "a row that is due is not written");
	return true;
}

static bool sample(void)
{
	return options->rseq ? sample_rseq() : tacho__generic_sample(v_area_sample(&area, 0, 1));
}

static void add(uint64_t counter)
{
	enum tacho__result result;

	if (options->rseq)
		result = v_rseq_write(&area.hook, 1, V_DOMAINS + 1, counter, false, NULL);
	else
		result = tacho__generic_write(&area.hook, 0, 1, V_DOMAINS + 1, counter, NULL);
	v_check(result == TACHO__DONE, "an event is not added");
}

static void event_log(unsigned int writer, uint64_t counter)
{
	if (options->area.layout & TACHO_ADD)
		add(counter);
	else if (sample())
		fired[writer]++;
	counted++;
	added += counter;
}

static void writer(unsigned int index)
{
	for (unsigned int i = 0; i < options->events[index]; i++) {
		v_forget(i << 8 | fired[index]);
		event_log(index, 10 * index + i + 1);
	}
	v_forget(99u << 8 | fired[index]);
}

static void writer_0(void)
{
	writer(0);
}

static void writer_1(void)
{
	writer(1);
}

/* The session changes its mind: fewer rows. */
static void session(void)
{
	tacho_store_relaxed(&v_area_sample(&area, 0, 1)->threshold, NEW_THRESHOLD);
}

static void handler(void)
{
	event_log(0, 100);
}

static void end_sum(void)
{
	const struct tacho_control *control = v_area_control(&area, 0);
	uint64_t sum;

	v_check(tacho_view_sum(&area.view, 0, 1, &sum) == 0, "the reader refuses the sum");
	v_check(sum == added, "the sum is not the sum");
	v_check(tacho_load_relaxed(&control->pos) == 0, "an adding log has a position");
}

static void end_session(void)
{
	v_check(tacho_load_relaxed(&v_area_sample(&area, 0, 1)->threshold) == NEW_THRESHOLD,
		"the session's new threshold is gone");
}

static void end(void)
{
	unsigned int threshold = options->area.threshold, rows = fired[0] + fired[1];

	if (v_rseq_entered > counted)
		v_cover("a sequence began again");
	if (options->area.layout & TACHO_ADD) {
		end_sum();
		return;
	}
	v_check(!options->rseq || tacho_load_relaxed(&v_area_control(&area, 0)->pos) == rows,
		"the log does not have the rows that were due");
	v_check(rows == counted / threshold, "not every threshold-th event became a row");
	v_check(tacho_load_relaxed(&v_area_sample(&area, 0, 1)->count) == counted % threshold,
		"the count is not what is left");
}

static void begin(void)
{
	memset(fired, 0, sizeof(fired));
	counted = 0;
	added = 0;
	v_rseq_entered = 0;
}

static void setup(void)
{
	options = v_scenario->arg;
	v_area_make(&area, 0, &options->area);
	area.hook.nr_cpus = 1;
	area.hook.generic_cpus = 1;
	v_region("hook", V_TAG_HOOK, &area.hook, sizeof(area.hook), V_READ);
}

#define ADD	  (TACHO_ADD | TACHO_ENTRY_COUNTER)
#define WRITER(i) .name = "writer " #i, .run = writer_##i
#define AGAIN	  "a sequence began again"

const struct v_scenario v_sample_generic = {
	.name = "sample/generic",
	.says = "of n events by two writers and a handler every third becomes a row",
	.setup = setup,
	.begin = begin,
	.end = end,
	.thread = { { WRITER(0), .handler = handler }, { WRITER(1) } },
	.arg = &(const struct count_options){ { 1, 2, 0, 3, 0 }, { 3, 3 }, false },
	.mutants = "SAMPLE",
};

const struct v_scenario v_sample_rseq = {
	.name = "sample/rseq",
	.says = "the same with restartable writers on one CPU",
	.setup = setup,
	.begin = begin,
	.end = end,
	.thread = { { WRITER(0), .handler = handler }, { WRITER(1) } },
	.cpus = 1,
	.preemptions = 3,
	.arg = &(const struct count_options){ { 1, 2, 0, 3, 0 }, { 3, 3 }, true },
	.cover = { AGAIN },
	.mutants = "RESTART",
};

const struct v_scenario v_sample_session = {
	.name = "sample/session",
	.says = "the session changes a threshold while restartable writers count",
	.setup = setup,
	.begin = begin,
	.end = end_session,
	.thread = { { WRITER(0) }, { .name = "session", .run = session, .cpu = 1 } },
	.cpus = 2,
	.arg = &(const struct count_options){ { 1, 2, 0, 3, 0 }, { 3, 0 }, true },
	.mutants = "THRESHOLD",
};

const struct v_scenario v_add_generic = {
	.name = "add/generic",
	.says = "the sum of an adding log is exact, two writers and a handler",
	.setup = setup,
	.begin = begin,
	.end = end,
	.thread = { { WRITER(0), .handler = handler }, { WRITER(1) } },
	.arg = &(const struct count_options){ { 1, 2, ADD, 0, 0 }, { 3, 3 }, false },
	.mutants = "ADD",
};

const struct v_scenario v_add_rseq = {
	.name = "add/rseq",
	.says = "the same with restartable writers on one CPU",
	.setup = setup,
	.begin = begin,
	.end = end,
	.thread = { { WRITER(0), .handler = handler }, { WRITER(1) } },
	.cpus = 1,
	.preemptions = 3,
	.arg = &(const struct count_options){ { 1, 2, ADD, 0, 0 }, { 3, 3 }, true },
	.cover = { AGAIN },
	.mutants = "RESTART",
};
