/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hypervisor.h: which tracepoints tell what virtual machines do on this machine.
 *
 * Not every backend of KVM fires every tracepoint, and type information does not say which. So a
 * machine of our own runs for ten milliseconds while the tracepoints are counted (a trial), and what
 * is chosen follows from that alone. Trial and choice are separate, so that the choice can be tested with
 * trials of machines that are not at hand. Called by enable.c, and by the command for its list and doctor.
 */
#ifndef TACHO_KERNEL_HYPERVISOR_H
#define TACHO_KERNEL_HYPERVISOR_H

#include "source.h"
#include "tinyvm.h"

/* The tracepoints that are counted. */
#define TACHO_VM_POINTS(POINT)                                                                     \
	POINT(ENTRY, "kvm_entry")                                                                  \
	POINT(EXIT, "kvm_exit")                                                                    \
	POINT(INJECT, "kvm_inj_virq")                                                              \
	POINT(FPU, "kvm_fpu")                                                                      \
	POINT(USERSPACE, "kvm_userspace_exit")                                                     \
	POINT(PIO, "kvm_pio")                                                                      \
	POINT(MMIO, "kvm_mmio")                                                                    \
	POINT(EOI, "kvm_eoi")                                                                      \
	POINT(ACCEPT, "kvm_apic_accept_irq")                                                       \
	POINT(WAKEUP, "kvm_vcpu_wakeup")

enum tacho_vm_point {
#define TACHO_VM_POINT(symbol, name) TACHO_VM_##symbol,
	TACHO_VM_POINTS(TACHO_VM_POINT)
#undef TACHO_VM_POINT
		TACHO_NR_VM_POINTS,
};

/* What was seen. */
struct tacho_vm_trial {
	int error; /* 0: the machine ran; otherwise why it did not, and no count means anything */
	char why[120]; /* the line for error */
	bool has_hardware; /* a module of KVM for VMX or SVM is loaded */
	bool exists[TACHO_NR_VM_POINTS]; /* the kernel has this tracepoint */
	uint64_t hits[TACHO_NR_VM_POINTS]; /* how often it fired, for any machine on this host */
	struct tacho_tinyvm_count mix; /* what the guests did: accesses of devices, ... */
	struct tacho_tinyvm_count halt; /* ... halts and interrupts */
};

/* What follows: the way of each event that has more than one. */
struct tacho_vm_choice {
	enum tacho_k_way run; /* kvm_entry and kvm_exit, or kvm_fpu */
	enum tacho_k_way exit; /* kvm_exit, or what tells of each kind */
	enum tacho_k_way irq; /* kvm_inj_virq, or kvm_eoi, or kvm_apic_accept_irq */
};

struct btf;
/* Whether KVM, where it is a module, has this typedef of a tracepoint (btf_trace_...). */
bool tacho_vm_module_has(const char *type, const struct btf *vmlinux);

/* Takes ten milliseconds; root, or CAP_BPF and CAP_PERFMON. Leaves nothing. */
void tacho_vm_try(struct tacho_vm_trial *trial);
/* Pure. Where a trial says nothing, the processor's own way if it is one, otherwise the other. */
void tacho_vm_choose(const struct tacho_vm_trial *trial, struct tacho_vm_choice *choice);
/* The same in one line for a person, less than 120 characters. Pure. */
void tacho_vm_describe(const struct tacho_vm_trial *trial, char *text, size_t size);
const char *tacho_vm_point_name(enum tacho_vm_point point);

/* The trial of this process: made when it is first asked for, by whatever thread. */
const struct tacho_vm_trial *tacho_vm_trial_get(void);
/* For tests: from here on it is this one; NULL: the real one again. Not beside other threads. */
void tacho_vm_trial_fake(const struct tacho_vm_trial *trial);
/* The way of a vm.* event on this machine, by that trial; ALWAYS for an event that has only one. */
enum tacho_k_way tacho_vm_way(uint32_t event);
/* The way of exits, which says it for people: NATIVE or SUBSTITUTE. */
enum tacho_k_way tacho_k_hypervisor_way(void);

#endif /* TACHO_KERNEL_HYPERVISOR_H */
