/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * refs_idle.c: the method idle: idle-page tracking (CONFIG_IDLE_PAGE_TRACKING).
 *
 * Every page frame has a bit in /sys/kernel/mm/page_idle/bitmap. We set it; the kernel clears it when
 * it finds, as we read it, that the page was referenced through any page table: of any process,
 * and of a guest too. So this tells that a page was used and not by whom, and nothing about writes.
 * It keeps its own books beside the marks that reclaim uses, which is kinder to the machine than
 * clear_refs; but like that it does not make the processors forget translations, so pages that are
 * used all the time may be missed. /proc/PID/pagemap says which frames a mapping has: privileged.
 *
 * A frame belongs to several mappings. All are read first, then all bits are set, in finish.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "refs_internal.h"

#define NO_WORD UINT64_MAX

struct counting {
	struct tacho_refs *refs;
	uint64_t word_nr; /* of the bitmap, that word has; NO_WORD: none */
	uint64_t word;
	uint64_t referenced;
	bool is_unknown;
};

static int read_word(struct counting *counting, uint64_t nr)
{
	ssize_t got;

	if (counting->word_nr == nr)
		return 0;
	counting->word_nr = NO_WORD;
	got = pread(counting->refs->idle_fd, &counting->word, sizeof(counting->word),
		    (off_t)(nr * sizeof(counting->word)));
	if (got != sizeof(counting->word))
		return got < 0 ? -errno : -ENODATA;
	counting->word_nr = nr;
	return 0;
}

static int count_page(void *arg, uint64_t entry)
{
	struct counting *counting = arg;
	struct tacho_refs *refs = counting->refs;
	uint64_t frame = entry & REFS_PAGE_FRAME;

	if (!(entry & REFS_PAGE_PRESENT))
		return 0;
	/* frame 0: we may not know it; beyond the bitmap: memory of a device */
	if (frame == 0 || read_word(counting, frame / 64) < 0) {
		counting->is_unknown = true;
		return 0;
	}
	if (refs->nr_pages >= REFS_MAX_PAGES) {
		refs->stats.left_out++;
		return 1;
	}
	if (refs_grow(&refs->pages, &refs->max_pages, refs->nr_pages, sizeof(frame)) < 0)
		return -ENOMEM;
	refs->pages[refs->nr_pages++] = frame;
	counting->referenced += !(counting->word >> frame % 64 & 1);
	return 0;
}

static int idle_sample(struct tacho_refs *refs, struct refs_task *task, uint8_t bit)
{
	int fd = refs_open_proc(refs->proc, task->pid, "pagemap", O_RDONLY);
	int error = 0;

	if (fd < 0)
		return fd;
	for (uint32_t i = task->first; i < task->first + task->nr && error >= 0; i++) {
		struct counting counting = { refs, NO_WORD, 0, 0, false };
		struct refs_mapping *mapping = &refs->now.at[i];

		if (!mapping->is_shared)
			continue;
		error = refs_pagemap_each(fd, mapping, count_page, &counting);
		if (error != 0 || counting.is_unknown)
			continue;
		mapping->referenced = counting.referenced;
		mapping->armed |= bit;
	}
	close(fd);
	return error < 0 ? error : 0;
}

static int compare_frames(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Mark the frames as idle, a word of the bitmap at a time; zero bits change nothing. */
static int idle_finish(struct tacho_refs *refs)
{
	size_t i = 0;

	if (refs->nr_pages)
		qsort(refs->pages, refs->nr_pages, sizeof(*refs->pages), compare_frames);
	while (i < refs->nr_pages) {
		uint64_t nr = refs->pages[i] / 64, word = 0;

		for (; i < refs->nr_pages && refs->pages[i] / 64 == nr; i++)
			word |= 1ull << refs->pages[i] % 64;
		if (pwrite(refs->idle_fd, &word, sizeof(word), (off_t)(nr * sizeof(word))) < 0 &&
		    errno != ENXIO) {
			refs->nr_pages = 0;
			return -errno;
		}
	}
	refs->nr_pages = 0;
	return 0;
}

static int idle_open_file(const char *idle)
{
	int fd = open(idle, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int idle_probe(const char *proc, const char *idle, bool *is_exact, char *why,
		      size_t why_size)
{
	int fd = idle_open_file(idle);
	char page = 1;

	*is_exact = false;
	if (fd < 0) {
		snprintf(why, why_size, "%s",
			 fd == -ENOENT ? "a kernel without CONFIG_IDLE_PAGE_TRACKING"
				       : strerror(-fd));
		return fd == -ENOENT ? -EOPNOTSUPP : fd;
	}
	close(fd);
	if ((refs_pagemap_own(proc, &page) & REFS_PAGE_FRAME) == 0) {
		snprintf(why, why_size, "page frames are not shown: needs CAP_SYS_ADMIN");
		return -EPERM;
	}
	return 0;
}

static int idle_open(struct tacho_refs *refs)
{
	refs->idle_fd = idle_open_file(refs->idle);
	return refs->idle_fd < 0 ? refs->idle_fd : 0;
}

const struct refs_ops refs_idle = {
	.name = "idle",
	.meaning =
		"pages referenced by anybody, guests too, not by whom; a lower bound for hot pages",
	.cost = "a walk over all mappings of each page that was idle; nothing but misses for others",
	.tells_referenced = true,
	.probe = idle_probe,
	.open = idle_open,
	.sample = idle_sample,
	.finish = idle_finish,
};
