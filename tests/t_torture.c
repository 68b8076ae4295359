// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_torture.c: threads x signals x migrations x attach and detach, in one process that attaches to
 * itself over its own socket.
 *
 * Six workers log through real sites. A storm sends them signals, whose handlers log as well and
 * interrupt each other, and moves them from CPU to CPU. Meanwhile up to four sessions come, change
 * everything that can be changed, and go. Then a phase with a constant configuration, in which every
 * event that was issued must be a row that was read, or be counted as lost.
 *
 * A row proves itself: its counter says which event, principal and correspondent it was issued with,
 * and a principal is only ever bound to domains that are equal to it modulo 16.
 *
 *	TORTURE_SEED=n		repeats the choices (not their interleaving)
 *	TORTURE_SECONDS=n	time for each writer, 4 by default, 2 under sanitizers
 */
#include <spawn.h>

#include "rig.h"
#include "t.h"
#include "torture.h"

enum { NR_TAPS = 4, NR_LOGS = 16, NR_DOMAINS = 64 };
enum { AREA_EVENTS = 16 }; /* capacity of an area, more than there are events */

extern char **environ;

/* --- a session that reads what it can --------------------------------------------------------- */

struct tap {
	struct rig_session rig;
	struct tacho_view view;
	struct tacho_cursor *cursor; /* [log * nr_cpus + cpu] */
	uint32_t ids[NR_EVENTS];
	uint32_t layout[NR_LOGS];
	int only[NR_LOGS]; /* the event of a log, or -1 */
	uint32_t nr_logs; /* with the null log */
	bool is_open;
};

static struct tap taps[NR_TAPS];
static uint64_t nr_sessions, nr_steps, nr_rows, nr_overwritten, nr_bad;

/* Areas that the component has mapped: all that are not the mapping of a session. */
static int areas_attached(void)
{
	FILE *maps = rig_proc(getpid(), "maps");
	struct rig_map map;
	int nr = 0;

	while (maps && rig_map_next(maps, &map)) {
		bool own = !strstr(map.path, "memfd:tacho");

		for (int i = 0; i < NR_TAPS; i++)
			own |= map.begin - (uintptr_t)taps[i].rig.memory.base <
			       taps[i].rig.memory.size;
		nr += !own;
	}
	if (maps)
		fclose(maps);
	return nr;
}

static int taps_open(void)
{
	int nr = 0;

	for (int i = 0; i < NR_TAPS; i++)
		nr += taps[i].is_open;
	return nr;
}

static bool tap_open(struct tap *tap)
{
	const struct tacho_area_options options = { .nr_events = AREA_EVENTS,
						    .nr_domains = NR_DOMAINS,
						    .nr_logs = NR_LOGS,
						    .nr_principals = CLASSES,
						    .rows_size = 2u << 20 };
	bool good;

	at_stage("attaching");
	memset(tap, 0, sizeof(*tap));
	if (!rig_open(&tap->rig, getpid(), &options))
		return false;
	tap->nr_logs = 1;
	tap->is_open = true;
	nr_sessions++;
	good = T_EQ(
		tacho_view_open(&tap->view, tap->rig.memory.base, tap->rig.memory.size, NULL, 0),
		0);
	tap->cursor = calloc((size_t)NR_LOGS * tap->view.header.nr_cpus, sizeof(*tap->cursor));
	for (int e = 0; e < NR_EVENTS; e++)
		good &= rig_event(&tap->rig, event_names[e], &tap->ids[e]);
	for (uint32_t p = 0; p < NOBODY; p++)
		good &= T_EQ(tacho_memory_bind(&tap->rig.memory, p, p), 0);
	return good && T_OK(tap->cursor);
}

/* only: an event, or -1. Returns the log, or 0 when there is no room. */
static uint32_t tap_log(struct tap *tap, uint32_t layout, uint32_t rows, int only)
{
	uint32_t nr_cpus = tap->view.header.nr_cpus;
	int log = tacho_memory_log_add(&tap->rig.memory, rows, layout,
				       only < 0 ? TACHO_NONE : tap->ids[only], TACHO_NONE);

	if (log <= 0) {
		T_EQ(log, -ENOSPC);
		return 0;
	}
	tap->layout[log] = layout;
	tap->only[log] = only;
	for (uint32_t cpu = 0; cpu < nr_cpus && !(layout & TACHO_ADD); cpu++)
		T_EQ(tacho_cursor_init(&tap->cursor[(uint32_t)log * nr_cpus + cpu], &tap->view, cpu,
				       (uint32_t)log, 1),
		     0);
	tap->nr_logs = (uint32_t)log + 1;
	return (uint32_t)log;
}

/* The event of a row: as its log or the row says it, else -1; -2: none that there is. */
static int row_event(const struct tap *tap, uint32_t log, const struct tacho_row *row)
{
	if (!(tap->layout[log] & TACHO_ENTRY_EVENT))
		return tap->only[log];
	for (int e = 0; e < NR_EVENTS; e++)
		if (row->event == tap->ids[e])
			return tap->only[log] < 0 || tap->only[log] == e ? e : -2;
	return -2;
}

static bool row_is_good(const struct tap *tap, uint32_t log, const struct tacho_row *row)
{
	uint32_t layout = tap->layout[log], low = (uint32_t)row->counter;
	uint32_t who = low >> 4 & 15, peer = low & 15;
	int event = row_event(tap, log, row);

	if (event == -2 || ((layout & TACHO_ENTRY_DOMAIN) && row->domain >= NR_DOMAINS))
		return false;
	if ((layout & TACHO_CLOCK_MASK) == TACHO_CLOCK_TIME && row->time == 0)
		return false;
	if (!(layout & TACHO_ENTRY_COUNTER) || event == LASTED)
		return true;
	if (!code_is_good(row->counter) || (event >= 0 && (int)(low >> 8 & 15) != event))
		return false;
	if ((layout & TACHO_ENTRY_DOMAIN) && row->domain % CLASSES != who)
		return false;
	if (!(layout & TACHO_ENTRY_CORRESPONDENT))
		return true;
	if (peer == NOBODY)
		return row->correspondent == TACHO_NONE;
	return row->correspondent < NR_DOMAINS && row->correspondent % CLASSES == peer;
}

static void row_check(const struct tap *tap, uint32_t log, const struct tacho_row *row)
{
	nr_rows++;
	if (!row_is_good(tap, log, row) && nr_bad++ < 5)
		T_FAIL("not whole: log %u layout %x, event %u domain %u peer %u counter %llx", log,
		       tap->layout[log], row->event, row->domain, row->correspondent,
		       (unsigned long long)row->counter);
}

static void cursor_drain(struct tap *tap, uint32_t log, struct tacho_cursor *cursor, bool to_end)
{
	static struct tacho_row rows[512];
	size_t n = 512;

	for (int i = 0; (i < 64 || to_end) && n == 512; i++) { /* the writers may be faster */
		n = tacho_cursor_read(cursor, &tap->view, rows, 512);
		for (size_t r = 0; r < n; r++)
			row_check(tap, log, &rows[r]);
	}
}

/* to_end: nobody writes any more; a log without entries may hold any number of rows. */
static void tap_read(struct tap *tap, bool to_end)
{
	uint32_t nr_cpus = tap->view.header.nr_cpus;

	at_stage("reading");
	for (uint32_t log = 1; log < tap->nr_logs; log++)
		for (uint32_t cpu = 0; cpu < nr_cpus && !(tap->layout[log] & TACHO_ADD); cpu++)
			cursor_drain(tap, log, &tap->cursor[log * nr_cpus + cpu], to_end);
}

static uint64_t tap_lost(const struct tap *tap, enum tacho_lost reason)
{
	uint64_t lost = 0;

	for (uint32_t cpu = 0; cpu < tap->view.header.nr_cpus; cpu++)
		lost += tacho_view_lost(&tap->view, cpu, reason);
	return lost;
}

/* Rows read and rows overwritten of one log; nobody writes it now, so that is all there ever were. */
static uint64_t tap_rows(struct tap *tap, uint32_t log)
{
	uint32_t nr_cpus = tap->view.header.nr_cpus;
	uint64_t rows = 0;

	for (uint32_t cpu = 0; cpu < nr_cpus; cpu++) {
		struct tacho_cursor *cursor = &tap->cursor[log * nr_cpus + cpu];

		T_EQ(cursor->resets, 0);
		rows += cursor->rows + cursor->lost;
		nr_overwritten += cursor->lost;
	}
	T_EQ(rows, rig_rows(&tap->rig, log));
	return rows;
}

/* Nobody writes it any more: it is read to the end and keeps every promise. */
static void tap_check(struct tap *tap)
{
	tap_read(tap, true);
	for (uint32_t log = 1; log < tap->nr_logs; log++)
		if (!(tap->layout[log] & TACHO_ADD))
			tap_rows(tap, log);
	at_stage("validating");
	rig_validate(&tap->rig);
	T_EQ(tap_lost(tap, TACHO_LOST_CPU), 0);
	T_EQ(tap_lost(tap, TACHO_LOST_RSEQ), 0);
	T_EQ(tap_lost(tap, TACHO_LOST_LAYOUT), 0);
}

/* The lease ends, and within a bounded time the component has given the area back. */
static void tap_close(struct tap *tap)
{
	uint64_t start = t_now_ns();
	int others = taps_open() - 1;

	if (!tap->is_open)
		return;
	at_stage("detaching");
	tacho_target_close(tap->rig.target);
	tap->rig.target = NULL;
	while (areas_attached() > others && t_now_ns() - start < RIG_MS * 1000000ull)
		usleep(500);
	if (!T_EQ(areas_attached(), others))
		printf("     an area stays mapped in the component\n");
	tap_check(tap);
	rig_close(&tap->rig);
	free(tap->cursor);
	memset(tap, 0, sizeof(*tap));
}

/* --- chaos ------------------------------------------------------------------------------------ */

static void step_log(struct tap *tap, uint64_t *state)
{
	static const uint32_t clocks[] = { TACHO_CLOCK_NONE, TACHO_CLOCK_VIRTUAL, TACHO_CLOCK_TICK,
					   TACHO_CLOCK_TIME };
	uint32_t layout = t_random(state) % 2 ? TACHO_ENTRIES_ALL
					      : (uint32_t)(t_random(state) & TACHO_ENTRIES_ALL);
	int only = t_random(state) % 3 ? -1 : (int)(t_random(state) % NR_EVENTS);

	layout |= clocks[t_random(state) % 4];
	if (t_random(state) % 8 == 0)
		layout |= TACHO_ADD;
	tap_log(tap, layout, 1u << t_random(state) % 12, only);
}

/* One event, in one or in every domain, to any log that takes it, or to none. */
static void step_route(struct tap *tap, uint64_t *state)
{
	int event = (int)(t_random(state) % NR_EVENTS);
	uint32_t log = (uint32_t)(t_random(state) % tap->nr_logs);
	uint32_t domain =
		t_random(state) % 4 ? TACHO_NONE : (uint32_t)(t_random(state) % NR_DOMAINS);
	uint32_t threshold = t_random(state) % 2 ? 0 : (uint32_t)(t_random(state) % 6);

	if (log != 0 && tap->only[log] >= 0)
		event = tap->only[log];
	else if (event == LASTED && !(tap->layout[log] & TACHO_ENTRY_EVENT))
		return; /* its counter is no code, so its rows have to say whose they are */
	T_EQ(tacho_memory_route(&tap->rig.memory, tap->ids[event], domain, log, threshold), 0);
}

static void step_switch(struct tap *tap, uint64_t *state, bool on)
{
	uint32_t ids[NR_EVENTS], nr = 0;
	int error;

	for (int e = 0; e < NR_EVENTS; e++)
		if (t_random(state) % 2)
			ids[nr++] = tap->ids[e];
	if (nr == 0)
		return;
	at_stage(on ? "enabling" : "disabling");
	error = on ? tacho_target_enable(tap->rig.target, ids, nr)
		   : tacho_target_disable(tap->rig.target, ids, nr);
	if (!T_EQ(error, 0))
		printf("     %s\n", tacho_target_error(tap->rig.target));
}

static void step_bind(struct tap *tap, uint64_t *state)
{
	uint32_t principal = (uint32_t)(t_random(state) % NOBODY);
	uint32_t domain =
		principal + CLASSES * (uint32_t)(t_random(state) % (NR_DOMAINS / CLASSES));

	T_EQ(tacho_memory_bind(&tap->rig.memory, principal, domain), 0);
}

static void step_close(struct tap *tap, uint64_t *state)
{
	if (t_random(state) % 2 == 0) { /* in good order; else the lease just ends */
		at_stage("disabling all");
		T_EQ(tacho_target_disable(tap->rig.target, tap->ids, NR_EVENTS), 0);
		tap_check(tap);
	}
	tap_close(tap);
}

static void step(struct tap *tap, uint64_t *state)
{
	uint32_t dice = (uint32_t)(t_random(state) % 64);

	if (!tap->is_open) {
		if (dice < 16 && tap_open(tap))
			for (int i = 0; i < 4; i++)
				step_log(tap, state);
	} else if (dice < 2) {
		step_close(tap, state);
	} else if (dice < 5) {
		step_log(tap, state);
	} else if (dice < 25) {
		step_route(tap, state);
	} else if (dice < 34) {
		step_switch(tap, state, dice < 30);
	} else if (dice < 46) {
		step_bind(tap, state);
	} else if (dice < 50) {
		tacho_memory_tick(&tap->rig.memory);
	} else if (dice < 52) {
		at_stage("describing");
		T_EQ(tacho_target_describe(tap->rig.target), 0);
	} else {
		tap_read(tap, false);
	}
	nr_steps++;
}

static void chaos(uint64_t *state, uint64_t ms)
{
	uint64_t limit = t_now_ns() + ms * 1000000u;

	while (t_now_ns() < limit && !t_failures()) {
		step(&taps[t_random(state) % NR_TAPS], state);
		at_stage("between two steps");
		if (t_random(state) % 4 == 0)
			usleep((useconds_t)(t_random(state) % 2000));
	}
	for (int i = 0; i < NR_TAPS; i++)
		tap_close(&taps[i]);
	at_stage("waiting for the text to be restored");
	T_OK(rig_restored(getpid()) >= 0);
	printf("     %llu steps, %llu sessions, %llu rows read, %llu overwritten\n",
	       (unsigned long long)nr_steps, (unsigned long long)nr_sessions,
	       (unsigned long long)nr_rows, (unsigned long long)nr_overwritten);
}

/* --- the balance ------------------------------------------------------------------------------ */

struct account {
	uint64_t nr[NR_EVENTS], internal, sum;
};

static struct account account_take(void)
{
	struct account a = { { 0 }, 0, 0 };

	for (int i = 0; i < NR_WORKERS; i++)
		for (int c = 0; c < NR_CONTEXTS; c++) {
			struct issuer *is = &workers[i].issuer[c];

			a.internal += tacho_load_relaxed(&is->internal);
			a.sum += tacho_load_relaxed(&is->sum);
			for (int e = 0; e < NR_EVENTS; e++)
				a.nr[e] += tacho_load_relaxed(&is->nr[e]);
		}
	return a;
}

static struct account account_since(const struct account *before)
{
	struct account a = account_take();

	a.internal -= before->internal;
	a.sum -= before->sum;
	for (int e = 0; e < NR_EVENTS; e++)
		a.nr[e] -= before->nr[e];
	return a;
}

/* Every event of the tap that is in events (bits) goes to a log of that layout. */
static uint32_t tap_take(struct tap *tap, uint32_t events, uint32_t layout, uint32_t rows,
			 uint32_t threshold)
{
	uint32_t log = tap_log(tap, layout, rows, -1);

	T_OK(log != 0);
	for (int e = 0; e < NR_EVENTS; e++) {
		if (!(events & 1u << e))
			continue;
		T_EQ(tacho_memory_route(&tap->rig.memory, tap->ids[e], TACHO_NONE, log, threshold),
		     0);
		T_EQ(tacho_target_enable(tap->rig.target, &tap->ids[e], 1), 0);
	}
	return log;
}

/* Events that sampling has counted and that are no row yet. */
static uint64_t tap_counted(const struct tap *tap, enum event event)
{
	const struct tacho_area *h = &tap->view.header;
	uint64_t counted = 0;

	for (uint32_t cpu = 0; cpu < h->nr_cpus; cpu++) {
		const struct tacho_sample *samples =
			(const struct tacho_sample *)(const void *)(rig_part(&tap->rig.memory,
									     cpu) +
								    h->samples_off);

		for (uint32_t d = 0; d < h->nr_domains; d++)
			counted += tacho_load_relaxed(
				&samples[tap->ids[event] * h->nr_domains + d].count);
	}
	return counted;
}

static uint64_t tap_sum(const struct tap *tap, uint32_t log)
{
	uint64_t sum = 0, part;

	for (uint32_t cpu = 0; cpu < tap->view.header.nr_cpus; cpu++) {
		T_EQ(tacho_view_sum(&tap->view, cpu, log, &part), 0);
		sum += part;
	}
	return sum;
}

/* Tap 0: everything in whole rows, tally added. Tap 1: positions only. Tap 2: every third. */
enum { ADDED = 1u << TALLY, POSITIONS = 1u << LEVEL | 1u << CROSSED, SAMPLED = 1u << HIT };

static void balance_check(const struct account *a, const uint32_t log[4])
{
	uint64_t all = 0, busy;

	for (int e = 0; e < NR_EVENTS; e++) {
		T_OK(a->nr[e] > 0);
		all += a->nr[e];
	}
	busy = tap_lost(&taps[0], TACHO_LOST_BUSY);
	T_EQ(tap_rows(&taps[0], log[0]) + busy, all - a->nr[TALLY]);
	T_EQ(tap_sum(&taps[0], log[1]), a->sum);
	T_EQ(tap_rows(&taps[1], log[2]) + tap_lost(&taps[1], TACHO_LOST_BUSY),
	     a->nr[LEVEL] + a->nr[CROSSED]);
	T_EQ((tap_rows(&taps[2], log[3]) + tap_lost(&taps[2], TACHO_LOST_BUSY)) * 3 +
		     tap_counted(&taps[2], HIT),
	     a->nr[HIT]);
	T_OK(a->internal > 0);
	printf("     %llu events issued, %llu lost by busy logs, %llu inside one domain\n",
	       (unsigned long long)all, (unsigned long long)busy, (unsigned long long)a->internal);
}

static void balance(uint64_t ms)
{
	uint64_t limit;
	uint32_t log[4];
	struct account a;

	quieten();
	for (int i = 0; i < 3; i++)
		T_NEED(tap_open(&taps[i]));
	at_stage("enabling for the balance");
	log[0] = tap_take(&taps[0], (1u << NR_EVENTS) - 1 - ADDED, RIG_FULL, 8192, 1);
	log[1] = tap_take(&taps[0], ADDED, TACHO_ENTRY_COUNTER | TACHO_ADD, 1, 1);
	log[2] = tap_take(&taps[1], POSITIONS, 0, 16, 1);
	log[3] = tap_take(&taps[2], SAMPLED, TACHO_ENTRIES_ALL | TACHO_CLOCK_VIRTUAL, 64, 3);
	a = account_take();
	resume();
	for (limit = t_now_ns() + ms * 1000000u; t_now_ns() < limit; usleep(500))
		for (int i = 0; i < 3; i++)
			tap_read(&taps[i], false);
	quieten();
	for (int i = 0; i < 3; i++)
		tap_read(&taps[i], true);
	a = account_since(&a);
	balance_check(&a, log);
	for (int i = 0; i < 3; i++)
		tap_close(&taps[i]);
	resume();
}

/* --- cases ------------------------------------------------------------------------------------ */

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static uint64_t seconds_given(void)
{
	return number("TORTURE_SECONDS", T_TSAN || T_ASAN ? 2 : 4);
}

T_CASE(torture)
{
	uint64_t seconds = seconds_given(), state;

	seed = number("TORTURE_SEED", t_now_ns());
	printf("     seed %llu (repeat with TORTURE_SEED=%llu), writer %s\n",
	       (unsigned long long)seed, (unsigned long long)seed,
	       getenv("TACHO_WRITER") ? getenv("TACHO_WRITER") : "as found");
	state = seed;
	everybody_start(seconds);
	chaos(&state, seconds * 750);
	if (!t_failures())
		balance(seconds * 250);
	for (int i = 0; i < NR_TAPS; i++) /* what a failure left */
		tap_close(&taps[i]);
	at_stage("waiting for the text to be restored at the end");
	T_OK(rig_restored(getpid()) >= 0);
	T_EQ(rig_areas(getpid()), 0);
	T_EQ(rig_wx(getpid()), 0);
	everybody_end();
	T_EQ(nr_bad, 0);
	T_OK(nr_sessions > 3 && nr_rows > 1000 && signals > 100 && moves > 10);
	printf("     %llu signals, %llu migrations\n", (unsigned long long)signals,
	       (unsigned long long)moves);
}

/* The same in a process of its own, because a process decides once which writer it uses. */
T_CASE(torture_generic)
{
	char name[] = "torture", path[1024];
	char *args[] = { path, name, NULL };
	uint64_t limit = t_now_ns() + (seconds_given() + HANG_SECONDS + 10) * 1000000000u;
	int status = 0;
	pid_t pid, ended = 0;

	if (T_TSAN)
		T_SKIP("this build has the generic writer only");
	rig_path(path, sizeof(path), "t_torture");
	setenv("TACHO_WRITER", "generic", 1);
	fflush(stdout);
	status = posix_spawn(&pid, path, NULL, NULL, args, environ);
	unsetenv("TACHO_WRITER");
	T_NEED(status == 0);
	while (ended == 0 && t_now_ns() < limit) {
		usleep(10000);
		ended = waitpid(pid, &status, WNOHANG);
	}
	if (ended == 0) {
		T_FAIL("hang: the process with the generic writer does not end");
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		return;
	}
	T_OK(ended == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

T_MAIN
