// SPDX-License-Identifier: BSD-2-Clause
/*
 * rival.bpf.c: what an eBPF program costs that does nothing, the least that a row can cost, and the
 * usual way: a BPF ring buffer.
 *
 * Programs of three families, each for a switch, a wake-up, and both ends of a system call:
 *   empty  returns
 *   floor  the time and 32 bytes through a per-CPU index, into memory that a reader can map: no domain,
 *          no route, no threshold, and a program that interrupts another one may overwrite its row
 *   ring   the same 32 bytes into a BPF ring buffer, without waking the reader
 * All write what the tracepoint hands them, without looking anything up. krival.c loads and attaches
 * them; nothing else uses them.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "krival_row.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct task_struct {
	int pid;
} __attribute__((preserve_access_index));

struct pt_regs;

/* --- where rows go ------------------------------------------------------------------------ */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* krival.c: a part per CPU */
	__type(key, __u32);
	__type(value, struct krival_floor);
} floor_rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, KRIVAL_RING_SIZE);
} ring_rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} dropped SEC(".maps");

static __always_inline void fill(struct krival_row *row, __u32 event, __u64 counter, __u32 domain,
				 __u32 correspondent)
{
	row->time = bpf_ktime_get_ns();
	row->counter = counter;
	row->event = event;
	row->domain = domain;
	row->correspondent = correspondent;
	row->pad = 0;
}

static __always_inline int to_floor(__u32 event, __u64 counter, __u32 domain, __u32 correspondent)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct krival_floor *part = bpf_map_lookup_elem(&floor_rows, &cpu);

	if (part) {
		fill(&part->rows[part->pos & (KRIVAL_FLOOR_ROWS - 1)], event, counter, domain,
		     correspondent);
		part->pos++;
	}
	return 0;
}

static __always_inline int to_ring(__u32 event, __u64 counter, __u32 domain, __u32 correspondent)
{
	struct krival_row *row = bpf_ringbuf_reserve(&ring_rows, sizeof(*row), 0);
	__u32 zero = 0;
	__u64 *count;

	if (row) {
		fill(row, event, counter, domain, correspondent);
		bpf_ringbuf_submit(row, BPF_RB_NO_WAKEUP);
		return 0;
	}
	count = bpf_map_lookup_elem(&dropped, &zero);
	if (count)
		*count += 1;
	return 0;
}

/* --- the programs ------------------------------------------------------------------------- */

SEC("tp_btf/sched_switch")
int BPF_PROG(empty_switch, _Bool preempt, struct task_struct *prev, struct task_struct *next)
{
	return 0;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(empty_waking, struct task_struct *woken)
{
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(empty_enter, struct pt_regs *regs, long number)
{
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(empty_exit, struct pt_regs *regs, long result)
{
	return 0;
}

#define FAMILY(name)                                                                               \
	SEC("tp_btf/sched_switch")                                                                 \
	int BPF_PROG(name##_switch, _Bool preempt, struct task_struct *prev,                       \
		     struct task_struct *next)                                                     \
	{                                                                                          \
		return to_##name(KRIVAL_SWITCH, 1, prev->pid, next->pid);                          \
	}                                                                                          \
	SEC("tp_btf/sched_waking")                                                                 \
	int BPF_PROG(name##_waking, struct task_struct *woken)                                     \
	{                                                                                          \
		return to_##name(KRIVAL_WAKING, 1, bpf_get_current_pid_tgid(), woken->pid);        \
	}                                                                                          \
	SEC("tp_btf/sys_enter")                                                                    \
	int BPF_PROG(name##_enter, struct pt_regs *regs, long number)                              \
	{                                                                                          \
		return to_##name(KRIVAL_SYSCALL, 0, bpf_get_current_pid_tgid(), number);           \
	}                                                                                          \
	SEC("tp_btf/sys_exit")                                                                     \
	int BPF_PROG(name##_exit, struct pt_regs *regs, long result)                               \
	{                                                                                          \
		return to_##name(KRIVAL_SYSCALL, 1, bpf_get_current_pid_tgid(), result);           \
	}

FAMILY(floor)
FAMILY(ring)
