// SPDX-License-Identifier: BSD-2-Clause
/*
 * ledger_file.c: the state file itself: its lock, its header, its growth, and whether what it says
 * can be believed.
 *
 * Owns descriptor, mapping and name. It knows nothing of tasks: that a record says something
 * possible is checked here, what is done about it is ledger_undo.c's. A file of somebody else's, of
 * another boot, or damaged undoes nothing. Called by ledger.c for the owner and by restorer.c after
 * the owner's death.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <tacho/atomic.h>

#include "ledger_internal.h"
#include "world_read.h"

#define WAIT_MS	   5000 /* for one who only undoes: 10,000 tasks are a second */
#define WAIT_STEP  10
#define MAX_SIZE   (LEDGER_HEADER + (uint64_t)LEDGER_MAX * sizeof(struct tacho_ledger_record))
#define BOOT_ID	   "/proc/sys/kernel/random/boot_id"
#define MAX_REOPEN 100

/* Files that this process has locked. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct tacho_ledger_file *locked;

static void boot_read(char *boot, size_t size)
{
	memset(boot, 0, size);
	if (tacho_w_read(BOOT_ID, boot, size) < 0)
		boot[0] = '\0';
	boot[strcspn(boot, "\n")] = '\0';
}

/*
 * --- locks -------------------------------------------------------------------------------------
 */

int tacho_l_lock(int fd, int *holder)
{
	for (;;) {
		struct flock flock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

		if (!fcntl(fd, F_SETLK, &flock))
			return 0;
		if (errno != EAGAIN && errno != EACCES)
			return -errno;
		if (fcntl(fd, F_GETLK, &flock))
			return -errno;
		if (flock.l_type != F_UNLCK) {
			*holder = flock.l_pid;
			return -EAGAIN;
		}
	}
}

/* Before any descriptor of it is opened: closing that would unlock the file for this process. */
static bool is_mine(const char *path)
{
	struct stat stat_of;
	bool found = false;

	if (stat(path, &stat_of))
		return false;
	pthread_mutex_lock(&lock);
	for (struct tacho_ledger_file *file = locked; file; file = file->next)
		found |= file->pid == getpid() && file->dev == stat_of.st_dev &&
			 file->ino == stat_of.st_ino;
	pthread_mutex_unlock(&lock);
	return found;
}

static void register_file(struct tacho_ledger_file *file)
{
	pthread_mutex_lock(&lock);
	file->pid = getpid(); /* a child that was forked has locked nothing */
	file->next = locked;
	locked = file;
	pthread_mutex_unlock(&lock);
}

static void unregister_file(const struct tacho_ledger_file *file)
{
	pthread_mutex_lock(&lock);
	for (struct tacho_ledger_file **at = &locked; *at; at = &(*at)->next)
		if (*at == file) {
			*at = file->next;
			break;
		}
	pthread_mutex_unlock(&lock);
}

static void nap(void)
{
	const struct timespec step = { .tv_nsec = WAIT_STEP * 1000000l };

	nanosleep(&step, NULL);
}

/*
 * --- open --------------------------------------------------------------------------------------
 */

static int directory_make(const char *path, char *why, size_t why_size)
{
	char copy[4096], *dir;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", path) >= sizeof(copy)) {
		snprintf(why, why_size, "%.60s...: %s", path, strerror(ENAMETOOLONG));
		return -ENAMETOOLONG;
	}
	dir = dirname(copy);
	if (mkdir(dir, 0755) && errno != EEXIST) {
		int err = -errno;

		snprintf(why, why_size, "%s: cannot be made: %s", dir, strerror(-err));
		return err;
	}
	return 0;
}

/* A link, a device, or a file that others may write is none of ours. */
static const char *not_ours(const struct stat *stat_of)
{
	if (!S_ISREG(stat_of->st_mode))
		return "is no regular file";
	if (stat_of->st_uid != geteuid())
		return "belongs to another user";
	if (stat_of->st_mode & (S_IWGRP | S_IWOTH))
		return "can be written by others";
	return NULL;
}

static int once(struct tacho_ledger_file *file, bool create, int *holder, char *why,
		size_t why_size)
{
	struct stat stat_of, named;
	const char *what;
	int err;

	file->fd =
		open(file->path,
		     O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (create ? O_CREAT : 0), 0600);
	if (file->fd < 0) {
		err = -errno;
		snprintf(why, why_size, "%s: cannot be opened: %s", file->path, strerror(-err));
		return err;
	}
	err = fstat(file->fd, &stat_of) ? -errno : 0;
	what = err ? strerror(-err) : not_ours(&stat_of);
	if (what) {
		snprintf(why, why_size, "%s: %s: remove it to go on", file->path, what);
		return err ? err : -EPERM;
	}
	err = tacho_l_lock(file->fd, holder);
	if (err) {
		snprintf(why, why_size, "%s: cannot be locked: %s", file->path, strerror(-err));
		return err;
	}
	/* whoever had the lock may have removed it, and somebody may have made another one */
	if (stat(file->path, &named) || named.st_dev != stat_of.st_dev ||
	    named.st_ino != stat_of.st_ino) {
		snprintf(why, why_size, "%s: %s", file->path, strerror(ESTALE));
		return -ESTALE;
	}
	file->dev = stat_of.st_dev;
	file->ino = stat_of.st_ino;
	return 0;
}

/* Whether who has the lock is the owner, and not somebody who undoes. */
static bool holder_owns(int fd, int holder)
{
	struct tacho_ledger_header header = { 0 };

	return pread(fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header) &&
	       header.magic == LEDGER_MAGIC && header.owner == holder;
}

static int busy(const char *path, int holder, int *owner, char *why, size_t why_size)
{
	*owner = holder;
	snprintf(why, why_size, "%s: another scheduler runs, process %d: end it first", path,
		 holder);
	return -EBUSY;
}

int tacho_l_file_open(struct tacho_ledger_file *file, const char *path, bool create, int *owner,
		      char *why, size_t why_size)
{
	int err, holder = 0, waited = 0;

	memset(file, 0, sizeof(*file));
	file->fd = -1;
	if (is_mine(path))
		return busy(path, getpid(), owner, why, why_size);
	err = create ? directory_make(path, why, why_size) : 0;
	if (err)
		return err;
	file->path = strdup(path);
	if (!file->path) {
		snprintf(why, why_size, "%s: %s", path, strerror(ENOMEM));
		return -ENOMEM;
	}
	for (int tries = 0; tries < MAX_REOPEN + WAIT_MS / WAIT_STEP; tries++) {
		bool owns = false;

		err = once(file, create, &holder, why, why_size);
		if (!err) {
			register_file(file);
			return 0;
		}
		if (err == -EAGAIN)
			owns = holder_owns(file->fd, holder);
		if (file->fd >= 0)
			close(file->fd);
		file->fd = -1;
		if (err != -ESTALE && err != -EAGAIN)
			break;
		if (err == -EAGAIN && (owns || waited >= WAIT_MS)) {
			err = busy(path, holder, owner, why, why_size);
			break;
		}
		if (err == -EAGAIN) {
			nap();
			waited += WAIT_STEP;
		}
	}
	free(file->path);
	file->path = NULL;
	return err;
}

void tacho_l_file_close(struct tacho_ledger_file *file, bool is_done)
{
	struct stat named;

	if (file->fd < 0)
		return;
	if (file->header)
		munmap(file->header, MAX_SIZE);
	/* while the lock is held: who waits for it sees that the name is gone, or another's */
	if (is_done && !stat(file->path, &named) && named.st_dev == file->dev &&
	    named.st_ino == file->ino)
		unlink(file->path);
	unregister_file(file);
	close(file->fd);
	free(file->path);
	memset(file, 0, sizeof(*file));
	file->fd = -1;
}

/*
 * --- the owner's -------------------------------------------------------------------------------
 */

/* Real zeros: a hole on a full file system would be a SIGBUS later. */
static int zeros_write(int fd, uint64_t offset, size_t size)
{
	static const char zeros[LEDGER_HEADER];

	while (size > 0) {
		size_t part = size < sizeof(zeros) ? size : sizeof(zeros);
		ssize_t put = pwrite(fd, zeros, part, (off_t)offset);

		if (put < 0)
			return -errno;
		offset += (uint64_t)put;
		size -= (size_t)put;
	}
	return 0;
}

int tacho_l_file_start(struct tacho_ledger_file *file, char *why, size_t why_size)
{
	struct tacho_ledger_header *header;
	int err = ftruncate(file->fd, 0) ? -errno : zeros_write(file->fd, 0, LEDGER_HEADER);
	void *map = MAP_FAILED;

	if (!err) {
		map = mmap(NULL, MAX_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
		err = map == MAP_FAILED ? -errno : 0;
	}
	/* no child of ours, least of all a strange policy, may write what will be undone */
	if (!err && madvise(map, MAX_SIZE, MADV_DONTFORK)) {
		err = -errno;
		munmap(map, MAX_SIZE);
	}
	if (err) {
		snprintf(why, why_size, "%s: cannot be written: %s", file->path, strerror(-err));
		return err;
	}
	file->header = header = map;
	file->records = (struct tacho_ledger_record *)(void *)((char *)map + LEDGER_HEADER);
	file->room = 0;
	boot_read(header->boot, sizeof(header->boot));
	header->version = LEDGER_VERSION;
	header->record_size = sizeof(struct tacho_ledger_record);
	header->owner = getpid();
	(void)tacho_w_start(header->owner, &header->owner_start);
	do {
		if (getrandom(&header->generation, sizeof(header->generation), 0) < 0)
			header->generation = (uint64_t)header->owner << 32 | header->owner_start;
	} while (!header->generation);
	/* until it has its magic, it is an empty file to everybody */
	tacho_store_release(&header->magic, LEDGER_MAGIC);
	return 0;
}

int tacho_l_file_grow(struct tacho_ledger_file *file)
{
	const uint64_t step = LEDGER_STEP * sizeof(struct tacho_ledger_record);
	int err;

	if (file->header->nr < file->room)
		return 0;
	if (file->room + LEDGER_STEP > LEDGER_MAX)
		return -ENOSPC;
	err = zeros_write(file->fd, LEDGER_HEADER + file->room * sizeof(struct tacho_ledger_record),
			  step);
	if (!err)
		file->room += LEDGER_STEP;
	return err;
}

/*
 * --- a dead owner's ----------------------------------------------------------------------------
 */

static const char *record_check(const struct tacho_ledger_record *record)
{
	if (record->what & ~LEDGER_WHAT || record->armed & ~LEDGER_WHAT ||
	    record->flags & ~(uint32_t)LEDGER_FLAGS)
		return "an impossible kind of change";
	if (record->tid <= 0 || record->pid <= 0)
		return "an impossible number of a task";
	if (record->nice < -20 || record->nice > 19)
		return "an impossible nice value";
	if (!tacho_cpus_count(&record->before))
		return "a task without processors";
	if (!(record->what & TACHO_CHANGED_CPUSET))
		return NULL;
	if (!memchr(record->cpuset, 0, LEDGER_PATH) ||
	    !memchr(record->cpuset_set, 0, LEDGER_PATH) || record->cpuset[0] != '/' ||
	    record->cpuset_set[0] != '/')
		return "an impossible cpuset";
	return NULL;
}

const char *tacho_l_check(const void *bytes, size_t size, size_t *offset)
{
	const struct tacho_ledger_header *header = bytes;
	const struct tacho_ledger_record *records =
		(const void *)((const char *)bytes + LEDGER_HEADER);

	*offset = 0;
	if (size < LEDGER_HEADER || header->magic != LEDGER_MAGIC)
		return "not a state file of this program";
	*offset = offsetof(struct tacho_ledger_header, version);
	if (header->version != LEDGER_VERSION || header->record_size != sizeof(*records))
		return "written by another version";
	*offset = offsetof(struct tacho_ledger_header, generation);
	if (!header->generation)
		return "nobody's";
	*offset = offsetof(struct tacho_ledger_header, nr);
	if (header->nr > LEDGER_MAX || header->nr > (size - LEDGER_HEADER) / sizeof(*records))
		return "more records than it has";
	*offset = offsetof(struct tacho_ledger_header, boot);
	if (!memchr(header->boot, 0, sizeof(header->boot)))
		return "an impossible boot";
	for (uint32_t i = 0; i < header->nr; i++) {
		const char *what = records[i].what ? record_check(&records[i]) : NULL;

		*offset = LEDGER_HEADER + i * sizeof(*records);
		if (what)
			return what;
	}
	return NULL;
}

static int bytes_read(int fd, char **bytes, size_t *size)
{
	struct stat stat_of;

	*size = 0;
	*bytes = NULL;
	if (fstat(fd, &stat_of))
		return -errno;
	if ((uint64_t)stat_of.st_size > MAX_SIZE)
		return -EFBIG;
	*bytes = calloc(1, (size_t)stat_of.st_size + LEDGER_HEADER);
	if (!*bytes)
		return -ENOMEM;
	while (*size < (size_t)stat_of.st_size) {
		ssize_t got =
			pread(fd, *bytes + *size, (size_t)stat_of.st_size - *size, (off_t)*size);

		if (got < 0)
			return -errno;
		if (!got)
			break;
		*size += (size_t)got;
	}
	return 0;
}

/* An owner who died before he had a magic has changed nothing. */
static bool is_unused(const char *bytes, size_t size)
{
	size_t end = size < LEDGER_HEADER ? size : sizeof(uint64_t);

	for (size_t i = 0; i < end; i++)
		if (bytes[i])
			return false;
	return size <= LEDGER_HEADER;
}

static int list_take(struct tacho_ledger_list *list, const char *bytes)
{
	const struct tacho_ledger_header *header = (const void *)bytes;
	const struct tacho_ledger_record *records = (const void *)(bytes + LEDGER_HEADER);
	int err = 0;

	for (uint32_t i = 0; i < header->nr && !err; i++)
		if (records[i].what)
			err = tacho_l_list_add(list, &records[i]);
	return err;
}

int tacho_l_file_undo(struct tacho_ledger_file *file, const struct tacho_world *world,
		      uint64_t generation, int *owner, size_t *undone, char *why, size_t why_size)
{
	const struct tacho_ledger_header *header;
	struct tacho_ledger_list list = { 0 };
	const char *what = NULL;
	size_t size, offset = 0;
	char *bytes, boot[40];
	int err = bytes_read(file->fd, &bytes, &size);

	*undone = 0;
	header = (const void *)bytes;
	if (!err && is_unused(bytes, size)) {
		err = -ENODATA;
		goto out;
	}
	if (err == -EFBIG)
		what = "more than a state file can have";
	else if (!err)
		what = tacho_l_check(bytes, size, &offset);
	if (what) {
		err = -EBADMSG;
		snprintf(why, why_size,
			 "%s: damaged at offset %zu: %s; nothing was changed: remove it to go on",
			 file->path, offset, what);
	} else if (err) {
		snprintf(why, why_size, "%s: cannot be read: %s", file->path, strerror(-err));
	}
	if (err)
		goto out;
	boot_read(boot, sizeof(boot));
	if (strcmp(boot, header->boot) != 0 || (generation && generation != header->generation)) {
		err = -ENODATA;
		goto out;
	}
	/* he would have to have lost his lock */
	if (!tacho_w_is(header->owner, header->owner_start)) {
		err = busy(file->path, header->owner, owner, why, why_size);
		goto out;
	}
	err = list_take(&list, bytes);
	if (err)
		snprintf(why, why_size, "%s: %s; nothing was changed", file->path, strerror(-err));
	else
		*undone = tacho_l_undo_all(world, &list);
out:
	free(list.records);
	free(bytes);
	return err;
}
