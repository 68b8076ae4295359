// SPDX-License-Identifier: BSD-2-Clause
/*
 * verify.c: the program around the model checker.
 *
 *	tacho-verify [-v] [SCENARIO[:MUTANT]]...
 *	tacho-verify -l
 *
 * Explores the scenarios that are named, or all with all their mutants, one line each, and ends with
 * 0 when every scenario holds and every mutant is caught, 1 when not, 2 for a wrong usage. -v prints
 * the execution in which a property failed. VERIFY_DEPTH=full adds the deep scenarios.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "model_i.h"
#include "v_scenarios.h"

static const struct v_scenario *const scenarios[] = {
	&v_litmus,	    &v_litmus_observer, &v_litmus_plain,

	&v_row_two,	    &v_row_copy,	&v_row_four,	   &v_row_signal,
	&v_row_time,	    &v_row_five,	&v_row_killed,	   &v_row_three,
	&v_row_deep,	    &v_row_signal_deep, &v_row_small,	   &v_row_plain,
	&v_row_small_deep,  &v_row_plain_deep,

	&v_transcript,	    &v_rseq_one,	&v_rseq_signal,	   &v_rseq_migrate,
	&v_rseq_five,	    &v_rseq_killed,	&v_rseq_deep,	   &v_rseq_migrate_deep,
	&v_rseq_five_deep,

	&v_sample_generic,  &v_sample_rseq,	&v_sample_session, &v_add_generic,
	&v_add_rseq,

	&v_hostile_generic, &v_hostile_rseq,	&v_hostile_reader,

	&v_grace_generic,   &v_grace_twice,	&v_grace_signal,   &v_grace_sets,
	&v_grace_late,	    &v_grace_rseq,
};
#define NR_SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

static bool verbose;
static unsigned int holds, caught, failed; /* explorations that came out */

/* The next word of a list; NULL: no more. */
static const char *word_next(const char **list, size_t *len)
{
	const char *word = *list;

	if (!word)
		return NULL;
	word += strspn(word, " ");
	*len = strcspn(word, " ");
	*list = word + *len;
	return *len ? word : NULL;
}

/*
 * In a process of its own: the code under test may remember what it found out about the system, and
 * a mutant may well crash.
 */
static void explore_apart(const struct v_scenario *scenario, const struct v_mutant *mutant,
			  struct v_result *result)
{
	struct v_result *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	pid_t pid;

	memset(result, 0, sizeof(*result));
	result->failed = true;
	snprintf(result->text, sizeof(result->text), "checker: no process, no memory");
	if (shared == MAP_FAILED)
		return;
	*shared = *result;
	pid = fork();
	if (pid == 0) {
		v_explore(scenario, mutant, verbose, shared);
		fflush(stdout);
		_exit(0);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid)
		*result = *shared;
	if (pid > 0 && WIFSIGNALED(status)) {
		result->failed = true;
		snprintf(result->text, sizeof(result->text), "checker: it crashed with signal %d",
			 WTERMSIG(status));
	}
	munmap(shared, sizeof(*shared));
}

/* A search without reductions must come to the same outcomes. */
static void compare(const struct v_scenario *scenario, struct v_result *result)
{
	struct v_result other;

	explore_apart(scenario->same_as, NULL, &other);
	if (other.failed || result->outcomes == 0 || other.outcomes != result->outcomes ||
	    other.digest != result->digest) {
		result->failed = true;
		snprintf(result->text, sizeof(result->text),
			 "checker: %" PRIu64 " outcomes, %s has %" PRIu64, result->outcomes,
			 scenario->same_as->name, other.outcomes);
	}
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* One line. Lines that are not as they should be begin with "not ok". */
static void tell(const struct v_scenario *scenario, const struct v_mutant *mutant,
		 const struct v_result *result, bool good, double s)
{
	printf("%s%-18s %-14s ", good ? "" : "not ok ", scenario->name,
	       mutant ? mutant->name : "-");
	if (mutant && good)
		printf("caught: %s, %" PRIu64 " executions", result->text, result->executions + 1);
	else if (mutant)
		printf("not caught%s%s, %" PRIu64 " executions", result->failed ? ": " : "",
		       result->failed ? result->text : "", result->executions);
	else if (good)
		printf("pass: %" PRIu64 " executions, %" PRIu64 " states", result->executions,
		       result->states);
	else
		printf("%s, %" PRIu64 " executions", result->text, result->executions + 1);
	printf(", %.1f s\n", s);
	fflush(stdout);
}

/* Returns 1 if it is not as it should be. */
static int explore(const struct v_scenario *scenario, const struct v_mutant *mutant)
{
	const char *why = scenario->skip ? scenario->skip() : NULL;
	double begin = seconds();
	struct v_result result;
	bool good;

	if (why) {
		if (!mutant)
			printf("skip %s: %s\n", scenario->name, why);
		return 0;
	}
	explore_apart(scenario, mutant, &result);
	if (scenario->same_as && !result.failed)
		compare(scenario, &result);
	/* a checker that gives up has not caught anything */
	good = mutant ? result.failed && strncmp(result.text, "checker:", 8) != 0 : !result.failed;
	tell(scenario, mutant, &result, good, seconds() - begin);
	if (good && mutant)
		caught++;
	else if (good)
		holds++;
	else
		failed++;
	return !good;
}

static int explore_all(const struct v_scenario *scenario)
{
	const char *list = scenario->mutants, *word;
	size_t len;
	int bad = explore(scenario, NULL);

	while ((word = word_next(&list, &len)) != NULL) {
		const struct v_mutant *mutant = v_mutant_find(word, len);

		if (!mutant) {
			printf("%-18s %.*s: there is no such mutant\n", scenario->name, (int)len,
			       word);
			bad++;
		} else {
			bad += explore(scenario, mutant);
		}
	}
	return bad;
}

static void list_all(void)
{
	for (size_t i = 0; i < NR_SCENARIOS; i++) {
		const char *list = scenarios[i]->mutants, *word;
		size_t len;

		if (scenarios[i]->full && !v_full)
			continue;
		printf("%-18s -                %s\n", scenarios[i]->name, scenarios[i]->says);
		while ((word = word_next(&list, &len)) != NULL) {
			const struct v_mutant *mutant = v_mutant_find(word, len);

			printf("%-18s %-16.*s %s\n", scenarios[i]->name, (int)len, word,
			       mutant ? mutant->says : "there is no such mutant");
		}
	}
}

/* SCENARIO, SCENARIO: (without mutants) or SCENARIO:MUTANT. Returns 2 if there is none. */
static int explore_named(const char *name)
{
	const char *colon = strchr(name, ':');
	size_t len = colon ? (size_t)(colon - name) : strlen(name);

	for (size_t i = 0; i < NR_SCENARIOS; i++) {
		const struct v_mutant *mutant = NULL;

		if (strlen(scenarios[i]->name) != len || memcmp(scenarios[i]->name, name, len))
			continue;
		if (!colon)
			return explore_all(scenarios[i]) != 0;
		if (colon[1] && !(mutant = v_mutant_find(colon + 1, strlen(colon + 1))))
			break;
		return explore(scenarios[i], mutant);
	}
	fprintf(stderr, "tacho-verify: %s: there is no such scenario or mutant, see -l\n", name);
	return 2;
}

int main(int argc, char **argv)
{
	const char *depth = getenv("VERIFY_DEPTH");
	int arg = 1;

	v_full = depth && !strcmp(depth, "full");
	for (; arg < argc && argv[arg][0] == '-'; arg++) {
		if (!strcmp(argv[arg], "-l")) {
			list_all();
			return 0;
		}
		if (strcmp(argv[arg], "-v") != 0) {
			fprintf(stderr, "usage: tacho-verify [-v] [SCENARIO[:MUTANT]]... | -l\n");
			return 2;
		}
		verbose = true;
	}
	if (arg == argc)
		for (size_t i = 0; i < NR_SCENARIOS; i++)
			if (!scenarios[i]->full || v_full)
				explore_all(scenarios[i]);
	for (; arg < argc; arg++)
		if (explore_named(argv[arg]) == 2)
			return 2;
	printf("%u scenarios hold, %u mutants are caught, %u failed\n", holds, caught, failed);
	return failed != 0;
}
