// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_session.c: the session's side of the connection, against components that are made up
 * (session_fake.h): real packets, real sockets, real namespaces.
 */
#include "session_fake.h"

/* --- cases ---------------------------------------------------------------------------------- */

T_CASE(a_component_describes_itself)
{
	struct fake fake = { .serve = serve_truth };
	struct tacho_target *target = NULL;
	char why[160] = "";
	uint32_t ids[4] = { 0 };

	T_NEED(fake_start(&fake));
	T_EQ(tacho_target_open(&target, fake.pid, why, sizeof(why)), 0);
	T_STREQ(why, "");
	if (!target) {
		fake_stop(&fake);
		return;
	}
	T_EQ(target->pid, fake.pid);
	T_EQ(target->own_pid, fake.pid);
	T_STREQ(target->name, "fake-program");
	T_EQ(target->clock_source, TACHO_SOURCE_MONOTONIC);
	T_EQ(target->writer, 2);
	T_EQ(target->nr_sessions, 4);
	T_EQ(target->nr_events, 3);
	T_EQ(target->nr_principals, 2);
	T_STREQ(target->events[0].name, "queue.push");
	T_EQ(target->events[0].flags, TACHO_EVENT_ON);
	T_EQ(target->events[1].kind, 0);
	T_EQ(target->events[2].kind, TACHO_SAMPLE);
	T_EQ(target->events[2].nr_sites, 12);
	T_STREQ(target->principals[1].name, "consumer-0");
	T_EQ(target->principals[1].principal, 2);
	/* nothing that a terminal obeys arrives, letters do */
	T_STREQ(target->events[0].doc, "items put ?[31min \xc3\xa4 ?? queue?");

	T_EQ(tacho_target_match(target, "queue.*", ids, 4), 2);
	T_EQ(ids[0], 0);
	T_EQ(ids[1], 2);
	T_EQ(tacho_target_match(target, "*", ids, 1), 2);
	T_EQ(tacho_target_match(target, "queue.push", NULL, 0), 1);
	T_EQ(tacho_target_match(target, "", ids, 4), 0);

	T_EQ(tacho_target_describe(target), 0);
	T_EQ(target->nr_events, 3);
	T_EQ(tacho_target_alive(target), 1);
	fake_stop(&fake);
	T_EQ(tacho_target_alive(target), 0);
	T_EQ(tacho_target_describe(target), -ECONNRESET);
	T_OK(strstr(tacho_target_error(target), "closed") != NULL);
	/* what it had said stays */
	T_EQ(target->nr_events, 3);
	T_STREQ(target->events[2].name, "queue.serve");
	T_EQ(tacho_target_describe(target), -ENOTCONN);
	tacho_target_close(target);
}

/* One thing wrong in an otherwise true description. */
enum how { PUT, FILL, LENGTH, SIZE, COPY };
struct lie {
	const char *what;
	int packet;
	/* PUT val at off, FILL val bytes at off, the packet has LENGTH or SIZE val, is a COPY of val */
	enum how how;
	size_t off;
	uint32_t val;
};

#define HEAD(field)	 offsetof(struct packet, head.field)
#define INFO_OF(field)	 offsetof(struct packet, info.field)
#define EVENT(i, field)	 offsetof(struct packet, events[i].field)
#define PRINCIPAL(field) offsetof(struct packet, principals[1].field)
#define REPLY_OF(field)	 offsetof(struct packet, reply.field)

static const struct lie lies[] = {
	{ "magic", INFO, PUT, HEAD(magic), 0x12345678 },
	{ "version", INFO, PUT, HEAD(version), TACHO_MSG_INFO << 16 | 2 },
	{ "type", INFO, PUT, HEAD(version), 77 << 16 | TACHO_PROTOCOL_VERSION },
	{ "size too small", INFO, PUT, HEAD(size), 111 },
	{ "size too large", INFO, PUT, HEAD(size), 113 },
	{ "half a head", INFO, LENGTH, 0, 15 },
	{ "empty head", INFO, SIZE, 0, 16 },
	{ "short info", INFO, SIZE, 0, 111 },
	{ "long info", INFO, SIZE, 0, 113 },
	{ "two infos", INFO, PUT, HEAD(nr), 2 },
	{ "longer than a packet", INFO, SIZE, 0, TACHO_PACKET + 8 },
	{ "another pid", INFO, PUT, INFO_OF(pid), 1 },
	{ "no such clock", INFO, PUT, INFO_OF(clock_source), 3 },
	{ "no such writer", INFO, PUT, INFO_OF(writer), 0 },
	{ "name without end", INFO, FILL, INFO_OF(name), 64 },
	{ "no info", INFO, COPY, 0, REPLY },
	{ "events first", INFO, COPY, 0, EVENTS },
	{ "info twice", EVENTS, COPY, 0, INFO },
	{ "events behind principals", REPLY, COPY, 0, EVENTS },
	{ "no events", EVENTS, SIZE, 0, 16 },
	{ "fewer events than bytes", EVENTS, PUT, HEAD(nr), 2 },
	{ "events whose size wraps around", EVENTS, PUT, HEAD(nr), 0x01000003 },
	{ "events cut", EVENTS, SIZE, 0, 16 + 3 * 256 - 1 },
	{ "event of a far id", EVENTS, PUT, EVENT(2, id), 0x7fffffff },
	{ "event twice", EVENTS, PUT, EVENT(1, id), 0 },
	{ "event of kind 4", EVENTS, PUT, EVENT(0, kind), 4 },
	{ "event without name", EVENTS, PUT, EVENT(0, name), 0 },
	{ "event's name without end", EVENTS, FILL, EVENT(0, name), 64 },
	{ "event's counter without end", EVENTS, FILL, EVENT(2, counter), 48 },
	{ "event's correspondent without end", EVENTS, FILL, EVENT(2, correspondent), 48 },
	{ "event's doc without end", EVENTS, FILL, EVENT(2, doc), 80 },
	{ "principal nobody", PRINCIPALS, PUT, PRINCIPAL(principal), TACHO_NONE },
	{ "principal's name without end", PRINCIPALS, FILL, PRINCIPAL(name), 28 },
	{ "principals cut", PRINCIPALS, SIZE, 0, 16 + 63 },
	{ "positive error", REPLY, PUT, REPLY_OF(error), 1 },
	{ "huge error", REPLY, PUT, REPLY_OF(error), 0x80000000 },
	{ "reply without end", REPLY, FILL, REPLY_OF(text), 124 },
	{ "two replies", REPLY, PUT, HEAD(nr), 2 },
};
#define NR_LIES (sizeof(lies) / sizeof(lies[0]))

static void lie(struct packet p[NR_PACKETS], const struct lie *lie)
{
	struct packet *packet = &p[lie->packet];
	unsigned char *at = (unsigned char *)packet + lie->off;

	switch (lie->how) {
	case PUT:
		memcpy(at, &lie->val, sizeof(lie->val));
		break;
	case FILL:
		memset(at, 'x', lie->val);
		break;
	case SIZE:
		packet->head.size = lie->val;
		packet->len = lie->val;
		break;
	case LENGTH:
		packet->len = lie->val;
		break;
	case COPY:
		*packet = p[lie->val];
		break;
	}
}

static void serve_lie(int conn, const struct fake *fake)
{
	static struct packet p[NR_PACKETS], in;
	int i;

	if (!hear(conn, &in))
		return;
	truth(p);
	lie(p, &lies[fake->kind]);
	for (i = 0; i < NR_PACKETS; i++)
		say(conn, &p[i]);
	hear(conn, &in); /* the session hangs up first */
}

T_CASE(garbage_is_refused)
{
	size_t i;

	for (i = 0; i < NR_LIES; i++) {
		struct fake fake = { .serve = serve_lie, .kind = (int)i };

		T_NEED(fake_start(&fake));
		if (!open_fails(fake.pid, -EPROTO))
			T_FAIL("that was: %s", lies[i].what);
		fake_stop(&fake);
	}
}

/* Random bytes of a true conversation changed, packets cut, repeated or left out. */
static void serve_random(int conn, const struct fake *fake)
{
	static struct packet p[NR_PACKETS], in;
	static uint64_t state;
	int i, n;

	if (!state)
		state = fake->seed;
	if (!hear(conn, &in))
		return;
	truth(p);
	for (i = 0; i < NR_PACKETS; i++) {
		for (n = (int)(t_random(&state) % 4); n > 0; n--)
			((unsigned char *)&p[i])[t_random(&state) % p[i].len] =
				(unsigned char)t_random(&state);
		if (t_random(&state) % 8 == 0)
			p[i].len = t_random(&state) % (p[i].len + 40);
		for (n = (int)(t_random(&state) % 8); n > 0 && n < 4; n--)
			say(conn, &p[i]);
		say(conn, &p[i]);
	}
}

T_CASE(random_answers_do_no_harm)
{
	struct fake fake = { .serve = serve_random, .seed = t_seed() };
	struct tacho_target *target;
	int i, good = 0, error;
	char why[160];

	T_NEED(fake_start(&fake));
	for (i = 0; i < 2000; i++) {
		error = tacho_target_open(&target, fake.pid, why, sizeof(why));
		good += error == 0;
		T_OK(error == 0 || (why[0] && !strchr(why, '\n')));
		T_OK(error != -ETIMEDOUT && error != -ENOENT);
		tacho_target_close(target);
	}
	fake_stop(&fake);
	T_OK(good < 2000);
}

static void serve_nothing(int conn, const struct fake *fake)
{
	char bytes[64];

	(void)fake;
	while (recv(conn, bytes, sizeof(bytes), 0) > 0)
		;
}

T_CASE(a_silent_component_is_given_up)
{
	struct fake fake = { .serve = serve_nothing };

	T_NEED(fake_start(&fake));
	open_fails(fake.pid, -ETIMEDOUT);
	fake_stop(&fake);
}

T_CASE(a_stopped_component_is_given_up)
{
	struct fake fake = { .serve = serve_truth };
	size_t nr = 0, i;
	int *pids = NULL;

	T_NEED(fake_start(&fake));
	kill(fake.pid, SIGSTOP);
	open_fails(fake.pid, -ETIMEDOUT);
	T_EQ(tacho_target_list(&pids, &nr), 0);
	for (i = 0; i < nr && pids[i] != fake.pid; i++)
		;
	T_OK(i < nr);
	free(pids);
	fake_stop(&fake);
}

T_CASE(a_full_queue_is_given_up)
{
	struct fake fake = { .deaf = true };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fds[4], i, nr = 0, len, *pids = NULL;
	size_t found = 0, k;

	T_NEED(fake_start(&fake));
	len = snprintf(address.sun_path + 1, 60, TACHO_ADDRESS, fake.pid);
	len += (int)offsetof(struct sockaddr_un, sun_path) + 1;
	for (i = 0; i < 4; i++) {
		fds[nr] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
		if (connect(fds[nr], (struct sockaddr *)&address, (socklen_t)len) == 0)
			nr++;
		else
			close(fds[nr]);
	}
	T_OK(nr < 4);
	open_fails(fake.pid, -ETIMEDOUT);
	T_EQ(tacho_target_list(&pids, &found), 0);
	for (k = 0; k < found && pids[k] != fake.pid; k++)
		;
	T_OK(k < found);
	free(pids);
	while (nr > 0)
		close(fds[--nr]);
	fake_stop(&fake);
}

/* One event per packet, for ever: kind 0 as fast as it is read, kind 1 slowly. */
static void serve_endless(int conn, const struct fake *fake)
{
	static struct packet p[NR_PACKETS], in;
	uint32_t id;

	if (!hear(conn, &in))
		return;
	truth(p);
	say(conn, &p[INFO]);
	packet_fill(&p[EVENTS], TACHO_MSG_EVENTS, 1, sizeof(p->events[0]));
	for (id = 0;; id++) {
		p[EVENTS].events[0].id = id;
		if (!say(conn, &p[EVENTS]))
			return;
		if (fake->kind)
			usleep(200000);
	}
}

T_CASE(an_endless_answer_is_given_up)
{
	struct fake fast = { .serve = serve_endless }, slow = { .serve = serve_endless, .kind = 1 };

	T_NEED(fake_start(&fast));
	open_fails(fast.pid, -EPROTO);
	fake_stop(&fast);
	T_NEED(fake_start(&slow));
	open_fails(slow.pid, -ETIMEDOUT);
	fake_stop(&slow);
}

/* As a component refuses: it answers what it has not read yet and closes. */
static void serve_refusal(int conn, const struct fake *fake)
{
	struct pollfd pollfd = { .fd = conn, .events = POLLIN };

	if (fake->kind)
		poll(&pollfd, 1, 1000);
	say_reply(conn, -EPERM, "not you");
}

T_CASE(a_refusal_says_why)
{
	struct tacho_target *target;
	char why[160] = "";
	int kind;

	for (kind = 0; kind < 2; kind++) {
		struct fake fake = { .serve = serve_refusal, .kind = kind };

		T_NEED(fake_start(&fake));
		T_EQ(tacho_target_open(&target, fake.pid, why, sizeof(why)), -EPERM);
		T_OK(strstr(why, "not you") != NULL);
		fake_stop(&fake);
	}
}

T_CASE(who_is_no_component)
{
	struct fake fake = { .serve = serve_truth, .number = getpid() };
	size_t nr = 0, i;
	int *pids = NULL;

	open_fails(getpid(), -ENOENT);
	open_fails(0, -ESRCH);
	open_fails(-1, -ESRCH);
	open_fails(0x7ffffff0, -ESRCH);
	/* another process that listens where we would is not we, and not a component either */
	T_NEED(fake_start(&fake));
	open_fails(getpid(), -ENOENT);
	T_EQ(tacho_target_list(&pids, &nr), 0);
	for (i = 0; i < nr; i++)
		T_OK(pids[i] != getpid() && pids[i] != fake.pid);
	free(pids);
	fake_stop(&fake);
}

T_CASE(an_address_that_is_taken)
{
	struct fake fake = { .serve = serve_truth, .suffix = 2 };
	struct tacho_target *target;

	T_NEED(fake_start(&fake));
	T_EQ(tacho_target_open(&target, fake.pid, NULL, 0), 0);
	tacho_target_close(target);
	fake_stop(&fake);
}

static int nr_found(const char *what, int pid)
{
	size_t nr = 0, i;
	int *pids = NULL, found = 0;

	T_EQ(tacho_target_find(what, &pids, &nr), 0);
	for (i = 0; i < nr; i++) {
		found += pids[i] == pid;
		T_OK(i == 0 || pids[i - 1] < pids[i]);
	}
	free(pids);
	return found;
}

T_CASE(lists_and_names)
{
	struct fake one = { .serve = serve_truth }, two = { .serve = serve_truth };
	char number[16];
	size_t nr = 0;
	int *pids = NULL;

	T_NEED(fake_start(&one));
	T_NEED(fake_start(&two));
	T_EQ(nr_found("t_fake", one.pid), 1); /* what the kernel calls it */
	T_EQ(nr_found("t_fake", two.pid), 1);
	T_EQ(nr_found("fake-program", one.pid), 1); /* what it calls itself */
	T_EQ(nr_found("no-such-program", one.pid), 0);
	T_EQ(nr_found("", one.pid), 0);
	snprintf(number, sizeof(number), "%d", two.pid);
	T_EQ(nr_found(number, two.pid), 1);
	T_EQ(nr_found(number, one.pid), 0);
	fake_stop(&one);
	fake_stop(&two);
	T_EQ(tacho_target_find(number, &pids, &nr), 0);
	T_EQ(nr, 0);
	free(pids);
}

static ino_t own_netns(void)
{
	struct stat st = { 0 };

	T_EQ(stat("/proc/thread-self/ns/net", &st), 0);
	return st.st_ino;
}

T_CASE(another_network_namespace)
{
	struct fake fake = { .serve = serve_truth, .unshare = CLONE_NEWNET };
	struct tacho_target *target;
	ino_t before = own_netns();
	char why[160];

	if (!fake_start(&fake))
		T_SKIP("no network namespace can be made here");
	T_EQ(nr_found("t_fake", fake.pid), 1);
	T_EQ(tacho_target_open(&target, fake.pid, why, sizeof(why)), 0);
	T_OK(target && tacho_target_describe(target) == 0);
	T_EQ(own_netns(), before);
	tacho_target_close(target);
	fake_stop(&fake);
	T_EQ(own_netns(), before);
}

/* In a pid namespace the component is number 1, and not the one that we know. */
T_CASE(another_pid_namespace)
{
	struct fake fake = { .serve = serve_truth, .unshare = CLONE_NEWNET | CLONE_NEWPID };
	struct tacho_target *target = NULL;
	size_t nr = 0;
	int *pids = NULL;

	if (!fake_start(&fake))
		T_SKIP("no pid namespace can be made here");
	T_EQ(tacho_target_find("t_fake", &pids, &nr), 0);
	T_EQ(nr, 1);
	if (nr == 1) {
		T_OK(pids[0] != fake.pid && pids[0] != 1);
		T_EQ(tacho_target_open(&target, pids[0], NULL, 0), 0);
		T_OK(target && target->own_pid == 1 && target->pid == pids[0]);
	}
	tacho_target_close(target);
	free(pids);
	fake_stop(&fake);
}

T_MAIN
