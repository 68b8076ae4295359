/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_refs.c: which pages of shared memory domains used.
 *
 * Real children map real memory and touch as many pages as they are told; what only another kernel
 * has (idle-page tracking, soft-dirty pages) and what no kernel says (nonsense) comes from a
 * directory that looks like /proc.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/refs.h"
#include "t.h"

#define PAGES	128
#define PAGE	4096ul
#define UNKNOWN TACHO_REFS_UNKNOWN

#define A 10u /* domains */
#define B 11u
#define C 12u

/* --- children ------------------------------------------------------------------------------- */

enum op { OP_READ, OP_WRITE, OP_ALLOW, OP_MAP_MANY, OP_CHURN };

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

static char sink;

/* One page after the other: nothing of the next is begun before the last is there. */
static int touch(char *base, const struct command *command)
{
	for (uint32_t i = command->from; i < command->from + command->nr; i++) {
#if defined(__x86_64__)
		__builtin_ia32_lfence();
#endif
		if (command->op == OP_WRITE)
			base[i * PAGE]++;
		else
			sink = (char)(sink + base[i * PAGE]);
	}
	return 0;
}

/* Every other page of the file, so that the kernel cannot make one mapping of two. */
static int map_many(const struct memory *memory, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++)
		if (mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd,
			 (off_t)((uint64_t)(i * 2 % PAGES) * PAGE)) == MAP_FAILED)
			return -errno;
	return 0;
}

static int churn(const struct memory *memory, uint32_t ms)
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

static __attribute__((noreturn)) void child_main(const struct memory *memory, int sock)
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

static int wait_child(struct child *child)
{
	int result = -EPIPE;

	return read(child->sock, &result, sizeof(result)) == (ssize_t)sizeof(result) ? result
										     : -EPIPE;
}

static int tell(struct child *child, enum op op, uint32_t from, uint32_t nr)
{
	struct command command = { op, from, nr };

	if (write(child->sock, &command, sizeof(command)) != (ssize_t)sizeof(command))
		return -EPIPE;
	return wait_child(child);
}

static void child_start(struct child *child, const struct memory *memory)
{
	int pair[2];

	child->pid = -1;
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
static void child_stop(struct child *child)
{
	shutdown(child->sock, SHUT_RDWR);
	close(child->sock);
	if (child->pid > 0)
		waitpid(child->pid, NULL, 0);
	child->pid = -1;
}

static struct memory memory_of(int fd)
{
	return (struct memory){ fd, NULL, 0, PAGES, PROT_READ | PROT_WRITE, MAP_SHARED };
}

static int memfd(void)
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

static void take(void *arg, uint32_t domain, uint32_t other, uint64_t referenced, uint64_t written)
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

static struct found sample(struct tacho_refs *refs)
{
	struct found found = { 0 };

	T_EQ(tacho_refs_sample(refs, take, &found), 0);
	return found;
}

#define NOT_FOUND 0xdeadbeefdeadbeefull

static uint64_t referenced(const struct found *found, uint32_t domain, uint32_t other)
{
	for (size_t i = 0; i < found->nr && i < 64; i++)
		if (found->at[i].domain == domain && found->at[i].other == other)
			return found->at[i].referenced;
	return NOT_FOUND;
}

static uint64_t written(const struct found *found, uint32_t domain, uint32_t other)
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

static bool is_exact(enum tacho_refs_method method)
{
	struct tacho_refs_probe probe[TACHO_REFS_NR];

	tacho_refs_probe(probe, NULL);
	return probe[method].is_exact;
}

/* Two children of domains A and B over the same kind of memory, all of it there already. */
static void pair_start(struct child child[2], const struct memory *memory, struct tacho_refs *refs)
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

static void pair_stop(struct child child[2])
{
	child_stop(&child[0]);
	child_stop(&child[1]);
}

/* --- probing -------------------------------------------------------------------------------- */

static bool is_line(const char *text)
{
	return text && text[0] && !strchr(text, '\n') && strlen(text) < 100;
}

T_CASE(every_method_says_what_it_is)
{
	struct tacho_refs_probe probe[TACHO_REFS_NR];

	tacho_refs_probe(probe, NULL);
	for (int i = 0; i < TACHO_REFS_NR; i++) {
		struct tacho_refs_options options = { .method = (enum tacho_refs_method)i };
		struct tacho_refs *refs;
		char why[128] = "";

		printf("     %-10s %s%s%s; %s; %s; %s\n", probe[i].name,
		       probe[i].error ? "no: " : "works", probe[i].why,
		       probe[i].is_exact ? ", exact" : "", probe[i].meaning, probe[i].cost,
		       probe[i].tells_domain ? "by domain" : "by anybody");
		T_OK(is_line(probe[i].name));
		T_OK(is_line(probe[i].meaning));
		T_OK(is_line(probe[i].cost));
		T_OK(probe[i].error == 0 || is_line(probe[i].why));
		T_EQ(tacho_refs_open(&refs, &options, why, sizeof(why)), probe[i].error);
		if (refs)
			T_STREQ(tacho_refs_name(refs), probe[i].name);
		else
			T_OK(is_line(why));
		tacho_refs_close(refs);
	}
}

T_CASE(wrong_arguments_are_refused)
{
	struct tacho_refs_options options = { .method = (enum tacho_refs_method)77 };
	struct tacho_refs_task none = { A, 0 };
	struct tacho_refs *refs;

	T_EQ(tacho_refs_open(&refs, &options, NULL, 0), -EINVAL);
	T_OK(refs == NULL);
	OPEN(refs, TACHO_REFS_AUTO);
	T_EQ(tacho_refs_set(refs, &none, 1), -EINVAL);
	none.pid = -1;
	T_EQ(tacho_refs_set(refs, &none, 1), -EINVAL);
	T_EQ(tacho_refs_set(refs, NULL, 0), 0);
	T_EQ(sample(refs).nr, 0);
	tacho_refs_close(refs);
	tacho_refs_close(NULL);
}

/* --- clear ---------------------------------------------------------------------------------- */

static void check_references(const struct memory *memory)
{
	struct tacho_refs *refs;
	struct child child[2];
	struct found found;

	OPEN(refs, TACHO_REFS_CLEAR);
	pair_start(child, memory, refs);
	found = sample(refs);
	T_EQ(found.nr, 2);
	/* both were told when they were set, and have done nothing since */
	T_EQ(referenced(&found, A, B), 0);
	T_EQ(written(&found, A, B), UNKNOWN);
	for (uint32_t round = 0; round < 5; round++) {
		tell(&child[0], OP_READ, round, 37);
		tell(&child[1], OP_WRITE, 3, round);
		found = sample(refs);
		T_EQ(found.nr, 2);
		if (!is_exact(TACHO_REFS_CLEAR)) {
			T_OK(referenced(&found, A, B) <= 37);
			continue;
		}
		/* also when the processor has their translations from the round before */
		T_EQ(referenced(&found, A, B), 37);
		T_EQ(referenced(&found, B, A), round);
		T_EQ(written(&found, A, B), UNKNOWN);
		T_EQ(written(&found, B, A), UNKNOWN);
	}
	T_EQ(tacho_refs_stats(refs)->tasks, 2);
	T_EQ(tacho_refs_stats(refs)->shared, 2);
	T_EQ(tacho_refs_stats(refs)->gone + tacho_refs_stats(refs)->refused, 0);
	pair_stop(child);
	tacho_refs_close(refs);
}

T_CASE(clear_counts_references_of_a_memfd)
{
	struct memory memory = memory_of(memfd());

	check_references(&memory);
	close(memory.fd);
}

T_CASE(clear_counts_references_of_a_file)
{
	char path[] = "/tmp/t_refs.XXXXXX";
	struct memory memory = memory_of(mkstemp(path));

	T_NEED(memory.fd >= 0);
	unlink(path);
	T_EQ(ftruncate(memory.fd, PAGES * PAGE), 0);
	check_references(&memory);
	close(memory.fd);
}

T_CASE(clear_counts_references_of_anonymous_memory)
{
	struct memory memory = memory_of(-1);

	memory.base =
		mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	T_NEED(memory.base != MAP_FAILED);
	check_references(&memory);
	munmap(memory.base, PAGES * PAGE);
}

T_CASE(clear_counts_references_of_a_segment)
{
	int id = shmget(IPC_PRIVATE, PAGES * PAGE, IPC_CREAT | 0600);
	struct memory memory = memory_of(-1);

	if (id < 0)
		T_SKIP("shmget: %s", strerror(errno));
	memory.base = shmat(id, NULL, 0);
	shmctl(id, IPC_RMID, NULL);
	T_NEED(memory.base != (char *)-1);
	check_references(&memory);
	shmdt(memory.base);
}

/* --- scan ----------------------------------------------------------------------------------- */

static void check_writes(const struct memory *memory, enum tacho_refs_method method)
{
	bool tells_referenced = method == TACHO_REFS_AUTO;
	struct tacho_refs *refs;
	struct child child[2];
	struct found found;

	OPEN(refs, method);
	pair_start(child, memory, refs);
	T_OK(tell(&child[0], OP_ALLOW, 0, 0) >= 0);
	found = sample(refs);
	T_EQ(found.nr, 2);
	/* what was written before the first sample is nobody's business */
	T_EQ(written(&found, A, B), UNKNOWN);
	T_EQ(written(&found, B, A), UNKNOWN);
	for (uint32_t round = 0; round < 5; round++) {
		tell(&child[0], OP_WRITE, 2 * round, 20 + round);
		tell(&child[0], OP_READ, 60, 10);
		tell(&child[1], OP_WRITE, 0, 64);
		found = sample(refs);
		T_EQ(found.nr, 2);
		T_EQ(written(&found, A, B), 20 + round);
		/* it did not allow it: the kernel does not know, and so do we */
		T_EQ(written(&found, B, A), UNKNOWN);
		if (!tells_referenced) {
			T_EQ(referenced(&found, A, B), UNKNOWN);
		} else if (is_exact(TACHO_REFS_AUTO)) {
			T_EQ(referenced(&found, A, B), 30 + round);
			T_EQ(referenced(&found, B, A), 64);
		}
	}
	/* nothing but reading */
	tell(&child[0], OP_READ, 0, PAGES);
	found = sample(refs);
	T_EQ(written(&found, A, B), 0);
	pair_stop(child);
	tacho_refs_close(refs);
}

#define NEED_SCAN                                                                                  \
	do {                                                                                       \
		struct tacho_refs_probe probe_[TACHO_REFS_NR];                                     \
                                                                                                   \
		tacho_refs_probe(probe_, NULL);                                                    \
		if (probe_[TACHO_REFS_SCAN].error)                                                 \
			T_SKIP("%s", probe_[TACHO_REFS_SCAN].why);                                 \
	} while (0)

T_CASE(scan_counts_writes)
{
	struct memory memory = memory_of(memfd());

	check_writes(&memory, TACHO_REFS_SCAN);
	close(memory.fd);
}

T_CASE(scan_counts_writes_to_a_file)
{
	char path[] = "/tmp/t_refs.XXXXXX";
	struct memory memory = memory_of(mkstemp(path));

	T_NEED(memory.fd >= 0);
	unlink(path);
	T_EQ(ftruncate(memory.fd, PAGES * PAGE), 0);
	check_writes(&memory, TACHO_REFS_SCAN);
	close(memory.fd);
}

T_CASE(auto_tells_both)
{
	struct memory memory = memory_of(memfd());

	NEED_SCAN;
	check_writes(&memory, TACHO_REFS_AUTO);
	close(memory.fd);
}

/* --- what this kernel may not have -------------------------------------------------------------- */

T_CASE(soft_dirty_counts_references_and_writes)
{
	struct memory memory = memory_of(memfd());
	struct tacho_refs *refs;
	struct child child[2];
	struct found found;

	OPEN(refs, TACHO_REFS_SOFT_DIRTY);
	pair_start(child, &memory, refs);
	sample(refs);
	for (uint32_t round = 0; round < 5; round++) {
		tell(&child[0], OP_WRITE, round, 20);
		tell(&child[0], OP_READ, 60, 10);
		tell(&child[1], OP_WRITE, 64, round);
		found = sample(refs);
		T_EQ(found.nr, 2);
		T_EQ(referenced(&found, A, B), 30);
		T_EQ(written(&found, A, B), 20);
		T_EQ(referenced(&found, B, A), round);
		T_EQ(written(&found, B, A), round);
	}
	pair_stop(child);
	tacho_refs_close(refs);
	close(memory.fd);
}

/* It promises a lower bound only, and does not tell whose the reference was. */
T_CASE(idle_counts_references)
{
	struct memory memory = memory_of(memfd());
	struct tacho_refs *refs;
	struct child child[2];
	struct found found;

	OPEN(refs, TACHO_REFS_IDLE);
	pair_start(child, &memory, refs);
	found = sample(refs);
	T_EQ(referenced(&found, A, B), UNKNOWN);
	for (uint32_t round = 0; round < 5; round++) {
		tell(&child[0], OP_READ, round, 37);
		found = sample(refs);
		T_EQ(found.nr, 2);
		printf("     %" PRIu64 " of 37\n", referenced(&found, A, B));
		T_OK(referenced(&found, A, B) <= 37);
		T_EQ(referenced(&found, A, B), referenced(&found, B, A));
		T_EQ(written(&found, A, B), UNKNOWN);
	}
	found = sample(refs);
	T_EQ(referenced(&found, A, B), 0);
	pair_stop(child);
	tacho_refs_close(refs);
	close(memory.fd);
}

/* --- who shares ----------------------------------------------------------------------------- */

static size_t pairs_of(const struct memory *a, const struct memory *b)
{
	struct tacho_refs_task tasks[2];
	struct tacho_refs *refs;
	struct child child[2];
	char why[128];
	size_t nr;

	if (!T_OK(tacho_refs_open(&refs, NULL, why, sizeof(why)) == 0))
		return 0;
	child_start(&child[0], a);
	child_start(&child[1], b);
	tell(&child[0], OP_READ, 0, a->nr);
	tell(&child[1], OP_READ, 0, b->nr);
	tasks[0] = (struct tacho_refs_task){ A, child[0].pid };
	tasks[1] = (struct tacho_refs_task){ B, child[1].pid };
	T_EQ(tacho_refs_set(refs, tasks, 2), 0);
	sample(refs);
	nr = sample(refs).nr;
	pair_stop(child);
	tacho_refs_close(refs);
	return nr;
}

T_CASE(only_what_is_shared_is_found)
{
	struct memory a = memory_of(memfd()), b = a, c = memory_of(memfd());
	struct tacho_refs *refs;

	OPEN(refs, TACHO_REFS_AUTO);
	tacho_refs_close(refs);
	T_EQ(pairs_of(&a, &a), 2);
	T_EQ(pairs_of(&a, &c), 0);
	b.flags = MAP_PRIVATE;
	T_EQ(pairs_of(&a, &b), 0);
	T_EQ(pairs_of(&b, &b), 0);
	/* parts of one file: apart, next to each other, with one page in common */
	a.nr = 32;
	b = a;
	b.from = 64;
	T_EQ(pairs_of(&a, &b), 0);
	b.from = 32;
	T_EQ(pairs_of(&a, &b), 0);
	b.from = 31;
	T_EQ(pairs_of(&a, &b), 2);
	/* nobody talks who cannot write */
	a.prot = PROT_READ;
	T_EQ(pairs_of(&a, &b), 2);
	b.prot = PROT_READ;
	T_EQ(pairs_of(&a, &b), 0);
	close(a.fd);
	close(c.fd);
}

T_CASE(a_domain_is_the_sum_of_its_processes)
{
	struct memory memory = memory_of(memfd());
	struct tacho_refs_task tasks[4];
	struct tacho_refs *refs;
	struct child child[4];
	struct found found;

	OPEN(refs, TACHO_REFS_CLEAR);
	for (int i = 0; i < 4; i++) {
		child_start(&child[i], &memory);
		tell(&child[i], OP_WRITE, 0, PAGES);
		/* the order must not matter: C, B, A, A */
		tasks[3 - i] = (struct tacho_refs_task){ i < 2 ? A : i == 2 ? B : C, child[i].pid };
	}
	T_EQ(tacho_refs_set(refs, tasks, 4), 0);
	sample(refs);
	tell(&child[0], OP_READ, 0, 10);
	tell(&child[1], OP_READ, 5, 10);
	tell(&child[2], OP_READ, 0, 3);
	found = sample(refs);
	T_EQ(found.nr, 6);
	if (is_exact(TACHO_REFS_CLEAR)) {
		T_EQ(referenced(&found, A, B), 20);
		T_EQ(referenced(&found, A, C), 20);
		T_EQ(referenced(&found, B, A), 3);
		T_EQ(referenced(&found, C, A), 0);
	}
	T_EQ(referenced(&found, A, A), NOT_FOUND);
	/* one domain for all of them: nothing is shared with anybody */
	for (int i = 0; i < 4; i++)
		tasks[i].domain = A;
	T_EQ(tacho_refs_set(refs, tasks, 4), 0);
	T_EQ(sample(refs).nr, 0);
	/* the same pid twice is one process */
	tasks[1] = tasks[0];
	T_EQ(tacho_refs_set(refs, tasks, 4), 0);
	sample(refs);
	T_EQ(tacho_refs_stats(refs)->tasks, 3);
	for (int i = 0; i < 4; i++)
		child_stop(&child[i]);
	tacho_refs_close(refs);
	close(memory.fd);
}

T_CASE(a_newcomer_begins_when_it_is_set)
{
	struct memory memory = memory_of(memfd());
	struct tacho_refs_task tasks[2];
	struct tacho_refs *refs;
	struct child child[2];
	struct found found;

	OPEN(refs, TACHO_REFS_CLEAR);
	pair_start(child, &memory, NULL);
	tasks[0] = (struct tacho_refs_task){ A, child[0].pid };
	tasks[1] = (struct tacho_refs_task){ B, child[1].pid };
	T_EQ(tacho_refs_set(refs, tasks, 1), 0);
	T_EQ(sample(refs).nr, 0);
	tell(&child[0], OP_READ, 0, 9);
	tell(&child[1], OP_READ, 0, 9);
	T_EQ(tacho_refs_set(refs, tasks, 2), 0);
	tell(&child[1], OP_READ, 0, 4);
	found = sample(refs);
	T_EQ(found.nr, 2);
	/* nobody asked for the first one while it shared with nobody: it is not known what it did */
	T_EQ(referenced(&found, A, B), UNKNOWN);
	if (is_exact(TACHO_REFS_CLEAR))
		T_EQ(referenced(&found, B, A), 4);
	found = sample(refs);
	T_EQ(referenced(&found, A, B), 0);
	pair_stop(child);
	tacho_refs_close(refs);
	close(memory.fd);
}

/* --- bad days ------------------------------------------------------------------------------- */

T_CASE(processes_may_die)
{
	struct memory memory = memory_of(memfd());
	struct tacho_refs *refs;
	struct child child[2];

	OPEN(refs, TACHO_REFS_AUTO);
	pair_start(child, &memory, refs);
	sample(refs);
	T_EQ(sample(refs).nr, 2);
	/* dead, but not reaped */
	kill(child[0].pid, SIGKILL);
	waitid(P_PID, (id_t)child[0].pid, NULL, WEXITED | WNOWAIT);
	T_EQ(sample(refs).nr, 0);
	T_EQ(tacho_refs_stats(refs)->mappings, 1);
	/* reaped */
	child_stop(&child[0]);
	T_EQ(sample(refs).nr, 0);
	T_EQ(tacho_refs_stats(refs)->gone, 1);
	child_stop(&child[1]);
	T_EQ(sample(refs).nr, 0);
	T_EQ(tacho_refs_stats(refs)->gone, 2);
	tacho_refs_close(refs);
	close(memory.fd);
}

T_CASE(mappings_may_change_all_the_time)
{
	struct memory memory = memory_of(memfd());
	uint64_t end = t_now_ns() + 400000000u;
	struct tacho_refs *refs;
	struct child child[2];
	uint32_t samples = 0;

	OPEN(refs, TACHO_REFS_AUTO);
	pair_start(child, &memory, refs);
	T_EQ(tell(&child[0], OP_CHURN, 0, 400), 0);
	T_EQ(tell(&child[1], OP_CHURN, 0, 400), 0);
	for (; t_now_ns() < end; samples++) {
		struct found found = sample(refs);

		T_EQ(found.nr, 2);
		T_OK(referenced(&found, A, B) == UNKNOWN || referenced(&found, A, B) <= 9 * PAGES);
	}
	printf("     %u samples\n", samples);
	T_EQ(wait_child(&child[0]), 0);
	T_EQ(wait_child(&child[1]), 0);
	pair_stop(child);
	tacho_refs_close(refs);
	close(memory.fd);
}

T_CASE(thousands_of_mappings)
{
	struct memory memory = memory_of(memfd());
	struct tacho_refs *refs;
	struct child child[2];
	struct found found;

	OPEN(refs, TACHO_REFS_CLEAR);
	pair_start(child, &memory, refs);
	T_EQ(tell(&child[0], OP_MAP_MANY, 0, 3000), 0);
	T_EQ(tell(&child[1], OP_MAP_MANY, 0, 3000), 0);
	sample(refs);
	tell(&child[0], OP_READ, 0, 7);
	found = sample(refs);
	T_EQ(found.nr, 2);
	T_EQ(tacho_refs_stats(refs)->shared, 6002);
	T_EQ(tacho_refs_stats(refs)->left_out, 0);
	if (is_exact(TACHO_REFS_CLEAR))
		T_EQ(referenced(&found, A, B), 7);
	/* more than we keep of one process */
	T_EQ(tell(&child[0], OP_MAP_MANY, 0, 3000), 0);
	found = sample(refs);
	T_EQ(found.nr, 2);
	T_EQ(tacho_refs_stats(refs)->left_out, 1);
	T_OK(tacho_refs_stats(refs)->mappings < 3001 + 4097 + 1);
	pair_stop(child);
	tacho_refs_close(refs);
	close(memory.fd);
}

/* --- a place that looks like /proc ------------------------------------------------------------- */

struct fake {
	char root[64];
	char idle[96];
};

static void fake_write(const struct fake *fake, const char *name, const void *data, size_t size,
		       off_t at, int flags)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", fake->root, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
	T_OK(fd >= 0 && pwrite(fd, data, size, at) == (ssize_t)size);
	close(fd);
}

static void fake_text(const struct fake *fake, const char *name, const char *text)
{
	fake_write(fake, name, text, strlen(text), 0, O_TRUNC);
}

/* All of it that fits: files in /proc give a part at a time. */
static size_t fake_read(const struct fake *fake, const char *name, void *data, size_t size,
			off_t at)
{
	char path[256];
	size_t all = 0;
	ssize_t got = 1;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", fake->root, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && got > 0 && all < size) {
		got = pread(fd, (char *)data + all, size - all, at + (off_t)all);
		all += got > 0 ? (size_t)got : 0;
	}
	if (fd >= 0)
		close(fd);
	return all;
}

static void fake_directory(const struct fake *fake, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", fake->root, name);
	T_EQ(mkdir(path, 0700), 0);
}

/* Tasks 1 and 2, without files; self is the real one unless sd is set. */
static bool fake_open(struct fake *fake, bool has_soft_dirty)
{
	char path[128];

	snprintf(fake->root, sizeof(fake->root), "/tmp/t_refs.XXXXXX");
	if (!T_OK(mkdtemp(fake->root) != NULL))
		return false;
	snprintf(fake->idle, sizeof(fake->idle), "%s/idle", fake->root);
	fake_directory(fake, "1");
	fake_directory(fake, "2");
	fake_text(fake, "1/clear_refs", "");
	fake_text(fake, "2/clear_refs", "");
	if (has_soft_dirty) {
		fake_directory(fake, "self");
		fake_text(fake, "self/clear_refs", "");
		fake_text(
			fake, "self/smaps",
			"1000-2000 rw-p 00000000 00:00 0 \nReferenced: 4 kB\nVmFlags: rd wr sd \n");
		return true;
	}
	snprintf(path, sizeof(path), "%s/self", fake->root);
	return T_OK(symlink("/proc/self", path) == 0);
}

static int fake_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void fake_close(struct fake *fake)
{
	nftw(fake->root, fake_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static const struct tacho_refs_task fake_tasks[] = { { A, 1 }, { B, 2 } };

static int fake_refs(struct tacho_refs **refs, const struct fake *fake,
		     enum tacho_refs_method method)
{
	struct tacho_refs_options options = { method, fake->root, fake->idle };
	char why[128] = "";
	int error = tacho_refs_open(refs, &options, why, sizeof(why));

	if (error)
		printf("     %s\n", why);
	return error;
}

#define MAP_1 "00010000-00014000 rw-s 00000000 00:01 77 /memfd:x (deleted)\n"
#define MAP_2 "00020000-00024000 rw-s 00000000 00:01 77 /memfd:x (deleted)\n"

static void fake_pagemap(const struct fake *fake, const char *name, uint64_t address,
			 const uint64_t *entries, size_t nr)
{
	fake_write(fake, name, entries, nr * sizeof(*entries),
		   (off_t)(address / PAGE * sizeof(*entries)), 0);
}

T_CASE(idle_reads_and_marks_page_frames)
{
	const uint64_t present = 1ull << 63;
	/* frames 100 to 102 and 5000, the last page of the first task is not there */
	const uint64_t first[4] = { present | 100, present | 5000, present | 102, 0 };
	const uint64_t second[4] = { present | 100, present | 5000, present | 102, present | 103 };
	uint64_t word = 0;
	struct tacho_refs *refs;
	struct found found;
	struct fake fake;
	int error;

	if (!fake_open(&fake, false))
		return;
	fake_text(&fake, "1/maps", MAP_1);
	fake_text(&fake, "2/maps", MAP_2);
	fake_pagemap(&fake, "1/pagemap", 0x10000, first, 4);
	fake_pagemap(&fake, "2/pagemap", 0x20000, second, 4);
	fake_write(&fake, "idle", &word, sizeof(word), 8191, 0);
	error = fake_refs(&refs, &fake, TACHO_REFS_IDLE);
	if (error == -EPERM)
		fake_close(&fake);
	if (error == -EPERM)
		T_SKIP("page frames are not shown");
	T_EQ(error, 0);
	T_EQ(tacho_refs_set(refs, fake_tasks, 2), 0);
	found = sample(refs);
	T_EQ(found.nr, 2);
	T_EQ(referenced(&found, A, B), UNKNOWN);
	/* exactly the frames that are mapped are marked */
	T_EQ(fake_read(&fake, "idle", &word, sizeof(word), 100 / 64 * 8), 8);
	T_EQ(word, 1ull << (100 % 64) | 1ull << (102 % 64) | 1ull << (103 % 64));
	T_EQ(fake_read(&fake, "idle", &word, sizeof(word), 5000 / 64 * 8), 8);
	T_EQ(word, 1ull << (5000 % 64));
	/* nobody used anything */
	found = sample(refs);
	T_EQ(referenced(&found, A, B), 0);
	T_EQ(referenced(&found, B, A), 0);
	T_EQ(written(&found, B, A), UNKNOWN);
	/* somebody used 5000 and 103: the kernel would clear their bits */
	word = 0;
	fake_write(&fake, "idle", &word, sizeof(word), 5000 / 64 * 8, 0);
	word = 1ull << (100 % 64) | 1ull << (102 % 64);
	fake_write(&fake, "idle", &word, sizeof(word), 100 / 64 * 8, 0);
	found = sample(refs);
	T_EQ(referenced(&found, A, B), 1);
	T_EQ(referenced(&found, B, A), 2);
	found = sample(refs);
	T_EQ(referenced(&found, B, A), 0);
	/* a frame beyond the bitmap, and one that is hidden */
	fake_pagemap(&fake, "1/pagemap", 0x10000, (uint64_t[]){ present | 1u << 30 }, 1);
	fake_pagemap(&fake, "2/pagemap", 0x20000, (uint64_t[]){ present }, 1);
	found = sample(refs);
	T_EQ(referenced(&found, A, B), UNKNOWN);
	T_EQ(referenced(&found, B, A), UNKNOWN);
	tacho_refs_close(refs);
	fake_close(&fake);
}

#define SMAPS_1                                                                                    \
	"00001000-00002000 rw-p 00000000 00:00 0 \nReferenced: 4 kB\nVmFlags: rd wr \n" MAP_1      \
	"Size: 16 kB\nReferenced: 12 kB\nVmFlags: rd wr sh \n"
#define SMAPS_2 MAP_2 "Referenced: 4 kB\nVmFlags: rd wr sh \n"

T_CASE(soft_dirty_counts_both)
{
	const uint64_t present = 1ull << 63, swapped = 1ull << 62, dirty = 1ull << 55;
	const uint64_t pages[4] = { present | dirty, present, swapped | dirty, dirty };
	struct tacho_refs *refs;
	struct found found;
	struct fake fake;
	char text[8] = "";

	if (!fake_open(&fake, true))
		return;
	fake_text(&fake, "1/maps", MAP_1);
	fake_text(&fake, "2/maps", MAP_2);
	fake_text(&fake, "1/smaps", SMAPS_1);
	fake_text(&fake, "2/smaps", SMAPS_2);
	fake_pagemap(&fake, "1/pagemap", 0x10000, pages, 4);
	fake_pagemap(&fake, "2/pagemap", 0x20000, pages + 1, 1);
	if (T_OK(fake_refs(&refs, &fake, TACHO_REFS_SOFT_DIRTY) == 0)) {
		T_EQ(tacho_refs_set(refs, fake_tasks, 2), 0);
		found = sample(refs);
		T_EQ(found.nr, 2);
		T_EQ(referenced(&found, A, B), UNKNOWN);
		T_EQ(written(&found, A, B), UNKNOWN);
		T_EQ(fake_read(&fake, "1/clear_refs", text, 7, 0), 2);
		T_STREQ(text, "34");
		found = sample(refs);
		T_EQ(referenced(&found, A, B), 3);
		T_EQ(written(&found, A, B), 2);
		T_EQ(referenced(&found, B, A), 1);
		T_EQ(written(&found, B, A), 0);
		tacho_refs_close(refs);
	}
	fake_close(&fake);
}

/* The marks of soft-dirty pages belong to others: clear must not write 4 where there are any. */
T_CASE(clear_leaves_soft_dirty_pages_alone)
{
	struct tacho_refs_probe probe[TACHO_REFS_NR];
	struct tacho_refs_options options = { 0 };
	struct tacho_refs *refs;
	struct found found;
	struct fake fake;
	char text[8] = "";

	if (!fake_open(&fake, true))
		return;
	fake_text(&fake, "1/maps", MAP_1);
	fake_text(&fake, "2/maps", MAP_2);
	fake_text(&fake, "1/smaps", SMAPS_1);
	fake_text(&fake, "2/smaps", SMAPS_2);
	options.proc = fake.root;
	tacho_refs_probe(probe, &options);
	T_EQ(probe[TACHO_REFS_CLEAR].error, 0);
	T_OK(!probe[TACHO_REFS_CLEAR].is_exact);
	if (T_OK(fake_refs(&refs, &fake, TACHO_REFS_CLEAR) == 0)) {
		T_EQ(tacho_refs_set(refs, fake_tasks, 2), 0);
		found = sample(refs);
		T_EQ(referenced(&found, A, B), 3);
		T_EQ(referenced(&found, B, A), 1);
		T_EQ(fake_read(&fake, "1/clear_refs", text, 7, 0), 1);
		T_STREQ(text, "3");
		tacho_refs_close(refs);
	}
	fake_close(&fake);
}

T_CASE(virtual_machines_are_left_alone)
{
	struct tacho_refs *refs;
	struct found found;
	struct fake fake;
	char text[8];

	if (!fake_open(&fake, false))
		return;
	fake_text(&fake, "1/maps",
		  MAP_1 "00080000-00083000 rw-s 00000000 00:0f 1033 anon_inode:kvm-vcpu:0\n");
	fake_text(&fake, "2/maps", MAP_2);
	fake_text(&fake, "1/smaps", SMAPS_1);
	fake_text(&fake, "2/smaps", SMAPS_2);
	if (T_OK(fake_refs(&refs, &fake, TACHO_REFS_CLEAR) == 0)) {
		T_EQ(tacho_refs_set(refs, fake_tasks, 2), 0);
		sample(refs);
		found = sample(refs);
		T_EQ(found.nr, 2);
		T_EQ(referenced(&found, A, B), UNKNOWN);
		T_EQ(referenced(&found, B, A), 1);
		T_EQ(fake_read(&fake, "1/clear_refs", text, 7, 0), 0);
		tacho_refs_close(refs);
	}
	fake_close(&fake);
}

T_CASE(what_has_one_inode_is_not_always_one_thing)
{
	const char *maps[] = {
		/* perf buffers and eBPF maps */
		"00010000-00014000 rw-s 00000000 00:0f 1033 anon_inode:[perf_event]\n",
		"00010000-00014000 rw-s 00000000 00:0f 1033 anon_inode:bpf-map\n",
		/* no file, an empty one, one that wraps around, half a page */
		"00010000-00014000 rw-s 00000000 00:00 0 \n",
		"00010000-00010000 rw-s 00000000 00:01 5 /a\n",
		"00010000-00014000 rw-s ffffffffffffe000 00:01 5 /a\n",
		"00010000-00010800 rw-s 00000000 00:01 5 /a\n",
	};
	struct tacho_refs *refs;
	struct fake fake;

	if (!fake_open(&fake, false))
		return;
	if (T_OK(fake_refs(&refs, &fake, TACHO_REFS_CLEAR) == 0)) {
		T_EQ(tacho_refs_set(refs, fake_tasks, 2), 0);
		for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
			fake_text(&fake, "1/maps", maps[i]);
			fake_text(&fake, "2/maps", maps[i]);
			T_EQ(sample(refs).nr, 0);
		}
		/* a segment and a memfd have numbers of their own on one device */
		fake_text(&fake, "1/maps", MAP_1);
		fake_text(&fake, "2/maps",
			  "00020000-00024000 rw-s 00000000 00:01 77 /SYSV00000000 (deleted)\n");
		T_EQ(sample(refs).nr, 0);
		/* and two that are the same segment, as far as one can see */
		fake_text(&fake, "1/maps",
			  "00010000-00014000 rw-s 00000000 00:01 77 /SYSV00000000 (deleted)\n");
		T_EQ(sample(refs).nr, 2);
		tacho_refs_close(refs);
	}
	fake_close(&fake);
}

/* Huge pages and memory of devices are not looked at by smaps: zero would be a lie. */
T_CASE(what_smaps_does_not_look_at_is_unknown)
{
	const char *flags[] = { "rd wr sh ht ", "io rd wr", "rd wr pf", "rd wr sh", "rd htx xht" };
	struct tacho_refs *refs;
	struct fake fake;

	if (!fake_open(&fake, false))
		return;
	fake_text(&fake, "1/maps", MAP_1);
	fake_text(&fake, "2/maps", MAP_2);
	fake_text(&fake, "2/smaps", SMAPS_2);
	if (T_OK(fake_refs(&refs, &fake, TACHO_REFS_CLEAR) == 0)) {
		T_EQ(tacho_refs_set(refs, fake_tasks, 2), 0);
		for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
			struct found found;
			char text[256];

			snprintf(text, sizeof(text), MAP_1 "Referenced: 8 kB\nVmFlags: %s\n",
				 flags[i]);
			fake_text(&fake, "1/smaps", text);
			found = sample(refs);
			T_EQ(referenced(&found, A, B), i < 3 ? UNKNOWN : 2);
		}
		/* smaps without the mapping, or with one of another size */
		fake_text(&fake, "1/smaps",
			  "00010000-00013000 rw-s 00000000 00:01 77 /x\n"
			  "Referenced: 8 kB\n");
		T_EQ(referenced(&(struct found[]){ sample(refs) }[0], A, B), UNKNOWN);
		tacho_refs_close(refs);
	}
	fake_close(&fake);
}

/* What /proc says twice, as text and by the ioctl, is the same. */
T_CASE(text_and_query_agree)
{
	struct memory memory = memory_of(memfd());
	struct tacho_refs_task tasks[2];
	struct tacho_refs *refs, *text;
	struct child child[2];
	struct fake fake;

	if (!fake_open(&fake, false))
		return;
	pair_start(child, &memory, NULL);
	for (int i = 0; i < 2; i++) {
		static char buffer[1 << 16];
		struct fake real = { .root = "/proc" };
		char name[32];
		size_t size;

		tasks[i] = (struct tacho_refs_task){ A + (uint32_t)i, child[i].pid };
		tell(&child[i], OP_MAP_MANY, 0, 20);
		snprintf(name, sizeof(name), "%d", child[i].pid);
		fake_directory(&fake, name);
		snprintf(name, sizeof(name), "%d/maps", child[i].pid);
		size = fake_read(&real, name, buffer, sizeof(buffer), 0);
		T_OK(size > 0 && size < sizeof(buffer));
		fake_write(&fake, name, buffer, size, 0, O_TRUNC);
	}
	if (T_OK(fake_refs(&text, &fake, TACHO_REFS_AUTO) == 0)) {
		T_EQ(tacho_refs_open(&refs, NULL, NULL, 0), 0);
		T_EQ(tacho_refs_set(refs, tasks, 2), 0);
		T_EQ(tacho_refs_set(text, tasks, 2), 0);
		T_EQ(sample(refs).nr, 2);
		T_EQ(sample(text).nr, 2);
		T_EQ(tacho_refs_stats(refs)->mappings, tacho_refs_stats(text)->mappings);
		T_EQ(tacho_refs_stats(refs)->shared, tacho_refs_stats(text)->shared);
		T_EQ(tacho_refs_stats(text)->gone, 2); /* there is no smaps */
		tacho_refs_close(refs);
		tacho_refs_close(text);
	}
	pair_stop(child);
	fake_close(&fake);
	close(memory.fd);
}

/* --- nonsense ------------------------------------------------------------------------------- */

/* Lines that look like those of maps and smaps, in part. */
static size_t nonsense(uint64_t *state, char *text, size_t size)
{
	static const char *const pieces[] = {
		MAP_1,
		MAP_2,
		"Referenced: 8 kB\n",
		"Referenced: 99999999999999999999999 kB\n",
		"Referenced:\n",
		"VmFlags: ht\n",
		"VmFlags:",
		"\n",
		"00010000-",
		" rw-s ",
		"ffffffffffff0000-fffffffffffff000 rw-s 00000000 00:01 77 /x\n",
		"00010000-00013000 rw-s 00003000 00:01 77 /SYSV\n",
		"00000000-fffffffffffff000 rw-s 00000000 00:01 77 \n",
		"0-1000 -w-s 0 ffffffff:ffffffff 18446744073709551615",
	};
	size_t used = 0;

	while (used < size - 128 && t_random(state) % 64) {
		uint64_t what = t_random(state) % (sizeof(pieces) / sizeof(pieces[0]) + 2);

		if (what < sizeof(pieces) / sizeof(pieces[0])) {
			memcpy(text + used, pieces[what], strlen(pieces[what]));
			used += strlen(pieces[what]);
		} else if (t_random(state) % 32) {
			text[used++] = (char)t_random(state);
		} else {
			/* a line longer than any buffer */
			size_t many = t_random(state) % 20000;

			many = many < size - 128 - used ? many : size - 128 - used;
			memset(text + used, 'x', many);
			used += many;
		}
	}
	return used;
}

T_CASE(nonsense_does_no_harm)
{
	static char text[1 << 16];
	uint64_t state = t_seed();
	struct tacho_refs *refs[3] = { NULL, NULL, NULL };
	struct fake fake;

	if (!fake_open(&fake, true))
		return;
	fake_text(&fake, "idle", "nothing that is long");
	T_EQ(fake_refs(&refs[0], &fake, TACHO_REFS_CLEAR), 0);
	T_EQ(fake_refs(&refs[1], &fake, TACHO_REFS_SOFT_DIRTY), 0);
	T_EQ(fake_refs(&refs[2], &fake, TACHO_REFS_AUTO), 0);
	for (int i = 0; i < 3 && refs[i]; i++)
		T_EQ(tacho_refs_set(refs[i], fake_tasks, 2), 0);
	for (int round = 0; round < 150; round++) {
		const char *const names[] = { "1/maps", "1/smaps", "2/maps", "2/smaps" };

		for (int i = 0; i < 4; i++)
			fake_write(&fake, names[i], text, nonsense(&state, text, sizeof(text)), 0,
				   O_TRUNC);
		fake_write(&fake, "1/pagemap", &state, 1 + state % 8, 0x10 * 8, O_TRUNC);
		for (int i = 0; i < 3 && refs[i]; i++) {
			struct found found = sample(refs[i]);

			T_OK(found.nr == 0 || found.nr == 2);
			T_EQ(tacho_refs_stats(refs[i])->tasks, 2);
		}
	}
	for (int i = 0; i < 3; i++)
		tacho_refs_close(refs[i]);
	fake_close(&fake);
}

T_MAIN
