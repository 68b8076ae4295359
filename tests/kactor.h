/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kactor.h: a child that does one thing while the kernel component watches it alone.
 *
 *	struct kactor actor;
 *	struct krig rig;
 *
 *	KACTOR_NEED(kactor_start(&actor, &rig, fn, arg));	forked, and stopped before fn
 *	T_NEED(kactor_watch(&actor, &rig, TACHO_K_SYSCALL, 4096) == 0);
 *	T_NEED(kactor_run(&actor));			fn runs in it to its end, or to kactor_pause()
 *	T_EQ(kactor_rows(&actor, &rig, TACHO_K_SYSCALL, SYS_getppid), 1000);
 *	kactor_end(&actor, &rig);
 *
 * Events are routed for the domain of the child only, so that logs can be small however busy the
 * machine is. What fn found out it leaves in actor->told, which both see.
 */
#ifndef TACHO_TESTS_KACTOR_H
#define TACHO_TESTS_KACTOR_H

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "krig.h"
#include "t.h"

#define KACTOR_ROWS (1u << 16)
#define KACTOR_TOLD 16
#define KACTOR_NEED KRIG_NEED

struct kactor {
	pid_t pid;
	uint32_t domain;
	uint64_t *told; /* KACTOR_TOLD of them */
	struct tacho_row *row; /* all that were read */
	size_t nr;
};

/* In the child: the parent goes on, until it lets us go on. */
static inline void kactor_pause(void)
{
	raise(SIGSTOP);
}

static inline bool kactor_wait(const struct kactor *actor)
{
	int status = 0;

	return waitpid(actor->pid, &status, WUNTRACED) == actor->pid && WIFSTOPPED(status);
}

/* Let it run until it stops again. False: it ended instead. */
static inline bool kactor_run(const struct kactor *actor)
{
	return kill(actor->pid, SIGCONT) == 0 && kactor_wait(actor);
}

static inline void kactor_end(struct kactor *actor, struct krig *rig)
{
	if (actor->pid > 0) {
		kill(actor->pid, SIGKILL);
		waitpid(actor->pid, NULL, 0);
	}
	munmap(actor->told, KACTOR_TOLD * sizeof(uint64_t));
	free(actor->row);
	krig_close(rig);
}

/* The component is opened, the child forked; it is stopped, and fn is still to run. */
static inline int kactor_start(struct kactor *actor, struct krig *rig,
			       void (*fn)(uint64_t *told, void *arg), void *arg)
{
	int error = krig_open(rig, TACHO_BY_PROCESS);

	if (error)
		return error;
	memset(actor, 0, sizeof(*actor));
	actor->domain = TACHO_NONE;
	actor->told = mmap(NULL, KACTOR_TOLD * sizeof(uint64_t), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	actor->row = malloc(KACTOR_ROWS * sizeof(*actor->row));
	fflush(stdout);
	actor->pid = actor->told == MAP_FAILED || !actor->row ? -1 : fork();
	if (actor->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		kactor_pause();
		fn(actor->told, arg);
		kactor_pause();
		_exit(0);
	}
	return actor->pid > 0 && kactor_wait(actor) ? 0 : -ECHILD;
}

/* Enable an event, and log it for the child. The first call finds the child's domain. */
static inline int kactor_watch(struct kactor *actor, struct krig *rig, uint32_t event,
			       uint32_t rows)
{
	struct tacho_memory *memory = tacho_kernel_memory(rig->kernel);
	int log, error = tacho_kernel_enable(rig->kernel, &event, 1);

	if (error) {
		printf("     %s\n", tacho_kernel_error(rig->kernel));
		return error;
	}
	actor->domain = tacho_kernel_task_domain(rig->kernel, actor->pid);
	if (actor->domain == TACHO_NONE || actor->domain < TACHO_DOMAIN_FIRST)
		return -ESRCH;
	log = tacho_memory_log_add(memory, rows, TACHO_CLOCK_TIME | TACHO_ENTRIES_ALL, event,
				   actor->domain);
	if (log < 0)
		return log;
	rig->event[rig->nr] = event;
	rig->log[rig->nr] = (uint32_t)log;
	krig_rewind_log(rig, rig->nr++);
	return tacho_memory_route(memory, event, actor->domain, (uint32_t)log, 1);
}

/* Whether this kernel has a source for the event. */
static inline bool kactor_has(const struct krig *rig, uint32_t event)
{
	return tacho_kernel_events(rig->kernel)[event].kind != 0;
}

static inline int kactor_keep(void *arg, const struct tacho_row *row)
{
	struct kactor *actor = (struct kactor *)arg;

	if (actor->nr == KACTOR_ROWS)
		return -ENOSPC;
	actor->row[actor->nr++] = *row;
	return 0;
}

/* Take all rows that are there. */
static inline void kactor_read(struct kactor *actor, struct krig *rig)
{
	T_EQ(krig_read(rig, kactor_keep, actor), 0);
}

/* How many rows of an event and correspondent (TACHO_NONE: any), and the sum of their counters. */
static inline uint64_t kactor_count(const struct kactor *actor, uint32_t event, uint32_t data,
				    uint64_t *sum)
{
	uint64_t rows = 0;

	*sum = 0;
	for (size_t i = 0; i < actor->nr; i++) {
		const struct tacho_row *row = &actor->row[i];

		if (row->event != event || (data != TACHO_NONE && row->correspondent != data))
			continue;
		T_EQ(row->domain, actor->domain);
		rows++;
		*sum += row->counter;
	}
	return rows;
}

static inline uint64_t kactor_rows(const struct kactor *actor, uint32_t event, uint32_t data)
{
	uint64_t sum;

	return kactor_count(actor, event, data, &sum);
}

static inline uint64_t kactor_sum(const struct kactor *actor, uint32_t event, uint32_t data)
{
	uint64_t sum;

	kactor_count(actor, event, data, &sum);
	return sum;
}

#endif /* TACHO_TESTS_KACTOR_H */
