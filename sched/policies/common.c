/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * common.c: planned load, and working sets from call to call; see common.h.
 *
 * Pure functions of an input and of what the caller keeps; nothing is allocated, read or printed.
 * Called by the built-in policies only.
 */
#include <string.h>

#include "sched/policies/common.h"

const struct tacho_policy_domain *tacho_input_domain(const struct tacho_policy_input *input,
						     uint32_t index)
{
	return index < input->nr_domains ? &input->domains[index] : NULL;
}

uint32_t tacho_input_member(const struct tacho_policy_input *input, uint32_t set, uint32_t i)
{
	const struct tacho_policy_set *s = &input->sets[set];
	uint32_t at = s->first + i;

	if (set >= input->nr_sets || i >= s->nr || at < i || at >= input->nr_members ||
	    input->members[at] >= input->nr_domains)
		return TACHO_POLICY_NONE;
	return input->members[at];
}

double tacho_input_on(const struct tacho_policy_input *input, uint32_t domain, uint32_t cpu)
{
	if (domain >= input->nr_domains || cpu >= input->nr_cpus)
		return 0;
	return tacho_sane(input->service_on[(size_t)domain * input->nr_cpus + cpu]);
}

uint32_t tacho_input_first(const struct tacho_policy_input *input, const struct tacho_cpus *cpus)
{
	for (uint32_t i = 0; i < input->nr_cpus; i++)
		if (tacho_cpus_has(cpus, input->cpus[i].id))
			return i;
	return TACHO_POLICY_NONE;
}

struct tacho_cpus tacho_input_online(const struct tacho_policy_input *input)
{
	struct tacho_cpus cpus = { { 0 } };

	for (uint32_t i = 0; i < input->nr_cpus; i++)
		tacho_cpus_add(&cpus, input->cpus[i].id);
	return cpus;
}

struct tacho_cpus tacho_input_cache(const struct tacho_policy_input *input, uint32_t cpu)
{
	struct tacho_cpus cpus = { { 0 } };

	for (uint32_t i = 0; cpu < input->nr_cpus && i < input->nr_cpus; i++)
		if (input->cpus[i].cache == input->cpus[cpu].cache)
			tacho_cpus_add(&cpus, input->cpus[i].id);
	return cpus;
}

uint32_t tacho_input_caches(const struct tacho_policy_input *input, bool *several)
{
	uint32_t nr = 0;

	*several = false;
	for (uint32_t i = 0; i < input->nr_cpus; i++) {
		uint32_t k = 0;

		while (k < i && input->cpus[k].cache != input->cpus[i].cache)
			k++;
		if (k == i)
			nr++;
		else
			*several = true;
	}
	return nr;
}

double tacho_input_apart(const struct tacho_policy_input *input, uint32_t a, uint32_t b,
			 bool caches)
{
	double all_a = 0, all_b = 0, same = 0;

	for (uint32_t i = 0; i < input->nr_cpus; i++) {
		double on = tacho_input_on(input, a, i), with = tacho_input_on(input, b, i);

		all_a += on;
		all_b += with;
		if (caches) {
			with = 0;
			for (uint32_t k = 0; on > 0 && k < input->nr_cpus; k++)
				if (input->cpus[k].cache == input->cpus[i].cache)
					with += tacho_input_on(input, b, k);
		}
		same += on * with;
	}
	if (!(all_a > 0 && all_b > 0))
		return 0;
	return tacho_sane(1 - same / (all_a * all_b));
}

double tacho_domain_demand(const struct tacho_policy_domain *domain)
{
	return tacho_least(tacho_sane(domain->service) + tacho_sane(domain->wait),
			   domain->nr_tasks ? domain->nr_tasks : 1);
}

bool tacho_domain_computes(const struct tacho_policy_domain *domain,
			   const struct tacho_policy_tuning *tuning)
{
	double least = tuning->cpu_threshold > 0 ? tuning->cpu_threshold : 0.3;

	return tacho_domain_demand(domain) >= least && tacho_sane(domain->service) > 0;
}

/* --- planned load ----------------------------------------------------------------------------- */

/* What a domain waited for is counted where it ran, in the same shares. */
static void field_change(struct tacho_field *field, uint32_t domain, double sign)
{
	const struct tacho_policy_domain *d = &field->input->domains[domain];
	double service = tacho_sane(d->service), factor = 1;

	if (service > 0)
		factor = tacho_least(tacho_domain_demand(d) / service, 100);
	for (uint32_t i = 0; i < field->nr; i++) {
		field->load[i] += sign * factor * tacho_input_on(field->input, domain, i);
		if (field->load[i] < 0)
			field->load[i] = 0;
	}
}

void tacho_field_start(struct tacho_field *field, const struct tacho_policy_input *input)
{
	memset(field, 0, sizeof(*field));
	field->input = input;
	field->nr = input->nr_cpus < TACHO_POLICY_CPUS ? input->nr_cpus : TACHO_POLICY_CPUS;
	for (uint32_t i = 0; i < input->nr_domains; i++)
		field_change(field, i, 1);
}

void tacho_field_remove(struct tacho_field *field, uint32_t domain)
{
	if (domain < field->input->nr_domains)
		field_change(field, domain, -1);
}

void tacho_field_put(struct tacho_field *field, uint32_t cpu, double load)
{
	if (cpu >= field->nr)
		return;
	field->load[cpu] = tacho_most(field->load[cpu] + load, 0);
	if (load > 0 && field->sets[cpu] < 255)
		field->sets[cpu]++;
	else if (load < 0 && field->sets[cpu] > 0)
		field->sets[cpu]--;
}

/*
 * What a task there would feel: its own CPU's load, and a part of what runs on the other half of
 * the core.
 */
static double field_score(const struct tacho_field *field, uint32_t cpu)
{
	const struct tacho_policy_cpu *cpus = field->input->cpus;
	double score = field->load[cpu] + 0.1 * field->sets[cpu];

	for (uint32_t i = 0; i < field->nr; i++)
		if (i != cpu && cpus[i].core == cpus[cpu].core)
			score += 0.25 * tacho_least(field->load[i], 1);
	return score;
}

uint32_t tacho_field_choose(const struct tacho_field *field, const struct tacho_cpus *allowed,
			    uint32_t now, uint32_t home, uint32_t node)
{
	uint32_t best = TACHO_POLICY_NONE;
	double least = 0;

	for (uint32_t i = 0; i < field->nr; i++) {
		double score;

		if (!tacho_cpus_has(allowed, field->input->cpus[i].id))
			continue;
		score = field_score(field, i);
		if (i == now)
			score -= 0.3;
		if (i == home)
			score -= 0.1;
		if (field->input->cpus[i].node == node)
			score -= 0.05;
		/* a difference that is only rounding must not decide */
		if (best == TACHO_POLICY_NONE || score < least - 1e-6) {
			best = i;
			least = score;
		}
	}
	return best;
}

uint32_t tacho_field_choose_cache(const struct tacho_field *field, const struct tacho_cpus *allowed,
				  double room, uint32_t now, uint32_t home)
{
	const struct tacho_policy_cpu *cpus = field->input->cpus;
	uint32_t best = TACHO_POLICY_NONE;
	double least = 0;

	for (uint32_t i = 0; i < field->nr; i++) {
		struct tacho_cpus cache = tacho_input_cache(field->input, i);
		double score = 0;
		uint32_t nr;

		cache = tacho_cpus_and(&cache, allowed);
		nr = tacho_cpus_count(&cache);
		if (tacho_input_first(field->input, &cache) != i || nr < 2 || nr + 0.05 < room)
			continue;
		for (uint32_t k = 0; k < field->nr; k++)
			if (tacho_cpus_has(&cache, cpus[k].id))
				score += field->load[k] / nr;
		if (now < field->nr && cpus[now].cache == cpus[i].cache)
			score -= 0.3;
		if (home < field->nr && cpus[home].cache == cpus[i].cache)
			score -= 0.1;
		if (best == TACHO_POLICY_NONE || score < least - 1e-6) {
			best = i;
			least = score;
		}
	}
	return best;
}

/* --- working sets from call to call ----------------------------------------------------------- */

void tacho_groups_start(struct tacho_groups *groups, uint64_t now_ns)
{
	groups->step_ms = tacho_step_ms(&groups->last_ms, now_ns);
	for (uint32_t i = 0; i < TACHO_GROUPS; i++)
		groups->group[i].seen = 0;
}

static struct tacho_group *groups_find(struct tacho_groups *groups, uint32_t id)
{
	for (uint32_t i = 0; id && i < TACHO_GROUPS; i++)
		if (groups->group[i].id == id)
			return &groups->group[i];
	return NULL;
}

struct tacho_group *tacho_groups_of(struct tacho_groups *groups, uint32_t domain_id)
{
	for (uint32_t i = 0; i < groups->nr_members && i < TACHO_MEMBERS; i++)
		if (groups->member[i].id == domain_id)
			return groups_find(groups, groups->member[i].group);
	return NULL;
}

uint32_t tacho_group_name(const struct tacho_group *group)
{
	return group->id - 1;
}

uint32_t tacho_groups_absent(const struct tacho_groups *groups, uint32_t domain_id, uint64_t now_ns)
{
	for (uint32_t i = 0; i < groups->nr_members && i < TACHO_MEMBERS; i++)
		if (groups->member[i].id == domain_id)
			return (uint32_t)(now_ns / 1000000) - groups->member[i].seen_ms;
	return TACHO_POLICY_NONE;
}

/* A free place, or that of a group which nothing is known of any more. */
static struct tacho_group *groups_new(struct tacho_groups *groups, uint32_t id, uint64_t now)
{
	struct tacho_group *group = NULL;

	for (uint32_t i = 0; !group && i < TACHO_GROUPS; i++)
		if (!groups->group[i].id)
			group = &groups->group[i];
	for (uint32_t i = 0; !group && i < TACHO_GROUPS; i++) {
		const struct tacho_group *old = &groups->group[i];

		if (!old->seen && old->held_until <= now && !old->votes && !old->cpu)
			group = &groups->group[i];
	}
	if (group) {
		memset(group, 0, sizeof(*group));
		group->id = id;
	}
	return group;
}

static void groups_drop(struct tacho_groups *groups, uint32_t at)
{
	groups->member[at] = groups->member[--groups->nr_members];
}

static void groups_enter(struct tacho_groups *groups, uint32_t id, uint32_t group, uint64_t now)
{
	uint32_t k = 0;

	while (k < groups->nr_members && groups->member[k].id != id)
		k++;
	if (k == TACHO_MEMBERS)
		return;
	if (k == groups->nr_members)
		groups->nr_members++;
	groups->member[k].id = id;
	groups->member[k].group = group;
	groups->member[k].seen_ms = (uint32_t)(now / 1000000);
}

/* The group to which most of these belonged, if it is not another set's. */
static struct tacho_group *groups_most(struct tacho_groups *groups,
				       const struct tacho_policy_input *input, uint32_t set)
{
	uint8_t nr[TACHO_GROUPS] = { 0 };
	struct tacho_group *best = NULL;

	for (uint32_t i = 0; i < input->sets[set].nr; i++) {
		uint32_t member = tacho_input_member(input, set, i);
		struct tacho_group *group;

		if (member == TACHO_POLICY_NONE)
			break;
		group = tacho_groups_of(groups, input->domains[member].id);
		if (!group || group->seen)
			continue;
		nr[group - groups->group]++;
		if (!best || nr[group - groups->group] > nr[best - groups->group])
			best = group;
	}
	return best;
}

/* Named after the smallest number of its members that is no group's name yet. */
static uint32_t groups_name(struct tacho_groups *groups, const struct tacho_policy_input *input,
			    uint32_t set)
{
	uint32_t least = 0;

	for (uint32_t i = 0; i < input->sets[set].nr; i++) {
		uint32_t member = tacho_input_member(input, set, i), id;

		if (member == TACHO_POLICY_NONE)
			break;
		id = input->domains[member].id + 1;
		if ((!least || id < least) && !groups_find(groups, id))
			least = id;
	}
	return least;
}

struct tacho_group *tacho_groups_get(struct tacho_groups *groups,
				     const struct tacho_policy_input *input, uint32_t set)
{
	struct tacho_group *group;
	uint32_t name;

	if (input->sets[set].nr > TACHO_MEMBERS / 2)
		return NULL;
	group = groups_most(groups, input, set);
	if (!group) {
		name = groups_name(groups, input, set);
		group = name ? groups_new(groups, name, input->time_ns) : NULL;
	}
	if (!group)
		return NULL;
	group->seen = 1;
	for (uint32_t i = 0; i < input->sets[set].nr; i++) {
		uint32_t member = tacho_input_member(input, set, i);

		if (member != TACHO_POLICY_NONE)
			groups_enter(groups, input->domains[member].id, group->id, input->time_ns);
	}
	return group;
}

void tacho_groups_end(struct tacho_groups *groups, const struct tacho_policy_input *input)
{
	const uint32_t now_ms = (uint32_t)(input->time_ns / 1000000);

	for (uint32_t i = 0; i < TACHO_GROUPS; i++) {
		struct tacho_group *group = &groups->group[i];

		if (!group->seen && group->held_until <= input->time_ns)
			memset(group, 0, sizeof(*group));
	}
	for (uint32_t k = groups->nr_members; k-- > 0;) {
		struct tacho_group *group = groups_find(groups, groups->member[k].group);

		/* of a group that is only remembered, all are */
		if (!group ||
		    (group->seen == 1 && now_ms - groups->member[k].seen_ms > TACHO_LINGER))
			groups_drop(groups, k);
	}
}
