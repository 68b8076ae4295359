/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kself.h: tacho's kernel component as a configuration of a benchmark, switched on and off around a
 * repetition, as krival.h does it with the rivals.
 *
 * Every event and layout that is used gets a log of its own, to which all domains are routed, as a
 * session does that looks at the whole machine.
 */
#ifndef TACHO_BENCH_KSELF_H
#define TACHO_BENCH_KSELF_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/kernel.h"

#include "bench.h"

#define KSELF_EVENTS 2

/* One configuration. No event: the component is loaded and nothing is enabled. */
struct kself_config {
	uint32_t events[KSELF_EVENTS]; /* of kernel/events.h */
	uint32_t nr_events;
	uint32_t layout;
};

struct kself_count {
	uint64_t rows[KSELF_EVENTS]; /* written to the log of each event, all CPUs */
	uint64_t lost; /* all reasons */
};

/* Load the component; one at a time. 0, or negative with a reason. */
int kself_open(const struct bench *bench, enum tacho_kernel_by by, char *why, size_t why_size);
void kself_close(void);

int kself_on(const struct kself_config *config, char *why, size_t why_size);
int kself_off(struct kself_count *count, char *why, size_t why_size);

#endif /* TACHO_BENCH_KSELF_H */
