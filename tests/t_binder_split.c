// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_binder_split.c: processes that are looked at by thread, and as a whole again, in a world that
 * the test makes: who pays, what they are called, which tasks a domain has.
 */
#include "binder_rig.h"

static int split(int pid, bool by_thread)
{
	return tacho_binder_split(world.binder, pid, by_thread);
}

static bool has_tid(const int *tids, size_t nr, int tid)
{
	for (size_t i = 0; i < nr; i++)
		if (tids[i] == tid)
			return true;
	return false;
}

/* java with three threads, sh with one. */
static bool begin_java(enum tacho_kernel_by by, uint32_t nr_domains, const char *const *rules)
{
	if (!begin(by, nr_domains, rules))
		return false;
	has(10, 10, "java", 1);
	has(10, 11, "gc", 1);
	has(10, 12, "pool", 1);
	has(30, 30, "sh", 1);
	world_start();
	return true;
}

T_CASE(split_and_whole_again)
{
	uint32_t whole, thread;
	uint64_t binds;
	int tids[4];

	T_NEED(begin_java(TACHO_BY_PROCESS, 64, NO_RULES));
	whole = world.task[10].principal;
	binds = world.binds;
	T_EQ(split(10, true), 0);
	T_EQ(world.binds, binds + 3); /* nobody else */
	T_CHARGED(10, "java/10");
	T_CHARGED(11, "gc/11");
	T_CHARGED(12, "pool/12");
	T_CHARGED(30, "sh");
	T_EQ(world.task[10].principal, whole);
	T_EQ(world.task[30].flags, 0);
	T_EQ(info_of(whole).nr_tasks, 1);
	thread = world.task[11].principal;
	T_EQ(info_of(thread).pid, 10);
	T_EQ(split(10, true), 0);
	T_EQ(world.binds, binds + 3);
	world_settle();
	T_EQ(split(10, false), 0);
	T_EQ(world.binds, binds + 6);
	T_CHARGED(10, "java");
	T_CHARGED(11, "java");
	T_CHARGED(12, "java");
	T_EQ(world.task[10].principal, whole);
	T_EQ(world.task[11].flags, 0);
	T_EQ(info_of(whole).nr_tasks, 3);
	T_OK(info_of(thread).is_gone);
	T_EQ(tacho_binder_tasks(world.binder, whole, tids, 4), 3);
	T_EQ(split(10, false), 0);
	T_EQ(world.binds, binds + 6);
	end();
}

T_CASE(new_threads_follow)
{
	uint64_t binds;
	uint32_t taken;

	T_NEED(begin_java(TACHO_BY_PROCESS, 64, NO_RULES));
	forks(11, 10, 13, "early"); /* before the split, read after it */
	T_EQ(split(10, true), 0);
	world_settle();
	T_CHARGED(13, "early/13");
	T_EQ(world.task[13].flags, TACHO_TASK_SPLIT);
	binds = world.binds;
	forks(13, 10, 14, "java"); /* names itself when it runs */
	taken = world.task[14].principal;
	T_OK(taken != world.task[13].principal);
	T_EQ(world.task[14].flags, TACHO_TASK_SPLIT);
	world_settle();
	T_EQ(world.task[14].principal, taken);
	T_CHARGED(14, "java/14");
	T_EQ(world.binds, binds); /* it was right from the beginning */
	fake_task(10, 14, (struct fake_task){ .comm = "late" });
	world_settle();
	T_CHARGED(14, "late/14");
	T_EQ(info_of(taken).pid, 10);
	/* a process that it makes is whole, and so are its threads */
	forks(14, 20, 20, "child");
	T_EQ(world.task[20].flags, 0);
	forks(20, 20, 21, "hand");
	world_settle();
	T_CHARGED(20, "child");
	T_CHARGED(21, "child");
	/* the pool is empty: the parent pays for a moment */
	world.pool_head = world.pool_tail;
	forks(14, 10, 15, "poor");
	T_EQ(world.task[15].principal, taken);
	world_settle();
	T_CHARGED(15, "poor/15");
	ends(14);
	world_settle();
	T_OK(info_of(taken).is_gone);
	end();
}

/* What took numbers of its own because it did not know yet. */
T_CASE(threads_between_split_and_whole)
{
	uint32_t taken, ghost;

	T_NEED(begin_java(TACHO_BY_PROCESS, 64, NO_RULES));
	T_EQ(split(10, true), 0);
	world_settle();
	forks(11, 10, 13, "fresh");
	taken = world.task[13].principal;
	world_fork(11, 10, 14);
	ghost = world.task[14].principal;
	world_exit(14);
	T_EQ(split(10, false), 0);
	world_settle();
	T_CHARGED(13, "java");
	T_EQ(world.task[13].flags, 0);
	T_OK(info_of(taken).is_gone && info_of(ghost).is_gone);
	T_STREQ(world.name[taken], "java/13");
	T_STREQ(world.name[ghost], "java/14");
	forks(13, 10, 15, "follows");
	world_settle();
	T_CHARGED(15, "java");
	end();
}

T_CASE(exec_ends_it)
{
	T_NEED(begin_java(TACHO_BY_PROCESS, 64, NO_RULES));
	T_EQ(split(10, true), 0);
	world_settle();
	fake_end(10, 10);
	fake_end(10, 12);
	executes(11, "make", 1);
	world_settle();
	T_CHARGED(10, "make");
	T_EQ(world.task[10].flags, 0);
	forks(10, 10, 13, "thread");
	world_settle();
	T_CHARGED(13, "make");
	T_EQ(split(10, true), 0);
	T_CHARGED(10, "make/10");
	T_CHARGED(13, "thread/13");
	/* the first thread, alone */
	ends(13);
	executes(10, "gcc", 1);
	world_settle();
	T_CHARGED(10, "gcc");
	T_EQ(world.task[10].flags, 0);
	end();
}

/* The number of a first thread that has ended may be somebody else's when the process is whole again. */
T_CASE(the_first_thread_ends)
{
	uint32_t first;

	T_NEED(begin_java(TACHO_BY_PROCESS, 64, NO_RULES));
	T_EQ(split(10, true), 0);
	world_settle();
	first = world.task[10].principal;
	world_exit(10);
	for (int i = 0; i < 4; i++)
		world_settle();
	tacho_binder_reuse(world.binder);
	T_STREQ(world.name[first], "");
	fake_task(10, 10, (struct fake_task){ .comm = "java", .ppid = 1, .state = 'Z' });
	T_EQ(split(10, false), 0);
	T_EQ(world.task[11].principal, world.task[12].principal);
	T_OK(world.task[11].principal != first);
	T_EQ(info_of(world.task[11].principal).nr_tasks, 2);
	for (int tid = 40; tid < 90; tid++) { /* nobody has two numbers */
		forks(30, tid, tid, "x");
		world_settle();
		ends(tid);
		world_settle();
	}
	T_EQ(info_of(world.task[11].principal).nr_tasks, 2);
	end();
}

/* The same, and nothing of the process can be read any more: its number is not named after it. */
T_CASE(the_first_thread_ends_and_nobody_is_left)
{
	uint32_t first;

	T_NEED(begin_java(TACHO_BY_PROCESS, 64, NO_RULES));
	T_EQ(split(10, true), 0);
	world_settle();
	first = world.task[10].principal;
	ends(10);
	for (int i = 0; i < 4; i++)
		world_settle();
	tacho_binder_reuse(world.binder);
	fake_end(10, 11); /* their rows are late */
	fake_end(10, 12);
	T_EQ(split(10, false), -ESRCH);
	T_STREQ(world.name[first], "");
	end();
}

T_CASE(a_scan_keeps_it)
{
	T_NEED(begin_java(TACHO_BY_PROCESS, 64, NO_RULES));
	T_EQ(split(10, true), 0);
	tacho_binder_lost(world.binder);
	T_EQ(tacho_binder_rescan(world.binder, ++world.time), 0);
	T_CHARGED(11, "gc/11");
	T_CHARGED(30, "sh");
	ends(10);
	ends(11);
	ends(12);
	world_settle();
	T_EQ(split(10, false), -ESRCH);
	/* the number again: somebody else */
	forks(1, 10, 10, "new");
	forks(10, 10, 11, "thread");
	world_settle();
	T_CHARGED(11, "new");
	end();
}

T_CASE(where_nothing_happens)
{
	static const enum tacho_kernel_by by[] = { TACHO_BY_THREAD, TACHO_BY_CGROUP,
						   TACHO_BY_USER };
	uint64_t binds;

	for (size_t i = 0; i < 3; i++) {
		T_NEED(begin_java(by[i], 64, NO_RULES));
		binds = world.binds;
		T_EQ(split(10, true), 0);
		T_EQ(split(10, false), 0);
		T_EQ(world.binds, binds);
		end();
	}
	T_NEED(begin_java(TACHO_BY_PROCESS, 64, RULES("app=comm:java", "collector=comm:gc")));
	T_EQ(split(10, true), 0);
	T_CHARGED(11, "app");
	T_EQ(split(99, true), -ESRCH);
	T_EQ(split(30, true), 0);
	forks(30, 30, 31, "gc"); /* a rule for processes is none for threads */
	world_settle();
	T_CHARGED(31, "gc/31");
	end();
}

T_CASE(virtual_machines_are_split_otherwise)
{
	T_NEED(begin_java(TACHO_BY_VM, 64, NO_RULES));
	T_EQ(split(10, true), 0);
	T_CHARGED(11, "gc/11");
	T_CHARGED(30, "sh");
	T_EQ(split(10, false), 0);
	T_CHARGED(11, "java");
	end();
}

T_CASE(too_many_threads)
{
	T_NEED(begin(TACHO_BY_PROCESS, 16, NO_RULES));
	has(10, 10, "big", 1);
	for (int tid = 11; tid < 30; tid++)
		has(10, tid, "big", 1);
	world_start();
	T_EQ(split(10, true), -ENOSPC);
	T_CHARGED(10, "big");
	T_CHARGED(29, "big");
	T_EQ(tacho_binder_overflow(world.binder), 0);
	end();
}

T_CASE(tasks_of_a_domain)
{
	int tids[3] = { 0, 0, 0 };

	T_NEED(begin_java(TACHO_BY_PROCESS, 64, RULES("shells=comm:sh")));
	has(31, 31, "sh", 1);
	T_EQ(tacho_binder_rescan(world.binder, ++world.time), 0);
	T_EQ(tacho_binder_tasks(world.binder, world.task[10].principal, tids, 3), 3);
	T_OK(has_tid(tids, 3, 10) && has_tid(tids, 3, 11) && has_tid(tids, 3, 12));
	T_EQ(tacho_binder_tasks(world.binder, world.task[10].principal, tids, 1), 3);
	T_EQ(tacho_binder_tasks(world.binder, world.task[10].principal, NULL, 0), 3);
	T_EQ(tacho_binder_tasks(world.binder, number_of("shells"), tids, 3), 2);
	T_OK(has_tid(tids, 2, 30) && has_tid(tids, 2, 31));
	T_EQ(tacho_binder_tasks(world.binder, TACHO_NONE, tids, 3), 0);
	T_EQ(tacho_binder_tasks(world.binder, 40, tids, 3), 0);
	T_EQ(split(10, true), 0);
	T_EQ(tacho_binder_tasks(world.binder, world.task[12].principal, tids, 3), 1);
	T_EQ(tids[0], 12);
	end();
}

T_MAIN
