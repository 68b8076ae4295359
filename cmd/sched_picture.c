// SPDX-License-Identifier: BSD-2-Clause
/*
 * sched_picture.c: the pictures of the report, as SVG that stands in the page itself.
 *
 * Owns two: who communicated with whom and where they ran, as a circle of domains with lines
 * between them; and when who was placed where, as a row per domain. Colours mean processors. Needs
 * nothing but a browser: no script, no font, no network. Every text that came from outside goes
 * through picture_escape. Called by sched_html.c.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sched_report_data.h"

#define GRAPH_DOMAINS 24u
#define GRAPH_PAIRS   64u
#define GRAPH_WIDTH   900
#define GRAPH_HEIGHT  620
#define MOVE_ROWS     40u
#define ROW_HEIGHT    18
#define MOVE_WIDTH    900
#define MOVE_LEFT     190

void picture_escape(FILE *file, const char *text)
{
	static const char marks[] = "<>&\"'";
	static const char *const escapes[] = { "&lt;", "&gt;", "&amp;", "&quot;", "&#39;" };
	const char *mark;

	for (; *text; text++) {
		mark = strchr(marks, *text);
		if (mark)
			fputs(escapes[mark - marks], file);
		else
			fputc(*text, file);
	}
}

/* Hues that follow each other by the golden angle are far from each other. */
const char *picture_color(uint32_t cpu, char text[32])
{
	if (cpu == TACHO_POLICY_NONE)
		snprintf(text, 32, "#999999");
	else
		snprintf(text, 32, "hsl(%u,60%%,50%%)", cpu * 137 % 360);
	return text;
}

/* --- who communicates ------------------------------------------------------------------------- */

/* The CPU on which it ran most, and how much of its service that was. */
static uint32_t home_of(const struct sched_report *report, const struct report_domain *domain,
			double *share)
{
	uint32_t cpu, best = 0;

	*share = 0;
	if (!domain->on_s || report->nr_cpus == 0 || !(domain->service_s > 0))
		return TACHO_POLICY_NONE;
	for (cpu = 1; cpu < report->nr_cpus; cpu++)
		if (domain->on_s[cpu] > domain->on_s[best])
			best = cpu;
	*share = domain->on_s[best] / domain->service_s;
	return report->cpus[best].id;
}

struct graph {
	uint32_t domain[GRAPH_DOMAINS]; /* in the order of the circle */
	uint32_t nr;
	uint32_t pair[GRAPH_PAIRS];
	uint32_t nr_pairs;
};

static uint32_t graph_find(const struct graph *graph, uint32_t domain)
{
	uint32_t i;

	for (i = 0; i < graph->nr && graph->domain[i] != domain; i++)
		;
	return i;
}

/* Those who communicate most, partners beside each other; then those who ran most. */
static void graph_choose(const struct sched_report *report, struct graph *graph)
{
	uint32_t top[GRAPH_DOMAINS], nr, i;

	graph->nr = 0;
	graph->nr_pairs = report_top_pairs(report, graph->pair, GRAPH_PAIRS);
	for (i = 0; i < graph->nr_pairs; i++) {
		const struct report_pair *pair = &report->pairs[graph->pair[i]];

		if (graph->nr + 2 > GRAPH_DOMAINS)
			break;
		if (graph_find(graph, pair->a) == graph->nr)
			graph->domain[graph->nr++] = pair->a;
		if (graph_find(graph, pair->b) == graph->nr)
			graph->domain[graph->nr++] = pair->b;
	}
	nr = report_top_domains(report, top, GRAPH_DOMAINS);
	for (i = 0; i < nr && graph->nr < GRAPH_DOMAINS && i < 8; i++)
		if (graph_find(graph, top[i]) == graph->nr)
			graph->domain[graph->nr++] = top[i];
}

static double angle_of(uint32_t at, uint32_t nr)
{
	return 2 * M_PI * at / nr - M_PI / 2;
}

static double x_of(double angle, double radius)
{
	return GRAPH_WIDTH / 2.0 + radius * cos(angle);
}

static double y_of(double angle, double radius)
{
	return GRAPH_HEIGHT / 2.0 + radius * sin(angle);
}

static void graph_pairs(const struct sched_report *report, const struct graph *graph, FILE *file)
{
	uint32_t i, a, b;
	double most = 0;

	for (i = 0; i < graph->nr_pairs; i++)
		most = fmax(most, report->pairs[graph->pair[i]].wakes);
	for (i = 0; i < graph->nr_pairs; i++) {
		const struct report_pair *pair = &report->pairs[graph->pair[i]];

		a = graph_find(graph, pair->a);
		b = graph_find(graph, pair->b);
		if (a == graph->nr || b == graph->nr)
			continue;
		fprintf(file,
			"<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#555555\" "
			"stroke-opacity=\"0.55\" stroke-width=\"%.1f\"><title>",
			x_of(angle_of(a, graph->nr), 220), y_of(angle_of(a, graph->nr), 220),
			x_of(angle_of(b, graph->nr), 220), y_of(angle_of(b, graph->nr), 220),
			1 + 9 * sqrt(pair->wakes / most));
		picture_escape(file, report->domains[pair->a].name);
		fputs(" and ", file);
		picture_escape(file, report->domains[pair->b].name);
		fprintf(file, ": %.0f wake-ups/s</title></line>\n", pair->wakes / report->seen_s);
	}
}

static void graph_domain(const struct sched_report *report, const struct graph *graph, uint32_t at,
			 FILE *file)
{
	const struct report_domain *domain = &report->domains[graph->domain[at]];
	double angle = angle_of(at, graph->nr), share;
	double load = report->seen_s > 0 ? domain->service_s / report->seen_s : 0;
	uint32_t cpu = home_of(report, domain, &share);
	bool left = cos(angle) < -0.01;
	char color[32], who[64];

	fprintf(file,
		"<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\" stroke=\"#222222\"><title>",
		x_of(angle, 220), y_of(angle, 220), 6 + 14 * sqrt(fmin(load, 2) / 2),
		picture_color(cpu, color));
	picture_escape(file, report_who(domain->name, domain->pid, domain->tid, who, sizeof(who)));
	fprintf(file, ": %.1f%% of a CPU", 100 * load);
	if (cpu != TACHO_POLICY_NONE)
		fprintf(file, ", %.0f%% of it on CPU %u", 100 * share, cpu);
	fprintf(file,
		"</title></circle>\n<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" "
		"dominant-baseline=\"middle\">",
		x_of(angle, 248), y_of(angle, 248),
		left		    ? "end"
		: cos(angle) > 0.01 ? "start"
				    : "middle");
	picture_escape(file, who);
	if (cpu != TACHO_POLICY_NONE)
		fprintf(file, " (CPU %u: %.0f%%)", cpu, 100 * share);
	fputs("</text>\n", file);
}

void picture_graph(const struct sched_report *report, FILE *file)
{
	struct graph graph;
	uint32_t i;

	graph_choose(report, &graph);
	if (graph.nr == 0) {
		fputs("<p>Nothing was looked at.</p>\n", file);
		return;
	}
	fprintf(file,
		"<svg viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" "
		"aria-label=\"who communicated with whom\">\n",
		GRAPH_WIDTH, GRAPH_HEIGHT, GRAPH_WIDTH, GRAPH_HEIGHT);
	graph_pairs(report, &graph, file);
	for (i = 0; i < graph.nr; i++)
		graph_domain(report, &graph, i, file);
	fputs("</svg>\n", file);
}

/* --- when who was placed ---------------------------------------------------------------------- */

/* A task or domain that was moved, and where it is now. */
struct row {
	char name[40];
	int pid, tid;
	double since_s; /* < 0: it is not placed */
	uint32_t cpu;
	char to[40];
};

/* Its row, or nr: it has none. */
static uint32_t row_find(const struct row *rows, uint32_t nr, const struct report_note *note)
{
	uint32_t i;

	for (i = 0; i < nr; i++)
		if (rows[i].pid == note->pid && rows[i].tid == note->tid &&
		    strcmp(rows[i].name, note->name) == 0)
			break;
	return i;
}

static void row_add(struct row *rows, uint32_t *nr, const struct report_note *note)
{
	uint32_t i = row_find(rows, *nr, note);

	if (i < *nr || i == MOVE_ROWS)
		return;
	rows[i] = (struct row){ .pid = note->pid, .tid = note->tid, .since_s = -1 };
	memcpy(rows[i].name, note->name, sizeof(rows[i].name));
	(*nr)++;
}

static double x_at(const struct sched_report *report, double at_s)
{
	double all = report_seconds(report);

	return MOVE_LEFT + (MOVE_WIDTH - MOVE_LEFT - 10) * (all > 0 ? fmin(at_s / all, 1) : 0);
}

/* What lasted from its beginning until then. */
static void row_bar(const struct sched_report *report, const struct row *row, uint32_t at,
		    double until_s, FILE *file)
{
	double x = x_at(report, row->since_s), end = x_at(report, until_s);
	char color[32];

	fprintf(file, "<rect x=\"%.1f\" y=\"%u\" width=\"%.1f\" height=\"%d\" fill=\"%s\"><title>",
		x, at * ROW_HEIGHT + 3, fmax(end - x, 1.5), ROW_HEIGHT - 6,
		picture_color(row->cpu, color));
	picture_escape(file, row->name);
	fputs(" on CPU ", file);
	picture_escape(file, row->to);
	fprintf(file, " from %.2f s to %.2f s</title></rect>\n", row->since_s, until_s);
}

static bool is_placing(const struct report_note *note)
{
	return note->kind == TACHO_NOTE_PLACE && note->cpu != TACHO_POLICY_NONE;
}

static bool is_releasing(const struct report_note *note)
{
	return note->kind == TACHO_NOTE_RELEASE || note->kind == TACHO_NOTE_TAKE_BACK ||
	       note->kind == TACHO_NOTE_USER;
}

static void note_draw(const struct sched_report *report, const struct report_note *note,
		      struct row *rows, uint32_t nr, FILE *file)
{
	bool placing = is_placing(note);
	uint32_t at;

	if (!placing && !is_releasing(note))
		return;
	at = row_find(rows, nr, note);
	if (at == nr)
		return; /* never placed, or there are too many */
	if (rows[at].since_s >= 0)
		row_bar(report, &rows[at], at, note->at_s, file);
	rows[at].since_s = placing ? note->at_s : -1;
	rows[at].cpu = note->cpu;
	memcpy(rows[at].to, note->to, sizeof(rows[at].to));
	if (note->kind == TACHO_NOTE_TAKE_BACK) {
		fprintf(file,
			"<text x=\"%.1f\" y=\"%u\" fill=\"#cc0000\" text-anchor=\"middle\">"
			"&#215;<title>taken back: ",
			x_at(report, note->at_s), at * ROW_HEIGHT + 14);
		picture_escape(file, note->text);
		fputs("</title></text>\n", file);
	}
}

/* The axis, at the foot. */
static void axis_draw(const struct sched_report *report, uint32_t nr, FILE *file)
{
	double all = report_seconds(report), step = pow(10, floor(log10(fmax(all, 0.001)))), at;

	if (all / step < 3)
		step /= 5;
	for (at = 0; at <= all; at += step)
		fprintf(file,
			"<line x1=\"%.1f\" y1=\"0\" x2=\"%.1f\" y2=\"%u\" stroke=\"#dddddd\"/>"
			"<text x=\"%.1f\" y=\"%u\" text-anchor=\"middle\">%g s</text>\n",
			x_at(report, at), x_at(report, at), nr * ROW_HEIGHT, x_at(report, at),
			nr * ROW_HEIGHT + 14, at);
}

void picture_moves(const struct sched_report *report, FILE *file)
{
	size_t nr_notes = report_nr_notes(report), i;
	struct row *rows = calloc(MOVE_ROWS + 1, sizeof(*rows));
	uint32_t nr = 0, at;
	char who[64];

	for (i = 0; rows && i < nr_notes; i++) /* to know how high it is */
		if (is_placing(report_note_at(report, i)))
			row_add(rows, &nr, report_note_at(report, i));
	if (nr == 0) {
		fputs("<p>Nothing was moved.</p>\n", file);
		free(rows);
		return;
	}
	fprintf(file,
		"<svg viewBox=\"0 0 %d %u\" width=\"%d\" height=\"%u\" role=\"img\" "
		"aria-label=\"when who was placed where\">\n",
		MOVE_WIDTH, nr * ROW_HEIGHT + 20, MOVE_WIDTH, nr * ROW_HEIGHT + 20);
	axis_draw(report, nr, file);
	for (at = 0; at < nr; at++) {
		fprintf(file, "<text x=\"%d\" y=\"%u\" text-anchor=\"end\">", MOVE_LEFT - 8,
			at * ROW_HEIGHT + 14);
		picture_escape(file, report_who(rows[at].name, rows[at].pid, rows[at].tid, who,
						sizeof(who)));
		fputs("</text>\n", file);
	}
	for (i = 0; i < nr_notes; i++)
		note_draw(report, report_note_at(report, i), rows, nr, file);
	for (i = 0; i < nr; i++)
		if (rows[i].since_s >= 0)
			row_bar(report, &rows[i], (uint32_t)i, report_seconds(report), file);
	fputs("</svg>\n", file);
	free(rows);
}
