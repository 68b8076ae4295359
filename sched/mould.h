/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mould.h: mould.log, which thread ran where when, read back to be replayed (mode bm of Clavis,
 * paper 003).
 *
 *	SECONDS start LABEL THREAD RUN TID
 *	SECONDS on LABEL THREAD CPU
 *	SECONDS end LABEL THREAD RUN TID
 *
 * Seconds are counted from the start of the scheduler, and may come in any order. LABEL is that of
 * the launch file; THREAD a number, or * for all threads of it. A line that begins with # means
 * nothing.
 *
 * A player feeds what it says to the scheduler while the programs run: tell it of every thread that
 * appears and that is gone, and call tacho_mould_play now and then. What is replayed is the life of
 * a thread: its time counts from its start, there and here, so that a program that is started
 * later, or again, is placed as it was. The second run of a program plays the second one of the
 * file, and so on; where the file has no more, its last one. Errors as in launch.h: FILE:LINE:
 * WHAT. Prints nothing.
 */
#ifndef TACHO_SCHED_MOULD_H
#define TACHO_SCHED_MOULD_H

#include <stddef.h>
#include <stdint.h>

#include <tacho/policy.h>

#define TACHO_MOULD_ALL UINT32_MAX /* thread: all of them */

struct tacho_mould_step {
	double at_s;
	uint32_t label; /* index */
	uint32_t thread; /* or TACHO_MOULD_ALL */
	uint32_t cpu;
	uint32_t line; /* of two at one time, the later line counts */
};

struct tacho_mould {
	char **labels;
	size_t nr_labels;
	uint32_t *order; /* labels by name: indices */
	struct tacho_mould_step *steps; /* by label, thread, time: one where the CPU changes */
	size_t nr_steps;
	struct tacho_mould_step *starts; /* by label, thread, time; cpu means nothing */
	size_t nr_starts;
	char *errors; /* one line each; NULL: none */
	size_t nr_errors;
};

/*
 * 0; -EINVAL: see errors, no steps; -ENOMEM; read: -errno of the file too, with a line in errors.
 * Always fini.
 */
int tacho_mould_parse(struct tacho_mould *mould, const char *name, const char *text, size_t size);
int tacho_mould_read(struct tacho_mould *mould, const char *file);
void tacho_mould_fini(struct tacho_mould *mould);

/*
 * Where that thread ran at that time: a CPU, or -1: nothing is known of it. Before its first line:
 * where that says. *until (may be NULL): seconds of the next change, < 0: none.
 */
int tacho_mould_cpu(const struct tacho_mould *mould, const char *label, uint32_t thread,
		    double at_s, double *until);

struct tacho_mould_player;

/*
 * bind: this thread shall be there from now on; give it to tacho_sched_launched. The mould stays
 * the caller's.
 */
int tacho_mould_player_open(struct tacho_mould_player **player, const struct tacho_mould *mould,
			    void (*bind)(void *arg, int tid, const struct tacho_cpus *cpus),
			    void *arg);
void tacho_mould_player_close(struct tacho_mould_player *player);
/*
 * A thread appeared at that second, of any clock that play has, too: is bound at once. 0, -ENOMEM.
 * pid: of its process.
 */
int tacho_mould_thread(struct tacho_mould_player *player, const char *label, int pid, int tid,
		       uint32_t thread, double at_s);
/* That process has ended. */
void tacho_mould_ended(struct tacho_mould_player *player, int pid);
/* Bind what changed until that second. Returns seconds of the next change, < 0: none. */
double tacho_mould_play(struct tacho_mould_player *player, double at_s);

#endif /* TACHO_SCHED_MOULD_H */
