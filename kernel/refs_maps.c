/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * refs_maps.c: which shared mappings a process has.
 *
 * Owns the reading of /proc/PID/maps: by the PROCMAP_QUERY ioctl where there is one (Linux 6.11), which
 * passes over private mappings inside the kernel, otherwise as text; and the lines that maps and
 * smaps have in common. It must not trust them: a process chooses its mappings and the names of its
 * files, and both change while they are read.
 *
 * Called by refs.c for every task and sample, and by refs_clear.c for lines.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "refs_internal.h"

/* compat: <linux/fs.h> has these since 6.11; Debian 12 has the headers of 6.1 */
struct compat_procmap_query {
	uint64_t size;
	uint64_t query_flags;
	uint64_t query_addr;
	uint64_t vma_start;
	uint64_t vma_end;
	uint64_t vma_flags;
	uint64_t vma_page_size;
	uint64_t vma_offset;
	uint64_t inode;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint32_t vma_name_size;
	uint32_t build_id_size;
	uint64_t vma_name_addr;
	uint64_t build_id_addr;
};
_Static_assert(sizeof(struct compat_procmap_query) == 104, "as the kernel has it");
#define COMPAT_PROCMAP_QUERY _IOWR('f', 17, struct compat_procmap_query)
#define COMPAT_VMA_WRITABLE  0x02u
#define COMPAT_VMA_SHARED    0x08u
#define COMPAT_OR_NEXT	     0x10u

#define FULL 1 /* there may be more mappings, but no room */

/* --- text ----------------------------------------------------------------------------------- */

void refs_text_init(struct refs_text *text, int fd)
{
	text->fd = fd;
	text->from = text->to = 0;
	text->is_cut = false;
}

/* 1: there is more, 0: the end, -errno. */
static int text_fill(struct refs_text *text)
{
	ssize_t got;

	memmove(text->buffer, text->buffer + text->from, text->to - text->from);
	text->to -= text->from;
	text->from = 0;
	do
		got = read(text->fd, text->buffer + text->to, sizeof(text->buffer) - 1 - text->to);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	text->to += (size_t)got;
	return got > 0;
}

char *refs_text_next(struct refs_text *text, int *error)
{
	*error = 0;
	for (;;) {
		char *line = text->buffer + text->from;
		char *end = memchr(line, '\n', text->to - text->from);
		bool was_cut = text->is_cut;
		int more;

		if (end) {
			*end = '\0';
			text->from = (size_t)(end - text->buffer) + 1;
			text->is_cut = false;
			if (was_cut)
				continue;
			return line;
		}
		if (text->to - text->from == sizeof(text->buffer) - 1) {
			text->buffer[text->to] = '\0';
			text->from = text->to;
			text->is_cut = true;
			if (was_cut)
				continue;
			return line;
		}
		more = text_fill(text);
		if (more <= 0) {
			*error = more;
			return NULL;
		}
	}
}

/* "START-END PERM OFFSET MAJOR:MINOR INODE NAME", the numbers but the inode's in hex. */
bool refs_line_parse(const char *text, struct refs_line *line)
{
	unsigned int major, minor;
	char perm[5];
	int used = 0;

	if (sscanf(text, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 "%n",
		   &line->start, &line->end, perm, &line->off, &major, &minor, &line->ino,
		   &used) != 7 ||
	    strlen(perm) != 4)
		return false;
	line->dev = (uint64_t)major << 32 | minor;
	line->is_writable = perm[1] == 'w';
	line->is_shared = perm[3] == 's';
	line->name = text + used + strspn(text + used, " ");
	return true;
}

/* --- what is a shared mapping --------------------------------------------------------------- */

static uint64_t ipc_space(const struct tacho_refs *refs, int pid)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%d/ns/ipc", refs->proc, pid);
	return stat(path, &st) == 0 ? st.st_ino : 1;
}

/* 0, FULL or -ENOMEM. */
static int mapping_add(struct tacho_refs *refs, struct refs_task *task, uint32_t index,
		       const struct refs_line *line)
{
	struct refs_mapping *mapping;
	uint64_t page = refs_page_size();

	if (strncmp(line->name, "anon_inode:", 11) == 0) {
		/* one inode for things that have nothing in common */
		if (strncmp(line->name + 11, "kvm-vcpu", 8) == 0)
			task->is_spared = true;
		return 0;
	}
	/* the first SysV segment has the inode number 0, but it has a device */
	if ((line->ino == 0 && line->dev == 0) || line->start >= line->end ||
	    (line->start | line->end) % page != 0 ||
	    line->off > UINT64_MAX - (line->end - line->start))
		return 0;
	if (refs->now.nr >= REFS_MAX_MAPPINGS || task->nr >= REFS_MAX_OF_TASK) {
		refs->stats.left_out++;
		task->is_spared = true; /* who knows what comes behind */
		return FULL;
	}
	if (refs_grow(&refs->now.at, &refs->now.max, refs->now.nr, sizeof(*mapping)) < 0)
		return -ENOMEM;
	mapping = &refs->now.at[refs->now.nr++];
	*mapping = (struct refs_mapping){
		.object = { line->dev, line->ino, 0 },
		.start = line->start,
		.end = line->end,
		.off = line->off,
		.referenced = TACHO_REFS_UNKNOWN,
		.written = TACHO_REFS_UNKNOWN,
		.task = index,
		.is_writable = line->is_writable,
	};
	/* every IPC namespace counts its segments from zero, all on the device of memfd */
	if (strncmp(line->name, "/SYSV", 5) == 0)
		mapping->object.space = ipc_space(refs, task->pid);
	task->nr++;
	return 0;
}

/* 1: a mapping at or behind address; 0: none; -errno. */
static int query_next(int fd, uint64_t address, struct refs_line *line, char *name,
		      uint32_t name_size)
{
	struct compat_procmap_query query = {
		.size = sizeof(query),
		.query_flags = COMPAT_VMA_SHARED | COMPAT_OR_NEXT,
		.query_addr = address,
		.vma_name_size = name_size,
		.vma_name_addr = (uintptr_t)name,
	};
	int error;

	name[0] = '\0';
	error = ioctl(fd, COMPAT_PROCMAP_QUERY, &query) < 0 ? -errno : 0;
	if (error == -ENAMETOOLONG) {
		/* of no kind that we know by its name */
		query.vma_name_size = 0;
		query.vma_name_addr = 0;
		error = ioctl(fd, COMPAT_PROCMAP_QUERY, &query) < 0 ? -errno : 0;
	}
	if (error)
		return error == -ENOENT ? 0 : error;
	if (query.vma_name_size == 0)
		name[0] = '\0';
	*line = (struct refs_line){
		.start = query.vma_start,
		.end = query.vma_end,
		.off = query.vma_offset,
		.dev = (uint64_t)query.dev_major << 32 | query.dev_minor,
		.ino = query.inode,
		.is_writable = query.vma_flags & COMPAT_VMA_WRITABLE,
		.is_shared = true,
		.name = name,
	};
	return line->end > address ? 1 : -EPROTO;
}

static int read_by_query(struct tacho_refs *refs, struct refs_task *task, uint32_t index, int fd)
{
	char name[PATH_MAX];
	struct refs_line line;
	uint64_t address = 0;
	int error;

	while ((error = query_next(fd, address, &line, name, sizeof(name))) > 0) {
		error = mapping_add(refs, task, index, &line);
		if (error)
			break;
		address = line.end;
	}
	return error;
}

static int read_by_text(struct tacho_refs *refs, struct refs_task *task, uint32_t index, int fd)
{
	struct refs_text text;
	struct refs_line line;
	uint64_t address = 0;
	char *next;
	int error;

	refs_text_init(&text, fd);
	while ((next = refs_text_next(&text, &error)) != NULL) {
		/* ascending, whatever else the text says: others rely on it */
		if (!refs_line_parse(next, &line) || line.start < address)
			continue;
		address = line.end;
		if (line.is_shared)
			error = mapping_add(refs, task, index, &line);
		if (error)
			break;
	}
	return error;
}

int refs_maps_read(struct tacho_refs *refs, struct refs_task *task, uint32_t index)
{
	int fd = refs_open_proc(refs->proc, task->pid, "maps", O_RDONLY);
	int error = -ENOTTY;

	task->first = (uint32_t)refs->now.nr;
	task->nr = 0;
	task->is_spared = false;
	if (fd < 0)
		return fd;
	if (!refs->no_query) {
		error = read_by_query(refs, task, index, fd);
		if (error == -ENOTTY || error == -EINVAL)
			refs->no_query = true;
	}
	if (refs->no_query) {
		refs->now.nr = task->first;
		task->nr = 0;
		error = read_by_text(refs, task, index, fd);
	}
	close(fd);
	return error < 0 ? error : 0;
}
