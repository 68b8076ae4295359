/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top.h: what the files of tacho top share.
 *
 *   top_data.c      the session with the kernel: rows -> facts
 *   top_snapshot.c  facts -> struct top_snapshot                                (pure)
 *   top_table.c     the values of a line; which lines, in which order           (pure)
 *   top_screen.c    struct top_snapshot + struct top_look -> lines of text      (pure)
 *   top_views.c     the same for the matrix, the virtual machines, the help     (pure)
 *   top_json.c      struct top_snapshot -> a JSON object                        (pure)
 *   top.c           options, keys, the loop
 *
 * A snapshot is one interval, complete and in plain numbers: who draws it needs nothing else. Pure
 * means: no clock, no file, no area, so that tests compare what comes out. One thread.
 */
#ifndef TACHO_CMD_TOP_H
#define TACHO_CMD_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/kernel.h"
#include "text.h"
#include "ui.h"

#define TOP_NAME     32 /* bytes of the name of a domain */
#define TOP_TREND    8 /* intervals that a line remembers */
#define TOP_PARTNERS 3
#define TOP_MATRIX   16 /* domains of the matrix */
#define TOP_VMS	     64
#define TOP_REASONS  8 /* per virtual machine */

/* What is known of a domain. The order of the columns; see top_values for what each one is. */
enum top_value {
	TOP_CPU,
	TOP_P50,
	TOP_P99,
	TOP_SLICES,
	TOP_WAIT,
	TOP_MIGRATIONS,
	TOP_WAKES,
	TOP_WOKEN,
	TOP_FAULTS,
	TOP_RSS,
	TOP_READ,
	TOP_WRITE,
	TOP_LATENCY,
	TOP_RECEIVED,
	TOP_SENT,
	TOP_SOCKET_SENT,
	TOP_SOCKET_RECEIVED,
	TOP_PIPE_WRITTEN,
	TOP_PIPE_READ,
	TOP_FUTEXES,
	TOP_SYSCALLS,
	TOP_SYSCALL_TIME,
	TOP_IRQ_TIME,
	TOP_SOFTIRQ_TIME,
	TOP_LOCK_TIME,
	TOP_NR_VALUES,
};

enum top_unit { TOP_PERCENT, TOP_RATE, TOP_BYTES, TOP_NS };

struct top_value_info {
	const char *json; /* name of the member */
	const char *title; /* of the column; NULL: not in the table */
	const char *meaning; /* for the help */
	enum top_unit unit;
	uint32_t event; /* that it comes from: without it the value is not known */
	enum text_style style;
	int rank; /* the least important columns, of the highest rank, give way to a narrow window */
};
extern const struct top_value_info top_values[TOP_NR_VALUES];

struct top_partner {
	char name[TOP_NAME];
	uint32_t domain;
	double rate; /* wake-ups in either direction, per second */
};

/* One domain that did something. */
struct top_line {
	char name[TOP_NAME]; /* printable */
	uint32_t domain;
	int pid; /* of a process of it, or 0 */
	bool is_vm;
	bool is_gone; /* it has ended */
	double value
		[TOP_NR_VALUES]; /* per second, in percent of one CPU, in bytes, in ns; NAN: not known */
	unsigned char trend[TOP_TREND]; /* CPU percent, at most 255, the last one is now */
	struct top_partner partner[TOP_PARTNERS];
	uint32_t nr_partners;
};

struct top_cpu {
	uint32_t cpu;
	double busy; /* percent */
	double runq_mean;
	uint32_t runq_max;
	double switches; /* per second */
};

struct top_reason {
	char name[40];
	bool userspace;
	double rate;
};

struct top_vm {
	char name[TOP_NAME];
	double vcpu, io, vhost; /* percent of one CPU; NAN: not told apart */
	double run, halt; /* percent of the time, of all vCPUs together */
	double exits, userspace, irqs; /* per second */
	struct top_reason reason[TOP_REASONS];
	uint32_t nr_reasons;
};

#define TOP_OVERWRITTEN TACHO_NR_LOST
#define TOP_NR_LOST	(TACHO_NR_LOST + 1)

/* One interval. Arrays belong to whoever made it. */
struct top_snapshot {
	char clock[12]; /* time of day at its end */
	uint64_t time_ns; /* CLOCK_MONOTONIC at its end */
	uint64_t wall_ns; /* 0: the first interval has not ended yet */
	enum tacho_kernel_by by;
	bool has[TACHO_K_NR]; /* events that are on */
	uint32_t page_size; /* bytes */

	struct top_cpu *cpus;
	uint32_t nr_cpus;
	double busy, idle; /* percent of all CPUs together */
	double accounted; /* percent: service of all domains, idle too, of wall time x CPUs */

	struct top_line *lines;
	uint32_t nr_lines;
	double total[TOP_NR_VALUES]; /* of all lines; RSS, P50 and P99: NAN */

	uint32_t matrix[TOP_MATRIX]; /* domains that talk most */
	char matrix_name[TOP_MATRIX][TOP_NAME];
	double rate[TOP_MATRIX][TOP_MATRIX]; /* from, to */
	uint32_t nr_matrix;

	struct top_vm *vms;
	uint32_t nr_vms;

	uint64_t lost[TOP_NR_LOST]; /* since the start, by reason */
	uint64_t lost_now; /* of this interval, all reasons */
	uint64_t overflow; /* tasks in "other", because there are no domains left */
	bool knows_host; /* false: in a pid namespace, where most tasks have no names */
	double own_cpu; /* percent of one CPU that this command used */
	double own_events; /* rows per second that it read */
};

enum top_sort {
	TOP_BY_CPU,
	TOP_BY_WAIT,
	TOP_BY_WAKES,
	TOP_BY_FAULTS,
	TOP_BY_RSS,
	TOP_BY_IO,
	TOP_BY_NET,
	TOP_BY_NAME,
	TOP_NR_SORTS,
};

struct top_sort_info {
	const char *name; /* of --sort */
	int letter; /* the key */
	enum top_value value; /* the column that is marked; TOP_NR_VALUES: the name */
};
extern const struct top_sort_info top_sorts[TOP_NR_SORTS];

/* How it is shown: the state of the screen. */
struct top_look {
	int columns;
	int lines; /* of the screen; 0: there is none, all lines are printed */
	bool utf8, color;
	enum top_sort sort;
	char filter[64]; /* part of a name, or a pattern; empty: all */
	uint32_t rows; /* at most so many lines of the table; 0: all */
	uint32_t first; /* line of the table that is the first one shown */
	bool ipc, vms, help, paused;
	double interval; /* seconds */
	const char *prompt; /* NULL: nothing is asked */
	const char *input; /* what was typed so far */
	const char *message; /* NULL, or one line instead of the keys */
};

/* top_table.c */

double top_value_of(const struct top_line *line, enum top_sort sort);
bool top_matches(const struct top_line *line, const char *filter);
/* The lines that are shown, in their order: order has room for nr_lines. Returns how many. */
uint32_t top_order(const struct top_snapshot *snapshot, enum top_sort sort, const char *filter,
		   uint32_t *order);
/* In at most 5 columns; empty if it is nothing, or not known. */
const char *top_format(char number[TEXT_NUMBER_SIZE], enum top_unit unit, double x);
const char *top_lost_name(uint32_t reason);

/* top_screen.c */

/* Into text, which is initialized with the size and kind of the screen. 0 or -ENOMEM. */
int top_draw(struct text *text, const struct top_snapshot *snapshot, const struct top_look *look);

/* top_views.c: parts of the frame, in at most lines lines, of which they may leave some */

void top_draw_ipc(struct text *text, const struct top_snapshot *snapshot, int lines);
void top_draw_vms(struct text *text, const struct top_snapshot *snapshot, int lines);
void top_draw_help(struct text *text, const struct top_snapshot *snapshot, int lines);
/* A number of the table, in width columns: nothing is a dot, what is not known is blank. */
void top_draw_number(struct text *text, enum top_unit unit, double x, int width,
		     enum text_style style);

/* top_json.c */

/* NULL: no memory. */
json_t *top_json(const struct top_snapshot *snapshot, const struct top_look *look);

/* top_data.c */

/* What the user wants to know. */
struct top_choice {
	enum tacho_kernel_by by;
	const char **rules; /* NAME=KIND:GLOB */
	size_t nr_rules;
	const char **events; /* patterns: in addition to those that the table needs */
	size_t nr_events;
	bool vms; /* the virtual machines' events, even if there is none */
};

struct top_data;
/* 0 or -errno, and why in one line. */
int top_data_open(struct top_data **data, const struct top_choice *choice, char *why,
		  size_t why_size);
void top_data_close(struct top_data *data);
/*
 * Take in the rows that there are, and what was forked and executed. Returns in how many ms to call
 * again, or -errno.
 */
int top_data_read(struct top_data *data);
/* The interval ends. The snapshot is good until the next call. 0 or -errno. */
int top_data_interval(struct top_data *data, const struct top_snapshot **snapshot);
/* The view of the virtual machines was opened. 0 or -errno. */
int top_data_vms(struct top_data *data);
/*
 * Names of the events that the table needs, or that were asked for, and that this kernel does not give.
 * Returns how many.
 */
size_t top_data_missing(const struct top_data *data, char *text, size_t size);
const char *top_data_error(const struct top_data *data);
/* Whether any event that can be asked for has such a name. */
bool top_events_match(const char *pattern);

#endif /* TACHO_CMD_TOP_H */
