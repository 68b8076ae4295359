// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_kernel_watch.c: tasks of the real kernel that are watched: each child is told once, at once,
 * and to nobody but who asked; with and without events. So are children of children, until somebody
 * says otherwise.
 */
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>

#include "kload.h"
#include "sched/world.h"

#define BUFFER 3276 /* children that find room */

/* What a child says and is told; shared. */
struct told {
	sem_t go; /* do it */
	sem_t done;
	int made; /* the last task that it made */
	int storm; /* children to make */
};

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem))
		;
}

/* --- what children do ------------------------------------------------------------------------- */

static void *nothing(void *arg)
{
	struct told *told = arg;

	told->made = (int)syscall(SYS_gettid);
	return NULL;
}

/* There may be thousands: without a copy of the memory. */
static pid_t short_life(void)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	return pid;
}

/* By turns a process and a thread, one for each go; and then as many as are wanted. */
static void maker(void *arg)
{
	struct told *told = arg;
	pthread_t thread;

	for (int i = 0;; i++) {
		wait_for(&told->go);
		for (int k = 0; k < told->storm; k++)
			told->made = short_life();
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

/* A child makes children of its own. */
static void grandparent(void *arg)
{
	struct told *told = arg;

	wait_for(&told->go);
	told->made = child(maker, told);
	sem_post(&told->done);
	pause();
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

/* --- a case ----------------------------------------------------------------------------------- */

static struct krig rig;
static struct told *told;
static pid_t kid; /* 0: the case cannot be run */

static void begin(void (*fn)(void *))
{
	kid = 0;
	KRIG_NEED(krig_open(&rig, TACHO_BY_PROCESS));
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	T_NEED(told != MAP_FAILED);
	T_NEED(sem_init(&told->go, 1, 0) == 0 && sem_init(&told->done, 1, 0) == 0);
	kid = child(fn, told);
}

static void end(void)
{
	krig_close(&rig);
	reap(kid);
	munmap(told, sizeof(*told));
}

static void make(void)
{
	sem_post(&told->go);
	wait_for(&told->done);
}

static bool readable(int ms)
{
	struct pollfd fd = { .fd = tacho_kernel_fd(rig.kernel), .events = POLLIN };

	return poll(&fd, 1, ms) == 1 && fd.revents & POLLIN;
}

/* As /proc has it, and it knows it only while the task is there. */
static uint64_t start_of(int tid)
{
	struct tacho_world_task task;

	return tacho_world_real.task(NULL, tid, &task) == 0 ? task.start : 0;
}

static void child_is(pid_t parent, int pid, int tid)
{
	struct tacho_kernel_child child[2] = { { 0 } };

	T_OK(readable(60000));
	T_EQ(tacho_kernel_children(rig.kernel, child, 2), 1);
	T_EQ(child[0].parent, parent);
	T_EQ(child[0].pid, pid);
	T_EQ(child[0].tid, tid);
	T_OK(!child[0].has_executed);
	T_EQ(child[0].has_ended, start_of(tid) == 0);
	if (!child[0].has_ended)
		T_EQ(child[0].start, start_of(tid));
	T_OK(!readable(0));
	T_EQ(tacho_kernel_children(rig.kernel, child, 2), 0);
}

static void watched_and_not(void)
{
	struct tacho_kernel_child child;
	pid_t first;

	make();
	T_OK(!readable(0));
	make();
	T_EQ(tacho_kernel_watch(rig.kernel, kid, true), 0);
	T_EQ(tacho_kernel_watch(rig.kernel, kid, true), 0);
	make();
	first = told->made;
	child_is(kid, first, first);
	make(); /* a thread */
	child_is(kid, kid, told->made);
	make();
	make();
	T_EQ(tacho_kernel_children(rig.kernel, &child, 0), 0);
	T_EQ(tacho_kernel_children(rig.kernel, &child, 1), 1);
	T_EQ(child.pid, child.tid);
	T_OK(readable(0));
	T_EQ(tacho_kernel_children(rig.kernel, &child, 1), 1);
	T_EQ(child.pid, kid);
	T_EQ(tacho_kernel_watch(rig.kernel, kid, false), 0);
	T_EQ(tacho_kernel_watch(rig.kernel, kid, false), 0);
	make();
	make();
	T_OK(!readable(20));
	T_EQ(tacho_kernel_children_lost(rig.kernel), 0);
}

T_CASE(without_events)
{
	begin(maker);
	if (!kid)
		return;
	watched_and_not();
	T_EQ(tacho_kernel_watch(rig.kernel, -1, true), -EINVAL);
	end();
}

T_CASE(with_events_on_and_off)
{
	const uint32_t event = TACHO_K_CPU_SERVICE;

	begin(maker);
	if (!kid)
		return;
	T_EQ(tacho_kernel_enable(rig.kernel, &event, 1), 0);
	watched_and_not();
	T_EQ(tacho_kernel_watch(rig.kernel, kid, true), 0);
	T_EQ(tacho_kernel_disable(rig.kernel, &event, 1), 0);
	make();
	child_is(kid, told->made, told->made);
	T_EQ(tacho_kernel_tend(rig.kernel, NULL), 0);
	T_OK(tacho_kernel_task_domain(rig.kernel, told->made) != TACHO_NONE);
	end();
}

T_CASE(children_of_children)
{
	struct tacho_kernel_child both[3] = { { 0 } };
	pid_t parent;

	begin(grandparent);
	if (!kid)
		return;
	T_EQ(tacho_kernel_watch(rig.kernel, kid, true), 0);
	make();
	parent = told->made;
	make();
	T_EQ(tacho_kernel_children(rig.kernel, both, 3), 2);
	T_EQ(both[0].tid, parent);
	T_EQ(both[0].ancestor, kid);
	T_EQ(both[1].tid, told->made);
	T_EQ(both[1].parent, parent);
	T_EQ(both[1].ancestor, kid);
	T_EQ(tacho_kernel_watch(rig.kernel, parent, false), 0);
	make();
	make();
	T_OK(!readable(20));
	T_EQ(tacho_kernel_watch(rig.kernel, parent, true), 0);
	make();
	make();
	T_EQ(tacho_kernel_children(rig.kernel, both, 3), 2);
	T_EQ(both[0].ancestor, parent);
	T_EQ(both[1].ancestor, parent);
	end();
}

/* Nobody reads: what finds no room is counted, the rest is there, and then it goes on. */
T_CASE(a_storm)
{
	struct tacho_kernel_child batch[64];
	uint64_t lost = 0;
	size_t nr, all = 0;

	begin(maker);
	if (!kid)
		return;
	T_EQ(tacho_kernel_watch(rig.kernel, kid, true), 0);
	told->storm = BUFFER + 300;
	make();
	do {
		nr = tacho_kernel_children(rig.kernel, batch, 64);
		for (size_t i = 0; i < nr; i++)
			T_EQ(batch[i].parent, kid);
		all += nr;
	} while (nr == 64);
	T_OK(all >= BUFFER && all < BUFFER + 300);
	T_EQ(tacho_kernel_children_lost(rig.kernel), BUFFER + 300 - all);
	for (uint32_t cpu = 0; cpu < rig.view.header.nr_cpus; cpu++)
		lost += tacho_view_lost(&rig.view, cpu, TACHO_LOST_BUSY);
	T_EQ(lost, BUFFER + 300 - all);
	told->storm = 1;
	make();
	child_is(kid, told->made, told->made);
	end();
}

/* A thread executes: it has the number of the process then, and is watched on. */
T_CASE(a_thread_executes)
{
	struct tacho_kernel_child made = { 0 };
	pid_t thread;

	begin(executer);
	if (!kid)
		return;
	wait_done(kid);
	T_EQ(tacho_kernel_watch(rig.kernel, kid, true), 0);
	kill(kid, SIGCONT);
	T_OK(readable(60000));
	T_EQ(tacho_kernel_children(rig.kernel, &made, 1), 1);
	T_EQ(made.pid, kid);
	T_EQ(tacho_kernel_watch(rig.kernel, kid, false), 0);
	T_EQ(tacho_kernel_watch(rig.kernel, made.tid, true), 0);
	thread = made.tid;
	sem_post(&told->go);
	wait_done(kid);
	T_OK(readable(0));
	T_EQ(tacho_kernel_children(rig.kernel, &made, 1), 1);
	T_OK(made.has_executed && !made.has_ended);
	T_EQ(made.tid, kid);
	T_EQ(made.parent, thread);
	T_EQ(made.ancestor, kid);
	T_EQ(made.start, start_of(kid));
	T_EQ(tacho_kernel_children(rig.kernel, &made, 1), 1);
	T_OK(!made.has_executed);
	T_EQ(made.parent, kid);
	T_EQ(made.ancestor, kid);
	T_EQ(made.pid, made.tid);
	end();
}

/* Numbers of tasks that have ended fill the map, and make room for who is there. */
T_CASE(many_that_have_ended)
{
	begin(maker);
	if (!kid)
		return;
	for (int i = 0; i < (1 << 14); i++)
		T_EQ(tacho_kernel_watch(rig.kernel, (1 << 22) + 1 + i, true), 0);
	T_EQ(tacho_kernel_watch(rig.kernel, kid, true), 0);
	make();
	child_is(kid, told->made, told->made);
	end();
}

T_MAIN
