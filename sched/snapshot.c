// SPDX-License-Identifier: BSD-2-Clause
/*
 * snapshot.c: what snapshot.h promises: means of domains here, those of pairs in couples.c.
 */
#include "snapshot.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "couples.h"
#include "facts/queries.h"
#include "policies.h"

#define MAX_DOMAINS  512u
#define MAX_PAIRS    1024u
#define TAU_S	     0.06 /* time constant of the means */
#define CHECK_NS     1000000000ull
#define MAX_CHECKS   32u /* files of so many tasks are read in a round, those first who run most */
#define KEEP_NS	     1000000000ull /* who did nothing for so long is not told of */
#define MIN_SERVICE  0.002 /* share from which a domain is told of */
#define SECOND	     1000000000ull
#define MIN_CHANGE   500.0 /* wake-ups per second */
#define HOLD_CHANGES 2.0 /* another rate than when it was taken back: it is something else now */

struct tacho_snapshot {
	struct tacho_snapshot_options options;
	struct tacho_unit *units; /* by number */
	double *service_on; /* of all units */
	uint32_t nr_cpus;
	struct tacho_couples couples;
	struct tacho_facts_sets sets;
	struct tacho_policy_input input;
	struct tacho_policy_cpu *cpus;
	struct tacho_policy_domain *domains;
	struct tacho_policy_pair *pairs;
	struct tacho_policy_set *input_sets;
	uint32_t *members;
	double *input_service;
	uint32_t *index; /* by number: index in the input, or TACHO_POLICY_NONE */
	uint32_t *active; /* numbers of the units that have something to be told of */
	uint32_t nr_active;
	uint32_t *numbers; /* domains of the input */
	uint32_t nr_numbers;
	double *busy, *runq; /* by index of the CPU */
	double cpu_weight;
	uint64_t interval_ns;
};

/* --- life ------------------------------------------------------------------------------------- */

static int rooms(struct tacho_snapshot *snapshot)
{
	const size_t cpus = snapshot->options.topology->nr_cpus;
	const size_t nr = snapshot->options.nr_domains;

	free(snapshot->service_on);
	free(snapshot->cpus);
	free(snapshot->input_service);
	free(snapshot->busy);
	free(snapshot->runq);
	snapshot->nr_cpus = (uint32_t)cpus;
	snapshot->service_on = calloc(nr * cpus, sizeof(double));
	snapshot->cpus = calloc(cpus, sizeof(*snapshot->cpus));
	snapshot->input_service = calloc(MAX_DOMAINS * cpus, sizeof(double));
	snapshot->busy = calloc(cpus, sizeof(double));
	snapshot->runq = calloc(cpus, sizeof(double));
	if (!snapshot->service_on || !snapshot->cpus || !snapshot->input_service ||
	    !snapshot->busy || !snapshot->runq)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		snapshot->units[i].service_on = snapshot->service_on + i * cpus;
		snapshot->units[i].weight = 0;
	}
	snapshot->cpu_weight = 0;
	tacho_couples_clear(&snapshot->couples);
	return 0;
}

int tacho_snapshot_create(struct tacho_snapshot **out, const struct tacho_snapshot_options *options)
{
	struct tacho_snapshot *snapshot = calloc(1, sizeof(*snapshot));
	int error = -ENOMEM;

	*out = NULL;
	if (!snapshot)
		return -ENOMEM;
	snapshot->options = *options;
	snapshot->units = calloc(options->nr_domains, sizeof(*snapshot->units));
	snapshot->index = calloc(options->nr_domains, sizeof(*snapshot->index));
	snapshot->active = calloc(options->nr_domains, sizeof(*snapshot->active));
	snapshot->numbers = calloc(options->nr_domains, sizeof(*snapshot->numbers));
	snapshot->domains = calloc(MAX_DOMAINS, sizeof(*snapshot->domains));
	snapshot->pairs = calloc(MAX_PAIRS, sizeof(*snapshot->pairs));
	snapshot->input_sets = calloc(MAX_DOMAINS, sizeof(*snapshot->input_sets));
	snapshot->members = calloc(MAX_DOMAINS, sizeof(*snapshot->members));
	if (snapshot->units && snapshot->index && snapshot->active && snapshot->numbers &&
	    snapshot->domains && snapshot->pairs && snapshot->input_sets && snapshot->members)
		error = rooms(snapshot);
	for (uint32_t i = 0; !error && i < options->nr_domains; i++)
		snapshot->index[i] = TACHO_POLICY_NONE;
	if (error) {
		tacho_snapshot_destroy(snapshot);
		return error;
	}
	*out = snapshot;
	return 0;
}

void tacho_snapshot_destroy(struct tacho_snapshot *snapshot)
{
	if (!snapshot)
		return;
	tacho_couples_fini(&snapshot->couples);
	tacho_facts_sets_fini(&snapshot->sets);
	free(snapshot->units);
	free(snapshot->service_on);
	free(snapshot->cpus);
	free(snapshot->domains);
	free(snapshot->pairs);
	free(snapshot->input_sets);
	free(snapshot->members);
	free(snapshot->input_service);
	free(snapshot->index);
	free(snapshot->active);
	free(snapshot->numbers);
	free(snapshot->busy);
	free(snapshot->runq);
	free(snapshot);
}

int tacho_snapshot_cpus(struct tacho_snapshot *snapshot)
{
	return rooms(snapshot);
}

struct tacho_unit *tacho_snapshot_unit(struct tacho_snapshot *snapshot, uint32_t domain)
{
	return domain < snapshot->options.nr_domains ? &snapshot->units[domain] : NULL;
}

struct tacho_unit *tacho_snapshot_unmetered(struct tacho_snapshot *snapshot, uint64_t now_ns)
{
	struct tacho_unit *unit, *oldest = NULL;

	for (uint32_t i = 0; i < snapshot->nr_active; i++) {
		unit = &snapshot->units[snapshot->active[i]];
		if (!unit->is_used || unit->tid || unit->pid <= 0 || unit->metered_ns == now_ns ||
		    unit->service < snapshot->options.tuning->cpu_threshold)
			continue;
		if (!oldest || unit->metered_ns < oldest->metered_ns)
			oldest = unit;
	}
	return oldest;
}

void tacho_snapshot_forget(struct tacho_snapshot *snapshot, uint32_t domain)
{
	struct tacho_unit *unit = &snapshot->units[domain];
	double *service_on = unit->service_on;
	const bool is_active = unit->is_active; /* it leaves the list by itself */

	*unit = (struct tacho_unit){ .service_on = service_on, .is_active = is_active };
	memset(service_on, 0, snapshot->nr_cpus * sizeof(*service_on));
	tacho_couples_forget(&snapshot->couples, domain);
}

/* --- means ------------------------------------------------------------------------------------ */

/* A new value has the weight gain; the old ones keep the rest. */
static void into(double *mean, double value, double gain)
{
	*mean += (value - *mean) * gain;
}

/*
 * Weights of intervals: each loses weight as time goes by, so the sum of them is what a new one of
 * weight 1 - keep is compared with. Of the first one the mean is that one.
 */
static double gain_of(double *weight, double keep)
{
	*weight = *weight * keep + (1 - keep);
	return (1 - keep) / *weight;
}

static void unit_add(struct tacho_unit *unit, const struct tacho_facts_domain *facts, double rate,
		     double gain)
{
	into(&unit->service, (double)facts->service_ns * 1e-9 * rate, gain);
	into(&unit->wait, (double)facts->wait_ns * 1e-9 * rate, gain);
	into(&unit->waits, (double)facts->waits * rate, gain);
	into(&unit->wakes_out, (double)facts->wakes_out * rate, gain);
	into(&unit->wakes_in, (double)facts->wakes_in * rate, gain);
	into(&unit->slices, (double)facts->slices * rate, gain);
	into(&unit->migrations, (double)facts->migrations * rate, gain);
	into(&unit->faults, (double)facts->faults * rate, gain);
	into(&unit->io_bytes, (double)(facts->block_bytes[0] + facts->block_bytes[1]) * rate, gain);
	into(&unit->net_bytes, (double)(facts->net_bytes[0] + facts->net_bytes[1]) * rate, gain);
	into(&unit->socket_bytes, (double)(facts->socket_bytes[0] + facts->socket_bytes[1]) * rate,
	     gain);
	if (!unit->metered_ns)
		into(&unit->intensity,
		     (double)(facts->pmc[0] ? facts->pmc[0] : facts->faults) * rate, gain);
}

/*
 * Those to which something happened are active; who was silent for long and is not placed is no
 * more.
 */
static void units_choose(struct tacho_snapshot *snapshot, struct tacho_facts *facts,
			 uint64_t now_ns)
{
	const uint32_t *domains;
	const size_t nr = tacho_facts_domains(facts, &domains);
	struct tacho_unit *unit;
	uint32_t kept = 0;

	for (size_t i = 0; i < nr; i++)
		tacho_snapshot_touch(snapshot, domains[i], now_ns);
	for (uint32_t i = 0; i < snapshot->nr_active; i++) {
		unit = &snapshot->units[snapshot->active[i]];
		unit->is_active = now_ns - unit->active_ns <= KEEP_NS ||
				  !tacho_cpus_empty(&unit->placed) ||
				  unit->flags & TACHO_D_LAUNCHED;
		unit->is_used = unit->is_used && unit->is_active;
		if (unit->is_active)
			snapshot->active[kept++] = snapshot->active[i];
	}
	snapshot->nr_active = kept;
}

void tacho_snapshot_touch(struct tacho_snapshot *snapshot, uint32_t domain, uint64_t now_ns)
{
	struct tacho_unit *unit = tacho_snapshot_unit(snapshot, domain);

	if (!unit)
		return;
	unit->active_ns = now_ns;
	if (!unit->is_active)
		snapshot->active[snapshot->nr_active++] = domain;
	unit->is_active = true;
}

static void unit_on_add(struct tacho_snapshot *snapshot, struct tacho_facts *facts,
			struct tacho_unit *unit, uint32_t domain, double rate, double gain)
{
	const struct tacho_policy_cpu *cpus = snapshot->options.topology->cpus;

	for (uint32_t i = 0; i < snapshot->nr_cpus; i++)
		into(&unit->service_on[i],
		     (double)tacho_facts_service_on(facts, domain, cpus[i].id) * 1e-9 * rate, gain);
}

/* Every domain that has a mean, also if nothing happened to it now. */
static void units_add(struct tacho_snapshot *snapshot, struct tacho_facts *facts, double rate,
		      double keep, uint64_t now_ns)
{
	struct tacho_unit *unit;
	uint32_t domain;
	double gain;

	units_choose(snapshot, facts, now_ns);
	for (uint32_t i = 0; i < snapshot->nr_active; i++) {
		domain = snapshot->active[i];
		unit = &snapshot->units[domain];
		if (unit->mean_ns == 0)
			unit->weight = snapshot->cpu_weight; /* it was idle so far */
		gain = gain_of(&unit->weight, keep);
		unit->mean_ns = now_ns;
		unit_add(unit, tacho_facts_domain(facts, domain), rate, gain);
		unit_on_add(snapshot, facts, unit, domain, rate, gain);
	}
}

static void cpus_add(struct tacho_snapshot *snapshot, struct tacho_facts *facts, double gain)
{
	const struct tacho_facts_cpu *cpu;

	for (uint32_t i = 0; i < snapshot->nr_cpus; i++) {
		const uint32_t id = snapshot->options.topology->cpus[i].id;

		cpu = tacho_facts_cpu(facts, id);
		into(&snapshot->busy[i], tacho_facts_load(facts, id), gain);
		if (cpu->runq_samples)
			into(&snapshot->runq[i], (double)cpu->runq_sum / (double)cpu->runq_samples,
			     gain);
	}
}

static void begin(struct tacho_snapshot *snapshot)
{
	for (uint32_t i = 0; i < snapshot->options.nr_domains; i++) {
		snapshot->units[i].weight = 0;
		snapshot->units[i].mean_ns = 0;
	}
	snapshot->cpu_weight = 0;
	tacho_couples_clear(&snapshot->couples);
}

int tacho_snapshot_add(struct tacho_snapshot *snapshot, struct tacho_facts *facts, uint64_t now_ns,
		       bool is_first)
{
	const uint64_t wall_ns = tacho_facts_wall_ns(facts);
	double rate, keep;

	if (is_first)
		begin(snapshot);
	if (wall_ns == 0)
		return 0;
	snapshot->interval_ns = wall_ns;
	rate = 1e9 / (double)wall_ns;
	keep = exp(-(double)wall_ns * 1e-9 / TAU_S);
	units_add(snapshot, facts, rate, keep, now_ns);
	cpus_add(snapshot, facts, gain_of(&snapshot->cpu_weight, keep));
	return tacho_couples_add(&snapshot->couples, facts, rate, keep);
}

/* --- what /proc says -------------------------------------------------------------------------- */

bool tacho_is_fixed(const struct tacho_world *world, const struct tacho_cpus *online, int tid,
		    const struct tacho_cpus *own, struct tacho_cpus *allowed)
{
	struct tacho_cpus all = *online, some = tacho_cpus_and(own, online);

	/* who may use all that are online is in a cpuset that has them: no need to read which */
	if (!tacho_cpus_equal(&some, online))
		(void)world->allowed(world->arg, tid, &all);
	all = tacho_cpus_and(&all, online);
	*allowed = all;
	return !tacho_cpus_equal(&some, &all);
}

static void unit_affinity(struct tacho_snapshot *snapshot, struct tacho_unit *unit,
			  const struct tacho_world_task *task)
{
	const struct tacho_cpus *online = &snapshot->options.topology->online;
	const struct tacho_ledger_entry *entry = NULL;
	struct tacho_cpus own = task->cpus;

	/* what somebody chose on this machine says nothing about one that is made up */
	if (snapshot->options.topology->is_synthetic) {
		unit->allowed = *online;
		return;
	}
	if (snapshot->options.ledger)
		entry = tacho_ledger_find(snapshot->options.ledger, task->tid);
	if (entry && entry->before.start == task->start)
		own = entry->before.cpus;
	if (!tacho_is_fixed(snapshot->options.world, online, task->tid, &own, &unit->allowed) ||
	    snapshot->options.force)
		return;
	unit->allowed = tacho_cpus_and(&own, online);
	unit->flags |= TACHO_D_FIXED;
}

bool tacho_is_realtime(int policy)
{
	return policy != SCHED_OTHER && policy != SCHED_BATCH && policy != SCHED_IDLE;
}

/* What the kernel's books say. Returns whether it is somebody's who may be moved. */
static bool unit_identify(const struct tacho_snapshot *snapshot, struct tacho_unit *unit)
{
	bool is_vm = false;

	unit->id = (uint32_t)(unit - snapshot->units);
	unit->flags &= TACHO_D_LAUNCHED;
	if (unit->id < TACHO_DOMAIN_FIRST ||
	    snapshot->options.info(snapshot->options.arg, unit->id, unit->name, &unit->pid,
				   &unit->tid, &unit->nr_tasks, &is_vm) != 0 ||
	    unit->pid <= 0) {
		unit->flags |= TACHO_D_SYSTEM;
		return false;
	}
	if (is_vm)
		unit->flags |= TACHO_D_VM;
	if (unit->tid)
		unit->flags |= TACHO_D_THREAD;
	return true;
}

static void unit_check(struct tacho_snapshot *snapshot, struct tacho_unit *unit, uint64_t now_ns)
{
	const struct tacho_world *world = snapshot->options.world;
	struct tacho_world_task task = { 0 };

	unit->checked_ns = now_ns;
	if (!unit_identify(snapshot, unit))
		return;
	if (world->task(world->arg, unit->tid ? unit->tid : unit->pid, &task) != 0) {
		unit->flags |= TACHO_D_SYSTEM;
		return;
	}
	if (task.is_kernel)
		unit->flags |= TACHO_D_SYSTEM;
	if (tacho_is_realtime(task.policy))
		unit->flags |= TACHO_D_REALTIME;
	if (task.age_ms < snapshot->options.min_age_ms) {
		unit->flags |= TACHO_D_YOUNG;
		/* it grows up before the next look is due */
		unit->checked_ns =
			now_ns - CHECK_NS + (snapshot->options.min_age_ms - task.age_ms) * 1000000;
	}
	unit_affinity(snapshot, unit, &task);
}

uint64_t tacho_snapshot_recheck(const struct tacho_unit *unit)
{
	return unit->checked_ns + CHECK_NS;
}

/* Held back, unless it does something else now. */
static bool is_held(const struct tacho_unit *unit, uint64_t now_ns)
{
	const double rate = unit->wakes_in + unit->wakes_out;

	if (now_ns >= unit->hold_ns)
		return false;
	if (unit->hold_rate < 0 || fabs(rate - unit->hold_rate) < MIN_CHANGE)
		return true;
	return !(rate > unit->hold_rate * HOLD_CHANGES || unit->hold_rate > rate * HOLD_CHANGES);
}

static uint32_t flags_now(const struct tacho_unit *unit, uint64_t now_ns)
{
	uint32_t flags = unit->flags;

	if (unit->is_users)
		flags |= TACHO_D_FIXED;
	if (unit->forks >= TACHO_MAX_FORKS && now_ns - unit->forked_ns < 2 * SECOND)
		flags |= TACHO_D_FORKS;
	if (is_held(unit, now_ns))
		flags |= TACHO_D_HELD;
	if (!(flags & (TACHO_D_FIXED | TACHO_D_REALTIME | TACHO_D_YOUNG | TACHO_D_FORKS |
		       TACHO_D_HELD | TACHO_D_SYSTEM)))
		flags |= TACHO_D_MOVABLE;
	return flags;
}

/* --- the input -------------------------------------------------------------------------------- */

static void domain_fill(const struct tacho_snapshot *snapshot, const struct tacho_unit *unit,
			struct tacho_policy_domain *domain, uint64_t now_ns)
{
	double most = 0;

	*domain = (struct tacho_policy_domain){
		.id = unit->id,
		.flags = flags_now(unit, now_ns),
		.pid = unit->pid,
		.tid = unit->tid,
		.nr_tasks = unit->nr_tasks,
		.set = TACHO_POLICY_NONE,
		.home = TACHO_POLICY_NONE,
		.node = TACHO_POLICY_NONE,
		.service = unit->service,
		.wait = unit->wait,
		.waits = unit->waits,
		.wakes_out = unit->wakes_out,
		.wakes_in = unit->wakes_in,
		.slices = unit->slices,
		.migrations = unit->migrations,
		.faults = unit->faults,
		.io_bytes = unit->io_bytes,
		.net_bytes = unit->net_bytes + unit->socket_bytes,
		.intensity = unit->intensity,
		.allowed = unit->allowed,
		.placed = unit->placed,
		.bound = unit->bound,
		.priority = unit->priority,
	};
	memcpy(domain->name, unit->name, sizeof(domain->name));
	for (uint32_t cpu = 0; cpu < snapshot->nr_cpus; cpu++) {
		if (unit->service_on[cpu] <= most)
			continue;
		most = unit->service_on[cpu];
		domain->home = cpu;
	}
}

/* The most service first; of equal ones the smaller number. */
static int by_service(const void *a, const void *b, void *arg)
{
	const struct tacho_unit *units = arg;
	const struct tacho_unit *x = &units[*(const uint32_t *)a],
				*y = &units[*(const uint32_t *)b];

	if (x->service != y->service)
		return x->service < y->service ? 1 : -1;
	return (x > y) - (x < y);
}

/* Of more than there is room for, those that are placed and those that run most. */
static void cut(struct tacho_snapshot *snapshot)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < snapshot->nr_numbers; i++) {
		struct tacho_unit *unit = &snapshot->units[snapshot->numbers[i]];

		unit->is_used = kept < MAX_DOMAINS &&
				(!tacho_cpus_empty(&unit->placed) || i < MAX_DOMAINS / 2 ||
				 snapshot->nr_numbers <= MAX_DOMAINS);
		if (unit->is_used)
			snapshot->numbers[kept++] = snapshot->numbers[i];
	}
	snapshot->nr_numbers = kept;
}

/* Which domains are told of. */
static void choose(struct tacho_snapshot *snapshot)
{
	struct tacho_unit *unit;

	for (uint32_t i = 0; i < snapshot->nr_numbers; i++)
		snapshot->index[snapshot->numbers[i]] = TACHO_POLICY_NONE;
	snapshot->nr_numbers = 0;
	for (uint32_t i = 0; i < snapshot->nr_active; i++) {
		unit = &snapshot->units[snapshot->active[i]];
		unit->is_used =
			snapshot->active[i] != TACHO_DOMAIN_IDLE &&
			(!tacho_cpus_empty(&unit->placed) || unit->flags & TACHO_D_LAUNCHED ||
			 unit->service > MIN_SERVICE ||
			 unit->wakes_in + unit->wakes_out > snapshot->options.tuning->min_rate);
		if (unit->is_used)
			snapshot->numbers[snapshot->nr_numbers++] = snapshot->active[i];
	}
	qsort_r(snapshot->numbers, snapshot->nr_numbers, sizeof(snapshot->numbers[0]), by_service,
		snapshot->units);
	cut(snapshot);
}

static void take_domains(struct tacho_snapshot *snapshot, uint64_t now_ns)
{
	struct tacho_unit *unit;
	unsigned checks = 0;
	bool is_due;

	choose(snapshot);
	for (uint32_t i = 0; i < snapshot->nr_numbers; i++) {
		unit = &snapshot->units[snapshot->numbers[i]];
		is_due = !unit->checked_ns || now_ns - unit->checked_ns >= CHECK_NS;
		if (is_due && checks++ < MAX_CHECKS)
			unit_check(snapshot, unit, now_ns);
		else if (!unit->checked_ns && unit_identify(snapshot, unit))
			unit->flags |= TACHO_D_YOUNG; /* its turn comes in a later round */
		domain_fill(snapshot, unit, &snapshot->domains[i], now_ns);
		snapshot->index[snapshot->numbers[i]] = i;
		memcpy(snapshot->input_service + (size_t)i * snapshot->nr_cpus, unit->service_on,
		       snapshot->nr_cpus * sizeof(double));
	}
	snapshot->input.nr_domains = snapshot->nr_numbers;
}

static bool skips(void *arg, uint32_t domain)
{
	const struct tacho_snapshot *snapshot = arg;
	const uint32_t index = snapshot->index[domain];

	return index == TACHO_POLICY_NONE || snapshot->domains[index].flags & TACHO_D_SYSTEM;
}

static void set_fill(struct tacho_snapshot *snapshot, struct tacho_facts *facts,
		     const struct tacho_facts_set *set, struct tacho_policy_set *out)
{
	const uint32_t *numbers = snapshot->sets.members + set->first;
	const uint32_t which = (uint32_t)(out - snapshot->input_sets);

	*out = (struct tacho_policy_set){ snapshot->input.nr_members, set->nr, set->rate, 0, 0, 0 };
	for (uint32_t i = 0; i < set->nr; i++) {
		const uint32_t index = snapshot->index[numbers[i]];

		snapshot->members[snapshot->input.nr_members++] = index;
		snapshot->domains[index].set = which;
		out->service += snapshot->domains[index].service;
		out->wait += snapshot->domains[index].wait;
	}
	out->together = tacho_couples_crowd(&snapshot->couples, facts, numbers, set->nr);
}

static int take_sets(struct tacho_snapshot *snapshot, struct tacho_facts *facts)
{
	int error = tacho_facts_sets(facts, snapshot->options.tuning->min_rate, skips, snapshot,
				     &snapshot->sets);

	snapshot->input.nr_sets = snapshot->input.nr_members = 0;
	if (error)
		return error;
	for (size_t i = 0; i < snapshot->sets.nr_sets && i < MAX_DOMAINS; i++) {
		const struct tacho_facts_set *set = &snapshot->sets.sets[i];

		if (snapshot->input.nr_members + set->nr > MAX_DOMAINS)
			break;
		set_fill(snapshot, facts, set, &snapshot->input_sets[snapshot->input.nr_sets++]);
	}
	return 0;
}

static void take_pairs(struct tacho_snapshot *snapshot)
{
	struct tacho_policy_pair *pair;
	size_t nr = tacho_couples_list(&snapshot->couples, snapshot->index,
				       snapshot->options.nr_domains, snapshot->pairs, MAX_PAIRS);

	for (size_t i = 0; i < nr; i++) {
		pair = &snapshot->pairs[i];
		pair->apart = tacho_input_apart(&snapshot->input, pair->a, pair->b, false);
	}
	snapshot->input.nr_pairs = (uint32_t)nr;
}

static void take_cpus(struct tacho_snapshot *snapshot)
{
	for (uint32_t i = 0; i < snapshot->nr_cpus; i++) {
		snapshot->cpus[i] = snapshot->options.topology->cpus[i];
		snapshot->cpus[i].busy = snapshot->busy[i];
		snapshot->cpus[i].runq = snapshot->runq[i];
	}
}

/* All but the numbers of what is in the arrays. */
static void input_begin(struct tacho_snapshot *snapshot, uint64_t now_ns)
{
	struct tacho_policy_input *input = &snapshot->input;

	input->time_ns = now_ns;
	input->interval_ns = snapshot->interval_ns;
	input->nr_cpus = snapshot->nr_cpus;
	input->nr_nodes = snapshot->options.topology->nr_nodes;
	input->cpus = snapshot->cpus;
	input->domains = snapshot->domains;
	input->service_on = snapshot->input_service;
	input->pairs = snapshot->pairs;
	input->sets = snapshot->input_sets;
	input->members = snapshot->members;
	input->metric = snapshot->options.metric;
	input->measured = snapshot->options.measured;
	input->tuning = *snapshot->options.tuning;
}

int tacho_snapshot_take(struct tacho_snapshot *snapshot, struct tacho_facts *facts, uint64_t now_ns,
			const struct tacho_policy_input **input)
{
	int error;

	input_begin(snapshot, now_ns);
	take_cpus(snapshot);
	take_domains(snapshot, now_ns);
	error = take_sets(snapshot, facts);
	if (error)
		return error;
	take_pairs(snapshot);
	*input = &snapshot->input;
	return 0;
}

struct tacho_others tacho_snapshot_all(const struct tacho_snapshot *snapshot)
{
	struct tacho_others all = { 0, 0 };
	const struct tacho_unit *unit;

	for (uint32_t i = 0; i < snapshot->nr_active; i++) {
		unit = &snapshot->units[snapshot->active[i]];
		if (snapshot->active[i] < TACHO_DOMAIN_FIRST || !unit->is_used)
			continue;
		all.service += unit->service;
		all.wait += unit->wait;
	}
	return all;
}
