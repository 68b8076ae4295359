// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_workload.c: which domains are the workload, by synthetic facts.
 */
#include <math.h>

#include "sched/workload.h"
#include "t.h"

static struct tacho_workload *workload;
static struct tacho_policy_domain domains[4];
static struct tacho_policy_input input;

static void begin(const struct tacho_workload_options *options, uint64_t interval_ns)
{
	memset(domains, 0, sizeof(domains));
	for (uint32_t i = 0; i < 4; i++) {
		domains[i].id = 40 - i * 10;
		domains[i].pid = (int)(1000 + i);
		snprintf(domains[i].name, sizeof(domains[i].name), "d%u", i);
	}
	input = (struct tacho_policy_input){
		.time_ns = 5000000000u,
		.interval_ns = interval_ns,
		.nr_domains = 4,
		.domains = domains,
		.tuning = { .cpu_threshold = 0.3, .disk_threshold = 50e3, .net_threshold = 1e6 }
	};
	T_EQ(tacho_workload_open(&workload, options), 0);
}

static int step(void)
{
	int result = tacho_workload_update(workload, &input);

	input.time_ns += input.interval_ns;
	return result;
}

T_CASE(classes)
{
	const struct tacho_workload_domain *list;
	char text[16];
	size_t nr;

	begin(NULL, 1000000000u);
	domains[0].service = 0.31;
	domains[0].io_bytes = 51e3;
	domains[0].net_bytes = 1.1e6;
	domains[1].service = 0.3; /* not more than the threshold */
	domains[2].io_bytes = 60e3;
	domains[3].net_bytes = 2e6;
	T_EQ(step(), 1);
	list = tacho_workload_list(workload, &nr);
	T_NEED(nr == 3);
	T_EQ(list[0].id, 10);
	T_EQ(list[0].classes, TACHO_WORKLOAD_NET);
	T_EQ(list[1].classes, TACHO_WORKLOAD_DISK);
	T_STREQ(list[2].name, "d0");
	T_OK(fabs(list[2].service - 0.31) < 1e-9 && fabs(list[2].net_bytes - 1.1e6) < 1e-3);
	T_STREQ(tacho_workload_format(list[2].classes, text, sizeof(text)), "cpu+disk+net");
	T_STREQ(tacho_workload_format(5, text, sizeof(text)), "cpu+net");
	T_STREQ(tacho_workload_format(4, text, sizeof(text)), "net");
	T_STREQ(tacho_workload_format(0, text, sizeof(text)), "");
	T_EQ(tacho_workload_classes(workload, 40), 7);
	T_EQ(tacho_workload_classes(workload, 30), 0);
	T_EQ(tacho_workload_classes(workload, 99), 0);
	tacho_workload_close(workload);
}

T_CASE(in_at_once_out_after_five)
{
	unsigned i;

	begin(NULL, 1000000000u);
	domains[0].service = 0.9;
	T_EQ(step(), 1);
	T_EQ(tacho_workload_classes(workload, 40), 1);
	domains[0].service = 0.1;
	for (i = 0; i < 4; i++) {
		T_EQ(step(), 1);
		T_EQ(tacho_workload_classes(workload, 40), 1);
	}
	domains[0].service = 0.9; /* busy again: the count begins anew */
	T_EQ(step(), 1);
	input.nr_domains = 0; /* nothing is heard of it at all */
	for (i = 0; i < 4; i++) {
		T_EQ(step(), 1);
		T_EQ(tacho_workload_classes(workload, 40), 1);
	}
	T_EQ(step(), 1);
	T_EQ(tacho_workload_classes(workload, 40), 0);
	tacho_workload_close(workload);
}

T_CASE(short_intervals_are_put_together)
{
	const struct tacho_workload_domain *list;
	unsigned i, ends = 0;
	size_t nr;

	begin(NULL, 20000000u);
	for (i = 0; i < 50; i++) {
		domains[0].service = i % 2 ? 0.8 : 0; /* 0.4 on the whole */
		domains[1].service = i < 10 ? 1 : 0; /* 0.2: busy, but not long enough */
		ends += (unsigned)step();
	}
	T_EQ(ends, 1);
	list = tacho_workload_list(workload, &nr);
	T_NEED(nr == 1);
	T_OK(fabs(list[0].service - 0.4) < 1e-9);

	/* windows: 20 ms are seen of each second, and stand for it */
	input.time_ns += 980000000u;
	domains[0].service = 0;
	domains[1].service = 0.5;
	T_EQ(step(), 1);
	list = tacho_workload_list(workload, &nr);
	T_NEED(nr == 2);
	T_OK(list[0].id == 30 && fabs(list[0].service - 0.5) < 1e-9);
	tacho_workload_close(workload);
}

T_CASE(slower_in)
{
	const struct tacho_workload_options options = { .in = 2, .out = 1 };

	begin(&options, 1000000000u);
	domains[0].service = 1;
	step();
	T_EQ(tacho_workload_classes(workload, 40), 0);
	step();
	T_EQ(tacho_workload_classes(workload, 40), 1);
	domains[0].service = 0;
	step();
	T_EQ(tacho_workload_classes(workload, 40), 0);
	tacho_workload_close(workload);
}

T_CASE(who_does_not_count)
{
	begin(NULL, 1000000000u);
	domains[0].service = 1;
	domains[0].flags = TACHO_D_SYSTEM;
	domains[1].service = NAN;
	domains[1].io_bytes = -1e9;
	domains[2].service = 1;
	step();
	T_EQ(tacho_workload_classes(workload, 40), 0);
	T_EQ(tacho_workload_classes(workload, 30), 0);
	T_EQ(tacho_workload_classes(workload, 20), 1);
	domains[2].pid++; /* its number is another one's now, who does little */
	domains[2].service = 0.01;
	step();
	T_EQ(tacho_workload_classes(workload, 20), 0);
	/* a clock that goes back is an interval that begins */
	input.time_ns = 1000;
	T_EQ(step(), 0);
	tacho_workload_close(workload);
}

T_CASE(same_input_same_answer)
{
	uint64_t state = t_seed(), seed = state;
	const struct tacho_workload_domain *list;
	uint64_t sum[2] = { 0, 0 };
	size_t now;

	for (unsigned round = 0; round < 2; round++) {
		state = seed;
		begin(NULL, 20000000u);
		for (unsigned i = 0; i < 5000; i++) {
			for (unsigned k = 0; k < 4; k++) {
				domains[k].id = (uint32_t)(t_random(&state) % 16);
				domains[k].pid = 1000 + (int)domains[k].id;
				domains[k].service = (double)(t_random(&state) % 100) / 20;
			}
			if (step() == 1) {
				list = tacho_workload_list(workload, &now);
				for (size_t k = 0; k < now; k++)
					sum[round] = (sum[round] * 31 + list[k].id) * 31 +
						     list[k].classes;
				sum[round] = sum[round] * 31 + now;
			}
		}
		tacho_workload_close(workload);
	}
	T_EQ(sum[0], sum[1]);
	T_OK(sum[0] != 0);
}

T_MAIN
