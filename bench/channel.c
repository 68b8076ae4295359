// SPDX-License-Identifier: BSD-2-Clause
/*
 * channel.c: what channel.h promises.
 *
 * The end that asks (ping) does all the work of measuring: it waits for an order in the memory that the
 * ends share with us, sends and receives, and writes the time of each stretch there. The end that answers
 * (pong) knows nothing but its loop. Nobody but the two of them runs meanwhile: we sleep.
 */
#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
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
#include <time.h>
#include <unistd.h>

#include <tacho/atomic.h>

#include "bench.h"

#define STRETCHES 16u
#define GIVE_UP_S 60

enum { PING, PONG, ENDS };

const char *const channel_kind_name[CHANNEL_NR_KINDS] = { "pipe", "futex", "unix" };

/* What the ends and we share. */
struct order {
	_Alignas(64) uint32_t ball; /* futex: whose turn it is */
	_Alignas(64) unsigned char message[CHANNEL_MAX_SIZE]; /* futex */
	_Alignas(64) uint32_t go; /* orders so far */
	uint32_t done; /* orders that were carried out, or failed */
	uint32_t is_last; /* this one ends the pair */
	uint32_t has_failed;
	uint32_t tid[ENDS];
	uint64_t nr; /* round trips per stretch */
	uint64_t ticks[STRETCHES];
};

struct end {
	struct pair *pair;
	uint32_t which;
	int in, out;
	pthread_t thread;
	pid_t pid;
	bool is_running;
};

struct pair {
	struct channel *channel;
	struct order *order;
	struct end ends[ENDS];
	int cpu;
};

struct channel {
	struct channel_options options;
	struct pair pairs[CHANNEL_MAX_PAIRS];
};

/* --- a message ---------------------------------------------------------------------------- */

static long futex(uint32_t *word, int operation, uint32_t value, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, operation, value, timeout, NULL, 0);
}

/* Let the other end have the ball. */
static int ball_send(struct end *end, unsigned char *message, uint32_t size)
{
	struct order *order = end->pair->order;

	memcpy(order->message, message, size);
	tacho_store_release(&order->ball, !end->which);
	return futex(&order->ball, FUTEX_WAKE, 1, NULL) < 0 ? -errno : 0;
}

static int ball_receive(struct end *end, unsigned char *message, uint32_t size)
{
	struct order *order = end->pair->order;

	while (tacho_load_acquire(&order->ball) != end->which)
		if (futex(&order->ball, FUTEX_WAIT, !end->which, NULL) < 0 && errno != EAGAIN &&
		    errno != EINTR)
			return -errno;
	memcpy(message, order->message, size);
	return 0;
}

static int byte_send(struct end *end, unsigned char *message, uint32_t size)
{
	ssize_t len = write(end->out, message, size);

	return len == (ssize_t)size ? 0 : -EPIPE;
}

static int byte_receive(struct end *end, unsigned char *message, uint32_t size)
{
	ssize_t len = read(end->in, message, size);

	return len == (ssize_t)size ? 0 : -EPIPE;
}

/* An empty message is one too; read and write do not see it. */
static int packet_send(struct end *end, unsigned char *message, uint32_t size)
{
	ssize_t len = send(end->out, message, size, MSG_NOSIGNAL);

	return len == (ssize_t)size ? 0 : -EPIPE;
}

static int packet_receive(struct end *end, unsigned char *message, uint32_t size)
{
	ssize_t len = recv(end->in, message, size, 0);

	return len == (ssize_t)size ? 0 : -EPIPE;
}

static const struct way {
	int (*send)(struct end *end, unsigned char *message, uint32_t size);
	int (*receive)(struct end *end, unsigned char *message, uint32_t size);
} ways[CHANNEL_NR_KINDS] = {
	[CHANNEL_PIPE] = { byte_send, byte_receive },
	[CHANNEL_FUTEX] = { ball_send, ball_receive },
	[CHANNEL_UNIX] = { packet_send, packet_receive },
};

/* --- the ends ----------------------------------------------------------------------------- */

static void pong(struct end *end)
{
	const struct channel_options *options = &end->pair->channel->options;
	const struct way *way = &ways[options->kind];
	struct order *order = end->pair->order;
	unsigned char message[CHANNEL_MAX_SIZE] = { 0 };

	while (way->receive(end, message, options->size) == 0 &&
	       !tacho_load_relaxed(&order->is_last) && way->send(end, message, options->size) == 0)
		;
}

/* One order: all stretches. */
static int ping_all(struct end *end, const struct way *way, uint32_t size)
{
	unsigned char message[CHANNEL_MAX_SIZE] = { 0 };
	struct order *order = end->pair->order;

	for (uint32_t i = 0; i < STRETCHES; i++) {
		uint64_t start = bench_ticks();

		for (uint64_t left = order->nr; left > 0; left--) {
			int error = way->send(end, message, size);

			if (!error)
				error = way->receive(end, message, size);
			if (error)
				return error;
		}
		order->ticks[i] = bench_ticks() - start;
	}
	return 0;
}

static void ping(struct end *end)
{
	const struct channel_options *options = &end->pair->channel->options;
	const struct way *way = &ways[options->kind];
	struct order *order = end->pair->order;
	uint32_t seen = 0;
	bool is_last = false;

	while (!is_last) {
		while (tacho_load_acquire(&order->go) == seen)
			futex(&order->go, FUTEX_WAIT, seen, NULL);
		seen++;
		is_last = tacho_load_relaxed(&order->is_last);
		if (is_last) {
			unsigned char message[CHANNEL_MAX_SIZE] = { 0 };

			way->send(end, message, options->size); /* so that pong looks up */
		} else if (ping_all(end, way, options->size) != 0) {
			order->has_failed = 1;
		}
		tacho_store_release(&order->done, seen);
		futex(&order->done, FUTEX_WAKE, 1, NULL);
	}
}

static void *end_main(void *arg)
{
	struct end *end = arg;
	struct order *order = end->pair->order;

	if (bench_pin(end->pair->cpu) != 0)
		order->has_failed = 1;
	tacho_store_release(&order->tid[end->which], (uint32_t)syscall(SYS_gettid));
	if (end->which == PING)
		ping(end);
	else
		pong(end);
	return NULL;
}

static int end_start(struct end *end)
{
	end->is_running = true;
	if (!end->pair->channel->options.is_process) {
		int error = pthread_create(&end->thread, NULL, end_main, end);

		end->is_running = error == 0;
		return -error;
	}
	end->pid = fork();
	if (end->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		end_main(end);
		_exit(0);
	}
	end->is_running = end->pid > 0;
	return end->pid < 0 ? -errno : 0;
}

/* --- a pair ------------------------------------------------------------------------------- */

static int pair_connect(struct pair *pair)
{
	int fds[ENDS][2];

	for (int i = 0; i < ENDS; i++)
		pair->ends[i] =
			(struct end){ .pair = pair, .which = (uint32_t)i, .in = -1, .out = -1 };
	switch (pair->channel->options.kind) {
	case CHANNEL_PIPE:
		for (int i = 0; i < ENDS; i++) {
			if (pipe2(fds[i], O_CLOEXEC) != 0)
				return -errno;
			pair->ends[i].out = fds[i][1];
			pair->ends[!i].in = fds[i][0];
		}
		return 0;
	case CHANNEL_UNIX:
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds[0]) != 0)
			return -errno;
		for (int i = 0; i < ENDS; i++)
			pair->ends[i].in = pair->ends[i].out = fds[0][i];
		return 0;
	default:
		pair->order->ball = PING;
		return 0;
	}
}

static int pair_open(struct pair *pair)
{
	void *memory = mmap(NULL, sizeof(struct order), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int error;

	if (memory == MAP_FAILED)
		return -errno;
	pair->order = memory;
	error = pair_connect(pair);
	for (int i = 0; i < ENDS && !error; i++)
		error = end_start(&pair->ends[i]);
	for (int i = 0; i < ENDS && !error; i++)
		while (!tacho_load_acquire(&pair->order->tid[i]))
			usleep(1000);
	return error ? error : pair->order->has_failed ? -EPERM : 0;
}

static void pair_order(struct pair *pair, uint64_t nr)
{
	pair->order->nr = nr;
	tacho_add_release(&pair->order->go, 1);
	futex(&pair->order->go, FUTEX_WAKE, 1, NULL);
}

static int pair_wait(struct pair *pair)
{
	struct timespec second = { 1, 0 };
	struct order *order = pair->order;
	uint32_t done;

	for (int i = 0; i < GIVE_UP_S; i++) {
		while ((done = tacho_load_acquire(&order->done)) != order->go)
			if (futex(&order->done, FUTEX_WAIT, done, &second) < 0 &&
			    errno == ETIMEDOUT)
				break;
		if (done == order->go)
			return order->has_failed ? -EPIPE : 0;
	}
	return -ETIMEDOUT;
}

static void pair_close(struct pair *pair)
{
	struct order *order = pair->order;

	if (!order)
		return;
	if (!pair->channel->options.is_process) {
		tacho_store_relaxed(&order->is_last, 1);
		pair_order(pair, 0);
	}
	for (int i = 0; i < ENDS; i++) {
		struct end *end = &pair->ends[i];

		if (!end->is_running)
			continue;
		if (pair->channel->options.is_process) {
			kill(end->pid, SIGKILL);
			waitpid(end->pid, NULL, 0);
		} else {
			pthread_join(end->thread, NULL);
		}
	}
	for (int i = 0; i < ENDS; i++) {
		struct end *end = &pair->ends[i];

		if (end->in >= 0)
			close(end->in);
		if (end->out >= 0 && end->out != end->in)
			close(end->out);
	}
	munmap(order, sizeof(*order));
	pair->order = NULL;
}

/* --- all of them -------------------------------------------------------------------------- */

/* The kernel's own count of one end's switches. */
static void add_switches(uint32_t tid, int64_t sign, struct channel_sample *sample)
{
	unsigned long long value;
	char path[40], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%u/status", tid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		bool is_block = sscanf(line, "voluntary_ctxt_switches: %llu", &value) == 1;

		if (is_block)
			sample->blocks += (uint64_t)sign * value;
		if (is_block || sscanf(line, "nonvoluntary_ctxt_switches: %llu", &value) == 1)
			sample->switches += (uint64_t)sign * value;
	}
	if (file)
		fclose(file);
}

static void count_switches(const struct channel *channel, int64_t sign,
			   struct channel_sample *sample)
{
	for (int i = 0; i < channel->options.nr_pairs; i++)
		for (int end = 0; end < ENDS; end++)
			add_switches(channel->pairs[i].order->tid[end], sign, sample);
}

int channel_open(struct channel **out, const struct channel_options *options)
{
	struct channel *channel = calloc(1, sizeof(*channel));
	int error = 0;

	if (!channel)
		return -ENOMEM;
	if (options->size > CHANNEL_MAX_SIZE || options->nr_pairs > CHANNEL_MAX_PAIRS ||
	    (options->kind == CHANNEL_PIPE && options->size == 0)) {
		free(channel);
		return -EINVAL;
	}
	channel->options = *options;
	for (int i = 0; i < options->nr_pairs && !error; i++) {
		channel->pairs[i].channel = channel;
		channel->pairs[i].cpu = options->cpus[i];
		error = pair_open(&channel->pairs[i]);
	}
	if (error)
		channel_close(channel);
	else
		*out = channel;
	return error;
}

int channel_run(struct channel *channel, uint64_t nr, struct channel_sample *sample)
{
	uint64_t each = nr / STRETCHES + 1;
	int nr_pairs = channel->options.nr_pairs;
	int error = 0;

	*sample = (struct channel_sample){ .round_trips = each * STRETCHES * (uint64_t)nr_pairs };
	count_switches(channel, -1, sample);
	for (int i = 0; i < nr_pairs; i++)
		pair_order(&channel->pairs[i], each);
	for (int i = 0; i < nr_pairs && !error; i++)
		error = pair_wait(&channel->pairs[i]);
	if (error)
		return error;
	count_switches(channel, 1, sample);
	for (int i = 0; i < nr_pairs; i++) {
		double ticks[STRETCHES];

		for (uint32_t s = 0; s < STRETCHES; s++)
			ticks[s] = (double)channel->pairs[i].order->ticks[s];
		sample->ticks += bench_median(ticks, STRETCHES) / (double)each / nr_pairs;
		sample->best += ticks[1] / (double)each / nr_pairs;
	}
	return 0;
}

void channel_close(struct channel *channel)
{
	if (!channel)
		return;
	for (int i = 0; i < channel->options.nr_pairs; i++)
		pair_close(&channel->pairs[i]);
	free(channel);
}
