/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loads.h: work for a scheduler to place: programs of our own that communicate (loads.c), real servers
 * and their clients (loads_real.c), and real programs that end by themselves (loads_batch.c).
 *
 * One load at a time. It is started anew for every repetition, so that the kernel places it anew; servers
 * of real programs (a service) stay up over the repetitions of a case. Everything that a load starts
 * ends with stop and close, or when this process dies; files are in one temporary directory.
 *
 * Called by contest.c and best.c. Nothing here knows how it is scheduled.
 */
#ifndef TACHO_BENCH_LOADS_H
#define TACHO_BENCH_LOADS_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LOAD_PARTS  12 /* that can be placed, of one load */
#define LOAD_PLACES 20 /* static placements that are tried */
#define LOAD_CPUS   64

/* A static placement. */
struct load_place {
	char name[48]; /* for a person */
	int nr; /* parts */
	int cpu[LOAD_PARTS]; /* of each; -1: anywhere */
};

/* What a load did between begin and end. */
struct load_sample {
	double ops; /* operations per second */
	double p99_us; /* of single operations; 0: not known */
	double hogs; /* units of work per second of the hogs; 0: there are none */
};

/* The machine, as far as loads may use it. */
struct load_world {
	cpu_set_t allowed;
	int cpus[LOAD_CPUS];
	int nr_cpus;
};
extern struct load_world load_world;

struct load {
	const char *name;
	const struct load_service *service; /* NULL: needs none */
	int nr, hogs; /* parameters: pairs, clients; busy loops beside it */
	bool is_whole; /* runs from its start to its own end: begin does nothing, end waits for that */
	bool is_once; /* the client is gone after end: another measurement needs another start */
	bool is_changing; /* needs a measurement of CHANGE_MS to see all that it does */
	const struct load_kind *kind;
};

/*
 * All return 0 or -errno, with why in one line if they do not. place: NULL is anywhere. places: all that
 * are worth trying, without "anywhere"; how many; NULL where no static placement exists.
 */
struct load_kind {
	int (*start)(const struct load *load, const struct load_place *place, char *why,
		     size_t why_size);
	int (*begin)(const struct load *load, char *why, size_t why_size);
	int (*end)(const struct load *load, struct load_sample *sample, char *why, size_t why_size);
	void (*stop)(const struct load *load);
	int (*places)(const struct load *load, struct load_place *places, int max);
};

/* Programs that stay up. -ENOENT: something is not installed. */
struct load_service {
	const char *name;
	int nr; /* a parameter of open */
	int (*open)(const struct load_service *service, char *why, size_t why_size);
	void (*close)(const struct load_service *service);
	pid_t (*pid)(void); /* its first process */
};

#define CHANGE_MS 1000 /* how long partners are partners in a load that is_changing */

extern const struct load loads_own[];
extern const size_t loads_own_nr;
extern const struct load loads_real[];
extern const size_t loads_real_nr;
extern const struct load loads_batch[]; /* real ones that end by themselves */
extern const size_t loads_batch_nr;

/* Two processes of our own that sleep until loads_wake: for measuring the reaction. */
extern const struct load loads_sleepers;
void loads_wake(void);
pid_t loads_pid(int part);

/* Was SIGINT or SIGTERM seen? Then everybody comes back early, and what was started is ended. */
bool loads_interrupted(void);
void loads_catch_signals(void);
void loads_sleep_ms(unsigned int ms);

#endif /* TACHO_BENCH_LOADS_H */
