// SPDX-License-Identifier: BSD-2-Clause
/*
 * clock.c: the clock source of this machine, and how its units become nanoseconds.
 *
 * Owns the choice of the source, reading it, and the conversion that a session writes into the
 * header of an area: ns = base_ns + ((t - base) * mult >> shift). Must not use vector registers,
 * because slow.c reads the clock behind a site in the middle of the caller's code: like slow.c, it is
 * compiled for general registers only. Called by area.c, control.c and slow.c.
 *
 * The conversion is one line through two readings of both clocks. A reading is exact to the width
 * of its bracket, about 20 ns, so the error of the slope is that over the distance: 10 ppm at most
 * after 2 ms (0.1 as a rule), 0.1 ppm at most after 200 ms. base and base_ns never change, so refining
 * is one store of mult, and who converts meanwhile uses the one line or the other.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "internal.h"

#define NS_PER_SEC  1000000000ull
#define CLOCK_SHIFT 48u /* mult < 2^64 for any source faster than 16 kHz; 4e-15 per unit */
#define FIRST_NS    2000000ull /* distance of the first two readings */
#define REFINE_NS   10000000ull /* a shorter distance would not be better than the first */
#define BRACKET_NS  1000ull /* a wider reading was interrupted */
#define SUSPEND_NS  100000000ull /* no suspend is shorter */
#define TRIES	    8
#define PPM_MAX	    1000ull /* CLOCK_MONOTONIC is slewed by 500 ppm at most; beyond: a suspend */

/* Both clocks at one moment. */
struct reading {
	uint64_t clock;
	uint64_t ns;
	uint64_t width_ns; /* how long it took, at most */
};

#if defined(__x86_64__)
static bool tsc_look(void)
{
	unsigned int eax, ebx, ecx, edx;
	int mode = PR_TSC_SIGSEGV;

	if (prctl(PR_GET_TSC, &mode) != 0 || mode != PR_TSC_ENABLE)
		return false;
	/* bit 8: invariant, it counts at one rate in every state of the processor */
	return __get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) && (edx & 1u << 8) != 0;
}
#else
static bool tsc_look(void)
{
	return false;
}
#endif

/* Asked once, because cpuid costs a guest an exit; two threads that race find the same. */
static bool tsc_usable(void)
{
	static tacho_u32 usable; /* 0: not asked yet, 1: yes, 2: no */
	tacho_u32 found = tacho_load_relaxed(&usable);

	if (found == 0) {
		found = tsc_look() ? 1 : 2;
		tacho_store_relaxed(&usable, found);
	}
	return found == 1;
}

enum tacho_clock_source tacho_i_clock_source(void)
{
	static tacho_u32 source; /* 0: not asked yet */
	tacho_u32 found = tacho_load_relaxed(&source);
	const char *forced;

	if (found)
		return (enum tacho_clock_source)found;
	forced = getenv("TACHO_CLOCK");
	if ((forced && strcmp(forced, "monotonic") == 0) || !tsc_usable())
		found = TACHO_SOURCE_MONOTONIC;
	else
		found = TACHO_SOURCE_TSC;
	tacho_store_relaxed(&source, found);
	return (enum tacho_clock_source)found;
}

int tacho_i_clock_check(uint32_t source)
{
	if (source == TACHO_SOURCE_MONOTONIC || (source == TACHO_SOURCE_TSC && tsc_usable()))
		return 0;
	return -EOPNOTSUPP;
}

uint64_t tacho_i_clock_read(uint32_t source)
{
	struct timespec now;

#if defined(__x86_64__)
	if (source == TACHO_SOURCE_TSC)
		return __builtin_ia32_rdtsc();
#endif
	(void)source;
#if defined(__x86_64__) && defined(__SANITIZE_ADDRESS__)
	/* not through the sanitizer's own clock_gettime, which uses whatever registers it likes */
	long result = SYS_clock_gettime;

	__asm__ volatile("syscall"
			 : "+a"(result)
			 : "D"(CLOCK_MONOTONIC), "S"(&now)
			 : "rcx", "r11", "memory");
#else
	clock_gettime(CLOCK_MONOTONIC, &now);
#endif
	return (uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec;
}

static uint64_t now_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec;
}

/*
 * Read the source between two looks at CLOCK_MONOTONIC, several times, and keep the narrowest: the
 * moment of the source is taken for the middle of its bracket.
 */
static struct reading reading_take(uint32_t source)
{
	struct reading best = { 0, 0, ~0ull };

	for (int i = 0; i < TRIES; i++) {
		uint64_t before = now_ns(CLOCK_MONOTONIC);
		uint64_t clock = tacho_i_clock_read(source);
		uint64_t width = now_ns(CLOCK_MONOTONIC) - before;

		if (width < best.width_ns)
			best = (struct reading){ clock, before + width / 2, width };
	}
	return best;
}

/* ns per unit between two readings, times 2^shift; 0 when they do not give a slope. */
static uint64_t slope(uint64_t clock, uint64_t ns, uint32_t shift)
{
	unsigned __int128 mult;

	if (clock == 0 || ns == 0 || clock >> 63 || ns >> 63)
		return 0;
	mult = ((unsigned __int128)ns << shift) / clock;
	return mult >> 64 ? 0 : (uint64_t)mult;
}

/*
 * The first reading of this process, which later areas measure from: only the first one waits.
 * A suspend in between stops CLOCK_MONOTONIC and not the source: CLOCK_BOOTTIME tells.
 */
static pthread_mutex_t anchor_lock = PTHREAD_MUTEX_INITIALIZER;
static struct reading anchor;
static uint64_t anchor_suspended_ns;

/* Time spent suspended since the boot; the two clocks are not read at once, so it is a little more. */
static uint64_t suspended_ns(void)
{
	uint64_t monotonic = now_ns(CLOCK_MONOTONIC);

	return now_ns(CLOCK_BOOTTIME) - monotonic;
}

static struct reading anchor_get(uint32_t source)
{
	uint64_t suspended = suspended_ns();
	struct reading result;

	pthread_mutex_lock(&anchor_lock);
	if (anchor.clock == 0 || suspended > anchor_suspended_ns + SUSPEND_NS) {
		anchor = reading_take(source);
		anchor_suspended_ns = suspended;
	}
	result = anchor;
	pthread_mutex_unlock(&anchor_lock);
	return result;
}

int tacho_i_clock_calibrate(uint32_t source, struct tacho_i_clock *clock)
{
	struct reading first, last;

	if (tacho_i_clock_check(source) != 0)
		return -EOPNOTSUPP;
	if (source == TACHO_SOURCE_MONOTONIC) {
		clock->base_ns = clock->base = now_ns(CLOCK_MONOTONIC);
		clock->mult = 1;
		clock->shift = 0;
		return 0;
	}
	first = anchor_get(source);
	last = reading_take(source);
	/* a machine that interrupts every reading gets a worse slope: tacho_i_clock_refine repairs it */
	while (last.ns - first.ns < FIRST_NS ||
	       (last.width_ns > BRACKET_NS && last.ns - first.ns < 20 * FIRST_NS)) {
		struct timespec nap = { 0, FIRST_NS / 2 };

		nanosleep(&nap, NULL);
		last = reading_take(source);
	}
	clock->shift = CLOCK_SHIFT;
	clock->mult = slope(last.clock - first.clock, last.ns - first.ns, CLOCK_SHIFT);
	clock->base = last.clock;
	clock->base_ns = last.ns;
	return clock->mult ? 0 : -ERANGE;
}

uint64_t tacho_i_clock_refine(uint32_t source, const struct tacho_i_clock *clock)
{
	struct reading now;
	uint64_t mult, off;

	if (source != TACHO_SOURCE_TSC || tacho_i_clock_check(source) != 0)
		return clock->mult;
	now = reading_take(source);
	if (now.width_ns > BRACKET_NS || now.ns - clock->base_ns < REFINE_NS || clock->shift > 63)
		return clock->mult;
	mult = slope(now.clock - clock->base, now.ns - clock->base_ns, clock->shift);
	off = mult > clock->mult ? mult - clock->mult : clock->mult - mult;
	return mult && off <= clock->mult / 1000000 * PPM_MAX ? mult : clock->mult;
}
