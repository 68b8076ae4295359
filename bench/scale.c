// SPDX-License-Identifier: BSD-2-Clause
/*
 * scale.c: how much more several threads log than one.
 *
 * One pinned thread per CPU, on 1, 2, ... CPUs (powers of two from 8 on, and all of them), and then
 * twice as many threads as CPUs, free to move. Threads start together, log until they are told to stop,
 * and every row is found again. Metrics: `events/s`; `ratio` to one thread in the same round; and
 * `cpu-ratio`, the same per second of CPU time that the threads got, which is what several writers
 * do to each other when other work on the machine takes some of their time.
 *
 * The cases `threads-N/null` and `threads-N/floor` are the machine's own limits: the same threads in an
 * empty loop, and in one that stores the time and 32 bytes through a per-CPU index and shares nothing.
 * CPUs that share a core, or a hypervisor's time, show there. What a log costs is bench/log.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <tacho/atomic.h>
#include <tacho/tacho.h>

#include "bench.h"
#include "floor.h"
#include "self.h"

#define ROWS	    4096
#define CHUNK	    256 /* events between two looks at the flag */
#define WARM_CHUNKS 64
#define SAMPLE_NS   10000000
#define MAX_CPUS    1024
#define MAX_STEPS   24 /* 1 to 8, 16 to 1024, all, twice all */

TACHO_EVENT(e4, TACHO_ACCESS, "bench.entries4", "number", "peer", "all entries, no time");
TACHO_EVENT(e5, TACHO_ACCESS, "bench.entries5", "number", "peer", "all entries and the time");

#define LOOP(name, ...)                                                                            \
	static __attribute__((noinline, aligned(64))) void name##_run(uint64_t nr)                 \
	{                                                                                          \
		BENCH_NO_UNROLL                                                                    \
		for (uint64_t i = 0; i < nr; i++) {                                                \
			__VA_ARGS__;                                                               \
			BENCH_KEEP(i);                                                             \
		}                                                                                  \
	}                                                                                          \
	struct scale_needs_a_semicolon

LOOP(e4, TACHO_LOG(e4, i));
LOOP(e5, TACHO_LOG(e5, i));
LOOP(null, (void)0);

#if defined(__x86_64__)
static struct floor_cpu *floor_cpus;
LOOP(floor, floor_row(floor_cpus, i));
#endif

struct kind {
	const char *name;
	void (*run)(uint64_t nr);
	struct self_log log; /* no event: nothing is logged */
	uint64_t total; /* events of all threads so far */
};

static struct kind kinds[] = {
	{ "null", null_run, { 0 }, 0 },
#if defined(__x86_64__)
	{ "floor", floor_run, { 0 }, 0 },
#endif
	{ "entries-4", e4_run, { "bench.entries4", TACHO_ENTRIES_ALL, ROWS, 1, 0, 0 }, 0 },
	{ "entries-5",
	  e5_run,
	  { "bench.entries5", TACHO_ENTRIES_ALL | TACHO_CLOCK_TIME, ROWS, 1, 0, 0 },
	  0 },
};
#define NR_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* How many threads; the first of a kind is one thread. */
struct step {
	int threads;
	bool pinned;
	char name[40];
	double *rate; /* events/s, by round */
	double *ratio;
	double *cpu_ratio;
};

static struct bench bench;
static struct self self;
static int cpus[MAX_CPUS];
static int nr_cpus;

/* --- one sample --------------------------------------------------------------------------- */

struct gang {
	pthread_barrier_t start;
	uint32_t stop;
	void (*run)(uint64_t nr);
};

struct member {
	struct gang *gang;
	pthread_t thread;
	int cpu; /* -1: any */
	uint64_t begin_ns;
	uint64_t end_ns;
	uint64_t cpu_ns;
	uint64_t warm; /* events before begin_ns */
	uint64_t events; /* between begin_ns and end_ns */
};

static uint64_t thread_cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void *member_main(void *arg)
{
	struct member *member = arg;
	struct gang *gang = member->gang;

	if (member->cpu >= 0)
		bench_pin(member->cpu);
	else
		sched_setaffinity(0, sizeof(bench.allowed), &bench.allowed);
	for (int i = 0; i < WARM_CHUNKS; i++)
		gang->run(CHUNK);
	member->warm = WARM_CHUNKS * CHUNK;
	pthread_barrier_wait(&gang->start);
	member->begin_ns = bench_monotonic_ns();
	member->cpu_ns = thread_cpu_ns();
	while (!tacho_load_relaxed(&gang->stop)) {
		gang->run(CHUNK);
		member->events += CHUNK;
	}
	member->cpu_ns = thread_cpu_ns() - member->cpu_ns;
	member->end_ns = bench_monotonic_ns();
	return NULL;
}

struct sample {
	double rate; /* events per second */
	double cpu_rate; /* events per second of CPU time, times threads that can run */
};

static struct sample evaluate(const struct member *members, int nr, struct kind *kind)
{
	uint64_t begin = UINT64_MAX, end = 0, events = 0, cpu_ns = 0;
	int running = nr < nr_cpus ? nr : nr_cpus;

	for (int i = 0; i < nr; i++) {
		begin = members[i].begin_ns < begin ? members[i].begin_ns : begin;
		end = members[i].end_ns > end ? members[i].end_ns : end;
		events += members[i].events;
		cpu_ns += members[i].cpu_ns;
		kind->total += members[i].events + members[i].warm;
	}
	return (struct sample){ .rate = (double)events * 1e9 / (double)(end - begin),
				.cpu_rate = (double)events * 1e9 / (double)cpu_ns * running };
}

static struct sample sample(struct kind *kind, const struct step *step, unsigned int round)
{
	struct timespec nap = { 0, SAMPLE_NS };
	struct gang gang = { .stop = 0, .run = kind->run };
	struct member *members = calloc((size_t)step->threads, sizeof(*members));
	struct sample result;

	if (!members ||
	    pthread_barrier_init(&gang.start, NULL, (unsigned int)step->threads + 1) != 0)
		abort();
	for (int i = 0; i < step->threads; i++) {
		/* one thread takes its turn on each CPU, or a slow one would make the others look good */
		int slot =
			step->threads == 1 ? (int)(round % (unsigned int)nr_cpus) : nr_cpus - 1 - i;

		members[i].gang = &gang;
		members[i].cpu = step->pinned ? cpus[slot] : -1;
		if (pthread_create(&members[i].thread, NULL, member_main, &members[i]) != 0)
			abort();
	}
	pthread_barrier_wait(&gang.start);
	nanosleep(&nap, NULL);
	tacho_store_relaxed(&gang.stop, 1);
	for (int i = 0; i < step->threads; i++)
		pthread_join(members[i].thread, NULL);
	pthread_barrier_destroy(&gang.start);
	result = evaluate(members, step->threads, kind);
	free(members);
	return result;
}

/* --- the run ------------------------------------------------------------------------------ */

static void add_step(struct step *steps, int *nr, int threads, bool pinned, const char *kind,
		     const char *writer)
{
	struct step *step = &steps[(*nr)++];
	char more[16] = "";

	*step = (struct step){ .threads = threads,
			       .pinned = pinned,
			       .rate = calloc(bench.runs, sizeof(double)),
			       .ratio = calloc(bench.runs, sizeof(double)),
			       .cpu_ratio = calloc(bench.runs, sizeof(double)) };
	if (!step->rate || !step->ratio || !step->cpu_ratio)
		abort();
	if (!pinned)
		snprintf(more, sizeof(more), "-on-%d", nr_cpus);
	snprintf(step->name, sizeof(step->name), "threads-%d%s/%s%s%s", threads, more, kind,
		 *writer ? "/" : "", writer);
}

static int make_steps(struct step *steps, const struct kind *kind, const char *writer)
{
	int nr = 0;

	for (int n = 1; n <= nr_cpus; n = n < 8 ? n + 1 : n * 2)
		add_step(steps, &nr, n, true, kind->name, writer);
	if (steps[nr - 1].threads != nr_cpus)
		add_step(steps, &nr, nr_cpus, true, kind->name, writer);
	add_step(steps, &nr, 2 * nr_cpus, false, kind->name, writer);
	return nr;
}

static void check_rows(const struct kind *kind, const char *writer)
{
	uint64_t rows, lost = self_lost(&self);

	if (!kind->log.event)
		return;
	rows = self_rows(&self, &kind->log);
	if (lost)
		bench_say(&bench, "%s/%s: %" PRIu64 " events of all cases were lost, and counted",
			  kind->name, writer, lost);
	if (rows == kind->total || (rows < kind->total && kind->total - rows <= lost))
		return;
	bench_say(&bench, "%s/%s: %" PRIu64 " rows of %" PRIu64 " events, %" PRIu64 " lost",
		  kind->name, writer, rows, kind->total, lost);
	bench.failed++;
}

static void run_kind(struct kind *kind, const char *writer)
{
	struct step steps[MAX_STEPS];
	int nr = make_steps(steps, kind, writer);
	unsigned int failed = bench.failed;

	for (unsigned int round = 0; round < bench.runs; round++) {
		struct sample one = { 0 };

		for (int i = 0; i < nr; i++) {
			struct sample now;

			if (i > 0 && !bench_wants(&bench, steps[i].name))
				continue;
			now = sample(kind, &steps[i], round);
			if (i == 0)
				one = now;
			steps[i].rate[round] = now.rate;
			steps[i].ratio[round] = now.rate / one.rate;
			steps[i].cpu_ratio[round] = now.cpu_rate / one.cpu_rate;
		}
	}
	check_rows(kind, writer);
	for (int i = 0; i < nr; i++) {
		if (failed == bench.failed && bench_wants(&bench, steps[i].name)) {
			bench_print(&bench, steps[i].name, "events/s", "1/s", steps[i].rate,
				    bench.runs);
			if (i > 0) {
				bench_print(&bench, steps[i].name, "ratio", "1", steps[i].ratio,
					    bench.runs);
				bench_print(&bench, steps[i].name, "cpu-ratio", "1",
					    steps[i].cpu_ratio, bench.runs);
			}
		}
		free(steps[i].rate);
		free(steps[i].ratio);
		free(steps[i].cpu_ratio);
	}
}

static int session_open(void)
{
	uint32_t ids[NR_KINDS];
	size_t nr = 0;
	int error = self_open(&self, &bench, 1u << 20);

	for (size_t i = 0; i < NR_KINDS && !error; i++) {
		if (!kinds[i].log.event)
			continue;
		error = self_add(&self, &kinds[i].log);
		ids[nr++] = kinds[i].log.id;
	}
	if (!error)
		error = self_attach(&self);
	return error ? error : self_enable(&self, ids, nr);
}

int main(int argc, char **argv)
{
	bool generic = self_is_generic();
	const char *writer;

	bench_open(&bench, "scale", 15, 1, argc, argv);
#if defined(__x86_64__)
	floor_cpus = floor_open();
	if (!floor_cpus)
		kinds[1].run = NULL;
#endif
	nr_cpus = bench_cpus(&bench, cpus, MAX_CPUS);
	nr_cpus = nr_cpus > MAX_CPUS ? MAX_CPUS : nr_cpus;
	if (session_open() != 0 || (generic && self.target->writer != SELF_GENERIC)) {
		self_close(&self);
		return 1;
	}
	writer = self.target->writer == SELF_GENERIC ? "generic" : "rseq";
	for (size_t i = 0; i < NR_KINDS; i++) {
		if (kinds[i].log.event)
			run_kind(&kinds[i], writer);
		else if (!generic && kinds[i].run)
			run_kind(&kinds[i], "");
	}
	self_close(&self);
	if (!generic && strcmp(writer, "rseq") == 0)
		self_run_generic(&bench, argv);
	return bench_status(&bench);
}
