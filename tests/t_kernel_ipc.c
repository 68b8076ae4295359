// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_kernel_ipc.c: bytes through sockets and pipes, calls of futex and system calls, as the kernel
 * component tells them, against what a child did and knows of it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "kactor.h"

/* Of the child, for the results of calls: what is not as planned is told. */
#define DO(call, want)                                                                             \
	do {                                                                                       \
		if ((long)(call) != (long)(want))                                                  \
			told[0]++;                                                                 \
	} while (0)

/* --- sockets ---------------------------------------------------------------------------------- */

#define SENT	 70000u
#define MESSAGES 100u

static void talk_unix(uint64_t *told, void *arg)
{
	static char buffer[SENT];
	int pair[2];

	(void)arg;
	DO(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	for (unsigned i = 1; i <= MESSAGES; i++) {
		DO(write(pair[0], buffer, i), i);
		DO(recv(pair[1], buffer, 1, MSG_PEEK), 1);
		DO(read(pair[1], buffer, SENT), i);
	}
	DO(recv(pair[1], buffer, 1, MSG_DONTWAIT), -1);
}

T_CASE(unix_sockets_say_their_bytes)
{
	const uint64_t bytes = MESSAGES * (MESSAGES + 1) / 2;
	struct kactor actor;
	struct krig rig;

	KACTOR_NEED(kactor_start(&actor, &rig, talk_unix, NULL));
	if (!kactor_has(&rig, TACHO_K_IPC_SOCKET)) {
		kactor_end(&actor, &rig);
		T_SKIP("this kernel has no tracepoint sock_send_length");
	}
	T_EQ(kactor_watch(&actor, &rig, TACHO_K_IPC_SOCKET, 1024), 0);
	T_OK(kactor_run(&actor));
	kactor_read(&actor, &rig);
	T_EQ(actor.told[0], 0);
	T_EQ(kactor_rows(&actor, TACHO_K_IPC_SOCKET, 0), MESSAGES);
	T_EQ(kactor_sum(&actor, TACHO_K_IPC_SOCKET, 0), bytes);
	T_EQ(kactor_rows(&actor, TACHO_K_IPC_SOCKET, 1), MESSAGES);
	T_EQ(kactor_sum(&actor, TACHO_K_IPC_SOCKET, 1), bytes);
	kactor_end(&actor, &rig);
}

/* --- pipes ------------------------------------------------------------------------------------ */

static void talk_pipe(uint64_t *told, void *arg)
{
	static char buffer[4096];
	struct iovec parts[2] = { { buffer, 100 }, { buffer + 100, 200 } };
	int one[2], two[2], file = *(int *)arg;
	loff_t start = 0;

	DO(pipe(one), 0);
	DO(pipe2(two, O_NONBLOCK), 0);
	DO(write(one[1], buffer, 1000), 1000);
	DO(read(one[0], buffer, 4096), 1000);
	DO(writev(one[1], parts, 2), 300);
	DO(readv(one[0], parts, 2), 300);
	/* no bytes, or no pipe */
	DO(read(two[0], buffer, 4096), -1);
	DO(write(-1, buffer, 10), -1);
	DO(write(file, buffer, 4096), 4096);
	DO(pread(file, buffer, 50, 0), 50);
	/* between them: 5 in, 5 copied, 5 moved, 5 out, 5 out */
	DO(vmsplice(one[1], &(struct iovec){ buffer, 5 }, 1, 0), 5);
	DO(tee(one[0], two[1], 5, 0), 5);
	DO(splice(one[0], NULL, two[1], NULL, 5, 0), 5);
	DO(splice(two[0], NULL, file, &start, 5, 0), 5);
	DO(vmsplice(two[0], &(struct iovec){ buffer, 5 }, 1, 0), 5);
	start = 0;
	DO(splice(file, &start, one[1], NULL, 60, 0), 60);
	DO(lseek(file, 0, SEEK_SET), 0);
	DO(sendfile(one[1], file, NULL, 30), 30);
	DO(read(one[0], buffer, 4096), 90);
}

T_CASE(pipes_say_their_bytes)
{
	char path[] = "/tmp/tacho-pipe-XXXXXX";
	int file = mkstemp(path);
	struct kactor actor;
	struct krig rig;

	T_NEED(file >= 0);
	unlink(path);
	KACTOR_NEED(kactor_start(&actor, &rig, talk_pipe, &file));
	T_EQ(kactor_watch(&actor, &rig, TACHO_K_IPC_PIPE, 1024), 0);
	T_OK(kactor_run(&actor));
	kactor_read(&actor, &rig);
	T_EQ(actor.told[0], 0);
	T_EQ(kactor_rows(&actor, TACHO_K_IPC_PIPE, 0), 7);
	T_EQ(kactor_sum(&actor, TACHO_K_IPC_PIPE, 0), 1000 + 300 + 3 * 5 + 60 + 30);
	T_EQ(kactor_rows(&actor, TACHO_K_IPC_PIPE, 1), 7);
	T_EQ(kactor_sum(&actor, TACHO_K_IPC_PIPE, 1), 1000 + 300 + 4 * 5 + 90);
	kactor_end(&actor, &rig);
	close(file);
}

/* --- futexes ---------------------------------------------------------------------------------- */

static void talk_futex(uint64_t *told, void *arg)
{
	static uint32_t word = 1;

	(void)arg;
	for (int i = 0; i < 500; i++)
		DO(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 0);
	for (int i = 0; i < 300; i++)
		DO(syscall(SYS_futex, &word, FUTEX_WAIT, 2, NULL, NULL, 0), -1);
}

T_CASE(futexes_say_their_operation)
{
	struct kactor actor;
	struct krig rig;

	KACTOR_NEED(kactor_start(&actor, &rig, talk_futex, NULL));
	T_EQ(kactor_watch(&actor, &rig, TACHO_K_IPC_FUTEX, 1024), 0);
	T_OK(kactor_run(&actor));
	kactor_read(&actor, &rig);
	T_EQ(actor.told[0], 0);
	T_EQ(kactor_rows(&actor, TACHO_K_IPC_FUTEX, FUTEX_WAKE), 500);
	T_EQ(kactor_sum(&actor, TACHO_K_IPC_FUTEX, FUTEX_WAIT), 300);
	T_EQ(kactor_rows(&actor, TACHO_K_IPC_FUTEX, TACHO_NONE), 800);
	kactor_end(&actor, &rig);
}

/* --- system calls ----------------------------------------------------------------------------- */

#define CALLS 5000u
#define SLEPT 20000000u

static void call_much(uint64_t *told, void *arg)
{
	const struct timespec a_while = { 0, SLEPT };
	uint64_t start = t_now_ns();

	(void)arg;
	for (unsigned i = 0; i < CALLS; i++)
		syscall(SYS_getppid);
	told[1] = t_now_ns() - start;
	DO(syscall(SYS_nanosleep, &a_while, NULL), 0);
}

T_CASE(system_calls_are_counted_exactly)
{
	struct kactor actor;
	struct krig rig;
	uint64_t sum;

	KACTOR_NEED(kactor_start(&actor, &rig, call_much, NULL));
	T_EQ(kactor_watch(&actor, &rig, TACHO_K_SYSCALL, 2 * CALLS), 0);
	T_OK(kactor_run(&actor));
	kactor_read(&actor, &rig);
	T_EQ(actor.told[0], 0);
	T_EQ(kactor_count(&actor, TACHO_K_SYSCALL, SYS_getppid, &sum), CALLS);
	T_OK(sum > 0 && sum < actor.told[1]);
	T_EQ(kactor_count(&actor, TACHO_K_SYSCALL, SYS_nanosleep, &sum), 1);
	T_OK(sum >= SLEPT);
	T_EQ(krig_lost(&rig), 0);
	kactor_end(&actor, &rig);
}

/*
 * Where switches are followed, the domain is that of the last one. A kernel that did not run our
 * program for a switch makes it wrong until the next: never too many rows, and all of them sooner or
 * later.
 */
T_CASE(system_calls_are_counted_where_switches_are_followed)
{
	const uint32_t service = TACHO_K_CPU_SERVICE;
	uint64_t rows = 0;

	for (int i = 0; i < 5 && rows != CALLS; i++) {
		struct kactor actor;
		struct krig rig;

		KACTOR_NEED(kactor_start(&actor, &rig, call_much, NULL));
		T_EQ(tacho_kernel_enable(rig.kernel, &service, 1), 0);
		T_EQ(kactor_watch(&actor, &rig, TACHO_K_SYSCALL, 2 * CALLS), 0);
		T_OK(kactor_run(&actor));
		kactor_read(&actor, &rig);
		rows = kactor_rows(&actor, TACHO_K_SYSCALL, SYS_getppid);
		T_OK(rows <= CALLS);
		T_EQ(krig_lost(&rig), 0);
		kactor_end(&actor, &rig);
	}
	T_EQ(rows, CALLS);
}

static void call_read(uint64_t *told, void *arg)
{
	int *pipe_fd = arg;
	char byte;

	(void)told;
	while (read(pipe_fd[0], &byte, 1) == 1)
		;
}

/* Until it sleeps in a call; bounded. */
static bool sleeps(pid_t pid)
{
	char path[64], text[512];
	const char *after;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	for (int i = 0; i < 2000; i++) {
		FILE *file = fopen(path, "re");

		if (file && fgets(text, sizeof(text), file)) {
			after = strrchr(text, ')');
			if (after && after[2] == 'S') {
				fclose(file);
				return true;
			}
		}
		if (file)
			fclose(file);
		usleep(1000);
	}
	return false;
}

/* The call that it is in when the event is enabled has no beginning, whatever was there before. */
T_CASE(a_call_that_was_entered_before_has_no_span)
{
	const uint32_t event = TACHO_K_SYSCALL;
	struct kactor actor;
	struct krig rig;
	int pipe_fd[2];

	T_NEED(pipe(pipe_fd) == 0);
	KACTOR_NEED(kactor_start(&actor, &rig, call_read, pipe_fd));
	kill(actor.pid, SIGCONT);
	T_OK(sleeps(actor.pid));
	/* enabled in call 0, disabled in call 1, enabled again in call 2 */
	T_EQ(kactor_watch(&actor, &rig, event, 1024), 0);
	T_EQ(write(pipe_fd[1], "0", 1), 1);
	usleep(20000);
	T_OK(sleeps(actor.pid));
	T_EQ(tacho_kernel_disable(rig.kernel, &event, 1), 0);
	kactor_read(&actor, &rig);
	T_EQ(kactor_rows(&actor, event, SYS_read), 0);
	T_EQ(write(pipe_fd[1], "1", 1), 1);
	usleep(20000);
	T_OK(sleeps(actor.pid));
	T_EQ(tacho_kernel_enable(rig.kernel, &event, 1), 0);
	T_EQ(write(pipe_fd[1], "23", 2), 2);
	usleep(20000);
	T_OK(sleeps(actor.pid));
	kactor_read(&actor, &rig);
	T_EQ(kactor_rows(&actor, event, SYS_read), 1); /* 3 */
	kactor_end(&actor, &rig);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

/* No counter in the row: nobody looks at the clock, and there is a row for each call all the same. */
T_CASE(a_log_without_counter_has_the_same_rows)
{
	struct tacho_memory *memory;
	struct kactor actor;
	struct krig rig;
	int log;

	KACTOR_NEED(kactor_start(&actor, &rig, call_much, NULL));
	T_EQ(kactor_watch(&actor, &rig, TACHO_K_SYSCALL, 16), 0);
	memory = tacho_kernel_memory(rig.kernel);
	log = tacho_memory_log_add(memory, 2 * CALLS, TACHO_ENTRY_CORRESPONDENT, TACHO_K_SYSCALL,
				   actor.domain);
	T_OK(log > 0);
	T_EQ(tacho_memory_route(memory, TACHO_K_SYSCALL, actor.domain, (uint32_t)log, 1), 0);
	rig.log[0] = (uint32_t)log;
	krig_rewind(&rig);
	T_OK(kactor_run(&actor));
	kactor_read(&actor, &rig);
	T_EQ(kactor_rows(&actor, TACHO_K_SYSCALL, SYS_getppid), CALLS);
	T_EQ(kactor_sum(&actor, TACHO_K_SYSCALL, TACHO_NONE), 0);
	kactor_end(&actor, &rig);
}

T_MAIN
