// SPDX-License-Identifier: BSD-2-Clause
/*
 * sched_text.c: names and sets of processors, as the logs and the report of tacho sched write them.
 *
 * Owns the short forms. Whatever a name contains, what comes out is one word, or one line, that a
 * terminal does not obey and a parser can split. Called by sched_logs.c and the files of the
 * report.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sched/sched.h"
#include "sched_text.h"
#include "text.h"

const char *sched_text_cpus(const struct tacho_cpus *cpus, char *text, size_t size)
{
	if (tacho_cpus_count(cpus) > 0)
		return tacho_cpus_format(cpus, text, size);
	snprintf(text, size, "-"); /* as a column is that has nothing */
	return text;
}

const char *sched_text_word(const char *from, char *text, size_t size)
{
	char *at;

	text_clean(text, size, from && *from ? from : "-");
	for (at = text; *at; at++)
		if (*at == ' ')
			*at = '_';
	return text;
}

const char *sched_text_status(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "signal-%d", WTERMSIG(status));
	else
		snprintf(text, size, "%d", WEXITSTATUS(status));
	return text;
}

const char *sched_text_host(const char *host, char *text, size_t size)
{
	char name[256], *at;

	if (!host) {
		if (gethostname(name, sizeof(name)))
			snprintf(name, sizeof(name), "localhost");
		name[sizeof(name) - 1] = '\0';
		host = name;
	}
	sched_text_word(host, text, size);
	for (at = text; *at; at++)
		if (*at == '/' || (*at == '.' && at == text))
			*at = '_';
	return text;
}
