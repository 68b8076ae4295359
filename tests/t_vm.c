/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_vm.c: rows of the vm.* events against what a tiny machine did and what KVM itself counted.
 *
 * Needs root, and /dev/kvm for most. Other machines may run beside: only rows of this process count.
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "kernel/hypervisor.h"
#include "kernel/kernel.h"
#include "kernel/names.h"
#include "t.h"

#define SECOND	1000000000ull
#define REASONS 512u

static const uint32_t events[] = { TACHO_K_VM_RUN, TACHO_K_VM_EXIT, TACHO_K_VM_IRQ, TACHO_K_VM_HALT,
				   TACHO_K_VM_USERSPACE };
#define NR_EVENTS (sizeof(events) / sizeof(events[0]))

/* --- the choice ----------------------------------------------------------------------------- */

static struct tacho_vm_trial trial_of_hardware(void)
{
	struct tacho_vm_trial trial = { .has_hardware = true };

	trial.hits[TACHO_VM_ENTRY] = trial.hits[TACHO_VM_EXIT] = 400;
	trial.hits[TACHO_VM_USERSPACE] = trial.hits[TACHO_VM_FPU] = 200;
	trial.hits[TACHO_VM_INJECT] = trial.hits[TACHO_VM_EOI] = 50;
	trial.hits[TACHO_VM_ACCEPT] = trial.hits[TACHO_VM_WAKEUP] = 50;
	trial.halt.interrupts = 50;
	return trial;
}

static void choice_is(const struct tacho_vm_trial *trial, enum tacho_k_way run,
		      enum tacho_k_way exit, enum tacho_k_way irq)
{
	struct tacho_vm_choice choice;
	char text[200];

	tacho_vm_choose(trial, &choice);
	T_EQ(choice.run, run);
	T_EQ(choice.exit, exit);
	T_EQ(choice.irq, irq);
	tacho_vm_describe(trial, text, sizeof(text));
	T_OK(strlen(text) > 10 && strlen(text) < 120);
}

T_CASE(a_processor_that_runs_machines_tells_itself)
{
	struct tacho_vm_trial trial = trial_of_hardware();

	choice_is(&trial, TACHO_K_NATIVE, TACHO_K_NATIVE, TACHO_K_NATIVE);
	/* it delivers interrupts without KVM: nothing is injected, no end is seen */
	trial.hits[TACHO_VM_INJECT] = trial.hits[TACHO_VM_EOI] = 0;
	choice_is(&trial, TACHO_K_NATIVE, TACHO_K_NATIVE, TACHO_K_LAST);
	/* the guest that halts could not run: nothing is known of interrupts */
	trial.halt.interrupts = 0;
	trial.hits[TACHO_VM_ACCEPT] = 0;
	choice_is(&trial, TACHO_K_NATIVE, TACHO_K_NATIVE, TACHO_K_NATIVE);
}

T_CASE(a_backend_in_software_has_substitutes)
{
	struct tacho_vm_trial trial = trial_of_hardware();

	trial.has_hardware = false;
	trial.hits[TACHO_VM_ENTRY] = trial.hits[TACHO_VM_EXIT] = trial.hits[TACHO_VM_INJECT] = 0;
	choice_is(&trial, TACHO_K_SUBSTITUTE, TACHO_K_SUBSTITUTE, TACHO_K_SUBSTITUTE);
	trial.hits[TACHO_VM_EOI] = 0;
	choice_is(&trial, TACHO_K_SUBSTITUTE, TACHO_K_SUBSTITUTE, TACHO_K_LAST);
	/* exits without entries are no pair */
	trial.hits[TACHO_VM_EXIT] = 10;
	choice_is(&trial, TACHO_K_SUBSTITUTE, TACHO_K_NATIVE, TACHO_K_LAST);
}

T_CASE(without_a_trial_it_goes_by_the_modules)
{
	struct tacho_vm_trial trial = { .error = -ENOENT, .why = "/dev/kvm: No such file" };

	choice_is(&trial, TACHO_K_SUBSTITUTE, TACHO_K_SUBSTITUTE, TACHO_K_SUBSTITUTE);
	trial.has_hardware = true;
	choice_is(&trial, TACHO_K_NATIVE, TACHO_K_NATIVE, TACHO_K_NATIVE);
}

T_CASE(the_choice_for_this_machine_is_what_fires)
{
	const struct tacho_vm_trial *trial = tacho_vm_trial_get();
	struct tacho_vm_choice choice;
	char text[200];
	int i;

	tacho_vm_describe(trial, text, sizeof(text));
	printf("     %s\n", text);
	if (trial->error)
		T_SKIP("no trial: %s", trial->why);
	for (i = 0; i < TACHO_NR_VM_POINTS; i++)
		printf("     %s %llu\n", tacho_vm_point_name((enum tacho_vm_point)i),
		       (unsigned long long)trial->hits[i]);
	T_OK(trial->hits[TACHO_VM_USERSPACE] >= trial->mix.calls + trial->halt.calls);
	T_OK(trial->hits[TACHO_VM_PIO] >= trial->mix.loops);
	tacho_vm_choose(trial, &choice);
	T_EQ(choice.exit, trial->hits[TACHO_VM_EXIT] ? TACHO_K_NATIVE : TACHO_K_SUBSTITUTE);
	T_EQ(choice.run, trial->hits[TACHO_VM_ENTRY] ? TACHO_K_NATIVE : TACHO_K_SUBSTITUTE);
	T_OK(trial == tacho_vm_trial_get());
}

/* --- a session with one log ----------------------------------------------------------------- */

struct rig {
	struct tacho_kernel *kernel;
	struct tacho_view view;
	struct tacho_merge *merge;
	uint32_t domain; /* of this process */
};

/* Rows of this process, by event. */
struct rows {
	uint64_t nr[TACHO_K_NR];
	uint64_t sum[TACHO_K_NR]; /* of counters */
	uint64_t exits[REASONS]; /* of vm.exit, by reason; the last one is for all beyond */
	uint64_t userspace[REASONS]; /* of vm.userspace */
	uint64_t vectors[256];
	uint64_t other_vcpu; /* rows of vm.run and vm.halt of another than number 0 */
	uint64_t lost;
};

static void rig_close(struct rig *rig)
{
	if (rig->merge)
		tacho_merge_close(rig->merge);
	tacho_kernel_close(rig->kernel);
}

static bool find_domain(struct rig *rig, const char *name)
{
	struct tacho_kernel_domain_info info;
	uint32_t i;

	for (i = 0; i < rig->view.header.nr_domains; i++)
		if (tacho_kernel_domain(rig->kernel, i, &info) == 0 &&
		    strcmp(info.name, name) == 0) {
			rig->domain = i;
			return true;
		}
	return false;
}

static int rig_log(struct rig *rig)
{
	struct tacho_memory *memory = tacho_kernel_memory(rig->kernel);
	int log = tacho_memory_log_add(memory, 1u << 14, TACHO_ENTRIES_ALL | TACHO_CLOCK_TIME,
				       TACHO_NONE, TACHO_NONE);
	int error =
		log < 0 ? log : tacho_view_open(&rig->view, memory->base, memory->size, NULL, 0);
	uint32_t i;

	if (!error)
		error = tacho_merge_open(&rig->merge, &rig->view);
	for (i = 0; i < NR_EVENTS && !error; i++)
		error = tacho_memory_route(memory, events[i], TACHO_NONE, (uint32_t)log, 1);
	for (i = 0; i < rig->view.header.nr_cpus && !error; i++)
		error = tacho_merge_add(rig->merge, i, (uint32_t)log, 1);
	return error;
}

/* false: the case is skipped or has failed. */
static bool rig_open(struct rig *rig)
{
	char why[200] = "", rule[64];
	const char *rules[] = { rule };
	const struct tacho_kernel_options options = {
		.nr_domains = 64, .rows_size = 2u << 20, .rules = rules, .nr_rules = 1
	};
	int error;

	memset(rig, 0, sizeof(*rig));
	snprintf(rule, sizeof(rule), "tinyvm=pid:%d", getpid());
	error = tacho_kernel_open(&rig->kernel, &options, why, sizeof(why));
	if (error == -EPERM || error == -EOPNOTSUPP) {
		t_skip("%s", why);
		return false;
	}
	if (!T_EQ(error, 0)) {
		T_FAIL("%s", why);
		return false;
	}
	if (T_EQ(rig_log(rig), 0))
		return true;
	rig_close(rig);
	return false;
}

static bool rig_enable(struct rig *rig)
{
	if (!T_EQ(tacho_kernel_enable(rig->kernel, events, NR_EVENTS), 0)) {
		T_FAIL("%s", tacho_kernel_error(rig->kernel));
		return false;
	}
	return T_OK(find_domain(rig, "tinyvm"));
}

static void rig_read(struct rig *rig, struct rows *rows)
{
	struct tacho_row row[256];
	uint64_t all;
	long nr, i;

	memset(rows, 0, sizeof(*rows));
	while ((nr = tacho_merge_read(rig->merge, row, 256)) > 0) {
		for (i = 0; i < nr; i++) {
			const uint32_t event = row[i].event, what = row[i].correspondent;

			if (row[i].domain != rig->domain || event >= TACHO_K_NR)
				continue;
			rows->nr[event]++;
			rows->sum[event] += row[i].counter;
			if (event == TACHO_K_VM_EXIT)
				rows->exits[what < REASONS ? what : REASONS - 1]++;
			else if (event == TACHO_K_VM_USERSPACE)
				rows->userspace[what < REASONS ? what : REASONS - 1]++;
			else if (event == TACHO_K_VM_IRQ)
				rows->vectors[what & 255]++;
			else
				rows->other_vcpu += what != 0;
		}
	}
	T_EQ(nr, 0);
	tacho_merge_lost(rig->merge, &all, &rows->lost);
	T_EQ(rows->lost, 0);
}

/* --- KVM's own statistics ------------------------------------------------------------------- */

/* The sum of the values of one statistic of a virtual CPU; -1: it has none of that name. */
static long long stat_of(const struct tacho_tinyvm *vm, const char *name)
{
	int fd = ioctl(tacho_tinyvm_processor(vm), KVM_GET_STATS_FD, NULL);
	struct kvm_stats_header header;
	long long total = -1;
	uint32_t i, k;

	if (fd < 0 || pread(fd, &header, sizeof(header), 0) != sizeof(header))
		goto out;
	for (i = 0; i < header.num_desc && total < 0; i++) {
		const size_t size = sizeof(struct kvm_stats_desc) + header.name_size;
		union {
			struct kvm_stats_desc desc;
			char bytes[sizeof(struct kvm_stats_desc) + 256];
		} at;
		uint64_t value;

		if (size > sizeof(at) ||
		    pread(fd, &at, size, header.desc_offset + (off_t)(i * size)) != (ssize_t)size)
			break;
		if (strncmp(at.bytes + sizeof(at.desc), name, header.name_size) != 0)
			continue;
		for (k = 0, total = 0; k < at.desc.size; k++)
			if (pread(fd, &value, 8, header.data_offset + at.desc.offset + 8 * k) == 8)
				total += (long long)value;
	}
out:
	if (fd >= 0)
		close(fd);
	return total;
}

/* One guest with the programs attached; what it did, what KVM counted and the rows. */
struct run {
	struct tacho_tinyvm_count count;
	struct rows rows;
	long long exits, io_exits, mmio_exits, signal_exits, halts, halt_ns;
};

static bool run_in(struct rig *rig, enum tacho_tinyvm_guest guest, uint64_t max_ns,
		   uint64_t max_exits, struct run *run)
{
	struct tacho_tinyvm *vm;
	char why[160];

	memset(run, 0, sizeof(*run));
	if (tacho_tinyvm_open(&vm, guest, why, sizeof(why))) {
		t_skip("no virtual machine here: %s", why);
		return false;
	}
	T_EQ(tacho_tinyvm_run(vm, max_ns, max_exits, &run->count), 0);
	run->exits = stat_of(vm, "exits");
	run->io_exits = stat_of(vm, "io_exits");
	run->mmio_exits = stat_of(vm, "mmio_exits");
	run->signal_exits = stat_of(vm, "signal_exits");
	run->halts = stat_of(vm, "halt_wait_hist") + stat_of(vm, "halt_poll_success_hist");
	run->halt_ns = stat_of(vm, "halt_wait_ns") + stat_of(vm, "halt_poll_success_ns");
	tacho_tinyvm_close(vm);
	rig_read(rig, &run->rows);
	return true;
}

static bool run_guest(enum tacho_tinyvm_guest guest, uint64_t max_ns, uint64_t max_exits,
		      struct run *run)
{
	struct rig rig;
	bool good;

	if (!rig_open(&rig))
		return false;
	good = rig_enable(&rig) && run_in(&rig, guest, max_ns, max_exits, run);
	rig_close(&rig);
	if (!good)
		return false;
	printf("     %llu calls, %llu rows of vm.exit, %llu of vm.userspace, %llu of vm.run "
	       "(%llu of %llu us); KVM: %lld exits, %lld io, %lld mmio, %lld signals\n",
	       (unsigned long long)run->count.calls,
	       (unsigned long long)run->rows.nr[TACHO_K_VM_EXIT],
	       (unsigned long long)run->rows.nr[TACHO_K_VM_USERSPACE],
	       (unsigned long long)run->rows.nr[TACHO_K_VM_RUN],
	       (unsigned long long)run->rows.sum[TACHO_K_VM_RUN] / 1000,
	       (unsigned long long)run->count.run_ns / 1000, run->exits, run->io_exits,
	       run->mmio_exits, run->signal_exits);
	return true;
}

/* --- rows are what happened ----------------------------------------------------------------- */

static void userspace_is(const struct run *run)
{
	uint32_t i;

	for (i = 0; i < TACHO_TINYVM_REASONS - 1; i++)
		if (i != KVM_EXIT_INTR)
			T_EQ(run->rows.userspace[i], run->count.exits[i]);
	T_EQ(run->rows.userspace[KVM_EXIT_INTR],
	     run->count.exits[KVM_EXIT_INTR] + run->count.signals);
	T_EQ(run->rows.nr[TACHO_K_VM_USERSPACE], run->count.calls);
}

/* Exits of a guest in ring 3: each return to user space is one, and there may be others. */
static void exits_are(const struct run *run)
{
	T_EQ(run->rows.sum[TACHO_K_VM_EXIT], run->rows.nr[TACHO_K_VM_EXIT]);
	T_OK(run->rows.nr[TACHO_K_VM_EXIT] >= run->count.calls - run->count.signals);
	if (tacho_vm_way(TACHO_K_VM_EXIT) != TACHO_K_SUBSTITUTE) {
		if (run->exits >= 0)
			T_EQ(run->rows.nr[TACHO_K_VM_EXIT], run->exits);
		return;
	}
	T_EQ(run->rows.exits[KVM_EXIT_IO], run->count.exits[KVM_EXIT_IO]);
	T_EQ(run->rows.exits[KVM_EXIT_MMIO], run->count.exits[KVM_EXIT_MMIO]);
	T_EQ(run->rows.exits[KVM_EXIT_INTR], run->count.signals);
	if (run->mmio_exits >= 0)
		T_EQ(run->rows.exits[KVM_EXIT_MMIO], run->mmio_exits);
	if (run->signal_exits >= 0)
		T_EQ(run->rows.exits[KVM_EXIT_INTR], run->signal_exits);
	if (run->exits >= 0)
		T_OK(run->exits >= (long long)run->rows.nr[TACHO_K_VM_EXIT]);
}

T_CASE(accesses_of_an_io_port)
{
	struct run run;

	if (!run_guest(TACHO_TINYVM_OUT, 10 * SECOND, 200, &run))
		return;
	T_EQ(run.rows.userspace[KVM_EXIT_IO], 200);
	userspace_is(&run);
	exits_are(&run);
}

T_CASE(accesses_of_a_device)
{
	struct run run;

	/* the last one is a write: a read tells of itself when it is answered, with the next call */
	if (!run_guest(TACHO_TINYVM_MIX, 10 * SECOND, 300, &run))
		return;
	T_EQ(run.rows.userspace[KVM_EXIT_IO], 100);
	T_EQ(run.rows.userspace[KVM_EXIT_MMIO], 200);
	userspace_is(&run);
	exits_are(&run);
}

T_CASE(time_in_the_guest)
{
	struct run run;

	if (!run_guest(TACHO_TINYVM_SPIN, SECOND / 20, 0, &run))
		return;
	userspace_is(&run);
	T_EQ(run.rows.other_vcpu, 0);
	/* it lies within the calls, and there is little beside it */
	T_OK(run.rows.sum[TACHO_K_VM_RUN] <= run.count.run_ns);
	T_OK(run.rows.sum[TACHO_K_VM_RUN] >= run.count.run_ns / 2);
	if (tacho_vm_way(TACHO_K_VM_RUN) == TACHO_K_SUBSTITUTE)
		T_EQ(run.rows.nr[TACHO_K_VM_RUN], run.count.calls);
	else
		T_OK(run.rows.nr[TACHO_K_VM_RUN] >= run.count.exits[KVM_EXIT_IO]);
}

T_CASE(halts_and_interrupts)
{
	struct run run;

	if (!run_guest(TACHO_TINYVM_HALT, 10 * SECOND, 50, &run))
		return;
	printf("     %llu halts, %llu us; KVM: %lld halts, %lld us\n",
	       (unsigned long long)run.rows.nr[TACHO_K_VM_HALT],
	       (unsigned long long)run.rows.sum[TACHO_K_VM_HALT] / 1000, run.halts,
	       run.halt_ns / 1000);
	userspace_is(&run);
	/* who is woken before it sleeps does not halt, who is woken for nothing halts again */
	T_OK(run.rows.nr[TACHO_K_VM_HALT] > 0);
	if (run.halts >= 0)
		T_EQ(run.rows.nr[TACHO_K_VM_HALT], run.halts);
	T_EQ(run.rows.vectors[TACHO_TINYVM_VECTOR], run.count.interrupts);
	T_EQ(run.rows.nr[TACHO_K_VM_IRQ], run.count.interrupts);
	/* a machine that is halted does not run */
	T_OK(run.rows.sum[TACHO_K_VM_HALT] + run.rows.sum[TACHO_K_VM_RUN] <= run.count.run_ns);
	if (tacho_vm_way(TACHO_K_VM_EXIT) == TACHO_K_SUBSTITUTE)
		T_EQ(run.rows.exits[KVM_EXIT_HLT], run.rows.nr[TACHO_K_VM_HALT]);
}

/* --- on and off ----------------------------------------------------------------------------- */

T_CASE(nothing_is_logged_when_it_is_off)
{
	struct run run;
	struct rig rig;
	size_t i;

	if (!rig_open(&rig))
		return;
	if (!rig_enable(&rig) || !run_in(&rig, TACHO_TINYVM_OUT, 10 * SECOND, 20, &run))
		goto out;
	T_EQ(run.rows.nr[TACHO_K_VM_USERSPACE], 20);
	T_EQ(tacho_kernel_disable(rig.kernel, events, NR_EVENTS), 0);
	if (!run_in(&rig, TACHO_TINYVM_OUT, 10 * SECOND, 20, &run))
		goto out;
	for (i = 0; i < TACHO_K_NR; i++)
		T_EQ(run.rows.nr[i], 0);
	/* what began while it was off has no row */
	if (!rig_enable(&rig) || !run_in(&rig, TACHO_TINYVM_OUT, 10 * SECOND, 20, &run))
		goto out;
	T_EQ(run.rows.nr[TACHO_K_VM_USERSPACE], 20);
	T_OK(run.rows.sum[TACHO_K_VM_RUN] <= run.count.run_ns);
out:
	rig_close(&rig);
}

/* A trial of another machine: its programs are taken by this kernel, too. */
T_CASE(every_way_can_be_attached)
{
	struct tacho_vm_trial trial = trial_of_hardware();
	struct rig rig;
	int i;

	for (i = 0; i < 3; i++) {
		if (i == 1)
			trial.hits[TACHO_VM_ENTRY] = trial.hits[TACHO_VM_EXIT] = 0;
		if (i > 0)
			trial.hits[TACHO_VM_INJECT] = 0;
		if (i == 2)
			trial.hits[TACHO_VM_EOI] = 0;
		tacho_vm_trial_fake(&trial);
		if (!rig_open(&rig))
			break;
		T_EQ(tacho_vm_way(TACHO_K_VM_RUN), i ? TACHO_K_SUBSTITUTE : TACHO_K_NATIVE);
		T_EQ(tacho_vm_way(TACHO_K_VM_HALT), TACHO_K_ALWAYS);
		rig_enable(&rig);
		rig_close(&rig);
	}
	tacho_vm_trial_fake(NULL);
}

T_MAIN
