/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session.h: attaching to components, making their areas, and configuring them while they run.
 *
 * A session is one reader's set of attached components and owns their areas. Nothing outlives it:
 * when the process ends or is killed, the components restore their sites by themselves.
 * One thread per session object; functions return 0 or -errno, and tacho_target_error says the one
 * line for a person. Nothing prints.
 */
#ifndef TACHO_SESSION_H
#define TACHO_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "area.h"
#include "reader.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How to make an area. Zero means the default in brackets. */
struct tacho_area_options {
	uint32_t component; /* enum tacho_component [process] */
	uint32_t nr_cpus; /* [every possible CPU] */
	uint32_t nr_events; /* capacity [64] */
	uint32_t nr_domains; /* [64] */
	uint32_t nr_logs; /* per CPU, with the null log [64] */
	uint32_t nr_principals; /* [4096] */
	uint32_t rows_size; /* bytes for rows per CPU [1 MiB] */
	uint32_t flags; /* TACHO_AREA_* */
	uint32_t pid;
	uint32_t clock_source; /* enum tacho_clock_source [of this machine] */
	const char *name; /* [""] */
};
#define TACHO_AREA_PREFAULT 0x1u /* touch every page now */
#define TACHO_AREA_LOCK	    0x2u /* mlock */
#define TACHO_AREA_HUGE                                                                            \
	0x4u /* 2 MB pages, reserved now; small pages and a notice if there are none */
#define TACHO_AREA_NO_NUMA 0x8u /* do not place parts on their CPU's node */
#define TACHO_AREA_ARRAY                                                                           \
	0x10u /* parts begin at a multiple of their stride: the area is an array of equal values */

/* An area that this process made: memory, file and what has been given out of it. */
struct tacho_memory {
	int fd; /* sealed memfd: cannot shrink or grow */
	unsigned char *base;
	uint64_t size;
	uint32_t rows_used; /* bytes of rows given out, per CPU */
	uint32_t logs_used; /* control registers given out, with the null log */
	char notice[128]; /* what was asked for and could not be had, or empty */
};

int tacho_memory_create(struct tacho_memory *memory, const struct tacho_area_options *options);
void tacho_memory_destroy(struct tacho_memory *memory);
struct tacho_area *tacho_memory_header(const struct tacho_memory *memory);

/*
 * Configuration, by writing the area; may be done while the component logs. log_add gives out a log
 * of at least rows rows (rounded up to a power of two) on every CPU and returns its number, or
 * -ENOSPC. event and domain are what the log is for, or TACHO_NONE.
 */
int tacho_memory_log_add(struct tacho_memory *memory, uint32_t rows, uint32_t layout,
			 uint32_t event, uint32_t domain);
/* Route event and domain (TACHO_NONE: every domain) to log; 0 ends it. threshold 0 or 1: every event. */
int tacho_memory_route(struct tacho_memory *memory, uint32_t event, uint32_t domain, uint32_t log,
		       uint32_t threshold);
/* Bind a principal (TACHO_NONE: every principal) to a domain, or name a domain. */
int tacho_memory_bind(struct tacho_memory *memory, uint32_t principal, uint32_t domain);
int tacho_memory_domain_name(struct tacho_memory *memory, uint32_t domain, const char *name);
/* Advance the tick of every CPU to the clock source's now; refine the clock's conversion. */
void tacho_memory_tick(struct tacho_memory *memory);

/* A component that is running, as it describes itself. */
struct tacho_principal_name {
	uint32_t principal;
	char name[28];
};
struct tacho_target {
	int pid; /* as this process sees it */
	int own_pid; /* as the component sees itself */
	char name[64];
	uint32_t clock_source; /* enum tacho_clock_source */
	uint32_t writer; /* 1: restartable sequences, 2: generic */
	uint32_t nr_sessions;
	uint32_t nr_events; /* slots of events, by id; kind 0: gone */
	uint32_t nr_principals;
	struct tacho_event_entry *events;
	struct tacho_principal_name *principals;
	int sock; /* the connection, which is the lease */
	char error[160]; /* of the last call that failed, one line */
};

/* Pids of all components that this process may see, in ascending order. free() the array. */
int tacho_target_list(int **pids, size_t *nr);
/*
 * Pids whose pid or name is what; every match, none is not an error. A process of that number comes
 * first, whether it is a component or not: tacho_target_open then says what is wrong with it.
 */
int tacho_target_find(const char *what, int **pids, size_t *nr);

/*
 * Connect and have it describe itself; no site changes. Nothing here waits for longer than a few
 * seconds; a component that is silent or answers nonsense is -ETIMEDOUT or -EPROTO, and its connection,
 * which is the lease, is closed at that moment, because what is on could not be told any more.
 * Other refusals: -ESRCH no such process, -ENOENT no component, -EPERM of another user.
 */
int tacho_target_open(struct tacho_target **target, int pid, char *why, size_t why_size);
int tacho_target_describe(struct tacho_target *target); /* again: what changed since */
void tacho_target_close(struct tacho_target *target); /* ends the lease */
const char *tacho_target_error(const struct tacho_target *target);

/* Give it an area (made with its clock source and room for its events); then switch events on, off. */
int tacho_target_attach(struct tacho_target *target, const struct tacho_memory *memory);
int tacho_target_enable(struct tacho_target *target, const uint32_t *ids, size_t nr);
int tacho_target_disable(struct tacho_target *target, const uint32_t *ids, size_t nr);
/* Ids of the events whose name matches pattern (glob). Returns how many, at most max are stored. */
size_t tacho_target_match(const struct tacho_target *target, const char *pattern, uint32_t *ids,
			  size_t max);
/* 1 while the component holds its end, 0 once it is gone. */
int tacho_target_alive(const struct tacho_target *target);

#ifdef __cplusplus
}
#endif

#endif /* TACHO_SESSION_H */
