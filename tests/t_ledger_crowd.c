// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_ledger_crowd.c: the ledger with a crowd that is made up: tasks that end by the thousand, that
 * cannot be looked at for a while, and that take another number.
 *
 * The state file is a real one; nobody else's tasks are touched.
 */
#include "ledger_rig.h"

enum { CROWD = 6000 };

/* By number - 1; start 0: there is none. */
static struct tacho_world_task crowd[CROWD];
static int looks; /* at a task, since somebody counts */
static int failing; /* so many looks fail */
static int failure;

static struct tacho_world_task *there(int tid)
{
	return tid > 0 && tid <= CROWD && crowd[tid - 1].start ? &crowd[tid - 1] : NULL;
}

static int crowd_task(void *arg, int tid, struct tacho_world_task *task)
{
	(void)arg;
	looks++;
	if (failing > 0) {
		failing--;
		return failure;
	}
	if (!there(tid))
		return -ESRCH;
	*task = *there(tid);
	return 0;
}

static int crowd_threads(void *arg, int pid, int **tids, size_t *nr)
{
	(void)arg;
	*tids = malloc(CROWD * sizeof(int));
	*nr = 0;
	for (int tid = 1; tid <= CROWD && *tids; tid++)
		if (there(tid) && there(tid)->pid == pid)
			(*tids)[(*nr)++] = tid;
	return *nr ? 0 : -ESRCH;
}

static int crowd_processes(void *arg, int **pids, size_t *nr)
{
	(void)arg;
	*pids = malloc(CROWD * sizeof(int));
	*nr = 0;
	for (int tid = 1; tid <= CROWD && *pids; tid++)
		if (there(tid) && there(tid)->pid == tid)
			(*pids)[(*nr)++] = tid;
	return 0;
}

static int crowd_allowed(void *arg, int tid, struct tacho_cpus *cpus)
{
	(void)arg;
	(void)tid;
	*cpus = (struct tacho_cpus){ { 0xf } };
	return 0;
}

static int crowd_affinity(void *arg, int tid, uint64_t start, const struct tacho_cpus *cpus,
			  struct tacho_cpus *now)
{
	(void)arg;
	if (!there(tid) || there(tid)->start != start)
		return -ESRCH;
	there(tid)->cpus = (struct tacho_cpus){ { cpus->bits[0] & 0xf } };
	if (now)
		*now = there(tid)->cpus;
	return 0;
}

static int crowd_affinity_if(void *arg, int tid, const struct tacho_cpus *these,
			     const struct tacho_cpus *cpus)
{
	struct tacho_world_task *task = there(tid);

	if (!task || !tacho_cpus_equal(&task->cpus, these))
		return task ? 0 : -ESRCH;
	return crowd_affinity(arg, tid, task->start, cpus, NULL) ? -EPERM : 1;
}

static int crowd_births(void *arg, uint64_t *nr)
{
	(void)arg;
	*nr = 1; /* nobody is born: no search is needed */
	return 0;
}

static struct tacho_world crowded = {
	.task = crowd_task,
	.threads = crowd_threads,
	.processes = crowd_processes,
	.allowed = crowd_allowed,
	.affinity = crowd_affinity,
	.affinity_if = crowd_affinity_if,
	.births = crowd_births,
};

static const struct tacho_cpus all = { { 0xf } }, first = { { 0x1 } }, second = { { 0x2 } };

static void born(int tid, int pid, int parent, uint64_t start, const struct tacho_cpus *cpus)
{
	crowd[tid - 1] = (struct tacho_world_task){
		.tid = tid, .pid = pid, .ppid = parent, .session = 1, .start = start, .cpus = *cpus
	};
}

static struct tacho_ledger *crowd_open(void)
{
	memset(crowd, 0, sizeof(crowd));
	failing = 0;
	rig_open();
	return ledger_of(&crowded);
}

static uint64_t cpus_now(int tid)
{
	return there(tid) ? there(tid)->cpus.bits[0] : 0;
}

/* --- cases ------------------------------------------------------------------------------------ */

/* A server with a thread per connection: what one look finds dead leaves with it. */
T_CASE(the_dead_do_not_pile_up)
{
	struct tacho_ledger *ledger = crowd_open();
	size_t found;

	T_NEED(ledger);
	for (int tid = 1; tid <= CROWD; tid++) {
		born(tid, 1, 0, 10, &all);
		T_EQ(tacho_ledger_cpus(ledger, tid, &first, NULL), 0);
	}
	T_EQ(tacho_ledger_nr(ledger), CROWD);
	for (int tid = 41; tid <= CROWD; tid++)
		crowd[tid - 1].start = 0;
	T_EQ(tacho_ledger_tend(ledger, &found), 0);
	T_EQ(tacho_ledger_nr(ledger), 40);
	/* and those that are there are not all asked each time */
	for (int tid = 41; tid <= CROWD; tid++) {
		born(tid, 1, 0, 20, &all);
		T_EQ(tacho_ledger_cpus(ledger, tid, &first, NULL), 0);
	}
	T_EQ(tacho_ledger_tend(ledger, &found), 0); /* the search for children of the dead */
	looks = 0;
	T_EQ(tacho_ledger_tend(ledger, &found), 0);
	T_OK(looks > 0 && looks < 100);
	tacho_ledger_close(ledger);
	rig_close();
}

T_CASE(the_users_is_told)
{
	struct tacho_ledger *ledger = crowd_open();

	T_NEED(ledger);
	for (int tid = 1; tid <= 4; tid++) {
		born(tid, tid, 0, 10, &all);
		T_EQ(tacho_ledger_cpus(ledger, tid, &first, NULL), 0);
	}
	T_EQ(tacho_ledger_release(ledger, 1), 0);
	crowd[1].cpus = second; /* by somebody else */
	T_EQ(tacho_ledger_release(ledger, 2), 1);
	T_EQ(cpus_now(2), 0x2);
	crowd[2].cpus = all; /* the same as before: nobody can tell */
	T_EQ(tacho_ledger_release(ledger, 3), 0);
	crowd[3].start = 0;
	T_EQ(tacho_ledger_release(ledger, 4), 0);
	T_EQ(tacho_ledger_release(ledger, 4), -ENOENT);
	T_EQ(tacho_ledger_nr(ledger), 0);
	tacho_ledger_close(ledger);
	rig_close();
}

/* A file that could not be opened is no death. */
T_CASE(not_seen_is_not_gone)
{
	static const int failures[] = { -EMFILE, -ENOMEM, -EACCES };
	struct tacho_ledger *ledger = crowd_open();
	size_t found;

	T_NEED(ledger);
	for (unsigned i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		born(1, 1, 0, 10, &all);
		T_EQ(tacho_ledger_cpus(ledger, 1, &first, NULL), 0);
		failing = 1;
		failure = failures[i];
		T_EQ(tacho_ledger_release(ledger, 1), failures[i]);
		T_EQ(cpus_now(1), 0x1);
		T_OK(tacho_ledger_find(ledger, 1) != NULL);
		T_EQ(tacho_ledger_release(ledger, 1), 0);
		T_EQ(cpus_now(1), 0xf);
	}
	/* nor is a child, and what its parent was given is not forgotten */
	T_EQ(tacho_ledger_cpus(ledger, 1, &first, NULL), 0);
	born(2, 2, 1, 20, &first);
	T_EQ(tacho_ledger_release(ledger, 1), 0);
	failing = 2; /* looks at this child: whether it concerns us, and what it is */
	failure = -EMFILE;
	T_EQ(tacho_ledger_tend(ledger, &found), -EMFILE);
	T_EQ(tacho_ledger_tend(ledger, &found), 0);
	T_EQ(found, 1);
	T_EQ(tacho_ledger_release(ledger, 2), 0);
	T_EQ(cpus_now(2), 0xf);
	crowd[1].start = 0;
	failure = -EACCES;
	/* at the end: it is tried again some times, and otherwise kept */
	T_EQ(tacho_ledger_cpus(ledger, 1, &first, NULL), 0);
	failing = 1000;
	T_EQ(tacho_ledger_release_all(ledger, &undone), -EAGAIN);
	T_OK(tacho_ledger_find(ledger, 1) != NULL);
	failing = 3;
	T_EQ(tacho_ledger_release_all(ledger, &undone), 0);
	T_EQ(undone, 1);
	T_EQ(cpus_now(1), 0xf);
	tacho_ledger_close(ledger);
	rig_close();
}

/* With and without the short way. */
static void children_leave(struct tacho_ledger *ledger)
{
	for (int tid = 1; tid <= 2; tid++)
		born(tid, tid, 0, 10, tid == 1 ? &all : &second);
	T_EQ(tacho_ledger_release_child(ledger, 1, 3, 20), -ENOENT);
	T_EQ(tacho_ledger_cpus(ledger, 1, &first, NULL), 0);
	T_EQ(tacho_ledger_cpus(ledger, 2, &first, NULL), 0);
	born(3, 3, 1, 20, &first);
	born(4, 2, 2, 20, &first);
	born(5, 5, 1, 20, &second); /* chose for itself */
	born(6, 6, 1, 9, &first); /* is older, and no child */
	born(7, 7, 3, 20, &first); /* a child of a child */
	T_EQ(tacho_ledger_release_child(ledger, 1, 3, 20), 0);
	T_EQ(tacho_ledger_release_child(ledger, 2, 4, 20), 0);
	T_EQ(tacho_ledger_release_child(ledger, 1, 5, 20), -EEXIST);
	T_EQ(tacho_ledger_release_child(ledger, 1, 6, 9), -EEXIST);
	T_EQ(tacho_ledger_release_child(ledger, 1, 7, 20), 0);
	T_EQ(tacho_ledger_release_child(ledger, 1, 8, 20), -ESRCH);
	T_EQ(cpus_now(3), 0xf);
	T_EQ(cpus_now(4), 0x2);
	T_EQ(cpus_now(5), 0x2);
	T_EQ(cpus_now(6), 0x1);
	T_EQ(cpus_now(7), 0xf);
	T_EQ(tacho_ledger_nr(ledger), 2);
	/* placed on its own merits before it was told of */
	T_EQ(tacho_ledger_cpus(ledger, 3, &second, NULL), 0);
	T_EQ(tacho_ledger_release_child(ledger, 1, 3, 20), -EEXIST);
	T_EQ(cpus_now(3), 0x2);
	T_EQ(tacho_ledger_release_all(ledger, &undone), 0);
}

T_CASE(children_go_at_once)
{
	struct tacho_ledger *ledger = crowd_open();

	T_NEED(ledger);
	children_leave(ledger);
	crowded.affinity_if = NULL;
	children_leave(ledger);
	crowded.affinity_if = crowd_affinity_if;
	/* the short way asks for no files */
	born(1, 1, 0, 10, &all);
	T_EQ(tacho_ledger_cpus(ledger, 1, &first, NULL), 0);
	born(3, 3, 1, 20, &first);
	looks = 0;
	T_EQ(tacho_ledger_release_child(ledger, 1, 3, 20), 0);
	T_EQ(looks, 0);
	tacho_ledger_close(ledger);
	rig_close();
}

/* Born before its parent was released, told of after it; also of one that was placed again. */
T_CASE(children_of_who_was_released)
{
	struct tacho_ledger *ledger = crowd_open();
	size_t found;

	T_NEED(ledger);
	born(1, 1, 0, 10, &all);
	T_EQ(tacho_ledger_cpus(ledger, 1, &first, NULL), 0);
	born(2, 2, 1, 20, &first);
	born(3, 3, 1, 20, &first);
	born(4, 4, 1, 20, &first);
	T_EQ(tacho_ledger_release(ledger, 1), 0);
	T_EQ(tacho_ledger_release_child(ledger, 1, 2, 20), 0);
	T_EQ(cpus_now(2), 0xf);
	T_EQ(tacho_ledger_cpus(ledger, 1, &second, NULL), 0);
	T_EQ(tacho_ledger_release(ledger, 1), 0);
	T_EQ(tacho_ledger_cpus(ledger, 1, &second, NULL), 0);
	T_EQ(tacho_ledger_inherit(ledger, 1, 3), 0);
	T_EQ(tacho_ledger_release(ledger, 3), 0);
	T_EQ(cpus_now(3), 0xf);
	T_EQ(tacho_ledger_release_child(ledger, 1, 4, 20), 0);
	T_EQ(cpus_now(4), 0xf);
	/* they are looked for, and then nobody knows them any more */
	T_EQ(tacho_ledger_release(ledger, 1), 0);
	T_EQ(tacho_ledger_tend(ledger, &found), 0);
	born(5, 5, 1, 20, &first);
	T_EQ(tacho_ledger_release_child(ledger, 1, 5, 20), -ENOENT);
	tacho_ledger_close(ledger);
	rig_close();
}

/* A thread executes: its process's number and start are its own now. */
static void execute(int from, int to)
{
	crowd[to - 1].cpus = crowd[from - 1].cpus;
	crowd[from - 1].start = 0;
}

T_CASE(another_number)
{
	struct tacho_ledger *ledger = crowd_open();

	T_NEED(ledger);
	for (int i = 0; i < 4; i++) {
		born(1, 1, 0, 10, &all);
		born(2, 1, 0, 20, &all);
		T_EQ(tacho_ledger_rename(ledger, 2, 1), -ENOENT);
		if (i & 1)
			T_EQ(tacho_ledger_cpus(ledger, 1, &second, NULL), 0);
		T_EQ(tacho_ledger_cpus(ledger, 2, &first, NULL), 0);
		execute(2, 1);
		if (i & 2) /* somebody has looked */
			T_EQ(tacho_ledger_release(ledger, 2), 0);
		T_EQ(tacho_ledger_rename(ledger, 2, 1), 0);
		T_EQ(tacho_ledger_nr(ledger), 1);
		T_OK(tacho_ledger_find(ledger, 2) == NULL);
		T_OK(tacho_ledger_find(ledger, 1) != NULL);
		T_EQ(tacho_ledger_find(ledger, 1)->before.start, 10);
		T_EQ(tacho_ledger_release(ledger, 1), 0);
		T_EQ(cpus_now(1), 0xf);
		T_EQ(tacho_ledger_release_all(ledger, &undone), 0);
	}
	/* who was released is not taken back */
	born(1, 1, 0, 10, &all);
	born(2, 1, 0, 20, &all);
	T_EQ(tacho_ledger_cpus(ledger, 2, &first, NULL), 0);
	T_EQ(tacho_ledger_release(ledger, 2), 0);
	execute(2, 1);
	T_EQ(tacho_ledger_rename(ledger, 2, 1), -ENOENT);
	tacho_ledger_close(ledger);
	rig_close();
}

T_MAIN
