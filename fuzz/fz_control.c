// SPDX-License-Identifier: BSD-2-Clause
/*
 * fz_control.c: bytes as the packets of up to two sessions, through the component's side of the
 * protocol and everything behind it, with real sites that are patched.
 *
 * It includes lib/control.c and takes the part of its thread, so that an input costs no wake-up. An
 * input is a list of packets, four bytes each and then what they count:
 *
 *	0	bits 0-2 how many descriptors: counts[]; bits 3-7 the first one: often a good area
 *	1	bit 0 which session; bits 1-3 how: RAW bytes, a header that is right and then bytes,
 *		or a whole message with ids; bits 4-7 its type: types[]
 *	2, 3	RAW: how many bytes; otherwise byte 2: how many bytes or ids, few unless byte 3 is large
 *
 * So noise alone attaches, enables and disables often, and is refused as often.
 * Whatever it is, the sessions that are refused are closed, and after each input no descriptor is
 * left, no area is mapped, every site is a no-op, and a good DESCRIBE is answered.
 */
#include "lib/control.c"

#include <dirent.h>
#include <sys/mman.h>

#include <tacho/session.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

TACHO_EVENT(first, TACHO_ACCESS, "fuzz.first", "", "", "");
TACHO_EVENT(second, TACHO_SPAN, "fuzz.second", "", "peer", "");
TACHO_EVENT(third, TACHO_SAMPLE, "fuzz.third", "items", "", "");

#define MAX_PACKETS 6 /* of one input: it must stay quick */
#define SESSIONS    2

enum given {
	GOOD,
	GOOD_TOO,
	UNSEALED,
	TOO_SMALL,
	NOT_AN_AREA,
	DEV_NULL,
	A_SOCKET,
	A_PIPE,
	NR_GIVEN
};
enum how { RAW, HEADED, WHOLE };

static int given[NR_GIVEN];
static struct {
	struct connection *c; /* of control.c */
	int sock; /* the session's end */
} sessions[SESSIONS];

/* Before the constructors of the events: no thread, no listening socket; this is the thread. */
__attribute__((constructor(101))) static void no_thread(void)
{
	setenv("TACHO", "0", 1);
}

static void must(int holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "not true: %s\n", what);
		abort();
	}
}

#define MUST(cond) must((cond), #cond)

/* --- what comes along ----------------------------------------------------------------------- */

static int file_of(off_t size, int seals)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	MUST(fd >= 0 && ftruncate(fd, size) == 0 && fcntl(fd, F_ADD_SEALS, seals) == 0);
	return fd;
}

/* With a route for every event, so that what is enabled is also written. */
static void area_make(struct tacho_memory *memory)
{
	struct tacho_area_options options = { .nr_cpus = 4,
					      .nr_events = 64,
					      .nr_domains = 2,
					      .nr_logs = 4,
					      .nr_principals = 16,
					      .rows_size = 4096 };
	int log;

	MUST(tacho_memory_create(memory, &options) == 0);
	log = tacho_memory_log_add(memory, 16, TACHO_ENTRIES_ALL, TACHO_NONE, TACHO_NONE);
	MUST(log > 0);
	for (uint32_t id = 0; id < 3; id++)
		MUST(tacho_memory_route(memory, id, TACHO_NONE, (uint32_t)log, 1 + id) == 0);
}

static void given_make(void)
{
	const int sealed = F_SEAL_SHRINK | F_SEAL_GROW;
	static struct tacho_memory memory;
	int pair[2];

	area_make(&memory);
	given[GOOD] = given[GOOD_TOO] = memory.fd;
	given[UNSEALED] = file_of((off_t)memory.size, 0);
	MUST(pwrite(given[UNSEALED], memory.base, sizeof(struct tacho_area), 0) > 0);
	given[TOO_SMALL] = file_of(sizeof(struct tacho_area) - 1, sealed);
	given[NOT_AN_AREA] = file_of((off_t)memory.size, sealed);
	given[DEV_NULL] = open("/dev/null", O_RDWR | O_CLOEXEC);
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	given[A_SOCKET] = pair[0];
	MUST(pipe2(pair, O_CLOEXEC) == 0);
	given[A_PIPE] = pair[0];
}

/* --- sessions ------------------------------------------------------------------------------- */

static void session_open(int i)
{
	struct connection *c = connection_place();
	int pair[2];

	MUST(c != NULL);
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	MUST(connection_init(c, pair[1]) == 0);
	sessions[i].c = c;
	sessions[i].sock = pair[0];
}

static void session_close(int i)
{
	if (sessions[i].c->fd >= 0)
		connection_close(sessions[i].c);
	close(sessions[i].sock);
}

/* What the component says is of the protocol; returns the last reply's error, or 1: there is none. */
static int hear(int i)
{
	static union {
		struct tacho_message head;
		struct {
			struct tacho_message head;
			struct tacho_message_reply body;
		} reply;
		unsigned char bytes[TACHO_PACKET + 1];
	} in;
	int last = 1;
	ssize_t n;

	while ((n = recv(sessions[i].sock, in.bytes, sizeof(in), MSG_DONTWAIT)) > 0) {
		MUST(n >= (ssize_t)sizeof(in.head) && in.head.size == (uint32_t)n);
		MUST(in.head.magic == TACHO_PROTOCOL_MAGIC && n <= (ssize_t)TACHO_PACKET);
		if (in.head.type != TACHO_MSG_REPLY)
			continue;
		MUST(n == (ssize_t)sizeof(in.reply) && in.reply.body.error <= 0);
		MUST(memchr(in.reply.body.text, '\0', sizeof(in.reply.body.text)) != NULL);
		MUST(strchr(in.reply.body.text, '\n') == NULL);
		MUST((in.reply.body.error == 0) == (in.reply.body.text[0] == '\0'));
		last = in.reply.body.error;
	}
	return last;
}

/* The sites, on or off. */
static void work(uint32_t n)
{
	TACHO_LOG(first);
	TACHO_ENTER(second);
	TACHO_LOG(third, n);
	TACHO_EXIT(second, n);
}

/* As serve() does; an error closes the connection, and there must have been a word about it. */
static void serve_one(int i)
{
	int error = connection_serve(sessions[i].c);

	if (error < 0) {
		int last = hear(i);

		MUST(error == -ECONNRESET || last < 0);
		session_close(i);
		session_open(i);
	} else {
		MUST(hear(i) <= 0);
	}
	work((uint32_t)i);
}

/* --- packets -------------------------------------------------------------------------------- */

static void packet_give(int i, const void *bytes, size_t len, unsigned int nr,
			unsigned int first_fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(5 * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)bytes, len };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nr > 0) {
		struct cmsghdr *c = &control.align;

		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(nr * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nr * sizeof(int));
		for (unsigned int k = 0; k < nr; k++)
			memcpy(CMSG_DATA(c) + k * sizeof(int), &given[(first_fd + k) % NR_GIVEN],
			       sizeof(int));
	}
	MUST(sendmsg(sessions[i].sock, &header, MSG_NOSIGNAL) == (ssize_t)len);
}

/* Elements from one byte each: ids that there are, that there are not, and that are absurd. */
static uint32_t element(uint8_t byte)
{
	return byte < 224 ? byte % 3 : byte < 250 ? byte - 221u : 0u - byte;
}

/* Build the packet that the four bytes ask for; returns how many bytes it took behind them. */
static size_t packet_make(const uint8_t *four, const uint8_t *data, size_t len, unsigned char *out,
			  size_t *out_len)
{
	static const uint8_t types[16] = { 1, 5, 5, 5, 5, 6, 6, 6, 6, 6, 7, 7, 7, 0, 2, 9 };
	struct tacho_message head = { TACHO_PROTOCOL_MAGIC, TACHO_PROTOCOL_VERSION,
				      types[four[1] >> 4], sizeof(head), 0 };
	const enum how how = (four[1] >> 1 & 7) < WHOLE ? (enum how)(four[1] >> 1 & 7) : WHOLE;
	size_t wanted = how == RAW	? (four[2] | (size_t)four[3] << 8) % (TACHO_PACKET + 64)
			: four[3] < 240 ? four[2] % 4
					: four[2];
	const size_t n = wanted < len ? wanted : len;

	if (how == RAW) {
		memcpy(out, data, n);
		*out_len = n;
		return n;
	}
	if (how == HEADED) {
		head.size += (uint32_t)n;
		head.nr = four[3];
		memcpy(out + sizeof(head), data, n);
		*out_len = head.size;
	} else {
		uint32_t nr = head.type == TACHO_MSG_ENABLE || head.type == TACHO_MSG_DISABLE
				      ? (uint32_t)n
				      : 0;

		head.nr = nr;
		head.size += nr * 4;
		for (uint32_t i = 0; i < nr; i++) {
			uint32_t id = element(data[i]);

			memcpy(out + sizeof(head) + 4 * i, &id, 4);
		}
		*out_len = head.size;
	}
	memcpy(out, &head, sizeof(head));
	return n;
}

static void packets(const uint8_t *data, size_t len)
{
	static const unsigned int counts[8] = { 0, 0, 1, 1, 1, 1, 2, 5 };
	static unsigned char packet[TACHO_PACKET + 64];

	for (int nr = 0; nr < MAX_PACKETS && len >= 4; nr++) {
		size_t packet_len;
		size_t used = packet_make(data, data + 4, len - 4, packet, &packet_len);
		unsigned int first_fd = data[0] >> 3, nr_fds = counts[data[0] & 7];
		int i = data[1] & 1, was = sessions[i].c->slot;

		first_fd = first_fd < 2 * NR_GIVEN ? (unsigned int)GOOD : first_fd % NR_GIVEN;
		packet_give(i, packet, packet_len, nr_fds, first_fd);
		serve_one(i);
		if (was < 0 && sessions[i].c->slot >= 0)
			MUST(nr_fds == 1 && first_fd <= GOOD_TOO);
		data += 4 + used;
		len -= 4 + used;
	}
}

/* --- afterwards ----------------------------------------------------------------------------- */

static int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int nr = 0;

	MUST(dir != NULL);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static void good_describe(void)
{
	const struct tacho_message describe_me = { TACHO_PROTOCOL_MAGIC, TACHO_PROTOCOL_VERSION,
						   TACHO_MSG_DESCRIBE, sizeof(describe_me), 0 };

	session_open(0);
	packet_give(0, &describe_me, sizeof(describe_me), 0, 0);
	MUST(connection_serve(sessions[0].c) == 0);
	MUST(hear(0) == 0);
	session_close(0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static int before;

	if (before == 0) {
		given_make();
		before = open_descriptors();
	}
	for (int i = 0; i < SESSIONS; i++)
		session_open(i);
	packets(data, len);
	for (int i = 0; i < SESSIONS; i++)
		session_close(i);
	MUST(tacho_i_attach_count() == 0);
	for (uint32_t id = 0; id < tacho_i_events.nr; id++)
		MUST(tacho_i_events.event[id]->on == 0 && tacho_i_events.event[id]->patched == 0);
	good_describe();
	MUST(open_descriptors() == before);
	return 0;
}
