/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * parts.h: the processes and threads of our own loads: what they do, and what they share with us.
 *
 * loads.c makes and connects them; everything here runs in them. A part counts its operations in the
 * board, and puts the time of every 16th into a histogram there.
 */
#ifndef TACHO_BENCH_PARTS_H
#define TACHO_BENCH_PARTS_H

#include "loads.h"

#define HIST_FINE    16u /* buckets per power of two: 6 % wide */
#define HIST_BUCKETS (36u * HIST_FINE) /* up to a minute */

struct counts {
	uint64_t ops;
	uint32_t buckets[HIST_BUCKETS];
};

struct worker {
	_Alignas(64) uint32_t tid; /* 0: not there yet */
	uint32_t turn; /* futex: whose turn it is; of a pair, that of its first part counts */
	_Alignas(64) struct counts counts; /* written by the part alone */
};

struct board {
	uint32_t gate; /* futex: 0 wait, 1 go */
	uint64_t epoch_ns; /* when it opened */
	struct worker workers[LOAD_PARTS];
};

struct part {
	const char *name;
	void (*run)(struct part *part);
	int me; /* index */
	int in, out;
	int *fds;
	int nr_fds;
	bool is_thread; /* of the part before it */
	bool is_hog;
	uint8_t role; /* of neighbours with the same one, it does not matter which is which */
	uint8_t group; /* parts that talk to each other */
	pid_t pid;
};

extern struct board *part_board; /* mapped before the first part is made */

long part_futex(uint32_t *word, int operation, uint32_t value);
/* The middle of a bucket. */
double part_bucket_ns(unsigned int bucket);

/* The loops. They come back only when a connection fails. */
void part_ping(struct part *part);
void part_pong(struct part *part);
void part_futex_ping(struct part *part);
void part_futex_pong(struct part *part);
void part_client(struct part *part);
void part_server(struct part *part);
void part_source(struct part *part);
void part_stage(struct part *part);
void part_sink(struct part *part);
void part_hog(struct part *part);
void part_changing(struct part *part);

#endif /* TACHO_BENCH_PARTS_H */
