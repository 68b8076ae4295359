/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * text.c: lines of text for a person, with columns that are counted as a terminal counts them.
 *
 * Owns the buffer, widths, styles, bars and the short forms of numbers. Must not know what is shown,
 * nor write anything anywhere. Called by the files of cmd/ that draw tables.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "text.h"

/* --- characters ----------------------------------------------------------------------------- */

/* The character at s and its bytes; 0 bytes: s does not start with a whole character of UTF-8. */
static size_t decode(const char *s, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *byte = (const unsigned char *)s;
	size_t i, len;

	*code = byte[0];
	if (byte[0] < 0x80)
		return 1;
	len = byte[0] >= 0xf0 ? 4 : byte[0] >= 0xe0 ? 3 : byte[0] >= 0xc2 ? 2 : 0;
	if (len == 0 || byte[0] > 0xf4)
		return 0;
	*code &= 0x7fu >> len;
	for (i = 1; i < len; i++) { /* the terminating zero ends this, too */
		if ((byte[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (byte[i] & 0x3fu);
	}
	if (*code < least[len] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000))
		return 0;
	return len;
}

/* Control characters of either kind, and those that change the direction of the text around them. */
static bool is_printable(uint32_t code)
{
	return code >= 0x20 && (code < 0x7f || code >= 0xa0) &&
	       !(code >= 0x200b && code <= 0x200f) && !(code >= 0x2028 && code <= 0x202e) &&
	       !(code >= 0x2060 && code <= 0x206f) && code != 0xfeff && (code & 0xfffe) != 0xfffe;
}

/*
 * The next character as it will be shown: *len bytes at *shown, in *width columns. Returns how many
 * bytes of s it took, 0 at the end.
 */
static size_t next(const char *s, bool utf8, const char **shown, size_t *len, int *width)
{
	uint32_t code;
	size_t taken;

	if (*s == '\0')
		return 0;
	taken = decode(s, &code);
	*shown = s;
	*len = taken;
	*width = 1;
	if (taken > 1 && utf8)
		*width = wcwidth((wchar_t)code);
	if (taken == 0 || !is_printable(code) || (taken > 1 && !utf8) || *width < 0) {
		*shown = "?";
		*len = 1;
		*width = 1;
	}
	return taken ? taken : 1;
}

int text_width(const char *string, bool utf8)
{
	int width, all = 0;
	const char *shown;
	size_t len, taken;

	for (; (taken = next(string, utf8, &shown, &len, &width)) != 0; string += taken)
		all += width;
	return all;
}

void text_clean(char *copy, size_t size, const char *string)
{
	size_t taken, at = 0;
	uint32_t code;

	for (; *string; string += taken ? taken : 1) {
		taken = decode(string, &code);
		if (at + (taken ? taken : 1) >= size)
			break;
		if (taken && is_printable(code)) {
			memcpy(copy + at, string, taken);
			at += taken;
		} else {
			copy[at++] = '?';
		}
	}
	copy[at] = '\0';
}

/* --- the buffer ----------------------------------------------------------------------------- */

void text_init(struct text *text, int columns, bool utf8, bool color)
{
	*text = (struct text){ .limit = columns, .utf8 = utf8, .color = color };
}

void text_fini(struct text *text)
{
	free(text->at);
	*text = (struct text){ 0 };
}

static void append(struct text *text, const char *bytes, size_t len)
{
	size_t room = text->room ? text->room : 4096;
	char *grown;

	while (room < text->len + len)
		room *= 2;
	if (room != text->room) {
		grown = realloc(text->at, room);
		if (!grown)
			text->failed = true;
		if (text->failed)
			return;
		text->at = grown;
		text->room = room;
	}
	memcpy(text->at + text->len, bytes, len);
	text->len += len;
}

/* Without colours nothing is reversed, and a gap is invisible. */
static bool is_reversed(const struct text *text)
{
	return text->color && (text->style == TEXT_HEAD || text->style == TEXT_CHOSEN);
}

static void style_write(struct text *text, enum text_style style)
{
	static const char *const sequences[TEXT_NR_STYLES] = {
		[TEXT_PLAIN] = "\033[0m",      [TEXT_BOLD] = "\033[0;1m",
		[TEXT_DIM] = "\033[0;2m",      [TEXT_RUN] = "\033[0;32m",
		[TEXT_WAIT] = "\033[0;33m",    [TEXT_BAD] = "\033[0;1;31m",
		[TEXT_TALK] = "\033[0;36m",    [TEXT_MEMORY] = "\033[0;35m",
		[TEXT_IO] = "\033[0;34m",      [TEXT_HEAD] = "\033[0;7m",
		[TEXT_CHOSEN] = "\033[0;1;7m",
	};

	if (text->color && style != text->written)
		append(text, sequences[style], strlen(sequences[style]));
	text->written = style;
}

/* Something visible comes: spaces and style first. False: there is no room in the line for it. */
static bool begin(struct text *text, int width)
{
	if (text->column + width > text->limit)
		return false;
	/* a gap is not reversed */
	if (text->spaces && (text->written == TEXT_HEAD || text->written == TEXT_CHOSEN))
		style_write(text, TEXT_PLAIN);
	for (; text->spaces > 0; text->spaces--)
		append(text, " ", 1);
	style_write(text, text->style);
	text->column += width;
	return true;
}

void text_style(struct text *text, enum text_style style)
{
	text->style = style;
}

/* At most width columns of it; returns how many it took. */
static int put_cut(struct text *text, const char *string, int width)
{
	int each, all = 0;
	const char *shown;
	size_t len, taken;

	for (; (taken = next(string, text->utf8, &shown, &len, &each)) != 0; string += taken) {
		if (all + each > width)
			break;
		if (*shown == ' ' && !is_reversed(text)) {
			text_to(text, text->column + 1);
		} else {
			if (!begin(text, each))
				break;
			append(text, shown, len);
		}
		all += each;
	}
	return all;
}

void text_put(struct text *text, const char *string)
{
	put_cut(text, string, text->limit);
}

void text_print(struct text *text, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	text_put(text, line);
}

void text_to(struct text *text, int column)
{
	if (column > text->limit)
		column = text->limit;
	if (column <= text->column)
		return;
	text->spaces += column - text->column;
	text->column = column;
}

void text_fill(struct text *text, int column)
{
	if (!is_reversed(text)) {
		text_to(text, column);
		return;
	}
	while (text->column < column && begin(text, 1))
		append(text, " ", 1);
}

void text_left(struct text *text, const char *string, int width)
{
	int from = text->column;

	if (width <= 0)
		return;
	if (text_width(string, text->utf8) <= width) {
		text_put(text, string);
	} else {
		put_cut(text, string, width - 1);
		text_put(text, text->utf8 ? "…" : "~");
	}
	text_fill(text, from + width);
}

void text_right(struct text *text, const char *string, int width)
{
	int wide = text_width(string, text->utf8);

	if (wide < width)
		text_fill(text, text->column + width - wide);
	text_left(text, string, wide < width ? wide : width);
}

void text_end(struct text *text)
{
	style_write(text, TEXT_PLAIN);
	append(text, "\n", 1);
	text->style = TEXT_PLAIN;
	text->spaces = text->column = 0;
	text->lines++;
}

/* --- bars ----------------------------------------------------------------------------------- */

void text_bar(struct text *text, double share, int width, enum text_style style)
{
	static const char *const eighths[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	int inner = width - 2, units, i, from;

	if (inner < 1)
		return;
	share = share > 0 ? fmin(share, 1) : 0;
	text_style(text, TEXT_DIM);
	text_put(text, text->utf8 ? "▕" : "[");
	from = text->column;
	text_style(text, style);
	units = (int)lround(share * inner * (text->utf8 ? 8 : 1));
	for (i = 0; i < (text->utf8 ? units / 8 : units); i++)
		text_put(text, text->utf8 ? "█" : "#");
	if (text->utf8)
		text_put(text, eighths[units % 8]);
	text_to(text, from + inner);
	text_style(text, TEXT_DIM);
	text_put(text, text->utf8 ? "▏" : "]");
	text_style(text, TEXT_PLAIN);
}

void text_level(struct text *text, int level)
{
	static const char *const blocks[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const ascii[] = { " ", ".", ":", "-", "=", "+", "*", "#", "@" };

	level = level < 0 ? 0 : level > 8 ? 8 : level;
	text_put(text, text->utf8 ? blocks[level] : ascii[level]);
}

void text_shade(struct text *text, int shade)
{
	static const char *const blocks[] = { " ", "░", "▒", "▓", "█" };
	static const char *const ascii[] = { " ", ".", ":", "*", "#" };

	shade = shade < 0 ? 0 : shade > 4 ? 4 : shade;
	text_put(text, text->utf8 ? blocks[shade] : ascii[shade]);
}

const char *text_nothing(const struct text *text)
{
	return text->utf8 ? "·" : "-";
}

/* --- numbers -------------------------------------------------------------------------------- */

const char *text_percent(char number[TEXT_NUMBER_SIZE], double percent)
{
	if (percent < 999.95)
		snprintf(number, TEXT_NUMBER_SIZE, "%.1f", percent);
	else
		snprintf(number, TEXT_NUMBER_SIZE, "%.0f", fmin(percent, 99999));
	return number;
}

/* Three digits that count, and a unit: 1.23k, 12.3k, 123k; rounding up goes to the next form. */
static const char *scaled(char number[TEXT_NUMBER_SIZE], double x, double base,
			  const char *const *units, int nr_units, int digits)
{
	int i = 0;

	while (i < nr_units - 1 && x >= base - 0.5) {
		x /= base;
		i++;
	}
	if (i == 0)
		snprintf(number, TEXT_NUMBER_SIZE, x < 9.95 ? "%.1f%s" : "%.0f%s", x, units[0]);
	else if (x < 9.995 && digits > 2)
		snprintf(number, TEXT_NUMBER_SIZE, "%.2f%s", x, units[i]);
	else
		snprintf(number, TEXT_NUMBER_SIZE,
			 x < (digits > 2 ? 99.95 : 9.95) ? "%.1f%s" : "%.0f%s", fmin(x, 9999),
			 units[i]);
	return number;
}

const char *text_rate(char number[TEXT_NUMBER_SIZE], double rate)
{
	static const char *const units[] = { "", "k", "M", "G", "T" };

	return scaled(number, rate, 1000, units, 5, 3);
}

const char *text_bytes(char number[TEXT_NUMBER_SIZE], double bytes)
{
	static const char *const units[] = { "B", "K", "M", "G", "T" };

	if (bytes < 1023.5) { /* there is no tenth of a byte, except in a rate */
		snprintf(number, TEXT_NUMBER_SIZE, "%.0fB", bytes);
		return number;
	}
	return scaled(number, bytes, 1024, units, 5, 2);
}

const char *text_ns(char number[TEXT_NUMBER_SIZE], double ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };

	if (ns < 999.5) {
		snprintf(number, TEXT_NUMBER_SIZE, "%.0fns", ns);
		return number;
	}
	return scaled(number, ns, 1000, units, 4, 2);
}
