// SPDX-License-Identifier: BSD-2-Clause
/*
 * log.c: what one event costs the thread that logs it.
 *
 * Measures real sites: the events below are defined and used as in any program, and the benchmark
 * attaches to itself as a session attaches to any process. Beside them the loop without a site
 * (null), the least that a full row can cost (floor), a site that is off, and rivals. The generic
 * writer is chosen when a process starts, so its cases run in a second process; with
 * TACHO_WRITER=generic in the environment only those run.
 *
 * Does not measure what a reader costs (bench/reader), what several CPUs do to each other
 * (bench/scale), nor what cold caches cost: logs have 4096 rows, but for entries-5-128M, whose log is
 * as large as the buffers of LTTng-UST.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include <tacho/tacho.h>

#include "bench.h"
#include "floor.h"
#include "rival.h"
#include "self.h"

#define ROWS	   4096
#define LARGE_ROWS (1u << 22) /* of 32 bytes: 128 MB */
#define AMOUNT	   3 /* what the adding event adds */

/* Principals, and the domains that they are bound to. */
enum { SELF, PEER = PAYLOAD_CORRESPONDENT, FRIEND };
enum { SELF_DOMAIN = PAYLOAD_DOMAIN, PEER_DOMAIN };

/* --- the events --------------------------------------------------------------------------- */

TACHO_EVENT(off, TACHO_ACCESS, "bench.off", "number", "peer", "a site that is never enabled");
TACHO_EVENT(e0, TACHO_ACCESS, "bench.entries0", "number", "peer", "a position and nothing else");
TACHO_EVENT(e1, TACHO_ACCESS, "bench.entries1", "number", "peer", "event");
TACHO_EVENT(e2, TACHO_ACCESS, "bench.entries2", "number", "peer", "event, domain");
TACHO_EVENT(e3, TACHO_ACCESS, "bench.entries3", "number", "peer", "event, domain, correspondent");
TACHO_EVENT(e4, TACHO_ACCESS, "bench.entries4", "number", "peer", "all entries, no time");
TACHO_EVENT(e5, TACHO_ACCESS, "bench.entries5", "number", "peer", "all entries and the time");
TACHO_EVENT(large, TACHO_ACCESS, "bench.large", "number", "peer", "the same, into a log of 128 MB");
TACHO_EVENT(added, TACHO_ACCESS, "bench.added", "amount", "peer", "an event counter");
TACHO_EVENT(span, TACHO_SPAN, "bench.span", "", "peer", "entry and exit, one behind the other");
TACHO_EVENT(third, TACHO_ACCESS, "bench.third", "number", "peer", "every third becomes a row");
TACHO_EVENT(inside, TACHO_ACCESS, "bench.inside", "number", "friend", "events inside one domain");

/* One loop per case, alike but for what is in it. */
#define LOOP(name, ...)                                                                            \
	static __attribute__((noinline, aligned(64))) void name##_run(void *arg, uint64_t nr)      \
	{                                                                                          \
		(void)arg;                                                                         \
		BENCH_NO_UNROLL                                                                    \
		for (uint64_t i = 0; i < nr; i++) {                                                \
			__VA_ARGS__;                                                               \
			BENCH_KEEP(i);                                                             \
		}                                                                                  \
	}                                                                                          \
	struct log_needs_a_semicolon

LOOP(null, (void)0);
LOOP(off, TACHO_LOG(off, i, PEER));
LOOP(e0, TACHO_LOG(e0, i, PEER));
LOOP(e1, TACHO_LOG(e1, i, PEER));
LOOP(e2, TACHO_LOG(e2, i, PEER));
LOOP(e3, TACHO_LOG(e3, i, PEER));
LOOP(e4, TACHO_LOG(e4, i, PEER));
LOOP(e5, TACHO_LOG(e5, i, PEER));
LOOP(large, TACHO_LOG(large, i, PEER));
LOOP(added, TACHO_LOG(added, AMOUNT, PEER));
LOOP(span, TACHO_ENTER(span); TACHO_EXIT(span, PEER));
LOOP(third, TACHO_LOG(third, i, PEER));
LOOP(inside, TACHO_LOG(inside, i, FRIEND));

/* --- the session -------------------------------------------------------------------------- */

enum want { WANT_ROWS, WANT_THIRDS, WANT_NONE, WANT_SUM };

struct log_case {
	const char *name; /* the writer's name follows */
	void (*run)(void *arg, uint64_t nr);
	enum want want;
	struct self_log log;
	char full_name[40];
};

#define E    TACHO_ENTRY_EVENT
#define D    TACHO_ENTRY_DOMAIN
#define C    TACHO_ENTRY_CORRESPONDENT
#define ALL  TACHO_ENTRIES_ALL
#define TIME TACHO_CLOCK_TIME
#define CASE(name, loop, want, event, layout, rows, threshold)                                     \
	{                                                                                          \
		name, loop##_run, want, { event, layout, rows, threshold, 0, 0 }, ""               \
	}

static struct log_case log_cases[] = {
	CASE("entries-0", e0, WANT_ROWS, "bench.entries0", 0, ROWS, 1),
	CASE("entries-1", e1, WANT_ROWS, "bench.entries1", E, ROWS, 1),
	CASE("entries-2", e2, WANT_ROWS, "bench.entries2", E | D, ROWS, 1),
	CASE("entries-3", e3, WANT_ROWS, "bench.entries3", E | D | C, ROWS, 1),
	CASE("entries-4", e4, WANT_ROWS, "bench.entries4", ALL, ROWS, 1),
	CASE("entries-5", e5, WANT_ROWS, "bench.entries5", ALL | TIME, ROWS, 1),
	CASE("entries-5-128M", large, WANT_ROWS, "bench.large", ALL | TIME, LARGE_ROWS, 1),
	CASE("add", added, WANT_SUM, "bench.added", TACHO_ADD, 1, 1),
	CASE("span", span, WANT_ROWS, "bench.span", ALL, ROWS, 1),
	CASE("threshold-3", third, WANT_THIRDS, "bench.third", ALL, ROWS, 3),
	CASE("filtered", inside, WANT_NONE, "bench.inside", ALL, ROWS, 1),
};
#define NR_LOG_CASES (sizeof(log_cases) / sizeof(log_cases[0]))

static struct bench bench;
static struct self self;

/* All events on, each with a log of its own. */
static int session_open(void)
{
	uint32_t ids[NR_LOG_CASES];
	int error = self_open(&self, &bench, LARGE_ROWS * 32 + (8u << 20));

	for (size_t i = 0; i < NR_LOG_CASES && !error; i++) {
		error = self_add(&self, &log_cases[i].log);
		ids[i] = log_cases[i].log.id;
	}
	if (!error)
		error = tacho_memory_bind(&self.memory, SELF, SELF_DOMAIN);
	if (!error)
		error = tacho_memory_bind(&self.memory, PEER, PEER_DOMAIN);
	if (!error)
		error = tacho_memory_bind(&self.memory, FRIEND, SELF_DOMAIN);
	if (!error)
		error = self_attach(&self);
	return error ? error : self_enable(&self, ids, NR_LOG_CASES);
}

/* --- did all events arrive? --------------------------------------------------------------- */

/* A site that is off is there, and off. */
static int check_off(void *arg, uint64_t nr, char *why, size_t why_size)
{
	(void)arg, (void)nr;
	if (tacho_event_off.on == 0 && self.target->events[tacho_event_off.id].nr_sites == 1)
		return 0;
	snprintf(why, why_size, "the site that should be off is on, or is not there");
	return -1;
}

/* The newest row on the CPU that was measured says what it should. */
static int check_row(const struct log_case *c, char *why, size_t why_size)
{
	struct tacho_cursor cursor;
	struct tacho_row row;
	uint32_t layout = c->log.layout;

	if (tacho_cursor_init(&cursor, &self.view, (uint32_t)bench.cpu, c->log.log, 0) < 0) {
		snprintf(why, why_size, "there is no such log");
		return -1;
	}
	cursor.pos--;
	if (tacho_cursor_read(&cursor, &self.view, &row, 1) != 1) {
		snprintf(why, why_size, "the last row cannot be read");
		return -1;
	}
	if ((layout & E && row.event != c->log.id) || (layout & D && row.domain != SELF_DOMAIN) ||
	    (layout & C && row.correspondent != PEER_DOMAIN) || (layout & TIME && row.time == 0)) {
		snprintf(why, why_size,
			 "the last row is event %u (not %u) of domain %u with %u at %" PRIu64,
			 row.event, c->log.id, row.domain, row.correspondent, row.time);
		return -1;
	}
	return 0;
}

static int check_case(void *arg, uint64_t nr, char *why, size_t why_size)
{
	const struct log_case *c = arg;
	uint64_t want = nr, lost = self_lost(&self);
	uint64_t found = c->want == WANT_SUM ? self_sum(&self, &c->log) : self_rows(&self, &c->log);

	if (c->want == WANT_SUM)
		want = nr * AMOUNT;
	else if (c->want == WANT_THIRDS)
		want = nr / 3;
	else if (c->want == WANT_NONE)
		want = 0;
	if (found != want || lost != 0) {
		snprintf(why, why_size,
			 "%" PRIu64 " instead of %" PRIu64 " are there, %" PRIu64 " lost", found,
			 want, lost);
		return -1;
	}
	if (c->log.layout == 0 || c->want == WANT_SUM || c->want == WANT_NONE)
		return 0;
	return check_row(c, why, why_size);
}

/* --- the floor ---------------------------------------------------------------------------- */

#if defined(__x86_64__)

static __attribute__((noinline, aligned(64))) void floor_run(void *arg, uint64_t nr)
{
	struct floor_cpu *floor_cpus = arg;

	BENCH_NO_UNROLL
	for (uint64_t i = 0; i < nr; i++)
		floor_row(floor_cpus, i);
}

static int check_floor(void *arg, uint64_t nr, char *why, size_t why_size)
{
	const struct floor_cpu *part = (const struct floor_cpu *)arg + bench.cpu;

	if (part->pos == nr)
		return 0;
	snprintf(why, why_size, "%" PRIu64 " are there", part->pos);
	return -1;
}

static size_t add_floor(struct bench_case *cases)
{
	struct floor_cpu *floor_cpus = floor_open();

	if (!floor_cpus) {
		bench_skip(&bench, "floor", "this C library registers no rseq");
		return 0;
	}
	cases[0] = (struct bench_case){
		.name = "floor", .run = floor_run, .check = check_floor, .arg = floor_cpus
	};
	return 1;
}

#else

static size_t add_floor(struct bench_case *cases)
{
	(void)cases;
	bench_skip(&bench, "floor", "no time-stamp counter on this CPU");
	return 0;
}

#endif

/* --- the run ------------------------------------------------------------------------------ */

static size_t add_base_cases(struct bench_case *cases)
{
	size_t nr = 0;

	if (bench_wants(&bench, "null"))
		cases[nr++] = (struct bench_case){ .name = "null", .run = null_run };
	if (bench_wants(&bench, "floor"))
		nr += add_floor(cases + nr);
	if (bench_wants(&bench, "off"))
		cases[nr++] =
			(struct bench_case){ .name = "off", .run = off_run, .check = check_off };
	return nr;
}

static size_t add_log_cases(struct bench_case *cases, const char *writer)
{
	size_t nr = 0;

	for (size_t i = 0; i < NR_LOG_CASES; i++) {
		struct log_case *c = &log_cases[i];

		snprintf(c->full_name, sizeof(c->full_name), "%s/%s", c->name, writer);
		if (bench_wants(&bench, c->full_name))
			cases[nr++] = (struct bench_case){
				.name = c->full_name,
				.run = c->run,
				.check = check_case,
				.arg = c,
				.warm = c->log.rows > ROWS ? c->log.rows : 0,
			};
	}
	return nr;
}

/* Everything that one process can measure. 0 or -errno. */
static int run_cases(bool generic)
{
	struct bench_case cases[3 + NR_LOG_CASES + RIVAL_MAX];
	size_t nr = 0;
	int error = session_open();

	if (!error && generic && self.target->writer != SELF_GENERIC) {
		bench_say(&bench, "TACHO_WRITER=generic was not heeded");
		error = -EPROTO;
	}
	if (error) {
		self_close(&self);
		return error;
	}
	if (!generic)
		nr += add_base_cases(cases);
	if (generic || self.target->writer == SELF_RSEQ)
		nr += add_log_cases(cases + nr, generic ? "generic" : "rseq");
	else
		bench_skip(&bench, "entries-5/rseq", "no restartable sequences here");
	if (!generic)
		nr += rival_open(&bench, cases + nr);
	bench_run(&bench, cases, nr);
	rival_close();
	self_close(&self);
	return 0;
}

static void summary(void)
{
	static const char cycles[] = "cycles/event";
	const struct bench_result *null = bench_result(&bench, "null", cycles);
	const struct bench_result *off = bench_result(&bench, "off", cycles);
	const struct bench_result *four = bench_result(&bench, "entries-4/rseq", cycles);

	fprintf(stderr, "%s: cycles and ratios in this run%16s %8s\n", bench.name, "median", "min");
	if (null && off)
		fprintf(stderr, "  %-24s - %-22s %8.2f %8.2f  %s\n", "off", "null",
			off->median - null->median, off->min - null->min, "cycles, at most 1");
	if (four)
		fprintf(stderr, "  %-49s %8.2f %8.2f  %s\n", four->name, four->median, four->min,
			"cycles, at most 12");
	bench_ratio(&bench, "entries-5/rseq", "floor", cycles, "at most 1.5");
	bench_ratio(&bench, "lttng-ust-discard", "entries-5/rseq", cycles, "at least 6");
	bench_ratio(&bench, "lttng-ust-overwrite", "entries-5/rseq", cycles, "at least 6");
	bench_ratio(&bench, "lttng-ust-overwrite", "entries-5-128M/rseq", cycles, "");
	bench_ratio(&bench, "usdt-uprobe", "entries-5/rseq", cycles, "");
	bench_ratio(&bench, "trace-marker", "entries-5/rseq", cycles, "");
	bench_ratio(&bench, "fprintf", "entries-5/rseq", cycles, "");
}

int main(int argc, char **argv)
{
	bench_open(&bench, "log", 15, 100000, argc, argv);
	if (run_cases(self_is_generic()) != 0)
		return 1;
	if (!self_is_generic()) {
		self_run_generic(&bench, argv);
		rival_lttng(&bench);
		summary();
	}
	return bench_status(&bench);
}
