/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sched_text.h: names and sets of processors, as the logs and the report of tacho sched write them.
 */
#ifndef TACHO_CMD_SCHED_TEXT_H
#define TACHO_CMD_SCHED_TEXT_H

#include <stddef.h>

#include <tacho/policy.h>

/* "0-3,5"; "-": none; cut with "..." where there is no room. All return text. */
const char *sched_text_cpus(const struct tacho_cpus *cpus, char *text, size_t size);
/* One printable word: blanks are _, nothing (or NULL) is "-". */
const char *sched_text_word(const char *from, char *text, size_t size);
/* "0", "3", "signal-9": how a program ended, as of wait. */
const char *sched_text_status(int status, char *text, size_t size);
/* The name of this machine, as part of a file's name. */
const char *sched_text_host(const char *host, char *text, size_t size);

#endif /* TACHO_CMD_SCHED_TEXT_H */
