/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rules.h: which tasks a person wants to see as one domain: "NAME=KIND:PATTERN".
 *
 *	pid:     numbers and ranges, "100,200-299": processes that exist when the rules are made
 *	tree:    the same, and all their descendants
 *	comm:    command name (of the thread, where threads are domains)
 *	cgroup:  path; a group below one that matches matches too; "*" stands for one component
 *	uid:     effective user: numbers, ranges, names, "0,1000-1999,daemon"
 *	vm:      name of a virtual machine
 *	unit:    unit of systemd, with or without its ".service"
 *
 * comm, cgroup, vm and unit are globs. The first rule that matches wins; several rules may have the
 * same NAME and mean one domain. Matching is pure: it looks at the struct tacho_proc and nothing else.
 * Kernel threads have no user and no group of their own: only pid, tree, comm and vm match them.
 * Any thread may match. Nothing prints. Section 4.3.4 of paper 001.
 */
#ifndef TACHO_KERNEL_RULES_H
#define TACHO_KERNEL_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "procs.h"

enum tacho_rule_kind {
	TACHO_RULE_PID,
	TACHO_RULE_TREE,
	TACHO_RULE_COMM,
	TACHO_RULE_CGROUP,
	TACHO_RULE_UID,
	TACHO_RULE_VM,
	TACHO_RULE_UNIT,
	TACHO_NR_RULE_KINDS,
};

#define TACHO_MAX_TREES 64u /* rules of kind tree: bits of tacho_proc.trees */

struct tacho_rule_range {
	uint32_t first;
	uint32_t last;
};

struct tacho_rule {
	char name[32]; /* of the domain */
	enum tacho_rule_kind kind;
	unsigned flags; /* TACHO_TASK_* of task.h: what children and exec do */
	unsigned tree; /* kind tree: the bit in tacho_proc.trees */
	char *glob; /* comm, cgroup, vm, unit */
	struct tacho_rule_range *range; /* pid, tree, uid */
	size_t nr_ranges;
};

struct tacho_rules {
	struct tacho_rule *rule; /* in the order in which they are tried */
	size_t nr;
	unsigned kinds; /* bit per kind that occurs */
	unsigned nr_trees;
};

/*
 * 0, -ENOMEM, or -EINVAL: why says in one line what is wrong, in which rule, at which character.
 * On failure there is nothing to fini.
 */
int tacho_rules_parse(struct tacho_rules *rules, const char *const *texts, size_t nr, char *why,
		      size_t why_size);
void tacho_rules_fini(struct tacho_rules *rules);

bool tacho_rule_match(const struct tacho_rule *rule, const struct tacho_proc *proc);
/* Number of the first rule that matches, or -1. */
int tacho_rules_find(const struct tacho_rules *rules, const struct tacho_proc *proc);
/* Bits of the rules of kind tree that name this process. */
uint64_t tacho_rules_trees(const struct tacho_rules *rules, int pid);

#endif /* TACHO_KERNEL_RULES_H */
