// SPDX-License-Identifier: BSD-2-Clause
/*
 * hot.c: the functions behind the sites.
 *
 * Owns the way from a site to the writers of hot.h for the session in slot 0, which is nearly
 * always the only one; everything that is not a plain row goes to slow.c. Must keep every register,
 * because a site hides the call from the compiler: the stubs below save the general ones, and this
 * file and slow.c are compiled to use no other. Never instrumented.
 * Safe in signal handlers; never blocks.
 */
#include <tacho/hot.h>

#include "internal.h"

TACHO_EXPORT __thread struct tacho__thread tacho__thread;

/* The restartable writers, for every other file: one copy of the sequences in the process. */

enum tacho__result tacho_i_rseq_write(struct tacho__hook *hook, tacho_u64 counter,
				      tacho_u32 correspondent, tacho_u32 principal, int sampled)
{
#if TACHO__HAVE_RSEQ
	if (sampled)
		return tacho__rseq_write(hook, principal, correspondent, counter, 1);
	return tacho__rseq_write(hook, principal, correspondent, counter, 0);
#else
	(void)hook, (void)counter, (void)correspondent, (void)principal, (void)sampled;
	return TACHO__OFF;
#endif
}

enum tacho__result tacho_i_rseq_sample(struct tacho__hook *hook, tacho_u32 correspondent,
				       tacho_u32 principal)
{
#if TACHO__HAVE_RSEQ
	return tacho__rseq_sample(hook, principal, correspondent);
#else
	(void)hook, (void)correspondent, (void)principal;
	return TACHO__OFF;
#endif
}

static inline __attribute__((always_inline)) void log_event(struct tacho_event *event,
							    tacho_u64 counter,
							    tacho_u32 correspondent,
							    tacho_u32 principal)
{
#if TACHO__HAVE_RSEQ
	enum tacho__result result =
		tacho__rseq_write(&event->hook, principal, correspondent, counter, 0);
#else
	enum tacho__result result = TACHO__OFF;
#endif

	if (TACHO_UNLIKELY(result > TACHO__SKIP || tacho_load_relaxed(&event->more)))
		tacho_i_slow(event, counter, correspondent, principal, result);
}

static inline tacho_u64 clock_now(const struct tacho_event *event)
{
#if defined(__x86_64__)
	if (event->hook.source == TACHO_SOURCE_TSC)
		return __builtin_ia32_rdtsc();
#endif
	return tacho_i_slow_clock(event->hook.source);
}

/* Span slots are masked: an event that was switched off this moment may still pass here. */
static inline void span_enter(const struct tacho_event *event, tacho_u64 value)
{
	tacho_u32 slot = tacho_load_relaxed(&event->span_slot) & (TACHO__SPANS - 1);

	tacho__thread.span[slot].value = value;
	tacho__thread.span[slot].epoch = tacho_load_relaxed(&event->span_epoch);
}

/* True and the value of the entry, once, if this enabling of the event saw one. */
static inline int span_exit(const struct tacho_event *event, tacho_u64 *value)
{
	tacho_u32 slot = tacho_load_relaxed(&event->span_slot) & (TACHO__SPANS - 1);
	tacho_u64 epoch = tacho__thread.span[slot].epoch;

	*value = tacho__thread.span[slot].value;
	tacho__thread.span[slot].epoch = 0;
	return epoch != 0 && epoch == tacho_load_relaxed(&event->span_epoch);
}

TACHO_EXPORT void tacho__log(struct tacho_event *event, tacho_u64 counter, tacho_u32 correspondent)
{
	log_event(event, counter, correspondent, tacho__thread.principal);
}

TACHO_EXPORT void tacho__log_as(struct tacho_event *event, tacho_u64 counter,
				tacho_u32 correspondent, tacho_u32 principal)
{
	log_event(event, counter, correspondent, principal);
}

TACHO_EXPORT void tacho__enter(struct tacho_event *event, tacho_u64 unused, tacho_u32 unused2)
{
	(void)unused, (void)unused2;
	span_enter(event, clock_now(event));
}

TACHO_EXPORT void tacho__enter_value(struct tacho_event *event, tacho_u64 value, tacho_u32 unused)
{
	(void)unused;
	span_enter(event, value);
}

TACHO_EXPORT void tacho__exit(struct tacho_event *event, tacho_u64 unused, tacho_u32 correspondent)
{
	tacho__exit_as(event, unused, correspondent, tacho__thread.principal);
}

TACHO_EXPORT void tacho__exit_as(struct tacho_event *event, tacho_u64 unused,
				 tacho_u32 correspondent, tacho_u32 principal)
{
	tacho_u64 entry;

	(void)unused;
	if (span_exit(event, &entry))
		log_event(event, clock_now(event) - entry, correspondent, principal);
}

TACHO_EXPORT void tacho__exit_value(struct tacho_event *event, tacho_u64 value,
				    tacho_u32 correspondent)
{
	tacho_u64 entry;

	if (span_exit(event, &entry))
		log_event(event, value - entry, correspondent, tacho__thread.principal);
}

#if defined(__x86_64__)
/*
 * The stubs. On entry: event in rdi, and on the stack the return address, the site's rdi,
 * correspondent, counter and, for _as, the principal. They save what the functions above may change.
 */
#define STUB(name)                                                                                 \
	__asm__(".pushsection .text.tacho_stubs, \"ax\", @progbits\n\t"                            \
		".balign 64\n\t"                                                                   \
		".globl " #name "_site\n\t"                                                        \
		".type " #name "_site, @function\n" #name "_site:\n\t"                             \
		"endbr64\n\t"                                                                      \
		"push %rax\n\t"                                                                    \
		"push %rcx\n\t"                                                                    \
		"push %rdx\n\t"                                                                    \
		"push %rsi\n\t"                                                                    \
		"push %r8\n\t"                                                                     \
		"push %r9\n\t"                                                                     \
		"push %r10\n\t"                                                                    \
		"push %r11\n\t"                                                                    \
		"mov 80(%rsp), %edx\n\t"                                                           \
		"mov 88(%rsp), %rsi\n\t"                                                           \
		"mov 96(%rsp), %ecx\n\t"                                                           \
		"call " #name "_local\n\t"                                                         \
		"pop %r11\n\t"                                                                     \
		"pop %r10\n\t"                                                                     \
		"pop %r9\n\t"                                                                      \
		"pop %r8\n\t"                                                                      \
		"pop %rsi\n\t"                                                                     \
		"pop %rdx\n\t"                                                                     \
		"pop %rcx\n\t"                                                                     \
		"pop %rax\n\t"                                                                     \
		"ret\n\t"                                                                          \
		".size " #name "_site, . - " #name "_site\n\t"                                     \
		".set " #name "_local, " #name "\n\t"                                              \
		".popsection")

STUB(tacho__log);
STUB(tacho__log_as);
STUB(tacho__enter);
STUB(tacho__enter_value);
STUB(tacho__exit);
STUB(tacho__exit_as);
STUB(tacho__exit_value);
#endif
