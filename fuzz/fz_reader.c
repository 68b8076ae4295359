// SPDX-License-Identifier: BSD-2-Clause
/*
 * fz_reader.c: a reader of an area whose owner lies all the time.
 *
 * The input is a list of operations on a small area that begins sane: what a hostile component would
 * store (any value, into any control register, position, row or word of the header), mixed with
 * everything that a reader calls, also between its two looks at a window. The area is one allocation of
 * exactly its size, so that the address sanitizer sees every access outside; what it cannot see
 * (outside the body of a part, more rows than asked for, counts that go back) is checked here.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <tacho/reader.h>

#include "bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define CPUS	2u
#define LOGS	4u
#define BODY	4096u
#define STRIDE	(BODY + TACHO_PAGE)
#define PARTS	(4u * TACHO_PAGE)
#define SIZE	(PARTS + CPUS * STRIDE)
#define CURSORS 4u
#define ROWS	300u

struct state {
	struct bytes in;
	unsigned char *area;
	struct tacho_view view;
	struct tacho_cursor cursor[CURSORS];
	struct tacho_window window;
	struct tacho_cursor *opened; /* the cursor of window, NULL: no window */
	struct tacho_merge *merge;
	struct tacho_row row[ROWS];
};

/* A value as a liar would choose it: near an edge, or anything. */
static uint64_t take_value(struct state *s)
{
	uint64_t how = take(&s->in, 1), power = 1ull << (how >> 2);

	switch (how & 3) {
	case 0:
		return take(&s->in, 1);
	case 1:
		return power - (take(&s->in, 1) & 3);
	case 2:
		return power - 1;
	default:
		return take(&s->in, 8);
	}
}

static struct tacho_control *control_at(const struct state *s, uint64_t which)
{
	unsigned char *part = s->area + PARTS + (which & 1) * STRIDE;

	return (struct tacho_control *)(void *)(part + TACHO_CONTROLS_OFF) + (which >> 1) % LOGS;
}

static void area_make(struct state *s)
{
	const struct tacho_section sections[] = {
		{ TACHO_SECTION_EVENTS, 256, TACHO_PAGE, 256, 0 },
		{ TACHO_SECTION_DOMAINS, 32, 2 * TACHO_PAGE, 64, 0 },
		{ TACHO_SECTION_PRINCIPALS, 4, 3 * TACHO_PAGE, 8, 0 },
		{ TACHO_SECTION_PARTS, STRIDE, PARTS, CPUS * STRIDE, 0 },
	};
	struct tacho_area *area = (struct tacho_area *)(void *)s->area;

	area->magic = TACHO_MAGIC;
	area->version = TACHO_VERSION;
	area->header_size = sizeof(*area);
	area->size = SIZE;
	area->component = TACHO_COMPONENT_PROCESS;
	area->nr_cpus = CPUS;
	area->nr_domains = 2;
	area->nr_events = 1;
	area->nr_logs = LOGS;
	area->nr_principals = 2;
	area->parts_off = PARTS;
	area->part_stride = STRIDE;
	area->body_size = BODY;
	area->routes_off = TACHO_CONTROLS_OFF + LOGS * 64;
	area->samples_off = area->routes_off + 64;
	area->rows_off = area->samples_off + 64;
	area->principals_off = 3 * TACHO_PAGE;
	area->clock_source = TACHO_SOURCE_MONOTONIC;
	area->clock_mult = 1;
	area->nr_sections = 4;
	memcpy(area->sections, sections, sizeof(sections));
	for (uint64_t which = 2; which < 2 * LOGS; which++) {
		struct tacho_control *control = control_at(s, which);

		control->rows_off = 512u << (which >> 1);
		control->row_mask = 15;
		control->layout = TACHO_ENTRIES_ALL | TACHO_CLOCK_TIME;
	}
}

/* --- the liar --------------------------------------------------------------------------------- */

static void lie_control(struct state *s)
{
	struct tacho_control *control = control_at(s, take(&s->in, 1));
	uint64_t what = take(&s->in, 1) % 6, value = take_value(s);

	switch (what) {
	case 0:
		control->pos = value;
		break;
	case 1:
		control->pos += value & 0xff;
		break;
	case 2:
		control->rows_off = (uint32_t)value;
		break;
	case 3:
		control->row_mask = (uint32_t)value;
		break;
	case 4:
		control->layout = (uint32_t)value;
		break;
	default:
		control->event = (uint32_t)value;
		break;
	}
}

static void lie_words(struct state *s)
{
	uint64_t in_header = take(&s->in, 1) & 1;
	uint64_t words = in_header ? sizeof(struct tacho_area) / 8 : SIZE / 8;
	uint64_t *word = (uint64_t *)(void *)s->area + take(&s->in, 2) % words;
	uint64_t half = take(&s->in, 1) & 3, value = take_value(s);

	/* most fields of the header have 32 bits: leave their neighbour alone */
	if (half == 0)
		*word = value;
	else if (half == 1)
		*word = (*word & ~0xffffffffull) | (uint32_t)value;
	else
		*word = (*word & 0xffffffffull) | value << 32;
}

/* --- the reader ------------------------------------------------------------------------------- */

static void view_open(struct state *s)
{
	char why[64];
	struct tacho_view view;
	int ret = tacho_view_open(&view, s->area, SIZE, why, sizeof(why));

	if (ret)
		CHECK(memchr(why, 0, sizeof(why)) && why[0] && !strchr(why, '\n'));
	else
		s->view = view;
}

static void cursor_read(struct state *s)
{
	struct tacho_cursor *cursor = &s->cursor[take(&s->in, 1) % CURSORS];
	const struct tacho_cursor before = *cursor;
	size_t max = take(&s->in, 2) % (ROWS + 1);
	size_t got = tacho_cursor_read(cursor, &s->view, s->row, max);

	CHECK(got <= max);
	CHECK(cursor->rows >= before.rows && cursor->lost >= before.lost);
	/* positions ascend, around the end of 64 bits too, and by what a log can be ahead */
	for (size_t i = 1; i < got; i++)
		CHECK(s->row[i].pos - s->row[i - 1].pos - 1 < 1ull << 57);
}

static void window_open(struct state *s)
{
	const struct tacho_area *header = &s->view.header;
	const unsigned char *body;
	struct tacho_window *w = &s->window;

	s->opened = &s->cursor[take(&s->in, 1) % CURSORS];
	if (tacho_window_open(w, s->opened, &s->view)) {
		s->opened = NULL;
		return;
	}
	body = s->area + header->parts_off + w->cpu * header->part_stride;
	CHECK(w->rows >= body && w->rows < body + header->body_size);
	if (w->row_size) {
		CHECK(w->rows + ((uint64_t)w->row_mask + 1) * w->row_size <=
		      body + header->body_size);
		CHECK(w->end - w->begin <= w->row_mask);
	}
}

static void window_parse(struct state *s)
{
	const struct tacho_window *w = &s->window;
	uint64_t rows, sum = 0;

	if (!s->opened)
		return;
	for (uint64_t i = w->begin; i != w->end && i - w->begin < ROWS; i += rows) {
		const unsigned char *at = tacho_window_run(w, i, &rows);

		CHECK(rows > 0 && rows <= w->end - i);
		tacho_window_row(w, i + rows - 1, s->row);
		for (uint64_t k = 0; k < rows * w->row_size; k += 4)
			sum += tacho_entry_u32(at + k);
	}
	s->row[0].counter = sum;
}

static void window_shrink(struct state *s)
{
	struct tacho_window *w = &s->window;

	if (!s->opened)
		return;
	if (w->begin != w->end)
		w->begin += take(&s->in, 1) % (w->end - w->begin);
	if (w->begin != w->end)
		w->end -= take(&s->in, 1) % (w->end - w->begin);
}

static void window_close(struct state *s)
{
	if (s->opened)
		CHECK(tacho_window_close(&s->window, s->opened, &s->view) <=
		      s->window.end - s->window.begin);
	s->opened = NULL;
}

static void window_next(struct state *s)
{
	const uint64_t n = s->window.end - s->window.begin;

	if (s->opened)
		CHECK(tacho_window_next(&s->window, s->opened, &s->view) <= n);
}

static void merge(struct state *s)
{
	uint64_t what = take(&s->in, 1), rows, lost;
	size_t max = take(&s->in, 2) % (ROWS + 1);

	if (!s->merge && tacho_merge_open(&s->merge, &s->view))
		return;
	switch (what & 3) {
	case 0:
		tacho_merge_close(s->merge);
		s->merge = NULL;
		break;
	case 1:
		tacho_merge_add(s->merge, what >> 2 & 3, what >> 4 & 7, what >> 7 & 1);
		break;
	default:
		CHECK(tacho_merge_read(s->merge, s->row, max) <= (long)max);
		tacho_merge_lost(s->merge, &rows, &lost);
		break;
	}
}

static void ask(struct state *s)
{
	uint32_t cpu = (uint32_t)take_value(s), log = (uint32_t)take_value(s);
	uint64_t sum;

	tacho_view_sum(&s->view, cpu, log, &sum);
	tacho_view_lost(&s->view, cpu, log);
	tacho_view_ns(&s->view, take_value(s));
	tacho_view_ticks_ns(&s->view, take_value(s));
}

static void cursor_init(struct state *s)
{
	struct tacho_cursor *cursor = &s->cursor[take(&s->in, 1) % CURSORS];

	if (cursor == s->opened)
		s->opened = NULL;
	tacho_cursor_init(cursor, &s->view, take(&s->in, 1) & 3, take(&s->in, 1) & 7,
			  take(&s->in, 1) & 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const operation[])(struct state *) = {
		lie_control,  lie_control, lie_words,	view_open,    cursor_init,
		cursor_read,  cursor_read, window_open, window_parse, window_shrink,
		window_close, window_next, merge,	merge,	      ask,
	};
	struct state *s = calloc(1, sizeof(*s));

	if (!s)
		return 0;
	s->in.data = data;
	s->in.len = len;
	s->area = calloc(1, SIZE);
	if (!s->area)
		goto out;
	area_make(s);
	CHECK(tacho_view_open(&s->view, s->area, SIZE, NULL, 0) == 0);
	for (uint32_t i = 0; i < CURSORS; i++)
		CHECK(tacho_cursor_init(&s->cursor[i], &s->view, i & 1, 1 + (i >> 1), 1) == 0);
	while (s->in.len > 0)
		operation[take(&s->in, 1) % (sizeof(operation) / sizeof(operation[0]))](s);
	tacho_merge_close(s->merge);
out:
	free(s->area);
	free(s);
	return 0;
}
