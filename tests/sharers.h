/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sharers.h: children that share memory and touch pages of it, and what a sample says of them.
 *
 * For the tests of kernel/refs.h. A child maps what it is told, touches as many pages as it is told,
 * answers when it has done so, and ends when nobody talks to it any more.
 */
#ifndef TACHO_TESTS_SHARERS_H
#define TACHO_TESTS_SHARERS_H

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/refs.h"
#include "t.h"

#define PAGES	1024
#define PAGE	4096ul
#define UNKNOWN TACHO_REFS_UNKNOWN

#define A 10u /* domains */
#define B 11u
#define C 12u

/* --- children ------------------------------------------------------------------------------- */

enum op { OP_READ, OP_WRITE, OP_WRITE_OTHER, OP_ALLOW, OP_MAP_MANY, OP_CHURN };

struct command {
	enum op op;
	uint32_t from;
	uint32_t nr;
};

struct child {
	pid_t pid;
	int sock;
};

struct memory {
	int fd; /* -1: shared and anonymous, made before the fork */
	char *base;
	uint32_t from; /* pages of the file */
	uint32_t nr;
	int prot;
	int flags;
};

/* One page after the other, or every other one: nothing of the next is begun before the last is there. */
static inline int touch(char *base, const struct command *command)
{
	static char sink;

	for (uint32_t n = 0; n < command->nr; n++) {
		uint32_t i = command->from + (command->op == OP_WRITE_OTHER ? 2 * n : n);

#if defined(__x86_64__)
		__builtin_ia32_lfence();
#endif
		if (command->op == OP_READ)
			sink = (char)(sink + base[i * PAGE]);
		else
			base[i * PAGE]++;
	}
	return 0;
}

/* Every other page of the file, so that the kernel cannot make one mapping of two. */
static inline int map_many(const struct memory *memory, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++)
		if (mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd,
			 (off_t)((uint64_t)(i * 2 % PAGES) * PAGE)) == MAP_FAILED)
			return -errno;
	return 0;
}

static inline int churn(const struct memory *memory, uint32_t ms)
{
	uint64_t end = t_now_ns() + ms * 1000000ull;

	while (t_now_ns() < end) {
		char *some[8];

		for (int i = 0; i < 8; i++) {
			some[i] = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
				       memory->fd, 0);
			if (some[i] == MAP_FAILED)
				return -errno;
			some[i][PAGE] = 1;
		}
		for (int i = 0; i < 8; i++)
			munmap(some[i], 4 * PAGE);
	}
	return 0;
}

static inline __attribute__((noreturn)) void child_main(const struct memory *memory, int sock)
{
	char *base = memory->base;
	struct command command;

	if (!base)
		base = mmap(NULL, memory->nr * PAGE, memory->prot, memory->flags, memory->fd,
			    (off_t)(memory->from * PAGE));
	if (base == MAP_FAILED)
		_exit(2);
	while (read(sock, &command, sizeof(command)) == (ssize_t)sizeof(command)) {
		int result = 0;

		switch (command.op) {
		case OP_READ:
		case OP_WRITE:
		case OP_WRITE_OTHER:
			result = touch(base, &command);
			break;
		case OP_ALLOW:
			result = tacho_refs_allow(base, memory->nr * PAGE);
			break;
		case OP_MAP_MANY:
			result = map_many(memory, command.nr);
			break;
		case OP_CHURN:
			if (write(sock, &result, sizeof(result)) != (ssize_t)sizeof(result))
				_exit(3);
			result = churn(memory, command.nr);
			break;
		}
		if (write(sock, &result, sizeof(result)) != (ssize_t)sizeof(result))
			_exit(3);
	}
	_exit(0);
}

static inline int wait_child(struct child *child)
{
	int result = -EPIPE;

	return read(child->sock, &result, sizeof(result)) == (ssize_t)sizeof(result) ? result
										     : -EPIPE;
}

static inline int tell(struct child *child, enum op op, uint32_t from, uint32_t nr)
{
	struct command command = { op, from, nr };

	if (write(child->sock, &command, sizeof(command)) != (ssize_t)sizeof(command))
		return -EPIPE;
	return wait_child(child);
}

static inline void child_start(struct child *child, const struct memory *memory)
{
	int pair[2];

	child->pid = child->sock = -1;
	T_NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	child->pid = fork();
	if (child->pid == 0) {
		close(pair[0]);
		child_main(memory, pair[1]);
	}
	close(pair[1]);
	child->sock = pair[0];
	T_OK(child->pid > 0);
}

/* It ends by itself when nobody tells it anything any more; other children have our end too. */
static inline void child_stop(struct child *child)
{
	shutdown(child->sock, SHUT_RDWR);
	close(child->sock);
	if (child->pid > 0)
		waitpid(child->pid, NULL, 0);
	child->pid = -1;
}

static inline struct memory memory_of(int fd)
{
	return (struct memory){ fd, NULL, 0, PAGES, PROT_READ | PROT_WRITE, MAP_SHARED };
}

static inline int memfd(void)
{
	int fd = memfd_create("t_refs", MFD_CLOEXEC);

	T_OK(fd >= 0 && ftruncate(fd, PAGES * PAGE) == 0);
	return fd;
}

/* --- samples -------------------------------------------------------------------------------- */

struct found {
	size_t nr;
	struct {
		uint32_t domain, other;
		uint64_t referenced, written;
	} at[64];
};

static inline void take(void *arg, uint32_t domain, uint32_t other, uint64_t referenced,
			uint64_t written)
{
	struct found *found = arg;

	if (found->nr < sizeof(found->at) / sizeof(found->at[0])) {
		found->at[found->nr].domain = domain;
		found->at[found->nr].other = other;
		found->at[found->nr].referenced = referenced;
		found->at[found->nr].written = written;
	}
	found->nr++;
}

static inline struct found sample(struct tacho_refs *refs)
{
	struct found found = { 0 };

	T_EQ(tacho_refs_sample(refs, take, &found), 0);
	return found;
}

#define NOT_FOUND 0xdeadbeefdeadbeefull

static inline uint64_t referenced(const struct found *found, uint32_t domain, uint32_t other)
{
	for (size_t i = 0; i < found->nr && i < 64; i++)
		if (found->at[i].domain == domain && found->at[i].other == other)
			return found->at[i].referenced;
	return NOT_FOUND;
}

static inline uint64_t written(const struct found *found, uint32_t domain, uint32_t other)
{
	for (size_t i = 0; i < found->nr && i < 64; i++)
		if (found->at[i].domain == domain && found->at[i].other == other)
			return found->at[i].written;
	return NOT_FOUND;
}

/* Open by method; the case is skipped if it does not work here. */
#define OPEN(refs, wanted)                                                                         \
	do {                                                                                       \
		struct tacho_refs_options options_ = { .method = (wanted) };                       \
		char why_[128] = "";                                                               \
		int error_ = tacho_refs_open(&(refs), &options_, why_, sizeof(why_));              \
                                                                                                   \
		if (error_ == -EOPNOTSUPP || error_ == -EPERM)                                     \
			T_SKIP("%s", why_);                                                        \
		T_NEED(error_ == 0);                                                               \
	} while (0)

static inline bool is_exact(enum tacho_refs_method method)
{
	struct tacho_refs_probe probe[TACHO_REFS_NR];

	tacho_refs_probe(probe, NULL);
	return probe[method].is_exact;
}

/*
 * Is it what was used? Too few are forgiven once per process, and printed: one sample in some
 * thousands misses pages on a machine whose kernel pages out by itself what it takes for cold (DAMON
 * with the action pageout). What is unmapped between the touch and the sample is not counted.
 */
static inline bool is_used(uint64_t got, uint64_t want)
{
	static unsigned int lost;

	if (got == want)
		return true;
	printf("     %" PRIu64 " pages instead of %" PRIu64 "\n", got, want);
	return got < want && lost++ == 0;
}

/* Two children of domains A and B over the same kind of memory, all of it there already. */
static inline void pair_start(struct child child[2], const struct memory *memory,
			      struct tacho_refs *refs)
{
	struct tacho_refs_task tasks[2];

	for (int i = 0; i < 2; i++) {
		child_start(&child[i], memory);
		T_EQ(tell(&child[i], OP_WRITE, 0, memory->nr), 0);
		tasks[i] = (struct tacho_refs_task){ A + (uint32_t)i, child[i].pid };
	}
	if (refs)
		T_EQ(tacho_refs_set(refs, tasks, 2), 0);
}

static inline void pair_stop(struct child child[2])
{
	child_stop(&child[0]);
	child_stop(&child[1]);
}

#endif /* TACHO_TESTS_SHARERS_H */
