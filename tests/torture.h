/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * torture.h: the side of t_torture.c that logs: workers, signal handlers above them, the storm of
 * signals and migrations that they live in, and the watchdog that ends a hang.
 *
 * Knows no session. Everything that is issued is counted by whoever issues it.
 */
#ifndef TACHO_TESTS_TORTURE_H
#define TACHO_TESTS_TORTURE_H

#include <pthread.h>
#include <sched.h>

#include <tacho/tacho.h>

#include "rig.h"
#include "t.h"

/* Principals 0 to 14, and one that stands for TACHO_NONE. */
enum { NR_WORKERS = 6, CLASSES = 16, NOBODY = 15 };
enum { EVERY_NS = 100000, HANG_SECONDS = 60 }; /* a signal; without an end, a hang */

TACHO_EVENT(hit, TACHO_ACCESS, "torture.hit", "code", "peer", "threads and handlers");
TACHO_EVENT(lent, TACHO_ACCESS, "torture.lent", "code", "peer", "caused by somebody else");
TACHO_EVENT(caught, TACHO_ACCESS, "torture.caught", "code", "peer", "handlers only");
TACHO_EVENT(tally, TACHO_ACCESS, "torture.tally", "code", "peer", "threads and handlers, added");
TACHO_EVENT(level, TACHO_SAMPLE, "torture.level", "code", "", "a sample");
TACHO_EVENT(crossed, TACHO_SPAN, "torture.crossed", "code", "peer", "a span over a value");
TACHO_EVENT(lasted, TACHO_SPAN, "torture.lasted", "", "peer", "a span of time");

enum event { HIT, LENT, CAUGHT, TALLY, LEVEL, CROSSED, LASTED, NR_EVENTS };
static const char *const event_names[NR_EVENTS] = {
	"torture.hit",	 "torture.lent",    "torture.caught", "torture.tally",
	"torture.level", "torture.crossed", "torture.lasted",
};

/* --- a row that proves itself ----------------------------------------------------------------- */

static uint32_t code_hash(uint32_t low)
{
	uint64_t state = low;

	return (uint32_t)t_random(&state);
}

/* event (4 bits), principal (4), correspondent (4) and a number in the low half, a hash above. */
static uint64_t code_make(uint32_t n, enum event event, uint32_t who, uint32_t peer)
{
	uint32_t low = n << 12 | (uint32_t)event << 8 | who << 4 | peer;

	return (uint64_t)code_hash(low) << 32 | low;
}

static bool code_is_good(uint64_t code)
{
	return (uint32_t)(code >> 32) == code_hash((uint32_t)code);
}

/* --- workers and handlers --------------------------------------------------------------------- */

/* Who counts: a thread, and the handlers of two signals above it. Each has its own numbers. */
enum context { IN_THREAD, IN_USR1, IN_ALRM, NR_CONTEXTS };

struct issuer {
	uint64_t state; /* of t_random */
	tacho_u64 nr[NR_EVENTS]; /* issued between two domains */
	tacho_u64 internal; /* issued inside one */
	tacho_u64 sum; /* of the codes of tally */
	uint32_t n;
};

struct worker {
	struct issuer issuer[NR_CONTEXTS];
	pthread_t thread;
	tacho_u32 tid; /* 0: not yet, or no more */
	uint32_t principal;
};

static struct worker workers[NR_WORKERS];
static __thread struct worker *self;
static tacho_u32 stop; /* everybody ends */
static tacho_u32 quiet; /* nobody logs */
static tacho_u32 parked; /* workers that have seen it */
static tacho_u32 handling; /* handlers that run */
static tacho_u64 signals, moves;

static void count(tacho_u64 *at, uint64_t n)
{
	tacho_store_relaxed(at, tacho_load_relaxed(at) + n); /* one writer each */
}

static void issued(struct issuer *is, enum event event, uint32_t who, uint32_t peer, uint64_t code)
{
	if (who == peer) {
		count(&is->internal, 1);
		return;
	}
	count(&is->nr[event], 1);
	if (event == TALLY)
		count(&is->sum, code);
}

static uint32_t peer_pick(struct issuer *is)
{
	return (uint32_t)(t_random(&is->state) % CLASSES);
}

static uint32_t principal_of(uint32_t peer)
{
	return peer == NOBODY ? TACHO_NONE : peer;
}

static void log_hit(struct issuer *is, uint32_t who)
{
	uint32_t peer = peer_pick(is);
	uint64_t code = code_make(is->n++, HIT, who, peer);

	TACHO_LOG(hit, code, principal_of(peer), who);
	issued(is, HIT, who, peer, code);
}

static void log_tally(struct issuer *is, uint32_t who)
{
	uint32_t peer = peer_pick(is);
	uint64_t code = code_make(is->n++, TALLY, who, peer);

	TACHO_LOG(tally, code, principal_of(peer), who);
	issued(is, TALLY, who, peer, code);
}

static void log_caught(struct issuer *is, uint32_t who)
{
	uint32_t peer = peer_pick(is);
	uint64_t code = code_make(is->n++, CAUGHT, who, peer);

	TACHO_LOG(caught, code, principal_of(peer), who);
	issued(is, CAUGHT, who, peer, code);
}

static void log_lent(struct issuer *is)
{
	uint32_t peer = peer_pick(is), who = (uint32_t)(t_random(&is->state) % NOBODY);
	uint64_t code = code_make(is->n++, LENT, who, peer);

	TACHO_LOG(lent, code, principal_of(peer), who);
	issued(is, LENT, who, peer, code);
}

/* By the principal of the thread. */
static void log_level(struct issuer *is, uint32_t who)
{
	uint64_t code = code_make(is->n++, LEVEL, who, NOBODY);

	TACHO_LOG(level, code);
	issued(is, LEVEL, who, NOBODY, code);
}

static void log_spans(struct issuer *is, uint32_t who)
{
	uint32_t peer = peer_pick(is);
	uint64_t value = t_random(&is->state), code = code_make(is->n++, CROSSED, who, peer);

	TACHO_ENTER(lasted);
	TACHO_ENTER_VALUE(crossed, value);
	log_hit(is, who);
	TACHO_EXIT_VALUE(crossed, value + code, principal_of(peer));
	issued(is, CROSSED, who, peer, code);
	TACHO_EXIT(lasted, principal_of(peer));
	issued(is, LASTED, who, peer, 0);
}

static void on_signal(int sig)
{
	enum context context = sig == SIGUSR1 ? IN_USR1 : IN_ALRM;
	int saved_errno = errno;

	/* sequentially consistent with quiet: either this is seen, or quiet is */
	tacho_add_seq(&handling, 1);
	if (self && !tacho_load_seq(&quiet)) {
		struct issuer *is = &self->issuer[context];
		uint32_t who = self->principal + NR_WORKERS;

		for (uint64_t i = t_random(&is->state) % 4; i > 0; i--)
			log_hit(is, who);
		log_tally(is, who);
		log_caught(is, who);
	}
	tacho_add_seq(&handling, -1u);
	errno = saved_errno;
}

static void worker_act(struct worker *w)
{
	struct issuer *is = &w->issuer[IN_THREAD];

	switch (t_random(&is->state) % 5) {
	case 0:
		log_hit(is, w->principal);
		break;
	case 1:
		log_tally(is, w->principal);
		break;
	case 2:
		log_lent(is);
		break;
	case 3:
		log_level(is, w->principal);
		break;
	default:
		log_spans(is, w->principal);
	}
}

static void worker_park(void)
{
	tacho_add_seq(&parked, 1);
	while (tacho_load_seq(&quiet) && !tacho_load_relaxed(&stop))
		usleep(200);
	tacho_add_seq(&parked, -1u);
}

static void *worker_run(void *arg)
{
	struct worker *w = arg;
	uint64_t *state = &w->issuer[IN_THREAD].state;

	self = w;
	tacho_principal_set(w->principal);
	tacho_store_release(&w->tid, (tacho_u32)gettid());
	while (!tacho_load_relaxed(&stop)) {
		if (tacho_load_seq(&quiet))
			worker_park();
		for (uint64_t i = t_random(state) % 128; i > 0; i--)
			worker_act(w);
		if (t_random(state) % 8 == 0)
			usleep(1);
		else
			sched_yield();
	}
	return NULL;
}

/* --- the storm of signals and migrations ------------------------------------------------------ */

static cpu_set_t cpus; /* that the process may use */

/* To one CPU, or now and then to any. */
static void move(pid_t tid, uint64_t *state)
{
	cpu_set_t one;
	int skip = (int)(t_random(state) % (unsigned int)CPU_COUNT(&cpus)), cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &cpus) && skip-- == 0)
			break;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(tid, sizeof(one), t_random(state) % 8 ? &one : &cpus) == 0)
		count(&moves, 1);
}

static void *storm_run(void *arg)
{
	const struct timespec nap = { 0, EVERY_NS };
	uint64_t *state = arg;

	while (!tacho_load_relaxed(&stop)) {
		struct worker *w = &workers[t_random(state) % NR_WORKERS];
		pid_t tid = (pid_t)tacho_load_acquire(&w->tid);

		if (tgkill(getpid(), tid, t_random(state) % 2 ? SIGUSR1 : SIGALRM) == 0)
			count(&signals, 1);
		if (t_random(state) % 4 == 0)
			move((pid_t)tacho_load_acquire(&workers[t_random(state) % NR_WORKERS].tid),
			     state);
		nanosleep(&nap, NULL);
	}
	return NULL;
}

/* --- what ends a hang ------------------------------------------------------------------------- */

static const char *stage = "start"; /* what the main thread does */
static pthread_t watchdog, storm;
static uint64_t seed, storm_state;

static void *watchdog_run(void *arg)
{
	uint64_t limit = t_now_ns() + ((uint64_t)(uintptr_t)arg + HANG_SECONDS) * 1000000000u;

	while (!tacho_load_relaxed(&stop)) {
		if (t_now_ns() > limit) {
			printf("     hang: %s (TORTURE_SEED=%llu), %u parked, %u in handlers\n",
			       tacho_load_relaxed(&stage), (unsigned long long)seed,
			       tacho_load_relaxed(&parked), tacho_load_relaxed(&handling));
			fflush(stdout);
			_exit(1);
		}
		usleep(20000);
	}
	return NULL;
}

static void at_stage(const char *what)
{
	tacho_store_relaxed(&stage, what);
}

/* Until nobody logs, or until all do; the watchdog bounds it. */
static void quieten(void)
{
	at_stage("waiting until all are quiet");
	tacho_store_seq(&quiet, 1u);
	while (tacho_load_seq(&parked) != NR_WORKERS || tacho_load_seq(&handling) != 0)
		usleep(200);
}

static void resume(void)
{
	at_stage("waiting until all are at work");
	tacho_store_seq(&quiet, 0u);
	while (tacho_load_seq(&parked) != 0)
		usleep(200);
}

static void everybody_start(uint64_t seconds)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	uint64_t state = seed;

	T_EQ(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	T_EQ(pthread_create(&watchdog, NULL, watchdog_run, (void *)(uintptr_t)seconds), 0);
	for (uint32_t i = 0; i < NR_WORKERS; i++) {
		workers[i].principal = i + 1;
		for (int c = 0; c < NR_CONTEXTS; c++)
			workers[i].issuer[c].state = t_random(&state);
		T_EQ(pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]), 0);
	}
	for (uint32_t i = 0; i < NR_WORKERS; i++)
		while (tacho_load_acquire(&workers[i].tid) == 0)
			usleep(200);
	storm_state = t_random(&state);
	T_EQ(pthread_create(&storm, NULL, storm_run, &storm_state), 0);
}

static void everybody_end(void)
{
	at_stage("waiting for the threads to end");
	tacho_store_relaxed(&stop, 1u);
	pthread_join(storm, NULL);
	for (int i = 0; i < NR_WORKERS; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_join(watchdog, NULL);
}

#endif
