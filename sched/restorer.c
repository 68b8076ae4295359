// SPDX-License-Identifier: BSD-2-Clause
/*
 * restorer.c: the process that puts everything back when the scheduler is killed.
 *
 * Owns that process. It is a fork of the scheduler in a session of its own, deaf to every signal
 * that can be ignored, and without any descriptor but three: the state file, the scheduler's
 * process, and a pipe from it. Above all it keeps none of the kernel programs alive. It sleeps
 * until the scheduler is dead, takes the lock that died with him, undoes what the file says, and
 * ends. If somebody else has the lock by then, he undoes; who became owner meanwhile has a
 * generation of his own, which this one leaves alone. Started and watched by ledger.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ledger_internal.h"

#define LOOK_MS 200 /* where the kernel has no descriptors of processes */
#define LOCK_MS 10

enum { FD_FILE = 3, FD_PROCESS, FD_PIPE, FD_END };

static void deafen(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t none;

	for (int signal = 1; signal <= SIGRTMAX; signal++) {
		const bool is_fault = signal == SIGSEGV || signal == SIGBUS || signal == SIGILL ||
				      signal == SIGFPE || signal == SIGTRAP || signal == SIGABRT;
		struct sigaction fatal = { .sa_handler = SIG_DFL };

		sigaction(signal, is_fault ? &fatal : &ignore, NULL);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* One of ours to its place, by way of a number that is none of them. */
static int place(int fd, int number)
{
	int high = fcntl(fd, F_DUPFD, FD_END);

	if (high < 0)
		return -errno;
	if (dup2(high, number) < 0)
		return -errno;
	close(high);
	return 0;
}

/*
 * Only the file, the process and the pipe remain. The file is opened anew: its lock shall be this
 * process's own. A process that cannot be waited for leaves FD_PROCESS closed.
 */
static int descriptors_keep(int file, int process, int pipe)
{
	int null = open("/dev/null", O_RDWR), high[3], err = 0;
	const int from[3] = { file, process, pipe };

	for (int i = 0; i < 3; i++)
		high[i] = from[i] < 0 ? -1 : fcntl(from[i], F_DUPFD, FD_END);
	if (null < 0 || high[0] < 0 || high[2] < 0)
		return -EMFILE;
	for (int fd = 0; fd < FD_FILE; fd++)
		if (dup2(null, fd) < 0)
			return -errno;
	for (int i = 0; i < 3; i++) {
		close(FD_FILE + i);
		if (high[i] >= 0 && !err)
			err = place(high[i], FD_FILE + i);
	}
	if (!err && syscall(SYS_close_range, (unsigned)FD_END, ~0u, 0u))
		for (int fd = FD_END; fd < (int)sysconf(_SC_OPEN_MAX); fd++)
			close(fd);
	return err;
}

/* Until the owner is dead. The pipe alone may be held by other children of his. */
static void wait_for_death(int owner, bool has_process)
{
	struct pollfd fds[2] = {
		{ .fd = has_process ? FD_PROCESS : -1, .events = POLLIN },
		{ .fd = FD_PIPE, .events = POLLIN },
	};

	while (getppid() == owner) {
		int nr = poll(fds, 2, has_process ? -1 : LOOK_MS);

		if (nr > 0 && fds[0].revents)
			return;
		/* closed, and yet not dead: a regular end is about to kill this process */
		if (nr > 0 && fds[1].revents)
			fds[1].fd = -1;
	}
}

/* Whether there is still something that this process has to undo. */
static bool is_left(uint64_t generation)
{
	struct tacho_ledger_header header;
	struct stat stat_of;

	return !fstat(FD_FILE, &stat_of) && stat_of.st_nlink > 0 &&
	       pread(FD_FILE, &header, sizeof(header), 0) == (ssize_t)sizeof(header) &&
	       header.generation == generation;
}

static void undo(struct tacho_ledger_file *file, const struct tacho_world *world,
		 uint64_t generation)
{
	const struct timespec step = { .tv_nsec = LOCK_MS * 1000000l };
	int holder, owner;
	size_t undone;
	char why[256];

	while (tacho_l_lock(FD_FILE, &holder)) {
		nanosleep(&step, NULL);
		if (!is_left(generation))
			return;
	}
	if (!is_left(generation))
		return;
	if (!tacho_l_file_undo(file, world, generation, &owner, &undone, why, sizeof(why)))
		tacho_l_file_close(file, true);
}

static void run(int owner, uint64_t generation, int pipe, const struct tacho_ledger_file *parents,
		const struct tacho_world *world)
{
	struct tacho_ledger_file file = *parents;
	char name[32];
	int process;

	setsid();
	deafen();
	prctl(PR_SET_NAME, "tacho-restorer");
	process = (int)syscall(SYS_pidfd_open, owner, 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", parents->fd);
	file.fd = open(name, O_RDWR | O_CLOEXEC);
	if (file.fd < 0 || descriptors_keep(file.fd, process, pipe))
		return;
	file.fd = FD_FILE;
	file.header = NULL;
	wait_for_death(owner, process >= 0);
	undo(&file, world, generation);
}

int tacho_l_restorer_start(struct tacho_restorer *restorer, const struct tacho_ledger_file *file,
			   const struct tacho_world *world)
{
	/*
	 * not by the child: he may be dead by then, and the next owner's number be in the same
	 * place
	 */
	const uint64_t generation = file->header->generation;
	const int owner = getpid();
	int fds[2], pid;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(fds[1]);
		run(owner, generation, fds[0], file, world);
		_exit(0);
	}
	close(fds[0]);
	if (pid < 0) {
		int err = -errno;

		close(fds[1]);
		return err;
	}
	restorer->pid = pid;
	restorer->pipe = fds[1];
	return 0;
}

bool tacho_l_restorer_lives(struct tacho_restorer *restorer)
{
	int pid;

	if (!restorer->pid)
		return false;
	do {
		pid = waitpid(restorer->pid, NULL, WNOHANG);
	} while (pid < 0 && errno == EINTR);
	if (pid == 0)
		return true;
	close(restorer->pipe);
	restorer->pid = 0;
	return false;
}

void tacho_l_restorer_stop(struct tacho_restorer *restorer)
{
	/* a child that was not waited for: the number is his */
	if (!tacho_l_restorer_lives(restorer))
		return;
	kill(restorer->pid, SIGKILL);
	while (waitpid(restorer->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(restorer->pipe);
	restorer->pid = 0;
}
