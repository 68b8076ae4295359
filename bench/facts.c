// SPDX-License-Identifier: BSD-2-Clause
/*
 * facts.c: what the engine behind top and the scheduler takes for a row and for an interval.
 *
 * Rows in memory, as tacho_cursor_read delivers them, in calls of BATCH; no reader and no kernel is
 * measured here. 100 domains of 1024, on 2 CPUs.
 *
 *   floor     read the entries of the row and add them up
 *   service   cpu.service, as two busy CPUs switch
 *   wake      ipc.wake: each of the domains wakes 8 others
 *   wake-all  ipc.wake: every domain wakes every other one, 9900 pairs of the matrix
 *   mixed     service and wake, and what else is usually on: waits, system calls, interrupts...
 *
 *   end-N     ns/interval of an interval of 20 ms in which N domains ran and woke each other, with the
 *             rows that make it one; and asking for the matrix (end-N-pairs)
 *
 *   slices    ns/row of intervals with SLICES rows of cpu.service of 100 domains, each with a few
 *             partners; slices-kept: with options.overlaps; slices-asked: and asked who of the partners
 *             ran at the same time, and of all of them together
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "facts/facts.h"

#define ROWS	 (1u << 16)
#define BATCH	 256u
#define DOMAINS	 1024u
#define BUSY	 100u /* domains */
#define PARTNERS 8u
#define CPUS	 2u
#define END_NS	 20000000ull
#define SLICES	 4000u

enum { FLOOR, SERVICE, WAKE, WAKE_ALL, MIXED, NR_STREAMS };
static const char *const stream_name[] = { "floor", "service", "wake", "wake-all", "mixed" };

struct world {
	struct bench bench;
	struct tacho_facts *facts;
	struct tacho_row *rows;
	uint64_t random;
	uint64_t now_ns;
	double *samples;
};

static uint32_t below(struct world *world, uint32_t limit)
{
	world->random ^= world->random >> 12;
	world->random ^= world->random << 25;
	world->random ^= world->random >> 27;
	return (uint32_t)((world->random * 0x2545f4914f6cdd1du >> 33) % limit);
}

static void row_make(struct world *world, struct tacho_row *row, int stream, uint64_t *last)
{
	static const uint32_t others[] = {
		TACHO_K_CPU_WAIT, TACHO_K_CPU_RUNQ, TACHO_K_SYSCALL, TACHO_K_SYSCALL,
		TACHO_K_IRQ,	  TACHO_K_SOFTIRQ,  TACHO_K_NET_TX,  TACHO_K_MEM_FAULT,
		TACHO_K_MEM_RSS,  TACHO_K_IPC_PIPE,
	};
	uint32_t kind = below(world, 10);

	*row = (struct tacho_row){
		.cpu = below(world, CPUS),
		.domain = 2 + below(world, BUSY),
		.correspondent = 2 + below(world, BUSY),
		.counter = 1000 + below(world, 100000),
	};
	if (stream == WAKE || stream == WAKE_ALL || (stream == MIXED && kind < 2)) {
		uint32_t away = 1 + below(world, stream == WAKE_ALL ? BUSY - 1 : PARTNERS);

		row->event = TACHO_K_IPC_WAKE;
		row->correspondent = 2 + (row->domain - 2 + away) % BUSY;
	} else if (stream == MIXED && kind < 6) {
		row->event = others[below(world, 10)];
		row->correspondent &= 1;
	} else {
		row->event = TACHO_K_CPU_SERVICE;
		last[row->cpu] += row->counter;
	}
	row->time = last[row->cpu];
}

static void stream_make(struct world *world, int stream)
{
	uint64_t last[CPUS] = { world->now_ns, world->now_ns };

	for (uint32_t i = 0; i < ROWS; i++)
		row_make(world, &world->rows[i], stream, last);
}

static uint64_t floor_run(const struct tacho_row *rows, size_t nr)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < nr; i++)
		sum += rows[i].time + rows[i].counter + rows[i].event + rows[i].domain +
		       rows[i].correspondent + rows[i].cpu;
	return sum;
}

static void stream_run(struct world *world, int stream, uint64_t nr)
{
	for (uint64_t done = 0; done < nr; done += BATCH) {
		const struct tacho_row *rows = &world->rows[done % ROWS];
		uint64_t sum = 0;

		if (stream == FLOOR)
			sum = floor_run(rows, BATCH);
		else if (tacho_facts_rows(world->facts, rows, BATCH) != 0)
			world->bench.failed++;
		BENCH_KEEP(sum);
	}
}

/* Every row makes sense: one that was ignored was not measured. */
static void stream_measure(struct world *world, int stream)
{
	const uint64_t nr = (world->bench.nr + ROWS - 1) / ROWS * ROWS;

	if (!bench_wants(&world->bench, stream_name[stream]))
		return;
	stream_make(world, stream);
	for (unsigned int run = 0; run < world->bench.runs; run++) {
		uint64_t start;

		stream_run(world, stream, ROWS);
		start = bench_ticks();
		stream_run(world, stream, nr);
		world->samples[run] =
			(double)(bench_ticks() - start) * world->bench.ns_per_tick / (double)nr;
		world->now_ns += END_NS;
		tacho_facts_end(world->facts, world->now_ns);
	}
	if (tacho_facts_ignored(world->facts) != 0) {
		bench_say(&world->bench, "%s: rows were ignored", stream_name[stream]);
		world->bench.failed++;
		return;
	}
	bench_print(&world->bench, stream_name[stream], "ns/row", "ns", world->samples,
		    world->bench.runs);
}

/* One interval in which every one of nr domains ran once and woke the next one. */
static void interval_run(struct world *world, uint32_t nr, bool with_pairs)
{
	const struct tacho_facts_pair *pairs;
	struct tacho_row rows[2] = { { .event = TACHO_K_CPU_SERVICE, .counter = 1000 },
				     { .event = TACHO_K_IPC_WAKE, .counter = 1 } };

	for (uint32_t i = 0; i < nr; i++) {
		rows[0].time = world->now_ns + i * 1000;
		rows[0].domain = rows[1].domain = 2 + i;
		rows[1].correspondent = 2 + (i + 1) % nr;
		tacho_facts_rows(world->facts, rows, 2);
	}
	world->now_ns += END_NS;
	tacho_facts_running(world->facts, 0, 2, world->now_ns - 1000);
	tacho_facts_end(world->facts, world->now_ns);
	if (with_pairs && tacho_facts_pairs(world->facts, &pairs) < nr)
		world->bench.failed++;
}

static void end_measure(struct world *world, uint32_t nr, bool with_pairs)
{
	const unsigned int times = 200;
	char name[32];

	snprintf(name, sizeof(name), "end-%u%s", nr, with_pairs ? "-pairs" : "");
	if (!bench_wants(&world->bench, name))
		return;
	for (unsigned int run = 0; run < world->bench.runs; run++) {
		uint64_t start;

		interval_run(world, nr, with_pairs);
		start = bench_ticks();
		for (unsigned int i = 0; i < times; i++)
			interval_run(world, nr, with_pairs);
		world->samples[run] =
			(double)(bench_ticks() - start) * world->bench.ns_per_tick / times;
	}
	bench_print(&world->bench, name, "ns/interval", "ns", world->samples, world->bench.runs);
}

/* Who ran at the same time: all pairs, and one crowd. */
static uint64_t overlaps_ask(struct world *world)
{
	const struct tacho_facts_pair *pairs;
	const uint32_t *domains;
	size_t nr = tacho_facts_pairs(world->facts, &pairs);
	uint64_t sum = 0;

	for (size_t i = 0; i < nr; i++)
		sum += tacho_facts_together(world->facts, pairs[i].from, pairs[i].to);
	nr = tacho_facts_domains(world->facts, &domains);
	return sum + tacho_facts_crowd(world->facts, domains, nr);
}

/* The rows of the last interval, END_NS later. */
static void slices_run(struct world *world, bool with_asking)
{
	uint64_t sum;

	for (uint32_t i = 0; i < SLICES + BUSY; i++)
		world->rows[i].time += END_NS;
	if (tacho_facts_rows(world->facts, world->rows, SLICES + BUSY) != 0)
		world->bench.failed++;
	world->now_ns += END_NS;
	tacho_facts_end(world->facts, world->now_ns);
	if (!with_asking)
		return;
	sum = overlaps_ask(world);
	BENCH_KEEP(sum);
	if (sum == 0)
		world->bench.failed++;
}

static void slices_measure(struct world *world, const char *name, bool with_asking)
{
	uint64_t last[CPUS] = { world->now_ns - END_NS, world->now_ns - END_NS };
	const unsigned int times = 50;

	if (!bench_wants(&world->bench, name))
		return;
	for (uint32_t i = 0; i < SLICES + BUSY; i++) {
		struct tacho_row *row = &world->rows[i];

		row_make(world, row, i < SLICES ? SERVICE : WAKE, last);
		if (i >= SLICES)
			continue;
		row->time -= row->counter;
		last[row->cpu] -= row->counter;
		row->counter = row->counter * END_NS / SLICES / 51500 * CPUS * 9 / 10;
		row->time += row->counter;
		last[row->cpu] += row->counter;
	}
	for (unsigned int run = 0; run < world->bench.runs; run++) {
		uint64_t start;

		slices_run(world, with_asking);
		start = bench_ticks();
		for (unsigned int i = 0; i < times; i++)
			slices_run(world, with_asking);
		world->samples[run] =
			(double)(bench_ticks() - start) * world->bench.ns_per_tick / times / SLICES;
	}
	bench_print(&world->bench, name, "ns/row", "ns", world->samples, world->bench.runs);
}

/* A new engine: what the last case left in the matrix is not the next one's. */
static int facts_renew(struct world *world, bool with_overlaps)
{
	const struct tacho_facts_options options = {
		.nr_domains = DOMAINS,
		.nr_cpus = CPUS,
		.overlaps = with_overlaps,
	};
	int ret;

	tacho_facts_destroy(world->facts);
	world->facts = NULL;
	ret = tacho_facts_create(&world->facts, &options);
	world->now_ns = END_NS;
	if (ret == 0)
		tacho_facts_end(world->facts, world->now_ns);
	return ret;
}

int main(int argc, char **argv)
{
	static const char *const slices[] = { "slices", "slices-kept", "slices-asked" };
	static const uint32_t ends[] = { 3, 100, 1000 };
	struct world world = { .random = 42 };
	int ret = 0;

	bench_open(&world.bench, "facts", 15, 1u << 20, argc, argv);
	world.rows = malloc(ROWS * sizeof(*world.rows));
	world.samples = calloc(world.bench.runs, sizeof(*world.samples));
	if (!world.rows || !world.samples)
		ret = -ENOMEM;
	for (int stream = 0; ret == 0 && stream < NR_STREAMS; stream++) {
		ret = facts_renew(&world, false);
		if (ret == 0)
			stream_measure(&world, stream);
	}
	for (size_t i = 0; ret == 0 && i < 2 * sizeof(ends) / sizeof(ends[0]); i++) {
		ret = facts_renew(&world, false);
		if (ret == 0)
			end_measure(&world, ends[i / 2], i % 2);
	}
	for (int i = 0; ret == 0 && i < 3; i++) {
		ret = facts_renew(&world, i > 0);
		if (ret == 0)
			slices_measure(&world, slices[i], i == 2);
	}
	if (ret) {
		bench_say(&world.bench, "%s", strerror(-ret));
		world.bench.failed++;
	}
	tacho_facts_destroy(world.facts);
	free(world.samples);
	free(world.rows);
	return bench_status(&world.bench);
}
