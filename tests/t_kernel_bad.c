// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_kernel_bad.c: a session that writes nonsense into its map hurts itself and nobody else.
 *
 * All of the map is scribbled over, header, tables and parts, from random bytes to settings that look
 * nearly right, while every event fires. Another session with an area of its own must count each
 * system call of a child exactly, the programs stay loaded, the kernel says nothing in its log, and
 * the bad session can be disabled, enabled and closed as ever. The seed is printed.
 */
#include <fcntl.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>

#include <tacho/validate.h>

#include "kactor.h"

#define ROUNDS 400 /* of the child that is counted */
#define CALLS  100 /* in each of them */

/* --- loads ----------------------------------------------------------------------------------- */

static void counted_calls(uint64_t *told, void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		for (int k = 0; k < CALLS; k++)
			told[0] += syscall(SYS_getppid) > 0;
		usleep(5000);
	}
}

/* Switches, wake-ups, bytes through a pipe. */
static void load_pipes(void)
{
	int to[2], from[2];
	char byte = 0;

	if (pipe(to) || pipe(from))
		_exit(1);
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (read(to[0], &byte, 1) == 1 && write(from[1], &byte, 1) == 1)
			;
		_exit(0);
	}
	while (write(to[1], &byte, 1) == 1 && read(from[0], &byte, 1) == 1)
		;
}

/* Tasks that come and go, and faults. */
static void load_forks(void)
{
	for (;;) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
		usleep(500);
	}
}

static void load_calls(void)
{
	for (;;)
		syscall(SYS_getppid);
}

static pid_t load_start(void (*fn)(void))
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fn();
		_exit(0);
	}
	return pid;
}

static void load_end(pid_t pid)
{
	if (pid > 0 && kill(pid, SIGKILL) == 0)
		waitpid(pid, NULL, 0);
}

/* --- nonsense -------------------------------------------------------------------------------- */

struct scribbler {
	unsigned char *base;
	struct tacho_area h; /* as it was made */
	uint64_t state; /* of the random numbers */
	uint32_t stop;
	uint64_t written; /* strokes */
};

static uint64_t below(struct scribbler *s, uint64_t n)
{
	return t_random(&s->state) % n;
}

static unsigned char *part_of(struct scribbler *s)
{
	return s->base + s->h.parts_off + below(s, s->h.nr_cpus) * s->h.part_stride;
}

/* Random words over [at, at + size). */
static void smear(struct scribbler *s, unsigned char *at, uint64_t size)
{
	uint64_t word, i;

	for (i = 0; i + sizeof(word) <= size; i += sizeof(word)) {
		word = t_random(&s->state);
		memcpy(at + i, &word, sizeof(word));
	}
}

/* A control register whose fields are right, nearly right, or at a limit. */
static void control_bend(struct scribbler *s)
{
	static const uint32_t limits[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff };
	struct tacho_control control = {
		.pos = t_random(&s->state) >> below(s, 64),
		.rows_off = (uint32_t)below(s, 2ull * s->h.body_size),
		.row_mask = (1u << below(s, 32)) - 1,
		.layout = (uint32_t)below(s, 512),
		.lock = (uint32_t)below(s, 4) == 0,
		.event = TACHO_NONE,
		.domain = TACHO_NONE,
	};

	if (below(s, 3) == 0)
		control.rows_off = limits[below(s, 5)];
	if (below(s, 3) == 0)
		control.row_mask = limits[below(s, 5)];
	if (below(s, 8) == 0)
		control.rows_off = s->h.body_size - (uint32_t)below(s, 64);
	memcpy(part_of(s) + TACHO_CONTROLS_OFF + below(s, s->h.nr_logs) * sizeof(control), &control,
	       sizeof(control));
}

/* Routes of all domains of an event, to any log, to none, or to where no log can be. */
static void routes_bend(struct scribbler *s)
{
	uint64_t event = below(s, s->h.nr_events), domain;
	tacho_u32 *route = (tacho_u32 *)(void *)(part_of(s) + s->h.routes_off);

	for (domain = 0; domain < s->h.nr_domains; domain++)
		route[event * s->h.nr_domains + domain] =
			below(s, 4) ? TACHO_ROUTE(below(s, s->h.nr_logs)) |
					      (below(s, 2) ? TACHO_ROUTE_SAMPLED : 0)
				    : (tacho_u32)t_random(&s->state);
}

static void stroke(struct scribbler *s)
{
	const struct tacho_area *h = &s->h;

	switch (below(s, 12)) {
	case 0: /* a word, anywhere */
		smear(s, s->base + below(s, h->size / 8) * 8, 8);
		break;
	case 1: /* the header and the tables */
		smear(s, s->base, sizeof(*h));
		smear(s, s->base + below(s, h->parts_off / 4096) * 4096, 4096);
		break;
	case 2: /* what each CPU keeps: clock, tick, losses, who runs */
		smear(s, part_of(s), sizeof(struct tacho_cpu));
		break;
	case 3:
		smear(s, part_of(s) + TACHO_CONTROLS_OFF,
		      h->nr_logs * sizeof(struct tacho_control));
		break;
	case 4:
		smear(s, part_of(s) + h->routes_off, h->samples_off - h->routes_off);
		break;
	case 5:
		smear(s, part_of(s) + h->samples_off, h->rows_off - h->samples_off);
		break;
	case 6:
		smear(s, s->base + h->principals_off, h->nr_principals * sizeof(tacho_u32));
		break;
	case 7: /* rows, and the scratch page behind them */
		smear(s, part_of(s) + h->rows_off + below(s, h->body_size - h->rows_off) / 8 * 8,
		      4096);
		break;
	case 8:
		routes_bend(s);
		break;
	default:
		for (int i = 0; i < 64; i++)
			control_bend(s);
	}
	s->written++;
}

static void *scribble(void *arg)
{
	struct scribbler *s = (struct scribbler *)arg;

	while (!tacho_load_relaxed(&s->stop))
		stroke(s);
	return NULL;
}

/* --- what may not have happened -------------------------------------------------------------- */

/* Descriptors of this process that are programs. */
static int programs_count(void)
{
	char path[64], text[1024];
	int nr = 0, fd, number;
	ssize_t len;

	for (number = 0; number < 1024; number++) {
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", number);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		len = read(fd, text, sizeof(text) - 1);
		close(fd);
		text[len > 0 ? len : 0] = '\0';
		nr += strstr(text, "prog_tag:") != NULL && strstr(text, "link_id:") == NULL;
	}
	return nr;
}

/* The end of the kernel's log; -1: it may not be read. */
static int kernel_log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/* Nothing that a kernel says when it was hurt. */
static void kernel_log_check(int fd)
{
	static const char *const words[] = { "BUG: ",	    "WARNING: CPU", "Oops: ",
					     "soft lockup", "hard LOCKUP",  "rcu: INFO" };
	char line[4096];
	ssize_t len;

	if (fd < 0) {
		printf("     the log of the kernel may not be read: not looked at\n");
		return;
	}
	while ((len = read(fd, line, sizeof(line) - 1)) > 0) {
		line[len] = '\0';
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strstr(line, words[i]))
				t_fail(__FILE__, __LINE__, "the kernel says: %.200s", line);
	}
	close(fd);
}

static void area_check(const struct krig *rig)
{
	struct tacho_validate validate = { .fd = -1 };

	T_EQ(tacho_validate(&validate, rig->view.base, rig->view.size), 0);
	T_EQ(validate.nr_errors, 0);
}

/* --- cases ----------------------------------------------------------------------------------- */

/* All events but the one that only the component itself may route. */
static uint32_t events_all(const struct krig *rig, uint32_t *ids)
{
	uint32_t id, nr = 0;

	for (id = 0; id < TACHO_K_NR; id++)
		if (id != TACHO_K_TASK_TRACK && kactor_has(rig, id))
			ids[nr++] = id;
	return nr;
}

static int bad_open(struct krig *bad, uint32_t *ids, uint32_t *nr)
{
	const struct tacho_kernel_options options = { .by = TACHO_BY_PROCESS };
	int error = krig_open_with(bad, &options);
	uint32_t i;

	if (error)
		return error;
	*nr = events_all(bad, ids);
	for (i = 0; i < *nr && i < KRIG_LOGS && !error; i++)
		error = krig_log(bad, ids[i], 1024);
	return error ? error : tacho_kernel_enable(bad->kernel, ids, *nr);
}

static int row_ignore(void *arg, const struct tacho_row *row)
{
	(void)arg;
	(void)row;
	return 0;
}

/* The session looks after itself and reads, whatever its own area says, until the child is done. */
static void live_with_it(struct krig *bad, struct kactor *actor, struct krig *rig)
{
	struct tacho_validate validate;
	int status = 0;

	T_OK(kill(actor->pid, SIGCONT) == 0);
	while (waitpid(actor->pid, &status, WUNTRACED | WNOHANG) == 0) {
		(void)tacho_kernel_tend(bad->kernel, NULL);
		tacho_kernel_reuse(bad->kernel);
		krig_read(bad, row_ignore, NULL);
		validate = (struct tacho_validate){ .fd = -1 };
		(void)tacho_validate(&validate, bad->view.base, bad->view.size);
		T_EQ(tacho_kernel_tend(rig->kernel, NULL), 0);
		usleep(10000);
	}
	T_OK(WIFSTOPPED(status));
}

/* Scribble while the loads run and the child is counted; then switch all off, still scribbling. */
static void hurt(struct krig *bad, const uint32_t *ids, uint32_t nr, struct kactor *actor,
		 struct krig *rig)
{
	void (*const loads[])(void) = { load_pipes, load_forks, load_calls };
	struct scribbler s = {
		.base = tacho_kernel_memory(bad->kernel)->base,
		.h = bad->view.header,
		.state = t_seed(),
	};
	const int programs = programs_count();
	pthread_t thread;
	pid_t load[3];

	T_OK(programs > (int)nr);
	for (int i = 0; i < 3; i++)
		load[i] = load_start(loads[i]);
	T_NEED(pthread_create(&thread, NULL, scribble, &s) == 0);
	live_with_it(bad, actor, rig);

	/* it can be switched while its map is nonsense, and still changes */
	(void)tacho_kernel_disable(bad->kernel, ids, nr / 2);
	(void)tacho_kernel_enable(bad->kernel, ids, nr / 2);
	T_EQ(programs_count(), programs);
	T_EQ(tacho_kernel_disable(bad->kernel, ids, nr), 0);
	tacho_store_relaxed(&s.stop, 1);
	pthread_join(thread, NULL);
	printf("     %llu strokes\n", (unsigned long long)s.written);
	T_OK(s.written > 0);
	for (int i = 0; i < 3; i++)
		load_end(load[i]);
}

T_CASE(random_bytes_hurt_nobody_else)
{
	struct krig rig, *bad = calloc(1, sizeof(*bad));
	struct kactor actor;
	uint32_t ids[TACHO_K_NR], nr = 0;
	int kmsg, error;

	T_NEED(bad != NULL);
	kmsg = kernel_log_open();
	KRIG_NEED(kactor_start(&actor, &rig, counted_calls, NULL));
	T_NEED(kactor_watch(&actor, &rig, TACHO_K_SYSCALL, KACTOR_ROWS) == 0);
	error = bad_open(bad, ids, &nr);
	if (error)
		printf("     %s\n", bad->why[0] ? bad->why : tacho_kernel_error(bad->kernel));
	T_NEED(error == 0);
	hurt(bad, ids, nr, &actor, &rig);

	/* the other session: every call of the child, once, and nothing else */
	kactor_read(&actor, &rig);
	T_EQ(actor.told[0], ROUNDS * CALLS);
	T_EQ(kactor_rows(&actor, TACHO_K_SYSCALL, SYS_getppid), ROUNDS * CALLS);
	T_EQ(krig_lost(&rig), 0);
	area_check(&rig);

	krig_close(bad);
	free(bad);
	kactor_end(&actor, &rig);
	kernel_log_check(kmsg);
}

/* A session whose map was zeroed writes no rows; it can be set up again through the same memory. */
T_CASE(a_map_of_zeros_logs_nothing)
{
	struct krig rig;
	uint32_t ids[TACHO_K_NR], nr = 0;
	struct tacho_area h;
	unsigned char *base;
	struct tacho_row row;

	T_NEED(krig_open(&rig, TACHO_BY_PROCESS) != -EINVAL);
	if (!rig.kernel)
		T_SKIP("%s", rig.why);
	h = rig.view.header;
	nr = events_all(&rig, ids);
	T_NEED(krig_log(&rig, TACHO_K_SYSCALL, 1024) == 0);
	T_NEED(tacho_kernel_enable(rig.kernel, ids, nr) == 0);
	base = tacho_kernel_memory(rig.kernel)->base;
	memset(base + h.parts_off, 0, h.nr_cpus * h.part_stride);
	/* a program that was at it may have put its position back: wait until none can be, and again */
	T_EQ(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0), 0);
	memset(base + h.parts_off, 0, h.nr_cpus * h.part_stride);
	krig_rewind(&rig);
	for (int i = 0; i < 1000; i++)
		syscall(SYS_getppid);
	for (uint32_t cpu = 0; cpu < h.nr_cpus; cpu++) {
		T_OK(rig.cursor[0][cpu].pos == 0);
		T_EQ(tacho_cursor_read(&rig.cursor[0][cpu], &rig.view, &row, 1), 0);
	}
	T_EQ(tacho_kernel_disable(rig.kernel, ids, nr), 0);
	krig_close(&rig);
}

T_MAIN
