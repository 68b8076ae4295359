// SPDX-License-Identifier: BSD-2-Clause
/*
 * self.c: what self.h promises.
 */
#include "self.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int refuse(const struct self *self, const char *what, int error, const char *why)
{
	bench_say(self->bench, "%s: %s%s%s", what, strerror(-error), *why ? ": " : "", why);
	return error < 0 ? error : -EPROTO;
}

int self_open(struct self *self, const struct bench *bench, uint32_t rows_size)
{
	struct tacho_area_options options = { .nr_events = 256, .rows_size = rows_size };
	char why[160] = "";
	int error;

	*self = (struct self){ .bench = bench };
	error = tacho_target_open(&self->target, getpid(), why, sizeof(why));
	if (error)
		return refuse(self, "this process", error, why);
	options.clock_source = self->target->clock_source;
	options.pid = (uint32_t)getpid();
	options.name = bench->name;
	error = tacho_memory_create(&self->memory, &options);
	if (error)
		return refuse(self, "area", error, "");
	error = tacho_view_open(&self->view, self->memory.base, self->memory.size, why,
				sizeof(why));
	return error ? refuse(self, "view", error, why) : 0;
}

int self_add(struct self *self, struct self_log *log)
{
	int error;

	if (tacho_target_match(self->target, log->event, &log->id, 1) != 1)
		return refuse(self, log->event, -ENOENT, "");
	error = tacho_memory_log_add(&self->memory, log->rows, log->layout, log->id, TACHO_NONE);
	if (error < 0)
		return refuse(self, log->event, error, "");
	log->log = (uint32_t)error;
	error = tacho_memory_route(&self->memory, log->id, TACHO_NONE, log->log, log->threshold);
	return error ? refuse(self, log->event, error, "") : 0;
}

int self_attach(struct self *self)
{
	int error = tacho_target_attach(self->target, &self->memory);

	return error ? refuse(self, "attach", error, tacho_target_error(self->target)) : 0;
}

int self_enable(struct self *self, const uint32_t *ids, size_t nr)
{
	int error = tacho_target_enable(self->target, ids, nr);

	return error ? refuse(self, "enable", error, tacho_target_error(self->target)) : 0;
}

int self_disable(struct self *self, const uint32_t *ids, size_t nr)
{
	int error = tacho_target_disable(self->target, ids, nr);

	return error ? refuse(self, "disable", error, tacho_target_error(self->target)) : 0;
}

void self_close(struct self *self)
{
	if (self->target)
		tacho_target_close(self->target);
	if (self->memory.base)
		tacho_memory_destroy(&self->memory);
	self->target = NULL;
	self->memory.base = NULL;
}

uint64_t self_rows(const struct self *self, const struct self_log *log)
{
	uint64_t total = 0;

	for (uint32_t cpu = 0; cpu < self->view.header.nr_cpus; cpu++) {
		struct tacho_cursor cursor;

		if (tacho_cursor_init(&cursor, &self->view, cpu, log->log, 0) == 0)
			total += cursor.pos;
	}
	return total;
}

uint64_t self_sum(const struct self *self, const struct self_log *log)
{
	uint64_t total = 0;

	for (uint32_t cpu = 0; cpu < self->view.header.nr_cpus; cpu++) {
		uint64_t sum = 0;

		if (tacho_view_sum(&self->view, cpu, log->log, &sum) == 0)
			total += sum;
	}
	return total;
}

uint64_t self_lost(const struct self *self)
{
	uint64_t lost = 0;

	for (uint32_t cpu = 0; cpu < self->view.header.nr_cpus; cpu++)
		for (uint32_t reason = 0; reason < TACHO_NR_LOST; reason++)
			lost += tacho_view_lost(&self->view, cpu, reason);
	return lost;
}

bool self_is_generic(void)
{
	const char *writer = getenv("TACHO_WRITER");

	return writer && strcmp(writer, "generic") == 0;
}

struct again {
	const struct bench *bench;
	char **argv;
};

static int exec_again(void *arg)
{
	const struct again *again = arg;

	setenv("TACHO_WRITER", "generic", 1);
	sched_setaffinity(0, sizeof(again->bench->allowed), &again->bench->allowed);
	execv("/proc/self/exe", again->argv);
	return 127;
}

void self_run_generic(struct bench *bench, char **argv)
{
	struct again again = { bench, argv };
	int status = bench_child(bench, exec_again, &again, 0);

	if (status == 0 || status == BENCH_SKIP)
		return;
	bench_say(bench, "the cases of the generic writer failed (%d)", status);
	bench->failed++;
}
