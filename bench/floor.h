/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * floor.h: the least that a full row with time can cost on this machine.
 *
 * The time-stamp counter and a store of 32 bytes through a per-CPU index in memory, with nothing that
 * makes it safe or useful: no route, no domain, no restart when the thread is moved. x86-64 only, and
 * only where the C library registers rseq.
 */
#ifndef TACHO_BENCH_FLOOR_H
#define TACHO_BENCH_FLOOR_H

#if defined(__x86_64__)

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <unistd.h>

#define FLOOR_ROWS 4096

struct floor_cpu {
	uint64_t pos;
	uint64_t pad[7];
	uint64_t rows[FLOOR_ROWS][4];
	uint64_t pad2[8]; /* another line, so that CPUs do not meet in the same cache sets */
} __attribute__((aligned(64)));

/* One per CPU, or NULL. */
static inline struct floor_cpu *floor_open(void)
{
	size_t size = (size_t)sysconf(_SC_NPROCESSORS_CONF) * sizeof(struct floor_cpu);
	void *cpus = __rseq_size == 0 ? MAP_FAILED
				      : mmap(NULL, size, PROT_READ | PROT_WRITE,
					     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return cpus == MAP_FAILED ? NULL : (struct floor_cpu *)cpus;
}

static inline __attribute__((always_inline)) void floor_row(struct floor_cpu *cpus,
							    uint64_t counter)
{
	struct floor_cpu *part;
	uint64_t cpu, pos, now;
	uint64_t *row;

	__asm__ volatile("mov %%fs:4(%1), %k0"
			 : "=r"(cpu)
			 : "r"((uint64_t)__rseq_offset)
			 : "memory");
	part = &cpus[cpu];
	pos = part->pos;
	row = part->rows[pos % FLOOR_ROWS];
	now = __builtin_ia32_rdtsc();
	__asm__ volatile("" : "+r"(now) : : "memory"); /* then the stores, as in the real row */
	row[0] = now;
	row[1] = counter;
	row[2] = 1ull << 32 | 5;
	row[3] = 2;
	part->pos = pos + 1;
	__asm__ volatile("" : : : "memory");
}

#endif
#endif /* TACHO_BENCH_FLOOR_H */
