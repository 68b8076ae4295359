/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log_setup.c: the session of tacho log: what is logged, and where to.
 *
 * Owns the way from the choice of the user to logs that fill: chooses the events, has the component
 * make an area with a log per event (with --count: an adding log per event and domain), routes, and
 * has the component switch the events on; and the way back. It must not read what the logs say, and
 * prints nothing but what was refused. Called by log.c.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

uint32_t log_pow2(uint64_t x)
{
	uint32_t p = 1;

	while (p < x && p < 1u << 31)
		p *= 2;
	return p;
}

bool log_is_pair(const struct tacho_event_entry *event)
{
	return strstr(event->counter, " << 32 | ") != NULL;
}

void log_domain_name(struct log *log, uint32_t domain, const char *name, size_t len)
{
	snprintf(log->domain[domain], LOG_NAME_SIZE, "%.*s", (int)len, name);
	if ((int)strlen(log->domain[domain]) > log->domain_width)
		log->domain_width = (int)strlen(log->domain[domain]);
}

/* --- events --------------------------------------------------------------------------------- */

/* Add the events that match and were not chosen yet. Returns how many match. */
static size_t pattern_choose(struct log *log, const char *pattern, bool *chosen)
{
	size_t nr = 0;
	uint32_t id;

	for (id = 0; id < log->nr_events; id++) {
		if (!log->events[id].kind || fnmatch(pattern, log->events[id].name, 0) != 0)
			continue;
		nr++;
		if (!chosen[id])
			log->ids[log->nr_ids++] = id;
		chosen[id] = true;
	}
	return nr;
}

static int pattern_refuse(const struct log *log, const char *pattern)
{
	const char *why = log->choice->component->why_not(log, pattern);

	if (why)
		return ui_fail(&log_verb, "%s has no event '%s' here: %s", log->who, pattern, why);
	return ui_fail(&log_verb, "%s has no event '%s'; tacho list %s shows them", log->who,
		       pattern, log->list);
}

static int events_choose(struct log *log)
{
	bool *chosen = calloc(log->nr_events + 1, sizeof(*chosen));
	int status = UI_DONE, k, len;
	size_t i;

	log->ids = calloc(log->nr_events + 1, sizeof(*log->ids));
	log->first_log = calloc(log->nr_events + 1, sizeof(*log->first_log));
	if (!chosen || !log->ids || !log->first_log)
		status = ui_fail(&log_verb, "no memory");
	for (k = 0; k < log->choice->nr_patterns && status == UI_DONE; k++)
		if (pattern_choose(log, log->choice->patterns[k], chosen) == 0)
			status = pattern_refuse(log, log->choice->patterns[k]);
	log->event_width = 5;
	for (i = 0; i < log->nr_ids; i++) {
		len = (int)strlen(log->events[log->ids[i]].name);
		log->event_width = len > log->event_width ? len : log->event_width;
	}
	free(chosen);
	return status;
}

/* --- logs ----------------------------------------------------------------------------------- */

static int area_make(struct log *log)
{
	const struct log_choice *choice = log->choice;
	uint64_t row_size = choice->count ? 8 : TACHO_ROW_SIZE(choice->layout);
	uint64_t logs = 1 + log->nr_ids * (uint64_t)(choice->count ? log->nr_domains : 1), bytes;

	bytes = (logs - 1) * (choice->count ? 1 : log_pow2(choice->rows)) * row_size;
	if (logs > TACHO_MAX_LOGS || bytes > TACHO_MAX_BODY / 2)
		return ui_fail(&log_verb,
			       "%zu events in %u domains do not fit into one area: choose fewer%s",
			       log->nr_ids, log->nr_domains,
			       choice->has_rows ? " rows" : " events");
	log->domain = calloc(log->nr_domains, sizeof(*log->domain));
	if (!log->domain)
		return ui_fail(&log_verb, "no memory");
	log->domain_width = 6;
	return choice->component->area(log, log_pow2(logs),
				       (uint32_t)(bytes < TACHO_PAGE ? TACHO_PAGE : bytes));
}

/* The layout of the logs of an event: with --count, a sum; or, of what has none, the position. */
static uint32_t layout_of(const struct log *log, uint32_t id)
{
	if (!log->choice->count)
		return log->choice->layout;
	return log_is_pair(&log->events[id]) ? 0 : TACHO_ADD | TACHO_ENTRY_COUNTER;
}

/* A log per event, or with --count one per event and domain, and the routes to them. */
static int logs_make(struct log *log)
{
	const struct log_choice *choice = log->choice;
	uint32_t domain, nr = choice->count ? log->nr_domains : 1;
	int number = 0, error = 0;
	size_t i;

	for (i = 0; i < log->nr_ids; i++) {
		for (domain = 0; domain < nr; domain++) {
			number = tacho_memory_log_add(log->memory,
						      choice->count ? 1 : (uint32_t)choice->rows,
						      layout_of(log, log->ids[i]), log->ids[i],
						      choice->count ? domain : TACHO_NONE);
			if (number < 0)
				return number;
			if (domain == 0)
				log->first_log[i] = (uint32_t)number;
			error = tacho_memory_route(log->memory, log->ids[i],
						   choice->count ? domain : TACHO_NONE,
						   (uint32_t)number, (uint32_t)choice->threshold);
			if (error)
				return error;
		}
	}
	return 0;
}

static int merge_make(struct log *log)
{
	uint32_t cpu;
	size_t i;
	int error;

	error = tacho_merge_open(&log->merge, &log->view);
	for (cpu = 0; cpu < log->view.header.nr_cpus && !error; cpu++)
		for (i = 0; i < log->nr_ids && !error; i++)
			error = tacho_merge_add(log->merge, cpu, log->first_log[i], 1);
	return error;
}

int log_open(struct log *log)
{
	const struct log_component *component = log->choice->component;
	char why[160];
	int status, error;

	log->fd = -1;
	status = component->describe(log);
	if (status == UI_DONE)
		status = events_choose(log);
	if (status == UI_DONE)
		status = area_make(log);
	if (status != UI_DONE)
		return status;
	error = logs_make(log);
	if (error)
		return ui_fail(&log_verb, "making the logs: %s", strerror(-error));
	if (tacho_view_open(&log->view, log->memory->base, log->memory->size, why, sizeof(why)))
		return ui_fail(&log_verb, "%s", why);
	error = log->choice->count ? 0 : merge_make(log);
	if (error)
		return ui_fail(&log_verb, "opening the logs: %s", strerror(-error));
	return component->enable(log);
}

void log_close(struct log *log)
{
	if (log->merge)
		tacho_merge_close(log->merge);
	log->choice->component->close(log);
	free(log->domain);
	free(log->ids);
	free(log->first_log);
}
