// SPDX-License-Identifier: BSD-2-Clause
/*
 * pingpong.c: what recording switches and wake-ups adds to a message and its answer.
 *
 * Tables 5.1 and 5.2 of paper 001 and figure 5 of paper 000, for Linux: two threads or two processes on
 * one CPU send a message to and fro, which is two switches per round trip and as many wake-ups as
 * the kernel counts. Cases are CHANNEL/thread|process/CONFIG, then /SIZE if the message is not the
 * smallest, then /pairs-N if there are N pairs, each on a CPU of its own.
 *
 *   native             nothing is loaded
 *   off                the kernel component is loaded, nothing is enabled
 *   ipc.wake-N, cpu.service-N, both-N
 *                      N entries per row: 0 the position only; 1 event; 4 event, domain, correspondent,
 *                      counter; 5 these and the time. A domain is a process; in thread cases it is a thread
 *   ipc.wake-inside    thread cases, a domain is a process: no event, only the check
 *   RIVAL-EVENT        krival.h: empty, floor, ringbuf, ftrace, perf, bpftrace; sched_switch, sched_waking
 *
 * All record the whole machine. Without -c a selection runs; -c also reaches the others: all sizes
 * (0, 1, 4, 16, ... 4096), all numbers of pairs, all configurations for each. Its stars stop at a slash.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench.h"
#include "channel.h"
#include "krounds.h"

#define MAX_CASES 64

static struct bench bench;
static int cpus[CHANNEL_MAX_PAIRS]; /* the measured one first */
static int nr_cpus;

/* --- configurations ----------------------------------------------------------------------- */

#define E    TACHO_ENTRY_EVENT
#define ALL  TACHO_ENTRIES_ALL
#define FULL (TACHO_ENTRIES_ALL | TACHO_CLOCK_TIME)

#define WAKE(title, layout)                                                                        \
	{                                                                                          \
		.name = (title), .way = KROUNDS_OURS,                                              \
		.ours = { { TACHO_K_IPC_WAKE }, 1, (layout) }, .what = {                           \
			KROUNDS_WAKES                                                              \
		}                                                                                  \
	}
#define SERVICE(title, layout)                                                                     \
	{                                                                                          \
		.name = (title), .way = KROUNDS_OURS,                                              \
		.ours = { { TACHO_K_CPU_SERVICE }, 1, (layout) }, .what = {                        \
			KROUNDS_SWITCHES                                                           \
		}                                                                                  \
	}

static const struct krounds_case ours[] = {
	{ .name = "off", .way = KROUNDS_OURS },
	WAKE("ipc.wake-0", 0),
	WAKE("ipc.wake-1", E),
	WAKE("ipc.wake-4", ALL),
	WAKE("ipc.wake-5", FULL),
	SERVICE("cpu.service-0", 0),
	SERVICE("cpu.service-1", E),
	SERVICE("cpu.service-4", ALL),
	SERVICE("cpu.service-5", FULL),
	{ .name = "both-5",
	  .way = KROUNDS_OURS,
	  .ours = { { TACHO_K_IPC_WAKE, TACHO_K_CPU_SERVICE }, 2, FULL },
	  .what = { KROUNDS_WAKES, KROUNDS_SWITCHES } },
};
static const struct krounds_case inside = { .name = "ipc.wake-inside",
					    .way = KROUNDS_OURS,
					    .by = TACHO_BY_PROCESS,
					    .ours = { { TACHO_K_IPC_WAKE }, 1, FULL },
					    .what = { KROUNDS_INSIDE } };

/* What runs without -c. The first group has everything. */
static const char *const selection[] = {
	"pipe/process/*",
	"*/*/native",
	"*/*/off",
	"*/*/ipc.wake-[145]",
	"*/*/ipc.wake-inside",
	"*/*/cpu.service-[45]",
	"*/*/ringbuf-sched_switch",
	"*/*/ftrace-sched_switch",
	"pipe/thread/*-[01]",
	"pipe/process/native/*",
	"unix/process/native/4096",
	"pipe/process/ipc.wake-5/4096",
	"pipe/process/cpu.service-5/pairs-*",
	"pipe/process/ftrace-sched_switch/pairs-*",
};

static bool wants(const char *name)
{
	if (strcmp(bench.pattern, "*") != 0)
		return fnmatch(bench.pattern, name, FNM_PATHNAME) == 0;
	for (size_t i = 0; i < sizeof(selection) / sizeof(selection[0]); i++)
		if (fnmatch(selection[i], name, FNM_PATHNAME) == 0)
			return true;
	return false;
}

/* --- a group: cases of the same messages -------------------------------------------------- */

struct group {
	struct channel_options options;
	uint32_t smallest; /* message */
	struct krounds_case cases[MAX_CASES];
	size_t nr;
};

static void add_case(struct group *group, const struct krounds_case *c)
{
	const struct channel_options *options = &group->options;
	struct krounds_case *added = &group->cases[group->nr];
	char size[16] = "", pairs[16] = "", name[80];

	if (options->size != group->smallest)
		snprintf(size, sizeof(size), "/%u", options->size);
	if (options->nr_pairs != 1)
		snprintf(pairs, sizeof(pairs), "/pairs-%d", options->nr_pairs);
	snprintf(name, sizeof(name), "%s/%s/%s%s%s", channel_kind_name[options->kind],
		 options->is_process ? "process" : "thread", c->name, size, pairs);
	if (group->nr == MAX_CASES || (c->way != KROUNDS_NATIVE && !wants(name)))
		return;
	*added = *c;
	memcpy(added->name, name, sizeof(added->name) - 1);
	group->nr++;
}

static void add_cases(struct group *group)
{
	const struct krounds_case native = { .name = "native", .way = KROUNDS_NATIVE };

	add_case(group, &native);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		struct krounds_case c = ours[i];

		c.by = group->options.is_process ? TACHO_BY_PROCESS : TACHO_BY_THREAD;
		add_case(group, &c);
	}
	if (!group->options.is_process)
		add_case(group, &inside);
	for (int kind = 0; kind < KRIVAL_NR_KINDS; kind++)
		for (int event = KRIVAL_SWITCH; event <= KRIVAL_WAKING; event++) {
			struct krounds_case c = { .way = KROUNDS_RIVAL,
						  .rival = (enum krival_kind)kind,
						  .event = (enum krival_event)event };

			snprintf(c.name, sizeof(c.name), "%s-%s", krival_kind_name[kind],
				 krival_event_name[event]);
			add_case(group, &c);
		}
}

static int exchange(void *arg, uint64_t nr, struct krounds_sample *sample)
{
	struct channel_sample found;
	int error = channel_run(arg, nr, &found);

	sample->ticks = found.ticks;
	sample->best = found.best;
	sample->units = found.round_trips;
	sample->happened[KROUNDS_SWITCHES] = found.switches;
	sample->happened[KROUNDS_WAKES] = found.blocks;
	sample->happened[KROUNDS_INSIDE] = found.blocks;
	return error;
}

static void run_group(struct group *group)
{
	struct krounds rounds = {
		.bench = &bench, .metric = "ns/roundtrip", .nr = bench.nr, .work = exchange
	};
	struct channel *channel;
	int error;

	add_cases(group);
	if (group->nr == 1 && !wants(group->cases[0].name))
		return;
	error = channel_open(&channel, &group->options);
	if (!error) {
		rounds.arg = channel;
		/* at most three events per round trip, and as many again of others */
		rounds.piece = KRIVAL_DRAIN / 6 / (uint64_t)group->options.nr_pairs + 1;
		rounds.cpus = (unsigned int)group->options.nr_pairs;
		error = krounds_run(&rounds, group->cases, group->nr);
		channel_close(channel);
	}
	if (error) {
		bench_say(&bench, "%s: %s", group->cases[0].name, strerror(-error));
		bench.failed++;
	}
}

static void run_kind(enum channel_kind kind, bool is_process)
{
	static struct group group;
	uint32_t smallest = kind == CHANNEL_PIPE ? 1 : 0;

	for (int nr = 1; nr <= nr_cpus; nr++)
		for (uint32_t size = smallest; size <= CHANNEL_MAX_SIZE;
		     size = size == 0 ? 1 : size * 4) {
			memset(&group, 0, sizeof(group));
			group.smallest = smallest;
			group.options = (struct channel_options){ .kind = kind,
								  .is_process = is_process,
								  .size = size,
								  .nr_pairs = nr,
								  .cpus = cpus };
			run_group(&group);
		}
}

/* --- the run ------------------------------------------------------------------------------ */

static void summary(void)
{
	static const char *const pairs[][3] = {
		{ "cpu.service-5", "ftrace-sched_switch", "at most 0.8" },
		{ "cpu.service-5", "perf-sched_switch", "at most 0.4" },
		{ "cpu.service-5", "ringbuf-sched_switch", "at most 0.9" },
		{ "ipc.wake-5", "ftrace-sched_waking", "at most 0.8" },
		{ "ipc.wake-5", "perf-sched_waking", "at most 0.4" },
		{ "ipc.wake-5", "ringbuf-sched_waking", "at most 0.9" },
	};

	fprintf(stderr, "%s: in this run%45s %8s\n", bench.name, "median", "best");
	bench_ratio(&bench, "pipe/process/off", "pipe/process/native", "ns/roundtrip",
		    "0.99 to 1.01");
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		char a[48], b[48];

		snprintf(a, sizeof(a), "pipe/process/%s", pairs[i][0]);
		snprintf(b, sizeof(b), "pipe/process/%s", pairs[i][1]);
		krounds_ratio(&bench, a, b, pairs[i][2]);
	}
	krounds_percent(&bench, "pipe/process/ipc.wake-5", "at most 10 %");
	krounds_percent(&bench, "pipe/process/ipc.wake-4", "at most 5 %");
}

/* The CPU that is measured first, then the others; we and all consumers stay away from it. */
static void choose_cpus(cpu_set_t *others)
{
	int all[CHANNEL_MAX_PAIRS];
	int nr = bench_cpus(&bench, all, CHANNEL_MAX_PAIRS);

	nr = nr > CHANNEL_MAX_PAIRS ? CHANNEL_MAX_PAIRS : nr;
	cpus[nr_cpus++] = bench.cpu;
	for (int i = 0; i < nr; i++)
		if (all[i] != bench.cpu)
			cpus[nr_cpus++] = all[i];
	*others = bench.allowed;
	if (CPU_COUNT(others) > 1)
		CPU_CLR((unsigned int)bench.cpu, others);
	sched_setaffinity(0, sizeof(*others), others);
}

int main(int argc, char **argv)
{
	cpu_set_t others;
	char why[160];

	bench_open(&bench, "pingpong", 7, 12000, argc, argv);
	choose_cpus(&others);
	setpriority(PRIO_PROCESS, 0, -20); /* ahead of other work, as are the ends; if we may */
	if (krival_open(&others, why, sizeof(why)) < 0)
		bench_say(&bench, "without some rivals: %s", why);
	for (int kind = 0; kind < CHANNEL_NR_KINDS; kind++) {
		run_kind((enum channel_kind)kind, true);
		run_kind((enum channel_kind)kind, false);
	}
	krival_close();
	summary();
	return bench_status(&bench);
}
