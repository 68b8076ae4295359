// SPDX-License-Identifier: BSD-2-Clause
/*
 * site.c: the events and sites of this process, and the patching of its text.
 *
 * Owns the registry of objects (executable, shared objects) and events, and the bytes of the sites.
 * Must not know sessions: control.c decides which events are on. Called by constructors of
 * instrumented objects and by control.c; everything is done with the control lock held.
 * Paper 001, section 4.3.2: back-pointer lists, jump first, then the body, then remove the jump.
 *
 * A site is five bytes, a no-op or a jump to where the event is logged:
 *
 *	off	0f 1f 44 00 00		nopl 0(%rax,%rax,1)
 *	on	e9 aa aa aa aa		jmp
 *
 * Threads execute them while they change, and no store of more than one byte through the kernel is
 * sure to be atomic. So only single bytes and bytes that do not matter are ever written:
 *
 *	1	a9 .. .. .. ..		test $imm32, %eax: harmless whatever the four bytes are, because
 *					every site declares that it clobbers the flags
 *	2	a9 nn nn nn nn		the four bytes, in any order, while nothing depends on them
 *	3	xx nn nn nn nn		the first byte of the new instruction
 *
 * with every core serialised (membarrier) between the steps and after the last. The step in the
 * middle is the paper's "jump over the body", without the jump. Text is written through
 * /proc/self/mem, so that no page is ever writable and executable; where that is refused, pages are
 * made writable for the length of one store.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <unistd.h>

#include "internal.h"

#define OP_NOP	  0x0f
#define OP_TEST	  0xa9
#define OP_JUMP	  0xe9
#define SITE_SIZE 5

struct tacho_i_events tacho_i_events;
static struct tacho__object *objects;

static const unsigned char nop_tail[4] = { 0x1f, 0x44, 0x00, 0x00 };

static struct tacho_event *site_event(const struct tacho__site *site)
{
	return (struct tacho_event *)((uintptr_t)&site->event + (uintptr_t)(intptr_t)site->event);
}

static unsigned char *site_at(const struct tacho__site *site)
{
	return (unsigned char *)((uintptr_t)&site->at + (uintptr_t)(intptr_t)site->at);
}

static const unsigned char *site_to(const struct tacho__site *site)
{
	return (const unsigned char *)((uintptr_t)&site->to + (uintptr_t)(intptr_t)site->to);
}

/* --- writing text ------------------------------------------------------------------------- */

static int text_write_mprotect(unsigned char *at, const unsigned char *bytes, size_t nr)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t begin = (uintptr_t)at & ~(page - 1);
	uintptr_t end = ((uintptr_t)at + nr + page - 1) & ~(page - 1);

	if (mprotect((void *)begin, end - begin, PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
		return -errno;
	for (size_t i = 0; i < nr; i++)
		tacho_store_relaxed(&at[i], bytes[i]);
	return mprotect((void *)begin, end - begin, PROT_READ | PROT_EXEC) == 0 ? 0 : -errno;
}

/* mem: /proc/self/mem or -1. */
static int text_write(int mem, unsigned char *at, const unsigned char *bytes, size_t nr)
{
	if (mem >= 0 && pwrite(mem, bytes, nr, (off_t)(uintptr_t)at) == (ssize_t)nr)
		return 0;
	return text_write_mprotect(at, bytes, nr);
}

static int serialise_cores(void)
{
	return tacho_i_membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE,
				  MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE);
}

/* --- rounds over the sites that change ---------------------------------------------------- */

enum step { STEP_LOOK, STEP_TEST, STEP_TAIL, STEP_HEAD };

/*
 * Is this site in one of its two states? A debugger's breakpoint, for one, is neither. It keeps its
 * event from being enabled, but not the other sites from being restored.
 */
static int site_look(const struct tacho__site *site)
{
	const unsigned char *at = site_at(site);
	int32_t rel = (int32_t)(site_to(site) - (at + SITE_SIZE));

	if (site->length != SITE_SIZE)
		return -ENOEXEC;
	if (at[0] == OP_NOP && !memcmp(at + 1, nop_tail, 4))
		return 0;
	return at[0] == OP_JUMP && !memcmp(at + 1, &rel, 4) ? 0 : -EBUSY;
}

static int site_step(int mem, const struct tacho__site *site, int on, enum step step)
{
	unsigned char *at = site_at(site);
	int32_t rel = (int32_t)(site_to(site) - (at + SITE_SIZE));
	unsigned char op = step == STEP_TEST ? OP_TEST : on ? OP_JUMP : OP_NOP;

	if (step == STEP_LOOK)
		return on ? site_look(site) : 0;
	if (step == STEP_TEST ? site_look(site) != 0 : at[0] != OP_TEST)
		return on ? -EBUSY : 0;
	if (step == STEP_TAIL)
		return text_write(mem, at + 1, on ? (const unsigned char *)&rel : nop_tail, 4);
	return text_write(mem, at, &op, 1);
}

static int event_changes(const struct tacho_event *event)
{
	return (event->on != 0) != (event->patched != 0);
}

/* One step for every site that changes; all of them are tried, the first error is told. */
static int round_of(int mem, enum step step)
{
	int first_error = 0;

	for (struct tacho__object *object = objects; object; object = object->next) {
		for (const struct tacho__site *site = object->sites; site < object->sites_end;
		     site++) {
			const struct tacho_event *event = site_event(site);
			int error;

			if (!event_changes(event))
				continue;
			error = site_step(mem, site, event->on != 0, step);
			if (error && !first_error)
				first_error = error;
		}
	}
	if (step == STEP_LOOK)
		return first_error;
	return first_error ? first_error : serialise_cores();
}

int tacho_i_site_patch(void)
{
	int mem, error = 0, changes = 0;

	for (uint32_t id = 0; id < tacho_i_events.nr && !changes; id++)
		changes = tacho_i_events.event[id] && event_changes(tacho_i_events.event[id]);
	if (!changes)
		return 0;
	error = serialise_cores(); /* registers, or says that it cannot, before anything changes */
	if (error)
		return error;
	mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	for (int step = STEP_LOOK; step <= STEP_HEAD && !error; step++)
		error = round_of(mem, (enum step)step);
	if (mem >= 0)
		close(mem);
	if (error)
		return error;
	for (uint32_t id = 0; id < tacho_i_events.nr; id++)
		if (tacho_i_events.event[id])
			tacho_i_events.event[id]->patched = tacho_i_events.event[id]->on != 0;
	return 0;
}

uint32_t tacho_i_site_count(void)
{
	uint32_t total = 0;

	for (uint32_t id = 0; id < tacho_i_events.nr; id++)
		if (tacho_i_events.event[id])
			tacho_i_events.event[id]->nr_sites = 0;
	for (struct tacho__object *object = objects; object; object = object->next) {
		for (const struct tacho__site *site = object->sites; site < object->sites_end;
		     site++) {
			site_event(site)->nr_sites++;
			total++;
		}
	}
	return total;
}

/* --- the registry ------------------------------------------------------------------------- */

static int event_add(struct tacho_event *event)
{
	struct tacho_i_events *all = &tacho_i_events;

	if (all->nr == all->size) {
		uint32_t size = all->size ? all->size * 2 : 32;
		struct tacho_event **grown = realloc(all->event, size * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		all->event = grown;
		all->size = size;
	}
	event->id = all->nr;
	event->hook.rseq_off = (tacho_s32)__rseq_offset;
	event->hook.source = tacho_i_clock_source();
	all->event[all->nr++] = event;
	return 0;
}

/* The main program is never unloaded; its events go on through exit handlers. */
static bool object_is_main(const void *address)
{
	struct link_map *map = NULL;
	Dl_info info;

	if (!dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP) || !map)
		return true;
	return map->l_name[0] == '\0';
}

/*
 * The library holds a thread and the descriptors of the sequences, which the kernel may look at after
 * the last row: so it stays, also when it was linked into a plug-in that is closed. The shared
 * library stays by a flag of its own. Asked for by name, because a static program that names dlopen is
 * warned by its linker; it has none to find, and nothing to stay in.
 */
static void library_stay(void)
{
	union {
		void *address;
		void *(*call)(const char *file, int mode);
	} open_library;
	Dl_info info;

	if (object_is_main(&objects) || !dladdr(&objects, &info))
		return;
	open_library.address = dlsym(RTLD_DEFAULT, "dlopen");
	if (open_library.address)
		(void)open_library.call(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

TACHO_EXPORT void tacho__object_add(struct tacho__object *object)
{
	tacho_i_control_lock();
	if (!object->registered) {
		object->registered = 1;
		object->next = objects;
		objects = object;
		for (struct tacho_event *const *event = object->events; event < object->events_end;
		     event++)
			if (event_add(*event) != 0)
				break;
		library_stay();
		tacho_i_control_start();
	}
	tacho_i_control_unlock();
}

TACHO_EXPORT void tacho__object_remove(struct tacho__object *object)
{
	if (object_is_main(object))
		return;
	tacho_i_control_lock();
	if (object->registered) {
		struct tacho__object **link = &objects;

		object->registered = 0;
		tacho_i_attach_drop(object->events, (size_t)(object->events_end - object->events));
		while (*link && *link != object)
			link = &(*link)->next;
		if (*link)
			*link = object->next;
		for (uint32_t id = 0; id < tacho_i_events.nr; id++)
			for (struct tacho_event *const *event = object->events;
			     event < object->events_end; event++)
				if (tacho_i_events.event[id] == *event)
					tacho_i_events.event[id] = NULL;
	}
	tacho_i_control_unlock();
}
