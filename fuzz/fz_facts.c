// SPDX-License-Identifier: BSD-2-Clause
/*
 * fz_facts.c: rows of any bytes.
 *
 * The input is a list of operations on an engine with few domains and CPUs: rows as they come, rows
 * whose numbers are near the edges of what exists, and all that a caller may do in any order. Arrays
 * are of exactly their size, for the address sanitizer; what it cannot see is checked here: a list that
 * names what does not exist or is not sorted, time that is charged to a CPU and to no domain, or time
 * that two were together and a crowd of them was not.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "facts/queries.h"

#include "bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define DOMAINS 5u
#define CPUS	3u

struct state {
	struct bytes in;
	struct tacho_facts *facts;
	struct tacho_facts_sets sets;
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

/* Between 0 and 1. */
static void check_share(double share)
{
	CHECK(share >= 0 && share <= 1);
}

static void shares_look(struct state *s)
{
	for (uint32_t cpu = 0; cpu <= CPUS; cpu++) {
		check_share(tacho_facts_load(s->facts, cpu));
		for (uint32_t i = 0; i <= DOMAINS; i++)
			check_share(tacho_facts_affinity(s->facts, i, cpu));
	}
}

/* So few domains have no more than eight partners. */
static void together_look(struct state *s)
{
	const uint64_t wall = tacho_facts_wall_ns(s->facts);
	const struct tacho_facts_pair *pairs;
	const size_t nr = tacho_facts_pairs(s->facts, &pairs);
	uint32_t all[DOMAINS];
	uint64_t whole;

	for (uint32_t i = 0; i < DOMAINS; i++)
		all[i] = i;
	whole = tacho_facts_crowd(s->facts, all, DOMAINS);
	CHECK(whole <= wall);
	for (size_t i = 0; i < nr; i++) {
		const uint32_t both[] = { pairs[i].from, pairs[i].to };
		const uint64_t ns = tacho_facts_crowd(s->facts, both, 2);
		const uint64_t together = tacho_facts_together(s->facts, both[1], both[0]);

		CHECK(ns <= whole);
		CHECK(together == ns || (together == 0 && pairs[i].wakes == 0));
	}
	tacho_facts_together(s->facts, take_number(s, DOMAINS), take_number(s, DOMAINS));
	all[0] = take_number(s, DOMAINS);
	tacho_facts_crowd(s->facts, all, 2);
}

static bool skip(void *arg, uint32_t domain)
{
	CHECK(domain >= TACHO_DOMAIN_FIRST && domain < DOMAINS);
	return *(const uint32_t *)arg == domain;
}

static void sets_look(struct state *s)
{
	struct tacho_facts_partner partners[DOMAINS];
	uint32_t skipped = take_number(s, DOMAINS), seen = 0;
	size_t nr = 0;

	CHECK(tacho_facts_sets(s->facts, (double)take(&s->in, 1), skip, &skipped, &s->sets) == 0);
	for (size_t i = 0; i < s->sets.nr_sets; i++) {
		const struct tacho_facts_set *set = &s->sets.sets[i];

		CHECK(set->nr >= 2 && set->first + set->nr <= s->sets.nr_members);
		CHECK(i == 0 || set[-1].rate >= set->rate);
		nr += set->nr;
		for (uint32_t k = 0; k < set->nr; k++) {
			const uint32_t member = s->sets.members[set->first + k];

			CHECK(member != skipped && (seen >> member & 1) == 0);
			seen |= 1u << member;
		}
	}
	CHECK(nr == s->sets.nr_members);
	nr = tacho_facts_partners(s->facts, take_number(s, DOMAINS), partners, DOMAINS);
	for (size_t i = 0; i < nr; i++) {
		CHECK(partners[i].domain < DOMAINS && partners[i].rate > 0);
		CHECK(partners[i].forth >= 0 && partners[i].forth <= partners[i].rate);
		CHECK(i == 0 || partners[i - 1].rate >= partners[i].rate);
	}
}

/* What a CPU served all domains, and all CPUs a domain. */
static void served_look(struct state *s)
{
	for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
		uint64_t sum = tacho_facts_cpu(s->facts, cpu)->service_ns;

		for (uint32_t i = 0; i < DOMAINS; i++)
			sum -= tacho_facts_service_on(s->facts, i, cpu);
		CHECK(sum == 0 || !s->is_even);
	}
	for (uint32_t i = 0; i < DOMAINS; i++) {
		uint64_t sum = tacho_facts_domain(s->facts, i)->service_ns;

		for (uint32_t cpu = 0; cpu < CPUS; cpu++)
			sum -= tacho_facts_service_on(s->facts, i, cpu);
		CHECK(sum == 0 || !s->is_even);
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
	served_look(s);
	s->is_even = true;
	CHECK(tacho_facts_ignored(s->facts) <= s->rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const operation[])(struct state *) = {
		rows_raw, rows_likely, rows_likely, rows_likely,   rows_likely,
		add,	  running,     running,	    forget,	   lists_look,
		end,	  end,	       shares_look, together_look, sets_look,
	};
	const struct tacho_facts_options options = {
		.nr_domains = DOMAINS,
		.nr_cpus = CPUS,
		.overlaps = true,
	};
	struct state s = { .in = { data, len }, .is_even = true };

	if (tacho_facts_create(&s.facts, &options))
		return 0;
	while (s.in.len > 0)
		operation[take(&s.in, 1) % (sizeof(operation) / sizeof(operation[0]))](&s);
	tacho_facts_sets_fini(&s.sets);
	tacho_facts_destroy(s.facts);
	return 0;
}
