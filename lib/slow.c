// SPDX-License-Identifier: BSD-2-Clause
/*
 * slow.c: what the restartable sequence of slot 0 did not do: sampled rows, other sessions, the
 * generic writer, losses.
 *
 * Owns the grace period: how the control thread knows that nobody uses a hook any more. Compiled
 * for general registers only, because vector registers are live behind a site; calls nothing but
 * the clock and the number of the CPU. Safe in signal handlers; never blocks but for
 * tacho_i_grace, which only the control thread calls.
 *
 * Grace. A hook is used in two ways:
 *   - inside a restartable sequence, which reads nr_cpus first: the control thread clears it and
 *     membarrier has the kernel restart every sequence;
 *   - out of line, between guard_enter and guard_leave. Two sets of counters, of which writers
 *     increment the current one: the control thread clears generic_cpus, turns to the other set
 *     and waits for the old one to become zero, twice, as sleepable RCU does.
 *   Barrier G: the increment in guard_enter and the load of generic_cpus behind it against the
 *   clearing of generic_cpus and the sum in tacho_i_grace; all four sequentially consistent.
 *   Without it the writer can miss the clearing and the control thread the increment.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <tacho/hot.h>

#include "internal.h"

#define STRIPES	 16 /* more than CPUs that fight over a line */
#define GRACE_NS 100000000ll /* a thread that is stuck for longer keeps its memory */

static struct {
	tacho_u32 inside;
	tacho_u32 pad[15];
} guard[2][STRIPES] __attribute__((aligned(64)));
static tacho_u32 guard_set;

static tacho_u32 *guard_enter(void)
{
	tacho_u32 set = tacho_load_relaxed(&guard_set) & 1;
	tacho_u32 *inside = &guard[set][(unsigned int)sched_getcpu() % STRIPES].inside;

	tacho_add_seq(inside, 1); /* G */
	return inside;
}

static void guard_leave(tacho_u32 *inside)
{
	tacho_add_release(inside, -1u);
}

static tacho_u32 guard_sum(tacho_u32 set)
{
	tacho_u32 sum = 0;

	for (int i = 0; i < STRIPES; i++)
		sum += tacho_load_seq(&guard[set][i].inside); /* G */
	return sum;
}

static int guard_wait(tacho_u32 set)
{
	struct timespec start, now, nap = { 0, 50000 };

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (guard_sum(set) != 0) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if ((now.tv_sec - start.tv_sec) * 1000000000ll + now.tv_nsec - start.tv_nsec >
		    GRACE_NS)
			return -ETIMEDOUT;
		nanosleep(&nap, NULL);
	}
	return 0;
}

int tacho_i_membarrier(int command, int register_command)
{
	if (syscall(SYS_membarrier, command, 0, 0) == 0)
		return 0;
	if (errno != EPERM || syscall(SYS_membarrier, register_command, 0, 0) != 0)
		return -errno;
	return syscall(SYS_membarrier, command, 0, 0) == 0 ? 0 : -errno;
}

static int restart_sequences(void)
{
	return tacho_i_membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ,
				  MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ);
}

bool tacho_i_rseq_usable(void)
{
#if TACHO__HAVE_RSEQ
	static int usable; /* 0 unknown, 1 yes, 2 no; asked for by the control thread only */
	const char *writer = secure_getenv("TACHO_WRITER");

	if (!usable && writer && !strcmp(writer, "generic"))
		usable = 2;
	if (!usable)
		usable = __rseq_size != 0 && restart_sequences() == 0 ? 1 : 2;
	return usable == 1;
#else
	return false;
#endif
}

int tacho_i_grace(void)
{
	int error = 0;

	tacho_fence_seq(); /* G */
	if (tacho_i_rseq_usable())
		error = restart_sequences();
	for (int i = 0; i < 2; i++) {
		tacho_u32 old = tacho_load_relaxed(&guard_set) & 1;
		int result;

		tacho_store_seq(&guard_set, old ^ 1u);
		result = guard_wait(old);
		if (result < 0)
			error = result;
	}
	return error;
}

void tacho_i_grace_reset(void)
{
	for (int set = 0; set < 2; set++)
		for (int i = 0; i < STRIPES; i++)
			tacho_store_relaxed(&guard[set][i].inside, 0);
}

uint64_t tacho_i_slow_clock(uint32_t source)
{
	return tacho_i_clock_read(source);
}

static void count_lost(const struct tacho__hook *hook, tacho_u32 cpu, tacho_u32 nr_cpus,
		       enum tacho_lost reason)
{
	struct tacho_cpu *part;

	part = (struct tacho_cpu *)(void *)(hook->parts + (cpu < nr_cpus ? cpu : 0) * hook->stride);
	tacho_add_relaxed(&part->lost[reason], 1);
}

/* Why the sequence would not run, when the hook is in use. */
static enum tacho_lost why_off(tacho_u32 cpu, tacho_u32 nr_cpus)
{
	return cpu < nr_cpus ? TACHO_LOST_RSEQ : TACHO_LOST_CPU;
}

/* The rest of an event after its sequence said result. */
static void finish_rseq(struct tacho__hook *hook, tacho_u64 counter, tacho_u32 correspondent,
			tacho_u32 principal, enum tacho__result result)
{
	tacho_u32 nr_cpus, cpu;
	tacho_u32 *inside;

	if (result == TACHO__OFF) /* a session may just have attached: ask again */
		result = tacho_i_rseq_write(hook, counter, correspondent, principal, 0);
	if (result ==
	    TACHO__SAMPLED) /* count, now that the threshold is near; the row is due or not */
		result = tacho_i_rseq_sample(hook, correspondent, principal);
	if (result == TACHO__DUE)
		result = tacho_i_rseq_write(hook, counter, correspondent, principal, 1);
	if (result <= TACHO__SKIP)
		return;
	inside = guard_enter();
	nr_cpus = tacho_load_seq(&hook->nr_cpus); /* G */
	cpu = (tacho_u32)sched_getcpu();
	if (nr_cpus != 0)
		count_lost(hook, cpu, nr_cpus,
			   result == TACHO__LAYOUT ? TACHO_LOST_LAYOUT : why_off(cpu, nr_cpus));
	guard_leave(inside);
}

static void write_generic(struct tacho__hook *hook, tacho_u64 counter, tacho_u32 correspondent,
			  tacho_u32 principal)
{
	tacho_u32 *inside = guard_enter();
	tacho_u32 nr_cpus = tacho_load_seq(&hook->generic_cpus); /* G */
	tacho_u32 cpu = (tacho_u32)sched_getcpu();
	enum tacho__result result;

	if (nr_cpus != 0) {
		result = tacho__generic_write(hook, cpu, principal, correspondent, counter,
					      tacho_i_clock_read);
		if (result == TACHO__BUSY)
			count_lost(hook, cpu, nr_cpus, TACHO_LOST_BUSY);
		else if (result == TACHO__LAYOUT)
			count_lost(hook, cpu, nr_cpus, TACHO_LOST_LAYOUT);
	}
	guard_leave(inside);
}

/* result: what slot 0's sequence said. */
__attribute__((force_align_arg_pointer)) void tacho_i_slow(struct tacho_event *event,
							   tacho_u64 counter,
							   tacho_u32 correspondent,
							   tacho_u32 principal, tacho_u32 result)
{
	tacho_u32 more = tacho_load_acquire(&event->more);
	int saved_errno = errno;

	if (result > TACHO__SKIP && tacho_load_relaxed(&event->hook.nr_cpus) != 0)
		finish_rseq(&event->hook, counter, correspondent, principal,
			    (enum tacho__result)result);
	while (more != 0) {
		tacho_u32 slot = (tacho_u32)__builtin_ctz(more);
		struct tacho__hook *hook = slot == 0 ? &event->hook : &event->hooks[slot];

		more &= more - 1;
		if (tacho_load_relaxed(&hook->generic_cpus) != 0)
			write_generic(hook, counter, correspondent, principal);
		else if (tacho_load_relaxed(&hook->nr_cpus) != 0)
			finish_rseq(hook, counter, correspondent, principal,
				    tacho_i_rseq_write(hook, counter, correspondent, principal, 0));
	}
	errno = saved_errno;
}
