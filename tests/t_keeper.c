// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_keeper.c: how programs of a launch file end, and where what they print goes.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sched/jobs.h"
#include "t.h"

static struct tacho_launch launch;
static struct tacho_jobs *jobs;
static char dir[64], why[256];

static void begin(const char *text, const char *output)
{
	const struct tacho_jobs_options options = { .output = output };

	if (tacho_launch_parse(&launch, "f", text, strlen(text), 0))
		t_fail(__FILE__, __LINE__, "%s", launch.errors);
	T_NEED(tacho_jobs_open(&jobs, &launch, &options, why, sizeof(why)) == 0);
}

static void dir_make(void)
{
	snprintf(dir, sizeof(dir), "/tmp/tacho-keeper-XXXXXX");
	T_NEED(mkdtemp(dir) != NULL);
}

static const char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* Rounds until the file is there, or the jobs say something. */
static int run_until(const char *file)
{
	uint64_t limit = t_now_ns() + 10000000000u;
	int result = 0;

	while (!result && access(file, F_OK) && t_now_ns() < limit) {
		struct pollfd fd = { .fd = tacho_jobs_fd(jobs), .events = POLLIN };

		(void)poll(&fd, 1, 10);
		result = tacho_jobs_round(jobs, why, sizeof(why));
	}
	return result;
}

static void end(void)
{
	tacho_launch_fini(&launch);
	unlink(in_dir("ready"));
	unlink(in_dir("asked"));
	unlink(in_dir("a.out"));
	unlink(in_dir("script"));
	rmdir(dir);
}

/* Of a session of its own, below a program that takes its time to end: only then it is the keeper's. */
T_CASE(what_is_left_behind_is_asked_first)
{
	char text[256];
	FILE *script;

	dir_make();
	script = fopen(in_dir("script"), "w");
	T_NEED(script != NULL);
	fprintf(script,
		"cd %s\n"
		"trap 'echo x >>asked; exit' TERM\n"
		"echo >ready\n"
		"while :; do sleep 0.05; done\n",
		dir);
	fclose(script);
	snprintf(text, sizeof(text),
		 "a 0 sh -c 'trap \"sleep 0.3; exit\" TERM; setsid sh %s & wait'\n",
		 in_dir("script"));
	begin(text, NULL);
	T_EQ(run_until(in_dir("ready")), 0);
	tacho_jobs_close(jobs);
	T_OK(access(in_dir("asked"), F_OK) == 0);
	end();
}

T_CASE(output_goes_through_no_link)
{
	struct stat stat;
	int fd;

	dir_make();
	fd = open(in_dir("asked"), O_WRONLY | O_CREAT, 0600);
	T_NEED(fd >= 0 && write(fd, "precious", 8) == 8);
	close(fd);
	T_NEED(symlink("asked", in_dir("a.out")) == 0);
	begin("a 0 echo hello\n", dir);
	T_OK(run_until(in_dir("ready")) < 0);
	T_OK(strstr(why, "its output cannot be opened") != NULL);
	tacho_jobs_close(jobs);
	T_OK(lstat(in_dir("asked"), &stat) == 0 && stat.st_size == 8);
	end();
}

T_MAIN
