/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sched_notes.c: what the scheduler did, as a line, as a story, as a JSON object.
 *
 * Owns the words for a person. Everything that is said comes from the note: nothing is looked up,
 * computed beyond a ratio, or left out in JSON. Pure: no clock, no file but the one that is given.
 * Called by sched.c, sched_live.c and the demonstration.
 */
#include <math.h>
#include <string.h>

#include "sched_verb.h"

#define SECOND_NS 1e9

enum ui_color sched_note_color(const struct tacho_note *note)
{
	switch (note->kind) {
	case TACHO_NOTE_PLACE:
	case TACHO_NOTE_NICE:
	case TACHO_NOTE_MEMORY:
	case TACHO_NOTE_CPUSET:
		return UI_BOLD;
	case TACHO_NOTE_KEEP:
		return UI_GREEN;
	case TACHO_NOTE_TAKE_BACK:
	case TACHO_NOTE_LOST:
	case TACHO_NOTE_BLIND:
		return UI_YELLOW;
	case TACHO_NOTE_POLICY:
		return UI_RED;
	default:
		return UI_PLAIN;
	}
}

static double seconds_of(const struct tacho_note *note, uint64_t start_ns)
{
	return (double)(int64_t)(note->time_ns - start_ns) / SECOND_NS;
}

/* "ping (4711)", "ping (thread 4712)", or nothing if it speaks of nobody. */
static void who_format(const struct tacho_note *note, char *who, size_t size)
{
	char name[sizeof(note->name)];

	text_clean(name, sizeof(name), note->name);
	who[0] = '\0';
	if (note->tid > 0 && note->tid != note->pid)
		snprintf(who, size, "%s (thread %d)", name, note->tid);
	else if (note->pid > 0)
		snprintf(who, size, "%s (%d)", name, note->pid);
	else if (name[0])
		snprintf(who, size, "%s", name);
}

/* What the sentence does not say: " (pid 4711, before: CPU 0-1)". */
static void more_format(const struct tacho_note *note, char *more, size_t size)
{
	char from[SCHED_CPUS_SIZE];
	size_t len;

	more[0] = '\0';
	if (note->pid <= 0 && note->tid <= 0)
		return;
	len = (size_t)snprintf(more, size,
			       note->tid > 0 && note->tid != note->pid ? " (thread %d" : " (pid %d",
			       note->tid > 0 ? note->tid : note->pid);
	if (note->kind == TACHO_NOTE_PLACE && tacho_cpus_count(&note->from))
		len += (size_t)snprintf(more + len, size - len, ", before: CPU %s",
					tacho_cpus_format(&note->from, from, sizeof(from)));
	snprintf(more + len, size - len, ")");
}

static bool has_progress(const struct tacho_note *note)
{
	return note->progress && note->progress[0] && (note->before > 0 || note->after > 0);
}

static bool has_fact(const struct tacho_note *note)
{
	return note->fact_name && note->fact_name[0];
}

void sched_note_line(const struct tacho_note *note, uint64_t start_ns, char *line, size_t size)
{
	char words[400], more[120], move[24] = "";

	more_format(note, more, sizeof(more));
	text_clean(words, sizeof(words), note->text ? note->text : "");
	/* the judgement of a move names it itself */
	if (note->move && strncmp(words, "move ", 5) != 0)
		snprintf(move, sizeof(move), "#%u ", note->move);
	snprintf(line, size, "%9.3f s  %-9s %s%s%s", seconds_of(note, start_ns),
		 tacho_note_names[note->kind], move, words, more);
}

/* --- the story ------------------------------------------------------------------------------ */

/* What a sentence about a note of each kind says; the text of the note follows. */
static const char *const sentences[TACHO_NR_NOTES] = {
	[TACHO_NOTE_START] = "The scheduler has started",
	[TACHO_NOTE_PLACE] = "is given CPUs",
	[TACHO_NOTE_NICE] = "gets another nice value",
	[TACHO_NOTE_MEMORY] = "has its memory moved",
	[TACHO_NOTE_CPUSET] = "is put into another cpuset",
	[TACHO_NOTE_RELEASE] = "is released: it may run where it could before",
	[TACHO_NOTE_TAKE_BACK] = "is taken back to how it was: the move did not help",
	[TACHO_NOTE_KEEP] = "stays where it was put: the move helped",
	[TACHO_NOTE_SKIP] = "is asked for and left alone",
	[TACHO_NOTE_WOULD] = "is left alone, and this is what another policy would do",
	[TACHO_NOTE_CHILD] = "was born while its parent was placed",
	[TACHO_NOTE_USER] = "was changed by somebody else meanwhile, whose it is from now on",
	[TACHO_NOTE_SPLIT] = "is looked at in another way",
	[TACHO_NOTE_CPUS] = "The processors of this machine have changed",
	[TACHO_NOTE_POLICY] = "The policy has failed",
	[TACHO_NOTE_LOST] = "Events were lost, so that facts are too small",
	[TACHO_NOTE_BLIND] = "Nothing says when to look at the logs",
	[TACHO_NOTE_END] = "The scheduler ends",
};

static const char *number_format(double x, char number[TEXT_NUMBER_SIZE + 8])
{
	if (fabs(x) < 10)
		snprintf(number, TEXT_NUMBER_SIZE + 8, "%.3g", x);
	else if (fabs(x) < 100000)
		snprintf(number, TEXT_NUMBER_SIZE + 8, "%.0f", x);
	else
		text_rate(number, x);
	return number;
}

static void story_fact(const struct tacho_note *note, FILE *out)
{
	char fact[TEXT_NUMBER_SIZE + 8], threshold[TEXT_NUMBER_SIZE + 8];

	fprintf(out, "             the fact: %s %s, compared with %s",
		number_format(note->fact, fact), note->fact_name,
		number_format(note->threshold, threshold));
	if (note->threshold > 0)
		fprintf(out, " (%.1f times as much)", note->fact / note->threshold);
	fprintf(out, "%s%s\n", note->policy && note->policy[0] ? "; the policy: " : "",
		note->policy ? note->policy : "");
}

static void story_progress(const struct tacho_note *note, FILE *out)
{
	char before[TEXT_NUMBER_SIZE + 8], after[TEXT_NUMBER_SIZE + 8];

	fprintf(out, "             judged by %s: %s before, %s after", note->progress,
		number_format(note->before, before), number_format(note->after, after));
	if (note->before > 0)
		fprintf(out, " (%.2f times as much)", note->after / note->before);
	fputc('\n', out);
}

void sched_note_story(const struct tacho_note *note, uint64_t start_ns, FILE *out)
{
	char who[80], words[400], from[SCHED_CPUS_SIZE], to[SCHED_CPUS_SIZE];

	who_format(note, who, sizeof(who));
	text_clean(words, sizeof(words), note->text ? note->text : "");
	fprintf(out, "%9.3f s  ", seconds_of(note, start_ns));
	if (note->move)
		fprintf(out, "move %u: ", note->move);
	if (who[0])
		fprintf(out, "%s ", who);
	fprintf(out, "%s.\n", sentences[note->kind]);
	if (words[0])
		fprintf(out, "             %s\n", words);
	if (tacho_cpus_count(&note->to) && tacho_cpus_count(&note->from))
		fprintf(out, "             from CPU %s to CPU %s",
			tacho_cpus_format(&note->from, from, sizeof(from)),
			tacho_cpus_format(&note->to, to, sizeof(to)));
	else if (tacho_cpus_count(&note->to))
		fprintf(out, "             CPU %s", tacho_cpus_format(&note->to, to, sizeof(to)));
	if (tacho_cpus_count(&note->to) && note->nr_tasks > 1)
		fprintf(out, ", %u tasks", note->nr_tasks);
	if (tacho_cpus_count(&note->to))
		fputc('\n', out);
	if (has_fact(note))
		story_fact(note, out);
	if (has_progress(note))
		story_progress(note, out);
	if (note->pages)
		fprintf(out, "             %llu pages\n", (unsigned long long)note->pages);
}

/* --- the end -------------------------------------------------------------------------------- */

void sched_end_line(const struct sched_end *end, char *line, size_t size)
{
	const struct tacho_sched_totals *totals = &end->totals;

	if (end->dry_run)
		snprintf(line, size, "%llu decision%s, nothing was done; own cost %.2f %% of a CPU",
			 (unsigned long long)totals->decisions, totals->decisions == 1 ? "" : "s",
			 totals->own_cpu * 100);
	else
		snprintf(line, size,
			 "%llu move%s, %llu kept, %llu taken back; everything is as before (%zu "
			 "task%s restored); own cost %.2f %% of a CPU",
			 (unsigned long long)totals->moves, totals->moves == 1 ? "" : "s",
			 (unsigned long long)totals->kept, (unsigned long long)totals->taken_back,
			 end->restored, end->restored == 1 ? "" : "s", totals->own_cpu * 100);
}

void sched_end_story(const struct sched_end *end, FILE *out)
{
	const struct tacho_sched_totals *totals = &end->totals;
	double wall = (double)totals->wall_ns / SECOND_NS;

	fprintf(out, "\nIn %.1f s it looked at the logs %llu times and decided %llu times.\n", wall,
		(unsigned long long)totals->rounds, (unsigned long long)totals->decisions);
	fprintf(out, "Events were on %.1f %% of the time, windows: %llu; rows: %llu, lost: %llu.\n",
		totals->wall_ns ? 100 * (double)totals->on_ns / (double)totals->wall_ns : 0,
		(unsigned long long)totals->windows, (unsigned long long)totals->rows,
		(unsigned long long)totals->lost);
	fprintf(out,
		"Moves: %llu, kept %llu, taken back %llu; wishes that were left alone: %llu.\n",
		(unsigned long long)totals->moves, (unsigned long long)totals->kept,
		(unsigned long long)totals->taken_back, (unsigned long long)totals->skipped);
	fprintf(out,
		"Children of placed tasks: %llu; pages moved: %llu; tasks that are as before: %zu.\n",
		(unsigned long long)totals->children, (unsigned long long)totals->pages,
		end->restored);
	fprintf(out, "A wake-up on another CPU costs %.1f us more here, measured at the start.\n",
		totals->wake_cost * 1e6);
	fprintf(out, "It cost %.2f %% of a CPU itself.\n", totals->own_cpu * 100);
}

/* --- JSON ----------------------------------------------------------------------------------- */

static json_t *number_json(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

static json_t *cpus_json(const struct tacho_cpus *cpus)
{
	json_t *array = json_array();
	uint32_t cpu = tacho_cpus_next(cpus, 0);

	for (; cpu != TACHO_POLICY_NONE; cpu = tacho_cpus_next(cpus, cpu + 1))
		json_array_append_new(array, json_integer(cpu));
	return array;
}

static json_t *string_json(const char *string)
{
	char clean[400];

	if (!string || !string[0])
		return json_null();
	text_clean(clean, sizeof(clean), string);
	return json_string(clean);
}

json_t *sched_note_json(const struct tacho_note *note, uint64_t start_ns)
{
	json_t *fact = json_null(), *progress = json_null();

	if (has_fact(note))
		fact = json_pack("{s:o, s:o, s:o}", "name", string_json(note->fact_name), "value",
				 number_json(note->fact), "threshold",
				 number_json(note->threshold));
	if (has_progress(note))
		progress =
			json_pack("{s:o, s:o, s:o}", "name", string_json(note->progress), "before",
				  number_json(note->before), "after", number_json(note->after));
	return json_pack(
		"{s:s, s:I, s:f, s:o, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:I, s:o}",
		"note", tacho_note_names[note->kind], "time_ns", (json_int_t)note->time_ns,
		"seconds", seconds_of(note, start_ns), "name", string_json(note->name), "pid",
		note->pid, "tid", note->tid, "tasks", (int)note->nr_tasks, "move", (int)note->move,
		"from", cpus_json(&note->from), "to", cpus_json(&note->to), "policy",
		string_json(note->policy), "fact", fact, "progress", progress, "pages",
		(json_int_t)note->pages, "text", string_json(note->text));
}

json_t *sched_end_json(const struct sched_end *end)
{
	const struct tacho_sched_totals *totals = &end->totals;
	const struct {
		const char *name;
		uint64_t value;
	} counts[] = {
		{ "rounds", totals->rounds },	    { "windows", totals->windows },
		{ "decisions", totals->decisions }, { "moves", totals->moves },
		{ "kept", totals->kept },	    { "taken_back", totals->taken_back },
		{ "skipped", totals->skipped },	    { "children", totals->children },
		{ "pages", totals->pages },	    { "rows", totals->rows },
		{ "lost", totals->lost },	    { "on_ns", totals->on_ns },
		{ "wall_ns", totals->wall_ns },
	};
	json_t *object = json_object();
	size_t i;

	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		json_object_set_new(object, counts[i].name,
				    json_integer((json_int_t)counts[i].value));
	json_object_set_new(object, "own_cpu_percent", number_json(totals->own_cpu * 100));
	json_object_set_new(object, "wake_cost_us", number_json(totals->wake_cost * 1e6));
	return json_pack("{s:s, s:b, s:I, s:o}", "ended", end->why, "dry_run", end->dry_run,
			 "restored", (json_int_t)end->restored, "totals", object);
}
