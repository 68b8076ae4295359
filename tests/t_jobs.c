// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_jobs.c: programs of a launch file: when they start, how often, and that nothing is left of
 * them.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alive.h"
#include "sched/jobs.h"
#include "sched/world.h"
#include "t.h"

#define MAX_EVENTS 256

/* What was told, in its order. */
struct told {
	char what; /* s, t, e */
	const struct tacho_launch_job *job;
	int pid, tid, status;
	unsigned run, index;
	double elapsed, user;
};

static struct told told[MAX_EVENTS];
static size_t nr_told;
static struct tacho_launch launch;
static struct tacho_jobs *jobs;
static char why[256];

static void tell(struct told what)
{
	if (nr_told < MAX_EVENTS)
		told[nr_told++] = what;
}

static void started(void *arg, const struct tacho_launch_job *job, int pid, unsigned run)
{
	(void)arg;
	tell((struct told){ .what = 's', .job = job, .pid = pid, .run = run });
}

static void thread(void *arg, const struct tacho_launch_job *job, int pid, int tid, uint32_t index)
{
	(void)arg;
	tell((struct told){ .what = 't', .job = job, .pid = pid, .tid = tid, .index = index });
}

static void ended(void *arg, const struct tacho_launch_job *job, int pid, unsigned run,
		  double elapsed_s, int status, const struct rusage *usage)
{
	(void)arg;
	tell((struct told){ .what = 'e',
			    .job = job,
			    .pid = pid,
			    .run = run,
			    .elapsed = elapsed_s,
			    .status = status,
			    .user = (double)usage->ru_utime.tv_sec +
				    (double)usage->ru_utime.tv_usec / 1e6 });
}

static struct tacho_jobs_options with(bool restart, unsigned nr_runs)
{
	return (struct tacho_jobs_options){ .restart = restart,
					    .nr_runs = nr_runs,
					    .started = started,
					    .thread = thread,
					    .ended = ended };
}

static int open_jobs(const char *text, struct tacho_jobs_options options)
{
	nr_told = 0;
	if (tacho_launch_parse(&launch, "f", text, strlen(text), 0)) {
		t_fail(__FILE__, __LINE__, "%s", launch.errors);
		return -EINVAL;
	}
	return tacho_jobs_open(&jobs, &launch, &options, why, sizeof(why));
}

static void close_jobs(void)
{
	tacho_jobs_close(jobs);
	tacho_launch_fini(&launch);
}

/* Rounds until one says something, or nr things have been told; at most a minute. */
static int run_until(size_t nr)
{
	uint64_t limit = t_now_ns() + 60000000000u;
	int result = 0;

	while (result == 0 && nr_told < nr && t_now_ns() < limit) {
		double next = tacho_jobs_next(jobs);
		struct pollfd fd = { .fd = tacho_jobs_fd(jobs), .events = POLLIN };

		(void)poll(&fd, 1, next < 0 ? 1000 : (int)(next * 1000) + 1);
		result = tacho_jobs_round(jobs, why, sizeof(why));
	}
	return result;
}

static size_t count(char what)
{
	size_t i, nr = 0;

	for (i = 0; i < nr_told; i++)
		nr += told[i].what == what;
	return nr;
}

T_CASE(once)
{
	T_NEED(open_jobs("a 0 sh -c 'exit 3'\nb 0.1 sleep 0.1\n", with(false, 7)) == 0);
	T_EQ(run_until(MAX_EVENTS), 1);
	T_EQ(count('s'), 2);
	T_EQ(count('e'), 2);
	T_NEED(nr_told >= 3 && told[0].what == 's' && told[1].what == 't');
	T_OK(told[0].job == &launch.jobs[0] && told[0].run == 1);
	T_OK(told[1].tid == told[0].pid && told[1].index == 0);
	T_EQ(told[nr_told - 1].what, 'e');
	T_OK(told[nr_told - 1].job == &launch.jobs[1] && told[nr_told - 1].elapsed > 0.09);
	T_EQ(told[nr_told - 1].status, 0);
	for (size_t i = 0; i < nr_told; i++)
		if (told[i].what == 'e' && told[i].job == &launch.jobs[0])
			T_EQ(WEXITSTATUS(told[i].status), 3);
	T_EQ(tacho_jobs_round(jobs, why, sizeof(why)), 1);
	T_OK(tacho_jobs_next(jobs) < 0);
	close_jobs();
}

T_CASE(restart_until_all_have_run)
{
	size_t nr[2] = { 0, 0 };

	T_NEED(open_jobs("short 0 true\nlong 0 sleep 0.25\n", with(true, 2)) == 0);
	T_EQ(run_until(MAX_EVENTS), 1);
	/* the short one goes on until the long one has run twice, but not as fast as it can */
	for (size_t i = 0; i < nr_told; i++)
		if (told[i].what == 'e')
			nr[told[i].job - launch.jobs]++;
	T_EQ(nr[1], 2);
	T_OK(nr[0] >= 2);
	close_jobs();
}

/* The second run of b is still at it when a has run, and is ended. */
T_CASE(one_that_still_runs_when_all_are_done)
{
	char dir[] = "/tmp/tacho-t_jobs-XXXXXX", text[256];
	int pid = 0;

	T_NEED(mkdtemp(dir) != NULL);
	snprintf(
		text, sizeof(text),
		"a 0 sh -c 'until rmdir again 2>/dev/null; do sleep 0.05; done'\n***rundir %s\n"
		"b 0 sh -c 'mkdir once 2>/dev/null && exit 0; mkdir again; exec sleep 120'\n***rundir %s\n",
		dir, dir);
	T_NEED(open_jobs(text, with(true, 1)) == 0);
	T_EQ(run_until(MAX_EVENTS), 1);
	for (size_t i = 0; i < nr_told; i++)
		if (told[i].what == 's' && told[i].job == &launch.jobs[1] && told[i].run == 2)
			pid = told[i].pid;
	T_OK(pid > 0 && is_alive(pid));
	close_jobs();
	T_OK(!is_alive(pid));
	snprintf(text, sizeof(text), "%s/once", dir);
	T_EQ(rmdir(text), 0);
	T_EQ(rmdir(dir), 0);
}

T_CASE(times_are_drawn_from_a_seed)
{
	struct tacho_jobs_options options = with(false, 1);
	double next[3];
	unsigned i;

	options.random = true;
	for (i = 0; i < 3; i++) {
		options.seed = i / 2;
		T_NEED(open_jobs("a 1000 true\nb 1000 true\n", options) == 0);
		next[i] = tacho_jobs_next(jobs) + tacho_jobs_seconds(jobs);
		T_OK(next[i] >= 0 && next[i] <= 1000);
		close_jobs();
	}
	/* the clock goes on between the two numbers that a time is made of */
	T_OK(next[0] - next[1] < 30 && next[1] - next[0] < 30);
	T_OK(next[2] - next[1] > 60 || next[1] - next[2] > 60);
	printf("     %.1f, %.1f, and %.1f s\n", next[0], next[1], next[2]);
}

T_CASE(output_and_rundir)
{
	struct tacho_jobs_options options = with(true, 2);
	char dir[] = "/tmp/tacho-t_jobs-XXXXXX", text[256], file[96], line[96] = "";
	FILE *out;
	int lines = 0;

	T_NEED(mkdtemp(dir) != NULL);
	options.output = dir;
	snprintf(text, sizeof(text), "who 0 pwd\n***rundir %s\n", dir);
	T_NEED(open_jobs(text, options) == 0);
	T_EQ(run_until(MAX_EVENTS), 1);
	close_jobs();
	snprintf(file, sizeof(file), "%s/who.out", dir);
	out = fopen(file, "r");
	T_NEED(out != NULL);
	while (fgets(line, sizeof(line), out)) {
		lines++;
		line[strcspn(line, "\n")] = '\0';
		T_STREQ(line, dir);
	}
	T_EQ(lines, 2);
	fclose(out);
	options.output = file;
	T_EQ(open_jobs(text, options), -ENOTDIR);
	tacho_launch_fini(&launch);
	unlink(file);
	rmdir(dir);
}

T_CASE(a_program_that_cannot_be_started)
{
	T_NEED(open_jobs("a 0 /nowhere/x\n", with(false, 1)) == 0);
	T_EQ(run_until(MAX_EVENTS), -ENOENT);
	T_STREQ(why, "line 1, a: /nowhere/x: cannot be run: No such file or directory");
	T_EQ(tacho_jobs_round(jobs, why, sizeof(why)), -ENOENT);
	T_EQ(nr_told, 0);
	close_jobs();
	T_NEED(open_jobs("a 0 true\n***rundir /nowhere\n", with(false, 1)) == 0);
	T_EQ(run_until(MAX_EVENTS), -ENOENT);
	T_STREQ(why, "line 1, a: true: its rundir cannot be entered: No such file or directory");
	close_jobs();
}

T_CASE(threads_are_found)
{
	uint32_t i, indices = 0;

	if (access("/usr/bin/python3", X_OK))
		T_SKIP("no python3, which makes the threads");
	/* two threads besides the first one, for a while */
	T_NEED(open_jobs("a 0 python3 -c \"import threading, time; [threading.Thread("
			 "target=time.sleep, args=(60,)).start() for i in range(2)]\"\n",
			 with(false, 1)) == 0);
	T_EQ(run_until(4), 0);
	for (i = 0; i < nr_told; i++)
		if (told[i].what == 't')
			indices |= 1u << told[i].index;
	T_EQ(indices, 7);
	close_jobs();
	T_OK(!is_alive(told[0].pid));
}

/* Many that come and go: each that is seen is told once, and those that stay all are. */
T_CASE(threads_that_go_make_room)
{
	static bool is_told[MAX_EVENTS];
	uint32_t i, nr = 0;

	if (access("/usr/bin/python3", X_OK))
		T_SKIP("no python3, which makes the threads");
	T_NEED(open_jobs("a 0 python3 -c \"import threading, time; [threading.Thread("
			 "target=time.sleep, args=(60 if i % 3 == 0 else 0.03,)).start() or "
			 "time.sleep(0.002) for i in range(150)]\"\n",
			 with(false, 1)) == 0);
	T_EQ(run_until(2 + 50), 0);
	for (i = 0; i < nr_told; i++) {
		if (told[i].what != 't')
			continue;
		T_EQ(told[i].index, nr); /* none twice, none left out */
		T_OK(!is_told[told[i].index]);
		is_told[told[i].index] = true;
		nr++;
	}
	T_OK(nr > 50);
	close_jobs();
}

T_CASE(real_time)
{
	cpu_set_t cpus;

	T_NEED(open_jobs("a 0 sleep 60\n***priority thread 0 [2]\n***thread 0 [0]\n",
			 with(false, 1)) == 0);
	if (run_until(2) == -EPERM) {
		T_STREQ(why, "line 2: thread 0 cannot have real time: Operation not permitted: "
			     "say [1], or [0]");
		close_jobs();
		T_SKIP("no real time for this user");
	}
	T_NEED(nr_told == 2);
	T_EQ(sched_getscheduler(told[0].pid), SCHED_FIFO | SCHED_RESET_ON_FORK);
	T_EQ(sched_getaffinity(told[0].pid, sizeof(cpus), &cpus), 0);
	T_OK(CPU_COUNT(&cpus) == 1 && CPU_ISSET(0, &cpus));
	close_jobs();
	T_OK(!is_alive(told[0].pid));
}

/* A program that is deaf to SIGTERM, and a child in a session of its own that is deaf, too. */
static const char deaf[] =
	"deaf 0 sh -c \"trap '' TERM; setsid sh -c 'trap \\\"\\\" TERM; echo $$; while :; do sleep "
	"0.1; done' & echo $$; while :; do sleep 0.1; done\"\n";

/* What it says of itself, waited for; while it is ours somebody has to make the rounds. */
static int numbers_read(const char *file, int *pids, int nr)
{
	int got = 0, i;

	for (i = 0; i < 6000 && got < nr; i++) {
		FILE *in = fopen(file, "r");

		for (got = 0; in && got < nr && fscanf(in, "%d", &pids[got]) == 1; got++)
			;
		if (in)
			fclose(in);
		if (got < nr && jobs)
			(void)tacho_jobs_round(jobs, why, sizeof(why));
		if (got < nr)
			usleep(10000);
	}
	return got;
}

T_CASE(the_deaf_are_ended_too)
{
	struct tacho_jobs_options options = with(false, 1);
	char dir[] = "/tmp/tacho-t_jobs-XXXXXX", file[96];
	int pids[2] = { 0, 0 };

	T_NEED(mkdtemp(dir) != NULL);
	options.output = dir;
	snprintf(file, sizeof(file), "%s/deaf.out", dir);
	T_NEED(open_jobs(deaf, options) == 0);
	T_EQ(numbers_read(file, pids, 2), 2);
	T_OK(is_alive(pids[0]) && is_alive(pids[1]));
	close_jobs();
	T_OK(!is_alive(pids[0]) && !is_alive(pids[1]));
	unlink(file);
	rmdir(dir);
}

/* Programs are its children. */
static int keeper_of(int pid)
{
	struct tacho_world_task task;

	return tacho_world_real.task(NULL, pid, &task) ? 0 : task.ppid;
}

T_CASE(they_die_with_us)
{
	struct tacho_jobs_options options = with(false, 1);
	char dir[] = "/tmp/tacho-t_jobs-XXXXXX", file[96];
	int pids[2] = { 0, 0 }, child, keeper;

	/* the scheduler is killed: the keeper ends them */
	T_NEED(mkdtemp(dir) != NULL);
	options.output = dir;
	snprintf(file, sizeof(file), "%s/deaf.out", dir);
	child = fork();
	T_NEED(child >= 0);
	if (child == 0) {
		if (open_jobs(deaf, options) == 0)
			(void)run_until(MAX_EVENTS);
		_exit(0);
	}
	jobs = NULL;
	T_EQ(numbers_read(file, pids, 2), 2);
	T_OK(is_alive(pids[0]) && is_alive(pids[1]));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	T_OK(is_gone_soon(pids[0]) && is_gone_soon(pids[1]));

	/* the keeper is killed: the kernel ends them, and we hear of it */
	T_NEED(open_jobs("a 0 sleep 60\n", with(false, 1)) == 0);
	T_EQ(run_until(2), 0);
	keeper = keeper_of(told[0].pid);
	T_NEED(keeper > 1);
	kill(keeper, SIGKILL);
	T_EQ(run_until(MAX_EVENTS), -EPIPE);
	T_STREQ(why, "the process that keeps the programs is gone");
	T_OK(is_gone_soon(told[0].pid));
	close_jobs();
	unlink(file);
	rmdir(dir);
}

T_CASE(the_keeper_holds_nothing)
{
	char path[64], link[96], target[128] = "";
	int fds[2], i, open = 0;
	ssize_t len;

	T_NEED(pipe(fds) == 0);
	T_NEED(open_jobs("a 0 sleep 60\n", with(false, 1)) == 0);
	T_EQ(run_until(2), 0);
	snprintf(path, sizeof(path), "/proc/%d/fd", keeper_of(told[0].pid));
	for (i = 0; i < 64; i++) {
		snprintf(link, sizeof(link), "%s/%d", path, i);
		len = readlink(link, target, sizeof(target) - 1);
		if (len <= 0)
			continue;
		target[len] = '\0';
		open += strcmp(target, "/dev/null") != 0;
	}
	T_EQ(open, 1);
	close_jobs();
	close(fds[0]);
	close(fds[1]);
}

T_MAIN
