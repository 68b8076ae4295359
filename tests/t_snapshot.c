/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_snapshot.c: from rows made by hand to what a policy sees.
 *
 * Two CPUs; domains from 8 on are processes of a made-up world, which says of each whose affinity
 * it has.
 */
#include <errno.h>

#include "rows.h"
#include "sched/couples.h"
#include "sched/sched_internal.h"

#define DOMAINS	    128u
#define MS	    1000000ull
#define INTERVAL_NS (20 * MS)

struct rig {
	struct tacho_topology topology;
	struct tacho_policy_cpu cpus[2];
	struct tacho_policy_tuning tuning;
	struct tacho_snapshot *snapshot;
	struct tacho_facts *facts;
	struct tacho_world world;
	struct tacho_world_task task[DOMAINS]; /* by domain: pid 100 + domain */
	uint64_t now_ns;
	unsigned asked; /* times that a task was read */
};

static int task(void *arg, int tid, struct tacho_world_task *out)
{
	struct rig *rig = arg;

	rig->asked++;
	if (tid < 100 || tid >= 100 + (int)DOMAINS || !rig->task[tid - 100].tid)
		return -ESRCH;
	*out = rig->task[tid - 100];
	return 0;
}

static int allowed(void *arg, int tid, struct tacho_cpus *cpus)
{
	const struct rig *rig = arg;

	(void)tid;
	*cpus = rig->topology.online;
	return 0;
}

static int info(void *arg, uint32_t domain, char name[32], int *pid, int *tid, uint32_t *nr_tasks,
		bool *is_vm)
{
	(void)arg;
	snprintf(name, 32, "task %u", domain);
	*pid = 100 + (int)domain;
	*tid = 0;
	*nr_tasks = 1;
	*is_vm = false;
	return 0;
}

static void rig_open(struct rig *rig)
{
	const struct tacho_facts_options facts = {
		.nr_domains = DOMAINS,
		.nr_cpus = 2,
		.half_life_s = 0.02,
		.overlaps = true,
	};
	struct tacho_snapshot_options options = { .nr_domains = DOMAINS, .min_age_ms = 200 };

	*rig = (struct rig){ .now_ns = 1000 * MS };
	rig->topology = (struct tacho_topology){ .cpus = rig->cpus, .nr_cpus = 2, .nr_nodes = 1 };
	rig->cpus[1].id = 1;
	tacho_cpus_add(&rig->topology.online, 0);
	tacho_cpus_add(&rig->topology.online, 1);
	for (uint32_t i = TACHO_DOMAIN_FIRST; i < DOMAINS; i++)
		rig->task[i] = (struct tacho_world_task){ .tid = 100 + (int)i,
							  .pid = 100 + (int)i,
							  .age_ms = 1000,
							  .cpus = rig->topology.online };
	rig->tuning.min_rate = 100;
	rig->world = (struct tacho_world){ .task = task, .allowed = allowed, .arg = rig };
	options.topology = &rig->topology;
	options.world = &rig->world;
	options.tuning = &rig->tuning;
	options.metric = "page faults";
	options.measured = TACHO_M_FAULTS;
	options.info = info;
	T_EQ(tacho_facts_create(&rig->facts, &facts), 0);
	T_EQ(tacho_snapshot_create(&rig->snapshot, &options), 0);
	tacho_facts_end(rig->facts, rig->now_ns);
}

static void rig_close(struct rig *rig)
{
	tacho_snapshot_destroy(rig->snapshot);
	tacho_facts_destroy(rig->facts);
}

/* In every millisecond of the interval a runs on CPU 0 for half of it, then b on CPU on_b. */
static void ping_pong(struct rig *rig, uint32_t a, uint32_t b, uint32_t on_b, bool is_first)
{
	for (uint64_t i = 0; i < 20; i++) {
		const uint64_t at = rig->now_ns + i * MS;

		give_service(rig->facts, 0, a, at, at + MS / 2);
		give(rig->facts, TACHO_K_IPC_WAKE, a, b, 1);
		give_service(rig->facts, on_b, b, at + MS / 2, at + MS);
		give(rig->facts, TACHO_K_IPC_WAKE, b, a, 1);
	}
	rig->now_ns += INTERVAL_NS;
	tacho_facts_end(rig->facts, rig->now_ns);
	T_EQ(tacho_snapshot_add(rig->snapshot, rig->facts, rig->now_ns, is_first), 0);
}

static const struct tacho_policy_input *take(struct rig *rig)
{
	const struct tacho_policy_input *input = NULL;

	T_EQ(tacho_snapshot_take(rig->snapshot, rig->facts, rig->now_ns, &input), 0);
	return input;
}

static bool is_near(double value, double want)
{
	return value > want * 0.99 - 0.001 && value < want * 1.01 + 0.001;
}

T_CASE(a_pair_as_a_policy_sees_it)
{
	const struct tacho_policy_input *input;
	struct rig rig;

	rig_open(&rig);
	ping_pong(&rig, 9, 10, 1, true);
	input = take(&rig);
	T_EQ(input->nr_domains, 2u);
	T_EQ(input->measured, (uint32_t)TACHO_M_FAULTS);
	T_EQ(input->nr_pairs, 1u);
	T_EQ(input->nr_sets, 1u);
	/* the mean of one interval is that interval */
	T_OK(is_near(input->domains[0].service, 0.5));
	T_OK(is_near(input->pairs[0].rate, 2000));
	T_OK(is_near(input->pairs[0].forth, 1000));
	T_OK(is_near(input->pairs[0].apart, 1));
	T_OK(is_near(input->pairs[0].together, 0));
	T_EQ(input->sets[0].nr, 2u);
	T_OK(is_near(input->sets[0].service, 1));
	T_OK(input->domains[0].flags & TACHO_D_MOVABLE);
	T_EQ(input->domains[0].set, 0u);
	T_OK(is_near(input->cpus[0].busy, 0.5) && is_near(input->cpus[1].busy, 0.5));
	/* on one CPU from now on: the mean follows within a few intervals */
	for (int i = 0; i < 12; i++)
		ping_pong(&rig, 9, 10, 0, false);
	input = take(&rig);
	T_OK(input->pairs[0].apart < 0.1);
	T_OK(is_near(input->pairs[0].rate, 2000));
	T_OK(input->cpus[0].busy > 0.95 && input->cpus[1].busy < 0.05);
	rig_close(&rig);
}

T_CASE(means_begin_anew_after_a_pause)
{
	const struct tacho_policy_input *input;
	struct rig rig;

	rig_open(&rig);
	for (int i = 0; i < 5; i++)
		ping_pong(&rig, 9, 10, 1, i == 0);
	ping_pong(&rig, 9, 11, 0, true);
	input = take(&rig);
	T_NEED(input->nr_pairs == 1);
	T_EQ(input->domains[input->pairs[0].a].id + input->domains[input->pairs[0].b].id, 20u);
	T_OK(is_near(input->pairs[0].rate, 2000));
	rig_close(&rig);
}

T_CASE(who_may_not_be_moved)
{
	const struct tacho_policy_input *input;
	struct tacho_unit *unit;
	struct rig rig;

	rig_open(&rig);
	tacho_cpus_remove(&rig.task[9].cpus, 1);
	rig.task[10].policy = 1; /* SCHED_FIFO */
	ping_pong(&rig, 9, 10, 1, true);
	input = take(&rig);
	T_NEED(input->nr_domains == 2);
	for (int i = 0; i < 2; i++) {
		T_OK(!(input->domains[i].flags & TACHO_D_MOVABLE));
		T_OK(input->domains[i].flags &
		     (input->domains[i].id == 9 ? TACHO_D_FIXED : TACHO_D_REALTIME));
	}
	ping_pong(&rig, 12, 13, 1, true);
	unit = tacho_snapshot_unit(rig.snapshot, 12);
	unit->hold_ns = rig.now_ns + 1000 * MS;
	unit->hold_rate = 2000;
	tacho_snapshot_unit(rig.snapshot, 13)->is_users = true;
	input = take(&rig);
	for (uint32_t i = 0; i < input->nr_domains; i++)
		if (input->domains[i].id >= 12)
			T_OK(!(input->domains[i].flags & TACHO_D_MOVABLE));
	/* it does something else than when it was taken back */
	unit->hold_rate = 100;
	input = take(&rig);
	for (uint32_t i = 0; i < input->nr_domains; i++)
		if (input->domains[i].id == 12)
			T_OK(input->domains[i].flags & TACHO_D_MOVABLE);
	rig_close(&rig);
}

/* Tasks of this machine, which has one CPU, seen as on one that has two: they may use both. */
T_CASE(processors_that_are_made_up_are_for_all)
{
	for (int is_synthetic = 0; is_synthetic <= 1; is_synthetic++) {
		const struct tacho_policy_input *input;
		struct rig rig;

		rig_open(&rig);
		rig.topology.is_synthetic = is_synthetic;
		rig.task[9].cpus = rig.task[10].cpus = tacho_cpus_one(0);
		ping_pong(&rig, 9, 10, 1, true);
		input = take(&rig);
		T_NEED(input->nr_domains == 2);
		for (int i = 0; i < 2; i++) {
			T_EQ(!!(input->domains[i].flags & TACHO_D_FIXED), !is_synthetic);
			T_EQ(!!(input->domains[i].flags & TACHO_D_MOVABLE), is_synthetic);
			T_EQ(tacho_cpus_count(&input->domains[i].allowed), is_synthetic ? 2u : 1u);
		}
		rig_close(&rig);
	}
}

T_CASE(the_young_grow_up)
{
	const struct tacho_policy_input *input;
	struct rig rig;

	rig_open(&rig);
	rig.task[9].age_ms = 100;
	ping_pong(&rig, 9, 10, 1, true);
	input = take(&rig);
	for (uint32_t i = 0; i < input->nr_domains; i++)
		T_EQ(!!(input->domains[i].flags & TACHO_D_YOUNG), input->domains[i].id == 9);
	rig.task[9].age_ms = 220;
	for (int i = 0; i < 6; i++)
		ping_pong(&rig, 9, 10, 1, false);
	input = take(&rig);
	for (uint32_t i = 0; i < input->nr_domains; i++)
		T_OK(!(input->domains[i].flags & TACHO_D_YOUNG));
	rig_close(&rig);
}

T_CASE(proc_is_asked_once_a_second)
{
	struct rig rig;

	rig_open(&rig);
	for (int i = 0; i < 100; i++) {
		ping_pong(&rig, 9, 10, 1, i == 0);
		(void)take(&rig);
	}
	T_OK(rig.asked >= 4 && rig.asked <= 8);
	rig_close(&rig);
}

/* A hundred at once: files of some are read, the others are left alone until it is their turn. */
T_CASE(many_are_asked_bit_by_bit)
{
	const struct tacho_policy_input *input = NULL;
	unsigned before, nr_young = 0;
	struct rig rig;

	rig_open(&rig);
	for (uint32_t i = 0; i < 100; i++)
		give_service(rig.facts, 0, 10 + i, rig.now_ns + i * MS / 10,
			     rig.now_ns + (i + 1) * MS / 10);
	rig.now_ns += INTERVAL_NS;
	tacho_facts_end(rig.facts, rig.now_ns);
	T_EQ(tacho_snapshot_add(rig.snapshot, rig.facts, rig.now_ns, true), 0);
	for (unsigned round = 0; round < 4; round++) {
		before = rig.asked;
		input = take(&rig);
		T_EQ(input->nr_domains, 100u);
		nr_young = 0;
		for (uint32_t i = 0; i < 100; i++)
			nr_young += !!(input->domains[i].flags & TACHO_D_YOUNG);
		T_OK(rig.asked - before <= 32);
		T_EQ(nr_young, 100 - rig.asked);
	}
	T_EQ(nr_young, 0u);
	T_OK(strncmp(input->domains[99].name, "task ", 5) == 0);
	rig_close(&rig);
}

/* Who computes is asked about its pages in turns, also where there are more than one round asks. */
T_CASE(nobody_is_left_out_of_metering)
{
	unsigned asked[40] = { 0 };
	struct tacho_unit *unit;
	struct rig rig;

	rig_open(&rig);
	rig.tuning.cpu_threshold = 0.01;
	for (uint32_t i = 0; i < 40; i++)
		give_service(rig.facts, 0, 10 + i, rig.now_ns + i * MS / 2,
			     rig.now_ns + (i + 1) * MS / 2);
	rig.now_ns += INTERVAL_NS;
	tacho_facts_end(rig.facts, rig.now_ns);
	T_EQ(tacho_snapshot_add(rig.snapshot, rig.facts, rig.now_ns, true), 0);
	(void)take(&rig);
	(void)take(&rig); /* files of 32 tasks are read in a round */
	for (uint64_t second = 1; second <= 3; second++)
		for (unsigned i = 0; i < 16; i++) {
			unit = tacho_snapshot_unmetered(rig.snapshot, second);
			T_NEED(unit && unit->id >= 10 && unit->id < 50);
			unit->metered_ns = second;
			asked[unit->id - 10]++;
		}
	for (unsigned i = 0; i < 40; i++)
		T_OK(asked[i] > 0);
	for (unsigned i = 0; i < 40; i++) {
		unit = tacho_snapshot_unmetered(rig.snapshot, 6);
		T_NEED(unit != NULL);
		unit->metered_ns = 6;
	}
	T_OK(!tacho_snapshot_unmetered(rig.snapshot, 6));
	rig_close(&rig);
}

/* More pairs than there is room for; those that matter come when there is none left. */
T_CASE(of_many_pairs_the_busiest_are_kept)
{
	const struct tacho_facts_options options = { .nr_domains = 8192,
						     .nr_cpus = 1,
						     .half_life_s = 0.02 };
	static struct tacho_policy_pair pairs[TACHO_MAX_COUPLES];
	static uint32_t index[8192];
	struct tacho_couples couples = { .couple = NULL };
	struct tacho_facts *facts;
	const uint32_t nr = 3000;
	size_t listed, busy = 0;

	T_EQ(tacho_facts_create(&facts, &options), 0);
	for (uint32_t i = 0; i < 8192; i++)
		index[i] = i;
	tacho_facts_end(facts, 1000 * MS);
	for (uint64_t round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < (round ? nr : nr - 1000); i++)
			for (uint32_t times = i < nr - 1000 ? 1 : 50; times > 0; times--)
				give(facts, TACHO_K_IPC_WAKE, 10 + 2 * i, 11 + 2 * i, 1);
		tacho_facts_end(facts, 1000 * MS + (round + 1) * INTERVAL_NS);
		T_EQ(tacho_couples_add(&couples, facts, 50, 0.7), 0);
		T_EQ(couples.nr, TACHO_MAX_COUPLES);
	}
	listed = tacho_couples_list(&couples, index, 8192, pairs, TACHO_MAX_COUPLES);
	for (size_t i = 0; i < listed; i++)
		busy += pairs[i].rate > 1000;
	T_EQ(busy, 1000u);
	for (size_t i = 1; i < couples.nr; i++)
		T_OK(couples.couple[i - 1].a < couples.couple[i].a);
	tacho_couples_fini(&couples);
	tacho_facts_destroy(facts);
}

/* Siblings have neighbouring numbers on one machine, and not on another. */
T_CASE(waking_is_measured_between_those_that_share_least)
{
	struct tacho_policy_cpu cpus[8] = { 0 };

	for (uint32_t i = 0; i < 8; i++)
		cpus[i] = (struct tacho_policy_cpu){ .id = i, .core = i / 2 };
	T_EQ(tacho_wake_farthest(cpus, 2), 1u);
	T_EQ(tacho_wake_farthest(cpus, 8), 2u);
	cpus[5].cache = cpus[6].cache = cpus[7].cache = 1;
	T_EQ(tacho_wake_farthest(cpus, 8), 5u);
	cpus[6].package = cpus[7].package = 1;
	T_EQ(tacho_wake_farthest(cpus, 8), 6u);
	cpus[7].node = 1;
	T_EQ(tacho_wake_farthest(cpus, 8), 7u);
}

T_CASE(what_is_gone_is_forgotten)
{
	const struct tacho_policy_input *input;
	struct rig rig;

	rig_open(&rig);
	ping_pong(&rig, 9, 10, 1, true);
	T_EQ(take(&rig)->nr_domains, 2u);
	tacho_snapshot_forget(rig.snapshot, 9);
	tacho_facts_forget(rig.facts, 9);
	input = take(&rig);
	T_EQ(input->nr_domains, 1u);
	T_EQ(input->nr_pairs, 0u);
	T_EQ(input->nr_sets, 0u);
	rig_close(&rig);
}

T_MAIN
