/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * analysis.h: what a scheduler does with the kernel's logs, as a load to be measured.
 *
 * The scheduler of paper 001, section 5.3, without its decisions: every 20 ms it asks what runs,
 * reads all logs into facts, ends the interval, looks at every domain that had rows and at the
 * matrix, and lets the kernel component keep house. Once a second it frees domains that have ended.
 * The logs and the order of all this are those of facts/live.h, as for every scheduler.
 */
#ifndef TACHO_BENCH_ANALYSIS_H
#define TACHO_BENCH_ANALYSIS_H

#include <stddef.h>
#include <stdint.h>

#include "facts/live.h"

#define ANALYSIS_EVENTS	   8u
#define ANALYSIS_PERIOD_NS 20000000ull

struct analysis_options {
	uint32_t events[ANALYSIS_EVENTS]; /* of kernel/events.h */
	uint32_t nr_events;
	uint32_t rows; /* of each log [as facts/live.c has it] */
};

struct analysis {
	struct tacho_live *live;
	struct analysis_options options;
	uint64_t *used_ns; /* by domain: when it had the processor last */
	uint64_t swept_ns;
	uint32_t shared_every; /* mem.shared at every so many rounds; 0: never */
	/* what happened since analysis_open */
	uint64_t rows;
	uint64_t rounds;
	uint64_t late; /* rounds that began more than half a period too late */
	uint64_t samples; /* of mem.shared */
	uint64_t shared; /* rows of mem.shared */
	double asked; /* what the questions were answered: so that they are */
};

/* Load the component and make the logs; nothing is enabled. 0, or negative with a reason. */
int analysis_open(struct analysis *analysis, const struct analysis_options *options, char *why,
		  size_t why_size);
void analysis_close(struct analysis *analysis); /* also if it could not be opened */
/* All events of the options. 0 or -errno. */
int analysis_enable(struct analysis *analysis);
/* One round, now. 0 or -errno. */
int analysis_round(struct analysis *analysis);
/*
 * A round every 20 ms until end_ns of CLOCK_MONOTONIC, or until a descriptor (or -1) is readable.
 * 0 or -errno. analysis NULL: it wakes up and does nothing.
 */
int analysis_loop(struct analysis *analysis, uint64_t end_ns, int fd);
/* Rows that were overwritten before they were read, and what the writers lost. */
uint64_t analysis_lost(const struct analysis *analysis);
/* Rows that were written to the logs, but neither read nor overwritten. */
uint64_t analysis_missing(const struct analysis *analysis);

#endif /* TACHO_BENCH_ANALYSIS_H */
