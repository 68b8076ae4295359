/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * v_area.h: a small area for the scenarios, with the hook of its only event.
 */
#ifndef VERIFY_V_AREA_H
#define VERIFY_V_AREA_H

#include <tacho/hot.h>
#include <tacho/reader.h>

#define V_AREAS	     2
#define V_PRINCIPALS 64u
#define V_DOMAINS    32u
#define V_MAX_CPUS   2u

/*
 * Principal p is domain p, for p < V_DOMAINS; principal V_DOMAINS + p is domain V_DOMAINS/2 + p. Every
 * domain is routed to log 1, whose rows have all entries of layout.
 */
struct v_area_options {
	unsigned int nr_cpus;
	unsigned int rows; /* of log 1 */
	unsigned int layout;
	unsigned int threshold; /* > 1: the route is sampled */
	unsigned int flags; /* V_LENT, V_KEPT, V_HOSTILE: more flags of all its regions */
};

struct v_area {
	unsigned char *base;
	struct tacho__hook hook; /* ready, but not in use: nr_cpus and generic_cpus are 0 */
	struct tacho_view view;
};

/* In setup: make area index and its regions. Its regions are called "area" and the index. */
void v_area_make(struct v_area *area, unsigned int index, const struct v_area_options *options);
unsigned char *v_area_part(const struct v_area *area, unsigned int cpu);
struct tacho_control *v_area_control(const struct v_area *area, unsigned int cpu);
struct tacho_sample *v_area_sample(const struct v_area *area, unsigned int cpu,
				   unsigned int domain);
uint64_t *v_area_sum(const struct v_area *area, unsigned int cpu);
extern const char *const v_area_name[V_AREAS];

#endif /* VERIFY_V_AREA_H */
