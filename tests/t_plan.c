/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_plan.c: what makes no sense is removed from a plan, and the rest stays.
 */
#include <errno.h>

#include "world_input.h"

static struct world w;
static char why[128];

static struct tacho_policy_place *add(uint32_t domain, uint32_t cpu)
{
	struct tacho_cpus cpus = tacho_cpus_one(cpu);

	return tacho_plan_add(&w.plan, domain, &cpus, domain, "because");
}

static void start(void)
{
	world_cpus(&w, 4, 4);
	for (unsigned i = 0; i < 4; i++)
		(void)world_task(&w, "task", 0.5);
	w.plan = (struct tacho_policy_plan){ 0, W_DOMAINS, w.place };
	(void)world_input(&w);
}

static uint32_t check(void)
{
	return tacho_plan_check(&w.plan, &w.input, why, sizeof(why));
}

T_CASE(what_makes_sense_stays)
{
	start();
	for (uint32_t i = 0; i < 4; i++)
		(void)add(i, i);
	w.place[1].nice = -20;
	w.place[2].nice = 19;
	w.place[3].node = 0;
	T_EQ(check(), 0);
	T_EQ(w.plan.nr, 4);
	T_STREQ(why, "");
	for (uint32_t i = 0; i < 4; i++)
		T_EQ(world_where(&w, i), i);
}

T_CASE(what_does_not_is_removed)
{
	start();
	(void)add(4, 0);
	T_EQ(check(), 1);
	T_EQ(w.plan.nr, 0);
	T_STREQ(why, "there is no domain 4, only 4");
	(void)add(TACHO_POLICY_NONE, 0);
	(void)add(0, 4); /* not there */
	(void)add(1, 0);
	(void)add(1, 1); /* twice */
	add(2, 0)->nice = 20;
	add(2, 0)->nice = -21;
	add(2, 0)->node = 1;
	(void)add(3, 0);
	T_EQ(check(), 6);
	T_EQ(w.plan.nr, 2);
	T_EQ(w.place[0].domain, 1);
	T_EQ(world_where(&w, 1), 0);
	T_EQ(w.place[1].domain, 3);
	T_STREQ(why, "there is no domain 4294967295, only 4");
}

T_CASE(who_may_not_be_moved)
{
	start();
	w.domains[0].flags = TACHO_D_YOUNG;
	w.domains[1].allowed = tacho_cpus_one(2);
	for (uint32_t i = 0; i < 3; i++)
		(void)add(i, 1);
	T_EQ(check(), 2);
	T_EQ(w.plan.nr, 1);
	T_STREQ(why, "task (pid 1000) may not be moved");
}

T_CASE(cpus_are_those_that_can_be)
{
	start();
	tacho_cpus_remove(&w.domains[0].allowed, 1);
	memset(&add(0, 0)->cpus, 0xff, sizeof(struct tacho_cpus));
	T_EQ(check(), 0);
	T_EQ(tacho_cpus_count(&w.place[0].cpus), 3);
	T_OK(!tacho_cpus_has(&w.place[0].cpus, 1));
}

T_CASE(text_ends_and_is_harmless)
{
	struct tacho_policy_place *place;

	start();
	place = add(0, 0);
	memset(place->reason, 'x', sizeof(place->reason));
	memset(place->fact_name, '\033', sizeof(place->fact_name));
	place->fact = __builtin_nan("");
	place->threshold = -__builtin_inf();
	T_EQ(check(), 0);
	T_EQ(strlen(place->reason), sizeof(place->reason) - 1);
	T_EQ(strspn(place->fact_name, "?"), sizeof(place->fact_name) - 1);
	T_OK(place->fact == 0 && place->threshold == 0);
	snprintf(w.domains[1].name, sizeof(w.domains[1].name), "a\nb\033[2J");
	w.domains[1].flags = 0;
	(void)add(1, 0);
	T_EQ(check(), 1);
	T_STREQ(why, "a?b?[2J (pid 1001) may not be moved");
}

T_CASE(longer_than_there_is_room)
{
	start();
	for (uint32_t i = 0; i < 4; i++)
		(void)add(i, 0);
	w.plan.max = 3;
	w.plan.nr = 0xffffffff;
	T_EQ(check(), 0xffffffff - 3);
	T_EQ(w.plan.nr, 3);
	T_STREQ(why, "4294967295 placements, and room for 3");
}

T_CASE(no_why)
{
	start();
	(void)add(9, 0);
	T_EQ(tacho_plan_check(&w.plan, &w.input, NULL, 0), 1);
}

T_CASE(names_are_found)
{
	struct tacho_runner *runner;

	for (size_t i = 0; tacho_policies[i]; i++) {
		T_EQ(tacho_runner_open(&runner, tacho_policies[i]->name, 0, why, sizeof(why)), 0);
		T_STREQ(tacho_runner_name(runner), tacho_policies[i]->name);
		T_OK(tacho_runner_doc(runner)[0] && !tacho_runner_pid(runner));
		tacho_runner_close(runner);
	}
	T_EQ(tacho_runner_open(&runner, "afinity", 0, why, sizeof(why)), -ENOENT);
	T_OK(!runner && strstr(why, "no policy \"afinity\"; there are auto, observe, affinity"));
	tacho_runner_close(NULL);
}

T_MAIN
