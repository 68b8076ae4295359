// expect: (redeclaration|redefinition|conflict).*tacho__kind_thing|tacho__kind_thing.*conflict
/* SPDX-License-Identifier: BSD-2-Clause */
/* The declaration in a header and the definition must agree about the kind. */
#include <tacho/tacho.h>

#ifdef RIGHT
TACHO_EVENT_DECLARE(other, TACHO_SPAN);
#else
TACHO_EVENT_DECLARE(thing, TACHO_SPAN);
#endif
TACHO_EVENT(thing, TACHO_ACCESS, "test.thing", "", "", "an access");
