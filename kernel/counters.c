// SPDX-License-Identifier: BSD-2-Clause
/*
 * counters.c: which counters cpu.pmc0 to 3 can be.
 *
 * Owns the list of names. Hardware counters are tried, not believed: a machine without a performance
 * monitoring unit refuses to open them, and then the kernel's own counters take their places, so that
 * the events exist everywhere and say which counter they have. Called by enable.c and doctor.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel_internal.h"

static const struct counter {
	const char *name;
	uint32_t type;
	uint64_t config;
} counters[] = {
	{ "instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS },
	{ "cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES },
	{ "cache-misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES },
	{ "cache-references", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES },
	{ "branch-misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES },
	{ "stalled-cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_STALLED_CYCLES_BACKEND },
	{ "task-clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK },
	{ "cpu-clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK },
	{ "page-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS },
	{ "migrations", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_MIGRATIONS },
	{ "switches", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES },
	{ "major-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MAJ },
};
#define NR_COUNTERS (sizeof(counters) / sizeof(counters[0]))

/* By place: the one with hardware, the one without. */
static const char *const preferred[TACHO_K_COUNTERS][2] = {
	{ "instructions", "cpu-clock" },
	{ "cycles", "page-faults" },
	{ "cache-misses", "migrations" },
	{ "cache-references", "switches" },
};

static const struct counter *counter_named(const char *name)
{
	for (size_t i = 0; i < NR_COUNTERS; i++)
		if (strcmp(counters[i].name, name) == 0)
			return &counters[i];
	return NULL;
}

static void attr_set(struct perf_event_attr *attr, const struct counter *counter)
{
	*attr = (struct perf_event_attr){
		.size = sizeof(*attr),
		.type = counter->type,
		.config = counter->config,
	};
}

/* Whether it counts here: on the first CPU that is asked, for this process. */
static int counter_works(const struct counter *counter)
{
	struct perf_event_attr attr;
	long fd;

	attr_set(&attr, counter);
	fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return 0;
	close((int)fd);
	return 1;
}

int tacho_k_counter_find(const char *name, uint32_t n, struct perf_event_attr *attr,
			 const char **found)
{
	const struct counter *counter;

	if (n >= TACHO_K_COUNTERS)
		return -EINVAL;
	counter = counter_named(name ? name : preferred[n][0]);
	if (!counter)
		return -EINVAL;
	if (!name && !counter_works(counter))
		counter = counter_named(preferred[n][1]);
	if (attr)
		attr_set(attr, counter);
	if (found)
		*found = counter->name;
	return 0;
}

void tacho_k_counter_names(char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < NR_COUNTERS && len < size; i++)
		len += (size_t)snprintf(text + len, size - len, "%s%s", i ? " " : "",
					counters[i].name);
}
