// expect: invalid operands
/* SPDX-License-Identifier: BSD-2-Clause */
/* A correspondent is the number of a principal, not its name. */
#include <tacho/tacho.h>

TACHO_EVENT(thing, TACHO_ACCESS, "test.thing", "", "client", "an access");

void use(void);
void use(void)
{
#ifdef RIGHT
	TACHO_LOG(thing, 1, tacho_principal_get());
#else
	TACHO_LOG(thing, 1, "client");
#endif
}
