/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_snapshot.h: facts of an interval into a struct top_snapshot.
 *
 * A maker owns one snapshot with its arrays, and what goes from one to the next: trends. Who the
 * domains are is asked through a function, so that it works without a kernel, in a test or a replay.
 * Functions return 0 or -errno. One thread. Called by top_data.c.
 */
#ifndef TACHO_CMD_TOP_SNAPSHOT_H
#define TACHO_CMD_TOP_SNAPSHOT_H

#include "facts/facts.h"
#include "top.h"

struct top_maker;
int top_maker_create(struct top_maker **maker, uint32_t nr_domains, uint32_t nr_cpus);
void top_maker_destroy(struct top_maker *maker);
/* The one snapshot. What is about time, losses and the session itself is the caller's to write. */
struct top_snapshot *top_maker_snapshot(struct top_maker *maker);

/* 0, or negative: there is no such domain. */
typedef int (*top_domain_fn)(void *arg, uint32_t domain, struct tacho_kernel_domain_info *info);
/*
 * The rest, out of the interval that has ended: CPUs, lines, matrix, virtual machines. wall_ns and
 * has are set. is_process: the memory of the domain is that of one process.
 */
void top_maker_make(struct top_maker *maker, const struct tacho_facts *facts,
		    top_domain_fn domain_fn, void *arg, const bool *online,
		    bool (*is_process)(void *arg, uint32_t domain));
/* The domain gets another meaning. */
void top_maker_forget(struct top_maker *maker, uint32_t domain);

#endif /* TACHO_CMD_TOP_SNAPSHOT_H */
