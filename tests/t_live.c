// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_live.c: a session under the real kernel: two processes that exchange bytes are seen as a pair,
 * events go off and on again, the books balance in every interval that was on from its beginning to
 * its end, and nothing is lost.
 */
#include "facts/live.h"

#include "kload.h"

static const uint32_t events[] = { TACHO_K_CPU_SERVICE, TACHO_K_CPU_WAIT, TACHO_K_IPC_WAKE,
				   TACHO_K_IPC_PIPE,	TACHO_K_CPU_RUNQ, TACHO_K_MEM_RSS,
				   TACHO_K_CPU_MIGRATE };
#define NR_EVENTS (sizeof(events) / sizeof(events[0]))

static struct tacho_live *live_open(const uint32_t *ids, size_t nr)
{
	const struct tacho_live_options options = { .events = ids, .nr_events = nr, .times = 16 };
	struct tacho_live *live = NULL;
	char why[200];
	int error = tacho_live_open(&live, &options, why, sizeof(why));

	if (error == -EPERM || error == -EOPNOTSUPP) {
		t_skip("%s", why);
		return NULL;
	}
	if (!T_EQ(error, 0))
		printf("     %s\n", why);
	return live;
}

/* The other end of load_pipes: the child of the child that was made here. */
static pid_t partner_of(pid_t pid)
{
	char path[64];
	int partner = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	for (int i = 0; i < 6000 && partner == 0; i++) {
		usleep(10000);
		file = fopen(path, "re");
		if (file && fscanf(file, "%d", &partner) != 1)
			partner = 0;
		if (file)
			fclose(file);
	}
	return partner;
}

static const struct tacho_facts_pair *pair_find(const struct tacho_live *live, uint32_t from,
						uint32_t to)
{
	const struct tacho_facts_pair *pairs;
	size_t nr = tacho_facts_pairs(tacho_live_facts((struct tacho_live *)live), &pairs);

	for (size_t i = 0; i < nr; i++)
		if (pairs[i].from == from && pairs[i].to == to)
			return &pairs[i];
	return NULL;
}

/* The books of the interval that has ended. */
static void conserved(struct tacho_live *live)
{
	const struct tacho_facts *facts = tacho_live_facts(live);
	const uint64_t wall = tacho_facts_wall_ns(facts);
	double off, sum = 0;

	for (uint32_t cpu = 0; cpu < tacho_live_view(live)->header.nr_cpus; cpu++)
		sum += (double)tacho_facts_cpu(facts, cpu)->service_ns;
	off = sum / ((double)wall * cpus_online()) - 1;
	T_OK(wall > 0);
	if (!T_OK(off < 0.001 && off > -0.001))
		printf("     off by %.5f of %llu ns\n", off, (unsigned long long)wall);
}

static uint64_t lost_of(const struct tacho_live *live, uint64_t *rows)
{
	uint64_t lost;

	tacho_live_totals(live, rows, &lost);
	return lost;
}

/* Read all the time, so that what others do on this machine does not wrap a log. */
static void read_for(struct tacho_live *live, int ms)
{
	const uint64_t end = t_now_ns() + (uint64_t)ms * 1000000;
	double fill = -1;

	while (t_now_ns() < end) {
		usleep(2000);
		T_EQ(tacho_live_read(live, &fill), 0);
		T_OK(fill >= 0 && fill < 1);
	}
}

/* Some intervals with everything on: the pair is seen, from both ends. */
static void look(struct tacho_live *live, pid_t pid, pid_t partner)
{
	const struct tacho_kernel *kernel = tacho_live_kernel(live);
	uint32_t a = tacho_kernel_task_domain(kernel, pid);
	uint32_t b = tacho_kernel_task_domain(kernel, partner);
	const struct tacho_facts *facts = tacho_live_facts(live);
	uint64_t wakes = 0, bytes = 0, service = 0;

	T_NEED(a >= TACHO_DOMAIN_FIRST && a != TACHO_NONE);
	T_NEED(b >= TACHO_DOMAIN_FIRST && b != TACHO_NONE && a != b);
	for (int i = 0; i < 4 || (i < 1000 && !(wakes && bytes && service)); i++) {
		read_for(live, 20);
		T_EQ(tacho_live_end(live, NULL), 0);
		conserved(live);
		service += tacho_facts_domain(facts, a)->service_ns;
		if (pair_find(live, a, b) && pair_find(live, b, a))
			wakes += pair_find(live, a, b)->wakes + pair_find(live, b, a)->wakes;
		bytes += tacho_facts_domain(facts, a)->pipe_bytes[0];
	}
	T_OK(wakes > 0 && bytes > 0 && service > 0);
}

/* While it is off nothing is charged to anybody, and what was logged before is not lost. */
static void pause_look(struct tacho_live *live)
{
	const uint32_t *domains;
	uint64_t sum = 0;

	T_EQ(tacho_live_end(live, NULL), 0); /* with the rows that were left */
	usleep(50000);
	T_EQ(tacho_live_end(live, NULL), 0);
	T_EQ(tacho_facts_domains(tacho_live_facts(live), &domains), 0);
	for (uint32_t cpu = 0; cpu < tacho_live_view(live)->header.nr_cpus; cpu++)
		sum += tacho_facts_cpu(tacho_live_facts(live), cpu)->service_ns;
	T_EQ(sum, 0);
}

static void on_and_off(struct tacho_live *live, pid_t pid, pid_t partner)
{
	struct tacho_live_log log, all;
	uint64_t rows;

	for (int i = 0; i < 5 && !t_failures(); i++) {
		T_EQ(tacho_live_on(live), 0);
		T_EQ(tacho_live_on(live), 0);
		for (size_t k = 0; k < NR_EVENTS; k++)
			T_OK(tacho_live_has(live, events[k]));
		look(live, pid, partner);
		T_EQ(tacho_live_off(live), 0);
		T_EQ(tacho_live_off(live), 0);
		T_OK(!tacho_live_has(live, TACHO_K_CPU_SERVICE));
		if (i % 2)
			pause_look(live);
		else
			usleep(50000);
	}
	T_EQ(tacho_live_end(live, NULL), 0);
	T_EQ(lost_of(live, &rows), 0);
	tacho_live_log(live, TACHO_NONE, &all);
	T_EQ(all.rows, rows);
	T_EQ(all.written, rows);
	T_EQ(all.overwritten, 0);
	tacho_live_log(live, TACHO_K_IPC_WAKE, &log);
	T_OK(log.rows > 0 && log.rows < rows);
	T_EQ(tacho_facts_ignored(tacho_live_facts(live)), 0);
}

T_CASE(pair_on_and_off)
{
	struct tacho_live *live = live_open(events, NR_EVENTS);
	int often = 20; /* exchanges, and a rest: others may keep us waiting */
	pid_t pid, partner;

	if (!live)
		return;
	pid = child(load_pipes, &often);
	/* who waits for whom he watches loses what they do */
	(void)setpriority(PRIO_PROCESS, 0, -10);
	partner = partner_of(pid);
	T_OK(partner > 0);
	if (partner > 0)
		on_and_off(live, pid, partner);
	(void)setpriority(PRIO_PROCESS, 0, 0);
	reap(pid);
	tacho_live_close(live);
}

/* Some events without the others, and those that have no log. */
T_CASE(some_events)
{
	const uint32_t wake[] = { TACHO_K_IPC_WAKE, TACHO_K_LOCK, TACHO_K_IPC_WAKE };
	const uint32_t two[] = { TACHO_K_CPU_SERVICE, TACHO_K_IPC_WAKE };
	struct tacho_live *live = live_open(events, NR_EVENTS);

	if (!live)
		return;
	T_EQ(tacho_live_enable(live, wake, 3), 0);
	T_OK(tacho_live_has(live, TACHO_K_IPC_WAKE));
	T_OK(!tacho_live_has(live, TACHO_K_LOCK));
	T_OK(!tacho_live_has(live, TACHO_K_CPU_SERVICE));
	T_EQ(tacho_live_enable(live, two, 2), 0);
	T_OK(tacho_live_has(live, TACHO_K_CPU_SERVICE));
	T_EQ(tacho_live_disable(live, wake, 3), 0);
	T_OK(!tacho_live_has(live, TACHO_K_IPC_WAKE));
	T_OK(tacho_live_has(live, TACHO_K_CPU_SERVICE));
	T_OK(!tacho_live_has(live, TACHO_NONE));
	/* the wake-ups went off and on, the interval goes on */
	T_EQ(tacho_live_end(live, NULL), 0);
	T_EQ(tacho_live_on(live), 0);
	usleep(20000);
	T_EQ(tacho_live_end(live, NULL), 0);
	conserved(live);
	tacho_live_close(live);
}

struct gone {
	uint32_t domain; /* that is waited for */
	int times; /* it was told */
};

static void gone_note(void *arg, uint32_t domain)
{
	struct gone *gone = arg;

	gone->times += domain == gone->domain;
}

/* The number of who ends is free after a while, and nobody remembers him. */
T_CASE(sweep)
{
	struct tacho_live *live = live_open(events, NR_EVENTS);
	struct tacho_kernel_domain_info info;
	struct gone gone = { .times = 0 };
	pid_t pid;

	if (!live)
		return;
	T_EQ(tacho_live_on(live), 0);
	pid = child(load_idle, NULL);
	usleep(20000);
	T_EQ(tacho_live_end(live, NULL), 0);
	gone.domain = tacho_kernel_task_domain(tacho_live_kernel(live), pid);
	T_OK(gone.domain != TACHO_NONE && gone.domain >= TACHO_DOMAIN_FIRST);
	reap(pid);
	for (int i = 0; i < 3000 && gone.times == 0; i++) {
		usleep(10000);
		T_EQ(tacho_live_end(live, NULL), 0);
		tacho_live_sweep(live, gone_note, &gone);
	}
	T_EQ(gone.times, 1);
	T_OK(tacho_kernel_domain(tacho_live_kernel(live), gone.domain, &info) != 0);
	tacho_live_close(live);
}

/* Who was born and who ended during a pause is known right after it. */
T_CASE(tasks_of_a_pause)
{
	struct tacho_live *live = live_open(events, NR_EVENTS);
	pid_t pid;

	if (!live)
		return;
	T_EQ(tacho_live_on(live), 0);
	T_EQ(tacho_live_off(live), 0);
	pid = child(load_idle, NULL);
	T_EQ(tacho_live_on(live), 0);
	T_OK(tacho_kernel_task_domain(tacho_live_kernel(live), pid) != TACHO_NONE);
	T_EQ(tacho_live_off(live), 0);
	reap(pid);
	T_EQ(tacho_live_on(live), 0);
	T_EQ(tacho_kernel_task_domain(tacho_live_kernel(live), pid), TACHO_NONE);
	tacho_live_close(live);
}

T_CASE(refusals)
{
	const uint32_t unknown[] = { TACHO_K_TASK_NEW }, twice[] = { 0, 0 };
	struct tacho_live_options options = { .events = unknown, .nr_events = 1 };
	struct tacho_live *live = NULL;
	char why[200];
	int error = tacho_live_open(&live, &options, why, sizeof(why));

	if (error == -EPERM || error == -EOPNOTSUPP)
		T_SKIP("%s", why);
	T_EQ(error, -EINVAL);
	T_OK(!live && strstr(why, "making the log of event"));
	options.events = twice;
	options.nr_events = 2;
	T_EQ(tacho_live_open(&live, &options, why, sizeof(why)), -EINVAL);
	T_EQ(tacho_live_size(unknown, 1), 0);
	T_OK(tacho_live_size(events, 1) == 16384 * 32);
}

T_MAIN
