// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_kernel_mem.c: pages of an address space and faults of user code, as the kernel component tells
 * them, against what the kernel tells the process itself (/proc/self/status, getrusage).
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kactor.h"

#define PAGES	  3000u
#define FILE_KIND 0u /* correspondents of mem.rss */
#define ANON	  1u
#define SHMEM	  3u

static size_t page;

/* Pages, out of /proc/PID/status. */
static uint64_t status_pages(pid_t pid, const char *field)
{
	char path[64], line[256];
	unsigned long kib = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, field, strlen(field)) == 0)
			kib = strtoul(line + strlen(field), NULL, 10);
	if (file)
		fclose(file);
	return kib * 1024 / page;
}

static uint64_t last_pages(const struct kactor *actor, uint32_t kind)
{
	uint64_t time = 0, pages = 0;

	for (size_t i = 0; i < actor->nr; i++) {
		if (actor->row[i].correspondent != kind || actor->row[i].time < time)
			continue;
		time = actor->row[i].time;
		pages = actor->row[i].counter;
	}
	return pages;
}

static char *take(int flags)
{
	char *memory =
		mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		_exit(1);
	madvise(memory, PAGES * page, MADV_NOHUGEPAGE);
	return memory;
}

static void touch(char *memory, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		memory[i * page] = 1;
}

/* Grow, stop, shrink, stop; here and there, so that every CPU keeps a part of the count. */
static void grow_and_shrink(uint64_t *told, void *arg)
{
	char *memory = take(MAP_PRIVATE), *shared = take(MAP_SHARED);
	cpu_set_t set;

	(void)arg;
	(void)told;
	for (unsigned i = 0; i < 30; i++) {
		CPU_ZERO(&set);
		CPU_SET(i % (unsigned)sysconf(_SC_NPROCESSORS_ONLN), &set);
		sched_setaffinity(0, sizeof(set), &set);
		touch(memory, i * PAGES / 30, (i + 1) * PAGES / 30);
		touch(shared, i * 7, (i + 1) * 7);
	}
	kactor_pause();
	munmap(memory, (PAGES - 100) * page);
	munmap(shared, 100 * page);
}

static void compare(struct kactor *actor, struct krig *rig)
{
	kactor_read(actor, rig);
	T_EQ(last_pages(actor, ANON), status_pages(actor->pid, "RssAnon:"));
	T_EQ(last_pages(actor, SHMEM), status_pages(actor->pid, "RssShmem:"));
}

T_CASE(resident_pages_are_exact)
{
	struct kactor actor;
	struct krig rig;

	page = (size_t)sysconf(_SC_PAGESIZE);
	KACTOR_NEED(kactor_start(&actor, &rig, grow_and_shrink, NULL));
	T_EQ(kactor_watch(&actor, &rig, TACHO_K_MEM_RSS, 4 * PAGES), 0);
	T_OK(kactor_run(&actor));
	compare(&actor, &rig);
	T_OK(last_pages(&actor, ANON) >= PAGES);
	T_EQ(last_pages(&actor, SHMEM), 30 * 7);
	T_OK(kactor_run(&actor));
	compare(&actor, &rig);
	T_OK(last_pages(&actor, ANON) >= 100 && last_pages(&actor, ANON) < PAGES);
	T_EQ(last_pages(&actor, SHMEM), 30 * 7 - 100);
	T_EQ(krig_lost(&rig), 0);
	kactor_end(&actor, &rig);
}

/* What a child of the child does is the grandchild's: the owner of the address space counts. */
static void fork_and_touch(uint64_t *told, void *arg)
{
	pid_t pid;

	(void)arg;
	pid = fork();
	if (pid == 0) {
		touch(take(MAP_PRIVATE), 0, PAGES);
		_exit(0);
	}
	told[0] = (uint64_t)pid;
	waitpid(pid, NULL, 0);
	touch(take(MAP_PRIVATE), 0, 10);
}

T_CASE(the_owner_is_charged)
{
	struct kactor actor;
	struct krig rig;

	page = (size_t)sysconf(_SC_PAGESIZE);
	KACTOR_NEED(kactor_start(&actor, &rig, fork_and_touch, NULL));
	T_EQ(kactor_watch(&actor, &rig, TACHO_K_MEM_RSS, 4 * PAGES), 0);
	T_OK(kactor_run(&actor));
	compare(&actor, &rig);
	/* that of the child only grew, by less than the grandchild's */
	for (size_t i = 0; i < actor.nr; i++)
		T_OK(actor.row[i].correspondent != ANON ||
		     actor.row[i].counter <= last_pages(&actor, ANON));
	T_OK(kactor_rows(&actor, TACHO_K_MEM_RSS, ANON) < PAGES);
	kactor_end(&actor, &rig);
}

static void fault_much(uint64_t *told, void *arg)
{
	struct rusage before, after;
	char *memory = take(MAP_PRIVATE);

	(void)arg;
	getrusage(RUSAGE_SELF, &before);
	touch(memory, 0, PAGES);
	getrusage(RUSAGE_SELF, &after);
	told[0] =
		(uint64_t)(after.ru_minflt + after.ru_majflt - before.ru_minflt - before.ru_majflt);
	told[1] = (uintptr_t)memory;
}

T_CASE(faults_are_those_of_getrusage)
{
	struct kactor actor;
	struct krig rig;
	uint64_t writes, all;

	page = (size_t)sysconf(_SC_PAGESIZE);
	KACTOR_NEED(kactor_start(&actor, &rig, fault_much, NULL));
	if (!kactor_has(&rig, TACHO_K_MEM_FAULT)) {
		kactor_end(&actor, &rig);
		T_SKIP("this kernel has no tracepoint page_fault_user");
	}
	T_EQ(kactor_watch(&actor, &rig, TACHO_K_MEM_FAULT, 4 * PAGES), 0);
	T_OK(kactor_run(&actor));
	kactor_read(&actor, &rig);
	all = kactor_rows(&actor, TACHO_K_MEM_FAULT, TACHO_NONE);
	printf("     getrusage %llu, rows %llu\n", (unsigned long long)actor.told[0],
	       (unsigned long long)all);
	T_EQ(kactor_sum(&actor, TACHO_K_MEM_FAULT, TACHO_NONE), all);
	T_OK(actor.told[0] >= PAGES);
	/* outside of the window: the rest of what the child does, some tens */
	T_OK(all >= PAGES && all <= actor.told[0] + 200);
#if defined(__x86_64__)
	writes = kactor_rows(&actor, TACHO_K_MEM_FAULT, 0x6); /* not present, write, user */
	T_OK(writes >= PAGES);
#else
	(void)writes;
#endif
	kactor_end(&actor, &rig);
}

T_MAIN
