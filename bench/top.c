// SPDX-License-Identifier: BSD-2-Clause
/*
 * top.c: the processor time that looking takes: `tacho top`, and an analysis loop of 20 ms.
 *
 * Only the side that reads is measured here, its user and system time as a share of one CPU; what
 * writing rows adds to the observed work is in bench/pingpong and bench/syscall. Cases are LOAD/READER:
 *
 *   idle        nothing of ours runs
 *   busy        pairs of processes, one pair per CPU, that switch 50000 times a second all together
 *   very-busy   the same and system calls, 400000 rows a second all together
 *   provoked    as busy, but logs of 64 rows: rows are lost, and all of them are counted
 *
 *   top         `tacho top` from beside this program, every 1 s; from its first table to its last. Its
 *               usual events, and `syscall` when it is very busy
 *   floor       wakes up every 20 ms and does nothing: what the machine takes for that
 *   analysis    analysis.h: cpu.service and ipc.wake, and `syscall` when it is very busy
 *
 * Metrics: percent (of one CPU), rows/s (read), lost (rows, in all repetitions), switches/s (of the machine).
 * A repetition in which the load did not reach its rate, because others had the processors, is done again.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "analysis.h"
#include "bench.h"
#include "channel.h"
#include "sched/world.h"

#define SWITCHES   50000u /* per second, busy */
#define EVENTS	   400000u /* per second, very busy */
#define REACHED	   0.95 /* of the rate is enough */
#define MAX_TRIES  4
#define MAX_BEHIND 3 /* periods of a load, that are caught up */
#define BURST_NS   1000000ull /* system calls come in bursts, every so often */
#define EXCHANGES  96u /* round trips of a pair at a time */
#define WARM_NS	   300000000ull
#define MAX_CPUS   CHANNEL_MAX_PAIRS
#define MAX_LOADS  (MAX_CPUS + 1)
#define TOP_TABLES 3 /* the time between the first and the last of them is measured */

static struct bench bench;
static int cpus[MAX_CPUS];
static int nr_cpus;

/* --- loads -------------------------------------------------------------------------------- */

struct load {
	bool switches;
	uint64_t calls; /* system calls per second, all CPUs together */
	pid_t pid[MAX_LOADS];
	int nr;
};

static void sleep_until(uint64_t ns)
{
	const struct timespec at = { .tv_sec = (time_t)(ns / 1000000000u),
				     .tv_nsec = (long)(ns % 1000000000u) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

/* A process that runs fn and is killed with us. */
static void load_start(struct load *load, void (*fn)(const struct load *load, int cpu), int cpu)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "load");
		fn(load, cpu);
		_exit(1);
	}
	if (pid > 0)
		load->pid[load->nr++] = pid;
}

/*
 * The next beginning of a period. Who was late catches up, but not all at once: that would be another
 * rate for a while.
 */
static void next_period(uint64_t *next, uint64_t period)
{
	uint64_t now = bench_monotonic_ns();

	*next += period;
	if (now > *next + MAX_BEHIND * period)
		*next = now - MAX_BEHIND * period;
	sleep_until(*next);
}

/* Two switches per round trip. */
static void load_switches(const struct load *load, int cpu)
{
	const struct channel_options options = { .kind = CHANNEL_PIPE,
						 .is_process = true,
						 .size = 1,
						 .nr_pairs = nr_cpus,
						 .cpus = cpus };
	uint64_t next = bench_monotonic_ns();
	struct channel_sample sample;
	struct channel *channel;

	(void)load;
	(void)cpu;
	if (channel_open(&channel, &options) != 0)
		return;
	while (channel_run(channel, EXCHANGES, &sample) == 0)
		next_period(&next, 2 * sample.round_trips * 1000000000u / SWITCHES);
	channel_close(channel);
}

static void load_calls(const struct load *load, int cpu)
{
	uint64_t burst = load->calls * BURST_NS / 1000000000u / (uint64_t)nr_cpus;
	uint64_t next = bench_monotonic_ns();

	bench_pin(cpu);
	for (;;) {
		for (uint64_t left = burst; left > 0; left--)
			syscall(SYS_getppid);
		next_period(&next, BURST_NS);
	}
}

static void load_open(struct load *load)
{
	load->nr = 0;
	if (load->switches)
		load_start(load, load_switches, -1);
	for (int i = 0; i < nr_cpus && load->calls; i++)
		load_start(load, load_calls, cpus[i]);
	sleep_until(bench_monotonic_ns() + WARM_NS);
}

/* The ends of a channel die with the process that has it. */
static void load_close(struct load *load)
{
	for (int i = 0; i < load->nr; i++) {
		kill(load->pid[i], SIGKILL);
		waitpid(load->pid[i], NULL, 0);
	}
	load->nr = 0;
}

/* --- one repetition ----------------------------------------------------------------------- */

struct sample {
	double percent;
	double rows; /* per second */
	double switches; /* per second */
	uint64_t lost;
	uint64_t missing; /* rows of the logs that were neither read nor counted as lost */
	uint64_t late; /* rounds of the analysis */
};

struct top_case {
	const char *load, *reader;
	struct load what;
	bool with_calls; /* syscall is among the events */
	uint32_t rows; /* of each log; 0: the default */
	bool provoked;
	double least; /* rows per second */
	char name[32];
	double *percent, *rate, *switches; /* by round */
	uint64_t lost, missing, late;
	unsigned int tries;
	bool is_out;
};

static double own_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int measure_analysis(const struct top_case *c, struct sample *sample, char *why,
			    size_t why_size)
{
	struct analysis_options options = {
		.events = { TACHO_K_CPU_SERVICE, TACHO_K_IPC_WAKE, TACHO_K_SYSCALL },
		.nr_events = c->with_calls ? 3 : 2,
		.rows = c->rows,
	};
	struct analysis analysis;
	uint64_t start, rows, switches;
	double seconds, cpu;
	int error = analysis_open(&analysis, &options, why, why_size);

	if (!error)
		error = analysis_enable(&analysis);
	if (!error) /* what came while it was being enabled is not of a round */
		error = analysis_loop(&analysis, bench_monotonic_ns() + WARM_NS, -1);
	start = bench_monotonic_ns();
	cpu = own_seconds();
	rows = analysis.rows;
	switches = bench_switches();
	if (!error)
		error = analysis_loop(&analysis, start + bench.nr * 1000000u, -1);
	seconds = (double)(bench_monotonic_ns() - start) / 1e9;
	sample->percent = (own_seconds() - cpu) * 100 / seconds;
	sample->rows = (double)(analysis.rows - rows) / seconds;
	sample->switches = (double)(bench_switches() - switches) / seconds;
	if (!error) {
		error = tacho_live_off(analysis.live);
		if (!error)
			error = analysis_round(&analysis);
		sample->lost = analysis_lost(&analysis);
		sample->late = analysis.late;
		sample->missing = analysis_missing(&analysis);
	}
	analysis_close(&analysis);
	if (error && !*why)
		snprintf(why, why_size, "%s", strerror(-error));
	return error;
}

static int measure_floor(const struct top_case *c, struct sample *sample, char *why,
			 size_t why_size)
{
	uint64_t start = bench_monotonic_ns(), switches = bench_switches();
	double seconds, cpu = own_seconds();
	int error = analysis_loop(NULL, start + bench.nr * 1000000u, -1);

	(void)c;
	snprintf(why, why_size, "%s", strerror(-error));
	seconds = (double)(bench_monotonic_ns() - start) / 1e9;
	sample->percent = (own_seconds() - cpu) * 100 / seconds;
	sample->switches = (double)(bench_switches() - switches) / seconds;
	return error;
}

/* --- tacho top ---------------------------------------------------------------------------- */

static pid_t command_start(const struct top_case *c, const char *path, int *out)
{
	char tables[16];
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	/* one more, so that it is not about to end when it is looked at last */
	snprintf(tables, sizeof(tables), "%d", TOP_TABLES + 1);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sched_setaffinity(0, sizeof(bench.allowed), &bench.allowed);
		dup2(ends[1], STDOUT_FILENO);
		execl(path, "tacho", "top", "--count", tables, "--interval", "1",
		      c->with_calls ? "--events" : NULL, "syscall", NULL);
		_exit(127);
	}
	close(ends[1]);
	*out = ends[0];
	return pid;
}

/* "reads 50.1k events/s" */
static double rate_parse(const char *line)
{
	const char *at = strstr(line, "reads ");
	char *end;
	double rate;

	if (!at)
		return 0;
	rate = strtod(at + strlen("reads "), &end);
	return *end == 'k' ? rate * 1e3 : *end == 'M' ? rate * 1e6 : rate;
}

/* "lost 12 overwritten, 3 nested": so far */
static uint64_t lost_parse(const char *line)
{
	uint64_t lost = 0;
	char *end;

	for (line += strcspn(line, "0123456789"); *line; line += strcspn(line, "0123456789")) {
		lost += strtoull(line, &end, 10);
		line = end;
	}
	return lost;
}

/* Every table ends by a line that says what was lost. Returns how many tables there were. */
static int command_read(FILE *file, pid_t pid, struct sample *sample)
{
	uint64_t start = 0, first = 0, switches = 0;
	double seconds, rows = 0;
	char line[1024], *own;
	int tables = 0;

	while (tables < TOP_TABLES && fgets(line, sizeof(line), file)) {
		own = strstr(line, "tacho top itself");
		if (!own)
			continue;
		if (tables++ == 0) {
			start = bench_monotonic_ns();
			first = tacho_world_run(pid, pid);
			switches = bench_switches();
		} else {
			rows += rate_parse(own);
		}
		*own = '\0';
		sample->lost = lost_parse(line);
	}
	seconds = (double)(bench_monotonic_ns() - start) / 1e9;
	sample->percent = (double)(tacho_world_run(pid, pid) - first) / (seconds * 1e7);
	sample->rows = rows / (TOP_TABLES - 1);
	sample->switches = (double)(bench_switches() - switches) / seconds;
	return tables;
}

static int measure_top(const struct top_case *c, struct sample *sample, char *why, size_t why_size)
{
	char path[PATH_MAX];
	int error = bench_beside("../tacho", path, sizeof(path)), fd = -1, tables = 0;
	FILE *file;
	pid_t pid;

	if (error) {
		snprintf(why, why_size, "tacho is not beside this program: %s", strerror(-error));
		return error;
	}
	pid = command_start(c, path, &fd);
	if (pid < 0)
		return -errno;
	file = fdopen(fd, "r");
	if (file)
		tables = command_read(file, pid, sample);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	if (file)
		fclose(file);
	else
		close(fd);
	snprintf(why, why_size, "tacho top ended after %d tables", tables);
	return tables < TOP_TABLES ? -EPIPE : 0;
}

/* --- cases -------------------------------------------------------------------------------- */

#define BUSY .load = "busy", .what = { .switches = true }, .least = SWITCHES
#define VERY_BUSY                                                                                  \
	.load = "very-busy", .what = { .switches = true, .calls = 170000 }, .with_calls = true,    \
	.least = EVENTS

static struct top_case cases[] = {
	{ .load = "idle", .reader = "floor" },
	{ .load = "idle", .reader = "top" },
	{ .load = "idle", .reader = "analysis" },
	{ BUSY, .reader = "floor" },
	{ BUSY, .reader = "top" },
	{ BUSY, .reader = "analysis" },
	{ VERY_BUSY, .reader = "top" },
	{ VERY_BUSY, .reader = "analysis" },
	{ .load = "provoked",
	  .reader = "analysis",
	  .what = { .switches = true },
	  .rows = 64,
	  .provoked = true },
};
#define NR_CASES (sizeof(cases) / sizeof(cases[0]))

/* Rows that are lost were written, too. */
static bool has_reached(const struct top_case *c, const struct sample *sample)
{
	if (c->least > SWITCHES)
		return sample->rows >= REACHED * c->least;
	return sample->switches >= REACHED * c->least;
}

typedef int (*measure_fn)(const struct top_case *c, struct sample *sample, char *why,
			  size_t why_size);

static measure_fn reader_find(const struct top_case *c)
{
	if (strcmp(c->reader, "top") == 0)
		return measure_top;
	return strcmp(c->reader, "floor") == 0 ? measure_floor : measure_analysis;
}

static void repeat(struct top_case *c, unsigned int round)
{
	struct sample sample;
	char why[200] = "";
	int error = 0;

	for (int i = 0; i < MAX_TRIES && !error; i++) {
		sample = (struct sample){ 0 };
		load_open(&c->what);
		error = reader_find(c)(c, &sample, why, sizeof(why));
		load_close(&c->what);
		/* nothing that was lost is forgotten because it is done again */
		c->lost += sample.lost;
		c->missing += sample.missing;
		c->late += sample.late;
		if (has_reached(c, &sample))
			break;
		c->tries++;
	}
	if (error) {
		bench_skip(&bench, c->name, "%s", why);
		c->is_out = true;
		return;
	}
	c->percent[round] = sample.percent;
	c->rate[round] = sample.rows;
	c->switches[round] = sample.switches;
}

static bool check(const struct top_case *c)
{
	if (c->missing)
		bench_say(&bench, "%s: %" PRIu64 " rows were neither read nor counted as lost",
			  c->name, c->missing);
	else if (c->lost && !c->provoked)
		bench_say(&bench, "%s: %" PRIu64 " rows were lost; %" PRIu64 " rounds began late",
			  c->name, c->lost, c->late);
	else if (!c->lost && c->provoked)
		bench_say(&bench, "%s: nothing was lost, which cannot be", c->name);
	else
		return true;
	return false;
}

static void print(struct top_case *c)
{
	double lost = (double)c->lost;

	if (c->is_out || !c->percent)
		return;
	if (!check(c)) {
		bench.failed++;
		return;
	}
	if (!c->provoked)
		bench_print(&bench, c->name, "percent", "%", c->percent, bench.runs);
	bench_print(&bench, c->name, "switches/s", "switches/s", c->switches, bench.runs);
	if (strcmp(c->reader, "floor") == 0)
		return;
	bench_print(&bench, c->name, "rows/s", "rows/s", c->rate, bench.runs);
	bench_print(&bench, c->name, "lost", "rows", &lost, 1);
	if (c->tries)
		bench_say(&bench, "%s: the load was too small in %u repetitions", c->name,
			  c->tries);
}

static void summary(const char *name, const char *target)
{
	const struct bench_result *r = bench_result(&bench, name, "percent");

	if (r)
		fprintf(stderr, "  %-24s %8.2f %8.2f %% of one CPU  %s\n", name, r->median, r->min,
			target);
}

int main(int argc, char **argv)
{
	double *room;

	bench_open(&bench, "top", 5, 2000, argc, argv); /* nr: ms of analysis */
	nr_cpus = bench_cpus(&bench, cpus, MAX_CPUS);
	nr_cpus = nr_cpus > MAX_CPUS ? MAX_CPUS : nr_cpus;
	sched_setaffinity(0, sizeof(bench.allowed), &bench.allowed);
	for (size_t i = 0; i < NR_CASES; i++) {
		struct top_case *c = &cases[i];

		snprintf(c->name, sizeof(c->name), "%s/%s", c->load, c->reader);
		room = calloc(3 * bench.runs, sizeof(*room));
		c->is_out = !room || !bench_wants(&bench, c->name);
		c->percent = room;
		c->rate = room + bench.runs;
		c->switches = room + 2 * bench.runs;
	}
	for (unsigned int round = 0; round < bench.runs; round++)
		for (size_t i = 0; i < NR_CASES; i++)
			if (!cases[i].is_out)
				repeat(&cases[i], round);
	for (size_t i = 0; i < NR_CASES; i++) {
		print(&cases[i]);
		free(cases[i].percent);
	}
	summary("busy/floor", "");
	summary("busy/analysis", "below 1 %");
	summary("very-busy/analysis", "");
	summary("busy/top", "");
	summary("very-busy/top", "");
	return bench_status(&bench);
}
