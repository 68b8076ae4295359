// expect: invalid operands
/* SPDX-License-Identifier: BSD-2-Clause */
/* A counter is 64 bits of integer; a double would be cut silently. */
#include <tacho/tacho.h>

TACHO_EVENT(thing, TACHO_ACCESS, "test.thing", "items", "", "an access");

void use(double seconds);
void use(double seconds)
{
#ifdef RIGHT
	TACHO_LOG(thing, (tacho_u64)seconds);
#else
	TACHO_LOG(thing, seconds);
#endif
}
