/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * observe.c: the policy that asks for nothing: facts only. What the others would do is told beside
 * it, by sched/observer.c: a plan has no words for what shall not be done.
 */
#include "sched/policies.h"

static void decide(void *state, const struct tacho_policy_input *input,
		   struct tacho_policy_plan *plan)
{
	(void)state;
	(void)input;
	(void)plan;
}

const struct tacho_policy tacho_policy_observe = {
	TACHO_POLICY_ABI,
	"observe",
	"shows the facts, and what the others would do; moves nothing",
	NULL,
	decide,
};
