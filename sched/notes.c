// SPDX-License-Identifier: BSD-2-Clause
/*
 * notes.c: what the scheduler tells its caller, and errors.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sched_internal.h"

const char *const tacho_note_names[TACHO_NR_NOTES] = {
	[TACHO_NOTE_START] = "start",	      [TACHO_NOTE_PLACE] = "place",
	[TACHO_NOTE_NICE] = "nice",	      [TACHO_NOTE_MEMORY] = "memory",
	[TACHO_NOTE_CPUSET] = "cpuset",	      [TACHO_NOTE_RELEASE] = "release",
	[TACHO_NOTE_TAKE_BACK] = "take back", [TACHO_NOTE_KEEP] = "keep",
	[TACHO_NOTE_SKIP] = "skip",	      [TACHO_NOTE_WOULD] = "would",
	[TACHO_NOTE_CHILD] = "child",	      [TACHO_NOTE_USER] = "user",
	[TACHO_NOTE_SPLIT] = "split",	      [TACHO_NOTE_CPUS] = "cpus",
	[TACHO_NOTE_POLICY] = "policy",	      [TACHO_NOTE_LOST] = "lost",
	[TACHO_NOTE_BLIND] = "blind",	      [TACHO_NOTE_END] = "end",
};

int tacho_s_fail(struct tacho_sched *sched, int error, const char *fmt, ...)
{
	va_list list;

	va_start(list, fmt);
	vsnprintf(sched->error, sizeof(sched->error), fmt, list);
	va_end(list);
	return error;
}

const char *tacho_sched_error(const struct tacho_sched *sched)
{
	return sched->error;
}

void tacho_s_note(struct tacho_sched *sched, struct tacho_note *note, const char *fmt, ...)
{
	char text[256];
	va_list list;

	if (!sched->options.note)
		return;
	va_start(list, fmt);
	vsnprintf(text, sizeof(text), fmt, list);
	va_end(list);
	note->time_ns = tacho_live_now();
	note->policy = sched->runner ? tacho_runner_name(sched->runner) : sched->options.policy;
	note->text = text;
	if (!note->fact_name)
		note->fact_name = "";
	if (!note->progress)
		note->progress = "";
	sched->options.note(sched->options.arg, note);
}

void tacho_s_note_unit(struct tacho_note *note, const struct tacho_unit *unit)
{
	memcpy(note->name, unit->name, sizeof(note->name));
	note->pid = unit->pid;
	note->tid = unit->tid;
}

char *tacho_cpus_format(const struct tacho_cpus *cpus, char *text, size_t size)
{
	uint32_t first = tacho_cpus_next(cpus, 0), last;
	size_t used = 0;

	snprintf(text, size, "none");
	while (first != TACHO_POLICY_NONE) {
		for (last = first; tacho_cpus_has(cpus, last + 1);)
			last++;
		/* room for the longest range, and for the dots after it */
		if (used + 16 > size) {
			snprintf(text + used, size - used, "...");
			break;
		}
		used += (size_t)snprintf(text + used, size - used,
					 last > first ? "%s%u-%u" : "%s%u", used ? "," : "", first,
					 last);
		first = tacho_cpus_next(cpus, last + 1);
	}
	return text;
}
