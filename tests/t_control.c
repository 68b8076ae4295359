// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_control.c: the component's side of the connection, against sessions that lie, flood, sleep, die
 * or are too many. After each of them the component serves a good one.
 */
#include <dirent.h>
#include <grp.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "rig.h"
#include "t.h"

#define COUNT  0u /* the layout of a log that counts rows and keeps none */
#define PARROT "programs/parrot"

/* --- looking at the component --------------------------------------------------------------- */

static int nr_files(int pid)
{
	struct dirent *entry;
	char path[64];
	DIR *dir;
	int nr = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		nr += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return nr;
}

/* What is closed by the component needs a moment. */
static int files_are(int pid, int wanted)
{
	for (int i = 0; i < RIG_MS && nr_files(pid) != wanted; i++)
		usleep(1000);
	return T_EQ(nr_files(pid), wanted);
}

/* The thread of the library, 0: there is none. */
static int control_thread(int pid)
{
	char path[300], name[32];
	struct dirent *entry;
	int tid = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		FILE *comm;

		snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", pid, entry->d_name);
		comm = fopen(path, "re");
		if (comm && fgets(name, sizeof(name), comm) && !strcmp(name, "tacho\n"))
			tid = atoi(entry->d_name);
		if (comm)
			fclose(comm);
	}
	if (dir)
		closedir(dir);
	return tid;
}

/* A number of /proc/PID/task/TID/status, or of smaps_rollup. */
static long number_of(int pid, int tid, const char *file, const char *key)
{
	char path[64], line[256];
	long number = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", pid, tid, file);
	if (!strcmp(file, "smaps_rollup"))
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			number = atol(line + strlen(key));
	if (f)
		fclose(f);
	return number;
}

/* A session that does everything right is served. */
static void serve_one(struct rig_program *p)
{
	struct rig_session s;
	uint32_t log;

	T_NEED(rig_open(&s, p->pid, NULL));
	log = rig_log(&s, "parrot.said", COUNT, 1, 1);
	RIG_DO(p, 100, "say 100");
	T_EQ(rig_rows(&s, log), 100);
	rig_close(&s);
}

/* The same, and it was the only one. */
static void good_session(struct rig_program *p)
{
	serve_one(p);
	T_OK(rig_restored(p->pid) >= 0);
}

/* --- messages that are wrong ---------------------------------------------------------------- */

/* Refused with that error and one line for a person. */
static void refused(int sock, int error, const char *what)
{
	struct rig_reply reply;
	size_t len;

	if (!rig_reply(sock, &reply)) {
		T_FAIL("%s: no reply", what);
		return;
	}
	if (reply.body.error != error)
		T_FAIL("%s: %d instead of %d", what, reply.body.error, error);
	len = strnlen(reply.body.text, sizeof(reply.body.text));
	T_OK(len > 0 && len < sizeof(reply.body.text));
	T_OK(!memchr(reply.body.text, '\n', len));
	printf("     %s: %s\n", what, reply.body.text);
}

struct wrong {
	const char *what;
	struct tacho_message head;
	size_t len; /* that is sent */
};

#define HEAD(magic, version, type, size, nr)                                                       \
	{                                                                                          \
		(magic), (version), (type), (size), (nr)                                           \
	}
#define GOOD(type, size, nr) HEAD(TACHO_PROTOCOL_MAGIC, TACHO_PROTOCOL_VERSION, type, size, nr)

static const struct wrong wrongs[] = {
	{ "one byte", GOOD(TACHO_MSG_DESCRIBE, 16, 0), 1 },
	{ "half a header", GOOD(TACHO_MSG_DESCRIBE, 16, 0), 15 },
	{ "magic", HEAD(0x12345678, 1, TACHO_MSG_DESCRIBE, 16, 0), 16 },
	{ "magic reversed", HEAD(0x54434854, 1, TACHO_MSG_DESCRIBE, 16, 0), 16 },
	{ "version 0", HEAD(TACHO_PROTOCOL_MAGIC, 0, TACHO_MSG_DESCRIBE, 16, 0), 16 },
	{ "version 2", HEAD(TACHO_PROTOCOL_MAGIC, 2, TACHO_MSG_DESCRIBE, 16, 0), 16 },
	{ "size too small", GOOD(TACHO_MSG_DESCRIBE, 15, 0), 16 },
	{ "size too large", GOOD(TACHO_MSG_DESCRIBE, 17, 0), 16 },
	{ "trailing bytes", GOOD(TACHO_MSG_DESCRIBE, 20, 0), 20 },
	{ "elements where none belong", GOOD(TACHO_MSG_DESCRIBE, 16, 1), 16 },
	{ "type 0", GOOD(0, 16, 0), 16 },
	{ "unknown type", GOOD(99, 16, 0), 16 },
	{ "largest type", GOOD(0xffff, 16, 0), 16 },
	{ "a reply", GOOD(TACHO_MSG_REPLY, 16, 0), 16 },
	{ "an info", GOOD(TACHO_MSG_INFO, 16, 0), 16 },
	{ "enable without its ids", GOOD(TACHO_MSG_ENABLE, 16, 1), 16 },
	{ "enable, half an id", GOOD(TACHO_MSG_ENABLE, 18, 1), 18 },
	{ "enable, too many ids", GOOD(TACHO_MSG_ENABLE, 16, 0xffffffff), 16 },
	{ "enable, ids that overflow", GOOD(TACHO_MSG_ENABLE, 16, 0x40000000), 16 },
	{ "disable without its ids", GOOD(TACHO_MSG_DISABLE, 16, 2), 16 },
	{ "attach with a payload", GOOD(TACHO_MSG_ATTACH, 20, 0), 20 },
	{ "one byte too long", GOOD(TACHO_MSG_ENABLE, TACHO_PACKET + 1, 2044), 8193 },
	{ "much too long", GOOD(TACHO_MSG_ENABLE, 20000, 4996), 20000 },
};

T_CASE(wrong_messages)
{
	struct rig_program p;
	int files;

	T_NEED(rig_start(&p, PARROT));
	good_session(&p);
	files = nr_files(p.pid);
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		static unsigned char packet[20000];
		int sock = rig_connect(p.pid);

		memset(packet, 0, sizeof(packet));
		memcpy(packet, &wrongs[i].head, sizeof(wrongs[i].head));
		T_OK(rig_send(sock, packet, wrongs[i].len, NULL, 0));
		refused(sock, -EPROTO, wrongs[i].what);
		T_OK(rig_closed(sock));
		close(sock);
	}
	T_OK(files_are(p.pid, files));
	good_session(&p);
	rig_end(&p);
}

/* Any bytes, with any number of descriptors: nothing is kept, nothing breaks. */
T_CASE(random_messages)
{
	const int devnull = open("/dev/null", O_RDWR | O_CLOEXEC);
	uint64_t state = t_seed();
	struct rig_program p;
	int fds[64], files;

	T_NEED(rig_start(&p, PARROT));
	good_session(&p);
	files = nr_files(p.pid);
	for (int i = 0; i < 64; i++)
		fds[i] = devnull;
	for (int i = 0; i < 2000; i++) {
		unsigned char packet[256];
		struct tacho_message head = GOOD((uint16_t)(t_random(&state) % 10), 16,
						 (uint32_t)(t_random(&state) % 4));
		size_t len = t_random(&state) % sizeof(packet);
		size_t nr = t_random(&state) % 4 ? 0 : t_random(&state) % 64;
		int sock = rig_connect(p.pid);

		for (size_t b = 0; b < sizeof(packet); b++)
			packet[b] = (unsigned char)t_random(&state);
		head.size = (uint32_t)len;
		if (t_random(&state) % 4)
			memcpy(packet, &head, sizeof(head));
		rig_send(sock, packet, len, fds, nr);
		close(sock);
	}
	T_OK(files_are(p.pid, files));
	good_session(&p);
	close(devnull);
	rig_end(&p);
}

/* --- areas that are wrong ------------------------------------------------------------------- */

static int file_make(unsigned int flags, off_t size, int seals)
{
	int fd = (int)syscall(SYS_memfd_create, "tacho", flags | MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 &&
	    (ftruncate(fd, size) != 0 || (seals && fcntl(fd, F_ADD_SEALS, seals) != 0))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void attach_refused(int pid, const int *fds, size_t nr, int error, const char *what)
{
	int sock = rig_connect(pid);

	T_OK(rig_message(sock, TACHO_MSG_ATTACH, NULL, 0, fds, nr));
	refused(sock, error, what);
	T_OK(rig_closed(sock));
	close(sock);
}

static void file_refused(int pid, int fd, int error, const char *what)
{
	T_OK(fd >= 0);
	attach_refused(pid, &fd, 1, error, what);
	close(fd);
}

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

T_CASE(wrong_descriptors)
{
	struct rig_program p;
	struct tacho_memory memory;
	int fds[8], ends[2], files, huge;

	T_NEED(rig_start(&p, PARROT));
	good_session(&p);
	T_NEED(tacho_memory_create(&memory, NULL) == 0);
	for (int i = 0; i < 8; i++)
		fds[i] = memory.fd;
	files = nr_files(p.pid);
	attach_refused(p.pid, NULL, 0, -EBADF, "no descriptor");
	attach_refused(p.pid, fds, 2, -EBADF, "two descriptors");
	attach_refused(p.pid, fds, 5, -EBADF, "five descriptors");
	attach_refused(p.pid, fds, 8, -EBADF, "eight descriptors");
	T_EQ(pipe2(ends, O_CLOEXEC), 0);
	close(ends[1]);
	file_refused(p.pid, ends[0], -EINVAL, "a pipe");
	file_refused(p.pid, open("/dev/null", O_RDWR | O_CLOEXEC), -EINVAL, "a device");
	file_refused(p.pid, open("/proc/self/exe", O_RDONLY | O_CLOEXEC), -EINVAL, "a program");
	file_refused(p.pid, file_make(0, 1 << 20, 0), -EPERM, "not sealed");
	file_refused(p.pid, file_make(0, 1 << 20, F_SEAL_GROW), -EPERM, "may shrink");
	file_refused(p.pid, file_make(0, 0, SEALS), -EINVAL, "empty");
	file_refused(p.pid, file_make(0, 767, SEALS), -EINVAL, "a byte too small");
	file_refused(p.pid, file_make(0, 768, SEALS), -EINVAL, "nothing but a header of zeros");
	file_refused(p.pid, file_make(0, 1 << 20, SEALS), -EINVAL, "zeros");
	file_refused(p.pid, file_make(0, (off_t)1 << 45, SEALS), -EINVAL, "too large");
	file_refused(p.pid, file_make(0, 1 << 20, SEALS | F_SEAL_WRITE), -EPERM, "not writable");
	/* huge pages that nobody reserved: the first look at them would be a SIGBUS */
	huge = file_make(MFD_HUGETLB, (off_t)1 << 40, SEALS);
	if (huge >= 0)
		file_refused(p.pid, huge, -ENOMEM, "huge pages that are not there");
	T_OK(files_are(p.pid, files));
	T_EQ(rig_areas(p.pid), 0);
	good_session(&p);
	tacho_memory_destroy(&memory);
	rig_end(&p);
}

/* An empty packet may carry descriptors, too: they must not pile up. */
T_CASE(descriptors_of_empty_packets)
{
	const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct rig_program p;
	int files;

	T_NEED(rig_start(&p, PARROT));
	good_session(&p);
	files = nr_files(p.pid);
	for (int i = 0; i < 50; i++) {
		int sock = rig_connect(p.pid);

		T_OK(rig_send(sock, "", 0, &fd, 1));
		T_OK(rig_closed(sock));
		close(sock);
	}
	T_OK(files_are(p.pid, files));
	good_session(&p);
	close(fd);
	rig_end(&p);
}

/* Everything in its order only. */
T_CASE(wrong_order)
{
	const uint32_t none[] = { 4711, 0xffffffff, 65536 };
	struct tacho_area_options options = { .nr_events = 2 };
	struct rig_program p;
	struct rig_reply reply;
	struct tacho_memory memory;
	uint32_t id = 3;
	int sock;

	T_NEED(rig_start(&p, PARROT));
	T_NEED(tacho_memory_create(&memory, &options) == 0);
	sock = rig_connect(p.pid);
	T_OK(rig_message(sock, TACHO_MSG_ENABLE, &id, 1, NULL, 0));
	refused(sock, -ENOTCONN, "enable before attach");
	T_OK(rig_message(sock, TACHO_MSG_DISABLE, &id, 1, NULL, 0));
	refused(sock, -ENOTCONN, "disable before attach");
	T_OK(rig_message(sock, TACHO_MSG_ATTACH, NULL, 0, &memory.fd, 1));
	T_OK(rig_reply(sock, &reply) && reply.body.error == 0);
	for (int i = 0; i < 3; i++) {
		T_OK(rig_message(sock, TACHO_MSG_ENABLE, &none[i], 1, NULL, 0));
		refused(sock, -ENOENT, "enable what is not there");
		T_OK(rig_message(sock, TACHO_MSG_DISABLE, &none[i], 1, NULL, 0));
		refused(sock, -ENOENT, "disable what is not there");
	}
	T_OK(rig_message(sock, TACHO_MSG_ENABLE, &id, 1, NULL, 0));
	refused(sock, -ENOSPC, "enable what has no place in the area");
	T_OK(rig_text_diff(p.pid) == 0);
	T_OK(rig_message(sock, TACHO_MSG_ATTACH, NULL, 0, &memory.fd, 1));
	refused(sock, -EALREADY, "attach again");
	T_OK(rig_closed(sock));
	close(sock);
	T_OK(rig_restored(p.pid) >= 0);
	good_session(&p);
	tacho_memory_destroy(&memory);
	rig_end(&p);
}

/* Good headers in which some words are not: refused, or used without harm. */
T_CASE(random_headers)
{
	const struct tacho_area_options options = { .rows_size = 65536, .nr_principals = 64 };
	const int rounds = T_ASAN || T_TSAN ? 100 : 400;
	uint64_t state = t_seed();
	struct rig_program p;
	int refusals = 0;

	T_NEED(rig_start(&p, PARROT));
	for (int i = 0; i < rounds && !t_failures(); i++) {
		const uint32_t ids[] = { 0, 1, 2, 3 };
		struct tacho_memory memory;
		struct rig_reply reply;
		int sock = rig_connect(p.pid), log;

		T_NEED(sock >= 0 && tacho_memory_create(&memory, &options) == 0);
		log = tacho_memory_log_add(&memory, 64, RIG_FULL, TACHO_NONE, TACHO_NONE);
		for (uint32_t id = 0; id < 4; id++)
			tacho_memory_route(&memory, id, TACHO_NONE, (uint32_t)log, 1);
		for (uint64_t n = t_random(&state) % 3; n < 3; n++) {
			uint32_t *word = (uint32_t *)(void *)memory.base +
					 t_random(&state) % (sizeof(struct tacho_area) / 8);

			*word = t_random(&state) % 2 ? (uint32_t)t_random(&state)
						     : *word ^ 1u << t_random(&state) % 32;
		}
		T_OK(rig_message(sock, TACHO_MSG_ATTACH, NULL, 0, &memory.fd, 1));
		T_NEED(rig_reply(sock, &reply));
		refusals += reply.body.error != 0;
		if (reply.body.error == 0) {
			T_OK(rig_message(sock, TACHO_MSG_ENABLE, ids, 4, NULL, 0));
			T_NEED(rig_reply(sock, &reply));
			RIG_DO(&p, 200, "say 200");
			RIG_DO(&p, 20, "think 20");
		}
		close(sock);
		tacho_memory_destroy(&memory);
	}
	printf("     %d of %d refused\n", refusals, rounds);
	T_OK(refusals > 0 && refusals < rounds);
	T_OK(rig_restored(p.pid) >= 0);
	good_session(&p);
	rig_end(&p);
}

/* --- too many, too slow, the wrong user ----------------------------------------------------- */

T_CASE(hundred_half_open)
{
	struct rig_program p;
	struct rig_session s;
	int socks[100], files;
	uint32_t log;

	T_NEED(rig_start(&p, PARROT));
	good_session(&p);
	files = nr_files(p.pid);
	T_NEED(rig_open(&s, p.pid, NULL));
	log = rig_log(&s, "parrot.said", COUNT, 1, 1);
	for (int i = 0; i < 100; i++)
		T_OK((socks[i] = rig_connect(p.pid)) >= 0);
	serve_one(&p); /* another one comes in, and the first one is not disturbed */
	T_OK(nr_files(p.pid) < files + 32);
	RIG_DO(&p, 7, "say 7");
	T_EQ(rig_rows(&s, log), 107);
	for (int i = 0; i < 100; i++)
		close(socks[i]);
	rig_close(&s);
	T_OK(files_are(p.pid, files));
	T_OK(rig_restored(p.pid) >= 0);
	rig_end(&p);
}

/* It asks and never reads the answers. */
T_CASE(client_that_never_reads)
{
	struct rig_program p;
	int socks[4];

	T_NEED(rig_start(&p, PARROT));
	for (int i = 0; i < 4; i++) {
		socks[i] = rig_connect(p.pid);
		fcntl(socks[i], F_SETFL, O_NONBLOCK);
		for (int n = 0; n < 2000; n++)
			rig_message(socks[i], TACHO_MSG_DESCRIBE, NULL, 0, NULL, 0);
	}
	good_session(&p);
	for (int i = 0; i < 4; i++)
		close(socks[i]);
	good_session(&p);
	rig_end(&p);
}

static void be_nobody(int pid)
{
	struct rig_reply reply;

	if (setgroups(0, NULL) != 0 || setresgid(65534, 65534, 65534) != 0 ||
	    setresuid(65534, 65534, 65534) != 0)
		_exit(77);
	for (int i = 0; i < 50; i++) {
		int sock = rig_connect(pid);

		T_OK(sock >= 0);
		if (i % 2)
			rig_message(sock, TACHO_MSG_DESCRIBE, NULL, 0, NULL, 0);
		if (i == 0)
			refused(sock, -EPERM, "another user");
		else
			T_OK(rig_reply(sock, &reply) && reply.body.error == -EPERM);
		T_OK(rig_closed(sock));
		close(sock);
	}
	fflush(stdout);
	_exit(t_failures());
}

T_CASE(another_user)
{
	struct rig_program p;
	struct rig_reply reply;
	int waiting, status, pid;

	if (geteuid() != 0)
		T_SKIP("only root can become another user");
	T_NEED(rig_start(&p, PARROT));
	waiting = rig_connect(p.pid);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		be_nobody(p.pid);
	T_EQ(waitpid(pid, &status, 0), pid);
	T_EQ(status, 0);
	/* whoever may attach and has said nothing yet did not lose the place to them */
	T_OK(rig_message(waiting, TACHO_MSG_DESCRIBE, NULL, 0, NULL, 0));
	T_OK(rig_reply(waiting, &reply) && reply.body.error == 0);
	close(waiting);
	good_session(&p);
	rig_end(&p);
}

/* Not one descriptor is left in the program: the thread must not spin on who wants to connect. */
T_CASE(no_descriptor_left)
{
	struct rig_program p;
	long before, after;
	int sock, tid;

	T_NEED(rig_start(&p, PARROT));
	good_session(&p);
	tid = control_thread(p.pid);
	T_NEED(tid > 0);
	RIG_DO(&p, 0, "files 3"); /* its descriptors from 3 on stay open, no more are made */
	sock = rig_connect(p.pid);
	T_OK(sock >= 0);
	before = number_of(p.pid, tid, "status", "voluntary_ctxt_switches:");
	usleep(500000);
	after = number_of(p.pid, tid, "status", "voluntary_ctxt_switches:");
	printf("     it tried %ld times in 500 ms\n", after - before);
	T_OK(after - before < 250);
	{
		long long user, system;
		char stat[64];
		FILE *f;

		snprintf(stat, sizeof(stat), "/proc/%d/task/%d/stat", p.pid, tid);
		f = fopen(stat, "re");
		T_NEED(f != NULL);
		T_EQ(fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld",
			    &user, &system),
		     2);
		fclose(f);
		T_OK(user + system < 25); /* of 50 ticks that have passed */
	}
	RIG_DO(&p, 0, "files 0");
	close(sock);
	good_session(&p);
	rig_end(&p);
}

/* --- several, and none ---------------------------------------------------------------------- */

/* Each session has its own area, threshold and count; there is room for eight. */
T_CASE(eight_sessions)
{
	enum { NR = 8, SAID = 5040 };
	struct rig_session s[NR], ninth;
	uint32_t said[NR], thought[NR];
	struct rig_program p;

	T_NEED(rig_start(&p, PARROT));
	for (uint32_t i = 0; i < NR; i++) {
		T_NEED(rig_open(&s[i], p.pid, NULL));
		said[i] = rig_log(&s[i], "parrot.said", COUNT, 1, 1);
		if (i % 2)
			thought[i] = rig_log(&s[i], "parrot.thought", RIG_FULL, 1024, 1);
	}
	T_EQ(rig_attach(&ninth, p.pid, NULL), -EUSERS);
	RIG_DO(&p, SAID, "say %d", SAID);
	RIG_DO(&p, 100, "think 100");
	for (uint32_t i = 0; i < NR; i++) {
		T_EQ(rig_rows(&s[i], said[i]), SAID);
		if (i % 2)
			T_EQ(rig_rows(&s[i], thought[i]), 100);
		T_EQ(rig_lost(&s[i]), 0);
	}
	/* one goes, the others do not notice, and another one takes its place */
	rig_close(&s[3]);
	RIG_DO(&p, 10, "say 10");
	for (uint32_t i = 0; i < NR; i++)
		if (i != 3)
			T_EQ(rig_rows(&s[i], said[i]), SAID + 10);
	for (int i = 0; i < 100 && rig_areas(p.pid) != NR - 1; i++)
		usleep(10000);
	T_NEED(rig_open(&s[3], p.pid, NULL));
	said[3] = rig_log(&s[3], "parrot.said", COUNT, 1, 1);
	RIG_DO(&p, 10, "say 10");
	T_EQ(rig_rows(&s[3], said[3]), 10);
	for (uint32_t i = 0; i < NR; i++) {
		T_OK(rig_validate(&s[i]));
		rig_close(&s[i]);
	}
	T_OK(rig_restored(p.pid) >= 0);
	rig_end(&p);
}

/* Thresholds are exact per CPU: a thread that stays on one is counted to the event. */
T_CASE(sessions_with_thresholds)
{
	static const uint32_t thresholds[] = { 1, 2, 3, 7 };
	struct rig_session s[4];
	struct rig_program p;
	uint32_t log[4];

	T_NEED(rig_start(&p, PARROT));
	for (int i = 0; i < 4; i++) {
		T_NEED(rig_open(&s[i], p.pid, NULL));
		log[i] = rig_log(&s[i], "parrot.said", COUNT, 1, thresholds[i]);
	}
	RIG_DO(&p, 5040, "say 5040");
	for (int i = 0; i < 4; i++) {
		uint32_t nr_cpus = tacho_memory_header(&s[i].memory)->nr_cpus;
		uint64_t rows = rig_rows(&s[i], log[i]);

		T_OK(rows <= 5040 / thresholds[i] && rows + nr_cpus > 5040 / thresholds[i]);
		rig_close(&s[i]);
	}
	rig_end(&p);
}

/* A session is killed: sites and memory are back within 100 ms. */
T_CASE(session_killed)
{
	long best = 1000000, worst = 0;
	struct rig_program p;

	T_NEED(rig_start(&p, PARROT));
	RIG_DO(&p, 2, "talk 2");
	for (int round = 0; round < 10; round++) {
		int ready[2], pid;
		char byte;
		long ms;

		T_NEED(pipe2(ready, O_CLOEXEC) == 0);
		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			struct rig_session s;

			if (!rig_open(&s, p.pid, NULL) ||
			    !rig_log(&s, "parrot.said", RIG_FULL, 1024, 1))
				_exit(1);
			_exit(write(ready[1], "", 1) == 1 ? pause() : 1);
		}
		close(ready[1]);
		T_EQ(read(ready[0], &byte, 1), 1);
		close(ready[0]);
		T_EQ(rig_areas(p.pid), 1);
		T_OK(rig_text_diff(p.pid) > 0);
		kill(pid, SIGKILL);
		ms = rig_restored(p.pid);
		waitpid(pid, NULL, 0);
		T_OK(ms >= 0);
		best = ms < best ? ms : best;
		worst = ms > worst ? ms : worst;
	}
	printf("     restored after %ld ms, at worst %ld ms\n", best, worst);
	T_OK(best < 100); /* the worst depends on what else this machine does */
	{
		long long said;

		T_NEED(rig_ask(&p, &said, "quiet"));
	}
	good_session(&p);
	rig_end(&p);
}

/* The component is killed: its rows stay, can be read, and the session is told. */
T_CASE(component_killed)
{
	struct rig_program p;
	struct rig_session s;
	struct tacho_view view;
	struct tacho_cursor cursor;
	struct tacho_row row;
	uint64_t nr = 0, sum = 0;
	uint32_t log, id;

	T_NEED(rig_start(&p, PARROT));
	T_NEED(rig_open(&s, p.pid, NULL));
	log = rig_log(&s, "parrot.said", RIG_FULL, 4096, 1);
	T_NEED(rig_event(&s, "parrot.said", &id));
	RIG_DO(&p, 1000, "say 1000");
	T_EQ(tacho_target_alive(s.target), 1);
	kill(p.pid, SIGKILL);
	waitpid(p.pid, NULL, 0);
	p.pid = 0;
	T_EQ(tacho_target_alive(s.target), 0);
	T_OK(tacho_target_enable(s.target, &id, 1) < 0);
	printf("     %s\n", tacho_target_error(s.target));
	T_NEED(tacho_view_open(&view, s.memory.base, s.memory.size, NULL, 0) == 0);
	for (uint32_t cpu = 0; cpu < view.header.nr_cpus; cpu++) {
		T_EQ(tacho_cursor_init(&cursor, &view, cpu, log, 1), 0);
		while (tacho_cursor_read(&cursor, &view, &row, 1) == 1) {
			nr++;
			sum += row.counter;
		}
		T_EQ(cursor.lost, 0);
	}
	T_EQ(nr, 1000);
	T_EQ(sum, 999 * 1000 / 2);
	T_OK(rig_validate(&s));
	rig_close(&s);
	rig_end(&p);
}

/* Wait until the thread has come to rest; how often it was woken up to then. */
static long asleep(int pid, int tid)
{
	char path[64], syscall[32] = "";
	long woken = -1;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	for (int i = 0; i < RIG_MS / 100; i++) {
		long now = number_of(pid, tid, "status", "voluntary_ctxt_switches:");
		FILE *f = fopen(path, "re");

		if (f && !fgets(syscall, sizeof(syscall), f))
			syscall[0] = '\0';
		if (f)
			fclose(f);
		if (now == woken && strncmp(syscall, "running", 7) != 0)
			break;
		woken = now;
		usleep(100000);
	}
	return woken;
}

/* What a program pays that nobody looks at: a thread that sleeps, and a few pages. */
T_CASE(idle_cost)
{
	struct rig_program p, without;
	long anon, anon_without, rss, rss_without, before, preempted;
	int tid;

	setenv("TACHO", "0", 1);
	T_OK(rig_start(&without, PARROT));
	unsetenv("TACHO");
	T_NEED(without.pid > 0 && rig_start(&p, PARROT));
	for (int i = 0; i < RIG_MS && !control_thread(p.pid); i++)
		usleep(1000); /* it gives itself its name */
	tid = control_thread(p.pid);
	T_NEED(tid > 0);
	T_EQ(control_thread(without.pid), 0);
	T_EQ(number_of(p.pid, tid, "status", "Threads:"),
	     number_of(without.pid, without.pid, "status", "Threads:") + 1);
	before = asleep(p.pid, tid);
	/* on its way there somebody may have had its CPU */
	preempted = number_of(p.pid, tid, "status", "nonvoluntary_ctxt_switches:");
	RIG_DO(&p, 1000000, "say 1000000");
	usleep(2000000);
	T_EQ(number_of(p.pid, tid, "status", "voluntary_ctxt_switches:"), before);
	T_EQ(number_of(p.pid, tid, "status", "nonvoluntary_ctxt_switches:"), preempted);
	RIG_DO(&without, 1000000, "say 1000000");
	anon = number_of(p.pid, tid, "status", "RssAnon:");
	anon_without = number_of(without.pid, without.pid, "status", "RssAnon:");
	rss = number_of(p.pid, tid, "smaps_rollup", "Rss:");
	rss_without = number_of(without.pid, without.pid, "smaps_rollup", "Rss:");
	printf("     a thread that was woken %ld times until it slept, and not once in 2 s; "
	       "memory of its own %+ld kB, resident in all %+ld kB\n",
	       before, anon - anon_without, rss - rss_without);
	T_OK(anon - anon_without < 128 || T_ASAN || T_TSAN);
	good_session(&p);
	printf("     after a session: memory of its own %+ld kB\n",
	       number_of(p.pid, tid, "status", "RssAnon:") - anon_without);
	rig_end(&p);
	rig_end(&without);
}

int main(int argc, char **argv)
{
	rig_alone();
	return t_main(argc, argv);
}
