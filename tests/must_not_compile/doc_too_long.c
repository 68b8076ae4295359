// expect: description of an event: at most 79 bytes
/* SPDX-License-Identifier: BSD-2-Clause */
/* One line for a person: 79 bytes. */
#include <tacho/tacho.h>

#define TEN(x) x x x x x x x x x x

#ifdef RIGHT
TACHO_EVENT(thing, TACHO_ACCESS, "test.thing", "", "", TEN("7 bytes") "123456789");
#else
TACHO_EVENT(thing, TACHO_ACCESS, "test.thing", "", "", TEN("7 bytes") "1234567890");
#endif
