// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_clock.c: the clock source, its choice, and how its units become nanoseconds.
 */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"
#include "t.h"

static uint64_t convert(const struct tacho_i_clock *clock, uint64_t t)
{
	unsigned __int128 product = (unsigned __int128)(t - clock->base) * clock->mult;

	return clock->base_ns + (uint64_t)(product >> clock->shift);
}

/* Run in a child, because the choice is made once per process. Returns its exit status. */
static int in_child(int (*run)(void))
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(run());
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status)
									       : -1;
}

static int source_forced(void)
{
	setenv("TACHO_CLOCK", "monotonic", 1);
	return tacho_i_clock_source();
}

static int source_of_this_machine(void)
{
	unsetenv("TACHO_CLOCK");
	return tacho_i_clock_source();
}

static int source_with_another_word(void)
{
	setenv("TACHO_CLOCK", "sundial", 1);
	return tacho_i_clock_source();
}

/* Reading the counter would kill the child: it must not be tried. */
static int source_without_tsc(void)
{
	unsetenv("TACHO_CLOCK");
	if (prctl(PR_SET_TSC, PR_TSC_SIGSEGV) != 0)
		return TACHO_SOURCE_MONOTONIC;
	if (tacho_i_clock_check(TACHO_SOURCE_TSC) != -EOPNOTSUPP)
		return 100;
	return tacho_i_clock_source();
}

/* First in the file: nothing may have asked for the source yet, or the children would know it. */
T_CASE(the_choice)
{
	int own = in_child(source_of_this_machine);

	T_EQ(in_child(source_forced), TACHO_SOURCE_MONOTONIC);
	T_EQ(in_child(source_without_tsc), TACHO_SOURCE_MONOTONIC);
	T_EQ(in_child(source_with_another_word), own);
	T_OK(own == TACHO_SOURCE_TSC || own == TACHO_SOURCE_MONOTONIC);
#if !defined(__x86_64__)
	T_EQ(own, TACHO_SOURCE_MONOTONIC);
#endif
}

T_CASE(the_choice_stays)
{
	enum tacho_clock_source source = tacho_i_clock_source();

	setenv("TACHO_CLOCK", source == TACHO_SOURCE_TSC ? "monotonic" : "tsc", 1);
	T_EQ(tacho_i_clock_source(), source);
	unsetenv("TACHO_CLOCK");
}

T_CASE(what_cannot_be_read)
{
	struct tacho_i_clock clock;

	T_EQ(tacho_i_clock_check(0), -EOPNOTSUPP);
	T_EQ(tacho_i_clock_check(3), -EOPNOTSUPP);
	T_EQ(tacho_i_clock_calibrate(7, &clock), -EOPNOTSUPP);
	T_EQ(tacho_i_clock_check(TACHO_SOURCE_MONOTONIC), 0);
	T_EQ(tacho_i_clock_check(tacho_i_clock_source()), 0);
}

T_CASE(time_does_not_go_back)
{
	for (uint32_t source = TACHO_SOURCE_TSC; source <= TACHO_SOURCE_MONOTONIC; source++) {
		uint64_t before, now;

		if (tacho_i_clock_check(source) != 0)
			continue;
		before = tacho_i_clock_read(source);
		for (int i = 0; i < 100000; i++, before = now) {
			now = tacho_i_clock_read(source);
			if (now < before)
				T_FAIL("source %u went back by %llu", source,
				       (unsigned long long)(before - now));
		}
	}
}

T_CASE(monotonic_is_itself)
{
	struct tacho_i_clock clock;
	uint64_t t;

	T_EQ(tacho_i_clock_calibrate(TACHO_SOURCE_MONOTONIC, &clock), 0);
	t = tacho_i_clock_read(TACHO_SOURCE_MONOTONIC);
	T_EQ(convert(&clock, t), t);
	T_EQ(tacho_i_clock_refine(TACHO_SOURCE_MONOTONIC, &clock), 1);
}

/* How far the conversion is off, with the moment between two looks at the real clock. */
static void compare(const struct tacho_i_clock *clock, uint64_t ppm)
{
	uint64_t before = t_now_ns();
	uint64_t ns = convert(clock, tacho_i_clock_read(TACHO_SOURCE_TSC));
	uint64_t after = t_now_ns();
	/* what the slope may be off by now, and the two readings of the calibration */
	uint64_t slack = (after - clock->base_ns) / 1000000 * ppm + 100000;

	if (ns + slack < before || ns > after + slack)
		T_FAIL("%lld ns off, %llu are allowed, %llu ms behind the base",
		       (long long)(ns - before), (unsigned long long)slack,
		       (unsigned long long)(after - clock->base_ns) / 1000000);
}

T_CASE(tsc_becomes_ns)
{
	struct timespec nap = { 0, 50000000 };
	struct tacho_i_clock clock;

	if (tacho_i_clock_check(TACHO_SOURCE_TSC) != 0)
		T_SKIP("no time-stamp counter that counts at one rate");
	T_NEED(tacho_i_clock_calibrate(TACHO_SOURCE_TSC, &clock) == 0);
	T_OK(clock.shift < 64);
	compare(&clock, 1000);
	for (int i = 0; i < 4; i++) {
		nanosleep(&nap, NULL);
		clock.mult = tacho_i_clock_refine(TACHO_SOURCE_TSC, &clock);
		compare(&clock, 100);
	}
}

T_CASE(refining_repairs_small_errors_only)
{
	struct timespec nap = { 0, 20000000 };
	struct tacho_i_clock clock;
	uint64_t good, mult;

	if (tacho_i_clock_check(TACHO_SOURCE_TSC) != 0)
		T_SKIP("no time-stamp counter that counts at one rate");
	T_NEED(tacho_i_clock_calibrate(TACHO_SOURCE_TSC, &clock) == 0);
	good = clock.mult;
	nanosleep(&nap, NULL);
	clock.mult = good + good / 5000; /* 200 ppm: a measurement */
	mult = clock.mult;
	for (int i = 0; i < 1000 && mult == clock.mult; i++)
		mult = tacho_i_clock_refine(TACHO_SOURCE_TSC, &clock);
	T_OK(mult < clock.mult);
	clock.mult = good / 2; /* a suspend in between: the line through both ends is no clock */
	T_EQ(tacho_i_clock_refine(TACHO_SOURCE_TSC, &clock), good / 2);
	clock.mult = good;
	clock.base = tacho_i_clock_read(TACHO_SOURCE_TSC) + (1ull << 40); /* not yet */
	T_EQ(tacho_i_clock_refine(TACHO_SOURCE_TSC, &clock), good);
	clock.shift = 200;
	T_EQ(tacho_i_clock_refine(TACHO_SOURCE_TSC, &clock), good);
}

T_MAIN
