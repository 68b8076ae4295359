/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_snapshot.c: facts of an interval into a struct top_snapshot: rates, partners, matrix, machines.
 *
 * Owns the snapshot and its arrays. Must not read rows, areas or clocks: the same facts make the same
 * snapshot. Only domains that did something become lines; idle is in the header. Called by
 * top_data.c. Section 4.5.3 of paper 001 (the matrix).
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/names.h"
#include "top_snapshot.h"

#define CANDIDATES 8 /* partners that are looked at, the largest pairs first */
#define LEAST	   0.05 /* a rate below it is shown as nothing */

/* Exits are counted by reason, and no two reasons are one. */
_Static_assert(TACHO_VM_REASONS <= TACHO_FACTS_REASONS, "reasons of exits");

struct top_maker {
	struct top_snapshot snapshot;
	uint32_t nr_domains;
	uint32_t nr_cpus;
	unsigned char (*trend)[TOP_TREND]; /* by domain */
	uint32_t *line_of; /* by domain: its line, or TACHO_NONE */
	uint32_t *vm_of; /* by domain: its virtual machine, or TACHO_NONE */
	double *talk; /* by domain: rates of all its pairs */
	double scale; /* from a sum of the interval to a second */
};

int top_maker_create(struct top_maker **out, uint32_t nr_domains, uint32_t nr_cpus)
{
	struct top_maker *maker = calloc(1, sizeof(*maker));

	*out = NULL;
	if (!maker)
		return -ENOMEM;
	maker->nr_domains = nr_domains;
	maker->nr_cpus = nr_cpus;
	maker->snapshot.cpus = calloc(nr_cpus, sizeof(*maker->snapshot.cpus));
	maker->snapshot.lines = calloc(nr_domains, sizeof(*maker->snapshot.lines));
	maker->snapshot.vms = calloc(TOP_VMS, sizeof(*maker->snapshot.vms));
	maker->trend = calloc(nr_domains, sizeof(*maker->trend));
	maker->line_of = calloc(nr_domains, sizeof(*maker->line_of));
	maker->vm_of = calloc(nr_domains, sizeof(*maker->vm_of));
	maker->talk = calloc(nr_domains, sizeof(*maker->talk));
	if (!maker->snapshot.cpus || !maker->snapshot.lines || !maker->snapshot.vms ||
	    !maker->trend || !maker->line_of || !maker->vm_of || !maker->talk) {
		top_maker_destroy(maker);
		return -ENOMEM;
	}
	*out = maker;
	return 0;
}

void top_maker_destroy(struct top_maker *maker)
{
	if (!maker)
		return;
	free(maker->talk);
	free(maker->vm_of);
	free(maker->line_of);
	free(maker->trend);
	free(maker->snapshot.vms);
	free(maker->snapshot.lines);
	free(maker->snapshot.cpus);
	free(maker);
}

struct top_snapshot *top_maker_snapshot(struct top_maker *maker)
{
	return &maker->snapshot;
}

void top_maker_forget(struct top_maker *maker, uint32_t domain)
{
	memset(maker->trend[domain], 0, sizeof(maker->trend[domain]));
}

static void scale_make(struct top_maker *maker)
{
	maker->scale = maker->snapshot.wall_ns ? 1e9 / (double)maker->snapshot.wall_ns : 0;
}

/* --- processors ----------------------------------------------------------------------------- */

static double percent(const struct top_maker *maker, uint64_t ns)
{
	return (double)ns * maker->scale / 1e7;
}

static void cpus_make(struct top_maker *maker, const struct tacho_facts *facts, const bool *online)
{
	struct top_snapshot *snapshot = &maker->snapshot;
	uint64_t service = 0, idle = 0;
	uint32_t i;

	snapshot->nr_cpus = 0;
	for (i = 0; i < maker->nr_cpus; i++) {
		const struct tacho_facts_cpu *cpu = tacho_facts_cpu(facts, i);

		if (!online[i])
			continue;
		service += cpu->service_ns;
		idle += cpu->idle_ns;
		snapshot->cpus[snapshot->nr_cpus++] = (struct top_cpu){
			.cpu = i,
			.busy = percent(maker, cpu->service_ns - cpu->idle_ns),
			.runq_mean = cpu->runq_samples
					     ? (double)cpu->runq_sum / (double)cpu->runq_samples
					     : 0,
			.runq_max = (uint32_t)(cpu->runq_max < 99999 ? cpu->runq_max : 99999),
			.switches = (double)cpu->switches * maker->scale,
		};
	}
	if (snapshot->nr_cpus == 0)
		return;
	snapshot->busy = percent(maker, service - idle) / snapshot->nr_cpus;
	snapshot->idle = percent(maker, idle) / snapshot->nr_cpus;
	snapshot->accounted = percent(maker, service) / snapshot->nr_cpus;
}

/* --- lines ---------------------------------------------------------------------------------- */

static void values_make(const struct top_maker *maker, const struct tacho_facts_domain *fact,
			double *value)
{
	const double s = maker->scale;

	value[TOP_CPU] = percent(maker, fact->service_ns);
	if (fact->slices) { /* most domains have none, and looking costs */
		value[TOP_P50] = (double)tacho_facts_quantile(fact->slice_hist, 0.5);
		value[TOP_P99] = (double)tacho_facts_quantile(fact->slice_hist, 0.99);
	}
	value[TOP_SLICES] = (double)fact->slices * s;
	value[TOP_WAIT] = percent(maker, fact->wait_ns);
	value[TOP_MIGRATIONS] = (double)fact->migrations * s;
	value[TOP_WAKES] = (double)fact->wakes_out * s;
	value[TOP_WOKEN] = (double)fact->wakes_in * s;
	value[TOP_FAULTS] = (double)fact->faults * s;
	value[TOP_READ] = (double)fact->block_bytes[0] * s;
	value[TOP_WRITE] = (double)fact->block_bytes[1] * s;
	value[TOP_LATENCY] = fact->block_ios ? (double)fact->block_ns / (double)fact->block_ios : 0;
	value[TOP_RECEIVED] = (double)fact->net_bytes[0] * s;
	value[TOP_SENT] = (double)fact->net_bytes[1] * s;
	value[TOP_SOCKET_SENT] = (double)fact->socket_bytes[0] * s;
	value[TOP_SOCKET_RECEIVED] = (double)fact->socket_bytes[1] * s;
	value[TOP_PIPE_WRITTEN] = (double)fact->pipe_bytes[0] * s;
	value[TOP_PIPE_READ] = (double)fact->pipe_bytes[1] * s;
	value[TOP_FUTEXES] = (double)fact->futexes * s;
	value[TOP_SYSCALLS] = (double)fact->syscalls * s;
	value[TOP_SYSCALL_TIME] = percent(maker, fact->syscall_ns);
	value[TOP_IRQ_TIME] = percent(maker, fact->irq_ns);
	value[TOP_SOFTIRQ_TIME] = percent(maker, fact->softirq_ns);
	value[TOP_LOCK_TIME] = percent(maker, fact->lock_ns);
}

static bool is_active(const struct tacho_facts_domain *fact, const double *value)
{
	double sum = 0;
	int i;

	for (i = 0; i < TOP_NR_VALUES; i++)
		if (i != TOP_RSS && !isnan(value[i]))
			sum += value[i];
	return sum > 0 || fact->vm_run_ns || fact->vm_exits || fact->vm_userspace;
}

static void name_make(char name[TOP_NAME], const struct tacho_kernel_domain_info *info,
		      uint32_t domain)
{
	if (info->name[0])
		text_clean(name, TOP_NAME, info->name);
	else
		snprintf(name, TOP_NAME, "domain %u", domain);
}

static void trend_add(struct top_maker *maker, uint32_t domain, double cpu)
{
	unsigned char *trend = maker->trend[domain];

	memmove(trend, trend + 1, TOP_TREND - 1);
	trend[TOP_TREND - 1] = (unsigned char)(cpu < 255 ? ceil(cpu) : 255);
}

static void total_add(double *total, const double *value)
{
	int i;

	for (i = 0; i < TOP_NR_VALUES; i++)
		total[i] += value[i];
}

static void lines_make(struct top_maker *maker, const struct tacho_facts *facts,
		       top_domain_fn domain_fn, void *arg,
		       bool (*is_process)(void *arg, uint32_t domain))
{
	struct top_snapshot *snapshot = &maker->snapshot;
	struct tacho_kernel_domain_info info;
	const struct tacho_facts_domain *fact;
	struct top_line *line;
	uint32_t domain;

	snapshot->nr_lines = 0;
	memset(snapshot->total, 0, sizeof(snapshot->total));
	for (domain = 0; domain < maker->nr_domains; domain++) {
		fact = tacho_facts_domain(facts, domain);
		line = &snapshot->lines[snapshot->nr_lines];
		maker->line_of[domain] = TACHO_NONE;
		memset(line, 0, sizeof(*line));
		values_make(maker, fact, line->value);
		trend_add(maker, domain, line->value[TOP_CPU]);
		if (domain == TACHO_DOMAIN_IDLE || !is_active(fact, line->value))
			continue;
		memset(&info, 0, sizeof(info));
		if (domain_fn(arg, domain, &info))
			memset(&info, 0, sizeof(info));
		name_make(line->name, &info, domain);
		line->domain = domain;
		line->pid = info.pid;
		line->is_vm = info.is_vm;
		line->is_gone = info.is_gone;
		/* no process has no memory: it ended before anybody looked */
		line->value[TOP_RSS] = fact->rss_pages && is_process(arg, domain)
					       ? (double)fact->rss_pages * snapshot->page_size
					       : NAN;
		memcpy(line->trend, maker->trend[domain], sizeof(line->trend));
		total_add(snapshot->total, line->value);
		maker->line_of[domain] = snapshot->nr_lines++;
	}
	snapshot->total[TOP_P50] = snapshot->total[TOP_P99] = snapshot->total[TOP_RSS] = NAN;
	snapshot->total[TOP_LATENCY] = NAN;
}

/*
 * --- who talks to whom -----------------------------------------------------------------------
 *
 * Rates are those of the interval, as in the other columns, and not the decayed ones of the facts.
 */

static void domain_name(const struct top_maker *maker, uint32_t domain, top_domain_fn domain_fn,
			void *arg, char name[TOP_NAME])
{
	struct tacho_kernel_domain_info info = { "", 0, 0, false, false };

	if (maker->line_of[domain] != TACHO_NONE) {
		memcpy(name, maker->snapshot.lines[maker->line_of[domain]].name, TOP_NAME);
		return;
	}
	domain_fn(arg, domain, &info);
	name_make(name, &info, domain);
}

/* Both directions of a pair are one partner. */
static void partner_add(struct top_partner *partner, uint32_t *nr, uint32_t domain, double rate)
{
	uint32_t i;

	for (i = 0; i < *nr && partner[i].domain != domain; i++)
		;
	if (i == CANDIDATES)
		return;
	if (i == *nr)
		partner[(*nr)++] = (struct top_partner){ .domain = domain };
	partner[i].rate += rate;
}

static int partner_compare(const void *a, const void *b)
{
	const struct top_partner *x = a, *y = b;

	if (x->rate != y->rate)
		return x->rate > y->rate ? -1 : 1;
	return x->domain < y->domain ? -1 : x->domain > y->domain;
}

static void partners_make(struct top_maker *maker, const struct tacho_facts_pair *pairs, size_t nr,
			  top_domain_fn domain_fn, void *arg)
{
	struct top_partner(*found)[CANDIDATES];
	struct top_snapshot *snapshot = &maker->snapshot;
	uint32_t *nr_found, i, k, line;
	double rate;
	size_t p;

	found = calloc(snapshot->nr_lines + 1, sizeof(*found));
	nr_found = calloc(snapshot->nr_lines + 1, sizeof(*nr_found));
	if (!found || !nr_found)
		goto out; /* a frame without partners */
	for (p = 0; p < nr; p++) {
		rate = (double)pairs[p].wakes * maker->scale;
		if (rate < LEAST)
			continue;
		line = maker->line_of[pairs[p].from];
		if (line != TACHO_NONE)
			partner_add(found[line], &nr_found[line], pairs[p].to, rate);
		line = maker->line_of[pairs[p].to];
		if (line != TACHO_NONE)
			partner_add(found[line], &nr_found[line], pairs[p].from, rate);
	}
	for (i = 0; i < snapshot->nr_lines; i++) {
		struct top_line *to = &snapshot->lines[i];

		qsort(found[i], nr_found[i], sizeof(found[i][0]), partner_compare);
		to->nr_partners = nr_found[i] < TOP_PARTNERS ? nr_found[i] : TOP_PARTNERS;
		for (k = 0; k < to->nr_partners; k++) {
			to->partner[k] = found[i][k];
			domain_name(maker, to->partner[k].domain, domain_fn, arg,
				    to->partner[k].name);
		}
	}
out:
	free(nr_found);
	free(found);
}

/* The domains that talk most, and what they say to each other. */
static void matrix_make(struct top_maker *maker, const struct tacho_facts_pair *pairs, size_t nr,
			top_domain_fn domain_fn, void *arg)
{
	struct top_snapshot *snapshot = &maker->snapshot;
	uint32_t domain, best, from, to;
	size_t p;

	memset(maker->talk, 0, maker->nr_domains * sizeof(*maker->talk));
	memset(snapshot->rate, 0, sizeof(snapshot->rate));
	for (p = 0; p < nr; p++) {
		maker->talk[pairs[p].from] += (double)pairs[p].wakes * maker->scale;
		maker->talk[pairs[p].to] += (double)pairs[p].wakes * maker->scale;
	}
	for (snapshot->nr_matrix = 0; snapshot->nr_matrix < TOP_MATRIX; snapshot->nr_matrix++) {
		best = 0;
		for (domain = 1; domain < maker->nr_domains; domain++)
			if (maker->talk[domain] > maker->talk[best])
				best = domain;
		if (maker->talk[best] < LEAST)
			break;
		maker->talk[best] = 0;
		snapshot->matrix[snapshot->nr_matrix] = best;
		domain_name(maker, best, domain_fn, arg,
			    snapshot->matrix_name[snapshot->nr_matrix]);
	}
	for (p = 0; p < nr; p++) {
		for (from = 0; from < snapshot->nr_matrix; from++)
			if (snapshot->matrix[from] == pairs[p].from)
				break;
		for (to = 0; to < snapshot->nr_matrix; to++)
			if (snapshot->matrix[to] == pairs[p].to)
				break;
		if (from < snapshot->nr_matrix && to < snapshot->nr_matrix)
			snapshot->rate[from][to] = (double)pairs[p].wakes * maker->scale;
	}
}

/* --- virtual machines ----------------------------------------------------------------------- */

/* "guest/vcpu": what is before the role is the machine. Returns the role, or NULL. */
static const char *vm_role(char name[TOP_NAME])
{
	static const char *const roles[] = { "vcpu", "io", "vhost" };
	size_t len = strlen(name), role, i;

	for (i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		role = strlen(roles[i]);
		if (len <= role + 1 || strcmp(name + len - role, roles[i]) != 0 ||
		    !strchr("/:. -", name[len - role - 1]))
			continue;
		name[len - role - 1] = '\0';
		return roles[i];
	}
	return NULL;
}

static struct top_vm *vm_get(struct top_snapshot *snapshot, const char *name)
{
	struct top_vm *vm;
	uint32_t i;

	for (i = 0; i < snapshot->nr_vms; i++)
		if (strcmp(snapshot->vms[i].name, name) == 0)
			return &snapshot->vms[i];
	if (i == TOP_VMS)
		return NULL;
	vm = &snapshot->vms[snapshot->nr_vms++];
	*vm = (struct top_vm){ .vcpu = NAN, .io = NAN, .vhost = NAN };
	memcpy(vm->name, name, TOP_NAME);
	return vm;
}

static void add(double *sum, double x)
{
	*sum = isnan(*sum) ? x : *sum + x;
}

static void vm_add(struct top_maker *maker, struct top_vm *vm, const char *role, double cpu,
		   const struct tacho_facts_domain *fact)
{
	const bool *has = maker->snapshot.has;

	if (role)
		add(strcmp(role, "vcpu") == 0 ? &vm->vcpu
		    : strcmp(role, "io") == 0 ? &vm->io
					      : &vm->vhost,
		    cpu);
	vm->run += has[TACHO_K_VM_RUN] ? percent(maker, fact->vm_run_ns) : NAN;
	vm->halt += has[TACHO_K_VM_HALT] ? percent(maker, fact->vm_halt_ns) : NAN;
	vm->exits += has[TACHO_K_VM_EXIT] ? (double)fact->vm_exits * maker->scale : NAN;
	vm->userspace +=
		has[TACHO_K_VM_USERSPACE] ? (double)fact->vm_userspace * maker->scale : NAN;
	vm->irqs += has[TACHO_K_VM_IRQ] ? (double)fact->vm_irqs * maker->scale : NAN;
}

/* Of several domains of one machine: what has the same name is one reason. */
static void reason_add(struct top_vm *vm, const char *name, bool userspace, double rate)
{
	uint32_t i;

	for (i = 0; i < vm->nr_reasons; i++)
		if (vm->reason[i].userspace == userspace && strcmp(vm->reason[i].name, name) == 0)
			break;
	if (i == TOP_REASONS)
		return; /* the largest came first */
	if (i == vm->nr_reasons) {
		snprintf(vm->reason[i].name, sizeof(vm->reason[i].name), "%s", name);
		vm->reason[i].userspace = userspace;
		vm->reason[i].rate = 0;
		vm->nr_reasons++;
	}
	vm->reason[i].rate += rate;
}

static void reasons_make(struct top_maker *maker, const struct tacho_facts *facts)
{
	const struct tacho_facts_reason *reasons;
	size_t nr = tacho_facts_reasons(facts, &reasons), i;
	char number[40];
	uint32_t vm;

	for (i = 0; i < nr; i++) {
		if (reasons[i].domain >= maker->nr_domains)
			continue;
		vm = maker->vm_of[reasons[i].domain];
		if (vm == TACHO_NONE)
			continue;
		reason_add(&maker->snapshot.vms[vm],
			   tacho_kernel_name(reasons[i].userspace ? TACHO_K_VM_USERSPACE
								  : TACHO_K_VM_EXIT,
					     reasons[i].reason, number, sizeof(number)),
			   reasons[i].userspace, (double)reasons[i].count * maker->scale);
	}
}

static void vms_make(struct top_maker *maker, const struct tacho_facts *facts)
{
	struct top_snapshot *snapshot = &maker->snapshot;
	const struct tacho_facts_domain *fact;
	const struct top_line *line;
	char name[TOP_NAME];
	struct top_vm *vm;
	const char *role;
	uint32_t i;

	snapshot->nr_vms = 0;
	for (i = 0; i < maker->nr_domains; i++)
		maker->vm_of[i] = TACHO_NONE;
	for (i = 0; i < snapshot->nr_lines; i++) {
		line = &snapshot->lines[i];
		fact = tacho_facts_domain(facts, line->domain);
		if (!line->is_vm && !fact->vm_run_ns && !fact->vm_exits && !fact->vm_userspace)
			continue;
		memcpy(name, line->name, sizeof(name));
		role = vm_role(name);
		vm = vm_get(snapshot, name);
		if (!vm)
			continue; /* more than anybody can look at */
		maker->vm_of[line->domain] = (uint32_t)(vm - snapshot->vms);
		vm_add(maker, vm, role, line->value[TOP_CPU], fact);
	}
	reasons_make(maker, facts);
}

void top_maker_make(struct top_maker *maker, const struct tacho_facts *facts,
		    top_domain_fn domain_fn, void *arg, const bool *online,
		    bool (*is_process)(void *arg, uint32_t domain))
{
	const struct tacho_facts_pair *pairs;
	size_t nr;

	scale_make(maker);
	cpus_make(maker, facts, online);
	lines_make(maker, facts, domain_fn, arg, is_process);
	nr = tacho_facts_pairs(facts, &pairs);
	partners_make(maker, pairs, nr, domain_fn, arg);
	matrix_make(maker, pairs, nr, domain_fn, arg);
	vms_make(maker, facts);
}
