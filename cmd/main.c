/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c: the tacho command: finds the verb and runs it.
 *
 * Owns the table of verbs, from which the usage is generated. A verb is one function in a file of its name;
 * a new one is a line here and a prototype in ui.h. Exit status: 0 done, 1 it could not, 2 wrong
 * usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "ui.h"

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *about;
} verbs[] = {
	{ "list", list_main, "the components that run, and their events" },
	{ "log", log_main, "events of a component, live, as rows or as totals" },
	{ "top", top_main, "who uses the processors, who talks to whom, live" },
	{ "sched", sched_main, "make what communicates or competes run where it runs best" },
	{ "check", check_main, "whether the file of an area keeps all rules of the format" },
	{ "doctor", doctor_main, "what this machine has for tacho, and what is lost without it" },
	{ "demo", demo_main, "a mix of programs before, with and after the scheduler" },
};
#define NR_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const struct ui_option options[] = {
	{ "version", 'V', NULL, "print the version and exit" },
	{ 0 },
};
static const struct ui_verb self = { "", "VERB [OPTION]... [ARGUMENT]...", "", options };

static void usage(FILE *out)
{
	size_t i;

	fprintf(out, "usage: tacho VERB [OPTION]... [ARGUMENT]...\n"
		     "       tacho VERB --help\n"
		     "       tacho --version\n\n"
		     "Event logs a scheduler can read. The verbs:\n\n");
	for (i = 0; i < NR_VERBS; i++)
		fprintf(out, "  %-10s%s\n", verbs[i].name, verbs[i].about);
}

/*
 * Where whoever started us has closed standard input, output or error, what we open first would have
 * that number, and what we print would be written into it. So these are opened, for the other
 * direction: to read or to write is an error, as it was.
 */
static int standard_open(void)
{
	int fd;

	for (fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
			return -errno;
	return 0;
}

int main(int argc, char **argv)
{
	int error = standard_open();
	size_t i;

	if (error)
		return ui_fail(&self, "/dev/null: %s", strerror(-error));
	/* a closed pipe is an error of write, so that the session is ended in order */
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2)
		return ui_usage(&self, "no verb");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		usage(stdout);
		return ui_finish(&self, UI_DONE);
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("tacho %s\n", TACHO_RELEASE);
		return ui_finish(&self, UI_DONE);
	}
	for (i = 0; i < NR_VERBS; i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	if (argv[1][0] == '-')
		return ui_usage(&self, "there is no option %s", argv[1]);
	return ui_usage(&self, "there is no verb %s", argv[1]);
}
