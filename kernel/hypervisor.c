// SPDX-License-Identifier: BSD-2-Clause
/*
 * hypervisor.c: which tracepoints tell what virtual machines do on this machine; see hypervisor.h.
 *
 * Owns the trial: a counter per tracepoint in a map, a program of five instructions at each, and two
 * tiny guests of five milliseconds. The programs are written here in instructions: they must not depend
 * on the object that is loaded according to their answer, need no type information, and attach by
 * name, so tracefs need not be mounted. All of it is descriptors that are closed before it returns.
 */
#include "hypervisor.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GUEST_NS 5000000u /* each of two */

static const char *const points[] = {
#define NAME(symbol, name) name,
	TACHO_VM_POINTS(NAME)
#undef NAME
};

const char *tacho_vm_point_name(enum tacho_vm_point point)
{
	return (unsigned int)point < TACHO_NR_VM_POINTS ? points[point] : "?";
}

bool tacho_vm_module_has(const char *type, const struct btf *vmlinux)
{
	struct btf *btf;
	bool has;

	if (access("/sys/kernel/btf/kvm", R_OK))
		return false; /* it is built in, or not loaded */
	btf = btf__load_module_btf("kvm", (struct btf *)(uintptr_t)vmlinux);
	has = btf && btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF) > 0;
	btf__free(btf);
	return has;
}

/* --- counting ------------------------------------------------------------------------------- */

struct counters {
	int map;
	int program[TACHO_NR_VM_POINTS];
	int link[TACHO_NR_VM_POINTS];
};

/* *(counters + point) += 1; return 0 */
static int program_load(int map, enum tacho_vm_point point)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_LD | BPF_DW | BPF_IMM,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_VALUE,
		  .imm = map },
		{ .imm = (int)(point * sizeof(uint64_t)) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 1 },
		{ .code = BPF_STX | BPF_DW | BPF_ATOMIC,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_REG_2,
		  .imm = BPF_ADD },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "tacho_trial", "GPL", code,
			     sizeof(code) / sizeof(code[0]), NULL);
}

static void counters_close(struct counters *counters)
{
	size_t i;

	for (i = 0; i < TACHO_NR_VM_POINTS; i++) {
		if (counters->link[i] >= 0)
			close(counters->link[i]);
		if (counters->program[i] >= 0)
			close(counters->program[i]);
	}
	if (counters->map >= 0)
		close(counters->map);
}

/* A tracepoint that this kernel does not have is not counted; anything else is an error. */
static int counters_open(struct counters *counters, struct tacho_vm_trial *trial)
{
	const uint32_t size = TACHO_NR_VM_POINTS * sizeof(uint64_t);
	int i, error = 0;

	memset(counters, 0xff, sizeof(*counters));
	counters->map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "tacho_trial", 4, size, 1, NULL);
	if (counters->map < 0)
		return -errno;
	for (i = 0; i < TACHO_NR_VM_POINTS && !error; i++) {
		counters->program[i] = program_load(counters->map, (enum tacho_vm_point)i);
		if (counters->program[i] < 0)
			return -errno;
		counters->link[i] = bpf_raw_tracepoint_open(points[i], counters->program[i]);
		trial->exists[i] = counters->link[i] >= 0;
		if (!trial->exists[i] && errno != ENOENT)
			error = -errno;
	}
	return error;
}

static int counters_read(const struct counters *counters, struct tacho_vm_trial *trial)
{
	uint32_t key = 0;

	return bpf_map_lookup_elem(counters->map, &key, trial->hits) ? -errno : 0;
}

/* --- the trial ------------------------------------------------------------------------------ */

static int guest_run(enum tacho_tinyvm_guest guest, struct tacho_tinyvm_count *count, char *why,
		     size_t why_size)
{
	struct tacho_tinyvm *vm;
	int error = tacho_tinyvm_open(&vm, guest, why, why_size);

	if (error)
		return error;
	error = tacho_tinyvm_run(vm, GUEST_NS, 0, count);
	if (error)
		snprintf(why, why_size, "KVM_RUN: %s", strerror(-error));
	tacho_tinyvm_close(vm);
	return error;
}

void tacho_vm_try(struct tacho_vm_trial *trial)
{
	struct counters counters;
	char why[120];

	memset(trial, 0, sizeof(*trial));
	trial->has_hardware = access("/sys/module/kvm_intel", F_OK) == 0 ||
			      access("/sys/module/kvm_amd", F_OK) == 0;
	trial->error = counters_open(&counters, trial);
	if (trial->error) {
		snprintf(trial->why, sizeof(trial->why), "tracepoints cannot be counted: %s",
			 strerror(-trial->error));
		goto out;
	}
	trial->error = guest_run(TACHO_TINYVM_MIX, &trial->mix, trial->why, sizeof(trial->why));
	if (trial->error)
		goto out;
	/* without it, nothing is known of interrupts, but of the rest it is */
	(void)guest_run(TACHO_TINYVM_HALT, &trial->halt, why, sizeof(why));
	trial->error = counters_read(&counters, trial);
	if (trial->error)
		snprintf(trial->why, sizeof(trial->why), "counters cannot be read: %s",
			 strerror(-trial->error));
out:
	counters_close(&counters);
}

/* --- the choice ----------------------------------------------------------------------------- */

void tacho_vm_choose(const struct tacho_vm_trial *trial, struct tacho_vm_choice *choice)
{
	const enum tacho_k_way unknown = trial->has_hardware ? TACHO_K_NATIVE : TACHO_K_SUBSTITUTE;
	const uint64_t *hits = trial->hits;

	choice->run = choice->exit = choice->irq = unknown;
	if (trial->error)
		return;
	if (hits[TACHO_VM_EXIT] && hits[TACHO_VM_ENTRY])
		choice->run = TACHO_K_NATIVE;
	else if (hits[TACHO_VM_FPU])
		choice->run = TACHO_K_SUBSTITUTE;
	if (hits[TACHO_VM_EXIT])
		choice->exit = TACHO_K_NATIVE;
	else if (hits[TACHO_VM_USERSPACE])
		choice->exit = TACHO_K_SUBSTITUTE;
	choice->irq = choice->exit;
	if (trial->halt.interrupts == 0)
		return;
	if (hits[TACHO_VM_INJECT])
		choice->irq = TACHO_K_NATIVE;
	else if (hits[TACHO_VM_EOI])
		choice->irq = TACHO_K_SUBSTITUTE;
	else if (hits[TACHO_VM_ACCEPT])
		choice->irq = TACHO_K_LAST;
}

void tacho_vm_describe(const struct tacho_vm_trial *trial, char *text, size_t size)
{
	struct tacho_vm_choice choice;
	const char *irq;

	if (trial->error) {
		snprintf(text, size, "not tried: %s", trial->why);
		return;
	}
	tacho_vm_choose(trial, &choice);
	irq = choice.irq == TACHO_K_NATIVE	 ? "kvm_inj_virq"
	      : choice.irq == TACHO_K_SUBSTITUTE ? "kvm_eoi"
						 : "kvm_apic_accept_irq";
	snprintf(text, size, "kvm_exit %s: vm.run by %s, vm.exit by %s, vm.irq by %s",
		 choice.exit == TACHO_K_NATIVE ? "fires" : "does not fire",
		 choice.run == TACHO_K_NATIVE ? "kvm_entry" : "kvm_fpu",
		 choice.exit == TACHO_K_NATIVE ? "it" : "kvm_userspace_exit...", irq);
}

/* --- of this process ------------------------------------------------------------------------ */

static struct tacho_vm_trial own;
static pthread_once_t own_once = PTHREAD_ONCE_INIT;

static void own_try(void)
{
	tacho_vm_try(&own);
}

static const struct tacho_vm_trial *fake;

void tacho_vm_trial_fake(const struct tacho_vm_trial *trial)
{
	fake = trial;
}

const struct tacho_vm_trial *tacho_vm_trial_get(void)
{
	if (fake)
		return fake;
	pthread_once(&own_once, own_try);
	return &own;
}

enum tacho_k_way tacho_vm_way(uint32_t event)
{
	struct tacho_vm_choice choice;

	tacho_vm_choose(tacho_vm_trial_get(), &choice);
	switch (event) {
	case TACHO_K_VM_RUN:
		return choice.run;
	case TACHO_K_VM_EXIT:
		return choice.exit;
	case TACHO_K_VM_IRQ:
		return choice.irq;
	default:
		return TACHO_K_ALWAYS;
	}
}

enum tacho_k_way tacho_k_hypervisor_way(void)
{
	return tacho_vm_way(TACHO_K_VM_EXIT);
}
