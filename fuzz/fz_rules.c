// SPDX-License-Identifier: BSD-2-Clause
/*
 * fz_rules.c: bytes as rules, and as what /proc says about a task.
 *
 * The first byte chooses what the rest is: a rule, or the text of stat, status, cgroup or cmdline.
 * Whatever comes out of a parser must be printable and end within its field; a rule that is
 * accepted must say so of itself, one that is refused must be refused in one line; and every rule of
 * a small set is asked about the task. A name that stat is made of must come back out of it.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "kernel/procs.h"
#include "kernel/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct tacho_rules rules;

static void must(int holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "not true: %s\n", what);
		abort();
	}
}

#define MUST(cond) must((cond), #cond)

/* Whether the text ends within size and tacho_i_text_check has nothing to change. */
static bool is_clean(const char *text, size_t size)
{
	static char copy[sizeof(((struct tacho_proc *)0)->cgroup)];

	memcpy(copy, text, size);
	return tacho_i_text_check(copy, size) == 0 && memcmp(copy, text, size) == 0;
}

static void proc_check(const struct tacho_proc *proc)
{
	size_t i;

	MUST(is_clean(proc->comm, sizeof(proc->comm)));
	MUST(is_clean(proc->cgroup, sizeof(proc->cgroup)));
	MUST(is_clean(proc->unit, sizeof(proc->unit)));
	MUST(is_clean(proc->vm, sizeof(proc->vm)));
	MUST(proc->ppid >= 0);
	for (i = 0; i < rules.nr; i++)
		(void)tacho_rule_match(&rules.rule[i], proc);
}

static void rule_check(const char *text)
{
	const char *const texts[] = { text };
	const struct tacho_proc proc = { .pid = 1, .comm = "sh", .cgroup = "/a/b" };
	struct tacho_rules parsed;
	char why[256];
	int error;

	error = tacho_rules_parse(&parsed, texts, 1, why, sizeof(why));
	if (error) {
		MUST(why[0] && !strchr(why, '\n') && strncmp(why, "rule 1, ", 8) == 0);
		return;
	}
	MUST(why[0] == '\0' && parsed.nr == 1);
	MUST(is_clean(parsed.rule[0].name, sizeof(parsed.rule[0].name)) && parsed.rule[0].name[0]);
	MUST(strncmp(parsed.rule[0].name, text, strlen(parsed.rule[0].name)) == 0);
	MUST((parsed.rule[0].glob != NULL) != (parsed.rule[0].nr_ranges != 0));
	/* many stars take long, and it is the user's own time */
	if (strlen(text) < 64)
		(void)tacho_rule_match(&parsed.rule[0], &proc);
	tacho_rules_fini(&parsed);
}

/* The bytes as the name of a command, in a line as the kernel writes it. */
static void comm_check(const char *name, size_t len)
{
	char text[256], comm[64] = "";
	struct tacho_proc proc = { 0 };

	if (len > 63)
		len = 63;
	memcpy(comm, name, strnlen(name, len));
	(void)tacho_i_text_check(comm, sizeof(comm));
	snprintf(text, sizeof(text),
		 "7 (%.*s) S 42 1 1 0 -1 4194308 9 0 0 0 1 2 3 4 20 0 1 0 777 3 3\n", (int)len,
		 name);
	MUST(tacho_proc_parse_stat(&proc, text) == 0);
	MUST(strcmp(proc.comm, comm) == 0);
	MUST(proc.ppid == 42 && proc.start == 777 && proc.is_dead && !proc.is_kernel);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const texts[] = { "a=comm:[a-z]*", "b=unit:?*", "c=cgroup:*/b",
					     "d=vm:w*",	      "e=uid:0-9", "f=pid:1" };
	struct tacho_proc proc = { .is_vm = true };
	char *text;

	if (!rules.nr && tacho_rules_parse(&rules, texts, 6, NULL, 0))
		abort();
	if (len == 0)
		return 0;
	text = malloc(len); /* as long as it is, so that a step too far is seen */
	if (!text)
		return 0;
	memcpy(text, data + 1, len - 1);
	text[len - 1] = '\0';
	switch (data[0] % 6) {
	case 0:
		rule_check(text);
		break;
	case 1:
		(void)tacho_proc_parse_stat(&proc, text);
		break;
	case 2:
		(void)tacho_proc_parse_status(&proc, text);
		break;
	case 3:
		(void)tacho_proc_parse_cgroup(&proc, text);
		break;
	case 4:
		(void)tacho_proc_parse_cmdline(proc.vm, text, len - 1);
		break;
	default:
		comm_check(text, len - 1);
		break;
	}
	proc_check(&proc);
	free(text);
	return 0;
}
