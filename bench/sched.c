// SPDX-License-Identifier: BSD-2-Clause
/*
 * sched.c: what `tacho sched` makes of the throughput of work that it knows nothing about.
 *
 * A case is a load (loads.h). Configurations take turns (contest.h): the kernel alone, twice; `tacho sched`
 * with the policy auto; the best static placement that trying finds. Metrics:
 *
 *	stock, null, auto, best			operations per second
 *	stock-p99, auto-p99, best-p99		us, of single operations
 *	stock-hogs, auto-hogs, best-hogs	what the busy loops beside a load got done
 *	own-cpu, own-cpu-first			processor time of tacho in percent of one CPU: over some seconds of
 *						the load; over the repetitions, each with a new scheduler
 *	placed (case reaction)			ms from the first message of two processes to both on one CPU
 *
 * Options:
 *
 *	-r N	repetitions of each configuration [7]
 *	-n MS	measured per repetition [300]
 *	-c GLOB	cases
 *	--load CASE [--for SECONDS]	nothing but that load: its throughput, every second
 *	--list				the names of all cases
 *
 * The table at the end says which targets are met; a miss that is smaller than what stock differs from
 * itself is called one within noise.
 */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contest.h"
#include "spawn.h"

#define SETTLE_MS 700 /* older than what the scheduler calls young, and placed */
#define MAX_ROWS  64
#define GAIN	  1.2 /* of the best static placement: from there on it must be reached */
#define REACHED	  0.95
#define NOT_WORSE 0.98
#define TENFOLD	  10.0
#define REACTION  100.0 /* ms */
#define OWN	  1.0 /* percent */
#define WATCH_S	  10

static struct bench bench;
static struct contest contest = { .settle_ms = SETTLE_MS };
static struct contest_row rows[MAX_ROWS];
static int nr_rows;
static const struct load_service *service; /* that is up */

static const struct load *load_at(size_t i)
{
	if (i < loads_own_nr)
		return &loads_own[i];
	i -= loads_own_nr;
	if (i < loads_real_nr)
		return &loads_real[i];
	i -= loads_real_nr;
	return i < loads_batch_nr ? &loads_batch[i] : NULL;
}

/* --- services ------------------------------------------------------------------------------ */

static void service_close(void)
{
	if (service)
		service->close(service);
	service = NULL;
}

static void files_remove(void)
{
	service_close();
	spawn_dir_remove();
}

/* Neighbours in the table share one. */
static int service_open(const struct load *load, char *why, size_t why_size)
{
	int error;

	if (load->service == service)
		return 0;
	service_close();
	if (!load->service)
		return 0;
	error = load->service->open(load->service, why, why_size);
	if (!error)
		service = load->service;
	return error;
}

/* --- judgement ----------------------------------------------------------------------------- */

static const char *verdict(double value, double target, double noise)
{
	if (value >= target)
		return "met";
	return value >= target * (1 - noise) ? "not met, within noise" : "NOT MET";
}

static void judge(const struct contest_row *row, char *text, size_t size)
{
	double stock = row->median[CONTEST_STOCK], automatic = row->median[CONTEST_AUTO];
	double best = row->median[CONTEST_BEST];
	size_t len;

	if (automatic <= 0 || stock <= 0) {
		snprintf(text, size, "no auto");
		return;
	}
	if (best >= GAIN * stock)
		snprintf(text, size, "%.2f of best: %s%s", REACHED,
			 verdict(automatic / best, REACHED, row->noise),
			 automatic >= GAIN * stock ? "" : "; 1.2 of stock: NOT MET");
	else
		snprintf(text, size, "%.2f of stock: %s", NOT_WORSE,
			 verdict(automatic / stock, NOT_WORSE, row->noise));
	len = strlen(text);
	if (row->own_percent >= OWN)
		len += (size_t)snprintf(text + len, size - len, "; own cpu: NOT MET");
	if (strcmp(row->name, "pair-1") != 0 || len >= size)
		return;
	/* beside other work the kernel lets the two share a CPU, and there is nothing to be won */
	len += (size_t)snprintf(text + len, size - len, "; %.0f of stock: %s", TENFOLD,
				verdict(automatic / stock, TENFOLD, row->noise));
	if (row->is_pinnable && best < TENFOLD * stock && len < size)
		snprintf(text + len, size - len, " (best has %.1f)", best > 0 ? best / stock : 1.0);
}

static void cell(double value, const char *format)
{
	if (value > 0 && isfinite(value))
		fprintf(stderr, format, value);
	else
		fprintf(stderr, "%*s", atoi(format + 1), "-");
}

static void table(void)
{
	const struct bench_result *reaction = bench_result(&bench, "reaction", "placed");
	char text[160];

	if (nr_rows)
		fprintf(stderr,
			"%s: medians of this run, ops/s\n  %-18s%10s%10s%10s%8s%8s%8s%7s%7s\n",
			bench.name, "case", "stock", "auto", "best",
			"auto:", "auto:", "best:", "noise", "own");
	if (nr_rows)
		fprintf(stderr, "  %-18s%30s%8s%8s%8s%7s%7s\n", "", "", "stock", "best", "stock",
			"%", "cpu %");
	for (int i = 0; i < nr_rows; i++) {
		const struct contest_row *row = &rows[i];
		const double *median = row->median;

		fprintf(stderr, "  %-18s", row->name);
		cell(median[CONTEST_STOCK], "%10.4g");
		cell(median[CONTEST_AUTO], "%10.4g");
		cell(median[CONTEST_BEST], "%10.4g");
		cell(median[CONTEST_AUTO] / median[CONTEST_STOCK], "%8.3f");
		cell(median[CONTEST_AUTO] / median[CONTEST_BEST], "%8.3f");
		cell(median[CONTEST_BEST] / median[CONTEST_STOCK], "%8.3f");
		cell(100 * row->noise, "%7.1f");
		cell(row->own_percent, "%7.2f");
		judge(row, text, sizeof(text));
		fprintf(stderr, "  %s\n", text);
	}
	if (reaction)
		fprintf(stderr, "  reaction: %.1f ms, at most %.0f wanted: %s\n", reaction->median,
			REACTION, reaction->median <= REACTION ? "met" : "NOT MET");
}

/* --- the run ------------------------------------------------------------------------------- */

static void run_one(const struct load *load)
{
	char why[1024] = "";
	int error = service_open(load, why, sizeof(why));

	if (!error)
		error = contest_run(&contest, load, &rows[nr_rows], why, sizeof(why));
	if (!error) {
		nr_rows++;
	} else if (error == -ENOENT) {
		bench_skip(&bench, load->name, "%s", why);
	} else if (error != -EINTR) {
		bench_say(&bench, "%s failed: %s", load->name, *why ? why : strerror(-error));
		bench.failed++;
	}
}

static void run_reaction(void)
{
	char why[1024] = "";
	int error;

	if (!bench_wants(&bench, "reaction") || loads_interrupted())
		return;
	service_close();
	if (!contest.tacho[0])
		return;
	error = contest_reaction(&contest, why, sizeof(why));
	if (error && error != -EINTR) {
		bench_say(&bench, "reaction failed: %s", *why ? why : strerror(-error));
		bench.failed++;
	}
}

static int world_open(void)
{
	struct load_world *world = &load_world;

	world->allowed = bench.allowed;
	world->nr_cpus = bench_cpus(&bench, world->cpus, LOAD_CPUS);
	if (world->nr_cpus > LOAD_CPUS)
		world->nr_cpus = LOAD_CPUS;
	sched_setaffinity(0, sizeof(bench.allowed), &bench.allowed);
	loads_catch_signals();
	return 0;
}

/* --- one load to be watched ---------------------------------------------------------------- */

static const struct load *load_find(const char *name)
{
	const struct load *load;

	for (size_t i = 0; (load = load_at(i)); i++)
		if (strcmp(load->name, name) == 0)
			return load;
	fprintf(stderr, "sched: there is no load %s; --list names them\n", name);
	exit(2);
}

static int watch_started(const struct load *load, struct load_sample *sample, char *why,
			 size_t size)
{
	int error = load->kind->begin(load, why, size);

	if (error)
		return error;
	loads_sleep_ms(load->is_whole ? 0 : 1000);
	*sample = (struct load_sample){ 0 };
	error = load->kind->end(load, sample, why, size);
	return loads_interrupted() ? -EINTR : error;
}

static int watch(const struct load *load, unsigned int seconds)
{
	struct load_sample sample;
	char why[1024] = "";
	int error = service_open(load, why, sizeof(why));
	uint64_t start = bench_monotonic_ns(), ns = seconds * 1000000000ull;
	bool is_running = false;

	while (!error && bench_monotonic_ns() - start < ns) {
		if (!is_running)
			error = load->kind->start(load, NULL, why, sizeof(why));
		is_running = !error;
		if (!error)
			error = watch_started(load, &sample, why, sizeof(why));
		if (!error)
			printf("%5.1f s %12.0f ops/s %10.1f us p99 %10.0f hog units/s\n",
			       (double)(bench_monotonic_ns() - start) / 1e9, sample.ops,
			       sample.p99_us, sample.hogs);
		if (is_running && load->is_once) {
			load->kind->stop(load);
			is_running = false;
		}
	}
	if (is_running)
		load->kind->stop(load);
	files_remove();
	if (error && error != -EINTR)
		fprintf(stderr, "sched: %s: %s\n", load->name, *why ? why : strerror(-error));
	return error && error != -EINTR;
}

static int watch_main(int argc, char **argv)
{
	static char *no_options[] = { (char *)"sched", NULL };
	unsigned int seconds = WATCH_S;
	const struct load *load;

	if (strcmp(argv[1], "--list") == 0 && argc == 2) {
		for (size_t i = 0; (load = load_at(i)); i++)
			puts(load->name);
		puts("reaction");
		return 0;
	}
	if (argc == 5 && strcmp(argv[3], "--for") == 0)
		seconds = (unsigned int)strtoul(argv[4], NULL, 10);
	if (strcmp(argv[1], "--load") != 0 || (argc != 3 && argc != 5) || !seconds) {
		fprintf(stderr, "usage: sched --load CASE [--for SECONDS] | --list\n");
		return 2;
	}
	load = load_find(argv[2]);
	bench_open(&bench, "sched", 1, 1, 1, no_options);
	world_open();
	return watch(load, seconds);
}

int main(int argc, char **argv)
{
	uint64_t start = bench_monotonic_ns();
	const struct load *load;
	char why[1024];

	if (argc > 1 && strncmp(argv[1], "--", 2) == 0)
		return watch_main(argc, argv);
	bench_open(&bench, "sched", 7, 300, argc, argv);
	world_open();
	if (contest_open(&contest, &bench, why, sizeof(why)) < 0)
		bench_say(&bench, "without auto: %s", why);
	for (size_t i = 0; (load = load_at(i)) && !loads_interrupted(); i++)
		if (bench_wants(&bench, load->name) && nr_rows < MAX_ROWS)
			run_one(load);
	if (!nr_rows && !bench.failed && !bench_wants(&bench, "reaction") && !loads_interrupted())
		bench_say(&bench, "nothing was measured: --list names the cases");
	files_remove();
	run_reaction();
	table();
	bench_say(&bench, "%s%.0f s", loads_interrupted() ? "interrupted after " : "took ",
		  (double)(bench_monotonic_ns() - start) / 1e9);
	return loads_interrupted() ? 1 : bench_status(&bench);
}
