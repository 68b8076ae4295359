// SPDX-License-Identifier: BSD-2-Clause
/*
 * area.c: making an area, and configuring it while it is in use.
 *
 * Owns the session's side of area.h: layout, memory, placement, logs, routes, bindings, tick. Must
 * not trust the header once the area was given away: every function takes a private copy and checks
 * it again, so a component that scribbles over it can spoil its own area only. Called by sessions and
 * session.c. Paper 001, chapter 3 and section 4.3.
 *
 * Memory. A sealed memfd, sparse: making the area touches its header and one page of principals,
 * whatever the number of CPUs. The first log of an area touches one page per CPU (control register,
 * and beside it tacho_cpu), a route one or two more; that is for every possible CPU, because a CPU
 * that comes online later and finds no route would lose its events silently. Rows cost nothing until
 * their CPU writes them. Small areas (controls, routes and samples in less than 4 KiB) need only one
 * page per CPU.
 *
 * Barrier R: a control register is complete before a route leads to it, and a sample before a route
 * says that it is sampled. Release of the route here, partner: the address dependency of the writer
 * from the route to the register or the sample. Without it a writer uses a register half written:
 * masked, so it hurts nobody, but the row lands where another log's rows are.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/mempolicy.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <tacho/session.h>

#include "internal.h"

#define HUGE_PAGE      (2u << 20)
#define LINE	       64u /* alignment of the tables of a part */
#define MAX_NODES      1024u
#define ROUTE_BYTES    sizeof(tacho_u32)
#define ROUND_UP(x, n) (((x) + (n)-1) / (n) * (n))

/* ---- this machine ---------------------------------------------------------------------------- */

static bool line_read(const char *path, char *line, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, line, size - 1);

	if (fd >= 0)
		close(fd);
	line[len > 0 ? len : 0] = '\0';
	return len > 0;
}

/* The next range of a list like "0-3,8,10-11". */
static bool range_next(char **list, uint32_t *first, uint32_t *last)
{
	char *end;

	*first = *last = (uint32_t)strtoul(*list, &end, 10);
	if (end == *list)
		return false;
	if (*end == '-')
		*last = (uint32_t)strtoul(end + 1, &end, 10);
	*list = *end == ',' ? end + 1 : end;
	return *last >= *first;
}

/* Possible CPUs: their numbers may have holes, a part exists for every number. */
static uint32_t cpus_count(void)
{
	char line[4096], *list = line;
	uint32_t first, last, nr = 0;

	if (line_read("/sys/devices/system/cpu/possible", line, sizeof(line)))
		while (range_next(&list, &first, &last))
			nr = last + 1;
	return nr != 0 ? nr : (uint32_t)sysconf(_SC_NPROCESSORS_CONF);
}

/* Nodes that have memory. Returns how many, node[] (MAX_NODES flags) says which. */
static uint32_t nodes_find(bool *node)
{
	char line[4096], *list = line;
	uint32_t first, last, nr = 0;

	memset(node, 0, MAX_NODES * sizeof(*node));
	if (!line_read("/sys/devices/system/node/has_memory", line, sizeof(line)))
		return 0;
	while (range_next(&list, &first, &last))
		for (uint32_t i = first; i <= last && i < MAX_NODES; i++, nr++)
			node[i] = true;
	return nr;
}

/* ---- memory ---------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void notice_add(struct tacho_memory *memory,
							     const char *text, ...)
{
	size_t len = strlen(memory->notice);
	va_list args;

	if (len != 0 && len + 2 < sizeof(memory->notice)) {
		memcpy(memory->notice + len, "; ", 3);
		len += 2;
	}
	va_start(args, text);
	vsnprintf(memory->notice + len, sizeof(memory->notice) - len, text, args);
	va_end(args);
}

/* The power of two that holds wanted, or the default. 0: above the limit. */
static uint32_t pow2_round(uint32_t wanted, uint32_t otherwise, uint32_t max)
{
	uint32_t x = 1;

	if (wanted == 0)
		wanted = otherwise;
	if (wanted > max)
		return 0;
	while (x < wanted)
		x *= 2;
	return x;
}

static void section_set(struct tacho_area *h, tacho_u64 *off, tacho_u32 type, uint64_t entry_size,
			uint64_t nr)
{
	h->sections[h->nr_sections++] = (struct tacho_section){ .type = type,
								.entry_size = (tacho_u32)entry_size,
								.off = *off,
								.size = entry_size * nr };
	*off = ROUND_UP(*off + entry_size * nr, (tacho_u64)TACHO_PAGE);
}

/* Fill in the inside of a part. */
static int part_layout(struct tacho_area *h, uint32_t rows_size)
{
	uint64_t cells = (uint64_t)h->nr_events * h->nr_domains;
	uint64_t routes, samples, rows;

	routes = TACHO_CONTROLS_OFF + (uint64_t)h->nr_logs * sizeof(struct tacho_control);
	samples = ROUND_UP(routes + cells * ROUTE_BYTES, (uint64_t)LINE);
	rows = ROUND_UP(samples + cells * sizeof(struct tacho_sample), (uint64_t)LINE);
	if (rows + rows_size > TACHO_MAX_BODY)
		return -E2BIG;
	h->routes_off = (tacho_u32)routes;
	h->samples_off = (tacho_u32)samples;
	h->rows_off = (tacho_u32)rows;
	h->body_size = pow2_round((uint32_t)rows + rows_size, 0, TACHO_MAX_BODY);
	if (h->body_size < TACHO_PAGE)
		h->body_size = TACHO_PAGE;
	return 0;
}

/* The whole header but for the clock, for pages of page bytes. */
static int layout_make(struct tacho_area *h, const struct tacho_area_options *options,
		       uint32_t page)
{
	tacho_u64 off = TACHO_PAGE;
	int error;

	*h = (struct tacho_area){ .magic = TACHO_MAGIC,
				  .version = TACHO_VERSION,
				  .header_size = sizeof(*h),
				  .pid = options->pid };
	h->clock_source = options->clock_source ? options->clock_source : tacho_i_clock_source();
	h->component = options->component ? options->component : TACHO_COMPONENT_PROCESS;
	h->nr_cpus = options->nr_cpus ? options->nr_cpus : cpus_count();
	h->nr_events = pow2_round(options->nr_events, 64, TACHO_MAX_EVENTS);
	h->nr_domains = pow2_round(options->nr_domains, 64, TACHO_MAX_DOMAINS);
	h->nr_logs = pow2_round(options->nr_logs, 64, TACHO_MAX_LOGS);
	/* two at least: the last slot is nobody's */
	h->nr_principals = pow2_round(options->nr_principals == 1 ? 2 : options->nr_principals,
				      4096, TACHO_MAX_PRINCIPALS);
	if (options->name)
		strncpy(h->name, options->name, sizeof(h->name) - 1);
	error = part_layout(h, options->rows_size ? options->rows_size : 1u << 20);
	if (error < 0)
		return error;
	section_set(h, &off, TACHO_SECTION_EVENTS, sizeof(struct tacho_event_entry), h->nr_events);
	section_set(h, &off, TACHO_SECTION_DOMAINS, sizeof(struct tacho_domain_entry),
		    h->nr_domains);
	h->principals_off = off;
	section_set(h, &off, TACHO_SECTION_PRINCIPALS, sizeof(tacho_u32), h->nr_principals);
	h->part_stride = ROUND_UP((tacho_u64)h->body_size + TACHO_PAGE, page);
	off = ROUND_UP(off, options->flags & TACHO_AREA_ARRAY ? h->part_stride : page);
	h->parts_off = off;
	section_set(h, &off, TACHO_SECTION_PARTS, h->part_stride, h->nr_cpus);
	h->size = off;
	return 0;
}

/* A sealed file of that size, mapped. On failure nothing is left open. */
static int file_map(struct tacho_memory *memory, uint64_t size, unsigned int huge)
{
	int error;

	memory->fd = memfd_create("tacho", MFD_ALLOW_SEALING | MFD_CLOEXEC | huge);
	if (memory->fd < 0)
		return -errno;
	if (ftruncate(memory->fd, (off_t)size) != 0 ||
	    fcntl(memory->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
		error = -errno;
		goto out;
	}
	/* without MAP_NORESERVE: the mapping of huge pages reserves all of them, or fails here */
	memory->base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
	if (memory->base != MAP_FAILED) {
		memory->size = size;
		return 0;
	}
	error = -errno;
out:
	close(memory->fd);
	memory->fd = -1;
	memory->base = NULL;
	return error;
}

static void huge_notice(struct tacho_memory *memory, uint64_t size)
{
	char line[32];

	if (!line_read("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", line,
		       sizeof(line)))
		notice_add(memory, "small pages: this kernel has no huge pages of 2 MB");
	else
		notice_add(
			memory,
			"small pages: %llu huge pages of 2 MB needed, %lu free (vm.nr_hugepages)",
			(unsigned long long)(size / HUGE_PAGE), strtoul(line, NULL, 10));
}

/* A header that every party will accept, or the reason in the notice. */
static int layout_check(struct tacho_memory *memory, struct tacho_area *h,
			const struct tacho_area_options *options, uint32_t page)
{
	int error = layout_make(h, options, page);

	if (error == -E2BIG)
		notice_add(memory, "routes, samples and rows of one CPU need more than %u bytes",
			   TACHO_MAX_BODY);
	if (error == 0)
		error = tacho_i_geometry_check(h, h->size, memory->notice, sizeof(memory->notice));
	return error;
}

/* Layout and file; huge pages if they were asked for and can be had. *huge says what it became. */
static int area_map(struct tacho_memory *memory, struct tacho_area *h,
		    const struct tacho_area_options *options, bool *huge)
{
	int error;

	*huge = false;
	if (options->flags & TACHO_AREA_HUGE) {
		error = layout_check(memory, h, options, HUGE_PAGE);
		if (error < 0)
			return error;
		if (file_map(memory, h->size, MFD_HUGETLB | MFD_HUGE_2MB) == 0) {
			*huge = true;
			return 0;
		}
		huge_notice(memory, h->size);
	}
	error = layout_check(memory, h, options, TACHO_PAGE);
	return error < 0 ? error : file_map(memory, h->size, 0);
}

/*
 * Have the parts of a node's CPUs come from its memory. The policy belongs to the file, so it holds
 * when the component touches a page first; for huge pages it belongs to this mapping only.
 */
static bool parts_place(struct tacho_memory *memory, const struct tacho_area *h)
{
	bool node[MAX_NODES];
	bool placed = false;

	if (nodes_find(node) < 2)
		return false;
	for (uint32_t i = 0; i < MAX_NODES; i++) {
		unsigned long mask[MAX_NODES / (8 * sizeof(long))] = { 0 };
		char path[64], line[4096], *list = line;
		uint32_t first, last;

		snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/cpulist", i);
		if (!node[i] || !line_read(path, line, sizeof(line)))
			continue;
		mask[i / (8 * sizeof(long))] = 1ul << i % (8 * sizeof(long));
		while (range_next(&list, &first, &last) && first < h->nr_cpus) {
			last = last < h->nr_cpus ? last : h->nr_cpus - 1;
			/* maxnode counts one more than the bits of the mask */
			if (syscall(SYS_mbind, memory->base + h->parts_off + first * h->part_stride,
				    (last - first + 1) * h->part_stride, MPOL_PREFERRED, mask,
				    MAX_NODES + 1, 0) == 0)
				placed = true;
			else if (memory->notice[0] == '\0')
				notice_add(memory, "not placed on NUMA nodes: %s",
					   strerrordesc_np(errno));
		}
	}
	return placed;
}

/* Touch every page, without changing it. */
static void prefault(struct tacho_memory *memory, uint64_t from)
{
	if (madvise(memory->base + from, memory->size - from, MADV_POPULATE_WRITE) == 0)
		return;
	for (uint64_t off = from; off < memory->size; off += TACHO_PAGE)
		tacho_add_relaxed(memory->base + off, 0);
}

/* Complete the header with the clock, and write it: from here on the memory is an area. */
static int header_write(struct tacho_memory *memory, struct tacho_area *header)
{
	struct tacho_i_clock clock;
	int error = tacho_i_clock_calibrate(header->clock_source, &clock);

	if (error < 0) {
		notice_add(memory, "this process cannot read clock source %u",
			   header->clock_source);
		return error;
	}
	header->clock_mult = clock.mult;
	header->clock_shift = clock.shift;
	header->clock_base = clock.base;
	header->clock_base_ns = clock.base_ns;
	memcpy(memory->base, header, sizeof(*header));
	((tacho_u32 *)(void *)(memory->base + header->principals_off))[header->nr_principals - 1] =
		TACHO_NONE;
	return 0;
}

int tacho_i_memory_plan(struct tacho_memory *memory, struct tacho_area *header,
			const struct tacho_area_options *options)
{
	*memory = (struct tacho_memory){ .fd = -1, .logs_used = 1 };
	return layout_check(memory, header, options, TACHO_PAGE);
}

int tacho_i_memory_adopt(struct tacho_memory *memory, struct tacho_area *header, void *base)
{
	int error;

	memory->base = base;
	memory->size = header->size;
	error = header_write(memory, header);
	if (error < 0) {
		memory->base = NULL;
		memory->size = 0;
	}
	return error;
}

TACHO_EXPORT int tacho_memory_create(struct tacho_memory *memory,
				     const struct tacho_area_options *options)
{
	static const struct tacho_area_options defaults;
	struct tacho_area header;
	bool huge, placed = false;
	int error;

	if (!options)
		options = &defaults;
	*memory = (struct tacho_memory){ .fd = -1, .logs_used = 1 };
	error = area_map(memory, &header, options, &huge);
	if (error < 0)
		return error;
	if (!(options->flags & TACHO_AREA_NO_NUMA))
		placed = parts_place(memory, &header);
	error = header_write(memory, &header);
	if (error < 0)
		goto out;
	if (options->flags & TACHO_AREA_PREFAULT)
		prefault(memory, 0);
	else if (huge && placed)
		prefault(memory, header.parts_off); /* the component would place them elsewhere */
	if ((options->flags & TACHO_AREA_LOCK) && mlock(memory->base, memory->size) != 0)
		notice_add(memory, "not locked: %s (ulimit -l)", strerrordesc_np(errno));
	return 0;
out:
	munmap(memory->base, memory->size);
	close(memory->fd);
	memory->fd = -1;
	memory->base = NULL;
	memory->size = 0;
	return error;
}

TACHO_EXPORT void tacho_memory_destroy(struct tacho_memory *memory)
{
	if (memory->base)
		munmap(memory->base, memory->size);
	if (memory->fd >= 0)
		close(memory->fd);
	*memory = (struct tacho_memory){ .fd = -1 };
}

TACHO_EXPORT struct tacho_area *tacho_memory_header(const struct tacho_memory *memory)
{
	return (struct tacho_area *)(void *)memory->base;
}

/* ---- configuration --------------------------------------------------------------------------- */

/* The header as it is now, safe to calculate with. */
static int header_get(struct tacho_area *h, const struct tacho_memory *memory)
{
	if (!memory->base)
		return -EINVAL;
	tacho_i_header_copy(h, memory->base);
	return tacho_i_geometry_check(h, memory->size, NULL, 0) < 0 ? -EUCLEAN : 0;
}

static unsigned char *part_at(const struct tacho_memory *memory, const struct tacho_area *h,
			      uint32_t cpu)
{
	return memory->base + h->parts_off + cpu * h->part_stride;
}

static struct tacho_control *control_at(const struct tacho_memory *memory,
					const struct tacho_area *h, uint32_t cpu, uint32_t log)
{
	unsigned char *at = part_at(memory, h, cpu) + TACHO_CONTROLS_OFF;

	return (struct tacho_control *)(void *)at + log;
}

/* With the first log, because the page is needed from then on. */
static void cpus_describe(const struct tacho_memory *memory, const struct tacho_area *h)
{
	bool node[MAX_NODES];
	uint32_t nr_nodes = nodes_find(node), only = TACHO_NONE;

	if (nr_nodes == 1)
		for (only = 0; !node[only]; only++)
			;
	for (uint32_t cpu = 0; cpu < h->nr_cpus; cpu++) {
		struct tacho_cpu *part = (struct tacho_cpu *)(void *)part_at(memory, h, cpu);
		unsigned long mask[MAX_NODES / (8 * sizeof(long))] = { 0 };
		uint32_t at = only;
		int policy;

		if (nr_nodes > 1 &&
		    syscall(SYS_get_mempolicy, &policy, mask, MAX_NODES, part, MPOL_F_ADDR) == 0 &&
		    policy == MPOL_PREFERRED)
			for (uint32_t i = 0; i < MAX_NODES && at == TACHO_NONE; i++)
				if (mask[i / (8 * sizeof(long))] >> i % (8 * sizeof(long)) & 1)
					at = i;
		tacho_store_relaxed(&part->node, at);
		tacho_store_relaxed(&part->cpu, cpu);
	}
}

TACHO_EXPORT int tacho_memory_log_add(struct tacho_memory *memory, uint32_t rows, uint32_t layout,
				      uint32_t event, uint32_t domain)
{
	uint32_t log = memory->logs_used, row_size = TACHO_ROW_SIZE(layout);
	struct tacho_area h;
	uint64_t start, bytes;
	int error = header_get(&h, memory);

	if (error < 0)
		return error;
	if (layout >= TACHO_LAYOUTS || rows == 0 || (event != TACHO_NONE && event >= h.nr_events) ||
	    (domain != TACHO_NONE && domain >= h.nr_domains))
		return -EINVAL;
	rows = pow2_round(rows, 1, 1u << 31);
	if (layout & TACHO_ADD)
		rows = 1, row_size = 8; /* one sum, whatever its entries would be */
	start = h.rows_off + (uint64_t)memory->rows_used;
	start = ROUND_UP(start, (uint64_t)(row_size > 8 ? row_size : 8));
	bytes = (uint64_t)rows * row_size;
	if (log >= h.nr_logs || rows == 0 || start + bytes > h.body_size)
		return -ENOSPC;
	if (log == 1)
		cpus_describe(memory, &h);
	for (uint32_t cpu = 0; cpu < h.nr_cpus; cpu++) {
		struct tacho_control *control = control_at(memory, &h, cpu, log);

		tacho_store_relaxed(&control->row_mask, rows - 1);
		tacho_store_relaxed(&control->layout, layout);
		tacho_store_relaxed(&control->event, event);
		tacho_store_relaxed(&control->domain, domain);
		/* last: who sees it sees a whole register; the route of R comes later still */
		tacho_store_release(&control->rows_off, (tacho_u32)start);
	}
	memory->rows_used = (uint32_t)(start + bytes - h.rows_off);
	memory->logs_used++;
	return (int)log;
}

static void cell_route(unsigned char *part, const struct tacho_area *h, uint64_t cell,
		       tacho_u32 route, uint32_t threshold)
{
	tacho_u32 *at = (tacho_u32 *)(void *)(part + h->routes_off) + cell;
	const struct tacho_sample fresh = { threshold, 0 };
	tacho_u64 word;

	if (route != 0 && threshold > 1) {
		/*
		 * Both at once, so that count < threshold. A writer that is counting just now may put
		 * its old count back: the next event there finds it too large and starts over.
		 */
		memcpy(&word, &fresh, sizeof(word));
		tacho_store_relaxed((tacho_u64 *)(void *)(part + h->samples_off) + cell, word);
		route |= TACHO_ROUTE_SAMPLED;
	}
	tacho_store_release(at, route); /* R */
}

TACHO_EXPORT int tacho_memory_route(struct tacho_memory *memory, uint32_t event, uint32_t domain,
				    uint32_t log, uint32_t threshold)
{
	struct tacho_control *control;
	struct tacho_area h;
	uint32_t first, last, only_event, only_domain;
	int error = header_get(&h, memory);

	if (error < 0)
		return error;
	if (event >= h.nr_events || (domain != TACHO_NONE && domain >= h.nr_domains) ||
	    log >= memory->logs_used || log >= h.nr_logs)
		return -EINVAL;
	if (log != 0) {
		/* a log that was opened for one event or domain has no entry to tell them apart */
		control = control_at(memory, &h, 0, log);
		only_event = tacho_load_relaxed(&control->event);
		only_domain = tacho_load_relaxed(&control->domain);
		if ((only_event != TACHO_NONE && only_event != event) ||
		    (only_domain != TACHO_NONE && only_domain != domain))
			return -EINVAL;
	}
	first = domain == TACHO_NONE ? 0 : domain;
	last = domain == TACHO_NONE ? h.nr_domains - 1 : domain;
	for (uint32_t cpu = 0; cpu < h.nr_cpus; cpu++)
		for (uint32_t i = first; i <= last; i++)
			cell_route(part_at(memory, &h, cpu), &h, (uint64_t)event * h.nr_domains + i,
				   TACHO_ROUTE(log), threshold);
	return 0;
}

TACHO_EXPORT int tacho_memory_bind(struct tacho_memory *memory, uint32_t principal, uint32_t domain)
{
	struct tacho_area h;
	tacho_u32 *table;
	int error = header_get(&h, memory);

	if (error < 0)
		return error;
	if (domain >= h.nr_domains)
		return -EINVAL;
	table = (tacho_u32 *)(void *)(memory->base + h.principals_off);
	if (principal == TACHO_NONE) {
		for (uint32_t i = 0; i + 1 < h.nr_principals; i++)
			tacho_store_relaxed(&table[i], domain);
		return 0;
	}
	principal &= h.nr_principals - 1; /* as the writer does: equal slots are one principal */
	if (principal == h.nr_principals - 1)
		return -EINVAL; /* nobody's */
	tacho_store_relaxed(&table[principal], domain);
	return 0;
}

/* An entry of a table that others may be reading: the first word last. */
static void entry_store(const struct tacho_memory *memory, const struct tacho_area *h,
			tacho_u32 type, uint32_t index, const void *entry, size_t size)
{
	tacho_u64 *to = NULL;
	tacho_u64 word;

	for (uint32_t i = 0; i < h->nr_sections; i++)
		if (h->sections[i].type == type)
			to = (tacho_u64 *)(void *)(memory->base + h->sections[i].off +
						   index * size);
	for (size_t i = size / sizeof(word); i-- > 0;) {
		memcpy(&word, (const char *)entry + i * sizeof(word), sizeof(word));
		tacho_store_release(&to[i], word);
	}
}

TACHO_EXPORT int tacho_memory_domain_name(struct tacho_memory *memory, uint32_t domain,
					  const char *name)
{
	struct tacho_domain_entry entry = { "" };
	struct tacho_area h;
	int error = header_get(&h, memory);

	if (error < 0)
		return error;
	if (domain >= h.nr_domains)
		return -EINVAL;
	if (strlen(name) >= sizeof(entry.name))
		return -ENAMETOOLONG;
	memcpy(entry.name, name, strlen(name));
	entry_store(memory, &h, TACHO_SECTION_DOMAINS, domain, &entry, sizeof(entry));
	return 0;
}

int tacho_i_memory_events(const struct tacho_memory *memory, const struct tacho_event_entry *entry,
			  size_t nr)
{
	struct tacho_area h;
	int error = header_get(&h, memory);

	for (size_t i = 0; i < nr && error == 0; i++)
		if (entry[i].id >= h.nr_events)
			error = -EINVAL;
	for (size_t i = 0; i < nr && error == 0; i++)
		entry_store(memory, &h, TACHO_SECTION_EVENTS, entry[i].id, &entry[i],
			    sizeof(entry[i]));
	return error;
}

TACHO_EXPORT void tacho_memory_tick(struct tacho_memory *memory)
{
	struct tacho_i_clock clock;
	struct tacho_area h;
	uint64_t now, mult;

	if (header_get(&h, memory) < 0 || tacho_i_clock_check(h.clock_source) < 0)
		return;
	clock = (struct tacho_i_clock){ h.clock_mult, h.clock_base, h.clock_base_ns,
					h.clock_shift };
	mult = tacho_i_clock_refine(h.clock_source, &clock);
	if (mult != h.clock_mult)
		tacho_store_relaxed(&tacho_memory_header(memory)->clock_mult, mult);
	if (memory->logs_used < 2)
		return; /* nobody could look at it, and the pages may not be there yet */
	now = tacho_i_clock_read(h.clock_source);
	for (uint32_t cpu = 0; cpu < h.nr_cpus; cpu++) {
		struct tacho_cpu *part = (struct tacho_cpu *)(void *)part_at(memory, &h, cpu);

		tacho_store_relaxed(&part->tick, now);
	}
}
