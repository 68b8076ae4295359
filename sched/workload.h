/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * workload.h: which domains are the workload, found while they run (Clavis, paper 003).
 *
 * A domain that takes more of a processor, of the disk or of the network than a threshold is of the
 * workload: at once, that is after one interval of a second; and no longer after five quiet ones in
 * a row. A domain may be of several classes. The same input gives the same answer: no clock, no
 * file. Intervals shorter than a second are put together.
 */
#ifndef TACHO_SCHED_WORKLOAD_H
#define TACHO_SCHED_WORKLOAD_H

#include <tacho/policy.h>

enum tacho_workload_class {
	TACHO_WORKLOAD_CPU = 0x1, /* compute bound: service > cpu_threshold [0.3] */
	TACHO_WORKLOAD_DISK = 0x2, /* I/O bound: io_bytes > disk_threshold [50 KB/s] */
	TACHO_WORKLOAD_NET = 0x4, /* network bound: net_bytes > net_threshold [1 MB/s] */
};

/* What is known of a domain of the workload. */
struct tacho_workload_domain {
	uint32_t id; /* as in the input */
	int32_t pid, tid;
	char name[32];
	uint32_t classes; /* enum tacho_workload_class; quiet ones count until they are out */
	uint32_t quiet; /* intervals in a row without any */
	double service, io_bytes, net_bytes, intensity; /* means of the last interval */
};

struct tacho_workload_options {
	uint64_t interval_ns; /* [1 s] */
	uint32_t in; /* busy intervals in a row until it is of the workload [1] */
	uint32_t out; /* quiet intervals in a row until it is not [5] */
};

struct tacho_workload;

/* options NULL: all defaults; a zero is the default. 0 or -ENOMEM. */
int tacho_workload_open(struct tacho_workload **workload,
			const struct tacho_workload_options *options);
void tacho_workload_close(struct tacho_workload *workload);
/*
 * 1: an interval has ended, the answers are new; 0: not yet; -ENOMEM. Thresholds are those of the
 * input.
 */
int tacho_workload_update(struct tacho_workload *workload, const struct tacho_policy_input *input);
/* The workload, by id; good until the next update. */
const struct tacho_workload_domain *tacho_workload_list(const struct tacho_workload *workload,
							size_t *nr);
/* Classes of a domain; 0: it is not of the workload. */
uint32_t tacho_workload_classes(const struct tacho_workload *workload, uint32_t id);
/* "cpu+disk"; size 16 is enough. */
const char *tacho_workload_format(uint32_t classes, char *text, size_t size);

#endif /* TACHO_SCHED_WORKLOAD_H */
