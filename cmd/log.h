/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.h: what the files of tacho log share: the choice of the user, and the session made of it.
 *
 * log.c has the options, the loop and what is printed; log_setup.c the events, logs and routes;
 * log_process.c and log_kernel.c what is different about a process behind its socket and about the
 * kernel. What cannot be done is told where it happens, the callers only end. One thread. Included
 * by these files only.
 */
#ifndef TACHO_CMD_LOG_H
#define TACHO_CMD_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tacho/reader.h>
#include <tacho/session.h>

#include "kernel/kernel.h"
#include "ui.h"

#define LOG_COUNTERS  4 /* cpu.pmc0 to 3 */
#define LOG_NAME_SIZE sizeof(((struct tacho_domain_entry *)0)->name)

/* What the user asked for. log.c fills it in, and it stays until the end. */
struct log_choice {
	const struct log_component *component;
	const char *target;
	char **patterns;
	const char **domains; /* NAME=WHAT */
	int nr_patterns;
	uint32_t nr_domains;
	uint32_t layout;
	uint64_t threshold;
	uint64_t rows;
	uint64_t limit; /* UINT64_MAX: none */
	double seconds; /* 0: for ever */
	bool has_entries, has_rows; /* given, not by default */
	bool count, huge, json;
	const char *of_kernel; /* the last option that only the kernel has; NULL: none was given */
	enum tacho_kernel_by by;
	const char *counters[LOG_COUNTERS]; /* NULL: the best ones here */
	double period_ms; /* 0: the default */
};

/* Why something was lost: what the writers count, and what was overwritten before it was read. */
enum log_lost { LOG_OVERWRITTEN = TACHO_NR_LOST, LOG_NR_LOST };

/* Written by log_setup.c and the component, except where it says log.c. */
struct log {
	const struct log_choice *choice;
	void *state; /* of the component */
	char who[96]; /* the component, for a person */
	char list[16]; /* the argument of tacho list that shows it */
	const struct tacho_event_entry *events; /* by id; kind 0: there is none */
	uint32_t nr_events;
	struct tacho_memory *memory;
	struct tacho_view view;
	struct tacho_merge *merge; /* rows */
	uint32_t *first_log; /* by index in ids: its log, or those of its domains */
	uint32_t *ids; /* events that were chosen */
	size_t nr_ids;
	char (*domain)[LOG_NAME_SIZE]; /* names, nr_domains of them; empty: not known */
	uint32_t nr_domains;
	int event_width, domain_width;
	int fd; /* something happens here when the component ends; -1: nothing can */
	int64_t start_ns; /* before the events were switched on: time 0 of the rows */
	int64_t on_ns; /* log.c: after it */
	uint64_t rows; /* log.c: printed */
	uint64_t lost[LOG_NR_LOST]; /* log.c: as told last */
	int table_lines; /* log.c: of the table on the terminal */
};

/*
 * What can be logged. The steps come in this order; those that return int return the exit status and
 * have said what was wrong, if it is not UI_DONE.
 */
struct log_component {
	/* What the component offers: who, list, events, nr_domains, fd. */
	int (*describe)(struct log *log);
	/* Why it has no event of that name or pattern; NULL: it knows none. */
	const char *(*why_not)(const struct log *log, const char *pattern);
	/* Make the area for so many logs and bytes of rows per CPU, and the domains: memory, domain. */
	int (*area)(struct log *log, uint32_t nr_logs, uint32_t rows_size);
	/* Switch on the events that were chosen: start_ns. From there on the logs fill. */
	int (*enable)(struct log *log);
	void (*disable)(struct log *log);
	bool (*is_alive)(const struct log *log);
	/*
	 * Called all the time, NULL: not needed. drained: what was logged until now has been read.
	 * Returns 0, or -errno when it cannot go on, and what is wrong in why.
	 */
	int (*tend)(struct log *log, bool drained, const char **why);
	/* A row speaks of this domain: if it has no name, find out, unless we just did. */
	void (*meet)(struct log *log, uint32_t domain);
	/* The name of a correspondent that is no domain. NULL: they have none. */
	const char *(*number)(uint32_t event, uint32_t correspondent, char *text, size_t size);
	void (*close)(struct log *log); /* whatever has been done of all that */
};
extern const struct log_component log_process; /* log_process.c */
extern const struct log_component log_kernel; /* log_kernel.c */

/* log.c: the options, the loop, what is printed */

extern const struct ui_verb log_verb;

/* log_setup.c: events, logs, routes */

/*
 * Set everything up and switch the events on. Returns the exit status; log_close is due even when
 * that is not UI_DONE.
 */
int log_open(struct log *log);
void log_close(struct log *log);
/* Whether the counter of an event is two numbers, which have no sum: its occurrences are counted. */
bool log_is_pair(const struct tacho_event_entry *event);
/* What a domain is called from now on; len at most so many bytes of name. */
void log_domain_name(struct log *log, uint32_t domain, const char *name, size_t len);
uint32_t log_pow2(uint64_t x); /* the smallest power of two that is not below x */

#endif /* TACHO_CMD_LOG_H */
