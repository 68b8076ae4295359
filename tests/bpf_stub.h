/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bpf_stub.h: stands for a vmlinux.h and libbpf's helpers where hot.bpf.h is compiled alone.
 *
 * Only what that header uses; headers.sh includes it, nothing runs it.
 */
#ifndef TACHO_TESTS_BPF_STUB_H
#define TACHO_TESTS_BPF_STUB_H

static unsigned long long (*const bpf_ktime_get_ns)(void) = (void *)5;

#endif /* TACHO_TESTS_BPF_STUB_H */
