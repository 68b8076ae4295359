// SPDX-License-Identifier: BSD-2-Clause
/*
 * control.c: the component's side of the protocol.
 *
 * Owns the listening socket, the one thread that sleeps on it, and the lock around everything that
 * a session can change. Must not believe a byte that arrives: a message is taken whole or refused in
 * one line and its connection closed. Must not disturb the program: no signal is ever delivered to
 * the thread, it is never woken before a session connects, its descriptors stand high and out of the
 * way, and it never touches a descriptor that the program has closed and reused meanwhile.
 *
 * The connection is the lease: when it ends, for whatever reason, the session's slot is detached.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "internal.h"
#include "protocol.h"

#define MAX_CONNECTIONS 16 /* attached ones and such as have said nothing yet */
#define HIGH_FD		512 /* descriptors from here on, where programs do not look for theirs */
#define SEND_MS		200 /* a session that does not read for so long is dropped */
#define ACCEPT_NAP_MS	20 /* between two tries while the program has no descriptor left */
#define REAP_MS		100 /* until it tries again to unmap an area; then twice as long, and so on */
#define REAP_MAX_MS	60000
#define STACK_SIZE	(64 * 1024) /* address space; two or three pages of it are touched */

struct connection {
	int fd; /* -1: free */
	int slot; /* of attach.c, -1: not attached */
	ino_t inode; /* of fd: it is still ours */
	uint64_t age; /* order of arrival */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct connection connections[MAX_CONNECTIONS];
static struct connection listener = { -1, -1, 0, 0 };
static uint64_t arrivals;
static bool started;
static pid_t owner; /* the process that listens */

/* The control thread's own: one packet in, one packet out. */
static unsigned char packet_in[TACHO_PACKET + 1] __attribute__((aligned(8)));
static unsigned char packet_out[TACHO_PACKET] __attribute__((aligned(8)));

void tacho_i_control_lock(void)
{
	pthread_mutex_lock(&lock);
}

void tacho_i_control_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

/* --- descriptors -------------------------------------------------------------------------- */

static bool connection_is_ours(const struct connection *c)
{
	struct stat st;

	return c->fd >= 0 && fstat(c->fd, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       st.st_ino == c->inode;
}

/* Move fd out of the way and remember what it is. */
static int connection_init(struct connection *c, int fd)
{
	struct stat st;
	int high = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);

	if (high >= 0) {
		close(fd);
		fd = high;
	}
	if (fstat(fd, &st) != 0) {
		close(fd);
		return -errno;
	}
	*c = (struct connection){ fd, -1, st.st_ino, arrivals++ };
	return 0;
}

/*
 * Close, so that the other side can still read why. What it sent and nobody read would become a
 * reset there, which comes before the reply: so nothing more is taken, and what is there is read.
 */
static void hang_up(int fd)
{
	(void)shutdown(fd, SHUT_RD);
	while (recv(fd, packet_in, sizeof(packet_in), MSG_DONTWAIT) > 0)
		;
	close(fd);
}

static void connection_close(struct connection *c)
{
	if (c->slot >= 0) {
		tacho_i_control_lock();
		tacho_i_detach(c->slot);
		tacho_i_control_unlock();
	}
	if (connection_is_ours(c))
		hang_up(c->fd);
	c->fd = -1;
	c->slot = -1;
}

/* --- answers ------------------------------------------------------------------------------ */

static int packet_send(const struct connection *c, uint16_t type, uint32_t nr, size_t payload)
{
	struct tacho_message *message = (struct tacho_message *)(void *)packet_out;

	*message = (struct tacho_message){ TACHO_PROTOCOL_MAGIC, TACHO_PROTOCOL_VERSION, type,
					   (tacho_u32)(sizeof(*message) + payload), nr };
	if (send(c->fd, packet_out, message->size, MSG_NOSIGNAL) != (ssize_t)message->size)
		return -EIO;
	return 0;
}

static void *packet_payload(void)
{
	return packet_out + sizeof(struct tacho_message);
}

static int reply(const struct connection *c, int error, const char *text)
{
	struct tacho_message_reply *body = packet_payload();

	memset(body, 0, sizeof(*body));
	body->error = error;
	snprintf(body->text, sizeof(body->text), "%s", text);
	return packet_send(c, TACHO_MSG_REPLY, 1, sizeof(*body));
}

static int send_info(const struct connection *c)
{
	struct tacho_message_info *info = packet_payload();

	memset(info, 0, sizeof(*info));
	tacho_i_control_lock();
	info->pid = (tacho_u32)getpid();
	info->nr_events = tacho_i_events.nr;
	info->nr_principals = tacho_i_principal_count();
	info->clock_source = tacho_i_clock_source();
	info->writer = tacho_i_rseq_usable() ? 1 : 2;
	info->nr_sessions = tacho_i_attach_count();
	info->nr_sites = tacho_i_site_count();
	tacho_i_control_unlock();
	snprintf(info->name, sizeof(info->name), "%s", program_invocation_short_name);
	return packet_send(c, TACHO_MSG_INFO, 1, sizeof(*info));
}

static void entry_fill(struct tacho_event_entry *entry, const struct tacho_event *event)
{
	memset(entry, 0, sizeof(*entry));
	if (!event)
		return;
	entry->id = event->id;
	entry->kind = event->kind;
	entry->nr_sites = event->nr_sites;
	entry->flags = event->on ? TACHO_EVENT_ON : 0;
	if (event->kind == TACHO_SPAN && event->counter[0] == '\0')
		entry->flags |= TACHO_EVENT_TICKS;
	snprintf(entry->name, sizeof(entry->name), "%s", event->name);
	snprintf(entry->counter, sizeof(entry->counter), "%s", event->counter);
	snprintf(entry->correspondent, sizeof(entry->correspondent), "%s", event->correspondent);
	snprintf(entry->doc, sizeof(entry->doc), "%s", event->doc);
}

static int send_events(const struct connection *c)
{
	const uint32_t max =
		(TACHO_PACKET - sizeof(struct tacho_message)) / sizeof(struct tacho_event_entry);
	struct tacho_event_entry *entries = packet_payload();
	uint32_t id = 0, nr;
	int error;

	do {
		tacho_i_control_lock();
		for (nr = 0; nr < max && id < tacho_i_events.nr; nr++, id++) {
			entry_fill(&entries[nr], tacho_i_events.event[id]);
			entries[nr].id = id;
		}
		tacho_i_control_unlock();
		if (nr == 0)
			return 0;
		error = packet_send(c, TACHO_MSG_EVENTS, nr, nr * sizeof(*entries));
	} while (!error);
	return error;
}

static int send_principals(const struct connection *c)
{
	enum {
		MAX = (TACHO_PACKET - sizeof(struct tacho_message)) /
		      sizeof(struct tacho_message_principal)
	};
	struct tacho_message_principal *principals = packet_payload();
	static char names[MAX][28];
	uint32_t from = 0, nr;
	int error = 0;

	while (!error && (nr = tacho_i_principal_names(from, names, MAX)) > 0) {
		for (uint32_t i = 0; i < nr; i++) {
			principals[i].principal = ++from;
			memcpy(principals[i].name, names[i], sizeof(names[i]));
		}
		error = packet_send(c, TACHO_MSG_PRINCIPALS, nr, nr * sizeof(*principals));
	}
	return error;
}

static int describe(const struct connection *c)
{
	int error = send_info(c);

	if (!error)
		error = send_events(c);
	if (!error)
		error = send_principals(c);
	return error ? error : reply(c, 0, "");
}

/* --- requests ----------------------------------------------------------------------------- */

/* Returns 0, or an error after which the connection is closed; replies by itself. */
static int attach(struct connection *c, int fd)
{
	char why[120] = "";
	int slot;

	if (fd < 0) {
		(void)reply(c, -EBADF, "attach: exactly one descriptor of an area must come along");
		return -EBADF;
	}
	if (c->slot >= 0) {
		(void)reply(c, -EALREADY, "attach: this connection is attached already");
		return -EALREADY;
	}
	tacho_i_control_lock();
	slot = tacho_i_attach(fd, why, sizeof(why));
	tacho_i_control_unlock();
	if (slot < 0) {
		(void)reply(c, slot, why);
		return slot;
	}
	c->slot = slot;
	return reply(c, 0, "");
}

static int switch_events(struct connection *c, uint16_t type, const tacho_u32 *ids, uint32_t nr)
{
	char why[120] = "";
	int error;

	if (c->slot < 0)
		return reply(c, -ENOTCONN,
			     "events can be switched only after an area was attached");
	tacho_i_control_lock();
	error = type == TACHO_MSG_ENABLE ? tacho_i_enable(c->slot, ids, nr, why, sizeof(why))
					 : tacho_i_disable(c->slot, ids, nr, why, sizeof(why));
	tacho_i_control_unlock();
	return reply(c, error, why);
}

/* The message as it must be: its length and its elements agree. */
static bool message_is_whole(const struct tacho_message *message, size_t length)
{
	size_t element = 0;

	if (length < sizeof(*message) || message->magic != TACHO_PROTOCOL_MAGIC ||
	    message->version != TACHO_PROTOCOL_VERSION || message->size != length)
		return false;
	if (message->type == TACHO_MSG_ENABLE || message->type == TACHO_MSG_DISABLE)
		element = sizeof(tacho_u32);
	else if (message->nr != 0)
		return false;
	return length == sizeof(*message) + message->nr * element;
}

/* length > 0; fd is the descriptor that came along, or -1. */
static int message_handle(struct connection *c, const unsigned char *bytes, size_t length, int fd)
{
	const struct tacho_message *message = (const struct tacho_message *)(const void *)bytes;

	if (length > TACHO_PACKET || !message_is_whole(message, length)) {
		(void)reply(c, -EPROTO, "message: not of this protocol, or not of this length");
		return -EPROTO;
	}
	switch (message->type) {
	case TACHO_MSG_DESCRIBE:
		return describe(c);
	case TACHO_MSG_ATTACH:
		return attach(c, fd);
	case TACHO_MSG_ENABLE:
	case TACHO_MSG_DISABLE:
		return switch_events(c, message->type,
				     (const tacho_u32 *)(const void *)(bytes + sizeof(*message)),
				     message->nr);
	default:
		(void)reply(c, -EPROTO, "message: unknown type");
		return -EPROTO;
	}
}

/* The descriptor that came along; several are as wrong as none. All but the one are closed. */
static int take_descriptor(struct msghdr *header)
{
	int fd = -1, nr = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++, nr++) {
			int received;

			memcpy(&received, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (nr == 0)
				fd = received;
			else
				close(received);
		}
	}
	if (nr > 1) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int connection_serve(struct connection *c)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct iovec iov = { packet_in, sizeof(packet_in) };
	struct msghdr header = { .msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes) };
	ssize_t length = recvmsg(c->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd, error;

	if (length < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	fd = take_descriptor(&header); /* an empty packet may bring one, too */
	error = length == 0 ? -ECONNRESET : message_handle(c, packet_in, (size_t)length, fd);
	if (fd >= 0)
		close(fd);
	return error;
}

/* --- connections -------------------------------------------------------------------------- */

static bool peer_may(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

/* A free place, or that of the oldest who has not attached: silence does not keep others out. */
static struct connection *connection_place(void)
{
	struct connection *oldest = NULL;

	for (int i = 0; i < MAX_CONNECTIONS; i++) {
		struct connection *c = &connections[i];

		if (c->fd < 0)
			return c;
		if (c->slot < 0 && (!oldest || c->age < oldest->age))
			oldest = c;
	}
	if (oldest)
		connection_close(oldest);
	return oldest;
}

static void connection_accept(void)
{
	const struct timespec nap = { 0, ACCEPT_NAP_MS * 1000000 };
	struct timeval limit = { 0, SEND_MS * 1000 };
	struct connection *place, stranger = { -1, -1, 0, 0 };
	int fd = accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0) {
		/* no descriptor is left: whoever connected still waits, and poll would not */
		if (errno != EINTR && errno != EAGAIN && errno != ECONNABORTED)
			nanosleep(&nap, NULL);
		return;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (!peer_may(fd)) { /* before it takes the place of another */
		stranger.fd = fd;
		(void)reply(&stranger, -EPERM, "only the component's user and root may attach");
		hang_up(fd);
		return;
	}
	place = connection_place();
	if (!place)
		close(fd);
	else if (connection_init(place, fd) != 0)
		place->fd = -1;
}

/*
 * How long to sleep: for ever, but for areas that are still to be unmapped. A thread that does not
 * get on, because the machine is busy or a debugger holds it, is asked after less and less often.
 */
static int sleep_ms(int last)
{
	bool left;

	tacho_i_control_lock();
	left = tacho_i_attach_reap();
	tacho_i_control_unlock();
	if (!left)
		return -1;
	if (last < 0)
		return REAP_MS;
	return last < REAP_MAX_MS / 2 ? 2 * last : REAP_MAX_MS;
}

/* Sleep until something arrives, for ever. Returns when the listening socket is no longer ours. */
static void serve(void)
{
	struct pollfd fds[MAX_CONNECTIONS + 1];
	int which[MAX_CONNECTIONS + 1];
	int ms = -1;

	while (connection_is_ours(&listener)) {
		nfds_t nr = 1;

		fds[0] = (struct pollfd){ listener.fd, POLLIN, 0 };
		for (int i = 0; i < MAX_CONNECTIONS; i++) {
			if (connections[i].fd < 0)
				continue;
			which[nr] = i;
			fds[nr++] = (struct pollfd){ connections[i].fd, POLLIN, 0 };
		}
		ms = sleep_ms(ms);
		if (poll(fds, nr, ms) < 0 && errno != EINTR)
			break;
		for (nfds_t i = 1; i < nr; i++) {
			struct connection *c = &connections[which[i]];

			if (fds[i].revents && (!connection_is_ours(c) || connection_serve(c) < 0))
				connection_close(c);
		}
		if (fds[0].revents && connection_is_ours(&listener))
			connection_accept();
	}
	for (int i = 0; i < MAX_CONNECTIONS; i++)
		if (connections[i].fd >= 0)
			connection_close(&connections[i]);
}

/* --- start and fork ----------------------------------------------------------------------- */

static int listen_at(pid_t pid, int alternative)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, length;

	length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
			  alternative ? TACHO_ADDRESS "/%d" : TACHO_ADDRESS, (int)pid, alternative);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) != 0 ||
	    listen(fd, MAX_CONNECTIONS) != 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

static int listener_open(void)
{
	int fd = -EADDRINUSE;

	for (int i = 0; i < TACHO_ADDRESSES && fd == -EADDRINUSE; i++)
		fd = listen_at(getpid(), i);
	return fd < 0 ? fd : connection_init(&listener, fd);
}

/*
 * A program that closes all descriptors that it does not know, as daemons do, closes the listening
 * socket under the thread that sleeps on it. Whoever connects next wakes the thread and is turned
 * away; then there is a new socket, and the one after can attach.
 */
static void *control_thread(void *unused)
{
	(void)pthread_setname_np(pthread_self(), "tacho");
	do
		serve();
	while (!connection_is_ours(&listener) && listener_open() == 0);
	return unused;
}

static void control_listen(void)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	long minimum = sysconf(_SC_THREAD_STACK_MIN);

	if (listener_open() != 0)
		return; /* a component that cannot be attached is still a good program */
	for (int i = 0; i < MAX_CONNECTIONS; i++)
		connections[i].fd = connections[i].slot = -1;
	owner = getpid();
	/*
	 * Registers: at once now, milliseconds once there are threads. What patching needs is registered
	 * when it is needed: the kernel makes a process that has it pay at context switches.
	 */
	(void)tacho_i_rseq_usable();
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_SIZE + (minimum > 0 ? (size_t)minimum : 0));
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, &attr, control_thread, NULL) != 0) {
		close(listener.fd);
		listener.fd = -1;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
}

static void fork_prepare(void)
{
	tacho_i_control_lock();
	tacho_i_principal_lock();
}

static void fork_parent(void)
{
	tacho_i_principal_unlock();
	tacho_i_control_unlock();
}

/* The child is a component of its own: not attached, with its own socket and thread. */
static void fork_child(void)
{
	tacho_i_attach_forked();
	for (int i = 0; i < MAX_CONNECTIONS; i++)
		if (owner != 0 && connection_is_ours(&connections[i]))
			close(connections[i].fd);
	if (connection_is_ours(&listener))
		close(listener.fd);
	listener.fd = -1;
	if (owner != 0)
		control_listen();
	tacho_i_principal_unlock();
	tacho_i_control_unlock();
}

void tacho_i_control_start(void)
{
	const char *wanted = secure_getenv("TACHO");

	if (started)
		return;
	started = true;
	for (int i = 0; i < MAX_CONNECTIONS; i++)
		connections[i].fd = connections[i].slot = -1;
	if (wanted && !strcmp(wanted, "0"))
		return;
	(void)pthread_atfork(fork_prepare, fork_parent, fork_child);
	control_listen();
}
