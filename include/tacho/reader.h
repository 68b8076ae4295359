/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reader.h: reading logs in place, while they are written.
 *
 * A reader makes one pass over a log, never restarts and never disturbs the writer: it takes the
 * rows between its cursor and the position, looks at the position again, and drops exactly those
 * rows that could have been overwritten meanwhile (section 3.7.3 of paper 001 restarts instead).
 *
 * Wait-free on both sides. Any thread may read, with a cursor of its own; a cursor is plain memory
 * and stays good when the session detaches or the component dies, as long as the area is mapped.
 * Nothing here trusts the area: geometry is checked once in tacho_view_open, the rest is masked.
 */
#ifndef TACHO_READER_H
#define TACHO_READER_H

#include <stddef.h>
#include <stdint.h>

#include "area.h"
#include "atomic.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A mapped area with its geometry checked and copied. Plain memory; nothing to free. */
struct tacho_view {
	const unsigned char *base; /* first byte of the mapping */
	uint64_t size; /* bytes mapped */
	struct tacho_area header; /* private copy, checked */
};

/*
 * Check the area at base. Returns 0, -EPROTO (version), -EINVAL (anything else); why (why_size
 * bytes, may be NULL) then says what is wrong in one line.
 */
int tacho_view_open(struct tacho_view *view, const void *base, uint64_t size, char *why,
		    size_t why_size);

/*
 * One row, decoded. Entries that the log does not have are 0; an event and a domain are then what the
 * control register says the log is for, or TACHO_NONE, and the correspondent is TACHO_NONE.
 */
struct tacho_row {
	uint64_t time; /* in the unit of the log's clock; see tacho_view_ns */
	uint64_t counter;
	uint32_t event;
	uint32_t domain;
	uint32_t correspondent;
	uint32_t cpu;
	uint64_t pos; /* of this row in its log */
};

/*
 * Where one log is and how far it has been read.
 *   rows + lost == pos - position at which it started, as long as resets == 0
 */
struct tacho_cursor {
	uint32_t cpu;
	uint32_t log;
	uint64_t pos; /* next row to read */
	uint64_t rows; /* read so far */
	uint64_t lost; /* overwritten before they were read */
	uint64_t resets; /* the position went back or leapt: it lied, nothing was counted */
};

/*
 * A window of rows that can be parsed in place. Before it is closed, begin may be raised and end may
 * be lowered by the caller: rows below begin count as lost, rows from end on stay unread.
 */
struct tacho_window {
	const unsigned char *rows; /* row 0 of the log */
	uint32_t row_mask;
	uint32_t row_size; /* bytes */
	uint32_t layout;
	uint32_t event; /* the only event of the log, or TACHO_NONE */
	uint32_t domain; /* the only domain of the log, or TACHO_NONE */
	uint32_t cpu;
	uint64_t begin; /* positions begin <= i < end are in the window */
	uint64_t end;
};

/*
 * Start at position 0 (from_start: what was overwritten since then counts as lost), or at the next row
 * to be written. Returns 0 or -EINVAL: no such log, or one that adds and has no rows.
 */
int tacho_cursor_init(struct tacho_cursor *cursor, const struct tacho_view *view, uint32_t cpu,
		      uint32_t log, int from_start);

/*
 * In place: open the window of unread rows, parse any of them, then close it. close returns how many
 * rows at the beginning of the window were not safe to use (0: all were good) and advances the
 * cursor; those are counted in cursor->lost. So nothing that a row said is to be believed before
 * close: parse into something that can be taken back, or use tacho_cursor_read. An empty window is
 * closed too: that counts what was lost ahead of it.
 *
 * Of a log of n rows at most n - 1 are in a window: the oldest may be in the process of being
 * replaced. A log without entries has no bytes and loses nothing.
 * open returns 0, or -EINVAL when there is no such log or its control register is not sane.
 */
int tacho_window_open(struct tacho_window *window, const struct tacho_cursor *cursor,
		      const struct tacho_view *view);
uint64_t tacho_window_close(const struct tacho_window *window, struct tacho_cursor *cursor,
			    const struct tacho_view *view);
/*
 * Close a window and open the next one with the same look at the log: for a long window in steps, each
 * with a lowered end, so that a fast writer spoils little. Returns what close returns; the next
 * window is empty when there is nothing to read.
 */
uint64_t tacho_window_next(struct tacho_window *window, struct tacho_cursor *cursor,
			   const struct tacho_view *view);
/* Decode row i of the window, begin <= i < end. */
void tacho_window_row(const struct tacho_window *window, uint64_t i, struct tacho_row *row);

/*
 * The fast way through a window: where row i is, and how many rows from it on, at least one, stand
 * one behind the other before the log wraps or the window ends. The offsets of the entries are
 * TACHO_COUNTER_OFF(window->layout) and so on; the writer may be at the same bytes, so they are read
 * with tacho_entry_u64 and tacho_entry_u32 only.
 */
static inline const unsigned char *tacho_window_run(const struct tacho_window *window, uint64_t i,
						    uint64_t *rows)
{
	uint64_t slot = i & window->row_mask;
	uint64_t to_wrap = (uint64_t)window->row_mask + 1 - slot;

	*rows = window->end - i < to_wrap ? window->end - i : to_wrap;
	return window->rows + slot * window->row_size;
}

/* Timestamp and counter are 64 bits, the other entries 32. */
static inline uint64_t tacho_entry_u64(const unsigned char *entry)
{
	return tacho_load_relaxed((const uint64_t *)(const void *)entry);
}

static inline uint32_t tacho_entry_u32(const unsigned char *entry)
{
	return tacho_load_relaxed((const uint32_t *)(const void *)entry);
}

/*
 * Copy at most max rows to row, good ones only. Returns how many; cursor->lost counts the rest.
 * One pass in small steps, so that few rows are lost to a fast writer; when a whole step was
 * overwritten, the next one keeps a distance from the oldest row, and what lies between counts as
 * lost. < max means that the log was read to the end that it had when the call began.
 */
size_t tacho_cursor_read(struct tacho_cursor *cursor, const struct tacho_view *view,
			 struct tacho_row *row, size_t max);

/* The value of an adding log. Returns 0 or -EINVAL: not an adding log. */
int tacho_view_sum(const struct tacho_view *view, uint32_t cpu, uint32_t log, uint64_t *sum);

/* Events that a CPU's writers lost, by enum tacho_lost. */
uint64_t tacho_view_lost(const struct tacho_view *view, uint32_t cpu, uint32_t reason);

/*
 * Which domain has a CPU, and since when (in the unit of the clock source). Returns 0; -EAGAIN: it
 * changes faster than we look; -ENODATA: nobody keeps it; -EINVAL: no such CPU.
 */
int tacho_view_running(const struct tacho_view *view, uint32_t cpu, uint32_t *domain,
		       uint64_t *since);

/* A time of the clock source, and a difference of two, in ns; both end at 0 and UINT64_MAX. */
uint64_t tacho_view_ns(const struct tacho_view *view, uint64_t time);
uint64_t tacho_view_ticks_ns(const struct tacho_view *view, uint64_t ticks);

/*
 * Many logs in time order. The merge holds back nothing: rows that are there are delivered, sorted
 * among those that one call found; what does not fit into one call is delivered first by the next.
 * Rows of logs that keep neither TACHO_CLOCK_TIME nor TACHO_CLOCK_TICK follow those that do, in the
 * order in which their logs were added. The view may go once the merge is open, its mapping may not.
 */
struct tacho_merge;
int tacho_merge_open(struct tacho_merge **merge, const struct tacho_view *view);
/* As tacho_cursor_init, and -ENOMEM. */
int tacho_merge_add(struct tacho_merge *merge, uint32_t cpu, uint32_t log, int from_start);
/* Up to max rows, oldest first. Returns how many, or -ENOMEM. */
long tacho_merge_read(struct tacho_merge *merge, struct tacho_row *row, size_t max);
/* Rows delivered and rows lost so far, of all logs. */
void tacho_merge_lost(const struct tacho_merge *merge, uint64_t *rows, uint64_t *lost);
void tacho_merge_close(struct tacho_merge *merge);

#ifdef __cplusplus
}
#endif

#endif /* TACHO_READER_H */
