// SPDX-License-Identifier: BSD-2-Clause
/*
 * spawn.c: what spawn.h promises.
 *
 * Waiting is by a descriptor of the process, so that nothing of ours runs meanwhile. A program that is to
 * be another user's is told about our end only after it is: changing the user forgets that. That is told by a
 * signal on which servers end their children, and a scheduler undoes what it did.
 */
#include "spawn.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "loads.h"

#define KILLED_MS 5000 /* for a process to be gone after SIGKILL */

static void child_exec(const struct spawn *spawn, const struct passwd *user, pid_t parent)
{
	int null = open("/dev/null", O_RDWR);

	setpgid(0, 0);
	if (spawn->cpus)
		sched_setaffinity(0, sizeof(*spawn->cpus), spawn->cpus);
	dup2(null, STDIN_FILENO);
	dup2(spawn->out ? spawn->out : null, STDOUT_FILENO);
	dup2(spawn->error ? spawn->error : spawn->out ? spawn->out : null, STDERR_FILENO);
	if (spawn->keep)
		fcntl(spawn->keep, F_SETFD, 0);
	if (spawn->dir && chdir(spawn->dir) != 0)
		_exit(126);
	if (user &&
	    (setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0))
		_exit(126);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, spawn->death ? spawn->death : SIGTERM);
	if (getppid() == parent)
		execv(spawn->argv[0], (char *const *)(uintptr_t)spawn->argv);
	_exit(127);
}

pid_t spawn_start(const struct spawn *spawn)
{
	const struct passwd *user = spawn->user ? getpwnam(spawn->user) : NULL;
	pid_t self = getpid(), pid;

	if (spawn->user && !user)
		return -ENOENT;
	pid = fork();
	if (pid == 0)
		child_exec(spawn, user, self);
	return pid < 0 ? -errno : pid;
}

static int status_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int wait_for(pid_t pid, unsigned int ms, bool is_patient)
{
	struct pollfd end = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	uint64_t until = bench_monotonic_ns() + ms * 1000000ull;
	int status, rc = -ETIMEDOUT;

	for (;;) {
		uint64_t at = bench_monotonic_ns();
		pid_t ended = waitpid(pid, &status, WNOHANG);

		if (ended == pid)
			rc = status_of(status);
		else if (ended < 0 && errno != EINTR)
			rc = -errno;
		else if (!is_patient && loads_interrupted())
			rc = -EINTR;
		else if (at < until) {
			int left = (int)((until - at + 999999) / 1000000);

			poll(&end, end.fd >= 0, left > 100 ? 100 : left);
			continue;
		}
		break;
	}
	if (end.fd >= 0)
		close(end.fd);
	return rc;
}

int spawn_wait(pid_t pid, unsigned int ms)
{
	return wait_for(pid, ms, false);
}

int spawn_stop(pid_t pid, int signal, unsigned int ms)
{
	int rc;

	if (pid <= 0)
		return 0;
	kill(pid, signal);
	rc = wait_for(pid, ms, true);
	/* the group has our number for it as long as somebody is in it */
	kill(-pid, SIGKILL);
	if (rc != -ETIMEDOUT)
		return 0;
	kill(pid, SIGKILL);
	wait_for(pid, KILLED_MS, true);
	return -ETIMEDOUT;
}

int spawn_run(const struct spawn *spawn, unsigned int ms, char *text, size_t size)
{
	struct spawn with = *spawn;
	FILE *file = text ? tmpfile() : NULL;
	pid_t pid;
	int rc;

	if (text)
		*text = '\0';
	if (file)
		with.out = fileno(file);
	pid = spawn_start(&with);
	rc = pid < 0 ? (int)pid : spawn_wait(pid, ms);
	if (rc == -ETIMEDOUT || rc == -EINTR)
		spawn_stop(pid, SIGTERM, 1000);
	if (file) {
		rewind(file);
		text[fread(text, 1, size - 1, file)] = '\0';
		fclose(file);
	}
	return rc;
}

static bool is_program(const char *dir, size_t len, const char *name, char *path, size_t size)
{
	return (size_t)snprintf(path, size, "%.*s/%s", (int)len, dir, name) < size &&
	       access(path, X_OK) == 0;
}

int spawn_find(const char *name, const char *extra, char *path, size_t size)
{
	static const char *const more[] = { "/usr/local/sbin", "/usr/sbin", "/sbin",
					    "/usr/local/bin", "/usr/bin" };
	const char *dir = getenv("PATH");
	glob_t found;
	int rc = -ENOENT;

	if (extra && glob(extra, 0, NULL, &found) == 0) {
		for (size_t i = found.gl_pathc; i-- > 0 && rc != 0;) /* the newest first */
			if (is_program(found.gl_pathv[i], strlen(found.gl_pathv[i]), name, path,
				       size))
				rc = 0;
		globfree(&found);
	}
	for (; rc != 0 && dir && *dir; dir += strcspn(dir, ":"), dir += *dir == ':')
		if (is_program(dir, strcspn(dir, ":"), name, path, size))
			rc = 0;
	for (size_t i = 0; rc != 0 && i < sizeof(more) / sizeof(more[0]); i++)
		if (is_program(more[i], strlen(more[i]), name, path, size))
			rc = 0;
	return rc;
}

/* --- a place for files --------------------------------------------------------------------- */

static char directory[256];

const char *spawn_dir(void)
{
	const char *base = getenv("TMPDIR");

	if (directory[0])
		return directory;
	if (!base || !*base || strlen(base) > 64) /* sockets have short names */
		base = "/tmp";
	snprintf(directory, sizeof(directory), "%s/tacho-bench-XXXXXX", base);
	if (!mkdtemp(directory))
		directory[0] = '\0';
	else
		chmod(directory, 0755); /* servers of other users go through it */
	return directory[0] ? directory : NULL;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *at)
{
	(void)stat;
	(void)type;
	(void)at;
	remove(path);
	return 0;
}

void spawn_dir_remove(void)
{
	if (directory[0])
		nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	directory[0] = '\0';
}

/* --- trees of processes -------------------------------------------------------------------- */

static void children_of(pid_t pid, pid_t tid, void (*fn)(pid_t pid, pid_t tid, void *arg),
			void *arg)
{
	char path[64];
	FILE *file;
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)tid);
	file = fopen(path, "re");
	while (file && fscanf(file, "%d", &child) == 1)
		spawn_tree(child, fn, arg);
	if (file)
		fclose(file);
}

void spawn_tree(pid_t pid, void (*fn)(pid_t pid, pid_t tid, void *arg), void *arg)
{
	const struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		int tid = atoi(entry->d_name);

		if (tid <= 0)
			continue;
		fn(pid, tid, arg);
		children_of(pid, tid, fn, arg);
	}
	if (dir)
		closedir(dir);
}

static void add_ns(pid_t pid, pid_t tid, void *arg)
{
	unsigned long long ns = 0;
	uint64_t *sum = arg;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)pid, (int)tid);
	file = fopen(path, "re");
	if (file && fscanf(file, "%llu", &ns) == 1)
		*sum += ns;
	if (file)
		fclose(file);
}

uint64_t spawn_tree_ns(pid_t pid)
{
	uint64_t sum = 0;

	spawn_tree(pid, add_ns, &sum);
	return sum;
}

struct pin {
	const cpu_set_t *cpus;
	int count;
};

static void pin_one(pid_t pid, pid_t tid, void *arg)
{
	struct pin *pin = arg;

	(void)pid;
	if (sched_setaffinity(tid, sizeof(*pin->cpus), pin->cpus) != 0 && !pin->count)
		pin->count = -errno;
}

int spawn_tree_pin(pid_t pid, const cpu_set_t *cpus)
{
	struct pin pin = { cpus, 0 };

	spawn_tree(pid, pin_one, &pin);
	return pin.count;
}

static void count_narrowed(pid_t pid, pid_t tid, void *arg)
{
	struct pin *pin = arg;
	cpu_set_t cpus;

	(void)pid;
	if (sched_getaffinity(tid, sizeof(cpus), &cpus) == 0) {
		CPU_AND(&cpus, &cpus, pin->cpus);
		pin->count += !CPU_EQUAL(&cpus, pin->cpus);
	}
}

int spawn_tree_narrowed(pid_t pid, const cpu_set_t *cpus)
{
	struct pin pin = { cpus, 0 };

	spawn_tree(pid, count_narrowed, &pin);
	return pin.count;
}
