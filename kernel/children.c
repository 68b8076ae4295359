// SPDX-License-Identifier: BSD-2-Clause
/*
 * children.c: tasks that are watched: what they make is told at once.
 *
 * Owns the map `watched`, to which task.bpf.c adds those that are born, and the reading end of the
 * ring buffer `children`; what is written there, task.bpf.c says. Tasks are watched by thread id, in the numbers of the rows: a number that was
 * used again is told apart by the time at which it was watched. Must not bind anything. Called by
 * schedulers, through kernel.h: what they do to a task its children inherit.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "kernel_internal.h"
#include "lib/internal.h"
#include "object.h"

#define ENOUGH 1 /* returned to libbpf, which then stops behind this record */

/*
 * It was entered when it was born, and its end takes it out. A task that has its number by now and
 * is watched for the same ancestor is told of as well: nobody is harmed.
 */
static bool has_ended(const struct tacho_kernel *kernel, const struct tacho_k_child *child)
{
	struct tacho_k_watch watch;

	return bpf_map_lookup_elem(bpf_map__fd(kernel->skel->maps.watched), &child->tid, &watch) ||
	       watch.ancestor != child->ancestor;
}

static int child_take(void *arg, void *data, size_t size)
{
	struct tacho_kernel *kernel = arg;
	const struct tacho_k_child *child = data;

	if (size < sizeof(*child))
		return 0;
	kernel->told[kernel->nr_told++] = (struct tacho_kernel_child){
		.pid = (int)child->pid,
		.tid = (int)child->tid,
		.parent = (int)child->parent,
		.ancestor = (int)child->ancestor,
		/* as /proc counts */
		.start = child->start_ns / (1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK)),
		.has_executed = child->what == TACHO_K_TOLD_EXEC,
		.has_ended = has_ended(kernel, child),
	};
	return kernel->nr_told < kernel->max_told ? 0 : -ENOUGH;
}

int tacho_k_children_open(struct tacho_kernel *kernel)
{
	kernel->ring = ring_buffer__new(bpf_map__fd(kernel->skel->maps.children), child_take,
					kernel, NULL);
	return kernel->ring ? 0
			    : tacho_k_fail(kernel, -errno, "making the buffer of children: %s",
					   strerror(errno));
}

void tacho_k_children_close(struct tacho_kernel *kernel)
{
	ring_buffer__free(kernel->ring);
}

/* Those that ended before they were watched stay in the map: nobody removes them. */
static void watched_sweep(const struct tacho_kernel *kernel)
{
	const int map = bpf_map__fd(kernel->skel->maps.watched);
	uint32_t tid, next;
	int more = bpf_map_get_next_key(map, NULL, &next) == 0;

	while (more) {
		tid = next;
		more = bpf_map_get_next_key(map, &tid, &next) == 0;
		if (tacho_kernel_task_domain(kernel, (int)tid) == TACHO_NONE)
			bpf_map_delete_elem(map, &tid);
	}
}

static int watch(const struct tacho_kernel *kernel, uint32_t tid)
{
	const struct tacho_k_watch watch = {
		.since_ns = tacho_i_clock_read(TACHO_SOURCE_MONOTONIC),
		.ancestor = tid,
	};

	return bpf_map_update_elem(bpf_map__fd(kernel->skel->maps.watched), &tid, &watch, BPF_ANY)
		       ? -errno
		       : 0;
}

int tacho_kernel_watch(struct tacho_kernel *kernel, int tid, bool on)
{
	const uint32_t key = (uint32_t)tid;
	int error;

	if (tid <= 0)
		return tacho_k_fail(kernel, -EINVAL, "there is no task %d", tid);
	if (!on) {
		bpf_map_delete_elem(bpf_map__fd(kernel->skel->maps.watched), &key);
		return 0;
	}
	if (!tacho_load_relaxed(&kernel->skel->bss->watching)) {
		error = tacho_kernel_follow(kernel, true);
		if (error)
			return error;
		tacho_store_relaxed(&kernel->skel->bss->watching, 1);
	}
	error = watch(kernel, key);
	if (error == -E2BIG) {
		watched_sweep(kernel);
		error = watch(kernel, key);
	}
	if (error == -E2BIG)
		error = -ENOSPC;
	return error ? tacho_k_fail(kernel, error, "watching task %d: %s", tid, strerror(-error))
		     : 0;
}

int tacho_kernel_fd(const struct tacho_kernel *kernel)
{
	return ring_buffer__epoll_fd(kernel->ring);
}

size_t tacho_kernel_children(struct tacho_kernel *kernel, struct tacho_kernel_child *children,
			     size_t max)
{
	kernel->told = children;
	kernel->nr_told = 0;
	kernel->max_told = max;
	if (max > 0)
		(void)ring_buffer__consume(kernel->ring); /* what it returns is ours */
	return kernel->nr_told;
}

uint64_t tacho_kernel_children_lost(const struct tacho_kernel *kernel)
{
	return tacho_load_relaxed(&kernel->skel->bss->children_lost);
}
