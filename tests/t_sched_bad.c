/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_sched_bad.c: bad days of the scheduler: thousands of short lives, ten thousand threads,
 * policies that crash, loop and lie, and the end of the scheduler in the middle of it. Needs root
 * and eBPF; what must hold is that rounds go on or end with one line, and that everything is as it
 * was before.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sched/sched.h"
#include "t.h"

struct rig {
	struct tacho_sched *sched;
	char ledger[64];
	unsigned notes[TACHO_NR_NOTES];
	char last[256];
	int kids[8];
	unsigned nr_kids;
};

static cpu_set_t all;

static bool is_free(int tid)
{
	cpu_set_t set;

	return sched_getaffinity(tid, sizeof(set), &set) == 0 && CPU_EQUAL(&set, &all);
}

static void note(void *arg, const struct tacho_note *note)
{
	struct rig *rig = arg;

	if (rig->notes[note->kind]++ < 5)
		printf("     %s: %s\n", tacho_note_names[note->kind], note->text);
	if (note->kind == TACHO_NOTE_POLICY || note->kind == TACHO_NOTE_SKIP)
		snprintf(rig->last, sizeof(rig->last), "%s", note->text);
}

/* A fixture beside this program. */
static const char *fixture(const char *name)
{
	static char path[512];
	ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 64);
	char *slash;

	path[size > 0 ? size : 0] = '\0';
	slash = strrchr(path, '/');
	snprintf(slash ? slash : path, 64, "/programs/%s.so", name);
	return path;
}

static int rig_open(struct rig *rig, const char *policy)
{
	struct tacho_sched_options options = {
		.policy = fixture(policy),
		.min_age_ms = 50,
		.min_gain = -1,
		.policy_ms = strstr(policy, "loop") ? 500 : 5000,
		.always = true,
		.note = note,
		.arg = rig,
	};
	char why[200];
	int error;

	*rig = (struct rig){ .sched = NULL };
	sched_getaffinity(0, sizeof(all), &all);
	snprintf(rig->ledger, sizeof(rig->ledger), "/tmp/tacho-t_sched_bad.%d", (int)getpid());
	options.ledger = rig->ledger;
	error = tacho_sched_open(&rig->sched, &options, why, sizeof(why));
	if (error)
		printf("     %s\n", why);
	return error;
}

#define RIG_OPEN(rig, policy)                                                                      \
	do {                                                                                       \
		int rig_error;                                                                     \
                                                                                                   \
		if (geteuid() != 0)                                                                \
			T_SKIP("needs root");                                                      \
		rig_error = rig_open(rig, policy);                                                 \
		if (rig_error == -EOPNOTSUPP || rig_error == -EPERM)                               \
			T_SKIP("eBPF is needed");                                                  \
		T_NEED(rig_error == 0);                                                            \
	} while (0)

static void rig_close(struct rig *rig)
{
	tacho_sched_close(rig->sched, NULL);
	T_OK(access(rig->ledger, F_OK) != 0);
	for (unsigned i = 0; i < rig->nr_kids; i++) {
		kill(rig->kids[i], SIGKILL);
		waitpid(rig->kids[i], NULL, 0);
	}
}

/* Rounds for so long, or until one fails: then its error. */
static int run(struct rig *rig, double seconds, enum tacho_note_kind until)
{
	const uint64_t end = tacho_live_now() + (uint64_t)(seconds * 1e9);
	int error = 0;

	while (tacho_live_now() < end && !error && !rig->notes[until]) {
		error = tacho_sched_round(rig->sched);
		if (!error)
			(void)tacho_sched_wait(rig->sched, -1);
	}
	if (error)
		printf("     ended: %s\n", tacho_sched_error(rig->sched));
	return error;
}

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

static void *sleep_long(void *unused)
{
	poll(NULL, 0, 120000);
	return unused;
}

static void threads_start(unsigned nr)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN + 16384);
	for (unsigned i = 0; i < nr; i++)
		if (pthread_create(&thread, &attr, sleep_long, NULL) != 0)
			_exit(3);
	pthread_attr_destroy(&attr);
}

/* Two that talk; the first one has so many threads beside. *ready: it has them. */
static void pair_start(struct rig *rig, unsigned threads, int *ready)
{
	int there[2], back[2], report[2];

	T_NEED(pipe(there) == 0 && pipe(back) == 0 && pipe(report) == 0);
	if (kid(rig) == 0) {
		threads_start(threads);
		if (write(report[1], "r", 1) != 1)
			_exit(1);
		hand_on(back[0], there[1], true);
		_exit(0);
	}
	if (kid(rig) == 0) {
		hand_on(there[0], back[1], false);
		_exit(0);
	}
	*ready = report[0];
	close(report[1]);
	for (int i = 0; i < 2; i++) {
		close(there[i]);
		close(back[i]);
	}
}

T_CASE(thousands_of_short_lives)
{
	struct rig rig;
	struct tacho_sched_totals totals;
	int storm, ready;

	RIG_OPEN(&rig, "flock");
	pair_start(&rig, 0, &ready);
	storm = kid(&rig);
	if (storm == 0) {
		for (int i = 0; i < 5000; i++) {
			int pid = fork();

			if (pid == 0)
				_exit(0);
			waitpid(pid, NULL, 0);
		}
		_exit(0);
	}
	T_EQ(run(&rig, 3, TACHO_NOTE_END), 0);
	tacho_sched_totals(rig.sched, &totals);
	T_OK(totals.rounds > 0);
	T_OK(totals.placed < 64);
	close(ready);
	rig_close(&rig);
}

T_CASE(ten_thousand_threads)
{
	struct rig rig;
	int ready;
	char byte;

	RIG_OPEN(&rig, "flock");
	pair_start(&rig, 10000, &ready);
	if (read(ready, &byte, 1) != 1) {
		rig_close(&rig);
		close(ready);
		T_SKIP("ten thousand threads cannot be made here");
	}
	T_EQ(run(&rig, 20, TACHO_NOTE_SKIP), 0);
	T_OK(strstr(rig.last, "too many threads") != NULL);
	T_OK(is_free(rig.kids[0]));
	close(ready);
	rig_close(&rig);
}

T_CASE(a_thousand_threads)
{
	struct rig rig;
	int ready;
	char byte;

	RIG_OPEN(&rig, "flock");
	pair_start(&rig, 1000, &ready);
	T_NEED(read(ready, &byte, 1) == 1);
	T_EQ(run(&rig, 20, TACHO_NOTE_KEEP), 0);
	T_OK(!is_free(rig.kids[0]));
	tacho_sched_close(rig.sched, NULL);
	T_OK(is_free(rig.kids[0]) && is_free(rig.kids[1]));
	rig.sched = NULL;
	close(ready);
	rig_close(&rig);
}

static void policy_ends(const char *policy, int want)
{
	struct rig rig;
	int ready;

	RIG_OPEN(&rig, policy);
	pair_start(&rig, 0, &ready);
	T_EQ(run(&rig, 20, TACHO_NOTE_END), want);
	T_EQ(rig.notes[TACHO_NOTE_POLICY], 1);
	tacho_sched_close(rig.sched, NULL);
	T_OK(is_free(rig.kids[0]) && is_free(rig.kids[1]));
	rig.sched = NULL;
	close(ready);
	rig_close(&rig);
}

T_CASE(a_policy_that_crashes)
{
	policy_ends("policy_crash", -EPIPE);
}

T_CASE(a_policy_that_crashes_later)
{
	policy_ends("policy_crash_later", -EPIPE);
}

T_CASE(a_policy_that_loops)
{
	policy_ends("policy_loop", -ETIMEDOUT);
}

T_CASE(a_policy_that_leaves)
{
	policy_ends("policy_leave", -EPIPE);
}

T_CASE(a_policy_that_talks_nonsense)
{
	struct rig rig;
	int ready;

	RIG_OPEN(&rig, "policy_odd");
	pair_start(&rig, 0, &ready);
	T_EQ(run(&rig, 10, TACHO_NOTE_POLICY), 0);
	T_OK(strstr(rig.last, "make no sense") != NULL);
	close(ready);
	rig_close(&rig);
}

T_CASE(policies_that_are_none)
{
	static const char *const names[] = { "policy_no_symbol", "policy_other_abi",
					     "policy_constructor", "no_such_file" };
	struct rig rig;

	if (geteuid() != 0)
		T_SKIP("needs root");
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		T_OK(rig_open(&rig, names[i]) < 0);
		T_OK(access(rig.ledger, F_OK) != 0);
	}
}

T_MAIN
