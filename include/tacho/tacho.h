/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tacho.h: events for your program.
 *
 *	TACHO_EVENT(pushed, TACHO_ACCESS, "queue.push", "items", "client", "items put into the queue");
 *	...
 *	TACHO_LOG(pushed);			one event, counter 1, by the thread's principal
 *	TACHO_LOG(pushed, n);			counter n
 *	TACHO_LOG(pushed, n, client);		with the principal of the correspondent
 *	TACHO_LOG(pushed, n, client, owner);	caused by this principal, not by the thread's
 *
 *	TACHO_EVENT(served, TACHO_SPAN, "queue.serve", "", "client", "one request, from take to reply");
 *	TACHO_ENTER(served);	...	TACHO_EXIT(served);  TACHO_EXIT(served, client);
 *
 *	TACHO_EVENT(length, TACHO_SAMPLE, "queue.length", "items", "", "length of the queue");
 *	TACHO_LOG(length, queue_length());	the argument is evaluated only while the event is enabled
 *
 * While no session has enabled an event, a use of it is one five-byte no-op that never straddles a
 * cache line, behind the one-byte no-op that a USDT probe stands on (define TACHO_NO_USDT to do
 * without it); the arguments are not evaluated and no register is lost to it. Link with libtacho.
 *
 * This header owns the sites: what stands in the text and what the back-pointer list says about it
 * (sections 3.3.2 and 4.3.2 of paper 001). lib/site.c patches them, lib/hot.c is behind them.
 */
#ifndef TACHO_TACHO_H
#define TACHO_TACHO_H

#include "area.h"
#include "atomic.h"
#include "hook.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tacho_event;

/*
 * Principals: who causes events, in the program's own terms. A session binds them to domains.
 *
 * tacho_principal_create: a new number for name (a thread, a client...), so that a session can bind
 * it by name. The name is copied, 27 bytes of it. Numbers are small and dense, from 1 on; TACHO_NONE
 * when no more can be had. Any thread, takes a lock, not in signal handlers. Numbers of your own
 * choice need no call.
 */
tacho_u32 tacho_principal_create(const char *name);

/* Events of the calling thread are caused by principal from now on; returns the one before (at first 0). */
tacho_u32 tacho_principal_set(tacho_u32 principal);
tacho_u32 tacho_principal_get(void);

/*
 * Define an event: once, at file scope, in one file of the executable or shared object that uses it.
 *   sym            C identifier of the event
 *   kind           TACHO_ACCESS, TACHO_SPAN or TACHO_SAMPLE
 *   name           dotted, < 64 bytes: what sessions ask for
 *   counter        what the counter of a row is (< 48 bytes); "" for 1 or for time in spans
 *   correspondent  what the correspondent is (< 48 bytes), "" if there is none
 *   doc            one line for a person (< 80 bytes)
 * TACHO_EVENT_DECLARE(sym, kind) in a header lets other files of the same object use it.
 */
#define TACHO_EVENT(sym, kind, name, counter, correspondent, doc)                                  \
	TACHO_EVENT_DECLARE(sym, kind);                                                            \
	TACHO_ASSERT(sizeof(name) <= 64 && sizeof(name) > 1, "name of an event: 1 to 63 bytes");   \
	TACHO_ASSERT(sizeof(counter) <= 48 && sizeof(correspondent) <= 48,                         \
		     "description of an entry: at most 47 bytes");                                 \
	TACHO_ASSERT(sizeof(doc) <= 80, "description of an event: at most 79 bytes");              \
	__attribute__((used)) struct tacho_event tacho_event_##sym = {                             \
		TACHO__NO_HOOK,	 0,	0, 0, (kind), 0, 0, 0, 0, 0, 0, (name), (counter),         \
		(correspondent), (doc),                                                            \
	};                                                                                         \
	static struct tacho_event *const tacho__entry_##sym                                        \
		__attribute__((section("tacho_events"), used TACHO__RETAIN)) = &tacho_event_##sym; \
	__attribute__((constructor)) static void tacho__register_##sym(void)                       \
	{                                                                                          \
		tacho__object_add(&tacho__object);                                                 \
	}                                                                                          \
	__attribute__((destructor)) static void tacho__unregister_##sym(void)                      \
	{                                                                                          \
		tacho__object_remove(&tacho__object);                                              \
	}                                                                                          \
	struct tacho__needs_a_semicolon

#define TACHO_EVENT_DECLARE(sym, kind)                                                             \
	enum { tacho__kind_##sym = (kind) };                                                       \
	TACHO__EXTERN __attribute__((visibility("hidden"))) struct tacho_event tacho_event_##sym

#define TACHO_LOG(...)                                                                             \
	TACHO__PICK(__VA_ARGS__, TACHO__LOG4, TACHO__LOG3, TACHO__LOG2, TACHO__LOG1, )(__VA_ARGS__)
#define TACHO_ENTER(sym)                                                                           \
	do {                                                                                       \
		TACHO__WANT_SPAN(sym);                                                             \
		TACHO__SITE(sym, #sym "__entry", tacho__enter, 0, TACHO_NONE);                     \
	} while (0)
#define TACHO_EXIT(...)                                                                            \
	TACHO__PICK(__VA_ARGS__, TACHO__TOO_MANY, TACHO__EXIT3, TACHO__EXIT2, TACHO__EXIT1, )      \
	(__VA_ARGS__)
/* A span over a value of the program instead of time: the counter is exit value - entry value. */
#define TACHO_ENTER_VALUE(sym, value)                                                              \
	do {                                                                                       \
		TACHO__WANT_SPAN(sym);                                                             \
		TACHO__SITE(sym, #sym "__entry", tacho__enter_value, TACHO__INTEGER(value),        \
			    TACHO_NONE);                                                           \
	} while (0)
#define TACHO_EXIT_VALUE(sym, value, correspondent)                                                \
	do {                                                                                       \
		TACHO__WANT_SPAN(sym);                                                             \
		TACHO__SITE(sym, #sym "__exit", tacho__exit_value, TACHO__INTEGER(value),          \
			    TACHO__INTEGER(correspondent));                                        \
	} while (0)

/* --- below: how it works; nothing to call ------------------------------------------------- */

#define TACHO__PICK(a, b, c, d, pick, ...) pick
#define TACHO__LOG1(sym)		   TACHO__LOG3(sym, 1, TACHO_NONE)
#define TACHO__LOG2(sym, counter)	   TACHO__LOG3(sym, counter, TACHO_NONE)
#define TACHO__LOG3(sym, counter, correspondent)                                                   \
	do {                                                                                       \
		TACHO__WANT_NO_SPAN(sym);                                                          \
		TACHO__SITE(sym, #sym, tacho__log, TACHO__INTEGER(counter),                        \
			    TACHO__INTEGER(correspondent));                                        \
	} while (0)
#define TACHO__LOG4(sym, counter, correspondent, principal)                                        \
	do {                                                                                       \
		TACHO__WANT_NO_SPAN(sym);                                                          \
		TACHO__SITE_AS(sym, #sym, tacho__log_as, TACHO__INTEGER(counter),                  \
			       TACHO__INTEGER(correspondent), TACHO__INTEGER(principal));          \
	} while (0)
#define TACHO__EXIT1(sym) TACHO__EXIT2(sym, TACHO_NONE)
#define TACHO__EXIT2(sym, correspondent)                                                           \
	do {                                                                                       \
		TACHO__WANT_SPAN(sym);                                                             \
		TACHO__SITE(sym, #sym "__exit", tacho__exit, 0, TACHO__INTEGER(correspondent));    \
	} while (0)
#define TACHO__EXIT3(sym, correspondent, principal)                                                \
	do {                                                                                       \
		TACHO__WANT_SPAN(sym);                                                             \
		TACHO__SITE_AS(sym, #sym "__exit", tacho__exit_as, 0,                              \
			       TACHO__INTEGER(correspondent), TACHO__INTEGER(principal));          \
	} while (0)
#define TACHO__WANT_SPAN(sym)                                                                      \
	TACHO_ASSERT((int)tacho__kind_##sym == (int)TACHO_SPAN,                                    \
		     "TACHO_ENTER and TACHO_EXIT want a span")
#define TACHO__WANT_NO_SPAN(sym)                                                                   \
	TACHO_ASSERT((int)tacho__kind_##sym != (int)TACHO_SPAN,                                    \
		     "a span is logged with TACHO_ENTER and TACHO_EXIT")
/* Rejects what is not an integer, at no cost. */
#define TACHO__INTEGER(x) ((x) | 0)

#ifdef __cplusplus
#define TACHO__EXTERN extern "C"
#else
#define TACHO__EXTERN extern
#endif
#if defined(__has_attribute)
#if __has_attribute(retain)
#define TACHO__RETAIN , retain
#endif
#endif
#ifndef TACHO__RETAIN
#define TACHO__RETAIN
#endif

#define TACHO__MAX_SESSIONS 8
#define TACHO__NO_HOOK                                                                             \
	{                                                                                          \
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,                                       \
		{                                                                                  \
			0, 0, 0, 0, 0, 0                                                           \
		}                                                                                  \
	}

/*
 * An event of this process. Static memory of the object that defines it.
 * hook is session 0, in place, because nearly always there is one session only.
 */
struct tacho_event {
	struct tacho__hook hook; /* session 0 */
	tacho_u32 more; /* bit i: session i has the event and is served out of line */
	tacho_u32 on; /* [control thread] bit i: session i has the event */
	tacho_u32 id; /* [registration] small and dense, in the order of registration */
	tacho_u32 kind; /* enum tacho_kind */
	tacho_u32 span_slot; /* [control thread] index of the thread's entry value */
	tacho_u32 patched; /* [control thread] 1 while the sites jump */
	tacho_u32 nr_sites; /* [control thread] as last counted */
	tacho_u32 pad;
	tacho_u64 span_epoch; /* [control thread] entry values of another epoch are stale */
	struct tacho__hook *hooks; /* [control thread] TACHO__MAX_SESSIONS of them, or NULL */
	const char *name;
	const char *counter;
	const char *correspondent;
	const char *doc;
};

/* A site, in section tacho_sites: offsets from the fields themselves, so that it needs no relocation. */
struct tacho__site {
	tacho_s32 at; /* the no-op */
	tacho_s32 to; /* where the event is logged */
	tacho_s32 event; /* struct tacho_event */
	tacho_u32 length; /* of the no-op, bytes */
};

/* One executable or shared object: where its lists are. */
struct tacho__object {
	struct tacho_event *const *events;
	struct tacho_event *const *events_end;
	const struct tacho__site *sites;
	const struct tacho__site *sites_end;
	struct tacho__object *next; /* [registration] */
	tacho_u32 registered; /* [registration] */
	tacho_u32 pad;
};

extern struct tacho_event *const __start_tacho_events[] __attribute__((weak, visibility("hidden")));
extern struct tacho_event *const __stop_tacho_events[] __attribute__((weak, visibility("hidden")));
extern const struct tacho__site __start_tacho_sites[] __attribute__((weak, visibility("hidden")));
extern const struct tacho__site __stop_tacho_sites[] __attribute__((weak, visibility("hidden")));

/* One per object: every file that defines an event has one, the linker keeps one of them. */
__attribute__((weak, visibility("hidden"))) struct tacho__object tacho__object = {
	__start_tacho_events, __stop_tacho_events, __start_tacho_sites, __stop_tacho_sites, 0, 0, 0,
};

void tacho__object_add(struct tacho__object *object);
void tacho__object_remove(struct tacho__object *object);

#define TACHO__SPANS 32 /* span events that can be enabled at once */

/* Per thread. Initial-exec, so that a signal handler can use it at any time. */
struct tacho__thread {
	tacho_u32 principal; /* who causes the thread's events */
	tacho_u32 pad;
	struct {
		tacho_u64 value; /* at the entry */
		tacho_u64 epoch; /* span_epoch at the entry; 0: no entry */
	} span[TACHO__SPANS];
};
extern __thread struct tacho__thread tacho__thread __attribute__((tls_model("initial-exec")));

/*
 * The functions behind a site. Without _as the event is caused by the thread's principal.
 *
 * On x86-64 a site reaches them through the stubs of lib/hot.c of the same name with _site behind
 * it. A stub takes its arguments on the stack and keeps every register, and the site steps over the
 * red zone: so the compiler sees neither a call nor a clobber, may leave the arguments in whatever
 * registers they are in, and the code around a site stays as it would be without it.
 */
void tacho__log(struct tacho_event *event, tacho_u64 counter, tacho_u32 correspondent);
void tacho__log_as(struct tacho_event *event, tacho_u64 counter, tacho_u32 correspondent,
		   tacho_u32 principal);
void tacho__enter(struct tacho_event *event, tacho_u64 unused, tacho_u32 unused2);
void tacho__enter_value(struct tacho_event *event, tacho_u64 value, tacho_u32 unused);
void tacho__exit(struct tacho_event *event, tacho_u64 unused, tacho_u32 correspondent);
void tacho__exit_as(struct tacho_event *event, tacho_u64 unused, tacho_u32 correspondent,
		    tacho_u32 principal);
void tacho__exit_value(struct tacho_event *event, tacho_u64 value, tacho_u32 correspondent);

#if defined(__x86_64__)

/* Facts of the note format: type 3, owner "stapsdt", three addresses, provider, name, arguments. */
#ifdef TACHO_NO_USDT
#define TACHO__USDT(probe) ""
#else
#define TACHO__USDT(probe)                                                                         \
	"990: nop\n\t"                                                                             \
	".pushsection .note.stapsdt, \"?\", \"note\"\n\t"                                          \
	".balign 4\n\t"                                                                            \
	".4byte 992f - 991f, 994f - 993f, 3\n"                                                     \
	"991: .asciz \"stapsdt\"\n"                                                                \
	"992: .balign 4\n"                                                                         \
	"993: .8byte 990b, _.stapsdt.base, 0\n\t"                                                  \
	".asciz \"tacho\"\n\t"                                                                     \
	".asciz \"" probe "\"\n\t"                                                                 \
	".asciz \"\"\n"                                                                            \
	"994: .balign 4\n\t"                                                                       \
	".popsection\n\t"                                                                          \
	".ifndef _.stapsdt.base\n\t"                                                               \
	".pushsection .stapsdt.base, \"aG\", \"progbits\", .stapsdt.base, comdat\n\t"              \
	".weak _.stapsdt.base\n\t"                                                                 \
	".hidden _.stapsdt.base\n"                                                                 \
	"_.stapsdt.base: .space 1\n\t"                                                             \
	".size _.stapsdt.base, 1\n\t"                                                              \
	".popsection\n\t"                                                                          \
	".endif\n\t"
#endif

#if defined(__clang__)
#define TACHO__COLD
#else
#define TACHO__COLD __attribute__((cold))
#endif

/* .p2align 6,,4: pads only where the five bytes would straddle a cache line. */
#define TACHO__SITE_WITH(sym, probe, call)                                                         \
	do {                                                                                       \
		__label__ tacho__on;                                                               \
		__asm__ goto(TACHO__USDT(probe) ".p2align 6,,4\n"                                  \
						"995: .byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n\t"      \
						".pushsection tacho_sites, \"a?\", @progbits\n\t"  \
						".balign 4\n\t"                                    \
						".long 995b - ., %l[tacho__on] - .\n\t"            \
						".long tacho_event_" #sym " - ., 5\n\t"            \
						".popsection\n\t"                                  \
			     :                                                                     \
			     :                                                                     \
			     : "cc"                                                                \
			     : tacho__on);                                                         \
		break;                                                                             \
	tacho__on:                                                                                 \
		TACHO__COLD;                                                                       \
		call;                                                                              \
	} while (0)
#define TACHO__SITE(sym, probe, function, counter, correspondent)                                  \
	TACHO__SITE_WITH(sym, probe, TACHO__CALL(sym, function, counter, correspondent))
#define TACHO__SITE_AS(sym, probe, function, counter, correspondent, principal)                    \
	TACHO__SITE_WITH(sym, probe,                                                               \
			 TACHO__CALL_AS(sym, function, counter, correspondent, principal))

#if defined(__SANITIZE_THREAD__)
#define TACHO__PLAIN_CALL
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TACHO__PLAIN_CALL
#endif
#endif

/* The thread sanitizer's runtime keeps no registers, so its builds pay for an ordinary call. */
#ifdef TACHO__PLAIN_CALL
#define TACHO__CALL(sym, function, counter, correspondent)                                         \
	function(&tacho_event_##sym, (tacho_u64)(counter), (tacho_u32)(correspondent))
#define TACHO__CALL_AS(sym, function, counter, correspondent, principal)                           \
	function(&tacho_event_##sym, (tacho_u64)(counter), (tacho_u32)(correspondent),             \
		 (tacho_u32)(principal))
#else
#define TACHO__CALL(sym, function, counter, correspondent)                                         \
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\t"                                              \
			 "push %q0\n\t"                                                            \
			 "push %q1\n\t"                                                            \
			 "push %%rdi\n\t"                                                          \
			 "lea tacho_event_" #sym "(%%rip), %%rdi\n\t"                              \
			 "call *" #function "_site@GOTPCREL(%%rip)\n\t"                            \
			 "pop %%rdi\n\t"                                                           \
			 "lea 144(%%rsp), %%rsp"                                                   \
			 :                                                                         \
			 : "er"((tacho_u64)(counter)), "er"((tacho_s32)(correspondent))            \
			 : "cc")
#define TACHO__CALL_AS(sym, function, counter, correspondent, principal)                           \
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\t"                                              \
			 "push %q2\n\t"                                                            \
			 "push %q0\n\t"                                                            \
			 "push %q1\n\t"                                                            \
			 "push %%rdi\n\t"                                                          \
			 "lea tacho_event_" #sym "(%%rip), %%rdi\n\t"                              \
			 "call *" #function "_site@GOTPCREL(%%rip)\n\t"                            \
			 "pop %%rdi\n\t"                                                           \
			 "lea 152(%%rsp), %%rsp"                                                   \
			 :                                                                         \
			 : "er"((tacho_u64)(counter)), "er"((tacho_s32)(correspondent)),           \
			   "er"((tacho_s32)(principal))                                            \
			 : "cc")
#endif

#else /* other CPUs: a flag instead of patched text */

#define TACHO__IS_ON(sym) __builtin_expect(tacho_load_relaxed(&tacho_event_##sym.on) != 0, 0)
#define TACHO__SITE(sym, probe, function, counter, correspondent)                                  \
	do {                                                                                       \
		if (TACHO__IS_ON(sym))                                                             \
			function(&tacho_event_##sym, (tacho_u64)(counter),                         \
				 (tacho_u32)(correspondent));                                      \
	} while (0)
#define TACHO__SITE_AS(sym, probe, function, counter, correspondent, principal)                    \
	do {                                                                                       \
		if (TACHO__IS_ON(sym))                                                             \
			function(&tacho_event_##sym, (tacho_u64)(counter),                         \
				 (tacho_u32)(correspondent), (tacho_u32)(principal));              \
	} while (0)

#endif

#ifdef __cplusplus
}
#endif

#endif /* TACHO_TACHO_H */
