/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * demo.c: tacho demo: what this is good for, shown on this machine in half a minute.
 *
 * Owns the options and which part is shown: the scheduler (demo_mix.c), or a program with events of
 * its own (demo_process.c), which needs no privileges and is what is left where the first part is
 * not possible. Every number printed was measured in this run; every process that it starts ends
 * with it. Called by main.c.
 */
#include <errno.h>
#include <string.h>

#include "demo.h"

enum { OPT_ASCII = 256, OPT_PROCESS, OPT_REPORT };

static const struct ui_option options[] = {
	{ "process", OPT_PROCESS, NULL, "show an instrumented program instead" },
	{ "report", OPT_REPORT, "FILE", "the report [tacho-demo.html in TMPDIR or /tmp]" },
	{ "ascii", OPT_ASCII, NULL, "no characters beyond ASCII" },
	{ 0 },
};
const struct ui_verb demo_verb = {
	"demo",
	"[--process [PROGRAM]] [OPTION]...",
	"Starts programs that communicate and one that computes, measures what they get done\n"
	"under the stock kernel and with the scheduler, and shows what that moved and why.\n"
	"With --process: starts PROGRAM, by default the example queue beside this command,\n"
	"shows its events, measures what one costs, and checks that its text is as before.",
	options,
};

int demo_main(int argc, char **argv)
{
	bool process = false, ascii = false;
	const char *report = NULL;
	char why[300] = "";
	int found, status;

	while ((found = ui_next(&demo_verb, argc, argv)) > 0) {
		process = process || found == OPT_PROCESS;
		ascii = ascii || found == OPT_ASCII;
		if (found == OPT_REPORT)
			report = ui_argument;
	}
	if (found < 0)
		return ~found;
	if (report && (process || !report[0]))
		return ui_usage(&demo_verb, "--report: a file, and without --process");
	if (argc - ui_index > 1)
		return ui_usage(&demo_verb, "one program at most, %s is another",
				argv[ui_index + 1]);
	ui_catch_signals();
	if (process || argc > ui_index)
		return ui_finish(&demo_verb, demo_process(argv[ui_index]));
	status = demo_mix(report, ascii, why, sizeof(why));
	if (status == -EPERM || status == -EACCES || status == -EOPNOTSUPP) {
		ui_fail(&demo_verb, "no scheduler here: %s; here is the part about programs", why);
		status = demo_process(NULL);
	}
	return ui_finish(&demo_verb, status);
}
