// SPDX-License-Identifier: BSD-2-Clause
/*
 * keeper.c: the process that starts programs, waits for them, and outlives them all.
 *
 * Owns the programs: they are its children and no one else's, each in a process group of its own,
 * and what they leave behind comes to it, because it is their subreaper. It ends when its socket
 * does, whatever became of the other end, and takes everything with it. It holds no descriptor but
 * its own, so that the locks and the logs of the scheduler are gone when the scheduler is. Called
 * by jobs.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "facts/live.h"
#include "keeper.h"
#include "kernel/procs.h"

#define GRACE_NS 2000000000ull /* from SIGTERM to SIGKILL */
#define MAX_TOLD 4096u /* children that SIGTERM is sent to; more have to wait for SIGKILL */
#define LIMIT_NS 3000000000ull /* then it goes, whatever is left: the kernel cannot end it either */

struct running {
	int pid; /* 0: does not run */
	uint32_t run;
};

/* In the keeper. */
struct keeper {
	const struct tacho_launch *launch;
	const char *output;
	int fd;
	struct running *running; /* by job */
	int told[MAX_TOLD]; /* children that have been sent SIGTERM */
	size_t nr_told;
};

/* Whoever reads it may be slow: wait. If he is gone, poll will say so. */
static void tell(const struct keeper *keeper, struct tacho_i_keeper_message *message)
{
	ssize_t sent;

	message->time_ns = message->time_ns ? message->time_ns : tacho_live_now();
	do
		sent = send(keeper->fd, message, sizeof(*message), MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
}

/* --- a program -------------------------------------------------------------------------------- */

/* Standard input is empty; what it prints goes to a file, or nowhere. 0 or errno. */
static int output_set(const struct keeper *keeper, const struct tacho_launch_job *job, bool first)
{
	char path[4096];
	int in, out;

	in = open("/dev/null", O_RDONLY);
	if (in < 0 || dup2(in, 0) < 0)
		return errno;
	if (!keeper->output) {
		out = open("/dev/null", O_WRONLY);
	} else {
		if ((size_t)snprintf(path, sizeof(path), "%s/%s.out", keeper->output, job->label) >=
		    sizeof(path))
			return ENAMETOOLONG;
		/* a link that somebody else put there is not followed */
		out = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | (first ? O_TRUNC : 0),
			   0644);
	}
	if (out < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		return errno;
	if (in > 2)
		close(in);
	if (out > 2)
		close(out);
	return 0;
}

/* In the child, until it is the program. Says what failed through fd. */
static void program_run(const struct keeper *keeper, const struct tacho_launch_job *job, int parent,
			bool first, int fd)
{
	int what[2] = { 0, TACHO_I_STEP_OUTPUT }, sig;
	sigset_t none;

	for (sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127); /* it died before we had said so */
	what[0] = output_set(keeper, job, first);
	if (!what[0] && job->rundir && chdir(job->rundir)) {
		what[0] = errno;
		what[1] = TACHO_I_STEP_DIR;
	}
	if (!what[0]) {
		execvp(job->argv[0], job->argv);
		what[0] = errno;
		what[1] = TACHO_I_STEP_EXEC;
	}
	while (write(fd, what, sizeof(what)) < 0 && errno == EINTR)
		;
	_exit(127);
}

static void program_start(struct keeper *keeper, const struct tacho_i_keeper_message *order)
{
	struct tacho_i_keeper_message message = { .kind = TACHO_I_KEEPER_FAILED,
						  .job = order->job,
						  .run = order->run };
	const struct tacho_launch_job *job = &keeper->launch->jobs[order->job];
	int what[2] = { 0, 0 }, fds[2], self = getpid(), pid;
	ssize_t got;

	if (pipe2(fds, O_CLOEXEC)) {
		message.error = errno;
		tell(keeper, &message);
		return;
	}
	pid = fork();
	if (pid == 0)
		program_run(keeper, job, self, order->run == 1, fds[1]);
	message.error = pid < 0 ? errno : 0;
	close(fds[1]);
	if (pid > 0) {
		setpgid(pid, pid); /* whoever is first */
		do /* ends when the program has begun */
			got = read(fds[0], what, sizeof(what));
		while (got < 0 && errno == EINTR);
		message.error = what[0];
		message.step = (uint32_t)what[1];
		message.pid = pid;
	}
	close(fds[0]);
	if (!message.error) {
		message.kind = TACHO_I_KEEPER_STARTED;
		keeper->running[order->job] = (struct running){ pid, order->run };
	}
	tell(keeper, &message);
}

/* --- the end of programs ---------------------------------------------------------------------- */

/*
 * Everybody who has ended; those that programs left behind, too. Returns false when nobody is left.
 */
static bool reap(struct keeper *keeper)
{
	struct tacho_i_keeper_message message;
	uint32_t job;
	int status, pid;

	for (;;) {
		memset(&message, 0, sizeof(message));
		pid = wait4(-1, &status, WNOHANG, &message.usage);
		if (pid <= 0)
			return pid == 0 || errno != ECHILD;
		for (job = 0; job < keeper->launch->nr_jobs; job++) {
			if (keeper->running[job].pid != pid)
				continue;
			message.kind = TACHO_I_KEEPER_ENDED;
			message.job = job;
			message.run = keeper->running[job].run;
			message.pid = pid;
			message.status = status;
			keeper->running[job].pid = 0;
			tell(keeper, &message);
		}
	}
}

/* The parent of a process; 0: it is gone. */
static int parent_of(int pid)
{
	struct tacho_proc proc;

	return tacho_procs_read("/proc", pid, pid, 0, &proc) ? 0 : proc.ppid;
}

/* Once: many a program takes a second one for impatience, and leaves its work undone. */
static void child_terminate(struct keeper *keeper, int pid)
{
	size_t i;

	for (i = 0; i < keeper->nr_told; i++)
		if (keeper->told[i] == pid)
			return;
	if (i == MAX_TOLD)
		return;
	keeper->told[keeper->nr_told++] = pid;
	(void)kill(pid, SIGTERM);
	(void)kill(pid, SIGCONT); /* the stopped hear nothing else */
}

/* Our children: programs, and what programs that have ended left to us. */
static void children_end(struct keeper *keeper, int sig)
{
	int self = getpid(), pid;
	struct dirent *entry;
	DIR *proc = opendir("/proc");

	while (proc && (entry = readdir(proc))) {
		pid = (int)strtol(entry->d_name, NULL, 10);
		if (pid <= 0 || parent_of(pid) != self)
			continue;
		if (sig == SIGTERM)
			child_terminate(keeper, pid);
		else
			(void)kill(pid, sig);
	}
	if (proc)
		closedir(proc);
}

static void groups_signal(const struct keeper *keeper, int sig)
{
	size_t job;

	for (job = 0; job < keeper->launch->nr_jobs; job++)
		if (keeper->running[job].pid)
			(void)kill(-keeper->running[job].pid, sig);
}

/*
 * Groups first, so that nobody is left behind by a parent that ends; then all that came to us,
 * again and again, because what they leave behind comes to us as well.
 */
static void all_end(struct keeper *keeper)
{
	const struct timespec tick = { .tv_nsec = 10000000 };
	uint64_t start = tacho_live_now(), passed = 0;

	groups_signal(keeper, SIGTERM);
	groups_signal(keeper, SIGCONT);
	while (reap(keeper) && passed < LIMIT_NS) {
		passed = tacho_live_now() - start;
		if (passed > GRACE_NS)
			groups_signal(keeper, SIGKILL);
		children_end(keeper, passed > GRACE_NS ? SIGKILL : SIGTERM);
		nanosleep(&tick, NULL);
	}
}

/* --- the keeper ------------------------------------------------------------------------------- */

static void child_ended(int sig)
{
	(void)sig; /* that it ended our sleep is all that is wanted */
}

/*
 * Whoever reads what the scheduler prints must see its end when it ends, so not even that is held.
 */
static void descriptors_close(int keep)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC), standard;

	for (standard = 0; standard < 3 && fd >= 0; standard++)
		(void)dup2(fd, standard);
	if (keep > 3)
		(void)syscall(SYS_close_range, 3u, (unsigned)keep - 1, 0u);
	if (syscall(SYS_close_range, (unsigned)keep + 1, ~0u, 0u) == 0)
		return;
	for (fd = 3; fd < 65536; fd++) /* a kernel before 5.9 */
		if (fd != keep)
			close(fd);
}

/* Deaf to what is meant for the scheduler: only the end of the socket counts. */
static void signals_set(sigset_t *asleep)
{
	struct sigaction action = { .sa_handler = SIG_IGN };
	sigset_t blocked;
	int sig;

	for (sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &action, NULL);
	action.sa_handler = child_ended;
	(void)sigaction(SIGCHLD, &action, NULL);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	sigemptyset(asleep);
}

static void keeper_run(struct keeper *keeper)
{
	struct pollfd poll = { .fd = keeper->fd, .events = POLLIN };
	struct tacho_i_keeper_message order;
	sigset_t asleep;
	ssize_t got;

	signals_set(&asleep);
	setsid();
	prctl(PR_SET_NAME, "tacho-keeper");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	descriptors_close(keeper->fd);
	for (;;) {
		(void)reap(keeper);
		if (ppoll(&poll, 1, NULL, &asleep) < 0)
			continue; /* SIGCHLD */
		got = recv(keeper->fd, &order, sizeof(order), MSG_DONTWAIT);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got != sizeof(order))
			break;
		if (order.kind == TACHO_I_KEEPER_START && order.job < keeper->launch->nr_jobs)
			program_start(keeper, &order);
	}
	all_end(keeper);
	_exit(0);
}

int tacho_i_keeper_open(const struct tacho_launch *launch, const char *output, int *pid, int *fd)
{
	struct keeper keeper = { .launch = launch, .output = output };
	int fds[2], error = 0;

	keeper.running = calloc(launch->nr_jobs + 1, sizeof(*keeper.running));
	if (!keeper.running)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds)) {
		error = -errno;
		goto out;
	}
	*pid = fork();
	if (*pid == 0) {
		close(fds[0]);
		keeper.fd = fds[1];
		keeper_run(&keeper);
	}
	error = *pid < 0 ? -errno : 0;
	close(fds[1]);
	*fd = fds[0];
	if (error)
		close(fds[0]);
	else
		(void)fcntl(*fd, F_SETFL, O_NONBLOCK);
out:
	free(keeper.running);
	return error;
}

void tacho_i_keeper_close(int pid, int fd)
{
	const struct timespec tick = { .tv_nsec = 2000000 };
	uint64_t limit = tacho_live_now() + LIMIT_NS + 1000000000u;
	struct tacho_i_keeper_message message;
	int got;

	shutdown(fd, SHUT_WR); /* it reads the end, and we what it still says */
	while ((got = waitpid(pid, NULL, WNOHANG)) == 0 || (got < 0 && errno == EINTR)) {
		while (recv(fd, &message, sizeof(message), MSG_DONTWAIT) > 0)
			;
		if (got == 0 && tacho_live_now() > limit) {
			(void)kill(pid, SIGKILL);
			limit = UINT64_MAX;
		}
		nanosleep(&tick, NULL);
	}
	close(fd);
}
