/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * demo_load.c: the programs of the demonstration: a pair that plays ping-pong, clients of a server,
 * a hog.
 *
 * Owns the processes. They do what real ones do, over what real ones use: a byte through pipes and
 * back, a request through a UNIX socket and its answer, arithmetic. Each counts what it gets done,
 * and how long it took, in memory that it shares with us: one writer, so plain stores will do. They
 * know nothing of a scheduler and are not prepared for one. They end with us, whatever becomes of
 * us, and after a time by themselves.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <tacho/atomic.h>

#include "demo.h"
#include "facts/live.h"

#define CLIENTS	   3
#define MESSAGE	   64 /* bytes */
#define THINK_NS   300000 /* of a client between two requests */
#define HOG_ROUNDS 100000

const struct demo_load demo_loads[DEMO_NR_LOADS] = {
	[DEMO_PAIR] = { "pair", "ping and pong: a byte through a pipe and back", "round trips",
			true },
	[DEMO_STAR] = { "star", "3 clients of a server, over UNIX sockets", "requests", true },
	[DEMO_HOG] = { "hog", "computes all the time", "rounds", false },
};

/* What the programs are connected by. */
struct wires {
	int there[2], back[2]; /* pipes of the pair */
	int star[CLIENTS][2]; /* client's end, server's end */
};

/* --- the programs --------------------------------------------------------------------------- */

/* As facts.h says. */
static uint32_t bucket_of(uint64_t ns)
{
	uint32_t exponent, bucket;

	if (ns < 8)
		return (uint32_t)ns;
	exponent = 63 - (uint32_t)__builtin_clzll(ns);
	bucket = (exponent - 2) * 8 + ((uint32_t)(ns >> (exponent - 3)) & 7);
	return bucket < TACHO_FACTS_BUCKETS ? bucket : TACHO_FACTS_BUCKETS - 1;
}

static void count(struct demo_count *count, uint64_t ns)
{
	uint32_t *bucket = &count->latency[bucket_of(ns)];

	tacho_store_relaxed(bucket, *bucket + 1);
	tacho_store_relaxed(&count->done, count->done + 1);
}

static void ping(const struct wires *wires, struct demo_count *mine)
{
	uint64_t before = tacho_live_now(), now;
	char byte = 0;

	while (write(wires->there[1], &byte, 1) == 1 && read(wires->back[0], &byte, 1) == 1) {
		now = tacho_live_now();
		count(mine, now - before);
		before = now;
	}
}

static void pong(const struct wires *wires)
{
	char byte;

	while (read(wires->there[0], &byte, 1) == 1 && write(wires->back[1], &byte, 1) == 1)
		;
}

static void client(int fd, struct demo_count *mine)
{
	const struct timespec think = { 0, THINK_NS };
	char message[MESSAGE] = "a request";
	uint64_t before;

	for (;;) {
		before = tacho_live_now();
		if (send(fd, message, MESSAGE, 0) != MESSAGE || recv(fd, message, MESSAGE, 0) <= 0)
			return;
		count(mine, tacho_live_now() - before);
		nanosleep(&think, NULL);
	}
}

static void server(const struct wires *wires)
{
	struct pollfd fds[CLIENTS];
	char message[MESSAGE];
	int i;

	for (i = 0; i < CLIENTS; i++)
		fds[i] = (struct pollfd){ .fd = wires->star[i][1], .events = POLLIN };
	while (poll(fds, CLIENTS, -1) > 0)
		for (i = 0; i < CLIENTS; i++)
			if (fds[i].revents && (recv(fds[i].fd, message, MESSAGE, 0) <= 0 ||
					       send(fds[i].fd, message, MESSAGE, 0) <= 0))
				return;
}

static void hog(struct demo_count *mine)
{
	uint64_t x = 1;
	int i;

	for (;;) {
		for (i = 0; i < HOG_ROUNDS; i++) {
			x = x * 6364136223846793005u + 1442695040888963407u;
			tacho_fence_signal(); /* is really computed */
		}
		tacho_store_relaxed(&mine->done, mine->done + 1 + (x == 0));
	}
}

/* --- starting and ending -------------------------------------------------------------------- */

static int wires_make(struct wires *wires)
{
	int i;

	memset(wires, 0xff, sizeof(*wires));
	if (pipe2(wires->there, O_CLOEXEC) || pipe2(wires->back, O_CLOEXEC))
		return -errno;
	for (i = 0; i < CLIENTS; i++)
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wires->star[i]))
			return -errno;
	return 0;
}

static void wires_close(const struct wires *wires)
{
	const int *fd = (const int *)wires;
	size_t i;

	for (i = 0; i < sizeof(*wires) / sizeof(int); i++)
		if (fd[i] >= 0)
			close(fd[i]);
}

int demo_load_affinity(int pid, struct tacho_cpus *cpus)
{
	cpu_set_t set;
	uint32_t cpu;

	memset(cpus, 0, sizeof(*cpus));
	if (sched_getaffinity(pid, sizeof(set), &set))
		return -errno;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set))
			tacho_cpus_add(cpus, cpu);
	return 0;
}

/* True in the child. A child that could not be made has a negative pid. */
static bool task_start(struct demo_mix *mix, uint32_t load, const char *name, unsigned seconds)
{
	struct demo_task *task = &mix->tasks[mix->nr_tasks++];
	int parent = getpid();

	task->load = load;
	snprintf(task->name, sizeof(task->name), "%s", name);
	task->pid = fork();
	if (task->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		prctl(PR_SET_NAME, name);
		signal(SIGALRM, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		signal(SIGHUP, SIG_DFL);
		signal(SIGINT, SIG_IGN); /* a Ctrl-C is ours */
		alarm(seconds);
		return true;
	}
	demo_load_affinity(task->pid, &task->before);
	return false;
}

/* In a child that was just made. */
static struct demo_count *mine(const struct demo_mix *mix)
{
	return &mix->counts[mix->nr_tasks - 1];
}

static bool start_all(struct demo_mix *mix, const struct wires *wires, unsigned seconds)
{
	char name[16];
	int i;

	if (task_start(mix, DEMO_PAIR, "ping", seconds))
		ping(wires, mine(mix));
	else if (task_start(mix, DEMO_PAIR, "pong", seconds))
		pong(wires);
	else if (task_start(mix, DEMO_STAR, "server", seconds))
		server(wires);
	else if (task_start(mix, DEMO_HOG, "hog", seconds))
		hog(mine(mix));
	else
		for (i = 0; i < CLIENTS; i++) {
			snprintf(name, sizeof(name), "client-%d", i);
			if (task_start(mix, DEMO_STAR, name, seconds)) {
				client(wires->star[i][0], mine(mix));
				return true;
			}
		}
	return mix->tasks[mix->nr_tasks - 1].pid == 0;
}

int demo_load_start(struct demo_mix *mix, unsigned seconds)
{
	struct wires wires;
	uint32_t i;
	int error;

	memset(mix, 0, sizeof(*mix));
	mix->counts = mmap(NULL, DEMO_TASKS * sizeof(*mix->counts), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mix->counts == MAP_FAILED) {
		mix->counts = NULL;
		return -errno;
	}
	error = wires_make(&wires);
	fflush(stdout);
	if (!error && start_all(mix, &wires, seconds))
		_exit(0); /* a child that is done */
	wires_close(&wires);
	for (i = 0; i < mix->nr_tasks; i++)
		if (mix->tasks[i].pid < 0)
			error = -EAGAIN;
	return error;
}

void demo_load_stop(struct demo_mix *mix)
{
	uint32_t i;

	for (i = 0; i < mix->nr_tasks; i++)
		if (mix->tasks[i].pid > 0)
			kill(mix->tasks[i].pid, SIGKILL);
	for (i = 0; i < mix->nr_tasks; i++)
		if (mix->tasks[i].pid > 0)
			waitpid(mix->tasks[i].pid, NULL, 0);
	mix->nr_tasks = 0;
	if (mix->counts)
		munmap(mix->counts, DEMO_TASKS * sizeof(*mix->counts));
	mix->counts = NULL;
}

int demo_load_check(const struct demo_mix *mix)
{
	siginfo_t info;
	uint32_t i;

	for (i = 0; i < mix->nr_tasks; i++) {
		info.si_pid = 0;
		if (waitid(P_PID, (id_t)mix->tasks[i].pid, &info, WEXITED | WNOHANG | WNOWAIT) ||
		    info.si_pid)
			return -ECHILD;
	}
	return 0;
}

/* --- what they got done --------------------------------------------------------------------- */

void demo_load_pause(const struct demo_mix *mix, uint32_t load, bool pause)
{
	uint32_t i;

	for (i = 0; i < mix->nr_tasks; i++)
		if (mix->tasks[i].load == load)
			kill(mix->tasks[i].pid, pause ? SIGSTOP : SIGCONT);
}

void demo_load_read(const struct demo_mix *mix, uint32_t load, struct demo_count *sum)
{
	uint32_t i, b;

	memset(sum, 0, sizeof(*sum));
	for (i = 0; i < mix->nr_tasks; i++) {
		struct demo_count *of = &mix->counts[i];

		if (mix->tasks[i].load != load)
			continue;
		sum->done += tacho_load_relaxed(&of->done);
		for (b = 0; b < TACHO_FACTS_BUCKETS; b++)
			sum->latency[b] += tacho_load_relaxed(&of->latency[b]);
	}
}

uint64_t demo_load_done(const struct demo_mix *mix, uint32_t task)
{
	return tacho_load_relaxed(&mix->counts[task].done);
}

void demo_load_between(const struct demo_count *from, const struct demo_count *to,
		       struct demo_count *between)
{
	uint32_t b;

	between->done = to->done - from->done;
	for (b = 0; b < TACHO_FACTS_BUCKETS; b++)
		between->latency[b] = to->latency[b] - from->latency[b];
}
