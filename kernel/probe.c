// SPDX-License-Identifier: BSD-2-Clause
/*
 * probe.c: whether and how this machine can have events of the kernel.
 *
 * Owns the trials: the smallest program or map of each kind that the component needs is made and
 * dropped. Must not load the component's own object. Called by cmd/: doctor says all of it, list and
 * log what events there are, and who may see them. Works without privileges, and says less then.
 */
#include "probe.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel_internal.h"

/* ---- trials -------------------------------------------------------------------------------------- */

static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

static int drop(int fd)
{
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* A program that does nothing, for the point of that name. */
static int program_try(const struct btf *btf, enum bpf_attach_type type, const char *point,
		       uint32_t kind)
{
	const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K }, /* r0 = 0 */
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = type);
	int id = btf ? btf__find_by_name_kind(btf, point, kind) : 0;

	if (!btf)
		return -ENODATA;
	if (id < 0)
		return -ENOENT;
	options.attach_btf_id = (uint32_t)id;
	return drop(bpf_prog_load(BPF_PROG_TYPE_TRACING, "tacho_probe", "GPL", nothing,
				  sizeof(nothing) / sizeof(nothing[0]), &options));
}

static int mmap_try(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);

	return drop(bpf_map_create(BPF_MAP_TYPE_ARRAY, "tacho_probe", sizeof(uint32_t),
				   sizeof(uint64_t), 1, &options));
}

/* libbpf knows the types of key and value that the kernel wants to be told. */
static int storage_try(void)
{
	int result = libbpf_probe_bpf_map_type(BPF_MAP_TYPE_TASK_STORAGE, NULL);

	if (result > 0)
		return 0;
	return result < 0 ? result : mmap_try() == -EPERM ? -EPERM : -EOPNOTSUPP;
}

static int timer_try(void)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = 1000000000,
		.disabled = 1,
	};
	int fd = -1;

	/* CPU 0 may be absent, but then another one is there */
	for (int cpu = 0; cpu < 64 && fd < 0; cpu++) {
		fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
		if (fd < 0 && errno != ENODEV && errno != EINVAL)
			return errno == EACCES ? -EPERM : -errno;
	}
	return fd < 0 ? -ENODEV : drop(fd);
}

static int feature_try(enum tacho_kernel_feature feature, const struct btf *btf)
{
	switch (feature) {
	case TACHO_FEATURE_PROGRAMS:
		return program_try(btf, BPF_TRACE_RAW_TP, "btf_trace_sched_switch",
				   BTF_KIND_TYPEDEF);
	case TACHO_FEATURE_MMAP:
		return mmap_try();
	case TACHO_FEATURE_STORAGE:
		return storage_try();
	case TACHO_FEATURE_ITER:
		return program_try(btf, BPF_TRACE_ITER, "bpf_iter_task", BTF_KIND_FUNC);
	case TACHO_FEATURE_TIMER:
		return timer_try();
	default:
		return -EINVAL;
	}
}

int tacho_kernel_feature(enum tacho_kernel_feature feature)
{
	libbpf_print_fn_t before = libbpf_set_print(quiet);
	struct btf *btf = NULL;
	int error;

	if (feature == TACHO_FEATURE_PROGRAMS || feature == TACHO_FEATURE_ITER)
		btf = btf__load_vmlinux_btf();
	error = feature_try(feature, btf);
	btf__free(btf);
	libbpf_set_print(before);
	return error;
}

const char *tacho_kernel_feature_since(enum tacho_kernel_feature feature)
{
	static const char *const since[TACHO_NR_FEATURES] = {
		[TACHO_FEATURE_PROGRAMS] = "5.5", [TACHO_FEATURE_MMAP] = "5.5",
		[TACHO_FEATURE_STORAGE] = "5.11", [TACHO_FEATURE_ITER] = "5.8",
		[TACHO_FEATURE_TIMER] = "4.9",
	};

	return feature < TACHO_NR_FEATURES ? since[feature] : "?";
}

const char *tacho_kernel_counter(uint32_t n)
{
	const char *name;

	return tacho_k_counter_find(NULL, n, NULL, &name) ? NULL : name;
}

/* ---- privileges ---------------------------------------------------------------------------------- */

/* CAP_SYS_ADMIN stands for the first two: it did so before they were made of it. */
size_t tacho_kernel_capabilities(char *text, size_t size)
{
	static const struct {
		int bit;
		const char *name;
		bool admin_is_enough;
	} needed[] = {
		{ CAP_BPF, "CAP_BPF", true },
		{ CAP_PERFMON, "CAP_PERFMON", true },
		{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE", false },
	};
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
	size_t missing = 0, len = 0;
	bool has, admin;

	text[0] = '\0';
	(void)syscall(SYS_capget, &head, data);
	admin = data[CAP_SYS_ADMIN / 32].effective >> CAP_SYS_ADMIN % 32 & 1;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		has = data[needed[i].bit / 32].effective >> needed[i].bit % 32 & 1;
		if (has || (admin && needed[i].admin_is_enough))
			continue;
		missing++;
		if (len < size)
			len += (size_t)snprintf(text + len, size - len, "%s%s", len ? ", " : "",
						needed[i].name);
	}
	return missing;
}

bool tacho_kernel_sees_host(void)
{
	const ino_t first = 0xeffffffc; /* PROC_PID_INIT_INO of the kernel, fixed since Linux 3.8 */
	struct stat file;

	/* no such file: no namespaces */
	return stat("/proc/self/ns/pid", &file) || file.st_ino == first;
}

/* ---- what follows from it ------------------------------------------------------------------------ */

/* What keeps the component from being loaded, in one line; false if nothing does. */
static bool is_missing(const struct btf *btf, char *text, size_t size)
{
	static const char *const what[] = {
		[TACHO_FEATURE_PROGRAMS] = "programs at tracepoints",
		[TACHO_FEATURE_MMAP] = "arrays that can be mapped",
		[TACHO_FEATURE_STORAGE] = "storage of tasks",
		[TACHO_FEATURE_ITER] = "programs that walk over all tasks",
	};
	char names[48];

	for (uint32_t i = 0; i < sizeof(what) / sizeof(what[0]); i++) {
		int error = feature_try((enum tacho_kernel_feature)i, btf);

		if (error == -EPERM && tacho_kernel_capabilities(names, sizeof(names)))
			snprintf(
				text, size,
				"events of the kernel need root, or here %s; programs can be logged without",
				names);
		else if (error == -EPERM)
			snprintf(
				text, size,
				"the kernel refuses eBPF to this process (user namespace, lockdown, "
				"seccomp); programs can be logged without");
		else if (error)
			snprintf(text, size,
				 "events of the kernel need %s (Linux %s, eBPF): %s; programs can "
				 "be logged without",
				 what[i], tacho_kernel_feature_since((enum tacho_kernel_feature)i),
				 strerror(-error));
		if (error)
			return true;
	}
	return false;
}

void tacho_kernel_probe(struct tacho_kernel_probe *probe)
{
	libbpf_print_fn_t before = libbpf_set_print(quiet);
	struct btf *btf = NULL;

	memset(probe, 0, sizeof(*probe));
	probe->has_btf = tacho_k_btf_open(&btf, probe->missing, sizeof(probe->missing)) == 0;
	tacho_k_events(probe->events, probe->why, btf);
	for (uint32_t i = 0; i < TACHO_K_COUNTERS; i++)
		snprintf(probe->events[TACHO_K_CPU_PMC0 + i].counter,
			 sizeof(probe->events[0].counter), "%s", tacho_kernel_counter(i));
	if (probe->has_btf)
		probe->may_load = !is_missing(btf, probe->missing, sizeof(probe->missing));
	btf__free(btf);
	libbpf_set_print(before);
}
