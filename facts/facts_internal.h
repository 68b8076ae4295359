/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * facts_internal.h: what facts.c asks of pairs.c.
 *
 * A table counts keys of 64 bits; the upper half is a domain. There are two of them, for what does
 * not fit into a vector per domain: the matrix (who wakes whom), whose rates decay over intervals,
 * and the exits of virtual machines by reason, which are forgotten after their interval.
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

#endif /* TACHO_FACTS_INTERNAL_H */
