/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * decide.h: which domain a task gets. The binder's inner half: binder.c says when, decide.c says
 * what, and scan.c does both for all tasks that there are.
 *
 * Nothing here is for others than these three. Errors of operations stay in the binder until
 * somebody asks; nothing stops because of one.
 */
#ifndef TACHO_KERNEL_DECIDE_H
#define TACHO_KERNEL_DECIDE_H

#include "binder.h"
#include "domains.h"
#include "tasks.h"

/* What was collected. In the order in which those of one time are worked on. */
enum tacho_b_kind { TACHO_B_NEW, TACHO_B_EXEC, TACHO_B_VCPU, TACHO_B_EXIT };

struct tacho_b_event {
	uint64_t time;
	int pid;
	int tid;
	uint32_t domain;
	uint32_t parent; /* a new one: domain of the task that made it, or TACHO_NONE */
	uint32_t order; /* of arrival */
	uint8_t kind; /* enum tacho_b_kind */
	uint8_t age; /* an exit, an exec that is over: settles that it has seen */
	bool executes; /* and the next one of its task is the exec */
	bool is_over; /* its task ended later in the batch, and no file need be read */
};

/* A task that may get another name soon: threads name themselves. */
struct tacho_b_young {
	int tid;
	uint64_t round; /* when it came */
};

struct tacho_binder {
	struct tacho_binder_options options;
	struct tacho_rules no_rules;
	struct tacho_domains domains;
	struct tacho_tasks tasks;
	uint32_t *rule_domain; /* by rule */
	unsigned what; /* to read of a process: TACHO_PROC_* */
	bool needs_vm; /* virtual machines are domains of their own */
	bool has_started;
	bool has_lost; /* rows: no binding is trusted at the next scan */
	bool is_stale; /* something was forgotten: scan at the next settle */
	bool wants_retry; /* there are numbers again for tasks in "other" */
	uint64_t scan; /* number of the last one */
	uint64_t last; /* the latest time that was seen */
	uint64_t overflow;
	struct tacho_b_event *event;
	size_t nr_events, size_events;
	struct tacho_b_young *young;
	size_t nr_young, size_young;
	int error; /* first since somebody looked */
};

void tacho_b_fail(struct tacho_binder *binder, int error);
/* Put a task that is new to us where its row says that it is; nothing is bound. */
void tacho_b_enter(struct tacho_binder *binder, struct tacho_task *task, uint32_t domain);
void tacho_b_remove(struct tacho_binder *binder, struct tacho_task *task);
/* Bind a task as its process is. */
void tacho_b_follow(struct tacho_binder *binder, struct tacho_task *task);
/* Whether the process's threads are domains of their own, or parts of one. */
bool tacho_b_is_split(const struct tacho_binder *binder, const struct tacho_process *process);
/* Whether it is a domain as a whole unless somebody wants it split: by process, and no rule speaks of it. */
bool tacho_b_may_split(const struct tacho_binder *binder, const struct tacho_process *process);
/* Read a process, decide, and bind all its tasks. false: there is none. */
bool tacho_b_process(struct tacho_binder *binder, struct tacho_process *process);
/* Read one task of a process that is split, decide and bind. */
void tacho_b_thread(struct tacho_binder *binder, struct tacho_task *task);
/*
 * A domain of a task of which nothing could be read is called after the command of its process, or
 * if that is empty after its parent's domain. It keeps the name that it has.
 */
void tacho_b_unread(struct tacho_binder *binder, uint32_t number, const char *comm,
		    uint32_t parent);
/* Look whether the process has become a virtual machine. */
bool tacho_b_vm_look(struct tacho_binder *binder, struct tacho_process *process);
/* Bits of the trees that a process is in, by its own number and its parent's. */
void tacho_b_trees(const struct tacho_binder *binder, struct tacho_process *process);

/* scan.c: go through all tasks in /proc and bind them; now as for tacho_binder_start. 0 or -errno. */
int tacho_b_scan(struct tacho_binder *binder, uint64_t now);

#endif /* TACHO_KERNEL_DECIDE_H */
