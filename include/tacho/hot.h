/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hot.h: the log operation, inline.
 *
 * Owns the steps from "an event happened" to "a row is in its log" (section 4.3.3 of paper 001).
 * Must not make a system call, take a lock that others wait for, or use a value read from the area
 * as part of an address before it is masked. Called by lib/hot.c (rseq), lib/slow.c (generic) and
 * by verify/, which checks the generic writer and the row protocol over these very lines.
 *
 * The operation in pseudo-code; arch/x86_64.h does it as one restartable sequence, arch/generic.h
 * with atomics, hot.bpf.h in eBPF:
 *
 *   part          = parts + cpu * stride                     cpu < nr_cpus, else lost
 *   domain        = principals[principal & M] & M
 *   correspondent = principals[correspondent principal & M]
 *   if domain == correspondent: done                         inside one domain: not an event
 *   route         = routes[domain]                           0: done
 *   if route is sampled and ++count < threshold: done
 *   control       = part + CONTROLS + (route & M)
 *   off           = (rows_off + (pos & row_mask) * row_size) & M
 *   (C) the last position is visible before the row
 *   part[off]     = entries by layout                        row first
 *   (A) the row is visible before the position
 *   control.pos   = pos + 1                                  position last
 *
 * Barriers (doc/ordering.md has the list):
 *   A  release, here, with A' acquire in the reader. Without it a reader takes a row that is
 *      counted and not yet there.
 *   C  release fence, here, with B, the acquire fence of the reader between its copy and its second
 *      look at the position. Without it the reader can copy half of row pos and still find pos
 *      unchanged, and keeps a row that was being replaced.
 */
#ifndef TACHO_HOT_H
#define TACHO_HOT_H

#include "area.h"
#include "atomic.h"
#include "hook.h"

/* What became of an event in one area. */
enum tacho__result {
	TACHO__DONE = 0, /* a row was written or a counter advanced */
	TACHO__SKIP = 1, /* inside one domain, no route, or below the threshold: not an event */
	TACHO__OFF = 2, /* the hook is not in use by this writer, or the CPU has no part */
	TACHO__SAMPLED = 3, /* the route is sampled and this event reaches the threshold */
	TACHO__LAYOUT = 4, /* undefined layout: lost */
	TACHO__BUSY = 5, /* generic: the log is being written by another */
	TACHO__DUE = 6, /* the event was counted and is the one that becomes a row */
};

/* Everything that a row can say, resolved. */
struct tacho__row {
	tacho_u64 time;
	tacho_u64 counter;
	tacho_u32 event;
	tacho_u32 domain;
	tacho_u32 correspondent;
};

/*
 * Where the row of position pos begins, from the start of the part. Whatever the area says, the row
 * is aligned to its size and lies below body_size.
 */
static inline tacho_u32 tacho__row_off(tacho_u32 rows_off, tacho_u32 row_mask, tacho_u32 layout,
				       tacho_u64 pos, tacho_u32 body_mask)
{
	tacho_u64 off = rows_off + ((pos & row_mask) << TACHO_ROW_SHIFT(layout));

	return (tacho_u32)off & body_mask & ~((1u << TACHO_ROW_SHIFT(layout)) - 1);
}

/* Store the entries that layout asks for. At most TACHO_MAX_ROW bytes from at. Wait-free. */
static inline void tacho__row_store(unsigned char *at, tacho_u32 layout,
				    const struct tacho__row *row)
{
	if (TACHO_HAS_TIME(layout))
		tacho_store_relaxed((tacho_u64 *)(void *)at, row->time);
	if (layout & TACHO_ENTRY_COUNTER)
		tacho_store_relaxed((tacho_u64 *)(void *)(at + TACHO_COUNTER_OFF(layout)),
				    row->counter);
	if (layout & TACHO_ENTRY_EVENT)
		tacho_store_relaxed((tacho_u32 *)(void *)(at + TACHO_EVENT_OFF(layout)),
				    row->event);
	if (layout & TACHO_ENTRY_DOMAIN)
		tacho_store_relaxed((tacho_u32 *)(void *)(at + TACHO_DOMAIN_OFF(layout)),
				    row->domain);
	if (layout & TACHO_ENTRY_CORRESPONDENT)
		tacho_store_relaxed((tacho_u32 *)(void *)(at + TACHO_CORR_OFF(layout)),
				    row->correspondent);
}

/*
 * Principals to domains, the domain check and the route, for one part.
 * Returns the route word, or 0 when the event is internal to a domain or goes nowhere.
 */
static inline tacho_u32 tacho__resolve(const struct tacho__hook *hook, tacho_u64 part_off,
				       tacho_u32 principal, tacho_u32 correspondent,
				       struct tacho__row *row)
{
	const tacho_u32 *routes = (const tacho_u32 *)(const void *)(hook->routes + part_off);

	row->domain = tacho_load_relaxed(&hook->principals[principal & hook->principal_mask]) &
		      hook->domain_mask;
	row->correspondent =
		tacho_load_relaxed(&hook->principals[correspondent & hook->principal_mask]);
	if (row->domain == row->correspondent)
		return 0;
	return tacho_load_relaxed(&routes[row->domain]);
}

#include "arch/generic.h"

#if defined(__x86_64__) && !defined(__ILP32__) && !defined(__SANITIZE_THREAD__) &&                 \
	!defined(TACHO_GENERIC_ONLY)
#include "arch/x86_64.h"
#define TACHO__HAVE_RSEQ 1
#else
#define TACHO__HAVE_RSEQ 0
#endif

#endif /* TACHO_HOT_H */
