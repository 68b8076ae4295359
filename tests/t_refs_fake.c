/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_refs_fake.c: the use of shared memory, from a directory that looks like /proc.
 *
 * What only another kernel has (idle-page tracking, soft-dirty pages), what this machine has not at
 * hand (a virtual machine), and what no kernel says (nonsense).
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

#include "sharers.h"

/* --- a place that looks like /proc ------------------------------------------------------------- */

struct fake {
	char root[64];
	char idle[96];
};

static void fake_write(const struct fake *fake, const char *name, const void *data, size_t size,
		       off_t at, int flags)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", fake->root, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
	T_OK(fd >= 0 && pwrite(fd, data, size, at) == (ssize_t)size);
	close(fd);
}

static void fake_text(const struct fake *fake, const char *name, const char *text)
{
	fake_write(fake, name, text, strlen(text), 0, O_TRUNC);
}

/* All of it that fits: files in /proc give a part at a time. */
static size_t fake_read(const struct fake *fake, const char *name, void *data, size_t size,
			off_t at)
{
	char path[256];
	size_t all = 0;
	ssize_t got = 1;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", fake->root, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && got > 0 && all < size) {
		got = pread(fd, (char *)data + all, size - all, at + (off_t)all);
		all += got > 0 ? (size_t)got : 0;
	}
	if (fd >= 0)
		close(fd);
	return all;
}

static void fake_directory(const struct fake *fake, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", fake->root, name);
	T_EQ(mkdir(path, 0700), 0);
}

/* Tasks 1 and 2, without files; self is the real one unless sd is set. */
static bool fake_open(struct fake *fake, bool has_soft_dirty)
{
	char path[128];

	snprintf(fake->root, sizeof(fake->root), "/tmp/t_refs.XXXXXX");
	if (!T_OK(mkdtemp(fake->root) != NULL))
		return false;
	snprintf(fake->idle, sizeof(fake->idle), "%s/idle", fake->root);
	fake_directory(fake, "1");
	fake_directory(fake, "2");
	fake_text(fake, "1/clear_refs", "");
	fake_text(fake, "2/clear_refs", "");
	if (has_soft_dirty) {
		fake_directory(fake, "self");
		fake_text(fake, "self/clear_refs", "");
		fake_text(
			fake, "self/smaps",
			"1000-2000 rw-p 00000000 00:00 0 \nReferenced: 4 kB\nVmFlags: rd wr sd \n");
		return true;
	}
	snprintf(path, sizeof(path), "%s/self", fake->root);
	return T_OK(symlink("/proc/self", path) == 0);
}

static int fake_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void fake_close(struct fake *fake)
{
	nftw(fake->root, fake_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static const struct tacho_refs_task fake_tasks[] = { { A, 1 }, { B, 2 } };

static int fake_refs(struct tacho_refs **refs, const struct fake *fake,
		     enum tacho_refs_method method)
{
	struct tacho_refs_options options = { .method = method,
					      .proc = fake->root,
					      .idle = fake->idle };
	char why[128] = "";
	int error = tacho_refs_open(refs, &options, why, sizeof(why));

	if (error)
		printf("     %s\n", why);
	return error;
}

#define MAP_1 "00010000-00014000 rw-s 00000000 00:01 77 /memfd:x (deleted)\n"
#define MAP_2 "00020000-00024000 rw-s 00000000 00:01 77 /memfd:x (deleted)\n"

static void fake_pagemap(const struct fake *fake, const char *name, uint64_t address,
			 const uint64_t *entries, size_t nr)
{
	fake_write(fake, name, entries, nr * sizeof(*entries),
		   (off_t)(address / PAGE * sizeof(*entries)), 0);
}

T_CASE(idle_reads_and_marks_page_frames)
{
	const uint64_t present = 1ull << 63;
	/* frames 100 to 102 and 5000, the last page of the first task is not there */
	const uint64_t first[4] = { present | 100, present | 5000, present | 102, 0 };
	const uint64_t second[4] = { present | 100, present | 5000, present | 102, present | 103 };
	uint64_t word = 0;
	struct tacho_refs *refs;
	struct found found;
	struct fake fake;
	int error;

	if (!fake_open(&fake, false))
		return;
	fake_text(&fake, "1/maps", MAP_1);
	fake_text(&fake, "2/maps", MAP_2);
	fake_pagemap(&fake, "1/pagemap", 0x10000, first, 4);
	fake_pagemap(&fake, "2/pagemap", 0x20000, second, 4);
	fake_write(&fake, "idle", &word, sizeof(word), 8191, 0);
	error = fake_refs(&refs, &fake, TACHO_REFS_IDLE);
	if (error == -EPERM)
		fake_close(&fake);
	if (error == -EPERM)
		T_SKIP("page frames are not shown");
	T_EQ(error, 0);
	T_EQ(tacho_refs_set(refs, fake_tasks, 2), 0);
	found = sample(refs);
	T_EQ(found.nr, 2);
	T_EQ(referenced(&found, A, B), UNKNOWN);
	/* exactly the frames that are mapped are marked */
	T_EQ(fake_read(&fake, "idle", &word, sizeof(word), 100 / 64 * 8), 8);
	T_EQ(word, 1ull << (100 % 64) | 1ull << (102 % 64) | 1ull << (103 % 64));
	T_EQ(fake_read(&fake, "idle", &word, sizeof(word), 5000 / 64 * 8), 8);
	T_EQ(word, 1ull << (5000 % 64));
	/* nobody used anything */
	found = sample(refs);
	T_EQ(referenced(&found, A, B), 0);
	T_EQ(referenced(&found, B, A), 0);
	T_EQ(written(&found, B, A), UNKNOWN);
	/* somebody used 5000 and 103: the kernel would clear their bits */
	word = 0;
	fake_write(&fake, "idle", &word, sizeof(word), 5000 / 64 * 8, 0);
	word = 1ull << (100 % 64) | 1ull << (102 % 64);
	fake_write(&fake, "idle", &word, sizeof(word), 100 / 64 * 8, 0);
	found = sample(refs);
	T_EQ(referenced(&found, A, B), 1);
	T_EQ(referenced(&found, B, A), 2);
	found = sample(refs);
	T_EQ(referenced(&found, B, A), 0);
	/* a frame beyond the bitmap, and one that is hidden */
	fake_pagemap(&fake, "1/pagemap", 0x10000, (uint64_t[]){ present | 1u << 30 }, 1);
	fake_pagemap(&fake, "2/pagemap", 0x20000, (uint64_t[]){ present }, 1);
	found = sample(refs);
	T_EQ(referenced(&found, A, B), UNKNOWN);
	T_EQ(referenced(&found, B, A), UNKNOWN);
	tacho_refs_close(refs);
	fake_close(&fake);
}

#define SMAPS_1                                                                                    \
	"00001000-00002000 rw-p 00000000 00:00 0 \nReferenced: 4 kB\nVmFlags: rd wr \n" MAP_1      \
	"Size: 16 kB\nReferenced: 12 kB\nVmFlags: rd wr sh \n"
#define SMAPS_2 MAP_2 "Referenced: 4 kB\nVmFlags: rd wr sh \n"

T_CASE(soft_dirty_counts_both)
{
	const uint64_t present = 1ull << 63, swapped = 1ull << 62, dirty = 1ull << 55;
	const uint64_t pages[4] = { present | dirty, present, swapped | dirty, dirty };
	struct tacho_refs *refs;
	struct found found;
	struct fake fake;
	char text[8] = "";

	if (!fake_open(&fake, true))
		return;
	fake_text(&fake, "1/maps", MAP_1);
	fake_text(&fake, "2/maps", MAP_2);
	fake_text(&fake, "1/smaps", SMAPS_1);
	fake_text(&fake, "2/smaps", SMAPS_2);
	fake_pagemap(&fake, "1/pagemap", 0x10000, pages, 4);
	fake_pagemap(&fake, "2/pagemap", 0x20000, pages + 1, 1);
	if (T_OK(fake_refs(&refs, &fake, TACHO_REFS_SOFT_DIRTY) == 0)) {
		T_EQ(tacho_refs_set(refs, fake_tasks, 2), 0);
		found = sample(refs);
		T_EQ(found.nr, 2);
		T_EQ(referenced(&found, A, B), UNKNOWN);
		T_EQ(written(&found, A, B), UNKNOWN);
		T_EQ(fake_read(&fake, "1/clear_refs", text, 7, 0), 2);
		T_STREQ(text, "34");
		found = sample(refs);
		T_EQ(referenced(&found, A, B), 3);
		T_EQ(written(&found, A, B), 2);
		T_EQ(referenced(&found, B, A), 1);
		T_EQ(written(&found, B, A), 0);
		tacho_refs_close(refs);
	}
	fake_close(&fake);
}

/* The marks of soft-dirty pages belong to others: clear must not write 4 where there are any. */
T_CASE(clear_leaves_soft_dirty_pages_alone)
{
	struct tacho_refs_probe probe[TACHO_REFS_NR];
	struct tacho_refs_options options = { 0 };
	struct tacho_refs *refs;
	struct found found;
	struct fake fake;
	char text[8] = "";

	if (!fake_open(&fake, true))
		return;
	fake_text(&fake, "1/maps", MAP_1);
	fake_text(&fake, "2/maps", MAP_2);
	fake_text(&fake, "1/smaps", SMAPS_1);
	fake_text(&fake, "2/smaps", SMAPS_2);
	options.proc = fake.root;
	tacho_refs_probe(probe, &options);
	T_EQ(probe[TACHO_REFS_CLEAR].error, 0);
	T_OK(!probe[TACHO_REFS_CLEAR].is_exact);
	if (T_OK(fake_refs(&refs, &fake, TACHO_REFS_CLEAR) == 0)) {
		T_EQ(tacho_refs_set(refs, fake_tasks, 2), 0);
		found = sample(refs);
		T_EQ(referenced(&found, A, B), 3);
		T_EQ(referenced(&found, B, A), 1);
		T_EQ(fake_read(&fake, "1/clear_refs", text, 7, 0), 1);
		T_STREQ(text, "3");
		tacho_refs_close(refs);
	}
	fake_close(&fake);
}

T_CASE(virtual_machines_are_left_alone)
{
	struct tacho_refs *refs;
	struct found found;
	struct fake fake;
	char text[8];

	if (!fake_open(&fake, false))
		return;
	fake_text(&fake, "1/maps",
		  MAP_1 "00080000-00083000 rw-s 00000000 00:0f 1033 anon_inode:kvm-vcpu:0\n");
	fake_text(&fake, "2/maps", MAP_2);
	fake_text(&fake, "1/smaps", SMAPS_1);
	fake_text(&fake, "2/smaps", SMAPS_2);
	if (T_OK(fake_refs(&refs, &fake, TACHO_REFS_CLEAR) == 0)) {
		T_EQ(tacho_refs_set(refs, fake_tasks, 2), 0);
		sample(refs);
		found = sample(refs);
		T_EQ(found.nr, 2);
		T_EQ(referenced(&found, A, B), UNKNOWN);
		T_EQ(referenced(&found, B, A), 1);
		T_EQ(fake_read(&fake, "1/clear_refs", text, 7, 0), 0);
		tacho_refs_close(refs);
	}
	fake_close(&fake);
}

T_CASE(what_has_one_inode_is_not_always_one_thing)
{
	const char *maps[] = {
		/* perf buffers and eBPF maps */
		"00010000-00014000 rw-s 00000000 00:0f 1033 anon_inode:[perf_event]\n",
		"00010000-00014000 rw-s 00000000 00:0f 1033 anon_inode:bpf-map\n",
		/* no file, an empty one, one that wraps around, half a page */
		"00010000-00014000 rw-s 00000000 00:00 0 \n",
		"00010000-00010000 rw-s 00000000 00:01 5 /a\n",
		"00010000-00014000 rw-s ffffffffffffe000 00:01 5 /a\n",
		"00010000-00010800 rw-s 00000000 00:01 5 /a\n",
	};
	struct tacho_refs *refs;
	struct fake fake;

	if (!fake_open(&fake, false))
		return;
	if (T_OK(fake_refs(&refs, &fake, TACHO_REFS_CLEAR) == 0)) {
		T_EQ(tacho_refs_set(refs, fake_tasks, 2), 0);
		for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
			fake_text(&fake, "1/maps", maps[i]);
			fake_text(&fake, "2/maps", maps[i]);
			T_EQ(sample(refs).nr, 0);
		}
		/* a segment and a memfd have numbers of their own on one device */
		fake_text(&fake, "1/maps", MAP_1);
		fake_text(&fake, "2/maps",
			  "00020000-00024000 rw-s 00000000 00:01 77 /SYSV00000000 (deleted)\n");
		T_EQ(sample(refs).nr, 0);
		/* and two that are the same segment, as far as one can see */
		fake_text(&fake, "1/maps",
			  "00010000-00014000 rw-s 00000000 00:01 77 /SYSV00000000 (deleted)\n");
		T_EQ(sample(refs).nr, 2);
		/* the first segment of all is number 0 */
		fake_text(&fake, "1/maps",
			  "00010000-00014000 rw-s 00000000 00:01 0 /SYSV00000000 (deleted)\n");
		T_EQ(sample(refs).nr, 0);
		fake_text(&fake, "2/maps",
			  "00020000-00024000 rw-s 00000000 00:01 0 /SYSV00000000 (deleted)\n");
		T_EQ(sample(refs).nr, 2);
		tacho_refs_close(refs);
	}
	fake_close(&fake);
}

/* Huge pages and memory of devices are not looked at by smaps: zero would be a lie. */
T_CASE(what_smaps_does_not_look_at_is_unknown)
{
	const char *flags[] = { "rd wr sh ht ", "io rd wr", "rd wr pf", "rd wr sh", "rd htx xht" };
	struct tacho_refs *refs;
	struct fake fake;

	if (!fake_open(&fake, false))
		return;
	fake_text(&fake, "1/maps", MAP_1);
	fake_text(&fake, "2/maps", MAP_2);
	fake_text(&fake, "2/smaps", SMAPS_2);
	if (T_OK(fake_refs(&refs, &fake, TACHO_REFS_CLEAR) == 0)) {
		T_EQ(tacho_refs_set(refs, fake_tasks, 2), 0);
		for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
			struct found found;
			char text[256];

			snprintf(text, sizeof(text), MAP_1 "Referenced: 8 kB\nVmFlags: %s\n",
				 flags[i]);
			fake_text(&fake, "1/smaps", text);
			found = sample(refs);
			T_EQ(referenced(&found, A, B), i < 3 ? UNKNOWN : 2);
		}
		/* smaps without the mapping, or with one of another size */
		fake_text(&fake, "1/smaps",
			  "00010000-00013000 rw-s 00000000 00:01 77 /x\n"
			  "Referenced: 8 kB\n");
		T_EQ(referenced(&(struct found[]){ sample(refs) }[0], A, B), UNKNOWN);
		tacho_refs_close(refs);
	}
	fake_close(&fake);
}

/* What /proc says twice, as text and by the ioctl, is the same. */
T_CASE(text_and_query_agree)
{
	struct memory memory = memory_of(memfd());
	struct tacho_refs_task tasks[2];
	struct tacho_refs *refs, *text;
	struct child child[2];
	struct fake fake;

	if (!fake_open(&fake, false))
		return;
	pair_start(child, &memory, NULL);
	for (int i = 0; i < 2; i++) {
		static char buffer[1 << 16];
		struct fake real = { .root = "/proc" };
		char name[32];
		size_t size;

		tasks[i] = (struct tacho_refs_task){ A + (uint32_t)i, child[i].pid };
		tell(&child[i], OP_MAP_MANY, 0, 20);
		snprintf(name, sizeof(name), "%d", child[i].pid);
		fake_directory(&fake, name);
		snprintf(name, sizeof(name), "%d/maps", child[i].pid);
		size = fake_read(&real, name, buffer, sizeof(buffer), 0);
		T_OK(size > 0 && size < sizeof(buffer));
		fake_write(&fake, name, buffer, size, 0, O_TRUNC);
	}
	if (T_OK(fake_refs(&text, &fake, TACHO_REFS_AUTO) == 0)) {
		T_EQ(tacho_refs_open(&refs, NULL, NULL, 0), 0);
		T_EQ(tacho_refs_set(refs, tasks, 2), 0);
		T_EQ(tacho_refs_set(text, tasks, 2), 0);
		T_EQ(sample(refs).nr, 2);
		T_EQ(sample(text).nr, 2);
		T_EQ(tacho_refs_stats(refs)->mappings, tacho_refs_stats(text)->mappings);
		T_EQ(tacho_refs_stats(refs)->shared, tacho_refs_stats(text)->shared);
		T_EQ(tacho_refs_stats(text)->gone, 2); /* there is no smaps */
		tacho_refs_close(refs);
		tacho_refs_close(text);
	}
	pair_stop(child);
	fake_close(&fake);
	close(memory.fd);
}

/* --- nonsense ------------------------------------------------------------------------------- */

/* Lines that look like those of maps and smaps, in part. */
static size_t nonsense(uint64_t *state, char *text, size_t size)
{
	static const char *const pieces[] = {
		MAP_1,
		MAP_2,
		"Referenced: 8 kB\n",
		"Referenced: 99999999999999999999999 kB\n",
		"Referenced:\n",
		"VmFlags: ht\n",
		"VmFlags:",
		"\n",
		"00010000-",
		" rw-s ",
		"ffffffffffff0000-fffffffffffff000 rw-s 00000000 00:01 77 /x\n",
		"00010000-00013000 rw-s 00003000 00:01 77 /SYSV\n",
		"00000000-fffffffffffff000 rw-s 00000000 00:01 77 \n",
		"0-1000 -w-s 0 ffffffff:ffffffff 18446744073709551615",
	};
	size_t used = 0;

	while (used < size - 128 && t_random(state) % 64) {
		uint64_t what = t_random(state) % (sizeof(pieces) / sizeof(pieces[0]) + 2);

		if (what < sizeof(pieces) / sizeof(pieces[0])) {
			memcpy(text + used, pieces[what], strlen(pieces[what]));
			used += strlen(pieces[what]);
		} else if (t_random(state) % 32) {
			text[used++] = (char)t_random(state);
		} else {
			/* a line longer than any buffer */
			size_t many = t_random(state) % 20000;

			many = many < size - 128 - used ? many : size - 128 - used;
			memset(text + used, 'x', many);
			used += many;
		}
	}
	return used;
}

T_CASE(nonsense_does_no_harm)
{
	static char text[1 << 16];
	uint64_t state = t_seed();
	struct tacho_refs *refs[3] = { NULL, NULL, NULL };
	struct fake fake;

	if (!fake_open(&fake, true))
		return;
	fake_text(&fake, "idle", "nothing that is long");
	T_EQ(fake_refs(&refs[0], &fake, TACHO_REFS_CLEAR), 0);
	T_EQ(fake_refs(&refs[1], &fake, TACHO_REFS_SOFT_DIRTY), 0);
	T_EQ(fake_refs(&refs[2], &fake, TACHO_REFS_AUTO), 0);
	for (int i = 0; i < 3 && refs[i]; i++)
		T_EQ(tacho_refs_set(refs[i], fake_tasks, 2), 0);
	for (int round = 0; round < 150; round++) {
		const char *const names[] = { "1/maps", "1/smaps", "2/maps", "2/smaps" };

		for (int i = 0; i < 4; i++)
			fake_write(&fake, names[i], text, nonsense(&state, text, sizeof(text)), 0,
				   O_TRUNC);
		fake_write(&fake, "1/pagemap", &state, 1 + state % 8, 0x10 * 8, O_TRUNC);
		for (int i = 0; i < 3 && refs[i]; i++) {
			struct found found = sample(refs[i]);

			T_OK(found.nr == 0 || found.nr == 2);
			T_EQ(tacho_refs_stats(refs[i])->tasks, 2);
		}
	}
	for (int i = 0; i < 3; i++)
		tacho_refs_close(refs[i]);
	fake_close(&fake);
}

T_MAIN
