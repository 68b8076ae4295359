/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * list.c: tacho list: the components that run, as they describe themselves.
 *
 * Asks each of them over its socket; there is no daemon that would know. Changes nothing: no site
 * is switched. A component that does not answer is told on standard error and left out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tacho/session.h>

#include "ui.h"

enum { OPT_JSON = 256 };

static const struct ui_option options[] = {
	{ "verbose", 'v', NULL, "what each event means, and the principals" },
	{ "json", OPT_JSON, NULL, "one JSON object with everything" },
	{ 0 },
};
static const struct ui_verb self = {
	"list",
	"[TARGET] [OPTION]...",
	"Shows each component that runs, its events, and whether they are on. TARGET is a\n"
	"pid or the name of a program.",
	options,
};

static const char *kind_name(uint32_t kind)
{
	static const char *const names[] = { "", "access", "span", "sample" };

	return kind <= TACHO_SAMPLE ? names[kind] : "";
}

static const char *writer_name(const struct tacho_target *target)
{
	return target->writer == 1 ? "rseq" : "generic";
}

static const char *clock_name(const struct tacho_target *target)
{
	return target->clock_source == TACHO_SOURCE_TSC ? "tsc" : "monotonic";
}

/* --- JSON ----------------------------------------------------------------------------------- */

static json_t *event_json(const struct tacho_event_entry *event)
{
	return json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:i, s:b}", "id", (int)event->id, "name",
			 event->name, "kind", kind_name(event->kind), "counter", event->counter,
			 "correspondent", event->correspondent, "doc", event->doc, "sites",
			 (int)event->nr_sites, "on", (int)(event->flags & TACHO_EVENT_ON));
}

static json_t *target_json(const struct tacho_target *target)
{
	json_t *events = json_array(), *principals = json_array();
	uint32_t i;

	for (i = 0; i < target->nr_events; i++)
		if (target->events[i].kind)
			json_array_append_new(events, event_json(&target->events[i]));
	for (i = 0; i < target->nr_principals; i++)
		json_array_append_new(principals,
				      json_pack("{s:I, s:s}", "principal",
						(json_int_t)target->principals[i].principal, "name",
						target->principals[i].name));
	return json_pack("{s:i, s:i, s:s, s:s, s:s, s:i, s:o, s:o}", "pid", target->pid, "own_pid",
			 target->own_pid, "name", target->name, "writer", writer_name(target),
			 "clock", clock_name(target), "sessions", (int)target->nr_sessions,
			 "events", events, "principals", principals);
}

/* --- text ----------------------------------------------------------------------------------- */

static const char *or_dash(const char *text)
{
	return text[0] ? text : "-";
}

/* Names in lines of at most 80 columns. */
static void principals_print(const struct tacho_target *target)
{
	int column = 0, len;
	char text[48];
	uint32_t i;

	for (i = 0; i < target->nr_principals; i++) {
		len = snprintf(text, sizeof(text), " %u %s%s", target->principals[i].principal,
			       target->principals[i].name,
			       i + 1 < target->nr_principals ? "," : "");
		if (column == 0 || column + len > 80)
			column = printf("%s      %s", i ? "\n" : "",
					i ? "          " : "principals") -
				 (i > 0);
		column += printf("%s", text);
	}
	if (i)
		printf("\n");
}

static void target_print(const struct tacho_target *target, bool verbose)
{
	const struct tacho_event_entry *event;
	uint32_t nr_events = 0, nr_sites = 0, id;
	int width = 5, len;

	for (id = 0; id < target->nr_events; id++) {
		event = &target->events[id];
		if (!event->kind)
			continue;
		nr_events++;
		nr_sites += event->nr_sites;
		len = (int)strlen(event->name);
		width = len > width ? len : width;
	}
	printf("%s%d %s%s: %u event%s at %u site%s, writer %s, clock %s, %u session%s\n",
	       ui_color(UI_BOLD), target->pid, target->name, ui_color(UI_PLAIN), nr_events,
	       nr_events == 1 ? "" : "s", nr_sites, nr_sites == 1 ? "" : "s", writer_name(target),
	       clock_name(target), target->nr_sessions, target->nr_sessions == 1 ? "" : "s");
	if (nr_events)
		printf("%s  ID  KIND    ON   SITES  %-*s  %-14s  %s%s\n", ui_color(UI_DIM), width,
		       "EVENT", "COUNTER", "CORRESPONDENT", ui_color(UI_PLAIN));
	for (id = 0; id < target->nr_events; id++) {
		event = &target->events[id];
		if (!event->kind)
			continue;
		printf("%4u  %-6s  %s%-3s%s  %5u  %-*s  %-14s  %s\n", id, kind_name(event->kind),
		       event->flags & TACHO_EVENT_ON ? ui_color(UI_GREEN) : "",
		       event->flags & TACHO_EVENT_ON ? "on" : "off",
		       event->flags & TACHO_EVENT_ON ? ui_color(UI_PLAIN) : "", event->nr_sites,
		       width, event->name, or_dash(event->counter), or_dash(event->correspondent));
		if (verbose && event->doc[0])
			printf("      %s%s%s\n", ui_color(UI_DIM), event->doc, ui_color(UI_PLAIN));
	}
	if (verbose)
		principals_print(target);
}

/* --- the verb ------------------------------------------------------------------------------- */

struct choice {
	const char *what; /* NULL: every component */
	bool verbose;
	bool json;
};

static int parse(struct choice *choice, int argc, char **argv)
{
	int found;

	while ((found = ui_next(&self, argc, argv)) > 0) {
		if (found == 'v')
			choice->verbose = true;
		else
			choice->json = true;
	}
	if (found < 0)
		return found;
	if (argc - ui_index > 1)
		return ~ui_usage(&self, "one target at most, %s is another", argv[ui_index + 1]);
	choice->what = argv[ui_index];
	return 0;
}

static int list(const struct choice *choice, const int *pids, size_t nr)
{
	json_t *components = choice->json ? json_array() : NULL;
	struct tacho_target *target;
	int error, status = UI_DONE;
	char why[160];
	size_t i;

	for (i = 0; i < nr; i++) {
		error = tacho_target_open(&target, pids[i], why, sizeof(why));
		if (error) {
			/* it ended between the list and the question */
			if (choice->what || (error != -ESRCH && error != -ENOENT))
				status = ui_fail(&self, "%s", why[0] ? why : strerror(-error));
			continue;
		}
		if (choice->json)
			json_array_append_new(components, target_json(target));
		else
			target_print(target, choice->verbose);
		tacho_target_close(target);
	}
	if (choice->json && ui_json_print(json_pack("{s:o}", "components", components)) == -ENOMEM)
		status = ui_fail(&self, "no memory");
	return ui_finish(&self, status);
}

int list_main(int argc, char **argv)
{
	struct choice choice = { NULL, false, false };
	int *pids = NULL, error, status;
	size_t nr;

	error = parse(&choice, argc, argv);
	if (error)
		return ~error;
	error = choice.what ? tacho_target_find(choice.what, &pids, &nr)
			    : tacho_target_list(&pids, &nr);
	if (error)
		status = ui_fail(&self, "looking for components: %s", strerror(-error));
	else if (nr == 0 && choice.what)
		status = ui_fail(&self, "no component is called %s", choice.what);
	else
		status = list(&choice, pids, nr);
	if (!error && nr == 0 && !choice.what && !choice.json)
		fprintf(stderr, "no component runs: nothing that is linked with libtacho\n");
	free(pids);
	return status;
}
