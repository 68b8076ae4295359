/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * demo_picture.c: who runs where and talks to whom: a box for each processor, an arrow for each two
 * that talk.
 *
 * Owns the form only. A program that ran on two processors stands in both boxes, with its share of
 * each. Pure: what is drawn is in the struct demo_picture. Called by demo_mix.c.
 */
#include <string.h>

#include "demo.h"

#define BOX   24 /* columns of a box, with its frame */
#define ROOM  6 /* names in a box */
#define FEW   4 /* processors that are all shown */
#define LEAST 0.005 /* share of a processor that is shown */

static const struct {
	const char *left_top, *right_top, *left_bottom, *right_bottom, *across, *down;
	const char *to_left, *to_right, *line;
} marks[2] = {
	{ "+", "+", "+", "+", "-", "|", "<", ">", "-" },
	{ "┌", "┐", "└", "┘", "─", "│", "◀", "▶", "─" },
};
#define MARK(text, name) (marks[(text)->utf8].name)

static void times(struct text *text, const char *mark, int n)
{
	while (n-- > 0)
		text_put(text, mark);
}

static double cpu_sum(const struct demo_picture *picture, uint32_t cpu)
{
	double sum = 0;
	uint32_t i;

	for (i = 0; i < picture->nr_tasks; i++)
		sum += picture->tasks[i].share[cpu];
	return sum;
}

/* The n-th name in the box of a CPU, largest share first; nr_tasks: there are fewer. */
static uint32_t task_at(const struct demo_picture *picture, uint32_t cpu, uint32_t n)
{
	uint32_t i, j, before;
	double share;

	for (i = 0; i < picture->nr_tasks; i++) {
		share = picture->tasks[i].share[cpu];
		if (share < LEAST)
			continue;
		before = 0;
		for (j = 0; j < picture->nr_tasks; j++)
			before += picture->tasks[j].share[cpu] > share ||
				  (j < i && picture->tasks[j].share[cpu] == share);
		if (before == n)
			return i;
	}
	return picture->nr_tasks;
}

static void box_edge(struct text *text, bool top)
{
	text_style(text, TEXT_DIM);
	text_put(text, top ? MARK(text, left_top) : MARK(text, left_bottom));
	times(text, MARK(text, across), BOX - 2);
	text_put(text, top ? MARK(text, right_top) : MARK(text, right_bottom));
	text_style(text, TEXT_PLAIN);
}

static void box_name(const struct demo_picture *picture, struct text *text, uint32_t cpu,
		     uint32_t n)
{
	uint32_t i = task_at(picture, cpu, n);
	char share[16] = "";

	text_style(text, TEXT_DIM);
	text_put(text, MARK(text, down));
	text_style(text, TEXT_PLAIN);
	if (i < picture->nr_tasks) {
		snprintf(share, sizeof(share), "%.0f %%", picture->tasks[i].share[cpu] * 100);
		text_style(text, picture->tasks[i].is_placed ? TEXT_RUN : TEXT_BOLD);
		text_put(text, " ");
		text_left(text, picture->tasks[i].name, BOX - 11);
		text_style(text, TEXT_PLAIN);
		text_right(text, share, 7);
		text_put(text, " ");
	} else {
		text_left(text, "", BOX - 2);
	}
	text_style(text, TEXT_DIM);
	text_put(text, MARK(text, down));
	text_style(text, TEXT_PLAIN);
}

/* One row of boxes. */
static void boxes_draw(const struct demo_picture *picture, struct text *text, const uint32_t *cpus,
		       uint32_t nr)
{
	uint32_t i, n, height = 1;
	char title[48];

	for (i = 0; i < nr; i++)
		while (height < ROOM && task_at(picture, cpus[i], height) < picture->nr_tasks)
			height++;
	for (i = 0; i < nr; i++) {
		snprintf(title, sizeof(title), "CPU %u: %.0f %% by these", picture->cpus[cpus[i]],
			 cpu_sum(picture, cpus[i]) * 100);
		text_put(text, "  ");
		text_left(text, title, BOX);
	}
	text_end(text);
	for (n = 0; n < height + 2; n++) {
		for (i = 0; i < nr; i++) {
			text_put(text, "  ");
			if (n == 0 || n == height + 1)
				box_edge(text, n == 0);
			else
				box_name(picture, text, cpus[i], n - 1);
		}
		text_end(text);
	}
}

/* 0..1: how likely each of them is on another CPU than the other; < 0: one of them did not run. */
static double apart(const struct demo_picture *picture, uint32_t a, uint32_t b)
{
	double sum_a = 0, sum_b = 0, both = 0;
	uint32_t cpu;

	for (cpu = 0; cpu < picture->nr_cpus; cpu++) {
		sum_a += picture->tasks[a].share[cpu];
		sum_b += picture->tasks[b].share[cpu];
		both += picture->tasks[a].share[cpu] * picture->tasks[b].share[cpu];
	}
	return sum_a > 0 && sum_b > 0 ? 1 - both / (sum_a * sum_b) : -1;
}

static void link_draw(const struct demo_picture *picture, struct text *text, uint32_t i)
{
	uint32_t a = picture->links[i].a, b = picture->links[i].b;
	double far = apart(picture, a, b);
	char rate[TEXT_NUMBER_SIZE];

	text_put(text, "  ");
	text_right(text, picture->tasks[a].name, 10);
	text_put(text, " ");
	text_style(text, TEXT_TALK);
	text_put(text, MARK(text, to_left));
	times(text, MARK(text, line), 3);
	text_right(text, text_rate(rate, picture->links[i].rate), 6);
	text_put(text, "/s ");
	times(text, MARK(text, line), 3);
	text_put(text, MARK(text, to_right));
	text_style(text, TEXT_PLAIN);
	text_put(text, " ");
	text_left(text, picture->tasks[b].name, 10);
	text_style(text, far > 0.5 ? TEXT_WAIT : far > 0.05 ? TEXT_PLAIN : TEXT_RUN);
	if (far > 0.05)
		text_print(text, "  %.0f %% across CPUs", far * 100);
	else if (far >= 0)
		text_put(text, "  on one CPU");
	text_style(text, TEXT_PLAIN);
	text_end(text);
}

static void asleep_draw(const struct demo_picture *picture, struct text *text)
{
	uint32_t i, nr = 0;

	for (i = 0; i < picture->nr_tasks; i++)
		if (picture->tasks[i].is_paused)
			text_print(text, "%s%s",
				   nr++ ? ", " : "  asleep: ", picture->tasks[i].name);
	if (nr)
		text_end(text);
}

void demo_picture_draw(const struct demo_picture *picture, struct text *text)
{
	uint32_t per_row = (uint32_t)(text->limit > 3 * (BOX + 2) ? text->limit / (BOX + 2) : 2);
	uint32_t shown[DEMO_CPUS], nr = 0, i;

	/* of many processors only those on which somebody ran */
	for (i = 0; i < picture->nr_cpus; i++)
		if (picture->nr_cpus <= FEW || cpu_sum(picture, i) >= LEAST)
			shown[nr++] = i;
	for (i = 0; i < nr; i += per_row)
		boxes_draw(picture, text, shown + i, nr - i < per_row ? nr - i : per_row);
	for (i = 0; i < picture->nr_links; i++)
		if (!picture->tasks[picture->links[i].a].is_paused &&
		    !picture->tasks[picture->links[i].b].is_paused)
			link_draw(picture, text, i);
	asleep_draw(picture, text);
}
