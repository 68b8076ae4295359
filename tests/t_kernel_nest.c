// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_kernel_nest.c: programs that run inside others, on the same CPU, into the same log.
 *
 * Timers, packets, page faults and system calls at once, all of their events in one log. Every row is
 * looked at: whole, of an event that was routed, with a domain that there is and a counter that can be;
 * later than the row before, unless that one was written by an interrupt. What could not be written
 * is counted: positions are rows read and rows lost, and the calls of a child that knows how many it
 * made are rows read, rows overwritten, or in the counts of losses.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "krig.h"
#include "t.h"

#define AT_LEAST 2u /* s; and on until a program was inside another one, but not longer than */
#define AT_MOST	 20u
#define SECOND	 UINT64_C(1000000000)
#define LOADS	 6
#define TIMERS	 64
#define SPAN_MAX 20000000000u /* ns; a machine with many guests stands still now and then */

/* --- loads ----------------------------------------------------------------------------------- */

static uint64_t *made; /* calls of load_calls, shared with it */

static void load_calls(void)
{
	for (;;) {
		syscall(SYS_getppid);
		tacho_store_relaxed(made, *made + 1);
	}
}

static void nothing(int signal)
{
	(void)signal;
}

/* Interrupts: a signal each 100 us of this one's time, and many timers. */
static void load_timers(void)
{
	const struct itimerval often = { { 0, 100 }, { 0, 100 } };
	int timer[TIMERS];
	uint64_t count;

	signal(SIGALRM, nothing);
	for (int i = 0; i < TIMERS; i++) {
		const struct itimerspec when = { { 0, 200000 + i * 7919 }, { 0, 100000 } };

		timer[i] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
		timerfd_settime(timer[i], 0, &when, NULL);
	}
	setitimer(ITIMER_REAL, &often, NULL);
	for (;;)
		for (int i = 0; i < TIMERS; i++)
			if (read(timer[i], &count, sizeof(count)) < 0)
				syscall(SYS_getuid);
}

/* Packets to ourselves and back. */
static void load_packets(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int from = socket(AF_INET, SOCK_DGRAM, 0), to = socket(AF_INET, SOCK_DGRAM, 0);
	char buffer[512] = { 0 };

	if (bind(from, (struct sockaddr *)&address, sizeof(address)) ||
	    getsockname(from, (struct sockaddr *)&address, &size) ||
	    connect(to, (struct sockaddr *)&address, sizeof(address)))
		_exit(0);
	for (;;)
		if (send(to, buffer, sizeof(buffer), 0) > 0 &&
		    recv(from, buffer, sizeof(buffer), 0) < 0)
			_exit(0);
}

static void load_memory(void)
{
	for (;;) {
		char *memory = mmap(NULL, 64 * 4096, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		for (int i = 0; memory != MAP_FAILED && i < 64; i++)
			memory[i * 4096] = 1;
		munmap(memory, 64 * 4096);
	}
}

static void load_pipe(void)
{
	char buffer[64] = { 0 };
	int to[2], back[2];

	if (pipe(to) || pipe(back))
		_exit(1);
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (read(to[0], buffer, sizeof(buffer)) > 0)
			if (write(back[1], buffer, sizeof(buffer)) < 0)
				break;
		_exit(0);
	}
	while (write(to[1], buffer, sizeof(buffer)) > 0)
		if (read(back[0], buffer, sizeof(buffer)) < 0)
			break;
}

static pid_t load_start(void (*fn)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		raise(SIGSTOP);
		fn();
		_exit(0);
	}
	waitpid(pid, NULL, WUNTRACED);
	return pid;
}

/* --- rows ------------------------------------------------------------------------------------ */

/*
 * Without cpu.service each row is charged by looking up its task, so that the calls of a child can be
 * counted exactly; with it, to who was switched to last, and a switch may be among what is lost.
 */
static const uint32_t events[] = {
	TACHO_K_SYSCALL,  TACHO_K_IRQ,	      TACHO_K_SOFTIRQ,	 TACHO_K_IPC_WAKE,
	TACHO_K_NET_TX,	  TACHO_K_NET_RX,     TACHO_K_MEM_RSS,	 TACHO_K_LOCK,
	TACHO_K_IPC_PIPE, TACHO_K_IPC_SOCKET, TACHO_K_MEM_FAULT, TACHO_K_CPU_WAIT,
};
#define EVENTS (sizeof(events) / sizeof(events[0]))

struct check {
	struct tacho_row last[KRIG_CPUS];
	uint64_t rows[TACHO_K_NR];
	uint64_t all;
	uint64_t inner; /* rows between the look at the clock and the row of another program */
	uint64_t calls; /* of the child that knows */
	uint64_t start_ns;
	uint32_t domain; /* of that child */
	uint32_t nr_domains;
	int told; /* of failures */
};

static void row_bad(struct check *check, const struct tacho_row *row, const char *what)
{
	if (check->told++ < 10)
		T_FAIL("row %llu of CPU %u: %s: event %u, domain %u, %u, %llu, %llu ns",
		       (unsigned long long)row->pos, row->cpu, what, row->event, row->domain,
		       row->correspondent, (unsigned long long)row->counter,
		       (unsigned long long)row->time);
}

static bool row_can_be(const struct tacho_row *row, uint32_t nr_domains)
{
	const uint64_t counter = row->counter;
	const uint32_t data = row->correspondent;

	switch (row->event) {
	case TACHO_K_SYSCALL:
		return data < 1024 && counter < SPAN_MAX;
	case TACHO_K_IRQ:
		return data < 4096 && counter < SPAN_MAX;
	case TACHO_K_SOFTIRQ:
		return data < 16 && counter < SPAN_MAX;
	case TACHO_K_IPC_WAKE:
		return data < nr_domains && data != row->domain && counter == 1;
	case TACHO_K_NET_TX:
	case TACHO_K_NET_RX:
		return data < 1000000 && counter > 0 && counter <= 1 << 20;
	case TACHO_K_MEM_RSS:
		return data < 4 && counter < UINT64_C(1) << 40;
	case TACHO_K_LOCK:
		return counter < SPAN_MAX;
	case TACHO_K_IPC_PIPE:
	case TACHO_K_IPC_SOCKET:
		return data < 2 && counter > 0 && counter <= 1u << 31;
	case TACHO_K_MEM_FAULT:
		return counter == 1;
	case TACHO_K_CPU_WAIT:
		return data == TACHO_NONE && counter < SPAN_MAX;
	default:
		return false;
	}
}

/* What an interrupt may log in the middle of another row. */
static bool row_is_inner(const struct tacho_row *row)
{
	return row->event == TACHO_K_IRQ || row->event == TACHO_K_SOFTIRQ ||
	       row->event == TACHO_K_IPC_WAKE || row->event == TACHO_K_NET_TX ||
	       row->event == TACHO_K_LOCK;
}

static int check_row(void *arg, const struct tacho_row *row)
{
	struct check *check = arg;
	struct tacho_row *last = &check->last[row->cpu];

	check->all++;
	if (!row_can_be(row, check->nr_domains) || row->domain >= check->nr_domains)
		row_bad(check, row, "cannot be");
	else
		check->rows[row->event]++;
	if (row->time < check->start_ns || row->time > krig_now())
		row_bad(check, row, "not of this time");
	if (last->pos + 1 == row->pos && row->time < last->time) {
		check->inner++;
		if (!row_is_inner(last))
			row_bad(check, row, "earlier than the row before");
	}
	if (row->event == TACHO_K_SYSCALL && row->domain == check->domain &&
	    row->correspondent == SYS_getppid)
		check->calls++;
	*last = *row;
	return 0;
}

/* Behind the entries of a row of 28 bytes there are four that nobody writes. */
static void check_padding(const struct krig *rig, uint32_t cpu)
{
	struct tacho_window window;
	uint32_t left;

	T_EQ(tacho_window_open(&window, &rig->cursor[0][cpu], &rig->view), 0);
	for (uint64_t i = 0; i <= window.row_mask; i++) {
		memcpy(&left, window.rows + i * window.row_size + 28, sizeof(left));
		T_EQ(left, 0);
	}
}

static uint64_t position(const struct krig *rig, uint32_t cpu)
{
	const struct tacho_area *h = &rig->view.header;
	const unsigned char *control = rig->view.base + h->parts_off + cpu * h->part_stride +
				       TACHO_CONTROLS_OFF +
				       rig->log[0] * sizeof(struct tacho_control);

	return tacho_entry_u64(control);
}

static uint64_t lost_of(const struct krig *rig, uint32_t reason)
{
	uint64_t lost = 0;

	for (uint32_t cpu = 0; cpu < rig->view.header.nr_cpus; cpu++)
		lost += tacho_view_lost(&rig->view, cpu, reason);
	return lost;
}

/* All events that this kernel has, into one log of so many rows. */
static int route_all(struct krig *rig, uint32_t rows, uint32_t *ids, size_t *nr)
{
	struct tacho_memory *memory = tacho_kernel_memory(rig->kernel);
	int error = krig_log(rig, events[0], rows);

	*nr = 0;
	for (size_t i = 0; i < EVENTS && !error; i++) {
		if (!tacho_kernel_events(rig->kernel)[events[i]].kind)
			continue;
		ids[(*nr)++] = events[i];
		error = tacho_memory_route(memory, events[i], TACHO_NONE, rig->log[0], 1);
	}
	return error;
}

/* Until programs were inside of others, within bounds. */
static void watch(struct krig *rig, struct check *check)
{
	uint64_t ns;

	do {
		usleep(1000);
		krig_read(rig, check_row, check);
		ns = krig_now() - check->start_ns;
	} while (ns < AT_LEAST * SECOND ||
		 (!lost_of(rig, TACHO_LOST_BUSY) && !check->inner && ns < AT_MOST * SECOND));
}

/* Nothing writes any more: what there is, and what there should be. */
static void judge(struct krig *rig, const struct check *check)
{
	const uint64_t busy = lost_of(rig, TACHO_LOST_BUSY);
	const uint64_t nested = lost_of(rig, TACHO_LOST_NESTED);
	uint64_t overwritten = 0;

	for (uint32_t cpu = 0; cpu < rig->view.header.nr_cpus; cpu++) {
		const struct tacho_cursor *cursor = &rig->cursor[0][cpu];

		T_EQ(cursor->resets, 0);
		T_EQ(cursor->rows + cursor->lost, position(rig, cpu));
		overwritten += cursor->lost;
		check_padding(rig, cpu);
	}
	printf("     rows %llu, overwritten %llu, busy %llu, nested %llu, inside of others %llu\n",
	       (unsigned long long)check->all, (unsigned long long)overwritten,
	       (unsigned long long)busy, (unsigned long long)nested,
	       (unsigned long long)check->inner);
	for (uint32_t id = 0; id < TACHO_K_NR; id++)
		if (check->rows[id])
			printf("     %-12s %llu\n", tacho_kernel_events(rig->kernel)[id].name,
			       (unsigned long long)check->rows[id]);
	T_EQ(lost_of(rig, TACHO_LOST_LAYOUT), 0);
	T_OK(busy + nested + check->inner > 0);
	T_OK(check->calls <= *made + 1); /* it was killed between two */
	T_OK(check->calls + overwritten + busy + nested >= *made);
}

static void nest(uint32_t rows)
{
	static void (*const loads[LOADS])(void) = { load_calls,	  load_timers, load_packets,
						    load_packets, load_memory, load_pipe };
	const struct tacho_kernel_options options = { .by = TACHO_BY_PROCESS,
						      .rows_size = 9u << 20 };
	static struct check check;
	uint32_t ids[EVENTS];
	pid_t pid[LOADS];
	struct krig rig;
	size_t nr;

	KRIG_NEED(krig_open_with(&rig, &options));
	made = mmap(NULL, sizeof(*made), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	T_NEED(made != MAP_FAILED);
	for (int i = 0; i < LOADS; i++)
		pid[i] = load_start(loads[i]);
	memset(&check, 0, sizeof(check));
	check.nr_domains = rig.view.header.nr_domains;
	check.start_ns = krig_now();
	T_EQ(route_all(&rig, rows, ids, &nr), 0);
	T_EQ(tacho_kernel_enable(rig.kernel, ids, nr), 0);
	check.domain = tacho_kernel_task_domain(rig.kernel, pid[0]);
	for (int i = 0; i < LOADS; i++)
		kill(pid[i], SIGCONT);
	watch(&rig, &check);
	for (int i = 0; i < LOADS; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
	T_EQ(tacho_kernel_disable(rig.kernel, ids, nr), 0);
	T_EQ(tacho_kernel_tend(rig.kernel, NULL), 0);
	krig_read(&rig, check_row, &check);
	judge(&rig, &check);
	munmap(made, sizeof(*made));
	krig_close(&rig);
}

T_CASE(rows_of_one_small_log_stay_whole)
{
	nest(64);
}

T_CASE(rows_of_one_large_log_are_all_there)
{
	nest(1 << 18);
}

T_MAIN
