/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t.h: all that a unit test needs, in C and in C++.
 *
 *	#include "t.h"
 *
 *	T_CASE(position_is_free_running)
 *	{
 *		struct thing *thing;
 *
 *		T_NEED(thing_open(&thing) == 0);	leaves the case when false
 *		T_EQ(thing->pos, 7);			prints both values when they differ
 *		T_STREQ(thing->name, "seven");
 *		T_OK(thing->len < 10);			goes on after a failure
 *		if (!thing->fast)
 *			T_SKIP("no fast path on CPU %d", thing->cpu);	leaves the case
 *	}
 *
 *	T_MAIN
 *
 * Each case registers itself from a constructor and they run in the order of the file. Arguments of
 * the program choose cases by name ("-l" lists them). Exit status: 1 when a case failed, 77 when
 * every case that ran was skipped, 0 otherwise. A case that crashes is the one of the last "run" line.
 *
 * Checks may be used from any thread and in any function; T_NEED and T_SKIP return from the function
 * that they stand in, which must return void. A child made by fork ends with _exit(), and its
 * failures count only if the case checks its exit status: use _exit(t_failures()).
 */
#ifndef TACHO_TESTS_T_H
#define TACHO_TESTS_T_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct t_case {
	const char *name;
	void (*fn)(void);
	struct t_case *next;
};

static struct t_case *t_first;
static struct t_case **t_last = &t_first;
static int t_failed; /* failed checks of this case; changed by t_fail() only */
static int t_skipped; /* this case was skipped */
static const char *t_name = "(outside of a case)";

__attribute__((format(printf, 3, 4))) static inline void t_fail(const char *file, int line,
								const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	__sync_fetch_and_add(&t_failed, 1);
	fprintf(stdout, "     %s:%d: %s: %s\n", file, line, t_name, text);
}

static inline int t_failures(void)
{
	return __sync_fetch_and_add(&t_failed, 0) != 0;
}

static inline int t_ok(const char *file, int line, int good, const char *what)
{
	if (!good)
		t_fail(file, line, "false: %s", what);
	return good;
}

/* Compares 64 bits: -1 equals UINT64_MAX, but not UINT32_MAX. */
static inline int t_eq(const char *file, int line, long long a, long long b, const char *a_text,
		       const char *b_text)
{
	if (a != b)
		t_fail(file, line, "%s is %lld (0x%llx), %s is %lld (0x%llx)", a_text, a,
		       (unsigned long long)a, b_text, b, (unsigned long long)b);
	return a == b;
}

static inline int t_streq(const char *file, int line, const char *a, const char *b,
			  const char *a_text, const char *b_text)
{
	int same = a == b || (a && b && strcmp(a, b) == 0);

	if (!same)
		t_fail(file, line, "%s is \"%s\", %s is \"%s\"", a_text, a ? a : "(null)", b_text,
		       b ? b : "(null)");
	return same;
}

static inline int t_memeq(const char *file, int line, const void *a, const void *b, size_t len,
			  const char *a_text, const char *b_text)
{
	const unsigned char *x = (const unsigned char *)a, *y = (const unsigned char *)b;
	size_t i;

	for (i = 0; i < len && x[i] == y[i]; i++)
		;
	if (i < len)
		t_fail(file, line, "%s and %s differ at byte %zu of %zu: 0x%02x, 0x%02x", a_text,
		       b_text, i, len, x[i], y[i]);
	return i == len;
}

__attribute__((format(printf, 1, 2))) static inline void t_skip(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	t_skipped = 1;
	fprintf(stdout, "skip %s: %s\n", t_name, text);
}

static inline uint64_t t_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* A seed for t_random(), printed so that T_SEED=... repeats the run. */
static inline uint64_t t_seed(void)
{
	const char *text = getenv("T_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : t_now_ns();

	fprintf(stdout, "     seed %llu (repeat with T_SEED=%llu)\n", (unsigned long long)seed,
		(unsigned long long)seed);
	return seed;
}

/* The next of 2^64 well mixed values (splitmix64); one state per thread. */
static inline uint64_t t_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* True when built with that sanitizer: for sizes and times, not for leaving out checks. */
#if defined(__SANITIZE_THREAD__)
#define T_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define T_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define T_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define T_ASAN 1
#endif
#endif
#ifndef T_TSAN
#define T_TSAN 0
#endif
#ifndef T_ASAN
#define T_ASAN 0
#endif

static inline void t_register(struct t_case *c)
{
	*t_last = c;
	t_last = &c->next;
}

static inline int t_chosen(const char *name, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strcmp(name, argv[i]) == 0)
			return 1;
	return argc < 2;
}

static inline int t_main(int argc, char **argv)
{
	int nr_ok = 0, nr_bad = 0, nr_skip = 0;
	struct t_case *c;

	if (argc == 2 && strcmp(argv[1], "-l") == 0) {
		for (c = t_first; c; c = c->next)
			puts(c->name);
		return 0;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (c = t_first; c; c = c->next) {
		uint64_t start = t_now_ns();

		if (!t_chosen(c->name, argc, argv))
			continue;
		t_name = c->name;
		t_failed = t_skipped = 0;
		fprintf(stdout, "run  %s\n", c->name);
		c->fn();
		if (t_failures()) {
			nr_bad++;
			fprintf(stdout, "not ok %s\n", c->name);
		} else if (t_skipped) {
			nr_skip++;
		} else {
			nr_ok++;
			fprintf(stdout, "ok   %s (%llu ms)\n", c->name,
				(unsigned long long)((t_now_ns() - start) / 1000000u));
		}
	}
	if (nr_ok + nr_bad + nr_skip == 0) {
		fprintf(stdout, "no case of that name; -l lists them\n");
		return 1;
	}
	if (nr_ok + nr_bad == 0)
		return 77;
	fprintf(stdout, "%d ok, %d not ok, %d skipped\n", nr_ok, nr_bad, nr_skip);
	return nr_bad ? 1 : 0;
}

#define T_CASE(id)                                                                                 \
	static void t_case_##id(void);                                                             \
	static struct t_case t_entry_##id = { #id, t_case_##id, NULL };                            \
	__attribute__((constructor)) static void t_register_##id(void)                             \
	{                                                                                          \
		t_register(&t_entry_##id);                                                         \
	}                                                                                          \
	static void t_case_##id(void)

#define T_MAIN                                                                                     \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		return t_main(argc, argv);                                                         \
	}

/* The checks are expressions: 1 when they hold. */
#define T_OK(cond)	   t_ok(__FILE__, __LINE__, !!(cond), #cond)
#define T_EQ(a, b)	   t_eq(__FILE__, __LINE__, (long long)(a), (long long)(b), #a, #b)
#define T_STREQ(a, b)	   t_streq(__FILE__, __LINE__, (a), (b), #a, #b)
#define T_MEMEQ(a, b, len) t_memeq(__FILE__, __LINE__, (a), (b), (len), #a, #b)
#define T_FAIL(...)	   t_fail(__FILE__, __LINE__, __VA_ARGS__)

/* These leave the function. */
#define T_NEED(cond)                                                                               \
	do {                                                                                       \
		if (!T_OK(cond))                                                                   \
			return;                                                                    \
	} while (0)
#define T_SKIP(...)                                                                                \
	do {                                                                                       \
		t_skip(__VA_ARGS__);                                                               \
		return;                                                                            \
	} while (0)

#endif
