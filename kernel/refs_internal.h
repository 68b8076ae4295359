/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * refs_internal.h: what the files refs*.c have in common.
 *
 * refs.c owns the tasks, the pairs and the order of a sample; refs_maps.c finds mappings; a method is
 * one struct refs_ops, in refs_clear.c, refs_pagemap.c and refs_idle.c. Nobody else includes this.
 */
#ifndef TACHO_KERNEL_REFS_INTERNAL_H
#define TACHO_KERNEL_REFS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "refs.h"

/* Bounds for what observed processes can make us keep; what is beyond is counted in left_out. */
#define REFS_MAX_MAPPINGS 262144u /* of all tasks: 28 MB */
#define REFS_MAX_OF_TASK  4096u
#define REFS_MAX_RUNS	  256u /* domains that share one object: 65 thousand pairs */
#define REFS_MAX_PAIRS	  262144u
#define REFS_MAX_MEETINGS 16777216u /* of a mapping with a run, in one pass: a second */
#define REFS_MAX_PAGES	  4194304u /* that idle marks in one sample: 16 GB */

/* What is mapped: the same three numbers are the same memory. */
struct refs_object {
	uint64_t dev;
	uint64_t ino;
	uint64_t space; /* IPC namespace of a SysV segment, whose numbers are its own; 0 */
};

struct refs_mapping {
	struct refs_object object;
	uint64_t start; /* addresses in the task */
	uint64_t end;
	uint64_t off; /* in the object, bytes; off + (end - start) does not overflow */
	uint64_t reach; /* largest end in the object of this one and those before it in its run */
	uint64_t reach_writable; /* the same, of those that may be written; 0: none */
	uint64_t referenced; /* pages, or TACHO_REFS_UNKNOWN */
	uint64_t written;
	uint32_t task; /* index */
	uint8_t armed; /* bit of a method: what it says next time is about the interval from now */
	bool is_writable;
	bool is_shared; /* with another domain */
};

struct refs_task {
	int pid;
	uint32_t domain;
	uint32_t first; /* its mappings in refs->now, by ascending address */
	uint32_t nr;
	uint32_t old_first; /* and in refs->before */
	uint32_t old_nr;
	uint8_t armed; /* as in the mappings, for methods that treat the process as a whole */
	uint32_t rest; /* samples until its mappings are looked for again, if it had none */
	bool is_spared; /* runs virtual processors, or may: clear leaves it alone */
};

/* Mappings of one object by one domain: a part of refs->order. */
struct refs_run {
	uint32_t first;
	uint32_t nr;
	uint32_t domain;
};

struct refs_pair {
	uint32_t domain;
	uint32_t other;
	uint64_t referenced;
	uint64_t written;
};

struct refs_mappings {
	struct refs_mapping *at;
	size_t nr;
	size_t max;
};

struct refs_ops;

struct tacho_refs {
	const struct refs_ops *ops[2]; /* at work, by bit number in armed */
	unsigned int nr_ops;
	char name[32];
	char *proc;
	char *idle;
	uint32_t lazy; /* as in the options */
	bool no_query; /* this kernel has no PROCMAP_QUERY */
	bool may_flush; /* refs_clear.c: the processors can be made to forget translations */
	int idle_fd;
	struct refs_task *tasks; /* by ascending pid */
	size_t nr_tasks;
	struct refs_mappings now;
	struct refs_mappings before;
	uint32_t *order; /* indices of now, by object, domain, offset */
	size_t max_order;
	struct refs_run *runs;
	size_t max_runs;
	struct refs_pair *pairs;
	size_t nr_pairs;
	size_t max_pairs;
	uint64_t *pages; /* refs_idle.c: page frames to mark */
	size_t nr_pages;
	size_t max_pages;
	struct tacho_refs_stats stats;
};

/* One method. bit is that of armed, for this object. */
struct refs_ops {
	const char *name;
	const char *meaning;
	const char *cost;
	bool tells_referenced;
	bool tells_written;
	bool tells_domain;
	bool is_whole; /* arms whole processes: what is mapped later is armed too */
	/* Does it work here? 0 or -errno and why. *is_exact: see struct tacho_refs_probe. */
	int (*probe)(const char *proc, const char *idle, bool *is_exact, char *why,
		     size_t why_size);
	int (*open)(struct tacho_refs *refs); /* may be NULL */
	/*
	 * Say for the shared mappings of the task what was used, in referenced or written; begin
	 * the next interval; note it in armed. -errno: the process is gone or may not be read.
	 */
	int (*sample)(struct tacho_refs *refs, struct refs_task *task, uint8_t bit);
	int (*arm)(struct tacho_refs *refs, struct refs_task *task); /* may be NULL */
	int (*finish)(struct tacho_refs *refs); /* after all tasks; may be NULL */
};

extern const struct refs_ops refs_clear;
extern const struct refs_ops refs_soft_dirty;
extern const struct refs_ops refs_scan;
extern const struct refs_ops refs_idle;

/* Make room for one more of size bytes in *array, which has nr of *max. 0 or -ENOMEM. */
int refs_grow(void *array, size_t *max, size_t nr, size_t size);
/* Open PROC/PID/NAME. A descriptor or -errno; -ESRCH when the process is gone. pid 0: self. */
int refs_open_proc(const char *proc, int pid, const char *name, int flags);

/* --- refs_maps.c ---------------------------------------------------------------------------- */

/* A line of maps, and of smaps the first one of a mapping. */
struct refs_line {
	uint64_t start;
	uint64_t end;
	uint64_t off;
	uint64_t dev;
	uint64_t ino;
	bool is_writable;
	bool is_shared;
	const char *name; /* inside the text */
};
bool refs_line_parse(const char *text, struct refs_line *line);

/* Lines of a file in /proc; what is longer than the buffer is cut. */
struct refs_text {
	int fd;
	size_t from;
	size_t to;
	bool is_cut; /* the rest of a long line is to be skipped */
	char buffer[8192];
};
void refs_text_init(struct refs_text *text, int fd);
/* The next line, terminated; NULL at the end. *error is -errno if that was not the end. */
char *refs_text_next(struct refs_text *text, int *error);

/* Append the task's shared mappings to refs->now. 0, -ENOMEM, or -errno about the process. */
int refs_maps_read(struct tacho_refs *refs, struct refs_task *task, uint32_t index);

/* --- refs_pagemap.c ------------------------------------------------------------------------- */

#define REFS_PAGE_PRESENT    (1ull << 63)
#define REFS_PAGE_SWAPPED    (1ull << 62)
#define REFS_PAGE_SOFT_DIRTY (1ull << 55)
#define REFS_PAGE_FRAME	     ((1ull << 55) - 1)

/*
 * Call fn with the pagemap entry of every page of the mapping; fn returns 0 to go on. Returns 0,
 * what fn returned, or -errno; a file that ends early is not an error.
 */
int refs_pagemap_each(int fd, const struct refs_mapping *mapping,
		      int (*fn)(void *arg, uint64_t entry), void *arg);
/* The entry of an address of this process; 0 if there is none. */
uint64_t refs_pagemap_own(const char *proc, const void *address);

uint64_t refs_page_size(void);

#endif /* TACHO_KERNEL_REFS_INTERNAL_H */
