// SPDX-License-Identifier: BSD-2-Clause
/*
 * irq.bpf.c: time that a domain does not have although it has the processor: interrupts, soft
 * interrupts, and waiting for locks of the kernel.
 *
 * Interrupts are charged to the domain that they interrupted: its service time contains them. They
 * nest, a soft interrupt contains the interrupts that came meanwhile, so each sort has its own place
 * for the beginning; inside one sort nothing nests. Who spins for a lock stays on its processor,
 * and an interrupt may spin meanwhile: a place for each level of each processor. Who sleeps for one
 * keeps it in the task (lock, lock_ns): the first one, if there are several.
 */
#include "kernel.bpf.h"

/* Levels at which a processor may spin: task, soft interrupt, interrupt, NMI. */
#define LEVELS 4u

struct spin {
	__u64 lock; /* 0: none */
	__u64 since;
};
struct here {
	__u64 irq_ns; /* 0: not in one, or it does not matter */
	__u64 softirq_ns;
	struct spin spin[LEVELS];
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct here);
} here SEC(".maps");

static __always_inline struct here *here_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&here, &zero);
}

/* --- interrupts --------------------------------------------------------------------------------- */

static __always_inline __u64 span_begin(void *part, __u32 event)
{
	return tacho_bpf_route(&geometry, part, event, current_domain(part)) ? bpf_ktime_get_ns()
									     : 0;
}

static __always_inline void span_end(void *part, __u32 event, __u32 data, __u64 since)
{
	__u64 now;

	if (!since || since < enabled_ns[event])
		return;
	now = bpf_ktime_get_ns();
	log_data(part, event, current_domain(part), data, now - since, now);
}

SEC("tp_btf/irq_handler_entry")
int BPF_PROG(irq_enter)
{
	struct here *cpu = here_get();
	void *part = area_part();

	if (cpu && part)
		cpu->irq_ns = span_begin(part, TACHO_K_IRQ);
	return 0;
}

SEC("tp_btf/irq_handler_exit")
int BPF_PROG(irq_exit, int vector)
{
	struct here *cpu = here_get();
	void *part = area_part();
	__u64 since;

	if (!cpu || !part)
		return 0;
	since = cpu->irq_ns;
	cpu->irq_ns = 0;
	span_end(part, TACHO_K_IRQ, (__u32)vector, since);
	return 0;
}

SEC("tp_btf/softirq_entry")
int BPF_PROG(softirq_enter)
{
	struct here *cpu = here_get();
	void *part = area_part();

	if (cpu && part)
		cpu->softirq_ns = span_begin(part, TACHO_K_SOFTIRQ);
	return 0;
}

SEC("tp_btf/softirq_exit")
int BPF_PROG(softirq_exit, unsigned int vector)
{
	struct here *cpu = here_get();
	void *part = area_part();
	__u64 since;

	if (!cpu || !part)
		return 0;
	since = cpu->softirq_ns;
	cpu->softirq_ns = 0;
	span_end(part, TACHO_K_SOFTIRQ, vector, since);
	return 0;
}

/* --- locks -------------------------------------------------------------------------------------- */

static __always_inline __u32 level(void)
{
	__u32 count = preempt_count();

	if (count & PREEMPT_NMI)
		return 3;
	if (count & PREEMPT_HARDIRQ)
		return 2;
	return count & PREEMPT_SERVING ? 1 : 0;
}

static __always_inline void lock_log(void *part, __u64 lock, __u64 since)
{
	__u64 now;

	if (since < enabled_ns[TACHO_K_LOCK])
		return;
	now = bpf_ktime_get_ns();
	log_data(part, TACHO_K_LOCK, current_domain(part),
		 (__u32)(lock * 0x9e3779b97f4a7c15ull >> 32), now - since, now);
}

SEC("tp_btf/contention_begin")
int BPF_PROG(lock_begin, void *lock, unsigned int flags)
{
	void *part = area_part();
	struct tacho_k_task *state;
	struct here *cpu;
	__u32 n;

	if (!part || !tacho_bpf_route(&geometry, part, TACHO_K_LOCK, current_domain(part)))
		return 0;
	if ((flags & LCB_F_SPIN) && !(flags & LCB_F_MUTEX)) {
		cpu = here_get();
		n = level() & (LEVELS - 1);
		if (cpu) {
			cpu->spin[n].since = bpf_ktime_get_ns();
			cpu->spin[n].lock = (__u64)lock;
		}
		return 0;
	}
	state = task_get(bpf_get_current_task_btf());
	/* a mutex begins twice: it spins, then it sleeps */
	if (state && (!state->lock || state->lock_ns < enabled_ns[TACHO_K_LOCK])) {
		state->lock_ns = bpf_ktime_get_ns();
		state->lock = (__u64)lock;
	}
	return 0;
}

SEC("tp_btf/contention_end")
int BPF_PROG(lock_end, void *lock)
{
	void *part = area_part();
	struct here *cpu = here_get();
	__u32 n = level() & (LEVELS - 1);
	struct tacho_k_task *state;

	if (!part || !cpu)
		return 0;
	if (cpu->spin[n].lock == (__u64)lock) {
		cpu->spin[n].lock = 0;
		lock_log(part, (__u64)lock, cpu->spin[n].since);
		return 0;
	}
	state = task_get(bpf_get_current_task_btf());
	if (state && state->lock == (__u64)lock) {
		state->lock = 0;
		lock_log(part, (__u64)lock, state->lock_ns);
	}
	return 0;
}
