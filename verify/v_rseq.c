// SPDX-License-Identifier: BSD-2-Clause
/*
 * v_rseq.c: the restartable writer of include/tacho/arch/x86_64.h, instruction for instruction.
 *
 * Assembler cannot run in the model, so this is a transcription: one statement for each load and
 * store of the original, in its order, with its masks. v_transcript.c runs both over the same areas,
 * with every layout, and compares what they leave. x86 keeps loads in order and stores in order; that is
 * written down here as the acquire and release that hot.h names (A, C and H), no more: what x86 gives
 * beyond them is not used.
 *
 * Mutants: without RESTART there is no sequence; with CPU and HOIST one load stands ahead of it.
 */
#include "model.h"
#include "v_rseq.h"

unsigned int v_rseq_entered;

struct resolved {
	unsigned char *part;
	const unsigned char *routes; /* of this event, on this CPU, from the part of CPU 0 on */
	tacho_u64 part_off;
	tacho_u32 domain;
	tacho_u32 correspondent;
};

/* TACHO__RSEQ_RESOLVE. False: inside one domain. */
static bool resolve(const struct tacho__hook *hook, tacho_u32 cpu, tacho_u32 principal,
		    tacho_u32 correspondent, struct resolved *resolved)
{
	resolved->part_off = cpu * hook->stride;
	resolved->part = hook->parts + resolved->part_off;
	resolved->domain = tacho_load_relaxed(&hook->principals[principal & hook->principal_mask]) &
			   hook->domain_mask;
	resolved->correspondent =
		tacho_load_relaxed(&hook->principals[correspondent & hook->principal_mask]);
	return resolved->domain != resolved->correspondent;
}

static struct tacho_sample *sample_of(const struct tacho__hook *hook,
				      const struct resolved *resolved)
{
	return (struct tacho_sample *)(void *)(hook->samples + resolved->part_off) +
	       resolved->domain;
}

/*
 * TACHO__RSEQ_ROUTE. Leaves the offset of the control register and returns DONE; SAMPLED: the route
 * is sampled and no row of it is due; SKIP: there is no route.
 */
static enum tacho__result route(const struct tacho__hook *hook, const struct resolved *resolved,
				bool sampled, tacho_u32 *control_off)
{
	const tacho_u32 *routes =
		(const tacho_u32 *)(const void *)(hook->routes + resolved->part_off);
	tacho_s32 found;

	*control_off = hook->guess;
	if (tacho_load_relaxed(&routes[resolved->domain]) == hook->guess)
		return TACHO__DONE;
	found = (tacho_s32)tacho_load_relaxed(&routes[resolved->domain]);
	if (found == 0)
		return TACHO__SKIP;
	if (!sampled && found < 0)
		return TACHO__SAMPLED;
	*control_off = (tacho_u32)found & hook->control_mask;
	return TACHO__DONE;
}

/* Labels 65 to 36: count an event of a sampled route, if no row is due with it. */
static enum tacho__result count(const struct tacho__hook *hook, const struct resolved *resolved)
{
	struct tacho_sample *sample = sample_of(hook, resolved);
	tacho_u32 next = tacho_load_relaxed(&sample->count) + 1;
	tacho_u32 threshold = tacho_load_relaxed(&sample->threshold);

	if (next >= threshold)
		return TACHO__SAMPLED;
	if (v_mutant_is("THRESHOLD"))
		tacho_store_relaxed(&sample->threshold, threshold);
	v_commit(&sample->count, next, V_RELAXED);
	return TACHO__DONE;
}

static tacho_u64 timestamp(struct tacho_cpu *cpu, tacho_u32 layout, tacho_u64 (*now)(tacho_u32))
{
	switch (layout & TACHO_CLOCK_MASK) {
	case TACHO_CLOCK_TIME:
		return now(0);
	case TACHO_CLOCK_TICK:
		return tacho_load_relaxed(&cpu->tick);
	default:
		return tacho_load_relaxed(&cpu->virtual_clock);
	}
}

/* One of the 64 bodies that write a row. idx = pos & row_mask. */
static void body(const struct tacho__hook *hook, const struct resolved *resolved,
		 const struct tacho_control *control, tacho_u32 layout, tacho_u64 idx,
		 tacho_u64 counter, tacho_u64 (*now)(tacho_u32))
{
	struct tacho_cpu *cpu = (struct tacho_cpu *)(void *)resolved->part;
	unsigned char *at;
	tacho_u64 time;

	if (TACHO_ENTRY_BYTES(layout) == 0)
		return;
	idx <<= TACHO_ROW_SHIFT(layout);
	idx += tacho_load_relaxed(&control->rows_off);
	at = resolved->part + ((tacho_u32)idx & hook->body_mask);
	tacho_fence_release(); /* C: stores are in order */
	if (TACHO_HAS_TIME(layout)) {
		time = timestamp(cpu, layout, now);
		tacho_store_relaxed((tacho_u64 *)(void *)at, time);
		if ((layout & TACHO_CLOCK_MASK) == TACHO_CLOCK_VIRTUAL && !v_mutant_is("VIRTUAL"))
			tacho_store_relaxed(&cpu->virtual_clock, time + 1);
	}
	if (layout & TACHO_ENTRY_COUNTER)
		tacho_store_relaxed((tacho_u64 *)(void *)(at + TACHO_COUNTER_OFF(layout)), counter);
	if (layout & TACHO_ENTRY_EVENT)
		tacho_store_relaxed((tacho_u32 *)(void *)(at + TACHO_EVENT_OFF(layout)),
				    hook->event);
	if (layout & TACHO_ENTRY_DOMAIN)
		tacho_store_relaxed((tacho_u32 *)(void *)(at + TACHO_DOMAIN_OFF(layout)),
				    resolved->domain);
	if (layout & TACHO_ENTRY_CORRESPONDENT)
		tacho_store_relaxed((tacho_u32 *)(void *)(at + TACHO_CORR_OFF(layout)),
				    resolved->correspondent);
}

/* The arguments of a sequence, and what two mutants read ahead of it. */
struct call {
	const struct tacho__hook *hook;
	tacho_u32 principal;
	tacho_u32 correspondent;
	tacho_u64 counter;
	bool sampled;
	tacho_u64 (*now)(tacho_u32);
	tacho_u32 nr_cpus;
	tacho_u32 cpu;
};

static void hoist(struct call *call)
{
	if (v_mutant_is("HOIST"))
		call->nr_cpus = tacho_load_acquire(&call->hook->nr_cpus);
	if (v_mutant_is("CPU"))
		call->cpu = v_cpu();
}

/* TACHO__RSEQ_BEGIN up to the test of the CPU. False: not in use, or no part. */
static bool is_on(const struct call *call, tacho_u32 *cpu)
{
	tacho_u32 nr_cpus = call->nr_cpus;

	if (!v_mutant_is("HOIST"))
		nr_cpus = tacho_load_acquire(&call->hook->nr_cpus); /* H: loads are in order */
	*cpu = v_mutant_is("CPU") ? call->cpu : v_cpu();
	return *cpu < nr_cpus;
}

static int write_steps(const void *args)
{
	const struct call *call = args;
	const struct tacho__hook *hook = call->hook;
	struct tacho_control *control;
	struct resolved resolved;
	tacho_u32 cpu, layout, control_off;
	enum tacho__result result;
	tacho_u64 idx, *sum;

	v_rseq_entered++;
	if (!is_on(call, &cpu))
		return TACHO__OFF;
	if (!resolve(hook, cpu, call->principal, call->correspondent, &resolved))
		return TACHO__SKIP;
	result = route(hook, &resolved, call->sampled, &control_off);
	if (result == TACHO__SAMPLED)
		return (int)count(hook, &resolved);
	if (result != TACHO__DONE)
		return (int)result;
	control =
		(struct tacho_control *)(void *)(resolved.part + TACHO_CONTROLS_OFF + control_off);
	idx = tacho_load_relaxed(&control->row_mask);
	idx &= tacho_load_relaxed(&control->pos);
	layout = tacho_load_relaxed(&control->layout) & 0xff;
	if (layout >= TACHO_LAYOUTS)
		return TACHO__LAYOUT;
	if (layout & TACHO_ADD) {
		sum = (tacho_u64 *)(void *)(resolved.part +
					    (tacho_load_relaxed(&control->rows_off) &
					     hook->body_mask & ~7u));
		v_commit(sum, tacho_load_relaxed(sum) + call->counter, V_RELEASE);
		return TACHO__DONE;
	}
	body(hook, &resolved, control, layout, idx, call->counter, call->now);
	/* A: stores are in order */
	v_commit(&control->pos, tacho_load_relaxed(&control->pos) + 1, V_RELEASE);
	return TACHO__DONE;
}

enum tacho__result v_rseq_write(const struct tacho__hook *hook, tacho_u32 principal,
				tacho_u32 correspondent, tacho_u64 counter, bool sampled,
				tacho_u64 (*now)(tacho_u32))
{
	struct call call = { hook, principal, correspondent, counter, sampled, now, 0, 0 };

	hoist(&call);
	return (enum tacho__result)v_sequence(write_steps, &call);
}

static int sample_steps(const void *args)
{
	const struct call *call = args;
	const struct tacho__hook *hook = call->hook;
	struct tacho_sample *sample;
	struct resolved resolved;
	tacho_u32 cpu, next;
	bool is_due;

	v_rseq_entered++;
	if (!is_on(call, &cpu))
		return TACHO__OFF;
	if (!resolve(hook, cpu, call->principal, call->correspondent, &resolved))
		return TACHO__SKIP;
	sample = sample_of(hook, &resolved);
	next = tacho_load_relaxed(&sample->count) + 1;
	is_due = next >= tacho_load_relaxed(&sample->threshold);
	v_commit(&sample->count, is_due ? 0 : next, V_RELAXED);
	return is_due ? TACHO__DUE : TACHO__SKIP;
}

enum tacho__result v_rseq_sample(const struct tacho__hook *hook, tacho_u32 principal,
				 tacho_u32 correspondent)
{
	struct call call = { hook, principal, correspondent, 0, false, NULL, 0, 0 };

	hoist(&call);
	return (enum tacho__result)v_sequence(sample_steps, &call);
}
