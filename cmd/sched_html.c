// SPDX-License-Identifier: BSD-2-Clause
/*
 * sched_html.c: the report of tacho sched as one page that needs nothing else.
 *
 * Owns the page: its head, its tables, and that the file is whole or not there. No script, no
 * network, nothing that expires; a browser of ten years ago shows it, and so will one in ten years.
 * Every text that came from outside goes through picture_escape. The sums are sched_report.c's, the
 * pictures sched_picture.c's. Called by sched.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sched_report_data.h"
#include "sched_text.h"

static const char style[] =
	"body{font:15px/1.45 system-ui,sans-serif;max-width:960px;margin:2em auto;padding:0 1em;"
	"color:#222222;background:#ffffff}\n"
	"h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em;border-bottom:1px solid #cccccc}\n"
	"table{border-collapse:collapse;width:100%}th,td{padding:.2em .6em;text-align:left;"
	"vertical-align:top;border-bottom:1px solid #eeeeee}\n"
	"th{color:#666666;font-weight:normal}td.n,th.n{text-align:right;"
	"font-variant-numeric:tabular-nums}\n"
	"svg{max-width:100%;height:auto;font:12px system-ui,sans-serif}\n"
	".good{color:#007700}.bad{color:#bb0000}.dim{color:#777777}.key{display:inline-block;"
	"width:.8em;height:.8em;margin:0 .3em 0 1em}\n"
	"p.sum{font-size:1.1em}code{font-size:.9em}\n";

static void cell(FILE *file, const char *text)
{
	fputs("<td>", file);
	picture_escape(file, text);
	fputs("</td>", file);
}

static void number_list(FILE *file, const char *fmt, va_list ap)
{
	fputs("<td class=\"n\">", file);
	vfprintf(file, fmt, ap);
	fputs("</td>", file);
}

__attribute__((format(printf, 2, 3))) static void number(FILE *file, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	number_list(file, fmt, ap);
	va_end(ap);
}

/* A row of two: what it is, and the number. */
__attribute__((format(printf, 3, 4))) static void row(FILE *file, const char *name, const char *fmt,
						      ...)
{
	va_list ap;

	fprintf(file, "<tr><td>%s</td>", name);
	va_start(ap, fmt);
	number_list(file, fmt, ap);
	va_end(ap);
	fputs("</tr>\n", file);
}

static void head_write(const struct sched_report *report, FILE *file)
{
	const struct tacho_sched_totals *totals = &report->totals;

	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
	      "<meta name=\"viewport\" content=\"width=device-width\"/>\n<title>tacho sched: ",
	      file);
	picture_escape(file, report->host);
	fprintf(file, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<h1>tacho sched on ", style);
	picture_escape(file, report->host);
	fputs("</h1>\n<p class=\"sum\">Policy <b>", file);
	picture_escape(file, report->policy[0] ? report->policy : "auto");
	fprintf(file, "</b>, %.1f seconds", report_seconds(report));
	if (report->has_totals)
		fprintf(file,
			": %llu moves, %llu kept, %llu taken back; %llu pages moved; own cost "
			"%.2f%% of a CPU",
			(unsigned long long)totals->moves, (unsigned long long)totals->kept,
			(unsigned long long)totals->taken_back, (unsigned long long)totals->pages,
			100 * totals->own_cpu);
	fputs(".</p>\n", file);
	if (report->command[0]) {
		fputs("<p>Command: <code>", file);
		picture_escape(file, report->command);
		fputs("</code></p>\n", file);
	}
	if (report->topology[0]) {
		fputs("<p>Topology: ", file);
		picture_escape(file, report->topology);
		fputs("</p>\n", file);
	}
}

static void jobs_write(const struct sched_report *report, FILE *file)
{
	char status[32];
	size_t i;

	if (report->nr_jobs == 0)
		return;
	fputs("<h2>Run times</h2>\n<table>\n<tr><th>program</th><th class=\"n\">runs</th>"
	      "<th class=\"n\">mean s</th><th class=\"n\">least</th><th class=\"n\">most</th>"
	      "<th class=\"n\">user</th><th class=\"n\">system</th><th>status</th>"
	      "<th>invocation</th></tr>\n",
	      file);
	for (i = 0; i < report->nr_jobs; i++) {
		const struct report_job *job = &report->jobs[i];
		double nr = job->ended ? job->ended : 1;

		fputs("<tr>", file);
		cell(file, job->label);
		number(file, "%u", job->ended);
		number(file, "%.3f", job->elapsed_s / nr);
		number(file, "%.3f", job->min_s);
		number(file, "%.3f", job->max_s);
		number(file, "%.3f", job->user_s / nr);
		number(file, "%.3f", job->system_s / nr);
		cell(file, job->ended ? sched_text_status(job->status, status, sizeof(status))
				      : "still ran");
		fputs("<td><code>", file);
		picture_escape(file, job->command);
		fputs("</code></td></tr>\n", file);
	}
	fputs("</table>\n", file);
}

static void key_write(const struct sched_report *report, FILE *file)
{
	char color[32];
	uint32_t cpu;

	fputs("<p class=\"dim\">", file);
	for (cpu = 0; cpu < report->nr_cpus && cpu < 64; cpu++)
		fprintf(file, "<span class=\"key\" style=\"background:%s\"></span>CPU %u\n",
			picture_color(report->cpus[cpu].id, color), report->cpus[cpu].id);
	fputs("</p>\n", file);
}

static void decision_write(const struct report_note *note, FILE *file)
{
	bool good = note->kind == TACHO_NOTE_KEEP;
	bool bad = note->kind == TACHO_NOTE_TAKE_BACK || note->kind == TACHO_NOTE_POLICY ||
		   note->kind == TACHO_NOTE_LOST;
	char fact[160], who[64];

	fputs("<tr>", file);
	number(file, "%.3f", note->at_s);
	fprintf(file, "<td%s>%s</td><td>",
		good  ? " class=\"good\""
		: bad ? " class=\"bad\""
		      : "",
		tacho_note_names[note->kind]);
	picture_escape(file, report_who(note->name, note->pid, note->tid, who, sizeof(who)));
	fputs("</td>", file);
	cell(file, note->from);
	cell(file, note->to);
	fputs("<td>", file);
	picture_escape(file, note->text);
	report_fact(note, fact, sizeof(fact));
	if (fact[0]) {
		fputs(" <span class=\"dim\">", file);
		picture_escape(file, fact);
		fputs("</span>", file);
	}
	fputs("</td></tr>\n", file);
}

static void decisions_write(const struct sched_report *report, FILE *file)
{
	size_t nr = report_nr_notes(report), i;

	fputs("<h2>Decisions, and why</h2>\n<table>\n<tr><th class=\"n\">second</th><th>what</th>"
	      "<th>who</th><th>from</th><th>to</th><th>why</th></tr>\n",
	      file);
	for (i = 0; i < nr; i++) {
		if (report->nr_notes > nr && i == REPORT_NOTES / 2)
			fprintf(file, "<tr><td colspan=\"6\">%llu more</td></tr>\n",
				(unsigned long long)(report->nr_notes - nr));
		if (report_is_decision(report_note_at(report, i)))
			decision_write(report_note_at(report, i), file);
	}
	fputs("</table>\n", file);
}

static void domains_write(const struct sched_report *report, FILE *file)
{
	uint32_t index[40], nr = report_top_domains(report, index, 40), i;

	if (nr == 0 || !(report->seen_s > 0))
		return;
	fprintf(file,
		"<h2>Who did what</h2>\n<p class=\"dim\">In the %.1f seconds that were looked "
		"at.</p>\n<table>\n<tr><th>who</th><th class=\"n\">pid</th>"
		"<th class=\"n\">CPU %%</th><th class=\"n\">waited %%</th>"
		"<th class=\"n\">wake-ups/s</th><th class=\"n\">disk KB/s</th>"
		"<th class=\"n\">network KB/s</th></tr>\n",
		report->seen_s);
	for (i = 0; i < nr; i++) {
		const struct report_domain *domain = &report->domains[index[i]];

		fputs("<tr>", file);
		cell(file, domain->name);
		number(file, "%d", domain->tid ? domain->tid : domain->pid);
		number(file, "%.1f", 100 * domain->service_s / report->seen_s);
		number(file, "%.1f", 100 * domain->wait_s / report->seen_s);
		number(file, "%.0f", domain->wakes / report->seen_s);
		number(file, "%.1f", domain->io_bytes / 1e3 / report->seen_s);
		number(file, "%.1f", domain->net_bytes / 1e3 / report->seen_s);
		fputs("</tr>\n", file);
	}
	fputs("</table>\n", file);
}

static void totals_write(const struct sched_report *report, FILE *file)
{
	const struct tacho_sched_totals *totals = &report->totals;
	uint64_t memory = report->kinds[TACHO_NOTE_MEMORY];

	if (!report->has_totals)
		return;
	fputs("<h2>Moves, pages, own cost</h2>\n<table>\n", file);
	row(file, "moves", "%llu", (unsigned long long)totals->moves);
	row(file, "judged and kept", "%llu", (unsigned long long)totals->kept);
	row(file, "taken back", "%llu", (unsigned long long)totals->taken_back);
	row(file, "asked for, but not allowed", "%llu", (unsigned long long)totals->skipped);
	row(file, "children that inherited a place", "%llu", (unsigned long long)totals->children);
	row(file, "pages moved", "%llu, in %llu moves", (unsigned long long)totals->pages,
	    (unsigned long long)memory);
	row(file, "own cost", "%.2f%% of a CPU", 100 * totals->own_cpu);
	row(file, "events were on", "%.1f%% of the time",
	    totals->wall_ns ? 100.0 * (double)totals->on_ns / (double)totals->wall_ns : 0);
	row(file, "rows read, events lost", "%llu, %llu", (unsigned long long)totals->rows,
	    (unsigned long long)totals->lost);
	row(file, "decisions, in rounds", "%llu, %llu", (unsigned long long)totals->decisions,
	    (unsigned long long)totals->rounds);
	row(file, "a wake-up on another CPU costs", "%.1f us", totals->wake_cost * 1e6);
	fputs("<tr><td>use of memory is measured in</td><td class=\"n\">", file);
	picture_escape(file, report->metric[0] ? report->metric : "nothing");
	fputs("</td></tr>\n</table>\n", file);
}

static void page_write(const struct sched_report *report, FILE *file)
{
	head_write(report, file);
	jobs_write(report, file);
	fputs("<h2>Who communicated with whom, and where they ran</h2>\n", file);
	key_write(report, file);
	picture_graph(report, file);
	fputs("<h2>When who was placed where</h2>\n", file);
	picture_moves(report, file);
	decisions_write(report, file);
	domains_write(report, file);
	totals_write(report, file);
	fputs("</body>\n</html>\n", file);
}

/*
 * A file beside path, called beside. It is new: what somebody else put there, be it a link, is not
 * written into.
 */
static int beside_open(const char *path, char *beside, size_t size, FILE **file)
{
	if ((size_t)snprintf(beside, size, "%s.%d.part", path, (int)getpid()) >= size)
		return -ENAMETOOLONG;
	(void)unlink(beside);
	*file = fopen(beside, "wxe");
	return *file ? 0 : -errno;
}

static int beside_write(const struct sched_report *report, const char *path, bool html)
{
	char beside[4096];
	FILE *file;
	int error = beside_open(path, beside, sizeof(beside), &file);

	if (error)
		return error;
	errno = 0;
	if (html)
		page_write(report, file);
	else
		error = sched_report_text(report, file);
	if (ferror(file) && !error)
		error = errno ? -errno : -EIO;
	if (fclose(file) && !error)
		error = -errno;
	if (!error && rename(beside, path))
		error = -errno;
	if (error)
		(void)unlink(beside);
	return error;
}

int sched_report_html(const struct sched_report *report, const char *path)
{
	return beside_write(report, path, true);
}

int sched_report_write(const struct sched_report *report, const char *path)
{
	size_t len = strlen(path);

	return beside_write(report, path, len > 5 && strcmp(path + len - 5, ".html") == 0);
}

int sched_report_check(const char *path)
{
	char beside[4096];
	struct stat stat;
	FILE *file;
	int error;

	/* a device or a link would be replaced by the report */
	if (lstat(path, &stat) == 0 && !S_ISREG(stat.st_mode))
		return S_ISDIR(stat.st_mode) ? -EISDIR : S_ISLNK(stat.st_mode) ? -ELOOP : -EEXIST;
	error = beside_open(path, beside, sizeof(beside), &file);
	if (error)
		return error;
	(void)fclose(file);
	(void)unlink(beside);
	return 0;
}
