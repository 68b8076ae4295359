/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * area.h: the format of an area, the memory that one component and one session share.
 *
 * This header is the only description of these bytes. The writer in C, the writer in eBPF, every
 * reader and the validator include it; doc/format.md prints its tables and a test compares the two.
 * It compiles as C, C++ and BPF and needs nothing but fixed-width types.
 *
 * The ideas are those of chapter 3 and section 4.3 of the event-logging thesis (paper 001): per-CPU
 * cyclic logs of fixed-size rows, control registers beside them, routes from event and domain to log.
 *
 *   offset 0                                                                        header.size
 *   +--------+--------+---------+------------+---------------+---------------+- - -+
 *   | header | events | domains | principals | part of CPU 0 | part of CPU 1 |     |
 *   +--------+--------+---------+------------+---------------+---------------+- - -+
 *                                            |<- part_stride ->|
 *   a part:
 *   +-----------+-------------------+--------+---------+--------------- - - ---+---------+
 *   | tacho_cpu | control registers | routes | samples | rows of all logs      | scratch |
 *   +-----------+-------------------+--------+---------+--------------- - - ---+---------+
 *   |<------------------ body_size, a power of two --------------------------->|<-4 KiB->|
 *
 * Who writes: the session makes the area and writes everything in it, once or while it is in use;
 * the component writes only the fields marked [writer], all of them inside parts. The component
 * trusts nothing that it reads here: it copies and checks the geometry once, when it is attached,
 * and masks every value that it reads later before it becomes part of an address.
 *
 * Address space is laid out for every possible CPU; memory is used from the first touch on.
 *
 * Extension: readers skip sections of a type that they do not know; fields named pad are zero and
 * may get a meaning without a new version. Any other change of meaning is a new TACHO_VERSION.
 * Byte order is that of the machine; a magic that reads reversed is refused like any other.
 */
#ifndef TACHO_AREA_H
#define TACHO_AREA_H

#if defined(__bpf__)
typedef unsigned char tacho_u8;
typedef unsigned short tacho_u16;
typedef unsigned int tacho_u32;
typedef int tacho_s32;
typedef unsigned long long tacho_u64;
#else
#include <stdint.h>
typedef uint8_t tacho_u8;
typedef uint16_t tacho_u16;
typedef uint32_t tacho_u32;
typedef int32_t tacho_s32;
typedef uint64_t tacho_u64;
#endif

#if defined(__cplusplus)
#define TACHO_ASSERT(cond, text) static_assert(cond, text)
#else
#define TACHO_ASSERT(cond, text) _Static_assert(cond, text)
#endif
#define TACHO_CHECK_SIZE(type, n) TACHO_ASSERT(sizeof(type) == (n), "size of " #type)
#define TACHO_CHECK_OFFSET(type, field, n)                                                         \
	TACHO_ASSERT(__builtin_offsetof(type, field) == (n), "offset of " #type "." #field)

#define TACHO_MAGIC   0x474f4c4f48434154ull /* the bytes "TACHOLOG" on a little-endian machine */
#define TACHO_VERSION 1u
#define TACHO_PAGE    4096u /* unit of alignment of sections and size of the scratch page */
#define TACHO_NONE    0xffffffffu /* no domain, no correspondent, no principal */

/* Limits of version 1. Every count marked pow2 is a power of two. */
#define TACHO_MAX_CPUS	     4096u
#define TACHO_MAX_EVENTS     65536u /* pow2 */
#define TACHO_MAX_DOMAINS    65536u /* pow2 */
#define TACHO_MAX_LOGS	     65536u /* pow2; log 0 is the null log and is never written */
#define TACHO_MAX_PRINCIPALS 1048576u /* pow2 */
#define TACHO_MAX_BODY	     (1u << 30)
#define TACHO_MAX_SECTIONS   16u
#define TACHO_MAX_ROW	     32u

/* What a component is. */
enum tacho_component {
	TACHO_COMPONENT_PROCESS = 1,
	TACHO_COMPONENT_KERNEL = 2,
	TACHO_COMPONENT_HYPERVISOR = 3,
	TACHO_COMPONENT_GUEST = 4,
};

/* What an event is (section 3.3.1 of the thesis). */
enum tacho_kind {
	TACHO_ACCESS = 1, /* a resource is used or a value changes; the counter is the amount */
	TACHO_SPAN = 2, /* entry and exit; the difference is the counter of the row, at the exit */
	TACHO_SAMPLE = 3, /* asynchronous; the counter is the state that was found */
};

/* The clock behind TACHO_CLOCK_TIME and TACHO_CLOCK_TICK; one per area. */
enum tacho_clock_source {
	TACHO_SOURCE_TSC = 1, /* the time-stamp counter of x86 */
	TACHO_SOURCE_MONOTONIC = 2, /* CLOCK_MONOTONIC, ns */
};

/*
 * The layout of a log's rows: one byte, any value below 128 is defined.
 * Entries stand in the row in the order of their sizes: timestamp, counter, event, domain,
 * correspondent; a row is padded to a power of two. No entry at all: the row has no bytes and only
 * the position counts.
 */
#define TACHO_ENTRY_EVENT	  0x01u
#define TACHO_ENTRY_DOMAIN	  0x02u
#define TACHO_ENTRY_CORRESPONDENT 0x04u
#define TACHO_ENTRY_COUNTER	  0x08u
#define TACHO_ENTRIES_ALL	  0x0fu
#define TACHO_CLOCK_SHIFT	  4u
#define TACHO_CLOCK_MASK	  0x30u
#define TACHO_CLOCK_NONE	  0x00u
#define TACHO_CLOCK_VIRTUAL	  0x10u /* tacho_cpu.virtual_clock, then it is incremented */
#define TACHO_CLOCK_TICK	  0x20u /* tacho_cpu.tick, which the session advances */
#define TACHO_CLOCK_TIME	  0x30u /* the clock source itself */
#define TACHO_ADD		  0x40u /* add the counter to the first 8 bytes of the log */
#define TACHO_LAYOUTS		  0x80u

/*
 * Offsets of the entries and size of a row, as functions of the layout. They are macros so that
 * constants stay constants in C, C++ and BPF.
 *   row_size in { 0, 4, 8, 16, 32 };  row_size == 0 <=> no entry
 */
#define TACHO_HAS_TIME(layout)	  (((layout)&TACHO_CLOCK_MASK) != 0)
#define TACHO_COUNTER_OFF(layout) (TACHO_HAS_TIME(layout) ? 8u : 0u)
#define TACHO_EVENT_OFF(layout)                                                                    \
	(TACHO_COUNTER_OFF(layout) + ((layout)&TACHO_ENTRY_COUNTER ? 8u : 0u))
#define TACHO_DOMAIN_OFF(layout) (TACHO_EVENT_OFF(layout) + ((layout)&TACHO_ENTRY_EVENT ? 4u : 0u))
#define TACHO_CORR_OFF(layout)	 (TACHO_DOMAIN_OFF(layout) + ((layout)&TACHO_ENTRY_DOMAIN ? 4u : 0u))
#define TACHO_ENTRY_BYTES(layout)                                                                  \
	(TACHO_CORR_OFF(layout) + ((layout)&TACHO_ENTRY_CORRESPONDENT ? 4u : 0u))
#define TACHO_ROW_SHIFT(layout)                                                                    \
	(TACHO_ENTRY_BYTES(layout) > 16	 ? 5u                                                      \
	 : TACHO_ENTRY_BYTES(layout) > 8 ? 4u                                                      \
	 : TACHO_ENTRY_BYTES(layout) > 4 ? 3u                                                      \
					 : 2u)
#define TACHO_ROW_SIZE(layout) (TACHO_ENTRY_BYTES(layout) == 0 ? 0u : 1u << TACHO_ROW_SHIFT(layout))

/*
 * A route: 4 bytes, per CPU, event and domain. The byte offset of the log's control register from
 * the first one, that is 64 * log; 0 means no log. Bit 31 set: the event is sampled, and the sample
 * of the same event and domain says how. Index: event * nr_domains + domain.
 */
#define TACHO_ROUTE_SAMPLED 0x80000000u
#define TACHO_ROUTE(log)    ((tacho_u32)(log)*64u)

/* Why an event that should have become a row did not. One count per CPU and reason. */
enum tacho_lost {
	TACHO_LOST_BUSY, /* generic writer: every candidate log was locked by another writer */
	TACHO_LOST_CPU, /* the CPU has no part in this area */
	TACHO_LOST_RSEQ, /* the thread has no restartable sequences, the component relies on them */
	TACHO_LOST_LAYOUT, /* the layout byte is not defined in this version */
	TACHO_LOST_NESTED, /* the kernel does not run a program inside itself; counted for CPU 0 */
	TACHO_NR_LOST,
};

/*
 * The first 128 bytes of a part. cpu and node are 0 until the session gives out the first log.
 * running: the span of cpu.service that has no row yet. The writer stores since 0, the domain, since,
 * in this order, so that who reads since, domain and since again, and finds the same, has a pair.
 */
struct tacho_cpu {
	tacho_u64 virtual_clock; /* [writer] strictly increasing per CPU; may skip a number */
	tacho_u64 tick; /* [session] the clock source when the session last ticked */
	tacho_u64 lost[6]; /* [writer] by enum tacho_lost, events */
	tacho_u32 cpu; /* [session] number of the CPU */
	tacho_u32 node; /* [session] NUMA node that the part was placed on, or TACHO_NONE */
	tacho_u64 running_since; /* [writer] clock source when running_domain came; 0: unknown */
	tacho_u32 running_domain; /* [writer] the domain that has the CPU */
	tacho_u32 running_task; /* [writer] the writer's own: who was switched to last */
	tacho_u64 pad[5];
};
TACHO_CHECK_SIZE(struct tacho_cpu, 128);
TACHO_CHECK_OFFSET(struct tacho_cpu, lost, 16);
TACHO_CHECK_OFFSET(struct tacho_cpu, cpu, 64);

/*
 * The control register of one log: 64 bytes.
 *   rows = row_mask + 1, a power of two
 *   row i, for pos - rows <= i < pos, is at rows_off + (i & row_mask) * row_size from the part
 *   a row is complete before pos counts it; row pos - rows may be in the process of being replaced
 * Rows of all logs of a part are disjoint and lie in [rows_off of the header, body_size).
 * rows_off is a multiple of row_size. It is written last, and 0 in a register that was not given out:
 * such a register is all zero.
 * An adding log: row_mask is 0, the sum is the 8 bytes at rows_off, a multiple of 8, and pos stays 0.
 */
struct tacho_control {
	tacho_u64 pos; /* [writer] rows written since the log was opened, free-running */
	tacho_u32 rows_off; /* [session] first byte of the rows, from the start of the part */
	tacho_u32 row_mask; /* [session] number of rows - 1 */
	tacho_u32 layout; /* [session] TACHO_ENTRY_*, TACHO_CLOCK_*, TACHO_ADD */
	tacho_u32 lock; /* [writer] generic writer: 1 while a row is being written */
	tacho_u32 event; /* [session] the only event that is routed here, or TACHO_NONE */
	tacho_u32 domain; /* [session] the only domain that is routed here, or TACHO_NONE */
	tacho_u64 pad[4];
};
TACHO_CHECK_SIZE(struct tacho_control, 64);
TACHO_CHECK_OFFSET(struct tacho_control, rows_off, 8);
TACHO_CHECK_OFFSET(struct tacho_control, row_mask, 12);
TACHO_CHECK_OFFSET(struct tacho_control, layout, 16);
TACHO_CHECK_OFFSET(struct tacho_control, lock, 20);
TACHO_CHECK_OFFSET(struct tacho_control, event, 24);

/*
 * Sampling of one event and domain on one CPU: every threshold-th event becomes a row. A writer that
 * counts while the session changes its mind may put its old count back: a count that is too large is
 * made good by the next event.
 */
struct tacho_sample {
	tacho_u32 threshold; /* [session] 1 or 0: every event */
	tacho_u32 count; /* [writer] events since the last row, < threshold */
};
TACHO_CHECK_SIZE(struct tacho_sample, 8);

/* One event of the component, in the order of its ids: event table[id].id == id or the slot is free. */
struct tacho_event_entry {
	tacho_u32 id;
	tacho_u32 kind; /* enum tacho_kind; 0: the slot is free */
	tacho_u32 nr_sites; /* places in the text */
	tacho_u32 flags; /* TACHO_EVENT_* */
	char name[64]; /* dotted, zero-terminated */
	char counter[48]; /* what the counter is, or empty */
	char correspondent[48]; /* what the correspondent is, or empty */
	char doc[80]; /* one line for a person */
};
TACHO_CHECK_SIZE(struct tacho_event_entry, 256);
#define TACHO_EVENT_ON	  0x1u /* enabled when the table was made */
#define TACHO_EVENT_TICKS 0x2u /* the counter is in units of the clock source */
#define TACHO_EVENT_DATA  0x4u /* the correspondent is no domain but a number of the event's own */

/* A domain of the session: a name for a person. Index: domain. */
struct tacho_domain_entry {
	char name[32]; /* zero-terminated; empty: unnamed */
};
TACHO_CHECK_SIZE(struct tacho_domain_entry, 32);

/* Sections: what is where in the area. */
enum tacho_section_type {
	TACHO_SECTION_EVENTS = 1, /* struct tacho_event_entry[nr_events] */
	TACHO_SECTION_DOMAINS = 2, /* struct tacho_domain_entry[nr_domains] */
	TACHO_SECTION_PRINCIPALS = 3, /* tacho_u32[nr_principals], the domain of each principal */
	TACHO_SECTION_PARTS = 4, /* nr_cpus parts of part_stride bytes */
};

struct tacho_section {
	tacho_u32 type; /* enum tacho_section_type */
	tacho_u32 entry_size; /* bytes of one entry */
	tacho_u64 off; /* from the start of the area, multiple of TACHO_PAGE */
	tacho_u64 size; /* bytes */
	tacho_u64 pad;
};
TACHO_CHECK_SIZE(struct tacho_section, 32);

/*
 * The header, first bytes of the area.
 * Principals: domain = principals[principal & (nr_principals - 1)] & (nr_domains - 1). The last slot
 * belongs to TACHO_NONE and holds TACHO_NONE; a correspondent's domain is stored without the mask.
 * Time: ns = clock_base_ns + ((t - clock_base) * clock_mult >> clock_shift), 128-bit product.
 * size is a multiple of TACHO_PAGE; routes_off, samples_off and rows_off are multiples of 64, in this
 * order; sections do not overlap, and their off and size agree with the other fields.
 */
struct tacho_area {
	tacho_u64 magic; /* TACHO_MAGIC */
	tacho_u32 version; /* TACHO_VERSION */
	tacho_u32 header_size; /* sizeof(struct tacho_area) */
	tacho_u64 size; /* of the whole area, bytes */
	tacho_u32 component; /* enum tacho_component */
	tacho_u32 nr_cpus; /* parts */
	tacho_u32 nr_domains; /* pow2 */
	tacho_u32 nr_events; /* pow2, capacity of the event table */
	tacho_u32 nr_logs; /* pow2, control registers per CPU, with the null log */
	tacho_u32 nr_principals; /* pow2 */
	tacho_u64 parts_off; /* start of the part of CPU 0 */
	tacho_u64 part_stride; /* multiple of TACHO_PAGE, >= body_size + TACHO_PAGE */
	tacho_u32 body_size; /* pow2; the scratch page is at part + body_size */
	tacho_u32 routes_off; /* from the start of a part */
	tacho_u32 samples_off; /* from the start of a part */
	tacho_u32 rows_off; /* from the start of a part: where rows may begin */
	tacho_u64 principals_off; /* from the start of the area */
	tacho_u32 clock_source; /* enum tacho_clock_source */
	tacho_u32 clock_shift; /* < 64 */
	tacho_u64 clock_mult; /* [session] refined while the session runs, the other four stay */
	tacho_u64 clock_base; /* [session] clock source at clock_base_ns */
	tacho_u64 clock_base_ns; /* [session] CLOCK_MONOTONIC, ns */
	tacho_u32 pid; /* of the component, 0 for kernel and hypervisor */
	tacho_u32 nr_sections; /* <= TACHO_MAX_SECTIONS */
	char name[64]; /* of the component, zero-terminated */
	tacho_u64 pad[8];
	struct tacho_section sections[TACHO_MAX_SECTIONS];
};
TACHO_CHECK_SIZE(struct tacho_area, 768);
TACHO_CHECK_OFFSET(struct tacho_area, size, 16);
TACHO_CHECK_OFFSET(struct tacho_area, nr_domains, 32);
TACHO_CHECK_OFFSET(struct tacho_area, parts_off, 48);
TACHO_CHECK_OFFSET(struct tacho_area, body_size, 64);
TACHO_CHECK_OFFSET(struct tacho_area, principals_off, 80);
TACHO_CHECK_OFFSET(struct tacho_area, clock_source, 88);
TACHO_CHECK_OFFSET(struct tacho_area, pid, 120);
TACHO_CHECK_OFFSET(struct tacho_area, name, 128);
TACHO_CHECK_OFFSET(struct tacho_area, sections, 256);

#define TACHO_CONTROLS_OFF 128u /* from the start of a part: sizeof(struct tacho_cpu) */

#endif /* TACHO_AREA_H */
