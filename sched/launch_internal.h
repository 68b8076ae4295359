/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * launch_internal.h: between the parser of launch files and the check of what they name.
 */
#ifndef TACHO_SCHED_LAUNCH_INTERNAL_H
#define TACHO_SCHED_LAUNCH_INTERNAL_H

#include "launch.h"
#include "lines.h"

/* Directories and programs, which must be there. Complaints go to lines. 0 or -ENOMEM. */
int tacho_i_launch_check(const struct tacho_launch *launch, struct tacho_i_lines *lines);

#endif /* TACHO_SCHED_LAUNCH_INTERNAL_H */
