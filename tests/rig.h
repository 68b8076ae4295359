/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rig.h: what a test needs around a component: a session, a program that obeys, its text, its maps.
 *
 * Everything is bounded in time, everything that was started is ended by rig_end(), by pid.
 * Failures are told through t.h; functions that can fail return 0 then, 1 otherwise.
 */
#ifndef TACHO_TESTS_RIG_H
#define TACHO_TESTS_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tacho/session.h>
#include <tacho/validate.h>

#include "protocol.h"
#include "t.h"

#define RIG_UNUSED __attribute__((unused))
#define RIG_MS	   20000 /* nothing that is waited for takes as long, sanitizers or not */

/* All entries and time: 32 bytes. */
#define RIG_FULL (TACHO_ENTRIES_ALL | TACHO_CLOCK_TIME)

/* --- sessions ------------------------------------------------------------------------------- */

struct rig_session {
	struct tacho_memory memory;
	struct tacho_target *target;
};

RIG_UNUSED static void rig_close(struct rig_session *s)
{
	if (s->target)
		tacho_target_close(s->target);
	if (s->memory.base)
		tacho_memory_destroy(&s->memory);
	memset(s, 0, sizeof(*s));
}

/* Attach to pid, with an area of those options (NULL: the defaults). Returns 0 or -errno. */
RIG_UNUSED static int rig_attach(struct rig_session *s, int pid,
				 const struct tacho_area_options *options)
{
	static const struct tacho_area_options defaults;
	struct tacho_area_options o = options ? *options : defaults;
	char why[200] = "";
	int error;

	memset(s, 0, sizeof(*s));
	error = tacho_target_open(&s->target, pid, why, sizeof(why));
	if (error) {
		printf("     pid %d: %s\n", pid, why);
		s->target = NULL;
		return error;
	}
	o.pid = (uint32_t)pid;
	o.clock_source = s->target->clock_source;
	if (o.nr_events < s->target->nr_events)
		o.nr_events = s->target->nr_events + 16;
	error = tacho_memory_create(&s->memory, &o);
	if (!error)
		error = tacho_target_attach(s->target, &s->memory);
	if (error) {
		printf("     pid %d: %s %s\n", pid, tacho_target_error(s->target),
		       s->memory.notice);
		rig_close(s);
	}
	return error;
}

RIG_UNUSED static int rig_open(struct rig_session *s, int pid,
			       const struct tacho_area_options *options)
{
	return T_EQ(rig_attach(s, pid, options), 0);
}

RIG_UNUSED static int rig_event(const struct rig_session *s, const char *name, uint32_t *id)
{
	size_t nr = tacho_target_match(s->target, name, id, 1);

	if (nr != 1)
		T_FAIL("%zu events are called %s", nr, name);
	return nr == 1;
}

/* A log of an event, for every domain, and the event is on. Returns its number, 0: failed. */
RIG_UNUSED static uint32_t rig_log(struct rig_session *s, const char *name, uint32_t layout,
				   uint32_t rows, uint32_t threshold)
{
	uint32_t id;
	int log, error;

	if (!rig_event(s, name, &id))
		return 0;
	log = tacho_memory_log_add(&s->memory, rows, layout, id, TACHO_NONE);
	if (log <= 0) {
		T_FAIL("no log for %s: %d", name, log);
		return 0;
	}
	error = tacho_memory_route(&s->memory, id, TACHO_NONE, (uint32_t)log, threshold);
	if (!error)
		error = tacho_target_enable(s->target, &id, 1);
	if (error)
		T_FAIL("%s is not enabled: %s", name, tacho_target_error(s->target));
	return error ? 0 : (uint32_t)log;
}

RIG_UNUSED static unsigned char *rig_part(const struct tacho_memory *memory, uint32_t cpu)
{
	const struct tacho_area *h = tacho_memory_header(memory);

	return memory->base + h->parts_off + cpu * h->part_stride;
}

RIG_UNUSED static struct tacho_control *rig_control(const struct tacho_memory *memory, uint32_t cpu,
						    uint32_t log)
{
	return (struct tacho_control *)(void *)(rig_part(memory, cpu) + TACHO_CONTROLS_OFF) + log;
}

/* Rows that were ever written into a log, of all CPUs. */
RIG_UNUSED static uint64_t rig_rows(const struct rig_session *s, uint32_t log)
{
	uint64_t rows = 0;

	for (uint32_t cpu = 0; cpu < tacho_memory_header(&s->memory)->nr_cpus; cpu++)
		rows += tacho_load_acquire(&rig_control(&s->memory, cpu, log)->pos);
	return rows;
}

/* Events that were lost, of all CPUs and for all reasons. */
RIG_UNUSED static uint64_t rig_lost(const struct rig_session *s)
{
	uint64_t lost = 0;

	for (uint32_t cpu = 0; cpu < tacho_memory_header(&s->memory)->nr_cpus; cpu++) {
		struct tacho_cpu *part = (struct tacho_cpu *)(void *)rig_part(&s->memory, cpu);

		for (int reason = 0; reason < TACHO_NR_LOST; reason++)
			lost += tacho_load_relaxed(&part->lost[reason]);
	}
	return lost;
}

RIG_UNUSED static int rig_finding(void *arg, enum tacho_severity severity, uint64_t off,
				  const char *text)
{
	(void)arg;
	printf("     validate: %s at %llu: %s\n", severity == TACHO_ERROR ? "error" : "warning",
	       (unsigned long long)off, text);
	return 0;
}

/* Nobody writes it any more and every promise holds. */
RIG_UNUSED static int rig_validate(const struct rig_session *s)
{
	struct tacho_validate validate = { .finding = rig_finding, .fd = s->memory.fd };
	int error = tacho_validate(&validate, s->memory.base, s->memory.size);

	return T_EQ(error, 0) && T_EQ(validate.nr_errors, 0);
}

/* --- the text and the maps of a process ------------------------------------------------------- */

struct rig_map {
	uintptr_t begin, end;
	uint64_t off;
	char perms[8];
	char path[512];
};

/* The next line of a maps file; 0 at the end. */
RIG_UNUSED static int rig_map_next(FILE *maps, struct rig_map *map)
{
	char line[1024];
	unsigned long long off;

	if (!fgets(line, sizeof(line), maps))
		return 0;
	map->path[0] = '\0';
	if (sscanf(line, "%lx-%lx %7s %llx %*s %*s %511[^\n]", &map->begin, &map->end, map->perms,
		   &off, map->path) < 4)
		return 0;
	map->off = off;
	return 1;
}

RIG_UNUSED static FILE *rig_proc(int pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return fopen(path, "re");
}

/* Mappings that can be written and executed. */
RIG_UNUSED static int rig_wx(int pid)
{
	FILE *maps = rig_proc(pid, "maps");
	struct rig_map map;
	int nr = 0;

	while (maps && rig_map_next(maps, &map))
		nr += strchr(map.perms, 'w') && strchr(map.perms, 'x');
	if (maps)
		fclose(maps);
	return maps ? nr : -1;
}

/* Areas that a process has mapped. */
RIG_UNUSED static int rig_areas(int pid)
{
	FILE *maps = rig_proc(pid, "maps");
	struct rig_map map;
	int nr = 0;

	while (maps && rig_map_next(maps, &map))
		nr += strstr(map.path, "memfd:tacho") != NULL;
	if (maps)
		fclose(maps);
	return maps ? nr : -1;
}

/* Bytes of one mapping of text that are not those of its file. */
RIG_UNUSED static long rig_map_diff(int mem, const struct rig_map *map)
{
	static unsigned char in_memory[65536], in_file[65536];
	int file = open(map->path, O_RDONLY | O_CLOEXEC);
	long differ = 0;

	if (file < 0)
		return 0;
	for (uintptr_t at = map->begin; at < map->end; at += sizeof(in_file)) {
		size_t len = map->end - at < sizeof(in_file) ? map->end - at : sizeof(in_file);
		ssize_t n = pread(file, in_file, len, (off_t)(map->off + at - map->begin));

		if (n <= 0 || pread(mem, in_memory, (size_t)n, (off_t)at) != n)
			break;
		for (ssize_t i = 0; i < n; i++)
			differ += in_memory[i] != in_file[i];
	}
	close(file);
	return differ;
}

/* Bytes of all text of a process, shared objects included, that are not those of the files. */
RIG_UNUSED static long rig_text_diff(int pid)
{
	FILE *maps = rig_proc(pid, "maps");
	struct rig_map map;
	long differ = 0;
	char path[64];
	int mem;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	while (maps && mem >= 0 && rig_map_next(maps, &map))
		if (strchr(map.perms, 'x') && map.path[0] == '/')
			differ += rig_map_diff(mem, &map);
	if (maps)
		fclose(maps);
	if (mem >= 0)
		close(mem);
	return maps && mem >= 0 ? differ : -1;
}

/* Wait until the text is that of the files and no area is mapped; the milliseconds it took, or -1. */
RIG_UNUSED static long rig_restored(int pid)
{
	uint64_t start = t_now_ns();

	for (;;) {
		long ms = (long)((t_now_ns() - start) / 1000000u);

		if (rig_areas(pid) == 0 && rig_text_diff(pid) == 0)
			return ms;
		if (ms > RIG_MS)
			return -1;
		usleep(1000);
	}
}

/* --- programs --------------------------------------------------------------------------------- */

/*
 * Where nobody else looks for components: other sessions on this machine would connect to those of
 * the test. Only for a process that is no component itself; without the privilege nothing changes.
 */
RIG_UNUSED static void rig_alone(void)
{
	if (unshare(CLONE_NEWNET) != 0)
		printf("     not in a network namespace of its own: %s\n", strerror(errno));
}

/* A program of tests/programs that obeys lines and answers each with one. */
struct rig_program {
	int pid;
	int in, out; /* -1: none */
};

/* Where the build put this test, and the programs beside it. */
RIG_UNUSED static const char *rig_path(char *path, size_t size, const char *name)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash)
		snprintf(slash + 1, size - (size_t)(slash + 1 - path), "%s", name);
	return path;
}

RIG_UNUSED static void rig_end(struct rig_program *p)
{
	if (p->in >= 0)
		close(p->in);
	if (p->out >= 0)
		close(p->out);
	if (p->pid > 0) {
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
	}
	*p = (struct rig_program){ 0, -1, -1 };
}

/* A line of the program, without its end; 0: it said nothing for long, or ended. */
RIG_UNUSED static int rig_hear(struct rig_program *p, char *line, size_t size)
{
	struct pollfd fd = { p->out, POLLIN, 0 };
	size_t n = 0;

	while (n + 1 < size) {
		if (poll(&fd, 1, RIG_MS) != 1 || read(p->out, line + n, 1) != 1) {
			line[n] = '\0';
			T_FAIL("the program says nothing more, last \"%s\"", line);
			return 0;
		}
		if (line[n] == '\n')
			break;
		n++;
	}
	line[n] = '\0';
	return 1;
}

/* Start it and wait for "ready". */
RIG_UNUSED static int rig_start(struct rig_program *p, const char *name)
{
	char path[1024], line[128];
	int in[2], out[2];

	*p = (struct rig_program){ 0, -1, -1 };
	rig_path(path, sizeof(path), name);
	if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
		return 0;
	fflush(stdout);
	p->pid = fork();
	if (p->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* what the sanitizers say about children of processes with threads is known */
		if (T_TSAN)
			setenv("TSAN_OPTIONS", "halt_on_error=1:die_after_fork=0", 1);
		if (T_ASAN)
			setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl(path, path, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	p->in = in[1];
	p->out = out[0];
	if (p->pid > 0 && rig_hear(p, line, sizeof(line)) && T_STREQ(line, "ready"))
		return 1;
	T_FAIL("%s does not start", name);
	rig_end(p);
	return 0;
}

/* Tell it to do something and hear the answer, a number behind "ok". */
__attribute__((format(printf, 3, 4))) RIG_UNUSED static int rig_ask(struct rig_program *p,
								    long long *answer,
								    const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	line[n] = '\n';
	if (!T_EQ(write(p->in, line, (size_t)n + 1), n + 1))
		return 0;
	line[n] = '\0';
	if (!rig_hear(p, line, sizeof(line)))
		return 0;
	*answer = 0;
	if (sscanf(line, "ok %lld", answer) == 1)
		return 1;
	T_FAIL("the program answers: %s", line);
	return 0;
}

/* The same, and the answer must be that number. */
#define RIG_DO(p, wanted, ...)                                                                     \
	do {                                                                                       \
		long long rig_answer;                                                              \
		T_NEED(rig_ask((p), &rig_answer, __VA_ARGS__));                                    \
		T_EQ(rig_answer, (wanted));                                                        \
	} while (0)

/* --- the bare socket -------------------------------------------------------------------------- */

/* Connect to the component that calls itself pid; -1 and errno: nobody listens. */
RIG_UNUSED static int rig_connect(int pid)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { RIG_MS / 1000, 0 };
	int fd, len;

	len = snprintf(address.sun_path + 1, 60, TACHO_ADDRESS, pid);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (fd >= 0 &&
	    connect(fd, (struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* One packet with nr descriptors. Returns 1 when it was sent. */
RIG_UNUSED static int rig_send(int sock, const void *bytes, size_t len, const int *fds, size_t nr)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(64 * sizeof(int))];
	} control;
	struct iovec iov = { (void *)(uintptr_t)bytes, len };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nr > 0) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(nr * sizeof(int));
		c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nr * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nr * sizeof(int));
	}
	return sendmsg(sock, &header, MSG_NOSIGNAL) == (ssize_t)len;
}

/* A whole message of a type with nr elements of 32 bits. */
RIG_UNUSED static int rig_message(int sock, int type, const uint32_t *ids, uint32_t nr,
				  const int *fds, size_t nr_fds)
{
	struct {
		struct tacho_message head;
		uint32_t ids[64];
	} m = { { TACHO_PROTOCOL_MAGIC, TACHO_PROTOCOL_VERSION, (uint16_t)type,
		  (uint32_t)(sizeof(m.head) + nr * sizeof(uint32_t)), nr },
		{ 0 } };

	if (nr > 0)
		memcpy(m.ids, ids, nr * sizeof(uint32_t));
	return rig_send(sock, &m, m.head.size, fds, nr_fds);
}

struct rig_reply {
	struct tacho_message head;
	struct tacho_message_reply body;
};

/* The next REPLY, others are skipped; 0: the connection was closed without one. */
RIG_UNUSED static int rig_reply(int sock, struct rig_reply *reply)
{
	static unsigned char packet[TACHO_PACKET] __attribute__((aligned(8)));

	for (;;) {
		ssize_t n = recv(sock, packet, sizeof(packet), 0);

		if (n < (ssize_t)sizeof(struct tacho_message))
			return 0;
		memcpy(reply, packet, (size_t)n < sizeof(*reply) ? (size_t)n : sizeof(*reply));
		if (reply->head.type == TACHO_MSG_REPLY)
			return n == (ssize_t)sizeof(*reply);
	}
}

/* The other side has closed the connection. */
RIG_UNUSED static int rig_closed(int sock)
{
	char byte;

	return recv(sock, &byte, 1, 0) <= 0 && errno != EAGAIN;
}

#endif
