/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keeper.h: the process that starts programs, waits for them, and outlives them all.
 *
 * Between jobs.c, which says what to start, and keeper.c. Both ends are one program, forked and not
 * executed: the keeper has the launch file in its memory, so what goes over the socket
 * (SOCK_SEQPACKET) is numbers only. The keeper ends when the socket does. Internal to sched/.
 */
#ifndef TACHO_SCHED_KEEPER_H
#define TACHO_SCHED_KEEPER_H

#include <stdint.h>
#include <sys/resource.h>

#include "launch.h"

enum tacho_i_keeper_kind {
	TACHO_I_KEEPER_START, /* to the keeper: run this one */
	TACHO_I_KEEPER_STARTED, /* it runs */
	TACHO_I_KEEPER_FAILED, /* it does not: error, and at which step */
	TACHO_I_KEEPER_ENDED,
};

enum tacho_i_keeper_step {
	TACHO_I_STEP_FORK,
	TACHO_I_STEP_OUTPUT,
	TACHO_I_STEP_DIR,
	TACHO_I_STEP_EXEC
};

struct tacho_i_keeper_message {
	uint32_t kind;
	uint32_t job; /* index in the launch file */
	uint32_t run;
	int32_t pid;
	int32_t status; /* as of wait */
	int32_t error; /* errno */
	uint32_t step; /* enum tacho_i_keeper_step */
	uint32_t pad0;
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	struct rusage usage;
};

/* Start it. *fd: our end, not blocking. 0 or -errno. output: directory or NULL. */
int tacho_i_keeper_open(const struct tacho_launch *launch, const char *output, int *pid, int *fd);
/* End all programs and it; takes up to three seconds if they are deaf. */
void tacho_i_keeper_close(int pid, int fd);

#endif /* TACHO_SCHED_KEEPER_H */
