/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_sched_text.c: what tacho sched and its demonstration say and draw: lines, stories, JSON, pictures.
 *
 * Everything here is pure: notes and inputs made by hand become text, and what comes out is compared. Names that a
 * process may give itself are hostile. Frames are drawn in many sizes to see that nothing leaves the window.
 */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/demo.h"
#include "cmd/sched_verb.h"
#include "t.h"

#define START	  1000000000ull
#define SECOND_NS 1000000000ull

const struct ui_verb sched_verb = { "sched", "", "", NULL };
const struct ui_verb demo_verb = { "demo", "", "", NULL };

static struct tacho_note note_make(enum tacho_note_kind kind)
{
	struct tacho_note note = {
		.kind = kind,
		.time_ns = START + SECOND_NS / 2,
		.name = "ping",
		.pid = 4711,
		.nr_tasks = 1,
		.move = 3,
		.policy = "affinity",
		.fact_name = "wake-ups/s",
		.fact = 24000,
		.threshold = 500,
		.text = "they take turns",
	};

	tacho_cpus_add(&note.from, 0);
	tacho_cpus_add(&note.from, 1);
	tacho_cpus_add(&note.to, 1);
	return note;
}

T_CASE(cpus_are_ranges)
{
	char text[SCHED_CPUS_SIZE];
	struct tacho_cpus cpus = { { 0 } };
	uint32_t cpu;

	T_STREQ(tacho_cpus_format(&cpus, text, sizeof(text)), "none");
	tacho_cpus_add(&cpus, 3);
	T_STREQ(tacho_cpus_format(&cpus, text, sizeof(text)), "3");
	tacho_cpus_add(&cpus, 4);
	tacho_cpus_add(&cpus, 5);
	tacho_cpus_add(&cpus, 63);
	tacho_cpus_add(&cpus, 64);
	tacho_cpus_add(&cpus, 1023);
	T_STREQ(tacho_cpus_format(&cpus, text, sizeof(text)), "3-5,63-64,1023");
	/* the longest of all texts is cut */
	for (cpu = 0; cpu < 1024; cpu += 2)
		tacho_cpus_add(&cpus, cpu);
	tacho_cpus_format(&cpus, text, sizeof(text));
	T_OK(strlen(text) < SCHED_CPUS_SIZE);
	T_STREQ(text + strlen(text) - 3, "...");
}

T_CASE(a_note_is_one_line)
{
	struct tacho_note note = note_make(TACHO_NOTE_PLACE);
	char line[200];

	note.text = "ping to CPU 1: they take turns";
	sched_note_line(&note, START, line, sizeof(line));
	T_STREQ(line, "    0.500 s  place     #3 ping to CPU 1: they take turns (pid 4711, before: "
		      "CPU 0-1)");
	note.tid = 4712;
	note.move = 0;
	memset(&note.from, 0, sizeof(note.from));
	sched_note_line(&note, START, line, sizeof(line));
	T_STREQ(line, "    0.500 s  place     ping to CPU 1: they take turns (thread 4712)");
	note.kind = TACHO_NOTE_KEEP;
	note.move = 3;
	note.tid = 0;
	note.text = "move 3 kept: 1 before, 2 after";
	sched_note_line(&note, START, line, sizeof(line));
	T_STREQ(line, "    0.500 s  keep      move 3 kept: 1 before, 2 after (pid 4711)");
	strcpy(note.name, "a\nb\033[2J\xff");
	note.text = "two\nlines";
	sched_note_line(&note, START, line, sizeof(line));
	T_EQ(strcspn(line, "\n\033\xff"), strlen(line));
	/* cut, and ended */
	sched_note_line(&note, START, line, 20);
	T_EQ(strlen(line), 19u);
}

T_CASE(every_kind_has_its_words)
{
	struct tacho_note note;
	char line[200], *story;
	json_t *json;
	size_t size;
	FILE *out;
	int kind;

	for (kind = 0; kind < TACHO_NR_NOTES; kind++) {
		note = note_make((enum tacho_note_kind)kind);
		sched_note_line(&note, START, line, sizeof(line));
		T_OK(strstr(line, tacho_note_names[kind]));
		out = open_memstream(&story, &size);
		sched_note_story(&note, START, out);
		fclose(out);
		T_OK(!strstr(story, "(null)"));
		T_OK(strstr(story, "compared with 500 (48.0 times as much)"));
		free(story);
		json = sched_note_json(&note, START);
		T_OK(json != NULL);
		T_STREQ(json_string_value(json_object_get(json, "note")), tacho_note_names[kind]);
		json_decref(json);
	}
}

T_CASE(json_has_what_there_is)
{
	struct tacho_note note = note_make(TACHO_NOTE_KEEP);
	json_t *json, *progress;

	note.progress = "bytes/s";
	note.before = 1;
	note.after = 2;
	strcpy(note.name, "\xff\xfe\n");
	json = sched_note_json(&note, START);
	T_OK(json != NULL);
	progress = json_object_get(json, "progress");
	T_EQ((int)json_real_value(json_object_get(progress, "after")), 2);
	T_EQ((int)json_array_size(json_object_get(json, "from")), 2);
	T_EQ((int)json_integer_value(json_array_get(json_object_get(json, "to"), 0)), 1);
	json_decref(json);
	/* nothing is null, and no number is NaN */
	memset(&note, 0, sizeof(note));
	note.fact_name = "x";
	note.fact = 0.0 / 0.0;
	json = sched_note_json(&note, START);
	T_OK(json != NULL);
	T_OK(json_is_null(json_object_get(json, "text")));
	T_OK(json_is_null(json_object_get(json_object_get(json, "fact"), "value")));
	json_decref(json);
}

T_CASE(the_end_in_one_line)
{
	struct sched_end end = { .why = "time", .restored = 1 };
	char line[300];
	json_t *json;

	end.totals.moves = 1;
	end.totals.kept = 1;
	end.totals.own_cpu = 0.003;
	sched_end_line(&end, line, sizeof(line));
	T_STREQ(line,
		"1 move, 1 kept, 0 taken back; everything is as before (1 task restored); own "
		"cost 0.30 % of a CPU");
	json = sched_end_json(&end);
	T_EQ((int)json_integer_value(json_object_get(json_object_get(json, "totals"), "moves")), 1);
	json_decref(json);
	end.dry_run = true;
	sched_end_line(&end, line, sizeof(line));
	T_OK(strstr(line, "nothing was done"));
}

/* No line of a frame is wider than its window, and none is drawn below it. */
static void frame_check(const struct text *text, int columns, int lines)
{
	char line[4096];
	const char *at = text->at, *end;
	int nr = 0;

	T_OK(!text->failed);
	for (; at && at < text->at + text->len; at = end + 1, nr++) {
		end = memchr(at, '\n', (size_t)(text->at + text->len - at));
		T_OK(end != NULL);
		snprintf(line, sizeof(line), "%.*s", (int)(end - at), at);
		T_OK(text_width(line, text->utf8) <= columns);
	}
	T_OK(lines == 0 || nr <= lines);
}

T_CASE(the_live_picture_stays_in_its_window)
{
	static struct tacho_policy_domain domains[80];
	static const struct tacho_policy_cpu cpus[20] = { { .id = 7, .busy = 2 } };
	const struct tacho_policy_pair pairs[2] = { { .a = 0, .b = 1, .rate = 48000 },
						    { .a = 1, .b = 79, .rate = 1e12 } };
	struct tacho_policy_input input = { .time_ns = START,
					    .nr_cpus = 20,
					    .nr_domains = 80,
					    .nr_pairs = 2,
					    .cpus = cpus,
					    .domains = domains,
					    .pairs = pairs };
	struct sched_live *live = sched_live_new(START);
	struct tacho_sched_totals totals = { .moves = 1 };
	struct tacho_note note = note_make(TACHO_NOTE_PLACE);
	int columns, lines, i;
	struct text text;

	T_OK(live != NULL);
	for (i = 0; i < 80; i++) {
		memset(domains[i].name, i % 3 ? 'x' : '\xff', sizeof(domains[i].name));
		domains[i].home = i % 2 ? TACHO_POLICY_NONE : (uint32_t)i;
		domains[i].placed = note.to;
		domains[i].service = i;
	}
	sched_live_view(live, &input);
	for (i = 0; i < 1000; i++) {
		note.pid = i;
		note.kind = (enum tacho_note_kind)(i % TACHO_NR_NOTES);
		sched_live_note(live, &note);
	}
	for (columns = 1; columns < 200; columns += 7)
		for (lines = 12; lines < 90; lines += 5) {
			text_init(&text, columns, lines % 2, false);
			sched_live_draw(live, &text, lines, "auto", &totals, START + SECOND_NS);
			frame_check(&text, columns, 0);
			text_fini(&text);
		}
	sched_live_free(live);
}

T_CASE(the_picture_of_the_demo)
{
	struct demo_picture picture = { .nr_cpus = 2, .cpus = { 0, 1 }, .nr_tasks = 3 };
	struct text text;
	char *all;
	uint32_t i;

	picture.tasks[0].name = "ping";
	picture.tasks[1].name = "pong";
	picture.tasks[2].name = "hog";
	picture.tasks[0].share[0] = 0.5;
	picture.tasks[1].share[1] = 0.25;
	picture.tasks[2].is_paused = true;
	picture.nr_links = 1;
	picture.links[0].b = 1;
	picture.links[0].rate = 24000;
	text_init(&text, 80, false, false);
	demo_picture_draw(&picture, &text);
	all = strndup(text.at, text.len);
	T_OK(strstr(all, "| ping            50 % |  |"));
	T_OK(strstr(all, "ping <--- 24.0k/s --->  pong") || strstr(all, "ping <---"));
	T_OK(strstr(all, "100 % across CPUs"));
	T_OK(strstr(all, "  asleep: hog"));
	free(all);
	text_fini(&text);
	/* both on one CPU, on many processors: those without any of them are not drawn */
	picture.tasks[1].share[0] = 0.5;
	picture.tasks[1].share[1] = 0;
	picture.nr_cpus = DEMO_CPUS;
	for (i = 0; i < DEMO_CPUS; i++)
		picture.cpus[i] = i;
	text_init(&text, 60, false, false);
	demo_picture_draw(&picture, &text);
	all = strndup(text.at, text.len);
	T_OK(strstr(all, "on one CPU"));
	T_OK(!strstr(all, "CPU 1:"));
	frame_check(&text, 60, 0);
	free(all);
	text_fini(&text);
}

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "C.UTF-8");
	return t_main(argc, argv);
}
