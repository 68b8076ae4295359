/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel.h: the kernel and the hypervisor as a component: load, configure, enable, tend, close.
 *
 * One object is one set of eBPF programs with one area. Nothing is attached before an event is
 * enabled (or tasks are followed), and nothing is left when the process ends, however it ends:
 * programs, links, maps and perf events are descriptors of this process. Several objects, of one or
 * several processes, do not disturb each other. Functions return 0 or -errno; `why` gets one line
 * for a person. Nothing prints. One thread per object.
 *
 * The area is a BPF map; tacho_kernel_memory gives it as the struct tacho_memory of session.h, so
 * that logs, routes, thresholds and bindings are made with tacho_memory_log_add, tacho_memory_route
 * and tacho_memory_bind, while the programs run, and it is read with reader.h.
 */
#ifndef TACHO_KERNEL_H
#define TACHO_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tacho/session.h>

#include "events.h"

/* What a domain is, for tasks that no rule speaks of. */
enum tacho_kernel_by {
	TACHO_BY_PROCESS,
	TACHO_BY_THREAD,
	TACHO_BY_CGROUP,
	TACHO_BY_USER,
	TACHO_BY_VM, /* virtual machines, told apart into vcpu, io and vhost; the rest by process */
};

struct tacho_kernel_options {
	uint32_t nr_domains; /* [1024] */
	uint32_t nr_logs; /* per CPU [64] */
	uint32_t rows_size; /* bytes for rows per CPU [4 MiB] */
	uint32_t runq_us; /* period of cpu.runq [1000] */
	uint32_t shared_ms; /* period of mem.shared [100]; UINT32_MAX: when it is called for */
	enum tacho_kernel_by by;
	const char *const *rules; /* "NAME=KIND:GLOB", first match wins */
	size_t nr_rules;
	/* of cpu.pmc0..3, names as in counters.c [the best here] */
	const char *counters[4];
	/*
	 * Where every process is a domain and there are no rules: who a new one is, and who executed,
	 * is read from /proc when tacho_kernel_read asks, not when it is born. Until then it has no
	 * name, or the one from before.
	 */
	bool is_lazy;
};

struct tacho_kernel;

/*
 * Load the programs, make the area, bind every task that exists. -EPERM: capabilities are missing;
 * -EOPNOTSUPP: no BTF or no eBPF here; -ENOMEM; -EINVAL: a rule. why says which and what to do.
 */
int tacho_kernel_open(struct tacho_kernel **kernel, const struct tacho_kernel_options *options,
		      char *why, size_t why_size);
void tacho_kernel_close(struct tacho_kernel *kernel);

struct tacho_memory *tacho_kernel_memory(struct tacho_kernel *kernel);
/* Of the last call that failed. */
const char *tacho_kernel_error(const struct tacho_kernel *kernel);

/* The event table: TACHO_K_NR entries, by id. kind 0: this kernel has no source for it. */
const struct tacho_event_entry *tacho_kernel_events(const struct tacho_kernel *kernel);
/* Attach what these events need, or detach what nothing needs any more. All or nothing. */
int tacho_kernel_enable(struct tacho_kernel *kernel, const uint32_t *ids, size_t nr);
int tacho_kernel_disable(struct tacho_kernel *kernel, const uint32_t *ids, size_t nr);
/*
 * Follow tasks also while no event is enabled: who is who stays known, and enabling an event again
 * need not look through all of /proc. Costs a microsecond per task that is made, executes, or ends.
 * tend goes on being called.
 */
int tacho_kernel_follow(struct tacho_kernel *kernel, bool on);

/*
 * Housekeeping, to be called every 10 to 100 ms while the object is used: names and binds what was
 * forked and executed, frees domains whose tasks are gone, takes over losses that the kernel
 * counted. *changed (may be NULL): a name in the domain table changed.
 */
int tacho_kernel_tend(struct tacho_kernel *kernel, bool *changed);
/*
 * Domains whose tasks are gone keep their numbers until the next call of this: the caller has read
 * what was logged for them. Without such calls no number is used twice.
 */
void tacho_kernel_reuse(struct tacho_kernel *kernel);

/*
 * mem.shared: one sample of the pages that domains share with each other, as rows. only: of these
 * domains with each other (nr 0: of all). tacho_kernel_tend does it for all at the period of the
 * options.
 */
int tacho_kernel_sample_shared(struct tacho_kernel *kernel, const uint32_t *only, size_t nr);

/* What a domain is; see also the domain table of the area. */
struct tacho_kernel_domain_info {
	char name[32];
	int pid; /* a process of it, or 0 */
	uint32_t nr_tasks; /* that were bound to it and have not ended */
	bool is_vm;
	bool is_gone; /* had tasks, has none */
};
int tacho_kernel_domain(const struct tacho_kernel *kernel, uint32_t domain,
			struct tacho_kernel_domain_info *info);
/* Before tacho_kernel_domain, if is_lazy: find out who it is. 0 or -errno; 0 too if it is known. */
int tacho_kernel_read(struct tacho_kernel *kernel, uint32_t domain);
/* The domain that a task is bound to, as of the last tend; TACHO_NONE: not known. */
uint32_t tacho_kernel_task_domain(const struct tacho_kernel *kernel, int tid);
/* The tasks that are bound to a domain, as of the last tend; at most max. Returns how many there are. */
size_t tacho_kernel_tasks(const struct tacho_kernel *kernel, uint32_t domain, int *tids,
			  size_t max);
/*
 * Look at a process by thread, or as a whole again: its tasks are bound anew, threads that it makes
 * follow. Others are not touched. Threads are called "comm/tid"; the first one keeps the number of
 * the process, which means less now (and more again later): tacho_facts_forget. It ends when the
 * process executes another program. Nothing happens where a rule speaks of it, or where domains are
 * no processes. -ESRCH: not known, as of the last tend; -ENOSPC: fewer numbers are left than it has
 * threads. Reads a file of /proc per thread, and walks over all tasks once.
 */
int tacho_kernel_split(struct tacho_kernel *kernel, int pid, bool by_thread);
/*
 * Tell at once when a task makes a child, a thread too: those that are watched wake a reader of the
 * descriptor (POLLIN), tacho_kernel_children takes what they made, up to max, returns how many and
 * never blocks. For a scheduler whose placements are inherited. A child is watched from its birth
 * on, until somebody says otherwise: what it makes before its parent's watcher has come to it is
 * told, with the same ancestor. Watching ends with the task. A thread that executes has the number
 * of its process from then on, and is watched on: that is told, too. No event need be enabled: from
 * the first watch on tasks are followed (tacho_kernel_follow). There is room for some 3200
 * children; those that find none, because nobody took the others, count as lost in the area
 * (TACHO_LOST_BUSY), and in tacho_kernel_children_lost; in that also those who could not be watched
 * from their birth on, because too many are. To watch who has ended is nothing. -ENOSPC: too many
 * are watched.
 */
struct tacho_kernel_child {
	int pid, tid; /* of the child */
	int parent; /* tid of who made it; of one that has executed: the one that it had before */
	int ancestor; /* tid of who was watched first: the parent, its parent... */
	uint64_t start; /* of the child, as field 22 of /proc/TID/stat: clock ticks since boot */
	bool has_executed; /* it is not new, but has another tid now */
	bool has_ended; /* by now; or is watched for itself by now, or could not be watched */
};
int tacho_kernel_watch(struct tacho_kernel *kernel, int tid, bool on);
int tacho_kernel_fd(const struct tacho_kernel *kernel);
size_t tacho_kernel_children(struct tacho_kernel *kernel, struct tacho_kernel_child *children,
			     size_t max);
uint64_t tacho_kernel_children_lost(const struct tacho_kernel *kernel);
/* How many tasks were charged to "other" because there were no domains left. */
uint64_t tacho_kernel_overflow(const struct tacho_kernel *kernel);

/* Whether and how this machine can do it, for doctor and list; loads nothing that stays. */
struct tacho_kernel_probe {
	bool has_btf;
	bool may_load; /* privileges */
	char missing[160]; /* capabilities or kernel features that are missing, or empty */
	struct tacho_event_entry events[TACHO_K_NR]; /* kind 0: no source */
	char why[TACHO_K_NR][64]; /* what is lacking, where kind is 0 */
};
void tacho_kernel_probe(struct tacho_kernel_probe *probe);

#endif /* TACHO_KERNEL_H */
