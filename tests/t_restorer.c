// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_restorer.c: who puts everything back when the scheduler is killed, and who does when he is
 * killed too.
 */
#include <dirent.h>

#include "ledger_rig.h"

/* Bounded: whether it comes true. */
static bool cpus_become(int tid, const struct tacho_cpus *cpus)
{
	for (int i = 0; i < BOUND_MS; i++) {
		if (cpus_are(tid, cpus))
			return true;
		usleep(1000);
	}
	return false;
}

/* It was our child's, and is ours to wait for once that is dead. */
static bool ends(int pid)
{
	for (int i = 0; i < BOUND_MS; i++) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return true;
		usleep(1000);
	}
	return false;
}

/* A restorer shows its name when it is ready. */
static bool is_ready(int pid)
{
	char path[64], text[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	for (int i = 0; i < BOUND_MS; i++) {
		ssize_t len;

		fd = open(path, O_RDONLY | O_CLOEXEC);
		len = fd < 0 ? 0 : read(fd, text, sizeof(text));
		if (fd >= 0)
			close(fd);
		if (len > 0 && strncmp(text, "tacho-restorer\n", 15) == 0)
			return true;
		usleep(1000);
	}
	return false;
}

static int descriptors_of(int pid)
{
	char path[64];
	struct dirent *entry;
	int nr = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)) != NULL)
		nr += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return nr;
}

T_CASE(the_owner_is_killed)
{
	struct actor actor = actor_start();
	struct tacho_cpus before = cpus_of(actor.pid);
	struct placing placing = { actor.pid, cpu_nr(actor.pid, 0) };
	int guardian, dead, thread, child, orphan;

	rig_open();
	dead = owner_start(place, &placing, world, true, &guardian);
	T_OK(guardian > 0);
	T_OK(cpus_are(actor.pid, &placing.cpus));
	/* born since, and nobody was told */
	thread = actor_do(&actor, 't');
	child = actor_do(&actor, 'f');
	orphan = actor_do(&actor, 'd');
	T_OK(cpus_are(thread, &placing.cpus) && cpus_are(orphan, &placing.cpus));
	process_end(dead);
	T_OK(cpus_become(actor.pid, &before) && cpus_become(thread, &before));
	T_OK(cpus_become(child, &before) && cpus_become(orphan, &before));
	T_OK(ends(guardian));
	T_EQ(restore(), -ENOENT);
	rig_close();
	kill(child, SIGKILL);
	actor_end(&actor);
	process_end(orphan);
	reap_all();
}

T_CASE(a_regular_end_needs_none)
{
	struct actor actor = actor_start();
	struct tacho_cpus before = cpus_of(actor.pid), one = cpu_nr(actor.pid, 0);
	struct tacho_ledger *ledger;
	int guardian;

	rig_open();
	ledger = ledger_of(world);
	T_NEED(ledger);
	T_EQ(tacho_ledger_guardian(ledger), 0);
	T_EQ(tacho_ledger_guard(ledger), 0);
	T_EQ(tacho_ledger_guard(ledger), 0);
	guardian = tacho_ledger_guardian(ledger);
	T_OK(guardian > 0);
	T_EQ(tacho_ledger_cpus(ledger, actor.pid, &one, NULL), 0);
	tacho_ledger_close(ledger);
	T_OK(cpus_are(actor.pid, &before));
	T_EQ(kill(guardian, 0), -1);
	T_EQ(waitpid(guardian, NULL, 0), -1);
	rig_close();
	actor_end(&actor);
}

/* Whether a process has the state file in its memory. */
static bool has_mapped(int pid)
{
	char path[64], *line = NULL;
	bool found = false;
	size_t room = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && getline(&line, &room, maps) > 0)
		found |= strstr(line, rig_file) != NULL;
	free(line);
	if (maps)
		fclose(maps);
	return found;
}

/*
 * It keeps nothing of the scheduler open, is in a session of its own, and does not hear what ends
 * that.
 */
T_CASE(it_is_deaf_and_has_nothing)
{
	static const int signals[] = {
		SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGPIPE, SIGALRM
	};
	int guardian, extra = open("/dev/null", O_RDONLY), high = fcntl(extra, F_DUPFD, 300);
	struct tacho_ledger *ledger;

	rig_open();
	ledger = ledger_of(world);
	T_NEED(ledger);
	T_EQ(tacho_ledger_guard(ledger), 0);
	guardian = tacho_ledger_guardian(ledger);
	T_NEED(is_ready(guardian));
	for (int i = 0; i < BOUND_MS && descriptors_of(guardian) > 6; i++)
		usleep(1000);
	T_OK(descriptors_of(guardian) <= 6);
	T_EQ(getsid(guardian), guardian);
	/* nor any other child: only the owner can write it */
	T_OK(has_mapped(getpid()) && !has_mapped(guardian));
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		T_EQ(kill(guardian, signals[i]), 0);
	usleep(20000);
	T_EQ(waitpid(guardian, NULL, WNOHANG), 0);
	tacho_ledger_close(ledger);
	rig_close();
	close(extra);
	close(high);
}

/* The test ends the first one, and the second does its work. */
static void place_and_replace(struct tacho_ledger *ledger, void *arg)
{
	const int first = tacho_ledger_guardian(ledger);
	size_t found;

	place(ledger, arg);
	T_EQ(tacho_ledger_tend(ledger, &found), 0);
	T_EQ(tacho_ledger_guardian(ledger), first);
	T_EQ(kill(first, SIGKILL), 0);
	for (int i = 0; i < BOUND_MS && tacho_ledger_guardian(ledger) == first; i++) {
		T_EQ(tacho_ledger_tend(ledger, &found), 0);
		usleep(1000);
	}
	T_OK(tacho_ledger_guardian(ledger) > 0 && tacho_ledger_guardian(ledger) != first);
}

T_CASE(one_that_is_killed_is_replaced)
{
	struct actor actor = actor_start();
	struct tacho_cpus before = cpus_of(actor.pid);
	struct placing placing = { actor.pid, cpu_nr(actor.pid, 0) };
	int guardian = 0;

	rig_open();
	process_end(owner_start(place_and_replace, &placing, world, true, &guardian));
	T_OK(cpus_become(actor.pid, &before));
	T_OK(guardian > 0 && ends(guardian));
	rig_close();
	actor_end(&actor);
}

T_CASE(both_are_killed)
{
	struct actor actor = actor_start();
	struct tacho_cpus before = cpus_of(actor.pid);
	struct placing placing = { actor.pid, cpu_nr(actor.pid, 0) };
	int guardian, dead;

	rig_open();
	for (int round = 0; round < 2; round++) {
		dead = owner_start(place, &placing, world, true, &guardian);
		T_OK(guardian > 0);
		kill(guardian, SIGKILL);
		process_end(dead);
		T_OK(ends(guardian));
		T_OK(cpus_are(actor.pid, &placing.cpus));
		undo_one(round == 0, actor.pid, &before);
	}
	rig_close();
	actor_end(&actor);
}

/* A child of the owner that has all his descriptors, as the process of a foreign policy may. */
static int heir[2];

static void place_and_fork(struct tacho_ledger *ledger, void *arg)
{
	int pid;

	place(ledger, arg);
	pid = actor_fork();
	T_EQ(write(heir[1], &pid, sizeof(pid)), (ssize_t)sizeof(pid));
}

T_CASE(other_children_of_the_owner_do_not_matter)
{
	struct actor actor = actor_start();
	struct tacho_cpus before = cpus_of(actor.pid);
	struct placing placing = { actor.pid, cpu_nr(actor.pid, 0) };
	int guardian, other = 0;

	rig_open();
	T_NEED(pipe(heir) == 0);
	process_end(owner_start(place_and_fork, &placing, world, true, &guardian));
	T_EQ(read(heir[0], &other, sizeof(other)), (ssize_t)sizeof(other));
	T_OK(cpus_become(actor.pid, &before));
	T_OK(ends(guardian));
	T_EQ(waitpid(other, NULL, WNOHANG), 0);
	T_EQ(restore(), -ENOENT);
	process_end(other);
	rig_close();
	close(heir[0]);
	close(heir[1]);
	actor_end(&actor);
}

/* Both want to undo; and what the new owner does then is his. */
T_CASE(a_new_owner_at_once)
{
	struct actor actor = actor_start();
	struct tacho_cpus before = cpus_of(actor.pid);
	struct placing placing = { actor.pid, cpu_nr(actor.pid, 0) };

	rig_open();
	for (int round = 0; round < 10; round++) {
		struct tacho_ledger *ledger;
		int guardian;

		process_end(owner_start(place, &placing, world, true, &guardian));
		ledger = ledger_of(world);
		T_NEED(ledger);
		T_OK(undone <= 1 && cpus_are(actor.pid, &before));
		T_EQ(tacho_ledger_cpus(ledger, actor.pid, &placing.cpus, NULL), 0);
		T_OK(ends(guardian));
		T_OK(cpus_are(actor.pid, &placing.cpus));
		T_OK(access(rig_file, F_OK) == 0);
		tacho_ledger_close(ledger);
		T_OK(cpus_are(actor.pid, &before));
	}
	rig_close();
	actor_end(&actor);
}

/* Stopped, it cannot do it; the next one does, and it does nothing when it goes on. */
T_CASE(a_slow_one_leaves_the_new_owner_alone)
{
	struct actor actor = actor_start();
	struct tacho_cpus before = cpus_of(actor.pid);
	struct placing placing = { actor.pid, cpu_nr(actor.pid, 0) };
	struct tacho_ledger *ledger;
	int guardian, dead;

	rig_open();
	dead = owner_start(place, &placing, world, true, &guardian);
	T_NEED(is_ready(guardian));
	kill(guardian, SIGSTOP);
	process_end(dead);
	ledger = ledger_of(world);
	T_NEED(ledger);
	T_EQ(undone, 1);
	T_EQ(tacho_ledger_cpus(ledger, actor.pid, &placing.cpus, NULL), 0);
	kill(guardian, SIGCONT);
	T_OK(ends(guardian));
	T_OK(cpus_are(actor.pid, &placing.cpus));
	tacho_ledger_close(ledger);
	T_OK(cpus_are(actor.pid, &before));
	rig_close();
	actor_end(&actor);
}

/* Places, moves, releases and renices some threads without end. */
enum { STORM = 6 };

static struct storm {
	int tids[STORM];
	struct tacho_cpus cpus[2];
	uint64_t seed;
	int ready[2];
} storm;

static void storm_run(struct tacho_ledger *ledger, void *arg)
{
	size_t found;

	(void)arg;
	T_EQ(write(storm.ready[1], "", 1), 1);
	for (;;) {
		const uint64_t what = t_random(&storm.seed);
		const int tid = storm.tids[what % STORM];

		switch (what >> 8 & 7) {
		case 0:
			(void)tacho_ledger_release(ledger, tid);
			break;
		case 1:
			(void)tacho_ledger_nice(ledger, tid, (int)(what >> 16 & 3) + 5);
			break;
		case 2:
			(void)tacho_ledger_tend(ledger, &found);
			break;
		default:
			(void)tacho_ledger_cpus(ledger, tid, &storm.cpus[what >> 16 & 1], NULL);
		}
	}
}

/* No guardian: the next one finds whatever there was at that moment. */
T_CASE(killed_in_the_middle_of_it)
{
	struct actor actor = actor_start();
	struct tacho_cpus before = cpus_of(actor.pid);
	const int nice = getpriority(PRIO_PROCESS, (id_t)actor.pid);
	int tids[STORM + 1];
	uint64_t seed = t_seed();

	rig_open();
	T_NEED(pipe(storm.ready) == 0);
	storm.cpus[0] = cpu_nr(actor.pid, 0);
	storm.cpus[1] = cpu_nr(actor.pid, 1);
	storm.tids[0] = actor.pid; /* whose children inherit */
	for (int i = 1; i < STORM; i++)
		storm.tids[i] = actor_do(&actor, 't');
	for (int round = 0; round < 40; round++) {
		const bool guard = round & 1;
		struct tacho_ledger *ledger;
		int pid, late;

		storm.seed = t_random(&seed);
		pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			ledger = ledger_of(world);
			if (!ledger || (guard && tacho_ledger_guard(ledger)))
				_exit(1);
			storm_run(ledger, NULL);
		}
		T_EQ(read(storm.ready[0], &(char){ 0 }, 1), 1);
		usleep((useconds_t)(t_random(&seed) % 5000));
		late = actor_do(&actor, 't');
		process_end(pid);
		if (!guard)
			(void)restore();
		memcpy(tids, storm.tids, sizeof(storm.tids));
		tids[STORM] = late;
		for (int i = 0; i <= STORM; i++) {
			T_OK(cpus_become(tids[i], &before));
			for (int k = 0; guard && k < BOUND_MS; k++) {
				if (getpriority(PRIO_PROCESS, (id_t)tids[i]) == nice)
					break;
				usleep(1000);
			}
			T_EQ(getpriority(PRIO_PROCESS, (id_t)tids[i]), nice);
		}
		if (guard)
			T_OK(waitpid(-1, NULL, 0) > 0);
	}
	unlink(rig_file);
	rig_close();
	close(storm.ready[0]);
	close(storm.ready[1]);
	actor_end(&actor);
}

T_MAIN
