// SPDX-License-Identifier: BSD-2-Clause
/*
 * fz_plan.c: bytes as a plan, as a policy in a process of its own may have left them.
 *
 * The first bytes make the input: how many CPUs, domains and nodes, who may be moved and where. The rest is the plan. What
 * remains of it must make sense in every respect, be in the order in which it was, and pass a second check as it is.
 */
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "sched/policies.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define MAX_CPUS    8u
#define MAX_DOMAINS 16u
#define MAX_PLACES  24u

static struct tacho_policy_cpu cpus[MAX_CPUS];
static struct tacho_policy_domain domains[MAX_DOMAINS];

static void input_make(struct tacho_policy_input *input, struct bytes *in)
{
	*input = (struct tacho_policy_input){ .cpus = cpus, .domains = domains, .metric = "" };
	input->nr_cpus = (uint32_t)take(in, 1) % (MAX_CPUS + 1);
	input->nr_domains = (uint32_t)take(in, 1) % (MAX_DOMAINS + 1);
	input->nr_nodes = (uint32_t)take(in, 1) % 3;
	for (uint32_t i = 0; i < input->nr_cpus; i++)
		cpus[i].id = 3 * i;
	for (uint32_t i = 0; i < input->nr_domains; i++) {
		memset(&domains[i], 0, sizeof(domains[i]));
		domains[i].flags = (uint32_t)take(in, 1);
		domains[i].allowed.bits[0] = take(in, 2);
		domains[i].name[0] = (char)take(in, 1);
	}
}

static void text_check(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	CHECK(len < size);
	for (size_t i = 0; i < size; i++)
		CHECK(i < len ? text[i] >= ' ' && text[i] <= '~' : !text[i]);
}

static void place_check(const struct tacho_policy_place *place,
			const struct tacho_policy_input *input)
{
	uint32_t cpu = tacho_cpus_next(&place->cpus, 0);

	CHECK(place->domain < input->nr_domains);
	CHECK(domains[place->domain].flags & TACHO_D_MOVABLE);
	CHECK(cpu != TACHO_POLICY_NONE);
	for (; cpu != TACHO_POLICY_NONE; cpu = tacho_cpus_next(&place->cpus, cpu + 1))
		CHECK(cpu % 3 == 0 && cpu / 3 < input->nr_cpus &&
		      tacho_cpus_has(&domains[place->domain].allowed, cpu));
	CHECK(place->nice == TACHO_NICE_KEEP || (place->nice >= -20 && place->nice <= 19));
	CHECK(place->node == TACHO_POLICY_NONE || place->node < input->nr_nodes);
	CHECK(place->fact - place->fact == 0 && place->threshold - place->threshold == 0);
	text_check(place->fact_name, sizeof(place->fact_name));
	text_check(place->reason, sizeof(place->reason));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bytes in = { data, len };
	struct tacho_policy_input input;
	struct tacho_policy_plan plan;
	char why[40];
	uint32_t asked, removed;

	input_make(&input, &in);
	plan.max = (uint32_t)take(&in, 1) % MAX_PLACES;
	asked = (uint32_t)take(&in, 1);
	plan.nr = asked == 255 ? 0xffffffff : asked % MAX_PLACES;
	asked = plan.nr;
	/* as long as it is, so that a step too far is seen */
	plan.place = calloc(plan.max ? plan.max : 1, sizeof(*plan.place));
	if (!plan.place)
		return 0;
	for (uint32_t i = 0; i < plan.max; i++) {
		unsigned char *bytes = (void *)&plan.place[i];
		bool raw = take(&in, 1) & 1;

		plan.place[i].domain = (uint32_t)take(&in, 1);
		plan.place[i].cpus.bits[0] = take(&in, 2);
		plan.place[i].nice = (int8_t)take(&in, 1);
		plan.place[i].node = (uint32_t)take(&in, 1) - 1;
		for (size_t k = 0; raw && k < sizeof(plan.place[i]); k++)
			bytes[k] ^= (unsigned char)take(&in, 1);
	}
	removed = tacho_plan_check(&plan, &input, why, sizeof(why));
	CHECK(plan.nr <= plan.max && asked - removed == plan.nr);
	CHECK((why[0] != 0) == (removed != 0));
	text_check(why, strlen(why) + 1);
	for (uint32_t i = 0; i < plan.nr; i++) {
		place_check(&plan.place[i], &input);
		for (uint32_t k = 0; k < i; k++)
			CHECK(plan.place[i].domain != plan.place[k].domain);
	}
	CHECK(tacho_plan_check(&plan, &input, NULL, 0) == 0);
	free(plan.place);
	return 0;
}
