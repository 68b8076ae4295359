/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor.c: tacho doctor: what this machine has for tacho, and what is lost without it.
 *
 * Owns one probe per thing, those of the kernel in doctor_kernel.c. A probe tries the thing itself, as tacho would use it, because a
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

#include "doctor.h"
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

__attribute__((format(printf, 3, 4))) void doctor_note(struct finding *found, enum state state,
						       const char *fmt, ...)
{
	va_list ap;

	found->state = state;
	va_start(ap, fmt);
	vsnprintf(found->detail, sizeof(found->detail), fmt, ap);
	va_end(ap);
}

const char *doctor_line(const char *path, char *text, int size)
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
		GOOD(found, "registered by the C library, %u bytes", __rseq_size);
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
		GOOD(found, "expedited, sync-core and rseq");
}

static void probe_clock(struct finding *found)
{
	char kernel[32];

	doctor_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", kernel,
		    sizeof(kernel));
	if (tacho_i_clock_source() == TACHO_SOURCE_TSC)
		GOOD(found, "invariant; the kernel keeps time by %s", kernel[0] ? kernel : "?");
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
		GOOD(found, "through /proc/self/mem");
	if (fd >= 0)
		close(fd);
	munmap(page, size);
}

static void probe_cpus(struct finding *found)
{
	char possible[64], online[64];
	cpu_set_t set;

	doctor_line("/sys/devices/system/cpu/possible", possible, sizeof(possible));
	doctor_line("/sys/devices/system/cpu/online", online, sizeof(online));
	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set))
		LESS(found, "possible %s, online %s, this process: %s", possible, online,
		     strerror(errno));
	else
		GOOD(found, "possible %s, online %s, this process may use %d", possible, online,
		     CPU_COUNT(&set));
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
		GOOD(found, "shrink, grow and seal");
	if (fd >= 0)
		close(fd);
}

static void probe_huge(struct finding *found)
{
	const size_t size = 2u << 20;
	char free_pages[32];
	void *page;
	int fd;

	doctor_line("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", free_pages,
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
		GOOD(found, "%s pages of 2 MB are free", free_pages);
	if (page != MAP_FAILED)
		munmap(page, size);
	close(fd);
}

static void probe_numa(struct finding *found)
{
	char nodes[64];
	int policy;

	doctor_line("/sys/devices/system/node/online", nodes, sizeof(nodes));
	if (!nodes[0])
		NONE(found, "the kernel knows no nodes");
	else if (syscall(SYS_get_mempolicy, &policy, NULL, 0, NULL, 0))
		LESS(found, "nodes %s, but memory cannot be placed: %s", nodes, strerror(errno));
	else if (strcmp(nodes, "0") == 0)
		GOOD(found, "one node, nothing to place");
	else
		GOOD(found, "nodes %s", nodes);
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
		GOOD(found, "with the pid and the user of the other side");
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
		GOOD(found, "user %u, all that is wanted", geteuid());
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
		GOOD(found, "no limit");
	else if (limit.rlim_cur < 64u << 20)
		LESS(found, "at most %llu KB (ulimit -l), unless privileged",
		     (unsigned long long)limit.rlim_cur / 1024);
	else
		GOOD(found, "at most %llu MB", (unsigned long long)limit.rlim_cur >> 20);
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
	{ "BTF", doctor_btf, "no events of the kernel and the hypervisor" },
	{ "kernel capabilities", doctor_capabilities,
	  "no events of the kernel and the hypervisor; programs can be logged all the same" },
	{ "eBPF", doctor_bpf, "no events of the kernel and the hypervisor" },
	{ "task storage", doctor_storage, "no events of the kernel: tasks have no domains" },
	{ "task iterators", doctor_iter,
	  "no events of the kernel: tasks that exist cannot be bound to domains" },
	{ "numbers of tasks", doctor_numbers,
	  "domains of the kernel are named by number, and rules do not match" },
	{ "tracepoints", doctor_tracepoints, "these events are not there, the others are" },
	{ "timers on CPUs", doctor_timer, "no cpu.runq and no cpu.pmc0 to 3" },
	{ "area in the kernel", doctor_area,
	  "logs of the kernel must be short: fewer rows, domains or events" },
	{ "tracefs", doctor_tracefs,
	  "nothing: tacho does not need it; no comparison with ftrace and perf" },
	{ "hardware counters", doctor_hardware,
	  "no instructions, cycles and cache misses as facts" },
	{ "software counters", doctor_software, "no task clock and faults as facts" },
	{ "counters of cpu.pmc", doctor_counters,
	  "cpu.pmc0 to 3 count what the kernel counts by itself" },
	{ "page references", doctor_refs,
	  "less of mem.shared: how many shared pages domains use and write" },
	{ "KVM", doctor_kvm, "no virtual machines here: no hypervisor and guest events" },
	{ "hypervisor events", doctor_hypervisor,
	  "what virtual machines do is not told, or only roughly" },
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
