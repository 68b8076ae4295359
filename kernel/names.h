/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * names.h: what the numbers in the correspondent entry of kernel events are called.
 *
 * Two things: how the reason of vm.exit and vm.userspace is made into one number (for the programs
 * that log it, in C and BPF), and the names (C only): exit reasons, vectors, system calls and so on.
 * Whoever shows a row asks tacho_kernel_name; nobody else has a table of names.
 *
 * The tables are part of this source and not of the machine, because a recording may come from another
 * one; tests compare them with the headers of the machine where it has them.
 */
#ifndef TACHO_KERNEL_NAMES_H
#define TACHO_KERNEL_NAMES_H

#include <tacho/area.h>

/*
 * The reason of an exit is one number below TACHO_VM_REASONS, so that who counts by reason needs no
 * more than a small table. It says whose numbers it is in, too:
 *
 *	0x000 to 0x17f	KVM: a number KVM_EXIT_* of <linux/kvm.h>, from 0x100 on enum tacho_vm_reason.
 *			Of vm.userspace always; of vm.exit where the tracepoint kvm_exit does not fire
 *	0x180 to 0x1ff	KVM: 0x180 + errno, as KVM_RUN returned it
 *	0x200 to 0x27f	VMX: 0x200 + the basic reason; 0x280 to 0x2ff the same when the entry failed
 *	0x400 to 0x4ff	SVM: 0x400 + exit code
 *	0x500 to 0x5ff	SVM: 0x500 + (exit code - 0x400): what nested paging and AVIC add
 *	0x600 to 0x6ff	SVM: 0x600 + the lower 8 bits of 0x8000xxxx: what encrypted guests ask for
 *	0x700, 0x701	SVM: exit code -1, invalid state; any other exit code
 *
 * Numbers that processors do not have today are folded into the last one of their range.
 */
#define TACHO_VM_REASONS  0x800u
#define TACHO_VM_ERROR	  0x180u
#define TACHO_VM_VMX	  0x200u
#define TACHO_VM_NO_ENTRY 0x080u /* VMX */
#define TACHO_VM_SVM	  0x400u
#define TACHO_VM_SVM_NPF  0x500u
#define TACHO_VM_SVM_VMG  0x600u
#define TACHO_VM_SVM_BAD  0x700u
#define TACHO_VM_SVM_ANY  0x701u

/* isa of the tracepoint kvm_exit. */
enum tacho_vm_isa {
	TACHO_VM_ISA_KVM = 0, /* none: numbers of KVM itself */
	TACHO_VM_ISA_VMX = 1,
	TACHO_VM_ISA_SVM = 2,
};

/* What KVM deals with itself and has no KVM_EXIT_* for. */
enum tacho_vm_reason {
	TACHO_VM_CPUID = 0x100,
};

static inline tacho_u32 tacho_vm_least(tacho_u32 value, tacho_u32 most)
{
	return value < most ? value : most;
}

/* An errno, positive. */
static inline tacho_u32 tacho_vm_reason_error(tacho_u32 error)
{
	return TACHO_VM_ERROR + tacho_vm_least(error, 0x7f);
}

static inline tacho_u32 tacho_vm_reason_svm(tacho_u32 code)
{
	if (code < 0x100)
		return TACHO_VM_SVM + code;
	if (code >= 0x400 && code < 0x500)
		return TACHO_VM_SVM_NPF + code - 0x400;
	if (code == 0xffffffffu)
		return TACHO_VM_SVM_BAD;
	if (code >> 16 == 0x8000)
		return TACHO_VM_SVM_VMG + (code & 0xff);
	return TACHO_VM_SVM_ANY;
}

/* From what kvm_exit says. Of the flags of VMX, the one for failed entries is kept. */
static inline tacho_u32 tacho_vm_reason(tacho_u32 isa, tacho_u32 reason)
{
	if (isa == TACHO_VM_ISA_VMX)
		return TACHO_VM_VMX + (reason >> 31 ? TACHO_VM_NO_ENTRY : 0) +
		       tacho_vm_least(reason & 0xffff, 0x7f);
	if (isa == TACHO_VM_ISA_SVM)
		return tacho_vm_reason_svm(reason);
	return tacho_vm_least(reason, TACHO_VM_ERROR - 1);
}

#if !defined(__bpf__)

#include <stddef.h>

/*
 * The name of a correspondent of an event of kernel/events.h that has the flag DATA, and of the shortest
 * unambiguous kind: "EPT_VIOLATION", "futex", "write, not present". What is not known is printed as a
 * number. The result is constant text or buffer; 32 bytes are enough for any. Never NULL.
 */
const char *tacho_kernel_name(tacho_u32 event, tacho_u32 correspondent, char *buffer, size_t size);

/* Whose numbers the reason of a vm.exit is in: "VMX", "SVM", "KVM", or "?". */
const char *tacho_vm_isa_name(tacho_u32 reason);

#endif

#endif /* TACHO_KERNEL_NAMES_H */
