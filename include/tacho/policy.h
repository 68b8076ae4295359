/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policy.h: what a scheduling policy is given, and what it answers.
 *
 * A policy is a function from facts and a topology to placements with reasons (section 4.5 of paper
 * 001). It is given everything as plain data, read-only, and has access to nothing else: no area,
 * no file, no clock. It answers with a complete wish: the domains that it names shall run where it
 * says, all others where the kernel likes. What is asked for twice costs nothing; what is no longer
 * asked for is undone. Whether a wish is granted is not its business: the scheduler leaves alone
 * what it must (TACHO_D_MOVABLE), judges every move by the progress of those concerned, takes back
 * what did not help, and holds it back for a while.
 *
 * The built-in ones are in sched/policies/. One of your own is a shared object that exports
 *
 *	const struct tacho_policy tacho_policy = { TACHO_POLICY_ABI, "mine", "what it does", ... };
 *
 * and is used with `tacho sched --policy ./mine.so`. It runs in a process of its own: if it
 * crashes, or does not come back in time, everything is undone and the scheduler says so.
 * doc/policies.md has a complete one. This header needs nothing but the C library and links with
 * nothing.
 *
 * Rates are per second, shares are of one processor (1.0 is a whole one) or of one second. A
 * domain, a CPU, a set is named by its index in the arrays of the input, unless it says otherwise.
 */
#ifndef TACHO_POLICY_H
#define TACHO_POLICY_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TACHO_POLICY_ABI   2u /* another number whenever a struct here changes */
#define TACHO_POLICY_NONE  0xffffffffu /* no domain, CPU, set, node */
#define TACHO_POLICY_STATE 4096u /* bytes that a policy may keep from call to call */
#define TACHO_POLICY_CPUS  1024u

/* --- sets of processors, by number ----------------------------------------------------------- */

struct tacho_cpus {
	uint64_t bits[TACHO_POLICY_CPUS / 64];
};

static inline void tacho_cpus_add(struct tacho_cpus *cpus, uint32_t cpu)
{
	if (cpu < TACHO_POLICY_CPUS)
		cpus->bits[cpu / 64] |= (uint64_t)1 << (cpu % 64);
}

static inline void tacho_cpus_remove(struct tacho_cpus *cpus, uint32_t cpu)
{
	if (cpu < TACHO_POLICY_CPUS)
		cpus->bits[cpu / 64] &= ~((uint64_t)1 << (cpu % 64));
}

static inline bool tacho_cpus_has(const struct tacho_cpus *cpus, uint32_t cpu)
{
	return cpu < TACHO_POLICY_CPUS && (cpus->bits[cpu / 64] >> (cpu % 64) & 1);
}

static inline struct tacho_cpus tacho_cpus_one(uint32_t cpu)
{
	struct tacho_cpus cpus = { { 0 } };

	tacho_cpus_add(&cpus, cpu);
	return cpus;
}

static inline struct tacho_cpus tacho_cpus_and(const struct tacho_cpus *a,
					       const struct tacho_cpus *b)
{
	struct tacho_cpus both;

	for (unsigned i = 0; i < TACHO_POLICY_CPUS / 64; i++)
		both.bits[i] = a->bits[i] & b->bits[i];
	return both;
}

static inline bool tacho_cpus_equal(const struct tacho_cpus *a, const struct tacho_cpus *b)
{
	for (unsigned i = 0; i < TACHO_POLICY_CPUS / 64; i++)
		if (a->bits[i] != b->bits[i])
			return false;
	return true;
}

static inline bool tacho_cpus_empty(const struct tacho_cpus *cpus)
{
	for (unsigned i = 0; i < TACHO_POLICY_CPUS / 64; i++)
		if (cpus->bits[i])
			return false;
	return true;
}

static inline uint32_t tacho_cpus_count(const struct tacho_cpus *cpus)
{
	uint32_t nr = 0;

	for (unsigned i = 0; i < TACHO_POLICY_CPUS / 64; i++)
		nr += (uint32_t)__builtin_popcountll(cpus->bits[i]);
	return nr;
}

/* The first one that is >= cpu, or TACHO_POLICY_NONE. */
static inline uint32_t tacho_cpus_next(const struct tacho_cpus *cpus, uint32_t cpu)
{
	uint64_t rest;

	for (; cpu < TACHO_POLICY_CPUS; cpu = (cpu / 64 + 1) * 64) {
		rest = cpus->bits[cpu / 64] >> (cpu % 64);
		if (rest)
			return cpu + (uint32_t)__builtin_ctzll(rest);
	}
	return TACHO_POLICY_NONE;
}

/*
 * --- the input ---------------------------------------------------------------------------------
 */

/* A processor that is online. */
struct tacho_policy_cpu {
	uint32_t id; /* the kernel's number: what a struct tacho_cpus holds */
	uint32_t core; /* processors with the same number here share a core, */
	uint32_t cache; /* the last level of cache, */
	uint32_t package; /* a package, */
	uint32_t node; /* memory */
	uint32_t pad0;
	double busy; /* share, of all domains but idle */
	double runq; /* mean number of tasks that could run */
};

enum tacho_policy_flag {
	TACHO_D_MOVABLE = 0x1, /* the plan may name it; without it, the reasons are below */
	TACHO_D_FIXED = 0x2, /* somebody chose processors for it before us */
	TACHO_D_REALTIME = 0x4,
	TACHO_D_YOUNG =
		0x8, /* younger than min_age_ms: may still count the processors it may use */
	TACHO_D_FORKS = 0x10, /* makes processes, who would inherit */
	TACHO_D_HELD = 0x20, /* a move of it was taken back a moment ago */
	TACHO_D_SYSTEM = 0x40, /* the kernel's own, or ours */
	TACHO_D_VM = 0x100, /* of a virtual machine */
	TACHO_D_THREAD = 0x200, /* one thread of a process that is looked at by thread */
	TACHO_D_LAUNCHED = 0x400, /* from a launch file: `bound` says what that asks for */
};

/* A domain to which something happened lately, or that is placed. */
struct tacho_policy_domain {
	uint32_t id; /* the same as long as the domain lives */
	uint32_t flags; /* enum tacho_policy_flag */
	int32_t pid;
	int32_t tid; /* 0: all tasks of pid, or of several processes */
	char name[32];
	uint32_t nr_tasks;
	uint32_t set; /* working set, or TACHO_POLICY_NONE */
	uint32_t home; /* CPU on which it ran most, or TACHO_POLICY_NONE */
	uint32_t node; /* that has most of its memory, or TACHO_POLICY_NONE */
	double service; /* share, on all CPUs together */
	double wait; /* share: could run and did not, all tasks together */
	double waits; /* rate */
	double wakes_out, wakes_in; /* rates: woke others, was woken by others */
	double slices; /* rate: times on a CPU */
	/* of these, see `measured` of the input: what nobody measures is 0 */
	double migrations, faults; /* rates */
	double io_bytes; /* rate: block devices */
	double net_bytes; /* rate: sockets; and network devices, where those are measured */
	double intensity; /* rate: use of memory, by the metric that the input names */
	struct tacho_cpus allowed; /* where it may run at all */
	struct tacho_cpus placed; /* where we put it; none: we did not */
	struct tacho_cpus bound; /* launched: where the launch file says; none: nothing */
	int32_t priority; /* launched: 0 none, 1 important, 2 real time */
	uint32_t pad0;
};

/* Two domains that wake each other. Once for both directions, a < b. */
struct tacho_policy_pair {
	uint32_t a, b; /* domains */
	double rate; /* wake-ups, both directions */
	double forth; /* of them, a woke b */
	double together; /* share: both ran at the same time */
	double apart; /* 0..1: how likely each is on another CPU than the other */
};

/* A group that communicates (a process working set, section 4.5.3 of paper 001). */
struct tacho_policy_set {
	uint32_t first, nr; /* members[first .. first + nr - 1] are domains */
	double rate; /* wake-ups inside */
	double service; /* share, all members together */
	double together; /* share: time that two or more of them ran at once */
	double wait; /* share, all members together */
};

/* Settable by options; what a policy compares with. */
struct tacho_policy_tuning {
	double wake_cost; /* seconds: of a wake-up on another CPU, not here; measured */
	double min_rate; /* wake-ups per second that make partners */
	double min_gain; /* share that a move must promise [0.05] */
	double cpu_threshold; /* share of a CPU from which a task computes [0.3] */
	double disk_threshold; /* bytes/s [50 KB/s] */
	double net_threshold; /* bytes/s [1 MB/s] */
};

/*
 * What costs too much to be measured always: --always does, and so do --logs, --report and
 * --launch, who keep books. Without the bit, a zero means nothing.
 */
enum tacho_policy_measured {
	TACHO_M_IO = 0x1, /* io_bytes */
	TACHO_M_NET = 0x2, /* net_bytes, all of it: without, those of sockets only */
	TACHO_M_MIGRATIONS = 0x4,
	TACHO_M_FAULTS = 0x8, /* also where they are the metric */
	TACHO_M_INTENSITY = 0x10, /* there is a metric */
};

struct tacho_policy_input {
	uint64_t time_ns; /* of the end of the interval */
	uint64_t interval_ns;
	uint32_t nr_cpus, nr_domains, nr_pairs, nr_sets, nr_members;
	uint32_t nr_nodes;
	const struct tacho_policy_cpu *cpus;
	const struct tacho_policy_domain *domains; /* by service, largest first */
	const double *service_on; /* [domain * nr_cpus + cpu]: share */
	const struct tacho_policy_pair *pairs; /* by rate, largest first */
	const struct tacho_policy_set *sets; /* by rate, largest first */
	const uint32_t *members;
	const char *metric; /* where intensity comes from: "cache misses"... "none" */
	uint32_t measured; /* enum tacho_policy_measured */
	uint32_t pad0;
	struct tacho_policy_tuning tuning;
};

/*
 * --- the answer --------------------------------------------------------------------------------
 */

#define TACHO_NICE_KEEP 127

/* One wish. Those with the same group are one move: made together, judged together. */
struct tacho_policy_place {
	uint32_t domain;
	uint32_t group; /* any number; domains of one working set have one in common */
	struct tacho_cpus cpus;
	int32_t nice; /* or TACHO_NICE_KEEP */
	uint32_t node; /* its memory shall move there, or TACHO_POLICY_NONE */
	/* its process shall move there: a path from the root of the hierarchy; "": it stays */
	char cpuset[64];
	double fact; /* what caused it, */
	double threshold; /* and what that was compared with */
	char fact_name[24]; /* "wake-ups/s", "share of a CPU" */
	char reason[104]; /* one line for a person */
};

struct tacho_policy_plan {
	uint32_t nr;
	uint32_t max; /* room; no more are taken */
	struct tacho_policy_place *place;
};

/* NULL: no room. Otherwise fill in fact, threshold and fact_name if you have them. */
static inline struct tacho_policy_place *__attribute__((format(printf, 5, 6)))
tacho_plan_add(struct tacho_policy_plan *plan, uint32_t domain, const struct tacho_cpus *cpus,
	       uint32_t group, const char *reason, ...)
{
	struct tacho_policy_place *place;
	va_list list;

	if (plan->nr >= plan->max)
		return NULL;
	place = &plan->place[plan->nr++];
	place->domain = domain;
	place->group = group;
	place->cpus = *cpus;
	place->nice = TACHO_NICE_KEEP;
	place->node = TACHO_POLICY_NONE;
	place->fact = place->threshold = 0;
	place->cpuset[0] = place->fact_name[0] = '\0';
	va_start(list, reason);
	vsnprintf(place->reason, sizeof(place->reason), reason, list);
	va_end(list);
	return place;
}

/*
 * --- the policy --------------------------------------------------------------------------------
 */

struct tacho_policy {
	uint32_t abi; /* TACHO_POLICY_ABI */
	const char *name; /* one word */
	const char *doc; /* one line */
	/*
	 * state: TACHO_POLICY_STATE bytes of zeros, the policy's own, the same in every call. May
	 * be NULL.
	 */
	void (*start)(void *state, const struct tacho_policy_input *input);
	/*
	 * Called when there are new facts: every period, or less often while nothing changes. The
	 * plan is empty. Must come back within some ms. Same input and state, same plan: no clock,
	 * no chance.
	 */
	void (*decide)(void *state, const struct tacho_policy_input *input,
		       struct tacho_policy_plan *plan);
};

#ifdef __cplusplus
}
#endif

#endif /* TACHO_POLICY_H */
