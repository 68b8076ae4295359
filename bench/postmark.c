// SPDX-License-Identifier: BSD-2-Clause
/*
 * postmark.c: what analysing a running system adds to Postmark.
 *
 * Figure 5.7 of paper 001, figure 6 of paper 000. Postmark (Debian's) creates, reads, extends and removes
 * files of 500 bytes to 1 MB, 200 of them, on memory-backed storage: a tmpfs of our own in a mount
 * namespace of our own. Beside it, in all cases, a client and a driver exchange 4 KB through shared
 * memory, with as many wake-ups per second as the paper's: Postmark itself talks to nobody here.
 *
 *   native          nothing is loaded
 *   analysis-empty  the component is loaded, nothing is enabled, the logs are analysed every 20 ms
 *   ipc             ipc.wake and cpu.service, all entries and time, analysed every 20 ms
 *   ipc+shared-3    and mem.shared at every third analysis, of the domains with each other that used more
 *                   than a thousandth of a processor, in some interval within the last second
 *   ipc+shared      and mem.shared at every analysis
 *
 * Postmark and the analysis share one CPU, as in the paper, so its time counts in full. Metrics:
 *
 *   seconds       that Postmark takes if the two have that CPU for themselves: its own processor time,
 *                 stretched by the share that the analysis takes
 *   percent       seconds, over the mean of the native run before and the one after
 *   percent-own   the same without the analysis: what happens to Postmark itself
 *   percent-share of the CPU, that the analysis takes: the time of a round in 20 ms
 *   best-percent  of the fastest run of all rounds, over the fastest of the native runs that came before
 *                 them, with the usual share: for machines that are not idle. One value
 *   percent-wall  the same as percent by the wall clock; on a machine with other work it shows that work
 *   rows/s, lost  of all logs
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "analysis.h"
#include "bench.h"
#include "channel.h"

#define PLACE	  "/tmp" /* of our mount namespace */
#define WAKES	  1450u /* per second: 29 in 20 ms */
#define WARM_NS	  600000000ull
#define EXCHANGES 15u /* at a time */

static struct bench bench;

/* --- client and driver -------------------------------------------------------------------- */

static pid_t pair_pid;

static void pair_work(int cpu)
{
	const struct channel_options options = { .kind = CHANNEL_FUTEX,
						 .is_process = true,
						 .size = CHANNEL_MAX_SIZE,
						 .nr_pairs = 1,
						 .cpus = &cpu };
	uint64_t next = bench_monotonic_ns();
	struct channel_sample sample;
	struct channel *channel;

	if (channel_open(&channel, &options) != 0)
		return;
	while (channel_run(channel, EXCHANGES, &sample) == 0) {
		struct timespec at;

		next += 2 * sample.round_trips * (1000000000u / WAKES);
		at = (struct timespec){ (time_t)(next / 1000000000u), (long)(next % 1000000000u) };
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
	}
}

/* On another CPU than Postmark's, if there is one. They end with us. */
static int pair_start(void)
{
	int cpus[2] = { bench.cpu, bench.cpu };

	bench_cpus(&bench, cpus, 2);
	pair_pid = fork();
	if (pair_pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "client");
		sched_setaffinity(0, sizeof(bench.allowed), &bench.allowed);
		pair_work(cpus[0]);
		_exit(1);
	}
	return pair_pid < 0 ? -errno : 0;
}

/* --- Postmark ----------------------------------------------------------------------------- */

/* Storage that goes away with the namespace, that is with us and Postmark. */
static int storage_make(void)
{
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tacho-bench", PLACE, "tmpfs", 0, "size=1g") != 0)
		return -errno;
	return 0;
}

static int memory_file(const char *name, const char *text)
{
	int fd = memfd_create(name, MFD_CLOEXEC);
	ssize_t len = (ssize_t)strlen(text);

	if (fd >= 0 && (write(fd, text, (size_t)len) != len || lseek(fd, 0, SEEK_SET) != 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

static pid_t postmark_start(int in, int out)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		lseek(in, 0, SEEK_SET);
		dup2(in, STDIN_FILENO);
		dup2(out, STDOUT_FILENO);
		dup2(out, STDERR_FILENO);
		execlp("postmark", "postmark", NULL);
		_exit(127);
	}
	return pid;
}

/* It always exits with 0 or so: what it prints tells whether it did its work. */
static bool postmark_is_good(int out)
{
	char text[4096];
	ssize_t len = pread(out, text, sizeof(text) - 1, 0);

	text[len > 0 ? len : 0] = '\0';
	return strstr(text, "Deleting files...Done") && !strstr(text, "Error");
}

/* --- one run ------------------------------------------------------------------------------ */

struct sample {
	double own; /* seconds of the processor, Postmark's */
	double wall; /* seconds */
	double share; /* of that CPU, that the analysis takes when none of its rounds is late; 0 to 1 */
};

struct config {
	const char *name;
	bool is_on; /* the events are enabled */
	uint32_t shared_every;
	bool is_out;
	double *seconds, *percent, *own, *share, *wall, *rows; /* by round */
	double best, best_native; /* seconds of Postmark's own */
	uint64_t nr_rows, nr_samples, nr_shared, late, rounds;
	uint64_t lost;
};

static double seconds_of(const struct rusage *usage)
{
	return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
	       (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

static double own_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return seconds_of(&usage);
}

/* Postmark, once; analysed meanwhile, or not (NULL). 0 or -errno. */
static int run_once(struct analysis *analysis, int in, struct sample *sample)
{
	int out = memory_file("report", ""), fd = -1, status = -1, error = 0;
	uint64_t start, rounds = analysis ? analysis->rounds : 0;
	struct rusage usage;
	double cpu;
	pid_t pid;

	*sample = (struct sample){ 0 };
	pid = postmark_start(in, out);
	start = bench_monotonic_ns();
	cpu = own_seconds(); /* starting it is no analysis */
	if (pid < 0)
		error = -errno;
	if (!error && analysis) {
		fd = (int)syscall(SYS_pidfd_open, pid, 0);
		error = fd < 0 ? -errno : analysis_loop(analysis, UINT64_MAX, fd);
	}
	if (error && pid > 0)
		kill(pid, SIGKILL);
	while (pid > 0 && wait4(pid, &status, 0, &usage) < 0)
		if (errno != EINTR)
			return -errno;
	sample->wall = (double)(bench_monotonic_ns() - start) / 1e9;
	if (analysis && analysis->rounds > rounds)
		sample->share = (own_seconds() - cpu) / (double)(analysis->rounds - rounds) /
				(ANALYSIS_PERIOD_NS / 1e9);
	sample->own = seconds_of(&usage);
	if (!error && (status != 0 || !postmark_is_good(out)))
		error = -ECHILD;
	if (fd >= 0)
		close(fd);
	close(out);
	return error;
}

/* The analysis stands in the way of whoever has the same CPU. */
static double alone(const struct sample *sample)
{
	return sample->own / (1 - sample->share);
}

static int run_config(struct config *config, int in, unsigned int round, struct sample *sample,
		      char *why, size_t why_size)
{
	struct analysis_options options = {
		.events = { TACHO_K_CPU_SERVICE, TACHO_K_IPC_WAKE, TACHO_K_MEM_SHARED },
		.nr_events = config->shared_every ? 3 : 2,
	};
	struct analysis analysis;
	int error = analysis_open(&analysis, &options, why, why_size);
	uint64_t rows = 0;

	analysis.shared_every = config->shared_every;
	if (!error && config->is_on)
		error = analysis_enable(&analysis);
	if (!error) /* it has been there for a while */
		error = analysis_loop(&analysis, bench_monotonic_ns() + WARM_NS, -1);
	if (!error) {
		snprintf(why, why_size, "Postmark");
		rows = analysis.rows;
		error = run_once(&analysis, in, sample);
	}
	if (!error) {
		config->rows[round] = (double)(analysis.rows - rows) / sample->wall;
		config->nr_rows += analysis.rows;
		config->nr_samples += analysis.samples;
		config->nr_shared += analysis.shared;
		config->lost += analysis_lost(&analysis);
		config->rounds += analysis.rounds;
		config->late += analysis.late;
	}
	analysis_close(&analysis);
	return error;
}

/* --- rounds ------------------------------------------------------------------------------- */

static struct config native = { .name = "native" };
static struct config configs[] = {
	{ .name = "analysis-empty" },
	{ .name = "ipc", .is_on = true },
	{ .name = "ipc+shared-3", .is_on = true, .shared_every = 3 },
	{ .name = "ipc+shared", .is_on = true, .shared_every = 1 },
};
#define NR_CONFIGS (sizeof(configs) / sizeof(configs[0]))

/* 0: there was none yet. */
static double least(double a, double b)
{
	return a == 0 || b < a ? b : a;
}

static double over(double value, double a, double b)
{
	return (value * 2 / (a + b) - 1) * 100;
}

/* native, a configuration, native, the next one... */
static int one_round(int in, unsigned int round)
{
	struct sample before, after, sample;
	char why[200] = "";
	int error = run_once(NULL, in, &before);

	native.seconds[round] = before.own;
	for (size_t i = 0; i < NR_CONFIGS && !error; i++) {
		struct config *config = &configs[i];

		if (config->is_out)
			continue;
		if (run_config(config, in, round, &sample, why, sizeof(why)) != 0) {
			bench_skip(&bench, config->name, "%s", why);
			config->is_out = true;
			continue;
		}
		error = run_once(NULL, in, &after);
		config->best = least(config->best, sample.own);
		config->best_native = least(config->best_native, before.own);
		config->seconds[round] = alone(&sample);
		config->percent[round] = over(alone(&sample), before.own, after.own);
		config->own[round] = over(sample.own, before.own, after.own);
		config->share[round] = sample.share * 100;
		config->wall[round] = over(sample.wall, before.wall, after.wall);
		before = after;
	}
	return error;
}

/* The client and the driver woke each other, and their memory was seen. */
static bool check(const struct config *config)
{
	if (config->lost) /* whoever else switches a million times a second can do that */
		bench_say(&bench, "%s: %" PRIu64 " rows were lost", config->name, config->lost);
	if (!config->is_on && config->nr_rows)
		bench_say(&bench, "%s: %" PRIu64 " rows, though nothing was enabled", config->name,
			  config->nr_rows);
	else if (config->is_on && config->nr_rows < config->rounds * WAKES / 100)
		bench_say(&bench, "%s: %" PRIu64 " rows are too few", config->name,
			  config->nr_rows);
	else if (config->shared_every && (!config->nr_samples || !config->nr_shared))
		bench_say(&bench, "%s: no shared page was seen", config->name);
	else
		return true;
	return false;
}

static void print(struct config *config)
{
	double lost = (double)config->lost, best;

	if (config->is_out)
		return;
	if (config != &native && !check(config)) {
		bench.failed++;
		return;
	}
	bench_print(&bench, config->name, "seconds", "s", config->seconds, bench.runs);
	for (unsigned int i = 0; i < bench.runs; i++)
		config->seconds[i] = (double)bench.nr / config->seconds[i];
	bench_print(&bench, config->name, "transactions/s", "1/s", config->seconds, bench.runs);
	if (config == &native)
		return;
	bench_print(&bench, config->name, "percent", "%", config->percent, bench.runs);
	bench_print(&bench, config->name, "percent-own", "%", config->own, bench.runs);
	bench_print(&bench, config->name, "percent-share", "%", config->share, bench.runs);
	/* the shares are sorted by now */
	best = over(config->best / (1 - config->share[bench.runs / 2] / 100), config->best_native,
		    config->best_native);
	bench_print(&bench, config->name, "best-percent", "%", &best, 1);
	bench_print(&bench, config->name, "percent-wall", "%", config->wall, bench.runs);
	bench_print(&bench, config->name, "rows/s", "rows/s", config->rows, bench.runs);
	bench_print(&bench, config->name, "lost", "rows", &lost, 1);
	fprintf(stderr,
		"  %-28s %" PRIu64 " analyses, %" PRIu64 " of them late, %" PRIu64
		" samples of shared memory, %" PRIu64 " rows of it\n",
		config->name, config->rounds, config->late, config->nr_samples, config->nr_shared);
}

static void summary(const char *name, const char *target)
{
	const struct bench_result *r = bench_result(&bench, name, "percent");

	if (r)
		fprintf(stderr, "  %-24s over native %8.2f %8.2f %%  %s\n", r->name, r->median,
			r->min, target);
}

static void prepare(struct config *config)
{
	double *room = calloc(6 * bench.runs, sizeof(*room));

	config->is_out = !room || !bench_wants(&bench, config->name);
	config->seconds = room;
	config->percent = room + bench.runs;
	config->own = room + 2 * bench.runs;
	config->wall = room + 3 * bench.runs;
	config->rows = room + 4 * bench.runs;
	config->share = room + 5 * bench.runs;
}

static int measure(int in)
{
	struct sample warm;
	int error = run_once(NULL, in, &warm);

	if (error == -ECHILD) {
		bench_say(&bench, "postmark cannot be run: is the package postmark installed?");
		return BENCH_SKIP;
	}
	if (!error)
		error = pair_start();
	for (unsigned int round = 0; round < bench.runs && !error; round++)
		error = one_round(in, round);
	if (pair_pid > 0) {
		kill(pair_pid, SIGKILL);
		waitpid(pair_pid, NULL, 0);
	}
	if (error) {
		bench_say(&bench, "Postmark: %s", strerror(-error));
		return 1;
	}
	print(&native);
	for (size_t i = 0; i < NR_CONFIGS; i++)
		print(&configs[i]);
	summary("analysis-empty", "");
	summary("ipc", "at most 1 %");
	summary("ipc+shared-3", "");
	summary("ipc+shared", "at most 5 %");
	return bench_status(&bench);
}

int main(int argc, char **argv)
{
	char commands[256];
	int error, in, status;

	bench_open(&bench, "postmark", 9, 1500, argc, argv); /* nr: transactions */
	prctl(PR_SET_NAME, "analysis"); /* so that it is told from what it starts */
	error = storage_make();
	if (error) {
		bench_say(&bench, "no storage of our own: %s", strerror(-error));
		return BENCH_SKIP;
	}
	snprintf(commands, sizeof(commands),
		 "set location " PLACE "\nset number 200\nset transactions %" PRIu64
		 "\nset size 500 1048576\nset seed 42\nrun\nquit\n",
		 bench.nr);
	in = memory_file("commands", commands);
	prepare(&native);
	for (size_t i = 0; i < NR_CONFIGS; i++)
		prepare(&configs[i]);
	status = in < 0 ? 1 : measure(in);
	for (size_t i = 0; i < NR_CONFIGS; i++)
		free(configs[i].seconds);
	free(native.seconds);
	return status;
}
