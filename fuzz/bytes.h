/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bytes.h: the input of a fuzz target as a supply of numbers: what it does next is taken from it.
 *
 * Behind the end everything is zero. CHECK is what a target promises; it traps where it is broken, which
 * libFuzzer and driver.c both report.
 */
#ifndef TACHO_FUZZ_BYTES_H
#define TACHO_FUZZ_BYTES_H

#include <stddef.h>
#include <stdint.h>

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond))                                                                       \
			__builtin_trap();                                                          \
	} while (0)

struct bytes {
	const uint8_t *data;
	size_t len;
};

/* The next so many bytes, at most 8, as a number. */
static inline uint64_t take(struct bytes *in, unsigned int bytes)
{
	uint64_t value = 0;

	while (bytes-- > 0) {
		value <<= 8;
		if (in->len > 0) {
			value |= *in->data++;
			in->len--;
		}
	}
	return value;
}

#endif /* TACHO_FUZZ_BYTES_H */
