// SPDX-License-Identifier: BSD-2-Clause
/*
 * parts.c: what the parts of our own loads do, forever.
 *
 * Each is the least that a program of its kind does: no library, no memory, a constant amount of work. So
 * what a placement costs is as large as it can be, and what is measured is that.
 */
#include "parts.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <tacho/atomic.h>

#include "bench.h"

#define SAMPLE_EVERY 16u /* operations; the others are not timed */
#define SERVER_WORK  2500u /* steps of work per request: some microseconds */
#define STAGE_WORK   500u /* per message of a stage */
#define HOG_WORK     20000u /* per unit of a hog */
#define MESSAGE	     64 /* bytes of a request, an answer, a message of the pipeline */

struct board *part_board;

long part_futex(uint32_t *word, int operation, uint32_t value)
{
	return syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
}

/* --- counting ----------------------------------------------------------------------------- */

static unsigned int bucket_of(uint64_t ns)
{
	unsigned int log, bucket;

	if (ns < HIST_FINE)
		return (unsigned int)ns;
	log = 63u - (unsigned int)__builtin_clzll(ns);
	bucket = (log - 3) * HIST_FINE + (unsigned int)(ns >> (log - 4)) % HIST_FINE;
	return bucket < HIST_BUCKETS ? bucket : HIST_BUCKETS - 1;
}

double part_bucket_ns(unsigned int bucket)
{
	unsigned int log = bucket / HIST_FINE + 3;

	if (bucket < HIST_FINE)
		return bucket;
	return (double)(HIST_FINE + bucket % HIST_FINE) * (double)(1ull << (log - 4)) +
	       (double)(1ull << (log - 4)) / 2;
}

static struct worker *worker_of(const struct part *part)
{
	return &part_board->workers[part->me];
}

static uint64_t operation_begin(const struct part *part)
{
	return worker_of(part)->counts.ops % SAMPLE_EVERY ? 0 : bench_monotonic_ns();
}

static void operation_end(const struct part *part, uint64_t begin_ns)
{
	struct counts *counts = &worker_of(part)->counts;

	if (begin_ns) {
		uint32_t *bucket = &counts->buckets[bucket_of(bench_monotonic_ns() - begin_ns)];

		tacho_store_relaxed(bucket, *bucket + 1);
	}
	tacho_store_relaxed(&counts->ops, counts->ops + 1);
}

/* The same number of dependent steps every time. */
static void work(unsigned int steps)
{
	uint64_t x = 88172645463325252ull;

	while (steps--) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		BENCH_KEEP(x);
	}
}

/* --- parts -------------------------------------------------------------------------------- */

void part_ping(struct part *part)
{
	char byte = 0;

	for (;;) {
		uint64_t begin = operation_begin(part);

		if (write(part->out, &byte, 1) != 1 || read(part->in, &byte, 1) != 1)
			return;
		operation_end(part, begin);
	}
}

void part_pong(struct part *part)
{
	char byte = 0;

	while (read(part->in, &byte, 1) == 1 && write(part->out, &byte, 1) == 1)
		;
}

/* Give the turn away, and wait for it to come back. */
static void turn_pass(uint32_t *turn, uint32_t mine)
{
	tacho_store_release(turn, !mine);
	part_futex(turn, FUTEX_WAKE_PRIVATE, 1);
	while (tacho_load_acquire(turn) != mine)
		part_futex(turn, FUTEX_WAIT_PRIVATE, !mine);
}

void part_futex_ping(struct part *part)
{
	for (;;) {
		uint64_t begin = operation_begin(part);

		turn_pass(&worker_of(part)->turn, 0);
		operation_end(part, begin);
	}
}

void part_futex_pong(struct part *part)
{
	uint32_t *turn = &part_board->workers[part->me - 1].turn;

	while (tacho_load_acquire(turn) != 1)
		part_futex(turn, FUTEX_WAIT_PRIVATE, 0);
	for (;;)
		turn_pass(turn, 1);
}

void part_client(struct part *part)
{
	char message[MESSAGE] = { 0 };

	for (;;) {
		uint64_t begin = operation_begin(part);

		if (send(part->out, message, sizeof(message), MSG_NOSIGNAL) != MESSAGE ||
		    recv(part->in, message, sizeof(message), 0) != MESSAGE)
			return;
		operation_end(part, begin);
	}
}

void part_server(struct part *part)
{
	struct epoll_event events[LOAD_PARTS];
	int poll_fd = epoll_create1(EPOLL_CLOEXEC);
	char message[MESSAGE];

	for (int i = 0; i < part->nr_fds; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.fd = part->fds[i] };

		epoll_ctl(poll_fd, EPOLL_CTL_ADD, part->fds[i], &event);
	}
	for (;;) {
		int nr = epoll_wait(poll_fd, events, LOAD_PARTS, -1);

		for (int i = 0; i < nr; i++) {
			if (recv(events[i].data.fd, message, sizeof(message), 0) != MESSAGE)
				return;
			work(SERVER_WORK);
			if (send(events[i].data.fd, message, sizeof(message), MSG_NOSIGNAL) !=
			    MESSAGE)
				return;
		}
	}
}

struct stage_message {
	uint64_t number;
	uint64_t sent_ns; /* 0: not timed */
	char rest[MESSAGE - 16];
};

void part_source(struct part *part)
{
	struct stage_message message = { 0 };

	for (;; message.number++) {
		work(STAGE_WORK);
		message.sent_ns = message.number % SAMPLE_EVERY ? 0 : bench_monotonic_ns();
		if (write(part->out, &message, sizeof(message)) != MESSAGE)
			return;
	}
}

void part_stage(struct part *part)
{
	struct stage_message message;

	while (read(part->in, &message, sizeof(message)) == MESSAGE) {
		work(STAGE_WORK);
		if (write(part->out, &message, sizeof(message)) != MESSAGE)
			return;
	}
}

void part_sink(struct part *part)
{
	struct stage_message message;

	while (read(part->in, &message, sizeof(message)) == MESSAGE) {
		work(STAGE_WORK);
		operation_end(part, message.sent_ns);
	}
}

void part_hog(struct part *part)
{
	struct counts *counts = &worker_of(part)->counts;

	for (;;) {
		work(HOG_WORK);
		tacho_store_relaxed(&counts->ops, counts->ops + 1);
	}
}

/* --- four that change partners ------------------------------------------------------------- */

enum { PING, PONG, TURN };

struct note {
	uint8_t kind, from;
};

/* Two patterns take turns: 0-1 and 2-3, then 0-2 and 1-3. Who has the smaller number asks. */
static int partner_of(int me, bool *asks)
{
	uint64_t age = bench_monotonic_ns() - part_board->epoch_ns;
	int partner = age / (CHANGE_MS * 1000000ull) % 2 ? me ^ 2 : me ^ 1;

	*asks = me < partner;
	return partner;
}

static int note_send(const struct part *part, int to, uint8_t kind)
{
	struct note note = { kind, (uint8_t)part->me };

	return write(part->fds[to], &note, sizeof(note)) == sizeof(note) ? 0 : -EPIPE;
}

/*
 * Whoever is asked answers, whatever it takes the time for; so it does not matter that the four do not
 * see the change at the same instant. Who asked until then tells its old partner, who cannot know.
 */
void part_changing(struct part *part)
{
	bool is_waiting = false, asks;
	int last = -1, error = 0;
	uint64_t begin = 0;
	struct note note;

	while (!error) {
		int partner = partner_of(part->me, &asks);

		if (!is_waiting) {
			if (last >= 0 && last != partner)
				error = note_send(part, last, TURN);
			last = asks ? partner : -1;
			if (asks) {
				begin = operation_begin(part);
				error = error ? error : note_send(part, partner, PING);
				is_waiting = true;
			}
		}
		if (error || read(part->in, &note, sizeof(note)) != sizeof(note))
			return;
		if (note.kind == PING) {
			error = note_send(part, note.from, PONG);
		} else if (note.kind == PONG) {
			operation_end(part, begin);
			is_waiting = false;
		}
	}
}
