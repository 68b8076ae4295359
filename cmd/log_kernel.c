/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log_kernel.c: what tacho log does to the kernel and the hypervisor: load, enable, look after.
 *
 * Owns the kernel object and the copy of its domains' names. Must not read what the logs say. One of
 * the components of log.h, called by log.c and log_setup.c.
 *
 * The kernel and the hypervisor are one object with one table of events: as target, "kernel" has all
 * of them and "hypervisor" those of virtual machines. Domains come and go while we look. A number is
 * given to another domain only when the rows that mean the old one have been read, and never while
 * sums are kept by number.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"
#include "kernel/names.h"
#include "kernel/rules.h"
#include "log.h"

#define DOMAINS	  1024u
#define TEND_NS	  50000000ll
#define MEET_NS	  2000000ll /* a domain without a name is looked up so often at most */
#define REUSE_NS  1000000000ll
#define PER_MS_US 1000.0

struct kernel {
	struct tacho_kernel *kernel;
	struct tacho_kernel_probe probe; /* its events are those that are offered */
	int64_t tended_ns, reused_ns;
	bool overflow_told;
};

static bool is_hypervisor(const char *name)
{
	return strncmp(name, "vm.", 3) == 0;
}

/* --- what there is -------------------------------------------------------------------------- */

/* Wrong rules are wrong usage, and are told whatever this user may do. */
static int rules_check(const struct log_choice *choice)
{
	struct tacho_rules rules;
	char why[160];

	if (tacho_rules_parse(&rules, choice->domains, choice->nr_domains, why, sizeof(why)))
		return ui_usage(&log_verb, "--domain: %s", why);
	tacho_rules_fini(&rules);
	return UI_DONE;
}

static int kernel_describe(struct log *log)
{
	struct kernel *kernel = calloc(1, sizeof(*kernel));
	const bool hypervisor = strcmp(log->choice->target, "hypervisor") == 0;
	struct tacho_event_entry *event;
	uint32_t id;

	log->state = kernel;
	if (!kernel)
		return ui_fail(&log_verb, "no memory");
	if (rules_check(log->choice))
		return UI_USAGE;
	tacho_kernel_probe(&kernel->probe);
	if (!kernel->probe.may_load)
		return ui_fail(&log_verb, "%s; tacho doctor says more", kernel->probe.missing);
	if (ui_kernel_pids())
		ui_fail(&log_verb, "%s", ui_kernel_pids());
	snprintf(log->who, sizeof(log->who), "the %s", log->choice->target);
	snprintf(log->list, sizeof(log->list), "%s", log->choice->target);
	for (id = 0; id < TACHO_K_NR; id++) {
		event = &kernel->probe.events[id];
		if (id == TACHO_K_TASK_TRACK || (hypervisor && !is_hypervisor(event->name)))
			event->kind = 0;
	}
	log->events = kernel->probe.events;
	log->nr_events = TACHO_K_NR;
	log->nr_domains = log_pow2(2 * (uint64_t)log->choice->nr_domains);
	if (log->nr_domains < DOMAINS)
		log->nr_domains = DOMAINS;
	return UI_DONE;
}

static const char *kernel_why_not(const struct log *log, const char *pattern)
{
	const struct kernel *kernel = log->state;
	uint32_t id;

	for (id = 0; id < TACHO_K_NR; id++)
		if (kernel->probe.why[id][0] &&
		    fnmatch(pattern, kernel->probe.events[id].name, 0) == 0)
			return kernel->probe.why[id];
	return NULL;
}

/* --- domains -------------------------------------------------------------------------------- */

static void names_take(struct log *log)
{
	const struct kernel *kernel = log->state;
	struct tacho_kernel_domain_info info;
	uint32_t domain;

	for (domain = 0; domain < log->nr_domains; domain++)
		if (tacho_kernel_domain(kernel->kernel, domain, &info) == 0)
			log_domain_name(log, domain, info.name, sizeof(info.name));
}

static void overflow_tell(struct log *log)
{
	struct kernel *kernel = log->state;

	if (kernel->overflow_told || tacho_kernel_overflow(kernel->kernel) == 0)
		return;
	kernel->overflow_told = true;
	ui_fail(&log_verb,
		"%u domains are not enough: what is left over is charged to 'other'; "
		"--domain-by and --domain make fewer",
		log->nr_domains);
}

static int tend_now(struct log *log, int64_t now)
{
	struct kernel *kernel = log->state;
	bool changed = false;
	int error = tacho_kernel_tend(kernel->kernel, &changed);

	kernel->tended_ns = now;
	if (changed)
		names_take(log);
	overflow_tell(log);
	return error;
}

static int kernel_tend(struct log *log, bool drained, const char **why)
{
	struct kernel *kernel = log->state;
	int64_t now = ui_now_ns();

	if (drained && !log->choice->count && now - kernel->reused_ns >= REUSE_NS) {
		tacho_kernel_reuse(kernel->kernel);
		kernel->reused_ns = now;
	}
	*why = tacho_kernel_error(kernel->kernel);
	return now - kernel->tended_ns >= TEND_NS ? tend_now(log, now) : 0;
}

static void kernel_meet(struct log *log, uint32_t domain)
{
	struct kernel *kernel = log->state;
	int64_t now;

	if (log->domain[domain][0])
		return;
	now = ui_now_ns();
	if (now - kernel->tended_ns >= MEET_NS)
		tend_now(log, now);
}

/* --- the area and the switches -------------------------------------------------------------- */

/* Events whose program this kernel's verifier did not take are told and left out. */
static int refused_drop(struct log *log)
{
	const struct kernel *kernel = log->state;
	const struct tacho_event_entry *events = tacho_kernel_events(kernel->kernel);
	size_t i, nr = 0;

	for (i = 0; i < log->nr_ids; i++) {
		if (events[log->ids[i]].kind)
			log->ids[nr++] = log->ids[i];
		else
			ui_fail(&log_verb, "%s is left out: this kernel has refused its program",
				log->events[log->ids[i]].name);
	}
	log->nr_ids = nr;
	return nr ? UI_DONE : UI_FAILED;
}

static int kernel_area(struct log *log, uint32_t nr_logs, uint32_t rows_size)
{
	const struct log_choice *choice = log->choice;
	struct kernel *kernel = log->state;
	struct tacho_kernel_options options = {
		.nr_domains = log->nr_domains,
		.nr_logs = nr_logs,
		.rows_size = rows_size,
		.runq_us = (uint32_t)(choice->period_ms * PER_MS_US),
		.by = choice->by,
		.rules = choice->domains,
		.nr_rules = choice->nr_domains,
	};
	char why[200];
	int error, i;

	for (i = 0; i < LOG_COUNTERS; i++)
		options.counters[i] = choice->counters[i];
	error = tacho_kernel_open(&kernel->kernel, &options, why, sizeof(why));
	if (error == -EINVAL)
		return ui_usage(&log_verb, "%s", why);
	if (error)
		return ui_fail(&log_verb, "%s", why);
	log->memory = tacho_kernel_memory(kernel->kernel);
	return refused_drop(log);
}

static int kernel_enable(struct log *log)
{
	struct kernel *kernel = log->state;

	log->start_ns = ui_now_ns();
	if (tacho_kernel_enable(kernel->kernel, log->ids, log->nr_ids))
		return ui_fail(&log_verb, "%s", tacho_kernel_error(kernel->kernel));
	names_take(log);
	return UI_DONE;
}

static void kernel_disable(struct log *log)
{
	struct kernel *kernel = log->state;

	tend_now(log, ui_now_ns()); /* while the events that it follows are on */
	tacho_kernel_disable(kernel->kernel, log->ids, log->nr_ids);
}

static bool kernel_is_alive(const struct log *log)
{
	(void)log;
	return true;
}

static void kernel_close(struct log *log)
{
	struct kernel *kernel = log->state;

	if (kernel)
		tacho_kernel_close(kernel->kernel);
	free(kernel);
}

const struct log_component log_kernel = {
	.describe = kernel_describe,
	.why_not = kernel_why_not,
	.area = kernel_area,
	.enable = kernel_enable,
	.disable = kernel_disable,
	.is_alive = kernel_is_alive,
	.tend = kernel_tend,
	.meet = kernel_meet,
	.number = tacho_kernel_name,
	.close = kernel_close,
};
