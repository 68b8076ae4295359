// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_binder.c: tasks come, execute and go in a world that the test makes, and the right domain pays.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "fakekernel.h"
#include "fakeproc.h"
#include "t.h"

#define PF_KTHREAD 0x200000u
#define NO_RULES   NULL
#define RULES(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* A world whose /proc holds init and kthreadd. */
static bool begin(enum tacho_kernel_by by, uint32_t nr_domains, const char *const *rules)
{
	if (!fake_open() || !world_open(by, nr_domains, fake_root, rules))
		return false;
	fake_task(1, 1, (struct fake_task){ .comm = "init" });
	fake_task(2, 2, (struct fake_task){ .comm = "kthreadd", .flags = PF_KTHREAD });
	world_has(1, 1);
	world_has(2, 2);
	return true;
}

static void end(void)
{
	world_close();
	fake_close();
}

/* When a task began: what tells two of one number apart. */
static uint64_t starts[WORLD_TASKS];

/* And when one ended: a kernel goes through all other numbers before it gives one out again. */
static uint64_t ended[WORLD_TASKS];

static void files(int pid, int tid, const char *comm, int ppid)
{
	fake_task(pid, tid, (struct fake_task){ .comm = comm, .ppid = ppid, .start = starts[tid] });
}

/* A process that is there from the beginning. */
static void has(int pid, int tid, const char *comm, int ppid)
{
	starts[tid] = 100;
	files(pid, tid, comm, ppid);
	world_has(pid, tid);
}

static void forks(int parent, int pid, int tid, const char *comm)
{
	starts[tid] = 1000 + world.time;
	files(pid, tid, comm, world.task[parent].pid);
	world_fork(parent, pid, tid);
}

static void executes(int tid, const char *comm, int ppid)
{
	int pid = world.task[tid].pid;

	if (tid != pid)
		fake_end(pid, tid);
	ended[tid] = world.time;
	files(pid, pid, comm, ppid);
	world_exec(tid);
}

static void ends(int tid)
{
	ended[tid] = world.time;
	fake_end(world.task[tid].pid, tid);
	world_exit(tid);
}

static struct tacho_kernel_domain_info info_of(uint32_t domain)
{
	struct tacho_kernel_domain_info info = { .pid = -1 };

	T_EQ(tacho_binder_domain(world.binder, domain, &info), 0);
	return info;
}

static uint32_t number_of(const char *name)
{
	for (uint32_t i = 0; i < WORLD_DOMAINS; i++)
		if (strcmp(world.name[i], name) == 0)
			return i;
	return TACHO_NONE;
}

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

/* --- rules -------------------------------------------------------------------------------------- */

T_CASE(a_rule_is_inherited_until_exec)
{
	T_NEED(begin(TACHO_BY_PROCESS, 64, RULES("build=comm:make")));
	has(10, 10, "make", 1);
	world_start();
	T_CHARGED(10, "build");
	T_EQ(world.task[10].flags, TACHO_TASK_INHERIT);
	world_fork(10, 20, 20); /* without files: nothing has to be read */
	world_settle();
	T_CHARGED(20, "build");
	T_EQ(info_of(number_of("build")).nr_tasks, 2);
	fake_task(20, 20, (struct fake_task){ .comm = "gcc", .ppid = 10 });
	world_exec(20);
	world_settle();
	T_CHARGED(20, "gcc");
	T_EQ(world.task[20].flags, 0);
	executes(20, "make", 10);
	world_settle();
	T_CHARGED(20, "build");
	T_OK(info_of(number_of("gcc")).is_gone);
	ends(20);
	ends(10);
	world_settle();
	T_EQ(info_of(number_of("build")).nr_tasks, 0);
	T_OK(!info_of(number_of("build")).is_gone);
	T_EQ(info_of(number_of("build")).pid, 0);
	end();
}

T_CASE(a_pid_is_that_process_and_nothing_else)
{
	T_NEED(begin(TACHO_BY_PROCESS, 64, RULES("one=pid:10,30")));
	has(10, 10, "sh", 1);
	has(10, 11, "sh", 1);
	world_start();
	T_CHARGED(10, "one");
	T_CHARGED(11, "one");
	T_EQ(world.task[10].flags, TACHO_TASK_KEEP_EXEC);
	forks(10, 20, 20, "sh");
	forks(10, 10, 12, "sh");
	world_settle();
	T_CHARGED(20, "sh");
	T_CHARGED(12, "one");
	executes(10, "vi", 1);
	forks(1, 30, 30, "late"); /* the number meant somebody else, or nobody */
	world_settle();
	T_CHARGED(10, "one");
	T_CHARGED(30, "late");
	end();
}

T_CASE(a_tree_holds_orphans)
{
	T_NEED(begin(TACHO_BY_PROCESS, 64, RULES("job=tree:10")));
	has(10, 10, "sh", 1);
	has(5, 5, "kid", 10); /* a child with a lower number: numbers wrap */
	has(6, 6, "grandkid", 5);
	has(7, 7, "stranger", 1);
	world_start();
	T_CHARGED(6, "job");
	T_CHARGED(7, "stranger");
	T_EQ(world.task[6].flags, TACHO_TASK_INHERIT | TACHO_TASK_KEEP_EXEC);
	forks(6, 20, 20, "a");
	forks(20, 21, 21, "b");
	ends(20); /* never seen, and its child is init's now */
	fake_task(21, 21, (struct fake_task){ .comm = "b", .ppid = 1 });
	world_settle();
	T_CHARGED(21, "job");
	executes(21, "c", 1);
	world_settle();
	T_CHARGED(21, "job");
	T_EQ(tacho_binder_rescan(world.binder, ++world.time), 0);
	T_CHARGED(21, "job");
	end();
}

/* The first rule that matches wins, also when it comes to match by an exec. */
T_CASE(a_rule_before_a_tree)
{
	T_NEED(begin(TACHO_BY_PROCESS, 64, RULES("cc=comm:gcc", "job=tree:10")));
	has(10, 10, "sh", 1);
	world_start();
	T_CHARGED(10, "job");
	T_EQ(world.task[10].flags, TACHO_TASK_INHERIT);
	forks(10, 20, 20, "sh");
	executes(20, "gcc", 10);
	forks(10, 30, 30, "sh");
	world_settle();
	T_CHARGED(20, "cc");
	T_CHARGED(30, "job");
	forks(20, 21, 21, "gcc");
	ends(20);
	fake_task(21, 21, (struct fake_task){ .comm = "gcc", .ppid = 1 });
	world_settle();
	T_CHARGED(21, "cc");
	executes(30, "ls", 10);
	world_settle();
	T_CHARGED(30, "job");
	end();
}

T_CASE(kernel_threads_by_a_rule)
{
	T_NEED(begin(TACHO_BY_PROCESS, 64, RULES("soft=comm:ksoftirqd/*", "all=uid:0")));
	fake_task(16, 16,
		  (struct fake_task){ .comm = "ksoftirqd/0", .ppid = 2, .flags = PF_KTHREAD });
	world_has(16, 16);
	world_start();
	T_CHARGED(16, "soft");
	T_CHARGED(2, "system");
	T_CHARGED(1, "all");
	fake_task(17, 17,
		  (struct fake_task){ .comm = "ksoftirqd/1", .ppid = 2, .flags = PF_KTHREAD });
	world_fork(2, 17, 17);
	fake_task(18, 18, (struct fake_task){ .comm = "modprobe", .ppid = 2, .uid = 3 });
	world_fork(2, 18, 18); /* a program that the kernel starts */
	world_exec(18);
	world_settle();
	T_CHARGED(17, "soft");
	T_CHARGED(18, "modprobe");
	end();
}

/* --- what a domain shall be --------------------------------------------------------------------- */

T_CASE(by_cgroup)
{
	static const char longest[] = "0::/a/really-long-name-of-a-slice-1234567.slice/x.scope\n";

	T_NEED(begin(TACHO_BY_CGROUP, 64, NO_RULES));
	fake_task(10, 10,
		  (struct fake_task){ .comm = "a", .cgroup = "0::/system.slice/a.service\n" });
	fake_task(11, 11,
		  (struct fake_task){ .comm = "b", .cgroup = "0::/system.slice/a.service\n" });
	fake_task(12, 12, (struct fake_task){ .comm = "c", .cgroup = longest });
	world_has(10, 10);
	world_has(11, 11);
	world_has(12, 12);
	world_start();
	T_CHARGED(1, "/");
	T_CHARGED(10, "/system.slice/a.service");
	T_CHARGED(11, "/system.slice/a.service");
	T_CHARGED(12, "x.scope");
	T_CHARGED(2, "system");
	T_EQ(world.pool_tail, 0);
	T_EQ(world.task[10].flags, TACHO_TASK_INHERIT);
	world_fork(10, 20, 20);
	world_settle();
	T_CHARGED(20, "/system.slice/a.service");
	fake_task(20, 20, (struct fake_task){ .comm = "b", .cgroup = "0::/b\n" });
	world_exec(20);
	world_settle();
	T_CHARGED(20, "/b");
	ends(20);
	world_settle();
	T_OK(info_of(number_of("/b")).is_gone);
	fake_task(21, 21, (struct fake_task){ .comm = "b", .cgroup = "0::/b\n" });
	world_fork(10, 21, 21);
	world_exec(21);
	world_settle(); /* the group is the same, and so is its number */
	T_CHARGED(21, "/b");
	T_OK(!info_of(number_of("/b")).is_gone);
	fake_task(21, 21, (struct fake_task){ .comm = "b", .cgroup = "0::/moved\n" });
	T_EQ(tacho_binder_rescan(world.binder, ++world.time), 0);
	T_CHARGED(21, "/moved");
	end();
}

T_CASE(by_user)
{
	T_NEED(begin(TACHO_BY_USER, 64, NO_RULES));
	fake_task(10, 10, (struct fake_task){ .comm = "a", .uid = 4123456789u });
	world_has(10, 10);
	world_start();
	T_CHARGED(1, "root");
	T_CHARGED(10, "uid 4123456789");
	T_CHARGED(2, "system");
	end();
}

static void has_machine(void)
{
	has(50, 50, "qemu-system-x86", 1);
	has(50, 51, "CPU 0/KVM", 1);
	has(50, 52, "vhost-50", 1);
	has(50, 53, "IO mon_iothread", 1);
	fake_fd(50, 50, 11, "anon_inode:kvm-vm");
	fake_write(50, 50, "cmdline", "qemu\0-name\0guest=web01,x=y\0", 27);
	fake_task(60, 60, (struct fake_task){ .comm = "vhost-50", .ppid = 2, .flags = PF_KTHREAD });
	world_has(60, 60);
}

T_CASE(by_machine)
{
	T_NEED(begin(TACHO_BY_VM, 64, NO_RULES));
	has_machine();
	has(70, 70, "sh", 1);
	world_start();
	T_CHARGED(50, "web01:io");
	T_CHARGED(51, "web01:vcpu");
	T_CHARGED(52, "web01:vhost");
	T_CHARGED(53, "web01:io");
	T_CHARGED(60, "web01:vhost");
	T_CHARGED(70, "sh");
	T_OK(info_of(number_of("web01:vcpu")).is_vm);
	T_EQ(info_of(number_of("web01:vcpu")).pid, 50);
	T_OK(!info_of(number_of("sh")).is_vm);
	forks(50, 50, 54, "qemu-system-x86"); /* hot-plugged: its name comes later */
	world_settle();
	T_CHARGED(54, "web01:io");
	fake_task(50, 54, (struct fake_task){ .comm = "CPU 1/KVM" });
	world_settle();
	T_CHARGED(54, "web01:vcpu");
	forks(50, 50, 55, "nameless");
	world_settle();
	world_settle();
	T_CHARGED(55, "web01:io");
	world_row(WORLD_VCPU, 50, 55); /* nothing tells but that it runs a guest */
	world_settle();
	T_CHARGED(55, "web01:vcpu");
	end();
}

T_CASE(a_machine_is_started)
{
	T_NEED(begin(TACHO_BY_VM, 64, NO_RULES));
	world_start();
	forks(1, 50, 50, "sh");
	executes(50, "qemu-system-x86", 1);
	world_settle();
	T_CHARGED(50, "qemu-system-x86");
	fake_fd(50, 50, 11, "anon_inode:kvm-vm");
	fake_write(50, 50, "cmdline", "qemu\0-name\0w\0", 13);
	fake_task(60, 60, (struct fake_task){ .comm = "vhost-50", .ppid = 2, .flags = PF_KTHREAD });
	world_fork(2, 60, 60);
	world_settle();
	T_CHARGED(60, "w:vhost");
	T_CHARGED(50, "w:io");
	forks(50, 50, 51, "CPU 0/KVM");
	world_settle();
	T_CHARGED(51, "w:vcpu");
	forks(1, 80, 80, "tiny");
	fake_fd(80, 80, 3, "anon_inode:kvm-vm");
	world_settle();
	world_row(WORLD_VCPU, 80, 80);
	world_settle();
	T_CHARGED(80, "tiny-80:vcpu");
	forks(1, 81, 81, "secret"); /* its files may not be read */
	world_settle();
	world_row(WORLD_VCPU, 81, 81);
	world_settle();
	T_CHARGED(81, "secret-81:vcpu");
	ends(80);
	world_settle();
	T_OK(info_of(number_of("tiny-80:vcpu")).is_gone);
	end();
}

T_CASE(machines_by_rule_and_by_process)
{
	T_NEED(begin(TACHO_BY_PROCESS, 64, RULES("guests=vm:web*")));
	has_machine();
	has(90, 90, "crosvm", 1);
	fake_fd(90, 90, 11, "anon_inode:kvm-vm");
	world_start();
	T_CHARGED(50, "guests");
	T_CHARGED(51, "guests");
	T_CHARGED(60, "guests");
	T_CHARGED(90, "crosvm");
	T_OK(info_of(number_of("guests")).is_vm);
	T_OK(info_of(number_of("crosvm")).is_vm);
	fake_task(61, 61, (struct fake_task){ .comm = "vhost-90", .ppid = 2, .flags = PF_KTHREAD });
	world_fork(2, 61, 61);
	world_settle();
	T_CHARGED(61, "crosvm");
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

/* --- everything at once -------------------------------------------------------------------------- */

#define LIFE_TASKS 400

static int pick_live(uint64_t *state)
{
	for (int tries = 0; tries < 50; tries++) {
		int tid = 10 + (int)(t_random(state) % LIFE_TASKS);

		if (world.task[tid].pid)
			return tid;
	}
	return 1;
}

/* Who is alive forks, executes, or ends. */
static void live(uint64_t *state)
{
	static const char *const comms[] = { "sh", "make", "gcc", "java", "ld" };
	int tid = pick_live(state), child = 10 + (int)(t_random(state) % LIFE_TASKS);
	const char *comm = comms[t_random(state) % 5];
	int pid = world.task[tid].pid;

	/* a number whose process lives on in its threads is not given out */
	for (int other = 10; other < 10 + LIFE_TASKS; other++)
		if (world.task[other].pid == child)
			child = 1;
	if (ended[child] + 130 > world.time) /* it takes two settles until all rows are read */
		child = 1;
	switch (t_random(state) % 8) {
	case 0:
	case 1:
	case 2:
		if (!world.task[child].pid)
			forks(tid, child, child, comm);
		break;
	case 3:
		if (!world.task[child].pid && pid != 1)
			forks(tid, pid, child, comm);
		break;
	case 4:
		if (tid != 1) {
			for (int other = 10; other < 10 + LIFE_TASKS; other++)
				if (world.task[other].pid == pid && other != pid && other != tid)
					fake_end(pid, other);
			if (tid != pid && !world.task[pid].pid)
				files(pid, pid, comm, 1);
			else if (tid == pid)
				for (int other = 10; other < 10 + LIFE_TASKS; other++)
					if (world.task[other].pid == pid && other != pid) {
						ended[other] = world.time;
						world_exit(other);
					}
			executes(tid, comm, 1);
		}
		break;
	default:
		if (tid != 1)
			ends(tid);
		break;
	}
}

/* Rows reach the binder late, and in the order of logs and not of events. */
static void deliver_some(uint64_t *state, bool lose)
{
	size_t i, left = 0;

	for (i = world.nr_rows; i > 1; i--) {
		size_t k = t_random(state) % i;
		struct world_row row = world.row[i - 1];

		world.row[i - 1] = world.row[k];
		world.row[k] = row;
	}
	for (i = 0; i < world.nr_rows; i++) {
		if (lose && t_random(state) % 4 == 0)
			continue;
		/* at most one settle late: the next reading of a log is complete up to its begin */
		if (world.row[i].time + 40 > world.time && t_random(state) % 4 == 0)
			world.row[left++] = world.row[i];
		else
			world_deliver_row(&world.row[i]);
	}
	world.nr_rows = left;
	T_EQ(tacho_binder_settle(world.binder, NULL), 0);
}

/* Every task is known, in the domain that its storage says, and in the right one. */
static void check_all(void)
{
	static uint32_t count[WORLD_DOMAINS];
	static int owner[WORLD_DOMAINS];

	memset(count, 0, sizeof(count));
	memset(owner, 0, sizeof(owner));
	for (int tid = 1; tid < 10 + LIFE_TASKS; tid++) {
		uint32_t domain = world.task[tid].principal;
		int pid = world.task[tid].pid;

		if (!pid) {
			T_EQ(tacho_binder_task(world.binder, tid), TACHO_NONE);
			continue;
		}
		T_EQ(tacho_binder_task(world.binder, tid), domain);
		count[domain]++;
		if (domain == number_of("build") || domain < 2)
			continue;
		T_OK(owner[domain] == 0 || owner[domain] == pid || domain == 255);
		owner[domain] = pid;
	}
	for (uint32_t domain = 0; domain < 256; domain++) {
		struct tacho_kernel_domain_info info = { 0 };

		if (tacho_binder_domain(world.binder, domain, &info) == 0) {
			T_EQ(info.nr_tasks, count[domain]);
			for (uint32_t i = 0; i < domain && info.name[0]; i++)
				T_OK(strcmp(world.name[i], info.name) != 0);
		} else {
			T_EQ(count[domain], 0);
		}
		T_OK(!info.is_gone || count[domain] == 0);
	}
}

static void lives(uint64_t *state, bool lose)
{
	T_NEED(begin(TACHO_BY_PROCESS, 256, RULES("build=comm:make")));
	memset(ended, 0, sizeof(ended));
	world_start();
	for (int round = 0; round < 60 && !t_failures(); round++) {
		for (int i = 0; i < 60; i++)
			live(state);
		deliver_some(state, lose);
		if (round % 5 == 0)
			tacho_binder_reuse(world.binder);
		if (round % 10 != 9)
			continue;
		deliver_some(state, lose);
		world_settle();
		if (lose) {
			tacho_binder_lost(world.binder);
			T_EQ(tacho_binder_rescan(world.binder, ++world.time), 0);
		}
		world_settle();
		world_settle();
		world_settle();
		check_all();
	}
	end();
}

T_CASE(a_busy_world)
{
	uint64_t state = t_seed();

	for (int i = 0; i < 4 && !t_failures(); i++)
		lives(&state, false);
}

T_CASE(a_busy_world_that_loses_rows)
{
	uint64_t state = t_seed();

	for (int i = 0; i < 4 && !t_failures(); i++)
		lives(&state, true);
}

/* --- the real /proc ------------------------------------------------------------------------------ */

static int real_bind(void *arg, uint32_t tid, uint32_t principal, uint32_t flags)
{
	(void)arg;
	(void)tid;
	(void)principal;
	(void)flags;
	return 0;
}

static const struct tacho_binder_ops real_ops = { real_bind, world_name, world_push };

static void *sleeper(void *arg)
{
	char byte;

	T_EQ(read(*(int *)arg, &byte, 1), 0);
	return NULL;
}

/* Threads of this process that are not ours: a sanitizer may have one. */
static uint32_t own_threads(void)
{
	struct tacho_ids tids = { 0 };
	uint32_t nr = tacho_procs_list("/proc", getpid(), &tids) ? 0 : (uint32_t)tids.nr;

	tacho_ids_fini(&tids);
	return nr;
}

T_CASE(the_real_proc)
{
	struct tacho_binder_options options = { .nr_domains = 1024,
						.ops = &real_ops,
						.arg = &world };
	struct tacho_kernel_domain_info info;
	struct tacho_rules rules = { 0 };
	struct tacho_binder *binder;
	char rule[64], byte;
	const char *text = rule;
	pthread_t thread;
	int ends_[2];
	pid_t pid;

	memset(&world, 0, sizeof(world));
	snprintf(rule, sizeof(rule), "self=tree:%d", getpid());
	T_NEED(tacho_rules_parse(&rules, &text, 1, NULL, 0) == 0);
	options.rules = &rules;
	T_NEED(pipe2(ends_, O_CLOEXEC) == 0);
	T_NEED(pthread_create(&thread, NULL, sleeper, &ends_[0]) == 0);
	pid = fork();
	T_NEED(pid >= 0);
	if (pid == 0) {
		close(ends_[1]);
		_exit(read(ends_[0], &byte, 1) != 0);
	}
	T_NEED(tacho_binder_create(&binder, &options) == 0);
	T_EQ(tacho_binder_start(binder, t_now_ns()), 0);
	T_EQ(tacho_binder_task(binder, getpid()), 2);
	T_EQ(tacho_binder_task(binder, pid), 2);
	T_EQ(tacho_binder_domain(binder, 2, &info), 0);
	T_STREQ(info.name, "self");
	T_EQ(info.nr_tasks, own_threads() + 1); /* of the child */
	T_OK(own_threads() >= 2);
	T_OK(tacho_binder_task(binder, 1) > 2);
	close(ends_[1]);
	T_EQ(waitpid(pid, NULL, 0), pid);
	T_EQ(pthread_join(thread, NULL), 0);
	T_EQ(tacho_binder_exit(binder, t_now_ns(), pid, pid, 2), 0);
	T_EQ(tacho_binder_settle(binder, NULL), 0);
	T_EQ(tacho_binder_task(binder, pid), TACHO_NONE);
	T_EQ(tacho_binder_rescan(binder, t_now_ns()), 0);
	T_EQ(tacho_binder_domain(binder, 2, &info), 0);
	T_EQ(info.nr_tasks, own_threads());
	close(ends_[0]);
	tacho_binder_destroy(binder);
	tacho_rules_fini(&rules);
}

T_MAIN
