// SPDX-License-Identifier: BSD-2-Clause
/*
 * enable.c: programs on and off, by the events that a session asked for.
 *
 * Owns the links and perf events: a program is attached while an enabled event needs it, and the
 * programs that follow tasks while any event is enabled, or somebody wants it. Every task is bound
 * before anything but these is attached. The kernel's static keys make what is not attached free.
 * Must not touch the logs.
 *
 * Timers and counters exist per online CPU; tacho_k_enable_cpus follows CPUs that come and go.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hypervisor.h"
#include "kernel_internal.h"
#include "lib/internal.h"
#include "object.h"

#define PMC_EVENTS                                                                                 \
	(TACHO_K_BIT(CPU_PMC0) | TACHO_K_BIT(CPU_PMC1) | TACHO_K_BIT(CPU_PMC2) |                   \
	 TACHO_K_BIT(CPU_PMC3))
/* What keeps tacho_cpu.running true: counters are charged with the slices that it delimits. */
#define SERVICE_EVENTS (TACHO_K_BIT(CPU_SERVICE) | PMC_EVENTS)
#define HYPERVISOR_EVENTS                                                                          \
	(TACHO_K_BIT(VM_RUN) | TACHO_K_BIT(VM_EXIT) | TACHO_K_BIT(VM_IRQ) | TACHO_K_BIT(VM_HALT) | \
	 TACHO_K_BIT(VM_USERSPACE))

/* ---- perf events, one per CPU -------------------------------------------------------------------- */

static void percpu_close(struct tacho_k_percpu *percpu, uint32_t nr_cpus)
{
	for (uint32_t cpu = 0; percpu->fd && cpu < nr_cpus; cpu++) {
		if (percpu->link[cpu])
			bpf_link__destroy(percpu->link[cpu]); /* closes its perf event, too */
		else if (percpu->fd[cpu] >= 0)
			close(percpu->fd[cpu]);
	}
	free(percpu->fd);
	free(percpu->link);
	*percpu = (struct tacho_k_percpu){ NULL, NULL };
}

/* On every CPU that is online; the others have -1. */
static int percpu_open(struct tacho_k_percpu *percpu, struct perf_event_attr *attr,
		       uint32_t nr_cpus)
{
	int opened = 0, error = 0;

	percpu->fd = malloc(nr_cpus * sizeof(*percpu->fd));
	percpu->link = calloc(nr_cpus, sizeof(struct bpf_link *));
	if (!percpu->fd || !percpu->link) {
		free(percpu->fd);
		free(percpu->link);
		*percpu = (struct tacho_k_percpu){ NULL, NULL };
		return -ENOMEM;
	}
	for (uint32_t cpu = 0; cpu < nr_cpus; cpu++) {
		percpu->fd[cpu] = (int)syscall(SYS_perf_event_open, attr, -1, (int)cpu, -1,
					       PERF_FLAG_FD_CLOEXEC);
		if (percpu->fd[cpu] >= 0)
			opened++;
		else if (errno != ENODEV && errno != EINVAL)
			error = -errno;
		else if (!error)
			error = opened ? 0 : -errno;
	}
	if (opened)
		return 0;
	percpu_close(percpu, nr_cpus);
	return error ? error : -ENODEV;
}

static int timer_start(struct tacho_kernel *kernel)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = (uint64_t)kernel->runq_us * 1000,
	};
	int error = percpu_open(&kernel->timer, &attr, kernel->nr_cpus);

	if (error)
		return tacho_k_fail(kernel, error, "starting the timer of cpu.runq: %s",
				    strerror(-error));
	for (uint32_t cpu = 0; cpu < kernel->nr_cpus; cpu++) {
		if (kernel->timer.fd[cpu] < 0)
			continue;
		kernel->timer.link[cpu] = bpf_program__attach_perf_event(
			kernel->skel->progs.cpu_runq, kernel->timer.fd[cpu]);
		if (!kernel->timer.link[cpu]) {
			error = -errno;
			percpu_close(&kernel->timer, kernel->nr_cpus);
			return tacho_k_fail(kernel, error, "attaching the timer of cpu.runq: %s",
					    strerror(-error));
		}
	}
	return 0;
}

static void counters_stop(struct tacho_kernel *kernel)
{
	int map = bpf_map__fd(kernel->skel->maps.counters);

	for (uint32_t i = 0; i < TACHO_K_COUNTERS; i++) {
		for (uint32_t cpu = 0; kernel->counter[i].fd && cpu < kernel->nr_cpus; cpu++) {
			uint32_t key = i * kernel->nr_cpus + cpu;

			bpf_map_delete_elem(map, &key);
		}
		percpu_close(&kernel->counter[i], kernel->nr_cpus);
	}
}

/* Counters begin at 0, so what they had at the last switch does, too. */
static int counters_reset(struct tacho_kernel *kernel)
{
	const size_t size = TACHO_K_COUNTERS * sizeof(uint64_t);
	void *zero = calloc((size_t)libbpf_num_possible_cpus(), size);
	uint32_t key = 0;
	int error = -ENOMEM;

	if (zero)
		error = bpf_map_update_elem(bpf_map__fd(kernel->skel->maps.pmc_last), &key, zero,
					    BPF_ANY)
				? -errno
				: 0;
	free(zero);
	return error;
}

static int counters_start(struct tacho_kernel *kernel)
{
	int map = bpf_map__fd(kernel->skel->maps.counters), error = counters_reset(kernel);
	struct perf_event_attr attr;

	for (uint32_t i = 0; i < TACHO_K_COUNTERS && !error; i++) {
		if (!(kernel->enabled >> (TACHO_K_CPU_PMC0 + i) & 1))
			continue;
		error = tacho_k_counter_find(kernel->counter_name[i], i, &attr, NULL);
		if (!error)
			error = percpu_open(&kernel->counter[i], &attr, kernel->nr_cpus);
		if (error) {
			tacho_k_fail(kernel, error, "cpu.pmc%u: this machine does not count %s: %s",
				     i, kernel->counter_name[i], strerror(-error));
			break;
		}
		for (uint32_t cpu = 0; cpu < kernel->nr_cpus && !error; cpu++) {
			uint32_t key = i * kernel->nr_cpus + cpu;

			if (kernel->counter[i].fd[cpu] >= 0 &&
			    bpf_map_update_elem(map, &key, &kernel->counter[i].fd[cpu], BPF_ANY))
				error = tacho_k_fail(kernel, -errno,
						     "cpu.pmc%u: the kernel does not let programs "
						     "read %s: %s",
						     i, kernel->counter_name[i], strerror(errno));
		}
	}
	if (error)
		counters_stop(kernel);
	return error;
}

/* ---- what runs now ----------------------------------------------------------------------------------- */

static struct tacho_cpu *cpu_part(const struct tacho_kernel *kernel, uint32_t cpu)
{
	const struct tacho_area *h = &kernel->view.header;

	return (struct tacho_cpu *)(void *)(kernel->memory.base + h->parts_off +
					    cpu * h->part_stride);
}

/* Each CPU says what it runs; on one that is not there, nothing does. */
static void running_start(struct tacho_kernel *kernel)
{
	int program = bpf_program__fd(kernel->skel->progs.start_running);

	for (uint32_t cpu = 0; cpu < kernel->nr_cpus; cpu++) {
		LIBBPF_OPTS(bpf_test_run_opts, options, .flags = BPF_F_TEST_RUN_ON_CPU, .cpu = cpu);

		if (bpf_prog_test_run_opts(program, &options))
			tacho_store_relaxed(&cpu_part(kernel, cpu)->running_since, 0);
	}
}

/*
 * Nothing keeps it true any more. A program may just be storing: to wait until none can
 * (membarrier) takes 10 to 100 ms, which is long for who switches events off to save time; so the
 * next looks do it again.
 */
void tacho_k_enable_forget(struct tacho_kernel *kernel)
{
	if (kernel->enabled & SERVICE_EVENTS)
		return;
	for (uint32_t cpu = 0; cpu < kernel->nr_cpus; cpu++)
		tacho_store_relaxed(&cpu_part(kernel, cpu)->running_since, 0);
}

/* ---- links --------------------------------------------------------------------------------------- */

bool tacho_k_enable_follows(const struct tacho_kernel *kernel)
{
	return kernel->enabled != 0 || kernel->follows;
}

static bool source_is_wanted(const struct tacho_kernel *kernel, const struct tacho_k_source *source)
{
	if (source->how == TACHO_K_TASKS)
		return tacho_k_enable_follows(kernel);
	if (source->how != TACHO_K_TRACEPOINT)
		return false;
	if (((source->events | source->helps) & kernel->enabled) == 0)
		return false;
	/* a program of one way serves one event */
	return source->way == TACHO_K_ALWAYS ||
	       source->way ==
		       tacho_vm_way((uint32_t)__builtin_ctzll(source->events | source->helps));
}

static int link_make(struct tacho_kernel *kernel, size_t i)
{
	const struct tacho_k_source *source = &tacho_k_sources[i];
	struct bpf_program *program =
		bpf_object__find_program_by_name(kernel->skel->obj, source->program);
	libbpf_print_fn_t before;
	int error;

	if (!program || !bpf_program__autoload(program))
		return 0; /* no such tracepoint: what cannot do without it is not enabled */
	before = libbpf_set_print(NULL); /* it would print what is said here */
	kernel->links[i] = bpf_program__attach(program);
	error = kernel->links[i] ? 0 : errno ? -errno : -EINVAL;
	libbpf_set_print(before);
	kernel->fd[i] = bpf_program__fd(program);
	if (!error)
		return 0;
	return tacho_k_fail(kernel, error, "attaching to %s: %s", source->tracepoint,
			    strerror(-error));
}

/* Attach what is wanted and not attached; the programs that follow tasks come first. */
static int links_make(struct tacho_kernel *kernel, bool tasks)
{
	for (size_t i = 0; i < tacho_k_nr_sources; i++) {
		const struct tacho_k_source *source = &tacho_k_sources[i];
		int error;

		if (kernel->links[i] || (source->how == TACHO_K_TASKS) != tasks ||
		    !source_is_wanted(kernel, source))
			continue;
		error = link_make(kernel, i);
		if (error)
			return error;
	}
	return 0;
}

static void links_drop(struct tacho_kernel *kernel)
{
	for (size_t i = 0; i < tacho_k_nr_sources; i++) {
		if (!kernel->links[i] || source_is_wanted(kernel, &tacho_k_sources[i]))
			continue;
		bpf_link__destroy(kernel->links[i]);
		kernel->links[i] = NULL;
		kernel->dropped = true;
	}
}

static void active_set(struct tacho_kernel *kernel)
{
	uint32_t what = 0;

	if (kernel->enabled & SERVICE_EVENTS)
		what |= TACHO_K_ACTIVE_SERVICE;
	if (kernel->enabled & PMC_EVENTS)
		what |= TACHO_K_ACTIVE_PMC;
	if (kernel->enabled & TACHO_K_BIT(CPU_WAIT))
		what |= TACHO_K_ACTIVE_WAIT;
	tacho_store_relaxed(&kernel->skel->bss->active, what);
}

/* From when on the beginning of a span is one. */
static void since_set(struct tacho_kernel *kernel, uint64_t had)
{
	const uint64_t now = tacho_i_clock_read(TACHO_SOURCE_MONOTONIC);

	for (uint32_t id = 0; id < TACHO_K_NR; id++) {
		uint64_t since = now;

		if (!(kernel->enabled >> id & 1))
			since = UINT64_MAX;
		else if (had >> id & 1)
			continue;
		tacho_store_relaxed(&kernel->skel->bss->enabled_ns[id], since);
	}
}

/* Everybody has a domain before anything else is attached. */
static int tasks_follow(struct tacho_kernel *kernel)
{
	int error = links_make(kernel, true);

	return error ? error : tacho_k_binding_start(kernel);
}

/* Make what is attached agree with the set of enabled events. */
static int apply(struct tacho_kernel *kernel, uint64_t wanted)
{
	const bool followed = tacho_k_enable_follows(kernel);
	uint64_t had = kernel->enabled;
	int error = 0;

	kernel->enabled = wanted;
	if (wanted & HYPERVISOR_EVENTS) /* before any of them is attached: it runs a machine */
		(void)tacho_vm_trial_get();
	if (!followed && wanted)
		error = tasks_follow(kernel);
	if (!error && (wanted & ~had & PMC_EVENTS)) {
		counters_stop(kernel);
		error = counters_start(kernel);
	}
	active_set(kernel);
	since_set(kernel, had);
	if (!error && (wanted & SERVICE_EVENTS) && !(had & SERVICE_EVENTS))
		running_start(kernel);
	if (!error)
		error = links_make(kernel, false);
	if (!error && (wanted & TACHO_K_BIT(CPU_RUNQ)) && !kernel->timer.fd)
		error = timer_start(kernel);
	links_drop(kernel);
	if (!(wanted & TACHO_K_BIT(CPU_RUNQ)))
		percpu_close(&kernel->timer, kernel->nr_cpus);
	if (!(wanted & PMC_EVENTS))
		counters_stop(kernel);
	if (had & SERVICE_EVENTS)
		tacho_k_enable_forget(kernel);
	return error;
}

static int ids_to_set(struct tacho_kernel *kernel, const uint32_t *ids, size_t nr, uint64_t *set)
{
	*set = 0;
	for (size_t i = 0; i < nr; i++) {
		if (ids[i] >= TACHO_K_NR || !kernel->events[ids[i]].kind)
			return tacho_k_fail(kernel, -ENOENT, "there is no event %u on this kernel",
					    ids[i]);
		*set |= 1ull << ids[i];
	}
	return 0;
}

int tacho_kernel_enable(struct tacho_kernel *kernel, const uint32_t *ids, size_t nr)
{
	uint64_t set, had = kernel->enabled;
	int error = ids_to_set(kernel, ids, nr, &set);
	char told[sizeof(kernel->error)];

	if (error)
		return error;
	error = apply(kernel, had | set);
	if (!error)
		return 0;
	memcpy(told, kernel->error, sizeof(told));
	apply(kernel, had);
	memcpy(kernel->error, told, sizeof(told));
	return error;
}

int tacho_kernel_disable(struct tacho_kernel *kernel, const uint32_t *ids, size_t nr)
{
	uint64_t set;
	int error = ids_to_set(kernel, ids, nr, &set);

	return error ? error : apply(kernel, kernel->enabled & ~set);
}

int tacho_kernel_follow(struct tacho_kernel *kernel, bool on)
{
	const bool followed = tacho_k_enable_follows(kernel);
	int error = 0;

	kernel->follows = on;
	if (!followed && on)
		error = tasks_follow(kernel);
	if (error)
		kernel->follows = false;
	links_drop(kernel);
	return error;
}

void tacho_k_enable_none(struct tacho_kernel *kernel)
{
	if (!kernel->skel)
		return;
	kernel->follows = false;
	if (kernel->enabled)
		apply(kernel, 0);
	else
		links_drop(kernel);
}

/* ---- CPUs ---------------------------------------------------------------------------------------- */

/* The file stays open: the kernel writes it anew whenever it is read from its beginning. */
static void online_read(struct tacho_kernel *kernel, char *list, size_t size)
{
	ssize_t len;

	if (kernel->online_fd == 0)
		kernel->online_fd = open("/sys/devices/system/cpu/online", O_RDONLY | O_CLOEXEC);
	len = kernel->online_fd < 0 ? -1 : pread(kernel->online_fd, list, size - 1, 0);
	list[len > 0 ? len : 0] = '\0';
}

void tacho_k_enable_close(struct tacho_kernel *kernel)
{
	if (kernel->online_fd > 0)
		close(kernel->online_fd);
}

int tacho_k_enable_cpus(struct tacho_kernel *kernel)
{
	char online[sizeof(kernel->online)];
	int error = 0;

	online_read(kernel, online, sizeof(online));
	if (strcmp(online, kernel->online) == 0)
		return 0;
	if (kernel->online[0]) {
		if (kernel->timer.fd) {
			percpu_close(&kernel->timer, kernel->nr_cpus);
			error = timer_start(kernel);
		}
		if (!error && (kernel->enabled & PMC_EVENTS)) {
			counters_stop(kernel);
			error = counters_start(kernel);
		}
		if (kernel->enabled & SERVICE_EVENTS)
			running_start(kernel);
	}
	memcpy(kernel->online, online, sizeof(online));
	return error;
}

/*
 * Of programs of tracepoints that are attached, or were when we looked last; of others the kernel
 * does not count it.
 */
uint64_t tacho_k_enable_nested(struct tacho_kernel *kernel)
{
	uint64_t nested = 0;

	for (size_t i = 0; i < tacho_k_nr_sources; i++) {
		struct bpf_prog_info info = { 0 };
		uint32_t size = sizeof(info);

		if (kernel->fd[i] == 0)
			continue;
		if (bpf_obj_get_info_by_fd(kernel->fd[i], &info, &size) == 0) {
			nested += info.recursion_misses - kernel->missed[i];
			kernel->missed[i] = info.recursion_misses;
		}
		if (!kernel->links[i])
			kernel->fd[i] = 0;
	}
	return nested;
}
