// SPDX-License-Identifier: BSD-2-Clause
/*
 * krival.c: the rivals in the kernel, what krival.h promises.
 *
 * Each is set up as cheaply as it can be and still record every event of the whole machine: the ring
 * buffer wakes nobody, the tools have large buffers and run on other CPUs, perf leaves build-ids out. Each is asked afterwards how many events it has, where they arrived.
 *
 * tracefs is mounted at its usual place where it is not, for this process and its children only.
 * A trace instance would outlive us if we are killed: a child of ours, the keeper, waits for our end and
 * removes it. The tools read from a pipe whose other end is ours, and end when that is closed; perf
 * writes to memory that has no name.
 */
#include "krival.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "rival.skel.h"

#define TRACING	     "/sys/kernel/tracing"
#define INSTANCE     "tacho-bench-" /* and the pid */
#define FTRACE_KB    "512" /* per CPU; what is overwritten is counted */
#define TOOL_WAIT_MS 20000
#define PERF_PAGES   "2M" /* buffer per CPU: four times the default, or events are lost */
#define KEEPER_TRIES 100 /* of 20 ms */

const char *const krival_kind_name[KRIVAL_NR_KINDS] = { "empty",  "floor", "ringbuf",
							"ftrace", "perf",  "bpftrace" };
const char *const krival_event_name[KRIVAL_NR_EVENTS] = { "sched_switch", "sched_waking",
							  "raw_syscalls" };

static struct {
	cpu_set_t other_cpus;
	enum krival_kind kind; /* that is on */
	enum krival_event event;
	bool is_on;
} state;

static int refuse(char *why, size_t why_size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(char *why, size_t why_size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, why_size, format, args);
	va_end(args);
	return -1;
}

/* --- eBPF --------------------------------------------------------------------------------- */

#define PROGRAMS 2 /* per event: a system call has two ends */

static struct {
	struct rival_bpf *skeleton;
	struct bpf_program *programs[KRIVAL_NR_EVENTS][PROGRAMS]; /* of the family that is on */
	struct bpf_link *links[PROGRAMS];
	const struct krival_floor *floor;
	struct ring_buffer *ring;
	uint64_t ring_rows;
	uint64_t before; /* floor: positions */
	uint64_t dropped; /* ring: before */
	int stats; /* descriptor: the kernel counts runs of programs while it is open */
	int nr_cpus;
	int error;
	int told;
} bpf = { .stats = -1 };

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level, (void)format, (void)args;
	return 0;
}

static int ring_row(void *arg, void *row, size_t size)
{
	(void)arg, (void)row;
	bpf.ring_rows += size == sizeof(struct krival_row);
	return 0;
}

static int bpf_prepare(void)
{
	struct rival_bpf *skeleton;
	int error;

	libbpf_set_print(silent);
	bpf.nr_cpus = libbpf_num_possible_cpus();
	skeleton = bpf.skeleton = rival_bpf__open();
	if (!skeleton)
		return -errno;
	bpf_map__set_max_entries(skeleton->maps.floor_rows, (uint32_t)bpf.nr_cpus);
	error = rival_bpf__load(skeleton);
	if (error)
		return error;
	bpf.floor = mmap(NULL, (size_t)bpf.nr_cpus * sizeof(*bpf.floor), PROT_READ, MAP_SHARED,
			 bpf_map__fd(skeleton->maps.floor_rows), 0);
	if (bpf.floor == MAP_FAILED) {
		bpf.floor = NULL;
		return -errno;
	}
	bpf.ring = ring_buffer__new(bpf_map__fd(skeleton->maps.ring_rows), ring_row, NULL, NULL);
	return bpf.ring ? 0 : -errno;
}

static void bpf_close(void)
{
	if (bpf.ring)
		ring_buffer__free(bpf.ring);
	if (bpf.floor)
		munmap((void *)(uintptr_t)bpf.floor, (size_t)bpf.nr_cpus * sizeof(*bpf.floor));
	rival_bpf__destroy(bpf.skeleton);
	bpf.ring = NULL;
	bpf.floor = NULL;
	bpf.skeleton = NULL;
}

/* The programs of a family for an event. */
static int family(enum krival_kind kind, enum krival_event event,
		  struct bpf_program *programs[PROGRAMS])
{
	struct rival_bpf *s = bpf.skeleton;
	struct bpf_program *all[3][4] = {
		{ s->progs.empty_switch, s->progs.empty_waking, s->progs.empty_enter,
		  s->progs.empty_exit },
		{ s->progs.floor_switch, s->progs.floor_waking, s->progs.floor_enter,
		  s->progs.floor_exit },
		{ s->progs.ring_switch, s->progs.ring_waking, s->progs.ring_enter,
		  s->progs.ring_exit },
	};

	programs[0] = all[kind][event];
	programs[1] = all[kind][KRIVAL_SYSCALL + 1];
	return event == KRIVAL_SYSCALL ? 2 : 1;
}

static uint64_t floor_positions(void)
{
	uint64_t sum = 0;

	for (int cpu = 0; cpu < bpf.nr_cpus; cpu++)
		sum += bpf.floor[cpu].pos;
	return sum;
}

static uint64_t ring_dropped(void)
{
	uint64_t *values = calloc((size_t)bpf.nr_cpus, sizeof(*values));
	uint64_t sum = 0;
	uint32_t zero = 0;

	if (values &&
	    bpf_map_lookup_elem(bpf_map__fd(bpf.skeleton->maps.dropped), &zero, values) == 0)
		for (int cpu = 0; cpu < bpf.nr_cpus; cpu++)
			sum += values[cpu];
	free(values);
	return sum;
}

/* How often the attached programs ran, if the kernel counts. */
static uint64_t empty_runs(void)
{
	struct bpf_program *programs[PROGRAMS];
	int nr = family(state.kind, state.event, programs);
	uint64_t sum = 0;

	for (int i = 0; i < nr; i++) {
		struct bpf_prog_info info = { 0 };
		uint32_t size = sizeof(info);

		if (bpf_obj_get_info_by_fd(bpf_program__fd(programs[i]), &info, &size) == 0)
			sum += info.run_cnt;
	}
	return sum;
}

static int bpf_on(bool prove, char *why, size_t why_size)
{
	struct bpf_program *programs[PROGRAMS];
	int nr;

	if (!bpf.skeleton && !bpf.error) {
		bpf.error = bpf_prepare();
		if (bpf.error)
			bpf_close();
	}
	if (bpf.error)
		return refuse(why, why_size, "the eBPF programs were refused: %s",
			      strerror(-bpf.error));
	if (prove && state.kind == KRIVAL_EMPTY) {
		bpf.stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
		if (bpf.stats < 0)
			return refuse(why, why_size, "the kernel does not count runs of programs");
		bpf.before = empty_runs();
	} else if (state.kind == KRIVAL_FLOOR) {
		bpf.before = floor_positions();
	} else if (state.kind == KRIVAL_RING) {
		ring_buffer__consume(bpf.ring);
		bpf.ring_rows = 0;
		bpf.dropped = ring_dropped();
	}
	nr = family(state.kind, state.event, programs);
	for (int i = 0; i < nr; i++) {
		bpf.links[i] = bpf_program__attach(programs[i]);
		if (!bpf.links[i])
			return refuse(why, why_size, "an eBPF program cannot be attached: %s",
				      strerror(errno));
	}
	return 0;
}

static int bpf_off(struct krival_count *count, char *why, size_t why_size)
{
	(void)why, (void)why_size;
	for (int i = 0; i < PROGRAMS; i++) {
		bpf_link__destroy(bpf.links[i]);
		bpf.links[i] = NULL;
	}
	count->is_known = state.kind != KRIVAL_EMPTY || bpf.stats >= 0;
	if (!bpf.skeleton || !count->is_known)
		return 0;
	if (state.kind == KRIVAL_RING) {
		ring_buffer__consume(bpf.ring);
		count->events = bpf.ring_rows;
		count->lost = ring_dropped() - bpf.dropped;
	} else if (state.kind == KRIVAL_FLOOR) {
		count->events = floor_positions() - bpf.before;
	} else {
		count->events = empty_runs() - bpf.before;
		close(bpf.stats);
		bpf.stats = -1;
	}
	return 0;
}

/* --- ftrace ------------------------------------------------------------------------------- */

static struct {
	int instance; /* directory */
	int keep; /* while it is open, the keeper waits */
	pid_t keeper;
	uint64_t entries, lost; /* before */
} ftrace = { -1, -1, -1, 0, 0 };

static const char *const ftrace_enable[KRIVAL_NR_EVENTS] = { "events/sched/sched_switch/enable",
							     "events/sched/sched_waking/enable",
							     "events/raw_syscalls/enable" };

/* tracefs where tools look for it. Where nobody mounted it, it is there for us only. */
static int tracefs_mount(void)
{
	if (access(TRACING "/instances", F_OK) == 0)
		return 0;
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tracefs", TRACING, "tracefs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0)
		return -errno;
	return 0;
}

/* Instances of benchmarks that are gone, and whose keepers were killed too. */
static void instances_clean(void)
{
	DIR *directory = opendir(TRACING "/instances");
	struct dirent *entry;
	int pid;

	while (directory && (entry = readdir(directory)))
		if (sscanf(entry->d_name, INSTANCE "%d", &pid) == 1 && kill(pid, 0) != 0 &&
		    errno == ESRCH)
			unlinkat(dirfd(directory), entry->d_name, AT_REMOVEDIR);
	if (directory)
		closedir(directory);
}

/* Wait for the end of the benchmark, whatever ends it, and remove its instance. */
static _Noreturn void keeper_main(int end, const char *path)
{
	char byte;

	setsid();
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	while (read(end, &byte, 1) < 0 && errno == EINTR)
		;
	for (int i = 0; i < KEEPER_TRIES; i++) {
		if (rmdir(path) == 0 || errno == ENOENT)
			break;
		usleep(20000);
	}
	_exit(0);
}

static int keeper_start(const char *path)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -errno;
	ftrace.keeper = fork();
	if (ftrace.keeper == 0) {
		close(ends[1]);
		keeper_main(ends[0], path);
	}
	close(ends[0]);
	if (ftrace.keeper < 0) {
		close(ends[1]);
		return -errno;
	}
	ftrace.keep = ends[1];
	return 0;
}

static int write_at(const char *path, const char *text)
{
	int fd = openat(ftrace.instance, path, O_WRONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = write(fd, text, strlen(text));
	close(fd);
	return len == (ssize_t)strlen(text) ? 0 : -EIO;
}

static int ftrace_prepare(void)
{
	char path[80];
	int error;

	snprintf(path, sizeof(path), TRACING "/instances/" INSTANCE "%d", (int)getpid());
	error = keeper_start(path);
	if (error)
		return error;
	if (mkdir(path, 0700) != 0)
		return -errno;
	ftrace.instance = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ftrace.instance < 0)
		return -errno;
	return write_at("buffer_size_kb", FTRACE_KB);
}

/* Events that got into the buffers, whether newer ones replaced them or not, and those that did not. */
static void ftrace_read(uint64_t *entries, uint64_t *lost)
{
	char path[64], line[128];
	uint64_t value;

	*entries = *lost = 0;
	for (int cpu = 0; cpu < (int)sysconf(_SC_NPROCESSORS_CONF); cpu++) {
		FILE *file;
		int fd;

		snprintf(path, sizeof(path), "per_cpu/cpu%d/stats", cpu);
		fd = openat(ftrace.instance, path, O_RDONLY | O_CLOEXEC);
		file = fd < 0 ? NULL : fdopen(fd, "r");
		while (file && fgets(line, sizeof(line), file)) {
			if (sscanf(line, "entries: %" SCNu64, &value) == 1 ||
			    sscanf(line, "overrun: %" SCNu64, &value) == 1)
				*entries += value;
			else if (sscanf(line, "commit overrun: %" SCNu64, &value) == 1 ||
				 sscanf(line, "dropped events: %" SCNu64, &value) == 1)
				*lost += value;
		}
		if (file)
			fclose(file);
	}
}

static int ftrace_on(char *why, size_t why_size)
{
	int error = ftrace.instance >= 0 ? 0 : ftrace_prepare();

	if (error)
		return refuse(why, why_size, "no trace instance: %s", strerror(-error));
	ftrace_read(&ftrace.entries, &ftrace.lost);
	error = write_at(ftrace_enable[state.event], "1");
	return error ? refuse(why, why_size, "%s: %s", ftrace_enable[state.event], strerror(-error))
		     : 0;
}

static int ftrace_off(struct krival_count *count, char *why, size_t why_size)
{
	uint64_t entries, lost;

	if (ftrace.instance < 0)
		return 0;
	if (write_at(ftrace_enable[state.event], "0") != 0)
		return refuse(why, why_size, "ftrace cannot be switched off");
	ftrace_read(&entries, &lost);
	*count = (struct krival_count){ entries - ftrace.entries, lost - ftrace.lost, true };
	return 0;
}

static void ftrace_close(void)
{
	if (ftrace.instance >= 0)
		close(ftrace.instance);
	if (ftrace.keep >= 0) {
		close(ftrace.keep);
		waitpid(ftrace.keeper, NULL, 0);
	}
	ftrace.instance = ftrace.keep = -1;
}

/* --- perf and bpftrace -------------------------------------------------------------------- */

/*
 * Both run a command and record while that runs. It is cat: what we write comes back as soon as they
 * record, and they end when we close our end of the pipe, as it is when we are killed.
 */
static struct {
	pid_t pid;
	int in;
	FILE *out;
	int data; /* perf: what it wrote */
} tool = { -1, -1, NULL, -1 };

static pid_t tool_spawn(const char *const *argv, int in, int out)
{
	pid_t pid = fork();
	int null;

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (dup2(in < 0 ? null : in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(null, STDERR_FILENO) < 0)
		_exit(126);
	if (tool.data >= 0 && fcntl(tool.data, F_SETFD, 0) != 0)
		_exit(126);
	sched_setaffinity(0, sizeof(state.other_cpus), &state.other_cpus);
	setpriority(PRIO_PROCESS, 0, 0); /* whatever ours is */
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

static int tool_start(const char *const *argv)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) != 0)
		return -errno;
	if (pipe2(out, O_CLOEXEC) != 0) {
		close(in[0]);
		close(in[1]);
		return -errno;
	}
	tool.pid = tool_spawn(argv, in[0], out[1]);
	tool.in = in[1];
	tool.out = fdopen(out[0], "r");
	close(in[0]);
	close(out[1]);
	return tool.pid > 0 && tool.out ? 0 : -EAGAIN;
}

/* It records when the word that we send it comes back. */
static int tool_wait(void)
{
	static const char word[] = "begin\n";
	struct pollfd wait = { .fd = fileno(tool.out), .events = POLLIN };
	char line[64];

	if (write(tool.in, word, strlen(word)) != (ssize_t)strlen(word))
		return -EPIPE;
	setvbuf(tool.out, NULL, _IONBF, 0); /* or poll would not see what stdio has */
	for (;;) {
		if (poll(&wait, 1, TOOL_WAIT_MS) <= 0)
			return -ETIMEDOUT;
		if (!fgets(line, sizeof(line), tool.out))
			return -ESRCH;
		if (strcmp(line, word) == 0)
			return 0;
	}
}

static void tool_end(void)
{
	if (tool.out)
		fclose(tool.out);
	if (tool.in >= 0)
		close(tool.in);
	if (tool.pid > 0)
		waitpid(tool.pid, NULL, 0);
	tool.out = NULL;
	tool.in = -1;
	tool.pid = -1;
}

static int tool_on(const char *const *argv, char *why, size_t why_size)
{
	int error = tool_start(argv);

	if (!error)
		error = tool_wait();
	if (error == -ESRCH)
		return refuse(why, why_size, "%s ended before it began; is it installed?", argv[0]);
	return error ? refuse(why, why_size, "%s: %s", argv[0], strerror(-error)) : 0;
}

static int perf_on(char *why, size_t why_size)
{
	static const char *const events[KRIVAL_NR_EVENTS] = { "sched:sched_switch",
							      "sched:sched_waking",
							      "raw_syscalls:*" };
	char path[40];
	const char *const argv[] = { "perf",
				     "record",
				     "-q",
				     "-a",
				     "-B",
				     "-N",
				     "--synth=no",
				     "-m",
				     PERF_PAGES,
				     "-o",
				     path,
				     "-e",
				     events[state.event],
				     "--",
				     "cat",
				     NULL };

	tool.data = memfd_create("perf.data", MFD_CLOEXEC);
	if (tool.data < 0)
		return refuse(why, why_size, "no memory file: %s", strerror(errno));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", tool.data);
	return tool_on(argv, why, why_size);
}

/* Perf's own statistics: how many samples there are, then by event how many of it were lost. */
static int perf_count(struct krival_count *count)
{
	char path[40], line[160];
	const char *const argv[] = { "perf", "report", "--stats", "-i", path, NULL };
	bool is_all = true;
	int out[2], status;
	uint64_t value;
	FILE *file;
	pid_t pid;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", tool.data);
	if (pipe2(out, O_CLOEXEC) != 0)
		return -errno;
	pid = tool_spawn(argv, -1, out[1]);
	close(out[1]);
	file = fdopen(out[0], "r");
	while (file && fgets(line, sizeof(line), file)) {
		if (strstr(line, " stats:") && !strstr(line, "Aggregated"))
			is_all = false;
		if (is_all && sscanf(line, " SAMPLE events: %" SCNu64, &value) == 1)
			count->events = value;
		else if (!is_all && sscanf(line, " LOST_SAMPLES events: %" SCNu64, &value) == 1)
			count->lost += value;
	}
	if (file)
		fclose(file);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	count->is_known = true;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

static int perf_off(struct krival_count *count, char *why, size_t why_size)
{
	int error = 0;

	if (tool.data < 0)
		return 0;
	if (tool.in >= 0)
		close(tool.in);
	tool.in = -1;
	tool_end();
	error = perf_count(count);
	close(tool.data);
	tool.data = -1;
	return error ? refuse(why, why_size, "perf report cannot read it: %s", strerror(-error))
		     : 0;
}

static int bpftrace_on(char *why, size_t why_size)
{
	static const char *const programs[KRIVAL_NR_EVENTS] = {
		"tracepoint:sched:sched_switch { @[pid] = count(); }",
		"tracepoint:sched:sched_waking { @[pid] = count(); }",
		("tracepoint:raw_syscalls:sys_enter,tracepoint:raw_syscalls:sys_exit"
		 " { @[pid] = count(); }"),
	};
	const char *const argv[] = { "bpftrace", "-q",	     "-e", programs[state.event],
				     "-c",	 "/bin/cat", NULL };

	return tool_on(argv, why, why_size);
}

/* "@[PID]: COUNT", for every thread that it saw. */
static int bpftrace_off(struct krival_count *count, char *why, size_t why_size)
{
	uint64_t value;
	char line[160];

	(void)why, (void)why_size;
	if (!tool.out)
		return 0;
	close(tool.in);
	tool.in = -1;
	setvbuf(tool.out, NULL, _IONBF, 0);
	while (fgets(line, sizeof(line), tool.out))
		if (sscanf(line, "@[%*d]: %" SCNu64, &value) == 1)
			count->events += value;
	count->is_known = true;
	return 0;
}

/* ------------------------------------------------------------------------------------------ */

int krival_open(const cpu_set_t *other_cpus, char *why, size_t why_size)
{
	int error = tracefs_mount();

	state.other_cpus = *other_cpus;
	signal(SIGPIPE, SIG_IGN); /* of a tool that is not there */
	if (error)
		return refuse(why, why_size, "no tracefs: %s", strerror(-error));
	instances_clean();
	return 0;
}

void krival_close(void)
{
	struct krival_count count;
	char why[160];

	krival_off(&count, why, sizeof(why));
	ftrace_close();
	bpf_close();
}

int krival_on(enum krival_kind kind, enum krival_event event, bool prove, char *why,
	      size_t why_size)
{
	state.kind = kind;
	state.event = event;
	state.is_on = true;
	switch (kind) {
	case KRIVAL_FTRACE:
		return ftrace_on(why, why_size);
	case KRIVAL_PERF:
		return perf_on(why, why_size);
	case KRIVAL_BPFTRACE:
		return bpftrace_on(why, why_size);
	default:
		return bpf_on(prove, why, why_size);
	}
}

void krival_drain(void)
{
	if (state.is_on && state.kind == KRIVAL_RING && bpf.ring)
		ring_buffer__consume(bpf.ring);
}

int krival_off(struct krival_count *count, char *why, size_t why_size)
{
	int error;

	*count = (struct krival_count){ 0 };
	if (!state.is_on)
		return 0;
	state.is_on = false;
	switch (state.kind) {
	case KRIVAL_FTRACE:
		return ftrace_off(count, why, why_size);
	case KRIVAL_PERF:
		return perf_off(count, why, why_size);
	case KRIVAL_BPFTRACE:
		error = bpftrace_off(count, why, why_size);
		tool_end();
		return error;
	default:
		return bpf_off(count, why, why_size);
	}
}
