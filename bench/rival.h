/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rival.h: other ways to record an event of a program, as cases of bench/log.
 *
 * rival.c has those that need nothing but the kernel and the C library. rival_lttng.c is a program of
 * its own, because linking LTTng-UST starts two threads before main; rival_world.c starts it.
 */
#ifndef TACHO_RIVAL_H
#define TACHO_RIVAL_H

#include <stddef.h>
#include <stdint.h>

#include "bench.h"

/* The same values for everybody: what an event carries besides the counter, which is its number. */
enum bench_payload {
	PAYLOAD_DOMAIN = 1,
	PAYLOAD_CORRESPONDENT = 2,
	PAYLOAD_EVENT = 5,
};

#define RIVAL_MAX 4

/*
 * Make those rivals ready that are wanted and can be had here; the others are left out with a
 * reason on standard error. Returns how many cases were stored (at most RIVAL_MAX).
 */
size_t rival_open(const struct bench *bench, struct bench_case *cases);
void rival_close(void); /* nothing of them is left on the machine */

/*
 * LTTng-UST in discard and in overwrite mode: cases lttng-ust-discard and lttng-ust-overwrite. Each in a
 * world of its own, with a session daemon that no other process sees. Prints by itself.
 */
void rival_lttng(struct bench *bench);

#endif /* TACHO_RIVAL_H */
