// SPDX-License-Identifier: BSD-2-Clause
/*
 * analysis.c: what analysis.h promises.
 */
#include "analysis.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "bench.h"

#define SWEEP_NS 1000000000ull /* between two looks for domains that have ended */
#define RECENT	 1000000000ull /* who used a processor since then is asked about its memory */
#define USED_NS	 (ANALYSIS_PERIOD_NS / 1000) /* less is not counted as use */

/* --- life --------------------------------------------------------------------------------- */

int analysis_open(struct analysis *analysis, const struct analysis_options *options, char *why,
		  size_t why_size)
{
	const struct tacho_live_options live = {
		.kernel = { .shared_ms = UINT32_MAX },
		.events = options->events,
		.nr_events = options->nr_events,
		.rows = options->rows,
	};
	int error;

	*analysis = (struct analysis){ .options = *options };
	error = tacho_live_open(&analysis->live, &live, why, why_size);
	if (error)
		return error;
	analysis->used_ns = calloc(tacho_live_view(analysis->live)->header.nr_domains,
				   sizeof(*analysis->used_ns));
	return analysis->used_ns ? 0 : -ENOMEM;
}

void analysis_close(struct analysis *analysis)
{
	tacho_live_close(analysis->live);
	free(analysis->used_ns);
	*analysis = (struct analysis){ .live = NULL };
}

int analysis_enable(struct analysis *analysis)
{
	int error = tacho_live_on(analysis->live);

	for (uint32_t i = 0; i < analysis->options.nr_events && !error; i++)
		if (!tacho_live_has(analysis->live, analysis->options.events[i]))
			error = -ENOENT;
	return error;
}

/* --- a round ------------------------------------------------------------------------------ */

/* What a policy would want to know: who ran, and who talks to whom. */
static void ask_facts(struct analysis *analysis, uint64_t now_ns)
{
	const struct tacho_facts *facts = tacho_live_facts(analysis->live);
	const struct tacho_facts_pair *pairs;
	const uint32_t *domains;
	size_t nr = tacho_facts_domains(facts, &domains);

	for (size_t i = 0; i < nr; i++) {
		const struct tacho_facts_domain *domain = tacho_facts_domain(facts, domains[i]);

		if (domain->service_ns > USED_NS)
			analysis->used_ns[domains[i]] = now_ns;
		analysis->asked += (double)(domain->service_ns + domain->wakes_out);
	}
	nr = tacho_facts_pairs(facts, &pairs);
	for (size_t i = 0; i < nr; i++)
		analysis->asked += pairs[i].rate;
	for (uint32_t cpu = 0; cpu < tacho_live_view(analysis->live)->header.nr_cpus; cpu++)
		analysis->asked += (double)tacho_facts_cpu(facts, cpu)->idle_ns;
}

/* Of domains that used a processor lately, with each other: who hardly runs touches few pages. */
static int sample_shared(struct analysis *analysis, uint64_t now_ns)
{
	const uint32_t nr_domains = tacho_live_view(analysis->live)->header.nr_domains;
	uint32_t used[256], nr = 0;

	for (uint32_t domain = TACHO_DOMAIN_FIRST; domain < nr_domains; domain++)
		if (analysis->used_ns[domain] && now_ns - analysis->used_ns[domain] < RECENT &&
		    nr < sizeof(used) / sizeof(used[0]))
			used[nr++] = domain;
	analysis->samples++;
	return nr > 0 ? tacho_kernel_sample_shared(tacho_live_kernel(analysis->live), used, nr) : 0;
}

static void forget(void *arg, uint32_t domain)
{
	struct analysis *analysis = arg;

	analysis->used_ns[domain] = 0;
}

int analysis_round(struct analysis *analysis)
{
	struct tacho_live_log log;
	uint64_t now_ns;
	int error = 0;

	analysis->rounds++;
	if (analysis->shared_every && analysis->rounds % analysis->shared_every == 0)
		error = sample_shared(analysis, bench_monotonic_ns());
	if (!error)
		error = tacho_live_end(analysis->live, NULL);
	if (error)
		return error;
	now_ns = tacho_live_ended(analysis->live);
	ask_facts(analysis, now_ns);
	tacho_live_log(analysis->live, TACHO_NONE, &log);
	analysis->rows = log.rows;
	tacho_live_log(analysis->live, TACHO_K_MEM_SHARED, &log);
	analysis->shared = log.rows;
	if (now_ns - analysis->swept_ns > SWEEP_NS) {
		analysis->swept_ns = now_ns;
		tacho_live_sweep(analysis->live, forget, analysis);
	}
	return 0;
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
	uint64_t rows, lost;

	tacho_live_totals(analysis->live, &rows, &lost);
	return lost;
}

uint64_t analysis_missing(const struct analysis *analysis)
{
	struct tacho_live_log log;

	tacho_live_log(analysis->live, TACHO_NONE, &log);
	return log.written - log.rows - log.overwritten;
}
