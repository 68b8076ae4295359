/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ledger_rig.h: for the tests of the ledger: a private state file, and processes that breed when
 * they are told to.
 *
 * An actor has a session of its own, so that nobody else's task is taken for its child. Everything
 * that it makes sleeps and dies with it, or by rig_close: the test is the subreaper of all that
 * lose their parents.
 */
#ifndef TACHO_TESTS_LEDGER_RIG_H
#define TACHO_TESTS_LEDGER_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sched/ledger.h"
#include "t.h"

#define BOUND_MS 20000

static const struct tacho_world *const world = &tacho_world_real;
static char rig_dir[64], rig_file[96];
static char why[512];
static int owner;
static size_t undone;

static inline void rig_open(void)
{
	strcpy(rig_dir, "/tmp/t_ledger.XXXXXX");
	T_OK(mkdtemp(rig_dir) != NULL);
	snprintf(rig_file, sizeof(rig_file), "%s/state", rig_dir);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	owner = 0;
	undone = 0;
	why[0] = '\0';
}

static inline void rig_close(void)
{
	T_OK(access(rig_file, F_OK) != 0);
	unlink(rig_file);
	T_EQ(rmdir(rig_dir), 0);
}

static inline struct tacho_ledger *ledger_of(const struct tacho_world *of)
{
	struct tacho_ledger *ledger = NULL;

	if (!T_EQ(tacho_ledger_open(&ledger, rig_file, of, &owner, &undone, why, sizeof(why)), 0))
		printf("     %s\n", why);
	return ledger;
}

static inline int restore(void)
{
	return tacho_ledger_restore(rig_file, world, &owner, &undone, why, sizeof(why));
}

static inline struct tacho_cpus cpus_of(int tid)
{
	struct tacho_world_task task;

	memset(&task, 0, sizeof(task));
	T_EQ(world->task(world->arg, tid, &task), 0);
	return task.cpus;
}

static inline bool cpus_are(int tid, const struct tacho_cpus *cpus)
{
	struct tacho_cpus now = cpus_of(tid);

	return tacho_cpus_equal(&now, cpus);
}

/*
 * One CPU of those that a task may use, by its place among them; the same one again if there is
 * only one.
 */
static inline struct tacho_cpus cpu_nr(int tid, uint32_t nr)
{
	struct tacho_cpus all = cpus_of(tid), mine = { { 0 } };
	uint32_t cpu;

	T_OK(sched_getaffinity(tid, sizeof(mine), (cpu_set_t *)(void *)mine.bits) >= 0);
	all = tacho_cpus_and(&all, &mine);
	cpu = tacho_cpus_next(&all, 0);
	for (; nr > 0 && tacho_cpus_next(&all, cpu + 1) != TACHO_POLICY_NONE; nr--)
		cpu = tacho_cpus_next(&all, cpu + 1);
	return tacho_cpus_one(cpu);
}

static inline void user_sets(int tid, const struct tacho_cpus *cpus)
{
	T_EQ(sched_setaffinity(tid, sizeof(*cpus), (const cpu_set_t *)(const void *)cpus->bits), 0);
}

static inline bool has_two_cpus(void)
{
	struct tacho_cpus a = cpu_nr(getpid(), 0), b = cpu_nr(getpid(), 1);

	return !tacho_cpus_equal(&a, &b);
}

/*
 * --- actors ------------------------------------------------------------------------------------
 */

struct actor {
	int pid;
	int to, from;
};

static inline void *actor_thread(void *arg)
{
	int tid = (int)syscall(SYS_gettid);

	if (write(*(int *)arg, &tid, sizeof(tid)) != sizeof(tid))
		_exit(1);
	for (;;)
		pause();
	return NULL;
}

static inline int actor_fork(void)
{
	int pid = fork();

	if (pid == 0) {
		alarm(120); /* whatever becomes of the test */
		for (;;)
			pause();
	}
	return pid;
}

/*
 * t: a thread, f: a child, d: a child of a child that is gone, g: a child with a child of its own,
 * x: the end, without children.
 */
static inline void actor_run(int in, int out)
{
	pthread_attr_t attr;
	pthread_t thread;
	char what;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128 * 1024);
	while (read(in, &what, 1) == 1) {
		int pid = 0;

		if (what == 'x')
			_exit(0);
		if (what == 't' && pthread_create(&thread, &attr, actor_thread, &out))
			_exit(1);
		if (what == 'f')
			pid = actor_fork();
		if (what == 'd' || what == 'g') {
			int middle = fork();

			if (middle == 0) {
				alarm(120);
				pid = actor_fork();
				if (write(out, &pid, sizeof(pid)) != sizeof(pid))
					_exit(1);
				while (what == 'g')
					pause();
				_exit(0);
			}
			if (what == 'd')
				waitpid(middle, NULL, 0);
		}
		if (what == 'f' && write(out, &pid, sizeof(pid)) != sizeof(pid))
			_exit(1);
	}
	_exit(0);
}

static inline struct actor actor_start(void)
{
	struct actor actor = { 0 };
	int in[2], out[2], here = getpid();

	T_OK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
	actor.pid = fork();
	if (actor.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != here || setsid() < 0)
			_exit(1);
		close(in[1]);
		close(out[0]);
		if (write(out[1], "", 1) != 1)
			_exit(1);
		actor_run(in[0], out[1]);
	}
	close(in[0]);
	close(out[1]);
	actor.to = in[1];
	actor.from = out[0];
	/* it has its session */
	T_EQ(read(actor.from, &(char){ 0 }, 1), 1);
	return actor;
}

/* The number of what it made. */
static inline int actor_do(const struct actor *actor, char what)
{
	int number = 0;

	T_EQ(write(actor->to, &what, 1), 1);
	if (what != 'x')
		T_EQ(read(actor->from, &number, sizeof(number)), (ssize_t)sizeof(number));
	T_OK(number > 0 || what == 'x');
	return number;
}

static inline void process_end(int pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* All that were killed, whoever's children they were. */
static inline void reap_all(void)
{
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

static inline void actor_end(struct actor *actor)
{
	process_end(actor->pid);
	close(actor->to);
	close(actor->from);
}

/*
 * --- owners that die ---------------------------------------------------------------------------
 */

/*
 * A process that opens the ledger, runs fn and then sleeps until it is killed, or kills itself in
 * fn. Returns when fn is done; *guardian: its restorer.
 */
static inline int owner_start(void (*fn)(struct tacho_ledger *ledger, void *arg), void *arg,
			      const struct tacho_world *of, bool guard, int *guardian)
{
	int fds[2], pid, here = getpid(), number = 0;

	T_OK(pipe2(fds, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		struct tacho_ledger *ledger = ledger_of(of);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!ledger || getppid() != here || (guard && tacho_ledger_guard(ledger)))
			_exit(1);
		fn(ledger, arg);
		number = tacho_ledger_guardian(ledger);
		if (t_failures() || write(fds[1], &number, sizeof(number)) != sizeof(number))
			_exit(1);
		for (;;)
			pause();
	}
	close(fds[1]);
	if (read(fds[0], &number, sizeof(number)) != sizeof(number))
		number = -1; /* it has killed itself */
	close(fds[0]);
	if (guardian)
		*guardian = number;
	return pid;
}

/* What most owners do: a task gets CPUs. */
struct placing {
	int tid;
	struct tacho_cpus cpus;
};

static inline void place(struct tacho_ledger *ledger, void *arg)
{
	const struct placing *placing = arg;

	T_EQ(tacho_ledger_cpus(ledger, placing->tid, &placing->cpus, NULL), 0);
}

/* The next owner undoes the one change that a dead one left, or somebody who wants nothing else. */
static inline void undo_one(bool owns, int tid, const struct tacho_cpus *before)
{
	struct tacho_ledger *ledger = NULL;

	if (owns)
		ledger = ledger_of(world);
	else
		T_EQ(restore(), 0);
	T_EQ(undone, 1);
	T_OK(cpus_are(tid, before));
	tacho_ledger_close(ledger);
	T_OK(cpus_are(tid, before));
	T_EQ(restore(), -ENOENT);
}

#endif /* TACHO_TESTS_LEDGER_RIG_H */
