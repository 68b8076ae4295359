/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.h: the harness of the benchmarks.
 *
 * Pins the calling thread to one CPU, warms up, repeats, and prints median and minimum. All cases of
 * a run are repeated in turn, one repetition of each per round, so that a disturbance of the machine
 * or a change of its clock meets all of them and their ratios stay good. Nothing is subtracted: the
 * loop around an event is part of what a case prints, and the case `null` says how much that is.
 *
 * Standard output has tab-separated lines and nothing else:
 *	bench  case  metric  median  unit  min  runs
 * Everything for a person (spread, refusals, ratios) goes to standard error.
 */
#ifndef TACHO_BENCH_H
#define TACHO_BENCH_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_SKIP 77 /* exit status: nothing could be measured here */

#define BENCH_RESULTS 1024

/* A line that was printed, for ratios at the end. */
struct bench_result {
	char name[48]; /* of the case */
	char metric[24];
	double median;
	double min;
};

struct bench {
	const char *name; /* first field of every line */
	const char *pattern; /* -c: glob, which cases */
	unsigned int runs; /* -r: repetitions of each case */
	uint64_t nr; /* -n: events per repetition */
	double ns_per_tick; /* of bench_ticks */
	int cpu; /* the last one that this process may use; the caller is pinned to it */
	cpu_set_t allowed; /* before that */
	unsigned int printed; /* lines, those of children included */
	unsigned int failed; /* cases whose check failed */
	struct bench_result results[BENCH_RESULTS]; /* the first lines */
};

/*
 * One case. run: log nr events. check (may be NULL): did all of them arrive? nr is what run was
 * called for in all, warm-up included; a negative result means no, and why says in one line what
 * was found. Such a case is not printed.
 */
struct bench_case {
	const char *name;
	void (*run)(void *arg, uint64_t nr);
	int (*check)(void *arg, uint64_t nr, char *why, size_t why_size);
	void *arg;
	uint64_t nr; /* events per repetition; 0: the default */
	uint64_t
		warm; /* events before the first round, beside a tenth of nr before each repetition */
	unsigned int pause_ms; /* before each repetition, for what works behind the case's back */
	uint64_t total; /* events so far */
	unsigned int preempted; /* repetitions that lost the CPU on the way */
	double *ticks; /* per event, by repetition; made by bench_run */
};

/* Options -r, -n, -c; calibrates the clock; pins. Wrong usage ends the program with status 2. */
/* runs and nr are the defaults. */
void bench_open(struct bench *bench, const char *name, unsigned int runs, uint64_t nr, int argc,
		char **argv);
bool bench_wants(const struct bench *bench, const char *name);
/* Pin the calling thread. 0 or -errno. */
int bench_pin(int cpu);

/* The CPUs that the process may use, in ascending order. Returns how many; at most max are stored. */
int bench_cpus(const struct bench *bench, int *cpus, int max);

/* Run all cases in rounds, check them, print those that are good. Returns how many are not. */
int bench_run(struct bench *bench, struct bench_case *cases, size_t nr);
/* What was printed; NULL if it was not. */
const struct bench_result *bench_result(const struct bench *bench, const char *name,
					const char *metric);
/*
 * Run child in a process of its own whose standard output is ours, line by line, and remember its
 * lines. namespaces: CLONE_NEW* or 0. Returns its exit status, or -errno. Without the handlers of
 * fork: the child may call exec or the kernel, and little else. It is killed if we are.
 */
int bench_child(struct bench *bench, int (*child)(void *arg), void *arg, unsigned long namespaces);

/*
 * Where the program of that name is, said from the directory of this one ("../tacho"). 0 or -errno:
 * it is not there, or cannot be run.
 */
int bench_beside(const char *name, char *path, size_t size);

/* One line from samples (which are sorted), and its spread on standard error. */
void bench_print(struct bench *bench, const char *name, const char *metric, const char *unit,
		 double *samples, unsigned int runs);
double bench_median(double *samples, unsigned int nr); /* sorts them */

/* One line of a table on standard error: a / b by medians and by minima; nothing if one is missing. */
void bench_ratio(const struct bench *bench, const char *a, const char *b, const char *metric,
		 const char *target);

/* "bench: what happened" on standard error. */
void bench_say(const struct bench *bench, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* That case is left out, and why. */
void bench_skip(const struct bench *bench, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* 0, 1 or BENCH_SKIP, for main. */
int bench_status(const struct bench *bench);

uint64_t bench_monotonic_ns(void);
/* Switches of the whole machine since it was started. */
uint64_t bench_switches(void);

static inline uint64_t bench_ticks(void)
{
#if defined(__x86_64__)
	uint32_t low, high;

	/* waits for what is before it, and what is behind it waits: 25 cycles per repetition */
	__asm__ volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
#else
	return bench_monotonic_ns();
#endif
}

/* Keeps a loop a loop: the compiler cannot know what happened to value. */
#define BENCH_KEEP(value) __asm__ volatile("" : "+r"(value))

/* One copy of the body in the text, ahead of a loop: a site is one place. */
#if defined(__clang__)
#define BENCH_NO_UNROLL _Pragma("clang loop unroll(disable)")
#else
#define BENCH_NO_UNROLL _Pragma("GCC unroll 1")
#endif

#endif /* TACHO_BENCH_H */
