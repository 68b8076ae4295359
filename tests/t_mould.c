// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_mould.c: mould.log read back: what it says of when, and every way to get one wrong; and the
 * player.
 */
#include <errno.h>
#include <unistd.h>

#include "sched/mould.h"
#include "t.h"

static struct tacho_mould mould;

static int parse(const char *text)
{
	tacho_mould_fini(&mould);
	return tacho_mould_parse(&mould, "f", text, strlen(text));
}

#define REFUSED(text, lines)                                                                       \
	do {                                                                                       \
		T_EQ(parse(text), -EINVAL);                                                        \
		T_STREQ(mould.errors, lines);                                                      \
		T_EQ(mould.nr_steps, 0);                                                           \
	} while (0)

static const char play[] = "# seconds and so on\n"
			   "0.5 start a 0 1 77\n"
			   "1 on a 0 1\n"
			   "1 on b * 3\r\n"
			   "1.5 start a 1 1 78\n"
			   "2 on a 0 1\n"
			   "2 on a 1 0\n"
			   "3 on a 0 2\n"
			   "\n"
			   "4 end a 0 1 77\n"
			   "5 on a 0 1\n1.2 on a 0 1";

T_CASE(where_and_when)
{
	double until;

	T_NEED(parse(play) == 0);
	T_EQ(mould.nr_labels, 2);
	T_EQ(mould.nr_steps, 5); /* what does not change is no step */
	T_EQ(tacho_mould_cpu(&mould, "a", 0, 0, &until), 1); /* before the first line */
	T_OK(until == 3);
	T_EQ(tacho_mould_cpu(&mould, "a", 0, 2.9, &until), 1);
	T_EQ(tacho_mould_cpu(&mould, "a", 0, 3, &until), 2);
	T_OK(until == 5);
	T_EQ(tacho_mould_cpu(&mould, "a", 0, 1e9, &until), 1);
	T_OK(until < 0);
	T_EQ(tacho_mould_cpu(&mould, "a", 1, 9, NULL), 0);
	T_EQ(tacho_mould_cpu(&mould, "a", 2, 9, &until), -1);
	T_OK(until < 0);
	T_EQ(tacho_mould_cpu(&mould, "b", 5, 0, NULL), 3);
	T_EQ(tacho_mould_cpu(&mould, "c", 0, 0, NULL), -1);
	tacho_mould_fini(&mould);
}

T_CASE(what_is_wrong)
{
	REFUSED("", "f: there is nothing to replay in it\n");
	REFUSED("1 start a 0 1 77\n", "f: there is nothing to replay in it\n");
	REFUSED("x on a 0 1\n", "f:1: expected seconds from 0 to 1000000000, not \"x\"\n");
	REFUSED("-1 on a 0 1\n", "f:1: expected seconds from 0 to 1000000000, not \"-1\"\n");
	REFUSED("nan on a 0 1\n", "f:1: expected seconds from 0 to 1000000000, not \"nan\"\n");
	REFUSED("1e99 on a 0 1\n", "f:1: expected seconds from 0 to 1000000000, not \"1e99\"\n");
	REFUSED("1\n", "f:1: expected start, on or end behind the seconds\n");
	REFUSED("1 off a 0 1\n",
		"f:1: expected start, on or end behind the seconds, not \"off\"\n");
	REFUSED("1 on\n", "f:1: the label is missing\n");
	REFUSED("1 on a\n", "f:1: the thread is missing\n");
	REFUSED("1 on a 0\n", "f:1: the CPU is missing\n");
	REFUSED("1 on a 0 1024\n", "f:1: the CPU is a whole number from 0 to 1023, not \"1024\"\n");
	REFUSED("1 on a 0.5 1\n",
		"f:1: the thread is a whole number from 0 to 4294967294, not \"0.5\"\n");
	REFUSED("1 on a 0 1 2\n", "f:1: behind the line stands \"2\"\n");
	REFUSED("1 start a 0 1\n", "f:1: the number of the task is missing\n");
	tacho_mould_fini(&mould);
	T_EQ(tacho_mould_read(&mould, "/nowhere/mould.log"), -ENOENT);
	T_STREQ(mould.errors, "/nowhere/mould.log: cannot be read: No such file or directory\n");
	tacho_mould_fini(&mould);
}

T_CASE(the_last_line_of_one_time)
{
	T_NEED(parse("1 on a 0 3\n2 on a 0 2\n2 on a 0 1\n3 on a 0 1\n"
		     "4 on a 0 0\n4 on a 0 1\n") == 0);
	T_EQ(mould.nr_steps, 2);
	T_EQ(tacho_mould_cpu(&mould, "a", 0, 1, NULL), 3);
	T_EQ(tacho_mould_cpu(&mould, "a", 0, 2, NULL), 1);
	T_EQ(tacho_mould_cpu(&mould, "a", 0, 5, NULL), 1);
	tacho_mould_fini(&mould);
}

/* A long recording: many programs, many of them with names of their own. */
T_CASE(many_labels)
{
	static char text[10000 * 32], label[16];
	size_t len = 0;

	for (unsigned i = 0; i < 10000; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%u on x#%u 0 %u\n", i,
					i * 7919 % 10000, i % 4);
	T_NEED(parse(text) == 0);
	T_EQ(mould.nr_labels, 10000);
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(label, sizeof(label), "x#%u", i * 7919 % 10000);
		T_EQ(tacho_mould_cpu(&mould, label, 0, i, NULL), i % 4);
	}
	T_EQ(tacho_mould_cpu(&mould, "x#10000", 0, 0, NULL), -1);
	tacho_mould_fini(&mould);
}

struct bound {
	int tid;
	uint32_t cpu;
};
static struct bound bounds[16];
static size_t nr_bounds;

static void bind(void *arg, int tid, const struct tacho_cpus *cpus)
{
	T_OK(arg == bounds);
	T_EQ(tacho_cpus_count(cpus), 1);
	if (nr_bounds < 16)
		bounds[nr_bounds++] = (struct bound){ tid, tacho_cpus_next(cpus, 0) };
}

T_CASE(the_player)
{
	struct tacho_mould_player *player;

	T_NEED(parse(play) == 0);
	T_NEED(tacho_mould_player_open(&player, &mould, bind, bounds) == 0);
	T_OK(tacho_mould_play(player, 0) < 0);
	T_EQ(tacho_mould_thread(player, "a", 100, 100, 0, 0.5), 0);
	T_EQ(tacho_mould_thread(player, "other", 90, 90, 0, 0.5), 0);
	T_EQ(tacho_mould_thread(player, "b", 80, 81, 7, 0.5), 0);
	T_EQ(nr_bounds, 2);
	T_OK(bounds[0].tid == 100 && bounds[0].cpu == 1);
	T_OK(bounds[1].tid == 81 && bounds[1].cpu == 3);
	T_OK(tacho_mould_play(player, 2.5) == 3);
	T_EQ(nr_bounds, 2);
	T_OK(tacho_mould_play(player, 3.01) == 5);
	T_EQ(nr_bounds, 3);
	T_OK(bounds[2].tid == 100 && bounds[2].cpu == 2);
	T_EQ(tacho_mould_thread(player, "a", 200, 200, 0, 4), 0); /* it runs again */
	T_EQ(nr_bounds, 4);
	tacho_mould_ended(player, 100);
	T_OK(bounds[3].tid == 200 && bounds[3].cpu == 1);
	/* its start in the file is 0.5, here it is 4: what was at 3 is at 6.5 */
	T_OK(tacho_mould_play(player, 6) == 6.5);
	T_EQ(nr_bounds, 4);
	T_OK(tacho_mould_play(player, 6.5) == 8.5);
	T_OK(tacho_mould_play(player, 9) < 0);
	T_EQ(nr_bounds, 6);
	T_OK(bounds[4].tid == 200 && bounds[4].cpu == 2);
	T_OK(bounds[5].tid == 200 && bounds[5].cpu == 1);
	tacho_mould_player_close(player);
	tacho_mould_fini(&mould);
}

T_CASE(runs_one_after_the_other)
{
	struct tacho_mould_player *player;

	nr_bounds = 0;
	T_NEED(parse("1 start a 0 1 77\n1 on a 0 0\n3 end a 0 1 77\n"
		     "10 start a 0 2 78\n10 on a 0 1\n12 on a 0 2\n") == 0);
	T_EQ(mould.nr_starts, 2);
	T_NEED(tacho_mould_player_open(&player, &mould, bind, bounds) == 0);
	T_EQ(tacho_mould_thread(player, "a", 5, 5, 0, 0.25), 0); /* earlier than there */
	tacho_mould_ended(player, 5);
	T_EQ(tacho_mould_thread(player, "a", 6, 6, 0, 100), 0); /* later than there */
	T_OK(tacho_mould_play(player, 101) == 102);
	T_OK(tacho_mould_play(player, 102) < 0);
	tacho_mould_ended(player, 6);
	T_EQ(tacho_mould_thread(player, "a", 7, 7, 0, 200), 0); /* as the last one */
	T_EQ(nr_bounds, 4);
	T_OK(bounds[0].cpu == 0 && bounds[1].cpu == 1 && bounds[2].cpu == 2 && bounds[3].cpu == 1);
	tacho_mould_player_close(player);
	tacho_mould_fini(&mould);
}

T_MAIN
