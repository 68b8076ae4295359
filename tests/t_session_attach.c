// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_session_attach.c: what a session sends when it attaches and switches events, as a component that is made
 * up (session_fake.h) receives it.
 */
#include "session_fake.h"

/* --- attaching ------------------------------------------------------------------------------ */

static uint32_t ids_heard;

/* Receive an ATTACH: the descriptor must come along and be an area of the size it says. */
static int hear_attach(int conn, struct packet *in)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { in, TACHO_PACKET };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control.space,
				  .msg_controllen = sizeof(control.space) };
	struct cmsghdr *head;
	struct tacho_area area;
	struct stat st;
	int fd, good;

	if (recvmsg(conn, &message, MSG_CMSG_CLOEXEC) < (ssize_t)sizeof(in->head))
		return 0;
	head = CMSG_FIRSTHDR(&message);
	if (!head)
		return -1;
	memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	good = fstat(fd, &st) == 0 && pread(fd, &area, sizeof(area), 0) == sizeof(area) &&
	       area.magic == TACHO_MAGIC && area.size == (uint64_t)st.st_size;
	close(fd);
	return good ? 1 : -1;
}

static void serve_switch(int conn, const struct packet *in)
{
	const uint32_t *ids = (const uint32_t *)(const void *)in->bytes;
	uint32_t i;

	for (i = 0; i < in->head.nr; i++)
		if (ids[i] != ids_heard + i)
			break;
	if (i < in->head.nr || in->head.size != sizeof(in->head) + in->head.nr * 4) {
		say_reply(conn, -EINVAL, "wrong ids");
		return;
	}
	ids_heard += in->head.nr;
	say_reply(conn, 0, "");
}

/* 4000 events; wants an area, then ENABLE of 0, 1, ... 3999; does not answer to DISABLE. */
static void serve_attach(int conn, const struct fake *fake)
{
	static struct packet p[NR_PACKETS], in;
	int good, id;

	(void)fake;
	ids_heard = 0;
	for (;;) {
		good = hear_attach(conn, &in);
		if (good == 0)
			return;
		if (in.head.type == TACHO_MSG_DESCRIBE) {
			truth(p);
			say(conn, &p[INFO]);
			packet_fill(&p[EVENTS], TACHO_MSG_EVENTS, 1, sizeof(p->events[0]));
			for (id = 0; id < 4000; id++) {
				p[EVENTS].events[0].id = (uint32_t)id;
				say(conn, &p[EVENTS]);
			}
			say(conn, &p[REPLY]);
		} else if (in.head.type == TACHO_MSG_ATTACH) {
			say_reply(conn, good == 1 ? 0 : -EBADF, good == 1 ? "" : "no area");
		} else if (in.head.type == TACHO_MSG_ENABLE) {
			serve_switch(conn, &in);
		}
	}
}

T_CASE(the_area_and_the_ids_arrive)
{
	struct fake fake = { .serve = serve_attach };
	struct tacho_area_options options = {
		.nr_cpus = 1,
		.nr_events = 4096,
		.nr_domains = 2,
		.clock_source = TACHO_SOURCE_MONOTONIC,
	};
	struct tacho_target *target = NULL;
	struct tacho_memory memory;
	uint32_t ids[4000], i;

	for (i = 0; i < 4000; i++)
		ids[i] = i;
	T_NEED(tacho_memory_create(&memory, &options) == 0);
	T_NEED(fake_start(&fake));
	T_EQ(tacho_target_open(&target, fake.pid, NULL, 0), 0);
	if (!target)
		goto out;
	T_EQ(target->nr_events, 4000);
	T_EQ(tacho_target_attach(target, &memory), 0);
	T_EQ(tacho_target_enable(target, ids, 4000), 0);
	T_EQ(tacho_target_enable(target, ids, 1), -EINVAL); /* it wants 4000 now, and says so */
	T_OK(strstr(tacho_target_error(target), "wrong ids") != NULL);
	ids[0] = 4000;
	T_EQ(tacho_target_enable(target, ids, 1), -EINVAL); /* not even sent */
	T_OK(strstr(tacho_target_error(target), "no event 4000") != NULL);
	T_EQ(tacho_target_alive(target), 1);
	/* no answer: then it is not known what is on, and the lease ends */
	T_EQ(tacho_target_disable(target, ids + 1, 1), -ETIMEDOUT);
	T_EQ(tacho_target_alive(target), 0);
	T_EQ(tacho_target_disable(target, ids + 1, 1), -ENOTCONN);
out:
	tacho_target_close(target);
	tacho_memory_destroy(&memory);
	fake_stop(&fake);
}

T_CASE(an_area_that_does_not_fit)
{
	struct fake fake = { .serve = serve_attach };
	struct tacho_area_options options = { .nr_cpus = 1,
					      .clock_source = TACHO_SOURCE_MONOTONIC };
	struct tacho_target *target = NULL;
	struct tacho_memory small = { 0 }, other = { 0 };

	T_NEED(tacho_memory_create(&small, &options) == 0);
	options.clock_source = TACHO_SOURCE_TSC;
	options.nr_events = 4096;
	T_NEED(tacho_memory_create(&other, &options) == 0);
	T_NEED(fake_start(&fake));
	T_EQ(tacho_target_open(&target, fake.pid, NULL, 0), 0);
	if (target) {
		T_EQ(tacho_target_attach(target, &small), -EINVAL);
		T_OK(strstr(tacho_target_error(target), "room for 64 events") != NULL);
		T_EQ(tacho_target_attach(target, &other), -EINVAL);
		T_OK(strstr(tacho_target_error(target), "clock source") != NULL);
	}
	tacho_target_close(target);
	tacho_memory_destroy(&small);
	tacho_memory_destroy(&other);
	fake_stop(&fake);
}

T_MAIN
