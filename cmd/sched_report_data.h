/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sched_report_data.h: what a report has accumulated; shared by the files that make it and that
 * write it.
 *
 * All text in it is printable (text_clean), but not escaped. Everything is bounded: what no longer
 * fits is counted, or takes the place of what mattered least. Included by sched_report.c,
 * sched_html.c and sched_picture.c only.
 */
#ifndef TACHO_CMD_SCHED_REPORT_DATA_H
#define TACHO_CMD_SCHED_REPORT_DATA_H

#include "sched_report.h"

#define REPORT_NOTES	    2000u /* half of them the first, half the last ones */
#define REPORT_JOBS	    1024u
#define REPORT_DOMAINS	    512u
#define REPORT_PAIRS	    1024u
#define REPORT_DOMAIN_SLOTS 2048u /* powers of two */
#define REPORT_PAIR_SLOTS   4096u
#define REPORT_CPUS	    TACHO_POLICY_CPUS

struct report_note {
	enum tacho_note_kind kind;
	double at_s;
	char name[40];
	int pid, tid;
	uint32_t nr_tasks, move;
	char from[40], to[40];
	uint32_t cpu; /* the first of to, or TACHO_POLICY_NONE */
	char policy[24], fact_name[32], progress[24];
	double fact, threshold, before, after;
	uint64_t pages;
	char text[200];
};

/* All runs of one program of a launch file. */
struct report_job {
	char label[112], command[200];
	unsigned started, ended, failed;
	double elapsed_s, min_s, max_s, user_s, system_s; /* sums, but min and max */
	int status; /* of the last one that ended */
};

/* What a domain did while it was looked at. */
struct report_domain {
	uint32_t id;
	int pid, tid;
	char name[40];
	double service_s, wait_s, wakes, io_bytes, net_bytes;
	double *on_s; /* by CPU of the report, REPORT_CPUS of room; NULL: no memory */
};

struct report_pair {
	uint32_t a, b; /* domains of the report, a < b */
	double wakes; /* in all */
	double together_s;
};

struct report_cpu {
	uint32_t id;
	double busy_s, runq_s;
};

struct sched_report {
	char host[128], command[400], policy[64], topology[200], metric[40];
	uint64_t start_ns, end_ns;
	double seen_s; /* that were looked at */
	struct report_note *notes; /* REPORT_NOTES; see report_note_at */
	uint64_t nr_notes; /* all of them */
	uint64_t kinds[TACHO_NR_NOTES], pages;
	struct report_job *jobs;
	size_t nr_jobs;
	struct report_domain *domains; /* REPORT_DOMAINS of room */
	uint32_t nr_domains;
	struct report_pair *pairs; /* REPORT_PAIRS of room */
	uint32_t nr_pairs;
	uint16_t domain_slots[REPORT_DOMAIN_SLOTS]; /* to find them: index + 1 */
	uint16_t pair_slots[REPORT_PAIR_SLOTS];
	uint32_t nr_replaced; /* domains, by this view */
	struct report_cpu *cpus;
	uint32_t nr_cpus;
	struct tacho_sched_totals totals;
	bool has_totals;
};

/* Those that are kept, in their order: at 0 .. report_nr_notes - 1. */
size_t report_nr_notes(const struct sched_report *report);
const struct report_note *report_note_at(const struct sched_report *report, size_t at);
/* A decision that a person wants to read: something was moved, or could not be. */
bool report_is_decision(const struct report_note *note);
/* "wake-ups/s 24000, threshold 500" or "". Returns text. */
const char *report_fact(const struct report_note *note, char *text, size_t size);
/* The name, and the number unless the name has it. Returns text. */
const char *report_who(const char *name, int pid, int tid, char *text, size_t size);
double report_seconds(const struct sched_report *report); /* from start to end */
/*
 * Indices of domains by service, of pairs by wake-ups, largest first; at most max. Returns how
 * many.
 */
uint32_t report_top_domains(const struct sched_report *report, uint32_t *index, uint32_t max);
uint32_t report_top_pairs(const struct sched_report *report, uint32_t *index, uint32_t max);

/* sched_picture.c: SVG into an HTML page. */
void picture_graph(const struct sched_report *report, FILE *file);
void picture_moves(const struct sched_report *report, FILE *file);
void picture_escape(FILE *file,
		    const char *text); /* for HTML and for SVG, in text and in attributes */
/* The colour of a processor, as of CSS. */
const char *picture_color(uint32_t cpu, char text[32]);

#endif /* TACHO_CMD_SCHED_REPORT_DATA_H */
