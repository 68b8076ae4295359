// SPDX-License-Identifier: BSD-2-Clause
/*
 * shared.c: what it costs to see which pages of shared memory were used, and whom.
 *
 * Two processes, each a domain, share a memfd of 256, 4096 or 65536 pages. One of them writes to every
 * page, then a sample is taken (kernel/refs.h); -n times per repetition. Cases METHOD/PAGES:
 *	none	nobody samples: what the other cases are compared with
 *	clear, scan, idle, soft-dirty, auto	the methods of refs.h
 *	clear-heap	clear, and the process has 65536 pages of its own: smaps and clear_refs pass them
 * Metrics:
 *	us/sample	one sample, of both processes
 *	ns/page-touched	what the process takes per page that it writes, first time after a sample
 * A case whose samples do not find what was touched is not printed.
 *
 * Does not measure what waits for the locks of the process's address space meanwhile, nor huge pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "kernel/refs.h"

#define PAGE	   4096ul
#define HEAP_PAGES 65536u
#define USER	   10u /* domains */
#define PARTNER	   11u

struct process {
	pid_t pid;
	int sock;
};

struct shared_case {
	char name[32];
	enum tacho_refs_method method;
	bool is_null;
	bool has_heap;
	uint32_t pages;
	struct process user; /* touches the pages, on a CPU of its own */
	struct process partner; /* only has them */
	struct tacho_refs *refs;
	double *sample_us;
	double *touch_ns;
	unsigned int wrong; /* samples that found something else */
};

static struct bench bench;
static struct tacho_refs_probe probe[TACHO_REFS_NR];
static int user_cpu;

/* --- the observed processes ----------------------------------------------------------------- */

static __attribute__((noreturn)) void process_main(const struct shared_case *c, int fd, int sock)
{
	size_t size = c->pages * PAGE;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), command;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	bench_pin(user_cpu);
	if (memory == MAP_FAILED)
		_exit(1);
	if (!c->is_null && probe[c->method].tells_written && c->method != TACHO_REFS_SOFT_DIRTY &&
	    tacho_refs_allow(memory, size) < 0)
		_exit(1);
	if (c->has_heap) {
		char *heap = mmap(NULL, HEAP_PAGES * PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

		if (heap == MAP_FAILED)
			_exit(1);
	}
	while (read(sock, &command, 1) == 1) {
		uint64_t ticks = bench_ticks();

		for (size_t i = 0; i < size; i += PAGE) {
			memory[i] = command;
			BENCH_KEEP(i);
		}
		ticks = bench_ticks() - ticks;
		if (write(sock, &ticks, sizeof(ticks)) != (ssize_t)sizeof(ticks))
			break;
	}
	_exit(0);
}

static int process_start(struct process *process, const struct shared_case *c, int fd)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	process->pid = fork();
	if (process->pid == 0)
		process_main(c, fd, pair[1]);
	close(pair[1]);
	process->sock = pair[0];
	return process->pid < 0 ? -errno : 0;
}

static void process_stop(struct process *process)
{
	if (process->pid <= 0)
		return;
	kill(process->pid, SIGKILL);
	waitpid(process->pid, NULL, 0);
	close(process->sock);
}

/* Write to every page; how long that took, per page. Negative: the process is gone. */
static double process_touch(struct process *process, uint32_t pages)
{
	uint64_t ticks;

	if (write(process->sock, "x", 1) != 1 ||
	    read(process->sock, &ticks, sizeof(ticks)) != (ssize_t)sizeof(ticks))
		return -1;
	return (double)ticks * bench.ns_per_tick / pages;
}

/* --- one case ------------------------------------------------------------------------------- */

static void found(void *arg, uint32_t domain, uint32_t other, uint64_t referenced, uint64_t written)
{
	struct shared_case *c = arg;
	const struct tacho_refs_probe *what = &probe[c->method];

	(void)other;
	if (domain != USER)
		return;
	if (what->tells_referenced && what->is_exact && referenced != c->pages)
		c->wrong++;
	if (what->tells_written && written != c->pages)
		c->wrong++;
}

static void ignore(void *arg, uint32_t domain, uint32_t other, uint64_t referenced,
		   uint64_t written)
{
	(void)arg;
	(void)domain;
	(void)other;
	(void)referenced;
	(void)written;
}

static int case_open(struct shared_case *c)
{
	struct tacho_refs_options options = { .method = c->method };
	struct tacho_refs_task tasks[2];
	char why[128] = "";
	int fd = memfd_create("bench-shared", MFD_CLOEXEC), error;

	c->sample_us = calloc(2 * bench.runs, sizeof(double));
	if (!c->sample_us || fd < 0 || ftruncate(fd, (off_t)(c->pages * PAGE)) < 0)
		return -ENOMEM;
	c->touch_ns = c->sample_us + bench.runs;
	error = process_start(&c->user, c, fd);
	if (!error)
		error = process_start(&c->partner, c, fd);
	close(fd);
	if (error)
		return error;
	if (process_touch(&c->user, c->pages) < 0 || process_touch(&c->partner, c->pages) < 0)
		return -EPIPE;
	if (c->is_null)
		return 0;
	error = tacho_refs_open(&c->refs, &options, why, sizeof(why));
	if (error) {
		bench_say(&bench, "%s: %s", c->name, why);
		return error;
	}
	tasks[0] = (struct tacho_refs_task){ USER, c->user.pid };
	tasks[1] = (struct tacho_refs_task){ PARTNER, c->partner.pid };
	error = tacho_refs_set(c->refs, tasks, 2);
	/* now the intervals begin */
	return error ? error : tacho_refs_sample(c->refs, ignore, NULL);
}

static void case_close(struct shared_case *c)
{
	tacho_refs_close(c->refs);
	process_stop(&c->user);
	process_stop(&c->partner);
	free(c->sample_us);
}

static int case_repeat(struct shared_case *c, unsigned int run)
{
	double touch_ns = 0;
	uint64_t ns = 0;

	for (uint64_t i = 0; i < bench.nr; i++) {
		double once = process_touch(&c->user, c->pages);
		uint64_t start = bench_monotonic_ns();
		int error = once < 0 ? -EPIPE : 0;

		if (!error && c->refs)
			error = tacho_refs_sample(c->refs, found, c);
		if (error)
			return error;
		ns += bench_monotonic_ns() - start;
		touch_ns += once;
	}
	c->touch_ns[run] = touch_ns / (double)bench.nr;
	c->sample_us[run] = (double)ns / 1e3 / (double)bench.nr;
	return 0;
}

static void case_print(struct shared_case *c)
{
	if (c->wrong) {
		bench_say(&bench, "%s: %u samples did not find the %u pages", c->name, c->wrong,
			  c->pages);
		bench.failed++;
		return;
	}
	if (c->refs)
		bench_print(&bench, c->name, "us/sample", "us", c->sample_us, bench.runs);
	bench_print(&bench, c->name, "ns/page-touched", "ns", c->touch_ns, bench.runs);
}

/* --- all of them ----------------------------------------------------------------------------- */

/* All methods over memory of one size, in turn. */
static int run_size(uint32_t pages)
{
	static const struct {
		const char *name;
		enum tacho_refs_method method;
		bool is_null, has_heap;
	} kinds[] = {
		{ "none", TACHO_REFS_AUTO, true, false },
		{ "clear", TACHO_REFS_CLEAR, false, false },
		{ "clear-heap", TACHO_REFS_CLEAR, false, true },
		{ "scan", TACHO_REFS_SCAN, false, false },
		{ "auto", TACHO_REFS_AUTO, false, false },
		{ "idle", TACHO_REFS_IDLE, false, false },
		{ "soft-dirty", TACHO_REFS_SOFT_DIRTY, false, false },
	};
	struct shared_case cases[sizeof(kinds) / sizeof(kinds[0])] = { 0 };
	size_t nr = 0;
	int error = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !error; i++) {
		struct shared_case *c = &cases[nr];

		snprintf(c->name, sizeof(c->name), "%s/%" PRIu32, kinds[i].name, pages);
		c->method = kinds[i].method;
		c->is_null = kinds[i].is_null;
		c->has_heap = kinds[i].has_heap;
		c->pages = pages;
		if (!bench_wants(&bench, c->name))
			continue;
		if (!c->is_null && probe[c->method].error) {
			bench_skip(&bench, c->name, "%s", probe[c->method].why);
			continue;
		}
		nr++;
		error = case_open(c);
	}
	for (unsigned int run = 0; run < bench.runs && !error; run++)
		for (size_t i = 0; i < nr && !error; i++)
			error = case_repeat(&cases[i], run);
	for (size_t i = 0; i < nr; i++) {
		if (!error)
			case_print(&cases[i]);
		case_close(&cases[i]);
	}
	if (error)
		bench_say(&bench, "%" PRIu32 " pages: %s", pages, strerror(-error));
	return error;
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = { 256, 4096, 65536 };

	bench_open(&bench, "shared", 15, 5, argc, argv);
	tacho_refs_probe(probe, NULL);
	bench_cpus(&bench, &user_cpu, 1); /* the first one; samples are taken on the last */
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (run_size(sizes[i]) != 0)
			bench.failed++;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char name[32], none[32];

		snprintf(none, sizeof(none), "none/%" PRIu32, sizes[i]);
		snprintf(name, sizeof(name), "clear/%" PRIu32, sizes[i]);
		bench_ratio(&bench, name, none, "ns/page-touched", "to the observed process");
		snprintf(name, sizeof(name), "scan/%" PRIu32, sizes[i]);
		bench_ratio(&bench, name, none, "ns/page-touched", "to the observed process");
	}
	return bench_status(&bench);
}
