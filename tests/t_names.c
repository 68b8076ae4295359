/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_names.c: names of what kernel events carry, against this machine's headers where it has them.
 */
#include <stdbool.h>
#include <string.h>

#include <linux/kvm.h>

#if defined(__x86_64__)
#include <asm/svm.h>
#include <asm/vmx.h>
#endif

#include "kernel/events.h"
#include "kernel/names.h"
#include "t.h"

static char text[32];

static const char *name_of(uint32_t event, uint32_t correspondent)
{
	return tacho_kernel_name(event, correspondent, text, sizeof(text));
}

static const char *exit_of(uint32_t isa, uint32_t reason)
{
	return name_of(TACHO_K_VM_EXIT, tacho_vm_reason(isa, reason));
}

static const char *decimal(uint32_t value)
{
	static char digits[16];

	snprintf(digits, sizeof(digits), "%u", value);
	return digits;
}

/* --- exits ---------------------------------------------------------------------------------- */

#if defined(__x86_64__)
struct pair {
	long long number;
	const char *name;
};

T_CASE(exits_of_vmx_are_those_of_the_header)
{
	static const struct pair pairs[] = { VMX_EXIT_REASONS };
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		T_STREQ(exit_of(TACHO_VM_ISA_VMX, (uint32_t)pairs[i].number), pairs[i].name);
}

T_CASE(exits_of_svm_are_those_of_the_header)
{
	static const struct pair pairs[] = { SVM_EXIT_REASONS };
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		T_STREQ(exit_of(TACHO_VM_ISA_SVM, (uint32_t)pairs[i].number), pairs[i].name);
}
#endif

#define KVM(name) T_STREQ(exit_of(TACHO_VM_ISA_KVM, KVM_EXIT_##name), #name)

T_CASE(exits_of_kvm_are_those_of_the_header)
{
	KVM(UNKNOWN);
	KVM(EXCEPTION);
	KVM(IO);
	KVM(HYPERCALL);
	KVM(DEBUG);
	KVM(HLT);
	KVM(MMIO);
	KVM(SHUTDOWN);
	KVM(INTR);
	KVM(NMI);
	KVM(INTERNAL_ERROR);
	KVM(SYSTEM_EVENT);
	KVM(HYPERV);
	KVM(ARM_NISV);
	KVM(X86_RDMSR);
	KVM(X86_WRMSR);
	KVM(DIRTY_RING_FULL);
	KVM(X86_BUS_LOCK);
	KVM(XEN);
	KVM(RISCV_CSR);
	KVM(NOTIFY);
	T_STREQ(exit_of(TACHO_VM_ISA_KVM, 39), "MEMORY_FAULT");
	T_STREQ(exit_of(TACHO_VM_ISA_KVM, TACHO_VM_CPUID), "CPUID");
	T_STREQ(name_of(TACHO_K_VM_USERSPACE, tacho_vm_reason_error(14)), "error 14");
	T_STREQ(name_of(TACHO_K_VM_USERSPACE, KVM_EXIT_IO), "IO");
}

T_CASE(exits_that_nobody_knows_are_numbers)
{
	T_STREQ(exit_of(TACHO_VM_ISA_VMX, 5), "5");
	T_STREQ(exit_of(TACHO_VM_ISA_VMX, 11), "11");
	T_STREQ(exit_of(TACHO_VM_ISA_VMX, 100), "100");
	T_STREQ(exit_of(TACHO_VM_ISA_VMX, 0x80000005), "5, no entry");
	T_STREQ(exit_of(TACHO_VM_ISA_SVM, 0x58), "exception 24");
	T_STREQ(exit_of(TACHO_VM_ISA_SVM, 0xa7), "0xa7");
	T_STREQ(exit_of(TACHO_VM_ISA_SVM, 0x404), "0x404");
	T_STREQ(exit_of(TACHO_VM_ISA_SVM, 0x80000077), "0x80000077");
	T_STREQ(exit_of(TACHO_VM_ISA_SVM, 0x12345), "other exit");
	T_STREQ(exit_of(TACHO_VM_ISA_KVM, 99), "99");
	T_STREQ(name_of(TACHO_K_VM_EXIT, 0x300), "768");
	T_STREQ(name_of(TACHO_K_VM_EXIT, 0x702), "1794");
	T_STREQ(name_of(TACHO_K_VM_EXIT, TACHO_NONE), decimal(TACHO_NONE));
}

T_CASE(reasons_keep_what_makes_them_different)
{
	T_EQ(tacho_vm_reason(TACHO_VM_ISA_KVM, KVM_EXIT_IO), KVM_EXIT_IO);
	T_EQ(tacho_vm_reason(TACHO_VM_ISA_VMX, 48), 0x230);
	T_EQ(tacho_vm_reason(TACHO_VM_ISA_SVM, 0x7b), 0x47b);
	T_EQ(tacho_vm_reason(TACHO_VM_ISA_SVM, 0x400), 0x500);
	T_EQ(tacho_vm_reason_error(14), 0x18e);
	/* an entry that failed, and flags of a bus lock and an enclave, which are not kept */
	T_EQ(tacho_vm_reason(TACHO_VM_ISA_VMX, 0x80000021), 0x2a1);
	T_EQ(tacho_vm_reason(TACHO_VM_ISA_VMX, 0x0c000030), 0x230);
	T_STREQ(exit_of(TACHO_VM_ISA_VMX, 0x80000021), "INVALID_STATE, no entry");
	/* exits of encrypted guests, and the exit code that means none */
	T_STREQ(exit_of(TACHO_VM_ISA_SVM, 0x80000001), "vmgexit_mmio_read");
	T_STREQ(exit_of(TACHO_VM_ISA_SVM, 0xffffffff), "invalid_guest_state");

	T_STREQ(tacho_vm_isa_name(KVM_EXIT_IO), "KVM");
	T_STREQ(tacho_vm_isa_name(tacho_vm_reason_error(4)), "KVM");
	T_STREQ(tacho_vm_isa_name(tacho_vm_reason(TACHO_VM_ISA_VMX, 0x80000021)), "VMX");
	T_STREQ(tacho_vm_isa_name(tacho_vm_reason(TACHO_VM_ISA_SVM, 0xffffffff)), "SVM");
	T_STREQ(tacho_vm_isa_name(0x300), "?");
	T_STREQ(tacho_vm_isa_name(TACHO_NONE), "?");
}

/* Whatever a processor says, it fits, and does not look like another one's. */
T_CASE(reasons_are_small_numbers)
{
	static const char *const names[] = { "KVM", "VMX", "SVM" };
	uint64_t state = t_seed();
	uint32_t isa, i, reason, number;

	for (i = 0; i < 100000; i++) {
		isa = i % 3;
		number = (uint32_t)(t_random(&state) >> (i % 33));
		reason = tacho_vm_reason(isa, number);
		T_OK(reason < TACHO_VM_REASONS);
		T_STREQ(tacho_vm_isa_name(reason), names[isa]);
		T_OK(tacho_vm_reason_error(number) < TACHO_VM_VMX);
	}
	T_EQ(tacho_vm_reason(3, 1), 1);
}

/* --- the rest ------------------------------------------------------------------------------- */

T_CASE(vectors)
{
	T_STREQ(name_of(TACHO_K_VM_IRQ, 2), "NMI");
	T_STREQ(name_of(TACHO_K_VM_IRQ, 14), "page fault");
	T_STREQ(name_of(TACHO_K_VM_IRQ, 15), "15");
	T_STREQ(name_of(TACHO_K_VM_IRQ, 33), "33");
	T_STREQ(name_of(TACHO_K_VM_IRQ, 236), "236 local timer");
	T_STREQ(name_of(TACHO_K_VM_IRQ, 256), "256");
	T_STREQ(name_of(TACHO_K_SOFTIRQ, 0), "HI");
	T_STREQ(name_of(TACHO_K_SOFTIRQ, 3), "NET_RX");
	T_STREQ(name_of(TACHO_K_SOFTIRQ, 9), "RCU");
	T_STREQ(name_of(TACHO_K_SOFTIRQ, 10), "10");
	T_STREQ(name_of(TACHO_K_IRQ, 14), "14"); /* a line of Linux, not a vector */
}

T_CASE(faults)
{
	T_STREQ(name_of(TACHO_K_MEM_FAULT, 0x4), "read, not present");
	T_STREQ(name_of(TACHO_K_MEM_FAULT, 0x6), "write, not present");
	T_STREQ(name_of(TACHO_K_MEM_FAULT, 0x7), "write, protected");
	T_STREQ(name_of(TACHO_K_MEM_FAULT, 0x14), "exec, not present");
	T_STREQ(name_of(TACHO_K_MEM_FAULT, 0x15), "exec, protected");
	T_STREQ(name_of(TACHO_K_MEM_FAULT, 0x25), "read, protection key");
	T_STREQ(name_of(TACHO_K_MEM_FAULT, 0x0d), "read, reserved bit");
	T_STREQ(name_of(TACHO_K_MEM_FAULT, 0x47), "write, shadow stack");
	T_STREQ(name_of(TACHO_K_MEM_FAULT, 0x8007), "write, enclave");
	T_STREQ(name_of(TACHO_K_MEM_FAULT, 0x100), "0x100");
}

T_CASE(ways_and_operations)
{
	T_STREQ(name_of(TACHO_K_IPC_SOCKET, 0), "sent");
	T_STREQ(name_of(TACHO_K_IPC_SOCKET, 1), "received");
	T_STREQ(name_of(TACHO_K_IPC_SOCKET, 2), "2");
	T_STREQ(name_of(TACHO_K_IPC_PIPE, 0), "written");
	T_STREQ(name_of(TACHO_K_IPC_PIPE, 1), "read");
	T_STREQ(name_of(TACHO_K_IO_BLOCK, 1), "write");
	T_STREQ(name_of(TACHO_K_IO_BLOCK_BYTES, 2), "other");
	T_STREQ(name_of(TACHO_K_MEM_RSS, 1), "anon");
	T_STREQ(name_of(TACHO_K_MEM_RSS, 3), "shmem");
	T_STREQ(name_of(TACHO_K_IPC_FUTEX, 128), "WAIT");
	T_STREQ(name_of(TACHO_K_IPC_FUTEX, 1), "WAKE shared");
	T_STREQ(name_of(TACHO_K_IPC_FUTEX, 9 + 128 + 256), "WAIT_BITSET realtime");
	T_STREQ(name_of(TACHO_K_IPC_FUTEX, 14), "14");
	T_STREQ(name_of(TACHO_K_LOCK, 0xabc), "0xabc");
	T_STREQ(name_of(TACHO_K_VM_RUN, 3), "3");
	T_STREQ(name_of(TACHO_K_NET_RX, 2), "2");
}

T_CASE(system_calls_are_those_of_the_header)
{
#if defined(__x86_64__)
	static const char *const paths[] = { "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
					     "/usr/include/asm/unistd_64.h" };
	char line[256], name[64];
	FILE *file = NULL;
	uint32_t number, nr = 0;
	size_t i;

	T_STREQ(name_of(TACHO_K_SYSCALL, 0), "read");
	T_STREQ(name_of(TACHO_K_SYSCALL, 202), "futex");
	T_STREQ(name_of(TACHO_K_SYSCALL, 336), "uprobe");
	T_STREQ(name_of(TACHO_K_SYSCALL, 337), "337");
	T_STREQ(name_of(TACHO_K_SYSCALL, 423), "423");
	T_STREQ(name_of(TACHO_K_SYSCALL, 424), "pidfd_send_signal");
	T_STREQ(name_of(TACHO_K_SYSCALL, 469), "file_setattr");
	T_STREQ(name_of(TACHO_K_SYSCALL, TACHO_NONE), decimal(TACHO_NONE));
	for (i = 0; i < 2 && !file; i++)
		file = fopen(paths[i], "re");
	if (!file)
		T_SKIP("no asm/unistd_64.h to compare with");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "#define __NR_%63s %u", name, &number) != 2)
			continue;
		nr++;
		if (number <= 469) /* what is newer than the table is a number */
			T_STREQ(name_of(TACHO_K_SYSCALL, number), name);
	}
	fclose(file);
	T_OK(nr > 300);
#else
	T_STREQ(name_of(TACHO_K_SYSCALL, 63), "63");
#endif
}

/* Whatever the number, the answer is text that fits, with any size of buffer. */
static void try_one(uint32_t event, uint32_t value)
{
	char buffer[40], small[40];
	const char *name;
	size_t size;

	memset(buffer, '#', sizeof(buffer));
	name = tacho_kernel_name(event, value, buffer, 32);
	T_OK(name && name[0] != '\0' && strnlen(name, 32) < 32);
	T_OK(memcmp(buffer + 32, "########", 8) == 0);
	for (size = 0; size < 9; size++) {
		memset(small, '#', sizeof(small));
		name = tacho_kernel_name(event, value, small, size);
		T_OK(name != NULL);
		T_OK(memcmp(small + size, "########", 8) == 0);
		if (name == small)
			T_OK(size > 0 && memchr(small, '\0', size) != NULL);
	}
	T_OK(tacho_kernel_name(event, value, NULL, 0) != NULL);
}

T_CASE(any_number_of_any_event)
{
	uint64_t state = t_seed();
	uint32_t event, i;

	for (event = 0; event < TACHO_K_NR + 2; event++) {
		for (i = 0; i < 1100; i++)
			try_one(event, i);
		for (i = 0; i < 16; i++)
			try_one(event, (i << 28) + (i % 2 ? 0x08000000u : -1u));
		for (i = 0; i < 1000; i++)
			try_one(event, (uint32_t)(t_random(&state) >> (i % 33)));
	}
}

T_MAIN
