// SPDX-License-Identifier: BSD-2-Clause
/*
 * v_slow.c: lib/slow.c in the model, as it is.
 *
 * Owns what stands for the system around it: CPU numbers, membarrier, sleeping, the restartable
 * writers. It is included and not linked because its counters are its own and need regions here.
 */
#include <errno.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "model.h"
#include "v_rseq.h"
#include "v_slow.h"

static bool has_rseq;

/* A thread does not move here; those of v_grace.c that write have a counter each, or share one. */
static int model_getcpu(void)
{
	return v_scenario->cpus ? (int)v_cpu() : (int)(v_self() & 1);
}

static long model_membarrier(long command)
{
	if (v_self() == V_THREADS)
		return 0; /* in setup: asked whether there is one */
	if (command == MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ && !v_mutant_is("MEMBARRIER"))
		v_membarrier();
	return 0;
}

/* Whoever looks again and again only waits: there is an execution in which it looks later. */
static int model_sleep(void)
{
	v_cover("the grace period had to wait");
	v_prune();
}

#define sched_getcpu()			 model_getcpu()
#define syscall(nr, command, flags, cpu) model_membarrier(command)
#define clock_gettime(clock, time)	 ((time)->tv_sec = 0, (time)->tv_nsec = 0)
#define nanosleep(time, rest)		 ((void)(time), model_sleep())
#define secure_getenv(name)		 (has_rseq ? NULL : "generic")
#define __rseq_size			 (has_rseq ? 32u : 0u)
#include "lib/slow.c"

uint64_t tacho_i_clock_read(uint32_t source);

enum tacho__result tacho_i_rseq_write(struct tacho__hook *hook, tacho_u64 counter,
				      tacho_u32 correspondent, tacho_u32 principal, int sampled)
{
	return v_rseq_write(hook, principal, correspondent, counter, sampled != 0,
			    tacho_i_clock_read);
}

enum tacho__result tacho_i_rseq_sample(struct tacho__hook *hook, tacho_u32 correspondent,
				       tacho_u32 principal)
{
	return v_rseq_sample(hook, principal, correspondent);
}

void v_slow_setup(bool rseq)
{
	has_rseq = rseq;
	v_region("guard", V_TAG_GUARD, guard, sizeof(guard), V_READ | V_WRITE);
	v_region("guard_set", V_TAG_GUARD_SET, &guard_set, sizeof(guard_set), V_READ | V_WRITE);
	/* it asks once and remembers: every execution must find it asked */
	if (tacho_i_rseq_usable() != rseq)
		v_fail("checker: lib/slow.c sees another system than it was shown");
}
