/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hypervisor.h: which tracepoints tell what virtual machines do on this kernel.
 */
#ifndef TACHO_KERNEL_HYPERVISOR_H
#define TACHO_KERNEL_HYPERVISOR_H

#include "source.h"

/* The way that works here: found out once per process by running a tiny machine. */
enum tacho_k_way tacho_k_hypervisor_way(void);

#endif /* TACHO_KERNEL_HYPERVISOR_H */
