// SPDX-License-Identifier: BSD-2-Clause
/*
 * procs.c: reading tasks from /proc, or from a tree that looks like it.
 *
 * Owns the formats of stat, status, cgroup, cmdline, syscall and of the links in fd. Must not keep
 * anything, and believes no length and no byte that it reads. Everything is read below
 * PID/task/TID, never below PID: that is there when the main thread has ended and others live on,
 * and stat there does not add up the times of ten thousand threads. Called by binder.c.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"
#include "procs.h"

#define FLAG_EXITING 0x00000004u /* PF_EXITING: set before task.exit is logged, earlier than a Z */
#define FLAG_KTHREAD 0x00200000u
#define KVM_RUN_CALL 0xae80u /* request of ioctl; the same on every architecture */
#define MAX_FDS	     1024 /* looked through: a hypervisor opens KVM before it serves anybody */

/* --- text ------------------------------------------------------------------------------------- */

/* Copy len bytes, cut to what fits, and make them printable. */
static void text_take(char *to, size_t size, const char *from, size_t len)
{
	if (len >= size)
		len = size - 1;
	memcpy(to, from, len);
	memset(to + len, 0, size - len);
	(void)tacho_i_text_check(to, size); /* it ends within size */
}

/*
 * "tid (comm) state ppid ... flags ... starttime ...": comm holds any bytes, also ") R 1"; but behind
 * it there are numbers only, so the last parenthesis is its end.
 */
int tacho_proc_parse_stat(struct tacho_proc *proc, const char *text)
{
	const char *open = strchr(text, '('), *end = strrchr(text, ')');
	unsigned long long start;
	unsigned flags;
	char state;
	int ppid;

	if (!open || !end || end < open)
		return -EPROTO;
	if (sscanf(end + 1,
		   " %c %d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		   &state, &ppid, &flags, &start) != 4 ||
	    ppid < 0)
		return -EPROTO;
	text_take(proc->comm, sizeof(proc->comm), open + 1, (size_t)(end - open - 1));
	proc->ppid = ppid;
	proc->start = start;
	proc->is_kernel = flags & FLAG_KTHREAD;
	proc->is_dead = (flags & FLAG_EXITING) || state == 'Z' || state == 'X' || state == 'x';
	return 0;
}

/* The kernel escapes newlines in Name, so no command name can forge this line. */
int tacho_proc_parse_status(struct tacho_proc *proc, const char *text)
{
	const char *line = strstr(text, "\nUid:");
	unsigned effective;

	if (!line || sscanf(line + 5, "%*u %u", &effective) != 1)
		return -EPROTO;
	proc->uid = effective;
	return 0;
}

/* Where a path continues behind its first component. */
static const char *component_next(const char *path)
{
	path += strcspn(path, "/");
	return path + strspn(path, "/");
}

static bool has_suffix(const char *text, size_t len, const char *suffix)
{
	size_t tail = strlen(suffix);

	return len > tail && memcmp(text + len - tail, suffix, tail) == 0;
}

static bool is_unit(const char *text, size_t len)
{
	return has_suffix(text, len, ".service") || has_suffix(text, len, ".scope") ||
	       has_suffix(text, len, ".socket") || has_suffix(text, len, ".mount") ||
	       has_suffix(text, len, ".swap");
}

/*
 * The unit that a cgroup belongs to: the first component that is one, slices come before it and its
 * own subgroups behind it. A user's manager (user@1000.service) has units of its own inside.
 */
static void unit_find(char *unit, size_t size, const char *path)
{
	size_t len;

	unit[0] = '\0';
	for (path += strspn(path, "/"); *path; path = component_next(path)) {
		len = strcspn(path, "/");
		if (!is_unit(path, len))
			continue;
		if (*path == '_') /* systemd's escape for names that the kernel uses itself */
			text_take(unit, size, path + 1, len - 1);
		else
			text_take(unit, size, path, len);
		if (strncmp(unit, "user@", 5) != 0)
			return;
	}
}

/*
 * Lines "number:controllers:path". The unified hierarchy is 0 with no controllers. Where it is only
 * mounted beside the old ones everybody is in its root: then the line of systemd counts, then any
 * other that says more than "/".
 */
int tacho_proc_parse_cgroup(struct tacho_proc *proc, const char *text)
{
	const char *line, *names, *path, *best = NULL;
	size_t len, best_len = 0;
	int rank, best_rank = -1;

	for (line = text; *line; line = path + len + (path[len] == '\n')) {
		names = line + strcspn(line, ":\n");
		path = *names == ':' ? names + 1 + strcspn(names + 1, ":\n") : names;
		if (*path == ':')
			path++;
		len = strcspn(path, "\n");
		if (*path != '/')
			continue;
		rank = strncmp(line, "0::", 3) == 0		   ? 3
		       : strncmp(names, ":name=systemd:", 14) == 0 ? 2
								   : 1;
		if (len == 1)
			rank = 0;
		if (rank > best_rank) {
			best = path;
			best_len = len;
			best_rank = rank;
		}
	}
	if (!best)
		return -EPROTO;
	if (has_suffix(best, best_len, " (deleted)"))
		best_len -= strlen(" (deleted)");
	text_take(proc->cgroup, sizeof(proc->cgroup), best, best_len);
	unit_find(proc->unit, sizeof(proc->unit), proc->cgroup);
	return 0;
}

/* QEMU's "-name web,process=x" or "guest=web": a comma inside the name is written twice. */
static bool name_take(char vm[64], const char *text)
{
	char name[256];
	size_t len;

	while (*text) {
		for (len = 0; *text && len < sizeof(name) - 1; text++) {
			if (*text == ',' && *++text != ',')
				break;
			name[len++] = *text;
		}
		name[len] = '\0';
		if (strncmp(name, "guest=", 6) == 0) {
			text_take(vm, 64, name + 6, len - 6);
			return vm[0];
		}
		if (len && !strchr(name, '=')) {
			text_take(vm, 64, name, len);
			return true;
		}
		if (len == sizeof(name) - 1)
			return false; /* no name is that long */
	}
	return false;
}

/* Arguments end with a zero each. --name also is kvmtool's and crosvm's, --id Firecracker's. */
bool tacho_proc_parse_cmdline(char vm[64], const char *text, size_t len)
{
	static const char *const options[] = { "-name", "--name", "--id" };
	const char *end = text + len, *argument, *value;
	size_t i, size;

	for (argument = text; argument < end; argument += strnlen(argument, end - argument) + 1) {
		size = strnlen(argument, (size_t)(end - argument));
		if (argument + size == end)
			break; /* the last one was cut off */
		for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
			if (strncmp(argument, options[i], strlen(options[i])) != 0)
				continue;
			value = argument + strlen(options[i]);
			if (*value == '=')
				value++;
			else if (*value == '\0')
				value++; /* the next argument */
			else
				continue;
			if (value < end && memchr(value, '\0', (size_t)(end - value)) &&
			    name_take(vm, value))
				return true;
		}
	}
	return false;
}

/* --- files ------------------------------------------------------------------------------------ */

/* A file of a task, zero-terminated. Returns its length, cut to size - 1, or -errno. */
static ssize_t file_read(const char *root, int pid, int tid, const char *name, char *text,
			 size_t size)
{
	char path[512];
	ssize_t len, got = 0;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%d/task/%d/%s", root, pid, tid, name) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	do {
		len = read(fd, text + got, size - 1 - (size_t)got);
		got += len > 0 ? len : 0;
	} while (len > 0 && got < (ssize_t)size - 1);
	len = len < 0 ? -errno : got;
	close(fd);
	text[got] = '\0';
	return len;
}

int tacho_procs_read(const char *root, int pid, int tid, unsigned what, struct tacho_proc *proc)
{
	char text[16384]; /* of cgroup: a dozen paths */
	ssize_t len;
	int error;

	memset(proc, 0, sizeof(*proc));
	proc->pid = pid;
	proc->tid = tid;
	len = file_read(root, pid, tid, "stat", text, 4096);
	error = len < 0 ? (int)len : tacho_proc_parse_stat(proc, text);
	if (!error && what & TACHO_PROC_UID) {
		len = file_read(root, pid, tid, "status", text, 4096);
		error = len < 0 ? (int)len : tacho_proc_parse_status(proc, text);
	}
	if (!error && what & TACHO_PROC_CGROUP) {
		len = file_read(root, pid, tid, "cgroup", text, sizeof(text));
		/* a kernel without cgroups: everybody is in the root */
		if (len == -ESRCH || len == 0)
			strcpy(proc->cgroup, "/");
		else
			error = len < 0 ? (int)len : tacho_proc_parse_cgroup(proc, text);
	}
	return error;
}

void tacho_ids_fini(struct tacho_ids *ids)
{
	free(ids->id);
	*ids = (struct tacho_ids){ 0 };
}

static int ids_add(struct tacho_ids *ids, int id)
{
	size_t size = ids->size ? ids->size * 2 : 256;
	int *grown;

	if (ids->nr == ids->size) {
		grown = realloc(ids->id, size * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		ids->id = grown;
		ids->size = size;
	}
	ids->id[ids->nr++] = id;
	return 0;
}

static int id_compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

int tacho_procs_list(const char *root, int pid, struct tacho_ids *ids)
{
	struct dirent *entry;
	char path[512];
	int error = 0;
	long number;
	char *end;
	DIR *dir;

	ids->nr = 0;
	snprintf(path, sizeof(path), pid ? "%s/%d/task" : "%s", root, pid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT && pid ? -ESRCH : -errno;
	while (!error && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		number = strtol(entry->d_name, &end, 10);
		if (*end == '\0' && number > 0 && number <= INT32_MAX)
			error = ids_add(ids, (int)number);
	}
	closedir(dir);
	if (ids->nr)
		qsort(ids->id, ids->nr, sizeof(*ids->id), id_compare);
	return error;
}

/* --- virtual machines --------------------------------------------------------------------------- */

static bool holds_kvm(const char *root, int pid, int tid)
{
	char path[512], link[32];
	struct dirent *entry;
	bool found = false;
	int left = MAX_FDS;
	ssize_t len;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%d/task/%d/fd", root, pid, tid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && left-- > 0 && (entry = readdir(dir))) {
		len = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
		if (len <= 0)
			continue;
		link[len] = '\0';
		found = strcmp(link, "anon_inode:kvm-vm") == 0 ||
			strncmp(link, "anon_inode:kvm-vcpu:", 20) == 0;
	}
	closedir(dir);
	return found;
}

bool tacho_procs_vm(const char *root, int pid, int tid, const char *comm, char vm[64])
{
	char text[65536]; /* a long command line of QEMU has some thousand bytes */
	ssize_t len;

	if (!holds_kvm(root, pid, tid))
		return false;
	len = file_read(root, pid, tid, "cmdline", text, sizeof(text));
	if (len <= 0 || !tacho_proc_parse_cmdline(vm, text, (size_t)len))
		snprintf(vm, 64, "%.48s-%d", comm, pid);
	return true;
}

enum tacho_vm_role tacho_procs_role(const char *root, int pid, int tid, const char *comm)
{
	/* QEMU, cloud-hypervisor, Firecracker, crosvm, kvmtool */
	static const char *const vcpus[] = { "CPU [0-9]*/KVM", "vcpu[0-9]*", "fc_vcpu*",
					     "crosvm_vcpu*", "kvm-vcpu-*" };
	unsigned long long request;
	char text[256];
	long call;
	size_t i;

	for (i = 0; i < sizeof(vcpus) / sizeof(vcpus[0]); i++)
		if (fnmatch(vcpus[i], comm, 0) == 0)
			return TACHO_VM_VCPU;
	if (strncmp(comm, "vhost-", 6) == 0)
		return TACHO_VM_VHOST;
	/* says "running", and nothing else, of a thread that has a CPU at the moment */
	if (file_read(root, pid, tid, "syscall", text, sizeof(text)) > 0 &&
	    sscanf(text, "%ld %*x %llx", &call, &request) == 2 && call == SYS_ioctl &&
	    request == KVM_RUN_CALL)
		return TACHO_VM_VCPU;
	return TACHO_VM_IO;
}

int tacho_procs_owner(const char *comm)
{
	int owner;

	if (sscanf(comm, "vhost-%d", &owner) != 1 && sscanf(comm, "kvm-pit/%d", &owner) != 1)
		return 0;
	return owner > 0 ? owner : 0;
}

void tacho_procs_user(uint32_t uid, char *name, size_t size)
{
	struct passwd entry, *found = NULL;
	char text[4096];

	if (getpwuid_r(uid, &entry, text, sizeof(text), &found) == 0 && found)
		text_take(name, size, entry.pw_name, strlen(entry.pw_name));
	else
		snprintf(name, size, "uid %u", uid);
}
