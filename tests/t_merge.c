/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_merge.c: the order in which a merge delivers the rows of many logs, in one thread.
 */
#include <errno.h>

#include <tacho/hot.h>
#include <tacho/reader.h>

#include "place.h"
#include "t.h"

static void put_at(const struct place *place, uint32_t cpu, uint32_t log, uint64_t time,
		   uint64_t counter)
{
	struct tacho__row row = { .counter = counter };

	fake_time = time;
	T_EQ(tacho__generic_put(&place->hook, (tacho_u64)cpu * STRIDE, TACHO_ROUTE(log), &row,
				fake_now),
	     TACHO__DONE);
}

#define TIMED (TACHO_ENTRY_COUNTER | TACHO_CLOCK_TIME)

/* Logs of 64 rows with times that grow at random; the counter of a row is the number of its log. */
static void merge_fill(const struct place *place, uint64_t *state, uint64_t nr)
{
	static const uint32_t layouts[] = { TIMED, TACHO_ENTRY_COUNTER | TACHO_CLOCK_TICK, TIMED };
	uint64_t time = 100;

	for (uint32_t cpu = 0; cpu < CPUS; cpu++)
		for (uint32_t log = 1; log <= 3; log++)
			log_set(place, cpu, log, 64, layouts[log - 1]);
	while (nr-- > 0) {
		uint32_t cpu = (uint32_t)(t_random(state) % CPUS);
		uint32_t log = 1 + (uint32_t)(t_random(state) % 3);

		time += t_random(state) % 3;
		cpu_at(place, cpu)->tick = time;
		put_at(place, cpu, log, time, cpu * 100 + log);
	}
}

static void merge_add_all(struct tacho_merge *merge)
{
	for (uint32_t cpu = 0; cpu < CPUS; cpu++)
		for (uint32_t log = 1; log <= 3; log++)
			T_EQ(tacho_merge_add(merge, cpu, log, 1), 0);
}

T_CASE(merge_in_order)
{
	struct place place;
	uint64_t state = t_seed(), all = 0, lost = 0;
	const uint64_t nr = 400;

	T_NEED(place_init(&place));
	for (size_t max = 1; max <= 512; max = max * 2 + 1) {
		struct tacho_row last = { 0 }, rows[512];
		struct tacho_merge *merge;
		uint64_t total = 0;
		long got;

		merge_fill(&place, &state, nr);
		T_EQ(tacho_merge_open(&merge, &place.view), 0);
		merge_add_all(merge);
		while ((got = tacho_merge_read(merge, rows, max)) > 0) {
			T_OK((size_t)got == max || total + (uint64_t)got == nr);
			for (long i = 0; i < got; i++) {
				T_EQ(rows[i].counter / 100, rows[i].cpu);
				T_OK(rows[i].time > last.time || (rows[i].time == last.time &&
								  rows[i].counter >= last.counter));
				last = rows[i];
			}
			total += (uint64_t)got;
			tacho_merge_lost(merge, &all, &lost);
			T_EQ(all, total);
		}
		T_EQ(got, 0);
		T_EQ(total, nr);
		T_EQ(lost, 0);
		tacho_merge_close(merge);
	}
	tacho_merge_close(NULL);
	place_fini(&place);
}

/* Without a clock that others share a row comes behind those that have one, log by log. */
T_CASE(merge_without_time)
{
	static const uint32_t layouts[] = { TACHO_ENTRY_COUNTER, TIMED,
					    TACHO_ENTRY_COUNTER | TACHO_CLOCK_VIRTUAL, 0 };
	struct place place;
	struct tacho_merge *merge;
	struct tacho_row rows[16];

	T_NEED(place_init(&place));
	T_EQ(tacho_merge_open(&merge, &place.view), 0);
	for (uint32_t log = 1; log <= 4; log++) {
		log_set(&place, 0, log, 16, layouts[log - 1]);
		T_EQ(tacho_merge_add(merge, 0, log, 1), 0);
		for (uint64_t i = 0; i < 3; i++)
			put_at(&place, 0, log, 10 + i, i);
	}
	T_EQ(tacho_merge_read(merge, rows, 16), 12);
	for (size_t i = 0; i < 3; i++) {
		T_EQ(rows[i].time, 10 + i); /* log 2 */
		T_EQ(rows[3 + i].counter, i); /* log 1 */
		T_EQ(rows[3 + i].time, 0);
		T_EQ(rows[6 + i].time, i); /* log 3 */
		T_EQ(rows[6 + i].counter, i);
		T_EQ(rows[9 + i].counter, 0); /* log 4 */
		T_EQ(rows[9 + i].pos, i);
	}
	T_EQ(tacho_merge_read(merge, rows, 16), 0);
	tacho_merge_close(merge);
	place_fini(&place);
}

T_CASE(merge_goes_on)
{
	struct place place;
	struct tacho_merge *merge;
	struct tacho_row rows[16];
	uint64_t all, lost;

	T_NEED(place_init(&place));
	log_set(&place, 0, 1, 8, TIMED);
	log_set(&place, 1, 1, 8, TIMED);
	log_set(&place, 1, 2, 1, TIMED | TACHO_ADD);
	T_EQ(tacho_merge_open(&merge, &place.view), 0);
	T_EQ(tacho_merge_add(merge, 1, 2, 1), -EINVAL);
	T_EQ(tacho_merge_add(merge, 1, 0, 1), -EINVAL);
	T_EQ(tacho_merge_read(merge, rows, 16), 0);
	T_EQ(tacho_merge_add(merge, 0, 1, 1), 0);
	T_EQ(tacho_merge_add(merge, 1, 1, 1), 0);
	T_EQ(tacho_merge_read(merge, rows, 16), 0);
	for (uint64_t i = 0; i < 4; i++)
		put_at(&place, 0, 1, 10 * i, i);
	T_EQ(tacho_merge_read(merge, rows, 1), 1);
	/* older than what waits in the round that was begun: behind it, and in the same call */
	put_at(&place, 1, 1, 5, 99);
	T_EQ(tacho_merge_read(merge, rows, 16), 4);
	T_EQ(rows[0].counter, 1);
	T_EQ(rows[3].counter, 99);
	for (uint64_t i = 0; i < 20; i++)
		put_at(&place, 1, 1, 100 + i, i);
	T_EQ(tacho_merge_read(merge, rows, 16), 7);
	T_EQ(rows[6].counter, 19);
	tacho_merge_lost(merge, &all, &lost);
	T_EQ(all, 12);
	T_EQ(lost, 13);
	tacho_merge_close(merge);
	place_fini(&place);
}

/* What is written while a round is delivered belongs to the next one, whichever log it is in. */
T_CASE(merge_round_has_an_end)
{
	static struct tacho_row rows[128];
	struct place place;
	struct tacho_merge *merge;

	T_NEED(place_init(&place));
	log_set(&place, 0, 1, 128, TIMED);
	log_set(&place, 1, 1, 128, TIMED);
	T_EQ(tacho_merge_open(&merge, &place.view), 0);
	T_EQ(tacho_merge_add(merge, 0, 1, 1), 0);
	T_EQ(tacho_merge_add(merge, 1, 1, 1), 0);
	/* more than the merge takes out of a log at a time */
	for (uint64_t i = 0; i < 100; i++)
		put_at(&place, 0, 1, i, i);
	T_EQ(tacho_merge_read(merge, rows, 1), 1);
	put_at(&place, 0, 1, 300, 300);
	put_at(&place, 1, 1, 200, 200);
	T_EQ(tacho_merge_read(merge, rows, 128), 101);
	for (uint64_t i = 0; i < 99; i++)
		T_EQ(rows[i].time, i + 1);
	T_EQ(rows[99].time, 200);
	T_EQ(rows[100].time, 300);
	tacho_merge_close(merge);
	place_fini(&place);
}

T_MAIN
