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
