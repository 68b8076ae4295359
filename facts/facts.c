// SPDX-License-Identifier: BSD-2-Clause
/*
 * facts.c: rows into per-domain vectors, interval by interval.
 *
 * Owns the vectors of domains and CPUs and the books of what has been charged; the matrix and the
 * reasons are in pairs.c, who ran at the same time is in together.c. Must not read a clock, an area
 * or a file, and must not allocate for a row, but for room that it keeps. Called by whoever has
 * rows: the command, the scheduler, a replay. Section 4.5.3 of paper 001.
 *
 * Conservation. A row of cpu.service says that a domain had a CPU for [time - counter, time]. What
 * runs at the end of an interval has no row yet, and is charged up to there from what the caller
 * says; that span is remembered, and a row is charged for the part of it that is in no such span:
 *
 *	charged so far on a CPU  ==  | rows and spans, united, from the first interval on |
 *
 * as long as rows of a CPU do not overlap each other, whatever the spans said, in whatever interval
 * a row turns up, and whether it does at all. A CPU keeps its newest SPANS spans: a row that is
 * read late belongs to the newest or the one before.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "facts/facts_internal.h"

#define SPANS  4u
#define OCTAVE 8u /* buckets of an octave */

/*
 * The vector of one domain, also as words; word 0 is for what nobody wants to know. served: where
 * the domain's row is in half->served; 0, which is a row of zeros: it did not run yet.
 */
union vector {
	struct {
		uint64_t nowhere;
		uint64_t served;
		struct tacho_facts_domain facts;
		uint64_t pad0;
	};
	uint64_t word[3 + sizeof(struct tacho_facts_domain) / sizeof(uint64_t)];
};
/* With an even number of words the first lines of all vectors are in a few sets of the cache. */
_Static_assert(sizeof(union vector) / sizeof(uint64_t) % 2 == 1, "vectors in the cache");
#define WORD(field) (offsetof(union vector, facts.field) / sizeof(uint64_t))

/* The kinds of mem.rss. */
enum { RSS_FILE, RSS_ANON, RSS_SWAP, RSS_SHMEM, RSS_KINDS };

/* What was charged at the end of an interval without a row: from <= ns < until. */
struct span {
	uint64_t from_ns;
	uint64_t until_ns;
};

struct cpu {
	uint64_t known_ns; /* a row that begins from here on is in no span */
	uint64_t last_ns; /* end of the last row */
	uint32_t next; /* the domain that had the CPU from then on, as the row said */
	uint32_t running; /* what the caller said, or TACHO_NONE: nothing in this interval */
	uint64_t running_since_ns;
	struct tacho_facts_cpu now; /* the interval that runs */
	struct tacho_facts_cpu then; /* the one that has ended */
	struct span spans[SPANS]; /* disjoint, newest first */
};

/*
 * Vectors in two copies that change their roles at the end of an interval. Those that are not
 * listed are zero but for rss_pages, so the end costs as much as there are domains with rows.
 */
struct half {
	union vector *vectors;
	uint32_t *listed; /* domains that had a row */
	uint32_t nr_listed;
	/*
	 * service by CPU: rows of nr_cpus, one for each domain that ran, as they came; the first is
	 * zero
	 */
	uint64_t *served;
	size_t nr_served; /* words that are used */
	size_t max_served;
};

struct tacho_facts {
	uint32_t nr_domains;
	uint32_t nr_cpus;
	struct half now;
	struct half then;
	bool *is_listed; /* in now.listed; by domain */
	uint64_t (*rss)[RSS_KINDS]; /* last values, by domain */
	struct cpu *cpus;
	struct tacho_i_table *wakes;
	struct tacho_i_table *exits;
	struct tacho_i_slices *slices; /* NULL: without overlaps */
	int error; /* of the last end of an interval, for the next rows */
	uint64_t first_ns; /* when the first interval began; UINT64_MAX: not yet */
	uint64_t begin_ns;
	uint64_t wall_ns;
	uint64_t ignored;
	/* for a domain and a CPU that do not exist */
	union vector no_vector;
	struct tacho_facts_cpu no_cpu;
};

/* --- life ------------------------------------------------------------------------------------- */

static int half_init(struct half *half, uint32_t nr_domains, uint32_t nr_cpus)
{
	half->vectors = calloc(nr_domains, sizeof(*half->vectors));
	half->listed = calloc(nr_domains, sizeof(*half->listed));
	half->served = calloc(nr_cpus, sizeof(*half->served));
	half->nr_served = half->max_served = nr_cpus;
	return half->vectors && half->listed && half->served ? 0 : -ENOMEM;
}

static void half_fini(struct half *half)
{
	free(half->served);
	free(half->listed);
	free(half->vectors);
}

static double half_life(double wanted_s)
{
	if (!(wanted_s > 0))
		return 2;
	return wanted_s < 1e-6 ? 1e-6 : wanted_s > 1e9 ? 1e9 : wanted_s;
}

static int facts_init(struct tacho_facts *facts, const struct tacho_facts_options *options)
{
	int ret = half_init(&facts->now, options->nr_domains, options->nr_cpus);

	if (!ret)
		ret = half_init(&facts->then, options->nr_domains, options->nr_cpus);
	if (!ret)
		ret = tacho_i_table_create(&facts->wakes, half_life(options->half_life_s));
	if (!ret)
		ret = tacho_i_table_create(&facts->exits, 0);
	if (!ret && options->overlaps)
		ret = tacho_i_slices_create(&facts->slices, options->nr_domains, options->nr_cpus);
	facts->is_listed = calloc(options->nr_domains, sizeof(*facts->is_listed));
	facts->rss = calloc(options->nr_domains, sizeof(*facts->rss));
	facts->cpus = calloc(options->nr_cpus, sizeof(*facts->cpus));
	if (!facts->is_listed || !facts->rss || !facts->cpus)
		ret = -ENOMEM;
	if (ret)
		return ret;
	facts->nr_domains = options->nr_domains;
	facts->nr_cpus = options->nr_cpus;
	facts->first_ns = UINT64_MAX;
	for (uint32_t i = 0; i < facts->nr_cpus; i++) {
		facts->cpus[i].known_ns = UINT64_MAX;
		facts->cpus[i].next = facts->cpus[i].running = TACHO_NONE;
	}
	return 0;
}

int tacho_facts_create(struct tacho_facts **out, const struct tacho_facts_options *options)
{
	struct tacho_facts *facts;
	int ret;

	if (options->nr_domains == 0 || options->nr_domains > TACHO_MAX_DOMAINS ||
	    options->nr_cpus == 0 || options->nr_cpus > TACHO_MAX_CPUS)
		return -EINVAL;
	facts = calloc(1, sizeof(*facts));
	if (!facts)
		return -ENOMEM;
	ret = facts_init(facts, options);
	if (ret) {
		tacho_facts_destroy(facts);
		return ret;
	}
	*out = facts;
	return 0;
}

void tacho_facts_destroy(struct tacho_facts *facts)
{
	if (!facts)
		return;
	tacho_i_slices_destroy(facts->slices);
	tacho_i_table_destroy(facts->exits);
	tacho_i_table_destroy(facts->wakes);
	free(facts->cpus);
	free(facts->rss);
	free(facts->is_listed);
	half_fini(&facts->then);
	half_fini(&facts->now);
	free(facts);
}

/* --- histograms ------------------------------------------------------------------------------- */

/* As facts.h says; the buckets of the smallest values are one wide. */
static uint32_t bucket_of(uint64_t ns)
{
	uint32_t exponent, bucket;

	if (ns < OCTAVE)
		return (uint32_t)ns;
	exponent = 63 - (uint32_t)__builtin_clzll(ns);
	bucket = (exponent - 2) * OCTAVE + ((uint32_t)(ns >> (exponent - 3)) & (OCTAVE - 1));
	return bucket < TACHO_FACTS_BUCKETS ? bucket : TACHO_FACTS_BUCKETS - 1;
}

static uint64_t bucket_low(uint32_t bucket)
{
	if (bucket < OCTAVE)
		return bucket;
	return (uint64_t)(OCTAVE + bucket % OCTAVE) << (bucket / OCTAVE - 1);
}

uint64_t tacho_facts_quantile(const uint32_t hist[TACHO_FACTS_BUCKETS], double p)
{
	uint64_t total = 0, below = 0;
	double rank;

	for (uint32_t i = 0; i < TACHO_FACTS_BUCKETS; i++)
		total += hist[i];
	rank = !(p > 0) ? 0 : p < 1 ? p * (double)total : (double)total;
	for (uint32_t i = 0; i < TACHO_FACTS_BUCKETS; i++) {
		uint64_t low = bucket_low(i), width = bucket_low(i + 1) - low;

		if (hist[i] == 0 || (double)(below + hist[i]) < rank) {
			below += hist[i];
			continue;
		}
		/* values are whole: what is in the bucket is width - 1 apart at most */
		return low + (uint64_t)((double)(width - 1) * (rank - (double)below) / hist[i]);
	}
	return 0;
}

/* --- rows ------------------------------------------------------------------------------------- */

/*
 * Where an event goes in the vector of its domain, as words: the counter, the number of rows, and
 * the sum of an adding log. An event that is not here goes nowhere, or where row_take says.
 */
struct charge {
	uint16_t sum;
	uint16_t rows;
	uint16_t added;
};
#define SUM(field)   .sum = WORD(field), .added = WORD(field)
#define ROWS(field)  .rows = WORD(field)
#define COUNT(field) .rows = WORD(field), .added = WORD(field)

static const struct charge charges[TACHO_K_NR] = {
	[TACHO_K_CPU_SERVICE] = { SUM(service_ns), ROWS(slices) },
	[TACHO_K_CPU_PMC0] = { SUM(pmc[0]) },
	[TACHO_K_CPU_PMC1] = { SUM(pmc[1]) },
	[TACHO_K_CPU_PMC2] = { SUM(pmc[2]) },
	[TACHO_K_CPU_PMC3] = { SUM(pmc[3]) },
	[TACHO_K_CPU_WAIT] = { SUM(wait_ns), ROWS(waits) },
	[TACHO_K_CPU_MIGRATE] = { ROWS(migrations) },
	[TACHO_K_IPC_WAKE] = { COUNT(wakes_out) },
	[TACHO_K_IPC_FUTEX] = { COUNT(futexes) },
	[TACHO_K_MEM_FAULT] = { COUNT(faults) },
	[TACHO_K_IO_BLOCK] = { SUM(block_ns), ROWS(block_ios) },
	[TACHO_K_NET_RX] = { SUM(net_bytes[0]) },
	[TACHO_K_NET_TX] = { SUM(net_bytes[1]) },
	[TACHO_K_IRQ] = { SUM(irq_ns), ROWS(irqs) },
	[TACHO_K_SOFTIRQ] = { SUM(softirq_ns), ROWS(softirqs) },
	[TACHO_K_LOCK] = { SUM(lock_ns), ROWS(locks) },
	[TACHO_K_SYSCALL] = { SUM(syscall_ns), ROWS(syscalls) },
	[TACHO_K_VM_RUN] = { SUM(vm_run_ns) },
	[TACHO_K_VM_EXIT] = { COUNT(vm_exits) },
	[TACHO_K_VM_IRQ] = { COUNT(vm_irqs) },
	[TACHO_K_VM_HALT] = { SUM(vm_halt_ns) },
	[TACHO_K_VM_USERSPACE] = { COUNT(vm_userspace) },
};

/* The vector of the interval that runs. */
static inline union vector *vector_of(struct tacho_facts *facts, uint32_t domain)
{
	if (!facts->is_listed[domain]) {
		facts->is_listed[domain] = true;
		facts->now.listed[facts->now.nr_listed++] = domain;
	}
	return &facts->now.vectors[domain];
}

/* How much of [start, end] is in the intervals and in no span. */
static uint64_t span_rest(const struct tacho_facts *facts, const struct cpu *cpu, uint64_t start,
			  uint64_t end)
{
	uint64_t rest;

	if (start < facts->first_ns)
		start = facts->first_ns;
	rest = end > start ? end - start : 0;
	for (uint32_t i = 0; i < SPANS && rest > 0; i++) {
		const struct span *span = &cpu->spans[i];
		uint64_t from = span->from_ns > start ? span->from_ns : start;
		uint64_t until = span->until_ns < end ? span->until_ns : end;

		if (until > from)
			rest -= until - from;
	}
	return rest;
}

/* A domain runs for the first time in this interval: it gets a row. */
static int served_add(struct half *half, uint32_t nr_cpus, union vector *vector)
{
	if (half->max_served - half->nr_served < nr_cpus) {
		const size_t max = 2 * half->max_served;
		uint64_t *served = realloc(half->served, max * sizeof(*served));

		if (!served)
			return -ENOMEM;
		memset(&served[half->max_served], 0, (max - half->max_served) * sizeof(*served));
		half->served = served;
		half->max_served = max;
	}
	vector->served = half->nr_served;
	half->nr_served += nr_cpus;
	return 0;
}

/* To the sums of a CPU; served_sum does that at the end of the interval. */
static inline void cpu_charge(struct cpu *cpu, uint32_t domain, uint64_t ns)
{
	cpu->now.service_ns += ns;
	if (domain == TACHO_DOMAIN_IDLE)
		cpu->now.idle_ns += ns;
}

/* The CPU served a domain: one place to charge, the sums come later. Who has a row is listed. */
static inline union vector *charge(struct tacho_facts *facts, uint32_t cpu, uint32_t domain,
				   uint64_t ns, int *error)
{
	union vector *vector = &facts->now.vectors[domain];

	if (vector->served == 0) {
		vector_of(facts, domain);
		if (served_add(&facts->now, facts->nr_cpus, vector)) {
			*error = -ENOMEM;
			vector->facts.service_ns += ns;
			cpu_charge(&facts->cpus[cpu], domain, ns);
			return vector;
		}
	}
	facts->now.served[vector->served + cpu] += ns;
	return vector;
}

/*
 * Idle is nobody. A slice that was in an earlier interval is not in this one, whatever is charged.
 */
static void slice_add(struct tacho_facts *facts, uint32_t cpu, uint32_t domain, uint64_t from_ns,
		      uint64_t until_ns, int *error)
{
	int ret;

	if (from_ns < facts->begin_ns)
		from_ns = facts->begin_ns;
	if (domain == TACHO_DOMAIN_IDLE || from_ns >= until_ns)
		return;
	ret = tacho_i_slices_add(facts->slices, cpu, domain, from_ns, until_ns);
	if (ret)
		*error = ret;
}

static inline bool service_take(struct tacho_facts *facts, const struct tacho_row *row, int *error)
{
	uint64_t start, ns = row->counter;
	union vector *vector;
	struct cpu *cpu;

	/* before the machine was there: the row has no time, or the counter no unit */
	if (row->cpu >= facts->nr_cpus || row->counter > row->time)
		return false;
	cpu = &facts->cpus[row->cpu];
	start = row->time - ns;
	if (start < cpu->known_ns) {
		if (row->time <= facts->first_ns)
			return true; /* history */
		ns = span_rest(facts, cpu, start, row->time);
	}
	cpu->last_ns = row->time;
	cpu->next = row->correspondent;
	cpu->now.switches++;
	vector = charge(facts, row->cpu, row->domain, ns, error);
	vector->facts.slices++;
	vector->facts.slice_hist[bucket_of(row->counter)]++;
	if (facts->slices)
		slice_add(facts, row->cpu, row->domain, start, row->time, error);
	return true;
}

static bool runq_take(struct tacho_facts *facts, const struct tacho_row *row)
{
	struct tacho_facts_cpu *cpu;

	if (row->cpu >= facts->nr_cpus)
		return false;
	cpu = &facts->cpus[row->cpu].now;
	cpu->runq_sum += row->counter;
	cpu->runq_samples++;
	if (row->counter > cpu->runq_max)
		cpu->runq_max = row->counter;
	return true;
}

static bool wake_take(struct tacho_facts *facts, const struct tacho_row *row, int *error)
{
	const uint32_t to = row->correspondent;
	int ret;

	/* what happens inside one domain is not an event */
	if (to >= facts->nr_domains || to == row->domain)
		return false;
	vector_of(facts, row->domain)->facts.wakes_out++;
	vector_of(facts, to)->facts.wakes_in++;
	ret = tacho_i_table_add(facts->wakes, TACHO_I_KEY(row->domain, to));
	if (ret)
		*error = ret;
	return true;
}

static void exit_take(struct tacho_facts *facts, const struct tacho_row *row, int *error)
{
	uint32_t reason = row->correspondent;
	int ret;

	if (reason >= TACHO_FACTS_REASONS)
		reason = TACHO_FACTS_REASONS - 1;
	if (row->event == TACHO_K_VM_USERSPACE)
		reason |= TACHO_I_USERSPACE;
	ret = tacho_i_table_add(facts->exits, TACHO_I_KEY(row->domain, reason));
	if (ret)
		*error = ret;
}

static uint64_t rss_pages(const struct tacho_facts *facts, uint32_t domain)
{
	const uint64_t *rss = facts->rss[domain];

	return rss[RSS_FILE] + rss[RSS_ANON] + rss[RSS_SHMEM];
}

static bool rss_take(struct tacho_facts *facts, const struct tacho_row *row)
{
	if (row->correspondent >= RSS_KINDS)
		return false;
	facts->rss[row->domain][row->correspondent] = row->counter;
	vector_of(facts, row->domain)->facts.rss_pages = rss_pages(facts, row->domain);
	return true;
}

static bool shared_take(struct tacho_facts *facts, const struct tacho_row *row)
{
	if (row->correspondent >= facts->nr_domains || row->correspondent == row->domain)
		return false;
	if (row->counter >> 32 != UINT32_MAX) /* cannot be known */
		vector_of(facts, row->domain)->facts.shared_pages += row->counter >> 32;
	return true;
}

/* One of two sums, and nothing for the directions up to nr that have none. */
static bool direction_take(struct tacho_facts *facts, const struct tacho_row *row, uint64_t word,
			   uint32_t nr)
{
	if (row->correspondent >= nr)
		return false;
	if (row->correspondent < 2)
		vector_of(facts, row->domain)->word[word + row->correspondent] += row->counter;
	return true;
}

static inline bool row_take(struct tacho_facts *facts, const struct tacho_row *row, int *error)
{
	union vector *vector;

	/* of a CPU, and no matter which domain it interrupted */
	if (row->event == TACHO_K_CPU_RUNQ)
		return runq_take(facts, row);
	if (row->event >= TACHO_K_NR || row->domain >= facts->nr_domains)
		return false;
	switch (row->event) {
	case TACHO_K_CPU_SERVICE:
		return service_take(facts, row, error);
	case TACHO_K_IPC_WAKE:
		return wake_take(facts, row, error);
	case TACHO_K_IPC_SOCKET:
		return direction_take(facts, row, WORD(socket_bytes), 2);
	case TACHO_K_IPC_PIPE:
		return direction_take(facts, row, WORD(pipe_bytes), 2);
	case TACHO_K_IO_BLOCK_BYTES:
		return direction_take(facts, row, WORD(block_bytes), 3);
	case TACHO_K_MEM_RSS:
		return rss_take(facts, row);
	case TACHO_K_MEM_SHARED:
		return shared_take(facts, row);
	case TACHO_K_VM_EXIT:
	case TACHO_K_VM_USERSPACE:
		exit_take(facts, row, error);
		break;
	default:
		break;
	}
	vector = vector_of(facts, row->domain);
	vector->word[charges[row->event].sum] += row->counter;
	vector->word[charges[row->event].rows]++;
	return true;
}

int tacho_facts_rows(struct tacho_facts *facts, const struct tacho_row *rows, size_t nr)
{
	int error = facts->error;

	facts->error = 0;
	for (size_t i = 0; i < nr; i++)
		if (!row_take(facts, &rows[i], &error))
			facts->ignored++;
	return error;
}

int tacho_facts_add(struct tacho_facts *facts, uint32_t event, uint32_t domain, uint64_t sum)
{
	if (event >= TACHO_K_NR || domain >= facts->nr_domains || charges[event].added == 0)
		return -EINVAL;
	if (sum > 0)
		vector_of(facts, domain)->word[charges[event].added] += sum;
	return 0;
}

/* --- intervals -------------------------------------------------------------------------------- */

void tacho_facts_running(struct tacho_facts *facts, uint32_t cpu, uint32_t domain,
			 uint64_t since_ns)
{
	if (cpu >= facts->nr_cpus || domain >= facts->nr_domains) {
		facts->ignored++;
		return;
	}
	facts->cpus[cpu].running = domain;
	facts->cpus[cpu].running_since_ns = since_ns;
}

/* Charge what runs up to now, and remember it: the newest span goes on, or there is a newer one. */
static void running_charge(struct tacho_facts *facts, uint32_t at, uint64_t now_ns)
{
	struct cpu *cpu = &facts->cpus[at];
	struct span *newest = &cpu->spans[0];
	uint64_t from = cpu->running_since_ns, ns;
	uint32_t domain = cpu->running;

	if (domain == TACHO_NONE)
		return;
	/* the caller looked before a switch whose row came since then: the row knows better */
	if (from < cpu->last_ns && cpu->last_ns <= now_ns) {
		from = cpu->last_ns;
		if (cpu->next < facts->nr_domains)
			domain = cpu->next;
	}
	if (from < facts->first_ns)
		from = facts->first_ns;
	if (from >= now_ns)
		return;
	if (from <= newest->until_ns) {
		ns = now_ns - newest->until_ns;
	} else {
		ns = now_ns - from;
		memmove(&cpu->spans[1], &cpu->spans[0], (SPANS - 1) * sizeof(cpu->spans[0]));
		newest->from_ns = from;
	}
	newest->until_ns = cpu->known_ns = now_ns;
	charge(facts, at, domain, ns, &facts->error);
	if (facts->slices)
		slice_add(facts, at, domain, from, now_ns, &facts->error);
}

static void cpus_end(struct tacho_facts *facts, uint64_t now_ns)
{
	for (uint32_t i = 0; i < facts->nr_cpus; i++) {
		struct cpu *cpu = &facts->cpus[i];

		cpu->running = TACHO_NONE;
		if (cpu->last_ns > now_ns) /* it lied */
			cpu->last_ns = 0;
		cpu->then = cpu->now;
		memset(&cpu->now, 0, sizeof(cpu->now));
	}
}

/* All but the last value. */
static void vector_clear(union vector *whole)
{
	struct tacho_facts_domain *vector = &whole->facts;
	const uint64_t rss = vector->rss_pages;

	whole->served = 0;
	/* most of a vector is the histogram */
	if (vector->slices > 0)
		memset(vector->slice_hist, 0, sizeof(vector->slice_hist));
	memset(vector, 0, offsetof(struct tacho_facts_domain, slice_hist));
	vector->rss_pages = rss;
}

static void half_clear(struct tacho_facts *facts, struct half *half)
{
	for (uint32_t i = 0; i < half->nr_listed; i++)
		vector_clear(&half->vectors[half->listed[i]]);
	half->nr_listed = 0;
	memset(half->served, 0, half->nr_served * sizeof(*half->served));
	half->nr_served = facts->nr_cpus;
}

/* What the CPUs served a domain goes to its sum and to theirs. */
static void served_sum(struct tacho_facts *facts, uint32_t domain)
{
	union vector *vector = &facts->now.vectors[domain];
	const uint64_t *served = facts->now.served + vector->served;

	if (vector->served == 0)
		return;
	for (uint32_t i = 0; i < facts->nr_cpus; i++) {
		vector->facts.service_ns += served[i];
		cpu_charge(&facts->cpus[i], domain, served[i]);
	}
}

/* now becomes then, and what was then before is cleared. */
static void halves_swap(struct tacho_facts *facts)
{
	const struct half ended = facts->now;

	for (uint32_t i = 0; i < ended.nr_listed; i++) {
		const uint32_t domain = ended.listed[i];

		facts->is_listed[domain] = false;
		served_sum(facts, domain);
		/* the last values stay, in both */
		facts->then.vectors[domain].facts.rss_pages = ended.vectors[domain].facts.rss_pages;
	}
	facts->now = facts->then;
	facts->then = ended;
	half_clear(facts, &facts->now);
}

/* What came before the first interval is in none; only last values stay. */
static void facts_begin(struct tacho_facts *facts, uint64_t now_ns)
{
	facts->first_ns = facts->begin_ns = now_ns;
	halves_swap(facts);
	half_clear(facts, &facts->then);
	tacho_i_table_clear(facts->wakes);
	tacho_i_table_clear(facts->exits);
	if (facts->slices)
		tacho_i_slices_clear(facts->slices);
	for (uint32_t i = 0; i < facts->nr_cpus; i++) {
		struct cpu *cpu = &facts->cpus[i];

		*cpu = (struct cpu){
			.known_ns = now_ns,
			.next = TACHO_NONE,
			.running = TACHO_NONE,
		};
	}
}

void tacho_facts_end(struct tacho_facts *facts, uint64_t now_ns)
{
	if (facts->first_ns == UINT64_MAX) {
		facts_begin(facts, now_ns < UINT64_MAX ? now_ns : UINT64_MAX - 1);
		return;
	}
	if (now_ns < facts->begin_ns) /* a clock that goes back: an empty interval */
		now_ns = facts->begin_ns;
	facts->wall_ns = now_ns - facts->begin_ns;
	for (uint32_t i = 0; i < facts->nr_cpus; i++)
		running_charge(facts, i, now_ns);
	halves_swap(facts);
	cpus_end(facts, now_ns);
	if (facts->slices)
		tacho_i_slices_end(facts->slices, now_ns);
	tacho_i_table_end(facts->wakes, now_ns, facts->wall_ns);
	tacho_i_table_end(facts->exits, now_ns, facts->wall_ns);
	facts->begin_ns = now_ns;
}

static bool has_run(const struct half *half, uint32_t domain)
{
	return half->vectors[domain].served || half->vectors[domain].facts.service_ns;
}

/* It keeps its row, if it has one; what the CPUs served stays with them. */
static void half_forget(struct half *half, uint32_t nr_cpus, uint32_t domain)
{
	union vector *vector = &half->vectors[domain];

	memset(&vector->facts, 0, sizeof(vector->facts));
	memset(half->served + vector->served, 0, nr_cpus * sizeof(*half->served));
}

void tacho_facts_forget(struct tacho_facts *facts, uint32_t domain)
{
	if (domain >= facts->nr_domains)
		return;
	if (facts->slices)
		tacho_i_slices_forget(facts->slices, domain,
				      has_run(&facts->now, domain) ||
					      has_run(&facts->then, domain));
	memset(facts->rss[domain], 0, sizeof(facts->rss[domain]));
	served_sum(facts, domain);
	half_forget(&facts->now, facts->nr_cpus, domain);
	half_forget(&facts->then, facts->nr_cpus, domain);
	for (uint32_t i = 0; i < facts->nr_cpus; i++) {
		struct cpu *cpu = &facts->cpus[i];

		if (cpu->running == domain)
			cpu->running = TACHO_NONE;
		if (cpu->next == domain)
			cpu->next = TACHO_NONE;
	}
	tacho_i_table_forget(facts->wakes, domain);
	tacho_i_table_forget(facts->exits, domain);
}

/* --- the interval that has ended -------------------------------------------------------------- */

uint64_t tacho_facts_wall_ns(const struct tacho_facts *facts)
{
	return facts->wall_ns;
}

const struct tacho_facts_domain *tacho_facts_domain(const struct tacho_facts *facts,
						    uint32_t domain)
{
	if (domain >= facts->nr_domains)
		return &facts->no_vector.facts;
	return &facts->then.vectors[domain].facts;
}

size_t tacho_facts_domains(const struct tacho_facts *facts, const uint32_t **domains)
{
	*domains = facts->then.listed;
	return facts->then.nr_listed;
}

const struct tacho_facts_cpu *tacho_facts_cpu(const struct tacho_facts *facts, uint32_t cpu)
{
	return cpu < facts->nr_cpus ? &facts->cpus[cpu].then : &facts->no_cpu;
}

size_t tacho_facts_pairs(const struct tacho_facts *facts, const struct tacho_facts_pair **pairs)
{
	return tacho_i_table_pairs(facts->wakes, pairs);
}

size_t tacho_facts_reasons(const struct tacho_facts *facts,
			   const struct tacho_facts_reason **reasons)
{
	return tacho_i_table_reasons(facts->exits, reasons);
}

uint32_t tacho_facts_nr_cpus(const struct tacho_facts *facts)
{
	return facts->nr_cpus;
}

uint64_t tacho_facts_service_on(const struct tacho_facts *facts, uint32_t domain, uint32_t cpu)
{
	if (domain >= facts->nr_domains || cpu >= facts->nr_cpus)
		return 0;
	return facts->then.served[facts->then.vectors[domain].served + cpu];
}

uint64_t tacho_facts_together(struct tacho_facts *facts, uint32_t a, uint32_t b)
{
	const struct tacho_facts_pair *pairs;
	size_t nr;

	if (!facts->slices || a >= facts->nr_domains || b >= facts->nr_domains || a == b)
		return 0;
	nr = tacho_i_table_pairs(facts->wakes, &pairs);
	return tacho_i_slices_together(facts->slices, pairs, nr, a, b);
}

uint64_t tacho_facts_crowd(struct tacho_facts *facts, const uint32_t *domains, size_t nr)
{
	return facts->slices ? tacho_i_slices_crowd(facts->slices, domains, nr) : 0;
}

double tacho_i_facts_rate(const struct tacho_facts *facts, uint32_t from, uint32_t to)
{
	return tacho_i_table_rate(facts->wakes, TACHO_I_KEY(from, to));
}

uint64_t tacho_facts_ignored(const struct tacho_facts *facts)
{
	return facts->ignored;
}
