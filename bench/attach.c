// SPDX-License-Identifier: BSD-2-Clause
/*
 * attach.c: how long it takes from the wish to see an event to its first row, and to switch it.
 *
 * Three events, of 1, 100 and 10 000 sites. A thread executes one site of the event all the time;
 * the session attaches to this process, as to any other, and waits for a row. Metrics:
 *	first-row  connect, make the area, configure it, hand it over, enable, until a row is there
 *	enable     the request to enable until it is answered: all sites are patched
 *	disable    the same for the way back
 * -n is the number of enable and disable requests per repetition, a tenth of it for 10 000 sites; a
 * sample is their mean.
 *
 * Does not measure a process with many threads, in which patching waits for each of its CPUs, nor
 * the first touch of a large area.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <tacho/atomic.h>
#include <tacho/tacho.h>

#include "bench.h"
#include "self.h"

#define ROWS	    1024
#define PATIENCE_NS 5000000000ull
#define QUIET_NS    1000000 /* in which no row may come from an event that is off */

TACHO_EVENT(one, TACHO_ACCESS, "bench.sites1", "", "", "an event with one site");
TACHO_EVENT(hundred, TACHO_ACCESS, "bench.sites100", "", "", "an event with a hundred sites");
TACHO_EVENT(many, TACHO_ACCESS, "bench.sites10000", "", "", "an event with ten thousand sites");

#define TEN(x)	   x x x x x x x x x x
#define HUNDRED(x) TEN(TEN(x))

/* A hundred functions of a hundred sites. */
#define MANY(n)                                                                                    \
	static __attribute__((noinline)) void many_##n(void)                                       \
	{                                                                                          \
		HUNDRED(TACHO_LOG(many);)                                                          \
	}                                                                                          \
	struct attach_needs_a_semicolon
#define MANY_FIVE(n, a, b, c, d, e)                                                                \
	MANY(n##a);                                                                                \
	MANY(n##b);                                                                                \
	MANY(n##c);                                                                                \
	MANY(n##d);                                                                                \
	MANY(n##e)
#define MANY_TEN(n)                                                                                \
	MANY_FIVE(n, 0, 1, 2, 3, 4);                                                               \
	MANY_FIVE(n, 5, 6, 7, 8, 9)
MANY_TEN(0);
MANY_TEN(1);
MANY_TEN(2);
MANY_TEN(3);
MANY_TEN(4);
MANY_TEN(5);
MANY_TEN(6);
MANY_TEN(7);
MANY_TEN(8);
MANY_TEN(9);

#define NAME_TEN(n)                                                                                \
	many_##n##0, many_##n##1, many_##n##2, many_##n##3, many_##n##4, many_##n##5, many_##n##6, \
		many_##n##7, many_##n##8, many_##n##9
static void (*const many_functions[])(void) = {
	NAME_TEN(0), NAME_TEN(1), NAME_TEN(2), NAME_TEN(3), NAME_TEN(4),
	NAME_TEN(5), NAME_TEN(6), NAME_TEN(7), NAME_TEN(8), NAME_TEN(9),
};
#define NR_MANY (sizeof(many_functions) / sizeof(many_functions[0]))

static __attribute__((noinline)) void use_one(uint32_t i)
{
	(void)i;
	TACHO_LOG(one);
}

static __attribute__((noinline)) void use_hundred(uint32_t i)
{
	(void)i;
	HUNDRED(TACHO_LOG(hundred);)
}

static __attribute__((noinline)) void use_many(uint32_t i)
{
	many_functions[i % NR_MANY]();
}

/* --- the thread that executes the sites --------------------------------------------------- */

static struct {
	void (*use)(uint32_t i);
	uint32_t stop;
	int cpu;
} worker;

static void *worker_main(void *arg)
{
	(void)arg;
	bench_pin(worker.cpu);
	for (uint32_t i = 0; !tacho_load_relaxed(&worker.stop); i++)
		worker.use(i);
	return NULL;
}

/* --- one repetition ----------------------------------------------------------------------- */

struct attach_case {
	const char *name;
	uint32_t sites;
	void (*use)(uint32_t i);
	struct tacho_event *event;
	struct self_log log;
	double *first_us;
	double *enable_us;
	double *disable_us;
};

static struct bench bench;

static double us_since(uint64_t ns)
{
	return (double)(bench_monotonic_ns() - ns) / 1e3;
}

static int wait_for_row(const struct self *self, const struct attach_case *c)
{
	uint64_t start = bench_monotonic_ns();

	while (self_rows(self, &c->log) == 0)
		if (bench_monotonic_ns() - start > PATIENCE_NS)
			return -ETIMEDOUT;
	return 0;
}

/* Off means that no row comes any more. */
static int check_quiet(const struct self *self, const struct attach_case *c)
{
	struct timespec nap = { 0, QUIET_NS };
	uint64_t rows;

	nanosleep(&nap, NULL); /* a thread may still have been inside the site */
	rows = self_rows(self, &c->log);
	nanosleep(&nap, NULL);
	if (self_rows(self, &c->log) == rows)
		return 0;
	bench_say(&bench, "%s: rows come while the event is off", c->name);
	return -EPROTO;
}

static int check_sites(const struct self *self, const struct attach_case *c)
{
	uint32_t sites = self->target->events[c->log.id].nr_sites;

	if (sites == c->sites)
		return 0;
	bench_say(&bench, "%s has %" PRIu32 " sites", c->name, sites);
	return -EPROTO;
}

static int toggle(struct self *self, struct attach_case *c, unsigned int run)
{
	uint64_t nr = c->sites > 1000 ? bench.nr / 10 + 1 : bench.nr;
	double enable = 0, disable = 0;

	for (uint64_t i = 0; i < nr; i++) {
		uint64_t start = bench_monotonic_ns();
		int error = self_disable(self, &c->log.id, 1);

		if (error)
			return error;
		disable += us_since(start);
		start = bench_monotonic_ns();
		error = self_enable(self, &c->log.id, 1);
		if (error)
			return error;
		enable += us_since(start);
	}
	c->disable_us[run] = disable / (double)nr;
	c->enable_us[run] = enable / (double)nr;
	return 0;
}

/* The component notices the end of the session by itself. */
static int wait_until_off(const struct attach_case *c)
{
	uint64_t start = bench_monotonic_ns();

	while (tacho_load_relaxed(&c->event->on) != 0)
		if (bench_monotonic_ns() - start > PATIENCE_NS) {
			bench_say(&bench, "%s: still on after its session ended", c->name);
			return -ETIMEDOUT;
		}
	return 0;
}

static int repeat(struct attach_case *c, unsigned int run)
{
	uint64_t start = bench_monotonic_ns();
	struct self self;
	int error = self_open(&self, &bench, 1u << 18);

	if (!error)
		error = self_add(&self, &c->log);
	if (!error)
		error = self_attach(&self);
	if (!error)
		error = self_enable(&self, &c->log.id, 1);
	if (!error)
		error = wait_for_row(&self, c);
	c->first_us[run] = us_since(start);
	if (error == -ETIMEDOUT)
		bench_say(&bench, "%s: no row came", c->name);
	if (!error)
		error = check_sites(&self, c);
	if (!error)
		error = toggle(&self, c, run);
	if (!error)
		error = self_disable(&self, &c->log.id, 1);
	if (!error)
		error = check_quiet(&self, c);
	self_close(&self);
	return error ? error : wait_until_off(c);
}

static int run_case(struct attach_case *c)
{
	pthread_t thread;
	int error = 0;

	c->first_us = calloc(3 * bench.runs, sizeof(double));
	if (!c->first_us)
		return -ENOMEM;
	c->enable_us = c->first_us + bench.runs;
	c->disable_us = c->enable_us + bench.runs;
	worker.use = c->use;
	worker.stop = 0;
	if (pthread_create(&thread, NULL, worker_main, NULL) != 0)
		return -EAGAIN;
	error = repeat(c, 0); /* warm-up */
	for (unsigned int run = 0; run < bench.runs && !error; run++)
		error = repeat(c, run);
	tacho_store_relaxed(&worker.stop, 1);
	pthread_join(thread, NULL);
	if (!error) {
		bench_print(&bench, c->name, "first-row", "us", c->first_us, bench.runs);
		bench_print(&bench, c->name, "enable", "us", c->enable_us, bench.runs);
		bench_print(&bench, c->name, "disable", "us", c->disable_us, bench.runs);
	}
	free(c->first_us);
	return error;
}

int main(int argc, char **argv)
{
	struct attach_case cases[] = {
		{ "sites-1",
		  1,
		  use_one,
		  &tacho_event_one,
		  { "bench.sites1", TACHO_ENTRIES_ALL, ROWS, 1, 0, 0 },
		  NULL,
		  NULL,
		  NULL },
		{ "sites-100",
		  100,
		  use_hundred,
		  &tacho_event_hundred,
		  { "bench.sites100", TACHO_ENTRIES_ALL, ROWS, 1, 0, 0 },
		  NULL,
		  NULL,
		  NULL },
		{ "sites-10000",
		  10000,
		  use_many,
		  &tacho_event_many,
		  { "bench.sites10000", TACHO_ENTRIES_ALL, ROWS, 1, 0, 0 },
		  NULL,
		  NULL,
		  NULL },
	};

	bench_open(&bench, "attach", 15, 10, argc, argv);
	bench_cpus(&bench, &worker.cpu, 1); /* the first one; the session waits on the last */
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (bench_wants(&bench, cases[i].name) && run_case(&cases[i]) != 0)
			bench.failed++;
	return bench_status(&bench);
}
