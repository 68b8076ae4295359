// SPDX-License-Identifier: BSD-2-Clause
/*
 * launch.c: the parser of launch files, in the syntax of Clavis (paper 003).
 *
 * Owns the syntax. A line that is wrong is complained about and its program stays in the list until
 * the end, so that the lines that belong to it are looked at too; with one complaint, all programs
 * are dropped. Must not look at the machine: that is launch_check.c. Called by cmd/; the bytes may
 * be anything.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "launch_internal.h"

#define MAX_FILE    (1u << 20)
#define MAX_JOBS    1024u
#define MAX_THREADS 4096u /* numbers of threads are below this */
#define MAX_NODES   1024
#define MAX_SECONDS 1e7 /* a hundred days and more */
#define MAX_LABEL   96u

struct parse {
	struct tacho_i_lines lines;
	struct tacho_launch *launch;
	bool has_job; /* there was one, maybe a wrong one */
	int error; /* -ENOMEM */
};

#define REFUSE(parse, ...) tacho_i_lines_refuse(&(parse)->lines, (parse)->lines.line, __VA_ARGS__)

/* --- the invocation --------------------------------------------------------------------------- */

/*
 * Cut the next argument off, in place: quotes and backslashes are gone. *was_quoted: there were
 * some. NULL: no more, or *what is wrong.
 */
static char *argument_next(char **text, bool *was_quoted, const char **what)
{
	char *in = tacho_i_skip_blanks(*text), *out = in, *start = in, quote = '\0';

	*was_quoted = false;
	if (*in == '\0')
		return NULL;
	for (; *in && (quote || (*in != ' ' && *in != '\t')); in++) {
		if (!quote && (*in == '\'' || *in == '"')) {
			quote = *in;
			*was_quoted = true;
		} else if (*in == quote) {
			quote = '\0';
		} else if (*in == '\\' && quote != '\'') {
			if (*++in == '\0') {
				*what = "nothing follows the backslash";
				return NULL;
			}
			if (quote && *in != '"' && *in != '\\')
				*out++ = '\\'; /* as a shell has it */
			*was_quoted = true;
			*out++ = *in;
		} else {
			*out++ = *in;
		}
	}
	if (quote) {
		*what = quote == '"' ? "the quote \" is not closed" : "the quote ' is not closed";
		return NULL;
	}
	*text = *in ? in + 1 : in;
	*out = '\0';
	return start;
}

static bool is_for_a_shell(const char *word)
{
	static const char *const words[] = { "<", ">",	">>", "2>", "2>&1", "|",
					     "&", "&&", "||", ";",  "<<",   "&>" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

static int argument_add(struct tacho_launch_job *job, size_t *nr, const char *argument)
{
	char **grown = job->argv;

	if ((*nr & (*nr + 1)) == 0) /* 0, 1, 3, 7...: full, with the NULL */
		grown = realloc(job->argv, (2 * (*nr + 1)) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	job->argv = grown;
	grown[*nr] = strdup(argument);
	if (!grown[*nr])
		return -ENOMEM;
	grown[++*nr] = NULL;
	return 0;
}

static void invocation_parse(struct parse *parse, struct tacho_launch_job *job, char *text)
{
	const char *what = NULL;
	char *argument;
	size_t nr = 0;
	bool quoted;

	while (!parse->error) {
		argument = argument_next(&text, &quoted, &what);
		if (!argument)
			break;
		if (!quoted && is_for_a_shell(argument)) {
			REFUSE(parse,
			       "\"%.60s\" is for a shell, and there is none: quote it, or "
			       "invoke sh -c '...'",
			       argument);
			return;
		}
		parse->error = argument_add(job, &nr, argument);
	}
	if (what)
		REFUSE(parse, "%s", what);
	else if (nr == 0)
		REFUSE(parse, "the invocation is missing: [LABEL] SECONDS PROGRAM [ARGUMENT...]");
	else if (job->argv[0][0] == '\0')
		REFUSE(parse, "the name of the program is empty");
}

/* --- a program -------------------------------------------------------------------------------- */

static bool has_label(const struct tacho_launch *launch, const char *label)
{
	size_t i;

	for (i = 0; i < launch->nr_jobs; i++)
		if (launch->jobs[i].label && strcmp(launch->jobs[i].label, label) == 0)
			return true;
	return false;
}

/* The label, with #2 and so on behind it if there is one like it. */
static int label_set(struct parse *parse, struct tacho_launch_job *job, const char *label)
{
	char name[MAX_LABEL + 16], *at;
	size_t len, i, nr = 1;

	snprintf(name, MAX_LABEL, "%s", label);
	len = strlen(name);
	for (at = name; *at; at++)
		if (*at == ' ' || *at == '\t' || *at == '/')
			*at = '_';
	(void)tacho_i_text_check(name, sizeof(name));
	for (i = 0; i < parse->launch->nr_jobs; i++) {
		const char *other = parse->launch->jobs[i].label;

		if (other && strncmp(other, name, len) == 0 &&
		    (other[len] == '\0' || other[len] == '#'))
			nr++;
	}
	while (has_label(parse->launch, name))
		snprintf(name + len, sizeof(name) - len, "#%zu", nr++);
	job->label = strdup(name);
	return job->label ? 0 : -ENOMEM;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static bool seconds_parse(struct parse *parse, const char *word, double *seconds)
{
	if (!tacho_i_is_number(word, seconds)) {
		REFUSE(parse,
		       "\"%.60s\" is no time: behind a label stands the launch time in seconds",
		       word);
	} else if (*seconds < 0) {
		REFUSE(parse, "the launch time %.60s is negative", word);
	} else if (*seconds > MAX_SECONDS) {
		REFUSE(parse, "the launch time %.60s is beyond %.0f seconds", word, MAX_SECONDS);
	} else {
		return true;
	}
	*seconds = 0;
	return false;
}

static struct tacho_launch_job *job_add(struct parse *parse)
{
	struct tacho_launch *launch = parse->launch;
	struct tacho_launch_job *grown;

	if (launch->nr_jobs == MAX_JOBS) {
		REFUSE(parse, "more than %u programs", MAX_JOBS);
		return NULL;
	}
	grown = realloc(launch->jobs, (launch->nr_jobs + 1) * sizeof(*grown));
	if (!grown) {
		parse->error = -ENOMEM;
		return NULL;
	}
	launch->jobs = grown;
	grown[launch->nr_jobs] = (struct tacho_launch_job){ .line = parse->lines.line };
	return &grown[launch->nr_jobs];
}

/*
 * [LABEL] SECONDS INVOCATION. A first word that is a number is the time, unless the second one is a
 * number with something behind it: programs that are called 42 are rarer than runs that are.
 */
static void job_parse(struct parse *parse, char *text)
{
	struct tacho_launch_job *job = job_add(parse);
	char *first, *second, *rest = text, *behind;
	double number, other;

	parse->has_job = true;
	if (!job)
		return;
	first = strdup(text);
	if (!first) {
		parse->error = -ENOMEM;
		return;
	}
	behind = first;
	second = tacho_i_next_word(&behind);
	second = tacho_i_next_word(&behind);
	behind = tacho_i_skip_blanks(behind);
	text = tacho_i_next_word(&rest); /* the first word, rest is behind it */
	if (tacho_i_is_number(text, &number) &&
	    !(second && tacho_i_is_number(second, &other) && *behind)) {
		if (seconds_parse(parse, text, &job->start_s))
			invocation_parse(parse, job, rest);
		if (!parse->error && job->argv)
			parse->error = label_set(parse, job, base_name(job->argv[0]));
	} else if (strlen(text) >= MAX_LABEL) {
		REFUSE(parse, "the label is longer than %u bytes", MAX_LABEL - 1);
	} else if (!second) {
		REFUSE(parse, "behind the label \"%.60s\" the launch time in seconds is missing",
		       text);
	} else {
		(void)tacho_i_next_word(&rest);
		if (seconds_parse(parse, second, &job->start_s))
			invocation_parse(parse, job, rest);
		if (!parse->error)
			parse->error = label_set(parse, job, text);
	}
	parse->launch->nr_jobs++;
	free(first);
}

/* --- lines with stars ------------------------------------------------------------------------- */

/* The number of a thread behind text; *text is behind it then. */
static bool thread_number(struct parse *parse, char **text, uint32_t *thread)
{
	char *start = tacho_i_skip_blanks(*text);
	const char *end;
	double number;

	end = tacho_i_number_parse(start, &number);
	if (!end || (*end != ' ' && *end != '\t' && *end != '[' && *end != '\0')) {
		REFUSE(parse, "expected the number of a thread instead of \"%.60s\"", start);
		return false;
	}
	if (!(number >= 0 && number < MAX_THREADS) || number != floor(number)) {
		REFUSE(parse, "a thread is a whole number from 0 to %u, not %.*s", MAX_THREADS - 1,
		       (int)strcspn(start, " \t["), start);
		return false;
	}
	*thread = (uint32_t)number;
	*text = start + (end - start);
	return true;
}

/* What is in the brackets: [1, 2] or [1 2]. *point: the first one is written with a point. */
static bool brackets_parse(struct parse *parse, char *text, double *number, uint32_t *nr,
			   bool *point)
{
	const char *at = tacho_i_skip_blanks(text), *end;
	bool comma = false;

	*nr = 0;
	*point = false;
	if (*at != '[') {
		REFUSE(parse, "expected [ instead of \"%.60s\"", at);
		return false;
	}
	for (at++;; at = end) {
		at += strspn(at, " \t");
		if (*at == ',' && *nr > 0 && !comma) {
			comma = true;
			end = at + 1;
			continue;
		}
		if (*at == ']' && !comma)
			break;
		if (*nr == TACHO_LAUNCH_NUMBERS) {
			REFUSE(parse, "more than %u numbers in the brackets", TACHO_LAUNCH_NUMBERS);
			return false;
		}
		end = tacho_i_number_parse(at, &number[*nr]);
		if (!end || !strchr(" \t,]", *end) || isinf(number[*nr])) {
			REFUSE(parse,
			       *at ? "expected a number or ] instead of \"%.60s\""
				   : "the bracket is not closed%s",
			       at);
			return false;
		}
		if ((*nr)++ == 0)
			*point = memchr(at, '.', (size_t)(end - at)) != NULL;
		comma = false;
	}
	at += 1 + strspn(at + 1, " \t");
	if (*at)
		REFUSE(parse, "behind the bracket stands \"%.60s\"", at);
	return *at == '\0';
}

/* That thread of the last job, made if it is not there; NULL: no memory. */
static struct tacho_launch_thread *thread_get(struct parse *parse, uint32_t number)
{
	struct tacho_launch_job *job = &parse->launch->jobs[parse->launch->nr_jobs - 1];
	struct tacho_launch_thread *grown;
	size_t low = 0, high = job->nr_threads, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (job->threads[middle].thread < number)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < job->nr_threads && job->threads[low].thread == number)
		return &job->threads[low];
	grown = realloc(job->threads, (job->nr_threads + 1) * sizeof(*grown));
	if (!grown) {
		parse->error = -ENOMEM;
		return NULL;
	}
	job->threads = grown;
	memmove(&grown[low + 1], &grown[low], (job->nr_threads - low) * sizeof(*grown));
	job->nr_threads++;
	grown[low] = (struct tacho_launch_thread){ .thread = number, .cpu = -1, .node = -1 };
	return &grown[low];
}

/* A whole number from -1 (not said) to below max. */
static bool whole(struct parse *parse, const char *what, double number, int max, int *value)
{
	if (number == floor(number) && number >= -1 && number < max) {
		*value = (int)number;
		return true;
	}
	REFUSE(parse, "a %s is a whole number from 0 to %d, or -1, not %g", what, max - 1, number);
	return false;
}

static void priority_parse(struct parse *parse, struct tacho_launch_thread *thread,
			   const double *number, uint32_t nr)
{
	if (thread->priority_line)
		REFUSE(parse, "the priority of thread %u was said in line %u", thread->thread,
		       thread->priority_line);
	else if (nr != 1 || (number[0] != 0 && number[0] != 1 && number[0] != 2))
		REFUSE(parse,
		       "a priority is [0] none, [1] important or [2] real time, and nothing else");
	else
		thread->priority = (int)number[0];
	thread->priority_line = parse->lines.line;
}

static void place_parse(struct parse *parse, struct tacho_launch_thread *thread, bool numa,
			bool point, const double *number, uint32_t nr)
{
	bool is_cpu = nr > 0 && (numa || !point);
	uint32_t line = thread->line;

	thread->line = parse->lines.line;
	if (line) {
		REFUSE(parse, "thread %u was placed in line %u", thread->thread, line);
	} else if (numa && nr < 2) {
		REFUSE(parse, "expected [CPU, NODE]");
	} else if (is_cpu && !numa && !(number[0] >= -1 && number[0] < TACHO_POLICY_CPUS)) {
		REFUSE(parse,
		       "a CPU is a number from 0 to %u, not %g; write a number that is no CPU "
		       "with a point, or behind the CPU",
		       TACHO_POLICY_CPUS - 1, number[0]);
	} else if ((!is_cpu ||
		    whole(parse, "CPU", number[0], (int)TACHO_POLICY_CPUS, &thread->cpu)) &&
		   (!numa || whole(parse, "node", number[1], MAX_NODES, &thread->node))) {
		memcpy(thread->number, number, nr * sizeof(*number));
		thread->nr_numbers = nr;
	}
}

enum star { STAR_THREAD, STAR_NUMA, STAR_PRIORITY };

static void thread_parse(struct parse *parse, char *text, enum star star)
{
	double number[TACHO_LAUNCH_NUMBERS];
	struct tacho_launch_thread *thread;
	uint32_t index, nr;
	bool point;

	if (!thread_number(parse, &text, &index) ||
	    !brackets_parse(parse, text, number, &nr, &point) || parse->launch->nr_jobs == 0)
		return;
	thread = thread_get(parse, index);
	if (!thread)
		return;
	if (star == STAR_PRIORITY)
		priority_parse(parse, thread, number, nr);
	else
		place_parse(parse, thread, star == STAR_NUMA, point, number, nr);
}

static void rundir_parse(struct parse *parse, char *text)
{
	struct tacho_launch_job *job;
	const char *what = NULL;
	char *copy, *at, *directory;
	bool quoted;
	size_t len;

	text = tacho_i_skip_blanks(text);
	for (len = strlen(text); len && (text[len - 1] == ' ' || text[len - 1] == '\t'); len--)
		;
	text[len] = '\0';
	if (len == 0) {
		REFUSE(parse, "the directory is missing");
		return;
	}
	if (parse->launch->nr_jobs == 0)
		return;
	job = &parse->launch->jobs[parse->launch->nr_jobs - 1];
	if (job->rundir_line) {
		REFUSE(parse, "the rundir was said in line %u", job->rundir_line);
		return;
	}
	job->rundir_line = parse->lines.line;
	at = copy = strdup(text);
	/* quoted, or as it is, with the blanks that are in it */
	directory = copy ? argument_next(&at, &quoted, &what) : NULL;
	if (directory)
		directory = *tacho_i_skip_blanks(at) == '\0' ? directory : text;
	job->rundir = copy ? strdup(directory ? directory : text) : NULL;
	if (!job->rundir)
		parse->error = -ENOMEM;
	free(copy);
}

/* text is behind the stars. */
static void star_parse(struct parse *parse, char *text)
{
	char *shown = tacho_i_skip_blanks(text), *rest = shown;
	size_t len = strcspn(shown, " \t[");
	enum star star = STAR_THREAD;

	if (!parse->has_job) {
		REFUSE(parse, "there is no program yet that \"***%.60s\" could belong to", shown);
		return;
	}
	if (len == 6 && memcmp(rest, "rundir", len) == 0) {
		rundir_parse(parse, rest + len);
		return;
	}
	if (len == 4 && memcmp(rest, "numa", len) == 0)
		star = STAR_NUMA;
	else if (len == 8 && memcmp(rest, "priority", len) == 0)
		star = STAR_PRIORITY;
	if (star != STAR_THREAD) {
		rest = tacho_i_skip_blanks(rest + len);
		len = strcspn(rest, " \t[");
	}
	if (len != 6 || memcmp(rest, "thread", len) != 0) {
		REFUSE(parse,
		       "\"***%.60s\" is not known; there are ***rundir, ***thread, ***numa thread "
		       "and ***priority thread",
		       shown);
		return;
	}
	thread_parse(parse, rest + len, star);
}

/* --- the file --------------------------------------------------------------------------------- */

static void job_free(struct tacho_launch_job *job)
{
	size_t i;

	for (i = 0; job->argv && job->argv[i]; i++)
		free(job->argv[i]);
	free(job->argv);
	free(job->label);
	free(job->rundir);
	free(job->threads);
}

static void jobs_free(struct tacho_launch *launch)
{
	size_t i;

	for (i = 0; i < launch->nr_jobs; i++)
		job_free(&launch->jobs[i]);
	free(launch->jobs);
	launch->jobs = NULL;
	launch->nr_jobs = 0;
}

void tacho_launch_fini(struct tacho_launch *launch)
{
	jobs_free(launch);
	free(launch->errors);
	*launch = (struct tacho_launch){ 0 };
}

int tacho_launch_parse(struct tacho_launch *launch, const char *name, const char *text, size_t size,
		       int check)
{
	struct parse parse = { .launch = launch };
	char *line;

	*launch = (struct tacho_launch){ 0 };
	parse.error = tacho_i_lines_init(&parse.lines, name, text, size);
	while (!parse.error && (line = tacho_i_lines_next(&parse.lines))) {
		line = tacho_i_skip_blanks(line);
		if (*line == '\0' || *line == '#')
			continue;
		if (strncmp(line, "***", 3) == 0)
			star_parse(&parse, line + 3);
		else
			job_parse(&parse, line);
	}
	if (!parse.error && !parse.has_job && parse.lines.nr_errors == 0)
		tacho_i_lines_refuse(&parse.lines, 0, "there is no program in it");
	if (!parse.error && check)
		parse.error = tacho_i_launch_check(launch, &parse.lines);
	parse.error =
		tacho_i_lines_end(&parse.lines, parse.error, &launch->errors, &launch->nr_errors);
	if (parse.error)
		jobs_free(launch);
	return parse.error;
}

int tacho_launch_read(struct tacho_launch *launch, const char *file)
{
	char *text;
	size_t size;
	int error;

	*launch = (struct tacho_launch){ 0 };
	error = tacho_i_file_read(file, MAX_FILE, &text, &size);
	if (error)
		return tacho_i_file_refuse(file, "launch file", MAX_FILE, error, &launch->errors,
					   &launch->nr_errors);
	error = tacho_launch_parse(launch, file, text, size, 1);
	free(text);
	return error;
}

const struct tacho_launch_thread *tacho_launch_thread(const struct tacho_launch_job *job,
						      uint32_t thread)
{
	size_t i;

	for (i = 0; i < job->nr_threads; i++)
		if (job->threads[i].thread == thread)
			return &job->threads[i];
	return NULL;
}

const char *tacho_launch_command(const struct tacho_launch_job *job, char *text, size_t size)
{
	size_t at = 0, i;

	text[0] = '\0';
	for (i = 0; job->argv[i] && at < size; i++)
		at += (size_t)snprintf(text + at, size - at, "%s%s", i ? " " : "", job->argv[i]);
	(void)tacho_i_text_check(text, size);
	return text;
}
