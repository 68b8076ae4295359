/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lines.h: text files that somebody else wrote, line by line, and what is wrong with them.
 *
 * What the parsers of launch files (launch.c) and moulds (mould.c) have in common: bytes to lines,
 * words, numbers, and a list of complaints of the form FILE:LINE: WHAT. Any bytes may come: a line
 * with something in it that is no text is complained about and left out. Internal to sched/; no
 * files but through tacho_i_file_read.
 */
#ifndef TACHO_SCHED_LINES_H
#define TACHO_SCHED_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TACHO_I_LINE_SIZE 65536u /* with the zero at its end */
#define TACHO_I_NR_ERRORS 100u /* that are kept; more are counted */

struct tacho_i_lines {
	const char *name; /* of the file, in errors */
	const char *text;
	size_t size, at;
	uint32_t line; /* the number of the last one, from 1 */
	char *buffer;
	char *errors; /* lines, or NULL: none; the caller's */
	size_t errors_len, errors_room, nr_errors;
	bool no_memory; /* of an error */
};

/* 0 or -ENOMEM. */
int tacho_i_lines_init(struct tacho_i_lines *lines, const char *name, const char *text,
		       size_t size);
/* The next one, without its end; it may be changed. NULL: there are no more. */
char *tacho_i_lines_next(struct tacho_i_lines *lines);
/* Line 0: of the file as a whole. */
void tacho_i_lines_refuse(struct tacho_i_lines *lines, uint32_t line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * The end: what was refused is in *errors, NULL if nothing was, which is the caller's to free.
 * Returns error if it is not 0; otherwise 0, -EINVAL: something was refused, -ENOMEM: and cannot be
 * told.
 */
int tacho_i_lines_end(struct tacho_i_lines *lines, int error, char **errors, size_t *nr_errors);

/* Behind the blanks at text. */
char *tacho_i_skip_blanks(char *text);
/* Cut the next word off: *text is behind it. NULL: there is none. */
char *tacho_i_next_word(char **text);
/*
 * A decimal number at the start of text: behind it, or NULL. Never NaN; infinite if it is too large
 * for a double.
 */
const char *tacho_i_number_parse(const char *text, double *number);
/* The word is a number, and nothing else. */
bool tacho_i_is_number(const char *word, double *number);

/*
 * The whole file, at most max bytes (-EFBIG), and a zero byte behind them. *text is the caller's to
 * free.
 */
int tacho_i_file_read(const char *file, size_t max, char **text, size_t *size);
/* That error of it as a complaint; kind: what a file of more than max is not. Returns error. */
int tacho_i_file_refuse(const char *file, const char *kind, size_t max, int error, char **errors,
			size_t *nr_errors);

#endif /* TACHO_SCHED_LINES_H */
