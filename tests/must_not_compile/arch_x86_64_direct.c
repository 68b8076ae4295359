// expect: include <tacho/hot.h>, it chooses the writer
/* SPDX-License-Identifier: BSD-2-Clause */
/* The writer for one CPU is chosen by hot.h. */
#ifdef RIGHT
#include <tacho/hot.h>
#else
#include <tacho/arch/x86_64.h>
#endif
