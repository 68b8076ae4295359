// SPDX-License-Identifier: BSD-2-Clause
/*
 * fz_validate.c: the bytes of a whole area through tacho_validate.
 *
 * The first byte chooses: the input is the area, or it is a list of changes to a small good one, so
 * that the walk gets past the header. Then every log is read: what validate calls an error must not
 * hurt a reader, and what it calls good must be readable.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tacho/session.h>
#include <tacho/validate.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static unsigned char *good, *copy;
static uint64_t good_size;

static void good_make(void)
{
	struct tacho_area_options options = { .nr_cpus = 2,
					      .nr_events = 4,
					      .nr_domains = 4,
					      .nr_logs = 8,
					      .nr_principals = 8,
					      .rows_size = 1000 };
	struct tacho_memory memory;

	if (tacho_memory_create(&memory, &options) != 0 ||
	    tacho_memory_log_add(&memory, 4, TACHO_ENTRIES_ALL | TACHO_CLOCK_TIME, 1, TACHO_NONE) <
		    0 ||
	    tacho_memory_log_add(&memory, 1, TACHO_ADD, TACHO_NONE, TACHO_NONE) < 0 ||
	    tacho_memory_log_add(&memory, 8, TACHO_ENTRY_COUNTER, 2, 1) < 0 ||
	    tacho_memory_route(&memory, 1, TACHO_NONE, 1, 1) < 0 ||
	    tacho_memory_route(&memory, 2, 1, 3, 5) < 0)
		abort();
	good_size = memory.size;
	good = malloc(good_size);
	copy = malloc(good_size);
	if (!good || !copy)
		abort();
	memcpy(good, memory.base, good_size);
	tacho_memory_destroy(&memory);
}

/* Eight bytes each: where (what a part is made of is hit most), and a value. */
static void change(unsigned char *base, const uint8_t *data, size_t len)
{
	const struct tacho_area *h = (const struct tacho_area *)(const void *)good;

	for (; len >= 8; data += 8, len -= 8) {
		uint64_t part = h->parts_off + (data[0] & 1) * h->part_stride;
		uint64_t at = (data[2] | data[3] << 8) * 4ull;

		if (data[0] & 2)
			at = data[1] & 1 ? at % sizeof(*h) : at % (good_size - 4);
		else
			at = part + at % h->rows_off;
		memcpy(base + at, data + 4, 4);
	}
}

static int finding(void *arg, enum tacho_severity severity, uint64_t off, const char *text)
{
	const struct tacho_validate *validate = arg;

	(void)off;
	if (!text[0] || strchr(text, '\n') ||
	    (severity == TACHO_ERROR ? validate->nr_errors : validate->nr_warnings) == 0)
		abort();
	return validate->nr_errors + validate->nr_warnings == 5000;
}

static void logs_read(const struct tacho_view *view, int valid)
{
	struct tacho_row row[16];
	uint64_t sum;

	for (uint32_t cpu = 0; cpu < view->header.nr_cpus && cpu < 4; cpu++) {
		const unsigned char *part =
			view->base + view->header.parts_off + cpu * view->header.part_stride;
		const struct tacho_control *control =
			(const struct tacho_control *)(const void *)(part + TACHO_CONTROLS_OFF);

		for (uint32_t log = 1; log < view->header.nr_logs && log < 64; log++) {
			struct tacho_cursor cursor;
			int error = tacho_cursor_init(&cursor, view, cpu, log, 1);

			if (error == 0)
				for (int i = 0; i < 4; i++)
					tacho_cursor_read(&cursor, view, row, 16);
			if (tacho_view_sum(view, cpu, log, &sum) != 0 && error != 0 && valid &&
			    control[log].rows_off != 0)
				abort();
		}
	}
}

static void look(const unsigned char *base, uint64_t size)
{
	struct tacho_validate validate = { .finding = finding, .fd = -1 };
	struct tacho_view view;
	int result;

	validate.arg = &validate;
	result = tacho_validate(&validate, base, size);
	if (result != -ECANCELED && (result == 0) != (validate.nr_errors == 0))
		abort();
	if (tacho_view_open(&view, base, size, NULL, 0) == 0)
		logs_read(&view, result == 0);
	else if (result == 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	void *raw;

	if (!good)
		good_make();
	if (len == 0)
		return 0;
	if (data[0] & 1) {
		/* of exactly that size and aligned, so that a byte too many is seen */
		raw = malloc(len > 1 ? len - 1 : 1);
		if (!raw)
			return 0;
		memcpy(raw, data + 1, len - 1);
		look(raw, len - 1);
		free(raw);
	} else {
		memcpy(copy, good, good_size);
		change(copy, data + 1, len - 1);
		look(copy, good_size);
	}
	return 0;
}
