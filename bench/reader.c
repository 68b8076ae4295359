// SPDX-License-Identifier: BSD-2-Clause
/*
 * reader.c: what it costs to read a log that is being written at full speed.
 *
 * Figures 5.4 to 5.6 of paper 001, measured again: a writer on one CPU logs without a pause, rows of
 * correspondent and virtual time (16 bytes) as there; a reader on another CPU analyses the log again
 * and again. Logs of 16 bytes (one row) to 64 KiB; all readers do the same analysis, a counter per
 * correspondent, and each analysis begins when the whole log is new:
 *
 *   restart/SIZE  the paper's (figure 4.10): parse all rows, and start over until the position has not
 *                 moved meanwhile. It is given up after MAX_TRIES or GIVE_UP_NS; then passes is what
 *                 it had done so far, a lower bound, and given-up says how often that was.
 *   clear/SIZE    the paper's, but after a first failure it stops the writer (here: no route), waits
 *                 until that shows, and starts it again when it is through.
 *   window/SIZE   ours: one pass in place, in steps of STEP rows.
 *   read/SIZE     ours with tacho_cursor_read, which copies and decodes.
 *   follow/SIZE   the same, but it does not wait for a new log, it reads whatever is there.
 *
 * rows-lost is per analysis: of the rows that were in the log when it began and the events that
 * happened until its end, those that it did not see, because their row was overwritten, or the
 * analysis given up, or the writer stopped. What came after its end is left to the next one. ns/row
 * and bytes/s are about rows that were seen; a log of one row has none, because it may always be being
 * replaced. Without a writer, and in cache:
 *
 *   window-cached/SIZE  parse in place: add up both entries of every row
 *   read-cached/SIZE    tacho_cursor_read alone
 *
 * The writer is what a program has: a site, in a session of this process with itself.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <tacho/atomic.h>
#include <tacho/reader.h>
#include <tacho/session.h>
#include <tacho/tacho.h>

#include "bench.h"
#include "self.h"

#define NR_SIZES   13u /* 16 bytes, one row, to 64 KiB */
#define LAYOUT	   (TACHO_ENTRY_CORRESPONDENT | TACHO_CLOCK_VIRTUAL)
#define ROW_SIZE   TACHO_ROW_SIZE(LAYOUT)
#define CORR_OFF   TACHO_CORR_OFF(LAYOUT)
#define RECEIVER   1 /* principal and domain; the writer's are 0 */
#define DOMAINS	   64u /* that the analysis tells apart */
#define BATCH	   256u
#define MAX_TRIES  1000u
#define STEP	   256u /* rows */
#define STILL	   256u /* looks at a position that does not move */
#define GIVE_UP_NS 2000000.0
#define REPEAT_NS  5000000u
#define CACHED_NS  500000.0
#define ENOUGH_NS  30000000000u /* for all rounds */
#define MAX_AGAIN  3u /* repetitions instead of one that was disturbed */

enum reader { RESTART, CLEAR, WINDOW, READ, FOLLOW, WINDOW_CACHED, READ_CACHED, NR_READERS };
enum metric { PASSES, GIVEN_UP, ROWS_LOST, NS_ROW, BYTES_S, NR_METRICS };

static const char *const reader_name[] = {
	"restart", "clear", "window", "read", "follow", "window-cached", "read-cached",
};
static const struct {
	const char *name, *unit;
} metric_name[] = {
	{ "passes", "passes" }, { "given-up", "%" },  { "rows-lost", "rows" },
	{ "ns/row", "ns" },	{ "bytes/s", "B/s" },
};

/* What the readers work for: how often each domain was the correspondent. */
struct tally {
	uint64_t domain[DOMAINS];
	uint64_t last_time;
	uint64_t rows;
};

/* A log on the writer's CPU, as the paper's readers see it. */
struct log {
	const struct tacho_control *control;
	const unsigned char *rows;
	uint32_t *route; /* of the event, in the domain of the writer */
	uint32_t number;
	uint32_t nr_rows;
};

/* One repetition, summed up. */
struct result {
	uint64_t analyses;
	uint64_t passes;
	uint64_t given_up;
	uint64_t wrong; /* rows that came twice or out of order: then nothing here is true */
	uint64_t lost;
	uint64_t ticks; /* in analyses */
};

struct samples {
	double *value; /* room for one of each run */
	unsigned int nr;
};

struct world {
	struct bench bench;
	struct self self;
	struct log log[NR_SIZES];
	struct tacho_row batch[BATCH];
	struct samples samples[NR_READERS][NR_SIZES][NR_METRICS];
	pthread_t writer;
	int writer_cpu;
	unsigned int disturbed; /* repetitions */
	/* lines of their own: the writer looks at the one, and writes the other all the time */
	uint32_t current __attribute__((aligned(128))); /* which log to write, or a command */
	uint64_t events __attribute__((aligned(128)));
	uint32_t writing; /* the writer is in its loop */
	uint32_t pad0;
	uint64_t pad[14];
};

enum { PAUSE = NR_SIZES, STOP }; /* commands in world.current */

/* --- the writer --------------------------------------------------------------------------- */

/* An event for each size, so that each has a log of its own and nothing is switched later. */
#define EACH_SIZE(x) x(0) x(1) x(2) x(3) x(4) x(5) x(6) x(7) x(8) x(9) x(10) x(11) x(12)

#define WRITER(n)                                                                                  \
	TACHO_EVENT(sent##n, TACHO_ACCESS, "bench.sent" #n, "", "receiver", "one message");        \
	static void write_##n(struct world *world)                                                 \
	{                                                                                          \
		uint64_t events = world->events;                                                   \
                                                                                                   \
		BENCH_NO_UNROLL                                                                    \
		while (tacho_load_relaxed(&world->current) == n) {                                 \
			TACHO_LOG(sent##n, 1, RECEIVER);                                           \
			tacho_store_relaxed(&world->events, ++events);                             \
		}                                                                                  \
	}
EACH_SIZE(WRITER)

#define WRITER_NAME(n) write_##n,
static void (*const write_size[NR_SIZES])(struct world *) = { EACH_SIZE(WRITER_NAME) };

static void *writer_run(void *arg)
{
	struct world *world = arg;
	uint32_t current;

	bench_pin(world->writer_cpu);
	while ((current = tacho_load_relaxed(&world->current)) != STOP) {
		if (current == PAUSE)
			continue;
		tacho_store_relaxed(&world->writing, 1u);
		write_size[current](world);
		tacho_store_release(&world->writing, 0u);
	}
	return NULL;
}

static void writer_pause(struct world *world)
{
	tacho_store_relaxed(&world->current, (uint32_t)PAUSE);
	while (tacho_load_acquire(&world->writing)) /* its last event may take a time slice */
		sched_yield();
}

/* Wait until so many rows were written, 10 s at most. */
static int log_wait(const struct log *log, uint64_t rows)
{
	const uint64_t pos = tacho_load_relaxed(&log->control->pos), start = bench_monotonic_ns();

	while (tacho_load_relaxed(&log->control->pos) - pos < rows)
		if (bench_monotonic_ns() - start > 10000000000u)
			return -ETIMEDOUT;
	return 0;
}

/* Every row of a log written once, at least. */
static int log_fill(struct world *world, unsigned int size)
{
	const struct log *log = &world->log[size];
	int error = 0;

	if (tacho_load_relaxed(&log->control->pos) < log->nr_rows) {
		tacho_store_relaxed(&world->current, size);
		error = log_wait(log, log->nr_rows);
		writer_pause(world);
	}
	return error;
}

/* --- the readers of the paper ------------------------------------------------------------- */

static void tally_row(struct tally *tally, uint64_t time, uint32_t correspondent)
{
	tally->domain[correspondent % DOMAINS]++;
	tally->last_time = time;
	tally->rows++;
}

static uint64_t row_time(const struct log *log, uint64_t pos)
{
	return tacho_entry_u64(log->rows + (pos & (log->nr_rows - 1)) * ROW_SIZE);
}

/*
 * All rows but the one that may be being written; true if the writer stood still meanwhile.
 * end: the position up to which it went.
 */
static bool paper_pass(const struct log *log, struct tally *tally, uint64_t *end)
{
	uint64_t pos = *end = tacho_load_acquire(&log->control->pos);
	uint64_t check = row_time(log, pos - 1);

	for (uint64_t i = pos - log->nr_rows + 1; i != pos; i++) {
		const unsigned char *row = log->rows + (i & (log->nr_rows - 1)) * ROW_SIZE;
		uint64_t time = tacho_entry_u64(row);

		if (time > tally->last_time) /* not seen before */
			tally_row(tally, time, tacho_entry_u32(row + CORR_OFF));
	}
	tacho_fence_seq();
	return tacho_load_relaxed(&log->control->pos) == pos && row_time(log, pos - 1) == check;
}

/*
 * No route: the writer stops. Its last event may be under way, so wait until the position stands
 * still for a while, which costs less than another pass.
 */
static void writer_stop(const struct log *log)
{
	uint64_t before = 0, pos;
	unsigned int still = 0;

	tacho_store_relaxed(log->route, 0u);
	tacho_fence_seq();
	for (; still < STILL; before = pos) {
		pos = tacho_load_relaxed(&log->control->pos);
		still = pos == before ? still + 1 : 0;
	}
}

/* Returns the position up to which rows were seen or lost. */
static uint64_t paper_analyse(const struct world *world, const struct log *log, struct tally *tally,
			      bool clear, struct result *result)
{
	const uint64_t limit = bench_ticks() + (uint64_t)(GIVE_UP_NS / world->bench.ns_per_tick);
	unsigned int tries = 0;
	struct tally attempt;
	uint64_t end;

	for (;;) {
		tries++;
		attempt = *tally;
		if (paper_pass(log, &attempt, &end)) {
			*tally = attempt;
			break;
		}
		if (tries == MAX_TRIES || bench_ticks() > limit) {
			result->given_up++;
			break;
		}
		if (clear && tries == 1)
			writer_stop(log);
	}
	if (clear && tries > 1)
		tacho_store_relaxed(log->route, TACHO_ROUTE(log->number));
	result->passes += tries;
	return end;
}

/* --- ours --------------------------------------------------------------------------------- */

/* A row of which a reader in place keeps what it needs until it knows that the row was good. */
struct seen {
	uint64_t time;
	uint64_t correspondent;
};

static void window_parse(const struct tacho_window *window, struct seen *seen)
{
	uint64_t n;

	for (uint64_t i = window->begin; i != window->end; i += n) {
		const unsigned char *row = tacho_window_run(window, i, &n);

		for (const unsigned char *end = row + n * ROW_SIZE; row != end; row += ROW_SIZE) {
			seen->time = tacho_entry_u64(row);
			seen->correspondent = tacho_entry_u32(row + CORR_OFF);
			seen++;
		}
	}
}

/* In steps, up to the position that the log has at the beginning. */
static uint64_t window_analyse(struct world *world, struct tacho_cursor *cursor,
			       struct tally *tally, struct result *result)
{
	const struct tacho_view *view = &world->self.view;
	struct tacho_window window;
	struct seen seen[STEP];
	uint64_t until, n, bad, last = 0;

	if (tacho_window_open(&window, cursor, view))
		return cursor->pos;
	until = window.end;
	result->passes++;
	do {
		result->passes += window.begin < last; /* it would have gone back */
		if (window.end - window.begin > STEP)
			window.end = window.begin + STEP;
		if (window.end > until)
			window.end = until;
		window_parse(&window, seen);
		last = window.end;
		n = window.end - window.begin;
		bad = tacho_window_next(&window, cursor, view);
		for (uint64_t i = bad; i < n; i++) {
			result->wrong += seen[i].time <= tally->last_time;
			tally_row(tally, seen[i].time, (uint32_t)seen[i].correspondent);
		}
		if (bad == n) /* the writer is too close: give it half of what is left */
			window.begin += (window.end - window.begin) / 2;
	} while (window.begin < until);
	return until;
}

static uint64_t read_analyse(struct world *world, struct tacho_cursor *cursor, struct tally *tally,
			     struct result *result)
{
	uint64_t last = 0;
	size_t got;

	result->passes++;
	do {
		got = tacho_cursor_read(cursor, &world->self.view, world->batch, BATCH);
		for (size_t i = 0; i < got; i++) {
			result->passes += world->batch[i].pos < last; /* it would have gone back */
			last = world->batch[i].pos + 1;
			result->wrong += world->batch[i].time <= tally->last_time;
			tally_row(tally, world->batch[i].time, world->batch[i].correspondent);
		}
	} while (got == BATCH);
	return cursor->pos;
}

/* --- repetitions -------------------------------------------------------------------------- */

/* One analysis, and what it lost. */
static void analyse(struct world *world, enum reader reader, const struct log *log,
		    struct tacho_cursor *cursor, struct tally *tally, struct result *result)
{
	const uint64_t seen = tally->rows, events = tacho_load_relaxed(&world->events);
	const uint64_t pos = tacho_load_relaxed(&log->control->pos);
	uint64_t first = pos - (log->nr_rows - 1), end, start;
	int64_t dropped = 0;

	if (reader == FOLLOW)
		first = cursor->pos;
	start = bench_ticks();
	if (reader == WINDOW)
		end = window_analyse(world, cursor, tally, result);
	else if (reader == READ || reader == FOLLOW)
		end = read_analyse(world, cursor, tally, result);
	else
		end = paper_analyse(world, log, tally, reader == CLEAR, result);
	result->ticks += bench_ticks() - start;
	if (reader == CLEAR) /* both counts go on: a few events can be on the way between them */
		dropped = (int64_t)(tacho_load_relaxed(&world->events) - events -
				    (tacho_load_relaxed(&log->control->pos) - pos));
	result->analyses++;
	result->lost += end - first - (tally->rows - seen);
	if (dropped > 0)
		result->lost += (uint64_t)dropped;
}

/* Analyse again and again, at least once. Returns 0 or -errno. */
static int analyses_run(struct world *world, enum reader reader, const struct log *log,
			struct result *result, struct tally *tally)
{
	struct tacho_cursor cursor;
	uint64_t start;
	int error = log_wait(log, 2 * log->nr_rows);

	if (error == 0)
		error = tacho_cursor_init(&cursor, &world->self.view, (uint32_t)world->writer_cpu,
					  log->number, 0);
	start = bench_monotonic_ns();
	while (error == 0) {
		if (reader != FOLLOW)
			error = log_wait(log, log->nr_rows);
		if (error == 0)
			analyse(world, reader, log, &cursor, tally, result);
		if (result->wrong || cursor.resets)
			error = -EBADMSG;
		if (reader >= WINDOW && cursor.rows != tally->rows)
			error = -EBADMSG;
		if (result->analyses == world->bench.nr || bench_monotonic_ns() - start > REPEAT_NS)
			break;
	}
	return error;
}

static void sample(struct world *world, enum reader reader, unsigned int size, enum metric metric,
		   double value)
{
	struct samples *samples = &world->samples[reader][size][metric];

	samples->value[samples->nr++] = value;
}

/* What rows cost: nothing can be said when none was seen. */
static void sample_rows(struct world *world, enum reader reader, unsigned int size, double rows,
			uint64_t ticks)
{
	double ns = (double)ticks * world->bench.ns_per_tick;

	if (rows > 0)
		sample(world, reader, size, NS_ROW, ns / rows);
	sample(world, reader, size, BYTES_S, rows * ROW_SIZE * 1e9 / ns);
}

static int repeat(struct world *world, enum reader reader, unsigned int size)
{
	struct tally tally = { .rows = 0 };
	struct result result = { 0 };
	double analyses;
	int error;

	tacho_store_relaxed(&world->current, size);
	error = analyses_run(world, reader, &world->log[size], &result, &tally);
	writer_pause(world);
	if (error)
		return error;
	analyses = (double)result.analyses;
	sample(world, reader, size, PASSES, (double)result.passes / analyses);
	sample(world, reader, size, GIVEN_UP, 100.0 * (double)result.given_up / analyses);
	sample(world, reader, size, ROWS_LOST, (double)result.lost / analyses);
	if (reader != FOLLOW) /* which mostly waits for the writer */
		sample_rows(world, reader, size, (double)tally.rows, result.ticks);
	return 0;
}

static uint64_t window_sum(const struct tacho_window *window)
{
	uint64_t n, sum = 0;

	for (uint64_t i = window->begin; i != window->end; i += n) {
		const unsigned char *row = tacho_window_run(window, i, &n);

		for (const unsigned char *end = row + n * ROW_SIZE; row != end; row += ROW_SIZE)
			sum += tacho_entry_u64(row) + tacho_entry_u32(row + CORR_OFF);
	}
	return sum;
}

/* A log that nobody writes, read again and again. */
static int repeat_cached(struct world *world, enum reader reader, unsigned int size)
{
	const uint64_t most = (uint64_t)(CACHED_NS / world->bench.ns_per_tick);
	const struct tacho_view *view = &world->self.view;
	const struct log *log = &world->log[size];
	uint64_t start, ticks, sum = 0, oldest;
	struct tacho_cursor cursor;
	struct tacho_window window;

	if (log_fill(world, size) ||
	    tacho_cursor_init(&cursor, view, (uint32_t)world->writer_cpu, log->number, 0))
		return -EINVAL;
	oldest = cursor.pos - (log->nr_rows - 1);
	start = bench_ticks();
	do {
		cursor.pos = oldest;
		if (reader == READ_CACHED) {
			while (tacho_cursor_read(&cursor, view, world->batch, BATCH) == BATCH)
				;
		} else {
			if (tacho_window_open(&window, &cursor, view))
				return -EINVAL;
			sum += window_sum(&window);
			tacho_window_close(&window, &cursor, view);
		}
		ticks = bench_ticks() - start;
	} while (ticks < most);
	BENCH_KEEP(sum);
	if (cursor.lost || cursor.resets)
		return -EBADMSG;
	sample_rows(world, reader, size, (double)cursor.rows, ticks);
	return 0;
}

/* --- all of it ---------------------------------------------------------------------------- */

static void log_find(const struct world *world, const struct self_log *from, struct log *log)
{
	const struct tacho_area *header = &world->self.view.header;
	unsigned char *part = world->self.memory.base + header->parts_off +
			      (uint64_t)world->writer_cpu * header->part_stride;

	log->number = from->log;
	log->nr_rows = from->rows;
	log->control = (struct tacho_control *)(void *)(part + TACHO_CONTROLS_OFF) + from->log;
	log->rows = part + log->control->rows_off;
	log->route = (uint32_t *)(void *)(part + header->routes_off) +
		     (size_t)from->id * header->nr_domains;
}

static int world_make(struct world *world)
{
	struct self *self = &world->self;
	uint32_t ids[NR_SIZES];
	int error = self_open(self, &world->bench, 256u << 10);

	if (error == 0)
		error = tacho_memory_bind(&self->memory, RECEIVER, RECEIVER);
	for (unsigned int i = 0; i < NR_SIZES && error == 0; i++) {
		char name[32];
		struct self_log log = { .event = name, .layout = LAYOUT, .rows = 1u << i };

		snprintf(name, sizeof(name), "bench.sent%u", i);
		error = self_add(self, &log);
		ids[i] = log.id;
		if (error == 0)
			log_find(world, &log, &world->log[i]);
	}
	if (error == 0)
		error = self_attach(self);
	return error ? error : self_enable(self, ids, NR_SIZES);
}

static void case_name(char *name, size_t len, unsigned int reader, unsigned int size)
{
	snprintf(name, len, "%s/%u", reader_name[reader], ROW_SIZE << size);
}

/* Is there such a case, and is it wanted? A quiet log of one row has none that can be read. */
static bool is_case(const struct world *world, unsigned int reader, unsigned int size)
{
	char name[64];

	case_name(name, sizeof(name), reader, size);
	return bench_wants(&world->bench, name) && (size > 0 || reader < WINDOW_CACHED);
}

static void case_print(struct world *world, unsigned int reader, unsigned int size)
{
	char name[64];

	case_name(name, sizeof(name), reader, size);
	for (unsigned int metric = 0; metric < NR_METRICS; metric++) {
		const struct samples *samples = &world->samples[reader][size][metric];

		if (samples->nr > 0)
			bench_print(&world->bench, name, metric_name[metric].name,
				    metric_name[metric].unit, samples->value, samples->nr);
	}
}

/* How often a thread of this process lost its CPU to somebody else. */
static long preemptions(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_nivcsw : 0;
}

/*
 * One repetition. When reader or writer lost the CPU in it, it was about something else: it is done
 * again, a few times, and counted when that does not help.
 */
static void case_run(struct world *world, unsigned int reader, unsigned int size)
{
	struct samples *samples = world->samples[reader][size], saved[NR_METRICS];
	unsigned int tries = 0;
	char name[64];
	long before;
	int error;

	memcpy(saved, samples, sizeof(saved));
	for (;;) {
		usleep(1000); /* and come back with a whole time slice */
		before = preemptions();
		error = reader >= WINDOW_CACHED ? repeat_cached(world, reader, size)
						: repeat(world, reader, size);
		if (error || preemptions() == before || ++tries == MAX_AGAIN)
			break;
		memcpy(samples, saved, sizeof(saved));
	}
	world->disturbed += tries == MAX_AGAIN;
	if (error == 0)
		return;
	case_name(name, sizeof(name), reader, size);
	bench_say(&world->bench, "%s: %s", name, strerror(-error));
	world->bench.failed++;
}

/*
 * Every case once per round; then, if nothing was wrong, print. On a busy machine there are fewer
 * rounds, at least three: the lines say how many.
 */
static void run_all(struct world *world, double *room)
{
	const unsigned int runs = world->bench.runs;
	const uint64_t until = bench_monotonic_ns() + ENOUGH_NS;

	for (unsigned int reader = 0; reader < NR_READERS; reader++)
		for (unsigned int size = 0; size < NR_SIZES; size++)
			for (unsigned int i = 0; i < NR_METRICS; i++, room += runs)
				world->samples[reader][size][i].value = room;
	for (unsigned int run = 0; run < runs && (run < 3 || bench_monotonic_ns() < until); run++)
		for (unsigned int size = 0; size < NR_SIZES; size++)
			for (unsigned int reader = 0; reader < NR_READERS; reader++)
				if (is_case(world, reader, size))
					case_run(world, reader, size);
	if (world->bench.failed)
		return;
	for (unsigned int reader = 0; reader < NR_READERS; reader++)
		for (unsigned int size = 0; size < NR_SIZES; size++)
			if (is_case(world, reader, size))
				case_print(world, reader, size);
}

int main(int argc, char **argv)
{
	static struct world world;
	double *samples;
	int cpus[2];

	bench_open(&world.bench, "reader", 11, 100000, argc, argv);
	if (bench_cpus(&world.bench, cpus, 2) < 2) {
		bench_say(&world.bench, "needs two CPUs");
		return BENCH_SKIP;
	}
	world.writer_cpu = cpus[1];
	world.current = PAUSE;
	samples = calloc((size_t)NR_READERS * NR_SIZES * NR_METRICS * world.bench.runs,
			 sizeof(*samples));
	if (!samples || world_make(&world) ||
	    pthread_create(&world.writer, NULL, writer_run, &world)) {
		self_close(&world.self);
		free(samples);
		return 1;
	}
	bench_pin(cpus[0]);
	bench_say(&world.bench, "the writer is on CPU %d and uses %s, the reader is on CPU %d",
		  cpus[1],
		  world.self.target->writer == SELF_RSEQ ? "restartable sequences" : "atomics",
		  cpus[0]);
	run_all(&world, samples);
	if (world.disturbed)
		bench_say(&world.bench, "in %u repetitions the reader or the writer lost its CPU",
			  world.disturbed);
	tacho_store_relaxed(&world.current, (uint32_t)STOP);
	pthread_join(world.writer, NULL);
	self_close(&world.self);
	free(samples);
	return bench_status(&world.bench);
}
