// expect: size of struct shared
/* SPDX-License-Identifier: BSD-2-Clause */
/* A struct of the format that changes its size is caught where it is declared. */
#include <tacho/area.h>

struct shared {
	tacho_u64 pos;
#ifndef RIGHT
	tacho_u32 forgotten_padding;
#endif
};
TACHO_CHECK_SIZE(struct shared, 8);
