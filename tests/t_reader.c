/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_reader.c: views, windows and cursors against logs of every shape and every state, in one thread,
 * where each number that comes out is known. t_merge.c has the merge, t_reader_race.c the threads.
 */
#include <errno.h>
#include <unistd.h>

#include <tacho/hot.h>
#include <tacho/reader.h>

#include "place.h"
#include "t.h"

/* Read all that is there and check that it is rows first to first + nr - 1. */
static void expect_rows(const struct place *place, struct tacho_cursor *cursor, uint32_t layout,
			uint64_t first, uint64_t nr)
{
	static struct tacho_row rows[2048];
	size_t got = tacho_cursor_read(cursor, &place->view, rows, 2048);

	T_EQ(got, nr);
	for (size_t i = 0; i < got; i++) {
		if (!T_EQ(rows[i].pos, first + i) || !T_EQ(rows[i].cpu, cursor->cpu) ||
		    !T_OK(row_is_good(&rows[i], layout, row_of(rows[i].pos).time)))
			break;
	}
}

/* --- views ---------------------------------------------------------------------------------------- */

T_CASE(view_refuses)
{
	struct place place;
	struct tacho_view view;
	struct tacho_cursor cursor;
	struct tacho_area *area;
	char why[160] = "";

	T_NEED(place_init(&place));
	area = (struct tacho_area *)(void *)place.base;
	T_EQ(tacho_view_open(&view, place.base, SIZE - 1, why, sizeof(why)), -EINVAL);
	T_OK(why[0] != 0 && strchr(why, '\n') == NULL);
	T_EQ(tacho_cursor_init(&cursor, &view, 0, 1, 1), -EINVAL);
	T_EQ(tacho_view_ns(&view, 7), 0);
	why[0] = 0;
	T_EQ(tacho_view_open(&view, place.base, sizeof(*area) - 1, why, sizeof(why)), -EINVAL);
	T_OK(why[0] != 0);
	T_EQ(tacho_view_open(&view, place.base + 4, SIZE - 4, why, sizeof(why)), -EINVAL);
	T_EQ(tacho_view_open(&view, place.base, 0, NULL, 0), -EINVAL);
	area->version++;
	T_EQ(tacho_view_open(&view, place.base, SIZE, why, sizeof(why)), -EPROTO);
	area->version--;
	area->magic++;
	T_EQ(tacho_view_open(&view, place.base, SIZE, why, 1), -EINVAL);
	T_EQ(why[0], 0);
	place_fini(&place);
}

T_CASE(view_refuses_what_is_not_there)
{
	struct place place;
	struct tacho_cursor cursor;
	struct tacho_window window;
	uint64_t sum;

	T_NEED(place_init(&place));
	log_set(&place, 0, 1, 16, FULL);
	T_EQ(tacho_cursor_init(&cursor, &place.view, 0, 0, 1), -EINVAL);
	T_EQ(tacho_cursor_init(&cursor, &place.view, 0, LOGS, 1), -EINVAL);
	T_EQ(tacho_cursor_init(&cursor, &place.view, CPUS, 1, 1), -EINVAL);
	T_EQ(tacho_cursor_init(&cursor, &place.view, UINT32_MAX, UINT32_MAX, 1), -EINVAL);
	T_EQ(tacho_view_sum(&place.view, 0, 1, &sum), -EINVAL);
	T_EQ(tacho_view_sum(&place.view, CPUS, 1, &sum), -EINVAL);
	T_EQ(tacho_view_lost(&place.view, CPUS, 0), 0);
	T_EQ(tacho_view_lost(&place.view, 0, TACHO_NR_LOST), 0);
	T_EQ(tacho_cursor_init(&cursor, &place.view, 0, 1, 1), 0);
	cursor.cpu = CPUS;
	T_EQ(tacho_window_open(&window, &cursor, &place.view), -EINVAL);
	T_EQ(tacho_cursor_read(&cursor, &place.view, NULL, 0), 0);
	place_fini(&place);
}

T_CASE(lost_by_reason)
{
	struct place place;

	T_NEED(place_init(&place));
	cpu_at(&place, 2)->lost[TACHO_LOST_RSEQ] = 77;
	T_EQ(tacho_view_lost(&place.view, 2, TACHO_LOST_RSEQ), 77);
	T_EQ(tacho_view_lost(&place.view, 1, TACHO_LOST_RSEQ), 0);
	place_fini(&place);
}

T_CASE(time_to_ns)
{
	struct place place;
	struct tacho_area *area;

	T_NEED(place_init(&place));
	area = (struct tacho_area *)(void *)place.base;
	area->clock_shift = 32;
	area->clock_mult = (1ull << 32) * 2 / 5; /* 2.5 GHz */
	area->clock_base = 1000000;
	area->clock_base_ns = 5000;
	T_EQ(tacho_view_open(&place.view, place.base, SIZE, NULL, 0), 0);
	T_EQ(tacho_view_ns(&place.view, 1000000), 5000);
	T_EQ(tacho_view_ns(&place.view, 1000000 + 2500), 5999);
	T_EQ(tacho_view_ns(&place.view, 1000000 - 2500), 4001);
	T_EQ(tacho_view_ns(&place.view, 0), 0); /* 400 us ahead of a clock that was at 5 us */
	T_EQ(tacho_view_ticks_ns(&place.view, 0), 0);
	/* a year of ticks: the product has 90 bits */
	T_EQ(tacho_view_ticks_ns(&place.view, 78840000000000000ull),
	     (uint64_t)((unsigned __int128)78840000000000000ull * area->clock_mult >> 32));
	/* refined while the session runs */
	area->clock_mult = (1ull << 32) / 2;
	T_EQ(tacho_view_ns(&place.view, 1000000 + 2500), 6250);
	area->clock_mult = UINT64_MAX;
	T_EQ(tacho_view_ticks_ns(&place.view, UINT64_MAX), UINT64_MAX);
	T_EQ(tacho_view_ns(&place.view, UINT64_MAX), UINT64_MAX);
	place_fini(&place);
}

/* --- one thread, exact ---------------------------------------------------------------------------- */

T_CASE(empty_and_partial)
{
	struct place place;
	struct tacho_cursor first, next;

	T_NEED(place_init(&place));
	log_set(&place, 1, 3, 16, FULL);
	T_EQ(tacho_cursor_init(&first, &place.view, 1, 3, 1), 0);
	expect_rows(&place, &first, FULL, 0, 0);
	put_many(&place, 1, 3, 5);
	T_EQ(tacho_cursor_init(&next, &place.view, 1, 3, 0), 0);
	expect_rows(&place, &next, FULL, 0, 0);
	expect_rows(&place, &first, FULL, 0, 5);
	expect_rows(&place, &first, FULL, 0, 0);
	put_many(&place, 1, 3, 4);
	expect_rows(&place, &first, FULL, 5, 4);
	expect_rows(&place, &next, FULL, 5, 4);
	expect_counts(&first, 9, 9, 0, 0);
	expect_counts(&next, 9, 4, 0, 0);
	place_fini(&place);
}

/* rows - 1 of a log can be read, whatever it went through: the writer may be at the oldest one. */
T_CASE(full_and_lapped)
{
	struct place place;

	T_NEED(place_init(&place));
	for (uint32_t rows = 1; rows <= 64; rows *= 2) {
		for (uint64_t written = 0; written <= 3 * rows + 1; written++) {
			uint64_t good = written < rows ? written : rows - 1;
			struct tacho_cursor cursor;

			log_set(&place, 0, 1, rows, FULL);
			T_EQ(tacho_cursor_init(&cursor, &place.view, 0, 1, 1), 0);
			put_many(&place, 0, 1, written);
			expect_rows(&place, &cursor, FULL, written - good, good);
			expect_counts(&cursor, written, good, written - good, 0);
		}
	}
	place_fini(&place);
}

T_CASE(read_in_pieces)
{
	struct place place;
	struct tacho_cursor cursor;
	struct tacho_row rows[100];
	uint64_t next = 1000 - 255;

	T_NEED(place_init(&place));
	log_set(&place, 0, 1, 256, ENTRIES);
	put_many(&place, 0, 1, 1000);
	T_EQ(tacho_cursor_init(&cursor, &place.view, 0, 1, 1), 0);
	for (size_t max = 1; next < 1000; max += 13) {
		size_t got = tacho_cursor_read(&cursor, &place.view, rows, max);

		T_EQ(got, max < 1000 - next ? max : 1000 - next);
		for (size_t i = 0; i < got; i++, next++)
			T_OK(rows[i].pos == next && row_is_good(&rows[i], ENTRIES, 0));
	}
	expect_counts(&cursor, 1000, 255, 1000 - 255, 0);
	place_fini(&place);
}

/* Every layout: what the writer stored is what the reader says, on each clock. */
T_CASE(layouts)
{
	struct place place;

	T_NEED(place_init(&place));
	for (uint32_t layout = 0; layout < TACHO_LAYOUTS; layout++) {
		struct tacho_row rows[8];
		struct tacho_cursor cursor;
		size_t got;

		log_set(&place, 0, 1, 8, layout);
		cpu_at(&place, 0)->virtual_clock = 900;
		cpu_at(&place, 0)->tick = 1234567;
		if (layout & TACHO_ADD) {
			T_EQ(tacho_cursor_init(&cursor, &place.view, 0, 1, 1), -EINVAL);
			continue;
		}
		T_EQ(tacho_cursor_init(&cursor, &place.view, 0, 1, 1), 0);
		put_many(&place, 0, 1, 13);
		got = tacho_cursor_read(&cursor, &place.view, rows, 7);
		T_EQ(got, 7);
		for (size_t i = 0; i < got; i++) {
			uint32_t clock = layout & TACHO_CLOCK_MASK;
			uint64_t time = row_of(rows[i].pos).time;

			if (clock == TACHO_CLOCK_VIRTUAL)
				time = 900 + rows[i].pos;
			else if (clock == TACHO_CLOCK_TICK)
				time = 1234567;
			if (!T_EQ(rows[i].pos, TACHO_ROW_SIZE(layout) ? 6 + i : i) ||
			    !T_OK(row_is_good(&rows[i], layout, time)))
				T_FAIL("layout 0x%02x", layout);
		}
	}
	place_fini(&place);
}

/* The bytes, without the writer around them: what tacho__row_store stored at a known place. */
T_CASE(layouts_by_bytes)
{
	struct place place;

	T_NEED(place_init(&place));
	for (uint32_t layout = 1; layout < TACHO_ADD; layout++) {
		struct tacho_control *control = log_set(&place, 3, 6, 4, layout);
		const struct tacho__row in = row_of(1);
		struct tacho_cursor cursor;
		struct tacho_window window;
		struct tacho_row out;

		T_EQ(tacho_cursor_init(&cursor, &place.view, 3, 6, 1), 0);
		tacho__row_store((unsigned char *)cpu_at(&place, 3) + control->rows_off +
					 TACHO_ROW_SIZE(layout),
				 layout, &in);
		control->pos = 2;
		T_EQ(tacho_window_open(&window, &cursor, &place.view), 0);
		T_EQ(window.end - window.begin, 2);
		tacho_window_row(&window, 1, &out);
		T_OK(out.pos == 1 && row_is_good(&out, layout, in.time));
		T_EQ(tacho_window_close(&window, &cursor, &place.view), 0);
	}
	place_fini(&place);
}

/* An entry that every row would repeat is in the control register instead. */
T_CASE(event_and_domain_of_the_log)
{
	struct place place;
	struct tacho_control *control;
	struct tacho_cursor cursor;
	struct tacho_row row;

	T_NEED(place_init(&place));
	control = log_set(&place, 0, 1, 8, TACHO_ENTRY_COUNTER);
	control->event = 5;
	control->domain = 3;
	T_EQ(tacho_cursor_init(&cursor, &place.view, 0, 1, 1), 0);
	put_many(&place, 0, 1, 1);
	T_EQ(tacho_cursor_read(&cursor, &place.view, &row, 1), 1);
	T_EQ(row.event, 5);
	T_EQ(row.domain, 3);
	T_EQ(row.correspondent, TACHO_NONE);
	T_EQ(row.counter, row_of(0).counter);
	place_fini(&place);
}

T_CASE(rows_without_bytes)
{
	struct place place;
	struct tacho_control *control;
	struct tacho_cursor cursor;
	struct tacho_row rows[100];

	T_NEED(place_init(&place));
	control = log_set(&place, 0, 1, 1, 0);
	control->rows_off = 0; /* of no meaning here */
	T_EQ(tacho_cursor_init(&cursor, &place.view, 0, 1, 1), 0);
	put_many(&place, 0, 1, 130);
	T_EQ(tacho_cursor_read(&cursor, &place.view, rows, 100), 100);
	T_OK(rows[99].pos == 99 && row_is_good(&rows[99], 0, 0));
	T_EQ(tacho_cursor_read(&cursor, &place.view, rows, 100), 30);
	expect_counts(&cursor, 130, 130, 0, 0);
	control->pos += 1ull << 40;
	T_EQ(tacho_cursor_read(&cursor, &place.view, rows, 100), 100);
	expect_counts(&cursor, 230, 230, 0, 0);
	place_fini(&place);
}

T_CASE(adding_log)
{
	struct place place;
	struct tacho_control *control;
	uint64_t sum = 0, want = 0;

	T_NEED(place_init(&place));
	control = log_set(&place, 2, 1, 1, ENTRIES | TACHO_ADD);
	for (uint64_t pos = 0; pos < 10; pos++) {
		T_EQ(put(&place, 2, 1, pos), TACHO__DONE);
		want += row_of(pos).counter;
	}
	T_EQ(tacho_view_sum(&place.view, 2, 1, &sum), 0);
	T_EQ(sum, want);
	control->rows_off = UINT32_MAX; /* masked as in the writer: the last 8 bytes of the body */
	T_EQ(put(&place, 2, 1, 0), TACHO__DONE);
	T_EQ(tacho_view_sum(&place.view, 2, 1, &sum), 0);
	T_EQ(sum, row_of(0).counter);
	control->layout |= 0x80;
	T_EQ(tacho_view_sum(&place.view, 2, 1, &sum), -EINVAL);
	place_fini(&place);
}

/* --- windows -------------------------------------------------------------------------------------- */

/* The writer moves on while a window is open: row i is good iff i + rows > position. */
T_CASE(window_rule)
{
	struct place place;
	const uint64_t rows = 8;

	T_NEED(place_init(&place));
	for (uint64_t start = 0; start < 20; start++) {
		for (uint64_t unread = 0; unread < 20; unread++) {
			for (uint64_t more = 0; more < 20; more++) {
				uint64_t bad, want = 0, end = start + unread;
				struct tacho_cursor cursor;
				struct tacho_window window;

				log_set(&place, 0, 1, (uint32_t)rows, FULL);
				put_many(&place, 0, 1, start);
				T_EQ(tacho_cursor_init(&cursor, &place.view, 0, 1, 0), 0);
				put_many(&place, 0, 1, unread);
				T_EQ(tacho_window_open(&window, &cursor, &place.view), 0);
				T_EQ(window.end, end);
				T_EQ(end - window.begin, unread < rows ? unread : rows - 1);
				put_many(&place, 0, 1, more);
				for (uint64_t i = window.begin; i < end; i++)
					want += i + rows <= end + more;
				bad = tacho_window_close(&window, &cursor, &place.view);
				T_EQ(bad, want);
				T_EQ(cursor.pos, end);
				T_EQ(cursor.rows, end - window.begin - bad);
				T_EQ(cursor.rows + cursor.lost, unread);
			}
		}
	}
	place_fini(&place);
}

T_CASE(window_in_place)
{
	struct place place;
	struct tacho_cursor cursor;
	struct tacho_window window;
	struct tacho_row row;
	uint64_t n, seen = 0;

	T_NEED(place_init(&place));
	log_set(&place, 0, 1, 64, FULL);
	put_many(&place, 0, 1, 100);
	T_EQ(tacho_cursor_init(&cursor, &place.view, 0, 1, 1), 0);
	T_EQ(tacho_window_open(&window, &cursor, &place.view), 0);
	T_EQ(window.begin, 37);
	T_EQ(window.row_size, 32);
	T_EQ(window.cpu, 0);
	for (uint64_t i = window.begin; i != window.end; i += n) {
		const unsigned char *at = tacho_window_run(&window, i, &n);

		T_NEED(n > 0 && i + n <= window.end);
		for (uint64_t k = i; k < i + n; k++, at += window.row_size, seen++) {
			T_EQ(tacho_entry_u64(at), row_of(k).time);
			T_EQ(tacho_entry_u64(at + TACHO_COUNTER_OFF(FULL)), row_of(k).counter);
			T_EQ(tacho_entry_u32(at + TACHO_CORR_OFF(FULL)), row_of(k).correspondent);
			tacho_window_row(&window, k, &row);
			T_OK(row.pos == k && row_is_good(&row, FULL, row_of(k).time));
		}
	}
	T_EQ(seen, 63);
	T_EQ(tacho_window_close(&window, &cursor, &place.view), 0);
	expect_counts(&cursor, 100, 63, 37, 0);
	place_fini(&place);
}

T_CASE(window_made_smaller)
{
	struct place place;
	struct tacho_cursor cursor;
	struct tacho_window window;

	T_NEED(place_init(&place));
	log_set(&place, 0, 1, 64, FULL);
	put_many(&place, 0, 1, 50);
	T_EQ(tacho_cursor_init(&cursor, &place.view, 0, 1, 1), 0);
	T_EQ(tacho_window_open(&window, &cursor, &place.view), 0);
	window.begin = 10;
	window.end = 30;
	T_EQ(tacho_window_close(&window, &cursor, &place.view), 0);
	expect_counts(&cursor, 30, 20, 10, 0);
	expect_rows(&place, &cursor, FULL, 30, 20);
	expect_counts(&cursor, 50, 40, 10, 0);
	place_fini(&place);
}

/* A window in steps: each next one begins where the last one ended, or at the oldest row. */
T_CASE(window_in_steps)
{
	struct place place;
	struct tacho_control *control;
	struct tacho_cursor cursor;
	struct tacho_window window;
	uint64_t steps = 0;

	T_NEED(place_init(&place));
	control = log_set(&place, 0, 1, 64, FULL);
	put_many(&place, 0, 1, 50);
	T_EQ(tacho_cursor_init(&cursor, &place.view, 0, 1, 1), 0);
	T_EQ(tacho_window_open(&window, &cursor, &place.view), 0);
	for (; window.begin != window.end; steps++) {
		T_EQ(window.begin, 7 * steps);
		T_EQ(window.end, 50);
		if (window.begin + 7 < 50)
			window.end = window.begin + 7;
		T_EQ(tacho_window_next(&window, &cursor, &place.view), 0);
	}
	T_EQ(steps, 8);
	expect_counts(&cursor, 50, 50, 0, 0);
	put_many(&place, 0, 1, 10);
	T_EQ(tacho_window_next(&window, &cursor, &place.view), 0);
	T_EQ(window.begin, 50);
	put_many(&place, 0, 1, 60); /* position 120: rows from 57 on are there */
	T_EQ(tacho_window_next(&window, &cursor, &place.view), 7);
	expect_counts(&cursor, 60, 53, 7, 0);
	T_EQ(window.begin, 60);
	T_EQ(window.end, 120);
	/* another shape: the next window has it */
	control->layout = TACHO_ENTRY_COUNTER;
	T_EQ(tacho_window_next(&window, &cursor, &place.view), 60);
	T_EQ(window.begin, 120);
	put_many(&place, 0, 1, 1);
	T_EQ(tacho_window_next(&window, &cursor, &place.view), 0);
	T_EQ(window.row_size, 8);
	control->row_mask = 5;
	T_EQ(tacho_window_next(&window, &cursor, &place.view), 1);
	T_EQ(window.begin, window.end);
	expect_counts(&cursor, 121, 53, 68, 0);
	place_fini(&place);
}

/* --- what lies ------------------------------------------------------------------------------------ */

T_CASE(position_goes_back_or_leaps)
{
	static const uint64_t lies[] = { 0, 99, 1ull << 60, 1ull << 63, UINT64_MAX };
	struct place place;

	T_NEED(place_init(&place));
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct tacho_control *control = log_set(&place, 0, 1, 16, FULL);
		struct tacho_cursor cursor;
		struct tacho_window window;

		put_many(&place, 0, 1, 100);
		T_EQ(tacho_cursor_init(&cursor, &place.view, 0, 1, 1), 0);
		expect_rows(&place, &cursor, FULL, 85, 15);
		control->pos = lies[i];
		expect_rows(&place, &cursor, FULL, 0, 0);
		expect_counts(&cursor, lies[i], 15, 85, 1);
		put_many(&place, 0, 1, 5);
		expect_rows(&place, &cursor, FULL, lies[i], 5);
		expect_counts(&cursor, lies[i] + 5, 20, 85, 1);

		/* and between the two looks */
		put_many(&place, 0, 1, 3);
		T_EQ(tacho_window_open(&window, &cursor, &place.view), 0);
		control->pos -= 1;
		T_EQ(tacho_window_close(&window, &cursor, &place.view), 3);
		expect_counts(&cursor, lies[i] + 7, 20, 88, 2);
	}
	place_fini(&place);
}

/* As far as a position may go in two years is a loss, not a lie; the sum of losses stops at its end. */
T_CASE(losses_do_not_overflow)
{
	struct place place;
	struct tacho_control *control;
	struct tacho_cursor cursor;
	struct tacho_row row;

	T_NEED(place_init(&place));
	control = log_set(&place, 0, 1, 1, FULL);
	T_EQ(tacho_cursor_init(&cursor, &place.view, 0, 1, 1), 0);
	for (uint64_t i = 1; i < 300; i++) {
		control->pos = i << 56;
		T_EQ(tacho_cursor_read(&cursor, &place.view, &row, 1), 0);
		T_EQ(cursor.lost, i < 256 ? i << 56 : UINT64_MAX);
	}
	T_EQ(cursor.resets, 0);
	place_fini(&place);
}

static void expect_refused(const struct place *place, const struct tacho_cursor *cursor)
{
	struct tacho_cursor other = *cursor;
	struct tacho_window window;
	struct tacho_row row;

	T_EQ(tacho_window_open(&window, cursor, &place->view), -EINVAL);
	T_EQ(tacho_cursor_read(&other, &place->view, &row, 1), 0);
	T_OK(memcmp(&other, cursor, sizeof(other)) == 0);
	T_EQ(tacho_cursor_init(&other, &place->view, 0, 1, 1), -EINVAL);
}

T_CASE(control_is_not_sane)
{
	static const struct {
		uint32_t rows_off, row_mask, layout;
	} lies[] = {
		{ 8192, 5, FULL }, /* not a power of two */
		{ 8192, UINT32_MAX, FULL },
		{ 8192, UINT32_MAX - 1, FULL },
		{ BODY, 0, FULL }, /* the scratch page */
		{ BODY - 32, 1, FULL },
		{ UINT32_MAX - 31, 0, FULL },
		{ 8192, BODY / 32 - 1, FULL },
		{ 8192 + 4, 15, FULL }, /* between two rows */
		{ 128, 1, FULL }, /* the control registers */
		{ 0, 1, FULL },
		{ 8192, 15, TACHO_ADD },
		{ 8192, 15, 0x80 | FULL },
		{ 8192, 15, 0xff },
	};
	struct place place;

	T_NEED(place_init(&place));
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct tacho_control *control = log_set(&place, 0, 1, 16, FULL);
		struct tacho_cursor cursor;
		struct tacho_window window;
		uint32_t good_off = control->rows_off;

		put_many(&place, 0, 1, 10);
		T_EQ(tacho_cursor_init(&cursor, &place.view, 0, 1, 1), 0);
		T_EQ(tacho_window_open(&window, &cursor, &place.view), 0);
		control->rows_off = lies[i].rows_off;
		control->row_mask = lies[i].row_mask;
		control->layout = lies[i].layout;
		expect_refused(&place, &cursor);
		/* while a window is open: nothing of it can be trusted, all of it is lost */
		T_EQ(tacho_window_close(&window, &cursor, &place.view), 10);
		expect_counts(&cursor, 10, 0, 10, 0);
		control->rows_off = good_off;
		control->row_mask = 15;
		control->layout = FULL;
		put_many(&place, 0, 1, 2);
		expect_rows(&place, &cursor, FULL, 10, 2);
	}
	place_fini(&place);
}

T_CASE(largest_log_that_fits)
{
	struct place place;
	struct tacho_cursor cursor;

	T_NEED(place_init(&place));
	log_set(&place, 0, 1, 1024, FULL)->rows_off = BODY - 1024 * 32;
	put_many(&place, 0, 1, 1023);
	T_EQ(tacho_cursor_init(&cursor, &place.view, 0, 1, 1), 0);
	expect_rows(&place, &cursor, FULL, 0, 1023);
	place_fini(&place);
}

/* Rows written in another shape may be over any row of the window. */
T_CASE(control_changes_under_a_window)
{
	struct place place;

	T_NEED(place_init(&place));
	for (int what = 0; what < 3; what++) {
		struct tacho_control *control = log_set(&place, 0, 1, 16, FULL);
		struct tacho_cursor cursor;
		struct tacho_window window;

		put_many(&place, 0, 1, 10);
		T_EQ(tacho_cursor_init(&cursor, &place.view, 0, 1, 1), 0);
		T_EQ(tacho_window_open(&window, &cursor, &place.view), 0);
		if (what == 0)
			control->layout = TACHO_ENTRY_COUNTER;
		else if (what == 1)
			control->rows_off += 64;
		else
			control->row_mask = 31;
		T_EQ(tacho_window_close(&window, &cursor, &place.view), 10);
		put_many(&place, 0, 1, 3);
		expect_rows(&place, &cursor, control->layout, 10, 3);
		expect_counts(&cursor, 13, 3, 10, 0);
	}
	place_fini(&place);
}

T_CASE(cursor_survives_the_mapping)
{
	struct place place;
	struct tacho_cursor cursor;
	unsigned char *old;

	T_NEED(place_init(&place));
	log_set(&place, 0, 1, 16, FULL);
	T_EQ(tacho_cursor_init(&cursor, &place.view, 0, 1, 1), 0);
	put_many(&place, 0, 1, 10);
	expect_rows(&place, &cursor, FULL, 0, 10);
	put_many(&place, 0, 1, 12);
	old = place.base;
	place.base = area_map(place.fd);
	area_unmap(old);
	T_NEED(place.base != NULL);
	T_EQ(tacho_view_open(&place.view, place.base, SIZE, NULL, 0), 0);
	expect_rows(&place, &cursor, FULL, 10, 12);
	expect_counts(&cursor, 22, 22, 0, 0);
	place_fini(&place);
}

T_MAIN
