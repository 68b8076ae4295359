/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_sched.c: the scheduler on this machine, with processes that talk to each other.
 *
 * What must happen is waited for; what must not happen is looked for during a second or so. Needs
 * root, eBPF and two CPUs.
 */
#include "sched/sched_internal.h"
#include "sched_rig.h"

static bool are_together(const struct rig *rig, int first)
{
	cpu_set_t a, b;

	return sched_getaffinity(rig->kids[first], sizeof(a), &a) == 0 &&
	       sched_getaffinity(rig->kids[first + 1], sizeof(b), &b) == 0 && CPU_COUNT(&a) == 1 &&
	       CPU_EQUAL(&a, &b);
}

/* --- cases ------------------------------------------------------------------------------------ */

T_CASE(a_pair_comes_together)
{
	struct rig rig = { 0 };
	int a, b;

	RIG_OPEN(&rig, .always = true);
	T_NEED(pair_start(&rig, 0, &a, &b));
	T_OK(run(&rig, are_together, 0));
	T_OK(run(&rig, has_noted, TACHO_NOTE_KEEP));
	T_OK(rig.notes[TACHO_NOTE_PLACE] >= 2);
	sched_end(&rig);
	T_OK(is_free(a) && is_free(b));
	kids_end(&rig);
}

T_CASE(a_dry_run_does_nothing)
{
	struct rig rig = { 0 };
	int a, b;

	RIG_OPEN(&rig, .dry_run = true);
	T_NEED(pair_start(&rig, 0, &a, &b));
	T_OK(run(&rig, has_noted, TACHO_NOTE_PLACE));
	T_OK(is_free(a) && is_free(b));
	T_OK(access(rig.ledger, F_OK) != 0);
	rig_close(&rig);
}

/* The number of a CPU that we may use, by its place among them. */
static int cpu_nr(int nr)
{
	int cpu = 0;

	while (!CPU_ISSET(cpu, &all) || nr-- > 0)
		cpu++;
	return cpu;
}

static void task_bind(int tid, int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	T_EQ(sched_setaffinity(tid, sizeof(one), &one), 0);
}

T_CASE(who_has_an_affinity_is_left_alone)
{
	struct rig rig = { 0 };
	int a, b;

	RIG_OPEN(&rig, .force = false);
	T_NEED(pair_start(&rig, 0, &a, &b));
	task_bind(a, cpu_nr(0));
	task_bind(b, cpu_nr(1));
	T_OK(!run_for(&rig, 1.5, are_together, 0));
	T_EQ(rig.error, 0);
	T_EQ(cpus_of(a), 1);
	rig_close(&rig);
}

T_CASE(real_time_tasks_are_left_alone)
{
	const struct sched_param param = { .sched_priority = 1 };
	struct rig rig = { 0 };
	int a, b;

	RIG_OPEN(&rig, .force = false);
	T_NEED(pair_start(&rig, 0, &a, &b));
	if (sched_setscheduler(a, SCHED_FIFO, &param) != 0) {
		rig_close(&rig);
		T_SKIP("no real-time priorities here");
	}
	T_OK(!run_for(&rig, 1.5, are_together, 0));
	T_EQ(rig.error, 0);
	T_OK(is_free(a));
	rig_close(&rig);
}

static bool is_on(int tid, const cpu_set_t *cpus)
{
	cpu_set_t now;

	return sched_getaffinity(tid, sizeof(now), &now) == 0 && CPU_EQUAL(&now, cpus);
}

T_CASE(what_the_user_changes_is_his)
{
	struct rig rig = { 0 };
	cpu_set_t mine;
	int a, b;

	RIG_OPEN(&rig, .force = false);
	T_NEED(pair_start(&rig, 0, &a, &b));
	T_OK(run(&rig, has_noted, TACHO_NOTE_KEEP));
	sched_getaffinity(a, sizeof(mine), &mine);
	CPU_XOR(&mine, &mine, &all); /* the others */
	T_EQ(sched_setaffinity(a, sizeof(mine), &mine), 0);
	T_OK(run(&rig, has_noted, TACHO_NOTE_USER));
	(void)run_for(&rig, 0.5, NULL, 0);
	T_OK(is_on(a, &mine));
	sched_end(&rig);
	T_OK(is_on(a, &mine));
	T_OK(is_free(b));
	kids_end(&rig);
}

/* Nothing is left of a CPU that these are on. */
static void hogs_start(struct rig *rig, int cpu)
{
	for (int i = 0; i < 2; i++) {
		if (kid(rig) != 0)
			continue;
		task_bind(0, cpu);
		if (setpriority(PRIO_PROCESS, 0, -19) != 0)
			_exit(1);
		for (;;)
			;
	}
}

/* Who has a good place and is worse off on another one goes back to that, and is not free in between. */
T_CASE(a_place_that_is_worse_is_given_back_for_the_old_one)
{
	struct rig rig = { 0 };
	cpu_set_t first;
	int a, b;

	setenv("FLOCK_WANDERS", "1", 1);
	RIG_OPEN(&rig, .always = true, .min_gain = -0.5);
	unsetenv("FLOCK_WANDERS");
	T_NEED(pair_start(&rig, 0, &a, &b));
	T_OK(run(&rig, has_noted, TACHO_NOTE_KEEP));
	sched_getaffinity(a, sizeof(first), &first);
	hogs_start(&rig, cpu_nr(1));
	T_OK(run(&rig, has_noted, TACHO_NOTE_TAKE_BACK));
	T_OK(are_together(&rig, 0));
	T_OK(is_on(a, &first) && is_on(b, &first));
	sched_end(&rig);
	T_OK(is_free(a) && is_free(b));
	kids_end(&rig);
}

/* Hands bytes on, and makes a child when it gets a signal; the child sleeps. */
static volatile sig_atomic_t makes_child;

static void make_child(int signal)
{
	(void)signal;
	makes_child = 1;
}

static void parent(int in, int out, int report)
{
	char byte = 0;
	int pid;

	while (write(out, &byte, 1) == 1 && read(in, &byte, 1) == 1) {
		if (!makes_child)
			continue;
		makes_child = 0;
		pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			poll(NULL, 0, 60000);
			_exit(0);
		}
		if (write(report, &pid, sizeof(pid)) != sizeof(pid))
			break;
	}
}

static bool is_narrow(const struct rig *rig, int pid)
{
	(void)rig;
	return cpus_of(pid) == 1;
}

static bool is_child_free(const struct rig *rig, int pid)
{
	(void)rig;
	return is_free(pid);
}

T_CASE(children_are_released)
{
	struct rig rig = { 0 };
	int there[2], back[2], report[2], a, b, child = 0;

	RIG_OPEN(&rig, .force = false);
	T_NEED(pipe(there) == 0 && pipe(back) == 0 && pipe(report) == 0);
	a = kid(&rig);
	if (a == 0) {
		signal(SIGUSR1, make_child);
		close(there[0]);
		close(back[1]);
		parent(back[0], there[1], report[1]);
		_exit(0);
	}
	b = kid(&rig);
	if (b == 0) {
		close(there[1]);
		close(back[0]);
		hand_on(there[0], back[1], false);
		_exit(0);
	}
	T_OK(run(&rig, has_noted, TACHO_NOTE_KEEP));
	T_OK(run(&rig, is_narrow, a));
	kill(a, SIGUSR1);
	T_NEED(read(report[0], &child, sizeof(child)) == sizeof(child));
	T_OK(run(&rig, is_child_free, child));
	T_OK(run(&rig, is_narrow, a));
	for (int i = 0; i < 2; i++) {
		close(there[i]);
		close(back[i]);
		close(report[i]);
	}
	rig_close(&rig);
}

T_CASE(who_dies_while_placed)
{
	struct rig rig = { 0 };
	int a, b;

	RIG_OPEN(&rig, .force = false);
	for (int i = 0; i < 3; i++) {
		T_NEED(pair_start(&rig, 0, &a, &b));
		T_OK(run(&rig, are_together, 0));
		kids_end(&rig);
	}
	(void)run_for(&rig, 0.5, NULL, 0);
	T_EQ(rig.error, 0);
	rig_close(&rig);
}

/* Two threads of one process. */
static int thread_pipe[2][2];

static void *thread(void *unused)
{
	(void)unused;
	hand_on(thread_pipe[0][0], thread_pipe[1][1], false);
	return NULL;
}

T_CASE(threads_that_talk_are_told_apart)
{
	struct rig rig = { 0 };
	int a;

	RIG_OPEN(&rig, .force = false);
	T_NEED(pipe(thread_pipe[0]) == 0 && pipe(thread_pipe[1]) == 0);
	a = kid(&rig);
	if (a == 0) {
		pthread_t other;

		pthread_create(&other, NULL, thread, NULL);
		hand_on(thread_pipe[1][0], thread_pipe[0][1], true);
		_exit(0);
	}
	T_OK(run(&rig, has_noted, TACHO_NOTE_SPLIT));
	T_OK(run(&rig, is_narrow, a));
	sched_end(&rig);
	T_OK(is_free(a));
	kids_end(&rig);
	for (int i = 0; i < 2; i++) {
		close(thread_pipe[i][0]);
		close(thread_pipe[i][1]);
	}
}

/* A hog and its like: nothing is to be won, nothing is done. */
T_CASE(hogs_stay_where_they_are)
{
	struct rig rig = { 0 };

	RIG_OPEN(&rig, .policy = "auto");
	for (int i = 0; i < 4; i++)
		if (kid(&rig) == 0)
			for (unsigned spin = 0;; spin++)
				__asm__("" : "+r"(spin));
	(void)run_for(&rig, 2, NULL, 0);
	T_EQ(rig.error, 0);
	for (unsigned i = 0; i < rig.nr_kids; i++)
		T_OK(is_free(rig.kids[i]));
	T_EQ(rig.notes[TACHO_NOTE_PLACE], 0);
	rig_close(&rig);
}

static bool are_off(const struct rig *rig, int arg)
{
	(void)arg;
	return !rig->sched->is_on;
}

/* Who had this number has ended. */
static bool has_no_domain(const struct rig *rig, int number)
{
	struct tacho_kernel_domain_info info;

	return tacho_kernel_domain(tacho_live_kernel(rig->sched->live), (uint32_t)number, &info) !=
	       0;
}

static bool has_domain(const struct rig *rig, int which)
{
	return tacho_kernel_task_domain(tacho_live_kernel(rig->sched->live), rig->kids[which]) !=
	       TACHO_NONE;
}

T_CASE(numbers_are_free_again_while_events_are_off)
{
	struct rig rig = { 0 };
	uint32_t domain;
	int a, b;

	/* whatever events cost is too much */
	RIG_OPEN(&rig, .policy = "observe", .budget = 1e-12);
	T_NEED(pair_start(&rig, 0, &a, &b));
	(void)run_for(&rig, 0.1, NULL, 0);
	T_NEED(run(&rig, are_off, 0));
	/* a pause that ends for no reason but its length */
	rig.sched->watch.period_ns = 60 * 1000000000ull;
	rig.sched->watch.saved = -1;
	if (kid(&rig) == 0)
		for (;;)
			pause();
	T_OK(run(&rig, has_domain, 2));
	domain = tacho_kernel_task_domain(tacho_live_kernel(rig.sched->live), rig.kids[2]);
	kill(rig.kids[2], SIGKILL);
	T_OK(run(&rig, has_no_domain, (int)domain));
	T_OK(!rig.sched->is_on);
	rig_close(&rig);
}

T_CASE(two_at_once)
{
	struct rig rig = { 0 };
	struct tacho_sched *second = NULL;
	struct tacho_sched_options options = { .policy = "observe" };
	char why[200] = "", number[16];

	RIG_OPEN(&rig, .force = false);
	options.ledger = rig.ledger;
	T_EQ(tacho_sched_open(&second, &options, why, sizeof(why)), -EBUSY);
	snprintf(number, sizeof(number), "%d", (int)getpid());
	T_OK(strstr(why, number) != NULL);
	printf("     refused: %s\n", why);
	rig_close(&rig);
}

T_MAIN
