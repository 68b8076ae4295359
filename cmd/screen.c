/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * screen.c: a terminal that is drawn on: the alternate screen, keys, its size.
 *
 * Owns the modes of the terminal from screen_open to screen_close, and puts them back whatever
 * happens in between. Must not know what is drawn. A frame is compared with the one before, and
 * only lines that differ are written, all of them in one write: nothing flickers, and a slow
 * connection is not flooded.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "screen.h"
#include "ui.h"

/* The alternate screen without a cursor and without automatic line breaks; and back. */
#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[0m\033[?7h\033[?25h\033[?1049l"

static const int fatal[] = { SIGQUIT, SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, SIGXCPU };

static struct termios before;
static volatile sig_atomic_t is_open; /* the modes are ours */
static volatile sig_atomic_t resized, stopped, resumed;
static char *shown; /* the frame that is on the screen */
static size_t shown_len;
static char input[64]; /* typed and not yet taken */
static size_t input_len;

/* Safe in a signal handler. */
static void restore(void)
{
	ssize_t ignored;

	if (!is_open)
		return;
	is_open = 0;
	ignored = write(STDOUT_FILENO, LEAVE, sizeof(LEAVE) - 1);
	(void)ignored; /* the terminal may be gone */
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

/* What is on the screen is not known any more. */
static void forget(void)
{
	ssize_t ignored = write(STDOUT_FILENO, "\033[2J", 4);

	(void)ignored;
	free(shown);
	shown = NULL;
	shown_len = 0;
}

static void enter(void)
{
	struct termios raw = before;
	ssize_t ignored;

	/* keys at once and unseen; signals by key stay as they are */
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_iflag &= ~(tcflag_t)(IXON | ICRNL);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	is_open = 1;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	ignored = write(STDOUT_FILENO, ENTER, sizeof(ENTER) - 1);
	(void)ignored;
	forget();
}

static void on_fatal(int number)
{
	restore();
	signal(number, SIG_DFL);
	raise(number);
}

static void on_resize(int number)
{
	(void)number;
	resized = 1;
}

static void on_stop(int number)
{
	(void)number;
	stopped = 1;
}

static void on_resume(int number)
{
	(void)number;
	resumed = 1;
}

static void handle(int number, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };

	sigemptyset(&action.sa_mask);
	sigaction(number, &action, NULL);
}

bool screen_possible(void)
{
	return ui_terminal() && isatty(STDIN_FILENO);
}

int screen_open(void)
{
	size_t i;

	if (tcgetattr(STDIN_FILENO, &before) != 0)
		return -errno;
	for (i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		handle(fatal[i], on_fatal);
	handle(SIGWINCH, on_resize);
	handle(SIGTSTP, on_stop);
	handle(SIGCONT, on_resume);
	atexit(restore);
	enter();
	return 0;
}

void screen_close(void)
{
	size_t i;

	restore();
	for (i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		handle(fatal[i], SIG_DFL);
	handle(SIGWINCH, SIG_DFL);
	handle(SIGTSTP, SIG_DFL);
	handle(SIGCONT, SIG_DFL);
	free(shown);
	shown = NULL;
}

void screen_size(int *columns, int *lines)
{
	struct winsize size;

	*columns = 80;
	*lines = 24;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
		return;
	*columns = size.ws_col ? size.ws_col : *columns;
	*lines = size.ws_row ? size.ws_row : *lines;
}

/* --- keys ----------------------------------------------------------------------------------- */

/* Ctrl-Z: the shell gets its terminal as it was, and we get ours when we go on. */
static void stop(void)
{
	stopped = 0;
	restore();
	handle(SIGTSTP, SIG_DFL);
	raise(SIGTSTP);
	handle(SIGTSTP, on_stop);
	tcgetattr(STDIN_FILENO, &before);
	resumed = 1;
}

static int take(size_t len, int key)
{
	input_len -= len;
	memmove(input, input + len, input_len);
	return key;
}

/*
 * ESC [ digits letter, ESC O letter. A lone ESC is the key, if nothing followed it in time (late);
 * 0: wait for the rest.
 */
static int escape_take(bool late)
{
	static const struct {
		const char *sequence;
		int key;
	} keys[] = {
		{ "[A", SCREEN_UP },	{ "[B", SCREEN_DOWN },	{ "[5~", SCREEN_PAGE_UP },
		{ "OA", SCREEN_UP },	{ "OB", SCREEN_DOWN },	{ "[6~", SCREEN_PAGE_DOWN },
		{ "[H", SCREEN_HOME },	{ "[F", SCREEN_END },	{ "OH", SCREEN_HOME },
		{ "OF", SCREEN_END },	{ "[1~", SCREEN_HOME }, { "[4~", SCREEN_END },
		{ "[7~", SCREEN_HOME }, { "[8~", SCREEN_END },
	};
	size_t i, len;

	if (input_len == 1)
		return late ? take(1, SCREEN_ESCAPE) : SCREEN_NONE;
	if (input[1] != '[' && input[1] != 'O')
		return take(1, SCREEN_ESCAPE);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		len = strlen(keys[i].sequence);
		if (input_len > len && memcmp(input + 1, keys[i].sequence, len) == 0)
			return take(len + 1, keys[i].key);
	}
	for (len = 2; len < input_len && (input[len] < '@' || input[len] > '~'); len++)
		;
	if (len < input_len)
		return take(len + 1, SCREEN_OTHER);
	return late || input_len == sizeof(input) ? take(input_len, SCREEN_OTHER) : SCREEN_NONE;
}

static int input_take(bool late)
{
	if (input_len == 0)
		return SCREEN_NONE;
	if (input[0] == SCREEN_ESCAPE)
		return escape_take(late);
	return take(1, input[0] ? (unsigned char)input[0] : SCREEN_OTHER);
}

int screen_key(int ms)
{
	struct pollfd pollfd = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t len;
	int key;

	if (stopped)
		stop();
	if (resumed) { /* the shell had the terminal, and left its own modes */
		resumed = 0;
		enter();
		return SCREEN_RESIZED;
	}
	if (resized) {
		resized = 0;
		forget();
		return SCREEN_RESIZED;
	}
	key = input_take(false);
	if (key)
		return key;
	if (poll(&pollfd, 1, ms) <= 0) /* a signal is seen by the next call */
		return input_take(true);
	len = read(STDIN_FILENO, input + input_len, sizeof(input) - input_len);
	if (len > 0)
		input_len += (size_t)len;
	else if (len == 0 ? pollfd.revents & ~POLLIN : errno != EINTR && errno != EAGAIN)
		return SCREEN_CLOSED; /* no byte alone: somebody else took it */
	return input_take(false);
}

/* --- frames --------------------------------------------------------------------------------- */

struct out {
	char *at;
	size_t len, room;
};

static void out_add(struct out *out, const char *bytes, size_t len)
{
	size_t room = 2 * (out->len + len) + 1024;
	char *grown;

	if (out->len + len > out->room) {
		grown = realloc(out->at, room);
		if (!grown)
			return; /* a line is missing until the next frame */
		out->at = grown;
		out->room = room;
	}
	memcpy(out->at + out->len, bytes, len);
	out->len += len;
}

/* The next line of a frame; its length without the newline. */
static const char *line_next(const char **frame, size_t *left, size_t *len)
{
	const char *line = *frame, *end = *left ? memchr(line, '\n', *left) : NULL;

	*len = end ? (size_t)(end - line) : *left;
	*left -= *len + (end != NULL);
	*frame = line + *len + (end != NULL);
	return line;
}

static void write_all(const char *bytes, size_t len)
{
	ssize_t written;

	while (len > 0) {
		written = write(STDOUT_FILENO, bytes, len);
		if (written < 0 && errno != EINTR)
			return; /* gone: poll says so */
		if (written < 0 && ui_stop)
			return; /* a terminal that does not take it must not keep us */
		if (written > 0) {
			bytes += written;
			len -= (size_t)written;
		}
	}
}

void screen_show(const char *lines, size_t len)
{
	size_t old_left = shown ? shown_len : 0, left = len, old_len, new_len;
	const char *old = shown ? shown : "", *frame = lines, *was, *is;
	struct out out = { NULL, 0, 0 };
	char place[32], *copy;
	int columns, rows, row;

	screen_size(&columns, &rows);
	for (row = 1; row <= rows && (left || old_left); row++) {
		bool had = old_left > 0;

		was = line_next(&old, &old_left, &old_len);
		is = line_next(&frame, &left, &new_len);
		if (shown && had && old_len == new_len && memcmp(was, is, new_len) == 0)
			continue;
		/* erased first: behind the last column there is no place to erase from */
		out_add(&out, place,
			(size_t)snprintf(place, sizeof(place), "\033[%d;1H\033[K", row));
		out_add(&out, is, new_len);
	}
	write_all(out.at, out.len);
	free(out.at);
	copy = malloc(len + 1);
	if (copy)
		memcpy(copy, lines, len);
	free(shown);
	shown = copy;
	shown_len = copy ? len : 0;
}
