// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_kernel_io.c: block requests and packets, as the kernel component tells them, against what a child
 * wrote, read, sent and received.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "kactor.h"

#define DO(call, want)                                                                             \
	do {                                                                                       \
		if ((long)(call) != (long)(want))                                                  \
			told[0]++;                                                                 \
	} while (0)

/* --- block ------------------------------------------------------------------------------------ */

#define BLOCK  (64u << 10)
#define BLOCKS 40u

static char block_path[64];

/* A file behind which is a block device, open past the cache; -1: there is none. */
static int block_open(void)
{
	static const char *const places[] = { ".", "/var/tmp", "/tmp" };
	char device[64];
	struct stat st;
	int file;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(block_path, sizeof(block_path), "%s/tacho-block-XXXXXX", places[i]);
		file = mkstemp(block_path);
		if (file < 0)
			continue;
		close(file);
		file = open(block_path, O_RDWR | O_DIRECT | O_CLOEXEC);
		unlink(block_path);
		if (file < 0)
			continue;
		if (fstat(file, &st) == 0) {
			snprintf(device, sizeof(device), "/sys/dev/block/%u:%u", major(st.st_dev),
				 minor(st.st_dev));
			if (access(device, F_OK) == 0)
				return file;
		}
		close(file);
	}
	return -1;
}

/* told 1, 2: ns in writes, in reads */
static void write_and_read(uint64_t *told, void *arg)
{
	int file = *(int *)arg;
	uint64_t start;
	void *buffer;

	if (posix_memalign(&buffer, 4096, BLOCK))
		_exit(1);
	memset(buffer, 1, BLOCK);
	start = t_now_ns();
	for (unsigned i = 0; i < BLOCKS; i++)
		DO(pwrite(file, buffer, BLOCK, i * BLOCK), BLOCK);
	told[1] = t_now_ns() - start;
	DO(fsync(file), 0);
	start = t_now_ns();
	for (unsigned i = 0; i < BLOCKS; i++)
		DO(pread(file, buffer, BLOCK, i * BLOCK), BLOCK);
	told[2] = t_now_ns() - start;
}

T_CASE(block_requests_are_those_of_the_file)
{
	int file = block_open();
	struct kactor actor;
	struct krig rig;
	uint64_t ns;

	if (file < 0)
		T_SKIP("no file system here has a block device and O_DIRECT");
	T_NEED(fallocate(file, 0, 0, BLOCKS * BLOCK) == 0);
	T_NEED(fsync(file) == 0);
	KACTOR_NEED(kactor_start(&actor, &rig, write_and_read, &file));
	T_EQ(kactor_watch(&actor, &rig, TACHO_K_IO_BLOCK, 4096), 0);
	T_EQ(kactor_watch(&actor, &rig, TACHO_K_IO_BLOCK_BYTES, 4096), 0);
	T_OK(kactor_run(&actor));
	usleep(20000); /* the child may know before the row is written */
	kactor_read(&actor, &rig);
	T_EQ(actor.told[0], 0);
	/* exact but for what the file system writes and reads of its own in the child's name */
	T_OK(kactor_sum(&actor, TACHO_K_IO_BLOCK_BYTES, 1) >= BLOCKS * BLOCK);
	T_OK(kactor_sum(&actor, TACHO_K_IO_BLOCK_BYTES, 1) <= BLOCKS * BLOCK * 5 / 4);
	T_OK(kactor_sum(&actor, TACHO_K_IO_BLOCK_BYTES, 0) >= BLOCKS * BLOCK);
	T_OK(kactor_sum(&actor, TACHO_K_IO_BLOCK_BYTES, 0) <= BLOCKS * BLOCK * 5 / 4);
	/* one after the other: requests took part of the time, each a little */
	T_OK(kactor_count(&actor, TACHO_K_IO_BLOCK, 1, &ns) >= BLOCKS);
	printf("     write %llu of %llu us,", (unsigned long long)ns / 1000,
	       (unsigned long long)actor.told[1] / 1000);
	T_OK(ns > 0);
	T_OK(kactor_count(&actor, TACHO_K_IO_BLOCK, 0, &ns) >= BLOCKS);
	printf(" read %llu of %llu us\n", (unsigned long long)ns / 1000,
	       (unsigned long long)actor.told[2] / 1000);
	T_OK(ns > 0);
	T_EQ(krig_lost(&rig), 0);
	kactor_end(&actor, &rig);
	close(file);
}

/* What was only put into the cache goes to the disk with fsync, in the name of who calls it. */
static void write_and_sync(uint64_t *told, void *arg)
{
	static char buffer[BLOCK];
	int file = *(int *)arg;

	memset(buffer, 2, sizeof(buffer));
	for (unsigned i = 0; i < BLOCKS; i++)
		DO(pwrite(file, buffer, BLOCK, i * BLOCK), BLOCK);
	DO(fsync(file), 0);
}

T_CASE(what_fsync_writes_is_its_callers)
{
	int file = block_open();
	struct kactor actor;
	struct krig rig;

	if (file < 0)
		T_SKIP("no file system here has a block device and O_DIRECT");
	T_NEED(fcntl(file, F_SETFL, 0) == 0); /* through the cache after all */
	KACTOR_NEED(kactor_start(&actor, &rig, write_and_sync, &file));
	T_EQ(kactor_watch(&actor, &rig, TACHO_K_IO_BLOCK_BYTES, 4096), 0);
	T_OK(kactor_run(&actor));
	usleep(20000);
	kactor_read(&actor, &rig);
	T_EQ(actor.told[0], 0);
	T_OK(kactor_sum(&actor, TACHO_K_IO_BLOCK_BYTES, 1) >= BLOCKS * BLOCK);
	T_OK(kactor_sum(&actor, TACHO_K_IO_BLOCK_BYTES, 1) <= BLOCKS * BLOCK * 5 / 4);
	kactor_end(&actor, &rig);
	close(file);
}

/* --- packets ---------------------------------------------------------------------------------- */

#define PACKETS 500u
#define PAYLOAD 1000u
#define HEADERS (14u + 20u + 8u) /* Ethernet, IPv4, UDP */

static int udp_pair(int pair[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);

	pair[0] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	pair[1] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return pair[0] < 0 || pair[1] < 0 ||
	       bind(pair[0], (struct sockaddr *)&address, sizeof(address)) ||
	       getsockname(pair[0], (struct sockaddr *)&address, &size) ||
	       connect(pair[1], (struct sockaddr *)&address, sizeof(address));
}

static void talk_udp(uint64_t *told, void *arg)
{
	int *pair = arg;
	char buffer[PAYLOAD];

	memset(buffer, 0, sizeof(buffer));
	for (unsigned i = 0; i < PACKETS; i++) {
		DO(send(pair[1], buffer, PAYLOAD, 0), PAYLOAD);
		DO(recv(pair[0], buffer, PAYLOAD, 0), PAYLOAD);
	}
}

T_CASE(udp_says_its_bytes)
{
	const uint32_t lo = if_nametoindex("lo");
	struct kactor actor;
	struct krig rig;
	int pair[2];

	if (udp_pair(pair))
		T_SKIP("no loopback interface here: %s", strerror(errno));
	KACTOR_NEED(kactor_start(&actor, &rig, talk_udp, pair));
	T_EQ(kactor_watch(&actor, &rig, TACHO_K_NET_TX, 4096), 0);
	T_EQ(kactor_watch(&actor, &rig, TACHO_K_NET_RX, 4096), 0);
	T_OK(kactor_run(&actor));
	kactor_read(&actor, &rig);
	T_EQ(actor.told[0], 0);
	T_EQ(kactor_rows(&actor, TACHO_K_NET_TX, TACHO_NONE), PACKETS);
	T_EQ(kactor_sum(&actor, TACHO_K_NET_TX, lo), PACKETS * (PAYLOAD + HEADERS));
	T_EQ(kactor_rows(&actor, TACHO_K_NET_RX, TACHO_NONE), PACKETS);
	T_EQ(kactor_sum(&actor, TACHO_K_NET_RX, TACHO_NONE), PACKETS * PAYLOAD);
	T_EQ(krig_lost(&rig), 0);
	kactor_end(&actor, &rig);
	close(pair[0]);
	close(pair[1]);
}

#define STREAM (8u << 20)

/* The other end: it takes everything, and is no part of the child's domain. */
static void take_stream(int fd)
{
	static char buffer[1 << 16];
	size_t got = 0;
	ssize_t len;

	while (got < STREAM && (len = read(fd, buffer, sizeof(buffer))) > 0)
		got += (size_t)len;
	T_EQ(got, STREAM);
}

static int tcp_pair(int pair[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(address);
	int bad;

	pair[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bad = listener < 0 || pair[1] < 0 ||
	      bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 1) ||
	      getsockname(listener, (struct sockaddr *)&address, &size) ||
	      connect(pair[1], (struct sockaddr *)&address, sizeof(address));
	pair[0] = bad ? -1 : accept(listener, NULL, NULL);
	if (listener >= 0)
		close(listener);
	return bad || pair[0] < 0;
}

static void send_stream(uint64_t *told, void *arg)
{
	static char buffer[1 << 16];
	int *pair = arg;

	for (unsigned i = 0; i < STREAM / sizeof(buffer); i++)
		DO(write(pair[1], buffer, sizeof(buffer)), sizeof(buffer));
	/* until all of it has left: what is acknowledged is sent by interrupts */
	for (int rest = 1, tries = 0; rest > 0 && tries < 2000; tries++) {
		DO(ioctl(pair[1], TIOCOUTQ, &rest), 0);
		usleep(1000);
	}
}

/* The child sends, we receive; most packets leave when the receiver acknowledges, not by the child. */
T_CASE(a_stream_is_its_senders)
{
	const uint32_t lo = if_nametoindex("lo");
	struct kactor actor;
	struct krig rig;
	uint64_t sent;
	int pair[2];

	if (tcp_pair(pair))
		T_SKIP("no loopback interface here: %s", strerror(errno));
	KACTOR_NEED(kactor_start(&actor, &rig, send_stream, pair));
	T_EQ(kactor_watch(&actor, &rig, TACHO_K_NET_TX, 16384), 0);
	T_EQ(kactor_watch(&actor, &rig, TACHO_K_NET_RX, 4096), 0);
	T_OK(kill(actor.pid, SIGCONT) == 0);
	take_stream(pair[0]);
	T_OK(kactor_wait(&actor));
	kactor_read(&actor, &rig);
	T_EQ(actor.told[0], 0);
	sent = kactor_sum(&actor, TACHO_K_NET_TX, lo);
	printf("     %u bytes, %llu with headers in %llu packets\n", STREAM,
	       (unsigned long long)sent,
	       (unsigned long long)kactor_rows(&actor, TACHO_K_NET_TX, lo));
	T_OK(sent >= STREAM && sent <= STREAM * 11ull / 10);
	T_EQ(kactor_sum(&actor, TACHO_K_NET_RX, TACHO_NONE), 0);
	kactor_end(&actor, &rig);
	close(pair[0]);
	close(pair[1]);
}

static void receive_stream(uint64_t *told, void *arg)
{
	static char buffer[1 << 16];
	int *pair = arg;
	ssize_t len;

	while (told[1] < STREAM && (len = read(pair[0], buffer, sizeof(buffer))) > 0)
		told[1] += (uint64_t)len;
}

T_CASE(a_stream_is_its_receivers)
{
	static char buffer[1 << 16];
	const uint32_t lo = if_nametoindex("lo");
	struct kactor actor;
	struct krig rig;
	int pair[2];

	if (tcp_pair(pair))
		T_SKIP("no loopback interface here: %s", strerror(errno));
	KACTOR_NEED(kactor_start(&actor, &rig, receive_stream, pair));
	T_EQ(kactor_watch(&actor, &rig, TACHO_K_NET_RX, 16384), 0);
	T_OK(kill(actor.pid, SIGCONT) == 0);
	for (unsigned i = 0; i < STREAM / sizeof(buffer); i++)
		T_EQ(write(pair[1], buffer, sizeof(buffer)), sizeof(buffer));
	T_OK(kactor_wait(&actor));
	kactor_read(&actor, &rig);
	T_EQ(actor.told[1], STREAM);
	T_EQ(kactor_sum(&actor, TACHO_K_NET_RX, lo), STREAM);
	T_EQ(krig_lost(&rig), 0);
	kactor_end(&actor, &rig);
	close(pair[0]);
	close(pair[1]);
}

T_MAIN
