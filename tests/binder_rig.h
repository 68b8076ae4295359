/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * binder_rig.h: a world of tasks for the tests of the binder: a pretended /proc (fakeproc.h) and a
 * pretended kernel (fakekernel.h), with the steps that every case takes.
 */
#ifndef TACHO_TESTS_BINDER_RIG_H
#define TACHO_TESTS_BINDER_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "fakekernel.h"
#include "fakeproc.h"
#include "t.h"

#define PF_KTHREAD 0x200000u
#define NO_RULES   NULL
#define RULES(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* A world whose /proc holds init and kthreadd. */
static inline bool begin(enum tacho_kernel_by by, uint32_t nr_domains, const char *const *rules)
{
	if (!fake_open() || !world_open(by, nr_domains, fake_root, rules))
		return false;
	fake_task(1, 1, (struct fake_task){ .comm = "init" });
	fake_task(2, 2, (struct fake_task){ .comm = "kthreadd", .flags = PF_KTHREAD });
	world_has(1, 1);
	world_has(2, 2);
	return true;
}

static inline void end(void)
{
	world_close();
	fake_close();
}

/* When a task began: what tells two of one number apart. */
__attribute__((unused)) static uint64_t starts[WORLD_TASKS];

/* And when one ended: a kernel goes through all other numbers before it gives one out again. */
__attribute__((unused)) static uint64_t ended[WORLD_TASKS];

static inline void files(int pid, int tid, const char *comm, int ppid)
{
	fake_task(pid, tid, (struct fake_task){ .comm = comm, .ppid = ppid, .start = starts[tid] });
}

/* A process that is there from the beginning. */
static inline void has(int pid, int tid, const char *comm, int ppid)
{
	starts[tid] = 100;
	files(pid, tid, comm, ppid);
	world_has(pid, tid);
}

static inline void forks(int parent, int pid, int tid, const char *comm)
{
	starts[tid] = 1000 + world.time;
	files(pid, tid, comm, world.task[parent].pid);
	world_fork(parent, pid, tid);
}

static inline void executes(int tid, const char *comm, int ppid)
{
	int pid = world.task[tid].pid;

	if (tid != pid)
		fake_end(pid, tid);
	ended[tid] = world.time;
	files(pid, pid, comm, ppid);
	world_exec(tid);
}

static inline void ends(int tid)
{
	ended[tid] = world.time;
	fake_end(world.task[tid].pid, tid);
	world_exit(tid);
}

static inline struct tacho_kernel_domain_info info_of(uint32_t domain)
{
	struct tacho_kernel_domain_info info = { .pid = -1 };

	T_EQ(tacho_binder_domain(world.binder, domain, &info), 0);
	return info;
}

static inline uint32_t number_of(const char *name)
{
	for (uint32_t i = 0; i < WORLD_DOMAINS; i++)
		if (strcmp(world.name[i], name) == 0)
			return i;
	return TACHO_NONE;
}

#endif /* TACHO_TESTS_BINDER_RIG_H */
