/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * v_asm.h: the restartable writer itself, outside the model.
 */
#ifndef VERIFY_V_ASM_H
#define VERIFY_V_ASM_H

#include <stdbool.h>
#include <stdint.h>

struct tacho__hook;

bool v_asm_usable(void);
/* Fill in what the real sequence needs of a hook whose parts all lie at the same place. */
void v_asm_hook(struct tacho__hook *hook);
int v_asm_write(struct tacho__hook *hook, uint32_t principal, uint32_t correspondent,
		uint64_t counter, bool sampled);
int v_asm_sample(struct tacho__hook *hook, uint32_t principal, uint32_t correspondent);

#endif /* VERIFY_V_ASM_H */
