// SPDX-License-Identifier: BSD-2-Clause
/*
 * observer.c: what observer.h promises.
 */
#include "observer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sched_internal.h"

#define MAX_POLICIES 16u
#define MAX_PLACES   256u /* of one policy; of more, the first ones are told */
#define TWICE	     2u

/* Of a domain, by its id. */
struct wish {
	uint32_t id;
	uint32_t there; /* calls in a row that it came, up to TWICE */
	uint32_t away; /* that it did not */
	bool is_told;
	struct tacho_cpus cpus;
};

struct asked {
	union {
		uint64_t align;
		unsigned char bytes[TACHO_POLICY_STATE];
	} state;
	bool is_started;
	struct wish wishes[MAX_PLACES];
	uint32_t nr;
};

struct tacho_observer {
	struct asked asked[MAX_POLICIES]; /* as tacho_policies */
	struct tacho_policy_place place[MAX_PLACES];
};

int tacho_observer_create(struct tacho_observer **observer)
{
	*observer = calloc(1, sizeof(**observer));
	return *observer ? 0 : -ENOMEM;
}

void tacho_observer_destroy(struct tacho_observer *observer)
{
	free(observer);
}

static struct wish *wish_of(struct asked *asked, uint32_t id)
{
	for (uint32_t i = 0; i < asked->nr; i++)
		if (asked->wishes[i].id == id)
			return &asked->wishes[i];
	if (asked->nr == MAX_PLACES)
		return NULL;
	asked->wishes[asked->nr] = (struct wish){ .id = id };
	return &asked->wishes[asked->nr++];
}

/* Whether it is to be told. */
static bool wish_came(struct asked *asked, uint32_t id, const struct tacho_cpus *cpus)
{
	struct wish *wish = wish_of(asked, id);

	if (!wish)
		return false;
	wish->away = 0;
	if (!tacho_cpus_equal(&wish->cpus, cpus)) {
		wish->cpus = *cpus;
		wish->there = 0;
		wish->is_told = false;
	}
	if (wish->there < TWICE)
		wish->there++;
	if (wish->there < TWICE || wish->is_told)
		return false;
	wish->is_told = true;
	return true;
}

static const struct tacho_policy_domain *domain_of(const struct tacho_policy_input *input,
						   uint32_t id)
{
	for (uint32_t i = 0; i < input->nr_domains; i++)
		if (input->domains[i].id == id)
			return &input->domains[i];
	return NULL;
}

/* Those that did not come; of a domain that is gone nothing is to be told. */
static void wishes_end(struct asked *asked, const struct tacho_policy *policy,
		       const struct tacho_policy_input *input, tacho_observer_fn tell, void *arg)
{
	for (uint32_t i = asked->nr; i-- > 0;) {
		struct wish *wish = &asked->wishes[i];
		const struct tacho_policy_domain *domain;

		if (wish->away++ < TWICE)
			continue;
		domain = wish->is_told ? domain_of(input, wish->id) : NULL;
		if (domain)
			tell(arg, policy, domain, NULL);
		*wish = asked->wishes[--asked->nr];
	}
}

static void ask_one(struct tacho_observer *observer, struct asked *asked,
		    const struct tacho_policy *policy, const struct tacho_policy_input *input,
		    tacho_observer_fn tell, void *arg)
{
	struct tacho_policy_plan plan = { 0, MAX_PLACES, observer->place };

	if (!asked->is_started && policy->start)
		policy->start(asked->state.bytes, input);
	asked->is_started = true;
	policy->decide(asked->state.bytes, input, &plan);
	(void)tacho_plan_check(&plan, input, NULL, 0);
	for (uint32_t i = 0; i < plan.nr; i++) {
		const struct tacho_policy_place *place = &plan.place[i];
		const struct tacho_policy_domain *domain = &input->domains[place->domain];

		if (wish_came(asked, domain->id, &place->cpus))
			tell(arg, policy, domain, place);
	}
	wishes_end(asked, policy, input, tell, arg);
}

void tacho_observer_ask(struct tacho_observer *observer, const struct tacho_policy_input *input,
			tacho_observer_fn tell, void *arg)
{
	for (uint32_t i = 0; i < MAX_POLICIES && tacho_policies[i]; i++)
		if (tacho_policies[i] != &tacho_policy_observe)
			ask_one(observer, &observer->asked[i], tacho_policies[i], input, tell, arg);
}

/* --- for the loop ----------------------------------------------------------------------------- */

static void tell_note(void *arg, const struct tacho_policy *policy,
		      const struct tacho_policy_domain *domain,
		      const struct tacho_policy_place *place)
{
	struct tacho_sched *sched = arg;
	struct tacho_note note = { .kind = TACHO_NOTE_WOULD, .nr_tasks = domain->nr_tasks };
	char cpus[64];

	memcpy(note.name, domain->name, sizeof(note.name));
	note.pid = domain->pid;
	note.tid = domain->tid;
	note.from = domain->allowed;
	if (!place) {
		tacho_s_note(sched, &note, "%s would let %s go again", policy->name, domain->name);
		return;
	}
	note.to = place->cpus;
	note.fact_name = place->fact_name;
	note.fact = place->fact;
	note.threshold = place->threshold;
	tacho_s_note(sched, &note, "%s would put %s on CPU %s: %s", policy->name, domain->name,
		     tacho_cpus_format(&place->cpus, cpus, sizeof(cpus)), place->reason);
}

int tacho_s_observe(struct tacho_sched *sched, const struct tacho_policy_input *input)
{
	int error;

	/* a foreign one may have the same name */
	if (tacho_runner_pid(sched->runner) > 0 ||
	    strcmp(tacho_runner_name(sched->runner), tacho_policy_observe.name) != 0)
		return 0;
	if (!sched->observer) {
		error = tacho_observer_create(&sched->observer);
		if (error)
			return tacho_s_fail(sched, error, "out of memory");
	}
	tacho_observer_ask(sched->observer, input, tell_note, sched);
	return 0;
}
