// SPDX-License-Identifier: BSD-2-Clause
/*
 * lines.c: text files that somebody else wrote, line by line, and what is wrong with them.
 *
 * Owns the way from bytes to lines, words and numbers, and the form of a complaint. Must not know
 * what a line means: that is the business of launch.c and mould.c, who call it.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"
#include "lines.h"

int tacho_i_lines_init(struct tacho_i_lines *lines, const char *name, const char *text, size_t size)
{
	*lines = (struct tacho_i_lines){ .name = name, .text = text, .size = size };
	if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		lines->at = 3; /* the mark that some editors put in front of UTF-8 */
	lines->buffer = malloc(TACHO_I_LINE_SIZE);
	return lines->buffer ? 0 : -ENOMEM;
}

static void error_append(struct tacho_i_lines *lines, const char *text)
{
	size_t len = strlen(text), room = lines->errors_room;
	char *grown;

	if (lines->errors_len + len + 2 > room) {
		room = 2 * room + len + 256;
		grown = realloc(lines->errors, room);
		if (!grown) {
			lines->no_memory = true;
			return;
		}
		lines->errors = grown;
		lines->errors_room = room;
	}
	memcpy(lines->errors + lines->errors_len, text, len);
	lines->errors_len += len;
	lines->errors[lines->errors_len++] = '\n';
	lines->errors[lines->errors_len] = '\0';
}

void tacho_i_lines_refuse(struct tacho_i_lines *lines, uint32_t line, const char *fmt, ...)
{
	char what[384], where[512], text[912];
	va_list ap;

	if (++lines->nr_errors > TACHO_I_NR_ERRORS)
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(where, sizeof(where), line ? "%.480s:%u" : "%.480s", lines->name, line);
	snprintf(text, sizeof(text), "%s: %s", where, what);
	(void)tacho_i_text_check(text, sizeof(text)); /* one line, whatever is in the file */
	error_append(lines, text);
}

/* How many are not shown. */
static void more_append(struct tacho_i_lines *lines)
{
	char text[640];

	if (lines->nr_errors <= TACHO_I_NR_ERRORS)
		return;
	snprintf(text, sizeof(text), "%.480s: %zu more are not shown", lines->name,
		 lines->nr_errors - TACHO_I_NR_ERRORS);
	(void)tacho_i_text_check(text, sizeof(text));
	error_append(lines, text);
}

int tacho_i_lines_end(struct tacho_i_lines *lines, int error, char **errors, size_t *nr_errors)
{
	more_append(lines);
	free(lines->buffer);
	lines->buffer = NULL;
	*errors = lines->errors;
	*nr_errors = lines->nr_errors;
	if (error || !lines->nr_errors)
		return error;
	return lines->no_memory ? -ENOMEM : -EINVAL;
}

/* What does not belong into a line of text, or -1. */
static int bad_byte(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)text[i];

		if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
			return byte;
	}
	return -1;
}

char *tacho_i_lines_next(struct tacho_i_lines *lines)
{
	const char *start, *end;
	size_t len;
	int bad;

	while (lines->at < lines->size) {
		start = lines->text + lines->at;
		end = memchr(start, '\n', lines->size - lines->at);
		len = end ? (size_t)(end - start) : lines->size - lines->at;
		lines->at += len + (end != NULL);
		lines->line++;
		if (len > 0 && start[len - 1] == '\r')
			len--;
		bad = bad_byte(start, len);
		if (bad >= 0) {
			tacho_i_lines_refuse(lines, lines->line, "a byte 0x%02x, which is no text",
					     (unsigned)bad);
			continue;
		}
		if (len >= TACHO_I_LINE_SIZE) {
			tacho_i_lines_refuse(lines, lines->line, "the line is longer than %u bytes",
					     TACHO_I_LINE_SIZE - 1);
			continue;
		}
		memcpy(lines->buffer, start, len);
		lines->buffer[len] = '\0';
		return lines->buffer;
	}
	return NULL;
}

/* --- words and numbers ------------------------------------------------------------------------ */

char *tacho_i_skip_blanks(char *text)
{
	return text + strspn(text, " \t");
}

char *tacho_i_next_word(char **text)
{
	char *word = tacho_i_skip_blanks(*text);
	char *end = word + strcspn(word, " \t");

	if (end == word)
		return NULL;
	*text = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

static double scaled(double number, long power)
{
	if (power > 400 || power < -400)
		power = power < 0 ? -400 : 400; /* beyond what a double holds */
	for (; power > 0; power--)
		number *= 10;
	if (power < -300) { /* ten to that power would be infinite */
		number /= 1e300;
		power += 300;
	}
	return power < 0 ? number / scaled(1, -power) : number;
}

/* Not strtod: that knows NaN, hexadecimal numbers, and the point of the user's country. */
const char *tacho_i_number_parse(const char *text, double *number)
{
	bool negative = *text == '-', digits = false;
	long power = 0, sign = 1, exponent = 0;
	double value = 0;

	text += *text == '-' || *text == '+';
	for (; *text >= '0' && *text <= '9'; text++, digits = true)
		value = value * 10 + (*text - '0');
	if (*text == '.')
		for (text++; *text >= '0' && *text <= '9'; text++, digits = true)
			if (value < 1e15 && power > -400) { /* more are not seen in a double */
				value = value * 10 + (*text - '0');
				power--;
			}
	if (!digits)
		return NULL;
	if ((*text == 'e' || *text == 'E') &&
	    strspn(text + 1 + (text[1] == '-' || text[1] == '+'), "0123456789") > 0) {
		sign = text[1] == '-' ? -1 : 1;
		for (text += 1 + (text[1] == '-' || text[1] == '+'); *text >= '0' && *text <= '9';
		     text++)
			exponent = exponent < 10000 ? exponent * 10 + (*text - '0') : exponent;
	}
	value = value == 0 ? 0 : scaled(value, power + sign * exponent);
	*number = negative ? -value : value;
	return text;
}

bool tacho_i_is_number(const char *word, double *number)
{
	const char *end = tacho_i_number_parse(word, number);

	return end && *end == '\0';
}

/* --- files ------------------------------------------------------------------------------------ */

int tacho_i_file_read(const char *file, size_t max, char **text, size_t *size)
{
	size_t len = 0, room = 0;
	char *bytes = NULL, *grown;
	ssize_t got = 1;
	int fd, error = 0;

	fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	while (got > 0) {
		if (len + 1 >= room) {
			room = room ? 2 * room : 65536;
			grown = realloc(bytes, room);
			if (!grown) {
				error = -ENOMEM;
				goto out;
			}
			bytes = grown;
		}
		got = read(fd, bytes + len, room - len - 1);
		if (got < 0 && errno == EINTR) {
			got = 1;
			continue;
		}
		if (got < 0)
			error = -errno;
		len += got > 0 ? (size_t)got : 0;
		if (len > max)
			error = -EFBIG;
		if (error)
			goto out;
	}
	bytes[len] = '\0';
	*text = bytes;
	*size = len;
	bytes = NULL;
out:
	free(bytes);
	close(fd);
	return error;
}

int tacho_i_file_refuse(const char *file, const char *kind, size_t max, int error, char **errors,
			size_t *nr_errors)
{
	struct tacho_i_lines lines = { .name = file };

	if (error == -EFBIG)
		tacho_i_lines_refuse(&lines, 0, "larger than %zu bytes: no %s", max, kind);
	else
		tacho_i_lines_refuse(&lines, 0, "cannot be read: %s", strerror(-error));
	return tacho_i_lines_end(&lines, error, errors, nr_errors);
}
