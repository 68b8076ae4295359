// expect: expected (';'|unqualified-id)|two or more data types|cannot combine|multiple types
/* SPDX-License-Identifier: BSD-2-Clause */
/* TACHO_EVENT ends like a declaration. */
#include <tacho/tacho.h>

#ifdef RIGHT
TACHO_EVENT(thing, TACHO_ACCESS, "test.thing", "", "", "an access");
#else
TACHO_EVENT(thing, TACHO_ACCESS, "test.thing", "", "", "an access")
#endif
int next_declaration;
