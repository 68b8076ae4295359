/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table.c: all built-in policies, in the order in which they are listed.
 */
#include "sched/policies.h"

const struct tacho_policy *const tacho_policies[] = {
	&tacho_policy_auto,   &tacho_policy_observe, &tacho_policy_affinity, &tacho_policy_gang,
	&tacho_policy_spread, &tacho_policy_balance, &tacho_policy_bind,     NULL,
};
