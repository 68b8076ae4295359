/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_data.c: the session of tacho top: logs of the kernel, read into facts, made into snapshots.
 *
 * Owns the choice of events, their logs and routes, the cursors, and the moments at which an interval
 * ends; what a row means is known to facts/, which domain is who to kernel/. Must not print or draw.
 * Called by top.c. Sections 4.3 and 4.5 of paper 001.
 *
 * Every event has a log of its own, with no more entries than are needed: 4 to 16 bytes per row, and
 * no time but in cpu.service, where an interval must know when a slice ended. The lengths in the
 * table are for 100000 events per second, event and CPU, and 150 ms without a look at them. Memory
 * for rows is spent on every possible CPU, so where there are few of them logs are longer.
 */
#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "facts/facts.h"
#include "top_snapshot.h"

#define PERIOD_MS 50
#define HURRY_MS  10 /* when a log was found a quarter full */
#define BATCH	  1024u
#define LONGER	  4u /* times the length in the table, at most */
#define MEMORY	  (64u << 20) /* bytes of rows, on all CPUs, that the longer ones may take */
#define NICE	  -10
#define SEEDS	  16u /* processes that are looked at before the logs are again */

#define COUNTED (TACHO_ENTRY_DOMAIN | TACHO_ENTRY_COUNTER)
#define BY_CORR (TACHO_ENTRY_DOMAIN | TACHO_ENTRY_CORRESPONDENT)

enum when { ALWAYS, WITH_VMS, ASKED };

static const struct plan {
	uint32_t event;
	uint32_t layout; /* a row without a counter counts 1 */
	uint32_t rows; /* per CPU */
	enum when when;
} plans[] = {
	{ TACHO_K_CPU_SERVICE, TACHO_CLOCK_TIME | COUNTED | BY_CORR, 16384, ALWAYS },
	{ TACHO_K_CPU_WAIT, COUNTED, 16384, ALWAYS },
	{ TACHO_K_CPU_RUNQ, TACHO_ENTRY_COUNTER, 4096, ALWAYS },
	{ TACHO_K_CPU_MIGRATE, TACHO_ENTRY_DOMAIN, 4096, ALWAYS },
	{ TACHO_K_IPC_WAKE, BY_CORR, 16384, ALWAYS },
	{ TACHO_K_IPC_SOCKET, COUNTED | BY_CORR, 16384, ALWAYS },
	{ TACHO_K_MEM_FAULT, TACHO_ENTRY_DOMAIN, 32768, ALWAYS },
	{ TACHO_K_MEM_RSS, COUNTED | BY_CORR, 16384, ALWAYS },
	{ TACHO_K_IO_BLOCK, COUNTED | BY_CORR, 2048, ALWAYS },
	{ TACHO_K_IO_BLOCK_BYTES, COUNTED | BY_CORR, 2048, ALWAYS },
	{ TACHO_K_NET_RX, COUNTED, 8192, ALWAYS },
	{ TACHO_K_NET_TX, COUNTED, 8192, ALWAYS },
	{ TACHO_K_VM_RUN, COUNTED, 8192, WITH_VMS },
	{ TACHO_K_VM_EXIT, BY_CORR, 16384, WITH_VMS },
	{ TACHO_K_VM_IRQ, BY_CORR, 8192, WITH_VMS },
	{ TACHO_K_VM_HALT, COUNTED, 4096, WITH_VMS },
	{ TACHO_K_VM_USERSPACE, BY_CORR, 8192, WITH_VMS },
	{ TACHO_K_IPC_PIPE, COUNTED | BY_CORR, 16384, ASKED },
	{ TACHO_K_IPC_FUTEX, BY_CORR, 16384, ASKED },
	{ TACHO_K_IRQ, COUNTED, 8192, ASKED },
	{ TACHO_K_SOFTIRQ, COUNTED, 8192, ASKED },
	{ TACHO_K_LOCK, COUNTED, 8192, ASKED },
	{ TACHO_K_SYSCALL, COUNTED, 32768, ASKED },
};
#define NR_PLANS (sizeof(plans) / sizeof(plans[0]))

/* The log of one event. */
struct stream {
	const struct plan *plan;
	bool is_time; /* the counter is in units of the clock source */
	struct tacho_cursor *cursor; /* by CPU */
};

struct top_data {
	const struct top_choice *choice;
	struct tacho_kernel *kernel;
	struct tacho_view view;
	struct tacho_facts *facts;
	struct stream streams[NR_PLANS];
	size_t nr_streams;
	bool *online; /* by CPU, when the interval began */
	struct top_maker *maker; /* what is kept from snapshot to snapshot */
	int *seeded; /* by domain: the pid whose memory was looked at */
	bool *gone; /* by domain: it had ended when the interval did */
	uint32_t times; /* logs are that much longer than planned */
	bool vms; /* their events are on */
	uint64_t rows; /* read so far */
	uint64_t rows_then, lost_then; /* when the interval began */
	double cpu_then;
	char error[200];
};

const char *top_data_error(const struct top_data *data)
{
	return data->error;
}

static int fail(struct top_data *data, int error, const char *what)
{
	const char *why = data->kernel ? tacho_kernel_error(data->kernel) : "";

	snprintf(data->error, sizeof(data->error), "%s: %s", what, why[0] ? why : strerror(-error));
	return error;
}

/* --- setting up ----------------------------------------------------------------------------- */

static const char *const event_names[] = {
#define NAME(symbol, name, kind, counter, correspondent, flags, doc) name,
	TACHO_KERNEL_EVENTS(NAME)
#undef NAME
};

static bool is_asked(const struct top_choice *choice, uint32_t event)
{
	size_t i;

	for (i = 0; i < choice->nr_events; i++)
		if (fnmatch(choice->events[i], event_names[event], 0) == 0)
			return true;
	return false;
}

bool top_events_match(const char *pattern)
{
	const struct top_choice choice = { .events = &pattern, .nr_events = 1 };
	size_t i;

	for (i = 0; i < NR_PLANS; i++)
		if (is_asked(&choice, plans[i].event))
			return true;
	return false;
}

/* Whether it gets a log; that costs memory, and nothing else while the event is off. */
static bool is_wanted(const struct top_data *data, const struct plan *plan)
{
	return tacho_kernel_events(data->kernel)[plan->event].kind &&
	       (plan->when != ASKED || is_asked(data->choice, plan->event));
}

/* Bytes of rows per CPU; *times is how much longer than in the table the logs are. */
static uint32_t rows_size(const struct top_choice *choice, uint32_t *times)
{
	const long cpus = sysconf(_SC_NPROCESSORS_CONF);
	uint32_t size = 0;
	size_t i;

	for (i = 0; i < NR_PLANS; i++)
		if (plans[i].when != ASKED || is_asked(choice, plans[i].event))
			size += plans[i].rows * TACHO_ROW_SIZE(plans[i].layout);
	*times = LONGER;
	while (*times > 1 && (uint64_t)size * *times * (uint64_t)(cpus > 0 ? cpus : 1) > MEMORY)
		*times /= 2;
	return size * *times + TACHO_PAGE;
}

static int stream_open(struct top_data *data, const struct plan *plan)
{
	const uint32_t flags = tacho_kernel_events(data->kernel)[plan->event].flags;
	struct tacho_memory *memory = tacho_kernel_memory(data->kernel);
	struct stream *stream = &data->streams[data->nr_streams];
	uint32_t cpu;
	int log, error;

	log = tacho_memory_log_add(memory, plan->rows * data->times, plan->layout, plan->event,
				   TACHO_NONE);
	if (log < 0)
		return log;
	error = tacho_memory_route(memory, plan->event, TACHO_NONE, (uint32_t)log, 1);
	if (error)
		return error;
	*stream = (struct stream){ plan, flags & TACHO_EVENT_TICKS, NULL };
	stream->cursor = calloc(data->view.header.nr_cpus, sizeof(*stream->cursor));
	if (!stream->cursor)
		return -ENOMEM;
	data->nr_streams++;
	for (cpu = 0; cpu < data->view.header.nr_cpus && !error; cpu++)
		error = tacho_cursor_init(&stream->cursor[cpu], &data->view, cpu, (uint32_t)log, 1);
	return error;
}

/* Those that the kernel refuses stay off, one by one; without cpu.service there is nothing to see. */
static int events_enable(struct top_data *data, const uint32_t *ids, size_t nr)
{
	bool *has = top_maker_snapshot(data->maker)->has;
	size_t i;
	int error;

	if (nr == 0)
		return 0;
	error = tacho_kernel_enable(data->kernel, ids, nr);
	for (i = 0; i < nr; i++) {
		if (error)
			has[ids[i]] = tacho_kernel_enable(data->kernel, &ids[i], 1) == 0;
		else
			has[ids[i]] = true;
		if (error && ids[i] == TACHO_K_CPU_SERVICE && !has[ids[i]])
			return error;
	}
	return 0;
}

static size_t events_choose(const struct top_data *data, bool vms, uint32_t *ids)
{
	const struct plan *plan;
	size_t i, nr = 0;

	for (i = 0; i < data->nr_streams; i++) {
		plan = data->streams[i].plan;
		if ((plan->when == WITH_VMS) == vms || is_asked(data->choice, plan->event))
			ids[nr++] = plan->event;
	}
	return nr;
}

int top_data_vms(struct top_data *data)
{
	uint32_t ids[NR_PLANS];
	int error;

	if (data->vms)
		return 0;
	data->vms = true;
	error = events_enable(data, ids, events_choose(data, true, ids));
	return error ? fail(data, error, "events of virtual machines") : 0;
}

size_t top_data_missing(const struct top_data *data, char *text, size_t size)
{
	const bool *has = top_maker_snapshot(data->maker)->has;
	size_t i, nr = 0, len = 0;

	text[0] = '\0';
	for (i = 0; i < NR_PLANS; i++) {
		if (has[plans[i].event] ||
		    (plans[i].when != ALWAYS && !is_asked(data->choice, plans[i].event) &&
		     !(plans[i].when == WITH_VMS && data->choice->vms)))
			continue;
		if (len < size)
			len += (size_t)snprintf(text + len, size - len, "%s%s", nr ? ", " : "",
						event_names[plans[i].event]);
		nr++;
	}
	return nr;
}

/* CPUs that are there: "0-3,8". */
static void online_read(struct top_data *data)
{
	const uint32_t nr = data->view.header.nr_cpus;
	unsigned int first, last, cpu;
	FILE *file = fopen("/sys/devices/system/cpu/online", "re");

	for (cpu = 0; cpu < nr; cpu++)
		data->online[cpu] = !file;
	while (file && fscanf(file, "%u", &first) == 1) {
		last = first;
		if (fscanf(file, "-%u", &last) < 0)
			last = first;
		for (cpu = first; cpu <= last && cpu < nr; cpu++)
			data->online[cpu] = true;
		if (fgetc(file) != ',')
			break;
	}
	if (file)
		fclose(file);
}

static int logs_open(struct top_data *data, char *why, size_t why_size)
{
	const struct tacho_memory *memory = tacho_kernel_memory(data->kernel);
	struct tacho_facts_options facts = { 0 };
	int error;
	size_t i;

	error = tacho_view_open(&data->view, memory->base, memory->size, why, why_size);
	if (error)
		return error;
	facts.nr_cpus = data->view.header.nr_cpus;
	facts.nr_domains = data->view.header.nr_domains;
	data->online = calloc(facts.nr_cpus, sizeof(*data->online));
	data->seeded = calloc(facts.nr_domains, sizeof(*data->seeded));
	data->gone = calloc(facts.nr_domains, sizeof(*data->gone));
	error = tacho_facts_create(&data->facts, &facts);
	if (!error)
		error = top_maker_create(&data->maker, facts.nr_domains, facts.nr_cpus);
	if (!error && (!data->online || !data->seeded || !data->gone))
		error = -ENOMEM;
	for (i = 0; i < NR_PLANS && !error; i++)
		if (is_wanted(data, &plans[i]))
			error = stream_open(data, &plans[i]);
	if (error)
		snprintf(why, why_size, "making the logs: %s", strerror(-error));
	return error;
}

static int events_start(struct top_data *data)
{
	uint32_t ids[NR_PLANS];
	int error;

	error = events_enable(data, ids, events_choose(data, false, ids));
	if (error)
		return fail(data, error, "switching the events on");
	if (!top_maker_snapshot(data->maker)->has[TACHO_K_CPU_SERVICE]) {
		snprintf(data->error, sizeof(data->error),
			 "this kernel does not give cpu.service, without which there is nothing to "
			 "see; tacho doctor says more");
		return -EOPNOTSUPP;
	}
	online_read(data);
	return data->choice->vms ? top_data_vms(data) : 0;
}

/* In the words of the other verbs, which ask before they try. */
static void refusal_explain(char *why, size_t why_size)
{
	struct tacho_kernel_probe *probe = malloc(sizeof(*probe));

	if (!probe)
		return;
	tacho_kernel_probe(probe);
	if (!probe->may_load)
		snprintf(why, why_size, "%s; tacho doctor says more", probe->missing);
	free(probe);
}

int top_data_open(struct top_data **out, const struct top_choice *choice, char *why,
		  size_t why_size)
{
	struct tacho_kernel_options options = {
		.by = choice->by,
		.rules = choice->rules,
		.nr_rules = choice->nr_rules,
	};
	struct top_data *data = calloc(1, sizeof(*data));
	int error;

	*out = NULL;
	snprintf(why, why_size, "no memory");
	if (!data)
		return -ENOMEM;
	data->choice = choice;
	options.rows_size = rows_size(choice, &data->times);
	/* a watcher that has to wait for whom it watches loses what they do; where it may not, so be it */
	(void)setpriority(PRIO_PROCESS, 0, NICE);
	error = tacho_kernel_open(&data->kernel, &options, why, why_size);
	if (error == -EPERM)
		refusal_explain(why, why_size);
	if (!error)
		error = logs_open(data, why, why_size);
	if (!error) {
		error = events_start(data);
		if (error)
			snprintf(why, why_size, "%s", data->error);
	}
	if (!error)
		error = top_data_interval(data, NULL);
	if (error) {
		top_data_close(data);
		return error;
	}
	*out = data;
	return 0;
}

void top_data_close(struct top_data *data)
{
	size_t i;

	if (!data)
		return;
	tacho_kernel_close(data->kernel);
	for (i = 0; i < data->nr_streams; i++)
		free(data->streams[i].cursor);
	tacho_facts_destroy(data->facts);
	top_maker_destroy(data->maker);
	free(data->gone);
	free(data->seeded);
	free(data->online);
	free(data);
}

/* --- reading -------------------------------------------------------------------------------- */

/* What the log leaves out: rows without a counter count 1; times are ns. */
static void rows_complete(const struct top_data *data, const struct stream *stream,
			  struct tacho_row *rows, size_t nr)
{
	const bool counted = stream->plan->layout & TACHO_ENTRY_COUNTER;
	const bool timed = TACHO_HAS_TIME(stream->plan->layout);
	size_t i;

	for (i = 0; i < nr; i++) {
		if (!counted)
			rows[i].counter = 1;
		else if (stream->is_time)
			rows[i].counter = tacho_view_ticks_ns(&data->view, rows[i].counter);
		if (timed)
			rows[i].time = tacho_view_ns(&data->view, rows[i].time);
	}
}

/* Returns how many rows, or -errno. */
static long cursor_read(struct top_data *data, const struct stream *stream, uint32_t cpu)
{
	static struct tacho_row rows[BATCH];
	size_t nr, all = 0;
	int error = 0;

	do {
		nr = tacho_cursor_read(&stream->cursor[cpu], &data->view, rows, BATCH);
		rows_complete(data, stream, rows, nr);
		error = tacho_facts_rows(data->facts, rows, nr);
		all += nr;
	} while (nr == BATCH && all < (size_t)stream->plan->rows * data->times && !error);
	data->rows += all;
	return error ? error : (long)all;
}

/* all: also of CPUs that are not there: one may just have gone. */
static int logs_read(struct top_data *data, bool all)
{
	int ms = PERIOD_MS;
	uint32_t cpu;
	size_t i;
	long nr;

	for (i = 0; i < data->nr_streams; i++) {
		for (cpu = 0; cpu < data->view.header.nr_cpus; cpu++) {
			if (!data->online[cpu] && !all)
				continue;
			nr = cursor_read(data, &data->streams[i], cpu);
			if (nr < 0)
				return fail(data, (int)nr, "counting rows");
			if (nr > data->streams[i].plan->rows / 4)
				ms = HURRY_MS;
		}
	}
	return ms;
}

/* Rows first: what is found to be gone has had its last rows read before its number is used again. */
int top_data_read(struct top_data *data)
{
	int ms = logs_read(data, false), error;

	if (ms < 0)
		return ms;
	error = tacho_kernel_tend(data->kernel, NULL);
	return error ? fail(data, error, "looking after the tasks") : ms;
}

/* --- the end of an interval ----------------------------------------------------------------- */

/* mem.rss tells of changes: what was there before them is looked up, as rows of the same event. */
static void memory_seed(struct top_data *data, uint32_t domain, int pid)
{
	static const char *const kinds[] = { "RssFile:", "RssAnon:", "VmSwap:", "RssShmem:" };
	const unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE);
	struct tacho_row row = { .event = TACHO_K_MEM_RSS, .domain = domain };
	char path[40], line[128];
	unsigned long kilobytes;
	FILE *file;
	size_t i;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
			if (strncmp(line, kinds[i], strlen(kinds[i])) != 0)
				continue;
			kilobytes = strtoul(line + strlen(kinds[i]), NULL, 10);
			row.correspondent = (uint32_t)i;
			row.counter = kilobytes * 1024 / page;
			tacho_facts_rows(data->facts, &row, 1);
		}
	}
	if (file)
		fclose(file);
	data->seeded[domain] = pid;
}

/* Domains of one process each: of others the memory of the process that changed last says nothing. */
static bool is_process(void *arg, uint32_t domain)
{
	const struct top_data *data = arg;
	struct tacho_kernel_domain_info info;
	size_t i, len;

	if (tacho_kernel_domain(data->kernel, domain, &info) || info.pid == 0 ||
	    domain < TACHO_DOMAIN_FIRST || domain == data->view.header.nr_domains - 1 ||
	    data->choice->by == TACHO_BY_CGROUP || data->choice->by == TACHO_BY_USER)
		return false;
	for (i = 0; i < data->choice->nr_rules; i++) {
		len = strcspn(data->choice->rules[i], "=");
		if (strncmp(info.name, data->choice->rules[i], len) == 0 && info.name[len] == '\0')
			return false;
	}
	return true;
}

static int domain_look(void *arg, uint32_t domain, struct tacho_kernel_domain_info *info)
{
	const struct top_data *data = arg;

	return tacho_kernel_domain(data->kernel, domain, info);
}

static void domains_look(struct top_data *data)
{
	const bool *has = top_maker_snapshot(data->maker)->has;
	struct tacho_kernel_domain_info info;
	uint32_t domain, seeds = 0;

	for (domain = 0; domain < data->view.header.nr_domains; domain++) {
		if (tacho_kernel_domain(data->kernel, domain, &info))
			continue;
		if (has[TACHO_K_MEM_RSS] && !info.is_gone && info.pid != data->seeded[domain] &&
		    is_process(data, domain)) {
			memory_seed(data, domain, info.pid);
			if (++seeds % SEEDS == 0 && logs_read(data, false) < 0)
				return; /* the next one says so */
		}
		if (info.is_vm && !info.is_gone)
			top_data_vms(data); /* where it cannot be, columns are missing */
	}
}

/* Whoever is gone has been shown: when its number is free, nothing of it may be left. */
static void domains_reuse(struct top_data *data)
{
	struct tacho_kernel_domain_info info;
	uint32_t domain;

	for (domain = 0; domain < data->view.header.nr_domains; domain++)
		data->gone[domain] =
			tacho_kernel_domain(data->kernel, domain, &info) == 0 && info.is_gone;
	tacho_kernel_reuse(data->kernel);
	for (domain = 0; domain < data->view.header.nr_domains; domain++) {
		if (!data->gone[domain] || tacho_kernel_domain(data->kernel, domain, &info) == 0)
			continue;
		tacho_facts_forget(data->facts, domain);
		top_maker_forget(data->maker, domain);
		data->seeded[domain] = 0;
	}
}

static void running_tell(struct top_data *data)
{
	uint32_t cpu, domain;
	uint64_t since;

	for (cpu = 0; cpu < data->view.header.nr_cpus; cpu++)
		if (data->online[cpu] && tacho_view_running(&data->view, cpu, &domain, &since) == 0)
			tacho_facts_running(data->facts, cpu, domain,
					    tacho_view_ns(&data->view, since));
}

static void losses_take(struct top_data *data, struct top_snapshot *snapshot)
{
	uint64_t all = 0;
	uint32_t cpu, i;
	size_t k;

	memset(snapshot->lost, 0, sizeof(snapshot->lost));
	for (cpu = 0; cpu < data->view.header.nr_cpus; cpu++) {
		for (i = 0; i < TACHO_NR_LOST; i++)
			snapshot->lost[i] += tacho_view_lost(&data->view, cpu, i);
		for (k = 0; k < data->nr_streams; k++)
			snapshot->lost[TOP_OVERWRITTEN] += data->streams[k].cursor[cpu].lost;
	}
	for (i = 0; i < TOP_NR_LOST; i++)
		all += snapshot->lost[i];
	snapshot->lost_now = all - data->lost_then;
	data->lost_then = all;
}

static void own_take(struct top_data *data, struct top_snapshot *snapshot)
{
	double cpu, seconds = (double)snapshot->wall_ns / 1e9;
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	      (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	if (seconds > 0) {
		snapshot->own_cpu = 100 * (cpu - data->cpu_then) / seconds;
		snapshot->own_events = (double)(data->rows - data->rows_then) / seconds;
	}
	data->cpu_then = cpu;
	data->rows_then = data->rows;
}

/* Who came after the last look at the tasks has rows already, and no name yet. */
static int names_complete(struct top_data *data)
{
	int error;

	if (top_maker_is_named(data->maker, data->facts, domain_look, data))
		return 0;
	error = tacho_kernel_tend(data->kernel, NULL);
	return error ? fail(data, error, "looking after the tasks") : 0;
}

/*
 * What runs is looked at before the rows: a row that came in between tells the facts that it is over.
 * snapshot is NULL when the first interval begins.
 */
int top_data_interval(struct top_data *data, const struct top_snapshot **out)
{
	struct top_snapshot *snapshot = top_maker_snapshot(data->maker);
	time_t clock = time(NULL);
	struct tm local;
	int ms, error;

	domains_look(data);
	online_read(data);
	running_tell(data);
	ms = logs_read(data, true);
	if (ms < 0)
		return ms;
	snapshot->time_ns = (uint64_t)ui_now_ns();
	tacho_facts_end(data->facts, snapshot->time_ns);
	snapshot->wall_ns = out ? tacho_facts_wall_ns(data->facts) : 0;
	snapshot->by = data->choice->by;
	snapshot->page_size = (uint32_t)sysconf(_SC_PAGESIZE);
	snapshot->overflow = tacho_kernel_overflow(data->kernel);
	snapshot->knows_host = !ui_kernel_pids();
	if (localtime_r(&clock, &local))
		strftime(snapshot->clock, sizeof(snapshot->clock), "%H:%M:%S", &local);
	losses_take(data, snapshot);
	own_take(data, snapshot);
	if (out) {
		error = names_complete(data);
		if (error)
			return error;
		top_maker_make(data->maker, data->facts, domain_look, data, data->online,
			       is_process);
		*out = snapshot;
	}
	domains_reuse(data);
	return 0;
}
