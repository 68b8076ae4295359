/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/x86_64.h: the log operation as one restartable sequence.
 *
 * The kernel restarts the sequence from its beginning when the thread was preempted, migrated or
 * got a signal before the last instruction, the store of the position. So the CPU that it began on
 * is the CPU that it ends on, it is the only writer of that CPU's logs, and a row that was begun and
 * not committed was never there. No lock prefix, no system call, one store to commit.
 *
 * What the numbers in doc/benchmarks.md taught:
 *   - The body is specialised: the layout byte selects one of 128 straight-line bodies through a
 *     jump table of 256 entries, so that no value of the byte leaves the table.
 *   - rdtsc stands before the stores of the row: on Zen 3 a row costs 28 cycles that way, of which
 *     rdtsc alone is 27, and 40 with the stores before it.
 *   - The usual route is guessed and confirmed. What is not the guess may be no route (zero) or a
 *     sampled one (negative): those branches are behind the wrong guess, so that a threshold of 1
 *     costs nothing, and below a higher one an event ends with its count.
 *
 * x86 keeps stores in order and loads in order: barriers A and C of hot.h cost nothing here.
 * The sequence also protects the hook: a session that detaches clears nr_cpus and has the kernel
 * restart all sequences (membarrier), then nobody can use the rest of the hook.
 */
#ifndef TACHO_ARCH_X86_64_H
#define TACHO_ARCH_X86_64_H

#ifndef TACHO_HOT_H
#error "include <tacho/hot.h>, it chooses the writer"
#endif

#define TACHO__RSEQ_SIG "0x53053053" /* what glibc registers on x86 */

/*
 * Where struct rseq is, from the thread pointer, in the C library of the build: meson.build finds
 * out. It is a guess that is confirmed, so that the number of the CPU is one load away and not two.
 */
#ifdef TACHO_RSEQ_GUESS
#define TACHO__RSEQ_GUESS TACHO_RSEQ_GUESS
#else
#define TACHO__RSEQ_GUESS "0"
#endif

/* The descriptor of one sequence: from label 2 to label 4, abort at the label ahead of which the signature is. */
#define TACHO__RSEQ_BEGIN                                                                          \
	".pushsection __rseq_cs, \"aw\", @progbits\n\t"                                            \
	".balign 32\n"                                                                             \
	"33:\n\t"                                                                                  \
	".long 0, 0\n\t"                                                                           \
	".quad 2f, 4f - 2f, 44f\n\t"                                                               \
	".popsection\n"                                                                            \
	"1:\n\t"                                                                                   \
	"cmpl $" TACHO__RSEQ_GUESS ", 56(%[hook])\n\t"                                             \
	"jne 57f\n\t"                                                                              \
	"lea 33b(%%rip), %%rax\n\t"                                                                \
	"mov %%rax, %%fs:" TACHO__RSEQ_GUESS "+8\n"                                                \
	"2:\n\t"                                                                                   \
	"mov %%fs:" TACHO__RSEQ_GUESS "+4, %%eax\n"                                                \
	"67:\n\t"                                                                                  \
	"cmp (%[hook]), %%eax\n\t"                                                                 \
	"jae 50f\n\t"

/*
 * Another C library than the one it was built with: where struct rseq is must be loaded. Stands
 * inside the bounds of the sequence, because it arms the sequence: armed outside of them, the
 * kernel would disarm it again.
 */
#define TACHO__RSEQ_ELSEWHERE                                                                      \
	"57:\n\t"                                                                                  \
	"movslq 56(%[hook]), %%rdx\n\t"                                                            \
	"lea 33b(%%rip), %%rax\n\t"                                                                \
	"mov %%rax, %%fs:8(%%rdx)\n\t"                                                             \
	"mov %%fs:4(%%rdx), %%eax\n\t"                                                             \
	"jmp 67b\n"

#define TACHO__RSEQ_END                                                                            \
	".pushsection .text.unlikely, \"ax\", @progbits\n\t"                                       \
	".byte 0x0f, 0xb9, 0x3d\n\t"                                                               \
	".long " TACHO__RSEQ_SIG "\n"                                                              \
	"44:\n\t"                                                                                  \
	"jmp 1b\n"                                                                                 \
	"50:\n\t"                                                                                  \
	"mov $2, %%eax\n\t" /* TACHO__OFF */                                                       \
	"jmp 5f\n"                                                                                 \
	"51:\n\t"                                                                                  \
	"mov $1, %%eax\n\t" /* TACHO__SKIP */                                                      \
	"jmp 5f\n"                                                                                 \
	"52:\n\t"                                                                                  \
	"mov $3, %%eax\n\t" /* TACHO__SAMPLED */                                                   \
	"jmp 5f\n"                                                                                 \
	"53:\n\t"                                                                                  \
	"mov $4, %%eax\n\t" /* TACHO__LAYOUT */                                                    \
	"jmp 5f\n\t"                                                                               \
	".popsection\n\t"

/*
 * Part, domain, correspondent and route. Expects the CPU in eax; leaves the part, both domains and
 * rax = address of the route row of this event.
 */
#define TACHO__RSEQ_RESOLVE                                                                        \
	"imul 8(%[hook]), %%rax\n\t"                                                               \
	"mov 16(%[hook]), %[part]\n\t"                                                             \
	"add %%rax, %[part]\n\t"                                                                   \
	"mov 32(%[hook]), %%rdx\n\t"                                                               \
	"mov 40(%[hook]), %k[dom]\n\t"                                                             \
	"mov %k[dom], %k[cor]\n\t"                                                                 \
	"and %k[principal], %k[dom]\n\t"                                                           \
	"mov (%%rdx, %[dom], 4), %k[dom]\n\t"                                                      \
	"and 44(%[hook]), %k[dom]\n\t"                                                             \
	"and %k[peer], %k[cor]\n\t"                                                                \
	"mov (%%rdx, %[cor], 4), %k[cor]\n\t"                                                      \
	"cmp %k[dom], %k[cor]\n\t"                                                                 \
	"je 51f\n\t"

/*
 * The route, guessed: the address of the control register then depends on the CPU only, and the
 * load of the route only confirms it. A row without time is as slow as the chain of its loads, and
 * this takes a quarter off it. A wrong guess costs a branch.
 */
#define TACHO__RSEQ_ROUTE                                                                          \
	"add 24(%[hook]), %%rax\n\t"                                                               \
	"mov 60(%[hook]), %k[ctrl]\n\t"                                                            \
	"cmp %k[ctrl], (%%rax, %[dom], 4)\n\t"                                                     \
	"je 64f\n\t"                                                                               \
	"mov (%%rax, %[dom], 4), %k[ctrl]\n\t"                                                     \
	"test %k[ctrl], %k[ctrl]\n\t"                                                              \
	"jz 51f\n\t"                                                                               \
	".if %c[sampled] == 0\n\t"                                                                 \
	"js 65f\n\t"                                                                               \
	".endif\n\t"                                                                               \
	"and 48(%[hook]), %k[ctrl]\n"                                                              \
	"64:\n\t"

/*
 * 128 bodies and the table that leads to them. t_v counts the layouts; the t_ symbols repeat the
 * offsets of area.h, and tests/t_hot.c compares every body with the C macros byte by byte.
 * A body ends at label 3, which adds 1 to the position; an adding log adds the counter to its sum by
 * the same instruction. The count of a sample is half a word, and its threshold, the other half, is the
 * session's: so it has a sequence of its own, from label 35 to 36, which is for the same part or begins
 * the event anew.
 */
#define TACHO__RSEQ_BODIES                                                                         \
	"movzbl 16(%[ctrl]), %%eax\n\t"                                                            \
	"lea 60f(%%rip), %%rdx\n\t"                                                                \
	"notrack jmp *(%%rdx, %%rax, 8)\n\t"                                                       \
	".pushsection .data.rel.ro, \"aw\", @progbits\n\t"                                         \
	".balign 64\n"                                                                             \
	"60:\n\t"                                                                                  \
	".popsection\n\t"                                                                          \
	".set t_v, 0\n\t"                                                                          \
	".rept 256\n\t"                                                                            \
	".if t_v >= 128\n\t"                                                                       \
	".pushsection .data.rel.ro, \"aw\", @progbits\n\t"                                         \
	".quad 53f\n\t"                                                                            \
	".popsection\n\t"                                                                          \
	".elseif t_v >= 64\n\t" /* add: all of them alike */                                       \
	".pushsection .data.rel.ro, \"aw\", @progbits\n\t"                                         \
	".quad 61f\n\t"                                                                            \
	".popsection\n\t"                                                                          \
	".else\n\t"                                                                                \
	".balign 16\n"                                                                             \
	"62:\n\t"                                                                                  \
	".pushsection .data.rel.ro, \"aw\", @progbits\n\t"                                         \
	".quad 62b\n\t"                                                                            \
	".popsection\n\t"                                                                          \
	".set t_clock, t_v >> 4\n\t"                                                               \
	".set t_counter, 0\n\t"                                                                    \
	".if t_clock\n\t"                                                                          \
	".set t_counter, 8\n\t"                                                                    \
	".endif\n\t"                                                                               \
	".set t_event, t_counter + (t_v & 8)\n\t"                                                  \
	".set t_domain, t_event + (t_v & 1) * 4\n\t"                                               \
	".set t_corr, t_domain + (t_v & 2) * 2\n\t"                                                \
	".set t_bytes, t_corr + (t_v & 4)\n\t"                                                     \
	".if t_bytes\n\t"                                                                          \
	".set t_shift, 2\n\t"                                                                      \
	".if t_bytes > 4\n\t"                                                                      \
	".set t_shift, 3\n\t"                                                                      \
	".endif\n\t"                                                                               \
	".if t_bytes > 8\n\t"                                                                      \
	".set t_shift, 4\n\t"                                                                      \
	".endif\n\t"                                                                               \
	".if t_bytes > 16\n\t"                                                                     \
	".set t_shift, 5\n\t"                                                                      \
	".endif\n\t"                                                                               \
	"shl $t_shift, %[idx]\n\t"                                                                 \
	"mov 8(%[ctrl]), %%eax\n\t"                                                                \
	"add %%rax, %[idx]\n\t"                                                                    \
	"and 52(%[hook]), %k[idx]\n\t"                                                             \
	".if t_clock == 3\n\t"                                                                     \
	"rdtsc\n\t"                                                                                \
	"shl $32, %%rdx\n\t"                                                                       \
	"or %%rdx, %%rax\n\t"                                                                      \
	"mov %%rax, (%[part], %[idx])\n\t"                                                         \
	".elseif t_clock == 2\n\t"                                                                 \
	"mov 8(%[part]), %%rax\n\t"                                                                \
	"mov %%rax, (%[part], %[idx])\n\t"                                                         \
	".elseif t_clock == 1\n\t"                                                                 \
	"mov (%[part]), %%rax\n\t"                                                                 \
	"mov %%rax, (%[part], %[idx])\n\t"                                                         \
	"inc %%rax\n\t"                                                                            \
	"mov %%rax, (%[part])\n\t"                                                                 \
	".endif\n\t"                                                                               \
	".if t_v & 8\n\t"                                                                          \
	"mov %[counter], t_counter(%[part], %[idx])\n\t"                                           \
	".endif\n\t"                                                                               \
	".if t_v & 1\n\t"                                                                          \
	"mov 4(%[hook]), %%eax\n\t"                                                                \
	"mov %%eax, t_event(%[part], %[idx])\n\t"                                                  \
	".endif\n\t"                                                                               \
	".if t_v & 2\n\t"                                                                          \
	"mov %k[dom], t_domain(%[part], %[idx])\n\t"                                               \
	".endif\n\t"                                                                               \
	".if t_v & 4\n\t"                                                                          \
	"mov %k[cor], t_corr(%[part], %[idx])\n\t"                                                 \
	".endif\n\t"                                                                               \
	".endif\n\t"                                                                               \
	"jmp 3f\n\t"                                                                               \
	".endif\n\t"                                                                               \
	".set t_v, t_v + 1\n\t"                                                                    \
	".endr\n" TACHO__RSEQ_ELSEWHERE "61:\n\t" /* adding log */                                 \
	"mov 8(%[ctrl]), %k[idx]\n\t"                                                              \
	"and 52(%[hook]), %k[idx]\n\t"                                                             \
	"and $-8, %k[idx]\n\t"                                                                     \
	"lea (%[part], %[idx]), %[ctrl]\n\t"                                                       \
	"mov %[counter], %%rdx\n\t"                                                                \
	"jmp 66f\n"                                                                                \
	"65:\n\t" /* sampled route: count, or leave when a row is due */                           \
	"sub 24(%[hook]), %%rax\n\t"                                                               \
	"add 64(%[hook]), %%rax\n\t"                                                               \
	"lea (%%rax, %[dom], 8), %[ctrl]\n\t"                                                      \
	"mov 4(%[ctrl]), %k[idx]\n\t"                                                              \
	"inc %k[idx]\n\t"                                                                          \
	"cmp (%[ctrl]), %k[idx]\n\t"                                                               \
	"jae 52f\n\t"                                                                              \
	"movslq 56(%[hook]), %%rdx\n\t"                                                            \
	"lea 34f(%%rip), %%rax\n\t"                                                                \
	"mov %%rax, %%fs:8(%%rdx)\n"                                                               \
	"35:\n\t"                                                                                  \
	"mov %%fs:4(%%rdx), %%eax\n\t"                                                             \
	"imul 8(%[hook]), %%rax\n\t"                                                               \
	"add 16(%[hook]), %%rax\n\t"                                                               \
	"cmp %%rax, %[part]\n\t"                                                                   \
	"jne 1b\n\t"                                                                               \
	"mov %k[idx], 4(%[ctrl])\n"                                                                \
	"36:\n\t"                                                                                  \
	"jmp 4f\n"                                                                                 \
	".pushsection __rseq_cs, \"aw\", @progbits\n\t"                                            \
	".balign 32\n"                                                                             \
	"34:\n\t"                                                                                  \
	".long 0, 0\n\t"                                                                           \
	".quad 35b, 36b - 35b, 44f\n\t"                                                            \
	".popsection\n"                                                                            \
	"3:\n\t"                                                                                   \
	"mov $1, %%edx\n"                                                                          \
	"66:\n\t"                                                                                  \
	"add %%rdx, (%[ctrl])\n"                                                                   \
	"4:\n\t"

/*
 * One event into one area. sampled: a constant, 1 to write the row of a sampled route that is
 * due (tacho__rseq_sample said so), 0 otherwise.
 * Returns DONE, SKIP, OFF, LAYOUT, or SAMPLED: the threshold is reached with this event, which is not
 * yet counted. Wait-free but for restarts, which need a preemption
 * or a signal each. Safe in signal handlers.
 */
static inline __attribute__((always_inline)) enum tacho__result tacho__rseq_write(
	struct tacho__hook *hook, tacho_u32 principal, tacho_u32 correspondent, tacho_u64 counter,
	const int sampled)
{
	tacho_u64 part, ctrl, idx, dom, cor, rdx;
	tacho_u32 result;

	__asm__ volatile(TACHO__RSEQ_BEGIN TACHO__RSEQ_RESOLVE TACHO__RSEQ_ROUTE
			 "lea 128(%[part], %[ctrl]), %[ctrl]\n\t"
			 "mov 12(%[ctrl]), %k[idx]\n\t"
			 "and (%[ctrl]), %[idx]\n\t" TACHO__RSEQ_BODIES
			 "xor %%eax, %%eax\n\t" TACHO__RSEQ_END "5:\n\t"
			 : [part] "=&r"(part), [dom] "=&r"(dom), [cor] "=&r"(cor),
			   [ctrl] "=&r"(ctrl), [idx] "=&r"(idx), "=&a"(result), "=&d"(rdx)
			 : [hook] "r"(hook), [counter] "r"(counter), [peer] "r"(correspondent),
			   [principal] "r"(principal), [sampled] "i"(sampled)
			 : "cc", "memory");
	return (enum tacho__result)result;
}

/*
 * Count one event of a sampled route, as a sequence of its own: the count is its commit.
 * Returns DUE when the threshold is reached and the caller writes the row, SKIP otherwise, OFF.
 */
static inline __attribute__((always_inline)) enum tacho__result tacho__rseq_sample(
	struct tacho__hook *hook, tacho_u32 principal, tacho_u32 correspondent)
{
	tacho_u64 part, pos, dom, cor, rdx;
	tacho_u32 result;

	__asm__ volatile(TACHO__RSEQ_BEGIN TACHO__RSEQ_RESOLVE
			 "add 64(%[hook]), %%rax\n\t"
			 "lea (%%rax, %[dom], 8), %%rax\n\t"
			 "mov 4(%%rax), %k[pos]\n\t"
			 "inc %k[pos]\n\t"
			 "mov $1, %k[part]\n\t"
			 "xor %k[dom], %k[dom]\n\t"
			 "cmp (%%rax), %k[pos]\n\t"
			 "cmovae %k[dom], %k[pos]\n\t"
			 "mov $6, %k[cor]\n\t" /* TACHO__DUE */
			 "cmovb %k[part], %k[cor]\n\t" /* TACHO__SKIP */
			 "jmp 68f\n" TACHO__RSEQ_ELSEWHERE "68:\n\t"
			 "mov %k[pos], 4(%%rax)\n"
			 "4:\n\t"
			 "mov %k[cor], %%eax\n\t" TACHO__RSEQ_END "5:\n\t"
			 : [part] "=&r"(part), [dom] "=&r"(dom), [cor] "=&r"(cor), [pos] "=&r"(pos),
			   "=&a"(result), "=&d"(rdx)
			 : [hook] "r"(hook), [peer] "r"(correspondent), [principal] "r"(principal)
			 : "cc", "memory");
	return (enum tacho__result)result;
}

#endif /* TACHO_ARCH_X86_64_H */
