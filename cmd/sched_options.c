/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sched_options.c: the command line of tacho sched.
 *
 * Owns the words and limits of the options: one table says what is understood and printed by
 * --help, a second one where each value goes. What contradicts itself is refused here, before
 * anything of the machine is touched. Called by sched.c.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "sched/policies.h"
#include "sched_verb.h"

enum {
	OPT_ALWAYS = 256,
	OPT_BY,
	OPT_CPU,
	OPT_DISK,
	OPT_DOMAIN,
	OPT_DRY_RUN,
	OPT_EXPLAIN,
	OPT_FIXED,
	OPT_FOR,
	OPT_FORCE,
	OPT_JSON,
	OPT_LAUNCH,
	OPT_LIST,
	OPT_LOGS,
	OPT_METRIC,
	OPT_MIN_AGE,
	OPT_MIN_GAIN,
	OPT_MOULD,
	OPT_NET,
	OPT_ONCE,
	OPT_PERIOD,
	OPT_POLICY,
	OPT_QUIET,
	OPT_RANDOM,
	OPT_READY,
	OPT_REPORT,
	OPT_RESTART,
	OPT_RESTORE,
	OPT_RUNS,
	OPT_SEED,
	OPT_TOPOLOGY
};

static const struct ui_option options[] = {
	{ "policy", OPT_POLICY, "NAME|FILE.so",
	  "who decides [auto]; a file of yours is run apart" },
	{ "list-policies", OPT_LIST, NULL, "print the built-in policies and exit" },
	{ "explain", OPT_EXPLAIN, NULL,
	  "tell the story: every decision in sentences, with its\n"
	  "facts and thresholds, and how each move was judged" },
	{ "dry-run", OPT_DRY_RUN, NULL, "print what would be done, do nothing" },
	{ "for", OPT_FOR, "SECONDS", "end after this time" },
	{ "json", OPT_JSON, NULL, "one JSON object per decision and line, totals at the end" },
	{ "quiet", OPT_QUIET, NULL, "print nothing but errors" },
	{ "restore", OPT_RESTORE, NULL, "undo what a killed scheduler left, and exit" },
	{ "force", OPT_FORCE, NULL, "also what was given CPUs by somebody else" },
	UI_OPTION_DOMAIN(OPT_DOMAIN),
	UI_OPTION_DOMAIN_BY(OPT_BY),
	{ "period", OPT_PERIOD, "MS", "time between two looks at the logs [20]" },
	{ "always", OPT_ALWAYS, NULL, "events are never switched off" },
	{ "min-age", OPT_MIN_AGE, "MS", "leave younger tasks alone [200]" },
	{ "min-gain", OPT_MIN_GAIN, "PERCENT", "what a move must promise [5]" },
	{ "metric", OPT_METRIC, "NAME",
	  "of the use of memory: cache, pages or faults\n"
	  "[the best there is]" },
	{ "topology", OPT_TOPOLOGY, "FILE", "processors as in this file, in hwloc's syntax" },
	{ "cpu", OPT_CPU, "PERCENT", "a task that uses so much computes [30]" },
	{ "disk", OPT_DISK, "KB/S", "one that moves so much uses the disk [50]" },
	{ "net", OPT_NET, "MB/S", "one that sends so much uses the network [1]" },
	{ "launch", OPT_LAUNCH, "FILE", "start the programs of a launch file, end with them" },
	{ "restart", OPT_RESTART, NULL, "each again, until all have run often enough" },
	{ "once", OPT_ONCE, NULL, "each once; the default" },
	{ "runs", OPT_RUNS, "N", "how often is enough [3]" },
	{ "random", OPT_RANDOM, NULL, "start times are drawn, the file has their largest" },
	{ "fixed", OPT_FIXED, NULL, "start times as in the file; the default" },
	{ "seed", OPT_SEED, "N", "of --random [1]" },
	{ "mould", OPT_MOULD, "FILE", "place them as a mould.log says" },
	{ "logs", OPT_LOGS, "DIRECTORY", "write scheduler.log, mould.log, time.log..." },
	{ "report", OPT_REPORT, "FILE", "write a report at the end; HTML if it ends in .html" },
	{ "ready", OPT_READY, "FD", "write a byte there when it is ready" },
	{ 0 },
};

const struct ui_verb sched_verb = {
	"sched",
	"[OPTION]... [-- COMMAND [ARGUMENT]...]",
	"Makes what communicates, competes or needs memory run where it runs best, tells why\n"
	"it moved each thing, and undoes all of it at its end. A COMMAND is its end as well.",
	options,
};

/* Where the value of an option goes. */
static const struct slot {
	int option;
	enum { FLAG, TEXT, WHOLE, REAL } kind;
	size_t offset;
	double min, max;
	double scale; /* of what is stored, to what is typed */
	const char *should;
} slots[] = {
#define SLOT(letter, type, member)                                                                 \
	.option = (letter), .kind = (type), .offset = offsetof(struct sched_choice, member)
#define LIMITS(from, to) .min = (from), .max = (to)
	{ SLOT(OPT_ALWAYS, FLAG, options.always) },
	{ SLOT(OPT_DRY_RUN, FLAG, options.dry_run) },
	{ SLOT(OPT_FORCE, FLAG, options.force) },
	{ SLOT(OPT_EXPLAIN, FLAG, explain) },
	{ SLOT(OPT_FIXED, FLAG, fixed) },
	{ SLOT(OPT_JSON, FLAG, json) },
	{ SLOT(OPT_LIST, FLAG, list_policies) },
	{ SLOT(OPT_ONCE, FLAG, once) },
	{ SLOT(OPT_QUIET, FLAG, quiet) },
	{ SLOT(OPT_RANDOM, FLAG, random) },
	{ SLOT(OPT_RESTART, FLAG, restart) },
	{ SLOT(OPT_RESTORE, FLAG, restore) },
	{ SLOT(OPT_LAUNCH, TEXT, launch) },
	{ SLOT(OPT_LOGS, TEXT, logs) },
	{ SLOT(OPT_METRIC, TEXT, options.metric) },
	{ SLOT(OPT_MOULD, TEXT, mould) },
	{ SLOT(OPT_REPORT, TEXT, report) },
	{ SLOT(OPT_TOPOLOGY, TEXT, options.topology) },
	{ SLOT(OPT_MIN_AGE, WHOLE, options.min_age_ms), LIMITS(0, 3600000),
	  .should = "0 to 3600000 ms" },
	{ SLOT(OPT_PERIOD, WHOLE, options.period_ms), LIMITS(1, 10000), .should = "1 to 10000 ms" },
	{ SLOT(OPT_RUNS, WHOLE, runs), LIMITS(1, 1000000), .should = "a number from 1 to 1000000" },
	{ SLOT(OPT_SEED, WHOLE, seed), LIMITS(0, UINT32_MAX), .should = "a number of 32 bits" },
	{ SLOT(OPT_CPU, REAL, options.cpu_threshold), LIMITS(0.01, 1000), .scale = 0.01,
	  .should = "0.01 to 1000 %" },
	{ SLOT(OPT_DISK, REAL, options.disk_threshold), LIMITS(0.01, 1e9), .scale = 1024,
	  .should = "0.01 to 1e9 KB/s" },
	{ SLOT(OPT_NET, REAL, options.net_threshold), LIMITS(0.0001, 1e6), .scale = 1048576,
	  .should = "0.0001 to 1e6 MB/s" },
	{ SLOT(OPT_MIN_GAIN, REAL, options.min_gain), LIMITS(0.1, 1000), .scale = 0.01,
	  .should = "0.1 to 1000 %" },
	{ SLOT(OPT_FOR, REAL, seconds), LIMITS(0.001, 1e9), .scale = 1,
	  .should = "seconds, more than 0" },
#undef SLOT
#undef LIMITS
};
#define NR_SLOTS (sizeof(slots) / sizeof(slots[0]))
_Static_assert(NR_SLOTS + 4 == sizeof(options) / sizeof(options[0]) - 1,
	       "each option has a slot, but those that option_take knows");

static const char *name_of(int option)
{
	const struct ui_option *at = options;

	while (at->name && at->letter != option)
		at++;
	return at->name ? at->name : "?";
}

/* Digits and at most one point, all of it; 0 is one. */
static bool real_parse(const char *text, double *real)
{
	char *end;

	if (!text[0] || text[strspn(text, "0123456789.")])
		return false;
	*real = strtod(text, &end);
	return end != text && *end == '\0';
}

static int slot_take(struct sched_choice *choice, const struct slot *slot, const char *text)
{
	void *at = (char *)choice + slot->offset;
	uint64_t whole;
	double real;

	switch (slot->kind) {
	case FLAG:
		*(bool *)at = true;
		return 0;
	case TEXT:
		if (!text[0])
			return ui_usage(&sched_verb, "--%s: nothing is said",
					name_of(slot->option));
		*(const char **)at = text;
		return 0;
	case WHOLE:
		if (!ui_number(text, (uint64_t)slot->min, (uint64_t)slot->max, &whole))
			break;
		*(unsigned *)at = (unsigned)whole;
		return 0;
	default:
		if (!real_parse(text, &real) || real < slot->min || real > slot->max)
			break;
		*(double *)at = real * slot->scale;
		return 0;
	}
	return ui_usage(&sched_verb, "--%s %s: should be %s", name_of(slot->option), text,
			slot->should);
}

/* A built-in one, or a file; one that lies here needs no "./". */
static int policy_take(struct sched_choice *choice, const char *text)
{
	const struct tacho_policy *const *policy;
	size_t len = strlen(text), at = 0;
	char names[200] = "";

	if (strchr(text, '/') || (len > 3 && strcmp(text + len - 3, ".so") == 0)) {
		if (len + 3 > sizeof(choice->policy))
			return ui_usage(&sched_verb, "--policy: a name of %zu bytes", len);
		snprintf(choice->policy, sizeof(choice->policy), "%s%s",
			 strchr(text, '/') ? "" : "./", text);
		choice->options.policy = choice->policy;
		return 0;
	}
	for (policy = tacho_policies; *policy; policy++) {
		if (strcmp((*policy)->name, text) == 0) {
			choice->options.policy = (*policy)->name;
			return 0;
		}
		if (at < sizeof(names))
			at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s",
					       at ? ", " : "", (*policy)->name);
	}
	return ui_usage(&sched_verb, "--policy %s: should be a file that ends in .so, or one of %s",
			text, names);
}

static int ready_take(struct sched_choice *choice, const char *text)
{
	uint64_t fd;

	if (!ui_number(text, 0, 1 << 20, &fd) || fcntl((int)fd, F_GETFD) < 0)
		return ui_usage(&sched_verb, "--ready %s: should be an open descriptor", text);
	/* it is ours: whoever reads it shall see its end, whatever the command does */
	if (fd > 2)
		(void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	choice->ready = (unsigned)fd + 1;
	return 0;
}

static int option_take(struct sched_choice *choice, int found)
{
	struct tacho_kernel_options *kernel = &choice->options.kernel;
	const struct slot *slot = slots;

	switch (found) {
	case OPT_POLICY:
		return policy_take(choice, ui_argument);
	case OPT_READY:
		return ready_take(choice, ui_argument);
	case OPT_DOMAIN:
		choice->rules[kernel->nr_rules++] = ui_argument;
		return 0;
	case OPT_BY:
		return ui_domain_by(&sched_verb, ui_argument, &kernel->by);
	}
	choice->has_seed = choice->has_seed || found == OPT_SEED;
	while (slot->option != found)
		slot++;
	return slot_take(choice, slot, ui_argument);
}

static int metric_check(const struct sched_choice *choice)
{
	static const char *const names[] = { "cache", "pages", "faults" };
	size_t i;

	if (!choice->options.metric)
		return 0;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(choice->options.metric, names[i]) == 0)
			return 0;
	return ui_usage(&sched_verb, "--metric %s: should be cache, pages or faults",
			choice->options.metric);
}

/* What makes no sense together. */
static int together_check(const struct sched_choice *choice)
{
	const struct {
		bool first, second;
		const char *words;
	} never[] = {
		{ choice->restart, choice->once, "--restart and --once" },
		{ choice->random, choice->fixed, "--random and --fixed" },
		{ choice->json, choice->explain, "--json and --explain" },
		{ choice->quiet, choice->explain, "--quiet and --explain" },
		{ choice->launch != NULL, choice->command != NULL, "--launch and a command" },
		{ choice->restore, choice->command != NULL, "--restore and a command" },
		{ choice->restore, choice->launch != NULL, "--restore and --launch" },
		{ choice->restore, choice->options.dry_run, "--restore and --dry-run" },
		{ choice->launch != NULL, choice->options.dry_run, "--launch and --dry-run" },
	}, needs[] = {
		{ choice->restart || choice->once, choice->launch != NULL, "--restart and --once" },
		{ choice->random || choice->fixed, choice->launch != NULL, "--random and --fixed" },
		{ choice->mould != NULL, choice->launch != NULL, "--mould" },
		{ choice->runs > 0, choice->launch != NULL, "--runs" },
		{ choice->has_seed, choice->launch != NULL, "--seed" },
	};
	size_t i;

	for (i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (never[i].first && never[i].second)
			return ui_usage(&sched_verb, "%s: one of them", never[i].words);
	for (i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		if (needs[i].first && !needs[i].second)
			return ui_usage(&sched_verb, "%s: of a launch file, see --launch",
					needs[i].words);
	if (choice->runs > 0 && !choice->restart)
		return ui_usage(&sched_verb, "--runs: how often is said of --restart");
	if (choice->has_seed && !choice->random)
		return ui_usage(&sched_verb, "--seed: of what --random draws");
	if (choice->mould && choice->options.policy && strcmp(choice->options.policy, "bind") != 0)
		return ui_usage(&sched_verb, "--mould: is replayed by policy bind, not %s",
				choice->options.policy);
	return 0;
}

int sched_options_parse(struct sched_choice *choice, int argc, char **argv)
{
	int found, wrong, dashes = 1;

	choice->seed = 1;
	choice->options.min_age_ms = 200;
	/* getopt moves words: those behind "--" are counted before */
	while (dashes < argc && strcmp(argv[dashes], "--") != 0)
		dashes++;
	while ((found = ui_next(&sched_verb, argc, argv)) > 0) {
		wrong = option_take(choice, found);
		if (wrong)
			return ~wrong;
	}
	if (found < 0)
		return found;
	if (ui_index < argc) {
		/* a word that happens to stand here is not run */
		if (argc - ui_index != argc - dashes - 1)
			return ~ui_usage(&sched_verb, "what is %s? A command comes after --",
					 argv[ui_index]);
		choice->command = argv + ui_index;
	}
	if (choice->options.min_age_ms == 0)
		choice->options.min_age_ms = 1; /* 0 is the default */
	choice->options.kernel.rules = choice->rules;
	wrong = ui_domains_check(&sched_verb, choice->rules, choice->options.kernel.nr_rules);
	if (!wrong)
		wrong = metric_check(choice);
	if (!wrong)
		wrong = together_check(choice);
	return wrong ? ~wrong : 0;
}
