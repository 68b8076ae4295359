// SPDX-License-Identifier: BSD-2-Clause
/*
 * validate.c: whether bytes are an area.
 *
 * Owns the promises of area.h as code. First the geometry, which every party checks in a private copy
 * of the header before it calculates an address: called by attach.c, reader.c and area.c. Then the
 * walk, which compares everything else: tables, control registers, rows, routes, samples, pads; called
 * by tacho check and by tests. Must not write, must not follow anything that it did not check, and
 * must not touch a hole of the file, because reading one through a shared mapping allocates it.
 * Paper 001, chapter 3.
 *
 * What is in a part is loaded word by word with relaxed order: the component may be writing.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tacho/validate.h>

#include "internal.h"

#define POS_MAX	  (1ull << 56) /* two years of a row per nanosecond: more was not counted */
#define NODE_MAX  1024u
#define LINE	  64u /* alignment of the tables of a part */
#define AT(field) offsetof(struct tacho_area, field)

/* ---- the geometry ---------------------------------------------------------------------------- */

struct fault {
	uint64_t *off;
	char *why;
	size_t why_size;
};

__attribute__((format(printf, 4, 5))) static int refuse(const struct fault *fault, int error,
							size_t off, const char *text, ...)
{
	va_list args;

	*fault->off = off;
	va_start(args, text);
	if (fault->why_size != 0)
		vsnprintf(fault->why, fault->why_size, text, args);
	va_end(args);
	return error;
}

static bool is_pow2(uint64_t x)
{
	return x != 0 && (x & (x - 1)) == 0;
}

static int identity_check(const struct tacho_area *h, uint64_t file_size, const struct fault *fault)
{
	if (file_size < sizeof(*h))
		return refuse(fault, -EINVAL, 0, "%llu bytes are too few, a header has %zu",
			      (unsigned long long)file_size, sizeof(*h));
	if (h->magic == __builtin_bswap64(TACHO_MAGIC))
		return refuse(
			fault, -EINVAL, AT(magic),
			"the magic reads reversed: made on a machine of the other byte order");
	if (h->magic != TACHO_MAGIC)
		return refuse(fault, -EINVAL, AT(magic), "not an area: the magic is 0x%016llx",
			      (unsigned long long)h->magic);
	if (h->version != TACHO_VERSION)
		return refuse(fault, -EPROTO, AT(version),
			      "version is %u, this program knows version %u", h->version,
			      TACHO_VERSION);
	if (h->header_size != sizeof(*h))
		return refuse(fault, -EINVAL, AT(header_size),
			      "header_size is %u, version %u has %zu", h->header_size,
			      TACHO_VERSION, sizeof(*h));
	if (h->size > file_size)
		return refuse(fault, -EINVAL, AT(size), "size is %llu, the file has only %llu",
			      (unsigned long long)h->size, (unsigned long long)file_size);
	if (h->size % TACHO_PAGE != 0)
		return refuse(fault, -EINVAL, AT(size), "size is %llu, must be a multiple of %u",
			      (unsigned long long)h->size, TACHO_PAGE);
	return 0;
}

/* Fields that have a range of their own; everything after this may multiply without overflow. */
static int limits_check(const struct tacho_area *h, const struct fault *fault)
{
	const struct {
		const char *name;
		size_t off;
		tacho_u32 value, min, max;
		bool pow2;
	} limit[] = {
		{ "component", AT(component), h->component, TACHO_COMPONENT_PROCESS,
		  TACHO_COMPONENT_GUEST, false },
		{ "nr_cpus", AT(nr_cpus), h->nr_cpus, 1, TACHO_MAX_CPUS, false },
		{ "nr_domains", AT(nr_domains), h->nr_domains, 1, TACHO_MAX_DOMAINS, true },
		{ "nr_events", AT(nr_events), h->nr_events, 1, TACHO_MAX_EVENTS, true },
		{ "nr_logs", AT(nr_logs), h->nr_logs, 1, TACHO_MAX_LOGS, true },
		{ "nr_principals", AT(nr_principals), h->nr_principals, 1, TACHO_MAX_PRINCIPALS,
		  true },
		{ "body_size", AT(body_size), h->body_size, TACHO_PAGE, TACHO_MAX_BODY, true },
		{ "clock_source", AT(clock_source), h->clock_source, TACHO_SOURCE_TSC,
		  TACHO_SOURCE_MONOTONIC, false },
		{ "clock_shift", AT(clock_shift), h->clock_shift, 0, 63, false },
		{ "nr_sections", AT(nr_sections), h->nr_sections, 4, TACHO_MAX_SECTIONS, false },
	};

	for (size_t i = 0; i < sizeof(limit) / sizeof(limit[0]); i++) {
		if (limit[i].value < limit[i].min || limit[i].value > limit[i].max)
			return refuse(fault, -EINVAL, limit[i].off, "%s is %u, must be %u to %u",
				      limit[i].name, limit[i].value, limit[i].min, limit[i].max);
		if (limit[i].pow2 && !is_pow2(limit[i].value))
			return refuse(fault, -EINVAL, limit[i].off,
				      "%s is %u, must be a power of two", limit[i].name,
				      limit[i].value);
	}
	return 0;
}

/* Inside a part: tacho_cpu, controls, routes, samples, rows, in this order and apart. */
static int body_check(const struct tacho_area *h, const struct fault *fault)
{
	const uint64_t cells = (uint64_t)h->nr_events * h->nr_domains;
	const struct {
		const char *name, *before;
		size_t off;
		tacho_u32 value;
		uint64_t min;
	} table[] = {
		{ "routes_off", "the control registers", AT(routes_off), h->routes_off,
		  TACHO_CONTROLS_OFF + (uint64_t)h->nr_logs * sizeof(struct tacho_control) },
		{ "samples_off", "the routes", AT(samples_off), h->samples_off,
		  h->routes_off + cells * sizeof(tacho_u32) },
		{ "rows_off", "the samples", AT(rows_off), h->rows_off,
		  h->samples_off + cells * sizeof(struct tacho_sample) },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].value % LINE != 0)
			return refuse(fault, -EINVAL, table[i].off,
				      "%s is %u, must be a multiple of %u", table[i].name,
				      table[i].value, LINE);
		if (table[i].value < table[i].min)
			return refuse(fault, -EINVAL, table[i].off, "%s is %u, %s end at %llu",
				      table[i].name, table[i].value, table[i].before,
				      (unsigned long long)table[i].min);
	}
	if (h->rows_off > h->body_size)
		return refuse(fault, -EINVAL, AT(rows_off), "rows_off is %u, behind body_size %u",
			      h->rows_off, h->body_size);
	if (h->part_stride % TACHO_PAGE != 0 || h->part_stride > UINT32_MAX)
		return refuse(fault, -EINVAL, AT(part_stride),
			      "part_stride is %llu, must be a multiple of %u below 2^32",
			      (unsigned long long)h->part_stride, TACHO_PAGE);
	if (h->part_stride < (uint64_t)h->body_size + TACHO_PAGE)
		return refuse(fault, -EINVAL, AT(part_stride),
			      "part_stride is %llu, body and scratch page need %llu",
			      (unsigned long long)h->part_stride,
			      (unsigned long long)h->body_size + TACHO_PAGE);
	return 0;
}

/*
 * What the other fields of the header say about a section; its own place where they do not mind.
 * False: not a type of this version.
 */
static bool section_expect(const struct tacho_area *h, const struct tacho_section *section,
			   struct tacho_section *expect)
{
	*expect = (struct tacho_section){ .type = section->type, .off = section->off };
	switch (section->type) {
	case TACHO_SECTION_EVENTS:
		expect->entry_size = sizeof(struct tacho_event_entry);
		expect->size = (uint64_t)h->nr_events * expect->entry_size;
		return true;
	case TACHO_SECTION_DOMAINS:
		expect->entry_size = sizeof(struct tacho_domain_entry);
		expect->size = (uint64_t)h->nr_domains * expect->entry_size;
		return true;
	case TACHO_SECTION_PRINCIPALS:
		expect->entry_size = sizeof(tacho_u32);
		expect->size = (uint64_t)h->nr_principals * expect->entry_size;
		expect->off = h->principals_off;
		return true;
	case TACHO_SECTION_PARTS:
		expect->entry_size = (tacho_u32)h->part_stride;
		expect->size = h->nr_cpus * h->part_stride;
		expect->off = h->parts_off;
		return true;
	default:
		return false;
	}
}

static int section_check(const struct tacho_area *h, tacho_u32 i, const struct fault *fault)
{
	const struct tacho_section *section = &h->sections[i];
	const size_t at = AT(sections) + i * sizeof(*section);
	const char *what = NULL;
	uint64_t is = 0, must = 0;
	struct tacho_section expect;

	if (section->off < TACHO_PAGE || section->off % TACHO_PAGE != 0)
		return refuse(fault, -EINVAL, at + offsetof(struct tacho_section, off),
			      "section %u: off is %llu, must be a multiple of %u behind the header",
			      i, (unsigned long long)section->off, TACHO_PAGE);
	if (section->off > h->size || section->size > h->size - section->off)
		return refuse(fault, -EINVAL, at + offsetof(struct tacho_section, size),
			      "section %u: %llu bytes at %llu end behind the area (%llu)", i,
			      (unsigned long long)section->size, (unsigned long long)section->off,
			      (unsigned long long)h->size);
	if (!section_expect(h, section, &expect))
		return 0; /* of a later version: somebody else's business, but it has its place */
	if (section->entry_size != expect.entry_size)
		what = "entry_size", is = section->entry_size, must = expect.entry_size;
	else if (section->size != expect.size)
		what = "size", is = section->size, must = expect.size;
	else if (section->off != expect.off)
		what = "off", is = section->off, must = expect.off;
	if (what)
		return refuse(fault, -EINVAL, at, "section %u of type %u: %s is %llu, must be %llu",
			      i, section->type, what, (unsigned long long)is,
			      (unsigned long long)must);
	return 0;
}

/* Every section on its own, no two of one known type, none over another, no known one missing. */
static int sections_check(const struct tacho_area *h, const struct fault *fault)
{
	struct tacho_section expect;
	tacho_u32 seen = 0;

	for (tacho_u32 i = 0; i < h->nr_sections; i++) {
		const struct tacho_section *a = &h->sections[i];
		int error = section_check(h, i, fault);

		if (error < 0)
			return error;
		for (tacho_u32 j = 0; j < i; j++) {
			const struct tacho_section *b = &h->sections[j];

			if (a->off < b->off + b->size && b->off < a->off + a->size)
				return refuse(fault, -EINVAL, AT(sections) + i * sizeof(*a),
					      "sections %u and %u overlap", j, i);
		}
		if (!section_expect(h, a, &expect))
			continue;
		if (seen & 1u << a->type)
			return refuse(fault, -EINVAL, AT(sections) + i * sizeof(*a),
				      "section %u: type %u is there twice", i, a->type);
		seen |= 1u << a->type;
	}
	for (tacho_u32 type = TACHO_SECTION_EVENTS; type <= TACHO_SECTION_PARTS; type++)
		if (!(seen & 1u << type))
			return refuse(fault, -EINVAL, AT(nr_sections),
				      "the section of type %u is missing", type);
	return 0;
}

int tacho_i_geometry_find(const struct tacho_area *header, uint64_t file_size, uint64_t *off,
			  char *why, size_t why_size)
{
	const struct fault fault = { off, why, why ? why_size : 0 };
	int error = identity_check(header, file_size, &fault);

	if (error == 0)
		error = limits_check(header, &fault);
	if (error == 0)
		error = body_check(header, &fault);
	if (error == 0)
		error = sections_check(header, &fault);
	return error;
}

int tacho_i_geometry_check(const struct tacho_area *header, uint64_t file_size, char *why,
			   size_t why_size)
{
	char text[160];
	uint64_t off;
	int error = tacho_i_geometry_find(header, file_size, &off, text, sizeof(text));

	if (error < 0 && why && why_size != 0) {
		int len = snprintf(why, why_size, "offset %llu: ", (unsigned long long)off);

		if ((size_t)len < why_size)
			strncat(why, text, why_size - (size_t)len - 1);
	}
	return error;
}

void tacho_i_header_copy(struct tacho_area *copy, const void *base)
{
	const tacho_u64 *from = base;

	/* word by word: a session refines the clock while others look */
	for (size_t i = 0; i < sizeof(*copy) / sizeof(*from); i++) {
		tacho_u64 word = tacho_load_relaxed(&from[i]);

		memcpy((char *)copy + i * sizeof(word), &word, sizeof(word));
	}
}

/* ---- the walk -------------------------------------------------------------------------------- */

struct walk {
	struct tacho_validate *validate;
	const unsigned char *base;
	struct tacho_area h; /* checked copy */
	uint64_t data; /* the file has data from here ... */
	uint64_t hole; /* ... to here */
	uint32_t cpu; /* the part that is being walked */
	uint64_t part; /* its offset */
	bool holes; /* the file can tell where they are */
	bool ended; /* finding does not want more */
};

/* Rows of one log, to compare with those of the others. */
struct extent {
	uint32_t begin;
	uint32_t end;
	uint32_t log;
};

__attribute__((format(printf, 4, 5))) static void report(struct walk *walk,
							 enum tacho_severity severity, uint64_t off,
							 const char *format, ...)
{
	struct tacho_validate *validate = walk->validate;
	char text[200];
	va_list args;

	if (walk->ended)
		return;
	if (severity == TACHO_ERROR)
		validate->nr_errors++;
	else
		validate->nr_warnings++;
	if (!validate->finding)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	walk->ended = validate->finding(validate->arg, severity, off, text) != 0;
}

/* The first offset in [off, end) that is in memory or on disk; end: only zeros. */
static uint64_t data_next(struct walk *walk, uint64_t off, uint64_t end)
{
	off_t at;

	if (!walk->holes || (off >= walk->data && off < walk->hole))
		return off;
	at = lseek(walk->validate->fd, (off_t)off, SEEK_DATA);
	if (at < 0 && errno == ENXIO)
		return end;
	if (at >= 0)
		walk->hole = (uint64_t)lseek(walk->validate->fd, at, SEEK_HOLE);
	if (at < 0 || walk->hole <= (uint64_t)at) {
		walk->holes = false; /* not every file system knows */
		return off;
	}
	walk->data = (uint64_t)at;
	return walk->data < end ? walk->data : end;
}

/* Visit the entries of a table that may be other than zero. */
static void table_walk(struct walk *walk, uint64_t off, uint64_t entry_size, uint64_t nr,
		       void (*visit)(struct walk *walk, uint64_t off, uint64_t i))
{
	const uint64_t end = off + entry_size * nr;

	for (uint64_t i = 0; i < nr && !walk->ended; i++) {
		uint64_t at = data_next(walk, off + i * entry_size, end);

		if (at == end)
			break;
		i = (at - off) / entry_size;
		visit(walk, off + i * entry_size, i);
	}
}

static tacho_u32 load32(const struct walk *walk, uint64_t off)
{
	return tacho_load_relaxed((const tacho_u32 *)(const void *)(walk->base + off));
}

static tacho_u64 load64(const struct walk *walk, uint64_t off)
{
	return tacho_load_relaxed((const tacho_u64 *)(const void *)(walk->base + off));
}

/* Bytes, multiple of 8, that have no meaning in this version. */
static void zero_check(struct walk *walk, uint64_t off, uint64_t size, const char *what)
{
	for (uint64_t i = 0; i < size; i += 8)
		if (load64(walk, off + i) != 0) {
			report(walk, TACHO_WARNING, off + i,
			       "%s is not zero: it has no meaning in version %u", what,
			       TACHO_VERSION);
			return;
		}
}

/* A name, size bytes, multiple of 8. */
static void string_check(struct walk *walk, uint64_t off, uint64_t size, const char *what,
			 uint64_t i)
{
	for (uint64_t at = 0; at < size; at += 8) {
		tacho_u64 word = load64(walk, off + at);

		if (memchr(&word, 0, sizeof(word)))
			return;
	}
	report(walk, TACHO_ERROR, off, "%s %llu: no zero byte ends it", what,
	       (unsigned long long)i);
}

static void header_check(struct walk *walk)
{
	const uint64_t sections = AT(sections);
	const struct tacho_area *h = &walk->h;

	if (!memchr(h->name, 0, sizeof(h->name)))
		report(walk, TACHO_ERROR, AT(name), "name: no zero byte ends it");
	if (h->clock_mult == 0)
		report(walk, TACHO_ERROR, AT(clock_mult),
		       "clock_mult is 0: every time would be clock_base_ns");
	zero_check(walk, AT(pad), sizeof(h->pad), "header: pad");
	for (uint32_t i = 0; i < TACHO_MAX_SECTIONS; i++) {
		uint64_t off = sections + i * sizeof(struct tacho_section);

		if (i >= h->nr_sections) {
			zero_check(walk, off, sizeof(struct tacho_section),
				   "a section behind the last");
			continue;
		}
		if (h->sections[i].type < TACHO_SECTION_EVENTS ||
		    h->sections[i].type > TACHO_SECTION_PARTS)
			report(walk, TACHO_WARNING, off,
			       "section %u: type %u has no meaning in version %u, skipped", i,
			       h->sections[i].type, TACHO_VERSION);
		zero_check(walk, off + offsetof(struct tacho_section, pad), 8, "section: pad");
	}
}

static void event_check(struct walk *walk, uint64_t off, uint64_t i)
{
	const uint32_t known = TACHO_EVENT_ON | TACHO_EVENT_TICKS | TACHO_EVENT_DATA;
	uint32_t kind = load32(walk, off + offsetof(struct tacho_event_entry, kind));
	uint32_t id = load32(walk, off + offsetof(struct tacho_event_entry, id));
	uint32_t flags = load32(walk, off + offsetof(struct tacho_event_entry, flags));
	struct tacho_event_entry *entry = NULL; /* for sizes only */

	if (kind == 0)
		return; /* free */
	if (kind > TACHO_SAMPLE)
		report(walk, TACHO_ERROR, off + offsetof(struct tacho_event_entry, kind),
		       "event %llu: kind is %u, must be 0 to %u", (unsigned long long)i, kind,
		       TACHO_SAMPLE);
	if (id != i)
		report(walk, TACHO_ERROR, off, "event %llu: id is %u, must be its index",
		       (unsigned long long)i, id);
	if (flags & ~known)
		report(walk, TACHO_WARNING, off + offsetof(struct tacho_event_entry, flags),
		       "event %llu: flags 0x%x have no meaning in version %u",
		       (unsigned long long)i, flags & ~known, TACHO_VERSION);
	if ((load64(walk, off + offsetof(struct tacho_event_entry, name)) & 0xff) == 0)
		report(walk, TACHO_ERROR, off + offsetof(struct tacho_event_entry, name),
		       "event %llu: has no name", (unsigned long long)i);
	string_check(walk, off + offsetof(struct tacho_event_entry, name), sizeof(entry->name),
		     "name of event", i);
	string_check(walk, off + offsetof(struct tacho_event_entry, counter),
		     sizeof(entry->counter), "counter of event", i);
	string_check(walk, off + offsetof(struct tacho_event_entry, correspondent),
		     sizeof(entry->correspondent), "correspondent of event", i);
	string_check(walk, off + offsetof(struct tacho_event_entry, doc), sizeof(entry->doc),
		     "doc of event", i);
}

static void domain_check(struct walk *walk, uint64_t off, uint64_t i)
{
	string_check(walk, off, sizeof(struct tacho_domain_entry), "name of domain", i);
}

static void principal_check(struct walk *walk, uint64_t off, uint64_t i)
{
	uint32_t domain = load32(walk, off);

	if (i == walk->h.nr_principals - 1)
		return; /* looked at in any case, also when it is in a hole */
	if (domain >= walk->h.nr_domains)
		report(walk, TACHO_ERROR, off, "principal %llu: domain is %u, there are %u",
		       (unsigned long long)i, domain, walk->h.nr_domains);
}

static void tables_check(struct walk *walk)
{
	const struct tacho_area *h = &walk->h;
	uint64_t last = h->principals_off + (h->nr_principals - 1) * sizeof(tacho_u32);

	for (uint32_t i = 0; i < h->nr_sections; i++) {
		if (h->sections[i].type == TACHO_SECTION_EVENTS)
			table_walk(walk, h->sections[i].off, sizeof(struct tacho_event_entry),
				   h->nr_events, event_check);
		if (h->sections[i].type == TACHO_SECTION_DOMAINS)
			table_walk(walk, h->sections[i].off, sizeof(struct tacho_domain_entry),
				   h->nr_domains, domain_check);
	}
	table_walk(walk, h->principals_off, sizeof(tacho_u32), h->nr_principals, principal_check);
	if (load32(walk, last) != TACHO_NONE)
		report(walk, TACHO_ERROR, last, "principal %u, the last slot: holds %u, must be %u",
		       h->nr_principals - 1, load32(walk, last), TACHO_NONE);
}

/* ---- a part ---------------------------------------------------------------------------------- */

/* One look at a control register. */
static void control_get(const struct walk *walk, uint64_t off, struct tacho_control *control)
{
	control->pos = load64(walk, off);
	control->rows_off = load32(walk, off + offsetof(struct tacho_control, rows_off));
	control->row_mask = load32(walk, off + offsetof(struct tacho_control, row_mask));
	control->layout = load32(walk, off + offsetof(struct tacho_control, layout));
	control->lock = load32(walk, off + offsetof(struct tacho_control, lock));
	control->event = load32(walk, off + offsetof(struct tacho_control, event));
	control->domain = load32(walk, off + offsetof(struct tacho_control, domain));
}

static uint64_t control_off(const struct walk *walk, uint32_t log)
{
	return walk->part + TACHO_CONTROLS_OFF + log * sizeof(struct tacho_control);
}

static uint32_t row_size_of(const struct tacho_control *control)
{
	return control->layout & TACHO_ADD ? 8 : TACHO_ROW_SIZE(control->layout);
}

#define CONTROL_ERROR(field, text, ...)                                                            \
	report(walk, TACHO_ERROR, off + offsetof(struct tacho_control, field),                     \
	       "CPU %u, log %u: " text, walk->cpu, log, __VA_ARGS__)

static void rows_check(struct walk *walk, uint64_t off, uint32_t log, const struct tacho_control *c)
{
	uint32_t size = row_size_of(c);
	uint64_t rows = (uint64_t)c->row_mask + 1;

	if (rows & c->row_mask)
		CONTROL_ERROR(row_mask, "row_mask is 0x%x, must be a power of two minus 1",
			      c->row_mask);
	if (c->layout & TACHO_ADD && c->row_mask != 0)
		CONTROL_ERROR(row_mask, "row_mask is 0x%x, an adding log has one row", c->row_mask);
	if (c->layout & TACHO_ADD && c->pos != 0)
		CONTROL_ERROR(pos, "pos is %llu, an adding log does not count",
			      (unsigned long long)c->pos);
	if (c->rows_off < walk->h.rows_off)
		CONTROL_ERROR(rows_off, "rows_off is %u, rows begin at %u", c->rows_off,
			      walk->h.rows_off);
	if (size != 0 && c->rows_off % size != 0)
		CONTROL_ERROR(rows_off, "rows_off is %u, must be a multiple of the row size %u",
			      c->rows_off, size);
	if (c->rows_off + rows * size > walk->h.body_size)
		CONTROL_ERROR(rows_off, "%llu rows of %u bytes at %u end behind the body (%u)",
			      (unsigned long long)rows, size, c->rows_off, walk->h.body_size);
}

static void control_check(struct walk *walk, uint64_t off, uint64_t i)
{
	uint32_t log = (uint32_t)i;
	struct tacho_control c;

	control_get(walk, off, &c);
	zero_check(walk, off + offsetof(struct tacho_control, pad), sizeof(c.pad),
		   "control register: pad");
	if (c.rows_off == 0 || log == 0) {
		/* not given out; log 0 never is */
		if (c.pos | c.rows_off | c.row_mask | c.layout | c.lock | c.event | c.domain)
			CONTROL_ERROR(pos, "not all zero, but %s",
				      log == 0 ? "it is the null log"
					       : "rows_off says it is not used");
		return;
	}
	if (c.lock > 1)
		CONTROL_ERROR(lock, "lock is %u, must be 0 or 1", c.lock);
	if (c.event != TACHO_NONE && c.event >= walk->h.nr_events)
		CONTROL_ERROR(event, "event is %u, there are %u", c.event, walk->h.nr_events);
	if (c.domain != TACHO_NONE && c.domain >= walk->h.nr_domains)
		CONTROL_ERROR(domain, "domain is %u, there are %u", c.domain, walk->h.nr_domains);
	if (c.pos > POS_MAX)
		CONTROL_ERROR(pos, "pos is 0x%llx, which nobody can have counted",
			      (unsigned long long)c.pos);
	if (c.layout >= TACHO_LAYOUTS)
		CONTROL_ERROR(layout, "layout is 0x%x, must be below 0x%x", c.layout,
			      TACHO_LAYOUTS);
	else
		rows_check(walk, off, log, &c);
}

static int extent_compare(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* Rows of the logs of this part are disjoint. Returns the number of logs given out, or -ENOMEM. */
static long extents_check(struct walk *walk)
{
	struct extent *extent = NULL;
	size_t nr = 0, size = 0;
	long given = 0;

	for (uint32_t log = 1; log < walk->h.nr_logs; log++) {
		uint64_t end = control_off(walk, walk->h.nr_logs);
		uint64_t at = data_next(walk, control_off(walk, log), end);
		struct tacho_control c;
		uint64_t bytes;

		if (at == end)
			break;
		log += (uint32_t)((at - control_off(walk, log)) / sizeof(c));
		control_get(walk, control_off(walk, log), &c);
		given += c.rows_off != 0;
		bytes = ((uint64_t)c.row_mask + 1) * row_size_of(&c);
		if (c.rows_off == 0 || bytes == 0 || c.layout >= TACHO_LAYOUTS ||
		    c.rows_off + bytes > walk->h.body_size)
			continue; /* has no rows, or was found wrong already */
		if (nr == size) {
			struct extent *grown =
				realloc(extent, (size = 2 * size + 64) * sizeof(*extent));

			if (!grown) {
				free(extent);
				return -ENOMEM;
			}
			extent = grown;
		}
		extent[nr++] = (struct extent){ c.rows_off, c.rows_off + (uint32_t)bytes, log };
	}
	if (nr != 0)
		qsort(extent, nr, sizeof(*extent), extent_compare);
	/* each against the one that reaches furthest among those before it */
	for (size_t i = 1, far = 0; i < nr; i++) {
		if (extent[i].begin < extent[far].end)
			report(walk, TACHO_ERROR, control_off(walk, extent[i].log) + 8,
			       "CPU %u, log %u: its rows overlap those of log %u", walk->cpu,
			       extent[i].log, extent[far].log);
		if (extent[i].end > extent[far].end)
			far = i;
	}
	free(extent);
	return given;
}

static void route_check(struct walk *walk, uint64_t off, uint64_t i)
{
	uint32_t word = load32(walk, off), route = word & ~TACHO_ROUTE_SAMPLED;
	uint32_t event = (uint32_t)(i / walk->h.nr_domains);
	uint32_t domain = (uint32_t)(i % walk->h.nr_domains);
	uint32_t log = route / (uint32_t)sizeof(struct tacho_control);
	const char *wrong = NULL;
	struct tacho_control c;

	if (word == 0)
		return;
	if (route == 0) {
		wrong = "sampled, but leads to no log";
	} else if (route % sizeof(struct tacho_control) != 0) {
		wrong = "is not a multiple of 64";
	} else if (log >= walk->h.nr_logs) {
		wrong = "leads behind the last log";
	} else {
		control_get(walk, control_off(walk, log), &c);
		if (c.rows_off == 0)
			wrong = "leads to a log that was not given out";
		else if (c.event != TACHO_NONE && c.event != event)
			wrong = "leads to a log of another event";
		else if (c.domain != TACHO_NONE && c.domain != domain)
			wrong = "leads to a log of another domain";
	}
	if (wrong)
		report(walk, TACHO_ERROR, off, "CPU %u, route of event %u, domain %u: 0x%08x %s",
		       walk->cpu, event, domain, word, wrong);
}

static void sample_check(struct walk *walk, uint64_t off, uint64_t i)
{
	uint32_t threshold = load32(walk, off);
	uint32_t count = load32(walk, off + offsetof(struct tacho_sample, count));

	/* a warning: a writer may put it there while the threshold changes, and the next one heals it */
	if (count != 0 && count >= threshold)
		report(walk, TACHO_WARNING, off + offsetof(struct tacho_sample, count),
		       "CPU %u, sample of event %u, domain %u: count is %u, threshold only %u",
		       walk->cpu, (uint32_t)(i / walk->h.nr_domains),
		       (uint32_t)(i % walk->h.nr_domains), count, threshold);
}

static void cpu_check(struct walk *walk, long given)
{
	const uint64_t off = walk->part;
	uint64_t lost = off + offsetof(struct tacho_cpu, lost);
	uint32_t cpu = load32(walk, off + offsetof(struct tacho_cpu, cpu));
	uint32_t node = load32(walk, off + offsetof(struct tacho_cpu, node));
	uint32_t running = load32(walk, off + offsetof(struct tacho_cpu, running_domain));

	if (cpu != walk->cpu && (given != 0 || cpu != 0))
		report(walk, TACHO_ERROR, off + offsetof(struct tacho_cpu, cpu),
		       "CPU %u: its part says that it is CPU %u", walk->cpu, cpu);
	if (node != TACHO_NONE && node >= NODE_MAX)
		report(walk, TACHO_ERROR, off + offsetof(struct tacho_cpu, node),
		       "CPU %u: node is %u, must be below %u, or %u for none", walk->cpu, node,
		       NODE_MAX, TACHO_NONE);
	zero_check(walk, lost + TACHO_NR_LOST * sizeof(tacho_u64),
		   (sizeof(((struct tacho_cpu *)NULL)->lost) / sizeof(tacho_u64) - TACHO_NR_LOST) *
			   sizeof(tacho_u64),
		   "a count of losses without a reason");
	if (running >= walk->h.nr_domains)
		report(walk, TACHO_ERROR, off + offsetof(struct tacho_cpu, running_domain),
		       "CPU %u: running_domain is %u, there are %u", walk->cpu, running,
		       walk->h.nr_domains);
	zero_check(walk, off + offsetof(struct tacho_cpu, pad),
		   sizeof(((struct tacho_cpu *)NULL)->pad), "tacho_cpu: pad");
}

/* Valid control registers never reach it; it is there for the others. */
static void scratch_check(struct walk *walk, uint64_t off, uint64_t i)
{
	(void)i;
	for (uint64_t at = 0; at < TACHO_PAGE; at += 8)
		if (load64(walk, off + at) != 0) {
			report(walk, TACHO_WARNING, off + at,
			       "CPU %u: the scratch page was written, by a row beyond the body",
			       walk->cpu);
			return;
		}
}

static int part_check(struct walk *walk, uint32_t cpu)
{
	const struct tacho_area *h = &walk->h;
	uint64_t cells = (uint64_t)h->nr_events * h->nr_domains;
	long given;

	walk->cpu = cpu;
	walk->part = h->parts_off + cpu * h->part_stride;
	table_walk(walk, control_off(walk, 0), sizeof(struct tacho_control), h->nr_logs,
		   control_check);
	given = extents_check(walk);
	if (given < 0)
		return (int)given;
	if (given != 0 ||
	    data_next(walk, walk->part, walk->part + TACHO_CONTROLS_OFF) == walk->part)
		cpu_check(walk, given);
	table_walk(walk, walk->part + h->routes_off, sizeof(tacho_u32), cells, route_check);
	table_walk(walk, walk->part + h->samples_off, sizeof(struct tacho_sample), cells,
		   sample_check);
	table_walk(walk, walk->part + h->body_size, TACHO_PAGE, 1, scratch_check);
	return 0;
}

TACHO_EXPORT int tacho_validate(struct tacho_validate *validate, const void *base, uint64_t size)
{
	struct walk walk = { .validate = validate, .base = base, .holes = validate->fd >= 0 };
	int error = 0;
	char why[160];
	uint64_t off;

	validate->nr_errors = validate->nr_warnings = 0;
	if ((uintptr_t)base % sizeof(tacho_u64) != 0)
		return -EINVAL;
	if (size >= sizeof(walk.h))
		tacho_i_header_copy(&walk.h, base);
	if (tacho_i_geometry_find(&walk.h, size, &off, why, sizeof(why)) < 0) {
		report(&walk, TACHO_ERROR, off, "%s", why);
		return walk.ended ? -ECANCELED : -EINVAL;
	}
	header_check(&walk);
	tables_check(&walk);
	for (uint32_t cpu = 0; cpu < walk.h.nr_cpus && !walk.ended && error == 0; cpu++)
		error = part_check(&walk, cpu);
	if (walk.ended)
		return -ECANCELED;
	return error < 0 ? error : validate->nr_errors ? -EINVAL : 0;
}
