// SPDX-License-Identifier: BSD-2-Clause
/*
 * world_read.c: what /proc says of tasks: who they are, where they may run, where their memory is,
 * what they did.
 *
 * Owns the parsing of these files. It changes nothing. A task that goes while it is looked at is
 * -ESRCH, as is one that is dead and not yet waited for: there is nothing left of it to schedule.
 * Called through the table in world.c, by scheduler and restorer; keeps no state, so any thread
 * may.
 */
#include "world_read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FLAG_EXITING 0x00000004u /* PF_EXITING */
#define FLAG_KTHREAD 0x00200000u /* PF_KTHREAD */

/* What is taken of stat. */
struct stat_fields {
	char state;
	int ppid, group, session, nice, cpu, policy;
	unsigned flags;
	unsigned long long start;
};

int tacho_w_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	size_t len = 0;
	ssize_t got;

	text[0] = '\0';
	if (fd < 0)
		return -errno;
	do {
		got = read(fd, text + len, size - 1 - len);
		if (got < 0)
			err = -errno;
		else
			len += (size_t)got;
	} while (got > 0 && len < size - 1);
	text[len] = '\0';
	close(fd);
	return err ? err : (int)len;
}

/* A file that is not there any more, or can be opened and not read: the task is gone. */
static int read_of(int pid, int tid, const char *name, char *text, size_t size)
{
	char path[64];
	int len;

	if (tid)
		snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", pid, tid, name);
	else
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	len = tacho_w_read(path, text, size);
	if (len == -ENOENT || len == 0)
		len = -ESRCH;
	return len;
}

/*
 * comm may hold anything, also ") R 1": only numbers are behind it, so the last parenthesis ends
 * it.
 */
static int stat_parse(struct stat_fields *fields, const char *text)
{
	const char *end = strrchr(text, ')');

	if (!end ||
	    sscanf(end + 1,
		   " %c %d %d %d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %d %*d %*d %llu"
		   " %*u %*d %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*d %d %*u %d",
		   &fields->state, &fields->ppid, &fields->group, &fields->session, &fields->flags,
		   &fields->nice, &fields->start, &fields->cpu, &fields->policy) != 9)
		return -EPROTO;
	if (fields->flags & FLAG_EXITING || fields->state == 'Z' || fields->state == 'X' ||
	    fields->state == 'x')
		return -ESRCH;
	return 0;
}

static int stat_read(int pid, int tid, struct stat_fields *fields)
{
	char text[1024];
	/* a task's own: /proc/TID/stat would add up all threads of its process, each time */
	int err = tid > 0 ? read_of(pid, tid, "stat", text, sizeof(text)) : -ESRCH;

	return err < 0 ? err : stat_parse(fields, text);
}

int tacho_w_start(int tid, uint64_t *start)
{
	struct stat_fields fields;
	int err = stat_read(tid, tid, &fields);

	if (!err)
		*start = fields.start;
	return err;
}

int tacho_world_last_cpu(int pid, int tid)
{
	struct stat_fields fields;
	int err = stat_read(pid, tid, &fields);

	return err ? err : fields.cpu;
}

int tacho_w_is(int tid, uint64_t start)
{
	uint64_t now = 0;
	int err = tacho_w_start(tid, &now);

	return err ? err : now == start ? 0 : -ESRCH;
}

/* "ff,ffffffff": words of 32 bits, the highest first. CPUs from 1024 on are not ours to choose. */
static int mask_parse(const char *text, struct tacho_cpus *cpus)
{
	size_t len = strspn(text, "0123456789abcdef,");
	uint32_t cpu = 0;

	memset(cpus, 0, sizeof(*cpus));
	if (!len)
		return -EPROTO;
	while (len-- > 0) {
		const char digit = text[len];
		unsigned value =
			digit <= '9' ? (unsigned)(digit - '0') : (unsigned)(digit - 'a' + 10);

		if (digit == ',')
			continue;
		for (unsigned bit = 0; bit < 4; bit++, cpu++)
			if (value >> bit & 1)
				tacho_cpus_add(cpus, cpu);
	}
	return 0;
}

static uint64_t age_of(uint64_t start)
{
	const uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t now, then = start / hz * 1000 + start % hz * 1000 / hz;
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	now = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	return now > then ? now - then : 0;
}

int tacho_w_task(void *arg, int tid, struct tacho_world_task *task)
{
	struct stat_fields fields;
	const char *tgid, *allowed;
	char text[8192];
	int err;

	(void)arg;
	err = stat_read(tid, tid, &fields);
	if (err)
		return err;
	err = read_of(tid, tid, "status", text, sizeof(text));
	if (err < 0)
		return err;
	/* the kernel escapes newlines in Name, so no command can forge these lines */
	tgid = strstr(text, "\nTgid:");
	allowed = strstr(text, "\nCpus_allowed:");
	if (!tgid || !allowed)
		return -EPROTO;
	*task = (struct tacho_world_task){
		.tid = tid,
		.pid = atoi(tgid + 6),
		.ppid = fields.ppid,
		.session = fields.session,
		.group = fields.group,
		.start = fields.start,
		.age_ms = age_of(fields.start),
		.policy = fields.policy,
		.nice = fields.nice,
		.is_kernel = fields.flags & FLAG_KTHREAD,
	};
	err = mask_parse(allowed + 14 + strspn(allowed + 14, " \t"), &task->cpus);
	/* both files are of the same task */
	return err ? err : tacho_w_is(tid, task->start);
}

static int numbers_read(const char *path, int **numbers, size_t *nr)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	size_t room = 0;
	int err = 0;

	*numbers = NULL;
	*nr = 0;
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while ((entry = readdir(dir)) != NULL) {
		int number = atoi(entry->d_name);

		if (number <= 0)
			continue;
		if (*nr == room) {
			int *more = realloc(*numbers, (room = room ? 2 * room : 64) * sizeof(int));

			if (!more) {
				err = -ENOMEM;
				break;
			}
			*numbers = more;
		}
		(*numbers)[(*nr)++] = number;
	}
	closedir(dir);
	if (err || !*nr) {
		free(*numbers);
		*numbers = NULL;
		*nr = 0;
		err = err ? err : -ESRCH;
	}
	return err;
}

int tacho_w_threads(void *arg, int pid, int **tids, size_t *nr)
{
	char path[48];

	(void)arg;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	return numbers_read(path, tids, nr);
}

int tacho_w_processes(void *arg, int **pids, size_t *nr)
{
	(void)arg;
	return numbers_read("/proc", pids, nr);
}

/*
 * One line of numa_maps: "address policy [what] N0=12 N1=3 kernelpagesize_kB=4"; file names have no
 * blank and no =.
 */
static void maps_add(char *line, uint64_t *pages, size_t nr)
{
	const char *size = strstr(line, " kernelpagesize_kB=");
	const uint64_t base = (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	uint64_t scale = size ? strtoull(size + 19, NULL, 10) / base : 1;
	char *at = line;

	while ((at = strstr(at, " N")) != NULL) {
		char *end;
		unsigned long node = strtoul(at += 2, &end, 10);

		if (end != at && *end == '=' && node < nr)
			pages[node] += strtoull(end + 1, NULL, 10) * scale;
	}
}

int tacho_w_pages(void *arg, int pid, uint64_t *pages, size_t nr)
{
	size_t room = 0;
	char *line = NULL, path[48];
	uint64_t start;
	FILE *file;
	int err = 0;

	(void)arg;
	memset(pages, 0, nr * sizeof(*pages));
	snprintf(path, sizeof(path), "/proc/%d/numa_maps", pid);
	file = fopen(path, "re");
	if (!file && errno == ENOENT) {
		unsigned long long resident;
		char text[128];

		/* a kernel without NUMA has no such file, and one node */
		err = read_of(pid, 0, "statm", text, sizeof(text));
		if (err >= 0 && nr && sscanf(text, "%*u %llu", &resident) == 1)
			pages[0] = resident;
		return err < 0 ? err : 0;
	}
	if (!file)
		return -errno;
	while (getline(&line, &room, file) > 0)
		maps_add(line, pages, nr);
	if (ferror(file))
		err = tacho_w_start(pid, &start) ? -ESRCH : -EIO;
	free(line);
	fclose(file);
	return err;
}

int tacho_w_births(void *arg, uint64_t *nr)
{
	char text[128], *last;

	(void)arg;
	/* "0.00 0.01 0.05 1/80 4711": the last one is the number that the newest task was given */
	if (tacho_w_read("/proc/loadavg", text, sizeof(text)) <= 0)
		return -EOPNOTSUPP;
	last = strrchr(text, ' ');
	if (!last)
		return -EPROTO;
	*nr = strtoull(last + 1, NULL, 10);
	return 0;
}

static uint64_t value_of(const char *text, const char *name)
{
	const char *found = strstr(text, name);

	return found ? strtoull(found + strlen(name), NULL, 10) : 0;
}

int tacho_w_work(void *arg, int pid, int tid, struct tacho_world_work *work)
{
	char text[512];
	uint64_t start;
	int err = read_of(pid, tid, "io", text, sizeof(text));

	(void)arg;
	memset(work, 0, sizeof(*work));
	/* a kernel that counts nothing can still say whether it is there */
	if (err < 0)
		return tacho_w_start(tid ? tid : pid, &start);
	work->bytes = value_of(text, "rchar: ") + value_of(text, "wchar: ");
	work->calls = value_of(text, "syscr: ") + value_of(text, "syscw: ");
	return 0;
}

uint64_t tacho_world_run(int pid, int tid)
{
	char text[128];

	return read_of(pid, tid, "schedstat", text, sizeof(text)) < 0 ? 0
								      : strtoull(text, NULL, 10);
}
