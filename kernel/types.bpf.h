/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * types.bpf.h: what the programs need to know of the kernel's structs.
 *
 * Only the fields that are used. The loader relocates them to the running kernel (CO-RE), so neither
 * their order nor their offsets mean anything here, and no generated vmlinux.h is needed: the object
 * is the same wherever it is built. What differs between kernels is in compat.bpf.h.
 */
#ifndef TACHO_KERNEL_TYPES_BPF_H
#define TACHO_KERNEL_TYPES_BPF_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct thread_info {
	unsigned int cpu;
};

struct rq {
	unsigned int nr_running;
	__u64 clock_task;
};

struct task_group {
	struct cfs_rq **cfs_rq;
};

struct cfs_rq {
	struct rq *rq;
	struct task_group *tg;
};

struct sched_entity {
	__u64 exec_start;
	__u64 sum_exec_runtime;
	__u64 prev_sum_exec_runtime;
	struct cfs_rq *cfs_rq;
};

struct inode {
	unsigned short i_mode;
};

struct file {
	unsigned int f_mode;
	struct inode *f_inode;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct percpu_counter {
	__s64 count;
	__s32 *counters;
};

struct mm_struct {
	struct percpu_counter rss_stat[4];
	struct task_struct *owner;
};

struct task_struct {
	struct thread_info thread_info;
	struct sched_entity se;
	struct mm_struct *mm;
	struct files_struct *files;
	unsigned int __state;
	unsigned int flags;
	int prio;
	int pid;
	int tgid;
	__u64 start_time; /* CLOCK_MONOTONIC */
	__u64 start_boottime; /* CLOCK_BOOTTIME */
};

struct sock_common {
	unsigned short skc_family;
	int skc_bound_dev_if;
};

struct sock {
	struct sock_common __sk_common;
	int sk_rx_dst_ifindex;
};

struct net_device {
	int ifindex;
};

struct sk_buff {
	unsigned int len;
	struct sock *sk;
};

struct request {
	unsigned int cmd_flags;
	unsigned int __data_len;
};

#pragma clang attribute pop

#define PF_KTHREAD	0x00200000u
#define PF_EXITING	0x00000004u
#define CLONE_THREAD	0x00010000ull
#define MAX_RT_PRIO	100
#define TASK_RUNNING	0u
#define PREEMPT_SOFTIRQ 0x0000ff00u /* serving, or with bottom halves disabled */
#define PREEMPT_SERVING 0x00000100u /* serving a soft interrupt */
#define PREEMPT_HARDIRQ 0x000f0000u
#define PREEMPT_NMI	0x00f00000u
#define FMODE_WRITE	0x2u
#define S_IFMT		0170000u
#define S_IFIFO		0010000u
#define MSG_PEEK	2
#define AF_INET		2
#define AF_INET6	10
#define AF_PACKET	17
#define FUTEX_CMD_MASK	0x7fu
#define REQ_OP_MASK	0xffu
#define LCB_F_SPIN	0x1u
#define LCB_F_MUTEX	0x20u

/* From <linux/kvm.h>, which is too much for a program. */
#define KVM_EXIT_UNKNOWN      0
#define KVM_EXIT_IO	      2
#define KVM_EXIT_HYPERCALL    3
#define KVM_EXIT_HLT	      5
#define KVM_EXIT_MMIO	      6
#define KVM_EXIT_INTR	      10
#define KVM_EXIT_X86_RDMSR    29
#define KVM_EXIT_X86_WRMSR    30
#define KVM_EXIT_MEMORY_FAULT 39 /* is returned with an error, too */

#endif /* TACHO_KERNEL_TYPES_BPF_H */
