// SPDX-License-Identifier: BSD-2-Clause
/*
 * policy_try.c FILE.so: asks a policy about a machine that is made up, as `tacho sched` would, and prints its last plan.
 *
 * Four CPUs; "hog" computes on the first one, "young" too but may not be moved, "ping" and "pong" talk to each other.
 * 100 calls. Exit status 1 if the policy cannot be used, or asks for what makes no sense.
 */
#include <string.h>

#include "sched/policies.h"

static struct tacho_policy_cpu cpus[4];
static struct tacho_policy_domain domains[4];
static double service_on[4 * 4];
static struct tacho_policy_pair pair = { .a = 1, .b = 2, .rate = 16000, .forth = 8000, .apart = 1 };
static const uint32_t members[] = { 1, 2 };
static const struct tacho_policy_set set = { 0, 2, 16000, 0.2, 0.01, 0.02 };

static void domain(uint32_t i, const char *name, double service, double wakes, uint32_t cpu)
{
	struct tacho_policy_domain *d = &domains[i];

	*d = (struct tacho_policy_domain){ .id = 10 + i, .flags = TACHO_D_MOVABLE, .nr_tasks = 1 };
	snprintf(d->name, sizeof(d->name), "%s", name);
	d->pid = (int)(1000 + i);
	d->set = wakes > 0 ? 0 : TACHO_POLICY_NONE;
	d->home = cpu;
	d->node = TACHO_POLICY_NONE;
	d->service = service;
	d->wakes_in = d->wakes_out = d->waits = wakes;
	service_on[i * 4 + cpu] = service;
	for (uint32_t k = 0; k < 4; k++)
		tacho_cpus_add(&d->allowed, k);
}

static int ask(struct tacho_runner *runner, struct tacho_policy_plan *plan)
{
	struct tacho_policy_input input = { .interval_ns = 20000000,
					    .nr_cpus = 4,
					    .nr_domains = 4 };
	char why[200];
	int error;

	input.nr_pairs = input.nr_sets = input.nr_nodes = 1;
	input.nr_members = 2;
	input.cpus = cpus;
	input.domains = domains;
	input.service_on = service_on;
	input.pairs = &pair;
	input.sets = &set;
	input.members = members;
	input.metric = "faults";
	input.tuning = (struct tacho_policy_tuning){ 50e-6, 500, 0.05, 0.3, 50e3, 1e6 };
	for (unsigned call = 0; call < 100; call++) {
		input.time_ns += input.interval_ns;
		error = tacho_runner_decide(runner, &input, plan, why, sizeof(why));
		if (error || tacho_plan_check(plan, &input, why, sizeof(why))) {
			fprintf(stderr, "policy_try: %s\n", why);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct tacho_policy_place place[8];
	struct tacho_policy_plan plan = { 0, 8, place };
	struct tacho_runner *runner;
	char why[200];
	int status;

	if (argc != 2 || tacho_runner_open(&runner, argv[1], 20000, why, sizeof(why))) {
		fprintf(stderr, "policy_try: %s\n", argc == 2 ? why : "one file");
		return 1;
	}
	for (uint32_t i = 0; i < 4; i++)
		cpus[i] = (struct tacho_policy_cpu){ .id = i, .core = i, .busy = 0.3, .runq = 0.3 };
	domain(0, "hog", 0.9, 0, 0);
	domain(1, "ping", 0.1, 8000, 1);
	domain(2, "pong", 0.1, 8000, 2);
	domain(3, "young", 0.9, 0, 0);
	domains[3].flags = TACHO_D_YOUNG;
	printf("%s: %s\n", tacho_runner_name(runner), tacho_runner_doc(runner));
	status = ask(runner, &plan);
	for (uint32_t i = 0; i < plan.nr; i++) {
		printf("%s on", domains[place[i].domain].name);
		for (uint32_t cpu = 0; cpu < 4; cpu++)
			if (tacho_cpus_has(&place[i].cpus, cpu))
				printf(" %u", cpu);
		printf(": %s\n", place[i].reason);
	}
	tacho_runner_close(runner);
	return status;
}
