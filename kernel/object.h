/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * object.h: the eBPF object as libbpf sees it: the generated skeleton, with what it needs.
 *
 * The header is made by bpftool from the linked objects (meson.build) and has the object's bytes in
 * it. Included by the files of kernel/ that touch programs or maps.
 */
#ifndef TACHO_KERNEL_OBJECT_H
#define TACHO_KERNEL_OBJECT_H

#include <tacho/geometry.h>

/* not every file uses all that is generated, and not every size there is used */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include "tacho.skel.h"
#pragma GCC diagnostic pop

#endif /* TACHO_KERNEL_OBJECT_H */
