/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * source.h: which programs serve which events, and what this kernel has of what they need.
 *
 * The one table between events.h and the programs in *.bpf.c. A new event in an existing file is a
 * program there and a row here. Used by the files of kernel/ only.
 */
#ifndef TACHO_KERNEL_SOURCE_H
#define TACHO_KERNEL_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel.h"

#define TACHO_K_BIT(symbol) (1ull << TACHO_K_##symbol)
_Static_assert(TACHO_K_NR <= 64, "a set of events is one word");

enum tacho_k_how {
	TACHO_K_TRACEPOINT, /* attached to it */
	TACHO_K_TIMER, /* a perf event on every CPU */
	TACHO_K_TASKS, /* a tracepoint too, attached with the first event whatever it is */
	TACHO_K_RUN, /* never attached: run or read by the session */
};

/* Where an event has several ways to be found out, a program belongs to one of them. */
enum tacho_k_way {
	TACHO_K_ALWAYS,
	TACHO_K_NATIVE, /* the processor's own entries, exits and injected interrupts */
	TACHO_K_SUBSTITUTE, /* the call KVM_RUN, and what it tells of its work */
	TACHO_K_LAST, /* of interrupts only: what was sent, if nothing tells what arrived */
	TACHO_K_NR_WAYS,
};

#define TACHO_K_MAX_SOURCES 96

struct tacho_k_source {
	const char *program;
	const char *tracepoint; /* NULL: none, the kernel version does not matter */
	uint64_t events; /* that are not complete without it */
	uint64_t helps; /* events that it makes better, and that do without */
	enum tacho_k_how how;
	enum tacho_k_way way;
};
extern const struct tacho_k_source tacho_k_sources[];
extern const size_t tacho_k_nr_sources;

struct btf;
/* Whether the kernel whose type information this is has what the source needs. */
bool tacho_k_source_exists(const struct tacho_k_source *source, const struct btf *btf);
/*
 * The event table for this kernel: all entries, kind 0 where no way to find it out is complete;
 * why (may be NULL) then names what is missing. btf NULL: there is no type information, so nothing.
 */
void tacho_k_events(struct tacho_event_entry *events, char (*why)[64], const struct btf *btf);
/* Type information of the running kernel: 0 or -errno, -EOPNOTSUPP: it has none. */
int tacho_k_btf_open(struct btf **btf, char *why, size_t why_size);

#endif /* TACHO_KERNEL_SOURCE_H */
