/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session.c: the session's side of the connection to a component.
 *
 * Owns the connection (which is the lease), the requests over it, and what the component says about
 * itself. The other side is control.c; what both say is protocol.h. It must not trust the
 * component: every byte that arrives is checked before it is stored, strings are made printable,
 * and nothing waits without a limit. Which components there are and where they listen is known to
 * discover.c. It writes no area (area.c) and reads none (reader.c).
 *
 * Called by everything in cmd/ that talks to components; one thread per struct tacho_target.
 */
#include <errno.h>
#include <fnmatch.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <tacho/session.h>

#include "internal.h"
#include "protocol.h"

#define ANSWER_MS  4000 /* a component that is silent for so long is stuck */
#define REQUEST_MS 8000 /* and one that trickles its answer is, too */
#define ENABLE_MS  10000 /* the kernel may take its time to prepare a process for patched text */

_Static_assert(sizeof(struct tacho_principal_name) == sizeof(struct tacho_message_principal),
	       "principals arrive in the form in which they are kept");

union packet {
	struct tacho_message head;
	unsigned char bytes[TACHO_PACKET];
};

/* --- text ----------------------------------------------------------------------------------- */

/* Bytes of the well-formed, printable UTF-8 character at s, with left bytes from there; 0: none. */
static size_t printable_length(const unsigned char *s, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0xa0, 0x800, 0x10000 };
	uint32_t code;
	size_t i, len;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
	if (len == 0 || len > left || s[0] > 0xf4)
		return 0;
	code = s[0] & (0x7fu >> len);
	for (i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3fu);
	}
	if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	return len;
}

int tacho_i_text_check(char *text, size_t size)
{
	size_t len = strnlen(text, size), i = 0, step;

	if (len == size)
		return -EPROTO;
	while (i < len) {
		step = printable_length((unsigned char *)text + i, len - i);
		if (step == 0)
			text[i] = '?';
		i += step ? step : 1;
	}
	memset(text + len, 0, size - len);
	return 0;
}

__attribute__((format(printf, 3, 4))) static int fail(struct tacho_target *target, int error,
						      const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(target->error, sizeof(target->error), fmt, ap);
	va_end(ap);
	return error;
}

static void hang_up(struct tacho_target *target)
{
	if (target->sock >= 0)
		close(target->sock);
	target->sock = -1;
}

/*
 * The answer did not come, or makes no sense, and what comes next could not be told from it. Ending
 * the lease is what brings both sides back to a known state.
 */
__attribute__((format(printf, 3, 4))) static int broken(struct tacho_target *target, int error,
							const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(target->error, sizeof(target->error), fmt, ap);
	va_end(ap);
	hang_up(target);
	return error;
}

/* --- messages ------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int message_send(struct tacho_target *target, int type, const void *payload, size_t size,
			uint32_t nr, int fd)
{
	struct tacho_message head = {
		.magic = TACHO_PROTOCOL_MAGIC,
		.version = TACHO_PROTOCOL_VERSION,
		.type = (uint16_t)type,
		.size = (uint32_t)(sizeof(head) + size),
		.nr = nr,
	};
	/* sendmsg does not write through this pointer, its struct has no const */
	struct iovec iov[2] = { { &head, sizeof(head) }, { (void *)(uintptr_t)payload, size } };
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .space = { 0 } };
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = size ? 2 : 1 };
	ssize_t sent;

	if (target->sock < 0)
		return fail(target, -ENOTCONN, "the connection to %s (%d) was closed", target->name,
			    target->pid);
	if (fd >= 0) {
		message.msg_control = control.space;
		message.msg_controllen = sizeof(control.space);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	do
		sent = sendmsg(target->sock, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return 0;
	if (errno == EAGAIN)
		return broken(target, -ETIMEDOUT, "process %d does not read what it is sent",
			      target->pid);
	if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
		return fail(target, -ECONNRESET, "process %d has closed the connection",
			    target->pid);
	return fail(target, -errno, "sending to process %d: %s", target->pid, strerror(errno));
}

/* Wait for one packet, at most ms and until whole, which is the end of the request. */
static int message_receive(struct tacho_target *target, union packet *packet, int ms, int64_t whole)
{
	struct pollfd pollfd = { .fd = target->sock, .events = POLLIN };
	int64_t limit = now_ms() + ms, left;
	bool reset = false;
	ssize_t len;

	if (limit > whole)
		limit = whole;
	for (;;) {
		left = limit - now_ms();
		if (left <= 0 || poll(&pollfd, 1, (int)left) == 0)
			return broken(target, -ETIMEDOUT,
				      "process %d does not answer: stopped, or stuck", target->pid);
		/* no room for control data: descriptors that a peer pushes on us are dropped */
		len = recv(target->sock, packet, sizeof(*packet), MSG_DONTWAIT | MSG_TRUNC);
		if (len > 0)
			break;
		/* it closed without reading all: that is reported first, its last words after it */
		if (len < 0 && errno == ECONNRESET && !reset) {
			reset = true;
			continue;
		}
		if (len == 0 || errno == ECONNRESET)
			return broken(target, -ECONNRESET, "process %d has closed the connection",
				      target->pid);
		if (errno != EAGAIN && errno != EINTR)
			return broken(target, -errno, "receiving from process %d: %s", target->pid,
				      strerror(errno));
	}
	if (len < (ssize_t)sizeof(packet->head) || len > (ssize_t)sizeof(*packet) ||
	    packet->head.magic != TACHO_PROTOCOL_MAGIC || packet->head.size != (size_t)len)
		return broken(target, -EPROTO, "process %d answers %zd bytes that are no message",
			      target->pid, len);
	if (packet->head.version != TACHO_PROTOCOL_VERSION)
		return broken(target, -EPROTO, "process %d speaks version %u, this is version %u",
			      target->pid, packet->head.version, TACHO_PROTOCOL_VERSION);
	return 0;
}

/* The elements behind the head, if there are exactly nr of them and the packet ends there. */
static void *message_payload(union packet *packet, size_t element)
{
	if (packet->head.size != sizeof(packet->head) + packet->head.nr * element)
		return NULL;
	return packet->bytes + sizeof(packet->head);
}

/* The packet ends a request: 0, or what the component says. */
static int message_reply(struct tacho_target *target, union packet *packet)
{
	struct tacho_message_reply *reply = message_payload(packet, sizeof(*reply));

	if (packet->head.type != TACHO_MSG_REPLY || !reply || packet->head.nr != 1 ||
	    reply->error > 0 || reply->error < -4095 ||
	    tacho_i_text_check(reply->text, sizeof(reply->text)))
		return broken(target, -EPROTO, "process %d answers with a wrong message (type %u)",
			      target->pid, packet->head.type);
	if (reply->error)
		return fail(target, reply->error, "process %d: %s", target->pid,
			    reply->text[0] ? reply->text : strerror(-reply->error));
	return 0;
}

static int request(struct tacho_target *target, int type, const void *payload, size_t size,
		   uint32_t nr, int fd)
{
	int ms = type == TACHO_MSG_ENABLE ? ENABLE_MS : ANSWER_MS;
	union packet packet;
	int error;

	error = message_send(target, type, payload, size, nr, fd);
	if (error == -ECONNRESET && target->sock >= 0)
		error = 0; /* it may have said why before it closed */
	if (!error)
		error = message_receive(target, &packet, ms, now_ms() + ms);
	return error ? error : message_reply(target, &packet);
}

/* --- what a component says about itself ------------------------------------------------------- */

static int info_take(struct tacho_target *target, union packet *packet)
{
	struct tacho_message_info *info = message_payload(packet, sizeof(*info));

	if (packet->head.type == TACHO_MSG_REPLY && message_reply(target, packet))
		return -EPERM; /* refused, and it has said why */
	if (packet->head.type != TACHO_MSG_INFO || !info || packet->head.nr != 1)
		return -EPROTO;
	if (info->pid != (uint32_t)target->own_pid || info->writer < 1 || info->writer > 2 ||
	    (info->clock_source != TACHO_SOURCE_TSC &&
	     info->clock_source != TACHO_SOURCE_MONOTONIC) ||
	    tacho_i_text_check(info->name, sizeof(info->name)))
		return -EPROTO;
	target->clock_source = info->clock_source;
	target->writer = info->writer;
	target->nr_sessions = info->nr_sessions;
	memcpy(target->name, info->name, sizeof(target->name));
	return 0;
}

/*
 * The numbers in INFO are not used: an object may be loaded and a principal made while the
 * component answers, and no memory is spent on what was only promised.
 */
static int events_take(struct tacho_target *target, union packet *packet)
{
	struct tacho_event_entry *event = message_payload(packet, sizeof(*event)), *grown;
	uint32_t i;

	if (!event || packet->head.nr == 0)
		return -EPROTO;
	for (i = 0; i < packet->head.nr; i++, event++) {
		/* by id and without holes, so nothing comes twice */
		if (event->id != target->nr_events || event->id >= TACHO_MAX_EVENTS ||
		    event->kind > TACHO_SAMPLE || (event->kind && !event->name[0]))
			return -EPROTO;
		if (tacho_i_text_check(event->name, sizeof(event->name)) ||
		    tacho_i_text_check(event->counter, sizeof(event->counter)) ||
		    tacho_i_text_check(event->correspondent, sizeof(event->correspondent)) ||
		    tacho_i_text_check(event->doc, sizeof(event->doc)))
			return -EPROTO;
		if ((event->id & (event->id - 1)) == 0) { /* full at each power of two */
			grown = realloc(target->events,
					(event->id ? event->id * 2u : 1u) * sizeof(*grown));
			if (!grown)
				return -ENOMEM;
			target->events = grown;
		}
		target->events[target->nr_events++] = *event;
	}
	return 0;
}

static int principals_take(struct tacho_target *target, union packet *packet)
{
	struct tacho_message_principal *principal = message_payload(packet, sizeof(*principal));
	struct tacho_principal_name *grown;
	uint32_t i, nr = target->nr_principals;

	if (!principal || packet->head.nr == 0 || nr + packet->head.nr > TACHO_MAX_PRINCIPALS)
		return -EPROTO;
	for (i = 0; i < packet->head.nr; i++, principal++) {
		if (principal->principal == TACHO_NONE ||
		    tacho_i_text_check(principal->name, sizeof(principal->name)))
			return -EPROTO;
		if ((nr & (nr - 1)) == 0) {
			grown = realloc(target->principals, (nr ? nr * 2u : 1u) * sizeof(*grown));
			if (!grown)
				return -ENOMEM;
			target->principals = grown;
		}
		memcpy(&target->principals[nr++], principal, sizeof(*principal));
		target->nr_principals = nr;
	}
	return 0;
}

/* INFO, then EVENTS*, then PRINCIPALS*, then REPLY. */
static int description_receive(struct tacho_target *target)
{
	int64_t whole = now_ms() + REQUEST_MS;
	int error, type, last = TACHO_MSG_INFO;
	union packet packet;

	error = message_receive(target, &packet, ANSWER_MS, whole);
	if (!error)
		error = info_take(target, &packet);
	while (!error) {
		error = message_receive(target, &packet, ANSWER_MS, whole);
		if (error)
			break;
		type = packet.head.type;
		if (type == TACHO_MSG_EVENTS && type >= last)
			error = events_take(target, &packet);
		else if (type == TACHO_MSG_PRINCIPALS)
			error = principals_take(target, &packet);
		else if (type == TACHO_MSG_REPLY)
			break;
		else
			error = -EPROTO;
		last = type;
	}
	if (!error)
		error = message_reply(target, &packet);
	if (error && !target->error[0])
		broken(target, error,
		       error == -EPROTO ? "process %d describes itself in a wrong message"
					: "process %d: no memory for its description",
		       target->pid);
	return error;
}

TACHO_EXPORT int tacho_target_describe(struct tacho_target *target)
{
	struct tacho_target fresh = *target;
	int error;

	fresh.events = NULL;
	fresh.principals = NULL;
	fresh.nr_events = fresh.nr_principals = 0;
	fresh.error[0] = '\0';
	error = message_send(&fresh, TACHO_MSG_DESCRIBE, NULL, 0, 0, -1);
	if (error == -ECONNRESET && fresh.sock >= 0) {
		fresh.error[0] = '\0'; /* it may have said why before it closed */
		error = 0;
	}
	if (!error)
		error = description_receive(&fresh);
	if (error) {
		free(fresh.events);
		free(fresh.principals);
		target->sock = fresh.sock;
		memcpy(target->error, fresh.error, sizeof(target->error));
		return error;
	}
	free(target->events);
	free(target->principals);
	*target = fresh;
	return 0;
}

/* --- connecting ----------------------------------------------------------------------------- */

static int target_connect(struct tacho_target *target)
{
	struct tacho_i_listener listener;
	int error, pid = target->pid;

	error = tacho_i_listener_open(&listener, pid, ANSWER_MS);
	target->own_pid = listener.own_pid;
	if (target->own_pid == 0)
		return fail(target, -ESRCH, "there is no process %d", pid);
	if (error)
		return fail(target, error, "entering the network namespace of process %d: %s", pid,
			    strerror(-error));
	if (listener.sock >= 0) {
		target->sock = listener.sock;
		if (geteuid() != 0 && listener.uid != geteuid())
			return fail(
				target, -EPERM,
				"process %d belongs to user %u: only that user and root may attach",
				pid, listener.uid);
		return 0;
	}
	if (listener.is_full)
		return fail(target, -ETIMEDOUT,
			    "process %d takes no connections: stopped, or stuck", pid);
	return fail(target, -ENOENT,
		    "process %d has no events: not linked with libtacho, or started with TACHO=0",
		    pid);
}

TACHO_EXPORT int tacho_target_open(struct tacho_target **out_target, int pid, char *why,
				   size_t why_size)
{
	struct tacho_target *target;
	int error;

	*out_target = NULL;
	if (why_size)
		why[0] = '\0';
	target = calloc(1, sizeof(*target));
	if (!target)
		return -ENOMEM;
	target->pid = pid;
	target->sock = -1;
	error = target_connect(target);
	if (!error)
		error = tacho_target_describe(target);
	if (error) {
		if (why_size)
			snprintf(why, why_size, "%s", target->error);
		tacho_target_close(target);
		return error;
	}
	*out_target = target;
	return 0;
}

TACHO_EXPORT void tacho_target_close(struct tacho_target *target)
{
	if (!target)
		return;
	hang_up(target);
	free(target->events);
	free(target->principals);
	free(target);
}

TACHO_EXPORT const char *tacho_target_error(const struct tacho_target *target)
{
	return target->error;
}

TACHO_EXPORT int tacho_target_alive(const struct tacho_target *target)
{
	struct pollfd pollfd = { .fd = target->sock, .events = POLLRDHUP };

	if (target->sock < 0)
		return 0;
	return poll(&pollfd, 1, 0) <= 0 || !(pollfd.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

/* --- attaching ------------------------------------------------------------------------------ */

TACHO_EXPORT int tacho_target_attach(struct tacho_target *target, const struct tacho_memory *memory)
{
	const struct tacho_area *header = tacho_memory_header(memory);
	int error;

	if (header->clock_source != target->clock_source)
		return fail(target, -EINVAL, "the area has clock source %u, process %d has %u",
			    header->clock_source, target->pid, target->clock_source);
	if (header->nr_events < target->nr_events)
		return fail(target, -EINVAL, "the area has room for %u events, process %d has %u",
			    header->nr_events, target->pid, target->nr_events);
	error = request(target, TACHO_MSG_ATTACH, NULL, 0, 0, memory->fd);
	if (error)
		return error;
	/* so that an area explains itself when the component is gone */
	error = tacho_i_memory_events(memory, target->events, target->nr_events);
	return error ? fail(target, error, "the area does not take the event table") : 0;
}

/* One request per packet full of ids. */
static int switch_events(struct tacho_target *target, int type, const uint32_t *ids, size_t nr)
{
	const size_t max = (TACHO_PACKET - sizeof(struct tacho_message)) / sizeof(*ids);
	size_t i, some;
	int error;

	for (i = 0; i < nr; i++)
		if (ids[i] >= target->nr_events)
			return fail(target, -EINVAL, "process %d has no event %u", target->pid,
				    ids[i]);
	for (i = 0; i < nr; i += some) {
		some = nr - i < max ? nr - i : max;
		error = request(target, type, ids + i, some * sizeof(*ids), (uint32_t)some, -1);
		if (error)
			return error;
	}
	return 0;
}

TACHO_EXPORT int tacho_target_enable(struct tacho_target *target, const uint32_t *ids, size_t nr)
{
	return switch_events(target, TACHO_MSG_ENABLE, ids, nr);
}

TACHO_EXPORT int tacho_target_disable(struct tacho_target *target, const uint32_t *ids, size_t nr)
{
	return switch_events(target, TACHO_MSG_DISABLE, ids, nr);
}

TACHO_EXPORT size_t tacho_target_match(const struct tacho_target *target, const char *pattern,
				       uint32_t *ids, size_t max)
{
	uint32_t id;
	size_t nr = 0;

	for (id = 0; id < target->nr_events; id++) {
		if (!target->events[id].kind || fnmatch(pattern, target->events[id].name, 0) != 0)
			continue;
		if (nr < max)
			ids[nr] = id;
		nr++;
	}
	return nr;
}
