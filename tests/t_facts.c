/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_facts.c: the engine against models that do everything the slow way.
 *
 * Service time: a schedule of each CPU is made up, ns by ns, and the engine must charge what a map
 * with a flag per ns charges. Every event, what it may not spoil,
 * and that the same rows give the same facts to the last bit.
 */
#include <errno.h>

#include "rows.h"

#define CPUS	2u
#define DOMAINS 12u
#define LENGTH	4000u /* ns of a schedule */
#define ROUNDS	(T_TSAN || T_ASAN ? 300u : 1500u)

/* --- service time, ns by ns ------------------------------------------------------------------- */

/* What one CPU does: the domain of each ns, and the slices that it consists of. */
struct schedule {
	uint8_t domain[LENGTH];
	uint16_t begin[LENGTH]; /* of the slice that this ns belongs to */
	uint16_t end[LENGTH];
};

/* What the caller of the engine does in a round, beside what is right. */
struct habits {
	bool rows_first; /* asks what runs after it has read the rows, not before */
	uint32_t lose; /* one row in so many is lost, 0: none */
	uint32_t mistake; /* so often it says that another domain runs */
	uint32_t silence; /* so often it says nothing about a CPU */
};

struct model {
	uint8_t charged[CPUS][LENGTH]; /* by a span of what runs */
	uint64_t service[DOMAINS]; /* of this interval */
	uint64_t service_on[DOMAINS][CPUS];
	uint64_t cpu_service[CPUS];
	uint64_t slices[DOMAINS];
	uint32_t last[CPUS]; /* end of the last row */
	uint32_t next[CPUS];
	uint32_t read[CPUS]; /* rows that end up to here were read */
	uint32_t told[CPUS]; /* TACHO_NONE: nothing */
	uint32_t since[CPUS];
	uint32_t first;
};

static void schedule_make(struct schedule *schedule, uint64_t *state)
{
	uint32_t longest = 1u << (2 + t_random(state) % 10), domain = 0;

	for (uint32_t at = 0; at < LENGTH;) {
		uint32_t end = at + 1 + (uint32_t)(t_random(state) % longest), begin = at;

		domain = (domain + 1 + (uint32_t)(t_random(state) % (DOMAINS - 1))) % DOMAINS;
		if (end > LENGTH)
			end = LENGTH;
		for (; at < end; at++) {
			schedule->domain[at] = (uint8_t)domain;
			schedule->begin[at] = (uint16_t)begin;
			schedule->end[at] = (uint16_t)end;
		}
	}
}

static void model_row(struct model *model, uint32_t cpu, uint32_t domain, uint32_t from,
		      uint32_t until)
{
	if (until <= model->first)
		return;
	for (uint32_t ns = from; ns < until; ns++) {
		uint64_t good = ns >= model->first && !model->charged[cpu][ns];

		model->service[domain] += good;
		model->service_on[domain][cpu] += good;
		model->cpu_service[cpu] += good;
	}
	model->slices[domain]++;
}

static void model_end(struct model *model, uint32_t cpu, uint32_t now)
{
	uint32_t from = model->since[cpu], domain = model->told[cpu];

	if (domain == TACHO_NONE)
		return;
	if (from < model->last[cpu]) {
		from = model->last[cpu];
		domain = model->next[cpu];
	}
	for (uint32_t ns = from; ns < now; ns++) {
		uint64_t good = ns >= model->first && !model->charged[cpu][ns];

		model->service[domain] += good;
		model->service_on[domain][cpu] += good;
		model->cpu_service[cpu] += good;
		model->charged[cpu][ns] = 1;
	}
}

/* The rows of a CPU that end up to `until`, to both, in one call. */
static void rows_read(struct tacho_facts *facts, struct model *model,
		      const struct schedule *schedule, uint32_t cpu, uint32_t until,
		      const struct habits *habits, uint64_t *state)
{
	static struct tacho_row rows[LENGTH];
	size_t nr = 0;

	while (model->read[cpu] < LENGTH && schedule->end[model->read[cpu]] <= until) {
		uint32_t from = model->read[cpu], end = schedule->end[from];
		struct tacho_row *row = &rows[nr];

		model->read[cpu] = end;
		if (habits->lose && t_random(state) % habits->lose == 0)
			continue;
		*row = row_of(TACHO_K_CPU_SERVICE, schedule->domain[from],
			      end < LENGTH ? schedule->domain[end] : 0, end - from);
		row->cpu = cpu;
		row->time = end;
		nr++;
		model_row(model, cpu, row->domain, from, end);
		if (end > model->first) {
			model->last[cpu] = end;
			model->next[cpu] = row->correspondent;
		}
	}
	T_EQ(tacho_facts_rows(facts, rows, nr), 0);
}

static void running_tell(struct tacho_facts *facts, struct model *model,
			 const struct schedule *schedule, uint32_t cpu, uint32_t now,
			 const struct habits *habits, uint64_t *state)
{
	model->told[cpu] = schedule->domain[now];
	model->since[cpu] = schedule->begin[now];
	if (habits->mistake && t_random(state) % habits->mistake == 0)
		model->told[cpu] = (uint32_t)(t_random(state) % DOMAINS);
	if (habits->silence && t_random(state) % habits->silence == 0)
		model->told[cpu] = TACHO_NONE;
	else
		tacho_facts_running(facts, cpu, model->told[cpu], model->since[cpu]);
}

static void compare_service(const struct tacho_facts *facts, const struct model *model)
{
	uint64_t of_domains = 0, of_cpus = 0, idle = 0;

	for (uint32_t i = 0; i < DOMAINS; i++) {
		const struct tacho_facts_domain *domain = tacho_facts_domain(facts, i);
		uint64_t slices = 0;

		T_EQ(domain->service_ns, model->service[i]);
		T_EQ(domain->slices, model->slices[i]);
		for (uint32_t k = 0; k < CPUS; k++)
			T_EQ(tacho_facts_service_on(facts, i, k), model->service_on[i][k]);
		for (uint32_t k = 0; k < TACHO_FACTS_BUCKETS; k++)
			slices += domain->slice_hist[k];
		T_EQ(slices, model->slices[i]);
		of_domains += domain->service_ns;
	}
	for (uint32_t i = 0; i < CPUS; i++) {
		T_EQ(tacho_facts_cpu(facts, i)->service_ns, model->cpu_service[i]);
		of_cpus += tacho_facts_cpu(facts, i)->service_ns;
		idle += tacho_facts_cpu(facts, i)->idle_ns;
	}
	T_EQ(of_cpus, of_domains);
	T_EQ(idle, model->service[TACHO_DOMAIN_IDLE]);
}

/*
 * One interval. The caller looks at three times, in its order, and what it misses because of that
 * is the matter: looks[0] <= looks[1] <= now.
 */
static void interval_run(struct tacho_facts *facts, struct model *model,
			 const struct schedule *schedules, const uint32_t looks[2], uint32_t now,
			 const struct habits *habits, uint64_t *state)
{
	memset(model->service, 0, sizeof(model->service));
	memset(model->service_on, 0, sizeof(model->service_on));
	memset(model->slices, 0, sizeof(model->slices));
	memset(model->cpu_service, 0, sizeof(model->cpu_service));
	for (uint32_t i = 0; i < CPUS; i++) {
		const struct schedule *schedule = &schedules[i];

		if (habits->rows_first)
			rows_read(facts, model, schedule, i, looks[0], habits, state);
		running_tell(facts, model, schedule, i, looks[habits->rows_first], habits, state);
		if (!habits->rows_first)
			rows_read(facts, model, schedule, i, looks[1], habits, state);
	}
	for (uint32_t i = 0; i < CPUS; i++)
		model_end(model, i, now);
	tacho_facts_end(facts, now);
}

static uint32_t between(uint64_t *state, uint32_t low, uint32_t high)
{
	return low + (uint32_t)(t_random(state) % (high - low + 1));
}

/* Check totals of an interval that must be exact, whatever happened between the three looks. */
static void check_wall(const struct tacho_facts *facts)
{
	for (uint32_t i = 0; i < CPUS; i++)
		T_EQ(tacho_facts_cpu(facts, i)->service_ns, tacho_facts_wall_ns(facts));
}

static void schedule_run(const struct habits *habits, bool is_sharp, uint64_t *state)
{
	static struct schedule schedules[CPUS];
	static struct model model;
	struct tacho_facts *facts = facts_make(DOMAINS, CPUS, 0);
	uint32_t now = between(state, 0, LENGTH / 2), step = 1u << (3 + t_random(state) % 9);

	memset(&model, 0, sizeof(model));
	for (uint32_t i = 0; i < CPUS; i++)
		schedule_make(&schedules[i], state);
	model.first = now;
	tacho_facts_end(facts, now);
	while (!t_failures()) {
		uint32_t last = now, looks[2];

		now += 1 + between(state, 0, step);
		if (now >= LENGTH)
			break;
		looks[1] = is_sharp ? now : between(state, last, now);
		looks[0] = is_sharp ? now : between(state, last, looks[1]);
		interval_run(facts, &model, schedules, looks, now, habits, state);
		T_EQ(tacho_facts_wall_ns(facts), now - last);
		compare_service(facts, &model);
		if (!habits->lose && !habits->silence && (is_sharp || !habits->rows_first))
			check_wall(facts);
	}
	T_EQ(tacho_facts_ignored(facts), 0);
	tacho_facts_destroy(facts);
}

static void schedules_run(const struct habits *habits, bool is_sharp)
{
	uint64_t state = t_seed();

	for (uint32_t i = 0; i < ROUNDS && !t_failures(); i++)
		schedule_run(habits, is_sharp, &state);
}

/* Domains and idle sum up to the wall time of every CPU in every interval, to the ns. */
T_CASE(conservation)
{
	schedules_run(&(struct habits){ 0 }, true);
	schedules_run(&(struct habits){ .rows_first = true }, true);
}

/*
 * It switches between the looks. In the right order the totals stay exact, in the other over all.
 */
T_CASE(conservation_while_it_switches)
{
	schedules_run(&(struct habits){ 0 }, false);
	schedules_run(&(struct habits){ .rows_first = true }, false);
}

T_CASE(conservation_with_lies_and_losses)
{
	schedules_run(&(struct habits){ .mistake = 3 }, false);
	schedules_run(&(struct habits){ .lose = 3 }, true);
	schedules_run(&(struct habits){ .silence = 3 }, true);
	schedules_run(&(struct habits){ .lose = 4, .mistake = 4, .silence = 4 }, false);
	schedules_run(&(struct habits){ true, 4, 4, 4 }, false);
}

/* A span over many intervals is charged once, and a row of it only for the rest. */
T_CASE(a_long_span)
{
	struct tacho_facts *facts = facts_make(4, 1, 0);

	tacho_facts_end(facts, 1000);
	for (uint64_t now = 1100; now <= 2000; now += 100) {
		tacho_facts_running(facts, 0, 2, 300);
		tacho_facts_end(facts, now);
		T_EQ(tacho_facts_domain(facts, 2)->service_ns, 100);
		T_EQ(tacho_facts_domain(facts, 2)->slices, 0);
	}
	give_service(facts, 0, 3, 300, 2030); /* it was another domain all the time */
	tacho_facts_running(facts, 0, 1, 2030);
	tacho_facts_end(facts, 2100);
	T_EQ(tacho_facts_domain(facts, 2)->service_ns, 0);
	T_EQ(tacho_facts_domain(facts, 3)->service_ns, 30);
	T_EQ(tacho_facts_domain(facts, 3)->slices, 1);
	/*
	 * a slice is as long as it was, whatever of it is charged now: the bucket of 1664 to 1791
	 */
	T_EQ(tacho_facts_quantile(tacho_facts_domain(facts, 3)->slice_hist, 1), 1791);
	T_EQ(tacho_facts_cpu(facts, 0)->idle_ns, 70);
	T_EQ(tacho_facts_cpu(facts, 0)->switches, 1);
	/* nobody said what runs: it comes with the row */
	tacho_facts_end(facts, 2200);
	T_EQ(tacho_facts_cpu(facts, 0)->service_ns, 0);
	give_service(facts, 0, 1, 2030, 2300);
	tacho_facts_end(facts, 2300);
	T_EQ(tacho_facts_cpu(facts, 0)->service_ns, 200);
	tacho_facts_destroy(facts);
}

/* --- the other events ------------------------------------------------------------------------- */

static const struct {
	uint32_t event;
	uint32_t correspondent;
	uint64_t counter;
	struct tacho_facts_domain want;
} cases[] = {
	{ TACHO_K_CPU_PMC0, 1, 5, { .pmc[0] = 5 } },
	{ TACHO_K_CPU_PMC1, TACHO_NONE, 5, { .pmc[1] = 5 } },
	{ TACHO_K_CPU_PMC2, 1, 5, { .pmc[2] = 5 } },
	{ TACHO_K_CPU_PMC3, 1, 5, { .pmc[3] = 5 } },
	{ TACHO_K_CPU_WAIT, TACHO_NONE, 7, { .wait_ns = 7, .waits = 1 } },
	{ TACHO_K_CPU_MIGRATE, TACHO_NONE, 1ull << 32, { .migrations = 1 } },
	{ TACHO_K_IPC_WAKE, 1, 1, { .wakes_out = 1 } },
	{ TACHO_K_IPC_SOCKET, 0, 64, { .socket_bytes[0] = 64 } },
	{ TACHO_K_IPC_SOCKET, 1, 65, { .socket_bytes[1] = 65 } },
	{ TACHO_K_IPC_PIPE, 0, 66, { .pipe_bytes[0] = 66 } },
	{ TACHO_K_IPC_PIPE, 1, 67, { .pipe_bytes[1] = 67 } },
	{ TACHO_K_IPC_FUTEX, 129, 1, { .futexes = 1 } },
	{ TACHO_K_MEM_FAULT, 6, 1, { .faults = 1 } },
	{ TACHO_K_MEM_SHARED, 1, 9ull << 32 | 3, { .shared_pages = 9 } },
	{ TACHO_K_IO_BLOCK, 2, 900, { .block_ns = 900, .block_ios = 1 } },
	{ TACHO_K_IO_BLOCK_BYTES, 0, 512, { .block_bytes[0] = 512 } },
	{ TACHO_K_IO_BLOCK_BYTES, 1, 513, { .block_bytes[1] = 513 } },
	{ TACHO_K_IO_BLOCK_BYTES, 2, 514, { .faults = 0 } },
	{ TACHO_K_NET_RX, 3, 60, { .net_bytes[0] = 60 } },
	{ TACHO_K_NET_TX, 3, 61, { .net_bytes[1] = 61 } },
	{ TACHO_K_IRQ, 30, 11, { .irq_ns = 11, .irqs = 1 } },
	{ TACHO_K_SOFTIRQ, 3, 12, { .softirq_ns = 12, .softirqs = 1 } },
	{ TACHO_K_LOCK, 0xdeadbeef, 13, { .lock_ns = 13, .locks = 1 } },
	{ TACHO_K_SYSCALL, 39, 14, { .syscall_ns = 14, .syscalls = 1 } },
	{ TACHO_K_VM_RUN, 0, 15, { .vm_run_ns = 15 } },
	{ TACHO_K_VM_EXIT, 10, 1, { .vm_exits = 1 } },
	{ TACHO_K_VM_IRQ, 236, 1, { .vm_irqs = 1 } },
	{ TACHO_K_VM_HALT, 0, 16, { .vm_halt_ns = 16 } },
	{ TACHO_K_VM_USERSPACE, 2, 1, { .vm_userspace = 1 } },
	{ TACHO_K_TASK_NEW, 1, 17, { .faults = 0 } },
	{ TACHO_K_TASK_EXEC, TACHO_NONE, 17, { .faults = 0 } },
	{ TACHO_K_TASK_EXIT, TACHO_NONE, 17, { .faults = 0 } },
};
#define NR_CASES (sizeof(cases) / sizeof(cases[0]))

T_CASE(events_by_field)
{
	static const struct tacho_facts_domain nothing;
	struct tacho_facts *facts = facts_make(8, 1, 0);

	tacho_facts_end(facts, 0);
	for (size_t i = 0; i < NR_CASES && !t_failures(); i++) {
		give(facts, cases[i].event, 4, cases[i].correspondent, cases[i].counter);
		tacho_facts_end(facts, 10 * i);
		T_MEMEQ(tacho_facts_domain(facts, 4), &cases[i].want, sizeof(cases[i].want));
		if (t_failures())
			printf("     in case %zu\n", i);
		T_EQ(tacho_facts_domain(facts, 1)->wakes_in, cases[i].event == TACHO_K_IPC_WAKE);
		T_MEMEQ(tacho_facts_domain(facts, 5), &nothing, sizeof(nothing));
	}
	T_EQ(tacho_facts_ignored(facts), 0);
	tacho_facts_destroy(facts);
}

T_CASE(run_queue)
{
	struct tacho_facts *facts = facts_make(8, 2, 0);
	struct tacho_row row = row_of(TACHO_K_CPU_RUNQ, TACHO_NONE, TACHO_NONE, 0);

	tacho_facts_end(facts, 0);
	row.cpu = 1;
	for (row.counter = 0; row.counter < 5; row.counter++)
		T_EQ(tacho_facts_rows(facts, &row, 1), 0);
	tacho_facts_end(facts, 1);
	T_EQ(tacho_facts_cpu(facts, 1)->runq_sum, 10);
	T_EQ(tacho_facts_cpu(facts, 1)->runq_samples, 5);
	T_EQ(tacho_facts_cpu(facts, 1)->runq_max, 4);
	T_EQ(tacho_facts_cpu(facts, 0)->runq_samples, 0);
	T_EQ(tacho_facts_cpu(facts, 2)->runq_samples, 0);
	tacho_facts_end(facts, 2);
	T_EQ(tacho_facts_cpu(facts, 1)->runq_max, 0);
	tacho_facts_destroy(facts);
}

/*
 * The last value of each kind stays, in intervals with and without rows, and from before the first.
 */
T_CASE(resident_pages_stay)
{
	struct tacho_facts *facts = facts_make(8, 1, 0);

	give(facts, TACHO_K_MEM_RSS, 3, 1, 1000);
	give(facts, TACHO_K_MEM_FAULT, 3, 0, 1);
	tacho_facts_end(facts, 0);
	T_EQ(tacho_facts_domain(facts, 3)->faults, 0);
	for (uint64_t i = 1; i < 5; i++) {
		tacho_facts_end(facts, i);
		T_EQ(tacho_facts_domain(facts, 3)->rss_pages, 1000);
		T_EQ(tacho_facts_domain(facts, 3)->faults, 0);
	}
	give(facts, TACHO_K_MEM_RSS, 3, 0, 30);
	give(facts, TACHO_K_MEM_RSS, 3, 3, 2);
	give(facts, TACHO_K_MEM_RSS, 3, 2, 500); /* swapped out: not resident */
	T_EQ(tacho_facts_domain(facts, 3)->rss_pages, 1000);
	for (uint64_t i = 5; i < 9; i++) {
		tacho_facts_end(facts, i);
		T_EQ(tacho_facts_domain(facts, 3)->rss_pages, 1032);
	}
	give(facts, TACHO_K_MEM_RSS, 3, 1, 0);
	for (uint64_t i = 9; i < 13; i++) {
		tacho_facts_end(facts, i);
		T_EQ(tacho_facts_domain(facts, 3)->rss_pages, 32);
	}
	tacho_facts_destroy(facts);
}

/* Whoever has something to show is listed, once; who was listed is not in the next interval. */
T_CASE(domains_of_an_interval)
{
	struct tacho_facts *facts = facts_make(8, 1, 0);
	uint32_t listed[8] = { 0 };
	const uint32_t *domains;
	size_t nr;

	T_EQ(tacho_facts_domains(facts, &domains), 0);
	tacho_facts_end(facts, 1000);
	give(facts, TACHO_K_IPC_WAKE, 2, 5, 1);
	give(facts, TACHO_K_IPC_WAKE, 2, 5, 1);
	give(facts, TACHO_K_SYSCALL, 3, 0, 10);
	tacho_facts_running(facts, 0, 6, 1000);
	T_EQ(tacho_facts_domains(facts, &domains), 0);
	tacho_facts_end(facts, 1020);
	nr = tacho_facts_domains(facts, &domains);
	T_EQ(nr, 4);
	for (size_t i = 0; i < nr; i++)
		listed[domains[i]]++;
	for (uint32_t domain = 0; domain < 8; domain++)
		T_EQ(listed[domain], domain == 2 || domain == 3 || domain == 5 || domain == 6);
	tacho_facts_end(facts, 1040);
	T_EQ(tacho_facts_domains(facts, &domains), 0);
	tacho_facts_destroy(facts);
}

T_CASE(sums_of_adding_logs)
{
	struct tacho_facts *facts = facts_make(8, 1, 0);
	uint32_t taken = 0;

	tacho_facts_end(facts, 0);
	for (uint32_t event = 0; event < TACHO_K_NR; event++)
		taken += tacho_facts_add(facts, event, 2, 100 + event) == 0;
	T_EQ(taken, 21);
	T_EQ(tacho_facts_add(facts, TACHO_K_IRQ, 3, 0), 0);
	T_EQ(tacho_facts_add(facts, TACHO_K_NR, 2, 1), -EINVAL);
	T_EQ(tacho_facts_add(facts, TACHO_K_IRQ, 8, 1), -EINVAL);
	T_EQ(tacho_facts_add(facts, TACHO_K_MEM_RSS, 2, 1), -EINVAL);
	T_EQ(tacho_facts_add(facts, TACHO_K_IPC_PIPE, 2, 1), -EINVAL);
	tacho_facts_end(facts, 1);
	T_EQ(tacho_facts_domain(facts, 2)->service_ns, 100 + TACHO_K_CPU_SERVICE);
	T_EQ(tacho_facts_domain(facts, 2)->slices, 0);
	T_EQ(tacho_facts_service_on(facts, 2, 0), 0);
	T_EQ(tacho_facts_domain(facts, 2)->irq_ns, 100 + TACHO_K_IRQ);
	T_EQ(tacho_facts_domain(facts, 2)->irqs, 0);
	T_EQ(tacho_facts_domain(facts, 2)->faults, 100 + TACHO_K_MEM_FAULT);
	T_EQ(tacho_facts_domain(facts, 2)->vm_exits, 100 + TACHO_K_VM_EXIT);
	tacho_facts_destroy(facts);
}

/* --- all of it -------------------------------------------------------------------------------- */

/* Rows that make sense and rows that do not, mixed. */
static struct tacho_row any_row(uint64_t *state, uint32_t domains)
{
	static const uint32_t edges[] = { 0, 1, 255, 1024, 0x7fffffff, 0xfffffffe, TACHO_NONE };
	struct tacho_row row = {
		.time = t_random(state) >> (t_random(state) % 64),
		.counter = t_random(state) >> (t_random(state) % 64),
		.event = (uint32_t)(t_random(state) % (TACHO_K_NR + 2)),
		.domain = (uint32_t)(t_random(state) % (domains + 2)),
		.correspondent = (uint32_t)(t_random(state) % (domains + 2)),
		.cpu = (uint32_t)(t_random(state) % 5),
	};

	if (t_random(state) % 16 == 0)
		row.domain = edges[t_random(state) % 7];
	if (t_random(state) % 16 == 0)
		row.correspondent = edges[t_random(state) % 7];
	if (t_random(state) % 64 == 0)
		row.event = edges[t_random(state) % 7];
	return row;
}

static bool makes_sense(const struct tacho_row *row, uint32_t domains)
{
	if (row->event >= TACHO_K_NR)
		return false;
	if (row->event == TACHO_K_CPU_RUNQ)
		return row->cpu < 4;
	if (row->domain >= domains)
		return false;
	switch (row->event) {
	case TACHO_K_CPU_SERVICE:
		return row->cpu < 4 && row->counter <= row->time;
	case TACHO_K_IPC_WAKE:
	case TACHO_K_MEM_SHARED:
		return row->correspondent < domains && row->correspondent != row->domain;
	case TACHO_K_IPC_PIPE:
	case TACHO_K_IPC_SOCKET:
		return row->correspondent < 2;
	case TACHO_K_IO_BLOCK_BYTES:
		return row->correspondent < 3;
	case TACHO_K_MEM_RSS:
		return row->correspondent < 4;
	default:
		return true;
	}
}

/* Everything that can be seen of an interval, as one number. */
static uint64_t digest(const struct tacho_facts *facts, uint32_t domains)
{
	const struct tacho_facts_reason *reasons;
	const struct tacho_facts_pair *pairs;
	uint64_t sum = tacho_facts_wall_ns(facts) ^ tacho_facts_ignored(facts);
	size_t nr = tacho_facts_pairs(facts, &pairs);

	for (uint32_t i = 0; i < domains; i++) {
		const struct tacho_facts_domain *domain = tacho_facts_domain(facts, i);
		uint64_t word;

		for (uint32_t k = 0; k < 4; k++)
			sum = (sum ^ tacho_facts_service_on(facts, i, k)) * 31;
		for (size_t k = 0; k < sizeof(*domain) / 8; k++) {
			memcpy(&word, (const char *)domain + k * 8, 8);
			sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
		}
	}
	for (uint32_t i = 0; i < 4; i++) {
		const struct tacho_facts_cpu *cpu = tacho_facts_cpu(facts, i);

		sum = (sum ^ cpu->service_ns ^ cpu->idle_ns << 1) * 31;
		sum = (sum ^ cpu->runq_sum ^ cpu->runq_max << 7 ^ cpu->switches << 32) * 31;
	}
	for (size_t i = 0; i < nr; i++) {
		uint64_t rate;

		memcpy(&rate, &pairs[i].rate, 8);
		sum = (sum ^ rate ^ TACHO_ROUTE(pairs[i].from * domains + pairs[i].to)) * 31;
		sum = (sum ^ pairs[i].wakes) * 31;
	}
	nr = tacho_facts_reasons(facts, &reasons);
	for (size_t i = 0; i < nr; i++)
		sum = (sum ^ reasons[i].domain ^ reasons[i].reason << 16) * 31 + reasons[i].count;
	return sum;
}

/* The digests of all intervals, and of the last one alone. */
static uint64_t digest_run(uint64_t seed, size_t chunk, bool looks, uint64_t *last)
{
	static struct tacho_row rows[3000];
	struct tacho_facts *facts = facts_make(40, 4, 0.05);
	uint64_t state = seed, now = 1000, sum = 0, nonsense = 0;

	tacho_facts_end(facts, now);
	for (uint32_t interval = 0; interval < 12; interval++) {
		for (size_t i = 0; i < 3000; i++) {
			rows[i] = any_row(&state, 40);
			nonsense += !makes_sense(&rows[i], 40);
		}
		for (size_t i = 0; i < 3000; i += chunk)
			T_EQ(tacho_facts_rows(facts, &rows[i], 3000 - i < chunk ? 3000 - i : chunk),
			     0);
		for (uint32_t cpu = 0; cpu < 4; cpu++)
			tacho_facts_running(facts, cpu, cpu * 3, now + t_random(&state) % 5000);
		now += t_random(&state) % 30000000;
		tacho_facts_end(facts, now);
		if (looks || interval == 11)
			*last = digest(facts, 40);
		sum = (sum ^ *last) * 31;
		if (interval == 7)
			tacho_facts_forget(facts, 5);
	}
	T_EQ(tacho_facts_ignored(facts), nonsense);
	tacho_facts_destroy(facts);
	return sum;
}

/* In calls of another size, and looked at or not: the same facts, to the last bit. */
T_CASE(same_rows_same_facts)
{
	uint64_t state = t_seed();

	for (uint32_t round = 0; round < 10 && !t_failures(); round++) {
		uint64_t seed = t_random(&state), last = 0, last_unseen = 0;
		uint64_t want = digest_run(seed, 3000, true, &last);

		T_EQ(digest_run(seed, 1, true, &last), want);
		T_EQ(digest_run(seed, 77, true, &last), want);
		digest_run(seed, 3000, false, &last_unseen);
		T_EQ(last_unseen, last);
		T_OK(digest_run(seed + 1, 3000, true, &last) != want);
	}
}

/* What lies does not spoil what comes later. */
T_CASE(a_row_from_the_future)
{
	struct tacho_facts *facts = facts_make(4, 1, 0);

	tacho_facts_end(facts, 1000);
	tacho_facts_running(facts, 0, 2, 500);
	tacho_facts_end(facts, 2000);
	T_EQ(tacho_facts_domain(facts, 2)->service_ns, 1000);
	give_service(facts, 0, 3, UINT64_MAX - 10, UINT64_MAX);
	tacho_facts_running(facts, 0, 2, 500);
	tacho_facts_end(facts, 3000);
	T_EQ(tacho_facts_domain(facts, 2)->service_ns, 1000);
	give_service(facts, 0, 2, 500, 3100);
	tacho_facts_running(facts, 0, 1, 3100);
	tacho_facts_end(facts, 4000);
	T_EQ(tacho_facts_domain(facts, 2)->service_ns, 100);
	T_EQ(tacho_facts_cpu(facts, 0)->idle_ns, 900);
	tacho_facts_running(facts, 0, 1, UINT64_MAX);
	tacho_facts_running(facts, 1, 1, 0);
	tacho_facts_running(facts, 0, 4, 0);
	tacho_facts_end(facts, 3000); /* the clock goes back */
	T_EQ(tacho_facts_wall_ns(facts), 0);
	T_EQ(tacho_facts_cpu(facts, 0)->service_ns, 0);
	T_EQ(tacho_facts_ignored(facts), 2);
	tacho_facts_end(facts, 5000);
	T_EQ(tacho_facts_wall_ns(facts), 1000);
	tacho_facts_destroy(facts);
}

/* Nor does one that is only a little ahead, when its time has come. */
T_CASE(a_row_from_the_near_future)
{
	struct tacho_facts *facts = facts_make(4, 1, 0);

	tacho_facts_end(facts, 1000);
	give_service(facts, 0, 3, 4900, 5000);
	tacho_facts_running(facts, 0, 2, 1000);
	tacho_facts_end(facts, 2000);
	T_EQ(tacho_facts_domain(facts, 2)->service_ns, 1000);
	tacho_facts_running(facts, 0, 2, 1000);
	tacho_facts_end(facts, 6000);
	T_EQ(tacho_facts_domain(facts, 2)->service_ns, 4000);
	/* what runs began later than was said before, and earlier */
	tacho_facts_running(facts, 0, 2, 6500);
	tacho_facts_end(facts, 7000);
	T_EQ(tacho_facts_domain(facts, 2)->service_ns, 500);
	tacho_facts_running(facts, 0, 2, 6200);
	tacho_facts_end(facts, 8000);
	T_EQ(tacho_facts_domain(facts, 2)->service_ns, 1000);
	give_service(facts, 0, 2, 6200, 8100);
	tacho_facts_end(facts, 8100);
	T_EQ(tacho_facts_domain(facts, 2)->service_ns, 400);
	tacho_facts_destroy(facts);
}

static void pollute(struct tacho_facts *facts)
{
	for (size_t i = 0; i < NR_CASES; i++)
		give(facts, cases[i].event, 4, cases[i].correspondent, cases[i].counter);
	give(facts, TACHO_K_MEM_RSS, 4, 0, 77);
	give(facts, TACHO_K_IPC_WAKE, 2, 4, 1);
	give(facts, TACHO_K_IPC_WAKE, 2, 3, 1);
	give(facts, TACHO_K_VM_EXIT, 3, 4, 1);
	give_service(facts, 0, 4, 900, 1010);
}

T_CASE(forget_a_domain)
{
	static const struct tacho_facts_domain nothing;
	struct tacho_facts *facts = facts_make(8, 1, 0);
	const struct tacho_facts_reason *reasons;
	const struct tacho_facts_pair *pairs;

	tacho_facts_end(facts, 1000);
	pollute(facts);
	tacho_facts_end(facts, 1020);
	T_EQ(tacho_facts_domain(facts, 4)->rss_pages, 77);
	T_EQ(tacho_facts_pairs(facts, &pairs), 3);
	T_EQ(tacho_facts_reasons(facts, &reasons), 3);
	pollute(facts);
	tacho_facts_running(facts, 0, 4, 1010);
	tacho_facts_forget(facts, 4);
	tacho_facts_forget(facts, TACHO_NONE);
	for (uint64_t now = 1040; now < 1200; now += 20) {
		T_MEMEQ(tacho_facts_domain(facts, 4), &nothing, sizeof(nothing));
		T_EQ(tacho_facts_service_on(facts, 4, 0), 0);
		/* the CPU worked, for whomever; its row came in both intervals */
		T_EQ(tacho_facts_cpu(facts, 0)->service_ns, now < 1080 ? 10 : 0);
		T_EQ(tacho_facts_pairs(facts, &pairs), 1);
		T_EQ(pairs[0].from, 2);
		T_EQ(pairs[0].to, 3);
		T_EQ(tacho_facts_reasons(facts, &reasons), now < 1080);
		tacho_facts_end(facts, now);
	}
	/*
	 * the number again, with another meaning, and in the interval in which it lost the old one
	 */
	give(facts, TACHO_K_IPC_WAKE, 4, 3, 1);
	tacho_facts_forget(facts, 4);
	give(facts, TACHO_K_MEM_RSS, 4, 1, 5);
	give(facts, TACHO_K_IPC_WAKE, 4, 3, 1);
	tacho_facts_end(facts, 1200);
	T_EQ(tacho_facts_domain(facts, 4)->rss_pages, 5);
	T_EQ(tacho_facts_pairs(facts, &pairs), 2);
	for (size_t i = 0; i < 2; i++)
		T_EQ(pairs[i].wakes, pairs[i].from == 4);
	tacho_facts_destroy(facts);
}

/* A row said that it runs now, and then it is no more: what the caller says is all that is left. */
T_CASE(forget_who_runs)
{
	struct tacho_facts *facts = facts_make(8, 1, 0);
	struct tacho_row row = row_of(TACHO_K_CPU_SERVICE, 3, 4, 50);

	tacho_facts_end(facts, 1000);
	row.time = 1050;
	for (uint64_t now = 1100; now < 1300; now += 100) {
		T_EQ(tacho_facts_rows(facts, &row, 1), 0);
		if (now > 1100)
			tacho_facts_forget(facts, 4);
		tacho_facts_running(facts, 0, 2, row.time - 1);
		tacho_facts_end(facts, now);
		T_EQ(tacho_facts_domain(facts, 4)->service_ns, now > 1100 ? 0 : 50);
		T_EQ(tacho_facts_domain(facts, 2)->service_ns, now > 1100 ? 50 : 0);
		row.time += 100;
	}
	tacho_facts_destroy(facts);
}

T_CASE(refusals)
{
	struct tacho_facts *facts;

	T_EQ(tacho_facts_create(&facts,
				&(struct tacho_facts_options){ .nr_domains = 0, .nr_cpus = 1 }),
	     -EINVAL);
	T_EQ(tacho_facts_create(&facts,
				&(struct tacho_facts_options){ .nr_domains = 1, .nr_cpus = 0 }),
	     -EINVAL);
	T_EQ(tacho_facts_create(&facts, &(struct tacho_facts_options){ .nr_domains = UINT32_MAX,
								       .nr_cpus = 1 }),
	     -EINVAL);
	T_EQ(tacho_facts_create(&facts, &(struct tacho_facts_options){ .nr_domains = 1,
								       .nr_cpus = UINT32_MAX }),
	     -EINVAL);
	tacho_facts_destroy(NULL);
	facts = facts_make(1, 1, -1);
	T_EQ(tacho_facts_domain(facts, 1)->service_ns, 0);
	T_EQ(tacho_facts_cpu(facts, TACHO_NONE)->service_ns, 0);
	tacho_facts_destroy(facts);
}

T_MAIN
