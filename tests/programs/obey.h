/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * obey.h: the loop of a program that a test commands: one line in, one line out.
 *
 * A line is a word and a number. The answer is "ok" and a number, of the process that has the loop
 * then: after a fork that is the child, until it exits. The end of the input ends every process, so
 * none survives its test.
 */
#ifndef TACHO_TESTS_OBEY_H
#define TACHO_TESTS_OBEY_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct obey_command {
	const char *word;
	long long (*fn)(long long n);
};

/* Byte by byte, because processes share the input. */
static inline int obey_line(char *line, size_t size)
{
	size_t n = 0;

	while (n + 1 < size && read(0, line + n, 1) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
	return n > 0;
}

static inline void obey_say(const char *text, long long n)
{
	char line[64];
	int len = snprintf(line, sizeof(line), text, n);

	if (write(1, line, (size_t)len) != len)
		_exit(1);
}

static inline int obey(const struct obey_command *commands)
{
	char line[128], word[64];
	long long n;

	obey_say("ready\n", 0);
	while (obey_line(line, sizeof(line))) {
		const struct obey_command *c = commands;

		n = 0;
		if (sscanf(line, "%63s %lld", word, &n) < 1)
			continue;
		while (c->word && strcmp(c->word, word) != 0)
			c++;
		if (c->word)
			obey_say("ok %lld\n", c->fn(n));
		else
			obey_say("unknown command\n", 0);
	}
	return 0;
}

#endif
