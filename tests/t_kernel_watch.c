// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_kernel_watch.c: tasks of the real kernel that are watched: each child is told once, at once,
 * and to nobody but who asked; with and without events.
 */
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>

#include "kload.h"

#define BUFFER 2730 /* children that find room */

/* What a child says and is told; shared. */
struct told {
	sem_t go; /* do it */
	sem_t done;
	int made; /* the last task that it made */
	int storm; /* children to make */
};

static struct told *told_open(void)
{
	struct told *told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (told == MAP_FAILED || sem_init(&told->go, 1, 0) || sem_init(&told->done, 1, 0))
		return NULL;
	return told;
}

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem))
		;
}

static void *nothing(void *arg)
{
	struct told *told = arg;

	told->made = (int)syscall(SYS_gettid);
	return NULL;
}

/* By turns a process and a thread, one for each go; and then as many as are wanted. */
static void maker(void *arg)
{
	struct told *told = arg;
	pthread_t thread;

	for (int i = 0;; i++) {
		wait_for(&told->go);
		for (int k = 0; k < told->storm; k++) {
			pid_t pid = fork();

			if (pid == 0)
				_exit(0);
			told->made = pid;
			waitpid(pid, NULL, 0);
		}
		if (told->storm == 0 && i % 2 == 0) {
			told->made = child(load_idle, NULL);
		} else if (told->storm == 0) {
			if (pthread_create(&thread, NULL, nothing, told) ||
			    pthread_join(thread, NULL))
				_exit(1);
		}
		sem_post(&told->done);
	}
}

static void make(struct told *told)
{
	sem_post(&told->go);
	wait_for(&told->done);
}

static bool readable(const struct krig *rig, int ms)
{
	struct pollfd fd = { .fd = tacho_kernel_fd(rig->kernel), .events = POLLIN };

	return poll(&fd, 1, ms) == 1 && fd.revents & POLLIN;
}

static void child_is(struct krig *rig, pid_t parent, int pid, int tid)
{
	struct tacho_kernel_child child[2] = { { 0 } };

	T_OK(readable(rig, 5000));
	T_EQ(tacho_kernel_children(rig->kernel, child, 2), 1);
	T_EQ(child[0].parent, parent);
	T_EQ(child[0].pid, pid);
	T_EQ(child[0].tid, tid);
	T_OK(!readable(rig, 0));
	T_EQ(tacho_kernel_children(rig->kernel, child, 2), 0);
}

static void watched_and_not(struct krig *rig, struct told *told, pid_t pid)
{
	struct tacho_kernel_child child;
	pid_t first;

	make(told);
	T_OK(!readable(rig, 0));
	make(told);
	T_EQ(tacho_kernel_watch(rig->kernel, pid, true), 0);
	T_EQ(tacho_kernel_watch(rig->kernel, pid, true), 0);
	make(told);
	first = told->made;
	child_is(rig, pid, first, first);
	make(told); /* a thread */
	child_is(rig, pid, pid, told->made);
	make(told);
	make(told);
	T_EQ(tacho_kernel_children(rig->kernel, &child, 0), 0);
	T_EQ(tacho_kernel_children(rig->kernel, &child, 1), 1);
	T_EQ(child.pid, child.tid);
	T_OK(readable(rig, 0));
	T_EQ(tacho_kernel_children(rig->kernel, &child, 1), 1);
	T_EQ(child.pid, pid);
	T_EQ(tacho_kernel_watch(rig->kernel, pid, false), 0);
	T_EQ(tacho_kernel_watch(rig->kernel, pid, false), 0);
	make(told);
	make(told);
	T_OK(!readable(rig, 20));
	T_EQ(tacho_kernel_children_lost(rig->kernel), 0);
}

T_CASE(without_events)
{
	struct told *told = told_open();
	struct krig rig;
	pid_t pid;

	T_NEED(told);
	KRIG_NEED(krig_open(&rig, TACHO_BY_PROCESS));
	pid = child(maker, told);
	watched_and_not(&rig, told, pid);
	T_EQ(tacho_kernel_watch(rig.kernel, -1, true), -EINVAL);
	krig_close(&rig);
	reap(pid);
}

T_CASE(with_events_on_and_off)
{
	const uint32_t event = TACHO_K_CPU_SERVICE;
	struct told *told = told_open();
	struct krig rig;
	pid_t pid;

	T_NEED(told);
	KRIG_NEED(krig_open(&rig, TACHO_BY_PROCESS));
	T_EQ(tacho_kernel_enable(rig.kernel, &event, 1), 0);
	pid = child(maker, told);
	watched_and_not(&rig, told, pid);
	T_EQ(tacho_kernel_watch(rig.kernel, pid, true), 0);
	T_EQ(tacho_kernel_disable(rig.kernel, &event, 1), 0);
	make(told);
	child_is(&rig, pid, told->made, told->made);
	T_EQ(tacho_kernel_tend(rig.kernel, NULL), 0);
	T_OK(tacho_kernel_task_domain(rig.kernel, told->made) != TACHO_NONE);
	krig_close(&rig);
	reap(pid);
}

/* A child makes children of its own, and nobody asked about them. */
static void grandparent(void *arg)
{
	struct told *told = arg;

	wait_for(&told->go);
	told->made = child(maker, told);
	sem_post(&told->done);
	pause();
}

T_CASE(a_child_is_not_watched)
{
	struct told *told = told_open();
	pid_t pid, parent;
	struct krig rig;

	T_NEED(told);
	KRIG_NEED(krig_open(&rig, TACHO_BY_PROCESS));
	pid = child(grandparent, told);
	T_EQ(tacho_kernel_watch(rig.kernel, pid, true), 0);
	make(told);
	parent = told->made;
	child_is(&rig, pid, parent, parent);
	make(told);
	T_OK(!readable(&rig, 20));
	T_EQ(tacho_kernel_watch(rig.kernel, parent, true), 0);
	make(told);
	child_is(&rig, parent, parent, told->made);
	krig_close(&rig);
	reap(pid);
}

/* Nobody reads: what finds no room is counted, the rest is there, and then it goes on. */
T_CASE(a_storm)
{
	struct told *told = told_open();
	struct tacho_kernel_child batch[64];
	uint64_t lost = 0;
	size_t nr, all = 0;
	struct krig rig;
	pid_t pid;

	T_NEED(told);
	KRIG_NEED(krig_open(&rig, TACHO_BY_PROCESS));
	pid = child(maker, told);
	T_EQ(tacho_kernel_watch(rig.kernel, pid, true), 0);
	told->storm = BUFFER + 300;
	make(told);
	do {
		nr = tacho_kernel_children(rig.kernel, batch, 64);
		for (size_t i = 0; i < nr; i++)
			T_EQ(batch[i].parent, pid);
		all += nr;
	} while (nr == 64);
	T_OK(all >= BUFFER && all < BUFFER + 300);
	T_EQ(tacho_kernel_children_lost(rig.kernel), BUFFER + 300 - all);
	for (uint32_t cpu = 0; cpu < rig.view.header.nr_cpus; cpu++)
		lost += tacho_view_lost(&rig.view, cpu, TACHO_LOST_BUSY);
	T_EQ(lost, BUFFER + 300 - all);
	told->storm = 1;
	make(told);
	child_is(&rig, pid, told->made, told->made);
	krig_close(&rig);
	reap(pid);
}

static void *execute(void *arg)
{
	struct told *told = arg;

	wait_for(&told->go);
	execlp("sh", "sh", "-c", "/bin/true; kill -STOP $$", NULL);
	_exit(127);
	return NULL;
}

static void executer(void *arg)
{
	pthread_t thread;

	kill(getpid(), SIGSTOP);
	if (pthread_create(&thread, NULL, execute, arg))
		_exit(1);
	for (;;)
		pause();
}

/* A thread executes: it has the number of the process then, and is watched on. */
T_CASE(a_thread_executes)
{
	struct tacho_kernel_child made = { 0 };
	struct told *told = told_open();
	struct krig rig;
	pid_t pid;

	T_NEED(told);
	KRIG_NEED(krig_open(&rig, TACHO_BY_PROCESS));
	pid = child(executer, told);
	wait_done(pid);
	T_EQ(tacho_kernel_watch(rig.kernel, pid, true), 0);
	kill(pid, SIGCONT);
	T_OK(readable(&rig, 5000));
	T_EQ(tacho_kernel_children(rig.kernel, &made, 1), 1);
	T_EQ(made.pid, pid);
	T_EQ(tacho_kernel_watch(rig.kernel, pid, false), 0);
	T_EQ(tacho_kernel_watch(rig.kernel, made.tid, true), 0);
	sem_post(&told->go);
	wait_done(pid);
	T_OK(readable(&rig, 0));
	T_EQ(tacho_kernel_children(rig.kernel, &made, 1), 1);
	T_EQ(made.parent, pid);
	T_EQ(made.pid, made.tid);
	krig_close(&rig);
	reap(pid);
}

/* Numbers of tasks that have ended fill the map, and make room for who is there. */
T_CASE(many_that_have_ended)
{
	struct told *told = told_open();
	struct krig rig;
	pid_t pid;

	T_NEED(told);
	KRIG_NEED(krig_open(&rig, TACHO_BY_PROCESS));
	pid = child(maker, told);
	for (int i = 0; i < (1 << 14); i++)
		T_EQ(tacho_kernel_watch(rig.kernel, (1 << 22) + 1 + i, true), 0);
	T_EQ(tacho_kernel_watch(rig.kernel, pid, true), 0);
	make(told);
	child_is(&rig, pid, told->made, told->made);
	krig_close(&rig);
	reap(pid);
}

T_MAIN
