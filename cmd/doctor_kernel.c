/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor_kernel.c: the probes of tacho doctor that are about the kernel and the hypervisor.
 *
 * Owns how what was found is said; what is tried is in kernel/ (probe.h, refs.h, hypervisor.h), as the
 * component itself would use it. Must not leave anything behind. Called by doctor.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "doctor.h"
#include "kernel/hypervisor.h"
#include "kernel/probe.h"
#include "kernel/refs.h"

/* --- type information ----------------------------------------------------------------------- */

void doctor_btf(struct finding *found)
{
	const char *path = "/sys/kernel/btf/vmlinux";
	unsigned char magic[2] = { 0, 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size;

	if (fd < 0) {
		NONE(found, "%s: %s", path, strerror(errno));
		return;
	}
	size = lseek(fd, 0, SEEK_END);
	if (pread(fd, magic, 2, 0) != 2 || magic[0] != 0x9f || magic[1] != 0xeb)
		LESS(found, "%s does not begin as it should", path);
	else
		GOOD(found, "%s, %lld KB", path, (long long)size / 1024);
	close(fd);
}

/* --- eBPF ----------------------------------------------------------------------------------- */

void doctor_capabilities(struct finding *found)
{
	char names[64];

	if (!tacho_kernel_capabilities(names, sizeof(names)))
		GOOD(found, "CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN for both; CAP_SYS_PTRACE");
	else if (strcmp(names, "CAP_SYS_PTRACE") == 0)
		LESS(found, "%s missing: virtual machines and memory of others are not looked into",
		     names);
	else
		NONE(found, "%s missing", names);
}

/* What was refused, or how well it went. */
static void feature_note(struct finding *found, enum tacho_kernel_feature feature, const char *good)
{
	int error = tacho_kernel_feature(feature);

	if (error == 0)
		GOOD(found, "%s", good);
	else if (error == -EPERM)
		NONE(found, "not permitted: needs CAP_BPF and CAP_PERFMON, or root");
	else if (error == -ENODATA)
		NONE(found, "not possible without BTF");
	else if (error == -ENOENT)
		NONE(found, "not in this kernel's type information, came with Linux %s",
		     tacho_kernel_feature_since(feature));
	else
		NONE(found, "%s; came with Linux %s", strerror(-error),
		     tacho_kernel_feature_since(feature));
}

void doctor_bpf(struct finding *found)
{
	feature_note(found, TACHO_FEATURE_MMAP, "");
	if (found->state == HAVE)
		feature_note(found, TACHO_FEATURE_PROGRAMS,
			     "programs at tracepoints, and arrays that can be mapped");
}

void doctor_storage(struct finding *found)
{
	feature_note(found, TACHO_FEATURE_STORAGE, "can be made");
}

void doctor_iter(struct finding *found)
{
	feature_note(found, TACHO_FEATURE_ITER, "over all tasks, whatever namespace they are in");
}

void doctor_timer(struct finding *found)
{
	feature_note(found, TACHO_FEATURE_TIMER, "perf events on a CPU, whoever runs there");
}

void doctor_numbers(struct finding *found)
{
	if (tacho_kernel_sees_host())
		GOOD(found, "those of the host");
	else
		LESS(found, "a pid namespace of its own: the kernel knows tasks by other numbers");
}

/* How many events have a source, and which have none. */
void doctor_tracepoints(struct finding *found)
{
	struct tacho_kernel_probe *probe = malloc(sizeof(*probe));
	char names[80] = "";
	size_t len = 0;
	uint32_t id, nr = 0;

	if (!probe) {
		NONE(found, "no memory");
		return;
	}
	tacho_kernel_probe(probe);
	for (id = 0; id < TACHO_K_NR; id++) {
		if (probe->events[id].kind)
			nr++;
		else if (len < sizeof(names))
			len += (size_t)snprintf(names + len, sizeof(names) - len, " %s",
						probe->events[id].name);
	}
	if (!probe->has_btf)
		NONE(found, "not known without BTF");
	else if (nr == TACHO_K_NR)
		GOOD(found, "all that the %u events need", nr);
	else
		LESS(found, "%u of %u events; without:%s%s", nr, (unsigned)TACHO_K_NR, names,
		     len < sizeof(names) ? "" : "...");
	free(probe);
}

/* --- memory --------------------------------------------------------------------------------- */

/* The limit of the control group that this process is in, of either version; 0: none. */
static uint64_t group_limit(void)
{
	char line[512], path[600], text[32], *colon;
	FILE *file = fopen("/proc/self/cgroup", "re");
	uint64_t limit = 0;

	while (file && !limit && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		colon = strrchr(line, ':');
		if (!colon)
			continue;
		if (strstr(line, ":memory:"))
			snprintf(path, sizeof(path),
				 "/sys/fs/cgroup/memory%s/memory.limit_in_bytes", colon + 1);
		else if (strstr(line, "::"))
			snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", colon + 1);
		else
			continue;
		limit = strtoull(doctor_line(path, text, sizeof(text)), NULL, 10);
	}
	if (file)
		fclose(file);
	return limit >> 60 ? 0 : limit; /* the first version has a huge number for none */
}

/* The kernel charges the area to the group; some megabytes per CPU with default sizes. */
void doctor_area(struct finding *found)
{
	const uint64_t limit = group_limit();
	const uint64_t least = (uint64_t)sysconf(_SC_NPROCESSORS_CONF) * (8u << 20) + (32u << 20);

	if (!limit)
		GOOD(found, "no limit but the machine's memory");
	else if (limit < least)
		LESS(found, "the control group may use %" PRIu64 " MB, default sizes need %" PRIu64,
		     limit >> 20, least >> 20);
	else
		GOOD(found, "the control group may use %" PRIu64 " MB", limit >> 20);
}

/* --- tracefs and counters ------------------------------------------------------------------- */

void doctor_tracefs(struct finding *found)
{
	static const char *const roots[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };
	char path[96];
	size_t i;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/events/sched/sched_switch/id", roots[i]);
		if (access(path, R_OK) == 0) {
			GOOD(found, "%s", roots[i]);
			return;
		}
		if (errno == EACCES) {
			LESS(found, "%s may not be read by this user", roots[i]);
			return;
		}
	}
	NONE(found, "%s: not mounted, or not built in", roots[0]);
}

static int counter_open(uint32_t type, uint64_t config)
{
	struct perf_event_attr attr = {
		.type = type,
		.size = sizeof(attr),
		.config = config,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

void doctor_hardware(struct finding *found)
{
	int cycles = counter_open(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES), error = errno;
	int misses = counter_open(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES);
	char paranoid[16];

	if (cycles < 0)
		NONE(found, "%s (perf_event_paranoid %s)",
		     error == ENOENT ? "this CPU offers none" : strerror(error),
		     doctor_line("/proc/sys/kernel/perf_event_paranoid", paranoid,
				 sizeof(paranoid)));
	else if (misses < 0)
		LESS(found, "cycles, but no cache misses");
	else
		GOOD(found, "cycles and cache misses");
	if (cycles >= 0)
		close(cycles);
	if (misses >= 0)
		close(misses);
}

void doctor_software(struct finding *found)
{
	int fd = counter_open(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK);
	char paranoid[16];

	if (fd < 0) {
		NONE(found, "%s (perf_event_paranoid %s)", strerror(errno),
		     doctor_line("/proc/sys/kernel/perf_event_paranoid", paranoid,
				 sizeof(paranoid)));
		return;
	}
	GOOD(found, "task clock, faults, switches");
	close(fd);
}

void doctor_counters(struct finding *found)
{
	char names[100] = "";
	size_t len = 0;
	const char *name;
	uint32_t n;

	for (n = 0; (name = tacho_kernel_counter(n)) && len < sizeof(names); n++)
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", n ? ", " : "",
					name);
	if (strstr(names, "instructions"))
		GOOD(found, "%s", names);
	else
		LESS(found, "%s", names);
}

/* --- page references ------------------------------------------------------------------------ */

void doctor_refs(struct finding *found)
{
	struct tacho_refs_probe probe[TACHO_REFS_NR];
	char works[60] = "", fails[60] = "", *text;
	int method;

	tacho_refs_probe(probe, NULL);
	for (method = TACHO_REFS_AUTO + 1; method < TACHO_REFS_NR; method++) {
		text = probe[method].error ? fails : works;
		snprintf(text + strlen(text), sizeof(works) - strlen(text), " %s",
			 probe[method].name);
	}
	if (probe[TACHO_REFS_AUTO].error)
		NONE(found, "%s", probe[TACHO_REFS_AUTO].why);
	else if (!probe[TACHO_REFS_SCAN].error && !probe[TACHO_REFS_CLEAR].error)
		GOOD(found, "by%s%s%s", works, fails[0] ? "; not by" : "", fails);
	else
		LESS(found, "by%s; not by%s", works, fails);
}

/* --- the hypervisor ------------------------------------------------------------------------- */

void doctor_kvm(struct finding *found)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		if (errno == EACCES)
			LESS(found, "/dev/kvm: may not be used by this user");
		else
			NONE(found, "/dev/kvm: %s", strerror(errno));
		return;
	}
	GOOD(found, "/dev/kvm");
	close(fd);
}

/* Ten milliseconds of a virtual machine of our own: does it run, and what does the kernel tell? */
void doctor_hypervisor(struct finding *found)
{
	const struct tacho_vm_trial *trial = tacho_vm_trial_get();
	char text[sizeof(found->detail)];

	tacho_vm_describe(trial, text, sizeof(text));
	if (trial->error)
		NONE(found, "%s", text);
	else
		GOOD(found, "%s", text);
}
