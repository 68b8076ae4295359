// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_steady.c: an account that is exact while everything around it changes.
 *
 * One session is steady: what it switched on before the first event stays so until after the last, and
 * every event is accounted for, to the unit: rows + lost == issued, sums and counts of samples
 * included, and the rows are whole. Meanwhile other sessions come, go and change their mind about
 * the same events, threads come and go and migrate, signals interrupt them, and the process forks.
 *
 * Runs for TORTURE_SECONDS [2], with restartable sequences and with the generic writer.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/time.h>

#include <tacho/tacho.h>

#include "internal.h"
#include "rig.h"
#include "t.h"

enum { NR_WORKERS = 4, NR_CHAOS = 2, NR_DOMAINS = 4, PEER = 9, THRESHOLD = 3 };

TACHO_EVENT(steady, TACHO_ACCESS, "steady.steady", "hash", "peer", "rows that are read");
TACHO_EVENT(added, TACHO_ACCESS, "steady.added", "amount", "", "a sum");
TACHO_EVENT(sampled, TACHO_ACCESS, "steady.sampled", "", "", "every third one");
TACHO_EVENT(ticked, TACHO_ACCESS, "steady.ticked", "", "", "rows with the virtual clock");
TACHO_EVENT(spanned, TACHO_SPAN, "steady.spanned", "", "", "from enter to exit");
TACHO_EVENT(signalled, TACHO_SAMPLE, "steady.signalled", "", "", "in the handler");
TACHO_EVENT(chaos0, TACHO_ACCESS, "chaos.0", "", "", "switched at random");
TACHO_EVENT(chaos1, TACHO_SAMPLE, "chaos.1", "", "", "switched at random");
TACHO_EVENT(chaos2, TACHO_SPAN, "chaos.2", "", "", "switched at random");
TACHO_EVENT(chaos3, TACHO_ACCESS, "chaos.3", "", "", "switched at random");

/* What was issued; workers add when they end, the handler at once. */
static struct {
	tacho_u64 steady, added, sum, sampled, ticked, spanned, signalled;
	tacho_u64 attached, switched, routed, forked, threads, migrated;
} issued;
static tacho_u32 over;

static uint64_t whole(uint32_t n, uint32_t domain)
{
	uint64_t state = (uint64_t)n << 32 | domain;

	return (uint64_t)n << 32 | (uint32_t)t_random(&state);
}

static double seconds(void)
{
	const char *text = getenv("TORTURE_SECONDS");
	double wanted = text ? atof(text) : 0;

	return wanted > 0 ? wanted : 2;
}

/* --- what happens --------------------------------------------------------------------------- */

static void on_signal(int signal)
{
	(void)signal;
	TACHO_LOG(signalled);
	TACHO_LOG(chaos1, 1, PEER);
	TACHO_LOG(added, 1000);
	tacho_add_relaxed(&issued.signalled, 1);
}

static void migrate(const cpu_set_t *all, uint64_t *state)
{
	int cpu = (int)(t_random(state) % CPU_SETSIZE);
	cpu_set_t one;

	for (int i = 0; i < CPU_SETSIZE && !CPU_ISSET(cpu, all); i++)
		cpu = (cpu + 1) % CPU_SETSIZE;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (pthread_setaffinity_np(pthread_self(), sizeof(one), t_random(state) % 4 ? &one : all) ==
	    0)
		tacho_add_relaxed(&issued.migrated, 1);
}

static void chaos_events(uint64_t n)
{
	TACHO_LOG(chaos0, n, PEER);
	TACHO_LOG(chaos1, n);
	TACHO_ENTER(chaos2);
	TACHO_LOG(chaos3, n, PEER, (uint32_t)n % 8);
	TACHO_EXIT(chaos2, PEER);
}

/* One generation of a worker. */
static void *worker(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg, nr = 0, sum = 0;
	uint64_t rounds = 1000 + t_random(&state) % 20000;
	uint32_t domain = 1;
	cpu_set_t all;

	pthread_getaffinity_np(pthread_self(), sizeof(all), &all);
	for (; nr < rounds && !tacho_load_relaxed(&over); nr++) {
		if (nr % 256 == 0) {
			domain = 1 + (uint32_t)t_random(&state) % NR_DOMAINS;
			tacho_principal_set(domain);
		}
		if (nr % 1024 == 0)
			migrate(&all, &state);
		TACHO_LOG(steady, whole((uint32_t)nr, domain), PEER);
		TACHO_ENTER(spanned);
		TACHO_LOG(added, nr & 7);
		TACHO_LOG(sampled);
		TACHO_LOG(ticked, nr);
		TACHO_EXIT(spanned);
		chaos_events(nr);
		sum += nr & 7;
	}
	tacho_add_relaxed(&issued.steady, nr);
	tacho_add_relaxed(&issued.added, nr);
	tacho_add_relaxed(&issued.sum, sum);
	tacho_add_relaxed(&issued.sampled, nr);
	tacho_add_relaxed(&issued.ticked, nr);
	tacho_add_relaxed(&issued.spanned, nr);
	return NULL;
}

/* Generations of workers, one after the other. */
static void *foreman(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg;

	while (!tacho_load_relaxed(&over)) {
		pthread_t thread;

		if (!T_OK(pthread_create(&thread, NULL, worker,
					 (void *)(uintptr_t)t_random(&state)) == 0))
			break;
		pthread_join(thread, NULL);
		tacho_add_relaxed(&issued.threads, 1);
	}
	return NULL;
}

/* --- sessions that change their mind --------------------------------------------------------- */

static const char *const chaos_names[] = { "chaos.0", "chaos.1", "chaos.2", "chaos.3",
					   "steady.steady" };

static void chaos_step(struct rig_session *s, const uint32_t *ids, uint32_t *log, uint64_t *state)
{
	uint32_t which = (uint32_t)t_random(state) % 5;
	uint32_t domain = t_random(state) % 2 ? TACHO_NONE : (uint32_t)t_random(state) % 8;
	int added;

	switch (t_random(state) % 6) {
	case 0:
		added = tacho_memory_log_add(&s->memory, 1u << t_random(state) % 8,
					     (uint32_t)t_random(state) % TACHO_LAYOUTS, ids[which],
					     TACHO_NONE);
		if (added > 0)
			log[which] = (uint32_t)added;
		break;
	case 1:
	case 2:
		T_EQ(tacho_memory_route(&s->memory, ids[which], domain,
					t_random(state) % 8 ? log[which] : 0,
					(uint32_t)t_random(state) % 5),
		     0);
		tacho_add_relaxed(&issued.routed, 1);
		break;
	case 3:
		T_EQ(tacho_target_enable(s->target, &ids[which], 1), 0);
		tacho_add_relaxed(&issued.switched, 1);
		break;
	case 4:
		T_EQ(tacho_target_disable(s->target, &ids[which], 1), 0);
		tacho_add_relaxed(&issued.switched, 1);
		break;
	default:
		T_EQ(tacho_memory_bind(&s->memory, (uint32_t)t_random(state) % 16,
				       (uint32_t)t_random(state) % 8),
		     0);
		tacho_memory_tick(&s->memory);
	}
}

/* Wait until the component has given the area back: nobody writes it any more. */
static void chaos_leave(struct rig_session *s, const uint32_t *ids)
{
	T_EQ(tacho_target_disable(s->target, ids, 5), 0);
	T_OK(rig_validate(s));
	rig_close(s);
}

static void *chaos(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg;

	while (!tacho_load_relaxed(&over) && !t_failures()) {
		uint32_t ids[5], log[5] = { 0 };
		struct rig_session s;

		if (!rig_open(&s, getpid(), NULL))
			break;
		tacho_add_relaxed(&issued.attached, 1);
		for (int i = 0; i < 5; i++)
			rig_event(&s, chaos_names[i], &ids[i]);
		for (uint64_t n = t_random(&state) % 100; n > 0 && !tacho_load_relaxed(&over); n--)
			chaos_step(&s, ids, log, &state);
		if (t_random(&state) % 2)
			chaos_leave(&s, ids);
		else
			rig_close(&s); /* as if it were killed */
	}
	return NULL;
}

/* A child of the busy process: it is not attached, logs in vain, and ends. */
static void fork_one(void)
{
	int status, pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		for (uint64_t i = 0; i < 10; i++) {
			chaos_events(i);
			TACHO_LOG(steady, 0);
			TACHO_LOG(added, 1);
		}
		_exit(rig_text_diff(getpid()) == 0 ? 0 : 1);
	}
	T_OK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	tacho_add_relaxed(&issued.forked, 1);
}

/* --- the steady session ---------------------------------------------------------------------- */

struct steady {
	struct rig_session s;
	struct tacho_view view;
	uint32_t steady, added, sampled, ticked, spanned, signalled;
	struct tacho_cursor *cursor; /* of steady, then of ticked, per CPU */
	uint64_t *last; /* virtual time, per CPU */
	uint64_t rows, torn, back;
};

static int steady_begin(struct steady *d)
{
	const struct tacho_area_options options = { .rows_size = 8u << 20 };
	uint32_t nr;

	memset(d, 0, sizeof(*d));
	if (!rig_open(&d->s, getpid(), &options))
		return 0;
	for (uint32_t i = 1; i <= PEER; i++)
		T_EQ(tacho_memory_bind(&d->s.memory, i, i), 0);
	d->steady = rig_log(&d->s, "steady.steady", RIG_FULL, 65536, 1);
	d->added = rig_log(&d->s, "steady.added", TACHO_ADD | TACHO_ENTRY_COUNTER, 1, 1);
	d->sampled = rig_log(&d->s, "steady.sampled", 0, 1, THRESHOLD);
	d->ticked = rig_log(&d->s, "steady.ticked", TACHO_CLOCK_VIRTUAL | TACHO_ENTRY_COUNTER,
			    65536, 1);
	d->spanned = rig_log(&d->s, "steady.spanned", TACHO_ENTRY_COUNTER, 64, 1);
	d->signalled = rig_log(&d->s, "steady.signalled", RIG_FULL, 64, 1);
	if (!T_OK(d->steady && d->added && d->sampled && d->ticked && d->spanned && d->signalled))
		return 0;
	if (!T_EQ(tacho_view_open(&d->view, d->s.memory.base, d->s.memory.size, NULL, 0), 0))
		return 0;
	nr = d->view.header.nr_cpus;
	d->cursor = calloc(2 * nr, sizeof(*d->cursor));
	d->last = calloc(nr, sizeof(*d->last));
	for (uint32_t i = 0; i < 2 * nr; i++)
		T_EQ(tacho_cursor_init(&d->cursor[i], &d->view, i % nr,
				       i < nr ? d->steady : d->ticked, 1),
		     0);
	return 1;
}

static void steady_row(struct steady *d, const struct tacho_row *row, bool ticked)
{
	uint32_t id;

	d->rows++;
	if (ticked) {
		if (row->time + 1 <= d->last[row->cpu] && d->back++ < 5)
			T_FAIL("virtual time of CPU %u went back to %llu", row->cpu,
			       (unsigned long long)row->time);
		d->last[row->cpu] = row->time + 1;
		return;
	}
	if (row->counter == whole((uint32_t)(row->counter >> 32), row->domain) &&
	    row->correspondent == PEER && row->time != 0)
		return;
	if (d->torn++ < 5 && rig_event(&d->s, "steady.steady", &id))
		T_FAIL("torn: event %u (%u) domain %u peer %u counter %llx", row->event, id,
		       row->domain, row->correspondent, (unsigned long long)row->counter);
}

static void steady_read(struct steady *d)
{
	static struct tacho_row rows[512];
	uint32_t nr = d->view.header.nr_cpus;

	for (uint32_t i = 0; i < 2 * nr; i++) {
		size_t n;

		do {
			n = tacho_cursor_read(&d->cursor[i], &d->view, rows, 512);
			for (size_t r = 0; r < n; r++)
				steady_row(d, &rows[r], i >= nr);
		} while (n == 512);
	}
}

static void account(const char *what, uint64_t found, uint64_t lost, uint64_t wanted)
{
	printf("     %-9s %12llu of %llu, lost at most %llu\n", what, (unsigned long long)found,
	       (unsigned long long)wanted, (unsigned long long)lost);
	/* what was lost is not known by event: all of them together are exact, see below */
	if (found > wanted || found + lost < wanted)
		T_FAIL("%s: %llu found, %llu lost, %llu issued", what, (unsigned long long)found,
		       (unsigned long long)lost, (unsigned long long)wanted);
}

static void steady_account(struct steady *d)
{
	uint64_t lost = rig_lost(&d->s), sum = 0, counts = 0, found, wanted;
	const struct tacho_area *h = &d->view.header;
	uint32_t id;

	rig_event(&d->s, "steady.sampled", &id);
	for (uint32_t cpu = 0; cpu < h->nr_cpus; cpu++) {
		const struct tacho_sample *samples =
			(const struct tacho_sample *)(const void *)(rig_part(&d->s.memory, cpu) +
								    h->samples_off);
		uint64_t one;

		T_EQ(tacho_view_sum(&d->view, cpu, d->added, &one), 0);
		sum += one;
		for (uint32_t domain = 0; domain < h->nr_domains; domain++)
			counts += samples[id * h->nr_domains + domain].count;
	}
	account("steady", rig_rows(&d->s, d->steady), lost, issued.steady);
	account("ticked", rig_rows(&d->s, d->ticked), lost, issued.ticked);
	account("spanned", rig_rows(&d->s, d->spanned), lost, issued.spanned);
	account("signalled", rig_rows(&d->s, d->signalled), lost, issued.signalled);
	/* a counter takes no lock, so nothing of it is ever lost */
	T_EQ(sum, issued.sum + issued.signalled * 1000);
	account("sampled", rig_rows(&d->s, d->sampled) * THRESHOLD + counts, lost * THRESHOLD,
		issued.sampled);
	/* a lost row of the sampled event stands for three of them */
	found = rig_rows(&d->s, d->steady) + rig_rows(&d->s, d->ticked) +
		rig_rows(&d->s, d->spanned) + rig_rows(&d->s, d->signalled) +
		rig_rows(&d->s, d->sampled);
	wanted = issued.steady + issued.ticked + issued.spanned + issued.signalled +
		 (issued.sampled - counts) / THRESHOLD;
	T_EQ(found + lost, wanted);
	if (tacho_i_rseq_usable())
		T_EQ(lost, 0);
	for (uint32_t i = 0; i < 2 * h->nr_cpus; i++)
		T_EQ(d->cursor[i].rows + d->cursor[i].lost,
		     rig_control(&d->s.memory, d->cursor[i].cpu, d->cursor[i].log)->pos);
	T_EQ(d->torn, 0);
	T_EQ(d->back, 0);
	T_OK(d->rows > 1000);
}

/* --- the whole ------------------------------------------------------------------------------- */

T_CASE(steady)
{
	const struct itimerval often = { { 0, 200 }, { 0, 200 } }, never = { { 0, 0 }, { 0, 0 } };
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	uint64_t state = t_seed(), end = t_now_ns() + (uint64_t)(seconds() * 1e9);
	pthread_t threads[NR_WORKERS + NR_CHAOS];
	struct steady d;

	printf("     %s writer, %g s\n", tacho_i_rseq_usable() ? "restartable" : "generic",
	       seconds());
	T_NEED(steady_begin(&d));
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < NR_WORKERS + NR_CHAOS; i++)
		T_NEED(pthread_create(&threads[i], NULL, i < NR_WORKERS ? foreman : chaos,
				      (void *)(uintptr_t)t_random(&state)) == 0);
	while (t_now_ns() < end && !t_failures()) {
		steady_read(&d);
		tacho_memory_tick(&d.s.memory);
		if (!T_TSAN && t_random(&state) % 64 == 0)
			fork_one();
	}
	tacho_store_relaxed(&over, 1);
	for (int i = 0; i < NR_WORKERS + NR_CHAOS; i++)
		pthread_join(threads[i], NULL);
	setitimer(ITIMER_REAL, &never, NULL);
	steady_read(&d);
	printf("     %llu attaches, %llu switches, %llu routes, %llu forks, %llu threads, "
	       "%llu migrations, %llu rows read\n",
	       (unsigned long long)issued.attached, (unsigned long long)issued.switched,
	       (unsigned long long)issued.routed, (unsigned long long)issued.forked,
	       (unsigned long long)issued.threads, (unsigned long long)issued.migrated,
	       (unsigned long long)d.rows);
	steady_account(&d);
	T_OK(rig_validate(&d.s));
	rig_close(&d.s);
	T_OK(rig_restored(getpid()) >= 0);
	T_EQ(rig_wx(getpid()), 0);
	free(d.cursor);
	free(d.last);
}

/* The same without restartable sequences: another process, because the choice is made at start. */
T_CASE(steady_generic)
{
	int status = -1, pid;

	if (!tacho_i_rseq_usable())
		return; /* that was it */
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		setenv("TACHO_WRITER", "generic", 1);
		execl("/proc/self/exe", "t_steady", "steady", (char *)NULL);
		_exit(127);
	}
	T_OK(pid > 0 && waitpid(pid, &status, 0) == pid);
	T_EQ(status, 0);
}

T_MAIN
