// expect: name of an event: 1 to 63 bytes
/* SPDX-License-Identifier: BSD-2-Clause */
/* A session asks for events by name. */
#include <tacho/tacho.h>

#ifdef RIGHT
TACHO_EVENT(thing, TACHO_ACCESS, "t", "", "", "an access");
#else
TACHO_EVENT(thing, TACHO_ACCESS, "", "", "", "an access");
#endif
