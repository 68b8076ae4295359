// SPDX-License-Identifier: BSD-2-Clause
/* voice.c: sites in a shared object that is linked at start. */
#include <tacho/tacho.h>

long long voice_say(long long n);

TACHO_EVENT(voiced, TACHO_ACCESS, "voice.said", "number", "", "said by the shared object");

__attribute__((visibility("default"))) long long voice_say(long long n)
{
	for (long long i = 0; i < n; i++)
		TACHO_LOG(voiced, i);
	return n;
}
