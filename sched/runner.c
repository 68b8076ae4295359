/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * runner.c: one policy with its state, and who asks it.
 *
 * Built-in ones are called. One from a shared object is asked through a socket pair, with the input
 * in memory that its child has mapped too; a child that died, or does not answer in time, is
 * killed, and the runner is of no use any more. Must not load anything into this process. Prints
 * nothing. Called by the loop, one thread per runner.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sched/runner.h"

#define LIMIT_MS 100u
#define LOAD_MS	 5000u /* a shared object with all that it needs, from a cold disk */
#define PATIENCE 20 /* times the limit, for one that got no CPU meanwhile */
#define END_MS	 50

static void __attribute__((format(printf, 3, 4))) say(char *why, size_t size, const char *fmt, ...)
{
	va_list list;

	if (!why || !size)
		return;
	va_start(list, fmt);
	vsnprintf(why, size, fmt, list);
	va_end(list);
}

static uint64_t now_ms(clockid_t clock)
{
	struct timespec ts = { 0 };

	if (clock_gettime(clock, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* A text that the child wrote: it may still write it. */
static void take_text(char *to, const char *from, size_t size)
{
	memcpy(to, from, size);
	to[size - 1] = '\0';
	for (; *to; to++)
		if (*to < ' ' || *to > '~')
			*to = '?';
}

/* --- the child -------------------------------------------------------------------------------- */

/* End it, however it is. status: of waitpid. */
static void runner_reap(struct tacho_runner *runner, int *status)
{
	*status = 0;
	if (runner->fd >= 0)
		close(runner->fd);
	runner->fd = -1;
	if (runner->pid <= 0)
		return;
	/* it leads a session: what it forked ends too; until it is waited for, the number is its */
	kill(-runner->pid, SIGKILL);
	kill(runner->pid, SIGKILL);
	while (waitpid(runner->pid, status, 0) < 0 && errno == EINTR)
		;
	runner->pid = 0;
}

/* The child has closed its end, and will be gone in a moment: by what? */
static int runner_died(struct tacho_runner *runner, const char *when, char *why, size_t why_size)
{
	const struct timespec moment = { 0, 1000000 };
	int status = 0, tries = END_MS;
	siginfo_t info = { 0 };

	while (tries-- > 0 &&
	       !waitid(P_PID, (id_t)runner->pid, &info, WEXITED | WNOHANG | WNOWAIT) &&
	       !info.si_pid)
		(void)nanosleep(&moment, NULL);
	runner_reap(runner, &status);
	runner->dead = -EPIPE;
	if (WIFSIGNALED(status))
		say(why, why_size, "it crashed %s: signal %d, %s", when, WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else
		say(why, why_size, "it ended %s, with status %d", when, WEXITSTATUS(status));
	return -EPIPE;
}

/* Wait for the reply. One that had no CPU is given more time. */
static int runner_wait(struct tacho_runner *runner, unsigned limit_ms, const char *when, char *why,
		       size_t why_size)
{
	const uint64_t start = now_ms(CLOCK_MONOTONIC);
	clockid_t clock = CLOCK_MONOTONIC;
	uint64_t used, spent;
	int status, result, nr;

	if (clock_getcpuclockid(runner->pid, &clock))
		return runner_died(runner, when, why, why_size);
	used = now_ms(clock);
	for (;;) {
		struct pollfd fd = { runner->fd, POLLIN, 0 };
		const struct timespec step = { 0, 5000000 };

		nr = ppoll(&fd, 1, &step, NULL);
		if (nr > 0)
			break;
		if (nr < 0 && errno != EINTR)
			return -errno;
		spent = now_ms(CLOCK_MONOTONIC) - start;
		if (spent >= limit_ms && (now_ms(clock) - used >= limit_ms / 4 ||
					  spent >= (uint64_t)limit_ms * PATIENCE)) {
			runner_reap(runner, &status);
			runner->dead = -ETIMEDOUT;
			say(why, why_size, "it did not come back within %u ms %s", limit_ms, when);
			return -ETIMEDOUT;
		}
	}
	if (recv(runner->fd, &result, sizeof(result), MSG_DONTWAIT) != sizeof(result))
		return runner_died(runner, when, why, why_size);
	return result <= 0 && result > -4096 ? result : -EPROTO;
}

static int runner_fork(struct tacho_runner *runner, const char *file)
{
	int fds[2], error = tacho_arena_open(&runner->arena);
	pid_t parent = getpid();

	if (error)
		return error;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return -errno;
	runner->fd = fds[0];
	runner->pid = fork();
	if (!runner->pid)
		tacho_runner_child(&runner->arena, fds[1], file, parent);
	error = runner->pid < 0 ? -errno : 0;
	close(fds[1]);
	return error;
}

static int runner_load(struct tacho_runner *runner, const char *file, char *why, size_t why_size)
{
	char text[sizeof(runner->arena.answer->why)];
	char what[128] = "";
	int error;

	if (access(file, R_OK)) {
		error = -errno;
		say(why, why_size, "%s: %s", file, strerror(-error));
		return error;
	}
	error = runner_fork(runner, file);
	if (error) {
		say(why, why_size, "%s: no process for it: %s", file, strerror(-error));
		return error;
	}
	error = runner_wait(runner, LOAD_MS, "while it was loaded", what, sizeof(what));
	if (error == -ENOEXEC) {
		take_text(text, runner->arena.answer->why, sizeof(text));
		/* dlopen says the name of the file itself */
		say(why, why_size, strncmp(text, file, strlen(file)) ? "%s: %s" : "%.0s%s", file,
		    text);
	} else if (error) {
		say(why, why_size, "%s: %s", file, what[0] ? what : strerror(-error));
	}
	if (error)
		return error;
	take_text(runner->name, runner->arena.answer->name, sizeof(runner->name));
	take_text(runner->doc, runner->arena.answer->doc, sizeof(runner->doc));
	return 0;
}

static int runner_ask(struct tacho_runner *runner, const struct tacho_policy_input *input,
		      struct tacho_policy_plan *plan, char *why, size_t why_size)
{
	int error = tacho_arena_fill(&runner->arena, input);
	uint32_t max = plan->max < runner->arena.max ? plan->max : runner->arena.max;
	uint32_t nr;

	if (error) {
		say(why, why_size, "%u domains on %u CPUs are too many for it", input->nr_domains,
		    input->nr_cpus);
		return error;
	}
	if (send(runner->fd, &max, sizeof(max), MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(max))
		return runner_died(runner, "between two decisions", why, why_size);
	error = runner_wait(runner, runner->limit_ms, "with a decision", why, why_size);
	if (error)
		return error;
	/* more than there is room is for tacho_plan_check to say */
	plan->nr = runner->arena.answer->nr;
	nr = plan->nr < max ? plan->nr : max;
	if (nr)
		memcpy(plan->place, runner->arena.answer->place, nr * sizeof(*plan->place));
	if (plan->nr > nr)
		memset(plan->place + nr, 0, (plan->max - nr) * sizeof(*plan->place));
	return 0;
}

/* --- any runner ------------------------------------------------------------------------------- */

static int runner_builtin(struct tacho_runner *runner, const char *name, char *why, size_t why_size)
{
	char names[128] = "";
	size_t len = 0;

	for (size_t i = 0; tacho_policies[i]; i++) {
		const struct tacho_policy *policy = tacho_policies[i];
		int nr = snprintf(names + len, sizeof(names) - len, "%s%s", i ? ", " : "",
				  policy->name);

		if (!strcmp(policy->name, name)) {
			runner->policy = policy;
			snprintf(runner->name, sizeof(runner->name), "%s", policy->name);
			snprintf(runner->doc, sizeof(runner->doc), "%s", policy->doc);
			return 0;
		}
		if (nr > 0 && (size_t)nr < sizeof(names) - len)
			len += (size_t)nr;
	}
	say(why, why_size, "no policy \"%s\"; there are %s, and files (with a / in the name)", name,
	    names);
	return -ENOENT;
}

int tacho_runner_open(struct tacho_runner **out, const char *name, unsigned limit_ms, char *why,
		      size_t why_size)
{
	struct tacho_runner *runner = calloc(1, sizeof(*runner));
	int error;

	*out = NULL;
	say(why, why_size, "%s", "");
	if (!runner)
		return -ENOMEM;
	runner->fd = -1;
	runner->limit_ms = limit_ms ? limit_ms : LIMIT_MS;
	if (strchr(name, '/'))
		error = runner_load(runner, name, why, why_size);
	else
		error = runner_builtin(runner, name, why, why_size);
	if (error)
		tacho_runner_close(runner);
	else
		*out = runner;
	return error;
}

void tacho_runner_close(struct tacho_runner *runner)
{
	int status;

	if (!runner)
		return;
	runner_reap(runner, &status);
	tacho_arena_close(&runner->arena);
	free(runner);
}

const char *tacho_runner_name(const struct tacho_runner *runner)
{
	return runner->name;
}

const char *tacho_runner_doc(const struct tacho_runner *runner)
{
	return runner->doc;
}

int tacho_runner_pid(const struct tacho_runner *runner)
{
	return runner->pid;
}

int tacho_runner_decide(struct tacho_runner *runner, const struct tacho_policy_input *input,
			struct tacho_policy_plan *plan, char *why, size_t why_size)
{
	plan->nr = 0;
	say(why, why_size, "%s", "");
	if (runner->dead) {
		say(why, why_size, "it is gone");
		return runner->dead;
	}
	if (!runner->policy)
		return runner_ask(runner, input, plan, why, why_size);
	if (!runner->started && runner->policy->start)
		runner->policy->start(runner->state.bytes, input);
	runner->started = true;
	runner->policy->decide(runner->state.bytes, input, plan);
	return 0;
}
