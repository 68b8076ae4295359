// SPDX-License-Identifier: BSD-2-Clause
/*
 * ledger_children.c: the owner's side: tasks that are somebody else's doing: children, who inherit
 * what their parents were given, and threads that take another number.
 *
 * Children that were told of get back at once what their parents had; those that nobody told of are
 * looked for. Whose child somebody is, ledger_undo.c says. Called by the scheduler's loop, and for
 * the search by ledger.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ledger_internal.h"

#define MAX_ROUNDS 8u /* of a search: each finds children of those found before */

/*
 * --- who was told of ---------------------------------------------------------------------------
 */

static int child_enter(struct tacho_ledger *ledger, const struct tacho_ledger_record *child)
{
	const uint32_t index = tacho_l_find(ledger, child->tid);
	struct tacho_world_task task;
	int err;

	if (index != LEDGER_NONE && tacho_l_at(ledger, index)->start == child->start)
		return 0;
	if (index != LEDGER_NONE)
		tacho_l_leave(ledger, index);
	err = ledger->world->task(ledger->world->arg, child->tid, &task);
	if (err && err != -ESRCH)
		return err;
	if (err || task.start != child->start)
		return 0;
	return tacho_l_enter(ledger, child, &task);
}

int tacho_ledger_inherit(struct tacho_ledger *ledger, int parent, int child)
{
	struct tacho_ledger_namesakes parents = tacho_l_namesakes(parent);
	uint32_t index = parent > 0 ? tacho_l_namesakes_next(ledger, &parents) : LEDGER_NONE;
	struct tacho_ledger_record record;
	struct tacho_world_task task;
	int err;

	if (index == LEDGER_NONE)
		return -ENOENT;
	err = child > 0 ? ledger->world->task(ledger->world->arg, child, &task) : -ESRCH;
	if (err)
		return err;
	for (; index != LEDGER_NONE; index = tacho_l_namesakes_next(ledger, &parents))
		if (task.start >= tacho_l_at(ledger, index)->placed &&
		    tacho_l_child(ledger->world, tacho_l_at(ledger, index), &task, &record))
			return child_enter(ledger, &record);
	return -EEXIST;
}

/*
 * Of most parents nothing was changed but their processors, and most children have just those: then
 * no file need be read. 1: done, 0: it is not that simple.
 */
static int child_widen(struct tacho_ledger *ledger, const struct tacho_ledger_record *parent,
		       int child, uint64_t start)
{
	const struct tacho_world *world = ledger->world;
	struct tacho_cpus all;

	if (!world->affinity_if || parent->what != TACHO_CHANGED_CPUS || parent->armed ||
	    start < parent->placed)
		return 0;
	memset(&all, 0xff, sizeof(all));
	return world->affinity_if(world->arg, child, &parent->set,
				  parent->flags & LEDGER_FREE ? &all : &parent->before);
}

int tacho_ledger_release_child(struct tacho_ledger *ledger, int parent, int child, uint64_t start)
{
	struct tacho_ledger_namesakes parents = tacho_l_namesakes(parent);
	uint32_t index = child > 0 ? tacho_l_find(ledger, child) : LEDGER_NONE;
	int done = 0, err;

	if (child <= 0)
		return -ESRCH;
	/* found by a search meanwhile, or placed on its own merits */
	if (index != LEDGER_NONE && tacho_l_at(ledger, index)->start == start) {
		if (!(tacho_l_at(ledger, index)->flags & LEDGER_CHILD))
			return -EEXIST;
		err = tacho_ledger_release(ledger, child);
		return err == 1 ? -EEXIST : err;
	}
	while (!done && (index = tacho_l_namesakes_next(ledger, &parents)) != LEDGER_NONE)
		done = child_widen(ledger, tacho_l_at(ledger, index), child, start);
	if (done == 1 || done == -ESRCH)
		return done == 1 ? 0 : done;
	err = tacho_ledger_inherit(ledger, parent, child);
	if (!err)
		err = tacho_ledger_release(ledger, child);
	return err == 1 ? -EEXIST : err;
}

/*
 * --- another number ----------------------------------------------------------------------------
 */

/*
 * First the record with the new number, then those with the old one go: there is no moment at which
 * the task is in none.
 */
static int record_rename(struct tacho_ledger *ledger, uint32_t from,
			 const struct tacho_world_task *task)
{
	struct tacho_ledger_record renamed = *tacho_l_at(ledger, from);
	const uint32_t first = tacho_l_find(ledger, task->tid);
	int err;

	renamed.tid = task->tid;
	renamed.pid = task->pid;
	renamed.start = task->start;
	renamed.flags &= ~(uint32_t)LEDGER_GHOST;
	err = tacho_l_enter(ledger, &renamed, task);
	if (err)
		return err;
	/* the first thread has ended, though its number and its start are still there */
	if (first != LEDGER_NONE)
		tacho_l_leave(ledger, first);
	if (!(tacho_l_at(ledger, from)->flags & LEDGER_GHOST))
		tacho_l_leave(ledger, from);
	return 0;
}

int tacho_ledger_rename(struct tacho_ledger *ledger, int from, int to)
{
	struct tacho_ledger_namesakes all = tacho_l_namesakes(from);
	uint32_t index =
		from > 0 && from != to ? tacho_l_namesakes_next(ledger, &all) : LEDGER_NONE;
	struct tacho_world_task task;
	int err;

	if (index == LEDGER_NONE)
		return -ENOENT;
	err = to > 0 ? ledger->world->task(ledger->world->arg, to, &task) : -ESRCH;
	if (err)
		return err;
	/* a look in between may have taken it for gone: then it still has all that it was given */
	for (; index != LEDGER_NONE; index = tacho_l_namesakes_next(ledger, &all))
		if (!all.are_ghosts ||
		    !(tacho_l_at(ledger, index)->what &
		      ~tacho_l_ours(ledger->world, tacho_l_at(ledger, index), &task)))
			return record_rename(ledger, index, &task);
	return -ENOENT;
}

/*
 * --- who nobody told of ------------------------------------------------------------------------
 */

struct tending {
	struct tacho_ledger *ledger;
	struct tacho_ledger_list list;
};

static int child_note(void *arg, const struct tacho_ledger_record *child)
{
	struct tending *tending = arg;

	return tacho_l_list_add(&tending->list, child);
}

/*
 * One round: looks at everything, then enters what was found, so that nothing changes under the
 * search.
 */
static int round_of(struct tending *tending, size_t *entered)
{
	struct tacho_ledger *ledger = tending->ledger;
	const size_t before = ledger->live.nr;
	int err;

	tending->list.nr = 0;
	err = tacho_l_children(ledger->world, ledger->file.records, ledger->file.header->nr,
			       child_note, tending);
	for (size_t i = 0; i < tending->list.nr && !err; i++)
		err = child_enter(ledger, &tending->list.records[i]);
	*entered = ledger->live.nr > before ? ledger->live.nr - before : 0;
	return err;
}

int tacho_l_search(struct tacho_ledger *ledger, size_t *found)
{
	struct tending tending = { .ledger = ledger };
	size_t entered = 1;
	int err = 0;

	for (unsigned round = 0; entered && !err && round < MAX_ROUNDS; round++) {
		err = round_of(&tending, &entered);
		*found += entered;
	}
	free(tending.list.records);
	return err;
}
