/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.c: tacho log: the events of one component, live, as rows or as totals.
 *
 * Owns the options, the loop, and what is printed; log_setup.c makes the session whose logs are
 * read here. It must not lose anything silently: overwritten rows and what the writers lost are
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
#define ALL_ENTRIES (TACHO_ENTRIES_ALL | TACHO_CLOCK_TIME)

enum {
	OPT_COUNT = 256,
	OPT_DOMAIN,
	OPT_ENTRIES,
	OPT_FOR,
	OPT_HUGE,
	OPT_JSON,
	OPT_LIMIT,
	OPT_ROWS,
	OPT_THRESHOLD
};

static const struct ui_option options[] = {
	{ "entries", OPT_ENTRIES, "LIST",
	  "what a row has: event,domain,correspondent,counter, and\n"
	  "time, virtual, tick or none [all, time]" },
	{ "domain", OPT_DOMAIN, "NAME=LIST",
	  "a domain of the principals in LIST, by number or\n"
	  "pattern; may be given several times" },
	{ "threshold", OPT_THRESHOLD, "N", "only each N-th event of a domain and CPU" },
	{ "count", OPT_COUNT, NULL, "totals of the counters per event and domain, no rows" },
	{ "rows", OPT_ROWS, "N", "length of a log, per event and CPU [16384]" },
	{ "huge", OPT_HUGE, NULL, "the area on huge pages" },
	{ "limit", OPT_LIMIT, "N", "end after N rows" },
	{ "for", OPT_FOR, "SECONDS", "end after this time" },
	{ "json", OPT_JSON, NULL, "one JSON object per line" },
	{ 0 },
};
const struct ui_verb log_verb = {
	"log",
	"TARGET EVENT... [OPTION]...",
	"Shows events of a component while they happen. TARGET is a pid or the name of a\n"
	"program, EVENT a name or a pattern such as 'queue.*'. Ctrl-C ends it.",
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
		return ui_usage(&log_verb, "--domain %s: should be NAME=PRINCIPAL,...", spec);
	if ((size_t)(equals - spec) >= LOG_NAME_SIZE)
		return ui_usage(&log_verb, "--domain %s: the name has more than %zu bytes", spec,
				LOG_NAME_SIZE - 1);
	choice->domains[choice->nr_domains++] = spec;
	return 0;
}

static int parse_option(struct log_choice *choice, int found)
{
	const char *text = ui_argument;

	switch (found) {
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
	choice->patterns = argv + ui_index + 1;
	choice->nr_patterns = argc - ui_index - 1;
	return 0;
}

/* --- losses --------------------------------------------------------------------------------- */

static const char *const lost_names[LOG_NR_LOST] = {
	[TACHO_LOST_BUSY] = "busy",	   [TACHO_LOST_CPU] = "cpu",
	[TACHO_LOST_RSEQ] = "rseq",	   [TACHO_LOST_LAYOUT] = "layout",
	[LOG_OVERWRITTEN] = "overwritten",
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
	if (log->target->events[id].flags & TACHO_EVENT_TICKS)
		return tacho_view_ticks_ns(&log->view, counter);
	return counter;
}

static const char *unit_of(const struct log *log, uint32_t id)
{
	const struct tacho_event_entry *event = &log->target->events[id];

	return event->flags & TACHO_EVENT_TICKS ? "ns" : event->counter;
}

/* Whatever the area says, what we look up exists. */
static const char *domain_of(struct log *log, uint32_t domain)
{
	if (domain >= log->nr_domains)
		return "-";
	if (log_domain_is_unnamed(log, domain))
		log->unnamed = true;
	return log->domain[domain];
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

static void row_print(struct log *log, const struct tacho_row *row)
{
	const struct tacho_event_entry *event = &log->target->events[row->event];
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
		       domain_of(log, row->domain));
	if (layout & TACHO_ENTRY_CORRESPONDENT)
		printf("  %-*s", correspondent_width(log), domain_of(log, row->correspondent));
	if (layout & TACHO_ENTRY_COUNTER)
		printf("  %12llu%s", (unsigned long long)counter_of(log, row->event, row->counter),
		       event->flags & TACHO_EVENT_TICKS ? " ns" : "");
	printf("\n");
}

static void row_json(struct log *log, const struct tacho_row *row)
{
	uint32_t layout = log->choice->layout;
	json_t *object = json_pack("{s:s, s:i}", "event", log->target->events[row->event].name,
				   "cpu", (int)row->cpu);

	if ((layout & TACHO_CLOCK_MASK) == TACHO_CLOCK_VIRTUAL)
		json_object_set_new(object, "virtual", json_integer((json_int_t)row->time));
	else if (TACHO_HAS_TIME(layout))
		json_object_set_new(object, "time_ns", json_integer(time_of(log, row->time)));
	if (layout & TACHO_ENTRY_DOMAIN)
		json_object_set_new(object, "domain", json_string(domain_of(log, row->domain)));
	if (layout & TACHO_ENTRY_CORRESPONDENT)
		json_object_set_new(object, "correspondent",
				    row->correspondent == TACHO_NONE
					    ? json_null()
					    : json_string(domain_of(log, row->correspondent)));
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
			if (rows[i].event >= log->target->nr_events)
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
	uint64_t total = 0, sum;
	uint32_t cpu;

	for (cpu = 0; cpu < log->view.header.nr_cpus; cpu++)
		if (tacho_view_sum(&log->view, cpu, log->first_log[i] + domain, &sum) == 0)
			total += sum;
	return total;
}

/* At most lines lines of totals that are not zero. Returns how many. */
static int totals_print(struct log *log, int lines)
{
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
				       log->target->events[log->ids[i]].name, log->domain_width,
				       domain_of(log, domain),
				       (unsigned long long)counter_of(log, log->ids[i], total),
				       unit_of(log, log->ids[i]));
		}
	}
	return nr < lines ? nr : lines;
}

static json_t *totals_json(struct log *log)
{
	json_t *totals = json_array();
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
							log->target->events[log->ids[i]].name,
							"domain", domain_of(log, domain), "total",
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
	if (log->unnamed)
		log_domains_refresh(log);
}

/* Until something ends it. Returns what that was. */
static const char *follow(struct log *log)
{
	int64_t now, second = log->start_ns + SECOND_NS, end = INT64_MAX;
	struct pollfd pollfd = { .fd = log->target->sock, .events = POLLRDHUP };
	const char *why = NULL;
	long nr = 0;
	bool alive;

	if (log->choice->seconds > 0)
		end = log->start_ns + (int64_t)(log->choice->seconds * 1e9);
	while (!why) {
		tacho_memory_tick(&log->memory);
		alive = tacho_target_alive(
			log->target); /* asked before the rows are read: no row is missed */
		nr = log->merge ? rows_take(log) : 0;
		now = ui_now_ns();
		if (nr < 0)
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
	const struct tacho_target *target = log->target;
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
		fprintf(stderr, "%s (%d) has ended; what it had logged is above\n", target->name,
			target->pid);
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
	why = follow(log);
	seconds = (double)(ui_now_ns() - log->start_ns) / 1e9;
	/* off first, then the rest: after it nothing can come any more */
	if (tacho_target_alive(log->target))
		tacho_target_disable(log->target, log->ids, log->nr_ids);
	if (log->merge && strcmp(why, "limit") != 0)
		do
			nr = rows_take(log);
		while (nr > 0 && !ferror(stdout));
	if (log->unnamed && log->choice->count && strcmp(why, "component") != 0)
		log_domains_refresh(log);
	if (!ferror(stdout))
		summary(log, why, seconds);
	if (strcmp(why, "error") == 0)
		return ui_fail(&log_verb, "the area cannot be read");
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
	int status, pid;

	choice.domains = calloc((size_t)argc + 1, sizeof(*choice.domains));
	if (!choice.domains)
		return ui_fail(&log_verb, "no memory");
	status = ~parse(&choice, argc, argv);
	if (status == ~0) {
		ui_catch_signals();
		pid = ui_target_pid(&log_verb, choice.target);
		status = pid ? log_open(&log, pid) : UI_FAILED;
		if (status == UI_DONE)
			status = run(&log);
		log_close(&log);
	}
	free(choice.domains);
	return status;
}
