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

static int crowd_births(void *arg, uint64_t *nr)
{
	(void)arg;
	*nr = 1; /* nobody is born: no search is needed */
	return 0;
}

static const struct tacho_world crowded = {
	.task = crowd_task,
	.threads = crowd_threads,
	.processes = crowd_processes,
	.allowed = crowd_allowed,
	.affinity = crowd_affinity,
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

T_MAIN
