// SPDX-License-Identifier: BSD-2-Clause
/*
 * share.c: mem.shared: samples of the pages that domains share, as rows of the kernel's logs.
 *
 * Owns the acquisition (refs.h) and when it is done. Nobody tells when a page is used, so user space
 * asks; but a log has one kind of writer, so what was found is handed to a program, which writes
 * the row. Section 4.4.1 of paper 001. Called by kernel.c and by sessions.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_internal.h"
#include "lib/internal.h"
#include "object.h"
#include "refs.h"

/* How often the set of processes is brought up to date; between, who is new is not looked at. */
#define REGROUP_NS 500000000ull

struct found {
	struct tacho_kernel *kernel;
	int error;
};

/* A half of the counter: pages, or all ones: cannot be known. */
static uint64_t half(uint64_t pages)
{
	return pages < UINT32_MAX ? pages : UINT32_MAX;
}

static void found(void *arg, uint32_t domain, uint32_t other, uint64_t referenced, uint64_t written)
{
	struct found *found = arg;
	struct tacho_k_emit row = { domain, other, half(referenced) << 32 | half(written) };
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &row, .ctx_size_in = sizeof(row));

	if (referenced == 0 && written == 0)
		return; /* nothing happened */
	if (bpf_prog_test_run_opts(bpf_program__fd(found->kernel->skel->progs.emit), &options))
		found->error = -errno;
}

static bool is_in(uint32_t domain, const uint32_t *only, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (only[i] == domain)
			return true;
	return nr == 0;
}

static int regroup(struct tacho_kernel *kernel, const uint32_t *only, size_t nr_only)
{
	struct tacho_binder_process *process;
	struct tacho_refs_task *task;
	size_t nr, i, kept = 0;
	int error = tacho_binder_processes(kernel->binder, &process, &nr);

	if (error)
		return error;
	task = calloc(nr + 1, sizeof(*task));
	for (i = 0; task && i < nr; i++)
		if (process[i].domain != TACHO_NONE && is_in(process[i].domain, only, nr_only))
			task[kept++] =
				(struct tacho_refs_task){ process[i].domain, process[i].pid };
	error = task ? tacho_refs_set(kernel->refs, task, kept) : -ENOMEM;
	free(task);
	free(process);
	return error;
}

int tacho_kernel_sample_shared(struct tacho_kernel *kernel, const uint32_t *only, size_t nr)
{
	/* most processes share nothing: they may wait for some tens of samples */
	static const struct tacho_refs_options lazy = { .lazy = 25 };
	struct found what = { kernel, 0 };
	const uint64_t now = tacho_i_clock_read(TACHO_SOURCE_MONOTONIC);
	char why[120];
	int error = 0;

	if (!kernel->refs)
		error = tacho_refs_open(&kernel->refs, &lazy, why, sizeof(why));
	if (error)
		return tacho_k_fail(kernel, error, "mem.shared: %s", why);
	if (now - kernel->regrouped_ns > REGROUP_NS) {
		kernel->regrouped_ns = now;
		error = regroup(kernel, only, nr);
	}
	if (!error)
		error = tacho_refs_sample(kernel->refs, found, &what);
	error = error ? error : what.error;
	return error ? tacho_k_fail(kernel, error, "mem.shared: %s", strerror(-error)) : 0;
}

int tacho_k_share_tend(struct tacho_kernel *kernel)
{
	const uint64_t now = tacho_i_clock_read(TACHO_SOURCE_MONOTONIC);

	if (!(kernel->enabled & TACHO_K_BIT(MEM_SHARED)) || kernel->shared_ms == UINT32_MAX ||
	    now - kernel->sampled_ns < kernel->shared_ms * 1000000ull)
		return 0;
	kernel->sampled_ns = now;
	return tacho_kernel_sample_shared(kernel, NULL, 0);
}

void tacho_k_share_close(struct tacho_kernel *kernel)
{
	if (kernel->refs)
		tacho_refs_close(kernel->refs);
}
