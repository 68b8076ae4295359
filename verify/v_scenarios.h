/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * v_scenarios.h: what there is to explore, by the file that defines it. verify.c has the table.
 */
#ifndef VERIFY_V_SCENARIOS_H
#define VERIFY_V_SCENARIOS_H

#include "model.h"

/* v_litmus.c */
extern const struct v_scenario v_litmus, v_litmus_observer, v_litmus_plain;
/* v_row.c */
extern const struct v_scenario v_row_two, v_row_copy, v_row_four, v_row_signal, v_row_time,
	v_row_five, v_row_killed, v_row_three, v_row_deep, v_row_signal_deep, v_row_small,
	v_row_plain, v_row_small_deep, v_row_plain_deep, v_rseq_one, v_rseq_signal, v_rseq_migrate,
	v_rseq_five, v_rseq_killed, v_rseq_deep, v_rseq_migrate_deep, v_rseq_five_deep;
/* v_transcript.c */
extern const struct v_scenario v_transcript;
/* v_count.c */
extern const struct v_scenario v_sample_generic, v_sample_rseq, v_sample_session, v_add_generic,
	v_add_rseq;
/* v_hostile.c */
extern const struct v_scenario v_hostile_generic, v_hostile_rseq, v_hostile_reader;
/* v_grace.c */
extern const struct v_scenario v_grace_generic, v_grace_twice, v_grace_signal, v_grace_sets,
	v_grace_late, v_grace_rseq;

#endif /* VERIFY_V_SCENARIOS_H */
