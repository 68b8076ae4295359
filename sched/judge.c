// SPDX-License-Identifier: BSD-2-Clause
/*
 * judge.c: the arithmetic of judge.h.
 */
#include "judge.h"

/* Below that, a rate says nothing: other things are done beside the work. */
#define MIN_CALLS 200.0 /* per second */
#define MIN_BYTES 200.0
#define MIN_WAKES 50.0
/* Of the wake-ups: so many calls that move bytes make bytes, or calls, a measure of the work. */
#define MIN_SHARE 0.25
/* Less of their time than this is noise to others. */
#define MIN_LOST 0.1
/* So much less progress is harm, not a lack of help. */
#define HARM 0.9

const char *const tacho_verdict_names[] = {
	[TACHO_HELPED] = "helped",
	[TACHO_DID_NOT_HELP] = "did not help",
	[TACHO_HURT] = "made it worse",
	[TACHO_HURT_OTHERS] = "cost others more than it gave",
};

static double mean(double a, double a_seconds, double b, double b_seconds)
{
	return (a * a_seconds + b * b_seconds) / (a_seconds + b_seconds);
}

void tacho_progress_add(struct tacho_progress *progress, const struct tacho_progress *more)
{
	const double a = progress->seconds, b = more->seconds;

	if (!(b > 0))
		return;
	progress->bytes = mean(progress->bytes, a, more->bytes, b);
	progress->sockets = mean(progress->sockets, a, more->sockets, b);
	progress->calls = mean(progress->calls, a, more->calls, b);
	progress->wakes = mean(progress->wakes, a, more->wakes, b);
	progress->service = mean(progress->service, a, more->service, b);
	progress->seconds = a + b;
}

static bool both(double before, double after, double least)
{
	return before > least && after > least;
}

static bool either(double before, double after, double least)
{
	return before > least || after > least;
}

/* Whether what it reads and writes is what it does: a futex pair that logs now and then does not. */
static bool is_moving(const struct tacho_progress *progress)
{
	return progress->sockets > progress->bytes / 2 ||
	       progress->calls >= MIN_SHARE * progress->wakes;
}

/*
 * The measure that says most of what both sides have. What one side lacks is no measure of bytes or
 * calls: it happened to fall into one of two short times.
 */
static void choose(struct tacho_judgement *judgement, const struct tacho_progress *before,
		   const struct tacho_progress *after)
{
	const bool moves = is_moving(before) && is_moving(after);

	if (moves && both(before->bytes, after->bytes, MIN_BYTES)) {
		judgement->measure = "bytes/s";
		judgement->before = before->bytes;
		judgement->after = after->bytes;
	} else if (moves && both(before->calls, after->calls, MIN_CALLS)) {
		judgement->measure = "calls/s";
		judgement->before = before->calls;
		judgement->after = after->calls;
	} else if (either(before->wakes, after->wakes, MIN_WAKES)) {
		judgement->measure = "wake-ups/s";
		judgement->before = before->wakes;
		judgement->after = after->wakes;
	} else {
		judgement->measure = "CPU share";
		judgement->before = before->service;
		judgement->after = after->service;
	}
}

void tacho_judge(struct tacho_judgement *judgement, const struct tacho_progress *before,
		 const struct tacho_progress *after, double lost, double min_gain)
{
	double won;

	choose(judgement, before, after);
	if (judgement->before > 0)
		judgement->gain = judgement->after / judgement->before - 1;
	else
		judgement->gain = judgement->after > 0 ? 1 : 0;
	/* what those that were moved won, as a share of a CPU of the work that they did before */
	won = judgement->gain * (before->service > 0.05 ? before->service : 0.05);
	if (judgement->gain < HARM - 1 && judgement->gain < min_gain)
		judgement->verdict = TACHO_HURT;
	else if (judgement->gain < min_gain)
		judgement->verdict = TACHO_DID_NOT_HELP;
	else if (lost > MIN_LOST && lost > won)
		judgement->verdict = TACHO_HURT_OTHERS;
	else
		judgement->verdict = TACHO_HELPED;
}
