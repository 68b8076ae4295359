/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tasks.h: the tasks that the binder knows, by thread and by process.
 *
 * Records and how to find them, nothing else: what a task's domain should be is binder.c's. A
 * process exists here as long as one of its tasks does, whichever it is. One thread.
 */
#ifndef TACHO_KERNEL_TASKS_H
#define TACHO_KERNEL_TASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tacho_node { /* first member of what stands in a table */
	struct tacho_node *next;
	int id;
};
struct tacho_table {
	struct tacho_node **bucket;
	size_t nr_buckets; /* a power of two */
	size_t nr;
};

struct tacho_process {
	struct tacho_node node; /* pid */
	struct tacho_task *tasks;
	uint32_t nr_tasks;
	uint32_t
		domain; /* of its tasks, where threads are none of their own; TACHO_NONE: not yet */
	unsigned flags; /* TACHO_TASK_* of that binding */
	int rule; /* that matched, or -1 */
	int ppid;
	uint32_t parent; /* domain of who made it, as its row said, or TACHO_NONE */
	uint64_t executed; /* time of its first task, or of its last exec: no thread is older */
	uint64_t trees; /* as in tacho_proc */
	uint64_t trees_scan; /* the last scan in which trees was made */
	bool is_later; /* began after the binder did */
	bool is_kernel;
	bool is_unread; /* what /proc says of it is read when somebody asks who it is */
	bool is_vm;
	bool is_split; /* somebody wants its threads to be domains of their own */
	bool was_split; /* or did: rows may say that a thread took a number */
	uint32_t next_vm_look; /* look for a virtual machine when it has so many threads */
	char comm[64];
	char vm[64];
};

struct tacho_task {
	struct tacho_node node; /* tid */
	struct tacho_process *process;
	struct tacho_task *next, *prev; /* of the process */
	uint64_t time; /* it lived then, in the clock of the rows */
	uint64_t start; /* as in tacho_proc; 0: not read */
	uint64_t seen; /* the last scan that saw it */
	uint32_t domain; /* TACHO_NONE: not known */
	unsigned flags;
	bool is_bound; /* the storage of the task says the same */
	bool is_ending; /* it has ended, and a row that is waiting says so */
	bool is_vcpu; /* has entered a guest */
};

struct tacho_tasks {
	struct tacho_table tasks;
	struct tacho_table processes;
};

int tacho_tasks_init(struct tacho_tasks *tasks); /* 0 or -ENOMEM */
void tacho_tasks_fini(struct tacho_tasks *tasks);

struct tacho_task *tacho_tasks_find(const struct tacho_tasks *tasks, int tid);
struct tacho_process *tacho_tasks_process(const struct tacho_tasks *tasks, int pid);
/* A new task, and its process if that is new too. NULL: no memory. */
struct tacho_task *tacho_tasks_add(struct tacho_tasks *tasks, int pid, int tid);
/* All processes, by number, good until something is added or removed; free() it. */
int tacho_tasks_processes(const struct tacho_tasks *tasks, struct tacho_process ***list,
			  size_t *nr);
/* The process goes with its last task. Returns true if it did. */
bool tacho_tasks_remove(struct tacho_tasks *tasks, struct tacho_task *task);

#endif /* TACHO_KERNEL_TASKS_H */
