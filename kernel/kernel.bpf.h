/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel.bpf.h: what all programs of the kernel component share: maps, the state of a task, and how an
 * event is logged.
 *
 * A program computes what its event says and calls log_domain (the correspondent is a domain, so
 * what happens inside one domain is no event) or log_data (it is a number). Who caused the event is
 * a principal, from task storage; the area binds principals to domains. The maps and variables are
 * defined in task.bpf.c; the objects are linked into one.
 */
#ifndef TACHO_KERNEL_BPF_H
#define TACHO_KERNEL_BPF_H

#include "types.bpf.h"
#include "compat.bpf.h"
#include <tacho/hot.bpf.h>

#include "events.h"
#include "shared.h"

/* One element per CPU behind that of the header; the loader sets sizes. */
struct area_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 4096);
};
struct task_map {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tacho_k_task);
};

/* Principals by thread id, beside the storage of tasks: a load where that is a call. */
struct principal_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
};

extern struct area_map area SEC(".maps");
extern struct principal_map principals SEC(".maps");
extern struct task_map tasks SEC(".maps");

extern const volatile struct tacho_geometry geometry;
/* Bits of enum tacho_k_active, by the session: what programs with several events have to do. */
extern volatile __u32 active;
/*
 * Since when each event is enabled, all ones if it is not; by the session. A beginning that is older was
 * left behind when programs were detached, and is none.
 */
extern volatile __u64 enabled_ns[TACHO_K_NR];

static __always_inline void *area_header(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&area, &key);
}

/* The part of this CPU; NULL on one that the kernel did not call possible when the area was made. */
static __always_inline void *area_part(void)
{
	__u32 key = bpf_get_smp_processor_id() + geometry.first;

	return bpf_map_lookup_elem(&area, &key);
}

static __always_inline struct tacho_k_task *task_get(struct task_struct *task)
{
	return bpf_task_storage_get(&tasks, task, NULL, 0);
}

static __always_inline __u32 principal_domain(__u32 principal)
{
	void *header = area_header();

	return header ? tacho_bpf_domain(&geometry, header, principal) : TACHO_DOMAIN_SYSTEM;
}

/*
 * The principal of a task; of one that is not bound (a kernel thread, as a rule) the system. Thread ids
 * beyond the table are looked up in the storage, which is what the table repeats.
 */
static __always_inline __u32 task_principal(struct task_struct *task)
{
	__u32 tid = (__u32)task->pid, *principal = bpf_map_lookup_elem(&principals, &tid);
	struct tacho_k_task *state;

	if (principal)
		return *principal;
	state = task_get(task);
	return state ? state->principal : TACHO_DOMAIN_SYSTEM;
}

static __always_inline __u32 task_domain(struct task_struct *task)
{
	return task->pid == 0 ? TACHO_DOMAIN_IDLE : principal_domain(task_principal(task));
}

/* The storage and the table say the same. */
static __always_inline void task_bind(struct task_struct *task, struct tacho_k_task *state,
				      __u32 principal, __u32 flags)
{
	__u32 tid = (__u32)task->pid, *at = bpf_map_lookup_elem(&principals, &tid);

	state->principal = principal;
	state->flags = flags;
	if (at)
		*at = principal;
}

/*
 * The domain of the task that runs. Where sched_switch is followed, the part knows it, for a load
 * instead of a look-up; a task that was bound anew while it runs is charged to its old domain until
 * the next switch, as its time is.
 */
static __always_inline __u32 running_domain(void *part, struct task_struct *running)
{
	struct tacho_cpu *cpu = part;

	if (cpu->running_since)
		return cpu->running_domain & geometry.domain_mask;
	return task_domain(running);
}

static __always_inline __u32 current_domain(void *part)
{
	return running_domain(part, bpf_get_current_task_btf());
}

/* Counter of the task events. */
static __always_inline __u64 task_ids(struct task_struct *task)
{
	return (__u64)(__u32)task->tgid << 32 | (__u32)task->pid;
}

/* now: 0 if the program did not look at the clock. */
static __always_inline void log_domain(void *part, __u32 event, __u32 domain, __u32 correspondent,
				       __u64 counter, __u64 now)
{
	const struct tacho_bpf_event what = { event, domain, correspondent, 0, counter, now };

	tacho_bpf_log(&geometry, part, &what);
}

static __always_inline void log_data(void *part, __u32 event, __u32 domain, __u32 data,
				     __u64 counter, __u64 now)
{
	const struct tacho_bpf_event what = { event, domain, data, 1, counter, now };

	tacho_bpf_log(&geometry, part, &what);
}

#endif /* TACHO_KERNEL_BPF_H */
