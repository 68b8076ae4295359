// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_binder_rules.c: who belongs where: by rules, and by what a domain shall be.
 */
#include "binder_rig.h"

/* --- rules -------------------------------------------------------------------------------------- */

T_CASE(a_rule_is_inherited_until_exec)
{
	T_NEED(begin(TACHO_BY_PROCESS, 64, RULES("build=comm:make")));
	has(10, 10, "make", 1);
	world_start();
	T_CHARGED(10, "build");
	T_EQ(world.task[10].flags, TACHO_TASK_INHERIT);
	world_fork(10, 20, 20); /* without files: nothing has to be read */
	world_settle();
	T_CHARGED(20, "build");
	T_EQ(info_of(number_of("build")).nr_tasks, 2);
	fake_task(20, 20, (struct fake_task){ .comm = "gcc", .ppid = 10 });
	world_exec(20);
	world_settle();
	T_CHARGED(20, "gcc");
	T_EQ(world.task[20].flags, 0);
	executes(20, "make", 10);
	world_settle();
	T_CHARGED(20, "build");
	T_OK(info_of(number_of("gcc")).is_gone);
	ends(20);
	ends(10);
	world_settle();
	T_EQ(info_of(number_of("build")).nr_tasks, 0);
	T_OK(!info_of(number_of("build")).is_gone);
	T_EQ(info_of(number_of("build")).pid, 0);
	end();
}

T_CASE(a_pid_is_that_process_and_nothing_else)
{
	T_NEED(begin(TACHO_BY_PROCESS, 64, RULES("one=pid:10,30")));
	has(10, 10, "sh", 1);
	has(10, 11, "sh", 1);
	world_start();
	T_CHARGED(10, "one");
	T_CHARGED(11, "one");
	T_EQ(world.task[10].flags, TACHO_TASK_KEEP_EXEC);
	forks(10, 20, 20, "sh");
	forks(10, 10, 12, "sh");
	world_settle();
	T_CHARGED(20, "sh");
	T_CHARGED(12, "one");
	executes(10, "vi", 1);
	forks(1, 30, 30, "late"); /* the number meant somebody else, or nobody */
	world_settle();
	T_CHARGED(10, "one");
	T_CHARGED(30, "late");
	end();
}

T_CASE(a_tree_holds_orphans)
{
	T_NEED(begin(TACHO_BY_PROCESS, 64, RULES("job=tree:10")));
	has(10, 10, "sh", 1);
	has(5, 5, "kid", 10); /* a child with a lower number: numbers wrap */
	has(6, 6, "grandkid", 5);
	has(7, 7, "stranger", 1);
	world_start();
	T_CHARGED(6, "job");
	T_CHARGED(7, "stranger");
	T_EQ(world.task[6].flags, TACHO_TASK_INHERIT | TACHO_TASK_KEEP_EXEC);
	forks(6, 20, 20, "a");
	forks(20, 21, 21, "b");
	ends(20); /* never seen, and its child is init's now */
	fake_task(21, 21, (struct fake_task){ .comm = "b", .ppid = 1 });
	world_settle();
	T_CHARGED(21, "job");
	executes(21, "c", 1);
	world_settle();
	T_CHARGED(21, "job");
	T_EQ(tacho_binder_rescan(world.binder, ++world.time), 0);
	T_CHARGED(21, "job");
	end();
}

/* The first rule that matches wins, also when it comes to match by an exec. */
T_CASE(a_rule_before_a_tree)
{
	T_NEED(begin(TACHO_BY_PROCESS, 64, RULES("cc=comm:gcc", "job=tree:10")));
	has(10, 10, "sh", 1);
	world_start();
	T_CHARGED(10, "job");
	T_EQ(world.task[10].flags, TACHO_TASK_INHERIT);
	forks(10, 20, 20, "sh");
	executes(20, "gcc", 10);
	forks(10, 30, 30, "sh");
	world_settle();
	T_CHARGED(20, "cc");
	T_CHARGED(30, "job");
	forks(20, 21, 21, "gcc");
	ends(20);
	fake_task(21, 21, (struct fake_task){ .comm = "gcc", .ppid = 1 });
	world_settle();
	T_CHARGED(21, "cc");
	executes(30, "ls", 10);
	world_settle();
	T_CHARGED(30, "job");
	end();
}

T_CASE(kernel_threads_by_a_rule)
{
	T_NEED(begin(TACHO_BY_PROCESS, 64, RULES("soft=comm:ksoftirqd/*", "all=uid:0")));
	fake_task(16, 16,
		  (struct fake_task){ .comm = "ksoftirqd/0", .ppid = 2, .flags = PF_KTHREAD });
	world_has(16, 16);
	world_start();
	T_CHARGED(16, "soft");
	T_CHARGED(2, "system");
	T_CHARGED(1, "all");
	fake_task(17, 17,
		  (struct fake_task){ .comm = "ksoftirqd/1", .ppid = 2, .flags = PF_KTHREAD });
	world_fork(2, 17, 17);
	fake_task(18, 18, (struct fake_task){ .comm = "modprobe", .ppid = 2, .uid = 3 });
	world_fork(2, 18, 18); /* a program that the kernel starts */
	world_exec(18);
	world_settle();
	T_CHARGED(17, "soft");
	T_CHARGED(18, "modprobe");
	end();
}

/* --- what a domain shall be --------------------------------------------------------------------- */

T_CASE(by_cgroup)
{
	static const char longest[] = "0::/a/really-long-name-of-a-slice-1234567.slice/x.scope\n";

	T_NEED(begin(TACHO_BY_CGROUP, 64, NO_RULES));
	fake_task(10, 10,
		  (struct fake_task){ .comm = "a", .cgroup = "0::/system.slice/a.service\n" });
	fake_task(11, 11,
		  (struct fake_task){ .comm = "b", .cgroup = "0::/system.slice/a.service\n" });
	fake_task(12, 12, (struct fake_task){ .comm = "c", .cgroup = longest });
	world_has(10, 10);
	world_has(11, 11);
	world_has(12, 12);
	world_start();
	T_CHARGED(1, "/");
	T_CHARGED(10, "/system.slice/a.service");
	T_CHARGED(11, "/system.slice/a.service");
	T_CHARGED(12, "x.scope");
	T_CHARGED(2, "system");
	T_EQ(world.pool_tail, 0);
	T_EQ(world.task[10].flags, TACHO_TASK_INHERIT);
	world_fork(10, 20, 20);
	world_settle();
	T_CHARGED(20, "/system.slice/a.service");
	fake_task(20, 20, (struct fake_task){ .comm = "b", .cgroup = "0::/b\n" });
	world_exec(20);
	world_settle();
	T_CHARGED(20, "/b");
	ends(20);
	world_settle();
	T_OK(info_of(number_of("/b")).is_gone);
	fake_task(21, 21, (struct fake_task){ .comm = "b", .cgroup = "0::/b\n" });
	world_fork(10, 21, 21);
	world_exec(21);
	world_settle(); /* the group is the same, and so is its number */
	T_CHARGED(21, "/b");
	T_OK(!info_of(number_of("/b")).is_gone);
	fake_task(21, 21, (struct fake_task){ .comm = "b", .cgroup = "0::/moved\n" });
	T_EQ(tacho_binder_rescan(world.binder, ++world.time), 0);
	T_CHARGED(21, "/moved");
	end();
}

T_CASE(by_user)
{
	T_NEED(begin(TACHO_BY_USER, 64, NO_RULES));
	fake_task(10, 10, (struct fake_task){ .comm = "a", .uid = 4123456789u });
	world_has(10, 10);
	world_start();
	T_CHARGED(1, "root");
	T_CHARGED(10, "uid 4123456789");
	T_CHARGED(2, "system");
	end();
}

static void has_machine(void)
{
	has(50, 50, "qemu-system-x86", 1);
	has(50, 51, "CPU 0/KVM", 1);
	has(50, 52, "vhost-50", 1);
	has(50, 53, "IO mon_iothread", 1);
	fake_fd(50, 50, 11, "anon_inode:kvm-vm");
	fake_write(50, 50, "cmdline", "qemu\0-name\0guest=web01,x=y\0", 27);
	fake_task(60, 60, (struct fake_task){ .comm = "vhost-50", .ppid = 2, .flags = PF_KTHREAD });
	world_has(60, 60);
}

T_CASE(by_machine)
{
	T_NEED(begin(TACHO_BY_VM, 64, NO_RULES));
	has_machine();
	has(70, 70, "sh", 1);
	world_start();
	T_CHARGED(50, "web01:io");
	T_CHARGED(51, "web01:vcpu");
	T_CHARGED(52, "web01:vhost");
	T_CHARGED(53, "web01:io");
	T_CHARGED(60, "web01:vhost");
	T_CHARGED(70, "sh");
	T_OK(info_of(number_of("web01:vcpu")).is_vm);
	T_EQ(info_of(number_of("web01:vcpu")).pid, 50);
	T_OK(!info_of(number_of("sh")).is_vm);
	forks(50, 50, 54, "qemu-system-x86"); /* hot-plugged: its name comes later */
	world_settle();
	T_CHARGED(54, "web01:io");
	fake_task(50, 54, (struct fake_task){ .comm = "CPU 1/KVM" });
	world_settle();
	T_CHARGED(54, "web01:vcpu");
	forks(50, 50, 55, "nameless");
	world_settle();
	world_settle();
	T_CHARGED(55, "web01:io");
	world_row(WORLD_VCPU, 50, 55); /* nothing tells but that it runs a guest */
	world_settle();
	T_CHARGED(55, "web01:vcpu");
	end();
}

T_CASE(a_machine_is_started)
{
	T_NEED(begin(TACHO_BY_VM, 64, NO_RULES));
	world_start();
	forks(1, 50, 50, "sh");
	executes(50, "qemu-system-x86", 1);
	world_settle();
	T_CHARGED(50, "qemu-system-x86");
	fake_fd(50, 50, 11, "anon_inode:kvm-vm");
	fake_write(50, 50, "cmdline", "qemu\0-name\0w\0", 13);
	fake_task(60, 60, (struct fake_task){ .comm = "vhost-50", .ppid = 2, .flags = PF_KTHREAD });
	world_fork(2, 60, 60);
	world_settle();
	T_CHARGED(60, "w:vhost");
	T_CHARGED(50, "w:io");
	forks(50, 50, 51, "CPU 0/KVM");
	world_settle();
	T_CHARGED(51, "w:vcpu");
	forks(1, 80, 80, "tiny");
	fake_fd(80, 80, 3, "anon_inode:kvm-vm");
	world_settle();
	world_row(WORLD_VCPU, 80, 80);
	world_settle();
	T_CHARGED(80, "tiny-80:vcpu");
	forks(1, 81, 81, "secret"); /* its files may not be read */
	world_settle();
	world_row(WORLD_VCPU, 81, 81);
	world_settle();
	T_CHARGED(81, "secret-81:vcpu");
	ends(80);
	world_settle();
	T_OK(info_of(number_of("tiny-80:vcpu")).is_gone);
	end();
}

T_CASE(machines_by_rule_and_by_process)
{
	T_NEED(begin(TACHO_BY_PROCESS, 64, RULES("guests=vm:web*")));
	has_machine();
	has(90, 90, "crosvm", 1);
	fake_fd(90, 90, 11, "anon_inode:kvm-vm");
	world_start();
	T_CHARGED(50, "guests");
	T_CHARGED(51, "guests");
	T_CHARGED(60, "guests");
	T_CHARGED(90, "crosvm");
	T_OK(info_of(number_of("guests")).is_vm);
	T_OK(info_of(number_of("crosvm")).is_vm);
	fake_task(61, 61, (struct fake_task){ .comm = "vhost-90", .ppid = 2, .flags = PF_KTHREAD });
	world_fork(2, 61, 61);
	world_settle();
	T_CHARGED(61, "crosvm");
	end();
}

T_MAIN
