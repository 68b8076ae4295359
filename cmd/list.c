/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * list.c: tacho list: the components that run, as they describe themselves.
 *
 * First the kernel and the hypervisor: what they have is in the kernel's type information, and
 * nothing is loaded to find out. Then the processes, each asked over its socket; there is no daemon
 * that would know. Changes nothing: no site is switched. A component that does not answer is told on
 * standard error and left out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tacho/session.h>

#include "kernel/kernel.h"
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
	"Shows each component that runs, its events, and whether they are on. TARGET is\n"
	"kernel, hypervisor, a pid or the name of a program.",
	options,
};

/* A component, whichever it is. */
struct component {
	const char *name;
	const char *writer;
	const char *clock;
	const struct tacho_target *target; /* NULL: it is no process */
	const struct tacho_event_entry *events;
	uint32_t nr_events;
	const char (*why)[64]; /* what is lacking for an event of kind 0; NULL: then it is none */
	const char *missing; /* why nobody can log them here, or empty */
};

static const char *kind_name(uint32_t kind)
{
	static const char *const names[] = { "-", "access", "span", "sample" };

	return kind <= TACHO_SAMPLE ? names[kind] : "";
}

static struct component of_target(const struct tacho_target *target)
{
	return (struct component){
		.name = target->name,
		.writer = target->writer == 1 ? "rseq" : "generic",
		.clock = target->clock_source == TACHO_SOURCE_TSC ? "tsc" : "monotonic",
		.target = target,
		.events = target->events,
		.nr_events = target->nr_events,
		.missing = "",
	};
}

static bool is_shown(const struct component *component, uint32_t id)
{
	return component->events[id].kind || (component->why && component->why[id][0]);
}

/* --- JSON ----------------------------------------------------------------------------------- */

static json_t *event_json(const struct component *component, uint32_t id)
{
	const struct tacho_event_entry *event = &component->events[id];
	json_t *object = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:i}", "id", (int)id, "name",
				   event->name, "kind", kind_name(event->kind), "counter",
				   event->counter, "correspondent", event->correspondent, "doc",
				   event->doc, "sites", (int)event->nr_sites);

	json_object_set_new(object, "on",
			    component->target ? json_boolean(event->flags & TACHO_EVENT_ON)
					      : json_null()); /* nobody knows */
	if (component->why)
		json_object_set_new(object, "why_not",
				    event->kind ? json_null() : json_string(component->why[id]));
	return object;
}

static json_t *component_json(const struct component *component)
{
	const struct tacho_target *target = component->target;
	json_t *events = json_array(), *principals = json_array(), *object;
	uint32_t i;

	for (i = 0; i < component->nr_events; i++)
		if (is_shown(component, i))
			json_array_append_new(events, event_json(component, i));
	for (i = 0; target && i < target->nr_principals; i++)
		json_array_append_new(principals,
				      json_pack("{s:I, s:s}", "principal",
						(json_int_t)target->principals[i].principal, "name",
						target->principals[i].name));
	object = json_pack("{s:i, s:i, s:s, s:s, s:s, s:o, s:o}", "pid", target ? target->pid : 0,
			   "own_pid", target ? target->own_pid : 0, "name", component->name,
			   "writer", component->writer, "clock", component->clock, "events", events,
			   "principals", principals);
	json_object_set_new(object, "sessions",
			    target ? json_integer(target->nr_sessions) : json_null());
	if (!target)
		json_object_set_new(object, "why_not",
				    component->missing[0] ? json_string(component->missing)
							  : json_null());
	return object;
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

static const char *plural(uint32_t nr)
{
	return nr == 1 ? "" : "s";
}

static void title_print(const struct component *component, uint32_t nr_events, uint32_t nr_sites)
{
	const struct tacho_target *target = component->target;

	printf("%s", ui_color(UI_BOLD));
	if (target)
		printf("%d ", target->pid);
	printf("%s%s: %u event%s at %u site%s, writer %s, clock %s", component->name,
	       ui_color(UI_PLAIN), nr_events, plural(nr_events), nr_sites, plural(nr_sites),
	       component->writer, component->clock);
	if (target)
		printf(", %u session%s", target->nr_sessions, plural(target->nr_sessions));
	printf("\n");
}

/* Widths of the columns of names and of counters. */
struct widths {
	int name, counter;
};

static void event_print(const struct component *component, uint32_t id, struct widths widths,
			bool verbose)
{
	const struct tacho_event_entry *event = &component->events[id];
	const bool on = event->flags & TACHO_EVENT_ON;

	printf("%4u  %-6s  ", id, kind_name(event->kind));
	if (component->target)
		printf("%s%-3s%s  ", on ? ui_color(UI_GREEN) : "", on ? "on" : "off",
		       on ? ui_color(UI_PLAIN) : "");
	printf("%5u  %-*s  ", event->nr_sites, widths.name, event->name);
	if (event->kind)
		printf("%-*s  %s\n", widths.counter, or_dash(event->counter),
		       or_dash(event->correspondent));
	else
		printf("%snot here: %s%s\n", ui_color(UI_YELLOW), component->why[id],
		       ui_color(UI_PLAIN));
	if (verbose && event->doc[0])
		printf("      %s%s%s\n", ui_color(UI_DIM), event->doc, ui_color(UI_PLAIN));
}

static void component_print(const struct component *component, bool verbose)
{
	struct widths widths = { 5, 14 };
	uint32_t nr_events = 0, nr_sites = 0, id;
	int len;

	for (id = 0; id < component->nr_events; id++) {
		if (!is_shown(component, id))
			continue;
		nr_events += component->events[id].kind != 0;
		nr_sites += component->events[id].nr_sites;
		len = (int)strlen(component->events[id].name);
		widths.name = len > widths.name ? len : widths.name;
		len = (int)strlen(component->events[id].counter);
		widths.counter = len > widths.counter ? len : widths.counter;
	}
	title_print(component, nr_events, nr_sites);
	if (component->missing[0])
		printf("%s      %s%s\n", ui_color(UI_YELLOW), component->missing,
		       ui_color(UI_PLAIN));
	if (nr_events)
		printf("%s  ID  KIND    %sSITES  %-*s  %-*s  %s%s\n", ui_color(UI_DIM),
		       component->target ? "ON   " : "", widths.name, "EVENT", widths.counter,
		       "COUNTER", "CORRESPONDENT", ui_color(UI_PLAIN));
	for (id = 0; id < component->nr_events; id++)
		if (is_shown(component, id))
			event_print(component, id, widths, verbose);
	if (verbose && component->target)
		principals_print(component->target);
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

/* In either form. */
static void show(const struct choice *choice, const struct component *component, json_t *components)
{
	if (choice->json)
		json_array_append_new(components, component_json(component));
	else
		component_print(component, choice->verbose);
}

static bool is_wanted(const struct choice *choice, const char *name)
{
	return !choice->what || strcmp(choice->what, name) == 0;
}

/* One object, two components: the events of virtual machines are the hypervisor's. */
static int list_kernel(const struct choice *choice, json_t *components)
{
	static const char *const names[] = { "kernel", "hypervisor" };
	struct tacho_kernel_probe *probe = malloc(sizeof(*probe)), *part = malloc(sizeof(*part));
	struct component component = { .writer = "ebpf", .clock = "monotonic" };
	int status = UI_DONE;
	uint32_t i, id;

	if (!probe || !part) {
		status = ui_fail(&self, "no memory");
		goto out;
	}
	tacho_kernel_probe(probe);
	for (i = 0; i < 2; i++) {
		if (!is_wanted(choice, names[i]))
			continue;
		*part = *probe;
		for (id = 0; id < TACHO_K_NR; id++) {
			/* task.track is for sessions to follow tasks with, and not to be looked at */
			if (id != TACHO_K_TASK_TRACK &&
			    (strncmp(part->events[id].name, "vm.", 3) == 0) == (i == 1))
				continue;
			part->events[id].kind = 0;
			part->why[id][0] = '\0';
		}
		component.name = names[i];
		component.events = part->events;
		component.nr_events = TACHO_K_NR;
		component.why = (const char(*)[64])part->why;
		component.missing = part->missing;
		show(choice, &component, components);
	}
out:
	free(probe);
	free(part);
	return status;
}

static int list_processes(const struct choice *choice, const int *pids, size_t nr,
			  json_t *components)
{
	struct tacho_target *target;
	struct component component;
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
		component = of_target(target);
		show(choice, &component, components);
		tacho_target_close(target);
	}
	return status;
}

static int list(const struct choice *choice)
{
	const bool kernel = is_wanted(choice, "kernel") || is_wanted(choice, "hypervisor");
	json_t *components = json_array();
	int *pids = NULL, error = 0, status = UI_DONE;
	size_t nr = 0;

	if (kernel)
		status = list_kernel(choice, components);
	if (!choice->what || !kernel)
		error = choice->what ? tacho_target_find(choice->what, &pids, &nr)
				     : tacho_target_list(&pids, &nr);
	if (error)
		status = ui_fail(&self, "looking for components: %s", strerror(-error));
	else if (nr == 0 && !kernel)
		status = ui_fail(&self, "no component is called %s", choice->what);
	else if (list_processes(choice, pids, nr, components))
		status = UI_FAILED;
	if (choice->json && (kernel || nr) &&
	    ui_json_print(json_pack("{s:O}", "components", components)) == -ENOMEM)
		status = ui_fail(&self, "no memory");
	if (!error && nr == 0 && !choice->what && !choice->json) {
		fflush(stdout);
		fprintf(stderr, "no process runs that is linked with libtacho\n");
	}
	json_decref(components);
	free(pids);
	return ui_finish(&self, status);
}

int list_main(int argc, char **argv)
{
	struct choice choice = { NULL, false, false };
	int error = parse(&choice, argc, argv);

	return error ? ~error : list(&choice);
}
