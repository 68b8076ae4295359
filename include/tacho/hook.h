/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hook.h: the component's private, checked copy of what it takes to log one event into one area.
 *
 * Kept apart from hot.h so that tacho.h can place a hook in every event without the writers.
 */
#ifndef TACHO_HOOK_H
#define TACHO_HOOK_H

#include "area.h"

/*
 * One event in one area, as the writer sees it: private memory of the component, checked when the
 * session attached; never shared. Written by the control thread while nr_cpus == 0 and no writer can
 * be inside; read by every thread.
 *   in use <=> nr_cpus > 0
 */
struct tacho__hook {
	tacho_u32 nr_cpus; /* parts; 0: the restartable writer leaves this hook alone */
	tacho_u32 event; /* id */
	tacho_u64 stride; /* bytes from part to part */
	unsigned char *parts; /* part of CPU 0 */
	unsigned char *routes; /* routes of this event in the part of CPU 0 */
	const tacho_u32 *principals; /* domain of each principal */
	tacho_u32 principal_mask;
	tacho_u32 domain_mask;
	tacho_u32 control_mask; /* (nr_logs - 1) * 64 */
	tacho_u32 body_mask; /* body_size - 1 */
	tacho_s32 rseq_off; /* of struct rseq, from the thread pointer */
	tacho_u32 guess; /* the route most likely to be found, masked; any value in range is safe */
	/* second cache line: not needed by a row in the restartable writer */
	unsigned char *samples; /* samples of this event in the part of CPU 0 */
	tacho_u32 generic_cpus; /* parts; 0: the generic writer leaves this hook alone */
	tacho_u32 source; /* enum tacho_clock_source */
	tacho_u64 pad[6];
};
TACHO_CHECK_SIZE(struct tacho__hook, 128);
TACHO_CHECK_OFFSET(struct tacho__hook, rseq_off, 56);
TACHO_CHECK_OFFSET(struct tacho__hook, guess, 60);
TACHO_CHECK_OFFSET(struct tacho__hook, samples, 64);

#endif /* TACHO_HOOK_H */
