/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policies.h: the built-in policies, and how any policy is run.
 *
 * A runner is one policy with its state. Built-in ones run in this process; one from a shared
 * object runs in a child, which gets the input through memory that both have mapped, and is killed
 * when it crashes or does not answer within its limit. Whatever a policy answers is checked before
 * anybody acts on it: tacho_plan_check. Prints nothing; 0 or -errno.
 */
#ifndef TACHO_SCHED_POLICIES_H
#define TACHO_SCHED_POLICIES_H

#include <tacho/policy.h>

/* sched/policies/: one file each. */
extern const struct tacho_policy tacho_policy_observe; /* nothing is placed */
extern const struct tacho_policy tacho_policy_bind; /* what the launch file says */
extern const struct tacho_policy tacho_policy_affinity; /* who communicates comes together */
extern const struct tacho_policy tacho_policy_balance; /* run-queue load */
extern const struct tacho_policy tacho_policy_gang; /* working sets run at the same time */
extern const struct tacho_policy tacho_policy_spread; /* memory-intensive domains apart */
extern const struct tacho_policy tacho_policy_auto; /* chooses among them, by the facts */
/* Whether it may ask `spread` on these processors: several caches, one of them for several. */
bool tacho_auto_spreads(const struct tacho_policy_cpu *cpus, uint32_t nr_cpus);
/* All of them, NULL at the end. */
extern const struct tacho_policy *const tacho_policies[];

/*
 * 0..1: how likely two domains of an input were on different CPUs, or in different caches; 0 if one
 * of them did not run.
 */
double tacho_input_apart(const struct tacho_policy_input *input, uint32_t a, uint32_t b,
			 bool caches);

struct tacho_runner;
/*
 * name: of a built-in one, or a file if there is a '/' in it. limit_ms: for one decision of a
 * foreign one [100]. -ENOENT: no such policy; -ENOEXEC: no tacho_policy in that file, or another
 * ABI; -errno of the child. why: one line.
 */
int tacho_runner_open(struct tacho_runner **runner, const char *name, unsigned limit_ms, char *why,
		      size_t why_size);
void tacho_runner_close(struct tacho_runner *runner);
const char *tacho_runner_name(const struct tacho_runner *runner); /* of the policy */
const char *tacho_runner_doc(const struct tacho_runner *runner);
/* Of its child, which is ours and not to be moved; 0: there is none. */
int tacho_runner_pid(const struct tacho_runner *runner);
/*
 * Ask. plan: room of the caller's. 0; -EPIPE: it crashed (why says by which signal); -ETIMEDOUT: it
 * did not come back; both are final. -E2BIG: the input does not fit into the shared memory. What
 * comes from a foreign one may be nonsense in every respect, plan->nr among it: call
 * tacho_plan_check before looking at it.
 */
int tacho_runner_decide(struct tacho_runner *runner, const struct tacho_policy_input *input,
			struct tacho_policy_plan *plan, char *why, size_t why_size);

/*
 * Remove from a plan what makes no sense: no such domain, one named twice, one that may not be
 * moved, no CPU that is online and allowed, a nice value outside -20..19, a node that is not there.
 * Text is ended and made printable. Returns how many were removed; why (may be NULL): the first of
 * them, in one line.
 */
uint32_t tacho_plan_check(struct tacho_policy_plan *plan, const struct tacho_policy_input *input,
			  char *why, size_t why_size);

#endif /* TACHO_SCHED_POLICIES_H */
