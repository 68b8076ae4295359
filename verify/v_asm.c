// SPDX-License-Identifier: BSD-2-Clause
/*
 * v_asm.c: the restartable writer of arch/x86_64.h as the processor runs it.
 *
 * The only file here that is compiled with the real atomic.h. v_transcript.c compares.
 */
#undef TACHO_ATOMIC_OVERRIDE
#include <tacho/hot.h>

#include "v_asm.h"

#if TACHO__HAVE_RSEQ
#include <sys/rseq.h>

bool v_asm_usable(void)
{
	return __rseq_size != 0;
}

void v_asm_hook(struct tacho__hook *hook)
{
	hook->rseq_off = (tacho_s32)__rseq_offset;
	hook->nr_cpus = TACHO_MAX_CPUS;
	hook->stride = 0;
}

int v_asm_write(struct tacho__hook *hook, uint32_t principal, uint32_t correspondent,
		uint64_t counter, bool sampled)
{
	if (sampled)
		return (int)tacho__rseq_write(hook, principal, correspondent, counter, 1);
	return (int)tacho__rseq_write(hook, principal, correspondent, counter, 0);
}

int v_asm_sample(struct tacho__hook *hook, uint32_t principal, uint32_t correspondent)
{
	return (int)tacho__rseq_sample(hook, principal, correspondent);
}

#else

bool v_asm_usable(void)
{
	return false;
}

void v_asm_hook(struct tacho__hook *hook)
{
	(void)hook;
}

int v_asm_write(struct tacho__hook *hook, uint32_t principal, uint32_t correspondent,
		uint64_t counter, bool sampled)
{
	(void)hook, (void)principal, (void)correspondent, (void)counter, (void)sampled;
	return -1;
}

int v_asm_sample(struct tacho__hook *hook, uint32_t principal, uint32_t correspondent)
{
	(void)hook, (void)principal, (void)correspondent;
	return -1;
}

#endif
