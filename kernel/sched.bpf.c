// SPDX-License-Identifier: BSD-2-Clause
/*
 * sched.bpf.c: the processors: service time, counters, waiting, migrations, run queues, wake-ups.
 *
 * Owns the running fields of tacho_cpu and runnable_ns of tasks. Section 4.4 of paper 001: service
 * time is charged at the switch from one domain to another; what happens between the tasks of one
 * domain is not an event, and its slice goes on. One look at the clock per tracepoint.
 */
#include "kernel.bpf.h"

/* Perf events of cpu.pmc0..3: index counter * nr_cpus + CPU, set by the session. */
struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(max_entries, TACHO_K_COUNTERS);
	__type(key, __u32);
	__type(value, __u32);
} counters SEC(".maps");

/* Their values at the last switch on this CPU; the session sets 0 when it opens them. */
struct pmc_last {
	__u64 value[TACHO_K_COUNTERS];
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pmc_last);
} pmc_last SEC(".maps");

/* Out of the way of the usual switch, as is what mends. */
static __noinline void pmc_switch(void *part, __u32 from, __u32 to, __u64 now)
{
	__u32 zero = 0, cpu = bpf_get_smp_processor_id();
	struct pmc_last *last = bpf_map_lookup_elem(&pmc_last, &zero);
	struct bpf_perf_event_value value;

	if (!last)
		return;
	for (__u32 i = 0; i < TACHO_K_COUNTERS; i++) {
		if (bpf_perf_event_read_value(&counters, i * geometry.nr_cpus + cpu, &value,
					      sizeof(value)))
			continue;
		if (value.counter >= last->value[i])
			log_domain(part, TACHO_K_CPU_PMC0 + i, from, to,
				   value.counter - last->value[i], now);
		last->value[i] = value.counter;
	}
}

/* It wanted the CPU since then, and has it now. */
static __always_inline void wait_end(void *part, struct tacho_k_task *task, __u32 domain, __u64 now)
{
	__u64 since = task->runnable_ns;

	task->runnable_ns = 0;
	if (since && since >= enabled_ns[TACHO_K_CPU_WAIT] && now > since)
		log_domain(part, TACHO_K_CPU_WAIT, domain, TACHO_NONE, now - since, now);
}

/*
 * Since when the task that is leaving had the CPU, by the kernel's own books: a fair task knows what it
 * has run since it was picked, an idle CPU when it became idle, in the clock of its run queue.
 */
static __always_inline __u64 began_ns(struct task_struct *prev, __u64 now)
{
	__u64 ran = 0;

	if (prev->pid == 0)
		ran = prev->se.exec_start ? this_rq()->clock_task - prev->se.exec_start : 0;
	else if (prev->prio >= MAX_RT_PRIO)
		ran = prev->se.sum_exec_runtime - prev->se.prev_sum_exec_runtime;
	return now - ran;
}

/*
 * Somebody leaves who was never seen to come: a switch was not told. The kernel does not run a program
 * inside itself, and there are threads in whose context some kernels run none at all. What ran
 * before is charged up to the moment at which this one began.
 */
static __noinline void service_mend(void *part, struct task_struct *prev, __u64 now)
{
	struct tacho_cpu *cpu = part;
	__u64 since = cpu->running_since, began = began_ns(prev, now);
	__u32 from = cpu->running_domain & geometry.domain_mask, to = task_domain(prev);

	if (from == to)
		return;
	if (began < since || began > now)
		began = since;
	log_domain(part, TACHO_K_CPU_SERVICE, from, to, began - since, began);
	tacho_bpf_running(&geometry, cpu, to, began);
}

static __always_inline void service_switch(void *part, struct task_struct *prev,
					   struct task_struct *next, __u32 to, __u64 now)
{
	struct tacho_cpu *cpu = part;
	__u64 since;
	__u32 from;

	if (cpu->running_since && cpu->running_task != (__u32)prev->pid)
		service_mend(part, prev, now);
	cpu->running_task = (__u32)next->pid;
	since = cpu->running_since;
	from = cpu->running_domain & geometry.domain_mask;
	if (since && from == to)
		return;
	if (since) {
		log_domain(part, TACHO_K_CPU_SERVICE, from, to, now - since, now);
		if (active & TACHO_K_ACTIVE_PMC)
			pmc_switch(part, from, to, now);
	}
	tacho_bpf_running(&geometry, cpu, to, now);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(cpu_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct tacho_k_task *state;
	__u32 what = active, to;
	__u64 now = bpf_ktime_get_ns();
	void *part = area_part();

	if (!part)
		return 0;
	to = task_domain(next);
	if (what & TACHO_K_ACTIVE_SERVICE)
		service_switch(part, prev, next, to, now);
	if (what & TACHO_K_ACTIVE_WAIT) {
		state = next->pid ? task_get(next) : NULL;
		if (state)
			wait_end(part, state, to, now);
		/* preempted: it goes on wanting it */
		if ((preempt || task_state(prev) == TASK_RUNNING) && prev->pid != 0) {
			state = task_get(prev);
			if (state)
				state->runnable_ns = now;
		}
	}
	return 0;
}

static __always_inline int wait_begin(struct task_struct *task)
{
	struct tacho_k_task *state = task_get(task);

	if (state && (!state->runnable_ns || state->runnable_ns < enabled_ns[TACHO_K_CPU_WAIT]))
		state->runnable_ns = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(wait_wakeup, struct task_struct *task)
{
	/* it may be running: woken before it had gone to sleep */
	return task == bpf_get_current_task_btf() ? 0 : wait_begin(task);
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(wait_wakeup_new, struct task_struct *task)
{
	return wait_begin(task);
}

SEC("tp_btf/sched_migrate_task")
int BPF_PROG(cpu_migrate, struct task_struct *task, int dest)
{
	void *part = area_part();

	if (part)
		log_domain(part, TACHO_K_CPU_MIGRATE, task_domain(task), TACHO_NONE,
			   (__u64)task_cpu(task) << 32 | (__u32)dest, 0);
	return 0;
}

/* A timer of each CPU. */
SEC("perf_event")
int cpu_runq(void *ctx)
{
	void *part = area_part();

	if (part)
		log_domain(part, TACHO_K_CPU_RUNQ, TACHO_DOMAIN_SYSTEM, TACHO_NONE,
			   this_rq()->nr_running, 0);
	return 0;
}
