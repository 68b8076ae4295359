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

#define ASKED	     2u /* decisions in a row that make a wish a move */
#define MISSING	     4u /* decisions in a row without it that end it */
#define MAX_TASKS    2048u /* of one domain: more of them would keep a round busy for long */
#define MAX_NODES    64u
#define SOME_TASKS   256u /* looked at in one go for what the user changed */
#define SECOND	     1000000000ull
#define MAX_CHILDREN 1024u /* taken in one go */
#define MAX_DOUBLES  9u /* of the second for which who makes too many of them is held back */
#define WAIT_NS	     (300 * TACHO_NS_PER_MS) /* longer than the longest measurement before a move */

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
	(void)tacho_kernel_tasks(kernel, domain, *tids, nr);
	return nr;
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

/* Whether it was the user's by then. */
static bool task_release(struct tacho_sched *sched, int tid)
{
	const bool is_users = tacho_ledger_release(sched->ledger, tid) > 0;

	(void)tacho_kernel_watch(tacho_live_kernel(sched->live), tid, false);
	return is_users;
}

/* The nice value that its domain shall have; what an earlier move gave it goes. */
static int task_nice(struct tacho_sched *sched, int tid, int nice)
{
	const struct tacho_ledger_entry *entry = tacho_ledger_find(sched->ledger, tid);

	if (nice == TACHO_NICE_KEEP && entry && entry->what & TACHO_CHANGED_NICE)
		nice = entry->before.nice;
	return nice == TACHO_NICE_KEEP ? 0 : tacho_ledger_nice(sched->ledger, tid, nice);
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
	if (!*error)
		*error = task_nice(sched, tid, member->nice);
	if (!*error)
		return NULL;
	/* half of it is nothing */
	(void)task_release(sched, tid);
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
		if (task_release(sched, tids[i]))
			unit->is_users = true;
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
	struct tacho_unit *unit = tacho_snapshot_unit(sched->snapshot, member->domain);
	const char *refused;
	uint32_t placed = 0;
	int *tids, error = 0;
	size_t nr = tasks_of(sched, member->domain, &tids);

	*why = !nr ? "it has no tasks" : nr > MAX_TASKS ? "it has too many threads" : NULL;
	for (size_t i = 0; i < nr && nr <= MAX_TASKS && error != -EEXIST; i++) {
		refused = task_place(sched, tids[i], member, &error);
		if (refused)
			*why = refused;
		else
			placed++;
	}
	free(tids);
	if (error == -EEXIST) {
		unit->is_users = true;
		(void)member_release(sched, member->domain);
		return 0;
	}
	if (placed)
		unit->placed = member->cpus;
	else
		(void)member_release(sched, member->domain); /* nothing of what it had is left */
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
		cpuset_move(sched, move, member);
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
			memory_move(sched, move, unit, move->members[i].node);
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
	return member_place(sched, member, &why) > 0;
}

void tacho_s_move_back(struct tacho_sched *sched, struct tacho_move *move, uint64_t seat_ns)
{
	move->state = TACHO_MOVE_KEPT;
	for (size_t i = move->nr; i-- > 0;) {
		if (member_back(sched, &move->members[i], seat_ns))
			continue;
		(void)member_release(sched, move->members[i].domain);
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
		note.nr_tasks = member_release(sched, move->members[i].domain);
		tacho_s_note(sched, &note, "%s may run as before: %s", unit->name, why);
	}
	move_free(move);
}

void tacho_s_move_suspend(struct tacho_sched *sched, struct tacho_move *move, const char *why)
{
	struct tacho_note note = { .kind = TACHO_NOTE_RELEASE, .move = move->number };

	for (size_t i = 0; i < move->nr; i++)
		note.nr_tasks += member_release(sched, move->members[i].domain);
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

static struct tacho_move *made_with(struct tacho_sched *sched, uint32_t domain)
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
	struct tacho_move *move = made_with(sched, wish->domain);
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
	int error;

	for (unsigned i = 0; i < SOME_TASKS; i++) {
		entry = tacho_ledger_next(sched->ledger, &sched->ledger_pos);
		if (!entry)
			return;
		domain =
			tacho_kernel_task_domain(tacho_live_kernel(sched->live), entry->before.tid);
		error = sched->world.task(sched->world.arg, entry->before.tid, &task);
		if (error == -ESRCH)
			(void)task_release(sched, entry->before.tid);
		if (error)
			continue;
		if (is_stray(sched, entry, &task, domain))
			(void)task_release(sched, task.tid);
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

/* --- children --------------------------------------------------------------------------------- */

/*
 * Whoever makes tasks all the time costs more while it is placed than it can win: it is left, and
 * every time for twice as long.
 */
static void hold_back(struct tacho_sched *sched, uint32_t domain)
{
	struct tacho_unit *unit = tacho_snapshot_unit(sched->snapshot, domain);
	unsigned doubles;
	uint64_t until_ns;

	if (!unit || !made_with(sched, domain))
		return;
	doubles = unit->fork_holds < MAX_DOUBLES ? unit->fork_holds : MAX_DOUBLES;
	until_ns = tacho_live_now() + (SECOND << doubles);
	if (until_ns > unit->hold_ns)
		unit->hold_ns = until_ns;
	unit->hold_rate = -1;
	unit->fork_holds++;
	tacho_s_moves_leave(sched, domain, "too many tasks are made");
}

static void forks_count(struct tacho_sched *sched, uint32_t domain)
{
	struct tacho_unit *unit = tacho_snapshot_unit(sched->snapshot, domain);
	const uint64_t now_ns = tacho_live_now();

	if (!unit)
		return;
	if (now_ns - unit->forked_ns > SECOND) {
		unit->forked_ns = now_ns;
		unit->forks = 0;
	}
	unit->forks++;
	if (unit->forks >= TACHO_MAX_FORKS)
		hold_back(sched, domain);
}

/* It executed, and has another number. Whether there is nothing else to be done. */
static bool child_renamed(struct tacho_sched *sched, const struct tacho_kernel_child *child)
{
	return tacho_ledger_rename(sched->ledger, child->parent, child->tid) != -ENOENT ||
	       child->ancestor == child->tid;
}

static void child(struct tacho_sched *sched, const struct tacho_kernel_child *child)
{
	struct tacho_kernel *kernel = tacho_live_kernel(sched->live);
	const uint32_t domain = tacho_kernel_task_domain(kernel, child->ancestor);
	const struct tacho_unit *unit = tacho_snapshot_unit(sched->snapshot, domain);
	struct tacho_note note = { .kind = TACHO_NOTE_CHILD, .pid = child->pid };
	int error;

	if (child->has_executed && child_renamed(sched, child))
		return;
	if (!child->has_executed)
		forks_count(sched, domain);
	if (child->has_ended)
		return;
	error = tacho_ledger_release_child(sched->ledger, child->ancestor, child->tid,
					   child->start);
	/* what it makes from now on is nothing of ours */
	(void)tacho_kernel_watch(kernel, child->tid, false);
	if (error)
		return;
	sched->totals.children++;
	note.tid = child->tid;
	note.nr_tasks = 1;
	tacho_s_note(sched, &note, "%s made task %d, which may run anywhere",
		     unit && unit->name[0] ? unit->name : "a placed task", child->tid);
}

void tacho_s_children(struct tacho_sched *sched)
{
	struct tacho_kernel *kernel = tacho_live_kernel(sched->live);
	const uint64_t untold = tacho_kernel_children_lost(kernel);
	struct tacho_kernel_child children[64];
	uint32_t last = TACHO_NONE;
	size_t nr, sum = 0;

	if (!sched->ledger)
		return;
	/* somebody may make them faster than this: there is an end to it, and to his placement */
	do {
		nr = tacho_kernel_children(kernel, children, 64);
		for (size_t i = 0; i < nr; i++)
			child(sched, &children[i]);
		if (nr)
			last = tacho_kernel_task_domain(kernel, children[nr - 1].ancestor);
		sum += nr;
	} while (nr == 64 && sum < MAX_CHILDREN);
	if (sum >= MAX_CHILDREN || (sum && untold != sched->untold_held))
		hold_back(sched, last);
	sched->untold_held = untold;
}
