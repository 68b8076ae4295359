// SPDX-License-Identifier: BSD-2-Clause
/*
 * loads.c: programs of our own that communicate, as loads.h wants them.
 *
 * A load is a list of parts: processes, or threads of the process before them, each with a name, a
 * loop, and what it is connected to. Parts count their operations in memory that they share with us, and
 * put the time of every 16th into a histogram there; we look at both twice and tell the difference. While
 * they run we sleep. They end by SIGKILL: none has anything to tidy up.
 */
#include "loads.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tacho/atomic.h>

#include "bench.h"
#include "parts.h"

#define PIPELINE_SIZE 4096 /* bytes between two stages */
#define START_MS      5000 /* for all parts to be there */

struct load_world load_world;

static struct {
	struct part parts[LOAD_PARTS];
	int nr;
	int fds[4 * LOAD_PARTS]; /* by which parts are connected; closed at the end */
	int nr_fds;
	struct counts before[LOAD_PARTS];
	uint64_t begin_ns;
} now;

/* --- interruption ------------------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

bool loads_interrupted(void)
{
	return interrupted;
}

void loads_catch_signals(void)
{
	const struct sigaction action = { .sa_handler = interrupt };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

void loads_sleep_ms(unsigned int ms)
{
	uint64_t until = bench_monotonic_ns() + ms * 1000000ull;
	uint64_t at;

	/* poll comes back at a signal; one that came just before costs no more than a tenth of a second */
	while (!interrupted && (at = bench_monotonic_ns()) < until) {
		uint64_t left = (until - at + 999999) / 1000000;

		poll(NULL, 0, left > 100 ? 100 : (int)left);
	}
}

/* --- which parts a load has ---------------------------------------------------------------- */

static struct part *part_add(const char *name, void (*run)(struct part *part))
{
	struct part *part = &now.parts[now.nr];

	*part = (struct part){ .name = name, .run = run, .me = now.nr++, .in = -1, .out = -1 };
	return part;
}

/* Two new descriptors. They stay open in all parts: nobody waits for an end of file. */
static int *fds_add(bool is_socket)
{
	int *fds = &now.fds[now.nr_fds];
	int rc = is_socket ? socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds)
			   : pipe2(fds, O_CLOEXEC);

	if (rc != 0)
		return NULL;
	now.nr_fds += 2;
	return fds;
}

static int pair_build(const struct load *load)
{
	for (int i = 0; i < load->nr; i++) {
		struct part *ping = part_add("ping", part_ping),
			    *pong = part_add("pong", part_pong);
		int *there = fds_add(false), *back = fds_add(false);

		if (!there || !back)
			return -errno;
		ping->out = there[1];
		pong->in = there[0];
		pong->out = back[1];
		ping->in = back[0];
		pong->role = 1;
		ping->group = pong->group = (uint8_t)i;
	}
	return 0;
}

static int pair_unix_build(const struct load *load)
{
	struct part *ping = part_add("ping", part_ping), *pong = part_add("pong", part_pong);
	int *fds = fds_add(true);

	(void)load;
	if (!fds)
		return -errno;
	ping->in = ping->out = fds[0];
	pong->in = pong->out = fds[1];
	pong->role = 1;
	return 0;
}

static int pair_futex_build(const struct load *load)
{
	(void)load;
	part_add("ping", part_futex_ping);
	part_add("pong", part_futex_pong)->is_thread = true;
	now.parts[1].role = 1;
	return 0;
}

static int star_build(const struct load *load)
{
	static int served[LOAD_PARTS];
	struct part *server = part_add("server", part_server);

	server->fds = served;
	for (int i = 0; i < load->nr; i++) {
		struct part *client = part_add("client", part_client);
		int *fds = fds_add(true);

		if (!fds)
			return -errno;
		client->in = client->out = fds[0];
		served[server->nr_fds++] = fds[1];
		client->role = 1;
	}
	return 0;
}

static int pipeline_build(const struct load *load)
{
	struct part *stages[3] = { part_add("source", part_source), part_add("stage", part_stage),
				   part_add("sink", part_sink) };

	(void)load;
	for (uint8_t i = 0; i < 3; i++)
		stages[i]->role = i;
	for (int i = 0; i < 2; i++) {
		int *fds = fds_add(false);

		if (!fds || fcntl(fds[0], F_SETPIPE_SZ, PIPELINE_SIZE) < 0)
			return -errno;
		stages[i]->out = fds[1];
		stages[i + 1]->in = fds[0];
	}
	return 0;
}

static int changing_build(const struct load *load)
{
	static int inboxes[4];

	(void)load;
	for (int i = 0; i < 4; i++) {
		struct part *part = part_add("partner", part_changing);
		int *fds = fds_add(false);

		if (!fds)
			return -errno;
		part->in = fds[0];
		part->fds = inboxes;
		inboxes[i] = fds[1];
	}
	return 0;
}

static int nothing_build(const struct load *load)
{
	(void)load;
	return 0;
}

/* --- start and stop ------------------------------------------------------------------------ */

static void part_enter(struct part *part)
{
	prctl(PR_SET_NAME, part->name);
	tacho_store_release(&part_board->workers[part->me].tid, (uint32_t)syscall(SYS_gettid));
	while (tacho_load_acquire(&part_board->gate) == 0)
		part_futex(&part_board->gate, FUTEX_WAIT, 0);
	part->run(part);
}

static void *thread_enter(void *arg)
{
	part_enter(arg);
	return NULL;
}

/* Of the parent's handlers only the flag would remain; who ends us is our parent, or its end. */
static void child_enter(struct part *part, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_IGN);
	if (getppid() != parent)
		_exit(1);
	for (int i = part->me + 1; i < now.nr && now.parts[i].is_thread; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, thread_enter, &now.parts[i]) != 0)
			_exit(1);
	}
	part_enter(part);
	_exit(1);
}

static void own_stop(const struct load *load)
{
	(void)load;
	for (int i = 0; i < now.nr; i++)
		if (now.parts[i].pid > 0)
			kill(now.parts[i].pid, SIGKILL);
	for (int i = 0; i < now.nr; i++)
		while (now.parts[i].pid > 0 && waitpid(now.parts[i].pid, NULL, 0) < 0 &&
		       errno == EINTR)
			;
	for (int i = 0; i < now.nr_fds; i++)
		close(now.fds[i]);
	now.nr = now.nr_fds = 0;
}

static int parts_wait(char *why, size_t why_size)
{
	for (int ms = 0; ms < START_MS && !interrupted; ms++) {
		int there = 0;

		for (int i = 0; i < now.nr; i++)
			there += tacho_load_acquire(&part_board->workers[i].tid) != 0;
		if (there == now.nr)
			return 0;
		poll(NULL, 0, 1);
	}
	snprintf(why, why_size, "not all processes of the load started");
	return interrupted ? -EINTR : -ETIMEDOUT;
}

static int parts_pin(const struct load_place *place, char *why, size_t why_size)
{
	cpu_set_t one;

	for (int i = 0; place && i < now.nr; i++) {
		if (place->cpu[i] < 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET((unsigned int)place->cpu[i], &one);
		if (sched_setaffinity((pid_t)part_board->workers[i].tid, sizeof(one), &one) == 0)
			continue;
		snprintf(why, why_size, "cannot pin to CPU %d: %s", place->cpu[i], strerror(errno));
		return -EPERM;
	}
	return 0;
}

struct own_kind {
	struct load_kind kind; /* first */
	int (*build)(const struct load *load);
};

static int parts_build(const struct load *load)
{
	const struct own_kind *kind = (const struct own_kind *)load->kind;
	int error = kind->build(load);

	for (int i = 0; i < load->hogs; i++) {
		struct part *hog = part_add("hog", part_hog);

		hog->is_hog = true;
		hog->role = hog->group = 99;
	}
	return error;
}

static int board_map(void)
{
	if (!part_board)
		part_board = mmap(NULL, sizeof(*part_board), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (part_board == MAP_FAILED) {
		part_board = NULL;
		return -ENOMEM;
	}
	memset(part_board, 0, sizeof(*part_board));
	return 0;
}

static int own_start_closed(const struct load *load, const struct load_place *place, char *why,
			    size_t why_size)
{
	pid_t self = getpid();
	int error = board_map();

	if (!error)
		error = parts_build(load);
	for (int i = 0; i < now.nr && !error; i++) {
		if (now.parts[i].is_thread)
			continue;
		now.parts[i].pid = fork();
		if (now.parts[i].pid == 0)
			child_enter(&now.parts[i], self);
		if (now.parts[i].pid < 0)
			error = -errno;
	}
	if (error)
		snprintf(why, why_size, "cannot start the load: %s", strerror(-error));
	if (!error)
		error = parts_wait(why, why_size);
	if (!error)
		error = parts_pin(place, why, why_size);
	if (error)
		own_stop(load);
	return error;
}

static void gate_open(void)
{
	part_board->epoch_ns = bench_monotonic_ns();
	tacho_store_release(&part_board->gate, 1);
	part_futex(&part_board->gate, FUTEX_WAKE, LOAD_PARTS);
}

static int own_start(const struct load *load, const struct load_place *place, char *why,
		     size_t why_size)
{
	int error = own_start_closed(load, place, why, why_size);

	if (!error)
		gate_open();
	return error;
}

void loads_wake(void)
{
	gate_open();
}

pid_t loads_pid(int part)
{
	return (pid_t)part_board->workers[part].tid;
}

/* --- measuring ------------------------------------------------------------------------------ */

static int own_begin(const struct load *load, char *why, size_t why_size)
{
	(void)load;
	(void)why;
	(void)why_size;
	now.begin_ns = bench_monotonic_ns();
	for (int i = 0; i < now.nr; i++)
		now.before[i] = part_board->workers[i].counts;
	return 0;
}

static double p99_of(const uint64_t *buckets, uint64_t nr)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < HIST_BUCKETS; i++) {
		sum += buckets[i];
		if (nr && sum * 100 >= nr * 99)
			return part_bucket_ns(i) / 1000;
	}
	return 0;
}

/* Parts that have died did not do their work: the sample would be of something else. */
static int parts_check(char *why, size_t why_size)
{
	for (int i = 0; i < now.nr; i++) {
		if (now.parts[i].is_thread || waitpid(now.parts[i].pid, NULL, WNOHANG) == 0)
			continue;
		now.parts[i].pid = 0;
		snprintf(why, why_size, "process %d (%s) of the load ended by itself", i,
			 now.parts[i].name);
		return -EPIPE;
	}
	return 0;
}

static int own_end(const struct load *load, struct load_sample *sample, char *why, size_t why_size)
{
	double seconds = (double)(bench_monotonic_ns() - now.begin_ns) / 1e9;
	static uint64_t buckets[HIST_BUCKETS];
	uint64_t ops = 0, hogs = 0, timed = 0;

	memset(buckets, 0, sizeof(buckets));
	for (int i = 0; i < now.nr; i++) {
		const struct counts *counts = &part_board->workers[i].counts;
		uint64_t done = tacho_load_relaxed(&counts->ops) - now.before[i].ops;

		if (now.parts[i].is_hog) {
			hogs += done;
			continue;
		}
		ops += done;
		for (unsigned int j = 0; j < HIST_BUCKETS; j++) {
			uint32_t more =
				tacho_load_relaxed(&counts->buckets[j]) - now.before[i].buckets[j];

			buckets[j] += more;
			timed += more;
		}
	}
	sample->ops = (double)ops / seconds;
	sample->hogs = (double)hogs / seconds;
	sample->p99_us = p99_of(buckets, timed);
	if (load->hogs == now.nr) { /* hogs are the load */
		sample->ops = sample->hogs;
		sample->hogs = 0;
	}
	return parts_check(why, why_size);
}

/* --- where it may be placed ---------------------------------------------------------------- */

static struct load_place *place_add(struct load_place *places, int *nr, int max)
{
	struct load_place *place = *nr < max ? &places[(*nr)++] : NULL;

	if (place)
		place->nr = now.nr;
	return place;
}

/*
 * The next way to part n parts among CPUs, as a string in which no number is first seen before all
 * smaller ones (so that which CPU is which does not count). false: there is none.
 */
static bool partition_next(int *slots, int n, int cpus)
{
	for (int i = n - 1; i > 0; i--) {
		int highest = 0;

		for (int j = 0; j < i; j++)
			highest = slots[j] > highest ? slots[j] : highest;
		if (slots[i] > highest || slots[i] + 1 >= cpus) {
			slots[i] = 0;
			continue;
		}
		slots[i]++;
		return true;
	}
	return false;
}

/* Neighbours of the same role and group are exchangeable: only the ascending one of their orders. */
static bool partition_is_first(const int *slots)
{
	for (int i = 1; i < now.nr; i++)
		if (now.parts[i].role == now.parts[i - 1].role &&
		    now.parts[i].group == now.parts[i - 1].group && slots[i] < slots[i - 1])
			return false;
	return true;
}

static void places_all(struct load_place *places, int *nr, int max)
{
	int slots[LOAD_PARTS] = { 0 };

	do {
		struct load_place *place;

		if (!partition_is_first(slots))
			continue;
		place = place_add(places, nr, max);
		for (int i = 0, at = 0; place && i < now.nr; i++) {
			place->cpu[i] = load_world.cpus[slots[i]];
			at += snprintf(place->name + at, sizeof(place->name) - (size_t)at, "%s%d",
				       i ? " " : "", place->cpu[i]);
		}
	} while (partition_next(slots, now.nr, load_world.nr_cpus));
}

/* Too many for all: groups on CPUs of their own, hogs elsewhere or anywhere, members by role. */
static void places_by_role(struct load_place *places, int *nr, int max)
{
	bool has_hogs = now.parts[now.nr - 1].is_hog;
	static const char *const names[] = { "all together",  "hogs elsewhere",
					     "hogs anywhere", "groups together",
					     "by role",	      "half of them with the first" };
	int cpus = load_world.nr_cpus;

	for (int way = 0; way < 6; way++) {
		struct load_place *place;

		if ((way == 1 || way == 2) && !has_hogs)
			continue; /* as way 0 */
		place = place_add(places, nr, max);
		if (!place)
			return;
		snprintf(place->name, sizeof(place->name), "%s", names[way]);
		for (int i = 0; i < now.nr; i++) {
			const struct part *part = &now.parts[i];
			int hog = way == 0 ? 0 : way == 1 ? 1 + i % (cpus - 1) : -1;
			int slot = way == 3   ? part->group % cpus
				   : way == 4 ? part->role % cpus
				   : way == 5 ? i * 2 > now.nr
					      : 0;

			slot = part->is_hog ? hog : slot;
			place->cpu[i] = slot < 0 ? -1 : load_world.cpus[slot];
		}
	}
}

static int own_places(const struct load *load, struct load_place *places, int max)
{
	int nr = 0;

	if (load->is_changing || load_world.nr_cpus < 2 || parts_build(load) != 0)
		goto out;
	if (load->hogs == now.nr)
		goto out;
	if (now.nr <= 5 && load_world.nr_cpus <= 2)
		places_all(places, &nr, max);
	else
		places_by_role(places, &nr, max);
out:
	own_stop(load);
	return nr;
}

/* --- the table ------------------------------------------------------------------------------ */

static int sleepers_start(const struct load *load, const struct load_place *place, char *why,
			  size_t why_size)
{
	return own_start_closed(load, place, why, why_size);
}

#define OWN(builder)                                                                               \
	{                                                                                          \
		{ own_start, own_begin, own_end, own_stop, own_places }, builder                   \
	}

static const struct own_kind pair = OWN(pair_build), pair_unix = OWN(pair_unix_build),
			     pair_futex = OWN(pair_futex_build), star = OWN(star_build),
			     pipeline = OWN(pipeline_build), changing = OWN(changing_build),
			     nothing = OWN(nothing_build);
static const struct own_kind sleepers = { { sleepers_start, own_begin, own_end, own_stop,
					    own_places },
					  pair_build };

const struct load loads_sleepers = { .name = "reaction", .nr = 1, .kind = &sleepers.kind };

const struct load loads_own[] = {
	{ .name = "pair-1", .nr = 1, .kind = &pair.kind },
	{ .name = "pair-2", .nr = 2, .kind = &pair.kind },
	{ .name = "pair-4", .nr = 4, .kind = &pair.kind },
	{ .name = "pair-futex", .nr = 1, .kind = &pair_futex.kind },
	{ .name = "pair-unix", .nr = 1, .kind = &pair_unix.kind },
	{ .name = "star-2", .nr = 2, .kind = &star.kind },
	{ .name = "star-4", .nr = 4, .kind = &star.kind },
	{ .name = "star-8", .nr = 8, .kind = &star.kind },
	{ .name = "pipeline-3", .nr = 3, .kind = &pipeline.kind },
	{ .name = "pair-1+hogs", .nr = 1, .hogs = 2, .kind = &pair.kind },
	{ .name = "star-4+hogs", .nr = 4, .hogs = 2, .kind = &star.kind },
	{ .name = "pipeline-3+hogs", .nr = 3, .hogs = 2, .kind = &pipeline.kind },
	{ .name = "changing", .is_changing = true, .kind = &changing.kind },
	{ .name = "hogs", .hogs = 4, .kind = &nothing.kind },
};
const size_t loads_own_nr = sizeof(loads_own) / sizeof(loads_own[0]);
