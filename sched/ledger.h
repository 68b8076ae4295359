/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ledger.h: what was changed on this machine, and how it was before: the state file.
 *
 * A file in /run/tacho that is mapped by the scheduler and by its restorer. A change is written
 * down before it is made (armed), so that whoever reads the file after a kill -9, at any moment,
 * can undo all that may have been done. The owner holds a lock on the file as long as it lives: a
 * second scheduler is refused with the number of the first.
 *
 * An entry is one task. Its identity is (tid, start): a number that was used again is left alone.
 * What the user changed meanwhile is left alone too: affinity now != what we set, unless it is what
 * the kernel makes of that where CPUs are offline or forbidden by a cpuset: it leaves those out,
 * and when none is left it chooses others and would go back to ours.
 *
 * Children: a task that was born while its parent was placed has inherited, maybe where nobody saw
 * it. Undoing looks for them: same affinity as an entry's, started after it was placed, and of its
 * process, its process's children, or of its session.
 *
 * Who had all CPUs that its cpuset allows gets all there are, so that it is not bound to those of
 * now.
 *
 * The file is ours but not trusted: a hostile or damaged one is refused with one line, and no value
 * in it is an address. Prints nothing; 0 or -errno.
 */
#ifndef TACHO_SCHED_LEDGER_H
#define TACHO_SCHED_LEDGER_H

#include "world.h"

#define TACHO_LEDGER_FILE "/run/tacho/sched.state"

struct tacho_ledger;

enum tacho_ledger_what {
	TACHO_CHANGED_CPUS = 0x1,
	TACHO_CHANGED_NICE = 0x2,
	TACHO_CHANGED_CPUSET = 0x4,
};

struct tacho_ledger_entry {
	struct tacho_world_task before; /* as it was, with its affinity and nice value */
	struct tacho_cpus set; /* what we gave it */
	int nice_set;
	uint32_t what; /* enum tacho_ledger_what */
	bool is_child; /* inherited: before.cpus is what its parent had before */
};

/*
 * Become the owner. -EBUSY: somebody else is, *owner is his pid. What a dead owner left is undone
 * first; *undone: how many tasks. file NULL: TACHO_LEDGER_FILE; its directory is made. why: one
 * line.
 */
int tacho_ledger_open(struct tacho_ledger **ledger, const char *file,
		      const struct tacho_world *world, int *owner, size_t *undone, char *why,
		      size_t why_size);
/* Undo everything, and the file is gone. */
void tacho_ledger_close(struct tacho_ledger *ledger);
/*
 * For `tacho sched --restore`: undo what a dead owner left. -EBUSY as above; -ENOENT: nothing to
 * do.
 */
int tacho_ledger_restore(const char *file, const struct tacho_world *world, int *owner,
			 size_t *undone, char *why, size_t why_size);

/*
 * Change a task. The first change keeps how it was; the next ones only what is set. *now (may be
 * NULL): what the kernel made of it. -ESRCH: it is gone; -EINVAL: its cpuset forbids all of it;
 * -ENOSPC: too many entries; -EEXIST: the user has changed it since we did: it is his, and no
 * longer in the ledger.
 */
int tacho_ledger_cpus(struct tacho_ledger *ledger, int tid, const struct tacho_cpus *cpus,
		      struct tacho_cpus *now);
int tacho_ledger_nice(struct tacho_ledger *ledger, int tid, int nice);
int tacho_ledger_cpuset(struct tacho_ledger *ledger, int pid, const char *path);
/*
 * A child of a task in the ledger, or of one that was until now: it has what its parent was given,
 * and will get what that had before. -ENOENT: the parent is not in the ledger; -EEXIST: the child
 * has nothing of what its parent was given.
 */
int tacho_ledger_inherit(struct tacho_ledger *ledger, int parent, int child);
/*
 * The same child gets at once what its parent had before, which is a few system calls for most;
 * parent may be its parent's. It does not stay in the ledger: if it could not be changed any more,
 * it is found as all children are. start: the child's, as of a world's task. -EEXIST: it has
 * nothing of its parent's, or was placed meanwhile. The caller knows that it has not ended.
 */
int tacho_ledger_release_child(struct tacho_ledger *ledger, int parent, int child, uint64_t start);
/*
 * A thread has executed, and has the number of its process now, and the start of the first thread,
 * which has ended: what is known of it goes with it. -ENOENT: it is not in the ledger.
 */
int tacho_ledger_rename(struct tacho_ledger *ledger, int from, int to);
/*
 * Undo one task: 0, also if it is gone; 1: somebody else has chosen its CPUs, so they were left as
 * they are. -ENOENT: not in the ledger; another error: it could not be looked at, stays in the
 * ledger, and is to be released once more.
 */
int tacho_ledger_release(struct tacho_ledger *ledger, int tid);
/* -EAGAIN: some could not be looked at; everything stays in the ledger. */
int tacho_ledger_release_all(struct tacho_ledger *ledger, size_t *undone);
/*
 * Forget tasks that are gone, some at a time; find children that nobody told of (see above) and
 * enter them as such. *found: how many. Cheap while no task is born on this machine; otherwise one
 * look at every process, 20 to 50 us each: call it once a second. The loop that sees births and
 * ends itself tells sooner, by release_child.
 */
int tacho_ledger_tend(struct tacho_ledger *ledger, size_t *found);

/* Good until the task is no longer in the ledger, or the next tend. */
const struct tacho_ledger_entry *tacho_ledger_find(const struct tacho_ledger *ledger, int tid);
/* All entries, one after the other: *pos begins as 0; NULL at the end, and *pos is 0 again. */
const struct tacho_ledger_entry *tacho_ledger_next(const struct tacho_ledger *ledger, size_t *pos);
size_t tacho_ledger_nr(const struct tacho_ledger *ledger);

/*
 * The restorer: a process of its own, in a session of its own, deaf to what ends the scheduler,
 * that sleeps until its parent is gone and undoes then what the file says, within a second. Needs
 * no eBPF. One that is killed is replaced by tacho_ledger_tend. Started by tacho_ledger_guard,
 * before there are threads; ended by close.
 */
int tacho_ledger_guard(struct tacho_ledger *ledger);
int tacho_ledger_guardian(const struct tacho_ledger *ledger); /* its pid, 0: none */

#endif /* TACHO_SCHED_LEDGER_H */
