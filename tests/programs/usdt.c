/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * usdt.c: a program whose sites are both: USDT probes of another tracer and events of tacho.
 *
 * "hit N" passes each of its sites N times and answers N, or -1 when a value did not survive it.
 */
#include <tacho/tacho.h>

#include "obey.h"

TACHO_EVENT(hit, TACHO_ACCESS, "usdt.hit", "", "", "one time around");
TACHO_EVENT(leaf, TACHO_ACCESS, "usdt.leaf", "items", "", "in a function without a frame");
TACHO_EVENT(round, TACHO_SPAN, "usdt.round", "", "", "the same, as a span");

/* A leaf function: what it has on the stack is below the stack pointer. */
__attribute__((noinline)) static long long leaf_sum(long long n)
{
	long long kept[4] = { n, n + 1, n + 2, n + 3 };

	__asm__("" : "+m"(kept));
	TACHO_LOG(leaf, (tacho_u64)n);
	__asm__("" : "+m"(kept));
	return kept[0] + kept[1] + kept[2] + kept[3] - 4 * n;
}

static long long hits(long long n)
{
	long long i, good = 0;

	for (i = 0; i < n; i++) {
		TACHO_ENTER(round);
		TACHO_LOG(hit);
		good += leaf_sum(i) == 6;
		TACHO_EXIT(round);
	}
	return good == n ? n : -1;
}

int main(void)
{
	static const struct obey_command commands[] = { { "hit", hits }, { NULL, NULL } };

	return obey(commands);
}
