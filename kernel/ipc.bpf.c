// SPDX-License-Identifier: BSD-2-Clause
/*
 * ipc.bpf.c: who talks to whom: wake-ups, sockets, pipes, futexes.
 *
 * A task that wakes another one has something for it: that is the kernel's IPC (section 4.4 of paper 001
 * counts the microkernel's). But only when the waker acts for itself. What a device's or a timer's
 * interrupt wakes is nobody's; what loopback delivery wakes in a soft interrupt is the sender's, whoever
 * was interrupted for it. So a packet that a task hands to netif_rx remembers the task's domain until
 * it is received, and while it is processed that domain is the waker.
 *
 * Bytes and calls are the caller's own business: the other side has its own rows.
 */
#include "kernel.bpf.h"

#include <asm/unistd.h>

/* Whether the kernel has bpf_rdonly_cast; by the loader. */
const volatile __u32 has_rdonly_cast = 0;

/* --- wake-ups --------------------------------------------------------------------------------- */

/* Packets between netif_rx and their reception: address of the skb to domain. Old ones fall out. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u32);
} in_flight SEC(".maps");

/* For whom this CPU's soft interrupt is receiving: domain + 1; 0: nobody that we know. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} receiving_for SEC(".maps");

/*
 * The preemption count once more, in the way that costs a load instead of a call (v6.2 "bpf: Add kfunc
 * bpf_rdonly_cast()"). Only one object of those that are linked may use a function of the kernel.
 */
struct refcount_struct {
	int refs;
} __attribute__((preserve_access_index));

extern void *bpf_rdonly_cast(const void *at, __u32 btf_id) __ksym __weak;

static __always_inline __u32 preempt_count_at(struct task_struct *running)
{
	void *at = preempt_address(running);

	if (!has_rdonly_cast || !at)
		return preempt_count();
	at = bpf_rdonly_cast(at, bpf_core_type_id_kernel(struct refcount_struct));
	return *(__u32 *)at;
}

/* On whose behalf this CPU works: a domain, or TACHO_NONE. */
static __always_inline __u32 acting_domain(void *part)
{
	struct task_struct *running = bpf_get_current_task_btf();
	__u32 count = preempt_count_at(running), zero = 0, *sender;

	if (!(count & (PREEMPT_HARDIRQ | PREEMPT_NMI | PREEMPT_SERVING)))
		return running_domain(part, running);
	if (count & (PREEMPT_HARDIRQ | PREEMPT_NMI))
		return TACHO_NONE;
	sender = bpf_map_lookup_elem(&receiving_for, &zero);
	return sender ? *sender - 1 : TACHO_NONE;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(ipc_wake, struct task_struct *woken)
{
	void *part = area_part();
	__u32 from;

	if (!part)
		return 0;
	from = acting_domain(part);
	if (from != TACHO_NONE)
		log_domain(part, TACHO_K_IPC_WAKE, from, task_domain(woken), 1, 0);
	return 0;
}

SEC("tp_btf/netif_rx")
int BPF_PROG(wake_sent, struct sk_buff *skb)
{
	__u64 key = (__u64)skb;
	void *part = area_part();
	__u32 domain;

	if (!part)
		return 0;
	domain = acting_domain(part);
	if (domain != TACHO_NONE)
		bpf_map_update_elem(&in_flight, &key, &domain, BPF_ANY);
	return 0;
}

SEC("tp_btf/netif_receive_skb")
int BPF_PROG(wake_received, struct sk_buff *skb)
{
	__u32 zero = 0, *sender = bpf_map_lookup_elem(&receiving_for, &zero), *domain;
	__u64 key = (__u64)skb;

	if (!sender)
		return 0;
	domain = bpf_map_lookup_elem(&in_flight, &key);
	*sender = domain ? *domain + 1 : 0;
	if (domain)
		bpf_map_delete_elem(&in_flight, &key);
	return 0;
}

/* The soft interrupt has received what there was. */
SEC("tp_btf/napi_poll")
int BPF_PROG(wake_polled)
{
	__u32 zero = 0, *sender = bpf_map_lookup_elem(&receiving_for, &zero);

	if (sender)
		*sender = 0;
	return 0;
}

/* --- sockets ---------------------------------------------------------------------------------- */

static __always_inline int socket_log(__u32 received, int result)
{
	void *part = area_part();

	if (part && result > 0)
		log_data(part, TACHO_K_IPC_SOCKET, current_domain(part), received, (__u32)result,
			 0);
	return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(ipc_send, struct sock *sk, int result)
{
	return socket_log(0, result);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(ipc_receive, struct sock *sk, int result, int flags)
{
	return flags & MSG_PEEK ? 0 : socket_log(1, result);
}

/* --- pipes ------------------------------------------------------------------------------------ */

static __always_inline struct file *file_of(int fd)
{
	struct fdtable *table = bpf_get_current_task_btf()->files->fdt;
	struct file *file = NULL;

	if ((__u32)fd < table->max_fds)
		bpf_probe_read_kernel(&file, sizeof(file), table->fd + (__u32)fd);
	return file;
}

static __always_inline bool is_pipe(struct file *file)
{
	return file && (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) == S_IFIFO;
}

/*
 * By its result, and what the descriptors are when it returns. Which of the numbers move bytes
 * comes first: most calls end there. Rings of requests (io_uring) make no call for each and are not seen.
 */
SEC("tp_btf/sys_exit")
int BPF_PROG(ipc_pipe, struct pt_regs *regs, long result)
{
	int from = -1, to = -1;
	struct file *file;
	__u32 domain;
	void *part;

	if (result <= 0)
		return 0;
	switch (call_number(regs)) {
	case __NR_read:
	case __NR_readv:
	case __NR_preadv2:
		from = (int)call_arg(regs, 0);
		break;
	case __NR_write:
	case __NR_writev:
	case __NR_pwritev2:
	case __NR_sendfile:
		to = (int)call_arg(regs, 0);
		break;
	case __NR_splice:
		from = (int)call_arg(regs, 0);
		to = (int)call_arg(regs, 2);
		break;
	case __NR_tee:
		from = (int)call_arg(regs, 0);
		to = (int)call_arg(regs, 1);
		break;
	case __NR_vmsplice: /* into a pipe, or, with its other end, out of it */
		file = file_of((int)call_arg(regs, 0));
		if (file && BPF_CORE_READ(file, f_mode) & FMODE_WRITE)
			to = (int)call_arg(regs, 0);
		else
			from = (int)call_arg(regs, 0);
		break;
	default:
		return 0;
	}
	part = area_part();
	if (!part)
		return 0;
	domain = current_domain(part);
	if (!tacho_bpf_route(&geometry, part, TACHO_K_IPC_PIPE, domain))
		return 0;
	if (from >= 0 && is_pipe(file_of(from)))
		log_data(part, TACHO_K_IPC_PIPE, domain, 1, (__u64)result, 0);
	if (to >= 0 && is_pipe(file_of(to)))
		log_data(part, TACHO_K_IPC_PIPE, domain, 0, (__u64)result, 0);
	return 0;
}

/* --- futexes ---------------------------------------------------------------------------------- */

SEC("tp_btf/sys_enter")
int BPF_PROG(ipc_futex, struct pt_regs *regs, long number)
{
	void *part;

	if (number != __NR_futex || call_number(regs) != __NR_futex)
		return 0;
	part = area_part();
	if (part)
		log_data(part, TACHO_K_IPC_FUTEX, current_domain(part),
			 (__u32)call_arg(regs, 1) & FUTEX_CMD_MASK, 1, 0);
	return 0;
}
