/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_together.c: who ran at the same time, against a model that looks at every ns.
 *
 * Schedules of up to five CPUs are made up. The model has, for every ns, the set of domains that ran, as
 * far as the rows of an interval and what the caller said tell it, and counts; the engine must say
 * the same number. And what rows that lie may not spoil.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rows.h"

#define CPUS	5u
#define DOMAINS 24u
#define LENGTH	3000u /* ns of a schedule */
#define ROUNDS	(T_ASAN ? 25u : 100u)
#define IDLE	TACHO_DOMAIN_IDLE

static struct tacho_facts *make(uint32_t domains, uint32_t cpus)
{
	const struct tacho_facts_options options = {
		.nr_domains = domains,
		.nr_cpus = cpus,
		.overlaps = true,
	};
	struct tacho_facts *facts = NULL;

	T_EQ(tacho_facts_create(&facts, &options), 0);
	return facts;
}

/* 2 on one CPU and 3 on the other. */
static void both_run(struct tacho_facts *facts, uint64_t from, uint64_t until)
{
	give_service(facts, 0, 2, from, until);
	give_service(facts, 1, 3, from, until);
}

static uint64_t crowd(struct tacho_facts *facts, uint32_t a, uint32_t b)
{
	const uint32_t both[] = { a, b };

	return tacho_facts_crowd(facts, both, 2);
}

/* --- by hand -------------------------------------------------------------------------------------- */

T_CASE(two_domains)
{
	struct tacho_facts *facts = make(8, 2);

	tacho_facts_end(facts, 1000);
	give(facts, TACHO_K_IPC_WAKE, 2, 3, 1);
	give_service(facts, 0, 2, 900, 1100); /* 1000 to 1100 */
	give_service(facts, 1, 3, 1050, 1200);
	give_service(facts, 0, 2, 1150, 1160);
	give_service(facts, 0, 4, 1160, 1300);
	T_EQ(tacho_facts_together(facts, 2, 3), 0);
	tacho_facts_end(facts, 2000);
	T_EQ(tacho_facts_together(facts, 2, 3), 50 + 10);
	T_EQ(tacho_facts_together(facts, 3, 2), 50 + 10);
	T_EQ(crowd(facts, 2, 3), 60);
	/* no wake-up: a crowd knows */
	T_EQ(tacho_facts_together(facts, 3, 4), 0);
	T_EQ(crowd(facts, 3, 4), 40);
	T_EQ(tacho_facts_crowd(facts, (const uint32_t[]){ 2, 3, 4, 2, 3 }, 5), 100);
	/* what there is not */
	T_EQ(tacho_facts_together(facts, 3, 3), 0);
	T_EQ(tacho_facts_together(facts, 3, 8), 0);
	T_EQ(tacho_facts_together(facts, TACHO_NONE, 2), 0);
	T_EQ(crowd(facts, 3, 3), 0);
	T_EQ(crowd(facts, 3, 8), 0);
	T_EQ(tacho_facts_crowd(facts, NULL, 0), 0);
	/* a pair with a rate, but no wake-up of this interval */
	both_run(facts, 2000, 2100);
	tacho_facts_end(facts, 3000);
	T_EQ(tacho_facts_together(facts, 2, 3), 0);
	T_EQ(crowd(facts, 2, 3), 100);
	tacho_facts_end(facts, 4000);
	T_EQ(crowd(facts, 2, 3), 0);
	tacho_facts_destroy(facts);
}

/* Two tasks of a domain are there once, and on one CPU at least as long as the last one. */
T_CASE(one_domain_on_two_cpus)
{
	struct tacho_facts *facts = make(8, 3);

	tacho_facts_end(facts, 0);
	give(facts, TACHO_K_IPC_WAKE, 2, 3, 1);
	give_service(facts, 0, 2, 0, 100);
	give_service(facts, 1, 2, 50, 200);
	give_service(facts, 2, 3, 80, 180);
	give_service(facts, 0, 2, 100, 110);
	tacho_facts_end(facts, 1000);
	T_EQ(tacho_facts_together(facts, 2, 3), 100);
	T_EQ(crowd(facts, 2, 3), 100);
	T_EQ(crowd(facts, 2, 4), 0);
	tacho_facts_destroy(facts);
}

/* What still runs is a slice up to the end, and the rest of it is one of the next interval. */
T_CASE(what_still_runs)
{
	struct tacho_facts *facts = make(8, 2);
	struct tacho_row row = row_of(TACHO_K_CPU_SERVICE, 3, 4, 50);

	tacho_facts_end(facts, 1000);
	for (uint64_t now = 1100; now < 1500; now += 100) {
		give(facts, TACHO_K_IPC_WAKE, 2, 3, 1);
		tacho_facts_running(facts, 0, 2, 950);
		tacho_facts_running(facts, 1, 3, now - 30);
		tacho_facts_end(facts, now);
		T_EQ(tacho_facts_together(facts, 2, 3), 30);
	}
	/* it was all the time another one; this interval has 60 of it */
	give_service(facts, 0, 4, 950, 1460);
	give_service(facts, 1, 3, 1370, 1490);
	give(facts, TACHO_K_IPC_WAKE, 4, 3, 1);
	/* the caller looked before a switch: the row says who runs */
	row.cpu = 0;
	row.time = 1480;
	row.counter = 20;
	row.domain = 5;
	row.correspondent = 6;
	T_EQ(tacho_facts_rows(facts, &row, 1), 0);
	tacho_facts_running(facts, 0, 5, 1460);
	tacho_facts_end(facts, 1500);
	T_EQ(tacho_facts_together(facts, 3, 4), 60);
	T_EQ(crowd(facts, 3, 5), 20);
	T_EQ(crowd(facts, 3, 6), 10);
	/* a row that is late is in no interval any more; idle is nobody */
	give_service(facts, 1, 3, 1490, 1500);
	give_service(facts, 0, 2, 1480, 1500);
	give_service(facts, 0, IDLE, 1500, 1600);
	give_service(facts, 1, 3, 1500, 1600);
	tacho_facts_end(facts, 1600);
	T_EQ(tacho_facts_domain(facts, 3)->service_ns, 110);
	T_EQ(crowd(facts, 3, 2), 0);
	T_EQ(crowd(facts, 3, IDLE), 0);
	tacho_facts_destroy(facts);
}

/* Of many partners the eight with the most wake-ups, unless the other one has less of them. */
T_CASE(many_partners)
{
	struct tacho_facts *facts = make(64, 2);

	tacho_facts_end(facts, 0);
	for (uint32_t i = 0; i < 20; i++) {
		/* everybody among 40 to 59 has more than eight, and 2 serves 10 to 29 */
		give(facts, TACHO_K_IPC_WAKE, i % 2 ? 2 : 10 + i, i % 2 ? 10 + i : 2, 1);
		for (uint32_t k = 0; k < 20; k++)
			if (i != k)
				give(facts, TACHO_K_IPC_WAKE, 40 + i, 40 + k, 1);
	}
	give(facts, TACHO_K_IPC_WAKE, 58, 59, 1);
	for (uint32_t i = 10; i < 60; i++) {
		give_service(facts, 0, i, 10 * i, 10 * i + 5);
		give_service(facts, 1, i < 40 ? 2 : i == 59 ? 58 : 59, 10 * i + 1, 10 * i + 4);
	}
	tacho_facts_end(facts, 1000);
	for (uint32_t i = 10; i < 30; i++)
		T_EQ(tacho_facts_together(facts, 2, i), 3);
	T_EQ(tacho_facts_together(facts, 58, 59), 6);
	/* 59 has 58, and of the others those with low numbers; nobody but 58 has 59 */
	for (uint32_t i = 40; i < 58; i++) {
		T_EQ(tacho_facts_together(facts, 59, i), i < 47 ? 3 : 0);
		T_EQ(crowd(facts, 59, i), 3);
	}
	tacho_facts_destroy(facts);
}

T_CASE(rows_that_lie)
{
	struct tacho_facts *facts = make(8, 2);

	tacho_facts_end(facts, 1000);
	give_service(facts, 1, 3, 1000, 2000);
	give_service(facts, 0, 2, 1100, 1200);
	give_service(facts, 0, 2, UINT64_MAX - 5, UINT64_MAX);
	give_service(facts, 0, 2, 1300, 1400); /* believed: the last one came earlier */
	give_service(facts, 0, 4, 1150,
		     1160); /* takes the rest of 1100 to 1200, and what followed */
	give_service(facts, 0, 4, 1990, 9000); /* up to the end */
	tacho_facts_end(facts, 2000);
	T_EQ(crowd(facts, 2, 3), 50);
	T_EQ(crowd(facts, 4, 3), 20);
	both_run(facts, 2000, 2100);
	tacho_facts_end(facts, 1500); /* the clock goes back */
	T_EQ(crowd(facts, 2, 3), 0);
	both_run(facts, 2100, 2200);
	tacho_facts_end(facts, 3000);
	T_EQ(crowd(facts, 2, 3), 100);
	tacho_facts_destroy(facts);
}

T_CASE(forget_a_domain)
{
	struct tacho_facts *facts = make(8, 2);

	tacho_facts_end(facts, 0);
	for (uint64_t now = 100; now < 400; now += 100) {
		give(facts, TACHO_K_IPC_WAKE, 2, 3, 1);
		give(facts, TACHO_K_IPC_WAKE, 2, 4, 1);
		give_service(facts, 0, 2, now - 100, now);
		give_service(facts, 1, 3, now - 90, now - 60);
		give_service(facts, 1, 4, now - 60, now - 50);
		if (now == 300) {
			T_EQ(tacho_facts_together(facts, 2, 3), 30);
			T_EQ(crowd(facts, 2, 3), 30);
			tacho_facts_forget(facts, 3);
			T_EQ(tacho_facts_together(facts, 2, 3), 0);
			T_EQ(tacho_facts_together(facts, 2, 4), 10);
			T_EQ(crowd(facts, 2, 3), 0);
			T_EQ(crowd(facts, 2, 4), 10);
			/* the number again, in the same interval */
			give(facts, TACHO_K_IPC_WAKE, 3, 4, 1);
			give(facts, TACHO_K_IPC_WAKE, 2, 3, 1);
			give_service(facts, 1, 3, 293, 300);
		}
		tacho_facts_end(facts, now);
	}
	T_EQ(tacho_facts_together(facts, 2, 3), 7);
	T_EQ(tacho_facts_together(facts, 2, 4), 10);
	T_EQ(tacho_facts_together(facts, 3, 4), 0);
	tacho_facts_destroy(facts);
}

/* Without options.overlaps nothing is known of who ran at the same time. */
T_CASE(no_overlaps)
{
	static const uint32_t both[] = { 2, 3 };
	struct tacho_facts *facts = facts_make(8, 2, 0);

	tacho_facts_end(facts, 0);
	both_run(facts, 0, 10);
	give(facts, TACHO_K_IPC_WAKE, 2, 3, 1);
	tacho_facts_end(facts, 10);
	T_EQ(tacho_facts_together(facts, 2, 3), 0);
	T_EQ(tacho_facts_crowd(facts, both, 2), 0);
	tacho_facts_destroy(facts);
}

/* --- no memory ------------------------------------------------------------------------------------ */

/* Not much more memory than there is now, for this process. */
static int memory_limit(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	struct rlimit limit = { 0 };
	unsigned long pages = 0;
	int nr;

	if (!file)
		return -1;
	nr = fscanf(file, "%lu", &pages);
	fclose(file);
	limit.rlim_cur = limit.rlim_max = (pages + 1024) * (unsigned long)sysconf(_SC_PAGESIZE);
	return nr == 1 ? setrlimit(RLIMIT_AS, &limit) : -1;
}

/*
 * One ns of each of 1000 domains on 4000 CPUs; the last of them are told to run only, so that the end of
 * the interval has no room for them. All is in the sums, and the next call says that something is not known.
 */
static void starve(void)
{
	const uint64_t begin = 1000000;
	struct tacho_facts *facts = make(1000, 4000);
	uint64_t charged = 0, known = 0;
	int error = 0;

	tacho_facts_end(facts, begin);
	T_NEED(memory_limit() == 0);
	for (uint32_t i = 0; i < 1000; i++) {
		struct tacho_row row = row_of(TACHO_K_CPU_SERVICE, i, TACHO_NONE, 1);

		row.cpu = i;
		row.time = begin + 1;
		if (i >= 900)
			tacho_facts_running(facts, i, i, begin + 999);
		else if (tacho_facts_rows(facts, &row, 1))
			error = -ENOMEM;
	}
	T_EQ(error, -ENOMEM);
	tacho_facts_end(facts, begin + 1000);
	T_EQ(tacho_facts_rows(facts, NULL, 0), -ENOMEM);
	T_EQ(tacho_facts_rows(facts, NULL, 0), 0);
	for (uint32_t i = 0; i < 1000; i++) {
		T_EQ(tacho_facts_domain(facts, i)->service_ns, 1);
		T_EQ(tacho_facts_service_on(facts, i, i + 1), 0);
		charged += tacho_facts_cpu(facts, i)->service_ns;
		known += tacho_facts_service_on(facts, i, i);
	}
	T_EQ(charged, 1000);
	T_EQ(tacho_facts_cpu(facts, IDLE)->idle_ns, 1);
	T_OK(known > 0 && known < 1000);
	tacho_facts_destroy(facts);
}

/* As many slices as there is room for; those that were kept stay, and what cannot be computed is 0. */
static void starve_slices(void)
{
	struct tacho_facts *facts = make(8, 2);
	uint64_t now = 1000, sum;
	int error = 0;

	tacho_facts_end(facts, 0);
	T_NEED(memory_limit() == 0);
	for (; !error && now < 10000000; now += 10) {
		struct tacho_row rows[2] = { row_of(TACHO_K_CPU_SERVICE, 2, 3, 5),
					     row_of(TACHO_K_CPU_SERVICE, 3, 2, 5) };

		rows[0].time = rows[1].time = now;
		rows[1].cpu = 1;
		error = tacho_facts_rows(facts, rows, 2);
	}
	T_EQ(error, -ENOMEM);
	tacho_facts_end(facts, now);
	T_EQ(tacho_facts_domain(facts, 2)->slices, (now - 1000) / 10);
	sum = crowd(facts, 2, 3);
	T_OK(sum == 0 || sum == (now - 1000) / 2);
	tacho_facts_destroy(facts);
}

static void starve_apart(void (*run)(void))
{
	pid_t child = fork();
	int status = 0;

	T_NEED(child >= 0);
	if (child == 0) {
		run();
		_exit(t_failures());
	}
	T_EQ(waitpid(child, &status, 0), child);
	T_EQ(status, 0);
}

T_CASE(no_memory)
{
	if (T_ASAN || T_TSAN)
		T_SKIP("the sanitizer needs memory of its own");
	starve_apart(starve);
	starve_apart(starve_slices);
}

/* --- ns by ns ------------------------------------------------------------------------------------- */

struct model {
	uint32_t nr_cpus, nr_domains;
	uint8_t domain[CPUS][LENGTH];
	uint16_t begin[CPUS][LENGTH]; /* of the slice that this ns belongs to */
	uint16_t end[CPUS][LENGTH];
	uint32_t read[CPUS]; /* rows that end up to here were read */
	uint32_t ran[LENGTH]; /* bits of the domains that ran, as far as this interval knows */
	uint64_t wakes[DOMAINS][DOMAINS]; /* of this interval, both directions in both */
};

static void model_make(struct model *model, uint64_t *state)
{
	memset(model, 0, sizeof(*model));
	model->nr_cpus = 1 + (uint32_t)(t_random(state) % CPUS);
	model->nr_domains = 3 + (uint32_t)(t_random(state) % (DOMAINS - 2));
	for (uint32_t cpu = 0; cpu < model->nr_cpus; cpu++) {
		const uint32_t longest = 1u << (1 + t_random(state) % 9);

		for (uint32_t at = 0; at < LENGTH;) {
			uint32_t begin = at;
			uint32_t end = at + 1 + (uint32_t)(t_random(state) % longest);
			uint32_t domain = (uint32_t)(t_random(state) % model->nr_domains);

			if (t_random(state) % 4 == 0)
				domain = IDLE;
			if (end > LENGTH)
				end = LENGTH;
			for (; at < end; at++) {
				model->domain[cpu][at] = (uint8_t)domain;
				model->begin[cpu][at] = (uint16_t)begin;
				model->end[cpu][at] = (uint16_t)end;
			}
		}
	}
}

static void model_ran(struct model *model, uint32_t domain, uint32_t from, uint32_t until)
{
	for (uint32_t ns = from; ns < until && domain != IDLE; ns++)
		model->ran[ns] |= 1u << domain;
}

/* The rows of a CPU that end up to `until`; some are two, of two tasks. */
static void rows_read(struct tacho_facts *facts, struct model *model, uint32_t cpu, uint32_t until,
		      uint64_t *state)
{
	while (model->read[cpu] < LENGTH && model->end[cpu][model->read[cpu]] <= until) {
		uint32_t from = model->read[cpu], end = model->end[cpu][from];
		uint32_t domain = model->domain[cpu][from];
		uint32_t middle = from + (uint32_t)(t_random(state) % (end - from));

		if (middle > from)
			give_service(facts, cpu, domain, from, middle);
		give_service(facts, cpu, domain, middle, end);
		model_ran(model, domain, from, end);
		model->read[cpu] = end;
	}
}

static void wakes_make(struct tacho_facts *facts, struct model *model, uint64_t *state)
{
	const uint32_t nr = (uint32_t)(t_random(state) % (1u << t_random(state) % 9));

	memset(model->wakes, 0, sizeof(model->wakes));
	for (uint32_t i = 0; i < nr; i++) {
		uint32_t a = (uint32_t)(t_random(state) % model->nr_domains);
		uint32_t b = (uint32_t)(t_random(state) % model->nr_domains);

		if (t_random(state) % 4 == 0)
			b = 0; /* a server */
		if (a == b)
			continue;
		give(facts, TACHO_K_IPC_WAKE, a, b, 1);
		model->wakes[a][b]++;
		model->wakes[b][a]++;
	}
}

/* Whether b is one of the eight that a has the most wake-ups with. */
static bool is_chosen(const struct model *model, uint32_t a, uint32_t b)
{
	uint32_t better = 0;

	for (uint32_t i = 0; i < model->nr_domains; i++)
		better += model->wakes[a][i] > model->wakes[a][b] ||
			  (model->wakes[a][i] == model->wakes[a][b] && i < b && i != a);
	return model->wakes[a][b] > 0 && better < 8;
}

static uint64_t model_crowd(const struct model *model, uint32_t members, uint32_t begin,
			    uint32_t now)
{
	uint64_t sum = 0;

	for (uint32_t ns = begin; ns < now; ns++)
		sum += __builtin_popcount(model->ran[ns] & members) >= 2;
	return sum;
}

static void compare_pairs(struct tacho_facts *facts, const struct model *model, uint32_t begin,
			  uint32_t now)
{
	for (uint32_t a = 0; a < model->nr_domains; a++)
		for (uint32_t b = 0; b < model->nr_domains; b++) {
			uint64_t want = model_crowd(model, 1u << a | 1u << b, begin, now);

			if (a == b || !(is_chosen(model, a, b) || is_chosen(model, b, a)))
				want = 0;
			T_EQ(tacho_facts_together(facts, a, b), want);
		}
}

static void compare_crowds(struct tacho_facts *facts, const struct model *model, uint32_t begin,
			   uint32_t now, uint64_t *state)
{
	for (int i = 0; i < 8; i++) {
		uint32_t members = (uint32_t)(t_random(state) & t_random(state));
		uint32_t domains[DOMAINS + 1];
		size_t nr = 0;

		members = i == 0 ? UINT32_MAX : members;
		for (uint32_t domain = model->nr_domains; domain-- > 0;)
			if (members >> domain & 1)
				domains[nr++] = domain;
		domains[nr++] = model->nr_domains + (uint32_t)i * 1000;
		T_EQ(tacho_facts_crowd(facts, domains, nr),
		     model_crowd(model, members, begin, now));
	}
}

static void schedule_run(uint64_t *state)
{
	static struct model model, ended;
	uint32_t now = (uint32_t)(t_random(state) % (LENGTH / 4)), step;
	struct tacho_facts *facts;

	model_make(&model, state);
	step = 1u << (2 + t_random(state) % 10);
	facts = make(model.nr_domains, model.nr_cpus);
	tacho_facts_end(facts, now);
	while (!t_failures()) {
		const uint32_t begin = now;

		now += 1 + (uint32_t)(t_random(state) % step);
		if (now >= LENGTH)
			break;
		wakes_make(facts, &model, state);
		for (uint32_t cpu = 0; cpu < model.nr_cpus; cpu++) {
			rows_read(facts, &model, cpu, now, state);
			if (t_random(state) % 4 == 0)
				continue; /* nobody says what runs */
			tacho_facts_running(facts, cpu, model.domain[cpu][now],
					    model.begin[cpu][now]);
			model_ran(&model, model.domain[cpu][now], model.begin[cpu][now], now);
		}
		tacho_facts_end(facts, now);
		ended = model;
		memset(model.ran, 0, sizeof(model.ran));
		/* neither rows of the next interval nor the order of the questions are to be seen */
		if (t_random(state) % 2)
			compare_crowds(facts, &ended, begin, now, state);
		if (t_random(state) % 2)
			rows_read(facts, &model, 0, now + step / 2, state);
		compare_pairs(facts, &ended, begin, now);
		compare_crowds(facts, &ended, begin, now, state);
	}
	tacho_facts_destroy(facts);
}

T_CASE(as_the_slow_one)
{
	uint64_t state = t_seed();

	for (uint32_t i = 0; i < ROUNDS && !t_failures(); i++)
		schedule_run(&state);
}

T_MAIN
