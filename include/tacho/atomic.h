/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * atomic.h: every access to memory that two parties share, with its order in its name.
 *
 * The only place for compiler builtins of the __atomic family. verify/ replaces these macros by
 * calls into its scheduler (TACHO_ATOMIC_OVERRIDE) and runs the very same headers.
 */
#ifndef TACHO_ATOMIC_H
#define TACHO_ATOMIC_H

#ifdef TACHO_ATOMIC_OVERRIDE
#include TACHO_ATOMIC_OVERRIDE
#else

#define tacho_load_relaxed(p)	  __atomic_load_n((p), __ATOMIC_RELAXED)
#define tacho_load_acquire(p)	  __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define tacho_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define tacho_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define tacho_add_relaxed(p, v)	  __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define tacho_add_acquire(p, v)	  __atomic_fetch_add((p), (v), __ATOMIC_ACQUIRE)
#define tacho_add_release(p, v)	  __atomic_fetch_add((p), (v), __ATOMIC_RELEASE)
#define tacho_add_seq(p, v)	  __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define tacho_load_seq(p)	  __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define tacho_store_seq(p, v)	  __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)

/* Strong compare and swap; *expected is updated on failure. */
#define tacho_cas_acquire(p, expected, v)                                                          \
	__atomic_compare_exchange_n((p), (expected), (v), 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
#define tacho_cas_relaxed(p, expected, v)                                                          \
	__atomic_compare_exchange_n((p), (expected), (v), 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)

#define tacho_fence_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define tacho_fence_release() __atomic_thread_fence(__ATOMIC_RELEASE)
#define tacho_fence_seq()     __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define tacho_fence_signal()  __atomic_signal_fence(__ATOMIC_SEQ_CST)

#endif
#endif /* TACHO_ATOMIC_H */
