/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * common.h: what the built-in policies have in common.
 *
 * A field: the load that each CPU will have when the plan is carried out. Working sets that a
 * policy places are taken out of where they ran and put where they shall run, one after the other,
 * so that the next one sees the last. Groups: working sets remembered from call to call, so that
 * they keep their name, and a wish must last before it is acted upon. All of it lives in a policy's
 * state or on its stack; nothing is allocated. Only sched/policies/ includes this. Indices from an
 * input are checked: a replayed or foreign one may be nonsense.
 */
#ifndef TACHO_SCHED_POLICIES_COMMON_H
#define TACHO_SCHED_POLICIES_COMMON_H

#include "sched/policies.h"

/* Numbers of an input: finite, not negative, not absurd. */
static inline double tacho_sane(double value)
{
	return value > 0 && value < 1e15 ? value : 0;
}

static inline double tacho_least(double a, double b)
{
	return a < b ? a : b;
}

static inline double tacho_most(double a, double b)
{
	return a > b ? a : b;
}

static inline double tacho_percent(double share)
{
	return 100 * tacho_least(tacho_sane(share), 99);
}

/* The domain, or NULL. */
const struct tacho_policy_domain *tacho_input_domain(const struct tacho_policy_input *input,
						     uint32_t index);
/* The i-th member of a set as the index of a domain, or TACHO_POLICY_NONE. */
uint32_t tacho_input_member(const struct tacho_policy_input *input, uint32_t set, uint32_t i);
double tacho_input_on(const struct tacho_policy_input *input, uint32_t domain, uint32_t cpu);
/* Index of the first CPU of a set of numbers that is online. */
uint32_t tacho_input_first(const struct tacho_policy_input *input, const struct tacho_cpus *cpus);
/* All CPUs online / of the cache of this one, by number. */
struct tacho_cpus tacho_input_online(const struct tacho_policy_input *input);
struct tacho_cpus tacho_input_cache(const struct tacho_policy_input *input, uint32_t cpu);
/* Last levels of cache; *several: one of them has more than one CPU. */
uint32_t tacho_input_caches(const struct tacho_policy_input *input, bool *several);

/* Share of a CPU that it would take if it could: what it had, and what it waited for. */
double tacho_domain_demand(const struct tacho_policy_domain *domain);
/* Computes: from this share on (tuning.cpu_threshold). */
bool tacho_domain_computes(const struct tacho_policy_domain *domain,
			   const struct tacho_policy_tuning *tuning);

/* --- time ------------------------------------------------------------------------------------- */

/*
 * What must last is counted in ms, not in calls: those come every 20 ms or so in windows of about
 * five, and then not for seconds. N calls in a row are the N - 1 steps between them, less half a
 * step, because the first ones of a window are shorter.
 */
#define TACHO_LASTS(calls) (20u * (calls)-30u)
/* ms that a pause counts for what comes and goes: one step; who knows what was in the rest of it */
#define TACHO_UNSEEN 20u

/* ms since the last call, 0 at the first one; *last_ms is the caller's, 0 at first. */
static inline uint32_t tacho_step_ms(uint32_t *last_ms, uint64_t now_ns)
{
	const uint32_t now_ms = (uint32_t)(now_ns / 1000000), step = now_ms - *last_ms;
	const bool is_first = !*last_ms;

	*last_ms = now_ms ? now_ms : 1;
	return is_first ? 0 : step;
}

/* For how long it has been so, in ms, at most so many; 0: it is not, 1: it just became so. */
static inline uint32_t tacho_lasts(uint32_t so_far, bool is, uint32_t step_ms, uint32_t most)
{
	if (!is || !so_far)
		return is;
	return step_ms < most - so_far ? so_far + step_ms : most;
}

/* Something that comes and goes: ms that it was so, less those that it was not. */
struct tacho_trend {
	uint8_t ms;
	uint8_t was; /* in the last call */
};

/* Time counts when it was the same at both ends. */
static inline void tacho_trend_add(struct tacho_trend *trend, bool is, uint32_t step_ms)
{
	const uint32_t most = 200;

	step_ms = step_ms < TACHO_UNSEEN ? step_ms : TACHO_UNSEEN;
	if (is && trend->was)
		trend->ms = (uint8_t)(trend->ms + step_ms < most ? trend->ms + step_ms : most);
	else if (!is && !trend->was)
		trend->ms = (uint8_t)(trend->ms > step_ms ? trend->ms - step_ms : 0);
	trend->was = is;
}

/* --- planned load ----------------------------------------------------------------------------- */

struct tacho_field {
	const struct tacho_policy_input *input;
	uint32_t nr; /* CPUs */
	double load[TACHO_POLICY_CPUS]; /* by index of the CPU */
	uint8_t sets[TACHO_POLICY_CPUS]; /* how many were put there */
};

/* The load as it is. */
void tacho_field_start(struct tacho_field *field, const struct tacho_policy_input *input);
/* Take a domain out of where it runs. */
void tacho_field_remove(struct tacho_field *field, uint32_t domain);
void tacho_field_put(struct tacho_field *field, uint32_t cpu, double load);
/*
 * The CPU with the least planned load among those allowed. now: where it is already (worth most),
 * home: where it ran most, node: of its memory; each may be TACHO_POLICY_NONE. TACHO_POLICY_NONE:
 * nothing is allowed.
 */
uint32_t tacho_field_choose(const struct tacho_field *field, const struct tacho_cpus *allowed,
			    uint32_t now, uint32_t home, uint32_t node);
/* The same for a cache: the CPU that comes first in it. room: CPUs that it must have. */
uint32_t tacho_field_choose_cache(const struct tacho_field *field, const struct tacho_cpus *allowed,
				  double room, uint32_t now, uint32_t home);

/* --- working sets from call to call ----------------------------------------------------------- */

#define TACHO_GROUPS  40u
#define TACHO_MEMBERS 120u
#define TACHO_LINGER  1000u /* ms for which a group remembers a member that is not in its set */

struct tacho_group {
	uint32_t id; /* 0: free; else the number of a domain, plus one */
	uint16_t cpu; /* index + 1 of the CPU last chosen */
	uint8_t votes; /* ms that it has been wished for */
	uint8_t tired; /* ms that its place has been bad */
	uint8_t bounces; /* times that it was let go */
	uint8_t seen; /* in this call */
	uint8_t moving; /* ms that another CPU has been better */
	uint8_t kind; /* the policy's own */
	uint64_t held_until; /* not before */
};

struct tacho_groups {
	struct tacho_group group[TACHO_GROUPS];
	uint32_t nr_members;
	uint32_t last_ms; /* of the call before */
	uint32_t step_ms; /* since then */
	struct {
		uint32_t id; /* of a domain */
		uint32_t group; /* id of a group */
		uint32_t seen_ms; /* when it was in its set for the last time */
	} member[TACHO_MEMBERS];
};

/* A call begins: nothing was seen. */
void tacho_groups_start(struct tacho_groups *groups, uint64_t now_ns);
/* As tacho_lasts, with what has passed since the last call. */
static inline uint8_t tacho_groups_last(const struct tacho_groups *groups, uint8_t so_far, bool is)
{
	return (uint8_t)tacho_lasts(so_far, is, groups->step_ms, UINT8_MAX);
}
/* The group that this set was, or a new one; NULL: no room. It is seen. */
struct tacho_group *tacho_groups_get(struct tacho_groups *groups,
				     const struct tacho_policy_input *input, uint32_t set);
/* What the plan calls it. */
uint32_t tacho_group_name(const struct tacho_group *group);
/* The group of a domain, also of one that is not in its set just now; or NULL. */
struct tacho_group *tacho_groups_of(struct tacho_groups *groups, uint32_t domain_id);
/* ms since the domain was in its set; TACHO_POLICY_NONE: never. */
uint32_t tacho_groups_absent(const struct tacho_groups *groups, uint32_t domain_id,
			     uint64_t now_ns);
/* The call ends: groups that were not seen, and are not held back, are forgotten. */
void tacho_groups_end(struct tacho_groups *groups, const struct tacho_policy_input *input);

/* How much of TACHO_POLICY_STATE each needs; `auto` has one of each in its own. */
struct tacho_balance_state {
	struct tacho_trend uneven;
	uint16_t calm[64]; /* ms that it has not waited, of those that are placed */
	uint16_t cpu[64]; /* index of the CPU where each shall be */
	uint32_t id[64]; /* of the domain */
	uint32_t nr;
	uint32_t last_ms; /* of the call before */
	uint32_t step_ms; /* since then */
};

#define TACHO_SPREAD_TASKS 48u

struct tacho_spread_state {
	uint32_t nr;
	uint32_t last_ms; /* of the call before */
	uint32_t step_ms; /* since then, and of a pause what counts */
	struct tacho_trend uneven;
	uint8_t pad0[2];
	struct tacho_spread_task {
		uint32_t id; /* of the domain */
		uint32_t classes; /* of the last ten samples, two bits each */
		uint16_t unit; /* index of the first CPU of the cache that it has, plus one */
		uint8_t nr_classes; /* at most ten */
		uint8_t class; /* it is this until five of ten say otherwise */
		uint8_t quiet; /* ms since it computed */
		uint8_t pad0[3];
	} task[TACHO_SPREAD_TASKS];
};

#endif /* TACHO_SCHED_POLICIES_COMMON_H */
