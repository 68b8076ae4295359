// SPDX-License-Identifier: BSD-2-Clause
/*
 * v_row.c: two writers, a signal handler and a reader on logs of two or four rows.
 *
 * The writers are tacho__generic_write, as it is, or the restartable writer of v_rseq.c; the reader
 * is lib/reader.c, as it is. Every write has entries of its own, and what it stores is marked with
 * its number, so that in the end it is known which row every position belongs to, whatever the
 * reader saw.
 */
#include <string.h>

#include "model.h"
#include "v_area.h"
#include "v_rseq.h"
#include "v_scenarios.h"

#define MAX_WRITES 13 /* numbers 1..12 */
#define MAX_ROWS   32
#define WRITERS	   3
/* Accesses of one write that goes over both CPUs: so wait-free is what it is. */
#define MAX_STEPS 40

struct row_options {
	struct v_area_options area;
	unsigned int writes[WRITERS]; /* of each writer */
	unsigned int passes; /* of the reader */
	bool copies; /* the reader copies instead of parsing in place */
	bool rseq; /* restartable writers */
};

static struct v_area area;
static const struct row_options *options;
static struct tacho_cursor cursor[V_MAX_CPUS];
static struct tacho_row accepted[V_MAX_CPUS][MAX_ROWS];
static unsigned int nr_accepted[V_MAX_CPUS];
static unsigned int done[WRITERS], busy[WRITERS], begun;
static uint64_t clock_now;

/* A clock that all CPUs agree on. */
static tacho_u64 now(tacho_u32 source)
{
	(void)source;
	return tacho_add_relaxed(&clock_now, 1);
}

static void write_one(unsigned int writer, uint32_t number, unsigned int cpu)
{
	unsigned int steps = v_steps();
	enum tacho__result result;

	v_mark(number);
	begun++;
	if (options->rseq)
		result = v_rseq_write(&area.hook, number, V_DOMAINS + number, 1000 + number, false,
				      now);
	else
		result = tacho__generic_write(&area.hook, cpu, number, V_DOMAINS + number,
					      1000 + number, now);
	v_check(result == TACHO__DONE || (result == TACHO__BUSY && !options->rseq),
		"a write is neither done nor busy");
	v_check(options->rseq || v_steps() - steps <= MAX_STEPS,
		"a write takes more than %d accesses", MAX_STEPS);
	if (result == TACHO__DONE)
		done[writer]++;
	else
		busy[writer]++;
	if (result == TACHO__BUSY)
		v_cover("a write was lost because all logs were busy");
	v_note("write %u is %s", number, result == TACHO__DONE ? "done" : "lost: busy");
}

static void writer_run(unsigned int writer)
{
	for (unsigned int i = 0; i < options->writes[writer]; i++) {
		v_forget(i << 16 | done[writer] << 8 | busy[writer]);
		write_one(writer, writer * 4 + i + 1, writer % options->area.nr_cpus);
	}
	v_forget(99u << 16 | done[writer] << 8 | busy[writer]);
}

static void writer_0(void)
{
	writer_run(0);
}

static void writer_1(void)
{
	writer_run(1);
}

static void writer_2(void)
{
	writer_run(2);
}

/* Of writer 0 or 1; its number is one that no writer of such a scenario comes to. */
static void handler(void)
{
	write_one(v_self(), 12 - v_self() * 4, v_self() % options->area.nr_cpus);
}

/* --- the reader ------------------------------------------------------------------------------- */

static bool is_whole(const struct tacho_row *row)
{
	const uint32_t layout = options->area.layout;
	uint32_t number =
		layout & TACHO_ENTRY_COUNTER ? (uint32_t)(row->counter - 1000) : row->domain;

	return number >= 1 && number < MAX_WRITES &&
	       (!(layout & TACHO_ENTRY_DOMAIN) || row->domain == number) &&
	       (!(layout & TACHO_ENTRY_EVENT) || row->event == 0) &&
	       (!(layout & TACHO_ENTRY_CORRESPONDENT) ||
		row->correspondent == V_DOMAINS / 2 + number);
}

static void accept(unsigned int cpu, const struct tacho_row *row)
{
	unsigned int nr = nr_accepted[cpu];

	v_note("cpu %u: row %u is accepted: counter %u, domain %u, correspondent %u", cpu,
	       (unsigned int)row->pos, (unsigned int)row->counter, row->domain, row->correspondent);
	v_check(is_whole(row), "a row that was accepted is not whole");
	v_check(nr == 0 || accepted[cpu][nr - 1].pos < row->pos, "a position was accepted twice");
	accepted[cpu][nr] = *row;
	nr_accepted[cpu]++;
}

static void read_window(unsigned int cpu)
{
	struct tacho_row row[MAX_ROWS];
	struct tacho_window window;
	uint64_t bad;

	v_check(tacho_window_open(&window, &cursor[cpu], &area.view) == 0, "the log is refused");
	for (uint64_t i = window.begin; i != window.end; i++)
		tacho_window_row(&window, i, &row[i - window.begin]);
	bad = tacho_window_close(&window, &cursor[cpu], &area.view);
	if (bad)
		v_cover("a row was replaced while it was read");
	for (uint64_t i = window.begin + bad; i != window.end; i++)
		accept(cpu, &row[i - window.begin]);
}

static void read_copy(unsigned int cpu)
{
	struct tacho_row row[MAX_ROWS];
	size_t nr = tacho_cursor_read(&cursor[cpu], &area.view, row, MAX_ROWS);

	for (size_t i = 0; i < nr; i++)
		accept(cpu, &row[i]);
}

static void read_all(void)
{
	for (unsigned int cpu = 0; cpu < options->area.nr_cpus; cpu++) {
		if (options->copies)
			read_copy(cpu);
		else
			read_window(cpu);
	}
}

static void reader(void)
{
	for (unsigned int pass = 0; pass < options->passes; pass++)
		read_all();
}

/* --- the end ---------------------------------------------------------------------------------- */

/* Which write each position belongs to, from the stores of the position. Returns the last position. */
static unsigned int truth_find(unsigned int cpu, uint32_t *truth)
{
	const struct tacho_control *control = v_area_control(&area, cpu);
	unsigned int i = 0;
	uint64_t value;
	uint32_t mark;

	for (; v_message(&control->pos, i, &value, &mark); i++) {
		v_check(value == i, "a position was given to two rows");
		if (i > 0)
			truth[i - 1] = mark;
	}
	return i - 1;
}

static void check_rows(unsigned int cpu, const uint32_t *truth)
{
	const uint32_t layout = options->area.layout;

	for (unsigned int i = 0; i < nr_accepted[cpu]; i++) {
		const struct tacho_row *row = &accepted[cpu][i];

		v_check(layout & TACHO_ENTRY_COUNTER ? row->counter == 1000 + truth[row->pos]
						     : row->domain == truth[row->pos],
			"a row that was accepted is not the row of its position");
		v_check(!TACHO_HAS_TIME(layout) || i == 0 || accepted[cpu][i - 1].time < row->time,
			"the time of a log went back");
	}
}

static void end_cpu(unsigned int cpu, unsigned int *rows)
{
	const uint64_t unread_from = cursor[cpu].pos, lost = cursor[cpu].lost;
	uint32_t truth[2 * MAX_WRITES];
	unsigned int pos = truth_find(cpu, truth);
	uint64_t unread = pos - unread_from;

	if (options->copies)
		read_copy(cpu);
	else
		read_window(cpu);
	v_check(cursor[cpu].rows + cursor[cpu].lost == pos,
		"rows and lost rows are not the position");
	v_check(cursor[cpu].resets == 0, "the reader says that the position went back");
	v_check(cursor[cpu].lost - lost ==
			(unread >= options->area.rows ? unread - options->area.rows + 1 : 0),
		"the reader drops rows that nobody could have replaced");
	v_check(nr_accepted[cpu] == cursor[cpu].rows, "rows are not counted as they are accepted");
	check_rows(cpu, truth);
	if (cursor[cpu].lost)
		v_cover("a row was lost to the reader");
	*rows += pos;
}

/* Which rows the reader got, by write, and how many were lost or busy. */
static void outcome_tell(void)
{
	uint64_t outcome = busy[0] * 16 + busy[1];

	for (unsigned int cpu = 0; cpu < options->area.nr_cpus; cpu++) {
		for (unsigned int i = 0; i < nr_accepted[cpu]; i++)
			outcome = outcome * 31 + accepted[cpu][i].domain;
		outcome = outcome * 31 + cursor[cpu].lost;
	}
	v_outcome(outcome);
}

static void end(void)
{
	unsigned int rows = 0, killed = v_was_killed(0) + v_was_killed(1);
	unsigned int is_done = done[0] + done[1] + done[2], is_busy = busy[0] + busy[1] + busy[2];

	if (v_rseq_entered > begun)
		v_cover("a sequence began again");
	for (unsigned int cpu = 0; cpu < options->area.nr_cpus; cpu++)
		end_cpu(cpu, &rows);
	outcome_tell();
	if (killed) {
		v_cover("a writer was killed");
		v_check(rows >= is_done && rows <= is_done + killed,
			"a write that was done is not there after another writer was killed");
		return;
	}
	v_check(rows == is_done, "a write that was done is not counted");
	v_check(rows + is_busy == begun, "rows and busy writes are not all writes");
}

static void begin(void)
{
	memset(done, 0, sizeof(done));
	memset(busy, 0, sizeof(busy));
	memset(nr_accepted, 0, sizeof(nr_accepted));
	begun = 0;
	v_rseq_entered = 0;
	for (unsigned int cpu = 0; cpu < options->area.nr_cpus; cpu++)
		tacho_cursor_init(&cursor[cpu], &area.view, cpu, 1, 1);
}

static void setup(void)
{
	options = v_scenario->arg;
	v_area_make(&area, 0, &options->area);
	if (options->rseq)
		area.hook.nr_cpus = options->area.nr_cpus;
	else
		area.hook.generic_cpus = options->area.nr_cpus;
	v_region("hook", V_TAG_HOOK, &area.hook, sizeof(area.hook), V_READ);
	v_region("clock", V_TAG_OTHER, &clock_now, sizeof(clock_now), V_READ | V_WRITE);
}

/* --- scenarios -------------------------------------------------------------------------------- */

#define PAIR (TACHO_ENTRY_DOMAIN | TACHO_ENTRY_CORRESPONDENT)
#define FIVE (TACHO_ENTRIES_ALL | TACHO_CLOCK_VIRTUAL)
#define TIME (TACHO_CLOCK_TIME | TACHO_ENTRY_COUNTER)

#define WRITER(i) .name = "writer " #i, .run = writer_##i
#define READER	  .name = "reader", .run = reader, .observer = true

#define BUSY	 "a write was lost because all logs were busy"
#define REPLACED "a row was replaced while it was read"
#define LOST	 "a row was lost to the reader"
#define KILLED	 "a writer was killed"
#define AGAIN	 "a sequence began again"

#define SCENARIO .setup = setup, .begin = begin, .end = end
/* CPUs, rows of a log, layout; writes of each writer; passes of the reader */
#define GENERIC(cpus, rows, layout, passes, copies, ...)                                           \
	.arg = &(const struct row_options)                                                         \
	{                                                                                          \
		{ cpus, rows, layout, 0, 0 }, { __VA_ARGS__ }, passes, copies, false               \
	}
#define RSEQ(cpus, rows, layout, passes, ...)                                                      \
	.arg = &(const struct row_options)                                                         \
	{                                                                                          \
		{ cpus, rows, layout, 0, 0 }, { __VA_ARGS__ }, passes, false, true                 \
	}

/* --- generic writers -------------------------------------------------------------------------- */

const struct v_scenario v_row_two = {
	.name = "row/two",
	.says = "two generic writers and the reader, one log of two rows",
	SCENARIO,
	GENERIC(1, 2, PAIR, 2, false, 3, 2),
	.thread = { { WRITER(0) }, { WRITER(1) }, { READER } },
	.cover = { BUSY, REPLACED, LOST },
	.mutants = "A A2 B C L L2 LOCK ORDER WINDOW",
};

const struct v_scenario v_row_copy = {
	.name = "row/copy",
	.says = "the same with the reader that copies",
	SCENARIO,
	GENERIC(1, 2, PAIR, 2, true, 3, 3),
	.thread = { { WRITER(0) }, { WRITER(1) }, { READER } },
	.cover = { BUSY, LOST },
	.mutants = "A A2 B C L L2 LOCK ORDER WINDOW",
};

const struct v_scenario v_row_four = {
	.name = "row/four",
	.says = "three writes each, a log of four rows",
	SCENARIO,
	GENERIC(1, 4, PAIR, 1, false, 3, 3),
	.thread = { { WRITER(0) }, { WRITER(1) }, { READER } },
	.cover = { BUSY, REPLACED, LOST },
	.mutants = "A A2 B C L L2 LOCK ORDER WINDOW",
};

const struct v_scenario v_row_signal = {
	.name = "row/signal",
	.says = "two writers, each with one inside a signal handler, two CPUs",
	SCENARIO,
	GENERIC(2, 2, PAIR, 1, false, 1, 1),
	.thread = { { WRITER(0), .handler = handler },
		    { WRITER(1), .handler = handler },
		    { READER } },
	.cover = { BUSY, REPLACED, LOST },
	.mutants = "A C L L2 LOCK ORDER",
};

const struct v_scenario v_row_time = {
	.name = "row/time",
	.says = "times of a log never go back",
	SCENARIO,
	GENERIC(1, 2, TIME, 1, false, 3, 2),
	.thread = { { WRITER(0) }, { WRITER(1) }, { READER } },
	.cover = { BUSY, REPLACED, LOST },
	.mutants = "LOCK",
};

const struct v_scenario v_row_five = {
	.name = "row/five",
	.says = "rows with all five entries and the virtual clock",
	SCENARIO,
	GENERIC(1, 2, FIVE, 1, false, 2, 2),
	.thread = { { WRITER(0) }, { WRITER(1) }, { READER } },
	.cover = { BUSY, REPLACED, LOST },
	.mutants = "A B C",
};

const struct v_scenario v_row_killed = {
	.name = "row/killed",
	.says = "writers that are killed at any point; what they left can be read",
	SCENARIO,
	GENERIC(1, 2, PAIR, 1, false, 2, 2),
	.thread = { { WRITER(0), .mortal = true }, { WRITER(1), .mortal = true }, { READER } },
	.cover = { BUSY, REPLACED, LOST, KILLED },
	.mutants = "A ORDER",
};

const struct v_scenario v_row_three = {
	.name = "row/three",
	.says = "three generic writers",
	SCENARIO,
	GENERIC(1, 2, PAIR, 2, false, 2, 2, 2),
	.thread = { { WRITER(0) }, { WRITER(1) }, { WRITER(2) }, { READER } },
	.cover = { BUSY, REPLACED, LOST },
	.full = true,
};

const struct v_scenario v_row_deep = {
	.name = "row/deep",
	.says = "four writes each, a log of four rows, three passes",
	SCENARIO,
	GENERIC(1, 4, PAIR, 3, false, 4, 4),
	.thread = { { WRITER(0) }, { WRITER(1) }, { READER } },
	.cover = { BUSY, REPLACED, LOST },
	.full = true,
};

const struct v_scenario v_row_signal_deep = {
	.name = "row/signal-deep",
	.says = "row/signal with two writes each and two passes",
	SCENARIO,
	GENERIC(2, 2, PAIR, 2, false, 2, 2),
	.thread = { { WRITER(0), .handler = handler },
		    { WRITER(1), .handler = handler },
		    { READER } },
	.cover = { BUSY, REPLACED, LOST },
	.full = true,
};

const struct v_scenario v_row_small = {
	.name = "row/small",
	.says = "a write each and a reader that looks once",
	SCENARIO,
	GENERIC(1, 2, PAIR, 1, false, 1, 1),
	.thread = { { WRITER(0) }, { WRITER(1) }, { READER } },
	.cover = { BUSY, REPLACED, LOST },
};

const struct v_scenario v_row_plain = {
	.name = "row/plain",
	.says = "row/small without any reduction of the search comes to the same outcomes",
	SCENARIO,
	GENERIC(1, 2, PAIR, 1, false, 1, 1),
	.thread = { { WRITER(0) }, { WRITER(1) }, { READER } },
	.cover = { BUSY, REPLACED, LOST },
	.plain = true,
	.same_as = &v_row_small,
};

const struct v_scenario v_row_small_deep = {
	.name = "row/small-deep",
	.says = "a write each and a reader that looks twice",
	SCENARIO,
	GENERIC(1, 2, PAIR, 2, false, 1, 1),
	.thread = { { WRITER(0) }, { WRITER(1) }, { READER } },
	.cover = { BUSY, REPLACED, LOST },
	.full = true,
};

const struct v_scenario v_row_plain_deep = {
	.name = "row/plain-deep",
	.says = "row/small-deep without any reduction of the search comes to the same outcomes",
	SCENARIO,
	GENERIC(1, 2, PAIR, 2, false, 1, 1),
	.thread = { { WRITER(0) }, { WRITER(1) }, { READER } },
	.cover = { BUSY, REPLACED, LOST },
	.full = true,
	.plain = true,
	.same_as = &v_row_small_deep,
};

/* --- restartable writers ---------------------------------------------------------------------- */

const struct v_scenario v_rseq_one = {
	.name = "rseq/one",
	.says = "two restartable writers that preempt each other on one CPU",
	SCENARIO,
	RSEQ(1, 2, PAIR, 1, 2, 1),
	.thread = { { WRITER(0) }, { WRITER(1) }, { READER } },
	.cpus = 1,
	.preemptions = 3,
	.cover = { REPLACED, LOST, AGAIN },
	.mutants = "A A2 B C ORDER WINDOW RESTART",
};

const struct v_scenario v_rseq_signal = {
	.name = "rseq/signal",
	.says = "a restartable writer inside a signal handler inside one",
	SCENARIO,
	RSEQ(1, 2, PAIR, 1, 1, 1),
	.thread = { { WRITER(0), .handler = handler }, { WRITER(1) }, { READER } },
	.cpus = 1,
	.preemptions = 2,
	.cover = { REPLACED, LOST, AGAIN },
	.mutants = "RESTART ORDER",
};

const struct v_scenario v_rseq_migrate = {
	.name = "rseq/migrate",
	.says = "restartable writers that are moved between two CPUs",
	SCENARIO,
	RSEQ(2, 2, PAIR, 1, 2, 1),
	.thread = { { WRITER(0) }, { WRITER(1) }, { READER } },
	.cpus = 2,
	.preemptions = 2,
	.migrations = 1,
	.cover = { REPLACED, LOST, AGAIN },
	.mutants = "RESTART CPU",
};

const struct v_scenario v_rseq_five = {
	.name = "rseq/five",
	.says = "all five entries and the virtual clock, restartable",
	SCENARIO,
	RSEQ(1, 2, FIVE, 1, 1, 1),
	.thread = { { WRITER(0) }, { WRITER(1) }, { READER } },
	.cpus = 1,
	.preemptions = 2,
	.cover = { REPLACED, LOST, AGAIN },
	.mutants = "A RESTART VIRTUAL",
};

const struct v_scenario v_rseq_killed = {
	.name = "rseq/killed",
	.says = "restartable writers that are killed at any point",
	SCENARIO,
	RSEQ(1, 2, PAIR, 1, 2, 1),
	.thread = { { WRITER(0), .mortal = true }, { WRITER(1), .mortal = true }, { READER } },
	.cpus = 1,
	.preemptions = 2,
	.cover = { REPLACED, LOST, AGAIN, KILLED },
	.mutants = "A ORDER",
};

const struct v_scenario v_rseq_deep = {
	.name = "rseq/deep",
	.says = "rseq/one with five writes and four preemptions",
	SCENARIO,
	RSEQ(1, 2, PAIR, 1, 3, 2),
	.thread = { { WRITER(0) }, { WRITER(1) }, { READER } },
	.cpus = 1,
	.preemptions = 4,
	.cover = { REPLACED, LOST, AGAIN },
	.full = true,
};

const struct v_scenario v_rseq_migrate_deep = {
	.name = "rseq/migrate-deep",
	.says = "the same with a CPU each to begin with and two migrations",
	SCENARIO,
	RSEQ(2, 2, PAIR, 1, 2, 1),
	.thread = { { WRITER(0) }, { WRITER(1), .cpu = 1 }, { READER } },
	.cpus = 2,
	.preemptions = 2,
	.migrations = 2,
	.cover = { REPLACED, LOST, AGAIN },
	.full = true,
};

const struct v_scenario v_rseq_five_deep = {
	.name = "rseq/five-deep",
	.says = "rseq/five with rows that are replaced",
	SCENARIO,
	RSEQ(1, 2, FIVE, 1, 2, 1),
	.thread = { { WRITER(0) }, { WRITER(1) }, { READER } },
	.cpus = 1,
	.preemptions = 2,
	.cover = { REPLACED, LOST, AGAIN },
	.full = true,
};
