// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_rules.c: rules that name domains: what is understood, what is refused and how, what matches.
 */
#include <errno.h>
#include <unistd.h>

#include "kernel/rules.h"
#include "kernel/task.h"
#include "t.h"

static char why[256];

static int parse(struct tacho_rules *rules, const char *a, const char *b)
{
	const char *const texts[] = { a, b };

	return tacho_rules_parse(rules, texts, b ? 2 : 1, why, sizeof(why));
}

/* The rule is refused with exactly this. */
static void refused(const char *rule, const char *text)
{
	struct tacho_rules rules;

	T_EQ(parse(&rules, rule, NULL), -EINVAL);
	T_STREQ(why, text);
	T_EQ(rules.nr, 0);
}

static int matches(const char *rule, const struct tacho_proc *proc)
{
	struct tacho_rules rules;
	int result;

	if (!T_EQ(parse(&rules, rule, NULL), 0)) {
		T_FAIL("%s", why);
		return -1;
	}
	result = tacho_rule_match(&rules.rule[0], proc);
	tacho_rules_fini(&rules);
	return result;
}

T_CASE(no_rules)
{
	struct tacho_proc proc = { .pid = 1 };
	struct tacho_rules rules;

	T_EQ(tacho_rules_parse(&rules, NULL, 0, why, sizeof(why)), 0);
	T_EQ(tacho_rules_find(&rules, &proc), -1);
	tacho_rules_fini(&rules);
}

T_CASE(what_is_wrong_and_where)
{
	struct tacho_rules rules;

	refused("web", "rule 1, \"web\", character 4: there is no \"=\": NAME=KIND:PATTERN");
	refused("=comm:x", "rule 1, \"=comm:x\", character 1: the name of the domain is empty");
	refused("web=",
		"rule 1, \"web=\", character 5: expected pid, tree, comm, cgroup, uid, vm or unit");
	refused("web=come:x",
		"rule 1, \"web=come:x\", character 5: expected pid, tree, comm, cgroup, uid, vm or unit");
	refused("web=comm", "rule 1, \"web=comm\", character 9: there is no \":\" behind \"comm\"");
	refused("web=comm:", "rule 1, \"web=comm:\", character 10: the pattern is empty");
	refused("web=comm:a[b",
		"rule 1, \"web=comm:a[b\", character 11: the bracket is not closed");
	refused("web=comm:a\\",
		"rule 1, \"web=comm:a\\\", character 11: nothing follows the backslash");
	refused("web=pid:12,", "rule 1, \"web=pid:12,\", character 12: a number is missing");
	refused("web=pid:1x", "rule 1, \"web=pid:1x\", character 10: expected \",\" or the end");
	refused("web=pid:x", "rule 1, \"web=pid:x\", character 9: expected a number");
	refused("web=pid:5-",
		"rule 1, \"web=pid:5-\", character 11: expected a number behind \"-\"");
	refused("web=pid:5-4",
		"rule 1, \"web=pid:5-4\", character 11: the range ends before it begins");
	refused("web=pid:99999999999",
		"rule 1, \"web=pid:99999999999\", character 9: expected a number");
	refused("web=uid:1,nobody-of-that-name",
		"rule 1, \"web=uid:1,nobody-of-that-name\", character 11: there is no user "
		"\"nobody-of-that-name\"");
	refused("idle=comm:x",
		"rule 1, \"idle=comm:x\", character 1: \"idle\" is a domain that always exists");
	refused("a name that is too long for a domain=comm:x",
		"rule 1, \"a name that is too long for a domain=comm:x\", character 32: the name is "
		"longer than 31 characters");
	refused("a\nb=comm:x", "rule 1, \"a?b=comm:x\", character 2: the name cannot be printed");
	T_EQ(parse(&rules, "ok=comm:x", "bad"), -EINVAL);
	T_OK(strstr(why, "rule 2, \"bad\", character 4") == why);
	T_EQ(parse(&rules, "x=y", NULL), -EINVAL);
}

T_CASE(a_short_why_is_cut)
{
	const char *const texts[] = { "nonsense" };
	struct tacho_rules rules;
	char small[8];

	T_EQ(tacho_rules_parse(&rules, texts, 1, small, sizeof(small)), -EINVAL);
	T_STREQ(small, "rule 1,");
	T_EQ(tacho_rules_parse(&rules, texts, 1, NULL, 0), -EINVAL);
}

T_CASE(numbers)
{
	struct tacho_proc proc = { .pid = 250, .tid = 251, .uid = 1001 };

	T_EQ(matches("a=pid:250", &proc), 1);
	T_EQ(matches("a=pid:251", &proc), 0);
	T_EQ(matches("a=pid:1,200-300", &proc), 1);
	T_EQ(matches("a=pid:1,2,3", &proc), 0);
	T_EQ(matches("a=uid:1000-1999", &proc), 1);
	T_EQ(matches("a=uid:root", &proc), 0);
	proc.uid = 0;
	T_EQ(matches("a=uid:1,root", &proc), 1);
	proc.is_kernel = true;
	T_EQ(matches("a=uid:root", &proc), 0);
	T_EQ(matches("a=pid:250", &proc), 1);
	proc.is_later = true; /* the number was somebody else's when the rule was made */
	T_EQ(matches("a=pid:250", &proc), 0);
}

T_CASE(globs)
{
	struct tacho_proc proc = { .comm = "nginx", .unit = "nginx.service" };

	T_EQ(matches("a=comm:nginx", &proc), 1);
	T_EQ(matches("a=comm:ng*", &proc), 1);
	T_EQ(matches("a=comm:[m-o]ginx", &proc), 1);
	T_EQ(matches("a=comm:[]n]ginx", &proc), 1);
	T_EQ(matches("a=comm:\\\\[n]ginx", &proc), 0);
	T_EQ(matches("a=comm:n?nx", &proc), 0);
	T_EQ(matches("a=unit:nginx", &proc), 1);
	T_EQ(matches("a=unit:nginx.service", &proc), 1);
	T_EQ(matches("a=unit:ngin?.*", &proc), 1);
	T_EQ(matches("a=unit:sshd", &proc), 0);
	T_EQ(matches("a=vm:*", &proc), 0);
	proc.is_vm = true;
	strcpy(proc.vm, "web01");
	T_EQ(matches("a=vm:web*", &proc), 1);
	T_EQ(matches("a=vm:db*", &proc), 0);
	proc.unit[0] = '\0';
	T_EQ(matches("a=unit:*", &proc), 0);
}

T_CASE(cgroups_hold_what_is_below)
{
	struct tacho_proc proc = { .cgroup = "/system.slice/web.service/payload" };

	T_EQ(matches("a=cgroup:/system.slice/web.service", &proc), 1);
	T_EQ(matches("a=cgroup:system.slice/web.service", &proc), 1);
	T_EQ(matches("a=cgroup:/system.slice", &proc), 1);
	T_EQ(matches("a=cgroup:/system.slice/web", &proc), 0);
	T_EQ(matches("a=cgroup:/system.slice/*.service", &proc), 1);
	T_EQ(matches("a=cgroup:/*.service", &proc), 0);
	T_EQ(matches("a=cgroup:*", &proc), 1);
	T_EQ(matches("a=cgroup:/", &proc), 0);
	strcpy(proc.cgroup, "/");
	T_EQ(matches("a=cgroup:/", &proc), 1);
	proc.is_kernel = true;
	T_EQ(matches("a=cgroup:/", &proc), 0);
}

T_CASE(first_match_wins)
{
	struct tacho_proc proc = { .pid = 7, .comm = "gcc" };
	struct tacho_rules rules;

	T_NEED(parse(&rules, "b=comm:gcc", "a=pid:7") == 0);
	T_EQ(tacho_rules_find(&rules, &proc), 0);
	strcpy(proc.comm, "ld");
	T_EQ(tacho_rules_find(&rules, &proc), 1);
	proc.pid = 8;
	T_EQ(tacho_rules_find(&rules, &proc), -1);
	tacho_rules_fini(&rules);
}

T_CASE(trees)
{
	struct tacho_proc proc = { .trees = 2 };
	struct tacho_rules rules;

	T_NEED(parse(&rules, "a=tree:7", "b=tree:7,9") == 0);
	T_EQ(rules.nr_trees, 2);
	T_EQ(tacho_rules_trees(&rules, 7), 3);
	T_EQ(tacho_rules_trees(&rules, 9), 2);
	T_EQ(tacho_rules_trees(&rules, 8), 0);
	T_EQ(tacho_rules_find(&rules, &proc), 1);
	tacho_rules_fini(&rules);
}

T_CASE(sixty_four_trees)
{
	const char *texts[65];
	struct tacho_rules rules;

	for (int i = 0; i < 65; i++)
		texts[i] = "a=tree:7";
	T_EQ(tacho_rules_parse(&rules, texts, 65, why, sizeof(why)), -EINVAL);
	T_OK(strstr(why, "rule 65") == why);
	T_EQ(tacho_rules_parse(&rules, texts, 64, why, sizeof(why)), 0);
	T_EQ(tacho_rules_trees(&rules, 7), -1);
	tacho_rules_fini(&rules);
}

/* A rule of numbers holds through an exec only if no rule before it could match what it becomes. */
T_CASE(flags)
{
	struct tacho_rules rules;

	T_NEED(parse(&rules, "a=pid:7", "b=tree:7") == 0);
	T_EQ(rules.rule[0].flags, TACHO_TASK_KEEP_EXEC);
	T_EQ(rules.rule[1].flags, TACHO_TASK_KEEP_EXEC | TACHO_TASK_INHERIT);
	tacho_rules_fini(&rules);
	T_NEED(parse(&rules, "a=comm:x", "b=tree:7") == 0);
	T_EQ(rules.rule[0].flags, TACHO_TASK_INHERIT);
	T_EQ(rules.rule[1].flags, TACHO_TASK_INHERIT);
	tacho_rules_fini(&rules);
}

T_MAIN
