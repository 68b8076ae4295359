// expect: include <tacho/hot.h>, it chooses the writer
/* SPDX-License-Identifier: BSD-2-Clause */
/* The generic writer, too, is chosen by hot.h. */
#ifdef RIGHT
#include <tacho/hot.h>
#else
#include <tacho/arch/generic.h>
#endif
