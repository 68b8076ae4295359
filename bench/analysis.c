// SPDX-License-Identifier: BSD-2-Clause
/*
 * analysis.c: what analysis.h promises.
 */
#include "analysis.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

#define BATCH	 256u
#define SWEEP_NS 1000000000ull /* between two looks for domains that have ended */
#define RECENT	 1000000000ull /* who used a processor since then is asked about its memory */
#define USED_NS	 (ANALYSIS_PERIOD_NS / 1000) /* less is not counted as use */
#define DEFAULT	 (4u << 20) /* bytes of rows per CPU, as kernel.h has it */
#define FULL	 (TACHO_CLOCK_TIME | TACHO_ENTRIES_ALL)

/* --- life --------------------------------------------------------------------------------- */

/* The largest power of two of rows, so that all logs fit. */
static uint32_t share(uint32_t nr_logs)
{
	uint32_t rows = 64;

	while (rows * 2 * nr_logs * TACHO_ROW_SIZE(FULL) < DEFAULT)
		rows *= 2;
	return rows;
}

static int log_make(struct analysis *analysis, uint32_t i)
{
	struct tacho_memory *memory = tacho_kernel_memory(analysis->kernel);
	const uint32_t event = analysis->options.events[i], nr = analysis->view.header.nr_cpus;
	int log = tacho_memory_log_add(memory, analysis->options.rows, FULL, event, TACHO_NONE);
	int error = log < 0 ? log : 0;

	for (uint32_t cpu = 0; cpu < nr && !error; cpu++)
		error = tacho_cursor_init(&analysis->cursors[i * nr + cpu], &analysis->view, cpu,
					  (uint32_t)log, 1);
	return error ? error : tacho_memory_route(memory, event, TACHO_NONE, (uint32_t)log, 1);
}

static int make(struct analysis *analysis, char *why, size_t why_size)
{
	const struct tacho_memory *memory = tacho_kernel_memory(analysis->kernel);
	struct tacho_facts_options facts = { 0 };
	int error = tacho_view_open(&analysis->view, memory->base, memory->size, why, why_size);

	if (error)
		return error;
	/* then times need no conversion: they are ns already */
	if (analysis->view.header.clock_source != TACHO_SOURCE_MONOTONIC)
		return -EPROTO;
	facts.nr_cpus = analysis->view.header.nr_cpus;
	facts.nr_domains = analysis->view.header.nr_domains;
	error = tacho_facts_create(&analysis->facts, &facts);
	analysis->used_ns = calloc(facts.nr_domains, sizeof(*analysis->used_ns));
	analysis->cursors = calloc((size_t)facts.nr_cpus * analysis->options.nr_events,
				   sizeof(*analysis->cursors));
	if (!analysis->used_ns || !analysis->cursors)
		error = -ENOMEM;
	for (uint32_t i = 0; i < analysis->options.nr_events && !error; i++)
		error = log_make(analysis, i);
	return error;
}

int analysis_open(struct analysis *analysis, const struct analysis_options *options, char *why,
		  size_t why_size)
{
	const struct tacho_kernel_options kernel = { .shared_ms = UINT32_MAX };
	int error;

	*analysis = (struct analysis){ .options = *options };
	if (!options->rows)
		analysis->options.rows = share(options->nr_events);
	error = tacho_kernel_open(&analysis->kernel, &kernel, why, why_size);
	if (error)
		return error;
	snprintf(why, why_size, "making the logs");
	return make(analysis, why, why_size);
}

void analysis_close(struct analysis *analysis)
{
	tacho_kernel_close(analysis->kernel);
	tacho_facts_destroy(analysis->facts);
	free(analysis->cursors);
	free(analysis->used_ns);
	*analysis = (struct analysis){ .kernel = NULL };
}

int analysis_enable(struct analysis *analysis)
{
	int error = tacho_kernel_enable(analysis->kernel, analysis->options.events,
					analysis->options.nr_events);

	if (!error)
		tacho_facts_end(analysis->facts, bench_monotonic_ns());
	return error;
}

/* --- a round ------------------------------------------------------------------------------ */

static void ask_running(struct analysis *analysis)
{
	uint32_t domain;
	uint64_t since;

	for (uint32_t cpu = 0; cpu < analysis->view.header.nr_cpus; cpu++)
		if (tacho_view_running(&analysis->view, cpu, &domain, &since) == 0)
			tacho_facts_running(analysis->facts, cpu, domain, since);
}

static int read_log(struct analysis *analysis, uint32_t event, struct tacho_cursor *cursor)
{
	static struct tacho_row rows[BATCH];
	uint64_t all = 0;
	size_t nr;
	int error;

	do {
		nr = tacho_cursor_read(cursor, &analysis->view, rows, BATCH);
		error = tacho_facts_rows(analysis->facts, rows, nr);
		all += nr;
	} while (nr == BATCH && all < analysis->options.rows && !error);
	analysis->rows += all;
	if (event == TACHO_K_MEM_SHARED)
		analysis->shared += all;
	return error;
}

static int read_logs(struct analysis *analysis)
{
	const uint32_t nr = analysis->view.header.nr_cpus;
	int error = 0;

	for (uint32_t i = 0; i < analysis->options.nr_events && !error; i++)
		for (uint32_t cpu = 0; cpu < nr && !error; cpu++)
			error = read_log(analysis, analysis->options.events[i],
					 &analysis->cursors[i * nr + cpu]);
	return error;
}

/* What a policy would want to know: who ran, and who talks to whom. */
static void ask_facts(struct analysis *analysis, uint64_t now_ns)
{
	const struct tacho_facts_pair *pairs;
	const uint32_t *domains;
	size_t nr = tacho_facts_domains(analysis->facts, &domains);

	for (size_t i = 0; i < nr; i++) {
		const struct tacho_facts_domain *domain =
			tacho_facts_domain(analysis->facts, domains[i]);

		if (domain->service_ns > USED_NS)
			analysis->used_ns[domains[i]] = now_ns;
		analysis->asked += (double)(domain->service_ns + domain->wakes_out);
	}
	nr = tacho_facts_pairs(analysis->facts, &pairs);
	for (size_t i = 0; i < nr; i++)
		analysis->asked += pairs[i].rate;
	for (uint32_t cpu = 0; cpu < analysis->view.header.nr_cpus; cpu++)
		analysis->asked += (double)tacho_facts_cpu(analysis->facts, cpu)->idle_ns;
}

/* Of domains that used a processor lately, with each other: who hardly runs touches few pages. */
static int sample_shared(struct analysis *analysis, uint64_t now_ns)
{
	uint32_t used[256], nr = 0;

	for (uint32_t domain = TACHO_DOMAIN_FIRST; domain < analysis->view.header.nr_domains;
	     domain++)
		if (analysis->used_ns[domain] && now_ns - analysis->used_ns[domain] < RECENT &&
		    nr < sizeof(used) / sizeof(used[0]))
			used[nr++] = domain;
	analysis->samples++;
	return nr > 0 ? tacho_kernel_sample_shared(analysis->kernel, used, nr) : 0;
}

/* Numbers of domains that have ended may be used again: their last rows have been read. */
static void sweep(struct analysis *analysis)
{
	struct tacho_kernel_domain_info info;

	for (uint32_t domain = TACHO_DOMAIN_FIRST; domain < analysis->view.header.nr_domains;
	     domain++) {
		if (tacho_kernel_domain(analysis->kernel, domain, &info) || !info.is_gone)
			continue;
		tacho_facts_forget(analysis->facts, domain);
		analysis->used_ns[domain] = 0;
	}
	tacho_kernel_reuse(analysis->kernel);
}

int analysis_round(struct analysis *analysis)
{
	uint64_t now_ns;
	int error = 0;

	analysis->rounds++;
	if (analysis->shared_every && analysis->rounds % analysis->shared_every == 0)
		error = sample_shared(analysis, bench_monotonic_ns());
	ask_running(analysis);
	if (!error)
		error = read_logs(analysis);
	if (error)
		return error;
	now_ns = bench_monotonic_ns();
	tacho_facts_end(analysis->facts, now_ns);
	ask_facts(analysis, now_ns);
	/* before the next look for who has ended: of those known so far all rows were read */
	if (now_ns - analysis->swept_ns > SWEEP_NS) {
		analysis->swept_ns = now_ns;
		sweep(analysis);
	}
	return tacho_kernel_tend(analysis->kernel, NULL);
}

int analysis_loop(struct analysis *analysis, uint64_t end_ns, int fd)
{
	uint64_t next_ns = bench_monotonic_ns() + ANALYSIS_PERIOD_NS, now_ns;
	struct pollfd poll = { .fd = fd, .events = POLLIN };
	struct timespec wait = { 0, 0 };
	int ready, error = 0;

	while (!error) {
		now_ns = bench_monotonic_ns();
		wait.tv_nsec = next_ns > now_ns ? (long)(next_ns - now_ns) : 0;
		ready = ppoll(&poll, 1, &wait, NULL);
		if (ready > 0)
			break;
		if (ready < 0 && errno != EINTR)
			return -errno;
		now_ns = bench_monotonic_ns();
		if (now_ns >= end_ns)
			break;
		if (now_ns > next_ns + ANALYSIS_PERIOD_NS / 2) {
			if (analysis)
				analysis->late++;
			next_ns = now_ns; /* what was missed is not made up for */
		}
		next_ns += ANALYSIS_PERIOD_NS;
		if (analysis)
			error = analysis_round(analysis);
	}
	return error;
}

/* --- what was found ----------------------------------------------------------------------- */

uint64_t analysis_lost(const struct analysis *analysis)
{
	const uint32_t nr = analysis->view.header.nr_cpus;
	uint64_t lost = 0;

	for (uint32_t i = 0; i < analysis->options.nr_events * nr; i++)
		lost += analysis->cursors[i].lost;
	for (uint32_t cpu = 0; cpu < nr; cpu++)
		for (uint32_t reason = 0; reason < TACHO_NR_LOST; reason++)
			lost += tacho_view_lost(&analysis->view, cpu, reason);
	return lost;
}

/* Positions, all logs and CPUs. */
uint64_t analysis_written(const struct analysis *analysis)
{
	const uint32_t nr = analysis->view.header.nr_cpus;
	struct tacho_window window;
	uint64_t written = 0;

	for (uint32_t i = 0; i < analysis->options.nr_events * nr; i++)
		if (tacho_window_open(&window, &analysis->cursors[i], &analysis->view) == 0)
			written += window.end;
	return written;
}
