/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ui.h: what the verbs of the command have in common: options, refusals, colours, JSON.
 *
 * A refusal is one line on standard error, "tacho VERB: what was wrong, where, what to do". Wrong
 * usage is status 2, anything else that could not be done is 1. Colours only on a terminal.
 * Called by cmd/ only; one thread.
 */
#ifndef TACHO_CMD_UI_H
#define TACHO_CMD_UI_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "kernel/kernel.h"

/* The verbs: one file each. They return the exit status. */
int check_main(int argc, char **argv);
int demo_main(int argc, char **argv);
int doctor_main(int argc, char **argv);
int list_main(int argc, char **argv);
int log_main(int argc, char **argv);
int sched_main(int argc, char **argv);
int top_main(int argc, char **argv);

enum { UI_DONE = 0, UI_FAILED = 1, UI_USAGE = 2 };

/* One long option; the last of an array has no name. Short letter 0: none. */
struct ui_option {
	const char *name;
	int letter; /* what ui_next returns; options without a short form have a value above 255 */
	const char *argument; /* NULL: it takes none */
	const char *help; /* one line; a second one after "\n" */
};

/* What --help prints and ui_next understands. */
struct ui_verb {
	const char *name;
	const char *arguments; /* after the name, in the usage line */
	const char *about; /* one sentence */
	const struct ui_option *options;
};

/*
 * The next option, with its argument in ui_argument; 0 after the last one: ui_argument is NULL
 * then, and argv[ui_index ...] are the operands. Negative: the verb ends with status ~result,
 * because help was asked for and printed (~0), or because the usage is wrong, which has been said
 * (~2).
 */
int ui_next(const struct ui_verb *verb, int argc, char **argv);
extern const char *ui_argument;
extern int ui_index;

/* One line on standard error. Return UI_FAILED and UI_USAGE. */
int ui_fail(const struct ui_verb *verb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int ui_usage(const struct ui_verb *verb, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* ui_fail for each line of text. */
int ui_fail_lines(const struct ui_verb *verb, const char *text);

/* A number that is all of text and within the limits; false otherwise. */
bool ui_number(const char *text, uint64_t min, uint64_t max, uint64_t *number);
bool ui_seconds(const char *text, double *seconds);

/* Ctrl-C, a hang-up and SIGTERM end what runs in order: they set ui_stop and interrupt a wait. */
void ui_catch_signals(void);
extern volatile sig_atomic_t ui_stop;
/* It came from the terminal, and so to all that stand in its foreground. */
extern volatile sig_atomic_t ui_stop_typed;
int64_t ui_now_ns(void); /* tacho_live_now, for differences of either sign */

/* Escape sequences for standard output, empty if it is no terminal or NO_COLOR is set. */
enum ui_color { UI_PLAIN, UI_BOLD, UI_DIM, UI_GREEN, UI_YELLOW, UI_RED };
bool ui_terminal(void);
const char *ui_color(enum ui_color color);

/* Print object on one line (rows of a stream) or indented, and release it. 0 or -ENOMEM, -EIO. */
int ui_json_line(json_t *object);
int ui_json_print(json_t *object);

/* Write out what is buffered: the status of the verb, or UI_FAILED with a line if that fails. */
int ui_finish(const struct ui_verb *verb, int status);

/*
 * The pid of the one component that text means, by pid or by name. 0: there is none, or several go
 * by that name; it has been said.
 */
int ui_target_pid(const struct ui_verb *verb, const char *text);

/* The options of verbs that look at the kernel's domains, for their tables. */
#define UI_OPTION_DOMAIN(letter)                                                                   \
	{                                                                                          \
		"domain", letter, "NAME=KIND:PATTERN",                                             \
			"a domain of the tasks that match, first match wins; KIND\n"               \
			"is pid, tree, comm, cgroup, uid, vm or unit"                              \
	}
#define UI_OPTION_DOMAIN_BY(letter)                                                                \
	{                                                                                          \
		"domain-by", letter, "KIND",                                                       \
			"what the others are: process, thread, cgroup, user or vm\n"               \
			"[process]"                                                                \
	}
/* What they say, --domain all together. 0, or UI_USAGE: it has been said. */
int ui_domain_by(const struct ui_verb *verb, const char *text, enum tacho_kernel_by *by);
int ui_domains_check(const struct ui_verb *verb, const char *const *rules, size_t nr);
/* The word of --domain-by. */
const char *ui_kernel_by(enum tacho_kernel_by by);
/* What a person must know who looks at the kernel from a pid namespace; NULL: we are in none. */
const char *ui_kernel_pids(void);

#endif /* TACHO_CMD_UI_H */
