// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_kernel_irq.c: interrupts, soft interrupts and locks, as the kernel component tells them, against
 * what the kernel counts itself (/proc/interrupts, /proc/softirqs), and against a lock whose holder
 * we are.
 *
 * The kernel's counts are read before and after the rows are: with what came in between they are a
 * range for the number of rows. Waits for a lock are told exactly.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kactor.h"

#define VECTORS 256

struct counts {
	uint64_t of[VECTORS];
};

/* The sum of the columns of one line behind its colon. */
static uint64_t line_sum(const char *text)
{
	uint64_t sum = 0;
	char *end;

	for (;;) {
		unsigned long value = strtoul(text, &end, 10);

		if (end == text)
			return sum;
		sum += value;
		text = end;
	}
}

/* By number; softirqs in the order of the file, which is that of their vectors. */
static void counts_read(struct counts *counts, const char *path)
{
	static char line[1 << 16];
	FILE *file = fopen(path, "re");
	unsigned n = 0;
	char *colon, *end;

	memset(counts, 0, sizeof(*counts));
	while (file && fgets(line, sizeof(line), file)) {
		unsigned long vector = strtoul(line, &end, 10);

		colon = strchr(line, ':');
		if (!colon)
			continue;
		if (end != colon)
			vector = strstr(path, "softirqs") ? n++ : VECTORS;
		if (vector < VECTORS)
			counts->of[vector] = line_sum(colon + 1);
	}
	if (file)
		fclose(file);
}

struct tally {
	uint32_t event;
	uint64_t rows[VECTORS];
	uint64_t ns;
	uint64_t wrong; /* rows that cannot be */
};

static int count_row(void *arg, const struct tacho_row *row)
{
	struct tally *tally = arg;

	if (row->event != tally->event || row->correspondent >= VECTORS ||
	    row->counter > 10000000000u || row->domain == TACHO_NONE) {
		tally->wrong++;
		return 0;
	}
	tally->rows[row->correspondent]++;
	tally->ns += row->counter;
	return 0;
}

/* Something for every vector: timers, the disk, the loopback; bounded. */
static void provoke(int file)
{
	const struct timespec a_while = { 0, 500000 };
	static char buffer[4096];

	for (int i = 0; i < 200; i++) {
		nanosleep(&a_while, NULL);
		if (pwrite(file, buffer, sizeof(buffer), 0) > 0 && i % 20 == 0)
			fdatasync(file);
	}
}

/*
 * Not more rows than the kernel counted from before they could be written to after, for each vector:
 * nothing is told twice. Not many less than it counted from when they had to be written until they
 * had not: there are kernels that do not run programs in the interrupts of every task, and an empty
 * program that counts sees no more than ours.
 */
static void compare(uint32_t event, const char *path)
{
	struct counts before, inside, end, after;
	struct tally tally = { .event = event };
	char name[] = "/tmp/tacho-irq-XXXXXX";
	struct krig rig;
	const uint64_t slack = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t all = 0, counted = 0;
	int file;

	KRIG_NEED(krig_open(&rig, TACHO_BY_PROCESS));
	file = mkstemp(name);
	T_NEED(file >= 0);
	unlink(name);
	T_EQ(krig_log(&rig, event, 1 << 16), 0);
	counts_read(&before, path);
	T_EQ(krig_enable(&rig), 0);
	counts_read(&inside, path);
	provoke(file);
	counts_read(&end, path);
	T_EQ(tacho_kernel_disable(rig.kernel, &event, 1), 0);
	counts_read(&after, path);
	T_EQ(tacho_kernel_tend(rig.kernel, NULL),
	     0); /* what did not run inside itself is lost, too */
	krig_read(&rig, count_row, &tally);
	T_EQ(tally.wrong, 0);
	for (unsigned i = 0; i < VECTORS; i++) {
		all += tally.rows[i];
		counted += end.of[i] - inside.of[i];
		/* one for each CPU may be between its count and its row */
		if (tally.rows[i] <= after.of[i] - before.of[i] + slack)
			continue;
		T_FAIL("vector %u: %llu rows, the kernel counted %llu", i,
		       (unsigned long long)tally.rows[i],
		       (unsigned long long)(after.of[i] - before.of[i]));
	}
	printf("     %llu rows, the kernel counted %llu at least; %llu us\n",
	       (unsigned long long)all, (unsigned long long)counted,
	       (unsigned long long)tally.ns / 1000);
	T_OK(all > 0);
	T_OK(all + slack >= counted * 3 / 4);
	T_EQ(krig_lost(&rig), 0);
	krig_close(&rig);
	close(file);
}

T_CASE(soft_interrupts_are_those_of_the_kernel)
{
	compare(TACHO_K_SOFTIRQ, "/proc/softirqs");
}

T_CASE(interrupts_are_those_of_the_kernel)
{
	compare(TACHO_K_IRQ, "/proc/interrupts");
}

/* --- locks ------------------------------------------------------------------------------------ */

#define HELD_NS 50000000u
#define ROUNDS	3u

/* A thread that writes into the pipe a page that is not there: it has the pipe's mutex meanwhile. */
struct hold {
	int pipe_fd[2];
	char *page;
	int fault_fd;
	int has; /* the writer has the mutex */
	long reader; /* its thread id */
};

static void *hold_write(void *arg)
{
	struct hold *hold = arg;

	return write(hold->pipe_fd[1], hold->page, 4096) == 4096 ? NULL : hold;
}

/* Whether a thread sleeps in the kernel, not to be woken by a signal. */
static bool waits(long tid)
{
	char path[64], text[512] = "";
	const char *after;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%ld/stat", tid);
	file = fopen(path, "re");
	if (!file)
		return false;
	after = fgets(text, sizeof(text), file) ? strrchr(text, ')') : NULL;
	fclose(file);
	return after && after[2] == 'D';
}

/* The page comes when the reader has been waiting for the mutex for HELD_NS. */
static void *hold_release(void *arg)
{
	const struct timespec a_while = { 0, HELD_NS };
	struct hold *hold = arg;
	struct uffd_msg message;
	struct uffdio_zeropage zero = {
		.range = { (uintptr_t)hold->page, 4096 },
	};
	bool waited = false;

	if (read(hold->fault_fd, &message, sizeof(message)) != sizeof(message))
		return hold;
	tacho_store_release(&hold->has, 1);
	for (int i = 0; i < 5000 && !waited; i++) {
		usleep(1000);
		waited = waits(hold->reader);
	}
	nanosleep(&a_while, NULL);
	return ioctl(hold->fault_fd, UFFDIO_ZEROPAGE, &zero) || !waited ? hold : NULL;
}

static int hold_open(struct hold *hold)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	hold->fault_fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (hold->fault_fd < 0 || pipe(hold->pipe_fd))
		return -errno;
	hold->page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	range.range.start = (uintptr_t)hold->page;
	range.range.len = 4096;
	if (hold->page == MAP_FAILED || ioctl(hold->fault_fd, UFFDIO_API, &api) ||
	    ioctl(hold->fault_fd, UFFDIO_REGISTER, &range))
		return -errno;
	return 0;
}

/* told 0: no userfaultfd, an errno; 1: what was wrong; 2: ns waited, as the reader knows it */
static void wait_for_mutex(uint64_t *told, void *arg)
{
	void *bad_write, *bad_release;
	pthread_t writer, releaser;
	char buffer[4096];

	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct hold hold = { .reader = syscall(SYS_gettid) };
		uint64_t start;

		told[0] = (uint64_t)-hold_open(&hold);
		if (told[0])
			return;
		pthread_create(&releaser, NULL, hold_release, &hold);
		pthread_create(&writer, NULL, hold_write, &hold);
		while (!tacho_load_acquire(&hold.has))
			usleep(1000);
		start = t_now_ns();
		told[1] += read(hold.pipe_fd[0], buffer, sizeof(buffer)) != 4096;
		told[2] += t_now_ns() - start;
		pthread_join(writer, &bad_write);
		pthread_join(releaser, &bad_release);
		told[1] += bad_write != NULL || bad_release != NULL;
		munmap(hold.page, 4096);
		close(hold.fault_fd);
		close(hold.pipe_fd[0]);
		close(hold.pipe_fd[1]);
	}
}

T_CASE(waiting_for_a_mutex_is_told)
{
	uint64_t long_ones = 0, ns = 0;
	struct kactor actor;
	struct krig rig;

	KACTOR_NEED(kactor_start(&actor, &rig, wait_for_mutex, NULL));
	if (!kactor_has(&rig, TACHO_K_LOCK)) {
		kactor_end(&actor, &rig);
		T_SKIP("this kernel has no tracepoint contention_begin");
	}
	T_EQ(kactor_watch(&actor, &rig, TACHO_K_LOCK, 4096), 0);
	T_OK(kactor_run(&actor));
	kactor_read(&actor, &rig);
	for (size_t i = 0; i < actor.nr; i++) {
		if (actor.row[i].counter < HELD_NS)
			continue; /* short ones, of other locks */
		long_ones++;
		ns += actor.row[i].counter;
		T_OK(actor.row[i].correspondent != TACHO_NONE);
	}
	printf("     %llu waits of %llu us, the reader waited %llu us; %zu rows\n",
	       (unsigned long long)long_ones, (unsigned long long)ns / 1000,
	       (unsigned long long)actor.told[2] / 1000, actor.nr);
	if (actor.told[0]) {
		kactor_end(&actor, &rig);
		T_SKIP("no userfaultfd here: %s", strerror((int)actor.told[0]));
	}
	T_EQ(actor.told[1], 0);
	T_EQ(long_ones, ROUNDS);
	T_OK(ns <= actor.told[2]);
	T_EQ(krig_lost(&rig), 0);
	kactor_end(&actor, &rig);
}

T_MAIN
