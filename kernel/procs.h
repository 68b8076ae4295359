/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * procs.h: what /proc says about tasks, as far as binding them to domains needs it.
 *
 * Everything is read again when it is asked for, nothing is kept. /proc is hostile: a task vanishes
 * between two reads (-ESRCH), a command name or an argument holds any bytes (they come out printable).
 * The root is a parameter: "/proc", or a tree that a test made. The parsers take text, so that they
 * can be fuzzed. Any thread; nothing prints. Section 4.3.4 of paper 001 (binding principals).
 */
#ifndef TACHO_KERNEL_PROCS_H
#define TACHO_KERNEL_PROCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What to read beside the task's stat, which always is. */
enum tacho_proc_what {
	TACHO_PROC_UID = 0x1,
	TACHO_PROC_CGROUP = 0x2, /* cgroup and unit */
};

/* A task. What was not asked for is zero. */
struct tacho_proc {
	int pid; /* of its process */
	int tid;
	int ppid;
	uint32_t uid; /* effective */
	uint64_t start; /* ticks since boot; tells two tasks of one number apart */
	bool is_kernel; /* a kernel thread */
	bool is_dead; /* exiting or a zombie: it will not run user code again */
	char comm[64];
	char cgroup[4096];
	char unit[128]; /* of systemd, or empty */
	/* Not from the task's files, but what rules ask for; the caller knows. */
	uint64_t trees; /* bit i: descends from what the i-th tree rule names, or is it */
	bool is_later; /* began after the rules were made: no number in them means it */
	bool is_vm;
	char vm[64]; /* name of the virtual machine, or empty */
};

/* A list of numbers; fini it. */
struct tacho_ids {
	int *id;
	size_t nr;
	size_t size;
};
void tacho_ids_fini(struct tacho_ids *ids);

/* Read a task. 0; -ESRCH: it is gone; -EPROTO: the file is not what it should be; or -errno. */
int tacho_procs_read(const char *root, int pid, int tid, unsigned what, struct tacho_proc *proc);
/* Numbers of all processes (pid 0) or of the threads of one, ascending. -ESRCH: it is gone. */
int tacho_procs_list(const char *root, int pid, struct tacho_ids *ids);
/*
 * Whether the process holds a virtual machine of KVM; then vm gets its name: what its command line
 * says, else "comm-pid". comm is that of the process.
 */
bool tacho_procs_vm(const char *root, int pid, int tid, const char *comm, char vm[64]);

/* What a thread of a virtual machine's process does. */
enum tacho_vm_role {
	TACHO_VM_IO, /* the rest */
	TACHO_VM_VCPU,
	TACHO_VM_VHOST,
	TACHO_NR_VM_ROLES,
};
/* By its name; where that tells nothing, by the system call that it is in. */
enum tacho_vm_role tacho_procs_role(const char *root, int pid, int tid, const char *comm);
/* The task on whose behalf a kernel thread of that name works ("vhost-PID", "kvm-pit/PID"), or 0. */
int tacho_procs_owner(const char *comm);
/* Name of a user, or "uid N". */
void tacho_procs_user(uint32_t uid, char *name, size_t size);

/*
 * The parsers: text is zero-terminated (the fourth has zeros inside). They return 0 or -EPROTO and
 * write nothing but their fields of proc.
 */
int tacho_proc_parse_stat(struct tacho_proc *proc, const char *text);
int tacho_proc_parse_status(struct tacho_proc *proc, const char *text);
int tacho_proc_parse_cgroup(struct tacho_proc *proc, const char *text);
/* The name in the command line of a hypervisor; false if there is none. */
bool tacho_proc_parse_cmdline(char vm[64], const char *text, size_t len);

#endif /* TACHO_KERNEL_PROCS_H */
