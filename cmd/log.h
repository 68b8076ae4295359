/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.h: what the two files of tacho log share: the choice of the user, and the session made of it.
 *
 * log.c has the options, the loop and what is printed; log_setup.c the events, domains, logs and
 * routes. What cannot be done is told where it happens, the callers only end. One thread. Included
 * by these two files only.
 */
#ifndef TACHO_CMD_LOG_H
#define TACHO_CMD_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tacho/reader.h>
#include <tacho/session.h>

#include "ui.h"

#define LOG_NAME_SIZE sizeof(((struct tacho_domain_entry *)0)->name)

/* What the user asked for. log.c fills it in, and it stays until the end. */
struct log_choice {
	const char *target;
	char **patterns;
	const char **domains; /* NAME=LIST */
	int nr_patterns;
	uint32_t nr_domains;
	uint32_t layout;
	uint64_t threshold;
	uint64_t rows;
	uint64_t limit; /* UINT64_MAX: none */
	double seconds; /* 0: for ever */
	bool has_entries, has_rows; /* given, not by default */
	bool count, huge, json;
};

/* Why something was lost: what the writers count, and what was overwritten before it was read. */
enum log_lost { LOG_OVERWRITTEN = TACHO_NR_LOST, LOG_NR_LOST };

/* Written by log_setup.c, except where it says log.c. */
struct log {
	const struct log_choice *choice;
	struct tacho_target *target;
	struct tacho_memory memory;
	struct tacho_view view;
	struct tacho_merge *merge; /* rows */
	uint32_t *first_log; /* by index in ids: its log, or those of its domains */
	uint32_t *ids; /* events */
	size_t nr_ids;
	char (*domain)[LOG_NAME_SIZE]; /* names, nr_domains of them */
	uint32_t nr_domains;
	int event_width, domain_width;
	int64_t start_ns;
	uint64_t rows; /* log.c: printed */
	uint64_t lost[LOG_NR_LOST]; /* log.c: as told last */
	bool unnamed; /* log.c: something was logged by a principal that we do not know */
	int table_lines; /* log.c: of the table on the terminal */
};

/* log.c: the options, the loop, what is printed */

extern const struct ui_verb log_verb;

/* log_setup.c: events, domains, logs, routes */

/*
 * Connect to the component, set everything up and switch its events on: from there on the logs
 * fill. Returns the exit status; log_close is due even when that is not UI_DONE.
 */
int log_open(struct log *log, int pid);
void log_close(struct log *log);
/*
 * Principals may be made while we look: give them their names or domains, and forget that one was
 * unnamed. Asked for over another connection: should the component be stuck in a debugger, the
 * lease is not at risk.
 */
void log_domains_refresh(struct log *log);
/* Whether a principal may be in this domain whose name or domain we do not know yet. */
bool log_domain_is_unnamed(const struct log *log, uint32_t domain);

#endif /* TACHO_CMD_LOG_H */
