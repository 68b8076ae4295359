/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bpf_stub.h: stands for a vmlinux.h and libbpf's helpers where hot.bpf.h is compiled alone.
 *
 * Only what that header uses. headers.sh compiles it for BPF; t_hot_bpf.c runs the very same writer
 * in user space, and its clock is where an interrupt comes.
 */
#ifndef TACHO_TESTS_BPF_STUB_H
#define TACHO_TESTS_BPF_STUB_H

#if defined(__bpf__)
static unsigned long long (*const bpf_ktime_get_ns)(void) = (void *)5;
#else
static unsigned long long bpf_ktime_get_ns(void);
#endif

#endif /* TACHO_TESTS_BPF_STUB_H */
