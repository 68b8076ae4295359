// SPDX-License-Identifier: BSD-2-Clause
/*
 * mem.bpf.c: memory: pages of address spaces, page faults of user code.
 *
 * Section 4.4.1 of paper 001 has memory among the characteristics; what domains share is sampled by
 * user space (mem.shared). A change of an address space is its owner's, whoever made it, and the row
 * says the state after it. An address space whose owner is not bound yet is being copied by fork: it
 * is heard of with its first change after that, and is not charged to anybody before.
 */
#include "kernel.bpf.h"

/* Where the variables of each CPU are; see compat.bpf.h. Those of more CPUs are not added up. */
#define BASES 4096u
volatile __u64 percpu_bases[BASES] = {};

/* A function of its own, so that the verifier looks at it once and not for each CPU. */
__attribute__((noinline)) __s64 percpu_part(__u64 counters, __u32 cpu)
{
	return percpu_read((const __s32 *)counters, cpu, &percpu_bases[cpu & (BASES - 1)]);
}

/* Whose address space it is: a domain, or TACHO_NONE. */
static __always_inline __u32 mm_domain(void *part, struct mm_struct *mm)
{
	struct task_struct *owner = NULL;
	struct tacho_k_task *state;

	if (bpf_core_field_exists(mm->owner)) /* CONFIG_MEMCG */
		owner = mm->owner;
	if (!owner) /* the last one who had it is taking it down */
		return current_domain(part);
	state = task_get(owner);
	return state ? principal_domain(state->principal) : TACHO_NONE;
}

SEC("tp_btf/rss_stat")
int BPF_PROG(mem_rss, struct mm_struct *mm, int kind)
{
	void *part = area_part();
	const __s32 *counters;
	__u32 domain;
	__s64 pages;

	if (!part)
		return 0;
	domain = mm_domain(part, mm);
	if (domain == TACHO_NONE || !tacho_bpf_route(&geometry, part, TACHO_K_MEM_RSS, domain))
		return 0;
	pages = rss_pages(mm, (__u32)kind, &counters);
	for (__u32 cpu = 0; counters && cpu < geometry.nr_cpus && cpu < BASES; cpu++)
		pages += percpu_part((__u64)counters, cpu);
	log_data(part, TACHO_K_MEM_RSS, domain, (__u32)kind, pages < 0 ? 0 : pages, 0);
	return 0;
}

SEC("tp_btf/page_fault_user")
int BPF_PROG(mem_fault, unsigned long address, struct pt_regs *regs, unsigned long error_code)
{
	void *part = area_part();

	if (part)
		log_data(part, TACHO_K_MEM_FAULT, current_domain(part), (__u32)error_code, 1, 0);
	return 0;
}
