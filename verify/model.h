/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * model.h: the names of include/tacho/atomic.h as calls into a model checker, and what a scenario
 * has of it.
 *
 * Compile any file of the project with -DTACHO_ATOMIC_OVERRIDE=<verify/model.h> and its shared
 * accesses go here instead of to the compiler's builtins. The checker then runs the threads of a
 * scenario as coroutines and explores, one execution after the other, every order of their accesses
 * and every value that a weak memory may give to each load.
 *
 *   explore.c  threads, choices, the search          weak.c     memory
 *   mutants.c  one barrier, mask or lock removed     verify.c   the program
 *   v_*.c      the scenarios
 *
 * Memory is that of C11 as repaired (RC11) without load buffering: a location is a list of messages
 * in modification order, a thread has a view (the oldest message of each location that it may still
 * read), a message carries the view that its writer released. doc/ordering.md says what that means
 * and what it cannot show.
 */
#ifndef VERIFY_MODEL_H
#define VERIFY_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- atomic.h --------------------------------------------------------------------------------- */

enum v_order { V_RELAXED, V_ACQUIRE, V_RELEASE, V_SEQ };

/* text: the expression, taken by the outermost macro so that it stays as it was written */
#define V_HERE(p, text) __FILE__, __LINE__, text, (p), sizeof(*(p))
#define V_TYPE(p)	__typeof__(*(p))
#define V_VALUE(p, call)                                                                           \
	__extension__({                                                                            \
		V_TYPE(p) v_value = (V_TYPE(p))call;                                               \
		v_value;                                                                           \
	})
#define V_LOADED(p, text, order)    V_VALUE(p, v_load(V_HERE(p, text), order))
#define V_STORED(p, text, v, order) v_store(V_HERE(p, text), (uint64_t)(v), order)
#define V_ADDED(p, text, v, order)  V_VALUE(p, v_add(V_HERE(p, text), (uint64_t)(v), order))
#define V_SWAPPED(p, text, expected, v, order)                                                     \
	__extension__({                                                                            \
		uint64_t v_was = (uint64_t) * (expected);                                          \
		bool v_done = v_cas(V_HERE(p, text), &v_was, (uint64_t)(v), order);                \
		*(expected) = (V_TYPE(expected))v_was;                                             \
		v_done;                                                                            \
	})

#define tacho_load_relaxed(p)		  V_LOADED(p, #p, V_RELAXED)
#define tacho_load_acquire(p)		  V_LOADED(p, #p, V_ACQUIRE)
#define tacho_load_seq(p)		  V_LOADED(p, #p, V_SEQ)
#define tacho_store_relaxed(p, v)	  V_STORED(p, #p, v, V_RELAXED)
#define tacho_store_release(p, v)	  V_STORED(p, #p, v, V_RELEASE)
#define tacho_store_seq(p, v)		  V_STORED(p, #p, v, V_SEQ)
#define tacho_add_relaxed(p, v)		  V_ADDED(p, #p, v, V_RELAXED)
#define tacho_add_acquire(p, v)		  V_ADDED(p, #p, v, V_ACQUIRE)
#define tacho_add_release(p, v)		  V_ADDED(p, #p, v, V_RELEASE)
#define tacho_add_seq(p, v)		  V_ADDED(p, #p, v, V_SEQ)
#define tacho_cas_relaxed(p, expected, v) V_SWAPPED(p, #p, expected, v, V_RELAXED)
#define tacho_cas_acquire(p, expected, v) V_SWAPPED(p, #p, expected, v, V_ACQUIRE)
#define tacho_fence_acquire()		  v_fence(__FILE__, __LINE__, V_ACQUIRE)
#define tacho_fence_release()		  v_fence(__FILE__, __LINE__, V_RELEASE)
#define tacho_fence_seq()		  v_fence(__FILE__, __LINE__, V_SEQ)
#define tacho_fence_signal()		  ((void)0) /* a handler is a thread's own code here */

uint64_t v_load(const char *file, int line, const char *what, const void *p, size_t size,
		enum v_order order);
void v_store(const char *file, int line, const char *what, void *p, size_t size, uint64_t value,
	     enum v_order order);
uint64_t v_add(const char *file, int line, const char *what, void *p, size_t size, uint64_t value,
	       enum v_order order);
bool v_cas(const char *file, int line, const char *what, void *p, size_t size, uint64_t *expected,
	   uint64_t value, enum v_order order);
void v_fence(const char *file, int line, enum v_order order);

/* --- scenarios -------------------------------------------------------------------------------- */

#define V_THREADS 4
#define V_COVERS  8

/* What lies at an address; mutants go by it. */
enum v_tag {
	V_TAG_OTHER,
	V_TAG_POS, /* tacho_control.pos */
	V_TAG_LOCK, /* tacho_control.lock */
	V_TAG_ROW, /* rows */
	V_TAG_COUNT, /* tacho_sample.count */
	V_TAG_SUM, /* first bytes of an adding log */
	V_TAG_HOOK, /* nr_cpus and generic_cpus of a hook */
	V_TAG_GUARD, /* counters of the grace period */
	V_TAG_GUARD_SET,
};

struct v_thread {
	const char *name;
	void (*run)(void);
	void (*handler)(void); /* NULL, or a signal handler that comes once, at any point */
	int cpu; /* with v_scenario.cpus: where it starts */
	bool mortal; /* may end at any point, as if killed */
	/*
	 * Only loads, nothing sequentially consistent: then nothing that it does changes what the
	 * others do, and every value that it could have read early can still be read late, because a
	 * load may take any message that its view allows. So it runs when the others have ended.
	 */
	bool observer;
};

struct v_scenario {
	const char *name;
	const char *says; /* what holds, one line */
	const char *(*skip)(void); /* NULL, or why it cannot be explored here */
	void (*setup)(void); /* once: memory, v_region; may ask v_mutant_is */
	void (*begin)(void); /* before each execution: the scenario's own variables */
	void (*end)(void); /* behind each execution: sees the final memory; may be NULL */
	void (*finish)(void); /* behind all of them; may be NULL */
	struct v_thread thread[V_THREADS];
	int cpus; /* > 0: threads share so many CPUs and preempt each other, see v_sequence_begin */
	int preemptions; /* of those, at most, in one execution */
	int migrations;
	/* NULL: memory as above. Otherwise: every load in a hostile region gives any of the values. */
	int (*hostile)(const char *what, size_t size, uint64_t *values);
	bool (*refused)(void); /* a hostile compare-and-swap fails; true: that was enough of it */
	bool unaligned; /* accesses need not be aligned to their size */
	bool direct; /* one thread: its accesses are made in memory itself, begin resets it */
	const char *cover[V_COVERS]; /* what must happen in some execution, or the check is empty */
	const char *mutants; /* names, separated by spaces: each must be caught */
	bool full; /* only with VERIFY_DEPTH=full */
	bool plain; /* search without any reduction: to check the reductions */
	const struct v_scenario *same_as; /* has the same outcomes */
	const void *arg; /* the scenario's own */
};

extern const struct v_scenario *v_scenario; /* being explored */
extern bool v_full; /* VERIFY_DEPTH=full */

/* Memory that threads may touch; the first region that has an address decides. */
#define V_READ	  0x1u
#define V_WRITE	  0x2u
#define V_HOSTILE 0x4u /* another party writes it */
#define V_LENT	  0x8u /* others may use it from v_lend (or the beginning) to v_take_back */
#define V_KEPT	  0x10u /* with V_LENT: but not from the beginning */
void v_region(const char *name, enum v_tag tag, const void *base, size_t size, unsigned int flags);

/*
 * v_lend: the caller has filled the region in, by plain stores; whoever uses it must know that, by
 * happens-before. v_take_back: every use must happen before this, and there may be no other.
 */
void v_lend(const char *name);
void v_take_back(const char *name);

/* A property. The text is what a mutant was caught by. */
#define v_check(cond, ...) ((cond) ? (void)0 : v_fail(__VA_ARGS__))
void v_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void v_outcome(uint64_t value); /* in end: what this execution came to */
void v_cover(const char *what); /* one of v_scenario.cover has happened */
void v_prune(void)
	__attribute__((noreturn)); /* this thread waits: another execution has it wait before */
void v_note(const char *format, ...) __attribute__((format(printf, 1, 2))); /* for -v */

unsigned int v_choose(unsigned int n); /* any of 0..n-1 */
unsigned int v_self(void); /* index of the running thread; V_THREADS in setup, begin and end */
bool v_in_handler(void);
bool v_was_killed(unsigned int thread);
unsigned int v_steps(void); /* accesses of this thread (without its handler's) so far */
/*
 * Nothing but summary matters of what this thread has read so far: states that differ in nothing else
 * are one.
 */
void v_forget(uint64_t summary);
/* What the running thread writes is marked with it, for v_message. */
void v_mark(uint32_t mark);
/* In end: message i of a location in modification order, from the initial value on; false: no more. */
bool v_message(const void *p, unsigned int i, uint64_t *value, uint32_t *mark);

/* --- restartable sequences -------------------------------------------------------------------- */

/*
 * Run steps as a restartable sequence: whenever the thread was preempted, migrated or got a signal
 * since it began, its next access that others can see does not happen and steps begins again. It ends
 * with v_commit, its last access, or by returning without one. (The mutant RESTART: it goes on.)
 */
int v_sequence(int (*steps)(const void *args), const void *args);
#define v_commit(p, v, order) v_sequence_commit(V_HERE(p, #p), (uint64_t)(v), order)
void v_sequence_commit(const char *file, int line, const char *what, void *p, size_t size,
		       uint64_t value, enum v_order order);
unsigned int v_cpu(void); /* where the thread runs */
/* membarrier: a full barrier for all threads, and every sequence restarts. */
void v_membarrier(void);

/* --- mutants ---------------------------------------------------------------------------------- */

bool v_mutant_is(const char *name);

#endif /* VERIFY_MODEL_H */
