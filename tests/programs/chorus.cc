// SPDX-License-Identifier: BSD-2-Clause
/* chorus.cc: sites in C++: in a method, a lambda, a namespace, and those of chorus.h. */
#include "chorus.h"
#include "obey.h"

namespace stage
{
class singer
{
      public:
	long long sing(long long n) const
	{
		for (long long i = 0; i < n; i++)
			note(i);
		return n;
	}

      private:
	void note(long long i) const
	{
		TACHO_LOG(sung, i);
	}
};
} // namespace stage

static long long sing_method(long long n)
{
	const auto once = [](long long i) { TACHO_LOG(sung, i); };

	once(n);
	return stage::singer().sing(n) + 1;
}

static long long sing_inline(long long n)
{
	return sing(n) + choir_sing(n);
}

static long long sing_template(long long n)
{
	return sing_as<int>(static_cast<int>(n)) + sing_as<short>(static_cast<short>(n)) +
	       choir_sing_as(n);
}

static const struct obey_command commands[] = {
	{ "method", sing_method },
	{ "inline", sing_inline },
	{ "template", sing_template },
	{ nullptr, nullptr },
};

int main()
{
	return obey(commands);
}
