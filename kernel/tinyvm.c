/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tinyvm.c: a virtual machine of one page of code; see tinyvm.h.
 *
 * What it is made of: 64 KB of memory at address 0 of the guest, page tables that map the first
 * 2 MB and the local interrupt controller one to one, and four programs of a few instructions. The
 * processor starts in long mode with paging on; no instruction of a boot is ever executed.
 *
 * It is run by hypervisor.c and by tests, and shares nothing with the rest of kernel/. It must leave the
 * process as it was: the signal that ends a run is one of this thread, blocked while it matters,
 * taken from the queue before the mask is restored, so no handler of the program runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tinyvm.h"

__attribute__((format(printf, 3, 4))) static void say(char *why, size_t why_size, const char *fmt,
						      ...)
{
	va_list ap;

	if (!why || why_size == 0)
		return;
	va_start(ap, fmt);
	vsnprintf(why, why_size, fmt, ap);
	va_end(ap);
}

#if defined(__x86_64__)

#include <linux/kvm.h>

/* The guest's memory, by page. */
#define MEMORY_SIZE  0x10000u
#define PML4	     0x1000u
#define PDPT	     0x2000u
#define PD_LOW	     0x3000u
#define PD_APIC	     0x4000u
#define GDT	     0x5000u
#define IDT	     0x6000u
#define TSS	     0x7000u
#define CODE	     0x8000u
#define COUNTERS     0x9000u /* two of 8 bytes: interrupts, loops */
#define STACK	     0xf000u /* its first byte beyond */
#define APIC	     0xfee00000u
#define PAGE_USER    0x07u /* present, writable, for ring 3 */
#define PAGE_HUGE    0x80u
#define PAGE_NOCACHE 0x10u

#define CODE_0 0x08u
#define DATA_0 0x10u
#define DATA_3 0x1bu
#define CODE_3 0x23u
#define TASK   0x28u

/*
 * The programs. rbx: the device's memory, for the one that halts the interrupt controller;
 * rsi: the counters. The interrupt handler stands behind the program that halts.
 */
extern const unsigned char guest_out[], guest_mix[], guest_spin[], guest_halt[], guest_irq[],
	guest_end[];
__asm__(".pushsection .rodata\n"
	"guest_out:	out %al, $0x10\n"
	"		incq 8(%rsi)\n"
	"		jmp guest_out\n"
	"guest_mix:	out %al, $0x10\n"
	"		movl (%rbx), %ecx\n"
	"		movl %ecx, 4(%rbx)\n"
	"		pushq %rbx\n" /* cpuid writes it */
	"		movl $0, %eax\n"
	"		cpuid\n"
	"		popq %rbx\n"
	"		incq 8(%rsi)\n"
	"		jmp guest_mix\n"
	"guest_spin:	movl $1000000, %ecx\n"
	"1:		decl %ecx\n"
	"		jnz 1b\n"
	"		out %al, $0x10\n"
	"		incq 8(%rsi)\n"
	"		jmp guest_spin\n"
	"guest_halt:	cli\n"
	"		movl $100000, 0x380(%rbx)\n" /* the timer: KVM's bus has 1 GHz */
	"		sti\n" /* takes effect after the next instruction */
	"		hlt\n"
	"		out %al, $0x10\n"
	"		incq 8(%rsi)\n"
	"		jmp guest_halt\n"
	"guest_irq:	incq (%rsi)\n"
	"		movl $0, 0xb0(%rbx)\n" /* end of interrupt */
	"		iretq\n"
	"guest_end:\n"
	".popsection\n");

struct tacho_tinyvm {
	int kvm, machine, processor;
	struct kvm_run *run;
	size_t run_size;
	unsigned char *memory;
};

#define ALARM SIGRTMAX /* ends a run; seen by no handler */

/* --- what the guest finds in its memory ----------------------------------------------------- */

static void put64(struct tacho_tinyvm *vm, uint32_t at, uint64_t value)
{
	memcpy(vm->memory + at, &value, sizeof(value));
}

static uint64_t get64(const struct tacho_tinyvm *vm, uint32_t at)
{
	uint64_t value;

	memcpy(&value, vm->memory + at, sizeof(value));
	return value;
}

/* Where a label of the programs is, from their beginning. */
static uint32_t text_off(const unsigned char *label)
{
	return (uint32_t)((uintptr_t)label - (uintptr_t)guest_out);
}

static void fill_memory(struct tacho_tinyvm *vm)
{
	const uint32_t handler = CODE + text_off(guest_irq);

	put64(vm, PML4, PDPT | PAGE_USER);
	put64(vm, PDPT, PD_LOW | PAGE_USER);
	put64(vm, PDPT + 8 * 3, PD_APIC | PAGE_USER);
	put64(vm, PD_LOW, PAGE_USER | PAGE_HUGE);
	put64(vm, PD_APIC + 8 * (APIC >> 21 & 511), APIC | PAGE_USER | PAGE_HUGE | PAGE_NOCACHE);

	put64(vm, GDT + CODE_0, 0x00af9b000000ffffull);
	put64(vm, GDT + DATA_0, 0x00cf93000000ffffull);
	put64(vm, GDT + (DATA_3 & ~3u), 0x00cff3000000ffffull);
	put64(vm, GDT + (CODE_3 & ~3u), 0x00affb000000ffffull);
	put64(vm, GDT + TASK, 0x00008b0000000067ull | TSS << 16);
	put64(vm, TSS + 4, STACK); /* of ring 0 */
	put64(vm, IDT + 16 * TACHO_TINYVM_VECTOR,
	      (handler & 0xffffu) | CODE_0 << 16 | 0x8e00ull << 32 |
		      (uint64_t)(handler >> 16) << 48);
	memcpy(vm->memory + CODE, guest_out, text_off(guest_end));
}

/* --- what its processor starts with --------------------------------------------------------- */

static struct kvm_segment segment(uint32_t selector, uint32_t type, bool is_code)
{
	return (struct kvm_segment){
		.limit = 0xffffffffu,
		.selector = (uint16_t)selector,
		.type = (uint8_t)type,
		.present = 1,
		.dpl = selector & 3u,
		.db = !is_code,
		.s = 1,
		.l = is_code,
		.g = 1,
	};
}

static void fill_sregs(struct kvm_sregs *sregs, bool in_ring_0)
{
	struct kvm_segment data = segment(in_ring_0 ? DATA_0 : DATA_3, 3, false);

	sregs->cs = segment(in_ring_0 ? CODE_0 : CODE_3, 11, true);
	sregs->ss = sregs->ds = sregs->es = sregs->fs = sregs->gs = data;
	sregs->tr = (struct kvm_segment){
		.base = TSS, .limit = 0x67, .selector = TASK, .type = 11, .present = 1
	};
	sregs->ldt = (struct kvm_segment){ .type = 2, .unusable = 1 };
	sregs->gdt.base = GDT;
	sregs->gdt.limit = TASK + 15;
	sregs->idt.base = IDT;
	sregs->idt.limit = 0xfff;
	sregs->cr0 = 0x80000033u; /* PG, NE, ET, MP, PE */
	sregs->cr3 = PML4;
	sregs->cr4 = 0x20u; /* PAE */
	sregs->efer = 0x500u; /* LME, LMA */
}

static void apic_put(struct kvm_lapic_state *apic, uint32_t at, uint32_t value)
{
	memcpy(apic->regs + at, &value, sizeof(value));
}

/* The interrupt controller is on, its timer has the handler's vector; the guest starts the timer. */
static int start_apic(struct tacho_tinyvm *vm)
{
	struct kvm_lapic_state apic;

	if (ioctl(vm->processor, KVM_GET_LAPIC, &apic))
		return -errno;
	apic_put(&apic, 0xf0, 0x1ff); /* on; spurious interrupts have vector 255 */
	apic_put(&apic, 0x3e0, 0xb); /* not divided */
	apic_put(&apic, 0x320, TACHO_TINYVM_VECTOR); /* one shot */
	return ioctl(vm->processor, KVM_SET_LAPIC, &apic) ? -errno : 0;
}

static int start_processor(struct tacho_tinyvm *vm, enum tacho_tinyvm_guest guest,
			   const char **what)
{
	static const unsigned char *const code[] = { guest_out, guest_mix, guest_spin, guest_halt };
	const bool in_ring_0 = guest == TACHO_TINYVM_HALT;
	struct kvm_sregs sregs;
	struct kvm_regs regs = {
		.rip = CODE + (uint64_t)(code[guest] - guest_out),
		.rsp = STACK,
		.rbx = in_ring_0 ? APIC : TACHO_TINYVM_DEVICE,
		.rsi = COUNTERS,
		.rflags = 0x3002, /* I/O privilege for ring 3 */
	};

	*what = "KVM_GET_SREGS";
	if (ioctl(vm->processor, KVM_GET_SREGS, &sregs))
		return -errno;
	fill_sregs(&sregs, in_ring_0);
	*what = "KVM_SET_SREGS";
	if (ioctl(vm->processor, KVM_SET_SREGS, &sregs))
		return -errno;
	*what = "KVM_SET_REGS";
	if (ioctl(vm->processor, KVM_SET_REGS, &regs))
		return -errno;
	*what = "KVM_SET_LAPIC";
	return in_ring_0 ? start_apic(vm) : 0;
}

/* --- making and dropping it ----------------------------------------------------------------- */

static int make_machine(struct tacho_tinyvm *vm, const char **what)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY_SIZE };
	int size;

	*what = "/dev/kvm";
	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm < 0)
		return -errno;
	*what = "KVM_GET_API_VERSION";
	if (ioctl(vm->kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return -EOPNOTSUPP;
	*what = "KVM_CREATE_VM";
	vm->machine = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	if (vm->machine < 0)
		return -errno;
	/* some processors need it; where it is refused it is not needed */
	ioctl(vm->machine, KVM_SET_TSS_ADDR, 0xfffbd000u);
	*what = "KVM_CREATE_IRQCHIP";
	if (ioctl(vm->machine, KVM_CREATE_IRQCHIP, 0))
		return -errno;
	*what = "memory";
	vm->memory =
		mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (vm->memory == MAP_FAILED)
		return -errno;
	region.userspace_addr = (uintptr_t)vm->memory;
	*what = "KVM_SET_USER_MEMORY_REGION";
	if (ioctl(vm->machine, KVM_SET_USER_MEMORY_REGION, &region))
		return -errno;
	*what = "KVM_CREATE_VCPU";
	vm->processor = ioctl(vm->machine, KVM_CREATE_VCPU, 0);
	if (vm->processor < 0)
		return -errno;
	*what = "KVM_GET_VCPU_MMAP_SIZE";
	size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run))
		return size < 0 ? -errno : -EOPNOTSUPP;
	*what = "struct kvm_run";
	vm->run_size = (size_t)size;
	vm->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->processor, 0);
	return vm->run == MAP_FAILED ? -errno : 0;
}

int tacho_tinyvm_open(struct tacho_tinyvm **out, enum tacho_tinyvm_guest guest, char *why,
		      size_t why_size)
{
	struct tacho_tinyvm *vm;
	const char *what = "guest";
	int error;

	*out = NULL;
	if ((unsigned int)guest >= TACHO_NR_TINYVM)
		return -EINVAL;
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return -ENOMEM;
	vm->kvm = vm->machine = vm->processor = -1;
	vm->memory = MAP_FAILED;
	vm->run = MAP_FAILED;
	error = make_machine(vm, &what);
	if (error == 0) {
		fill_memory(vm);
		error = start_processor(vm, guest, &what);
	}
	if (error) {
		say(why, why_size, "%s: %s", what, strerror(-error));
		tacho_tinyvm_close(vm);
		return error;
	}
	*out = vm;
	return 0;
}

void tacho_tinyvm_close(struct tacho_tinyvm *vm)
{
	if (!vm)
		return;
	if (vm->run != MAP_FAILED)
		munmap(vm->run, vm->run_size);
	if (vm->processor >= 0)
		close(vm->processor);
	if (vm->machine >= 0)
		close(vm->machine);
	if (vm->kvm >= 0)
		close(vm->kvm);
	if (vm->memory != MAP_FAILED)
		munmap(vm->memory, MEMORY_SIZE);
	free(vm);
}

/* --- running it ----------------------------------------------------------------------------- */

/* The mask of the thread while it is in KVM_RUN: as before, but the alarm comes through. */
static int let_alarm_through(struct tacho_tinyvm *vm, const sigset_t *before)
{
	struct { /* struct kvm_signal_mask, with its array */
		uint32_t len;
		unsigned char set[8];
	} mask = { .len = sizeof(mask.set) };
	sigset_t set = *before;

	sigdelset(&set, ALARM);
	memcpy(mask.set, &set, sizeof(mask.set));
	return ioctl(vm->processor, KVM_SET_SIGNAL_MASK, &mask) ? -errno : 0;
}

static int arm(timer_t *timer, uint64_t ns)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = ALARM };
	struct itimerspec when = { .it_value = { (time_t)(ns / 1000000000u),
						 (long)(ns % 1000000000u) } };
	int error;

	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	if (timer_create(CLOCK_MONOTONIC, &event, timer))
		return -errno;
	if (timer_settime(*timer, 0, &when, NULL) == 0)
		return 0;
	error = -errno;
	timer_delete(*timer);
	return error;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* What an exit asks for: a read of the device gives 0, everything else needs no answer. */
static void answer(struct kvm_run *run)
{
	if (run->exit_reason == KVM_EXIT_MMIO && !run->mmio.is_write)
		memset(run->mmio.data, 0, sizeof(run->mmio.data));
}

static int run_until(struct tacho_tinyvm *vm, uint64_t end_ns, uint64_t max_exits,
		     struct tacho_tinyvm_count *count)
{
	uint64_t exits = 0, before, after = now_ns();
	uint32_t reason;
	int error;

	while ((max_exits == 0 || exits < max_exits) && (end_ns == 0 || after < end_ns)) {
		before = now_ns();
		error = ioctl(vm->processor, KVM_RUN, 0) ? errno : 0;
		after = now_ns();
		count->run_ns += after - before;
		count->calls++;
		if (error == EINTR) {
			count->signals++;
		} else if (error) {
			count->errors++;
			return -error;
		} else {
			reason = vm->run->exit_reason;
			if (reason >= TACHO_TINYVM_REASONS)
				reason = TACHO_TINYVM_REASONS - 1;
			count->exits[reason]++;
			exits++;
			if (reason == KVM_EXIT_SHUTDOWN || reason == KVM_EXIT_FAIL_ENTRY ||
			    reason == KVM_EXIT_INTERNAL_ERROR)
				return -EIO; /* the guest cannot go on */
			answer(vm->run);
		}
	}
	return 0;
}

int tacho_tinyvm_run(struct tacho_tinyvm *vm, uint64_t max_ns, uint64_t max_exits,
		     struct tacho_tinyvm_count *count)
{
	const uint64_t interrupts = get64(vm, COUNTERS), loops = get64(vm, COUNTERS + 8);
	const struct timespec at_once = { 0, 0 };
	sigset_t alarm, before;
	timer_t timer;
	int error;

	if (max_ns == 0 && max_exits == 0)
		return -EINVAL;
	sigemptyset(&alarm);
	sigaddset(&alarm, ALARM);
	error = -pthread_sigmask(SIG_BLOCK, &alarm, &before);
	if (error)
		return error;
	error = let_alarm_through(vm, &before);
	if (error == 0 && max_ns)
		error = arm(&timer, max_ns);
	if (error)
		goto out;
	error = run_until(vm, max_ns ? now_ns() + max_ns : 0, max_exits, count);
	if (max_ns) {
		timer_delete(timer);
		/* one that came meanwhile must not be delivered when the mask is restored */
		while (sigtimedwait(&alarm, NULL, &at_once) == ALARM)
			;
	}
	count->interrupts += get64(vm, COUNTERS) - interrupts;
	count->loops += get64(vm, COUNTERS + 8) - loops;
out:
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

int tacho_tinyvm_machine(const struct tacho_tinyvm *vm)
{
	return vm->machine;
}

int tacho_tinyvm_processor(const struct tacho_tinyvm *vm)
{
	return vm->processor;
}

#else

int tacho_tinyvm_open(struct tacho_tinyvm **vm, enum tacho_tinyvm_guest guest, char *why,
		      size_t why_size)
{
	(void)guest;
	*vm = NULL;
	say(why, why_size, "the guest's programs are for x86-64");
	return -EOPNOTSUPP;
}

void tacho_tinyvm_close(struct tacho_tinyvm *vm)
{
	(void)vm;
}

int tacho_tinyvm_run(struct tacho_tinyvm *vm, uint64_t max_ns, uint64_t max_exits,
		     struct tacho_tinyvm_count *count)
{
	(void)vm;
	(void)max_ns;
	(void)max_exits;
	(void)count;
	return -EOPNOTSUPP;
}

int tacho_tinyvm_machine(const struct tacho_tinyvm *vm)
{
	(void)vm;
	return -1;
}

int tacho_tinyvm_processor(const struct tacho_tinyvm *vm)
{
	(void)vm;
	return -1;
}

#endif
