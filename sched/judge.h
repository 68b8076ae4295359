/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * judge.h: did it help? The arithmetic of a judgement, without clock or files.
 *
 * A move is judged by the progress of those that were moved: a rate, measured before and after.
 * Bytes say more than wake-ups: who is brought together wakes more often for the same work. Where
 * nobody moves bytes it is wake-ups, and where nobody is woken it is time on a CPU. What others
 * lost counts against it.
 */
#ifndef TACHO_SCHED_JUDGE_H
#define TACHO_SCHED_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

/* Counters of a member, at one moment. */
struct tacho_work {
	uint64_t time_ns;
	uint64_t bytes, calls; /* of /proc/TID/io */
};

/* What some domains did in some time: sums over the members. */
struct tacho_progress {
	double seconds; /* 0: not measured */
	double bytes; /* read and written, and by sockets: per second */
	double calls; /* that read and wrote: per second */
	double wakes; /* of members by others: per second */
	double service; /* shares of a CPU */
	double sockets; /* of the bytes, those that events of sockets told of */
};

/* Add what was measured in `seconds` to what was measured before. */
void tacho_progress_add(struct tacho_progress *progress, const struct tacho_progress *more);

enum tacho_verdict { TACHO_HELPED, TACHO_DID_NOT_HELP, TACHO_HURT, TACHO_HURT_OTHERS };
extern const char *const tacho_verdict_names[];

struct tacho_judgement {
	enum tacho_verdict verdict;
	const char *measure; /* "bytes/s", "calls/s", "wake-ups/s", "CPU share" */
	double before, after; /* in that measure */
	double gain; /* after / before - 1 */
};

/*
 * lost: the share of a CPU that all others got less than before (negative: more). min_gain: less
 * than that is no help.
 */
void tacho_judge(struct tacho_judgement *judgement, const struct tacho_progress *before,
		 const struct tacho_progress *after, double lost, double min_gain);

#endif /* TACHO_SCHED_JUDGE_H */
