// SPDX-License-Identifier: BSD-2-Clause
/*
 * explore.c: threads and the search of the model checker.
 *
 * Owns the coroutines, the sequence of choices and the states that are known. Must not know what an
 * access does (weak.c). An execution is a function of its choices: who makes the next access that
 * others can see, which message a load takes, where a store goes, whether a signal comes now. The
 * search runs the program again and again with the next sequence of choices, depth first.
 *
 * Two reductions, both of which keep every reachable state:
 *   - A state that was seen before is not left again. A state is the memory with all views and, for
 *     each thread, everything that it has learnt; what a thread does next is a function of that.
 *     States are compared by 64 bits of a hash.
 *   - Observers run last (model.h says why).
 * litmus/plain, row/plain and row/plain-deep search without them and come to the same outcomes.
 */
#undef _FORTIFY_SOURCE /* its longjmp takes another stack for an error */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "model_i.h"

#define MAX_CHOICES 4096
#define MAX_STEPS   4000 /* of one execution; more is a loop without end */
#define STACK_SIZE  (256 * 1024)
#define NOBODY	    V_THREADS

struct sequence {
	bool inside;
	bool restart; /* the kernel will have it begin again */
	uint64_t history; /* of the thread at its beginning: what it learnt since is then void */
	jmp_buf begin;
};

struct thread {
	enum { IS_NEW, IS_READY, IS_ENDED } state;
	jmp_buf base; /* on its stack, at the very beginning */
	jmp_buf at; /* where it was switched from */
	uint64_t history; /* everything that it has learnt */
	unsigned int steps;
	unsigned int signals; /* that may still come */
	unsigned int depth; /* handlers that it is in */
	uint32_t mark;
	bool killed;
	int cpu;
	struct sequence sequence[2]; /* by depth */
};

struct option {
	enum { GO, KICK, SIGNAL, DIE } kind;
	unsigned int thread;
	int cpu;
};

struct choice {
	uint16_t chosen;
	uint16_t of;
};

struct set {
	uint64_t *slot; /* 0: free */
	size_t size; /* power of two */
	size_t nr;
};

enum outcome { RUNNING, FINISHED, PRUNED, FAILED, RESTARTED };

const struct v_scenario *v_scenario;
bool v_full;

static struct thread threads[V_THREADS + 1]; /* the last one stands for the main program */
static unsigned char stacks[V_THREADS][STACK_SIZE] __attribute__((aligned(64)));
static ucontext_t contexts[V_THREADS];
static bool stacks_made;
static unsigned int self = MAIN;
static jmp_buf main_at;
static unsigned int running[MAX_CPUS]; /* with cpus: the thread that has each, or NOBODY */
static int preemptions, migrations; /* left */

static struct choice choices[MAX_CHOICES];
static unsigned int nr_choices, nr_replay, nr_steps;
static struct set known; /* states */
static struct set outcomes;
static uint64_t outcomes_digest; /* does not depend on their order */
static bool tracing;
static unsigned int trace_line;
static char failure[200];
static bool covered[V_COVERS];

/* --- states ----------------------------------------------------------------------------------- */

static void set_clear(struct set *set)
{
	free(set->slot);
	memset(set, 0, sizeof(*set));
}

static bool slot_insert(struct set *set, uint64_t hash)
{
	size_t i = hash & (set->size - 1);

	for (; set->slot[i]; i = (i + 1) & (set->size - 1))
		if (set->slot[i] == hash)
			return false;
	set->slot[i] = hash;
	set->nr++;
	return true;
}

static void set_grow(struct set *set)
{
	struct set old = *set;

	set->size = old.size ? 2 * old.size : 1 << 12;
	set->slot = calloc(set->size, sizeof(*set->slot));
	set->nr = 0;
	if (!set->slot)
		v_fail("checker: out of memory");
	for (size_t i = 0; i < old.size; i++)
		if (old.slot[i])
			slot_insert(set, old.slot[i]);
	free(old.slot);
}

/* False if it was there before. */
static bool set_insert(struct set *set, uint64_t hash)
{
	if (2 * set->nr >= set->size)
		set_grow(set);
	return slot_insert(set, hash ? hash : 1);
}

/* False if the state was there before. */
static bool state_is_new(void)
{
	uint64_t hash = v_i_mix((uint64_t)preemptions, (uint64_t)migrations);

	for (unsigned int t = 0; t < V_THREADS; t++) {
		const struct thread *thread = &threads[t];

		hash = v_i_mix(hash, thread->history);
		hash = v_i_mix(hash, (uint64_t)thread->state | thread->signals << 4 |
					     thread->depth << 8 | (uint64_t)thread->killed << 12 |
					     (uint64_t)thread->sequence[0].restart << 13 |
					     (uint64_t)thread->sequence[1].restart << 14 |
					     (uint64_t)(unsigned int)thread->cpu << 16);
	}
	for (int cpu = 0; cpu < v_scenario->cpus; cpu++)
		hash = v_i_mix(hash, running[cpu]);
	return set_insert(&known, v_i_memory_hash(hash));
}

void v_outcome(uint64_t value)
{
	uint64_t hash = v_i_mix(value, 3);

	if (set_insert(&outcomes, hash))
		outcomes_digest += hash;
}

/* --- choices ---------------------------------------------------------------------------------- */

static bool is_replaying(void)
{
	return nr_choices < nr_replay;
}

unsigned int v_i_choose(unsigned int n)
{
	struct choice *choice = &choices[nr_choices];

	if (n <= 1)
		return 0;
	if (nr_choices == MAX_CHOICES)
		v_fail("checker: too many choices");
	if (!is_replaying()) {
		choice->chosen = 0;
		choice->of = (uint16_t)n;
	} else if (choice->of != n) {
		v_fail("checker: an execution did not repeat itself");
	}
	nr_choices++;
	return choice->chosen;
}

/* The next sequence of choices; false: that was the last one. */
static bool choices_next(void)
{
	while (nr_choices > 0 && choices[nr_choices - 1].chosen + 1u == choices[nr_choices - 1].of)
		nr_choices--;
	if (nr_choices == 0)
		return false;
	choices[nr_choices - 1].chosen++;
	return true;
}

unsigned int v_choose(unsigned int n)
{
	unsigned int chosen = v_i_choose(n);

	v_i_read(chosen);
	return chosen;
}

/* --- what the running thread says ------------------------------------------------------------- */

unsigned int v_self(void)
{
	return self;
}

bool v_i_tracing(void)
{
	return tracing;
}

void v_note(const char *format, ...)
{
	va_list args;

	if (!tracing)
		return;
	printf("%5u  %-9s ", ++trace_line, self == MAIN ? "(end)" : v_scenario->thread[self].name);
	if (self != MAIN && threads[self].depth)
		printf("handler: ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

void v_i_read(uint64_t value)
{
	if (self != MAIN)
		threads[self].history = v_i_mix(threads[self].history, value + 1);
}

void v_i_step(void)
{
	if (self == MAIN)
		return;
	threads[self].steps++;
	threads[self].history = v_i_mix(threads[self].history, 0);
	if (++nr_steps == MAX_STEPS)
		v_fail("an execution has no end");
}

void v_forget(uint64_t summary)
{
	threads[self].history = v_i_mix(threads[self].depth, summary);
}

unsigned int v_steps(void)
{
	return threads[self].steps;
}

void v_mark(uint32_t mark)
{
	threads[self].mark = mark;
}

uint32_t v_i_mark(void)
{
	return self == MAIN ? 0 : threads[self].mark;
}

bool v_in_handler(void)
{
	return threads[self].depth > 0;
}

bool v_was_killed(unsigned int thread)
{
	return threads[thread].killed;
}

bool v_i_running(unsigned int thread)
{
	return v_scenario->thread[thread].run && threads[thread].state != IS_ENDED;
}

bool v_i_observer(unsigned int thread)
{
	return v_scenario->thread[thread].observer && !v_scenario->plain;
}

void v_cover(const char *what)
{
	for (int i = 0; i < V_COVERS && v_scenario->cover[i]; i++) {
		if (!strcmp(v_scenario->cover[i], what)) {
			covered[i] = true;
			return;
		}
	}
	v_fail("checker: %s is not in the list of what must happen", what);
}

static void __attribute__((noreturn)) leave(enum outcome outcome)
{
	self = MAIN;
	_longjmp(main_at, (int)outcome);
}

void v_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(failure, sizeof(failure), format, args);
	va_end(args);
	v_note("FAILS: %s", failure);
	leave(FAILED);
}

void v_prune(void)
{
	v_note("waits");
	leave(PRUNED);
}

void v_i_restart(void)
{
	leave(RESTARTED);
}

/* --- who goes on ------------------------------------------------------------------------------ */

static bool may_run(unsigned int t)
{
	if (!v_i_running(t))
		return false;
	if (!v_i_observer(t))
		return true;
	for (unsigned int other = 0; other < V_THREADS; other++)
		if (v_i_running(other) && !v_i_observer(other))
			return false;
	return true;
}

static bool has_cpu(unsigned int t)
{
	return v_scenario->cpus && !v_i_observer(t);
}

/* Can thread t go on, on this CPU, within the bounds? */
static bool may_go(unsigned int t, int cpu)
{
	if (running[cpu] == t)
		return true;
	if (running[cpu] != NOBODY && preemptions == 0)
		return false;
	return threads[t].cpu == cpu || migrations > 0;
}

static unsigned int options_of(unsigned int t, struct option *options)
{
	unsigned int nr = 0;

	if (!has_cpu(t)) {
		options[nr++] = (struct option){ GO, t, 0 };
		return nr;
	}
	/* where it is comes first */
	for (int i = 0; i < v_scenario->cpus; i++) {
		int cpu = (threads[t].cpu + i) % v_scenario->cpus;

		if (may_go(t, cpu))
			options[nr++] = (struct option){ GO, t, cpu };
	}
	return nr;
}

static unsigned int options_find(struct option *options)
{
	unsigned int nr = 0;

	if (self != MAIN && may_run(self))
		nr += options_of(self, options);
	for (unsigned int t = 0; t < V_THREADS; t++)
		if (t != self && may_run(t))
			nr += options_of(t, options + nr);
	if (self == MAIN || !v_i_running(self))
		return nr;
	if (has_cpu(self) && threads[self].sequence[threads[self].depth].inside && preemptions > 0)
		options[nr++] = (struct option){ KICK, self, threads[self].cpu };
	if (threads[self].signals && threads[self].depth == 0)
		options[nr++] = (struct option){ SIGNAL, self, 0 };
	if (v_scenario->thread[self].mortal)
		options[nr++] = (struct option){ DIE, self, 0 };
	return nr;
}

/* A thread loses its CPU: a sequence that it is in will begin again. */
static void cpu_leave(unsigned int t)
{
	int cpu = threads[t].cpu;

	if (!has_cpu(t) || running[cpu] != t)
		return;
	running[cpu] = NOBODY;
	v_i_switch_out(t, (unsigned int)cpu);
	for (unsigned int depth = 0; depth <= threads[t].depth; depth++)
		threads[t].sequence[depth].restart |= threads[t].sequence[depth].inside;
}

static void cpu_take(unsigned int t, int cpu)
{
	if (running[cpu] == t)
		return;
	if (running[cpu] != NOBODY) {
		v_note("is preempted by %s", v_scenario->thread[t].name);
		cpu_leave(running[cpu]);
		preemptions--;
	}
	cpu_leave(t);
	if (threads[t].cpu != cpu) {
		v_note("%s goes to cpu %d", v_scenario->thread[t].name, cpu);
		migrations--;
	}
	threads[t].cpu = cpu;
	running[cpu] = t;
	v_i_switch_in(t, (unsigned int)cpu);
}

static void __attribute__((noreturn)) thread_resume(unsigned int t)
{
	bool is_new = threads[t].state == IS_NEW;

	self = t;
	threads[t].state = IS_READY;
	if (is_new)
		_longjmp(threads[t].base, 1);
	_longjmp(threads[t].at, 1);
}

/* From a thread, or from the main program to begin with. The thread goes on when it is its turn. */
static void go(const struct option *option)
{
	if (has_cpu(option->thread))
		cpu_take(option->thread, option->cpu);
	if (option->thread == self)
		return;
	if (self == MAIN || threads[self].state == IS_ENDED || _setjmp(threads[self].at) == 0)
		thread_resume(option->thread);
}

static void thread_end(void)
{
	struct option options[4 * V_THREADS];
	unsigned int nr;

	cpu_leave(self);
	threads[self].state = IS_ENDED;
	nr = options_find(options);
	if (nr == 0)
		leave(FINISHED);
	go(&options[v_i_choose(nr)]);
}

static void signal_run(void)
{
	struct thread *thread = &threads[self];
	unsigned int saved_steps = thread->steps;
	uint64_t history = thread->history;
	uint32_t mark = thread->mark;

	v_note("gets a signal");
	thread->signals--;
	thread->history = 1;
	thread->sequence[0].restart |= thread->sequence[0].inside;
	thread->depth = 1;
	v_scenario->thread[self].handler();
	thread->depth = 0;
	/* what the handler learnt stays, also if the sequence around it begins again */
	thread->sequence[0].history = v_i_mix(thread->sequence[0].history, thread->history);
	thread->history = v_i_mix(history, thread->history);
	thread->steps = saved_steps;
	thread->mark = mark;
	v_note("returns from the handler");
}

static void sequence_restart(void)
{
	struct sequence *sequence = &threads[self].sequence[threads[self].depth];

	if (!sequence->inside || !sequence->restart)
		return;
	v_note("begins its sequence again");
	sequence->inside = false;
	threads[self].history = sequence->history;
	_longjmp(sequence->begin, 1);
}

void v_i_point(void)
{
	struct option options[4 * V_THREADS], option;

	for (;;) {
		if (!v_scenario->plain && !is_replaying() && !state_is_new())
			leave(PRUNED);
		option = options[v_i_choose(options_find(options))];
		if (option.kind == GO) {
			go(&option);
			break;
		}
		if (option.kind == SIGNAL) {
			signal_run();
			sequence_restart();
		} else if (option.kind == KICK) {
			preemptions--;
			threads[self].sequence[threads[self].depth].restart = true;
			break;
		} else {
			v_note("is killed");
			threads[self].killed = true;
			thread_end();
		}
	}
	sequence_restart();
}

/* --- restartable sequences -------------------------------------------------------------------- */

void v_i_sequence_end(void)
{
	threads[self].sequence[threads[self].depth].inside = false;
}

int v_sequence(int (*steps)(const void *args), const void *args)
{
	struct sequence *sequence = &threads[self].sequence[threads[self].depth];
	int result;

	if (!v_mutant_is("RESTART")) {
		sequence->history = threads[self].history;
		(void)_setjmp(sequence->begin);
		sequence = &threads[self].sequence[threads[self].depth];
		sequence->restart = false;
		sequence->inside = true;
	}
	result = steps(args);
	v_i_sequence_end();
	return result;
}

void v_sequence_commit(const char *file, int line, const char *what, void *p, size_t size,
		       uint64_t value, enum v_order order)
{
	v_store(file, line, what, p, size, value, order);
	v_i_sequence_end();
}

unsigned int v_cpu(void)
{
	unsigned int cpu = (unsigned int)threads[self].cpu;

	v_i_read(cpu);
	return cpu;
}

void v_membarrier(void)
{
	v_i_point();
	v_i_step();
	v_note("membarrier: a full barrier everywhere, sequences begin again");
	v_i_fence_all();
	for (unsigned int t = 0; t < V_THREADS; t++)
		for (int depth = 0; depth < 2; depth++)
			threads[t].sequence[depth].restart |= threads[t].sequence[depth].inside;
}

/* --- one execution ---------------------------------------------------------------------------- */

static void thread_main(int t)
{
	/* The first time only the base is taken; every execution enters the thread there. */
	if (_setjmp(threads[t].base) == 0)
		_longjmp(main_at, 1);
	v_scenario->thread[self].run();
	thread_end();
}

static void stacks_make(void)
{
	for (int t = 0; t < V_THREADS; t++) {
		getcontext(&contexts[t]);
		contexts[t].uc_stack.ss_sp = stacks[t];
		contexts[t].uc_stack.ss_size = STACK_SIZE;
		contexts[t].uc_link = NULL;
		makecontext(&contexts[t], (void (*)(void))(void *)thread_main, 1, t);
		if (_setjmp(main_at) == 0)
			setcontext(&contexts[t]);
	}
	stacks_made = true;
}

static void threads_begin(void)
{
	for (int cpu = 0; cpu < MAX_CPUS; cpu++)
		running[cpu] = NOBODY;
	preemptions = v_scenario->preemptions;
	migrations = v_scenario->migrations;
	nr_steps = 0;
	trace_line = 0;
	nr_choices = 0;
	for (unsigned int t = 0; t < V_THREADS; t++) {
		struct thread *thread = &threads[t];

		thread->state = IS_NEW;
		thread->history = 0;
		thread->steps = 0;
		thread->signals = v_scenario->thread[t].handler ? 1 : 0;
		thread->depth = 0;
		thread->mark = 0;
		thread->killed = false;
		thread->cpu = v_scenario->thread[t].cpu;
		for (int depth = 0; depth < 2; depth++) {
			thread->sequence[depth].inside = false;
			thread->sequence[depth].restart = false;
		}
	}
}

static enum outcome run_once(void)
{
	struct option options[4 * V_THREADS];
	enum outcome outcome;

	self = MAIN;
	v_i_memory_begin();
	v_mutant_begin();
	threads_begin();
	outcome = (enum outcome)_setjmp(main_at);
	if (outcome == RUNNING) {
		if (v_scenario->begin)
			v_scenario->begin();
		go(&options[v_i_choose(options_find(options))]);
	}
	if (outcome != FINISHED)
		return outcome;
	/* a failure in here comes back to this very line */
	outcome = (enum outcome)_setjmp(main_at);
	if (outcome != RUNNING)
		return outcome;
	v_i_memory_end();
	if (v_scenario->end)
		v_scenario->end();
	return FINISHED;
}

/* --- the search ------------------------------------------------------------------------------- */

static enum outcome search(struct v_result *result)
{
	enum outcome outcome;

	nr_replay = 0;
	set_clear(&known);
	set_clear(&outcomes);
	outcomes_digest = 0;
	memset(covered, 0, sizeof(covered));
	result->executions = 0;
	result->pruned = 0;
	do {
		outcome = run_once();
		if (outcome == FAILED || outcome == RESTARTED)
			return outcome;
		result->executions += outcome == FINISHED;
		result->pruned += outcome == PRUNED;
		if (!choices_next())
			return FINISHED;
		nr_replay = nr_choices;
	} while (true);
}

static void covers_check(struct v_result *result)
{
	for (int i = 0; i < V_COVERS && v_scenario->cover[i]; i++) {
		if (!covered[i] && !result->failed) {
			snprintf(result->text, sizeof(result->text), "never happened: %s",
				 v_scenario->cover[i]);
			result->failed = true;
		}
	}
}

void v_explore(const struct v_scenario *scenario, const struct v_mutant *mutant, bool trace,
	       struct v_result *result)
{
	enum outcome outcome;

	memset(result, 0, sizeof(*result));
	v_scenario = scenario;
	v_mutant = mutant;
	tracing = false;
	self = MAIN;
	if (!stacks_made)
		stacks_make();
	if (_setjmp(main_at) != 0) {
		result->failed = true; /* in setup */
		memcpy(result->text, failure, sizeof(failure));
		return;
	}
	v_i_memory_setup();
	scenario->setup();
	do {
		outcome = search(result);
	} while (outcome == RESTARTED);
	result->states = known.nr;
	result->outcomes = outcomes.nr;
	result->digest = outcomes_digest;
	result->failed = outcome == FAILED;
	if (result->failed && trace) {
		tracing = true;
		nr_replay = nr_choices;
		run_once();
		tracing = false;
	}
	if (!result->failed && scenario->finish) {
		self = MAIN;
		if (_setjmp(main_at) == 0)
			scenario->finish();
		else
			result->failed = true;
	}
	memcpy(result->text, failure, sizeof(failure));
	if (!result->failed)
		covers_check(result);
}
