/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fakekernel.h: what the binder sees of a kernel: storage of tasks, the pool, and rows.
 *
 * It does what kernel/task.bpf.c does at fork, exec and exit, so that a test can say "this task
 * forks" and ask which domain pays. Files of /proc are the test's business (fakeproc.h).
 */
#ifndef TACHO_TESTS_FAKEKERNEL_H
#define TACHO_TESTS_FAKEKERNEL_H

#include <errno.h>

#include "kernel/binder.h"
#include "t.h"

#define WORLD_TASKS   65536
#define WORLD_DOMAINS 1024
#define WORLD_POOL    1024

enum world_row_kind { WORLD_NEW, WORLD_EXEC, WORLD_EXIT, WORLD_VCPU };

struct world_row {
	enum world_row_kind kind;
	uint64_t time;
	int pid, tid;
	uint32_t domain;
	uint32_t parent; /* domain of the parent, of a new one */
};

struct world {
	struct tacho_binder *binder;
	struct tacho_rules rules;
	enum tacho_kernel_by by;
	uint64_t time;
	struct {
		int pid; /* 0: there is no such task */
		uint32_t principal;
		uint32_t flags;
	} task[WORLD_TASKS]; /* by tid */
	uint32_t pool[WORLD_POOL];
	uint32_t pool_head, pool_tail; /* free-running */
	char name[WORLD_DOMAINS][32];
	struct world_row *row;
	size_t nr_rows, size_rows;
	uint64_t binds; /* calls of bind_task */
	int bind_error;
	bool is_lazy; /* the binder of the next world_open */
};

static struct world world;

static inline int world_bind(void *arg, uint32_t tid, uint32_t principal, uint32_t flags)
{
	struct world *w = arg;

	w->binds++;
	if (w->bind_error)
		return w->bind_error;
	T_OK(tid < WORLD_TASKS);
	T_OK(principal < WORLD_DOMAINS);
	if (!w->task[tid].pid)
		return -ESRCH;
	w->task[tid].principal = principal;
	w->task[tid].flags = flags;
	return 0;
}

static inline int world_name(void *arg, uint32_t domain, const char *name)
{
	struct world *w = arg;

	T_OK(domain < WORLD_DOMAINS && strlen(name) < 32);
	snprintf(w->name[domain], sizeof(w->name[domain]), "%.31s", name);
	return 0;
}

static inline int world_push(void *arg, uint32_t principal)
{
	struct world *w = arg;

	if (w->pool_tail - w->pool_head == WORLD_POOL)
		return -E2BIG;
	w->pool[w->pool_tail++ % WORLD_POOL] = principal;
	return 0;
}

static const struct tacho_binder_ops world_ops = { world_bind, world_name, world_push };

/* A world with a binder; rules end with NULL. */
static inline bool world_open(enum tacho_kernel_by by, uint32_t nr_domains, const char *root,
			      const char *const *rules)
{
	struct tacho_binder_options options = {
		.nr_domains = nr_domains,
		.by = by,
		.root = root,
		.is_lazy = world.is_lazy,
		.ops = &world_ops,
		.arg = &world,
	};
	char why[256];
	size_t nr = 0;

	memset(&world, 0, sizeof(world));
	world.by = by;
	world.time = 1000;
	while (rules && rules[nr])
		nr++;
	if (!T_EQ(tacho_rules_parse(&world.rules, rules, nr, why, sizeof(why)), 0))
		return false;
	options.rules = &world.rules;
	return T_EQ(tacho_binder_create(&world.binder, &options), 0);
}

static inline void world_close(void)
{
	tacho_binder_destroy(world.binder);
	tacho_rules_fini(&world.rules);
	free(world.row);
	world.row = NULL;
}

static inline void world_row(enum world_row_kind kind, int pid, int tid)
{
	if (world.nr_rows == world.size_rows) {
		world.size_rows = world.size_rows ? world.size_rows * 2 : 256;
		world.row = realloc(world.row, world.size_rows * sizeof(*world.row));
		if (!world.row)
			abort();
	}
	world.row[world.nr_rows++] = (struct world_row){
		.kind = kind,
		.time = ++world.time,
		.pid = pid,
		.tid = tid,
		.domain = world.task[tid].principal,
		.parent = TACHO_NONE,
	};
}

/* A task that was there before anybody looked. */
static inline void world_has(int pid, int tid)
{
	world.task[tid].pid = pid;
	world.task[tid].principal = 0;
	world.task[tid].flags = 0;
}

static inline bool world_fresh(uint32_t flags, bool is_thread)
{
	if (flags & TACHO_TASK_INHERIT)
		return false;
	if (is_thread && (flags & TACHO_TASK_SPLIT))
		return true;
	return world.by == TACHO_BY_THREAD ||
	       ((world.by == TACHO_BY_PROCESS || world.by == TACHO_BY_VM) && !is_thread);
}

static inline void world_fork(int parent, int pid, int tid)
{
	world.task[tid] = world.task[parent];
	world.task[tid].pid = pid;
	world.task[tid].flags &=
		TACHO_TASK_INHERIT | TACHO_TASK_KEEP_EXEC | (pid != tid ? TACHO_TASK_SPLIT : 0u);
	if (world_fresh(world.task[parent].flags, pid != tid) && world.pool_head != world.pool_tail)
		world.task[tid].principal = world.pool[world.pool_head++ % WORLD_POOL];
	world_row(WORLD_NEW, pid, tid);
	world.row[world.nr_rows - 1].parent = world.task[parent].principal;
}

/* tid executes: it becomes the only thread of its process and takes its number. */
static inline void world_exec(int tid)
{
	int pid = world.task[tid].pid, other;

	for (other = 0; tid != pid && other < WORLD_TASKS; other++) {
		if (world.task[other].pid == pid && other != tid) {
			world_row(WORLD_EXIT, pid, other);
			world.task[other].pid = 0;
		}
	}
	if (tid != pid) {
		world.task[pid] = world.task[tid];
		world.task[tid].pid = 0;
	}
	world_row(WORLD_EXEC, pid, pid);
}

static inline void world_exit(int tid)
{
	world_row(WORLD_EXIT, world.task[tid].pid, tid);
	world.task[tid].pid = 0;
}

static inline void world_deliver_row(const struct world_row *row)
{
	struct tacho_binder *binder = world.binder;

	switch (row->kind) {
	case WORLD_NEW:
		T_EQ(tacho_binder_new(binder, row->time, row->pid, row->tid, row->domain,
				      row->parent),
		     0);
		break;
	case WORLD_EXEC:
		T_EQ(tacho_binder_exec(binder, row->time, row->pid, row->tid, row->domain), 0);
		break;
	case WORLD_EXIT:
		T_EQ(tacho_binder_exit(binder, row->time, row->pid, row->tid, row->domain), 0);
		break;
	case WORLD_VCPU:
		T_EQ(tacho_binder_vcpu(binder, row->time, row->pid, row->tid), 0);
		break;
	}
}

/* All rows, then one settle. */
static inline void world_settle(void)
{
	for (size_t i = 0; i < world.nr_rows; i++)
		world_deliver_row(&world.row[i]);
	world.nr_rows = 0;
	T_EQ(tacho_binder_settle(world.binder, NULL), 0);
}

static inline void world_start(void)
{
	T_EQ(tacho_binder_start(world.binder, ++world.time), 0);
	world_settle();
}

/* The name of the domain that a task's time is charged to, by its storage; the binder must agree. */
static inline const char *world_charged(int tid)
{
	if (!world.task[tid].pid)
		return "(no task)";
	T_EQ(tacho_binder_task(world.binder, tid), world.task[tid].principal);
	return world.name[world.task[tid].principal];
}

#define T_CHARGED(tid, text) T_STREQ(world_charged(tid), text)

#endif
