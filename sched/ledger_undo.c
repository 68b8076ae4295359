// SPDX-License-Identifier: BSD-2-Clause
/*
 * ledger_undo.c: giving tasks back what they had, and finding those who inherited what they never
 * should have.
 *
 * The one set of rules for close, for release, for --restore, for the restorer and for the start
 * after a kill -9. It knows records and a world, no files and no owner. It must not touch a task
 * unless number and start are those of a record or of a child of one, nor take from the user what
 * he chose while a record stood.
 *
 * A child is found by what it inherited: the same processors (or nice value, or cpuset) as its
 * parent was given, born after that, and of the same process, of a child of the process, or of its
 * session: parents die before their children.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ledger_internal.h"

#define MAX_ROUNDS 8 /* each finds children of the children found before */
#define LATER_MS   10 /* until what could not be looked at is tried again */

/*
 * --- whose is it? ------------------------------------------------------------------------------
 */

static bool holds(const struct tacho_cpus *set, const struct tacho_cpus *part)
{
	struct tacho_cpus both = tacho_cpus_and(set, part);

	return tacho_cpus_equal(&both, part);
}

/*
 * Whether what a task has now is what the kernel makes of our set. It takes away what the cpuset
 * does not allow any more, also because it is offline; and if nothing remains it gives all that the
 * cpuset has, until one of ours is back.
 */
static bool is_made_of(const struct tacho_cpus *now, const struct tacho_cpus *set,
		       const struct tacho_cpus *allowed)
{
	struct tacho_cpus both = tacho_cpus_and(set, allowed);

	if (tacho_cpus_count(&both))
		return tacho_cpus_equal(now, &both);
	return holds(now, allowed);
}

static bool cpus_are_ours(const struct tacho_world *world, const struct tacho_ledger_record *record,
			  const struct tacho_world_task *task)
{
	struct tacho_cpus allowed;

	if (tacho_cpus_equal(&task->cpus, &record->set))
		return true;
	if (record->armed & (TACHO_CHANGED_CPUS | TACHO_CHANGED_CPUSET) &&
	    tacho_cpus_equal(&task->cpus, &record->next))
		return true;
	if (world->allowed(world->arg, task->tid, &allowed))
		return false;
	if (is_made_of(&task->cpus, &record->set, &allowed))
		return true;
	/* a move between cpusets, forth or back, may have taken all restrictions away */
	if (record->what & TACHO_CHANGED_CPUSET && holds(&task->cpus, &allowed))
		return true;
	return record->armed & TACHO_CHANGED_CPUS &&
	       is_made_of(&task->cpus, &record->next, &allowed);
}

static bool cpuset_is_ours(const struct tacho_world *world, int pid, uint64_t start,
			   const struct tacho_ledger_record *record)
{
	char where[LEDGER_PATH];

	return !world->cpuset(world->arg, pid, start, NULL, where, sizeof(where)) &&
	       strcmp(where, record->cpuset_set) == 0;
}

uint32_t tacho_l_ours(const struct tacho_world *world, const struct tacho_ledger_record *record,
		      const struct tacho_world_task *task)
{
	uint32_t ours = 0;

	if (record->what & (TACHO_CHANGED_CPUS | TACHO_CHANGED_CPUSET) &&
	    cpus_are_ours(world, record, task))
		ours |= TACHO_CHANGED_CPUS;
	if (record->what & TACHO_CHANGED_NICE &&
	    (task->nice == record->nice_set ||
	     (record->armed & TACHO_CHANGED_NICE && task->nice == record->nice_next)))
		ours |= TACHO_CHANGED_NICE;
	if (record->what & TACHO_CHANGED_CPUSET) {
		struct tacho_world_task leader;

		if (!world->task(world->arg, record->pid, &leader) && task->pid == record->pid &&
		    cpuset_is_ours(world, record->pid, leader.start, record))
			ours |= TACHO_CHANGED_CPUSET;
	}
	return ours;
}

/*
 * --- undo one ----------------------------------------------------------------------------------
 */

/*
 * Who had all that his cpuset allowed asked for nothing. To ask for exactly that now would bind him
 * to it when the cpuset grows, so all CPUs there are is asked for; the kernel cuts that to the
 * cpuset.
 */
static int cpus_restore(const struct tacho_world *world, const struct tacho_ledger_record *record)
{
	struct tacho_cpus all, now, allowed;
	int err;

	memset(&all, 0xff, sizeof(all));
	if (record->flags & LEDGER_FREE) {
		err = world->affinity(world->arg, record->tid, record->start, &all, &now);
		if (err || tacho_cpus_equal(&now, &record->before))
			return err;
		/* it has grown or shrunk since, or this world does not cut */
		if (!world->allowed(world->arg, record->tid, &allowed) &&
		    (tacho_cpus_equal(&now, &allowed) || holds(&record->before, &now)))
			return 0;
	}
	err = world->affinity(world->arg, record->tid, record->start, &record->before, NULL);
	/* what it had is forbidden or offline by now: what is left is for the kernel to choose */
	if (err == -EINVAL)
		err = world->affinity(world->arg, record->tid, record->start, &all, NULL);
	return err;
}

/*
 * Back into its cpuset, with all threads of its process; and then the task as it is. 1: it went.
 */
static int cpuset_restore(const struct tacho_world *world, const struct tacho_ledger_record *record,
			  struct tacho_world_task *task)
{
	struct tacho_world_task leader;
	bool undone = false;
	int err;

	if (!world->task(world->arg, record->pid, &leader) &&
	    !world->cpuset(world->arg, record->pid, leader.start, record->cpuset, NULL, 0))
		undone = true;
	err = world->task(world->arg, record->tid, task);
	if (!err && task->start != record->start)
		err = -ESRCH;
	return err ? err : undone;
}

/* Whether a change that failed may succeed later: there was no memory, no descriptor... */
static bool is_passing(int err)
{
	return err && err != -ESRCH && err != -EPERM && err != -EACCES && err != -EINVAL;
}

/* What is ours goes. 1: something did; -errno: something did not, but may later. */
static int ours_restore(const struct tacho_world *world, const struct tacho_ledger_record *record,
			struct tacho_world_task *task, uint32_t ours)
{
	int undone = 0, err;

	if (ours & TACHO_CHANGED_CPUSET) {
		undone = cpuset_restore(world, record, task);
		if (undone < 0)
			return undone;
	}
	if (ours & TACHO_CHANGED_CPUS && !tacho_cpus_equal(&task->cpus, &record->before)) {
		err = cpus_restore(world, record);
		if (is_passing(err))
			return err;
		undone |= !err;
	}
	if (ours & TACHO_CHANGED_NICE && task->nice != record->nice) {
		err = world->nice(world->arg, record->tid, record->start, record->nice);
		if (is_passing(err))
			return err;
		undone |= !err;
	}
	return undone;
}

int tacho_l_undo(const struct tacho_world *world, const struct tacho_ledger_record *record,
		 bool *is_users)
{
	struct tacho_world_task task;
	uint32_t ours;
	int err;

	*is_users = false;
	if (!record->what || record->flags & LEDGER_GHOST)
		return 0;
	err = world->task(world->arg, record->tid, &task);
	if (!err && task.start != record->start)
		err = -ESRCH;
	if (err)
		return err == -ESRCH ? 0 : err;
	ours = tacho_l_ours(world, record, &task);
	*is_users = record->what & TACHO_CHANGED_CPUS & ~ours &&
		    !tacho_cpus_equal(&task.cpus, &record->before);
	err = ours_restore(world, record, &task, ours);
	return err == -ESRCH ? 0 : err;
}

/*
 * --- children ----------------------------------------------------------------------------------
 */

static bool cpus_are_inherited(const struct tacho_ledger_record *parent,
			       const struct tacho_cpus *cpus)
{
	if (!(parent->what & TACHO_CHANGED_CPUS) || tacho_cpus_equal(cpus, &parent->before))
		return false;
	if (tacho_cpus_equal(cpus, &parent->set) ||
	    (parent->armed & TACHO_CHANGED_CPUS && tacho_cpus_equal(cpus, &parent->next)))
		return true;
	for (unsigned i = 0; i < LEDGER_PAST; i++)
		if (tacho_cpus_count(cpus) && tacho_cpus_equal(cpus, &parent->past[i]))
			return true;
	return false;
}

uint32_t tacho_l_child(const struct tacho_world *world, const struct tacho_ledger_record *parent,
		       const struct tacho_world_task *task, struct tacho_ledger_record *child)
{
	const bool same_process = task->pid == parent->pid;
	uint32_t what = 0;

	if (cpus_are_inherited(parent, &task->cpus))
		what |= TACHO_CHANGED_CPUS;
	if (parent->what & TACHO_CHANGED_NICE && task->nice != parent->nice &&
	    (task->nice == parent->nice_set ||
	     (parent->armed & TACHO_CHANGED_NICE && task->nice == parent->nice_next)))
		what |= TACHO_CHANGED_NICE;
	/* a thread is where its process is, and goes back with it */
	if (parent->what & TACHO_CHANGED_CPUSET && !same_process && task->tid == task->pid &&
	    cpuset_is_ours(world, task->pid, task->start, parent))
		what |= TACHO_CHANGED_CPUSET;
	if (!what)
		return 0;
	*child = *parent;
	child->what = what;
	child->armed = 0;
	child->flags = LEDGER_CHILD | (parent->flags & LEDGER_FREE);
	child->tid = task->tid;
	child->pid = task->pid;
	child->ppid = task->ppid;
	child->session = task->session;
	child->group = task->group;
	child->policy = task->policy;
	child->start = task->start;
	child->placed = task->start;
	child->set = child->next = task->cpus;
	child->nice_set = child->nice_next = task->nice;
	if (!(what & TACHO_CHANGED_NICE))
		child->nice = task->nice;
	memset(child->past, 0, sizeof(child->past));
	return what;
}

/* A record by one of its numbers. */
struct key {
	int number;
	uint32_t record;
};

struct scan {
	const struct tacho_world *world;
	const struct tacho_ledger_record *records;
	struct key *tids, *pids, *sessions;
	size_t nr_tids, nr_pids, nr_sessions;
	uint64_t first; /* nothing was placed before */
	int (*found)(void *arg, const struct tacho_ledger_record *child);
	void *arg;
	int missed; /* why somebody could not be looked at; 0: everybody was */
};

static int key_compare(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->record < y->record ? -1 : x->record > y->record;
}

/* The first one of that number, or where it would be. */
static size_t key_find(const struct key *keys, size_t nr, int number)
{
	size_t low = 0;

	while (low < nr) {
		size_t middle = low + (nr - low) / 2;

		if (keys[middle].number < number)
			low = middle + 1;
		else
			nr = middle;
	}
	return low;
}

static bool key_is(const struct key *keys, size_t nr, int number)
{
	size_t at = key_find(keys, nr, number);

	return at < nr && keys[at].number == number;
}

static int scan_init(struct scan *scan, size_t nr)
{
	scan->tids = calloc(nr ? nr : 1, sizeof(struct key));
	scan->pids = calloc(nr ? nr : 1, sizeof(struct key));
	scan->sessions = calloc(nr ? nr : 1, sizeof(struct key));
	if (!scan->tids || !scan->pids || !scan->sessions)
		return -ENOMEM;
	scan->first = UINT64_MAX;
	for (size_t i = 0; i < nr; i++) {
		const struct tacho_ledger_record *record = &scan->records[i];

		if (!record->what)
			continue;
		/* a ghost's number may be somebody else's by now */
		if (!(record->flags & LEDGER_GHOST))
			scan->tids[scan->nr_tids++] = (struct key){ record->tid, (uint32_t)i };
		scan->pids[scan->nr_pids++] = (struct key){ record->pid, (uint32_t)i };
		/* kernel threads have no session */
		if (record->session > 0)
			scan->sessions[scan->nr_sessions++] =
				(struct key){ record->session, (uint32_t)i };
		if (record->placed < scan->first)
			scan->first = record->placed;
	}
	qsort(scan->tids, scan->nr_tids, sizeof(struct key), key_compare);
	qsort(scan->pids, scan->nr_pids, sizeof(struct key), key_compare);
	qsort(scan->sessions, scan->nr_sessions, sizeof(struct key), key_compare);
	return 0;
}

static void scan_fini(struct scan *scan)
{
	free(scan->tids);
	free(scan->pids);
	free(scan->sessions);
}

/*
 * A parent that was released and changed again has two records: what the one does not explain the
 * other may.
 */
static void child_merge(struct tacho_ledger_record *child, const struct tacho_ledger_record *more)
{
	const uint32_t what = more->what & ~child->what;

	if (what & TACHO_CHANGED_CPUS) {
		child->before = more->before;
		child->flags = more->flags;
	}
	if (what & TACHO_CHANGED_NICE)
		child->nice = more->nice;
	if (what & TACHO_CHANGED_CPUSET) {
		memcpy(child->cpuset, more->cpuset, sizeof(child->cpuset));
		memcpy(child->cpuset_set, more->cpuset_set, sizeof(child->cpuset_set));
	}
	child->what |= what;
}

/*
 * What it has of one of those records that have this number. Which thread of a process made it
 * nobody knows any more: first threads are asked first.
 */
static void match(const struct scan *scan, const struct key *keys, size_t nr, int number,
		  const struct tacho_world_task *task, struct tacho_ledger_record *child)
{
	const size_t first = key_find(keys, nr, number);
	struct tacho_ledger_record more;

	for (int others = 0; others < 2; others++)
		for (size_t i = first; i < nr && keys[i].number == number; i++) {
			const struct tacho_ledger_record *parent = &scan->records[keys[i].record];

			if ((parent->tid != parent->pid) != others ||
			    task->start < parent->placed ||
			    (task->tid == parent->tid && task->start == parent->start) ||
			    !tacho_l_child(scan->world, parent, task, &more))
				continue;
			if (child->what)
				child_merge(child, &more);
			else
				*child = more;
		}
}

/* What we are short of may be there next time; everything else is a task that is gone, or none. */
static void missed(struct scan *scan, int err)
{
	if (err == -EMFILE || err == -ENFILE || err == -ENOMEM)
		scan->missed = err;
}

static int look_at_task(struct scan *scan, int tid)
{
	struct tacho_ledger_record child = { 0 };
	struct tacho_world_task task;
	int err;

	if (key_is(scan->tids, scan->nr_tids, tid))
		return 0;
	err = scan->world->task(scan->world->arg, tid, &task);
	missed(scan, err);
	if (err || task.start < scan->first || task.is_kernel)
		return 0;
	match(scan, scan->pids, scan->nr_pids, task.pid, &task, &child);
	match(scan, scan->pids, scan->nr_pids, task.ppid, &task, &child);
	match(scan, scan->sessions, scan->nr_sessions, task.session, &task, &child);
	return child.what ? scan->found(scan->arg, &child) : 0;
}

/*
 * A process that has no record concerns us if it is young, and a child of one that has, or of its
 * session.
 */
static bool concerns(const struct scan *scan, int pid)
{
	struct tacho_world_task task;

	if (key_is(scan->pids, scan->nr_pids, pid))
		return true;
	/* its first thread may have ended before the others: then they tell */
	return scan->world->task(scan->world->arg, pid, &task) ||
	       (task.start >= scan->first && !task.is_kernel &&
		(key_is(scan->pids, scan->nr_pids, task.ppid) ||
		 key_is(scan->sessions, scan->nr_sessions, task.session)));
}

int tacho_l_children(const struct tacho_world *world, const struct tacho_ledger_record *records,
		     size_t nr, int (*found)(void *arg, const struct tacho_ledger_record *child),
		     void *arg)
{
	struct scan scan = { .world = world, .records = records, .found = found, .arg = arg };
	int *pids = NULL, *tids = NULL, threads, err = scan_init(&scan, nr);
	size_t nr_pids = 0, nr_tids = 0;

	if (err || !scan.nr_pids)
		goto out;
	err = world->processes(world->arg, &pids, &nr_pids);
	for (size_t i = 0; i < nr_pids && !err; i++) {
		if (!concerns(&scan, pids[i]))
			continue;
		threads = world->threads(world->arg, pids[i], &tids, &nr_tids);
		missed(&scan, threads);
		if (threads)
			continue;
		for (size_t k = 0; k < nr_tids && !err; k++)
			err = look_at_task(&scan, tids[k]);
		free(tids);
	}
	free(pids);
out:
	scan_fini(&scan);
	return err ? err : scan.missed;
}

/*
 * --- undo all ----------------------------------------------------------------------------------
 */

int tacho_l_list_add(struct tacho_ledger_list *list, const struct tacho_ledger_record *record)
{
	if (list->nr == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		struct tacho_ledger_record *more = realloc(list->records, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		list->records = more;
		list->room = room;
	}
	list->records[list->nr++] = *record;
	return 0;
}

static int child_add(void *arg, const struct tacho_ledger_record *child)
{
	return tacho_l_list_add(arg, child);
}

/*
 * Those from `from` on. What could not be looked at is there for the next round; how many there
 * are of them is in list->nr_left.
 */
static size_t undo_from(const struct tacho_world *world, struct tacho_ledger_list *list,
			size_t from)
{
	struct tacho_world_task task;
	size_t undone = 0;
	bool is_users;
	int done, err;

	list->nr_left = 0;
	for (size_t i = 0; i < list->nr; i++) {
		struct tacho_ledger_record *record = &list->records[i];

		if (i < from && !(record->flags & LEDGER_LEFT))
			continue;
		done = tacho_l_undo(world, record, &is_users);
		undone += done > 0;
		list->nr_left += done < 0;
		record->flags &= ~(uint32_t)LEDGER_LEFT;
		record->flags |= done < 0 ? LEDGER_LEFT : 0;
		err = world->task(world->arg, record->tid, &task);
		if (err == -ESRCH || (!err && task.start != record->start))
			record->flags |= LEDGER_GHOST;
	}
	return undone;
}

size_t tacho_l_undo_all(const struct tacho_world *world, struct tacho_ledger_list *list)
{
	const struct timespec pause = { .tv_nsec = LATER_MS * 1000000l };
	size_t undone = 0, from = 0;

	/*
	 * parents first: what they make from then on is as it should be, so there is an end to
	 * children
	 */
	for (int round = 0; round < MAX_ROUNDS; round++) {
		struct tacho_ledger_list children = { 0 };

		undone += undo_from(world, list, from);
		from = list->nr;
		if (tacho_l_children(world, list->records, list->nr, child_add, &children))
			list->nr_left++;
		for (size_t i = 0; i < children.nr; i++)
			if (tacho_l_list_add(list, &children.records[i]))
				break;
		free(children.records);
		if (from == list->nr && !list->nr_left)
			break;
		if (list->nr_left)
			nanosleep(&pause, NULL);
	}
	return undone;
}
