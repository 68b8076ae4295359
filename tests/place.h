/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * place.h: an area made by hand, for tests of the reader.
 *
 * It lies between two pages that cannot be touched, its control registers say whatever a case
 * wants, and its rows are written by the generic writer of hot.h. What a row says is a function of
 * its position: a row that was decoded wrongly, torn, or taken from another position shows.
 */
#ifndef TACHO_TESTS_PLACE_H
#define TACHO_TESTS_PLACE_H

#include <sys/mman.h>
#include <unistd.h>

#include <tacho/hot.h>
#include <tacho/reader.h>

#include "t.h"

#define CPUS	4u
#define LOGS	8u
#define DOMAINS 4u
#define BODY	(64u << 10)
#define STRIDE	(BODY + TACHO_PAGE)
#define ROWS	1024u /* from the start of a part */
#define SIZE	(4u * TACHO_PAGE + CPUS * STRIDE)

#define ENTRIES TACHO_ENTRIES_ALL
#define FULL	(TACHO_ENTRIES_ALL | TACHO_CLOCK_TIME)

struct place {
	int fd;
	unsigned char *base; /* a page that cannot be touched before it, and one behind it */
	struct tacho_view view;
	struct tacho__hook hook;
};

static __thread uint64_t fake_time;

static inline tacho_u64 fake_now(tacho_u32 source)
{
	(void)source;
	return fake_time;
}

static inline void header_fill(struct tacho_area *area)
{
	const struct tacho_section sections[] = {
		{ TACHO_SECTION_EVENTS, 256, TACHO_PAGE, 256, 0 },
		{ TACHO_SECTION_DOMAINS, 32, 2 * TACHO_PAGE, 32 * DOMAINS, 0 },
		{ TACHO_SECTION_PRINCIPALS, 4, 3 * TACHO_PAGE, 4 * DOMAINS, 0 },
		{ TACHO_SECTION_PARTS, STRIDE, 4 * TACHO_PAGE, CPUS * STRIDE, 0 },
	};

	area->magic = TACHO_MAGIC;
	area->version = TACHO_VERSION;
	area->header_size = sizeof(*area);
	area->size = SIZE;
	area->component = TACHO_COMPONENT_PROCESS;
	area->nr_cpus = CPUS;
	area->nr_domains = DOMAINS;
	area->nr_events = 1;
	area->nr_logs = LOGS;
	area->nr_principals = DOMAINS;
	area->parts_off = 4 * TACHO_PAGE;
	area->part_stride = STRIDE;
	area->body_size = BODY;
	area->routes_off = 128 + LOGS * 64;
	area->samples_off = area->routes_off + 64;
	area->rows_off = ROWS;
	area->principals_off = 3 * TACHO_PAGE;
	area->clock_source = TACHO_SOURCE_MONOTONIC;
	area->clock_mult = 1;
	area->nr_sections = 4;
	memcpy(area->sections, sections, sizeof(sections));
}

static inline unsigned char *area_map(int fd)
{
	unsigned char *guard =
		mmap(NULL, SIZE + 2 * TACHO_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *base;

	if (guard == MAP_FAILED)
		return NULL;
	base = mmap(guard + TACHO_PAGE, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		    0);
	return base == MAP_FAILED ? NULL : base;
}

static inline void area_unmap(unsigned char *base)
{
	munmap(base - TACHO_PAGE, SIZE + 2 * TACHO_PAGE);
}

/* An area with principal i in domain i; true when it is there. */
static inline int place_init(struct place *place)
{
	unsigned char *base;
	uint32_t *principals;

	memset(place, 0, sizeof(*place));
	place->fd = memfd_create("t_reader", MFD_CLOEXEC);
	if (!T_OK(place->fd >= 0) || !T_OK(ftruncate(place->fd, SIZE) == 0))
		return 0;
	base = area_map(place->fd);
	if (!T_OK(base != NULL))
		return 0;
	place->base = base;
	header_fill((struct tacho_area *)(void *)base);
	principals = (uint32_t *)(void *)(base + 3 * TACHO_PAGE);
	for (uint32_t i = 0; i < DOMAINS; i++)
		principals[i] = i + 1 < DOMAINS ? i : TACHO_NONE;
	place->hook.generic_cpus = CPUS;
	place->hook.stride = STRIDE;
	place->hook.parts = base + 4 * TACHO_PAGE;
	place->hook.routes = place->hook.parts + 128 + LOGS * 64;
	place->hook.samples = place->hook.routes + 64;
	place->hook.principals = principals;
	place->hook.principal_mask = DOMAINS - 1;
	place->hook.domain_mask = DOMAINS - 1;
	place->hook.control_mask = (LOGS - 1) * 64;
	place->hook.body_mask = BODY - 1;
	place->hook.source = TACHO_SOURCE_MONOTONIC;
	return T_EQ(tacho_view_open(&place->view, base, SIZE, NULL, 0), 0);
}

static inline void place_fini(struct place *place)
{
	area_unmap(place->base);
	close(place->fd);
}

static inline struct tacho_cpu *cpu_at(const struct place *place, uint32_t cpu)
{
	return (struct tacho_cpu *)(void *)(place->hook.parts + cpu * STRIDE);
}

static inline struct tacho_control *control_at(const struct place *place, uint32_t cpu,
					       uint32_t log)
{
	return (struct tacho_control *)(void *)(place->hook.parts + cpu * STRIDE + 128) + log;
}

/* Open a log of so many rows; logs of a CPU get 8 KiB each. */
static inline struct tacho_control *log_set(const struct place *place, uint32_t cpu, uint32_t log,
					    uint32_t rows, uint32_t layout)
{
	struct tacho_control *control = control_at(place, cpu, log);

	memset(control, 0, sizeof(*control));
	control->rows_off = (log + 1) * 8192;
	control->row_mask = rows - 1;
	control->layout = layout;
	control->event = TACHO_NONE;
	control->domain = TACHO_NONE;
	return control;
}

/* What the row of a position says. */
static inline struct tacho__row row_of(uint64_t pos)
{
	const struct tacho__row row = {
		.time = pos * 3 + 5,
		.counter = ~pos * 0x9e3779b97f4a7c15u,
		.event = (uint32_t)pos ^ 0x11111111u,
		.domain = (uint32_t)pos * 7 + 2,
		.correspondent = (uint32_t)pos * 0x01000193u,
	};

	return row;
}

/* One row at the position where the log is. */
static inline enum tacho__result put(const struct place *place, uint32_t cpu, uint32_t log,
				     uint64_t pos)
{
	struct tacho__row row = row_of(pos);

	fake_time = row.time;
	return tacho__generic_put(&place->hook, (tacho_u64)cpu * STRIDE, TACHO_ROUTE(log), &row,
				  fake_now);
}

static inline void put_many(const struct place *place, uint32_t cpu, uint32_t log, uint64_t nr)
{
	while (nr-- > 0)
		put(place, cpu, log, control_at(place, cpu, log)->pos);
}

/* Whether a row says what its position demands; time is what the log's clock said. */
static inline int row_is_good(const struct tacho_row *row, uint32_t layout, uint64_t time)
{
	const struct tacho__row is = row_of(row->pos);

	return row->time == (TACHO_HAS_TIME(layout) ? time : 0) &&
	       row->counter == (layout & TACHO_ENTRY_COUNTER ? is.counter : 0) &&
	       row->event == (layout & TACHO_ENTRY_EVENT ? is.event : TACHO_NONE) &&
	       row->domain == (layout & TACHO_ENTRY_DOMAIN ? is.domain : TACHO_NONE) &&
	       row->correspondent ==
		       (layout & TACHO_ENTRY_CORRESPONDENT ? is.correspondent : TACHO_NONE);
}

static inline void expect_counts(const struct tacho_cursor *cursor, uint64_t pos, uint64_t rows,
				 uint64_t lost, uint64_t resets)
{
	T_EQ(cursor->pos, pos);
	T_EQ(cursor->rows, rows);
	T_EQ(cursor->lost, lost);
	T_EQ(cursor->resets, resets);
}

#endif
