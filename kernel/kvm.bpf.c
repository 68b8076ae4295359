// SPDX-License-Identifier: BSD-2-Clause
/*
 * kvm.bpf.c: what virtual machines do: running, exits, interrupts, halts, returns to user space.
 *
 * Owns vm_ns and vcpu of tasks. Paper 004 writes these from inside its hypervisor; here KVM's tracepoints
 * tell, in the thread of the virtual CPU, so that the domain is that of the task which runs. There are
 * two or three ways to know the same, because not every backend of KVM fires every tracepoint: each
 * is a program of its own, hypervisor.c says which one works here, and only that one is attached.
 *
 * Not used: kvm_emulate_insn, which a backend that emulates a guest's kernel fires for each instruction.
 */
#include "kernel.bpf.h"

#include <linux/errno.h>

/* --- logging ---------------------------------------------------------------------------------- */

/* One more of something, for the domain of the task that runs. */
static __always_inline int count(__u32 event, __u32 data)
{
	void *part = area_part();

	if (part)
		log_data(part, event, current_domain(part), data, 1, 0);
	return 0;
}

/* --- vm.run ----------------------------------------------------------------------------------- */

static __always_inline int run_begin(__u32 vcpu)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tacho_k_task *state = task_get(task);
	void *part;

	if (!state)
		return 0;
	state->vcpu = vcpu;
	state->vm_ns = bpf_ktime_get_ns();
	if (state->flags & TACHO_TASK_VCPU)
		return 0;
	state->flags |= TACHO_TASK_VCPU;
	part = area_part();
	if (part)
		log_data(part, TACHO_K_TASK_TRACK, principal_domain(state->principal),
			 TACHO_K_TRACK_VCPU, task_ids(task), state->vm_ns);
	return 0;
}

static __always_inline int run_end(void)
{
	struct tacho_k_task *state = task_get(bpf_get_current_task_btf());
	void *part = area_part();
	__u64 since, now;

	if (!state || !part)
		return 0;
	since = state->vm_ns;
	state->vm_ns = 0;
	if (since == 0 || since < enabled_ns[TACHO_K_VM_RUN])
		return 0;
	now = bpf_ktime_get_ns();
	log_data(part, TACHO_K_VM_RUN, principal_domain(state->principal), state->vcpu,
		 now > since ? now - since : 0, now);
	return 0;
}

/* First way: what the processor says. */
SEC("tp_btf/kvm_entry")
int BPF_PROG(vm_entry, struct kvm_vcpu *vcpu)
{
	return run_begin((__u32)BPF_CORE_READ(vcpu, vcpu_id));
}

SEC("tp_btf/kvm_exit")
int BPF_PROG(vm_leave)
{
	return run_end();
}

/*
 * Second way: the call KVM_RUN, from the inside: it loads the guest's floating-point state when it
 * begins, and unloads it when it ends. So no other system call pays for it. What the kernel does
 * for the guest in between is in it; the time that the guest was halted is taken off.
 */
SEC("tp_btf/kvm_fpu")
int BPF_PROG(vm_call, int load)
{
	return load ? run_begin(running_vcpu()) : run_end();
}

SEC("tp_btf/kvm_vcpu_wakeup")
int BPF_PROG(vm_call_halted, __u64 ns)
{
	struct tacho_k_task *state = task_get(bpf_get_current_task_btf());

	if (state && state->vm_ns)
		state->vm_ns += ns;
	return 0;
}

/* --- vm.exit ---------------------------------------------------------------------------------- */

SEC("tp_btf/kvm_exit")
int vm_exit(__u64 *args)
{
	return count(TACHO_K_VM_EXIT, exit_reason(args));
}

/*
 * Second way: each thing that a guest exits for tells of itself, once. What has told already is not
 * counted again when it goes on to user space. What KVM deals with in silence (faults of the guest's
 * memory, interrupts of the host) is not seen.
 */
static __always_inline __u32 user_reason(__u32 reason, int error)
{
	if (error >= 0 || reason == KVM_EXIT_MEMORY_FAULT)
		return tacho_vm_reason(TACHO_VM_ISA_KVM, reason);
	return error == -EINTR ? KVM_EXIT_INTR : tacho_vm_reason_error((__u32)-error);
}

SEC("tp_btf/kvm_userspace_exit")
int BPF_PROG(vm_exit_user, __u32 reason, int error)
{
	reason = user_reason(reason, error);
	if (reason == KVM_EXIT_IO || reason == KVM_EXIT_MMIO || reason == KVM_EXIT_HYPERCALL)
		return 0;
	return count(TACHO_K_VM_EXIT, reason);
}

SEC("tp_btf/kvm_pio")
int BPF_PROG(vm_exit_pio)
{
	return count(TACHO_K_VM_EXIT, KVM_EXIT_IO);
}

/* Type 0: a read that has no answer yet; it tells again when it has. */
SEC("tp_btf/kvm_mmio")
int BPF_PROG(vm_exit_mmio, int type)
{
	return type ? count(TACHO_K_VM_EXIT, KVM_EXIT_MMIO) : 0;
}

SEC("tp_btf/kvm_cpuid")
int BPF_PROG(vm_exit_cpuid)
{
	return count(TACHO_K_VM_EXIT, TACHO_VM_CPUID);
}

SEC("tp_btf/kvm_msr")
int BPF_PROG(vm_exit_msr, unsigned int write)
{
	return count(TACHO_K_VM_EXIT, write ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR);
}

SEC("tp_btf/kvm_hypercall")
int BPF_PROG(vm_exit_hypercall)
{
	return count(TACHO_K_VM_EXIT, KVM_EXIT_HYPERCALL);
}

SEC("tp_btf/kvm_vcpu_wakeup")
int BPF_PROG(vm_exit_halt)
{
	return count(TACHO_K_VM_EXIT, KVM_EXIT_HLT);
}

/* --- vm.irq ----------------------------------------------------------------------------------- */

SEC("tp_btf/kvm_inj_virq")
int vm_irq(__u64 *args)
{
	return comes_again(args) ? 0 : count(TACHO_K_VM_IRQ, (__u32)args[0] & 0xff);
}

/* Second way: the guest says that it is done with it, in its own thread. -1: there was none. */
SEC("tp_btf/kvm_eoi")
int BPF_PROG(vm_irq_eoi, struct kvm_lapic *apic, int vector)
{
	return vector < 0 ? 0 : count(TACHO_K_VM_IRQ, (__u32)vector & 0xff);
}

/*
 * Third way, where the processor delivers interrupts and their ends by itself: the virtual CPU's
 * controller accepts one, in the thread that sends it. Fixed and lowest priority are interrupts.
 */
SEC("tp_btf/kvm_apic_accept_irq")
int BPF_PROG(vm_irq_accept, __u32 apic, __u16 delivery, __u16 trigger, __u8 vector)
{
	return (delivery & 0x700) > 0x100 ? 0 : count(TACHO_K_VM_IRQ, vector);
}

/* --- vm.halt, vm.userspace -------------------------------------------------------------------- */

SEC("tp_btf/kvm_vcpu_wakeup")
int BPF_PROG(vm_halt, __u64 ns)
{
	void *part = area_part();

	if (part)
		log_data(part, TACHO_K_VM_HALT, current_domain(part), running_vcpu(), ns, 0);
	return 0;
}

SEC("tp_btf/kvm_userspace_exit")
int BPF_PROG(vm_userspace, __u32 reason, int error)
{
	return count(TACHO_K_VM_USERSPACE, user_reason(reason, error));
}
