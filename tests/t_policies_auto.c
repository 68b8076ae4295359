/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_policies_auto.c: the other policies, and the one that chooses among them.
 *
 * Inputs are made up, as in t_policies.c.
 */
#include "sched/observer.h"
#include "policy_rig.h"

/* As events come where they are dear: five calls, and then nothing for seconds. */
static uint32_t ask_windows(unsigned windows)
{
	uint32_t nr = 0;

	while (windows-- > 0) {
		w.input.time_ns += 4000000000u;
		nr = ask(5);
	}
	return nr;
}

static uint32_t hog(const char *name, uint32_t cpu, double service, double wait)
{
	uint32_t i = world_task(&w, name, service);

	world_on(&w, i, cpu, 1);
	w.domains[i].wait = wait;
	return i;
}

/* Both on one CPU of two, with half of it each. */
static void two_hogs(uint32_t *a, uint32_t *b)
{
	start("balance", 2, 2);
	*a = hog("a", 0, 0.5, 0.5);
	*b = hog("b", 0, 0.5, 0.5);
}

/* --- balance ---------------------------------------------------------------------------------- */

T_CASE(balance_moves_one_that_waits)
{
	uint32_t a, b, c;

	start("balance", 2, 2);
	a = hog("a", 0, 0.34, 0.66);
	b = hog("b", 0, 0.33, 0.67);
	c = hog("c", 0, 0.33, 0.67);
	T_EQ(ask(4), 0); /* it must last */
	T_EQ(ask(1), 1);
	T_EQ(w.place[0].domain, b);
	T_EQ(world_where(&w, b), 1);
	printf("     %s\n", w.place[0].reason);
	world_apply(&w);
	w.domains[b].service = 1;
	w.domains[b].wait = 0.1;
	w.domains[a].service = w.domains[c].service = 0.5;
	w.domains[a].wait = w.domains[c].wait = 0.5;
	T_EQ(ask(1), 1); /* two and one: better cannot be had */
	steady();
}

T_CASE(balance_lets_go_what_does_not_wait)
{
	uint32_t a, b, nr = 0;

	two_hogs(&a, &b);
	T_EQ(ask(5), 1);
	world_apply(&w);
	w.domains[a].service = w.domains[b].service = 1;
	w.domains[a].wait = w.domains[b].wait = 0;
	T_EQ(ask(50), 1);
	while (ask(1) && nr < 100)
		nr++;
	T_OK(nr < 100);
	world_apply(&w);
	T_EQ(ask(50), 0);
}

T_CASE(balance_leaves_alone)
{
	start("balance", 2, 2); /* three on two */
	(void)hog("a", 0, 0.5, 0.5);
	(void)hog("b", 0, 0.5, 0.5);
	(void)hog("c", 1, 1, 0);
	quiet(100);
	start("balance", 2, 2); /* those that may not be moved, or compute nothing */
	for (unsigned i = 0; i < 4; i++) {
		uint32_t it = hog("fixed", 0, 0.25, 0.75);

		w.domains[it].flags = TACHO_D_FIXED;
	}
	(void)hog("quiet", 0, 0.01, 0.01);
	T_EQ(ask(20), 0);
}

T_CASE(balance_lets_go_by_the_clock)
{
	uint32_t a, b;

	two_hogs(&a, &b);
	T_EQ(ask(5), 1);
	world_apply(&w);
	w.domains[a].service = w.domains[b].service = 1;
	w.domains[a].wait = w.domains[b].wait = 0;
	T_EQ(ask(5), 1);
	T_EQ(ask_windows(1), 0);
}

/* Nobody knows what was between two windows. */
T_CASE(balance_does_not_believe_two_moments)
{
	uint32_t a, b;

	two_hogs(&a, &b);
	for (unsigned i = 0; i < 100; i++) {
		const bool is_edge = i % 5 == 0 || i % 5 == 4;

		if (i % 5 == 0)
			w.input.time_ns += 4000000000u;
		w.domains[a].wait = w.domains[b].wait = is_edge ? 0.5 : 0;
		T_EQ(ask(1), 0);
	}
}

/* Four of ten calls are not enough. */
T_CASE(balance_does_not_follow_what_comes_and_goes)
{
	uint32_t a, b;

	two_hogs(&a, &b);
	for (unsigned i = 0; i < 100; i++) {
		double wait = i % 10 < 4 ? 0.5 : 0;

		w.domains[a].wait = w.domains[b].wait = wait;
		T_EQ(ask(1), 0);
	}
}

/* --- gang ------------------------------------------------------------------------------------- */

T_CASE(gang_members_have_cpus_of_their_own_in_one_cache)
{
	struct tacho_cpus seen = { { 0 } };
	uint32_t m[4];

	start("gang", 16, 8);
	for (unsigned i = 0; i < 4; i++) {
		m[i] = world_task(&w, "player", 0.7);
		world_on(&w, m[i], i * 4, 1);
	}
	star(m, 4, 3000, 0.7);
	T_EQ(ask(2), 0);
	T_EQ(ask(1), 4);
	printf("     %s\n", w.place[0].reason);
	for (unsigned i = 0; i < 4; i++) {
		uint32_t cpu = world_where(&w, m[i]);

		T_NEED(cpu < 16);
		T_OK(!tacho_cpus_has(&seen, cpu));
		tacho_cpus_add(&seen, cpu);
		T_EQ(w.cpus[cpu].cache, w.cpus[world_where(&w, m[0])].cache);
		T_EQ(w.place[i].group, w.place[0].group);
	}
	steady();
	w.sets[0].together = 0.01;
	T_EQ(ask(9), 4);
	T_EQ(ask(1), 0);
}

T_CASE(gang_leaves_alone)
{
	uint32_t m[4];

	start("gang", 2, 2);
	for (unsigned i = 0; i < 4; i++)
		m[i] = world_task(&w, "many", 0.5);
	star(m, 4, 3000, 0.9);
	T_EQ(ask(10), 0); /* more than there are CPUs */
	w.sets[0].nr = 2;
	w.sets[0].together = 0.05;
	T_EQ(ask(10), 0); /* they take turns */
	w.sets[0].together = 0.6;
	T_EQ(ask(10), 2);
	w.domains[m[0]].flags = TACHO_D_REALTIME;
	T_EQ(ask(10), 0);
}

/* --- spread ----------------------------------------------------------------------------------- */

static void mix(uint32_t nr_cpus, uint32_t per_cache, uint32_t devils[2])
{
	uint32_t turtle;

	start("spread", nr_cpus, per_cache);
	w.input.metric = "cache misses";
	for (unsigned i = 0; i < 2; i++) {
		devils[i] = hog("devil", 0, 0.5, 0.5);
		turtle = hog("turtle", per_cache == nr_cpus ? 1 : per_cache, 0.5, 0.5);
		w.domains[devils[i]].intensity = 5e6;
		w.domains[turtle].intensity = 1e3;
	}
}

T_CASE(spread_puts_devils_apart)
{
	uint32_t d[2];

	mix(2, 2, d); /* one cache: over the CPUs */
	T_EQ(ask(8), 0); /* five samples to know who is one, and five to know that it is uneven */
	T_EQ(ask(1), 2);
	T_OK(world_where(&w, d[0]) != world_where(&w, d[1]));
	T_EQ(world_where(&w, d[0]), 0); /* fewest moves */
	T_OK(strstr(w.place[0].reason, "cache misses"));
	printf("     %s\n", w.place[0].reason);
	steady();
	mix(8, 4, d);
	T_EQ(ask(9), 2);
	T_EQ(tacho_cpus_count(&w.place[0].cpus), 4);
	T_OK(tacho_cpus_has(&world_named(&w, d[0])->cpus, 0));
	T_OK(tacho_cpus_has(&world_named(&w, d[1])->cpus, 4));
	steady();
}

T_CASE(spread_needs_five_samples_of_ten)
{
	uint32_t d[2];

	for (unsigned share = 4; share <= 5; share++) {
		uint32_t most = 0, nr;

		mix(2, 2, d);
		w.input.metric = "faults";
		w.domains[1].intensity = w.domains[3].intensity = 10;
		for (unsigned i = 0; i < 60; i++) {
			w.domains[d[0]].intensity = i % 10 < share ? 5e6 : 10;
			w.domains[d[1]].intensity = i % 10 < share ? 5e6 : 10;
			nr = ask(1);
			most = nr > most ? nr : most;
		}
		T_EQ(most, share < 5 ? 0 : 2);
	}
}

T_CASE(spread_leaves_alone_what_is_apart)
{
	uint32_t d[2];

	mix(2, 2, d);
	world_on(&w, d[1], 1, 1);
	quiet(100);
	mix(2, 2, d); /* one devil has nobody to be kept apart from */
	w.domains[d[1]].intensity = 0;
	T_EQ(ask(30), 0);
}

T_CASE(spread_takes_the_memory_along)
{
	uint32_t d[2];

	mix(8, 4, d);
	w.input.nr_nodes = 2;
	for (uint32_t i = 0; i < 8; i++)
		w.cpus[i].node = i / 4;
	w.domains[d[0]].node = w.domains[d[1]].node = 0;
	T_EQ(ask(9), 2);
	T_EQ(world_named(&w, d[0])->node, TACHO_POLICY_NONE);
	T_EQ(world_named(&w, d[1])->node, 1);
}

/* Six of three kinds over two caches: each has one of a kind. */
T_CASE(spread_deals_classes)
{
	static const double intensity[6] = { 9e6, 9e6, 2e6, 2e6, 0, 0 };
	uint32_t m[6], kinds[2][2] = { { 0 } };

	start("spread", 8, 4);
	w.input.metric = "cache misses";
	for (unsigned i = 0; i < 6; i++) {
		m[i] = hog("task", i / 2 ? 4 : 0, 0.6, 0.1);
		w.domains[m[i]].intensity = intensity[i];
	}
	T_EQ(ask(9), 4);
	for (unsigned i = 0; i < 4; i++)
		kinds[i / 2][tacho_cpus_has(&world_named(&w, m[i])->cpus, 4)]++;
	T_EQ(kinds[0][0], 1);
	T_EQ(kinds[1][0], 1);
	steady();
}

/* --- bind, observe ---------------------------------------------------------------------------- */

T_CASE(bind_does_what_the_launch_file_says)
{
	uint32_t m[5];

	start("bind", 4, 4);
	for (unsigned i = 0; i < 5; i++) {
		m[i] = hog("job", 0, 0.5, 0);
		w.domains[m[i]].flags |= TACHO_D_LAUNCHED;
		if (i < 3)
			w.domains[m[i]].bound = tacho_cpus_one(i);
		w.domains[m[i]].priority = i == 1 || i == 3;
	}
	w.domains[m[2]].flags &= ~(uint32_t)TACHO_D_LAUNCHED;
	T_EQ(ask(1), 3);
	T_EQ(world_where(&w, m[0]), 0);
	T_EQ(world_named(&w, m[0])->nice, TACHO_NICE_KEEP);
	T_EQ(world_where(&w, m[1]), 1);
	T_EQ(world_named(&w, m[1])->nice, -10);
	T_EQ(world_named(&w, m[3])->nice, -10);
	T_EQ(tacho_cpus_count(&world_named(&w, m[3])->cpus), 4);
	steady();
}

T_CASE(observe_asks_for_nothing)
{
	uint32_t d[2];

	mix(2, 2, d); /* something to be done for several of the others */
	policy_open("observe");
	T_EQ(ask(30), 0);
}

struct told {
	uint32_t nr, ends;
	char by[8][16];
	uint32_t who[8];
};

static void tell(void *arg, const struct tacho_policy *policy,
		 const struct tacho_policy_domain *domain, const struct tacho_policy_place *place)
{
	struct told *told = arg;

	told->ends += !place;
	if (!place || told->nr == 8)
		return;
	snprintf(told->by[told->nr], sizeof(told->by[0]), "%s", policy->name);
	told->who[told->nr++] = domain->id;
}

static void observe(struct tacho_observer *observer, unsigned times, struct told *told)
{
	*told = (struct told){ 0 };
	while (times-- > 0) {
		w.input.time_ns += 20000000;
		tacho_observer_ask(observer, world_input(&w), tell, told);
	}
}

T_CASE(observe_tells_what_each_would_do)
{
	struct tacho_observer *observer;
	struct told told;
	uint32_t a, b, hogs[2];

	start("observe", 4, 4);
	T_EQ(tacho_observer_create(&observer), 0);
	a = hog("a", 0, 0.1, 0.01);
	b = hog("b", 1, 0.1, 0.01);
	hogs[0] = hog("hog", 2, 0.5, 0.5);
	hogs[1] = hog("hog", 2, 0.5, 0.5);
	w.domains[a].waits = w.domains[b].waits = 8000;
	world_pair(&w, a, b, 16000);
	world_set(&w, (uint32_t[]){ a, b }, 2, 0.01);
	observe(observer, 1, &told);
	T_EQ(told.nr, 0); /* not what comes once only */
	observe(observer, 1, &told);
	T_EQ(told.nr, 4); /* the pair: auto and affinity */
	for (uint32_t i = 0; i < told.nr; i++) {
		T_EQ(strcmp(told.by[i], i < 2 ? "auto" : "affinity"), 0);
		T_OK(told.who[i] == w.domains[a].id || told.who[i] == w.domains[b].id);
	}
	observe(observer, 5, &told);
	T_EQ(told.nr, 1);
	T_EQ(strcmp(told.by[0], "balance"), 0);
	T_OK(told.who[0] == w.domains[hogs[0]].id || told.who[0] == w.domains[hogs[1]].id);
	w.noise = 0.2;
	observe(observer, 20, &told);
	T_EQ(told.nr + told.ends, 0); /* once, not in every call */
	w.noise = 0;
	w.input.nr_sets = w.input.nr_pairs = w.input.nr_members = 0;
	w.domains[a].set = w.domains[b].set = NONE;
	observe(observer, 100, &told);
	T_EQ(told.ends, 4);
	tacho_observer_destroy(observer);
}

/* --- auto ------------------------------------------------------------------------------------- */

T_CASE(auto_brings_a_pair_together_before_all_else)
{
	uint32_t a, b;

	start("auto", 2, 2);
	a = hog("a", 0, 0.1, 0.01);
	b = hog("b", 1, 0.1, 0.01);
	(void)hog("hog", 0, 0.5, 0.5);
	w.domains[a].waits = w.domains[b].waits = 8000;
	world_pair(&w, a, b, 16000);
	world_set(&w, (uint32_t[]){ a, b }, 2, 0.01);
	T_EQ(ask(2), 2);
	T_EQ(world_where(&w, a), world_where(&w, b));
	world_apply(&w);
	w.sets[0].together = 0;
	steady();
}

T_CASE(auto_balances_what_stays_uneven)
{
	start("auto", 2, 2);
	for (unsigned i = 0; i < 3; i++)
		(void)hog("hog", 0, 0.33, 0.66);
	T_EQ(ask(25 + 4), 0);
	T_EQ(ask(1), 1);
	world_apply(&w);
	for (unsigned i = 0; i < 3; i++) {
		w.domains[i].service = 0.65;
		w.domains[i].wait = 0.3;
	}
	T_EQ(ask(20), 1); /* even now, and because of it */
	start("auto", 2, 2); /* five and three: both CPUs are busy, and the kernel is about to */
	for (unsigned i = 0; i < 8; i++)
		(void)hog("hog", i < 5 ? 0 : 1, 0.2, 0.8);
	T_EQ(ask(100), 0);
}

/* The pair has nothing to do with the hogs, nor they with it. */
T_CASE(auto_balances_beside_a_pair)
{
	uint32_t a, b, nr = 0;

	start("auto", 4, 4);
	a = hog("a", 0, 0.1, 0.01);
	b = hog("b", 1, 0.1, 0.01);
	w.domains[a].waits = w.domains[b].waits = 8000;
	world_pair(&w, a, b, 16000);
	world_set(&w, (uint32_t[]){ a, b }, 2, 0.01);
	(void)hog("hog", 2, 0.5, 0.5);
	(void)hog("hog", 2, 0.5, 0.5);
	T_EQ(ask(2), 2);
	world_apply(&w);
	w.sets[0].together = 0;
	for (unsigned i = 0; i < 50 && nr != 3; i++)
		nr = ask(1);
	T_EQ(nr, 3);
	T_EQ(world_where(&w, a), world_where(&w, b));
	for (uint32_t i = 0; i < 3; i++)
		if (w.place[i].domain > b)
			T_OK(!tacho_cpus_has(&w.place[i].cpus, world_where(&w, a)) &&
			     !tacho_cpus_has(&w.place[i].cpus, 2));
}

/* The only CPU that is emptier is the pair's. */
T_CASE(auto_does_not_balance_into_a_pair)
{
	uint32_t a, b, to;

	start("auto", 2, 2);
	a = hog("a", 0, 0.05, 0.01);
	b = hog("b", 1, 0.05, 0.01);
	w.domains[a].waits = w.domains[b].waits = 8000;
	world_pair(&w, a, b, 16000);
	world_set(&w, (uint32_t[]){ a, b }, 2, 0.01);
	for (unsigned i = 0; i < 3; i++)
		(void)hog("hog", 0, 0.3, 0.6);
	T_EQ(ask(2), 2);
	world_apply(&w);
	w.sets[0].together = 0;
	to = world_where(&w, a);
	T_EQ(to, 1u);
	T_EQ(ask(100), 2);
	T_EQ(world_where(&w, a), to);
}

T_CASE(auto_balances_by_the_clock)
{
	start("auto", 2, 2);
	for (unsigned i = 0; i < 3; i++)
		(void)hog("hog", 0, 0.33, 0.66);
	T_EQ(ask_windows(1), 0);
	T_EQ(ask_windows(1), 1);
}

T_CASE(auto_spreads_over_caches_only)
{
	for (uint32_t caches = 1; caches <= 2; caches++) {
		uint32_t d[2];

		mix(8, 8 / caches, d);
		for (unsigned i = 0; i < 4; i++)
			w.domains[i].wait = 0;
		policy_open("auto");
		T_EQ(ask(60), caches == 1 ? 0 : 2);
	}
}

/* What needs no help: programs that fill the machine, wait, or are busy in every respect. */
T_CASE(auto_does_nothing_where_nothing_is_to_be_won)
{
	uint32_t a, b, m[6];

	start("auto", 2, 2); /* a build: many short ones */
	for (unsigned i = 0; i < 8; i++)
		(void)hog("cc1", i % 2, 0.25, 0.75);
	quiet(200);
	start("auto", 2, 2); /* a data base and many clients */
	for (unsigned i = 0; i < 6; i++) {
		m[i] = hog(i ? "postgres" : "pgbench", i % 2, 0.3, 0.4);
		w.domains[m[i]].waits = 5000;
	}
	star(m, 6, 6000, 0.7);
	quiet(200);
	start("auto", 2, 2); /* redis with fifty clients */
	a = hog("redis-server", 0, 0.9, 0.05);
	b = hog("redis-benchmark", 1, 0.8, 0.05);
	w.domains[a].waits = w.domains[b].waits = 9000;
	world_pair(&w, a, b, 18000);
	world_set(&w, (uint32_t[]){ a, b }, 2, 0.7);
	quiet(200);
	stop();
}

T_MAIN
