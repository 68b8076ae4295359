/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_policies.c: `affinity` on processors and programs that are made up.
 *
 * The numbers are those of real programs on a machine with two CPUs (what the kernel does by
 * itself, and what became of it).
 */
#include "policy_rig.h"

/* Two that exchange bytes over pipes: the kernel has each on a CPU of its own. */
static void pipe_pair(uint32_t a_cpu, uint32_t b_cpu, uint32_t *a, uint32_t *b)
{
	*a = world_task(&w, "ping", 0.12);
	*b = world_task(&w, "pong", 0.12);
	world_on(&w, *a, a_cpu, 0.98);
	world_on(&w, *b, b_cpu, 0.98);
	w.domains[*a].waits = w.domains[*b].waits = 8000;
	w.domains[*a].wait = w.domains[*b].wait = 0.01;
	world_pair(&w, *a, *b, 16000);
	world_set(&w, (uint32_t[]){ *a, *b }, 2, 0.01);
}

/* What becomes of it on one CPU. */
static void pair_flies(uint32_t a, uint32_t b)
{
	for (uint32_t i = 0; i < 2; i++) {
		struct tacho_policy_domain *d = &w.domains[i ? b : a];

		d->service = 0.5;
		d->waits = 110000;
		d->wait = 0.1;
	}
	w.pairs[0].rate = 220000;
	w.sets[w.domains[a].set].together = 0;
}

/* Two that were apart are on one CPU now, because the policy asked for it. */
static void joined_pair(uint32_t *a, uint32_t *b)
{
	start("affinity", 2, 2);
	pipe_pair(0, 1, a, b);
	T_EQ(ask(2), 2);
	T_EQ(world_where(&w, *a), world_where(&w, *b));
	world_apply(&w);
}

static bool is_near(double value, double want)
{
	return value > want - 1e-9 && value < want + 1e-9;
}

T_CASE(how_likely_two_are_apart)
{
	const struct tacho_policy_input *input;
	uint32_t a, b, c, none;

	start("affinity", 4, 2);
	a = world_task(&w, "a", 0.4);
	b = world_task(&w, "b", 0.1);
	c = world_task(&w, "c", 0.7);
	none = world_task(&w, "none", 0);
	world_on(&w, a, 1, 0.25); /* three quarters on CPU 0 */
	world_on(&w, b, 1, 1);
	world_on(&w, c, 2, 1);
	input = world_input(&w);
	T_OK(is_near(tacho_input_apart(input, a, b, false), 0.75));
	T_OK(is_near(tacho_input_apart(input, b, a, false), 0.75));
	T_OK(is_near(tacho_input_apart(input, a, b, true), 0)); /* one cache */
	T_OK(is_near(tacho_input_apart(input, a, c, true), 1));
	T_OK(is_near(tacho_input_apart(input, a, a, false), 1 - 0.5625 - 0.0625));
	T_OK(tacho_input_apart(input, b, b, false) == 0);
	T_OK(tacho_input_apart(input, a, none, false) == 0);
	T_OK(tacho_input_apart(input, a, 99, true) == 0);
}

T_CASE(a_pair_that_takes_turns_shares_a_cpu)
{
	uint32_t a, b;

	joined_pair(&a, &b);
	T_EQ(w.place[0].group, w.place[1].group);
	T_OK(w.place[0].fact > 0.5 && w.place[0].threshold == 0.05);
	T_OK(strstr(w.place[0].reason, "16000 wake-ups/s of ping and pong"));
	printf("     %s\n", w.place[0].reason);
	pair_flies(a, b);
	T_EQ(ask(1), 2);
	printf("     %s\n", w.place[0].reason);
	steady();
}

T_CASE(a_wish_alone_stays_the_same)
{
	uint32_t a, b, cpu;

	start("affinity", 4, 4);
	pipe_pair(2, 3, &a, &b);
	T_EQ(ask(2), 2);
	cpu = world_where(&w, a);
	T_OK(cpu == 2 || cpu == 3);
	w.noise = 0.2;
	for (unsigned i = 0; i < 100; i++) { /* as with --dry-run: nothing is done */
		T_EQ(world_ask(&w, runner), 2);
		T_EQ(world_where(&w, a), cpu);
	}
}

T_CASE(what_is_together_by_itself_is_left_alone)
{
	uint32_t a, b, c, d;

	start("affinity", 2, 2);
	pipe_pair(0, 0, &a, &b);
	pipe_pair(1, 1, &c, &d);
	w.domains[a].service = w.domains[b].service = 0.5;
	w.domains[c].service = w.domains[d].service = 0.5;
	w.pairs[0].rate = w.pairs[1].rate = 270000;
	for (uint32_t i = a; i <= d; i++)
		for (uint32_t cpu = 0; cpu < 2; cpu++)
			w.on[i][cpu] = cpu == w.domains[i].home;
	quiet(100);
}

T_CASE(one_that_is_apart_goes_where_the_other_is_not)
{
	uint32_t a, b, c, d;

	start("affinity", 2, 2);
	pipe_pair(0, 0, &a, &b);
	w.domains[a].service = w.domains[b].service = 0.4;
	pipe_pair(0, 1, &c, &d);
	T_EQ(ask(2), 2);
	T_EQ(world_where(&w, c), 1);
	T_EQ(world_where(&w, d), 1);
	T_OK(!world_named(&w, a));
}

T_CASE(four_pairs_on_two_cpus_are_two_each)
{
	uint32_t a[4], b[4], on[2] = { 0, 0 };

	start("affinity", 2, 2);
	for (unsigned i = 0; i < 4; i++) {
		pipe_pair(0, 0, &a[i], &b[i]);
		w.domains[a[i]].service = w.domains[b[i]].service = 0.24;
		w.domains[a[i]].wait = w.domains[b[i]].wait = 0.25;
		w.domains[a[i]].waits = w.domains[b[i]].waits = 40000;
		w.pairs[i].rate = 80000;
		w.sets[i].together = 0.05;
		for (uint32_t cpu = 0; cpu < 2; cpu++)
			w.on[a[i]][cpu] = w.on[b[i]][cpu] = 0.5;
	}
	T_EQ(ask(2), 8);
	for (unsigned i = 0; i < 4; i++) {
		T_NEED(world_where(&w, a[i]) < 2);
		on[world_where(&w, a[i])]++;
		T_EQ(world_where(&w, a[i]), world_where(&w, b[i]));
	}
	T_EQ(on[0], 2);
	world_apply(&w);
	for (unsigned i = 0; i < 4; i++)
		w.sets[i].together = 0;
	steady();
}

T_CASE(overlap_stays_apart)
{
	uint32_t server, client;

	start("affinity", 2, 2); /* redis with four clients: 45,000/s apart, 32,000 on one CPU */
	server = world_task(&w, "redis-server", 0.8);
	client = world_task(&w, "redis-benchmark", 0.7);
	world_on(&w, client, 1, 1);
	world_pair(&w, server, client, 50000);
	world_set(&w, (uint32_t[]){ server, client }, 2, 0.55);
	quiet(100);
}

T_CASE(a_star_that_takes_turns)
{
	uint32_t m[5];

	start("affinity", 4, 4);
	for (unsigned i = 0; i < 5; i++) {
		m[i] = world_task(&w, i ? "client" : "server", i ? 0.06 : 0.2);
		world_on(&w, m[i], i % 4, 1);
		w.domains[m[i]].waits = i ? 2000 : 8000;
	}
	star(m, 5, 4000, 0.1);
	T_EQ(ask(2), 5);
	for (unsigned i = 1; i < 5; i++)
		T_EQ(world_where(&w, m[i]), world_where(&w, m[0]));
	T_OK(strstr(w.place[0].reason, "and 3:"));
	world_apply(&w);
	w.sets[0].together = 0;
	steady();
}

T_CASE(a_pipeline_that_takes_turns_and_one_that_flows)
{
	uint32_t m[3];

	for (int flows = 0; flows < 2; flows++) {
		start("affinity", 4, 4);
		for (unsigned i = 0; i < 3; i++) {
			m[i] = world_task(&w, "stage", flows ? 0.6 : 0.15);
			world_on(&w, m[i], i, 1);
		}
		world_pair(&w, m[0], m[1], 9000);
		world_pair(&w, m[1], m[2], 9000);
		world_set(&w, m, 3, flows ? 0.5 : 0.03);
		T_EQ(ask(3), flows ? 0 : 3);
	}
}

T_CASE(overlap_shares_a_cache_where_there_are_several)
{
	struct tacho_cpus cache = { { 0 } };
	uint32_t m[3];

	start("affinity", 16, 4);
	for (unsigned i = 0; i < 3; i++) {
		m[i] = world_task(&w, i ? "worker" : "server", 0.7);
		world_on(&w, m[i], 4 + 4 * i, 1);
	}
	star(m, 3, 20000, 0.6);
	T_EQ(ask(2), 3);
	for (uint32_t i = 0; i < 4; i++)
		tacho_cpus_add(&cache, tacho_cpus_next(&w.place[0].cpus, 0) + i);
	for (uint32_t i = 0; i < 3; i++)
		T_OK(tacho_cpus_equal(&w.place[i].cpus, &cache));
	printf("     %s\n", w.place[0].reason);
	steady();
}

T_CASE(two_sets_have_a_cpu_each)
{
	uint32_t a, b, c, d;

	start("affinity", 4, 2);
	pipe_pair(0, 1, &a, &b);
	pipe_pair(1, 0, &c, &d);
	T_EQ(ask(2), 4);
	T_OK(world_where(&w, a) != world_where(&w, c));
	T_OK(world_where(&w, a) < 4 && world_where(&w, c) < 4);
	world_apply(&w);
	steady();
}

T_CASE(two_sets_that_share_a_cpu_part_when_another_is_free)
{
	uint32_t a, b, c, d;

	start("affinity", 2, 2);
	pipe_pair(0, 0, &a, &b);
	pipe_pair(0, 0, &c, &d);
	for (uint32_t i = a; i <= d; i++) {
		w.domains[i].placed = tacho_cpus_one(0);
		w.domains[i].service = w.domains[i].wait = 0.25;
		w.domains[i].waits = 50000;
	}
	T_EQ(ask(1), 4); /* not at once: it must last */
	T_EQ(world_where(&w, a), world_where(&w, c));
	T_EQ(ask(9), 4);
	T_OK(world_where(&w, a) != world_where(&w, c));
}

/*
 * One that computes on each CPU. Bytes over pipes: 35,000/s as the kernel does it, 50,000/s on one
 * CPU, 5,000/s apart. But who has much to do for each message is better off with two halves of a
 * CPU than with one.
 */
T_CASE(load_permitting)
{
	for (unsigned hogs = 1; hogs <= 2; hogs++)
		for (unsigned heavy = 0; heavy < 2; heavy++) {
			uint32_t a, b, hog;

			start("affinity", 2, 2);
			pipe_pair(0, 1, &a, &b);
			for (uint32_t i = 0; i < hogs; i++) {
				hog = world_task(&w, "hog", 0.8);
				world_on(&w, hog, 1 - i, 1);
				w.domains[hog].wait = 0.2;
			}
			if (heavy) {
				w.domains[a].service = w.domains[b].service = 0.45;
				w.pairs[0].rate = 5000;
			}
			T_EQ(ask(3), hogs == 2 && heavy ? 0 : 2);
			if (hogs == 1)
				T_EQ(world_where(&w, a), 0);
		}
}

T_CASE(what_wants_to_overlap_is_let_go_and_not_taken_back_at_once)
{
	uint32_t a, b;

	joined_pair(&a, &b);
	pair_flies(a, b);
	T_EQ(ask(5), 2);
	/* now both have much to do: they wait for each other */
	w.domains[a].waits = w.domains[b].waits = 5000;
	w.domains[a].wait = w.domains[b].wait = 0.45;
	T_EQ(ask(2), 2);
	T_EQ(ask(1), 0);
	world_apply(&w);
	world_on(&w, b, 1, 1);
	w.domains[a].wait = w.domains[b].wait = 0.01;
	T_EQ(ask(50), 0); /* a second */
	T_EQ(ask(60), 2); /* and then, again */
}

/* Bad at the end of a window, and still bad when the next one begins. */
T_CASE(what_is_bad_before_and_after_a_pause_is_let_go)
{
	uint32_t a, b;

	start("affinity", 2, 2);
	pipe_pair(0, 1, &a, &b);
	T_EQ(ask(2), 2);
	world_apply(&w);
	pair_flies(a, b);
	T_EQ(ask(5), 2);
	w.sets[0].together = 0.5;
	T_EQ(ask(1), 2);
	w.input.time_ns += 1000000000;
	T_EQ(ask(1), 0);
}

T_CASE(less_is_let_go_only_at_half)
{
	uint32_t a, b;

	joined_pair(&a, &b);
	sets_forget();
	w.pairs[0].rate = 300;
	T_EQ(ask(200), 2);
	T_EQ(world_where(&w, a), world_where(&w, b));
	T_STREQ(w.place[0].fact_name, "wake-ups/s");
	w.pairs[0].rate = 200;
	T_EQ(ask(2), 0); /* it was in no set for long */
}

T_CASE(bursts_are_not_followed)
{
	uint32_t a, b, hundred = 100;

	joined_pair(&a, &b);
	while (hundred-- > 0) {
		bool rests = hundred % 25 < 15;

		sets_forget();
		if (!rests)
			world_set(&w, (uint32_t[]){ a, b }, 2, 0);
		w.pairs[0].rate = rests ? 0 : 100000;
		T_EQ(ask(1), 2);
		T_EQ(world_where(&w, a), world_where(&w, b));
	}
	/* but who computes now is let go at once */
	sets_forget();
	w.input.nr_pairs = 0;
	w.domains[a].service = w.domains[a].wait = 0.5;
	w.domains[b].service = w.domains[b].wait = 0.5;
	T_EQ(ask(1), 0);
}

T_CASE(few_wake_ups_are_not_worth_it)
{
	uint32_t a, b;

	start("affinity", 2, 2);
	pipe_pair(0, 1, &a, &b);
	w.pairs[0].rate = 700; /* 3.5 % of a CPU */
	T_EQ(ask(5), 0);
}

T_CASE(members_that_may_not_be_moved)
{
	uint32_t a, b;

	start("affinity", 4, 4);
	pipe_pair(0, 1, &a, &b);
	w.domains[a].flags = TACHO_D_FIXED;
	w.domains[a].allowed = tacho_cpus_one(3);
	T_EQ(ask(2), 1);
	T_EQ(world_where(&w, b), 3); /* where the other must be */
	w.domains[a].flags = TACHO_D_FIXED;
	w.domains[a].allowed = world_all(&w);
	for (uint32_t cpu = 0; cpu < 4; cpu++)
		w.on[a][cpu] = 0.25;
	T_EQ(ask(2), 0); /* it is everywhere */
	w.domains[a].flags = TACHO_D_YOUNG;
	T_EQ(ask(2), 0);
	w.domains[a].flags = TACHO_D_HELD;
	T_EQ(ask(2), 0);
	w.domains[a].flags = TACHO_D_MOVABLE;
	T_EQ(ask(2), 2);
	w.domains[a].allowed = tacho_cpus_one(1);
	w.domains[b].allowed = tacho_cpus_one(2);
	T_EQ(ask(3), 0);
}

T_CASE(one_of_the_neighbours_that_matters_little_is_no_obstacle)
{
	uint32_t a, b, c;

	start("affinity", 2, 2);
	pipe_pair(0, 1, &a, &b);
	c = world_task(&w, "kernel", 0.01);
	w.domains[c].flags = TACHO_D_SYSTEM;
	sets_forget();
	world_pair(&w, a, c, 600);
	world_set(&w, (uint32_t[]){ a, b, c }, 3, 0.01);
	T_EQ(ask(2), 2);
	T_OK(!world_named(&w, c));
}

T_CASE(a_member_that_comes_or_goes_does_not_change_the_name)
{
	uint32_t m[4], group;

	start("affinity", 2, 2);
	for (unsigned i = 0; i < 4; i++) {
		m[i] = world_task(&w, i ? "client" : "server", 0.1);
		world_on(&w, m[i], i % 2, 1);
	}
	w.domains[m[3]].id = 7; /* the smallest */
	for (unsigned i = 1; i < 4; i++)
		world_pair(&w, m[0], m[i], 6000);
	world_set(&w, m, 3, 0.05);
	w.domains[m[3]].set = NONE;
	T_EQ(ask(2), 3);
	group = w.place[0].group;
	T_EQ(group, 100);
	world_apply(&w);
	sets_forget();
	world_set(&w, m, 4, 0.05);
	T_EQ(ask(1), 4);
	for (unsigned i = 0; i < 4; i++)
		T_EQ(w.place[i].group, group);
	world_apply(&w);
	sets_forget();
	world_set(&w, m + 1, 3, 0.05);
	w.pairs[0].a = m[1];
	w.pairs[0].b = m[2];
	T_EQ(ask(1), 4); /* it may come back */
	T_EQ(ask(60), 3);
	T_EQ(w.place[0].group, group);
	T_OK(!world_named(&w, m[0]));
}

/* Numbers that cannot be: a plan that is not nonsense, and no crash. */
static void spoil(struct world *x, uint64_t *seed)
{
	static const double odd[] = { 0, -1, 1e300, 1e-300 };
	double values[6];

	for (unsigned i = 0; i < 6; i++)
		values[i] = i < 4    ? odd[i]
			    : i == 4 ? (double)__builtin_nanf("")
				     : (double)__builtin_inff();
	for (uint32_t i = 0; i < x->input.nr_domains; i++) {
		x->domains[i].service = values[t_random(seed) % 6];
		x->domains[i].wait = values[t_random(seed) % 6];
		x->domains[i].waits = values[t_random(seed) % 6];
		x->domains[i].intensity = values[t_random(seed) % 6];
		x->domains[i].home = (uint32_t)t_random(seed);
		x->domains[i].set = (uint32_t)t_random(seed) % 3;
		x->domains[i].node = (uint32_t)t_random(seed) % 3;
		x->domains[i].nr_tasks = (uint32_t)t_random(seed) % 3;
		x->flat[i] = values[t_random(seed) % 6];
	}
	for (uint32_t i = 0; i < x->input.nr_pairs; i++) {
		x->pairs[i].rate = values[t_random(seed) % 6];
		x->pairs[i].apart = values[t_random(seed) % 6];
		x->pairs[i].a = (uint32_t)t_random(seed) % 5;
	}
	for (uint32_t i = 0; i < x->input.nr_sets; i++) {
		x->sets[i].together = values[t_random(seed) % 6];
		x->sets[i].nr = (uint32_t)t_random(seed) % 9;
		x->sets[i].service = values[t_random(seed) % 6];
	}
	x->input.tuning.wake_cost = values[t_random(seed) % 6];
	x->input.tuning.min_rate = values[t_random(seed) % 6];
	x->input.tuning.min_gain = values[t_random(seed) % 6];
}

T_CASE(nonsense_does_no_harm)
{
	uint64_t seed = t_seed();
	uint32_t a, b;
	char why[128];

	for (size_t i = 0; tacho_policies[i]; i++)
		for (unsigned round = 0; round < 500; round++) {
			if (round % 10 == 0) {
				start(tacho_policies[i]->name, round % 20 ? 2 : 4, 2);
				pipe_pair(0, 1, &a, &b);
				pipe_pair(0, 0, &a, &b);
				(void)world_input(&w);
			}
			spoil(&w, &seed);
			w.plan = (struct tacho_policy_plan){ 0, W_DOMAINS, w.place };
			T_EQ(tacho_runner_decide(runner, &w.input, &w.plan, why, sizeof(why)), 0);
			T_OK(w.plan.nr <= W_DOMAINS);
			(void)tacho_plan_check(&w.plan, &w.input, why, sizeof(why));
			world_apply(&w);
		}
}

T_CASE(nothing_at_all)
{
	char why[128];

	for (size_t i = 0; tacho_policies[i]; i++) {
		start(tacho_policies[i]->name, 2, 2);
		T_EQ(ask(3), 0);
		memset(&w.input, 0, sizeof(w.input));
		T_EQ(tacho_runner_decide(runner, &w.input, &w.plan, why, sizeof(why)), 0);
		T_EQ(w.plan.nr, 0);
	}
	stop();
}

T_MAIN
