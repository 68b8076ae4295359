// SPDX-License-Identifier: BSD-2-Clause
/*
 * check.c: tacho check: whether the file of an area keeps all rules of the format.
 *
 * Owns how the bytes get into memory and how findings are printed; lib/validate.c knows the rules.
 * Reads any file: one that was saved, or /proc/PID/fd/N of a component or session that runs.
 * Changes nothing, neither the area nor how much memory it has.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tacho/validate.h>

#include "ui.h"

enum { OPT_JSON = 256, OPT_MAX };

static const struct ui_option options[] = {
	{ "max", OPT_MAX, "N", "print at most N findings, count the rest [100]" },
	{ "json", OPT_JSON, NULL, "one JSON object with everything" },
	{ 0 },
};
static const struct ui_verb self = {
	"check",
	"FILE [OPTION]...",
	"Compares the bytes of an area with every rule of its format, and prints a line for\n"
	"each that is broken. FILE may be /proc/PID/fd/N of a process that has the area open.\n"
	"Status 1: it is no valid area.",
	options,
};

struct choice {
	const char *file;
	uint64_t max; /* findings to print */
	bool json;
};

/* The area in memory. */
struct bytes {
	void *base;
	uint64_t size;
	int fd;
	bool mapped; /* the file itself: holes are still holes */
};

struct output {
	const struct choice *choice;
	json_t *findings; /* with --json */
	uint64_t nr; /* seen */
};

static int parse(struct choice *choice, int argc, char **argv)
{
	int found;

	*choice = (struct choice){ .max = 100 };
	while ((found = ui_next(&self, argc, argv)) > 0) {
		if (found == OPT_JSON)
			choice->json = true;
		else if (!ui_number(ui_argument, 0, UINT64_MAX, &choice->max))
			return ~ui_usage(&self, "--max takes a number, not %s", ui_argument);
	}
	if (found < 0)
		return found;
	if (argc - ui_index != 1)
		return ~ui_usage(&self, "%s", argc == ui_index ? "no file" : "one file at a time");
	choice->file = argv[ui_index];
	return 0;
}

/* Data of a file that may change its size: what is gone by then reads as zeros. */
static int data_copy(struct bytes *bytes)
{
	off_t size = (off_t)bytes->size, at = 0, end;
	ssize_t len;

	while (at < size) {
		at = lseek(bytes->fd, at, SEEK_DATA);
		if (at < 0 && errno == ENXIO)
			return 0;
		end = at < 0 ? -1 : lseek(bytes->fd, at, SEEK_HOLE);
		if (at < 0 || end < 0) /* the file system cannot tell: all of it */
			at = 0, end = size;
		for (end = end < size ? end : size; at < end; at += len) {
			len = pread(bytes->fd, (char *)bytes->base + at, (size_t)(end - at), at);
			if (len < 0)
				return -errno;
			if (len == 0)
				return 0;
		}
	}
	return 0;
}

/*
 * A file that cannot shrink is mapped; any other is copied, because a mapping of it would kill this
 * process when somebody truncates it. A hole takes no memory either way.
 */
static int bytes_open(struct bytes *bytes, const char *file)
{
	struct stat st;
	int seals;

	bytes->fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (bytes->fd < 0)
		return ui_fail(&self, "%s: %s", file, strerror(errno));
	if (fstat(bytes->fd, &st) != 0 || !S_ISREG(st.st_mode))
		return ui_fail(&self, "%s: not a file", file);
	bytes->size = (uint64_t)st.st_size;
	if (bytes->size == 0)
		return ui_fail(&self, "%s: not an area, the file is empty", file);
	seals = fcntl(bytes->fd, F_GET_SEALS);
	bytes->mapped = seals > 0 && (seals & F_SEAL_SHRINK);
	if (bytes->mapped)
		bytes->base = mmap(NULL, bytes->size, PROT_READ, MAP_SHARED, bytes->fd, 0);
	else
		bytes->base = mmap(NULL, bytes->size, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bytes->base == MAP_FAILED)
		return ui_fail(&self, "%s: %" PRIu64 " bytes do not fit into memory: %s", file,
			       bytes->size, strerror(errno));
	if (!bytes->mapped && data_copy(bytes) < 0)
		return ui_fail(&self, "%s: cannot be read: %s", file, strerror(errno));
	return 0;
}

static void bytes_close(struct bytes *bytes)
{
	if (bytes->base != MAP_FAILED)
		munmap(bytes->base, bytes->size);
	if (bytes->fd >= 0)
		close(bytes->fd);
}

static int finding_print(void *arg, enum tacho_severity severity, uint64_t off, const char *text)
{
	const char *name = severity == TACHO_ERROR ? "error" : "warning";
	struct output *output = arg;

	if (output->nr++ >= output->choice->max)
		return 0;
	if (output->choice->json)
		json_array_append_new(output->findings,
				      json_pack("{s:I, s:s, s:s}", "offset", (json_int_t)off,
						"severity", name, "text", text));
	else
		printf("%s: offset %" PRIu64 ": %s%s%s: %s\n", output->choice->file, off,
		       ui_color(severity == TACHO_ERROR ? UI_RED : UI_YELLOW), name,
		       ui_color(UI_PLAIN), text);
	return 0;
}

static void summary_print(const struct output *output, const struct tacho_validate *validate)
{
	const char *file = output->choice->file;

	if (output->nr > output->choice->max)
		printf("%s: %" PRIu64 " more are not printed (--max)\n", file,
		       output->nr - output->choice->max);
	printf("%s: %s, %" PRIu64 " error%s, %" PRIu64 " warning%s\n", file,
	       validate->nr_errors ? "not valid" : "valid", validate->nr_errors,
	       validate->nr_errors == 1 ? "" : "s", validate->nr_warnings,
	       validate->nr_warnings == 1 ? "" : "s");
}

static int summary_json(struct output *output, const struct tacho_validate *validate)
{
	json_t *file = json_string(output->choice->file);

	/* a name that is not UTF-8 is null */
	return ui_json_print(json_pack(
		"{s:o, s:b, s:I, s:I, s:o}", "file", file ? file : json_null(), "valid",
		validate->nr_errors == 0, "errors", (json_int_t)validate->nr_errors, "warnings",
		(json_int_t)validate->nr_warnings, "findings", output->findings));
}

int check_main(int argc, char **argv)
{
	struct bytes bytes = { .base = MAP_FAILED, .fd = -1 };
	struct choice choice;
	struct output output = { .choice = &choice };
	struct tacho_validate validate = { .finding = finding_print, .arg = &output };
	int status, error = parse(&choice, argc, argv);

	if (error < 0)
		return ~error;
	status = bytes_open(&bytes, choice.file);
	if (status != UI_DONE)
		goto out;
	if (choice.json)
		output.findings = json_array();
	validate.fd = bytes.mapped ? bytes.fd : -1;
	error = tacho_validate(&validate, bytes.base, bytes.size);
	if (error == -ENOMEM) {
		json_decref(output.findings);
		status = ui_fail(&self, "%s: no memory", choice.file);
		goto out;
	}
	if (choice.json)
		error = summary_json(&output, &validate);
	else
		summary_print(&output, &validate);
	if (validate.nr_errors != 0 || (choice.json && error < 0))
		status = UI_FAILED;
	status = ui_finish(&self, status);
out:
	bytes_close(&bytes);
	return status;
}
