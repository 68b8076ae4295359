// SPDX-License-Identifier: BSD-2-Clause
/* notes.cc: the events that chorus.h declares. */
#include <tacho/tacho.h>

TACHO_EVENT(sung, TACHO_ACCESS, "chorus.sung", "number", "", "something was sung");
TACHO_EVENT(held, TACHO_SPAN, "chorus.held", "", "", "from the first to the last note");
