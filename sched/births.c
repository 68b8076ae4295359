// SPDX-License-Identifier: BSD-2-Clause
/*
 * births.c: children of placed tasks get back what their parent had.
 *
 * The kernel component tells of each birth at once. Who makes tasks all the time costs more while
 * he is placed than he can win, and is left. Called by loop.c at the begin of every round.
 */
#include <errno.h>

#include "sched_internal.h"

#define SECOND	     1000000000ull
#define MAX_CHILDREN 1024u /* taken in one go */

/*
 * Whoever makes tasks all the time costs more while it is placed than it can win: it is left, and
 * every time for twice as long.
 */
static void hold_back(struct tacho_sched *sched, uint32_t domain)
{
	struct tacho_unit *unit = tacho_snapshot_unit(sched->snapshot, domain);
	uint64_t until_ns;

	if (!unit || !tacho_s_made_with(sched, domain))
		return;
	until_ns = tacho_s_later(unit->fork_holds++);
	if (until_ns > unit->hold_ns)
		unit->hold_ns = until_ns;
	unit->hold_rate = -1;
	tacho_s_moves_leave(sched, domain, "too many tasks are made");
}

static void forks_count(struct tacho_sched *sched, uint32_t domain)
{
	struct tacho_unit *unit = tacho_snapshot_unit(sched->snapshot, domain);
	const uint64_t now_ns = tacho_live_now();

	if (!unit)
		return;
	if (now_ns - unit->forked_ns > SECOND) {
		unit->forked_ns = now_ns;
		unit->forks = 0;
	}
	unit->forks++;
	if (unit->forks >= TACHO_MAX_FORKS)
		hold_back(sched, domain);
}

/* It executed, and has another number. Whether there is nothing else to be done. */
static bool child_renamed(struct tacho_sched *sched, const struct tacho_kernel_child *child)
{
	return tacho_ledger_rename(sched->ledger, child->parent, child->tid) != -ENOENT ||
	       child->ancestor == child->tid;
}

static void child(struct tacho_sched *sched, const struct tacho_kernel_child *child)
{
	struct tacho_kernel *kernel = tacho_live_kernel(sched->live);
	const uint32_t domain = tacho_kernel_task_domain(kernel, child->ancestor);
	const struct tacho_unit *unit = tacho_snapshot_unit(sched->snapshot, domain);
	struct tacho_note note = { .kind = TACHO_NOTE_CHILD, .pid = child->pid };
	int error;

	if (child->has_executed && child_renamed(sched, child))
		return;
	if (!child->has_executed)
		forks_count(sched, domain);
	if (child->has_ended)
		return;
	error = tacho_ledger_release_child(sched->ledger, child->ancestor, child->tid,
					   child->start);
	/* what it makes from now on is nothing of ours */
	(void)tacho_kernel_watch(kernel, child->tid, false);
	if (error)
		return;
	sched->totals.children++;
	note.tid = child->tid;
	note.nr_tasks = 1;
	tacho_s_note(sched, &note, "%s made task %d, which may run anywhere",
		     unit && unit->name[0] ? unit->name : "a placed task", child->tid);
}

void tacho_s_children(struct tacho_sched *sched)
{
	struct tacho_kernel *kernel = tacho_live_kernel(sched->live);
	const uint64_t untold = tacho_kernel_children_lost(kernel);
	struct tacho_kernel_child children[64];
	uint32_t last = TACHO_NONE;
	size_t nr, sum = 0;

	if (!sched->ledger)
		return;
	/* somebody may make them faster than this: there is an end to it, and to his placement */
	do {
		nr = tacho_kernel_children(kernel, children, 64);
		for (size_t i = 0; i < nr; i++)
			child(sched, &children[i]);
		if (nr)
			last = tacho_kernel_task_domain(kernel, children[nr - 1].ancestor);
		sum += nr;
	} while (nr == 64 && sum < MAX_CHILDREN);
	if (sum >= MAX_CHILDREN || (sum && untold != sched->untold_held))
		hold_back(sched, last);
	sched->untold_held = untold;
}
