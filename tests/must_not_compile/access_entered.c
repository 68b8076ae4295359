// expect: want a span
/* SPDX-License-Identifier: BSD-2-Clause */
/* What has no entry and no exit cannot be entered. */
#include <tacho/tacho.h>

TACHO_EVENT(thing, TACHO_ACCESS, "test.thing", "", "", "an access");
TACHO_EVENT(request, TACHO_SPAN, "test.request", "", "", "a span");

void use(void);
void use(void)
{
#ifdef RIGHT
	TACHO_ENTER(request);
#else
	TACHO_ENTER(thing);
#endif
}
