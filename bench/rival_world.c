// SPDX-License-Identifier: BSD-2-Clause
/*
 * rival_world.c: LTTng-UST as a rival, in a world of its own.
 *
 * Starts rival_lttng inside new namespaces of processes and mounts, with private memory in place of
 * /run and /dev/shm. So the session daemon, its sockets, its buffers and its trace are seen by
 * nobody else, a daemon that already runs on the machine is not touched, and all of it is gone when
 * the first process of the world ends, whatever ended it. Without privileges the world has a user
 * namespace as well.
 *
 * The tracer gets what its manual advises for speed: buffers per user of 16 MB x 8 on each CPU, so
 * large that nothing needs to be discarded, and the daemons on the CPUs that are not measured.
 */
#include "rival.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORLD_HOME   "/run/home"
#define WORLD_TRACE  "/run/trace"
#define WORLD_OUTPUT "/run/output" /* of the commands */
#define SUBBUF_MB    16
#define SUBBUFS	     8

struct world {
	const struct bench *bench;
	const char *name; /* of the case */
	bool overwrite;
	char program[PATH_MAX]; /* rival_lttng */
	unsigned int subbuf_mb;
	unsigned int uid, gid; /* outside */
};

static bool in_path(const char *name)
{
	const char *path = getenv("PATH");
	char file[PATH_MAX];

	while (path && *path) {
		size_t len = strcspn(path, ":");

		snprintf(file, sizeof(file), "%.*s/%s", (int)len, path, name);
		if (access(file, X_OK) == 0)
			return true;
		path += len + (path[len] == ':');
	}
	return false;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = write(fd, text, strlen(text));
	close(fd);
	return len == (ssize_t)strlen(text) ? 0 : -EIO;
}

/* Private mounts. Who is not root here is not root there either, but for these mounts. */
static int world_mount(const struct world *world)
{
	char map[64];

	if (world->uid != 0) {
		snprintf(map, sizeof(map), "%u %u 1", world->uid, world->uid);
		if (write_file("/proc/self/setgroups", "deny") ||
		    write_file("/proc/self/uid_map", map))
			return -EPERM;
		snprintf(map, sizeof(map), "%u %u 1", world->gid, world->gid);
		if (write_file("/proc/self/gid_map", map))
			return -EPERM;
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") != 0 ||
	    mount("none", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") != 0 ||
	    mount("none", "/proc", "proc", 0, NULL) != 0 || mkdir(WORLD_HOME, 0700) != 0)
		return -errno;
	return setenv("LTTNG_HOME", WORLD_HOME, 1);
}

/* Run a command and wait for it. other_cpus: on those that are not measured, if there are any. */
static int command(const struct world *world, bool other_cpus, const char *const *argv)
{
	cpu_set_t cpus = world->bench->allowed;
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		int fd = open(WORLD_OUTPUT, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		if (CPU_COUNT(&cpus) > 1)
			CPU_CLR((unsigned int)world->bench->cpu, &cpus);
		if (other_cpus)
			sched_setaffinity(0, sizeof(cpus), &cpus);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

/* The last line that a command left. */
static const char *last_words(void)
{
	static char line[256];
	FILE *file = fopen(WORLD_OUTPUT, "r");

	line[0] = 0;
	while (file && fgets(line, sizeof(line), file))
		line[strcspn(line, "\n")] = 0;
	if (file)
		fclose(file);
	return line;
}

static int session_start(const struct world *world)
{
	char size[32], count[32];
	const char *const commands[][8] = {
		{ "lttng-sessiond", "--background", "--no-kernel" },
		{ "lttng", "create", "bench", "--output=" WORLD_TRACE,
		  world->overwrite ? "--snapshot" : NULL },
		{ "lttng", "enable-channel", "--userspace",
		  world->overwrite ? "--overwrite" : "--discard", size, count, "rows" },
		{ "lttng", "enable-event", "--userspace", "tacho_bench:event", "--channel=rows" },
		{ "lttng", "start" },
	};

	snprintf(size, sizeof(size), "--subbuf-size=%uM", world->subbuf_mb);
	snprintf(count, sizeof(count), "--num-subbuf=%d", SUBBUFS);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (command(world, true, commands[i]) < 0) {
			bench_skip(world->bench, world->name, "%s %s: %s", commands[i][0],
				   commands[i][1], last_words());
			return -EIO;
		}
	return 0;
}

/* The program that is measured: its lines are ours, and so is what it says. */
static int measure(const struct world *world)
{
	char runs[16], nr[24];
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return BENCH_SKIP;
	if (pid == 0) {
		snprintf(runs, sizeof(runs), "%u", world->bench->runs);
		snprintf(nr, sizeof(nr), "%llu", (unsigned long long)world->bench->nr);
		setenv("LTTNG_UST_REGISTER_TIMEOUT", "-1", 1); /* wait until tracing is on */
		sched_setaffinity(0, sizeof(world->bench->allowed), &world->bench->allowed);
		execl(world->program, world->program, WORLD_TRACE, world->name, "-r", runs, "-n",
		      nr, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void session_stop(void)
{
	FILE *file = fopen(getuid() == 0 ? "/run/lttng/lttng-sessiond.pid"
					 : WORLD_HOME "/.lttng/lttng-sessiond.pid",
			   "r");
	int pid = 0;

	if (file && fscanf(file, "%d", &pid) == 1 && pid > 1)
		kill(pid, SIGTERM);
	if (file)
		fclose(file);
}

/* First process of the world; when it returns, the world ends. */
static int world_run(void *arg)
{
	struct world *world = arg;
	int status = world_mount(world);

	if (status < 0) {
		bench_skip(world->bench, world->name, "no private mounts: %s", strerror(-status));
		return BENCH_SKIP;
	}
	status = session_start(world) < 0 ? BENCH_SKIP : measure(world);
	session_stop();
	return status;
}

/* rival_lttng is beside us. */
static bool find_program(struct world *world)
{
	return bench_beside("rival_lttng", world->program, sizeof(world->program)) == 0;
}

static bool is_possible(const struct bench *bench, struct world *world)
{
	static const char *const tools[] = { "lttng-sessiond", "lttng", "babeltrace2" };
	long pages = sysconf(_SC_PHYS_PAGES), cpus = sysconf(_SC_NPROCESSORS_CONF);
	long mb = pages / (1048576 / sysconf(_SC_PAGESIZE));

	if (!find_program(world)) {
		bench_skip(bench, world->name, "built without LTTng-UST");
		return false;
	}
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++)
		if (!in_path(tools[i])) {
			bench_skip(bench, world->name, "%s is not installed", tools[i]);
			return false;
		}
	/* its buffers are really allocated, for every CPU: at most a quarter of the memory */
	for (world->subbuf_mb = SUBBUF_MB; world->subbuf_mb * SUBBUFS * cpus > mb / 4;)
		if ((world->subbuf_mb /= 2) == 0) {
			bench_skip(bench, world->name, "not enough memory for its buffers");
			return false;
		}
	if (world->subbuf_mb != SUBBUF_MB)
		bench_say(bench, "%s with buffers of %u MB x %d", world->name, world->subbuf_mb,
			  SUBBUFS);
	return true;
}

static void rival_mode(struct bench *bench, const char *name, bool overwrite)
{
	struct world world = { .bench = bench,
			       .name = name,
			       .overwrite = overwrite,
			       .uid = getuid(),
			       .gid = getgid() };
	unsigned long namespaces = CLONE_NEWNS | CLONE_NEWPID | (world.uid ? CLONE_NEWUSER : 0);
	int status;

	if (!bench_wants(bench, name) || !is_possible(bench, &world))
		return;
	status = bench_child(bench, world_run, &world, namespaces);
	if (status < 0)
		bench_skip(bench, name, "no namespaces: %s", strerror(-status));
	else if (status != 0 && status != BENCH_SKIP)
		bench->failed++;
}

void rival_lttng(struct bench *bench)
{
	rival_mode(bench, "lttng-ust-discard", false);
	rival_mode(bench, "lttng-ust-overwrite", true);
}
