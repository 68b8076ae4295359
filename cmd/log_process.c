/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log_process.c: what tacho log does to a process: connect to its socket, make an area, attach.
 *
 * Owns the connection, which is the lease, the area, and which principal is in which domain. Must
 * not read what the logs say. One of the components of log.h, called by log.c and log_setup.c.
 *
 * Domains. Without --domain each principal is a domain of its own and has its name, so that only
 * what it does to itself is filtered. With --domain, what belongs to none is the domain "other". As
 * everywhere, what happens inside one domain is not an event. Principals may be made while we look:
 * they are asked for again, over another connection: should the component be stuck in a debugger,
 * the lease is not at risk.
 */
#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define MIN_DOMAINS 64
#define MAX_DOMAINS 4096 /* without --domain: principals beyond share the last one */
#define SECOND_NS   1000000000ll

struct process {
	struct tacho_target *target;
	struct tacho_memory memory;
	int64_t asked_ns; /* when the principals were asked for last */
};

static uint32_t principals_end(const struct tacho_target *target)
{
	uint32_t i, end = 1;

	for (i = 0; i < target->nr_principals; i++)
		if (target->principals[i].principal >= end)
			end = target->principals[i].principal + 1;
	return end;
}

static int process_describe(struct log *log)
{
	struct process *process = calloc(1, sizeof(*process));
	const struct tacho_target *target;
	uint64_t nr_domains;
	char why[160];
	int pid;

	log->state = process;
	if (!process)
		return ui_fail(&log_verb, "no memory");
	pid = ui_target_pid(&log_verb, log->choice->target);
	if (!pid)
		return UI_FAILED;
	if (tacho_target_open(&process->target, pid, why, sizeof(why)))
		return ui_fail(&log_verb, "%s", why);
	target = process->target;
	snprintf(log->who, sizeof(log->who), "%s (%d)", target->name, target->pid);
	snprintf(log->list, sizeof(log->list), "%d", target->pid);
	log->events = target->events;
	log->nr_events = target->nr_events;
	log->fd = target->sock;
	/* room to grow: twice as many as there are now */
	nr_domains = log->choice->nr_domains ? log->choice->nr_domains + 1
					     : 2 * (uint64_t)principals_end(target);
	nr_domains = nr_domains < MIN_DOMAINS ? MIN_DOMAINS : nr_domains;
	log->nr_domains = log_pow2(nr_domains > MAX_DOMAINS ? MAX_DOMAINS : nr_domains);
	return UI_DONE;
}

static const char *process_why_not(const struct log *log, const char *pattern)
{
	(void)log;
	(void)pattern;
	return NULL;
}

/* --- domains -------------------------------------------------------------------------------- */

static void domain_name(struct log *log, uint32_t domain, const char *name, size_t len)
{
	log_domain_name(log, domain, name, len);
	tacho_memory_domain_name(log->memory, domain, log->domain[domain]);
}

/* Bind what one word of a list means. Returns how many principals that are. */
static uint32_t word_bind(struct log *log, const struct tacho_target *target, uint32_t domain,
			  const char *word)
{
	uint32_t i, nr = 0;
	uint64_t number;

	if (ui_number(word, 0, TACHO_NONE - 1, &number))
		return tacho_memory_bind(log->memory, (uint32_t)number, domain) == 0;
	for (i = 0; i < target->nr_principals; i++)
		if (fnmatch(word, target->principals[i].name, 0) == 0)
			nr += tacho_memory_bind(log->memory, target->principals[i].principal,
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
	return UI_DONE;
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

static int domains_make(struct log *log, const struct tacho_target *target)
{
	uint32_t i, last = log->nr_domains - 1;
	char number[16];

	if (log->choice->nr_domains) {
		domain_name(log, 0, "other", LOG_NAME_SIZE);
		return domains_bind(log, target, true);
	}
	tacho_memory_bind(log->memory, TACHO_NONE, last);
	domain_name(log, last, "others", LOG_NAME_SIZE);
	for (i = 0; i < last; i++) {
		tacho_memory_bind(log->memory, i, i);
		snprintf(number, sizeof(number), "%u", i);
		domain_name(log, i, number, LOG_NAME_SIZE);
	}
	domains_name(log, target);
	return UI_DONE;
}

static void process_meet(struct log *log, uint32_t domain)
{
	struct process *process = log->state;
	int64_t now = ui_now_ns();
	struct tacho_target *again;

	if (log->choice->nr_domains ? domain != 0 : !isdigit((unsigned char)log->domain[domain][0]))
		return;
	if (now - process->asked_ns < SECOND_NS)
		return;
	process->asked_ns = now;
	if (tacho_target_open(&again, process->target->pid, NULL, 0))
		return;
	if (log->choice->nr_domains)
		domains_bind(log, again, false);
	else
		domains_name(log, again);
	tacho_target_close(again);
}

/* --- the area and the switches -------------------------------------------------------------- */

static int process_area(struct log *log, uint32_t nr_logs, uint32_t rows_size)
{
	struct process *process = log->state;
	const struct tacho_target *target = process->target;
	uint64_t end = principals_end(target);
	struct tacho_area_options area = {
		.nr_domains = log->nr_domains,
		.nr_events = log_pow2(log->nr_events < 64 ? 64 : log->nr_events),
		.nr_principals = log_pow2(end + 2 < 4096 ? 4096 : end + 2),
		.nr_logs = nr_logs,
		.rows_size = rows_size,
		.flags = log->choice->huge ? TACHO_AREA_HUGE : 0,
		.pid = (uint32_t)target->pid,
		.clock_source = target->clock_source,
		.name = target->name,
	};
	int error = tacho_memory_create(&process->memory, &area);

	if (process->memory.notice[0])
		ui_fail(&log_verb, "%s", process->memory.notice);
	if (error)
		return ui_fail(&log_verb, "making the area: %s", strerror(-error));
	log->memory = &process->memory;
	return domains_make(log, target);
}

static int process_enable(struct log *log)
{
	struct process *process = log->state;

	if (tacho_target_attach(process->target, &process->memory))
		return ui_fail(&log_verb, "%s", tacho_target_error(process->target));
	log->start_ns = process->asked_ns = ui_now_ns();
	if (tacho_target_enable(process->target, log->ids, log->nr_ids))
		return ui_fail(&log_verb, "%s", tacho_target_error(process->target));
	return UI_DONE;
}

static bool process_is_alive(const struct log *log)
{
	const struct process *process = log->state;

	return tacho_target_alive(process->target);
}

static void process_disable(struct log *log)
{
	struct process *process = log->state;

	if (tacho_target_alive(process->target))
		tacho_target_disable(process->target, log->ids, log->nr_ids);
}

static void process_close(struct log *log)
{
	struct process *process = log->state;

	if (!process)
		return;
	tacho_target_close(process->target);
	if (process->memory.base)
		tacho_memory_destroy(&process->memory);
	free(process);
}

const struct log_component log_process = {
	.describe = process_describe,
	.why_not = process_why_not,
	.area = process_area,
	.enable = process_enable,
	.disable = process_disable,
	.is_alive = process_is_alive,
	.meet = process_meet,
	.close = process_close,
};
