// SPDX-License-Identifier: BSD-2-Clause
/*
 * rules.c: parsing and matching the rules that name domains.
 *
 * Owns the syntax of a rule and what it means for a task; which task it is asked about, and what
 * happens when it matches, is the binder's business. Reads nothing but its arguments, except that
 * the name of a user is looked up once, when the rule is parsed. Section 4.3.4 of paper 001.
 */
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "rules.h"
#include "task.h"

#define BIT(kind) (1u << (kind))

static const char *const kind_names[TACHO_NR_RULE_KINDS] = {
	[TACHO_RULE_PID] = "pid",	[TACHO_RULE_TREE] = "tree", [TACHO_RULE_COMM] = "comm",
	[TACHO_RULE_CGROUP] = "cgroup", [TACHO_RULE_UID] = "uid",   [TACHO_RULE_VM] = "vm",
	[TACHO_RULE_UNIT] = "unit",
};
/* Domains that exist without a rule. */
static const char *const taken_names[] = { "system", "idle", "other" };

/* --- parsing ------------------------------------------------------------------------------------ */

/* What is being parsed, for complaints. */
struct source {
	const char *text;
	size_t number; /* of the rule, from 1 */
	char *why;
	size_t why_size;
};

/* at: the character that is wrong. Returns -EINVAL. */
__attribute__((format(printf, 3, 4))) static int refuse(const struct source *source, const char *at,
							const char *fmt, ...)
{
	char what[128], line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(line, sizeof(line), "rule %zu, \"%.60s\", character %zu: %s", source->number,
		 source->text, (size_t)(at - source->text) + 1, what);
	(void)tacho_i_text_check(line, sizeof(line)); /* one line, whatever the rule was */
	if (source->why_size)
		snprintf(source->why, source->why_size, "%s", line);
	return -EINVAL;
}

static int name_parse(const struct source *source, struct tacho_rule *rule)
{
	const char *text = source->text, *end = strchr(text, '=');
	size_t len, i;

	if (!end)
		return refuse(source, text + strlen(text), "there is no \"=\": NAME=KIND:PATTERN");
	len = (size_t)(end - text);
	if (len == 0)
		return refuse(source, text, "the name of the domain is empty");
	if (len >= sizeof(rule->name))
		return refuse(source, text + sizeof(rule->name) - 1,
			      "the name is longer than %zu characters", sizeof(rule->name) - 1);
	memcpy(rule->name, text, len);
	(void)tacho_i_text_check(rule->name, sizeof(rule->name));
	for (i = 0; i < len; i++)
		if (rule->name[i] != text[i])
			return refuse(source, text + i, "the name cannot be printed");
	for (i = 0; i < sizeof(taken_names) / sizeof(taken_names[0]); i++)
		if (strcmp(rule->name, taken_names[i]) == 0)
			return refuse(source, text, "\"%s\" is a domain that always exists",
				      rule->name);
	return 0;
}

static int kind_parse(const struct source *source, struct tacho_rule *rule)
{
	const char *text = strchr(source->text, '=') + 1, *end = strchr(text, ':');
	size_t len = end ? (size_t)(end - text) : strlen(text);
	unsigned kind;

	for (kind = 0; kind < TACHO_NR_RULE_KINDS; kind++)
		if (strlen(kind_names[kind]) == len && memcmp(kind_names[kind], text, len) == 0)
			break;
	if (kind == TACHO_NR_RULE_KINDS)
		return refuse(source, text, "expected pid, tree, comm, cgroup, uid, vm or unit");
	if (!end)
		return refuse(source, text + len, "there is no \":\" behind \"%s\"",
			      kind_names[kind]);
	if (end[1] == '\0')
		return refuse(source, end + 1, "the pattern is empty");
	rule->kind = (enum tacho_rule_kind)kind;
	return 0;
}

/* A glob with a bracket or a backslash that does not end would match itself, which nobody means. */
static int glob_parse(const struct source *source, struct tacho_rule *rule, const char *text)
{
	const char *s, *end;

	for (s = text; *s; s++) {
		if (*s == '\\') {
			if (*++s == '\0')
				return refuse(source, s - 1, "nothing follows the backslash");
			continue;
		}
		if (*s != '[')
			continue;
		end = s + 1 + (s[1] == '!' || s[1] == '^');
		end = *end ? strchr(end + 1, ']') : NULL; /* a ] in the first place is itself */
		if (!end)
			return refuse(source, s, "the bracket is not closed");
		s = end;
	}
	rule->glob = strdup(text);
	return rule->glob ? 0 : -ENOMEM;
}

static const char *number_parse(const char *text, uint32_t *number)
{
	unsigned long value;
	char *end;

	if (!isdigit((unsigned char)*text))
		return NULL;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || value >= UINT32_MAX)
		return NULL;
	*number = (uint32_t)value;
	return end;
}

/* The name of a user that ends at end. */
static int user_parse(const struct source *source, const char *text, const char *end,
		      struct tacho_rule_range *range)
{
	struct passwd entry, *found = NULL;
	char name[64], buffer[4096];
	size_t len = (size_t)(end - text);

	if (len >= sizeof(name))
		return refuse(source, text, "the name of the user is too long");
	memcpy(name, text, len);
	name[len] = '\0';
	if (getpwnam_r(name, &entry, buffer, sizeof(buffer), &found) != 0 || !found)
		return refuse(source, text, "there is no user \"%s\"", name);
	range->first = range->last = entry.pw_uid;
	return 0;
}

/* One item of a list, up to end. */
static int range_parse(const struct source *source, const char *text, const char *end,
		       enum tacho_rule_kind kind, struct tacho_rule_range *range)
{
	const char *next;

	if (text == end)
		return refuse(source, text, "a number is missing");
	if (kind == TACHO_RULE_UID && !isdigit((unsigned char)*text))
		return user_parse(source, text, end, range);
	next = number_parse(text, &range->first);
	if (!next)
		return refuse(source, text, "expected a number");
	range->last = range->first;
	if (*next == '-') {
		text = next + 1;
		next = number_parse(text, &range->last);
		if (!next)
			return refuse(source, text, "expected a number behind \"-\"");
		if (range->last < range->first)
			return refuse(source, text, "the range ends before it begins");
	}
	if (next != end)
		return refuse(source, next, "expected \",\" or the end");
	return 0;
}

static int ranges_parse(const struct source *source, struct tacho_rule *rule, const char *text)
{
	struct tacho_rule_range *grown;
	const char *end;
	int error = 0;

	while (!error) {
		end = text + strcspn(text, ",");
		grown = realloc(rule->range, (rule->nr_ranges + 1) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		rule->range = grown;
		error = range_parse(source, text, end, rule->kind, &grown[rule->nr_ranges++]);
		if (*end == '\0')
			break;
		text = end + 1;
	}
	return error;
}

static int rule_parse(const struct source *source, struct tacho_rules *rules,
		      struct tacho_rule *rule)
{
	/* kinds whose answer an exec does not change */
	const unsigned steady = BIT(TACHO_RULE_PID) | BIT(TACHO_RULE_TREE);
	const char *pattern;
	int error;

	error = name_parse(source, rule);
	if (!error)
		error = kind_parse(source, rule);
	if (error)
		return error;
	pattern = strchr(strchr(source->text, '='), ':') + 1;
	if (rule->kind == TACHO_RULE_TREE) {
		if (rules->nr_trees == TACHO_MAX_TREES)
			return refuse(source, source->text, "more than %u rules of kind tree",
				      TACHO_MAX_TREES);
		rule->tree = rules->nr_trees++;
	}
	if (BIT(rule->kind) & (steady | BIT(TACHO_RULE_UID)))
		error = ranges_parse(source, rule, pattern);
	else
		error = glob_parse(source, rule, pattern);
	if (rule->kind != TACHO_RULE_PID)
		rule->flags |= TACHO_TASK_INHERIT;
	/* a rule before this one may match what the task becomes */
	if ((BIT(rule->kind) & steady) && !(rules->kinds & ~steady))
		rule->flags |= TACHO_TASK_KEEP_EXEC;
	rules->kinds |= BIT(rule->kind);
	return error;
}

int tacho_rules_parse(struct tacho_rules *rules, const char *const *texts, size_t nr, char *why,
		      size_t why_size)
{
	struct source source = { .why = why, .why_size = why_size };
	int error = 0;
	size_t i;

	*rules = (struct tacho_rules){ 0 };
	if (why_size)
		why[0] = '\0';
	if (nr == 0)
		return 0;
	rules->rule = calloc(nr, sizeof(*rules->rule));
	if (!rules->rule)
		return -ENOMEM;
	for (i = 0; i < nr && !error; i++) {
		source.text = texts[i];
		source.number = i + 1;
		rules->nr = i + 1;
		error = rule_parse(&source, rules, &rules->rule[i]);
	}
	if (error)
		tacho_rules_fini(rules);
	return error;
}

void tacho_rules_fini(struct tacho_rules *rules)
{
	size_t i;

	for (i = 0; i < rules->nr; i++) {
		free(rules->rule[i].glob);
		free(rules->rule[i].range);
	}
	free(rules->rule);
	*rules = (struct tacho_rules){ 0 };
}

/* --- matching ----------------------------------------------------------------------------------- */

static bool in_ranges(const struct tacho_rule *rule, uint32_t number)
{
	size_t i;

	for (i = 0; i < rule->nr_ranges; i++)
		if (number >= rule->range[i].first && number <= rule->range[i].last)
			return true;
	return false;
}

/* A pattern may leave out the slash in front. */
static bool cgroup_match(const char *glob, const char *path)
{
	if (*glob != '/')
		path += *path == '/';
	return fnmatch(glob, path, FNM_PATHNAME | FNM_LEADING_DIR) == 0;
}

static bool unit_match(const char *glob, const char *unit)
{
	char name[sizeof(((struct tacho_proc *)0)->unit)];
	char *dot;

	if (fnmatch(glob, unit, 0) == 0)
		return *unit;
	snprintf(name, sizeof(name), "%s", unit);
	dot = strrchr(name, '.');
	if (!dot || strcmp(dot, ".service") != 0)
		return false;
	*dot = '\0';
	return fnmatch(glob, name, 0) == 0;
}

bool tacho_rule_match(const struct tacho_rule *rule, const struct tacho_proc *proc)
{
	switch (rule->kind) {
	case TACHO_RULE_PID:
		return !proc->is_later && in_ranges(rule, (uint32_t)proc->pid);
	case TACHO_RULE_TREE:
		return proc->trees >> rule->tree & 1;
	case TACHO_RULE_COMM:
		return fnmatch(rule->glob, proc->comm, 0) == 0;
	case TACHO_RULE_CGROUP:
		return !proc->is_kernel && cgroup_match(rule->glob, proc->cgroup);
	case TACHO_RULE_UID:
		return !proc->is_kernel && in_ranges(rule, proc->uid);
	case TACHO_RULE_VM:
		return proc->is_vm && fnmatch(rule->glob, proc->vm, 0) == 0;
	case TACHO_RULE_UNIT:
		return !proc->is_kernel && unit_match(rule->glob, proc->unit);
	default:
		return false;
	}
}

int tacho_rules_find(const struct tacho_rules *rules, const struct tacho_proc *proc)
{
	size_t i;

	for (i = 0; i < rules->nr; i++)
		if (tacho_rule_match(&rules->rule[i], proc))
			return (int)i;
	return -1;
}

uint64_t tacho_rules_trees(const struct tacho_rules *rules, int pid)
{
	uint64_t trees = 0;
	size_t i;

	for (i = 0; i < rules->nr; i++)
		if (rules->rule[i].kind == TACHO_RULE_TREE &&
		    in_ranges(&rules->rule[i], (uint32_t)pid))
			trees |= UINT64_C(1) << rules->rule[i].tree;
	return trees;
}
