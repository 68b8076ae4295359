/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.c: tacho log: the events of one component, live, as rows or as totals.
 *
 * Owns the options, the loop, and what is printed; log_setup.c makes the session whose logs are
 * read here, with what log_process.c or log_kernel.c know about the component. It must not lose anything silently: overwritten rows and what the writers lost are
 * told when they change and at the end. When the component dies the area is still there and is read
 * to its end. Called by main.c.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "log.h"

#define PERIOD_MS   10 /* of reading, and of the tick */
#define SECOND_NS   1000000000ll
#define BATCH	    4096 /* rows */
#define BATCHES	    16 /* before the clock is looked at again */
#define ROWS	    16384
#define TEXT_SIZE   64 /* of what a number is called */
#define ALL_ENTRIES (TACHO_ENTRIES_ALL | TACHO_CLOCK_TIME)

enum {
	OPT_BY = 256,
	OPT_COUNT,
	OPT_COUNTER,
	OPT_DOMAIN,
	OPT_ENTRIES,
	OPT_FOR,
	OPT_HUGE,
	OPT_JSON,
	OPT_LIMIT,
	OPT_PERIOD,
	OPT_ROWS,
	OPT_THRESHOLD
};

static const struct ui_option options[] = {
	{ "entries", OPT_ENTRIES, "LIST",
	  "what a row has: event,domain,correspondent,counter, and\n"
	  "time, virtual, tick or none [all, time]" },
	{ "domain", OPT_DOMAIN, "NAME=WHAT",
	  "a domain: principals by number or pattern; of the kernel\n"
	  "pid, tree, comm, cgroup, uid, vm or unit:PATTERN" },
	{ "domain-by", OPT_BY, "KIND",
	  "kernel: what a domain is for the rest: process,\n"
	  "thread, cgroup, user or vm [process]" },
	{ "threshold", OPT_THRESHOLD, "N", "only each N-th event of a domain and CPU" },
	{ "count", OPT_COUNT, NULL, "totals of the counters per event and domain, no rows" },
	{ "rows", OPT_ROWS, "N", "length of a log, per event and CPU [16384]" },
	{ "huge", OPT_HUGE, NULL, "process: the area on huge pages" },
	{ "period", OPT_PERIOD, "MS", "kernel: between two samples of cpu.runq [1]" },
	{ "counter", OPT_COUNTER, "N=NAME", "kernel: what cpu.pmcN counts, N from 0 to 3" },
	{ "limit", OPT_LIMIT, "N", "end after N rows" },
	{ "for", OPT_FOR, "SECONDS", "end after this time" },
	{ "json", OPT_JSON, NULL, "one JSON object per line" },
	{ 0 },
};
const struct ui_verb log_verb = {
	"log",
	"TARGET EVENT... [OPTION]...",
	"Shows events of a component while they happen. TARGET is kernel, hypervisor, a\n"
	"pid or the name of a program, EVENT a name or a pattern such as 'queue.*'.\n"
	"Ctrl-C ends it.",
	options,
};

/* --- the command line ----------------------------------------------------------------------- */

static int parse_entries(struct log_choice *choice, const char *list)
{
	static const struct {
		const char *name;
		uint32_t layout;
	} words[] = {
		{ "event", TACHO_ENTRY_EVENT },	    { "domain", TACHO_ENTRY_DOMAIN },
		{ "counter", TACHO_ENTRY_COUNTER }, { "correspondent", TACHO_ENTRY_CORRESPONDENT },
		{ "time", TACHO_CLOCK_TIME },	    { "tick", TACHO_CLOCK_TICK },
		{ "virtual", TACHO_CLOCK_VIRTUAL }, { "none", TACHO_CLOCK_NONE },
	};
	const size_t nr = sizeof(words) / sizeof(words[0]);
	const char *at = list;
	int clocks = 0;
	size_t len, i;

	choice->layout = 0;
	choice->has_entries = true;
	for (;; at += len + 1) {
		len = strcspn(at, ",");
		for (i = 0; i < nr; i++)
			if (strlen(words[i].name) == len && strncmp(words[i].name, at, len) == 0)
				break;
		if (i == nr)
			return ui_usage(&log_verb, "--entries %s: there is no entry '%.*s'", list,
					(int)len, at);
		clocks += (words[i].layout & TACHO_ENTRIES_ALL) == 0;
		if (clocks > 1)
			return ui_usage(&log_verb, "--entries %s: a row has one timestamp", list);
		choice->layout |= words[i].layout;
		if (at[len] == '\0')
			return 0;
	}
}

static int parse_domain(struct log_choice *choice, const char *spec)
{
	const char *equals = strchr(spec, '=');

	if (!equals || equals == spec || equals[1] == '\0')
		return ui_usage(&log_verb, "--domain %s: should be NAME=WHAT", spec);
	if ((size_t)(equals - spec) >= LOG_NAME_SIZE)
		return ui_usage(&log_verb, "--domain %s: the name has more than %zu bytes", spec,
				LOG_NAME_SIZE - 1);
	choice->domains[choice->nr_domains++] = spec;
	return 0;
}

static int parse_counter(struct log_choice *choice, const char *text)
{
	if (text[0] < '0' || text[0] >= '0' + LOG_COUNTERS || text[1] != '=' || !text[2])
		return ui_usage(&log_verb, "--counter %s: should be N=NAME, N from 0 to %d", text,
				LOG_COUNTERS - 1);
	choice->counters[text[0] - '0'] = text + 2;
	choice->of_kernel = "--counter";
	return 0;
}

static int parse_period(struct log_choice *choice, const char *text)
{
	choice->of_kernel = "--period";
	if (!ui_seconds(text, &choice->period_ms) || choice->period_ms < 0.1 ||
	    choice->period_ms > 1000)
		return ui_usage(&log_verb, "--period %s: should be from 0.1 to 1000 milliseconds",
				text);
	return 0;
}

static int parse_option(struct log_choice *choice, int found)
{
	const char *text = ui_argument;

	switch (found) {
	case OPT_BY:
		choice->of_kernel = "--domain-by";
		return ui_domain_by(&log_verb, text, &choice->by);
	case OPT_COUNTER:
		return parse_counter(choice, text);
	case OPT_PERIOD:
		return parse_period(choice, text);
	case OPT_ENTRIES:
		return parse_entries(choice, text);
	case OPT_DOMAIN:
		return parse_domain(choice, text);
	case OPT_THRESHOLD:
		if (!ui_number(text, 1, UINT32_MAX, &choice->threshold))
			return ui_usage(&log_verb, "--threshold %s: should be a number from 1 on",
					text);
		return 0;
	case OPT_ROWS:
		choice->has_rows = true;
		if (!ui_number(text, 1, 1u << 24, &choice->rows))
			return ui_usage(&log_verb, "--rows %s: should be from 1 to %u", text,
					1u << 24);
		return 0;
	case OPT_LIMIT:
		if (!ui_number(text, 1, UINT64_MAX - 1, &choice->limit))
			return ui_usage(&log_verb, "--limit %s: should be a number from 1 on",
					text);
		return 0;
	case OPT_FOR:
		if (!ui_seconds(text, &choice->seconds))
			return ui_usage(&log_verb, "--for %s: should be a number of seconds", text);
		return 0;
	case OPT_COUNT:
		choice->count = true;
		return 0;
	case OPT_HUGE:
		choice->huge = true;
		return 0;
	default:
		choice->json = true;
		return 0;
	}
}

/* 0, or the complement of the exit status. */
static int parse(struct log_choice *choice, int argc, char **argv)
{
	int found, wrong;

	while ((found = ui_next(&log_verb, argc, argv)) > 0) {
		wrong = parse_option(choice, found);
		if (wrong)
			return ~wrong;
	}
	if (found < 0)
		return found;
	if (argc - ui_index < 2)
		return ~ui_usage(&log_verb, argc == ui_index ? "no target" : "no event");
	if (choice->count && choice->limit != UINT64_MAX)
		return ~ui_usage(&log_verb, "--limit counts rows, and --count prints none");
	if (choice->count && (choice->has_rows || choice->has_entries))
		return ~ui_usage(&log_verb, "%s is about rows, and --count has none",
				 choice->has_rows ? "--rows" : "--entries");
	choice->target = argv[ui_index];
	choice->component = &log_process;
	if (strcmp(choice->target, "kernel") == 0 || strcmp(choice->target, "hypervisor") == 0)
		choice->component = &log_kernel;
	if (choice->of_kernel && choice->component != &log_kernel)
		return ~ui_usage(&log_verb, "%s is about the kernel, and %s is a process",
				 choice->of_kernel, choice->target);
	if (choice->huge && choice->component == &log_kernel)
		return ~ui_usage(&log_verb, "--huge is about processes: the kernel has no area on "
					    "huge pages");
	choice->patterns = argv + ui_index + 1;
	choice->nr_patterns = argc - ui_index - 1;
	return 0;
}

/* --- losses --------------------------------------------------------------------------------- */

static const char *const lost_names[LOG_NR_LOST] = {
	[TACHO_LOST_BUSY] = "busy",	[TACHO_LOST_CPU] = "cpu",
	[TACHO_LOST_RSEQ] = "rseq",	[TACHO_LOST_LAYOUT] = "layout",
	[TACHO_LOST_NESTED] = "nested", [LOG_OVERWRITTEN] = "overwritten",
};

/* How many by reason; true if any of it is new. */
static bool lost_take(struct log *log)
{
	uint64_t now[LOG_NR_LOST] = { 0 }, rows;
	uint32_t cpu, i;
	bool new;

	if (log->merge)
		tacho_merge_lost(log->merge, &rows, &now[LOG_OVERWRITTEN]);
	for (cpu = 0; cpu < log->view.header.nr_cpus; cpu++)
		for (i = 0; i < TACHO_NR_LOST; i++)
			now[i] += tacho_view_lost(&log->view, cpu, i);
	new = memcmp(now, log->lost, sizeof(now)) != 0;
	memcpy(log->lost, now, sizeof(now));
	return new;
}

static const char *lost_format(const struct log *log, char *text, size_t size)
{
	size_t len = 0;
	int i;

	for (i = LOG_NR_LOST - 1; i >= 0 && len < size; i--)
		if (log->lost[i])
			len += (size_t)snprintf(text + len, size - len, "%s%llu %s",
						len ? ", " : "", (unsigned long long)log->lost[i],
						lost_names[i]);
	if (len == 0)
		snprintf(text, size, "nothing");
	return text;
}

static json_t *lost_json(const struct log *log)
{
	json_t *object = json_object();
	int i;

	for (i = 0; i < LOG_NR_LOST; i++)
		if (log->lost[i])
			json_object_set_new(object, lost_names[i],
					    json_integer((json_int_t)log->lost[i]));
	return object;
}

static void lost_tell(struct log *log)
{
	char text[200];

	if (!lost_take(log))
		return;
	if (log->choice->json) {
		ui_json_line(json_pack("{s:o}", "lost", lost_json(log)));
		return;
	}
	fflush(stdout);
	fprintf(stderr, "lost so far: %s\n", lost_format(log, text, sizeof(text)));
}

/* --- rows ----------------------------------------------------------------------------------- */

/* The counter as a person wants it: a span over time is in ns. */
static uint64_t counter_of(const struct log *log, uint32_t id, uint64_t counter)
{
	if (log->events[id].flags & TACHO_EVENT_TICKS)
		return tacho_view_ticks_ns(&log->view, counter);
	return counter;
}

static const char *unit_of(const struct log *log, uint32_t id)
{
	const struct tacho_event_entry *event = &log->events[id];

	if (log_is_pair(event))
		return "events";
	return event->flags & TACHO_EVENT_TICKS ? "ns" : event->counter;
}

/* Whatever the area says, what we look up exists. */
static const char *domain_of(struct log *log, uint32_t domain, char text[TEXT_SIZE])
{
	if (domain >= log->nr_domains)
		return "-";
	log->choice->component->meet(log, domain);
	if (log->domain[domain][0])
		return log->domain[domain];
	snprintf(text, TEXT_SIZE, "#%u", domain);
	return text;
}

/* Another domain, or a number that the event gives a meaning to. NULL: there is none. */
static const char *correspondent_of(struct log *log, const struct tacho_row *row,
				    char text[TEXT_SIZE])
{
	const struct tacho_event_entry *event = &log->events[row->event];

	if (row->correspondent == TACHO_NONE)
		return NULL;
	/* task.new speaks of a domain, too, but is an event whoever it is */
	if (!(event->flags & TACHO_EVENT_DATA) || strncmp(event->correspondent, "domain", 6) == 0)
		return domain_of(log, row->correspondent, text);
	if (log->choice->component->number)
		return log->choice->component->number(row->event, row->correspondent, text,
						      TEXT_SIZE);
	snprintf(text, TEXT_SIZE, "%u", row->correspondent);
	return text;
}

static int64_t time_of(const struct log *log, uint64_t time)
{
	int64_t ns = (int64_t)tacho_view_ns(&log->view, time) - log->start_ns;

	return ns < 0 ? 0 : ns;
}

/* The width of a column that others follow: the last one is not filled up. */
static int width_of(const struct log *log, uint32_t followers, int width)
{
	return log->choice->layout & followers ? width : 0;
}

#define AFTER_CORRESPONDENT TACHO_ENTRY_COUNTER
#define AFTER_DOMAIN	    (AFTER_CORRESPONDENT | TACHO_ENTRY_CORRESPONDENT)
#define AFTER_EVENT	    (AFTER_DOMAIN | TACHO_ENTRY_DOMAIN)

static int correspondent_width(const struct log *log)
{
	return width_of(log, AFTER_CORRESPONDENT, log->domain_width > 13 ? log->domain_width : 13);
}

static void header_print(const struct log *log)
{
	uint32_t layout = log->choice->layout;

	printf("%s", ui_color(UI_DIM));
	if (TACHO_HAS_TIME(layout))
		printf("%14s  ",
		       (layout & TACHO_CLOCK_MASK) == TACHO_CLOCK_VIRTUAL ? "NUMBER" : "SECONDS");
	printf("CPU  %-*s", width_of(log, AFTER_EVENT, log->event_width), "EVENT");
	if (layout & TACHO_ENTRY_DOMAIN)
		printf("  %-*s", width_of(log, AFTER_DOMAIN, log->domain_width), "DOMAIN");
	if (layout & TACHO_ENTRY_CORRESPONDENT)
		printf("  %-*s", correspondent_width(log), "CORRESPONDENT");
	if (layout & TACHO_ENTRY_COUNTER)
		printf("  %12s", "COUNTER");
	printf("%s\n", ui_color(UI_PLAIN));
}

/* Two numbers in a counter; one that is all ones is not known. */
static void pair_print(uint32_t first, uint32_t second)
{
	char text[2][12] = { "?", "?" };

	if (first != UINT32_MAX)
		snprintf(text[0], sizeof(text[0]), "%u", first);
	if (second != UINT32_MAX)
		snprintf(text[1], sizeof(text[1]), "%u", second);
	printf("  %5s %6s", text[0], text[1]);
}

static void row_print(struct log *log, const struct tacho_row *row)
{
	const struct tacho_event_entry *event = &log->events[row->event];
	char text[TEXT_SIZE], whom_text[TEXT_SIZE];
	const char *whom = correspondent_of(log, row, whom_text);
	uint32_t layout = log->choice->layout;
	int64_t ns;

	if ((layout & TACHO_CLOCK_MASK) == TACHO_CLOCK_VIRTUAL) {
		printf("%14llu  ", (unsigned long long)row->time);
	} else if (TACHO_HAS_TIME(layout)) {
		ns = time_of(log, row->time);
		printf("%4lld.%09lld  ", (long long)(ns / SECOND_NS), (long long)(ns % SECOND_NS));
	}
	printf("%3u  %-*s", row->cpu, width_of(log, AFTER_EVENT, log->event_width), event->name);
	if (layout & TACHO_ENTRY_DOMAIN)
		printf("  %-*s", width_of(log, AFTER_DOMAIN, log->domain_width),
		       domain_of(log, row->domain, text));
	if (layout & TACHO_ENTRY_CORRESPONDENT)
		printf("  %-*s", correspondent_width(log), whom ? whom : "-");
	if ((layout & TACHO_ENTRY_COUNTER) && log_is_pair(event))
		pair_print((uint32_t)(row->counter >> 32), (uint32_t)row->counter);
	else if (layout & TACHO_ENTRY_COUNTER)
		printf("  %12llu%s", (unsigned long long)counter_of(log, row->event, row->counter),
		       event->flags & TACHO_EVENT_TICKS ? " ns" : "");
	printf("\n");
}

static void row_json(struct log *log, const struct tacho_row *row)
{
	char text[TEXT_SIZE], whom_text[TEXT_SIZE];
	const char *whom = correspondent_of(log, row, whom_text);
	uint32_t layout = log->choice->layout;
	json_t *object = json_pack("{s:s, s:i}", "event", log->events[row->event].name, "cpu",
				   (int)row->cpu);

	if ((layout & TACHO_CLOCK_MASK) == TACHO_CLOCK_VIRTUAL)
		json_object_set_new(object, "virtual", json_integer((json_int_t)row->time));
	else if (TACHO_HAS_TIME(layout))
		json_object_set_new(object, "time_ns", json_integer(time_of(log, row->time)));
	if (layout & TACHO_ENTRY_DOMAIN)
		json_object_set_new(object, "domain",
				    json_string(domain_of(log, row->domain, text)));
	if (layout & TACHO_ENTRY_CORRESPONDENT)
		json_object_set_new(object, "correspondent",
				    whom ? json_string(whom) : json_null());
	if (layout & TACHO_ENTRY_COUNTER)
		json_object_set_new(
			object, "counter",
			json_integer((json_int_t)counter_of(log, row->event, row->counter)));
	ui_json_line(object);
}

/* Print what there is, but look at the clock now and then. Returns how many, or -errno. */
static long rows_take(struct log *log)
{
	static struct tacho_row rows[BATCH];
	long nr, i, all = 0;
	uint64_t left;
	int batch;

	for (batch = 0; batch < BATCHES; batch++) {
		left = log->choice->limit - log->rows;
		nr = tacho_merge_read(log->merge, rows, left < BATCH ? left : BATCH);
		if (nr <= 0)
			return nr < 0 ? nr : all;
		for (i = 0; i < nr; i++) {
			if (rows[i].event >= log->nr_events)
				continue; /* not by the rules of the format; tacho check would say so */
			if (log->choice->json)
				row_json(log, &rows[i]);
			else
				row_print(log, &rows[i]);
		}
		log->rows += (uint64_t)nr;
		all += nr;
	}
	return all;
}

/* --- totals --------------------------------------------------------------------------------- */

static uint64_t total_of(const struct log *log, size_t i, uint32_t domain)
{
	struct tacho_cursor cursor;
	uint64_t total = 0, sum;
	uint32_t cpu;

	for (cpu = 0; cpu < log->view.header.nr_cpus; cpu++)
		if (log_is_pair(&log->events[log->ids[i]]))
			total += tacho_cursor_init(&cursor, &log->view, cpu,
						   log->first_log[i] + domain, 0)
					 ? 0
					 : cursor.pos;
		else if (tacho_view_sum(&log->view, cpu, log->first_log[i] + domain, &sum) == 0)
			total += sum;
	return total;
}

/* At most lines lines of totals that are not zero. Returns how many. */
static int totals_print(struct log *log, int lines)
{
	char text[TEXT_SIZE];
	uint32_t domain;
	uint64_t total;
	int nr = 1;
	size_t i;

	printf("%s%-*s  %-*s  %20s  %s%s\n", ui_color(UI_DIM), log->event_width, "EVENT",
	       log->domain_width, "DOMAIN", "TOTAL", "COUNTER", ui_color(UI_PLAIN));
	for (i = 0; i < log->nr_ids; i++) {
		for (domain = 0; domain < log->nr_domains; domain++) {
			total = total_of(log, i, domain);
			if (total == 0)
				continue;
			if (nr++ < lines)
				printf("%-*s  %-*s  %20llu  %s\n", log->event_width,
				       log->events[log->ids[i]].name, log->domain_width,
				       domain_of(log, domain, text),
				       (unsigned long long)counter_of(log, log->ids[i], total),
				       unit_of(log, log->ids[i]));
		}
	}
	return nr < lines ? nr : lines;
}

static json_t *totals_json(struct log *log)
{
	json_t *totals = json_array();
	char text[TEXT_SIZE];
	uint32_t domain;
	uint64_t total;
	size_t i;

	for (i = 0; i < log->nr_ids; i++) {
		for (domain = 0; domain < log->nr_domains; domain++) {
			total = total_of(log, i, domain);
			if (total == 0)
				continue;
			total = counter_of(log, log->ids[i], total);
			json_array_append_new(totals,
					      json_pack("{s:s, s:s, s:I, s:s}", "event",
							log->events[log->ids[i]].name, "domain",
							domain_of(log, domain, text), "total",
							(json_int_t)total, "counter",
							unit_of(log, log->ids[i])));
		}
	}
	return totals;
}

/* Draw the table over the one before; it must fit, or the terminal would scroll it away. */
static void totals_redraw(struct log *log)
{
	struct winsize size;
	int lines = 20;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 4)
		lines = size.ws_row - 2;
	if (log->table_lines)
		printf("\033[%dA\033[J", log->table_lines);
	/* a line that is too long is cut, so that the next table finds the first one again */
	printf("\033[?7l");
	log->table_lines = totals_print(log, lines);
	printf("\033[?7h");
}

/* --- the verb ------------------------------------------------------------------------------- */

static void every_second(struct log *log)
{
	lost_tell(log);
	if (log->choice->count && !log->choice->json && ui_terminal())
		totals_redraw(log);
}

/* Look after the component. False: it cannot go on, which has been said. */
static bool tend(struct log *log, long nr)
{
	const char *why = NULL;

	if (!log->choice->component->tend ||
	    log->choice->component->tend(log, nr < BATCH * BATCHES, &why) == 0)
		return true;
	ui_fail(&log_verb, "%s", why);
	return false;
}

/* Until something ends it. Returns what that was. */
static const char *follow(struct log *log)
{
	int64_t now, second = log->on_ns + SECOND_NS, end = INT64_MAX;
	struct pollfd pollfd = { .fd = log->fd, .events = POLLRDHUP };
	const char *why = NULL;
	long nr = 0;
	bool alive;

	if (log->choice->seconds > 0)
		end = log->on_ns + (int64_t)(log->choice->seconds * 1e9);
	while (!why) {
		tacho_memory_tick(log->memory);
		/* asked before the rows are read: no row is missed */
		alive = log->choice->component->is_alive(log);
		nr = log->merge ? rows_take(log) : 0;
		if (nr < 0)
			ui_fail(&log_verb, "the area cannot be read: %s", strerror((int)-nr));
		now = ui_now_ns();
		if (nr < 0 || !tend(log, nr))
			why = "error";
		else if (log->rows >= log->choice->limit)
			why = "limit";
		else if (ui_stop)
			why = "signal";
		else if (now >= end)
			why = "time";
		else if (!alive && nr == 0)
			why = "component";
		else if (fflush(stdout) != 0)
			why = "output";
		if (!why && now >= second) {
			every_second(log);
			second = now + SECOND_NS;
		}
		if (!why && nr == 0 && alive)
			poll(&pollfd, 1, PERIOD_MS);
	}
	return why;
}

static void summary(struct log *log, const char *why, double seconds)
{
	const char *plural = log->nr_ids == 1 ? "" : "s";
	char text[200];

	lost_take(log);
	if (log->choice->json) {
		json_t *object = json_pack("{s:s, s:f, s:o}", "ended", why, "seconds", seconds,
					   "lost", lost_json(log));

		if (log->choice->count)
			json_object_set_new(object, "totals", totals_json(log));
		else
			json_object_set_new(object, "rows", json_integer((json_int_t)log->rows));
		ui_json_line(object);
		return;
	}
	if (log->choice->count) {
		if (log->table_lines)
			printf("\033[%dA\033[J", log->table_lines);
		totals_print(log, INT32_MAX);
	}
	fflush(stdout);
	if (strcmp(why, "component") == 0)
		fprintf(stderr, "%s has ended; what it had logged is above\n", log->who);
	if (log->choice->count)
		fprintf(stderr, "%zu event%s for %.1f s; lost: %s\n", log->nr_ids, plural, seconds,
			lost_format(log, text, sizeof(text)));
	else
		fprintf(stderr, "%llu row%s of %zu event%s in %.1f s; lost: %s\n",
			(unsigned long long)log->rows, log->rows == 1 ? "" : "s", log->nr_ids,
			plural, seconds, lost_format(log, text, sizeof(text)));
}

static int run(struct log *log)
{
	double seconds;
	const char *why;
	long nr;

	if (!log->choice->json && !log->choice->count)
		header_print(log);
	log->on_ns = ui_now_ns(); /* it may have taken a while */
	why = follow(log);
	seconds = (double)(ui_now_ns() - log->on_ns) / 1e9;
	/* off first, then the rest: after it nothing can come any more */
	log->choice->component->disable(log);
	if (log->merge && strcmp(why, "limit") != 0)
		do
			nr = rows_take(log);
		while (nr > 0 && !ferror(stdout));
	if (!ferror(stdout))
		summary(log, why, seconds);
	if (strcmp(why, "error") == 0)
		return UI_FAILED;
	return ui_finish(&log_verb, UI_DONE);
}

int log_main(int argc, char **argv)
{
	struct log_choice choice = {
		.layout = ALL_ENTRIES,
		.threshold = 1,
		.rows = ROWS,
		.limit = UINT64_MAX,
	};
	struct log log = { .choice = &choice };
	int status;

	choice.domains = calloc((size_t)argc + 1, sizeof(*choice.domains));
	if (!choice.domains)
		return ui_fail(&log_verb, "no memory");
	status = ~parse(&choice, argc, argv);
	if (status == ~0) {
		ui_catch_signals();
		status = log_open(&log);
		if (status == UI_DONE)
			status = run(&log);
		log_close(&log);
	}
	free(choice.domains);
	return status;
}
