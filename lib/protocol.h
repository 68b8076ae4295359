/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * protocol.h: what a session and a component say to each other over the component's local socket.
 *
 * A component listens on the abstract address "\0tacho/PID" (PID as the component sees it; "/1" to
 * "/3" are appended when the address is taken), SOCK_SEQPACKET, one message per packet. Both sides
 * check the other's credentials: the component serves its own user and root, the session checks the
 * pid. The connection is the lease: when it closes, everything it switched on is switched off.
 *
 *   session                          component
 *   DESCRIBE                  --->
 *                             <---   INFO, then EVENTS*, then PRINCIPALS*, then REPLY 0
 *   ATTACH + file descriptor  --->
 *                             <---   REPLY
 *   ENABLE ids                --->   the sites jump from here on
 *                             <---   REPLY
 *   DISABLE ids               --->
 *                             <---   REPLY
 *
 * Everything else (routes, thresholds, entries, domains) is changed by writing the area. A message
 * that is too short, too long or unknown is answered by REPLY -EPROTO with one line of text, and the
 * connection is closed. Only fixed-width types; both sides are on one machine.
 */
#ifndef TACHO_PROTOCOL_H
#define TACHO_PROTOCOL_H

#include <tacho/area.h>

#define TACHO_PROTOCOL_MAGIC   0x4f484354u /* "TCHO" */
#define TACHO_PROTOCOL_VERSION 1u
#define TACHO_PACKET	       8192u /* no packet is longer */
#define TACHO_ADDRESS	       "tacho/%d" /* behind the zero byte; alternatives append /1.../3 */
#define TACHO_ADDRESSES	       4

enum tacho_message_type {
	TACHO_MSG_DESCRIBE = 1,
	TACHO_MSG_INFO = 2,
	TACHO_MSG_EVENTS = 3,
	TACHO_MSG_PRINCIPALS = 4,
	TACHO_MSG_ATTACH = 5,
	TACHO_MSG_ENABLE = 6,
	TACHO_MSG_DISABLE = 7,
	TACHO_MSG_REPLY = 8,
};

struct tacho_message {
	tacho_u32 magic;
	tacho_u16 version;
	tacho_u16 type; /* enum tacho_message_type */
	tacho_u32 size; /* of the packet, with this header */
	tacho_u32 nr; /* elements behind this header */
};
TACHO_CHECK_SIZE(struct tacho_message, 16);

/* INFO: one of these. */
struct tacho_message_info {
	tacho_u32 pid; /* as the component sees itself */
	tacho_u32 nr_events; /* ids given out so far */
	tacho_u32 nr_principals; /* names */
	tacho_u32 clock_source; /* enum tacho_clock_source */
	tacho_u32 writer; /* 1: restartable sequences, 2: generic */
	tacho_u32 nr_sessions; /* attached now */
	tacho_u32 nr_sites;
	tacho_u32 pad;
	char name[64]; /* of the program */
};
TACHO_CHECK_SIZE(struct tacho_message_info, 96);

/* EVENTS: struct tacho_event_entry[nr]; ENABLE, DISABLE: tacho_u32 id[nr]; ATTACH: nothing. */

/* PRINCIPALS: these[nr]. */
struct tacho_message_principal {
	tacho_u32 principal;
	char name[28];
};
TACHO_CHECK_SIZE(struct tacho_message_principal, 32);

/* REPLY: one of these. */
struct tacho_message_reply {
	tacho_s32 error; /* 0 or -errno */
	char text[124]; /* one line, empty when there is nothing to say */
};
TACHO_CHECK_SIZE(struct tacho_message_reply, 128);

#endif /* TACHO_PROTOCOL_H */
