// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_ledger_bad.c: state files that cannot be believed or written, and processors that come and go.
 *
 * Processors are switched off in a fake world of one task: it does what the kernel does with
 * affinities then.
 */
#include "ledger_rig.h"

/*
 * --- files -------------------------------------------------------------------------------------
 */

static size_t file_read(char *bytes, size_t size)
{
	int fd = open(rig_file, O_RDONLY | O_CLOEXEC);
	ssize_t len = read(fd, bytes, size);

	T_OK(len > 0);
	close(fd);
	return len > 0 ? (size_t)len : 0;
}

static void file_write(const char *bytes, size_t size)
{
	int fd = open(rig_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	T_EQ(write(fd, bytes, size), (ssize_t)size);
	close(fd);
}

T_CASE(damaged_files_change_nothing)
{
	static const struct {
		size_t offset;
		char bytes[9];
		size_t len; /* 0: the file ends there */
		const char *what;
	} edits[] = {
		{ 0, "X", 1, "offset 0: not a state file" },
		{ 8, "\x7f", 1, "offset 8: written by another version" },
		{ 12, "\x7f", 1, "offset 8: written by another version" },
		{ 16, "\0\0\0\0\0\0\0\0", 8, "offset 16: nobody's" },
		{ 36, "\xff\xff", 2, "offset 36: more records" },
		{ 4096, "\x10", 1, "offset 4096: an impossible kind" },
		{ 4104, "\x10", 1, "offset 4096: an impossible kind" },
		{ 4108, "\0\0\0\xff", 4, "offset 4096: an impossible number" },
		{ 4132, "\0\1", 2, "offset 4096: an impossible nice" },
		{ 100, "", 0, "offset 0: not a state file" },
		{ 5000, "", 0, "offset 36: more records" },
	};
	static char good[1 << 20], bad[1 << 20];
	struct actor actor = actor_start();
	struct placing placing = { actor.pid, cpu_nr(actor.pid, 0) };
	struct tacho_cpus before = cpus_of(actor.pid);
	struct tacho_ledger *ledger = NULL;
	size_t size;

	rig_open();
	process_end(owner_start(place, &placing, world, false, NULL));
	size = file_read(good, sizeof(good));
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		memcpy(bad, good, size);
		memcpy(bad + edits[i].offset, edits[i].bytes, edits[i].len);
		file_write(bad, edits[i].len ? size : edits[i].offset);
		T_EQ(restore(), -EBADMSG);
		if (!T_OK(strstr(why, edits[i].what) && strstr(why, rig_file) &&
			  strstr(why, "remove it") && !strchr(why, '\n')))
			printf("     %s\n", why);
		T_EQ(tacho_ledger_open(&ledger, rig_file, world, &owner, &undone, why, sizeof(why)),
		     -EBADMSG);
		T_OK(cpus_are(actor.pid, &placing.cpus));
		T_EQ(access(rig_file, F_OK), 0);
	}
	/* and the good one still is */
	file_write(good, size);
	T_EQ(restore(), 0);
	T_EQ(undone, 1);
	T_OK(cpus_are(actor.pid, &before));
	rig_close();
	actor_end(&actor);
}

T_CASE(another_boot_and_nothing_at_all)
{
	static char bytes[1 << 20];
	struct actor actor = actor_start();
	struct placing placing = { actor.pid, cpu_nr(actor.pid, 0) };
	struct tacho_ledger *ledger;
	size_t size;

	rig_open();
	process_end(owner_start(place, &placing, world, false, NULL));
	size = file_read(bytes, sizeof(bytes));
	bytes[40] ^= 1;
	file_write(bytes, size);
	ledger = ledger_of(world);
	T_EQ(undone, 0);
	T_OK(cpus_are(actor.pid, &placing.cpus));
	tacho_ledger_close(ledger);
	file_write(bytes, size);
	T_EQ(restore(), -ENOENT);
	T_OK(access(rig_file, F_OK) != 0);
	/* of one who died before he wrote anything */
	memset(bytes, 0, sizeof(bytes));
	for (size = 0; size <= 4096; size += 1024) {
		file_write(bytes, size);
		ledger = ledger_of(world);
		T_EQ(undone, 0);
		tacho_ledger_close(ledger);
	}
	rig_close();
	actor_end(&actor);
}

/* He has lost his lock, and lives. */
T_CASE(an_owner_that_lives_is_one)
{
	static char bytes[1 << 20];
	struct actor actor = actor_start();
	struct placing placing = { actor.pid, cpu_nr(actor.pid, 0) };
	size_t size;
	int pid;

	rig_open();
	pid = owner_start(place, &placing, world, false, NULL);
	size = file_read(bytes, sizeof(bytes));
	/* another file in its place, which nobody has locked */
	unlink(rig_file);
	file_write(bytes, size);
	T_EQ(restore(), -EBUSY);
	T_EQ(owner, pid);
	T_OK(cpus_are(actor.pid, &placing.cpus));
	process_end(pid);
	T_EQ(restore(), 0);
	T_EQ(undone, 1);
	rig_close();
	actor_end(&actor);
}

T_CASE(files_that_are_not_ours)
{
	struct tacho_ledger *ledger = NULL;
	char other[128];

	rig_open();
	snprintf(other, sizeof(other), "%s/other", rig_dir);
	T_EQ(symlink(other, rig_file), 0);
	T_EQ(tacho_ledger_open(&ledger, rig_file, world, &owner, &undone, why, sizeof(why)),
	     -ELOOP);
	T_OK(strstr(why, rig_file) && !strchr(why, '\n'));
	T_OK(access(other, F_OK) != 0);
	unlink(rig_file);
	T_EQ(mkfifo(rig_file, 0600), 0);
	T_EQ(tacho_ledger_open(&ledger, rig_file, world, &owner, &undone, why, sizeof(why)),
	     -EPERM);
	T_OK(strstr(why, "no regular file") != NULL);
	unlink(rig_file);
	file_write("", 0);
	T_EQ(chmod(rig_file, 0666), 0);
	T_EQ(restore(), -EPERM);
	T_OK(strstr(why, "written by others") != NULL);
	unlink(rig_file);
	/* a directory is made, but not two of them, and not where a file is */
	T_EQ(tacho_ledger_restore("/nonexistent/x/state", world, &owner, &undone, why, sizeof(why)),
	     -ENOENT);
	T_EQ(tacho_ledger_open(&ledger, "/proc/x/state", world, &owner, &undone, why, sizeof(why)),
	     -ENOENT);
	T_OK(strstr(why, "/proc/x: cannot be made") != NULL);
	snprintf(other, sizeof(other), "%s/made/state", rig_dir);
	T_EQ(tacho_ledger_open(&ledger, other, world, &owner, &undone, why, sizeof(why)), 0);
	tacho_ledger_close(ledger);
	T_OK(access(other, F_OK) != 0);
	*strrchr(other, '/') = '\0';
	T_EQ(rmdir(other), 0);
	rig_close();
}

/*
 * --- a world in which processors go ------------------------------------------------------------
 */

#define ALONE 77

static struct {
	struct tacho_world_task task;
	uint64_t allowed, possible, user; /* user: the last one that was asked for */
} fake;

static int fake_task(void *arg, int tid, struct tacho_world_task *task)
{
	(void)arg;
	*task = fake.task;
	return tid == ALONE ? 0 : -ESRCH;
}

static int fake_numbers(void *arg, int **tids, size_t *nr)
{
	(void)arg;
	*tids = calloc(1, sizeof(int));
	**tids = ALONE;
	*nr = 1;
	return 0;
}

static int fake_threads(void *arg, int pid, int **tids, size_t *nr)
{
	return pid == ALONE ? fake_numbers(arg, tids, nr) : -ESRCH;
}

static int fake_allowed(void *arg, int tid, struct tacho_cpus *cpus)
{
	(void)arg;
	(void)tid;
	memset(cpus, 0, sizeof(*cpus));
	cpus->bits[0] = fake.allowed;
	return 0;
}

static int fake_affinity(void *arg, int tid, uint64_t start, const struct tacho_cpus *cpus,
			 struct tacho_cpus *now)
{
	(void)arg;
	(void)tid;
	(void)start;
	if (!(cpus->bits[0] & fake.allowed))
		return -EINVAL;
	fake.user = cpus->bits[0];
	fake.task.cpus.bits[0] = cpus->bits[0] & fake.possible;
	if (now)
		*now = fake.task.cpus;
	return 0;
}

static const struct tacho_world going = {
	.task = fake_task,
	.threads = fake_threads,
	.processes = fake_numbers,
	.allowed = fake_allowed,
	.affinity = fake_affinity,
};

/* A task as it was, placed on CPU 1; then the world changes. What it has after the end. */
static uint64_t after(uint64_t before, uint64_t placed, uint64_t allowed, uint64_t now)
{
	const struct tacho_cpus cpus = { { placed } };
	struct tacho_ledger *ledger;

	memset(&fake, 0, sizeof(fake));
	fake.task.tid = fake.task.pid = ALONE;
	fake.task.start = 1000;
	fake.task.cpus.bits[0] = before;
	fake.allowed = fake.possible = 0xf;
	rig_open();
	ledger = ledger_of(&going);
	T_EQ(tacho_ledger_cpus(ledger, ALONE, &cpus, NULL), 0);
	T_EQ(fake.task.cpus.bits[0], placed);
	fake.allowed = allowed;
	fake.task.cpus.bits[0] = now;
	tacho_ledger_close(ledger);
	rig_close();
	return fake.task.cpus.bits[0];
}

T_CASE(processors_that_go)
{
	/* nothing happened */
	T_EQ(after(0xf, 0x2, 0xf, 0x2), 0xf);
	T_EQ(after(0xc, 0x2, 0xf, 0x2), 0xc);
	/* CPU 1 went: the kernel took all that there are, or all that could be */
	T_EQ(after(0xc, 0x2, 0xd, 0xd), 0xc);
	T_EQ(after(0xc, 0x2, 0xd, 0xf), 0xc);
	T_EQ(after(0xf, 0x2, 0xd, 0xf), 0xf);
	/* one of two went */
	T_EQ(after(0xc, 0x3, 0xd, 0x1), 0xc);
	/* the user chose meanwhile: before and after it went */
	T_EQ(after(0xc, 0x2, 0xf, 0x8), 0x8);
	T_EQ(after(0xc, 0x2, 0xd, 0x8), 0x8);
	/* what it had is gone too: what is left is the kernel's choice */
	T_EQ(after(0xc, 0x2, 0x3, 0x2), 0xf);
	/* who was free is free of what has come since */
	T_EQ(after(0xf, 0x2, 0x3, 0x2), 0xf);
	T_EQ(fake.user, UINT64_MAX);
	T_EQ(after(0xc, 0x2, 0xf, 0x2), 0xc);
	T_EQ(fake.user, 0xc);
}

T_MAIN
