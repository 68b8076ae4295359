/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/generic.h: the log operation with atomics, for any CPU, for threads and kernels without
 * restartable sequences, and for builds under the thread sanitizer.
 *
 * A log has one writer at a time here because a writer takes its lock word by compare-and-swap and
 * never waits for it: when the word is taken (a signal handler inside the interrupted writer, a
 * preempted thread), the caller tries the same log on the next CPU's part; when all are taken the
 * event is counted as lost. So it is wait-free, and safe in signal handlers.
 */
#ifndef TACHO_ARCH_GENERIC_H
#define TACHO_ARCH_GENERIC_H

#ifndef TACHO_HOT_H
#error "include <tacho/hot.h>, it chooses the writer"
#endif

/*
 * Count one event of a sampled route. True for every threshold-th, which then becomes a row.
 * Lock-free: a retry means that another thread counted.
 */
static inline int tacho__generic_sample(struct tacho_sample *sample)
{
	tacho_u32 count = tacho_load_relaxed(&sample->count);
	tacho_u32 next;

	do {
		next = count + 1 >= tacho_load_relaxed(&sample->threshold) ? 0 : count + 1;
	} while (!tacho_cas_relaxed(&sample->count, &count, next));
	return next == 0;
}

/* The timestamp for a layout; now is what the caller read from the clock source. */
static inline tacho_u64 tacho__generic_time(struct tacho_cpu *cpu, tacho_u32 layout, tacho_u64 now)
{
	switch (layout & TACHO_CLOCK_MASK) {
	case TACHO_CLOCK_VIRTUAL:
		return tacho_add_relaxed(&cpu->virtual_clock, 1);
	case TACHO_CLOCK_TICK:
		return tacho_load_relaxed(&cpu->tick);
	default:
		return now;
	}
}

/*
 * Write one row into the log that route names, in the part at part_off.
 * now: reads the clock source, called only for TACHO_CLOCK_TIME and only with the lock held, so that
 * the times of one log never go back. Returns DONE, LAYOUT or BUSY.
 */
static inline enum tacho__result tacho__generic_put(const struct tacho__hook *hook,
						    tacho_u64 part_off, tacho_u32 route,
						    struct tacho__row *row,
						    tacho_u64 (*now)(tacho_u32))
{
	unsigned char *part = hook->parts + part_off;
	struct tacho_control *control =
		(struct tacho_control *)(void *)(part + TACHO_CONTROLS_OFF +
						 (route & hook->control_mask));
	tacho_u32 layout = tacho_load_relaxed(&control->layout) & 0xff;
	tacho_u32 free = 0;
	tacho_u64 pos;
	tacho_u32 off;

	if (layout >= TACHO_LAYOUTS)
		return TACHO__LAYOUT;
	if (layout & TACHO_ADD) {
		off = tacho_load_relaxed(&control->rows_off) & hook->body_mask & ~7u;
		tacho_add_relaxed((tacho_u64 *)(void *)(part + off), row->counter);
		return TACHO__DONE;
	}
	/* L: acquire, with the release of the unlock: the next owner sees this one's position and row */
	if (!tacho_cas_acquire(&control->lock, &free, 1))
		return TACHO__BUSY;
	pos = tacho_load_relaxed(&control->pos);
	off = tacho__row_off(tacho_load_relaxed(&control->rows_off),
			     tacho_load_relaxed(&control->row_mask), layout, pos, hook->body_mask);
	row->time = (layout & TACHO_CLOCK_MASK) == TACHO_CLOCK_TIME
			    ? now(hook->source)
			    : tacho__generic_time((struct tacho_cpu *)(void *)part, layout, 0);
	tacho_fence_release(); /* C */
	tacho__row_store(part + off, layout, row);
	tacho_store_release(&control->pos, pos + 1); /* A */
	tacho_store_release(&control->lock, 0u); /* L */
	return TACHO__DONE;
}

/*
 * The whole operation for one hook: from cpu's part on, the first part whose log is free.
 * Returns DONE, SKIP, OFF, LAYOUT or BUSY; the caller counts the losses.
 */
static inline enum tacho__result tacho__generic_write(const struct tacho__hook *hook, tacho_u32 cpu,
						      tacho_u32 principal, tacho_u32 correspondent,
						      tacho_u64 counter,
						      tacho_u64 (*now)(tacho_u32))
{
	tacho_u32 nr_cpus = tacho_load_relaxed(&hook->generic_cpus);
	struct tacho__row row = { 0, counter, hook->event, 0, 0 };
	int sampled = 0;

	for (tacho_u32 i = 0; i < nr_cpus; i++) {
		tacho_u64 part_off = (cpu + i) % nr_cpus * hook->stride;
		tacho_u32 route = tacho__resolve(hook, part_off, principal, correspondent, &row);
		enum tacho__result result;

		if ((route & ~TACHO_ROUTE_SAMPLED) == 0)
			return TACHO__SKIP;
		if ((route & TACHO_ROUTE_SAMPLED) && !sampled) {
			struct tacho_sample *samples =
				(struct tacho_sample *)(void *)(hook->samples + part_off);

			if (!tacho__generic_sample(&samples[row.domain]))
				return TACHO__SKIP;
			sampled = 1;
		}
		result = tacho__generic_put(hook, part_off, route, &row, now);
		if (result != TACHO__BUSY)
			return result;
	}
	return nr_cpus == 0 ? TACHO__OFF : TACHO__BUSY;
}

#endif /* TACHO_ARCH_GENERIC_H */
