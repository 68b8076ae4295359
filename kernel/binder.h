/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * binder.h: which task belongs to which domain, kept up to date from the rows of task.new,
 * task.exec and task.exit.
 *
 * The kernel stores a principal and flags (task.h) with each task; principal n is bound to domain n.
 * The binder decides which, by rules, else by what a domain shall be; it names domains, keeps the pool
 * from which the kernel takes principals for children, and finds out when a domain's tasks are gone.
 * What it decides is done by the caller's operations; it touches no map and no area itself.
 *
 * Calls of new, exec, exit and vcpu are only collected. tacho_binder_settle works on them: of a task
 * that has come and gone in between no file of /proc is read. Rows may come in any order, also
 * an exit one settle before its new; time puts them right. Rows that were lost: tacho_binder_rescan.
 * An error of an operation or of memory is returned by the call in which it happens, and the rest of
 * the work is done all the same. One thread per binder. Section 4.3.4 of paper 001.
 */
#ifndef TACHO_KERNEL_BINDER_H
#define TACHO_KERNEL_BINDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel.h"
#include "rules.h"
#include "task.h"

/* What the binder has done. They return 0 or -errno. */
struct tacho_binder_ops {
	/* -ESRCH is no error: the task has ended. May be done later, but before settle is called again. */
	int (*bind_task)(void *arg, uint32_t tid, uint32_t principal, uint32_t flags);
	int (*name_domain)(void *arg, uint32_t domain, const char *name); /* "": no name */
	int (*pool_push)(void *arg, uint32_t principal); /* any error: the pool is full */
};

struct tacho_binder_options {
	uint32_t nr_domains; /* a power of two, at least 8 */
	enum tacho_kernel_by by;
	const struct tacho_rules
		*rules; /* stay the caller's and must outlive the binder; or NULL */
	const char *root; /* ["/proc"] */
	bool is_lazy; /* as in tacho_kernel_options */
	const struct tacho_binder_ops *ops;
	void *arg; /* of ops */
};

struct tacho_binder;

/* Names what always exists and the domains of the rules. -ENOMEM; -ENOSPC: rules name too many. */
int tacho_binder_create(struct tacho_binder **binder, const struct tacho_binder_options *options);
void tacho_binder_destroy(struct tacho_binder *binder);

/*
 * Bind every task that exists, and fill the pool. now: a time of the rows' clock, taken before the
 * call. The numbers in rules mean the processes that are found by this. -ENODATA: there is none, so
 * this cannot be the /proc of anybody.
 */
int tacho_binder_start(struct tacho_binder *binder, uint64_t now);
/*
 * The same again, to see what no row tells: other cgroups, users, names. And after rows were lost:
 * then it binds every task anew, because what the lost rows said may have changed any of them.
 */
int tacho_binder_rescan(struct tacho_binder *binder, uint64_t now);

void tacho_binder_lost(struct tacho_binder *binder); /* before the rescan */

/*
 * Rows. domain: of the child, of the task. time: of the row. parent: the domain of the task that made
 * it, after which a child is called that could not be read; TACHO_NONE: not known.
 */
int tacho_binder_new(struct tacho_binder *binder, uint64_t time, int pid, int tid, uint32_t domain,
		     uint32_t parent);
int tacho_binder_exec(struct tacho_binder *binder, uint64_t time, int pid, int tid,
		      uint32_t domain);
int tacho_binder_exit(struct tacho_binder *binder, uint64_t time, int pid, int tid,
		      uint32_t domain);
/* The task entered a guest, for the first time or again: its process is a virtual machine. */
int tacho_binder_vcpu(struct tacho_binder *binder, uint64_t time, int pid, int tid);

/* Work on all that was collected. *changed (may be NULL): a name changed since the last settle. */
int tacho_binder_settle(struct tacho_binder *binder, bool *changed);
/*
 * The caller has read what was logged for domains that are gone: their numbers are free, except those
 * that went in the last two settles, because a task logs for a moment behind its exit.
 */
void tacho_binder_reuse(struct tacho_binder *binder);

/* -EINVAL: no such number; -ENOENT: it means nothing now. */
int tacho_binder_domain(const struct tacho_binder *binder, uint32_t domain,
			struct tacho_kernel_domain_info *info);
/* As tacho_kernel_read. */
int tacho_binder_read(struct tacho_binder *binder, uint32_t domain);
/* The domain of a task, or TACHO_NONE if it is not known. */
uint32_t tacho_binder_task(const struct tacho_binder *binder, int tid);
/* As tacho_kernel_tasks and tacho_kernel_split. */
size_t tacho_binder_tasks(const struct tacho_binder *binder, uint32_t domain, int *tids,
			  size_t max);
int tacho_binder_split(struct tacho_binder *binder, int pid, bool by_thread);
/* A process and whose it is. */
struct tacho_binder_process {
	uint32_t domain;
	int pid;
};
/* Every process of user space; free() the list. 0 or -ENOMEM. */
int tacho_binder_processes(const struct tacho_binder *binder, struct tacho_binder_process **list,
			   size_t *nr);
/* Tasks that were charged to "other" because there was no number left. */
uint64_t tacho_binder_overflow(const struct tacho_binder *binder);

#endif /* TACHO_KERNEL_BINDER_H */
