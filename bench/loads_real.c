// SPDX-License-Identifier: BSD-2-Clause
/*
 * loads_real.c: real servers and their clients as loads.
 *
 * redis-server with redis-benchmark, PostgreSQL with pgbench, nginx with wrk. A server is a service: its own
 * instance with its own files in our directory, on a port of the loopback that was free, or on a socket
 * there; nothing of the machine's own servers is touched. A client is started anew for every repetition.
 *
 * What was done in the time of measurement is asked of the server (redis: INFO, nginx: stub_status) or read
 * in the client's log (pgbench). The p99 of redis is that of those rounds of redis-benchmark that ended in
 * that time; that of wrk is of its whole life.
 */
#include "loads.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "spawn.h"

#define UP_MS	    15000 /* for a server to answer */
#define DOWN_MS	    10000
#define ASK_MS	    2000 /* for one answer */
#define SOME_RUNS   64 /* of redis-benchmark in a time of measurement */
#define LATE_MS	    4000 /* for the log of pgbench to reach the end of the measurement */
#define MAX_THREADS 8 /* of pgbench */
#define PG_PROGRAMS "/usr/lib/postgresql/*/bin"

static struct {
	pid_t pid;
	int port;
	char socket_dir[300];
} server;

static struct {
	pid_t pid;
	int out; /* what it prints */
	double count; /* of the server, at the beginning */
	uint64_t begin_ns;
	uint64_t begin_us; /* of the wall clock */
} client;

static int missing(const char *name, char *why, size_t why_size)
{
	snprintf(why, why_size, "%s is not installed", name);
	return -ENOENT;
}

static pid_t server_pid(void)
{
	return server.pid;
}

/* --- talking to servers ------------------------------------------------------------------- */

/* A port that is free now. */
static int port_find(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), port = -EADDRNOTAVAIL;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
	    getsockname(fd, (struct sockaddr *)&at, &len) == 0)
		port = ntohs(at.sin_port);
	close(fd);
	return port;
}

static int server_connect(void)
{
	const struct sockaddr_in at = { .sin_family = AF_INET,
					.sin_port = htons((uint16_t)server.port),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct timeval patience = { .tv_sec = ASK_MS / 1000 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	close(fd);
	return -ECONNREFUSED;
}

/* Send a request, read until the answer has `until` in it. A connection for each. */
static int server_ask(const char *request, const char *until, char *answer, size_t size)
{
	int fd = server_connect();
	size_t len = 0;
	int error = -EPIPE;

	if (fd < 0)
		return fd;
	if (send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request))
		while (len + 1 < size && error) {
			ssize_t more = recv(fd, answer + len, size - 1 - len, 0);

			if (more <= 0)
				break;
			len += (size_t)more;
			answer[len] = '\0';
			error = strstr(answer, until) ? 0 : -EPIPE;
		}
	close(fd);
	return error;
}

static int server_wait(const char *name, const char *request, const char *until, char *why,
		       size_t why_size)
{
	char answer[8192];

	for (int ms = 0; ms < UP_MS && !loads_interrupted(); ms += 20) {
		if (server_ask(request, until, answer, sizeof(answer)) == 0)
			return 0;
		loads_sleep_ms(20);
	}
	snprintf(why, why_size, "%s does not answer", name);
	return loads_interrupted() ? -EINTR : -ETIMEDOUT;
}

static void server_close(const struct load_service *service)
{
	(void)service;
	if (server.pid > 0)
		spawn_stop(server.pid, SIGINT,
			   DOWN_MS); /* of PostgreSQL: fast; others: as SIGTERM */
	server.pid = 0;
}

/* --- clients ------------------------------------------------------------------------------ */

static void set_of(const struct load_place *place, int part, cpu_set_t *cpus)
{
	*cpus = load_world.allowed;
	if (!place || place->cpu[part] < 0)
		return;
	CPU_ZERO(cpus);
	CPU_SET((unsigned int)place->cpu[part], cpus);
}

/* Part 0 is the server, part 1 the client. What a server starts for a client is where the server is. */
static int client_start(const struct load_place *place, const char *const *argv, const char *user,
			char *why, size_t why_size)
{
	cpu_set_t cpus;
	struct spawn spawn = { .argv = argv, .cpus = &cpus, .dir = spawn_dir(), .user = user };
	int ends[2], error;

	set_of(place, 0, &cpus);
	error = spawn_tree_pin(server.pid, &cpus);
	if (error || pipe2(ends, O_CLOEXEC) != 0) {
		snprintf(why, why_size, "cannot place the server: %s", strerror(-error));
		return error ? error : -errno;
	}
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	set_of(place, 1, &cpus);
	spawn.out = ends[1];
	client.pid = spawn_start(&spawn);
	close(ends[1]);
	client.out = ends[0];
	if (client.pid > 0)
		return 0;
	close(ends[0]);
	snprintf(why, why_size, "cannot start %s", argv[0]);
	return (int)client.pid;
}

static void client_stop(const struct load *load)
{
	(void)load;
	if (client.pid <= 0)
		return;
	spawn_stop(client.pid, SIGTERM, DOWN_MS);
	close(client.out);
	client.pid = 0;
	spawn_tree_pin(server.pid, &load_world.allowed);
}

/* All that it has printed and nobody has read; the end of it if there is too much. */
static void client_read(char *text, size_t size)
{
	size_t len = 0;
	ssize_t more;

	while ((more = read(client.out, text + len, size - 1 - len)) > 0) {
		len += (size_t)more;
		if (len + 1 >= size) {
			memmove(text, text + size / 2, len - size / 2);
			len -= size / 2;
		}
	}
	text[len] = '\0';
}

static int client_check(char *why, size_t why_size)
{
	char text[400];
	int status = spawn_wait(client.pid, 0);

	if (status == -ETIMEDOUT)
		return 0;
	if (loads_interrupted())
		return -EINTR;
	client_read(text, sizeof(text));
	text[strcspn(text, "\n")] = '\0';
	snprintf(why, why_size, "the client ended with status %d: %.150s", status, text);
	return -EPIPE;
}

static int real_places(const struct load *load, struct load_place *places, int max)
{
	static const struct {
		const char *name;
		int server, client;
	} ways[] = {
		{ "all together", 0, 0 },
		{ "server | client", 0, 1 },
		{ "server anywhere, client on one", -1, 1 },
	};
	int nr = 0;

	(void)load;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]) && nr < max; i++) {
		struct load_place *place = &places[nr];

		if (load_world.nr_cpus < 2)
			break;
		place->nr = 2;
		place->cpu[0] = ways[i].server < 0 ? -1 : load_world.cpus[ways[i].server];
		place->cpu[1] = load_world.cpus[ways[i].client];
		snprintf(place->name, sizeof(place->name), "%s", ways[i].name);
		nr++;
	}
	return nr;
}

/* --- counting ----------------------------------------------------------------------------- */

/* The number that the server says it has done so far. */
typedef int (*count_fn)(double *count);

static int counted_begin(count_fn count, char *why, size_t why_size)
{
	char text[4096];
	int error = client_check(why, why_size);

	if (error)
		return error;
	client_read(text, sizeof(text));
	error = count(&client.count);
	client.begin_ns = bench_monotonic_ns();
	if (error)
		snprintf(why, why_size, "the server does not say what it has done");
	return error;
}

static int counted_end(count_fn count, struct load_sample *sample, char *why, size_t why_size)
{
	double after;
	int error = count(&after);
	uint64_t end_ns = bench_monotonic_ns();

	if (error)
		snprintf(why, why_size, "the server does not say what it has done");
	else
		error = client_check(why, why_size);
	if (!error)
		sample->ops = (after - client.count) * 1e9 / (double)(end_ns - client.begin_ns);
	return error;
}

/* --- redis -------------------------------------------------------------------------------- */

static int redis_open(const struct load_service *service, char *why, size_t why_size)
{
	static char path[256], port[16];
	const char *const argv[] = { path,     "--port", port,	  "--bind",    "127.0.0.1",
				     "--save", "",	 "--dir", spawn_dir(), NULL };
	const struct spawn spawn = { .argv = argv };
	char answer[256];
	int error;

	(void)service;
	if (spawn_find("redis-server", NULL, path, sizeof(path)) != 0)
		return missing("redis-server", why, why_size);
	server.port = port_find();
	if (server.port < 0 || !spawn_dir())
		return -EADDRNOTAVAIL;
	snprintf(port, sizeof(port), "%d", server.port);
	server.pid = spawn_start(&spawn);
	if (server.pid < 0)
		return (int)server.pid;
	error = server_wait("redis-server", "PING\r\n", "PONG", why, why_size);
	if (!error) /* what redis-benchmark gets */
		error = server_ask("SET key:__rand_int__ xxx\r\n", "OK", answer, sizeof(answer));
	if (error)
		server_close(service);
	return error;
}

static int redis_count(double *count)
{
	static const char key[] = "total_commands_processed:";
	char answer[8192];
	const char *at;
	/* the line behind the one that we want: then that one is complete */
	int error =
		server_ask("INFO stats\r\n", "instantaneous_ops_per_sec", answer, sizeof(answer));

	at = error ? NULL : strstr(answer, key);
	if (!at)
		return error ? error : -EPROTO;
	*count = strtod(at + strlen(key), NULL);
	return 0;
}

/* It does rounds of so many requests, forever, and says a line after each. */
static int redis_start(const struct load *load, const struct load_place *place, char *why,
		       size_t why_size)
{
	static char path[256], buffered[256], port[16], clients[16];
	const char *const argv[] = { buffered, "-oL", path,
				     "-p",     "",    "-c",
				     clients,  "-n",  load->nr > 4 ? "2500" : "500",
				     "-t",     "get", "-l",
				     "--csv",  NULL };
	const char *with_port[sizeof(argv) / sizeof(argv[0])];

	if (spawn_find("redis-benchmark", NULL, path, sizeof(path)) != 0)
		return missing("redis-benchmark", why, why_size);
	if (spawn_find("stdbuf", NULL, buffered, sizeof(buffered)) != 0)
		return missing("stdbuf", why, why_size);
	snprintf(port, sizeof(port), "%d", server.port);
	snprintf(clients, sizeof(clients), "%d", load->nr);
	memcpy(with_port, argv, sizeof(argv));
	with_port[4] = port;
	return client_start(place, with_port, NULL, why, why_size);
}

static int redis_begin(const struct load *load, char *why, size_t why_size)
{
	(void)load;
	return counted_begin(redis_count, why, why_size);
}

/*
 * "GET","rps","average","min","p50","p95","p99","max", in ms. The first round had begun before the
 * measurement: it counts only if it is alone.
 */
static double redis_p99(const char *text)
{
	double values[SOME_RUNS], p99;
	unsigned int nr = 0;

	for (const char *line = text; (line = strstr(line, "\"GET\"")); line++)
		if (nr < SOME_RUNS &&
		    sscanf(line,
			   "\"GET\",\"%*[^\"]\",\"%*[^\"]\",\"%*[^\"]\",\"%*[^\"]\",\"%*[^\"]\",\"%lf",
			   &p99) == 1)
			values[nr++] = p99 * 1000;
	if (nr == 0)
		return 0;
	return nr == 1 ? values[0] : bench_median(values + 1, nr - 1);
}

static int redis_end(const struct load *load, struct load_sample *sample, char *why,
		     size_t why_size)
{
	char text[16384];
	int error = counted_end(redis_count, sample, why, why_size);

	(void)load;
	client_read(text, sizeof(text));
	sample->p99_us = redis_p99(text);
	return error;
}

/* --- nginx -------------------------------------------------------------------------------- */

static int nginx_configure(const char *dir, int workers)
{
	const struct passwd *user = getpwnam("nobody");
	const struct group *group = user ? getgrgid(user->pw_gid) : NULL;
	char path[300];
	FILE *file;

	snprintf(path, sizeof(path), "%s/index.html", dir);
	file = fopen(path, "we");
	if (!file)
		return -errno;
	for (int i = 0; i < 10; i++)
		fprintf(file, "A page of some hundred bytes that is served again and again.\n");
	fclose(file);
	snprintf(path, sizeof(path), "%s/nginx.conf", dir);
	file = fopen(path, "we");
	if (!file)
		return -errno;
	if (geteuid() == 0 && group)
		fprintf(file, "user %s %s;\n", user->pw_name, group->gr_name);
	fprintf(file,
		"daemon off;\nworker_processes %d;\npid %s/nginx.pid;\nerror_log %s/nginx.log;\n"
		"events { worker_connections 256; }\nhttp {\n\taccess_log off;\n"
		"\tkeepalive_requests 100000000;\n"
		"\tclient_body_temp_path %s/body;\n\tproxy_temp_path %s/proxy;\n"
		"\tfastcgi_temp_path %s/fastcgi;\n\tuwsgi_temp_path %s/uwsgi;\n"
		"\tscgi_temp_path %s/scgi;\n\tserver {\n\t\tlisten 127.0.0.1:%d;\n\t\troot %s;\n"
		"\t\tlocation = /status { stub_status; }\n\t}\n}\n",
		workers, dir, dir, dir, dir, dir, dir, dir, server.port, dir);
	return fclose(file) == 0 ? 0 : -errno;
}

static const char nginx_status[] = "GET /status HTTP/1.0\r\n\r\n";

static int nginx_open(const struct load_service *service, char *why, size_t why_size)
{
	static char path[256], config[300], log[300];
	const char *const argv[] = { path, "-c", config, "-e", log, NULL };
	const struct spawn spawn = { .argv = argv };
	int error;

	if (spawn_find("nginx", NULL, path, sizeof(path)) != 0)
		return missing("nginx", why, why_size);
	server.port = port_find();
	if (server.port < 0 || !spawn_dir())
		return -EADDRNOTAVAIL;
	snprintf(config, sizeof(config), "%s/nginx.conf", spawn_dir());
	snprintf(log, sizeof(log), "%s/nginx.log", spawn_dir());
	error = nginx_configure(spawn_dir(), service->nr);
	if (error)
		return error;
	server.pid = spawn_start(&spawn);
	if (server.pid < 0)
		return (int)server.pid;
	error = server_wait("nginx", nginx_status, "Waiting", why, why_size);
	if (error)
		server_close(service);
	return error;
}

/* The third of "server accepts handled requests\n 7 7 9 \n". */
static int nginx_count(double *count)
{
	char answer[4096];
	const char *at;
	int error = server_ask(nginx_status, "Waiting", answer, sizeof(answer));

	at = error ? NULL : strstr(answer, "requests");
	if (!at || sscanf(at, "requests %*u %*u %lf", count) != 1)
		return error ? error : -EPROTO;
	return 0;
}

static int nginx_start(const struct load *load, const struct load_place *place, char *why,
		       size_t why_size)
{
	static char path[256], connections[16], url[64];
	const char *const argv[] = { path, "-t",  "1",	       "-c", connections,
				     "-d", "60s", "--latency", url,  NULL };

	if (spawn_find("wrk", NULL, path, sizeof(path)) != 0)
		return missing("wrk", why, why_size);
	snprintf(connections, sizeof(connections), "%d", load->nr);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/index.html", server.port);
	return client_start(place, argv, NULL, why, why_size);
}

static int nginx_begin(const struct load *load, char *why, size_t why_size)
{
	(void)load;
	return counted_begin(nginx_count, why, why_size);
}

/* "     99%    1.23ms" */
static double wrk_p99(const char *text)
{
	const char *at = strstr(text, " 99%"); /* and not 95.99% */
	double value;
	char *unit;

	if (!at)
		return 0;
	value = strtod(at + 4, &unit);
	return *unit == 'u' ? value : *unit == 'm' ? value * 1e3 : value * 1e6;
}

static int nginx_end(const struct load *load, struct load_sample *sample, char *why,
		     size_t why_size)
{
	int error = counted_end(nginx_count, sample, why, why_size);
	char text[4096] = "";

	(void)load;
	if (error)
		return error;
	kill(client.pid, SIGINT); /* then it says what it has seen, and ends */
	if (spawn_wait(client.pid, DOWN_MS) == 0)
		client_read(text, sizeof(text));
	sample->p99_us = wrk_p99(text);
	return 0;
}

/* --- PostgreSQL --------------------------------------------------------------------------- */

/* It refuses to run as root. */
static const char *pg_user(void)
{
	return geteuid() == 0 ? "postgres" : NULL;
}

static int pg_run(const char *const *argv, char *why, size_t why_size)
{
	const struct spawn spawn = { .argv = argv, .dir = server.socket_dir, .user = pg_user() };
	char text[2000];
	int rc = spawn_run(&spawn, 60000, text, sizeof(text));

	if (rc == 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	snprintf(why, why_size, "%s: %.150s", strrchr(argv[0], '/') + 1, text);
	return rc < 0 ? rc : -EIO;
}

static int pg_directory(char *why, size_t why_size)
{
	const char *name = pg_user();
	const struct passwd *user = name ? getpwnam(name) : NULL;

	if (!spawn_dir())
		return -EACCES;
	if (name && !user) {
		snprintf(why, why_size, "PostgreSQL does not run as root, and there is no user %s",
			 name);
		return -ENOENT;
	}
	snprintf(server.socket_dir, sizeof(server.socket_dir), "%s/pg", spawn_dir());
	if (mkdir(server.socket_dir, 0700) != 0 && errno != EEXIST)
		return -errno;
	return user && chown(server.socket_dir, user->pw_uid, user->pw_gid) != 0 ? -errno : 0;
}

static int pg_up(char *why, size_t why_size)
{
	static char ready[256], pgbench[256];
	const char *const is_ready[] = { ready, "-q", "-h", server.socket_dir, NULL };
	const char *const fill[] = { pgbench, "-i",	  "-q",	      "-n",
				     "-s",    "2",	  "-h",	      server.socket_dir,
				     "-U",    "postgres", "postgres", NULL };
	int error = -ETIMEDOUT;

	if (spawn_find("pg_isready", PG_PROGRAMS, ready, sizeof(ready)) != 0 ||
	    spawn_find("pgbench", PG_PROGRAMS, pgbench, sizeof(pgbench)) != 0)
		return missing("pgbench", why, why_size);
	for (int ms = 0; ms < UP_MS && error && !loads_interrupted(); ms += 100) {
		loads_sleep_ms(100);
		error = pg_run(is_ready, why, why_size);
	}
	return error ? error : pg_run(fill, why, why_size);
}

static int pg_open(const struct load_service *service, char *why, size_t why_size)
{
	static char initdb[256], postgres[256], data[320];
	const char *const make[] = { initdb,	 "-D",	      data, "-A",   "trust",	   "-U",
				     "postgres", "--no-sync", "-E", "UTF8", "--no-locale", NULL };
	const char *const argv[] = { postgres, "-D",
				     data,     "-F",
				     "-k",     server.socket_dir,
				     "-h",     "",
				     "-c",     "autovacuum=off",
				     "-c",     "max_connections=30",
				     "-c",     "shared_buffers=64MB",
				     NULL };
	const struct spawn spawn = {
		.argv = argv, .dir = server.socket_dir, .user = pg_user(), .death = SIGINT
	};
	int error;

	if (spawn_find("initdb", PG_PROGRAMS, initdb, sizeof(initdb)) != 0 ||
	    spawn_find("postgres", PG_PROGRAMS, postgres, sizeof(postgres)) != 0)
		return missing("postgresql", why, why_size);
	error = pg_directory(why, why_size);
	if (error)
		return error;
	snprintf(data, sizeof(data), "%s/data", server.socket_dir);
	error = pg_run(make, why, why_size);
	if (error)
		return error;
	server.pid = spawn_start(&spawn);
	if (server.pid < 0)
		return (int)server.pid;
	error = pg_up(why, why_size);
	if (error)
		server_close(service);
	return error;
}

static int pg_start(const struct load *load, const struct load_place *place, char *why,
		    size_t why_size)
{
	static char path[256], clients[16], threads[16], prefix[330];
	const char *const argv[] = {
		path, "-S",    "-n",   "-c", clients,		"-j", threads,	  "-T",
		"60", "--log", prefix, "-h", server.socket_dir, "-U", "postgres", "postgres",
		NULL
	};

	if (spawn_find("pgbench", PG_PROGRAMS, path, sizeof(path)) != 0)
		return missing("pgbench", why, why_size);
	snprintf(clients, sizeof(clients), "%d", load->nr);
	snprintf(threads, sizeof(threads), "%d", load->nr > 1 ? 2 : 1);
	snprintf(prefix, sizeof(prefix), "--log-prefix=%s/log", server.socket_dir);
	return client_start(place, argv, pg_user(), why, why_size);
}

static uint64_t wall_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static int pg_begin(const struct load *load, char *why, size_t why_size)
{
	(void)load;
	client.begin_us = wall_us();
	return client_check(why, why_size);
}

/* The log of one of its threads. */
static void pg_log_path(int thread, char *path, size_t size)
{
	int len = snprintf(path, size, "%s/log.%d", server.socket_dir, (int)client.pid);

	if (thread > 0)
		snprintf(path + len, size - (size_t)len, ".%d", thread);
}

struct pg_log {
	uint64_t begin_us, end_us;
	double *latency; /* us */
	unsigned int nr, max;
	bool is_complete; /* something after the end was seen */
};

/* Lines are: client, transaction, time (us), script, s, us. The last one may be cut off. */
static int pg_log_read(int thread, struct pg_log *log)
{
	char path[400], line[256];
	unsigned long long s, us;
	double latency;
	FILE *file;

	pg_log_path(thread, path, sizeof(path));
	log->is_complete = false;
	file = fopen(path, "re");
	if (!file) /* it has not begun yet */
		return errno == ENOENT ? 0 : -errno;
	while (fgets(line, sizeof(line), file)) {
		uint64_t at;

		if (!strchr(line, '\n') ||
		    sscanf(line, "%*d %*d %lf %*d %llu %llu", &latency, &s, &us) != 3)
			continue;
		at = s * 1000000u + us;
		log->is_complete = at > log->end_us;
		if (at < log->begin_us || at > log->end_us)
			continue;
		if (log->nr < log->max)
			log->latency[log->nr] = latency;
		log->nr++;
	}
	fclose(file);
	return 0;
}

/* Threads write their logs in pieces: wait until all have written something that is later than the end. */
static int pg_logs_read(const struct load *load, struct pg_log *log)
{
	int threads = load->nr > 1 ? 2 : 1, error = -ETIMEDOUT;

	for (int ms = 0; ms <= LATE_MS && error == -ETIMEDOUT; ms += 50) {
		int complete = 0;

		loads_sleep_ms(50);
		log->nr = 0;
		for (int i = 0; i < threads; i++) {
			int rc = pg_log_read(i, log);

			if (rc)
				return rc;
			complete += log->is_complete;
		}
		error = complete == threads ? 0 : -ETIMEDOUT;
	}
	return error;
}

static int pg_end(const struct load *load, struct load_sample *sample, char *why, size_t why_size)
{
	struct pg_log log = { .begin_us = client.begin_us, .end_us = wall_us(), .max = 1u << 19 };
	int error = client_check(why, why_size);

	log.latency = error ? NULL : calloc(log.max, sizeof(*log.latency));
	if (!log.latency)
		return error ? error : -ENOMEM;
	error = pg_logs_read(load, &log);
	if (error) {
		snprintf(why, why_size, "the log of pgbench: %s", strerror(-error));
	} else {
		unsigned int nr = log.nr < log.max ? log.nr : log.max;

		sample->ops = log.nr * 1e6 / (double)(log.end_us - log.begin_us);
		bench_median(log.latency, nr ? nr : 1); /* sorts */
		sample->p99_us = nr ? log.latency[nr - 1 - nr / 100] : 0;
	}
	free(log.latency);
	return error;
}

static void pg_stop(const struct load *load)
{
	char path[400];

	for (int i = 0; i < MAX_THREADS && client.pid > 0; i++) {
		pg_log_path(i, path, sizeof(path));
		unlink(path);
	}
	client_stop(load);
}

/* --- the table ------------------------------------------------------------------------------ */

static const struct load_service redis = { "redis-server", 0, redis_open, server_close,
					   server_pid };
static const struct load_service postgres = { "postgres", 0, pg_open, server_close, server_pid };
static const struct load_service nginx_one = { "nginx", 1, nginx_open, server_close, server_pid };
static const struct load_service nginx_two = { "nginx", 2, nginx_open, server_close, server_pid };

static const struct load_kind redis_kind = { redis_start, redis_begin, redis_end, client_stop,
					     real_places };
static const struct load_kind pg_kind = { pg_start, pg_begin, pg_end, pg_stop, real_places };
static const struct load_kind nginx_kind = { nginx_start, nginx_begin, nginx_end, client_stop,
					     real_places };

const struct load loads_real[] = {
	{ .name = "redis-1", .nr = 1, .service = &redis, .kind = &redis_kind },
	{ .name = "redis-4", .nr = 4, .service = &redis, .kind = &redis_kind },
	{ .name = "redis-50", .nr = 50, .service = &redis, .kind = &redis_kind },
	{ .name = "pgbench-1", .nr = 1, .service = &postgres, .kind = &pg_kind },
	{ .name = "pgbench-2", .nr = 2, .service = &postgres, .kind = &pg_kind },
	{ .name = "pgbench-8", .nr = 8, .service = &postgres, .kind = &pg_kind },
	{ .name = "nginx-1", .nr = 1, .is_once = true, .service = &nginx_one, .kind = &nginx_kind },
	{ .name = "nginx-32",
	  .nr = 32,
	  .is_once = true,
	  .service = &nginx_two,
	  .kind = &nginx_kind },
};
const size_t loads_real_nr = sizeof(loads_real) / sizeof(loads_real[0]);
