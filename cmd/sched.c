/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sched.c: tacho sched: the scheduler, for a person who wants to know what it does and why.
 *
 * Owns the loop around sched/sched.h, the command that it may run, what is printed when, and the
 * end: whatever ends it, all is undone and that is said. Decides nothing itself. Decisions go to
 * standard output, one per line, or into the picture of a terminal; beside a command, which has its
 * own output, to standard error. Called by main.c. Section 4.5 of paper 001.
 */
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sched/ledger.h"
#include "sched/policies.h"
#include "sched_verb.h"
#include "screen.h"

#define SECOND_NS  1000000000ll
#define COMMAND_MS 3000 /* that it has to end after a signal */

struct run {
	struct sched_choice *choice;
	struct tacho_sched *sched;
	struct sched_jobs *jobs;
	struct sched_live *live; /* NULL: no picture */
	struct sched_logs *logs; /* NULL: none wanted */
	struct sched_report *report;
	struct text text;
	FILE *out; /* for a person or a program; NULL: nothing is said */
	uint64_t start_ns;
	int64_t end_ns, draw_ns; /* when due */
	const char *why; /* it ends; NULL: it goes on */
	int wake; /* epoll of all that can wake the loop */
	int64_t set_ns; /* when the timer will; 0: it has never been set */
	int timer;
	pid_t command; /* 0: none, or it has ended */
	int command_fd;
	int command_status; /* of the shell's kind */
	struct tacho_note first; /* how it started */
	char first_text[300];
	char words[1000]; /* how we were called, for the report */
	char wrong[300]; /* why the scheduler cannot go on; empty: it can */
	char later[1200]; /* lines, for when the picture is gone */
	bool utf8, quit, has_screen;
};

/* --- what happened -------------------------------------------------------------------------- */

static void json_say(struct run *run, json_t *object)
{
	if (!object)
		return;
	json_dumpf(object, run->out, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9));
	fputc('\n', run->out);
	json_decref(object);
}

static void say(struct run *run, const struct tacho_note *note)
{
	char line[700];
	bool color = run->out == stdout;

	if (run->choice->json) {
		json_say(run, sched_note_json(note, run->start_ns));
	} else if (run->choice->explain) {
		sched_note_story(note, run->start_ns, run->out);
	} else {
		sched_note_line(note, run->start_ns, line, sizeof(line));
		fprintf(run->out, "%s%s%s\n", color ? ui_color(sched_note_color(note)) : "", line,
			color ? ui_color(UI_PLAIN) : "");
	}
	/* whoever went away does not want to know any more */
	if (fflush(run->out) != 0)
		run->why = run->why ? run->why : "output";
}

static void tell(struct run *run, const struct tacho_note *note)
{
	if (run->live)
		sched_live_note(run->live, note);
	else if (run->out)
		say(run, note);
	if (run->logs)
		sched_logs_note(run->logs, note);
	if (run->report)
		sched_report_note(run->report, note);
}

/* The first one comes before the files are open, and is told when they are. */
static void on_note(void *arg, const struct tacho_note *note)
{
	struct run *run = arg;

	if (note->kind != TACHO_NOTE_START) {
		tell(run, note);
		return;
	}
	run->first = *note;
	snprintf(run->first_text, sizeof(run->first_text), "%s", note->text);
	run->first.text = run->first_text;
}

static void on_view(void *arg, const struct tacho_policy_input *input)
{
	struct run *run = arg;

	if (run->live)
		sched_live_view(run->live, input);
	if (run->logs)
		sched_logs_view(run->logs, input);
	if (run->report)
		sched_report_view(run->report, input);
}

static void on_job(void *arg, const struct sched_job *job)
{
	struct run *run = arg;

	if (run->logs)
		sched_logs_job(run->logs, job);
	if (run->report)
		sched_report_job(run->report, job);
}

static void on_complaint(void *arg, const char *line)
{
	struct run *run = arg;
	size_t len = strlen(run->later);

	if (run->has_screen)
		snprintf(run->later + len, sizeof(run->later) - len, "%s\n", line);
	else
		ui_fail(&sched_verb, "%s", line);
}

/* --- the command ---------------------------------------------------------------------------- */

/* In the child: wait until there is a scheduler, then be the command. */
static void command_exec(char **argv, int gate, int report)
{
	char byte;
	int error;

	signal(SIGPIPE, SIG_DFL); /* main.c ignores it, and that would be inherited */
	if (read(gate, &byte, 1) != 1)
		_exit(UI_FAILED);
	execvp(argv[0], argv);
	error = errno;
	if (write(report, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(127);
}

static int command_start(struct run *run)
{
	int gate[2], report[2], error = 0;
	char **argv = run->choice->command;

	if (pipe2(gate, O_CLOEXEC) || pipe2(report, O_CLOEXEC))
		return ui_fail(&sched_verb, "making a pipe: %s", strerror(errno));
	fflush(NULL);
	run->command = fork();
	if (run->command == 0) {
		close(gate[1]);
		command_exec(argv, gate[0], report[1]);
	}
	close(gate[0]);
	close(report[1]);
	if (run->command < 0)
		error = errno;
	else if (write(gate[1], "", 1) != 1 || read(report[0], &error, sizeof(error)) <= 0)
		error = 0; /* closed by the exec */
	close(gate[1]);
	close(report[0]);
	if (error) {
		if (run->command > 0)
			waitpid(run->command, NULL, 0);
		run->command = 0;
		return ui_fail(&sched_verb, "starting %s: %s", argv[0], strerror(error));
	}
	run->command_fd = (int)syscall(SYS_pidfd_open, run->command, 0);
	if (run->command_fd < 0)
		return ui_fail(&sched_verb, "pidfd_open: %s", strerror(errno));
	return UI_DONE;
}

/* Whether it has ended; its status is kept. */
static bool command_ended(struct run *run, int flags)
{
	int status;

	if (run->command == 0 || waitpid(run->command, &status, flags) != run->command)
		return false;
	run->command = 0;
	run->command_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return true;
}

/*
 * We end before the command does: a signal to us is for it as well, and so is the end of its time.
 * What was typed at the terminal it has got already, from the kernel. Where the scheduler cannot go
 * on, the command does, and is waited for.
 */
static void command_end(struct run *run)
{
	int64_t patience = ui_now_ns() + COMMAND_MS * (SECOND_NS / 1000);

	if (run->command == 0)
		return;
	if (strcmp(run->why, "error") == 0) {
		while (run->command && !command_ended(run, 0) && errno == EINTR)
			if (ui_stop && !ui_stop_typed)
				kill(run->command, ui_stop);
		return;
	}
	if (!ui_stop || !ui_stop_typed)
		kill(run->command, ui_stop ? ui_stop : SIGTERM);
	while (run->command && !command_ended(run, WNOHANG) && ui_now_ns() < patience)
		usleep(10000);
	if (run->command)
		run->command_status =
			ui_fail(&sched_verb, "the command goes on, as process %d", run->command);
}

/* --- the loop ------------------------------------------------------------------------------- */

static void draw(struct run *run, int64_t now)
{
	struct tacho_sched_totals totals;
	int columns, lines;

	screen_size(&columns, &lines);
	tacho_sched_totals(run->sched, &totals);
	text_fini(&run->text);
	text_init(&run->text, columns, run->utf8, ui_color(UI_BOLD)[0] != '\0');
	sched_live_draw(run->live, &run->text, lines, run->choice->options.policy, &totals,
			(uint64_t)now);
	screen_show(run->text.at, run->text.len);
	run->draw_ns = now + SECOND_NS;
}

static void keys_take(struct run *run, int64_t now)
{
	int key;

	while ((key = screen_key(0)) != SCREEN_NONE) {
		if (key == 'q' || key == SCREEN_CLOSED)
			run->quit = true;
		if (key == SCREEN_CLOSED)
			break;
		draw(run, now);
	}
}

static void watch(struct run *run, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (fd >= 0)
		epoll_ctl(run->wake, EPOLL_CTL_ADD, fd, &event);
}

/* The timer, to the first of what is due by the clock. */
static void timer_set(struct run *run, int64_t now)
{
	struct itimerspec at = { { 0, 0 }, { 0, 0 } };
	int64_t due = run->end_ns;
	double jobs = run->jobs ? sched_jobs_next(run->jobs) : -1;

	if (run->live && run->draw_ns < due)
		due = run->draw_ns;
	if (jobs >= 0 && jobs < 1e6 && now + (int64_t)(jobs * 1e9) < due)
		due = now + (int64_t)(jobs * 1e9);
	/* 50 times a second nothing has changed */
	if (due == run->set_ns && due > now)
		return;
	run->set_ns = due;
	if (due != INT64_MAX) {
		due = due > now ? due : now + 1;
		at.it_value.tv_sec = due / SECOND_NS;
		at.it_value.tv_nsec = due % SECOND_NS;
	}
	timerfd_settime(run->timer, TFD_TIMER_ABSTIME, &at, NULL);
}

/* What is wrong is said when all is undone. */
static void give_up(struct run *run, int error, const char *words)
{
	run->why = "error";
	snprintf(run->wrong, sizeof(run->wrong), "%s",
		 words && words[0] ? words : strerror(-error));
}

/* What ends it, if anything does. */
static const char *why_end(struct run *run, int64_t now)
{
	char why[300] = "";
	int jobs = run->jobs ? sched_jobs_round(run->jobs, why, sizeof(why)) : 0;

	if (!run->why && jobs < 0)
		give_up(run, jobs, why);
	if (run->why)
		return run->why;
	if (jobs > 0)
		return "jobs";
	if (ui_stop || run->quit)
		return "signal";
	if (command_ended(run, WNOHANG))
		return "command";
	return now >= run->end_ns ? "time" : NULL;
}

/* Until something ends it: run->why. */
static void follow(struct run *run)
{
	int64_t now;
	int error;

	while (!run->why) {
		error = tacho_sched_round(run->sched);
		if (error) {
			give_up(run, error, tacho_sched_error(run->sched));
			break;
		}
		now = ui_now_ns();
		if (run->live)
			keys_take(run, now);
		if (run->live && now >= run->draw_ns)
			draw(run, now);
		run->why = why_end(run, now);
		if (run->why)
			break;
		timer_set(run, now);
		error = tacho_sched_wait(run->sched, run->wake);
		if (error < 0 && error != -EINTR)
			give_up(run, error, tacho_sched_error(run->sched));
	}
}

static void ready_tell(struct run *run)
{
	int fd = (int)run->choice->ready - 1;

	if (fd < 0)
		return;
	if (write(fd, "", 1) < 0)
		ui_fail(&sched_verb, "--ready %d: %s", fd, strerror(errno));
	if (fd > 2)
		close(fd);
}

/* --- files ---------------------------------------------------------------------------------- */

/* The scheduler is open: the files of another one that runs are not touched. */
static int files_open(struct run *run)
{
	const struct sched_choice *choice = run->choice;
	const struct sched_logs_options logs = { .directory = choice->logs,
						 .nr_nodes =
							 tacho_sched_topology(run->sched)->nr_nodes,
						 .start_ns = run->start_ns,
						 .complain = on_complaint,
						 .arg = run };
	const struct sched_report_options report = { .command = run->words,
						     .policy = choice->options.policy,
						     .topology = choice->options.topology,
						     .start_ns = run->start_ns };
	char why[300] = "";
	int error = 0;

	if (choice->report)
		error = sched_report_check(choice->report);
	if (error)
		return ui_fail(&sched_verb, "%s: %s", choice->report, strerror(-error));
	if (choice->report || choice->logs)
		error = sched_report_open(&run->report, &report);
	if (error)
		return ui_fail(&sched_verb, "the report: %s", strerror(-error));
	if (choice->logs)
		error = sched_logs_open(&run->logs, &logs, why, sizeof(why));
	if (error)
		return ui_fail(&sched_verb, "%s", why[0] ? why : strerror(-error));
	return UI_DONE;
}

static int files_end(struct run *run, const struct tacho_sched_totals *totals)
{
	const char *path = run->choice->report;
	int error = 0, status = UI_DONE;

	if (run->report)
		sched_report_end(run->report, totals);
	if (run->logs)
		sched_logs_report(run->logs, run->report);
	if (path && run->report)
		error = sched_report_write(run->report, path);
	if (error)
		status = ui_fail(&sched_verb, "%s: %s", path, strerror(-error));
	return status;
}

/* --- the verb ------------------------------------------------------------------------------- */

static void end_say(struct run *run, const struct sched_end *end)
{
	char line[300];

	if (!run->out || ferror(run->out))
		return;
	if (run->choice->json) {
		json_say(run, sched_end_json(end));
		return;
	}
	if (run->choice->explain)
		sched_end_story(end, run->out);
	if (strcmp(end->why, "error") == 0)
		return;
	sched_end_line(end, line, sizeof(line));
	fflush(stdout);
	fprintf(stderr, "tacho sched: %s\n", line);
}

/* The scheduler is open. */
static int schedule(struct run *run)
{
	struct sched_end end = { .why = "error", .dry_run = run->choice->options.dry_run };
	int status = files_open(run), error, files;
	bool has_files = !status;

	if (has_files && run->first.text)
		tell(run, &run->first);
	if (!has_files)
		run->out = NULL; /* it did not even begin */
	if (!status && run->jobs)
		status = sched_jobs_start(run->jobs, run->sched);
	if (!status && run->choice->command)
		status = command_start(run);
	if (!status && run->live) {
		error = screen_open();
		run->has_screen = !error;
		if (error)
			status = ui_fail(&sched_verb, "the terminal: %s", strerror(-error));
	}
	if (!status) {
		watch(run, run->timer);
		watch(run, run->command_fd);
		watch(run, run->jobs ? sched_jobs_fd(run->jobs) : -1);
		watch(run, run->live ? STDIN_FILENO : -1);
		ready_tell(run);
		follow(run);
		status = strcmp(run->why, "error") == 0 ? UI_FAILED : UI_DONE;
	} else {
		run->why = "error";
	}
	if (run->has_screen)
		screen_close();
	run->has_screen = false;
	ui_fail_lines(&sched_verb, run->later);
	tacho_sched_totals(run->sched, &end.totals);
	tacho_sched_close(run->sched, &end.restored);
	end.why = run->why;
	end_say(run, &end);
	if (run->wrong[0])
		ui_fail(&sched_verb, "%s; everything is as before (%zu task%s restored)",
			run->wrong, end.restored, end.restored == 1 ? "" : "s");
	command_end(run);
	sched_jobs_close(run->jobs);
	run->jobs = NULL;
	files = has_files ? files_end(run, &end.totals) : UI_DONE;
	return status ? status : files;
}

static int run_all(struct run *run)
{
	struct sched_choice *choice = run->choice;
	const struct sched_jobs_choice jobs = { .launch = choice->launch,
						.mould = choice->mould,
						.restart = choice->restart,
						.random = choice->random,
						.runs = choice->runs ? choice->runs : 3,
						.seed = choice->seed,
						.output = choice->logs,
						.tell = on_job,
						.complain = on_complaint,
						.arg = run };
	char why[300] = "";
	int error, status = UI_DONE;

	if (choice->launch)
		status = sched_jobs_open(&run->jobs, &jobs);
	if (status)
		return status;
	if (!choice->options.policy)
		choice->options.policy =
			choice->mould || sched_jobs_bind(run->jobs) ? "bind" : "auto";
	error = tacho_sched_open(&run->sched, &choice->options, why, sizeof(why));
	if (error)
		return ui_fail(&sched_verb, "%s", why[0] ? why : strerror(-error));
	run->end_ns =
		choice->seconds > 0 ? ui_now_ns() + (int64_t)(choice->seconds * 1e9) : INT64_MAX;
	status = schedule(run);
	if (status)
		return status;
	if (choice->command)
		return run->command_status;
	return ui_finish(&sched_verb, UI_DONE);
}

static int run_init(struct run *run, struct sched_choice *choice)
{
	struct tacho_sched_options *options = &choice->options;

	setlocale(LC_CTYPE, "");
	run->choice = choice;
	run->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	run->start_ns = tacho_live_now();
	run->command_fd = -1;
	/* books are full only while events are on */
	options->always = options->always || choice->logs || choice->report || choice->launch;
	options->note = on_note;
	options->view = on_view;
	options->arg = run;
	if (!choice->quiet)
		run->out = choice->command ? stderr : stdout;
	if (!choice->quiet && !choice->json && !choice->explain && !choice->command &&
	    !options->dry_run && screen_possible())
		run->live = sched_live_new(run->start_ns);
	run->wake = epoll_create1(EPOLL_CLOEXEC);
	run->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (run->wake < 0 || run->timer < 0)
		return ui_fail(&sched_verb, "nothing to wait with: %s", strerror(errno));
	ui_catch_signals();
	return UI_DONE;
}

static int policies_list(const struct sched_choice *choice)
{
	const struct tacho_policy *const *policy;
	json_t *object;

	for (policy = tacho_policies; *policy; policy++) {
		if (!choice->json) {
			printf("%-10s%s\n", (*policy)->name, (*policy)->doc);
			continue;
		}
		object = json_pack("{s:s, s:s}", "policy", (*policy)->name, "doc", (*policy)->doc);
		ui_json_line(object);
	}
	return ui_finish(&sched_verb, UI_DONE);
}

static int restore(const struct sched_choice *choice)
{
	char why[300] = "";
	size_t undone = 0;
	int owner = 0, error;

	error = tacho_ledger_restore(TACHO_LEDGER_FILE, &tacho_world_real, &owner, &undone, why,
				     sizeof(why));
	if (error && error != -ENOENT)
		return ui_fail(&sched_verb, "%s", why[0] ? why : strerror(-error));
	if (choice->json)
		ui_json_line(json_pack("{s:I}", "restored", (json_int_t)undone));
	else if (!choice->quiet && error == -ENOENT)
		printf("nothing to undo: no scheduler left anything\n");
	else if (!choice->quiet)
		printf("%zu task%s as before\n", undone, undone == 1 ? " is" : "s are");
	return ui_finish(&sched_verb, UI_DONE);
}

/* How we were called: for the report. Options are sorted later. */
static void words_keep(struct run *run, int argc, char **argv)
{
	size_t len = (size_t)snprintf(run->words, sizeof(run->words), "tacho");
	int i;

	for (i = 0; i < argc && len < sizeof(run->words); i++)
		len += (size_t)snprintf(run->words + len, sizeof(run->words) - len, " %s", argv[i]);
}

int sched_main(int argc, char **argv)
{
	struct sched_choice choice = { .seconds = 0 };
	struct run run = { .command_fd = -1 };
	int status;

	choice.rules = calloc((size_t)argc + 1, sizeof(*choice.rules));
	if (!choice.rules)
		return ui_fail(&sched_verb, "no memory");
	words_keep(&run, argc, argv);
	status = ~sched_options_parse(&choice, argc, argv);
	if (status == ~0 && choice.list_policies) {
		status = policies_list(&choice);
	} else if (status == ~0 && choice.restore) {
		status = restore(&choice);
	} else if (status == ~0) {
		status = run_init(&run, &choice);
		if (!status)
			status = run_all(&run);
		sched_jobs_close(run.jobs);
		sched_logs_close(run.logs);
		sched_report_close(run.report);
		sched_live_free(run.live);
		text_fini(&run.text);
		close(run.wake);
		close(run.timer);
		if (run.command_fd >= 0)
			close(run.command_fd);
	}
	free(choice.rules);
	return status;
}
