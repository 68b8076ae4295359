// SPDX-License-Identifier: BSD-2-Clause
/*
 * kernel.c: loading the programs, and the area that they write.
 *
 * Owns the object from open to close, the area in the map, and the housekeeping. What is attached is
 * decided by enable.c, who is who by binding.c. Everything here is a descriptor of this process, so
 * that nothing is left when it ends. Section 4.3 of paper 001; called by cmd/ and by schedulers.
 */
#include "kernel.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "lib/internal.h"
#include "kernel_internal.h"
#include "object.h"

#define DOMAINS	  1024u
#define LOGS	  64u
#define ROWS_SIZE (4u << 20)
#define RUNQ_US	  1000u
#define MAX_TIDS  (1u << 20)
#define SHARED_MS 100u
/* task.track: what a fork storm makes between two calls of tend */
#define TRACK_ROWS 8192u
/* the verifier follows offsets into a value up to here */
#define MAX_BODY (1u << 29)

/* ---- what libbpf and the verifier have to say --------------------------------------------------- */

/* The last complaint of libbpf in this thread; it knows no better way than a function to print. */
static __thread char complaint[160];

static int complaint_take(enum libbpf_print_level level, const char *fmt, va_list args)
{
	if (level != LIBBPF_WARN)
		return 0;
	/* the first one is the cause, what follows is its consequence */
	if (!complaint[0])
		vsnprintf(complaint, sizeof(complaint), fmt, args);
	complaint[strcspn(complaint, "\n")] = '\0';
	return 0;
}

__attribute__((format(printf, 3, 4))) int tacho_k_fail(struct tacho_kernel *kernel, int error,
						       const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(kernel->error, sizeof(kernel->error), fmt, ap);
	va_end(ap);
	return error;
}

/* ---- opening ------------------------------------------------------------------------------------- */

/* Programs for tracepoints that this kernel does not have stay out, and those that it has refused. */
static void programs_choose(struct tacho_kernel *kernel)
{
	for (size_t i = 0; i < tacho_k_nr_sources; i++) {
		struct bpf_program *program = bpf_object__find_program_by_name(
			kernel->skel->obj, tacho_k_sources[i].program);

		if (program)
			bpf_program__set_autoload(
				program,
				!kernel->refused[i] &&
					tacho_k_source_exists(&tacho_k_sources[i], kernel->btf));
	}
}

/*
 * Which program it was that the verifier of this kernel did not take: the complaint names it. Events
 * that need it are then not there; the rest is. False: nobody knows, or nothing works without it.
 */
static bool program_refuse(struct tacho_kernel *kernel)
{
	const char *name = strstr(complaint, "prog '");
	size_t len = name ? strcspn(name + 6, "'") : 0;

	for (size_t i = 0; i < tacho_k_nr_sources && len; i++) {
		const struct tacho_k_source *source = &tacho_k_sources[i];

		if (strlen(source->program) != len || strncmp(source->program, name + 6, len) != 0)
			continue;
		if (kernel->refused[i] || source->how == TACHO_K_TASKS ||
		    (source->how == TACHO_K_RUN && !source->events))
			return false;
		kernel->refused[i] = true;
		for (uint32_t id = 0; id < TACHO_K_NR; id++)
			if (source->events >> id & 1)
				kernel->events[id].kind = 0;
		return true;
	}
	return false;
}

static void geometry_set(struct tacho_kernel *kernel, const struct tacho_area *h)
{
	struct tacho_geometry *geometry = &kernel->skel->rodata->geometry;

	geometry->nr_cpus = h->nr_cpus;
	geometry->first = (uint32_t)(h->parts_off / h->part_stride);
	geometry->body_mask = h->body_size - 1;
	geometry->routes_off = h->routes_off;
	geometry->samples_off = h->samples_off;
	geometry->principals_off = (uint32_t)h->principals_off;
	geometry->principal_mask = h->nr_principals - 1;
	geometry->domain_mask = h->nr_domains - 1;
	geometry->control_mask = (h->nr_logs - 1) * (uint32_t)sizeof(struct tacho_control);
#if !defined(__x86_64__) && !defined(__i386__)
	geometry->weak = 1;
#endif
}

/* The offset of a per-CPU variable in its section of the kernel, -1: there is none of that name. */
static int64_t percpu_offset(const struct btf *btf, const char *name)
{
	int32_t section = btf__find_by_name_kind(btf, ".data..percpu", BTF_KIND_DATASEC);
	int32_t variable = btf__find_by_name_kind(btf, name, BTF_KIND_VAR);
	const struct btf_type *type = section > 0 ? btf__type_by_id(btf, (uint32_t)section) : NULL;
	const struct btf_var_secinfo *info = type ? btf_var_secinfos(type) : NULL;

	for (int i = 0; type && variable > 0 && i < btf_vlen(type); i++)
		if (info[i].type == (uint32_t)variable)
			return info[i].offset;
	return -1;
}

/* How far a per-CPU variable is from the run queue of the same CPU; 0: not known. */
static int64_t percpu_from_rq(const struct btf *btf, const char *name)
{
	int64_t rq = percpu_offset(btf, "runqueues"), offset = percpu_offset(btf, name);

	return rq < 0 || offset < 0 ? 0 : offset - rq;
}

/* The preemption count of x86: a variable, or a field of pcpu_hot behind the pointer to the task. */
static int64_t preempt_from_rq(const struct btf *btf)
{
	int64_t off = percpu_from_rq(btf, "__preempt_count"), hot;

	if (off)
		return off;
	hot = percpu_from_rq(btf, "pcpu_hot");
	return hot ? hot + (int64_t)sizeof(void *) : 0;
}

static int area_plan(struct tacho_kernel *kernel, const struct tacho_kernel_options *options,
		     struct tacho_area *h)
{
	const uint32_t domains = options->nr_domains ? options->nr_domains : DOMAINS;
	const uint32_t track = TRACK_ROWS * TACHO_ROW_SIZE(TACHO_CLOCK_TIME | TACHO_ENTRIES_ALL);
	struct tacho_area_options area = {
		.component = TACHO_COMPONENT_KERNEL,
		.nr_domains = domains,
		/* a principal more than domains: the last one is nobody's */
		.nr_principals = 2 * domains,
		.nr_events = 64,
		.nr_logs = (options->nr_logs ? options->nr_logs : LOGS) + 1,
		.rows_size = (options->rows_size ? options->rows_size : ROWS_SIZE) + track,
		.clock_source = TACHO_SOURCE_MONOTONIC,
		.flags = TACHO_AREA_ARRAY,
		.name = "kernel",
	};
	int error;

	if (domains < 4 || domains > TACHO_MAX_DOMAINS)
		return tacho_k_fail(kernel, -EINVAL, "%u domains: 4 to %u are possible", domains,
				    TACHO_MAX_DOMAINS);
	error = tacho_i_memory_plan(&kernel->memory, h, &area);
	if (!error && h->principals_off + h->nr_principals * sizeof(tacho_u32) > h->part_stride)
		error = -E2BIG;
	if (!error && h->body_size > MAX_BODY)
		return tacho_k_fail(
			kernel, -E2BIG,
			"%u MB of logs for each CPU: %u are possible, choose fewer rows",
			h->body_size >> 20, MAX_BODY >> 20);
	return error ? tacho_k_fail(kernel, error, "making the area: %s",
				    kernel->memory.notice[0] ? kernel->memory.notice
							     : strerror(-error))
		     : 0;
}

/* Thread ids of the table beside the storage: all of them, within reason. */
static uint32_t principals_count(void)
{
	unsigned int max = 32768;
	FILE *file = fopen("/proc/sys/kernel/pid_max", "re");

	if (file) {
		if (fscanf(file, "%u", &max) != 1)
			max = 32768;
		fclose(file);
	}
	return max < MAX_TIDS ? max : MAX_TIDS;
}

/* The maps get their sizes, the programs what they must know. */
static int object_prepare(struct tacho_kernel *kernel, const struct tacho_area *h)
{
	struct tacho_k *skel = kernel->skel;
	int error;

	error = bpf_map__set_value_size(skel->maps.area, (uint32_t)h->part_stride);
	if (!error)
		error = bpf_map__set_max_entries(
			skel->maps.area, (uint32_t)(h->parts_off / h->part_stride) + h->nr_cpus);
	if (!error)
		error = bpf_map__set_max_entries(skel->maps.counters,
						 TACHO_K_COUNTERS * h->nr_cpus);
	if (!error)
		error = bpf_map__set_max_entries(skel->maps.principals, principals_count());
	geometry_set(kernel, h);
	skel->rodata->has_rdonly_cast =
		btf__find_by_name_kind(kernel->btf, "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;
	skel->rodata->fresh_for = kernel->fresh_for;
	skel->rodata->preempt_from_rq = preempt_from_rq(kernel->btf);
	skel->rodata->this_cpu_off_from_rq = percpu_from_rq(kernel->btf, "this_cpu_off");
	return error;
}

static int load_failed(struct tacho_kernel *kernel, int error, uint64_t size)
{
	if (error == -EPERM || error == -EACCES)
		return tacho_k_fail(kernel, -EPERM,
				    "events of the kernel need root, or the capabilities CAP_BPF, "
				    "CAP_PERFMON and CAP_SYS_PTRACE");
	if (error == -ENOMEM || error == -E2BIG)
		return tacho_k_fail(kernel, -ENOMEM,
				    "no memory for an area of %llu MB in the kernel: fewer domains "
				    "or rows, or a higher memory limit",
				    (unsigned long long)(size >> 20));
	if (error == -EMFILE || error == -ENFILE)
		return tacho_k_fail(
			kernel, error,
			"too many open files for the programs: a higher limit (ulimit -n)");
	/* -EINVAL is what the caller asked for */
	return tacho_k_fail(kernel, error == -EINVAL ? -ENOEXEC : error,
			    "the kernel does not take the programs: %s",
			    complaint[0] ? complaint : strerror(-error));
}

/*
 * A type that the kernel does not have may be one of a module. libbpf looks for it there, which takes
 * CAP_SYS_ADMIN; if that is refused, the kernel's own types have to do.
 */
static bool modules_refuse(bool *without_modules, int error)
{
	if (error != -EPERM || *without_modules || !strstr(complaint, "iterate BTF"))
		return false;
	*without_modules = true;
	return true;
}

static int object_try(struct tacho_kernel *kernel, const struct tacho_area *h, bool without_modules)
{
	LIBBPF_OPTS(bpf_object_open_opts, options,
		    .btf_custom_path = without_modules ? "/sys/kernel/btf/vmlinux" : NULL);
	int error;

	complaint[0] = '\0';
	kernel->skel = tacho_k__open_opts(&options);
	if (!kernel->skel)
		return errno ? -errno : -EINVAL;
	programs_choose(kernel);
	error = object_prepare(kernel, h);
	if (!error)
		error = tacho_k__load(kernel->skel);
	if (error) {
		tacho_k__destroy(kernel->skel);
		kernel->skel = NULL;
	}
	return error;
}

/*
 * The kernel charges maps to this process's memory, before 5.11 to its limit of locked memory. Programs,
 * links and maps are some hundred descriptors, and timers and counters some for each CPU.
 */
static void limits_raise(void)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit files;

	(void)setrlimit(RLIMIT_MEMLOCK, &unlimited);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

/* Maps first come to life here. */
static int object_load(struct tacho_kernel *kernel, const struct tacho_area *h)
{
	libbpf_print_fn_t before = libbpf_set_print(complaint_take);
	bool without_modules = false;
	int error;

	limits_raise();
	do
		error = object_try(kernel, h, without_modules);
	while (error && (modules_refuse(&without_modules, error) ||
			 (error != -EPERM && error != -ENOMEM && error != -EMFILE &&
			  error != -ENFILE && program_refuse(kernel))));
	libbpf_set_print(before);
	return error ? load_failed(kernel, error, h->size) : 0;
}

static int area_adopt(struct tacho_kernel *kernel, struct tacho_area *h)
{
	int fd = bpf_map__fd(kernel->skel->maps.area), error;
	void *base = mmap(NULL, h->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char why[120];

	if (base == MAP_FAILED)
		return tacho_k_fail(kernel, -errno, "mapping the area: %s", strerror(errno));
	error = tacho_i_memory_adopt(&kernel->memory, h, base);
	if (error) {
		munmap(base, h->size);
		return tacho_k_fail(kernel, error, "making the area: %s", strerror(-error));
	}
	for (uint32_t i = 0; i + 1 < h->nr_principals; i++)
		tacho_memory_bind(&kernel->memory, i, i & (h->nr_domains - 1));
	error = tacho_i_memory_events(&kernel->memory, kernel->events, TACHO_K_NR);
	if (!error)
		error = tacho_view_open(&kernel->view, base, h->size, why, sizeof(why));
	return error;
}

/* The log of task.track, number 1: it is read by binding.c alone. */
static int track_open(struct tacho_kernel *kernel)
{
	int log = tacho_memory_log_add(&kernel->memory, TRACK_ROWS,
				       TACHO_CLOCK_TIME | TACHO_ENTRIES_ALL, TACHO_K_TASK_TRACK,
				       TACHO_NONE);
	int error = log < 0 ? log : 0;

	if (!error)
		error = tacho_memory_route(&kernel->memory, TACHO_K_TASK_TRACK, TACHO_NONE,
					   (uint32_t)log, 1);
	if (!error)
		error = tacho_merge_open(&kernel->track, &kernel->view);
	for (uint32_t cpu = 0; cpu < kernel->nr_cpus && !error; cpu++)
		error = tacho_merge_add(kernel->track, cpu, (uint32_t)log, 1);
	return error ? tacho_k_fail(kernel, error, "making the log of tasks: %s", strerror(-error))
		     : 0;
}

static int counter_refuse(struct tacho_kernel *kernel, int error, const char *name)
{
	char names[180];

	tacho_k_counter_names(names, sizeof(names));
	return tacho_k_fail(kernel, error, "there is no counter '%.20s'; there are: %s", name,
			    names);
}

static int kernel_open(struct tacho_kernel *kernel, const struct tacho_kernel_options *options)
{
	struct tacho_area h;
	int error;

	error = tacho_k_btf_open(&kernel->btf, kernel->error, sizeof(kernel->error));
	if (error)
		return error;
	tacho_k_events(kernel->events, NULL, kernel->btf);
	for (uint32_t i = 0; i < TACHO_K_COUNTERS; i++) {
		kernel->counter_name[i] = options->counters[i];
		error = tacho_k_counter_find(options->counters[i], i, NULL,
					     &kernel->counter_name[i]);
		if (error)
			return counter_refuse(kernel, error, options->counters[i]);
		snprintf(kernel->events[TACHO_K_CPU_PMC0 + i].counter,
			 sizeof(kernel->events[0].counter), "%s", kernel->counter_name[i]);
	}
	error = tacho_rules_parse(&kernel->rules, options->rules, options->nr_rules, kernel->error,
				  sizeof(kernel->error));
	if (error)
		return error;
	kernel->fresh_for = tacho_k_binding_fresh(options->by);
	kernel->shared_ms = options->shared_ms ? options->shared_ms : SHARED_MS;
	kernel->runq_us = options->runq_us ? options->runq_us : RUNQ_US;
	error = area_plan(kernel, options, &h);
	if (error)
		return error;
	kernel->nr_cpus = h.nr_cpus;
	error = object_load(kernel, &h);
	btf__free(kernel->btf); /* megabytes that nobody asks again */
	kernel->btf = NULL;
	if (!error)
		error = area_adopt(kernel, &h);
	if (!error)
		error = track_open(kernel);
	if (!error)
		error = tacho_k_children_open(kernel);
	if (!error)
		error = tacho_k_binding_open(kernel, options);
	return error;
}

int tacho_kernel_open(struct tacho_kernel **out_kernel, const struct tacho_kernel_options *options,
		      char *why, size_t why_size)
{
	static const struct tacho_kernel_options defaults;
	struct tacho_kernel *kernel = calloc(1, sizeof(*kernel));
	int error;

	*out_kernel = NULL;
	if (why_size)
		why[0] = '\0';
	if (!kernel)
		return -ENOMEM;
	error = kernel_open(kernel, options ? options : &defaults);
	if (error) {
		if (why_size)
			snprintf(why, why_size, "%s",
				 kernel->error[0] ? kernel->error : strerror(-error));
		tacho_kernel_close(kernel);
		return error;
	}
	*out_kernel = kernel;
	return 0;
}

void tacho_kernel_close(struct tacho_kernel *kernel)
{
	if (!kernel)
		return;
	tacho_k_enable_none(kernel);
	tacho_k_enable_close(kernel);
	tacho_k_share_close(kernel);
	tacho_k_binding_close(kernel);
	tacho_k_children_close(kernel);
	if (kernel->track)
		tacho_merge_close(kernel->track);
	if (kernel->memory.base)
		munmap(kernel->memory.base, kernel->memory.size);
	tacho_k__destroy(kernel->skel);
	btf__free(kernel->btf);
	free(kernel);
}

struct tacho_memory *tacho_kernel_memory(struct tacho_kernel *kernel)
{
	return &kernel->memory;
}

const char *tacho_kernel_error(const struct tacho_kernel *kernel)
{
	return kernel->error;
}

const struct tacho_event_entry *tacho_kernel_events(const struct tacho_kernel *kernel)
{
	return kernel->events;
}

/* ---- housekeeping -------------------------------------------------------------------------------- */

/*
 * How often the kernel is asked for what no row tells: CPUs, and runs that it refused. Each is a system
 * call or several, which were most of what a tend costs; once programs were detached, the next one asks.
 */
#define LOOK_NS 100000000ull

/* A program that is interrupted by itself does not run again: the kernel counts it, for all CPUs. */
static void nested_take(struct tacho_kernel *kernel)
{
	const struct tacho_area *h = &kernel->view.header;
	struct tacho_cpu *cpu = (struct tacho_cpu *)(void *)(kernel->memory.base + h->parts_off);
	uint64_t nested = tacho_k_enable_nested(kernel);

	if (nested)
		tacho_add_relaxed(&cpu->lost[TACHO_LOST_NESTED], nested);
}

int tacho_kernel_tend(struct tacho_kernel *kernel, bool *changed)
{
	const uint64_t now = tacho_i_clock_read(TACHO_SOURCE_MONOTONIC);
	int error = tacho_k_binding_tend(kernel);

	tacho_k_enable_forget(kernel);
	if (kernel->dropped || now - kernel->looked_ns >= LOOK_NS) {
		kernel->dropped = false;
		kernel->looked_ns = now;
		nested_take(kernel);
		if (!error)
			error = tacho_k_enable_cpus(kernel);
	}
	if (!error)
		error = tacho_k_share_tend(kernel);
	if (changed)
		*changed = kernel->names_changed;
	kernel->names_changed = false;
	return error;
}
