/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * model_i.h: what the files of the model checker have of each other. Scenarios do not include it.
 */
#ifndef VERIFY_MODEL_I_H
#define VERIFY_MODEL_I_H

#include "model.h"

#define MAIN	 V_THREADS /* v_self() in setup, begin and end */
#define MAX_CPUS 4

/* --- operations ------------------------------------------------------------------------------- */

enum v_kind { V_LOAD, V_STORE, V_ADD, V_CAS, V_FENCE };

/* One access, as the program asks for it and a mutant may change it. */
struct v_op {
	enum v_kind kind;
	enum v_order order;
	enum v_tag tag;
	const char *file;
	int line;
	const char *what; /* the expression that was the address */
	const void *at;
	size_t size;
	uint64_t value;
	uint64_t expected;
	/* for mutants */
	bool skip; /* nothing happens; a compare-and-swap succeeds */
	bool split; /* not atomic: a load, then a store */
	bool blind; /* a compare-and-swap that does not compare */
	bool defer; /* a store that comes behind the thread's next store of a position */
};

/* --- mutants.c -------------------------------------------------------------------------------- */

struct v_mutant {
	const char *name;
	const char *says; /* what was removed */
	void (*change)(struct v_op *op); /* NULL: the scenario asks v_mutant_is */
	void (*loaded)(const struct v_op *op, uint64_t *value);
};
extern const struct v_mutant *v_mutant; /* NULL: none */
const struct v_mutant *v_mutant_find(const char *name, size_t len);
void v_mutant_begin(void); /* before each execution */

/* --- explore.c -------------------------------------------------------------------------------- */

struct v_result {
	bool failed;
	char text[200]; /* which property, or what never happened */
	uint64_t executions; /* run to their end */
	uint64_t pruned; /* ended in a state that was known, or waiting */
	uint64_t states;
	uint64_t outcomes; /* different ones that v_outcome was told */
	uint64_t digest; /* of them */
};
void v_explore(const struct v_scenario *scenario, const struct v_mutant *mutant, bool trace,
	       struct v_result *result);

void v_i_sequence_end(void); /* a restartable sequence is committed or was left */
bool v_i_tracing(void);
void v_i_point(void); /* the running thread is about to do something that others can see */
void v_i_step(void); /* ... has done it */
void v_i_read(uint64_t value); /* ... has learnt this */
unsigned int v_i_choose(unsigned int n); /* as v_choose, for what is not a value that it learns */
void v_i_restart(void) __attribute__((noreturn)); /* a place turned out to be shared: begin again */
bool v_i_running(unsigned int thread); /* it has not ended */
bool v_i_observer(unsigned int thread);
uint32_t v_i_mark(void);

/* --- weak.c ----------------------------------------------------------------------------------- */

void v_i_memory_setup(void); /* forget all */
void v_i_memory_begin(void); /* before each execution: initial values, empty views */
void v_i_memory_end(void); /* the threads are joined: MAIN sees everything */
uint64_t v_i_memory_hash(uint64_t hash);
void v_i_switch_out(unsigned int thread, unsigned int cpu); /* what a context switch orders */
void v_i_switch_in(unsigned int thread, unsigned int cpu);
void v_i_fence_all(void);

/* Fold two words into one, so that no bit of either is lost often. */
static inline uint64_t v_i_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)(a ^ 0x9e3779b97f4a7c15ull) *
				    (b ^ 0xd6e8feb86659fd93ull ^ a >> 32);

	return (uint64_t)product ^ (uint64_t)(product >> 64) ^ b;
}

#endif /* VERIFY_MODEL_I_H */
