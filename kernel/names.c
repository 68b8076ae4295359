/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * names.c: the names of numbers that the kernel and the hypervisor log; see names.h.
 *
 * One table per kind of number, and one switch that knows which event has which. Spelling is that of
 * the kernel's own tracepoints and headers (perf, trace-cmd and strace say the same), so that one can
 * be compared with the other. System calls are those of x86-64; on other machines they are numbers.
 *
 * Pure: reads nothing but its tables, never allocates, any thread.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "events.h"
#include "names.h"

#define NR(table) (sizeof(table) / sizeof((table)[0]))

/* --- exits of virtual machines -------------------------------------------------------------- */

/* Tables of words: eight numbers a line, "-" for one that has no name. */
static const char *const vmx_exits[] = {
	"EXCEPTION_NMI EXTERNAL_INTERRUPT TRIPLE_FAULT INIT_SIGNAL SIPI_SIGNAL - - "
	"INTERRUPT_WINDOW",
	"NMI_WINDOW TASK_SWITCH CPUID - HLT INVD INVLPG RDPMC",
	"RDTSC - VMCALL VMCLEAR VMLAUNCH VMPTRLD VMPTRST VMREAD",
	"VMRESUME VMWRITE VMOFF VMON CR_ACCESS DR_ACCESS IO_INSTRUCTION MSR_READ",
	"MSR_WRITE INVALID_STATE MSR_LOAD_FAIL - MWAIT_INSTRUCTION MONITOR_TRAP_FLAG - "
	"MONITOR_INSTRUCTION",
	"PAUSE_INSTRUCTION MCE_DURING_VMENTRY - TPR_BELOW_THRESHOLD APIC_ACCESS "
	"EOI_INDUCED GDTR_IDTR LDTR_TR",
	"EPT_VIOLATION EPT_MISCONFIG INVEPT RDTSCP PREEMPTION_TIMER INVVPID WBINVD "
	"XSETBV",
	"APIC_WRITE RDRAND INVPCID VMFUNC ENCLS RDSEED PML_FULL XSAVES",
	"XRSTORS - - UMWAIT TPAUSE",
	"- - BUS_LOCK NOTIFY - TDCALL",
	"- - - - MSR_READ_IMM MSR_WRITE_IMM"
};

/* From 0x60 on; below and above, the numbers are made of what is accessed. */
static const char *const svm_exits[] = {
	"interrupt nmi smi init vintr cr0_sel_write read_idtr read_gdtr",
	"read_ldtr read_rt write_idtr write_gdtr write_ldtr write_rt rdtsc rdpmc",
	"pushf popf cpuid rsm iret swint invd pause",
	"hlt invlpg invlpga io msr task_switch ferr_freeze shutdown",
	"vmrun hypercall vmload vmsave stgi clgi skinit rdtscp",
	"icebp wbinvd monitor mwait mwait_conditional xsetbv rdpru write_efer_trap"
};
static const char *const svm_exceptions[] = { "DE DB - BP OF BR UD NM", "DF - TS NP SS GP PF -",
					      "MF AC MC XF" };

struct number {
	tacho_u32 number;
	const char *name;
};

/* The rest of SVM, as tacho_vm_reason makes it. */
static const struct number svm_more[] = {
	{ TACHO_VM_SVM + 0xa2, "invpcid" },
	{ TACHO_VM_SVM + 0xa5, "buslock" },
	{ TACHO_VM_SVM + 0xa6, "idle-halt" },
	{ TACHO_VM_SVM_NPF + 0, "npf" },
	{ TACHO_VM_SVM_NPF + 1, "avic_incomplete_ipi" },
	{ TACHO_VM_SVM_NPF + 2, "avic_unaccelerated_access" },
	{ TACHO_VM_SVM_NPF + 3, "vmgexit" },
	{ TACHO_VM_SVM_VMG + 0x01, "vmgexit_mmio_read" },
	{ TACHO_VM_SVM_VMG + 0x02, "vmgexit_mmio_write" },
	{ TACHO_VM_SVM_VMG + 0x03, "vmgexit_nmi_complete" },
	{ TACHO_VM_SVM_VMG + 0x04, "vmgexit_ap_hlt_loop" },
	{ TACHO_VM_SVM_VMG + 0x05, "vmgexit_ap_jump_table" },
	{ TACHO_VM_SVM_VMG + 0x10, "vmgexit_page_state_change" },
	{ TACHO_VM_SVM_VMG + 0x11, "vmgexit_guest_request" },
	{ TACHO_VM_SVM_VMG + 0x12, "vmgexit_ext_guest_request" },
	{ TACHO_VM_SVM_VMG + 0x13, "vmgexit_ap_creation" },
	{ TACHO_VM_SVM_VMG + 0xfd, "vmgexit_hypervisor_feature" },
	{ TACHO_VM_SVM_BAD, "invalid_guest_state" },
	{ TACHO_VM_SVM_ANY, "other exit" },
};

/* KVM_EXIT_*, without that. */
static const char *const kvm_exits[] = {
	"UNKNOWN EXCEPTION IO HYPERCALL DEBUG HLT MMIO IRQ_WINDOW_OPEN",
	"SHUTDOWN FAIL_ENTRY INTR SET_TPR TPR_ACCESS S390_SIEIC S390_RESET DCR",
	"NMI INTERNAL_ERROR OSI PAPR_HCALL S390_UCONTROL WATCHDOG S390_TSCH EPR",
	"SYSTEM_EVENT S390_STSI IOAPIC_EOI HYPERV ARM_NISV X86_RDMSR X86_WRMSR DIRTY_RING_FULL",
	"AP_RESET_HOLD X86_BUS_LOCK XEN RISCV_SBI RISCV_CSR NOTIFY LOONGARCH_IOCSR MEMORY_FAULT",
	"TDX"
};

/* --- vectors -------------------------------------------------------------------------------- */

static const struct number exceptions[] = {
	{ 0, "divide error" },
	{ 1, "debug" },
	{ 2, "NMI" },
	{ 3, "breakpoint" },
	{ 4, "overflow" },
	{ 5, "bound range" },
	{ 6, "invalid opcode" },
	{ 7, "device not available" },
	{ 8, "double fault" },
	{ 9, "coprocessor overrun" },
	{ 10, "invalid TSS" },
	{ 11, "segment not present" },
	{ 12, "stack fault" },
	{ 13, "general protection" },
	{ 14, "page fault" },
	{ 16, "x87 error" },
	{ 17, "alignment check" },
	{ 18, "machine check" },
	{ 19, "SIMD error" },
	{ 20, "virtualisation" },
	{ 21, "control protection" },
	{ 28, "hypervisor injection" },
	{ 29, "VMM communication" },
	{ 30, "security" },
};

/* What Linux uses the highest vectors for; another guest may do otherwise. */
static const struct number system_vectors[] = {
	{ 0x80, "system call" },
	{ 0xeb, "posted MSI" },
	{ 0xec, "local timer" },
	{ 0xed, "Hyper-V timer" },
	{ 0xee, "Hyper-V reenlightenment" },
	{ 0xef, "managed shutdown" },
	{ 0xf0, "posted nested" },
	{ 0xf1, "posted wake-up" },
	{ 0xf2, "posted interrupt" },
	{ 0xf3, "hypervisor callback" },
	{ 0xf4, "deferred error" },
	{ 0xf6, "irq work" },
	{ 0xf7, "platform IPI" },
	{ 0xf8, "reboot" },
	{ 0xf9, "threshold" },
	{ 0xfa, "thermal" },
	{ 0xfb, "call function single" },
	{ 0xfc, "call function" },
	{ 0xfd, "reschedule" },
	{ 0xfe, "error" },
	{ 0xff, "spurious" },
};

static const char *const softirqs[] = { "HI TIMER NET_TX NET_RX BLOCK IRQ_POLL TASKLET SCHED",
					"HRTIMER RCU" };

/* --- calls and what they move --------------------------------------------------------------- */

static const char *const futexes[] = {
	"WAIT WAKE FD REQUEUE CMP_REQUEUE WAKE_OP LOCK_PI UNLOCK_PI",
	"TRYLOCK_PI WAIT_BITSET WAKE_BITSET WAIT_REQUEUE_PI CMP_REQUEUE_PI LOCK_PI2"
};

static const char *const socket_ways[] = { "sent received" };
static const char *const pipe_ways[] = { "written read" };
static const char *const block_ways[] = { "read write other" };
static const char *const page_kinds[] = { "file anon swap shmem" };

#if defined(__x86_64__)
static const char *const calls_low[] = {
	"read write open close stat fstat lstat poll",
	"lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn",
	"ioctl pread64 pwrite64 readv writev access pipe select",
	"sched_yield mremap msync mincore madvise shmget shmat shmctl",
	"dup dup2 pause nanosleep getitimer alarm setitimer getpid",
	"sendfile socket connect accept sendto recvfrom sendmsg recvmsg",
	"shutdown bind listen getsockname getpeername socketpair setsockopt getsockopt",
	"clone fork vfork execve exit wait4 kill uname",
	"semget semop semctl shmdt msgget msgsnd msgrcv msgctl",
	"fcntl flock fsync fdatasync truncate ftruncate getdents getcwd",
	"chdir fchdir rename mkdir rmdir creat link unlink",
	"symlink readlink chmod fchmod chown fchown lchown umask",
	"gettimeofday getrlimit getrusage sysinfo times ptrace getuid syslog",
	"getgid setuid setgid geteuid getegid setpgid getppid getpgrp",
	"setsid setreuid setregid getgroups setgroups setresuid getresuid setresgid",
	"getresgid getpgid setfsuid setfsgid getsid capget capset rt_sigpending",
	"rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend sigaltstack utime mknod uselib "
	"personality",
	"ustat statfs fstatfs sysfs getpriority setpriority sched_setparam "
	"sched_getparam",
	"sched_setscheduler sched_getscheduler sched_get_priority_max "
	"sched_get_priority_min sched_rr_get_interval mlock munlock mlockall",
	"munlockall vhangup modify_ldt pivot_root _sysctl prctl arch_prctl adjtimex",
	"setrlimit chroot sync acct settimeofday mount umount2 swapon",
	"swapoff reboot sethostname setdomainname iopl ioperm create_module init_module",
	"delete_module get_kernel_syms query_module quotactl nfsservctl getpmsg putpmsg "
	"afs_syscall",
	"tuxcall security gettid readahead setxattr lsetxattr fsetxattr getxattr",
	"lgetxattr fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr "
	"fremovexattr",
	"tkill time futex sched_setaffinity sched_getaffinity set_thread_area io_setup "
	"io_destroy",
	"io_getevents io_submit io_cancel get_thread_area lookup_dcookie epoll_create "
	"epoll_ctl_old epoll_wait_old",
	"remap_file_pages getdents64 set_tid_address restart_syscall semtimedop "
	"fadvise64 timer_create timer_settime",
	"timer_gettime timer_getoverrun timer_delete clock_settime clock_gettime "
	"clock_getres clock_nanosleep exit_group",
	"epoll_wait epoll_ctl tgkill utimes vserver mbind set_mempolicy get_mempolicy",
	"mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr "
	"kexec_load waitid",
	"add_key request_key keyctl ioprio_set ioprio_get inotify_init "
	"inotify_add_watch inotify_rm_watch",
	"migrate_pages openat mkdirat mknodat fchownat futimesat newfstatat unlinkat",
	"renameat linkat symlinkat readlinkat fchmodat faccessat pselect6 ppoll",
	"unshare set_robust_list get_robust_list splice tee sync_file_range vmsplice "
	"move_pages",
	"utimensat epoll_pwait signalfd timerfd_create eventfd fallocate "
	"timerfd_settime timerfd_gettime",
	"accept4 signalfd4 eventfd2 epoll_create1 dup3 pipe2 inotify_init1 preadv",
	"pwritev rt_tgsigqueueinfo perf_event_open recvmmsg fanotify_init fanotify_mark "
	"prlimit64 name_to_handle_at",
	"open_by_handle_at clock_adjtime syncfs sendmmsg setns getcpu process_vm_readv "
	"process_vm_writev",
	"kcmp finit_module sched_setattr sched_getattr renameat2 seccomp getrandom "
	"memfd_create",
	"kexec_file_load bpf execveat userfaultfd membarrier mlock2 copy_file_range "
	"preadv2",
	"pwritev2 pkey_mprotect pkey_alloc pkey_free statx io_pgetevents rseq uretprobe",
	"uprobe"
};
static const char *const calls_high
	[] = { /* from 424 on */
	       "pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree "
	       "move_mount fsopen fsconfig",
	       "fsmount fspick pidfd_open clone3 close_range openat2 pidfd_getfd faccessat2",
	       "process_madvise epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset "
	       "landlock_add_rule landlock_restrict_self memfd_secret",
	       "process_mrelease futex_waitv set_mempolicy_home_node cachestat fchmodat2 "
	       "map_shadow_stack futex_wake futex_wait",
	       "futex_requeue statmount listmount lsm_get_self_attr lsm_set_self_attr "
	       "lsm_list_modules mseal setxattrat",
	       "getxattrat listxattrat removexattrat open_tree_attr file_getattr file_setattr"
	};
#define CALLS_HIGH 424u
#endif

/* --- looking them up ------------------------------------------------------------------------ */

__attribute__((format(printf, 3, 4))) static const char *print(char *buffer, size_t size,
							       const char *fmt, ...)
{
	va_list ap;

	if (!buffer || size == 0)
		return "";
	va_start(ap, fmt);
	vsnprintf(buffer, size, fmt, ap);
	va_end(ap);
	return buffer;
}

static const char *decimal(tacho_u32 value, char *buffer, size_t size)
{
	return print(buffer, size, "%u", value);
}

static const char *hex(tacho_u32 value, char *buffer, size_t size)
{
	return print(buffer, size, "0x%x", value);
}

/* The word of a value, or NULL. */
static const char *word(const char *const *rows, size_t nr, tacho_u32 value, char *buffer,
			size_t size)
{
	const char *at;
	int length;
	tacho_u32 i;

	if (value / 8 >= nr)
		return NULL;
	at = rows[value / 8];
	for (i = 0; i < value % 8 && at; i++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	if (!at || *at == '-')
		return NULL;
	length = (int)strcspn(at, " ");
	return print(buffer, size, "%.*s", length, at);
}
#define WORD(rows, value) word(rows, NR(rows), value, buffer, size)

static const char *among(const struct number *numbers, size_t nr, tacho_u32 value)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (numbers[i].number == value)
			return numbers[i].name;
	return NULL;
}
#define AMONG(numbers, value) among(numbers, NR(numbers), value)

/* --- which event has which ------------------------------------------------------------------ */

static const char *exit_kvm(tacho_u32 reason, char *buffer, size_t size)
{
	if (reason == TACHO_VM_CPUID)
		return "CPUID";
	if (reason >= TACHO_VM_ERROR)
		return print(buffer, size, "error %u", reason - TACHO_VM_ERROR);
	return WORD(kvm_exits, reason);
}

static const char *exit_vmx(tacho_u32 reason, char *buffer, size_t size)
{
	const tacho_u32 basic = reason & ~TACHO_VM_NO_ENTRY;
	char text[32];
	const char *name = word(vmx_exits, NR(vmx_exits), basic, text, sizeof(text));

	if (!name)
		name = decimal(basic, text, sizeof(text));
	return print(buffer, size, "%s%s", name, reason & TACHO_VM_NO_ENTRY ? ", no entry" : "");
}

/* What is made of a register or an exception and its number; code < 0x100. */
static const char *exit_svm_made(tacho_u32 code, char *buffer, size_t size)
{
	char text[32];

	switch (code >> 4) {
	case 0x0:
		return print(buffer, size, "read_cr%u", code & 15u);
	case 0x1:
		return print(buffer, size, "write_cr%u", code & 15u);
	case 0x2:
		return print(buffer, size, "read_dr%u", code & 15u);
	case 0x3:
		return print(buffer, size, "write_dr%u", code & 15u);
	case 0x4:
	case 0x5:
		if (!word(svm_exceptions, NR(svm_exceptions), code - 0x40, text, sizeof(text)))
			return print(buffer, size, "exception %u", code - 0x40);
		return print(buffer, size, "%s excp", text);
	case 0x9:
		return print(buffer, size, "write_cr%u_trap", code & 15u);
	default:
		return NULL;
	}
}

static const char *exit_svm(tacho_u32 reason, char *buffer, size_t size)
{
	const tacho_u32 code = reason - TACHO_VM_SVM;
	const char *name = NULL;

	if (code < 0x100)
		name = exit_svm_made(code, buffer, size);
	if (!name && code >= 0x60 && code < 0x90)
		name = WORD(svm_exits, code - 0x60);
	if (!name)
		name = AMONG(svm_more, reason);
	if (name)
		return name;
	if (reason >= TACHO_VM_SVM_VMG)
		return hex(reason - TACHO_VM_SVM_VMG + 0x80000000u, buffer, size);
	return hex(reason < TACHO_VM_SVM_NPF ? code : reason - TACHO_VM_SVM_NPF + 0x400, buffer,
		   size);
}

static const char *exit_name(tacho_u32 reason, char *buffer, size_t size)
{
	if (reason < TACHO_VM_VMX)
		return exit_kvm(reason, buffer, size);
	if (reason < TACHO_VM_VMX + 0x100)
		return exit_vmx(reason - TACHO_VM_VMX, buffer, size);
	if (reason >= TACHO_VM_SVM && reason <= TACHO_VM_SVM_ANY)
		return exit_svm(reason, buffer, size);
	return NULL;
}

static const char *vector_name(tacho_u32 vector, char *buffer, size_t size)
{
	const char *name = AMONG(exceptions, vector);

	if (name)
		return name;
	name = AMONG(system_vectors, vector);
	return name ? print(buffer, size, "%u %s", vector, name) : NULL;
}

/* The bits of a page fault's error code on x86: see exception 14 in its makers' manuals. */
static const char *fault_name(tacho_u32 code, char *buffer, size_t size)
{
	static const struct number why[] = {
		{ 0x8000, "enclave" },	  { 0x40, "shadow stack" }, { 0x20, "protection key" },
		{ 0x08, "reserved bit" }, { 0x01, "protected" },
	};
	const char *access = code & 0x10 ? "exec" : code & 0x2 ? "write" : "read";
	size_t i;

	if (code & ~0x807fu)
		return hex(code, buffer, size);
	for (i = 0; i < NR(why) && !(code & why[i].number); i++)
		;
	return print(buffer, size, "%s, %s", access, i < NR(why) ? why[i].name : "not present");
}

static const char *futex_name(tacho_u32 operation, char *buffer, size_t size)
{
	char text[32];

	if (!word(futexes, NR(futexes), operation & ~0x180u, text, sizeof(text)))
		return NULL;
	return print(buffer, size, "%s%s%s", text, operation & 0x80 ? "" : " shared",
		     operation & 0x100 ? " realtime" : "");
}

static const char *call_name(tacho_u32 call, char *buffer, size_t size)
{
#if defined(__x86_64__)
	return call >= CALLS_HIGH ? WORD(calls_high, call - CALLS_HIGH) : WORD(calls_low, call);
#else
	(void)buffer;
	(void)size;
	(void)call;
	return NULL;
#endif
}

const char *tacho_kernel_name(tacho_u32 event, tacho_u32 correspondent, char *buffer, size_t size)
{
	const char *name = NULL;

	switch (event) {
	case TACHO_K_IPC_SOCKET:
		name = WORD(socket_ways, correspondent);
		break;
	case TACHO_K_IPC_PIPE:
		name = WORD(pipe_ways, correspondent);
		break;
	case TACHO_K_IPC_FUTEX:
		name = futex_name(correspondent, buffer, size);
		break;
	case TACHO_K_MEM_RSS:
		name = WORD(page_kinds, correspondent);
		break;
	case TACHO_K_MEM_FAULT:
		name = fault_name(correspondent, buffer, size);
		break;
	case TACHO_K_IO_BLOCK:
	case TACHO_K_IO_BLOCK_BYTES:
		name = WORD(block_ways, correspondent);
		break;
	case TACHO_K_SOFTIRQ:
		name = WORD(softirqs, correspondent);
		break;
	case TACHO_K_LOCK:
		name = hex(correspondent, buffer, size);
		break;
	case TACHO_K_SYSCALL:
		name = call_name(correspondent, buffer, size);
		break;
	case TACHO_K_VM_EXIT:
	case TACHO_K_VM_USERSPACE:
		name = exit_name(correspondent, buffer, size);
		break;
	case TACHO_K_VM_IRQ:
		name = vector_name(correspondent, buffer, size);
		break;
	default: /* vCPUs, interfaces, interrupts of devices: numbers are their names */
		break;
	}
	return name ? name : decimal(correspondent, buffer, size);
}

const char *tacho_vm_isa_name(tacho_u32 reason)
{
	if (reason < TACHO_VM_VMX)
		return "KVM";
	if (reason < TACHO_VM_VMX + 0x100)
		return "VMX";
	return reason >= TACHO_VM_SVM && reason <= TACHO_VM_SVM_ANY ? "SVM" : "?";
}
