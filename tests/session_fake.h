/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_fake.h: components that are made up: a child process that listens where a component would and
 * answers with what the case asks for: the truth, garbage, half a packet, nothing.
 */
#ifndef TACHO_TESTS_SESSION_FAKE_H
#define TACHO_TESTS_SESSION_FAKE_H

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tacho/session.h>

#include "protocol.h"
#include "t.h"

/* --- fakes ---------------------------------------------------------------------------------- */

struct fake {
	pid_t pid;
	void (*serve)(int conn, const struct fake *fake); /* one connection */
	int kind; /* for serve */
	int number; /* in the address; 0: its own pid */
	int suffix;
	int unshare; /* namespaces of its own */
	bool deaf; /* listens and takes no connection */
	uint64_t seed;
};

static inline int listen_at(int number, int suffix, int backlog)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, len;

	len = snprintf(address.sun_path + 1, 60, suffix ? TACHO_ADDRESS "/%d" : TACHO_ADDRESS,
		       number, suffix);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    bind(fd, (struct sockaddr *)&address,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) ||
	    listen(fd, backlog))
		return -1;
	return fd;
}

static inline void fake_child(const struct fake *fake, int ready)
{
	int fd, conn;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fake->unshare && unshare(fake->unshare))
		_exit(1);
	if (fake->unshare & CLONE_NEWPID && fork() > 0) {
		wait(NULL);
		_exit(0);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "t_fake");
	fd = listen_at(fake->number ? fake->number : getpid(), fake->suffix, fake->deaf ? 0 : 16);
	if (fd < 0 || write(ready, "", 1) != 1)
		_exit(1);
	for (;;) {
		if (fake->deaf)
			pause();
		conn = accept(fd, NULL, NULL);
		if (conn < 0)
			continue;
		fake->serve(conn, fake);
		close(conn);
	}
}

/* 0 if it could not be made (no privilege for its namespaces). */
static inline int fake_start(struct fake *fake)
{
	int ready[2];
	char byte;

	if (!T_OK(pipe(ready) == 0))
		return 0;
	fake->pid = fork();
	if (fake->pid == 0) {
		close(ready[0]);
		fake_child(fake, ready[1]);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1) {
		waitpid(fake->pid, NULL, 0);
		fake->pid = 0;
	}
	close(ready[0]);
	return fake->pid > 0;
}

static inline void fake_stop(struct fake *fake)
{
	if (fake->pid > 0) {
		kill(fake->pid, SIGKILL);
		waitpid(fake->pid, NULL, 0);
	}
	fake->pid = 0;
}

/* --- what a fake says ------------------------------------------------------------------------- */

struct packet {
	struct tacho_message head;
	union {
		struct tacho_message_info info;
		struct tacho_event_entry events[3];
		struct tacho_message_principal principals[2];
		struct tacho_message_reply reply;
		unsigned char bytes[TACHO_PACKET];
	};
	size_t len; /* to send, not what the head says */
};

enum { INFO, EVENTS, PRINCIPALS, REPLY, NR_PACKETS };

static inline void packet_fill(struct packet *packet, int type, uint32_t nr, size_t payload)
{
	packet->head.magic = TACHO_PROTOCOL_MAGIC;
	packet->head.version = TACHO_PROTOCOL_VERSION;
	packet->head.type = (uint16_t)type;
	packet->head.size = (uint32_t)(sizeof(packet->head) + payload);
	packet->head.nr = nr;
	packet->len = packet->head.size;
}

/* A true description: events 0 and 2, event 1 is gone, two principals. */
static inline void truth(struct packet p[NR_PACKETS])
{
	static const char *const names[] = { "queue.push", "", "queue.serve" };
	uint32_t i;

	memset(p, 0, NR_PACKETS * sizeof(*p));
	packet_fill(&p[INFO], TACHO_MSG_INFO, 1, sizeof(p->info));
	p[INFO].info.pid = (uint32_t)getpid();
	p[INFO].info.nr_events = 3;
	p[INFO].info.nr_principals = 2;
	p[INFO].info.clock_source = TACHO_SOURCE_MONOTONIC;
	p[INFO].info.writer = 2;
	p[INFO].info.nr_sessions = 4;
	strcpy(p[INFO].info.name, "fake-program");
	packet_fill(&p[EVENTS], TACHO_MSG_EVENTS, 3, sizeof(p->events));
	for (i = 0; i < 3; i++) {
		p[EVENTS].events[i].id = i;
		p[EVENTS].events[i].kind = i == 1 ? 0 : i + 1;
		p[EVENTS].events[i].nr_sites = 10 + i;
		strcpy(p[EVENTS].events[i].name, names[i]);
	}
	p[EVENTS].events[0].flags = TACHO_EVENT_ON;
	strcpy(p[EVENTS].events[0].counter, "items");
	strcpy(p[EVENTS].events[0].correspondent, "client");
	strcpy(p[EVENTS].events[0].doc, "items put \033[31min \xc3\xa4 \xc2\x9b queue\n");
	packet_fill(&p[PRINCIPALS], TACHO_MSG_PRINCIPALS, 2, sizeof(p->principals));
	p[PRINCIPALS].principals[0].principal = 1;
	strcpy(p[PRINCIPALS].principals[0].name, "producer-0");
	p[PRINCIPALS].principals[1].principal = 2;
	strcpy(p[PRINCIPALS].principals[1].name, "consumer-0");
	packet_fill(&p[REPLY], TACHO_MSG_REPLY, 1, sizeof(p->reply));
}

static inline bool say(int conn, const struct packet *packet)
{
	return send(conn, packet, packet->len, MSG_NOSIGNAL) == (ssize_t)packet->len;
}

static inline void say_reply(int conn, int error, const char *text)
{
	struct packet packet;

	memset(&packet, 0, sizeof(packet));
	packet_fill(&packet, TACHO_MSG_REPLY, 1, sizeof(packet.reply));
	packet.reply.error = error;
	strcpy(packet.reply.text, text);
	say(conn, &packet);
}

/* One request; false at the end of the connection. */
static inline bool hear(int conn, struct packet *packet)
{
	ssize_t len = recv(conn, packet, TACHO_PACKET, 0);

	return len >= (ssize_t)sizeof(packet->head);
}

static inline void serve_truth(int conn, const struct fake *fake)
{
	static struct packet p[NR_PACKETS], in;
	int i;

	(void)fake;
	while (hear(conn, &in)) {
		truth(p);
		for (i = 0; i < NR_PACKETS; i++)
			say(conn, &p[i]);
	}
}

static inline int open_fails(int pid, int error)
{
	struct tacho_target *target = NULL;
	char why[160] = "";
	int result = tacho_target_open(&target, pid, why, sizeof(why));

	tacho_target_close(target);
	return T_EQ(result, error) && T_OK(target == NULL) && T_OK(why[0] != '\0') &&
	       T_OK(strchr(why, '\n') == NULL);
}

#endif /* TACHO_TESTS_SESSION_FAKE_H */
