// SPDX-License-Identifier: BSD-2-Clause
/*
 * contest.c: what contest.h promises.
 *
 * The scheduler is the command, a process of its own, as a user would run it: it is told nothing of the load.
 * It is there before the load starts. What it takes is read from the kernel's books of its processes, from
 * when it says that it is ready until it is told to end. Whatever it leaves behind is looked for, told, and put
 * right, so that it does not decide the next repetition.
 */
#include "contest.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sched/world.h"
#include "spawn.h"

#define READY_MS    20000 /* for the scheduler to say that it is ready */
#define END_MS	    10000 /* and to undo everything and end */
#define ASLEEP_MS   1000 /* the processes of the reaction */
#define REACTION_MS 1000 /* after that it counts as not placed */
#define NULL_EVERY  3 /* rounds */
#define TOGETHER    0.9 /* of the looks: the kernel has placed them as one would */
#define TRIES	    3 /* of a case, if repetitions fail */
#define LASTING_MS  12000u
#define AGAIN_MS                                                                                   \
	1000 /* before a failed one is done again: another scheduler may have gone by then */

const char *const contest_way_name[CONTEST_WAYS] = { "stock", "null", "auto", "best" };

/* --- the scheduler --------------------------------------------------------------------------- */

int contest_open(struct contest *contest, struct bench *bench, char *why, size_t why_size)
{
	const char *const argv[] = { contest->tacho, "sched", "--help", NULL };
	const struct spawn help = { .argv = argv };
	int rc;

	contest->bench = bench;
	rc = bench_beside("../tacho", contest->tacho, sizeof(contest->tacho));
	if (rc < 0) {
		snprintf(why, why_size, "tacho is not beside this program: %s", strerror(-rc));
	} else if (spawn_run(&help, 5000, NULL, 0) != 0) {
		snprintf(why, why_size, "this tacho has no verb sched");
		rc = -ENOSYS;
	}
	if (rc < 0)
		contest->tacho[0] = '\0';
	return rc;
}

static void own_begin(struct contest_own *own)
{
	own->begin_ns = spawn_tree_ns(own->pid);
	own->begin_wall_ns = bench_monotonic_ns();
}

/* Of one that is gone the books are gone, too: then that time does not count. */
static void own_end(struct contest_own *own)
{
	uint64_t ns = spawn_tree_ns(own->pid);

	if (ns < own->begin_ns)
		return;
	own->ns += ns - own->begin_ns;
	own->wall_ns += bench_monotonic_ns() - own->begin_wall_ns;
}

/* *pid is 0 then if it has ended: the number may be another's. */
static int ready_wait(int fd, pid_t *pid, char *why, size_t why_size)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	int status;
	char byte;

	for (int ms = 0; ms < READY_MS && !loads_interrupted(); ms += 100) {
		if (poll(&ready, 1, 100) <= 0)
			continue;
		if (read(fd, &byte, 1) == 1)
			return 0;
		status = spawn_wait(*pid, END_MS);
		if (status < 0)
			break;
		*pid = 0;
		snprintf(why, why_size, "tacho sched ended with status %d before it was ready",
			 status);
		return -EPIPE;
	}
	snprintf(why, why_size, "tacho sched did not become ready");
	return loads_interrupted() ? -EINTR : -ETIMEDOUT;
}

static int scheduler_start(struct contest *contest, char *why, size_t why_size)
{
	char number[16];
	const char *const argv[] = { contest->tacho, "sched",	"--policy", "auto",
				     "--quiet",	     "--ready", number,	    NULL };
	struct spawn spawn = { .argv = argv, .error = STDERR_FILENO };
	int ends[2], error = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -errno;
	snprintf(number, sizeof(number), "%d", ends[1]);
	spawn.keep = ends[1];
	pid = spawn_start(&spawn);
	close(ends[1]);
	error = pid < 0 ? (int)pid : ready_wait(ends[0], &pid, why, why_size);
	close(ends[0]);
	if (error && pid > 0)
		spawn_stop(pid, SIGTERM, END_MS);
	if (error)
		return error;
	contest->own->pid = pid;
	own_begin(contest->own);
	return 0;
}

static int scheduler_stop(struct contest *contest, char *why, size_t why_size)
{
	pid_t pid = contest->own->pid;
	bool has_ended = spawn_wait(pid, 0) >= 0;

	own_end(contest->own);
	contest->own->pid = 0;
	if (has_ended) {
		snprintf(why, why_size, "tacho sched ended by itself");
		return -EPIPE;
	}
	if (spawn_stop(pid, SIGTERM, END_MS) == 0)
		return 0;
	snprintf(why, why_size, "tacho sched did not end when it was asked to");
	return -ETIMEDOUT;
}

/* A server that stays up must be where it was before. */
static int service_check(const struct contest *contest, char *why, size_t why_size)
{
	const struct load_service *service = contest->load->service;
	int narrowed = service ? spawn_tree_narrowed(service->pid(), &load_world.allowed) : 0;

	if (!narrowed)
		return 0;
	spawn_tree_pin(service->pid(), &load_world.allowed);
	snprintf(why, why_size, "tacho sched left %d threads of %s where it had put them", narrowed,
		 service->name);
	return -EBUSY;
}

/* --- one repetition ------------------------------------------------------------------------ */

int contest_sample(const struct load *load, const struct load_place *place, unsigned int settle_ms,
		   unsigned int ms, struct load_sample *sample, char *why, size_t why_size)
{
	int error = load->kind->start(load, place, why, why_size);

	if (error)
		return error;
	loads_sleep_ms(load->is_whole ? 0 : settle_ms);
	error = load->kind->begin(load, why, why_size);
	if (!error) {
		loads_sleep_ms(load->is_whole ? 0 : ms);
		error = load->kind->end(load, sample, why, why_size);
	}
	load->kind->stop(load);
	return loads_interrupted() ? -EINTR : error;
}

static unsigned int sample_ms(const struct contest *contest)
{
	return contest->load->is_changing ? CHANGE_MS : (unsigned int)contest->bench->nr;
}

static int repeat(struct contest *contest, enum contest_way way, char *why, size_t why_size)
{
	const struct load *load = contest->load;
	struct contest_values *values = &contest->values[way];
	const struct load_place *place = way == CONTEST_BEST ? &contest->best : NULL;
	struct load_sample sample = { 0 };
	int error = 0, ended = 0;

	if (way == CONTEST_AUTO)
		error = scheduler_start(contest, why, why_size);
	if (error)
		return error;
	error = contest_sample(load, place, contest->settle_ms, sample_ms(contest), &sample, why,
			       why_size);
	if (way == CONTEST_AUTO) {
		ended = scheduler_stop(contest, why, why_size);
		if (!ended)
			ended = service_check(contest, why, why_size);
		error = error ? error : ended;
	}
	if (error)
		return error;
	values->ops[values->nr] = sample.ops;
	values->p99[values->nr] = sample.p99_us;
	values->hogs[values->nr] = sample.hogs;
	values->nr++;
	return 0;
}

/* --- all rounds ---------------------------------------------------------------------------- */

static bool has_way(const struct contest *contest, enum contest_way way, unsigned int round)
{
	if (way == CONTEST_AUTO)
		return contest->tacho[0] != '\0';
	if (way == CONTEST_NULL)
		return round % NULL_EVERY == 0;
	return way != CONTEST_BEST || contest->has_best;
}

static int values_alloc(struct contest *contest)
{
	unsigned int runs = contest->bench->runs;

	for (int way = 0; way < CONTEST_WAYS; way++) {
		struct contest_values *values = &contest->values[way];

		*values = (struct contest_values){ .ops = calloc(3 * runs, sizeof(double)) };
		if (!values->ops)
			return -ENOMEM;
		values->p99 = values->ops + runs;
		values->hogs = values->p99 + runs;
	}
	contest->first = contest->lasting = (struct contest_own){ 0 };
	contest->own = &contest->first;
	return 0;
}

static void values_free(struct contest *contest)
{
	for (int way = 0; way < CONTEST_WAYS; way++)
		free(contest->values[way].ops);
	memset(contest->values, 0, sizeof(contest->values));
}

static int rounds_run(struct contest *contest, char *why, size_t why_size)
{
	unsigned int tries = 0;
	int error = 0;

	for (unsigned int round = 0; round < contest->bench->runs; round++)
		for (unsigned int i = 0; i < CONTEST_WAYS; i++) {
			enum contest_way way = (enum contest_way)((i + round) % CONTEST_WAYS);

			if (!has_way(contest, way, round))
				continue;
			error = repeat(contest, way, why, why_size);
			while (error && error != -EINTR && ++tries < TRIES) {
				bench_say(contest->bench, "%s/%s: %s", contest->load->name,
					  contest_way_name[way], why);
				loads_sleep_ms(AGAIN_MS);
				error = repeat(contest, way, why, why_size);
			}
			if (error)
				return error;
		}
	return 0;
}

/* What a scheduler costs that has been there for a while: the load again and again, as long as LASTING_MS. */
static int lasting_run(struct contest *contest, char *why, size_t why_size)
{
	const struct load *load = contest->load;
	const unsigned int ms = load->is_whole ? 0 : LASTING_MS;
	struct load_sample sample;
	uint64_t begin;
	int error, ended;

	if (!contest->tacho[0])
		return 0;
	contest->own = &contest->lasting;
	error = scheduler_start(contest, why, why_size);
	if (error)
		return error;
	begin = bench_monotonic_ns();
	do
		error = contest_sample(load, NULL, 0, ms, &sample, why, why_size);
	while (!error && bench_monotonic_ns() - begin < LASTING_MS * 1000000ull);
	ended = scheduler_stop(contest, why, why_size);
	return error ? error : ended;
}

/* Those that are known, in front. Returns how many. */
static unsigned int known_first(double *samples, unsigned int nr)
{
	unsigned int known = 0;

	for (unsigned int i = 0; i < nr; i++)
		if (samples[i] > 0)
			samples[known++] = samples[i];
	return known;
}

static void print_way(const struct contest *contest, enum contest_way way)
{
	const struct contest_values *values = &contest->values[way];
	const char *name = contest->load->name, *what = contest_way_name[way];
	struct bench *bench = contest->bench;
	unsigned int known;
	char metric[24];

	if (!values->nr)
		return;
	bench_print(bench, name, what, "ops/s", values->ops, values->nr);
	if (way == CONTEST_NULL)
		return;
	snprintf(metric, sizeof(metric), "%s-p99", what);
	known = known_first(values->p99, values->nr);
	if (known)
		bench_print(bench, name, metric, "us", values->p99, known);
	snprintf(metric, sizeof(metric), "%s-hogs", what);
	known = known_first(values->hogs, values->nr);
	if (known)
		bench_print(bench, name, metric, "units/s", values->hogs, known);
}

/*
 * How far stock is from itself: the difference of its two medians, or what chance leaves of the spread of
 * one, whichever is more. Values are sorted by now.
 */
static double noise_of(const struct contest *contest)
{
	const struct contest_values *a = &contest->values[CONTEST_STOCK];
	const struct contest_values *b = &contest->values[CONTEST_NULL];
	double x, y, spread;

	if (!a->nr || !b->nr)
		return 0;
	x = bench_median(a->ops, a->nr);
	y = bench_median(b->ops, b->nr);
	if (x <= 0)
		return 0;
	spread = (a->ops[a->nr * 3 / 4] - a->ops[a->nr / 4]) / x / sqrt(a->nr);
	return fmax(fabs(y / x - 1), spread);
}

static double print_own(const struct contest *contest, const char *metric,
			const struct contest_own *own)
{
	double percent = own->wall_ns ? 100.0 * (double)own->ns / (double)own->wall_ns : 0;

	if (own->wall_ns)
		bench_print(contest->bench, contest->load->name, metric, "%", &percent, 1);
	return percent;
}

static void print_all(const struct contest *contest, struct contest_row *row)
{
	snprintf(row->name, sizeof(row->name), "%s", contest->load->name);
	for (int way = 0; way < CONTEST_WAYS; way++) {
		const struct contest_values *values = &contest->values[way];

		print_way(contest, (enum contest_way)way);
		row->median[way] = values->nr ? bench_median(values->ops, values->nr) : 0;
	}
	row->is_pinnable = contest->is_pinnable;
	row->noise = noise_of(contest);
	row->own_percent = print_own(contest, "own-cpu", &contest->lasting);
	print_own(contest, "own-cpu-first", &contest->first);
}

int contest_run(struct contest *contest, const struct load *load, struct contest_row *row,
		char *why, size_t why_size)
{
	int error;

	contest->load = load;
	error = values_alloc(contest);
	if (!error)
		error = best_find(contest, why, why_size);
	if (!error) {
		if (contest->is_pinnable)
			bench_say(contest->bench, "%s: the best static placement: %s", load->name,
				  contest->has_best ? contest->best.name : "anywhere");
		error = rounds_run(contest, why, why_size);
	}
	if (!error)
		error = lasting_run(contest, why, why_size);
	if (!error)
		print_all(contest, row);
	values_free(contest);
	return error;
}

/* --- reaction ------------------------------------------------------------------------------ */

struct reaction {
	double ms;
	unsigned int looks, together; /* how often looked at, and on one CPU */
	bool is_placed;
};

/* Do both have one CPU, the same? */
static bool is_placed(void)
{
	cpu_set_t a, b;

	if (sched_getaffinity(loads_pid(0), sizeof(a), &a) != 0 ||
	    sched_getaffinity(loads_pid(1), sizeof(b), &b) != 0)
		return false;
	return CPU_COUNT(&a) == 1 && CPU_EQUAL(&a, &b);
}

/* The CPU on which a process ran last; < 0: it is gone. */
static int last_cpu(pid_t pid)
{
	return tacho_world_last_cpu(pid, pid);
}

static int react(struct reaction *reaction, char *why, size_t why_size)
{
	const struct timespec little = { .tv_nsec = 1000000 };
	const struct load *load = &loads_sleepers;
	int error = load->kind->start(load, NULL, why, why_size);
	uint64_t start, at;

	if (error)
		return error;
	*reaction = (struct reaction){ 0 };
	loads_sleep_ms(ASLEEP_MS);
	start = bench_monotonic_ns();
	loads_wake();
	do {
		nanosleep(&little, NULL);
		at = bench_monotonic_ns();
		reaction->is_placed = is_placed();
		reaction->looks++;
		reaction->together += last_cpu(loads_pid(0)) == last_cpu(loads_pid(1));
	} while (!reaction->is_placed && at - start < REACTION_MS * 1000000ull &&
		 !loads_interrupted());
	reaction->ms = (double)(at - start) / 1e6;
	load->kind->stop(load);
	return loads_interrupted() ? -EINTR : 0;
}

/*
 * Where the other CPU is busy the kernel itself lets the two take turns on one: then nothing is to be done,
 * and that nothing was done is no reaction. Such a repetition is told, and not counted.
 */
static int reactions(struct contest *contest, double *ms, unsigned int *nr, char *why,
		     size_t why_size)
{
	unsigned int never = 0, together = 0;
	struct reaction reaction;
	int error = 0;

	for (unsigned int i = 0; i < contest->bench->runs && !error; i++) {
		error = react(&reaction, why, why_size);
		if (error)
			break;
		if (!reaction.is_placed && reaction.together > TOGETHER * reaction.looks) {
			together++;
			continue;
		}
		never += !reaction.is_placed;
		ms[(*nr)++] = reaction.ms;
	}
	if (together)
		bench_say(contest->bench,
			  "reaction: not counted, as the kernel let them share a CPU: %u of %u",
			  together, contest->bench->runs);
	if (never)
		bench_say(contest->bench, "reaction: not placed within %d ms: %u of %u",
			  REACTION_MS, never, contest->bench->runs);
	return error;
}

int contest_reaction(struct contest *contest, char *why, size_t why_size)
{
	double *ms = calloc(contest->bench->runs, sizeof(*ms));
	int error = ms ? 0 : -ENOMEM, ended;
	unsigned int nr = 0;

	contest->load = &loads_sleepers;
	contest->lasting = (struct contest_own){ 0 };
	contest->own = &contest->lasting;
	if (!error)
		error = scheduler_start(contest, why, why_size);
	if (error)
		goto out;
	error = reactions(contest, ms, &nr, why, why_size);
	ended = scheduler_stop(contest, why, why_size);
	error = error ? error : ended;
	if (!error && nr)
		bench_print(contest->bench, "reaction", "placed", "ms", ms, nr);
	if (!error)
		print_own(contest, "own-cpu", &contest->lasting);
out:
	free(ms);
	return error;
}
