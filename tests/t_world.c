// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_world.c: the real world: what is read of tasks is what other interfaces say, what is done to
 * them is done.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpuset.h"
#include "sched/world.h"
#include "t.h"

static const struct tacho_world *const world = &tacho_world_real;

/* A child that sleeps until it is ended. */
static int sleeper_start(void)
{
	int pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

static void sleeper_end(int pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static struct tacho_cpus here(int tid)
{
	struct tacho_cpus cpus = { { 0 } };

	T_OK(sched_getaffinity(tid, sizeof(cpus), (cpu_set_t *)(void *)cpus.bits) >= 0);
	return cpus;
}

static void *thread_main(void *arg)
{
	int *fds = arg;
	int tid = (int)syscall(SYS_gettid);
	char byte;

	T_EQ(write(fds[1], &tid, sizeof(tid)), (ssize_t)sizeof(tid));
	while (read(fds[2], &byte, 1) < 0)
		;
	return NULL;
}

T_CASE(a_task_is_read)
{
	struct tacho_world_task task;
	struct tacho_cpus cpus = here(0), both;
	int pid;

	T_NEED(world->task(world->arg, getpid(), &task) == 0);
	T_EQ(task.tid, getpid());
	T_EQ(task.pid, getpid());
	T_EQ(task.ppid, getppid());
	T_EQ(task.session, getsid(0));
	T_EQ(task.group, getpgrp());
	T_EQ(task.policy, sched_getscheduler(0));
	T_EQ(task.nice, getpriority(PRIO_PROCESS, 0));
	T_OK(!task.is_kernel);
	both = tacho_cpus_and(&cpus, &task.cpus);
	T_OK(tacho_cpus_equal(&both, &cpus));
	pid = sleeper_start();
	T_EQ(world->task(world->arg, pid, &task), 0);
	T_EQ(task.ppid, getpid());
	T_OK(task.age_ms < 60000);
	kill(pid, SIGKILL);
	/* dead and not waited for: nothing is left of it */
	while (waitid(P_PID, (id_t)pid, NULL, WEXITED | WNOWAIT) < 0)
		;
	T_EQ(world->task(world->arg, pid, &task), -ESRCH);
	waitpid(pid, NULL, 0);
	T_EQ(world->task(world->arg, pid, &task), -ESRCH);
	T_EQ(world->task(world->arg, 0, &task), -ESRCH);
	T_EQ(world->task(world->arg, -1, &task), -ESRCH);
	if (world->task(world->arg, 2, &task) == 0 && task.ppid == 0)
		T_OK(task.is_kernel);
}

T_CASE(threads_and_processes)
{
	struct tacho_world_task task;
	int out[2], in[2], fds[3], *tids, tid = 0;
	bool found = false;
	pthread_t thread;
	size_t nr;

	T_NEED(pipe(out) == 0 && pipe(in) == 0);
	fds[1] = out[1];
	fds[2] = in[0];
	T_NEED(pthread_create(&thread, NULL, thread_main, fds) == 0);
	T_EQ(read(out[0], &tid, sizeof(tid)), (ssize_t)sizeof(tid));
	T_NEED(world->threads(world->arg, getpid(), &tids, &nr) == 0);
	for (size_t i = 0; i < nr; i++)
		found |= tids[i] == tid;
	T_OK(found);
	free(tids);
	T_EQ(world->task(world->arg, tid, &task), 0);
	T_EQ(task.pid, getpid());
	T_EQ(task.tid, tid);
	T_EQ(write(in[1], "x", 1), 1);
	pthread_join(thread, NULL);
	found = false;
	T_NEED(world->processes(world->arg, &tids, &nr) == 0);
	for (size_t i = 0; i < nr; i++)
		found |= tids[i] == getpid();
	T_OK(found);
	free(tids);
	T_EQ(world->threads(world->arg, 0x7ffffff0, &tids, &nr), -ESRCH);
	for (int i = 0; i < 2; i++) {
		close(in[i]);
		close(out[i]);
	}
}

T_CASE(affinity)
{
	struct tacho_cpus all = here(0), one, now = { { 0 } }, none = { { 0 } };
	struct tacho_world_task task;
	int pid = sleeper_start();

	T_NEED(world->task(world->arg, pid, &task) == 0);
	one = tacho_cpus_one(tacho_cpus_next(&all, 0));
	T_EQ(world->affinity(world->arg, pid, task.start, &one, &now), 0);
	T_OK(tacho_cpus_equal(&now, &one));
	now = here(pid);
	T_OK(tacho_cpus_equal(&now, &one));
	/* the task that had this number before */
	T_EQ(world->affinity(world->arg, pid, task.start - 1, &all, &now), -ESRCH);
	now = here(pid);
	T_OK(tacho_cpus_equal(&now, &one));
	T_EQ(world->affinity(world->arg, pid, task.start, &none, &now), -EINVAL);
	none = tacho_cpus_one(TACHO_POLICY_CPUS - 1);
	T_EQ(world->affinity(world->arg, pid, task.start, &none, &now), -EINVAL);
	T_EQ(world->affinity(world->arg, pid, task.start, &task.cpus, NULL), 0);
	now = here(pid);
	T_OK(tacho_cpus_equal(&now, &all));
	sleeper_end(pid);
	T_EQ(world->affinity(world->arg, pid, task.start, &one, &now), -ESRCH);
}

T_CASE(nice)
{
	struct tacho_world_task task;
	int pid = sleeper_start();

	T_NEED(world->task(world->arg, pid, &task) == 0);
	T_EQ(world->nice(world->arg, pid, task.start, task.nice + 1), 0);
	T_EQ(getpriority(PRIO_PROCESS, (id_t)pid), task.nice + 1);
	T_EQ(world->nice(world->arg, pid, task.start + 1, 5), -ESRCH);
	T_EQ(getpriority(PRIO_PROCESS, (id_t)pid), task.nice + 1);
	sleeper_end(pid);
}

T_CASE(allowed_is_what_the_cpuset_says)
{
	struct tacho_cpus allowed, cpus = here(0), both;

	T_NEED(world->allowed(world->arg, getpid(), &allowed) == 0);
	both = tacho_cpus_and(&allowed, &cpus);
	T_OK(tacho_cpus_equal(&both, &cpus));
	T_EQ(world->allowed(world->arg, 0x7ffffff0, &allowed), -ESRCH);
}

T_CASE(memory)
{
	const size_t size = 8u << 20, page = (size_t)sysconf(_SC_PAGESIZE);
	struct tacho_world_task task;
	uint64_t pages[TACHO_POLICY_CPUS], sum = 0, left = 1;
	void *block = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	T_NEED(block != MAP_FAILED && world->task(world->arg, getpid(), &task) == 0);
	T_EQ(world->pages(world->arg, getpid(), pages, TACHO_POLICY_CPUS), 0);
	for (size_t i = 0; i < TACHO_POLICY_CPUS; i++)
		sum += pages[i];
	T_OK(sum >= size / page);
	/* where all of it is already */
	T_EQ(world->memory(world->arg, getpid(), task.start, 0, &left), 0);
	T_EQ(world->memory(world->arg, getpid(), task.start, TACHO_POLICY_CPUS - 1, &left),
	     -EINVAL);
	T_EQ(world->memory(world->arg, getpid(), task.start + 1, 0, &left), -ESRCH);
	T_EQ(world->pages(world->arg, 0x7ffffff0, pages, 1), -ESRCH);
	munmap(block, size);
}

T_CASE(work_counts_what_was_done)
{
	struct tacho_world_work a, b, c;
	char block[1000] = { 0 };
	int fds[2];

	T_NEED(pipe(fds) == 0);
	T_NEED(world->work(world->arg, getpid(), getpid(), &a) == 0);
	for (int i = 0; i < 10; i++) {
		T_EQ(write(fds[1], block, sizeof(block)), (ssize_t)sizeof(block));
		T_EQ(read(fds[0], block, sizeof(block)), (ssize_t)sizeof(block));
	}
	T_EQ(world->work(world->arg, getpid(), getpid(), &b), 0);
	T_EQ(world->work(world->arg, getpid(), 0, &c), 0);
	close(fds[0]);
	close(fds[1]);
	T_EQ(world->work(world->arg, 0x7ffffff0, 0, &a), -ESRCH);
	if (access("/proc/self/io", R_OK))
		T_SKIP("this kernel does not count what tasks read and write");
	T_OK(b.bytes >= 20 * sizeof(block) && b.calls >= 20);
	T_OK(c.bytes >= b.bytes && c.calls >= b.calls);
}

T_CASE(who_runs_has_run)
{
	const uint64_t before = tacho_world_run(getpid(), getpid());
	uint64_t now = before;

	for (int i = 0; i < 100000 && now == before; i++) {
		sched_yield(); /* the kernel writes it down when it switches */
		now = tacho_world_run(getpid(), getpid());
	}
	T_OK(now > before);
	T_EQ(tacho_world_run(0x7ffffff0, 0x7ffffff0), 0);
}

T_CASE(lists)
{
	static const char *const bad[] = { "x", "1-", "-1", "3-1", "1,,2", "1 2", "0x3", "1-2-3" };
	struct tacho_cpus cpus;

	T_EQ(tacho_world_list_parse("0-3,8\n", &cpus), 0);
	T_EQ(cpus.bits[0], 0x10f);
	T_EQ(tacho_world_list_parse("", &cpus), 0);
	T_EQ(tacho_cpus_count(&cpus), 0);
	T_EQ(tacho_world_list_parse("1023", &cpus), 0);
	T_OK(tacho_cpus_has(&cpus, 1023));
	T_EQ(tacho_world_list_parse("1020-1024", &cpus), -ERANGE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		T_EQ(tacho_world_list_parse(bad[i], &cpus), -EINVAL);
}

T_CASE(cpusets)
{
	struct tacho_world_task task;
	struct tacho_cpus all = here(0), one, allowed;
	char from[256] = "", text[16];
	int pid;

	one = tacho_cpus_one(tacho_cpus_next(&all, 0));
	if (tacho_cpus_count(&all) < 2 || !cpuset_make("t_world", tacho_cpus_next(&one, 0)))
		T_SKIP("no cpusets (version 1) that may be changed, or one CPU");
	pid = sleeper_start();
	T_EQ(world->task(world->arg, pid, &task), 0);
	T_EQ(world->cpuset(world->arg, pid, task.start, "/t_world", from, sizeof(from)), 0);
	T_OK(from[0] == '/');
	T_EQ(world->allowed(world->arg, pid, &allowed), 0);
	T_OK(tacho_cpus_equal(&allowed, &one));
	/* it forbids the others */
	tacho_cpus_remove(&all, tacho_cpus_next(&one, 0));
	T_EQ(world->affinity(world->arg, pid, task.start, &all, NULL), -EINVAL);
	T_EQ(world->cpuset(world->arg, pid, task.start + 1, from, NULL, 0), -ESRCH);
	T_EQ(world->cpuset(world->arg, pid, task.start, "/../x", NULL, 0), -EINVAL);
	T_EQ(world->cpuset(world->arg, pid, task.start, "/t_world_none", NULL, 0), -ENOENT);
	T_EQ(world->cpuset(world->arg, pid, task.start, from, text, 1), -ENAMETOOLONG);
	T_EQ(world->cpuset(world->arg, pid, task.start, from, NULL, 0), 0);
	sleeper_end(pid);
	T_OK(cpuset_remove("t_world"));
}

T_MAIN
