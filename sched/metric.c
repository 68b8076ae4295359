// SPDX-License-Identifier: BSD-2-Clause
/*
 * metric.c: what metric.h promises.
 */
#include "metric.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const tacho_metric_names[TACHO_NR_METRICS] = {
	[TACHO_METRIC_CACHE] = "cache misses",
	[TACHO_METRIC_PAGES] = "pages referenced",
	[TACHO_METRIC_FAULTS] = "page faults",
	[TACHO_METRIC_NONE] = "none",
};

static const char *const words[TACHO_METRIC_NONE] = {
	[TACHO_METRIC_CACHE] = "cache",
	[TACHO_METRIC_PAGES] = "pages",
	[TACHO_METRIC_FAULTS] = "faults",
};

/* The kernel has a driver for the processor's counters. */
static bool has_pmu(void)
{
	return access("/sys/bus/event_source/devices/cpu", F_OK) == 0 ||
	       access("/sys/bus/event_source/devices/cpu_core", F_OK) == 0 ||
	       access("/sys/bus/event_source/devices/armv8_pmuv3_0", F_OK) == 0;
}

static bool has_pages(void)
{
	return access("/proc/self/clear_refs", W_OK) == 0 &&
	       access("/proc/self/smaps_rollup", R_OK) == 0;
}

static enum tacho_metric_source best(enum tacho_metric_use use, bool has_faults)
{
	if (has_pmu())
		return TACHO_METRIC_CACHE;
	if (use == TACHO_METRIC_DECIDES && has_pages())
		return TACHO_METRIC_PAGES;
	return use != TACHO_METRIC_UNUSED || has_faults ? TACHO_METRIC_FAULTS : TACHO_METRIC_NONE;
}

int tacho_metric_choose(const char *name, enum tacho_metric_use use, bool has_faults,
			enum tacho_metric_source *source, char *why, unsigned why_size)
{
	unsigned i;

	if (!name) {
		*source = best(use, has_faults);
		return 0;
	}
	for (i = 0; i < TACHO_METRIC_NONE && strcmp(name, words[i]) != 0; i++)
		;
	if (i == TACHO_METRIC_NONE) {
		snprintf(why, why_size, "no metric '%s': cache, pages, faults", name);
		return -EINVAL;
	}
	*source = (enum tacho_metric_source)i;
	if ((i == TACHO_METRIC_CACHE && !has_pmu()) || (i == TACHO_METRIC_PAGES && !has_pages())) {
		snprintf(why, why_size, "metric %s: this machine cannot count %s", name,
			 tacho_metric_names[i]);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* "Referenced:     1234 kB" */
static int referenced_kb(int pid, uint64_t *kb)
{
	static const char key[] = "\nReferenced:";
	char path[48], text[4096];
	const char *line;
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (size <= 0)
		return size < 0 ? -errno : -ENODATA;
	text[size] = '\0';
	line = strstr(text, key);
	if (!line)
		return -ENODATA;
	*kb = strtoull(line + sizeof(key) - 1, NULL, 10);
	return 0;
}

int tacho_metric_pages(int pid, uint64_t *pages)
{
	const long page_kb = sysconf(_SC_PAGESIZE) / 1024;
	uint64_t kb = 0;
	char path[48];
	int fd, error = referenced_kb(pid, &kb);

	if (error)
		return error;
	*pages = kb / (uint64_t)(page_kb > 0 ? page_kb : 4);
	snprintf(path, sizeof(path), "/proc/%d/clear_refs", pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, "1", 1) != 1)
		error = -errno;
	close(fd);
	return error;
}
