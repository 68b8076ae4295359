// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_sched_links.c: the log files of tacho sched, where somebody else has put a link before.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/sched_logs.h"
#include "t.h"

T_CASE(a_link_is_not_written_through)
{
	char dir[] = "/tmp/tacho-links-XXXXXX", mine[64], link[64], why[200] = "";
	struct sched_logs_options options = { .directory = dir };
	struct sched_logs *logs;
	struct stat stat;
	FILE *file;

	T_NEED(mkdtemp(dir) != NULL);
	snprintf(mine, sizeof(mine), "%s/precious", dir);
	snprintf(link, sizeof(link), "%s/scheduler.log", dir);
	file = fopen(mine, "w");
	T_NEED(file && fputs("precious", file) >= 0 && fclose(file) == 0);
	T_NEED(symlink(mine, link) == 0);
	T_OK(sched_logs_open(&logs, &options, why, sizeof(why)) < 0);
	T_OK(strncmp(why, link, strlen(link)) == 0);
	T_OK(lstat(mine, &stat) == 0 && stat.st_size == 8);
	unlink(mine);
	unlink(link);
	T_OK(rmdir(dir) == 0);
}

T_MAIN
