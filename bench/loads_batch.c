// SPDX-License-Identifier: BSD-2-Clause
/*
 * loads_batch.c: real programs that do a given amount of work, or work for a given time, and end.
 *
 *   messaging	perf bench sched messaging: groups of 20 senders and 20 receivers; messages per second
 *   make	make -j with a job per CPU: some sources of this project into our directory; sources per second
 *   stress-1	stress-ng, two of each: cpu, switch, pipe; the geometric mean of their bogo operations per second,
 *		so that a percent of each counts the same
 *
 * Most of their tasks are younger than what a scheduler may touch: what it costs them is what is to be seen.
 */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "loads.h"
#include "spawn.h"

#define GROUPS	 2
#define LOOPS	 "150"
#define MESSAGES (GROUPS * 20.0 * 20.0 * 150.0)
#define WHOLE_MS 60000 /* none takes that long */
#define STOP_MS	 2000

static struct {
	pid_t pid;
	FILE *out;
	uint64_t start_ns;
} whole;

static int whole_start(const char *const *argv, const char *dir, char *why, size_t why_size)
{
	struct spawn spawn = { .argv = argv, .dir = dir, .cpus = &load_world.allowed };

	whole.out = tmpfile();
	if (!whole.out) {
		snprintf(why, why_size, "no temporary file: %s", strerror(errno));
		return -EIO;
	}
	spawn.out = fileno(whole.out);
	whole.start_ns = bench_monotonic_ns();
	whole.pid = spawn_start(&spawn);
	if (whole.pid > 0)
		return 0;
	fclose(whole.out);
	whole.out = NULL;
	return (int)whole.pid;
}

static int whole_begin(const struct load *load, char *why, size_t why_size)
{
	(void)load;
	(void)why;
	(void)why_size;
	return 0;
}

static void whole_stop(const struct load *load)
{
	(void)load;
	if (whole.pid > 0)
		spawn_stop(whole.pid, SIGTERM, STOP_MS);
	if (whole.out)
		fclose(whole.out);
	memset(&whole, 0, sizeof(whole));
}

/* Wait for its end; what it said. */
static int whole_wait(double *seconds, char *text, size_t size, char *why, size_t why_size)
{
	int rc = spawn_wait(whole.pid, WHOLE_MS);

	*seconds = (double)(bench_monotonic_ns() - whole.start_ns) / 1e9;
	rewind(whole.out);
	text[fread(text, 1, size - 1, whole.out)] = '\0';
	if (rc == 0 || rc == -EINTR) {
		whole.pid = rc == 0 ? 0 : whole.pid;
		return rc;
	}
	snprintf(why, why_size, "it ended with status %d: %.150s", rc, text);
	return rc < 0 ? rc : -EIO;
}

static int missing(const char *name, char *why, size_t why_size)
{
	snprintf(why, why_size, "%s is not installed", name);
	return -ENOENT;
}

/* --- messaging ------------------------------------------------------------------------------- */

static int messaging_start(const struct load *load, const struct load_place *place, char *why,
			   size_t why_size)
{
	static char path[256], groups[16];
	const char *const argv[] = { path, "bench", "-f", "simple", "sched", "messaging",
				     "-g", groups,  "-l", LOOPS,    NULL };

	(void)load;
	(void)place;
	snprintf(groups, sizeof(groups), "%d", GROUPS);
	if (spawn_find("perf", NULL, path, sizeof(path)) != 0)
		return missing("perf", why, why_size);
	return whole_start(argv, NULL, why, why_size);
}

/* It says seconds, without those that it takes to make its processes. */
static int messaging_end(const struct load *load, struct load_sample *sample, char *why,
			 size_t why_size)
{
	char text[1000];
	double seconds;
	int error = whole_wait(&seconds, text, sizeof(text), why, why_size);

	(void)load;
	if (error)
		return error;
	seconds = strtod(text, NULL);
	if (seconds <= 0) {
		snprintf(why, why_size, "perf bench said: %.100s", text);
		return -EPROTO;
	}
	sample->ops = MESSAGES / seconds;
	return 0;
}

/* --- make -------------------------------------------------------------------------------------- */

static const char *const sources[] = { "area", "clock", "reader", "validate" };
#define NR_SOURCES (sizeof(sources) / sizeof(sources[0]))

/* The sources are two directories above this program, as long as nobody moved it. */
static int source_root(char *path, size_t size)
{
	char self[1024], probe[1200];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int up;

	if (len < 0)
		return -errno;
	self[len] = '\0';
	for (up = 0; up < 3; up++) {
		char *slash = strrchr(self, '/');

		if (!slash)
			return -ENOENT;
		*slash = '\0';
	}
	snprintf(probe, sizeof(probe), "%s/lib/%s.c", self, sources[0]);
	if (access(probe, R_OK) != 0)
		return -ENOENT;
	return (size_t)snprintf(path, size, "%s", self) < size ? 0 : -ENAMETOOLONG;
}

static int makefile_write(const char *root)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/Makefile", spawn_dir());
	file = fopen(path, "we");
	if (!file)
		return -errno;
	fprintf(file, "all:");
	for (size_t i = 0; i < NR_SOURCES; i++)
		fprintf(file, " %s.o", sources[i]);
	fprintf(file,
		"\n%%.o: %s/lib/%%.c FORCE\n\t@cc -std=gnu11 -D_GNU_SOURCE -O1 -I%s/include -I%s/lib "
		"-c -o $@ $<\nFORCE:\n",
		root, root, root);
	return fclose(file) == 0 ? 0 : -errno;
}

static int make_start(const struct load *load, const struct load_place *place, char *why,
		      size_t why_size)
{
	static char path[256], cc[256], jobs[24], root[1024];
	const char *const argv[] = { path, jobs, "all", NULL };
	int error;

	(void)load;
	(void)place;
	if (spawn_find("make", NULL, path, sizeof(path)) != 0 ||
	    spawn_find("cc", NULL, cc, sizeof(cc)) != 0)
		return missing("make or cc", why, why_size);
	if (!spawn_dir() || source_root(root, sizeof(root)) != 0) {
		snprintf(why, why_size, "the sources of this project are not here");
		return -ENOENT;
	}
	snprintf(jobs, sizeof(jobs), "-j%d", load_world.nr_cpus);
	error = makefile_write(root);
	return error ? error : whole_start(argv, spawn_dir(), why, why_size);
}

static int make_end(const struct load *load, struct load_sample *sample, char *why, size_t why_size)
{
	char text[1000];
	double seconds;
	int error = whole_wait(&seconds, text, sizeof(text), why, why_size);

	(void)load;
	sample->ops = (double)NR_SOURCES / seconds;
	return error;
}

/* --- stress-ng --------------------------------------------------------------------------------- */

static const char *const stressors[] = { "cpu", "switch", "pipe" };
#define NR_STRESSORS (sizeof(stressors) / sizeof(stressors[0]))

static int stress_start(const struct load *load, const struct load_place *place, char *why,
			size_t why_size)
{
	static char path[256];
	const char *const argv[] = { path, "--cpu",  "2", "--cpu-method", "loop", "--switch",
				     "2",  "--pipe", "2", "--timeout",	  "1",	  "--metrics-brief",
				     NULL };

	(void)load;
	(void)place;
	if (spawn_find("stress-ng", NULL, path, sizeof(path)) != 0)
		return missing("stress-ng", why, why_size);
	return whole_start(argv, spawn_dir(), why, why_size);
}

/* "stress-ng: metrc: [1] cpu 1234 1.00 0.99 0.00 1233.90 1240.0": the fifth number is per second. */
static double stress_rate(const char *text, const char *name)
{
	char word[32];
	const char *at;
	double rate;

	snprintf(word, sizeof(word), "] %s ", name);
	at = strstr(text, word);
	if (!at || sscanf(at + strlen(word), "%*f %*f %*f %*f %lf", &rate) != 1)
		return 0;
	return rate;
}

static int stress_end(const struct load *load, struct load_sample *sample, char *why,
		      size_t why_size)
{
	double seconds, product = 1;
	char text[8000];
	int error = whole_wait(&seconds, text, sizeof(text), why, why_size);

	(void)load;
	for (size_t i = 0; i < NR_STRESSORS && !error; i++) {
		double rate = stress_rate(text, stressors[i]);

		if (rate <= 0) {
			snprintf(why, why_size, "stress-ng does not say what %s did", stressors[i]);
			error = -EPROTO;
		}
		product *= rate;
	}
	sample->ops = error ? 0 : pow(product, 1.0 / NR_STRESSORS);
	return error;
}

/* --- the table ------------------------------------------------------------------------------ */

static const struct load_kind messaging = { messaging_start, whole_begin, messaging_end, whole_stop,
					    NULL };
static const struct load_kind make = { make_start, whole_begin, make_end, whole_stop, NULL };
static const struct load_kind stress = { stress_start, whole_begin, stress_end, whole_stop, NULL };

const struct load loads_batch[] = {
	{ .name = "messaging", .is_whole = true, .is_once = true, .kind = &messaging },
	{ .name = "make", .is_whole = true, .is_once = true, .kind = &make },
	{ .name = "stress-1", .is_whole = true, .is_once = true, .kind = &stress },
};
const size_t loads_batch_nr = sizeof(loads_batch) / sizeof(loads_batch[0]);
