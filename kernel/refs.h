/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * refs.h: which pages of the memory that domains share were used: the acquisition of mem.shared.
 *
 * Section 4.4.1 of paper 001: reference bits, asked of the kernel at intervals, because nobody is told
 * when a page is used. The caller says which processes belong to which domains; a sample finds the
 * mappings that two domains share (shared file mappings, memfd and other tmpfs files, shared
 * anonymous memory, SysV segments) and says for each pair of domains how many pages of them each of
 * the two used and wrote since the sample before.
 *
 * Mappings that nobody of a pair may write are left out: they are shared, but nobody talks through
 * them. Mappings of devices, of eBPF maps and of perf buffers are no memory that is shared this way.
 *
 * A sample takes milliseconds, see bench/shared: once a second rather than every 20 ms. It costs the
 * observed processes something too, see tacho_refs_probe; it never stops them and changes nothing
 * that they can see. Functions return 0 or -errno; nothing prints; one thread per object.
 */
#ifndef TACHO_KERNEL_REFS_H
#define TACHO_KERNEL_REFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tacho_refs_method {
	TACHO_REFS_AUTO, /* clear or else idle, and scan beside it */
	TACHO_REFS_CLEAR, /* clear_refs and smaps: pages referenced, by process */
	TACHO_REFS_SCAN, /* PAGEMAP_SCAN: pages written, of processes that allow it */
	TACHO_REFS_IDLE, /* idle-page tracking: pages referenced, by anybody */
	TACHO_REFS_SOFT_DIRTY, /* as clear, and pages written; never chosen by itself */
	TACHO_REFS_NR,
};

/* A number of pages that cannot be known here, or not yet. Never zero instead. */
#define TACHO_REFS_UNKNOWN UINT64_MAX

struct tacho_refs_options {
	enum tacho_refs_method method; /* [AUTO] */
	const char *proc; /* ["/proc"]; another place for tests */
	const char *idle; /* ["/sys/kernel/mm/page_idle/bitmap"] */
	uint32_t
		lazy; /* a process without shared mappings is looked at again after so many samples [0] */
};

struct tacho_refs;

/*
 * options may be NULL. -EOPNOTSUPP, -EPERM: the method does not work here. -EINVAL: no such method.
 * why, which may be NULL, then says what is lacking in one line.
 */
int tacho_refs_open(struct tacho_refs **refs, const struct tacho_refs_options *options, char *why,
		    size_t why_size);
void tacho_refs_close(struct tacho_refs *refs);
const char *tacho_refs_name(const struct tacho_refs *refs); /* the methods at work: "clear+scan" */

/* A process (not a thread) and whose it is. */
struct tacho_refs_task {
	uint32_t domain;
	int pid;
};

/*
 * The processes to look at from now on, in any order; of a pid that comes twice the first counts.
 * What is known of those that were there before stays. For the new ones the interval begins now where
 * the method allows it (clear), otherwise with the next sample. -EINVAL: a pid is not positive.
 */
int tacho_refs_set(struct tacho_refs *refs, const struct tacho_refs_task *tasks, size_t nr);

/*
 * Pages of the mappings that domain shares with other, which domain referenced and wrote since the
 * last sample; each pair comes twice, once for each of the two, even if nothing was used. A page that
 * several processes of one domain used counts for each of them, a huge page as many small ones.
 * TACHO_REFS_UNKNOWN if one of the mappings cannot tell: a method that cannot, a process that cannot
 * be read or does not allow it, a mapping that the sample before did not see.
 */
typedef void (*tacho_refs_found_fn)(void *arg, uint32_t domain, uint32_t other, uint64_t referenced,
				    uint64_t written);

/*
 * Processes that ended or may not be read are no error, see tacho_refs_stats; -ENOMEM is one, and then
 * nothing is found.
 */
int tacho_refs_sample(struct tacho_refs *refs, tacho_refs_found_fn found, void *arg);

/* What the last sample met. */
struct tacho_refs_stats {
	uint32_t tasks; /* processes asked */
	uint32_t gone; /* of them: have ended, or are threads of the kernel */
	uint32_t refused; /* of them: may not be read */
	uint32_t mappings; /* shared mappings that were looked at */
	uint32_t shared; /* of them: with another domain */
	uint64_t left_out; /* mappings, domains of one object or pairs beyond what is bounded */
};
const struct tacho_refs_stats *tacho_refs_stats(const struct tacho_refs *refs);

/*
 * For the observed process itself: have the kernel remember writes to its memory [memory, memory +
 * size), whole pages, so that the method scan can count them. Returns a descriptor; when it is closed
 * the memory is as before. A child of fork has to do it for itself. From then on the first write to
 * a page after a sample takes a minor fault, which the kernel resolves by itself.
 */
int tacho_refs_allow(void *memory, size_t size);

/* For doctor: what each method can do here. Constant texts, one line each. */
struct tacho_refs_probe {
	const char *name;
	int error; /* 0: works; otherwise -errno, and why says what is lacking */
	char why[96];
	bool tells_referenced;
	bool tells_written;
	bool tells_domain; /* whose reference it was, and not only that there was one */
	bool is_exact; /* sees pages whose translation the processor still holds */
	const char *meaning;
	const char *cost;
};
/* By enum tacho_refs_method; that of AUTO says what is chosen. options may be NULL. */
void tacho_refs_probe(struct tacho_refs_probe probe[TACHO_REFS_NR],
		      const struct tacho_refs_options *options);

#endif /* TACHO_KERNEL_REFS_H */
