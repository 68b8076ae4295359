/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_queries.c: service by CPU, load, affinity, partners and working sets.
 *
 * Sets by hand, as a person would cut them, and against the rule done the slow way: labels that are
 * changed one by one. And that the same facts give the same sets, whatever order their rows had.
 */
#include "facts/queries.h"
#include "rows.h"

#define SECOND 1000000000ull
#define MANY   40u

/* a and b wake each other so often in all: two of three by a. */
static void talk(struct tacho_facts *facts, uint32_t a, uint32_t b, uint32_t times)
{
	for (uint32_t i = 0; i < times; i++)
		give(facts, TACHO_K_IPC_WAKE, i % 3 == 2 ? b : a, i % 3 == 2 ? a : b, 1);
}

static bool is_near(double value, double want)
{
	return value > want - 1e-9 * want - 1e-12 && value < want + 1e-9 * want + 1e-12;
}

/* --- processors ------------------------------------------------------------------------------- */

T_CASE(load)
{
	struct tacho_facts *facts = facts_make(8, 2, 0);

	T_OK(tacho_facts_load(facts, 0) == 0);
	tacho_facts_end(facts, 1000);
	T_OK(tacho_facts_load(facts, 0) == 0);
	give_service(facts, 0, 2, 1000, 1200);
	give_service(facts, 0, TACHO_DOMAIN_IDLE, 1200, 1900);
	tacho_facts_running(facts, 0, 0, 1900);
	tacho_facts_end(facts, 2000);
	T_OK(is_near(tacho_facts_load(facts, 0), 0.3));
	T_OK(tacho_facts_load(facts, 1) == 0);
	T_OK(tacho_facts_load(facts, 2) == 0);
	/* a row of before the interval: nobody had said who ran */
	give_service(facts, 1, 2, 1000, 2500);
	tacho_facts_end(facts, 2500);
	T_OK(tacho_facts_load(facts, 1) == 1);
	T_OK(tacho_facts_load(facts, 0) == 0);
	tacho_facts_end(facts, 2500);
	T_OK(tacho_facts_load(facts, 1) == 0);
	tacho_facts_destroy(facts);
}

T_CASE(affinity)
{
	struct tacho_facts *facts = facts_make(8, 3, 0);

	tacho_facts_end(facts, 0);
	T_OK(tacho_facts_affinity(facts, 2, 0) == 0);
	give_service(facts, 0, 2, 0, 300);
	give_service(facts, 1, 2, 0, 100);
	give_service(facts, 1, 3, 100, 200);
	give_service(facts, 2, 4, 0, 700);
	tacho_facts_end(facts, 1000);
	T_OK(is_near(tacho_facts_affinity(facts, 2, 0), 0.75));
	T_OK(is_near(tacho_facts_affinity(facts, 2, 1), 0.25));
	T_OK(tacho_facts_affinity(facts, 2, 2) == 0);
	T_OK(tacho_facts_affinity(facts, 2, 3) == 0);
	T_OK(tacho_facts_affinity(facts, 8, 0) == 0);
	tacho_facts_destroy(facts);
}

/* Many domains on many CPUs, more in one interval than in the last one, and each of them once. */
T_CASE(service_by_cpu)
{
	enum { HUNDREDS = 300, WIDE = 65 };
	struct tacho_facts *facts = facts_make(HUNDREDS, WIDE, 0);

	T_EQ(tacho_facts_nr_cpus(facts), WIDE);
	tacho_facts_end(facts, 1000);
	for (uint64_t nr = 1, now = 1000; nr <= HUNDREDS && !t_failures(); nr = nr * 3 + 2) {
		for (uint32_t i = 0; i < nr; i++) {
			give_service(facts, i % WIDE, i, now + i, now + 2 * i + 1);
			give_service(facts, i / 7 % WIDE, i, now + 900, now + 902);
		}
		now += 1000;
		T_EQ(tacho_facts_service_on(facts, 0, 0), nr == 1 ? 0 : 3);
		tacho_facts_end(facts, now);
		for (uint32_t i = 0; i < HUNDREDS; i++) {
			uint64_t sum = 0;

			for (uint32_t k = 0; k < WIDE; k++) {
				uint64_t want =
					(k == i % WIDE) * (i + 1ull) + (k == i / 7 % WIDE) * 2ull;

				T_EQ(tacho_facts_service_on(facts, i, k), i < nr ? want : 0);
				sum += tacho_facts_service_on(facts, i, k);
			}
			T_EQ(tacho_facts_domain(facts, i)->service_ns, sum);
		}
	}
	T_EQ(tacho_facts_service_on(facts, HUNDREDS, 0), 0);
	T_EQ(tacho_facts_service_on(facts, 0, WIDE), 0);
	T_EQ(tacho_facts_service_on(facts, TACHO_NONE, TACHO_NONE), 0);
	tacho_facts_destroy(facts);
}

/* --- partners --------------------------------------------------------------------------------- */

T_CASE(partners)
{
	struct tacho_facts *facts = facts_make(16, 1, 0);
	struct tacho_facts_partner partners[8], more[2];

	T_EQ(tacho_facts_partners(facts, 2, partners, 8), 0);
	tacho_facts_end(facts, 0);
	talk(facts, 2, 3, 30);
	talk(facts, 4, 2, 60);
	give(facts, TACHO_K_IPC_WAKE, 5, 2, 1);
	give(facts, TACHO_K_IPC_WAKE, 2, 6, 1);
	give(facts, TACHO_K_IPC_WAKE, 0, 2, 1);
	talk(facts, 3, 4, 500);
	tacho_facts_end(facts, SECOND);
	T_NEED(tacho_facts_partners(facts, 2, partners, 8) == 5);
	T_EQ(partners[0].domain, 4);
	T_EQ(partners[1].domain, 3);
	T_EQ(partners[2].domain, 0);
	T_EQ(partners[3].domain, 5);
	T_EQ(partners[4].domain, 6);
	T_OK(is_near(partners[0].rate, 2 * partners[1].rate));
	T_OK(is_near(partners[0].forth, partners[0].rate / 3));
	T_OK(is_near(partners[1].forth, partners[1].rate * 2 / 3));
	T_OK(is_near(partners[1].rate, 30 * partners[2].rate));
	T_OK(partners[3].forth == 0);
	T_OK(partners[4].forth == partners[4].rate);
	T_EQ(tacho_facts_partners(facts, 2, more, 2), 2);
	for (uint32_t i = 0; i < 2; i++)
		T_OK(more[i].domain == partners[i].domain && more[i].rate == partners[i].rate &&
		     more[i].forth == partners[i].forth);
	T_EQ(tacho_facts_partners(facts, 2, more, 0), 0);
	T_EQ(tacho_facts_partners(facts, 7, partners, 8), 0);
	T_EQ(tacho_facts_partners(facts, TACHO_NONE, partners, 8), 0);
	/*
	 * what comes meanwhile is not to be seen yet; what does not matter any more is no partner
	 */
	talk(facts, 2, 7, 100);
	T_EQ(tacho_facts_partners(facts, 2, partners, 8), 5);
	tacho_facts_end(facts, 60 * SECOND);
	tacho_facts_end(facts, 180 * SECOND);
	T_EQ(tacho_facts_partners(facts, 2, partners, 8), 0);
	tacho_facts_destroy(facts);
}

/* All wakes of a round, both as rows and as a square. */
struct square {
	uint32_t wakes[MANY][MANY];
	uint32_t nr_domains;
};

/* Numbers of very different size, and many that are equal. */
static void square_make(struct square *square, uint64_t *state)
{
	const uint32_t nr = (uint32_t)(t_random(state) % 100);

	memset(square, 0, sizeof(*square));
	square->nr_domains = 4 + (uint32_t)(t_random(state) % (MANY - 3));
	for (uint32_t i = 0; i < nr; i++) {
		uint32_t a = (uint32_t)(t_random(state) % square->nr_domains);
		uint32_t b = (uint32_t)(t_random(state) % square->nr_domains);

		if (a != b)
			square->wakes[a][b] += 1u << t_random(state) % 8;
	}
}

/* The rows of the square in some order. */
static void square_give(struct tacho_facts *facts, const struct square *square, uint64_t *state)
{
	static struct square left;
	uint32_t begin = (uint32_t)(t_random(state) % (MANY * MANY));

	left = *square;
	for (uint32_t i = 0; i < MANY * MANY; i++) {
		/* 7 has no factor in common with 1600 */
		const uint32_t at = (begin + 7 * i) % (MANY * MANY);
		const uint32_t a = at / MANY, b = at % MANY;

		for (; left.wakes[a][b] > 0; left.wakes[a][b]--)
			give(facts, TACHO_K_IPC_WAKE, a, b, 1);
	}
}

/* Directed rates: of equal numbers of wake-ups too, sums may differ in the last bit. */
static void rates_fill(const struct tacho_facts *facts, double rates[MANY][MANY])
{
	const struct tacho_facts_pair *pairs;
	const size_t nr = tacho_facts_pairs(facts, &pairs);

	memset(rates, 0, MANY * sizeof(rates[0]));
	for (size_t i = 0; i < nr; i++)
		rates[pairs[i].from][pairs[i].to] = pairs[i].rate;
}

static void compare_partners(const struct tacho_facts *facts, uint32_t domain, uint32_t max)
{
	static double rates[MANY][MANY];
	struct tacho_facts_partner partners[MANY];
	const size_t nr = tacho_facts_partners(facts, domain, partners, max);
	size_t all = 0;

	rates_fill(facts, rates);
	for (uint32_t i = 0; i < MANY; i++)
		all += rates[domain][i] + rates[i][domain] > 0;
	T_EQ(nr, all < max ? all : max);
	for (uint32_t i = 0; i < nr; i++) {
		const uint32_t other = partners[i].domain;
		uint32_t better = 0;

		for (uint32_t k = 0; k < MANY; k++) {
			double rate = rates[domain][k] + rates[k][domain];

			better +=
				rate > partners[i].rate || (rate == partners[i].rate && k < other);
		}
		T_EQ(better, i);
		T_OK(partners[i].rate == rates[domain][other] + rates[other][domain]);
		T_OK(partners[i].forth == rates[domain][other]);
	}
}

T_CASE(partners_as_the_slow_ones)
{
	uint64_t state = t_seed();
	static struct square square;

	for (uint32_t round = 0; round < 200 && !t_failures(); round++) {
		struct tacho_facts *facts = facts_make(MANY, 1, 0);

		square_make(&square, &state);
		tacho_facts_end(facts, 0);
		square_give(facts, &square, &state);
		tacho_facts_end(facts, SECOND);
		compare_partners(facts, (uint32_t)(t_random(&state) % square.nr_domains),
				 (uint32_t)(t_random(&state) % MANY));
		tacho_facts_destroy(facts);
	}
}

/* --- working sets by hand --------------------------------------------------------------------- */

/* The members of a set, or that there is none. */
static void check_set(const struct tacho_facts_sets *sets, size_t i, uint32_t nr,
		      const uint32_t *members)
{
	T_NEED(i < sets->nr_sets);
	T_NEED(sets->sets[i].nr == nr);
	T_MEMEQ(&sets->members[sets->sets[i].first], members, nr * sizeof(*members));
}
#define MEMBERS(...)                                                                               \
	sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t), (const uint32_t[])           \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}

static struct tacho_facts *begin(void)
{
	struct tacho_facts *facts = facts_make(1000, 2, 0);

	tacho_facts_end(facts, 0);
	return facts;
}

static void cut(struct tacho_facts *facts, double min_rate, struct tacho_facts_sets *sets)
{
	tacho_facts_end(facts, SECOND);
	T_EQ(tacho_facts_sets(facts, min_rate, NULL, NULL, sets), 0);
}

static void done(struct tacho_facts *facts, struct tacho_facts_sets *sets)
{
	tacho_facts_sets_fini(sets);
	T_OK(!sets->sets && !sets->members && !sets->work && sets->max_members == 0);
	tacho_facts_destroy(facts);
}

T_CASE(nobody_speaks)
{
	struct tacho_facts *facts = facts_make(8, 1, 0);
	struct tacho_facts_sets sets = { 0 };

	T_EQ(tacho_facts_sets(facts, 0, NULL, NULL, &sets), 0);
	tacho_facts_end(facts, 0);
	give_service(facts, 0, 2, 0, 100);
	cut(facts, 0, &sets);
	T_EQ(sets.nr_sets, 0);
	T_EQ(sets.nr_members, 0);
	done(facts, &sets);
	tacho_facts_sets_fini(&sets);
}

/* Two busy pairs that speak with each other now and then, and one that seldom speaks at all. */
T_CASE(pairs_stay_pairs)
{
	struct tacho_facts *facts = begin();
	struct tacho_facts_sets sets = { 0 };

	talk(facts, 10, 11, 1000);
	talk(facts, 12, 5, 900);
	talk(facts, 11, 12, 200);
	talk(facts, 20, 21, 30);
	talk(facts, 21, 10, 20);
	cut(facts, 0, &sets);
	T_EQ(sets.nr_sets, 3);
	T_EQ(sets.nr_members, 6);
	check_set(&sets, 0, MEMBERS(10, 11));
	check_set(&sets, 1, MEMBERS(5, 12));
	check_set(&sets, 2, MEMBERS(20, 21));
	T_OK(is_near(sets.sets[0].rate * 9, sets.sets[1].rate * 10));
	done(facts, &sets);
}

/* The pair's rate is at least a quarter of the largest one of either: then they are one. */
T_CASE(a_quarter)
{
	struct tacho_facts_sets sets = { 0 };

	for (uint32_t between = 246; between <= 255; between += 9) {
		struct tacho_facts *facts = begin();

		talk(facts, 2, 3, 1000);
		talk(facts, 4, 5, 300);
		talk(facts, 3, 4, between);
		cut(facts, 0, &sets);
		T_EQ(sets.nr_sets, between < 250 ? 2 : 1);
		if (between >= 250)
			check_set(&sets, 0, MEMBERS(2, 3, 4, 5));
		tacho_facts_destroy(facts);
	}
	tacho_facts_sets_fini(&sets);
}

/*
 * A server and its clients, the slowest a bit more than a quarter of the fastest; one is no client.
 */
T_CASE(star)
{
	struct tacho_facts *facts = begin();
	struct tacho_facts_sets sets = { 0 };
	double rate = 0;

	for (uint32_t i = 0; i < 8; i++) {
		talk(facts, 50, 40 + i, 1040 - 100 * i);
		rate += 1040 - 100 * i;
	}
	talk(facts, 50, 60, 200);
	cut(facts, 0, &sets);
	T_EQ(sets.nr_sets, 1);
	check_set(&sets, 0, MEMBERS(40, 41, 42, 43, 44, 45, 46, 47, 50));
	rate *= 0.69314718055994530942 / 2 * 0.845111; /* about: (1 - 2^-1/2) per second */
	T_OK(sets.sets[0].rate > rate * 0.99 && sets.sets[0].rate < rate * 1.01);
	done(facts, &sets);
}

T_CASE(star_of_hundreds)
{
	struct tacho_facts *facts = begin();
	struct tacho_facts_sets sets = { 0 };

	for (uint32_t i = 0; i < 700; i++)
		talk(facts, 300, i < 200 ? 100 + i : 101 + i, 10 + i % 7);
	talk(facts, 900, 901, 100000);
	cut(facts, 0, &sets);
	T_EQ(sets.nr_sets, 2);
	check_set(&sets, 0, MEMBERS(900, 901));
	T_NEED(sets.sets[1].nr == 701);
	for (uint32_t i = 0; i < 701; i++)
		T_EQ(sets.members[sets.sets[1].first + i], 100 + i);
	done(facts, &sets);
}

/* All senders with all receivers, and a pipeline of three. */
T_CASE(group_and_pipeline)
{
	struct tacho_facts *facts = begin();
	struct tacho_facts_sets sets = { 0 };

	for (uint32_t i = 0; i < 10; i++)
		for (uint32_t k = 0; k < 10; k++)
			give(facts, TACHO_K_IPC_WAKE, 100 + i, 200 + k, 1);
	talk(facts, 4, 9, 400);
	talk(facts, 9, 7, 380);
	cut(facts, 0, &sets);
	T_EQ(sets.nr_sets, 2);
	check_set(&sets, 0, MEMBERS(4, 7, 9));
	T_NEED(sets.sets[1].nr == 20);
	T_EQ(sets.members[sets.sets[1].first], 100);
	T_EQ(sets.members[sets.sets[1].first + 19], 209);
	done(facts, &sets);
}

static bool is_odd(void *arg, uint32_t domain)
{
	T_OK(arg == (void *)&is_odd);
	return domain % 2 == 1;
}

T_CASE(who_does_not_count)
{
	struct tacho_facts *facts = begin();
	struct tacho_facts_sets sets = { 0 };
	double rate;

	talk(facts, TACHO_DOMAIN_SYSTEM, 2, 5000);
	talk(facts, TACHO_DOMAIN_IDLE, 4, 5000);
	talk(facts, 2, 4, 100);
	talk(facts, 5, 4, 90);
	talk(facts, 6, 8, 30);
	cut(facts, 0, &sets);
	T_EQ(sets.nr_sets, 2);
	check_set(&sets, 0, MEMBERS(2, 4, 5));
	check_set(&sets, 1, MEMBERS(6, 8));
	rate = sets.sets[1].rate;
	T_EQ(tacho_facts_sets(facts, 0, is_odd, (void *)&is_odd, &sets), 0);
	T_EQ(sets.nr_sets, 2);
	check_set(&sets, 0, MEMBERS(2, 4));
	T_EQ(tacho_facts_sets(facts, rate * 1.01, NULL, NULL, &sets), 0);
	T_EQ(sets.nr_sets, 1);
	T_EQ(tacho_facts_sets(facts, rate * 4, NULL, NULL, &sets), 0);
	T_EQ(sets.nr_sets, 0);
	T_EQ(tacho_facts_sets(facts, 0.0 / 0.0, NULL, NULL, &sets), 0);
	T_EQ(sets.nr_sets, 0);
	done(facts, &sets);
}

/* Equal rates: by numbers. A ring is one set; pairs come in the order of their lowest member. */
T_CASE(ties)
{
	struct tacho_facts *facts = begin();
	struct tacho_facts_sets sets = { 0 };

	for (uint32_t i = 0; i < 6; i++)
		give(facts, TACHO_K_IPC_WAKE, 20 + i, 20 + (i + 1) % 6, 1);
	for (uint32_t i = 0; i < 5; i++)
		give(facts, TACHO_K_IPC_WAKE, 18 - 2 * i, 19 - 2 * i, 1);
	cut(facts, 0, &sets);
	T_EQ(sets.nr_sets, 6);
	check_set(&sets, 0, MEMBERS(20, 21, 22, 23, 24, 25));
	for (uint32_t i = 0; i < 5; i++)
		check_set(&sets, 1 + i, MEMBERS(10 + 2 * i, 11 + 2 * i));
	done(facts, &sets);
}

/* --- working sets, the slow way --------------------------------------------------------------- */

struct slow {
	uint32_t label[MANY]; /* of a set: its lowest member */
	double largest[MANY]; /* pair of the set, by label */
	double rate[MANY]; /* by label */
	bool is_used[MANY][MANY];
	double pair[MANY][MANY]; /* both directions, in both */
};

static void slow_join(struct slow *slow, uint32_t a, uint32_t b)
{
	const uint32_t x = slow->label[a], y = slow->label[b];
	const uint32_t low = x < y ? x : y, high = x < y ? y : x;
	const double rate = slow->pair[a][b];

	if (rate * 4 < slow->largest[x] || rate * 4 < slow->largest[y])
		return;
	slow->largest[low] =
		slow->largest[x] > slow->largest[y] ? slow->largest[x] : slow->largest[y];
	if (rate > slow->largest[low])
		slow->largest[low] = rate;
	for (uint32_t i = 0; i < MANY; i++)
		if (slow->label[i] == high)
			slow->label[i] = low;
}

/* Look for the largest pair that was not yet used, again and again. */
static void slow_cut(struct slow *slow, const struct tacho_facts *facts, double min_rate)
{
	const struct tacho_facts_pair *pairs;
	size_t nr = tacho_facts_pairs(facts, &pairs);

	memset(slow, 0, sizeof(*slow));
	for (size_t i = 0; i < nr; i++) {
		slow->pair[pairs[i].from][pairs[i].to] += pairs[i].rate;
		slow->pair[pairs[i].to][pairs[i].from] += pairs[i].rate;
	}
	for (uint32_t i = 0; i < MANY; i++)
		slow->label[i] = i;
	for (;;) {
		uint32_t a = 0, b = 0;

		for (uint32_t i = TACHO_DOMAIN_FIRST; i < MANY; i++)
			for (uint32_t k = i + 1; k < MANY; k++)
				if (!slow->is_used[i][k] && slow->pair[i][k] > slow->pair[a][b] &&
				    slow->pair[i][k] >= min_rate) {
					a = i;
					b = k;
				}
		if (b == 0)
			break;
		slow->is_used[a][b] = true;
		slow_join(slow, a, b);
	}
	for (uint32_t i = 0; i < MANY; i++)
		for (uint32_t k = i + 1; k < MANY; k++)
			if (slow->is_used[i][k] && slow->label[i] == slow->label[k])
				slow->rate[slow->label[i]] += slow->pair[i][k];
}

static void compare_sets(const struct tacho_facts_sets *sets, const struct slow *slow)
{
	size_t nr_members = 0, nr_sets = 0;

	for (uint32_t i = 0; i < MANY; i++) {
		uint32_t nr = 0;

		for (uint32_t k = 0; k < MANY; k++)
			nr += slow->label[k] == i;
		nr_sets += nr > 1;
		nr_members += nr > 1 ? nr : 0;
	}
	T_EQ(sets->nr_sets, nr_sets);
	T_EQ(sets->nr_members, nr_members);
	T_OK(sets->nr_members <= sets->max_members);
	for (size_t i = 0; i < sets->nr_sets && !t_failures(); i++) {
		const struct tacho_facts_set *set = &sets->sets[i];
		const uint32_t *members = &sets->members[set->first], *last = members + set->nr - 1;
		const uint32_t label = slow->label[members[0]];
		uint32_t nr = 0;

		for (uint32_t k = 0; k < MANY; k++)
			nr += slow->label[k] == label;
		T_EQ(set->nr, nr);
		for (const uint32_t *member = members; member <= last; member++) {
			T_EQ(slow->label[*member], label);
			T_OK(member == members || member[-1] < *member);
		}
		T_OK(is_near(set->rate, slow->rate[label]));
		T_OK(i == 0 || set[-1].rate >= set->rate);
	}
}

/* Several intervals, so that rates are not all whole multiples of one another. */
T_CASE(sets_as_the_slow_ones)
{
	uint64_t state = t_seed();
	static struct square square;
	static struct slow slow;
	struct tacho_facts_sets sets = { 0 };

	for (uint32_t round = 0; round < 60 && !t_failures(); round++) {
		struct tacho_facts *facts = facts_make(MANY, 1, 0);
		uint64_t now = 0;

		tacho_facts_end(facts, now);
		for (uint32_t i = 0; i < 4 && !t_failures(); i++) {
			const double min_rate = t_random(&state) % 2 ? 0 : 3.3;

			square_make(&square, &state);
			square_give(facts, &square, &state);
			now += SECOND + t_random(&state) % SECOND;
			tacho_facts_end(facts, now);
			slow_cut(&slow, facts, min_rate);
			T_EQ(tacho_facts_sets(facts, min_rate, NULL, NULL, &sets), 0);
			compare_sets(&sets, &slow);
		}
		tacho_facts_destroy(facts);
	}
	tacho_facts_sets_fini(&sets);
}

/* The same rows in another order, with others in between that do not matter: the same sets. */
T_CASE(order_does_not_matter)
{
	uint64_t state = t_seed();
	struct tacho_facts_sets sets[2] = { { 0 }, { 0 } };
	static struct square square;

	for (uint32_t round = 0; round < 60 && !t_failures(); round++) {
		struct tacho_facts *facts[2] = { facts_make(MANY + 200, 1, 0),
						 facts_make(MANY + 200, 1, 0) };

		for (uint64_t now = 0; now < 4 * SECOND; now += SECOND) {
			square_make(&square, &state);
			for (uint32_t i = 0; i < 2; i++) {
				/* they do not count, but the table of the matrix is another one */
				for (uint32_t k = 0; k < i * 200; k++)
					give(facts[i], TACHO_K_IPC_WAKE, 0, MANY + k, 1);
				square_give(facts[i], &square, &state);
				give(facts[i], TACHO_K_MEM_FAULT, 2, i, 1);
				tacho_facts_end(facts[i], now);
			}
		}
		for (uint32_t i = 0; i < 2; i++)
			T_EQ(tacho_facts_sets(facts[i], 0, NULL, NULL, &sets[i]), 0);
		T_EQ(sets[0].nr_sets, sets[1].nr_sets);
		T_EQ(sets[0].nr_members, sets[1].nr_members);
		if (sets[0].nr_sets > 0 && !t_failures()) {
			T_MEMEQ(sets[0].sets, sets[1].sets,
				sets[0].nr_sets * sizeof(*sets[0].sets));
			T_MEMEQ(sets[0].members, sets[1].members,
				sets[0].nr_members * sizeof(*sets[0].members));
		}
		tacho_facts_destroy(facts[0]);
		tacho_facts_destroy(facts[1]);
	}
	tacho_facts_sets_fini(&sets[0]);
	tacho_facts_sets_fini(&sets[1]);
}

T_MAIN
