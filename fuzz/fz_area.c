// SPDX-License-Identifier: BSD-2-Clause
/*
 * fz_area.c: bytes as the header of an area, through the check that a component makes.
 *
 * The first byte chooses: the input is the header, or it is a list of changes to a good one, because
 * noise alone does not get past the magic. A header that is accepted must keep every address that a
 * writer or a reader computes from it inside the file; the widest type tells.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tacho/session.h>

#include "internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct tacho_area good;

static void good_make(void)
{
	struct tacho_area_options options = { .nr_cpus = 4, .rows_size = 4096 };
	struct tacho_memory memory;

	if (tacho_memory_create(&memory, &options) != 0)
		abort();
	good = *tacho_memory_header(&memory);
	tacho_memory_destroy(&memory);
}

/* Six bytes each: which word, how, and a value. */
static void change(struct tacho_area *h, const uint8_t *data, size_t len)
{
	for (; len >= 6; data += 6, len -= 6) {
		size_t at = data[0] % (sizeof(*h) / 4) * 4;
		uint32_t value, word;

		memcpy(&value, data + 2, sizeof(value));
		memcpy(&word, (char *)h + at, sizeof(word));
		word = data[1] % 4 == 0	  ? value
		       : data[1] % 4 == 1 ? word + (value & 0xff) * 64
		       : data[1] % 4 == 2 ? 1u << value % 32
					  : word - (value & 0xff) * 64;
		memcpy((char *)h + at, &word, sizeof(word));
	}
}

static void must(int holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "accepted, but not true: %s\n", what);
		abort();
	}
}

#define MUST(cond) must((cond), #cond)

static void inside(const struct tacho_area *h, uint64_t file_size)
{
	const unsigned __int128 cells = (unsigned __int128)h->nr_events * h->nr_domains;
	const unsigned __int128 one = 1;

	MUST(h->size <= file_size);
	MUST(h->parts_off >= sizeof(*h) && h->principals_off >= sizeof(*h));
	MUST(h->parts_off + one * h->nr_cpus * h->part_stride <= file_size);
	MUST(h->principals_off + one * h->nr_principals * 4 <= file_size);
	MUST(h->part_stride >= one * h->body_size + TACHO_PAGE);
	MUST(h->parts_off % 4096 == 0 && h->part_stride % 4096 == 0);
	MUST(h->principals_off % 4096 == 0);
	MUST(h->routes_off >= TACHO_CONTROLS_OFF + one * h->nr_logs * 64);
	MUST(h->samples_off >= h->routes_off + cells * 4);
	MUST(h->rows_off >= h->samples_off + cells * 8);
	MUST(h->rows_off <= h->body_size && h->clock_shift < 64);
	MUST(h->nr_sections <= TACHO_MAX_SECTIONS);
	MUST((h->body_size & (h->body_size - 1)) == 0 && h->body_size >= TACHO_MAX_ROW);
	MUST((h->nr_logs & (h->nr_logs - 1)) == 0 && (h->nr_domains & (h->nr_domains - 1)) == 0);
	MUST((h->nr_principals & (h->nr_principals - 1)) == 0 && h->nr_principals != 0);
	for (uint32_t i = 0; i < h->nr_sections; i++)
		MUST(h->sections[i].off + one * h->sections[i].size <= file_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint64_t file_size;
	struct tacho_area h;
	char why[160] = "";
	int error;

	if (good.magic == 0)
		good_make();
	if (len == 0)
		return 0;
	h = good;
	file_size = good.size;
	if (data[0] & 1) {
		memset(&h, 0, sizeof(h));
		file_size = len - 1;
		memcpy(&h, data + 1, file_size < sizeof(h) ? file_size : sizeof(h));
	} else {
		change(&h, data + 1, len - 1);
	}
	error = tacho_i_geometry_check(&h, file_size, why, data[0] & 2 ? sizeof(why) : data[0] / 4);
	if (error == 0)
		inside(&h, file_size);
	else if (strlen(why) >= sizeof(why) || strchr(why, '\n'))
		must(0, "one line says why");
	return 0;
}
