// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_hot.c: the log operation, both writers, against a model of it.
 *
 * The bed is an area by hand: principals and parts between pages that nobody may touch, and a hook
 * that points into it. The model does to a copy, with the macros of area.h and nothing else, what
 * the comment of hot.h says; then every byte of the bed and of the copy is the same.
 */
#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <unistd.h>

#include <tacho/hot.h>
#include <tacho/tacho.h>

#include "internal.h"
#include "t.h"

enum {
	NR_CPUS = 4,
	NR_DOMAINS = 8,
	NR_EVENTS = 4,
	NR_LOGS = 8,
	NR_PRINCIPALS = 16,
	EVENT = 2,
	BODY = 16384,
	STRIDE = BODY + TACHO_PAGE,
	ROUTES = TACHO_CONTROLS_OFF + NR_LOGS * 64,
	SAMPLES = ROUTES + NR_EVENTS * NR_DOMAINS * 4,
	ROWS = 4096,
	SIZE = TACHO_PAGE + NR_CPUS * STRIDE, /* principals, then the parts */
};

struct bed {
	unsigned char *at; /* SIZE bytes between two pages without access */
	unsigned char *model; /* what they should be */
	struct tacho_event event;
	bool generic;
	tacho_u32 cpu; /* where the test runs */
};

/* What an event says, before anything is resolved. */
struct said {
	tacho_u64 counter;
	tacho_u32 correspondent;
	tacho_u32 principal;
};

static void *fenced(void)
{
	unsigned char *at =
		mmap(NULL, SIZE + 2 * TACHO_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED || mprotect(at + TACHO_PAGE, SIZE, PROT_READ | PROT_WRITE) != 0)
		return NULL;
	return at + TACHO_PAGE;
}

static void unfenced(unsigned char *at)
{
	if (at)
		munmap(at - TACHO_PAGE, SIZE + 2 * TACHO_PAGE);
}

static tacho_u32 *principals_of(unsigned char *at)
{
	return (tacho_u32 *)(void *)at;
}

static unsigned char *part_of(unsigned char *at, tacho_u32 cpu)
{
	return at + TACHO_PAGE + cpu * STRIDE;
}

static struct tacho_cpu *cpu_of(unsigned char *at, tacho_u32 cpu)
{
	return (struct tacho_cpu *)(void *)part_of(at, cpu);
}

static struct tacho_control *control_of(unsigned char *at, tacho_u32 cpu, tacho_u32 log)
{
	return (struct tacho_control *)(void *)(part_of(at, cpu) + TACHO_CONTROLS_OFF) + log;
}

static tacho_u32 *route_of(unsigned char *at, tacho_u32 cpu, tacho_u32 domain)
{
	return (tacho_u32 *)(void *)(part_of(at, cpu) + ROUTES) + EVENT * NR_DOMAINS + domain;
}

static struct tacho_sample *sample_of(unsigned char *at, tacho_u32 cpu, tacho_u32 domain)
{
	return (struct tacho_sample *)(void *)(part_of(at, cpu) + SAMPLES) + EVENT * NR_DOMAINS +
	       domain;
}

static void hook_init(struct bed *bed)
{
	struct tacho__hook *hook = &bed->event.hook;

	hook->event = EVENT;
	hook->stride = STRIDE;
	hook->parts = part_of(bed->at, 0);
	hook->routes = (unsigned char *)route_of(bed->at, 0, 0);
	hook->samples = (unsigned char *)sample_of(bed->at, 0, 0);
	hook->principals = principals_of(bed->at);
	hook->principal_mask = NR_PRINCIPALS - 1;
	hook->domain_mask = NR_DOMAINS - 1;
	hook->control_mask = (NR_LOGS - 1) * 64;
	hook->body_mask = BODY - 1;
	hook->rseq_off = (tacho_s32)__rseq_offset;
	hook->guess = TACHO_ROUTE(1);
	hook->source = tacho_i_clock_source();
	if (bed->generic) {
		hook->generic_cpus = NR_CPUS;
		bed->event.more = 1;
	} else {
		hook->nr_cpus = NR_CPUS;
	}
}

/* Stay on one CPU that has a part, so that the model knows where a row goes; NR_CPUS: there is none. */
static tacho_u32 pin(void)
{
	tacho_u32 cpu = NR_CPUS;
	cpu_set_t set;

	while (cpu-- > 0) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set) == 0)
			return cpu;
	}
	return NR_CPUS;
}

static int bed_make(struct bed *bed, bool generic)
{
	memset(bed, 0, sizeof(*bed));
	bed->generic = generic;
	bed->cpu = pin();
	if (bed->cpu == NR_CPUS) {
		t_skip("no CPU below %d", NR_CPUS);
		return 0;
	}
	bed->at = fenced();
	bed->model = fenced();
	if (!T_OK(bed->at && bed->model))
		return 0;
	for (tacho_u32 i = 0; i < NR_PRINCIPALS; i++)
		principals_of(bed->at)[i] = i % NR_DOMAINS;
	principals_of(bed->at)[NR_PRINCIPALS - 1] = TACHO_NONE;
	hook_init(bed);
	return 1;
}

static void bed_unmake(struct bed *bed)
{
	unfenced(bed->at);
	unfenced(bed->model);
}

/* Log 1 of every CPU gets rows of that layout, and every domain is routed to it. */
static void bed_layout(struct bed *bed, tacho_u32 layout, tacho_u32 rows)
{
	for (tacho_u32 cpu = 0; cpu < NR_CPUS; cpu++) {
		memset(part_of(bed->at, cpu), 0, STRIDE);
		*control_of(bed->at, cpu, 1) = (struct tacho_control){ .rows_off = ROWS,
								       .row_mask = rows - 1,
								       .layout = layout };
		for (tacho_u32 domain = 0; domain < NR_DOMAINS; domain++)
			*route_of(bed->at, cpu, domain) = TACHO_ROUTE(1);
	}
}

/* The writer itself, and what stands around it when a sampled route is due. */
static enum tacho__result write_row(struct bed *bed, const struct said *said)
{
	struct tacho__hook *hook = &bed->event.hook;
	enum tacho__result result;

	if (bed->generic)
		return tacho__generic_write(hook, bed->cpu, said->principal, said->correspondent,
					    said->counter, tacho_i_clock_read);
	result = tacho_i_rseq_write(hook, said->counter, said->correspondent, said->principal, 0);
	if (result == TACHO__SAMPLED)
		result = tacho_i_rseq_sample(hook, said->correspondent, said->principal);
	if (result == TACHO__DUE)
		result = tacho_i_rseq_write(hook, said->counter, said->correspondent,
					    said->principal, 1);
	return result;
}

/* --- the model ---------------------------------------------------------------------------- */

static void put(unsigned char *at, const void *value, size_t size)
{
	memcpy(at, value, size);
}

static void model_row(tacho_u32 layout, unsigned char *row, const struct said *said,
		      tacho_u32 domain, tacho_u32 correspondent, tacho_u64 time)
{
	const tacho_u32 event = EVENT;

	if (TACHO_HAS_TIME(layout))
		put(row, &time, 8);
	if (layout & TACHO_ENTRY_COUNTER)
		put(row + TACHO_COUNTER_OFF(layout), &said->counter, 8);
	if (layout & TACHO_ENTRY_EVENT)
		put(row + TACHO_EVENT_OFF(layout), &event, 4);
	if (layout & TACHO_ENTRY_DOMAIN)
		put(row + TACHO_DOMAIN_OFF(layout), &domain, 4);
	if (layout & TACHO_ENTRY_CORRESPONDENT)
		put(row + TACHO_CORR_OFF(layout), &correspondent, 4);
}

static tacho_u64 model_time(struct bed *bed, tacho_u32 layout, const unsigned char *real_row)
{
	struct tacho_cpu *cpu = cpu_of(bed->model, bed->cpu);
	tacho_u64 time = 0;

	switch (layout & TACHO_CLOCK_MASK) {
	case TACHO_CLOCK_VIRTUAL:
		return cpu->virtual_clock++;
	case TACHO_CLOCK_TICK:
		return cpu->tick;
	case TACHO_CLOCK_TIME: /* the only thing that the model cannot know: taken from the bed */
		memcpy(&time, real_row, 8);
		return time;
	default:
		return 0;
	}
}

/* What comes behind the route: the row, and the position. */
static enum tacho__result model_put(struct bed *bed, struct tacho_control *control,
				    const struct said *said, tacho_u32 domain,
				    tacho_u32 correspondent)
{
	unsigned char *part = part_of(bed->model, bed->cpu);
	tacho_u32 layout = control->layout & 0xff, off;
	tacho_u64 sum;

	if (layout >= TACHO_LAYOUTS)
		return TACHO__LAYOUT;
	if (layout & TACHO_ADD) {
		off = control->rows_off % BODY & ~7u;
		memcpy(&sum, part + off, 8);
		sum += said->counter;
		memcpy(part + off, &sum, 8);
		return TACHO__DONE;
	}
	off = (tacho_u32)((control->rows_off +
			   (control->pos & control->row_mask) * TACHO_ROW_SIZE(layout)) %
			  BODY);
	model_row(layout, part + off, said, domain, correspondent,
		  model_time(bed, layout, part_of(bed->at, bed->cpu) + off));
	control->pos++;
	return TACHO__DONE;
}

/* Do to the model what the event does to the bed; the bed was written already. */
static enum tacho__result model_write(struct bed *bed, const struct said *said)
{
	tacho_u32 *principals = principals_of(bed->model);
	tacho_u32 domain = principals[said->principal % NR_PRINCIPALS] % NR_DOMAINS;
	tacho_u32 correspondent = principals[said->correspondent % NR_PRINCIPALS];
	tacho_u32 route;

	if (domain == correspondent)
		return TACHO__SKIP;
	route = *route_of(bed->model, bed->cpu, domain);
	if ((route & ~TACHO_ROUTE_SAMPLED) == 0)
		return TACHO__SKIP;
	if (route & TACHO_ROUTE_SAMPLED) {
		struct tacho_sample *sample = sample_of(bed->model, bed->cpu, domain);

		sample->count = sample->count + 1 >= sample->threshold ? 0 : sample->count + 1;
		if (sample->count != 0)
			return TACHO__SKIP;
	}
	return model_put(bed, control_of(bed->model, bed->cpu, route / 64 % NR_LOGS), said, domain,
			 correspondent);
}

/* Nearly always they are, so the fast way first. */
static int as_model(const struct bed *bed, size_t off, size_t len)
{
	return memcmp(bed->at + off, bed->model + off, len) == 0 ||
	       T_MEMEQ(bed->at + off, bed->model + off, len);
}

/* One event to both, which are the same before and after. */
static int same(struct bed *bed, const struct said *said)
{
	enum tacho__result real = write_row(bed, said), wanted = model_write(bed, said);

	/* an event below its threshold is done in one writer and skipped in the other */
	return T_OK(real == wanted || (real <= TACHO__SKIP && wanted == TACHO__SKIP)) &&
	       as_model(bed, 0, SIZE);
}

static void model_begin(struct bed *bed)
{
	memcpy(bed->model, bed->at, SIZE);
}

/* --- the cases, each with both writers ---------------------------------------------------- */

#if TACHO__HAVE_RSEQ
#define RSEQ_CASE(id)                                                                              \
	T_CASE(id##_rseq)                                                                          \
	{                                                                                          \
		struct bed bed;                                                                    \
		if (!tacho_i_rseq_usable())                                                        \
			T_SKIP("no restartable sequences here");                                   \
		if (bed_make(&bed, false))                                                         \
			both_##id(&bed);                                                           \
		bed_unmake(&bed);                                                                  \
	}
#else /* the thread sanitizer, another CPU */
#define RSEQ_CASE(id)
#endif
#define BOTH_WRITERS(id)                                                                           \
	static void both_##id(struct bed *bed);                                                    \
	RSEQ_CASE(id)                                                                              \
	T_CASE(id##_generic)                                                                       \
	{                                                                                          \
		struct bed bed;                                                                    \
		if (bed_make(&bed, true))                                                          \
			both_##id(&bed);                                                           \
		bed_unmake(&bed);                                                                  \
	}                                                                                          \
	static void both_##id(struct bed *bed)

BOTH_WRITERS(every_layout)
{
	const struct said said = { 0x1122334455667788u, 5, 9 };

	for (tacho_u32 layout = 0; layout < TACHO_LAYOUTS; layout++) {
		bed_layout(bed, layout, 4);
		cpu_of(bed->at, bed->cpu)->tick = 0xabcdef0123456789u;
		cpu_of(bed->at, bed->cpu)->virtual_clock = 0xffffffffu;
		/* so that a store beyond an entry would show */
		memset(part_of(bed->at, bed->cpu) + ROWS, 0x5a, 4 * TACHO_MAX_ROW);
		model_begin(bed);
		for (int i = 0; i < 6; i++) /* the log of four rows wraps */
			if (!same(bed, &said)) {
				T_FAIL("layout 0x%02x, row %d", layout, i);
				return;
			}
		T_EQ(control_of(bed->at, bed->cpu, 1)->pos, layout & TACHO_ADD ? 0 : 6);
	}
}

BOTH_WRITERS(layout_not_defined)
{
	const struct said said = { 1, TACHO_NONE, 1 };

	for (tacho_u32 layout = TACHO_LAYOUTS; layout < 256; layout++) {
		bed_layout(bed, layout, 4);
		model_begin(bed);
		T_NEED(same(bed, &said));
		tacho__log_as(&bed->event, said.counter, said.correspondent, said.principal);
		T_EQ(cpu_of(bed->at, bed->cpu)->lost[TACHO_LOST_LAYOUT], 1);
		cpu_of(bed->at, bed->cpu)->lost[TACHO_LOST_LAYOUT] = 0;
		T_NEED(as_model(bed, 0, SIZE));
	}
}

BOTH_WRITERS(adding)
{
	struct said said = { 0, TACHO_NONE, 3 };
	tacho_u64 sum = 0xfffffffffffffff0u; /* and it wraps */

	bed_layout(bed, TACHO_ADD | TACHO_ENTRY_COUNTER, 1);
	memcpy(part_of(bed->at, bed->cpu) + ROWS, &sum, 8);
	model_begin(bed);
	for (said.counter = 1; said.counter < 100; said.counter++)
		T_NEED(same(bed, &said));
	memcpy(&sum, part_of(bed->at, bed->cpu) + ROWS, 8);
	T_EQ(sum, 0xfffffffffffffff0u + 99 * 100 / 2);
}

/* The position, 2^32 and 2^64 rows on. */
BOTH_WRITERS(position_is_free_running)
{
	static const tacho_u64 starts[] = { 0, 0xfffffffeu, 0xfffffffffffffffeu };
	const struct said said = { 7, TACHO_NONE, 3 };

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		bed_layout(bed, TACHO_ENTRY_COUNTER | TACHO_ENTRY_EVENT, 8);
		control_of(bed->at, bed->cpu, 1)->pos = starts[i];
		model_begin(bed);
		for (tacho_u64 nr = 1; nr < 20; nr++) {
			T_NEED(same(bed, &said));
			T_EQ(control_of(bed->at, bed->cpu, 1)->pos, starts[i] + nr);
		}
	}
}

BOTH_WRITERS(clocks)
{
	const struct said said = { 7, TACHO_NONE, 3 };
	tacho_u64 before, after, time, last = 0;
	unsigned char *row = part_of(bed->at, bed->cpu) + ROWS;

	bed_layout(bed, TACHO_CLOCK_TIME, 1);
	before = tacho_i_clock_read(bed->event.hook.source);
	for (int i = 0; i < 100000; i++) {
		T_EQ(write_row(bed, &said), TACHO__DONE);
		memcpy(&time, row, 8);
		if (time < last || time < before)
			T_FAIL("time went back from %llu to %llu", (unsigned long long)last,
			       (unsigned long long)time);
		last = time;
	}
	after = tacho_i_clock_read(bed->event.hook.source);
	T_OK(last <= after);

	bed_layout(bed, TACHO_CLOCK_VIRTUAL, 1);
	cpu_of(bed->at, bed->cpu)->virtual_clock = 41;
	for (tacho_u64 i = 0; i < 100; i++) {
		write_row(bed, &said);
		memcpy(&time, row, 8);
		T_EQ(time, 41 + i); /* alone and not interrupted it does not skip */
	}

	bed_layout(bed, TACHO_CLOCK_TICK, 1);
	for (tacho_u64 i = 0; i < 100; i++) {
		cpu_of(bed->at, bed->cpu)->tick = i * 1000;
		write_row(bed, &said);
		memcpy(&time, row, 8);
		T_EQ(time, i * 1000);
	}
}

/* Through the function behind the sites: exactly every threshold-th event is a row. */
BOTH_WRITERS(thresholds)
{
	static const tacho_u32 thresholds[] = { 0, 1, 2, 3, 7 };
	const tacho_u32 domain = 3, events = 1000;

	for (size_t i = 0; i < sizeof(thresholds) / sizeof(thresholds[0]); i++) {
		tacho_u32 threshold = thresholds[i], step = threshold ? threshold : 1;
		tacho_u64 counter;

		bed_layout(bed, TACHO_ENTRY_COUNTER, 1024);
		*route_of(bed->at, bed->cpu, domain) = TACHO_ROUTE(1) | TACHO_ROUTE_SAMPLED;
		sample_of(bed->at, bed->cpu, domain)->threshold = threshold;
		for (tacho_u64 nr = 1; nr <= events; nr++)
			tacho__log_as(&bed->event, nr, TACHO_NONE, domain);
		T_EQ(control_of(bed->at, bed->cpu, 1)->pos, events / step);
		T_EQ(sample_of(bed->at, bed->cpu, domain)->count, events % step);
		for (tacho_u32 row = 0; row < events / step; row++) {
			memcpy(&counter, part_of(bed->at, bed->cpu) + ROWS + row * 8, 8);
			if (counter != (row + 1) * step)
				T_FAIL("threshold %u: row %u is event %llu", threshold, row,
				       (unsigned long long)counter);
		}
	}
}

/* The count stands above a threshold that was lowered: the next event is a row. */
BOTH_WRITERS(threshold_lowered)
{
	const tacho_u32 domain = 3;

	bed_layout(bed, TACHO_ENTRY_COUNTER, 64);
	*route_of(bed->at, bed->cpu, domain) = TACHO_ROUTE(1) | TACHO_ROUTE_SAMPLED;
	*sample_of(bed->at, bed->cpu, domain) = (struct tacho_sample){ 2, 100 };
	tacho__log_as(&bed->event, 1, TACHO_NONE, domain);
	T_EQ(control_of(bed->at, bed->cpu, 1)->pos, 1);
	T_EQ(sample_of(bed->at, bed->cpu, domain)->count, 0);
}

/* Inside one domain nothing happens; other domains of the same event go on. */
BOTH_WRITERS(domain_filter)
{
	bed_layout(bed, TACHO_ENTRIES_ALL, 64);
	model_begin(bed);
	for (tacho_u32 principal = 0; principal < 2 * NR_PRINCIPALS; principal++)
		for (tacho_u32 peer = 0; peer < 2 * NR_PRINCIPALS; peer++) {
			struct said said = { principal * 100 + peer, peer, principal };
			tacho_u64 pos = control_of(bed->at, bed->cpu, 1)->pos;

			T_NEED(same(bed, &said));
			if (principal % NR_DOMAINS == peer % NR_DOMAINS &&
			    peer % NR_PRINCIPALS != NR_PRINCIPALS - 1)
				T_EQ(control_of(bed->at, bed->cpu, 1)->pos, pos);
		}
}

BOTH_WRITERS(no_route)
{
	struct said said = { 1, TACHO_NONE, 0 };

	bed_layout(bed, TACHO_ENTRIES_ALL, 64);
	*route_of(bed->at, bed->cpu, 4) = 0;
	model_begin(bed);
	for (tacho_u32 guess = 1; guess < NR_LOGS; guess++) {
		bed->event.hook.guess = TACHO_ROUTE(guess);
		for (said.principal = 0; said.principal < NR_DOMAINS; said.principal++)
			T_NEED(same(bed, &said));
	}
	T_EQ(control_of(bed->at, bed->cpu, 0)->pos, 0); /* the null log is never written */
	T_EQ(control_of(bed->at, bed->cpu, 1)->pos, (NR_DOMAINS - 1) * (NR_LOGS - 1));
}

/* A CPU without a part: the event is counted as lost in part 0; the generic writer takes any part. */
BOTH_WRITERS(cpu_without_part)
{
	bed_layout(bed, TACHO_ENTRIES_ALL, 64);
	model_begin(bed);
	if (bed->cpu == 0)
		T_SKIP("CPU 0 always has a part");
	*(bed->generic ? &bed->event.hook.generic_cpus : &bed->event.hook.nr_cpus) = bed->cpu;
	tacho__log(&bed->event, 1, TACHO_NONE);
	if (bed->generic) {
		T_EQ(control_of(bed->at, 0, 1)->pos, 1);
		return;
	}
	T_EQ(cpu_of(bed->at, 0)->lost[TACHO_LOST_CPU], 1);
	cpu_of(bed->at, 0)->lost[TACHO_LOST_CPU] = 0;
	T_MEMEQ(bed->at, bed->model, SIZE);
}

/* A hook that is not in use is left alone. */
BOTH_WRITERS(hook_not_in_use)
{
	const struct said said = { 1, TACHO_NONE, 0 };

	bed_layout(bed, TACHO_ENTRIES_ALL, 64);
	model_begin(bed);
	bed->event.hook.nr_cpus = bed->event.hook.generic_cpus = 0;
	T_EQ(write_row(bed, &said), TACHO__OFF);
	tacho__log(&bed->event, 1, TACHO_NONE);
	T_MEMEQ(bed->at, bed->model, SIZE);
}

/*
 * Any control register, but the next four rows and the sum do not lie over what the writer is just
 * reading: what it reads first there is not promised.
 */
static void control_random(struct tacho_control *control, uint64_t *state)
{
	bool hits;

	do {
		*control = (struct tacho_control){
			.pos = t_random(state),
			.rows_off = (tacho_u32)t_random(state) & ~31u,
			.row_mask = (tacho_u32)t_random(state),
			.layout = (tacho_u32)t_random(state),
		};
		hits = control->rows_off % BODY < ROWS;
		for (tacho_u64 i = 0; i < 4; i++) {
			tacho_u64 slot = (control->pos + i) & control->row_mask;

			hits |= (control->rows_off +
				 (slot << TACHO_ROW_SHIFT(control->layout & 0xff))) %
					BODY <
				ROWS;
		}
	} while (hits);
}

/*
 * Everything that a session can lie about, at random; rows are aligned, as area.h wants them. The
 * model masks everything, so a value that is used before it is masked shows, or hits a fence.
 */
BOTH_WRITERS(random_words)
{
	uint64_t seed = t_seed(), state = seed;

	for (int i = 0; i < (T_TSAN ? 2000 : 30000); i++) {
		struct said said = { t_random(&state), (tacho_u32)t_random(&state),
				     (tacho_u32)t_random(&state) };
		tacho_u32 domain = (tacho_u32)t_random(&state) % NR_DOMAINS;

		for (tacho_u32 log = 0; log < NR_LOGS; log++)
			control_random(control_of(bed->at, bed->cpu, log), &state);
		principals_of(bed->at)[t_random(&state) % NR_PRINCIPALS] =
			(tacho_u32)t_random(&state);
		*route_of(bed->at, bed->cpu, domain) = (tacho_u32)t_random(&state);
		sample_of(bed->at, bed->cpu, domain)->threshold = (tacho_u32)t_random(&state) % 4;
		bed->event.hook.guess =
			TACHO_ROUTE(1 + (tacho_u32)t_random(&state) % (NR_LOGS - 1));
		model_begin(bed);
		for (int n = 0; n < 4; n++)
			if (!same(bed, &said)) {
				T_FAIL("seed %llu, round %d", (unsigned long long)seed, i);
				return;
			}
	}
}

/* The same and not aligned: anywhere in the part is allowed, outside of it is a fence or a change. */
BOTH_WRITERS(random_words_not_aligned)
{
	uint64_t state = t_seed();

	for (int i = 0; i < 20000; i++) {
		const struct said said = { t_random(&state), TACHO_NONE,
					   (tacho_u32)t_random(&state) };
		unsigned char *part = part_of(bed->at, bed->cpu);
		size_t before = (size_t)(part - bed->at);

		for (tacho_u32 off = 0; off < ROWS; off += 8) {
			tacho_u64 word = t_random(&state);

			if (off % 64 == 0 || i % 16 == 0)
				memcpy(part + off, &word, 8);
		}
		for (tacho_u32 log = 0; log < NR_LOGS; log++)
			control_of(bed->at, bed->cpu, log)->lock = 0;
		model_begin(bed);
		write_row(bed, &said);
		/* what is not in the part, its scratch page included, is as it was */
		T_NEED(as_model(bed, 0, before) &&
		       as_model(bed, before + STRIDE, SIZE - STRIDE - before));
	}
}

/* A writer was stopped with the lock of its log held: the next part takes the row. */
T_CASE(generic_busy)
{
	struct said said = { 1, TACHO_NONE, 0 };
	struct bed bed;
	tacho_u64 pos = 0;

	if (!bed_make(&bed, true))
		return;
	bed_layout(&bed, TACHO_ENTRIES_ALL, 64);
	for (tacho_u32 i = 0; i < NR_CPUS; i++) {
		T_EQ(write_row(&bed, &said), TACHO__DONE);
		T_EQ(control_of(bed.at, (bed.cpu + i) % NR_CPUS, 1)->pos, 1);
		control_of(bed.at, (bed.cpu + i) % NR_CPUS, 1)->lock = 1;
	}
	T_EQ(write_row(&bed, &said), TACHO__BUSY);
	tacho__log(&bed.event, 1, TACHO_NONE);
	T_EQ(cpu_of(bed.at, bed.cpu)->lost[TACHO_LOST_BUSY], 1);
	for (tacho_u32 i = 0; i < NR_CPUS; i++)
		pos += control_of(bed.at, i, 1)->pos;
	T_EQ(pos, NR_CPUS);
	bed_unmake(&bed);
}

/* errno of the program is not touched, whatever happens behind a site. */
BOTH_WRITERS(errno_is_kept)
{
	bed_layout(bed, TACHO_LAYOUTS, 4);
	errno = 4711;
	tacho__log(&bed->event, 1, TACHO_NONE);
	T_EQ(errno, 4711);
}

T_MAIN
