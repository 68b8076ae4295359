/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tinyvm.h: a virtual machine of one page of code, over plain /dev/kvm, that counts its own exits.
 *
 * It answers what no table can: which tracepoints of KVM fire on this machine, and how often for how
 * many exits. hypervisor.c runs it for ten milliseconds to choose the sources of the vm.* events, and
 * tests compare its counts with the rows of the logs.
 *
 * The guest is in ring 3 of long mode with the I/O privilege of ring 3, except for the one that
 * halts. So it needs no operating system, and runs natively even where KVM emulates ring 0.
 *
 * Everything belongs to the calling process and goes with it: nothing is left behind, however it
 * ends. One thread per object. A refusal is -errno and one line in why. x86-64; elsewhere -EOPNOTSUPP.
 */
#ifndef TACHO_TINYVM_H
#define TACHO_TINYVM_H

#include <stddef.h>
#include <stdint.h>

/* What the guest does, for ever. */
enum tacho_tinyvm_guest {
	TACHO_TINYVM_OUT, /* ring 3: writes an I/O port */
	TACHO_TINYVM_MIX, /* ring 3: an I/O port, a read and a write of a device's memory, a cpuid */
	TACHO_TINYVM_SPIN, /* ring 3: counts to a million, then writes an I/O port */
	TACHO_TINYVM_HALT, /* ring 0: halts, takes the interrupt of its timer, writes an I/O port */
	TACHO_NR_TINYVM,
};

#define TACHO_TINYVM_REASONS 64u /* KVM_EXIT_* below; the last one is for all beyond */
#define TACHO_TINYVM_PORT    0x10u /* the I/O port */
#define TACHO_TINYVM_DEVICE  0x100000u /* where the device's memory is, for the guest */
#define TACHO_TINYVM_VECTOR  0x20u /* of the interrupt that wakes */

/*
 * What happened, as this side of KVM_RUN saw it; tacho_tinyvm_run adds to it.
 *   calls == sum of exits + signals + errors
 */
struct tacho_tinyvm_count {
	uint64_t exits[TACHO_TINYVM_REASONS]; /* returns of KVM_RUN by exit_reason */
	uint64_t calls; /* of KVM_RUN */
	uint64_t signals; /* returns because time was over, which is a signal */
	uint64_t errors; /* returns with any other error: the run ends there */
	uint64_t interrupts; /* that the guest took, as it counted them itself: TACHO_TINYVM_HALT */
	uint64_t
		loops; /* that the guest has finished: 1 I/O port, and in MIX 2 of memory, 1 cpuid */
	uint64_t run_ns; /* in KVM_RUN, wall time */
};

struct tacho_tinyvm;

/*
 * Make a machine with one processor. -ENOENT, -EACCES: no /dev/kvm, or not for this user; otherwise
 * what KVM said, or -ENOMEM. why (why_size bytes, may be NULL) gets the line.
 */
int tacho_tinyvm_open(struct tacho_tinyvm **vm, enum tacho_tinyvm_guest guest, char *why,
		      size_t why_size);
void tacho_tinyvm_close(struct tacho_tinyvm *vm);

/*
 * Run until max_ns have passed or the guest has exited max_exits times (0: no such limit, but one of
 * them must be given: -EINVAL). May be called again. Blocks for max_ns at most, whatever the guest does: a
 * timer interrupts it with a signal of this thread that never reaches a handler.
 * Returns 0, or -errno when KVM would not go on; count says how far it came.
 */
int tacho_tinyvm_run(struct tacho_tinyvm *vm, uint64_t max_ns, uint64_t max_exits,
		     struct tacho_tinyvm_count *count);

/* Descriptors, for KVM_GET_STATS_FD and the like; they stay the object's. */
int tacho_tinyvm_machine(const struct tacho_tinyvm *vm);
int tacho_tinyvm_processor(const struct tacho_tinyvm *vm);

#endif /* TACHO_TINYVM_H */
