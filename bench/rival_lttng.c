// SPDX-License-Identifier: BSD-2-Clause
/*
 * rival_lttng.c: one event through LTTng-UST, with the payload of a full row.
 *
 *	rival_lttng TRACE CASE [-r repetitions] [-n events per repetition]
 *
 * A program of its own that bench/log starts, in the world of rival_world.c, when tracing is already
 * on. Shows what the tracer costs the thread that logs; its consumer, which copies the buffers to
 * the trace in discard mode, runs on another CPU and is not in the figure. Between repetitions it
 * gets the time to catch up, and before the first one every page of the buffers is touched.
 *
 * Events are numbered from 0 on. Afterwards babeltrace2 counts what is in the trace: from the first
 * number that is there to the last event nothing may be missing that LTTng did not count as
 * discarded.
 */
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "rival_lttng_tp.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rival.h"

#define WARM_EVENTS 5600000 /* of 24 bytes or more: 128 MB */
#define PAUSE_MS    10 /* in which the consumer copies more than a repetition writes */

struct lttng {
	struct bench *bench;
	const char *trace; /* directory */
	const char *name;
	uint64_t next; /* number of the next event */
};

static __attribute__((noinline)) void lttng_run(void *arg, uint64_t nr)
{
	struct lttng *lttng = arg;
	uint64_t end = lttng->next + nr;

	for (uint64_t i = lttng->next; i < end; i++)
		lttng_ust_tracepoint(tacho_bench, event, i, PAYLOAD_EVENT, PAYLOAD_DOMAIN,
				     PAYLOAD_CORRESPONDENT);
	lttng->next = end;
}

/* The last number behind the word in the output of a command. -1: not there. */
static int64_t number_in(const char *command, const char *word)
{
	FILE *file = popen(command, "r");
	char line[512];
	int64_t found = -1;

	while (file && fgets(line, sizeof(line), file)) {
		const char *at = strstr(line, word);

		if (at)
			found = strtoll(at + strlen(word), NULL, 10);
	}
	if (file)
		pclose(file);
	return found;
}

/* The number ahead of "Event messages" in what the counter of babeltrace2 prints. */
static int64_t count_events(const char *trace)
{
	char command[256], line[256];
	int64_t count = -1, value;
	FILE *file;

	snprintf(command, sizeof(command),
		 "babeltrace2 -c sink.utils.counter -p step=+0 %s 2>/dev/null", trace);
	file = popen(command, "r");
	while (file && fgets(line, sizeof(line), file))
		if (strstr(line, "Event messages") && sscanf(line, "%" SCNd64, &value) == 1)
			count = value;
	if (file)
		pclose(file);
	return count;
}

static int lttng_check(void *arg, uint64_t nr, char *why, size_t why_size)
{
	struct lttng *lttng = arg;
	bool snapshot = strstr(lttng->name, "overwrite") != NULL;
	char command[256];
	int64_t first, count, discarded;

	if (system("lttng stop >/dev/null") != 0 ||
	    (snapshot && system("lttng snapshot record >/dev/null") != 0)) {
		snprintf(why, why_size, "the session cannot be stopped");
		return -1;
	}
	discarded = number_in("lttng list bench", "Discarded events: ");
	snprintf(command, sizeof(command), "babeltrace2 %s 2>/dev/null | head -n 1", lttng->trace);
	first = number_in(command, "counter = ");
	count = count_events(lttng->trace);
	if (discarded < 0)
		discarded = 0;
	fprintf(stderr,
		"  %-28s %" PRId64 " events are in the trace, %" PRId64 " discarded, %" PRId64
		" overwritten\n",
		lttng->name, count, discarded, first);
	if (count <= 0 || first < 0 || (!snapshot && first != 0) ||
	    (uint64_t)(first + count + discarded) != nr) {
		snprintf(why, why_size,
			 "%" PRId64 " are in the trace, from number %" PRId64 " on, and %" PRId64
			 " were discarded",
			 count, first, discarded);
		return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct lttng lttng = { 0 };
	struct bench_case one = { .run = lttng_run,
				  .check = lttng_check,
				  .arg = &lttng,
				  .warm = WARM_EVENTS,
				  .pause_ms = PAUSE_MS };
	struct bench bench;

	if (argc < 3 || argv[1][0] != '/') {
		fprintf(stderr, "usage: bench/log starts rival_lttng, it is of no use alone\n");
		return 2;
	}
	lttng.trace = argv[1];
	lttng.name = one.name = argv[2];
	bench_open(&bench, "log", 15, 100000, argc - 2, argv + 2);
	lttng.bench = &bench;
	one.nr = bench.nr / 5 + 1;
	bench_run(&bench, &one, 1);
	return bench_status(&bench);
}
