/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_reader_race.c: the reader against writers at full speed, writers that were killed, and a component
 * that rewrites its area at random. t_reader.c has what one thread can decide.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tacho/hot.h>
#include <tacho/reader.h>

#include "place.h"
#include "t.h"

/* --- while it is written -------------------------------------------------------------------------- */

enum how { BY_COPY, IN_PLACE, IN_STEPS };

struct race {
	struct place place;
	uint64_t nr;
	uint32_t cpu;
	uint32_t stop;
};

static void *race_writer(void *arg)
{
	struct race *race = arg;

	for (uint64_t pos = 0; pos < race->nr; pos++)
		if (put(&race->place, race->cpu, 1, pos) != TACHO__DONE)
			T_FAIL("row %llu was not written", (unsigned long long)pos);
	return NULL;
}

/* One pass through a window in place. Returns how many rows were good. */
static size_t read_in_place(struct tacho_cursor *cursor, const struct tacho_view *view,
			    struct tacho_row *rows)
{
	struct tacho_window window;
	uint64_t n, bad;

	if (!T_EQ(tacho_window_open(&window, cursor, view), 0))
		return 0;
	n = window.end - window.begin;
	for (uint64_t i = 0; i < n; i++)
		tacho_window_row(&window, window.begin + i, &rows[i]);
	bad = tacho_window_close(&window, cursor, view);
	memmove(rows, rows + bad, (size_t)(n - bad) * sizeof(*rows));
	return (size_t)(n - bad);
}

/* The same in steps of 16 rows, to the position that the log has at the beginning. */
static size_t read_in_steps(struct tacho_cursor *cursor, const struct tacho_view *view,
			    struct tacho_row *rows)
{
	struct tacho_window window;
	uint64_t until, n, bad;
	size_t got = 0;

	if (!T_EQ(tacho_window_open(&window, cursor, view), 0))
		return 0;
	until = window.end;
	do {
		window.end = window.begin + 16 < until ? window.begin + 16 : until;
		n = window.end - window.begin;
		for (uint64_t i = 0; i < n; i++)
			tacho_window_row(&window, window.begin + i, &rows[got + i]);
		bad = tacho_window_next(&window, cursor, view);
		memmove(rows + got, rows + got + bad, (size_t)(n - bad) * sizeof(*rows));
		got += (size_t)(n - bad);
	} while (window.begin < until);
	return got;
}

/* Read a log to its end while it is written; every row that is delivered is whole, all are counted. */
static void race_run(struct race *race, uint32_t rows, uint32_t layout, enum how how)
{
	static struct tacho_row row[1024];
	struct tacho_cursor cursor;
	pthread_t writer;
	uint64_t last = 0;

	log_set(&race->place, 0, 1, rows, layout);
	T_NEED(tacho_cursor_init(&cursor, &race->place.view, 0, 1, 1) == 0);
	T_NEED(pthread_create(&writer, NULL, race_writer, race) == 0);
	while (cursor.pos < race->nr) {
		size_t got;

		if (how == IN_PLACE)
			got = read_in_place(&cursor, &race->place.view, row);
		else if (how == IN_STEPS)
			got = read_in_steps(&cursor, &race->place.view, row);
		else
			got = tacho_cursor_read(&cursor, &race->place.view, row, 1024);

		for (size_t i = 0; i < got; i++) {
			if (!row_is_good(&row[i], layout, row_of(row[i].pos).time) ||
			    row[i].pos < last || row[i].pos >= race->nr) {
				T_FAIL("row %llu after %llu", (unsigned long long)row[i].pos,
				       (unsigned long long)last);
				break;
			}
			last = row[i].pos + 1;
		}
	}
	pthread_join(writer, NULL);
	T_EQ(cursor.rows + cursor.lost, race->nr);
	T_EQ(cursor.resets, 0);
	T_OK(rows == 1 || layout == 0 || cursor.rows >= rows - 1);
}

static void race_all(enum how how)
{
	struct race race = { .nr = T_TSAN || T_ASAN ? 20000 : 300000 };

	T_NEED(place_init(&race.place));
	for (uint32_t rows = 1; rows <= 1024; rows *= 4) {
		race_run(&race, rows, FULL, how);
		race_run(&race, 2 * rows < 1024 ? 2 * rows : rows, ENTRIES, how);
	}
	place_fini(&race.place);
}

T_CASE(race_read)
{
	race_all(BY_COPY);
}

T_CASE(race_in_place)
{
	race_all(IN_PLACE);
}

T_CASE(race_in_steps)
{
	race_all(IN_STEPS);
}

static tacho_u64 steady_now(tacho_u32 source)
{
	(void)source;
	return t_now_ns();
}

/* The whole operation, from principals and route on; the counter is the number of the event. */
static void *event_writer(void *arg)
{
	struct race *race = arg;

	for (uint64_t i = 0; i < race->nr; i++)
		if (tacho__generic_write(&race->place.hook, race->cpu, 0, 1, i, steady_now) !=
		    TACHO__DONE)
			T_FAIL("event %llu was not written", (unsigned long long)i);
	return NULL;
}

static int merge_check(const struct tacho_row *rows, long got, uint64_t *next)
{
	for (long i = 0; i < got; i++) {
		if (rows[i].cpu > 1 || rows[i].counter != rows[i].pos || rows[i].event != 0 ||
		    rows[i].domain != 0 || rows[i].correspondent != 1 ||
		    rows[i].pos < next[rows[i].cpu] || (i > 0 && rows[i].time < rows[i - 1].time))
			return 0;
		next[rows[i].cpu] = rows[i].pos + 1;
	}
	return 1;
}

T_CASE(race_merge)
{
	static struct tacho_row rows[4096];
	struct race race[2] = { { .nr = 50000 }, { .nr = 50000, .cpu = 1 } };
	uint64_t next[2] = { 0, 0 }, all = 0, lost = 0;
	struct tacho_merge *merge;
	pthread_t writer[2];

	T_NEED(place_init(&race[0].place));
	T_NEED(tacho_merge_open(&merge, &race[0].place.view) == 0);
	race[1].place = race[0].place;
	for (uint32_t cpu = 0; cpu < 2; cpu++) {
		uint32_t *route =
			(uint32_t *)(void *)(race[0].place.hook.routes + (size_t)cpu * STRIDE);

		log_set(&race[0].place, cpu, 1, 512, FULL);
		*route = TACHO_ROUTE(1);
		T_EQ(tacho_merge_add(merge, cpu, 1, 1), 0);
	}
	for (int i = 0; i < 2; i++)
		T_NEED(pthread_create(&writer[i], NULL, event_writer, &race[i]) == 0);
	while (all + lost < race[0].nr + race[1].nr) {
		/* all that one call finds is in order */
		long got = tacho_merge_read(merge, rows, 4096);

		if (got < 0 || !merge_check(rows, got, next)) {
			T_FAIL("a row is not what was written, or not in order");
			break;
		}
		tacho_merge_lost(merge, &all, &lost);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(writer[i], NULL);
	T_EQ(all + lost, race[0].nr + race[1].nr);
	tacho_merge_close(merge);
	place_fini(&race[0].place);
}

/* A component that was killed at any point of a row leaves an area that can be read. */
T_CASE(writer_is_killed)
{
	static struct tacho_row rows[256];
	struct place place;
	struct tacho_control *control;
	struct tacho_cursor cursor;
	uint64_t pos;

	T_NEED(place_init(&place));
	control = log_set(&place, 0, 1, 256, FULL);
	for (int round = 1; round <= 20; round++) {
		size_t got;
		pid_t child;

		control->pos = 0;
		control->lock = 0;
		T_EQ(tacho_cursor_init(&cursor, &place.view, 0, 1, 1), 0);
		child = fork();
		T_NEED(child >= 0);
		if (child == 0) {
			for (pos = 0;; pos++)
				put(&place, 0, 1, pos);
		}
		while (tacho_load_relaxed(&control->pos) < (uint64_t)round * 100)
			sched_yield();
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		pos = control->pos;
		got = tacho_cursor_read(&cursor, &place.view, rows, 256);
		T_EQ(got, pos < 256 ? pos : 255);
		for (size_t i = 0; i < got; i++)
			T_OK(row_is_good(&rows[i], FULL, row_of(rows[i].pos).time));
		expect_counts(&cursor, pos, got, pos - got, 0);
	}
	place_fini(&place);
}

/* Values that a hostile component would choose. */
static void *scribbler(void *arg)
{
	struct race *race = arg;
	uint64_t state = race->nr;

	while (!tacho_load_relaxed(&race->stop)) {
		uint32_t cpu = (uint32_t)(t_random(&state) % CPUS);
		struct tacho_control *control = control_at(&race->place, cpu, 1);
		uint64_t value = t_random(&state) >> (t_random(&state) % 64);

		switch (t_random(&state) % 6) {
		case 0:
			tacho_store_relaxed(&control->pos, value);
			break;
		case 1:
			tacho_add_relaxed(&control->pos, value & 0xff);
			break;
		case 2:
			tacho_store_relaxed(&control->rows_off,
					    (tacho_u32)value & (BODY - 1) & ~31u);
			break;
		case 3:
			tacho_store_relaxed(&control->row_mask, (1u << (value % 32)) - 1);
			break;
		case 4:
			tacho_store_relaxed(&control->layout, (tacho_u32)value & 0x7f);
			break;
		default: /* any word of the header */
			tacho_store_relaxed((uint64_t *)(void *)race->place.base + value % 96,
					    value);
			break;
		}
	}
	return NULL;
}

/* The window that was opened lies in the body of its part, and every row of it can be touched. */
static void window_probe(const struct place *place, struct tacho_cursor *cursor)
{
	const unsigned char *body = place->hook.parts + (size_t)cursor->cpu * STRIDE;
	struct tacho_window window;
	struct tacho_row row;
	uint64_t n;

	if (tacho_window_open(&window, cursor, &place->view))
		return;
	T_OK(window.rows >= body && window.rows < body + BODY);
	T_OK(!window.row_size ||
	     window.rows + ((uint64_t)window.row_mask + 1) * window.row_size <= body + BODY);
	n = window.end - window.begin;
	T_OK(n <= 1ull << 56 && (!window.row_size || n <= window.row_mask));
	for (uint64_t i = 0; i < n && i < 100; i++)
		tacho_window_row(&window, window.begin + i, &row);
	T_OK(tacho_window_close(&window, cursor, &place->view) <= n);
}

T_CASE(hostile_area)
{
	static struct tacho_row rows[300];
	struct race race = { .nr = t_seed() };
	struct tacho_cursor cursors[CPUS];
	struct tacho_merge *merge;
	struct tacho_view other;
	pthread_t thread;
	uint64_t end, sum;
	char why[160];

	T_NEED(place_init(&race.place));
	T_NEED(tacho_merge_open(&merge, &race.place.view) == 0);
	for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
		log_set(&race.place, cpu, 1, 64, FULL);
		T_EQ(tacho_merge_add(merge, cpu, 1, 1), 0);
		T_EQ(tacho_cursor_init(&cursors[cpu], &race.place.view, cpu, 1, 1), 0);
	}
	T_NEED(pthread_create(&thread, NULL, scribbler, &race) == 0);
	for (end = t_now_ns() + 500000000u; t_now_ns() < end;) {
		for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
			window_probe(&race.place, &cursors[cpu]);
			T_OK(tacho_cursor_read(&cursors[cpu], &race.place.view, rows, 300) <= 300);
			tacho_view_sum(&race.place.view, cpu, 1, &sum);
		}
		T_OK(tacho_merge_read(merge, rows, 300) <= 300);
		tacho_view_ns(&race.place.view, end);
		tacho_view_open(&other, race.place.base, SIZE, why, sizeof(why));
	}
	tacho_store_relaxed(&race.stop, 1u);
	pthread_join(thread, NULL);
	tacho_merge_close(merge);
	place_fini(&race.place);
}

T_MAIN
