// SPDX-License-Identifier: BSD-2-Clause
/* plug.c: sites in a shared object that comes and goes by dlopen. */
#include <tacho/tacho.h>

long long plug_say(long long n);

TACHO_EVENT(plugged, TACHO_ACCESS, "plug.said", "number", "", "said by the plug-in");

__attribute__((visibility("default"))) long long plug_say(long long n)
{
	for (long long i = 0; i < n; i++)
		TACHO_LOG(plugged, i);
	return n;
}
