// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_binder.c: tasks come, execute and go in a world that the test makes, and the right domain pays:
 * names and numbers, threads, running out, bad days.
 */
#include "binder_rig.h"

/* --- names and numbers -------------------------------------------------------------------------- */

T_CASE(what_always_exists)
{
	struct tacho_kernel_domain_info info;

	T_NEED(begin(TACHO_BY_PROCESS, 64, RULES("web=comm:nginx", "db=uid:5", "web=pid:9")));
	T_STREQ(world.name[0], "system");
	T_STREQ(world.name[1], "idle");
	T_STREQ(world.name[63], "other");
	T_STREQ(world.name[2], "web");
	T_STREQ(world.name[3], "db");
	T_STREQ(world.name[4], "");
	T_EQ(tacho_binder_domain(world.binder, 4, &info), -ENOENT);
	T_EQ(tacho_binder_domain(world.binder, 64, &info), -EINVAL);
	T_OK(!info_of(2).is_gone);
	T_EQ(info_of(2).nr_tasks, 0);
	end();
}

T_CASE(too_many_names)
{
	static const char *const texts[] = { "a=comm:a", "b=comm:b", "c=comm:c",
					     "d=comm:d", "e=comm:e", "f=comm:f" };
	struct tacho_binder_options options = { .nr_domains = 8, .ops = &world_ops, .arg = &world };
	struct tacho_binder *binder;
	struct tacho_rules rules;

	T_NEED(tacho_rules_parse(&rules, texts, 6, NULL, 0) == 0);
	options.rules = &rules;
	T_EQ(tacho_binder_create(&binder, &options), -ENOSPC);
	T_OK(binder == NULL);
	tacho_rules_fini(&rules);
}

T_CASE(nothing_is_there)
{
	T_NEED(fake_open() && world_open(TACHO_BY_PROCESS, 64, fake_root, NO_RULES));
	T_EQ(tacho_binder_start(world.binder, ++world.time), -ENODATA);
	end();
}

T_CASE(start_binds_what_is_there)
{
	T_NEED(begin(TACHO_BY_PROCESS, 64, NO_RULES));
	has(10, 10, "sh", 1);
	has(11, 11, "sh", 1);
	has(11, 12, "sh", 1);
	has(13, 13, "other", 1);
	has(14, 14, "", 1);
	has(15, 15, "kworker/0:1", 2);
	fake_task(15, 15,
		  (struct fake_task){ .comm = "kworker/0:1", .ppid = 2, .flags = PF_KTHREAD });
	world_start();
	T_CHARGED(1, "init");
	T_CHARGED(2, "system");
	T_CHARGED(15, "system");
	T_EQ(world.task[15].flags, TACHO_TASK_INHERIT);
	T_CHARGED(10, "sh");
	T_EQ(world.task[10].flags, 0);
	T_CHARGED(11, "sh 11");
	T_CHARGED(12, "sh 11");
	T_CHARGED(13, "other 13");
	T_CHARGED(14, "?");
	T_EQ(info_of(world.task[11].principal).nr_tasks, 2);
	T_EQ(info_of(world.task[11].principal).pid, 11);
	end();
}

T_CASE(fork_exec_exit_reuse)
{
	bool changed = false;
	uint32_t child;

	T_NEED(begin(TACHO_BY_PROCESS, 64, NO_RULES));
	has(10, 10, "sh", 1);
	world_start();
	forks(10, 20, 20, "sh");
	child = world.task[20].principal;
	T_OK(child != world.task[10].principal && child >= TACHO_DOMAIN_FIRST && child < 63);
	world_settle();
	T_EQ(world.task[20].principal, child); /* its first row and its last are in one domain */
	T_CHARGED(20, "sh 20");
	executes(20, "make", 10);
	T_EQ(tacho_binder_exec(world.binder, world.time, 20, 20, child), 0);
	world.nr_rows = 0;
	T_EQ(tacho_binder_settle(world.binder, &changed), 0);
	T_OK(changed);
	T_CHARGED(20, "make");
	T_EQ(world.task[20].principal, child);
	T_EQ(tacho_binder_settle(world.binder, &changed), 0);
	T_OK(!changed);
	ends(20);
	world_settle();
	T_OK(info_of(child).is_gone);
	T_EQ(info_of(child).pid, 20);
	tacho_binder_reuse(world.binder);
	T_STREQ(world.name[child], "make"); /* it may still log its last slice */
	world_settle();
	tacho_binder_reuse(world.binder);
	T_STREQ(world.name[child], "make");
	world_settle();
	tacho_binder_reuse(world.binder);
	T_STREQ(world.name[child], "");
	T_EQ(tacho_binder_domain(world.binder, child, &(struct tacho_kernel_domain_info){ 0 }),
	     -ENOENT);
	end();
}

T_CASE(fork_and_exec_between_two_looks)
{
	T_NEED(begin(TACHO_BY_PROCESS, 64, NO_RULES));
	has(10, 10, "sh", 1);
	world_start();
	forks(10, 20, 20, "sh");
	executes(20, "make", 10);
	forks(20, 20, 21, "make");
	forks(20, 22, 22, "make");
	world_settle();
	T_CHARGED(20, "make");
	T_CHARGED(21, "make");
	T_CHARGED(22, "make 22");
	end();
}

/* If it were read it would be called ghost. */
T_CASE(short_lives_are_not_read)
{
	uint32_t ghost;

	T_NEED(begin(TACHO_BY_PROCESS, 64, NO_RULES));
	world_start();
	fake_task(20, 20, (struct fake_task){ .comm = "ghost" });
	world_fork(1, 20, 20);
	ghost = world.task[20].principal;
	T_OK(ghost != world.task[1].principal);
	world_exec(20);
	world_exit(20);
	world_settle();
	T_STREQ(world.name[ghost], "init 20");
	T_OK(info_of(ghost).is_gone);
	T_EQ(tacho_binder_task(world.binder, 20), TACHO_NONE);
	T_EQ(world.binds, 2);
	end();
}

/* Nobody is read who was not asked for; where it matters who it is, everybody is. */
T_CASE(who_is_not_asked_for_is_not_read)
{
	uint32_t child, kernel;

	world.is_lazy = true;
	T_NEED(begin(TACHO_BY_PROCESS, 64, NO_RULES));
	has(10, 10, "sh", 1);
	world_start();
	forks(10, 20, 20, "worker");
	forks(2, 21, 21, "kworker");
	fake_task(21, 21, (struct fake_task){ .comm = "kworker", .flags = PF_KTHREAD, .ppid = 2 });
	forks(10, 22, 22, "short");
	world_settle();
	child = world.task[20].principal;
	kernel = world.task[21].principal;
	T_EQ(kernel, TACHO_DOMAIN_SYSTEM);
	T_STREQ(world.name[child], "");
	T_EQ(info_of(child).pid, 20);
	T_EQ(info_of(child).nr_tasks, 1);
	forks(20, 20, 23, "thread"); /* is with its process all the same */
	world_settle();
	T_EQ(world.task[23].principal, child);
	T_EQ(tacho_binder_read(world.binder, child), 0);
	T_CHARGED(20, "worker");
	executes(20, "make", 10);
	world_settle();
	T_EQ(world.task[20].principal, child);
	T_CHARGED(20, "worker");
	T_EQ(tacho_binder_read(world.binder, child), 0);
	T_CHARGED(20, "make");
	/* asked for when it is too late, it has the name of its parent */
	child = world.task[22].principal;
	fake_end(22, 22);
	T_EQ(tacho_binder_read(world.binder, child), 0);
	T_CHARGED(22, "sh 22");
	T_EQ(tacho_binder_read(world.binder, 4711), -EINVAL);
	end();
	world.is_lazy = true;
	T_NEED(begin(TACHO_BY_PROCESS, 64, RULES("w=comm:worker")));
	forks(1, 20, 20, "worker");
	world_settle();
	T_CHARGED(20, "w");
	end();
}

T_CASE(gone_before_we_look)
{
	uint32_t ghost;

	T_NEED(begin(TACHO_BY_PROCESS, 64, NO_RULES));
	world_start();
	world_fork(1, 20, 20); /* no files: it ended, and the row that says so is not here yet */
	ghost = world.task[20].principal;
	world_settle();
	T_STREQ(world.name[ghost], "init 20");
	world_exit(20);
	world_settle();
	T_OK(info_of(ghost).is_gone);
	end();
}

/* The CPU of the exit was read just after, the CPU of the fork just before. */
T_CASE(exit_read_before_new)
{
	uint32_t ghost;

	T_NEED(begin(TACHO_BY_PROCESS, 64, NO_RULES));
	world_start();
	fake_task(20, 20, (struct fake_task){ .comm = "ghost" });
	world_fork(1, 20, 20);
	ghost = world.task[20].principal;
	world_exit(20);
	T_EQ(world.nr_rows, 2);
	world_deliver_row(&world.row[1]);
	T_EQ(tacho_binder_settle(world.binder, NULL), 0);
	world_deliver_row(&world.row[0]);
	world.nr_rows = 0;
	world_settle();
	T_EQ(tacho_binder_task(world.binder, 20), TACHO_NONE);
	T_STREQ(world.name[ghost], "init 20");
	T_OK(info_of(ghost).is_gone);
	end();
}

/* A child that nobody could read: what matters is whose it was. */
static uint32_t ghost_of(int parent, int pid)
{
	uint32_t ghost;

	world_fork(parent, pid, pid);
	ghost = world.task[pid].principal;
	T_OK(ghost != world.task[parent].principal);
	return ghost;
}

T_CASE(ghosts_have_the_name_of_their_parent)
{
	uint32_t ghost[6];

	T_NEED(begin(TACHO_BY_PROCESS, 64, RULES("one=pid:12")));
	has(10, 10, "storm", 1);
	has(11, 11, "storm", 1);
	has(12, 12, "ruled", 1);
	world_start();
	T_CHARGED(11, "storm 11");
	ghost[0] = ghost_of(10, 20);
	ghost[1] = ghost_of(20, 21); /* a child of a child */
	ghost[2] = ghost_of(11, 22); /* the number is its parent's, and not part of the name */
	ghost[3] = ghost_of(12, 23);
	for (int pid = 20; pid < 24; pid++)
		world_exit(pid);
	ghost[4] = ghost_of(10, 24); /* the row that says that it has ended comes later */
	world_settle();
	T_STREQ(world.name[ghost[0]], "storm 20");
	T_STREQ(world.name[ghost[1]], "storm 21");
	T_STREQ(world.name[ghost[2]], "storm 22");
	T_STREQ(world.name[ghost[3]], "one 23");
	T_STREQ(world.name[ghost[4]], "storm 24");
	T_EQ(info_of(ghost[4]).pid, 24);
	world_exit(24);
	ghost[5] = ghost_of(11, 20); /* the number comes back before its domain does */
	world_exit(20);
	world_settle();
	T_OK(strncmp(world.name[ghost[5]], "storm 20#", 9) == 0);
	end();
}

/* Whose name says nothing, and who is not known. */
T_CASE(ghosts_of_nobody)
{
	static const uint32_t parents[] = {
		TACHO_DOMAIN_SYSTEM, TACHO_DOMAIN_IDLE, 63, 40, 64, 12345, TACHO_NONE
	};
	const uint32_t nr = sizeof(parents) / sizeof(parents[0]);
	uint32_t ghost[sizeof(parents) / sizeof(parents[0])], i;
	char name[32];

	T_NEED(begin(TACHO_BY_PROCESS, 64, NO_RULES));
	world_start();
	for (i = 0; i < nr; i++) {
		ghost[i] = ghost_of(1, 20 + (int)i);
		world.row[world.nr_rows - 1].parent = parents[i];
		world_exit(20 + (int)i);
	}
	world_settle();
	for (i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "pid %u", 20 + i);
		T_STREQ(world.name[ghost[i]], name);
	}
	end();
}

/* An exit that belongs to nobody does not kill who gets the number later. */
T_CASE(a_number_is_used_again)
{
	T_NEED(begin(TACHO_BY_PROCESS, 64, NO_RULES));
	has(20, 20, "old", 1);
	world_start();
	world_exit(20); /* in the order in which it happened */
	forks(1, 20, 20, "new");
	world_settle();
	T_CHARGED(20, "new");
	ends(20);
	forks(1, 20, 20, "newer");
	for (size_t i = world.nr_rows; i-- > 0;) /* and the other way round */
		world_deliver_row(&world.row[i]);
	world.nr_rows = 0;
	world_settle();
	T_CHARGED(20, "newer");
	ends(20);
	world.nr_rows = 0; /* the row is lost */
	fake_task(20, 20, (struct fake_task){ .comm = "newest", .start = 200 });
	world_fork(1, 20, 20);
	world_settle();
	T_CHARGED(20, "newest");
	end();
}

/* --- threads ------------------------------------------------------------------------------------ */

T_CASE(threads_are_one_with_their_process)
{
	uint32_t domain;

	T_NEED(begin(TACHO_BY_PROCESS, 64, NO_RULES));
	world_start();
	forks(1, 20, 20, "java");
	forks(20, 20, 21, "gc");
	forks(21, 20, 22, "pool");
	world_settle();
	domain = world.task[20].principal;
	T_CHARGED(22, "java");
	T_EQ(info_of(domain).nr_tasks, 3);
	ends(20); /* the main thread goes, the others live on */
	world_settle();
	T_OK(!info_of(domain).is_gone);
	T_EQ(info_of(domain).nr_tasks, 2);
	forks(22, 20, 23, "late");
	forks(23, 30, 30, "child");
	world_settle();
	T_CHARGED(23, "java");
	T_CHARGED(30, "child");
	executes(22, "next", 1); /* and one of them executes: it is the main thread now */
	world_settle();
	T_CHARGED(20, "next");
	T_EQ(world.task[20].principal, domain);
	T_EQ(info_of(domain).nr_tasks, 1);
	T_EQ(tacho_binder_task(world.binder, 21), TACHO_NONE);
	T_EQ(tacho_binder_task(world.binder, 22), TACHO_NONE);
	end();
}

/*
 * A thread executed, and the one that it became ended between two looks; a later thread keeps the
 * process alive. When the new of the first comes late, nobody is left who has its number.
 */
T_CASE(who_executed_is_read_last)
{
	struct world_row late;
	uint32_t domain;

	T_NEED(begin(TACHO_BY_PROCESS, 64, NO_RULES));
	has(20, 20, "java", 1);
	world_start();
	domain = world.task[20].principal;
	forks(20, 20, 21, "java");
	late = world.row[--world.nr_rows];
	executes(21, "next", 1);
	forks(20, 20, 22, "next");
	ends(20);
	world_settle();
	T_CHARGED(22, "next");
	world_deliver_row(&late);
	world_settle();
	T_EQ(tacho_binder_task(world.binder, 21), TACHO_NONE);
	T_EQ(info_of(domain).nr_tasks, 1);
	for (int i = 0; i < 4; i++)
		world_settle();
	T_CHARGED(22, "next");
	T_EQ(info_of(domain).nr_tasks, 1);
	ends(22);
	world_settle();
	T_OK(info_of(domain).is_gone);
	end();
}

/* The same, but a scan saw what it became before any row of it was read. */
T_CASE(who_executed_was_scanned)
{
	struct world_row late;

	T_NEED(begin(TACHO_BY_PROCESS, 64, NO_RULES));
	has(20, 20, "java", 1);
	world_start();
	forks(20, 20, 21, "java");
	late = world.row[--world.nr_rows];
	executes(21, "next", 1);
	T_EQ(tacho_binder_rescan(world.binder, ++world.time), 0);
	world_settle();
	world_deliver_row(&late);
	world_settle();
	T_EQ(tacho_binder_task(world.binder, 21), TACHO_NONE);
	T_EQ(info_of(world.task[20].principal).nr_tasks, 1);
	T_CHARGED(20, "next");
	end();
}

/* The main thread comes and goes between two looks, its thread stays. */
T_CASE(a_main_thread_that_was_never_seen)
{
	T_NEED(begin(TACHO_BY_PROCESS, 64, NO_RULES));
	world_start();
	world_fork(1, 20, 20);
	forks(20, 20, 21, "worker");
	world_exit(20);
	world_settle();
	T_CHARGED(21, "worker");
	T_EQ(info_of(world.task[21].principal).nr_tasks, 1);
	T_EQ(info_of(world.task[21].principal).pid, 20);
	end();
}

T_CASE(threads_as_domains)
{
	T_NEED(begin(TACHO_BY_THREAD, 64, RULES("pool=comm:pool*")));
	has(10, 10, "java", 1);
	has(10, 11, "gc", 1);
	world_start();
	T_CHARGED(10, "java/10");
	T_CHARGED(11, "gc/11");
	T_CHARGED(2, "system");
	forks(10, 10, 12, "java"); /* names itself when it runs */
	world_settle();
	T_CHARGED(12, "java/12");
	fake_task(10, 12, (struct fake_task){ .comm = "pool-7" });
	world_settle();
	T_CHARGED(12, "pool");
	forks(10, 10, 13, "a-command-of15");
	world_settle();
	T_CHARGED(13, "a-command-of15/13");
	ends(11);
	world_settle();
	T_OK(info_of(number_of("gc/11")).is_gone);
	end();
}

T_CASE(threads_that_nobody_could_read)
{
	uint32_t ghost[3];

	T_NEED(begin(TACHO_BY_THREAD, 64, NO_RULES));
	has(10, 10, "java", 1);
	world_start();
	world_fork(10, 10, 11);
	ghost[0] = world.task[11].principal;
	world_exit(11);
	world_fork(10, 10, 12); /* the exit of this one comes later */
	ghost[1] = world.task[12].principal;
	ghost[2] = ghost_of(10, 20);
	world_exit(20);
	world_settle();
	T_STREQ(world.name[ghost[0]], "java/11");
	T_STREQ(world.name[ghost[1]], "java/12");
	T_STREQ(world.name[ghost[2]], "java/20");
	world_exit(12);
	world_settle();
	T_OK(info_of(ghost[1]).is_gone);
	end();
}

T_CASE(ten_thousand_threads)
{
	uint64_t binds;

	T_NEED(begin(TACHO_BY_PROCESS, 64, RULES("big=comm:big")));
	world_start();
	forks(1, 20, 20, "small");
	for (int tid = 21; tid < 10020; tid++)
		world_fork(20, 20, tid);
	world_settle();
	binds = world.binds;
	T_CHARGED(10019, "small");
	T_EQ(info_of(world.task[20].principal).nr_tasks, 10000);
	T_OK(binds <= 3); /* they were right from the beginning */
	fake_task(20, 20, (struct fake_task){ .comm = "big" });
	for (int tid = 21; tid < 10020; tid += 2)
		world_exit(tid);
	world_row(WORLD_EXEC, 20, 20); /* not what an exec does to threads, but they are many */
	for (int tid = 10020; tid < 15020; tid++)
		world_fork(20, 20, tid);
	world_settle();
	T_CHARGED(15019, "big");
	T_EQ(info_of(number_of("big")).nr_tasks, 5001);
	end();
}

/* --- running out -------------------------------------------------------------------------------- */

T_CASE(other_pays_when_there_are_no_numbers)
{
	T_NEED(begin(TACHO_BY_PROCESS, 8, NO_RULES));
	for (int pid = 10; pid < 20; pid++)
		has(pid, pid, "sh", 1);
	world_start();
	T_CHARGED(1, "init"); /* 2, and 3 to 6 for four of them */
	T_CHARGED(13, "sh 13");
	T_CHARGED(14, "other");
	T_CHARGED(19, "other");
	T_EQ(tacho_binder_overflow(world.binder), 6);
	T_OK(!info_of(7).is_gone);
	T_EQ(info_of(7).pid, 0);
	world_fork(10, 30, 30); /* the pool is empty: its parent's domain, and gone again */
	T_EQ(world.task[30].principal, world.task[10].principal);
	world_exit(30);
	world_settle();
	T_EQ(tacho_binder_overflow(world.binder), 6);
	ends(11);
	ends(12);
	world_settle();
	world_settle();
	world_settle();
	T_CHARGED(19, "other");
	tacho_binder_reuse(world.binder);
	world_settle();
	int left = 0;

	for (int pid = 14; pid < 20; pid++)
		left += world.task[pid].principal == 7;
	T_EQ(left, 4); /* two have come out of it */
	end();
}

T_CASE(the_pool_is_never_everything)
{
	T_NEED(begin(TACHO_BY_PROCESS, 64, NO_RULES));
	world_start();
	T_EQ(world.pool_tail, 16);
	for (int i = 0; i < 200; i++) {
		world_fork(1, 20, 20);
		world_exit(20);
		world_settle();
	}
	T_OK(world.pool_tail - world.pool_head <= 16);
	has(3000, 3000, "late", 1);
	T_EQ(tacho_binder_rescan(world.binder, ++world.time), 0);
	T_CHARGED(3000, "late"); /* there was one left for who does not come from a fork */
	T_EQ(tacho_binder_overflow(world.binder), 0);
	tacho_binder_reuse(world.binder);
	world_settle();
	T_EQ(world.pool_tail - world.pool_head, 16);
	end();
}

/* --- bad days ----------------------------------------------------------------------------------- */

T_CASE(lost_rows)
{
	uint32_t lost, gone;

	T_NEED(begin(TACHO_BY_PROCESS, 64, NO_RULES));
	has(10, 10, "dies", 1);
	world_start();
	forks(1, 20, 20, "a"); /* its new is lost */
	lost = world.task[20].principal;
	gone = world.task[10].principal;
	ends(10);
	world.nr_rows = 0;
	forks(1, 21, 21, "b");
	tacho_binder_lost(world.binder);
	T_EQ(tacho_binder_rescan(world.binder, ++world.time), 0);
	world_settle();
	T_CHARGED(20, "a");
	T_CHARGED(21, "b");
	T_OK(info_of(gone).is_gone);
	world_settle();
	tacho_binder_lost(world.binder);
	T_EQ(tacho_binder_rescan(world.binder, ++world.time), 0);
	T_OK(info_of(lost).is_gone); /* it left the pool and never turned up */
	T_OK(world.task[20].principal != lost);
	end();
}

/* A scan sees a child before its row does; what the row says is not true any more. */
T_CASE(a_scan_is_faster_than_the_row)
{
	uint32_t taken;

	T_NEED(begin(TACHO_BY_PROCESS, 64, NO_RULES));
	world_start();
	forks(1, 20, 20, "a");
	taken = world.task[20].principal;
	T_EQ(tacho_binder_rescan(world.binder, ++world.time), 0);
	T_CHARGED(20, "a");
	world_settle();
	T_CHARGED(20, "a");
	T_OK(world.task[20].principal != taken);
	T_OK(info_of(taken).is_gone);
	T_EQ(info_of(world.task[20].principal).nr_tasks, 1);
	forks(1, 21, 21, "b"); /* between the time of the scan and its reading */
	T_EQ(tacho_binder_rescan(world.binder, world.time - 1), 0);
	world_settle();
	T_CHARGED(21, "b");
	T_EQ(info_of(world.task[21].principal).nr_tasks, 1);
	world_settle();
	ends(21);
	world_settle();
	T_EQ(tacho_binder_task(world.binder, 21), TACHO_NONE);
	end();
}

T_CASE(zombies_are_not_tasks)
{
	T_NEED(begin(TACHO_BY_PROCESS, 64, NO_RULES));
	fake_task(20, 20, (struct fake_task){ .comm = "z", .state = 'Z' });
	fake_task(21, 21, (struct fake_task){ .comm = "x", .flags = 0x4 });
	world_start();
	T_EQ(tacho_binder_task(world.binder, 20), TACHO_NONE);
	T_EQ(tacho_binder_task(world.binder, 21), TACHO_NONE);
	end();
}

T_CASE(nonsense)
{
	T_NEED(begin(TACHO_BY_PROCESS, 64, NO_RULES));
	world_start();
	T_EQ(tacho_binder_new(world.binder, 5000, 0, 0, 0, 0), -EINVAL);
	T_EQ(tacho_binder_new(world.binder, 5000, -1, 7, 0, 0), -EINVAL);
	world_has(20, 20);
	fake_task(20, 20, (struct fake_task){ .comm = "a" });
	T_EQ(tacho_binder_new(world.binder, 5001, 20, 20, TACHO_NONE, TACHO_NONE), 0);
	T_EQ(tacho_binder_settle(world.binder, NULL), 0);
	T_CHARGED(20, "a");
	world_has(21, 21);
	fake_task(21, 21, (struct fake_task){ .comm = "b" });
	T_EQ(tacho_binder_new(world.binder, 5002, 21, 21, 40, 12345), 0); /* in nobody's hands */
	T_EQ(tacho_binder_exec(world.binder, 5003, 999, 998, 12345), 0);
	T_EQ(tacho_binder_vcpu(world.binder, 5004, 777, 776), 0);
	T_EQ(tacho_binder_settle(world.binder, NULL), 0);
	T_CHARGED(21, "b");
	end();
}

T_CASE(an_operation_that_fails)
{
	T_NEED(begin(TACHO_BY_PROCESS, 64, NO_RULES));
	world.bind_error = -ESRCH;
	T_EQ(tacho_binder_start(world.binder, ++world.time), 0);
	world.bind_error = -EPERM;
	has(20, 20, "a", 1);
	T_EQ(tacho_binder_rescan(world.binder, ++world.time), -EPERM);
	world.bind_error = 0;
	T_EQ(tacho_binder_rescan(world.binder, ++world.time), 0);
	end();
}

T_MAIN
