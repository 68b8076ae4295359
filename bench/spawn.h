/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spawn.h: other programs, started and ended by a benchmark, each in a process group of its own.
 *
 * A program gets its standard input from nowhere, is asked to end when we die, and is ended by its process id; what
 * it started and left in its group ends with it. Used for the real loads, and for tacho itself.
 */
#ifndef TACHO_BENCH_SPAWN_H
#define TACHO_BENCH_SPAWN_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct spawn {
	const char *const *argv; /* argv[0]: a path */
	int out, error; /* descriptors; 0: none. Errors go to out if only that is there */
	int keep; /* descriptor that the program inherits, by its number; 0: none */
	const cpu_set_t *cpus; /* NULL: ours */
	const char *dir; /* to run in; NULL: ours */
	const char *user; /* to run as; NULL: who we are */
	int death; /* signal that it gets when we die; 0: SIGTERM */
};

/* Process id, or -errno. */
pid_t spawn_start(const struct spawn *spawn);
/* Exit status; 128 and more: ended by a signal; -ETIMEDOUT: it still runs; -EINTR: we are interrupted. */
int spawn_wait(pid_t pid, unsigned int ms);
/* Ask by signal, wait, then insist. 0: it ended by itself in time. */
int spawn_stop(pid_t pid, int signal, unsigned int ms);
/* Start, wait, and keep the beginning of what it said in text (may be NULL). As spawn_wait, or -errno. */
int spawn_run(const struct spawn *spawn, unsigned int ms, char *text, size_t size);

/* Look for a program in the directories of a glob (may be NULL), then in the usual ones. 0 or -ENOENT. */
int spawn_find(const char *name, const char *extra, char *path, size_t size);

/* A directory of our own, made at the first call. NULL: cannot be made. */
const char *spawn_dir(void);
/* And all that is in it. */
void spawn_dir_remove(void);

/* A process and all processes below it: call fn for each of their threads. */
void spawn_tree(pid_t pid, void (*fn)(pid_t pid, pid_t tid, void *arg), void *arg);
/* Processor time of all that, so far. */
uint64_t spawn_tree_ns(pid_t pid);
/* Where all that may run. 0 or -errno of the first that could not be changed. */
int spawn_tree_pin(pid_t pid, const cpu_set_t *cpus);
/* Threads of it that may not run everywhere in cpus. */
int spawn_tree_narrowed(pid_t pid, const cpu_set_t *cpus);

#endif /* TACHO_BENCH_SPAWN_H */
