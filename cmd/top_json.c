/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_json.c: one interval of tacho top as a JSON object.
 *
 * Everything that a snapshot has, in full precision, with the names of top_values; what this kernel
 * cannot tell is null. The filter, the order and the number of lines are those of the table. Pure.
 * The members are documented in the manual page. Called by top.c.
 */
#include <math.h>
#include <stdlib.h>

#include "top.h"

/* NaN is no JSON. */
static json_t *number(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

static json_t *integer(uint64_t x)
{
	return json_integer((json_int_t)x);
}

static json_t *values_json(const struct top_snapshot *snapshot, const double *value, json_t *object)
{
	int i;

	for (i = 0; i < TOP_NR_VALUES; i++)
		json_object_set_new(object, top_values[i].json,
				    number(snapshot->has[top_values[i].event] ? value[i] : NAN));
	return object;
}

static json_t *cpus_json(const struct top_snapshot *snapshot)
{
	json_t *cpus = json_array();
	uint32_t i;

	for (i = 0; i < snapshot->nr_cpus; i++) {
		const struct top_cpu *cpu = &snapshot->cpus[i];
		bool runq = snapshot->has[TACHO_K_CPU_RUNQ];

		json_array_append_new(cpus,
				      json_pack("{s:i, s:o, s:o, s:o, s:o}", "cpu", (int)cpu->cpu,
						"busy_percent", number(cpu->busy), "switches_per_s",
						number(cpu->switches), "runq_mean",
						number(runq ? cpu->runq_mean : NAN), "runq_max",
						number(runq ? cpu->runq_max : NAN)));
	}
	return cpus;
}

static json_t *line_json(const struct top_snapshot *snapshot, const struct top_line *line)
{
	json_t *partners = json_array(), *object;
	uint32_t i;

	for (i = 0; i < line->nr_partners; i++)
		json_array_append_new(partners,
				      json_pack("{s:s, s:i, s:o}", "name", line->partner[i].name,
						"domain", (int)line->partner[i].domain,
						"wakes_per_s", number(line->partner[i].rate)));
	object = json_pack("{s:s, s:i, s:o, s:b, s:b}", "name", line->name, "domain",
			   (int)line->domain, "pid",
			   line->pid ? json_integer(line->pid) : json_null(), "vm", line->is_vm,
			   "ended", line->is_gone);
	values_json(snapshot, line->value, object);
	json_object_set_new(object, "partners", partners);
	return object;
}

static json_t *lines_json(const struct top_snapshot *snapshot, const struct top_look *look)
{
	uint32_t *order = calloc(snapshot->nr_lines + 1, sizeof(*order)), nr, i;
	json_t *lines = json_array();

	if (!order) {
		json_decref(lines);
		return NULL;
	}
	nr = top_order(snapshot, look->sort, look->filter, order);
	if (look->rows && nr > look->rows)
		nr = look->rows;
	for (i = 0; i < nr; i++)
		json_array_append_new(lines, line_json(snapshot, &snapshot->lines[order[i]]));
	free(order);
	return lines;
}

static json_t *pairs_json(const struct top_snapshot *snapshot)
{
	json_t *pairs = json_array();
	uint32_t from, to;

	for (from = 0; from < snapshot->nr_matrix; from++)
		for (to = 0; to < snapshot->nr_matrix; to++)
			if (snapshot->rate[from][to] > 0)
				json_array_append_new(
					pairs, json_pack("{s:s, s:s, s:f}", "from",
							 snapshot->matrix_name[from], "to",
							 snapshot->matrix_name[to], "wakes_per_s",
							 snapshot->rate[from][to]));
	return pairs;
}

static json_t *vms_json(const struct top_snapshot *snapshot)
{
	json_t *vms = json_array();
	uint32_t i, k;

	for (i = 0; i < snapshot->nr_vms; i++) {
		const struct top_vm *vm = &snapshot->vms[i];
		json_t *reasons = json_array();

		for (k = 0; k < vm->nr_reasons; k++)
			json_array_append_new(
				reasons, json_pack("{s:s, s:b, s:f}", "reason", vm->reason[k].name,
						   "userspace", vm->reason[k].userspace,
						   "exits_per_s", vm->reason[k].rate));
		json_array_append_new(
			vms, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
				       vm->name, "vcpu_percent", number(vm->vcpu), "io_percent",
				       number(vm->io), "vhost_percent", number(vm->vhost),
				       "guest_percent", number(vm->run), "halt_percent",
				       number(vm->halt), "exits_per_s", number(vm->exits),
				       "userspace_exits_per_s", number(vm->userspace), "irqs_per_s",
				       number(vm->irqs), "reasons", reasons));
	}
	return vms;
}

static json_t *lost_json(const struct top_snapshot *snapshot)
{
	json_t *lost = json_object();
	uint32_t i;

	for (i = 0; i < TOP_NR_LOST; i++)
		if (snapshot->lost[i])
			json_object_set_new(lost, top_lost_name(i), integer(snapshot->lost[i]));
	return lost;
}

json_t *top_json(const struct top_snapshot *snapshot, const struct top_look *look)
{
	bool service = snapshot->has[TACHO_K_CPU_SERVICE];
	json_t *object, *lines = lines_json(snapshot, look);

	if (!lines)
		return NULL;
	object = json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:o}", "time_ns",
			   integer(snapshot->time_ns), "wall_ns", integer(snapshot->wall_ns), "by",
			   ui_kernel_by(snapshot->by), "cpus", cpus_json(snapshot), "busy_percent",
			   number(service ? snapshot->busy : NAN), "idle_percent",
			   number(service ? snapshot->idle : NAN), "accounted_percent",
			   number(service ? snapshot->accounted : NAN));
	json_object_set_new(object, "total", values_json(snapshot, snapshot->total, json_object()));
	json_object_set_new(object, "domains", lines);
	json_object_set_new(object, "pairs", pairs_json(snapshot));
	json_object_set_new(object, "vms", vms_json(snapshot));
	json_object_set_new(object, "lost", lost_json(snapshot));
	json_object_set_new(object, "overflow", integer(snapshot->overflow));
	json_object_set_new(object, "knows_host", json_boolean(snapshot->knows_host));
	json_object_set_new(object, "own",
			    json_pack("{s:o, s:o}", "cpu_percent", number(snapshot->own_cpu),
				      "events_per_s", number(snapshot->own_events)));
	return object;
}
