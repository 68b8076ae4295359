// SPDX-License-Identifier: BSD-2-Clause
/*
 * best.c: the best static placement of a load, found by trying.
 *
 * All placements that the load names (loads.c: every way to part up to five processes among two CPUs, by
 * role where there are more; loads_real.c: all together, server and clients apart), and "anywhere": a
 * short repetition of each, then once more of those that came near the winner. A placement must beat
 * "anywhere" by more than what chance does, or there is none: then `best` is what stock is.
 */
#include <stdio.h>
#include <string.h>

#include "contest.h"

#define TRY_SETTLE_MS 80
#define TRY_MS	      110
#define NEAR	      0.8 /* of the best so far: tried again */
#define CLEARLY	      1.03 /* better than anywhere */

static int try_one(const struct load *load, const struct load_place *place, double *ops, char *why,
		   size_t why_size)
{
	struct load_sample sample = { 0 };
	int error = contest_sample(load, place, TRY_SETTLE_MS, TRY_MS, &sample, why, why_size);

	*ops = sample.ops;
	return error;
}

static void tell(const struct bench *bench, const struct load *load,
		 const struct load_place *places, const double *ops, int nr, double anywhere)
{
	bench_say(bench, "%s: tried anywhere: %.0f ops/s", load->name, anywhere);
	for (int i = 0; i < nr; i++)
		bench_say(bench, "%s: tried %s: %.0f ops/s", load->name, places[i].name, ops[i]);
}

int best_find(struct contest *contest, char *why, size_t why_size)
{
	static struct load_place places[LOAD_PLACES];
	const struct load *load = contest->load;
	double ops[LOAD_PLACES], anywhere, again = 0, most = 0;
	int nr = load->kind->places ? load->kind->places(load, places, LOAD_PLACES) : 0;
	int error = 0, winner = -1;

	contest->has_best = false;
	contest->is_pinnable = nr > 0;
	if (nr <= 0)
		return 0;
	error = try_one(load, NULL, &anywhere, why, why_size);
	for (int i = 0; i < nr && !error; i++) {
		error = try_one(load, &places[i], &ops[i], why, why_size);
		most = ops[i] > most ? ops[i] : most;
	}
	/* twice, and the mean of both: who won by luck does not win again */
	if (!error)
		error = try_one(load, NULL, &again, why, why_size);
	anywhere = (anywhere + again) / 2;
	for (int i = 0; i < nr && !error; i++) {
		if (ops[i] < NEAR * most)
			continue;
		error = try_one(load, &places[i], &again, why, why_size);
		ops[i] = (ops[i] + again) / 2;
		if (winner < 0 || ops[i] > ops[winner])
			winner = i;
	}
	if (error)
		return error;
	tell(contest->bench, load, places, ops, nr, anywhere);
	if (winner >= 0 && ops[winner] > CLEARLY * anywhere) {
		contest->best = places[winner];
		contest->has_best = true;
	}
	return 0;
}
