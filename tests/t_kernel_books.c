// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_kernel_books.c: conservation: what the domains got plus idle is wall time times CPUs, in every interval,
 * whatever the load; by the facts, and by the rows themselves.
 */
#include "kload.h"

/* --- conservation ---------------------------------------------------------------------------- */

struct books {
	struct krig *rig;
	struct tacho_facts *facts;
	double worst; /* |sum / wall - 1| of an interval */
	int intervals;
	uint64_t end_ns[KRIG_CPUS]; /* of the last row; 0: none yet */
	uint32_t next[KRIG_CPUS]; /* whom it said to come */
	uint64_t gaps_ns; /* of no row, or of two */
	uint64_t strangers; /* rows of somebody who was not said to come */
};

/*
 * The books of the facts balance by their construction as long as rows do not overlap and none is missing.
 * That is looked at here, without them: each row of a CPU begins where the one before ended, and is of
 * the domain that this one announced.
 */
static int rows_to_facts(void *arg, const struct tacho_row *row)
{
	struct books *books = arg;
	uint64_t begin = row->time - row->counter, *end = &books->end_ns[row->cpu];

	if (*end) {
		books->gaps_ns += begin > *end ? begin - *end : *end - begin;
		books->strangers += row->domain != books->next[row->cpu];
	}
	*end = row->time;
	books->next[row->cpu] = row->correspondent;
	return tacho_facts_rows(books->facts, row, 1);
}

static void interval_end(struct books *books, bool first)
{
	const uint32_t nr_cpus = books->rig->view.header.nr_cpus;
	const int online = cpus_online();
	uint64_t sum = 0, since, wall;
	uint32_t domain;

	for (uint32_t cpu = 0; cpu < nr_cpus; cpu++)
		if (tacho_view_running(&books->rig->view, cpu, &domain, &since) == 0)
			tacho_facts_running(books->facts, cpu, domain, since);
	T_EQ(tacho_kernel_tend(books->rig->kernel, NULL), 0);
	krig_read(books->rig, rows_to_facts, books);
	tacho_facts_end(books->facts, krig_now());
	if (first)
		return;
	for (uint32_t cpu = 0; cpu < nr_cpus; cpu++)
		sum += tacho_facts_cpu(books->facts, cpu)->service_ns;
	wall = tacho_facts_wall_ns(books->facts) * (uint64_t)online;
	if (wall) {
		double off = (double)sum / (double)wall - 1;

		off = off < 0 ? -off : off;
		books->worst = off > books->worst ? off : books->worst;
		books->intervals++;
	}
}

static void conserve(const char *what, void (*load)(void *), int nr)
{
	const uint32_t event = TACHO_K_CPU_SERVICE;
	struct krig rig;
	struct books books = { .rig = &rig };
	struct tacho_facts_options options;
	pid_t pid[8];

	KRIG_NEED(krig_open(&rig, TACHO_BY_PROCESS));
	T_NEED(krig_log(&rig, event, 1 << 16) == 0);
	options = (struct tacho_facts_options){ .nr_domains = rig.view.header.nr_domains,
						.nr_cpus = rig.view.header.nr_cpus };
	T_NEED(tacho_facts_create(&books.facts, &options) == 0);
	T_NEED(krig_enable(&rig) == 0);
	for (int i = 0; i < nr; i++)
		pid[i] = child(load, NULL);
	interval_end(&books, true);
	for (int i = 0; i < 10; i++) {
		usleep(100000);
		interval_end(&books, false);
	}
	printf("     %s: worst of %d intervals: %.5f %%, rows lost %llu\n", what, books.intervals,
	       books.worst * 100, (unsigned long long)krig_lost(&rig));
	T_EQ(krig_lost(&rig), 0);
	T_OK(books.worst < 0.001);
	T_EQ(books.gaps_ns, 0);
	T_EQ(books.strangers, 0);
	for (int i = 0; i < nr; i++) {
		/* those with children of their own take these along */
		kill(pid[i], load == load_stress ? SIGTERM : SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
	tacho_facts_destroy(books.facts);
	krig_close(&rig);
}

T_CASE(conservation_idle)
{
	conserve("idle", load_idle, 1);
}

T_CASE(conservation_hogs)
{
	conserve("hogs", load_hog, 3);
}

T_CASE(conservation_fork_storm)
{
	conserve("fork storm", load_forks, 3);
}

T_CASE(conservation_switches)
{
	conserve("pipes", load_pipes, 2);
}

T_CASE(conservation_stress_ng)
{
	if (system("command -v stress-ng >/dev/null") != 0)
		T_SKIP("stress-ng is not installed");
	conserve("stress-ng", load_stress, 1);
}

T_MAIN
