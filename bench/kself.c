// SPDX-License-Identifier: BSD-2-Clause
/*
 * kself.c: what kself.h promises.
 *
 * Logs cannot be taken back while an object is used, so each is made once, when it is first asked for.
 */
#include "kself.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "self.h"

#define ROWS	 4096
#define MAX_LOGS 32

static struct {
	struct tacho_kernel *kernel;
	struct self self; /* its view: rows and losses are counted as in any session of ours */
	struct self_log logs[MAX_LOGS];
	uint32_t nr_logs;
	const struct kself_config *config; /* that is on */
	const struct self_log *on[KSELF_EVENTS];
	struct kself_count before;
} kself;

static int refuse(char *why, size_t why_size, const char *what, int error)
{
	const char *more = kself.kernel ? tacho_kernel_error(kself.kernel) : "";

	snprintf(why, why_size, "%s: %s%s%s", what, strerror(-error), more && *more ? ": " : "",
		 more ? more : "");
	return error < 0 ? error : -EPROTO;
}

int kself_open(const struct bench *bench, enum tacho_kernel_by by, char *why, size_t why_size)
{
	struct tacho_kernel_options options = { .by = by };
	const struct tacho_memory *memory;
	int error;

	memset(&kself, 0, sizeof(kself));
	kself.self.bench = bench;
	error = tacho_kernel_open(&kself.kernel, &options, why, why_size);
	if (error) {
		kself.kernel = NULL;
		return error;
	}
	memory = tacho_kernel_memory(kself.kernel);
	error = tacho_view_open(&kself.self.view, memory->base, memory->size, why, why_size);
	if (error)
		kself_close();
	return error;
}

void kself_close(void)
{
	if (kself.kernel)
		tacho_kernel_close(kself.kernel);
	kself.kernel = NULL;
}

/* The log for an event and layout. NULL: there is no room. */
static const struct self_log *find_log(uint32_t event, uint32_t layout)
{
	struct self_log *log = kself.logs;
	int number;

	for (; log < kself.logs + kself.nr_logs; log++)
		if (log->id == event && log->layout == layout)
			return log;
	if (kself.nr_logs == MAX_LOGS)
		return NULL;
	number = tacho_memory_log_add(tacho_kernel_memory(kself.kernel), ROWS, layout, event,
				      TACHO_NONE);
	if (number < 0)
		return NULL;
	*log = (struct self_log){
		.layout = layout, .rows = ROWS, .id = event, .log = (uint32_t)number
	};
	kself.nr_logs++;
	return log;
}

static void count_now(struct kself_count *count)
{
	for (uint32_t i = 0; i < kself.config->nr_events; i++)
		count->rows[i] = self_rows(&kself.self, kself.on[i]);
	count->lost = self_lost(&kself.self);
}

int kself_on(const struct kself_config *config, char *why, size_t why_size)
{
	struct tacho_memory *memory = tacho_kernel_memory(kself.kernel);
	int error = 0;

	kself.config = config;
	for (uint32_t i = 0; i < config->nr_events; i++) {
		kself.on[i] = find_log(config->events[i], config->layout);
		if (!kself.on[i])
			return refuse(why, why_size, "a log", -ENOSPC);
		error = tacho_memory_route(memory, config->events[i], TACHO_NONE, kself.on[i]->log,
					   1);
		if (error)
			return refuse(why, why_size, "a route", error);
	}
	kself.before = (struct kself_count){ 0 };
	count_now(&kself.before);
	if (config->nr_events)
		error = tacho_kernel_enable(kself.kernel, config->events, config->nr_events);
	return error ? refuse(why, why_size, "enable", error) : 0;
}

int kself_off(struct kself_count *count, char *why, size_t why_size)
{
	int error = 0;

	*count = (struct kself_count){ 0 };
	if (kself.config->nr_events)
		error = tacho_kernel_disable(kself.kernel, kself.config->events,
					     kself.config->nr_events);
	if (error)
		return refuse(why, why_size, "disable", error);
	tacho_kernel_tend(kself.kernel, NULL); /* losses that the kernel counted */
	count_now(count);
	for (uint32_t i = 0; i < kself.config->nr_events; i++)
		count->rows[i] -= kself.before.rows[i];
	count->lost -= kself.before.lost;
	return 0;
}
