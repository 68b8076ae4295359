/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * world_read.h: what world.c and world_read.c have in common: the reading half of the real world.
 *
 * Nobody else includes it.
 */
#ifndef TACHO_SCHED_WORLD_READ_H
#define TACHO_SCHED_WORLD_READ_H

#include "world.h"

/*
 * A small file of /proc or /sys into text, ended by a zero byte; what does not fit is cut off. Its
 * length, or -errno.
 */
int tacho_w_read(const char *path, char *text, size_t size);
/* Field 22 of /proc/TID/stat. -ESRCH: no such task. */
int tacho_w_start(int tid, uint64_t *start);
/* -ESRCH unless the task of that number started then. */
int tacho_w_is(int tid, uint64_t start);

int tacho_w_task(void *arg, int tid, struct tacho_world_task *task);
int tacho_w_threads(void *arg, int pid, int **tids, size_t *nr);
int tacho_w_processes(void *arg, int **pids, size_t *nr);
int tacho_w_pages(void *arg, int pid, uint64_t *pages, size_t nr);
int tacho_w_births(void *arg, uint64_t *nr);
int tacho_w_work(void *arg, int pid, int tid, struct tacho_world_work *work);

#endif /* TACHO_SCHED_WORLD_READ_H */
