// SPDX-License-Identifier: BSD-2-Clause
/*
 * syscall.bpf.c: system calls, from entry to exit.
 *
 * Owns syscall_ns and syscall_nr of tasks. The most frequent event of all, so: the route comes first,
 * the clock is read once on each side, and only if the log has use for it, and a row is written at the
 * exit (section 3.2.1 of paper 001: a span is charged when it ends). A task that is in a call when
 * the event is enabled has no span for it, nor has a call that does not return.
 *
 * The number is that of the caller's ABI: 32-bit programs on a 64-bit machine have numbers of their own.
 */
#include "kernel.bpf.h"

/* In the place of a time: entered, but the log that it will go to does not want to know when. */
#define ENTERED 1ull

/* Whether a row of that route says how long. */
static __always_inline bool route_is_timed(void *part, __u32 route)
{
	struct tacho_control *control =
		part + TACHO_CONTROLS_OFF + (__u64)(route & geometry.control_mask);
	__u32 layout = *(volatile __u32 *)&control->layout;

	return (layout & (TACHO_ENTRY_COUNTER | TACHO_ADD)) != 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(syscall_enter, struct pt_regs *regs, long number)
{
	struct tacho_k_task *state;
	struct tacho_cpu *cpu;
	void *part = area_part();
	__u32 route = 0;

	if (!part)
		return 0;
	cpu = part;
	if (cpu->running_since) { /* the domain is known without looking up the task */
		route = tacho_bpf_route(&geometry, part, TACHO_K_SYSCALL, cpu->running_domain);
		if (!route)
			return 0;
	}
	state = task_get(bpf_get_current_task_btf());
	if (!state)
		return 0;
	if (!route)
		route = tacho_bpf_route(&geometry, part, TACHO_K_SYSCALL,
					principal_domain(state->principal));
	if (!route)
		return 0;
	state->syscall_nr = (__u32)number;
	state->syscall_ns = route_is_timed(part, route) ? bpf_ktime_get_ns() : ENTERED;
	return 0;
}

/* What was stored at the entry is always taken away here: it must not meet the exit of another call. */
SEC("tp_btf/sys_exit")
int BPF_PROG(syscall_exit)
{
	struct tacho_k_task *state = task_get(bpf_get_current_task_btf());
	void *part = area_part();
	__u64 since, now = 0;

	if (!state || !part)
		return 0;
	since = state->syscall_ns;
	if (!since)
		return 0;
	state->syscall_ns = 0;
	if (since != ENTERED) {
		if (since < enabled_ns[TACHO_K_SYSCALL])
			return 0;
		now = bpf_ktime_get_ns();
	}
	log_data(part, TACHO_K_SYSCALL, current_domain(part), state->syscall_nr,
		 now ? now - since : 0, now);
	return 0;
}
