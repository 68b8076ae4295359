/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_sched.c: the scheduler on this machine, with processes that talk to each other.
 *
 * No time is asserted: what must happen is waited for, at most WAIT_S seconds; what must not happen
 * is looked for during a second or so. Needs root, eBPF and two CPUs.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sched/sched.h"
#include "t.h"

#define WAIT_S 8.0

struct rig {
	struct tacho_sched *sched;
	char ledger[64];
	unsigned notes[TACHO_NR_NOTES];
	int kids[16];
	unsigned nr_kids;
};

/* --- who is scheduled ------------------------------------------------------------------------- */

static cpu_set_t all;

static int cpus_of(int tid)
{
	cpu_set_t set;

	return sched_getaffinity(tid, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : -1;
}

static bool is_free(int tid)
{
	cpu_set_t set;

	return sched_getaffinity(tid, sizeof(set), &set) == 0 && CPU_EQUAL(&set, &all);
}

/* Hands every byte on, until the pipe is closed. begins: sends the first one. */
static void hand_on(int in, int out, bool begins)
{
	char byte = 0;

	if (begins && write(out, &byte, 1) != 1)
		return;
	while (read(in, &byte, 1) == 1 && write(out, &byte, 1) == 1)
		;
}

static int kid(struct rig *rig)
{
	int pid = fork();

	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	else if (pid > 0)
		rig->kids[rig->nr_kids++] = pid;
	return pid;
}

/* Two processes; *a begins. Both own the ends of both pipes that they need only. */
static void pair_start(struct rig *rig, int *a, int *b)
{
	int there[2], back[2];

	T_NEED(pipe(there) == 0 && pipe(back) == 0);
	*a = kid(rig);
	if (*a == 0) {
		close(there[0]);
		close(back[1]);
		hand_on(back[0], there[1], true);
		_exit(0);
	}
	*b = kid(rig);
	if (*b == 0) {
		close(there[1]);
		close(back[0]);
		hand_on(there[0], back[1], false);
		_exit(0);
	}
	close(there[0]);
	close(there[1]);
	close(back[0]);
	close(back[1]);
}

static void kids_end(struct rig *rig)
{
	for (unsigned i = 0; i < rig->nr_kids; i++) {
		kill(rig->kids[i], SIGKILL);
		waitpid(rig->kids[i], NULL, 0);
	}
	rig->nr_kids = 0;
}

/* --- the scheduler ---------------------------------------------------------------------------- */

static void note(void *arg, const struct tacho_note *note)
{
	struct rig *rig = arg;

	rig->notes[note->kind]++;
	printf("     %s: %s\n", tacho_note_names[note->kind], note->text);
}

/* The fixture beside this program. */
static const char *policy(void)
{
	static char path[512];
	ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 64);
	char *slash;

	path[size > 0 ? size : 0] = '\0';
	slash = strrchr(path, '/');
	snprintf(slash ? slash : path, 64, "/programs/flock.so");
	return path;
}

static void rig_open(struct rig *rig, const struct tacho_sched_options *more)
{
	struct tacho_sched_options options = *more;
	char why[200];
	int error;

	sched_getaffinity(0, sizeof(all), &all);
	if (geteuid() != 0)
		T_SKIP("needs root");
	if (CPU_COUNT(&all) < 2)
		T_SKIP("needs two CPUs");
	snprintf(rig->ledger, sizeof(rig->ledger), "/tmp/tacho-t_sched.%d", (int)getpid());
	options.ledger = rig->ledger;
	options.min_age_ms = 50;
	if (!options.policy) {
		/*
		 * places every pair, and nothing is taken back: what is tested is how, not whether
		 */
		options.policy = policy();
		options.min_gain = -1;
		options.policy_ms = 2000;
	}
	options.note = note;
	options.arg = rig;
	error = tacho_sched_open(&rig->sched, &options, why, sizeof(why));
	if (error == -EOPNOTSUPP || error == -EPERM)
		T_SKIP("%s", why);
	if (error)
		printf("     %s\n", why);
	T_EQ(error, 0);
}

/* More options may follow. */
#define RIG_OPEN(rig, ...)                                                                         \
	do {                                                                                       \
		rig_open(rig, &(struct tacho_sched_options){ __VA_ARGS__ });                       \
		if (!(rig)->sched)                                                                 \
			return;                                                                    \
	} while (0)

static void rig_close(struct rig *rig)
{
	tacho_sched_close(rig->sched, NULL);
	T_OK(access(rig->ledger, F_OK) != 0);
	kids_end(rig);
}

/* Rounds until the condition holds, or for so long. */
static bool run(struct rig *rig, double seconds, bool (*until)(const struct rig *rig, int arg),
		int arg)
{
	const uint64_t end = tacho_live_now() + (uint64_t)(seconds * 1e9);
	int error = 0;

	while (tacho_live_now() < end && !error) {
		if (until && until(rig, arg))
			return true;
		error = tacho_sched_round(rig->sched);
		if (!error)
			(void)tacho_sched_wait(rig->sched, -1);
	}
	if (error)
		printf("     %s\n", tacho_sched_error(rig->sched));
	T_EQ(error, 0);
	return until && until(rig, arg);
}

static bool are_together(const struct rig *rig, int first)
{
	cpu_set_t a, b;

	return sched_getaffinity(rig->kids[first], sizeof(a), &a) == 0 &&
	       sched_getaffinity(rig->kids[first + 1], sizeof(b), &b) == 0 && CPU_COUNT(&a) == 1 &&
	       CPU_EQUAL(&a, &b);
}

static bool has_noted(const struct rig *rig, int kind)
{
	return rig->notes[kind] > 0;
}

/* --- cases ------------------------------------------------------------------------------------ */

T_CASE(a_pair_comes_together)
{
	struct rig rig = { 0 };
	int a, b;

	RIG_OPEN(&rig, .always = true);
	pair_start(&rig, &a, &b);
	T_OK(run(&rig, WAIT_S, are_together, 0));
	T_OK(run(&rig, WAIT_S, has_noted, TACHO_NOTE_KEEP));
	T_OK(rig.notes[TACHO_NOTE_PLACE] >= 2);
	tacho_sched_close(rig.sched, NULL);
	T_OK(is_free(a) && is_free(b));
	T_OK(access(rig.ledger, F_OK) != 0);
	kids_end(&rig);
}

T_CASE(a_dry_run_does_nothing)
{
	struct rig rig = { 0 };
	int a, b;

	RIG_OPEN(&rig, .dry_run = true);
	pair_start(&rig, &a, &b);
	T_OK(run(&rig, WAIT_S, has_noted, TACHO_NOTE_PLACE));
	T_OK(is_free(a) && is_free(b));
	T_OK(access(rig.ledger, F_OK) != 0);
	rig_close(&rig);
}

T_CASE(who_has_an_affinity_is_left_alone)
{
	struct rig rig = { 0 };
	cpu_set_t one;
	int a, b;

	RIG_OPEN(&rig, .force = false);
	pair_start(&rig, &a, &b);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	T_EQ(sched_setaffinity(a, sizeof(one), &one), 0);
	CPU_ZERO(&one);
	CPU_SET(1, &one);
	T_EQ(sched_setaffinity(b, sizeof(one), &one), 0);
	T_OK(!run(&rig, 1.5, are_together, 0));
	T_EQ(cpus_of(a), 1);
	rig_close(&rig);
}

T_CASE(real_time_tasks_are_left_alone)
{
	const struct sched_param param = { .sched_priority = 1 };
	struct rig rig = { 0 };
	int a, b;

	RIG_OPEN(&rig, .force = false);
	pair_start(&rig, &a, &b);
	if (sched_setscheduler(a, SCHED_FIFO, &param) != 0) {
		rig_close(&rig);
		T_SKIP("no real-time priorities here");
	}
	(void)run(&rig, 1.5, are_together, 0);
	T_OK(is_free(a));
	rig_close(&rig);
}

T_CASE(what_the_user_changes_is_his)
{
	struct rig rig = { 0 };
	cpu_set_t mine;
	int a, b;

	RIG_OPEN(&rig, .force = false);
	pair_start(&rig, &a, &b);
	T_OK(run(&rig, WAIT_S, has_noted, TACHO_NOTE_KEEP));
	sched_getaffinity(a, sizeof(mine), &mine);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &all)) {
			/* the other one */
			if (CPU_ISSET(cpu, &mine))
				CPU_CLR(cpu, &mine);
			else
				CPU_SET(cpu, &mine);
		}
	T_EQ(sched_setaffinity(a, sizeof(mine), &mine), 0);
	T_OK(run(&rig, WAIT_S, has_noted, TACHO_NOTE_USER));
	(void)run(&rig, 0.5, NULL, 0);
	{
		cpu_set_t now;

		sched_getaffinity(a, sizeof(now), &now);
		T_OK(CPU_EQUAL(&now, &mine));
		tacho_sched_close(rig.sched, NULL);
		sched_getaffinity(a, sizeof(now), &now);
		T_OK(CPU_EQUAL(&now, &mine));
	}
	T_OK(is_free(b));
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
	T_OK(run(&rig, WAIT_S, has_noted, TACHO_NOTE_KEEP));
	T_EQ(cpus_of(a), 1);
	kill(a, SIGUSR1);
	T_NEED(read(report[0], &child, sizeof(child)) == sizeof(child));
	T_OK(run(&rig, WAIT_S, is_child_free, child));
	T_EQ(cpus_of(a), 1);
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
		pair_start(&rig, &a, &b);
		(void)run(&rig, WAIT_S, are_together, 0);
		kids_end(&rig);
	}
	(void)run(&rig, 0.5, NULL, 0);
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

static bool is_narrow(const struct rig *rig, int pid)
{
	(void)rig;
	return cpus_of(pid) == 1;
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
	T_OK(run(&rig, WAIT_S, has_noted, TACHO_NOTE_SPLIT));
	T_OK(run(&rig, WAIT_S, is_narrow, a));
	tacho_sched_close(rig.sched, NULL);
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
	(void)run(&rig, 2, NULL, 0);
	for (unsigned i = 0; i < rig.nr_kids; i++)
		T_OK(is_free(rig.kids[i]));
	T_EQ(rig.notes[TACHO_NOTE_PLACE], 0);
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
