/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * facts.h: rows in, per-domain facts out.
 *
 * The engine of section 4.5 of paper 001. Its only input is a stream of rows (struct tacho_row),
 * with the event numbers of kernel/events.h, plus the moments at which an interval ends; where the
 * rows come from, a live area or a recording, it does not know. The same rows give the same facts,
 * always. It reads no clock, no file and no area, prints nothing, and needs no privileges.
 *
 * An interval is what lies between two calls of tacho_facts_end. Times are ns of CLOCK_MONOTONIC.
 *
 * Conservation: for every CPU that is watched, over every interval,
 *   sum over domains of service_ns (idle is a domain) == wall ns            (to 0.1 %)
 * The engine charges what rows say. What still runs at the end of an interval has no row yet: the
 * caller tells it (tacho_facts_running), it is charged up to the end, and taken off the row when
 * that comes. A row that is read late counts in the interval in which it is read, so that the sum
 * over intervals is right as well. What was before the first interval never counts.
 *
 * One thread per object; a row costs a few ns and allocates nothing, but for a new pair now and
 * then, and where an interval has more domains or slices than any before.
 */
#ifndef TACHO_FACTS_H
#define TACHO_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tacho/reader.h>

#include "kernel/events.h"

/*
 * Buckets of a histogram, eight for each octave, so that a bucket is at most an eighth wide: bucket
 * b < 8 holds ns == b; the others, with b = 8 * k + i, hold
 * (8 + i) << (k - 1) <= ns < (9 + i) << (k - 1).
 * The last one holds all beyond as well: 2^40 ns are 18 minutes.
 */
#define TACHO_FACTS_BUCKETS 304u
#define TACHO_FACTS_REASONS 2048u /* exits of virtual machines; the last one is for all beyond */

/* What happened to one domain in one interval. Sums of counters, and numbers of rows. */
struct tacho_facts_domain {
	uint64_t service_ns; /* on all CPUs */
	uint64_t slices; /* rows of cpu.service: what still runs is charged, but is no slice yet */
	uint64_t wait_ns;
	uint64_t waits;
	uint64_t migrations; /* of its tasks, to another CPU */
	uint64_t wakes_out; /* this domain woke others */
	uint64_t wakes_in;
	uint64_t socket_bytes[2]; /* sent, received */
	uint64_t pipe_bytes[2]; /* written, read */
	uint64_t futexes;
	uint64_t rss_pages; /* last value: file + anon + shmem; not a sum */
	uint64_t faults;
	uint64_t block_ns;
	uint64_t block_ios;
	uint64_t block_bytes[2]; /* read, written */
	uint64_t net_bytes[2]; /* received, sent */
	uint64_t irq_ns, softirq_ns, lock_ns, syscall_ns;
	uint64_t irqs, softirqs, locks, syscalls;
	uint64_t pmc[4];
	uint64_t shared_pages; /* referenced, of mappings shared with other domains */
	uint64_t vm_run_ns, vm_halt_ns;
	uint64_t vm_exits, vm_irqs, vm_userspace;
	uint32_t slice_hist[TACHO_FACTS_BUCKETS]; /* of whole slices */
};

/* One CPU in one interval. */
struct tacho_facts_cpu {
	uint64_t service_ns; /* all domains, idle too */
	uint64_t idle_ns;
	uint64_t runq_sum; /* of samples; mean = runq_sum / runq_samples */
	uint64_t runq_samples;
	uint64_t runq_max;
	uint64_t switches;
};

/* One pair of the matrix. */
struct tacho_facts_pair {
	uint32_t from; /* domain */
	uint32_t to;
	uint64_t wakes; /* of this interval */
	double rate; /* per second, decayed over intervals; 0: does not matter any more */
};

struct tacho_facts_reason {
	uint32_t domain;
	uint32_t reason; /* as in the row, but below TACHO_FACTS_REASONS */
	bool userspace; /* of vm.userspace, otherwise of vm.exit */
	uint64_t count;
};

struct tacho_facts_options {
	uint32_t nr_domains;
	uint32_t nr_cpus;
	double half_life_s; /* of the decayed rates; 0: the default [2] */
	bool overlaps; /* keep the slices of an interval, for tacho_facts_together */
};

struct tacho_facts;
/* -EINVAL: no domain or CPU, or more of them than an area can have. -ENOMEM. */
int tacho_facts_create(struct tacho_facts **facts, const struct tacho_facts_options *options);
void tacho_facts_destroy(struct tacho_facts *facts);

/*
 * Take rows. Rows of cpu.service of one CPU come in their order; nothing else is asked of the
 * order. row.time must be ns, and so the counter where it is a time; event, domain and
 * correspondent may be anything: what makes no sense is counted in tacho_facts_ignored and has no
 * other effect. Events whose counter is 1 are counted by rows. -ENOMEM: the matrix, or what is kept
 * by CPU, could not grow, here or at the last tacho_facts_end; all else was counted.
 */
int tacho_facts_rows(struct tacho_facts *facts, const struct tacho_row *rows, size_t nr);
/*
 * Totals that an adding log counted since the last call, instead of its rows. -EINVAL: no such
 * domain, or a sum of this event has no meaning here, because it depends on the correspondent, say.
 */
int tacho_facts_add(struct tacho_facts *facts, uint32_t event, uint32_t domain, uint64_t sum);
/*
 * What runs on a CPU now, since when (ns); for this interval. Best in this order: ask what runs,
 * read the rows, take the time, tacho_facts_end. Then every row up to `since` has been read, and
 * where rows that came later say that somebody else runs now, they are believed (their
 * correspondent is the domain that enters). The other way round, a row that was written in between
 * counts in the next interval.
 */
void tacho_facts_running(struct tacho_facts *facts, uint32_t cpu, uint32_t domain,
			 uint64_t since_ns);
/*
 * The interval ends at now_ns and the next one begins. The first call begins the first one: of what
 * came before, only the last values stay (rss_pages). A clock that goes back makes an empty
 * interval.
 */
void tacho_facts_end(struct tacho_facts *facts, uint64_t now_ns);

/*
 * The interval that has ended. Pointers are good until the next call of tacho_facts_end. A domain
 * and a CPU that do not exist are all zero.
 */
uint64_t tacho_facts_wall_ns(const struct tacho_facts *facts);
const struct tacho_facts_domain *tacho_facts_domain(const struct tacho_facts *facts,
						    uint32_t domain);
/*
 * The domains to which something happened, in no particular order; for the others all is zero, but
 * for rss_pages. Returns how many there are in *domains.
 */
size_t tacho_facts_domains(const struct tacho_facts *facts, const uint32_t **domains);
const struct tacho_facts_cpu *tacho_facts_cpu(const struct tacho_facts *facts, uint32_t cpu);
/*
 * Pairs with a rate that still matters (six half-lives after a single event it does not), and those
 * of this interval; largest rate first. Returns how many there are in *pairs. Sorts when first
 * called for an interval.
 */
size_t tacho_facts_pairs(const struct tacho_facts *facts, const struct tacho_facts_pair **pairs);
uint32_t tacho_facts_nr_cpus(const struct tacho_facts *facts);
/*
 * ns of the interval that the domain ran on this CPU. Their sum over CPUs is service_ns of the
 * domain (but for what came by tacho_facts_add, which is of no CPU), their sum over domains that of
 * the CPU.
 */
uint64_t tacho_facts_service_on(const struct tacho_facts *facts, uint32_t domain, uint32_t cpu);
/*
 * ns of the interval in which both domains ran at the same time, on two CPUs; needs
 * options.overlaps. Known for pairs that tacho_facts_pairs tells with a wake-up of this interval,
 * where one of both has the other among the eight that it has the most wake-ups with (then the
 * lower number), both directions together: so for a server and all its clients, and for some pairs
 * only of many who all speak with each other. 0 for others; a crowd of two tells it for any. A
 * slice counts as far as it is in the interval, so one whose row is late does not, and idle is
 * nobody. Computed when first asked for in an interval: O(slices + pairs).
 */
uint64_t tacho_facts_together(struct tacho_facts *facts, uint32_t a, uint32_t b);
/*
 * ns in which at least two of these domains ran at the same time; two tasks of one domain are one.
 * Needs options.overlaps. O(slices).
 */
uint64_t tacho_facts_crowd(struct tacho_facts *facts, const uint32_t *domains, size_t nr);
/* Exits by domain and reason, largest first. */
size_t tacho_facts_reasons(const struct tacho_facts *facts,
			   const struct tacho_facts_reason **reasons);
/* A domain number gets another meaning: nothing of the old one is to be seen from here on. */
void tacho_facts_forget(struct tacho_facts *facts, uint32_t domain);
uint64_t tacho_facts_ignored(const struct tacho_facts *facts);

/* The value below which a share p (0..1) of a histogram lies, interpolated; 0 if it is empty. */
uint64_t tacho_facts_quantile(const uint32_t hist[TACHO_FACTS_BUCKETS], double p);

#endif /* TACHO_FACTS_H */
