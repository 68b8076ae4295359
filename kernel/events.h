/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * events.h: the events of the kernel and the hypervisor: their numbers and what they mean.
 *
 * The one list. The programs take the numbers from it, the loader the event table of the area and
 * the tracepoints, the command the help texts, and the manual page is compared with it. Included by
 * C and by BPF; needs nothing. Sections 3.2 and 4.3 of paper 001, and paper 004 for the hypervisor.
 *
 * EVENT(symbol, name, kind, counter, correspondent, flags, doc)
 *   flags: DOMAIN  the correspondent is a domain: what happens inside one domain is not an event
 *          DATA    the correspondent is a number of the event's own (vector, reason, call...)
 *          NONE    there is no correspondent
 *          TICKS   the counter is a time, in units of the clock source (or'ed to one of the others)
 * The order is the order of the ids: append only, the numbers are part of recorded data.
 */
#ifndef TACHO_KERNEL_EVENTS_H
#define TACHO_KERNEL_EVENTS_H

#define TACHO_KERNEL_EVENTS(EVENT)                                                                 \
	EVENT(CPU_SERVICE, "cpu.service", SPAN, "ns on the CPU", "domain entering",                \
	      DOMAIN | TICKS, "a domain leaves a processor for another one")                       \
	EVENT(CPU_PMC0, "cpu.pmc0", SPAN, "delta", "domain entering", DOMAIN,                      \
	      "what the chosen counter 0 counted while the domain had the processor")              \
	EVENT(CPU_PMC1, "cpu.pmc1", SPAN, "delta", "domain entering", DOMAIN,                      \
	      "what the chosen counter 1 counted while the domain had the processor")              \
	EVENT(CPU_PMC2, "cpu.pmc2", SPAN, "delta", "domain entering", DOMAIN,                      \
	      "what the chosen counter 2 counted while the domain had the processor")              \
	EVENT(CPU_PMC3, "cpu.pmc3", SPAN, "delta", "domain entering", DOMAIN,                      \
	      "what the chosen counter 3 counted while the domain had the processor")              \
	EVENT(CPU_RUNQ, "cpu.runq", SAMPLE, "runnable tasks", "", NONE,                            \
	      "tasks that run or want to run on the processor, looked at by a timer")              \
	EVENT(CPU_WAIT, "cpu.wait", SPAN, "ns runnable", "", NONE | TICKS,                         \
	      "a task gets a processor, after it was runnable without one")                        \
	EVENT(CPU_MIGRATE, "cpu.migrate", ACCESS, "from << 32 | to", "", NONE,                     \
	      "a task is moved to another processor")                                              \
	EVENT(IPC_WAKE, "ipc.wake", ACCESS, "1", "domain woken", DOMAIN,                           \
	      "a task wakes a task of another domain; what interrupts wake is nobody's")           \
	EVENT(IPC_SOCKET, "ipc.socket", ACCESS, "bytes", "0 sent, 1 received", DATA,               \
	      "bytes sent or received through a socket")                                           \
	EVENT(IPC_PIPE, "ipc.pipe", ACCESS, "bytes", "0 written, 1 read", DATA,                    \
	      "bytes written to or read from a pipe")                                              \
	EVENT(IPC_FUTEX, "ipc.futex", ACCESS, "1", "futex operation", DATA, "a call of futex")     \
	EVENT(MEM_RSS, "mem.rss", ACCESS, "pages", "0 file, 1 anon, 2 swap, 3 shmem", DATA,        \
	      "pages of that kind in the address space after a change")                            \
	EVENT(MEM_FAULT, "mem.fault", ACCESS, "1", "error code", DATA,                             \
	      "a page fault of user code")                                                         \
	EVENT(MEM_SHARED, "mem.shared", SAMPLE, "pages referenced << 32 | written",                \
	      "domain sharing", DOMAIN,                                                            \
	      "pages that two domains share, used since the last sample; all ones: not known")     \
	EVENT(IO_BLOCK, "io.block", SPAN, "ns to completion", "0 read, 1 write, 2 other",          \
	      DATA | TICKS, "a block request, from issue to completion")                           \
	EVENT(IO_BLOCK_BYTES, "io.block.bytes", ACCESS, "bytes", "0 read, 1 write, 2 other", DATA, \
	      "bytes of a block request that is complete")                                         \
	EVENT(NET_RX, "net.rx", ACCESS, "bytes", "interface index, or 0", DATA,                    \
	      "bytes that the domain takes out of a socket of a network")                          \
	EVENT(NET_TX, "net.tx", ACCESS, "bytes", "interface index", DATA,                          \
	      "a packet, headers too, is handed to an interface for who has its socket")           \
	EVENT(IRQ, "irq", SPAN, "ns", "vector", DATA | TICKS,                                      \
	      "a device's interrupt handler, charged to the domain that it interrupted")           \
	EVENT(SOFTIRQ, "softirq", SPAN, "ns", "vector", DATA | TICKS,                              \
	      "a soft interrupt's handler, charged to the domain that it interrupted")             \
	EVENT(LOCK, "lock", SPAN, "ns contended", "hash of the lock's address", DATA | TICKS,      \
	      "waiting for a lock of the kernel")                                                  \
	EVENT(SYSCALL, "syscall", SPAN, "ns", "number", DATA | TICKS,                              \
	      "a system call, from entry to exit")                                                 \
	EVENT(VM_RUN, "vm.run", SPAN, "ns in the guest", "vCPU", DATA | TICKS,                     \
	      "a virtual processor executes guest code")                                           \
	EVENT(VM_EXIT, "vm.exit", ACCESS, "1", "reason", DATA,                                     \
	      "a virtual machine exits to the hypervisor")                                         \
	EVENT(VM_IRQ, "vm.irq", ACCESS, "1", "vector", DATA,                                       \
	      "an interrupt is delivered to a virtual processor")                                  \
	EVENT(VM_HALT, "vm.halt", SPAN, "ns halted", "vCPU", DATA | TICKS,                         \
	      "a virtual processor halts until it is woken")                                       \
	EVENT(VM_USERSPACE, "vm.userspace", ACCESS, "1", "reason", DATA,                           \
	      "a virtual machine exits to its user-space process")                                 \
	EVENT(TASK_NEW, "task.new", ACCESS, "pid << 32 | tid", "domain of the parent", DATA,       \
	      "a task is made")                                                                    \
	EVENT(TASK_EXEC, "task.exec", ACCESS, "pid << 32 | tid", "", NONE,                         \
	      "a process executes another program")                                                \
	EVENT(TASK_EXIT, "task.exit", ACCESS, "pid << 32 | tid", "", NONE, "a task ends")          \
	EVENT(TASK_TRACK, "task.track", ACCESS, "pid << 32 | tid",                                 \
	      "0 new + parent << 8, 1 exec, 2 exit, 3 vcpu", DATA,                                 \
	      "all three again, for the session that binds tasks to domains")

enum tacho_kernel_event {
#define TACHO_KERNEL_ID(symbol, name, kind, counter, correspondent, flags, doc) TACHO_K_##symbol,
	TACHO_KERNEL_EVENTS(TACHO_KERNEL_ID)
#undef TACHO_KERNEL_ID
		TACHO_K_NR,
};

/* Domains that always exist; the last one of an area is "other": for whom there was no room. */
enum tacho_kernel_domain {
	TACHO_DOMAIN_SYSTEM = 0, /* kernel threads and what is not bound */
	TACHO_DOMAIN_IDLE = 1, /* nobody runs */
	TACHO_DOMAIN_FIRST = 2,
};

#endif /* TACHO_KERNEL_EVENTS_H */
