/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * refs_pagemap.c: the method scan, and the reading of /proc/PID/pagemap.
 *
 * PAGEMAP_SCAN (Linux 6.7) tells which pages of a process were written since they were write-protected
 * last, and write-protects them again, in one call. It does so for memory that is registered with a
 * userfaultfd for asynchronous write protection, and only a process itself can register its memory:
 * tacho_refs_allow. For other memory the kernel calls every page written that is not protected,
 * touched or not; that is no answer, and such mappings stay unknown. Nothing is protected there.
 *
 * There is no category for pages that were only read: this method does not tell references.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "refs_internal.h"

/* compat: <linux/fs.h> has these since 6.7; Debian 12 has the headers of 6.1 */
struct compat_page_region {
	uint64_t start;
	uint64_t end;
	uint64_t categories;
};
struct compat_pm_scan_arg {
	uint64_t size;
	uint64_t flags;
	uint64_t start;
	uint64_t end;
	uint64_t walk_end;
	uint64_t vec;
	uint64_t vec_len;
	uint64_t max_pages;
	uint64_t category_inverted;
	uint64_t category_mask;
	uint64_t category_anyof_mask;
	uint64_t return_mask;
};
_Static_assert(sizeof(struct compat_pm_scan_arg) == 96, "as the kernel has it");
#define COMPAT_PAGEMAP_SCAN   _IOWR('f', 16, struct compat_pm_scan_arg)
#define COMPAT_WP_MATCHING    0x1u
#define COMPAT_PAGE_WPALLOWED 0x1u
#define COMPAT_PAGE_WRITTEN   0x2u
/* compat: <linux/userfaultfd.h>, 5.11 to 6.7 */
#define COMPAT_UFFD_USER_MODE_ONLY 1
#define COMPAT_UFFD_WP_SHMEM	   (1u << 12)
#define COMPAT_UFFD_WP_UNPOPULATED (1u << 13)
#define COMPAT_UFFD_WP_ASYNC	   (1u << 15)

#define REGIONS 256

uint64_t refs_page_size(void)
{
	static uint64_t size;

	if (size == 0)
		size = (uint64_t)sysconf(_SC_PAGESIZE);
	return size;
}

/* --- entries -------------------------------------------------------------------------------- */

int refs_pagemap_each(int fd, const struct refs_mapping *mapping,
		      int (*fn)(void *arg, uint64_t entry), void *arg)
{
	uint64_t entries[1024];
	uint64_t page = mapping->start / refs_page_size();
	uint64_t end = mapping->end / refs_page_size();
	int error = 0;

	while (page < end && error == 0) {
		size_t want = end - page < 1024 ? (size_t)(end - page) : 1024;
		ssize_t got = pread(fd, entries, want * sizeof(*entries),
				    (off_t)(page * sizeof(*entries)));

		if (got < 0)
			return -errno;
		if (got < (ssize_t)sizeof(*entries))
			return 0;
		for (size_t i = 0; i < (size_t)got / sizeof(*entries) && error == 0; i++)
			error = fn(arg, entries[i]);
		page += (size_t)got / sizeof(*entries);
	}
	return error;
}

uint64_t refs_pagemap_own(const char *proc, const void *address)
{
	int fd = refs_open_proc(proc, 0, "pagemap", O_RDONLY);
	uint64_t page = (uintptr_t)address / refs_page_size();
	uint64_t entry = 0;

	if (fd < 0)
		return 0;
	if (pread(fd, &entry, sizeof(entry), (off_t)(page * sizeof(entry))) != sizeof(entry))
		entry = 0;
	close(fd);
	return entry;
}

/* --- scan ----------------------------------------------------------------------------------- */

/* 1: writes to it are remembered, 0: not, -errno. That is a property of whole mappings. */
static int is_allowed(int fd, const struct refs_mapping *mapping)
{
	struct compat_page_region region;
	struct compat_pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = mapping->start,
		.end = mapping->end,
		.vec = (uintptr_t)&region,
		.vec_len = 1,
		.max_pages = 1,
		.category_mask = COMPAT_PAGE_WPALLOWED,
		.return_mask = COMPAT_PAGE_WPALLOWED,
	};
	int got = ioctl(fd, COMPAT_PAGEMAP_SCAN, &arg);

	return got < 0 ? -errno : got > 0;
}

/* Pages written since the last time, which are protected again. */
static int scan_written(int fd, const struct refs_mapping *mapping, uint64_t *pages)
{
	struct compat_page_region regions[REGIONS];
	struct compat_pm_scan_arg arg = {
		.size = sizeof(arg),
		.flags = COMPAT_WP_MATCHING,
		.start = mapping->start,
		.end = mapping->end,
		.vec = (uintptr_t)regions,
		.vec_len = REGIONS,
		.category_mask = COMPAT_PAGE_WPALLOWED | COMPAT_PAGE_WRITTEN,
		.return_mask = COMPAT_PAGE_WRITTEN,
	};

	*pages = 0;
	while (arg.start < arg.end) {
		int got = ioctl(fd, COMPAT_PAGEMAP_SCAN, &arg);

		if (got < 0)
			return -errno;
		for (int i = 0; i < got; i++)
			*pages += (regions[i].end - regions[i].start) / refs_page_size();
		if (arg.walk_end <= arg.start)
			return -EPROTO;
		arg.start = arg.walk_end;
	}
	return 0;
}

static int scan_sample(struct tacho_refs *refs, struct refs_task *task, uint8_t bit)
{
	int fd = refs_open_proc(refs->proc, task->pid, "pagemap", O_RDONLY);
	int error = 0;

	if (fd < 0)
		return fd;
	for (uint32_t i = task->first; i < task->first + task->nr && error >= 0; i++) {
		struct refs_mapping *mapping = &refs->now.at[i];
		uint64_t pages;

		if (!mapping->is_shared)
			continue;
		error = is_allowed(fd, mapping);
		if (error <= 0)
			continue;
		error = scan_written(fd, mapping, &pages);
		if (error < 0)
			continue;
		mapping->written = pages;
		mapping->armed |= bit;
	}
	close(fd);
	return error < 0 ? error : 0;
}

/* The ioctl is there, and this kernel remembers writes: two pages of our own, one is written. */
static int scan_probe(const char *proc, const char *idle, bool *is_exact, char *why,
		      size_t why_size)
{
	size_t size = 2 * (size_t)refs_page_size();
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct refs_mapping mapping = { .start = (uintptr_t)memory,
					.end = (uintptr_t)memory + size };
	int fd = refs_open_proc(proc, 0, "pagemap", O_RDONLY);
	uint64_t pages = 0;
	int allow = -1, error;

	(void)idle;
	*is_exact = true;
	error = memory == MAP_FAILED ? -ENOMEM : fd < 0 ? fd : 0;
	if (!error) {
		error = is_allowed(fd, &mapping);
		if (error < 0)
			snprintf(why, why_size, "no PAGEMAP_SCAN (Linux 6.7): %s",
				 strerror(-error));
	}
	if (error >= 0) {
		error = allow = tacho_refs_allow(memory, size);
		if (error < 0)
			snprintf(why, why_size, "no asynchronous write protection: %s",
				 strerror(-error));
	}
	if (error >= 0)
		error = scan_written(fd, &mapping, &pages);
	if (error >= 0) {
		memory[0] = 1;
		error = scan_written(fd, &mapping, &pages);
	}
	if (error >= 0 && pages != 1) {
		error = -EOPNOTSUPP;
		snprintf(why, why_size, "PAGEMAP_SCAN does not find the page that was written");
	}
	if (allow >= 0)
		close(allow);
	if (fd >= 0)
		close(fd);
	if (memory != MAP_FAILED)
		munmap(memory, size);
	if (error < 0 && why_size && why[0] == '\0')
		snprintf(why, why_size, "pagemap: %s", strerror(-error));
	return error < 0 ? (error == -ENOTTY ? -EOPNOTSUPP : error) : 0;
}

const struct refs_ops refs_scan = {
	.name = "scan",
	.meaning = "pages written, exactly, by processes that allow it (userfaultfd); else unknown",
	.cost = "one call per mapping; the process pays a fault per page written in an interval",
	.tells_written = true,
	.tells_domain = true,
	.probe = scan_probe,
	.sample = scan_sample,
};

/* --- the observed process -------------------------------------------------------------------- */

int tacho_refs_allow(void *memory, size_t size)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features =
			COMPAT_UFFD_WP_ASYNC | COMPAT_UFFD_WP_UNPOPULATED | COMPAT_UFFD_WP_SHMEM,
	};
	struct uffdio_register range = {
		.range = { (uintptr_t)memory, size },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	/* faults of user mode only, which needs no privilege: asynchronous ones reach nobody anyway */
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | COMPAT_UFFD_USER_MODE_ONLY);
	int error;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, UFFDIO_API, &api) < 0 || ioctl(fd, UFFDIO_REGISTER, &range) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}
