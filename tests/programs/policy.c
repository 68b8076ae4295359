// SPDX-License-Identifier: BSD-2-Clause
/*
 * policy.c: a policy that behaves well, or badly in one way: -DKIND=CRASH and so on.
 *
 * The good one counts its calls in its state, and says in each placement how many there were.
 */
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tacho/policy.h>

enum kind {
	GOOD,
	CRASH, /* in a decision */
	CRASH_LATER, /* in the third one */
	LOOP,
	SLEEP,
	LEAVE, /* exit() */
	HUGE_NR, /* more placements than there is room */
	ODD, /* placements that make no sense */
	WRITES, /* into its input */
	OTHER_ABI,
	NO_DECIDE,
	BAD_NAME,
	CONSTRUCTOR, /* crashes when it is loaded */
	LEAVES_EARLY, /* exits when it is loaded */
	DEAF, /* blocks all signals, and forks */
};

#ifndef NO_SYMBOL

struct memory {
	unsigned calls, starts;
};

/* Descriptors that are open, but for the one that looks. */
static unsigned open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned nr = 0;

	while (dir && readdir(dir))
		nr++;
	if (dir)
		closedir(dir);
	return nr - 3; /* . and .. */
}

static void start(void *state, const struct tacho_policy_input *input)
{
	struct memory *memory = state;

	memory->starts += input->nr_cpus;
}

static void odd(const struct tacho_policy_input *input, struct tacho_policy_plan *plan)
{
	struct tacho_cpus cpus = tacho_cpus_one(input->cpus[0].id), none = { { 0 } };
	struct tacho_policy_place *place;

	tacho_plan_add(plan, input->nr_domains + 7, &cpus, 0, "no such domain");
	tacho_plan_add(plan, 0, &none, 0, "no CPU");
	place = tacho_plan_add(plan, 0, &cpus, 0, "no end");
	memset(place->reason, 'x', sizeof(place->reason));
	memset(place->fact_name, 'y', sizeof(place->fact_name));
	tacho_plan_add(plan, 0, &cpus, 0, "twice");
	tacho_plan_add(plan, 1, &cpus, 0, "not nice")->nice = 99;
}

static int forked; /* a child that would stay for ever */

static void misbehave(const struct memory *memory, const struct tacho_policy_input *input,
		      struct tacho_policy_plan *plan)
{
	struct tacho_policy_place *place;
	struct tacho_cpus cpus;

	switch (KIND) {
	case CRASH_LATER:
		if (memory->calls < 3)
			break;
		raise(SIGSEGV);
		break;
	case CRASH:
		raise(SIGSEGV);
		break;
	case LOOP:
		for (;;)
			*(unsigned *)(void *)memory += 1;
	case SLEEP:
		for (;;)
			pause();
	case LEAVE:
		exit(3);
	case HUGE_NR:
		plan->nr = 0x7fffffff;
		break;
	case ODD:
		odd(input, plan);
		break;
	case DEAF:
		cpus = tacho_cpus_one(input->cpus[0].id);
		place = tacho_plan_add(plan, 0, &cpus, 0, "its child");
		if (place)
			place->fact = forked;
		break;
	case WRITES:
		memset((void *)(size_t)input->domains, 0, 1);
		break;
	default:
		break;
	}
}

static void decide(void *state, const struct tacho_policy_input *input,
		   struct tacho_policy_plan *plan)
{
	struct memory *memory = state;
	struct tacho_policy_place *place;
	struct tacho_cpus cpus;

	memory->calls++;
	if (KIND != GOOD) {
		misbehave(memory, input, plan);
		return;
	}
	cpus = tacho_cpus_one(input->cpus[memory->calls % input->nr_cpus].id);
	place = tacho_plan_add(plan, memory->calls % input->nr_domains, &cpus, memory->starts,
			       "call %u, metric %s", memory->calls, input->metric);
	if (place) {
		place->fact = input->domains[0].service;
		place->threshold = open_files();
	}
}

const struct tacho_policy tacho_policy = {
	KIND == OTHER_ABI ? TACHO_POLICY_ABI + 1 : TACHO_POLICY_ABI,
	KIND == BAD_NAME ? "a name that is longer than it should be, and\033[2J more" : "good",
	"a policy of the tests",
	start,
	KIND == NO_DECIDE ? NULL : decide,
};

static __attribute__((constructor)) void loaded(void)
{
	sigset_t all;

	if (KIND == CONSTRUCTOR)
		raise(SIGABRT);
	if (KIND == LEAVES_EARLY)
		exit(0);
	if (KIND == DEAF) {
		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
		forked = fork();
		while (!forked)
			pause();
	}
}

#endif
