/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpuset.h: a cpuset of one CPU, which a test makes and removes. Needs a hierarchy of version 1 in
 * which a directory may be made.
 */
#ifndef TACHO_TESTS_CPUSET_H
#define TACHO_TESTS_CPUSET_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t.h"

#define CPUSET_ROOT "/sys/fs/cgroup/cpuset"

static inline void cpuset_write(const char *name, const char *file, const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), CPUSET_ROOT "/%s/%s", name, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	T_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* Waits, bounded, for the last of its tasks to go. */
static inline bool cpuset_remove(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), CPUSET_ROOT "/%s", name);
	for (int i = 0; i < 20000; i++) {
		if (rmdir(path) == 0 || errno != EBUSY)
			break;
		usleep(1000);
	}
	return access(path, F_OK) != 0;
}

/* False: there are none here. One that a killed test has left is used again. */
static inline bool cpuset_make(const char *name, uint32_t cpu)
{
	char path[128], text[16];

	snprintf(path, sizeof(path), CPUSET_ROOT "/%s", name);
	if (access(CPUSET_ROOT "/cpuset.cpus", W_OK) || (mkdir(path, 0755) && errno != EEXIST))
		return false;
	snprintf(text, sizeof(text), "%u", cpu);
	cpuset_write(name, "cpuset.cpus", text);
	cpuset_write(name, "cpuset.mems", "0");
	return true;
}

#endif /* TACHO_TESTS_CPUSET_H */
