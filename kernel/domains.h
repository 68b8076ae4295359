/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * domains.h: the numbers of domains: which are free, waiting in the pool, used, or gone; their names.
 *
 * The binder's half that knows nothing of /proc and of rules. A domain's number is also the number
 * of the principal that is bound to it. States:
 *
 *	FREE --alloc--> USED --last task left--> GONE --reuse--> FREE
 *	FREE --fill---> POOL --adopt---------> USED            GONE --enter--> USED
 *
 * A domain that rules name is fixed: it is never gone. 0, 1 and the last one are fixed too.
 * One thread. Section 4.3.4 of paper 001.
 */
#ifndef TACHO_KERNEL_DOMAINS_H
#define TACHO_KERNEL_DOMAINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel.h"

struct tacho_binder_ops;

enum tacho_domain_state {
	TACHO_STATE_FREE,
	TACHO_STATE_POOL, /* pushed to the pool; some child has it, or will have it */
	TACHO_STATE_USED,
	TACHO_STATE_GONE, /* its tasks have ended; rows of theirs may still be unread */
};

struct tacho_domain {
	enum tacho_domain_state state;
	unsigned flags; /* TACHO_TASK_* that all its tasks have */
	bool is_fixed;
	bool is_vm;
	uint32_t nr_tasks;
	int pid; /* a process of it, or 0 */
	int owner; /* the process (or thread) whose own domain it is, or 0: shared */
	int rule; /* the first rule that names it, or -1 */
	uint64_t pushed; /* POOL: how many were pushed before */
	uint64_t round; /* GONE: since when */
	uint32_t next; /* FREE: the next one */
	uint32_t next_name; /* in the chain of its name */
	uint32_t next_key; /* in the chain of its key */
	char name[32]; /* empty: none; otherwise no other has it */
	char *key; /* what its tasks have in common, or NULL */
};

struct tacho_domains {
	struct tacho_domain *domain; /* by number */
	uint32_t nr;
	uint32_t first_free, last_free; /* first in, first out: a number rests as long as it can */
	uint32_t nr_free;
	uint32_t nr_pool;
	uint64_t pushed; /* ever */
	uint64_t popped; /* all pushed before this one have left the pool */
	uint64_t round; /* calls of tacho_domains_round */
	uint32_t *names, *keys; /* hash chains */
	const struct tacho_binder_ops *ops;
	void *arg; /* of ops */
	bool changed; /* a name, since somebody looked */
	int error; /* of ops, the first since somebody looked */
};

/* nr: a power of two, at least 8. 0 or -ENOMEM. */
int tacho_domains_init(struct tacho_domains *domains, uint32_t nr,
		       const struct tacho_binder_ops *ops, void *arg);
void tacho_domains_fini(struct tacho_domains *domains);

/* A free number, now USED; TACHO_NONE if there is none. */
uint32_t tacho_domains_alloc(struct tacho_domains *domains);
/*
 * A new child of process (or thread) owner says that it took this number from the pool: true if it
 * is the child's own now; false if it is its parent's.
 */
bool tacho_domains_adopt(struct tacho_domains *domains, uint32_t number, int owner);
/* The same for a child that is bound otherwise, or has ended: true if its own number is gone now. */
bool tacho_domains_drop(struct tacho_domains *domains, uint32_t number, int owner);
/* One more, one less task. A number that nobody uses can be entered only while it is GONE. */
void tacho_domains_enter(struct tacho_domains *domains, uint32_t number);
void tacho_domains_leave(struct tacho_domains *domains, uint32_t number);

/*
 * Name a domain: text, or if another one has that name, text and suffix; nothing changes if it has
 * one of these names. Both are cut to fit, the suffix last.
 */
void tacho_domains_name(struct tacho_domains *domains, uint32_t number, const char *text,
			const char *suffix);
/* The domain with that key, USED or GONE; or a free one that gets it. TACHO_NONE: none is left. */
uint32_t tacho_domains_key(struct tacho_domains *domains, const char *key);

/* Put free numbers into the pool. Some stay: not everybody comes from a fork. */
void tacho_domains_fill(struct tacho_domains *domains);
/* Rows were lost: numbers that must have left the pool and never turned up are gone. */
void tacho_domains_lost(struct tacho_domains *domains);
void tacho_domains_round(struct tacho_domains *domains);
/* Numbers that are gone become free. Returns how many. */
uint32_t tacho_domains_reuse(struct tacho_domains *domains);

#endif /* TACHO_KERNEL_DOMAINS_H */
