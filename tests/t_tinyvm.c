/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_tinyvm.c: the virtual machine that other tests and the choice of sources rely on.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "kernel/tinyvm.h"
#include "t.h"

#define SECOND 1000000000ull

static uint64_t sum(const struct tacho_tinyvm_count *count)
{
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < TACHO_TINYVM_REASONS; i++)
		total += count->exits[i];
	return total;
}

/* Run one guest; false and a skip where there is no KVM. What must hold of any run is checked here. */
static int run_guest(enum tacho_tinyvm_guest guest, uint64_t max_ns, uint64_t max_exits,
		     struct tacho_tinyvm_count *count)
{
	struct tacho_tinyvm *vm;
	char why[160] = "";
	uint64_t before;
	int error = tacho_tinyvm_open(&vm, guest, why, sizeof(why));

	memset(count, 0, sizeof(*count));
	if (error) {
		T_OK(why[0] != '\0' && strchr(why, '\n') == NULL);
		t_skip("no virtual machine here: %s", why);
		return 0;
	}
	before = t_now_ns();
	T_EQ(tacho_tinyvm_run(vm, max_ns, max_exits, count), 0);
	T_OK(count->run_ns <= t_now_ns() - before);
	T_EQ(count->calls, sum(count) + count->signals + count->errors);
	T_EQ(count->errors, 0);
	T_OK(max_exits == 0 || sum(count) <= max_exits);
	tacho_tinyvm_close(vm);
	return 1;
}

T_CASE(out_exits_once_per_loop)
{
	struct tacho_tinyvm_count count;

	if (!run_guest(TACHO_TINYVM_OUT, 10 * SECOND, 200, &count))
		return;
	T_EQ(count.exits[KVM_EXIT_IO], 200);
	T_EQ(sum(&count), 200);
	T_EQ(count.signals, 0);
	/* the guest goes on behind the instruction only with the next call */
	T_EQ(count.loops, 199);
}

T_CASE(mix_exits_for_each_access)
{
	struct tacho_tinyvm_count count;

	if (!run_guest(TACHO_TINYVM_MIX, 10 * SECOND, 301, &count))
		return;
	T_EQ(count.exits[KVM_EXIT_IO], 101);
	T_EQ(count.exits[KVM_EXIT_MMIO], 200);
	T_EQ(count.loops, 100);
}

T_CASE(halts_are_ended_by_interrupts)
{
	struct tacho_tinyvm_count count;

	if (!run_guest(TACHO_TINYVM_HALT, 10 * SECOND, 50, &count))
		return;
	T_EQ(count.exits[KVM_EXIT_IO], 50);
	T_EQ(count.interrupts, 50);
}

T_CASE(time_ends_a_guest_that_does_not_exit)
{
	struct tacho_tinyvm_count count;

	if (!run_guest(TACHO_TINYVM_SPIN, SECOND / 50, 0, &count))
		return;
	T_OK(count.run_ns > 0);
	T_OK(count.signals <= 1);
	T_EQ(count.calls, count.exits[KVM_EXIT_IO] + count.signals);
}

T_CASE(a_run_goes_on_where_the_last_one_ended)
{
	struct tacho_tinyvm_count count = { { 0 }, 0, 0, 0, 0, 0, 0 };
	struct tacho_tinyvm *vm;
	char why[160];

	if (tacho_tinyvm_open(&vm, TACHO_TINYVM_OUT, why, sizeof(why)))
		T_SKIP("no virtual machine here: %s", why);
	T_EQ(tacho_tinyvm_run(vm, 0, 10, &count), 0);
	T_EQ(tacho_tinyvm_run(vm, 0, 15, &count), 0);
	T_EQ(count.exits[KVM_EXIT_IO], 25);
	T_EQ(count.loops, 24);
	T_EQ(tacho_tinyvm_run(vm, 0, 0, &count), -EINVAL);
	tacho_tinyvm_close(vm);
}

/* --- the process is as it was --------------------------------------------------------------- */

static int nr_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int nr = 0;

	while (dir && readdir(dir))
		nr++;
	if (dir)
		closedir(dir);
	return nr;
}

static int handled;

static void handler(int signal)
{
	(void)signal;
	handled++;
}

T_CASE(nothing_stays_behind)
{
	struct sigaction action = { .sa_handler = handler };
	struct tacho_tinyvm_count count;
	sigset_t before, after, pending;
	int files = nr_files(), guest;

	T_EQ(sigaction(SIGRTMAX, &action, NULL), 0);
	memset(&before, 0, sizeof(before)); /* the kernel's mask is shorter than the type */
	memset(&after, 0, sizeof(after));
	sigprocmask(SIG_SETMASK, NULL, &before);
	for (guest = 0; guest < TACHO_NR_TINYVM; guest++) {
		if (!run_guest((enum tacho_tinyvm_guest)guest, SECOND / 100, 0, &count))
			return;
		if (!run_guest((enum tacho_tinyvm_guest)guest, SECOND / 1000, 5, &count))
			return;
	}
	sigprocmask(SIG_SETMASK, NULL, &after);
	T_EQ(memcmp(&before, &after, sizeof(before)), 0);
	T_EQ(sigpending(&pending), 0);
	T_OK(!sigismember(&pending, SIGRTMAX));
	T_EQ(handled, 0);
	T_EQ(nr_files(), files);
}

/* --- refusals ------------------------------------------------------------------------------- */

T_CASE(nonsense_is_refused)
{
	struct tacho_tinyvm *vm = (struct tacho_tinyvm *)&handled;

	T_OK(tacho_tinyvm_open(&vm, TACHO_NR_TINYVM, NULL, 0) < 0);
	T_OK(vm == NULL);
	tacho_tinyvm_close(NULL);
}

/* In a child, so that it can be undone: every descriptor that it takes may be the one too many. */
static void refused_at(int nr)
{
	struct rlimit limit = { (rlim_t)nr, (rlim_t)nr };
	struct tacho_tinyvm *vm = NULL;
	char why[160] = "";
	int files, error;

	setrlimit(RLIMIT_NOFILE, &limit);
	files = dup(0);
	close(files);
	error = tacho_tinyvm_open(&vm, TACHO_TINYVM_OUT, why, sizeof(why));
	T_OK(error <= 0);
	if (error) {
		T_OK(vm == NULL);
		T_OK(why[0] != '\0');
	}
	tacho_tinyvm_close(vm);
	T_EQ(dup(0), files); /* the lowest free one is what it was */
}

T_CASE(too_few_descriptors)
{
	int nr, status, lowest = dup(0);
	pid_t pid;

	T_NEED(lowest >= 0);
	close(lowest);
	for (nr = lowest + 1; nr < lowest + 5; nr++) {
		fflush(stdout);
		pid = fork();
		T_NEED(pid >= 0);
		if (pid == 0) {
			refused_at(nr);
			_exit(t_failures());
		}
		T_EQ(waitpid(pid, &status, 0), pid);
		T_EQ(status, 0);
	}
}

/* Without /dev/kvm, and with one that is not for this user: in a mount namespace of a child. */
static void without_kvm(int hidden)
{
	struct tacho_tinyvm *vm;
	char why[160] = "";
	int error;

	if (hidden) {
		if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("none", "/dev", "tmpfs", 0, NULL))
			_exit(2);
	} else if (setresuid(65534, 65534, 65534)) {
		_exit(2);
	}
	error = tacho_tinyvm_open(&vm, TACHO_TINYVM_OUT, why, sizeof(why));
	T_OK(vm == NULL || !hidden);
	T_OK(error < 0 || !hidden);
	if (error) {
		T_OK(strncmp(why, "/dev/kvm: ", 10) == 0);
		T_OK(error == -ENOENT || error == -EACCES || error == -EOPNOTSUPP);
	}
	tacho_tinyvm_close(vm);
}

T_CASE(no_kvm)
{
	int hidden, status;
	pid_t pid;

	for (hidden = 0; hidden < 2; hidden++) {
		fflush(stdout);
		pid = fork();
		T_NEED(pid >= 0);
		if (pid == 0) {
			without_kvm(hidden);
			_exit(t_failures());
		}
		T_EQ(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
			T_SKIP("not privileged to hide /dev/kvm from a child");
		T_EQ(status, 0);
	}
}

T_MAIN
