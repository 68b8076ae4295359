// SPDX-License-Identifier: BSD-2-Clause
/*
 * tasks.c: tables of tasks and processes by number.
 *
 * Owns the memory of the records. Must not read /proc nor bind anything. Called by binder.c, one
 * thread. Chained hash tables that double; when there is no memory to double, chains get longer.
 */
#include <errno.h>
#include <stdlib.h>

#include <tacho/area.h>

#include "tasks.h"

static struct tacho_node **bucket_of(const struct tacho_table *table, int id)
{
	/* numbers are dense: Fibonacci hashing spreads them, whatever their stride is */
	return &table->bucket[((uint32_t)id * 2654435769u >> 7) & (table->nr_buckets - 1)];
}

static struct tacho_node *table_find(const struct tacho_table *table, int id)
{
	struct tacho_node *node = *bucket_of(table, id);

	while (node && node->id != id)
		node = node->next;
	return node;
}

static void table_grow(struct tacho_table *table)
{
	struct tacho_table grown = { .nr_buckets = table->nr_buckets * 2, .nr = table->nr };
	struct tacho_node *node, *next, **bucket;
	size_t i;

	grown.bucket = calloc(grown.nr_buckets, sizeof(*grown.bucket));
	if (!grown.bucket)
		return;
	for (i = 0; i < table->nr_buckets; i++) {
		for (node = table->bucket[i]; node; node = next) {
			next = node->next;
			bucket = bucket_of(&grown, node->id);
			node->next = *bucket;
			*bucket = node;
		}
	}
	free(table->bucket);
	*table = grown;
}

static void table_add(struct tacho_table *table, struct tacho_node *node)
{
	struct tacho_node **bucket;

	if (table->nr >= table->nr_buckets)
		table_grow(table);
	bucket = bucket_of(table, node->id);
	node->next = *bucket;
	*bucket = node;
	table->nr++;
}

static void table_remove(struct tacho_table *table, struct tacho_node *node)
{
	struct tacho_node **link = bucket_of(table, node->id);

	while (*link != node)
		link = &(*link)->next;
	*link = node->next;
	table->nr--;
}

static int table_init(struct tacho_table *table)
{
	*table = (struct tacho_table){ .nr_buckets = 256 };
	table->bucket = calloc(table->nr_buckets, sizeof(*table->bucket));
	return table->bucket ? 0 : -ENOMEM;
}

static void table_fini(struct tacho_table *table)
{
	struct tacho_node *node, *next;
	size_t i;

	for (i = 0; table->bucket && i < table->nr_buckets; i++) {
		for (node = table->bucket[i]; node; node = next) {
			next = node->next;
			free(node);
		}
	}
	free(table->bucket);
	*table = (struct tacho_table){ 0 };
}

int tacho_tasks_init(struct tacho_tasks *tasks)
{
	*tasks = (struct tacho_tasks){ 0 };
	if (table_init(&tasks->tasks) || table_init(&tasks->processes)) {
		tacho_tasks_fini(tasks);
		return -ENOMEM;
	}
	return 0;
}

void tacho_tasks_fini(struct tacho_tasks *tasks)
{
	table_fini(&tasks->tasks);
	table_fini(&tasks->processes);
}

struct tacho_task *tacho_tasks_find(const struct tacho_tasks *tasks, int tid)
{
	return (struct tacho_task *)table_find(&tasks->tasks, tid);
}

struct tacho_process *tacho_tasks_process(const struct tacho_tasks *tasks, int pid)
{
	return (struct tacho_process *)table_find(&tasks->processes, pid);
}

struct tacho_task *tacho_tasks_add(struct tacho_tasks *tasks, int pid, int tid)
{
	struct tacho_process *process = tacho_tasks_process(tasks, pid);
	struct tacho_task *task = calloc(1, sizeof(*task));

	if (!task)
		return NULL;
	if (!process) {
		process = calloc(1, sizeof(*process));
		if (!process) {
			free(task);
			return NULL;
		}
		process->node.id = pid;
		process->domain = process->parent = TACHO_NONE;
		process->rule = -1;
		process->next_vm_look = 2;
		table_add(&tasks->processes, &process->node);
	}
	task->node.id = tid;
	task->process = process;
	task->domain = TACHO_NONE;
	task->next = process->tasks;
	if (task->next)
		task->next->prev = task;
	process->tasks = task;
	process->nr_tasks++;
	table_add(&tasks->tasks, &task->node);
	return task;
}

static int process_compare(const void *a, const void *b)
{
	int x = (*(struct tacho_process *const *)a)->node.id;
	int y = (*(struct tacho_process *const *)b)->node.id;

	return (x > y) - (x < y);
}

int tacho_tasks_processes(const struct tacho_tasks *tasks, struct tacho_process ***list, size_t *nr)
{
	struct tacho_node *node;
	size_t i;

	*nr = 0;
	*list = malloc((tasks->processes.nr + 1) * sizeof(**list));
	if (!*list)
		return -ENOMEM;
	for (i = 0; i < tasks->processes.nr_buckets; i++)
		for (node = tasks->processes.bucket[i]; node; node = node->next)
			(*list)[(*nr)++] = (struct tacho_process *)node;
	qsort(*list, *nr, sizeof(**list), process_compare);
	return 0;
}

bool tacho_tasks_remove(struct tacho_tasks *tasks, struct tacho_task *task)
{
	struct tacho_process *process = task->process;
	bool is_last = --process->nr_tasks == 0;

	if (task->prev)
		task->prev->next = task->next;
	else
		process->tasks = task->next;
	if (task->next)
		task->next->prev = task->prev;
	table_remove(&tasks->tasks, &task->node);
	free(task);
	if (is_last) {
		table_remove(&tasks->processes, &process->node);
		free(process);
	}
	return is_last;
}
