/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * screen.h: a terminal that is drawn on: the alternate screen, keys, its size.
 *
 * What the terminal was before is restored on every way out: screen_close, exit, and the signals
 * that end a process at once; SIGINT, SIGTERM and SIGHUP are caught by ui_catch_signals and end the
 * verb in order. Ctrl-Z and fg work. Nothing but ANSI sequences that every terminal knows, so no
 * library is needed. One screen per process, one thread. Called by cmd/ only.
 */
#ifndef TACHO_CMD_SCREEN_H
#define TACHO_CMD_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

/* What screen_key returns; anything else is a byte as it was typed. */
enum screen_key {
	SCREEN_NONE = 0, /* the time is over, or a signal came */
	SCREEN_ESCAPE = 27,
	SCREEN_UP = 0x100,
	SCREEN_DOWN,
	SCREEN_PAGE_UP,
	SCREEN_PAGE_DOWN,
	SCREEN_HOME,
	SCREEN_END,
	SCREEN_OTHER, /* a key that has no name here */
	SCREEN_RESIZED, /* draw again */
	SCREEN_CLOSED, /* the terminal is gone */
};

/* Standard input and output are both a terminal on which can be drawn. */
bool screen_possible(void);
int screen_open(void); /* 0 or -errno */
void screen_close(void);
void screen_size(int *columns, int *lines);
/* Wait for a key, at most ms. */
int screen_key(int ms);
/* Show these lines from the top of the screen on; what did not change is not written again. */
void screen_show(const char *lines, size_t len);

#endif /* TACHO_CMD_SCREEN_H */
