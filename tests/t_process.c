// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_process.c: sites in real programs: static and not, PIE and not, in shared objects that come and
 * go, in C++, in signal handlers, old threads, atexit handlers, and in the children of fork.
 *
 * The programs are those of tests/programs; what they say they logged is what the session counts.
 */
#include <dirent.h>
#include <sys/syscall.h>

#include "rig.h"
#include "t.h"

/* A log that only counts never overwrites anything. */
#define COUNT 0u

static void said_as_counted(const struct rig_session *s, uint32_t log, long long said)
{
	T_EQ(rig_rows(s, log) + rig_lost(s), said);
	if (s->target->writer == 1)
		T_EQ(rig_lost(s), 0); /* the generic writer loses what preempted ones keep locked */
}

/* Attach, let it log, detach; before and afterwards its text is that of the files. */
static void log_and_leave(struct rig_program *p, int pid, const char *event, const char *command)
{
	struct rig_session s;
	long long said, more;
	uint32_t log;

	T_EQ(rig_text_diff(pid), 0);
	T_NEED(rig_ask(p, &said, "%s 100", command)); /* off: nobody counts */
	T_NEED(rig_open(&s, pid, NULL));
	log = rig_log(&s, event, COUNT, 1, 1);
	T_OK(log != 0);
	T_OK(rig_text_diff(pid) > 0);
	T_EQ(rig_wx(pid), 0);
	if (rig_ask(p, &said, "%s 1000", command) && rig_ask(p, &more, "%s 1", command))
		said_as_counted(&s, log, said + more);
	T_OK(rig_validate(&s));
	rig_close(&s);
	T_OK(rig_restored(pid) >= 0);
	T_EQ(rig_wx(pid), 0);
	T_NEED(rig_ask(p, &said, "%s 100", command));
}

static void program_case(const char *program)
{
	struct rig_program p;

	T_NEED(rig_start(&p, program));
	for (int i = 0; i < 2; i++) {
		log_and_leave(&p, p.pid, "parrot.said", "say");
		log_and_leave(&p, p.pid, "parrot.thought", "think");
		log_and_leave(&p, p.pid, "parrot.said", "thread");
		log_and_leave(&p, p.pid, "parrot.said", "storm");
	}
	rig_end(&p);
}

T_CASE(pie)
{
	program_case("programs/parrot");
}

T_CASE(not_pie)
{
	program_case("programs/parrot-nopie");
}

#if !T_ASAN && !T_TSAN
T_CASE(static_not_pie)
{
	program_case("programs/parrot-static");
}

T_CASE(static_pie)
{
	program_case("programs/parrot-static-pie");
}
#endif

T_CASE(cplusplus)
{
	struct rig_program p;

	T_NEED(rig_start(&p, "programs/chorus"));
	log_and_leave(&p, p.pid, "chorus.sung", "method");
	log_and_leave(&p, p.pid, "chorus.sung", "inline");
	log_and_leave(&p, p.pid, "chorus.sung", "template");
	rig_end(&p);
}

T_CASE(shared_object)
{
	struct rig_program p;

	T_NEED(rig_start(&p, "programs/parrot"));
	log_and_leave(&p, p.pid, "voice.said", "voice");
	rig_end(&p);
}

static long nr_pages(int pid)
{
	FILE *statm = rig_proc(pid, "statm");
	long pages = -1;

	if (statm && fscanf(statm, "%ld", &pages) != 1)
		pages = -1;
	if (statm)
		fclose(statm);
	return pages;
}

/* Two sessions on a plug-in that goes and comes back under them, which is then another event. */
T_CASE(plugged_and_unplugged)
{
	const struct tacho_area_options options = { .nr_events = 1024, .nr_logs = 256 };
	struct rig_session s[2];
	struct rig_program p;
	uint32_t log[2], said[2];
	long long answer;
	long pages = 0;

	T_NEED(rig_start(&p, "programs/parrot"));
	RIG_DO(&p, 0, "load");
	log_and_leave(&p, p.pid, "plug.said", "plug");
	RIG_DO(&p, 0, "unload");
	for (int i = 0; i < 2; i++) {
		T_NEED(rig_open(&s[i], p.pid, &options));
		said[i] = rig_log(&s[i], "parrot.said", COUNT, 1, 1);
	}
	for (int round = 0; round < 50 && !t_failures(); round++) {
		RIG_DO(&p, 0, "load");
		for (int i = 0; i < 2; i++) {
			T_EQ(tacho_target_describe(s[i].target), 0);
			log[i] = rig_log(&s[i], "plug.said", COUNT, 1, 1);
		}
		RIG_DO(&p, 77, "plug 77");
		T_EQ(rig_rows(&s[0], log[0]), 77);
		T_EQ(rig_rows(&s[1], log[1]), 77);
		T_NEED(rig_ask(&p, &answer, "unload"));
		RIG_DO(&p, 10, "say 10");
		if (round == 10)
			pages = nr_pages(p.pid);
	}
	T_EQ(rig_rows(&s[0], said[0]), 500);
	T_EQ(rig_rows(&s[1], said[1]), 500);
	if (!T_ASAN && !T_TSAN)
		T_OK(nr_pages(p.pid) <
		     pages + 20); /* nothing is left behind of those that are gone */
	for (int i = 0; i < 2; i++)
		rig_close(&s[i]);
	T_OK(rig_restored(p.pid) >= 0);
	rig_end(&p);
}

/* Loaded and unloaded while another thread of the program logs and the session switches. */
T_CASE(unplugged_under_fire)
{
	struct rig_program p;
	struct rig_session s;
	uint32_t id, log;
	long long said;

	T_NEED(rig_start(&p, "programs/parrot"));
	T_NEED(rig_open(&s, p.pid, NULL));
	log = rig_log(&s, "parrot.said", COUNT, 1, 1);
	T_NEED(rig_event(&s, "parrot.said", &id));
	RIG_DO(&p, 2, "talk 2");
	for (int i = 0; i < 20; i++) {
		RIG_DO(&p, 0, "load");
		T_EQ(tacho_target_disable(s.target, &id, 1), 0);
		T_EQ(tacho_target_enable(s.target, &id, 1), 0);
		RIG_DO(&p, 0, "unload");
	}
	T_NEED(rig_ask(&p, &said, "quiet"));
	T_OK(rig_rows(&s, log) > 0 && rig_rows(&s, log) <= (uint64_t)said);
	rig_close(&s);
	rig_end(&p);
}

T_CASE(signal_storm)
{
	struct rig_program p;
	struct rig_session s;
	uint32_t said, heard;
	long long answer;

	T_NEED(rig_start(&p, "programs/parrot"));
	T_NEED(rig_open(&s, p.pid, NULL));
	said = rig_log(&s, "parrot.said", COUNT, 1, 1);
	heard = rig_log(&s, "parrot.heard", COUNT, 1, 1);
	T_NEED(rig_ask(&p, &answer, "storm %d", T_TSAN || T_ASAN ? 1000 : 5000));
	said_as_counted(&s, said, answer);
	T_OK(rig_rows(&s, heard) >= 1000);
	rig_close(&s);
	rig_end(&p);
}

/* Rows that the program wrote when it was leaving stay with the session. */
T_CASE(at_exit)
{
	struct rig_program p;
	struct rig_session s;
	long long answer;
	uint32_t log;
	char end;

	T_NEED(rig_start(&p, "programs/parrot"));
	T_NEED(rig_open(&s, p.pid, NULL));
	log = rig_log(&s, "parrot.last", COUNT, 1, 1);
	T_EQ(write(p.in, "exit 123\n", 9), 9);
	T_EQ(read(p.out, &end, 1), 0);
	T_EQ(waitpid(p.pid, NULL, 0), p.pid);
	p.pid = 0;
	said_as_counted(&s, log, 123);
	T_EQ(tacho_target_alive(s.target), 0);
	T_OK(rig_validate(&s));
	rig_close(&s);
	rig_end(&p);
	(void)answer;
}

/* --- children ------------------------------------------------------------------------------- */

static void child_of(const char *program)
{
	struct rig_session parent, child;
	struct rig_program p;
	uint32_t log, child_log;
	long long pid, status;

	T_NEED(rig_start(&p, program));
	T_NEED(rig_open(&parent, p.pid, NULL));
	log = rig_log(&parent, "parrot.said", COUNT, 1, 1);
	RIG_DO(&p, 10, "say 10");
	T_NEED(rig_ask(&p, &pid, "fork"));
	/* the child is not attached, and its text is as in the file from the beginning */
	T_EQ(rig_areas((int)pid), 0);
	T_EQ(rig_text_diff((int)pid), 0);
	T_OK(rig_text_diff(p.pid) > 0);
	RIG_DO(&p, 100, "say 100");
	T_EQ(rig_rows(&parent, log), 10);
	/* but a component of its own */
	T_NEED(rig_open(&child, (int)pid, NULL));
	child_log = rig_log(&child, "parrot.said", COUNT, 1, 1);
	RIG_DO(&p, 1000, "say 1000");
	T_EQ(rig_rows(&child, child_log), 1000);
	T_EQ(rig_rows(&parent, log), 10);
	rig_close(&child);
	T_OK(rig_restored((int)pid) >= 0);
	T_EQ(write(p.in, "exit\n", 5), 5);
	{
		char line[64];

		/* now the parent answers its fork, and is attached all the time */
		T_NEED(rig_hear(&p, line, sizeof(line)));
		T_EQ(sscanf(line, "ok %lld", &status), 1);
		T_EQ(status, 0);
	}
	RIG_DO(&p, 10, "say 10");
	T_EQ(rig_rows(&parent, log), 20);
	rig_close(&parent);
	T_OK(rig_restored(p.pid) >= 0);
	rig_end(&p);
}

T_CASE(child_of_fork)
{
	child_of("programs/parrot");
}

#if !T_ASAN && !T_TSAN
T_CASE(child_of_fork_static)
{
	child_of("programs/parrot-static");
}
#endif

/* Forked while threads of the parent log as fast as they can. */
T_CASE(child_of_busy_parent)
{
	struct rig_program p;
	struct rig_session s;
	uint32_t log;
	long long pid, said;
	char line[64];

	T_NEED(rig_start(&p, "programs/parrot"));
	T_NEED(rig_open(&s, p.pid, NULL));
	log = rig_log(&s, "parrot.said", COUNT, 1, 1);
	RIG_DO(&p, 3, "talk 3");
	for (int i = 0; i < 20; i++) {
		T_NEED(rig_ask(&p, &pid, "fork"));
		T_EQ(rig_text_diff((int)pid), 0);
		RIG_DO(&p, 5, "say 5");
		T_EQ(write(p.in, "exit\n", 5), 5);
		T_NEED(rig_hear(&p, line, sizeof(line)));
	}
	T_NEED(rig_ask(&p, &said, "quiet"));
	said_as_counted(&s, log, said);
	rig_close(&s);
	rig_end(&p);
}

T_CASE(double_fork_of_a_daemon)
{
	struct rig_program p;
	struct rig_session s;
	long long pid;

	T_NEED(rig_start(&p, "programs/parrot"));
	T_NEED(rig_open(&s, p.pid, NULL));
	rig_log(&s, "parrot.said", COUNT, 1, 1);
	T_NEED(rig_ask(&p, &pid, "daemon"));
	T_OK(pid != p.pid);
	T_EQ(rig_areas((int)pid), 0);
	log_and_leave(&p, (int)pid, "parrot.said", "say");
	rig_close(&s);
	T_EQ(write(p.in, "exit\n", 5), 5);
	rig_end(&p);
}

/* vfork runs on in the memory of its parent: what it logs counts for the parent. */
T_CASE(child_of_vfork)
{
	struct rig_program p;
	struct rig_session s;
	uint32_t log;

	if (T_TSAN)
		return; /* it makes a fork of every vfork */
	T_NEED(rig_start(&p, "programs/parrot"));
	T_NEED(rig_open(&s, p.pid, NULL));
	log = rig_log(&s, "parrot.said", COUNT, 1, 1);
	RIG_DO(&p, 10, "vfork 10");
	RIG_DO(&p, 10, "say 10");
	T_EQ(rig_rows(&s, log) + rig_lost(&s), 20);
	rig_close(&s);
	T_OK(rig_restored(p.pid) >= 0);
	rig_end(&p);
}

T_CASE(exec)
{
	struct rig_program p;
	struct rig_session s;
	char line[64];

	T_NEED(rig_start(&p, "programs/parrot"));
	T_NEED(rig_open(&s, p.pid, NULL));
	rig_log(&s, "parrot.said", COUNT, 1, 1);
	T_EQ(write(p.in, "exec\n", 5), 5);
	T_NEED(rig_hear(&p, line, sizeof(line)));
	T_STREQ(line, "ready");
	T_EQ(tacho_target_alive(s.target), 0);
	rig_close(&s);
	T_EQ(rig_areas(p.pid), 0);
	log_and_leave(&p, p.pid, "parrot.said", "say");
	rig_end(&p);
}

/* --- programs that do not want it, or do as if they did not --------------------------------- */

static int nr_threads(int pid)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;
	int nr = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		nr += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return nr;
}

T_CASE(switched_off_by_the_environment)
{
	struct rig_program p, other;
	char why[160];
	struct tacho_target *target;

	setenv("TACHO", "0", 1);
	T_OK(rig_start(&p, "programs/parrot"));
	unsetenv("TACHO");
	T_NEED(p.pid > 0 && rig_start(&other, "programs/parrot"));
	T_EQ(nr_threads(other.pid), nr_threads(p.pid) + 1);
	T_EQ(rig_connect(p.pid), -1);
	T_EQ(tacho_target_open(&target, p.pid, why, sizeof(why)), -ENOENT);
	printf("     refused: %s\n", why);
	RIG_DO(&p, 10, "say 10");
	RIG_DO(&p, 0, "load");
	RIG_DO(&p, 10, "plug 10");
	RIG_DO(&p, 0, "unload");
	rig_end(&p);
	rig_end(&other);
}

/* Attach, and leave, until it works; how often it did not, or -1. */
static int attach_again(int pid)
{
	struct rig_session s;

	for (int i = 0; i < 20; i++) {
		if (rig_attach(&s, pid, NULL) == 0) {
			rig_close(&s);
			return i;
		}
		usleep(50000);
	}
	return -1;
}

/* A program that closes every descriptor that it does not know, as daemons do. */
T_CASE(all_descriptors_closed)
{
	struct rig_program p;
	struct rig_session s;

	T_NEED(rig_start(&p, "programs/parrot"));
	RIG_DO(&p, 0, "closeall");
	RIG_DO(&p, 10, "say 10");
	/* the first who connects is turned away, unless the thread was not yet asleep on the socket */
	T_OK(attach_again(p.pid) >= 0);
	log_and_leave(&p, p.pid, "parrot.said", "say");
	/* and while a session is attached: the session goes, the program does not notice */
	T_NEED(rig_open(&s, p.pid, NULL));
	rig_log(&s, "parrot.said", COUNT, 1, 1);
	RIG_DO(&p, 0, "closeall");
	RIG_DO(&p, 10, "say 10");
	rig_close(&s);
	T_OK(rig_restored(p.pid) >= 0);
	T_OK(attach_again(p.pid) >= 0);
	log_and_leave(&p, p.pid, "parrot.said", "say");
	rig_end(&p);
}

/* --- what a site must not touch ------------------------------------------------------------- */

static void untouched(struct rig_program *p)
{
	long long vectors;

	RIG_DO(p, 0, "zone 10000");
	RIG_DO(p, 0, "crowd 10000");
	T_NEED(rig_ask(p, &vectors, "ymm 10000"));
	T_OK(vectors == 0 || vectors == -1);
	if (vectors == -1)
		printf("     vector registers cannot be asked here\n");
}

static void untouched_case(bool generic)
{
	const uint32_t layout = RIG_FULL;
	struct rig_program p;
	struct rig_session s[2];
	long long zoned;

	if (generic)
		setenv("TACHO_WRITER", "generic", 1);
	T_OK(rig_start(&p, "programs/parrot"));
	unsetenv("TACHO_WRITER");
	T_NEED(p.pid > 0);
	T_NEED(rig_ask(&p, &zoned, "zoned"));
	if (!zoned)
		printf("     this build does not use the red zone\n");
	T_OK(zoned || T_ASAN || T_TSAN);
	untouched(&p);
	for (int i = 0; i < 2; i++) { /* the second session is served out of line */
		T_NEED(rig_open(&s[i], p.pid, NULL));
		T_EQ(s[i].target->writer, generic || T_TSAN ? 2 : 1);
		T_OK(rig_log(&s[i], "parrot.said", layout, 64, i == 0 ? 1 : 3));
		T_OK(rig_log(&s[i], "parrot.thought", layout, 64, 1));
		untouched(&p);
	}
	rig_close(&s[0]);
	untouched(&p);
	rig_close(&s[1]);
	untouched(&p);
	rig_end(&p);
}

T_CASE(red_zone_and_registers)
{
	untouched_case(false);
}

T_CASE(red_zone_and_registers_generic)
{
	untouched_case(true);
}

int main(int argc, char **argv)
{
	rig_alone();
	return t_main(argc, argv);
}
