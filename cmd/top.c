/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top.c: tacho top: who uses the processors, who talks to whom, what the virtual machines do.
 *
 * Owns the options, the keys and the loop: read rows, end intervals, show snapshots. What is read is
 * in top_data.c, what it looks like in top_screen.c, how it gets to the terminal in screen.c. On a
 * terminal it fills the screen and is ended by q or Ctrl-C; elsewhere it prints one table, or one
 * JSON object, per interval. Called by main.c. Section 4.5 of paper 001.
 */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "screen.h"
#include "top.h"

#define SECOND_NS 1000000000ll
#define FIRST_NS  300000000ll /* the first frame of a screen comes early */
#define COLUMNS	  160 /* without a terminal */

enum {
	OPT_ASCII = 256,
	OPT_BY,
	OPT_COUNT,
	OPT_DOMAIN,
	OPT_EVENTS,
	OPT_FILTER,
	OPT_INTERVAL,
	OPT_IPC,
	OPT_JSON,
	OPT_ONCE,
	OPT_ROWS,
	OPT_SORT,
	OPT_VMS
};

static const struct ui_option options[] = {
	UI_OPTION_DOMAIN(OPT_DOMAIN),
	UI_OPTION_DOMAIN_BY(OPT_BY),
	{ "sort", OPT_SORT, "KEY", "cpu, wait, wakes, faults, rss, io, net or name [cpu]" },
	{ "filter", OPT_FILTER, "NAME",
	  "only domains with this in their name, or like this\n"
	  "pattern" },
	{ "rows", OPT_ROWS, "N", "at most N lines" },
	{ "ipc", OPT_IPC, NULL, "also the matrix of who wakes whom" },
	{ "vms", OPT_VMS, NULL, "also the virtual machines, with exits by reason" },
	{ "events", OPT_EVENTS, "PATTERN",
	  "more events: ipc.pipe, ipc.futex, irq, softirq, lock,\n"
	  "syscall" },
	{ "interval", OPT_INTERVAL, "SECONDS", "time between two tables [1]" },
	{ "count", OPT_COUNT, "N", "end after N intervals" },
	{ "once", OPT_ONCE, NULL, "one interval, one table, no screen" },
	{ "json", OPT_JSON, NULL, "one JSON object per interval and line" },
	{ "ascii", OPT_ASCII, NULL, "no characters beyond ASCII" },
	{ 0 },
};
static const struct ui_verb self = {
	"top",
	"[OPTION]...",
	"Shows live who uses the processors, waits for them, talks to whom, and what the\n"
	"virtual machines do. On a terminal: ? explains the keys, q ends it.",
	options,
};

struct top {
	struct top_choice choice;
	struct top_look look;
	struct top_data *data;
	const struct top_snapshot *latest; /* the last interval; NULL: none has ended yet */
	const struct top_snapshot *snapshot; /* what is shown: that one, none, or the frozen one */
	struct top_snapshot frozen; /* a copy, while it is paused */
	struct text text; /* the frame */
	double interval;
	uint64_t count; /* 0: until it is ended */
	bool once, json, ascii;
	bool is_screen;
	bool quit;
	char asking; /* the key whose question is on the screen, or 0 */
	char input[64]; /* the answer so far */
	char filter[64]; /* the filter before it was edited */
	char notice[512]; /* what to know before one looks, until a key is hit */
};

/* --- the command line ----------------------------------------------------------------------- */

static int parse_sort(struct top *top, const char *text)
{
	int sort;

	for (sort = 0; sort < TOP_NR_SORTS; sort++) {
		if (strcmp(text, top_sorts[sort].name) == 0) {
			top->look.sort = (enum top_sort)sort;
			return 0;
		}
	}
	return ui_usage(
		&self, "--sort %s: should be cpu, wait, wakes, faults, rss, io, net or name", text);
}

static int parse_events(struct top *top, const char *text)
{
	if (!top_events_match(text))
		return ui_usage(&self, "--events %s: no event that can be asked for is called so",
				text);
	top->choice.events[top->choice.nr_events++] = text;
	return 0;
}

static int parse_number(const char *option, const char *text, uint64_t max, uint64_t *number)
{
	if (ui_number(text, 1, max, number))
		return 0;
	return ui_usage(&self, "%s %s: should be a number from 1 on", option, text);
}

static int parse_interval(struct top *top, const char *text)
{
	if (ui_seconds(text, &top->interval) && top->interval >= 0.05 && top->interval <= 86400)
		return 0;
	return ui_usage(&self, "--interval %s: should be 0.05 to 86400 seconds", text);
}

static int parse_option(struct top *top, int found)
{
	const char *text = ui_argument;
	uint64_t number = 0;
	int status;

	switch (found) {
	case OPT_DOMAIN:
		top->choice.rules[top->choice.nr_rules++] = text;
		return 0;
	case OPT_BY:
		return ui_domain_by(&self, text, &top->choice.by);
	case OPT_SORT:
		return parse_sort(top, text);
	case OPT_FILTER:
		if (strlen(text) >= sizeof(top->look.filter))
			return ui_usage(&self, "--filter: longer than %zu bytes",
					sizeof(top->look.filter) - 1);
		snprintf(top->look.filter, sizeof(top->look.filter), "%s", text);
		return 0;
	case OPT_ROWS:
		status = parse_number("--rows", text, UINT32_MAX, &number);
		top->look.rows = (uint32_t)number;
		return status;
	case OPT_COUNT:
		return parse_number("--count", text, UINT64_MAX, &top->count);
	case OPT_EVENTS:
		return parse_events(top, text);
	case OPT_INTERVAL:
		return parse_interval(top, text);
	case OPT_IPC:
		top->look.ipc = true;
		return 0;
	case OPT_VMS:
		top->look.vms = top->choice.vms = true;
		return 0;
	case OPT_ONCE:
		top->once = true;
		return 0;
	case OPT_JSON:
		top->json = true;
		return 0;
	default:
		top->ascii = true;
		return 0;
	}
}

/* 0, or the complement of the exit status. */
static int parse(struct top *top, int argc, char **argv)
{
	int found, wrong;

	while ((found = ui_next(&self, argc, argv)) > 0) {
		wrong = parse_option(top, found);
		if (wrong)
			return ~wrong;
	}
	if (found < 0)
		return found;
	if (argc > ui_index)
		return ~ui_usage(&self, "what is %s? There are only options", argv[ui_index]);
	if (top->once && top->count > 1)
		return ~ui_usage(&self, "--once is one interval, --count %llu are more",
				 (unsigned long long)top->count);
	if (top->once)
		top->count = 1;
	wrong = ui_domains_check(&self, top->choice.rules, top->choice.nr_rules);
	return wrong ? ~wrong : 0;
}

/* --- showing -------------------------------------------------------------------------------- */

static int draw(struct top *top)
{
	struct top_look *look = &top->look;

	look->interval = top->interval;
	if (top->is_screen)
		screen_size(&look->columns, &look->lines);
	text_fini(&top->text);
	text_init(&top->text, look->columns, look->utf8, look->color);
	return top_draw(&top->text, top->snapshot, look);
}

static int screen_draw(struct top *top)
{
	int error = draw(top);

	if (!error)
		screen_show(top->text.at, top->text.len);
	return error;
}

static int show(struct top *top)
{
	int error;

	if (top->is_screen)
		return top->look.paused ? 0 : screen_draw(top);
	error = top->json ? ui_json_line(top_json(top->snapshot, &top->look)) : draw(top);
	if (!error && !top->json && fwrite(top->text.at, 1, top->text.len, stdout) != top->text.len)
		error = -EIO;
	if (!error && !top->json && top->count != 1)
		putchar('\n');
	if (fflush(stdout) != 0)
		error = -EIO;
	return error;
}

/* --- keys ----------------------------------------------------------------------------------- */

static void *copy(const void *from, size_t nr, size_t size)
{
	void *to = malloc(nr * size + 1);

	if (to)
		memcpy(to, from, nr * size);
	return to;
}

static void thaw(struct top *top)
{
	free(top->frozen.cpus);
	free(top->frozen.lines);
	free(top->frozen.vms);
	memset(&top->frozen, 0, sizeof(top->frozen));
	top->look.paused = false;
	if (top->latest)
		top->snapshot = top->latest;
}

/* Intervals go on, so that nothing is lost; what is on the screen can be sorted and searched. */
static void freeze(struct top *top)
{
	struct top_snapshot *frozen = &top->frozen;

	if (!top->latest)
		return;
	*frozen = *top->latest;
	frozen->cpus = copy(frozen->cpus, frozen->nr_cpus, sizeof(*frozen->cpus));
	frozen->lines = copy(frozen->lines, frozen->nr_lines, sizeof(*frozen->lines));
	frozen->vms = copy(frozen->vms, frozen->nr_vms, sizeof(*frozen->vms));
	if (!frozen->cpus || !frozen->lines || !frozen->vms) {
		thaw(top);
		return;
	}
	top->look.paused = true;
	top->snapshot = frozen;
}

static void ask(struct top *top, char key, const char *prompt, const char *answer)
{
	top->asking = key;
	top->look.prompt = prompt;
	top->look.input = top->input;
	snprintf(top->input, sizeof(top->input), "%s", answer);
}

static void answer_take(struct top *top)
{
	double seconds;

	if (top->asking == 'd' && top->input[0]) {
		if (ui_seconds(top->input, &seconds) && seconds >= 0.05 && seconds <= 86400)
			top->interval = seconds;
		else
			top->look.message = "that is no number of seconds from 0.05 to 86400";
	}
	top->asking = 0;
	top->look.prompt = NULL;
}

/* The whole last character goes. */
static void input_erase(char *input)
{
	size_t len = strlen(input);

	while (len > 0 && ((unsigned char)input[--len] & 0xc0) == 0x80)
		;
	input[len] = '\0';
}

static void answer_key(struct top *top, int key)
{
	size_t len = strlen(top->input);

	if (key == '\r' || key == '\n') {
		answer_take(top);
		return;
	}
	if (key == SCREEN_ESCAPE) {
		if (top->asking == '/')
			memcpy(top->look.filter, top->filter, sizeof(top->filter));
		top->asking = 0;
		top->look.prompt = NULL;
		return;
	}
	if (key == 0x7f || key == '\b')
		input_erase(top->input);
	else if (key == ('U' & 0x1f))
		top->input[0] = '\0';
	else if (key >= ' ' && key < 0x100 && len + 1 < sizeof(top->input))
		snprintf(top->input + len, sizeof(top->input) - len, "%c", key);
	/* seen while it is typed */
	if (top->asking == '/') {
		memcpy(top->look.filter, top->input, sizeof(top->look.filter));
		top->look.first = 0;
	}
}

static void move(struct top *top, long by)
{
	struct top_look *look = &top->look;
	long first = (long)look->first + by, nr = (long)top->snapshot->nr_lines;

	first = first < nr - 1 ? first : nr - 1;
	look->first = (uint32_t)(first > 0 ? first : 0);
}

static void sort_by(struct top *top, int sort)
{
	top->look.sort = (enum top_sort)(sort % TOP_NR_SORTS);
	top->look.first = 0;
}

static void move_key(struct top *top, int key)
{
	long page = top->look.lines > 12 ? top->look.lines - 10 : 1;

	switch (key) {
	case SCREEN_UP:
		move(top, -1);
		break;
	case SCREEN_DOWN:
		move(top, 1);
		break;
	case SCREEN_PAGE_UP:
		move(top, -page);
		break;
	case SCREEN_PAGE_DOWN:
		move(top, page);
		break;
	case SCREEN_HOME:
		top->look.first = 0;
		break;
	default:
		move(top, (long)top->snapshot->nr_lines - page);
		break;
	}
}

static void vms_key(struct top *top)
{
	top->look.vms = !top->look.vms;
	if (top->look.vms && top_data_vms(top->data))
		top->look.message = top_data_error(top->data);
}

static void command_key(struct top *top, int key)
{
	struct top_look *look = &top->look;
	char seconds[16];
	int i;

	for (i = 0; i < TOP_NR_SORTS; i++)
		if (key == top_sorts[i].letter)
			sort_by(top, i);
	switch (key) {
	case 'q':
		top->quit = true;
		break;
	case '?':
	case 'h':
		look->help = !look->help;
		break;
	case SCREEN_ESCAPE:
		look->help = false;
		break;
	case 'i':
		look->ipc = !look->ipc;
		break;
	case 'v':
		vms_key(top);
		break;
	case 's':
		sort_by(top, (int)look->sort + 1);
		break;
	case '/':
		memcpy(top->filter, look->filter, sizeof(top->filter));
		ask(top, '/', "only names with: ", look->filter);
		break;
	case 'd':
		snprintf(seconds, sizeof(seconds), "%g", top->interval);
		ask(top, 'd', "seconds between two tables: ", seconds);
		break;
	case 'p':
	case ' ':
		if (look->paused)
			thaw(top);
		else
			freeze(top);
		break;
	default:
		if (key >= SCREEN_UP && key <= SCREEN_END)
			move_key(top, key);
		break;
	}
}

/* Wait that long, or until something ends it; on a screen, do what keys say meanwhile. */
static int wait_ms(struct top *top, int ms)
{
	int key, error = 0;

	if (!top->is_screen) {
		poll(NULL, 0, ms);
		return 0;
	}
	for (key = screen_key(ms); key != SCREEN_NONE && !error; key = screen_key(0)) {
		if (key == SCREEN_CLOSED) {
			top->quit = true;
			return 0;
		}
		top->look.message = NULL;
		if (key != SCREEN_RESIZED && top->asking)
			answer_key(top, key);
		else if (key != SCREEN_RESIZED)
			command_key(top, key);
		if (top->quit)
			return 0;
		error = screen_draw(top);
	}
	return error;
}

/* --- the loop ------------------------------------------------------------------------------- */

static int64_t min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Until something ends it. 0 or -errno. */
static int follow(struct top *top)
{
	int64_t now = ui_now_ns(), read = now, begin = now, length;
	uint64_t intervals = 0;
	int ms, error = 0;

	while (!error && !ui_stop && !top->quit) {
		length = (int64_t)(top->interval * 1e9);
		if (top->is_screen && intervals == 0)
			length = min(length, FIRST_NS);
		now = ui_now_ns();
		ms = (int)((min(read, begin + length) - now + 999999) / 1000000);
		error = wait_ms(top, ms > 0 ? ms : 0);
		if (error || ui_stop || top->quit)
			break;
		now = ui_now_ns();
		if (now >= read) {
			ms = top_data_read(top->data);
			error = ms < 0 ? ms : 0;
			read = now + (int64_t)ms * 1000000;
		}
		if (!error && now >= begin + length) {
			error = top_data_interval(top->data, &top->latest);
			if (!error && !top->look.paused)
				top->snapshot = top->latest;
			/* a second stays a second, unless we were kept for longer */
			begin = now - begin - length < length / 4 ? begin + length : now;
			if (!error)
				error = show(top);
			if (++intervals == top->count)
				break;
		}
	}
	return error;
}

static void look_init(struct top *top)
{
	const char *charset;
	int lines;

	setlocale(LC_CTYPE, "");
	charset = nl_langinfo(CODESET);
	top->look.utf8 = !top->ascii && strcmp(charset, "UTF-8") == 0;
	top->look.color = ui_color(UI_BOLD)[0] != '\0';
	top->look.columns = COLUMNS;
	if (ui_terminal())
		screen_size(&top->look.columns, &lines);
	top->is_screen = !top->json && top->count == 0 && screen_possible();
}

/* What the numbers do not tell: names that are not known here, events that are missing. */
static void notice_give(struct top *top)
{
	const char *pids = ui_kernel_pids();
	char missing[400];

	if (top_data_missing(top->data, missing, sizeof(missing))) {
		snprintf(top->notice, sizeof(top->notice),
			 "this kernel does not give %s; tacho doctor says more", missing);
		if (!top->is_screen)
			ui_fail(&self, "%s", top->notice);
	}
	if (pids && !top->is_screen)
		ui_fail(&self, "%s", pids);
	if (pids)
		snprintf(top->notice, sizeof(top->notice), "%s", pids);
	if (top->is_screen && top->notice[0])
		top->look.message = top->notice;
}

static int run(struct top *top)
{
	static const struct top_snapshot nothing = { .clock = "" };
	char why[200];
	int error, status = UI_DONE;

	error = top_data_open(&top->data, &top->choice, why, sizeof(why));
	if (error)
		return ui_fail(&self, "%s", why);
	top->snapshot = &nothing;
	notice_give(top);
	if (top->is_screen) {
		error = screen_open();
		if (error)
			status = ui_fail(&self, "the terminal: %s", strerror(-error));
	}
	if (!error && top->is_screen)
		error = screen_draw(top);
	if (!error)
		error = follow(top);
	if (top->is_screen)
		screen_close();
	if (error && error != -EIO && status == UI_DONE)
		status = ui_fail(&self, "%s",
				 top_data_error(top->data)[0] ? top_data_error(top->data)
							      : strerror(-error));
	top_data_close(top->data);
	return ui_finish(&self, status);
}

int top_main(int argc, char **argv)
{
	struct top top = { .interval = 1 };
	int status;

	top.choice.rules = calloc((size_t)argc + 1, sizeof(*top.choice.rules));
	top.choice.events = calloc((size_t)argc + 1, sizeof(*top.choice.events));
	if (!top.choice.rules || !top.choice.events) {
		status = ui_fail(&self, "no memory");
	} else {
		status = ~parse(&top, argc, argv);
		if (status == ~0) {
			ui_catch_signals();
			look_init(&top);
			status = run(&top);
		}
	}
	thaw(&top);
	text_fini(&top.text);
	free(top.choice.events);
	free(top.choice.rules);
	return status;
}
