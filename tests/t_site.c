// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_site.c: sites while they are switched on and off under running threads.
 *
 * The test is its own component and attaches to itself below the socket, with the functions that
 * control.c calls. What is off in the text, compared with code without sites, is site_text.sh.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include <tacho/tacho.h>

#include "internal.h"
#include "rig.h"
#include "t.h"

/* --- sixteen events of sixty-four sites each ------------------------------------------------ */

enum { NR_STORM = 16, NR_SITES = 64, NR_THREADS = 4, PEER = 9 };

/* The low half of a counter is made from the rest of the row: a torn row does not match. */
static uint64_t whole(uint32_t n, uint32_t event, uint32_t domain)
{
	uint64_t state = (uint64_t)n << 32 | event << 8 | domain;

	return (uint64_t)n << 32 | (uint32_t)t_random(&state);
}

#define SITE(e)	   TACHO_LOG(storm##e, whole(n, tacho_event_storm##e.id, domain), PEER);
#define SITES4(e)  SITE(e) SITE(e) SITE(e) SITE(e)
#define SITES16(e) SITES4(e) SITES4(e) SITES4(e) SITES4(e)
#define STORM(e)                                                                                   \
	TACHO_EVENT(storm##e, TACHO_ACCESS, "storm." #e, "hash", "peer", "sites in a storm");      \
	__attribute__((noinline)) static void run##e(uint32_t n, uint32_t domain)                  \
	{                                                                                          \
		SITES16(e) SITES16(e) SITES16(e) SITES16(e)                                        \
	}

STORM(0)
STORM(1)
STORM(2)
STORM(3)
STORM(4)
STORM(5)
STORM(6)
STORM(7)
STORM(8)
STORM(9)
STORM(10)
STORM(11)
STORM(12)
STORM(13)
STORM(14)
STORM(15)

static void (*const run[NR_STORM])(uint32_t, uint32_t) = { run0,  run1,	 run2,	run3, run4,  run5,
							   run6,  run7,	 run8,	run9, run10, run11,
							   run12, run13, run14, run15 };

TACHO_EVENT(argued, TACHO_ACCESS, "argued", "", "", "arguments with side effects");
TACHO_EVENT(spanned, TACHO_SPAN, "spanned", "", "", "a span");
TACHO_EVENT(valued, TACHO_SPAN, "valued", "units", "", "a span over a value");

/* --- a session below the socket ------------------------------------------------------------- */

struct session {
	struct tacho_memory memory;
	int slot;
};

static int session_open(struct session *s)
{
	const struct tacho_area_options options = { .rows_size = 8u << 20 };
	char why[160] = "";

	memset(s, 0, sizeof(*s));
	s->slot = -1;
	if (!T_EQ(tacho_memory_create(&s->memory, &options), 0))
		return 0;
	for (uint32_t i = 0; i < NR_THREADS; i++)
		T_EQ(tacho_memory_bind(&s->memory, i + 1, i + 1), 0);
	T_EQ(tacho_memory_bind(&s->memory, PEER, PEER), 0);
	tacho_i_control_lock();
	s->slot = tacho_i_attach(s->memory.fd, why, sizeof(why));
	tacho_i_control_unlock();
	return T_OK(s->slot >= 0);
}

static void session_close(struct session *s)
{
	tacho_i_control_lock();
	if (s->slot >= 0)
		tacho_i_detach(s->slot);
	tacho_i_control_unlock();
	tacho_memory_destroy(&s->memory);
}

static int session_switch(struct session *s, const uint32_t *ids, uint32_t nr, bool on)
{
	char why[160] = "";
	int error;

	tacho_i_control_lock();
	error = on ? tacho_i_enable(s->slot, ids, nr, why, sizeof(why))
		   : tacho_i_disable(s->slot, ids, nr, why, sizeof(why));
	tacho_i_control_unlock();
	if (error)
		printf("     refused: %s\n", why);
	return error;
}

/* A log of that event alone, and the event is on. */
static uint32_t session_log(struct session *s, const struct tacho_event *event)
{
	int log = tacho_memory_log_add(&s->memory, 1024, TACHO_ENTRIES_ALL, event->id, TACHO_NONE);

	T_OK(log > 0);
	T_EQ(tacho_memory_route(&s->memory, event->id, TACHO_NONE, (uint32_t)log, 1), 0);
	T_EQ(session_switch(s, &event->id, 1, true), 0);
	return (uint32_t)log;
}

static uint64_t session_rows(const struct session *s, uint32_t log)
{
	uint64_t rows = 0;

	for (uint32_t cpu = 0; cpu < tacho_memory_header(&s->memory)->nr_cpus; cpu++)
		rows += tacho_load_acquire(&rig_control(&s->memory, cpu, log)->pos);
	return rows;
}

/* --- cases ------------------------------------------------------------------------------------ */

static int evaluated[3];

static void argued_sites(void)
{
	TACHO_LOG(argued, ++evaluated[0]);
	TACHO_LOG(argued, ++evaluated[0], (++evaluated[1], TACHO_NONE));
	TACHO_LOG(argued, ++evaluated[0], (++evaluated[1], TACHO_NONE), ++evaluated[2]);
}

T_CASE(arguments_once_or_never)
{
	struct session s;
	uint32_t log;

	for (int i = 0; i < 10; i++)
		argued_sites();
	T_OK(evaluated[0] == 0 && evaluated[1] == 0 && evaluated[2] == 0);
	T_NEED(session_open(&s));
	log = session_log(&s, &tacho_event_argued);
	for (int i = 0; i < 10; i++)
		argued_sites();
	T_EQ(evaluated[0], 30);
	T_EQ(evaluated[1], 20);
	T_EQ(evaluated[2], 10);
	T_EQ(session_rows(&s, log), 30);
	session_close(&s);
	argued_sites();
	T_EQ(evaluated[0], 30);
}

/* Entry and exit in one row; an exit whose entry was not seen is none. */
T_CASE(spans)
{
	struct session s;
	uint32_t log, valued_log;
	struct tacho_view view;
	struct tacho_cursor cursor;
	struct tacho_row row;
	uint64_t sum = 0, nr = 0;

	T_NEED(session_open(&s));
	TACHO_ENTER(spanned);
	log = session_log(&s, &tacho_event_spanned);
	valued_log = session_log(&s, &tacho_event_valued);
	TACHO_EXIT(spanned);
	T_EQ(session_rows(&s, log), 0);
	for (int i = 0; i < 10; i++) {
		TACHO_ENTER(spanned);
		TACHO_ENTER_VALUE(valued, 1000 + i);
		TACHO_EXIT(spanned);
		TACHO_EXIT(spanned);
		TACHO_EXIT_VALUE(valued, 1007 + i, TACHO_NONE);
	}
	T_EQ(session_rows(&s, log), 10);
	T_EQ(session_rows(&s, valued_log), 10);
	T_NEED(tacho_view_open(&view, s.memory.base, s.memory.size, NULL, 0) == 0);
	for (uint32_t cpu = 0; cpu < view.header.nr_cpus; cpu++) {
		T_EQ(tacho_cursor_init(&cursor, &view, cpu, valued_log, 1), 0);
		while (tacho_cursor_read(&cursor, &view, &row, 1) == 1) {
			sum += row.counter;
			nr++;
		}
	}
	T_EQ(nr, 10);
	T_EQ(sum, 70);
	/* switched off between entry and exit and on again: the old entry does not count */
	TACHO_ENTER(spanned);
	T_EQ(session_switch(&s, &tacho_event_spanned.id, 1, false), 0);
	T_EQ(session_switch(&s, &tacho_event_spanned.id, 1, true), 0);
	TACHO_EXIT(spanned);
	T_EQ(session_rows(&s, log), 10);
	session_close(&s);
}

T_CASE(text_as_in_the_file)
{
	struct session s;

	T_EQ(rig_text_diff(getpid()), 0);
	for (int i = 0; i < 3; i++) {
		T_NEED(session_open(&s));
		T_EQ(rig_text_diff(getpid()), 0);
		session_log(&s, &tacho_event_argued);
		T_OK(rig_text_diff(getpid()) >= 3);
		T_EQ(rig_wx(getpid()), 0);
		session_log(&s, &tacho_event_storm3);
		T_OK(rig_text_diff(getpid()) >= NR_SITES);
		T_EQ(session_switch(&s, &tacho_event_storm3.id, 1, false), 0);
		T_OK(rig_text_diff(getpid()) < NR_SITES);
		session_close(&s);
		T_EQ(rig_text_diff(getpid()), 0);
		T_EQ(rig_wx(getpid()), 0);
	}
}

static const struct tacho__site *site_first(const struct tacho_event *event)
{
	const struct tacho__site *site = tacho__object.sites;

	while (site < tacho__object.sites_end &&
	       (uintptr_t)&site->event + (uintptr_t)(intptr_t)site->event != (uintptr_t)event)
		site++;
	return site;
}

static void poke(uintptr_t at, unsigned char byte)
{
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	T_EQ(pwrite(mem, &byte, 1, (off_t)at), 1);
	close(mem);
}

/* A debugger's breakpoint on one site: it is left alone, and keeps nothing else from working. */
T_CASE(breakpoint)
{
	const struct tacho__site *site = site_first(&tacho_event_storm5);
	uintptr_t at = (uintptr_t)&site->at + (uintptr_t)(intptr_t)site->at;
	const unsigned char *text = (const unsigned char *)at;
	const unsigned char off = text[0];
	unsigned char on;
	struct session s;

	T_NEED(site < tacho__object.sites_end);
	T_NEED(session_open(&s));
	poke(at, 0xcc);
	T_EQ(session_switch(&s, &tacho_event_storm5.id, 1, true), -EBUSY);
	T_EQ(rig_text_diff(getpid()), 1);
	session_log(&s, &tacho_event_argued);
	poke(at, off);
	session_log(&s, &tacho_event_storm5);
	on = text[0];
	T_OK(on != off);
	/* set while the site is on, and the session goes */
	poke(at, 0xcc);
	session_close(&s);
	T_EQ(text[0], 0xcc);
	T_OK(rig_text_diff(getpid()) <= 5); /* this site, no other */
	poke(at, on); /* the debugger takes it back: the site jumps, and nobody listens */
	run5(1, 1);
	T_NEED(session_open(&s));
	session_log(&s, &tacho_event_storm5);
	session_close(&s);
	T_EQ(rig_text_diff(getpid()), 0);
}

/* --- the storm -------------------------------------------------------------------------------- */

static tacho_u32 storm_over;
static tacho_u64 storm_runs;
static tacho_u32 storm_wx;

static void *storm_thread(void *arg)
{
	uint32_t domain = (uint32_t)(uintptr_t)arg, n = 0;

	tacho_principal_set(domain);
	setpriority(PRIO_PROCESS, (id_t)gettid(), 10); /* so that there is much to step over */
	while (!tacho_load_relaxed(&storm_over)) {
		for (int e = 0; e < NR_STORM; e++)
			run[e](n, domain);
		n++;
	}
	tacho_add_relaxed(&storm_runs, (tacho_u64)n * NR_STORM * NR_SITES);
	return NULL;
}

/* Looks all the time for what may never be there. */
static void *storm_watch(void *arg)
{
	while (!tacho_load_relaxed(&storm_over)) {
		tacho_add_relaxed(&storm_wx, (tacho_u32)rig_wx(getpid()));
		usleep(500);
	}
	return arg;
}

struct storm {
	struct session session;
	struct tacho_view view;
	struct tacho_cursor *cursor;
	uint32_t nr_cursors;
	uint32_t ids[NR_STORM];
	uint64_t rows, bad, toggles, rounds;
	bool on[NR_STORM];
};

static void storm_check(struct storm *storm, const struct tacho_row *row)
{
	bool ours = false;

	storm->rows++;
	for (int i = 0; i < NR_STORM; i++)
		ours |= row->event == storm->ids[i];
	if (ours && row->domain >= 1 && row->domain <= NR_THREADS && row->correspondent == PEER &&
	    row->time != 0 &&
	    row->counter == whole((uint32_t)(row->counter >> 32), row->event, row->domain))
		return;
	if (storm->bad++ < 5)
		T_FAIL("torn: event %u domain %u peer %u counter %llx", row->event, row->domain,
		       row->correspondent, (unsigned long long)row->counter);
}

static void storm_read(struct storm *storm)
{
	static struct tacho_row rows[512];

	for (uint32_t i = 0; i < storm->nr_cursors; i++) {
		size_t n;

		do {
			n = tacho_cursor_read(&storm->cursor[i], &storm->view, rows, 512);
			for (size_t r = 0; r < n; r++)
				storm_check(storm, &rows[r]);
		} while (n == 512);
	}
}

static int storm_begin(struct storm *storm)
{
	static const struct tacho_event *const events[NR_STORM] = {
		&tacho_event_storm0,  &tacho_event_storm1,  &tacho_event_storm2,
		&tacho_event_storm3,  &tacho_event_storm4,  &tacho_event_storm5,
		&tacho_event_storm6,  &tacho_event_storm7,  &tacho_event_storm8,
		&tacho_event_storm9,  &tacho_event_storm10, &tacho_event_storm11,
		&tacho_event_storm12, &tacho_event_storm13, &tacho_event_storm14,
		&tacho_event_storm15
	};
	int log;

	memset(storm, 0, sizeof(*storm));
	if (!session_open(&storm->session) ||
	    !T_EQ(tacho_view_open(&storm->view, storm->session.memory.base,
				  storm->session.memory.size, NULL, 0),
		  0))
		return 0;
	log = tacho_memory_log_add(&storm->session.memory, 65536, RIG_FULL, TACHO_NONE, TACHO_NONE);
	if (!T_OK(log > 0))
		return 0;
	for (int i = 0; i < NR_STORM; i++) {
		storm->ids[i] = events[i]->id;
		T_EQ(tacho_memory_route(&storm->session.memory, storm->ids[i], TACHO_NONE,
					(uint32_t)log, 1),
		     0);
	}
	storm->nr_cursors = storm->view.header.nr_cpus;
	storm->cursor = calloc(storm->nr_cursors, sizeof(*storm->cursor));
	for (uint32_t cpu = 0; cpu < storm->nr_cursors; cpu++)
		T_EQ(tacho_cursor_init(&storm->cursor[cpu], &storm->view, cpu, (uint32_t)log, 1),
		     0);
	return 1;
}

/* Some of the events change, all in one direction. */
static void storm_round(struct storm *storm, uint64_t *state)
{
	bool on = storm->rounds++ % 2 == 0;
	uint32_t ids[NR_STORM], nr = 0;

	for (int i = 0; i < NR_STORM; i++) {
		if (storm->on[i] == on || t_random(state) % 8 == 0)
			continue;
		storm->on[i] = on;
		ids[nr++] = storm->ids[i];
	}
	T_EQ(session_switch(&storm->session, ids, nr, on), 0);
	storm->toggles += (uint64_t)nr * NR_SITES;
}

T_CASE(storm)
{
	const uint64_t wanted = T_TSAN || T_ASAN ? 200000 : 1000000;
	uint64_t state = t_seed(), start = t_now_ns();
	pthread_t threads[NR_THREADS], watch;
	struct storm storm;

	T_NEED(storm_begin(&storm));
	for (int i = 0; i < NR_THREADS; i++)
		T_NEED(pthread_create(&threads[i], NULL, storm_thread,
				      (void *)(uintptr_t)(i + 1)) == 0);
	T_NEED(pthread_create(&watch, NULL, storm_watch, NULL) == 0);
	while (storm.toggles < wanted && !t_failures()) {
		storm_round(&storm, &state);
		if (storm.rounds % 16 == 0)
			storm_read(&storm);
	}
	session_switch(&storm.session, storm.ids, NR_STORM, false);
	tacho_store_relaxed(&storm_over, 1);
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_join(watch, NULL);
	storm_read(&storm);
	T_OK(storm.rows > 1000);
	T_EQ(storm.bad, 0);
	T_EQ(storm_wx, 0);
	T_EQ(rig_text_diff(getpid()), 0);
	printf("     %llu toggles of sites in %llu rounds, %llu executions, %llu rows, %llu ms\n",
	       (unsigned long long)storm.toggles, (unsigned long long)storm.rounds,
	       (unsigned long long)storm_runs, (unsigned long long)storm.rows,
	       (unsigned long long)((t_now_ns() - start) / 1000000u));
	session_close(&storm.session);
	free(storm.cursor);
}

T_MAIN
