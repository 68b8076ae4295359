/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_screen.c: one frame of tacho top: header, table, views, status, keys.
 *
 * A pure function: snapshot, size and state of the screen in, lines of text out; the same in, the
 * same out. Must not know how the lines get to the terminal (screen.c), nor where the snapshot comes
 * from (top_data.c). Without a screen (lines 0) it prints everything, which is what a pipe gets.
 *
 * Colour has a meaning and nothing else has colour: green runs, yellow waits, red is wrong, cyan
 * talks, magenta is memory, blue is I/O. What is zero is a dim dot.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "top.h"

#define NUMBER	  6 /* columns of a number with the gap before it */
#define TREND	  (TOP_TREND + 2)
#define PARTNERS  18 /* columns at least */
#define NAME_MIN  12
#define NAME_GOOD 22 /* before the less important columns */
#define CELL_MIN  34 /* columns of a CPU */
#define CELL	  54 /* as it looks best */

static const char *dot(const struct text *text)
{
	return text->utf8 ? " · " : " | ";
}

/* A word that explains and a value that matters. */
static void fact(struct text *text, const char *label, const char *value, enum text_style style)
{
	text_style(text, TEXT_DIM);
	if (text->column > 1)
		text_put(text, dot(text));
	text_print(text, "%s ", label);
	text_style(text, style);
	text_put(text, value);
	text_style(text, TEXT_PLAIN);
}

/* --- the header ----------------------------------------------------------------------------- */

static void title_draw(struct text *text, const struct top_snapshot *snapshot,
		       const struct top_look *look)
{
	char words[128];

	text_style(text, TEXT_BOLD);
	text_put(text, "tacho top");
	text_style(text, TEXT_PLAIN);
	text_print(text, "  %u domain%s, by %s, every %g s", snapshot->nr_lines,
		   snapshot->nr_lines == 1 ? "" : "s", ui_kernel_by(snapshot->by), look->interval);
	if (look->filter[0]) {
		snprintf(words, sizeof(words), "only %s", look->filter);
		text_style(text, TEXT_WAIT);
		text_print(text, "%s%s", dot(text), words);
	}
	if (look->paused) {
		text_style(text, TEXT_WAIT);
		text_print(text, "%spaused", dot(text));
	}
	text_style(text, TEXT_DIM);
	if (text->column + 9 < text->limit)
		text_to(text, look->lines ? text->limit - 8 : text->column + 2);
	text_put(text, snapshot->clock);
	text_end(text);
}

/* Green: it runs. Yellow: somebody waits for it, red: many do. */
static enum text_style cpu_style(const struct top_cpu *cpu)
{
	return cpu->runq_mean > 4 ? TEXT_BAD : cpu->runq_mean > 1.5 ? TEXT_WAIT : TEXT_RUN;
}

static void cpu_draw(struct text *text, const struct top_snapshot *snapshot, uint32_t i, int width)
{
	const struct top_cpu *cpu = &snapshot->cpus[i];
	bool queue = snapshot->has[TACHO_K_CPU_RUNQ];
	int from = text->column, bar = width - 13 - (queue ? 15 : 0);
	char number[TEXT_NUMBER_SIZE];

	text_style(text, TEXT_DIM);
	text_print(text, "cpu%-3u", cpu->cpu);
	text_bar(text, cpu->busy / 100, bar > 40 ? 40 : bar, cpu_style(cpu));
	text_style(text, TEXT_PLAIN);
	text_right(text, text_percent(number, cpu->busy), 6);
	text_style(text, TEXT_DIM);
	text_put(text, "%");
	if (queue) {
		text_put(text, " queue");
		text_style(text, cpu_style(cpu) == TEXT_RUN ? TEXT_PLAIN : cpu_style(cpu));
		text_print(text, " %3.*f", cpu->runq_mean < 9.95, fmin(cpu->runq_mean, 999));
		text_style(text, TEXT_DIM);
		text_print(text, "/%-3u", cpu->runq_max);
	}
	text_style(text, TEXT_PLAIN);
	text_to(text, from + width);
}

/* Too many for bars: one character for each. */
static void strip_draw(struct text *text, const struct top_snapshot *snapshot, int lines)
{
	uint32_t per_line = (uint32_t)(text->limit > 16 ? text->limit - 8 : 8) / 8 * 8, i;

	for (i = 0; i < snapshot->nr_cpus; i++) {
		const struct top_cpu *cpu = &snapshot->cpus[i];

		if (i % per_line == 0) {
			if (i)
				text_end(text);
			if (lines-- == 0)
				return;
			text_style(text, TEXT_DIM);
			text_print(text, "cpu%-4u", cpu->cpu);
		}
		text_style(text, cpu_style(cpu));
		text_level(text, (int)ceil(cpu->busy / 100 * 8 - 0.1));
	}
	text_end(text);
}

static void cpus_draw(struct text *text, const struct top_snapshot *snapshot,
		      const struct top_look *look)
{
	int lines = look->lines ? (look->lines > 12 ? look->lines / 4 : 2) : INT32_MAX;
	int nr = (int)snapshot->nr_cpus, per_line, i;

	if (nr == 0)
		return;
	per_line = text->limit / CELL > 1 ? text->limit / CELL : 1;
	while ((nr + per_line - 1) / per_line > lines && text->limit / (per_line + 1) >= CELL_MIN)
		per_line++;
	per_line = per_line < nr ? per_line : nr;
	if ((nr + per_line - 1) / per_line > lines) {
		strip_draw(text, snapshot, lines);
		return;
	}
	for (i = 0; i < nr; i++) {
		cpu_draw(text, snapshot, (uint32_t)i, text->limit / per_line);
		if ((i + 1) % per_line == 0 || i + 1 == nr)
			text_end(text);
	}
}

/* Whether the numbers can be believed. */
static void account_draw(struct text *text, const struct top_snapshot *snapshot)
{
	double off = fabs(snapshot->accounted - 100);
	char words[48];

	if (!snapshot->has[TACHO_K_CPU_SERVICE])
		return;
	snprintf(words, sizeof(words), "%.1f%% of %u CPU%s", snapshot->busy, snapshot->nr_cpus,
		 snapshot->nr_cpus == 1 ? "" : "s");
	fact(text, "busy", words, TEXT_BOLD);
	snprintf(words, sizeof(words), "%.2f%%", snapshot->accounted);
	fact(text, "accounted", words, off <= 0.1 ? TEXT_RUN : off <= 1 ? TEXT_WAIT : TEXT_BAD);
	if (snapshot->overflow) {
		snprintf(words, sizeof(words), "%llu tasks: no domain was left",
			 (unsigned long long)snapshot->overflow);
		fact(text, "in other", words, TEXT_BAD);
	}
	text_end(text);
}

/* What the machine does in a second. */
static void totals_draw(struct text *text, const struct top_snapshot *snapshot)
{
	static const struct {
		enum top_value value;
		const char *label;
	} totals[] = {
		{ TOP_SLICES, "switches" }, { TOP_WAKES, "wake-ups" }, { TOP_MIGRATIONS, "moves" },
		{ TOP_FAULTS, "faults" },   { TOP_READ, "read" },      { TOP_WRITE, "written" },
		{ TOP_RECEIVED, "net in" }, { TOP_SENT, "net out" },
	};
	char number[TEXT_NUMBER_SIZE];
	const char *string;
	size_t i;

	for (i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
		const struct top_value_info *info = &top_values[totals[i].value];

		if (!snapshot->has[info->event] || text->column + 20 > text->limit)
			continue;
		string = top_format(number, info->unit, snapshot->total[totals[i].value]);
		fact(text, totals[i].label, string[0] ? string : "0",
		     string[0] ? info->style : TEXT_DIM);
	}
	if (text->column)
		text_style(text, TEXT_DIM), text_put(text, " per second");
	text_end(text);
}

/* --- the table ------------------------------------------------------------------------------ */

/* Which columns there is room for. */
struct columns {
	bool value[TOP_NR_VALUES];
	bool trend;
	int name;
	int partners; /* 0: none */
};

static int value_width(enum top_value value)
{
	int width = (int)strlen(top_values[value].title) + 1;

	return width > NUMBER ? width : NUMBER;
}

static int name_longest(const struct text *text, const struct top_snapshot *snapshot)
{
	int width, longest = 0;
	uint32_t i;

	for (i = 0; i < snapshot->nr_lines; i++) {
		width = text_width(snapshot->lines[i].name, text->utf8);
		longest = width > longest ? width : longest;
	}
	return longest;
}

/* Give the names what they want, at most left columns. Returns how many that are. */
static int name_grow(struct columns *columns, int wanted, int left)
{
	int more = wanted - columns->name;

	more = more < left ? more : left;
	more = more > 0 ? more : 0;
	columns->name += more;
	return more;
}

static void columns_choose(struct columns *columns, const struct text *text,
			   const struct top_snapshot *snapshot, const struct top_look *look)
{
	int left = text->limit - NAME_MIN, rank, i, width;
	int longest = name_longest(text, snapshot);
	bool partners = false;

	memset(columns, 0, sizeof(*columns));
	columns->name = NAME_MIN;
	for (rank = 0; rank < 16; rank++) {
		for (i = 0; i < TOP_NR_VALUES; i++) {
			const struct top_value_info *info = &top_values[i];

			if (!info->title || !snapshot->has[info->event])
				continue;
			/* what is sorted by is always shown */
			if ((i == (int)top_sorts[look->sort].value ? 0 : info->rank) != rank)
				continue;
			width = value_width((enum top_value)i);
			columns->value[i] = width <= left;
			left -= columns->value[i] ? width : 0;
		}
		if (rank == 2 && snapshot->has[TACHO_K_IPC_WAKE] && left >= PARTNERS) {
			partners = true;
			left -= PARTNERS;
		}
		if (rank == 3 && left >= TREND) {
			columns->trend = true;
			left -= TREND;
		}
		if (rank == 4)
			left -= name_grow(columns, longest < NAME_GOOD ? longest : NAME_GOOD, left);
	}
	left -= name_grow(columns, longest, left);
	columns->partners = partners ? PARTNERS + left : 0;
}

static void table_head(struct text *text, const struct columns *columns, enum top_sort sort)
{
	const char *mark = text->utf8 ? "▾" : ">";
	char title[32];
	int i;

	snprintf(title, sizeof(title), "%sDOMAIN", sort == TOP_BY_NAME ? mark : "");
	text_style(text, sort == TOP_BY_NAME ? TEXT_CHOSEN : TEXT_HEAD);
	text_left(text, title, columns->name);
	for (i = 0; i < TOP_NR_VALUES; i++) {
		bool chosen = top_sorts[sort].value == (enum top_value)i;

		if (!columns->value[i])
			continue;
		snprintf(title, sizeof(title), "%s%s", chosen ? mark : "", top_values[i].title);
		text_style(text, chosen ? TEXT_CHOSEN : TEXT_HEAD);
		text_right(text, title, value_width((enum top_value)i));
		text_style(text, TEXT_HEAD);
		if (i == TOP_CPU && columns->trend)
			text_left(text, " TREND", TREND);
	}
	if (columns->partners)
		text_put(text, "  PARTNERS");
	text_fill(text, text->limit);
	text_end(text);
}

static void trend_draw(struct text *text, const struct top_line *line)
{
	int i, from = text->column;

	text_to(text, from + 1);
	text_style(text, TEXT_RUN);
	for (i = 0; i < TOP_TREND; i++) /* a little is not nothing */
		text_level(text, (line->trend[i] * 8 + 99) / 100);
	text_style(text, TEXT_PLAIN);
	text_to(text, from + TREND);
}

static void partners_draw(struct text *text, const struct top_line *line, int width)
{
	int end = text->column + width, room;
	char number[TEXT_NUMBER_SIZE];
	uint32_t i;

	for (i = 0; i < line->nr_partners; i++) {
		const char *rate = top_format(number, TOP_RATE, line->partner[i].rate);
		int name = text_width(line->partner[i].name, text->utf8);

		room = end - text->column - 3 - (int)strlen(rate);
		if (!rate[0] || room < (name < 8 ? name : 8))
			break;
		text_to(text, text->column + 2);
		text_left(text, line->partner[i].name, name < room ? name : room);
		text_style(text, TEXT_TALK);
		text_print(text, " %s", rate);
		text_style(text, TEXT_PLAIN);
	}
}

/* Small numbers of what is only sometimes a reason to look stay plain. */
static enum text_style value_style(enum top_value value, double x)
{
	if (value == TOP_WAIT)
		return x >= 50 ? TEXT_BAD : x >= 5 ? TEXT_WAIT : TEXT_PLAIN;
	if (value == TOP_CPU)
		return x >= 1 ? TEXT_RUN : TEXT_PLAIN;
	return top_values[value].style;
}

static void line_draw(struct text *text, const struct columns *columns, const struct top_line *line)
{
	int i;

	text_style(text, line->is_gone ? TEXT_DIM : line->is_vm ? TEXT_BOLD : TEXT_PLAIN);
	text_left(text, line->name, columns->name);
	text_style(text, TEXT_PLAIN);
	for (i = 0; i < TOP_NR_VALUES; i++) {
		if (!columns->value[i])
			continue;
		top_draw_number(text, top_values[i].unit, line->value[i],
				value_width((enum top_value)i),
				value_style((enum top_value)i, line->value[i]));
		if (i == TOP_CPU && columns->trend)
			trend_draw(text, line);
	}
	if (columns->partners)
		partners_draw(text, line, columns->partners);
	text_end(text);
}

static int table_draw(struct text *text, const struct top_snapshot *snapshot,
		      const struct top_look *look, int lines)
{
	uint32_t *order = calloc(snapshot->nr_lines + 1, sizeof(*order));
	uint32_t nr, first, last;
	struct columns columns;

	if (!order)
		return -ENOMEM;
	columns_choose(&columns, text, snapshot, look);
	nr = top_order(snapshot, look->sort, look->filter, order);
	if (look->rows && nr > look->rows)
		nr = look->rows;
	table_head(text, &columns, look->sort);
	lines--;
	first = look->first < nr ? look->first : nr ? nr - 1 : 0;
	last = nr - first < (uint32_t)lines ? nr : first + (uint32_t)lines;
	for (; first < last; first++)
		line_draw(text, &columns, &snapshot->lines[order[first]]);
	if (nr == 0 && snapshot->nr_lines && lines > 0) {
		text_style(text, TEXT_DIM);
		text_put(text, "no domain is called so");
		text_end(text);
	}
	free(order);
	return 0;
}

/* --- the bottom ----------------------------------------------------------------------------- */

/* What tacho top missed, and what it costs itself. */
static void status_draw(struct text *text, const struct top_snapshot *snapshot)
{
	char number[TEXT_NUMBER_SIZE], words[256] = "nothing";
	size_t len = 0;
	uint32_t i;

	for (i = 0; i < TOP_NR_LOST; i++)
		if (snapshot->lost[i] && len < sizeof(words))
			len += (size_t)snprintf(
				words + len, sizeof(words) - len, "%s%llu %s", len ? ", " : "",
				(unsigned long long)snapshot->lost[i], top_lost_name(i));
	fact(text, "lost", words, snapshot->lost_now ? TEXT_BAD : len ? TEXT_WAIT : TEXT_PLAIN);
	snprintf(words, sizeof(words), "%.1f%% of a CPU", snapshot->own_cpu);
	fact(text, "tacho top itself:", words, snapshot->own_cpu > 5 ? TEXT_WAIT : TEXT_PLAIN);
	snprintf(words, sizeof(words), "%s events/s", text_rate(number, snapshot->own_events));
	fact(text, "reads", words, TEXT_PLAIN);
	text_end(text);
}

static void keys_draw(struct text *text, const struct top_look *look)
{
	static const struct {
		const char *key, *what;
	} keys[] = { { "?", "help" },	{ "i", "ipc" },	  { "v", "vms" },   { "s", "sort" },
		     { "/", "filter" }, { "d", "delay" }, { "p", "pause" }, { "q", "quit" } };
	size_t i;

	if (look->prompt || look->message) {
		text_style(text, TEXT_BOLD);
		text_put(text, look->prompt ? look->prompt : look->message);
		text_style(text, TEXT_PLAIN);
		if (look->prompt) {
			text_put(text, look->input);
			text_style(text, TEXT_HEAD);
			text_put(text, " ");
		}
		text_end(text);
		return;
	}
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		text_style(text, TEXT_HEAD);
		text_print(text, " %s ", keys[i].key);
		text_style(text, TEXT_DIM);
		text_print(text, " %s  ", keys[i].what);
	}
	text_end(text);
}

/* --- the frame ------------------------------------------------------------------------------ */

/* How many lines of left ones the views get: half, or all if there is hardly a table. */
static int views_lines(const struct top_snapshot *snapshot, const struct top_look *look, int left)
{
	int want = 0;

	if (look->ipc)
		want += 1 + (int)snapshot->nr_matrix;
	if (look->vms)
		want += 1 + (int)snapshot->nr_vms;
	if (left < 10)
		return want ? left : 0;
	return want < left / 2 ? want : left / 2;
}

/* In that many lines; machines are few, the matrix gets the rest. */
static void views_draw(struct text *text, const struct top_snapshot *snapshot,
		       const struct top_look *look, int lines)
{
	int machines = look->vms ? 1 + (int)snapshot->nr_vms : 0;

	if (look->ipc && machines > lines / 2)
		machines = lines / 2;
	if (look->ipc && !look->lines)
		text_end(text);
	if (look->ipc)
		top_draw_ipc(text, snapshot, lines - machines);
	if (look->vms && !look->lines)
		text_end(text);
	if (look->vms)
		top_draw_vms(text, snapshot, machines < lines ? machines : lines);
}

static void fill(struct text *text, int lines)
{
	while (text->lines < lines)
		text_end(text);
}

static int plain_draw(struct text *text, const struct top_snapshot *snapshot,
		      const struct top_look *look)
{
	int error = table_draw(text, snapshot, look, INT32_MAX);

	views_draw(text, snapshot, look, INT32_MAX);
	status_draw(text, snapshot);
	return error;
}

int top_draw(struct text *text, const struct top_snapshot *snapshot, const struct top_look *look)
{
	int bottom = look->lines > 8 ? 2 : 1, left, views, error = 0;

	title_draw(text, snapshot, look);
	if (snapshot->wall_ns == 0) {
		text_put(text, "measuring the first interval...");
		text_end(text);
	} else {
		if (!look->lines || look->lines > 6)
			cpus_draw(text, snapshot, look);
		if (!look->lines || look->lines > 10)
			account_draw(text, snapshot);
		if (!look->lines || look->lines > 14)
			totals_draw(text, snapshot);
		if (!look->lines)
			error = plain_draw(text, snapshot, look);
	}
	if (!look->lines)
		return error || text->failed ? -ENOMEM : 0;
	left = look->lines - text->lines - bottom;
	if (look->help) {
		top_draw_help(text, snapshot, left);
	} else if (snapshot->wall_ns && left > 0) {
		views = views_lines(snapshot, look, left);
		if (left - views > 1)
			error = table_draw(text, snapshot, look, left - views);
		fill(text, look->lines - bottom - views);
		views_draw(text, snapshot, look, views);
	}
	fill(text, look->lines - bottom);
	if (bottom == 2)
		status_draw(text, snapshot);
	keys_draw(text, look);
	return error || text->failed ? -ENOMEM : 0;
}
