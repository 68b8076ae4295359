/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel_internal.h: what the files of kernel/ have of each other, by the file that defines it.
 *
 * Nothing here is for other directories. Functions return 0 or -errno; nothing prints or exits.
 */
#ifndef TACHO_KERNEL_INTERNAL_H
#define TACHO_KERNEL_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "binder.h"
#include "kernel.h"
#include "shared.h"
#include "source.h"

struct tacho_k;
struct bpf_link;
struct btf;
struct ring_buffer;

/* One perf event per CPU: descriptors, -1 where the CPU has none. */
struct tacho_k_percpu {
	int *fd; /* nr_cpus of them */
	struct bpf_link **link; /* of a program that runs at each of them; NULL: none */
};

struct tacho_kernel {
	struct tacho_k *skel;
	struct btf *btf; /* of the kernel, until the programs are loaded */
	struct tacho_memory memory; /* base: the mapped area */
	struct tacho_view view; /* the same, to read it */
	struct tacho_event_entry events[TACHO_K_NR];
	char error[256]; /* of the last call that failed */
	bool refused[TACHO_K_MAX_SOURCES]; /* programs that the kernel did not take, by source */

	/* enable.c */
	uint64_t enabled; /* events, a bit each */
	bool follows; /* tasks, even if nothing is enabled */
	struct bpf_link
		*links[TACHO_K_MAX_SOURCES]; /* by index of the source; NULL: not attached */
	struct tacho_k_percpu timer; /* of cpu.runq */
	struct tacho_k_percpu counter[TACHO_K_COUNTERS]; /* of cpu.pmc0..3 */
	const char *counter_name[TACHO_K_COUNTERS];
	uint32_t runq_us;
	uint32_t fresh_for; /* TACHO_FRESH_* */
	uint32_t nr_cpus;
	bool dropped; /* programs, since the last look */
	uint64_t looked_ns; /* by tend, last */
	char online[256]; /* the list of CPUs that timers and counters were made for */
	int online_fd; /* where that list is read, -1: nowhere */
	int fd[TACHO_K_MAX_SOURCES]; /* of programs that are or were attached since the last look */
	uint64_t missed[TACHO_K_MAX_SOURCES]; /* runs that the kernel refused them, at that look */

	/* share.c */
	struct tacho_refs *refs; /* NULL: mem.shared was never sampled */
	uint32_t shared_ms;
	uint64_t sampled_ns; /* by tend, last */
	uint64_t regrouped_ns; /* the processes to look at were told to refs then */

	/* binding.c */
	struct tacho_binder *binder;
	struct tacho_merge *track; /* rows of task.track */
	struct tacho_rules rules;
	uint64_t track_lost; /* rows, as told last */
	uint64_t rescanned_ns;
	bool rescans; /* something changes that no row tells */
	bool binder_started;
	uint32_t *bindings; /* threads whose bindings wait in the map */
	uint32_t nr_bindings;
	uint32_t max_bindings; /* the map's, and there is room for so many */
	bool names_changed;

	/* children.c */
	struct ring_buffer *ring; /* of children of tasks that are watched */
	struct tacho_kernel_child *told; /* where the caller wants them, while it asks */
	size_t nr_told, max_told;
};

/* kernel.c */

int tacho_k_fail(struct tacho_kernel *kernel, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* enable.c: programs on and off */

/* CPUs came or went: timers and counters follow. */
int tacho_k_enable_cpus(struct tacho_kernel *kernel);
/* The programs that follow tasks are attached. */
bool tacho_k_enable_follows(const struct tacho_kernel *kernel);
void tacho_k_enable_none(struct tacho_kernel *kernel);
/* What runs is not known, unless cpu.service or a counter is enabled. */
void tacho_k_enable_forget(struct tacho_kernel *kernel);
void tacho_k_enable_close(struct tacho_kernel *kernel);
/* Runs that did not happen because the program was running on that CPU, since the last call. */
uint64_t tacho_k_enable_nested(struct tacho_kernel *kernel);

/* counters.c: the counters of cpu.pmc0..3 */

struct perf_event_attr;
/* The counter of that name; NULL: the best that this machine has for place n. -EINVAL: no such name. */
int tacho_k_counter_find(const char *name, uint32_t n, struct perf_event_attr *attr,
			 const char **found);
/* All names there are, with blanks between. */
void tacho_k_counter_names(char *text, size_t size);

/* share.c: mem.shared */

int tacho_k_share_tend(struct tacho_kernel *kernel);
void tacho_k_share_close(struct tacho_kernel *kernel);

/* binding.c: tasks to principals */

/* TACHO_FRESH_*: which children the kernel makes principals of their own. */
uint32_t tacho_k_binding_fresh(enum tacho_kernel_by by);
int tacho_k_binding_open(struct tacho_kernel *kernel, const struct tacho_kernel_options *options);
void tacho_k_binding_close(struct tacho_kernel *kernel);
/* Every task that exists gets its binding: before the first event, and after rows were lost. */
int tacho_k_binding_start(struct tacho_kernel *kernel);
int tacho_k_binding_tend(struct tacho_kernel *kernel);

/* children.c: tasks that are watched */

int tacho_k_children_open(struct tacho_kernel *kernel);
void tacho_k_children_close(struct tacho_kernel *kernel);

#endif /* TACHO_KERNEL_INTERNAL_H */
