// SPDX-License-Identifier: BSD-2-Clause
/*
 * watch.c: what watch.h promises.
 */
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MS	   1000000ull
#define SECOND	   1000000000ull
#define ROW_COST   250e-9 /* seconds that a row costs who writes it, about */
#define CALM	   (70 * MS) /* nothing was decided for so long: off */
#define BEFORE	   (45 * MS) /* so long before that, looks begin */
#define MIN_PERIOD SECOND
#define MAX_PERIOD (8 * SECOND)
#define MAX_SAVED  0.05 /* seconds of a CPU */
#define SHORT	   1u /* looks between which a large change shows */
#define LONG	   6u /* and a smaller one */
#define MIN_RATE   2000.0 /* switches per second that are worth a look */
#define MIN_BUSY   0.2 /* change of the share that is worth a look */
#define LARGE	   3.0
#define SMALLER	   1.5
/*
 * One pair more among many. A step in numbers would not do: of loads that do not change, six looks
 * differ by 20,000 to 80,000 switches per second. Means of half a second differ by a quarter once
 * in 14 s, on a machine with others on it.
 */
#define SLOW  25u /* looks */
#define SMALL 1.25
#define ROOM  8192u /* bytes: most machines need no more */

void tacho_watch_init(struct tacho_watch *watch, double budget, bool always)
{
	*watch = (struct tacho_watch){ .budget = budget, .always = always };
	watch->period_ns = MIN_PERIOD;
	watch->saved = MAX_SAVED;
	watch->fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
}

void tacho_watch_fini(struct tacho_watch *watch)
{
	if (watch->fd >= 0)
		close(watch->fd);
	watch->fd = -1;
	free(watch->text);
	watch->text = NULL;
	watch->room = 0;
}

/* --- /proc/stat ------------------------------------------------------------------------------ */

/* "cpu  user nice system idle iowait ...", in ticks. */
static uint64_t idle_ticks(const char *line)
{
	uint64_t field[5] = { 0 };
	char *end = (char *)(uintptr_t)line + 4;

	for (int i = 0; i < 5; i++)
		field[i] = strtoull(end, &end, 10);
	return field[3] + field[4];
}

/* Lines "cpu0 ..." come first, after that of all. */
static uint32_t count_cpus(const char *text)
{
	uint32_t nr = 0;

	for (const char *line = strchr(text, '\n'); line && strncmp(line + 1, "cpu", 3) == 0;
	     line = strchr(line + 1, '\n'))
		nr++;
	return nr;
}

/*
 * All of the file: what is looked for stands behind lines whose length depends on the machine, one
 * per CPU and one number per interrupt.
 */
static int file_read(struct tacho_watch *watch)
{
	size_t room = watch->room ? watch->room : ROOM;
	ssize_t size;
	char *text;

	for (;; room *= 2) {
		if (room != watch->room) {
			text = realloc(watch->text, room);
			if (!text)
				return -ENOMEM;
			watch->text = text;
			watch->room = room;
		}
		size = pread(watch->fd, watch->text, room - 1, 0);
		if (size < 0)
			return -errno;
		watch->text[size] = '\0';
		if ((size_t)size < room - 1)
			return 0;
	}
}

static int look_at(struct tacho_watch *watch, struct tacho_look *look)
{
	const char *switches;
	int error = watch->fd < 0 ? -ENOENT : file_read(watch);

	if (error)
		return error;
	switches = strstr(watch->text, "\nctxt ");
	if (!switches || strncmp(watch->text, "cpu ", 4) != 0)
		return -ENODATA;
	look->idle_ns = idle_ticks(watch->text) * (SECOND / (uint64_t)sysconf(_SC_CLK_TCK));
	look->nr_cpus = count_cpus(watch->text);
	look->switches = strtoull(switches + 6, NULL, 10);
	return 0;
}

int tacho_watch_look(struct tacho_watch *watch, uint64_t now_ns, struct tacho_look *look)
{
	int error;

	*look = (struct tacho_look){ .time_ns = now_ns };
	error = look_at(watch, look);
	watch->is_blind = error != 0;
	return error;
}

/* --- on and off ------------------------------------------------------------------------------ */

/* Since `back` looks ago; false: there were not so many. */
static bool since(const struct tacho_watch *watch, unsigned back, double *rate, double *busy)
{
	const struct tacho_look *last, *first;
	double seconds;

	if (watch->nr_looks <= back)
		return false;
	last = &watch->looks[(watch->nr_looks - 1) % TACHO_WATCH_LOOKS];
	first = &watch->looks[(watch->nr_looks - 1 - back) % TACHO_WATCH_LOOKS];
	if (last->time_ns <= first->time_ns || !last->nr_cpus)
		return false;
	seconds = (double)(last->time_ns - first->time_ns) * 1e-9;
	*rate = (double)(last->switches - first->switches) / seconds;
	*busy = 1 - (double)(last->idle_ns - first->idle_ns) * 1e-9 / seconds / last->nr_cpus;
	return true;
}

/* Both ways: by so much a part, and by enough to matter. */
static bool differs(double now, double then, double factor, double least)
{
	return fabs(now - then) > least && (now > then * factor || then > now * factor);
}

static bool has_changed(const struct tacho_watch *watch)
{
	double rate, busy;

	if (watch->slow_rate > 0 && watch->nr_looks - watch->off_looks > 2 * SLOW &&
	    since(watch, SLOW, &rate, &busy) && differs(rate, watch->slow_rate, SMALL, MIN_RATE))
		return true;
	if (since(watch, SHORT, &rate, &busy) && differs(rate, watch->rate, LARGE, MIN_RATE))
		return true;
	return since(watch, LONG, &rate, &busy) && (differs(rate, watch->rate, SMALLER, MIN_RATE) ||
						    fabs(busy - watch->busy) > MIN_BUSY);
}

/* Share of a CPU that events cost while they are on: who writes rows, and us. */
static double cost(const struct tacho_watch *watch)
{
	return watch->row_rate * ROW_COST + watch->own;
}

/* The budget grows all the time; what is on is paid from it. */
static void pay(struct tacho_watch *watch, uint64_t now_ns)
{
	const double seconds = (double)(now_ns - watch->paid_ns) * 1e-9;

	watch->saved += seconds * (watch->budget - (watch->is_on ? cost(watch) : 0));
	if (watch->saved > MAX_SAVED)
		watch->saved = MAX_SAVED;
	if (watch->saved < -MAX_SAVED)
		watch->saved = -MAX_SAVED;
	watch->paid_ns = now_ns;
}

static void turn(struct tacho_watch *watch, bool on, uint64_t now_ns)
{
	watch->is_on = on;
	if (on)
		watch->wake_ns = 0;
	watch->changed_ns = watch->calm_ns = now_ns;
}

static bool is_over(const struct tacho_watch *watch, uint64_t now_ns)
{
	return !watch->always && !watch->is_blind && now_ns - watch->calm_ns >= CALM &&
	       cost(watch) >= watch->budget;
}

bool tacho_watch_needs_look(const struct tacho_watch *watch, uint64_t now_ns)
{
	return !watch->is_on || watch->is_blind || is_over(watch, now_ns + BEFORE);
}

/* Events are on. What is the case now is what changes are measured against when they are off. */
static void step_on(struct tacho_watch *watch, uint64_t now_ns)
{
	double rate, busy;

	if (!is_over(watch, now_ns) || !since(watch, SHORT, &rate, &busy) ||
	    now_ns - watch->looks[(watch->nr_looks - 1) % TACHO_WATCH_LOOKS].time_ns > BEFORE)
		return;
	watch->rate = rate;
	watch->busy = busy;
	watch->slow_rate = 0;
	watch->off_looks = watch->nr_looks;
	turn(watch, false, now_ns);
}

static void step_off(struct tacho_watch *watch, uint64_t now_ns)
{
	const bool due = now_ns - watch->changed_ns >= watch->period_ns;
	/* who asks knows that there will be something to see: that is worth a debt */
	const bool wanted =
		watch->wake_ns && now_ns >= watch->wake_ns && watch->saved > -MAX_SAVED / 2;
	double rate, busy;

	if (watch->slow_rate == 0 && watch->nr_looks - watch->off_looks > SLOW &&
	    since(watch, SLOW, &rate, &busy))
		watch->slow_rate = rate;
	if (!due && !wanted && !watch->is_blind && !(watch->saved > 0 && has_changed(watch)))
		return;
	/* in debt, one window now and then is all there is */
	watch->period_ns = due ? watch->period_ns * 2 : MIN_PERIOD;
	if (watch->period_ns > MAX_PERIOD)
		watch->period_ns = MAX_PERIOD;
	turn(watch, true, now_ns);
}

bool tacho_watch_step(struct tacho_watch *watch, const struct tacho_look *look)
{
	if (look->switches)
		watch->looks[watch->nr_looks++ % TACHO_WATCH_LOOKS] = *look;
	if (!watch->changed_ns)
		turn(watch, true, look->time_ns);
	if (!watch->paid_ns)
		watch->paid_ns = look->time_ns;
	pay(watch, look->time_ns);
	if (watch->is_on)
		step_on(watch, look->time_ns);
	else
		step_off(watch, look->time_ns);
	return watch->is_on;
}

void tacho_watch_busy(struct tacho_watch *watch, uint64_t now_ns)
{
	watch->calm_ns = now_ns;
	watch->period_ns = MIN_PERIOD;
	/* where something is decided there was something to see: that is worth the next look */
	if (watch->saved < MAX_SAVED / 2)
		watch->saved = MAX_SAVED / 2;
}

void tacho_watch_wake(struct tacho_watch *watch, uint64_t at_ns)
{
	if (!watch->wake_ns || at_ns < watch->wake_ns)
		watch->wake_ns = at_ns;
}

void tacho_watch_spend(struct tacho_watch *watch, uint64_t own_ns)
{
	watch->saved -= (double)own_ns * 1e-9;
}

void tacho_watch_cost(struct tacho_watch *watch, uint64_t rows, uint64_t own_ns,
		      uint64_t interval_ns)
{
	const double seconds = (double)interval_ns * 1e-9;

	if (!(seconds > 0))
		return;
	/* the last interval counts as much as all before it */
	watch->row_rate = (watch->row_rate + (double)rows / seconds) / (watch->row_rate ? 2 : 1);
	watch->own = (watch->own + (double)own_ns * 1e-9 / seconds) / (watch->own ? 2 : 1);
}
