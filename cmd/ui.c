/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ui.c: options, refusals, colours, JSON, for all verbs.
 *
 * Owns the form of what a person reads. Must not know what any verb does. Options are generated
 * from one table per verb: what --help prints is what is understood, and nothing else is.
 * Abbreviations are refused, because each of them would become a promise.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tacho/session.h>

#include "facts/live.h"
#include "kernel/probe.h"
#include "kernel/rules.h"
#include "ui.h"

#define MAX_OPTIONS 64
#define HELP	    0x100000

const char *ui_argument;
int ui_index;
volatile sig_atomic_t ui_stop, ui_stop_typed;

/* --- options -------------------------------------------------------------------------------- */

static void help_option(int letter, const char *name, const char *argument, const char *help)
{
	const char *second = strchr(help, '\n');
	int width;

	width = printf("  %c%c%s--%s%s%s", letter && letter < 256 ? '-' : ' ',
		       letter && letter < 256 ? letter : ' ', letter && letter < 256 ? ", " : "  ",
		       name, argument ? " " : "", argument ? argument : "");
	if (width > 27)
		width = printf("\n") * 0;
	printf("%*s%.*s\n", 28 - width, "", (int)(second ? second - help : (long)strlen(help)),
	       help);
	if (second)
		printf("%28s%s\n", "", second + 1);
}

static void help(const struct ui_verb *verb)
{
	const struct ui_option *option;

	printf("usage: tacho %s%s%s\n\n%s\n\n", verb->name, verb->arguments[0] ? " " : "",
	       verb->arguments, verb->about);
	for (option = verb->options; option->name; option++)
		help_option(option->letter, option->name, option->argument, option->help);
	help_option('h', "help", NULL, "print this and exit");
}

/* The table in the form of getopt. */
static void options_make(const struct ui_verb *verb, struct option *longs, char *shorts)
{
	const struct ui_option *option;
	int i = 0;

	*shorts++ = ':'; /* a missing argument is told from an unknown option */
	for (option = verb->options; option->name && i < MAX_OPTIONS - 2; option++, i++) {
		longs[i].name = option->name;
		longs[i].has_arg = option->argument ? required_argument : no_argument;
		longs[i].val = option->letter;
		if (option->letter > 255)
			continue;
		*shorts++ = (char)option->letter;
		if (option->argument)
			*shorts++ = ':';
	}
	longs[i].name = "help";
	longs[i].val = HELP;
	*shorts++ = 'h';
	*shorts = '\0';
}

/* Whether the word that getopt took for a long option names it in full. */
static bool in_full(const char *word, const char *name)
{
	size_t len = strlen(name);

	return strncmp(word, "--", 2) == 0 && strncmp(word + 2, name, len) == 0 &&
	       (word[2 + len] == '\0' || word[2 + len] == '=');
}

/* getopt has refused; the word is the one before the next, unless several letters share it. */
static int refuse(const struct ui_verb *verb, int found, const char *word)
{
	if (strncmp(word, "--", 2) == 0 && found == ':')
		return ui_usage(verb, "option %s needs an argument", word);
	if (strncmp(word, "--", 2) == 0 && optopt)
		return ui_usage(verb, "option %.*s takes no argument", (int)strcspn(word, "="),
				word);
	if (strncmp(word, "--", 2) == 0)
		return ui_usage(verb, "there is no option %.*s", (int)strcspn(word, "="), word);
	if (found == ':')
		return ui_usage(verb, "option -%c needs an argument", optopt);
	return ui_usage(verb, "there is no option -%c",
			isprint((unsigned char)optopt) ? optopt : '?');
}

int ui_next(const struct ui_verb *verb, int argc, char **argv)
{
	struct option longs[MAX_OPTIONS] = { { 0 } };
	char shorts[2 * MAX_OPTIONS + 4];
	int found, at = -1, word;

	options_make(verb, longs, shorts);
	opterr = 0;
	if (ui_index == 0)
		optind = 0; /* a verb starts: getopt forgets the words of another */
	found = getopt_long(argc, argv, shorts, longs, &at);
	word = optind - 1;
	ui_argument = found > 0 ? optarg : NULL;
	ui_index = optind;
	if (found == -1)
		return 0;
	if (found == '?' || found == ':')
		return ~refuse(verb, found, argv[word < argc && word > 0 ? word : argc - 1]);
	if (at >= 0) {
		if (longs[at].has_arg && word > 1 && !strchr(argv[word], '=') &&
		    optarg == argv[word])
			word--;
		if (strncmp(argv[word], "--", 2) == 0 && !in_full(argv[word], longs[at].name))
			return ~ui_usage(verb, "there is no option %.*s, did you mean --%s",
					 (int)strcspn(argv[word], "="), argv[word], longs[at].name);
	}
	if (found == HELP || found == 'h') {
		help(verb);
		return ~ui_finish(verb, UI_DONE);
	}
	return found;
}

/* --- one line ------------------------------------------------------------------------------- */

static void complain(const struct ui_verb *verb, const char *fmt, va_list ap, const char *more)
{
	char text[1024];
	size_t i;

	vsnprintf(text, sizeof(text), fmt, ap);
	for (i = 0; text[i]; i++) /* whatever a word of the command line contains, one line it is */
		if (iscntrl((unsigned char)text[i]))
			text[i] = '?';
	fflush(stdout);
	fprintf(stderr, "tacho%s%s: %s%s\n", verb->name[0] ? " " : "", verb->name, text, more);
}

int ui_fail(const struct ui_verb *verb, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(verb, fmt, ap, "");
	va_end(ap);
	return UI_FAILED;
}

int ui_fail_lines(const struct ui_verb *verb, const char *text)
{
	const char *end;

	for (; *text; text = *end ? end + 1 : end) {
		end = strchrnul(text, '\n');
		if (end > text)
			ui_fail(verb, "%.*s", (int)(end - text), text);
	}
	return UI_FAILED;
}

int ui_usage(const struct ui_verb *verb, const char *fmt, ...)
{
	char more[64];
	va_list ap;

	snprintf(more, sizeof(more), "; see tacho %s%s--help", verb->name,
		 verb->name[0] ? " " : "");
	va_start(ap, fmt);
	complain(verb, fmt, ap, more);
	va_end(ap);
	return UI_USAGE;
}

bool ui_number(const char *text, uint64_t min, uint64_t max, uint64_t *number)
{
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*number = strtoull(text, &end, 0);
	return errno == 0 && *end == '\0' && *number >= min && *number <= max;
}

bool ui_seconds(const char *text, double *seconds)
{
	char *end;

	if (!isdigit((unsigned char)text[0]) && text[0] != '.')
		return false;
	*seconds = strtod(text, &end);
	return end != text && *end == '\0' && isfinite(*seconds) && *seconds > 0 && *seconds < 1e9;
}

/* --- signals and time ----------------------------------------------------------------------- */

static void stop(int signal, siginfo_t *info, void *context)
{
	(void)context;
	ui_stop_typed = info->si_code == SI_KERNEL;
	ui_stop = signal;
}

void ui_catch_signals(void)
{
	/* no SA_RESTART: waits end */
	struct sigaction action = { .sa_sigaction = stop, .sa_flags = SA_SIGINFO };

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

int64_t ui_now_ns(void)
{
	return (int64_t)tacho_live_now();
}

/* --- standard output ------------------------------------------------------------------------ */

bool ui_terminal(void)
{
	static int terminal = -1;
	const char *term = getenv("TERM");

	if (terminal < 0)
		terminal = isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
	return terminal;
}

const char *ui_color(enum ui_color color)
{
	static const char *const sequences[] = { "\033[0m",  "\033[1m",	 "\033[2m",
						 "\033[32m", "\033[33m", "\033[31m" };
	const char *none = getenv("NO_COLOR");

	return ui_terminal() && (!none || !none[0]) ? sequences[color] : "";
}

static int json_out(json_t *object, size_t flags)
{
	int error;

	if (!object)
		return -ENOMEM;
	error = json_dumpf(object, stdout, flags | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9)) ||
		putchar('\n') == EOF;
	json_decref(object);
	return error ? -EIO : 0;
}

int ui_json_line(json_t *object)
{
	return json_out(object, JSON_COMPACT);
}

int ui_json_print(json_t *object)
{
	return json_out(object, JSON_INDENT(2));
}

int ui_finish(const struct ui_verb *verb, int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	/* the reader of a pipe went away: it has what it wanted */
	if (errno == EPIPE)
		return status;
	return ui_fail(verb, "standard output: %s", strerror(errno));
}

/* --- targets -------------------------------------------------------------------------------- */

int ui_target_pid(const struct ui_verb *verb, const char *text)
{
	char pids_text[80] = "";
	size_t nr, i, len = 0;
	int error, *pids, pid = 0;

	error = tacho_target_find(text, &pids, &nr);
	if (error) {
		ui_fail(verb, "looking for components: %s", strerror(-error));
	} else if (nr == 0) {
		ui_fail(verb, "no component is called %s; tacho list shows those that run", text);
	} else if (nr > 1) {
		for (i = 0; i < nr && len < sizeof(pids_text) - 16; i++)
			len += (size_t)snprintf(pids_text + len, sizeof(pids_text) - len, "%s%d",
						i ? ", " : "", pids[i]);
		ui_fail(verb, "%zu components are called %s: say which, by pid (%s%s)", nr, text,
			pids_text, i < nr ? ", ..." : "");
	} else {
		pid = pids[0];
	}
	free(pids);
	return pid;
}

/* --- the kernel ----------------------------------------------------------------------------- */

const char *ui_kernel_by(enum tacho_kernel_by by)
{
	static const char *const names[] = {
		[TACHO_BY_PROCESS] = "process", [TACHO_BY_THREAD] = "thread",
		[TACHO_BY_CGROUP] = "cgroup",	[TACHO_BY_USER] = "user",
		[TACHO_BY_VM] = "vm",
	};

	return (size_t)by < sizeof(names) / sizeof(names[0]) ? names[by] : "?";
}

int ui_domain_by(const struct ui_verb *verb, const char *text, enum tacho_kernel_by *by)
{
	int at;

	for (at = 0; at <= TACHO_BY_VM; at++) {
		if (strcmp(text, ui_kernel_by((enum tacho_kernel_by)at)) == 0) {
			*by = (enum tacho_kernel_by)at;
			return 0;
		}
	}
	return ui_usage(verb, "--domain-by %s: should be process, thread, cgroup, user or vm",
			text);
}

/* A rule that is wrong is wrong usage, whatever this machine can do. */
int ui_domains_check(const struct ui_verb *verb, const char *const *rules, size_t nr)
{
	struct tacho_rules parsed;
	char why[200];

	if (tacho_rules_parse(&parsed, rules, nr, why, sizeof(why)))
		return ui_usage(verb, "--domain: %s", why);
	tacho_rules_fini(&parsed);
	return 0;
}

const char *ui_kernel_pids(void)
{
	return tacho_kernel_sees_host() ? NULL
					: "in a pid namespace of its own it knows tasks of the "
					  "host by number only; rules do not match them";
}
