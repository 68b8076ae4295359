/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hot.bpf.h: the log operation in eBPF (section 4.3.3 of paper 001, in a stock kernel).
 *
 * Owns the steps from "an event happened" to "a row is in its log", for an area that is an array map:
 * element 0 holds the header and the tables, element first + n the part of CPU n. The steps are those
 * of hot.h. Must not trust anything in the map: every value is masked before it is part of an
 * address, and the verifier proves it, because the geometry comes from read-only data that was
 * frozen before the program was checked.
 *
 * Included after the types and helpers of the kernel (a vmlinux.h or less) by programs that run
 * without migration; used by kernel/ and guest/.
 *
 * Writers nest: an interrupt's program may run inside a task's, on the same CPU, to its end. So a
 * plain lock word is enough to keep a row whole: who finds it taken is inside its owner. It does not
 * wait and does not write: the event is counted as lost (TACHO_LOST_BUSY). Between the test and the
 * store of the word an interrupt may come and go; it leaves the word as it was, and the position
 * is read after it. Nobody but this CPU's programs writes here, so there is no locked instruction,
 * except to add (a sum has no lock word) and to count losses.
 *
 * Barriers: A and C of hot.h. eBPF has no store barrier of its own. On x86 stores are seen in their order and
 * keeping the compiler from moving them is enough; elsewhere the geometry says so (weak) and a full
 * barrier is taken from an atomic operation.
 */
#ifndef TACHO_HOT_BPF_H
#define TACHO_HOT_BPF_H

#include "area.h"
#include "geometry.h"

#define TACHO__INLINE static inline __attribute__((always_inline))

/* Everything that a row can say. now: the clock source, or 0: read it if the log wants it. */
struct tacho_bpf_event {
	tacho_u32 event;
	tacho_u32 domain; /* <= domain_mask */
	tacho_u32 correspondent;
	tacho_u32 is_data; /* the correspondent is no domain: it filters nothing */
	tacho_u64 counter;
	tacho_u64 now;
};

/* Order two stores. scratch: any word that only this CPU's programs write. */
TACHO__INLINE void tacho__bpf_order(const volatile struct tacho_geometry *geometry,
				    tacho_u64 *scratch)
{
	__asm__ volatile("" : : : "memory");
	if (geometry->weak)
		__sync_fetch_and_add(scratch, 0);
}

TACHO__INLINE void tacho__bpf_lost(struct tacho_cpu *cpu, tacho_u32 reason)
{
	__sync_fetch_and_add(&cpu->lost[reason], 1);
}

/* The domain of a principal. element: of index 0. */
TACHO__INLINE tacho_u32 tacho_bpf_domain(const volatile struct tacho_geometry *geometry,
					 const void *element, tacho_u32 principal)
{
	tacho_u64 off = (principal & geometry->principal_mask) * sizeof(tacho_u32);
	const unsigned char *table = (const unsigned char *)element + geometry->principals_off;

	return *(const volatile tacho_u32 *)(const void *)(table + off) & geometry->domain_mask;
}

TACHO__INLINE tacho_u64 tacho__bpf_time(struct tacho_cpu *cpu, tacho_u32 layout, tacho_u64 now)
{
	switch (layout & TACHO_CLOCK_MASK) {
	case TACHO_CLOCK_TIME:
		return now ? now : bpf_ktime_get_ns();
	case TACHO_CLOCK_TICK:
		return cpu->tick;
	default:
		return __sync_fetch_and_add(&cpu->virtual_clock, 1);
	}
}

/* The entries that layout asks for, at most TACHO_MAX_ROW bytes from at. */
TACHO__INLINE void tacho__bpf_store(unsigned char *at, struct tacho_cpu *cpu, tacho_u32 layout,
				    const struct tacho_bpf_event *event)
{
	if (layout == (TACHO_CLOCK_TIME | TACHO_ENTRIES_ALL)) { /* the usual case, in a line */
		*(volatile tacho_u64 *)(void *)(at + 0) = tacho__bpf_time(cpu, layout, event->now);
		*(volatile tacho_u64 *)(void *)(at + 8) = event->counter;
		*(volatile tacho_u32 *)(void *)(at + 16) = event->event;
		*(volatile tacho_u32 *)(void *)(at + 20) = event->domain;
		*(volatile tacho_u32 *)(void *)(at + 24) = event->correspondent;
		return;
	}
	if (TACHO_HAS_TIME(layout)) {
		*(volatile tacho_u64 *)(void *)at = tacho__bpf_time(cpu, layout, event->now);
		at += 8;
	}
	if (layout & TACHO_ENTRY_COUNTER) {
		*(volatile tacho_u64 *)(void *)at = event->counter;
		at += 8;
	}
	if (layout & TACHO_ENTRY_EVENT) {
		*(volatile tacho_u32 *)(void *)at = event->event;
		at += 4;
	}
	if (layout & TACHO_ENTRY_DOMAIN) {
		*(volatile tacho_u32 *)(void *)at = event->domain;
		at += 4;
	}
	if (layout & TACHO_ENTRY_CORRESPONDENT)
		*(volatile tacho_u32 *)(void *)at = event->correspondent;
}

/* One row into the log that route names. */
TACHO__INLINE void tacho__bpf_put(const volatile struct tacho_geometry *geometry,
				  unsigned char *part, tacho_u32 route,
				  const struct tacho_bpf_event *event)
{
	tacho_u64 at = route & geometry->control_mask, off;
	volatile struct tacho_control *control = (void *)(part + TACHO_CONTROLS_OFF + at);
	struct tacho_cpu *cpu = (void *)part;
	tacho_u32 layout = control->layout & 0xff, shift;
	tacho_u64 pos;

	if (layout & (TACHO_ADD | TACHO_LAYOUTS)) {
		if (layout >= TACHO_LAYOUTS) {
			tacho__bpf_lost(cpu, TACHO_LOST_LAYOUT);
			return;
		}
		off = control->rows_off & geometry->body_mask & ~7u;
		__sync_fetch_and_add((tacho_u64 *)(void *)(part + off), event->counter);
		return;
	}
	if (control->lock) {
		tacho__bpf_lost(cpu, TACHO_LOST_BUSY);
		return;
	}
	control->lock = 1;
	pos = control->pos;
	shift = TACHO_ROW_SHIFT(layout);
	off = control->rows_off + ((pos & control->row_mask) << shift);
	off &= geometry->body_mask & ~((1u << shift) - 1);
	tacho__bpf_order(geometry, &cpu->virtual_clock); /* C */
	tacho__bpf_store(part + off, cpu, layout, event);
	tacho__bpf_order(geometry, &cpu->virtual_clock); /* A */
	control->pos = pos + 1;
	control->lock = 0;
}

/* Count one event of a sampled route. Non-zero for every threshold-th. */
TACHO__INLINE int tacho__bpf_sample(void *at)
{
	volatile struct tacho_sample *sample = at;
	tacho_u32 count = sample->count + 1;

	if (count < sample->threshold) {
		sample->count = count;
		return 0;
	}
	sample->count = 0;
	return 1;
}

/* Where a pair of event and domain stands in the routes and in the samples. */
TACHO__INLINE tacho_u64 tacho__bpf_cell(const volatile struct tacho_geometry *geometry,
					tacho_u32 event, tacho_u32 domain)
{
	return event * (geometry->domain_mask + 1ull) + (domain & geometry->domain_mask);
}

/* The route of an event of a domain; 0: nowhere. Also for programs with work to do before they log. */
TACHO__INLINE tacho_u32 tacho_bpf_route(const volatile struct tacho_geometry *geometry,
					const void *of_cpu, tacho_u32 event, tacho_u32 domain)
{
	const unsigned char *part = of_cpu;

	return *(
		const volatile tacho_u32 *)(const void *)(part + geometry->routes_off +
							  tacho__bpf_cell(geometry, event, domain) *
								  sizeof(tacho_u32));
}

/* The whole operation, in the part of this CPU. */
TACHO__INLINE void tacho_bpf_log(const volatile struct tacho_geometry *geometry, void *of_cpu,
				 const struct tacho_bpf_event *event)
{
	unsigned char *part = of_cpu;
	tacho_u32 route;

	if (!event->is_data && event->domain == event->correspondent)
		return;
	route = tacho_bpf_route(geometry, part, event->event, event->domain);
	if ((route & TACHO_ROUTE_SAMPLED) &&
	    !tacho__bpf_sample(part + geometry->samples_off +
			       tacho__bpf_cell(geometry, event->event, event->domain) *
				       sizeof(struct tacho_sample)))
		return;
	if (route & ~TACHO_ROUTE_SAMPLED)
		tacho__bpf_put(geometry, part, route, event);
}

/* What runs on this CPU from now on: with the reader's Q, in the order of tacho_cpu's comment. */
TACHO__INLINE void tacho_bpf_running(const volatile struct tacho_geometry *geometry,
				     struct tacho_cpu *cpu, tacho_u32 domain, tacho_u64 since)
{
	*(volatile tacho_u64 *)&cpu->running_since = 0;
	tacho__bpf_order(geometry, &cpu->virtual_clock); /* Q */
	*(volatile tacho_u32 *)&cpu->running_domain = domain;
	tacho__bpf_order(geometry, &cpu->virtual_clock); /* Q */
	*(volatile tacho_u64 *)&cpu->running_since = since;
}

#endif /* TACHO_HOT_BPF_H */
