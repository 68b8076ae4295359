/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * refs_clear.c: the methods clear and soft-dirty: /proc/PID/clear_refs and /proc/PID/smaps.
 *
 * smaps says how many pages of each mapping are marked as referenced in the page tables of that
 * process; writing 3 to clear_refs takes the marks away for everything that is mapped from files,
 * which includes shared anonymous memory. It does not make the processors forget translations: a
 * page whose translation stays in a TLB is not marked again, and those are the pages that are used
 * most. Writing 4 makes them forget, because it is meant to start the tracking of soft-dirty pages.
 * On a kernel without soft-dirty pages it does nothing else, and clear writes it. On a kernel with
 * them it takes them away from whoever uses them (checkpoints of CRIU would miss pages), and makes
 * every first write a fault: then clear goes without and is a lower bound, and soft-dirty, which
 * also counts the pages written, is only for those who ask for it.
 *
 * A process with virtual processors is left alone and stays unknown: 4 would throw away the guest's
 * whole second-level tables, and without it what the guest uses is not seen. The method idle sees it.
 *
 * Beside the marks of the process, smaps counts the mark of the page itself, which read(2) and write(2)
 * of the file set, and another process that unmaps it; and a page fault that only reads maps and marks
 * up to 16 pages around. So the number is too high for a mapping that is just being filled. It is too
 * low by what was used during the sample itself, and by what reclaim unmapped before it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "refs_internal.h"

/* --- smaps ---------------------------------------------------------------------------------- */

/* One word of "VmFlags: rd wr sh ..." */
static bool has_flag(const char *flags, const char *flag)
{
	const char *at = flags;

	while ((at = strstr(at, flag)) != NULL) {
		if (at > flags && at[-1] == ' ' && (at[2] == ' ' || at[2] == '\0'))
			return true;
		at += 2;
	}
	return false;
}

/* What smaps says about one mapping, line by line. */
static void take_line(struct refs_mapping *mapping, const char *line)
{
	if (strncmp(line, "Referenced:", 11) == 0)
		mapping->referenced = strtoull(line + 11, NULL, 10) * 1024 / refs_page_size();
	/* huge pages of hugetlbfs and memory of devices are not looked at by smaps */
	if (strncmp(line, "VmFlags:", 8) == 0 &&
	    (has_flag(line, "ht") || has_flag(line, "pf") || has_flag(line, "io")))
		mapping->referenced = TACHO_REFS_UNKNOWN;
}

/* Both are in the order of addresses; what changed meanwhile stays unknown. */
static int read_smaps(struct tacho_refs *refs, const struct refs_task *task)
{
	struct refs_mapping *mapping = refs->now.at + task->first;
	struct refs_mapping *end = mapping + task->nr, *current = NULL;
	int fd = refs_open_proc(refs->proc, task->pid, "smaps", O_RDONLY);
	struct refs_text text;
	struct refs_line at;
	char *line;
	int error;

	if (fd < 0)
		return fd;
	while (end > mapping && !end[-1].is_shared)
		end--;
	refs_text_init(&text, fd);
	while ((line = refs_text_next(&text, &error)) != NULL) {
		/* the keys of the other lines begin with capitals */
		if (line[0] >= 'A' && line[0] <= 'Z') {
			if (current)
				take_line(current, line);
			continue;
		}
		if (!refs_line_parse(line, &at))
			continue;
		while (mapping < end && (!mapping->is_shared || mapping->start < at.start))
			mapping++;
		if (mapping == end)
			break;
		current = mapping->start == at.start && mapping->end == at.end &&
					  mapping->object.ino == at.ino
				  ? mapping
				  : NULL;
	}
	close(fd);
	return error;
}

/* --- clear_refs ----------------------------------------------------------------------------- */

static int write_clear(const struct tacho_refs *refs, int pid, bool forget)
{
	int fd = refs_open_proc(refs->proc, pid, "clear_refs", O_WRONLY);
	int error = 0;

	if (fd < 0)
		return fd;
	if (write(fd, "3", 1) != 1 || (forget && write(fd, "4", 1) != 1))
		error = -errno;
	close(fd);
	return error;
}

static int clear_arm(struct tacho_refs *refs, struct refs_task *task)
{
	if (task->is_spared)
		return -EOPNOTSUPP;
	return write_clear(refs, task->pid, refs->may_flush);
}

static int clear_sample(struct tacho_refs *refs, struct refs_task *task, uint8_t bit)
{
	int error;

	if (task->is_spared) {
		task->armed &= (uint8_t)~bit;
		return 0;
	}
	error = read_smaps(refs, task);
	if (!error)
		error = clear_arm(refs, task);
	if (!error)
		task->armed |= bit;
	return error;
}

/* --- soft-dirty ------------------------------------------------------------------------------ */

static int count_dirty(void *arg, uint64_t entry)
{
	uint64_t *pages = arg;

	*pages += entry & REFS_PAGE_SOFT_DIRTY && entry & (REFS_PAGE_PRESENT | REFS_PAGE_SWAPPED);
	return 0;
}

static int soft_dirty_sample(struct tacho_refs *refs, struct refs_task *task, uint8_t bit)
{
	int fd, error;

	if (task->is_spared)
		return 0;
	error = read_smaps(refs, task);
	if (error)
		return error;
	fd = refs_open_proc(refs->proc, task->pid, "pagemap", O_RDONLY);
	if (fd < 0)
		return fd;
	for (uint32_t i = task->first; i < task->first + task->nr && !error; i++) {
		struct refs_mapping *mapping = &refs->now.at[i];
		uint64_t pages = 0;

		if (!mapping->is_shared)
			continue;
		error = refs_pagemap_each(fd, mapping, count_dirty, &pages);
		if (!error) {
			mapping->written = pages;
			mapping->armed |= bit;
		}
	}
	close(fd);
	return error ? error : write_clear(refs, task->pid, true);
}

/* --- what this kernel has ---------------------------------------------------------------------- */

/* Which of the two our own smaps has: counts of referenced pages, mappings marked as soft-dirty. */
static int look_at_own(const char *proc, bool *has_referenced, bool *has_soft_dirty)
{
	int fd = refs_open_proc(proc, 0, "smaps", O_RDONLY);
	struct refs_text text;
	char *line;
	int error;

	*has_referenced = *has_soft_dirty = false;
	if (fd < 0)
		return fd;
	refs_text_init(&text, fd);
	while ((line = refs_text_next(&text, &error)) != NULL && !*has_soft_dirty) {
		*has_referenced |= strncmp(line, "Referenced:", 11) == 0;
		*has_soft_dirty |= strncmp(line, "VmFlags:", 8) == 0 && has_flag(line, "sd");
	}
	close(fd);
	return error;
}

/* In doubt, and on an error, the kernel has soft-dirty pages. */
static int look(const char *proc, bool *has_referenced, bool *has_soft_dirty)
{
	size_t size = (size_t)refs_page_size();
	/* mappings are born soft-dirty */
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int error;

	if (memory == MAP_FAILED)
		return -ENOMEM;
	memory[0] = 1;
	error = look_at_own(proc, has_referenced, has_soft_dirty);
	if (refs_pagemap_own(proc, memory) & REFS_PAGE_SOFT_DIRTY)
		*has_soft_dirty = true;
	munmap(memory, size);
	return error;
}

static int may_clear(const char *proc, char *why, size_t why_size)
{
	int fd = refs_open_proc(proc, 0, "clear_refs", O_WRONLY);

	if (fd < 0) {
		snprintf(why, why_size, "clear_refs: %s", strerror(-fd));
		return fd == -ENOENT || fd == -ESRCH ? -EOPNOTSUPP : fd;
	}
	close(fd);
	return 0;
}

static int clear_probe(const char *proc, const char *idle, bool *is_exact, char *why,
		       size_t why_size)
{
	bool has_referenced, has_soft_dirty;
	int error = look(proc, &has_referenced, &has_soft_dirty);

	(void)idle;
	*is_exact = !error && !has_soft_dirty;
	if (error || !has_referenced) {
		snprintf(why, why_size, "smaps without referenced pages%s%s", error ? ": " : "",
			 error ? strerror(-error) : "");
		return error == -EACCES || error == -EPERM ? error : -EOPNOTSUPP;
	}
	return may_clear(proc, why, why_size);
}

static int soft_dirty_probe(const char *proc, const char *idle, bool *is_exact, char *why,
			    size_t why_size)
{
	bool has_referenced, has_soft_dirty;
	int error = look(proc, &has_referenced, &has_soft_dirty);

	(void)idle;
	*is_exact = true;
	if (error || !has_referenced || !has_soft_dirty) {
		snprintf(why, why_size, "a kernel without CONFIG_MEM_SOFT_DIRTY");
		return -EOPNOTSUPP;
	}
	return may_clear(proc, why, why_size);
}

static int clear_open(struct tacho_refs *refs)
{
	bool has_referenced, has_soft_dirty;
	int error = look(refs->proc, &has_referenced, &has_soft_dirty);

	refs->may_flush = !error && !has_soft_dirty;
	return 0;
}

const struct refs_ops refs_clear = {
	.name = "clear",
	.meaning = "pages referenced, by process; written unknown; virtual machines unknown",
	.cost = "walks the page tables of each sharing process; a TLB flush and misses for it",
	.tells_referenced = true,
	.tells_domain = true,
	.is_whole = true,
	.probe = clear_probe,
	.open = clear_open,
	.sample = clear_sample,
	.arm = clear_arm,
};

const struct refs_ops refs_soft_dirty = {
	.name = "soft-dirty",
	.meaning =
		"pages referenced and written, by process; takes the marks from other users (CRIU)",
	.cost = "as clear, and the process pays a fault per page written in an interval, heap too",
	.tells_referenced = true,
	.tells_written = true,
	.tells_domain = true,
	.probe = soft_dirty_probe,
	.sample = soft_dirty_sample,
};
