/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * krival.h: other ways to record what the kernel does, switched on and off around a repetition.
 *
 * empty, floor and ring are the eBPF programs of rival.bpf.c. ftrace is a trace instance of our own, perf
 * and bpftrace are the tools, started for each repetition and ended by the end of their input: they
 * do not outlive this process. Nothing is left on the machine, also when we are killed. All need root.
 */
#ifndef TACHO_KRIVAL_H
#define TACHO_KRIVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench.h"
#include "krival_row.h"

enum krival_kind {
	KRIVAL_EMPTY,
	KRIVAL_FLOOR,
	KRIVAL_RING,
	KRIVAL_FTRACE,
	KRIVAL_PERF,
	KRIVAL_BPFTRACE,
	KRIVAL_NR_KINDS,
};

/* Parts of a case's name: "ftrace", "sched_switch". */
extern const char *const krival_kind_name[KRIVAL_NR_KINDS];
extern const char *const krival_event_name[KRIVAL_NR_EVENTS];

/* What a rival says of itself, between on and off. */
struct krival_count {
	uint64_t events; /* that it recorded, or counted */
	uint64_t lost; /* that it knows it did not record */
	bool is_known; /* empty programs only know when they are proved */
};

/*
 * Make ready what can be had here; krival_on says of each of the others why not. other_cpus: where the
 * tools and their consumers run. 0 or -errno, with a reason.
 */
int krival_open(const cpu_set_t *other_cpus, char *why, size_t why_size);
void krival_close(void);

/*
 * One rival at a time. prove: count even if that costs time. off ends what on began, also if that
 * failed half way. 0, or negative with a reason.
 */
int krival_on(enum krival_kind kind, enum krival_event event, bool prove, char *why,
	      size_t why_size);
int krival_off(struct krival_count *count, char *why, size_t why_size);
/*
 * Read what the ring buffer has, as its reader would every few milliseconds. At the latest after
 * KRIVAL_DRAIN events: a ring that is full drops them, and a larger one costs more, in cache misses.
 */
void krival_drain(void);
#define KRIVAL_DRAIN 8000u

#endif /* TACHO_KRIVAL_H */
