// expect: name of an event: 1 to 63 bytes
/* SPDX-License-Identifier: BSD-2-Clause */
/* The event table of an area has 64 bytes for a name, with its end: 63 fit, 64 do not. */
#include <tacho/tacho.h>

#define TEN(x) x x x x x x x x x x

#ifdef RIGHT
TACHO_EVENT(thing, TACHO_ACCESS, TEN("event.") "abc", "", "", "an access");
#else
TACHO_EVENT(thing, TACHO_ACCESS, TEN("event.") "abcd", "", "", "an access");
#endif
