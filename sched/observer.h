/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * observer.h: what each policy would do, when none of them decides.
 *
 * The policy `observe` places nothing; beside it, all other built-in ones are asked with the same
 * input, each with a state of its own, and what they wish goes nowhere: it is only told. A wish is
 * told when it came twice in a row, as one is granted, and again when it is another one or has not
 * come twice. What follows from a move is not seen: nobody makes it. Prints nothing. For loop.c.
 */
#ifndef TACHO_SCHED_OBSERVER_H
#define TACHO_SCHED_OBSERVER_H

#include "policies.h"

struct tacho_observer;

/* place NULL: that policy would let this domain go again. */
typedef void (*tacho_observer_fn)(void *arg, const struct tacho_policy *policy,
				  const struct tacho_policy_domain *domain,
				  const struct tacho_policy_place *place);

/* 0 or -ENOMEM. */
int tacho_observer_create(struct tacho_observer **observer);
void tacho_observer_destroy(struct tacho_observer *observer);
void tacho_observer_ask(struct tacho_observer *observer, const struct tacho_policy_input *input,
			tacho_observer_fn tell, void *arg);

#endif /* TACHO_SCHED_OBSERVER_H */
