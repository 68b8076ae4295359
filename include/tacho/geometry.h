/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * geometry.h: what an eBPF writer knows of its area, for the writer and for its loader.
 *
 * The loader copies it out of the header of the area (area.h) into read-only data of the programs,
 * before the kernel checks them: so the verifier knows these numbers when it proves that no program
 * leaves its part. The area is an array map: element 0 holds the header and the tables, element
 * first + n the part of CPU n.
 */
#ifndef TACHO_GEOMETRY_H
#define TACHO_GEOMETRY_H

#include "area.h"

struct tacho_geometry {
	tacho_u32 nr_cpus;
	tacho_u32 first; /* element of the part of CPU 0 */
	tacho_u32 body_mask; /* body_size - 1 */
	tacho_u32 routes_off;
	tacho_u32 samples_off;
	tacho_u32 principals_off; /* in element 0 */
	tacho_u32 principal_mask; /* nr_principals - 1 */
	tacho_u32 domain_mask; /* nr_domains - 1 */
	tacho_u32 control_mask; /* (nr_logs - 1) * 64 */
	tacho_u32 weak; /* stores may be seen in another order */
};
TACHO_CHECK_SIZE(struct tacho_geometry, 40);

#endif /* TACHO_GEOMETRY_H */
