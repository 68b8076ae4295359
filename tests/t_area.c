// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_area.c: making areas, their memory, and configuring them while they are in use.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <tacho/hot.h>
#include <tacho/session.h>
#include <tacho/validate.h>

#include "internal.h"
#include "t.h"

#define MANY 128u /* CPUs of a large machine */

static struct tacho_cpu *cpu_at(const struct tacho_memory *memory, uint32_t cpu)
{
	const struct tacho_area *h = tacho_memory_header(memory);

	return (struct tacho_cpu *)(void *)(memory->base + h->parts_off + cpu * h->part_stride);
}

static struct tacho_control *control_at(const struct tacho_memory *memory, uint32_t cpu,
					uint32_t log)
{
	unsigned char *part = (unsigned char *)cpu_at(memory, cpu);

	return (struct tacho_control *)(void *)(part + TACHO_CONTROLS_OFF) + log;
}

static tacho_u32 route_at(const struct tacho_memory *memory, uint32_t cpu, uint32_t event,
			  uint32_t domain)
{
	const struct tacho_area *h = tacho_memory_header(memory);
	unsigned char *part = (unsigned char *)cpu_at(memory, cpu);

	return ((tacho_u32 *)(void *)(part + h->routes_off))[event * h->nr_domains + domain];
}

static struct tacho_sample *sample_at(const struct tacho_memory *memory, uint32_t cpu,
				      uint32_t event, uint32_t domain)
{
	const struct tacho_area *h = tacho_memory_header(memory);
	unsigned char *part = (unsigned char *)cpu_at(memory, cpu);

	return (struct tacho_sample *)(void *)(part + h->samples_off) + event * h->nr_domains +
	       domain;
}

/* Pages that the file has. */
static uint64_t pages(const struct tacho_memory *memory)
{
	struct stat st;

	return fstat(memory->fd, &st) == 0 ? (uint64_t)st.st_blocks * 512 / 4096 : 0;
}

static int finding_show(void *arg, enum tacho_severity severity, uint64_t off, const char *text)
{
	(void)arg;
	T_FAIL("validate: offset %llu: %s: %s", (unsigned long long)off,
	       severity == TACHO_ERROR ? "error" : "warning", text);
	return 0;
}

/* No error and no warning. */
static int valid(const struct tacho_memory *memory)
{
	struct tacho_validate validate = { .finding = finding_show, .fd = memory->fd };

	return tacho_validate(&validate, memory->base, memory->size) == 0;
}

/* ---- making one ------------------------------------------------------------------------------ */

T_CASE(defaults)
{
	struct tacho_memory memory;
	const struct tacho_area *h;
	char why[160];

	T_NEED(tacho_memory_create(&memory, NULL) == 0);
	h = tacho_memory_header(&memory);
	T_STREQ(memory.notice, "");
	T_EQ(tacho_i_geometry_check(h, memory.size, why, sizeof(why)), 0);
	T_EQ(h->magic, TACHO_MAGIC);
	T_EQ(memcmp(h, "TACHOLOG", 8), 0);
	T_EQ(h->component, TACHO_COMPONENT_PROCESS);
	T_OK(h->nr_cpus >= (uint32_t)sysconf(_SC_NPROCESSORS_ONLN));
	T_EQ(h->nr_events, 64);
	T_EQ(h->nr_domains, 64);
	T_EQ(h->nr_logs, 64);
	T_EQ(h->nr_principals, 4096);
	T_OK(h->body_size - h->rows_off >= 1u << 20);
	T_EQ(h->part_stride, (uint64_t)h->body_size + TACHO_PAGE);
	T_EQ(h->clock_source, tacho_i_clock_source());
	T_EQ(memory.logs_used, 1);
	T_EQ(memory.rows_used, 0);
	T_OK(valid(&memory));
	tacho_memory_destroy(&memory);
	T_EQ(memory.fd, -1);
	tacho_memory_destroy(&memory); /* twice does no harm */
}

T_CASE(counts_are_rounded_up)
{
	struct tacho_area_options options = {
		.component = TACHO_COMPONENT_KERNEL,
		.nr_cpus = 3,
		.nr_events = 5,
		.nr_domains = 1,
		.nr_logs = 9,
		.nr_principals = 1,
		.rows_size = 100,
		.pid = 77,
		.clock_source = TACHO_SOURCE_MONOTONIC,
		.name = "a name of more than sixty-three bytes is cut, "
			"so that a zero byte ends it"
	};
	struct tacho_memory memory;
	const struct tacho_area *h;

	T_NEED(tacho_memory_create(&memory, &options) == 0);
	h = tacho_memory_header(&memory);
	T_EQ(h->component, TACHO_COMPONENT_KERNEL);
	T_EQ(h->nr_cpus, 3);
	T_EQ(h->nr_events, 8);
	T_EQ(h->nr_domains, 1);
	T_EQ(h->nr_logs, 16);
	T_EQ(h->nr_principals, 2);
	T_EQ(h->body_size, 4096);
	T_EQ(h->pid, 77);
	T_EQ(strlen(h->name), 63);
	T_EQ(h->clock_mult, 1);
	T_EQ(h->clock_shift, 0);
	T_EQ(h->clock_base, h->clock_base_ns);
	T_EQ(tacho_memory_log_add(&memory, 1, TACHO_ENTRY_EVENT, TACHO_NONE, TACHO_NONE), 1);
	T_OK(valid(&memory));
	tacho_memory_destroy(&memory);
}

T_CASE(what_cannot_be_made)
{
	static const struct {
		struct tacho_area_options options;
		int error;
		const char *notice;
	} bad[] = {
		{ { .nr_cpus = TACHO_MAX_CPUS + 1 }, -EINVAL, "nr_cpus" },
		{ { .nr_events = TACHO_MAX_EVENTS + 1 }, -EINVAL, "nr_events" },
		{ { .nr_domains = TACHO_MAX_DOMAINS + 1 }, -EINVAL, "nr_domains" },
		{ { .nr_logs = TACHO_MAX_LOGS + 1 }, -EINVAL, "nr_logs" },
		{ { .nr_principals = TACHO_MAX_PRINCIPALS + 1 }, -EINVAL, "nr_principals" },
		{ { .component = 5 }, -EINVAL, "component" },
		{ { .clock_source = 9 }, -EINVAL, "clock_source" },
		{ { .rows_size = TACHO_MAX_BODY }, -E2BIG, "need more than" },
		{ { .rows_size = UINT32_MAX }, -E2BIG, "need more than" },
		{ { .nr_events = TACHO_MAX_EVENTS, .nr_domains = TACHO_MAX_DOMAINS },
		  -E2BIG,
		  "need more than" },
		{ { .component = 5, .flags = TACHO_AREA_HUGE }, -EINVAL, "component" },
		{ { .rows_size = UINT32_MAX, .flags = TACHO_AREA_HUGE }, -E2BIG, "need more than" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct tacho_memory memory;

		T_EQ(tacho_memory_create(&memory, &bad[i].options), bad[i].error);
		T_EQ(memory.fd, -1);
		T_OK(memory.base == NULL);
		if (!strstr(memory.notice, bad[i].notice) || strchr(memory.notice, '\n'))
			T_FAIL("notice %zu is \"%s\"", i, memory.notice);
		T_EQ(tacho_memory_log_add(&memory, 1, 0, 0, 0), -EINVAL);
		tacho_memory_tick(&memory);
		tacho_memory_destroy(&memory);
	}
}

/* The largest counts that fit, as far as address space goes. */
T_CASE(large)
{
	struct tacho_area_options options = { .nr_cpus = TACHO_MAX_CPUS,
					      .nr_logs = TACHO_MAX_LOGS,
					      .nr_events = 256,
					      .nr_domains = 1024,
					      .nr_principals = TACHO_MAX_PRINCIPALS,
					      .rows_size = 1u << 24 };
	struct tacho_memory memory;
	int error = tacho_memory_create(&memory, &options);

	if (error == -ENOMEM || error == -EFBIG)
		T_SKIP("no %s", "address space of 128 GB");
	T_NEED(error == 0);
	T_OK(memory.size > 100ull << 30);
	T_OK(T_TSAN || pages(&memory) <= 2);
	T_OK(valid(&memory));
	T_OK(T_TSAN || pages(&memory) <= 2);
	tacho_memory_destroy(&memory);
}

T_CASE(seals)
{
	struct tacho_area_options options = { .nr_cpus = 2, .rows_size = 4096 };
	struct tacho_memory memory;

	T_NEED(tacho_memory_create(&memory, &options) == 0);
	T_EQ(fcntl(memory.fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	T_EQ(ftruncate(memory.fd, 0), -1);
	T_EQ(errno, EPERM);
	T_EQ(ftruncate(memory.fd, (off_t)memory.size * 2), -1);
	T_EQ(errno, EPERM);
	T_EQ(fallocate(memory.fd, 0, (off_t)memory.size, 4096), -1);
	T_EQ(errno, EPERM);
	T_EQ(fcntl(memory.fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	T_EQ(errno, EPERM);
	T_EQ(fcntl(memory.fd, F_GETFD), FD_CLOEXEC);
	tacho_memory_destroy(&memory);
}

/* ---- memory ---------------------------------------------------------------------------------- */

T_CASE(a_hundred_cpus_cost_nothing)
{
	struct tacho_area_options options = { .nr_cpus = MANY };
	struct tacho_memory memory;
	uint64_t before;
	int log;

	T_NEED(tacho_memory_create(&memory, &options) == 0);
	T_EQ(pages(&memory), 2); /* header, last principal */
	tacho_memory_tick(&memory);
	T_EQ(tacho_memory_domain_name(&memory, 3, "three"), 0);
	T_EQ(tacho_memory_bind(&memory, 5, 3), 0);
	before = pages(&memory);
	T_EQ(before, 4); /* names, first principals */
	log = tacho_memory_log_add(&memory, 4096, TACHO_ENTRIES_ALL | TACHO_CLOCK_TIME, TACHO_NONE,
				   TACHO_NONE);
	T_NEED(log == 1);
	T_EQ(pages(&memory) - before, MANY); /* control register and tacho_cpu: one page each */
	before = pages(&memory);
	tacho_memory_tick(&memory);
	T_EQ(pages(&memory), before);
	T_EQ(tacho_memory_route(&memory, 0, TACHO_NONE, 1, 1), 0);
	T_OK(pages(&memory) - before <= MANY); /* routes: one page each */
	before = pages(&memory);
	T_EQ(tacho_memory_route(&memory, 0, TACHO_NONE, 1, 10), 0);
	T_OK(pages(&memory) - before <= MANY); /* samples: one more */
	before = pages(&memory);
	T_OK(valid(&memory));
	T_EQ(pages(&memory), before); /* looking costs nothing */
	tacho_memory_destroy(&memory);
}

/* Controls, routes and samples in one page: 4 KiB per CPU is all until it logs. */
T_CASE(a_small_area_has_one_page_per_cpu)
{
	struct tacho_area_options options = {
		.nr_cpus = MANY, .nr_events = 16, .nr_domains = 8, .nr_logs = 16
	};
	struct tacho_memory memory;

	T_NEED(tacho_memory_create(&memory, &options) == 0);
	T_OK(tacho_memory_header(&memory)->rows_off <= 4096);
	T_EQ(tacho_memory_log_add(&memory, 4096, TACHO_ENTRY_EVENT, TACHO_NONE, TACHO_NONE), 1);
	T_EQ(tacho_memory_route(&memory, 0, TACHO_NONE, 1, 10), 0);
	T_EQ(pages(&memory), 2 + MANY);
	tacho_memory_destroy(&memory);
}

T_CASE(prefaulted)
{
	struct tacho_area_options options = { .nr_cpus = 3,
					      .rows_size = 50000,
					      .flags = TACHO_AREA_PREFAULT };
	struct tacho_memory memory;

	T_NEED(tacho_memory_create(&memory, &options) == 0);
	T_EQ(pages(&memory), memory.size / 4096);
	T_STREQ(memory.notice, "");
	T_OK(valid(&memory));
	tacho_memory_destroy(&memory);
}

static uint64_t locked_kb(void)
{
	unsigned long long kb = 0;
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmLck: %llu", &kb) == 1)
			break;
	if (file)
		fclose(file);
	return kb;
}

T_CASE(locked)
{
	struct tacho_area_options options = { .nr_cpus = 1,
					      .rows_size = 4096,
					      .flags = TACHO_AREA_LOCK };
	uint64_t before = locked_kb();
	struct tacho_memory memory;

	T_NEED(tacho_memory_create(&memory, &options) == 0);
	/* sanitizers make mlock do nothing and say that it worked */
	if (memory.notice[0])
		T_OK(strstr(memory.notice, "not locked"));
	else if (!T_TSAN && !T_ASAN)
		T_EQ(locked_kb() - before, memory.size / 1024);
	tacho_memory_destroy(&memory);
}

T_CASE(huge_pages_or_a_notice)
{
	struct tacho_area_options options = { .nr_cpus = 2,
					      .rows_size = 500000,
					      .flags = TACHO_AREA_HUGE };
	struct tacho_memory memory;
	struct statfs fs;

	T_NEED(tacho_memory_create(&memory, &options) == 0);
	T_NEED(fstatfs(memory.fd, &fs) == 0);
	if (fs.f_type == HUGETLBFS_MAGIC) {
		T_STREQ(memory.notice, "");
		T_EQ(memory.size % (2u << 20), 0);
		T_EQ(tacho_memory_header(&memory)->part_stride % (2u << 20), 0);
		T_EQ(tacho_memory_header(&memory)->parts_off % (2u << 20), 0);
	} else {
		T_OK(strstr(memory.notice, "small pages: "));
		T_OK(!strchr(memory.notice, '\n'));
		T_EQ(tacho_memory_header(&memory)->part_stride,
		     tacho_memory_header(&memory)->body_size + TACHO_PAGE);
	}
	T_EQ(fcntl(memory.fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	T_EQ(tacho_memory_log_add(&memory, 1000, TACHO_ENTRIES_ALL, 1, TACHO_NONE), 1);
	T_EQ(tacho_memory_route(&memory, 1, TACHO_NONE, 1, 1), 0);
	T_OK(valid(&memory));
	tacho_memory_destroy(&memory);
}

/* More than most pools have. */
T_CASE(too_many_huge_pages)
{
	struct tacho_area_options options = { .nr_cpus = 64,
					      .rows_size = 1u << 29,
					      .flags = TACHO_AREA_HUGE };
	struct tacho_memory memory;
	struct statfs fs;

	T_NEED(tacho_memory_create(&memory, &options) == 0);
	T_NEED(fstatfs(memory.fd, &fs) == 0);
	T_EQ(memory.notice[0] == '\0', fs.f_type == HUGETLBFS_MAGIC);
	T_OK(fs.f_type == HUGETLBFS_MAGIC || strstr(memory.notice, "huge pages"));
	tacho_memory_destroy(&memory);
}

static bool online(uint32_t node, uint32_t cpu)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/cpu%u", node, cpu);
	return access(path, F_OK) == 0;
}

T_CASE(nodes)
{
	struct tacho_area_options options = { .rows_size = 4096 };
	struct tacho_memory memory;
	uint32_t cpu;

	T_NEED(tacho_memory_create(&memory, &options) == 0);
	T_STREQ(memory.notice, "");
	T_EQ(tacho_memory_log_add(&memory, 1, 0, TACHO_NONE, TACHO_NONE), 1);
	for (cpu = 0; cpu < tacho_memory_header(&memory)->nr_cpus; cpu++) {
		struct tacho_cpu *part = cpu_at(&memory, cpu);

		T_EQ(part->cpu, cpu);
		if (access("/sys/devices/system/node/node1", F_OK) != 0)
			T_EQ(part->node, 0); /* one node: nothing to place, nothing to say */
		else if (part->node != TACHO_NONE)
			T_OK(online(part->node, cpu));
	}
	T_OK(valid(&memory));
	tacho_memory_destroy(&memory);
	options.flags = TACHO_AREA_NO_NUMA;
	T_NEED(tacho_memory_create(&memory, &options) == 0);
	T_STREQ(memory.notice, "");
	tacho_memory_destroy(&memory);
}

/* ---- configuration --------------------------------------------------------------------------- */

T_CASE(logs_until_the_registers_are_used_up)
{
	struct tacho_area_options options = { .nr_cpus = 2, .nr_logs = 8 };
	struct tacho_memory memory;

	T_NEED(tacho_memory_create(&memory, &options) == 0);
	for (int log = 1; log < 8; log++)
		T_EQ(tacho_memory_log_add(&memory, 3, TACHO_ENTRY_EVENT, TACHO_NONE, TACHO_NONE),
		     log);
	T_EQ(tacho_memory_log_add(&memory, 1, 0, TACHO_NONE, TACHO_NONE), -ENOSPC);
	T_EQ(control_at(&memory, 1, 7)->row_mask, 3);
	T_OK(valid(&memory));
	tacho_memory_destroy(&memory);
}

/* Rows of every layout until nothing is left; validate knows whether any two overlap. */
T_CASE(logs_until_the_rows_are_used_up)
{
	struct tacho_area_options options = { .nr_cpus = 2, .nr_logs = 2048, .rows_size = 1 };
	struct tacho_memory memory;
	uint32_t capacity, nr = 0;
	int log = 0;

	T_NEED(tacho_memory_create(&memory, &options) == 0);
	capacity = tacho_memory_header(&memory)->body_size - tacho_memory_header(&memory)->rows_off;
	for (uint32_t i = 0; log >= 0; i++) {
		uint32_t layout = i * 37 % TACHO_LAYOUTS;

		log = tacho_memory_log_add(&memory, 1 + i % 5, layout, i % 64, TACHO_NONE);
		if (log < 0)
			break;
		nr++;
		T_EQ(control_at(&memory, 0, (uint32_t)log)->layout, layout);
		T_EQ(control_at(&memory, 1, (uint32_t)log)->event, i % 64);
	}
	T_EQ(log, -ENOSPC);
	T_OK(nr > capacity / 256);
	T_OK(memory.rows_used <= capacity);
	T_OK(memory.rows_used + 8 * 32 + 32 > capacity);
	/* a smaller one may still fit, one without bytes always does */
	T_OK(tacho_memory_log_add(&memory, 1u << 31, 0, TACHO_NONE, TACHO_NONE) > 0);
	T_EQ(tacho_memory_log_add(&memory, 1u << 31, TACHO_ENTRY_EVENT, TACHO_NONE, TACHO_NONE),
	     -ENOSPC);
	T_EQ(tacho_memory_log_add(&memory, UINT32_MAX, 0, TACHO_NONE, TACHO_NONE), -ENOSPC);
	T_OK(valid(&memory));
	tacho_memory_destroy(&memory);
}

/* Exactly as many bytes as there are. */
T_CASE(the_last_row)
{
	struct tacho_area_options options = { .nr_cpus = 1, .nr_logs = 64, .rows_size = 1 };
	struct tacho_memory memory;
	uint32_t capacity;

	T_NEED(tacho_memory_create(&memory, &options) == 0);
	capacity = tacho_memory_header(&memory)->body_size - tacho_memory_header(&memory)->rows_off;
	for (uint32_t size = 1u << 29; size >= 8; size /= 2)
		if (capacity & size)
			T_OK(tacho_memory_log_add(&memory, size / 8, TACHO_ENTRY_COUNTER, 0, 0) >
			     0);
	T_EQ(memory.rows_used, capacity);
	T_EQ(tacho_memory_log_add(&memory, 1, TACHO_ENTRY_EVENT, 0, 0), -ENOSPC);
	T_EQ(tacho_memory_log_add(&memory, 1, TACHO_ADD, 0, 0), -ENOSPC);
	T_OK(tacho_memory_log_add(&memory, 1, 0, 0, 0) > 0); /* a log without entries has no rows */
	T_OK(valid(&memory));
	tacho_memory_destroy(&memory);
}

T_CASE(adding_logs_have_one_sum)
{
	struct tacho_area_options options = { .nr_cpus = 1 };
	struct tacho_memory memory;

	T_NEED(tacho_memory_create(&memory, &options) == 0);
	T_EQ(tacho_memory_log_add(&memory, 1, TACHO_ENTRY_EVENT, 0, 0), 1); /* 4 bytes */
	T_EQ(tacho_memory_log_add(&memory, 4096, TACHO_ADD | TACHO_ENTRIES_ALL, 0, 0), 2);
	T_EQ(tacho_memory_log_add(&memory, 4096, TACHO_ADD, 0, 0), 3);
	T_EQ(control_at(&memory, 0, 2)->row_mask, 0);
	T_EQ(control_at(&memory, 0, 2)->rows_off % 8, 0);
	T_EQ(control_at(&memory, 0, 3)->rows_off, control_at(&memory, 0, 2)->rows_off + 8);
	T_OK(valid(&memory));
	tacho_memory_destroy(&memory);
}

T_CASE(what_cannot_be_configured)
{
	struct tacho_area_options options = { .nr_cpus = 1, .nr_events = 4, .nr_domains = 4 };
	const uint32_t none = TACHO_NONE;
	struct tacho_memory m;

	T_NEED(tacho_memory_create(&m, &options) == 0);
	T_EQ(tacho_memory_log_add(&m, 0, 0, 0, 0), -EINVAL);
	T_EQ(tacho_memory_log_add(&m, 1, TACHO_LAYOUTS, 0, 0), -EINVAL);
	T_EQ(tacho_memory_log_add(&m, 1, UINT32_MAX, 0, 0), -EINVAL);
	T_EQ(tacho_memory_log_add(&m, 1, 0, 4, 0), -EINVAL);
	T_EQ(tacho_memory_log_add(&m, 1, 0, 0, 4), -EINVAL);
	T_EQ(m.logs_used, 1);
	T_EQ(tacho_memory_log_add(&m, 1, 0, 2, none), 1);
	T_EQ(tacho_memory_log_add(&m, 1, 0, none, 3), 2);
	T_EQ(tacho_memory_route(&m, 4, 0, 1, 1), -EINVAL);
	T_EQ(tacho_memory_route(&m, 2, 4, 1, 1), -EINVAL);
	T_EQ(tacho_memory_route(&m, 2, 0, 3, 1), -EINVAL);
	T_EQ(tacho_memory_route(&m, 3, 0, 1, 1), -EINVAL); /* the log is of event 2 */
	T_EQ(tacho_memory_route(&m, 3, 2, 2, 1), -EINVAL); /* the log is of domain 3 */
	T_EQ(tacho_memory_route(&m, 3, none, 2, 1), -EINVAL);
	T_EQ(tacho_memory_route(&m, 3, 3, 2, 1), 0);
	T_EQ(tacho_memory_route(&m, 2, none, 1, 1), 0);
	T_EQ(tacho_memory_bind(&m, 0, 4), -EINVAL);
	T_EQ(tacho_memory_bind(&m, 0, none), -EINVAL);
	T_EQ(tacho_memory_bind(&m, 4095, 1), -EINVAL); /* the last slot is nobody's */
	T_EQ(tacho_memory_domain_name(&m, 4, "x"), -EINVAL);
	T_EQ(tacho_memory_domain_name(&m, 0, "12345678901234567890123456789012"), -ENAMETOOLONG);
	T_EQ(tacho_memory_domain_name(&m, 0, "1234567890123456789012345678901"), 0);
	T_OK(valid(&m));
	tacho_memory_destroy(&m);
}

T_CASE(routes_and_thresholds)
{
	struct tacho_area_options options = { .nr_cpus = 3, .nr_events = 4, .nr_domains = 4 };
	struct tacho_memory memory;

	T_NEED(tacho_memory_create(&memory, &options) == 0);
	T_EQ(tacho_memory_log_add(&memory, 1, TACHO_ENTRIES_ALL, TACHO_NONE, TACHO_NONE), 1);
	T_EQ(tacho_memory_log_add(&memory, 1, TACHO_ENTRIES_ALL, TACHO_NONE, TACHO_NONE), 2);
	T_EQ(tacho_memory_route(&memory, 1, TACHO_NONE, 1, 0), 0);
	T_EQ(tacho_memory_route(&memory, 1, 2, 2, 7), 0);
	for (uint32_t cpu = 0; cpu < 3; cpu++) {
		for (uint32_t domain = 0; domain < 4; domain++) {
			T_EQ(route_at(&memory, cpu, 0, domain), 0);
			if (domain != 2)
				T_EQ(route_at(&memory, cpu, 1, domain), 64);
		}
		T_EQ(route_at(&memory, cpu, 1, 2), 128 | TACHO_ROUTE_SAMPLED);
		T_EQ(sample_at(&memory, cpu, 1, 2)->threshold, 7);
	}
	sample_at(&memory, 0, 1, 2)->count = 6;
	T_EQ(tacho_memory_route(&memory, 1, 2, 2, 3), 0);
	T_EQ(sample_at(&memory, 0, 1, 2)->count, 0); /* the invariant holds at once */
	T_EQ(tacho_memory_route(&memory, 1, 2, 2, 1), 0);
	T_EQ(route_at(&memory, 0, 1, 2), 128);
	T_EQ(tacho_memory_route(&memory, 1, TACHO_NONE, 0, 9), 0);
	for (uint32_t domain = 0; domain < 4; domain++)
		T_EQ(route_at(&memory, 2, 1, domain), 0);
	T_OK(valid(&memory));
	tacho_memory_destroy(&memory);
}

T_CASE(principals)
{
	struct tacho_area_options options = { .nr_cpus = 1, .nr_principals = 16 };
	struct tacho_memory memory;
	const tacho_u32 *table;

	T_NEED(tacho_memory_create(&memory, &options) == 0);
	table = (const tacho_u32 *)(void *)(memory.base +
					    tacho_memory_header(&memory)->principals_off);
	T_EQ(table[0], 0);
	T_EQ(table[15], TACHO_NONE);
	T_EQ(tacho_memory_bind(&memory, TACHO_NONE, 9), 0);
	for (int i = 0; i < 15; i++)
		T_EQ(table[i], 9);
	T_EQ(table[15], TACHO_NONE);
	T_EQ(tacho_memory_bind(&memory, 3, 5), 0);
	T_EQ(tacho_memory_bind(&memory, 16 + 4, 6), 0); /* the slot of principal 4 */
	T_EQ(tacho_memory_bind(&memory, 16 + 15, 6), -EINVAL);
	T_EQ(table[3], 5);
	T_EQ(table[4], 6);
	T_OK(valid(&memory));
	tacho_memory_destroy(&memory);
}

T_CASE(names)
{
	struct tacho_memory memory;
	const struct tacho_domain_entry *names;

	T_NEED(tacho_memory_create(&memory, NULL) == 0);
	names = (const void *)(memory.base + tacho_memory_header(&memory)->sections[1].off);
	T_EQ(tacho_memory_header(&memory)->sections[1].type, TACHO_SECTION_DOMAINS);
	T_EQ(tacho_memory_domain_name(&memory, 2, "a longer name"), 0);
	T_EQ(tacho_memory_domain_name(&memory, 3, "three"), 0);
	T_EQ(tacho_memory_domain_name(&memory, 2, "two"), 0);
	T_STREQ(names[2].name, "two");
	T_EQ(names[2].name[8], 0);
	T_STREQ(names[3].name, "three");
	tacho_memory_destroy(&memory);
}

T_CASE(the_event_table)
{
	struct tacho_area_options options = { .nr_cpus = 1, .nr_events = 8 };
	const struct tacho_event_entry entry[] = {
		{ .id = 0, .kind = TACHO_ACCESS, .name = "zero", .counter = "bytes" },
		{ .id = 7, .kind = TACHO_SPAN, .flags = TACHO_EVENT_TICKS, .name = "seven" },
	};
	const struct tacho_event_entry far = { .id = 8, .kind = TACHO_ACCESS, .name = "eight" };
	const struct tacho_event_entry *table;
	struct tacho_memory memory;

	T_NEED(tacho_memory_create(&memory, &options) == 0);
	T_EQ(tacho_memory_header(&memory)->sections[0].type, TACHO_SECTION_EVENTS);
	table = (const void *)(memory.base + tacho_memory_header(&memory)->sections[0].off);
	T_EQ(tacho_i_memory_events(&memory, entry, 2), 0);
	T_MEMEQ(&table[0], &entry[0], sizeof(entry[0]));
	T_MEMEQ(&table[7], &entry[1], sizeof(entry[1]));
	T_EQ(table[1].kind, 0);
	T_EQ(tacho_i_memory_events(&memory, &far, 1), -EINVAL);
	T_EQ(tacho_i_memory_events(&memory, NULL, 0), 0);
	T_OK(valid(&memory));
	tacho_memory_destroy(&memory);
}

T_CASE(ticks)
{
	struct tacho_area_options options = { .nr_cpus = 4, .rows_size = 4096 };
	struct tacho_memory memory;
	uint64_t before, mult, base;
	uint32_t cpu;

	T_NEED(tacho_memory_create(&memory, &options) == 0);
	mult = tacho_memory_header(&memory)->clock_mult;
	base = tacho_memory_header(&memory)->clock_base;
	tacho_memory_log_add(&memory, 16, TACHO_CLOCK_TICK, TACHO_NONE, TACHO_NONE);
	before = tacho_i_clock_read(tacho_i_clock_source());
	for (int i = 0; i < 30; i++) {
		struct timespec nap = { 0, 1000000 };

		nanosleep(&nap, NULL);
		tacho_memory_tick(&memory);
		for (cpu = 0; cpu < 4; cpu++)
			T_OK(cpu_at(&memory, cpu)->tick > before);
		before = cpu_at(&memory, 0)->tick;
	}
	T_EQ(tacho_memory_header(&memory)->clock_base, base);
	T_OK(tacho_memory_header(&memory)->clock_mult >= mult - mult / 900);
	T_OK(tacho_memory_header(&memory)->clock_mult <= mult + mult / 900);
	T_OK(valid(&memory));
	tacho_memory_destroy(&memory);
}

/* ---- with a component ------------------------------------------------------------------------ */

/* A component that writes whatever it likes over the header cannot make the session go astray. */
T_CASE(a_hostile_component)
{
	struct tacho_area_options options = { .nr_cpus = 2, .rows_size = 4096 };
	uint64_t seed = t_seed();
	struct tacho_memory memory;
	struct tacho_area good;
	int refused = 0;

	T_NEED(tacho_memory_create(&memory, &options) == 0);
	good = *tacho_memory_header(&memory);
	for (int i = 0; i < 20000; i++) {
		uint32_t *word = (uint32_t *)(void *)memory.base + t_random(&seed) % 192;

		*word = (uint32_t)t_random(&seed) >> t_random(&seed) % 32;
		refused += tacho_memory_route(&memory, 1, TACHO_NONE, 1, 3) == -EUCLEAN;
		refused += tacho_memory_log_add(&memory, 8, 0x0f, 1, 1) == -EUCLEAN;
		refused += tacho_memory_bind(&memory, TACHO_NONE, 1) == -EUCLEAN;
		refused += tacho_memory_domain_name(&memory, 1, "x") == -EUCLEAN;
		tacho_memory_tick(&memory);
		if (i % 3 == 0)
			*tacho_memory_header(&memory) = good;
	}
	T_OK(refused > 1000);
	tacho_memory_destroy(&memory);
}

#define WRITERS 3
#define EVENTS	4u

struct writer {
	pthread_t thread;
	struct tacho__hook hook[EVENTS];
	uint64_t done[EVENTS]; /* rows that it was told to be written */
};

static tacho_u32 stop;

static void *write_until_stopped(void *arg)
{
	struct writer *writer = arg;
	tacho_u32 cpu = 0;

	while (!tacho_load_relaxed(&stop)) {
		uint32_t event = ++cpu % EVENTS;

		writer->done[event] +=
			tacho__generic_write(&writer->hook[event], cpu, 0, TACHO_NONE, event,
					     tacho_i_clock_read) == TACHO__DONE;
	}
	return NULL;
}

static struct tacho__hook hook_make(const struct tacho_memory *memory, uint32_t event)
{
	const struct tacho_area *h = tacho_memory_header(memory);
	unsigned char *parts = memory->base + h->parts_off;

	return (struct tacho__hook){
		.event = event,
		.stride = h->part_stride,
		.parts = parts,
		.routes = parts + h->routes_off + event * h->nr_domains * sizeof(tacho_u32),
		.principals = (const tacho_u32 *)(void *)(memory->base + h->principals_off),
		.principal_mask = h->nr_principals - 1,
		.domain_mask = h->nr_domains - 1,
		.control_mask = (h->nr_logs - 1) * 64,
		.body_mask = h->body_size - 1,
		.samples = parts + h->samples_off +
			   event * h->nr_domains * sizeof(struct tacho_sample),
		.generic_cpus = h->nr_cpus,
		.source = h->clock_source,
	};
}

/* Rows of one log: only its event; returns how many it had. */
static uint64_t rows_check(const struct tacho_memory *memory, uint32_t cpu, uint32_t log)
{
	const struct tacho_control *control = control_at(memory, cpu, log);
	const unsigned char *rows = (unsigned char *)cpu_at(memory, cpu) + control->rows_off;
	uint32_t size = TACHO_ROW_SIZE(control->layout);

	for (uint64_t i = 0; i <= control->row_mask && i < control->pos; i++) {
		uint32_t event;

		memcpy(&event, rows + i * size + TACHO_EVENT_OFF(control->layout), 4);
		if (event != control->event)
			T_FAIL("CPU %u, log %u of event %u has a row of event %u", cpu, log,
			       control->event, event);
	}
	return control->pos;
}

/*
 * Logs are added and routes are changed while threads write: every row is in a log of its event, and
 * none is lost that a writer was told to be written. Without barrier R a row can land at offset 0.
 */
T_CASE(configured_while_threads_write)
{
	struct tacho_area_options options = { .nr_cpus = 2,
					      .nr_events = EVENTS,
					      .nr_domains = 2,
					      .nr_logs = 1024,
					      .rows_size = 1u << 18 };
	uint64_t done[EVENTS] = { 0 }, found[EVENTS] = { 0 };
	static struct writer writer[WRITERS];
	uint64_t seed = t_seed();
	struct tacho_memory memory;
	int log;

	T_NEED(tacho_memory_create(&memory, &options) == 0);
	memset(writer, 0, sizeof(writer));
	tacho_store_relaxed(&stop, 0);
	for (int i = 0; i < WRITERS; i++) {
		for (uint32_t event = 0; event < EVENTS; event++)
			writer[i].hook[event] = hook_make(&memory, event);
		pthread_create(&writer[i].thread, NULL, write_until_stopped, &writer[i]);
	}
	for (int i = 0; i < 900; i++) {
		uint32_t event = t_random(&seed) % EVENTS;

		log = tacho_memory_log_add(&memory, 1u << t_random(&seed) % 4,
					   TACHO_ENTRY_EVENT | (t_random(&seed) & 0x3f), event,
					   TACHO_NONE);
		T_OK(log > 0);
		T_EQ(tacho_memory_route(&memory, event, TACHO_NONE, (uint32_t)log,
					(uint32_t)(t_random(&seed) % 4)),
		     0);
		tacho_memory_tick(&memory);
		usleep(20);
	}
	tacho_store_relaxed(&stop, 1);
	for (int i = 0; i < WRITERS; i++) {
		pthread_join(writer[i].thread, NULL);
		for (uint32_t event = 0; event < EVENTS; event++)
			done[event] += writer[i].done[event];
	}
	for (uint32_t cpu = 0; cpu < 2; cpu++)
		for (uint32_t i = 1; i < memory.logs_used; i++)
			found[control_at(&memory, cpu, i)->event] += rows_check(&memory, cpu, i);
	for (uint32_t event = 0; event < EVENTS; event++) {
		T_EQ(found[event], done[event]);
		T_OK(done[event] > 0);
	}
	T_EQ(control_at(&memory, 0, 0)->pos, 0);
	T_OK(valid(&memory));
	tacho_memory_destroy(&memory);
}

T_MAIN
