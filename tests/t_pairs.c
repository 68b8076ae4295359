/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_pairs.c: the IPC matrix, the reasons of exits, and quantiles of histograms.
 *
 * Rates are compared with a square array that decays in every interval, while the engine's decay
 * only when somebody asks.
 */
#include "rows.h"

#define MANY	  60u
#define HALF_LIFE 10u /* units of time */
#define UNIT_NS	  1000000u

struct matrix {
	uint64_t wakes[MANY][MANY];
	double rate[MANY][MANY];
};

/* 2^(-1 / HALF_LIFE), by bisection: pow() would need another library. */
static double root_of_half(void)
{
	double low = 0, high = 1;

	for (int i = 0; i < 200; i++) {
		double middle = (low + high) / 2, power = 1;

		for (uint32_t k = 0; k < HALF_LIFE; k++)
			power *= middle;
		if (power < 0.5)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static void matrix_end(struct matrix *matrix, uint32_t units)
{
	const double root = root_of_half(), wall_s = units * (UNIT_NS * 1e-9);
	const double least = 0.69314718055994530942 / (HALF_LIFE * (UNIT_NS * 1e-9)) / 64;
	double kept = 1;

	for (uint32_t i = 0; i < units; i++)
		kept *= root;
	for (uint32_t i = 0; i < MANY * MANY; i++) {
		double *rate = &matrix->rate[i / MANY][i % MANY];

		*rate *= kept;
		if (*rate < least)
			*rate = 0;
		*rate += (double)matrix->wakes[i / MANY][i % MANY] / wall_s * (1 - kept);
	}
}

static void compare_matrix(const struct tacho_facts *facts, const struct matrix *matrix)
{
	const double least = 0.69314718055994530942 / (HALF_LIFE * (UNIT_NS * 1e-9)) / 64;
	const struct tacho_facts_pair *pairs;
	size_t nr = tacho_facts_pairs(facts, &pairs), want = 0;

	for (uint32_t i = 0; i < MANY * MANY; i++)
		want += matrix->rate[i / MANY][i % MANY] >= least ||
			matrix->wakes[i / MANY][i % MANY] > 0;
	T_EQ(nr, want);
	for (size_t i = 0; i < nr && !t_failures(); i++) {
		const struct tacho_facts_pair *pair = &pairs[i];
		double rate;

		T_NEED(pair->from < MANY && pair->to < MANY);
		rate = matrix->rate[pair->from][pair->to];
		T_EQ(pair->wakes, matrix->wakes[pair->from][pair->to]);
		T_OK(pair->rate <= rate * (1 + 1e-9) && pair->rate >= rate * (1 - 1e-9));
		T_OK(i == 0 || pairs[i - 1].rate >= pair->rate);
	}
}

T_CASE(matrix_as_the_slow_one)
{
	struct tacho_facts *facts = facts_make(MANY, 1, HALF_LIFE * (UNIT_NS * 1e-9));
	static struct matrix matrix;
	uint64_t state = t_seed(), now = 12345;

	tacho_facts_end(facts, now);
	for (uint32_t round = 0; round < 400 && !t_failures(); round++) {
		/* some intervals have a few partners, some have all, and some have none */
		uint32_t wakes = (uint32_t)(t_random(&state) % (1u << t_random(&state) % 14));
		uint32_t some = 2 + (uint32_t)(t_random(&state) % (MANY - 1));
		uint32_t units = 1 + (uint32_t)(t_random(&state) % (3 * HALF_LIFE));

		if (round % 8 == 0) /* hardly anything is left of what was before */
			units += 15 * HALF_LIFE;
		memset(matrix.wakes, 0, sizeof(matrix.wakes));
		while (wakes-- > 0) {
			uint32_t from = (uint32_t)(t_random(&state) % some);
			uint32_t to = (from + 1 + (uint32_t)(t_random(&state) % (some - 1))) % some;

			give(facts, TACHO_K_IPC_WAKE, from, to, 1);
			matrix.wakes[from][to]++;
		}
		matrix_end(&matrix, units);
		now += (uint64_t)units * UNIT_NS;
		tacho_facts_end(facts, now);
		/* what comes meanwhile is not to be seen yet; not always looked at */
		if (round % 3 == 0)
			give(facts, TACHO_K_MEM_FAULT, 1, 0, 1);
		if (round % 3 < 2)
			compare_matrix(facts, &matrix);
	}
	tacho_facts_destroy(facts);
}

/* A steady rate is what comes out, whatever the length of the intervals; and then it halves. */
T_CASE(rate_of_a_steady_pair)
{
	static const uint64_t walls[] = { 1000000, 20000000, 1000000000, 30000000000 };

	for (size_t i = 0; i < sizeof(walls) / sizeof(walls[0]); i++) {
		struct tacho_facts *facts = facts_make(4, 1, 0);
		const struct tacho_facts_pair *pair;
		uint64_t now = 0;
		double rate;

		tacho_facts_end(facts, now);
		for (; now < 60000000000; tacho_facts_end(facts, now)) {
			now += walls[i];
			for (uint64_t k = 0; k < walls[i] / 1000000 * 2; k++)
				give(facts, TACHO_K_IPC_WAKE, 2, 3, 1);
			if (walls[i] < 20000000 && now > 30000000000)
				break;
		}
		tacho_facts_end(facts, now);
		T_NEED(tacho_facts_pairs(facts, &pair) == 1);
		rate = pair->rate;
		T_OK(rate > 1995 && rate < 2005);
		tacho_facts_end(facts, now + 2000000000);
		T_NEED(tacho_facts_pairs(facts, &pair) == 1);
		T_OK(pair->rate > rate * 0.49999 && pair->rate < rate * 0.50001);
		T_EQ(pair->wakes, 0);
		tacho_facts_end(facts, now + 100000000000);
		T_EQ(tacho_facts_pairs(facts, &pair), 0);
		tacho_facts_destroy(facts);
	}
}

/* What a caller holds stays as it is while rows of the next interval come in. */
T_CASE(list_is_steady)
{
	struct tacho_facts *facts = facts_make(1000, 1, 0);
	const struct tacho_facts_pair *pairs, *again;
	struct tacho_facts_pair copy[100];

	T_EQ(tacho_facts_pairs(facts, &pairs), 0);
	tacho_facts_end(facts, 0);
	T_EQ(tacho_facts_pairs(facts, &pairs), 0);
	for (uint32_t i = 0; i < 100; i++)
		give(facts, TACHO_K_IPC_WAKE, i, i + 1, 1);
	T_EQ(tacho_facts_pairs(facts, &pairs), 0);
	tacho_facts_end(facts, 20000000);
	for (uint32_t i = 0; i < 999; i++) /* before it looks: the table grows */
		give(facts, TACHO_K_IPC_WAKE, i, i + 1, 1);
	T_NEED(tacho_facts_pairs(facts, &pairs) == 100);
	memcpy(copy, pairs, sizeof(copy));
	for (uint32_t i = 0; i < 30000; i++)
		give(facts, TACHO_K_IPC_WAKE, i % 1000, (i + 1 + i / 1000) % 1000, 1);
	T_MEMEQ(copy, pairs, sizeof(copy));
	T_EQ(tacho_facts_pairs(facts, &again), 100);
	T_OK(again == pairs);
	for (uint32_t i = 0; i < 100; i++)
		T_EQ(pairs[i].wakes, 1);
	tacho_facts_end(facts, 40000000);
	T_EQ(tacho_facts_pairs(facts, &pairs), 30000);
	tacho_facts_destroy(facts);
}

T_CASE(reasons_of_exits)
{
	struct tacho_facts *facts = facts_make(16, 1, 0);
	const struct tacho_facts_reason *reasons;

	tacho_facts_end(facts, 0);
	for (uint32_t i = 0; i < 300; i++)
		give(facts, TACHO_K_VM_EXIT, 7, i % 30 < 20 ? 1024 : 48, 1);
	for (uint32_t i = 0; i < 50; i++)
		give(facts, TACHO_K_VM_USERSPACE, 8, 2, 1);
	give(facts, TACHO_K_VM_EXIT, 8, 2, 1);
	for (uint32_t i = 0; i < 40; i++)
		give(facts, TACHO_K_VM_EXIT, 7, TACHO_FACTS_REASONS - 1 + i * 0x4000000, 1);
	T_EQ(tacho_facts_reasons(facts, &reasons), 0);
	for (uint64_t now = 1; now < 3; now++) {
		static const struct tacho_facts_reason want[] = {
			{ 7, 1024, false, 200 }, { 7, 48, false, 100 },
			{ 8, 2, true, 50 },	 { 7, TACHO_FACTS_REASONS - 1, false, 40 },
			{ 8, 2, false, 1 },
		};

		tacho_facts_end(facts, now);
		T_EQ(tacho_facts_reasons(facts, &reasons), now == 1 ? 5 : 0);
		for (size_t i = 0; now == 1 && i < 5; i++) {
			T_EQ(reasons[i].domain, want[i].domain);
			T_EQ(reasons[i].reason, want[i].reason);
			T_EQ(reasons[i].userspace, want[i].userspace);
			T_EQ(reasons[i].count, want[i].count);
		}
	}
	tacho_facts_destroy(facts);
}

/* --- quantiles -------------------------------------------------------------------------------- */

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The value lies in the bucket of the sample at that rank, so it is an eighth off at most. */
T_CASE(quantiles_of_samples)
{
	static const double shares[] = { 0.01, 0.25, 0.5, 0.9, 0.99, 1 };
	uint64_t state = t_seed();
	uint64_t samples[1000];

	for (uint32_t round = 0; round < 200 && !t_failures(); round++) {
		struct tacho_facts *facts = facts_make(2, 1, 0);
		const uint32_t nr = 1 + (uint32_t)(t_random(&state) % 1000);
		const uint32_t bits = 1 + (uint32_t)(t_random(&state) % 39);
		const uint32_t *hist;

		tacho_facts_end(facts, 0);
		for (uint32_t i = 0; i < nr; i++) {
			samples[i] = t_random(&state) >> (64 - bits);
			samples[i] >>= t_random(&state) % bits;
			give_service(facts, 0, 0, 1, 1 + samples[i]);
		}
		qsort(samples, nr, sizeof(samples[0]), compare_u64);
		tacho_facts_end(facts, 1);
		hist = tacho_facts_domain(facts, 0)->slice_hist;
		for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
			double rank = shares[i] * nr;
			uint32_t at = (uint32_t)rank + ((uint32_t)rank < rank);
			uint64_t want = samples[at - 1], got;

			got = tacho_facts_quantile(hist, shares[i]);
			T_OK(want < 16 ? got == want
				       : got > want / 9 * 8 && got < want / 8 * 9 + 9);
		}
		tacho_facts_destroy(facts);
	}
}

T_CASE(quantiles_at_the_edges)
{
	uint32_t hist[TACHO_FACTS_BUCKETS] = { 0 };

	T_EQ(tacho_facts_quantile(hist, 0.5), 0);
	hist[0] = 1;
	T_EQ(tacho_facts_quantile(hist, 0.5), 0);
	T_EQ(tacho_facts_quantile(hist, 1), 0);
	hist[0] = 0;
	hist[TACHO_FACTS_BUCKETS - 1] = UINT32_MAX;
	T_OK(tacho_facts_quantile(hist, 2) < 1ull << 40);
	T_OK(tacho_facts_quantile(hist, -1) >= 15ull << 36);
	hist[100] = UINT32_MAX;
	T_OK(tacho_facts_quantile(hist, 0.0 / 0.0) < 1ull << 15);
	/* a flat distribution inside one bucket: the middle is the middle */
	memset(hist, 0, sizeof(hist));
	hist[8 * 10] = 1000; /* 4096 <= ns < 4608 */
	T_EQ(tacho_facts_quantile(hist, 0.5), 4096 + 255);
	T_EQ(tacho_facts_quantile(hist, 1), 4607);
}

T_MAIN
