// SPDX-License-Identifier: BSD-2-Clause
/*
 * world.c: the real world: what changes tasks, and what their cpusets leave them.
 *
 * Owns the system calls by which a task's processors, nice value, memory and cpuset change. It
 * decides nothing and remembers nothing of tasks: that is the ledger's (ledger.h), which calls
 * this, as do loop and restorer. All that is kept is where cpusets are mounted. Section 2 of paper
 * 003's Clavis has the same actions.
 *
 * The kernel has no call for "this task, if it started then": the start is compared right before
 * and right after.
 */
#include "world.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <numaif.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "world_read.h"

#define MAX_PATH 4096

/* Where cpusets are mounted; found once. */
static struct {
	pthread_once_t once;
	char mount[512]; /* "": nowhere */
	char root[512]; /* which part of the hierarchy is mounted there, "" for all */
	bool is_v2;
} cpusets = { .once = PTHREAD_ONCE_INIT };

int tacho_world_list_parse(const char *text, struct tacho_cpus *cpus)
{
	memset(cpus, 0, sizeof(*cpus));
	while (*text && *text != '\n') {
		unsigned long first, last;
		char *end;

		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		first = last = strtoul(text, &end, 10);
		if (*end == '-' && isdigit((unsigned char)end[1]))
			last = strtoul(end + 1, &end, 10);
		if (last < first || (*end && *end != ',' && *end != '\n'))
			return -EINVAL;
		if (last >= TACHO_POLICY_CPUS)
			return -ERANGE;
		for (; first <= last; first++)
			tacho_cpus_add(cpus, (uint32_t)first);
		text = *end == ',' ? end + 1 : end;
	}
	return 0;
}

/*
 * --- cpusets -----------------------------------------------------------------------------------
 */

/*
 * "36 35 98:0 ROOT MOUNT options - TYPE source options": a version 1 hierarchy comes before version
 * 2.
 */
static void mount_take(char *line)
{
	char root[512], mount[512], type[32], options[256];
	char *dash = strstr(line, " - ");
	bool is_v2;

	if (!dash || sscanf(line, "%*d %*d %*s %511s %511s", root, mount) != 2 ||
	    sscanf(dash + 3, "%31s %*s %255s", type, options) != 2)
		return;
	is_v2 = strcmp(type, "cgroup2") == 0;
	if (!is_v2 && strcmp(type, "cpuset") != 0 &&
	    (strcmp(type, "cgroup") != 0 || !strstr(options, "cpuset")))
		return;
	if (cpusets.mount[0] && (is_v2 || !cpusets.is_v2))
		return;
	snprintf(cpusets.mount, sizeof(cpusets.mount), "%s", mount);
	snprintf(cpusets.root, sizeof(cpusets.root), "%s", strcmp(root, "/") == 0 ? "" : root);
	cpusets.is_v2 = is_v2;
}

static void mounts_read(void)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t room = 0;

	if (!file)
		return;
	while (getline(&line, &room, file) > 0)
		mount_take(line);
	free(line);
	fclose(file);
}

/* A path of the hierarchy as one below the mount. -ENOENT: it is not mounted. */
static int below_mount(const char *path, char *full, size_t size)
{
	const size_t len = strlen(cpusets.root);

	pthread_once(&cpusets.once, mounts_read);
	if (!cpusets.mount[0])
		return -ENOENT;
	if (strncmp(path, cpusets.root, len) == 0 && (path[len] == '/' || !path[len]))
		path += len;
	else if (len)
		return -ENOENT;
	if ((size_t)snprintf(full, size, "%s%s", cpusets.mount, path) >= size)
		return -ENAMETOOLONG;
	return 0;
}

static int path_read(const char *file, char *path, size_t size)
{
	char text[MAX_PATH];
	int len = tacho_w_read(file, text, sizeof(text));

	if (len <= 0)
		return len == -ENOENT || !len ? -ESRCH : len;
	if (text[len - 1] != '\n' || (size_t)len > size)
		return -ENAMETOOLONG;
	text[len - 1] = '\0';
	memcpy(path, text, (size_t)len);
	return 0;
}

static int effective_read(const char *dir, struct tacho_cpus *cpus)
{
	static const char *const names[] = { "cpuset.effective_cpus", "cpuset.cpus.effective",
					     "cpuset.cpus" };
	char path[MAX_PATH + 64], text[MAX_PATH];

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		if (tacho_w_read(path, text, sizeof(text)) > 0 &&
		    !tacho_world_list_parse(text, cpus) && tacho_cpus_count(cpus))
			return 0;
	}
	return -ENOENT;
}

static int real_allowed(void *arg, int tid, struct tacho_cpus *cpus)
{
	char file[64], path[MAX_PATH], dir[MAX_PATH];
	int err;

	(void)arg;
	pthread_once(&cpusets.once, mounts_read);
	snprintf(file, sizeof(file), "/proc/%d/cpuset", tid);
	err = path_read(file, path, sizeof(path));
	if (!err && below_mount(path, dir, sizeof(dir)) == 0 && effective_read(dir, cpus) == 0)
		return 0;
	/*
	 * there are no cpusets, or none that we can see: all that are online; but the task has to
	 * be there
	 */
	snprintf(file, sizeof(file), "/proc/%d", tid);
	if (tid <= 0 || access(file, F_OK))
		return -ESRCH;
	err = tacho_w_read("/sys/devices/system/cpu/online", path, sizeof(path));
	return err < 0 ? err : tacho_world_list_parse(path, cpus);
}

/* Where a process is, in the hierarchy that cpusets belong to. */
static int cpuset_of(int pid, char *path, size_t size)
{
	char file[64], text[2 * MAX_PATH], *line, *end;

	pthread_once(&cpusets.once, mounts_read);
	snprintf(file, sizeof(file), "/proc/%d/%s", pid, cpusets.is_v2 ? "cgroup" : "cpuset");
	if (!cpusets.is_v2)
		return path_read(file, path, size);
	if (tacho_w_read(file, text, sizeof(text)) <= 0)
		return -ESRCH;
	line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!line)
		return -ENOENT;
	line = strchr(line, '/');
	end = line ? strchr(line, '\n') : NULL;
	if (!end)
		return -ENOENT;
	*end = '\0';
	return (size_t)snprintf(path, size, "%s", line) < size ? 0 : -ENAMETOOLONG;
}

static bool climbs(const char *path)
{
	for (const char *at = path; (at = strstr(at, "/..")) != NULL; at += 3)
		if (at[3] == '/' || !at[3])
			return true;
	return false;
}

/* After a change: only that it was another task is a failure, for the change was made. */
static int still_is(int tid, uint64_t start)
{
	return tacho_w_is(tid, start) == -ESRCH ? -ESRCH : 0;
}

static int real_cpuset(void *arg, int pid, uint64_t start, const char *path, char *from,
		       size_t size)
{
	char dir[MAX_PATH], file[MAX_PATH + 16], text[16];
	int err, fd, len;

	(void)arg;
	if (path && (path[0] != '/' || climbs(path)))
		return -EINVAL;
	pthread_once(&cpusets.once, mounts_read);
	err = tacho_w_is(pid, start);
	if (!err && from)
		err = cpuset_of(pid, from, size);
	if (!err && !path)
		return tacho_w_is(pid, start);
	if (!err)
		err = below_mount(path, dir, sizeof(dir));
	if (err)
		return err;
	snprintf(file, sizeof(file), "%s/cgroup.procs", dir);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = snprintf(text, sizeof(text), "%d", pid);
	err = write(fd, text, (size_t)len) == len ? 0 : -errno;
	close(fd);
	return err ? err : still_is(pid, start);
}

/*
 * --- tasks -------------------------------------------------------------------------------------
 */

static int real_affinity(void *arg, int tid, uint64_t start, const struct tacho_cpus *cpus,
			 struct tacho_cpus *now)
{
	struct tacho_world_task task;
	int err = tacho_w_is(tid, start);

	_Static_assert(sizeof(cpu_set_t) == sizeof(*cpus), "a cpu_set_t has 1024 CPUs");
	if (err)
		return err;
	if (sched_setaffinity(tid, sizeof(*cpus), (const cpu_set_t *)(const void *)cpus->bits))
		return -errno;
	err = tacho_w_task(arg, tid, &task);
	if (err == -ESRCH || (!err && task.start != start))
		return -ESRCH;
	/* what was done has to be remembered, even if it cannot be looked at */
	if (now)
		*now = err ? *cpus : task.cpus;
	return 0;
}

static int real_affinity_if(void *arg, int tid, const struct tacho_cpus *these,
			    const struct tacho_cpus *cpus)
{
	struct tacho_cpus now = { { 0 } };

	(void)arg;
	/* what it says leaves out CPUs that are offline: then it is not simple */
	if (sched_getaffinity(tid, sizeof(now), (cpu_set_t *)(void *)now.bits))
		return -errno;
	if (!tacho_cpus_equal(&now, these))
		return 0;
	if (tacho_cpus_equal(these, cpus))
		return 1;
	if (sched_setaffinity(tid, sizeof(*cpus), (const cpu_set_t *)(const void *)cpus->bits))
		return -errno;
	return 1;
}

static int real_nice(void *arg, int tid, uint64_t start, int nice)
{
	int err = tacho_w_is(tid, start);

	(void)arg;
	if (err)
		return err;
	if (setpriority(PRIO_PROCESS, (id_t)tid, nice))
		return -errno;
	return still_is(tid, start);
}

static int real_memory(void *arg, int pid, uint64_t start, uint32_t node, uint64_t *pages)
{
	struct tacho_cpus from, to = { { 0 } }; /* sets of numbers below 1024, here of nodes */
	char text[MAX_PATH];
	long left = 0;
	int err;

	(void)arg;
	*pages = 0;
	err = tacho_w_read("/sys/devices/system/node/online", text, sizeof(text));
	err = err < 0 ? -EOPNOTSUPP : tacho_world_list_parse(text, &from);
	if (!err && !tacho_cpus_has(&from, node))
		err = -EINVAL;
	if (!err)
		err = tacho_w_is(pid, start);
	if (err)
		return err;
	tacho_cpus_remove(&from, node);
	tacho_cpus_add(&to, node);
	if (tacho_cpus_count(&from))
		left = migrate_pages(pid, TACHO_POLICY_CPUS + 1, (const unsigned long *)from.bits,
				     (const unsigned long *)to.bits);
	if (left < 0)
		return errno == ENOSYS ? -EOPNOTSUPP : -errno;
	*pages = (uint64_t)left;
	return still_is(pid, start);
}

const struct tacho_world tacho_world_real = {
	.task = tacho_w_task,
	.threads = tacho_w_threads,
	.processes = tacho_w_processes,
	.allowed = real_allowed,
	.affinity = real_affinity,
	.affinity_if = real_affinity_if,
	.nice = real_nice,
	.memory = real_memory,
	.pages = tacho_w_pages,
	.cpuset = real_cpuset,
	.work = tacho_w_work,
	.births = tacho_w_births,
};
