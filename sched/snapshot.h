/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * snapshot.h: facts of the last intervals, as a policy sees them.
 *
 * An interval of 20 ms says little: values are means over the last ones, which lose weight with a
 * time constant, and which begin anew when events were off. What is asked of /proc (whose affinity,
 * real time, age) is asked about domains that matter only, once a second. Owns the arrays of struct
 * tacho_policy_input; they are good until the next tacho_snapshot_take. Prints nothing. Section
 * 4.5.3 of paper 001.
 */
#ifndef TACHO_SCHED_SNAPSHOT_H
#define TACHO_SCHED_SNAPSHOT_H

#include <tacho/policy.h>

#include "facts/facts.h"
#include "ledger.h"
#include "topology.h"

/* Tasks in a second: from here on a domain makes tasks, who would inherit, too often. */
#define TACHO_MAX_FORKS 20u

/* What is known of one domain beyond an interval. By number. */
struct tacho_unit {
	uint32_t id;
	uint32_t flags; /* enum tacho_policy_flag, as of checked_ns */
	uint32_t nr_tasks;
	int pid;
	int tid; /* of a thread that is its own domain, or 0 */
	int priority; /* launched */
	char name[32];
	bool is_used; /* in the input, or placed */
	bool is_active; /* in the list of those that are looked at */
	bool is_users; /* the user changed what we had done */
	uint64_t checked_ns;
	uint64_t active_ns; /* something happened */
	uint64_t hold_ns; /* not moved before */
	double hold_rate; /* of its wake-ups when it was taken back; below 0: whatever it does */
	unsigned bounces; /* moves taken back */
	uint64_t forked_ns; /* begin of the second in which forks are counted */
	unsigned forks; /* threads, too */
	unsigned fork_holds; /* times that it was left because of them */
	uint64_t metered_ns; /* its pages were asked about then; 0: intensity comes from events */
	double weight; /* sum of the weights of the intervals that the means are of */
	uint64_t mean_ns; /* end of the last of them */
	double service, wait, waits, wakes_out, wakes_in, slices, migrations, faults;
	double io_bytes, net_bytes, socket_bytes, intensity;
	double *service_on; /* by index of the CPU */
	struct tacho_cpus allowed, placed, bound;
};

struct tacho_snapshot;

struct tacho_snapshot_options {
	uint32_t nr_domains;
	const struct tacho_topology *topology; /* stays the caller's; see tacho_snapshot_cpus */
	const struct tacho_world *world;
	const struct tacho_ledger *ledger; /* may be NULL: nobody is ours */
	const struct tacho_policy_tuning *tuning;
	unsigned min_age_ms;
	bool force;
	const char *metric; /* as tacho_policy_input says it */
	uint32_t measured; /* the same */
	/*
	 * What a domain is: as tacho_kernel_domain. 0 or -errno. tid: of a domain that is one
	 * thread.
	 */
	int (*info)(void *arg, uint32_t domain, char name[32], int *pid, int *tid,
		    uint32_t *nr_tasks, bool *is_vm);
	void *arg;
};

int tacho_snapshot_create(struct tacho_snapshot **snapshot,
			  const struct tacho_snapshot_options *options);
void tacho_snapshot_destroy(struct tacho_snapshot *snapshot);
/* The topology has changed: all means begin anew. */
int tacho_snapshot_cpus(struct tacho_snapshot *snapshot);
/*
 * The interval that has ended goes into the means. is_first: what came before does not count any
 * more.
 */
int tacho_snapshot_add(struct tacho_snapshot *snapshot, struct tacho_facts *facts, uint64_t now_ns,
		       bool is_first);
/* Make the input; -ENOMEM. */
int tacho_snapshot_take(struct tacho_snapshot *snapshot, struct tacho_facts *facts, uint64_t now_ns,
			const struct tacho_policy_input **input);
/* Something happened to it: it is looked at from now on. */
void tacho_snapshot_touch(struct tacho_snapshot *snapshot, uint32_t domain, uint64_t now_ns);
/* By number; NULL: no such domain. */
struct tacho_unit *tacho_snapshot_unit(struct tacho_snapshot *snapshot, uint32_t domain);
/* When /proc is asked about it again: ns. */
uint64_t tacho_snapshot_recheck(const struct tacho_unit *unit);
/*
 * Of the processes that compute (tuning.cpu_threshold), the one whose pages were asked about
 * longest ago; NULL: all were asked at now_ns.
 */
struct tacho_unit *tacho_snapshot_unmetered(struct tacho_snapshot *snapshot, uint64_t now_ns);
void tacho_snapshot_forget(struct tacho_snapshot *snapshot, uint32_t domain);
/* Sums over all domains of the input but idle and the system. */
struct tacho_others {
	double service, wait; /* shares */
};
struct tacho_others tacho_snapshot_all(const struct tacho_snapshot *snapshot);
/* Linux's real-time classes; deadlines too. */
bool tacho_is_realtime(int policy);
/*
 * Whether somebody chose its CPUs: it may not use all that its cpuset has. allowed: those, as far
 * as they are online.
 */
bool tacho_is_fixed(const struct tacho_world *world, const struct tacho_cpus *online, int tid,
		    const struct tacho_cpus *own, struct tacho_cpus *allowed);

#endif /* TACHO_SCHED_SNAPSHOT_H */
