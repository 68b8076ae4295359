// SPDX-License-Identifier: BSD-2-Clause
/*
 * loop.c: the scheduler's object and the order of a round.
 *
 * Owns struct tacho_sched and all that is in it. A round: look whether events shall be on; if they
 * are, end the interval, let trials be measured and judged, ask the policy, and work on its wishes;
 * then what is due now and then. Must not know what a policy thinks or what a move is made of.
 * Called by cmd/, bench/ and tests, from one thread.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "sched_internal.h"

#define MAX_PLACES  1024u
#define NICE	    -10
#define NOT_CHANGED 100 /* no nice value */
#define TEND_NS	    (200 * TACHO_NS_PER_MS)
#define SWEEP_NS    (1000 * TACHO_NS_PER_MS)
#define BRISK	    2u
#define MIN_GAIN    0.01 /* what a policy is told, however little a move must win */
#define SEARCH_NS   (3000 * TACHO_NS_PER_MS)
#define MIN_RATE    50.0
#define RUNQ_US	    4000u
#define MAX_METERED 16u

/* What is asked of the kernel always, and what only when somebody keeps books. */
static const uint32_t events[] = {
	TACHO_K_CPU_SERVICE, TACHO_K_CPU_WAIT,	 TACHO_K_CPU_RUNQ,
	TACHO_K_IPC_WAKE,    TACHO_K_IPC_SOCKET,
};
static const uint32_t books[] = {
	TACHO_K_IO_BLOCK_BYTES, TACHO_K_NET_RX,	   TACHO_K_NET_TX,
	TACHO_K_CPU_MIGRATE,	TACHO_K_MEM_FAULT,
};
#define MAX_EVENTS (sizeof(events) / sizeof(events[0]) + sizeof(books) / sizeof(books[0]) + 1)

/* --- opening ---------------------------------------------------------------------------------- */

static void defaults(struct tacho_sched_options *options)
{
	if (!options->policy)
		options->policy = "auto";
	if (!options->ledger)
		options->ledger = TACHO_LEDGER_FILE;
	/* the processors of a file are not those that the tasks of this machine run on */
	if (options->topology && !options->world)
		options->dry_run = true;
	if (!options->period_ms)
		options->period_ms = 20;
	if (!options->policy_ms)
		options->policy_ms = 100;
	if (!options->min_age_ms)
		options->min_age_ms = 200;
	if (!options->max_bounces)
		options->max_bounces = 5;
	if (options->min_gain == 0)
		options->min_gain = 0.05;
	if (!(options->budget > 0))
		options->budget = 0.002;
	if (!(options->cpu_threshold > 0))
		options->cpu_threshold = 0.3;
	if (!(options->disk_threshold > 0))
		options->disk_threshold = 50e3;
	if (!(options->net_threshold > 0))
		options->net_threshold = 1e6;
	if (!options->kernel.runq_us)
		options->kernel.runq_us = RUNQ_US;
	options->kernel.shared_ms = UINT32_MAX;
	options->kernel.is_lazy = true;
}

/* CPU time of a process that still is. */
static double cpu_seconds(int pid)
{
	struct timespec time;
	clockid_t clock;

	if (pid < 0 || clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0)
		return 0;
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/*
 * Ours, the restorer's, and a foreign policy's; not that of a program which this process happens to
 * run.
 */
static double own_cpu(const struct tacho_sched *sched)
{
	const int restorer = sched->ledger ? tacho_ledger_guardian(sched->ledger) : 0;
	const int policy = tacho_runner_pid(sched->runner);

	return cpu_seconds(0) + cpu_seconds(restorer > 0 ? restorer : -1) +
	       cpu_seconds(policy > 0 ? policy : -1);
}

/*
 * What a domain is, for the snapshot. A thread that is its own domain has its number behind the
 * name.
 */
static int info(void *arg, uint32_t domain, char name[32], int *pid, int *tid, uint32_t *nr_tasks,
		bool *is_vm)
{
	struct tacho_sched *sched = arg;
	struct tacho_kernel_domain_info domain_info;
	struct tacho_kernel *kernel = tacho_live_kernel(sched->live);
	const char *slash;
	int error = tacho_kernel_read(kernel, domain);

	if (!error)
		error = tacho_kernel_domain(kernel, domain, &domain_info);
	if (error)
		return error;
	if (domain_info.is_gone)
		return -ESRCH;
	memcpy(name, domain_info.name, 32);
	*pid = domain_info.pid;
	*nr_tasks = domain_info.nr_tasks;
	*is_vm = domain_info.is_vm;
	slash = strrchr(domain_info.name, '/');
	*tid = slash && domain_info.nr_tasks == 1 ? atoi(slash + 1) : 0;
	if (*tid && tacho_kernel_task_domain(tacho_live_kernel(sched->live), *tid) != domain)
		*tid = 0; /* it is only called so */
	if (domain_info.pid == getpid() || domain_info.pid == tacho_runner_pid(sched->runner) ||
	    (sched->ledger && domain_info.pid == tacho_ledger_guardian(sched->ledger)))
		return -EPERM; /* ours */
	return 0;
}

static int open_ledger(struct tacho_sched *sched, char *why, size_t why_size)
{
	int owner = 0, error;
	size_t undone = 0;

	if (sched->options.dry_run)
		return 0;
	error = tacho_ledger_open(&sched->ledger, sched->options.ledger, &sched->world, &owner,
				  &undone, why, why_size);
	if (!error && !sched->options.no_guard) {
		error = tacho_ledger_guard(sched->ledger);
		if (error)
			snprintf(why, why_size, "the restorer cannot be started: %s",
				 strerror(-error));
	}
	if (!error && undone) {
		struct tacho_note note = { .kind = TACHO_NOTE_RELEASE,
					   .nr_tasks = (uint32_t)undone };

		tacho_s_note(sched, &note,
			     "%zu tasks are as they were before a scheduler that was killed",
			     undone);
	}
	return error;
}

/*
 * Where the intensity of memory use comes from; only a policy that looks at it is worth its cost.
 */
static enum tacho_metric_use metric_use(const struct tacho_sched *sched)
{
	const char *name = tacho_runner_name(sched->runner);

	if (tacho_runner_pid(sched->runner) > 0)
		return TACHO_METRIC_READ; /* who knows what it looks at */
	if (strcmp(name, "spread") == 0)
		return TACHO_METRIC_DECIDES;
	if (strcmp(name, "observe") == 0)
		return TACHO_METRIC_READ; /* it asks spread, too */
	if (strcmp(name, "auto") == 0 &&
	    tacho_auto_spreads(sched->topology.cpus, sched->topology.nr_cpus))
		return TACHO_METRIC_READ;
	return TACHO_METRIC_UNUSED;
}

static int open_metric(struct tacho_sched *sched, char *why, size_t why_size)
{
	int error =
		tacho_metric_choose(sched->options.metric, metric_use(sched), sched->options.always,
				    &sched->metric, why, (unsigned)why_size);

	if (!error && sched->metric == TACHO_METRIC_CACHE && !sched->options.kernel.counters[0])
		sched->options.kernel.counters[0] = "cache-misses";
	return error;
}

static int open_facts(struct tacho_sched *sched, char *why, size_t why_size)
{
	uint32_t ids[MAX_EVENTS];
	struct tacho_live_options live = {
		.events = ids,
		.times = 4,
		.half_life_s = (double)sched->options.period_ms * 1e-3,
		.overlaps = true,
	};
	int error = open_metric(sched, why, why_size);

	if (error)
		return error;
	live.kernel = sched->options.kernel;
	memcpy(ids, events, sizeof(events));
	live.nr_events = sizeof(events) / sizeof(events[0]);
	if (sched->options.always) {
		memcpy(ids + live.nr_events, books, sizeof(books));
		live.nr_events += sizeof(books) / sizeof(books[0]);
	} else if (sched->metric == TACHO_METRIC_FAULTS) {
		ids[live.nr_events++] = TACHO_K_MEM_FAULT;
	}
	if (sched->metric == TACHO_METRIC_CACHE)
		ids[live.nr_events++] = TACHO_K_CPU_PMC0;
	return tacho_live_open(&sched->live, &live, why, why_size);
}

/* What a zero means in the policy's input: enum tacho_policy_measured. */
static uint32_t measured(const struct tacho_sched *sched)
{
	const enum tacho_metric_source metric = sched->metric;
	uint32_t bits = 0;

	if (sched->options.always)
		bits |= TACHO_M_IO | TACHO_M_NET | TACHO_M_MIGRATIONS | TACHO_M_FAULTS;
	if (metric == TACHO_METRIC_FAULTS)
		bits |= TACHO_M_FAULTS;
	/* asking for pages changes those who are asked: not in a dry run */
	if (metric == TACHO_METRIC_PAGES ? sched->ledger != NULL : metric != TACHO_METRIC_NONE)
		bits |= TACHO_M_INTENSITY;
	return bits;
}

static int open_snapshot(struct tacho_sched *sched)
{
	const struct tacho_snapshot_options options = {
		.nr_domains = tacho_live_view(sched->live)->header.nr_domains,
		.topology = &sched->topology,
		.world = &sched->world,
		.ledger = sched->ledger,
		.tuning = &sched->tuning,
		.min_age_ms = sched->options.min_age_ms,
		.force = sched->options.force,
		.metric = tacho_metric_names[sched->metric],
		.measured = measured(sched),
		.info = info,
		.arg = sched,
	};

	return tacho_snapshot_create(&sched->snapshot, &options);
}

/*
 * Partners are those whose wake-ups, if they were all dear, cost a fifth of what a move must win.
 */
static void tune(struct tacho_sched *sched)
{
	struct tacho_policy_tuning *tuning = &sched->tuning;

	tuning->wake_cost = tacho_wake_cost(&sched->topology);
	tuning->min_gain = sched->options.min_gain > MIN_GAIN ? sched->options.min_gain : MIN_GAIN;
	tuning->min_rate =
		tuning->wake_cost > 0 ? 0.2 * tuning->min_gain / tuning->wake_cost : MIN_RATE;
	if (tuning->min_rate < MIN_RATE)
		tuning->min_rate = MIN_RATE;
	tuning->cpu_threshold = sched->options.cpu_threshold;
	tuning->disk_threshold = sched->options.disk_threshold;
	tuning->net_threshold = sched->options.net_threshold;
	sched->totals.wake_cost = tuning->wake_cost;
}

static void note_start(struct tacho_sched *sched)
{
	struct tacho_note note = { .kind = TACHO_NOTE_START, .to = sched->topology.online };

	tacho_s_note(
		sched, &note,
		"policy %s on %u CPUs, every %u ms; waking somebody on another CPU costs %.1f us more%s",
		tacho_runner_name(sched->runner), sched->topology.nr_cpus, sched->options.period_ms,
		sched->tuning.wake_cost * 1e6, sched->ledger ? "" : "; a dry run: nothing is done");
}

static int open_all(struct tacho_sched *sched, char *why, size_t why_size)
{
	int error = tacho_topology_open(&sched->topology, sched->options.topology, why, why_size);

	/* before the kernel's descriptors are there: nobody shall inherit them */
	if (!error)
		error = open_ledger(sched, why, why_size);
	if (!error)
		error = tacho_runner_open(&sched->runner, sched->options.policy,
					  sched->options.policy_ms, why, why_size);
	if (error)
		return error;
	tune(sched);
	error = open_facts(sched, why, why_size);
	if (error)
		return error;
	snprintf(why, why_size, "out of memory");
	error = open_snapshot(sched);
	sched->plan.max = MAX_PLACES;
	sched->plan.place = calloc(MAX_PLACES, sizeof(*sched->plan.place));
	if (!sched->plan.place)
		error = -ENOMEM;
	return error;
}

/*
 * Who decides must not wait for those that he decides about, nor must a foreign policy that he
 * waits for. What this process starts from here on does not inherit it.
 */
static void hurry(struct tacho_sched *sched)
{
	const struct sched_param none = { .sched_priority = 0 };
	int own;

	sched->priority = NOT_CHANGED;
	/* who was started in another class is where he shall be */
	if (sched_getscheduler(0) != SCHED_OTHER)
		return;
	errno = 0;
	own = getpriority(PRIO_PROCESS, 0);
	if (errno || own <= NICE ||
	    sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &none) != 0)
		return;
	if (setpriority(PRIO_PROCESS, 0, NICE) == 0)
		sched->priority = own;
	if (tacho_runner_pid(sched->runner) > 0)
		(void)setpriority(PRIO_PROCESS, (id_t)tacho_runner_pid(sched->runner), NICE);
}

static void unhurry(struct tacho_sched *sched)
{
	const struct sched_param none = { .sched_priority = 0 };

	if (sched->priority == NOT_CHANGED)
		return;
	(void)setpriority(PRIO_PROCESS, 0, sched->priority);
	(void)sched_setscheduler(0, SCHED_OTHER, &none);
}

int tacho_sched_open(struct tacho_sched **out, const struct tacho_sched_options *options, char *why,
		     size_t why_size)
{
	struct tacho_sched *sched = calloc(1, sizeof(*sched));
	int error;

	*out = NULL;
	snprintf(why, why_size, "out of memory");
	if (!sched)
		return -ENOMEM;
	sched->options = *options;
	defaults(&sched->options);
	sched->world = options->world ? *options->world : tacho_world_real;
	sched->watch.fd = -1;
	sched->priority = NOT_CHANGED;
	error = open_all(sched, why, why_size);
	if (error) {
		tacho_sched_close(sched, NULL);
		return error;
	}
	hurry(sched);
	sched->opened_ns = sched->next_ns = tacho_live_now();
	sched->own_cpu = own_cpu(sched);
	tacho_watch_init(&sched->watch, sched->options.budget, sched->options.always);
	note_start(sched);
	*out = sched;
	return 0;
}

void tacho_sched_close(struct tacho_sched *sched, size_t *undone)
{
	struct tacho_note note = { .kind = TACHO_NOTE_END };
	size_t nr = 0;

	if (!sched)
		return;
	if (sched->snapshot) {
		nr = sched->ledger ? tacho_ledger_nr(sched->ledger) : 0;
		tacho_s_moves_undo(sched, "the scheduler ends");
	}
	if (sched->ledger) {
		size_t rest = 0;

		(void)tacho_ledger_release_all(sched->ledger, &rest);
		tacho_ledger_close(sched->ledger);
		sched->ledger = NULL;
	}
	note.nr_tasks = (uint32_t)nr;
	if (sched->snapshot)
		tacho_s_note(sched, &note, "everything is as before: %zu tasks", nr);
	if (undone)
		*undone = nr;
	tacho_watch_fini(&sched->watch);
	tacho_snapshot_destroy(sched->snapshot);
	tacho_live_close(sched->live);
	tacho_runner_close(sched->runner);
	tacho_observer_destroy(sched->observer);
	tacho_topology_close(&sched->topology);
	unhurry(sched);
	free(sched->plan.place);
	free(sched);
}

/* --- a round ---------------------------------------------------------------------------------- */

/* CPU time of this thread. */
static uint64_t own_ns(void)
{
	struct timespec time = { 0 };

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static int turn_events(struct tacho_sched *sched, bool on)
{
	uint64_t begin;
	int error;

	if (on == sched->is_on)
		return 0;
	begin = tacho_live_now();
	error = on ? tacho_live_on(sched->live) : tacho_live_off(sched->live);
	if (error)
		return tacho_s_fail(sched, error, "%s", tacho_live_error(sched->live));
	if (on) {
		sched->totals.windows++;
		sched->is_first = true;
		sched->brisk = BRISK;
		sched->on_ns = begin;
	} else {
		sched->totals.on_ns += tacho_live_now() - sched->on_ns;
	}
	sched->is_on = on;
	return 0;
}

static void policy_nonsense(struct tacho_sched *sched, uint32_t removed, const char *why)
{
	struct tacho_note note = { .kind = TACHO_NOTE_POLICY };

	if (removed == sched->nonsense_told)
		return;
	sched->nonsense_told = removed;
	tacho_s_note(sched, &note, "%u wishes of the policy make no sense: %s", removed, why);
}

static int decide(struct tacho_sched *sched, const struct tacho_policy_input *input)
{
	struct tacho_note note = { .kind = TACHO_NOTE_POLICY };
	char why[160] = "";
	uint32_t removed;
	int error;

	sched->plan.nr = 0;
	error = tacho_runner_decide(sched->runner, input, &sched->plan, why, sizeof(why));
	if (error) {
		tacho_s_note(sched, &note, "policy %s: %s", tacho_runner_name(sched->runner), why);
		return tacho_s_fail(sched, error, "policy %s: %s", tacho_runner_name(sched->runner),
				    why);
	}
	removed = tacho_plan_check(&sched->plan, input, why, sizeof(why));
	if (removed)
		policy_nonsense(sched, removed, why);
	sched->totals.decisions++;
	return tacho_s_moves_wish(sched, input, &sched->plan);
}

static void count_rows(struct tacho_sched *sched)
{
	struct tacho_note note = { .kind = TACHO_NOTE_LOST };
	const uint64_t before = sched->totals.rows;

	tacho_live_totals(sched->live, &sched->totals.rows, &sched->totals.lost);
	sched->interval_rows = sched->totals.rows - before;
	if (sched->totals.lost <= sched->lost_told)
		return;
	tacho_s_note(sched, &note, "%llu events were lost",
		     (unsigned long long)(sched->totals.lost - sched->lost_told));
	sched->lost_told = sched->totals.lost;
}

static void gone(void *arg, uint32_t domain)
{
	struct tacho_sched *sched = arg;

	tacho_s_moves_forget(sched, domain);
	tacho_snapshot_forget(sched->snapshot, domain);
}

/* What is in the logs has just been read: numbers of those that have ended can be used again. */
static void forget_ended(struct tacho_sched *sched)
{
	if (sched->round_ns - sched->forgot_ns < SWEEP_NS)
		return;
	sched->forgot_ns = sched->round_ns;
	tacho_live_sweep(sched->live, gone, sched);
}

/* Somebody who communicates is too young to be moved: look again when he no longer is. */
static void wait_for_the_young(struct tacho_sched *sched, const struct tacho_policy_input *input)
{
	const struct tacho_unit *unit;

	for (uint32_t i = 0; i < input->nr_domains; i++) {
		if (!(input->domains[i].flags & TACHO_D_YOUNG) ||
		    input->domains[i].set == TACHO_POLICY_NONE)
			continue;
		unit = tacho_snapshot_unit(sched->snapshot, input->domains[i].id);
		tacho_watch_wake(&sched->watch, tacho_snapshot_recheck(unit));
	}
}

/* An interval of facts: read, judge, decide. */
static int interval(struct tacho_sched *sched)
{
	struct tacho_facts *facts = tacho_live_facts(sched->live);
	const struct tacho_policy_input *input;
	int error = tacho_live_end(sched->live, NULL);

	if (error)
		return tacho_s_fail(sched, error, "%s", tacho_live_error(sched->live));
	sched->totals.rounds++;
	count_rows(sched);
	error = tacho_snapshot_add(sched->snapshot, facts, sched->round_ns, sched->is_first);
	sched->is_first = false;
	if (!error)
		error = tacho_snapshot_take(sched->snapshot, facts, sched->round_ns, &input);
	if (error)
		return tacho_s_fail(sched, error, "out of memory");
	tacho_s_trials(sched);
	error = decide(sched, input);
	if (!error)
		error = tacho_s_observe(sched, input);
	if (error)
		return error;
	if (sched->options.view)
		sched->options.view(sched->options.arg, input);
	tacho_s_splits(sched, input);
	wait_for_the_young(sched, input);
	forget_ended(sched);
	if (tacho_s_moves_wait(sched))
		tacho_watch_busy(&sched->watch, sched->round_ns);
	return 0;
}

/* The same, and what it costs us. */
static int interval_paid(struct tacho_sched *sched)
{
	const uint64_t begin = own_ns();
	const int error = interval(sched);

	tacho_watch_cost(&sched->watch, sched->interval_rows, own_ns() - begin,
			 tacho_facts_wall_ns(tacho_live_facts(sched->live)));
	return error;
}

/* CPUs came or went: what stands on other CPUs than before begins anew. */
static int cpus_tend(struct tacho_sched *sched)
{
	struct tacho_note note = { .kind = TACHO_NOTE_CPUS };
	char cpus[64];
	bool changed = false;

	if (sched->topology.is_synthetic ||
	    tacho_topology_refresh(&sched->topology, &changed) != 0 || !changed)
		return 0;
	note.to = sched->topology.online;
	tacho_s_note(sched, &note, "CPUs %s are online now",
		     tacho_cpus_format(&note.to, cpus, sizeof(cpus)));
	tacho_s_moves_undo(sched, "CPUs came or went");
	sched->is_first = true;
	if (tacho_snapshot_cpus(sched->snapshot) != 0)
		return tacho_s_fail(sched, -ENOMEM, "out of memory");
	return 0;
}

/* Pages are no event: who computes is asked, in turns. */
static void meter(struct tacho_sched *sched)
{
	struct tacho_unit *unit;
	uint64_t pages;

	if (sched->metric != TACHO_METRIC_PAGES || !sched->ledger)
		return;
	for (unsigned asked = 0; asked < MAX_METERED; asked++) {
		unit = tacho_snapshot_unmetered(sched->snapshot, sched->round_ns);
		if (!unit)
			break;
		/* the first time it is what was referenced ever */
		if (tacho_metric_pages(unit->pid, &pages) == 0 && unit->metered_ns)
			unit->intensity =
				(double)pages * 1e9 / (double)(sched->round_ns - unit->metered_ns);
		unit->metered_ns = sched->round_ns;
	}
}

/*
 * Processes end while events are off, too, and there are only so many numbers. What was written
 * between the last look and the switch is read before one is used again; it counts in the interval
 * that the next switch ends.
 */
static int forget_while_off(struct tacho_sched *sched)
{
	int error;

	if (sched->is_on)
		return 0;
	error = tacho_live_read(sched->live, NULL);
	if (error)
		return tacho_s_fail(sched, error, "%s", tacho_live_error(sched->live));
	forget_ended(sched);
	return 0;
}

static int now_and_then(struct tacho_sched *sched)
{
	size_t found = 0;
	int error = 0;

	if (sched->round_ns - sched->tended_ns < TEND_NS)
		return 0;
	sched->tended_ns = sched->round_ns;
	if (!sched->is_on)
		error = tacho_kernel_tend(tacho_live_kernel(sched->live), NULL);
	if (error)
		return tacho_s_fail(sched, error, "%s",
				    tacho_kernel_error(tacho_live_kernel(sched->live)));
	tacho_s_moves_tend(sched);
	if (sched->round_ns - sched->swept_ns < SWEEP_NS)
		return 0;
	sched->swept_ns = sched->round_ns;
	error = cpus_tend(sched);
	if (error)
		return error;
	meter(sched);
	error = forget_while_off(sched);
	if (error)
		return error;
	/* children are told at once; this is for those that were not, and for the restorer */
	if (sched->ledger &&
	    (sched->round_ns - sched->searched_ns >= SEARCH_NS ||
	     tacho_kernel_children_lost(tacho_live_kernel(sched->live)) != sched->untold)) {
		sched->untold = tacho_kernel_children_lost(tacho_live_kernel(sched->live));
		sched->searched_ns = sched->round_ns;
		(void)tacho_ledger_tend(sched->ledger, &found);
	}
	return 0;
}

/* The first rounds of a window are shorter: something has changed, and somebody waits for us. */
static uint64_t period(struct tacho_sched *sched)
{
	const uint64_t whole = sched->options.period_ms * TACHO_NS_PER_MS;

	if (!sched->is_on || !sched->brisk)
		return whole;
	sched->brisk--;
	return whole * 3 / 5;
}

/* That it fails is told once, until one succeeds. */
static void watch_look(struct tacho_sched *sched, struct tacho_look *look)
{
	const bool was_blind = sched->watch.is_blind;
	const int error = tacho_watch_look(&sched->watch, sched->round_ns, look);
	struct tacho_note note = { .kind = TACHO_NOTE_BLIND };

	if (error && !was_blind)
		tacho_s_note(sched, &note, "/proc/stat: %s; events are on until it can be read",
			     strerror(-error));
}

int tacho_sched_round(struct tacho_sched *sched)
{
	struct tacho_look look = { 0 };
	uint64_t wait, begin;
	bool was_on;
	int error = 0;

	tacho_s_children(sched);
	sched->round_ns = tacho_live_now();
	if (sched->round_ns < sched->next_ns)
		return 0;
	look.time_ns = sched->round_ns;
	if (tacho_watch_needs_look(&sched->watch, sched->round_ns))
		watch_look(sched, &look);
	was_on = sched->is_on;
	/* what is in the logs is read before they go off */
	if (was_on)
		error = interval_paid(sched);
	begin = tacho_live_now();
	if (!error)
		error = turn_events(sched, tacho_watch_step(&sched->watch, &look));
	if (!error)
		error = now_and_then(sched);
	/*
	 * Switching, and reading who was born: where that is much, events are on less often. By the
	 * clock, which costs less than asking for our own time.
	 */
	tacho_watch_spend(&sched->watch, tacho_live_now() - begin);
	wait = period(sched);
	/* after a switch the time counts from here: an interval began there */
	sched->next_ns = was_on == sched->is_on ? sched->next_ns + wait : tacho_live_now() + wait;
	if (sched->next_ns < tacho_live_now())
		sched->next_ns = tacho_live_now() + wait;
	return error;
}

int tacho_sched_wait(struct tacho_sched *sched, int fd)
{
	const uint64_t now_ns = tacho_live_now();
	const uint64_t left = sched->next_ns > now_ns ? sched->next_ns - now_ns : 0;
	const struct timespec wait = { (time_t)(left / 1000000000), (long)(left % 1000000000) };
	struct pollfd fds[2] = {
		{ .fd = tacho_kernel_fd(tacho_live_kernel(sched->live)), .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
	};

	if (ppoll(fds, 2, &wait, NULL) < 0)
		return -errno;
	return fds[1].revents != 0;
}

/* --- from outside ----------------------------------------------------------------------------- */

int tacho_sched_launched(struct tacho_sched *sched, int tid, const struct tacho_cpus *bound,
			 int priority)
{
	struct tacho_kernel *kernel = tacho_live_kernel(sched->live);
	struct tacho_world_task task;
	struct tacho_unit *unit;
	uint32_t domain;
	int error = sched->world.task(sched->world.arg, tid, &task);

	/* threads of a process that go to different places are domains of their own */
	if (!error && task.pid != tid &&
	    (priority || tacho_cpus_next(bound, 0) != TACHO_POLICY_NONE))
		error = tacho_kernel_split(kernel, task.pid, true);
	if (!error)
		error = tacho_kernel_tend(kernel, NULL);
	if (error)
		return error;
	domain = tacho_kernel_task_domain(kernel, tid);
	unit = tacho_snapshot_unit(sched->snapshot, domain);
	if (!unit)
		return -ESRCH;
	unit->bound = *bound;
	unit->priority = priority;
	unit->flags |= TACHO_D_LAUNCHED;
	tacho_snapshot_touch(sched->snapshot, domain, tacho_live_now());
	return 0;
}

void tacho_sched_totals(const struct tacho_sched *sched, struct tacho_sched_totals *totals)
{
	const uint64_t now_ns = tacho_live_now();

	*totals = sched->totals;
	totals->wall_ns = now_ns - sched->opened_ns;
	if (sched->is_on)
		totals->on_ns += now_ns - sched->on_ns;
	if (totals->wall_ns)
		totals->own_cpu = (own_cpu(sched) - sched->own_cpu) * 1e9 / (double)totals->wall_ns;
	totals->placed = sched->ledger ? tacho_ledger_nr(sched->ledger) : 0;
}

const struct tacho_topology *tacho_sched_topology(const struct tacho_sched *sched)
{
	return &sched->topology;
}
