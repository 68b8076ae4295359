// SPDX-License-Identifier: BSD-2-Clause
/* choir.cc: the second file that uses chorus.h. */
#include "chorus.h"

long long choir_sing(long long n)
{
	return sing(n);
}

long long choir_sing_as(long long n)
{
	return sing_as<int>(static_cast<int>(n)) + sing_as<long>(n);
}
