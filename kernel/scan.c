// SPDX-License-Identifier: BSD-2-Clause
/*
 * scan.c: all tasks that stand in /proc, at once.
 *
 * Owns the passes over /proc and their order: tasks that are not known are added, tasks that are
 * gone are removed, and every process is decided anew, parents and machines first. When this is done
 * is binder.c's, what a task's domain is, decide.c's. Called by binder.c only. Section 4.3.4 of
 * paper 001.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decide.h"

#define MAX_SCAN 4 /* passes over /proc until one finds nothing new */

/* A task that stands in /proc. Returns whether it is new to us. */
static bool scan_task(struct tacho_binder *binder, int pid, int tid, uint64_t now)
{
	struct tacho_task *task = tacho_tasks_find(&binder->tasks, tid);
	struct tacho_proc proc;
	bool is_new;

	if (tacho_procs_read(binder->options.root, pid, tid, 0, &proc) || proc.is_dead)
		return false;
	if (task && (task->process->node.id != pid || (task->start && task->start != proc.start))) {
		tacho_b_remove(binder, task);
		task = NULL;
	}
	is_new = !task;
	if (is_new) {
		task = tacho_tasks_add(&binder->tasks, pid, tid);
		if (!task) {
			tacho_b_fail(binder, -ENOMEM);
			return false;
		}
		if (task->process->nr_tasks == 1)
			task->process->is_later = binder->has_started;
	}
	if (task->time < now)
		task->time = now;
	task->start = proc.start;
	task->seen = binder->scan;
	if (binder->has_lost)
		task->is_bound = false;
	task->process->ppid = proc.ppid;
	if (tid == pid || !task->process->comm[0]) {
		task->process->is_kernel = proc.is_kernel;
		memcpy(task->process->comm, proc.comm, sizeof(proc.comm));
	}
	return is_new;
}

/* One pass over all tasks; returns how many are new, or -errno. */
static int scan_pass(struct tacho_binder *binder, uint64_t now)
{
	struct tacho_ids pids = { 0 }, tids = { 0 };
	size_t i, k;
	int error, found = 0;

	error = tacho_procs_list(binder->options.root, 0, &pids);
	for (i = 0; !error && i < pids.nr; i++) {
		if (tacho_procs_list(binder->options.root, pids.id[i], &tids))
			continue; /* gone */
		for (k = 0; k < tids.nr; k++)
			found += scan_task(binder, pids.id[i], tids.id[k], now);
	}
	tacho_ids_fini(&pids);
	tacho_ids_fini(&tids);
	return error ? error : found;
}

/* Forget the tasks that the scan has not seen; true if the process went with them. */
static bool scan_sweep(struct tacho_binder *binder, struct tacho_process *process)
{
	struct tacho_task *task, *next;
	uint32_t left = process->nr_tasks;

	for (task = process->tasks; task; task = next) {
		next = task->next;
		if (task->seen == binder->scan)
			continue;
		left--;
		tacho_b_remove(binder, task);
	}
	return left == 0;
}

/* Parents first: what they are in, their children are in. */
static void scan_trees(struct tacho_binder *binder, struct tacho_process *process, int depth)
{
	struct tacho_process *parent;

	if (process->trees_scan == binder->scan || depth > 1000)
		return;
	process->trees_scan = binder->scan;
	parent = tacho_tasks_process(&binder->tasks, process->ppid);
	if (parent)
		scan_trees(binder, parent, depth + 1);
	tacho_b_trees(binder, process);
}

int tacho_b_scan(struct tacho_binder *binder, uint64_t now)
{
	struct tacho_process **list = NULL;
	size_t i, k, nr = 0;
	int found = 0, pass;

	binder->scan++;
	for (pass = 0; pass < MAX_SCAN; pass++) {
		found = scan_pass(binder, now);
		if (found <= 0)
			break;
	}
	if (found >= 0)
		found = tacho_tasks_processes(&binder->tasks, &list, &nr);
	if (found < 0)
		return found;
	for (i = k = 0; i < nr; i++)
		if (!scan_sweep(binder, list[i]))
			list[k++] = list[i];
	nr = k;
	for (i = 0; i < nr; i++)
		scan_trees(binder, list[i], 0);
	for (i = 0; i < nr; i++)
		if (!list[i]->is_kernel && !list[i]->is_vm)
			tacho_b_vm_look(binder, list[i]);
	/* kernel threads last: some of them belong to a process */
	for (i = 0; i < nr; i++)
		if (!list[i]->is_kernel)
			tacho_b_process(binder, list[i]);
	for (i = 0; i < nr; i++)
		if (list[i]->is_kernel)
			tacho_b_process(binder, list[i]);
	free(list);
	return binder->tasks.tasks.nr ? 0 : -ENODATA;
}
