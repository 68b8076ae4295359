// SPDX-License-Identifier: BSD-2-Clause
/*
 * fz_facts.c: rows of any bytes.
 *
 * The input is a list of operations on an engine with few domains and CPUs: rows as they come, rows
 * whose numbers are near the edges of what exists, and all that a caller may do in any order. Arrays
 * are of exactly their size, for the address sanitizer; what it cannot see is checked here: a list that
 * names what does not exist or is not sorted, time that is charged to a CPU and to no domain.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "facts/facts.h"

#include "bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define DOMAINS 5u
#define CPUS	3u

struct state {
	struct bytes in;
	struct tacho_facts *facts;
	uint64_t rows; /* given */
	bool is_even; /* this interval has no sum and no domain that was forgotten */
};

/* A number that exists, more often than not. */
static uint32_t take_number(struct state *s, uint32_t nr)
{
	uint32_t how = (uint32_t)take(&s->in, 1);

	return how < 8 ? (uint32_t)take(&s->in, 4) : how % (nr + 1);
}

/* A time that is small, or anything. */
static uint64_t take_time(struct state *s)
{
	return take(&s->in, 1) < 8 ? take(&s->in, 8) : take(&s->in, 2);
}

static void rows_raw(struct state *s)
{
	size_t nr = take(&s->in, 1) % 8;
	struct tacho_row *rows = malloc((nr ? nr : 1) * sizeof(*rows));
	unsigned char *bytes = (unsigned char *)rows;

	if (!rows)
		return;
	for (size_t i = 0; i < nr * sizeof(*rows); i++)
		bytes[i] = (unsigned char)take(&s->in, 1);
	tacho_facts_rows(s->facts, rows, nr);
	s->rows += nr;
	free(rows);
}

static void rows_likely(struct state *s)
{
	struct tacho_row row = {
		.event = take_number(s, TACHO_K_NR),
		.domain = take_number(s, DOMAINS),
		.correspondent = take_number(s, DOMAINS),
		.cpu = take_number(s, CPUS),
		.time = take_time(s),
		.counter = take_time(s),
	};

	tacho_facts_rows(s->facts, &row, 1);
	s->rows++;
}

static void add(struct state *s)
{
	tacho_facts_add(s->facts, take_number(s, TACHO_K_NR), take_number(s, DOMAINS),
			take_time(s));
	s->is_even = false;
}

static void running(struct state *s)
{
	tacho_facts_running(s->facts, take_number(s, CPUS), take_number(s, DOMAINS), take_time(s));
	s->rows++; /* may be ignored as well */
}

static void forget(struct state *s)
{
	tacho_facts_forget(s->facts, take_number(s, DOMAINS));
	s->is_even = false;
}

static void lists_look(struct state *s)
{
	const struct tacho_facts_pair *pairs;
	const struct tacho_facts_reason *reasons;
	size_t nr = tacho_facts_pairs(s->facts, &pairs);

	CHECK(nr <= DOMAINS * DOMAINS);
	for (size_t i = 0; i < nr; i++) {
		CHECK(pairs[i].from < DOMAINS && pairs[i].to < DOMAINS);
		CHECK(pairs[i].rate > 0 || pairs[i].wakes > 0);
		CHECK(i == 0 || pairs[i - 1].rate >= pairs[i].rate);
	}
	nr = tacho_facts_reasons(s->facts, &reasons);
	for (size_t i = 0; i < nr; i++) {
		CHECK(reasons[i].domain < DOMAINS && reasons[i].reason < TACHO_FACTS_REASONS);
		CHECK(reasons[i].count > 0);
		CHECK(i == 0 || reasons[i - 1].count >= reasons[i].count);
	}
}

static void end(struct state *s)
{
	uint64_t charged = 0;

	tacho_facts_end(s->facts, take_time(s));
	for (uint32_t i = 0; i < CPUS; i++)
		charged += tacho_facts_cpu(s->facts, i)->service_ns;
	for (uint32_t i = 0; i < DOMAINS; i++) {
		const struct tacho_facts_domain *domain = tacho_facts_domain(s->facts, i);

		charged -= domain->service_ns;
		tacho_facts_quantile(domain->slice_hist, (double)take(&s->in, 1) / 255);
	}
	CHECK(charged == 0 || !s->is_even);
	s->is_even = true;
	CHECK(tacho_facts_ignored(s->facts) <= s->rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const operation[])(struct state *) = {
		rows_raw, rows_likely, rows_likely, rows_likely, rows_likely, add,
		running,  running,     forget,	    lists_look,	 end,	      end,
	};
	const struct tacho_facts_options options = { .nr_domains = DOMAINS, .nr_cpus = CPUS };
	struct state s = { .in = { data, len }, .is_even = true };

	if (tacho_facts_create(&s.facts, &options))
		return 0;
	while (s.in.len > 0)
		operation[take(&s.in, 1) % (sizeof(operation) / sizeof(operation[0]))](&s);
	tacho_facts_destroy(s.facts);
	return 0;
}
