// SPDX-License-Identifier: BSD-2-Clause
/*
 * source.c: the table of programs, and what this kernel has of what they need.
 *
 * Owns the only list of programs outside of the eBPF objects, and the text of the event table. A
 * kernel is asked for its tracepoints through its type information, not for its version; so tracefs
 * need not be mounted. Must not load or attach anything. Called by kernel.c, enable.c and probe.c.
 */
#include "source.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hypervisor.h"

#define B(symbol) TACHO_K_BIT(symbol)
#define PMC	  (B(CPU_PMC0) | B(CPU_PMC1) | B(CPU_PMC2) | B(CPU_PMC3))
#define BLOCK	  (B(IO_BLOCK) | B(IO_BLOCK_BYTES))

const struct tacho_k_source tacho_k_sources[] = {
	{ "task_new", "task_newtask", B(TASK_NEW) | B(TASK_TRACK), 0, TACHO_K_TASKS, 0 },
	{ "task_exec", "sched_process_exec", B(TASK_EXEC) | B(TASK_TRACK), 0, TACHO_K_TASKS, 0 },
	{ "task_exit", "sched_process_exit", B(TASK_EXIT) | B(TASK_TRACK), 0, TACHO_K_TASKS, 0 },
	{ "bind_tasks", NULL, 0, 0, TACHO_K_RUN, 0 },
	{ "start_running", NULL, 0, 0, TACHO_K_RUN, 0 },
	{ "emit", NULL, B(MEM_SHARED), 0, TACHO_K_RUN, 0 },

	{ "cpu_switch", "sched_switch", B(CPU_SERVICE) | B(CPU_WAIT) | PMC, 0, TACHO_K_TRACEPOINT,
	  0 },
	{ "wait_wakeup", "sched_wakeup", B(CPU_WAIT), 0, TACHO_K_TRACEPOINT, 0 },
	{ "wait_wakeup_new", "sched_wakeup_new", B(CPU_WAIT), 0, TACHO_K_TRACEPOINT, 0 },
	{ "cpu_migrate", "sched_migrate_task", B(CPU_MIGRATE), 0, TACHO_K_TRACEPOINT, 0 },
	{ "cpu_runq", NULL, B(CPU_RUNQ), 0, TACHO_K_TIMER, 0 },

	{ "ipc_wake", "sched_waking", B(IPC_WAKE), 0, TACHO_K_TRACEPOINT, 0 },
	{ "wake_sent", "netif_rx", 0, B(IPC_WAKE), TACHO_K_TRACEPOINT, 0 },
	{ "wake_received", "netif_receive_skb", 0, B(IPC_WAKE), TACHO_K_TRACEPOINT, 0 },
	{ "wake_polled", "napi_poll", 0, B(IPC_WAKE), TACHO_K_TRACEPOINT, 0 },
	{ "ipc_send", "sock_send_length", B(IPC_SOCKET), 0, TACHO_K_TRACEPOINT, 0 },
	{ "ipc_receive", "sock_recv_length", B(IPC_SOCKET), 0, TACHO_K_TRACEPOINT, 0 },
	{ "ipc_pipe", "sys_exit", B(IPC_PIPE), 0, TACHO_K_TRACEPOINT, 0 },
	{ "ipc_futex", "sys_enter", B(IPC_FUTEX), 0, TACHO_K_TRACEPOINT, 0 },

	{ "mem_rss", "rss_stat", B(MEM_RSS), 0, TACHO_K_TRACEPOINT, 0 },
	{ "mem_fault", "page_fault_user", B(MEM_FAULT), 0, TACHO_K_TRACEPOINT, 0 },

	{ "block_start", "block_io_start", 0, BLOCK, TACHO_K_TRACEPOINT, 0 },
	{ "block_insert", "block_rq_insert", 0, BLOCK, TACHO_K_TRACEPOINT, 0 },
	{ "block_merge", "block_rq_merge", 0, BLOCK, TACHO_K_TRACEPOINT, 0 },
	{ "block_issue", "block_rq_issue", BLOCK, 0, TACHO_K_TRACEPOINT, 0 },
	{ "block_complete", "block_rq_complete", BLOCK, 0, TACHO_K_TRACEPOINT, 0 },
	{ "net_sender", "sock_send_length", 0, B(NET_TX), TACHO_K_TRACEPOINT, 0 },
	{ "net_tx", "net_dev_start_xmit", B(NET_TX), 0, TACHO_K_TRACEPOINT, 0 },
	{ "net_rx", "sock_recv_length", B(NET_RX), 0, TACHO_K_TRACEPOINT, 0 },

	{ "irq_enter", "irq_handler_entry", B(IRQ), 0, TACHO_K_TRACEPOINT, 0 },
	{ "irq_exit", "irq_handler_exit", B(IRQ), 0, TACHO_K_TRACEPOINT, 0 },
	{ "softirq_enter", "softirq_entry", B(SOFTIRQ), 0, TACHO_K_TRACEPOINT, 0 },
	{ "softirq_exit", "softirq_exit", B(SOFTIRQ), 0, TACHO_K_TRACEPOINT, 0 },
	{ "lock_begin", "contention_begin", B(LOCK), 0, TACHO_K_TRACEPOINT, 0 },
	{ "lock_end", "contention_end", B(LOCK), 0, TACHO_K_TRACEPOINT, 0 },
	{ "syscall_enter", "sys_enter", B(SYSCALL), 0, TACHO_K_TRACEPOINT, 0 },
	{ "syscall_exit", "sys_exit", B(SYSCALL), 0, TACHO_K_TRACEPOINT, 0 },

	{ "vm_entry", "kvm_entry", B(VM_RUN), 0, TACHO_K_TRACEPOINT, TACHO_K_NATIVE },
	{ "vm_leave", "kvm_exit", B(VM_RUN), 0, TACHO_K_TRACEPOINT, TACHO_K_NATIVE },
	{ "vm_call", "kvm_fpu", B(VM_RUN), 0, TACHO_K_TRACEPOINT, TACHO_K_SUBSTITUTE },
	{ "vm_call_halted", "kvm_vcpu_wakeup", B(VM_RUN), 0, TACHO_K_TRACEPOINT,
	  TACHO_K_SUBSTITUTE },
	{ "vm_exit", "kvm_exit", B(VM_EXIT), 0, TACHO_K_TRACEPOINT, TACHO_K_NATIVE },
	{ "vm_exit_user", "kvm_userspace_exit", B(VM_EXIT), 0, TACHO_K_TRACEPOINT,
	  TACHO_K_SUBSTITUTE },
	{ "vm_exit_pio", "kvm_pio", 0, B(VM_EXIT), TACHO_K_TRACEPOINT, TACHO_K_SUBSTITUTE },
	{ "vm_exit_mmio", "kvm_mmio", 0, B(VM_EXIT), TACHO_K_TRACEPOINT, TACHO_K_SUBSTITUTE },
	{ "vm_exit_cpuid", "kvm_cpuid", 0, B(VM_EXIT), TACHO_K_TRACEPOINT, TACHO_K_SUBSTITUTE },
	{ "vm_exit_msr", "kvm_msr", 0, B(VM_EXIT), TACHO_K_TRACEPOINT, TACHO_K_SUBSTITUTE },
	{ "vm_exit_hypercall", "kvm_hypercall", 0, B(VM_EXIT), TACHO_K_TRACEPOINT,
	  TACHO_K_SUBSTITUTE },
	{ "vm_exit_halt", "kvm_vcpu_wakeup", 0, B(VM_EXIT), TACHO_K_TRACEPOINT,
	  TACHO_K_SUBSTITUTE },
	{ "vm_irq", "kvm_inj_virq", B(VM_IRQ), 0, TACHO_K_TRACEPOINT, TACHO_K_NATIVE },
	{ "vm_irq_eoi", "kvm_eoi", B(VM_IRQ), 0, TACHO_K_TRACEPOINT, TACHO_K_SUBSTITUTE },
	{ "vm_irq_accept", "kvm_apic_accept_irq", B(VM_IRQ), 0, TACHO_K_TRACEPOINT, TACHO_K_LAST },
	{ "vm_halt", "kvm_vcpu_wakeup", B(VM_HALT), 0, TACHO_K_TRACEPOINT, 0 },
	{ "vm_userspace", "kvm_userspace_exit", B(VM_USERSPACE), 0, TACHO_K_TRACEPOINT, 0 },
};
_Static_assert(sizeof(tacho_k_sources) / sizeof(tacho_k_sources[0]) <= TACHO_K_MAX_SOURCES,
	       "an object has room for a link each");
const size_t tacho_k_nr_sources = sizeof(tacho_k_sources) / sizeof(tacho_k_sources[0]);

/* What stands in the flags column of events.h. */
#define DOMAIN 0u
#define NONE   0u
#define DATA   TACHO_EVENT_DATA
#define TICKS  TACHO_EVENT_TICKS

static const struct tacho_event_entry entries[] = {
#define ENTRY(symbol, text, sort, count, whom, how, line)                                          \
	{ .id = TACHO_K_##symbol,                                                                  \
	  .kind = TACHO_##sort,                                                                    \
	  .flags = (how),                                                                          \
	  .name = text,                                                                            \
	  .counter = count,                                                                        \
	  .correspondent = whom,                                                                   \
	  .doc = line },
	TACHO_KERNEL_EVENTS(ENTRY)
#undef ENTRY
};
_Static_assert(sizeof(entries) / sizeof(entries[0]) == TACHO_K_NR, "every id has an entry");

int tacho_k_btf_open(struct btf **btf, char *why, size_t why_size)
{
	libbpf_print_fn_t before = libbpf_set_print(NULL); /* what is wrong is said in why */

	*btf = btf__load_vmlinux_btf();
	libbpf_set_print(before);
	if (*btf)
		return 0;
	snprintf(
		why, why_size,
		"this kernel has no type information (/sys/kernel/btf/vmlinux, "
		"CONFIG_DEBUG_INFO_BTF): %s",
		strerror(errno == ESRCH ? ENOENT : errno)); /* libbpf says no process for no file */
	return -EOPNOTSUPP;
}

bool tacho_k_source_exists(const struct tacho_k_source *source, const struct btf *btf)
{
	char name[64];

	if (!source->tracepoint)
		return true;
	snprintf(name, sizeof(name), "btf_trace_%s", source->tracepoint);
	return btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF) > 0 ||
	       tacho_vm_module_has(name, btf);
}

/*
 * An event has a source if at least one program serves it and, in one way at least, all that serve it
 * exist. Programs of either way are needed beside those of the way itself.
 */
static bool event_has_source(uint32_t id, const struct btf *btf, char *why, size_t why_size)
{
	bool ways[TACHO_K_NR_WAYS] = { true };
	size_t i;

	snprintf(why, why_size, "no type information (BTF)");
	if (!btf)
		return false;
	for (i = 0; i < tacho_k_nr_sources; i++)
		if (tacho_k_sources[i].events >> id & 1)
			ways[tacho_k_sources[i].way] = true;
	snprintf(why, why_size, "no program serves it");
	for (i = 0; i < tacho_k_nr_sources; i++) {
		const struct tacho_k_source *source = &tacho_k_sources[i];

		if (!(source->events >> id & 1) || tacho_k_source_exists(source, btf)) {
			if (source->events >> id & 1)
				why[0] = '\0';
			continue;
		}
		ways[source->way] = false;
		snprintf(why, why_size, "this kernel has no tracepoint %s", source->tracepoint);
		if (source->way == TACHO_K_ALWAYS)
			return false;
	}
	for (i = 0; i < tacho_k_nr_sources; i++)
		if ((tacho_k_sources[i].events >> id & 1) && ways[tacho_k_sources[i].way])
			return true;
	return false;
}

void tacho_k_events(struct tacho_event_entry *events, char (*why)[64], const struct btf *btf)
{
	char reason[64];

	for (uint32_t id = 0; id < TACHO_K_NR; id++) {
		events[id] = entries[id];
		if (why)
			why[id][0] = '\0';
		if (event_has_source(id, btf, reason, sizeof(reason))) {
			for (size_t i = 0; i < tacho_k_nr_sources; i++)
				events[id].nr_sites += tacho_k_sources[i].events >> id & 1;
			continue;
		}
		events[id].kind = 0;
		if (why)
			snprintf(why[id], sizeof(why[id]), "%s", reason);
	}
}
