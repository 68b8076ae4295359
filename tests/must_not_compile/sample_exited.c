// expect: want a span
/* SPDX-License-Identifier: BSD-2-Clause */
/* A sample is a point, it has no end. */
#include <tacho/tacho.h>

TACHO_EVENT(length, TACHO_SAMPLE, "test.length", "items", "", "a sample");

void use(void);
void use(void)
{
#ifdef RIGHT
	TACHO_LOG(length, 3);
#else
	TACHO_EXIT(length);
#endif
}
