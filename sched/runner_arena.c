/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * runner_arena.c: the memory that a runner shares with the child that has the policy.
 *
 * Addresses are reserved for the largest input that is accepted; pages come as they are used.
 * Called by runner.c.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "sched/runner.h"

#define INPUT_SIZE  ((size_t)128 << 20)
#define MAX_PLACES  16384u
#define ANSWER_SIZE (sizeof(struct tacho_answer) + MAX_PLACES * sizeof(struct tacho_policy_place))

static void *reserve(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

int tacho_arena_open(struct tacho_arena *arena)
{
	int error;

	arena->input_size = INPUT_SIZE;
	arena->answer_size = ANSWER_SIZE;
	arena->max = MAX_PLACES;
	arena->input = reserve(arena->input_size);
	if (!arena->input)
		return -errno;
	arena->answer = reserve(arena->answer_size);
	if (arena->answer)
		return 0;
	error = -errno;
	tacho_arena_close(arena);
	return error;
}

void tacho_arena_close(struct tacho_arena *arena)
{
	if (arena->input)
		munmap(arena->input, arena->input_size);
	if (arena->answer)
		munmap(arena->answer, arena->answer_size);
	arena->input = NULL;
	arena->answer = NULL;
}

/* Copy an array behind what is there. NULL: no room. */
static const void *append(struct tacho_arena *arena, size_t *used, const void *from, size_t nr,
			  size_t size)
{
	size_t at = (*used + 15) & ~(size_t)15;

	if (at > arena->input_size || nr > (arena->input_size - at) / size)
		return NULL;
	if (nr)
		memcpy(arena->input + at, from, nr * size);
	*used = at + nr * size;
	return arena->input + at;
}

int tacho_arena_fill(struct tacho_arena *arena, const struct tacho_policy_input *input)
{
	struct tacho_policy_input *to = (void *)arena->input;
	const char *metric = input->metric ? input->metric : "";
	size_t used = sizeof(*to), cells = (size_t)input->nr_domains * input->nr_cpus;

	*to = *input;
	to->cpus = append(arena, &used, input->cpus, input->nr_cpus, sizeof(*to->cpus));
	to->domains = append(arena, &used, input->domains, input->nr_domains, sizeof(*to->domains));
	to->service_on = append(arena, &used, input->service_on, cells, sizeof(*to->service_on));
	to->pairs = append(arena, &used, input->pairs, input->nr_pairs, sizeof(*to->pairs));
	to->sets = append(arena, &used, input->sets, input->nr_sets, sizeof(*to->sets));
	to->members = append(arena, &used, input->members, input->nr_members, sizeof(*to->members));
	to->metric = append(arena, &used, metric, strlen(metric) + 1, 1);
	if (to->cpus && to->domains && to->service_on && to->pairs && to->sets && to->members &&
	    to->metric)
		return 0;
	return -E2BIG;
}
