/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * demo_mix.c: the scheduler's demonstration: what programs get done without it and with it,
 * measured in one run.
 *
 * Owns the order of events: look (events on, nothing moved), stock kernel (nothing of ours is on),
 * scheduler, and back. The same programs run all the time; first the pair alone, then with the
 * star, then with the hog as well, because these are three different problems. Checks at the end
 * that everybody may run where he could before. Where nothing was won it says so. Called by demo.c.
 * Section 4.5 of paper 001.
 */
#include <ctype.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "demo.h"
#include "sched_verb.h"
#include "screen.h"

#define SECOND_NS  1000000000ll
#define SAMPLE_NS  100000000 /* between two looks at where they run */
#define LIFE_S	   120 /* of the programs, whatever happens */
#define LOOK_S	   2.5
#define LOOKS	   3
#define MEASURE_S  3.0
#define LEAST_TALK 20.0 /* wake-ups per second that make an arrow */
#define GAIN	   1.1 /* that counts as one */
#define BUSY	   0.1 /* of a processor, used by others: worth a line */
#define SETTLE_S   0.5 /* before it is measured */
#define REACT_S	   2.0 /* the same, with the scheduler: judging a move takes a while */

struct result {
	double rate; /* per second */
	double p99_us;
};

/* Who runs. Loads join one after the other: each is another problem for whoever places them. */
static const struct act {
	const char *name;
	uint32_t nr_loads; /* the first so many */
} acts[] = { { "the pair alone", 1 }, { "the pair and the star", 2 }, { "all of them", 3 } };
#define NR_ACTS (sizeof(acts) / sizeof(acts[0]))

/* Seconds of processors since some moment. */
struct used {
	double all; /* by everything but idling */
	double ours; /* by the mix */
};

struct demo {
	struct demo_mix mix;
	struct tacho_sched *sched; /* NULL: the stock kernel */
	struct sched_report *report;
	struct demo_picture picture;
	struct text text; /* the picture that is on the terminal */
	int drawn; /* lines of it */
	int columns;
	bool utf8, looks; /* looks: nothing is told, arrows are found */
	int timer;
	uint64_t start_ns, drawn_ns;
	uint64_t ran_ns[DEMO_TASKS]; /* as of the last sample */
	uint64_t done[DEMO_TASKS]; /* as of the last picture */
	double on_ns[DEMO_TASKS][DEMO_CPUS]; /* since then */
	struct result results[NR_ACTS][2][DEMO_NR_LOADS]; /* act, with the scheduler */
	double others
		[2]; /* processors that others used meanwhile, without and with the scheduler */
	struct tacho_sched_totals totals;
};

/* --- where they run ------------------------------------------------------------------------- */

/* The place of a CPU in the picture; DEMO_CPUS: there is no more room. */
static uint32_t cpu_place(struct demo_picture *picture, uint32_t cpu)
{
	uint32_t i;

	for (i = 0; i < picture->nr_cpus; i++)
		if (picture->cpus[i] == cpu)
			return i;
	if (i < DEMO_CPUS)
		picture->cpus[picture->nr_cpus++] = cpu;
	return i;
}

/* In their order, as far as there is room; of more, those that are used first. */
static void cpus_find(struct demo_picture *picture)
{
	struct tacho_cpus cpus;
	uint32_t cpu;

	if (demo_load_affinity(0, &cpus) || tacho_cpus_count(&cpus) > DEMO_CPUS)
		return;
	for (cpu = tacho_cpus_next(&cpus, 0); cpu != TACHO_POLICY_NONE;
	     cpu = tacho_cpus_next(&cpus, cpu + 1))
		cpu_place(picture, cpu);
}

static void sample(struct demo *demo)
{
	uint32_t i, place;
	uint64_t ran;
	int cpu;

	for (i = 0; i < demo->mix.nr_tasks; i++) {
		const struct demo_task *task = &demo->mix.tasks[i];

		ran = tacho_world_run(task->pid, task->pid);
		cpu = tacho_world_last_cpu(task->pid, task->pid);
		if (!ran || cpu < 0)
			continue;
		if (ran > demo->ran_ns[i] && demo->ran_ns[i]) {
			place = cpu_place(&demo->picture, (uint32_t)cpu);
			if (place < DEMO_CPUS)
				demo->on_ns[i][place] += (double)(ran - demo->ran_ns[i]);
		}
		demo->ran_ns[i] = ran;
	}
}

/* What the processors did so far, all of it, and for the mix. */
static void used_read(const struct demo *demo, struct used *used)
{
	unsigned long long user, nice, system, idle, wait, irq, softirq, stolen;
	FILE *stat = fopen("/proc/stat", "re");
	uint32_t i;

	memset(used, 0, sizeof(*used));
	if (stat && fscanf(stat, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice,
			   &system, &idle, &wait, &irq, &softirq, &stolen) == 8)
		used->all = (double)(user + nice + system + irq + softirq + stolen) /
			    (double)sysconf(_SC_CLK_TCK);
	if (stat)
		fclose(stat);
	for (i = 0; i < demo->mix.nr_tasks; i++) {
		const int pid = demo->mix.tasks[i].pid;

		used->ours += (double)tacho_world_run(pid, pid) / 1e9;
	}
}

/* The picture of what was since the last one. */
static void picture_take(struct demo *demo)
{
	struct demo_picture *picture = &demo->picture;
	uint64_t now = tacho_live_now(), done;
	double ns = (double)(now - demo->drawn_ns), rate[DEMO_TASKS] = { 0 };
	struct tacho_cpus cpus;
	uint32_t i, cpu;

	picture->nr_tasks = demo->mix.nr_tasks;
	for (i = 0; i < demo->mix.nr_tasks; i++) {
		picture->tasks[i].name = demo->mix.tasks[i].name;
		picture->tasks[i].is_placed =
			demo_load_affinity(demo->mix.tasks[i].pid, &cpus) == 0 &&
			!tacho_cpus_equal(&cpus, &demo->mix.tasks[i].before);
		for (cpu = 0; cpu < DEMO_CPUS; cpu++) {
			picture->tasks[i].share[cpu] = ns > 0 ? demo->on_ns[i][cpu] / ns : 0;
			demo->on_ns[i][cpu] = 0;
		}
		done = demo_load_done(&demo->mix, i);
		rate[i] = ns > 0 ? (double)(done - demo->done[i]) * 1e9 / ns : 0;
		demo->done[i] = done;
	}
	for (i = 0; i < picture->nr_links; i++)
		picture->links[i].rate = rate[picture->links[i].a] + rate[picture->links[i].b];
	demo->drawn_ns = now;
}

/* --- showing -------------------------------------------------------------------------------- */

static void picture_erase(struct demo *demo)
{
	if (demo->drawn)
		printf("\033[%dA\033[J", demo->drawn);
	demo->drawn = 0;
}

static void picture_print(struct demo *demo)
{
	fwrite(demo->text.at, 1, demo->text.len, stdout);
	if (ui_terminal())
		demo->drawn = demo->text.lines;
	fflush(stdout);
}

static void picture_show(struct demo *demo)
{
	int lines;

	picture_take(demo);
	if (ui_terminal())
		screen_size(&demo->columns, &lines);
	text_fini(&demo->text);
	text_init(&demo->text, demo->columns, demo->utf8, ui_color(UI_BOLD)[0] != '\0');
	demo_picture_draw(&demo->picture, &demo->text);
	picture_erase(demo);
	picture_print(demo);
}

/* The picture stays on the terminal, and what comes stands below it. */
static void picture_leave(struct demo *demo)
{
	/* what was drawn a moment ago says more than a moment does */
	if (!demo->drawn || tacho_live_now() - demo->drawn_ns > SECOND_NS / 2)
		picture_show(demo);
	demo->drawn = 0;
	printf("\n");
}

static void on_note(void *arg, const struct tacho_note *note)
{
	struct demo *demo = arg;
	char line[700];
	bool had = demo->drawn > 0;

	if (demo->report && !demo->looks)
		sched_report_note(demo->report, note);
	if (demo->looks)
		return;
	sched_note_line(note, demo->start_ns, line, sizeof(line));
	picture_erase(demo);
	printf("%s%s%s\n", ui_color(sched_note_color(note)), line, ui_color(UI_PLAIN));
	if (had)
		picture_print(demo);
	fflush(stdout);
}

static uint32_t task_of(const struct demo *demo, int pid)
{
	uint32_t i;

	for (i = 0; i < demo->mix.nr_tasks; i++)
		if (demo->mix.tasks[i].pid == pid)
			break;
	return i;
}

static uint32_t low(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* An arrow for each two of ours that the events say talk to each other. */
static void links_find(struct demo *demo, const struct tacho_policy_input *input)
{
	struct demo_picture *picture = &demo->picture;
	uint32_t p, i, a, b;

	for (p = 0; p < input->nr_pairs && picture->nr_links < DEMO_LINKS; p++) {
		const struct tacho_policy_pair *pair = &input->pairs[p];

		a = task_of(demo, input->domains[pair->a].pid);
		b = task_of(demo, input->domains[pair->b].pid);
		if (pair->rate < LEAST_TALK || a == b || a >= demo->mix.nr_tasks ||
		    b >= demo->mix.nr_tasks)
			continue;
		for (i = 0; i < picture->nr_links; i++)
			if ((picture->links[i].a == a && picture->links[i].b == b) ||
			    (picture->links[i].a == b && picture->links[i].b == a))
				break;
		if (i < picture->nr_links)
			continue;
		/* in their order: the eye finds them again */
		for (i = picture->nr_links++;
		     i > 0 && (picture->links[i - 1].a > low(a, b) ||
			       (picture->links[i - 1].a == low(a, b) &&
				picture->links[i - 1].b > a + b - low(a, b)));
		     i--)
			picture->links[i] = picture->links[i - 1];
		picture->links[i].a = low(a, b);
		picture->links[i].b = a + b - low(a, b);
	}
}

static void on_view(void *arg, const struct tacho_policy_input *input)
{
	struct demo *demo = arg;

	if (demo->looks)
		links_find(demo, input);
	else if (demo->report)
		sched_report_view(demo->report, input);
}

/* --- time goes by --------------------------------------------------------------------------- */

/* 0, or the exit status, which has been explained unless a signal came. */
static int pass(struct demo *demo, double seconds)
{
	int64_t now = ui_now_ns(), end = now + (int64_t)(seconds * 1e9), draw = now + SECOND_NS;
	struct pollfd pollfd = { .fd = demo->timer, .events = POLLIN };
	uint64_t ticks;
	int error = 0;

	while (now < end && !ui_stop && !error) {
		error = demo->sched ? tacho_sched_round(demo->sched) : 0;
		if (error)
			return ui_fail(&demo_verb, "the scheduler: %s",
				       tacho_sched_error(demo->sched));
		if (!demo->sched)
			poll(&pollfd, 1, 1000);
		else
			tacho_sched_wait(demo->sched, demo->timer);
		if (read(demo->timer, &ticks, sizeof(ticks)) == sizeof(ticks)) {
			sample(demo);
			error = demo_load_check(&demo->mix);
		}
		now = ui_now_ns();
		if (now >= draw && ui_terminal()) {
			picture_show(demo);
			draw = now + SECOND_NS;
		}
	}
	if (error)
		return ui_fail(&demo_verb, "a program of the mix has ended");
	return ui_stop ? UI_FAILED : UI_DONE;
}

static void say(const char *words)
{
	printf("%s%s%s\n\n", ui_color(UI_BOLD), words, ui_color(UI_PLAIN));
	fflush(stdout);
}

/* What they get done in one act, after they had time to settle. */
static int measure(struct demo *demo, const struct act *act)
{
	struct demo_count before[DEMO_NR_LOADS], after[DEMO_NR_LOADS], between;
	struct result *results = demo->results[act - acts][demo->sched != NULL];
	struct used used[2];
	int64_t from_ns, ns;
	uint32_t i;
	int status;

	printf("%s   %c%s:%s\n\n", ui_color(UI_BOLD), toupper((unsigned char)act->name[0]),
	       act->name + 1, ui_color(UI_PLAIN));
	fflush(stdout);
	for (i = 0; i < DEMO_NR_LOADS; i++)
		demo_load_pause(&demo->mix, i, i >= act->nr_loads);
	for (i = 0; i < demo->mix.nr_tasks; i++)
		demo->picture.tasks[i].is_paused = demo->mix.tasks[i].load >= act->nr_loads;
	status = pass(demo, demo->sched ? REACT_S : SETTLE_S);
	from_ns = ui_now_ns();
	used_read(demo, &used[0]);
	for (i = 0; i < DEMO_NR_LOADS; i++)
		demo_load_read(&demo->mix, i, &before[i]);
	picture_take(demo);
	if (!status)
		status = pass(demo, MEASURE_S);
	ns = ui_now_ns() - from_ns;
	used_read(demo, &used[1]);
	for (i = 0; i < DEMO_NR_LOADS; i++)
		demo_load_read(&demo->mix, i, &after[i]);
	if (status)
		return status;
	picture_leave(demo);
	demo->others[demo->sched != NULL] +=
		(used[1].all - used[0].all - (used[1].ours - used[0].ours)) * 1e9 / (double)ns /
		(double)NR_ACTS;
	for (i = 0; i < DEMO_NR_LOADS; i++) {
		demo_load_between(&before[i], &after[i], &between);
		results[i].rate = (double)between.done * 1e9 / (double)ns;
		results[i].p99_us = (double)tacho_facts_quantile(between.latency, 0.99) / 1e3;
	}
	return UI_DONE;
}

static int measure_all(struct demo *demo)
{
	int status = UI_DONE;
	size_t i;

	for (i = 0; i < NR_ACTS && !status; i++)
		status = measure(demo, &acts[i]);
	return status;
}

/* --- the parts ------------------------------------------------------------------------------ */

static int sched_open(struct demo *demo, const char *policy, char *why, size_t why_size)
{
	const struct tacho_sched_options options = {
		.policy = policy,
		.always = demo->looks,
		.dry_run = demo->looks, /* no ledger: whether it can be is the kernel's to say */
		.note = on_note,
		.view = on_view,
		.arg = demo,
	};
	int error;

	error = tacho_sched_open(&demo->sched, &options, why, why_size);
	if (error && !why[0])
		snprintf(why, why_size, "%s", strerror(-error));
	if (error)
		demo->sched = NULL;
	return error;
}

static void intro(const struct demo *demo)
{
	uint32_t i;

	printf("These run on %ld processors:\n\n", sysconf(_SC_NPROCESSORS_ONLN));
	for (i = 0; i < DEMO_NR_LOADS; i++)
		printf("  %-6s %s\n", demo_loads[i].name, demo_loads[i].about);
	printf("\n%u processes, which know nothing of each other's place.\n\n", demo->mix.nr_tasks);
}

static int look(struct demo *demo, char *why, size_t why_size)
{
	int error, status, looks = 0;

	demo->looks = true;
	error = sched_open(demo, "observe", why, why_size);
	if (error == -EPERM || error == -EACCES || error == -EOPNOTSUPP)
		return error;
	if (error)
		return ui_fail(&demo_verb, "%s", why);
	intro(demo);
	picture_take(demo);
	say("1. Who talks to whom, from events of the kernel. Nothing is moved.");
	/* longer where the machine is so busy that nobody came to speak */
	do
		status = pass(demo, LOOK_S);
	while (!status && demo->picture.nr_links == 0 && ++looks < LOOKS);
	if (!status)
		picture_leave(demo);
	tacho_sched_close(demo->sched, NULL);
	demo->sched = NULL;
	demo->looks = false;
	if (!status && demo->picture.nr_links == 0)
		printf("No events said that any of them talk to each other.\n\n");
	return status;
}

static int with_sched(struct demo *demo)
{
	char why[300] = "";
	int error, status;

	printf("%s3. The scheduler, policy auto. What it does and why:%s\n\n", ui_color(UI_BOLD),
	       ui_color(UI_PLAIN));
	error = sched_open(demo, "auto", why, sizeof(why));
	if (error)
		return ui_fail(&demo_verb, "%s", why);
	status = measure_all(demo);
	tacho_sched_totals(demo->sched, &demo->totals);
	if (!status)
		say("4. Off: everything as it was.");
	tacho_sched_close(demo->sched, NULL);
	demo->sched = NULL;
	return status;
}

/* Whether everybody may run where he could before. */
static int verify(const struct demo *demo)
{
	struct tacho_cpus now;
	uint32_t i;
	int status = UI_DONE;

	for (i = 0; i < demo->mix.nr_tasks; i++)
		if (demo_load_affinity(demo->mix.tasks[i].pid, &now) ||
		    !tacho_cpus_equal(&now, &demo->mix.tasks[i].before))
			status = ui_fail(&demo_verb, "%s may not run where it could before",
					 demo->mix.tasks[i].name);
	if (!status)
		printf("\nAll %u programs may run where they could before: checked.\n",
		       demo->mix.nr_tasks);
	return status;
}

static void report_write(struct demo *demo, const char *path)
{
	int error;

	sched_report_end(demo->report, &demo->totals);
	error = sched_report_html(demo->report, path);
	if (error)
		ui_fail(&demo_verb, "%s: %s", path, strerror(-error));
	else
		printf("The report with all decisions: %s\n", path);
}

/* --- the table ------------------------------------------------------------------------------ */

static double ratio_of(const struct result results[2][DEMO_NR_LOADS], uint32_t load)
{
	return results[0][load].rate > 0 ? results[1][load].rate / results[0][load].rate : 0;
}

/* In one line what came of it. */
static void verdict_print(const struct demo *demo)
{
	double best = 0, worst = 1e9, ratio;
	uint32_t act, load;

	for (act = 0; act < NR_ACTS; act++)
		for (load = 0; load < acts[act].nr_loads; load++) {
			ratio = ratio_of(demo->results[act], load);
			best = ratio > best ? ratio : best;
			worst = ratio < worst ? ratio : worst;
		}
	printf("Moves: %llu, kept %llu, taken back %llu; the scheduler cost %.2f %% of a CPU.\n",
	       (unsigned long long)demo->totals.moves, (unsigned long long)demo->totals.kept,
	       (unsigned long long)demo->totals.taken_back, demo->totals.own_cpu * 100);
	if (demo->others[0] > BUSY || demo->others[1] > BUSY)
		printf("Others used %.0f %% of a CPU before and %.0f %% with it: the numbers are theirs "
		       "as well.\n",
		       demo->others[0] * 100, demo->others[1] * 100);
	if (best < GAIN)
		printf("Nothing was won: the stock kernel had placed them well.\n");
	if (worst < 1 / GAIN)
		printf("Something got less done than before, down to %.2f of it: see below.\n",
		       worst);
	printf("\n");
}

static void act_print(const struct result results[2][DEMO_NR_LOADS], const struct act *act)
{
	const struct result *stock = results[0], *sched = results[1];
	uint32_t i;

	printf("%s%-28s%12s%10s%13s%10s%9s%s\n", ui_color(UI_BOLD), act->name, "stock /s", "p99 us",
	       "tacho /s", "p99 us", "ratio", ui_color(UI_PLAIN));
	for (i = 0; i < act->nr_loads; i++) {
		char name[64];

		snprintf(name, sizeof(name), "  %s: %s", demo_loads[i].name, demo_loads[i].unit);
		if (demo_loads[i].has_latency)
			printf("%-28s%12.0f%10.1f%13.0f%10.1f%8.2fx\n", name, stock[i].rate,
			       stock[i].p99_us, sched[i].rate, sched[i].p99_us,
			       ratio_of(results, i));
		else
			printf("%-28s%12.0f%10s%13.0f%10s%8.2fx\n", name, stock[i].rate, "",
			       sched[i].rate, "", ratio_of(results, i));
	}
}

/* --- all of it ------------------------------------------------------------------------------ */

static int show(struct demo *demo, const char *report, char *why, size_t why_size)
{
	const struct sched_report_options options = { .policy = "auto", .command = "tacho demo" };
	uint32_t i;
	int status;

	status = look(demo, why, why_size);
	if (status)
		return status;
	printf("%s2. The stock kernel; nothing of ours is on.%s\n\n", ui_color(UI_BOLD),
	       ui_color(UI_PLAIN));
	status = measure_all(demo);
	if (!status && sched_report_open(&demo->report, &options))
		status = ui_fail(&demo_verb, "no memory");
	if (!status)
		status = with_sched(demo);
	if (!status)
		status = verify(demo);
	if (status)
		return status;
	report_write(demo, report);
	verdict_print(demo);
	for (i = 0; i < NR_ACTS; i++)
		act_print(demo->results[i], &acts[i]);
	for (i = 0; i < DEMO_NR_LOADS; i++)
		if (demo->results[NR_ACTS - 1][0][i].rate <= 0 ||
		    demo->results[NR_ACTS - 1][1][i].rate <= 0)
			status = ui_fail(&demo_verb, "%s got nothing done", demo_loads[i].name);
	return status;
}

static int start(struct demo *demo, const char *report, char *why, size_t why_size)
{
	int error = demo_load_start(&demo->mix, LIFE_S);

	if (error)
		return ui_fail(&demo_verb, "starting the programs: %s", strerror(-error));
	return show(demo, report, why, why_size);
}

int demo_mix(const char *report, bool ascii, char *why, size_t why_size)
{
	const struct itimerspec period = { { 0, SAMPLE_NS }, { 0, SAMPLE_NS } };
	const char *directory = getenv("TMPDIR");
	struct demo *demo = calloc(1, sizeof(*demo));
	char path[4096];
	int status;

	if (!demo)
		return ui_fail(&demo_verb, "no memory");
	setlocale(LC_CTYPE, "");
	demo->utf8 = !ascii && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	demo->columns = 100;
	demo->start_ns = demo->drawn_ns = tacho_live_now();
	snprintf(path, sizeof(path), "%s/tacho-demo.html", directory ? directory : "/tmp");
	demo->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	timerfd_settime(demo->timer, 0, &period, NULL);
	cpus_find(&demo->picture);
	if (report && sched_report_check(report))
		status = ui_fail(&demo_verb, "%s: no report can be written there", report);
	else
		status = start(demo, report ? report : path, why, why_size);
	demo_load_stop(&demo->mix);
	sched_report_close(demo->report);
	text_fini(&demo->text);
	close(demo->timer);
	free(demo);
	return status;
}
