// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_launch.c: launch files: what is accepted, and every way to get one wrong.
 */
#include <errno.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sched/launch.h"
#include "t.h"

static struct tacho_launch launch;

static int parse(const char *text)
{
	tacho_launch_fini(&launch);
	return tacho_launch_parse(&launch, "f", text, strlen(text), 0);
}

/* It is refused with exactly these lines. */
#define REFUSED(text, lines)                                                                       \
	do {                                                                                       \
		T_EQ(parse(text), -EINVAL);                                                        \
		T_STREQ(launch.errors, lines);                                                     \
		T_EQ(launch.nr_jobs, 0);                                                           \
	} while (0)

T_CASE(the_example_of_clavis)
{
	T_NEED(parse("fluidanimate 15 ./fluidanimate 16 5000 ./in_500K.fluid ./out.fluid\n"
		     "***rundir /home/storage2/fluidtest/fluidanimate/\n"
		     "***thread 0 [10]\n") == 0);
	T_NEED(launch.nr_jobs == 1 && !launch.errors);
	T_STREQ(launch.jobs[0].label, "fluidanimate");
	T_OK(launch.jobs[0].start_s == 15);
	T_STREQ(launch.jobs[0].argv[0], "./fluidanimate");
	T_STREQ(launch.jobs[0].argv[2], "5000");
	T_STREQ(launch.jobs[0].argv[4], "./out.fluid");
	T_OK(!launch.jobs[0].argv[5]);
	T_STREQ(launch.jobs[0].rundir, "/home/storage2/fluidtest/fluidanimate/");
	T_EQ(launch.jobs[0].nr_threads, 1);
	T_EQ(launch.jobs[0].threads[0].cpu, 10);
	T_EQ(launch.jobs[0].threads[0].node, -1);
	T_EQ(launch.jobs[0].line, 1);
	tacho_launch_fini(&launch);
}

T_CASE(every_kind_of_line)
{
	const struct tacho_launch_thread *thread;
	char command[64];

	T_NEED(parse("# a comment\n"
		     "\n"
		     "  mcf 0.5 /bin/mcf \"in put\" 'a\"b' c\\ d \"x\\\"y\\n\"\n"
		     " *** rundir /tmp/a b  \n"
		     "***thread 2 [ 7 , 0.5 -3 1e3]\n"
		     "***numa thread 0 [3, 1]\n"
		     "***priority thread 0 [2]\n"
		     "***thread 1[0]\n"
		     "***thread 5 [75000.0 2]\n"
		     "***thread 6 []\n"
		     "***priority\tthread 9 [1]\n"
		     "***numa thread 7 [-1 -1]\n"
		     "3 /usr/bin/x\n"
		     "429 7 x y\n"
		     "***rundir \"/tmp/a  b\"\n") == 0);
	T_NEED(launch.nr_jobs == 3);
	T_STREQ(launch.jobs[0].argv[1], "in put");
	T_STREQ(launch.jobs[0].argv[2], "a\"b");
	T_STREQ(launch.jobs[0].argv[3], "c d");
	T_STREQ(launch.jobs[0].argv[4], "x\"y\\n");
	T_STREQ(launch.jobs[0].rundir, "/tmp/a b");
	T_EQ(launch.jobs[0].nr_threads, 7);
	thread = tacho_launch_thread(&launch.jobs[0], 0);
	T_OK(thread && thread->cpu == 3 && thread->node == 1 && thread->priority == 2);
	thread = tacho_launch_thread(&launch.jobs[0], 2);
	T_OK(thread && thread->cpu == 7 && thread->nr_numbers == 4 && thread->number[1] == 0.5 &&
	     thread->number[2] == -3 && thread->number[3] == 1000);
	thread = tacho_launch_thread(&launch.jobs[0], 5);
	T_OK(thread && thread->cpu == -1 && thread->number[0] == 75000 && thread->number[1] == 2);
	thread = tacho_launch_thread(&launch.jobs[0], 9);
	T_OK(thread && thread->priority == 1 && thread->cpu == -1 && thread->line == 0);
	T_OK(!tacho_launch_thread(&launch.jobs[0], 3));
	T_STREQ(launch.jobs[1].label, "x");
	T_OK(launch.jobs[1].start_s == 3 && !launch.jobs[1].rundir);
	T_STREQ(launch.jobs[2].label, "429");
	T_STREQ(launch.jobs[2].rundir, "/tmp/a  b");
	T_STREQ(tacho_launch_command(&launch.jobs[2], command, sizeof(command)), "x y");
	T_STREQ(tacho_launch_command(&launch.jobs[2], command, 3), "x ");
	tacho_launch_fini(&launch);
}

T_CASE(files_of_other_systems)
{
	T_NEED(parse("\xef\xbb\xbf"
		     "a 0 x\r\n***thread 0 [1]\r\nb 1 y z") == 0);
	T_EQ(launch.nr_jobs, 2);
	T_STREQ(launch.jobs[0].argv[0], "x");
	T_EQ(launch.jobs[0].threads[0].cpu, 1);
	T_STREQ(launch.jobs[1].argv[1], "z");
	tacho_launch_fini(&launch);
}

T_CASE(labels_are_unique)
{
	T_NEED(parse("x 0 p\nx 0 p\n0 /bin/x\nx#2 0 p\na/b 0 p\n") == 0);
	T_STREQ(launch.jobs[0].label, "x");
	T_STREQ(launch.jobs[1].label, "x#2");
	T_STREQ(launch.jobs[2].label, "x#3");
	T_OK(strcmp(launch.jobs[3].label, "x#2") != 0);
	T_STREQ(launch.jobs[4].label, "a_b");
	tacho_launch_fini(&launch);
}

T_CASE(programs_that_are_wrong)
{
	REFUSED("", "f: there is no program in it\n");
	REFUSED("# nothing\n", "f: there is no program in it\n");
	REFUSED("a\n", "f:1: behind the label \"a\" the launch time in seconds is missing\n");
	REFUSED("a b c\n",
		"f:1: \"b\" is no time: behind a label stands the launch time in seconds\n");
	REFUSED("a nan c\n",
		"f:1: \"nan\" is no time: behind a label stands the launch time in seconds\n");
	REFUSED("a inf c\n",
		"f:1: \"inf\" is no time: behind a label stands the launch time in seconds\n");
	REFUSED("a 0x10 c\n",
		"f:1: \"0x10\" is no time: behind a label stands the launch time in seconds\n");
	REFUSED("a -1 c\n", "f:1: the launch time -1 is negative\n");
	REFUSED("-1 c\n", "f:1: the launch time -1 is negative\n");
	REFUSED("a 1e300 c\n", "f:1: the launch time 1e300 is beyond 10000000 seconds\n");
	REFUSED("a 1e999999999999999999999 c\n",
		"f:1: the launch time 1e999999999999999999999 is beyond 10000000 seconds\n");
	REFUSED("a 1\n", "f:1: the invocation is missing: [LABEL] SECONDS PROGRAM [ARGUMENT...]\n");
	REFUSED("1\n", "f:1: the invocation is missing: [LABEL] SECONDS PROGRAM [ARGUMENT...]\n");
	REFUSED("a 1 'b\n", "f:1: the quote ' is not closed\n");
	REFUSED("a 1 b \"c\n", "f:1: the quote \" is not closed\n");
	REFUSED("a 1 b\\\n", "f:1: nothing follows the backslash\n");
	REFUSED("a 1 ''\n", "f:1: the name of the program is empty\n");
	REFUSED("a 1 b < c\n", "f:1: \"<\" is for a shell, and there is none: quote it, or invoke "
			       "sh -c '...'\n");
	T_EQ(parse("a 1 b '<' c\n"), 0);
	tacho_launch_fini(&launch);
}

T_CASE(lines_with_stars_that_are_wrong)
{
	REFUSED("***thread 0 [1]\na 0 x\n",
		"f:1: there is no program yet that \"***thread 0 [1]\" could belong to\n");
	REFUSED("a 0 x\n***threads 0 [1]\n",
		"f:2: \"***threads 0 [1]\" is not known; there are ***rundir, ***thread, ***numa "
		"thread and ***priority thread\n");
	REFUSED("a 0 x\n***\n", "f:2: \"***\" is not known; there are ***rundir, ***thread, "
				"***numa thread and ***priority thread\n");
	REFUSED("a 0 x\n***rundir\n", "f:2: the directory is missing\n");
	REFUSED("a 0 x\n***rundir /a\n***rundir /b\n", "f:3: the rundir was said in line 2\n");
	REFUSED("a 0 x\n***thread 0\n", "f:2: expected [ instead of \"\"\n");
	REFUSED("a 0 x\n***thread 0 1\n", "f:2: expected [ instead of \"1\"\n");
	REFUSED("a 0 x\n***thread 0 [1\n", "f:2: the bracket is not closed\n");
	REFUSED("a 0 x\n***thread 0 [1 2 3 4 5 6 7 8 9]\n",
		"f:2: more than 8 numbers in the brackets\n");
	REFUSED("a 0 x\n***thread 0 [1,,2]\n", "f:2: expected a number or ] instead of \",2]\"\n");
	REFUSED("a 0 x\n***thread 0 [1,]\n", "f:2: expected a number or ] instead of \"]\"\n");
	REFUSED("a 0 x\n***thread 0 [nan]\n", "f:2: expected a number or ] instead of \"nan]\"\n");
	REFUSED("a 0 x\n***thread 0 [1] 2\n", "f:2: behind the bracket stands \"2\"\n");
	REFUSED("a 0 x\n***thread [1]\n",
		"f:2: expected the number of a thread instead of \"[1]\"\n");
	REFUSED("a 0 x\n***thread -1 [1]\n",
		"f:2: a thread is a whole number from 0 to 4095, not -1\n");
	REFUSED("a 0 x\n***thread 99999999999999999999 [1]\n",
		"f:2: a thread is a whole number from 0 to 4095, not 99999999999999999999\n");
	REFUSED("a 0 x\n***thread 0 [1024]\n",
		"f:2: a CPU is a number from 0 to 1023, not 1024; write a number that is no CPU "
		"with a point, or behind the CPU\n");
	REFUSED("a 0 x\n***thread 0 [1e1]\n***thread 1 [1e-1]\n",
		"f:3: a CPU is a whole number from 0 to 1023, or -1, not 0.1\n");
	REFUSED("a 0 x\n***numa thread 0 [3]\n", "f:2: expected [CPU, NODE]\n");
	REFUSED("a 0 x\n***numa thread 0 [3, 1.5]\n",
		"f:2: a node is a whole number from 0 to 1023, or -1, not 1.5\n");
	REFUSED("a 0 x\n***thread 0 [3]\n***thread 1 [3]\n***numa thread 0 [3,0]\n",
		"f:4: thread 0 was placed in line 2\n");
	REFUSED("a 0 x\n***priority thread 0 [3]\n",
		"f:2: a priority is [0] none, [1] important or [2] real time, and nothing else\n");
	REFUSED("a 0 x\n***priority thread 0 [1]\n***priority thread 0 [1]\n",
		"f:3: the priority of thread 0 was said in line 2\n");
	tacho_launch_fini(&launch);
}

T_CASE(all_complaints_at_once)
{
	static const char nul[] = "a 0 x\0y\nb 0 z\n";
	char *text = malloc(1 << 20);
	size_t len = 0;

	REFUSED("a -1 x\n***thread 0\nb 0 y\n***thread 0 [1]\n***bad\n",
		"f:1: the launch time -1 is negative\nf:2: expected [ instead of \"\"\nf:5: "
		"\"***bad\" is not known; there are ***rundir, ***thread, ***numa thread and "
		"***priority thread\n");
	tacho_launch_fini(&launch);
	T_EQ(tacho_launch_parse(&launch, "f", nul, sizeof(nul) - 1, 0), -EINVAL);
	T_STREQ(launch.errors, "f:1: a byte 0x00, which is no text\n");
	REFUSED("a 0 \x1b[2J\n", "f:1: a byte 0x1b, which is no text\n");
	T_NEED(text != NULL);
	while (len < 2000)
		len += (size_t)sprintf(text + len, "a -1 x\n");
	text[len] = '\0';
	T_EQ(parse(text), -EINVAL);
	T_EQ(launch.nr_errors, len / 7);
	T_OK(strstr(launch.errors, "f: 186 more are not shown\n") != NULL);
	memset(text, 'x', 70000);
	text[70000] = '\0';
	REFUSED(text, "f:1: the line is longer than 65535 bytes\n");
	tacho_launch_fini(&launch);
	free(text);
}

T_CASE(what_it_names_is_looked_for)
{
	char dir[] = "/tmp/tacho-t_launch-XXXXXX", file[64], text[512], lines[512];
	struct tacho_cpus online = tacho_cpus_one(0);
	FILE *out;

	T_NEED(mkdtemp(dir) != NULL);
	snprintf(file, sizeof(file), "%s/launch", dir);
	out = fopen(file, "w");
	T_NEED(out != NULL);
	fprintf(out, "a 0 sh -c true\n***rundir %s\n***numa thread 0 [1, 1]\nb 0 /bin/sh\n", dir);
	fclose(out);
	T_EQ(tacho_launch_read(&launch, file), 0);
	T_EQ(tacho_launch_check_cpus(&launch, file, &online, 1), -EINVAL);
	snprintf(lines, sizeof(lines),
		 "%s:3: CPU 1 is not here, or not online\n%s:3: node 1 is not here: there is 1\n",
		 file, file);
	T_STREQ(launch.errors, lines);
	tacho_cpus_add(&online, 1);
	T_EQ(tacho_launch_check_cpus(&launch, file, &online, 2), 0);
	T_OK(!launch.errors && launch.nr_jobs == 2);
	tacho_launch_fini(&launch);

	snprintf(text, sizeof(text),
		 "a 0 ./launch\n***rundir %s\nb 0 no-such-program\nc 0 /\nd 0 sh\n***rundir "
		 "%s/launch\n***thread 0\n",
		 dir, dir);
	T_EQ(tacho_launch_parse(&launch, "f", text, strlen(text), 1), -EINVAL);
	snprintf(lines, sizeof(lines),
		 "f:7: expected [ instead of \"\"\n"
		 "f:1: the program ./launch (in %s) cannot be run: Permission denied\n"
		 "f:3: the program no-such-program cannot be run: No such file or directory\n"
		 "f:4: the program / cannot be run: Is a directory\n"
		 "f:6: the rundir %s/launch cannot be used: Not a directory\n",
		 dir, dir);
	T_STREQ(launch.errors, lines);
	tacho_launch_fini(&launch);

	T_EQ(tacho_launch_read(&launch, dir), -EISDIR);
	snprintf(lines, sizeof(lines), "%s: cannot be read: Is a directory\n", dir);
	T_STREQ(launch.errors, lines);
	tacho_launch_fini(&launch);
	T_EQ(tacho_launch_read(&launch, "/dev/zero"), -EFBIG);
	T_STREQ(launch.errors, "/dev/zero: larger than 1048576 bytes: no launch file\n");
	tacho_launch_fini(&launch);
	unlink(file);
	rmdir(dir);
}

T_MAIN
