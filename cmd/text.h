/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * text.h: lines of text for a person, with columns that are counted as a terminal counts them.
 *
 * A struct text grows; what would pass the limit of a line is cut. Whatever a name contains, only
 * printable characters get in: bytes that are no UTF-8, or that a terminal might obey, become '?'.
 * Without UTF-8 everything beyond ASCII does, and bars are drawn with ASCII. Spaces and styles are
 * written when something visible follows, so no line ends in spaces. Called by cmd/ only; pure,
 * except that the width of a character is that of wcwidth in the locale of the process.
 */
#ifndef TACHO_CMD_TEXT_H
#define TACHO_CMD_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Colours by meaning; without colours only the words are left. */
enum text_style {
	TEXT_PLAIN,
	TEXT_BOLD,
	TEXT_DIM,
	TEXT_RUN, /* green: has a processor */
	TEXT_WAIT, /* yellow: wants one, or: look at this */
	TEXT_BAD, /* red: something is wrong */
	TEXT_TALK, /* cyan: talks to others */
	TEXT_MEMORY, /* magenta */
	TEXT_IO, /* blue */
	TEXT_HEAD, /* reversed: the head of a table, a line of keys */
	TEXT_CHOSEN, /* in a head: the column that counts */
	TEXT_NR_STYLES,
};

struct text {
	char *at; /* not terminated; NULL: nothing yet */
	size_t len;
	size_t room;
	int column; /* where the next character goes */
	int limit; /* columns of a line */
	int lines; /* that have ended */
	bool utf8;
	bool color;
	bool failed; /* no memory: what came after is missing */
	enum text_style style; /* wanted for what follows */
	enum text_style written; /* as the terminal knows it */
	int spaces; /* wanted, not written yet */
};

void text_init(struct text *text, int columns, bool utf8, bool color);
void text_fini(struct text *text);
void text_style(struct text *text, enum text_style style);
void text_put(struct text *text, const char *string);
void text_print(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* In exactly width columns; cut with an ellipsis at the end. */
void text_left(struct text *text, const char *string, int width);
void text_right(struct text *text, const char *string, int width);
/* Spaces up to a column; fill makes them as reversed as the text is. */
void text_to(struct text *text, int column);
void text_fill(struct text *text, int column);
void text_end(struct text *text); /* of a line */

/* A bar of width columns with its frame, share 0 to 1 of it in style. */
void text_bar(struct text *text, double share, int width, enum text_style style);
/* One column for a level of 0 to 8: height, and shade (0 to 4). */
void text_level(struct text *text, int level);
void text_shade(struct text *text, int shade);
/* What stands for "nothing": does not draw the eye. */
const char *text_nothing(const struct text *text);

int text_width(const char *string, bool utf8); /* columns */
/* A copy with only printable UTF-8 in it, cut between characters. */
void text_clean(char *copy, size_t size, const char *string);

/* Numbers in at most 5 columns. */
#define TEXT_NUMBER_SIZE 16
const char *text_percent(char number[TEXT_NUMBER_SIZE], double percent);
const char *text_rate(char number[TEXT_NUMBER_SIZE], double rate); /* 1.23k, 12.3M */
const char *text_bytes(char number[TEXT_NUMBER_SIZE], double bytes); /* 1.2K: of 1024 */
const char *text_ns(char number[TEXT_NUMBER_SIZE], double ns); /* 12us, 1.2ms */

#endif /* TACHO_CMD_TEXT_H */
