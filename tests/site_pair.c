// SPDX-License-Identifier: BSD-2-Clause
/*
 * site_pair.c: functions with sites, for site_text.sh.
 *
 * Compiled three times and never run: SITES=1 with sites; SITES=2 with sites whose text is empty, so
 * that the compiler has the same freedom around them and nothing is left of them; SITES=0 without.
 * The arguments of the sites are values that the functions need anyway, or constants.
 */
#include <tacho/tacho.h>

#if SITES == 2
#undef TACHO__SITE_WITH
#define TACHO__SITE_WITH(sym, probe, call)                                                         \
	do {                                                                                       \
		__label__ on;                                                                      \
		__asm__ goto("" : : : "cc" : on);                                                  \
		break;                                                                             \
	on:                                                                                        \
		TACHO__COLD;                                                                       \
		call;                                                                              \
	} while (0)
#endif

#if SITES
TACHO_EVENT(pair, TACHO_ACCESS, "pair", "bytes", "client", "an event");
TACHO_EVENT(pair_span, TACHO_SPAN, "pair.span", "", "client", "a span");
#define LOG(...)   TACHO_LOG(__VA_ARGS__)
#define ENTER(...) TACHO_ENTER(__VA_ARGS__)
#define EXIT(...)  TACHO_EXIT(__VA_ARGS__)
#else
#define LOG(...)   (void)0
#define ENTER(...) (void)0
#define EXIT(...)  (void)0
#endif

int alone_leaf(int a, int b);
int *alone_field(int **at, unsigned int n);
long pair_loop(const long *v, long n);
long pair_branch(long a, long b, unsigned int client);
int pair_call(int a);
int pair_many(int a, int b);
int pair_long(int a, int b);
long pair_span_body(long *v, long n, unsigned int client);
double pair_vector(const double *a, const double *b, long n);
unsigned char alone_red_zone(const unsigned char *in, unsigned int at);
extern int pair_other(int a);

int alone_leaf(int a, int b)
{
	LOG(pair);
	return a * 3 + b;
}

int *alone_field(int **at, unsigned int n)
{
	LOG(pair, n, 3);
	return at[n] + 1;
}

long pair_loop(const long *v, long n)
{
	long sum = 0;

	for (long i = 0; i < n; i++) {
		sum += v[i];
		LOG(pair, sum);
	}
	return sum;
}

long pair_branch(long a, long b, unsigned int client)
{
	if (a > b) {
		LOG(pair, a, client);
		return a - b + client;
	}
	LOG(pair, b, client, 7);
	return b - a + client;
}

int pair_call(int a)
{
	int b = pair_other(a);

	LOG(pair, b);
	return pair_other(b) + b;
}

int pair_many(int a, int b)
{
	LOG(pair, 1);
	a += b;
	LOG(pair, a);
	a ^= b;
	LOG(pair, a, b);
	a *= b;
	LOG(pair, a, b, 3);
	a -= b;
	LOG(pair, 5);
	return a;
}

/* Enough sites that some would straddle a cache line if nothing kept them from it. */
#define STEP                                                                                       \
	a = a * 3 + b;                                                                             \
	LOG(pair, a);
#define STEP8  STEP STEP STEP STEP STEP STEP STEP STEP
#define STEP64 STEP8 STEP8 STEP8 STEP8 STEP8 STEP8 STEP8 STEP8

int pair_long(int a, int b)
{
	STEP64
	return a;
}

long pair_span_body(long *v, long n, unsigned int client)
{
	ENTER(pair_span);
	for (long i = 0; i < n; i++)
		v[i] += client;
	EXIT(pair_span, client);
	return n;
}

double pair_vector(const double *a, const double *b, long n)
{
	double sum = 0;

	for (long i = 0; i < n; i++) {
		sum += a[i] * b[i];
		LOG(pair, n);
	}
	return sum;
}

unsigned char alone_red_zone(const unsigned char *in, unsigned int at)
{
	unsigned char line[64];

	for (unsigned int i = 0; i < sizeof(line); i++)
		line[i] = in[i ^ 5] ^ in[i];
	LOG(pair, at);
	return line[at % sizeof(line)];
}
