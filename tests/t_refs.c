/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_refs.c: which pages of shared memory domains used.
 *
 * Real children map real memory and touch as many pages as they are told. Where a method promises
 * exact numbers, the numbers are exact (but see is_used). What only a pretended /proc can say is in
 * t_refs_fake.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/shm.h>

#include "sharers.h"

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
		T_OK(is_used(referenced(&found, A, B), 37));
		T_OK(is_used(referenced(&found, B, A), round));
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
	sample(refs);
	T_OK(tell(&child[0], OP_ALLOW, 0, 0) >= 0);
	found = sample(refs);
	T_EQ(found.nr, 2);
	/* what was written before the first sample that could see it is nobody's business */
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
			T_OK(is_used(referenced(&found, A, B), 30 + round));
			T_OK(is_used(referenced(&found, B, A), 64));
		}
	}
	/* in more pieces than one call of the kernel returns */
	tell(&child[0], OP_WRITE_OTHER, 0, PAGES / 2);
	found = sample(refs);
	T_EQ(written(&found, A, B), PAGES / 2);
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
		T_OK(is_used(referenced(&found, A, B), 30));
		T_EQ(written(&found, A, B), 20);
		T_OK(is_used(referenced(&found, B, A), round));
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
		T_OK(is_used(referenced(&found, A, B), 20));
		T_OK(is_used(referenced(&found, A, C), 20));
		T_OK(is_used(referenced(&found, B, A), 3));
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
		T_OK(is_used(referenced(&found, B, A), 4));
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
		T_OK(is_used(referenced(&found, A, B), 7));
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

T_MAIN
