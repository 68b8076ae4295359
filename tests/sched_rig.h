/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sched_rig.h: the scheduler on this machine, for its tests: a session, children that talk to each
 * other, and what is told of them.
 *
 *	struct rig rig = { 0 };
 *
 *	RIG_OPEN(&rig, .dry_run = true);	skips the case without privileges, eBPF or two CPUs
 *	pair_start(&rig, 0, &a, &b);
 *	T_OK(run(&rig, has_noted, TACHO_NOTE_PLACE));
 *	rig_close(&rig);
 *
 * No time is asserted: what must happen is waited for, at most WAIT_S seconds. Nobody else's
 * process matters: the policy (programs/flock.c) places none but those of a test, and only notes of
 * children, and those of nobody in particular, are counted.
 */
#ifndef TACHO_TESTS_SCHED_RIG_H
#define TACHO_TESTS_SCHED_RIG_H

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sched/sched.h"
#include "t.h"

#define WAIT_S 60.0

struct rig {
	struct tacho_sched *sched;
	char ledger[64];
	unsigned notes[TACHO_NR_NOTES];
	char last[TACHO_NR_NOTES][256]; /* texts */
	int kids[16];
	unsigned nr_kids;
	int error; /* of the round that failed */
};

/* --- children --------------------------------------------------------------------------------- */

static cpu_set_t all;

static inline int cpus_of(int tid)
{
	cpu_set_t set;

	return sched_getaffinity(tid, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : -1;
}

static inline bool is_free(int tid)
{
	cpu_set_t set;

	return sched_getaffinity(tid, sizeof(set), &set) == 0 && CPU_EQUAL(&set, &all);
}

/* Hands every byte on, until the pipe is closed. begins: sends the first one. */
static inline void hand_on(int in, int out, bool begins)
{
	char byte = 0;

	if (begins && write(out, &byte, 1) != 1)
		return;
	while (read(in, &byte, 1) == 1 && write(out, &byte, 1) == 1)
		;
}

static inline int kid(struct rig *rig)
{
	int pid = fork();

	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	else if (pid > 0)
		rig->kids[rig->nr_kids++] = pid;
	return pid;
}

static inline void *sleep_long(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static inline void threads_start(unsigned nr)
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

/* Makes its threads, says that it has them, and talks. */
static inline void kid_run(unsigned threads, int ready, int in, int out)
{
	threads_start(threads);
	if (write(ready, "r", 1) != 1)
		_exit(1);
	hand_on(in, out, true);
	_exit(0);
}

/*
 * Two processes that talk, which have the ends of the pipes only that they need; *a begins, and has
 * so many sleeping threads beside. False: they could not be made.
 */
static inline bool pair_start(struct rig *rig, unsigned threads, int *a, int *b)
{
	int there[2], back[2], ready[2];
	char byte;
	bool good;

	if (!T_OK(pipe(there) == 0 && pipe(back) == 0 && pipe(ready) == 0))
		return false;
	*a = kid(rig);
	if (*a == 0) {
		close(there[0]);
		close(back[1]);
		close(ready[0]);
		kid_run(threads, ready[1], back[0], there[1]);
	}
	*b = kid(rig);
	if (*b == 0) {
		close(there[1]);
		close(back[0]);
		close(ready[0]);
		close(ready[1]);
		hand_on(there[0], back[1], false);
		_exit(0);
	}
	close(ready[1]);
	for (int i = 0; i < 2; i++) {
		close(there[i]);
		close(back[i]);
	}
	good = read(ready[0], &byte, 1) == 1;
	close(ready[0]);
	return good;
}

static inline void kids_end(struct rig *rig)
{
	for (unsigned i = 0; i < rig->nr_kids; i++) {
		kill(rig->kids[i], SIGKILL);
		waitpid(rig->kids[i], NULL, 0);
	}
	rig->nr_kids = 0;
}

/* --- the scheduler ---------------------------------------------------------------------------- */

static inline bool is_of_kid(const struct rig *rig, int pid)
{
	for (unsigned i = 0; i < rig->nr_kids; i++)
		if (rig->kids[i] == pid)
			return true;
	return pid <= 0; /* of nobody in particular */
}

static inline void rig_note(void *arg, const struct tacho_note *note)
{
	struct rig *rig = arg;
	const bool counts = is_of_kid(rig, note->pid);

	if (counts)
		snprintf(rig->last[note->kind], sizeof(rig->last[0]), "%s", note->text);
	if (counts && rig->notes[note->kind]++ < 5)
		printf("     %s: %s\n", tacho_note_names[note->kind], note->text);
}

/* A policy that was built beside this program. */
static inline const char *fixture(const char *name)
{
	static char path[512];
	ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 64);
	char *slash;

	path[size > 0 ? size : 0] = '\0';
	slash = strrchr(path, '/');
	snprintf(slash ? slash : path, 64, "/programs/%s.so", name);
	return path;
}

static inline int rig_try(struct rig *rig, const struct tacho_sched_options *more)
{
	struct tacho_sched_options options = *more;
	char why[200];
	int error;

	sched_getaffinity(0, sizeof(all), &all);
	snprintf(rig->ledger, sizeof(rig->ledger), "/tmp/tacho-sched_rig.%d", (int)getpid());
	options.ledger = rig->ledger;
	options.min_age_ms = 50;
	if (!options.policy)
		options.policy = fixture("flock");
	/* of a foreign policy what it asks for is done: what is tested is how, not whether */
	if (strchr(options.policy, '/') && options.min_gain == 0)
		options.min_gain = -1;
	if (!options.policy_ms)
		options.policy_ms = 5000;
	options.note = rig_note;
	options.arg = rig;
	error = tacho_sched_open(&rig->sched, &options, why, sizeof(why));
	if (error)
		printf("     %s\n", why);
	return error;
}

static inline void rig_open(struct rig *rig, const struct tacho_sched_options *options)
{
	int error;

	sched_getaffinity(0, sizeof(all), &all);
	if (geteuid() != 0)
		T_SKIP("needs root");
	if (CPU_COUNT(&all) < 2)
		T_SKIP("needs two CPUs");
	error = rig_try(rig, options);
	if (error == -EOPNOTSUPP || error == -EPERM)
		T_SKIP("needs eBPF");
	T_EQ(error, 0);
}

/* More options may follow. */
#define RIG_OPEN(rig, ...)                                                                         \
	do {                                                                                       \
		rig_open(rig, &(struct tacho_sched_options){ __VA_ARGS__ });                       \
		if (!(rig)->sched)                                                                 \
			return;                                                                    \
	} while (0)

/* The scheduler ends, the children go on; everything is as it was. */
static inline void sched_end(struct rig *rig)
{
	tacho_sched_close(rig->sched, NULL);
	rig->sched = NULL;
	T_OK(access(rig->ledger, F_OK) != 0);
}

static inline void rig_close(struct rig *rig)
{
	sched_end(rig);
	kids_end(rig);
}

/* Rounds for so long, or until one fails, or the condition holds: then true. */
static inline bool run_for(struct rig *rig, double seconds,
			   bool (*until)(const struct rig *rig, int arg), int arg)
{
	const uint64_t end = tacho_live_now() + (uint64_t)(seconds * 1e9);

	while (tacho_live_now() < end && !rig->error) {
		if (until && until(rig, arg))
			return true;
		rig->error = tacho_sched_round(rig->sched);
		if (!rig->error)
			(void)tacho_sched_wait(rig->sched, -1);
	}
	if (rig->error)
		printf("     ended: %s\n", tacho_sched_error(rig->sched));
	return until && until(rig, arg);
}

/* Whether the condition comes true, and no round fails until then. */
static inline bool run(struct rig *rig, bool (*until)(const struct rig *rig, int arg), int arg)
{
	bool good = run_for(rig, WAIT_S, until, arg);

	T_EQ(rig->error, 0);
	return good;
}

static inline bool has_noted(const struct rig *rig, int kind)
{
	return rig->notes[kind] > 0;
}

#endif /* TACHO_TESTS_SCHED_RIG_H */
