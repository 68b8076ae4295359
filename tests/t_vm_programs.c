/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_vm_programs.c: the programs of kvm.bpf.c run by hand, for what no machine here makes them see.
 *
 * They are taken out of the loaded object as raw tracepoint programs, which the kernel runs with any
 * arguments, on the maps of a session. Reasons of exits are read from structs of modules for VMX and
 * SVM: type information of our own has them, laid out so that they are fields of a task.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/kvm.h>

#include "kernel/kernel_internal.h"
#include "kernel/names.h"
#include "t.h"

/* What bpftool's skeletons begin with. */
struct skeleton {
	struct bpf_object_skeleton *skeleton;
	struct bpf_object *obj;
};

struct rig {
	struct tacho_kernel *kernel;
	struct tacho_merge *merge;
	struct bpf_object *programs;
	uint32_t domain; /* of this process: other machines may run beside */
};

static const uint32_t events[] = { TACHO_K_VM_RUN, TACHO_K_VM_EXIT, TACHO_K_VM_IRQ, TACHO_K_VM_HALT,
				   TACHO_K_VM_USERSPACE };
#define NR_EVENTS (sizeof(events) / sizeof(events[0]))

/* --- type information ----------------------------------------------------------------------- */

enum types {
	AS_IT_IS,
	SVM, /* vcpu is a task: its vmcb is the leader, whose pid is the exit code */
	VMX, /* vcpu is a task: its pid is the exit reason */
	VMX_VT, /* the same, a struct deeper */
	REASON_FIRST, /* kvm_exit(reason, vcpu, isa) */
};

static uint32_t bits_of(const struct btf *btf, const char *field)
{
	const struct btf_type *task =
		btf__type_by_id(btf, (uint32_t)btf__find_by_name_kind(btf, "task_struct", 4));
	const struct btf_member *member = btf_members(task);
	int i;

	for (i = 0; i < btf_vlen(task); i++)
		if (strcmp(btf__name_by_offset(btf, member[i].name_off), field) == 0)
			return btf_member_bit_offset(task, (uint32_t)i);
	T_FAIL("a task has no %s", field);
	return 0;
}

static void add_svm(struct btf *btf, int u32)
{
	const uint32_t pid = bits_of(btf, "pid"), leader = bits_of(btf, "group_leader");
	int control, vmcb;

	control = btf__add_struct(btf, "vmcb_control_area", pid / 8 + 4);
	btf__add_field(btf, "exit_code", u32, pid, 0);
	vmcb = btf__add_struct(btf, "vmcb", pid / 8 + 4);
	btf__add_field(btf, "control", control, 0, 0);
	vmcb = btf__add_ptr(btf, vmcb);
	btf__add_struct(btf, "vcpu_svm", leader / 8 + 8);
	T_EQ(btf__add_field(btf, "vmcb", vmcb, leader, 0), 0);
}

static void add_vmx(struct btf *btf, int u32, int is_deep)
{
	const uint32_t pid = bits_of(btf, "pid");
	int reason, vt;

	reason = btf__add_union(btf, "vmx_exit_reason", 4);
	btf__add_field(btf, "full", u32, 0, 0);
	if (is_deep) {
		vt = btf__add_struct(btf, "vcpu_vt", 12);
		btf__add_field(btf, "exit_reason", reason, 64, 0);
		btf__add_struct(btf, "vcpu_vmx", pid / 8 + 4);
		T_EQ(btf__add_field(btf, "vt", vt, pid - 64, 0), 0);
	} else {
		btf__add_struct(btf, "vcpu_vmx", pid / 8 + 4);
		T_EQ(btf__add_field(btf, "exit_reason", reason, pid, 0), 0);
	}
}

/* The typedef of before 5.16, instead of the one that is there. */
static struct btf *with_reason_first(struct btf *btf, int u32)
{
	static const char name[] = "btf_trace_kvm_exit";
	int any = btf__add_ptr(btf, 0);
	int vcpu = btf__add_ptr(btf, btf__find_by_name_kind(btf, "kvm_vcpu", 4));
	int proto = btf__add_func_proto(btf, 0);
	struct btf *changed;
	const void *raw;
	char *copy, *at;
	uint32_t size;

	btf__add_func_param(btf, "", any);
	btf__add_func_param(btf, "", u32);
	btf__add_func_param(btf, "", vcpu);
	btf__add_func_param(btf, "", u32);
	raw = btf__raw_data(btf, &size);
	copy = malloc(size);
	memcpy(copy, raw, size);
	btf__free(btf);
	at = memmem(copy, size, name, sizeof(name));
	if (at)
		at[0] = 'B';
	changed = btf__new(copy, size);
	free(copy);
	btf__add_typedef(changed, name, btf__add_ptr(changed, proto));
	return changed;
}

/* To a file in memory, whose path is stored. */
static int types_write(enum types types, char *path, size_t size)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int u32, fd = memfd_create("types", MFD_CLOEXEC);
	const void *raw;
	uint32_t length;

	if (!btf || fd < 0)
		return -1;
	u32 = btf__find_by_name_kind(btf, "unsigned int", BTF_KIND_INT);
	if (types == SVM)
		add_svm(btf, u32);
	else if (types == REASON_FIRST)
		btf = with_reason_first(btf, u32);
	else
		add_vmx(btf, u32, types == VMX_VT);
	raw = btf__raw_data(btf, &length);
	if (!raw || write(fd, raw, length) != (ssize_t)length)
		T_FAIL("type information cannot be written");
	btf__free(btf);
	snprintf(path, size, "/proc/self/fd/%d", fd);
	return fd;
}

/* --- the programs --------------------------------------------------------------------------- */

static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return level == LIBBPF_WARN ? vprintf(fmt, args) : 0;
}

/* The object once more, its vm programs made into what the kernel runs by hand, on the same maps. */
static int programs_load(struct rig *rig, const char *types)
{
	const struct skeleton *skel = (const struct skeleton *)(const void *)rig->kernel->skel;
	LIBBPF_OPTS(bpf_object_open_opts, options, .btf_custom_path = types,
		    .object_name = bpf_object__name(skel->obj)); /* maps are called after it */
	const size_t size = skel->skeleton->data_sz;
	char *elf = malloc(size), *at;
	struct bpf_program *program;
	struct bpf_map *map, *original;
	int error = 0;

	memcpy(elf, skel->skeleton->data, size);
	while ((at = memmem(elf, size, "tp_btf/kvm_", 11)))
		memcpy(at, "raw_tp", 6);
	rig->programs = bpf_object__open_mem(elf, size, &options);
	free(elf);
	if (!rig->programs)
		return -errno;
	bpf_object__for_each_program(program, rig->programs) bpf_program__set_autoload(
		program, strncmp(bpf_program__section_name(program), "raw_tp/kvm_", 11) == 0);
	bpf_object__for_each_map(map, rig->programs)
	{
		original = bpf_object__find_map_by_name(skel->obj, bpf_map__name(map));
		if (original && bpf_map__fd(original) >= 0 && !error)
			error = bpf_map__reuse_fd(map, bpf_map__fd(original));
	}
	return error ? error : bpf_object__load(rig->programs);
}

/* Run one with arguments; a row or none comes of it. Returns how many, the last one in *row. */
static int run(struct rig *rig, const char *name, uint64_t a, uint64_t b, uint64_t c,
	       struct tacho_row *row)
{
	struct tacho_row one;
	uint64_t args[8] = { a, b, c };
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = args, .ctx_size_in = sizeof(args));
	struct bpf_program *program = bpf_object__find_program_by_name(rig->programs, name);
	int nr = 0;

	memset(row, 0, sizeof(*row));
	if (!T_OK(program != NULL) ||
	    !T_EQ(bpf_prog_test_run_opts(bpf_program__fd(program), &options), 0))
		return -1;
	while (tacho_merge_read(rig->merge, &one, 1) == 1) {
		if (one.domain != rig->domain)
			continue;
		*row = one;
		nr++;
	}
	return nr;
}

static void rig_close(struct rig *rig)
{
	bpf_object__close(rig->programs);
	if (rig->merge)
		tacho_merge_close(rig->merge);
	tacho_kernel_close(rig->kernel);
}

static int find_domain(struct rig *rig, const char *name)
{
	struct tacho_kernel_domain_info info;
	uint32_t i;

	for (i = 0; i < rig->kernel->view.header.nr_domains; i++)
		if (tacho_kernel_domain(rig->kernel, i, &info) == 0 &&
		    strcmp(info.name, name) == 0) {
			rig->domain = i;
			return 1;
		}
	return 0;
}

static int rig_open(struct rig *rig, enum types types)
{
	char rule[32];
	const char *rules[] = { rule };
	const struct tacho_kernel_options options = {
		.nr_domains = 64, .rows_size = 1u << 20, .rules = rules, .nr_rules = 1
	};
	const uint32_t span = TACHO_K_VM_RUN; /* has all tasks bound, and beginnings count */
	struct tacho_memory *memory;
	char why[200], path[32];
	int error, log, fd = -1;
	uint32_t i;

	memset(rig, 0, sizeof(*rig));
	snprintf(rule, sizeof(rule), "programs=pid:%d", getpid());
	error = tacho_kernel_open(&rig->kernel, &options, why, sizeof(why));
	if (error == -EPERM || error == -EOPNOTSUPP) {
		t_skip("%s", why);
		return 0;
	}
	if (!T_EQ(error, 0))
		return 0;
	memory = tacho_kernel_memory(rig->kernel);
	log = tacho_memory_log_add(memory, 256, TACHO_ENTRIES_ALL | TACHO_CLOCK_TIME, TACHO_NONE,
				   TACHO_NONE);
	for (i = 0; i < NR_EVENTS; i++)
		T_EQ(tacho_memory_route(memory, events[i], TACHO_NONE, (uint32_t)log, 1), 0);
	T_EQ(tacho_merge_open(&rig->merge, &rig->kernel->view), 0);
	for (i = 0; i < rig->kernel->nr_cpus; i++)
		T_EQ(tacho_merge_add(rig->merge, i, (uint32_t)log, 1), 0);
	T_EQ(tacho_kernel_enable(rig->kernel, &span, 1), 0);
	T_OK(find_domain(rig, "programs"));
	libbpf_set_print(quiet);
	if (types != AS_IT_IS)
		fd = types_write(types, path, sizeof(path));
	error = programs_load(rig, fd >= 0 ? path : NULL);
	if (fd >= 0)
		close(fd);
	if (T_EQ(error, 0))
		return 1;
	rig_close(rig);
	return 0;
}

/* What a helper of the kernel returns: a program of five instructions asks it. */
static uint64_t ask(int helper)
{
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "answer", 4, 8, 1, NULL);
	const struct bpf_insn code[] = {
		{ .code = BPF_JMP | BPF_CALL, .imm = helper },
		{ .code = BPF_LD | BPF_DW | BPF_IMM,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_VALUE,
		  .imm = map },
		{ .code = 0 },
		{ .code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int program = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "ask", "GPL", code,
				    sizeof(code) / sizeof(code[0]), NULL);
	LIBBPF_OPTS(bpf_test_run_opts, options);
	uint64_t answer = 0;
	uint32_t key = 0;

	T_EQ(bpf_prog_test_run_opts(program, &options), 0);
	T_EQ(bpf_map_lookup_elem(map, &key, &answer), 0);
	close(program);
	close(map);
	return answer;
}

/* --- one after the other -------------------------------------------------------------------- */

#define NONE(name, a, b, c) T_EQ(run(&rig, name, a, b, c, &row), 0)
#define ONE(name, a, b, c, id, data)                                                               \
	do {                                                                                       \
		T_EQ(run(&rig, name, a, b, c, &row), 1);                                           \
		T_EQ(row.event, TACHO_K_##id);                                                     \
		T_EQ(row.correspondent, data);                                                     \
	} while (0)

T_CASE(exits_of_every_kind)
{
	struct tacho_row row;
	struct rig rig;

	if (!rig_open(&rig, AS_IT_IS))
		return;
	ONE("vm_exit_pio", 1, 0x10, 1, VM_EXIT, KVM_EXIT_IO);
	T_EQ(row.counter, 1);
	ONE("vm_exit_mmio", 1, 4, 0, VM_EXIT, KVM_EXIT_MMIO);
	ONE("vm_exit_mmio", 2, 4, 0, VM_EXIT, KVM_EXIT_MMIO);
	NONE("vm_exit_mmio", 0, 4, 0); /* a read that is not answered yet */
	ONE("vm_exit_cpuid", 1, 0, 0, VM_EXIT, TACHO_VM_CPUID);
	ONE("vm_exit_msr", 0, 0x10, 0, VM_EXIT, KVM_EXIT_X86_RDMSR);
	ONE("vm_exit_msr", 1, 0x10, 0, VM_EXIT, KVM_EXIT_X86_WRMSR);
	ONE("vm_exit_hypercall", 1, 0, 0, VM_EXIT, KVM_EXIT_HYPERCALL);
	ONE("vm_exit_halt", 100, 1, 1, VM_EXIT, KVM_EXIT_HLT);
	/* of those that go to user space, what has not told already */
	NONE("vm_exit_user", KVM_EXIT_IO, 0, 0);
	NONE("vm_exit_user", KVM_EXIT_MMIO, 0, 0);
	NONE("vm_exit_user", KVM_EXIT_HYPERCALL, 0, 0);
	ONE("vm_exit_user", KVM_EXIT_SHUTDOWN, 0, 0, VM_EXIT, KVM_EXIT_SHUTDOWN);
	ONE("vm_exit_user", KVM_EXIT_IO, (uint32_t)-EINTR, 0, VM_EXIT, KVM_EXIT_INTR);
	rig_close(&rig);
}

T_CASE(returns_to_user_space)
{
	struct tacho_row row;
	struct rig rig;

	if (!rig_open(&rig, AS_IT_IS))
		return;
	ONE("vm_userspace", KVM_EXIT_IO, 0, 0, VM_USERSPACE, KVM_EXIT_IO);
	ONE("vm_userspace", KVM_EXIT_UNKNOWN, (uint32_t)-EINTR, 0, VM_USERSPACE, KVM_EXIT_INTR);
	ONE("vm_userspace", KVM_EXIT_UNKNOWN, (uint32_t)-EFAULT, 0, VM_USERSPACE,
	    tacho_vm_reason_error(EFAULT));
	ONE("vm_userspace", 39, (uint32_t)-EFAULT, 0, VM_USERSPACE, 39); /* KVM_EXIT_MEMORY_FAULT */
	rig_close(&rig);
}

T_CASE(interrupts)
{
	struct tacho_row row;
	struct rig rig;

	if (!rig_open(&rig, AS_IT_IS))
		return;
	ONE("vm_irq", 0x31, 0, 0, VM_IRQ, 0x31);
	NONE("vm_irq", 0x31, 0, 1); /* the same one once more */
	ONE("vm_irq_eoi", 0, 0xec, 0, VM_IRQ, 0xec);
	NONE("vm_irq_eoi", 0, (uint32_t)-1, 0);
	ONE("vm_irq_accept", 0, 0x000, 0, VM_IRQ, 0);
	ONE("vm_irq_accept", 0, 0x100, 0, VM_IRQ, 0);
	NONE("vm_irq_accept", 0, 0x400, 0); /* an NMI has no vector */
	rig_close(&rig);
}

T_CASE(entry_and_exit_are_a_span)
{
	struct tacho_row row;
	struct rig rig;
	uint64_t before;

	if (!rig_open(&rig, AS_IT_IS))
		return;
	NONE("vm_leave", 0, 1, 0); /* nobody saw the entry */
	before = t_now_ns();
	NONE("vm_entry", 0, 0, 0);
	ONE("vm_leave", 0, 1, 0, VM_RUN, 0);
	T_OK(row.counter > 0 && row.counter <= t_now_ns() - before);
	NONE("vm_leave", 0, 1, 0);
	/* the call, of which a halt is taken off; this task runs no virtual CPU that has a number */
	before = t_now_ns();
	NONE("vm_call", 1, 0, 0);
	usleep(2000);
	NONE("vm_call_halted", 1500000, 1, 1);
	ONE("vm_call", 0, 0, 0, VM_RUN, TACHO_NONE);
	T_OK(row.counter + 1500000 <= t_now_ns() - before);
	NONE("vm_call", 0, 0, 0);
	NONE("vm_call_halted", 1000, 1, 1);
	NONE("vm_call", 0, 0, 0);
	ONE("vm_halt", 12345, 1, 1, VM_HALT, TACHO_NONE);
	T_EQ(row.counter, 12345);
	rig_close(&rig);
}

T_CASE(reasons_where_the_backend_has_them)
{
	struct tacho_row row;
	struct rig rig;
	uint64_t task, pid;

	if (!rig_open(&rig, SVM))
		return;
	task = ask(BPF_FUNC_get_current_task);
	pid = ask(BPF_FUNC_get_current_pid_tgid) & 0xffffffffu;
	ONE("vm_exit", task, TACHO_VM_ISA_SVM, 0, VM_EXIT,
	    tacho_vm_reason(TACHO_VM_ISA_SVM, (uint32_t)pid));
	ONE("vm_exit", task, TACHO_VM_ISA_VMX, 0, VM_EXIT, KVM_EXIT_UNKNOWN);
	rig_close(&rig);
	if (!rig_open(&rig, VMX))
		return;
	ONE("vm_exit", task, TACHO_VM_ISA_VMX, 0, VM_EXIT,
	    tacho_vm_reason(TACHO_VM_ISA_VMX, (uint32_t)pid));
	ONE("vm_exit", task, TACHO_VM_ISA_SVM, 0, VM_EXIT, KVM_EXIT_UNKNOWN);
	rig_close(&rig);
	if (!rig_open(&rig, VMX_VT))
		return;
	ONE("vm_exit", task, TACHO_VM_ISA_VMX, 0, VM_EXIT,
	    tacho_vm_reason(TACHO_VM_ISA_VMX, (uint32_t)pid));
	rig_close(&rig);
}

T_CASE(reasons_where_they_are_an_argument)
{
	struct tacho_row row;
	struct rig rig;

	if (!rig_open(&rig, REASON_FIRST))
		return;
	ONE("vm_exit", 0x80000021, 0, TACHO_VM_ISA_VMX, VM_EXIT, 0x2a1);
	ONE("vm_exit", 0x400, 0, TACHO_VM_ISA_SVM, VM_EXIT, 0x500);
	rig_close(&rig);
}

T_CASE(reasons_that_nobody_tells)
{
	struct tacho_row row;
	struct rig rig;

	if (!rig_open(&rig, AS_IT_IS))
		return;
	T_EQ(run(&rig, "vm_exit", 0, TACHO_VM_ISA_VMX, 0, &row), 1);
	T_EQ(run(&rig, "vm_exit", 0, TACHO_VM_ISA_SVM, 0, &row), 1);
	T_EQ(run(&rig, "vm_exit", 0, 77, 0, &row), 1);
	rig_close(&rig);
}

T_MAIN
