// SPDX-License-Identifier: BSD-2-Clause
/*
 * place.c: what is done to the tasks of a domain, and undone.
 *
 * Whom a domain has is asked of the kernel component; each task is changed through the ledger,
 * which knows how it was before. Owns tacho_unit.placed. Knows nothing of wishes and why. Called by
 * move.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sched_internal.h"

#define MAX_TASKS  2048u /* of one domain: more of them would keep a round busy for long */
#define MAX_NODES  64u
#define SOME_TASKS 256u /* looked at in one go for what the user changed */

/* --- tasks of a domain ------------------------------------------------------------------------ */

/* free() the list. Returns how many. */
static size_t tasks_of(struct tacho_sched *sched, uint32_t domain, int **tids)
{
	struct tacho_kernel *kernel = tacho_live_kernel(sched->live);
	size_t nr = tacho_kernel_tasks(kernel, domain, NULL, 0);

	*tids = NULL;
	if (nr)
		*tids = calloc(nr, sizeof(**tids));
	if (!*tids)
		return 0;
	(void)tacho_kernel_tasks(kernel, domain, *tids, nr);
	return nr;
}

/* --- one task --------------------------------------------------------------------------------- */

/*
 * What is in the ledger for this very task, not for one that had its number before; NULL: nothing.
 */
static const struct tacho_ledger_entry *entry_of(const struct tacho_sched *sched,
						 const struct tacho_world_task *task)
{
	const struct tacho_ledger_entry *entry = tacho_ledger_find(sched->ledger, task->tid);

	return entry && entry->before.start == task->start ? entry : NULL;
}

/* Why a task is left as it is; NULL: it may be moved. */
static const char *why_not(struct tacho_sched *sched, int tid)
{
	struct tacho_world_task task;
	struct tacho_cpus all;

	if (sched->world.task(sched->world.arg, tid, &task) != 0)
		return "it is gone";
	if (entry_of(sched, &task))
		return NULL;
	if (tacho_is_realtime(task.policy))
		return "it is a real-time task";
	if (task.age_ms < sched->options.min_age_ms)
		return "it is too young";
	if (sched->options.force)
		return NULL;
	return tacho_is_fixed(&sched->world, &sched->topology.online, tid, &task.cpus, &all)
		       ? "somebody chose its CPUs"
		       : NULL;
}

static const char *refusal(int error)
{
	switch (error) {
	case -EINVAL:
		return "its cpuset forbids these CPUs";
	case -EEXIST:
		return "the user has changed its affinity";
	case -ENOSPC:
		return "too many tasks are placed";
	case -ESRCH:
		return "it is gone";
	default:
		return strerror(-error);
	}
}

/* Whether it was the user's by then. */
static bool task_release(struct tacho_sched *sched, int tid)
{
	const bool is_users = tacho_ledger_release(sched->ledger, tid) > 0;

	(void)tacho_kernel_watch(tacho_live_kernel(sched->live), tid, false);
	return is_users;
}

/* The nice value that its domain shall have; what an earlier move gave it goes. */
static int task_nice(struct tacho_sched *sched, int tid, int nice)
{
	const struct tacho_ledger_entry *entry = tacho_ledger_find(sched->ledger, tid);

	if (nice == TACHO_NICE_KEEP && entry && entry->what & TACHO_CHANGED_NICE)
		nice = entry->before.nice;
	return nice == TACHO_NICE_KEEP ? 0 : tacho_ledger_nice(sched->ledger, tid, nice);
}

/*
 * Give a task what its domain shall have. NULL, or why not. *error: of the change, if that was what
 * failed.
 */
static const char *task_place(struct tacho_sched *sched, int tid, const struct tacho_member *member,
			      int *error)
{
	const char *why = why_not(sched, tid);

	*error = 0;
	if (why)
		return why;
	/* before it is narrowed: a child that is made in between must not be missed */
	(void)tacho_kernel_watch(tacho_live_kernel(sched->live), tid, true);
	*error = tacho_ledger_cpus(sched->ledger, tid, &member->cpus, NULL);
	if (!*error)
		*error = task_nice(sched, tid, member->nice);
	if (!*error)
		return NULL;
	/* half of it is nothing */
	(void)task_release(sched, tid);
	return refusal(*error);
}

/* --- one domain ------------------------------------------------------------------------------- */

uint32_t tacho_s_release(struct tacho_sched *sched, uint32_t domain)
{
	struct tacho_unit *unit = tacho_snapshot_unit(sched->snapshot, domain);
	uint32_t released = 0;
	int *tids;
	size_t nr;

	unit->placed = (struct tacho_cpus){ { 0 } };
	if (!sched->ledger)
		return 0;
	nr = tasks_of(sched, domain, &tids);
	for (size_t i = 0; i < nr; i++) {
		if (!tacho_ledger_find(sched->ledger, tids[i]))
			continue;
		if (task_release(sched, tids[i]))
			unit->is_users = true;
		released++;
	}
	free(tids);
	return released;
}

/*
 * Somebody else changed what we had: from here on the domain is his, and what is left of ours is
 * undone.
 */
static void user_has(struct tacho_sched *sched, uint32_t domain, int tid)
{
	struct tacho_unit *unit = tacho_snapshot_unit(sched->snapshot, domain);
	struct tacho_note note = { .kind = TACHO_NOTE_USER, .nr_tasks = 1 };

	if (!unit)
		return;
	tacho_s_note_unit(&note, unit);
	note.tid = tid;
	note.from = unit->placed;
	unit->is_users = true;
	unit->checked_ns = 0;
	tacho_s_moves_forget(sched, domain);
	(void)tacho_s_release(sched, domain);
	tacho_s_note(sched, &note, "somebody else changed the CPUs of %s: it is left alone",
		     unit->name);
}

/* Pages of a process that are not on this node. */
static uint64_t elsewhere(struct tacho_sched *sched, int pid, uint32_t node)
{
	uint64_t pages[MAX_NODES] = { 0 }, sum = 0;

	if (sched->world.pages(sched->world.arg, pid, pages, MAX_NODES) != 0)
		return 0;
	for (uint32_t i = 0; i < MAX_NODES; i++)
		sum += i == node ? 0 : pages[i];
	return sum;
}

void tacho_s_memory(struct tacho_sched *sched, const struct tacho_move *move,
		    const struct tacho_unit *unit, uint32_t node)
{
	struct tacho_note note = { .kind = TACHO_NOTE_MEMORY, .move = move->number };
	struct tacho_world_task task;
	uint64_t before, left = 0;
	int error;

	/* memory is the process's, not a thread's */
	if (unit->tid || sched->world.task(sched->world.arg, unit->pid, &task) != 0)
		return;
	tacho_s_note_unit(&note, unit);
	before = elsewhere(sched, unit->pid, node);
	error = sched->world.memory(sched->world.arg, unit->pid, task.start, node, &left);
	left = elsewhere(sched, unit->pid, node);
	note.pages = before > left ? before - left : 0;
	sched->totals.pages += note.pages;
	if (error)
		tacho_s_note(sched, &note, "the memory of %s did not move to node %u: %s",
			     unit->name, node, strerror(-error));
	else
		tacho_s_note(sched, &note, "%llu pages of %s moved to node %u",
			     (unsigned long long)note.pages, unit->name, node);
}

void tacho_s_cpuset(struct tacho_sched *sched, const struct tacho_move *move,
		    const struct tacho_member *member)
{
	const struct tacho_unit *unit = tacho_snapshot_unit(sched->snapshot, member->domain);
	struct tacho_note note = { .kind = TACHO_NOTE_CPUSET, .move = move->number };
	int error = tacho_ledger_cpuset(sched->ledger, unit->pid, member->cpuset);

	tacho_s_note_unit(&note, unit);
	if (error)
		tacho_s_note(sched, &note, "%s does not go to the cpuset %s: %s", unit->name,
			     member->cpuset, strerror(-error));
	else
		tacho_s_note(sched, &note, "%s goes to the cpuset %s", unit->name, member->cpuset);
}

/* All tasks of a member. Returns how many were placed; *why: of the last that was not. */
uint32_t tacho_s_place(struct tacho_sched *sched, const struct tacho_member *member,
		       const char **why)
{
	struct tacho_unit *unit = tacho_snapshot_unit(sched->snapshot, member->domain);
	const char *refused;
	uint32_t placed = 0;
	int *tids, error = 0;
	size_t nr = tasks_of(sched, member->domain, &tids);

	*why = !nr ? "it has no tasks" : nr > MAX_TASKS ? "it has too many threads" : NULL;
	for (size_t i = 0; i < nr && nr <= MAX_TASKS && error != -EEXIST; i++) {
		refused = task_place(sched, tids[i], member, &error);
		if (refused)
			*why = refused;
		else
			placed++;
	}
	free(tids);
	if (error == -EEXIST) {
		unit->is_users = true;
		(void)tacho_s_release(sched, member->domain);
		return 0;
	}
	if (placed)
		unit->placed = member->cpus;
	else
		(void)tacho_s_release(sched, member->domain); /* nothing of what it had is left */
	return placed;
}

/* --- now and then ----------------------------------------------------------------------------- */

/*
 * Whether it has these CPUs, which one system call says; where nobody can say so cheaply, `unknown`.
 * A number that was used again has another domain, or the same and the same CPUs: no harm is done.
 */
static bool has_cpus(const struct tacho_sched *sched, int tid, const struct tacho_cpus *cpus,
		     bool unknown)
{
	if (!sched->world.affinity_if)
		return unknown;
	return sched->world.affinity_if(sched->world.arg, tid, cpus, cpus) == 1;
}

/* Who has less than his domain may have was left alone, and will be again: no file need be read. */
static bool may_be_free(const struct tacho_sched *sched, const struct tacho_unit *unit, int tid)
{
	return sched->options.force || has_cpus(sched, tid, &unit->allowed, true);
}

/* Nothing was changed but its CPUs, and these it has. */
static bool is_as_set(const struct tacho_sched *sched, const struct tacho_ledger_entry *entry)
{
	return entry->what == TACHO_CHANGED_CPUS &&
	       has_cpus(sched, entry->before.tid, &entry->set, false);
}

/*
 * New threads of placed domains, and those that were too young. false: the domain is the user's
 * now.
 */
bool tacho_s_place_new(struct tacho_sched *sched, const struct tacho_member *member)
{
	const uint32_t domain = member->domain;
	const struct tacho_unit *unit = tacho_snapshot_unit(sched->snapshot, domain);
	int *tids, error = 0;
	size_t nr = tasks_of(sched, domain, &tids);

	for (size_t i = 0; i < nr && nr <= MAX_TASKS && error != -EEXIST; i++)
		if (!tacho_ledger_find(sched->ledger, tids[i]) && may_be_free(sched, unit, tids[i]))
			(void)task_place(sched, tids[i], member, &error);
	free(tids);
	if (error == -EEXIST)
		user_has(sched, domain, 0);
	return error != -EEXIST;
}

static void entry_tend(struct tacho_sched *sched, const struct tacho_ledger_entry *entry)
{
	const int tid = entry->before.tid;
	const uint32_t domain = tacho_kernel_task_domain(tacho_live_kernel(sched->live), tid);
	/* a child, or a task that left its domain: no move speaks of it */
	const bool is_stray = domain == TACHO_NONE || !tacho_s_made_with(sched, domain);
	struct tacho_world_task task;
	int error;

	if (!is_stray && is_as_set(sched, entry))
		return;
	error = sched->world.task(sched->world.arg, tid, &task);
	if (error && error != -ESRCH)
		return;
	if (error || is_stray || task.start != entry->before.start)
		(void)task_release(sched, tid);
	else if (entry->what & TACHO_CHANGED_CPUS && !tacho_cpus_equal(&task.cpus, &entry->set) &&
		 tacho_ledger_cpus(sched->ledger, tid, &entry->set, NULL) == -EEXIST)
		user_has(sched, domain, tid);
}

/* Some entries of the ledger at a time: strays go, what somebody else changed is his. */
void tacho_s_entries_tend(struct tacho_sched *sched)
{
	const struct tacho_ledger_entry *entry;

	for (unsigned i = 0; i < SOME_TASKS; i++) {
		entry = tacho_ledger_next(sched->ledger, &sched->ledger_pos);
		if (!entry)
			return;
		entry_tend(sched, entry);
	}
}
