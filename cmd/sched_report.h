/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sched_report.h: what tacho sched tells at its end: run times, moves, pages, decisions, its own
 * cost.
 *
 * Accumulates in bounded memory, fed by the same three calls as the log files (sched_logs.h). Text
 * for a terminal or a file; and one HTML file that needs nothing else: no network, no script.
 * Everything that comes from outside is escaped.
 */
#ifndef TACHO_CMD_SCHED_REPORT_H
#define TACHO_CMD_SCHED_REPORT_H

#include <stdint.h>
#include <stdio.h>

#include "sched_logs.h"

struct sched_report;

struct sched_report_options {
	const char *host; /* NULL: the name of this machine */
	const char *command; /* how tacho was called, one line; NULL: not said */
	const char *policy; /* its name */
	const char *topology; /* one line; NULL: not said */
	uint64_t start_ns; /* 0: now */
};

int sched_report_open(struct sched_report **report, const struct sched_report_options *options);
void sched_report_close(struct sched_report *report); /* NULL is nothing */

void sched_report_note(struct sched_report *report, const struct tacho_note *note);
void sched_report_view(struct sched_report *report, const struct tacho_policy_input *input);
void sched_report_job(struct sched_report *report, const struct sched_job *job);
/* Before the report is written; the end is now. */
void sched_report_end(struct sched_report *report, const struct tacho_sched_totals *totals);

/* 0 or -errno of writing. */
int sched_report_text(const struct sched_report *report, FILE *file);
/* Written beside it and renamed: path has all of it, or what it had before. */
int sched_report_html(const struct sched_report *report, const char *path);
/* The same; HTML if path ends in .html, otherwise text. */
int sched_report_write(const struct sched_report *report, const char *path);
/* Whether it could be written there: 0 or -errno. path is as before. */
int sched_report_check(const char *path);

#endif /* TACHO_CMD_SCHED_REPORT_H */
