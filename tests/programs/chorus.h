/* SPDX-License-Identifier: BSD-2-Clause */
/* chorus.h: sites where several files see them: in an inline function and in a template. */
#ifndef TACHO_TESTS_CHORUS_H
#define TACHO_TESTS_CHORUS_H

#include <tacho/tacho.h>

TACHO_EVENT_DECLARE(sung, TACHO_ACCESS);
TACHO_EVENT_DECLARE(held, TACHO_SPAN);

inline long long sing(long long n)
{
	for (long long i = 0; i < n; i++)
		TACHO_LOG(sung, i);
	return n;
}

template <typename T> long long sing_as(T n)
{
	T i = 0;

	TACHO_ENTER(held);
	for (; i < n; i++)
		TACHO_LOG(sung, i);
	TACHO_EXIT(held);
	return static_cast<long long>(i);
}

long long choir_sing(long long n);
long long choir_sing_as(long long n);

#endif
