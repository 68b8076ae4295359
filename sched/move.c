// SPDX-License-Identifier: BSD-2-Clause
/*
 * move.c: what a policy wishes becomes moves: made, kept, and undone.
 *
 * Owns sched->moves and what is placed (tacho_unit.placed). A wish is made when it comes twice in a
 * row; what is no longer wished for some decisions is undone. The tasks of a domain are asked of
 * the kernel component; each is changed through the ledger, which knows how it was before. Must not
 * judge (trial.c). Called by loop.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sched_internal.h"

#define ASKED	   2u /* decisions in a row that make a wish a move */
#define MISSING	   4u /* decisions in a row without it that end it */
#define MAX_TASKS  2048u /* of one domain: more of them would keep a round busy for long */
#define MAX_NODES  64u
#define SOME_TASKS 256u /* looked at in one go for what the user changed */
#define SECOND	   1000000000ull

/* --- tasks of a domain ------------------------------------------------------------------------ */

/* free() the list. Returns how many. */
static size_t tasks_of(struct tacho_sched *sched, uint32_t domain, int **tids)
{
	struct tacho_kernel *kernel = tacho_live_kernel(sched->live);
	size_t nr = tacho_kernel_tasks(kernel, domain, NULL, 0);

	*tids = NULL;
	if (nr)
		*tids = calloc(nr, sizeof(**tids));
	if (!*tids)
		return 0;
	if (tacho_kernel_tasks(kernel, domain, *tids, nr) < nr)
		nr = tacho_kernel_tasks(kernel, domain, *tids, nr);
	return nr;
}

static bool is_none(const struct tacho_cpus *cpus)
{
	return tacho_cpus_next(cpus, 0) == TACHO_POLICY_NONE;
}

/* --- one task --------------------------------------------------------------------------------- */

/*
 * What is in the ledger for this very task, not for one that had its number before; NULL: nothing.
 */
static const struct tacho_ledger_entry *entry_of(const struct tacho_sched *sched,
						 const struct tacho_world_task *task)
{
	const struct tacho_ledger_entry *entry = tacho_ledger_find(sched->ledger, task->tid);

	return entry && entry->before.start == task->start ? entry : NULL;
}

/* Why a task is left as it is; NULL: it may be moved. */
static const char *why_not(struct tacho_sched *sched, int tid)
{
	struct tacho_world_task task;
	struct tacho_cpus all;

	if (sched->world.task(sched->world.arg, tid, &task) != 0)
		return "it is gone";
	if (entry_of(sched, &task))
		return NULL;
	if (tacho_is_realtime(task.policy))
		return "it is a real-time task";
	if (task.age_ms < sched->options.min_age_ms)
		return "it is too young";
	if (sched->options.force)
		return NULL;
	return tacho_is_fixed(&sched->world, &sched->topology.online, tid, &task.cpus, &all)
		       ? "somebody chose its CPUs"
		       : NULL;
}

static const char *refusal(int error)
{
	switch (error) {
	case -EINVAL:
		return "its cpuset forbids these CPUs";
	case -EEXIST:
		return "the user has changed its affinity";
	case -ENOSPC:
		return "too many tasks are placed";
	case -ESRCH:
		return "it is gone";
	default:
		return strerror(-error);
	}
}

static void task_release(struct tacho_sched *sched, int tid)
{
	(void)tacho_ledger_release(sched->ledger, tid);
	(void)tacho_kernel_watch(tacho_live_kernel(sched->live), tid, false);
}

/*
 * Give a task what its domain shall have. NULL, or why not. *error: of the change, if that was what
 * failed.
 */
static const char *task_place(struct tacho_sched *sched, int tid, const struct tacho_member *member,
			      int *error)
{
	const char *why = why_not(sched, tid);

	*error = 0;
	if (why)
		return why;
	/* before it is narrowed: a child that is made in between must not be missed */
	(void)tacho_kernel_watch(tacho_live_kernel(sched->live), tid, true);
	*error = tacho_ledger_cpus(sched->ledger, tid, &member->cpus, NULL);
	if (!*error && member->nice != TACHO_NICE_KEEP)
		*error = tacho_ledger_nice(sched->ledger, tid, member->nice);
	if (!*error)
		return NULL;
	/* half of it is nothing */
	task_release(sched, tid);
	return refusal(*error);
}

/* --- one domain ------------------------------------------------------------------------------- */

static uint32_t member_release(struct tacho_sched *sched, uint32_t domain)
{
	struct tacho_unit *unit = tacho_snapshot_unit(sched->snapshot, domain);
	uint32_t released = 0;
	int *tids;
	size_t nr;

	unit->placed = (struct tacho_cpus){ { 0 } };
	if (!sched->ledger)
		return 0;
	nr = tasks_of(sched, domain, &tids);
	for (size_t i = 0; i < nr; i++) {
		if (!tacho_ledger_find(sched->ledger, tids[i]))
			continue;
		task_release(sched, tids[i]);
		released++;
	}
	free(tids);
	return released;
}

/*
 * Somebody else changed what we had: from here on the domain is his, and what is left of ours is
 * undone.
 */
static void user_has(struct tacho_sched *sched, uint32_t domain, int tid)
{
	struct tacho_unit *unit = tacho_snapshot_unit(sched->snapshot, domain);
	struct tacho_note note = { .kind = TACHO_NOTE_USER, .nr_tasks = 1 };

	if (!unit)
		return;
	tacho_s_note_unit(&note, unit);
	note.tid = tid;
	note.from = unit->placed;
	unit->is_users = true;
	unit->checked_ns = 0;
	tacho_s_moves_forget(sched, domain);
	(void)member_release(sched, domain);
	tacho_s_note(sched, &note, "somebody else changed the CPUs of %s: it is left alone",
		     unit->name);
}

/* Pages of a process that are not on this node. */
static uint64_t elsewhere(struct tacho_sched *sched, int pid, uint32_t node)
{
	uint64_t pages[MAX_NODES] = { 0 }, sum = 0;

	if (sched->world.pages(sched->world.arg, pid, pages, MAX_NODES) != 0)
		return 0;
	for (uint32_t i = 0; i < MAX_NODES; i++)
		sum += i == node ? 0 : pages[i];
	return sum;
}

static void memory_move(struct tacho_sched *sched, const struct tacho_move *move,
			const struct tacho_unit *unit, uint32_t node)
{
	struct tacho_note note = { .kind = TACHO_NOTE_MEMORY, .move = move->number };
	struct tacho_world_task task;
	uint64_t before, left = 0;
	int error;

	/* memory is the process's, not a thread's */
	if (unit->tid || sched->world.task(sched->world.arg, unit->pid, &task) != 0)
		return;
	tacho_s_note_unit(&note, unit);
	before = elsewhere(sched, unit->pid, node);
	error = sched->world.memory(sched->world.arg, unit->pid, task.start, node, &left);
	left = elsewhere(sched, unit->pid, node);
	note.pages = before > left ? before - left : 0;
	sched->totals.pages += note.pages;
	if (error)
		tacho_s_note(sched, &note, "the memory of %s did not move to node %u: %s",
			     unit->name, node, strerror(-error));
	else
		tacho_s_note(sched, &note, "%llu pages of %s moved to node %u",
			     (unsigned long long)note.pages, unit->name, node);
}

static void cpuset_move(struct tacho_sched *sched, const struct tacho_move *move,
			const struct tacho_member *member)
{
	const struct tacho_unit *unit = tacho_snapshot_unit(sched->snapshot, member->domain);
	struct tacho_note note = { .kind = TACHO_NOTE_CPUSET, .move = move->number };
	int error = tacho_ledger_cpuset(sched->ledger, unit->pid, member->cpuset);

	tacho_s_note_unit(&note, unit);
	if (error)
		tacho_s_note(sched, &note, "%s does not go to the cpuset %s: %s", unit->name,
			     member->cpuset, strerror(-error));
	else
		tacho_s_note(sched, &note, "%s goes to the cpuset %s", unit->name, member->cpuset);
}

/* All tasks of a member. Returns how many were placed; *why: of the last that was not. */
static uint32_t member_place(struct tacho_sched *sched, const struct tacho_member *member,
			     const char **why)
{
	const char *refused;
	uint32_t placed = 0;
	int *tids, error;
	size_t nr = tasks_of(sched, member->domain, &tids);

	*why = !nr ? "it has no tasks" : nr > MAX_TASKS ? "it has too many threads" : NULL;
	for (size_t i = 0; i < nr && nr <= MAX_TASKS; i++) {
		refused = task_place(sched, tids[i], member, &error);
		if (refused)
			*why = refused;
		else
			placed++;
	}
	if (placed)
		tacho_snapshot_unit(sched->snapshot, member->domain)->placed = member->cpus;
	free(tids);
	return placed;
}

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

/* The members of a new move are no longer in others. */
static void take_over(struct tacho_sched *sched, const struct tacho_move *by)
{
	struct tacho_member *member;

	for (uint32_t i = 0; i < sched->nr_moves; i++) {
		struct tacho_move *move = &sched->moves[i];

		for (size_t k = 0; k < by->nr && move != by && is_made(move); k++) {
			member = member_of(move, by->members[k].domain);
			if (member)
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
	note.from = is_none(&unit->placed) ? unit->allowed : unit->placed;
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
	if (!sched->ledger)
		return;
	if (member->cpuset[0])
		cpuset_move(sched, move, member);
	if (member->node != TACHO_POLICY_NONE)
		memory_move(sched, move, tacho_snapshot_unit(sched->snapshot, member->domain),
			    member->node);
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
		placed = member_place(sched, member, &why);
	if (!placed) {
		note_skip(sched, move, unit, why ? why : "it has no tasks");
		unit->hold_ns = tacho_live_now() + SECOND;
		unit->hold_rate = unit->wakes_in + unit->wakes_out;
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
	tacho_s_trial_begin(sched, move);
}

void tacho_s_move_undo(struct tacho_sched *sched, struct tacho_move *move,
		       enum tacho_note_kind kind, const char *why)
{
	struct tacho_note note;
	const struct tacho_unit *unit;

	for (size_t i = 0; i < move->nr && is_made(move); i++) {
		unit = tacho_snapshot_unit(sched->snapshot, move->members[i].domain);
		note = (struct tacho_note){ .kind = kind, .move = move->number };
		tacho_s_note_unit(&note, unit);
		note.from = unit->placed;
		note.to = unit->allowed;
		note.nr_tasks = member_release(sched, move->members[i].domain);
		if (why)
			tacho_s_note(sched, &note, "%s may run as before: %s", unit->name, why);
	}
	move_free(move);
}

void tacho_s_move_suspend(struct tacho_sched *sched, struct tacho_move *move)
{
	struct tacho_note note = { .kind = TACHO_NOTE_RELEASE, .move = move->number };

	for (size_t i = 0; i < move->nr; i++)
		note.nr_tasks += member_release(sched, move->members[i].domain);
	move->state = TACHO_MOVE_WISHED;
	move->asked = 0;
	tacho_s_note_unit(&note, tacho_snapshot_unit(sched->snapshot, move->members[0].domain));
	tacho_s_note(
		sched, &note,
		"move %u is suspended: the difference was small, it is measured again without it",
		move->number);
}

void tacho_s_moves_undo(struct tacho_sched *sched, const char *why)
{
	for (uint32_t i = 0; i < sched->nr_moves; i++)
		if (sched->moves[i].state != TACHO_MOVE_FREE)
			tacho_s_move_undo(sched, &sched->moves[i], TACHO_NOTE_RELEASE, why);
}

bool tacho_s_moves_wait(const struct tacho_sched *sched)
{
	for (uint32_t i = 0; i < sched->nr_moves; i++)
		if (sched->moves[i].state == TACHO_MOVE_WISHED ||
		    sched->moves[i].state == TACHO_MOVE_TRIED)
			return true;
	return false;
}

/* --- wishes ----------------------------------------------------------------------------------- */

static struct tacho_move *made_with(struct tacho_sched *sched, uint32_t domain)
{
	for (uint32_t i = 0; i < sched->nr_moves; i++)
		if (is_made(&sched->moves[i]) && member_of(&sched->moves[i], domain))
			return &sched->moves[i];
	return NULL;
}

/* A wish for these members with these CPUs that was not granted yet. */
static struct tacho_move *wished(struct tacho_sched *sched, const struct tacho_member *members,
				 size_t nr)
{
	struct tacho_member *member;
	struct tacho_move *move;
	size_t same;

	for (uint32_t i = 0; i < sched->nr_moves; i++) {
		move = &sched->moves[i];
		if (move->state != TACHO_MOVE_WISHED || move->nr != nr)
			continue;
		for (same = 0; same < nr; same++) {
			member = member_of(move, members[same].domain);
			if (!member || !tacho_cpus_equal(&member->cpus, &members[same].cpus) ||
			    member->nice != members[same].nice ||
			    member->node != members[same].node)
				break;
		}
		if (same == nr)
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
	move->asked = 1;
	move->is_wished = true;
	describe(move, first);
	tacho_s_trial_begin(sched, move);
}

/* The made member that gives a domain just what is wished for; NULL: there is none. */
static struct tacho_member *granted(struct tacho_sched *sched, const struct tacho_member *wish)
{
	struct tacho_move *move = made_with(sched, wish->domain);
	struct tacho_member *member = move ? member_of(move, wish->domain) : NULL;
	const struct tacho_unit *unit = tacho_snapshot_unit(sched->snapshot, wish->domain);

	if (!member || !tacho_cpus_equal(&unit->placed, &wish->cpus) ||
	    member->nice != wish->nice || member->node != wish->node ||
	    strcmp(member->cpuset, wish->cpuset) != 0)
		return NULL;
	return member;
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
	move = wished(sched, members, open);
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
		note.nr_tasks = member_release(sched, member->domain);
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

/*
 * New threads of placed domains, and those that were too young. false: the domain is the user's
 * now.
 */
static bool member_tend(struct tacho_sched *sched, const struct tacho_member *member)
{
	const uint32_t domain = member->domain;
	int *tids, error = 0;
	size_t nr = tasks_of(sched, domain, &tids);

	for (size_t i = 0; i < nr && nr <= MAX_TASKS && error != -EEXIST; i++)
		if (!tacho_ledger_find(sched->ledger, tids[i]))
			(void)task_place(sched, tids[i], member, &error);
	free(tids);
	if (error == -EEXIST)
		user_has(sched, domain, 0);
	return error != -EEXIST;
}

/*
 * An entry of the ledger that no move speaks of: a child, a task that left its domain, a number
 * that was used again.
 */
static bool is_stray(struct tacho_sched *sched, const struct tacho_ledger_entry *entry,
		     const struct tacho_world_task *task, uint32_t domain)
{
	return task->start != entry->before.start || domain == TACHO_NONE ||
	       !made_with(sched, domain);
}

/* Some entries of the ledger at a time: strays go, what somebody else changed is his. */
static void entries_tend(struct tacho_sched *sched)
{
	const struct tacho_ledger_entry *entry;
	struct tacho_world_task task;
	uint32_t domain;

	for (unsigned i = 0; i < SOME_TASKS; i++) {
		entry = tacho_ledger_next(sched->ledger, &sched->ledger_pos);
		if (!entry)
			return;
		domain =
			tacho_kernel_task_domain(tacho_live_kernel(sched->live), entry->before.tid);
		if (sched->world.task(sched->world.arg, entry->before.tid, &task) != 0)
			continue; /* it is gone; the ledger finds that out itself */
		if (is_stray(sched, entry, &task, domain))
			task_release(sched, task.tid);
		else if (entry->what & TACHO_CHANGED_CPUS &&
			 !tacho_cpus_equal(&task.cpus, &entry->set) &&
			 tacho_ledger_cpus(sched->ledger, task.tid, &entry->set, NULL) == -EEXIST)
			user_has(sched, domain, task.tid);
	}
}

void tacho_s_moves_tend(struct tacho_sched *sched)
{
	if (!sched->ledger)
		return;
	for (uint32_t i = 0; i < sched->nr_moves; i++)
		for (size_t k = 0; k < sched->moves[i].nr && is_made(&sched->moves[i]); k++)
			if (!member_tend(sched, &sched->moves[i].members[k]))
				break; /* the move has changed */
	entries_tend(sched);
}

void tacho_s_moves_leave(struct tacho_sched *sched, uint32_t domain, const char *why)
{
	struct tacho_move *move = made_with(sched, domain);

	if (move)
		tacho_s_move_undo(sched, move, TACHO_NOTE_RELEASE, why);
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

/* --- children --------------------------------------------------------------------------------- */

static void child(struct tacho_sched *sched, const struct tacho_kernel_child *child)
{
	struct tacho_kernel *kernel = tacho_live_kernel(sched->live);
	const uint32_t domain = tacho_kernel_task_domain(kernel, child->parent);
	struct tacho_unit *unit = tacho_snapshot_unit(sched->snapshot, domain);
	struct tacho_note note = { .kind = TACHO_NOTE_CHILD, .pid = child->pid };
	const uint64_t now_ns = tacho_live_now();

	if (tacho_ledger_inherit(sched->ledger, child->parent, child->tid) != 0 ||
	    tacho_ledger_release(sched->ledger, child->tid) != 0)
		return;
	sched->totals.children++;
	if (unit && unit->pid != child->pid) {
		if (now_ns - unit->forked_ns > SECOND) {
			unit->forked_ns = now_ns;
			unit->forks = 0;
		}
		unit->forks++;
	}
	note.tid = child->tid;
	note.nr_tasks = 1;
	tacho_s_note(sched, &note, "%s made task %d, which may run anywhere",
		     unit && unit->name[0] ? unit->name : "a placed task", child->tid);
}

void tacho_s_children(struct tacho_sched *sched)
{
	struct tacho_kernel_child children[64];
	size_t nr;

	do {
		nr = tacho_kernel_children(tacho_live_kernel(sched->live), children, 64);
		for (size_t i = 0; i < nr && sched->ledger; i++)
			child(sched, &children[i]);
	} while (nr == 64);
}
