// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_sched_logs.c: the log files and the report of tacho sched, from synthetic notes, views and
 * jobs.
 *
 * Names and texts that are hostile to a terminal, to a parser and to a browser are among them.
 */
#include <ctype.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/sched_logs.h"
#include "cmd/sched_report.h"
#include "sched/mould.h"
#include "t.h"

#define START_NS 1000000000000ull

static const char hostile[] = "<b>&\"' \n\x1b[2J";
static const char *const names[] = { "scheduler.log", "mould.log",	"time.log",  "online.log",
				     "numa.log",      "systemwide.log", "box.report" };

static char dir[64];
static struct sched_logs *logs;
static struct sched_report *report;
static struct tacho_policy_cpu cpus[2];
static struct tacho_policy_domain domains[3];
static struct tacho_policy_pair pair;
static double service_on[6];
static struct tacho_policy_input input;
static unsigned nr_complaints;
static char complaint[256];

static int fake_pages(void *arg, int pid, uint64_t *pages, size_t nr)
{
	(void)arg;
	if (pid == 300)
		return -ESRCH;
	for (size_t i = 0; i < nr; i++)
		pages[i] = (uint64_t)pid + i;
	return 0;
}
static const struct tacho_world fake = { .pages = fake_pages };

static void on_complaint(void *arg, const char *line)
{
	(void)arg;
	nr_complaints++;
	snprintf(complaint, sizeof(complaint), "%s", line);
}

static void input_make(void)
{
	memset(domains, 0, sizeof(domains));
	for (uint32_t i = 0; i < 2; i++)
		cpus[i] = (struct tacho_policy_cpu){ .id = i, .busy = 0.5, .runq = 1.25 };
	for (uint32_t i = 0; i < 3; i++) {
		domains[i] = (struct tacho_policy_domain){ .id = 7 + i,
							   .pid = 100 * (int)(i + 1),
							   .nr_tasks = 1,
							   .home = i % 2,
							   .node = 0,
							   .service = 0.5,
							   .allowed = tacho_cpus_one(1) };
		snprintf(domains[i].name, sizeof(domains[i].name), "%s",
			 i == 0	  ? hostile
			 : i == 1 ? "server"
				  : "gone");
		service_on[i * 2 + i % 2] = 0.5;
	}
	tacho_cpus_add(&domains[0].allowed, 0);
	domains[1].placed = tacho_cpus_one(1);
	pair = (struct tacho_policy_pair){ .a = 0, .b = 1, .rate = 2000, .together = 0.1 };
	input = (struct tacho_policy_input){
		.time_ns = START_NS,
		.interval_ns = 20000000,
		.nr_cpus = 2,
		.nr_domains = 3,
		.nr_pairs = 1,
		.nr_nodes = 2,
		.cpus = cpus,
		.domains = domains,
		.service_on = service_on,
		.pairs = &pair,
		.metric = "pages written",
		.tuning = { .cpu_threshold = 0.3, .disk_threshold = 5e4, .net_threshold = 1e6 }
	};
}

static void view(void)
{
	input.time_ns += input.interval_ns;
	if (logs)
		sched_logs_view(logs, &input);
	sched_report_view(report, &input);
}

static void note(enum tacho_note_kind kind, double at_s, uint32_t cpu, const char *text)
{
	struct tacho_note told = { .kind = kind,
				   .time_ns = START_NS + (uint64_t)(at_s * 1e9),
				   .pid = 100,
				   .nr_tasks = 1,
				   .move = 3,
				   .policy = "affinity",
				   .fact_name = "wake-ups/s",
				   .fact = 2000,
				   .threshold = 500,
				   .progress = "bytes/s",
				   .before = 1,
				   .after = 20,
				   .text = text };

	snprintf(told.name, sizeof(told.name), "%s", hostile);
	tacho_cpus_add(&told.from, 0);
	tacho_cpus_add(&told.from, 1);
	told.to = tacho_cpus_one(cpu);
	if (logs)
		sched_logs_note(logs, &told);
	sched_report_note(report, &told);
}

static void job(enum sched_job_kind kind, double at_s, int status)
{
	struct sched_job told = { .kind = kind,
				  .time_ns = START_NS + (uint64_t)(at_s * 1e9),
				  .label = "self",
				  .command = "./self <x> & \"y\"",
				  .pid = getpid(),
				  .run = kind == SCHED_JOB_THREAD ? 0 : 1,
				  .tid = getpid(),
				  .elapsed_s = 1.5,
				  .user_s = 1,
				  .system_s = 0.25,
				  .status = status };

	if (logs)
		sched_logs_job(logs, &told);
	sched_report_job(report, &told);
}

static void begin(void)
{
	const struct sched_logs_options options = { .directory = dir,
						    .host = "box",
						    .world = &fake,
						    .nr_nodes = 2,
						    .start_ns = START_NS,
						    .complain = on_complaint };
	const struct sched_report_options head = { .host = "box",
						   .command = "tacho sched <x>",
						   .policy = "auto",
						   .topology = "2 CPUs & 1 node",
						   .start_ns = START_NS };
	char why[256] = "";

	nr_complaints = 0;
	T_EQ(sched_report_open(&report, &head), 0);
	if (sched_logs_open(&logs, &options, why, sizeof(why)))
		t_fail(__FILE__, __LINE__, "%s", why);
	input_make();
}

static void run(void)
{
	begin();
	note(TACHO_NOTE_START, 0, 0, "policy auto");
	job(SCHED_JOB_STARTED, 0.1, 0);
	job(SCHED_JOB_THREAD, 0.1, 0);
	for (unsigned i = 0; i < 101; i++)
		view();
	note(TACHO_NOTE_PLACE, 0.5, 1, "it talks to <server> & co\n\x1b[31m");
	note(TACHO_NOTE_KEEP, 0.9, 1, "it helped");
	note(TACHO_NOTE_TAKE_BACK, 1.5, 0, "it did not help");
	job(SCHED_JOB_ENDED, 1.9, 3 << 8);
	note(TACHO_NOTE_END, 2, 0, "end");
}

static void end(void)
{
	char path[128];

	sched_logs_close(logs);
	sched_report_close(report);
	logs = NULL;
	report = NULL;
	for (unsigned i = 0; i < 7; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/r.html", dir);
	unlink(path);
	rmdir(dir);
}

/* The whole file, static. */
static const char *content(const char *name)
{
	static char text[1 << 20];
	char path[128];
	size_t len = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "r");
	if (file) {
		len = fread(text, 1, sizeof(text) - 1, file);
		fclose(file);
	}
	text[len] = '\0';
	return text;
}

static unsigned count(const char *text, const char *what)
{
	unsigned nr = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		nr++;
	return nr;
}

static void dir_make(void)
{
	snprintf(dir, sizeof(dir), "/tmp/tacho-t_sched_logs-XXXXXX");
	if (!mkdtemp(dir))
		dir[0] = '\0';
}

T_CASE(the_files)
{
	const char *text;
	unsigned i;

	dir_make();
	run();
	sched_logs_report(logs, report);
	for (i = 0; i < 7; i++) {
		text = content(names[i]);
		T_OK(text[0] == '#' && text[1] == ' ');
		for (; *text; text++)
			if (!isprint((unsigned char)*text) && *text != '\n') {
				t_fail(__FILE__, __LINE__, "%s: byte 0x%02x", names[i],
				       (unsigned char)*text);
				break;
			}
	}
	text = content("scheduler.log");
	T_OK(strstr(text, "\n0.500 place <b>&\"'_??[2J 100 0 1 0-1 1 3 affinity wake-ups/s 2000 "
			  "500 bytes/s 1 20 0 it talks to <server> & co??[31m\n") != NULL);
	T_OK(strstr(text, "\n0.100 launch self ") != NULL);
	T_EQ(count(text, " assignment "), 1); /* it did not change */
	T_EQ(count(text, " assigned server 200 0 1 - 1 "), 1);
	T_OK(strstr(text, "\n# tacho sched on box: policy auto") != NULL);
	/* two seconds and a bit: three sets of lines, the first at once */
	T_EQ(count(content("box.report"), " server "), 3);
	T_EQ(count(content("systemwide.log"), "\n"), 1 + 3 * 2);
	T_OK(strstr(content("systemwide.log"), "\n1.020 0 0.500 1.250\n") != NULL);
	T_OK(strstr(content("online.log"), " server 200 0 cpu 0.500 0 0 pages_written 0\n") !=
	     NULL);
	T_OK(strstr(content("numa.log"), " server 200 200 201\n") != NULL);
	T_OK(strstr(content("numa.log"), " self ") != NULL);
	T_EQ(count(content("numa.log"), " gone "), 0);
	T_OK(strstr(content("time.log"), "\n1.500 1.000 0.250 3 self 1 ") != NULL);
	T_EQ(nr_complaints, 0);
	end();
}

T_CASE(a_mould_can_be_read_back)
{
	struct tacho_mould mould;
	char path[128];

	dir_make();
	run();
	snprintf(path, sizeof(path), "%s/mould.log", dir);
	T_EQ(tacho_mould_read(&mould, path), 0);
	T_STREQ(mould.errors, NULL);
	T_OK(tacho_mould_cpu(&mould, "self", 0, 1, NULL) >= 0);
	T_EQ(tacho_mould_cpu(&mould, "server.200", 0, 1, NULL), 1);
	T_EQ(count(content("mould.log"), " start self 0 1 "), 1);
	T_EQ(count(content("mould.log"), " end self 0 1 "), 1);
	tacho_mould_fini(&mould);
	end();
}

T_CASE(a_full_disk_is_told_once)
{
	char path[128];

	dir_make();
	snprintf(path, sizeof(path), "%s/systemwide.log", dir);
	T_NEED(symlink("/dev/full", path) == 0);
	run();
	T_EQ(nr_complaints, 1);
	T_OK(strstr(complaint, "systemwide.log: No space left on device: no more is written "
			       "there") != NULL);
	T_EQ(count(content("box.report"), " server "), 3);
	end();
	/* and a directory that cannot be made is refused at once */
	struct sched_logs_options options = { .directory = "/proc/nowhere/x", .host = "box" };
	char why[256] = "";

	T_EQ(sched_logs_open(&logs, &options, why, sizeof(why)), -ENOENT);
	T_STREQ(why, "/proc/nowhere/x: No such file or directory");
	logs = NULL;
}

/* --- the report ------------------------------------------------------------------------------- */

static const struct tacho_sched_totals totals = { .rounds = 100,
						  .moves = 1,
						  .taken_back = 1,
						  .own_cpu = 0.004,
						  .wake_cost = 48e-6,
						  .wall_ns = 2000000000,
						  .on_ns = 200000000 };

T_CASE(as_text)
{
	char *text = NULL;
	size_t size = 0;
	FILE *memory;

	dir_make();
	run();
	sched_report_end(report, &totals);
	memory = open_memstream(&text, &size);
	T_NEED(memory != NULL);
	T_EQ(sched_report_text(report, memory), 0);
	fclose(memory);
	T_OK(strstr(text, "self                     1     1.500") != NULL);
	T_OK(strstr(text, "0.500  place     it talks to <server> & co??[31m (wake-ups/s 2000, "
			  "threshold 500; bytes/s 1 before, 20 after)\n") != NULL);
	T_OK(strstr(text, "take back it did not help") != NULL);
	T_OK(strstr(text, "2000  <b>&\"' ??[2J 100 <-> server 200\n") != NULL);
	T_OK(strstr(text, "Own cost: 0.40% of a CPU; events on for 10.0% of the time") != NULL);
	T_OK(strstr(text, "CPU 1 100%") != NULL);
	T_OK(!strchr(text, '\x1b'));
	free(text);
	memory = fopen("/dev/full", "w");
	T_NEED(memory != NULL);
	T_EQ(sched_report_text(report, memory), -ENOSPC);
	fclose(memory);
	end();
}

/*
 * Every element is closed in its order, attributes are quoted, and what is no markup has no < in
 * it. Returns what is wrong with it, or NULL.
 */
static const char *malformed(const char *html)
{
	static const char *stack[64];
	static size_t lens[64];
	static char wrong[128];
	size_t depth = 0, len;
	const char *at = html, *end;

	for (; (at = strchr(at, '<')); at = end + 1) {
		unsigned quotes = 0;

		for (end = at; *end && (*end != '>' || quotes % 2); end++)
			quotes += *end == '"';
		snprintf(wrong, sizeof(wrong), "%.60s", at);
		if (*end == '\0' || quotes % 2)
			return wrong;
		if (at[1] == '!')
			continue;
		len = strcspn(at + 1 + (at[1] == '/'), " >/");
		if (at[1] == '/') {
			if (depth == 0 || lens[depth - 1] != len ||
			    memcmp(stack[depth - 1], at + 2, len) != 0)
				return wrong;
			depth--;
		} else if (!isalpha((unsigned char)at[1])) {
			return wrong;
		} else if (end[-1] != '/') {
			if (depth == 64)
				return "too deep";
			stack[depth] = at + 1;
			lens[depth++] = len;
		}
	}
	return depth ? "not all closed" : NULL;
}

T_CASE(as_a_page)
{
	const char *html;
	char path[128];
	unsigned i;

	dir_make();
	run();
	for (i = 0; i < 5000; i++) /* more than are kept */
		note(i % 2 ? TACHO_NOTE_PLACE : TACHO_NOTE_RELEASE, 2 + i * 1e-3, i % 2, hostile);
	sched_report_end(report, &totals);
	snprintf(path, sizeof(path), "%s/r.html", dir);
	T_EQ(sched_report_html(report, path), 0);
	html = content("r.html");
	T_STREQ(malformed(html), NULL);
	T_OK(strstr(html, "&lt;b&gt;&amp;&quot;&#39; ??[2J") != NULL);
	T_OK(!strstr(html, "<b>&") && !strstr(html, "<server>") && !strstr(html, "<script"));
	T_OK(!strstr(html, "http") && !strstr(html, "src="));
	T_EQ(count(html, "<svg"), 2);
	T_OK(strstr(html, "<tr><td colspan=\"6\">3005 more</td></tr>") != NULL);
	T_OK(strstr(html, "./self &lt;x&gt; &amp; &quot;y&quot;") != NULL);
	T_EQ(sched_report_html(report, "/nowhere/r.html"), -ENOENT);
	end();
}

T_CASE(nothing_happened)
{
	char path[128];

	dir_make();
	begin();
	sched_report_end(report, &totals);
	snprintf(path, sizeof(path), "%s/r.html", dir);
	T_EQ(sched_report_html(report, path), 0);
	T_STREQ(malformed(content("r.html")), NULL);
	T_EQ(count(content("r.html"), "Nothing was moved."), 1);
	sched_logs_report(logs, report);
	T_OK(strstr(content("scheduler.log"), "none: nothing was to be won") != NULL);
	end();
}

/* Thousands of domains come and go: those that matter stay, and memory does not grow. */
T_CASE(many_domains)
{
	enum { NR = 600 };
	static struct tacho_policy_domain many[NR];
	static struct tacho_policy_pair pairs[NR];
	static double on[NR * 2];
	char *text = NULL;
	size_t size = 0;
	FILE *memory;

	dir_make();
	begin();
	input.domains = many;
	input.service_on = on;
	input.pairs = pairs;
	input.nr_domains = input.nr_pairs = NR;
	for (unsigned round = 0; round < 50; round++) {
		for (uint32_t i = 0; i < NR; i++) {
			many[i] = (struct tacho_policy_domain){ .id = i ? round * NR + i : 1,
								.pid = (int)(1 + i),
								.home = TACHO_POLICY_NONE,
								.node = TACHO_POLICY_NONE,
								.service = i ? 0.001 * (1 + round)
									     : 0.7 };
			snprintf(many[i].name, sizeof(many[i].name), i ? "d%u" : "hog", i);
			on[i * 2] = many[i].service;
			pairs[i] = (struct tacho_policy_pair){ .a = i / 2,
							       .b = NR - 1 - i,
							       .rate = 9 };
		}
		view();
	}
	memory = open_memstream(&text, &size);
	T_NEED(memory != NULL);
	T_EQ(sched_report_text(report, memory), 0);
	fclose(memory);
	T_OK(strstr(text, "  hog 1                           0.700 s") != NULL);
	free(text);
	end();
}

T_MAIN
