/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * driver.c: runs a fuzz target without libFuzzer.
 *
 *	fz_x FILE...		gives it each file once: to repeat a crash
 *	fz_x -n COUNT [-s SEED] [FILE...]	gives it COUNT mutated inputs; the files are the seeds
 *
 * A FILE that is a directory stands for the files in it.
 *
 * This is no search for new paths, only a fixed amount of noise that every `make test` applies. The
 * seed repeats a run, and the input that crashed is left in the current directory: fz_x.crash.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_LEN = 1 << 16, MAX_SEEDS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
/* Optional in a target: called once, as libFuzzer does. */
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

struct input {
	uint8_t *data;
	size_t len;
};

static struct input seeds[MAX_SEEDS];
static size_t nr_seeds;
static uint64_t state;

static uint64_t next_random(void)
{
	/* xorshift64*: any state but 0 */
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1du;
}

static size_t below(size_t limit)
{
	return limit ? (size_t)(next_random() % limit) : 0;
}

static int read_seed(const char *path)
{
	struct input *in = &seeds[nr_seeds];
	FILE *file = fopen(path, "rb");

	if (!file)
		return -1;
	in->data = malloc(MAX_LEN);
	in->len = in->data ? fread(in->data, 1, MAX_LEN, file) : 0;
	fclose(file);
	if (!in->data)
		return -1;
	nr_seeds++;
	return 0;
}

/* A file, or the files of a directory; what is too much is left out. */
static int read_seeds(const char *path)
{
	struct dirent *entry;
	DIR *dir = opendir(path);
	char name[4096];
	int err = 0;

	if (!dir)
		return nr_seeds < MAX_SEEDS ? read_seed(path) : 0;
	while (!err && nr_seeds < MAX_SEEDS && (entry = readdir(dir)) != NULL) {
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (entry->d_name[0] != '.')
			err = read_seed(name);
	}
	closedir(dir);
	return err;
}

/* A value that is more likely than others to sit at an edge. */
static uint64_t edge(void)
{
	uint64_t power = (uint64_t)1 << below(64);

	switch (below(5)) {
	case 0:
		return 0;
	case 1:
		return power;
	case 2:
		return power - 1;
	case 3:
		return ~power;
	default:
		return next_random();
	}
}

static size_t mutate(uint8_t *buf, size_t len)
{
	size_t steps = 1 + below(8);

	while (steps--) {
		size_t size = (size_t)1 << below(4);
		size_t at = below(len + 1);
		uint64_t value = edge();

		switch (below(6)) {
		case 0: /* cut */
			len = at;
			break;
		case 1: /* grow, by noise */
			while (len < MAX_LEN && at++ < 2 * size)
				buf[len++] = (uint8_t)next_random();
			break;
		case 2: /* one bit */
			if (at < len)
				buf[at] ^= (uint8_t)(1u << below(8));
			break;
		case 3: /* repeat a piece elsewhere */
			if (len) {
				size_t from = below(len), max = len - (from > at ? from : at);

				memmove(buf + at, buf + from, max ? below(max) : 0);
			}
			break;
		default: /* an aligned field, as headers have them */
			at &= ~(size - 1);
			if (at + size <= len)
				memcpy(buf + at, &value, size);
			break;
		}
	}
	return len;
}

static size_t make_input(uint8_t *buf)
{
	const struct input *seed = nr_seeds ? &seeds[below(nr_seeds)] : NULL;
	size_t len, i;

	if (seed && below(16)) {
		memcpy(buf, seed->data, seed->len);
		return mutate(buf, seed->len);
	}
	len = below((size_t)1 << below(14));
	for (i = 0; i < len; i++)
		buf[i] = (uint8_t)next_random();
	return mutate(buf, len);
}

/* The input goes to a file first, if there is one: a crash leaves it there. */
static int give(const uint8_t *buf, size_t len, int fd)
{
	uint8_t *copy;

	if (fd >= 0 && (pwrite(fd, buf, len, 0) != (ssize_t)len || ftruncate(fd, (off_t)len))) {
		perror("the file for the input");
		return -1;
	}
	/* of exactly that size, so that the address sanitizer sees a read past the end */
	copy = malloc(len ? len : 1);
	if (!copy)
		return -1;
	memcpy(copy, buf, len);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
	return 0;
}

static int run_mutated(const char *name, uint64_t count, uint64_t seed)
{
	static uint8_t buf[MAX_LEN];
	char path[256];
	uint64_t i;
	int fd;

	snprintf(path, sizeof(path), "%s.crash", name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	state = seed ? seed : 1;
	printf("seed %" PRIu64 " (repeat with -s)\n", seed);
	fflush(stdout);
	for (i = 0; i < count; i++)
		if (give(buf, make_input(buf), fd))
			return 1;
	if (fd >= 0) {
		close(fd);
		unlink(path);
	}
	printf("%" PRIu64 " inputs, no crash\n", count);
	return 0;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
	uint64_t count = 0, seed = (uint64_t)time(NULL);
	size_t i;
	int opt;

	while ((opt = getopt(argc, argv, "n:s:")) != -1) {
		switch (opt) {
		case 'n':
			count = strtoull(optarg, NULL, 0);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		default:
			return 2;
		}
	}
	if (count == 0 && optind == argc) {
		fprintf(stderr, "usage: %s [-n COUNT [-s SEED]] [FILE...]\n", argv[0]);
		return 2;
	}
	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	for (; optind < argc; optind++) {
		if (read_seeds(argv[optind])) {
			fprintf(stderr, "%s: cannot be read\n", argv[optind]);
			return 1;
		}
	}
	for (i = 0; i < nr_seeds; i++)
		if (give(seeds[i].data, seeds[i].len, -1))
			return 1;
	return count ? run_mutated(name, count, seed) : 0;
}
