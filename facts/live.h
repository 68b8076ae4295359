/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * live.h: the kernel's logs of this machine, read into facts: one session.
 *
 * Owns the kernel component (kernel/kernel.h), one log per event, the cursors, and a struct
 * tacho_facts. What tacho top, tacho sched and the benchmarks have in common stands here, once:
 * which rows an event needs, the order in which an interval ends, housekeeping, and what was lost.
 * It reads no clock of its own but CLOCK_MONOTONIC, and prints nothing. Functions return 0 or
 * -errno; tacho_live_error says more. One thread per object. Section 4.5 of paper 001.
 *
 * An event's log has no more entries than facts.c needs of it, and no time but where order matters
 * (cpu.service).
 *
 * On and off. Nothing is attached before the first event is on. Off detaches what events need; the
 * programs that follow tasks stay until the session is closed, so that on need not look through all
 * of /proc, and names stay right: go on calling tacho_live_end, or tacho_live_tend, while it is
 * off. Rows that are left in the logs are read by the next read or end. With the first event that
 * goes on after a pause an interval begins: what was logged before it counts in the one that ends
 * there, and so does the pause, of which nothing is known. So an interval has rows for all of its
 * time if events were on at its beginning and still are at its end; of others only sums and numbers
 * of rows mean something, not shares of time.
 */
#ifndef TACHO_FACTS_LIVE_H
#define TACHO_FACTS_LIVE_H

#include "facts/facts.h"
#include "kernel/kernel.h"

struct tacho_live_options {
	struct tacho_kernel_options kernel; /* rows_size 0: computed from the logs */
	/* Each gets a log; those that this kernel has no source for are left out. */
	const uint32_t *events;
	size_t nr_events;
	uint32_t rows; /* of each log, instead of what the table says: where losses are wanted */
	uint32_t times; /* logs are that much longer than the table says: a power of two [1] */
	double half_life_s; /* of decayed rates [2] */
	bool overlaps; /* keep slices, so that tacho_facts_together can be asked */
};

struct tacho_live;

/* As tacho_kernel_open; -EINVAL: an event that has no meaning for facts, or is there twice. */
int tacho_live_open(struct tacho_live **live, const struct tacho_live_options *options, char *why,
		    size_t why_size);
void tacho_live_close(struct tacho_live *live);
const char *tacho_live_error(const struct tacho_live *live); /* of the last call that failed */
/* Bytes of rows per CPU that logs of these events take, if they are as long as the table says. */
uint32_t tacho_live_size(const uint32_t *events, size_t nr);

/*
 * Attach the programs of all events, or of none. On twice, or off twice, is nothing. The first on
 * looks through /proc, which takes 20 ms and more; after that on and off take 2 to 5 ms each, most
 * of it processor time.
 */
int tacho_live_on(struct tacho_live *live);
int tacho_live_off(struct tacho_live *live);
/*
 * Of some events only; those that have no log are passed over. Events that the kernel refuses stay
 * off, one by one, and tacho_live_has says so; it is an error if cpu.service is among them, or if
 * all are.
 */
int tacho_live_enable(struct tacho_live *live, const uint32_t *ids, size_t nr);
int tacho_live_disable(struct tacho_live *live, const uint32_t *ids, size_t nr);
bool tacho_live_has(const struct tacho_live *live, uint32_t event); /* it is on */

/*
 * Read what is in the logs into facts, the interval goes on. *fill (may be NULL): how full the
 * fullest log was, 0..1; at 1 rows were lost.
 */
int tacho_live_read(struct tacho_live *live, double *fill);
/*
 * The interval ends: what runs now, all rows, the time, tacho_facts_end; then housekeeping
 * (tacho_live_tend). names_changed may be NULL.
 */
int tacho_live_end(struct tacho_live *live, bool *names_changed);
/* tacho_kernel_tend: between intervals that are longer than 100 ms. */
int tacho_live_tend(struct tacho_live *live, bool *names_changed);
/*
 * Now and then, after tacho_live_end: domains that have ended are forgotten, gone (may be NULL) is
 * told, their numbers are free.
 */
void tacho_live_sweep(struct tacho_live *live, void (*gone)(void *arg, uint32_t domain), void *arg);

struct tacho_facts *tacho_live_facts(struct tacho_live *live);
struct tacho_kernel *tacho_live_kernel(struct tacho_live *live);
const struct tacho_view *tacho_live_view(const struct tacho_live *live);
/* By CPU: it was online when the last interval ended. */
const bool *tacho_live_online(const struct tacho_live *live);
uint64_t tacho_live_ended(const struct tacho_live *live); /* when the last interval did */
uint64_t tacho_live_now(void); /* ns of CLOCK_MONOTONIC, the clock of the rows */
/* Rows read, and events lost for whatever reason, since open. */
void tacho_live_totals(const struct tacho_live *live, uint64_t *rows, uint64_t *lost);

/* The log of one event, or all logs (TACHO_NONE), on all CPUs, since open. */
struct tacho_live_log {
	uint64_t written; /* rows; what is neither read nor overwritten is still to be read */
	uint64_t rows; /* read */
	uint64_t overwritten; /* before they were read */
};
void tacho_live_log(const struct tacho_live *live, uint32_t event, struct tacho_live_log *log);

#endif /* TACHO_FACTS_LIVE_H */
