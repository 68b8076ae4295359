// SPDX-License-Identifier: BSD-2-Clause
/*
 * v_grace.c: a session goes while threads log, and the next one comes.
 *
 * The control thread takes the hook out of use, waits for tacho_i_grace (lib/slow.c, as it is), takes
 * the area back and puts the hook into use again with another area. Nobody may touch an area that is
 * not his at that moment: not one that was taken back, not one whose hook he cannot know to be
 * complete, and every use must happen before the grace period ends.
 *
 * What is not lib/slow.c repeats lib/attach.c (hook_fill, hook_set, hook_clear) and lib/hot.c (site).
 */
#include <string.h>

#include "lib/internal.h"
#include "model.h"
#include "v_area.h"
#include "v_rseq.h"
#include "v_scenarios.h"
#include "v_slow.h"

#define WRITERS 2
#define FIRST	"the first area was written"
#define SECOND	"the second area was written"

struct grace_options {
	unsigned int events[WRITERS];
	unsigned int sessions; /* that go; one more comes */
	unsigned int layout;
	bool rseq;
	bool late; /* before that, the event is switched off and on again */
};

static struct v_area areas[V_AREAS];
static struct tacho_event event;
static const struct grace_options *options;

/* --- lib/attach.c ----------------------------------------------------------------------------- */

static void hook_fill(struct tacho__hook *hook, unsigned int index)
{
	const struct tacho__hook *from = &areas[index].hook;

	v_lend(v_area_name[index]);
	hook->stride = from->stride;
	hook->parts = from->parts;
	hook->routes = from->routes;
	hook->samples = from->samples;
	hook->principals = from->principals;
	hook->principal_mask = from->principal_mask;
	hook->domain_mask = from->domain_mask;
	hook->control_mask = from->control_mask;
	hook->body_mask = from->body_mask;
	hook->source = from->source;
}

static void hook_set(struct tacho__hook *hook, unsigned int index)
{
	if (!hook->parts || v_mutant_is("REFILL"))
		hook_fill(hook, index);
	hook->guess = areas[index].hook.guess;
	if (options->rseq)
		tacho_store_release(&hook->nr_cpus, V_MAX_CPUS); /* H */
	else
		tacho_store_release(&hook->generic_cpus, 1); /* H */
	if (!options->rseq)
		tacho_store_release(&event.more, 1);
}

static void hook_clear(struct tacho__hook *hook)
{
	tacho_store_relaxed(&event.more, 0);
	tacho_store_seq(&hook->nr_cpus, 0);
	tacho_store_seq(&hook->generic_cpus, 0); /* G */
}

/* --- threads ---------------------------------------------------------------------------------- */

static void site(uint32_t number)
{
	enum tacho__result result = TACHO__OFF;

	if (options->rseq)
		result = v_rseq_write(&event.hook, number, V_DOMAINS + number, number, false, NULL);
	if (result > TACHO__SKIP || tacho_load_relaxed(&event.more))
		tacho_i_slow(&event, number, V_DOMAINS + number, number, (tacho_u32)result);
}

static void writer(unsigned int index)
{
	for (unsigned int i = 0; i < options->events[index]; i++) {
		v_forget(i);
		site(index * 4 + i + 1);
	}
	v_forget(99);
}

static void writer_0(void)
{
	writer(0);
}

static void writer_1(void)
{
	writer(1);
}

static void handler(void)
{
	site(12);
}

/* tacho_i_detach and the next tacho_i_attach and tacho_i_enable. */
static void session_change(unsigned int session)
{
	hook_clear(&event.hook);
	if (!v_mutant_is("GRACE"))
		v_check(tacho_i_grace() == 0, "the grace period has no end");
	v_take_back(v_area_name[session % V_AREAS]);
	event.hook.parts = NULL;
	hook_set(&event.hook, (session + 1) % V_AREAS);
}

static void control(void)
{
	if (options->late) {
		/* tacho_i_disable whose grace period was not long enough, and tacho_i_enable */
		hook_clear(&event.hook);
		hook_set(&event.hook, 0);
	}
	/* the first session is there from the beginning */
	for (unsigned int session = 0; session < options->sessions; session++) {
		v_forget(session);
		session_change(session);
	}
}

/* --- the end ---------------------------------------------------------------------------------- */

static void end(void)
{
	for (unsigned int index = 0; index < V_AREAS; index++)
		for (unsigned int cpu = 0; cpu < V_MAX_CPUS; cpu++)
			if (tacho_load_relaxed(&v_area_control(&areas[index], cpu)->pos))
				v_cover(index ? SECOND : FIRST);
}

static void begin(void)
{
	memset(&event, 0, sizeof(event));
	event.hook = areas[0].hook;
	if (options->rseq) {
		event.hook.nr_cpus = V_MAX_CPUS;
	} else {
		event.hook.generic_cpus = 1;
		event.more = 1;
	}
}

static void setup(void)
{
	struct v_area_options area = { V_MAX_CPUS, 2, 0, 0, V_LENT };

	options = v_scenario->arg;
	area.layout = options->layout;
	v_area_make(&areas[0], 0, &area);
	area.flags = V_LENT | V_KEPT;
	v_area_make(&areas[1], 1, &area);
	v_region("hook", V_TAG_HOOK, &event.hook.nr_cpus, sizeof(tacho_u32), V_READ | V_WRITE);
	v_region("hook", V_TAG_HOOK, &event.hook.generic_cpus, sizeof(tacho_u32), V_READ | V_WRITE);
	v_region("more", V_TAG_OTHER, &event.more, sizeof(event.more), V_READ | V_WRITE);
	v_slow_setup(options->rseq);
}

#define PLAIN	  TACHO_ENTRY_DOMAIN
#define WRITER(i) .name = "writer " #i, .run = writer_##i
#define CONTROL	  .name = "control", .run = control
#define WAITS	  "the grace period had to wait"

const struct v_scenario v_grace_generic = {
	.name = "grace/generic",
	.says = "no area is used after its grace period, nor before it is there: generic writers",
	.setup = setup,
	.begin = begin,
	.end = end,
	.thread = { { WRITER(0) }, { WRITER(1) }, { CONTROL } },
	.arg = &(const struct grace_options){ { 1, 1 }, 1, PLAIN, false, false },
	.cover = { FIRST, SECOND, WAITS },
	.mutants = "G G2 G3 GUARD H H2 GRACE",
};

const struct v_scenario v_grace_twice = {
	.name = "grace/twice",
	.says = "the same, and the next session goes as well",
	.setup = setup,
	.begin = begin,
	.end = end,
	.thread = { { WRITER(0) }, { WRITER(1) }, { CONTROL } },
	.arg = &(const struct grace_options){ { 1, 1 }, 2, PLAIN, false, false },
	.cover = { FIRST, SECOND, WAITS },
	.full = true,
};

const struct v_scenario v_grace_signal = {
	.name = "grace/signal",
	.says = "the same with an event in a signal handler inside an event",
	.setup = setup,
	.begin = begin,
	.end = end,
	.thread = { { WRITER(0), .handler = handler }, { CONTROL } },
	.arg = &(const struct grace_options){ { 1, 0 }, 1, PLAIN, false, false },
	.cover = { FIRST, SECOND, WAITS },
	.mutants = "G G2 GRACE",
};

const struct v_scenario v_grace_sets = {
	.name = "grace/sets",
	.says = "a writer that is late with its choice of a set of counters",
	.setup = setup,
	.begin = begin,
	.end = end,
	.thread = { { WRITER(0) }, { CONTROL } },
	.arg = &(const struct grace_options){ { 1, 0 }, 2, PLAIN, false, false },
	.cover = { FIRST, SECOND, WAITS },
	.mutants = "ONE_SET",
};

const struct v_scenario v_grace_late = {
	.name = "grace/late",
	.says = "an event goes off and on again under a writer that is late",
	.setup = setup,
	.begin = begin,
	.end = end,
	.thread = { { WRITER(0) }, { CONTROL } },
	.arg = &(const struct grace_options){ { 1, 0 }, 1, PLAIN, false, true },
	.cover = { FIRST, SECOND, WAITS },
	.mutants = "REFILL GRACE",
};

const struct v_scenario v_grace_rseq = {
	.name = "grace/rseq",
	.says = "the same with restartable writers, one of them on a CPU without a part",
	.setup = setup,
	.begin = begin,
	.end = end,
	.thread = { { WRITER(0) }, { WRITER(1), .cpu = 2 }, { CONTROL, .cpu = 3 } },
	.cpus = 4,
	.arg = &(const struct grace_options){ { 1, 1 }, 1, PLAIN, true, false },
	.cover = { FIRST, SECOND, WAITS },
	.mutants = "GUARD H HOIST MEMBARRIER GRACE",
};
