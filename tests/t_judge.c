/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_judge.c: whether a move helped, by numbers.
 */
#include "sched/judge.h"
#include "t.h"

static struct tacho_progress progress(double bytes, double calls, double wakes, double service)
{
	return (struct tacho_progress){
		.seconds = 0.05, .bytes = bytes, .calls = calls, .wakes = wakes, .service = service
	};
}

static enum tacho_verdict verdict(const struct tacho_progress *before,
				  const struct tacho_progress *after, double lost)
{
	struct tacho_judgement judgement;

	tacho_judge(&judgement, before, after, lost, 0.05);
	return judgement.verdict;
}

T_CASE(bytes_say_more_than_wakeups)
{
	/* brought together they wake each other more often, and move less */
	const struct tacho_progress before = progress(1e6, 1e4, 5e3, 1.5);
	const struct tacho_progress after = progress(7e5, 9e3, 2e4, 1);
	struct tacho_judgement judgement;

	tacho_judge(&judgement, &before, &after, 0, 0.05);
	T_STREQ(judgement.measure, "bytes/s");
	T_EQ((int)judgement.verdict, (int)TACHO_HURT);
	T_OK(judgement.gain > -0.31 && judgement.gain < -0.29);
}

T_CASE(what_there_is_is_measured)
{
	const struct tacho_progress calls[2] = { progress(0, 1e4, 10, 1), progress(0, 2e4, 10, 1) };
	const struct tacho_progress wakes[2] = { progress(0, 0, 1e3, 1), progress(0, 0, 2e3, 1) };
	const struct tacho_progress service[2] = { progress(0, 0, 0, 0.5), progress(0, 0, 0, 1) };
	struct tacho_judgement judgement;

	tacho_judge(&judgement, &calls[0], &calls[1], 0, 0.05);
	T_STREQ(judgement.measure, "calls/s");
	tacho_judge(&judgement, &wakes[0], &wakes[1], 0, 0.05);
	T_STREQ(judgement.measure, "wake-ups/s");
	tacho_judge(&judgement, &service[0], &service[1], 0, 0.05);
	T_STREQ(judgement.measure, "CPU share");
	T_EQ((int)judgement.verdict, (int)TACHO_HELPED);
	/* nothing at all: no help, and no division */
	tacho_judge(&judgement, &(struct tacho_progress){ 0 }, &(struct tacho_progress){ 0 }, 0,
		    0.05);
	T_EQ((int)judgement.verdict, (int)TACHO_DID_NOT_HELP);
	T_OK(judgement.gain == 0);
}

T_CASE(a_gain_must_be_worth_it)
{
	const struct tacho_progress before = progress(1e6, 0, 0, 0.8);
	const struct tacho_progress little = progress(1.04e6, 0, 0, 0.8);
	const struct tacho_progress enough = progress(1.06e6, 0, 0, 0.8);
	const struct tacho_progress less = progress(0.5e6, 0, 0, 0.8);

	T_EQ((int)verdict(&before, &little, 0), (int)TACHO_DID_NOT_HELP);
	T_EQ((int)verdict(&before, &enough, 0), (int)TACHO_HELPED);
	T_EQ((int)verdict(&before, &less, 0), (int)TACHO_HURT);
}

/* A line in a log file, before or after, is not the work of those who wake each other all the time. */
T_CASE(bytes_beside_the_work_do_not_count)
{
	const struct tacho_progress quiet = progress(0, 0, 1e4, 1);
	const struct tacho_progress faster = progress(0, 0, 2e4, 1);
	const struct tacho_progress logs = progress(1.7e5, 40, 1e4, 1);
	const struct tacho_progress logs_faster = progress(1.6e4, 4, 2e4, 1);
	struct tacho_progress sent = progress(1e6, 0, 1e4, 1);
	struct tacho_judgement judgement;

	T_EQ((int)verdict(&logs, &faster, 0), (int)TACHO_HELPED);
	T_EQ((int)verdict(&logs, &logs_faster, 0), (int)TACHO_HELPED);
	T_EQ((int)verdict(&quiet, &logs, 0), (int)TACHO_DID_NOT_HELP);
	/* what sockets carry is work, whichever calls do it */
	sent.sockets = 1e6;
	tacho_judge(&judgement, &sent, &sent, 0, 0.05);
	T_STREQ(judgement.measure, "bytes/s");
}

T_CASE(others_count)
{
	const struct tacho_progress before = progress(1e6, 0, 0, 0.5);
	const struct tacho_progress after = progress(1.2e6, 0, 0, 0.5);
	const struct tacho_progress much = progress(10e6, 0, 0, 0.9);

	/* a fifth of half a CPU's work was won, and others lost 0.4 CPUs */
	T_EQ((int)verdict(&before, &after, 0.4), (int)TACHO_HURT_OTHERS);
	T_EQ((int)verdict(&before, &after, 0.05), (int)TACHO_HELPED);
	T_EQ((int)verdict(&before, &much, 0.4), (int)TACHO_HELPED);
	T_EQ((int)verdict(&before, &after, -0.4), (int)TACHO_HELPED);
}

T_CASE(measurements_are_weighted_by_their_time)
{
	struct tacho_progress sum = { 0 };

	tacho_progress_add(
		&sum,
		&(struct tacho_progress){
			.seconds = 0.01, .bytes = 100, .calls = 0, .wakes = 8, .service = 1 });
	tacho_progress_add(
		&sum,
		&(struct tacho_progress){
			.seconds = 0.03, .bytes = 200, .calls = 4, .wakes = 0, .service = 0 });
	tacho_progress_add(&sum, &(struct tacho_progress){ 0 });
	T_OK(sum.seconds > 0.0399 && sum.seconds < 0.0401);
	T_OK(sum.bytes > 174.9 && sum.bytes < 175.1);
	T_OK(sum.calls > 2.99 && sum.calls < 3.01);
	T_OK(sum.wakes > 1.99 && sum.wakes < 2.01);
	T_OK(sum.service > 0.249 && sum.service < 0.251);
}

T_MAIN
