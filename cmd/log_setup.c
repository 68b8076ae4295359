/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log_setup.c: the session of tacho log: what is logged, for whom, and where to.
 *
 * Owns the way from the choice of the user to logs that fill: chooses the events, makes an area
 * with a log per event (with --count: an adding log per event and domain), binds principals to
 * domains, routes, attaches and enables; and the way back. It must not read what the logs say, and
 * prints nothing but what was refused. Called by log.c.
 *
 * Domains. Without --domain each principal is a domain of its own and has its name, so that only
 * what it does to itself is filtered. With --domain, what belongs to none is the domain "other". As
 * everywhere, what happens inside one domain is not an event.
 */
#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define MIN_DOMAINS 64
#define MAX_DOMAINS 4096 /* without --domain: principals beyond share the last one */

/* --- events and domains --------------------------------------------------------------------- */

static int events_choose(struct log *log)
{
	const struct tacho_target *target = log->target;
	bool *chosen = calloc(target->nr_events + 1, sizeof(*chosen));
	uint32_t *ids = calloc(target->nr_events + 1, sizeof(*ids));
	size_t nr, i, k;
	int status = UI_DONE;

	log->ids = calloc(target->nr_events + 1, sizeof(*ids));
	log->first_log = calloc(target->nr_events + 1, sizeof(*ids));
	if (!chosen || !ids || !log->ids || !log->first_log)
		status = ui_fail(&log_verb, "no memory");
	for (k = 0; k < (size_t)log->choice->nr_patterns && status == UI_DONE; k++) {
		nr = tacho_target_match(target, log->choice->patterns[k], ids, target->nr_events);
		if (nr == 0)
			status = ui_fail(
				&log_verb, "%s (%d) has no event '%s'; tacho list %d shows them",
				target->name, target->pid, log->choice->patterns[k], target->pid);
		for (i = 0; i < nr; i++) {
			if (!chosen[ids[i]])
				log->ids[log->nr_ids++] = ids[i];
			chosen[ids[i]] = true;
		}
	}
	log->event_width = 5;
	for (i = 0; i < log->nr_ids; i++)
		if ((int)strlen(target->events[log->ids[i]].name) > log->event_width)
			log->event_width = (int)strlen(target->events[log->ids[i]].name);
	free(chosen);
	free(ids);
	return status;
}

static uint32_t pow2_at_least(uint64_t x)
{
	uint32_t p = 1;

	while (p < x && p < 1u << 31)
		p *= 2;
	return p;
}

static uint32_t principals_end(const struct tacho_target *target)
{
	uint32_t i, end = 1;

	for (i = 0; i < target->nr_principals; i++)
		if (target->principals[i].principal >= end)
			end = target->principals[i].principal + 1;
	return end;
}

static void domain_name(struct log *log, uint32_t domain, const char *name, size_t len)
{
	snprintf(log->domain[domain], LOG_NAME_SIZE, "%.*s", (int)len, name);
	tacho_memory_domain_name(&log->memory, domain, log->domain[domain]);
	if ((int)strlen(log->domain[domain]) > log->domain_width)
		log->domain_width = (int)strlen(log->domain[domain]);
}

/* Bind what one word of a list means. Returns how many principals that are. */
static uint32_t word_bind(struct log *log, const struct tacho_target *target, uint32_t domain,
			  const char *word)
{
	uint32_t i, nr = 0;
	uint64_t number;

	if (ui_number(word, 0, TACHO_NONE - 1, &number))
		return tacho_memory_bind(&log->memory, (uint32_t)number, domain) == 0;
	for (i = 0; i < target->nr_principals; i++)
		if (fnmatch(word, target->principals[i].name, 0) == 0)
			nr += tacho_memory_bind(&log->memory, target->principals[i].principal,
						domain) == 0;
	return nr;
}

/* As --domain says; target: as the component describes itself now. Domain 0 is "other". */
static int domains_bind(struct log *log, const struct tacho_target *target, bool must_match)
{
	const char *spec, *list;
	char word[64];
	size_t len;
	uint32_t i;

	for (i = 0; i < log->choice->nr_domains; i++) {
		spec = log->choice->domains[i];
		list = strchr(spec, '=');
		domain_name(log, i + 1, spec, (size_t)(list - spec));
		do {
			list++;
			len = strcspn(list, ",");
			snprintf(word, sizeof(word), "%.*s", (int)len, list);
			list += len;
			if (word_bind(log, target, i + 1, word) == 0 && must_match)
				return ui_fail(&log_verb,
					       "--domain %s: %s has no principal '%s'; tacho list "
					       "-v %d shows them",
					       spec, target->name, word, target->pid);
		} while (*list == ',');
	}
	return 0;
}

/* Each principal is a domain, the last domain is for those that do not fit. */
static void domains_name(struct log *log, const struct tacho_target *target)
{
	uint32_t i, principal;

	for (i = 0; i < target->nr_principals; i++) {
		principal = target->principals[i].principal;
		if (principal < log->nr_domains - 1)
			domain_name(log, principal, target->principals[i].name, LOG_NAME_SIZE);
	}
}

static int domains_make(struct log *log)
{
	uint32_t i, last = log->nr_domains - 1;
	char number[16];

	log->domain_width = 6;
	if (log->choice->nr_domains) {
		domain_name(log, 0, "other", LOG_NAME_SIZE);
		return domains_bind(log, log->target, true);
	}
	tacho_memory_bind(&log->memory, TACHO_NONE, last);
	domain_name(log, last, "others", LOG_NAME_SIZE);
	for (i = 0; i < last; i++) {
		tacho_memory_bind(&log->memory, i, i);
		snprintf(number, sizeof(number), "%u", i);
		domain_name(log, i, number, LOG_NAME_SIZE);
	}
	domains_name(log, log->target);
	return 0;
}

void log_domains_refresh(struct log *log)
{
	struct tacho_target *now;

	log->unnamed = false;
	if (tacho_target_open(&now, log->target->pid, NULL, 0))
		return;
	if (log->choice->nr_domains)
		domains_bind(log, now, false);
	else
		domains_name(log, now);
	tacho_target_close(now);
}

bool log_domain_is_unnamed(const struct log *log, uint32_t domain)
{
	return log->choice->nr_domains ? domain == 0
				       : isdigit((unsigned char)log->domain[domain][0]);
}

/* --- setting up ----------------------------------------------------------------------------- */

static int area_make(struct log *log)
{
	const struct log_choice *choice = log->choice;
	const struct tacho_target *target = log->target;
	uint64_t logs, end = principals_end(target);
	struct tacho_area_options area = {
		.nr_events = pow2_at_least(target->nr_events < 64 ? 64 : target->nr_events),
		.nr_principals = pow2_at_least(end + 2 < 4096 ? 4096 : end + 2),
		.flags = choice->huge ? TACHO_AREA_HUGE : 0,
		.pid = (uint32_t)target->pid,
		.clock_source = target->clock_source,
		.name = target->name,
	};
	uint64_t row_size = choice->count ? 8 : TACHO_ROW_SIZE(choice->layout), bytes;
	int error;

	/* room to grow: twice as many as there are now */
	end = choice->nr_domains ? choice->nr_domains + 1 : 2 * end;
	end = end < MIN_DOMAINS ? MIN_DOMAINS : end;
	area.nr_domains = pow2_at_least(end > MAX_DOMAINS ? MAX_DOMAINS : end);
	log->nr_domains = area.nr_domains;
	logs = 1 + log->nr_ids * (uint64_t)(choice->count ? area.nr_domains : 1);
	bytes = (logs - 1) * (choice->count ? 1 : pow2_at_least(choice->rows)) * row_size;
	if (logs > TACHO_MAX_LOGS || bytes > TACHO_MAX_BODY / 2)
		return ui_fail(&log_verb,
			       "%zu events in %u domains do not fit into one area: choose fewer%s",
			       log->nr_ids, area.nr_domains,
			       choice->has_rows ? " rows" : " events");
	area.nr_logs = pow2_at_least(logs);
	area.rows_size = (uint32_t)(bytes < TACHO_PAGE ? TACHO_PAGE : bytes);
	log->domain = calloc(area.nr_domains, sizeof(*log->domain));
	if (!log->domain)
		return ui_fail(&log_verb, "no memory");
	error = tacho_memory_create(&log->memory, &area);
	if (log->memory.notice[0])
		ui_fail(&log_verb, "%s", log->memory.notice);
	return error ? ui_fail(&log_verb, "making the area: %s", strerror(-error)) : 0;
}

/* A log per event, or an adding one per event and domain, and the routes to them. */
static int logs_make(struct log *log)
{
	const struct log_choice *choice = log->choice;
	uint32_t domain, nr = choice->count ? log->nr_domains : 1;
	int number = 0, error = 0;
	size_t i;

	for (i = 0; i < log->nr_ids; i++) {
		for (domain = 0; domain < nr; domain++) {
			number = tacho_memory_log_add(
				&log->memory, choice->count ? 1 : (uint32_t)choice->rows,
				choice->count ? TACHO_ADD | TACHO_ENTRY_COUNTER : choice->layout,
				log->ids[i], choice->count ? domain : TACHO_NONE);
			if (number < 0)
				return number;
			if (domain == 0)
				log->first_log[i] = (uint32_t)number;
			error = tacho_memory_route(&log->memory, log->ids[i],
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

int log_open(struct log *log, int pid)
{
	char why[160];
	int error;

	if (tacho_target_open(&log->target, pid, why, sizeof(why)))
		return ui_fail(&log_verb, "%s", why);
	if (events_choose(log) || area_make(log) || domains_make(log))
		return UI_FAILED;
	error = logs_make(log);
	if (error)
		return ui_fail(&log_verb, "making the logs: %s", strerror(-error));
	if (tacho_view_open(&log->view, log->memory.base, log->memory.size, why, sizeof(why)))
		return ui_fail(&log_verb, "%s", why);
	error = log->choice->count ? 0 : merge_make(log);
	if (error)
		return ui_fail(&log_verb, "opening the logs: %s", strerror(-error));
	if (tacho_target_attach(log->target, &log->memory))
		return ui_fail(&log_verb, "%s", tacho_target_error(log->target));
	log->start_ns = ui_now_ns();
	if (tacho_target_enable(log->target, log->ids, log->nr_ids))
		return ui_fail(&log_verb, "%s", tacho_target_error(log->target));
	return UI_DONE;
}

void log_close(struct log *log)
{
	tacho_target_close(log->target);
	if (log->merge)
		tacho_merge_close(log->merge);
	if (log->memory.base)
		tacho_memory_destroy(&log->memory);
	free(log->domain);
	free(log->ids);
	free(log->first_log);
}
