// SPDX-License-Identifier: BSD-2-Clause
/*
 * mould.c: mould.log read back: which thread ran on which CPU when, and a player that has it done
 * again.
 *
 * Owns the syntax of the file and the search in it. The writer is cmd/sched_logs.c. Steps are
 * sorted by label, thread and time, so that one thread's life is a run of them. The bytes may be
 * anything; the player binds nobody itself, but tells its caller. Mode bm of Clavis, paper 003.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lines.h"
#include "mould.h"

#define MAX_FILE    (64u << 20)
#define MAX_LABELS  65536u
#define MAX_LABEL   128u
#define MAX_SECONDS 1e9
#define MAX_NUMBER  4294967294.0

struct parse {
	struct tacho_i_lines lines;
	struct tacho_mould *mould;
	size_t room, start_room;
	int error; /* -ENOMEM */
};

#define REFUSE(parse, ...) tacho_i_lines_refuse(&(parse)->lines, (parse)->lines.line, __VA_ARGS__)

/* --- parsing ---------------------------------------------------------------------------------- */

/* Where it is among the labels by name, or would be. */
static bool label_search(const struct tacho_mould *mould, const char *label, size_t *at)
{
	size_t low = 0, high = mould->nr_labels, middle;
	int order;

	while (low < high) {
		middle = (low + high) / 2;
		order = strcmp(mould->labels[mould->order[middle]], label);
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*at = low;
	return low < mould->nr_labels && strcmp(mould->labels[mould->order[low]], label) == 0;
}

/* The number of the label, made if it is new; UINT32_MAX: it has been refused. */
static uint32_t label_get(struct parse *parse, const char *label)
{
	struct tacho_mould *mould = parse->mould;
	size_t at;

	if (label_search(mould, label, &at))
		return mould->order[at];
	if (strlen(label) >= MAX_LABEL || mould->nr_labels == MAX_LABELS) {
		if (mould->nr_labels == MAX_LABELS)
			REFUSE(parse, "more than %u labels", MAX_LABELS);
		else
			REFUSE(parse, "the label is longer than %u bytes", MAX_LABEL - 1);
		return UINT32_MAX;
	}
	mould->labels[mould->nr_labels] = strdup(label);
	if (!mould->labels[mould->nr_labels]) {
		parse->error = -ENOMEM;
		return UINT32_MAX;
	}
	memmove(&mould->order[at + 1], &mould->order[at],
		(mould->nr_labels - at) * sizeof(*mould->order));
	mould->order[at] = (uint32_t)mould->nr_labels;
	return (uint32_t)mould->nr_labels++;
}

static bool number_get(struct parse *parse, const char *what, const char *word, double max,
		       uint32_t *value)
{
	double number;

	if (!word) {
		REFUSE(parse, "the %s is missing", what);
		return false;
	}
	if (!tacho_i_is_number(word, &number) || !(number >= 0 && number <= max) ||
	    number != floor(number)) {
		REFUSE(parse, "the %s is a whole number from 0 to %.0f, not \"%.40s\"", what, max,
		       word);
		return false;
	}
	*value = (uint32_t)number;
	return true;
}

static void step_add(struct parse *parse, struct tacho_mould_step **steps, size_t *nr, size_t *room,
		     struct tacho_mould_step step)
{
	struct tacho_mould_step *grown;

	if (*nr == *room) {
		*room = 2 * *room + 64;
		grown = realloc(*steps, *room * sizeof(*grown));
		if (!grown) {
			parse->error = -ENOMEM;
			return;
		}
		*steps = grown;
	}
	(*steps)[(*nr)++] = step;
}

static bool seconds_get(struct parse *parse, const char *word, double *seconds)
{
	if (!tacho_i_is_number(word, seconds) || !(*seconds >= 0 && *seconds <= MAX_SECONDS)) {
		REFUSE(parse, "expected seconds from 0 to %.0f, not \"%.40s\"", MAX_SECONDS, word);
		return false;
	}
	return true;
}

static void line_parse(struct parse *parse, char *text)
{
	struct tacho_mould_step step = { .line = parse->lines.line };
	const char *seconds = tacho_i_next_word(&text), *what = tacho_i_next_word(&text);
	const char *label = tacho_i_next_word(&text), *thread = tacho_i_next_word(&text);
	bool on = what && strcmp(what, "on") == 0;
	uint32_t ignored;

	if (!seconds_get(parse, seconds, &step.at_s))
		return;
	if (!on && (!what || (strcmp(what, "start") != 0 && strcmp(what, "end") != 0))) {
		REFUSE(parse, "expected start, on or end behind the seconds%s%.40s%s",
		       what ? ", not \"" : "", what ? what : "", what ? "\"" : "");
		return;
	}
	if (!label) {
		REFUSE(parse, "the label is missing");
		return;
	}
	if (thread && strcmp(thread, "*") == 0)
		step.thread = TACHO_MOULD_ALL;
	else if (!number_get(parse, "thread", thread, MAX_NUMBER, &step.thread))
		return;
	if (!on) {
		if (!number_get(parse, "run", tacho_i_next_word(&text), MAX_NUMBER, &ignored) ||
		    !number_get(parse, "number of the task", tacho_i_next_word(&text), MAX_NUMBER,
				&ignored))
			return;
	} else if (!number_get(parse, "CPU", tacho_i_next_word(&text), TACHO_POLICY_CPUS - 1,
			       &step.cpu)) {
		return;
	}
	text = tacho_i_skip_blanks(text);
	if (*text) {
		REFUSE(parse, "behind the line stands \"%.40s\"", text);
		return;
	}
	if (strcmp(what, "end") != 0) {
		step.label = label_get(parse, label);
		if (step.label == UINT32_MAX)
			return;
	}
	if (on)
		step_add(parse, &parse->mould->steps, &parse->mould->nr_steps, &parse->room, step);
	else if (*what == 's')
		step_add(parse, &parse->mould->starts, &parse->mould->nr_starts, &parse->start_room,
			 step);
}

/*
 * By label, thread and time. Those of one time are in the order of the file, and the last one
 * counts: see thin_out. Line 0, of a key, is before them all.
 */
static int by_thread(const void *a, const void *b)
{
	const struct tacho_mould_step *x = a, *y = b;

	if (x->label != y->label)
		return x->label < y->label ? -1 : 1;
	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	if (x->at_s != y->at_s)
		return x->at_s < y->at_s ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

static bool is_same_thread(const struct tacho_mould_step *a, const struct tacho_mould_step *b)
{
	return a->label == b->label && a->thread == b->thread;
}

/* Of one time the last line counts; steps that change nothing are not needed. */
static void thin_out(struct tacho_mould *mould)
{
	struct tacho_mould_step *steps = mould->steps;
	size_t i, nr = 0;

	for (i = 0; i < mould->nr_steps; i++) {
		if (nr > 0 && is_same_thread(&steps[nr - 1], &steps[i]) &&
		    steps[nr - 1].at_s == steps[i].at_s)
			nr--;
		if (nr > 0 && is_same_thread(&steps[nr - 1], &steps[i]) &&
		    steps[nr - 1].cpu == steps[i].cpu)
			continue;
		steps[nr++] = steps[i];
	}
	mould->nr_steps = nr;
}

static void content_free(struct tacho_mould *mould)
{
	size_t i;

	for (i = 0; i < mould->nr_labels; i++)
		free(mould->labels[i]);
	free(mould->labels);
	free(mould->order);
	free(mould->steps);
	free(mould->starts);
	mould->labels = NULL;
	mould->order = NULL;
	mould->steps = mould->starts = NULL;
	mould->nr_labels = mould->nr_steps = mould->nr_starts = 0;
}

void tacho_mould_fini(struct tacho_mould *mould)
{
	content_free(mould);
	free(mould->errors);
	*mould = (struct tacho_mould){ 0 };
}

int tacho_mould_parse(struct tacho_mould *mould, const char *name, const char *text, size_t size)
{
	struct parse parse = { .mould = mould };
	char *line;

	*mould = (struct tacho_mould){ 0 };
	parse.error = tacho_i_lines_init(&parse.lines, name, text, size);
	mould->labels = calloc(MAX_LABELS, sizeof(*mould->labels));
	mould->order = calloc(MAX_LABELS, sizeof(*mould->order));
	if (!mould->labels || !mould->order)
		parse.error = -ENOMEM;
	while (!parse.error && (line = tacho_i_lines_next(&parse.lines))) {
		line = tacho_i_skip_blanks(line);
		if (*line && *line != '#')
			line_parse(&parse, line);
	}
	if (!parse.error && mould->nr_steps == 0 && parse.lines.nr_errors == 0)
		tacho_i_lines_refuse(&parse.lines, 0, "there is nothing to replay in it");
	parse.error =
		tacho_i_lines_end(&parse.lines, parse.error, &mould->errors, &mould->nr_errors);
	if (parse.error)
		content_free(mould);
	if (mould->nr_steps) {
		qsort(mould->steps, mould->nr_steps, sizeof(*mould->steps), by_thread);
		thin_out(mould);
	}
	if (mould->nr_starts)
		qsort(mould->starts, mould->nr_starts, sizeof(*mould->starts), by_thread);
	return parse.error;
}

int tacho_mould_read(struct tacho_mould *mould, const char *file)
{
	char *text;
	size_t size;
	int error;

	*mould = (struct tacho_mould){ 0 };
	error = tacho_i_file_read(file, MAX_FILE, &text, &size);
	if (error)
		return tacho_i_file_refuse(file, "mould", MAX_FILE, error, &mould->errors,
					   &mould->nr_errors);
	error = tacho_mould_parse(mould, file, text, size);
	free(text);
	return error;
}

/* --- the search ------------------------------------------------------------------------------- */

/* The first of these steps, or starts, that is not before (label, thread, at_s). */
static size_t first_from(const struct tacho_mould_step *steps, size_t nr, uint32_t label,
			 uint32_t thread, double at_s)
{
	const struct tacho_mould_step key = { .at_s = at_s, .label = label, .thread = thread };
	size_t low = 0, middle;

	while (low < nr) {
		middle = (low + nr) / 2;
		if (by_thread(&steps[middle], &key) < 0)
			low = middle + 1;
		else
			nr = middle;
	}
	return low;
}

static int thread_cpu(const struct tacho_mould *mould, uint32_t label, uint32_t thread, double at_s,
		      double *until)
{
	const struct tacho_mould_step *steps = mould->steps;
	size_t first = first_from(steps, mould->nr_steps, label, thread, -1), at;

	if (first == mould->nr_steps || steps[first].label != label ||
	    steps[first].thread != thread)
		return -1;
	/* the last one that is not later; before the first one: that */
	at = first_from(steps, mould->nr_steps, label, thread, nextafter(at_s, INFINITY));
	at = at > first ? at - 1 : first;
	if (at + 1 < mould->nr_steps && is_same_thread(&steps[at], &steps[at + 1]))
		*until = steps[at + 1].at_s;
	return (int)steps[at].cpu;
}

static uint32_t label_find(const struct tacho_mould *mould, const char *label)
{
	size_t at;

	return label_search(mould, label, &at) ? mould->order[at] : UINT32_MAX;
}

int tacho_mould_cpu(const struct tacho_mould *mould, const char *label, uint32_t thread,
		    double at_s, double *until)
{
	uint32_t number = label_find(mould, label);
	double next = -1;
	int cpu = -1;

	if (number != UINT32_MAX) {
		cpu = thread_cpu(mould, number, thread, at_s, &next);
		if (cpu < 0)
			cpu = thread_cpu(mould, number, TACHO_MOULD_ALL, at_s, &next);
	}
	if (until)
		*until = next;
	return cpu;
}

/* --- the player ------------------------------------------------------------------------------- */

/* A thread that lives. */
struct played {
	const char *label; /* the mould's */
	int pid, tid;
	uint32_t thread;
	int cpu; /* as bound */
	double shift; /* seconds from the file's time to ours */
	double until; /* of our time */
};

struct tacho_mould_player {
	const struct tacho_mould *mould;
	void (*bind)(void *arg, int tid, const struct tacho_cpus *cpus);
	void *arg;
	struct played *threads;
	size_t nr, room;
	bool *used; /* starts of the mould that have been played */
};

int tacho_mould_player_open(struct tacho_mould_player **player_out, const struct tacho_mould *mould,
			    void (*bind)(void *arg, int tid, const struct tacho_cpus *cpus),
			    void *arg)
{
	struct tacho_mould_player *player = calloc(1, sizeof(*player));

	if (!player)
		return -ENOMEM;
	player->mould = mould;
	player->bind = bind;
	player->arg = arg;
	player->used = calloc(mould->nr_starts + 1, sizeof(*player->used));
	if (!player->used) {
		free(player);
		return -ENOMEM;
	}
	*player_out = player;
	return 0;
}

void tacho_mould_player_close(struct tacho_mould_player *player)
{
	if (!player)
		return;
	free(player->threads);
	free(player->used);
	free(player);
}

static void thread_play(struct tacho_mould_player *player, struct played *thread, double at_s)
{
	struct tacho_cpus cpus;
	int cpu;

	cpu = tacho_mould_cpu(player->mould, thread->label, thread->thread, at_s - thread->shift,
			      &thread->until);
	if (thread->until >= 0) {
		thread->until += thread->shift;
		if (thread->until <= at_s) /* by the last digit of a sum */
			thread->until = nextafter(at_s, INFINITY);
	}
	if (cpu < 0 || cpu == thread->cpu)
		return;
	thread->cpu = cpu;
	cpus = tacho_cpus_one((uint32_t)cpu);
	player->bind(player->arg, thread->tid, &cpus);
}

/* From the start in the file, of this run or of the last one there is, to a start now. */
static double shift_of(struct tacho_mould_player *player, uint32_t label, uint32_t thread,
		       double at_s)
{
	const struct tacho_mould_step *starts = player->mould->starts;
	const size_t nr = player->mould->nr_starts;
	size_t at = first_from(starts, nr, label, thread, -1);

	if (at == nr || starts[at].label != label || starts[at].thread != thread)
		return 0;
	while (player->used[at] && at + 1 < nr && is_same_thread(&starts[at], &starts[at + 1]))
		at++;
	player->used[at] = true;
	return at_s - starts[at].at_s;
}

int tacho_mould_thread(struct tacho_mould_player *player, const char *label, int pid, int tid,
		       uint32_t thread, double at_s)
{
	uint32_t number = label_find(player->mould, label);
	struct played *grown;
	double shift;

	if (number == UINT32_MAX)
		return 0; /* not in this play */
	if (player->nr == player->room) {
		grown = realloc(player->threads, (2 * player->room + 16) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		player->threads = grown;
		player->room = 2 * player->room + 16;
	}
	shift = shift_of(player, number, thread, at_s);
	player->threads[player->nr] = (struct played){ .label = player->mould->labels[number],
						       .pid = pid,
						       .tid = tid,
						       .thread = thread,
						       .cpu = -1,
						       .shift = shift,
						       .until = -1 };
	thread_play(player, &player->threads[player->nr++], at_s);
	return 0;
}

void tacho_mould_ended(struct tacho_mould_player *player, int pid)
{
	size_t i, nr = 0;

	for (i = 0; i < player->nr; i++)
		if (player->threads[i].pid != pid)
			player->threads[nr++] = player->threads[i];
	player->nr = nr;
}

double tacho_mould_play(struct tacho_mould_player *player, double at_s)
{
	double next = -1;
	size_t i;

	for (i = 0; i < player->nr; i++) {
		struct played *thread = &player->threads[i];

		if (thread->until >= 0 && thread->until <= at_s)
			thread_play(player, thread, at_s);
		if (thread->until >= 0 && (next < 0 || thread->until < next))
			next = thread->until;
	}
	return next;
}
