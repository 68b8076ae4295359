/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rows.h: rows made by hand, for the tests of facts/.
 */
#ifndef TACHO_TESTS_ROWS_H
#define TACHO_TESTS_ROWS_H

#include "facts/facts.h"
#include "t.h"

static inline struct tacho_facts *facts_make(uint32_t domains, uint32_t cpus, double half_life_s)
{
	const struct tacho_facts_options options = {
		.nr_domains = domains,
		.nr_cpus = cpus,
		.half_life_s = half_life_s,
	};
	struct tacho_facts *facts = NULL;

	T_EQ(tacho_facts_create(&facts, &options), 0);
	return facts;
}

static inline struct tacho_row row_of(uint32_t event, uint32_t domain, uint32_t correspondent,
				      uint64_t counter)
{
	return (struct tacho_row){
		.event = event,
		.domain = domain,
		.correspondent = correspondent,
		.counter = counter,
	};
}

static inline void give(struct tacho_facts *facts, uint32_t event, uint32_t domain,
			uint32_t correspondent, uint64_t counter)
{
	const struct tacho_row row = row_of(event, domain, correspondent, counter);

	T_EQ(tacho_facts_rows(facts, &row, 1), 0);
}

static inline void give_service(struct tacho_facts *facts, uint32_t cpu, uint32_t domain,
				uint64_t from, uint64_t until)
{
	struct tacho_row row = row_of(TACHO_K_CPU_SERVICE, domain, TACHO_NONE, until - from);

	row.cpu = cpu;
	row.time = until;
	T_EQ(tacho_facts_rows(facts, &row, 1), 0);
}

#endif /* TACHO_TESTS_ROWS_H */
