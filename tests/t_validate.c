// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_validate.c: every field of the header, then every other promise of area.h, broken one by one; and
 * bytes that mean nothing.
 */
#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tacho/session.h>
#include <tacho/validate.h>

#include "internal.h"
#include "t.h"

/* ---- the geometry ---------------------------------------------------------------------------- */

static struct tacho_area good_header(void)
{
	struct tacho_area_options options = { .nr_cpus = 4, .rows_size = 4096, .name = "good" };
	struct tacho_area header;
	struct tacho_memory memory;

	memset(&header, 0, sizeof(header));
	if (tacho_memory_create(&memory, &options) == 0)
		header = *tacho_memory_header(&memory);
	tacho_memory_destroy(&memory);
	return header;
}

T_CASE(version_handshake)
{
	const struct tacho_area good = good_header();
	struct tacho_area h = good;
	char why[160];

	T_EQ(tacho_i_geometry_check(&h, good.size, why, sizeof(why)), 0);
	T_EQ(tacho_i_geometry_check(&h, good.size + 4096, why, sizeof(why)), 0);
	T_EQ(tacho_i_geometry_check(&h, good.size, NULL, 0), 0);
	h.version = 2;
	T_EQ(tacho_i_geometry_check(&h, good.size, why, sizeof(why)), -EPROTO);
	T_STREQ(why, "offset 8: version is 2, this program knows version 1");
	T_EQ(tacho_i_geometry_check(&h, good.size, NULL, 0), -EPROTO);
	T_EQ(tacho_i_geometry_check(&h, good.size, why, 10), -EPROTO);
	T_STREQ(why, "offset 8:");
	T_EQ(tacho_i_geometry_check(&h, good.size, why, 1), -EPROTO);
	T_STREQ(why, "");
	h = good;
	h.header_size = 512;
	T_EQ(tacho_i_geometry_check(&h, good.size, why, sizeof(why)), -EINVAL);
	T_STREQ(why, "offset 12: header_size is 512, version 1 has 768");
	h = good;
	h.magic = __builtin_bswap64(h.magic);
	T_EQ(tacho_i_geometry_check(&h, good.size, why, sizeof(why)), -EINVAL);
	T_STREQ(why,
		"offset 0: the magic reads reversed: made on a machine of the other byte order");
	h.magic = 0x1234;
	T_EQ(tacho_i_geometry_check(&h, good.size, why, sizeof(why)), -EINVAL);
	T_STREQ(why, "offset 0: not an area: the magic is 0x0000000000001234");
	T_EQ(tacho_i_geometry_check(&h, 767, why, sizeof(why)), -EINVAL);
	T_STREQ(why, "offset 0: 767 bytes are too few, a header has 768");
	h = good;
	T_EQ(tacho_i_geometry_check(&h, good.size - 1, why, sizeof(why)), -EINVAL);
	T_OK(strstr(why, "offset 16: size is"));
}

#define FIELD(name) offsetof(struct tacho_area, name), sizeof(((struct tacho_area *)0)->name)
#define SECTION(i, field)                                                                          \
	offsetof(struct tacho_area, sections) + (i) * sizeof(struct tacho_section) +               \
		offsetof(struct tacho_section, field),                                             \
		sizeof(((struct tacho_section *)0)->field)

/* Each is the good header with one field changed. */
static const struct {
	size_t off, size;
	uint64_t value;
	const char *why;
} broken[] = {
	{ FIELD(size), 4097, "multiple of 4096" },
	{ FIELD(size), 4096, "behind the area" },
	{ FIELD(size), ~0ull, "the file has only" },
	{ FIELD(component), 0, "component is 0" },
	{ FIELD(component), 5, "component is 5" },
	{ FIELD(nr_cpus), 0, "nr_cpus is 0" },
	{ FIELD(nr_cpus), 5, "size is" },
	{ FIELD(nr_cpus), TACHO_MAX_CPUS + 1, "nr_cpus is 4097" },
	{ FIELD(nr_cpus), 0xffffffff, "nr_cpus is" },
	{ FIELD(nr_domains), 0, "nr_domains is 0" },
	{ FIELD(nr_domains), 63, "power of two" },
	{ FIELD(nr_domains), 128, "the routes end at" },
	{ FIELD(nr_domains), 2 * TACHO_MAX_DOMAINS, "nr_domains is" },
	{ FIELD(nr_events), 0, "nr_events is 0" },
	{ FIELD(nr_events), 65, "power of two" },
	{ FIELD(nr_events), TACHO_MAX_EVENTS, "the routes end at" },
	{ FIELD(nr_logs), 0, "nr_logs is 0" },
	{ FIELD(nr_logs), 3, "power of two" },
	{ FIELD(nr_logs), TACHO_MAX_LOGS, "control registers end at" },
	{ FIELD(nr_principals), 0, "nr_principals is 0" },
	{ FIELD(nr_principals), 3, "power of two" },
	{ FIELD(nr_principals), 8192, "section 2" },
	{ FIELD(nr_principals), 2 * TACHO_MAX_PRINCIPALS, "nr_principals is" },
	{ FIELD(parts_off), 0, "section 3" },
	{ FIELD(parts_off), ~0ull, "section 3" },
	{ FIELD(part_stride), 0, "body and scratch" },
	{ FIELD(part_stride), 65536, "body and scratch" },
	{ FIELD(part_stride), 1ull << 32, "below 2^32" },
	{ FIELD(part_stride), 65536 + 4096 + 1, "multiple of 4096" },
	{ FIELD(body_size), 0, "body_size is 0" },
	{ FIELD(body_size), 2048, "body_size is 2048" },
	{ FIELD(body_size), 65535, "power of two" },
	{ FIELD(body_size), 32768, "behind body_size" },
	{ FIELD(body_size), 1u << 31, "body_size is" },
	{ FIELD(routes_off), 0, "control registers end at" },
	{ FIELD(routes_off), 4224 + 1, "multiple of 64" },
	{ FIELD(routes_off), 0xffffffc0, "the routes end at" },
	{ FIELD(samples_off), 4224, "the routes end at" },
	{ FIELD(samples_off), 20608 + 8, "multiple of 64" },
	{ FIELD(rows_off), 20608, "the samples end at" },
	{ FIELD(rows_off), 53376 + 4, "multiple of 64" },
	{ FIELD(rows_off), 65536 + 64, "behind body_size" },
	{ FIELD(rows_off), 0xffffffc0, "behind body_size" },
	{ FIELD(principals_off), 0, "section 2" },
	{ FIELD(principals_off), ~0ull, "section 2" },
	{ FIELD(clock_source), 0, "clock_source is 0" },
	{ FIELD(clock_source), 3, "clock_source is 3" },
	{ FIELD(clock_shift), 64, "clock_shift is 64" },
	{ FIELD(nr_sections), 0, "nr_sections is 0" },
	{ FIELD(nr_sections), 3, "nr_sections is 3" },
	{ FIELD(nr_sections), 17, "nr_sections is 17" },
	{ FIELD(nr_sections), 5, "section 4" },
	{ SECTION(0, type), 9, "type 1 is missing" },
	{ SECTION(0, type), TACHO_SECTION_DOMAINS, "section 0 of type 2" },
	{ SECTION(0, entry_size), 255, "entry_size is 255" },
	{ SECTION(0, off), 0, "off is 0" },
	{ SECTION(0, off), 4097, "multiple of 4096" },
	{ SECTION(0, off), ~0xfffull, "behind the area" },
	{ SECTION(0, off), 8192, "overlap" },
	{ SECTION(0, size), ~0ull, "behind the area" },
	{ SECTION(0, size), 16383, "size is 16383" },
	{ SECTION(1, size), 2049, "size is 2049" },
	{ SECTION(2, off), 4096, "must be" },
	{ SECTION(2, size), 4, "size is 4" },
	{ SECTION(3, off), 8192, "must be" },
	{ SECTION(3, entry_size), 4096, "entry_size is 4096" },
	{ SECTION(3, size), 4096, "size is 4096" },
};

T_CASE(every_field_of_the_header)
{
	const struct tacho_area good = good_header();

	T_EQ(good.routes_off, 4224);
	T_EQ(good.samples_off, 20608);
	T_EQ(good.rows_off, 53376);
	T_EQ(good.body_size, 65536);
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct tacho_area h = good;
		char why[160];

		memcpy((char *)&h + broken[i].off, &broken[i].value, broken[i].size);
		strcpy(why, "accepted");
		T_EQ(tacho_i_geometry_check(&h, good.size, why, sizeof(why)), -EINVAL);
		if (!strstr(why, broken[i].why) || strchr(why, '\n'))
			T_FAIL("%zu: offset %zu set to 0x%llx: \"%s\", not \"%s\"", i,
			       broken[i].off, (unsigned long long)broken[i].value, why,
			       broken[i].why);
	}
}

T_CASE(later_sections)
{
	const struct tacho_area good = good_header();
	struct tacho_area h = good;
	char why[160];

	h.size += 8192;
	h.nr_sections = 5;
	h.sections[4] = (struct tacho_section){ .type = 77, .off = good.size, .size = 8000 };
	T_EQ(tacho_i_geometry_check(&h, h.size, why, sizeof(why)), 0);
	h.sections[4].off = good.parts_off;
	T_EQ(tacho_i_geometry_check(&h, h.size, why, sizeof(why)), -EINVAL);
	T_STREQ(why, "offset 384: sections 3 and 4 overlap");
	h.sections[4] = good.sections[0];
	h.sections[4].off = good.size;
	h.size += 1 << 20;
	T_EQ(tacho_i_geometry_check(&h, h.size, why, sizeof(why)), -EINVAL);
	T_STREQ(why, "offset 384: section 4: type 1 is there twice");
}

/* What a writer and a reader calculate with a header that was accepted; in the widest type. */
static bool inside(const struct tacho_area *h, uint64_t file_size)
{
	typedef unsigned __int128 wide;
	wide cells = (wide)h->nr_events * h->nr_domains;

	return (wide)h->parts_off + (wide)h->nr_cpus * h->part_stride <= file_size &&
	       h->parts_off >= sizeof(*h) && h->principals_off >= sizeof(*h) &&
	       (wide)h->principals_off + (wide)h->nr_principals * 4 <= file_size &&
	       h->principals_off % 4 == 0 && h->parts_off % 8 == 0 && h->part_stride % 8 == 0 &&
	       (wide)h->body_size + TACHO_MAX_ROW <= h->part_stride &&
	       h->routes_off >= 128 + (wide)h->nr_logs * 64 && h->routes_off % 4 == 0 &&
	       h->samples_off >= h->routes_off + cells * 4 && h->samples_off % 8 == 0 &&
	       h->rows_off >= h->samples_off + cells * 8 && h->rows_off <= h->body_size &&
	       (h->body_size & (h->body_size - 1)) == 0 && h->body_size >= TACHO_MAX_ROW &&
	       (h->nr_logs & (h->nr_logs - 1)) == 0 && (h->nr_domains & (h->nr_domains - 1)) == 0 &&
	       (h->nr_principals & (h->nr_principals - 1)) == 0 && h->nr_logs && h->nr_domains &&
	       h->nr_principals && h->clock_shift < 64;
}

T_CASE(what_is_accepted_lies_inside)
{
	const struct tacho_area good = good_header();
	uint64_t seed = t_seed(), accepted = 0;
	const int rounds = T_ASAN || T_TSAN ? 200000 : 2000000;
	char why[160];

	for (int i = 0; i < rounds; i++) {
		struct tacho_area h = good;

		for (uint64_t n = t_random(&seed) % 3 + 1; n; n--) {
			size_t at = t_random(&seed) % (sizeof(h) / 4) * 4;
			uint64_t value = t_random(&seed), how = t_random(&seed) % 4;
			uint32_t word;

			memcpy(&word, (char *)&h + at, 4);
			word = how == 0	  ? (uint32_t)value
			       : how == 1 ? word + (uint32_t)(value % 9 - 4) * 64
			       : how == 2 ? 1u << value % 32
					  : word << value % 4;
			memcpy((char *)&h + at, &word, 4);
		}
		if (tacho_i_geometry_check(&h, good.size, why, sizeof(why)) == 0) {
			accepted++;
			if (!inside(&h, good.size))
				T_FAIL("round %d was accepted", i);
		} else if (strncmp(why, "offset ", 7) != 0 || strchr(why, '\n')) {
			T_FAIL("round %d: \"%s\"", i, why);
		}
	}
	T_OK(accepted > 1000);
}

/* ---- the walk -------------------------------------------------------------------------------- */

#define CPUS 2u

/* A private copy of an area with something of everything in it. */
struct copy {
	unsigned char *base;
	uint64_t size;
	struct tacho_area h;
};

/* What was found. */
struct found {
	unsigned int errors, warnings;
	unsigned int stop_after; /* end the walk with this finding; 0: never */
	uint64_t off; /* of the first one */
	char text[256]; /* all of them, joined */
};

static int finding_keep(void *arg, enum tacho_severity severity, uint64_t off, const char *text)
{
	struct found *found = arg;

	if (found->errors + found->warnings == 0)
		found->off = off;
	if (severity == TACHO_ERROR)
		found->errors++;
	else
		found->warnings++;
	if (strchr(text, '\n'))
		T_FAIL("a finding of more than one line: %s", text);
	strncat(found->text, text, sizeof(found->text) - strlen(found->text) - 1);
	strncat(found->text, "|", sizeof(found->text) - strlen(found->text) - 1);
	return found->stop_after && found->errors + found->warnings >= found->stop_after;
}

static int look(const struct copy *copy, struct found *found)
{
	struct tacho_validate validate = { .finding = finding_keep, .arg = found, .fd = -1 };
	int result = tacho_validate(&validate, copy->base, copy->size);

	T_EQ(validate.nr_errors, found->errors);
	T_EQ(validate.nr_warnings, found->warnings);
	return result;
}

/* Log 1: event 1, all domains; 2: adding; 3: event 2, domain 1, sampled; 4: no entries. */
static bool area_make(struct tacho_memory *memory)
{
	struct tacho_area_options options = { .nr_cpus = CPUS,
					      .nr_events = 4,
					      .nr_domains = 4,
					      .nr_logs = 8,
					      .nr_principals = 8,
					      .rows_size = 1000,
					      .name = "made to be broken" };
	struct tacho_event_entry *events;

	if (tacho_memory_create(memory, &options) != 0)
		return false;
	events = (void *)(memory->base + tacho_memory_header(memory)->sections[0].off);
	events[2] = (struct tacho_event_entry){ .id = 2, .kind = TACHO_SPAN, .name = "two" };
	return tacho_memory_domain_name(memory, 1, "one") == 0 &&
	       tacho_memory_bind(memory, 3, 2) == 0 &&
	       tacho_memory_log_add(memory, 4, TACHO_ENTRIES_ALL | TACHO_CLOCK_TIME, 1,
				    TACHO_NONE) == 1 &&
	       tacho_memory_log_add(memory, 1, TACHO_ADD, TACHO_NONE, TACHO_NONE) == 2 &&
	       tacho_memory_log_add(memory, 8, TACHO_ENTRY_COUNTER, 2, 1) == 3 &&
	       tacho_memory_log_add(memory, 2, 0, TACHO_NONE, TACHO_NONE) == 4 &&
	       tacho_memory_route(memory, 1, TACHO_NONE, 1, 1) == 0 &&
	       tacho_memory_route(memory, 2, 1, 3, 5) == 0 &&
	       tacho_memory_route(memory, 3, TACHO_NONE, 2, 1) == 0;
}

static bool copy_make(struct copy *copy)
{
	struct tacho_memory memory;

	if (!area_make(&memory))
		return false;
	copy->size = memory.size;
	copy->base = aligned_alloc(64, copy->size);
	memcpy(copy->base, memory.base, copy->size);
	memcpy(&copy->h, copy->base, sizeof(copy->h));
	tacho_memory_destroy(&memory);
	return true;
}

/* Where a change goes: in the header, in a table, or in the part of the last CPU. */
enum place { HEADER, EVENT_2, DOMAIN_1, PRINCIPAL, CPU, CONTROL, ROUTE, SAMPLE, SCRATCH };

/* i: of the control register, of the route or sample (event * 4 + domain), of the principal. */
static uint64_t place_off(const struct copy *copy, enum place place, uint64_t i)
{
	uint64_t part = copy->h.parts_off + (CPUS - 1) * copy->h.part_stride;

	switch (place) {
	case EVENT_2:
		return copy->h.sections[0].off + 2 * sizeof(struct tacho_event_entry);
	case DOMAIN_1:
		return copy->h.sections[1].off + sizeof(struct tacho_domain_entry);
	case PRINCIPAL:
		return copy->h.principals_off + i * sizeof(tacho_u32);
	case CPU:
		return part;
	case CONTROL:
		return part + TACHO_CONTROLS_OFF + i * sizeof(struct tacho_control);
	case ROUTE:
		return part + copy->h.routes_off + i * sizeof(tacho_u32);
	case SAMPLE:
		return part + copy->h.samples_off + i * sizeof(struct tacho_sample);
	case SCRATCH:
		return part + copy->h.body_size;
	default:
		return 0;
	}
}

#define IN(type, field) offsetof(struct type, field), sizeof(((struct type *)0)->field)
#define WORD(off)	(off), 8

static const struct {
	enum place place;
	uint32_t i;
	size_t off, size;
	uint64_t value; /* repeated over more than 8 bytes */
	enum tacho_severity severity;
	const char *text;
} breaks[] = {
	{ HEADER, 0, IN(tacho_area, magic), 1, TACHO_ERROR, "not an area" },
	{ HEADER, 0, IN(tacho_area, version), 9, TACHO_ERROR, "version is 9" },
	{ HEADER, 0, IN(tacho_area, nr_logs), 7, TACHO_ERROR, "nr_logs is 7" },
	{ HEADER, 0, IN(tacho_area, clock_mult), 0, TACHO_ERROR, "clock_mult is 0" },
	{ HEADER, 0, IN(tacho_area, name), ~0ull, TACHO_ERROR, "name: no zero" },
	{ HEADER, 0, WORD(offsetof(struct tacho_area, pad)), 1, TACHO_WARNING, "header: pad" },
	{ HEADER, 0, WORD(offsetof(struct tacho_area, pad) + 56), 1, TACHO_WARNING, "header: pad" },
	{ HEADER, 0, WORD(256 + 24), 1, TACHO_WARNING, "section: pad" },
	{ HEADER, 0, WORD(256 + 4 * 32), 1, TACHO_WARNING, "behind the last" },
	{ HEADER, 0, WORD(760), 1, TACHO_WARNING, "behind the last" },
	{ EVENT_2, 0, IN(tacho_event_entry, id), 3, TACHO_ERROR, "event 2: id is 3" },
	{ EVENT_2, 0, IN(tacho_event_entry, kind), 4, TACHO_ERROR, "event 2: kind is 4" },
	{ EVENT_2, 0, IN(tacho_event_entry, flags), 8, TACHO_WARNING, "event 2: flags 0x8" },
	{ EVENT_2, 0, IN(tacho_event_entry, name), 0, TACHO_ERROR, "event 2: has no name" },
	{ EVENT_2, 0, IN(tacho_event_entry, name), ~0ull, TACHO_ERROR, "name of event 2" },
	{ EVENT_2, 0, IN(tacho_event_entry, counter), ~0ull, TACHO_ERROR, "counter of event 2" },
	{ EVENT_2, 0, IN(tacho_event_entry, correspondent), ~0ull, TACHO_ERROR, "of event 2" },
	{ EVENT_2, 0, IN(tacho_event_entry, doc), ~0ull, TACHO_ERROR, "doc of event 2" },
	{ DOMAIN_1, 0, IN(tacho_domain_entry, name), ~0ull, TACHO_ERROR, "name of domain 1" },
	{ PRINCIPAL, 0, 0, 4, 4, TACHO_ERROR, "principal 0: domain is 4" },
	{ PRINCIPAL, 6, 0, 4, ~0ull, TACHO_ERROR, "principal 6: domain is" },
	{ PRINCIPAL, 7, 0, 4, 0, TACHO_ERROR, "principal 7, the last slot: holds 0" },
	{ CPU, 0, IN(tacho_cpu, cpu), 0, TACHO_ERROR, "CPU 1: its part says that it is CPU 0" },
	{ CPU, 0, IN(tacho_cpu, node), 1024, TACHO_ERROR, "CPU 1: node is 1024" },
	{ CPU, 0, WORD(16 + 8 * TACHO_NR_LOST), 1, TACHO_WARNING, "without a reason" },
	{ CPU, 0, WORD(16 + 8 * 5), 1, TACHO_WARNING, "without a reason" },
	{ CPU, 0, IN(tacho_cpu, running_domain), 4, TACHO_ERROR, "CPU 1: running_domain is 4" },
	{ CPU, 0, WORD(88), 1, TACHO_WARNING, "tacho_cpu: pad" },
	{ CPU, 0, WORD(120), 1, TACHO_WARNING, "tacho_cpu: pad" },
	{ CONTROL, 0, IN(tacho_control, pos), 1, TACHO_ERROR, "log 0: not all zero" },
	{ CONTROL, 0, IN(tacho_control, rows_off), 1024, TACHO_ERROR, "log 0: not all zero" },
	{ CONTROL, 1, IN(tacho_control, pos), 1ull << 57, TACHO_ERROR, "log 1: pos is 0x2" },
	{ CONTROL, 1, IN(tacho_control, rows_off), 0, TACHO_ERROR, "log 1: not all zero" },
	{ CONTROL, 1, IN(tacho_control, rows_off), 64, TACHO_ERROR, "log 1: rows_off is 64" },
	{ CONTROL, 1, IN(tacho_control, rows_off), 1608, TACHO_ERROR,
	  "multiple of the row size 32" },
	{ CONTROL, 1, IN(tacho_control, rows_off), 4000, TACHO_ERROR, "behind the body" },
	{ CONTROL, 1, IN(tacho_control, rows_off), ~31u, TACHO_ERROR, "behind the body" },
	{ CONTROL, 1, IN(tacho_control, row_mask), 2, TACHO_ERROR, "row_mask is 0x2" },
	{ CONTROL, 1, IN(tacho_control, row_mask), ~0ull, TACHO_ERROR, "behind the body" },
	{ CONTROL, 1, IN(tacho_control, row_mask), 7, TACHO_ERROR,
	  "log 2: its rows overlap those of" },
	{ CONTROL, 1, IN(tacho_control, layout), 0x80, TACHO_ERROR, "layout is 0x80" },
	{ CONTROL, 1, IN(tacho_control, layout), ~0ull, TACHO_ERROR, "layout is 0xffffffff" },
	{ CONTROL, 1, IN(tacho_control, layout), 0x100, TACHO_ERROR, "layout is 0x100" },
	{ CONTROL, 1, IN(tacho_control, lock), 2, TACHO_ERROR, "lock is 2" },
	{ CONTROL, 1, IN(tacho_control, event), 4, TACHO_ERROR, "event is 4" },
	{ CONTROL, 1, IN(tacho_control, event), 3, TACHO_ERROR, "of another event" },
	{ CONTROL, 1, IN(tacho_control, domain), 4, TACHO_ERROR, "domain is 4" },
	{ CONTROL, 3, IN(tacho_control, domain), 2, TACHO_ERROR, "of another domain" },
	{ CONTROL, 1, WORD(32), 1, TACHO_WARNING, "control register: pad" },
	{ CONTROL, 5, WORD(56), 1, TACHO_WARNING, "control register: pad" },
	{ CONTROL, 2, IN(tacho_control, row_mask), 1, TACHO_ERROR, "an adding log has one row" },
	{ CONTROL, 2, IN(tacho_control, pos), 1, TACHO_ERROR, "an adding log does not count" },
	{ CONTROL, 2, IN(tacho_control, rows_off), 1612, TACHO_ERROR,
	  "multiple of the row size 8" },
	{ CONTROL, 4, IN(tacho_control, row_mask), 5, TACHO_ERROR, "log 4: row_mask is 0x5" },
	{ CONTROL, 5, IN(tacho_control, pos), 1, TACHO_ERROR, "log 5: not all zero" },
	{ CONTROL, 5, IN(tacho_control, lock), 1, TACHO_ERROR, "log 5: not all zero" },
	{ CONTROL, 7, IN(tacho_control, layout), 1, TACHO_ERROR, "log 7: not all zero" },
	{ ROUTE, 0, 0, 4, TACHO_ROUTE_SAMPLED, TACHO_ERROR, "leads to no log" },
	{ ROUTE, 1, 0, 4, 65, TACHO_ERROR, "is not a multiple of 64" },
	{ ROUTE, 2, 0, 4, 8 * 64, TACHO_ERROR, "behind the last log" },
	{ ROUTE, 3, 0, 4, 0x7fffffc0, TACHO_ERROR, "behind the last log" },
	{ ROUTE, 4, 0, 4, 5 * 64, TACHO_ERROR, "not given out" },
	{ ROUTE, 8, 0, 4, 64, TACHO_ERROR,
	  "event 2, domain 0: 0x00000040 leads to a log of another" },
	{ ROUTE, 15, 0, 4, 3 * 64, TACHO_ERROR, "of another event" },
	{ SAMPLE, 9, IN(tacho_sample, count), 5, TACHO_WARNING, "count is 5, threshold only 5" },
	{ SAMPLE, 9, IN(tacho_sample, threshold), 0, 0, NULL }, /* 0 and 0: every event */
	{ SAMPLE, 0, IN(tacho_sample, count), 1, TACHO_WARNING, "count is 1, threshold only 0" },
	{ SCRATCH, 0, WORD(0), 1, TACHO_WARNING, "scratch page was written" },
	{ SCRATCH, 0, WORD(4088), 1, TACHO_WARNING, "scratch page was written" },
	/* what is allowed */
	{ CPU, 0, IN(tacho_cpu, node), TACHO_NONE, 0, NULL },
	{ CPU, 0, IN(tacho_cpu, virtual_clock), ~0ull, 0, NULL },
	{ CPU, 0, IN(tacho_cpu, tick), ~0ull, 0, NULL },
	{ CPU, 0, IN(tacho_cpu, running_since), ~0ull, 0, NULL },
	{ CPU, 0, IN(tacho_cpu, running_domain), 3, 0, NULL },
	{ CPU, 0, IN(tacho_cpu, running_task), ~0u, 0, NULL },
	{ CPU, 0, WORD(16), ~0ull, 0, NULL },
	{ CONTROL, 1, IN(tacho_control, pos), 12345, 0, NULL },
	{ CONTROL, 1, IN(tacho_control, lock), 1, 0, NULL },
	{ CONTROL, 4, IN(tacho_control, row_mask), ~0ull, 0, NULL },
	{ EVENT_2, 0, IN(tacho_event_entry, kind), 0, 0, NULL },
	{ SAMPLE, 9, IN(tacho_sample, count), 4, 0, NULL },
};

static void break_one(struct copy *copy, size_t i)
{
	uint64_t off = place_off(copy, breaks[i].place, breaks[i].i) + breaks[i].off;
	struct found found = { 0 };
	unsigned char kept[128];
	int result;

	memcpy(kept, copy->base + off, breaks[i].size);
	for (size_t at = 0; at < breaks[i].size; at += 8)
		memcpy(copy->base + off + at, &breaks[i].value,
		       breaks[i].size - at < 8 ? breaks[i].size - at : 8);
	result = look(copy, &found);
	memcpy(copy->base + off, kept, breaks[i].size);
	T_EQ(result, found.errors ? -EINVAL : 0);
	if (!breaks[i].text) {
		if (found.errors || found.warnings)
			T_FAIL("%zu is allowed, but: %s", i, found.text);
		return;
	}
	if (!strstr(found.text, breaks[i].text))
		T_FAIL("%zu: not \"%s\" but \"%s\"", i, breaks[i].text, found.text);
	if ((breaks[i].severity == TACHO_ERROR) != (found.errors != 0))
		T_FAIL("%zu: %u errors, %u warnings: %s", i, found.errors, found.warnings,
		       found.text);
}

T_CASE(every_promise_broken)
{
	struct found found = { 0 };
	struct copy copy;

	T_NEED(copy_make(&copy));
	T_EQ(look(&copy, &found), 0);
	T_STREQ(found.text, "");
	for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++)
		break_one(&copy, i);
	T_EQ(look(&copy, &found), 0); /* all were put back */
	free(copy.base);
}

/* The offset is that of the field, so that a person can look there. */
T_CASE(offsets)
{
	struct found found = { 0 };
	struct copy copy;
	uint64_t off;

	T_NEED(copy_make(&copy));
	off = place_off(&copy, CONTROL, 1) + offsetof(struct tacho_control, lock);
	copy.base[off] = 9;
	T_EQ(look(&copy, &found), -EINVAL);
	T_EQ(found.off, off);
	T_EQ(found.errors, 1);
	T_STREQ(found.text, "CPU 1, log 1: lock is 9, must be 0 or 1|");
	free(copy.base);
}

T_CASE(a_section_of_a_later_version)
{
	struct found found = { 0 };
	struct tacho_area *h;
	struct copy copy;

	T_NEED(copy_make(&copy));
	h = (struct tacho_area *)(void *)copy.base;
	h->nr_sections = 5;
	h->sections[4] = (struct tacho_section){ .type = 99, .off = h->size, .entry_size = 7 };
	T_EQ(look(&copy, &found), 0);
	T_STREQ(found.text, "section 4: type 99 has no meaning in version 1, skipped|");
	free(copy.base);
}

T_CASE(the_walk_can_be_ended)
{
	struct found found = { .stop_after = 3 };
	struct copy copy;

	T_NEED(copy_make(&copy));
	memset(copy.base + copy.h.principals_off, 0xee, 8 * sizeof(tacho_u32));
	T_EQ(look(&copy, &found), -ECANCELED);
	T_EQ(found.errors, 3);
	free(copy.base);
}

T_CASE(without_a_callback)
{
	struct tacho_validate validate = { .fd = -1, .nr_errors = 77, .nr_warnings = 77 };
	struct copy copy;

	T_NEED(copy_make(&copy));
	T_EQ(tacho_validate(&validate, copy.base, copy.size), 0);
	T_EQ(validate.nr_errors, 0);
	T_EQ(validate.nr_warnings, 0);
	T_EQ(tacho_validate(&validate, copy.base, 100), -EINVAL);
	T_EQ(validate.nr_errors, 1);
	T_EQ(tacho_validate(&validate, copy.base, 0), -EINVAL);
	T_EQ(tacho_validate(&validate, copy.base + 4, 100), -EINVAL);
	free(copy.base);
}

static uint64_t blocks(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (uint64_t)st.st_blocks : 0;
}

/* A sparse file, walked with and without knowing its holes: the same, at another price. */
T_CASE(holes_stay_holes)
{
	struct tacho_area_options options = { .nr_cpus = 200 };
	struct found found = { 0 };
	struct tacho_validate validate = { .finding = finding_keep, .arg = &found };
	struct tacho_memory memory;
	struct tacho_area *h;
	uint64_t before;

	T_NEED(tacho_memory_create(&memory, &options) == 0);
	h = tacho_memory_header(&memory);
	memory.base[h->parts_off + 199 * h->part_stride + h->routes_off + 8] = 1;
	((uint32_t *)(void *)(memory.base + h->principals_off))[2000] = 64;
	before = blocks(memory.fd);
	validate.fd = memory.fd;
	T_EQ(tacho_validate(&validate, memory.base, memory.size), -EINVAL);
	T_STREQ(found.text,
		"principal 2000: domain is 64, there are 64|"
		"CPU 199, route of event 0, domain 2: 0x00000001 is not a multiple of 64|");
	T_EQ(blocks(memory.fd), before);
	found = (struct found){ 0 };
	validate.fd = -1;
	T_EQ(tacho_validate(&validate, memory.base, memory.size), -EINVAL);
	T_EQ(found.errors, 2);
	T_OK(blocks(memory.fd) > before);
	/* a descriptor that cannot tell: every byte is looked at */
	found = (struct found){ 0 };
	validate.fd = 1 << 20;
	T_EQ(tacho_validate(&validate, memory.base, memory.size), -EINVAL);
	T_EQ(found.errors, 2);
	tacho_memory_destroy(&memory);
}

/* An area that ends where a page that cannot be read begins. */
static unsigned char *guarded(const struct copy *copy)
{
	unsigned char *map = mmap(NULL, copy->size + 4096, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED || mprotect(map + copy->size, 4096, PROT_NONE) != 0)
		return NULL;
	return map;
}

/* Noise over a valid area, and over its header most of all: no crash, and each finding is a line. */
T_CASE(hostile_bytes)
{
	const int rounds = T_ASAN || T_TSAN ? 3000 : 20000;
	uint64_t seed = t_seed(), walked = 0;
	unsigned char *map;
	struct copy copy;

	T_NEED(copy_make(&copy));
	map = guarded(&copy);
	T_NEED(map);
	for (int i = 0; i < rounds; i++) {
		struct copy noise = { map, copy.size, copy.h };
		struct found found = { 0 };

		memcpy(map, copy.base, copy.size);
		for (uint64_t n = t_random(&seed) % 40; n; n--) {
			uint64_t part =
				copy.h.parts_off + t_random(&seed) % CPUS * copy.h.part_stride;
			uint32_t value = (uint32_t)t_random(&seed) >> t_random(&seed) % 32;
			uint64_t word = t_random(&seed);

			/* the tables of a part; in one round of four also the header, or anything */
			word = i % 4	  ? part + word % (copy.h.rows_off / 4) * 4
			       : word % 2 ? word % (sizeof(copy.h) / 4) * 4
					  : word % (copy.size / 4) * 4;
			memcpy(map + word, &value, 4);
		}
		look(&noise, &found);
		walked += found.errors > 1;
		if (found.errors + found.warnings && !found.text[0])
			T_FAIL("round %d: a finding without a text", i);
	}
	T_OK(walked > (uint64_t)rounds / 4);
	munmap(map, copy.size + 4096);
	free(copy.base);
}

T_CASE(nothing_but_noise)
{
	uint64_t seed = t_seed();
	uint64_t words[512];

	for (int i = 0; i < 1000; i++) {
		struct copy noise = { (unsigned char *)words,
				      t_random(&seed) % sizeof(words),
				      { 0 } };
		struct found found = { 0 };

		for (size_t n = 0; n < 512; n++)
			words[n] = t_random(&seed);
		T_EQ(look(&noise, &found), -EINVAL);
		T_EQ(found.errors, 1);
	}
}

T_MAIN
