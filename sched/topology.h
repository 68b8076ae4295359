/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * topology.h: the processors of this machine, or of a file, through hwloc.
 *
 * A synthetic one (hwloc's syntax, "pack:2 l3:1 core:4 pu:2", or an XML file) is for tests and dry
 * runs. Only processors that are online, and that this process may use at all, are in it. Prints
 * nothing.
 */
#ifndef TACHO_SCHED_TOPOLOGY_H
#define TACHO_SCHED_TOPOLOGY_H

#include <tacho/policy.h>

struct tacho_topology {
	struct tacho_policy_cpu *cpus; /* by number, ascending; busy and runq are the loop's */
	uint32_t nr_cpus;
	uint32_t
		nr_nodes; /* the largest number of a node, and 1: nodes have the kernel's numbers */
	struct tacho_cpus online; /* all of them */
	struct tacho_cpus
		seen; /* what the kernel said was online, also what this process may not use */
	bool is_synthetic;
};

/*
 * file NULL: this machine. -ENOENT and so on: the file; -EINVAL: what it says makes no sense; why
 * says it in one line with the file's name. A synthetic topology without memory has one node.
 */
int tacho_topology_open(struct tacho_topology *topology, const char *file, char *why,
			size_t why_size);
void tacho_topology_close(struct tacho_topology *topology);
/*
 * Look again which CPUs are online. *changed. Cheap when they are the same as before. Not for a
 * synthetic one.
 */
int tacho_topology_refresh(struct tacho_topology *topology, bool *changed);

#endif /* TACHO_SCHED_TOPOLOGY_H */
