/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * self.h: a session of a benchmark with itself.
 *
 * The benchmark is component and session at once: it finds itself by its pid, and the component's
 * side answers in its own thread, as it would to another process. Refusals are told on standard error.
 */
#ifndef TACHO_BENCH_SELF_H
#define TACHO_BENCH_SELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tacho/reader.h>
#include <tacho/session.h>

#include "bench.h"

/* Writers, as struct tacho_target says them. */
enum self_writer { SELF_RSEQ = 1, SELF_GENERIC = 2 };

struct self {
	const struct bench *bench;
	struct tacho_target *target;
	struct tacho_memory memory;
	struct tacho_view view; /* of memory */
};

/* A log for an event. */
struct self_log {
	const char *event; /* its name */
	uint32_t layout;
	uint32_t rows;
	uint32_t threshold;
	uint32_t id; /* of the event; set by self_add */
	uint32_t log; /* set by self_add */
};

/* Connect and make an area with rows_size bytes for rows per CPU. 0 or -errno. */
int self_open(struct self *self, const struct bench *bench, uint32_t rows_size);
/* Find the event, give it a log and route all domains to it. 0 or -errno. */
int self_add(struct self *self, struct self_log *log);
/* Hand over the area. 0 or -errno. */
int self_attach(struct self *self);
int self_enable(struct self *self, const uint32_t *ids, size_t nr);
int self_disable(struct self *self, const uint32_t *ids, size_t nr);
void self_close(struct self *self); /* at any time after self_open was called */

uint64_t self_rows(const struct self *self, const struct self_log *log); /* written, all CPUs */
uint64_t self_sum(const struct self *self, const struct self_log *log); /* of an adding log */
uint64_t self_lost(const struct self *self); /* all CPUs and reasons */

/* Whether this process was started to measure the generic writer. */
bool self_is_generic(void);
/*
 * Run this program once more, with the same arguments and the generic writer, which is chosen when
 * a process starts. Its lines become ours; its failure is counted.
 */
void self_run_generic(struct bench *bench, char **argv);

#endif /* TACHO_BENCH_SELF_H */
