/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * runner_child.c: the process in which a policy from a shared object runs.
 *
 * It has nothing but two pieces of memory and a socket: every other descriptor is closed (those of
 * kernel programs among them), so that one which crashes or loops leaves nothing behind. It leads a
 * session of its own: what it forks is killed with it by runner.c, except what makes itself a
 * session or group of its own, or outlives a scheduler that was itself killed. The object is loaded
 * here and nowhere else: its constructors are as strange as it is. Ends with the parent. Called by
 * runner.c, in the child, and never returns.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sched/runner.h"

/* Signals as a program finds them, no core file, nothing that is open. 0..2 are /dev/null. */
static int child_alone(int fd, pid_t parent)
{
	const int mine = 3;
	const struct rlimit none = { 0, 0 };
	const struct sched_param other = { 0 };
	sigset_t all;
	int null;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(1);
	/* control-C is for the scheduler, who ends this one */
	(void)setsid();
	for (int i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL);
	sigemptyset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)sched_setscheduler(0, SCHED_OTHER, &other);
	(void)prctl(PR_SET_NAME, "tacho-policy");
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* fd may be one of 0..3 itself */
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 16);
	for (int i = 0; i < 3; i++)
		if (dup2(null, i) < 0)
			_exit(1);
	if (fd < 0 || dup2(fd, mine) < 0 || close_range(4, ~0U, 0))
		_exit(1);
	return mine;
}

static const struct tacho_policy *child_load(struct tacho_answer *answer, const char *file)
{
	const struct tacho_policy *policy;
	void *object = dlopen(file, RTLD_NOW | RTLD_LOCAL);

	if (!object) {
		snprintf(answer->why, sizeof(answer->why), "%s", dlerror());
		return NULL;
	}
	policy = dlsym(object, "tacho_policy");
	if (!policy) {
		snprintf(answer->why, sizeof(answer->why), "it has no tacho_policy");
		return NULL;
	}
	if (policy->abi != TACHO_POLICY_ABI) {
		snprintf(answer->why, sizeof(answer->why), "its ABI is %u, and this is %u",
			 policy->abi, TACHO_POLICY_ABI);
		return NULL;
	}
	if (!policy->name || !policy->name[0] || !policy->decide) {
		snprintf(answer->why, sizeof(answer->why), "its tacho_policy has no %s",
			 policy->decide ? "name" : "decide()");
		return NULL;
	}
	snprintf(answer->name, sizeof(answer->name), "%s", policy->name);
	snprintf(answer->doc, sizeof(answer->doc), "%s", policy->doc ? policy->doc : "");
	return policy;
}

static void child_reply(int fd, int result)
{
	if (send(fd, &result, sizeof(result), MSG_NOSIGNAL) != sizeof(result))
		_exit(1);
}

_Noreturn void tacho_runner_child(const struct tacho_arena *arena, int fd, const char *file,
				  pid_t parent)
{
	const struct tacho_policy_input *input = (const void *)arena->input;
	struct tacho_answer *answer = arena->answer;
	const struct tacho_policy *policy;
	bool started = false;
	uint32_t max;

	fd = child_alone(fd, parent);
	if (mprotect(arena->input, arena->input_size, PROT_READ))
		_exit(1);
	policy = child_load(answer, file);
	child_reply(fd, policy ? 0 : -ENOEXEC);
	while (policy && recv(fd, &max, sizeof(max), 0) == sizeof(max)) {
		struct tacho_policy_plan plan = { 0, max, answer->place };

		if (plan.max > arena->max)
			plan.max = arena->max;
		if (!started && policy->start)
			policy->start(answer->state.bytes, input);
		started = true;
		policy->decide(answer->state.bytes, input, &plan);
		answer->nr = plan.nr;
		child_reply(fd, 0);
	}
	_exit(0);
}
