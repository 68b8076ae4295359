// SPDX-License-Identifier: BSD-2-Clause
/*
 * top_data.c: the session of tacho top: facts of the kernel, made into snapshots.
 *
 * Owns the choice of events, and when there is a hurry; the logs and the moments at which an
 * interval ends are facts/live.c's, which domain is who kernel/'s. Must not print or draw. Called
 * by top.c. Sections 4.3 and 4.5 of paper 001.
 *
 * Memory for rows is spent on every possible CPU, so where there are few of them logs are longer.
 */
#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "facts/live.h"
#include "top_snapshot.h"

#define PERIOD_MS 50
#define HURRY_MS  10 /* when a log has a quarter of what the table of live.c gives it */
#define HURRY	  0.25
#define LONGER	  4u /* times the length in that table, at most */
#define MEMORY	  (64u << 20) /* bytes of rows, on all CPUs, that the longer ones may take */
#define NICE	  -10
#define SEEDS	  16u /* processes that are looked at before the logs are again */

enum when { ALWAYS, WITH_VMS, ASKED };

static const struct plan {
	uint32_t event;
	enum when when;
} plans[] = {
	{ TACHO_K_CPU_SERVICE, ALWAYS },    { TACHO_K_CPU_WAIT, ALWAYS },
	{ TACHO_K_CPU_RUNQ, ALWAYS },	    { TACHO_K_CPU_MIGRATE, ALWAYS },
	{ TACHO_K_IPC_WAKE, ALWAYS },	    { TACHO_K_IPC_SOCKET, ALWAYS },
	{ TACHO_K_MEM_FAULT, ALWAYS },	    { TACHO_K_MEM_RSS, ALWAYS },
	{ TACHO_K_IO_BLOCK, ALWAYS },	    { TACHO_K_IO_BLOCK_BYTES, ALWAYS },
	{ TACHO_K_NET_RX, ALWAYS },	    { TACHO_K_NET_TX, ALWAYS },
	{ TACHO_K_VM_RUN, WITH_VMS },	    { TACHO_K_VM_EXIT, WITH_VMS },
	{ TACHO_K_VM_IRQ, WITH_VMS },	    { TACHO_K_VM_HALT, WITH_VMS },
	{ TACHO_K_VM_USERSPACE, WITH_VMS }, { TACHO_K_IPC_PIPE, ASKED },
	{ TACHO_K_IPC_FUTEX, ASKED },	    { TACHO_K_IRQ, ASKED },
	{ TACHO_K_SOFTIRQ, ASKED },	    { TACHO_K_LOCK, ASKED },
	{ TACHO_K_SYSCALL, ASKED },
};
#define NR_PLANS (sizeof(plans) / sizeof(plans[0]))

struct top_data {
	const struct top_choice *choice;
	struct tacho_live *live;
	struct top_maker *maker; /* what is kept from snapshot to snapshot */
	int *seeded; /* by domain: the pid whose memory was looked at */
	uint32_t times; /* logs are that much longer than planned */
	bool vms; /* their events are on */
	uint64_t rows_then, lost_then; /* when the interval began */
	double cpu_then;
	char error[200];
};

const char *top_data_error(const struct top_data *data)
{
	return data->error;
}

/* The session says why. */
static int fail(struct top_data *data, int error)
{
	snprintf(data->error, sizeof(data->error), "%s", tacho_live_error(data->live));
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

/* Those that get a log: that costs memory, and nothing else while the event is off. */
static size_t events_wanted(const struct top_choice *choice, uint32_t *ids)
{
	size_t i, nr = 0;

	for (i = 0; i < NR_PLANS; i++)
		if (plans[i].when != ASKED || is_asked(choice, plans[i].event))
			ids[nr++] = plans[i].event;
	return nr;
}

/* How much longer than live.c has it the logs are. */
static uint32_t times_of(const uint32_t *ids, size_t nr)
{
	const long cpus = sysconf(_SC_NPROCESSORS_CONF);
	const uint64_t size = tacho_live_size(ids, nr);
	uint32_t times = LONGER;

	while (times > 1 && size * times * (uint64_t)(cpus > 0 ? cpus : 1) > MEMORY)
		times /= 2;
	return times;
}

/* Of virtual machines, or the others. */
static int events_enable(struct top_data *data, bool vms)
{
	bool *has = top_maker_snapshot(data->maker)->has;
	uint32_t ids[NR_PLANS];
	size_t i, nr = 0;
	int error;

	for (i = 0; i < NR_PLANS; i++)
		if ((plans[i].when == WITH_VMS) == vms || is_asked(data->choice, plans[i].event))
			ids[nr++] = plans[i].event;
	error = tacho_live_enable(data->live, ids, nr);
	for (i = 0; i < nr; i++)
		has[ids[i]] = tacho_live_has(data->live, ids[i]);
	return error;
}

int top_data_vms(struct top_data *data)
{
	int error;

	if (data->vms)
		return 0;
	data->vms = true;
	error = events_enable(data, true);
	return error ? fail(data, error) : 0;
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

static int data_init(struct top_data *data, const struct tacho_live_options *options, char *why,
		     size_t why_size)
{
	const struct tacho_area *h;
	int error = tacho_live_open(&data->live, options, why, why_size);

	if (error)
		return error;
	snprintf(why, why_size, "no memory");
	h = &tacho_live_view(data->live)->header;
	data->seeded = calloc(h->nr_domains, sizeof(*data->seeded));
	error = top_maker_create(&data->maker, h->nr_domains, h->nr_cpus);
	return data->seeded ? error : -ENOMEM;
}

static int events_start(struct top_data *data)
{
	int error = events_enable(data, false);

	if (error)
		return fail(data, error);
	if (!top_maker_snapshot(data->maker)->has[TACHO_K_CPU_SERVICE]) {
		snprintf(data->error, sizeof(data->error),
			 "this kernel does not give cpu.service, without which there is nothing to "
			 "see; tacho doctor says more");
		return -EOPNOTSUPP;
	}
	if (data->choice->vms)
		(void)top_data_vms(data); /* what there is not, is missing */
	return 0;
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
	uint32_t ids[NR_PLANS];
	const size_t nr = events_wanted(choice, ids);
	const struct tacho_live_options options = {
		.kernel = { .by = choice->by,
			    .rules = choice->rules,
			    .nr_rules = choice->nr_rules },
		.events = ids,
		.nr_events = nr,
		.times = times_of(ids, nr),
	};
	struct top_data *data = calloc(1, sizeof(*data));
	int error;

	*out = NULL;
	snprintf(why, why_size, "no memory");
	if (!data)
		return -ENOMEM;
	data->choice = choice;
	data->times = options.times;
	/* a watcher that has to wait for whom it watches loses what they do; where it may not, so be it */
	(void)setpriority(PRIO_PROCESS, 0, NICE);
	error = data_init(data, &options, why, why_size);
	if (error == -EPERM)
		refusal_explain(why, why_size);
	if (!error) {
		error = events_start(data);
		if (!error)
			error = top_data_interval(data, NULL);
		if (error)
			snprintf(why, why_size, "%s", data->error);
	}
	if (error) {
		top_data_close(data);
		return error;
	}
	*out = data;
	return 0;
}

void top_data_close(struct top_data *data)
{
	if (!data)
		return;
	tacho_live_close(data->live);
	top_maker_destroy(data->maker);
	free(data->seeded);
	free(data);
}

/* --- reading -------------------------------------------------------------------------------- */

/* Rows first: what is found to be gone has had its last rows read before its number is used again. */
int top_data_read(struct top_data *data)
{
	double fill;
	int error = tacho_live_read(data->live, &fill);

	if (!error)
		error = tacho_live_tend(data->live, NULL);
	if (error)
		return fail(data, error);
	return fill * data->times > HURRY ? HURRY_MS : PERIOD_MS;
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
			tacho_facts_rows(tacho_live_facts(data->live), &row, 1);
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

	if (tacho_kernel_domain(tacho_live_kernel(data->live), domain, &info) || info.pid == 0 ||
	    domain < TACHO_DOMAIN_FIRST ||
	    domain == tacho_live_view(data->live)->header.nr_domains - 1 ||
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

	return tacho_kernel_domain(tacho_live_kernel(data->live), domain, info);
}

static void domains_look(struct top_data *data)
{
	const uint32_t nr = tacho_live_view(data->live)->header.nr_domains;
	const bool *has = top_maker_snapshot(data->maker)->has;
	struct tacho_kernel_domain_info info;
	uint32_t domain, seeds = 0;

	for (domain = 0; domain < nr; domain++) {
		if (domain_look(data, domain, &info))
			continue;
		if (has[TACHO_K_MEM_RSS] && !info.is_gone && info.pid != data->seeded[domain] &&
		    is_process(data, domain)) {
			memory_seed(data, domain, info.pid);
			if (++seeds % SEEDS == 0 && tacho_live_read(data->live, NULL))
				return; /* the next one says so */
		}
		if (info.is_vm && !info.is_gone)
			top_data_vms(data); /* where it cannot be, columns are missing */
	}
}

/* Whoever is gone has been shown: when its number is free, nothing of it may be left. */
static void domain_forget(void *arg, uint32_t domain)
{
	struct top_data *data = arg;

	top_maker_forget(data->maker, domain);
	data->seeded[domain] = 0;
}

static void losses_take(struct top_data *data, struct top_snapshot *snapshot)
{
	const struct tacho_view *view = tacho_live_view(data->live);
	struct tacho_live_log log;
	uint64_t all = 0;
	uint32_t cpu, i;

	memset(snapshot->lost, 0, sizeof(snapshot->lost));
	for (cpu = 0; cpu < view->header.nr_cpus; cpu++)
		for (i = 0; i < TACHO_NR_LOST; i++)
			snapshot->lost[i] += tacho_view_lost(view, cpu, i);
	tacho_live_log(data->live, TACHO_NONE, &log);
	snapshot->lost[TOP_OVERWRITTEN] = log.overwritten;
	for (i = 0; i < TOP_NR_LOST; i++)
		all += snapshot->lost[i];
	snapshot->lost_now = all - data->lost_then;
	data->lost_then = all;
}

static void own_take(struct top_data *data, struct top_snapshot *snapshot)
{
	double cpu, seconds = (double)snapshot->wall_ns / 1e9;
	struct tacho_live_log log;
	struct rusage usage;

	tacho_live_log(data->live, TACHO_NONE, &log);
	getrusage(RUSAGE_SELF, &usage);
	cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	      (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	if (seconds > 0) {
		snapshot->own_cpu = 100 * (cpu - data->cpu_then) / seconds;
		snapshot->own_events = (double)(log.rows - data->rows_then) / seconds;
	}
	data->cpu_then = cpu;
	data->rows_then = log.rows;
}

/*
 * Who came after the last look at the tasks has rows already, and a name when the interval has
 * ended: that looks at the tasks. snapshot is NULL when the first interval begins.
 */
int top_data_interval(struct top_data *data, const struct top_snapshot **out)
{
	struct top_snapshot *snapshot = top_maker_snapshot(data->maker);
	struct tacho_facts *facts = tacho_live_facts(data->live);
	time_t clock = time(NULL);
	struct tm local;
	int error;

	domains_look(data);
	error = tacho_live_end(data->live, NULL);
	if (error)
		return fail(data, error);
	snapshot->time_ns = tacho_live_ended(data->live);
	snapshot->wall_ns = out ? tacho_facts_wall_ns(facts) : 0;
	snapshot->by = data->choice->by;
	snapshot->page_size = (uint32_t)sysconf(_SC_PAGESIZE);
	snapshot->overflow = tacho_kernel_overflow(tacho_live_kernel(data->live));
	snapshot->knows_host = !ui_kernel_pids();
	if (localtime_r(&clock, &local))
		strftime(snapshot->clock, sizeof(snapshot->clock), "%H:%M:%S", &local);
	losses_take(data, snapshot);
	own_take(data, snapshot);
	if (out) {
		top_maker_make(data->maker, facts, domain_look, data, tacho_live_online(data->live),
			       is_process);
		*out = snapshot;
	}
	tacho_live_sweep(data->live, domain_forget, data);
	return 0;
}
