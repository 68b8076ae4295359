// SPDX-License-Identifier: BSD-2-Clause
/*
 * trial.c: moves are measured, and judged.
 *
 * Before a move is made its members' progress is measured for a round or more, afterwards again. A
 * large difference shows at once; a small one is measured once more, longer, first without the move
 * and then with it. What did not help is taken back, and its members are not moved for a time that
 * doubles with every failure. Called by loop.c once per interval; the arithmetic is in judge.c.
 */
#include <string.h>

#include "sched_internal.h"

#define BEFORE_S    0.015 /* the period, less what a round may be late */
#define AFTER_S	    0.05
#define LONG_S	    0.12 /* of either side, when the difference is small */
#define SMALL	    0.3
#define NOTHING	    0.1 /* less than that at first is not worth a second measurement */
#define SETTLE_NS   (15 * TACHO_NS_PER_MS) /* caches, and who was in the middle of something */
#define HOLD_NS	    1000000000ull /* after the first failure */
#define MAX_DOUBLES 9u

/* --- measuring -------------------------------------------------------------------------------- */

static void work_read(struct tacho_sched *sched, struct tacho_move *move, size_t i)
{
	const struct tacho_unit *unit =
		tacho_snapshot_unit(sched->snapshot, move->members[i].domain);
	struct tacho_world_work work = { 0 };

	move->work[i].time_ns = 0;
	if (sched->world.work(sched->world.arg, unit->pid, unit->tid, &work) != 0)
		return;
	move->work[i] = (struct tacho_work){ tacho_live_now(), work.bytes, work.calls };
}

void tacho_s_trial_begin(struct tacho_sched *sched, struct tacho_move *move)
{
	const struct tacho_unit *unit;

	move->since_ns = tacho_live_now();
	for (size_t i = 0; i < move->nr; i++) {
		work_read(sched, move, i);
		unit = tacho_snapshot_unit(sched->snapshot, move->members[i].domain);
		if (move->state == TACHO_MOVE_WISHED)
			move->members[i].rate = unit->wakes_in + unit->wakes_out;
	}
}

bool tacho_s_trial_is_measured(const struct tacho_move *move)
{
	return move->before.seconds >= (move->is_long ? LONG_S : BEFORE_S);
}

/* What the members did since the last look. */
static void measure(struct tacho_sched *sched, struct tacho_move *move,
		    struct tacho_progress *progress)
{
	struct tacho_facts *facts = tacho_live_facts(sched->live);
	struct tacho_progress now = { .seconds = (double)tacho_facts_wall_ns(facts) * 1e-9 };
	const struct tacho_facts_domain *domain;
	double seconds;

	if (!(now.seconds > 0))
		return;
	for (size_t i = 0; i < move->nr; i++) {
		const struct tacho_work then = move->work[i];

		domain = tacho_facts_domain(facts, move->members[i].domain);
		now.wakes += (double)domain->wakes_in / now.seconds;
		now.service += (double)domain->service_ns * 1e-9 / now.seconds;
		now.sockets +=
			(double)(domain->socket_bytes[0] + domain->socket_bytes[1]) / now.seconds;
		work_read(sched, move, i);
		/* another task is asked now: its counters are not the ones of before */
		if (!then.time_ns || !move->work[i].time_ns || move->work[i].bytes < then.bytes ||
		    move->work[i].calls < then.calls)
			continue;
		seconds = (double)(move->work[i].time_ns - then.time_ns) * 1e-9;
		now.bytes += (double)(move->work[i].bytes - then.bytes) / seconds;
		now.calls += (double)(move->work[i].calls - then.calls) / seconds;
	}
	now.bytes += now.sockets;
	tacho_progress_add(progress, &now);
}

/* What all others had: on CPUs, and waiting for one. */
static struct tacho_others others(struct tacho_sched *sched, const struct tacho_move *move)
{
	struct tacho_others others;
	const struct tacho_unit *unit;

	others = tacho_snapshot_all(sched->snapshot);
	for (size_t i = 0; i < move->nr; i++) {
		unit = tacho_snapshot_unit(sched->snapshot, move->members[i].domain);
		if (!unit->is_used)
			continue;
		others.service -= unit->service;
		others.wait -= unit->wait;
	}
	return others;
}

/*
 * The share of a CPU that others lost: they have less than before, and wait more. Who has less and
 * does not wait has less to do; who waits more and has the same was joined by others.
 */
static double lost(const struct tacho_others *before, const struct tacho_others *after)
{
	const double less = before->service - after->service, more = after->wait - before->wait;

	return less < more ? less : more;
}

/* --- judging ---------------------------------------------------------------------------------- */

static void note_verdict(struct tacho_sched *sched, struct tacho_move *move,
			 enum tacho_note_kind kind, const struct tacho_judgement *judgement)
{
	const struct tacho_unit *unit =
		tacho_snapshot_unit(sched->snapshot, move->members[0].domain);
	const bool was_free = tacho_cpus_empty(&move->members[0].from);
	const struct tacho_cpus before = was_free ? unit->allowed : move->members[0].from;
	struct tacho_note note = { .kind = kind, .move = move->number };

	tacho_s_note_unit(&note, unit);
	note.nr_tasks = (uint32_t)move->nr;
	note.to = kind == TACHO_NOTE_KEEP ? unit->placed : before;
	note.from = kind == TACHO_NOTE_KEEP ? before : unit->placed;
	note.progress = judgement->measure;
	note.before = judgement->before;
	note.after = judgement->after;
	note.fact_name = "gain";
	note.fact = judgement->gain;
	note.threshold = sched->options.min_gain;
	tacho_s_note(sched, &note, "move %u %s: %s %.4g before, %.4g after (%+.0f %%)",
		     move->number, tacho_verdict_names[judgement->verdict], judgement->measure,
		     judgement->before, judgement->after, judgement->gain * 100);
}

uint64_t tacho_s_later(unsigned failures)
{
	return tacho_live_now() + (HOLD_NS << (failures < MAX_DOUBLES ? failures : MAX_DOUBLES));
}

void tacho_s_hold(const struct tacho_sched *sched, struct tacho_unit *unit, double rate)
{
	unit->hold_ns = tacho_s_later(unit->bounces);
	unit->hold_rate = rate;
	if (++unit->bounces >= sched->options.max_bounces) {
		unit->hold_ns = tacho_s_later(MAX_DOUBLES);
		unit->hold_rate = -1;
	}
}

/*
 * Not again for a while, by each of its members. Those that have another place keep that one.
 * Returns until when.
 */
static uint64_t hold(struct tacho_sched *sched, const struct tacho_move *move)
{
	struct tacho_unit *unit;
	uint64_t seat_ns = 0, until;

	for (size_t i = 0; i < move->nr; i++) {
		unit = tacho_snapshot_unit(sched->snapshot, move->members[i].domain);
		if (tacho_cpus_empty(&move->members[i].from)) {
			tacho_s_hold(sched, unit, move->members[i].rate);
			continue;
		}
		until = tacho_s_later(unit->bounces++);
		seat_ns = until > seat_ns ? until : seat_ns;
	}
	return seat_ns;
}

/* Once more, longer: first as it was. */
static void again(struct tacho_sched *sched, struct tacho_move *move, const char *why)
{
	tacho_s_move_suspend(sched, move, why);
	move->is_long = true;
	move->before = move->after = (struct tacho_progress){ 0 };
	tacho_s_trial_begin(sched, move);
}

static void judge(struct tacho_sched *sched, struct tacho_move *move)
{
	const struct tacho_others now = others(sched, move);
	const size_t seats = tacho_s_move_seats(move);
	struct tacho_judgement judgement;

	tacho_judge(&judgement, &move->before, &move->after, lost(&move->others_before, &now),
		    sched->options.min_gain);
	if (!seats && !move->is_long && judgement.gain > NOTHING && judgement.gain < SMALL) {
		again(sched, move, "the difference was small");
		return;
	}
	/* another place instead of a good one is for the others: it must do no harm */
	if (judgement.verdict == TACHO_HELPED ||
	    (seats == move->nr && judgement.verdict == TACHO_DID_NOT_HELP)) {
		move->state = TACHO_MOVE_KEPT;
		move->since_ns = tacho_live_now();
		sched->totals.kept++;
		tacho_s_move_memory(sched, move);
		for (size_t i = 0; i < move->nr; i++)
			tacho_snapshot_unit(sched->snapshot, move->members[i].domain)->bounces = 0;
		note_verdict(sched, move, TACHO_NOTE_KEEP, &judgement);
		return;
	}
	sched->totals.taken_back++;
	note_verdict(sched, move, TACHO_NOTE_TAKE_BACK, &judgement);
	tacho_s_move_back(sched, move, hold(sched, move));
}

static void trial(struct tacho_sched *sched, struct tacho_move *move)
{
	if (move->state == TACHO_MOVE_WISHED) {
		measure(sched, move, &move->before);
		move->others_before = others(sched, move);
		return;
	}
	if (tacho_live_now() - move->since_ns <
	    SETTLE_NS + sched->options.period_ms * TACHO_NS_PER_MS) {
		/* the interval in which it was made says nothing */
		for (size_t i = 0; i < move->nr; i++)
			work_read(sched, move, i);
		return;
	}
	/* it lost a member: what was measured was another group */
	if (!(move->before.seconds > 0) && tacho_s_move_seats(move)) {
		tacho_s_move_back(sched, move, 0);
		return;
	}
	if (!(move->before.seconds > 0)) {
		again(sched, move, "one of its members has gone");
		return;
	}
	measure(sched, move, &move->after);
	if (move->after.seconds >= (move->is_long ? LONG_S : AFTER_S))
		judge(sched, move);
}

void tacho_s_trials(struct tacho_sched *sched)
{
	for (uint32_t i = 0; i < sched->nr_moves; i++)
		if (sched->moves[i].state == TACHO_MOVE_WISHED ||
		    sched->moves[i].state == TACHO_MOVE_TRIED)
			trial(sched, &sched->moves[i]);
}
