// SPDX-License-Identifier: BSD-2-Clause
/*
 * parrot.c: a program with sites wherever a program can have them, commanded by t_process.c and
 * t_control.c. Built PIE, not PIE and static; PARROT_ALONE leaves the shared objects out.
 *
 * Every command that logs answers how many events it logged.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <tacho/atomic.h>
#include <tacho/tacho.h>

#include "obey.h"

TACHO_EVENT(said, TACHO_ACCESS, "parrot.said", "number", "", "something was said");
TACHO_EVENT(heard, TACHO_SAMPLE, "parrot.heard", "", "", "a signal arrived");
TACHO_EVENT(thought, TACHO_SPAN, "parrot.thought", "", "", "from enter to exit");
TACHO_EVENT(last, TACHO_ACCESS, "parrot.last", "", "", "said at exit");

static long long say(long long n)
{
	for (long long i = 0; i < n; i++)
		TACHO_LOG(said, i);
	return n;
}

static long long think(long long n)
{
	for (long long i = 0; i < n; i++) {
		TACHO_ENTER(thought);
		TACHO_EXIT(thought);
	}
	return n;
}

/* --- a thread that was there before the session ------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static long long to_say;

static void *older(void *unused)
{
	pthread_mutex_lock(&lock);
	for (;;) {
		while (to_say == 0)
			pthread_cond_wait(&change, &lock);
		say(to_say);
		to_say = 0;
		pthread_cond_broadcast(&change);
	}
	return unused;
}

static long long thread_say(long long n)
{
	pthread_mutex_lock(&lock);
	to_say = n;
	pthread_cond_broadcast(&change);
	while (to_say != 0)
		pthread_cond_wait(&change, &lock);
	pthread_mutex_unlock(&lock);
	return n;
}

/* n threads at once, which say as much as they can until the program is told otherwise. */
static tacho_u32 shut_up;
static pthread_t talkers[64];
static long long nr_talkers;

static void *talk(void *arg)
{
	uintptr_t nr = 0;

	while (!tacho_load_relaxed(&shut_up))
		nr += (uintptr_t)say(100);
	return (void *)(nr + (uintptr_t)arg);
}

static long long talk_begin(long long n)
{
	tacho_store_relaxed(&shut_up, 0);
	for (nr_talkers = 0; nr_talkers < n && nr_talkers < 64; nr_talkers++)
		if (pthread_create(&talkers[nr_talkers], NULL, talk, NULL) != 0)
			break;
	return nr_talkers;
}

static long long talk_end(long long n)
{
	void *said_by_one;

	tacho_store_relaxed(&shut_up, 1);
	for (n = 0; nr_talkers > 0; n += (long long)(uintptr_t)said_by_one)
		pthread_join(talkers[--nr_talkers], &said_by_one);
	return n;
}

/* --- signals ------------------------------------------------------------------------------- */

static volatile sig_atomic_t nr_heard;

static void hear(int signal)
{
	(void)signal;
	nr_heard = nr_heard + 1;
	TACHO_LOG(heard);
	TACHO_LOG(said, 1);
}

/* Only the thread that asks for alarms gets them: all others inherit that they are blocked. */
static void alarms(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(how, &set, NULL);
}

/* Say something all the time while n alarms interrupt it; answers what was said, alarms included. */
static long long storm(long long n)
{
	struct sigaction action = { .sa_handler = hear };
	struct itimerval often = { { 0, 50 }, { 0, 50 } }, never = { { 0, 0 }, { 0, 0 } };
	long long nr = 0;

	nr_heard = 0;
	sigaction(SIGALRM, &action, NULL);
	alarms(SIG_UNBLOCK);
	setitimer(ITIMER_REAL, &often, NULL);
	while (nr_heard < n) {
		nr += say(10);
#ifdef TACHO__PLAIN_CALL
		usleep(0); /* the thread sanitizer delivers signals where it looks only */
#endif
	}
	setitimer(ITIMER_REAL, &never, NULL);
	alarms(SIG_BLOCK);
	return nr + nr_heard;
}

/* --- what a site must not touch ------------------------------------------------------------ */

#if defined(__has_attribute)
#if __has_attribute(noipa)
#define ALONE __attribute__((noipa))
#endif
#endif
#ifndef ALONE
#define ALONE __attribute__((noinline))
#endif

static uintptr_t zone_at, zone_stack;

/* A leaf whose array is below the stack pointer: nobody may push there. */
ALONE static int zone_leaf(unsigned char seed)
{
	unsigned char zone[96];
	int bad = 0;

#if defined(__x86_64__)
	__asm__ volatile("mov %%rsp, %0" : "=r"(zone_stack));
#endif
	zone_at = (uintptr_t)zone;
	for (unsigned int i = 0; i < sizeof(zone); i++)
		zone[i] = (unsigned char)(seed + i);
	__asm__ volatile("" : "+m"(zone));
	TACHO_LOG(said, seed);
	__asm__ volatile("" : "+m"(zone));
	for (unsigned int i = 0; i < sizeof(zone); i++)
		bad += zone[i] != (unsigned char)(seed + i);
	return bad;
}

/* Bytes that were found changed. */
static long long zone_test(long long n)
{
	long long bad = 0;

	for (long long i = 0; i < n; i++)
		bad += zone_leaf((unsigned char)i);
	return bad;
}

/* 1: the array really is in the red zone, at this optimisation and under this sanitizer. */
static long long zone_used(long long n)
{
	(void)n;
	zone_leaf(0);
	return zone_at < zone_stack;
}

#if defined(__x86_64__) && !defined(TACHO__PLAIN_CALL)
/* The compiler knows of no vector register here, so nothing but the site can change them. */
__attribute__((target("general-regs-only"))) ALONE static void ymm_leaf(const unsigned char *in,
									unsigned char *out)
{
	__asm__ volatile("vmovdqu (%0), %%ymm0\n\tvmovdqu 32(%0), %%ymm1\n\t"
			 "vmovdqu 64(%0), %%ymm2\n\tvmovdqu 96(%0), %%ymm3\n\t"
			 "vmovdqu 128(%0), %%ymm4\n\tvmovdqu 160(%0), %%ymm5\n\t"
			 "vmovdqu 192(%0), %%ymm6\n\tvmovdqu 224(%0), %%ymm7\n\t"
			 "vmovdqu 256(%0), %%ymm8\n\tvmovdqu 288(%0), %%ymm9\n\t"
			 "vmovdqu 320(%0), %%ymm10\n\tvmovdqu 352(%0), %%ymm11\n\t"
			 "vmovdqu 384(%0), %%ymm12\n\tvmovdqu 416(%0), %%ymm13\n\t"
			 "vmovdqu 448(%0), %%ymm14\n\tvmovdqu 480(%0), %%ymm15"
			 :
			 : "r"(in)
			 : "memory");
	TACHO_LOG(said, 1);
	TACHO_ENTER(thought);
	TACHO_EXIT(thought);
	__asm__ volatile("vmovdqu %%ymm0, (%0)\n\tvmovdqu %%ymm1, 32(%0)\n\t"
			 "vmovdqu %%ymm2, 64(%0)\n\tvmovdqu %%ymm3, 96(%0)\n\t"
			 "vmovdqu %%ymm4, 128(%0)\n\tvmovdqu %%ymm5, 160(%0)\n\t"
			 "vmovdqu %%ymm6, 192(%0)\n\tvmovdqu %%ymm7, 224(%0)\n\t"
			 "vmovdqu %%ymm8, 256(%0)\n\tvmovdqu %%ymm9, 288(%0)\n\t"
			 "vmovdqu %%ymm10, 320(%0)\n\tvmovdqu %%ymm11, 352(%0)\n\t"
			 "vmovdqu %%ymm12, 384(%0)\n\tvmovdqu %%ymm13, 416(%0)\n\t"
			 "vmovdqu %%ymm14, 448(%0)\n\tvmovdqu %%ymm15, 480(%0)\n\t"
			 "vzeroupper"
			 :
			 : "r"(out)
			 : "memory");
}

/* Vectors that were found changed, or -1: cannot be asked here. */
static long long ymm_test(long long n)
{
	unsigned char in[512], out[512];
	long long bad = 0;

	if (!__builtin_cpu_supports("avx"))
		return -1;
	for (long long i = 0; i < n; i++) {
		for (unsigned int b = 0; b < sizeof(in); b++)
			in[b] = (unsigned char)(b * 7 + i);
		ymm_leaf(in, out);
		bad += memcmp(in, out, sizeof(in)) != 0;
	}
	return bad;
}
#else
static long long ymm_test(long long n)
{
	(void)n;
	return -1;
}
#endif

/* Many values live across sites: a wrong sum says that a site changed one. */
ALONE static uint64_t crowd_leaf(const uint64_t *v, uint64_t seed)
{
	uint64_t a = v[0] ^ seed, b = v[1] + seed, c = v[2] ^ a, d = v[3] + b, e = v[4] ^ c;
	uint64_t f = v[5] + d, g = v[6] ^ e, h = v[7] + f, i = v[8] ^ g, j = v[9] + h;

	TACHO_LOG(said, a);
	TACHO_LOG(said, f, TACHO_NONE);
	TACHO_LOG(said, j, TACHO_NONE, 0);
	TACHO_ENTER(thought);
	TACHO_EXIT(thought);
	return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j;
}

static uint64_t crowd_plain(const uint64_t *v, uint64_t seed)
{
	uint64_t a = v[0] ^ seed, b = v[1] + seed, c = v[2] ^ a, d = v[3] + b, e = v[4] ^ c;
	uint64_t f = v[5] + d, g = v[6] ^ e, h = v[7] + f, i = v[8] ^ g, j = v[9] + h;

	return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j;
}

static long long crowd_test(long long n)
{
	uint64_t v[10];
	long long bad = 0;

	for (long long i = 0; i < n; i++) {
		for (int k = 0; k < 10; k++)
			v[k] = (uint64_t)i * 0x9e3779b97f4a7c15u + (uint64_t)k;
		bad += crowd_leaf(v, (uint64_t)i) != crowd_plain(v, (uint64_t)i);
	}
	return bad;
}

/* --- processes ----------------------------------------------------------------------------- */

/* The child obeys from here on, and the answer is its pid; the parent's when it is gone. */
static long long fork_child(long long n)
{
	int status = 0;
	pid_t pid = fork();

	(void)n;
	if (pid == 0)
		return getpid();
	waitpid(pid, &status, 0);
	return status;
}

/* As a daemon does it: the grandchild obeys, and nobody waits for it. */
static long long become_daemon(long long n)
{
	(void)n;
	if (fork() != 0)
		_exit(0);
	setsid();
	if (fork() != 0)
		_exit(0);
	return getpid();
}

static long long vfork_say(long long n)
{
	pid_t pid = vfork();

	if (pid == 0) {
		for (long long i = 0; i < n; i++)
			TACHO_LOG(said, i);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	return n;
}

static long long close_all(long long n)
{
	(void)n;
	return syscall(SYS_close_range, 3, ~0u, 0);
}

static long long exec_again(long long n)
{
	(void)n;
	execl("/proc/self/exe", "parrot", (char *)NULL);
	return -1;
}

static long long nr_last;

static void at_exit(void)
{
	for (long long i = 0; i < nr_last; i++)
		TACHO_LOG(last, i);
}

static long long leave(long long n)
{
	nr_last = n;
	atexit(at_exit);
	exit(0);
}

static long long limit_files(long long n)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = n ? (rlim_t)n : limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit);
}

/* --- shared objects ------------------------------------------------------------------------ */

#ifndef PARROT_ALONE
long long voice_say(long long n);

static void *plug;
static long long (*plug_say)(long long n);

static long long plug_load(long long n)
{
	char path[1024], *slash;
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	(void)n;
	path[len > 0 ? len : 0] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return -1;
	snprintf(slash + 1, sizeof(path) - (size_t)(slash + 1 - path), "plug.so");
	plug = dlopen(path, RTLD_NOW);
	if (plug)
		*(void **)(void *)&plug_say = dlsym(plug, "plug_say");
	return plug && plug_say ? 0 : -1;
}

static long long plug_call(long long n)
{
	return plug_say(n);
}

static long long plug_unload(long long n)
{
	(void)n;
	plug_say = NULL;
	return dlclose(plug);
}
#endif

static const struct obey_command commands[] = {
	{ "say", say },		  { "think", think },
	{ "thread", thread_say }, { "talk", talk_begin },
	{ "quiet", talk_end },	  { "storm", storm },
	{ "zone", zone_test },	  { "zoned", zone_used },
	{ "ymm", ymm_test },	  { "crowd", crowd_test },
	{ "fork", fork_child },	  { "daemon", become_daemon },
	{ "vfork", vfork_say },	  { "closeall", close_all },
	{ "exec", exec_again },	  { "exit", leave },
	{ "files", limit_files },
#ifndef PARROT_ALONE
	{ "voice", voice_say },	  { "load", plug_load },
	{ "plug", plug_call },	  { "unload", plug_unload },
#endif
	{ NULL, NULL },
};

int main(void)
{
	pthread_t thread;

	alarms(SIG_BLOCK);
	if (pthread_create(&thread, NULL, older, NULL) != 0)
		return 1;
	return obey(commands);
}
