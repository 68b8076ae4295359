/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channel.h: pairs of threads or processes that send a message to and fro.
 *
 * Both ends of a pair are pinned to the same CPU, so that each message is a wake-up and a switch. Every
 * pair has a CPU of its own; all pairs run at the same time. The ends exist from channel_open to
 * channel_close and sleep in between; they end when this process does, however it ends.
 */
#ifndef TACHO_BENCH_CHANNEL_H
#define TACHO_BENCH_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#define CHANNEL_MAX_SIZE  4096u
#define CHANNEL_MAX_PAIRS 64

/*
 * pipe: two pipes, a message of 1 byte or more (a pipe carries no empty one). futex: two calls each
 * way, the message is copied through shared memory. unix: a socket pair that keeps messages apart.
 */
enum channel_kind { CHANNEL_PIPE, CHANNEL_FUTEX, CHANNEL_UNIX, CHANNEL_NR_KINDS };
extern const char *const channel_kind_name[CHANNEL_NR_KINDS];

struct channel_options {
	enum channel_kind kind;
	bool is_process; /* else threads of this process */
	uint32_t size; /* of a message, bytes */
	int nr_pairs;
	const int *cpus; /* of each pair */
};

/* What one run found, all pairs together. */
struct channel_sample {
	double ticks; /* per round trip, mean of the pairs; see channel_run */
	double best; /* the same, the second fastest stretch */
	uint64_t round_trips;
	uint64_t switches; /* of the ends away from a CPU, as the kernel counts them */
	uint64_t blocks; /* those because there was no message: each one ends by a wake-up */
};

struct channel;

/* 0 or -errno. */
int channel_open(struct channel **channel, const struct channel_options *options);
/*
 * nr round trips of every pair. They are cut into short stretches, and their value is the median of
 * these: a stretch in which somebody else had the CPU does not spoil it. 0, or -errno if an end is gone
 * or silent.
 */
int channel_run(struct channel *channel, uint64_t nr, struct channel_sample *sample);
void channel_close(struct channel *channel);

#endif /* TACHO_BENCH_CHANNEL_H */
