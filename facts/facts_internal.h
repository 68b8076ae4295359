/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * facts_internal.h: what facts.c asks of pairs.c and together.c, and queries.c of facts.c.
 *
 * A table counts keys of 64 bits; the upper half is a domain. There are two of them, for what does
 * not fit into a vector per domain: the matrix (who wakes whom), whose rates decay over intervals,
 * and the exits of virtual machines by reason, which are forgotten after their interval.
 *
 * Slices are when which domain had a CPU, in the interval that runs and in the one that has ended.
 */
#ifndef TACHO_FACTS_INTERNAL_H
#define TACHO_FACTS_INTERNAL_H

#include "facts/facts.h"

struct tacho_i_table;

#define TACHO_I_KEY(high, low) ((uint64_t)(high) << 32 | (low))
#define TACHO_I_USERSPACE      0x80000000u /* in the lower half of the key of a reason */

/* half_life_s > 0: the matrix, whose lower half is a domain too; 0: reasons, nothing outlives. */
int tacho_i_table_create(struct tacho_i_table **table, double half_life_s);
void tacho_i_table_destroy(struct tacho_i_table *table);
/* -ENOMEM: not counted. Allocates when the table is half full, not otherwise. */
int tacho_i_table_add(struct tacho_i_table *table, uint64_t key);
/* The interval of wall_ns ends at now_ns. */
void tacho_i_table_end(struct tacho_i_table *table, uint64_t now_ns, uint64_t wall_ns);
void tacho_i_table_clear(struct tacho_i_table *table);
void tacho_i_table_forget(struct tacho_i_table *table, uint32_t domain);
/* The interval that has ended, sorted when first asked for. */
size_t tacho_i_table_pairs(struct tacho_i_table *table, const struct tacho_facts_pair **pairs);
size_t tacho_i_table_reasons(struct tacho_i_table *table,
			     const struct tacho_facts_reason **reasons);
/* As of the end of the interval; 0: none, or one that does not matter any more. */
double tacho_i_table_rate(const struct tacho_i_table *table, uint64_t key);

struct tacho_i_slices;

int tacho_i_slices_create(struct tacho_i_slices **slices, uint32_t nr_domains, uint32_t nr_cpus);
void tacho_i_slices_destroy(struct tacho_i_slices *slices);
/*
 * A domain had a CPU, from_ns < until_ns, in the interval that runs. Of slices of one CPU that are
 * not in order the later call is right. -ENOMEM: not kept. Allocates when more are kept than ever
 * before.
 */
int tacho_i_slices_add(struct tacho_i_slices *slices, uint32_t cpu, uint32_t domain,
		       uint64_t from_ns, uint64_t until_ns);
/* The interval ends at now_ns; what is behind that was a lie, and goes. */
void tacho_i_slices_end(struct tacho_i_slices *slices, uint64_t now_ns);
void tacho_i_slices_clear(struct tacho_i_slices *slices);
/* has_slices: it may have some, of either interval, and all are looked through. */
void tacho_i_slices_forget(struct tacho_i_slices *slices, uint32_t domain, bool has_slices);
/*
 * The interval that has ended; what facts.h says. pairs are those of tacho_facts_pairs, always the
 * same ones between two ends but after a forget. 0 as well when there is no memory.
 */
uint64_t tacho_i_slices_together(struct tacho_i_slices *slices,
				 const struct tacho_facts_pair *pairs, size_t nr, uint32_t a,
				 uint32_t b);
uint64_t tacho_i_slices_crowd(struct tacho_i_slices *slices, const uint32_t *domains, size_t nr);

/* A rate of the matrix, in O(1); 0 for what tacho_facts_pairs does not tell. */
double tacho_i_facts_rate(const struct tacho_facts *facts, uint32_t from, uint32_t to);

#endif /* TACHO_FACTS_INTERNAL_H */
