// SPDX-License-Identifier: BSD-2-Clause
/*
 * fz_ledger.c: bytes as the state file of a dead scheduler.
 *
 * The world is a fake one of some tasks that remembers whom somebody changed. The bytes become
 * records: some fields are taken from the tasks that there are, so that not all is refused at once.
 * A task may be changed only if there is a record with its number and start, or of a parent: same
 * process, parent or session, and not older. A damaged file changes nothing and is refused in one
 * line.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sched/ledger_internal.h"
#include "sched/world_read.h"

#include "bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { TASKS = 8, RECORDS = 6 };

static struct tacho_world_task tasks[TASKS];
static bool changed[TASKS];
static char cpuset_of[TASKS][LEDGER_PATH];

static int fake_task(void *arg, int tid, struct tacho_world_task *task)
{
	(void)arg;
	if (tid < 1 || tid > TASKS)
		return -ESRCH;
	*task = tasks[tid - 1];
	return 0;
}

static int numbers(int process, int **list, size_t *nr)
{
	*list = malloc(TASKS * sizeof(int));
	*nr = 0;
	CHECK(*list);
	for (int i = 0; i < TASKS; i++)
		if (process ? tasks[i].pid == process : tasks[i].pid == i + 1)
			(*list)[(*nr)++] = i + 1;
	return 0;
}

static int fake_threads(void *arg, int pid, int **tids, size_t *nr)
{
	(void)arg;
	return numbers(pid, tids, nr);
}

static int fake_processes(void *arg, int **pids, size_t *nr)
{
	(void)arg;
	return numbers(0, pids, nr);
}

static int fake_allowed(void *arg, int tid, struct tacho_cpus *cpus)
{
	(void)arg;
	memset(cpus, 0, sizeof(*cpus));
	cpus->bits[0] = tid & 1 ? 0xff : 0x0f;
	return 0;
}

static int fake_affinity(void *arg, int tid, uint64_t start, const struct tacho_cpus *cpus,
			 struct tacho_cpus *now)
{
	(void)arg;
	CHECK(tid >= 1 && tid <= TASKS && tasks[tid - 1].start == start);
	CHECK(tacho_cpus_count(cpus) > 0);
	changed[tid - 1] = true;
	tasks[tid - 1].cpus = *cpus;
	if (now)
		*now = *cpus;
	return 0;
}

static int fake_nice(void *arg, int tid, uint64_t start, int nice)
{
	(void)arg;
	CHECK(tid >= 1 && tid <= TASKS && tasks[tid - 1].start == start);
	CHECK(nice >= -20 && nice <= 19);
	changed[tid - 1] = true;
	tasks[tid - 1].nice = nice;
	return 0;
}

static int fake_cpuset(void *arg, int pid, uint64_t start, const char *path, char *from,
		       size_t size)
{
	(void)arg;
	if (pid < 1 || pid > TASKS || tasks[pid - 1].start != start)
		return -ESRCH;
	if (from)
		snprintf(from, size, "%s", cpuset_of[pid - 1]);
	if (path) {
		CHECK(path[0] == '/' && strlen(path) < LEDGER_PATH);
		changed[pid - 1] = true;
		snprintf(cpuset_of[pid - 1], LEDGER_PATH, "%s", path);
	}
	return 0;
}

static const struct tacho_world fake = {
	.task = fake_task,
	.threads = fake_threads,
	.processes = fake_processes,
	.allowed = fake_allowed,
	.affinity = fake_affinity,
	.nice = fake_nice,
	.cpuset = fake_cpuset,
};

static void tasks_make(struct bytes *in)
{
	for (int i = 0; i < TASKS; i++) {
		tasks[i] = (struct tacho_world_task){
			.tid = i + 1,
			.pid = i & 1 ? i : i + 1,
			.ppid = (int)take(in, 1) % (TASKS + 1),
			.session = (int)take(in, 1) % 3,
			.start = 100 + take(in, 1) % 8,
			.nice = (int)take(in, 1) % 3,
		};
		tasks[i].cpus.bits[0] = take(in, 1) % 4 + 1;
		changed[i] = false;
		snprintf(cpuset_of[i], LEDGER_PATH, "/%c", (char)('a' + take(in, 1) % 2));
	}
}

static void record_make(struct tacho_ledger_record *record, struct bytes *in)
{
	memset(record, 0, sizeof(*record));
	record->what = (uint32_t)take(in, 1) % 9;
	record->armed = (uint32_t)take(in, 1) % 9;
	record->flags = (uint32_t)take(in, 1) % 9;
	record->tid = (int)take(in, 1) % (TASKS + 2);
	record->pid = (record->tid - 1) | 1;
	record->session = (int)take(in, 1) % 3;
	record->start = 100 + take(in, 1) % 8;
	record->placed = 100 + take(in, 1) % 8;
	record->nice = (int)take(in, 1) % 32 - 4;
	record->nice_set = (int)take(in, 1) % 3;
	record->before.bits[0] = take(in, 1) % 8;
	record->set.bits[0] = take(in, 1) % 4 + 1;
	record->next.bits[0] = take(in, 1) % 4 + 1;
	record->past[0].bits[0] = take(in, 1) % 4;
	snprintf(record->cpuset, LEDGER_PATH, "/%c", (char)('a' + take(in, 1) % 2));
	snprintf(record->cpuset_set, LEDGER_PATH, "/%c", (char)('a' + take(in, 1) % 2));
}

/* The task itself, or, over some generations, a child of one. */
static bool may_change(const struct tacho_ledger_record *records, uint32_t nr, int index,
		       unsigned depth)
{
	const struct tacho_world_task *task = &tasks[index];

	for (uint32_t i = 0; i < nr; i++) {
		if (!records[i].what)
			continue;
		if (records[i].tid == task->tid && records[i].start == task->start)
			return true;
		if (records[i].pid == task->pid || task->start >= records[i].placed)
			if (records[i].pid == task->pid || records[i].pid == task->ppid ||
			    (task->session && records[i].session == task->session))
				return true;
	}
	/* or of a task that is itself one, or whose process moved */
	for (int i = 0; i < TASKS && depth < TASKS; i++)
		if (i != index && changed[i] &&
		    (tasks[i].pid == task->pid || tasks[i].pid == task->ppid ||
		     tasks[i].session == task->session) &&
		    may_change(records, nr, i, depth + 1))
			return true;
	return false;
}

static size_t file_make(char *bytes, size_t size, struct bytes *in)
{
	struct tacho_ledger_header *header = (void *)bytes;
	struct tacho_ledger_record *records = (void *)(bytes + LEDGER_HEADER);
	uint32_t nr = (uint32_t)take(in, 1) % (RECORDS + 1), spoilt = (uint32_t)take(in, 1) % 4;

	memset(bytes, 0, size);
	header->magic = LEDGER_MAGIC;
	header->version = LEDGER_VERSION;
	header->record_size = sizeof(*records);
	header->generation = 1;
	header->owner = 0x7fffffff;
	header->nr = nr;
	CHECK(tacho_w_read("/proc/sys/kernel/random/boot_id", header->boot, sizeof(header->boot)) >
	      0);
	header->boot[strcspn(header->boot, "\n")] = '\0';
	for (uint32_t i = 0; i < nr; i++)
		record_make(&records[i], in);
	size = LEDGER_HEADER + nr * sizeof(*records);
	for (uint32_t i = 0; spoilt == 1 && i < 4; i++)
		bytes[take(in, 2) % size] ^= (char)take(in, 1);
	if (spoilt == 2)
		size = take(in, 2) % (size + 1);
	if (spoilt == 3)
		for (uint32_t i = 0; i < size && in->len; i++)
			bytes[i] = (char)take(in, 1);
	return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char bytes[LEDGER_HEADER + RECORDS * sizeof(struct tacho_ledger_record)]
		__attribute__((aligned(64)));
	struct tacho_ledger_file file = { .path = (char *)(uintptr_t) "state" };
	struct bytes in = { data, len };
	char why[256] = "";
	size_t size, undone = 0;
	int owner, err;

	tasks_make(&in);
	size = file_make(bytes, sizeof(bytes), &in);
	file.fd = memfd_create("fz_ledger", MFD_CLOEXEC);
	CHECK(file.fd >= 0 && write(file.fd, bytes, size) == (ssize_t)size);
	err = tacho_l_file_undo(&file, &fake, 0, &owner, &undone, why, sizeof(why));
	CHECK(err == 0 || err == -EBADMSG || err == -ENODATA || err == -EBUSY);
	for (int i = 0; i < TASKS; i++)
		if (changed[i])
			CHECK(err == 0 &&
			      may_change((void *)(bytes + LEDGER_HEADER),
					 ((struct tacho_ledger_header *)bytes)->nr, i, 0));
	if (err == -EBADMSG)
		CHECK(strncmp(why, "state: ", 7) == 0 && strstr(why, "offset") &&
		      !strchr(why, '\n'));
	close(file.fd);
	return 0;
}
