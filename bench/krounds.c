// SPDX-License-Identifier: BSD-2-Clause
/*
 * krounds.c: what krounds.h promises.
 *
 * A round: the work alone, the rivals, the work alone again, then the kernel component is loaded and
 * its cases follow, and once it is gone the work alone a third time. The work alone is the median of the
 * three. Before the first round there is one that is not timed, in which programs that do not count
 * are counted by the kernel.
 */
#include "krounds.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NATIVES	    3 /* per round */
#define PROVE_SHARE 8 /* of a repetition, that the round before the first one does */
#define SLACK	    4 /* events on the way when they were counted */
#define QUIET	    0.2 /* CPUs that others may take */
#define MAX_TRIES   4
#define PATIENCE_NS 30000000000ull /* spent on doing it again; then the machine is taken as it is */

struct run {
	const struct krounds *rounds;
	struct krounds_case *cases;
	size_t nr;
	double *ticks; /* per unit, of each case in this round */
	bool prove;
	size_t max_best; /* of a case */
};

static uint64_t again_ns; /* spent on repetitions that were done again */

/* --- did all of them arrive? -------------------------------------------------------------- */

static enum krounds_what rival_what(enum krival_event event)
{
	return event == KRIVAL_SWITCH	? KROUNDS_SWITCHES
	       : event == KRIVAL_WAKING ? KROUNDS_WAKES
					: KROUNDS_ENDS;
}

static void wrong(const struct run *run, struct krounds_case *c, uint64_t found, uint64_t least,
		  uint64_t most, uint64_t lost)
{
	if (c->failed++ == 0)
		bench_say(run->rounds->bench,
			  "%s: %" PRIu64 " were recorded instead of %" PRIu64 " to %" PRIu64
			  ", %" PRIu64 " lost",
			  c->name, found, least, most, lost);
}

/* One event of a case. switches: of the machine meanwhile, which nobody can exceed. */
static void check(const struct run *run, struct krounds_case *c, enum krounds_what what,
		  uint64_t found, uint64_t lost, const struct krounds_sample *sample,
		  uint64_t switches)
{
	uint64_t least = sample->happened[what], most = UINT64_MAX;

	if (what == KROUNDS_SWITCHES)
		most = switches;
	if (what == KROUNDS_INSIDE) {
		/* others wake others meanwhile, and switch to them */
		most = switches - sample->happened[KROUNDS_SWITCHES] + SLACK;
		least = 0;
	}
	if (!run->prove) {
		c->recorded += found;
		c->happened += least;
		c->lost += lost;
		c->per_unit += (double)sample->happened[what] / (double)sample->units;
	}
	if (found > most || (found + SLACK < least && lost == 0) ||
	    (lost != 0 && c->way == KROUNDS_OURS))
		wrong(run, c, found, least, most, lost);
}

/* --- one repetition ----------------------------------------------------------------------- */

/* ns that the CPUs of the machine have idled, all together; the kernel tells in steps of 10 ms. */
static double machine_idle_ns(void)
{
	FILE *file = fopen("/proc/stat", "re");
	unsigned long long idle = 0, waiting = 0;

	if (file) {
		if (fscanf(file, "cpu %*u %*u %*u %llu %llu", &idle, &waiting) != 2)
			idle = waiting = 0;
		fclose(file);
	}
	return (double)(idle + waiting) * 1e9 / (double)sysconf(_SC_CLK_TCK);
}

static uint64_t pieces(const struct krounds *rounds, uint64_t nr)
{
	return (nr + rounds->piece - 1) / rounds->piece;
}

/*
 * The work in pieces, between which a ring buffer is read. The time is the median of the pieces.
 */
static int work_pieces(const struct run *run, struct krounds_case *c, struct krounds_sample *sum)
{
	const struct krounds *rounds = run->rounds;
	uint64_t nr = run->prove ? rounds->nr / PROVE_SHARE + 1 : rounds->nr;
	uint64_t nr_pieces = pieces(rounds, nr);
	double *ticks = calloc(nr_pieces, sizeof(*ticks));
	int error = ticks ? 0 : -ENOMEM;

	*sum = (struct krounds_sample){ 0 };
	for (uint64_t i = 0; i < nr_pieces && !error; i++) {
		struct krounds_sample piece = { 0 };

		error = rounds->work(rounds->arg, nr / nr_pieces + 1, &piece);
		krival_drain();
		ticks[i] = piece.ticks;
		sum->units += piece.units;
		for (int what = 0; what < KROUNDS_NR; what++)
			sum->happened[what] += piece.happened[what];
		if (!run->prove && c->nr_best < run->max_best)
			c->bests[c->nr_best++] = piece.best;
	}
	if (!error)
		sum->ticks = bench_median(ticks, (unsigned int)nr_pieces);
	free(ticks);
	return error;
}

/* The work, once; the part of a CPU that something else took meanwhile. */
static int work_once(const struct run *run, struct krounds_case *c, struct krounds_sample *sample,
		     double *others)
{
	double idle = machine_idle_ns();
	uint64_t start = bench_monotonic_ns();
	int error = work_pieces(run, c, sample);

	idle = machine_idle_ns() - idle;
	start = bench_monotonic_ns() - start;
	*others = (double)sysconf(_SC_NPROCESSORS_ONLN) - run->rounds->cpus - idle / (double)start;
	return error;
}

/*
 * One repetition. Where the CPUs are threads of a core, work on the other one takes a third of the
 * speed, so a repetition that was not alone is done again while there is time; the quietest counts.
 */
static int work(const struct run *run, struct krounds_case *c, struct krounds_sample *sum)
{
	struct krounds_sample sample;
	double others, least = 0;
	int error = 0;

	*sum = (struct krounds_sample){ 0 };
	for (int i = 0; i < MAX_TRIES && !error; i++) {
		uint64_t start = bench_monotonic_ns();

		error = work_once(run, c, &sample, &others);
		if (i == 0 || others < least) {
			least = others;
			sum->ticks = sample.ticks;
		}
		sum->units += sample.units;
		for (int what = 0; what < KROUNDS_NR; what++)
			sum->happened[what] += sample.happened[what];
		/* the consumer of perf is part of what it costs */
		if (run->prove || others < QUIET ||
		    (c->way == KROUNDS_RIVAL && c->rival == KRIVAL_PERF) || again_ns > PATIENCE_NS)
			break;
		again_ns += bench_monotonic_ns() - start;
	}
	c->noisy += least >= QUIET && !run->prove;
	return error;
}

static int leave_out(const struct run *run, struct krounds_case *c, const char *why)
{
	c->is_out = true;
	bench_skip(run->rounds->bench, c->name, "%s", why);
	return 0;
}

static int repeat_rival(const struct run *run, struct krounds_case *c, double *ticks)
{
	uint64_t before = bench_switches();
	struct krounds_sample sample;
	struct krival_count count;
	char why[200] = "";
	int error;

	if (krival_on(c->rival, c->event, run->prove, why, sizeof(why)) < 0) {
		krival_off(&count, NULL, 0);
		return leave_out(run, c, why);
	}
	error = work(run, c, &sample);
	if (krival_off(&count, why, sizeof(why)) < 0)
		return leave_out(run, c, why);
	if (error)
		return error;
	if (count.is_known)
		check(run, c, rival_what(c->event), count.events, count.lost, &sample,
		      bench_switches() - before);
	else if (!run->prove)
		c->per_unit += (double)sample.happened[rival_what(c->event)] / (double)sample.units;
	*ticks = sample.ticks;
	return 0;
}

static int repeat_ours(const struct run *run, struct krounds_case *c, double *ticks)
{
	uint64_t before = bench_switches();
	struct krounds_sample sample;
	struct kself_count count;
	char why[200] = "";
	int error;

	if (kself_on(&c->ours, why, sizeof(why)) < 0)
		return leave_out(run, c, why);
	error = work(run, c, &sample);
	if (kself_off(&count, why, sizeof(why)) < 0)
		return leave_out(run, c, why);
	for (uint32_t i = 0; i < c->ours.nr_events && !error; i++)
		check(run, c, c->what[i], count.rows[i], count.lost, &sample,
		      bench_switches() - before);
	*ticks = sample.ticks;
	return error;
}

static int repeat_native(const struct run *run, double *ticks)
{
	struct krounds_sample sample;
	int error = work(run, &run->cases[0], &sample);

	*ticks = sample.ticks;
	return error;
}

/* --- a round ------------------------------------------------------------------------------ */

static bool has_ours(const struct run *run, enum tacho_kernel_by by)
{
	for (size_t i = 0; i < run->nr; i++)
		if (run->cases[i].way == KROUNDS_OURS && run->cases[i].by == by &&
		    !run->cases[i].is_out)
			return true;
	return false;
}

static int round_rivals(const struct run *run)
{
	int error = 0;

	for (size_t i = 0; i < run->nr && !error; i++)
		if (run->cases[i].way == KROUNDS_RIVAL && !run->cases[i].is_out)
			error = repeat_rival(run, &run->cases[i], &run->ticks[i]);
	return error;
}

static int round_ours(const struct run *run, enum tacho_kernel_by by)
{
	char why[200] = "";
	int error = 0;
	bool is_there;

	if (!has_ours(run, by))
		return 0;
	is_there = kself_open(run->rounds->bench, by, why, sizeof(why)) == 0;
	for (size_t i = 0; i < run->nr && !error; i++) {
		struct krounds_case *c = &run->cases[i];

		if (c->way != KROUNDS_OURS || c->by != by || c->is_out)
			continue;
		error = is_there ? repeat_ours(run, c, &run->ticks[i]) : leave_out(run, c, why);
	}
	if (is_there)
		kself_close();
	return error;
}

static int one_round(const struct run *run)
{
	double natives[NATIVES];
	int error;

	error = repeat_native(run, &natives[0]);
	if (!error)
		error = round_rivals(run);
	if (!error)
		error = repeat_native(run, &natives[1]);
	for (int by = TACHO_BY_PROCESS; by <= TACHO_BY_THREAD && !error; by++)
		error = round_ours(run, (enum tacho_kernel_by)by);
	if (!error)
		error = repeat_native(run, &natives[2]);
	run->ticks[0] = bench_median(natives, NATIVES);
	return error;
}

/* --- results ------------------------------------------------------------------------------ */

static void keep(const struct run *run, unsigned int round)
{
	for (size_t i = 0; i < run->nr; i++) {
		struct krounds_case *c = &run->cases[i];
		double added = run->ticks[i] - run->ticks[0];

		c->ns[round] = run->ticks[i] * run->rounds->bench->ns_per_tick;
		c->cycles[round] = added;
		c->percent[round] = added * 100 / run->ticks[0];
	}
}

/* The time that one piece of a hundred is faster than. */
static double best(struct krounds_case *c)
{
	bench_median(c->bests, (unsigned int)c->nr_best); /* sorts them */
	return c->nr_best ? c->bests[c->nr_best / 100] : 0;
}

static void print(const struct krounds *rounds, struct krounds_case *c,
		  const struct krounds_case *native)
{
	struct bench *bench = rounds->bench;
	double added;

	if (c->is_out)
		return;
	if (c->failed) {
		bench_say(bench, "%s did not record its events in %u repetitions", c->name,
			  c->failed);
		bench->failed++;
		return;
	}
	if (!bench_wants(bench, c->name))
		return; /* the work alone, for the others */
	bench_print(bench, c->name, rounds->metric, "ns", c->ns, bench->runs);
	if (c->way == KROUNDS_NATIVE)
		return;
	bench_print(bench, c->name, "percent", "%", c->percent, bench->runs);
	added = (c->best - native->best) * 100 / native->best;
	bench_print(bench, c->name, "best-percent", "%", &added, 1);
	c->per_unit = rounds->per_unit > 0 ? rounds->per_unit : c->per_unit / bench->runs;
	if (c->per_unit > 0) {
		for (unsigned int i = 0; i < bench->runs; i++)
			c->cycles[i] /= c->per_unit;
		bench_print(bench, c->name, "cycles/event", "cycles", c->cycles, bench->runs);
		added = (c->best - native->best) / c->per_unit;
		bench_print(bench, c->name, "best-cycles", "cycles", &added, 1);
		fprintf(stderr, "  %-28s %.3g events per unit", c->name, c->per_unit);
		if (c->noisy)
			fprintf(stderr, ", not alone in %u of %u", c->noisy, bench->runs);
		if (c->recorded && c->lost)
			fprintf(stderr, ", %.3g %% of at least %" PRIu64 " were recorded",
				100.0 * (double)c->recorded / (double)c->happened, c->happened);
		fputc('\n', stderr);
	}
}

static int allocate(struct run *run)
{
	size_t runs = run->rounds->bench->runs;

	run->max_best = runs * NATIVES * pieces(run->rounds, run->rounds->nr);
	run->ticks = calloc(run->nr, sizeof(*run->ticks));
	if (!run->ticks)
		return -ENOMEM;
	for (size_t i = 0; i < run->nr; i++) {
		double *memory = calloc(runs * 3 + run->max_best, sizeof(*memory));

		if (!memory)
			return -ENOMEM;
		run->cases[i].ns = memory;
		run->cases[i].cycles = memory + runs;
		run->cases[i].percent = memory + runs * 2;
		run->cases[i].bests = memory + runs * 3;
	}
	return 0;
}

int krounds_run(const struct krounds *rounds, struct krounds_case *cases, size_t nr)
{
	struct run run = { .rounds = rounds, .cases = cases, .nr = nr, .prove = true };
	int error = allocate(&run);

	if (!error)
		error = one_round(&run);
	run.prove = false;
	for (unsigned int round = 0; round < rounds->bench->runs && !error; round++) {
		error = one_round(&run);
		if (!error)
			keep(&run, round);
	}
	for (size_t i = 0; i < nr && !error; i++)
		cases[i].best = best(&cases[i]);
	for (size_t i = 0; i < nr; i++) {
		if (!error)
			print(rounds, &cases[i], &cases[0]);
		free(cases[i].ns);
	}
	free(run.ticks);
	return error;
}

void krounds_ratio(const struct bench *bench, const char *a, const char *b, const char *target)
{
	const struct bench_result *x = bench_result(bench, a, "cycles/event");
	const struct bench_result *y = bench_result(bench, b, "cycles/event");
	const struct bench_result *best_x = bench_result(bench, a, "best-cycles");
	const struct bench_result *best_y = bench_result(bench, b, "best-cycles");

	if (x && y && best_x && best_y)
		fprintf(stderr, "  %-26s : %-30s %8.2f %8.2f  %s\n", a, b, x->median / y->median,
			best_x->median / best_y->median, target);
}

void krounds_percent(const struct bench *bench, const char *name, const char *target)
{
	const struct bench_result *median = bench_result(bench, name, "percent");
	const struct bench_result *best = bench_result(bench, name, "best-percent");

	if (median && best)
		fprintf(stderr, "  %-59s %8.2f %8.2f  %s\n", name, median->median, best->median,
			target);
}
