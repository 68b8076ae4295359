// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_kernel_sched.c: processors and wake-ups, as the kernel component tells them, against what the
 * kernel and the processes themselves say: /proc/PID/schedstat, numbers of messages, perf, where a
 * task was put. Shares and counts, never a time.
 */
#include "kload.h"

/* --- truth ----------------------------------------------------------------------------------- */

/* ns on the CPU and ns waiting, of a task. */
static bool schedstat(pid_t pid, uint64_t *run, uint64_t *wait)
{
	char path[64];
	unsigned long long a, b;
	bool good;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	good = fscanf(file, "%llu %llu", &a, &b) == 2;
	fclose(file);
	*run = a;
	*wait = b;
	return good;
}

/* ns that the host took from a CPU of ours: schedstat leaves them out, a clock cannot. */
static uint64_t stolen_ns(int cpu)
{
	unsigned long long steal = 0;
	char line[256], name[16];
	FILE *file = fopen("/proc/stat", "re");
	size_t len = (size_t)snprintf(name, sizeof(name), "cpu%d ", cpu);

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, name, len) == 0)
			sscanf(line, "%*s %*u %*u %*u %*u %*u %*u %*u %llu", &steal);
	if (file)
		fclose(file);
	return steal * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

/* Until a stopped task has really left its CPU: only then is it charged, here and there. */
static void wait_off(pid_t pid)
{
	uint64_t run[2] = { 0, 1 }, wait;

	for (int i = 0; i < 100 && run[0] != run[1]; i++) {
		T_OK(schedstat(pid, &run[0], &wait));
		usleep(50000);
		T_OK(schedstat(pid, &run[1], &wait));
	}
}

struct sums {
	uint32_t domain;
	uint64_t service, wait;
};

static int row_sum(void *arg, const struct tacho_row *row)
{
	struct sums *sums = arg;

	if (row->domain != sums->domain)
		return 0;
	if (row->event == TACHO_K_CPU_SERVICE)
		sums->service += row->counter;
	else
		sums->wait += row->counter;
	return 0;
}

/* A child that has the CPU in turns with two others: started before, stopped before we look. */
T_CASE(service_is_schedstat)
{
	int cpu = cpus_online() - 1;
	uint64_t run[2], wait[2], stolen;
	struct sums sums = { 0 };
	struct krig rig;
	pid_t pid[3];
	double off;

	KRIG_NEED(krig_open(&rig, TACHO_BY_PROCESS));
	for (int i = 0; i < 3; i++)
		pid[i] = child(load_hog, &cpu);
	T_NEED(krig_log(&rig, TACHO_K_CPU_SERVICE, 1 << 16) == 0);
	T_NEED(krig_log(&rig, TACHO_K_CPU_WAIT, 1 << 16) == 0);
	usleep(50000);
	for (int i = 0; i < 3; i++) {
		kill(pid[i], SIGSTOP);
		wait_done(pid[i]);
		wait_off(pid[i]);
	}
	T_NEED(krig_enable(&rig) == 0);
	T_NEED(schedstat(pid[0], &run[0], &wait[0]));
	stolen = stolen_ns(cpu);
	for (int i = 0; i < 3; i++)
		kill(pid[i], SIGCONT);
	sums.domain = tacho_kernel_task_domain(rig.kernel, pid[0]);
	krig_watch(&rig, 2, row_sum, &sums);
	for (int i = 0; i < 3; i++) {
		kill(pid[i], SIGSTOP);
		wait_done(pid[i]);
		wait_off(pid[i]);
	}
	krig_watch(&rig, 0.05, row_sum, &sums);
	T_NEED(schedstat(pid[0], &run[1], &wait[1]));
	T_EQ(krig_lost(&rig), 0);
	off = (double)sums.service / (double)(run[1] - run[0]) - 1;
	printf("     service %.1f ms, schedstat %.1f ms: %+.3f %%; wait %.1f ms, schedstat %.1f ms\n",
	       (double)sums.service / 1e6, (double)(run[1] - run[0]) / 1e6, off * 100,
	       (double)sums.wait / 1e6, (double)(wait[1] - wait[0]) / 1e6);
	stolen = stolen_ns(cpu) - stolen;
	printf("     stolen by the host, from all on that CPU: %.0f ms\n", (double)stolen / 1e6);
	T_OK(off > -0.01);
	T_OK((double)sums.service < 1.01 * (double)(run[1] - run[0]) + (double)stolen);
	T_OK((double)sums.wait > 0.95 * (double)(wait[1] - wait[0]) &&
	     (double)sums.wait < 1.05 * (double)(wait[1] - wait[0]) + 1e6);
	for (int i = 0; i < 3; i++)
		reap(pid[i]);
	krig_close(&rig);
}

/* --- wake-ups -------------------------------------------------------------------------------- */

#define MESSAGES 500

struct talk {
	int in, out;
	int cpu;
	bool first;
};

static void talk(void *arg)
{
	const struct sched_param fifo = { .sched_priority = 1 }; /* who is woken takes its turn */
	struct talk *who = arg;
	char byte = 0;

	pin(who->cpu);
	sched_setscheduler(0, SCHED_FIFO, &fifo);
	for (int i = 0; i < MESSAGES; i++) {
		if (who->first && write(who->out, &byte, 1) != 1)
			_exit(1);
		if (read(who->in, &byte, 1) != 1)
			_exit(1);
		if (!who->first && write(who->out, &byte, 1) != 1)
			_exit(1);
	}
	done();
}

struct pairs {
	uint32_t a, b;
	uint64_t ab, ba, to_b; /* rows a to b, b to a, anybody to b */
};

static int row_pair(void *arg, const struct tacho_row *row)
{
	struct pairs *pairs = arg;

	pairs->ab += row->domain == pairs->a && row->correspondent == pairs->b;
	pairs->ba += row->domain == pairs->b && row->correspondent == pairs->a;
	pairs->to_b += row->correspondent == pairs->b;
	return 0;
}

/* Two processes in turns on one CPU: each message wakes the other, and nobody else does. */
T_CASE(a_pipe_is_who_wakes_whom)
{
	int to[2], from[2], cpu = cpus_online() - 1;
	struct talk a, b;
	struct pairs pairs = { 0 };
	struct krig rig;
	pid_t pid[2];

	KRIG_NEED(krig_open(&rig, TACHO_BY_PROCESS));
	T_NEED(pipe(to) == 0 && pipe(from) == 0);
	a = (struct talk){ from[0], to[1], cpu, true };
	b = (struct talk){ to[0], from[1], cpu, false };
	T_NEED(krig_log(&rig, TACHO_K_IPC_WAKE, 1 << 16) == 0);
	pid[1] = child(talk, &b); /* waits */
	usleep(50000);
	T_NEED(krig_enable(&rig) == 0);
	pid[0] = child(talk, &a);
	wait_done(pid[0]);
	wait_done(pid[1]);
	T_EQ(tacho_kernel_tend(rig.kernel, NULL), 0);
	pairs.a = tacho_kernel_task_domain(rig.kernel, pid[0]);
	pairs.b = tacho_kernel_task_domain(rig.kernel, pid[1]);
	T_OK(pairs.a != pairs.b && pairs.a != TACHO_NONE && pairs.b != TACHO_NONE);
	krig_read(&rig, row_pair, &pairs);
	printf("     %d messages: %llu and %llu wake-ups\n", MESSAGES, (unsigned long long)pairs.ab,
	       (unsigned long long)pairs.ba);
	T_EQ(pairs.ab, MESSAGES);
	T_EQ(pairs.ba, MESSAGES);
	for (int i = 0; i < 2; i++)
		reap(pid[i]);
	krig_close(&rig);
}

/* Start perf on a task, in a place of its own for tracefs. Its output comes through the pipe. */
static pid_t perf_start(pid_t task, int *output)
{
	char number[16];
	int ends[2];
	pid_t pid;

	snprintf(number, sizeof(number), "%d", task);
	if (pipe(ends))
		return -1;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(ends[1], STDERR_FILENO);
		dup2(ends[1], STDOUT_FILENO);
		if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
			_exit(126);
		/* it may be mounted already */
		(void)mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
		execlp("perf", "perf", "stat", "-x,", "-e", "sched:sched_waking", "-p", number,
		       NULL);
		_exit(127);
	}
	close(ends[1]);
	*output = ends[0];
	return pid;
}

/* The count in what perf prints, or -1. */
static long perf_stop(pid_t pid, int output)
{
	char text[512] = "";
	ssize_t len;

	kill(pid, SIGINT);
	len = read(output, text, sizeof(text) - 1);
	close(output);
	waitpid(pid, NULL, 0);
	return len > 0 && strstr(text, "sched_waking") ? strtol(text, NULL, 10) : -1;
}

struct waker {
	uint32_t domain;
	uint64_t wakes;
};

static int row_by(void *arg, const struct tacho_row *row)
{
	struct waker *by = arg;

	by->wakes += row->domain == by->domain;
	return 0;
}

/*
 * Wake-ups by a task, counted by perf and by us. perf also counts what interrupts wake while it has the
 * CPU; by us that is nobody's.
 */
T_CASE(wakes_are_those_of_perf)
{
	int to[2], from[2], output = -1, cpu = cpus_online() - 1;
	struct waker by = { 0 };
	struct talk a, b;
	struct krig rig;
	pid_t pid[2], perf;
	long count;

	KRIG_NEED(krig_open(&rig, TACHO_BY_PROCESS));
	T_NEED(pipe(to) == 0 && pipe(from) == 0);
	a = (struct talk){ from[0], to[1], cpu, true };
	b = (struct talk){ to[0], from[1], cpu, false };
	T_NEED(krig_log(&rig, TACHO_K_IPC_WAKE, 1 << 16) == 0);
	pid[1] = child(talk, &b); /* waits */
	perf = perf_start(pid[1], &output);
	usleep(500000);
	T_NEED(krig_enable(&rig) == 0);
	pid[0] = child(talk, &a);
	wait_done(pid[0]);
	wait_done(pid[1]);
	T_EQ(tacho_kernel_tend(rig.kernel, NULL), 0);
	by.domain = tacho_kernel_task_domain(rig.kernel, pid[1]);
	krig_read(&rig, row_by, &by);
	count = perf_stop(perf, output);
	for (int i = 0; i < 2; i++)
		reap(pid[i]);
	krig_close(&rig);
	if (count < 0)
		T_SKIP("perf does not count sched_waking here");
	printf("     %ld by perf, %llu rows\n", count, (unsigned long long)by.wakes);
	T_OK(by.wakes >= MESSAGES);
	T_OK((long)by.wakes <= count);
	T_OK(count <= (long)by.wakes + (long)by.wakes / 20 + 20);
}

struct datagrams {
	int sock;
	struct sockaddr_in to;
	int cpu;
};

static void datagrams_send(void *arg)
{
	struct datagrams *who = arg;
	char byte = 0;

	pin(who->cpu);
	for (int i = 0; i < MESSAGES; i++) {
		if (sendto(who->sock, &byte, 1, 0, (struct sockaddr *)&who->to, sizeof(who->to)) !=
		    1)
			_exit(1);
		usleep(500); /* until it has read it, and sleeps again */
	}
	done();
}

static void datagrams_receive(void *arg)
{
	struct datagrams *who = arg;
	char byte;

	pin(who->cpu);
	for (;;)
		if (recv(who->sock, &byte, 1, 0) != 1)
			_exit(1);
}

/*
 * Loopback delivers in a soft interrupt; its wake-ups are the sender's, also while a hog is what is
 * interrupted, and the sender's own sleeps end by a timer: that is nobody's.
 */
T_CASE(loopback_is_the_senders_and_timers_are_nobodys)
{
	struct datagrams receiver = { .cpu = cpus_online() - 1 }, sender;
	socklen_t size = sizeof(sender.to);
	struct pairs pairs = { 0 };
	struct krig rig;
	pid_t pid[3];

	KRIG_NEED(krig_open(&rig, TACHO_BY_PROCESS));
	receiver.sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	sender = receiver;
	sender.cpu = 0;
	sender.to.sin_family = AF_INET;
	sender.to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	T_NEED(bind(receiver.sock, (struct sockaddr *)&sender.to, sizeof(sender.to)) == 0);
	T_NEED(getsockname(receiver.sock, (struct sockaddr *)&sender.to, &size) == 0);
	sender.sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	T_NEED(krig_log(&rig, TACHO_K_IPC_WAKE, 1 << 16) == 0);
	pid[2] = child(load_hog, &sender.cpu);
	pid[1] = child(datagrams_receive, &receiver);
	usleep(50000);
	T_NEED(krig_enable(&rig) == 0);
	pid[0] = child(datagrams_send, &sender);
	wait_done(pid[0]);
	T_EQ(tacho_kernel_tend(rig.kernel, NULL), 0);
	pairs.a = tacho_kernel_task_domain(rig.kernel, pid[0]);
	pairs.b = tacho_kernel_task_domain(rig.kernel, pid[1]);
	krig_read(&rig, row_pair, &pairs);
	printf("     %d datagrams: %llu wake-ups by the sender of %llu\n", MESSAGES,
	       (unsigned long long)pairs.ab, (unsigned long long)pairs.to_b);
	T_OK(pairs.ab > 0 && pairs.ab <= MESSAGES);
	T_EQ(pairs.to_b, pairs.ab); /* nobody else: not the hog */
	T_EQ(pairs.ba, 0);
	/* what ends the sender's sleep is a timer, also where it interrupts the hog */
	pairs = (struct pairs){ .a = tacho_kernel_task_domain(rig.kernel, pid[2]), .b = pairs.a };
	krig_rewind(&rig);
	krig_read(&rig, row_pair, &pairs);
	T_EQ(pairs.ab, 0);
	T_OK(pairs.to_b < 5); /* the thread that moved it to its CPU */
	for (int i = 0; i < 3; i++)
		reap(pid[i]);
	close(receiver.sock);
	close(sender.sock);
	krig_close(&rig);
}

/* --- the rest -------------------------------------------------------------------------------- */

struct moves {
	uint32_t domain;
	uint64_t there, back;
};

static int row_move(void *arg, const struct tacho_row *row)
{
	struct moves *moves = arg;

	if (row->domain == moves->domain) {
		moves->there += row->counter == 1;
		moves->back += row->counter == 1ull << 32;
	}
	return 0;
}

static void load_moves(void *arg)
{
	char byte;

	pin(0);
	if (read(*(int *)arg, &byte, 1) == 1)
		for (int i = 0; i < 50; i++)
			pin((i + 1) & 1);
	done();
}

T_CASE(migrations_say_from_and_to)
{
	struct moves moves = { 0 };
	struct krig rig;
	int start[2];
	pid_t pid;

	if (cpus_online() < 2)
		T_SKIP("one CPU: nowhere to go");
	T_NEED(pipe(start) == 0);
	KRIG_NEED(krig_open(&rig, TACHO_BY_PROCESS));
	T_NEED(krig_log(&rig, TACHO_K_CPU_MIGRATE, 1 << 12) == 0);
	pid = child(load_moves, &start[0]);
	usleep(50000);
	T_NEED(krig_enable(&rig) == 0);
	T_NEED(write(start[1], "", 1) == 1);
	wait_done(pid);
	moves.domain = tacho_kernel_task_domain(rig.kernel, pid);
	krig_read(&rig, row_move, &moves);
	T_EQ(moves.there, 25);
	T_EQ(moves.back, 25);
	reap(pid);
	krig_close(&rig);
}

static int row_runq(void *arg, const struct tacho_row *row)
{
	uint64_t *count = arg;

	if ((int)row->cpu == cpus_online() - 1)
		count[row->counter > 3 ? 3 : row->counter]++;
	return 0;
}

T_CASE(three_hogs_are_three_runnable_tasks)
{
	int cpu = cpus_online() - 1;
	uint64_t count[4] = { 0 };
	struct krig rig;
	pid_t pid[3];

	KRIG_NEED(krig_open(&rig, TACHO_BY_PROCESS));
	T_NEED(krig_log(&rig, TACHO_K_CPU_RUNQ, 1 << 12) == 0);
	for (int i = 0; i < 3; i++)
		pid[i] = child(load_hog, &cpu);
	usleep(50000);
	T_NEED(krig_enable(&rig) == 0);
	usleep(500000);
	krig_read(&rig, row_runq, count);
	printf("     samples: %llu with fewer, %llu with three or more\n",
	       (unsigned long long)(count[0] + count[1] + count[2]), (unsigned long long)count[3]);
	T_OK(count[3] > 100);
	T_OK(count[3] > 10 * (count[0] + count[1] + count[2]));
	for (int i = 0; i < 3; i++)
		reap(pid[i]);
	krig_close(&rig);
}

#define PAGES 4000

struct toucher {
	int start; /* a pipe: end of file says go */
	char *memory;
};

static void load_faults(void *arg)
{
	struct toucher *who = arg;
	char byte;

	if (read(who->start, &byte, 1) == 1)
		for (int i = 0; i < PAGES; i++)
			who->memory[i * 4096] = 1;
	done();
}

static int row_count(void *arg, const struct tacho_row *row)
{
	struct sums *sums = arg;

	if (row->domain == sums->domain)
		sums->service += row->counter;
	return 0;
}

/* A counter that is there without hardware, and a load that knows what it must say. */
T_CASE(a_software_counter_counts_page_faults)
{
	struct tacho_kernel_options options = { .counters = { NULL, "page-faults" } };
	struct toucher who;
	struct sums sums = { 0 };
	struct krig rig;
	int start[2];
	pid_t pid;

	who.memory = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	T_NEED(who.memory != MAP_FAILED && pipe(start) == 0);
	madvise(who.memory, PAGES * 4096, MADV_NOHUGEPAGE);
	who.start = start[0];
	KRIG_NEED(krig_open_with(&rig, &options));
	T_NEED(krig_log(&rig, TACHO_K_CPU_PMC1, 1 << 14) == 0);
	pid = child(load_faults, &who);
	usleep(50000);
	T_NEED(krig_enable(&rig) == 0);
	T_NEED(write(start[1], "", 1) == 1);
	wait_done(pid);
	wait_off(pid);
	sums.domain = tacho_kernel_task_domain(rig.kernel, pid);
	krig_read(&rig, row_count, &sums);
	printf("     %d pages touched, %llu faults counted\n", PAGES,
	       (unsigned long long)sums.service);
	T_OK(sums.service >= PAGES && sums.service < PAGES + 100);
	reap(pid);
	munmap(who.memory, PAGES * 4096);
	krig_close(&rig);
}

/* While nothing is enabled nobody follows tasks: what is born then is bound when it begins again. */
T_CASE(off_and_on_again)
{
	struct sums sums = { 0 };
	struct krig rig;
	pid_t pid[2];

	KRIG_NEED(krig_open(&rig, TACHO_BY_PROCESS));
	T_NEED(krig_log(&rig, TACHO_K_CPU_SERVICE, 1 << 16) == 0);
	T_NEED(krig_enable(&rig) == 0);
	pid[0] = child(load_hog, NULL);
	krig_watch(&rig, 0.2, row_sum, &sums);
	T_EQ(tacho_kernel_disable(rig.kernel, rig.event, rig.nr), 0);
	pid[1] = child(load_hog, NULL);
	usleep(100000);
	T_NEED(krig_enable(&rig) == 0);
	for (int i = 0; i < 2; i++) {
		sums = (struct sums){ .domain = tacho_kernel_task_domain(rig.kernel, pid[i]) };
		T_OK(sums.domain >= TACHO_DOMAIN_FIRST && sums.domain != TACHO_NONE);
		/* who has a CPU for himself is written down when he leaves it, which may take a while */
		for (int k = 0; k < 20 && !sums.service; k++)
			krig_watch(&rig, 0.3, row_sum, &sums);
		T_OK(sums.service > 0);
	}
	T_EQ(krig_lost(&rig), 0);
	for (int i = 0; i < 2; i++)
		reap(pid[i]);
	krig_close(&rig);
}

T_MAIN
