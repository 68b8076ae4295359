// expect: a span is logged with TACHO_ENTER and TACHO_EXIT
/* SPDX-License-Identifier: BSD-2-Clause */
/* A span is charged at its exit: logging it as a point would lose the difference. */
#include <tacho/tacho.h>

TACHO_EVENT(request, TACHO_SPAN, "test.request", "", "", "a span");

void use(void);
void use(void)
{
#ifdef RIGHT
	TACHO_ENTER(request);
	TACHO_EXIT(request);
#else
	TACHO_LOG(request);
#endif
}
