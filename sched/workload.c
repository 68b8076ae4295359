// SPDX-License-Identifier: BSD-2-Clause
/*
 * workload.c: which domains are the workload, found while they run.
 *
 * Owns the means of an interval, and the memory of who was busy how long ago. Decides by the
 * numbers of the input and nothing else. Memory is that of the domains that were busy lately.
 * Thresholds and "out after five quiet intervals": Clavis, paper 003. Called by cmd/ for its logs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workload.h"

/* A domain that had something to do in this interval, or is, or may become, of the workload. */
struct entry {
	struct tacho_workload_domain domain;
	double service, io_bytes, net_bytes, intensity; /* so far: rate * seconds */
	uint32_t busy; /* intervals in a row */
	bool is_in;
};

struct tacho_workload {
	struct tacho_workload_options options;
	struct entry *entries; /* by id */
	size_t nr, room;
	struct tacho_workload_domain *list; /* those that are in, by id */
	size_t nr_list, list_room;
	uint64_t begin_ns; /* of this interval; 0: none yet */
	double seconds; /* of it that were looked at */
};

int tacho_workload_open(struct tacho_workload **workload,
			const struct tacho_workload_options *options)
{
	struct tacho_workload *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	if (options)
		w->options = *options;
	w->options.interval_ns = w->options.interval_ns ? w->options.interval_ns : 1000000000u;
	w->options.in = w->options.in ? w->options.in : 1;
	w->options.out = w->options.out ? w->options.out : 5;
	*workload = w;
	return 0;
}

void tacho_workload_close(struct tacho_workload *workload)
{
	if (!workload)
		return;
	free(workload->entries);
	free(workload->list);
	free(workload);
}

/* --- the interval ----------------------------------------------------------------------------- */

static size_t entry_at(const struct tacho_workload *w, uint32_t id)
{
	size_t low = 0, high = w->nr, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (w->entries[middle].domain.id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct entry *entry_get(struct tacho_workload *w, const struct tacho_policy_domain *domain)
{
	size_t at = entry_at(w, domain->id);
	struct entry *grown = w->entries;

	if (at < w->nr && w->entries[at].domain.id == domain->id) {
		if (w->entries[at].domain.pid == domain->pid &&
		    w->entries[at].domain.tid == domain->tid)
			return &w->entries[at];
	} else {
		if (w->nr == w->room) {
			grown = realloc(w->entries, (2 * w->room + 16) * sizeof(*grown));
			if (!grown)
				return NULL;
			w->entries = grown;
			w->room = 2 * w->room + 16;
		}
		memmove(&grown[at + 1], &grown[at], (w->nr - at) * sizeof(*grown));
		w->nr++;
	}
	/* new; or the number is somebody else's by now */
	grown[at] = (struct entry){
		.domain = { .id = domain->id, .pid = domain->pid, .tid = domain->tid }
	};
	return &grown[at];
}

/* A rate that is no number counts as nothing. */
static double some(double rate, double seconds)
{
	return rate > 0 ? rate * seconds : 0;
}

static int add(struct tacho_workload *w, const struct tacho_policy_input *input)
{
	double seconds = (double)input->interval_ns / 1e9;
	const struct tacho_policy_domain *domain;
	struct entry *entry;
	uint32_t i;

	for (i = 0; i < input->nr_domains; i++) {
		domain = &input->domains[i];
		/* what does nothing at all needs no entry */
		if (!(domain->service > 0) && !(domain->io_bytes > 0) && !(domain->net_bytes > 0))
			continue;
		if (domain->flags & TACHO_D_SYSTEM)
			continue;
		entry = entry_get(w, domain);
		if (!entry)
			return -ENOMEM;
		snprintf(entry->domain.name, sizeof(entry->domain.name), "%.*s",
			 (int)sizeof(domain->name), domain->name);
		entry->service += some(domain->service, seconds);
		entry->io_bytes += some(domain->io_bytes, seconds);
		entry->net_bytes += some(domain->net_bytes, seconds);
		entry->intensity += some(domain->intensity, seconds);
	}
	w->seconds += seconds;
	return 0;
}

static uint32_t classes_of(const struct tacho_workload_domain *domain,
			   const struct tacho_policy_tuning *tuning)
{
	uint32_t classes = 0;

	if (domain->service > tuning->cpu_threshold)
		classes |= TACHO_WORKLOAD_CPU;
	if (domain->io_bytes > tuning->disk_threshold)
		classes |= TACHO_WORKLOAD_DISK;
	if (domain->net_bytes > tuning->net_threshold)
		classes |= TACHO_WORKLOAD_NET;
	return classes;
}

/* The interval of one domain has ended. Returns whether it is still of interest. */
static bool entry_end(const struct tacho_workload *w, struct entry *entry,
		      const struct tacho_policy_tuning *tuning)
{
	struct tacho_workload_domain *domain = &entry->domain;
	uint32_t classes;

	domain->service = entry->service / w->seconds;
	domain->io_bytes = entry->io_bytes / w->seconds;
	domain->net_bytes = entry->net_bytes / w->seconds;
	domain->intensity = entry->intensity / w->seconds;
	entry->service = entry->io_bytes = entry->net_bytes = entry->intensity = 0;
	classes = classes_of(domain, tuning);
	if (classes) {
		domain->quiet = 0;
		domain->classes = classes;
		entry->busy++;
		entry->is_in = entry->is_in || entry->busy >= w->options.in;
		return true;
	}
	entry->busy = 0;
	domain->quiet++;
	entry->is_in = entry->is_in && domain->quiet < w->options.out;
	return entry->is_in;
}

static int list_make(struct tacho_workload *w)
{
	struct tacho_workload_domain *grown;
	size_t i;

	if (w->nr > w->list_room) {
		grown = realloc(w->list, w->nr * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		w->list = grown;
		w->list_room = w->nr;
	}
	w->nr_list = 0;
	for (i = 0; i < w->nr; i++)
		if (w->entries[i].is_in)
			w->list[w->nr_list++] = w->entries[i].domain;
	return 0;
}

int tacho_workload_update(struct tacho_workload *w, const struct tacho_policy_input *input)
{
	size_t i, nr = 0;
	int error;

	if (!w->begin_ns || w->begin_ns > input->time_ns)
		w->begin_ns =
			input->time_ns -
			(input->interval_ns < input->time_ns ? input->interval_ns : input->time_ns);
	error = add(w, input);
	if (error)
		return error;
	if (input->time_ns - w->begin_ns < w->options.interval_ns || !(w->seconds > 0))
		return 0;
	for (i = 0; i < w->nr; i++)
		if (entry_end(w, &w->entries[i], &input->tuning))
			w->entries[nr++] = w->entries[i];
	w->nr = nr;
	w->begin_ns = input->time_ns;
	w->seconds = 0;
	error = list_make(w);
	return error ? error : 1;
}

/* --- the answer ------------------------------------------------------------------------------- */

const struct tacho_workload_domain *tacho_workload_list(const struct tacho_workload *workload,
							size_t *nr)
{
	*nr = workload->nr_list;
	return workload->list;
}

uint32_t tacho_workload_classes(const struct tacho_workload *workload, uint32_t id)
{
	size_t at = entry_at(workload, id);

	if (at == workload->nr || workload->entries[at].domain.id != id ||
	    !workload->entries[at].is_in)
		return 0;
	return workload->entries[at].domain.classes;
}

const char *tacho_workload_format(uint32_t classes, char *text, size_t size)
{
	snprintf(text, size, "%s%s%s%s%s", classes & TACHO_WORKLOAD_CPU ? "cpu" : "",
		 classes & TACHO_WORKLOAD_CPU &&
				 classes & (TACHO_WORKLOAD_DISK | TACHO_WORKLOAD_NET)
			 ? "+"
			 : "",
		 classes & TACHO_WORKLOAD_DISK ? "disk" : "",
		 classes & TACHO_WORKLOAD_DISK && classes & TACHO_WORKLOAD_NET ? "+" : "",
		 classes & TACHO_WORKLOAD_NET ? "net" : "");
	return text;
}
