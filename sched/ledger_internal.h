/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ledger_internal.h: the state file, byte by byte, and what the files of the ledger have in common.
 *
 * A page of header, then records of fixed size. One process writes, through a mapping: the owner.
 * Who finds a file whose owner is dead reads a copy, checks it, and only then believes it.
 *
 * Locks are those of fcntl(F_SETLK): they belong to a process, not to a descriptor, so that no
 * child that the owner forked keeps one, and the kernel tells who has it. They go when the process
 * closes any descriptor of the file: within one process, only one ledger of a file is ever open
 * (registered by device and inode). Whoever undoes holds the same lock.
 *
 * A change is written so that there is no moment at which a kill -9 loses it:
 *
 *	next = what is wanted;  armed |= CPUS (release);  what |= CPUS (release);
 *	the system call;
 *	set = what the kernel made of it;  armed &= ~CPUS (release)
 *
 * The one who undoes accepts `set`, and while it is armed also `next`. A record whose `what` is 0
 * is not used.
 */
#ifndef TACHO_SCHED_LEDGER_INTERNAL_H
#define TACHO_SCHED_LEDGER_INTERNAL_H

#include <sys/types.h>

#include "ledger.h"

#define LEDGER_MAGIC   0x72656764656c6374ull /* "tcledger" */
#define LEDGER_VERSION 1u
#define LEDGER_HEADER  4096u
#define LEDGER_MAX                                                                                 \
	65536u /* records; with 1280 bytes each 84 MB of addresses, of memory only what is used */
#define LEDGER_STEP 256u /* the file grows by so many */
#define LEDGER_PATH 256u
#define LEDGER_PAST 2u
#define LEDGER_NONE 0xffffffffu /* no record */

#define LEDGER_WHAT (TACHO_CHANGED_CPUS | TACHO_CHANGED_NICE | TACHO_CHANGED_CPUSET)

enum tacho_ledger_flag {
	LEDGER_CHILD = 0x1, /* see struct tacho_ledger_entry */
	LEDGER_FREE = 0x2, /* before: all that its cpuset allowed */
	LEDGER_GHOST =
		0x4, /* undone, gone, or the user's: kept until its children were looked for */
	LEDGER_FLAGS = 0x7, /* of a file */
	LEDGER_LEFT = 0x8, /* of a list: it could not be looked at, and is to be tried again */
};

struct tacho_ledger_header {
	uint64_t magic;
	uint32_t version;
	uint32_t record_size;
	uint64_t generation; /* of this owner: a number by chance, never 0 */
	uint64_t owner_start;
	int32_t owner;
	uint32_t nr; /* records from here on were never used; only grows */
	char boot[40]; /* /proc/sys/kernel/random/boot_id */
};

struct tacho_ledger_record {
	uint32_t what, armed; /* enum tacho_ledger_what */
	uint32_t flags; /* enum tacho_ledger_flag */
	int32_t tid, pid, ppid, session, group;
	int32_t policy;
	int32_t nice, nice_set, nice_next;
	uint64_t start;
	uint64_t placed; /* when it was entered, as start: a child's is not less */
	uint64_t pad0[8];
	struct tacho_cpus before, set, next;
	/* earlier ones of set since children were last looked for; none: unused */
	struct tacho_cpus past[LEDGER_PAST];
	char cpuset[LEDGER_PATH]; /* where its process was */
	char cpuset_set[LEDGER_PATH]; /* where it was put */
};

_Static_assert(sizeof(struct tacho_ledger_header) <= LEDGER_HEADER, "the header is one page");
_Static_assert(sizeof(struct tacho_ledger_record) == 1280, "no hidden padding, and as documented");

/* A copy of the records, in memory of its own. */
struct tacho_ledger_list {
	struct tacho_ledger_record *records;
	size_t nr, room;
	size_t nr_left; /* by undo_all: not undone, because they could not be looked at */
};

struct tacho_ledger_file {
	char *path;
	int fd;
	int pid; /* who has locked it */
	dev_t dev;
	ino_t ino;
	struct tacho_ledger_header *header; /* mapped, of the owner only */
	struct tacho_ledger_record *records;
	uint32_t room; /* records that the file has place for */
	struct tacho_ledger_file *next; /* files that this process has locked */
};

/* --- ledger_file.c --- */

/*
 * Open and lock; create: make it and its directory if it is not there. -EBUSY: *owner has it. One
 * who only undoes is waited for, some seconds at most.
 */
int tacho_l_file_open(struct tacho_ledger_file *file, const char *path, bool create, int *owner,
		      char *why, size_t why_size);
/* Unlocks. is_done: and the name is gone. */
void tacho_l_file_close(struct tacho_ledger_file *file, bool is_done);
/* After open: this process is the owner of an empty ledger. */
int tacho_l_file_start(struct tacho_ledger_file *file, char *why, size_t why_size);
/* Room for one more record. -ENOSPC */
int tacho_l_file_grow(struct tacho_ledger_file *file);
/*
 * After open: undo what the file says. generation: only of that owner, 0: of any. -EBADMSG: it is
 * damaged, -EBUSY: its owner lives. -ENODATA: there was nothing that could be undone: empty, of
 * another boot, of another owner.
 */
int tacho_l_file_undo(struct tacho_ledger_file *file, const struct tacho_world *world,
		      uint64_t generation, int *owner, size_t *undone, char *why, size_t why_size);
/* What is wrong with it, and where; NULL: nothing. Called with what was read of a file. */
const char *tacho_l_check(const void *bytes, size_t size, size_t *offset);
/* Lock a file without waiting. 0, -EAGAIN with *holder, or another -errno. */
int tacho_l_lock(int fd, int *holder);

/* --- ledger_undo.c --- */

int tacho_l_list_add(struct tacho_ledger_list *list, const struct tacho_ledger_record *record);
/*
 * 1: it has what it had before. 0: gone, or as it should be, or somebody chose its CPUs meanwhile:
 * *is_users. -errno: it could not be looked at or changed, and is still ours: to be tried again.
 */
int tacho_l_undo(const struct tacho_world *world, const struct tacho_ledger_record *record,
		 bool *is_users);
/* All of a list, then their children, who are added to it. What fails is tried some times. */
size_t tacho_l_undo_all(const struct tacho_world *world, struct tacho_ledger_list *list);
/* Of what we set (enum tacho_ledger_what), what is still so. */
uint32_t tacho_l_ours(const struct tacho_world *world, const struct tacho_ledger_record *record,
		      const struct tacho_world_task *task);
/* A record for a child that has what its parent was given. 0: it has nothing of it. */
uint32_t tacho_l_child(const struct tacho_world *world, const struct tacho_ledger_record *parent,
		       const struct tacho_world_task *task, struct tacho_ledger_record *child);
/*
 * Look for the children of all records that nobody told of. found: < 0 ends it. Somebody who could
 * not be looked at for want of memory or descriptors is an error, after all others were.
 */
int tacho_l_children(const struct tacho_world *world, const struct tacho_ledger_record *records,
		     size_t nr, int (*found)(void *arg, const struct tacho_ledger_record *child),
		     void *arg);

/* --- restorer.c --- */

struct tacho_restorer {
	int pid; /* 0: none */
	int pipe; /* its end closes when this process dies */
};

int tacho_l_restorer_start(struct tacho_restorer *restorer, const struct tacho_ledger_file *file,
			   const struct tacho_world *world);
void tacho_l_restorer_stop(struct tacho_restorer *restorer);
bool tacho_l_restorer_lives(struct tacho_restorer *restorer);

/* --- ledger.c: the records of the owner --- */

/* Records by tid. */
struct tacho_ledger_index {
	uint32_t *slots; /* record + 1; 0: empty */
	size_t nr;
};

struct tacho_ledger {
	struct tacho_ledger_file file;
	const struct tacho_world *world;
	struct tacho_restorer restorer;
	bool is_guarded;
	struct tacho_ledger_entry *entries; /* by record; mapped, used as far as records are */
	struct tacho_ledger_index live; /* one record of a number */
	struct tacho_ledger_index ghosts; /* maybe more */
	uint32_t *unused; /* records that were used and are not any more */
	uint32_t nr_unused;
	uint32_t look; /* next one to be asked whether it still is */
	uint64_t births; /* when children were last looked for */
	bool has_births, is_late; /* is_late: they have to be looked for, whatever births says */
};

/* All records of a number: the one that is in force, and those that were released or have ended. */
struct tacho_ledger_namesakes {
	int tid;
	uint32_t at;
	bool are_ghosts;
};

static inline struct tacho_ledger_record *tacho_l_at(const struct tacho_ledger *ledger,
						     uint32_t record)
{
	return &ledger->file.records[record];
}

/* The record of a number that is in force; LEDGER_NONE: there is none. */
uint32_t tacho_l_find(const struct tacho_ledger *ledger, int tid);
/* All of them, one after the other; LEDGER_NONE: there are no more. */
struct tacho_ledger_namesakes tacho_l_namesakes(int tid);
uint32_t tacho_l_namesakes_next(const struct tacho_ledger *ledger,
				struct tacho_ledger_namesakes *all);
/*
 * A new record as it shall be, of a task as it is. Whoever reads the file meanwhile finds it whole,
 * or unused.
 */
int tacho_l_enter(struct tacho_ledger *ledger, const struct tacho_ledger_record *whole,
		  const struct tacho_world_task *task);
/* It is nobody's any more; but of its children. */
void tacho_l_leave(struct tacho_ledger *ledger, uint32_t record);

/* --- ledger_children.c --- */

/* Look for children that nobody told of, and enter them. *found: so many more. */
int tacho_l_search(struct tacho_ledger *ledger, size_t *found);

#endif /* TACHO_SCHED_LEDGER_INTERNAL_H */
