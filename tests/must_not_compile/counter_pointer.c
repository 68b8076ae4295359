// expect: invalid operands
/* SPDX-License-Identifier: BSD-2-Clause */
/* A pointer in a counter is nearly always the forgotten star. */
#include <tacho/tacho.h>

TACHO_EVENT(thing, TACHO_ACCESS, "test.thing", "bytes", "", "an access");

void use(const int *bytes);
void use(const int *bytes)
{
#ifdef RIGHT
	TACHO_LOG(thing, *bytes);
#else
	TACHO_LOG(thing, bytes);
#endif
}
