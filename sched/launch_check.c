// SPDX-License-Identifier: BSD-2-Clause
/*
 * launch_check.c: whether what a launch file names is there: directories, programs, CPUs, nodes.
 *
 * Looks, and starts nothing. Programs are looked for as execvp would find them from their rundir.
 * What is there now may be gone at the start: jobs.c says so then. Called by launch.c and cmd/.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launch_internal.h"

/* 0: a file that may be executed; otherwise -errno. */
static int executable_check(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return access(path, X_OK) ? -errno : 0;
}

/* In the directories of PATH; relative ones are relative to rundir, and rare: not looked at. */
static int search(const char *program, char *path, size_t size)
{
	const char *at = getenv("PATH");
	size_t len;
	int error = -ENOENT, found;

	for (at = at ? at : "/usr/local/bin:/bin:/usr/bin"; *at; at += len + (at[len] == ':')) {
		len = strcspn(at, ":");
		if ((size_t)snprintf(path, size, "%.*s/%s", (int)len, at, program) >= size)
			continue;
		found = executable_check(path);
		if (found == 0)
			return 0;
		if (found != -ENOENT && found != -ENOTDIR && found != -EISDIR)
			error = found;
	}
	return error;
}

static void program_check(const struct tacho_launch_job *job, struct tacho_i_lines *lines)
{
	const char *program = job->argv[0], *dir = job->rundir;
	char path[8192];
	int error;

	if (!strchr(program, '/'))
		error = search(program, path, sizeof(path));
	else if (program[0] == '/' || !dir)
		error = executable_check(program);
	else if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, program) >= sizeof(path))
		error = -ENAMETOOLONG;
	else
		error = executable_check(path);
	if (!error)
		return;
	if (program[0] != '/' && strchr(program, '/') && dir)
		tacho_i_lines_refuse(lines, job->line,
				     "the program %.120s (in %.120s) cannot be run: %s", program,
				     dir, strerror(-error));
	else
		tacho_i_lines_refuse(lines, job->line, "the program %.120s cannot be run: %s",
				     program, strerror(-error));
}

int tacho_i_launch_check(const struct tacho_launch *launch, struct tacho_i_lines *lines)
{
	const struct tacho_launch_job *job;
	struct stat st;
	int error;

	for (job = launch->jobs; job < launch->jobs + launch->nr_jobs; job++) {
		error = 0;
		if (job->rundir) {
			if (stat(job->rundir, &st))
				error = errno;
			else if (!S_ISDIR(st.st_mode))
				error = ENOTDIR;
			else if (access(job->rundir, X_OK))
				error = errno;
		}
		if (error)
			tacho_i_lines_refuse(lines, job->rundir_line,
					     "the rundir %.120s cannot be used: %s", job->rundir,
					     strerror(error));
		else if (job->argv && job->argv[0] && job->argv[0][0])
			program_check(job, lines);
	}
	return 0;
}

int tacho_launch_check_cpus(struct tacho_launch *launch, const char *name,
			    const struct tacho_cpus *online, uint32_t nr_nodes)
{
	struct tacho_i_lines lines = { .name = name };
	const struct tacho_launch_thread *thread;
	size_t i, k;

	for (i = 0; i < launch->nr_jobs; i++) {
		for (k = 0; k < launch->jobs[i].nr_threads; k++) {
			thread = &launch->jobs[i].threads[k];
			if (thread->cpu >= 0 && !tacho_cpus_has(online, (uint32_t)thread->cpu))
				tacho_i_lines_refuse(&lines, thread->line,
						     "CPU %d is not here, or not online",
						     thread->cpu);
			if (thread->node >= 0 && (uint32_t)thread->node >= nr_nodes)
				tacho_i_lines_refuse(
					&lines, thread->line, "node %d is not here: there %s %u",
					thread->node, nr_nodes == 1 ? "is" : "are", nr_nodes);
		}
	}
	free(launch->errors);
	return tacho_i_lines_end(&lines, 0, &launch->errors, &launch->nr_errors);
}
