/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fakeproc.h: a tree of files that looks like /proc to kernel/procs.c, in a temporary directory.
 *
 * For the tests of who is who: tasks appear, change and vanish as the test says and nobody else.
 */
#ifndef TACHO_TESTS_FAKEPROC_H
#define TACHO_TESTS_FAKEPROC_H

#include <ftw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t.h"

static char fake_root[64];

struct fake_task {
	const char *comm; /* ["sh"] */
	int ppid;
	unsigned uid;
	unsigned flags; /* as the kernel's: 0x4 exiting, 0x200000 kernel thread */
	unsigned long long start; /* [100] */
	char state; /* ['S'] */
	const char *cgroup; /* whole file ["0::/\n"] */
};

static inline void fake_write(int pid, int tid, const char *name, const char *text, size_t len)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%d/task/%d/%s", fake_root, pid, tid, name);
	file = fopen(path, "we");
	if (!T_OK(file != NULL))
		return;
	T_EQ(fwrite(text, 1, len, file), len);
	fclose(file);
}

static inline void fake_text(int pid, int tid, const char *name, const char *text)
{
	fake_write(pid, tid, name, text, strlen(text));
}

/* A task as described, instead of what was there. */
static inline void fake_task(int pid, int tid, struct fake_task task)
{
	char path[256], text[512];
	const char *comm = task.comm ? task.comm : "sh";

	snprintf(path, sizeof(path), "%s/%d", fake_root, pid);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%d/task", fake_root, pid);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%d/task/%d", fake_root, pid, tid);
	mkdir(path, 0700);
	snprintf(text, sizeof(text),
		 "%d (%s) %c %d 1 1 0 -1 %u 99 0 0 0 1 2 3 4 20 0 1 0 %llu 3133440 362 "
		 "18446744073709551615 1 1 0 0 0 0 0\n",
		 tid, comm, task.state ? task.state : 'S', task.ppid, task.flags,
		 task.start ? task.start : 100);
	fake_text(pid, tid, "stat", text);
	snprintf(text, sizeof(text), "Name:\t%s\nUmask:\t0022\nState:\tS\nUid:\t%u\t%u\t%u\t%u\n",
		 "x", task.uid + 1, task.uid, task.uid, task.uid);
	fake_text(pid, tid, "status", text);
	fake_text(pid, tid, "cgroup", task.cgroup ? task.cgroup : "0::/\n");
}

/* A link in the directory of open files. */
static inline void fake_fd(int pid, int tid, int fd, const char *target)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%d/task/%d/fd", fake_root, pid, tid);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%d/task/%d/fd/%d", fake_root, pid, tid, fd);
	T_EQ(symlink(target, path), 0);
}

static inline int fake_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* A thread, and with the last one the process, is gone. */
static inline void fake_end(int pid, int tid)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%d/task/%d", fake_root, pid, tid);
	T_EQ(nftw(path, fake_unlink, 8, FTW_DEPTH | FTW_PHYS), 0);
	snprintf(path, sizeof(path), "%s/%d/task", fake_root, pid);
	if (rmdir(path) == 0) {
		snprintf(path, sizeof(path), "%s/%d", fake_root, pid);
		rmdir(path);
	}
}

static inline bool fake_open(void)
{
	/* in memory if it can be: tests make ten thousands of files */
	strcpy(fake_root, "/dev/shm/tacho-proc-XXXXXX");
	if (mkdtemp(fake_root))
		return true;
	strcpy(fake_root, "/tmp/tacho-proc-XXXXXX");
	return mkdtemp(fake_root) != NULL;
}

static inline void fake_close(void)
{
	T_EQ(nftw(fake_root, fake_unlink, 16, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
