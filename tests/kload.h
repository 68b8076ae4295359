/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kload.h: children that load the machine in a known way, for the tests of the kernel component.
 *
 * Each is killed with its parent; one that has done all says so by stopping itself.
 */
#ifndef TACHO_TESTS_KLOAD_H
#define TACHO_TESTS_KLOAD_H

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "facts/facts.h"
#include "krig.h"
#include "t.h"

static inline int cpus_online(void)
{
	return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

static inline void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* A child that runs fn and ends; it is killed with us. */
static inline pid_t child(void (*fn)(void *), void *arg)
{
	const pid_t parent = getpid();
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent) /* it died before we could ask for that */
			_exit(0);
		fn(arg);
		_exit(0);
	}
	return pid;
}

/* A child says that it has done all by stopping itself. */
static inline void done(void)
{
	raise(SIGSTOP);
}

static inline void wait_done(pid_t pid)
{
	int status;

	T_EQ(waitpid(pid, &status, WUNTRACED), pid);
	T_OK(WIFSTOPPED(status));
}

static inline void reap(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Read all the time, so that what others do on this machine does not wrap a log. */
static inline void krig_watch(struct krig *rig, double seconds,
			      int (*fn)(void *arg, const struct tacho_row *row), void *arg)
{
	const uint64_t end = krig_now() + (uint64_t)(seconds * 1e9);

	do {
		usleep(20000);
		T_EQ(tacho_kernel_tend(rig->kernel, NULL), 0);
		krig_read(rig, fn, arg);
	} while (krig_now() < end);
}

/* --- loads ----------------------------------------------------------------------------------- */

static inline void load_idle(void *arg)
{
	(void)arg;
	pause();
}

static inline void load_hog(void *arg)
{
	if (arg)
		pin(*(int *)arg);
	for (;;)
		;
}

static inline void load_forks(void *arg)
{
	(void)arg;
	for (;;) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
}

/* arg: NULL, or after how many exchanges it rests for a moment. */
static inline void load_pipes(void *arg)
{
	const int often = arg ? *(int *)arg : 0;
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
	for (int i = 1; write(to[1], &byte, 1) == 1 && read(from[0], &byte, 1) == 1; i++)
		if (often && i % often == 0)
			usleep(1000);
}

/* Its workers are its children, and end when it does. */
static inline void load_stress(void *arg)
{
	(void)arg;
	if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
		_exit(1);
	execlp("stress-ng", "stress-ng", "--cpu", "1", "--switch", "1", "--fork", "1", "--pipe",
	       "1", "--timer", "1", "--timeout", "3s", NULL);
	_exit(127);
}

#endif /* TACHO_TESTS_KLOAD_H */
