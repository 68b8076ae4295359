/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * runner.h: the parts of a runner; only sched/runner*.c include this.
 *
 * Two pieces of memory, mapped before the child is forked, so that a pointer means the same in
 * both. The input is written by the parent and read-only in the child. The answer is written by the
 * child, and the parent believes nothing in it.
 */
#ifndef TACHO_SCHED_RUNNER_H
#define TACHO_SCHED_RUNNER_H

#include <sys/types.h>

#include "sched/policies.h"

/* What the child writes. */
struct tacho_answer {
	char name[32], doc[128], why[160];
	uint32_t nr;
	uint32_t pad0;
	union {
		unsigned char bytes[TACHO_POLICY_STATE];
		uint64_t align;
	} state;
	struct tacho_policy_place place[];
};

struct tacho_arena {
	unsigned char *input; /* a struct tacho_policy_input, then its arrays */
	size_t input_size;
	struct tacho_answer *answer;
	size_t answer_size;
	uint32_t max; /* placements */
};

struct tacho_runner {
	const struct tacho_policy *policy; /* built in; NULL: a child has it */
	bool started;
	unsigned limit_ms;
	int dead; /* 0, or the error that was final */
	char name[32], doc[128];
	union {
		unsigned char bytes[TACHO_POLICY_STATE];
		uint64_t align;
	} state; /* of a built-in one */
	struct tacho_arena arena;
	pid_t pid;
	int fd; /* to the child */
};

/* runner_arena.c */
int tacho_arena_open(struct tacho_arena *arena);
void tacho_arena_close(struct tacho_arena *arena);
/* Copy an input with everything that it points to. -E2BIG. */
int tacho_arena_fill(struct tacho_arena *arena, const struct tacho_policy_input *input);

/* runner_child.c: the child. Returns never. */
_Noreturn void tacho_runner_child(const struct tacho_arena *arena, int fd, const char *file,
				  pid_t parent);

#endif /* TACHO_SCHED_RUNNER_H */
