/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h: what the files of lib/ have of each other, by the file that defines it.
 *
 * Nothing here is for other programs. Functions return 0 or -errno; nothing prints or exits.
 */
#ifndef TACHO_INTERNAL_H
#define TACHO_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <tacho/area.h>
#include <tacho/atomic.h>
#include <tacho/hook.h>
#include <tacho/tacho.h>

#define TACHO_EXPORT	  __attribute__((visibility("default")))
#define TACHO_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* validate.c: geometry of an area */

/*
 * Whether a header describes an area that lies within file_size bytes: magic, version, limits,
 * powers of two, order and overlap of everything. Works on a private copy of the header.
 * Returns 0 or -errno; on failure why (of why_size bytes) says in one line what is wrong.
 */
int tacho_i_geometry_check(const struct tacho_area *header, uint64_t file_size, char *why,
			   size_t why_size);
/* The same with the offset of the field that is wrong by itself and not in the text. */
int tacho_i_geometry_find(const struct tacho_area *header, uint64_t file_size, uint64_t *off,
			  char *why, size_t why_size);
/* A private copy of the header of an area that somebody else may be writing. */
void tacho_i_header_copy(struct tacho_area *copy, const void *base);

/* area.c: the session's side of an area */

struct tacho_memory;
struct tacho_area_options;
/*
 * An area in memory that is not ours to choose: plan says how it is laid out, adopt makes an area of
 * base, header->size zero bytes that stay the caller's. Both return 0 or -errno, with memory->notice.
 */
int tacho_i_memory_plan(struct tacho_memory *memory, struct tacho_area *header,
			const struct tacho_area_options *options);
int tacho_i_memory_adopt(struct tacho_memory *memory, struct tacho_area *header, void *base);
/* Put the component's events into the event table, each at its id. 0, -EINVAL: no room, -EUCLEAN. */
int tacho_i_memory_events(const struct tacho_memory *memory, const struct tacho_event_entry *entry,
			  size_t nr);

/* clock.c: the clock source of this machine */

enum tacho_clock_source tacho_i_clock_source(void);
uint64_t tacho_i_clock_read(uint32_t source); /* signal-safe, no vector registers */
int tacho_i_clock_check(uint32_t source); /* -EOPNOTSUPP: this process cannot read it */

/* ns = base_ns + ((t - base) * mult >> shift), as in the header of an area. */
struct tacho_i_clock {
	uint64_t mult;
	uint64_t base;
	uint64_t base_ns;
	uint32_t shift;
};
/* Measure it against CLOCK_MONOTONIC. Sleeps 2 ms, once per process. 0, -EOPNOTSUPP or -ERANGE. */
int tacho_i_clock_calibrate(uint32_t source, struct tacho_i_clock *clock);
/* A better mult for the same base, from all the time since; the old one while there is none. */
uint64_t tacho_i_clock_refine(uint32_t source, const struct tacho_i_clock *clock);

/* hot.c: behind the sites; slow.c: what the sequence could not do itself */

extern __thread struct tacho__thread tacho__thread;
void tacho_i_slow(struct tacho_event *event, tacho_u64 counter, tacho_u32 correspondent,
		  tacho_u32 principal, tacho_u32 result);
uint64_t tacho_i_slow_clock(uint32_t source);
enum tacho__result tacho_i_rseq_write(struct tacho__hook *hook, tacho_u64 counter,
				      tacho_u32 correspondent, tacho_u32 principal, int sampled);
enum tacho__result tacho_i_rseq_sample(struct tacho__hook *hook, tacho_u32 correspondent,
				       tacho_u32 principal);

/*
 * Wait until no thread can still be using a hook that was taken out of use before the call.
 * Returns 0, or -ETIMEDOUT after 100 ms: then the memory behind the hook must stay.
 */
int tacho_i_grace(void);
void tacho_i_grace_reset(void); /* in the child of a fork */
bool tacho_i_rseq_usable(void); /* this process writes with restartable sequences */
/* membarrier, registered when it has to be. Returns 0 or -errno. */
int tacho_i_membarrier(int command, int register_command);

/* site.c: events, objects and sites of this process. Callers hold the control lock. */

struct tacho_i_events {
	struct tacho_event **event; /* by id; NULL: its object is gone */
	uint32_t nr; /* ids ever given out */
	uint32_t size; /* of the array */
};
extern struct tacho_i_events tacho_i_events;

/* Fill in nr_sites of every event; returns the total. */
uint32_t tacho_i_site_count(void);
/*
 * Make the sites of every event agree with its on field: one round for all of them.
 * Returns 0 or -errno; on error no site jumps that did not jump before.
 */
int tacho_i_site_patch(void);

/* attach.c: the areas of this process's sessions, and which events are on. Callers hold the lock. */

/*
 * Take the area behind fd (which stays the caller's) into a free slot.
 * Returns the slot or -errno; on failure why says in one line what is wrong.
 */
int tacho_i_attach(int fd, char *why, size_t why_size);
void tacho_i_detach(int slot);
/* Try again to unmap areas that a thread was using for too long; true while some are left. */
bool tacho_i_attach_reap(void);
/* Switch events on or off in a slot: all of them or, on failure, none. Returns 0 or -errno. */
int tacho_i_enable(int slot, const tacho_u32 *ids, uint32_t nr, char *why, size_t why_size);
int tacho_i_disable(int slot, const tacho_u32 *ids, uint32_t nr, char *why, size_t why_size);
/* An object goes away: its events leave every session. */
void tacho_i_attach_drop(struct tacho_event *const *events, size_t nr);
void tacho_i_attach_forked(void); /* in the child: not attached, text as in the file */
uint32_t tacho_i_attach_count(void);

/* discover.c: finding components */

/* Who listens for a process. */
struct tacho_i_listener {
	int own_pid; /* what the process calls itself; 0: there is no such process */
	int sock; /* a connection to it, the caller's; -1: there is none */
	uid_t uid; /* of the listener, with sock */
	bool is_full; /* without sock: one listens, and took no connection in time */
};
/*
 * Connect to process pid, as we see it, in its network namespace; waits at most wait_ms for room in
 * the queue of each listener. Returns 0, also if nobody listens; -ESRCH with own_pid 0; or -errno
 * with own_pid: its network namespace could not be entered.
 */
int tacho_i_listener_open(struct tacho_i_listener *listener, int pid, int wait_ms);

/* control.c: the component's side of the protocol */

void tacho_i_control_lock(void);
void tacho_i_control_unlock(void);
void tacho_i_control_start(void); /* listen; once per process, idempotent; the lock is held */

/* session.c: the session's side of the protocol */

/*
 * Check a string that somebody else wrote: it must end within size, else -EPROTO. Everything that a
 * terminal might obey, or that is not UTF-8, becomes '?', and what stands behind the end becomes zero.
 */
int tacho_i_text_check(char *text, size_t size);

/* principal.c: names of principals */

uint32_t tacho_i_principal_count(void);
/* Copy the names of principals from + 1, from + 2...; returns how many, at most max. */
uint32_t tacho_i_principal_names(uint32_t from, char (*text)[28], uint32_t max);
void tacho_i_principal_lock(void); /* around fork */
void tacho_i_principal_unlock(void);

#endif /* TACHO_INTERNAL_H */
