// SPDX-License-Identifier: BSD-2-Clause
/*
 * split.c: which processes are looked at by thread.
 *
 * Wake-ups inside a domain are no events, so a process whose threads hand work to each other looks
 * as if nobody woke it: its tasks are woken more often than others wake it. Such a process is
 * looked at by thread; if its threads turn out not to be partners of each other, or fall silent, as
 * a whole again. Called by loop.c once per interval.
 */
#include <string.h>

#include "sched_internal.h"

#define MIN_SERVICE 0.05
#define MOST	    0.5 /* of its wake-ups; the others are by timers, devices, other domains */
#define LOOK_NS	    1000000000ull /* so long it is looked at by thread at least */
#define QUIET_NS    10000000000ull /* after so long without partners it is one domain again */
#define MAX_SPLITS  64u

static struct tacho_split *split_of(struct tacho_sched *sched, int pid)
{
	for (uint32_t i = 0; i < sched->nr_splits; i++)
		if (sched->splits[i].pid == pid)
			return &sched->splits[i];
	return NULL;
}

static void note_split(struct tacho_sched *sched, const struct tacho_policy_domain *domain, bool on,
		       double rate)
{
	struct tacho_note note = { .kind = TACHO_NOTE_SPLIT, .pid = domain->pid };

	memcpy(note.name, domain->name, sizeof(note.name));
	note.nr_tasks = domain->nr_tasks;
	note.fact_name = "wake-ups/s inside";
	note.fact = rate;
	note.threshold = sched->tuning.min_rate;
	if (on)
		tacho_s_note(
			sched, &note,
			"%s is looked at by thread: its own threads wake each other %.0f times a second",
			domain->name, rate);
	else
		tacho_s_note(sched, &note, "process %d is one domain again", domain->pid);
}

/*
 * Its first thread keeps the number of the process, which means something else from here on. What
 * was taken back stays held back.
 */
static int rebind(struct tacho_sched *sched, int pid, uint32_t domain, bool by_thread)
{
	struct tacho_unit *unit = tacho_snapshot_unit(sched->snapshot, domain), held;
	int error;

	tacho_s_moves_leave(sched, domain, "its process is looked at in another way");
	error = tacho_kernel_split(tacho_live_kernel(sched->live), pid, by_thread);
	if (error || !unit)
		return error;
	held = *unit;
	tacho_facts_forget(tacho_live_facts(sched->live), domain);
	tacho_snapshot_forget(sched->snapshot, domain);
	unit->hold_ns = held.hold_ns;
	unit->hold_rate = held.hold_rate;
	unit->bounces = held.bounces;
	return 0;
}

static void consider(struct tacho_sched *sched, const struct tacho_policy_domain *domain)
{
	const double inside = domain->waits - domain->wakes_in;
	struct tacho_split *split;

	/* where somebody said where it shall run, there is nothing to find out */
	if (domain->tid || domain->pid <= 0 || domain->nr_tasks < 2 ||
	    domain->flags & (TACHO_D_SYSTEM | TACHO_D_FIXED | TACHO_D_LAUNCHED) ||
	    domain->service < MIN_SERVICE || inside < MOST * domain->waits ||
	    inside * sched->tuning.wake_cost < sched->tuning.min_gain)
		return;
	split = split_of(sched, domain->pid);
	if (split && sched->round_ns < split->next_ns)
		return;
	if (!split) {
		if (sched->nr_splits == MAX_SPLITS)
			return;
		split = &sched->splits[sched->nr_splits++];
		*split = (struct tacho_split){ .pid = domain->pid, .hold_ns = QUIET_NS };
	}
	split->next_ns = sched->round_ns + split->hold_ns;
	if (rebind(sched, domain->pid, domain->id, true) != 0)
		return;
	tacho_watch_busy(&sched->watch, sched->round_ns); /* so that its threads are seen */
	split->is_on = true;
	split->since_ns = split->active_ns = sched->round_ns;
	note_split(sched, domain, true, inside);
}

/* Partners that are threads of one process: that is what it was split for. */
static void partners(struct tacho_sched *sched, const struct tacho_policy_input *input)
{
	const struct tacho_policy_domain *a, *b;
	struct tacho_split *split;

	for (uint32_t i = 0; i < input->nr_pairs; i++) {
		a = &input->domains[input->pairs[i].a];
		b = &input->domains[input->pairs[i].b];
		if (a->pid != b->pid || !a->tid || input->pairs[i].rate < sched->tuning.min_rate)
			continue;
		split = split_of(sched, a->pid);
		if (split)
			split->active_ns = sched->round_ns;
	}
}

static void mend(struct tacho_sched *sched, struct tacho_split *split)
{
	struct tacho_policy_domain domain = { .pid = split->pid };
	const uint64_t limit = split->active_ns == split->since_ns ? LOOK_NS : QUIET_NS;

	if (sched->round_ns - split->active_ns < limit)
		return;
	/* in vain: the next time later */
	if (split->active_ns == split->since_ns)
		split->hold_ns *= 2;
	split->is_on = false;
	split->next_ns = sched->round_ns + split->hold_ns;
	if (rebind(sched, split->pid,
		   tacho_kernel_task_domain(tacho_live_kernel(sched->live), split->pid),
		   false) == 0)
		note_split(sched, &domain, false, 0);
}

void tacho_s_splits(struct tacho_sched *sched, const struct tacho_policy_input *input)
{
	struct tacho_world_task task;

	if (sched->options.kernel.by != TACHO_BY_PROCESS)
		return;
	for (uint32_t i = 0; i < input->nr_domains; i++)
		consider(sched, &input->domains[i]);
	partners(sched, input);
	for (uint32_t i = 0; i < sched->nr_splits; i++) {
		if (sched->splits[i].is_on)
			mend(sched, &sched->splits[i]);
		else if (sched->round_ns > sched->splits[i].next_ns &&
			 sched->world.task(sched->world.arg, sched->splits[i].pid, &task) != 0)
			sched->splits[i--] = sched->splits[--sched->nr_splits];
	}
}
