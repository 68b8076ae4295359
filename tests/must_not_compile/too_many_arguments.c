// expect: not a function|cannot be used as a function|undeclared identifier .thing
/* SPDX-License-Identifier: BSD-2-Clause */
/* Event, counter, correspondent, principal: there is no fifth. */
#include <tacho/tacho.h>

TACHO_EVENT(thing, TACHO_ACCESS, "test.thing", "", "", "an access");

void use(void);
void use(void)
{
#ifdef RIGHT
	TACHO_LOG(thing, 1, 2, 3);
#else
	TACHO_LOG(thing, 1, 2, 3, 4);
#endif
}
