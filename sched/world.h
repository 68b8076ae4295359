/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * world.h: what a scheduler does to tasks and asks of them, behind one table, so that tests have a
 * world of their own.
 *
 * All take a tid and a start time (clock ticks since boot, field 22 of /proc/TID/stat): a number
 * that was used again is somebody else, and -ESRCH. The kernel has no call for "this task, if it
 * started then": the start time is compared right before and right after. Functions return 0 or
 * -errno.
 */
#ifndef TACHO_SCHED_WORLD_H
#define TACHO_SCHED_WORLD_H

#include <tacho/policy.h>

/* What is read of a task. */
struct tacho_world_task {
	int tid, pid, ppid; /* pid: of its process */
	int session, group; /* of processes: fields 6 and 5 of stat */
	uint64_t start; /* clock ticks since boot */
	uint64_t age_ms;
	int policy; /* SCHED_OTHER... */
	int nice;
	bool is_kernel; /* a kernel thread */
	/*
	 * Its affinity as the kernel keeps it, also CPUs that are offline or only possible: a task
	 * that nobody bound has more than topology.online. Compare what is left of both after
	 * tacho_cpus_and with the online ones.
	 */
	struct tacho_cpus cpus;
};

/* What a task has done so far: its progress is the difference of two of them. */
struct tacho_world_work {
	uint64_t bytes; /* read and written: rchar + wchar of /proc/TID/io */
	uint64_t calls; /* syscr + syscw */
};

struct tacho_world {
	int (*task)(void *arg, int tid, struct tacho_world_task *task);
	/* All tasks of a process; *tids is the caller's to free. */
	int (*threads)(void *arg, int pid, int **tids, size_t *nr);
	/* All processes. */
	int (*processes)(void *arg, int **pids, size_t *nr);
	/* What its cpuset leaves it to choose from: CPUs that are online. */
	int (*allowed)(void *arg, int tid, struct tacho_cpus *cpus);
	/* *now: what the kernel made of it. -EINVAL: nothing of it is allowed. */
	int (*affinity)(void *arg, int tid, uint64_t start, const struct tacho_cpus *cpus,
			struct tacho_cpus *now);
	/*
	 * Of a task that has just been born: if it has these CPUs it gets others. 1: done, 0: it
	 * has others than these. The same twice: only looks. No start is compared, so that it is cheap; the caller knows that
	 * it is still there. NULL: not known, then affinity does it.
	 */
	int (*affinity_if)(void *arg, int tid, const struct tacho_cpus *these,
			   const struct tacho_cpus *cpus);
	int (*nice)(void *arg, int tid, uint64_t start, int nice);
	/* Its whole memory from all other nodes. *pages: that could not be moved. */
	int (*memory)(void *arg, int pid, uint64_t start, uint32_t node, uint64_t *pages);
	/* Pages by node, nr of them; of the whole process. */
	int (*pages)(void *arg, int pid, uint64_t *pages, size_t nr);
	/*
	 * Into another cpuset, by path from the root of the hierarchy; NULL: it stays. from (may be
	 * NULL): where it was, size bytes. All threads of the process move.
	 */
	int (*cpuset)(void *arg, int pid, uint64_t start, const char *path, char *from,
		      size_t size);
	/* tid 0: of the whole process. What the kernel does not count is 0. */
	int (*work)(void *arg, int pid, int tid, struct tacho_world_work *work);
	/*
	 * A number that is the same as before if no task was born meanwhile: cheap. NULL: not
	 * known, then the ledger looks at all tasks every time.
	 */
	int (*births)(void *arg, uint64_t *nr);
	void *arg;
};

/* The real one: system calls and /proc. */
extern const struct tacho_world tacho_world_real;

/* The CPU on which a thread of that process runs, or ran last; -ESRCH: it is gone. */
int tacho_world_last_cpu(int pid, int tid);
/* Nanoseconds that a task has run so far; 0: it is gone, or the kernel does not count. */
uint64_t tacho_world_run(int pid, int tid);

/*
 * "0-3,8" as in cpuset files, to the end or to a newline. -EINVAL: it is no such list, -ERANGE: a
 * number from 1024 on.
 */
int tacho_world_list_parse(const char *text, struct tacho_cpus *cpus);

#endif /* TACHO_SCHED_WORLD_H */
