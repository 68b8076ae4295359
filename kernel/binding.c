// SPDX-License-Identifier: BSD-2-Clause
/*
 * binding.c: what the binder decides, done in the kernel; what the kernel tells, told to the
 * binder.
 *
 * Owns the maps `bindings` and `pool` and the log of task.track. A binding is put into the map, and
 * one run of the iterator over all tasks stores it: tasks are found by the kernel, so none is
 * missed that is in a namespace of its own, and a task that has ended in between is nobody's
 * problem.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel_internal.h"
#include "lib/internal.h"
#include "object.h"

/* How often cgroups, users and names are looked at again: no row tells that they changed. */
#define RESCAN_NS 2000000000ull
#define RESCAN_KINDS                                                                               \
	(1u << TACHO_RULE_COMM | 1u << TACHO_RULE_CGROUP | 1u << TACHO_RULE_UID |                  \
	 1u << TACHO_RULE_UNIT | 1u << TACHO_RULE_VM)

/* ---- operations of the binder ------------------------------------------------------------------- */

static int bindings_make(struct tacho_kernel *kernel);

/* A task may be bound twice, then the later binding is in the map. */
static int op_bind(void *arg, uint32_t tid, uint32_t principal, uint32_t flags)
{
	struct tacho_kernel *kernel = arg;
	const struct tacho_k_bind bind = { principal, flags };

	if (kernel->nr_bindings == kernel->max_bindings) {
		int error = bindings_make(kernel);

		if (error)
			return error;
	}
	if (bpf_map_update_elem(bpf_map__fd(kernel->skel->maps.bindings), &tid, &bind, BPF_ANY))
		return -errno;
	kernel->bindings[kernel->nr_bindings++] = tid;
	return 0;
}

static int op_name(void *arg, uint32_t domain, const char *name)
{
	struct tacho_kernel *kernel = arg;

	kernel->names_changed = true;
	return tacho_memory_domain_name(&kernel->memory, domain, name);
}

static int op_push(void *arg, uint32_t principal)
{
	struct tacho_kernel *kernel = arg;

	return bpf_map_update_elem(bpf_map__fd(kernel->skel->maps.pool), NULL, &principal, BPF_ANY)
		       ? -errno
		       : 0;
}

/*
 * Forget the bindings that were made. The map has room for many tasks, and its next key is looked
 * for from its beginning: so we know the keys.
 */
static void bindings_clear(struct tacho_kernel *kernel)
{
	int map = bpf_map__fd(kernel->skel->maps.bindings);

	while (kernel->nr_bindings > 0)
		bpf_map_delete_elem(map, &kernel->bindings[--kernel->nr_bindings]);
}

/* Have the iterator walk over all tasks. */
static int bindings_make(struct tacho_kernel *kernel)
{
	struct bpf_link *link;
	int iter, error = 0;
	char rest[64];
	ssize_t len;

	if (kernel->nr_bindings == 0)
		return 0;
	link = bpf_program__attach_iter(kernel->skel->progs.bind_tasks, NULL);
	if (!link)
		return tacho_k_fail(kernel, -errno, "walking over the tasks: %s", strerror(errno));
	iter = bpf_iter_create(bpf_link__fd(link));
	if (iter < 0) {
		error = tacho_k_fail(kernel, -errno, "walking over the tasks: %s", strerror(errno));
		goto out;
	}
	do
		len = read(iter, rest, sizeof(rest));
	while (len > 0 || (len < 0 && errno == EINTR));
	if (len < 0)
		error = tacho_k_fail(kernel, -errno, "walking over the tasks: %s", strerror(errno));
	close(iter);
out:
	bpf_link__destroy(link);
	bindings_clear(kernel);
	return error;
}

/* ---- what the kernel tells ------------------------------------------------------------------------ */

static int row_take(struct tacho_kernel *kernel, const struct tacho_row *row)
{
	const int pid = (int)(row->counter >> 32), tid = (int)(uint32_t)row->counter;

	switch (row->correspondent & TACHO_K_TRACK_MASK) {
	case TACHO_K_TRACK_NEW:
		return tacho_binder_new(kernel->binder, row->time, pid, tid, row->domain,
					row->correspondent >> TACHO_K_TRACK_BITS);
	case TACHO_K_TRACK_EXEC:
		return tacho_binder_exec(kernel->binder, row->time, pid, tid, row->domain);
	case TACHO_K_TRACK_EXIT:
		return tacho_binder_exit(kernel->binder, row->time, pid, tid, row->domain);
	case TACHO_K_TRACK_VCPU:
		return tacho_binder_vcpu(kernel->binder, row->time, pid, tid);
	default:
		return 0; /* the area is shared: it may say anything */
	}
}

/* All rows of task.track; *lost: some were overwritten. */
static int rows_take(struct tacho_kernel *kernel, bool *lost)
{
	uint64_t rows, before = kernel->track_lost;
	struct tacho_row row[256];
	int error = 0;
	long nr;

	do {
		nr = tacho_merge_read(kernel->track, row, sizeof(row) / sizeof(row[0]));
		for (long i = 0; i < nr; i++) {
			int result = row_take(kernel, &row[i]);

			error = error ? error : result;
		}
	} while (nr == (long)(sizeof(row) / sizeof(row[0])));
	tacho_merge_lost(kernel->track, &rows, &kernel->track_lost);
	*lost = kernel->track_lost != before;
	return nr < 0 ? (int)nr : error;
}

/* ---- the object's side ------------------------------------------------------------------------------ */

uint32_t tacho_k_binding_fresh(enum tacho_kernel_by by)
{
	switch (by) {
	case TACHO_BY_PROCESS:
	case TACHO_BY_VM:
		return TACHO_FRESH_PROCESS;
	case TACHO_BY_THREAD:
		return TACHO_FRESH_THREAD;
	default:
		return TACHO_FRESH_NONE;
	}
}

int tacho_k_binding_open(struct tacho_kernel *kernel, const struct tacho_kernel_options *options)
{
	static const struct tacho_binder_ops ops = { op_bind, op_name, op_push };
	struct tacho_binder_options binder = {
		.nr_domains = kernel->view.header.nr_domains,
		.by = options->by,
		.rules = &kernel->rules,
		.is_lazy = options->is_lazy,
		.ops = &ops,
		.arg = kernel,
	};
	int error;

	kernel->max_bindings = bpf_map__max_entries(kernel->skel->maps.bindings);
	kernel->bindings = calloc(kernel->max_bindings, sizeof(*kernel->bindings));
	error = kernel->bindings ? tacho_binder_create(&kernel->binder, &binder) : -ENOMEM;
	/* what no row tells is looked for where it matters */
	kernel->rescans = options->by == TACHO_BY_CGROUP || options->by == TACHO_BY_USER ||
			  (kernel->rules.kinds & RESCAN_KINDS);
	return error ? tacho_k_fail(kernel, error, "naming domains: %s",
				    error == -ENOSPC ? "more names than domains" : strerror(-error))
		     : 0;
}

void tacho_k_binding_close(struct tacho_kernel *kernel)
{
	tacho_binder_destroy(kernel->binder);
	tacho_rules_fini(&kernel->rules);
	free(kernel->bindings);
}

static int binding_fail(struct tacho_kernel *kernel, int error)
{
	return tacho_k_fail(kernel, error, "binding tasks to domains: %s",
			    error == -ENODATA ? "/proc has none" : strerror(-error));
}

static int settle(struct tacho_kernel *kernel)
{
	int error = tacho_binder_settle(kernel->binder, NULL), bound;

	bound = bindings_make(kernel);
	return error ? error : bound;
}

/*
 * While nothing was enabled nobody followed tasks: numbers of threads may have new owners, and the
 * table by thread id does not know. Nobody reads it before this is done but the programs that fill
 * it.
 */
static int principals_clear(struct tacho_kernel *kernel)
{
	const struct bpf_map *map = kernel->skel->maps.principals;
	size_t size = bpf_map__max_entries(map) * 8ul; /* elements are 8 bytes apart */
	void *table = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (table == MAP_FAILED)
		return -errno;
	memset(table, 0, size);
	munmap(table, size);
	return 0;
}

int tacho_k_binding_start(struct tacho_kernel *kernel)
{
	int error;

	kernel->rescanned_ns = tacho_i_clock_read(TACHO_SOURCE_MONOTONIC);
	if (kernel->binder_started) {
		error = principals_clear(kernel);
		tacho_binder_lost(kernel->binder);
		if (!error)
			error = tacho_binder_rescan(kernel->binder, kernel->rescanned_ns);
	} else {
		error = tacho_binder_start(kernel->binder, kernel->rescanned_ns);
	}
	if (!error)
		error = settle(kernel);
	kernel->binder_started = true;
	return error ? binding_fail(kernel, error) : 0;
}

int tacho_k_binding_tend(struct tacho_kernel *kernel)
{
	const uint64_t now = tacho_i_clock_read(TACHO_SOURCE_MONOTONIC);
	bool lost = false;
	int error;

	if (!tacho_k_enable_follows(kernel))
		return 0;
	error = rows_take(kernel, &lost);
	if (lost)
		tacho_binder_lost(kernel->binder);
	if (lost || (kernel->rescans && now - kernel->rescanned_ns > RESCAN_NS)) {
		kernel->rescanned_ns = now;
		error = tacho_binder_rescan(kernel->binder, now);
	}
	if (!error)
		error = settle(kernel);
	return error ? binding_fail(kernel, error) : 0;
}

void tacho_kernel_reuse(struct tacho_kernel *kernel)
{
	tacho_binder_reuse(kernel->binder);
}

int tacho_kernel_domain(const struct tacho_kernel *kernel, uint32_t domain,
			struct tacho_kernel_domain_info *info)
{
	return tacho_binder_domain(kernel->binder, domain, info);
}

int tacho_kernel_read(struct tacho_kernel *kernel, uint32_t domain)
{
	int error = tacho_binder_read(kernel->binder, domain), bound;

	bound = bindings_make(kernel);
	error = error ? error : bound;
	return error ? binding_fail(kernel, error) : 0;
}

uint32_t tacho_kernel_task_domain(const struct tacho_kernel *kernel, int tid)
{
	return tacho_binder_task(kernel->binder, tid);
}

size_t tacho_kernel_tasks(const struct tacho_kernel *kernel, uint32_t domain, int *tids, size_t max)
{
	return tacho_binder_tasks(kernel->binder, domain, tids, max);
}

/* Threads that come before the walk is done say in their rows that they did not know. */
int tacho_kernel_split(struct tacho_kernel *kernel, int pid, bool by_thread)
{
	int error = tacho_binder_split(kernel->binder, pid, by_thread), bound;

	bound = bindings_make(kernel);
	if (!error)
		error = bound;
	if (error == -ESRCH)
		return tacho_k_fail(kernel, error, "there is no process %d", pid);
	if (error == -ENOSPC)
		return tacho_k_fail(kernel, error,
				    "process %d has more threads than there are domains left", pid);
	return error ? binding_fail(kernel, error) : 0;
}

uint64_t tacho_kernel_overflow(const struct tacho_kernel *kernel)
{
	return tacho_binder_overflow(kernel->binder) +
	       tacho_load_relaxed(&kernel->skel->bss->unbound);
}
