// SPDX-License-Identifier: BSD-2-Clause
/*
 * decide.c: which domain a task gets, from the rules, from what a domain shall be, and from /proc.
 *
 * Owns the choice, the names of domains, and the flags of bindings. Must not know of rows and their
 * order (binder.c), nor how numbers are given out (domains.c). A task that vanished while it was
 * being read keeps the domain that it has. Called by binder.c only. Section 4.3.4 of paper 001.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "decide.h"

#define MAX_TRIES 4 /* tasks of a process that are read until one is alive */

static const char *const role_names[TACHO_NR_VM_ROLES] = {
	[TACHO_VM_IO] = "io",
	[TACHO_VM_VCPU] = "vcpu",
	[TACHO_VM_VHOST] = "vhost",
};

/* A binding that is to be made. */
struct choice {
	uint32_t domain;
	unsigned flags; /* TACHO_TASK_* */
};

void tacho_b_fail(struct tacho_binder *binder, int error)
{
	if (error && !binder->error)
		binder->error = error;
}

static uint32_t other_of(const struct tacho_binder *binder)
{
	return binder->options.nr_domains - 1;
}

static struct tacho_domain *domain_of(struct tacho_binder *binder, uint32_t number)
{
	return &binder->domains.domain[number];
}

/* --- moving tasks ------------------------------------------------------------------------------- */

static void task_move(struct tacho_binder *binder, struct tacho_task *task, uint32_t domain)
{
	if (task->domain == domain)
		return;
	if (domain != TACHO_NONE)
		tacho_domains_enter(&binder->domains, domain);
	if (task->domain != TACHO_NONE)
		tacho_domains_leave(&binder->domains, task->domain);
	if (domain == other_of(binder))
		binder->overflow++;
	task->domain = domain;
}

void tacho_b_enter(struct tacho_binder *binder, struct tacho_task *task, uint32_t domain)
{
	if (domain >= binder->options.nr_domains ||
	    domain_of(binder, domain)->state == TACHO_STATE_FREE ||
	    domain_of(binder, domain)->state == TACHO_STATE_POOL) {
		task->is_bound = false; /* nonsense, or it rested too long in the log */
		return;
	}
	task_move(binder, task, domain);
	task->flags = domain_of(binder, domain)->flags;
	task->is_bound = true;
}

void tacho_b_remove(struct tacho_binder *binder, struct tacho_task *task)
{
	uint32_t number = task->domain;
	int pid = task->process->node.id;
	struct tacho_domain *domain;

	task_move(binder, task, TACHO_NONE);
	if (!tacho_tasks_remove(&binder->tasks, task) || number == TACHO_NONE)
		return;
	domain = domain_of(binder, number);
	if (!domain->owner && domain->pid == pid)
		domain->pid = 0; /* others are in it, who have their own numbers */
}

static void task_bind(struct tacho_binder *binder, struct tacho_task *task,
		      const struct choice *choice)
{
	struct tacho_domain *domain = domain_of(binder, choice->domain);
	int error;

	if (choice->domain != TACHO_DOMAIN_SYSTEM && choice->domain != other_of(binder)) {
		if (domain->pid == 0)
			domain->pid = task->process->node.id;
		domain->is_vm |= task->process->is_vm;
	}
	if (task->is_bound && task->domain == choice->domain && task->flags == choice->flags)
		return;
	task_move(binder, task, choice->domain);
	task->flags = choice->flags;
	task->is_bound = true;
	if (task->is_ending)
		return;
	error = binder->options.ops->bind_task(binder->options.arg, (uint32_t)task->node.id,
					       choice->domain, choice->flags);
	if (error != -ESRCH)
		tacho_b_fail(binder, error);
}

/*
 * A process is remembered by the number of its first thread where threads are domains, and that one
 * may end first: then the number is free, or somebody else's, and must be neither named nor entered.
 * Returns whether it was so; it is forgotten then.
 */
static bool forget_lost_number(struct tacho_binder *binder, struct tacho_process *process)
{
	const struct tacho_domain *domain;

	if (process->domain == TACHO_NONE)
		return false;
	domain = domain_of(binder, process->domain);
	if ((domain->state == TACHO_STATE_USED || domain->state == TACHO_STATE_GONE) &&
	    (!domain->owner || domain->owner == process->node.id ||
	     (binder->options.by == TACHO_BY_THREAD && domain->pid == process->node.id)))
		return false;
	process->domain = TACHO_NONE;
	return true;
}

void tacho_b_follow(struct tacho_binder *binder, struct tacho_task *task)
{
	struct choice choice;

	if (forget_lost_number(binder, task->process)) {
		(void)tacho_b_process(binder, task->process);
		return;
	}
	choice = (struct choice){ task->process->domain, task->process->flags };
	if (choice.domain != TACHO_NONE)
		task_bind(binder, task, &choice);
}

bool tacho_b_is_split(const struct tacho_binder *binder, const struct tacho_process *process)
{
	if (binder->options.by == TACHO_BY_THREAD)
		return !process->is_kernel;
	if (binder->options.by == TACHO_BY_VM && process->is_vm)
		return process->rule < 0;
	return process->is_split && tacho_b_may_split(binder, process);
}

bool tacho_b_may_split(const struct tacho_binder *binder, const struct tacho_process *process)
{
	return !process->is_kernel && process->rule < 0 &&
	       (binder->options.by == TACHO_BY_PROCESS ||
		(binder->options.by == TACHO_BY_VM && !process->is_vm));
}

/* --- choosing ----------------------------------------------------------------------------------- */

/* The domain of one process or thread alone: the one it has, or a new one, or "other". */
static void choose_own(struct tacho_binder *binder, struct choice *choice, uint32_t has, int owner,
		       int pid)
{
	choice->flags = 0;
	choice->domain = has;
	if (has != TACHO_NONE && domain_of(binder, has)->owner == owner)
		return;
	choice->domain = tacho_domains_alloc(&binder->domains);
	if (choice->domain == TACHO_NONE) {
		choice->domain = other_of(binder);
		return;
	}
	domain_of(binder, choice->domain)->owner = owner;
	domain_of(binder, choice->domain)->pid = pid;
}

/* The number is part of the name, so what is cut is the command. mark: '/' of a thread, ' ' of a process. */
static void own_name(char *name, size_t size, const char *comm, char mark, int owner)
{
	snprintf(name, size, "%.20s%c%d", comm, mark, owner);
}

static void choose_process(struct tacho_binder *binder, struct choice *choice,
			   const struct tacho_process *process)
{
	char suffix[16];

	choose_own(binder, choice, process->domain, process->node.id, process->node.id);
	if (choice->domain == other_of(binder))
		return;
	snprintf(suffix, sizeof(suffix), " %d", process->node.id);
	tacho_domains_name(&binder->domains, choice->domain, process->comm, suffix);
}

static void choose_thread(struct tacho_binder *binder, struct choice *choice,
			  const struct tacho_task *task, const char *comm)
{
	char name[64];

	choose_own(binder, choice, task->domain, task->node.id, task->process->node.id);
	if (choice->domain == other_of(binder))
		return;
	/* what it makes follows at once where that is not the rule */
	if (binder->options.by != TACHO_BY_THREAD)
		choice->flags = TACHO_TASK_SPLIT;
	own_name(name, sizeof(name), comm, '/', task->node.id);
	tacho_domains_name(&binder->domains, choice->domain, name, "");
}

/* The domain of all that have this key in common; children are among them. */
static void choose_key(struct tacho_binder *binder, struct choice *choice, const char *key,
		       const char *name)
{
	struct tacho_domain *domain;
	char suffix[16];

	choice->flags = 0;
	choice->domain = tacho_domains_key(&binder->domains, key);
	if (choice->domain == TACHO_NONE) {
		choice->domain = other_of(binder);
		return;
	}
	domain = domain_of(binder, choice->domain);
	choice->flags = domain->flags = TACHO_TASK_INHERIT;
	snprintf(suffix, sizeof(suffix), " #%u", choice->domain);
	if (!domain->name[0])
		tacho_domains_name(&binder->domains, choice->domain, name, suffix);
}

static void choose_cgroup(struct tacho_binder *binder, struct choice *choice, const char *path)
{
	const size_t room = sizeof(((struct tacho_domain *)0)->name) - 1;
	const char *name = path, *next;
	char key[sizeof(((struct tacho_proc *)0)->cgroup) + 2];

	/* as many components at the end as fit, but at least the last */
	while (strlen(name) > room && (next = strchr(name + 1, '/')))
		name = next + 1;
	snprintf(key, sizeof(key), "c%s", path);
	choose_key(binder, choice, key, name);
}

static void choose_user(struct tacho_binder *binder, struct choice *choice, uint32_t uid)
{
	char key[16], name[32];

	snprintf(key, sizeof(key), "u%u", uid);
	tacho_procs_user(uid, name, sizeof(name));
	choose_key(binder, choice, key, name);
}

static void choose_role(struct tacho_binder *binder, struct choice *choice,
			const struct tacho_process *vm, enum tacho_vm_role role)
{
	char key[32], name[96];

	snprintf(key, sizeof(key), "v%d:%s", vm->node.id, role_names[role]);
	/* the role must be seen, so what is cut is the name */
	snprintf(name, sizeof(name), "%.25s:%s", vm->vm, role_names[role]);
	choose_key(binder, choice, key, name);
	if (choice->domain != other_of(binder))
		domain_of(binder, choice->domain)->is_vm = true;
}

static void choose_rule(const struct tacho_binder *binder, struct choice *choice, int rule)
{
	choice->domain = binder->rule_domain[rule];
	choice->flags = binder->options.rules->rule[rule].flags;
}

/* The virtual machine for which a kernel thread works, or NULL. */
static struct tacho_process *vm_of(struct tacho_binder *binder, const char *comm)
{
	int tid = tacho_procs_owner(comm);
	struct tacho_task *task = tid ? tacho_tasks_find(&binder->tasks, tid) : NULL;

	if (!task || task->process->is_kernel)
		return NULL;
	if (!task->process->is_vm && tacho_b_vm_look(binder, task->process))
		tacho_b_process(binder, task->process);
	return task->process->is_vm ? task->process : NULL;
}

/* A kernel thread that no rule of its own matches. */
static void choose_kernel(struct tacho_binder *binder, struct choice *choice,
			  const struct tacho_process *vm)
{
	choice->domain = TACHO_DOMAIN_SYSTEM;
	choice->flags = TACHO_TASK_INHERIT;
	if (vm && vm->rule >= 0)
		choose_rule(binder, choice, vm->rule);
	else if (vm && binder->options.by == TACHO_BY_VM)
		choose_role(binder, choice, vm, TACHO_VM_VHOST);
	else if (vm && !tacho_b_is_split(binder, vm) && vm->domain != TACHO_NONE)
		choice->domain = vm->domain;
}

static void choose(struct tacho_binder *binder, struct choice *choice,
		   const struct tacho_process *process, const struct tacho_proc *proc)
{
	switch (binder->options.by) {
	case TACHO_BY_CGROUP:
		choose_cgroup(binder, choice, proc->cgroup);
		break;
	case TACHO_BY_USER:
		choose_user(binder, choice, proc->uid);
		break;
	default:
		choose_process(binder, choice, process);
		break;
	}
}

/* --- deciding ----------------------------------------------------------------------------------- */

/* What rules ask for and no file says. */
static void proc_complete(const struct tacho_process *process, struct tacho_proc *proc)
{
	proc->trees = process->trees;
	proc->is_later = process->is_later;
	proc->is_vm = process->is_vm;
	memcpy(proc->vm, process->vm, sizeof(proc->vm));
}

/* A process by one of its tasks that is alive, else a dead one, which still has a name. */
static int process_read(const struct tacho_binder *binder, const struct tacho_process *process,
			struct tacho_proc *proc)
{
	struct tacho_task *task = tacho_tasks_find(&binder->tasks, process->node.id), *next;
	int tries, error = -ESRCH;

	next = process->tasks;
	if (!task || task->process != process) {
		task = next;
		next = next->next;
	}
	for (tries = 0; task && tries < MAX_TRIES; tries++) {
		error = tacho_procs_read(binder->options.root, process->node.id, task->node.id,
					 binder->what, proc);
		if (!error && !proc->is_dead)
			break;
		task = next;
		next = task ? task->next : NULL;
	}
	return error;
}

void tacho_b_trees(const struct tacho_binder *binder, struct tacho_process *process)
{
	const struct tacho_process *parent;

	if (!(binder->options.rules->kinds & 1u << TACHO_RULE_TREE))
		return;
	if (!process->is_later)
		process->trees |= tacho_rules_trees(binder->options.rules, process->node.id);
	parent = tacho_tasks_process(&binder->tasks, process->ppid);
	if (parent)
		process->trees |= parent->trees;
}

/* The command in the name of a domain, without the number behind it; empty if it says nothing. */
static void command_of(struct tacho_binder *binder, uint32_t number, char command[32])
{
	const struct tacho_domain *domain;
	char tail[16], *end;
	const char *mark;

	command[0] = '\0';
	if (number < TACHO_DOMAIN_FIRST || number >= other_of(binder))
		return;
	domain = domain_of(binder, number);
	memcpy(command, domain->name, sizeof(domain->name));
	for (mark = " /"; *mark; mark++) {
		snprintf(tail, sizeof(tail), "%c%d", *mark, domain->owner);
		end = strstr(command, tail);
		if (end && strchr("#", end[strlen(tail)])) /* strchr finds the end too */
			*end = '\0';
	}
}

void tacho_b_unread(struct tacho_binder *binder, uint32_t number, const char *comm, uint32_t parent)
{
	const struct tacho_domain *domain = domain_of(binder, number);
	char name[64], command[32];

	if (domain->name[0] || !domain->owner)
		return;
	command_of(binder, parent, command);
	if (comm[0])
		snprintf(command, sizeof(command), "%.31s", comm);
	if (command[0])
		own_name(name, sizeof(name), command,
			 binder->options.by == TACHO_BY_THREAD || domain->owner != domain->pid
				 ? '/'
				 : ' ',
			 domain->owner);
	else
		snprintf(name, sizeof(name), "pid %d", domain->owner);
	tacho_domains_name(&binder->domains, number, name, "");
}

static void threads_decide(struct tacho_binder *binder, struct tacho_process *process)
{
	struct tacho_task *task, *next;

	for (task = process->tasks; task; task = next) {
		next = task->next;
		tacho_b_thread(binder, task);
	}
}

bool tacho_b_process(struct tacho_binder *binder, struct tacho_process *process)
{
	struct tacho_process *vm = NULL;
	struct choice choice;
	struct tacho_task *task;
	struct tacho_proc proc;
	int error;

	process->is_unread = false;
	(void)forget_lost_number(binder, process);
	error = process_read(binder, process, &proc);
	if (error) {
		if (error != -ESRCH)
			tacho_b_fail(binder, error);
		if (process->domain != TACHO_NONE)
			tacho_b_unread(binder, process->domain, process->comm, process->parent);
		return error != -ESRCH;
	}
	process->ppid = proc.ppid;
	process->is_kernel = proc.is_kernel;
	memcpy(process->comm, proc.comm, sizeof(process->comm));
	tacho_b_trees(binder, process);
	if (process->is_kernel)
		vm = vm_of(binder, proc.comm);
	proc_complete(vm ? vm : process, &proc);
	proc.trees = process->trees;
	process->rule = tacho_rules_find(binder->options.rules, &proc);
	if (tacho_b_is_split(binder, process)) {
		threads_decide(binder, process);
		return true;
	}
	if (process->rule >= 0)
		choose_rule(binder, &choice, process->rule);
	else if (process->is_kernel)
		choose_kernel(binder, &choice, vm);
	else
		choose(binder, &choice, process, &proc);
	process->domain = choice.domain;
	process->flags = choice.flags;
	for (task = process->tasks; task; task = task->next)
		task_bind(binder, task, &choice);
	return true;
}

void tacho_b_thread(struct tacho_binder *binder, struct tacho_task *task)
{
	struct tacho_process *process = task->process;
	enum tacho_vm_role role;
	struct choice choice;
	struct tacho_proc proc;
	int rule;

	if (tacho_procs_read(binder->options.root, process->node.id, task->node.id, binder->what,
			     &proc)) { /* it has ended, and the row that says so is on its way */
		if (task->domain != TACHO_NONE)
			tacho_b_unread(binder, task->domain, process->comm, process->parent);
		return;
	}
	task->start = proc.start;
	proc_complete(process, &proc);
	/* of a process of which no rule speaks, none speaks of its threads */
	rule = tacho_b_may_split(binder, process) ? -1
						  : tacho_rules_find(binder->options.rules, &proc);
	if (rule >= 0) {
		choose_rule(binder, &choice, rule);
	} else if (binder->options.by == TACHO_BY_VM && process->is_vm) {
		role = task->is_vcpu ? TACHO_VM_VCPU
				     : tacho_procs_role(binder->options.root, process->node.id,
							task->node.id, proc.comm);
		choose_role(binder, &choice, process, role);
	} else {
		choose_thread(binder, &choice, task, proc.comm);
	}
	if (task->node.id == process->node.id) {
		process->domain = choice.domain;
		process->flags = choice.flags;
	}
	task_bind(binder, task, &choice);
}

bool tacho_b_vm_look(struct tacho_binder *binder, struct tacho_process *process)
{
	struct tacho_task *task = process->tasks;
	int tries;

	process->next_vm_look = process->nr_tasks * 2;
	for (tries = 0; task && tries < MAX_TRIES && !process->is_vm; tries++, task = task->next)
		process->is_vm = tacho_procs_vm(binder->options.root, process->node.id,
						task->node.id, process->comm, process->vm);
	return process->is_vm;
}
