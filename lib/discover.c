/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * discover.c: which components there are, and who listens for a process.
 *
 * Owns the addresses at which components listen, the visits to other network namespaces, and what
 * /proc says about the processes behind them. It hands out pids and one fresh connection; it must
 * not send or receive over it, and believes nothing that an address says: what is said over a
 * connection belongs to session.c, which is also asked for the names of components.
 *
 * A component is found by the abstract addresses that listen in a network namespace. A name alone
 * proves nothing, anybody can bind it: the kernel's word about the peer (SO_PEERCRED) decides. It
 * also translates pids: a component inside a pid namespace knows itself by another number than we.
 *
 * Called by everything in cmd/ that looks for components, and by session.c; any thread.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <tacho/session.h>

#include "internal.h"
#include "protocol.h"

#define PROBE_MS 100 /* for room in the queue of a listener, when only looking around */

/* --- addresses ------------------------------------------------------------------------------ */

/* One address at which a component may listen, and who was found there. */
struct probe {
	int number; /* the pid in the address: as the component sees itself */
	int suffix; /* 0: none */
	int pid; /* of the listener as we see it; 0: not visible */
	uid_t uid;
	int sock; /* kept for the caller, or -1 */
	int error; /* of connect, -errno */
};

struct probes {
	struct probe *probe;
	size_t nr;
	int ns_fd; /* network namespace in which to look, or -1: ours */
	int want_pid; /* keep the connection to this one and stop; 0: keep none */
	int wait_ms;
	int error; /* of entering the namespace */
};

static void probe_connect(struct probe *probe, int wait_ms)
{
	struct timeval limit = { wait_ms / 1000, wait_ms % 1000 * 1000 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct ucred cred;
	socklen_t size = sizeof(cred);
	int len;

	probe->pid = 0;
	probe->sock = -1;
	probe->error = 0;
	if (probe->suffix)
		len = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
			       TACHO_ADDRESS "/%d", probe->number, probe->suffix);
	else
		len = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, TACHO_ADDRESS,
			       probe->number);
	len += (int)offsetof(struct sockaddr_un, sun_path) + 1;
	probe->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (probe->sock < 0) {
		probe->error = -errno;
		return;
	}
	/* the time limit for sending is also the one for a listener whose queue is full */
	if (setsockopt(probe->sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
	    connect(probe->sock, (struct sockaddr *)&address, (socklen_t)len) < 0 ||
	    getsockopt(probe->sock, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0) {
		probe->error = -errno;
		close(probe->sock);
		probe->sock = -1;
		return;
	}
	probe->pid = cred.pid;
	probe->uid = cred.uid;
}

static void *probes_connect(void *arg)
{
	struct probes *probes = arg;
	struct probe *probe;
	size_t i;

	if (probes->ns_fd >= 0 && setns(probes->ns_fd, CLONE_NEWNET) < 0) {
		probes->error = -errno;
		return NULL;
	}
	for (i = 0; i < probes->nr; i++) {
		probe = &probes->probe[i];
		probe_connect(probe, probes->wait_ms);
		if (probe->sock < 0)
			continue;
		if (probes->want_pid && probe->pid == probes->want_pid)
			return NULL;
		close(probe->sock);
		probe->sock = -1;
	}
	return NULL;
}

/*
 * Connect to all of them. setns changes the namespace of the calling thread only and there is no
 * safe way back, so another namespace is visited by a thread that ends there. (A thread and not a
 * process: the component then sees our pid at the other end, and the program that we are part of
 * does not find a child that it never made.)
 */
static int probes_run(struct probes *probes)
{
	sigset_t all, old;
	pthread_t thread;
	int error;

	probes->error = 0;
	if (probes->ns_fd < 0) {
		probes_connect(probes);
		return 0;
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&thread, NULL, probes_connect, probes);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error)
		return -error;
	pthread_join(thread, NULL);
	return probes->error;
}

/* "@tacho/PID" or "@tacho/PID/n", and nothing behind it. */
static bool address_parse(const char *text, struct probe *probe)
{
	unsigned long number;
	char *end;

	if (strncmp(text, "@tacho/", 7) != 0 || !isdigit((unsigned char)text[7]))
		return false;
	errno = 0;
	number = strtoul(text + 7, &end, 10);
	if (errno || number == 0 || number > INT32_MAX)
		return false;
	probe->number = (int)number;
	probe->suffix = 0;
	if (*end == '/') {
		if (end[1] < '1' || end[1] >= '0' + TACHO_ADDRESSES)
			return false;
		probe->suffix = end[1] - '0';
		end += 2;
	}
	return *end == '\0';
}

/* The addresses that listen in the network namespace of process pid (0: ours); free() the array. */
static int probes_find(struct probes *probes, int pid)
{
	struct probe probe = { .sock = -1 }, *grown;
	char path[64], name[128], *line = NULL;
	unsigned flags, type;
	size_t size = 0;
	int error = 0;
	FILE *file;

	snprintf(path, sizeof(path), pid ? "/proc/%d/net/unix" : "/proc/self/net/unix", pid);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (getline(&line, &size, file) > 0) {
		/* accepted connections carry the address too, only a listener has the flag */
		if (sscanf(line, "%*s %*s %*s %x %x %*s %*s %127s", &flags, &type, name) != 3 ||
		    type != SOCK_SEQPACKET || !(flags & 0x10000) || !address_parse(name, &probe))
			continue;
		grown = realloc(probes->probe, (probes->nr + 1) * sizeof(probe));
		if (!grown) {
			error = -ENOMEM;
			break;
		}
		probes->probe = grown;
		probes->probe[probes->nr++] = probe;
	}
	free(line);
	fclose(file);
	return error;
}

/* --- processes ------------------------------------------------------------------------------ */

/* What process pid calls itself, in the innermost pid namespace. 0: there is no such process. */
static int own_pid_of(int pid)
{
	char path[64], *line = NULL, *last;
	size_t size = 0;
	int own = pid;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (getline(&line, &size, file) > 0) {
		if (strncmp(line, "NSpid:", 6) != 0)
			continue;
		last = strrchr(line, '\t');
		if (last && atoi(last + 1) > 0)
			own = atoi(last + 1);
		break;
	}
	free(line);
	fclose(file);
	return own;
}

/* Identity of the network namespace of pid (0: ours); false if it may not be known. */
static bool netns_of(int pid, dev_t *dev, ino_t *ino)
{
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), pid ? "/proc/%d/ns/net" : "/proc/thread-self/ns/net", pid);
	if (stat(path, &st) < 0)
		return false;
	*dev = st.st_dev;
	*ino = st.st_ino;
	return true;
}

/* A file descriptor of the network namespace of pid, -1 if it is ours, or -errno. */
static int netns_open(int pid, int *ns_fd)
{
	dev_t dev, own_dev;
	ino_t ino, own_ino;
	char path[64];

	*ns_fd = -1;
	/* what may not be known cannot be entered either */
	if (!netns_of(0, &own_dev, &own_ino) || !netns_of(pid, &dev, &ino) ||
	    (dev == own_dev && ino == own_ino))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	*ns_fd = open(path, O_RDONLY | O_CLOEXEC);
	return *ns_fd < 0 ? -errno : 0;
}

/* Whether a process goes by that name: the first word of its command line, or its comm. */
static bool name_is(int pid, const char *name)
{
	static const char *const files[] = { "/proc/%d/cmdline", "/proc/%d/comm" };
	char path[64], text[4096], *base;
	ssize_t len;
	size_t i;
	int fd;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), i == 0 ? files[0] : files[1], pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		len = read(fd, text, sizeof(text) - 1);
		close(fd);
		if (len <= 0)
			continue;
		text[len] = '\0';
		text[strcspn(text, "\n")] = '\0';
		base = strrchr(text, '/');
		if (strcmp(base ? base + 1 : text, name) == 0)
			return true;
	}
	return false;
}

/* --- lists ---------------------------------------------------------------------------------- */

struct pids {
	int *pid;
	size_t nr;
};

static int pids_add(struct pids *pids, int pid)
{
	int *grown;
	size_t i;

	for (i = 0; i < pids->nr && pids->pid[i] != pid; i++)
		;
	if (i < pids->nr)
		return 0;
	grown = realloc(pids->pid, (pids->nr + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	pids->pid = grown;
	pids->pid[pids->nr++] = pid;
	return 0;
}

/* Add the components of one network namespace: of process pid, or ours (0). */
static int pids_add_netns(struct pids *pids, int pid)
{
	struct probes probes = { .ns_fd = -1, .wait_ms = PROBE_MS };
	const struct probe *probe;
	int error;
	size_t i;

	error = probes_find(&probes, pid);
	if (error || probes.nr == 0)
		goto out;
	if (pid)
		error = netns_open(pid, &probes.ns_fd);
	if (!error)
		error = probes_run(&probes);
	for (i = 0; i < probes.nr && !error; i++) {
		probe = &probes.probe[i];
		/* its queue is full, which is no reason to hide it */
		if (probe->error == -EAGAIN && own_pid_of(probe->number) == probe->number)
			error = pids_add(pids, probe->number);
		else if (probe->pid > 0 && own_pid_of(probe->pid) == probe->number &&
			 (geteuid() == 0 || geteuid() == probe->uid))
			error = pids_add(pids, probe->pid);
	}
out:
	if (probes.ns_fd >= 0)
		close(probes.ns_fd);
	free(probes.probe);
	return error;
}

struct netns {
	dev_t dev;
	ino_t ino;
};

struct netns_list {
	struct netns *ns;
	size_t nr;
};

/* 1: it was not in the list, and is now. */
static int netns_add(struct netns_list *list, const struct netns *ns)
{
	struct netns *grown;
	size_t i;

	for (i = 0; i < list->nr; i++)
		if (list->ns[i].dev == ns->dev && list->ns[i].ino == ns->ino)
			return 0;
	grown = realloc(list->ns, (list->nr + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	list->ns = grown;
	list->ns[list->nr++] = *ns;
	return 1;
}

/* Visit every other network namespace, by way of the first process that lives there. */
static int pids_add_others(struct pids *pids)
{
	struct netns_list seen = { NULL, 0 };
	struct dirent *entry;
	struct netns ns;
	int error = 0, pid;
	DIR *dir;

	dir = opendir("/proc");
	if (!dir)
		return -errno;
	if (!netns_of(0, &ns.dev, &ns.ino))
		goto out;
	error = netns_add(&seen, &ns);
	while (error >= 0 && (entry = readdir(dir))) {
		pid = atoi(entry->d_name);
		if (pid <= 0 || !netns_of(pid, &ns.dev, &ns.ino))
			continue;
		error = netns_add(&seen, &ns);
		/* its process has just ended, or it may not be entered: left out */
		if (error == 1 && pids_add_netns(pids, pid) == -ENOMEM)
			error = -ENOMEM;
	}
out:
	free(seen.ns);
	closedir(dir);
	return error < 0 ? error : 0;
}

static int pid_compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

TACHO_EXPORT int tacho_target_list(int **out_pids, size_t *nr)
{
	struct pids pids = { NULL, 0 };
	int error;

	*out_pids = NULL;
	*nr = 0;
	error = pids_add_netns(&pids, 0);
	if (!error && geteuid() == 0)
		error = pids_add_others(&pids);
	if (error) {
		free(pids.pid);
		return error;
	}
	if (pids.nr)
		qsort(pids.pid, pids.nr, sizeof(*pids.pid), pid_compare);
	*out_pids = pids.pid;
	*nr = pids.nr;
	return 0;
}

/* Whether the component says that this is its name. */
static bool says_name(int pid, const char *name)
{
	struct tacho_target *target;
	bool same;

	if (tacho_target_open(&target, pid, NULL, 0))
		return false;
	same = strcmp(target->name, name) == 0;
	tacho_target_close(target);
	return same;
}

TACHO_EXPORT int tacho_target_find(const char *what, int **out_pids, size_t *nr)
{
	bool (*const same[])(int pid, const char *name) = { name_is, says_name };
	size_t all, how, i;
	int error;

	*out_pids = NULL;
	*nr = 0;
	if (what[0] && strspn(what, "0123456789") == strlen(what) && strlen(what) < 10 &&
	    own_pid_of(atoi(what))) {
		*out_pids = malloc(sizeof(**out_pids));
		if (!*out_pids)
			return -ENOMEM;
		**out_pids = atoi(what);
		*nr = 1;
		return 0;
	}
	error = tacho_target_list(out_pids, &all);
	/* asking every component takes long if one of them is stuck: only when the kernel knows none */
	for (how = 0; how < 2 && !error && *nr == 0; how++)
		for (i = 0; i < all; i++)
			if (same[how]((*out_pids)[i], what))
				(*out_pids)[(*nr)++] = (*out_pids)[i];
	return error;
}

/* --- one process ---------------------------------------------------------------------------- */

int tacho_i_listener_open(struct tacho_i_listener *listener, int pid, int wait_ms)
{
	struct probe probe[TACHO_ADDRESSES] = { { 0 } };
	struct probes probes = {
		.probe = probe,
		.nr = TACHO_ADDRESSES,
		.want_pid = pid,
		.wait_ms = wait_ms,
	};
	int error, i;

	*listener = (struct tacho_i_listener){ .sock = -1 };
	listener->own_pid = pid > 0 ? own_pid_of(pid) : 0;
	if (listener->own_pid == 0)
		return -ESRCH;
	for (i = 0; i < TACHO_ADDRESSES; i++) {
		probe[i].number = listener->own_pid;
		probe[i].suffix = i;
		probe[i].sock = -1;
	}
	error = netns_open(pid, &probes.ns_fd);
	if (!error)
		error = probes_run(&probes);
	if (probes.ns_fd >= 0)
		close(probes.ns_fd);
	if (error)
		return error;
	for (i = 0; i < TACHO_ADDRESSES; i++) {
		if (probe[i].sock >= 0) {
			listener->sock = probe[i].sock;
			listener->uid = probe[i].uid;
			break;
		}
		if (probe[i].error == -EAGAIN)
			listener->is_full = true;
	}
	return 0;
}
