// SPDX-License-Identifier: BSD-2-Clause
/*
 * rival.c: a USDT probe with a counting eBPF program, the kernel's trace_marker, fprintf.
 *
 * Each counts what arrived where it arrives: in the eBPF map, in the statistics of the trace
 * buffer, in the file. Each is set up as cheaply as it can be: the eBPF program adds to a fixed
 * address and calls no helper, trace_marker gets 32 bytes that nobody formatted, fprintf writes to
 * the page cache. Neither the program nor trace_marker makes a record that a reader could use as it
 * is; that would cost more.
 *
 * Nothing of this outlives the process but a trace instance, if it is killed in between; its name
 * has the pid. tracefs is mounted for this process only, by a mount that has no place.
 */
#include "rival.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <tacho/tacho.h>

#define MARKER_SIZE  32
#define STDIO_BUFFER (1 << 16)

struct rival {
	const char *name;
	int (*open)(char *why, size_t why_size); /* 0, or negative with a reason */
	void (*run)(void *arg, uint64_t nr);
	int (*check)(void *arg, uint64_t nr, char *why, size_t why_size);
	void (*close)(void);
	bool is_open;
};

static int expect(uint64_t found, uint64_t nr, const char *what, char *why, size_t why_size)
{
	if (found == nr)
		return 0;
	snprintf(why, why_size, "%" PRIu64 " %s", found, what);
	return -1;
}

/* --- uprobes ------------------------------------------------------------------------------ */

#if defined(__x86_64__)

struct uprobe {
	int map;
	int program;
	int event;
};
static struct uprobe usdt_uprobe = { -1, -1, -1 }, nop5_uprobe = { -1, -1, -1 };

/* Never enabled by a session: what is measured is the probe that stands before the no-op. */
TACHO_EVENT(usdt, TACHO_ACCESS, "bench.usdt", "", "", "a site with a uprobe on its USDT probe");

static __attribute__((noinline)) void usdt_run(void *arg, uint64_t nr)
{
	(void)arg;
	BENCH_NO_UNROLL
	for (uint64_t i = 0; i < nr; i++) {
		TACHO_LOG(usdt, i, PAYLOAD_CORRESPONDENT);
		BENCH_KEEP(i);
	}
}

/*
 * The best case of a uprobe: kernels from 6.18 on turn it into a call, which needs five bytes of
 * no-op in one cache line, and a stack whose red zone nobody uses.
 */
extern const char bench_nop5[] __attribute__((visibility("hidden")));
void bench_nop5_loop(uint64_t nr) __attribute__((visibility("hidden")));
__asm__(".pushsection .text\n"
	".balign 64\n"
	".globl bench_nop5_loop\n"
	".hidden bench_nop5_loop\n"
	"bench_nop5_loop:\n\t"
	"test %rdi, %rdi\n\t"
	"jz 2f\n"
	".globl bench_nop5\n"
	".hidden bench_nop5\n"
	"bench_nop5:\n"
	"1: .byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n\t"
	"dec %rdi\n\t"
	"jnz 1b\n"
	"2: ret\n\t"
	".popsection\n");

static void nop5_run(void *arg, uint64_t nr)
{
	(void)arg;
	bench_nop5_loop(nr);
}

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* An array of one number, and a program that adds one to it. */
static int program_load(struct uprobe *probe)
{
	union bpf_attr map = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1
	};

	probe->map = bpf(BPF_MAP_CREATE, &map);
	if (probe->map < 0)
		return -errno;

	struct bpf_insn insns[] = {
		{ BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_VALUE, 0, probe->map },
		{ 0, 0, 0, 0, 0 },
		{ BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_2, BPF_REG_1, 0, 0 },
		{ BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, 1 },
		{ BPF_STX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_2, 0, 0 },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0 },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	union bpf_attr load = { .prog_type = BPF_PROG_TYPE_KPROBE,
				.insn_cnt = sizeof(insns) / sizeof(insns[0]),
				.insns = (uintptr_t)insns,
				.license = (uintptr_t) "Dual BSD/GPL" };

	probe->program = bpf(BPF_PROG_LOAD, &load);
	return probe->program < 0 ? -errno : 0;
}

/* The number that the kernel gave to uprobes. */
static int uprobe_type(void)
{
	FILE *file = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
	int type = -ENOENT;

	if (!file)
		return -errno;
	if (fscanf(file, "%d", &type) != 1)
		type = -ENOENT;
	fclose(file);
	return type;
}

struct where {
	uintptr_t address; /* as linked */
	uintptr_t bias; /* of the executable in memory */
	uint64_t offset; /* in the file */
};

static int find_offset(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct where *where = arg;

	(void)size;
	where->bias = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

		if (segment->p_type == PT_LOAD && where->address >= segment->p_vaddr &&
		    where->address - segment->p_vaddr < segment->p_filesz)
			where->offset = where->address - segment->p_vaddr + segment->p_offset;
	}
	return 1; /* the first one is the executable */
}

static int uprobe_attach(struct uprobe *probe, uintptr_t address, char *why, size_t why_size)
{
	struct perf_event_attr attr = { .size = sizeof(attr),
					.sample_period = 1,
					.wakeup_events = 1 };
	struct where where = { .address = address };
	int type = uprobe_type();
	int error;

	if (type < 0) {
		snprintf(why, why_size, "this kernel has no uprobes");
		return -1;
	}
	error = program_load(probe);
	if (error) {
		snprintf(why, why_size, "the eBPF program was refused: %s", strerror(-error));
		return -1;
	}
	dl_iterate_phdr(find_offset, &where);
	attr.type = (uint32_t)type;
	attr.config1 = (uintptr_t) "/proc/self/exe";
	attr.config2 = where.offset;
	probe->event = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (probe->event < 0 || ioctl(probe->event, PERF_EVENT_IOC_SET_BPF, probe->program) < 0 ||
	    ioctl(probe->event, PERF_EVENT_IOC_ENABLE, 0) < 0) {
		snprintf(why, why_size, "the uprobe was refused: %s", strerror(errno));
		return -1;
	}
	return 0;
}

static void uprobe_detach(struct uprobe *probe)
{
	int fds[] = { probe->event, probe->program, probe->map };

	for (size_t i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	*probe = (struct uprobe){ -1, -1, -1 };
}

static int uprobe_check(const struct uprobe *probe, uint64_t nr, char *why, size_t why_size)
{
	uint32_t key = 0;
	uint64_t count = 0;
	union bpf_attr lookup = { .map_fd = (uint32_t)probe->map,
				  .key = (uintptr_t)&key,
				  .value = (uintptr_t)&count };

	if (bpf(BPF_MAP_LOOKUP_ELEM, &lookup) < 0) {
		snprintf(why, why_size, "the count cannot be read: %s", strerror(errno));
		return -1;
	}
	return expect(count, nr, "were counted by the eBPF program", why, why_size);
}

/* Address of tacho:usdt in one note: name size, descriptor size, type, name, descriptor. */
static uintptr_t note_address(const unsigned char *note, const unsigned char *end)
{
	uint32_t size[3];
	uint64_t address;

	while (end - note >= 12) {
		memcpy(size, note, sizeof(size));
		const unsigned char *desc = note + 12 + ((size[0] + 3) & ~3u);
		const unsigned char *next = desc + ((size[1] + 3) & ~3u);

		if (next > end || size[1] < 24)
			break;
		if (memcmp(desc + 24, "tacho\0usdt", sizeof("tacho\0usdt")) == 0) {
			memcpy(&address, desc, sizeof(address));
			return address;
		}
		note = next;
	}
	return 0;
}

/* As any tracer finds it: in the section of notes of the file. 0: not there. */
static uintptr_t usdt_address(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	uintptr_t address = 0;
	struct stat st;
	unsigned char *file;

	if (fd < 0)
		return 0;
	file = fstat(fd, &st) == 0 ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)
				   : MAP_FAILED;
	close(fd);
	if (file == MAP_FAILED)
		return 0;

	const ElfW(Ehdr) *header = (const void *)file;
	const ElfW(Shdr) *section = (const void *)(file + header->e_shoff);
	const char *names = (const char *)file + section[header->e_shstrndx].sh_offset;

	for (int i = 0; i < header->e_shnum && !address; i++)
		if (strcmp(names + section[i].sh_name, ".note.stapsdt") == 0)
			address = note_address(file + section[i].sh_offset,
					       file + section[i].sh_offset + section[i].sh_size);
	munmap(file, (size_t)st.st_size);
	return address;
}

static int usdt_open(char *why, size_t why_size)
{
	uintptr_t address = usdt_address();

	if (!address) {
		snprintf(why, why_size, "no USDT probe in this executable");
		return -1;
	}
	return uprobe_attach(&usdt_uprobe, address, why, why_size);
}

static int usdt_check(void *arg, uint64_t nr, char *why, size_t why_size)
{
	(void)arg;
	return uprobe_check(&usdt_uprobe, nr, why, why_size);
}

static void usdt_close(void)
{
	uprobe_detach(&usdt_uprobe);
}

static int nop5_open(char *why, size_t why_size)
{
	struct where where = { 0 };

	dl_iterate_phdr(find_offset, &where);
	return uprobe_attach(&nop5_uprobe, (uintptr_t)bench_nop5 - where.bias, why, why_size);
}

static int nop5_check(void *arg, uint64_t nr, char *why, size_t why_size)
{
	(void)arg;
	fprintf(stderr, "  %-28s the kernel %s\n", "uprobe-nop5",
		(unsigned char)bench_nop5[0] == 0xe8 ? "turned the no-op into a call"
						     : "left a breakpoint");
	return uprobe_check(&nop5_uprobe, nr, why, why_size);
}

static void nop5_close(void)
{
	uprobe_detach(&nop5_uprobe);
}

#endif

/* --- trace_marker ------------------------------------------------------------------------- */

static struct {
	int tracefs; /* directory */
	int instance; /* directory */
	int marker;
	char name[64];
} marker = { -1, -1, -1, "" };

static int tracefs_open(void)
{
	int fd = open("/sys/kernel/tracing", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int context, mounted = -1;

	if (fd >= 0 && faccessat(fd, "trace_marker", F_OK, 0) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	context = fsopen("tracefs", FSOPEN_CLOEXEC);
	if (context < 0)
		return -errno;
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mounted = fsmount(context, FSMOUNT_CLOEXEC, 0);
	fd = mounted < 0 ? -errno : mounted;
	close(context);
	return fd;
}

static int marker_open(char *why, size_t why_size)
{
	marker.tracefs = tracefs_open();
	if (marker.tracefs < 0) {
		snprintf(why, why_size, "no tracefs: %s", strerror(-marker.tracefs));
		return -1;
	}
	snprintf(marker.name, sizeof(marker.name), "instances/tacho-bench-%d", (int)getpid());
	if (mkdirat(marker.tracefs, marker.name, 0700) != 0) {
		snprintf(why, why_size, "no trace instance: %s", strerror(errno));
		marker.name[0] = 0;
		return -1;
	}
	marker.instance = openat(marker.tracefs, marker.name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	marker.marker = openat(marker.instance, "trace_marker", O_WRONLY | O_CLOEXEC);
	if (marker.marker < 0) {
		snprintf(why, why_size, "no trace_marker: %s", strerror(errno));
		return -1;
	}
	return 0;
}

static void marker_run(void *arg, uint64_t nr)
{
	uint64_t row[MARKER_SIZE / 8] = { 0, 0, (uint64_t)PAYLOAD_DOMAIN << 32 | PAYLOAD_EVENT,
					  PAYLOAD_CORRESPONDENT };

	(void)arg;
	for (uint64_t i = 0; i < nr; i++) {
		row[1] = i;
		if (write(marker.marker, row, sizeof(row)) != sizeof(row))
			return; /* the count will tell */
	}
}

/* What one CPU's buffer got: rows that are there and rows that newer ones replaced. */
static uint64_t marker_count(int cpu)
{
	char path[64], line[128];
	uint64_t sum = 0, value;
	FILE *file;
	int fd;

	snprintf(path, sizeof(path), "per_cpu/cpu%d/stats", cpu);
	fd = openat(marker.instance, path, O_RDONLY | O_CLOEXEC);
	file = fd < 0 ? NULL : fdopen(fd, "r");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "entries: %" SCNu64, &value) == 1 ||
		    sscanf(line, "overrun: %" SCNu64, &value) == 1)
			sum += value;
	fclose(file);
	return sum;
}

static int marker_check(void *arg, uint64_t nr, char *why, size_t why_size)
{
	uint64_t count = 0;

	(void)arg;
	for (int cpu = 0; cpu < (int)sysconf(_SC_NPROCESSORS_CONF); cpu++)
		count += marker_count(cpu);
	return expect(count, nr, "are in the trace buffer or were overwritten there", why,
		      why_size);
}

static void marker_close(void)
{
	if (marker.marker >= 0)
		close(marker.marker);
	if (marker.instance >= 0)
		close(marker.instance);
	if (marker.tracefs >= 0 && marker.name[0])
		unlinkat(marker.tracefs, marker.name, AT_REMOVEDIR);
	if (marker.tracefs >= 0)
		close(marker.tracefs);
	marker.marker = marker.instance = marker.tracefs = -1;
}

/* --- fprintf ------------------------------------------------------------------------------ */

static FILE *stdio_file;
static char stdio_buffer[STDIO_BUFFER];

static int stdio_open(char *why, size_t why_size)
{
	stdio_file = tmpfile();
	if (!stdio_file) {
		snprintf(why, why_size, "no temporary file: %s", strerror(errno));
		return -1;
	}
	setvbuf(stdio_file, stdio_buffer, _IOFBF, sizeof(stdio_buffer));
	return 0;
}

static void stdio_run(void *arg, uint64_t nr)
{
	(void)arg;
	for (uint64_t i = 0; i < nr; i++) {
#if defined(__x86_64__)
		uint64_t now = __builtin_ia32_rdtsc();
#else
		uint64_t now = bench_ticks();
#endif
		fprintf(stdio_file, "%" PRIu64 " %" PRIu64 " %u %u %u\n", now, i, PAYLOAD_EVENT,
			PAYLOAD_DOMAIN, PAYLOAD_CORRESPONDENT);
	}
}

static int stdio_check(void *arg, uint64_t nr, char *why, size_t why_size)
{
	uint64_t lines = 0;
	char block[4096];
	size_t len;

	(void)arg;
	rewind(stdio_file);
	while ((len = fread(block, 1, sizeof(block), stdio_file)) > 0)
		for (size_t i = 0; i < len; i++)
			lines += block[i] == '\n';
	return expect(lines, nr, "lines are in the file", why, why_size);
}

static void stdio_close(void)
{
	if (stdio_file)
		fclose(stdio_file);
	stdio_file = NULL;
}

/* ------------------------------------------------------------------------------------------ */

static struct rival rivals[] = {
#if defined(__x86_64__)
	{ "usdt-uprobe", usdt_open, usdt_run, usdt_check, usdt_close, false },
	{ "uprobe-nop5", nop5_open, nop5_run, nop5_check, nop5_close, false },
#endif
	{ "trace-marker", marker_open, marker_run, marker_check, marker_close, false },
	{ "fprintf", stdio_open, stdio_run, stdio_check, stdio_close, false },
};
#define NR_RIVALS (sizeof(rivals) / sizeof(rivals[0]))
_Static_assert(NR_RIVALS <= RIVAL_MAX, "room for all rivals");

size_t rival_open(const struct bench *bench, struct bench_case *cases)
{
	size_t nr = 0;

	for (size_t i = 0; i < NR_RIVALS; i++) {
		struct rival *rival = &rivals[i];
		char why[160] = "";

		if (!bench_wants(bench, rival->name))
			continue;
		if (rival->open(why, sizeof(why)) < 0) {
			bench_skip(bench, rival->name, "%s", why);
			rival->close();
			continue;
		}
		rival->is_open = true;
		cases[nr++] = (struct bench_case){ .name = rival->name,
						   .run = rival->run,
						   .check = rival->check,
						   .nr = bench->nr / 10 + 1 };
	}
	return nr;
}

void rival_close(void)
{
	for (size_t i = 0; i < NR_RIVALS; i++)
		if (rivals[i].is_open)
			rivals[i].close();
}
