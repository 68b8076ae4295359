// SPDX-License-Identifier: BSD-2-Clause
/*
 * sched_logs.c: the log files of tacho sched: scheduler, mould, time, online, numa, systemwide,
 * HOST.report.
 *
 * Owns the files and the second between two lines of the same kind. What is in them comes from
 * notes, views and jobs; it looks itself only at the CPU of launched threads (field 39 of
 * /proc/TID/stat, as Clavis does) and at pages by node, and both as seldom as keeps that below half
 * a percent of a CPU. Must not decide anything, nor stop anybody because a disk is full. Called by
 * sched.c; the mould is read by sched/mould.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sched/workload.h"
#include "sched_logs.h"
#include "sched_report.h"
#include "sched_text.h"
#include "text.h"

#define SECOND_NS   1000000000ull
#define COST_SHARE  200u /* looking may take one part in so many of the time */
#define MAX_VECTORS 512u /* domains in HOST.report per interval: those with the most service */
#define MAX_LOOKS   256u /* threads whose CPU is read per interval; more take turns */
#define MAX_PAGES   64u /* processes whose pages are counted per interval */

enum which { MAIN, MOULD, TIMES, ONLINE, NUMA, SYSTEM, VECTORS, NR_FILES };

struct log_file {
	FILE *file; /* NULL: not any more */
	char path[4096];
};

/* A thread of a launched program. */
struct thread {
	char label[112];
	int pid, tid;
	uint32_t index;
	unsigned run;
};

/* Of a CPU, since the last line about it. */
struct load {
	double busy, runq; /* share or length, times seconds */
};

struct sched_logs {
	struct sched_logs_options options;
	char host[128];
	struct log_file files[NR_FILES];
	uint64_t next_ns; /* of the lines of a second */
	uint64_t next_cpus_ns, next_pages_ns; /* of the looks */
	uint64_t interval; /* number, in HOST.report */
	struct tacho_workload *workload;
	bool has_workload; /* the list is new */
	struct thread *threads;
	size_t nr_threads, thread_room, turn;
	struct load *load; /* by CPU, index of the input */
	uint32_t nr_load;
	double load_s;
	int started_pid; /* the last program that was started, */
	unsigned started_run; /* and which run of it that is */
	uint64_t assigned; /* hash of who was placed where, as written last */
};

static double seconds(const struct sched_logs *logs, uint64_t time_ns)
{
	return time_ns > logs->options.start_ns ? (double)(time_ns - logs->options.start_ns) / 1e9
						: 0;
}

/* --- files ------------------------------------------------------------------------------------ */

static void complain(const struct sched_logs *logs, const struct log_file *file, int error,
		     const char *what)
{
	char line[4352];

	snprintf(line, sizeof(line), "%s: %s: %s", file->path, strerror(error), what);
	if (logs->options.complain)
		logs->options.complain(logs->options.arg, line);
}

/* One or more whole lines. */
__attribute__((format(printf, 3, 4))) static void put(struct sched_logs *logs, enum which which,
						      const char *fmt, ...)
{
	struct log_file *file = &logs->files[which];
	va_list ap;

	if (!file->file)
		return;
	va_start(ap, fmt);
	errno = 0;
	if (vfprintf(file->file, fmt, ap) < 0 || ferror(file->file)) {
		complain(logs, file, errno ? errno : EIO, "no more is written there");
		fclose(file->file);
		file->file = NULL;
	}
	va_end(ap);
}

/*
 * Emptied, or made. Of links that somebody has put there only one to a device is followed, as to
 * /dev/null: not one to a file, which may be anybody's. A descriptor or -errno.
 */
static int path_open(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	struct stat stat;

	if (fd >= 0 || errno != ELOOP)
		return fd < 0 ? -errno : fd;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &stat) || S_ISREG(stat.st_mode)) {
		close(fd);
		return -ELOOP;
	}
	return fd;
}

static int file_open(struct sched_logs *logs, enum which which, const char *name, char *why,
		     size_t why_size)
{
	struct log_file *file = &logs->files[which];
	int fd = -ENAMETOOLONG;

	if ((size_t)snprintf(file->path, sizeof(file->path), "%s/%s", logs->options.directory,
			     name) < sizeof(file->path))
		fd = path_open(file->path);
	if (fd >= 0)
		file->file = fdopen(fd, "w");
	if (!file->file) {
		int error = fd < 0 ? fd : -errno;

		if (fd >= 0)
			close(fd);
		snprintf(why, why_size, "%s: %s", file->path, strerror(-error));
		return error;
	}
	setvbuf(file->file, NULL, _IOLBF, 4096);
	return 0;
}

static void heads_write(struct sched_logs *logs)
{
	uint32_t node;

	put(logs, MAIN,
	    "# seconds what name pid tid tasks from to move policy fact value threshold "
	    "progress before after pages text\n");
	put(logs, MOULD,
	    "# seconds start|end label thread run tid; seconds on label thread cpu (* is all "
	    "threads)\n");
	put(logs, TIMES, "# elapsed user system status label run pid command\n");
	put(logs, ONLINE,
	    "# seconds name pid tid classes cpu io-bytes/s net-bytes/s metric metric/s\n");
	put(logs, NUMA, "# seconds name pid");
	for (node = 0; node < logs->options.nr_nodes; node++)
		put(logs, NUMA, " node%u", node);
	put(logs, NUMA, " (pages)\n");
	put(logs, SYSTEM, "# seconds cpu load runq\n");
	put(logs, VECTORS,
	    "# interval (seconds): pid/tid name kind CPU share WAIT share RATE metric metric/s "
	    "ac_core allowed i-core placed h-core home i-node node TRFC net-bytes/s IO io-bytes/s "
	    "WAKES out/s in/s SLICES per-s MOVED per-s FAULTS per-s\n");
}

int sched_logs_open(struct sched_logs **logs_out, const struct sched_logs_options *options,
		    char *why, size_t why_size)
{
	static const char *const names[NR_FILES] = {
		"scheduler.log", "mould.log", "time.log", "online.log", "numa.log", "systemwide.log"
	};
	struct sched_logs *logs = calloc(1, sizeof(*logs));
	char report[160];
	unsigned i;
	int error;

	if (!logs)
		return -ENOMEM;
	logs->options = *options;
	if (!logs->options.world)
		logs->options.world = &tacho_world_real;
	if (!logs->options.nr_nodes)
		logs->options.nr_nodes = 1;
	if (!logs->options.start_ns)
		logs->options.start_ns = tacho_live_now();
	sched_text_host(options->host, logs->host, sizeof(logs->host));
	snprintf(report, sizeof(report), "%s.report", logs->host);
	error = tacho_workload_open(&logs->workload, NULL);
	if (!error && mkdir(options->directory, 0755) && errno != EEXIST) {
		error = -errno;
		snprintf(why, why_size, "%s: %s", options->directory, strerror(errno));
	}
	for (i = 0; i < NR_FILES && !error; i++)
		error = file_open(logs, (enum which)i, names[i] ? names[i] : report, why, why_size);
	if (error) {
		sched_logs_close(logs);
		return error;
	}
	heads_write(logs);
	*logs_out = logs;
	return 0;
}

void sched_logs_close(struct sched_logs *logs)
{
	unsigned i;

	if (!logs)
		return;
	for (i = 0; i < NR_FILES; i++)
		if (logs->files[i].file && fclose(logs->files[i].file))
			complain(logs, &logs->files[i], errno, "its last lines may be missing");
	tacho_workload_close(logs->workload);
	free(logs->threads);
	free(logs->load);
	free(logs);
}

/* --- notes ------------------------------------------------------------------------------------ */

/* A number, or "-" if there is nothing that it is of. */
static const char *value(double number, bool is_there, char text[32])
{
	snprintf(text, 32, is_there ? "%.6g" : "-", number);
	return text;
}

void sched_logs_note(struct sched_logs *logs, const struct tacho_note *note)
{
	char kind[32], name[40], from[64], to[64], policy[40], fact[40], progress[40], text[256];
	char numbers[4][32];
	bool has_fact = note->fact_name && *note->fact_name;
	bool has_progress = note->progress && *note->progress;

	text_clean(text, sizeof(text), note->text ? note->text : "");
	put(logs, MAIN, "%.3f %s %s %d %d %u %s %s %u %s %s %s %s %s %s %s %llu %s\n",
	    seconds(logs, note->time_ns),
	    sched_text_word(tacho_note_names[note->kind], kind, sizeof(kind)),
	    sched_text_word(note->name, name, sizeof(name)), note->pid, note->tid, note->nr_tasks,
	    sched_text_cpus(&note->from, from, sizeof(from)),
	    sched_text_cpus(&note->to, to, sizeof(to)), note->move,
	    sched_text_word(note->policy, policy, sizeof(policy)),
	    sched_text_word(note->fact_name, fact, sizeof(fact)),
	    value(note->fact, has_fact, numbers[0]), value(note->threshold, has_fact, numbers[1]),
	    sched_text_word(note->progress, progress, sizeof(progress)),
	    value(note->before, has_progress, numbers[2]),
	    value(note->after, has_progress, numbers[3]), (unsigned long long)note->pages, text);
}

/* What happened that is no note, in the same columns. */
static void event_put(struct sched_logs *logs, uint64_t time_ns, const char *what, const char *name,
		      int pid, int tid, uint32_t nr, const char *to, const char *text)
{
	put(logs, MAIN, "%.3f %s %s %d %d %u - %s 0 - - - - - - - 0 %s\n", seconds(logs, time_ns),
	    what, name, pid, tid, nr, to, text);
}

/* --- jobs ------------------------------------------------------------------------------------- */

/* The run that a thread belongs to, also if the job does not say it. */
static unsigned run_of(const struct sched_logs *logs, const struct sched_job *job)
{
	size_t i;

	if (job->run || job->pid == logs->started_pid)
		return job->run ? job->run : logs->started_run;
	for (i = 0; i < logs->nr_threads; i++)
		if (logs->threads[i].pid == job->pid)
			return logs->threads[i].run;
	return 0;
}

static void thread_add(struct sched_logs *logs, const struct sched_job *job, const char *label)
{
	unsigned run = run_of(logs, job);
	struct thread *grown;

	if (logs->nr_threads == logs->thread_room) {
		grown = realloc(logs->threads, (2 * logs->thread_room + 16) * sizeof(*grown));
		if (!grown)
			return; /* a line less in the mould */
		logs->threads = grown;
		logs->thread_room = 2 * logs->thread_room + 16;
	}
	grown = &logs->threads[logs->nr_threads++];
	*grown = (struct thread){
		.pid = job->pid, .tid = job->tid, .index = job->index, .run = run
	};
	snprintf(grown->label, sizeof(grown->label), "%s", label);
}

static void threads_end(struct sched_logs *logs, const struct sched_job *job)
{
	size_t i, nr = 0;

	for (i = 0; i < logs->nr_threads; i++) {
		const struct thread *thread = &logs->threads[i];

		if (thread->pid == job->pid)
			put(logs, MOULD, "%.3f end %s %u %u %d\n", seconds(logs, job->time_ns),
			    thread->label, thread->index, thread->run, thread->tid);
		else
			logs->threads[nr++] = *thread;
	}
	logs->nr_threads = nr;
}

void sched_logs_job(struct sched_logs *logs, const struct sched_job *job)
{
	char label[112], command[256], text[400], status[32];

	sched_text_word(job->label, label, sizeof(label));
	text_clean(command, sizeof(command), job->command ? job->command : "");
	switch (job->kind) {
	case SCHED_JOB_STARTED:
		logs->started_pid = job->pid;
		logs->started_run = job->run;
		snprintf(text, sizeof(text), "run %u: %s", job->run, command);
		event_put(logs, job->time_ns, "launch", label, job->pid, 0, 1, "-", text);
		break;
	case SCHED_JOB_THREAD:
		snprintf(text, sizeof(text), "thread %u of run %u", job->index, run_of(logs, job));
		event_put(logs, job->time_ns, "thread", label, job->pid, job->tid, 1, "-", text);
		put(logs, MOULD, "%.3f start %s %u %u %d\n", seconds(logs, job->time_ns), label,
		    job->index, run_of(logs, job), job->tid);
		thread_add(logs, job, label);
		break;
	default:
		sched_text_status(job->status, status, sizeof(status));
		snprintf(text, sizeof(text), "run %u: status %s after %.3f s", job->run, status,
			 job->elapsed_s);
		event_put(logs, job->time_ns, "exit", label, job->pid, 0, 1, "-", text);
		threads_end(logs, job);
		put(logs, TIMES, "%.3f %.3f %.3f %s %s %u %d %s\n", job->elapsed_s, job->user_s,
		    job->system_s, status, label, job->run, job->pid, command);
		break;
	}
}

/* --- what is written once per second ---------------------------------------------------------- */

/* When a look that began then, and ends now, may be taken again, in the time of the views. */
static uint64_t next_look(const struct tacho_policy_input *input, uint64_t begin_ns)
{
	return input->time_ns + (tacho_live_now() - begin_ns) * COST_SHARE;
}

static void mould_write(struct sched_logs *logs, const struct tacho_policy_input *input)
{
	size_t nr = logs->nr_threads < MAX_LOOKS ? logs->nr_threads : MAX_LOOKS, i;
	double at = seconds(logs, input->time_ns);
	uint64_t begin = tacho_live_now();
	char name[40];
	int cpu;

	if (input->time_ns < logs->next_cpus_ns)
		nr = 0;
	for (i = 0; i < nr; i++) {
		const struct thread *thread = &logs->threads[logs->turn++ % logs->nr_threads];

		cpu = tacho_world_last_cpu(thread->pid, thread->tid);
		if (cpu >= 0)
			put(logs, MOULD, "%.3f on %s %u %d\n", at, thread->label, thread->index,
			    cpu);
	}
	if (nr > 0)
		logs->next_cpus_ns = next_look(input, begin);
	for (i = 0; i < input->nr_domains; i++) {
		const struct tacho_policy_domain *domain = &input->domains[i];

		if (domain->flags & TACHO_D_LAUNCHED || domain->home >= input->nr_cpus ||
		    (tacho_cpus_count(&domain->placed) == 0 &&
		     !tacho_workload_classes(logs->workload, domain->id)))
			continue;
		put(logs, MOULD, "%.3f on %s.%d * %u\n", at,
		    sched_text_word(domain->name, name, sizeof(name)),
		    domain->tid ? domain->tid : domain->pid, input->cpus[domain->home].id);
	}
}

static void online_write(struct sched_logs *logs, const struct tacho_policy_input *input)
{
	const struct tacho_workload_domain *domain;
	char name[40], classes[16], metric[40];
	size_t nr, i;

	domain = tacho_workload_list(logs->workload, &nr);
	sched_text_word(input->metric, metric, sizeof(metric));
	for (i = 0; i < nr; i++, domain++)
		put(logs, ONLINE, "%.3f %s %d %d %s %.3f %.0f %.0f %s %.0f\n",
		    seconds(logs, input->time_ns),
		    sched_text_word(domain->name, name, sizeof(name)), domain->pid, domain->tid,
		    tacho_workload_format(domain->classes, classes, sizeof(classes)),
		    domain->service, domain->io_bytes, domain->net_bytes, metric,
		    domain->intensity);
}

static void pages_put(struct sched_logs *logs, double at, const char *name, int pid)
{
	uint64_t pages[64] = { 0 };
	uint32_t nr = logs->options.nr_nodes < 64 ? logs->options.nr_nodes : 64, node;
	char line[64 * 22] = "";
	size_t len = 0;

	if (logs->options.world->pages(logs->options.world->arg, pid, pages, nr))
		return; /* it is gone */
	for (node = 0; node < nr; node++)
		len += (size_t)snprintf(line + len, sizeof(line) - len, " %llu",
					(unsigned long long)pages[node]);
	put(logs, NUMA, "%.3f %s %d%s\n", at, name, pid, line);
}

/*
 * Counting pages walks the tables of a process, which takes long if it is large: not more often
 * than is cheap.
 */
static void numa_write(struct sched_logs *logs, const struct tacho_policy_input *input)
{
	const struct tacho_workload_domain *domain;
	double at = seconds(logs, input->time_ns);
	uint64_t begin = tacho_live_now();
	size_t nr, i, done = 0;
	char name[40];
	int last = 0;

	if (input->time_ns < logs->next_pages_ns)
		return;
	for (i = 0; i < logs->nr_threads && done < MAX_PAGES; i++)
		if (logs->threads[i].index == 0 && ++done)
			pages_put(logs, at, logs->threads[i].label, logs->threads[i].pid);
	domain = tacho_workload_list(logs->workload, &nr);
	for (i = 0; i < nr && done < MAX_PAGES; i++, domain++) {
		size_t k;

		for (k = 0; k < logs->nr_threads && logs->threads[k].pid != domain->pid; k++)
			;
		if (domain->pid <= 0 || domain->pid == last || k < logs->nr_threads)
			continue;
		last = domain->pid;
		done++;
		pages_put(logs, at, sched_text_word(domain->name, name, sizeof(name)), domain->pid);
	}
	logs->next_pages_ns = next_look(input, begin);
}

static void system_write(struct sched_logs *logs, const struct tacho_policy_input *input)
{
	uint32_t cpu;

	for (cpu = 0; cpu < logs->nr_load && cpu < input->nr_cpus && logs->load_s > 0; cpu++)
		put(logs, SYSTEM, "%.3f %u %.3f %.3f\n", seconds(logs, input->time_ns),
		    input->cpus[cpu].id, logs->load[cpu].busy / logs->load_s,
		    logs->load[cpu].runq / logs->load_s);
	for (cpu = 0; cpu < logs->nr_load; cpu++)
		logs->load[cpu] = (struct load){ 0 };
	logs->load_s = 0;
}

static void vectors_write(struct sched_logs *logs, const struct tacho_policy_input *input)
{
	char name[40], metric[40], allowed[64], placed[64], home[16], node[16];
	uint32_t i;

	logs->interval++;
	sched_text_word(input->metric, metric, sizeof(metric));
	for (i = 0; i < input->nr_domains && i < MAX_VECTORS; i++) {
		const struct tacho_policy_domain *d = &input->domains[i];

		snprintf(home, sizeof(home), "-");
		snprintf(node, sizeof(node), "-");
		if (d->home < input->nr_cpus)
			snprintf(home, sizeof(home), "%u", input->cpus[d->home].id);
		if (d->node < input->nr_nodes)
			snprintf(node, sizeof(node), "%u", d->node);
		put(logs, VECTORS,
		    "%llu (%.3f): %d/%d %s %s CPU %.3f WAIT %.3f RATE %s %.0f ac_core %s i-core %s "
		    "h-core %s i-node %s TRFC %.0f IO %.0f WAKES %.0f %.0f SLICES %.0f MOVED %.0f "
		    "FAULTS %.0f\n",
		    (unsigned long long)logs->interval, seconds(logs, input->time_ns), d->pid,
		    d->tid, sched_text_word(d->name, name, sizeof(name)),
		    d->flags & TACHO_D_VM	  ? "vm"
		    : d->flags & TACHO_D_LAUNCHED ? "launched"
		    : d->flags & TACHO_D_SYSTEM	  ? "system"
						  : "-",
		    d->service, d->wait, metric, d->intensity,
		    sched_text_cpus(&d->allowed, allowed, sizeof(allowed)),
		    sched_text_cpus(&d->placed, placed, sizeof(placed)), home, node, d->net_bytes,
		    d->io_bytes, d->wakes_out, d->wakes_in, d->slices, d->migrations, d->faults);
	}
}

/* Who is placed where, if that is not as it was written last. */
static void assignment_write(struct sched_logs *logs, const struct tacho_policy_input *input)
{
	uint64_t hash = 0xcbf29ce484222325u;
	uint32_t i, nr = 0, word;
	char name[40], cpus[64];

	for (i = 0; i < input->nr_domains; i++) {
		const struct tacho_policy_domain *domain = &input->domains[i];
		uint64_t one = domain->id * 0x9e3779b97f4a7c15u;

		if (tacho_cpus_count(&domain->placed) == 0)
			continue;
		nr++;
		for (word = 0; word < TACHO_POLICY_CPUS / 64; word++)
			one = (one ^ domain->placed.bits[word]) * 0x100000001b3u;
		hash += one; /* in whatever order they come */
	}
	if (hash == logs->assigned || (nr == 0 && logs->assigned == 0))
		return;
	logs->assigned = hash;
	event_put(logs, input->time_ns, "assignment", "-", 0, 0, nr, "-", "domains are placed:");
	for (i = 0; i < input->nr_domains; i++) {
		const struct tacho_policy_domain *domain = &input->domains[i];

		if (tacho_cpus_count(&domain->placed) > 0)
			event_put(logs, input->time_ns, "assigned",
				  sched_text_word(domain->name, name, sizeof(name)), domain->pid,
				  domain->tid, domain->nr_tasks,
				  sched_text_cpus(&domain->placed, cpus, sizeof(cpus)), "");
	}
}

static void load_add(struct sched_logs *logs, const struct tacho_policy_input *input)
{
	double interval = (double)input->interval_ns / 1e9;
	struct load *grown;
	uint32_t cpu;

	if (logs->nr_load != input->nr_cpus) { /* CPUs came or went: begin anew */
		grown = realloc(logs->load, (input->nr_cpus + 1) * sizeof(*grown));
		if (!grown)
			return; /* lines less in systemwide.log */
		memset(grown, 0, (input->nr_cpus + 1) * sizeof(*grown));
		logs->load = grown;
		logs->nr_load = input->nr_cpus;
		logs->load_s = 0;
	}
	for (cpu = 0; cpu < logs->nr_load; cpu++) {
		logs->load[cpu].busy += input->cpus[cpu].busy * interval;
		logs->load[cpu].runq += input->cpus[cpu].runq * interval;
	}
	logs->load_s += interval;
}

void sched_logs_view(struct sched_logs *logs, const struct tacho_policy_input *input)
{
	load_add(logs, input);
	if (tacho_workload_update(logs->workload, input) == 1)
		logs->has_workload = true;
	if (input->time_ns < logs->next_ns)
		return;
	logs->next_ns = input->time_ns + SECOND_NS;
	assignment_write(logs, input);
	mould_write(logs, input);
	if (logs->has_workload)
		online_write(logs, input);
	logs->has_workload = false;
	numa_write(logs, input);
	system_write(logs, input);
	vectors_write(logs, input);
}

void sched_logs_report(struct sched_logs *logs, const struct sched_report *report)
{
	char *text = NULL, *at, *end;
	size_t size = 0;
	FILE *memory = open_memstream(&text, &size);

	if (!memory)
		return;
	(void)sched_report_text(report, memory);
	if (fclose(memory) == 0)
		for (at = text; at && *at; at = end + (*end == '\n')) {
			end = at + strcspn(at, "\n");
			put(logs, MAIN, "# %.*s\n", (int)(end - at), at);
		}
	free(text);
}
