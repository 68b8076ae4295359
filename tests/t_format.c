// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_format.c: doc/format.md says what include/tacho/area.h says, in both directions.
 *
 * The page is parsed as it is. Every struct's rows must be the fields listed here, in order, with the
 * offsets and sizes of the compiler; the fields here must cover the struct without a gap, so that one
 * that was added to the header is missed. Every constant of the page must have the value of the
 * header, and every name that the header's text defines must stand on the page. Layouts and examples
 * are encoded with the header's macros and the writer's own store.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include <tacho/hot.h>

#include "protocol.h"
#include "t.h"

struct field {
	const char *name;
	size_t off;
	size_t size;
};

struct record {
	const char *name;
	size_t size;
	struct field field[32]; /* the last one has no name */
};

#define RECORD(type) #type, sizeof(struct type)
#define F(type, name)                                                                              \
	{                                                                                          \
#name, offsetof(struct type, name), sizeof(((struct type *)0)->name)               \
	}

static const struct record records[] = {
	{ RECORD(tacho_area),
	  { F(tacho_area, magic),
	    F(tacho_area, version),
	    F(tacho_area, header_size),
	    F(tacho_area, size),
	    F(tacho_area, component),
	    F(tacho_area, nr_cpus),
	    F(tacho_area, nr_domains),
	    F(tacho_area, nr_events),
	    F(tacho_area, nr_logs),
	    F(tacho_area, nr_principals),
	    F(tacho_area, parts_off),
	    F(tacho_area, part_stride),
	    F(tacho_area, body_size),
	    F(tacho_area, routes_off),
	    F(tacho_area, samples_off),
	    F(tacho_area, rows_off),
	    F(tacho_area, principals_off),
	    F(tacho_area, clock_source),
	    F(tacho_area, clock_shift),
	    F(tacho_area, clock_mult),
	    F(tacho_area, clock_base),
	    F(tacho_area, clock_base_ns),
	    F(tacho_area, pid),
	    F(tacho_area, nr_sections),
	    F(tacho_area, name),
	    F(tacho_area, pad),
	    F(tacho_area, sections),
	    { 0 } } },
	{ RECORD(tacho_section),
	  { F(tacho_section, type), F(tacho_section, entry_size), F(tacho_section, off),
	    F(tacho_section, size), F(tacho_section, pad) } },
	{ RECORD(tacho_event_entry),
	  { F(tacho_event_entry, id), F(tacho_event_entry, kind), F(tacho_event_entry, nr_sites),
	    F(tacho_event_entry, flags), F(tacho_event_entry, name), F(tacho_event_entry, counter),
	    F(tacho_event_entry, correspondent), F(tacho_event_entry, doc) } },
	{ RECORD(tacho_domain_entry), { F(tacho_domain_entry, name) } },
	{ RECORD(tacho_cpu),
	  { F(tacho_cpu, virtual_clock), F(tacho_cpu, tick), F(tacho_cpu, lost), F(tacho_cpu, cpu),
	    F(tacho_cpu, node), F(tacho_cpu, running_since), F(tacho_cpu, running_domain),
	    F(tacho_cpu, running_task), F(tacho_cpu, pad) } },
	{ RECORD(tacho_control),
	  { F(tacho_control, pos), F(tacho_control, rows_off), F(tacho_control, row_mask),
	    F(tacho_control, layout), F(tacho_control, lock), F(tacho_control, event),
	    F(tacho_control, domain), F(tacho_control, pad) } },
	{ RECORD(tacho_sample), { F(tacho_sample, threshold), F(tacho_sample, count) } },
	{ RECORD(tacho_message),
	  { F(tacho_message, magic), F(tacho_message, version), F(tacho_message, type),
	    F(tacho_message, size), F(tacho_message, nr) } },
	{ RECORD(tacho_message_info),
	  { F(tacho_message_info, pid), F(tacho_message_info, nr_events),
	    F(tacho_message_info, nr_principals), F(tacho_message_info, clock_source),
	    F(tacho_message_info, writer), F(tacho_message_info, nr_sessions),
	    F(tacho_message_info, nr_sites), F(tacho_message_info, pad),
	    F(tacho_message_info, name) } },
	{ RECORD(tacho_message_principal),
	  { F(tacho_message_principal, principal), F(tacho_message_principal, name) } },
	{ RECORD(tacho_message_reply),
	  { F(tacho_message_reply, error), F(tacho_message_reply, text) } },
};
#define NR_RECORDS (sizeof(records) / sizeof(records[0]))

struct constant {
	const char *name;
	uint64_t value;
};
#define C(name)                                                                                    \
	{                                                                                          \
#name, name                                                                        \
	}

static const struct constant constants[] = {
	C(TACHO_MAGIC),
	C(TACHO_VERSION),
	C(TACHO_PAGE),
	C(TACHO_NONE),
	C(TACHO_CONTROLS_OFF),
	C(TACHO_MAX_CPUS),
	C(TACHO_MAX_EVENTS),
	C(TACHO_MAX_DOMAINS),
	C(TACHO_MAX_LOGS),
	C(TACHO_MAX_PRINCIPALS),
	C(TACHO_MAX_BODY),
	C(TACHO_MAX_SECTIONS),
	C(TACHO_MAX_ROW),
	C(TACHO_COMPONENT_PROCESS),
	C(TACHO_COMPONENT_KERNEL),
	C(TACHO_COMPONENT_HYPERVISOR),
	C(TACHO_COMPONENT_GUEST),
	C(TACHO_ACCESS),
	C(TACHO_SPAN),
	C(TACHO_SAMPLE),
	C(TACHO_SOURCE_TSC),
	C(TACHO_SOURCE_MONOTONIC),
	C(TACHO_ENTRY_EVENT),
	C(TACHO_ENTRY_DOMAIN),
	C(TACHO_ENTRY_CORRESPONDENT),
	C(TACHO_ENTRY_COUNTER),
	C(TACHO_ENTRIES_ALL),
	C(TACHO_CLOCK_SHIFT),
	C(TACHO_CLOCK_MASK),
	C(TACHO_CLOCK_NONE),
	C(TACHO_CLOCK_VIRTUAL),
	C(TACHO_CLOCK_TICK),
	C(TACHO_CLOCK_TIME),
	C(TACHO_ADD),
	C(TACHO_LAYOUTS),
	C(TACHO_ROUTE_SAMPLED),
	C(TACHO_LOST_BUSY),
	C(TACHO_LOST_CPU),
	C(TACHO_LOST_RSEQ),
	C(TACHO_LOST_LAYOUT),
	C(TACHO_LOST_NESTED),
	C(TACHO_NR_LOST),
	C(TACHO_EVENT_ON),
	C(TACHO_EVENT_TICKS),
	C(TACHO_EVENT_DATA),
	C(TACHO_SECTION_EVENTS),
	C(TACHO_SECTION_DOMAINS),
	C(TACHO_SECTION_PRINCIPALS),
	C(TACHO_SECTION_PARTS),
	C(TACHO_PROTOCOL_MAGIC),
	C(TACHO_PROTOCOL_VERSION),
	C(TACHO_PACKET),
	C(TACHO_ADDRESSES),
	C(TACHO_MSG_DESCRIBE),
	C(TACHO_MSG_INFO),
	C(TACHO_MSG_EVENTS),
	C(TACHO_MSG_PRINCIPALS),
	C(TACHO_MSG_ATTACH),
	C(TACHO_MSG_ENABLE),
	C(TACHO_MSG_DISABLE),
	C(TACHO_MSG_REPLY),
};
#define NR_CONSTANTS (sizeof(constants) / sizeof(constants[0]))

/* ---- the page -------------------------------------------------------------------------------- */

/*
 * A file of the source tree, with a zero byte behind it: next to the source of this test, as the
 * compiler was told it, or above the program. NULL: not found.
 */
static char *source_read(const char *name)
{
	static const char *const above[] = { "", "../", "../../", "../../../" };
	char start[2][512], path[1024];
	ssize_t len = readlink("/proc/self/exe", start[1], sizeof(start[1]) - 1);
	FILE *file = NULL;
	char *text = NULL;
	size_t got;

	start[1][len > 0 ? len : 0] = '\0';
	snprintf(start[0], sizeof(start[0]), "%s", __FILE__);
	for (size_t i = 0; i < 8 && !file; i++) {
		char *slash = strrchr(start[i / 4], '/');

		if (slash)
			slash[1] = '\0';
		snprintf(path, sizeof(path), "%s%s%s", slash ? start[i / 4] : "./", above[i % 4],
			 name);
		file = fopen(path, "r");
	}
	if (!file)
		return NULL;
	text = malloc(1 << 20);
	got = text ? fread(text, 1, (1 << 20) - 1, file) : 0;
	fclose(file);
	if (text)
		text[got] = '\0';
	return text;
}

/* The cells of a table's row, at most max, without blanks and backquotes; 0: not a row of values. */
static size_t row_split(char *line, char **cell, size_t max)
{
	size_t nr = 0;
	char *from, *end;

	if (line[0] != '|' || strncmp(line, "|---", 4) == 0)
		return 0;
	for (from = line + 1; (end = strchr(from, '|')) != NULL && nr < max; from = end + 1) {
		char *last = end;

		while (*from == ' ' || *from == '`')
			from++;
		while (last > from && (last[-1] == ' ' || last[-1] == '`'))
			last--;
		*end = *last = '\0';
		cell[nr++] = from < last ? from : last;
	}
	return nr;
}

/* Call visit with each row of values of every table whose heading begins with head. */
static int tables_walk(const char *head, void (*visit)(void *arg, char **cell, size_t nr),
		       void *arg)
{
	char *text = source_read("doc/format.md"), *save = NULL, *line, *cell[16];
	bool inside = false;
	int rows = 0;

	for (line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, head, strlen(head)) == 0) {
			inside = true;
		} else if (line[0] != '|') {
			inside = false;
		} else if (inside) {
			size_t nr = row_split(line, cell, 16);

			if (nr) {
				visit(arg, cell, nr);
				rows++;
			}
		}
	}
	free(text);
	return rows;
}

/* ---- structs --------------------------------------------------------------------------------- */

static const struct record *record_find(const char *name)
{
	for (size_t i = 0; i < NR_RECORDS; i++)
		if (strcmp(records[i].name, name) == 0)
			return &records[i];
	return NULL;
}

/* The list of this file has every byte of the struct: nothing was added to the header unnoticed. */
T_CASE(the_list_covers_the_header)
{
	for (size_t i = 0; i < NR_RECORDS; i++) {
		const struct field *field = records[i].field;
		size_t end = 0;

		for (; field->name; field++) {
			if (field->off != end)
				T_FAIL("struct %s: %zu bytes ahead of %s are in no field",
				       records[i].name, field->off - end, field->name);
			end = field->off + field->size;
		}
		if (end != records[i].size)
			T_FAIL("struct %s: %zu bytes at the end are in no field", records[i].name,
			       records[i].size - end);
	}
}

static void row_compare(const struct record *record, size_t i, char **cell)
{
	const struct field *field = &record->field[i];

	if (!field->name) {
		T_FAIL("struct %s: the page has %s, the header not", record->name, cell[2]);
		return;
	}
	if (strcmp(field->name, cell[2]) != 0)
		T_FAIL("struct %s: field %zu is %s on the page, %s in the header", record->name, i,
		       cell[2], field->name);
	if (field->off != strtoul(cell[0], NULL, 0) || field->size != strtoul(cell[1], NULL, 0))
		T_FAIL("struct %s, %s: offset %s, size %s on the page, %zu and %zu in the header",
		       record->name, field->name, cell[0], cell[1], field->off, field->size);
	if (strcmp(cell[3], "S") != 0 && strcmp(cell[3], "W") != 0 && strcmp(cell[3], "–") != 0)
		T_FAIL("struct %s, %s: who is \"%s\"", record->name, field->name, cell[3]);
}

/* The rows behind "### `struct NAME`, SIZE bytes". */
T_CASE(every_struct)
{
	char *text = source_read("doc/format.md"), *save = NULL, *line, *cell[16], name[64];
	const struct record *record = NULL;
	bool seen[NR_RECORDS] = { false };
	unsigned long size;
	size_t nr_rows = 0;

	T_NEED(text);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (line[0] == '#' || line[0] == '\0') {
			if (record && record->field[nr_rows].name)
				T_FAIL("struct %s: the page ends ahead of %s", record->name,
				       record->field[nr_rows].name);
			record = NULL;
		}
		if (sscanf(line, "### `struct %63[a-z_]`, %lu bytes", name, &size) == 2) {
			record = record_find(name);
			nr_rows = 0;
			if (!record) {
				T_FAIL("struct %s is on the page only", name);
				continue;
			}
			T_EQ(record->size, size);
			if (seen[record - records])
				T_FAIL("struct %s is there twice", name);
			seen[record - records] = true;
		} else if (record && row_split(line, cell, 16) == 5 &&
			   isdigit((unsigned char)cell[0][0])) {
			row_compare(record, nr_rows, cell);
			nr_rows += record->field[nr_rows].name != NULL;
		}
	}
	for (size_t i = 0; i < NR_RECORDS; i++)
		if (!seen[i])
			T_FAIL("struct %s is not on the page", records[i].name);
	free(text);
}

/* ---- constants ------------------------------------------------------------------------------- */

static void constant_compare(void *arg, char **cell, size_t nr)
{
	bool *seen = arg;

	T_EQ(nr, 3);
	for (size_t i = 0; i < NR_CONSTANTS; i++) {
		if (strcmp(constants[i].name, cell[0]) != 0)
			continue;
		if (constants[i].value != strtoull(cell[1], NULL, 0))
			T_FAIL("%s is %s on the page, 0x%llx in the header", cell[0], cell[1],
			       (unsigned long long)constants[i].value);
		if (seen[i])
			T_FAIL("%s is on the page twice", cell[0]);
		seen[i] = true;
		return;
	}
	T_FAIL("%s is on the page only", cell[0]);
}

T_CASE(every_constant)
{
	bool seen[NR_CONSTANTS] = { false };

	T_EQ(tables_walk("| name | value |", constant_compare, seen), NR_CONSTANTS);
	for (size_t i = 0; i < NR_CONSTANTS; i++)
		if (!seen[i])
			T_FAIL("%s is not on the page", constants[i].name);
}

static bool on_the_list(const char *name)
{
	for (size_t i = 0; i < NR_CONSTANTS; i++)
		if (strcmp(constants[i].name, name) == 0)
			return true;
	return false;
}

/* Names that a header defines: "#define TACHO_X value" and "TACHO_X = value" or "TACHO_X," of an enum. */
static int names_check(const char *header)
{
	char *text = source_read(header), *save = NULL, *line, name[64], next;
	int nr = 0;

	for (line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "#define %63[A-Z0-9_]%c", name, &next) == 2) {
			if (next == '(' || strcmp(name, "TACHO_ADDRESS") == 0)
				continue; /* a function; the text of the address */
		} else if (sscanf(line, "\t%63[A-Z0-9_]%c", name, &next) != 2 ||
			   (next != ',' && next != ' ') || strncmp(name, "TACHO_", 6) != 0) {
			continue;
		} else if (next == ' ' && !strstr(line, " = ")) {
			continue;
		}
		nr++;
		if (!on_the_list(name))
			T_FAIL("%s defines %s: not on the page, and not in this test", header,
			       name);
	}
	free(text);
	return nr;
}

T_CASE(every_name_of_the_headers)
{
	int nr = names_check("include/tacho/area.h");

	T_OK(nr > 0);
	T_EQ(nr + names_check("lib/protocol.h"), NR_CONSTANTS);
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* An empty cell: the entry is not in the row. */
static void off_compare(const char *layout, const char *what, const char *cell, bool present,
			unsigned int off)
{
	if (present != (cell[0] != '\0') || (present && off != strtoul(cell, NULL, 0)))
		T_FAIL("layout %s: %s is at \"%s\" on the page, %s%u in the header", layout, what,
		       cell, present ? "" : "not there, ", off);
}

static void layout_compare(void *arg, char **cell, size_t nr)
{
	unsigned int layout = (unsigned int)strtoul(cell[0], NULL, 0);

	(void)arg;
	T_NEED(nr == 7);
	T_EQ(TACHO_ROW_SIZE(layout), strtoul(cell[1], NULL, 0));
	off_compare(cell[0], "timestamp", cell[2], TACHO_HAS_TIME(layout), 0);
	off_compare(cell[0], "counter", cell[3], layout & TACHO_ENTRY_COUNTER,
		    TACHO_COUNTER_OFF(layout));
	off_compare(cell[0], "event", cell[4], layout & TACHO_ENTRY_EVENT, TACHO_EVENT_OFF(layout));
	off_compare(cell[0], "domain", cell[5], layout & TACHO_ENTRY_DOMAIN,
		    TACHO_DOMAIN_OFF(layout));
	off_compare(cell[0], "correspondent", cell[6], layout & TACHO_ENTRY_CORRESPONDENT,
		    TACHO_CORR_OFF(layout));
}

T_CASE(layouts)
{
	T_OK(tables_walk("| layout | row size |", layout_compare, NULL) >= 10);
}

/* Two digits a byte; ".." stays as it is. Returns the number of bytes. */
static size_t hex_parse(const char *text, unsigned char *bytes, size_t max)
{
	size_t nr = 0;

	for (; nr < max; text += 2, nr++) {
		unsigned int byte;

		text += strspn(text, " \n");
		if (strncmp(text, "..", 2) == 0)
			continue;
		if (!isxdigit((unsigned char)text[0]) || sscanf(text, "%2x", &byte) != 1)
			break;
		bytes[nr] = (unsigned char)byte;
	}
	return nr;
}

static void example_compare(void *arg, char **cell, size_t nr)
{
	_Alignas(8) unsigned char want[64], got[64];
	unsigned int layout = (unsigned int)strtoul(cell[0], NULL, 0);
	const struct tacho__row row = {
		.time = strtoull(cell[1], NULL, 0),
		.counter = strtoull(cell[2], NULL, 0),
		.event = (uint32_t)strtoul(cell[3], NULL, 0),
		.domain = (uint32_t)strtoul(cell[4], NULL, 0),
		.correspondent = (uint32_t)strtoul(cell[5], NULL, 0),
	};

	(void)arg;
	T_NEED(nr == 7);
	memset(want, 0xa5, sizeof(want));
	memset(got, 0xa5, sizeof(got)); /* what is not written is the same in both */
	tacho__row_store(got, layout, &row);
	T_EQ(hex_parse(cell[6], want, sizeof(want)), TACHO_ROW_SIZE(layout));
	T_MEMEQ(want, got, sizeof(got));
}

T_CASE(examples)
{
	if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
		T_SKIP("the examples are those of a little-endian machine");
	T_OK(tables_walk("| layout | timestamp |", example_compare, NULL) >= 5);
}

T_CASE(the_example_of_a_control_register)
{
	const struct tacho_control control = { .pos = 4098,
					       .rows_off = 53376,
					       .row_mask = 4095,
					       .layout = 0x3f,
					       .event = 7,
					       .domain = TACHO_NONE };
	unsigned char want[64];
	char *text = source_read("doc/format.md"), *at;

	T_NEED(text);
	at = strstr(text, "### Example: the control register");
	at = at ? strstr(at, "```\n") : NULL;
	T_NEED(at);
	if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) {
		T_EQ(hex_parse(at + 4, want, 64), 64);
		T_MEMEQ(want, &control, 64);
	}
	free(text);
}

T_MAIN
