/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_sched_bad.c: bad days of the scheduler: thousands of short lives, ten thousand threads,
 * policies that crash, loop and lie, and the end of the scheduler in the middle of it. Needs root,
 * eBPF and two CPUs; what must hold is that rounds go on or end with one line, and that everything
 * is as it was before.
 */
#include "sched_rig.h"

T_CASE(thousands_of_short_lives)
{
	struct rig rig = { 0 };
	struct tacho_sched_totals totals;
	int a, b;

	RIG_OPEN(&rig, .always = true);
	T_NEED(pair_start(&rig, 0, &a, &b));
	if (kid(&rig) == 0) {
		for (int i = 0; i < 5000; i++) {
			int pid = fork();

			if (pid == 0)
				_exit(0);
			waitpid(pid, NULL, 0);
		}
		_exit(0);
	}
	T_OK(!run_for(&rig, 3, has_noted, TACHO_NOTE_END));
	T_EQ(rig.error, 0);
	T_OK(run(&rig, has_noted, TACHO_NOTE_PLACE));
	tacho_sched_totals(rig.sched, &totals);
	T_OK(totals.rounds > 0);
	T_OK(totals.placed < 64);
	sched_end(&rig);
	T_OK(is_free(a) && is_free(b));
	kids_end(&rig);
}

T_CASE(ten_thousand_threads)
{
	struct rig rig = { 0 };
	int a, b;

	RIG_OPEN(&rig, .always = true);
	if (!pair_start(&rig, 10000, &a, &b)) {
		rig_close(&rig);
		T_SKIP("ten thousand threads cannot be made here");
	}
	T_OK(run(&rig, has_noted, TACHO_NOTE_SKIP));
	T_OK(strstr(rig.last[TACHO_NOTE_SKIP], "too many threads") != NULL);
	T_OK(is_free(a));
	rig_close(&rig);
}

T_CASE(a_thousand_threads)
{
	struct rig rig = { 0 };
	int a, b;

	RIG_OPEN(&rig, .always = true);
	T_NEED(pair_start(&rig, 1000, &a, &b));
	T_OK(run(&rig, has_noted, TACHO_NOTE_KEEP));
	T_OK(!is_free(a));
	sched_end(&rig);
	T_OK(is_free(a) && is_free(b));
	kids_end(&rig);
}

/* Makes a thread now and then from SIGUSR1 on, and many at once by SIGUSR2. */
static volatile sig_atomic_t makes_threads;
static int threads_made[2]; /* says that there are many */

enum { MANY = 1500, NOW_AND_THEN = 200 };

static void make_threads(int signal)
{
	makes_threads = signal;
}

static void *return_at_once(void *unused)
{
	return unused;
}

static void thread_make(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN + 16384);
	(void)pthread_create(&thread, &attr, return_at_once, NULL);
	pthread_attr_destroy(&attr);
}

/* Between two bytes: a thread of its own that waits for it would be another one to be told apart. */
static void maker(int in, int out)
{
	char byte = 0;

	for (unsigned i = 0; write(out, &byte, 1) == 1 && read(in, &byte, 1) == 1; i++) {
		if (makes_threads == SIGUSR1 && i % NOW_AND_THEN == 0)
			thread_make();
		if (makes_threads != SIGUSR2)
			continue;
		makes_threads = 0;
		threads_start(MANY);
		if (write(threads_made[1], "r", 1) != 1)
			return;
	}
}

static bool is_narrow(const struct rig *rig, int pid)
{
	(void)rig;
	return cpus_of(pid) == 1;
}

/* Two that talk and are placed; the first one can make threads. */
static int maker_start(struct rig *rig)
{
	int there[2], back[2], pid;

	T_OK(pipe(there) == 0 && pipe(back) == 0 && pipe(threads_made) == 0);
	pid = kid(rig);
	if (pid == 0) {
		signal(SIGUSR1, make_threads);
		signal(SIGUSR2, make_threads);
		maker(back[0], there[1]);
		_exit(0);
	}
	if (kid(rig) == 0) {
		hand_on(there[0], back[1], false);
		_exit(0);
	}
	T_OK(run(rig, is_narrow, pid));
	return pid;
}

static bool was_left(const struct rig *rig, int unused)
{
	(void)unused;
	return strstr(rig->last[TACHO_NOTE_RELEASE], "too many tasks") != NULL;
}

/* It is left, and held back for longer and longer. */
T_CASE(one_that_makes_threads_for_ever)
{
	struct rig rig = { 0 };
	unsigned left = 0;
	int pid;

	RIG_OPEN(&rig, .always = true);
	pid = maker_start(&rig);
	kill(pid, SIGUSR1);
	T_OK(run(&rig, was_left, 0));
	T_OK(is_free(pid));
	/* it may be placed again after 1, 3 and 7 seconds, and no more often */
	for (int i = 0; i < 65; i++) {
		rig.last[TACHO_NOTE_RELEASE][0] = '\0';
		left += run_for(&rig, 0.1, was_left, 0);
	}
	T_EQ(rig.error, 0);
	/* but who is looked at by thread meanwhile is somebody else, of whom nothing is known */
	T_OK(left <= 2 || rig.notes[TACHO_NOTE_SPLIT] > 0);
	rig_close(&rig);
}

/* More than is taken in one go; its maker is left at once, and they are all released. */
T_CASE(one_that_makes_many_threads_at_once)
{
	struct tacho_sched_totals before, after;
	struct rig rig = { 0 };
	char byte;
	int pid;

	RIG_OPEN(&rig, .always = true);
	pid = maker_start(&rig);
	tacho_sched_totals(rig.sched, &before);
	kill(pid, SIGUSR2);
	T_NEED(read(threads_made[0], &byte, 1) == 1);
	T_EQ(tacho_sched_round(rig.sched), 0);
	tacho_sched_totals(rig.sched, &after);
	T_OK(after.children - before.children > 1000);
	T_OK(after.children - before.children <= 1024);
	T_OK(was_left(&rig, 0));
	T_OK(is_free(pid));
	T_EQ(tacho_sched_round(rig.sched), 0);
	tacho_sched_totals(rig.sched, &after);
	T_OK(after.children - before.children >= MANY);
	rig_close(&rig);
}

static void policy_ends(const char *policy, unsigned limit_ms, int want)
{
	struct rig rig = { 0 };
	int a, b;

	RIG_OPEN(&rig, .policy = fixture(policy), .policy_ms = limit_ms, .always = true);
	T_NEED(pair_start(&rig, 0, &a, &b));
	T_OK(!run_for(&rig, WAIT_S, NULL, 0));
	T_EQ(rig.error, want);
	T_EQ(rig.notes[TACHO_NOTE_POLICY], 1);
	sched_end(&rig);
	T_OK(is_free(a) && is_free(b));
	kids_end(&rig);
}

T_CASE(a_policy_that_crashes)
{
	policy_ends("policy_crash", 0, -EPIPE);
}

T_CASE(a_policy_that_crashes_later)
{
	policy_ends("policy_crash_later", 0, -EPIPE);
}

T_CASE(a_policy_that_loops)
{
	policy_ends("policy_loop", 500, -ETIMEDOUT);
}

T_CASE(a_policy_that_leaves)
{
	policy_ends("policy_leave", 0, -EPIPE);
}

T_CASE(a_policy_that_talks_nonsense)
{
	struct rig rig = { 0 };
	int a, b;

	RIG_OPEN(&rig, .policy = fixture("policy_odd"), .always = true);
	T_NEED(pair_start(&rig, 0, &a, &b));
	T_OK(run(&rig, has_noted, TACHO_NOTE_POLICY));
	T_OK(strstr(rig.last[TACHO_NOTE_POLICY], "make no sense") != NULL);
	rig_close(&rig);
}

T_CASE(policies_that_are_none)
{
	static const char *const names[] = { "policy_no_symbol", "policy_other_abi",
					     "policy_constructor", "no_such_file" };
	struct rig rig = { 0 };

	if (geteuid() != 0)
		T_SKIP("needs root");
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct tacho_sched_options options = { .policy = fixture(names[i]) };

		T_OK(rig_try(&rig, &options) < 0);
		T_OK(access(rig.ledger, F_OK) != 0);
	}
}

T_MAIN
