/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_table.c: the values of a line of tacho top: their names, units, order; which lines are shown.
 *
 * Owns the tables from which columns, JSON members, sort keys and the help are made, so that they
 * cannot differ. Pure: it sees snapshots, and no clock, file or area. Called by top.c,
 * top_screen.c and top_json.c.
 */
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "top.h"

/*
 * The table. A value without a title is in the JSON only. Ranks: 0 stays as long as anything does.
 */
const struct top_value_info top_values[TOP_NR_VALUES] = {
	[TOP_CPU] = { "cpu_percent", "CPU%", "time on processors, of one CPU", TOP_PERCENT,
		      TACHO_K_CPU_SERVICE, TEXT_RUN, 0 },
	[TOP_P50] = { "slice_p50_ns", "P50", "half of its stays on a processor are shorter", TOP_NS,
		      TACHO_K_CPU_SERVICE, TEXT_PLAIN, 5 },
	[TOP_P99] = { "slice_p99_ns", "P99", "99 of 100 stays are shorter", TOP_NS,
		      TACHO_K_CPU_SERVICE, TEXT_PLAIN, 4 },
	[TOP_SLICES] = { "slices_per_s", NULL, NULL, TOP_RATE, TACHO_K_CPU_SERVICE, TEXT_PLAIN, 0 },
	[TOP_WAIT] = { "wait_percent", "WAIT%",
		       "time runnable without a processor: 1 % is 10 ms in a second", TOP_PERCENT,
		       TACHO_K_CPU_WAIT, TEXT_WAIT, 1 },
	[TOP_MIGRATIONS] = { "migrations_per_s", "MIGR", "moves to another processor, per second",
			     TOP_RATE, TACHO_K_CPU_MIGRATE, TEXT_PLAIN, 11 },
	[TOP_WAKES] = { "wakes_out_per_s", "WAKES", "wake-ups of others, per second", TOP_RATE,
			TACHO_K_IPC_WAKE, TEXT_TALK, 2 },
	[TOP_WOKEN] = { "wakes_in_per_s", "WOKEN", "wake-ups by others, per second", TOP_RATE,
			TACHO_K_IPC_WAKE, TEXT_TALK, 6 },
	[TOP_FAULTS] = { "faults_per_s", "FAULT", "page faults, per second", TOP_RATE,
			 TACHO_K_MEM_FAULT, TEXT_MEMORY, 7 },
	[TOP_RSS] = { "rss_bytes", "RSS", "memory of its process", TOP_BYTES, TACHO_K_MEM_RSS,
		      TEXT_MEMORY, 3 },
	[TOP_READ] = { "read_bytes_per_s", "READ", "bytes read from block devices, per second",
		       TOP_BYTES, TACHO_K_IO_BLOCK_BYTES, TEXT_IO, 8 },
	[TOP_WRITE] = { "written_bytes_per_s", "WRITE",
			"bytes written to block devices, per second", TOP_BYTES,
			TACHO_K_IO_BLOCK_BYTES, TEXT_IO, 8 },
	[TOP_LATENCY] = { "io_latency_ns", "IOLAT", "mean time of a block request", TOP_NS,
			  TACHO_K_IO_BLOCK, TEXT_IO, 12 },
	[TOP_RECEIVED] = { "net_received_bytes_per_s", "NETIN", "bytes of packets, per second",
			   TOP_BYTES, TACHO_K_NET_RX, TEXT_IO, 9 },
	[TOP_SENT] = { "net_sent_bytes_per_s", "NETOUT", "bytes of packets, per second", TOP_BYTES,
		       TACHO_K_NET_TX, TEXT_IO, 9 },
	[TOP_SOCKET_SENT] = { "socket_sent_bytes_per_s", NULL, NULL, TOP_BYTES, TACHO_K_IPC_SOCKET,
			      TEXT_TALK, 0 },
	[TOP_SOCKET_RECEIVED] = { "socket_received_bytes_per_s", NULL, NULL, TOP_BYTES,
				  TACHO_K_IPC_SOCKET, TEXT_TALK, 0 },
	[TOP_PIPE_WRITTEN] = { "pipe_written_bytes_per_s", "PIPEW",
			       "bytes written to pipes, per second", TOP_BYTES, TACHO_K_IPC_PIPE,
			       TEXT_TALK, 10 },
	[TOP_PIPE_READ] = { "pipe_read_bytes_per_s", "PIPER", "bytes read from pipes, per second",
			    TOP_BYTES, TACHO_K_IPC_PIPE, TEXT_TALK, 10 },
	[TOP_FUTEXES] = { "futexes_per_s", "FUTEX", "calls of futex, per second", TOP_RATE,
			  TACHO_K_IPC_FUTEX, TEXT_TALK, 10 },
	[TOP_SYSCALLS] = { "syscalls_per_s", "SYSC", "system calls, per second", TOP_RATE,
			   TACHO_K_SYSCALL, TEXT_PLAIN, 10 },
	[TOP_SYSCALL_TIME] = { "syscall_percent", "SYSC%", "time inside system calls", TOP_PERCENT,
			       TACHO_K_SYSCALL, TEXT_PLAIN, 10 },
	[TOP_IRQ_TIME] = { "irq_percent", "IRQ%", "time of interrupts that hit it", TOP_PERCENT,
			   TACHO_K_IRQ, TEXT_WAIT, 10 },
	[TOP_SOFTIRQ_TIME] = { "softirq_percent", "SIRQ%", "time of soft interrupts that hit it",
			       TOP_PERCENT, TACHO_K_SOFTIRQ, TEXT_WAIT, 10 },
	[TOP_LOCK_TIME] = { "lock_percent", "LOCK%", "time waiting for locks of the kernel",
			    TOP_PERCENT, TACHO_K_LOCK, TEXT_WAIT, 10 },
};

const struct top_sort_info top_sorts[TOP_NR_SORTS] = {
	[TOP_BY_CPU] = { "cpu", 'c', TOP_CPU },
	[TOP_BY_WAIT] = { "wait", 'w', TOP_WAIT },
	[TOP_BY_WAKES] = { "wakes", 'k', TOP_WAKES },
	[TOP_BY_FAULTS] = { "faults", 'f', TOP_FAULTS },
	[TOP_BY_RSS] = { "rss", 'm', TOP_RSS },
	[TOP_BY_IO] = { "io", 'o', TOP_READ },
	[TOP_BY_NET] = { "net", 'b', TOP_RECEIVED },
	[TOP_BY_NAME] = { "name", 'n', TOP_NR_VALUES },
};

const char *top_lost_name(uint32_t reason)
{
	static const char *const names[TOP_NR_LOST] = {
		[TACHO_LOST_BUSY] = "busy",	[TACHO_LOST_CPU] = "cpu",
		[TACHO_LOST_RSEQ] = "rseq",	[TACHO_LOST_NESTED] = "nested",
		[TACHO_LOST_LAYOUT] = "layout", [TOP_OVERWRITTEN] = "overwritten",
	};

	return reason < TOP_NR_LOST && names[reason] ? names[reason] : "other";
}

/* --- which lines, in which order ------------------------------------------------------------ */

static double known(double x)
{
	return isnan(x) ? 0 : x;
}

/* I/O and network are the sum of both directions, and so are wake-ups. */
double top_value_of(const struct top_line *line, enum top_sort sort)
{
	const double *value = line->value;

	switch (sort) {
	case TOP_BY_WAKES:
		return known(value[TOP_WAKES]) + known(value[TOP_WOKEN]);
	case TOP_BY_IO:
		return known(value[TOP_READ]) + known(value[TOP_WRITE]);
	case TOP_BY_NET:
		return known(value[TOP_RECEIVED]) + known(value[TOP_SENT]);
	case TOP_BY_NAME:
		return 0;
	default:
		return known(value[top_sorts[sort].value]);
	}
}

bool top_matches(const struct top_line *line, const char *filter)
{
	if (!filter[0])
		return true;
	if (filter[strcspn(filter, "*?[")])
		return fnmatch(filter, line->name, FNM_CASEFOLD) == 0;
	return strcasestr(line->name, filter) != NULL;
}

struct order {
	const struct top_line *lines;
	enum top_sort sort;
};

/* The largest first; what is equal there, by CPU, by name, by number, so that nothing jumps. */
static int compare(const void *a, const void *b, void *arg)
{
	const struct order *order = arg;
	const struct top_line *x = &order->lines[*(const uint32_t *)a];
	const struct top_line *y = &order->lines[*(const uint32_t *)b];
	double p = top_value_of(x, order->sort), q = top_value_of(y, order->sort);
	int names;

	if (p != q)
		return p > q ? -1 : 1;
	p = known(x->value[TOP_CPU]);
	q = known(y->value[TOP_CPU]);
	if (p != q && order->sort != TOP_BY_NAME)
		return p > q ? -1 : 1;
	names = strcasecmp(x->name, y->name);
	if (names)
		return names;
	return x->domain < y->domain ? -1 : x->domain > y->domain;
}

uint32_t top_order(const struct top_snapshot *snapshot, enum top_sort sort, const char *filter,
		   uint32_t *order)
{
	struct order arg = { snapshot->lines, sort };
	uint32_t i, nr = 0;

	for (i = 0; i < snapshot->nr_lines; i++)
		if (top_matches(&snapshot->lines[i], filter))
			order[nr++] = i;
	qsort_r(order, nr, sizeof(*order), compare, &arg);
	return nr;
}

const char *top_format(char number[TEXT_NUMBER_SIZE], enum top_unit unit, double x)
{
	static const double least[] = {
		[TOP_PERCENT] = 0.05, [TOP_RATE] = 0.05, [TOP_BYTES] = 0.5, [TOP_NS] = 0.5
	};

	if (isnan(x) || x < least[unit])
		return "";
	switch (unit) {
	case TOP_PERCENT:
		return text_percent(number, x);
	case TOP_RATE:
		return text_rate(number, x);
	case TOP_BYTES:
		return text_bytes(number, x);
	default:
		return text_ns(number, x);
	}
}
