/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probe.h: what this kernel has of what the kernel component is made of, for tacho doctor.
 *
 * Each thing is tried, and dropped at once: a version says less, because distributions carry changes
 * back and administrators lock things down. What follows from it all, for whoever wants to log, is
 * tacho_kernel_probe of kernel.h. Any thread; nothing prints; nothing stays.
 */
#ifndef TACHO_KERNEL_PROBE_H
#define TACHO_KERNEL_PROBE_H

#include "kernel.h"

enum tacho_kernel_feature {
	TACHO_FEATURE_PROGRAMS, /* programs at tracepoints, typed by BTF */
	TACHO_FEATURE_MMAP, /* arrays that can be mapped */
	TACHO_FEATURE_STORAGE, /* storage of tasks */
	TACHO_FEATURE_ITER, /* programs that walk over all tasks */
	TACHO_FEATURE_TIMER, /* perf events on a CPU, whoever runs there */
	TACHO_NR_FEATURES,
};

/*
 * 0: it works; -EPERM: not for this user; -ENODATA: there is no BTF to ask; -ENOENT: it is not in it;
 * otherwise what was refused.
 */
int tacho_kernel_feature(enum tacho_kernel_feature feature);
/* The version of Linux that brought it. */
const char *tacho_kernel_feature_since(enum tacho_kernel_feature feature);

/* Names of the capabilities that are missing of those that are needed, in text; how many. */
size_t tacho_kernel_capabilities(char *text, size_t size);

/*
 * Whether the numbers of tasks in /proc are those that the kernel's programs see: not in a pid
 * namespace of its own, as containers have it. Names of domains, and rules, are by these numbers.
 */
bool tacho_kernel_sees_host(void);

/* What cpu.pmcN counts here if nobody chooses; NULL: there is no such N. */
const char *tacho_kernel_counter(uint32_t n);

#endif /* TACHO_KERNEL_PROBE_H */
