/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_views.c: what keys switch on in tacho top: the matrix of who wakes whom, the virtual machines,
 * the help.
 *
 * Each is a part of the frame that top_screen.c makes, from the same snapshot. Pure: no clock, no
 * file, no area. Section 4.3.4 of paper 001 for the matrix, paper 004 for the exits.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "top.h"

#define CELL 8 /* columns of a cell of the matrix */

void top_draw_number(struct text *text, enum top_unit unit, double x, int width,
		     enum text_style style)
{
	char number[TEXT_NUMBER_SIZE];
	const char *string = top_format(number, unit, x);

	if (isnan(x)) {
		text_to(text, text->column + width);
		return;
	}
	text_style(text, string[0] ? style : TEXT_DIM);
	text_right(text, string[0] ? string : text_nothing(text), width);
	text_style(text, TEXT_PLAIN);
}

/* --- the matrix ----------------------------------------------------------------------------- */

/* 1 to 4, in steps of a power, because rates differ by orders of magnitude. */
static int shade(double rate, double max)
{
	if (rate < 0.05)
		return 0;
	return 1 + (int)(3.999 * log1p(rate) / log1p(max));
}

static void matrix_cell(struct text *text, double rate, double max)
{
	static const enum text_style styles[] = { TEXT_DIM, TEXT_DIM, TEXT_PLAIN, TEXT_TALK,
						  TEXT_TALK };
	int level = shade(rate, max);

	level = level > 4 ? 4 : level;
	text_to(text, text->column + 1);
	text_style(text, styles[level]);
	text_shade(text, level);
	top_draw_number(text, TOP_RATE, rate, CELL - 2, styles[level]);
}

/* With a letter: cut names may look the same. */
static void matrix_name(struct text *text, const struct top_snapshot *snapshot, int i, int width)
{
	char name[TOP_NAME + 4];

	snprintf(name, sizeof(name), "%c %s", 'a' + i, snapshot->matrix_name[i]);
	text_left(text, name, width);
}

void top_draw_ipc(struct text *text, const struct top_snapshot *snapshot, int lines)
{
	int nr = (int)snapshot->nr_matrix, rows, columns, name, row, column;
	double max = 0;

	name = text->limit > 80 ? 20 : text->limit / 4;
	columns = (text->limit - name) / CELL;
	columns = columns < nr ? columns : nr;
	rows = lines - 1 < nr ? lines - 1 : nr;
	if (lines < 1)
		return;
	text_style(text, TEXT_HEAD);
	text_left(text, "WAKER", name);
	for (column = 0; column < columns; column++) {
		text_put(text, " ");
		matrix_name(text, snapshot, column, CELL - 1);
	}
	if (nr == 0 || columns < 1)
		text_put(text, !snapshot->has[TACHO_K_IPC_WAKE] ? " ipc.wake is not to be had here"
			       : nr == 0			? " no domain wakes another one"
								: " the window is too narrow");
	text_fill(text, text->limit);
	text_end(text);
	for (row = 0; row < nr; row++)
		for (column = 0; column < nr; column++)
			max = fmax(max, snapshot->rate[row][column]);
	for (row = 0; row < rows && columns > 0; row++) {
		matrix_name(text, snapshot, row, name);
		for (column = 0; column < columns; column++)
			matrix_cell(text, snapshot->rate[row][column], max);
		text_end(text);
	}
}

/* --- virtual machines ----------------------------------------------------------------------- */

static void vm_reasons(struct text *text, const struct top_vm *vm)
{
	char number[TEXT_NUMBER_SIZE];
	uint32_t i;

	for (i = 0; i < vm->nr_reasons; i++) {
		const char *rate = top_format(number, TOP_RATE, vm->reason[i].rate);
		int width = text_width(vm->reason[i].name, text->utf8) + (int)strlen(rate) + 3;

		if (text->column + width > text->limit || !rate[0])
			break;
		text_to(text, text->column + 2);
		text_style(text, vm->reason[i].userspace ? TEXT_WAIT : TEXT_PLAIN);
		text_put(text, vm->reason[i].name);
		text_style(text, TEXT_TALK);
		text_print(text, " %s", rate);
	}
	text_style(text, TEXT_PLAIN);
}

void top_draw_vms(struct text *text, const struct top_snapshot *snapshot, int lines)
{
	static const char *const titles[] = { "vCPU%", "IO%",	"VHOST%", "GUEST%",
					      "HALT%", "EXITS", "USER",	  "IRQS" };
	static const enum top_unit units[] = { TOP_PERCENT, TOP_PERCENT, TOP_PERCENT, TOP_PERCENT,
					       TOP_PERCENT, TOP_RATE,	 TOP_RATE,    TOP_RATE };
	static const enum text_style styles[] = { TEXT_RUN,  TEXT_RUN,	 TEXT_RUN,  TEXT_RUN,
						  TEXT_WAIT, TEXT_PLAIN, TEXT_WAIT, TEXT_PLAIN };
	int name = text->limit >= 80 ? 16 : 8;
	uint32_t i, k;

	if (lines < 1)
		return;
	text_style(text, TEXT_HEAD);
	text_left(text, name < 16 ? "MACHINE" : "VIRTUAL MACHINE", name);
	for (k = 0; k < 8; k++)
		text_right(text, titles[k], 7);
	text_put(text, snapshot->nr_vms ? "  EXITS BY REASON" : "  none runs");
	text_fill(text, text->limit);
	text_end(text);
	for (i = 0; i < snapshot->nr_vms && (int)i < lines - 1; i++) {
		const struct top_vm *vm = &snapshot->vms[i];
		const double values[] = { vm->vcpu, vm->io,    vm->vhost,     vm->run,
					  vm->halt, vm->exits, vm->userspace, vm->irqs };

		text_left(text, vm->name, name);
		for (k = 0; k < 8; k++)
			top_draw_number(text, units[k], values[k], 7, styles[k]);
		vm_reasons(text, vm);
		text_end(text);
	}
}

/* --- help ----------------------------------------------------------------------------------- */

static void help_key(struct text *text, const char *key, const char *what)
{
	text_style(text, TEXT_BOLD);
	text_right(text, key, 10);
	text_style(text, TEXT_PLAIN);
	text_print(text, "  %s", what);
	text_end(text);
}

void top_draw_help(struct text *text, const struct top_snapshot *snapshot, int lines)
{
	static const struct {
		const char *key, *what;
	} keys[] = {
		{ "i", "who wakes whom, as a matrix" },
		{ "v", "virtual machines, their exits by reason" },
		{ "s", "the next sort key" },
		{ "/", "show only names with this in it, or like this pattern" },
		{ "d", "another interval" },
		{ "p, space", "pause: the screen stays, nothing is lost meanwhile" },
		{ "arrows", "move through the table; page up and down, home, end" },
		{ "q", "quit" },
	};
	int first = text->lines;
	char letter[4];
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]) && text->lines - first < lines; i++)
		help_key(text, keys[i].key, keys[i].what);
	for (i = 0; i < TOP_NR_SORTS && text->lines - first < lines; i++) {
		char what[32];

		snprintf(letter, sizeof(letter), "%c", top_sorts[i].letter);
		snprintf(what, sizeof(what), "sort by %s", top_sorts[i].name);
		help_key(text, letter, what);
	}
	if (text->lines - first < lines)
		text_end(text);
	for (i = 0; i < TOP_NR_VALUES && text->lines - first < lines; i++) {
		if (!top_values[i].title || !snapshot->has[top_values[i].event])
			continue;
		text_style(text, top_values[i].style);
		text_right(text, top_values[i].title, 10);
		text_style(text, TEXT_PLAIN);
		text_print(text, "  %s", top_values[i].meaning);
		text_end(text);
	}
	if (text->lines - first < lines) {
		text_right(text, "PARTNERS", 10);
		text_put(text, "  whom it wakes and who wakes it most, wake-ups per second");
		text_end(text);
	}
}
