/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_watch.c: when events are on: a made-up /proc/stat, second by second.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sched/watch.h"
#include "t.h"

#define PERIOD_NS 20000000ull

struct world {
	struct tacho_watch watch;
	struct tacho_look look;
	double rows; /* per second, while events are on */
	uint64_t own_ns; /* that we use in an interval */
	uint64_t on_ns, windows;
};

static void world_init(struct world *world, bool always)
{
	*world = (struct world){ .look = { .time_ns = 1000000000, .nr_cpus = 2 } };
	tacho_watch_init(&world->watch, 0.005, always);
	world->rows = 1e6;
	world->own_ns = PERIOD_NS / 100;
}

/* So many switches per second, so busy, for so long. */
static void run(struct world *world, double rate, double busy, double seconds)
{
	const uint64_t end = world->look.time_ns + (uint64_t)(seconds * 1e9);
	bool was, on;

	while (world->look.time_ns < end) {
		world->look.time_ns += PERIOD_NS;
		world->look.switches += (uint64_t)(rate * 0.02);
		world->look.idle_ns += (uint64_t)((1 - busy) * 2 * PERIOD_NS);
		was = world->watch.is_on;
		on = tacho_watch_step(&world->watch, &world->look);
		if (on) {
			world->on_ns += PERIOD_NS;
			tacho_watch_cost(&world->watch, (uint64_t)(world->rows * 0.02),
					 world->own_ns, PERIOD_NS);
		}
		world->windows += on && !was;
	}
}

/* Nothing has changed for a while: events are off. */
static void quiet(struct world *world)
{
	world_init(world, false);
	run(world, 1e6, 1, 12);
	T_OK(!world->watch.is_on);
}

T_CASE(nothing_changes)
{
	struct world world;

	world_init(&world, false);
	run(&world, 1e6, 1, 60);
	/* windows that find nothing become rare: 1, 2, 4, 8, 8, 8 seconds */
	T_OK(world.on_ns < 60000000000ull / 33);
	T_OK(world.windows >= 6 && world.windows < 16);
	tacho_watch_fini(&world.watch);
}

T_CASE(a_change_is_seen_within_three_looks)
{
	struct world world;

	quiet(&world);
	run(&world, 3e4, 1, 0.06);
	T_OK(world.watch.is_on);
	run(&world, 3e4, 1, 0.5);
	T_OK(!world.watch.is_on);
	tacho_watch_fini(&world.watch);
}

T_CASE(the_same_rate_on_processors_that_have_less_to_do)
{
	struct world world;
	uint64_t windows;

	quiet(&world);
	windows = world.windows;
	run(&world, 1e6, 1, 0.2);
	T_EQ(world.windows, windows);
	run(&world, 1e6, 0.5, 0.2);
	T_EQ(world.windows, windows + 1);
	tacho_watch_fini(&world.watch);
}

/* A third more of a lot is a change if it lasts, and tremble is none. */
T_CASE(one_pair_more_among_many_is_seen)
{
	struct world world;
	uint64_t windows;

	world_init(&world, false);
	for (int i = 0; i < 850; i++)
		run(&world, i % 2 ? 2.6e5 : 3.4e5, 1, 0.02);
	windows = world.windows;
	T_OK(windows >= 3 && windows <= 5 && !world.watch.is_on);
	run(&world, 4e5, 1, 1.2);
	T_EQ(world.windows, windows + 1);
	tacho_watch_fini(&world.watch);
}

T_CASE(what_never_rests_is_not_watched_all_the_time)
{
	struct world world;

	world_init(&world, false);
	for (int i = 0; i < 600; i++)
		run(&world, i % 2 ? 1e6 : 3e5, 1, 0.1);
	/* 26 % of a CPU while they are on: of the budget that is 1.5 s, more is a look now and then */
	T_OK(world.on_ns < 60000000000ull * 10 / 100);
	T_OK(world.windows > 10);
	tacho_watch_fini(&world.watch);
}

T_CASE(cheap_events_stay_on)
{
	struct world world;

	world_init(&world, false);
	world.rows = 5000;
	world.own_ns = 20000;
	run(&world, 1000, 0.3, 10);
	T_OK(world.watch.is_on && world.windows <= 1);
	world_init(&world, true);
	run(&world, 1e6, 1, 10);
	T_OK(world.watch.is_on);
	tacho_watch_fini(&world.watch);
}

T_CASE(who_asks_for_it_gets_it)
{
	struct world world;

	quiet(&world);
	tacho_watch_wake(&world.watch, world.look.time_ns + 50000000);
	run(&world, 1e6, 1, 0.03);
	T_OK(!world.watch.is_on);
	run(&world, 1e6, 1, 0.04);
	T_OK(world.watch.is_on);
	tacho_watch_fini(&world.watch);
}

T_CASE(decisions_keep_them_on)
{
	struct world world;

	world_init(&world, false);
	for (int i = 0; i < 100; i++) {
		tacho_watch_busy(&world.watch, world.look.time_ns);
		run(&world, 1e6, 1, 0.02);
		T_OK(world.watch.is_on);
	}
	run(&world, 1e6, 1, 0.3);
	T_OK(!world.watch.is_on);
	tacho_watch_fini(&world.watch);
}

T_CASE(the_real_file_can_be_read)
{
	struct tacho_watch watch;
	struct tacho_look first, second;

	tacho_watch_init(&watch, 0.005, false);
	T_NEED(tacho_watch_look(&watch, 1, &first) == 0);
	T_OK(first.switches > 0 && first.idle_ns > 0);
	T_EQ(first.nr_cpus, (uint32_t)sysconf(_SC_NPROCESSORS_ONLN));
	T_NEED(tacho_watch_look(&watch, 2, &second) == 0);
	T_OK(second.switches >= first.switches);
	tacho_watch_fini(&watch);
	T_OK(tacho_watch_look(&watch, 3, &second) < 0);
}

/* A file as of a machine with so many CPUs and interrupts, in place of the real one. */
static void watch_file(struct tacho_watch *watch, uint32_t nr_cpus, uint32_t nr_interrupts)
{
	FILE *file;
	int fd = memfd_create("stat", MFD_CLOEXEC);

	T_NEED(fd >= 0 && dup2(fd, watch->fd) >= 0);
	file = fdopen(fd, "w");
	T_NEED(file != NULL);
	fprintf(file, "cpu  1 2 3 %u 5 6 7 8 9 10\n", 1000 * nr_cpus);
	for (uint32_t i = 0; i < nr_cpus; i++)
		fprintf(file, "cpu%u 1 2 3 1000 5 6 7 8 9 10\n", i);
	fprintf(file, "intr 1234567");
	for (uint32_t i = 0; i < nr_interrupts; i++)
		fprintf(file, " %u", i);
	fprintf(file, "\nctxt 987654\nbtime 1\n");
	fclose(file);
}

T_CASE(a_large_machine_has_a_long_file)
{
	struct tacho_watch watch;
	struct tacho_look look;

	tacho_watch_init(&watch, 0.005, false);
	for (uint32_t nr = 2; nr <= 2048; nr *= 32) {
		watch_file(&watch, nr, 20 * nr);
		T_EQ(tacho_watch_look(&watch, 1, &look), 0);
		T_EQ(look.switches, 987654u);
		T_EQ(look.nr_cpus, nr);
	}
	tacho_watch_fini(&watch);
}

/* What cannot be seen may change at any time: events are on, and only for so long. */
T_CASE(who_is_blind_looks_at_the_events)
{
	struct world world;
	struct tacho_look look;
	int fd;

	world_init(&world, false);
	run(&world, 1e6, 1, 3.5);
	T_OK(!world.watch.is_on);
	fd = world.watch.fd;
	world.watch.fd = -1;
	T_OK(tacho_watch_look(&world.watch, world.look.time_ns, &look) < 0);
	T_OK(world.watch.is_blind && tacho_watch_step(&world.watch, &look));
	for (int i = 0; i < 100; i++) {
		look.time_ns = world.look.time_ns += PERIOD_NS;
		T_OK(tacho_watch_needs_look(&world.watch, look.time_ns));
		T_OK(tacho_watch_step(&world.watch, &look));
		tacho_watch_cost(&world.watch, 20000, PERIOD_NS / 100, PERIOD_NS);
	}
	world.watch.fd = fd;
	T_EQ(tacho_watch_look(&world.watch, world.look.time_ns, &look), 0);
	T_OK(!world.watch.is_blind);
	run(&world, 1e6, 1, 0.3);
	T_OK(!world.watch.is_on);
	tacho_watch_fini(&world.watch);
}

T_MAIN
