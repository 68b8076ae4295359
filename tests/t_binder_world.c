// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_binder_world.c: everything at once, by chance, against a model that knows; and the real /proc.
 */
#include "binder_rig.h"

/* --- everything at once -------------------------------------------------------------------------- */

#define LIFE_TASKS 400

static int pick_live(uint64_t *state)
{
	for (int tries = 0; tries < 50; tries++) {
		int tid = 10 + (int)(t_random(state) % LIFE_TASKS);

		if (world.task[tid].pid)
			return tid;
	}
	return 1;
}

/* Somebody wants a process by thread, or as a whole; it need not be there. */
static void split_one(uint64_t *state)
{
	int pid = world.task[pick_live(state)].pid;
	int error = tacho_binder_split(world.binder, pid, t_random(state) % 2);

	T_OK(error == 0 || error == -ESRCH || error == -ENOSPC);
}

/* Who is alive forks, executes, or ends. */
static void live(uint64_t *state)
{
	static const char *const comms[] = { "sh", "make", "gcc", "java", "ld" };
	int tid = pick_live(state), child = 10 + (int)(t_random(state) % LIFE_TASKS);
	const char *comm = comms[t_random(state) % 5];
	int pid = world.task[tid].pid;

	/* a number whose process lives on in its threads is not given out */
	for (int other = 10; other < 10 + LIFE_TASKS; other++)
		if (world.task[other].pid == child)
			child = 1;
	if (ended[child] + 130 > world.time) /* it takes two settles until all rows are read */
		child = 1;
	switch (t_random(state) % 8) {
	case 0:
	case 1:
	case 2:
		if (!world.task[child].pid)
			forks(tid, child, child, comm);
		break;
	case 3:
		if (!world.task[child].pid && pid != 1)
			forks(tid, pid, child, comm);
		break;
	case 4:
		if (tid != 1) {
			for (int other = 10; other < 10 + LIFE_TASKS; other++)
				if (world.task[other].pid == pid && other != pid && other != tid) {
					ended[other] = world.time;
					fake_end(pid, other);
				}
			if (tid != pid && !world.task[pid].pid)
				files(pid, pid, comm, 1);
			else if (tid == pid)
				for (int other = 10; other < 10 + LIFE_TASKS; other++)
					if (world.task[other].pid == pid && other != pid) {
						ended[other] = world.time;
						world_exit(other);
					}
			executes(tid, comm, 1);
		}
		break;
	default:
		if (tid != 1)
			ends(tid);
		break;
	}
}

/* Rows reach the binder late, and in the order of logs and not of events. */
static void deliver_some(uint64_t *state, bool lose)
{
	size_t i, left = 0;

	for (i = world.nr_rows; i > 1; i--) {
		size_t k = t_random(state) % i;
		struct world_row row = world.row[i - 1];

		world.row[i - 1] = world.row[k];
		world.row[k] = row;
	}
	for (i = 0; i < world.nr_rows; i++) {
		if (lose && t_random(state) % 4 == 0)
			continue;
		/* at most one settle late: the next reading of a log is complete up to its begin */
		if (world.row[i].time + 40 > world.time && t_random(state) % 4 == 0)
			world.row[left++] = world.row[i];
		else
			world_deliver_row(&world.row[i]);
	}
	world.nr_rows = left;
	T_EQ(tacho_binder_settle(world.binder, NULL), 0);
}

/* Every task is known, in the domain that its storage says, and in the right one. */
static void check_all(const bool *is_split)
{
	static uint32_t count[WORLD_DOMAINS];
	static int owner[WORLD_DOMAINS];
	int wanted;

	memset(count, 0, sizeof(count));
	memset(owner, 0, sizeof(owner));
	for (int tid = 1; tid < 10 + LIFE_TASKS; tid++) {
		uint32_t domain = world.task[tid].principal;
		int pid = world.task[tid].pid;

		if (!pid) {
			T_EQ(tacho_binder_task(world.binder, tid), TACHO_NONE);
			continue;
		}
		T_EQ(tacho_binder_task(world.binder, tid), domain);
		count[domain]++;
		if (domain == number_of("build") || domain < 2)
			continue;
		wanted = is_split[pid] ? -tid : pid;
		T_OK(owner[domain] == 0 || owner[domain] == wanted || domain == 255);
		owner[domain] = wanted;
	}
	for (uint32_t domain = 0; domain < 256; domain++) {
		struct tacho_kernel_domain_info info = { 0 };

		if (tacho_binder_domain(world.binder, domain, &info) == 0) {
			T_EQ(info.nr_tasks, count[domain]);
			T_EQ(tacho_binder_tasks(world.binder, domain, NULL, 0), count[domain]);
			for (uint32_t i = 0; i < domain && info.name[0]; i++)
				T_OK(strcmp(world.name[i], info.name) != 0);
		} else {
			T_EQ(count[domain], 0);
		}
		T_OK(!info.is_gone || count[domain] == 0);
	}
}

/* Everybody as it shall be, by chance; who cannot be split is whole. */
static void split_all(uint64_t *state, bool splits, bool *is_split)
{
	for (int pid = 1; pid < 10 + LIFE_TASKS; pid++) {
		bool wanted = splits && t_random(state) % 2;

		is_split[pid] = wanted;
		if (splits && tacho_binder_split(world.binder, pid, wanted) == -ENOSPC)
			is_split[pid] = false;
	}
}

static void lives(uint64_t *state, bool lose, bool splits)
{
	static bool is_split[WORLD_TASKS];

	T_NEED(begin(TACHO_BY_PROCESS, 256, RULES("build=comm:make")));
	memset(ended, 0, sizeof(ended));
	world_start();
	for (int round = 0; round < 60 && !t_failures(); round++) {
		for (int i = 0; i < 60; i++) {
			live(state);
			if (splits && i % 8 == 0)
				split_one(state);
		}
		deliver_some(state, lose);
		if (round % 5 == 0)
			tacho_binder_reuse(world.binder);
		if (round % 10 != 9)
			continue;
		deliver_some(state, lose);
		world_settle();
		if (lose) {
			tacho_binder_lost(world.binder);
			T_EQ(tacho_binder_rescan(world.binder, ++world.time), 0);
		}
		world_settle();
		world_settle();
		split_all(state, splits, is_split);
		world_settle();
		check_all(is_split);
	}
	end();
}

T_CASE(a_busy_world)
{
	uint64_t state = t_seed();

	for (int i = 0; i < 4 && !t_failures(); i++)
		lives(&state, false, false);
}

T_CASE(a_busy_world_that_loses_rows)
{
	uint64_t state = t_seed();

	for (int i = 0; i < 4 && !t_failures(); i++)
		lives(&state, true, false);
}

T_CASE(a_busy_world_that_is_split)
{
	uint64_t state = t_seed();

	for (int i = 0; i < 4 && !t_failures(); i++)
		lives(&state, false, true);
	for (int i = 0; i < 4 && !t_failures(); i++)
		lives(&state, true, true);
}

/* --- the real /proc ------------------------------------------------------------------------------ */

static int real_bind(void *arg, uint32_t tid, uint32_t principal, uint32_t flags)
{
	(void)arg;
	(void)tid;
	(void)principal;
	(void)flags;
	return 0;
}

static const struct tacho_binder_ops real_ops = { real_bind, world_name, world_push };

static void *sleeper(void *arg)
{
	char byte;

	T_EQ(read(*(int *)arg, &byte, 1), 0);
	return NULL;
}

/* Threads of this process that are not ours: a sanitizer may have one. */
static uint32_t own_threads(void)
{
	struct tacho_ids tids = { 0 };
	uint32_t nr = tacho_procs_list("/proc", getpid(), &tids) ? 0 : (uint32_t)tids.nr;

	tacho_ids_fini(&tids);
	return nr;
}

T_CASE(the_real_proc)
{
	struct tacho_binder_options options = { .nr_domains = 1024,
						.ops = &real_ops,
						.arg = &world };
	struct tacho_kernel_domain_info info;
	struct tacho_rules rules = { 0 };
	struct tacho_binder *binder;
	char rule[64], byte;
	const char *text = rule;
	pthread_t thread;
	int ends_[2];
	pid_t pid;

	memset(&world, 0, sizeof(world));
	snprintf(rule, sizeof(rule), "self=tree:%d", getpid());
	T_NEED(tacho_rules_parse(&rules, &text, 1, NULL, 0) == 0);
	options.rules = &rules;
	T_NEED(pipe2(ends_, O_CLOEXEC) == 0);
	T_NEED(pthread_create(&thread, NULL, sleeper, &ends_[0]) == 0);
	pid = fork();
	T_NEED(pid >= 0);
	if (pid == 0) {
		close(ends_[1]);
		_exit(read(ends_[0], &byte, 1) != 0);
	}
	T_NEED(tacho_binder_create(&binder, &options) == 0);
	T_EQ(tacho_binder_start(binder, t_now_ns()), 0);
	T_EQ(tacho_binder_task(binder, getpid()), 2);
	T_EQ(tacho_binder_task(binder, pid), 2);
	T_EQ(tacho_binder_domain(binder, 2, &info), 0);
	T_STREQ(info.name, "self");
	T_EQ(info.nr_tasks, own_threads() + 1); /* of the child */
	T_OK(own_threads() >= 2);
	T_OK(tacho_binder_task(binder, 1) > 2);
	close(ends_[1]);
	T_EQ(waitpid(pid, NULL, 0), pid);
	T_EQ(pthread_join(thread, NULL), 0);
	T_EQ(tacho_binder_exit(binder, t_now_ns(), pid, pid, 2), 0);
	T_EQ(tacho_binder_settle(binder, NULL), 0);
	T_EQ(tacho_binder_task(binder, pid), TACHO_NONE);
	T_EQ(tacho_binder_rescan(binder, t_now_ns()), 0);
	T_EQ(tacho_binder_domain(binder, 2, &info), 0);
	T_EQ(info.nr_tasks, own_threads());
	close(ends_[0]);
	tacho_binder_destroy(binder);
	tacho_rules_fini(&rules);
}

T_MAIN
