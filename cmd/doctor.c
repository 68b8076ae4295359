/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor.c: tacho doctor: what this machine has for tacho, and what is lost without it.
 *
 * Owns one probe per thing. A probe tries the thing itself, as tacho would use it, because a
 * version number or a file in /proc says less; it undoes what it did and changes nothing on the
 * machine. A missing thing narrows what tacho can do and never breaks the rest: the status is 0
 * whatever is found.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/membarrier.h>
#include <linux/memfd.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/internal.h"
#include "ui.h"

enum { OPT_JSON = 256 };

static const struct ui_option options[] = {
	{ "json", OPT_JSON, NULL, "one JSON object" },
	{ 0 },
};
static const struct ui_verb self = {
	"doctor",
	"[OPTION]...",
	"Tries each thing that tacho can use on this machine, with the privileges that it\n"
	"has now, and says what is lost without it.",
	options,
};

enum state { HAVE, PARTLY, MISSING };

struct finding {
	enum state state;
	char detail[120];
};

#define LESS(found, ...) note((found), PARTLY, __VA_ARGS__)
#define NONE(found, ...) note((found), MISSING, __VA_ARGS__)

__attribute__((format(printf, 3, 4))) static void note(struct finding *found, enum state state,
						       const char *fmt, ...)
{
	va_list ap;

	found->state = state;
	va_start(ap, fmt);
	vsnprintf(found->detail, sizeof(found->detail), fmt, ap);
	va_end(ap);
}

/* The first line of a small file, without its end; empty if there is none. */
static const char *line_of(const char *path, char *text, int size)
{
	FILE *file = fopen(path, "re");

	text[0] = '\0';
	if (file) {
		if (!fgets(text, size, file))
			text[0] = '\0';
		fclose(file);
	}
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* --- the writer ----------------------------------------------------------------------------- */

static void probe_rseq(struct finding *found)
{
	if (__rseq_size == 0)
		NONE(found,
		     "not registered by the C library (kernel, seccomp or glibc.pthread.rseq)");
	else if (!tacho_i_rseq_usable())
		LESS(found,
		     "registered, but not used by tacho (membarrier, or TACHO_WRITER=generic)");
	else
		note(found, HAVE, "registered by the C library, %u bytes", __rseq_size);
}

static void probe_membarrier(struct finding *found)
{
	static const struct {
		int command;
		const char *name;
	} needed[] = {
		{ MEMBARRIER_CMD_PRIVATE_EXPEDITED, "expedited" },
		{ MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, "sync-core" },
		{ MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, "rseq" },
	};
	long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
	char missing[64] = "";
	size_t i;

	if (commands < 0) {
		NONE(found, "%s", strerror(errno));
		return;
	}
	for (i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!(commands & needed[i].command))
			snprintf(missing + strlen(missing), sizeof(missing) - strlen(missing),
				 " %s", needed[i].name);
	if (missing[0])
		LESS(found, "without:%s", missing);
	else
		note(found, HAVE, "expedited, sync-core and rseq");
}

static void probe_clock(struct finding *found)
{
	char kernel[32];

	line_of("/sys/devices/system/clocksource/clocksource0/current_clocksource", kernel,
		sizeof(kernel));
	if (tacho_i_clock_source() == TACHO_SOURCE_TSC)
		note(found, HAVE, "invariant; the kernel keeps time by %s",
		     kernel[0] ? kernel : "?");
	else
		NONE(found,
		     "not invariant, not readable or not wanted; the kernel keeps time by %s",
		     kernel[0] ? kernel : "?");
}

/* Change one byte of a page that may be executed and not written, as sites are patched. */
static void probe_text(struct finding *found)
{
	const size_t size = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *page, byte = 0xc3;
	int fd;

	page = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED) {
		NONE(found, "no executable memory: %s", strerror(errno));
		return;
	}
	fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	if (fd < 0 || pwrite(fd, &byte, 1, (off_t)(uintptr_t)page) != 1)
		NONE(found, "/proc/self/mem: %s", strerror(errno));
	else if (tacho_load_relaxed(page) != byte)
		NONE(found, "what is written through /proc/self/mem does not arrive");
	else
		note(found, HAVE, "through /proc/self/mem");
	if (fd >= 0)
		close(fd);
	munmap(page, size);
}

static void probe_cpus(struct finding *found)
{
	char possible[64], online[64];
	cpu_set_t set;

	line_of("/sys/devices/system/cpu/possible", possible, sizeof(possible));
	line_of("/sys/devices/system/cpu/online", online, sizeof(online));
	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set))
		LESS(found, "possible %s, online %s, this process: %s", possible, online,
		     strerror(errno));
	else
		note(found, HAVE, "possible %s, online %s, this process may use %d", possible,
		     online, CPU_COUNT(&set));
}

/* --- the area ------------------------------------------------------------------------------- */

static void probe_memfd(struct finding *found)
{
	int fd = memfd_create("tacho-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		NONE(found, "%s", strerror(errno));
	else if (ftruncate(fd, 4096) ||
		 fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		NONE(found, "cannot be sealed: %s", strerror(errno));
	else
		note(found, HAVE, "shrink, grow and seal");
	if (fd >= 0)
		close(fd);
}

static void probe_huge(struct finding *found)
{
	const size_t size = 2u << 20;
	char free_pages[32];
	void *page;
	int fd;

	line_of("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", free_pages,
		sizeof(free_pages));
	fd = memfd_create("tacho-doctor", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);
	if (fd < 0) {
		NONE(found, "%s", strerror(errno));
		return;
	}
	/* the mapping reserves the page, it is not touched */
	page = ftruncate(fd, (off_t)size) ? MAP_FAILED
					  : mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		LESS(found, "%s pages of 2 MB are free (sysctl vm.nr_hugepages)",
		     free_pages[0] ? free_pages : "no");
	else
		note(found, HAVE, "%s pages of 2 MB are free", free_pages);
	if (page != MAP_FAILED)
		munmap(page, size);
	close(fd);
}

static void probe_numa(struct finding *found)
{
	char nodes[64];
	int policy;

	line_of("/sys/devices/system/node/online", nodes, sizeof(nodes));
	if (!nodes[0])
		NONE(found, "the kernel knows no nodes");
	else if (syscall(SYS_get_mempolicy, &policy, NULL, 0, NULL, 0))
		LESS(found, "nodes %s, but memory cannot be placed: %s", nodes, strerror(errno));
	else if (strcmp(nodes, "0") == 0)
		note(found, HAVE, "one node, nothing to place");
	else
		note(found, HAVE, "nodes %s", nodes);
}

/* --- sessions ------------------------------------------------------------------------------- */

static void probe_sockets(struct finding *found)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct ucred cred = { 0 };
	socklen_t size = sizeof(cred);
	int fd, peer, len;

	len = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "tacho-doctor/%d",
		       getpid());
	len += (int)sizeof(address.sun_family) + 1;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	peer = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || peer < 0 || bind(fd, (struct sockaddr *)&address, (socklen_t)len) ||
	    listen(fd, 1) || connect(peer, (struct sockaddr *)&address, (socklen_t)len) ||
	    getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &cred, &size))
		NONE(found, "%s", strerror(errno));
	else if (cred.pid != getpid())
		LESS(found, "the kernel says process %d at the other end, it is %d", cred.pid,
		     getpid());
	else
		note(found, HAVE, "with the pid and the user of the other side");
	if (fd >= 0)
		close(fd);
	if (peer >= 0)
		close(peer);
}

static void probe_privileges(struct finding *found)
{
	static const struct {
		int bit;
		const char *name;
	} wanted[] = {
		{ CAP_SYS_ADMIN, "sys_admin" }, { CAP_BPF, "bpf" },
		{ CAP_PERFMON, "perfmon" },	{ CAP_SYS_PTRACE, "sys_ptrace" },
		{ CAP_SYS_NICE, "sys_nice" },	{ CAP_IPC_LOCK, "ipc_lock" },
	};
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
	const size_t nr = sizeof(wanted) / sizeof(wanted[0]);
	char names[80] = "";
	size_t i, have = 0;

	if (syscall(SYS_capget, &head, data)) {
		NONE(found, "capget: %s", strerror(errno));
		return;
	}
	for (i = 0; i < nr; i++) {
		if (!(data[wanted[i].bit / 32].effective >> wanted[i].bit % 32 & 1))
			continue;
		have++;
		snprintf(names + strlen(names), sizeof(names) - strlen(names), " %s",
			 wanted[i].name);
	}
	if (have == nr)
		note(found, HAVE, "user %u, all that is wanted", geteuid());
	else if (have)
		LESS(found, "user %u, of %zu wanted only%s", geteuid(), nr, names);
	else
		NONE(found, "user %u, no capability that is wanted", geteuid());
}

static void probe_memlock(struct finding *found)
{
	struct rlimit limit = { 0, 0 };

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (limit.rlim_cur == RLIM_INFINITY)
		note(found, HAVE, "no limit");
	else if (limit.rlim_cur < 64u << 20)
		LESS(found, "at most %llu KB (ulimit -l), unless privileged",
		     (unsigned long long)limit.rlim_cur / 1024);
	else
		note(found, HAVE, "at most %llu MB", (unsigned long long)limit.rlim_cur >> 20);
}

/* --- kernel and hypervisor ------------------------------------------------------------------ */

static void probe_btf(struct finding *found)
{
	const char *path = "/sys/kernel/btf/vmlinux";
	unsigned char magic[2] = { 0, 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size;

	if (fd < 0) {
		NONE(found, "%s: %s", path, strerror(errno));
		return;
	}
	size = lseek(fd, 0, SEEK_END);
	if (pread(fd, magic, 2, 0) != 2 || magic[0] != 0x9f || magic[1] != 0xeb)
		LESS(found, "%s does not begin as it should", path);
	else
		note(found, HAVE, "%s, %lld KB", path, (long long)size / 1024);
	close(fd);
}

/* A map is made and dropped: that is the least of what the kernel component needs. */
static void probe_bpf(struct finding *found)
{
	struct {
		uint32_t type, key_size, value_size, max_entries, flags;
		uint32_t rest[16];
	} attr = { 2, 4, 8, 1, 1u << 10, { 0 } }; /* an array that can be mapped */
	long fd = syscall(SYS_bpf, 0, &attr, sizeof(attr));

	if (fd < 0) {
		NONE(found, "%s",
		     errno == EPERM ? "not permitted: needs bpf and perfmon, or root"
				    : strerror(errno));
		return;
	}
	note(found, HAVE, "maps that can be mapped can be made");
	close((int)fd);
}

static void probe_tracefs(struct finding *found)
{
	static const char *const roots[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };
	char path[96];
	size_t i;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/events/sched/sched_switch/id", roots[i]);
		if (access(path, R_OK) == 0) {
			note(found, HAVE, "%s", roots[i]);
			return;
		}
		if (errno == EACCES) {
			LESS(found, "%s may not be read by this user", roots[i]);
			return;
		}
	}
	NONE(found, "%s: not mounted, or not built in", roots[0]);
}

static int counter_open(uint32_t type, uint64_t config)
{
	struct perf_event_attr attr = {
		.type = type,
		.size = sizeof(attr),
		.config = config,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static void probe_hardware(struct finding *found)
{
	int cycles = counter_open(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES), error = errno;
	int misses = counter_open(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES);
	char paranoid[16];

	if (cycles < 0)
		NONE(found, "%s (perf_event_paranoid %s)",
		     error == ENOENT ? "this CPU offers none" : strerror(error),
		     line_of("/proc/sys/kernel/perf_event_paranoid", paranoid, sizeof(paranoid)));
	else if (misses < 0)
		LESS(found, "cycles, but no cache misses");
	else
		note(found, HAVE, "cycles and cache misses");
	if (cycles >= 0)
		close(cycles);
	if (misses >= 0)
		close(misses);
}

static void probe_software(struct finding *found)
{
	int fd = counter_open(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK);
	char paranoid[16];

	if (fd < 0) {
		NONE(found, "%s (perf_event_paranoid %s)", strerror(errno),
		     line_of("/proc/sys/kernel/perf_event_paranoid", paranoid, sizeof(paranoid)));
		return;
	}
	note(found, HAVE, "task clock, faults, switches");
	close(fd);
}

static void probe_kvm(struct finding *found)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		if (errno == EACCES)
			LESS(found, "/dev/kvm: may not be used by this user");
		else
			NONE(found, "/dev/kvm: %s", strerror(errno));
		return;
	}
	note(found, HAVE, "/dev/kvm");
	close(fd);
}

/* --- the verb ------------------------------------------------------------------------------- */

static const struct thing {
	const char *name;
	void (*probe)(struct finding *found);
	const char *without;
} things[] = {
	{ "restartable sequences", probe_rseq,
	  "programs log with the generic writer: atomics, some times slower" },
	{ "membarrier", probe_membarrier,
	  "sites of running threads cannot be patched, or the generic writer is used" },
	{ "writable text", probe_text, "events of a process cannot be switched on" },
	{ "time-stamp counter", probe_clock, "timestamps by clock_gettime: slower" },
	{ "sealed memory files", probe_memfd,
	  "no area can be shared: processes cannot be attached" },
	{ "huge pages", probe_huge, "--huge falls back to pages of 4 KB: more TLB misses" },
	{ "NUMA placement", probe_numa, "logs of a CPU may lie in memory of another node" },
	{ "lockable memory", probe_memlock, "an area may be paged out under pressure" },
	{ "CPUs", probe_cpus, "CPUs outside of the area's range log nothing, which is counted" },
	{ "abstract sockets", probe_sockets, "components cannot be found or attached" },
	{ "privileges", probe_privileges,
	  "only the user's own processes, outside of containers; no kernel" },
	{ "BTF", probe_btf, "no events of the kernel and the hypervisor" },
	{ "eBPF", probe_bpf, "no events of the kernel and the hypervisor" },
	{ "tracepoints", probe_tracefs,
	  "no list of the kernel's events, no comparison with ftrace" },
	{ "hardware counters", probe_hardware,
	  "no instructions, cycles and cache misses as facts" },
	{ "software counters", probe_software, "no task clock and faults as facts" },
	{ "KVM", probe_kvm, "no virtual machines here: no hypervisor and guest events" },
};
#define NR_THINGS (sizeof(things) / sizeof(things[0]))

static const char *const words[] = { "yes", "part", "no" };

static void finding_print(const struct thing *thing, const struct finding *found)
{
	static const enum ui_color colors[] = { UI_GREEN, UI_YELLOW, UI_RED };

	printf("%s%-4s%s  %-22s %s\n", ui_color(colors[found->state]), words[found->state],
	       ui_color(UI_PLAIN), thing->name, found->detail);
	if (found->state != HAVE)
		printf("      %swithout: %s%s\n", ui_color(UI_DIM), thing->without,
		       ui_color(UI_PLAIN));
}

int doctor_main(int argc, char **argv)
{
	json_t *list = json_array();
	struct finding found;
	bool json = false;
	int option, status = UI_DONE;
	size_t i;

	while ((option = ui_next(&self, argc, argv)) > 0)
		json = true;
	if (option == 0 && ui_index < argc)
		option = ~ui_usage(&self, "it takes no argument, and not %s", argv[ui_index]);
	for (i = 0; i < NR_THINGS && option == 0; i++) {
		memset(&found, 0, sizeof(found));
		things[i].probe(&found);
		if (json)
			json_array_append_new(
				list, json_pack("{s:s, s:s, s:s, s:s}", "thing", things[i].name,
						"state", words[found.state], "detail", found.detail,
						"without", things[i].without));
		else
			finding_print(&things[i], &found);
	}
	if (option < 0)
		status = ~option;
	else if (json && ui_json_print(json_pack("{s:O}", "things", list)) == -ENOMEM)
		status = ui_fail(&self, "no memory");
	json_decref(list);
	return option < 0 ? status : ui_finish(&self, status);
}
