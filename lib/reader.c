/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reader.c: reading logs in place, while they are written.
 *
 * Owns views, cursors, windows and the merge of include/tacho/reader.h. Must not write to an area,
 * wait for a writer, or believe the area: the geometry is checked once and copied, every control
 * register is read once per look and refused unless all its rows lie in the body of its part.
 * Called by whoever has an area mapped: sessions, the command, the facts engine.
 *
 * The protocol replaces that of paper 001, section 4.5.2 (restart the analysis when the index has
 * moved, or stop the writer), by two looks at the position:
 *
 *   first look     p = pos                         (A') every row below p is complete
 *   copy           rows i, p - rows < i < p
 *                                                  (B)  the copy is before the second look
 *   second look    p2 = pos; row i is good <=> i + rows > p2
 *
 * The writer replaces row i when it writes row i + rows, and it does that from the moment when pos is
 * i + rows until it stores i + rows + 1. So a row with i + rows == p2 may be half replaced, and one
 * with i + rows > p2 cannot have been touched: by barriers C and B, who saw a byte of row
 * i + rows also sees pos >= i + rows.
 *
 * Barriers (doc/ordering.md has the list):
 *   A' acquire, with A, the release of the writer's position. Without it rows below p are read
 *      before they are there.
 *   B  acquire fence, with C, the writer's release fence ahead of its row. Without it the second look
 *      can be older than the copy, and a row that was being replaced is kept.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tacho/reader.h>

#include "internal.h"

/*
 * The most that a log can be ahead of its reader: two years of a row per nanosecond. A position that
 * is further away, and so every one that went back, is a lie.
 */
#define MAX_AHEAD (1ull << 56)

/* Rows between two looks: 64 rows are 4 to 32 cache lines, a look costs one that the writer wants. */
#define MIN_STEP 64u
#define MAX_STEP 512u

static uint64_t add_capped(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

/* --- views ---------------------------------------------------------------------------------------- */

static int refuse(char *why, size_t why_size, const char *text)
{
	if (why && why_size)
		snprintf(why, why_size, "%s", text);
	return -EINVAL;
}

TACHO_EXPORT int tacho_view_open(struct tacho_view *view, const void *base, uint64_t size,
				 char *why, size_t why_size)
{
	int ret;

	memset(view, 0, sizeof(*view)); /* no CPUs: nothing can be read through it */
	if ((uintptr_t)base % 8)
		return refuse(why, why_size, "the area is not aligned to 8 bytes");
	if (size < sizeof(view->header))
		return refuse(why, why_size, "the area is smaller than its header");
	tacho_i_header_copy(&view->header, base);
	ret = tacho_i_geometry_check(&view->header, size, why, why_size);
	if (ret) {
		memset(view, 0, sizeof(*view));
		return ret == -EPROTO ? ret : -EINVAL;
	}
	view->base = base;
	view->size = size;
	return 0;
}

static const unsigned char *part_at(const struct tacho_view *view, uint32_t cpu)
{
	if (cpu >= view->header.nr_cpus)
		return NULL;
	return view->base + view->header.parts_off + cpu * view->header.part_stride;
}

static const struct tacho_control *control_at(const struct tacho_view *view, uint32_t cpu,
					      uint32_t log)
{
	const unsigned char *part = part_at(view, cpu);

	if (!part || log == 0 || log >= view->header.nr_logs)
		return NULL;
	return (const struct tacho_control *)(const void *)(part + TACHO_CONTROLS_OFF) + log;
}

TACHO_EXPORT int tacho_view_sum(const struct tacho_view *view, uint32_t cpu, uint32_t log,
				uint64_t *sum)
{
	const struct tacho_control *control = control_at(view, cpu, log);
	uint32_t layout, off;

	if (!control)
		return -EINVAL;
	layout = tacho_load_relaxed(&control->layout) & 0xff;
	if (layout >= TACHO_LAYOUTS || !(layout & TACHO_ADD))
		return -EINVAL;
	/* as the writer does it */
	off = tacho_load_relaxed(&control->rows_off) & (view->header.body_size - 1) & ~7u;
	*sum = tacho_load_relaxed((const uint64_t *)(const void *)(part_at(view, cpu) + off));
	return 0;
}

TACHO_EXPORT uint64_t tacho_view_lost(const struct tacho_view *view, uint32_t cpu, uint32_t reason)
{
	const struct tacho_cpu *part = (const struct tacho_cpu *)(const void *)part_at(view, cpu);

	if (!part || reason >= TACHO_NR_LOST)
		return 0;
	return tacho_load_relaxed(&part->lost[reason]);
}

TACHO_EXPORT int tacho_view_running(const struct tacho_view *view, uint32_t cpu, uint32_t *domain,
				    uint64_t *since)
{
	const struct tacho_cpu *part = (const struct tacho_cpu *)(const void *)part_at(view, cpu);

	if (!part)
		return -EINVAL;
	/* Q, acquire, with the writer's order: since 0, domain, since. Without it a domain gets the
	 * time of its neighbour. */
	for (int tries = 0; tries < 100; tries++) {
		*since = tacho_load_acquire(&part->running_since);
		*domain = tacho_load_acquire(&part->running_domain) & (view->header.nr_domains - 1);
		if (tacho_load_relaxed(&part->running_since) == *since)
			return *since ? 0 : -ENODATA;
	}
	return -EAGAIN;
}

TACHO_EXPORT uint64_t tacho_view_ticks_ns(const struct tacho_view *view, uint64_t ticks)
{
	const struct tacho_area *area = (const struct tacho_area *)(const void *)view->base;
	/* the one field that is refined while the session runs; base and shift stay */
	uint64_t mult = area ? tacho_load_relaxed(&area->clock_mult) : 0;
	unsigned __int128 ns = (unsigned __int128)ticks * mult >> (view->header.clock_shift & 63);

	return ns > UINT64_MAX ? UINT64_MAX : (uint64_t)ns;
}

TACHO_EXPORT uint64_t tacho_view_ns(const struct tacho_view *view, uint64_t time)
{
	uint64_t base = view->header.clock_base, base_ns = view->header.clock_base_ns, ns;

	if (time >= base)
		return add_capped(base_ns, tacho_view_ticks_ns(view, time - base));
	ns = tacho_view_ticks_ns(view, base - time);
	return ns > base_ns ? 0 : base_ns - ns;
}

/* --- windows -------------------------------------------------------------------------------------- */

/*
 * Where the rows of a log are and what is in them, read once from its control register. Refused
 * unless it has rows and all of them lie in the body: then nothing outside can be read, whatever
 * becomes of the control register later.
 */
static int shape_read(struct tacho_window *window, const struct tacho_view *view, uint32_t cpu,
		      const struct tacho_control *control)
{
	uint32_t layout = tacho_load_relaxed(&control->layout) & 0xff;
	uint32_t mask = tacho_load_relaxed(&control->row_mask);
	uint32_t off = tacho_load_relaxed(&control->rows_off);

	if (layout >= TACHO_ADD)
		return -EINVAL;
	window->layout = layout;
	window->row_size = TACHO_ROW_SIZE(layout);
	window->event = tacho_load_relaxed(&control->event);
	window->domain = tacho_load_relaxed(&control->domain);
	window->cpu = cpu;
	if (window->row_size == 0) {
		/* no bytes: any address does, and nothing wraps */
		window->rows = part_at(view, cpu);
		window->row_mask = UINT32_MAX;
		return 0;
	}
	if ((mask & (mask + 1)) || off % window->row_size || off < view->header.rows_off ||
	    off + ((uint64_t)mask + 1) * window->row_size > view->header.body_size)
		return -EINVAL;
	window->rows = part_at(view, cpu) + off;
	window->row_mask = mask;
	return 0;
}

TACHO_EXPORT int tacho_cursor_init(struct tacho_cursor *cursor, const struct tacho_view *view,
				   uint32_t cpu, uint32_t log, int from_start)
{
	const struct tacho_control *control = control_at(view, cpu, log);
	struct tacho_window window;

	if (!control || shape_read(&window, view, cpu, control))
		return -EINVAL;
	memset(cursor, 0, sizeof(*cursor));
	cursor->cpu = cpu;
	cursor->log = log;
	cursor->pos = from_start ? 0 : tacho_load_acquire(&control->pos);
	return 0;
}

/* Let the window begin where the unread rows do, as far as they can be read at all. */
static void window_fit(struct tacho_window *window, uint64_t unread_pos)
{
	uint64_t unread = window->end - unread_pos;

	if (unread > MAX_AHEAD)
		unread = 0; /* a lie: go on from there */
	else if (window->row_size && unread > window->row_mask)
		unread = window->row_mask; /* not row end - rows: it may be half replaced */
	window->begin = window->end - unread;
}

TACHO_EXPORT int tacho_window_open(struct tacho_window *window, const struct tacho_cursor *cursor,
				   const struct tacho_view *view)
{
	const struct tacho_control *control = control_at(view, cursor->cpu, cursor->log);

	if (!control)
		return -EINVAL;
	window->end = tacho_load_acquire(&control->pos); /* A' */
	if (shape_read(window, view, cursor->cpu, control))
		return -EINVAL;
	window_fit(window, cursor->pos);
	return 0;
}

/* What the second look saw. */
struct look {
	uint64_t pos;
	bool is_same; /* the control register still says what the window says */
};

/* It is also a first look for what comes next, therefore the acquire. */
static struct look look_again(const struct tacho_window *window, const struct tacho_cursor *cursor,
			      const struct tacho_view *view)
{
	const struct tacho_control *control = control_at(view, cursor->cpu, cursor->log);
	struct look look = { window->end, false };
	struct tacho_window now;

	if (!control)
		return look;
	tacho_fence_acquire(); /* B */
	look.pos = tacho_load_acquire(&control->pos); /* A' */
	look.is_same = shape_read(&now, view, cursor->cpu, control) == 0 &&
		       now.rows == window->rows && now.row_mask == window->row_mask &&
		       now.layout == window->layout;
	return look;
}

/* How many rows at the beginning of the window are not good. */
static uint64_t window_bad(const struct tacho_window *window, const struct look *look)
{
	uint64_t rows = (uint64_t)window->row_mask + 1, n = window->end - window->begin;
	uint64_t ahead = look->pos - window->begin;

	/* rows that were written in another shape may be anywhere */
	if (!look->is_same || look->pos - window->end > MAX_AHEAD)
		return n;
	if (window->row_size == 0 || ahead < rows)
		return 0;
	return ahead - rows + 1 < n ? ahead - rows + 1 : n;
}

static uint64_t window_leave(const struct tacho_window *window, struct tacho_cursor *cursor,
			     const struct look *look)
{
	uint64_t passed = window->begin - cursor->pos, bad = window_bad(window, look);

	if (passed > MAX_AHEAD) {
		cursor->resets++;
		passed = 0;
	}
	cursor->lost = add_capped(cursor->lost, passed + bad);
	cursor->rows = add_capped(cursor->rows, window->end - window->begin - bad);
	cursor->pos = window->end;
	if (look->pos - window->end > MAX_AHEAD) {
		cursor->resets++;
		cursor->pos = look->pos;
	}
	return bad;
}

TACHO_EXPORT uint64_t tacho_window_close(const struct tacho_window *window,
					 struct tacho_cursor *cursor, const struct tacho_view *view)
{
	const struct look look = look_again(window, cursor, view);

	return window_leave(window, cursor, &look);
}

TACHO_EXPORT uint64_t tacho_window_next(struct tacho_window *window, struct tacho_cursor *cursor,
					const struct tacho_view *view)
{
	const struct look look = look_again(window, cursor, view);
	const uint64_t bad = window_leave(window, cursor, &look);

	if (look.is_same) {
		window->end = look.pos;
		window_fit(window, cursor->pos);
	} else if (tacho_window_open(window, cursor, view)) {
		window->begin = cursor->pos;
		window->end = cursor->pos;
	}
	return bad;
}

/* --- rows ----------------------------------------------------------------------------------------- */

static inline uint64_t entry_u64(const unsigned char *row, uint32_t off, uint32_t present)
{
	return present ? tacho_entry_u64(row + off) : 0;
}

static inline uint32_t entry_u32(const unsigned char *row, uint32_t off, uint32_t present,
				 uint32_t absent)
{
	return present ? tacho_entry_u32(row + off) : absent;
}

/* Decode rows i to i + n - 1, which do not wrap. */
static void run_decode(const struct tacho_window *window, const unsigned char *at, uint64_t i,
		       uint64_t n, struct tacho_row *row)
{
	/* a copy that the stores to row cannot alias: the offsets stay in registers */
	const struct tacho_window w = *window;
	const uint32_t layout = w.layout;

	for (; n > 0; n--, i++, row++, at += w.row_size) {
		row->time = entry_u64(at, 0, TACHO_HAS_TIME(layout));
		row->counter =
			entry_u64(at, TACHO_COUNTER_OFF(layout), layout & TACHO_ENTRY_COUNTER);
		row->event =
			entry_u32(at, TACHO_EVENT_OFF(layout), layout & TACHO_ENTRY_EVENT, w.event);
		row->domain = entry_u32(at, TACHO_DOMAIN_OFF(layout), layout & TACHO_ENTRY_DOMAIN,
					w.domain);
		row->correspondent = entry_u32(at, TACHO_CORR_OFF(layout),
					       layout & TACHO_ENTRY_CORRESPONDENT, TACHO_NONE);
		row->cpu = w.cpu;
		row->pos = i;
	}
}

TACHO_EXPORT void tacho_window_row(const struct tacho_window *window, uint64_t i,
				   struct tacho_row *row)
{
	run_decode(window, window->rows + (i & window->row_mask) * window->row_size, i, 1, row);
}

static void window_decode(const struct tacho_window *window, struct tacho_row *row)
{
	uint64_t n;

	for (uint64_t i = window->begin; i != window->end; i += n, row += n) {
		const unsigned char *at = tacho_window_run(window, i, &n);

		run_decode(window, at, i, n, row);
	}
}

/*
 * Make one step of a window: at most max rows, none at or after until, and none that is less than
 * distance rows younger than the oldest one.
 */
static void window_step(struct tacho_window *window, uint64_t distance, uint64_t max,
			uint64_t until)
{
	uint64_t n = window->end - window->begin, keep = window->row_mask - distance, skip = 0;
	uint64_t left = until - window->begin;

	if (left > MAX_AHEAD)
		left = 0; /* the writer has replaced all of them */
	if (left > n)
		left = n; /* only when the position went back */
	if (window->row_size && n > keep)
		skip = n - keep < left ? n - keep : left;
	left -= skip;
	window->begin += skip;
	window->end = window->begin + (left < max ? left : max);
}

/* Larger steps while they succeed; when a whole one was lost, so would be the next: out of the way. */
static void step_adapt(uint64_t *step, uint64_t *distance, uint64_t n, uint64_t bad,
		       uint64_t row_mask)
{
	if (bad == 0 && *step < MAX_STEP) {
		*step *= 2;
	} else if (bad == n) {
		*step = MIN_STEP;
		*distance = 2 * *distance + n;
		if (*distance > row_mask / 2)
			*distance = row_mask / 2;
	}
}

/*
 * Copy good rows, at most max of them, out of the next *left positions; *left becomes what remains
 * of them, *layout the layout of the rows. Every position is passed once, with a look behind each step.
 */
static size_t rows_take(struct tacho_cursor *cursor, const struct tacho_view *view,
			struct tacho_row *row, size_t max, uint64_t *left, uint32_t *layout)
{
	const uint64_t resets = cursor->resets;
	uint64_t until, n, bad, distance = 0, step = MIN_STEP;
	struct tacho_window window;
	size_t got = 0;

	if (max == 0)
		return 0;
	if (tacho_window_open(&window, cursor, view))
		goto out;
	*layout = window.layout;
	until = cursor->pos + (*left < window.end - cursor->pos ? *left : window.end - cursor->pos);
	for (;;) {
		window_step(&window, distance, max - got < step ? max - got : step, until);
		n = window.end - window.begin;
		window_decode(&window, row + got);
		bad = tacho_window_next(&window, cursor, view);
		if (bad > 0 && bad < n)
			memmove(row + got, row + got + bad, (size_t)(n - bad) * sizeof(*row));
		got += (size_t)(n - bad);
		*left = until - cursor->pos;
		if (n == 0 || *left == 0 || *left > MAX_AHEAD || cursor->resets != resets ||
		    window.layout != *layout)
			goto out;
		if (got == max)
			return got;
		step_adapt(&step, &distance, n, bad, window.row_mask);
	}
out:
	*left = 0;
	return got;
}

TACHO_EXPORT size_t tacho_cursor_read(struct tacho_cursor *cursor, const struct tacho_view *view,
				      struct tacho_row *row, size_t max)
{
	uint64_t left = UINT64_MAX;
	uint32_t layout;

	return rows_take(cursor, view, row, max, &left, &layout);
}

/* --- merge ---------------------------------------------------------------------------------------- */

/*
 * The merge goes in rounds. A round is what a look at every log finds; its rows come out of a heap of
 * logs, ordered by the next row of each. So no log waits for the others forever, and a round has an
 * end however fast the writers are.
 */
#define BATCH 64u

struct source {
	struct tacho_cursor cursor;
	uint64_t left; /* positions of this round that were not yet taken */
	uint64_t key; /* of row[next]: its time, or UINT64_MAX */
	struct tacho_row *row; /* BATCH rows; NULL until the log had any */
	uint32_t layout; /* of the rows */
	uint32_t next; /* first row that was not delivered */
	uint32_t nr_rows; /* next < nr_rows <=> the source is in the heap */
};

struct tacho_merge {
	struct tacho_view view;
	struct source *source; /* in the order of adding */
	uint32_t *heap; /* indices of sources; the parent of i is (i - 1) / 2 */
	uint32_t nr_sources;
	uint32_t nr_heap;
	uint32_t room; /* of source and heap */
};

TACHO_EXPORT int tacho_merge_open(struct tacho_merge **merge, const struct tacho_view *view)
{
	*merge = calloc(1, sizeof(**merge));
	if (!*merge)
		return -ENOMEM;
	(*merge)->view = *view;
	return 0;
}

TACHO_EXPORT void tacho_merge_close(struct tacho_merge *merge)
{
	if (!merge)
		return;
	for (uint32_t i = 0; i < merge->nr_sources; i++)
		free(merge->source[i].row);
	free(merge->source);
	free(merge->heap);
	free(merge);
}

TACHO_EXPORT int tacho_merge_add(struct tacho_merge *merge, uint32_t cpu, uint32_t log,
				 int from_start)
{
	struct source source = { .left = 0 };
	int ret = tacho_cursor_init(&source.cursor, &merge->view, cpu, log, from_start);

	if (ret)
		return ret;
	if (merge->nr_sources == merge->room) {
		uint32_t room = merge->room ? 2 * merge->room : 16;
		void *grown = realloc(merge->source, room * sizeof(*merge->source));

		if (!grown)
			return -ENOMEM;
		merge->source = grown;
		grown = realloc(merge->heap, room * sizeof(*merge->heap));
		if (!grown)
			return -ENOMEM;
		merge->heap = grown;
		merge->room = room;
	}
	merge->source[merge->nr_sources++] = source;
	return 0;
}

/* Whether source a comes before source b; the order of adding decides between equal times. */
static int is_before(const struct tacho_merge *merge, uint32_t a, uint32_t b)
{
	uint64_t key_a = merge->source[a].key, key_b = merge->source[b].key;

	return key_a < key_b || (key_a == key_b && a < b);
}

static void heap_up(struct tacho_merge *merge, uint32_t at)
{
	uint32_t *heap = merge->heap, moved = heap[at];

	while (at > 0 && is_before(merge, moved, heap[(at - 1) / 2])) {
		heap[at] = heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap[at] = moved;
}

static void heap_down(struct tacho_merge *merge, uint32_t at)
{
	uint32_t *heap = merge->heap, moved = heap[at], child;

	while ((child = 2 * at + 1) < merge->nr_heap) {
		if (child + 1 < merge->nr_heap && is_before(merge, heap[child + 1], heap[child]))
			child++;
		if (!is_before(merge, heap[child], moved))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = moved;
}

static uint64_t source_key(const struct source *source)
{
	uint32_t clock = source->layout & TACHO_CLOCK_MASK;

	/* virtual clocks of two CPUs have nothing in common */
	return clock == TACHO_CLOCK_TIME || clock == TACHO_CLOCK_TICK
		       ? source->row[source->next].time
		       : UINT64_MAX;
}

/*
 * The next batch of a source out of this round. Returns 1 when there is one, 0 when the round has no
 * more of it, or -ENOMEM.
 */
static int source_fill(const struct tacho_merge *merge, struct source *source)
{
	source->next = 0;
	source->nr_rows = 0;
	if (source->left == 0)
		return 0;
	if (!source->row) {
		struct tacho_window window;

		/* most logs of most CPUs never have a row */
		if (tacho_window_open(&window, &source->cursor, &merge->view) ||
		    window.end == source->cursor.pos) {
			source->left = 0;
			return 0;
		}
		source->row = malloc(BATCH * sizeof(*source->row));
		if (!source->row)
			return -ENOMEM;
	}
	source->nr_rows = (uint32_t)rows_take(&source->cursor, &merge->view, source->row, BATCH,
					      &source->left, &source->layout);
	if (source->nr_rows == 0)
		return 0;
	source->key = source_key(source);
	return 1;
}

/* Begin a round: look at every log. A log that there is no memory for waits for the next round. */
static int round_begin(struct tacho_merge *merge)
{
	int ret = 0;

	for (uint32_t i = 0; i < merge->nr_sources; i++) {
		int filled;

		merge->source[i].left = UINT64_MAX;
		filled = source_fill(merge, &merge->source[i]);
		if (filled > 0) {
			merge->heap[merge->nr_heap] = i;
			heap_up(merge, merge->nr_heap++);
		} else if (filled < 0) {
			ret = filled;
		}
	}
	return ret;
}

/* Deliver from the round until it is at its end or max rows are out. */
static size_t round_deliver(struct tacho_merge *merge, struct tacho_row *row, size_t max)
{
	size_t got = 0;

	while (got < max && merge->nr_heap > 0) {
		struct source *source = &merge->source[merge->heap[0]];

		row[got++] = source->row[source->next++];
		if (source->next < source->nr_rows)
			source->key = source_key(source);
		else if (source_fill(merge, source) <= 0)
			merge->heap[0] = merge->heap[--merge->nr_heap];
		if (merge->nr_heap > 1)
			heap_down(merge, 0);
	}
	return got;
}

TACHO_EXPORT long tacho_merge_read(struct tacho_merge *merge, struct tacho_row *row, size_t max)
{
	/* what an earlier call left, then one round of what is there now */
	size_t got = round_deliver(merge, row, max);
	int ret = 0;

	if (got < max) {
		ret = round_begin(merge);
		got += round_deliver(merge, row + got, max - got);
	}
	return got > 0 ? (long)got : ret;
}

TACHO_EXPORT void tacho_merge_lost(const struct tacho_merge *merge, uint64_t *rows, uint64_t *lost)
{
	*rows = 0;
	*lost = 0;
	for (uint32_t i = 0; i < merge->nr_sources; i++) {
		const struct source *source = &merge->source[i];

		*rows += source->cursor.rows - (source->nr_rows - source->next);
		*lost = add_capped(*lost, source->cursor.lost);
	}
}
