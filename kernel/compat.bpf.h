/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * compat.bpf.h: where kernels differ, one function per difference. Nothing else asks for a version.
 *
 * Each says which change it copes with. What cannot be had at all on an older kernel is the business
 * of the loader, which looks for tracepoints in the kernel's type information (source.c).
 */
#ifndef TACHO_KERNEL_COMPAT_BPF_H
#define TACHO_KERNEL_COMPAT_BPF_H

#include "names.h"
#include "types.bpf.h"

/* v5.14 "sched: Change task_struct::state": the field was called state, and was a long. */
struct task_struct___state {
	long state;
} __attribute__((preserve_access_index));

static __always_inline unsigned int task_state(struct task_struct *task)
{
	struct task_struct___state *old = (void *)task;

	if (bpf_core_field_exists(task->__state))
		return task->__state;
	return (unsigned int)old->state;
}

/* v5.16 "sched: Move task_struct::cpu to thread_info" for all architectures. */
struct task_struct___cpu {
	unsigned int cpu;
} __attribute__((preserve_access_index));

static __always_inline unsigned int task_cpu(struct task_struct *task)
{
	struct task_struct___cpu *old = (void *)task;

	if (bpf_core_field_exists(task->thread_info.cpu))
		return task->thread_info.cpu;
	return BPF_CORE_READ(old, cpu);
}

/*
 * The run queue of this CPU. By name it can be had only where the kernel lists the addresses of its
 * variables (CONFIG_KALLSYMS_ALL); the task that runs has a pointer to it everywhere where tasks are
 * scheduled in groups (CONFIG_FAIR_GROUP_SCHED).
 */
static __always_inline struct rq *this_rq(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return task->se.cfs_rq->rq;
}

/*
 * The preemption count: on x86 a variable of each CPU, which is as far from the CPU's run queue as the
 * type information says (preempt_from_rq, found by the loader; its name and place changed in v6.2 and v6.15).
 * Elsewhere it is in thread_info.
 */
extern const volatile __s64 preempt_from_rq;

struct thread_info___preempt {
	struct {
		unsigned int count;
	} preempt;
} __attribute__((preserve_access_index));
struct task_struct___preempt {
	struct thread_info___preempt thread_info;
} __attribute__((preserve_access_index));

/* Where it is, on x86; 0: not known. */
static __always_inline void *preempt_address(struct task_struct *running)
{
	return preempt_from_rq ? (void *)running->se.cfs_rq->rq + preempt_from_rq : NULL;
}

static __always_inline unsigned int preempt_count(void)
{
	struct task_struct *running = bpf_get_current_task_btf();
	struct task_struct___preempt *task = (void *)running;
	unsigned int count = 0;
	void *at;

	if (bpf_core_field_exists(task->thread_info.preempt.count))
		return task->thread_info.preempt.count;
	at = preempt_address(running);
	if (at)
		bpf_probe_read_kernel(&count, sizeof(count), at);
	return count;
}

/*
 * What a system call was asked for. x86 keeps number and arguments in the registers of user code until
 * the call returns; arm64 has the first argument apart, where the result does not overwrite it.
 * -1: no call that we know by its number, because the task has another ABI than the machine.
 */
#if defined(__TARGET_ARCH_x86)
struct pt_regs___call {
	unsigned long orig_ax;
	unsigned long di;
	unsigned long si;
	unsigned long dx;
} __attribute__((preserve_access_index));
struct thread_info___status {
	unsigned int status;
} __attribute__((preserve_access_index));
struct task_struct___status {
	struct thread_info___status thread_info;
} __attribute__((preserve_access_index));

static __always_inline int call_number(struct pt_regs *regs)
{
	struct task_struct___status *task = (void *)bpf_get_current_task_btf();

	if (task->thread_info.status & 2) /* TS_COMPAT */
		return -1;
	return (int)((struct pt_regs___call *)(void *)regs)->orig_ax;
}

static __always_inline __u64 call_arg(struct pt_regs *regs, int n)
{
	struct pt_regs___call *call = (void *)regs;

	return n == 0 ? call->di : n == 1 ? call->si : call->dx;
}
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs___call {
	__u64 regs[31];
	__u64 orig_x0;
	int syscallno;
} __attribute__((preserve_access_index));
struct thread_info___flags {
	unsigned long flags;
} __attribute__((preserve_access_index));
struct task_struct___flags {
	struct thread_info___flags thread_info;
} __attribute__((preserve_access_index));

static __always_inline int call_number(struct pt_regs *regs)
{
	struct task_struct___flags *task = (void *)bpf_get_current_task_btf();

	if (task->thread_info.flags & 1 << 22) /* TIF_32BIT */
		return -1;
	return ((struct pt_regs___call *)(void *)regs)->syscallno;
}

static __always_inline __u64 call_arg(struct pt_regs *regs, int n)
{
	struct pt_regs___call *call = (void *)regs;

	return n == 0 ? call->orig_x0 : n == 1 ? call->regs[1] : call->regs[2];
}
#else
static __always_inline int call_number(struct pt_regs *regs)
{
	return -1;
}

static __always_inline __u64 call_arg(struct pt_regs *regs, int n)
{
	return 0;
}
#endif

/*
 * How far the variables of a CPU are from where the kernel was linked to have them. For this CPU x86 has it
 * in a variable (this_cpu_off, as far from the run queue as the type information says; found by the
 * loader); that of another CPU differs from it as their run queues do, and those every group of tasks
 * can name. 0: not known, as on other architectures.
 */
extern const volatile __s64 this_cpu_off_from_rq;

/* The address of a CPU's run queue, as a number. */
static __always_inline __u64 rq_address(struct cfs_rq **queues, __u32 cpu)
{
	struct cfs_rq *queue = NULL;

	bpf_probe_read_kernel(&queue, sizeof(queue), queues + cpu);
	return (__u64)BPF_CORE_READ(queue, rq);
}

static __always_inline __u64 percpu_base(__u32 cpu)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 here, there, base = 0;
	struct cfs_rq **queues;

	if (!this_cpu_off_from_rq || !bpf_core_field_exists(task->se.cfs_rq->tg))
		return 0;
	queues = task->se.cfs_rq->tg->cfs_rq;
	here = rq_address(queues, bpf_get_smp_processor_id());
	there = rq_address(queues, cpu);
	bpf_probe_read_kernel(&base, sizeof(base), (void *)(here + this_cpu_off_from_rq));
	return there && base ? base + (there - here) : 0;
}

/* The part of a counter that this CPU keeps; base: of the CPU, found out when it is first needed. */
static __always_inline __s64 percpu_read(const __s32 *counters, __u32 cpu, volatile __u64 *base)
{
	__s32 part = 0;

	if (!*base)
		*base = percpu_base(cpu);
	if (*base)
		bpf_probe_read_kernel(&part, sizeof(part), (void *)counters + *base);
	return part;
}

/*
 * Pages of one kind in an address space. v6.2 "mm: convert mm's rss stats into percpu_counter": a
 * part of the count is with the CPUs (counters), and without it the count is short of at most the batch
 * of such a counter (32, or twice the CPUs) for each CPU. Before that, a word.
 */
struct mm_rss_stat___word {
	struct {
		__s64 counter;
	} count[4];
} __attribute__((preserve_access_index));
struct mm_struct___word {
	struct mm_rss_stat___word rss_stat;
} __attribute__((preserve_access_index));

static __always_inline __s64 rss_pages(struct mm_struct *mm, __u32 kind, const __s32 **counters)
{
	struct mm_struct___word *old = (void *)mm;
	struct percpu_counter *counter;
	__s64 pages = 0;

	*counters = NULL;
	kind &= 3;
	if (!bpf_core_field_exists(mm->rss_stat[0].counters)) {
		bpf_probe_read_kernel(&pages, sizeof(pages),
				      (void *)mm + bpf_core_field_offset(old->rss_stat.count) +
					      kind * sizeof(pages));
		return pages;
	}
	counter = (void *)mm + bpf_core_field_offset(mm->rss_stat) +
		  kind * bpf_core_type_size(struct percpu_counter);
	*counters = BPF_CORE_READ(counter, counters);
	return BPF_CORE_READ(counter, count);
}

/*
 * By which interface a socket receives; 0: not known, as for one that takes datagrams of all. v5.17 "tcp: move
 * inet->rx_dst_ifindex to sk->sk_rx_dst_ifindex"; before that, what the socket was bound to.
 */
static __always_inline __u32 socket_interface(struct sock *sk)
{
	int interface = 0;

	if (bpf_core_field_exists(sk->sk_rx_dst_ifindex))
		interface = sk->sk_rx_dst_ifindex;
	return (__u32)(interface > 0 ? interface : sk->__sk_common.skc_bound_dev_if);
}

/* ---- KVM ---------------------------------------------------------------------------------------- */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct hlist_node {
	struct hlist_node *next;
};
struct hlist_head {
	struct hlist_node *first;
};
struct preempt_notifier {
	struct hlist_node link; /* its place is all that matters */
};
struct task_struct___notified {
	struct hlist_head preempt_notifiers;
};

struct kvm_vcpu {
	struct preempt_notifier preempt_notifier;
	int vcpu_id;
};

struct kvm_lapic {
	struct kvm_vcpu *vcpu;
};

/* AMD: the virtual CPU is the first field of these, so the pointers are the same. */
struct vmcb_control_area {
	__u32 exit_code;
};
struct vmcb {
	struct vmcb_control_area control;
};
struct vcpu_svm {
	struct vmcb *vmcb;
};

/* Intel. */
union vmx_exit_reason {
	__u32 full;
};
struct vcpu_vmx {
	union vmx_exit_reason exit_reason;
};

/* v6.16 "KVM: VMX: Move common fields of struct vcpu_{vmx,tdx} to a struct". */
struct vcpu_vt {
	union vmx_exit_reason exit_reason;
};
struct vcpu_vmx___vt {
	struct vcpu_vt vt;
};

#pragma clang attribute pop

/*
 * v5.16 took the reason out of kvm_exit's arguments: it is where the backend keeps it, whose types the
 * loader finds in the module if that is there.
 */
typedef void (*btf_trace_kvm_exit)(void *, struct kvm_vcpu *, __u32);
typedef void (*btf_trace_kvm_exit___reason)(void *, unsigned int, struct kvm_vcpu *, __u32);

static __always_inline __u32 exit_reason_svm(void *vcpu)
{
	struct vcpu_svm *svm = vcpu;

	if (!bpf_core_field_exists(svm->vmcb))
		return tacho_vm_reason(TACHO_VM_ISA_KVM, KVM_EXIT_UNKNOWN);
	return tacho_vm_reason(TACHO_VM_ISA_SVM, BPF_CORE_READ(svm, vmcb, control.exit_code));
}

static __always_inline __u32 exit_reason_vmx(void *vcpu)
{
	struct vcpu_vmx___vt *vt = vcpu;
	struct vcpu_vmx *vmx = vcpu;

	if (bpf_core_field_exists(vt->vt))
		return tacho_vm_reason(TACHO_VM_ISA_VMX, BPF_CORE_READ(vt, vt.exit_reason.full));
	if (bpf_core_field_exists(vmx->exit_reason))
		return tacho_vm_reason(TACHO_VM_ISA_VMX, BPF_CORE_READ(vmx, exit_reason.full));
	return tacho_vm_reason(TACHO_VM_ISA_KVM, KVM_EXIT_UNKNOWN);
}

static __always_inline __u32 exit_reason(__u64 *args)
{
	if (bpf_core_type_exists(btf_trace_kvm_exit)) {
		if ((__u32)args[1] == TACHO_VM_ISA_SVM)
			return exit_reason_svm((void *)args[0]);
		return exit_reason_vmx((void *)args[0]);
	}
	if (bpf_core_type_exists(btf_trace_kvm_exit___reason))
		return tacho_vm_reason((__u32)args[2], (__u32)args[0]);
	return tacho_vm_reason(TACHO_VM_ISA_KVM, KVM_EXIT_UNKNOWN);
}

/* v5.19 "KVM: x86: Trace re-injected exceptions": an interrupt whose delivery failed comes again. */
typedef void (*btf_trace_kvm_inj_virq)(void *, unsigned int, bool, bool);

static __always_inline bool comes_again(__u64 *args)
{
	return bpf_core_type_exists(btf_trace_kvm_inj_virq) && (args[2] & 0xff);
}

/*
 * The virtual CPU of the task that runs. Not every tracepoint is given it, and KVM's own variable is not
 * to be had from a module; but KVM asks to be told when the task is preempted, and has its notifier in
 * struct kvm_vcpu. Nobody else asks for that.
 */
static __always_inline __u32 running_vcpu(void)
{
	struct task_struct___notified *task = (void *)bpf_get_current_task_btf();
	struct kvm_vcpu *vcpu;
	void *notifier;

	if (!bpf_core_field_exists(task->preempt_notifiers) ||
	    !bpf_core_field_exists(struct kvm_vcpu, preempt_notifier))
		return TACHO_NONE;
	notifier = BPF_CORE_READ(task, preempt_notifiers.first);
	if (!notifier)
		return TACHO_NONE;
	vcpu = notifier - bpf_core_field_offset(struct kvm_vcpu, preempt_notifier) -
	       bpf_core_field_offset(struct preempt_notifier, link);
	return (__u32)BPF_CORE_READ(vcpu, vcpu_id);
}

#endif /* TACHO_KERNEL_COMPAT_BPF_H */
