/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * alive.h: whether a process runs. A zombie does not: whoever inherited it may take a while to wait
 * for it, or never do.
 */
#ifndef TACHO_TESTS_ALIVE_H
#define TACHO_TESTS_ALIVE_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static inline bool is_alive(int pid)
{
	char path[64], text[512] = "", *end;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	end = strrchr(text, ')');
	return end && end[1] && end[2] != 'Z' && end[2] != 'X';
}

/* Waits for it, bounded. */
static inline bool is_gone_soon(int pid)
{
	for (int i = 0; i < 6000 && is_alive(pid); i++)
		usleep(10000);
	return !is_alive(pid);
}

#endif /* TACHO_TESTS_ALIVE_H */
