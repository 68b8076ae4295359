// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_kernel_split.c: a process of the real kernel that is looked at by thread, and as a whole again:
 * whose its time is, where new threads and children go, and that nobody else is touched.
 */
#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>

#include "kload.h"

/* What the child leaves for the test; shared. */
struct told {
	int tids[4]; /* the first thread, two that are there from the beginning, one more */
	int kid; /* a process that the last one made */
	sem_t go; /* make the last ones */
	sem_t made;
};

#define DOMAINS 4096u

struct sums {
	uint64_t service[DOMAINS];
};

static void tid_tell(int *tid)
{
	tacho_store_release(tid, (int)syscall(SYS_gettid));
}

static void *spinner(void *arg)
{
	tid_tell(arg);
	for (;;)
		;
	return NULL;
}

static void *maker(void *arg)
{
	struct told *told = arg;

	told->kid = child(load_idle, NULL);
	tid_tell(&told->tids[3]);
	sem_post(&told->made);
	for (;;)
		;
	return NULL;
}

static void threads_make(void *arg)
{
	struct told *told = arg;
	pthread_t thread;

	tid_tell(&told->tids[0]);
	for (int i = 1; i < 3; i++)
		if (pthread_create(&thread, NULL, spinner, &told->tids[i]))
			_exit(1);
	while (!tacho_load_acquire(&told->tids[1]) || !tacho_load_acquire(&told->tids[2]))
		usleep(1000);
	sem_post(&told->made);
	while (sem_wait(&told->go))
		;
	if (pthread_create(&thread, NULL, maker, told))
		_exit(1);
	for (;;)
		pause();
}

static int count(void *arg, const struct tacho_row *row)
{
	struct sums *sums = arg;

	if (row->domain < DOMAINS)
		sums->service[row->domain] += row->counter;
	return 0;
}

static uint32_t domain_of(const struct krig *rig, int tid)
{
	return tacho_kernel_task_domain(rig->kernel, tid);
}

/* Who has a CPU for himself is written down when he leaves it, which may take a while. */
static void service_wait(struct krig *rig, struct sums *sums, uint32_t domain)
{
	T_NEED(domain < DOMAINS);
	for (int i = 0; i < 300 && !sums->service[domain]; i++)
		krig_watch(rig, 0.1, count, sums);
	T_OK(sums->service[domain] > 0);
}

static void named(const struct krig *rig, int tid, const char *form, int number)
{
	struct tacho_kernel_domain_info info = { .pid = -1 };
	char name[64];

	snprintf(name, sizeof(name), form, number);
	T_EQ(tacho_kernel_domain(rig->kernel, domain_of(rig, tid), &info), 0);
	T_STREQ(info.name, name);
}

static void split_look(struct krig *rig, struct told *told, const uint32_t *others)
{
	static struct sums sums;
	uint32_t domain[4];
	int tids[8];

	T_EQ(tacho_kernel_split(rig->kernel, told->tids[0], true), 0);
	for (int i = 0; i < 3; i++) {
		domain[i] = domain_of(rig, told->tids[i]);
		named(rig, told->tids[i], "t_kernel_split/%d", told->tids[i]);
		T_EQ(tacho_kernel_tasks(rig->kernel, domain[i], tids, 8), 1);
		T_EQ(tids[0], told->tids[i]);
	}
	T_EQ(domain_of(rig, getpid()), others[0]);
	T_EQ(domain_of(rig, 1), others[1]);
	krig_watch(rig, 0.05, count, &sums); /* what ran before has its rows now */
	memset(&sums, 0, sizeof(sums));
	sem_post(&told->go);
	T_OK(sem_wait(&told->made) == 0);
	krig_watch(rig, 0.1, count, &sums); /* so that the last ones have names */
	domain[3] = domain_of(rig, told->tids[3]);
	for (int i = 1; i < 4; i++) {
		service_wait(rig, &sums, domain[i]);
		for (int k = 0; k < i; k++)
			T_OK(domain[i] != domain[k]);
	}
	named(rig, told->tids[3], "t_kernel_split/%d", told->tids[3]);
	named(rig, told->kid, "t_kernel_split %d", told->kid);
	T_EQ(tacho_kernel_tasks(rig->kernel, domain_of(rig, told->kid), tids, 8), 1);
}

static void whole_look(struct krig *rig, struct told *told)
{
	static struct sums sums;
	uint32_t whole, thread = domain_of(rig, told->tids[2]);
	struct tacho_kernel_domain_info info = { .pid = -1 };
	int tids[8];

	T_EQ(tacho_kernel_split(rig->kernel, told->tids[0], false), 0);
	whole = domain_of(rig, told->tids[0]);
	for (int i = 1; i < 4; i++)
		T_EQ(domain_of(rig, told->tids[i]), whole);
	T_EQ(tacho_kernel_tasks(rig->kernel, whole, tids, 8), 4);
	T_EQ(tacho_kernel_domain(rig->kernel, thread, &info), 0);
	T_OK(info.is_gone);
	/* who is stopped has left his CPU: what ran before has its rows now */
	kill(told->tids[0], SIGSTOP);
	wait_done(told->tids[0]);
	krig_watch(rig, 0.05, count, &sums);
	memset(&sums, 0, sizeof(sums));
	kill(told->tids[0], SIGCONT);
	krig_watch(rig, 0.2, count, &sums);
	service_wait(rig, &sums, whole);
	T_EQ(sums.service[thread], 0);
}

T_CASE(split_and_whole_again)
{
	struct told *told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint32_t others[2];
	struct krig rig;
	int tids[8];
	pid_t pid;

	T_NEED(told != MAP_FAILED);
	T_OK(sem_init(&told->go, 1, 0) == 0 && sem_init(&told->made, 1, 0) == 0);
	KRIG_NEED(krig_open(&rig, TACHO_BY_PROCESS));
	T_NEED(krig_log(&rig, TACHO_K_CPU_SERVICE, 1 << 15) == 0);
	pid = child(threads_make, told);
	T_OK(sem_wait(&told->made) == 0);
	T_EQ(krig_enable(&rig), 0);
	others[0] = domain_of(&rig, getpid());
	others[1] = domain_of(&rig, 1);
	T_EQ(told->tids[0], pid);
	T_EQ(tacho_kernel_tasks(rig.kernel, domain_of(&rig, pid), tids, 8), 3);
	T_EQ(tacho_kernel_split(rig.kernel, 1 << 22, true), -ESRCH);
	if (!t_failures())
		split_look(&rig, told, others);
	if (!t_failures())
		whole_look(&rig, told);
	T_EQ(krig_lost(&rig), 0);
	krig_close(&rig);
	reap(pid);
	munmap(told, sizeof(*told));
}

T_MAIN
