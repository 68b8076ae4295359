// SPDX-License-Identifier: BSD-2-Clause
/*
 * sched_report.c: what tacho sched tells at its end: what was seen is added up, and written as
 * text.
 *
 * Owns the sums. Rates of a view count for its interval, so that sums are those of the time that
 * was looked at. Must not look at the machine itself, nor grow with the length of the run. The page
 * is sched_html.c. Called by sched.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sched_report_data.h"
#include "sched_text.h"
#include "text.h"

static double at_second(const struct sched_report *report, uint64_t time_ns)
{
	return time_ns > report->start_ns ? (double)(time_ns - report->start_ns) / 1e9 : 0;
}

double report_seconds(const struct sched_report *report)
{
	return at_second(report, report->end_ns ? report->end_ns : tacho_live_now());
}

const char *report_who(const char *name, int pid, int tid, char *text, size_t size)
{
	int number = tid ? tid : pid;
	char digits[16];

	snprintf(digits, sizeof(digits), "%d", number);
	if (number == 0 || strstr(name, digits))
		snprintf(text, size, "%s", name);
	else
		snprintf(text, size, "%s%s%s", name, *name ? " " : "", digits);
	return text;
}

int sched_report_open(struct sched_report **report_out, const struct sched_report_options *options)
{
	struct sched_report *report = calloc(1, sizeof(*report));

	if (!report)
		return -ENOMEM;
	report->notes = calloc(REPORT_NOTES, sizeof(*report->notes));
	report->domains = calloc(REPORT_DOMAINS, sizeof(*report->domains));
	report->pairs = calloc(REPORT_PAIRS, sizeof(*report->pairs));
	if (!report->notes || !report->domains || !report->pairs) {
		sched_report_close(report);
		return -ENOMEM;
	}
	sched_text_host(options->host, report->host, sizeof(report->host));
	text_clean(report->command, sizeof(report->command),
		   options->command ? options->command : "");
	text_clean(report->policy, sizeof(report->policy), options->policy ? options->policy : "");
	text_clean(report->topology, sizeof(report->topology),
		   options->topology ? options->topology : "");
	report->start_ns = options->start_ns ? options->start_ns : tacho_live_now();
	*report_out = report;
	return 0;
}

void sched_report_close(struct sched_report *report)
{
	uint32_t i;

	if (!report)
		return;
	for (i = 0; report->domains && i < REPORT_DOMAINS; i++)
		free(report->domains[i].on_s);
	free(report->domains);
	free(report->pairs);
	free(report->notes);
	free(report->jobs);
	free(report->cpus);
	free(report);
}

/* --- notes ------------------------------------------------------------------------------------ */

size_t report_nr_notes(const struct sched_report *report)
{
	return report->nr_notes < REPORT_NOTES ? (size_t)report->nr_notes : REPORT_NOTES;
}

static size_t note_slot(uint64_t number)
{
	const uint64_t half = REPORT_NOTES / 2;

	return (size_t)(number < half ? number : half + (number - half) % half);
}

const struct report_note *report_note_at(const struct sched_report *report, size_t at)
{
	uint64_t dropped = report->nr_notes - report_nr_notes(report);

	return &report->notes[note_slot(at < REPORT_NOTES / 2 ? at : at + dropped)];
}

bool report_is_decision(const struct report_note *note)
{
	switch (note->kind) {
	case TACHO_NOTE_START:
	case TACHO_NOTE_CHILD:
	case TACHO_NOTE_END:
		return false;
	default:
		return true;
	}
}

const char *report_fact(const struct report_note *note, char *text, size_t size)
{
	size_t at = 0;

	text[0] = '\0';
	if (note->fact_name[0])
		at = (size_t)snprintf(text, size, "%s %.6g, threshold %.6g", note->fact_name,
				      note->fact, note->threshold);
	if (note->progress[0] && at < size)
		snprintf(text + at, size - at, "%s%s %.6g before, %.6g after", at ? "; " : "",
			 note->progress, note->before, note->after);
	return text;
}

void sched_report_note(struct sched_report *report, const struct tacho_note *note)
{
	struct report_note *kept = &report->notes[note_slot(report->nr_notes++)];

	memset(kept, 0, sizeof(*kept));
	kept->kind = note->kind;
	report->kinds[kept->kind]++;
	report->pages += note->pages;
	kept->at_s = at_second(report, note->time_ns);
	text_clean(kept->name, sizeof(kept->name), note->name);
	kept->pid = note->pid;
	kept->tid = note->tid;
	kept->nr_tasks = note->nr_tasks;
	kept->move = note->move;
	sched_text_cpus(&note->from, kept->from, sizeof(kept->from));
	sched_text_cpus(&note->to, kept->to, sizeof(kept->to));
	kept->cpu = tacho_cpus_next(&note->to, 0);
	text_clean(kept->policy, sizeof(kept->policy), note->policy ? note->policy : "");
	text_clean(kept->fact_name, sizeof(kept->fact_name),
		   note->fact_name ? note->fact_name : "");
	text_clean(kept->progress, sizeof(kept->progress), note->progress ? note->progress : "");
	kept->fact = note->fact;
	kept->threshold = note->threshold;
	kept->before = note->before;
	kept->after = note->after;
	kept->pages = note->pages;
	text_clean(kept->text, sizeof(kept->text), note->text ? note->text : "");
}

/* --- programs --------------------------------------------------------------------------------- */

static struct report_job *job_get(struct sched_report *report, const struct sched_job *job)
{
	struct report_job *grown;
	char label[112];
	size_t i;

	text_clean(label, sizeof(label), job->label ? job->label : "");
	for (i = 0; i < report->nr_jobs; i++)
		if (strcmp(report->jobs[i].label, label) == 0)
			return &report->jobs[i];
	if (report->nr_jobs == REPORT_JOBS)
		return NULL;
	grown = realloc(report->jobs, (report->nr_jobs + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	report->jobs = grown;
	grown = &grown[report->nr_jobs++];
	memset(grown, 0, sizeof(*grown));
	snprintf(grown->label, sizeof(grown->label), "%s", label);
	text_clean(grown->command, sizeof(grown->command), job->command ? job->command : "");
	return grown;
}

void sched_report_job(struct sched_report *report, const struct sched_job *job)
{
	struct report_job *kept = job->kind == SCHED_JOB_THREAD ? NULL : job_get(report, job);

	if (!kept)
		return;
	if (job->kind == SCHED_JOB_STARTED) {
		kept->started++;
		return;
	}
	if (kept->ended == 0 || job->elapsed_s < kept->min_s)
		kept->min_s = job->elapsed_s;
	if (kept->ended == 0 || job->elapsed_s > kept->max_s)
		kept->max_s = job->elapsed_s;
	kept->ended++;
	kept->failed += job->status != 0;
	kept->status = job->status;
	kept->elapsed_s += job->elapsed_s;
	kept->user_s += job->user_s;
	kept->system_s += job->system_s;
}

/* --- views ------------------------------------------------------------------------------------ */

/* The column of a CPU, by its number: they may come and go. */
static uint32_t cpu_column(const struct sched_report *report, uint32_t id)
{
	uint32_t i;

	for (i = 0; i < report->nr_cpus; i++)
		if (report->cpus[i].id == id)
			return i;
	return TACHO_POLICY_NONE;
}

/* The column of every CPU of the input. */
static bool cpus_take(struct sched_report *report, const struct tacho_policy_input *input,
		      uint32_t *column)
{
	struct report_cpu *grown;
	uint32_t i;

	for (i = 0; i < input->nr_cpus; i++) {
		/* mostly, everything is where it was */
		if (i < report->nr_cpus && report->cpus[i].id == input->cpus[i].id)
			column[i] = i;
		else
			column[i] = cpu_column(report, input->cpus[i].id);
		if (column[i] != TACHO_POLICY_NONE)
			continue;
		if (report->nr_cpus == REPORT_CPUS)
			return false;
		grown = realloc(report->cpus, (report->nr_cpus + 1) * sizeof(*grown));
		if (!grown)
			return false;
		report->cpus = grown;
		grown[report->nr_cpus] = (struct report_cpu){ .id = input->cpus[i].id };
		column[i] = report->nr_cpus++;
	}
	return true;
}

/* Where a key may stand in a table of so many slots, a power of two. */
static uint32_t slot_first(uint64_t key, uint32_t nr)
{
	return (uint32_t)(key * 0x9e3779b97f4a7c15u >> 40) & (nr - 1);
}

/* The slot of a domain, or the empty one where it would stand. Slots hold an index + 1. */
static uint16_t *domain_slot(struct sched_report *report, uint32_t id, int pid, int tid)
{
	uint32_t at = slot_first(id, REPORT_DOMAIN_SLOTS);
	const struct report_domain *kept;

	for (; report->domain_slots[at]; at = (at + 1) & (REPORT_DOMAIN_SLOTS - 1)) {
		kept = &report->domains[report->domain_slots[at] - 1];
		if (kept->id == id && kept->pid == pid && kept->tid == tid)
			break;
	}
	return &report->domain_slots[at];
}

static uint16_t *pair_slot(struct sched_report *report, uint32_t a, uint32_t b)
{
	uint32_t at = slot_first((uint64_t)a << 32 | b, REPORT_PAIR_SLOTS);
	const struct report_pair *kept;

	for (; report->pair_slots[at]; at = (at + 1) & (REPORT_PAIR_SLOTS - 1)) {
		kept = &report->pairs[report->pair_slots[at] - 1];
		if (kept->a == a && kept->b == b)
			break;
	}
	return &report->pair_slots[at];
}

/* Something was dropped: all slots anew. */
static void slots_make(struct sched_report *report)
{
	uint32_t i;

	memset(report->domain_slots, 0, sizeof(report->domain_slots));
	memset(report->pair_slots, 0, sizeof(report->pair_slots));
	for (i = 0; i < report->nr_domains; i++)
		*domain_slot(report, report->domains[i].id, report->domains[i].pid,
			     report->domains[i].tid) = (uint16_t)(i + 1);
	for (i = 0; i < report->nr_pairs; i++)
		*pair_slot(report, report->pairs[i].a, report->pairs[i].b) = (uint16_t)(i + 1);
}

/*
 * Drop the domain with the least service, and its pairs, for one with more. A few times per view:
 * where thousands come and go, it is not worth more.
 */
static struct report_domain *domain_replace(struct sched_report *report, double service_s)
{
	uint32_t least = 0, i, nr = 0;

	if (report->nr_replaced >= 4)
		return NULL;
	report->nr_replaced++;
	for (i = 1; i < report->nr_domains; i++)
		if (report->domains[i].service_s < report->domains[least].service_s)
			least = i;
	if (report->domains[least].service_s >= service_s)
		return NULL;
	for (i = 0; i < report->nr_pairs; i++)
		if (report->pairs[i].a != least && report->pairs[i].b != least)
			report->pairs[nr++] = report->pairs[i];
	report->nr_pairs = nr;
	free(report->domains[least].on_s);
	return &report->domains[least];
}

static struct report_domain *domain_get(struct sched_report *report,
					const struct tacho_policy_domain *domain, double seconds)
{
	uint16_t *slot = domain_slot(report, domain->id, domain->pid, domain->tid);
	struct report_domain *kept;
	bool is_full = report->nr_domains == REPORT_DOMAINS;

	if (*slot)
		return &report->domains[*slot - 1];
	if (is_full)
		kept = domain_replace(report, domain->service * seconds);
	else
		kept = &report->domains[report->nr_domains++];
	if (!kept)
		return NULL;
	memset(kept, 0, sizeof(*kept));
	kept->id = domain->id;
	kept->pid = domain->pid;
	kept->tid = domain->tid;
	text_clean(kept->name, sizeof(kept->name), domain->name);
	kept->on_s = calloc(REPORT_CPUS, sizeof(*kept->on_s));
	if (is_full)
		slots_make(report);
	else
		*slot = (uint16_t)report->nr_domains;
	return kept;
}

static void domain_add(struct report_domain *kept, const struct tacho_policy_input *input,
		       uint32_t at, const uint32_t *column, double seconds)
{
	const struct tacho_policy_domain *domain = &input->domains[at];
	uint32_t cpu;

	kept->service_s += domain->service * seconds;
	kept->wait_s += domain->wait * seconds;
	kept->wakes += (domain->wakes_out + domain->wakes_in) * seconds;
	kept->io_bytes += domain->io_bytes * seconds;
	kept->net_bytes += domain->net_bytes * seconds;
	for (cpu = 0; cpu < input->nr_cpus && kept->on_s; cpu++)
		kept->on_s[column[cpu]] +=
			input->service_on[(size_t)at * input->nr_cpus + cpu] * seconds;
}

/* Where there is no room for more pairs, the first ones stay: input has the busiest first. */
static void pair_add(struct sched_report *report, uint32_t a, uint32_t b,
		     const struct tacho_policy_pair *pair, double seconds)
{
	uint16_t *slot = a < b ? pair_slot(report, a, b) : pair_slot(report, b, a);
	struct report_pair *kept;

	if (*slot == 0) {
		if (report->nr_pairs == REPORT_PAIRS)
			return;
		report->pairs[report->nr_pairs++] =
			(struct report_pair){ .a = a < b ? a : b, .b = a < b ? b : a };
		*slot = (uint16_t)report->nr_pairs;
	}
	kept = &report->pairs[*slot - 1];
	kept->wakes += pair->rate * seconds;
	kept->together_s += pair->together * seconds;
}

void sched_report_view(struct sched_report *report, const struct tacho_policy_input *input)
{
	double seconds = (double)input->interval_ns / 1e9;
	uint32_t column[REPORT_CPUS], where[REPORT_DOMAINS], i, k;
	uint32_t nr = input->nr_domains < REPORT_DOMAINS ? input->nr_domains : REPORT_DOMAINS;
	struct report_domain *kept;

	if (input->nr_cpus > REPORT_CPUS || !cpus_take(report, input, column))
		return;
	text_clean(report->metric, sizeof(report->metric), input->metric ? input->metric : "");
	report->seen_s += seconds;
	report->nr_replaced = 0;
	for (i = 0; i < input->nr_cpus; i++) {
		report->cpus[column[i]].busy_s += input->cpus[i].busy * seconds;
		report->cpus[column[i]].runq_s += input->cpus[i].runq * seconds;
	}
	for (i = 0; i < nr; i++) {
		where[i] = TACHO_POLICY_NONE;
		kept = domain_get(report, &input->domains[i], seconds);
		if (!kept)
			continue;
		where[i] = (uint32_t)(kept - report->domains);
		if (report->nr_replaced) /* maybe one that this view has spoken of */
			for (k = 0; k < i; k++)
				where[k] = where[k] == where[i] ? TACHO_POLICY_NONE : where[k];
		domain_add(kept, input, i, column, seconds);
	}
	for (i = 0; i < input->nr_pairs && i < REPORT_PAIRS; i++) {
		const struct tacho_policy_pair *pair = &input->pairs[i];

		if (pair->a < nr && pair->b < nr && where[pair->a] != TACHO_POLICY_NONE &&
		    where[pair->b] != TACHO_POLICY_NONE && pair->rate > 0)
			pair_add(report, where[pair->a], where[pair->b], pair, seconds);
	}
}

void sched_report_end(struct sched_report *report, const struct tacho_sched_totals *totals)
{
	report->totals = *totals;
	report->has_totals = true;
	report->end_ns = tacho_live_now();
}

/* --- what mattered most ----------------------------------------------------------------------- */

static int by_service(const void *a, const void *b, void *arg)
{
	const struct report_domain *domains = arg;
	double x = domains[*(const uint32_t *)a].service_s;
	double y = domains[*(const uint32_t *)b].service_s;

	return x > y ? -1 : x < y;
}

static int by_wakes(const void *a, const void *b, void *arg)
{
	const struct report_pair *pairs = arg;
	double x = pairs[*(const uint32_t *)a].wakes, y = pairs[*(const uint32_t *)b].wakes;

	return x > y ? -1 : x < y;
}

/* Of nr things, as qsort_r is given them, the indices of the first ones. */
static uint32_t top(void *things, uint32_t nr, int (*compare)(const void *, const void *, void *),
		    uint32_t *index, uint32_t max)
{
	uint32_t all[REPORT_PAIRS], i; /* there are fewer domains */

	for (i = 0; i < nr; i++)
		all[i] = i;
	qsort_r(all, nr, sizeof(all[0]), compare, things);
	nr = nr < max ? nr : max;
	memcpy(index, all, nr * sizeof(*index));
	return nr;
}

_Static_assert(REPORT_DOMAINS <= REPORT_PAIRS, "top has room for either");

uint32_t report_top_domains(const struct sched_report *report, uint32_t *index, uint32_t max)
{
	return top(report->domains, report->nr_domains, by_service, index, max);
}

uint32_t report_top_pairs(const struct sched_report *report, uint32_t *index, uint32_t max)
{
	return top(report->pairs, report->nr_pairs, by_wakes, index, max);
}

/* --- as text ---------------------------------------------------------------------------------- */

static void jobs_text(const struct sched_report *report, FILE *file)
{
	char status[32];
	size_t i;

	if (report->nr_jobs == 0)
		return;
	fprintf(file, "\nPrograms (seconds; the mean of all runs that ended)\n");
	fprintf(file, "  %-20s %5s %9s %9s %9s %9s %9s  %s\n", "label", "runs", "elapsed", "least",
		"most", "user", "system", "status, command");
	for (i = 0; i < report->nr_jobs; i++) {
		const struct report_job *job = &report->jobs[i];
		double nr = job->ended ? job->ended : 1;

		fprintf(file, "  %-20s %5u %9.3f %9.3f %9.3f %9.3f %9.3f  %s, %s\n", job->label,
			job->ended, job->elapsed_s / nr, job->min_s, job->max_s, job->user_s / nr,
			job->system_s / nr,
			job->ended ? sched_text_status(job->status, status, sizeof(status))
				   : "still ran",
			job->command);
	}
}

static void moves_text(const struct sched_report *report, FILE *file)
{
	size_t nr = report_nr_notes(report), i;
	uint64_t dropped = report->nr_notes - nr;
	unsigned shown = 0;
	char fact[160];

	fprintf(file, "\nDecisions\n");
	for (i = 0; i < nr; i++) {
		const struct report_note *note = report_note_at(report, i);

		if (dropped && i == REPORT_NOTES / 2)
			fprintf(file, "  ... %llu more ...\n", (unsigned long long)dropped);
		if (!report_is_decision(note))
			continue;
		shown++;
		report_fact(note, fact, sizeof(fact));
		fprintf(file, "  %9.3f  %-9s %s%s%s%s\n", note->at_s, tacho_note_names[note->kind],
			note->text, fact[0] ? " (" : "", fact, fact[0] ? ")" : "");
	}
	if (shown == 0)
		fprintf(file, "  none: nothing was to be won, or nothing was allowed\n");
}

static void domains_text(const struct sched_report *report, FILE *file)
{
	uint32_t index[20], nr = report_top_domains(report, index, 20), i, cpu;
	char who[64];

	if (nr == 0)
		return;
	fprintf(file, "\nWhere they ran (in %.1f s that were looked at)\n", report->seen_s);
	for (i = 0; i < nr; i++) {
		const struct report_domain *domain = &report->domains[index[i]];

		fprintf(file, "  %-28s %8.3f s, waited %.3f s;",
			report_who(domain->name, domain->pid, domain->tid, who, sizeof(who)),
			domain->service_s, domain->wait_s);
		for (cpu = 0; cpu < report->nr_cpus && domain->on_s; cpu++)
			if (domain->service_s > 0 && domain->on_s[cpu] > 0.01 * domain->service_s)
				fprintf(file, " CPU %u %.0f%%", report->cpus[cpu].id,
					100 * domain->on_s[cpu] / domain->service_s);
		fprintf(file, "\n");
	}
}

static void pairs_text(const struct sched_report *report, FILE *file)
{
	uint32_t index[20], nr = report_top_pairs(report, index, 20), i;
	char one[64], other[64];

	if (nr == 0)
		return;
	fprintf(file, "\nWho communicated (wake-ups per second, both directions)\n");
	for (i = 0; i < nr; i++) {
		const struct report_pair *pair = &report->pairs[index[i]];
		const struct report_domain *a = &report->domains[pair->a];
		const struct report_domain *b = &report->domains[pair->b];

		fprintf(file, "  %10.0f  %s <-> %s\n", pair->wakes / report->seen_s,
			report_who(a->name, a->pid, a->tid, one, sizeof(one)),
			report_who(b->name, b->pid, b->tid, other, sizeof(other)));
	}
}

static void totals_text(const struct sched_report *report, FILE *file)
{
	const struct tacho_sched_totals *totals = &report->totals;

	fprintf(file, "\nMoves: %llu; %llu kept, %llu taken back, %llu not allowed; %llu pages\n",
		(unsigned long long)totals->moves, (unsigned long long)totals->kept,
		(unsigned long long)totals->taken_back, (unsigned long long)totals->skipped,
		(unsigned long long)totals->pages);
	fprintf(file,
		"Own cost: %.2f%% of a CPU; events on for %.1f%% of the time; %llu rows, %llu "
		"lost; %llu decisions in %llu rounds\n",
		100 * totals->own_cpu,
		totals->wall_ns ? 100.0 * (double)totals->on_ns / (double)totals->wall_ns : 0,
		(unsigned long long)totals->rows, (unsigned long long)totals->lost,
		(unsigned long long)totals->decisions, (unsigned long long)totals->rounds);
	fprintf(file, "A wake-up on another CPU costs %.1f us here\n", totals->wake_cost * 1e6);
}

int sched_report_text(const struct sched_report *report, FILE *file)
{
	uint32_t cpu;

	fprintf(file, "tacho sched on %s: policy %s, %.1f s\n", report->host,
		report->policy[0] ? report->policy : "auto", report_seconds(report));
	if (report->command[0])
		fprintf(file, "command: %s\n", report->command);
	if (report->topology[0])
		fprintf(file, "topology: %s\n", report->topology);
	if (report->metric[0])
		fprintf(file, "use of memory is measured in %s\n", report->metric);
	if (report->seen_s > 0) {
		fprintf(file, "load:");
		for (cpu = 0; cpu < report->nr_cpus; cpu++)
			fprintf(file, " CPU %u %.0f%%", report->cpus[cpu].id,
				100 * report->cpus[cpu].busy_s / report->seen_s);
		fprintf(file, "\n");
	}
	jobs_text(report, file);
	moves_text(report, file);
	domains_text(report, file);
	pairs_text(report, file);
	if (report->has_totals)
		totals_text(report, file);
	if (fflush(file) || ferror(file))
		return errno ? -errno : -EIO;
	return 0;
}
