// SPDX-License-Identifier: BSD-2-Clause
/*
 * binder.c: tasks come, execute, and go; the binder follows.
 *
 * Owns the rows that were collected and their order, and when something is looked at. What a task's
 * domain is, is decided in decide.c; all tasks are gone through in scan.c. Called by the kernel
 * component's housekeeping, every 10 to 100 ms. Section 4.3.4 of paper 001.
 *
 * Order. Each CPU has its log and they are read one after the other, so the exit of a task may be
 * read in one settle and its new in the next. Rows of one settle are sorted by time; an exit stays
 * for two settles more, so that what comes late for its task finds it. A number that is used again
 * is told apart by time: a row that is older than the record is about somebody else. The thread
 * that executes takes the number of its process's first one and leaves no exit behind; its own
 * number is free. So an exec of a task that has ended stays as long as the exit does: the new of
 * the thread that executed may come late, while later threads keep the process alive.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decide.h"

#define MAX_AGE 2 /* settles that an exit stays */

/* --- making ------------------------------------------------------------------------------------- */

/* The number of the domain that a rule names: one for all rules of that name. */
static uint32_t rule_number(struct tacho_binder *binder, size_t nr)
{
	const struct tacho_rules *rules = binder->options.rules;
	struct tacho_domain *domain;
	uint32_t number;
	size_t i;

	for (i = 0; i < nr; i++) {
		if (strcmp(rules->rule[i].name, rules->rule[nr].name) != 0)
			continue;
		number = binder->rule_domain[i];
		binder->domains.domain[number].flags &= rules->rule[nr].flags;
		return number;
	}
	number = tacho_domains_alloc(&binder->domains);
	if (number == TACHO_NONE)
		return number;
	domain = &binder->domains.domain[number];
	domain->is_fixed = true;
	domain->rule = (int)nr;
	domain->flags = rules->rule[nr].flags;
	tacho_domains_name(&binder->domains, number, rules->rule[nr].name, "");
	return number;
}

static int rules_bind(struct tacho_binder *binder)
{
	const struct tacho_rules *rules = binder->options.rules;
	size_t i;

	binder->rule_domain = calloc(rules->nr + 1, sizeof(*binder->rule_domain));
	if (!binder->rule_domain)
		return -ENOMEM;
	for (i = 0; i < rules->nr; i++) {
		binder->rule_domain[i] = rule_number(binder, i);
		if (binder->rule_domain[i] == TACHO_NONE)
			return -ENOSPC;
	}
	return 0;
}

static unsigned what_needed(const struct tacho_binder *binder)
{
	const unsigned kinds = binder->options.rules->kinds;
	unsigned what = 0;

	if (kinds & 1u << TACHO_RULE_UID || binder->options.by == TACHO_BY_USER)
		what |= TACHO_PROC_UID;
	if (kinds & (1u << TACHO_RULE_CGROUP | 1u << TACHO_RULE_UNIT) ||
	    binder->options.by == TACHO_BY_CGROUP)
		what |= TACHO_PROC_CGROUP;
	return what;
}

int tacho_binder_create(struct tacho_binder **out_binder,
			const struct tacho_binder_options *options)
{
	struct tacho_binder *binder;
	int error;

	*out_binder = NULL;
	binder = calloc(1, sizeof(*binder));
	if (!binder)
		return -ENOMEM;
	binder->options = *options;
	if (!options->rules)
		binder->options.rules = &binder->no_rules;
	if (!options->root)
		binder->options.root = "/proc";
	binder->what = what_needed(binder);
	binder->needs_vm =
		options->by == TACHO_BY_VM || binder->options.rules->kinds & 1u << TACHO_RULE_VM;
	error = tacho_tasks_init(&binder->tasks);
	if (!error)
		error = tacho_domains_init(&binder->domains, options->nr_domains, options->ops,
					   options->arg);
	if (!error)
		error = rules_bind(binder);
	if (error) {
		tacho_binder_destroy(binder);
		return error;
	}
	*out_binder = binder;
	return 0;
}

void tacho_binder_destroy(struct tacho_binder *binder)
{
	if (!binder)
		return;
	tacho_tasks_fini(&binder->tasks);
	tacho_domains_fini(&binder->domains);
	free(binder->rule_domain);
	free(binder->event);
	free(binder->young);
	free(binder);
}

/* The first error since the last call of this. */
static int error_take(struct tacho_binder *binder)
{
	int error = binder->error ? binder->error : binder->domains.error;

	binder->error = binder->domains.error = 0;
	return error;
}

/* --- starting ----------------------------------------------------------------------------------- */

/* Where many share a domain, no child takes a number of its own. */
static void pool_fill(struct tacho_binder *binder)
{
	if (binder->options.by != TACHO_BY_CGROUP && binder->options.by != TACHO_BY_USER)
		tacho_domains_fill(&binder->domains);
}

int tacho_binder_start(struct tacho_binder *binder, uint64_t now)
{
	tacho_b_fail(binder, tacho_b_scan(binder, now));
	binder->has_started = true;
	pool_fill(binder);
	return error_take(binder);
}

/* --- collecting --------------------------------------------------------------------------------- */

static int collect(struct tacho_binder *binder, enum tacho_b_kind kind, uint64_t time, int pid,
		   int tid, uint32_t domain, uint32_t parent)
{
	size_t size = binder->size_events ? binder->size_events * 2 : 256;
	struct tacho_b_event *event;

	if (pid <= 0 || tid <= 0)
		return -EINVAL;
	if (binder->nr_events == binder->size_events) {
		event = realloc(binder->event, size * sizeof(*event));
		if (!event) {
			binder->is_stale = true;
			return -ENOMEM;
		}
		binder->event = event;
		binder->size_events = size;
	}
	if (binder->last < time)
		binder->last = time;
	event = &binder->event[binder->nr_events];
	*event = (struct tacho_b_event){ .time = time, .pid = pid, .tid = tid, .domain = domain };
	event->parent = parent;
	event->kind = (uint8_t)kind;
	event->order = (uint32_t)binder->nr_events++;
	return 0;
}

int tacho_binder_new(struct tacho_binder *binder, uint64_t time, int pid, int tid, uint32_t domain,
		     uint32_t parent)
{
	return collect(binder, TACHO_B_NEW, time, pid, tid, domain, parent);
}

int tacho_binder_exec(struct tacho_binder *binder, uint64_t time, int pid, int tid, uint32_t domain)
{
	return collect(binder, TACHO_B_EXEC, time, pid, tid, domain, TACHO_NONE);
}

int tacho_binder_exit(struct tacho_binder *binder, uint64_t time, int pid, int tid, uint32_t domain)
{
	return collect(binder, TACHO_B_EXIT, time, pid, tid, domain, TACHO_NONE);
}

int tacho_binder_vcpu(struct tacho_binder *binder, uint64_t time, int pid, int tid)
{
	const struct tacho_task *task = tacho_tasks_find(&binder->tasks, tid);

	if (task && task->is_vcpu && task->time <= time)
		return 0;
	return collect(binder, TACHO_B_VCPU, time, pid, tid, TACHO_NONE, TACHO_NONE);
}

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int by_time(const void *a, const void *b)
{
	const struct tacho_b_event *x = a, *y = b;
	int order = compare(x->time, y->time);

	if (!order)
		order = compare(x->kind, y->kind);
	return order ? order : compare(x->order, y->order);
}

static int by_task(const void *a, const void *b)
{
	const struct tacho_b_event *x = a, *y = b;
	int order = compare((uint64_t)x->tid, (uint64_t)y->tid);

	return order ? order : by_time(a, b);
}

/*
 * Whatever happened to a task before its exit, or before its number was used again, need not be
 * looked at. Events stand in the order of tasks.
 */
static void events_mark(struct tacho_b_event *event, size_t nr)
{
	size_t i, k;

	for (i = 0; i < nr; i++) {
		if (event[i].kind != TACHO_B_EXIT && event[i].kind != TACHO_B_NEW)
			continue;
		for (k = i; k > 0 && event[k - 1].tid == event[i].tid; k--) {
			if (event[k - 1].kind == TACHO_B_EXIT)
				break;
			event[k - 1].is_over = true;
			if (event[k - 1].kind == TACHO_B_NEW)
				break;
		}
	}
	for (i = 1; i < nr; i++)
		if (event[i].kind == TACHO_B_EXEC && event[i - 1].tid == event[i].tid)
			event[i - 1].executes = true;
}

/* --- working on rows ---------------------------------------------------------------------------- */

/* The task that owns a number by itself: where threads are domains, every thread. */
static int owner_of(const struct tacho_binder *binder, const struct tacho_b_event *event)
{
	const struct tacho_process *process = tacho_tasks_process(&binder->tasks, event->pid);

	return binder->options.by == TACHO_BY_THREAD || (process && process->was_split)
		       ? event->tid
		       : event->pid;
}

/* A child has taken its number from the pool. */
static bool adopt(struct tacho_binder *binder, const struct tacho_b_event *event)
{
	if (!tacho_domains_adopt(&binder->domains, event->domain, owner_of(binder, event)))
		return false;
	binder->domains.domain[event->domain].pid = event->pid;
	return true;
}

static void drop(struct tacho_binder *binder, const struct tacho_b_event *event)
{
	const struct tacho_process *process = tacho_tasks_process(&binder->tasks, event->pid);

	if (!tacho_domains_drop(&binder->domains, event->domain, owner_of(binder, event)))
		return;
	binder->domains.domain[event->domain].pid = event->pid;
	tacho_b_unread(binder, event->domain, process ? process->comm : "", event->parent);
}

/* Forget the tasks of a process that lived before that time and did not end, as far as we know. */
static void process_forget(struct tacho_binder *binder, int pid, uint64_t time)
{
	struct tacho_process *process = tacho_tasks_process(&binder->tasks, pid);
	struct tacho_task *task, *next;
	uint32_t left = process ? process->nr_tasks : 0;

	for (task = left ? process->tasks : NULL; task; task = next) {
		next = task->next;
		if (task->time < time)
			tacho_b_remove(binder, task);
	}
}

/*
 * The number is known already. Either a scan was faster than the row, or the number was used again.
 * Returns true if the row tells nothing about the task that has it now, or nothing new.
 */
static bool is_told(struct tacho_binder *binder, struct tacho_task *task,
		    const struct tacho_b_event *event)
{
	struct tacho_proc proc;

	if (event->time <= task->time)
		return true;
	if (!task->start ||
	    tacho_procs_read(binder->options.root, event->pid, event->tid, 0, &proc) ||
	    proc.start != task->start)
		return false;
	task->is_ending = false;
	return true;
}

static void young_add(struct tacho_binder *binder, int tid)
{
	size_t size = binder->size_young ? binder->size_young * 2 : 64;
	struct tacho_b_young *grown;

	if (binder->nr_young == binder->size_young) {
		grown = realloc(binder->young, size * sizeof(*grown));
		if (!grown)
			return; /* it keeps the name that it has now */
		binder->young = grown;
		binder->size_young = size;
	}
	binder->young[binder->nr_young++] = (struct tacho_b_young){ tid, binder->domains.round };
}

/*
 * A child in a domain that children inherit is in the right one: nothing need be read. Not so where
 * its name may matter, and not without its parent if it may be in a tree that matters at exec.
 */
static bool inherits(const struct tacho_binder *binder, const struct tacho_task *task)
{
	const struct tacho_rules *rules = binder->options.rules;
	const struct tacho_domain *domain;

	if (task->domain == TACHO_NONE || task->domain == TACHO_DOMAIN_SYSTEM ||
	    binder->options.by == TACHO_BY_THREAD)
		return false;
	domain = &binder->domains.domain[task->domain];
	if (!(domain->flags & TACHO_TASK_INHERIT))
		return false;
	return !(rules->kinds & 1u << TACHO_RULE_TREE) ||
	       (domain->rule >= 0 && domain->flags & TACHO_TASK_KEEP_EXEC);
}

/* It came out of a tree, whoever its parent is by now. */
static uint64_t trees_of(const struct tacho_binder *binder, uint32_t domain)
{
	const struct tacho_rules *rules = binder->options.rules;
	uint64_t trees = 0;
	size_t i;

	for (i = 0; i < rules->nr; i++)
		if (rules->rule[i].kind == TACHO_RULE_TREE && binder->rule_domain[i] == domain)
			trees |= UINT64_C(1) << rules->rule[i].tree;
	return trees;
}

/*
 * Whether it may be read later: it has a number of its own, and nothing that /proc says would give
 * it another one. A child of the system is a kernel thread, or a helper that the kernel starts.
 */
static bool may_wait(const struct tacho_binder *binder, const struct tacho_task *task)
{
	const struct tacho_process *process = task->process;

	return binder->options.is_lazy && binder->options.by == TACHO_BY_PROCESS &&
	       !binder->options.rules->nr && task->is_bound && process->domain == task->domain &&
	       task->domain >= TACHO_DOMAIN_FIRST &&
	       binder->domains.domain[task->domain].owner == process->node.id &&
	       !process->is_kernel && !process->is_vm && !process->was_split &&
	       process->parent != TACHO_DOMAIN_SYSTEM;
}

static void new_process(struct tacho_binder *binder, struct tacho_task *task, bool is_fresh,
			bool executes)
{
	struct tacho_process *process = task->process;

	process->is_later = true;
	process->trees = trees_of(binder, task->domain);
	if (is_fresh)
		process->domain = task->domain;
	if (task->node.id == process->node.id && inherits(binder, task)) {
		process->domain = task->domain;
		process->rule = binder->domains.domain[task->domain].rule;
		process->flags = task->flags;
		return;
	}
	process->is_unread = is_fresh && may_wait(binder, task);
	if (executes || process->is_unread)
		return; /* it is looked at when its exec is, or when somebody asks */
	/* a thread of nobody: it executed, and that was read first */
	if (!tacho_b_process(binder, process) && task->node.id != process->node.id)
		tacho_b_remove(binder, task);
}

static void new_thread(struct tacho_binder *binder, struct tacho_task *task)
{
	struct tacho_process *process = task->process;

	if (binder->needs_vm && !process->is_vm && !process->is_kernel &&
	    process->nr_tasks >= process->next_vm_look && tacho_b_vm_look(binder, process)) {
		tacho_b_process(binder, process);
		return;
	}
	if (tacho_b_is_split(binder, process))
		tacho_b_thread(binder, task);
	else
		tacho_b_follow(binder, task);
}

static void take_new(struct tacho_binder *binder, const struct tacho_b_event *event)
{
	struct tacho_task *task = tacho_tasks_find(&binder->tasks, event->tid);
	const struct tacho_process *process;
	bool is_fresh, is_first;

	if (task && is_told(binder, task, event)) {
		if (task->domain != event->domain)
			drop(binder, event);
		return;
	}
	if (task)
		tacho_b_remove(binder, task);
	if (event->tid == event->pid)
		process_forget(binder, event->pid, event->time);
	process = tacho_tasks_process(&binder->tasks, event->pid);
	if (event->is_over || (process && event->time < process->executed)) {
		drop(binder, event);
		return;
	}
	is_first = !process;
	task = tacho_tasks_add(&binder->tasks, event->pid, event->tid);
	if (!task) {
		tacho_b_fail(binder, -ENOMEM);
		binder->is_stale = true;
		return;
	}
	task->time = event->time;
	if (is_first)
		task->process->parent = event->parent;
	if (event->tid == event->pid && task->process->executed < event->time)
		task->process->executed = event->time;
	is_fresh = adopt(binder, event);
	tacho_b_enter(binder, task, event->domain);
	if (is_fresh && task->process->was_split && event->tid != event->pid)
		task->flags |= TACHO_TASK_SPLIT; /* else it would have none */
	if (binder->options.by == TACHO_BY_THREAD || binder->options.by == TACHO_BY_VM ||
	    task->process->is_split)
		young_add(binder, event->tid);
	if (is_first) {
		new_process(binder, task, is_fresh, event->executes);
		return;
	}
	new_thread(binder, task);
	if (is_fresh && task->domain != event->domain) /* nobody wants it split any more */
		tacho_b_unread(binder, event->domain, task->process->comm, event->parent);
}

/* Returns whether the event stays, as an exit does: its process does not, and so cannot remember. */
static bool take_exec(struct tacho_binder *binder, struct tacho_b_event *event)
{
	struct tacho_task *task = tacho_tasks_find(&binder->tasks, event->tid);
	struct tacho_process *process;

	/* whichever thread did it has the number of the first one now, the others have ended */
	if (event->is_over || (task && task->time > event->time)) {
		process_forget(binder, event->pid, event->time);
		process = tacho_tasks_process(&binder->tasks, event->pid);
		if (process && process->executed < event->time)
			process->executed = event->time;
		return event->is_over && event->age++ < MAX_AGE;
	}
	if (!task) {
		task = tacho_tasks_add(&binder->tasks, event->pid, event->tid);
		if (!task) {
			tacho_b_fail(binder, -ENOMEM);
			binder->is_stale = true;
			return false;
		}
		if (task->process->nr_tasks == 1)
			task->process->is_later = binder->has_started;
		tacho_b_enter(binder, task, event->domain);
	}
	task->time = event->time;
	process_forget(binder, event->pid, event->time);
	if (task->domain != event->domain)
		task->is_bound = false; /* what we wanted was not done when it executed */
	process = task->process;
	process->executed = event->time;
	if (process->rule >= 0 && process->flags & TACHO_TASK_KEEP_EXEC) {
		tacho_b_follow(binder, task);
		return false;
	}
	process->is_unread = may_wait(binder, task);
	process->is_vm = process->is_split = process->was_split = false;
	process->next_vm_look = 2;
	if (!process->is_unread)
		tacho_b_process(binder, process);
	return false;
}

static void take_vcpu(struct tacho_binder *binder, const struct tacho_b_event *event)
{
	struct tacho_task *task = tacho_tasks_find(&binder->tasks, event->tid);
	struct tacho_process *process;

	if (event->is_over || !task || task->time > event->time)
		return;
	task->is_vcpu = true;
	process = task->process;
	if (!process->is_vm) {
		if (!tacho_b_vm_look(binder, process))
			snprintf(process->vm, sizeof(process->vm), "%.48s-%d", process->comm,
				 process->node.id); /* its files may not be read, but it is one */
		process->is_vm = true;
		tacho_b_process(binder, process);
	} else if (tacho_b_is_split(binder, process)) {
		tacho_b_thread(binder, task);
	}
}

/* Returns whether the event stays: something that is older may come yet. */
static bool take_exit(struct tacho_binder *binder, struct tacho_b_event *event)
{
	struct tacho_task *task = tacho_tasks_find(&binder->tasks, event->tid);

	if (task && task->time <= event->time)
		tacho_b_remove(binder, task);
	return event->age++ < MAX_AGE;
}

static bool take(struct tacho_binder *binder, struct tacho_b_event *event)
{
	switch (event->kind) {
	case TACHO_B_NEW:
		take_new(binder, event);
		return false;
	case TACHO_B_EXEC:
		return take_exec(binder, event);
	case TACHO_B_VCPU:
		take_vcpu(binder, event);
		return false;
	default:
		return take_exit(binder, event);
	}
}

/* --- housekeeping ------------------------------------------------------------------------------- */

/* Look again at what came before this settle: by now a thread has its name. */
static void young_look(struct tacho_binder *binder)
{
	struct tacho_task *task;
	size_t i, left = 0;

	for (i = 0; i < binder->nr_young; i++) {
		if (binder->young[i].round == binder->domains.round) {
			binder->young[left++] = binder->young[i];
			continue;
		}
		task = tacho_tasks_find(&binder->tasks, binder->young[i].tid);
		if (task && tacho_b_is_split(binder, task->process))
			tacho_b_thread(binder, task);
	}
	binder->nr_young = left;
}

/* There are numbers again: whoever is in "other" may get one. */
static void other_retry(struct tacho_binder *binder)
{
	const uint32_t other = binder->options.nr_domains - 1;
	struct tacho_process **list;
	struct tacho_task *task;
	size_t i, nr;

	binder->wants_retry = false;
	if (!binder->domains.domain[other].nr_tasks)
		return;
	if (tacho_tasks_processes(&binder->tasks, &list, &nr)) {
		tacho_b_fail(binder, -ENOMEM);
		return;
	}
	for (i = 0; i < nr && binder->domains.nr_free; i++) {
		for (task = list[i]->tasks; task && task->domain != other; task = task->next)
			;
		if (task)
			tacho_b_process(binder, list[i]);
	}
	free(list);
}

/* Who ends in this batch is not bound any more: its number may be somebody else's by then. */
static void events_end(const struct tacho_binder *binder)
{
	const struct tacho_b_event *event;
	struct tacho_task *task;
	size_t i;

	for (i = 0; i < binder->nr_events; i++) {
		event = &binder->event[i];
		if (event->kind != TACHO_B_EXIT && event->kind != TACHO_B_NEW)
			continue;
		task = tacho_tasks_find(&binder->tasks, event->tid);
		if (task && (event->kind == TACHO_B_EXIT ? task->time <= event->time
							 : task->time < event->time))
			task->is_ending = true;
	}
}

/* Work on what was collected. */
static void events_take(struct tacho_binder *binder)
{
	struct tacho_b_event *event = binder->event;
	size_t i, nr = binder->nr_events, left = 0;

	if (nr) {
		qsort(event, nr, sizeof(*event), by_task);
		events_mark(event, nr);
		events_end(binder);
		qsort(event, nr, sizeof(*event), by_time);
	}
	for (i = 0; i < nr; i++)
		if (take(binder, &event[i]))
			event[left++] = event[i];
	binder->nr_events = left;
}

void tacho_binder_lost(struct tacho_binder *binder)
{
	binder->has_lost = true;
}

int tacho_binder_rescan(struct tacho_binder *binder, uint64_t now)
{
	events_take(binder); /* so that children have the numbers that they took */
	if (binder->has_lost)
		tacho_domains_lost(&binder->domains);
	tacho_b_fail(binder, tacho_b_scan(binder, now));
	binder->has_lost = binder->is_stale = false;
	pool_fill(binder);
	return error_take(binder);
}

int tacho_binder_settle(struct tacho_binder *binder, bool *changed)
{
	events_take(binder);
	young_look(binder);
	binder->has_lost |= binder->is_stale;
	if (binder->is_stale)
		tacho_b_fail(binder, tacho_binder_rescan(binder, binder->last));
	if (binder->wants_retry)
		other_retry(binder);
	pool_fill(binder);
	tacho_domains_round(&binder->domains);
	if (changed)
		*changed = binder->domains.changed;
	binder->domains.changed = false;
	return error_take(binder);
}

int tacho_binder_split(struct tacho_binder *binder, int pid, bool by_thread)
{
	struct tacho_process *process = tacho_tasks_process(&binder->tasks, pid);

	if (!process)
		return -ESRCH;
	if (process->is_split == by_thread || !tacho_b_may_split(binder, process))
		return 0;
	if (by_thread && binder->domains.nr_free < process->nr_tasks)
		return -ENOSPC;
	process->is_split = by_thread;
	process->was_split |= by_thread;
	return tacho_b_process(binder, process) ? error_take(binder) : -ESRCH;
}

void tacho_binder_reuse(struct tacho_binder *binder)
{
	if (tacho_domains_reuse(&binder->domains))
		binder->wants_retry = true;
}

/* --- answers ------------------------------------------------------------------------------------ */

int tacho_binder_domain(const struct tacho_binder *binder, uint32_t number,
			struct tacho_kernel_domain_info *info)
{
	const struct tacho_domain *domain;

	if (number >= binder->options.nr_domains)
		return -EINVAL;
	domain = &binder->domains.domain[number];
	if (domain->state == TACHO_STATE_FREE || domain->state == TACHO_STATE_POOL)
		return -ENOENT;
	memset(info, 0, sizeof(*info));
	memcpy(info->name, domain->name, sizeof(info->name));
	info->pid = domain->pid;
	info->nr_tasks = domain->nr_tasks;
	info->is_vm = domain->is_vm;
	info->is_gone = domain->state == TACHO_STATE_GONE;
	return 0;
}

int tacho_binder_read(struct tacho_binder *binder, uint32_t number)
{
	struct tacho_process *process;

	if (number >= binder->options.nr_domains)
		return -EINVAL;
	process = tacho_tasks_process(&binder->tasks, binder->domains.domain[number].pid);
	if (process && process->is_unread && process->domain == number)
		tacho_b_process(binder, process);
	return error_take(binder);
}

uint32_t tacho_binder_task(const struct tacho_binder *binder, int tid)
{
	const struct tacho_task *task = tacho_tasks_find(&binder->tasks, tid);

	return task ? task->domain : TACHO_NONE;
}

/* Those of one process: where it is the domain's own, they are all, as a rule. */
static size_t tasks_of(const struct tacho_process *process, uint32_t number, int *tids, size_t max,
		       size_t nr)
{
	const struct tacho_task *task;

	for (task = process ? process->tasks : NULL; task; task = task->next) {
		if (task->domain != number)
			continue;
		if (nr < max)
			tids[nr] = task->node.id;
		nr++;
	}
	return nr;
}

size_t tacho_binder_tasks(const struct tacho_binder *binder, uint32_t number, int *tids, size_t max)
{
	const struct tacho_table *table = &binder->tasks.processes;
	const struct tacho_domain *domain;
	const struct tacho_node *node;
	size_t i, nr;

	if (number >= binder->options.nr_domains)
		return 0;
	domain = &binder->domains.domain[number];
	nr = tasks_of(tacho_tasks_process(&binder->tasks, domain->pid), number, tids, max, 0);
	if (nr == domain->nr_tasks || domain->state != TACHO_STATE_USED)
		return nr;
	for (i = nr = 0; i < table->nr_buckets; i++)
		for (node = table->bucket[i]; node; node = node->next)
			nr = tasks_of((const struct tacho_process *)node, number, tids, max, nr);
	return nr;
}

int tacho_binder_processes(const struct tacho_binder *binder, struct tacho_binder_process **list,
			   size_t *nr)
{
	struct tacho_process **processes;
	size_t i, nr_processes;
	int error = tacho_tasks_processes(&binder->tasks, &processes, &nr_processes);

	*nr = 0;
	if (error)
		return error;
	*list = calloc(nr_processes + 1, sizeof(**list));
	for (i = 0; *list && i < nr_processes; i++)
		if (!processes[i]->is_kernel && processes[i]->tasks)
			(*list)[(*nr)++] =
				(struct tacho_binder_process){ processes[i]->tasks->domain,
							       processes[i]->node.id };
	free(processes);
	return *list ? 0 : -ENOMEM;
}

uint64_t tacho_binder_overflow(const struct tacho_binder *binder)
{
	return binder->overflow;
}
