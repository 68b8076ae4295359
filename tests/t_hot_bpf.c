// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_hot_bpf.c: the writer in eBPF, run in user space.
 *
 * The same header, compiled for this machine: so the sanitizers see it, an interrupt can be put
 * where it hurts, and its rows are compared with what the reader makes of them. That the verifier
 * accepts it is for the t_kernel tests.
 */
#include <errno.h>
#include <tacho/reader.h>
#include <tacho/session.h>

#include "bpf_stub.h"
#include "t.h"

#include <tacho/hot.bpf.h>

#include "lib/internal.h"

#define DOMAINS 8u
#define EVENTS	8u

static uint64_t clock_ns;
static void (*interrupt)(void); /* comes in the middle of a row, when its time is taken */

static unsigned long long bpf_ktime_get_ns(void)
{
	void (*now)(void) = interrupt;

	interrupt = NULL;
	if (now)
		now();
	return ++clock_ns;
}

struct bed {
	struct tacho_memory memory;
	struct tacho_view view;
	struct tacho_geometry geometry;
};
static struct bed bed;

static void bed_open(void)
{
	const struct tacho_area_options options = {
		.component = TACHO_COMPONENT_KERNEL,
		.nr_cpus = 2,
		.nr_domains = DOMAINS,
		.nr_events = EVENTS,
		.nr_logs = 256,
		.nr_principals = 2 * DOMAINS,
		.rows_size = 64 << 10,
		.clock_source = TACHO_SOURCE_MONOTONIC,
		.flags = TACHO_AREA_ARRAY,
	};
	const struct tacho_area *h;

	T_NEED(tacho_memory_create(&bed.memory, &options) == 0);
	T_NEED(tacho_view_open(&bed.view, bed.memory.base, bed.memory.size, NULL, 0) == 0);
	h = &bed.view.header;
	T_EQ(h->parts_off % h->part_stride, 0);
	bed.geometry = (struct tacho_geometry){
		.nr_cpus = h->nr_cpus,
		.first = (uint32_t)(h->parts_off / h->part_stride),
		.body_mask = h->body_size - 1,
		.routes_off = h->routes_off,
		.samples_off = h->samples_off,
		.principals_off = (uint32_t)h->principals_off,
		.principal_mask = h->nr_principals - 1,
		.domain_mask = h->nr_domains - 1,
		.control_mask = (h->nr_logs - 1) * (uint32_t)sizeof(struct tacho_control),
	};
	clock_ns = 1000;
	interrupt = NULL;
}

static void *part_of(uint32_t cpu)
{
	return bed.memory.base + bed.view.header.parts_off + cpu * bed.view.header.part_stride;
}

static int log_to(uint32_t event, uint32_t rows, uint32_t layout, uint32_t threshold)
{
	int log = tacho_memory_log_add(&bed.memory, rows, layout, TACHO_NONE, TACHO_NONE);

	T_OK(log > 0);
	T_EQ(tacho_memory_route(&bed.memory, event, TACHO_NONE, (uint32_t)log, threshold), 0);
	return log;
}

static void happens(uint32_t event, uint32_t domain, uint32_t correspondent, uint64_t counter)
{
	const struct tacho_bpf_event what = { event, domain, correspondent, 0, counter, 0 };

	tacho_bpf_log(&bed.geometry, part_of(0), &what);
}

static size_t rows_of(int log, struct tacho_row *row, size_t max)
{
	struct tacho_cursor cursor;

	T_EQ(tacho_cursor_init(&cursor, &bed.view, 0, (uint32_t)log, 1), 0);
	return tacho_cursor_read(&cursor, &bed.view, row, max);
}

T_CASE(every_layout_reads_as_it_was_written)
{
	bed_open();
	for (uint32_t layout = 0; layout < TACHO_ADD; layout++) {
		int log = log_to(1, 8, layout, 1);
		uint64_t time = clock_ns;
		struct tacho_row row[8];

		for (uint32_t i = 0; i < 3; i++)
			happens(1, 2, 3, 70 + i);
		T_EQ(rows_of(log, row, 8), 3);
		for (uint32_t i = 0; i < 3; i++) {
			T_EQ(row[i].pos, i);
			T_EQ(row[i].counter, layout & TACHO_ENTRY_COUNTER ? 70 + i : 0);
			T_EQ(row[i].event, layout & TACHO_ENTRY_EVENT ? 1 : TACHO_NONE);
			T_EQ(row[i].domain, layout & TACHO_ENTRY_DOMAIN ? 2 : TACHO_NONE);
			T_EQ(row[i].correspondent,
			     layout & TACHO_ENTRY_CORRESPONDENT ? 3 : TACHO_NONE);
			if ((layout & TACHO_CLOCK_MASK) == TACHO_CLOCK_TIME)
				T_EQ(row[i].time, time + 1 + i);
		}
	}
	tacho_memory_destroy(&bed.memory);
}

T_CASE(inside_a_domain_is_no_event_but_a_number_is)
{
	struct tacho_bpf_event data = { 1, 2, 2, 1, 5, 0 };
	struct tacho_row row[8];
	int log;

	bed_open();
	log = log_to(1, 8, TACHO_CLOCK_TIME | TACHO_ENTRIES_ALL, 1);
	happens(1, 2, 2, 4);
	happens(2, 2, 3, 4); /* no route */
	T_EQ(rows_of(log, row, 8), 0);
	tacho_bpf_log(&bed.geometry, part_of(0), &data);
	T_EQ(rows_of(log, row, 8), 1);
	T_EQ(row[0].correspondent, 2);
	tacho_memory_destroy(&bed.memory);
}

T_CASE(thresholds_and_sums)
{
	struct tacho_row row[32];
	uint64_t sum;
	int log, adding;

	bed_open();
	log = log_to(1, 32, TACHO_CLOCK_TIME | TACHO_ENTRIES_ALL, 3);
	adding = log_to(2, 1, TACHO_ADD | TACHO_ENTRY_COUNTER, 1);
	for (uint32_t i = 0; i < 30; i++) {
		happens(1, 2, 3, i);
		happens(2, 2, 3, i);
	}
	T_EQ(rows_of(log, row, 32), 10);
	for (uint32_t i = 0; i < 10; i++)
		T_EQ(row[i].counter, 3 * i + 2);
	T_EQ(tacho_view_sum(&bed.view, 0, (uint32_t)adding, &sum), 0);
	T_EQ(sum, 30 * 29 / 2);
	tacho_memory_destroy(&bed.memory);
}

/* An undefined layout is counted, and nothing is written. */
T_CASE(an_undefined_layout_is_lost)
{
	struct tacho_control *control;
	int log;

	bed_open();
	log = log_to(1, 8, TACHO_ENTRIES_ALL, 1);
	control = (void *)((unsigned char *)part_of(0) + TACHO_CONTROLS_OFF);
	control[log].layout = TACHO_LAYOUTS;
	happens(1, 2, 3, 4);
	T_EQ(tacho_view_lost(&bed.view, 0, TACHO_LOST_LAYOUT), 1);
	T_EQ(control[log].pos, 0);
	tacho_memory_destroy(&bed.memory);
}

static void same_log(void)
{
	happens(1, 4, 5, 99);
}

static void other_log(void)
{
	happens(2, 4, 5, 99);
}

/* Inside of a row of the same log: that event is lost and counted, the row is whole. */
T_CASE(an_interrupt_inside_a_row)
{
	struct tacho_row row[8];
	int log, other;

	bed_open();
	log = log_to(1, 8, TACHO_CLOCK_TIME | TACHO_ENTRIES_ALL, 1);
	other = log_to(2, 8, TACHO_CLOCK_TIME | TACHO_ENTRIES_ALL, 1);
	interrupt = same_log;
	happens(1, 2, 3, 70);
	happens(1, 2, 3, 71);
	interrupt = other_log;
	happens(1, 2, 3, 72);
	T_EQ(tacho_view_lost(&bed.view, 0, TACHO_LOST_BUSY), 1);
	T_EQ(rows_of(log, row, 8), 3);
	for (uint32_t i = 0; i < 3; i++) {
		T_EQ(row[i].counter, 70 + i);
		T_EQ(row[i].domain, 2);
		T_EQ(row[i].correspondent, 3);
	}
	T_EQ(rows_of(other, row, 8), 1);
	T_EQ(row[0].counter, 99);
	T_EQ(row[0].domain, 4);
	tacho_memory_destroy(&bed.memory);
}

/* What the verifier proves in the kernel: whatever the part says, nothing outside is touched. */
T_CASE(random_parts_stay_in_their_element)
{
	uint64_t seed = t_seed();
	unsigned char *before, *behind;

	bed_open();
	before = part_of(0);
	behind = part_of(1);
	for (int round = 0; round < 300; round++) {
		uint64_t *words = part_of(0);
		uint32_t sum = 0;

		for (size_t i = 0; i < bed.view.header.part_stride / 8; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			/* mostly small numbers, so that routes lead somewhere */
			words[i] = seed >> (seed % 3 * 24);
		}
		memset(before - 64, 0xa5, 64);
		memset(behind, 0xa5, bed.view.header.part_stride);
		for (uint32_t i = 0; i < 200; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			happens((seed >> 20) % EVENTS, (seed >> 30) % DOMAINS,
				(uint32_t)(seed >> 40), seed);
		}
		for (size_t i = 0; i < bed.view.header.part_stride; i++)
			sum += behind[i] != 0xa5;
		for (size_t i = 0; i < 64; i++)
			sum += before[i - 64] != 0xa5;
		T_EQ(sum, 0);
		if (sum)
			break;
	}
	tacho_memory_destroy(&bed.memory);
}

T_CASE(what_runs_is_a_pair)
{
	struct tacho_cpu *cpu;
	uint32_t domain;
	uint64_t since;

	bed_open();
	cpu = part_of(0);
	T_EQ(tacho_view_running(&bed.view, 0, &domain, &since), -ENODATA);
	T_EQ(tacho_view_running(&bed.view, 2, &domain, &since), -EINVAL);
	tacho_bpf_running(&bed.geometry, cpu, 5, 77);
	T_EQ(tacho_view_running(&bed.view, 0, &domain, &since), 0);
	T_EQ(domain, 5);
	T_EQ(since, 77);
	cpu->running_domain = 0xffffffff; /* a lie */
	T_EQ(tacho_view_running(&bed.view, 0, &domain, &since), 0);
	T_OK(domain < DOMAINS);
	tacho_memory_destroy(&bed.memory);
}

T_CASE(principals_are_masked)
{
	bed_open();
	T_EQ(tacho_memory_bind(&bed.memory, 3, 6), 0);
	T_EQ(tacho_bpf_domain(&bed.geometry, bed.memory.base, 3), 6);
	T_EQ(tacho_bpf_domain(&bed.geometry, bed.memory.base, 3 + 2 * DOMAINS), 6);
	T_OK(tacho_bpf_domain(&bed.geometry, bed.memory.base, TACHO_NONE) < DOMAINS);
	tacho_memory_destroy(&bed.memory);
}

T_MAIN
