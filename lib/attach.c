// SPDX-License-Identifier: BSD-2-Clause
/*
 * attach.c: the areas of this process's sessions and which events write into them.
 *
 * Owns the slots (one per attached session) and every hook: it checks an area once, copies what the
 * writers need of it into private memory, and takes it back without a writer ever waiting. Must not
 * know sockets. Called by control.c and site.c with the control lock held. Paper 001, sections
 * 4.3.6 (what the component must not believe) and 4.4.3.
 *
 * Taking an area back: hooks out of use, sites off, grace, unmap. Were the area unmapped before the
 * grace period, a writer between its look at the hook and its store would hit a hole.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

#define HOOKS_SIZE (TACHO__MAX_SESSIONS * sizeof(struct tacho__hook))
#define MAX_AREA   (1ull << 44) /* address space that a session may ask for */

enum slot_state { SLOT_FREE, SLOT_USED, SLOT_STUCK };

static struct slot {
	enum slot_state state; /* STUCK: detached, but a thread may still use the hooks */
	unsigned char *base; /* whole area */
	uint64_t size;
	struct tacho_area header; /* checked copy */
} slots[TACHO__MAX_SESSIONS];

static uint32_t spans_used; /* bit i: entry value i of the threads belongs to an event */
static uint64_t span_epochs;

_Static_assert(TACHO__SPANS == 32, "spans_used has 32 bits");

#define WHY(...) snprintf(why, why_size, __VA_ARGS__)

/* --- areas -------------------------------------------------------------------------------- */

static int area_map(struct slot *slot, int fd, char *why, size_t why_size)
{
	const int want = F_SEAL_SHRINK | F_SEAL_GROW;
	struct stat st;
	int seals;

	if (fstat(fd, &st) != 0 || (seals = fcntl(fd, F_GET_SEALS)) < 0) {
		WHY("area: not a file that can be sealed");
		return -EINVAL;
	}
	if ((seals & want) != want) {
		WHY("area: not sealed against shrinking and growing");
		return -EPERM;
	}
	if (st.st_size < (off_t)sizeof(struct tacho_area) || (uint64_t)st.st_size > MAX_AREA) {
		WHY("area: %lld bytes, %zu to %llu are possible", (long long)st.st_size,
		    sizeof(struct tacho_area), MAX_AREA);
		return -EINVAL;
	}
	slot->size = (uint64_t)st.st_size;
	/* without MAP_NORESERVE: huge pages that nobody reserved are refused here, not when touched */
	slot->base = mmap(NULL, slot->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (slot->base == MAP_FAILED) {
		int error = errno;

		WHY("area: cannot be mapped: %s", strerror(error));
		return -error;
	}
	return 0;
}

/* The copy comes first: what is checked is what is used. */
static int area_check(struct slot *slot, char *why, size_t why_size)
{
	int error;

	memcpy(&slot->header, slot->base, sizeof(slot->header));
	error = tacho_i_geometry_check(&slot->header, slot->size, why, why_size);
	if (error)
		return error;
	if (slot->header.component != TACHO_COMPONENT_PROCESS) {
		WHY("area: made for a component of kind %u, this is a process",
		    slot->header.component);
		return -EINVAL;
	}
	if (slot->header.clock_source != tacho_i_clock_source()) {
		WHY("area: clock source %u, this process has %d", slot->header.clock_source,
		    tacho_i_clock_source());
		return -EINVAL;
	}
	return 0;
}

int tacho_i_attach(int fd, char *why, size_t why_size)
{
	int index = 0;
	struct slot *slot;
	int error;

	while (index < TACHO__MAX_SESSIONS && slots[index].state != SLOT_FREE)
		index++;
	if (index == TACHO__MAX_SESSIONS) {
		WHY("%d sessions are attached, there is no room for another", TACHO__MAX_SESSIONS);
		return -EUSERS;
	}
	slot = &slots[index];
	error = area_map(slot, fd, why, why_size);
	if (error)
		return error;
	error = area_check(slot, why, why_size);
	if (error) {
		munmap(slot->base, slot->size);
		return error;
	}
	(void)madvise(slot->base, slot->size, MADV_DONTDUMP);
	slot->state = SLOT_USED;
	return index;
}

uint32_t tacho_i_attach_count(void)
{
	uint32_t nr = 0;

	for (int i = 0; i < TACHO__MAX_SESSIONS; i++)
		nr += slots[i].state == SLOT_USED;
	return nr;
}

/* --- hooks -------------------------------------------------------------------------------- */

static struct tacho__hook *hook_of(struct tacho_event *event, int index)
{
	void *hooks;

	if (index == 0)
		return &event->hook;
	if (!event->hooks) {
		hooks = mmap(NULL, HOOKS_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
		if (hooks == MAP_FAILED)
			return NULL;
		event->hooks = hooks;
	}
	return &event->hooks[index];
}

/* The first route that there is; the restartable writer looks at the real one all the same. */
static tacho_u32 guess_route(const struct tacho__hook *hook, tacho_u32 nr_domains)
{
	const tacho_u32 *routes = (const tacho_u32 *)(const void *)hook->routes;
	tacho_u32 route = 0;

	for (tacho_u32 domain = 0; domain < nr_domains && route == 0; domain++)
		route = tacho_load_relaxed(&routes[domain]) & hook->control_mask;
	return route ? route : hook->control_mask;
}

/*
 * Everything of a hook but what puts it into use. Only once per area: while nobody may be using it, and
 * that is sure only before the first use (parts is NULL then). A writer that is late by more than
 * the grace period may still be reading it when its event is enabled again.
 */
static void hook_fill(struct tacho__hook *hook, const struct slot *slot, tacho_u32 id)
{
	const struct tacho_area *header = &slot->header;
	unsigned char *parts = slot->base + header->parts_off;
	uint64_t first = (uint64_t)id * header->nr_domains;

	hook->event = id;
	hook->stride = header->part_stride;
	hook->parts = parts;
	hook->routes = parts + header->routes_off + first * sizeof(tacho_u32);
	hook->samples = parts + header->samples_off + first * sizeof(struct tacho_sample);
	hook->principals = (const tacho_u32 *)(const void *)(slot->base + header->principals_off);
	hook->principal_mask = header->nr_principals - 1;
	hook->domain_mask = header->nr_domains - 1;
	hook->control_mask = (header->nr_logs - 1) * (tacho_u32)sizeof(struct tacho_control);
	hook->body_mask = header->body_size - 1;
	hook->rseq_off = (tacho_s32)__rseq_offset;
	hook->source = header->clock_source;
}

/*
 * Fill in everything, then nr_cpus or generic_cpus, then the bit in more.
 * Barrier H: release here; the writer's loads of the other fields depend on it only by control, but
 * it reads them behind the load of nr_cpus, which x86 keeps in order, or after guard_enter (G).
 */
static void hook_set(struct tacho_event *event, struct tacho__hook *hook, int index)
{
	const struct tacho_area *header = &slots[index].header;
	bool rseq = tacho_i_rseq_usable() && header->clock_source == TACHO_SOURCE_TSC;

	if (!hook->parts)
		hook_fill(hook, &slots[index], event->id);
	tacho_store_relaxed(&hook->guess, guess_route(hook, header->nr_domains)); /* any is safe */
	if (rseq)
		tacho_store_release(&hook->nr_cpus, header->nr_cpus); /* H */
	else
		tacho_store_release(&hook->generic_cpus, header->nr_cpus); /* H */
	if (index != 0 || !rseq)
		tacho_store_release(&event->more, event->more | 1u << index);
}

static void hook_clear(struct tacho_event *event, int index)
{
	struct tacho__hook *hook = index == 0 ? &event->hook : &event->hooks[index];

	tacho_store_relaxed(&event->more, event->more & ~(1u << index));
	tacho_store_seq(&hook->nr_cpus, 0u);
	tacho_store_seq(&hook->generic_cpus, 0u); /* G */
}

static int span_take(struct tacho_event *event)
{
	tacho_u32 slot;

	if (event->kind != TACHO_SPAN)
		return 0;
	if (spans_used == ~0u)
		return -EMFILE;
	slot = (tacho_u32)__builtin_ctz(~spans_used);
	spans_used |= 1u << slot;
	tacho_store_relaxed(&event->span_slot, slot);
	tacho_store_relaxed(&event->span_epoch, ++span_epochs);
	return 0;
}

static int event_on(struct tacho_event *event, int index)
{
	struct tacho__hook *hook = hook_of(event, index);

	if (!hook)
		return -ENOMEM;
	if (!event->on && span_take(event) != 0)
		return -EMFILE;
	hook_set(event, hook, index);
	tacho_store_relaxed(&event->on, event->on | 1u << index);
	return 0;
}

static void event_off(struct tacho_event *event, int index)
{
	if (!(event->on & 1u << index))
		return;
	hook_clear(event, index);
	tacho_store_relaxed(&event->on, event->on & ~(1u << index));
	if (!event->on && event->kind == TACHO_SPAN)
		spans_used &= ~(1u << event->span_slot);
}

/* --- what a session asks for -------------------------------------------------------------- */

static struct tacho_event *event_find(tacho_u32 id)
{
	return id < tacho_i_events.nr ? tacho_i_events.event[id] : NULL;
}

static int ids_check(const struct slot *slot, const tacho_u32 *ids, uint32_t nr, char *why,
		     size_t why_size)
{
	for (uint32_t i = 0; i < nr; i++) {
		if (!event_find(ids[i])) {
			WHY("event %u: there is none", ids[i]);
			return -ENOENT;
		}
		if (ids[i] >= slot->header.nr_events) {
			WHY("event %u: the area has room for %u events only", ids[i],
			    slot->header.nr_events);
			return -ENOSPC;
		}
	}
	return 0;
}

int tacho_i_enable(int index, const tacho_u32 *ids, uint32_t nr, char *why, size_t why_size)
{
	tacho_u32 was[TACHO_MAX_EVENTS / 32] = { 0 }; /* bit: it was on before */
	uint32_t done = 0;
	int error = ids_check(&slots[index], ids, nr, why, why_size);

	if (error)
		return error;
	for (uint32_t i = 0; i < nr; i++)
		if (event_find(ids[i])->on & 1u << index)
			was[ids[i] / 32] |= 1u << ids[i] % 32;
	for (; done < nr && !error; done++) {
		struct tacho_event *event = event_find(ids[done]);

		if (event->on & 1u << index)
			continue;
		error = event_on(event, index);
		if (error == -EMFILE)
			WHY("event %s: %d spans are on, there is no room for another", event->name,
			    TACHO__SPANS);
		else if (error)
			WHY("event %s: %s", event->name, strerror(-error));
	}
	if (!error) {
		error = tacho_i_site_patch();
		if (error == -EBUSY)
			WHY("a site holds other bytes than it should, perhaps a breakpoint");
		else if (error)
			WHY("the text cannot be patched: %s", strerror(-error));
	}
	if (!error)
		return 0;
	for (uint32_t i = 0; i < done; i++)
		if (!(was[ids[i] / 32] & 1u << ids[i] % 32))
			event_off(event_find(ids[i]), index);
	(void)tacho_i_site_patch();
	(void)tacho_i_grace();
	return error;
}

int tacho_i_disable(int index, const tacho_u32 *ids, uint32_t nr, char *why, size_t why_size)
{
	int error = ids_check(&slots[index], ids, nr, why, why_size);

	if (error)
		return error;
	for (uint32_t i = 0; i < nr; i++)
		event_off(event_find(ids[i]), index);
	(void)tacho_i_site_patch();
	(void)tacho_i_grace(); /* the area stays mapped, and the one of tacho_i_detach is what counts */
	return 0;
}

/* After a grace period, or with nobody else here: the hooks may be filled in again. */
static void slot_free(struct slot *slot)
{
	size_t index = (size_t)(slot - slots);

	for (uint32_t id = 0; id < tacho_i_events.nr; id++) {
		struct tacho_event *event = tacho_i_events.event[id];

		if (event && index == 0)
			event->hook.parts = NULL;
		else if (event && event->hooks)
			event->hooks[index].parts = NULL;
	}
	munmap(slot->base, slot->size);
	memset(slot, 0, sizeof(*slot));
}

void tacho_i_detach(int index)
{
	struct slot *slot = &slots[index];

	for (uint32_t id = 0; id < tacho_i_events.nr; id++)
		if (tacho_i_events.event[id])
			event_off(tacho_i_events.event[id], index);
	(void)tacho_i_site_patch();
	if (tacho_i_grace() == 0)
		slot_free(slot);
	else
		slot->state = SLOT_STUCK;
}

bool tacho_i_attach_reap(void)
{
	bool stuck = false;

	for (int i = 0; i < TACHO__MAX_SESSIONS; i++)
		stuck |= slots[i].state == SLOT_STUCK;
	if (!stuck || tacho_i_grace() != 0)
		return stuck;
	for (int i = 0; i < TACHO__MAX_SESSIONS; i++)
		if (slots[i].state == SLOT_STUCK)
			slot_free(&slots[i]);
	return false;
}

void tacho_i_attach_drop(struct tacho_event *const *events, size_t nr)
{
	bool any = false;

	for (size_t i = 0; i < nr; i++) {
		any |= events[i]->on != 0 || events[i]->hooks;
		for (int index = 0; index < TACHO__MAX_SESSIONS; index++)
			event_off(events[i], index);
	}
	if (!any)
		return;
	(void)tacho_i_site_patch();
	if (tacho_i_grace() != 0)
		return;
	for (size_t i = 0; i < nr; i++) {
		if (events[i]->hooks)
			munmap(events[i]->hooks, HOOKS_SIZE);
		events[i]->hooks = NULL;
	}
}

/* Only this thread is here, so nobody is inside a writer. */
void tacho_i_attach_forked(void)
{
	tacho_i_grace_reset();
	for (uint32_t id = 0; id < tacho_i_events.nr; id++)
		for (int index = 0; index < TACHO__MAX_SESSIONS && tacho_i_events.event[id];
		     index++)
			event_off(tacho_i_events.event[id], index);
	(void)tacho_i_site_patch();
	for (int index = 0; index < TACHO__MAX_SESSIONS; index++)
		if (slots[index].state != SLOT_FREE)
			slot_free(&slots[index]);
}
