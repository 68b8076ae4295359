/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_runner.c: policies from shared objects: those that are good, and every way to be bad.
 *
 * The objects are tests/programs/policy.c, built once for each. Whatever one does, this process
 * lives, knows what happened, and has no child afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alive.h"
#include "world_input.h"

#define PLENTY_MS 20000 /* for a decision, where time is not what is tested */

static struct world w;
static struct tacho_runner *runner;
static char why[200];

static int load(const char *kind, unsigned limit_ms)
{
	char path[512];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 64);

	if (len < 0)
		return -errno;
	path[len] = '\0';
	*strrchr(path, '/') = '\0';
	snprintf(strchr(path, '\0'), 64, "/programs/policy_%s.so", kind);
	return tacho_runner_open(&runner, path, limit_ms, why, sizeof(why));
}

static void machine(void)
{
	world_cpus(&w, 2, 2);
	for (unsigned i = 0; i < 3; i++)
		(void)world_task(&w, "task", 0.25 + i);
	world_pair(&w, 0, 1, 1000);
	world_set(&w, (uint32_t[]){ 0, 1 }, 2, 0.1);
}

static int decide(void)
{
	w.plan = (struct tacho_policy_plan){ 0, W_DOMAINS, w.place };
	return tacho_runner_decide(runner, world_input(&w), &w.plan, why, sizeof(why));
}

static void done(void)
{
	tacho_runner_close(runner);
	runner = NULL;
	/* nobody is left, not even a zombie */
	T_EQ(waitpid(-1, NULL, WNOHANG), -1);
	T_EQ(errno, ECHILD);
}

/* It is of no use any more, and says so again and again. */
static void is_final(int error)
{
	T_EQ(decide(), error);
	T_EQ(w.plan.nr, 0);
	T_STREQ(why, "it is gone");
	done();
}

T_CASE(a_good_one)
{
	int extra = open("/dev/null", O_RDONLY); /* inherited by whoever does not take care */

	machine();
	T_NEED(load("good", PLENTY_MS) == 0);
	T_STREQ(tacho_runner_name(runner), "good");
	T_STREQ(tacho_runner_doc(runner), "a policy of the tests");
	T_OK(tacho_runner_pid(runner) > 0);
	for (unsigned call = 1; call <= 200; call++) {
		char text[64];

		T_NEED(decide() == 0);
		T_EQ(tacho_plan_check(&w.plan, &w.input, why, sizeof(why)), 0);
		T_NEED(w.plan.nr == 1);
		T_EQ(w.place[0].domain, call % 3);
		T_EQ(tacho_cpus_next(&w.place[0].cpus, 0), call % 2);
		T_EQ(w.place[0].group, 2); /* started once, with two CPUs */
		T_OK(w.place[0].fact == 0.25);
		/*
		 * 0..2, and the socket; whoever looks has one more, and it is not among the others
		 */
		T_OK(w.place[0].threshold == 4);
		snprintf(text, sizeof(text), "call %u, metric faults", call);
		T_STREQ(w.place[0].reason, text);
	}
	close(extra);
	done();
}

T_CASE(little_room)
{
	machine();
	T_NEED(load("good", PLENTY_MS) == 0);
	w.plan = (struct tacho_policy_plan){ 0, 0, w.place };
	T_EQ(tacho_runner_decide(runner, world_input(&w), &w.plan, why, sizeof(why)), 0);
	T_EQ(w.plan.nr, 0);
	T_EQ(decide(), 0);
	T_EQ(w.plan.nr, 1);
	done();
}

T_CASE(one_that_crashes)
{
	machine();
	T_NEED(load("crash", PLENTY_MS) == 0);
	T_EQ(decide(), -EPIPE);
	T_STREQ(why, "it crashed with a decision: signal 11, Segmentation fault");
	is_final(-EPIPE);
	T_NEED(load("crash_later", PLENTY_MS) == 0);
	T_EQ(decide(), 0);
	T_EQ(decide(), 0);
	T_EQ(decide(), -EPIPE);
	is_final(-EPIPE);
	T_NEED(load("leave", PLENTY_MS) == 0);
	T_EQ(decide(), -EPIPE);
	T_STREQ(why, "it ended with a decision, with status 3");
	is_final(-EPIPE);
}

T_CASE(one_that_does_not_come_back)
{
	machine();
	T_NEED(load("loop", 40) == 0);
	T_EQ(decide(), -ETIMEDOUT);
	T_STREQ(why, "it did not come back within 40 ms with a decision");
	is_final(-ETIMEDOUT);
	T_NEED(load("sleep", 20) == 0);
	T_EQ(decide(), -ETIMEDOUT);
	is_final(-ETIMEDOUT);
}

T_CASE(one_that_is_killed_meanwhile)
{
	machine();
	T_NEED(load("good", PLENTY_MS) == 0);
	T_EQ(decide(), 0);
	T_EQ(kill(tacho_runner_pid(runner), SIGKILL), 0);
	T_EQ(decide(), -EPIPE);
	T_OK(strstr(why, "signal 9"));
	is_final(-EPIPE);
}

T_CASE(one_that_writes_where_it_may_not)
{
	machine();
	T_NEED(load("writes", PLENTY_MS) == 0);
	T_EQ(decide(), -EPIPE);
	T_OK(strstr(why, "signal 11"));
	done();
}

T_CASE(nonsense)
{
	machine();
	T_NEED(load("huge_nr", PLENTY_MS) == 0);
	T_EQ(decide(), 0);
	T_EQ(tacho_plan_check(&w.plan, &w.input, why, sizeof(why)), 0x7fffffff);
	T_EQ(w.plan.nr, 0);
	T_STREQ(why, "2147483647 placements, and room for 64");
	done();
	T_NEED(load("odd", PLENTY_MS) == 0);
	T_EQ(decide(), 0);
	T_EQ(w.plan.nr, 5);
	T_EQ(tacho_plan_check(&w.plan, &w.input, why, sizeof(why)), 4);
	T_EQ(w.plan.nr, 1);
	T_EQ(strlen(w.place[0].reason), sizeof(w.place[0].reason) - 1);
	T_STREQ(why, "there is no domain 10, only 3");
	done();
}

/* Not loaded: the error, and what is said. */
static void refused(const char *kind, int error, const char *text)
{
	T_EQ(load(kind, PLENTY_MS), error);
	T_OK(!runner);
	if (!T_OK(strstr(why, text)))
		printf("     %s\n", why);
	done();
}

T_CASE(what_cannot_be_loaded)
{
	refused("no_symbol", -ENOEXEC, ".so: it has no tacho_policy");
	refused("other_abi", -ENOEXEC, ".so: its ABI is 3, and this is 2");
	refused("no_decide", -ENOEXEC, ".so: its tacho_policy has no decide()");
	refused("constructor", -EPIPE, "it crashed while it was loaded: signal 6, Aborted");
	refused("leaves_early", -EPIPE, "it ended while it was loaded, with status 0");
	refused("that_is_not_there", -ENOENT, ".so: No such file or directory");
	T_EQ(tacho_runner_open(&runner, "/dev/null", 0, why, sizeof(why)), -ENOEXEC);
	T_OK(strstr(why, "/dev/null: "));
	T_EQ(tacho_runner_open(&runner, "/", 0, why, sizeof(why)), -ENOEXEC);
	done();
}

T_CASE(a_name_that_is_odd)
{
	T_NEED(load("bad_name", PLENTY_MS) == 0);
	T_STREQ(tacho_runner_name(runner), "a name that is longer than it s");
	done();
}

/* What it forked is as deaf as it is, and ends with it. */
T_CASE(one_that_is_deaf)
{
	int child;

	machine();
	T_NEED(load("deaf", PLENTY_MS) == 0);
	T_EQ(decide(), 0);
	T_NEED(w.plan.nr == 1);
	child = (int)w.place[0].fact;
	T_NEED(child > 1);
	T_OK(is_alive(child));
	done();
	T_OK(is_gone_soon(child));
}

T_CASE(an_input_that_is_too_large)
{
	static struct tacho_policy_domain domains[2];

	machine();
	T_NEED(load("good", PLENTY_MS) == 0);
	w.plan = (struct tacho_policy_plan){ 0, W_DOMAINS, w.place };
	(void)world_input(&w);
	w.input.domains = domains;
	w.input.nr_domains = 10000000;
	T_EQ(tacho_runner_decide(runner, &w.input, &w.plan, why, sizeof(why)), -E2BIG);
	w.input.nr_domains = 3; /* and then one that fits */
	T_EQ(decide(), 0);
	T_EQ(w.plan.nr, 1);
	done();
}

/* The child of a scheduler that is killed does not stay. */
T_CASE(it_ends_with_its_parent)
{
	int fds[2], child_pid = 0;
	pid_t parent;

	T_NEED(pipe(fds) == 0);
	parent = fork();
	if (!parent) {
		int pid;

		if (load("good", PLENTY_MS))
			_exit(1);
		pid = tacho_runner_pid(runner);
		if (write(fds[1], &pid, sizeof(pid)) == sizeof(pid))
			pause();
		_exit(1);
	}
	T_EQ(read(fds[0], &child_pid, sizeof(child_pid)), sizeof(child_pid));
	T_OK(child_pid > 0 && kill(child_pid, 0) == 0);
	T_EQ(kill(parent, SIGKILL), 0);
	T_EQ(waitpid(parent, NULL, 0), parent);
	T_OK(is_gone_soon(child_pid));
	close(fds[0]);
	close(fds[1]);
}

T_MAIN
