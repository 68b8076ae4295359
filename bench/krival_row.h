/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * krival_row.h: what rival.bpf.c and krival.c share: the row, and the memory that rows go to.
 */
#ifndef TACHO_KRIVAL_ROW_H
#define TACHO_KRIVAL_ROW_H

#include <linux/types.h>

/* What is recorded. */
enum krival_event {
	KRIVAL_SWITCH, /* sched_switch */
	KRIVAL_WAKING, /* sched_waking */
	KRIVAL_SYSCALL, /* sys_enter and sys_exit: two events per call */
	KRIVAL_NR_EVENTS,
};

/* The entries of a full row of area.h. */
struct krival_row {
	__u64 time;
	__u64 counter;
	__u32 event;
	__u32 domain; /* here: a thread */
	__u32 correspondent;
	__u32 pad;
};

#define KRIVAL_FLOOR_ROWS 4096 /* pow2 */
#define KRIVAL_RING_SIZE  (1 << 19) /* all CPUs; see krival_drain */

struct krival_floor {
	__u64 pos;
	__u64 pad[7];
	struct krival_row rows[KRIVAL_FLOOR_ROWS];
};

#endif /* TACHO_KRIVAL_ROW_H */
