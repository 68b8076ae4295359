// SPDX-License-Identifier: BSD-2-Clause
/*
 * syscall.c: what recording a system call adds to one that does nothing.
 *
 * The rivals record two events, entry and exit. Ours is a span, one row at the exit with the time
 * between the two and the number of the call (section 3.3.1 of paper 001), so `syscall-5` takes the
 * clock twice and writes once; `floor` is two plain rows without any of what makes them a log.
 *
 *   native           nothing is loaded
 *   off              the kernel component is loaded, nothing is enabled
 *   syscall-N        rows of N entries: 0 the position only; 1 event; 4 event, domain, correspondent,
 *                    counter; 5 these and the time
 *   RIVAL            krival.h: empty, floor, ringbuf, ftrace, perf, bpftrace
 *
 * cycles/event is per entry or exit, two per call, for ours as well. All record the whole machine, which
 * has system calls of its own meanwhile.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"
#include "krounds.h"

#define STRETCHES 8u

static struct bench bench;

static int call(void *arg, uint64_t nr, struct krounds_sample *sample)
{
	uint64_t each = nr / STRETCHES + 1;
	double ticks[STRETCHES];

	(void)arg;
	for (unsigned int i = 0; i < STRETCHES; i++) {
		uint64_t start = bench_ticks();

		for (uint64_t left = each; left > 0; left--)
			syscall(SYS_getppid);
		ticks[i] = (double)(bench_ticks() - start) / (double)each;
	}
	sample->ticks = bench_median(ticks, STRETCHES);
	sample->best = ticks[1];
	sample->units = each * STRETCHES;
	sample->happened[KROUNDS_CALLS] = sample->units;
	sample->happened[KROUNDS_ENDS] = 2 * sample->units;
	return 0;
}

#define ALL TACHO_ENTRIES_ALL
#define OURS(title, entries)                                                                       \
	{                                                                                          \
		.name = (title), .way = KROUNDS_OURS,                                              \
		.ours = { { TACHO_K_SYSCALL }, 1, (entries) }, .what = {                           \
			KROUNDS_CALLS                                                              \
		}                                                                                  \
	}
#define RIVAL(title, which)                                                                        \
	{                                                                                          \
		.name = (title), .way = KROUNDS_RIVAL, .rival = (which), .event = KRIVAL_SYSCALL   \
	}

static const struct krounds_case all[] = {
	{ .name = "native", .way = KROUNDS_NATIVE },
	{ .name = "off", .way = KROUNDS_OURS },
	OURS("syscall-0", 0),
	OURS("syscall-1", TACHO_ENTRY_EVENT),
	OURS("syscall-4", ALL),
	OURS("syscall-5", ALL | TACHO_CLOCK_TIME),
	RIVAL("empty", KRIVAL_EMPTY),
	RIVAL("floor", KRIVAL_FLOOR),
	RIVAL("ringbuf", KRIVAL_RING),
	RIVAL("ftrace", KRIVAL_FTRACE),
	RIVAL("perf", KRIVAL_PERF),
	RIVAL("bpftrace", KRIVAL_BPFTRACE),
};
#define NR_CASES (sizeof(all) / sizeof(all[0]))

int main(int argc, char **argv)
{
	struct krounds_case cases[NR_CASES];
	struct krounds rounds = { .bench = &bench,
				  .metric = "ns/call",
				  .per_unit = 2,
				  .piece = KRIVAL_DRAIN / 4,
				  .cpus = 1,
				  .work = call };
	cpu_set_t others;
	char why[160];
	size_t nr = 0;

	bench_open(&bench, "syscall", 9, 100000, argc, argv);
	rounds.nr = bench.nr;
	others = bench.allowed;
	if (CPU_COUNT(&others) > 1)
		CPU_CLR((unsigned int)bench.cpu, &others);
	setpriority(PRIO_PROCESS, 0, -20); /* ahead of other work, if we may */
	if (krival_open(&others, why, sizeof(why)) < 0)
		bench_say(&bench, "without some rivals: %s", why);
	for (size_t i = 0; i < NR_CASES; i++)
		if (i == 0 || bench_wants(&bench, all[i].name))
			cases[nr++] = all[i];
	if (krounds_run(&rounds, cases, nr) != 0)
		bench.failed++;
	krival_close();
	fprintf(stderr, "%s: in this run%45s %8s\n", bench.name, "median", "best");
	bench_ratio(&bench, "off", "native", "ns/call", "0.99 to 1.01");
	krounds_ratio(&bench, "syscall-5", "ftrace", "");
	krounds_ratio(&bench, "syscall-5", "perf", "");
	krounds_ratio(&bench, "syscall-5", "ringbuf", "");
	krounds_ratio(&bench, "syscall-5", "floor", "");
	return bench_status(&bench);
}
