/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sched_internal.h: what the files of the loop have of each other, by the file that defines it.
 *
 * loop.c owns the object and the order of a round; snapshot.c makes the policy's input out of
 * facts; watch.c says when events are on; move.c makes moves, judge.c says whether they helped.
 * Nothing here is for other directories.
 */
#ifndef TACHO_SCHED_INTERNAL_H
#define TACHO_SCHED_INTERNAL_H

#include "judge.h"
#include "metric.h"
#include "observer.h"
#include "policies.h"
#include "sched.h"
#include "snapshot.h"
#include "watch.h"

#define TACHO_MAX_MOVES 1024u
#define TACHO_NS_PER_MS 1000000ull

/* What a move did to one domain. */
struct tacho_member {
	uint32_t domain; /* number */
	struct tacho_cpus cpus;
	int nice; /* or TACHO_NICE_KEEP */
	uint32_t node; /* or TACHO_POLICY_NONE */
	char cpuset[64]; /* or empty */
	struct tacho_cpus from; /* a kept move had given it these; empty: it was free */
	int from_nice;
	uint64_t seat_ns; /* it stays where it is until then, whatever is wished */
	double rate; /* of its wake-ups before */
	unsigned missing; /* decisions in a row that did not ask for it */
	bool is_wished; /* by the plan that is being worked on */
};

enum tacho_move_state {
	TACHO_MOVE_FREE,
	TACHO_MOVE_WISHED, /* asked for once: its progress so far is being measured */
	TACHO_MOVE_TRIED, /* made: its progress is being measured */
	TACHO_MOVE_KEPT,
};

/* Domains that were moved together: one group of the plan. */
struct tacho_move {
	enum tacho_move_state state;
	uint32_t number; /* for notes */
	struct tacho_member *members;
	size_t nr;
	uint64_t since_ns; /* in this state */
	uint32_t group; /* of the plan */
	unsigned asked; /* decisions in a row that did */
	bool is_long; /* the first measurement said too little */
	bool is_wished; /* by the plan that is being worked on */
	struct tacho_progress before;
	struct tacho_progress after;
	struct tacho_work *work; /* of each member, at the last look */
	struct tacho_others others_before; /* of all domains that are not in it */
	double fact, threshold;
	char fact_name[24];
	char reason[104];
};

/* A process that is, or was, looked at by thread. */
struct tacho_split {
	int pid;
	bool is_on;
	uint64_t since_ns;
	uint64_t active_ns; /* its threads were partners of each other */
	uint64_t next_ns; /* not again before */
	uint64_t hold_ns; /* grows when it was in vain */
};

struct tacho_sched {
	struct tacho_sched_options options;
	struct tacho_world world;
	struct tacho_topology topology;
	struct tacho_runner *runner;
	struct tacho_observer *observer; /* NULL: the policy is not `observe` */
	struct tacho_ledger *ledger; /* NULL: dry run */
	struct tacho_live *live;
	struct tacho_snapshot *snapshot;
	struct tacho_watch watch;
	struct tacho_policy_plan plan; /* room for the answer */
	struct tacho_move moves[TACHO_MAX_MOVES];
	uint32_t nr_moves; /* used so far, free ones among them */
	uint32_t next_move;
	uint64_t opened_ns;
	uint64_t next_ns; /* the next round */
	uint64_t round_ns; /* when this one began */
	uint64_t tended_ns, swept_ns, searched_ns, forgot_ns; /* when that was done last */
	uint64_t lost_told;
	uint64_t interval_rows; /* read in the last interval */
	uint64_t untold; /* children that the kernel component could not tell of, so far */
	uint64_t untold_held; /* as much of that as somebody was held back for */
	size_t ledger_pos; /* of what was looked at last */
	bool is_on; /* events */
	uint64_t on_ns; /* since then */
	uint32_t nonsense_told; /* wishes of the policy */
	struct tacho_policy_tuning tuning;
	enum tacho_metric_source metric;
	struct tacho_split splits[64];
	uint32_t nr_splits;
	unsigned brisk; /* short rounds that are left of this window */
	bool is_first; /* the interval is the first one since they are on */
	int priority; /* nice value before */
	double own_cpu; /* seconds that opening took */
	struct tacho_sched_totals totals;
	char error[256];
};

/* notes.c */

int tacho_s_fail(struct tacho_sched *sched, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Tell it: time and policy are filled in, the text from the format. */
void tacho_s_note(struct tacho_sched *sched, struct tacho_note *note, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void tacho_s_note_unit(struct tacho_note *note, const struct tacho_unit *unit);

/* move.c */

/* What the policy wishes becomes moves, or the end of moves. */
int tacho_s_moves_wish(struct tacho_sched *sched, const struct tacho_policy_input *input,
		       const struct tacho_policy_plan *plan);
/* New threads of what is placed; tasks that grew up; what the user changed. Now and then. */
void tacho_s_moves_tend(struct tacho_sched *sched);
/* A domain will be another one: what was done with it is undone first. */
void tacho_s_moves_leave(struct tacho_sched *sched, uint32_t domain, const char *why);
/* A domain is gone. */
void tacho_s_moves_forget(struct tacho_sched *sched, uint32_t domain);
/* Memory follows a move that is kept. */
void tacho_s_move_memory(struct tacho_sched *sched, const struct tacho_move *move);
/*
 * As it was before the move: who had been free is free again, who had another place has that, and
 * keeps it until seat_ns.
 */
void tacho_s_move_back(struct tacho_sched *sched, struct tacho_move *move, uint64_t seat_ns);
/* How many of its members had other places before. */
size_t tacho_s_move_seats(const struct tacho_move *move);
/* All are free, but it is wished for still: to be measured without it. */
void tacho_s_move_suspend(struct tacho_sched *sched, struct tacho_move *move, const char *why);
void tacho_s_moves_undo(struct tacho_sched *sched, const char *why);
/* Whether one waits for its judgement, so that events must stay on. */
bool tacho_s_moves_wait(const struct tacho_sched *sched);

/* The move that has placed a domain; NULL: none. */
struct tacho_move *tacho_s_made_with(struct tacho_sched *sched, uint32_t domain);

/* place.c */

/* All tasks of a member. Returns how many were placed; *why: of the last that was not. */
uint32_t tacho_s_place(struct tacho_sched *sched, const struct tacho_member *member,
		       const char **why);
/* All tasks of a domain are as before. Returns how many were not. */
uint32_t tacho_s_release(struct tacho_sched *sched, uint32_t domain);
/*
 * New threads of placed domains, and those that were too young. false: the domain is the user's
 * now.
 */
bool tacho_s_place_new(struct tacho_sched *sched, const struct tacho_member *member);
/* Some entries of the ledger at a time: strays go, what somebody else changed is his. */
void tacho_s_entries_tend(struct tacho_sched *sched);
/* Its memory goes to a node, its process into a cpuset; and it is told. */
void tacho_s_memory(struct tacho_sched *sched, const struct tacho_move *move,
		    const struct tacho_unit *unit, uint32_t node);
void tacho_s_cpuset(struct tacho_sched *sched, const struct tacho_move *move,
		    const struct tacho_member *member);

/* births.c */

/* Children of placed tasks get back what their parent had. */
void tacho_s_children(struct tacho_sched *sched);

/* trial.c */

/* Measure what is to be measured; judge what has been measured long enough. */
void tacho_s_trials(struct tacho_sched *sched);
bool tacho_s_trial_is_measured(const struct tacho_move *move); /* before it is made */
/* Begin to measure the progress of a move. */
void tacho_s_trial_begin(struct tacho_sched *sched, struct tacho_move *move);
/* Until when something that has failed so often is not tried again: a second, doubled each time. */
uint64_t tacho_s_later(unsigned failures);
/*
 * It is not moved for a while, longer with every time, unless the rate of its wake-ups becomes
 * another one.
 */
void tacho_s_hold(const struct tacho_sched *sched, struct tacho_unit *unit, double rate);

/* split.c */

void tacho_s_splits(struct tacho_sched *sched, const struct tacho_policy_input *input);

/* observer.c */

/* Where the policy is `observe`: what would the others do? 0 or -ENOMEM. */
int tacho_s_observe(struct tacho_sched *sched, const struct tacho_policy_input *input);

/*
 * wakecost.c: seconds that it costs to wake somebody on another CPU instead of this one; 0: one
 * CPU.
 */
double tacho_wake_cost(const struct tacho_topology *topology);
/* Index of the one of nr > 1 CPUs that shares least with the first one. */
uint32_t tacho_wake_farthest(const struct tacho_policy_cpu *cpus, uint32_t nr);

#endif /* TACHO_SCHED_INTERNAL_H */
