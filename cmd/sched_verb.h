/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sched_verb.h: what the files of tacho sched share.
 *
 *   sched_options.c  what the user asked for
 *   sched.c        the loop, the command that it runs, the end
 *   sched_notes.c  a note of the scheduler as a line, as a story, as a JSON object           (pure)
 *   sched_live.c   the picture on a terminal: who runs where and why
 *   sched_jobs.c   launch files: programs that are started, and what the policies are told of them
 *   sched_logs.c, sched_report.c  what is written into files
 *
 * The scheduler itself is sched/sched.h: nothing here decides anything. One thread.
 */
#ifndef TACHO_CMD_SCHED_VERB_H
#define TACHO_CMD_SCHED_VERB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sched/sched.h"
#include "sched_logs.h"
#include "sched_report.h"
#include "text.h"
#include "ui.h"

/* --- sched_options.c ------------------------------------------------------------------------ */

/* What the user asked for. */
struct sched_choice {
	struct tacho_sched_options options;
	const char **rules;
	char policy[4096]; /* a file has a '/' in it */
	double seconds; /* 0: until it is ended */
	unsigned ready; /* descriptor + 1; 0: none */
	bool list_policies, restore;
	bool explain, json, quiet;
	const char *launch, *mould, *logs, *report;
	bool restart, once, random, fixed;
	unsigned runs, seed;
	bool has_seed;
	char **command; /* NULL: none */
};

extern const struct ui_verb sched_verb;
/* choice->rules has room for argc of them. 0, or the complement of the exit status. */
int sched_options_parse(struct sched_choice *choice, int argc, char **argv);

/* --- sched_notes.c -------------------------------------------------------------------------- */

#define SCHED_CPUS_SIZE 64

/* One line of at most size bytes, without a newline; start_ns is time 0. */
void sched_note_line(const struct tacho_note *note, uint64_t start_ns, char *line, size_t size);
/* Several, each with its newline: what, why, the fact and its threshold, before and after. */
void sched_note_story(const struct tacho_note *note, uint64_t start_ns, FILE *out);
enum ui_color sched_note_color(const struct tacho_note *note);
/* NULL: no memory. */
json_t *sched_note_json(const struct tacho_note *note, uint64_t start_ns);

/* How it ended. */
struct sched_end {
	const char *why; /* "signal", "time", "command", "jobs", "error" */
	struct tacho_sched_totals totals;
	size_t restored; /* tasks */
	bool dry_run;
};
/* N moves, M kept...: one line without a newline. */
void sched_end_line(const struct sched_end *end, char *line, size_t size);
void sched_end_story(const struct sched_end *end, FILE *out);
json_t *sched_end_json(const struct sched_end *end);

/* --- sched_live.c --------------------------------------------------------------------------- */

struct sched_live;

/* NULL: no memory. */
struct sched_live *sched_live_new(uint64_t start_ns);
void sched_live_free(struct sched_live *live);
/* Remember what is to be shown. */
void sched_live_note(struct sched_live *live, const struct tacho_note *note);
void sched_live_view(struct sched_live *live, const struct tacho_policy_input *input);
/* The frame, into text, which is initialized with the size of the screen. lines: of it. */
void sched_live_draw(const struct sched_live *live, struct text *text, int lines,
		     const char *policy, const struct tacho_sched_totals *totals, uint64_t now_ns);

/* --- sched_jobs.c --------------------------------------------------------------------------- */

struct sched_jobs_choice {
	const char *launch; /* file */
	const char *mould; /* file that is replayed, or NULL */
	bool restart, random;
	unsigned runs, seed;
	const char *output; /* directory, or NULL */
	void (*tell)(void *arg, const struct sched_job *job);
	/* A thread cannot be placed as a file says: one line, once. */
	void (*complain)(void *arg, const char *line);
	void *arg;
};

struct sched_jobs;
/* Read the files. Returns the exit status; what is wrong has been said, a line for each. */
int sched_jobs_open(struct sched_jobs **jobs, const struct sched_jobs_choice *choice);
void sched_jobs_close(struct sched_jobs *jobs); /* ends all programs; NULL is nothing */
/* Whether the file says where a thread shall be, or how important it is. NULL has none. */
bool sched_jobs_bind(const struct sched_jobs *jobs);
/* From now on the programs start when it is their time. The exit status, as above. */
int sched_jobs_start(struct sched_jobs *jobs, struct tacho_sched *sched);
/*
 * Do what is due. 0; 1: all have run often enough; -errno: a program could not be started, why says
 * which.
 */
int sched_jobs_round(struct sched_jobs *jobs, char *why, size_t why_size);
int sched_jobs_fd(const struct sched_jobs *jobs);
/* Seconds until sched_jobs_round is due; < 0: only when the descriptor can be read. */
double sched_jobs_next(const struct sched_jobs *jobs);

#endif /* TACHO_CMD_SCHED_VERB_H */
