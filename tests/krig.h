/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * krig.h: the kernel component in a test: opened, a log per event, all rows read.
 *
 *	struct krig rig;
 *
 *	KRIG_NEED(krig_open(&rig, TACHO_BY_PROCESS));	skips the case without privileges
 *	T_NEED(krig_log(&rig, TACHO_K_IPC_WAKE, 4096) == 0);
 *	T_NEED(krig_enable(&rig) == 0);			everything that has a log
 *	...
 *	krig_read(&rig, one_row, arg);			on all CPUs, log by log
 *	T_EQ(krig_lost(&rig), 0);
 *	krig_close(&rig);
 *
 * Cursors begin at the first row; krig_rewind puts them there again. Included after nothing, used by
 * the t_kernel tests.
 */
#ifndef TACHO_TESTS_KRIG_H
#define TACHO_TESTS_KRIG_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "kernel/kernel.h"

#define KRIG_LOGS 16
#define KRIG_CPUS 256

struct krig {
	struct tacho_kernel *kernel;
	struct tacho_view view;
	uint32_t event[KRIG_LOGS];
	uint32_t log[KRIG_LOGS];
	uint32_t nr;
	struct tacho_cursor cursor[KRIG_LOGS][KRIG_CPUS];
	char why[200];
};

#define KRIG_NEED(open)                                                                            \
	do {                                                                                       \
		int krig_error = (open);                                                           \
		if (krig_error == -EPERM || krig_error == -EOPNOTSUPP)                             \
			T_SKIP("%s", rig.why);                                                     \
		if (krig_error)                                                                    \
			printf("     %s\n", rig.why);                                              \
		T_NEED(krig_error == 0);                                                           \
	} while (0)

static inline uint64_t krig_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline int krig_open_with(struct krig *rig, const struct tacho_kernel_options *options)
{
	struct tacho_memory *memory;
	int error;

	rig->nr = 0;
	error = tacho_kernel_open(&rig->kernel, options, rig->why, sizeof(rig->why));
	if (error)
		return error;
	memory = tacho_kernel_memory(rig->kernel);
	return tacho_view_open(&rig->view, memory->base, memory->size, rig->why, sizeof(rig->why));
}

static inline int krig_open(struct krig *rig, enum tacho_kernel_by by)
{
	const struct tacho_kernel_options options = { .by = by };

	return krig_open_with(rig, &options);
}

/* Put the cursors of one log at its first row. */
static inline int krig_rewind_log(struct krig *rig, uint32_t i)
{
	int error = 0;

	for (uint32_t cpu = 0; cpu < rig->view.header.nr_cpus && cpu < KRIG_CPUS && !error; cpu++)
		error = tacho_cursor_init(&rig->cursor[i][cpu], &rig->view, cpu, rig->log[i], 1);
	return error;
}

static inline void krig_rewind(struct krig *rig)
{
	for (uint32_t i = 0; i < rig->nr; i++)
		krig_rewind_log(rig, i);
}

/* A log with all entries for an event of every domain; more events may be routed to it. */
static inline int krig_log(struct krig *rig, uint32_t event, uint32_t rows)
{
	struct tacho_memory *memory = tacho_kernel_memory(rig->kernel);
	int log = tacho_memory_log_add(memory, rows, TACHO_CLOCK_TIME | TACHO_ENTRIES_ALL,
				       TACHO_NONE, TACHO_NONE);

	if (log < 0)
		return log;
	rig->event[rig->nr] = event;
	rig->log[rig->nr] = (uint32_t)log;
	rig->nr++;
	krig_rewind_log(rig, rig->nr - 1);
	return tacho_memory_route(memory, event, TACHO_NONE, (uint32_t)log, 1);
}

static inline int krig_enable(struct krig *rig)
{
	int error = tacho_kernel_enable(rig->kernel, rig->event, rig->nr);

	if (error)
		printf("     %s\n", tacho_kernel_error(rig->kernel));
	return error;
}

/* Every unread row, until there is none or fn returns non-zero, which is returned. */
static inline int krig_read(struct krig *rig, int (*fn)(void *arg, const struct tacho_row *row),
			    void *arg)
{
	struct tacho_row row[256];
	int result = 0;
	size_t nr;

	for (uint32_t i = 0; i < rig->nr; i++) {
		for (uint32_t cpu = 0; cpu < rig->view.header.nr_cpus && cpu < KRIG_CPUS; cpu++) {
			do {
				nr = tacho_cursor_read(&rig->cursor[i][cpu], &rig->view, row, 256);
				for (size_t k = 0; k < nr && !result; k++)
					result = fn(arg, &row[k]);
			} while (nr == 256 && !result);
		}
	}
	return result;
}

/* Overwritten before they were read, and everything that the writers lost. */
static inline uint64_t krig_lost(const struct krig *rig)
{
	uint64_t lost = 0;

	for (uint32_t cpu = 0; cpu < rig->view.header.nr_cpus && cpu < KRIG_CPUS; cpu++) {
		for (uint32_t i = 0; i < rig->nr; i++)
			lost += rig->cursor[i][cpu].lost;
		for (uint32_t reason = 0; reason < TACHO_NR_LOST; reason++)
			lost += tacho_view_lost(&rig->view, cpu, reason);
	}
	return lost;
}

static inline void krig_close(struct krig *rig)
{
	tacho_kernel_close(rig->kernel);
	rig->kernel = NULL;
}

#endif /* TACHO_TESTS_KRIG_H */
