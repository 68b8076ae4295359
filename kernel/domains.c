// SPDX-License-Identifier: BSD-2-Clause
/*
 * domains.c: giving out the numbers of domains and taking them back.
 *
 * Owns the state, the name and the key of every domain. Must not know what a task is beyond that
 * it enters and leaves. Called by binder.c. What it says to the world (a name, a number for the pool)
 * goes through the operations in binder.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "binder.h"
#include "domains.h"
#include "internal.h"
#include "task.h"

#define MAX_POOL 256u
#define REST	 3u /* rounds: a task logs its last slice behind task.exit */

static uint32_t hash(const struct tacho_domains *domains, const char *text)
{
	uint32_t sum = 2166136261u; /* FNV-1a */

	while (*text)
		sum = (sum ^ (unsigned char)*text++) * 16777619u;
	return sum & (domains->nr - 1);
}

/* --- names and keys ----------------------------------------------------------------------------- */

static uint32_t name_find(const struct tacho_domains *domains, const char *name)
{
	uint32_t number = domains->names[hash(domains, name)];

	while (number != TACHO_NONE && strcmp(domains->domain[number].name, name) != 0)
		number = domains->domain[number].next_name;
	return number;
}

static void name_remove(struct tacho_domains *domains, uint32_t number)
{
	uint32_t *link = &domains->names[hash(domains, domains->domain[number].name)];

	while (*link != TACHO_NONE && *link != number)
		link = &domains->domain[*link].next_name;
	if (*link == number)
		*link = domains->domain[number].next_name;
}

static void key_remove(struct tacho_domains *domains, uint32_t number)
{
	struct tacho_domain *domain = &domains->domain[number];
	uint32_t *link;

	if (!domain->key)
		return;
	link = &domains->keys[hash(domains, domain->key)];
	while (*link != TACHO_NONE && *link != number)
		link = &domains->domain[*link].next_key;
	if (*link == number)
		*link = domain->next_key;
	free(domain->key);
	domain->key = NULL;
}

/* name is nobody else's; an empty one takes the name away. */
static void name_put(struct tacho_domains *domains, uint32_t number, const char *name)
{
	struct tacho_domain *domain = &domains->domain[number];
	uint32_t *chain;
	int error;

	if (strcmp(domain->name, name) == 0)
		return;
	if (domain->name[0])
		name_remove(domains, number);
	snprintf(domain->name, sizeof(domain->name), "%s", name);
	if (name[0]) {
		chain = &domains->names[hash(domains, domain->name)];
		domain->next_name = *chain;
		*chain = number;
	}
	domains->changed = true;
	error = domains->ops->name_domain(domains->arg, number, domain->name);
	if (error && !domains->error)
		domains->error = error;
}

/* text and suffix, the text cut so that both fit, and printable. */
static void name_join(char name[32], const char *text, const char *suffix)
{
	size_t tail = strnlen(suffix, 31), head = strnlen(text, 31 - tail);

	memcpy(name, text, head);
	memcpy(name + head, suffix, tail);
	name[head + tail] = '\0';
	(void)tacho_i_text_check(name, 32); /* it ends; a cut may have left half a character */
}

void tacho_domains_name(struct tacho_domains *domains, uint32_t number, const char *text,
			const char *suffix)
{
	char name[32], tail[32];
	uint32_t holder;

	if (!text[0])
		text = "?";
	name_join(name, text, suffix);
	if (strcmp(domains->domain[number].name, name) == 0)
		return;
	name_join(name, text, "");
	holder = name_find(domains, name);
	if (holder != TACHO_NONE && holder != number) {
		name_join(name, text, suffix);
		holder = name_find(domains, name);
	}
	/* the number of a process that is gone came back before its domain did */
	if (holder != TACHO_NONE && holder != number) {
		snprintf(tail, sizeof(tail), "%.16s#%u", suffix, number);
		name_join(name, text, tail);
	}
	name_put(domains, number, name);
}

/* --- states ------------------------------------------------------------------------------------- */

static void free_add(struct tacho_domains *domains, uint32_t number)
{
	domains->domain[number].state = TACHO_STATE_FREE;
	domains->domain[number].next = TACHO_NONE;
	if (domains->nr_free++)
		domains->domain[domains->last_free].next = number;
	else
		domains->first_free = number;
	domains->last_free = number;
}

static uint32_t free_take(struct tacho_domains *domains, enum tacho_domain_state state)
{
	uint32_t number = domains->first_free;
	struct tacho_domain *domain;

	if (!domains->nr_free)
		return TACHO_NONE;
	domain = &domains->domain[number];
	domains->first_free = domain->next;
	domains->nr_free--;
	*domain = (struct tacho_domain){ .state = state, .rule = -1 };
	return number;
}

static void gone_set(struct tacho_domains *domains, struct tacho_domain *domain)
{
	domain->state = TACHO_STATE_GONE;
	domain->round = domains->round;
}

uint32_t tacho_domains_alloc(struct tacho_domains *domains)
{
	return free_take(domains, TACHO_STATE_USED);
}

bool tacho_domains_adopt(struct tacho_domains *domains, uint32_t number, int owner)
{
	struct tacho_domain *domain;

	if (number >= domains->nr)
		return false;
	domain = &domains->domain[number];
	if (domain->state == TACHO_STATE_POOL) {
		domains->nr_pool--;
		if (domain->pushed > domains->popped)
			domains->popped = domain->pushed;
	} else if (domain->is_fixed || domain->key || domain->state == TACHO_STATE_FREE ||
		   (domain->owner != owner && (domain->owner || domain->nr_tasks))) {
		return false;
	}
	/* or a thread of it came first, or its row came when nobody expected it any more */
	domain->state = TACHO_STATE_USED;
	domain->owner = domain->pid = owner;
	return true;
}

bool tacho_domains_drop(struct tacho_domains *domains, uint32_t number, int owner)
{
	if (!tacho_domains_adopt(domains, number, owner) || domains->domain[number].nr_tasks)
		return false;
	gone_set(domains, &domains->domain[number]);
	return true;
}

void tacho_domains_enter(struct tacho_domains *domains, uint32_t number)
{
	struct tacho_domain *domain = &domains->domain[number];

	domain->state = TACHO_STATE_USED;
	domain->nr_tasks++;
}

void tacho_domains_leave(struct tacho_domains *domains, uint32_t number)
{
	struct tacho_domain *domain = &domains->domain[number];

	if (--domain->nr_tasks == 0 && !domain->is_fixed)
		gone_set(domains, domain);
}

uint32_t tacho_domains_key(struct tacho_domains *domains, const char *key)
{
	uint32_t *chain = &domains->keys[hash(domains, key)], number = *chain;
	char *copy;

	while (number != TACHO_NONE && strcmp(domains->domain[number].key, key) != 0)
		number = domains->domain[number].next_key;
	if (number != TACHO_NONE)
		return number;
	copy = strdup(key);
	number = copy ? tacho_domains_alloc(domains) : TACHO_NONE;
	if (number == TACHO_NONE) {
		free(copy);
		return TACHO_NONE;
	}
	domains->domain[number].key = copy;
	domains->domain[number].next_key = *chain;
	*chain = number;
	return number;
}

/* --- pool and reuse ----------------------------------------------------------------------------- */

void tacho_domains_fill(struct tacho_domains *domains)
{
	uint32_t want = domains->nr / 4 < MAX_POOL ? domains->nr / 4 : MAX_POOL, number;

	while (domains->nr_pool < want && domains->nr_free > domains->nr / 4) {
		if (domains->ops->pool_push(domains->arg, domains->first_free))
			break; /* it is full: numbers are in it that we believe lost */
		number = free_take(domains, TACHO_STATE_POOL);
		domains->domain[number].pushed = ++domains->pushed;
		domains->nr_pool++;
	}
}

void tacho_domains_lost(struct tacho_domains *domains)
{
	uint32_t number;

	for (number = 0; number < domains->nr; number++) {
		if (domains->domain[number].state != TACHO_STATE_POOL ||
		    domains->domain[number].pushed >= domains->popped)
			continue;
		domains->nr_pool--;
		gone_set(domains, &domains->domain[number]);
	}
}

void tacho_domains_round(struct tacho_domains *domains)
{
	domains->round++;
}

uint32_t tacho_domains_reuse(struct tacho_domains *domains)
{
	uint32_t number, nr = 0;

	for (number = 0; number < domains->nr; number++) {
		if (domains->domain[number].state != TACHO_STATE_GONE ||
		    domains->round - domains->domain[number].round < REST)
			continue;
		name_put(domains, number, "");
		key_remove(domains, number);
		free_add(domains, number);
		nr++;
	}
	return nr;
}

/* --- the table ---------------------------------------------------------------------------------- */

static void fixed_make(struct tacho_domains *domains, uint32_t number, const char *name)
{
	struct tacho_domain *domain = &domains->domain[number];

	*domain = (struct tacho_domain){
		.state = TACHO_STATE_USED,
		.is_fixed = true,
		.rule = -1,
	};
	name_put(domains, number, name);
}

int tacho_domains_init(struct tacho_domains *domains, uint32_t nr,
		       const struct tacho_binder_ops *ops, void *arg)
{
	uint32_t number;

	*domains = (struct tacho_domains){ .nr = nr, .ops = ops, .arg = arg };
	domains->domain = calloc(nr, sizeof(*domains->domain));
	domains->names = malloc(nr * sizeof(*domains->names));
	domains->keys = malloc(nr * sizeof(*domains->keys));
	if (!domains->domain || !domains->names || !domains->keys) {
		tacho_domains_fini(domains);
		return -ENOMEM;
	}
	memset(domains->names, 0xff, nr * sizeof(*domains->names));
	memset(domains->keys, 0xff, nr * sizeof(*domains->keys));
	fixed_make(domains, TACHO_DOMAIN_SYSTEM, "system");
	domains->domain[TACHO_DOMAIN_SYSTEM].flags = TACHO_TASK_INHERIT;
	fixed_make(domains, TACHO_DOMAIN_IDLE, "idle");
	fixed_make(domains, nr - 1, "other");
	for (number = TACHO_DOMAIN_FIRST; number < nr - 1; number++)
		free_add(domains, number);
	return 0;
}

void tacho_domains_fini(struct tacho_domains *domains)
{
	uint32_t number;

	for (number = 0; domains->domain && number < domains->nr; number++)
		free(domains->domain[number].key);
	free(domains->domain);
	free(domains->names);
	free(domains->keys);
	*domains = (struct tacho_domains){ 0 };
}
