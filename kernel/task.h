/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * task.h: the flags of a task's binding, for the programs and for the binder.
 *
 * Enum constants only: compiled as C and as BPF.
 */
#ifndef TACHO_KERNEL_TASK_H
#define TACHO_KERNEL_TASK_H

/* In the storage of a task. */
enum tacho_task_flags {
	TACHO_TASK_INHERIT = 0x1, /* children keep the principal */
	TACHO_TASK_KEEP_EXEC = 0x2, /* exec does not change the binding */
	TACHO_TASK_VCPU = 0x4, /* by the programs: it has entered a guest, and that was told */
	TACHO_TASK_SPLIT =
		0x8, /* threads that it makes become principals of their own, and so on */
};

/* Which children become principals of their own. */
enum tacho_task_fresh {
	TACHO_FRESH_NONE = 0,
	TACHO_FRESH_PROCESS = 1,
	TACHO_FRESH_THREAD = 2,
};

#endif /* TACHO_KERNEL_TASK_H */
