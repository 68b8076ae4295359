// SPDX-License-Identifier: BSD-2-Clause
/*
 * io.bpf.c: block requests from issue to completion, and packets.
 *
 * Owns the table of requests under way and the owners of sockets. A request is its submitter's: other
 * threads issue it, and an interrupt completes it. A packet that is sent belongs to who has the
 * socket, because most of a stream is sent by the interrupts that acknowledge it; of a socket that has
 * not been seen sending, and of no socket, to the task that runs, and in an interrupt to the system.
 * Whose a packet will be that comes in, no tracepoint of the interface knows. So what comes in is charged
 * when it is taken out of a socket of a network, to who takes it, without its headers.
 */
#include "kernel.bpf.h"

/* --- block -------------------------------------------------------------------------------------- */

struct io {
	__u64 issued_ns; /* 0: not yet */
	__u32 domain;
	__u32 kind;
};

/* By address of the request. Requests are used again and again, so there are never many. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct io);
} requests SEC(".maps");

static __always_inline bool in_interrupt(void)
{
	return (preempt_count() & (PREEMPT_NMI | PREEMPT_HARDIRQ | PREEMPT_SERVING)) != 0;
}

/* For whom this CPU works if nobody says better. */
static __always_inline __u32 actor_domain(void *part)
{
	return in_interrupt() ? TACHO_DOMAIN_SYSTEM : current_domain(part);
}

static __always_inline __u32 request_kind(struct request *request)
{
	__u32 op = request->cmd_flags & REQ_OP_MASK;

	return op < 2 ? op : 2;
}

/* There is no room for it: its row will be missing. */
static __always_inline void request_put(void *part, __u64 key, const struct io *io)
{
	if (bpf_map_update_elem(&requests, &key, io, BPF_ANY))
		tacho__bpf_lost(part, TACHO_LOST_BUSY);
}

/* What was known under this address is over, or was lost sight of. */
SEC("tp_btf/block_io_start")
int BPF_PROG(block_start, struct request *request)
{
	struct io io = {};
	void *part = area_part();

	if (!part)
		return 0;
	io.domain = actor_domain(part);
	request_put(part, (__u64)request, &io);
	return 0;
}

/* As above, on kernels without it; a request that is issued at once does not come here. */
SEC("tp_btf/block_rq_insert")
int BPF_PROG(block_insert, struct request *request)
{
	__u64 key = (__u64)request;
	struct io io = {};
	void *part = area_part();

	if (!part || bpf_map_lookup_elem(&requests, &key))
		return 0;
	io.domain = actor_domain(part);
	request_put(part, key, &io);
	return 0;
}

SEC("tp_btf/block_rq_issue")
int BPF_PROG(block_issue, struct request *request)
{
	__u64 key = (__u64)request;
	struct io *known = bpf_map_lookup_elem(&requests, &key), io = {};
	void *part = area_part();

	if (!part)
		return 0;
	if (known) {
		known->kind = request_kind(request);
		known->issued_ns = bpf_ktime_get_ns();
		return 0;
	}
	io.domain = actor_domain(part);
	io.kind = request_kind(request);
	io.issued_ns = bpf_ktime_get_ns();
	request_put(part, key, &io);
	return 0;
}

/* It became a part of another request. */
SEC("tp_btf/block_rq_merge")
int BPF_PROG(block_merge, struct request *request)
{
	__u64 key = (__u64)request;

	bpf_map_delete_elem(&requests, &key);
	return 0;
}

/* A request may complete in parts: bytes each time, the span with the last one. */
SEC("tp_btf/block_rq_complete")
int BPF_PROG(block_complete, struct request *request, int error, unsigned int bytes)
{
	__u64 key = (__u64)request, now;
	struct io *known = bpf_map_lookup_elem(&requests, &key), io;
	void *part = area_part();

	if (!part || !known)
		return 0;
	io = *known;
	if (bytes >= request->__data_len)
		bpf_map_delete_elem(&requests, &key);
	if (!io.issued_ns)
		return 0;
	now = bpf_ktime_get_ns();
	if (!(__u8)error && bytes && io.issued_ns >= enabled_ns[TACHO_K_IO_BLOCK_BYTES])
		log_data(part, TACHO_K_IO_BLOCK_BYTES, io.domain, io.kind, bytes, now);
	if (bytes >= request->__data_len && io.issued_ns >= enabled_ns[TACHO_K_IO_BLOCK])
		log_data(part, TACHO_K_IO_BLOCK, io.domain, io.kind, now - io.issued_ns, now);
	return 0;
}

/* --- packets ------------------------------------------------------------------------------------ */

/* The principal of the task that sent last through a socket, + 1. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} senders SEC(".maps");

static __always_inline bool is_network(struct sock *sk)
{
	unsigned short family = sk->__sk_common.skc_family;

	return family == AF_INET || family == AF_INET6 || family == AF_PACKET;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(net_sender, struct sock *sk)
{
	struct tacho_k_task *state = task_get(bpf_get_current_task_btf());
	__u32 *sender;

	if (!state || !is_network(sk))
		return 0;
	sender = bpf_sk_storage_get(&senders, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (sender)
		*sender = state->principal + 1;
	return 0;
}

static __always_inline __u32 sender_domain(void *part, struct sk_buff *skb)
{
	struct sock *sk = skb->sk;
	__u32 *sender = NULL;

	if (sk)
		sender = bpf_sk_storage_get(&senders, sk, NULL, 0);
	if (sender && *sender)
		return principal_domain(*sender - 1);
	return actor_domain(part);
}

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(net_tx, struct sk_buff *skb, struct net_device *device)
{
	void *part = area_part();

	if (part)
		log_data(part, TACHO_K_NET_TX, sender_domain(part, skb), (__u32)device->ifindex,
			 skb->len, 0);
	return 0;
}

/* What came in, when it is taken: a packet that nobody takes is nobody's. */
SEC("tp_btf/sock_recv_length")
int BPF_PROG(net_rx, struct sock *sk, int result, int flags)
{
	void *part = area_part();

	if (part && result > 0 && !(flags & MSG_PEEK) && is_network(sk))
		log_data(part, TACHO_K_NET_RX, current_domain(part), socket_interface(sk),
			 (__u32)result, 0);
	return 0;
}
