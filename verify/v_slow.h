/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * v_slow.h: lib/slow.c in the model.
 */
#ifndef VERIFY_V_SLOW_H
#define VERIFY_V_SLOW_H

#include <stdbool.h>

/* In setup: its regions, and whether this process has restartable sequences. */
void v_slow_setup(bool rseq);

#endif /* VERIFY_V_SLOW_H */
