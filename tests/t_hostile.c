// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_hostile.c: a session that rewrites the whole area, at random, while the component logs into it.
 *
 * Four threads log through sites of every kind, another one writes noise over header, principals,
 * routes, control registers, samples, rows and the scratch pages, and a third connection attaches the
 * same file again and again, so that the check of an area meets one that changes. Directly before
 * and behind the component's mapping are pages that nobody may touch: an access outside ends the
 * test. What the component keeps to itself must be as it was, and afterwards it serves an honest
 * session, to the event.
 *
 *	HOSTILE_SECONDS=60 T_SEED=... t_hostile
 */
#include <pthread.h>
#include <sys/mman.h>

#include <tacho/atomic.h>
#include <tacho/tacho.h>

#include "internal.h"
#include "rig.h"
#include "t.h"

TACHO_EVENT(plain, TACHO_ACCESS, "hostile.plain", "", "peer", "all three forms");
TACHO_EVENT(caused, TACHO_ACCESS, "hostile.caused", "items", "peer", "with a principal of its own");
TACHO_EVENT(span, TACHO_SPAN, "hostile.span", "", "peer", "time");
TACHO_EVENT(value, TACHO_SPAN, "hostile.value", "steps", "peer", "a value of the program");
TACHO_EVENT(sample, TACHO_SAMPLE, "hostile.sample", "items", "", "a state");
TACHO_EVENT(toggled, TACHO_ACCESS, "hostile.toggled", "", "", "switched on and off meanwhile");

#define THREADS	  4
#define PAGE	  4096u
#define SENTINEL  0x5ea1ed0fu
#define PER_ROUND 7 /* events of round_of() */

static const struct tacho_area_options options = { .nr_principals = 256,
						   .nr_domains = 8,
						   .nr_logs = 16,
						   .rows_size = 64 * 1024 };

/* Events whose hooks must stay as they are; toggled is not one of them. */
static struct tacho_event *const steady[] = { &tacho_event_plain, &tacho_event_caused,
					      &tacho_event_span, &tacho_event_value,
					      &tacho_event_sample };
#define NR_STEADY (sizeof(steady) / sizeof(steady[0]))

/* --- threads that log ----------------------------------------------------------------------- */

static uint32_t stop;

struct logger {
	pthread_t thread;
	uint64_t seed;
	uint64_t rounds; /* to do, 0: until stop; then those that were done */
	int honest; /* principals even, correspondents odd: no event stays inside a domain */
	int broken;
};

/* Noinline, so that the locals around the sites are in registers and below the stack pointer. */
__attribute__((noinline)) static uint32_t round_of(uint64_t random, uint32_t peer, uint32_t who)
{
	uint32_t kept = peer ^ SENTINEL;

	TACHO_LOG(plain);
	TACHO_LOG(plain, random, peer);
	TACHO_ENTER(span);
	TACHO_LOG(caused, random, peer, who);
	TACHO_ENTER_VALUE(value, random);
	TACHO_LOG(sample, random);
	TACHO_EXIT_VALUE(value, random + 3, peer);
	TACHO_EXIT(span, peer);
	TACHO_LOG(toggled, 1);
	return kept ^ peer;
}

static void *logger_run(void *arg)
{
	struct logger *l = arg;
	uint64_t done = 0, state = l->seed;

	while (l->rounds ? done < l->rounds : !tacho_load_relaxed(&stop)) {
		uint64_t random = t_random(&state);
		uint32_t odd = l->honest ? 1 : 0, who = (uint32_t)(random >> 32) & ~odd;

		if (done % 64 == 0)
			tacho_principal_set(who);
		l->broken |= round_of(random, (uint32_t)random | odd, who) != SENTINEL;
		done++;
	}
	l->rounds = done;
	return NULL;
}

static void loggers_start(struct logger *l, uint64_t rounds, uint64_t *state)
{
	for (int i = 0; i < THREADS; i++) {
		l[i] = (struct logger){ .seed = t_random(state),
					.rounds = rounds,
					.honest = rounds != 0 };
		T_EQ(pthread_create(&l[i].thread, NULL, logger_run, &l[i]), 0);
	}
}

static uint64_t loggers_join(struct logger *l)
{
	uint64_t rounds = 0;

	for (int i = 0; i < THREADS; i++) {
		T_EQ(pthread_join(l[i].thread, NULL), 0);
		T_EQ(l[i].broken, 0);
		T_OK(l[i].rounds > 0);
		rounds += l[i].rounds;
	}
	return rounds;
}

/* --- the hostile session -------------------------------------------------------------------- */

struct hostile {
	pthread_t thread;
	unsigned char *base;
	uint64_t size;
	struct tacho_area good; /* the header, as it was */
	unsigned char *copy; /* the whole area, as it was */
	uint64_t state;
	uint64_t words;
	uint64_t bursts; /* every other one spares the header, so that the area can be attached */
};

static void put(struct hostile *h, uint64_t off, uint32_t word)
{
	tacho_store_relaxed((uint32_t *)(void *)(h->base + (off & ~3ull)), word);
	h->words++;
}

/* Any offset, but what is small is not met less often than what is large. */
static uint64_t somewhere(struct hostile *h)
{
	const struct tacho_area *a = &h->good;
	uint64_t r = t_random(&h->state), n = t_random(&h->state);
	uint64_t part = a->parts_off + r % a->nr_cpus * a->part_stride;

	switch (r >> 32 & 7) {
	case 0:
		return h->bursts % 2 ? n % sizeof(*a) : a->parts_off + n % a->part_stride;
	case 1:
		return a->principals_off + n % (a->nr_principals * 4ull);
	case 2:
	case 3:
		return part + n % (TACHO_CONTROLS_OFF + a->nr_logs * 64ull);
	case 4:
		return part + a->routes_off + n % (a->samples_off - a->routes_off);
	case 5:
		return part + a->samples_off + n % (a->rows_off - a->samples_off);
	case 6:
		return part + a->rows_off + n % (a->part_stride - a->rows_off);
	default:
		return h->bursts % 2 ? n % h->size : sizeof(*a) + n % (h->size - sizeof(*a));
	}
}

/* Noise, edges, and such words as have a meaning somewhere. */
static uint32_t something(struct hostile *h)
{
	uint64_t r = t_random(&h->state);

	switch (r >> 32 & 7) {
	case 0:
		return 0;
	case 1:
		return 0xffffffffu - (uint32_t)(r & 63);
	case 2:
		return 1u << (r & 31);
	case 3:
		return TACHO_ROUTE(r & 15) | ((uint32_t)r & TACHO_ROUTE_SAMPLED);
	case 4:
		return (uint32_t)r & 0x7f; /* a layout, a threshold, a domain */
	case 5:
		return h->good.body_size - (uint32_t)(r & 63);
	default:
		return (uint32_t)r;
	}
}

/* A while as it was, or nothing would be logged any more and the header never be accepted. */
static void mend(struct hostile *h)
{
	const uint64_t from = h->good.parts_off;
	uint64_t off;

	for (off = 0; off < sizeof(h->good); off += 4)
		put(h, off, *(uint32_t *)(void *)(h->copy + off));
	for (uint32_t cpu = 0; cpu < h->good.nr_cpus; cpu++)
		for (off = 0; off < h->good.rows_off; off += 4) {
			uint64_t at = from + cpu * h->good.part_stride + off;

			put(h, at, *(uint32_t *)(void *)(h->copy + at));
		}
}

static void *hostile_run(void *arg)
{
	struct hostile *h = arg;

	while (!tacho_load_relaxed(&stop)) {
		for (int i = 0; i < 20000; i++)
			put(h, somewhere(h), something(h));
		mend(h);
		h->bursts++;
	}
	return NULL;
}

static int hostile_start(struct hostile *h, const struct rig_session *s, uint64_t *state)
{
	*h = (struct hostile){ .base = s->memory.base, .size = s->memory.size };
	h->good = *tacho_memory_header(&s->memory);
	h->state = t_random(state);
	h->copy = malloc(h->size);
	if (!T_OK(h->copy != NULL))
		return 0;
	memcpy(h->copy, h->base, h->size);
	return T_EQ(pthread_create(&h->thread, NULL, hostile_run, h), 0);
}

/* --- guard pages ---------------------------------------------------------------------------- */

/* A hole that the area just fits into, between two pages that are not to be touched. */
static unsigned char *hole_make(uint64_t size)
{
	unsigned char *hole = mmap(NULL, size + 2 * PAGE, PROT_NONE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (!T_OK(hole != MAP_FAILED))
		return NULL;
	munmap(hole + PAGE, size);
	return hole;
}

/* Where the component mapped the area: it is the one that is not the session's. */
static unsigned char *component_mapping(const struct rig_session *s)
{
	FILE *maps = rig_proc(getpid(), "maps");
	unsigned char *found = NULL;
	struct rig_map map;
	uintptr_t session = (uintptr_t)s->memory.base;

	while (maps && rig_map_next(maps, &map))
		if (strstr(map.path, "memfd:tacho") && map.off == 0 && map.begin != session)
			found = (unsigned char *)map.begin;
	if (maps)
		fclose(maps);
	return found;
}

/* A page is nobody's: it was, or it becomes so now. */
static int guard_page(unsigned char *page)
{
	uintptr_t at = (uintptr_t)page;
	FILE *maps = rig_proc(getpid(), "maps");
	struct rig_map map;
	int guarded;

	guarded = mmap(page, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		       0) == page;
	while (maps && !guarded && rig_map_next(maps, &map))
		guarded = map.begin <= at && at < map.end && !strncmp(map.perms, "---", 3);
	if (maps)
		fclose(maps);
	return guarded;
}

/*
 * A session whose area has guards around it in the component. A mapping of somebody else that
 * happens to touch it is no failure: then it is attached again, elsewhere.
 */
static int guarded_open(struct rig_session *s)
{
	for (int i = 0; i < 16; i++) {
		struct tacho_area_options o = options;
		unsigned char *area;
		char why[200] = "";

		memset(s, 0, sizeof(*s));
		if (!T_EQ(tacho_target_open(&s->target, getpid(), why, sizeof(why)), 0))
			return 0;
		o.pid = (uint32_t)getpid();
		o.clock_source = s->target->clock_source;
		if (!T_EQ(tacho_memory_create(&s->memory, &o), 0) || !hole_make(s->memory.size))
			return 0;
		if (!T_EQ(tacho_target_attach(s->target, &s->memory), 0))
			return 0;
		area = component_mapping(s);
		if (area && guard_page(area - PAGE) && guard_page(area + s->memory.size))
			return 1;
		rig_close(s);
	}
	return 0;
}

/* --- the session that attaches again -------------------------------------------------------- */

/* What it is told may be anything, but it is told something. */
static int intrude(int fd, const uint32_t *ids, uint32_t nr)
{
	int sock = rig_connect(getpid()), attached = 0;
	struct rig_reply reply;

	if (!T_OK(sock >= 0))
		return 0;
	T_OK(rig_message(sock, TACHO_MSG_ATTACH, NULL, 0, &fd, 1));
	if (T_OK(rig_reply(sock, &reply)) && reply.body.error == 0) {
		attached = 1;
		T_OK(rig_message(sock, TACHO_MSG_ENABLE, ids, nr, NULL, 0));
		T_OK(rig_reply(sock, &reply));
		usleep(1000);
		T_OK(rig_message(sock, TACHO_MSG_DISABLE, ids, 1, NULL, 0));
		T_OK(rig_reply(sock, &reply));
	} else {
		T_OK(reply.body.error < 0 && reply.body.text[0] != '\0');
	}
	close(sock);
	return attached;
}

static uint64_t seconds(void)
{
	const char *text = getenv("HOSTILE_SECONDS");

	return text ? strtoull(text, NULL, 0) : 3;
}

/* On a busy machine a thread may still be inside the event that was switched off: try again. */
static int enable_again(struct rig_session *s, uint32_t id)
{
	uint64_t start = t_now_ns();
	int error;

	do
		error = tacho_target_enable(s->target, &id, 1);
	while (error == -EAGAIN && t_now_ns() - start < RIG_MS * 1000000ull);
	return error;
}

/* While it lasts: switch an event of the first session, and attach the same area a second time. */
static void disturb(struct rig_session *s)
{
	const uint32_t ids[] = { tacho_event_plain.id, tacho_event_span.id,
				 tacho_event_toggled.id };
	uint64_t end = t_now_ns() + seconds() * 1000000000u;
	unsigned int tries = 0, attached = 0;

	while (t_now_ns() < end && !t_failures()) {
		attached += (unsigned int)intrude(s->memory.fd, ids, 3);
		tries++;
		T_EQ(tacho_target_disable(s->target, &ids[2], 1), 0);
		T_EQ(enable_again(s, ids[2]), 0);
	}
	printf("     attached %u more times of %u\n", attached, tries);
}

/* --- the cases ------------------------------------------------------------------------------ */

/* Logs of many layouts, some sampled, some adding; returns 0 when one could not be had. */
static int logs_make(struct rig_session *s)
{
	static const struct {
		const char *name;
		uint32_t layout, threshold;
	} logs[] = { { "hostile.plain", RIG_FULL, 1 },
		     { "hostile.caused", TACHO_ENTRIES_ALL, 1 },
		     { "hostile.span", TACHO_ENTRY_COUNTER | TACHO_CLOCK_TIME, 3 },
		     { "hostile.value", TACHO_ENTRY_COUNTER | TACHO_CLOCK_VIRTUAL, 1 },
		     { "hostile.sample", TACHO_ENTRY_COUNTER | TACHO_ADD, 1 },
		     { "hostile.toggled", TACHO_ENTRY_EVENT | TACHO_CLOCK_TICK, 2 } };
	int good = 1;

	for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++)
		good &= rig_log(s, logs[i].name, logs[i].layout, 64, logs[i].threshold) != 0;
	for (uint32_t i = 0; i < 64; i++)
		good &= tacho_memory_bind(&s->memory, i, i % 8) == 0;
	return good;
}

/* What the component keeps to itself; its lock, because the control thread writes it. */
static void hooks_copy(struct tacho__hook *hooks)
{
	tacho_i_control_lock();
	for (size_t i = 0; i < NR_STEADY; i++)
		hooks[i] = steady[i]->hook;
	tacho_i_control_unlock();
}

/* An honest session afterwards: every event is counted, and the area keeps its promises. */
static void serve_honestly(uint64_t *state)
{
	const uint64_t rounds = 1000;
	struct logger loggers[THREADS];
	struct rig_session s;
	uint64_t rows = 0, done;
	uint32_t log[6];

	T_EQ(rig_text_diff(getpid()), 0);
	T_NEED(rig_open(&s, getpid(), NULL));
	log[0] = rig_log(&s, "hostile.plain", RIG_FULL, 4096, 1);
	log[1] = rig_log(&s, "hostile.caused", TACHO_ENTRIES_ALL, 4096, 1);
	log[2] = rig_log(&s, "hostile.span", RIG_FULL, 4096, 1);
	log[3] = rig_log(&s, "hostile.value", RIG_FULL, 4096, 1);
	log[4] = rig_log(&s, "hostile.sample", 0, 1, 1);
	log[5] = rig_log(&s, "hostile.toggled", 0, 1, 1);
	for (uint32_t i = 0; i < tacho_memory_header(&s.memory)->nr_principals - 1; i++)
		T_EQ(tacho_memory_bind(&s.memory, i, i % 2), 0);
	loggers_start(loggers, rounds, state);
	done = loggers_join(loggers);
	T_EQ(done, rounds * THREADS);
	for (int i = 0; i < 6; i++)
		rows += rig_rows(&s, log[i]);
	T_EQ(rows + rig_lost(&s), done * PER_ROUND);
	if (s.target->writer == 1)
		T_EQ(rig_lost(&s), 0);
	T_OK(rig_validate(&s));
	rig_close(&s);
	T_OK(rig_restored(getpid()) >= 0);
}

T_CASE(area)
{
	uint64_t state = t_seed();
	struct tacho__hook before[NR_STEADY], after[NR_STEADY];
	struct logger loggers[THREADS];
	struct hostile hostile;
	struct rig_session s;
	const char *writer = getenv("TACHO_WRITER");
	uint64_t rounds;

	tacho_store_relaxed(&stop, 0);
	T_NEED(guarded_open(&s));
	if (writer && !strcmp(writer, "generic"))
		T_EQ(s.target->writer, 2);
	T_NEED(logs_make(&s));
	hooks_copy(before);
	T_NEED(hostile_start(&hostile, &s, &state));
	loggers_start(loggers, 0, &state);
	disturb(&s);
	tacho_store_relaxed(&stop, 1);
	rounds = loggers_join(loggers);
	pthread_join(hostile.thread, NULL);
	free(hostile.copy);
	printf("     %s writer: %llu events, %llu words rewritten\n",
	       s.target->writer == 1 ? "restartable" : "generic",
	       (unsigned long long)rounds * PER_ROUND, (unsigned long long)hostile.words);
	hooks_copy(after);
	T_MEMEQ(before, after, sizeof(before));
	rig_close(&s);
	T_OK(rig_restored(getpid()) >= 0);
	serve_honestly(&state);
}

/* The writer is chosen once per process, so this is another one. */
T_CASE(area_generic)
{
	int status = -1;
	pid_t pid;

	if (T_TSAN)
		T_SKIP("the case before was generic already");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setenv("TACHO_WRITER", "generic", 1);
		execl("/proc/self/exe", "t_hostile", "area", (char *)NULL);
		_exit(127);
	}
	T_NEED(pid > 0);
	T_EQ(waitpid(pid, &status, 0), pid);
	T_EQ(status, 0);
}

T_MAIN
