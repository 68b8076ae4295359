// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_kernel_hotplug.c: a CPU goes and comes back while the kernel component logs.
 *
 * What it was given before stays readable, what comes after is logged again, timers and counters
 * follow it. Whatever happens the CPU is on again at the end; but what somebody had pinned to it is
 * not pinned any more. So this runs in virtual machines, and elsewhere if TACHO_TEST_HOTPLUG=1 says so.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "facts/facts.h"
#include "krig.h"
#include "t.h"

static char switch_path[64];

static int cpu_switch(const char *to)
{
	int fd = open(switch_path, O_WRONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : write(fd, to, 1);
	int error = len == 1 ? 0 : -errno;

	if (fd >= 0)
		close(fd);
	return error;
}

static void back_on(void)
{
	cpu_switch("1");
}

/* The last CPU that is on, if it may be switched off. */
static int cpu_choose(void)
{
	for (int cpu = KRIG_CPUS - 1; cpu > 0; cpu--) {
		char on = '0';
		int fd;

		snprintf(switch_path, sizeof(switch_path), "/sys/devices/system/cpu/cpu%d/online",
			 cpu);
		fd = open(switch_path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (read(fd, &on, 1) != 1)
			on = '0';
		close(fd);
		if (on == '1')
			return cpu;
	}
	return -1;
}

/* Whether it may be done to this machine. */
static bool is_allowed(void)
{
	const char *said = getenv("TACHO_TEST_HOTPLUG");
	FILE *file = said ? NULL : fopen("/proc/cpuinfo", "re");
	bool allowed = said && strcmp(said, "1") == 0;
	char line[4096];

	while (file && !allowed && fgets(line, sizeof(line), file))
		allowed = strncmp(line, "flags", 5) == 0 && strstr(line, " hypervisor");
	if (file)
		fclose(file);
	return allowed;
}

struct count {
	uint32_t cpu;
	uint64_t service, samples, last_ns;
};

static int row_count(void *arg, const struct tacho_row *row)
{
	struct count *count = arg;

	if (row->cpu != count->cpu)
		return 0;
	count->service += row->event == TACHO_K_CPU_SERVICE;
	count->samples += row->event == TACHO_K_CPU_RUNQ;
	count->last_ns = row->time > count->last_ns ? row->time : count->last_ns;
	return 0;
}

/* A hog and somebody who disturbs it, on that CPU. */
static pid_t load_start(int cpu)
{
	pid_t pid = fork();
	cpu_set_t set;

	if (pid != 0)
		return pid;
	setpgid(0, 0);
	CPU_ZERO(&set);
	CPU_SET((unsigned)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	if (fork() == 0)
		for (;;)
			usleep(1000);
	for (;;)
		;
}

static void load_stop(pid_t pid)
{
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void watch(struct krig *rig, double seconds, struct count *count)
{
	const uint64_t end = krig_now() + (uint64_t)(seconds * 1e9);

	while (krig_now() < end) {
		usleep(20000);
		T_EQ(tacho_kernel_tend(rig->kernel, NULL), 0);
		krig_read(rig, row_count, count);
	}
}

T_CASE(a_cpu_goes_and_comes_back)
{
	int cpu = cpu_choose(), error;
	struct count before, while_off, after;
	uint64_t since, off_ns;
	struct krig rig;
	uint32_t domain;
	pid_t pid;

	if (!is_allowed())
		T_SKIP("switching a CPU off unpins what is pinned to it: TACHO_TEST_HOTPLUG=1");
	if (cpu < 0)
		T_SKIP("no CPU can be switched off here");
	atexit(back_on);
	KRIG_NEED(krig_open(&rig, TACHO_BY_PROCESS));
	T_NEED(krig_log(&rig, TACHO_K_CPU_SERVICE, 1 << 14) == 0);
	T_NEED(krig_log(&rig, TACHO_K_CPU_RUNQ, 1 << 12) == 0);
	T_NEED(krig_log(&rig, TACHO_K_CPU_PMC0, 1 << 12) == 0);
	T_NEED(krig_enable(&rig) == 0);
	before = while_off = after = (struct count){ .cpu = (uint32_t)cpu };
	pid = load_start(cpu);
	watch(&rig, 0.5, &before);
	T_OK(before.service > 10 && before.samples > 10);
	error = cpu_switch("0");
	if (error) {
		load_stop(pid);
		krig_close(&rig);
		T_SKIP("CPU %d is not let go: %s", cpu, strerror(-error));
	}
	off_ns = krig_now();
	watch(&rig, 0.5, &while_off);
	T_OK(while_off.last_ns <= off_ns);
	T_EQ(tacho_view_running(&rig.view, (uint32_t)cpu, &domain, &since), -ENODATA);
	T_EQ(cpu_switch("1"), 0);
	load_stop(pid);
	pid = load_start(cpu);
	watch(&rig, 0.5, &after);
	printf("     CPU %d: %llu rows before, %llu samples; after %llu and %llu\n", cpu,
	       (unsigned long long)before.service, (unsigned long long)before.samples,
	       (unsigned long long)after.service, (unsigned long long)after.samples);
	T_OK(after.service > 10 && after.samples > 10);
	T_EQ(tacho_view_running(&rig.view, (uint32_t)cpu, &domain, &since), 0);
	T_EQ(krig_lost(&rig), 0);
	load_stop(pid);
	krig_close(&rig);
}

T_MAIN
