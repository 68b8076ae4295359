// expect: offset of struct shared.pos
/* SPDX-License-Identifier: BSD-2-Clause */
/* So is a field that moves. */
#include <tacho/area.h>

struct shared {
#ifdef RIGHT
	tacho_u64 pos;
	tacho_u64 lost;
#else
	tacho_u64 lost;
	tacho_u64 pos;
#endif
};
TACHO_CHECK_OFFSET(struct shared, pos, 0);
