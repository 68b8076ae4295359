/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * v_rseq.h: the restartable writer of arch/x86_64.h, for the model.
 */
#ifndef VERIFY_V_RSEQ_H
#define VERIFY_V_RSEQ_H

#include <tacho/hot.h>

enum tacho__result v_rseq_write(const struct tacho__hook *hook, tacho_u32 principal,
				tacho_u32 correspondent, tacho_u64 counter, bool sampled,
				tacho_u64 (*now)(tacho_u32));
enum tacho__result v_rseq_sample(const struct tacho__hook *hook, tacho_u32 principal,
				 tacho_u32 correspondent);
/* How often a sequence was entered in this execution; more than writes: some began again. */
extern unsigned int v_rseq_entered;

#endif /* VERIFY_V_RSEQ_H */
