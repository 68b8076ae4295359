// SPDX-License-Identifier: BSD-2-Clause
/*
 * fz_launch.c: bytes as a launch file, and as a mould.
 *
 * The first byte chooses. Whatever is accepted must keep what the headers promise of it; whatever
 * is refused must be refused in whole lines that can be printed, with the file's name in front, and
 * leave nothing.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "internal.h"
#include "sched/launch.h"
#include "sched/mould.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void errors_check(const char *errors, size_t nr)
{
	const char *at, *end;
	size_t lines = 0;

	CHECK(errors && nr > 0);
	for (at = errors; *at; at = end + 1, lines++) {
		char line[1024];

		end = strchr(at, '\n');
		CHECK(end && end > at && (size_t)(end - at) < sizeof(line) - 1);
		CHECK(strncmp(at, "f:", 2) == 0);
		memset(line, 0, sizeof(line));
		memcpy(line, at, (size_t)(end - at));
		CHECK(tacho_i_text_check(line, sizeof(line)) == 0);
		CHECK(memcmp(line, at, (size_t)(end - at)) == 0);
	}
	CHECK(nr <= 100 ? lines == nr : lines == 101);
}

static void thread_check(const struct tacho_launch_thread *thread)
{
	uint32_t i;

	CHECK(thread->cpu >= -1 && thread->cpu < (int)TACHO_POLICY_CPUS);
	CHECK(thread->node >= -1 && thread->node < 1024);
	CHECK(thread->priority >= 0 && thread->priority <= 2);
	CHECK(thread->nr_numbers <= TACHO_LAUNCH_NUMBERS);
	CHECK(thread->line || thread->priority_line);
	for (i = 0; i < thread->nr_numbers; i++)
		CHECK(isfinite(thread->number[i]));
}

static void launch_check(const char *text, size_t size)
{
	struct tacho_launch launch;
	char command[32];
	size_t i, k;

	if (tacho_launch_parse(&launch, "f", text, size, 0)) {
		CHECK(launch.nr_jobs == 0 && !launch.jobs);
		errors_check(launch.errors, launch.nr_errors);
		tacho_launch_fini(&launch);
		return;
	}
	CHECK(!launch.errors && launch.nr_errors == 0 && launch.nr_jobs > 0);
	for (i = 0; i < launch.nr_jobs; i++) {
		const struct tacho_launch_job *job = &launch.jobs[i];

		CHECK(job->label && job->label[0] && !strpbrk(job->label, " \t\n/"));
		CHECK(job->argv && job->argv[0] && job->argv[0][0]);
		CHECK(job->start_s >= 0 && job->start_s <= 1e7);
		CHECK(!job->rundir || job->rundir_line > job->line);
		CHECK(strlen(tacho_launch_command(job, command, sizeof(command))) < 32);
		for (k = 0; k < job->nr_threads; k++) {
			thread_check(&job->threads[k]);
			CHECK(k == 0 || job->threads[k].thread > job->threads[k - 1].thread);
		}
		for (k = 0; k < i && k < 8; k++)
			CHECK(strcmp(job->label, launch.jobs[k].label) != 0);
	}
	tacho_launch_fini(&launch);
}

static void bound(void *arg, int tid, const struct tacho_cpus *cpus)
{
	CHECK(tid == 7 && tacho_cpus_count(cpus) == 1);
	(*(size_t *)arg)++;
}

static void mould_check(const char *text, size_t size)
{
	struct tacho_mould_player *player;
	struct tacho_mould mould;
	double at = 0, until;
	size_t i, times = 0;

	if (tacho_mould_parse(&mould, "f", text, size)) {
		CHECK(mould.nr_steps == 0 && !mould.steps);
		errors_check(mould.errors, mould.nr_errors);
		tacho_mould_fini(&mould);
		return;
	}
	CHECK(mould.nr_steps > 0 && !mould.errors);
	for (i = 0; i < mould.nr_steps; i++) {
		const struct tacho_mould_step *step = &mould.steps[i];

		CHECK(step->label < mould.nr_labels && step->cpu < TACHO_POLICY_CPUS);
		CHECK(step->at_s >= 0);
		CHECK(tacho_mould_cpu(&mould, mould.labels[step->label], step->thread, step->at_s,
				      &until) == (int)step->cpu);
		CHECK(until < 0 || until > step->at_s);
	}
	if (tacho_mould_player_open(&player, &mould, bound, &times) == 0) {
		const struct tacho_mould_step *step = &mould.steps[0];

		CHECK(tacho_mould_thread(player, mould.labels[step->label], 3, 7, step->thread,
					 0) == 0);
		for (i = 0; at >= 0 && i <= mould.nr_steps; i++)
			at = tacho_mould_play(player, at);
		CHECK(at < 0 && times >= 1 && times <= mould.nr_steps);
		tacho_mould_ended(player, 3);
		tacho_mould_player_close(player);
	}
	tacho_mould_fini(&mould);
}

/* Pieces of both languages, so that what comes out is often nearly right. */
static const char *const pieces[] = {
	"a 0 x\n",
	"***thread ",
	"***numa thread 0 [1, 2]\n",
	"***priority thread 1 [2]\n",
	"***rundir /tmp\n",
	"[1]",
	"[",
	"]",
	"\n",
	" ",
	"-",
	"1e9",
	"0.5",
	"\r\n",
	"1 on a 0 1\n",
	"2 on b * 0\n",
	"3 start a 0 1 77\n",
	"3 end a 0 1 77\n",
	"4 on a 0 0\n",
	"4 on a 0 3\n",
	"'",
	"\"",
	"\\",
	"#",
	"nan",
	"4294967295",
	",",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len * 32 + 1); /* as long as it is, so that a step too far is seen */
	size_t size = 0, i, piece;

	if (!text || len == 0)
		goto out;
	if (data[0] & 4 && len > 8)
		len = 8; /* short ones are right more often */
	for (i = 1; i < len; i++) {
		piece = data[i] % (sizeof(pieces) / sizeof(pieces[0]));
		if (!(data[0] & 2)) {
			text[size++] = (char)data[i];
		} else {
			memcpy(text + size, pieces[piece], strlen(pieces[piece]));
			size += strlen(pieces[piece]);
		}
	}
	if (size) {
		char *exact = realloc(text, size);

		text = exact ? exact : text;
	}
	if (data[0] & 1)
		mould_check(text, size);
	else
		launch_check(text, size);
out:
	free(text);
	return 0;
}
