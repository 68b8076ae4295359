// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench.c: what bench.h promises.
 *
 * A repetition is short (about a millisecond by default), so that on a busy machine many of them run
 * without losing the CPU; those that did lose it are kept and counted on standard error.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CALIBRATE_NS 50000000ull

uint64_t bench_monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

void bench_say(const struct bench *bench, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", bench->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

void bench_skip(const struct bench *bench, const char *name, const char *format, ...)
{
	va_list args;

	if (!bench_wants(bench, name))
		return;
	fprintf(stderr, "%s: %s left out: ", bench->name, name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

int bench_status(const struct bench *bench)
{
	if (bench->failed)
		return 1;
	return bench->printed ? 0 : BENCH_SKIP;
}

bool bench_wants(const struct bench *bench, const char *name)
{
	return fnmatch(bench->pattern, name, 0) == 0;
}

static void calibrate(struct bench *bench)
{
	uint64_t ns = bench_monotonic_ns(), ticks = bench_ticks();
	uint64_t end;

	do {
		end = bench_monotonic_ns();
	} while (end - ns < CALIBRATE_NS);
	bench->ns_per_tick = (double)(end - ns) / (double)(bench_ticks() - ticks);
}

int bench_pin(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((unsigned int)cpu, &one);
	return sched_setaffinity(0, sizeof(one), &one) == 0 ? 0 : -errno;
}

int bench_cpus(const struct bench *bench, int *cpus, int max)
{
	int nr = 0;

	for (unsigned int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &bench->allowed))
			continue;
		if (nr < max)
			cpus[nr] = (int)cpu;
		nr++;
	}
	return nr;
}

static void usage(const struct bench *bench)
{
	fprintf(stderr, "usage: %s [-r repetitions] [-n events per repetition] [-c case glob]\n",
		bench->name);
	exit(2);
}

static uint64_t number(const struct bench *bench, const char *text)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || value == 0 || value > 1ull << 40)
		usage(bench);
	return value;
}

static void options(struct bench *bench, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "r:n:c:h")) != -1) {
		switch (option) {
		case 'r':
			bench->runs = (unsigned int)number(bench, optarg);
			break;
		case 'n':
			bench->nr = number(bench, optarg);
			break;
		case 'c':
			bench->pattern = optarg;
			break;
		default:
			usage(bench);
		}
	}
	if (optind != argc || bench->runs > 100000)
		usage(bench);
}

void bench_open(struct bench *bench, const char *name, unsigned int runs, uint64_t nr, int argc,
		char **argv)
{
	*bench = (struct bench){ .name = name, .pattern = "*", .runs = runs, .nr = nr, .cpu = -1 };
	setvbuf(stdout, NULL, _IOLBF, 0);
	options(bench, argc, argv);
	if (sched_getaffinity(0, sizeof(bench->allowed), &bench->allowed) != 0)
		CPU_ZERO(&bench->allowed);
	for (unsigned int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &bench->allowed))
			bench->cpu = (int)cpu;
	if (bench->cpu < 0 || bench_pin(bench->cpu) != 0)
		bench_say(bench, "cannot pin to a CPU, going on without");
	calibrate(bench);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(const double *sorted, unsigned int nr, double q)
{
	double at = q * (nr - 1);
	unsigned int i = (unsigned int)at;

	return i + 1 < nr ? sorted[i] + (at - i) * (sorted[i + 1] - sorted[i]) : sorted[nr - 1];
}

double bench_median(double *samples, unsigned int nr)
{
	qsort(samples, nr, sizeof(*samples), compare);
	return quantile(samples, nr, 0.5);
}

static void remember(struct bench *bench, const char *name, const char *metric, double median,
		     double min)
{
	struct bench_result *result = &bench->results[bench->printed];

	if (bench->printed++ >= BENCH_RESULTS)
		return;
	snprintf(result->name, sizeof(result->name), "%s", name);
	snprintf(result->metric, sizeof(result->metric), "%s", metric);
	result->median = median;
	result->min = min;
}

void bench_print(struct bench *bench, const char *name, const char *metric, const char *unit,
		 double *samples, unsigned int runs)
{
	double median = bench_median(samples, runs);

	printf("%s\t%s\t%s\t%.6g\t%s\t%.6g\t%u\n", bench->name, name, metric, median, unit,
	       samples[0], runs);
	fprintf(stderr, "  %-28s %-13s median %-9.5g min %-9.5g quartiles %.5g %.5g max %.5g\n",
		name, metric, median, samples[0], quantile(samples, runs, 0.25),
		quantile(samples, runs, 0.75), samples[runs - 1]);
	remember(bench, name, metric, median, samples[0]);
}

static long preemptions(void)
{
	struct rusage usage_now;

	return getrusage(RUSAGE_THREAD, &usage_now) == 0 ? usage_now.ru_nivcsw : 0;
}

static void repeat(struct bench_case *c, uint64_t nr, unsigned int run)
{
	uint64_t warm = nr / 10;
	uint64_t start, end;
	long before;

	if (c->pause_ms)
		usleep(c->pause_ms * 1000);
	c->run(c->arg, warm);
	before = preemptions();
	start = bench_ticks();
	c->run(c->arg, nr);
	end = bench_ticks();
	c->preempted += preemptions() != before;
	c->ticks[run] = (double)(end - start) / (double)nr;
	c->total += warm + nr;
}

static void warm_up(const struct bench *bench, struct bench_case *c)
{
	if (!c->nr)
		c->nr = bench->nr;
	c->ticks = calloc(bench->runs, sizeof(*c->ticks));
	if (!c->ticks) {
		bench_say(bench, "out of memory");
		exit(1);
	}
	c->total = 0;
	for (uint64_t left = c->warm; left > 0;) {
		uint64_t some = left < c->nr ? left : c->nr;

		if (c->pause_ms)
			usleep(c->pause_ms * 1000);
		c->run(c->arg, some);
		c->total += some;
		left -= some;
	}
}

/* Lines of one case: cycles are those of the time-stamp counter, where there is one. */
static void print_case(struct bench *bench, const struct bench_case *c)
{
	double *ns = malloc(bench->runs * sizeof(*ns));

	if (!ns) {
		bench_say(bench, "out of memory");
		exit(1);
	}
	for (unsigned int i = 0; i < bench->runs; i++)
		ns[i] = c->ticks[i] * bench->ns_per_tick;
	bench_print(bench, c->name, "ns/event", "ns", ns, bench->runs);
	free(ns);
#if defined(__x86_64__)
	bench_print(bench, c->name, "cycles/event", "cycles", c->ticks, bench->runs);
#endif
	if (c->preempted)
		fprintf(stderr, "  %-28s lost the CPU in %u of %u repetitions\n", c->name,
			c->preempted, bench->runs);
}

int bench_run(struct bench *bench, struct bench_case *cases, size_t nr)
{
	int bad = 0;

	for (size_t i = 0; i < nr; i++)
		warm_up(bench, &cases[i]);
	for (unsigned int run = 0; run < bench->runs; run++)
		for (size_t i = 0; i < nr; i++)
			repeat(&cases[i], cases[i].nr, run);
	for (size_t i = 0; i < nr; i++) {
		struct bench_case *c = &cases[i];
		char why[200] = "no reason given";

		if (c->check && c->check(c->arg, c->total, why, sizeof(why)) < 0) {
			bench_say(bench, "%s did not record its %llu events: %s", c->name,
				  (unsigned long long)c->total, why);
			free(c->ticks);
			c->ticks = NULL;
			bad++;
			continue;
		}
		print_case(bench, c);
	}
	bench->failed += (unsigned int)bad;
	return bad;
}

const struct bench_result *bench_result(const struct bench *bench, const char *name,
					const char *metric)
{
	for (unsigned int i = 0; i < bench->printed && i < BENCH_RESULTS; i++)
		if (strcmp(bench->results[i].name, name) == 0 &&
		    strcmp(bench->results[i].metric, metric) == 0)
			return &bench->results[i];
	return NULL;
}

void bench_ratio(const struct bench *bench, const char *a, const char *b, const char *metric,
		 const char *target)
{
	const struct bench_result *x = bench_result(bench, a, metric);
	const struct bench_result *y = bench_result(bench, b, metric);

	if (x && y && y->median > 0 && y->min > 0)
		fprintf(stderr, "  %-24s : %-22s %8.2f %8.2f  %s\n", a, b, x->median / y->median,
			x->min / y->min, target);
}

/* Pass a child's lines on; one that is not ours goes to standard error. */
static void collect(struct bench *bench, int fd)
{
	FILE *file = fdopen(fd, "r");
	char line[512], name[48], metric[24];
	double median, min;

	if (!file) {
		close(fd);
		return;
	}
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*[^\t]\t%47[^\t]\t%23[^\t]\t%lf\t%*[^\t]\t%lf", name, metric,
			   &median, &min) != 4) {
			fputs(line, stderr);
			continue;
		}
		fputs(line, stdout);
		remember(bench, name, metric, median, min);
	}
	fclose(file);
}

int bench_child(struct bench *bench, int (*child)(void *arg), void *arg, unsigned long namespaces)
{
	int ends[2];
	int status;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -errno;
	fflush(stdout);
	pid = (pid_t)syscall(SYS_clone, namespaces | SIGCHLD, 0, 0, 0, 0);
	if (pid < 0) {
		status = -errno;
		close(ends[0]);
		close(ends[1]);
		return status;
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(ends[1], STDOUT_FILENO);
		_exit(child(arg));
	}
	close(ends[1]);
	collect(bench, ends[0]);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

int bench_beside(const char *name, char *path, size_t size)
{
	char self[PATH_MAX], *slash;
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len < 0)
		return -errno;
	self[len] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return -ENOENT;
	*slash = '\0';
	if ((size_t)snprintf(path, size, "%s/%s", self, name) >= size)
		return -ENAMETOOLONG;
	return access(path, X_OK) == 0 ? 0 : -errno;
}

uint64_t bench_switches(void)
{
	FILE *file = fopen("/proc/stat", "re");
	unsigned long long value = 0;
	char *line = NULL;
	size_t size = 0;

	while (file && getline(&line, &size, file) > 0)
		if (sscanf(line, "ctxt %llu", &value) == 1)
			break;
	free(line);
	if (file)
		fclose(file);
	return value;
}
