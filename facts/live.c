// SPDX-License-Identifier: BSD-2-Clause
/*
 * live.c: what live.h promises: logs of the kernel into facts.
 *
 * Owns the table of what facts.c needs of each event, the cursors, and the moments at which an
 * interval ends; what a row means is known to facts.c, which domain is who to kernel/. Must not
 * print or draw, nor decide which events somebody wants. Called by cmd/top_data.c, sched/ and
 * bench/analysis.c. Sections 4.3 and 4.5 of paper 001.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "facts/live.h"

#define BATCH 1024u /* rows that are copied out of a log at once */

#define COUNTED (TACHO_ENTRY_DOMAIN | TACHO_ENTRY_COUNTER)
#define BY_CORR (TACHO_ENTRY_DOMAIN | TACHO_ENTRY_CORRESPONDENT)

/*
 * The events that facts.c understands: entries of a row, and rows per CPU. A row without a counter
 * counts 1. Lengths are for 100000 events per second, event and CPU, and 150 ms without a look at
 * them; of rare ones less.
 */
static const struct plan {
	uint32_t layout;
	uint32_t rows; /* 0: not for facts */
} plans[TACHO_K_NR] = {
	[TACHO_K_CPU_SERVICE] = { TACHO_CLOCK_TIME | COUNTED | BY_CORR, 16384 },
	[TACHO_K_CPU_PMC0] = { COUNTED, 16384 },
	[TACHO_K_CPU_PMC1] = { COUNTED, 16384 },
	[TACHO_K_CPU_PMC2] = { COUNTED, 16384 },
	[TACHO_K_CPU_PMC3] = { COUNTED, 16384 },
	[TACHO_K_CPU_RUNQ] = { TACHO_ENTRY_COUNTER, 4096 },
	[TACHO_K_CPU_WAIT] = { COUNTED, 16384 },
	[TACHO_K_CPU_MIGRATE] = { TACHO_ENTRY_DOMAIN, 4096 },
	[TACHO_K_IPC_WAKE] = { BY_CORR, 16384 },
	[TACHO_K_IPC_SOCKET] = { COUNTED | BY_CORR, 16384 },
	[TACHO_K_IPC_PIPE] = { COUNTED | BY_CORR, 16384 },
	[TACHO_K_IPC_FUTEX] = { TACHO_ENTRY_DOMAIN, 16384 },
	[TACHO_K_MEM_RSS] = { COUNTED | BY_CORR, 16384 },
	[TACHO_K_MEM_FAULT] = { TACHO_ENTRY_DOMAIN, 32768 },
	[TACHO_K_MEM_SHARED] = { COUNTED | BY_CORR, 4096 },
	[TACHO_K_IO_BLOCK] = { COUNTED, 2048 },
	[TACHO_K_IO_BLOCK_BYTES] = { COUNTED | BY_CORR, 2048 },
	[TACHO_K_NET_RX] = { COUNTED, 8192 },
	[TACHO_K_NET_TX] = { COUNTED, 8192 },
	[TACHO_K_IRQ] = { COUNTED, 8192 },
	[TACHO_K_SOFTIRQ] = { COUNTED, 8192 },
	[TACHO_K_LOCK] = { COUNTED, 8192 },
	[TACHO_K_SYSCALL] = { COUNTED, 32768 },
	[TACHO_K_VM_RUN] = { COUNTED, 8192 },
	[TACHO_K_VM_EXIT] = { BY_CORR, 16384 },
	[TACHO_K_VM_IRQ] = { TACHO_ENTRY_DOMAIN, 8192 },
	[TACHO_K_VM_HALT] = { COUNTED, 4096 },
	[TACHO_K_VM_USERSPACE] = { BY_CORR, 8192 },
};

/* The log of one event. */
struct stream {
	uint32_t event;
	uint32_t log_rows; /* how long it is */
	uint64_t rows; /* read */
	struct tacho_cursor *cursor; /* by CPU */
};

struct tacho_live {
	struct tacho_kernel *kernel;
	struct tacho_view view;
	struct tacho_facts *facts;
	uint32_t rows_wanted; /* of each log; 0: as the table says */
	uint32_t times;
	struct stream streams[TACHO_K_NR];
	size_t nr_streams;
	bool has[TACHO_K_NR]; /* it is on */
	size_t nr_on;
	uint64_t ended_ns; /* the last interval */
	bool *online; /* by CPU */
	int online_fd; /* where that is read, -1: nowhere */
	char online_text[256]; /* what stood there last */
	bool *gone; /* by domain: it had ended when a sweep began */
	struct tacho_row rows[BATCH];
	char error[300];
};

const char *tacho_live_error(const struct tacho_live *live)
{
	return live->error;
}

/* Of a call of the kernel component. */
static int fail(struct tacho_live *live, int error, const char *what)
{
	const char *why = tacho_kernel_error(live->kernel);

	snprintf(live->error, sizeof(live->error), "%s: %s", what, why[0] ? why : strerror(-error));
	return error;
}

/* --- life ------------------------------------------------------------------------------------- */

uint32_t tacho_live_size(const uint32_t *events, size_t nr)
{
	uint32_t size = 0;
	size_t i;

	for (i = 0; i < nr; i++)
		if (events[i] < TACHO_K_NR && plans[events[i]].rows)
			size += plans[events[i]].rows * TACHO_ROW_SIZE(plans[events[i]].layout);
	return size;
}

static struct stream *stream_find(const struct tacho_live *live, uint32_t event)
{
	size_t i;

	for (i = 0; i < live->nr_streams; i++)
		if (live->streams[i].event == event)
			return (struct stream *)&live->streams[i];
	return NULL;
}

static int stream_open(struct tacho_live *live, uint32_t event)
{
	struct tacho_memory *memory = tacho_kernel_memory(live->kernel);
	struct stream *stream = &live->streams[live->nr_streams];
	uint32_t cpu, rows;
	int log, error;

	if (event >= TACHO_K_NR || !plans[event].rows || stream_find(live, event))
		return -EINVAL;
	if (!tacho_kernel_events(live->kernel)[event].kind)
		return 0;
	rows = (live->rows_wanted ? live->rows_wanted : plans[event].rows) * live->times;
	log = tacho_memory_log_add(memory, rows, plans[event].layout, event, TACHO_NONE);
	if (log < 0)
		return log;
	error = tacho_memory_route(memory, event, TACHO_NONE, (uint32_t)log, 1);
	if (error)
		return error;
	*stream = (struct stream){ .event = event, .log_rows = rows };
	stream->cursor = calloc(live->view.header.nr_cpus, sizeof(*stream->cursor));
	if (!stream->cursor)
		return -ENOMEM;
	live->nr_streams++;
	for (cpu = 0; cpu < live->view.header.nr_cpus && !error; cpu++)
		error = tacho_cursor_init(&stream->cursor[cpu], &live->view, cpu, (uint32_t)log, 1);
	return error;
}

static int logs_open(struct tacho_live *live, const struct tacho_live_options *options, char *why,
		     size_t why_size)
{
	const struct tacho_memory *memory = tacho_kernel_memory(live->kernel);
	struct tacho_facts_options facts = {
		.half_life_s = options->half_life_s,
		.overlaps = options->overlaps,
	};
	int error;
	size_t i;

	error = tacho_view_open(&live->view, memory->base, memory->size, why, why_size);
	if (error)
		return error;
	snprintf(why, why_size, "making the logs: no memory");
	/* then times need no conversion: they are ns already */
	if (live->view.header.clock_source != TACHO_SOURCE_MONOTONIC)
		return -EPROTO;
	facts.nr_cpus = live->view.header.nr_cpus;
	facts.nr_domains = live->view.header.nr_domains;
	live->online = calloc(facts.nr_cpus, sizeof(*live->online));
	live->gone = calloc(facts.nr_domains, sizeof(*live->gone));
	if (!live->online || !live->gone)
		return -ENOMEM;
	error = tacho_facts_create(&live->facts, &facts);
	for (i = 0; i < options->nr_events && !error; i++) {
		error = stream_open(live, options->events[i]);
		if (error)
			snprintf(why, why_size, "making the log of event %u: %s",
				 options->events[i], strerror(-error));
	}
	return error;
}

int tacho_live_open(struct tacho_live **out, const struct tacho_live_options *options, char *why,
		    size_t why_size)
{
	struct tacho_kernel_options kernel = options->kernel;
	struct tacho_live *live = calloc(1, sizeof(*live));
	int error;

	*out = NULL;
	snprintf(why, why_size, "no memory");
	if (!live)
		return -ENOMEM;
	live->times = options->times ? options->times : 1;
	live->rows_wanted = options->rows;
	live->online_fd = -1;
	if (kernel.rows_size == 0)
		kernel.rows_size =
			tacho_live_size(options->events, options->nr_events) * live->times +
			TACHO_PAGE;
	error = tacho_kernel_open(&live->kernel, &kernel, why, why_size);
	if (!error)
		error = logs_open(live, options, why, why_size);
	if (error) {
		tacho_live_close(live);
		return error;
	}
	snprintf(why, why_size, "%s", "");
	live->online_fd = open("/sys/devices/system/cpu/online", O_RDONLY | O_CLOEXEC);
	*out = live;
	return 0;
}

void tacho_live_close(struct tacho_live *live)
{
	size_t i;

	if (!live)
		return;
	tacho_kernel_close(live->kernel);
	for (i = 0; i < live->nr_streams; i++)
		free(live->streams[i].cursor);
	tacho_facts_destroy(live->facts);
	if (live->online_fd >= 0)
		close(live->online_fd);
	free(live->gone);
	free(live->online);
	free(live);
}

/* --- on and off ------------------------------------------------------------------------------- */

/* Those of ids that have a log and are not (or are) on. */
static size_t ids_choose(const struct tacho_live *live, const uint32_t *ids, size_t nr, bool on,
			 uint32_t chosen[TACHO_K_NR])
{
	bool is_chosen[TACHO_K_NR] = { false };
	size_t i, nr_chosen = 0;

	for (i = 0; i < nr; i++) {
		if (!stream_find(live, ids[i]) || live->has[ids[i]] != on || is_chosen[ids[i]])
			continue;
		is_chosen[ids[i]] = true;
		chosen[nr_chosen++] = ids[i];
	}
	return nr_chosen;
}

static void has_set(struct tacho_live *live, const uint32_t *ids, size_t nr, bool on)
{
	size_t i;

	for (i = 0; i < nr; i++)
		live->has[ids[i]] = on;
	if (on)
		live->nr_on += nr;
	else
		live->nr_on -= nr;
}

/* All of them, or those that the kernel does not refuse. */
static int events_enable(struct tacho_live *live, const uint32_t *ids, size_t nr)
{
	int all = tacho_kernel_enable(live->kernel, ids, nr), error;
	bool service = true;
	size_t i, nr_on = 0;

	if (!all) {
		has_set(live, ids, nr, true);
		return 0;
	}
	for (i = 0; i < nr; i++) {
		error = tacho_kernel_enable(live->kernel, &ids[i], 1);
		if (!error) {
			has_set(live, &ids[i], 1, true);
			nr_on++;
		} else if (ids[i] == TACHO_K_CPU_SERVICE) {
			service = false;
			all = error;
			fail(live, error, "switching the events on");
		}
	}
	if (service && nr_on > 0)
		return 0;
	return service ? fail(live, all, "switching the events on") : all;
}

int tacho_live_enable(struct tacho_live *live, const uint32_t *ids, size_t nr)
{
	const bool was_off = live->nr_on == 0;
	uint32_t chosen[TACHO_K_NR];
	size_t nr_chosen = ids_choose(live, ids, nr, false, chosen);
	int error;

	if (nr_chosen == 0)
		return 0;
	/* from here on tasks are followed, so that a pause costs no look at all of them */
	error = tacho_kernel_follow(live->kernel, true);
	if (error)
		return fail(live, error, "following tasks");
	error = events_enable(live, chosen, nr_chosen);
	if (error || !was_off)
		return error;
	/*
	 * rows from before the pause, and what came since a moment ago, are of the interval that
	 * ends
	 */
	return tacho_live_end(live, NULL);
}

int tacho_live_disable(struct tacho_live *live, const uint32_t *ids, size_t nr)
{
	uint32_t chosen[TACHO_K_NR];
	size_t nr_chosen = ids_choose(live, ids, nr, true, chosen);
	int error;

	if (nr_chosen == 0)
		return 0;
	error = tacho_kernel_disable(live->kernel, chosen, nr_chosen);
	if (error)
		return fail(live, error, "switching the events off");
	has_set(live, chosen, nr_chosen, false);
	return 0;
}

static size_t ids_all(const struct tacho_live *live, uint32_t ids[TACHO_K_NR])
{
	size_t i;

	for (i = 0; i < live->nr_streams; i++)
		ids[i] = live->streams[i].event;
	return live->nr_streams;
}

int tacho_live_on(struct tacho_live *live)
{
	uint32_t ids[TACHO_K_NR];

	return tacho_live_enable(live, ids, ids_all(live, ids));
}

int tacho_live_off(struct tacho_live *live)
{
	uint32_t ids[TACHO_K_NR];

	return tacho_live_disable(live, ids, ids_all(live, ids));
}

bool tacho_live_has(const struct tacho_live *live, uint32_t event)
{
	return event < TACHO_K_NR && live->has[event];
}

/* --- reading ---------------------------------------------------------------------------------- */

/*
 * CPUs that are there: "0-3,8". The kernel writes the file anew whenever it is read from its
 * beginning.
 */
static void online_read(struct tacho_live *live)
{
	const uint32_t nr = live->view.header.nr_cpus;
	char text[sizeof(live->online_text)], *at = text, *end;
	ssize_t len = pread(live->online_fd, text, sizeof(text) - 1, 0);
	unsigned long first, last, cpu;

	text[len > 0 ? len : 0] = '\0';
	if (len > 0 && strcmp(text, live->online_text) == 0)
		return;
	memcpy(live->online_text, text, sizeof(text));
	for (cpu = 0; cpu < nr; cpu++)
		live->online[cpu] = len <= 0;
	for (; *at >= '0' && *at <= '9'; at = *end == ',' ? end + 1 : end) {
		first = last = strtoul(at, &end, 10);
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		for (cpu = first; cpu <= last && cpu < nr; cpu++)
			live->online[cpu] = true;
	}
}

/*
 * Until the log is empty, or all that it can hold has been read: who writes faster is not waited
 * for.
 */
static int cursor_read(struct tacho_live *live, struct stream *stream, uint32_t cpu, double *fill)
{
	const bool is_counted = plans[stream->event].layout & TACHO_ENTRY_COUNTER;
	struct tacho_cursor *cursor = &stream->cursor[cpu];
	const uint64_t lost = cursor->lost;
	size_t i, nr, all = 0;
	int error;

	do {
		nr = tacho_cursor_read(cursor, &live->view, live->rows, BATCH);
		for (i = 0; i < nr && !is_counted; i++)
			live->rows[i].counter = 1;
		error = tacho_facts_rows(live->facts, live->rows, nr);
		all += nr;
	} while (nr == BATCH && all < stream->log_rows && !error);
	stream->rows += all;
	if (cursor->lost != lost)
		*fill = 1;
	else if ((double)all > *fill * stream->log_rows)
		*fill = all < stream->log_rows ? (double)all / stream->log_rows : 1;
	return error;
}

/* all: also of CPUs that are not there: one may just have gone. */
static int logs_read(struct tacho_live *live, bool all, double *fill)
{
	uint32_t cpu;
	size_t i;
	int error;

	*fill = 0;
	for (i = 0; i < live->nr_streams; i++) {
		for (cpu = 0; cpu < live->view.header.nr_cpus; cpu++) {
			if (!live->online[cpu] && !all)
				continue;
			error = cursor_read(live, &live->streams[i], cpu, fill);
			if (!error)
				continue;
			snprintf(live->error, sizeof(live->error), "counting rows: %s",
				 strerror(-error));
			return error;
		}
	}
	return 0;
}

int tacho_live_read(struct tacho_live *live, double *fill)
{
	double unasked;

	return logs_read(live, false, fill ? fill : &unasked);
}

/* --- the end of an interval ------------------------------------------------------------------- */

static void running_tell(struct tacho_live *live)
{
	uint32_t cpu, domain;
	uint64_t since_ns;

	for (cpu = 0; cpu < live->view.header.nr_cpus; cpu++)
		if (live->online[cpu] &&
		    tacho_view_running(&live->view, cpu, &domain, &since_ns) == 0)
			tacho_facts_running(live->facts, cpu, domain, since_ns);
}

/*
 * What runs is looked at before the rows: a row that came in between tells the facts that it is
 * over.
 */
int tacho_live_end(struct tacho_live *live, bool *names_changed)
{
	double fill;
	int error;

	online_read(live);
	running_tell(live);
	error = logs_read(live, true, &fill);
	if (error)
		return error;
	live->ended_ns = tacho_live_now();
	tacho_facts_end(live->facts, live->ended_ns);
	return tacho_live_tend(live, names_changed);
}

int tacho_live_tend(struct tacho_live *live, bool *names_changed)
{
	int error = tacho_kernel_tend(live->kernel, names_changed);

	return error ? fail(live, error, "looking after the tasks") : 0;
}

/*
 * Numbers that were not used for a while longer, so the last rows of who had them have been read.
 */
void tacho_live_sweep(struct tacho_live *live, void (*gone)(void *arg, uint32_t domain), void *arg)
{
	const uint32_t nr = live->view.header.nr_domains;
	struct tacho_kernel_domain_info info;
	uint32_t domain;

	for (domain = 0; domain < nr; domain++)
		live->gone[domain] =
			tacho_kernel_domain(live->kernel, domain, &info) == 0 && info.is_gone;
	tacho_kernel_reuse(live->kernel);
	for (domain = 0; domain < nr; domain++) {
		if (!live->gone[domain] || tacho_kernel_domain(live->kernel, domain, &info) == 0)
			continue;
		tacho_facts_forget(live->facts, domain);
		if (gone)
			gone(arg, domain);
	}
}

/* --- answers ---------------------------------------------------------------------------------- */

struct tacho_facts *tacho_live_facts(struct tacho_live *live)
{
	return live->facts;
}

struct tacho_kernel *tacho_live_kernel(struct tacho_live *live)
{
	return live->kernel;
}

const struct tacho_view *tacho_live_view(const struct tacho_live *live)
{
	return &live->view;
}

const bool *tacho_live_online(const struct tacho_live *live)
{
	return live->online;
}

uint64_t tacho_live_ended(const struct tacho_live *live)
{
	return live->ended_ns;
}

uint64_t tacho_live_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void tacho_live_log(const struct tacho_live *live, uint32_t event, struct tacho_live_log *log)
{
	struct tacho_window window;
	uint32_t cpu;
	size_t i;

	*log = (struct tacho_live_log){ 0 };
	for (i = 0; i < live->nr_streams; i++) {
		if (event != TACHO_NONE && live->streams[i].event != event)
			continue;
		log->rows += live->streams[i].rows;
		for (cpu = 0; cpu < live->view.header.nr_cpus; cpu++) {
			const struct tacho_cursor *cursor = &live->streams[i].cursor[cpu];

			log->overwritten += cursor->lost;
			if (tacho_window_open(&window, cursor, &live->view) == 0)
				log->written += window.end;
		}
	}
}

void tacho_live_totals(const struct tacho_live *live, uint64_t *rows, uint64_t *lost)
{
	struct tacho_live_log all;
	uint32_t cpu, reason;

	tacho_live_log(live, TACHO_NONE, &all);
	*rows = all.rows;
	*lost = all.overwritten;
	for (cpu = 0; cpu < live->view.header.nr_cpus; cpu++)
		for (reason = 0; reason < TACHO_NR_LOST; reason++)
			*lost += tacho_view_lost(&live->view, cpu, reason);
}
