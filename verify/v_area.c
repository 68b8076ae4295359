// SPDX-License-Identifier: BSD-2-Clause
/*
 * v_area.c: a small area for the scenarios: one event, one log, one or two CPUs.
 *
 * Owns its memory, which holds the initial values; what the threads store is in weak.c. Called in
 * setup. The header passes the check that every party makes before it trusts one.
 */
#include <string.h>

#include "lib/internal.h"
#include "model.h"
#include "v_area.h"

#define EVENTS_OFF     TACHO_PAGE
#define DOMAINS_OFF    (2 * TACHO_PAGE)
#define PRINCIPALS_OFF (3 * TACHO_PAGE)
#define PARTS_OFF      (4 * TACHO_PAGE)
#define STRIDE	       (2 * TACHO_PAGE)
#define AREA_SIZE      (PARTS_OFF + V_MAX_CPUS * STRIDE)
#define BODY_SIZE      4096u
#define ROUTES_OFF     256u
#define SAMPLES_OFF    512u
#define ROWS_OFF       1024u
#define LOGS	       2u

const char *const v_area_name[V_AREAS] = { "area 0", "area 1" };

static unsigned char memory[V_AREAS][AREA_SIZE] __attribute__((aligned(4096)));

unsigned char *v_area_part(const struct v_area *area, unsigned int cpu)
{
	return area->base + PARTS_OFF + cpu * STRIDE;
}

struct tacho_control *v_area_control(const struct v_area *area, unsigned int cpu)
{
	return (struct tacho_control *)(void *)(v_area_part(area, cpu) + TACHO_CONTROLS_OFF) + 1;
}

struct tacho_sample *v_area_sample(const struct v_area *area, unsigned int cpu, unsigned int domain)
{
	return (struct tacho_sample *)(void *)(v_area_part(area, cpu) + SAMPLES_OFF) + domain;
}

uint64_t *v_area_sum(const struct v_area *area, unsigned int cpu)
{
	return (uint64_t *)(void *)(v_area_part(area, cpu) + ROWS_OFF);
}

static void header_make(struct tacho_area *header, unsigned int nr_cpus)
{
	const struct tacho_section sections[] = {
		{ TACHO_SECTION_EVENTS, sizeof(struct tacho_event_entry), EVENTS_OFF,
		  sizeof(struct tacho_event_entry), 0 },
		{ TACHO_SECTION_DOMAINS, sizeof(struct tacho_domain_entry), DOMAINS_OFF,
		  V_DOMAINS * sizeof(struct tacho_domain_entry), 0 },
		{ TACHO_SECTION_PRINCIPALS, sizeof(tacho_u32), PRINCIPALS_OFF,
		  V_PRINCIPALS * sizeof(tacho_u32), 0 },
		{ TACHO_SECTION_PARTS, STRIDE, PARTS_OFF, (tacho_u64)nr_cpus * STRIDE, 0 },
	};

	header->magic = TACHO_MAGIC;
	header->version = TACHO_VERSION;
	header->header_size = sizeof(*header);
	header->size = PARTS_OFF + (tacho_u64)nr_cpus * STRIDE;
	header->component = TACHO_COMPONENT_PROCESS;
	header->nr_cpus = nr_cpus;
	header->nr_domains = V_DOMAINS;
	header->nr_events = 1;
	header->nr_logs = LOGS;
	header->nr_principals = V_PRINCIPALS;
	header->parts_off = PARTS_OFF;
	header->part_stride = STRIDE;
	header->body_size = BODY_SIZE;
	header->routes_off = ROUTES_OFF;
	header->samples_off = SAMPLES_OFF;
	header->rows_off = ROWS_OFF;
	header->principals_off = PRINCIPALS_OFF;
	header->clock_source = TACHO_SOURCE_TSC;
	header->clock_mult = 1;
	memcpy(header->name, "verify", sizeof("verify"));
	header->nr_sections = sizeof(sections) / sizeof(sections[0]);
	memcpy(header->sections, sections, sizeof(sections));
}

static void part_make(const struct v_area *area, unsigned int cpu,
		      const struct v_area_options *options)
{
	unsigned char *part = v_area_part(area, cpu);
	struct tacho_control *control = v_area_control(area, cpu);
	tacho_u32 *routes = (tacho_u32 *)(void *)(part + ROUTES_OFF);

	((struct tacho_cpu *)(void *)part)->cpu = cpu;
	control->rows_off = ROWS_OFF;
	control->row_mask = options->rows - 1;
	control->layout = options->layout;
	control->event = TACHO_NONE;
	control->domain = TACHO_NONE;
	for (unsigned int domain = 0; domain < V_DOMAINS; domain++) {
		routes[domain] = TACHO_ROUTE(1);
		if (options->threshold > 1)
			routes[domain] |= TACHO_ROUTE_SAMPLED;
		v_area_sample(area, cpu, domain)->threshold = options->threshold;
	}
}

static void hook_make(struct v_area *area)
{
	struct tacho__hook *hook = &area->hook;
	unsigned char *parts = area->base + PARTS_OFF;

	memset(hook, 0, sizeof(*hook));
	hook->stride = STRIDE;
	hook->parts = parts;
	hook->routes = parts + ROUTES_OFF;
	hook->samples = parts + SAMPLES_OFF;
	hook->principals = (const tacho_u32 *)(const void *)(area->base + PRINCIPALS_OFF);
	hook->principal_mask = v_mutant_is("MASK_PRINCIPAL") ? ~0u : V_PRINCIPALS - 1;
	hook->domain_mask = v_mutant_is("MASK_DOMAIN") ? ~0u : V_DOMAINS - 1;
	hook->control_mask = v_mutant_is("MASK_CONTROL") ? ~0u : (LOGS - 1) * 64;
	hook->body_mask = v_mutant_is("MASK_ROW") ? ~0u : BODY_SIZE - 1;
	hook->guess = TACHO_ROUTE(1);
	hook->source = TACHO_SOURCE_TSC;
}

/* The narrow ones first, they have the tags. Writers have nothing to write but parts. */
static void regions_make(const struct v_area *area, const char *name,
			 const struct v_area_options *options)
{
	const unsigned int both = options->flags | V_READ | V_WRITE;
	const unsigned int scratch = v_mutant_is("SCRATCH") ? 0 : TACHO_PAGE;

	for (unsigned int cpu = 0; cpu < options->nr_cpus; cpu++) {
		struct tacho_control *control = v_area_control(area, cpu);
		unsigned char *part = v_area_part(area, cpu);

		v_region(name, V_TAG_POS, &control->pos, sizeof(control->pos), both);
		v_region(name, V_TAG_LOCK, &control->lock, sizeof(control->lock), both);
		v_region(name, V_TAG_COUNT, part + SAMPLES_OFF,
			 V_DOMAINS * sizeof(struct tacho_sample), both);
		v_region(name, options->layout & TACHO_ADD ? V_TAG_SUM : V_TAG_ROW, part + ROWS_OFF,
			 BODY_SIZE - ROWS_OFF, both);
		v_region(name, V_TAG_OTHER, part, BODY_SIZE + scratch, both);
	}
	v_region(name, V_TAG_OTHER, area->base + PRINCIPALS_OFF, V_PRINCIPALS * sizeof(tacho_u32),
		 options->flags | V_READ);
}

void v_area_make(struct v_area *area, unsigned int index, const struct v_area_options *options)
{
	char why[160] = "";
	tacho_u32 *principals;

	area->base = memory[index];
	memset(area->base, 0, AREA_SIZE);
	header_make((struct tacho_area *)(void *)area->base, options->nr_cpus);
	principals = (tacho_u32 *)(void *)(area->base + PRINCIPALS_OFF);
	for (unsigned int p = 0; p < V_DOMAINS; p++) {
		principals[p] = p;
		principals[V_DOMAINS + p] = V_DOMAINS / 2 + p % (V_DOMAINS / 2);
	}
	principals[V_PRINCIPALS - 1] = TACHO_NONE;
	for (unsigned int cpu = 0; cpu < options->nr_cpus; cpu++)
		part_make(area, cpu, options);
	hook_make(area);
	regions_make(area, v_area_name[index], options);
	if (tacho_view_open(&area->view, area->base, PARTS_OFF + options->nr_cpus * STRIDE, why,
			    sizeof(why)))
		v_fail("checker: the area is refused: %s", why);
}
