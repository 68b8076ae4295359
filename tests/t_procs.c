// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_procs.c: reading tasks, from a tree that says what the test wants, and from the real /proc.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fakeproc.h"
#include "kernel/procs.h"
#include "t.h"

T_CASE(stat_with_a_hostile_name)
{
	static const char tail[] = " 42 1 1 0 -1 4194304 9 0 0 0 1 2 3 4 20 0 1 0 777 3 3\n";
	static const struct {
		const char *name, *comm;
	} cases[] = {
		{ "sh", "sh" },		  { "a) R 1 (b", "a) R 1 (b" },
		{ ") S 1 1", ") S 1 1" }, { "two\nlines", "two?lines" },
		{ "\033[2J", "?[2J" },	  { "gr\xc3\xbcn", "gr\xc3\xbcn" },
		{ "cut\xc3", "cut?" },	  { "", "" },
	};
	char text[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tacho_proc proc = { 0 };

		snprintf(text, sizeof(text), "17 (%s) S%s", cases[i].name, tail);
		T_EQ(tacho_proc_parse_stat(&proc, text), 0);
		T_STREQ(proc.comm, cases[i].comm);
		T_EQ(proc.ppid, 42);
		T_EQ(proc.start, 777);
		T_OK(!proc.is_kernel && !proc.is_dead);
	}
}

T_CASE(stat_that_is_none)
{
	static const char *const texts[] = { "",
					     "17",
					     "17 (",
					     "17 (sh",
					     ")(",
					     "17 (sh) S",
					     "17 (sh) S 1 2 3",
					     "17 (sh) S x 1 1 0 -1 0 0 0 0 0 0",
					     "17 (sh) S -5 1 1 0 -1 4 9 0 0 0 1 2 3 4 20 0 1 0 7" };
	struct tacho_proc proc = { 0 };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		T_EQ(tacho_proc_parse_stat(&proc, texts[i]), -EPROTO);
	T_STREQ(proc.comm, "");
}

T_CASE(status_cannot_be_forged)
{
	struct tacho_proc proc = { 0 };

	T_EQ(tacho_proc_parse_status(&proc, "Name:\tx\\nUid:\\t0\nUid:\t5\t6\t7\t8\n"), 0);
	T_EQ(proc.uid, 6);
	T_EQ(tacho_proc_parse_status(&proc, "Name:\tUid: 7\n"), -EPROTO);
	T_EQ(tacho_proc_parse_status(&proc, "x\nUid:\n"), -EPROTO);
	T_EQ(tacho_proc_parse_status(&proc, ""), -EPROTO);
}

T_CASE(cgroup_of_both_versions)
{
	static const struct {
		const char *text, *cgroup, *unit;
	} cases[] = {
		{ "0::/\n", "/", "" },
		{ "0::/system.slice/ssh.service\n", "/system.slice/ssh.service", "ssh.service" },
		{ "0::/a/b:c (deleted)\n", "/a/b:c", "" },
		{ "12:cpu:/x\n1:name=systemd:/system.slice/a.service\n0::/\n",
		  "/system.slice/a.service", "a.service" },
		{ "12:cpu:/x\n1:name=systemd:/\n0::/\n", "/x", "" },
		{ "2:memory:/\n1:name=systemd:/y.scope", "/y.scope", "y.scope" },
		{ "1:name=systemd:/old\n0::/new\n", "/new", "" },
		{ "garbage\n0::/x\n", "/x", "" },
		{ "0::/user.slice/user-7.slice/user@7.service/app.slice/mail.service",
		  "/user.slice/user-7.slice/user@7.service/app.slice/mail.service",
		  "mail.service" },
		{ "0::/user.slice/user-7.slice/user@7.service/init.scope",
		  "/user.slice/user-7.slice/user@7.service/init.scope", "init.scope" },
		{ "0::/user.slice/user-7.slice/session-3.scope",
		  "/user.slice/user-7.slice/session-3.scope", "session-3.scope" },
		{ "0::/system.slice/x.service/payload/y.service",
		  "/system.slice/x.service/payload/y.service", "x.service" },
		{ "0::/system.slice/_cpu.service", "/system.slice/_cpu.service", "cpu.service" },
		{ "0::/.service", "/.service", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tacho_proc proc = { 0 };

		T_EQ(tacho_proc_parse_cgroup(&proc, cases[i].text), 0);
		T_STREQ(proc.cgroup, cases[i].cgroup);
		T_STREQ(proc.unit, cases[i].unit);
	}
	T_EQ(tacho_proc_parse_cgroup(&(struct tacho_proc){ 0 }, "nothing\n\n::\n1:2:3\n"), -EPROTO);
}

#define LINE(text) text, sizeof(text) /* with the zero at the end */

T_CASE(names_of_machines)
{
	static const struct {
		const char *text;
		size_t len;
		const char *name; /* NULL: none */
	} cases[] = {
		{ LINE("qemu\0-m\0001G\0-name\0web01"), "web01" },
		{ LINE("qemu\0-name\0guest=web02,debug-threads=on\0-m\0001G"), "web02" },
		{ LINE("qemu\0--name\0debug-threads=on,guest=a"), "a" },
		{ LINE("qemu\0-name\0a,,b,process=c"), "a,b" },
		{ LINE("qemu\0-name\0guest=a,,b"), "a,b" },
		{ LINE("lkvm\0run\0--name\0tiny"), "tiny" },
		{ LINE("firecracker\0--id=f1"), "f1" },
		{ LINE("qemu\0-name\0\033[1m"), "?[1m" },
		{ LINE("qemu\0-names\0x"), NULL },
		{ LINE("qemu\0-name\0debug-threads=on"), NULL },
		{ LINE("qemu\0-name\0guest="), NULL },
		{ LINE("qemu\0-name"), NULL },
		{ "qemu\0-name\0cut", 14, NULL }, /* no zero at the end: the file was longer */
		{ "", 0, NULL },
		{ LINE(""), NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *copy = malloc(cases[i].len + 1), vm[64] = "";

		memcpy(copy, cases[i].text, cases[i].len);
		copy = realloc(copy, cases[i].len ? cases[i].len : 1);
		T_EQ(tacho_proc_parse_cmdline(vm, copy, cases[i].len), cases[i].name != NULL);
		if (cases[i].name)
			T_STREQ(vm, cases[i].name);
		free(copy);
	}
}

T_CASE(tasks_of_a_tree)
{
	struct tacho_ids ids = { 0 };
	struct tacho_proc proc;

	T_NEED(fake_open());
	fake_task(900, 900,
		  (struct fake_task){ .comm = "web",
				      .ppid = 7,
				      .uid = 33,
				      .cgroup = "0::/system.slice/web.service\n" });
	fake_task(900, 903, (struct fake_task){ .comm = "web/1", .state = 'Z' });
	fake_task(900, 901, (struct fake_task){ .comm = "web/2", .flags = 0x4 });
	fake_task(12, 12, (struct fake_task){ .comm = "kworker/0:1", .flags = 0x200000 });
	T_EQ(tacho_procs_list(fake_root, 0, &ids), 0);
	T_EQ(ids.nr, 2);
	T_EQ(ids.id[0], 12);
	T_EQ(ids.id[1], 900);
	T_EQ(tacho_procs_list(fake_root, 900, &ids), 0);
	T_EQ(ids.nr, 3);
	T_EQ(ids.id[2], 903);
	T_EQ(tacho_procs_list(fake_root, 901, &ids), -ESRCH);
	tacho_ids_fini(&ids);

	T_EQ(tacho_procs_read(fake_root, 900, 900, TACHO_PROC_UID | TACHO_PROC_CGROUP, &proc), 0);
	T_STREQ(proc.comm, "web");
	T_STREQ(proc.unit, "web.service");
	T_EQ(proc.uid, 33);
	T_EQ(proc.ppid, 7);
	T_OK(!proc.is_dead && !proc.is_kernel);
	T_EQ(tacho_procs_read(fake_root, 900, 903, 0, &proc), 0);
	T_OK(proc.is_dead);
	T_EQ(tacho_procs_read(fake_root, 900, 901, 0, &proc), 0);
	T_OK(proc.is_dead);
	T_EQ(tacho_procs_read(fake_root, 12, 12, 0, &proc), 0);
	T_OK(proc.is_kernel);
	T_EQ(tacho_procs_read(fake_root, 12, 13, 0, &proc), -ESRCH);
	fake_text(900, 900, "stat", "");
	T_EQ(tacho_procs_read(fake_root, 900, 900, 0, &proc), -EPROTO);
	fake_close();
}

T_CASE(machines_of_a_tree)
{
	char vm[64] = "";

	T_NEED(fake_open());
	fake_task(50, 50, (struct fake_task){ .comm = "qemu" });
	T_OK(!tacho_procs_vm(fake_root, 50, 50, "qemu", vm));
	fake_fd(50, 50, 0, "/dev/null");
	fake_fd(50, 50, 9, "anon_inode:kvm-vmx");
	T_OK(!tacho_procs_vm(fake_root, 50, 50, "qemu", vm));
	fake_fd(50, 50, 11, "anon_inode:kvm-vm");
	T_OK(tacho_procs_vm(fake_root, 50, 50, "qemu", vm));
	T_STREQ(vm, "qemu-50");
	fake_write(50, 50, "cmdline", "qemu\0-name\0guest=web\0", 21);
	T_OK(tacho_procs_vm(fake_root, 50, 50, "qemu", vm));
	T_STREQ(vm, "web");

	T_EQ(tacho_procs_role(fake_root, 50, 50, "CPU 0/KVM"), TACHO_VM_VCPU);
	T_EQ(tacho_procs_role(fake_root, 50, 50, "CPU 12/KVM"), TACHO_VM_VCPU);
	T_EQ(tacho_procs_role(fake_root, 50, 50, "CPU 0/TCG"), TACHO_VM_IO);
	T_EQ(tacho_procs_role(fake_root, 50, 50, "vhost-50"), TACHO_VM_VHOST);
	T_EQ(tacho_procs_role(fake_root, 50, 50, "IO iothread1"), TACHO_VM_IO);
	snprintf(vm, sizeof(vm), "%d 0xc 0xae80 0x0 0x0 0x0 0x0 0x7ffc 0x7f04\n", SYS_ioctl);
	fake_text(50, 50, "syscall", vm);
	T_EQ(tacho_procs_role(fake_root, 50, 50, "mine"), TACHO_VM_VCPU);
	snprintf(vm, sizeof(vm), "%d 0xc 0xae81 0x0 0x0 0x0 0x0 0x7ffc 0x7f04\n", SYS_ioctl);
	fake_text(50, 50, "syscall", vm);
	T_EQ(tacho_procs_role(fake_root, 50, 50, "mine"), TACHO_VM_IO);
	fake_text(50, 50, "syscall", "running\n");
	T_EQ(tacho_procs_role(fake_root, 50, 50, "mine"), TACHO_VM_IO);

	T_EQ(tacho_procs_owner("vhost-4711"), 4711);
	T_EQ(tacho_procs_owner("kvm-pit/12"), 12);
	T_EQ(tacho_procs_owner("vhost-"), 0);
	T_EQ(tacho_procs_owner("vhost--3"), 0);
	T_EQ(tacho_procs_owner("kworker/0:1"), 0);
	fake_close();
}

/* --- the real one ----------------------------------------------------------------------------- */

T_CASE(this_process)
{
	struct tacho_proc proc;
	char name[64], user[32];

	T_EQ(prctl(PR_SET_NAME, "t) procs (\n"), 0);
	T_EQ(tacho_procs_read("/proc", getpid(), getpid(), TACHO_PROC_UID | TACHO_PROC_CGROUP,
			      &proc),
	     0);
	T_STREQ(proc.comm, "t) procs (?");
	T_EQ(proc.ppid, getppid());
	T_EQ(proc.uid, geteuid());
	T_OK(proc.cgroup[0] == '/');
	T_OK(proc.start > 0 && !proc.is_dead && !proc.is_kernel);
	T_OK(!tacho_procs_vm("/proc", getpid(), getpid(), "x", name));
	tacho_procs_user(0, user, sizeof(user));
	T_STREQ(user, "root");
	tacho_procs_user(4123456789u, user, sizeof(user));
	T_STREQ(user, "uid 4123456789");
}

T_CASE(a_zombie_and_then_nothing)
{
	struct tacho_proc proc;
	siginfo_t info;
	pid_t pid = fork();

	T_NEED(pid >= 0);
	if (pid == 0)
		_exit(0);
	T_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	T_EQ(tacho_procs_read("/proc", pid, pid, TACHO_PROC_UID | TACHO_PROC_CGROUP, &proc), 0);
	T_OK(proc.is_dead);
	T_EQ(waitpid(pid, NULL, 0), pid);
	T_EQ(tacho_procs_read("/proc", pid, pid, 0, &proc), -ESRCH);
}

T_CASE(a_real_machine)
{
	char vm[64] = "", name[64];
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), fd;

	if (kvm < 0)
		T_SKIP("/dev/kvm: %s", strerror(errno));
	fd = ioctl(kvm, KVM_CREATE_VM, 0);
	if (fd < 0) {
		close(kvm);
		T_SKIP("KVM_CREATE_VM: %s", strerror(errno));
	}
	T_OK(tacho_procs_vm("/proc", getpid(), getpid(), "mine", vm));
	snprintf(name, sizeof(name), "mine-%d", getpid());
	T_STREQ(vm, name);
	close(fd);
	T_OK(!tacho_procs_vm("/proc", getpid(), getpid(), "mine", vm));
	close(kvm);
}

T_MAIN
