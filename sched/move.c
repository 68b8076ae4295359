// SPDX-License-Identifier: BSD-2-Clause
/*
 * move.c: what a policy wishes becomes moves: made, kept, and undone.
 *
 * Owns sched->moves. A wish is made when it comes twice in a row; what is no longer wished for some
 * decisions is undone. What that means for tasks is place.c's; must not judge (trial.c). Called by
 * loop.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sched_internal.h"

#define ASKED	2u /* decisions in a row that make a wish a move */
#define MISSING 4u /* decisions in a row without it that end it */
#define WAIT_NS (300 * TACHO_NS_PER_MS) /* longer than the longest measurement before a move */

/* --- one move --------------------------------------------------------------------------------- */

static struct tacho_move *move_new(struct tacho_sched *sched, size_t nr)
{
	struct tacho_move *move = NULL;

	for (uint32_t i = 0; i < sched->nr_moves && !move; i++)
		if (sched->moves[i].state == TACHO_MOVE_FREE)
			move = &sched->moves[i];
	if (!move && sched->nr_moves < TACHO_MAX_MOVES)
		move = &sched->moves[sched->nr_moves++];
	if (!move)
		return NULL;
	*move = (struct tacho_move){ .number = ++sched->next_move };
	move->members = calloc(nr, sizeof(*move->members));
	move->work = calloc(nr, sizeof(*move->work));
	if (!move->members || !move->work) {
		free(move->members);
		free(move->work);
		*move = (struct tacho_move){ .state = TACHO_MOVE_FREE };
		return NULL;
	}
	move->state = TACHO_MOVE_WISHED;
	return move;
}

static void move_free(struct tacho_move *move)
{
	free(move->members);
	free(move->work);
	*move = (struct tacho_move){ .state = TACHO_MOVE_FREE };
}

static bool is_made(const struct tacho_move *move)
{
	return move->state == TACHO_MOVE_TRIED || move->state == TACHO_MOVE_KEPT;
}

static struct tacho_member *member_of(struct tacho_move *move, uint32_t domain)
{
	for (size_t i = 0; i < move->nr; i++)
		if (move->members[i].domain == domain)
			return &move->members[i];
	return NULL;
}

static void member_drop(struct tacho_move *move, struct tacho_member *member)
{
	const size_t i = (size_t)(member - move->members);

	/* what was measured was another group */
	move->before = move->after = (struct tacho_progress){ 0 };
	move->nr--;
	memmove(&move->members[i], &move->members[i + 1], (move->nr - i) * sizeof(*member));
	memmove(&move->work[i], &move->work[i + 1], (move->nr - i) * sizeof(*move->work));
	if (move->nr == 0)
		move_free(move);
}

/* The members of a new move are no longer in others; where they were is remembered. */
static void take_over(struct tacho_sched *sched, struct tacho_move *by)
{
	struct tacho_member *member;

	for (uint32_t i = 0; i < sched->nr_moves; i++) {
		struct tacho_move *move = &sched->moves[i];

		for (size_t k = 0; k < by->nr && move != by && is_made(move); k++) {
			member = member_of(move, by->members[k].domain);
			if (!member)
				continue;
			by->members[k].from = member->cpus;
			by->members[k].from_nice = member->nice;
			member_drop(move, member);
		}
	}
}

static void note_place(struct tacho_sched *sched, const struct tacho_move *move,
		       const struct tacho_member *member, uint32_t nr_tasks)
{
	const struct tacho_unit *unit = tacho_snapshot_unit(sched->snapshot, member->domain);
	struct tacho_note note = { .kind = TACHO_NOTE_PLACE };
	char cpus[64];

	tacho_s_note_unit(&note, unit);
	note.nr_tasks = nr_tasks;
	note.move = move->number;
	note.from = tacho_cpus_empty(&unit->placed) ? unit->allowed : unit->placed;
	note.to = member->cpus;
	note.fact_name = move->fact_name;
	note.fact = move->fact;
	note.threshold = move->threshold;
	tacho_s_note(sched, &note, "%s to CPU %s: %s", unit->name,
		     tacho_cpus_format(&note.to, cpus, sizeof(cpus)), move->reason);
}

static void note_nice(struct tacho_sched *sched, const struct tacho_move *move,
		      const struct tacho_member *member)
{
	const struct tacho_unit *unit = tacho_snapshot_unit(sched->snapshot, member->domain);
	struct tacho_note note = { .kind = TACHO_NOTE_NICE, .move = move->number };

	if (member->nice == TACHO_NICE_KEEP)
		return;
	tacho_s_note_unit(&note, unit);
	tacho_s_note(sched, &note, "%s has the nice value %d now", unit->name, member->nice);
}

static void note_skip(struct tacho_sched *sched, const struct tacho_move *move,
		      const struct tacho_unit *unit, const char *why)
{
	struct tacho_note note = { .kind = TACHO_NOTE_SKIP, .move = move->number };

	tacho_s_note_unit(&note, unit);
	sched->totals.skipped++;
	tacho_s_note(sched, &note, "%s stays where it is: %s", unit->name, why);
}

/* What comes with the CPUs. */
static void member_more(struct tacho_sched *sched, const struct tacho_move *move,
			const struct tacho_member *member)
{
	note_nice(sched, move, member);
	if (sched->ledger && member->cpuset[0])
		tacho_s_cpuset(sched, move, member);
}

/* A dry run only says it. */
static uint32_t member_make(struct tacho_sched *sched, const struct tacho_move *move,
			    const struct tacho_member *member)
{
	struct tacho_unit *unit = tacho_snapshot_unit(sched->snapshot, member->domain);
	const struct tacho_cpus before = unit->placed;
	const char *why = NULL;
	uint32_t placed = unit->nr_tasks;

	if (sched->ledger)
		placed = tacho_s_place(sched, member, &why);
	if (!placed) {
		note_skip(sched, move, unit, why ? why : "it has no tasks");
		tacho_s_hold(sched, unit, unit->wakes_in + unit->wakes_out);
		return 0;
	}
	unit->placed = before; /* as the note shows it */
	note_place(sched, move, member, placed);
	unit->placed = member->cpus;
	member_more(sched, move, member);
	return placed;
}

static bool is_judged(const struct tacho_sched *sched)
{
	const bool is_bind = tacho_runner_pid(sched->runner) <= 0 &&
			     strcmp(tacho_runner_name(sched->runner), "bind") == 0;

	return sched->ledger && !is_bind; /* what a person asked for by name is not judged */
}

static void move_make(struct tacho_sched *sched, struct tacho_move *move)
{
	uint32_t placed = 0;

	take_over(sched, move);
	for (size_t i = 0; i < move->nr; i++)
		placed += member_make(sched, move, &move->members[i]);
	if (!placed) {
		move_free(move);
		return;
	}
	sched->totals.moves++;
	move->state = is_judged(sched) ? TACHO_MOVE_TRIED : TACHO_MOVE_KEPT;
	if (move->state == TACHO_MOVE_KEPT)
		tacho_s_move_memory(sched, move);
	tacho_s_trial_begin(sched, move);
}

void tacho_s_move_memory(struct tacho_sched *sched, const struct tacho_move *move)
{
	const struct tacho_unit *unit;

	for (size_t i = 0; i < move->nr && sched->ledger; i++) {
		unit = tacho_snapshot_unit(sched->snapshot, move->members[i].domain);
		if (move->members[i].node != TACHO_POLICY_NONE)
			tacho_s_memory(sched, move, unit, move->members[i].node);
	}
}

size_t tacho_s_move_seats(const struct tacho_move *move)
{
	size_t seats = 0;

	for (size_t i = 0; i < move->nr; i++)
		seats += !tacho_cpus_empty(&move->members[i].from);
	return seats;
}

/* The place that it had before. Returns whether it has it. */
static bool member_back(struct tacho_sched *sched, struct tacho_member *member, uint64_t seat_ns)
{
	const char *why;

	if (tacho_cpus_empty(&member->from))
		return false;
	member->cpus = member->from;
	member->nice = member->from_nice;
	member->node = TACHO_POLICY_NONE;
	member->cpuset[0] = '\0';
	member->from = (struct tacho_cpus){ { 0 } };
	member->seat_ns = seat_ns;
	return tacho_s_place(sched, member, &why) > 0;
}

void tacho_s_move_back(struct tacho_sched *sched, struct tacho_move *move, uint64_t seat_ns)
{
	move->state = TACHO_MOVE_KEPT;
	for (size_t i = move->nr; i-- > 0;) {
		if (member_back(sched, &move->members[i], seat_ns))
			continue;
		(void)tacho_s_release(sched, move->members[i].domain);
		member_drop(move, &move->members[i]);
	}
}

/* All its members are free, and it is no more. */
static void move_undo(struct tacho_sched *sched, struct tacho_move *move, const char *why)
{
	struct tacho_note note;
	const struct tacho_unit *unit;

	for (size_t i = 0; i < move->nr && is_made(move); i++) {
		unit = tacho_snapshot_unit(sched->snapshot, move->members[i].domain);
		note = (struct tacho_note){ .kind = TACHO_NOTE_RELEASE, .move = move->number };
		tacho_s_note_unit(&note, unit);
		note.from = unit->placed;
		note.to = unit->allowed;
		note.nr_tasks = tacho_s_release(sched, move->members[i].domain);
		tacho_s_note(sched, &note, "%s may run as before: %s", unit->name, why);
	}
	move_free(move);
}

void tacho_s_move_suspend(struct tacho_sched *sched, struct tacho_move *move, const char *why)
{
	struct tacho_note note = { .kind = TACHO_NOTE_RELEASE, .move = move->number };

	for (size_t i = 0; i < move->nr; i++)
		note.nr_tasks += tacho_s_release(sched, move->members[i].domain);
	move->state = TACHO_MOVE_WISHED;
	move->asked = 0;
	tacho_s_note_unit(&note, tacho_snapshot_unit(sched->snapshot, move->members[0].domain));
	tacho_s_note(sched, &note, "move %u is suspended: %s, it is measured again without it",
		     move->number, why);
}

void tacho_s_moves_undo(struct tacho_sched *sched, const char *why)
{
	for (uint32_t i = 0; i < sched->nr_moves; i++)
		if (sched->moves[i].state != TACHO_MOVE_FREE)
			move_undo(sched, &sched->moves[i], why);
}

bool tacho_s_moves_wait(const struct tacho_sched *sched)
{
	const struct tacho_move *move;

	for (uint32_t i = 0; i < sched->nr_moves; i++) {
		move = &sched->moves[i];
		if (move->state == TACHO_MOVE_TRIED)
			return true;
		/* what is wished now and then and never made is not worth events that stay on */
		if (move->state == TACHO_MOVE_WISHED && sched->round_ns < move->since_ns + WAIT_NS)
			return true;
	}
	return false;
}

/* --- wishes ----------------------------------------------------------------------------------- */

struct tacho_move *tacho_s_made_with(struct tacho_sched *sched, uint32_t domain)
{
	for (uint32_t i = 0; i < sched->nr_moves; i++)
		if (is_made(&sched->moves[i]) && member_of(&sched->moves[i], domain))
			return &sched->moves[i];
	return NULL;
}

static bool is_same(const struct tacho_member *a, const struct tacho_member *b)
{
	return tacho_cpus_equal(&a->cpus, &b->cpus) && a->nice == b->nice && a->node == b->node &&
	       strcmp(a->cpuset, b->cpuset) == 0;
}

/* How many of these the move wishes for, too, with the same CPUs. */
static size_t in_common(struct tacho_move *move, const struct tacho_member *members, size_t nr)
{
	const struct tacho_member *member;
	size_t same = 0;

	for (size_t i = 0; i < nr; i++) {
		member = member_of(move, members[i].domain);
		same += member && is_same(member, &members[i]);
	}
	return same;
}

/* Only those stay that are wished for still. */
static void keep_common(struct tacho_move *move, const struct tacho_member *members, size_t nr)
{
	size_t k;

	for (size_t i = move->nr; i-- > 0;) {
		for (k = 0; k < nr; k++)
			if (members[k].domain == move->members[i].domain)
				break;
		if (k == nr)
			member_drop(move, &move->members[i]);
	}
}

/*
 * The wish for these that was not granted yet. A group whose edge trembles, with one member more or
 * less in every decision, is a wish for those that are always in it; the others join them later.
 */
static struct tacho_move *wished(struct tacho_sched *sched, const struct tacho_member *members,
				 size_t nr, uint32_t group)
{
	struct tacho_move *move;
	size_t same;

	for (uint32_t i = 0; i < sched->nr_moves; i++) {
		move = &sched->moves[i];
		if (move->state != TACHO_MOVE_WISHED)
			continue;
		same = in_common(move, members, nr);
		if (same == nr && same == move->nr)
			return move;
		if (move->group != group || same < 2 || same * 2 < nr || same * 2 < move->nr)
			continue;
		keep_common(move, members, nr);
		return move;
	}
	return NULL;
}

static void describe(struct tacho_move *move, const struct tacho_policy_place *place)
{
	move->fact = place->fact;
	move->threshold = place->threshold;
	memcpy(move->fact_name, place->fact_name, sizeof(move->fact_name));
	memcpy(move->reason, place->reason, sizeof(move->reason));
}

/* Without room for it, it stays a wish. */
static void wish_new(struct tacho_sched *sched, const struct tacho_member *members, size_t nr,
		     const struct tacho_policy_place *first)
{
	struct tacho_move *move = move_new(sched, nr);

	if (!move)
		return;
	memcpy(move->members, members, nr * sizeof(*members));
	move->nr = nr;
	move->group = first->group;
	move->asked = 1;
	move->is_wished = true;
	describe(move, first);
	tacho_s_trial_begin(sched, move);
}

/*
 * The made member that gives a domain just what is wished for, or that keeps its place for now;
 * NULL: there is none.
 */
static struct tacho_member *granted(struct tacho_sched *sched, const struct tacho_member *wish)
{
	struct tacho_move *move = tacho_s_made_with(sched, wish->domain);
	struct tacho_member *member = move ? member_of(move, wish->domain) : NULL;

	return member && (is_same(member, wish) || sched->round_ns < member->seat_ns) ? member
										      : NULL;
}

/*
 * One group of the plan. Those that have what is wished for stay as they are, also when others join
 * them: if the newcomers do not help, they go alone.
 */
static void wish(struct tacho_sched *sched, struct tacho_member *members, size_t nr,
		 const struct tacho_policy_place *first)
{
	struct tacho_member *member;
	struct tacho_move *move;
	size_t open = 0;

	for (size_t i = 0; i < nr; i++) {
		member = granted(sched, &members[i]);
		if (member)
			member->is_wished = true;
		else
			members[open++] = members[i];
	}
	if (open == 0)
		return;
	move = wished(sched, members, open, first->group);
	if (!move) {
		wish_new(sched, members, open, first);
		return;
	}
	move->is_wished = true;
	move->asked++;
	describe(move, first);
	if (move->asked >= ASKED && tacho_s_trial_is_measured(move))
		move_make(sched, move);
}

static int compare_group(const void *a, const void *b)
{
	const struct tacho_policy_place *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return (x->domain > y->domain) - (x->domain < y->domain);
}

/* Members of a kept move that nobody wishes for any more go, one by one. */
static void members_unwish(struct tacho_sched *sched, struct tacho_move *move)
{
	struct tacho_note note;
	const struct tacho_unit *unit;
	struct tacho_member *member;

	for (size_t i = move->nr; i-- > 0;) {
		member = &move->members[i];
		member->missing = member->is_wished ? 0 : member->missing + 1;
		if (member->missing < MISSING)
			continue;
		unit = tacho_snapshot_unit(sched->snapshot, member->domain);
		note = (struct tacho_note){ .kind = TACHO_NOTE_RELEASE, .move = move->number };
		tacho_s_note_unit(&note, unit);
		note.from = unit->placed;
		note.to = unit->allowed;
		note.nr_tasks = tacho_s_release(sched, member->domain);
		tacho_s_note(sched, &note,
			     "%s may run as before: there is nothing to be won any more",
			     unit->name);
		member_drop(move, member);
	}
}

/* What nobody wishes any more. A move that waits for its judgement gets it first. */
static void unwish(struct tacho_sched *sched)
{
	struct tacho_move *move;

	for (uint32_t i = 0; i < sched->nr_moves; i++) {
		move = &sched->moves[i];
		if (move->state == TACHO_MOVE_WISHED && !move->is_wished)
			move_free(move);
		else if (move->state == TACHO_MOVE_KEPT)
			members_unwish(sched, move);
	}
}

static struct tacho_member member_from(const struct tacho_policy_input *input,
				       const struct tacho_policy_place *place)
{
	struct tacho_member member = {
		.domain = input->domains[place->domain].id,
		.cpus = place->cpus,
		.nice = place->nice,
		.node = place->node,
	};

	memcpy(member.cpuset, place->cpuset, sizeof(member.cpuset));
	return member;
}

int tacho_s_moves_wish(struct tacho_sched *sched, const struct tacho_policy_input *input,
		       const struct tacho_policy_plan *plan)
{
	struct tacho_member *members = calloc(plan->nr + 1, sizeof(*members));
	struct tacho_policy_place *place = plan->place;
	size_t nr = 0;

	if (!members)
		return -ENOMEM;
	qsort(place, plan->nr, sizeof(*place), compare_group);
	for (uint32_t i = 0; i < sched->nr_moves; i++) {
		sched->moves[i].is_wished = false;
		for (size_t k = 0; k < sched->moves[i].nr; k++)
			sched->moves[i].members[k].is_wished = false;
	}
	for (uint32_t i = 0; i < plan->nr; i++) {
		members[nr++] = member_from(input, &place[i]);
		if (i + 1 < plan->nr && place[i + 1].group == place[i].group)
			continue;
		wish(sched, members, nr, &place[i + 1 - nr]);
		nr = 0;
	}
	free(members);
	unwish(sched);
	return 0;
}

/* --- now and then ----------------------------------------------------------------------------- */

void tacho_s_moves_tend(struct tacho_sched *sched)
{
	if (!sched->ledger)
		return;
	for (uint32_t i = 0; i < sched->nr_moves; i++)
		for (size_t k = 0; k < sched->moves[i].nr && is_made(&sched->moves[i]); k++)
			if (!tacho_s_place_new(sched, &sched->moves[i].members[k]))
				break; /* the move has changed */
	tacho_s_entries_tend(sched);
}

void tacho_s_moves_leave(struct tacho_sched *sched, uint32_t domain, const char *why)
{
	struct tacho_move *move = tacho_s_made_with(sched, domain);

	if (move)
		move_undo(sched, move, why);
	tacho_s_moves_forget(sched, domain);
}

void tacho_s_moves_forget(struct tacho_sched *sched, uint32_t domain)
{
	struct tacho_member *member;

	for (uint32_t i = 0; i < sched->nr_moves; i++) {
		member = sched->moves[i].state == TACHO_MOVE_FREE
				 ? NULL
				 : member_of(&sched->moves[i], domain);
		if (member)
			member_drop(&sched->moves[i], member);
	}
}
