/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shared.h: what the eBPF programs and their loader say to each other beside the area.
 *
 * Compiled as C and as BPF; fixed-width types, no implicit padding. The area itself is area.h; what
 * binding a task means is task.h.
 */
#ifndef TACHO_KERNEL_SHARED_H
#define TACHO_KERNEL_SHARED_H

#include <tacho/area.h>

#include "task.h"

#define TACHO_K_COUNTERS 4 /* cpu.pmc0 to 3 */

/* What a program that serves several events has to do. */
enum tacho_k_active {
	TACHO_K_ACTIVE_SERVICE = 0x1,
	TACHO_K_ACTIVE_WAIT = 0x2,
	TACHO_K_ACTIVE_PMC = 0x4,
};

/*
 * Correspondents of task.track: what happened is in the lower bits; of a new task the rest is the
 * domain of its parent.
 */
#define TACHO_K_TRACK_BITS	     8
#define TACHO_K_TRACK_MASK	     0xffu
#define TACHO_K_TRACK_PARENT(domain) ((tacho_u32)(domain) << TACHO_K_TRACK_BITS)

enum tacho_k_track {
	TACHO_K_TRACK_NEW,
	TACHO_K_TRACK_EXEC,
	TACHO_K_TRACK_EXIT,
	TACHO_K_TRACK_VCPU, /* enters a guest, for the first time since it was bound */
};

/* The storage of a task. Written by programs on whatever CPU has the task, and by bind_tasks. */
struct tacho_k_task {
	tacho_u32 principal;
	tacho_u32 flags; /* TACHO_TASK_* */
	tacho_u64 runnable_ns; /* since when it wants a CPU; 0: it does not */
	tacho_u64 syscall_ns; /* entry of the system call that it is in; 0: none that was seen */
	tacho_u64 lock_ns; /* began to wait for lock */
	tacho_u64 lock; /* address */
	tacho_u64 vm_ns; /* entered the guest; 0: it is not in one */
	tacho_u32 syscall_nr;
	tacho_u32 vcpu; /* number of the virtual CPU that it last ran */
};
TACHO_CHECK_SIZE(struct tacho_k_task, 56);

/* What the loader asks bind_tasks to do, by thread id. */
struct tacho_k_bind {
	tacho_u32 principal;
	tacho_u32 flags; /* TACHO_TASK_* */
};

/* A task that is watched, by thread id. */
struct tacho_k_watch {
	tacho_u64 since_ns; /* CLOCK_MONOTONIC */
	tacho_u32
		ancestor; /* itself; of children that are watched since their birth: its parent's */
	tacho_u32 pad0;
};
TACHO_CHECK_SIZE(struct tacho_k_watch, 16);

/* What a watched task did, from the program to tacho_kernel_children. */
struct tacho_k_child {
	tacho_u32 pid;
	tacho_u32 tid;
	tacho_u32 parent; /* thread id of who made it; of who executed: the one before */
	tacho_u32 ancestor;
	tacho_u64 start_ns; /* CLOCK_BOOTTIME */
	tacho_u32 what; /* enum tacho_k_told */
	tacho_u32 pad0;
};
TACHO_CHECK_SIZE(struct tacho_k_child, 32);

enum tacho_k_told {
	TACHO_K_TOLD_BORN,
	TACHO_K_TOLD_EXEC, /* has another thread id since it executed */
};

/* A row of mem.shared, from the session to the program that logs it. */
struct tacho_k_emit {
	tacho_u64 domain;
	tacho_u64 correspondent;
	tacho_u64 counter;
};

#endif /* TACHO_KERNEL_SHARED_H */
