/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * refs.c: pairs of domains that share memory, and what each of them used of it.
 *
 * Owns the tasks, the order of a sample and the sums. A sample reads the shared mappings of all
 * tasks, finds those that another domain has too, asks the methods about these only, and adds up
 * by pairs. What a method says counts only if it was told at the sample before to begin an interval
 * there ("armed"); otherwise it is unknown. Neither reading /proc nor what a method does is here.
 *
 * Section 4.4.1 of paper 001. The interface is refs.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "refs_internal.h"

#define PROC "/proc"
#define IDLE "/sys/kernel/mm/page_idle/bitmap"

static const struct refs_ops *const methods[TACHO_REFS_NR] = {
	[TACHO_REFS_CLEAR] = &refs_clear,
	[TACHO_REFS_SCAN] = &refs_scan,
	[TACHO_REFS_IDLE] = &refs_idle,
	[TACHO_REFS_SOFT_DIRTY] = &refs_soft_dirty,
};

int refs_grow(void *array, size_t *max, size_t nr, size_t size)
{
	size_t more = *max ? *max * 2 : 64;
	void *old, *new;

	if (nr < *max)
		return 0;
	memcpy(&old, array, sizeof(old));
	new = realloc(old, more * size);
	if (!new)
		return -ENOMEM;
	memcpy(array, &new, sizeof(new));
	*max = more;
	/* cppcheck-suppress memleak ; it is in the array now */
	return 0;
}

int refs_open_proc(const char *proc, int pid, const char *name, int flags)
{
	char path[512];
	int size, fd;

	if (pid)
		size = snprintf(path, sizeof(path), "%s/%d/%s", proc, pid, name);
	else
		size = snprintf(path, sizeof(path), "%s/self/%s", proc, name);
	if (size >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, flags | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	return errno == ENOENT && pid ? -ESRCH : -errno;
}

/* --- open and close ------------------------------------------------------------------------- */

static int method_use(struct tacho_refs *refs, const struct refs_ops *ops, char *why,
		      size_t why_size)
{
	bool is_exact;
	int error;

	if (why_size)
		why[0] = '\0';
	error = ops->probe(refs->proc, refs->idle, &is_exact, why, why_size);
	if (!error && ops->open)
		error = ops->open(refs);
	if (error)
		return error;
	snprintf(refs->name + strlen(refs->name), sizeof(refs->name) - strlen(refs->name), "%s%s",
		 refs->nr_ops ? "+" : "", ops->name);
	refs->ops[refs->nr_ops++] = ops;
	return 0;
}

/* The best for each of the two numbers; it is enough to have one of them. */
static int methods_choose(struct tacho_refs *refs, char *why, size_t why_size)
{
	char second[96];
	int error = method_use(refs, &refs_clear, why, why_size);

	if (error)
		method_use(refs, &refs_idle, second, sizeof(second));
	method_use(refs, &refs_scan, second, sizeof(second));
	return refs->nr_ops ? 0 : error;
}

int tacho_refs_open(struct tacho_refs **refs, const struct tacho_refs_options *options, char *why,
		    size_t why_size)
{
	static const struct tacho_refs_options defaults;
	struct tacho_refs *new;
	int error = -ENOMEM;

	*refs = NULL;
	if (!why)
		why_size = 0;
	if (!options)
		options = &defaults;
	if ((unsigned int)options->method >= TACHO_REFS_NR) {
		snprintf(why, why_size, "no such method");
		return -EINVAL;
	}
	new = calloc(1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	new->idle_fd = -1;
	new->lazy = options->lazy;
	new->proc = strdup(options->proc ? options->proc : PROC);
	new->idle = strdup(options->idle ? options->idle : IDLE);
	if (!new->proc || !new->idle)
		goto out;
	if (options->method == TACHO_REFS_AUTO)
		error = methods_choose(new, why, why_size);
	else
		error = method_use(new, methods[options->method], why, why_size);
out:
	if (error)
		tacho_refs_close(new);
	else
		*refs = new;
	return error;
}

void tacho_refs_close(struct tacho_refs *refs)
{
	if (!refs)
		return;
	if (refs->idle_fd >= 0)
		close(refs->idle_fd);
	free(refs->tasks);
	free(refs->now.at);
	free(refs->before.at);
	free(refs->order);
	free(refs->runs);
	free(refs->pairs);
	free(refs->pages);
	free(refs->proc);
	free(refs->idle);
	free(refs);
}

const char *tacho_refs_name(const struct tacho_refs *refs)
{
	return refs->name;
}

const struct tacho_refs_stats *tacho_refs_stats(const struct tacho_refs *refs)
{
	return &refs->stats;
}

/* --- tasks ---------------------------------------------------------------------------------- */

static int compare_tasks(const void *a, const void *b)
{
	const struct refs_task *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	/* the index in the caller's array, so that the first one wins */
	return (x->first > y->first) - (x->first < y->first);
}

/* Begin the interval of a new task now, where a method can do that for a whole process. */
static void task_arm(struct tacho_refs *refs, struct refs_task *task)
{
	size_t nr = refs->now.nr;
	bool is_sharing = false;

	if (refs_maps_read(refs, task, 0) == 0)
		for (size_t i = nr; i < refs->now.nr; i++)
			is_sharing |= refs->now.at[i].is_writable;
	for (unsigned int i = 0; i < refs->nr_ops && is_sharing; i++)
		if (refs->ops[i]->arm && refs->ops[i]->arm(refs, task) == 0)
			task->armed |= (uint8_t)(1u << i);
	refs->now.nr = nr;
	task->first = task->nr = 0;
}

/* Both by ascending pid. */
static void tasks_carry_over(struct tacho_refs *refs, struct refs_task *tasks, size_t nr)
{
	size_t old = 0;

	for (size_t i = 0; i < nr; i++) {
		while (old < refs->nr_tasks && refs->tasks[old].pid < tasks[i].pid)
			old++;
		if (old < refs->nr_tasks && refs->tasks[old].pid == tasks[i].pid) {
			uint32_t domain = tasks[i].domain;

			tasks[i] = refs->tasks[old];
			tasks[i].domain = domain;
		} else {
			task_arm(refs, &tasks[i]);
		}
	}
}

int tacho_refs_set(struct tacho_refs *refs, const struct tacho_refs_task *tasks, size_t nr)
{
	struct refs_task *new;
	size_t kept = 0;

	for (size_t i = 0; i < nr; i++)
		if (tasks[i].pid <= 0)
			return -EINVAL;
	new = calloc(nr ? nr : 1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		new[i].pid = tasks[i].pid;
		new[i].domain = tasks[i].domain;
		new[i].first = (uint32_t)i;
	}
	qsort(new, nr, sizeof(*new), compare_tasks); /* never NULL */
	for (size_t i = 0; i < nr; i++) {
		if (kept && new[kept - 1].pid == new[i].pid)
			continue;
		new[kept] = new[i];
		new[kept++].first = 0;
	}
	tasks_carry_over(refs, new, kept);
	free(refs->tasks);
	refs->tasks = new;
	refs->nr_tasks = kept;
	return 0;
}

/* --- mappings ------------------------------------------------------------------------------- */

static void task_failed(struct tacho_refs *refs, int error)
{
	if (error == -ESRCH || error == -ENOENT)
		refs->stats.gone++;
	else
		refs->stats.refused++;
}

/* The mappings of the last sample become those before, and all tasks are read again. */
static int mappings_read(struct tacho_refs *refs)
{
	struct refs_mappings swap = refs->before;

	refs->before = refs->now;
	refs->now = swap;
	refs->now.nr = 0;
	for (size_t i = 0; i < refs->nr_tasks; i++) {
		struct refs_task *task = &refs->tasks[i];
		int error;

		task->old_first = task->first;
		task->old_nr = task->nr;
		if (task->rest > 0) {
			task->rest--;
			task->first = (uint32_t)refs->now.nr;
			refs->stats.tasks++;
			continue;
		}
		error = refs_maps_read(refs, task, (uint32_t)i);
		if (error == -ENOMEM)
			return error;
		refs->stats.tasks++;
		if (error) {
			/* what was read of it is of no use, nobody could ask about it */
			task_failed(refs, error);
			refs->now.nr = task->first;
			task->nr = task->armed = 0;
		}
		task->rest = !error && task->nr == 0 ? refs->lazy : 0;
	}
	refs->stats.mappings = (uint32_t)refs->now.nr;
	return 0;
}

static int compare_objects(const struct refs_object *a, const struct refs_object *b)
{
	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	if (a->ino != b->ino)
		return a->ino < b->ino ? -1 : 1;
	return (a->space > b->space) - (a->space < b->space);
}

static int compare_mappings(const void *a, const void *b, void *arg)
{
	const struct tacho_refs *refs = arg;
	const struct refs_mapping *x = &refs->now.at[*(const uint32_t *)a];
	const struct refs_mapping *y = &refs->now.at[*(const uint32_t *)b];
	uint32_t domain_x = refs->tasks[x->task].domain, domain_y = refs->tasks[y->task].domain;
	int order = compare_objects(&x->object, &y->object);

	if (order)
		return order;
	if (domain_x != domain_y)
		return domain_x < domain_y ? -1 : 1;
	return (x->off > y->off) - (x->off < y->off);
}

static int mappings_order(struct tacho_refs *refs)
{
	size_t nr = refs->now.nr;

	if (nr > refs->max_order) {
		uint32_t *order = realloc(refs->order, nr * sizeof(*order));

		if (!order)
			return -ENOMEM;
		refs->order = order;
		refs->max_order = nr;
	}
	for (size_t i = 0; i < nr; i++)
		refs->order[i] = (uint32_t)i;
	if (nr)
		qsort_r(refs->order, nr, sizeof(*refs->order), compare_mappings, refs);
	return 0;
}

static struct refs_mapping *ordered(const struct tacho_refs *refs, size_t i)
{
	return &refs->now.at[refs->order[i]];
}

/* --- who shares ----------------------------------------------------------------------------- */

/* The run that begins at first, with the reach of its mappings. */
static struct refs_run run_begin(const struct tacho_refs *refs, size_t first)
{
	struct refs_mapping *mapping = ordered(refs, first);
	struct refs_run run = { (uint32_t)first, 0, refs->tasks[mapping->task].domain };
	uint64_t reach = 0, reach_writable = 0;

	for (size_t i = first; i < refs->now.nr; i++) {
		struct refs_mapping *next = ordered(refs, i);
		uint64_t end = next->off + (next->end - next->start);

		if (refs->tasks[next->task].domain != run.domain ||
		    compare_objects(&next->object, &mapping->object) != 0)
			break;
		if (end > reach)
			reach = end;
		if (next->is_writable && end > reach_writable)
			reach_writable = end;
		next->reach = reach;
		next->reach_writable = reach_writable;
		run.nr++;
	}
	return run;
}

/*
 * Does the mapping have pages in common with one of the run, and may one of the two write? The run is
 * ordered by offset: of those that begin before the mapping ends, does one end behind its begin?
 */
static bool run_meets(const struct tacho_refs *refs, const struct refs_run *run,
		      const struct refs_mapping *mapping)
{
	uint64_t end = mapping->off + (mapping->end - mapping->start);
	size_t low = run->first, high = run->first + run->nr;
	const struct refs_mapping *last;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ordered(refs, middle)->off < end)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == run->first)
		return false;
	last = ordered(refs, low - 1);
	return (mapping->is_writable ? last->reach : last->reach_writable) > mapping->off;
}

/* The runs of the object that is next in refs->order, from *i on. Returns how many, or -ENOMEM. */
static int runs_collect(struct tacho_refs *refs, size_t *i, uint64_t *left_out)
{
	const struct refs_object *object = &ordered(refs, *i)->object;
	int nr = 0;

	while (*i < refs->now.nr && compare_objects(&ordered(refs, *i)->object, object) == 0) {
		struct refs_run run = run_begin(refs, *i);

		*i += run.nr;
		if (nr == REFS_MAX_RUNS) {
			*left_out += 1;
			continue;
		}
		if (refs_grow(&refs->runs, &refs->max_runs, (size_t)nr, sizeof(run)) < 0)
			return -ENOMEM;
		refs->runs[nr++] = run;
	}
	return nr;
}

/*
 * Call fn for every two runs of one object, both ways round; they are of different domains. fn
 * returns 0 or -errno. What is left out is the same every time, for the same mappings.
 */
static int runs_each(struct tacho_refs *refs,
		     int (*fn)(struct tacho_refs *refs, const struct refs_run *run,
			       const struct refs_run *other),
		     uint64_t *left_out)
{
	uint64_t meetings = 0;

	for (size_t i = 0; i < refs->now.nr;) {
		int nr = runs_collect(refs, &i, left_out);

		if (nr < 0)
			return nr;
		for (int k = 0; k < nr * nr; k++) {
			const struct refs_run *run = &refs->runs[k / nr];
			const struct refs_run *other = &refs->runs[k % nr];
			int error;

			if (run == other)
				continue;
			meetings += run->nr;
			if (meetings > REFS_MAX_MEETINGS) {
				*left_out += 1;
				continue;
			}
			error = fn(refs, run, other);
			if (error)
				return error;
		}
	}
	return 0;
}

static int run_mark(struct tacho_refs *refs, const struct refs_run *run,
		    const struct refs_run *other)
{
	for (size_t i = run->first; i < run->first + run->nr; i++) {
		struct refs_mapping *mapping = ordered(refs, i);

		if (!mapping->is_shared && run_meets(refs, other, mapping)) {
			mapping->is_shared = true;
			refs->stats.shared++;
		}
	}
	return 0;
}

/* --- what they used ------------------------------------------------------------------------- */

/* Was it there at the last sample, and armed? old goes forward with the addresses. */
static bool was_armed(const struct tacho_refs *refs, const struct refs_task *task,
		      const struct refs_mapping *mapping, uint32_t *old, uint8_t bit)
{
	const struct refs_mapping *before;

	while (*old < task->old_nr && refs->before.at[task->old_first + *old].end <= mapping->start)
		(*old)++;
	if (*old == task->old_nr)
		return false;
	before = &refs->before.at[task->old_first + *old];
	return before->armed & bit && before->start <= mapping->start &&
	       before->end >= mapping->end &&
	       compare_objects(&before->object, &mapping->object) == 0 &&
	       before->off + (mapping->start - before->start) == mapping->off;
}

/* 0, or what the method met: then it knows nothing about this task. */
static int task_ask(struct tacho_refs *refs, struct refs_task *task, unsigned int nr)
{
	const struct refs_ops *ops = refs->ops[nr];
	uint8_t bit = (uint8_t)(1u << nr);
	bool was_whole = task->armed & bit;
	int error = ops->sample(refs, task, bit);
	uint32_t old = 0;

	if (error)
		task->armed &= (uint8_t)~bit;
	for (uint32_t i = task->first; i < task->first + task->nr; i++) {
		struct refs_mapping *mapping = &refs->now.at[i];

		if (!mapping->is_shared)
			continue;
		if (!error &&
		    (ops->is_whole ? was_whole : was_armed(refs, task, mapping, &old, bit)))
			continue;
		if (error)
			mapping->armed &= (uint8_t)~bit;
		if (ops->tells_referenced)
			mapping->referenced = TACHO_REFS_UNKNOWN;
		if (ops->tells_written)
			mapping->written = TACHO_REFS_UNKNOWN;
	}
	return error;
}

static void tasks_ask(struct tacho_refs *refs)
{
	for (size_t i = 0; i < refs->nr_tasks; i++) {
		struct refs_task *task = &refs->tasks[i];
		bool is_sharing = false;
		int error = 0;

		for (uint32_t m = task->first; m < task->first + task->nr && !is_sharing; m++)
			is_sharing = refs->now.at[m].is_shared;
		/* nobody begins an interval for it */
		if (!is_sharing)
			task->armed = 0;
		for (unsigned int nr = 0; nr < refs->nr_ops && is_sharing; nr++) {
			int failed = task_ask(refs, task, nr);

			error = error ? error : failed;
		}
		if (error)
			task_failed(refs, error);
	}
}

/* What a method that failed at its end said of this interval stands, of the next it will not. */
static void methods_finish(struct tacho_refs *refs)
{
	for (unsigned int nr = 0; nr < refs->nr_ops; nr++) {
		if (!refs->ops[nr]->finish || refs->ops[nr]->finish(refs) == 0)
			continue;
		for (size_t i = 0; i < refs->now.nr; i++)
			refs->now.at[i].armed &= (uint8_t) ~(1u << nr);
	}
}

static uint64_t add(uint64_t a, uint64_t b)
{
	return a == TACHO_REFS_UNKNOWN || b == TACHO_REFS_UNKNOWN || a + b < a ? TACHO_REFS_UNKNOWN
									       : a + b;
}

static int run_count(struct tacho_refs *refs, const struct refs_run *run,
		     const struct refs_run *other)
{
	struct refs_pair pair = { run->domain, other->domain, 0, 0 };
	bool is_met = false;

	for (size_t i = run->first; i < run->first + run->nr; i++) {
		const struct refs_mapping *mapping = ordered(refs, i);

		if (!mapping->is_shared || !run_meets(refs, other, mapping))
			continue;
		is_met = true;
		pair.referenced = add(pair.referenced, mapping->referenced);
		pair.written = add(pair.written, mapping->written);
	}
	if (!is_met)
		return 0;
	if (refs->nr_pairs == REFS_MAX_PAIRS) {
		refs->stats.left_out++;
		return 0;
	}
	if (refs_grow(&refs->pairs, &refs->max_pairs, refs->nr_pairs, sizeof(pair)) < 0)
		return -ENOMEM;
	refs->pairs[refs->nr_pairs++] = pair;
	return 0;
}

static int compare_pairs(const void *a, const void *b)
{
	const struct refs_pair *x = a, *y = b;

	if (x->domain != y->domain)
		return x->domain < y->domain ? -1 : 1;
	return (x->other > y->other) - (x->other < y->other);
}

/* One pair may share several objects. */
static void pairs_report(struct tacho_refs *refs, tacho_refs_found_fn found, void *arg)
{
	if (refs->nr_pairs)
		qsort(refs->pairs, refs->nr_pairs, sizeof(*refs->pairs), compare_pairs);
	for (size_t i = 0; i < refs->nr_pairs;) {
		struct refs_pair sum = refs->pairs[i++];

		for (; i < refs->nr_pairs && compare_pairs(&sum, &refs->pairs[i]) == 0; i++) {
			sum.referenced = add(sum.referenced, refs->pairs[i].referenced);
			sum.written = add(sum.written, refs->pairs[i].written);
		}
		found(arg, sum.domain, sum.other, sum.referenced, sum.written);
	}
}

int tacho_refs_sample(struct tacho_refs *refs, tacho_refs_found_fn found, void *arg)
{
	uint64_t again = 0;
	int error;

	memset(&refs->stats, 0, sizeof(refs->stats));
	refs->nr_pairs = 0;
	error = mappings_read(refs);
	if (!error)
		error = mappings_order(refs);
	if (!error)
		error = runs_each(refs, run_mark, &refs->stats.left_out);
	if (error) {
		/* the next sample has no mappings before it */
		refs->now.nr = 0;
		for (size_t i = 0; i < refs->nr_tasks; i++)
			refs->tasks[i].first = refs->tasks[i].nr = refs->tasks[i].armed = 0;
		return error;
	}
	tasks_ask(refs);
	methods_finish(refs);
	error = runs_each(refs, run_count, &again);
	if (!error)
		pairs_report(refs, found, arg);
	return error;
}

/* --- what works here ------------------------------------------------------------------------ */

void tacho_refs_probe(struct tacho_refs_probe probe[TACHO_REFS_NR],
		      const struct tacho_refs_options *options)
{
	const char *proc = options && options->proc ? options->proc : PROC;
	const char *idle = options && options->idle ? options->idle : IDLE;
	struct tacho_refs_probe *all = &probe[TACHO_REFS_AUTO];
	const struct tacho_refs_probe *referenced;

	memset(probe, 0, TACHO_REFS_NR * sizeof(*probe));
	for (int i = TACHO_REFS_AUTO + 1; i < TACHO_REFS_NR; i++) {
		const struct refs_ops *ops = methods[i];

		probe[i] = (struct tacho_refs_probe){
			.name = ops->name,
			.tells_referenced = ops->tells_referenced,
			.tells_written = ops->tells_written,
			.tells_domain = ops->tells_domain,
			.meaning = ops->meaning,
			.cost = ops->cost,
		};
		probe[i].error = ops->probe(proc, idle, &probe[i].is_exact, probe[i].why,
					    sizeof(probe[i].why));
	}
	referenced =
		&probe[probe[TACHO_REFS_CLEAR].error == 0 ? TACHO_REFS_CLEAR : TACHO_REFS_IDLE];
	all->tells_referenced = referenced->error == 0;
	all->tells_written = probe[TACHO_REFS_SCAN].error == 0;
	if (!all->tells_referenced) {
		*all = probe[TACHO_REFS_SCAN];
		return;
	}
	all->is_exact = referenced->is_exact;
	all->tells_domain = referenced->tells_domain;
	all->meaning = referenced->meaning;
	all->cost = referenced->cost;
	all->name = referenced->name;
	if (all->tells_written)
		all->name = referenced == &probe[TACHO_REFS_CLEAR] ? "clear+scan" : "idle+scan";
}
