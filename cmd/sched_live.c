/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sched_live.c: the picture of tacho sched on a terminal: who runs where, with whom, and why.
 *
 * Owns a copy of what the policy saw last, of what is placed, and of the last decisions: the
 * scheduler's data is good during its call only. A copy is made at most four times a second, and
 * bounded, so that looking costs next to nothing. Draws into a struct text, and never asks the
 * machine. Called by sched.c.
 */
#include <stdlib.h>
#include <string.h>

#include "sched_verb.h"

#define DOMAINS	  48
#define PARTNERS  3
#define PLACED	  256
#define NOTES	  32
#define LINE	  300
#define VIEW_NS	  250000000u
#define SECOND_NS 1e9
#define CPU_BARS  8

struct domain {
	int pid, tid;
	char name[32];
	uint32_t home; /* number of the CPU where it ran most, or TACHO_POLICY_NONE */
	double service, wait;
	struct tacho_cpus placed;
	struct {
		char name[32];
		double rate;
	} partner[PARTNERS];
	int nr_partners;
};

/* Why something is where it is. */
struct placed {
	int pid, tid;
	bool is_kept; /* judged: it helped */
	char why[LINE];
};

struct sched_live {
	uint64_t start_ns, view_ns;
	struct domain domains[DOMAINS];
	uint32_t nr_domains;
	struct tacho_policy_cpu cpus[CPU_BARS];
	uint32_t nr_cpus; /* of the machine */
	struct placed placed[PLACED];
	uint32_t nr_placed;
	char lines[NOTES][LINE]; /* the last ones, cyclic */
	enum text_style styles[NOTES];
	uint32_t nr_lines;
};

struct sched_live *sched_live_new(uint64_t start_ns)
{
	struct sched_live *live = calloc(1, sizeof(*live));

	if (live)
		live->start_ns = start_ns;
	return live;
}

void sched_live_free(struct sched_live *live)
{
	free(live);
}

/* --- what is remembered --------------------------------------------------------------------- */

/* Its index; nr_placed: it is not placed. */
static uint32_t placed_find(const struct sched_live *live, int pid, int tid)
{
	uint32_t i;

	for (i = 0; i < live->nr_placed; i++)
		if (live->placed[i].pid == pid && live->placed[i].tid == tid)
			break;
	return i;
}

static void placed_take(struct sched_live *live, const struct tacho_note *note)
{
	uint32_t at = placed_find(live, note->pid, note->tid);
	bool is_there = at < live->nr_placed;
	struct placed *placed = &live->placed[at];
	const char *why;

	switch (note->kind) {
	case TACHO_NOTE_PLACE:
		if (at == PLACED)
			break;
		live->nr_placed += !is_there;
		placed->pid = note->pid;
		placed->tid = note->tid;
		placed->is_kept = false;
		why = note->text ? strstr(note->text, ": ") : NULL;
		text_clean(placed->why, sizeof(placed->why), why ? why + 2 : "");
		break;
	case TACHO_NOTE_KEEP:
		if (is_there)
			placed->is_kept = true;
		break;
	case TACHO_NOTE_RELEASE:
	case TACHO_NOTE_TAKE_BACK:
	case TACHO_NOTE_USER:
		if (is_there)
			*placed = live->placed[--live->nr_placed];
		break;
	default:
		break;
	}
}

static enum text_style style_of(const struct tacho_note *note)
{
	switch (sched_note_color(note)) {
	case UI_GREEN:
		return TEXT_RUN;
	case UI_YELLOW:
		return TEXT_WAIT;
	case UI_RED:
		return TEXT_BAD;
	case UI_BOLD:
		return TEXT_BOLD;
	default:
		return TEXT_PLAIN;
	}
}

void sched_live_note(struct sched_live *live, const struct tacho_note *note)
{
	uint32_t at = live->nr_lines++ % NOTES;

	placed_take(live, note);
	sched_note_line(note, live->start_ns, live->lines[at], LINE);
	live->styles[at] = style_of(note);
}

static void domain_take(struct domain *to, const struct tacho_policy_input *input, uint32_t i)
{
	const struct tacho_policy_domain *from = &input->domains[i];
	uint32_t p, other;

	memset(to, 0, sizeof(*to));
	to->pid = from->pid;
	to->tid = from->tid;
	memcpy(to->name, from->name, sizeof(to->name));
	to->name[sizeof(to->name) - 1] = '\0';
	to->home = from->home < input->nr_cpus ? input->cpus[from->home].id : TACHO_POLICY_NONE;
	to->service = from->service;
	to->wait = from->wait;
	to->placed = from->placed;
	for (p = 0; p < input->nr_pairs && to->nr_partners < PARTNERS; p++) {
		const struct tacho_policy_pair *pair = &input->pairs[p];

		if ((pair->a != i && pair->b != i) || pair->rate < 1)
			continue;
		other = pair->a == i ? pair->b : pair->a;
		snprintf(to->partner[to->nr_partners].name, sizeof(to->partner[0].name), "%.31s",
			 input->domains[other].name);
		to->partner[to->nr_partners++].rate = pair->rate;
	}
}

void sched_live_view(struct sched_live *live, const struct tacho_policy_input *input)
{
	uint32_t i;

	if (live->view_ns && input->time_ns < live->view_ns + VIEW_NS)
		return;
	live->view_ns = input->time_ns;
	live->nr_domains = 0;
	for (i = 0; i < input->nr_domains && live->nr_domains < DOMAINS; i++)
		if (!(input->domains[i].flags & TACHO_D_SYSTEM) ||
		    tacho_cpus_count(&input->domains[i].placed))
			domain_take(&live->domains[live->nr_domains++], input, i);
	live->nr_cpus = input->nr_cpus;
	for (i = 0; i < input->nr_cpus && i < CPU_BARS; i++)
		live->cpus[i] = input->cpus[i];
}

/* --- the frame ------------------------------------------------------------------------------ */

static void head_draw(const struct sched_live *live, struct text *text, const char *policy,
		      const struct tacho_sched_totals *totals, uint64_t now_ns)
{
	char percent[TEXT_NUMBER_SIZE];
	uint32_t i;

	text_style(text, TEXT_HEAD);
	text_print(
		text,
		" tacho sched  %s  %.0f s  own cost %s %% of a CPU  events on %.0f %% of the time",
		policy, (double)(now_ns - live->start_ns) / SECOND_NS,
		text_percent(percent, totals->own_cpu * 100),
		totals->wall_ns ? 100 * (double)totals->on_ns / (double)totals->wall_ns : 0);
	text_fill(text, text->limit);
	text_end(text);
	text_style(text, TEXT_PLAIN);
	for (i = 0; i < live->nr_cpus && i < CPU_BARS; i++) {
		text_print(text, "CPU %-3u ", live->cpus[i].id);
		text_bar(text, live->cpus[i].busy, 20, TEXT_RUN);
		text_print(text, " %3.0f %%  run queue %.1f", live->cpus[i].busy * 100,
			   live->cpus[i].runq);
		text_end(text);
	}
	if (live->nr_cpus > CPU_BARS) {
		text_print(text, "and %u more", live->nr_cpus - CPU_BARS);
		text_end(text);
	}
	text_print(text,
		   "%llu decisions, %llu moves: %llu kept, %llu taken back; %zu tasks are placed; "
		   "lost: %llu",
		   (unsigned long long)totals->decisions, (unsigned long long)totals->moves,
		   (unsigned long long)totals->kept, (unsigned long long)totals->taken_back,
		   totals->placed, (unsigned long long)totals->lost);
	text_end(text);
	text_end(text);
}

static void partners_draw(struct text *text, const struct domain *domain, int until)
{
	char rate[TEXT_NUMBER_SIZE];
	int i;

	text_style(text, TEXT_TALK);
	for (i = 0; i < domain->nr_partners && text->column < until - 14; i++)
		text_print(text, "%s%s %s/s", i ? ", " : "", domain->partner[i].name,
			   text_rate(rate, domain->partner[i].rate));
	text_style(text, TEXT_PLAIN);
}

static void domain_draw(const struct sched_live *live, struct text *text,
			const struct domain *domain)
{
	uint32_t at = placed_find(live, domain->pid, domain->tid);
	const struct placed *why = at < live->nr_placed ? &live->placed[at] : NULL;
	char number[TEXT_NUMBER_SIZE], cpus[SCHED_CPUS_SIZE] = "";
	bool is_placed = tacho_cpus_count(&domain->placed) > 0;

	text_style(text, is_placed ? TEXT_BOLD : TEXT_PLAIN);
	text_left(text, domain->name, 17);
	text_style(text, TEXT_PLAIN);
	text_right(text, text_percent(number, domain->service * 100), 6);
	text_right(text, text_percent(number, domain->wait * 100), 7);
	number[0] = '\0';
	if (domain->home != TACHO_POLICY_NONE)
		snprintf(number, sizeof(number), "%u", domain->home);
	text_right(text, number, 6);
	text_put(text, "  ");
	text_style(text, TEXT_RUN);
	text_left(text, is_placed ? tacho_cpus_format(&domain->placed, cpus, sizeof(cpus)) : "", 9);
	text_style(text, TEXT_PLAIN);
	partners_draw(text, domain, 84);
	if (why && text->limit > 100) {
		text_to(text, 86);
		text_style(text, why->is_kept ? TEXT_RUN : TEXT_DIM);
		text_print(text, "%s%s", why->why, why->is_kept ? " (it helped)" : "");
		text_style(text, TEXT_PLAIN);
	}
	text_end(text);
}

static void decisions_draw(const struct sched_live *live, struct text *text, int lines)
{
	uint32_t nr = live->nr_lines < NOTES ? live->nr_lines : NOTES, i, at;

	if (lines < 2)
		return;
	if (nr > (uint32_t)lines - 1)
		nr = (uint32_t)lines - 1;
	text_style(text, TEXT_HEAD);
	text_put(text, " the last decisions; q ends it and undoes everything");
	text_fill(text, text->limit);
	text_end(text);
	for (i = 0; i < nr; i++) {
		at = (live->nr_lines - nr + i) % NOTES;
		text_style(text, live->styles[at]);
		text_put(text, live->lines[at]);
		text_style(text, TEXT_PLAIN);
		text_end(text);
	}
}

void sched_live_draw(const struct sched_live *live, struct text *text, int lines,
		     const char *policy, const struct tacho_sched_totals *totals, uint64_t now_ns)
{
	int notes = lines / 3, room;
	uint32_t i;

	if (notes > (int)live->nr_lines + 1)
		notes = (int)live->nr_lines + 1;
	head_draw(live, text, policy, totals, now_ns);
	text_style(text, TEXT_HEAD);
	text_put(text, "DOMAIN             CPU%  WAIT%   RAN  PLACED   PARTNERS");
	if (text->limit > 100) {
		text_fill(text, 86);
		text_put(text, "WHY");
	}
	text_fill(text, text->limit);
	text_end(text);
	text_style(text, TEXT_PLAIN);
	room = lines - text->lines - notes - 1;
	if (!live->view_ns) {
		text_put(
			text,
			"nothing was decided yet: as long as nothing changes there is nothing to see");
		text_end(text);
	}
	for (i = 0; i < live->nr_domains && (int)i < room; i++)
		domain_draw(live, text, &live->domains[i]);
	text_end(text);
	decisions_draw(live, text, lines - text->lines);
}
