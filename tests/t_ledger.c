// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_ledger.c: what is changed through a ledger can always be undone: real tasks, real deaths.
 */
#include "cpuset.h"
#include "ledger_rig.h"

T_CASE(placed_and_closed)
{
	struct actor actor = actor_start();
	struct tacho_cpus before = cpus_of(actor.pid), one = cpu_nr(actor.pid, 0), now;
	const struct tacho_ledger_entry *entry;
	struct tacho_ledger *ledger;

	rig_open();
	ledger = ledger_of(world);
	T_NEED(ledger);
	T_EQ(undone, 0);
	T_OK(tacho_ledger_find(ledger, actor.pid) == NULL);
	T_EQ(tacho_ledger_release(ledger, actor.pid), -ENOENT);
	T_EQ(tacho_ledger_cpus(ledger, actor.pid, &one, &now), 0);
	T_OK(tacho_cpus_equal(&now, &one) && cpus_are(actor.pid, &one));
	entry = tacho_ledger_find(ledger, actor.pid);
	T_NEED(entry);
	T_EQ(entry->before.tid, actor.pid);
	T_OK(tacho_cpus_equal(&entry->before.cpus, &before) && tacho_cpus_equal(&entry->set, &one));
	T_EQ(entry->what, TACHO_CHANGED_CPUS);
	T_OK(!entry->is_child);
	/* the second change keeps what was before the first */
	now = cpu_nr(getpid(), 1);
	T_EQ(tacho_ledger_cpus(ledger, actor.pid, &now, NULL), 0);
	T_OK(tacho_cpus_equal(&entry->before.cpus, &before) && tacho_cpus_equal(&entry->set, &now));
	T_EQ(tacho_ledger_nr(ledger), 1);
	tacho_ledger_close(ledger);
	T_OK(cpus_are(actor.pid, &before));
	rig_close();
	actor_end(&actor);
}

T_CASE(one_is_released)
{
	struct actor a = actor_start(), b = actor_start();
	struct tacho_cpus before = cpus_of(a.pid), one = cpu_nr(a.pid, 0);
	struct tacho_ledger *ledger;

	rig_open();
	ledger = ledger_of(world);
	T_NEED(ledger);
	T_EQ(tacho_ledger_cpus(ledger, a.pid, &one, NULL), 0);
	T_EQ(tacho_ledger_cpus(ledger, b.pid, &one, NULL), 0);
	T_EQ(tacho_ledger_release(ledger, a.pid), 0);
	T_OK(cpus_are(a.pid, &before) && cpus_are(b.pid, &one));
	T_OK(tacho_ledger_find(ledger, a.pid) == NULL);
	T_EQ(tacho_ledger_nr(ledger), 1);
	T_EQ(tacho_ledger_release_all(ledger, &undone), 0);
	T_EQ(undone, 1);
	T_OK(cpus_are(b.pid, &before));
	T_EQ(tacho_ledger_nr(ledger), 0);
	/* and again */
	T_EQ(tacho_ledger_cpus(ledger, a.pid, &one, NULL), 0);
	tacho_ledger_close(ledger);
	T_OK(cpus_are(a.pid, &before));
	rig_close();
	actor_end(&a);
	actor_end(&b);
}

T_CASE(the_second_owner_is_refused)
{
	struct tacho_ledger *ledger, *second = NULL;
	char text[32];
	int status, pid;

	rig_open();
	ledger = ledger_of(world);
	T_NEED(ledger);
	T_EQ(tacho_ledger_open(&second, rig_file, world, &owner, &undone, why, sizeof(why)),
	     -EBUSY);
	T_EQ(owner, getpid());
	T_OK(second == NULL);
	pid = fork();
	if (pid == 0) {
		T_EQ(tacho_ledger_open(&second, rig_file, world, &owner, &undone, why, sizeof(why)),
		     -EBUSY);
		T_EQ(owner, getppid());
		snprintf(text, sizeof(text), "process %d", getppid());
		T_OK(strstr(why, text) && strstr(why, rig_file) && !strchr(why, '\n'));
		T_EQ(restore(), -EBUSY);
		T_EQ(owner, getppid());
		_exit(t_failures());
	}
	T_EQ(waitpid(pid, &status, 0), pid);
	T_EQ(status, 0);
	/* that closed nothing of ours */
	T_EQ(restore(), -EBUSY);
	tacho_ledger_close(ledger);
	T_EQ(restore(), -ENOENT);
	rig_close();
}

T_CASE(the_next_one_undoes_what_a_dead_one_left)
{
	struct actor actor = actor_start();
	struct tacho_cpus before = cpus_of(actor.pid);
	struct placing placing = { actor.pid, cpu_nr(actor.pid, 0) };

	rig_open();
	for (int round = 0; round < 2; round++) {
		process_end(owner_start(place, &placing, world, false, NULL));
		T_OK(cpus_are(actor.pid, &placing.cpus));
		undo_one(round == 0, actor.pid, &before);
	}
	rig_close();
	actor_end(&actor);
}

/* A world in which the owner dies right before, or right after, what he does. */
static struct tacho_world deadly;

static int die_before(void *arg, int tid, uint64_t start, const struct tacho_cpus *cpus,
		      struct tacho_cpus *now)
{
	(void)arg, (void)tid, (void)start, (void)cpus, (void)now;
	return raise(SIGKILL);
}

static int die_after(void *arg, int tid, uint64_t start, const struct tacho_cpus *cpus,
		     struct tacho_cpus *now)
{
	T_EQ(world->affinity(arg, tid, start, cpus, now), 0);
	return raise(SIGKILL);
}

static int die_niced(void *arg, int tid, uint64_t start, int nice)
{
	T_EQ(world->nice(arg, tid, start, nice), 0);
	return raise(SIGKILL);
}

/* The first change succeeds, the second one is the last. */
static void place_twice(struct tacho_ledger *ledger, void *arg)
{
	struct placing *placing = arg;
	const struct tacho_cpus one = cpu_nr(placing->tid, 0), other = cpu_nr(placing->tid, 1);
	int (*affinity)(void *, int, uint64_t, const struct tacho_cpus *, struct tacho_cpus *) =
		deadly.affinity;

	deadly.affinity = world->affinity;
	T_EQ(tacho_ledger_cpus(ledger, placing->tid, &one, NULL), 0);
	deadly.affinity = affinity;
	(void)tacho_ledger_cpus(ledger, placing->tid, &other, NULL);
}

static void renice(struct tacho_ledger *ledger, void *arg)
{
	(void)tacho_ledger_nice(ledger, ((struct placing *)arg)->tid, 7);
}

T_CASE(killed_at_any_moment)
{
	struct actor actor = actor_start();
	struct tacho_cpus before = cpus_of(actor.pid);
	struct placing placing = { actor.pid, cpu_nr(actor.pid, 1) };
	const int nice = getpriority(PRIO_PROCESS, (id_t)actor.pid);

	rig_open();
	for (int i = 0; i < 5; i++) {
		deadly = *world;
		deadly.affinity = i & 1 ? die_after : die_before;
		deadly.nice = die_niced;
		process_end(owner_start(i == 4	? renice
					: i & 2 ? place_twice
						: place,
					&placing, &deadly, false, NULL));
		T_OK(access(rig_file, F_OK) == 0);
		T_EQ(restore(), 0);
		T_EQ(undone, i > 0);
		T_OK(cpus_are(actor.pid, &before));
		T_EQ(getpriority(PRIO_PROCESS, (id_t)actor.pid), nice);
	}
	rig_close();
	actor_end(&actor);
}

T_CASE(what_the_user_changes_is_his)
{
	struct actor a = actor_start(), b = actor_start();
	struct tacho_cpus one = cpu_nr(a.pid, 0), other = cpu_nr(a.pid, 1);
	const int nice = getpriority(PRIO_PROCESS, (id_t)a.pid);
	struct tacho_ledger *ledger;

	if (!has_two_cpus())
		T_SKIP("one CPU: nothing else to choose");
	rig_open();
	ledger = ledger_of(world);
	T_NEED(ledger);
	T_EQ(tacho_ledger_cpus(ledger, a.pid, &one, NULL), 0);
	T_EQ(tacho_ledger_nice(ledger, a.pid, nice + 3), 0);
	T_EQ(tacho_ledger_cpus(ledger, b.pid, &one, NULL), 0);
	user_sets(a.pid, &other);
	user_sets(b.pid, &other);
	T_EQ(tacho_ledger_cpus(ledger, a.pid, &one, NULL), -EEXIST);
	T_OK(cpus_are(a.pid, &other));
	/* what was not the user's is as before */
	T_EQ(getpriority(PRIO_PROCESS, (id_t)a.pid), nice);
	T_OK(tacho_ledger_find(ledger, a.pid) == NULL);
	tacho_ledger_close(ledger);
	T_OK(cpus_are(a.pid, &other) && cpus_are(b.pid, &other));
	rig_close();
	actor_end(&a);
	actor_end(&b);
}

/* The same after a death, and for a number that was used again. */
T_CASE(the_dead_ones_rules_are_the_same)
{
	struct actor actor = actor_start();
	struct tacho_cpus other = cpu_nr(actor.pid, 1);
	struct placing placing = { actor.pid, cpu_nr(actor.pid, 0) };
	struct tacho_world_task task;
	const off_t at_start = 4096 + 48; /* the first record's start */
	uint64_t start = 0;
	int fd;

	if (!has_two_cpus())
		T_SKIP("one CPU: nothing else to choose");
	rig_open();
	process_end(owner_start(place, &placing, world, false, NULL));
	user_sets(actor.pid, &other);
	T_EQ(restore(), 0);
	T_EQ(undone, 0);
	T_OK(cpus_are(actor.pid, &other));

	process_end(owner_start(place, &placing, world, false, NULL));
	T_EQ(world->task(world->arg, actor.pid, &task), 0);
	fd = open(rig_file, O_RDWR | O_CLOEXEC);
	T_EQ(pread(fd, &start, sizeof(start), at_start), (ssize_t)sizeof(start));
	T_EQ(start, task.start);
	start--;
	T_EQ(pwrite(fd, &start, sizeof(start), at_start), (ssize_t)sizeof(start));
	close(fd);
	T_EQ(restore(), 0);
	T_EQ(undone, 0);
	T_OK(cpus_are(actor.pid, &placing.cpus));
	rig_close();
	actor_end(&actor);
}

T_CASE(nice_values)
{
	struct actor actor = actor_start();
	const int nice = getpriority(PRIO_PROCESS, (id_t)actor.pid);
	struct tacho_ledger *ledger;

	rig_open();
	ledger = ledger_of(world);
	T_NEED(ledger);
	T_EQ(tacho_ledger_nice(ledger, actor.pid, 20), -EINVAL);
	T_EQ(tacho_ledger_nice(ledger, actor.pid, nice + 2), 0);
	T_EQ(tacho_ledger_nice(ledger, actor.pid, nice + 4), 0);
	T_EQ(getpriority(PRIO_PROCESS, (id_t)actor.pid), nice + 4);
	T_EQ(tacho_ledger_find(ledger, actor.pid)->nice_set, nice + 4);
	tacho_ledger_close(ledger);
	T_EQ(getpriority(PRIO_PROCESS, (id_t)actor.pid), nice);
	rig_close();
	actor_end(&actor);
}

T_CASE(children)
{
	struct actor actor = actor_start();
	struct tacho_cpus before = cpus_of(actor.pid), one = cpu_nr(actor.pid, 0);
	struct tacho_cpus other = cpu_nr(actor.pid, 1);
	int thread, child, orphan, grandchild, old, early;
	struct tacho_world_task task;
	struct tacho_ledger *ledger;
	size_t found;

	if (!has_two_cpus())
		T_SKIP("one CPU: nothing to inherit");
	rig_open();
	ledger = ledger_of(world);
	T_NEED(ledger);
	old = actor_do(&actor, 'f');
	T_EQ(tacho_ledger_cpus(ledger, actor.pid, &other, NULL), 0);
	early = actor_do(&actor, 'f'); /* has the first of two */
	T_EQ(tacho_ledger_cpus(ledger, actor.pid, &one, NULL), 0);
	thread = actor_do(&actor, 't');
	T_EQ(tacho_ledger_inherit(ledger, actor.pid, thread), 0);
	T_OK(tacho_ledger_find(ledger, thread)->is_child);
	T_EQ(tacho_ledger_inherit(ledger, actor.pid, old), -EEXIST);
	T_EQ(tacho_ledger_inherit(ledger, getpid(), old), -ENOENT);
	child = actor_do(&actor, 'f');
	orphan = actor_do(&actor, 'd');
	grandchild = actor_do(&actor, 'g');
	T_OK(cpus_are(child, &one) && cpus_are(orphan, &one) && cpus_are(grandchild, &one));
	T_EQ(tacho_ledger_tend(ledger, &found), 0);
	/* early, child, orphan, grandchild, and the one between */
	T_EQ(found, 5);
	T_EQ(tacho_ledger_tend(ledger, &found), 0);
	T_EQ(found, 0);
	T_OK(tacho_ledger_find(ledger, grandchild) != NULL);
	T_OK(tacho_cpus_equal(&tacho_ledger_find(ledger, orphan)->before.cpus, &before));
	/* placed on its own merits */
	T_EQ(tacho_ledger_cpus(ledger, child, &other, NULL), 0);
	T_EQ(tacho_ledger_release(ledger, orphan), 0);
	T_OK(cpus_are(orphan, &before));
	tacho_ledger_close(ledger);
	T_OK(cpus_are(actor.pid, &before) && cpus_are(thread, &before));
	T_OK(cpus_are(child, &before) && cpus_are(orphan, &before));
	T_OK(cpus_are(grandchild, &before) && cpus_are(early, &before));
	rig_close();
	T_EQ(world->task(world->arg, grandchild, &task), 0);
	kill(task.ppid, SIGKILL);
	kill(child, SIGKILL);
	kill(early, SIGKILL);
	kill(old, SIGKILL);
	actor_end(&actor);
	process_end(orphan);
	process_end(grandchild);
	reap_all();
}

/* Nobody told of them, and whoever they are from is gone, or was released. */
T_CASE(children_of_the_gone)
{
	struct actor a = actor_start(), b = actor_start();
	struct tacho_cpus before = cpus_of(a.pid), one = cpu_nr(a.pid, 0);
	struct tacho_ledger *ledger;
	int x, y;

	rig_open();
	ledger = ledger_of(world);
	T_NEED(ledger);
	T_EQ(tacho_ledger_cpus(ledger, a.pid, &one, NULL), 0);
	T_EQ(tacho_ledger_cpus(ledger, b.pid, &one, NULL), 0);
	x = actor_do(&a, 'f');
	y = actor_do(&b, 'f');
	actor_end(&a);
	T_EQ(tacho_ledger_release(ledger, b.pid), 0);
	T_OK(cpus_are(x, &one) && cpus_are(y, &one));
	tacho_ledger_close(ledger);
	T_OK(cpus_are(x, &before) && cpus_are(y, &before));
	rig_close();
	kill(y, SIGKILL);
	actor_end(&b);
	process_end(x);
	reap_all();
}

/* At once, and without a trace: whoever has not had his turn when we die is found all the same. */
T_CASE(children_are_released)
{
	struct actor actor = actor_start();
	struct tacho_cpus before = cpus_of(actor.pid);
	struct placing placing = { actor.pid, cpu_nr(actor.pid, 1) };
	struct tacho_ledger *ledger;
	struct tacho_world_task task;
	int child, thread, late, killed;

	if (!has_two_cpus())
		T_SKIP("one CPU: nothing to inherit");
	rig_open();
	ledger = ledger_of(world);
	T_NEED(ledger);
	T_EQ(tacho_ledger_cpus(ledger, actor.pid, &placing.cpus, NULL), 0);
	child = actor_do(&actor, 'f');
	thread = actor_do(&actor, 't');
	T_OK(cpus_are(child, &placing.cpus) && cpus_are(thread, &placing.cpus));
	T_EQ(world->task(world->arg, child, &task), 0);
	T_EQ(tacho_ledger_release_child(ledger, actor.pid, child, task.start), 0);
	T_OK(cpus_are(child, &before));
	T_EQ(tacho_ledger_release_child(ledger, actor.pid, child, task.start), -EEXIST);
	T_EQ(world->task(world->arg, thread, &task), 0);
	T_EQ(tacho_ledger_release_child(ledger, actor.pid, thread, task.start), 0);
	T_OK(cpus_are(thread, &before) && cpus_are(actor.pid, &placing.cpus));
	T_EQ(tacho_ledger_nr(ledger), 1);
	tacho_ledger_close(ledger);
	killed = owner_start(place, &placing, world, false, NULL);
	late = actor_do(&actor, 'f');
	T_OK(cpus_are(late, &placing.cpus));
	process_end(killed);
	T_EQ(restore(), 0);
	T_OK(cpus_are(late, &before) && cpus_are(actor.pid, &before));
	rig_close();
	kill(child, SIGKILL);
	kill(late, SIGKILL);
	actor_end(&actor);
	reap_all();
}

T_CASE(two_thousand_threads)
{
	enum { THREADS = 2000 };
	static int tids[THREADS];
	struct actor actor = actor_start();
	struct tacho_cpus before = cpus_of(actor.pid), one = cpu_nr(actor.pid, 0);
	struct tacho_ledger *ledger;
	size_t found;

	rig_open();
	ledger = ledger_of(world);
	T_NEED(ledger);
	for (int i = 0; i < THREADS; i++)
		T_EQ(write(actor.to, "t", 1), 1);
	for (int i = 0; i < THREADS; i++)
		T_EQ(read(actor.from, &tids[i], sizeof(tids[i])), (ssize_t)sizeof(tids[i]));
	for (int i = 0; i < THREADS; i++)
		T_EQ(tacho_ledger_cpus(ledger, tids[i], &one, NULL), 0);
	T_EQ(tacho_ledger_nr(ledger), THREADS);
	for (int i = 0; i < THREADS; i += 3)
		T_EQ(tacho_ledger_release(ledger, tids[i]), 0);
	T_EQ(tacho_ledger_tend(ledger, &found), 0);
	T_EQ(found, 0);
	for (int i = 0; i < THREADS; i++)
		T_EQ(tacho_ledger_find(ledger, tids[i]) != NULL, i % 3 != 0);
	tacho_ledger_close(ledger);
	for (int i = 0; i < THREADS; i++)
		T_OK(cpus_are(tids[i], &before));
	rig_close();
	actor_end(&actor);
}

T_CASE(tasks_that_die)
{
	struct actor a = actor_start(), b = actor_start();
	struct tacho_cpus one = cpu_nr(a.pid, 0);
	struct tacho_ledger *ledger;
	size_t found;

	rig_open();
	ledger = ledger_of(world);
	T_NEED(ledger);
	T_EQ(tacho_ledger_cpus(ledger, a.pid, &one, NULL), 0);
	T_EQ(tacho_ledger_cpus(ledger, b.pid, &one, NULL), 0);
	actor_end(&a);
	T_EQ(tacho_ledger_cpus(ledger, a.pid, &one, NULL), -ESRCH);
	T_OK(tacho_ledger_find(ledger, a.pid) == NULL);
	T_EQ(tacho_ledger_cpus(ledger, a.pid, &one, NULL), -ESRCH);
	T_EQ(tacho_ledger_cpus(ledger, 0, &one, NULL), -ESRCH);
	T_EQ(tacho_ledger_cpus(ledger, -5, &one, NULL), -ESRCH);
	actor_end(&b);
	T_EQ(tacho_ledger_tend(ledger, &found), 0);
	T_EQ(tacho_ledger_nr(ledger), 0);
	tacho_ledger_close(ledger);
	rig_close();
	/* between the look and the act */
	rig_open();
	for (int i = 0; i < 50; i++) {
		struct actor actor = actor_start();
		int err;

		ledger = ledger_of(world);
		T_NEED(ledger);
		kill(actor.pid, SIGKILL);
		err = tacho_ledger_cpus(ledger, actor.pid, &one, NULL);
		T_OK(err == 0 || err == -ESRCH);
		tacho_ledger_close(ledger);
		actor_end(&actor);
	}
	rig_close();
}

/*
 * --- cpusets -----------------------------------------------------------------------------------
 */

static void cpuset_place(struct tacho_ledger *ledger, void *arg)
{
	T_EQ(tacho_ledger_cpuset(ledger, *(int *)arg, "/t_ledger"), 0);
}

T_CASE(cpusets)
{
	struct actor actor = actor_start();
	struct tacho_cpus before = cpus_of(actor.pid), one = cpu_nr(actor.pid, 0);
	struct tacho_cpus other = cpu_nr(actor.pid, 1);
	struct tacho_ledger *ledger;
	struct tacho_world_task task;
	int thread, bound, child;
	char where[256];

	if (!has_two_cpus() || !cpuset_make("t_ledger", tacho_cpus_next(&one, 0)))
		T_SKIP("no cpusets (version 1) that may be changed, or one CPU");
	rig_open();
	thread = actor_do(&actor, 't');
	bound = actor_do(&actor, 't');
	user_sets(bound, &one);
	T_EQ(world->task(world->arg, actor.pid, &task), 0);
	T_EQ(world->cpuset(world->arg, actor.pid, task.start, NULL, where, sizeof(where)), 0);
	for (int round = 0; round < 2; round++) {
		char now[256] = "";

		if (round == 0) {
			ledger = ledger_of(world);
			T_NEED(ledger);
			T_EQ(tacho_ledger_cpuset(ledger, actor.pid, "/t_ledger_none"), -ENOENT);
			T_EQ(tacho_ledger_nr(ledger), 0);
			T_EQ(tacho_ledger_cpuset(ledger, thread, "/t_ledger"), -ESRCH);
			cpuset_place(ledger, &actor.pid);
			/* it forbids the other one */
			T_EQ(tacho_ledger_cpus(ledger, actor.pid, &other, NULL), -EINVAL);
			T_OK(cpus_are(actor.pid, &one) && cpus_are(thread, &one));
			child = actor_do(&actor, 'f');
			tacho_ledger_close(ledger);
			T_EQ(world->task(world->arg, child, &task), 0);
			T_EQ(world->cpuset(world->arg, child, task.start, NULL, now, sizeof(now)),
			     0);
			T_STREQ(now, where);
			T_OK(cpus_are(child, &before));
			kill(child, SIGKILL);
		} else {
			process_end(owner_start(cpuset_place, &actor.pid, world, false, NULL));
			T_OK(cpus_are(actor.pid, &one));
			T_EQ(restore(), 0);
			T_OK(undone > 0);
		}
		T_EQ(world->task(world->arg, actor.pid, &task), 0);
		T_EQ(world->cpuset(world->arg, actor.pid, task.start, NULL, now, sizeof(now)), 0);
		T_STREQ(now, where);
		T_OK(cpus_are(actor.pid, &before) && cpus_are(thread, &before));
		T_OK(cpus_are(bound, &one));
	}
	rig_close();
	actor_end(&actor);
	reap_all();
	T_OK(cpuset_remove("t_ledger"));
}

/* Moved by the user into a cpuset that does not have the CPU that we gave it, and back. */
T_CASE(a_cpuset_that_forbids_ours)
{
	struct actor actor = actor_start();
	struct tacho_cpus before = cpus_of(actor.pid), one = cpu_nr(actor.pid, 0);
	struct tacho_cpus other = cpu_nr(actor.pid, 1);
	struct tacho_ledger *ledger;
	struct tacho_world_task task;
	char where[256] = "";

	if (!has_two_cpus() || !cpuset_make("t_ledger", tacho_cpus_next(&one, 0)))
		T_SKIP("no cpusets (version 1) that may be changed, or one CPU");
	rig_open();
	ledger = ledger_of(world);
	T_NEED(ledger);
	T_EQ(tacho_ledger_cpus(ledger, actor.pid, &other, NULL), 0);
	T_EQ(world->task(world->arg, actor.pid, &task), 0);
	T_EQ(world->cpuset(world->arg, actor.pid, task.start, "/t_ledger", where, sizeof(where)),
	     0);
	T_OK(cpus_are(actor.pid, &one));
	tacho_ledger_close(ledger);
	T_EQ(world->cpuset(world->arg, actor.pid, task.start, where, NULL, 0), 0);
	T_OK(cpus_are(actor.pid, &before));
	rig_close();
	actor_end(&actor);
	T_OK(cpuset_remove("t_ledger"));
}

T_MAIN
