/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue.c: an instrumented program to look at: producers and consumers at a bounded queue.
 *
 *	build/examples/queue --seconds 60 &
 *	build/tacho list queue -v
 *	build/tacho log queue 'queue.*'
 *	build/tacho log queue queue.take --count --domain front=producer-* --domain back=consumer-*
 *
 * It shows all that a program has to do: define an event of each kind, use it, and name who causes
 * events. The threads are principals; an item belongs to a client, which is the correspondent of
 * what is done with it. It prints nothing unless it is asked to.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tacho/tacho.h>

TACHO_EVENT(pushed, TACHO_ACCESS, "queue.push", "items", "client",
	    "an item was put into the queue");
TACHO_EVENT(taken, TACHO_ACCESS, "queue.take", "items", "client", "an item was taken out");
TACHO_EVENT(served, TACHO_SPAN, "queue.serve", "", "client", "the work on one item");
TACHO_EVENT(length, TACHO_SAMPLE, "queue.length", "items", "",
	    "length of the queue, 100 times a second");
TACHO_EVENT(empty, TACHO_ACCESS, "queue.cost", "", "", "with --cost: what one event costs");

#define SLOTS	    64
#define MAX_THREADS 32
#define MAX_CLIENTS 32
#define NS_PER_SEC  1000000000l

static struct {
	pthread_mutex_t lock;
	pthread_cond_t not_empty, not_full;
	tacho_u32 client[SLOTS]; /* the items: whose they are */
	unsigned int head, tail; /* free-running; head - tail items are in the queue */
	int closed;
} queue = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.not_empty = PTHREAD_COND_INITIALIZER,
	.not_full = PTHREAD_COND_INITIALIZER,
};

static int nr_producers = 2, nr_consumers = 2, nr_clients = 4;
static double seconds; /* 0: until a signal */
static double rate = 1000; /* items per second and producer; 0: as fast as it goes */
static tacho_u32 clients[MAX_CLIENTS];

/* --- the queue ------------------------------------------------------------------------------ */

/* 0 once the queue is closed. */
static int queue_push(tacho_u32 client)
{
	int open;

	pthread_mutex_lock(&queue.lock);
	while (queue.head - queue.tail == SLOTS && !queue.closed)
		pthread_cond_wait(&queue.not_full, &queue.lock);
	open = !queue.closed;
	if (open) {
		queue.client[queue.head++ % SLOTS] = client;
		TACHO_LOG(pushed, 1,
			  client); /* under the lock, so that it is logged before the take */
	}
	pthread_cond_signal(&queue.not_empty);
	pthread_mutex_unlock(&queue.lock);
	return open;
}

/* 0 once the queue is closed and empty. */
static int queue_take(tacho_u32 *client)
{
	int some;

	pthread_mutex_lock(&queue.lock);
	while (queue.head == queue.tail && !queue.closed)
		pthread_cond_wait(&queue.not_empty, &queue.lock);
	some = queue.head != queue.tail;
	if (some) {
		*client = queue.client[queue.tail++ % SLOTS];
		TACHO_LOG(taken, 1, *client);
	}
	pthread_cond_signal(&queue.not_full);
	pthread_mutex_unlock(&queue.lock);
	return some;
}

static unsigned int queue_length(void)
{
	unsigned int items;

	pthread_mutex_lock(&queue.lock);
	items = queue.head - queue.tail;
	pthread_mutex_unlock(&queue.lock);
	return items;
}

static void queue_close(void)
{
	pthread_mutex_lock(&queue.lock);
	queue.closed = 1;
	pthread_cond_broadcast(&queue.not_empty);
	pthread_cond_broadcast(&queue.not_full);
	pthread_mutex_unlock(&queue.lock);
}

/* --- threads -------------------------------------------------------------------------------- */

static void nap(double s)
{
	struct timespec ts = { (time_t)s, (long)((s - (double)(time_t)s) * (double)NS_PER_SEC) };

	nanosleep(&ts, NULL);
}

/* This thread causes its events under this name. */
static void principal_name(const char *kind, int number)
{
	char name[28];

	snprintf(name, sizeof(name), "%s-%d", kind, number);
	tacho_principal_set(tacho_principal_create(name));
}

static void *producer(void *arg)
{
	int number = (int)(long)arg;
	unsigned int i = (unsigned int)number;

	principal_name("producer", number);
	while (queue_push(clients[i++ % (unsigned int)nr_clients]))
		if (rate > 0)
			nap(1 / rate);
	return NULL;
}

static void work(unsigned int rounds)
{
	unsigned int i;

	for (i = 0; i < rounds; i++)
		__asm__("" : : "r"(i));
}

static void *consumer(void *arg)
{
	tacho_u32 client;

	principal_name("consumer", (int)(long)arg);
	while (queue_take(&client)) {
		TACHO_ENTER(served);
		work(2000 * (1 + client % 4)); /* some clients want more than others */
		TACHO_EXIT(served, client);
	}
	return NULL;
}

static void run(void)
{
	pthread_t threads[2 * MAX_THREADS];
	struct timespec limit = { 0, NS_PER_SEC / 100 };
	double left = seconds;
	sigset_t stop;
	char name[28];
	int i, n = 0;

	for (i = 0; i < nr_clients; i++) {
		snprintf(name, sizeof(name), "client-%d", i);
		clients[i] = tacho_principal_create(name);
	}
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &stop, NULL);
	for (i = 0; i < nr_producers; i++)
		n += pthread_create(&threads[n], NULL, producer, (void *)(long)i) == 0;
	for (i = 0; i < nr_consumers; i++)
		n += pthread_create(&threads[n], NULL, consumer, (void *)(long)i) == 0;
	principal_name("sampler", 0);
	/* a hundred times a second: how long is the queue? Nobody counts while nobody asks. */
	while (sigtimedwait(&stop, NULL, &limit) < 0 && (errno == EAGAIN || errno == EINTR)) {
		TACHO_LOG(length, queue_length());
		left -= 0.01;
		if (seconds > 0 && left <= 0)
			break;
	}
	queue_close();
	while (n > 0)
		pthread_join(threads[--n], NULL);
}

/* --- what one event costs ------------------------------------------------------------------- */

#define LOOPS	20000
#define BATCHES 101

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * (double)NS_PER_SEC + (double)ts.tv_nsec;
}

static __attribute__((noinline)) void loop_null(void)
{
	unsigned int i;

	for (i = 0; i < LOOPS; i++)
		__asm__("" : : "r"(i) : "memory");
}

static __attribute__((noinline)) void loop_event(void)
{
	unsigned int i;

	for (i = 0; i < LOOPS; i++) {
		__asm__("" : : "r"(i) : "memory");
		TACHO_LOG(empty, i);
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/*
 * For each line of standard input: nanoseconds per round of a loop with nothing in it and of the
 * same loop with one event in it, medians of batches that take turns.
 */
static void cost(void)
{
	double null[BATCHES], event[BATCHES], start, middle;
	char line[16];
	int i;

	while (fgets(line, sizeof(line), stdin)) {
		for (i = -BATCHES / 4; i < BATCHES; i++) { /* the first ones only warm up */
			start = now_ns();
			loop_null();
			middle = now_ns();
			loop_event();
			event[i < 0 ? 0 : i] = (now_ns() - middle) / LOOPS;
			null[i < 0 ? 0 : i] = (middle - start) / LOOPS;
		}
		qsort(null, BATCHES, sizeof(null[0]), compare);
		qsort(event, BATCHES, sizeof(event[0]), compare);
		printf("%.3f %.3f %d\n", null[BATCHES / 2], event[BATCHES / 2], BATCHES);
		fflush(stdout);
	}
}

/* --- the command line ----------------------------------------------------------------------- */

static int wrong(const char *what)
{
	fprintf(stderr, "queue: wrong %s; see queue --help\n", what);
	return 2;
}

static int number(const char *text, double max, double *out)
{
	char *end;

	*out = strtod(text, &end);
	return end != text && *end == '\0' && *out >= 0 && *out <= max;
}

static const char help[] =
	"usage: queue [OPTION]...\n\n"
	"Producers and consumers at a bounded queue, instrumented with tacho.\n\n"
	"  -s, --seconds N     end after N seconds (default: when it gets a signal)\n"
	"  -r, --rate N        items per second and producer, 0: no limit (default: 1000)\n"
	"  -p, --producers N   threads that put items in (default: 2)\n"
	"  -c, --consumers N   threads that take them out (default: 2)\n"
	"  -k, --clients N     to whom the items belong (default: 4)\n"
	"      --cost          for each line of input, print what one event costs: ns per\n"
	"                      round of an empty loop, and of the same loop with an event\n"
	"  -h, --help          print this and exit\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "rate", required_argument, NULL, 'r' },
		{ "producers", required_argument, NULL, 'p' },
		{ "consumers", required_argument, NULL, 'c' },
		{ "clients", required_argument, NULL, 'k' },
		{ "cost", no_argument, NULL, 'C' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int found;
	double n;

	while ((found = getopt_long(argc, argv, "s:r:p:c:k:h", options, NULL)) != -1) {
		if (found == 'h') {
			fputs(help, stdout);
			return 0;
		} else if (found == 'C') {
			cost();
			return 0;
		} else if (found == 's' && number(optarg, 1e9, &n)) {
			seconds = n;
		} else if (found == 'r' && number(optarg, 1e9, &n)) {
			rate = n;
		} else if (found == 'p' && number(optarg, MAX_THREADS, &n)) {
			nr_producers = (int)n;
		} else if (found == 'c' && number(optarg, MAX_THREADS, &n)) {
			nr_consumers = (int)n;
		} else if (found == 'k' && number(optarg, MAX_CLIENTS, &n) && n >= 1) {
			nr_clients = (int)n;
		} else {
			return found == '?' ? 2 : wrong("number");
		}
	}
	if (optind < argc)
		return wrong("argument");
	run();
	return 0;
}
