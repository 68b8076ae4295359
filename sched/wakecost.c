// SPDX-License-Identifier: BSD-2-Clause
/*
 * wakecost.c: what it costs to wake somebody on another CPU, measured.
 *
 * Two threads of ours hand a byte back and forth, on one CPU and on two: half the difference of a
 * round trip is what a wake-up costs more when the other has slept on a CPU of his own. Some
 * milliseconds, at the start. Of short pieces the lower quartile: others who use the CPUs make them
 * longer, never shorter. The two CPUs share as little as there is on this machine: what may be
 * gained by bringing two together is what it costs where they are furthest apart. Called by loop.c.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sched_internal.h"

#define PIECES 13
#define TRIPS  16
#define MIN_S  0.5e-6
#define MAX_S  100e-6 /* one that seems to cost more was measured while others had the CPU */

struct partner {
	int to, from; /* eventfd */
	uint32_t cpu;
	bool failed;
};

static int pin(uint32_t cpu)
{
	cpu_set_t *set = CPU_ALLOC(TACHO_POLICY_CPUS);
	int error = -1;

	if (!set)
		return -1;
	CPU_ZERO_S(CPU_ALLOC_SIZE(TACHO_POLICY_CPUS), set);
	CPU_SET_S(cpu, CPU_ALLOC_SIZE(TACHO_POLICY_CPUS), set);
	error = sched_setaffinity(0, CPU_ALLOC_SIZE(TACHO_POLICY_CPUS), set);
	CPU_FREE(set);
	return error;
}

/* Waits, then answers; a value other than 1 ends it. */
static void *answer(void *arg)
{
	struct partner *partner = arg;
	uint64_t value = 1;

	partner->failed = pin(partner->cpu) != 0;
	while (read(partner->to, &value, sizeof(value)) == sizeof(value) && value == 1)
		if (write(partner->from, &value, sizeof(value)) != sizeof(value))
			break;
	return NULL;
}

static double trip(const struct partner *partner)
{
	const uint64_t begin = tacho_live_now();
	uint64_t value = 1;

	for (int i = 0; i < TRIPS; i++)
		if (write(partner->to, &value, sizeof(value)) != sizeof(value) ||
		    read(partner->from, &value, sizeof(value)) != sizeof(value))
			return 0;
	return (double)(tacho_live_now() - begin) * 1e-9 / TRIPS;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/*
 * Seconds of a round trip to a partner on that CPU; the caller is pinned. 0: it could not be found
 * out.
 */
static double round_trip(uint32_t cpu)
{
	struct partner partner = { eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC), cpu, false };
	const uint64_t end = 2;
	double seconds[PIECES] = { 0 };
	pthread_t thread;

	if (partner.to >= 0 && partner.from >= 0 &&
	    pthread_create(&thread, NULL, answer, &partner) == 0) {
		(void)trip(&partner);
		for (int i = 0; i < PIECES; i++)
			seconds[i] = trip(&partner);
		if (write(partner.to, &end, sizeof(end)) == sizeof(end))
			pthread_join(thread, NULL);
		qsort(seconds, PIECES, sizeof(seconds[0]), compare);
	}
	if (partner.to >= 0)
		close(partner.to);
	if (partner.from >= 0)
		close(partner.from);
	return partner.failed ? 0 : seconds[PIECES / 4];
}

/* How little two processors share: nothing, a node, a package, a cache, a core. */
static unsigned distance(const struct tacho_policy_cpu *a, const struct tacho_policy_cpu *b)
{
	if (a->node != b->node)
		return 4;
	if (a->package != b->package)
		return 3;
	if (a->cache != b->cache)
		return 2;
	return a->core != b->core;
}

uint32_t tacho_wake_farthest(const struct tacho_policy_cpu *cpus, uint32_t nr)
{
	uint32_t farthest = 1;

	for (uint32_t i = 2; i < nr; i++)
		if (distance(&cpus[0], &cpus[i]) > distance(&cpus[0], &cpus[farthest]))
			farthest = i;
	return farthest;
}

/* In a thread of its own, whose affinity ends with it. */
static void *measure(void *arg)
{
	double *cost = ((double **)arg)[0];
	const struct tacho_topology *topology = ((const struct tacho_topology **)arg)[1];
	const uint32_t here = topology->cpus[0].id;
	const uint32_t there =
		topology->cpus[tacho_wake_farthest(topology->cpus, topology->nr_cpus)].id;
	double near, far;

	if (pin(here) != 0)
		return NULL;
	near = round_trip(here);
	far = round_trip(there);
	if (near > 0 && far > near)
		*cost = (far - near) / 2;
	return NULL;
}

static double measured(const struct tacho_topology *topology)
{
	double cost = 0;
	const void *arg[2] = { &cost, topology };
	pthread_t thread;

	if (topology->nr_cpus > 1 && pthread_create(&thread, NULL, measure, arg) == 0)
		pthread_join(thread, NULL);
	return cost;
}

double tacho_wake_cost(const struct tacho_topology *topology)
{
	struct tacho_topology real;
	double cost = 0;

	if (topology->nr_cpus < 2)
		return 0;
	if (!topology->is_synthetic) {
		cost = measured(topology);
	} else if (tacho_topology_open(&real, NULL, NULL, 0) == 0) {
		/* nobody can be woken on a CPU that is made up: as if they were like ours */
		cost = measured(&real);
		tacho_topology_close(&real);
	}
	if (cost < MIN_S)
		cost = MIN_S;
	return cost < MAX_S ? cost : MAX_S;
}
