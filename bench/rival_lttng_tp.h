/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rival_lttng_tp.h: the event of rival_lttng.c, as LTTng-UST wants it described. The same payload as a
 * full row: counter, event, domain, correspondent; the time is the tracer's own.
 *
 * LTTng includes this file several times, with other meanings of its macros.
 */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER tacho_bench

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "./rival_lttng_tp.h"

#if !defined(TACHO_RIVAL_LTTNG_TP_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define TACHO_RIVAL_LTTNG_TP_H

#include <lttng/tracepoint.h>
#include <stdint.h>

LTTNG_UST_TRACEPOINT_EVENT(
	tacho_bench, event,
	LTTNG_UST_TP_ARGS(uint64_t, counter, uint32_t, event_id, uint32_t, domain, uint32_t,
			  correspondent),
	LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(uint64_t, counter, counter)
				    lttng_ust_field_integer(uint32_t, event, event_id)
					    lttng_ust_field_integer(uint32_t, domain, domain)
						    lttng_ust_field_integer(uint32_t, correspondent,
									    correspondent)))

#endif

#include <lttng/tracepoint-event.h>
