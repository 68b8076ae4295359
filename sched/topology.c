// SPDX-License-Identifier: BSD-2-Clause
/*
 * topology.c: what hwloc knows of the processors, as the plain numbers that a policy is given.
 *
 * Owns hwloc: no other file includes it, and nothing of it outlives a call. It reads a machine or a
 * file, says which processors share what, and never binds anything. Called by the loop at the start
 * and, to see whether processors came or went, once in a while; then one file of a few bytes is
 * read and hwloc is asked only if that differs.
 *
 * hwloc believes a description: sizes are checked here before it builds a million processors of it.
 * It prints what it cannot make sense of; it is told not to for as long as it runs here.
 */
#include "topology.h"

#include <errno.h>
#include <hwloc.h>
#include <stdlib.h>
#include <string.h>

#include "lines.h"
#include "world.h"

#define MAX_FILE (16u << 20) /* a machine of 1024 processors is 2 MB of XML */
#define ONLINE	 "/sys/devices/system/cpu/online"

/* What processors share is numbered in the order in which it is met. */
struct numbers {
	hwloc_obj_t objs[TACHO_POLICY_CPUS];
	uint32_t nr;
};

struct text {
	char *bytes;
	size_t len;
};

static int online_read(struct tacho_cpus *online)
{
	char *text;
	size_t len;
	int err = tacho_i_file_read(ONLINE, MAX_FILE, &text, &len);

	if (err)
		return err;
	err = tacho_world_list_parse(text, online);
	free(text);
	return err;
}

static uint32_t number_of(struct numbers *numbers, hwloc_obj_t obj)
{
	for (uint32_t i = 0; i < numbers->nr; i++)
		if (numbers->objs[i] == obj)
			return i;
	numbers->objs[numbers->nr] = obj;
	return numbers->nr++;
}

/* The one of that type above a processor; where there is none, below: what takes its place. */
static hwloc_obj_t above(hwloc_topology_t hwloc, hwloc_obj_type_t type, hwloc_obj_t pu,
			 hwloc_obj_t otherwise)
{
	hwloc_obj_t obj = hwloc_get_ancestor_obj_by_type(hwloc, type, pu);

	return obj ? obj : otherwise;
}

static hwloc_obj_t last_cache(hwloc_obj_t pu, hwloc_obj_t otherwise)
{
	hwloc_obj_t found = NULL;

	for (hwloc_obj_t obj = pu->parent; obj; obj = obj->parent)
		if (hwloc_obj_type_is_dcache(obj->type))
			found = obj;
	return found ? found : otherwise;
}

static int cpu_compare(const void *a, const void *b)
{
	const struct tacho_policy_cpu *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* Fills in what hwloc has loaded. -EINVAL: no processor, -E2BIG: more than there is room for. */
static int convert(struct tacho_topology *topology, hwloc_topology_t hwloc)
{
	struct numbers *numbers = calloc(3, sizeof(*numbers));
	hwloc_obj_t pu = NULL, root = hwloc_get_root_obj(hwloc);
	int nr = hwloc_get_nbobjs_by_type(hwloc, HWLOC_OBJ_PU), err = 0;

	if (nr > 0 && nr <= (int)TACHO_POLICY_CPUS)
		topology->cpus = calloc((size_t)nr, sizeof(*topology->cpus));
	if (!numbers || !topology->cpus) {
		err = nr <= 0 ? -EINVAL : nr > (int)TACHO_POLICY_CPUS ? -E2BIG : -ENOMEM;
		goto out;
	}
	topology->nr_nodes = 1;
	while ((pu = hwloc_get_next_obj_by_type(hwloc, HWLOC_OBJ_PU, pu)) != NULL) {
		struct tacho_policy_cpu *cpu = &topology->cpus[topology->nr_cpus];
		hwloc_obj_t package = above(hwloc, HWLOC_OBJ_PACKAGE, pu, root);
		int node = pu->nodeset ? hwloc_bitmap_first(pu->nodeset) : 0;

		if (pu->os_index >= TACHO_POLICY_CPUS || node >= (int)TACHO_POLICY_CPUS) {
			err = -E2BIG;
			goto out;
		}
		if (tacho_cpus_has(&topology->online, pu->os_index))
			continue; /* a file may have the same number twice */
		cpu->id = pu->os_index;
		cpu->core = number_of(&numbers[0], above(hwloc, HWLOC_OBJ_CORE, pu, pu));
		cpu->cache = number_of(&numbers[1], last_cache(pu, package));
		cpu->package = number_of(&numbers[2], package);
		cpu->node = node > 0 ? (uint32_t)node : 0;
		if (cpu->node >= topology->nr_nodes)
			topology->nr_nodes = cpu->node + 1;
		tacho_cpus_add(&topology->online, cpu->id);
		topology->nr_cpus++;
	}
	qsort(topology->cpus, topology->nr_cpus, sizeof(*topology->cpus), cpu_compare);
out:
	free(numbers);
	return err;
}

/*
 * How many processors a synthetic description asks for: the product of its numbers, without what is
 * in parentheses. hwloc has no limit of its own and would build them all.
 */
static double synthetic_size(const char *text)
{
	double product = 1;

	for (const char *at = text; *at; at++) {
		bool first = at == text || strchr(" \t\v\f:+-)]", at[-1]) != NULL;
		char *end;

		if (*at == '(' && strchr(at, ')'))
			at = strchr(at, ')');
		if (!first || *at < '0' || *at > '9')
			continue;
		product *= (double)strtoull(at, &end, 0);
		at = end - 1;
	}
	return product;
}

/* Lines become one line, those that begin with # nothing. */
static void synthetic_join(char *text)
{
	bool is_comment = false, begins = true;

	for (char *at = text; *at; at++) {
		if (begins && *at == '#')
			is_comment = true;
		begins = *at == '\n';
		if (begins)
			is_comment = false;
		if (begins || is_comment || *at == '\r')
			*at = ' ';
	}
}

static int describe(hwloc_topology_t hwloc, struct text *text, const char **what)
{
	const char *first = text->bytes + strspn(text->bytes, " \t\r\n");

	if (strlen(text->bytes) != text->len) {
		*what = "has a zero byte: neither hwloc's XML nor its synthetic syntax";
		return -EINVAL;
	}
	if (*first == '<') {
		*what = "hwloc cannot read this XML";
		return hwloc_topology_set_xmlbuffer(hwloc, text->bytes, (int)text->len + 1)
			       ? -EINVAL
			       : 0;
	}
	synthetic_join(text->bytes);
	if (synthetic_size(text->bytes) > TACHO_POLICY_CPUS) {
		*what = "describes more than 1024 processors";
		return -EINVAL;
	}
	*what = "is not in hwloc's synthetic syntax, like \"pack:2 l3:1 core:4 pu:2\"";
	return hwloc_topology_set_synthetic(hwloc, text->bytes) ? -EINVAL : 0;
}

/*
 * hwloc reads its variable when it first has something to say, maybe in load: it stands until then.
 */
static int load_silently(hwloc_topology_t *hwloc, struct text *text, const char **what)
{
	static const char name[] = "HWLOC_HIDE_ERRORS";
	const bool was_set = getenv(name) != NULL;
	unsigned long flags = 0;
	int err;

	*hwloc = NULL;
	*what = "hwloc cannot be used";
	setenv(name, "2", 0);
	err = hwloc_topology_init(hwloc) ? -ENOMEM : 0;
#if HWLOC_API_VERSION >= 0x00020800
	flags = HWLOC_TOPOLOGY_FLAG_NO_DISTANCES | HWLOC_TOPOLOGY_FLAG_NO_MEMATTRS |
		HWLOC_TOPOLOGY_FLAG_NO_CPUKINDS;
#endif
	if (!err && flags)
		err = hwloc_topology_set_flags(*hwloc, flags) ? -EINVAL : 0;
	if (!err && text)
		err = describe(*hwloc, text, what);
	if (!err && hwloc_topology_load(*hwloc))
		err = errno == ENOMEM ? -ENOMEM : -EINVAL;
	if (!err && !text && !hwloc_topology_is_thissystem(*hwloc)) {
		*what = "hwloc describes another machine: unset HWLOC_XMLFILE, HWLOC_SYNTHETIC "
			"and HWLOC_FSROOT, or use --topology";
		err = -EINVAL;
	}
	if (!was_set)
		unsetenv(name);
	return err;
}

int tacho_topology_open(struct tacho_topology *topology, const char *file, char *why,
			size_t why_size)
{
	const char *name = file ? file : "processors", *what = NULL;
	hwloc_topology_t hwloc = NULL;
	struct text text = { 0 };
	int err = 0;

	memset(topology, 0, sizeof(*topology));
	topology->is_synthetic = file != NULL;
	if (file)
		err = tacho_i_file_read(file, MAX_FILE, &text.bytes, &text.len);
	else
		err = online_read(&topology->seen);
	if (!err && file && !text.len) {
		what = "is empty";
		err = -EINVAL;
	}
	if (!err)
		err = load_silently(&hwloc, file ? &text : NULL, &what);
	if (!err) {
		err = convert(topology, hwloc);
		what = err == -E2BIG	? "has processors or nodes with numbers from 1024 on"
		       : err == -EINVAL ? "has no processor"
					: what;
		err = err == -E2BIG ? -EINVAL : err;
	}
	if (err && why && why_size)
		snprintf(why, why_size, "%s: %s", name, what ? what : strerror(-err));
	if (hwloc)
		hwloc_topology_destroy(hwloc);
	free(text.bytes);
	if (err)
		tacho_topology_close(topology);
	return err;
}

void tacho_topology_close(struct tacho_topology *topology)
{
	free(topology->cpus);
	memset(topology, 0, sizeof(*topology));
}

int tacho_topology_refresh(struct tacho_topology *topology, bool *changed)
{
	struct tacho_topology now;
	struct tacho_cpus online;
	int err;

	*changed = false;
	if (topology->is_synthetic)
		return 0;
	err = online_read(&online);
	if (err || tacho_cpus_equal(&online, &topology->seen))
		return err;
	err = tacho_topology_open(&now, NULL, NULL, 0);
	if (err)
		return err;
	*changed = !tacho_cpus_equal(&now.online, &topology->online);
	tacho_topology_close(topology);
	*topology = now;
	return 0;
}
