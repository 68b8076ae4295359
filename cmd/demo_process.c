/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * demo_process.c: the part of tacho demo about programs: an instrumented one, watched and measured,
 * in a few seconds.
 *
 * Runs the verbs that a user would type against a program that it starts, then measures what an
 * event costs inside such a program while it is off and while it is on, and compares its text in
 * memory with its files before, during and after. Every number printed was measured in this run.
 * All processes that it starts end with it. Called by demo.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tacho/reader.h>
#include <tacho/session.h>

#include "demo.h"

#define WAIT_MS	   5000 /* for a program to begin, or to answer */
#define COST_EVENT "queue.cost"

/* A program that we started. */
struct program {
	pid_t pid;
	int in, out; /* its standard input and output, or -1 */
};

static void nap_ms(int ms)
{
	poll(NULL, 0, ms);
}

/* --- programs ------------------------------------------------------------------------------- */

/* In the child. What keeps the program from running goes into the pipe report. */
static void program_exec(const char *path, char **argv, int in, int out, int report, pid_t parent)
{
	int error;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_DFL); /* main.c ignores it, and that would be inherited */
	if (getppid() != parent)
		_exit(1);
	if (in >= 0)
		dup2(in, STDIN_FILENO);
	if (out >= 0)
		dup2(out, STDOUT_FILENO);
	execv(path, argv);
	error = errno;
	if (write(report, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(127);
}

static int program_start(struct program *program, const char *path, char **argv, bool talk)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, report[2], error = 0;
	pid_t parent = getpid();

	program->in = program->out = -1;
	if (pipe2(report, O_CLOEXEC) || (talk && (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))))
		return ui_fail(&demo_verb, "making a pipe: %s", strerror(errno));
	fflush(stdout);
	program->pid = fork();
	if (program->pid == 0)
		program_exec(path, argv, in[0], out[1], report[1], parent);
	program->in = in[1];
	program->out = out[0];
	if (talk) {
		close(in[0]);
		close(out[1]);
	}
	close(report[1]);
	if (program->pid < 0)
		error = errno;
	else if (read(report[0], &error, sizeof(error)) <= 0)
		error = 0; /* closed by the exec */
	close(report[0]);
	return error ? ui_fail(&demo_verb, "starting %s: %s", path, strerror(error)) : 0;
}

static void program_stop(struct program *program)
{
	if (program->pid <= 0)
		return;
	if (program->in >= 0)
		close(program->in);
	if (program->out >= 0)
		close(program->out);
	kill(program->pid, SIGKILL);
	waitpid(program->pid, NULL, 0);
	program->pid = 0;
}

/* Connect once it is there; NULL and one line if it does not come or ends before. */
static struct tacho_target *program_open(const struct program *program)
{
	siginfo_t ended = { .si_pid = 0 };
	struct tacho_target *target;
	char why[160] = "";
	int ms, error;

	for (ms = 0; ms < WAIT_MS && !ui_stop; ms += 10) {
		if (waitid(P_PID, (id_t)program->pid, &ended, WEXITED | WNOHANG | WNOWAIT) ||
		    ended.si_pid) {
			ui_fail(&demo_verb, "the program ended before anything could be seen");
			return NULL;
		}
		error = tacho_target_open(&target, program->pid, why, sizeof(why));
		if (error == 0 && target->nr_events)
			return target;
		tacho_target_close(target);
		if (error && error != -ENOENT)
			break;
		nap_ms(10);
	}
	ui_fail(&demo_verb, "%s", why[0] ? why : "the program has no events");
	return NULL;
}

/* Wait until its principals have all come, so that they have names from the first row on. */
static int program_settle(const struct program *program)
{
	struct tacho_target *target = program_open(program);
	uint32_t nr = UINT32_MAX;
	int i;

	if (!target)
		return UI_FAILED;
	for (i = 0; i < 50 && nr != target->nr_principals; i++) {
		nr = target->nr_principals;
		nap_ms(100);
		if (tacho_target_describe(target))
			break;
	}
	tacho_target_close(target);
	return UI_DONE;
}

/* --- text ----------------------------------------------------------------------------------- */

struct image {
	size_t bytes, differ;
	int files;
};

/* Compare one mapping with the file it came from. */
static bool text_compare(struct image *text, int mem, const char *path, uint64_t from,
			 uint64_t size, uint64_t off)
{
	unsigned char a[4096], b[4096];
	int file = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t at;
	ssize_t n, i;

	if (file < 0)
		return false;
	for (at = 0; at < size; at += (uint64_t)n) {
		n = pread(file, b, sizeof(b), (off_t)(off + at));
		if (n <= 0 || pread(mem, a, (size_t)n, (off_t)(from + at)) != n)
			break;
		for (i = 0; i < n && at + (uint64_t)i < size; i++)
			text->differ += a[i] != b[i];
		text->bytes += (size_t)n;
	}
	close(file);
	text->files++;
	/* a mapping ends with its page, its file may end before */
	return at + 4096 > size;
}

/* All executable mappings of files in a process. */
static int text_read(struct image *text, pid_t pid)
{
	unsigned long long from, to, off;
	char line[PATH_MAX + 128], flags[8], path[PATH_MAX];
	FILE *maps;
	bool good = true;
	int mem;

	memset(text, 0, sizeof(*text));
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (mem >= 0 && maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%llx-%llx %7s %llx %*s %*s %4095[^\n]", &from, &to, flags, &off,
			   path) == 5 &&
		    strchr(flags, 'x') && path[0] == '/')
			good = text_compare(text, mem, path, from, to - from, off) && good;
	if (maps)
		fclose(maps);
	if (mem >= 0)
		close(mem);
	if (!good || text->bytes == 0)
		return ui_fail(&demo_verb, "the text of process %d cannot be read", pid);
	return 0;
}

/* --- what one event costs ------------------------------------------------------------------- */

struct cost {
	double null, event; /* ns per round, medians */
	int batches;
};

/* Ask the program, which measures itself. */
static int cost_ask(const struct program *program, struct cost *cost)
{
	struct pollfd pollfd = { .fd = program->out, .events = POLLIN };
	char line[80];
	ssize_t n;

	if (write(program->in, "\n", 1) != 1 || poll(&pollfd, 1, WAIT_MS) != 1)
		return ui_fail(&demo_verb, "the program does not measure");
	n = read(program->out, line, sizeof(line) - 1);
	line[n > 0 ? n : 0] = '\0';
	if (sscanf(line, "%lf %lf %d", &cost->null, &cost->event, &cost->batches) != 3)
		return ui_fail(&demo_verb, "the program does not say what it measured");
	return 0;
}

/* An area with one log for the event, rows with everything in them. */
static int cost_area(struct tacho_memory *memory, const struct tacho_target *target, uint32_t id)
{
	struct tacho_area_options area = { .clock_source = target->clock_source,
					   .name = target->name };
	int log, error;

	error = tacho_memory_create(memory, &area);
	if (error)
		return error;
	log = tacho_memory_log_add(memory, 4096, TACHO_ENTRIES_ALL | TACHO_CLOCK_TIME, id,
				   TACHO_NONE);
	return log < 0 ? log : tacho_memory_route(memory, id, TACHO_NONE, (uint32_t)log, 1);
}

static uint64_t rows_written(const struct tacho_memory *memory)
{
	struct tacho_window window;
	struct tacho_cursor cursor;
	struct tacho_view view;
	uint64_t rows = 0;
	uint32_t cpu;

	if (tacho_view_open(&view, memory->base, memory->size, NULL, 0))
		return 0;
	for (cpu = 0; cpu < view.header.nr_cpus; cpu++)
		if (tacho_cursor_init(&cursor, &view, cpu, 1, 0) == 0 &&
		    tacho_window_open(&window, &cursor, &view) == 0)
			rows += window.end;
	return rows;
}

struct story {
	struct cost off, on;
	struct image before, during, after;
	uint64_t rows;
};

static int cost_story(struct story *story, const struct program *program,
		      struct tacho_target *target, struct tacho_memory *memory)
{
	uint32_t id;

	if (tacho_target_match(target, COST_EVENT, &id, 1) != 1)
		return ui_fail(&demo_verb, "the program has no event %s", COST_EVENT);
	if (text_read(&story->before, program->pid) || cost_ask(program, &story->off))
		return UI_FAILED;
	if (cost_area(memory, target, id))
		return ui_fail(&demo_verb, "the area could not be made");
	if (tacho_target_attach(target, memory) || tacho_target_enable(target, &id, 1))
		return ui_fail(&demo_verb, "%s", tacho_target_error(target));
	if (text_read(&story->during, program->pid) || cost_ask(program, &story->on))
		return UI_FAILED;
	story->rows = rows_written(memory);
	if (tacho_target_disable(target, &id, 1))
		return ui_fail(&demo_verb, "%s", tacho_target_error(target));
	return text_read(&story->after, program->pid);
}

/* To hundredths, because noise can make the difference of two medians "-0.00". */
static double per_event(const struct cost *cost)
{
	double hundredths = (cost->event - cost->null) * 100;

	return (double)(long)(hundredths + (hundredths < 0 ? -0.5 : 0.5)) / 100;
}

static void story_print(const struct story *story, const char *writer)
{
	const struct cost *off = &story->off, *on = &story->on;

	printf("What one event costs, measured in the program: medians of %d batches.\n\n",
	       off->batches);
	printf("  %sevent off  %6.2f ns%s   a loop with it %.2f ns, the same without %.2f ns\n",
	       ui_color(UI_BOLD), per_event(off), ui_color(UI_PLAIN), off->event, off->null);
	printf("  %sevent on   %6.2f ns%s   a row of %u bytes with a timestamp, %s writer\n\n",
	       ui_color(UI_BOLD), per_event(on), ui_color(UI_PLAIN),
	       TACHO_ROW_SIZE(TACHO_ENTRIES_ALL | TACHO_CLOCK_TIME), writer);
	printf("%llu rows were written for it.\n", (unsigned long long)story->rows);
	printf("Bytes of its text (%zu KB, %d files) that differ from its files:\n"
	       "  before %zu, while the event is on %zu, after that %zu.\n",
	       story->after.bytes / 1024, story->after.files, story->before.differ,
	       story->during.differ, story->after.differ);
}

static int show_cost(const char *path)
{
	char name[] = "queue", flag[] = "--cost", *argv[] = { name, flag, NULL };
	struct program program = { 0, -1, -1 };
	struct tacho_memory memory = { .fd = -1 };
	struct tacho_target *target = NULL;
	struct story story = { 0 };
	int status;

	status = program_start(&program, path, argv, true);
	if (!status)
		target = program_open(&program);
	if (target)
		status = cost_story(&story, &program, target, &memory);
	else
		status = UI_FAILED;
	if (!status) {
		story_print(&story, target->writer == 1 ? "rseq" : "generic");
		if (story.rows == 0)
			status = ui_fail(&demo_verb, "the event was on and no row was written");
		else if (story.after.differ != story.before.differ)
			status = ui_fail(&demo_verb, "the text of the program is not what it was");
	}
	tacho_target_close(target);
	if (memory.base)
		tacho_memory_destroy(&memory);
	program_stop(&program);
	return status;
}

/* --- the verb ------------------------------------------------------------------------------- */

/* As if it had been typed. */
static int show_verb(int (*verb)(int argc, char **argv), int argc, char **argv)
{
	int i, status;

	printf("%s$ tacho", ui_color(UI_BOLD));
	for (i = 0; i < argc; i++)
		printf(strchr(argv[i], '*') ? " '%s'" : " %s", argv[i]);
	printf("%s\n", ui_color(UI_PLAIN));
	fflush(stdout);
	ui_index = 0;
	status = verb(argc, argv);
	printf("\n");
	return ui_stop ? UI_FAILED : status;
}

#define SHOW(verb, ...)                                                                            \
	show_verb(verb, (int)(sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *)),                 \
		  (char *[]){ __VA_ARGS__, NULL })

/* The example that was built with this command, or is named. */
static int find_program(char *path, const char *given)
{
	char *slash;
	ssize_t n;

	if (given) {
		snprintf(path, PATH_MAX, "%s", given);
	} else {
		n = readlink("/proc/self/exe", path, PATH_MAX - 32);
		path[n > 0 ? n : 0] = '\0';
		slash = strrchr(path, '/');
		strcpy(slash ? slash : path, "/examples/queue");
	}
	if (access(path, X_OK))
		return ui_fail(&demo_verb, "%s: %s; name a program: tacho demo --process PROGRAM",
			       path, strerror(errno));
	return 0;
}

static int demo(const char *path)
{
	char name[] = "queue", list[] = "list", log[] = "log", all[] = "queue.*",
	     limit[] = "--limit", ten[] = "10", count[] = "--count", duration[] = "--for",
	     two[] = "2", pid[16];
	char *argv[] = { name, NULL };
	struct program program = { 0, -1, -1 };
	struct image text;
	int status;

	status = program_start(&program, path, argv, false);
	if (!status) {
		printf("%s: threads that produce and consume, with events in them.\n\n", path);
		status = program_settle(&program);
	}
	snprintf(pid, sizeof(pid), "%d", program.pid);
	if (!status)
		status = SHOW(list_main, list, pid);
	if (!status)
		status = SHOW(log_main, log, pid, all, limit, ten);
	if (!status)
		status = SHOW(log_main, log, pid, all, count, duration, two);
	if (!status)
		status = text_read(&text, program.pid);
	if (!status && text.differ)
		status = ui_fail(&demo_verb,
				 "%zu bytes of the program's text are not those of its files",
				 text.differ);
	program_stop(&program);
	return status ? status : show_cost(path);
}

int demo_process(const char *given)
{
	char path[PATH_MAX];
	int status = find_program(path, given);

	return status ? status : demo(path);
}
