/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_top.c: what tacho top makes of facts, and what it draws of them.
 *
 * Everything here is pure: rows made by hand become facts, facts a snapshot, a snapshot text or JSON,
 * and what comes out is compared. Frames are drawn in every size to see that nothing leaves the window.
 */
#include <locale.h>
#include <math.h>
#include <wchar.h>

#include "cmd/top_snapshot.h"
#include "kernel/names.h"
#include "rows.h"

#define SECOND	1000000000ull
#define DOMAINS 16u
#define CPUS	2u

/* Characters of more than one byte need a locale that knows them. */
static bool utf8_locale(void)
{
	return setlocale(LC_CTYPE, "C.UTF-8") || setlocale(LC_CTYPE, "en_US.UTF-8");
}

/* --- text ----------------------------------------------------------------------------------- */

static char *text_string(struct text *text)
{
	static char string[1 << 20];

	snprintf(string, sizeof(string), "%.*s", (int)text->len, text->at ? text->at : "");
	text_fini(text);
	return string;
}

T_CASE(numbers_have_five_columns_at_most)
{
	char number[TEXT_NUMBER_SIZE];
	double x;

	for (x = 1e-3; x < 9e13; x *= 1.01) {
		T_OK(strlen(text_rate(number, x)) <= 5);
		T_OK(strlen(text_bytes(number, x)) <= 5);
		T_OK(x > 9e12 || strlen(text_ns(number, x)) <= 5);
		T_OK(strlen(text_percent(number, x)) <= 5);
	}
	T_STREQ(text_rate(number, 0.7), "0.7");
	T_STREQ(text_rate(number, 9.96), "10");
	T_STREQ(text_rate(number, 999.4), "999");
	T_STREQ(text_rate(number, 999.6), "1.00k");
	T_STREQ(text_rate(number, 12345), "12.3k");
	T_STREQ(text_rate(number, 999960), "1.00M");
	T_STREQ(text_bytes(number, 1023), "1023B");
	T_STREQ(text_bytes(number, 1024), "1.0K");
	T_STREQ(text_bytes(number, 10.0 * 1024 * 1024), "10M");
	T_STREQ(text_ns(number, 999), "999ns");
	T_STREQ(text_ns(number, 1500), "1.5us");
	T_STREQ(text_ns(number, 4e6), "4.0ms");
	T_STREQ(text_percent(number, 99.96), "100.0");
	T_STREQ(text_percent(number, 1234.5), "1234");
}

T_CASE(nothing_unprintable_gets_in)
{
	struct text text;
	char copy[16];

	text_init(&text, 80, false, false);
	text_put(&text, "a\033[31mb\nc\x7f");
	text_put(&text, "\xc3\xa9\xff");
	T_STREQ(text_string(&text), "a?[31mb?c???");
	text_clean(copy, sizeof(copy), "x\x01\xc3\xa9\xc3");
	T_STREQ(copy, "x?\xc3\xa9?");
	/* cut between characters */
	text_clean(copy, 4, "ab\xc3\xa9");
	T_STREQ(copy, "ab");
	/* what turns the direction of the text */
	text_clean(copy, sizeof(copy),
		   "a\xe2\x80\xae"
		   "b");
	T_STREQ(copy, "a?b");
}

T_CASE(wide_characters_count_twice)
{
	struct text text;

	if (!utf8_locale())
		T_SKIP("there is no locale with UTF-8");
	T_EQ(text_width("日本", true), 4);
	T_EQ(text_width("日本", false), 2); /* two question marks */
	T_EQ(text_width("e\xcc\x81", true), 1); /* a combining accent has none */
	text_init(&text, 80, true, false);
	text_left(&text, "日本語日本語", 7); /* three fit, and the ellipsis */
	text_put(&text, "|");
	T_EQ(text.column, 8);
	T_STREQ(text_string(&text), "日本語…|");
	text_init(&text, 80, true, false);
	text_left(&text, "日本語日本語", 6); /* two and a half do not */
	text_put(&text, "|");
	T_STREQ(text_string(&text), "日本… |");
	text_init(&text, 5, true, false);
	text_put(&text, "abc日本");
	T_EQ(text.column, 5);
	T_STREQ(text_string(&text), "abc日");
}

T_CASE(lines_end_without_spaces)
{
	struct text text;

	text_init(&text, 20, false, false);
	text_left(&text, "ab", 10);
	text_right(&text, "c", 3);
	text_to(&text, 20);
	text_end(&text);
	text_style(&text, TEXT_HEAD);
	text_left(&text, "head", 12);
	text_fill(&text, 20);
	text_end(&text);
	T_STREQ(text_string(&text), "ab          c\nhead\n");
	/* a reversed line is as long as the window */
	text_init(&text, 6, false, true);
	text_style(&text, TEXT_HEAD);
	text_put(&text, "ab");
	text_fill(&text, 6);
	text_end(&text);
	T_STREQ(text_string(&text), "\033[0;7mab    \033[0m\n");
}

T_CASE(bars)
{
	struct text text;

	text_init(&text, 80, false, false);
	text_bar(&text, 0.5, 12, TEXT_RUN);
	text_bar(&text, -1, 4, TEXT_RUN);
	text_bar(&text, 7, 4, TEXT_RUN);
	T_STREQ(text_string(&text), "[#####     ][  ][##]");
	if (!utf8_locale())
		T_SKIP("there is no locale with UTF-8");
	text_init(&text, 80, true, false);
	text_bar(&text, 0.3125, 4, TEXT_RUN);
	T_EQ(text.column, 4);
	T_STREQ(text_string(&text), "▕▋ ▏");
}

/* --- a snapshot made by hand ---------------------------------------------------------------- */

static struct top_line lines[8];
static struct top_cpu cpus[CPUS];
static struct top_vm vms[1];

static struct top_line *line_add(struct top_snapshot *snapshot, const char *name, double cpu)
{
	struct top_line *line = &lines[snapshot->nr_lines];
	int i;

	memset(line, 0, sizeof(*line));
	snprintf(line->name, sizeof(line->name), "%s", name);
	line->domain = 2 + snapshot->nr_lines++;
	line->value[TOP_CPU] = cpu;
	for (i = 0; i < TOP_TREND; i++)
		line->trend[i] = (unsigned char)(cpu < 255 ? cpu : 255);
	return line;
}

static void snapshot_make(struct top_snapshot *snapshot)
{
	struct top_line *line;
	uint32_t i;

	memset(snapshot, 0, sizeof(*snapshot));
	snprintf(snapshot->clock, sizeof(snapshot->clock), "12:34:56");
	snapshot->wall_ns = SECOND;
	for (i = 0; i < TACHO_K_NR; i++)
		snapshot->has[i] =
			i <= TACHO_K_NET_TX && i != TACHO_K_IPC_PIPE && i != TACHO_K_IPC_FUTEX;
	for (i = 0; i < CPUS; i++)
		cpus[i] = (struct top_cpu){ i, 25.0 + 50 * i, 0.5 + i, 2 + i, 1000 };
	snapshot->cpus = cpus;
	snapshot->nr_cpus = CPUS;
	snapshot->busy = 50;
	snapshot->idle = 50;
	snapshot->accounted = 99.98;
	snapshot->lines = lines;
	line = line_add(snapshot, "postgres", 60);
	line->value[TOP_WAIT] = 12.5;
	line->value[TOP_WAKES] = 1234;
	line->value[TOP_P99] = 4e6;
	line->value[TOP_RSS] = 3e8;
	line->partner[0] = (struct top_partner){ "nginx", 3, 1200 };
	line->nr_partners = 1;
	line = line_add(snapshot, "nginx", 30);
	line->value[TOP_FAULTS] = 77;
	line->value[TOP_WOKEN] = 5000;
	line->value[TOP_READ] = 4096;
	line = line_add(snapshot, "system", 10);
	line->value[TOP_RSS] = NAN;
	line->value[TOP_SENT] = 10;
	snapshot->total[TOP_SLICES] = 2000;
	snapshot->nr_matrix = 2;
	snprintf(snapshot->matrix_name[0], TOP_NAME, "postgres");
	snprintf(snapshot->matrix_name[1], TOP_NAME, "nginx");
	snapshot->rate[0][1] = 1200;
	vms[0] = (struct top_vm){ .name = "guest", .vcpu = 90, .io = NAN, .vhost = NAN };
	vms[0].exits = 3000;
	vms[0].nr_reasons = 1;
	vms[0].reason[0] = (struct top_reason){ "HLT", false, 3000 };
	snapshot->vms = vms;
	snapshot->nr_vms = 1;
	snapshot->own_cpu = 0.4;
	snapshot->own_events = 5000;
}

static const char *draw(const struct top_snapshot *snapshot, const struct top_look *look)
{
	struct text text;

	text_init(&text, look->columns, look->utf8, look->color);
	T_EQ(top_draw(&text, snapshot, look), 0);
	return text_string(&text);
}

T_CASE(a_frame)
{
	const struct top_look look = { .columns = 80, .lines = 14, .interval = 1 };
	struct top_snapshot snapshot;

	snapshot_make(&snapshot);
	T_STREQ(draw(&snapshot, &look),
		"tacho top  3 domains, by process, every 1 s                             12:34:56\n"
		"cpu0  [##########                            ]  25.0% queue 0.5/2\n"
		"cpu1  [#############################         ]  75.0% queue 1.5/3\n"
		"busy 50.0% of 2 CPUs | accounted 99.98%\n"
		"DOMAIN       >CPU% TREND       P50   P99 WAIT% WAKES   RSS  PARTNERS\n"
		"postgres      60.0 ++++++++      - 4.0ms  12.5 1.23k  286M  nginx 1.20k\n"
		"nginx         30.0 --------      -     -     -     -     -\n"
		"system        10.0 ........      -     -     -     -\n"
		"\n"
		"\n"
		"\n"
		"\n"
		"lost nothing | tacho top itself: 0.4% of a CPU | reads 5.00k events/s\n"
		" ?  help   i  ipc   v  vms   s  sort   /  filter   d  delay   p  pause   q  quit\n");
}

T_CASE(every_line_is_printed_without_a_screen)
{
	const struct top_look look = { .columns = 200, .interval = 1, .ipc = true, .vms = true };
	struct top_snapshot snapshot;
	const char *frame;

	snapshot_make(&snapshot);
	frame = draw(&snapshot, &look);
	T_OK(strstr(frame, "\npostgres ") && strstr(frame, "\nnginx ") &&
	     strstr(frame, "\nsystem "));
	T_OK(strstr(frame, "\nWAKER ") && strstr(frame, "\na postgres "));
	T_OK(strstr(frame, "\nVIRTUAL MACHINE ") && strstr(frame, "HLT 3.00k"));
	T_OK(!strstr(frame, "quit")); /* no keys where none can be hit */
	T_OK(!strchr(frame, '\033'));
}

T_CASE(what_is_wrong_is_said)
{
	struct top_look look = { .columns = 120, .interval = 1 };
	struct top_snapshot snapshot;

	snapshot_make(&snapshot);
	snapshot.lost[TACHO_LOST_BUSY] = 3;
	snapshot.lost[TOP_OVERWRITTEN] = 44;
	snapshot.overflow = 9;
	snapshot.accounted = 97.5;
	T_OK(strstr(draw(&snapshot, &look), "lost 3 busy, 44 overwritten"));
	T_OK(strstr(draw(&snapshot, &look), "accounted 97.50%"));
	T_OK(strstr(draw(&snapshot, &look), "in other 9 tasks"));
	look.color = true;
	T_OK(strstr(draw(&snapshot, &look), "\033[0;1;31m97.50%"));
	look.paused = true;
	T_OK(strstr(draw(&snapshot, &look), "paused"));
	snapshot.wall_ns = 0;
	T_OK(strstr(draw(&snapshot, &look), "measuring the first interval"));
}

T_CASE(a_column_that_the_kernel_cannot_fill_is_not_there)
{
	const struct top_look look = { .columns = 200, .interval = 1 };
	struct top_snapshot snapshot;

	snapshot_make(&snapshot);
	T_OK(strstr(draw(&snapshot, &look), " WAIT% "));
	T_OK(!strstr(draw(&snapshot, &look), "SYSC"));
	snapshot.has[TACHO_K_CPU_WAIT] = false;
	snapshot.has[TACHO_K_SYSCALL] = true;
	T_OK(!strstr(draw(&snapshot, &look), " WAIT% "));
	T_OK(strstr(draw(&snapshot, &look), " SYSC "));
}

/* The bytes that a terminal shows: without sequences. */
static void strip(char *frame)
{
	char *to = frame;

	for (; *frame; frame++) {
		if (*frame == '\033')
			frame += strcspn(frame, "m");
		else
			*to++ = *frame;
	}
	*to = '\0';
}

/* At most that many lines, none of them wider than the window. */
static void frame_check(const char *frame, const struct top_look *look)
{
	int nr = 0;

	while (*frame) {
		size_t len = strcspn(frame, "\n");
		char line[2048];

		T_NEED(frame[len] == '\n' && len < sizeof(line));
		snprintf(line, sizeof(line), "%.*s", (int)len, frame);
		if (text_width(line, look->utf8) > look->columns)
			T_FAIL("%dx%d, line %d has %d columns: %s", look->columns, look->lines, nr,
			       text_width(line, look->utf8), line);
		frame += len + 1;
		nr++;
	}
	if (nr != (look->lines > 2 ? look->lines : nr) || nr > 2 + look->lines)
		T_FAIL("%dx%d: %d lines", look->columns, look->lines, nr);
}

T_CASE(frames_fit_into_every_window)
{
	struct top_look look = { .interval = 1, .first = 1 };
	static char frame[1 << 20];
	struct top_snapshot snapshot;
	int views;

	snapshot_make(&snapshot);
	snprintf(lines[1].name, TOP_NAME, "日本語日本語日本語");
	snprintf(lines[0].partner[0].name, TOP_NAME, "日本語日本語");
	snprintf(snapshot.matrix_name[0], TOP_NAME, "日本語日本語");
	look.utf8 = utf8_locale();
	for (look.columns = 1; look.columns < 200; look.columns += look.columns < 100 ? 1 : 13) {
		for (look.lines = 1; look.lines < 40; look.lines += 1 + look.lines / 8) {
			for (views = 0; views < 10; views++) {
				look.ipc = views & 1;
				look.vms = views & 2;
				look.color = views & 4;
				look.help = views == 8;
				look.prompt = views == 9 ? "filter: " : NULL;
				look.input = "abcdefghijklmnopqrstuvwxyz";
				look.sort = (enum top_sort)(views % TOP_NR_SORTS);
				snprintf(frame, sizeof(frame), "%s", draw(&snapshot, &look));
				strip(frame);
				frame_check(frame, &look);
			}
		}
	}
}

T_CASE(colours_change_no_character)
{
	struct top_look look = { .columns = 132, .lines = 40, .interval = 1, .vms = true };
	static char colored[1 << 16], plain[1 << 16];
	struct top_snapshot snapshot;

	snapshot_make(&snapshot);
	snprintf(plain, sizeof(plain), "%s", draw(&snapshot, &look));
	look.color = true;
	snprintf(colored, sizeof(colored), "%s", draw(&snapshot, &look));
	T_OK(strcmp(plain, colored) != 0);
	strip(colored);
	/* but for the ends of reversed lines */
	for (char *a = strtok(colored, "\n"), *b = plain; a; a = strtok(NULL, "\n")) {
		size_t len;

		while (*b == '\n')
			b++;
		len = strcspn(b, "\n");
		T_EQ(strncmp(a, b, len), 0);
		T_EQ(strspn(a + len, " "), strlen(a + len));
		b += len;
	}
}

T_CASE(many_processors_become_a_strip)
{
	struct top_look look = { .columns = 100, .lines = 24, .interval = 1 };
	static struct top_cpu many[256];
	struct top_snapshot snapshot;
	const char *frame;
	uint32_t i;

	snapshot_make(&snapshot);
	for (i = 0; i < 256; i++)
		many[i] = (struct top_cpu){ i, i % 2 ? 100 : 0, 0, 1, 0 };
	snapshot.cpus = many;
	snapshot.nr_cpus = 256;
	frame = draw(&snapshot, &look);
	T_OK(strstr(frame, "\ncpu0    @ @ @ @"));
	T_OK(strstr(frame, "\ncpu88 "));
	T_OK(strstr(frame, "\nDOMAIN "));
}

/* --- which lines, in which order ------------------------------------------------------------ */

static void order_check(enum top_sort sort, const char *filter, const char *expected)
{
	struct top_snapshot snapshot;
	uint32_t order[8], nr, i;
	char names[256] = "";

	snapshot_make(&snapshot);
	nr = top_order(&snapshot, sort, filter, order);
	for (i = 0; i < nr; i++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? " " : "",
			 lines[order[i]].name);
	T_STREQ(names, expected);
}

T_CASE(order)
{
	order_check(TOP_BY_CPU, "", "postgres nginx system");
	order_check(TOP_BY_NAME, "", "nginx postgres system");
	order_check(TOP_BY_WAIT, "", "postgres nginx system");
	order_check(TOP_BY_WAKES, "", "nginx postgres system"); /* both directions */
	order_check(TOP_BY_FAULTS, "", "nginx postgres system"); /* ties by CPU */
	order_check(TOP_BY_RSS, "", "postgres nginx system"); /* not known is least */
	order_check(TOP_BY_IO, "", "nginx postgres system");
	order_check(TOP_BY_NET, "", "system postgres nginx");
}

T_CASE(filter)
{
	order_check(TOP_BY_CPU, "G", "postgres nginx"); /* part of a name, of any case */
	order_check(TOP_BY_CPU, "s*", "system");
	order_check(TOP_BY_CPU, "[pn]*", "postgres nginx");
	order_check(TOP_BY_CPU, "none", "");
}

T_CASE(rows_and_scrolling)
{
	struct top_look look = { .columns = 100, .lines = 24, .interval = 1, .rows = 1 };
	struct top_snapshot snapshot;

	snapshot_make(&snapshot);
	T_OK(strstr(draw(&snapshot, &look), "\npostgres ") != NULL);
	T_OK(strstr(draw(&snapshot, &look), "\nnginx ") == NULL);
	look.rows = 0;
	look.first = 1;
	T_OK(strstr(draw(&snapshot, &look), "\npostgres ") == NULL);
	T_OK(strstr(draw(&snapshot, &look), "\nnginx ") != NULL);
	look.first = 99; /* the table became shorter meanwhile */
	T_OK(strstr(draw(&snapshot, &look), "\nsystem ") != NULL);
}

/* --- facts into a snapshot ------------------------------------------------------------------ */

static int domain_named(void *arg, uint32_t domain, struct tacho_kernel_domain_info *info)
{
	static const char *const names[] = { "system", "idle",	  "client",   "server",
					     "gone",   "vm:vcpu", "vm:vhost", "a\033b" };

	(void)arg;
	if (domain >= sizeof(names) / sizeof(names[0]))
		return -1;
	memset(info, 0, sizeof(*info));
	snprintf(info->name, sizeof(info->name), "%s", names[domain]);
	info->pid = domain == 2 ? 4711 : 0;
	info->is_vm = domain == 5 || domain == 6;
	info->is_gone = domain == 4;
	return 0;
}

static bool domain_is_process(void *arg, uint32_t domain)
{
	(void)arg;
	return domain == 2;
}

struct made {
	struct tacho_facts *facts;
	struct top_maker *maker;
	struct top_snapshot *snapshot;
};

static void made_open(struct made *made)
{
	uint32_t i;

	made->facts = facts_make(DOMAINS, CPUS, 1);
	T_EQ(top_maker_create(&made->maker, DOMAINS, CPUS), 0);
	made->snapshot = top_maker_snapshot(made->maker);
	for (i = 0; i < TACHO_K_NR; i++)
		made->snapshot->has[i] = true;
	made->snapshot->page_size = 4096;
	tacho_facts_end(made->facts, SECOND);
}

static void made_end(struct made *made, uint64_t now)
{
	const bool online[CPUS] = { true, true };

	tacho_facts_end(made->facts, now);
	made->snapshot->wall_ns = tacho_facts_wall_ns(made->facts);
	top_maker_make(made->maker, made->facts, domain_named, NULL, online, domain_is_process);
}

static void made_close(struct made *made)
{
	top_maker_destroy(made->maker);
	tacho_facts_destroy(made->facts);
}

static const struct top_line *line_of(const struct top_snapshot *snapshot, const char *name)
{
	uint32_t i;

	for (i = 0; i < snapshot->nr_lines; i++)
		if (strcmp(snapshot->lines[i].name, name) == 0)
			return &snapshot->lines[i];
	return NULL;
}

static bool near(double a, double b)
{
	return fabs(a - b) <= 1e-6 * fmax(fabs(a), fabs(b));
}

T_CASE(service_wait_and_queues)
{
	const struct top_line *client;
	struct made made;

	made_open(&made);
	/* two seconds: CPU 0 half client, half idle; CPU 1 a quarter server, and goes on idling */
	give_service(made.facts, 0, 2, SECOND, 2 * SECOND);
	give_service(made.facts, 0, TACHO_DOMAIN_IDLE, 2 * SECOND, 3 * SECOND);
	give_service(made.facts, 1, 3, SECOND, SECOND + SECOND / 2);
	tacho_facts_running(made.facts, 1, TACHO_DOMAIN_IDLE, SECOND + SECOND / 2);
	give(made.facts, TACHO_K_CPU_WAIT, 2, TACHO_NONE, SECOND / 10);
	give(made.facts, TACHO_K_CPU_RUNQ, TACHO_NONE, TACHO_NONE, 3);
	give(made.facts, TACHO_K_CPU_RUNQ, TACHO_NONE, TACHO_NONE, 0);
	made_end(&made, 3 * SECOND);
	client = line_of(made.snapshot, "client");
	T_NEED(client != NULL);
	T_OK(near(client->value[TOP_CPU], 50));
	T_OK(near(client->value[TOP_WAIT], 5)); /* a tenth of a second in two */
	T_OK(near(client->value[TOP_P50], 1e9) || client->value[TOP_P50] > 0.8e9);
	T_EQ(client->pid, 4711);
	T_EQ(client->trend[TOP_TREND - 1], 50);
	T_EQ(client->trend[0], 0);
	T_OK(!line_of(made.snapshot, "idle")); /* in the header, not in the table */
	T_EQ(made.snapshot->nr_lines, 2);
	T_OK(near(made.snapshot->accounted, 100));
	T_OK(near(made.snapshot->busy, 37.5));
	T_OK(near(made.snapshot->idle, 62.5));
	T_OK(near(made.snapshot->cpus[0].runq_mean, 1.5));
	T_EQ(made.snapshot->cpus[0].runq_max, 3);
	/* nothing happens any more: no lines, and the trend goes on */
	made_end(&made, 4 * SECOND);
	T_EQ(made.snapshot->nr_lines, 0);
	T_OK(near(made.snapshot->accounted, 0)); /* nobody said what runs */
	made_close(&made);
}

T_CASE(partners_and_matrix)
{
	const struct top_line *client, *server;
	struct made made;
	int i;

	made_open(&made);
	for (i = 0; i < 10; i++)
		give(made.facts, TACHO_K_IPC_WAKE, 2, 3, 1);
	for (i = 0; i < 6; i++)
		give(made.facts, TACHO_K_IPC_WAKE, 3, 2, 1);
	give(made.facts, TACHO_K_IPC_WAKE, 0, 2, 1);
	made_end(&made, 3 * SECOND);
	client = line_of(made.snapshot, "client");
	server = line_of(made.snapshot, "server");
	T_NEED(client && server);
	T_OK(near(client->value[TOP_WAKES], 5)); /* ten in two seconds */
	T_OK(near(client->value[TOP_WOKEN], 3.5));
	T_NEED(client->nr_partners == 2);
	T_STREQ(client->partner[0].name, "server");
	T_OK(near(client->partner[0].rate, 8)); /* both directions */
	T_STREQ(client->partner[1].name, "system");
	T_NEED(server->nr_partners == 1);
	T_EQ(made.snapshot->nr_matrix, 3);
	T_STREQ(made.snapshot->matrix_name[0], "client"); /* talks most */
	T_STREQ(made.snapshot->matrix_name[1], "server");
	T_OK(near(made.snapshot->rate[0][1], 5));
	T_OK(near(made.snapshot->rate[1][0], 3));
	T_EQ(made.snapshot->rate[0][0], 0);
	made_close(&made);
}

T_CASE(bytes_memory_and_who_is_gone)
{
	const struct top_line *client, *gone;
	struct made made;

	made_open(&made);
	give(made.facts, TACHO_K_MEM_RSS, 2, 0, 100);
	give(made.facts, TACHO_K_MEM_RSS, 2, 1, 20);
	give(made.facts, TACHO_K_MEM_FAULT, 2, 4, 1);
	give(made.facts, TACHO_K_IO_BLOCK_BYTES, 2, 0, 8192);
	give(made.facts, TACHO_K_IO_BLOCK_BYTES, 2, 1, 4096);
	give(made.facts, TACHO_K_IO_BLOCK, 2, 0, 3000);
	give(made.facts, TACHO_K_IO_BLOCK, 2, 1, 1000);
	give(made.facts, TACHO_K_NET_RX, 4, 1, 1500);
	give(made.facts, TACHO_K_NET_TX, 7, 1, 300);
	give(made.facts, TACHO_K_NET_TX, 12, 1, 300);
	made_end(&made, 3 * SECOND);
	client = line_of(made.snapshot, "client");
	gone = line_of(made.snapshot, "gone");
	T_NEED(client && gone);
	T_OK(near(client->value[TOP_RSS], 120 * 4096));
	T_OK(near(client->value[TOP_FAULTS], 0.5));
	T_OK(near(client->value[TOP_READ], 4096));
	T_OK(near(client->value[TOP_WRITE], 2048));
	T_OK(near(client->value[TOP_LATENCY], 2000));
	T_OK(gone->is_gone && !client->is_gone);
	T_OK(isnan(gone->value[TOP_RSS])); /* of several processes, or of none */
	T_OK(near(gone->value[TOP_RECEIVED], 750));
	T_OK(line_of(made.snapshot, "a?b") != NULL); /* whatever a name holds */
	T_OK(line_of(made.snapshot, "domain 12") != NULL); /* it has none yet */
	T_OK(near(made.snapshot->total[TOP_SENT], 300));
	made_close(&made);
}

T_CASE(virtual_machines)
{
	const struct top_vm *vm;
	struct made made;
	char buffer[40];
	int i;

	made_open(&made);
	give_service(made.facts, 0, 5, SECOND, 2 * SECOND);
	give_service(made.facts, 0, 6, 2 * SECOND, 3 * SECOND);
	give(made.facts, TACHO_K_VM_RUN, 5, 0, SECOND);
	for (i = 0; i < 8; i++)
		give(made.facts, TACHO_K_VM_EXIT, 5, 2, 1);
	for (i = 0; i < 4; i++)
		give(made.facts, TACHO_K_VM_USERSPACE, 5, 2, 1);
	give(made.facts, TACHO_K_VM_EXIT, 5, 5, 1);
	made_end(&made, 3 * SECOND);
	T_NEED(made.snapshot->nr_vms == 1); /* its parts are one machine */
	vm = &made.snapshot->vms[0];
	T_STREQ(vm->name, "vm");
	T_OK(near(vm->vcpu, 50));
	T_OK(near(vm->vhost, 50));
	T_OK(isnan(vm->io));
	T_OK(near(vm->run, 50));
	T_OK(near(vm->exits, 4.5));
	T_OK(near(vm->userspace, 2));
	T_NEED(vm->nr_reasons == 3);
	T_STREQ(vm->reason[0].name, tacho_kernel_name(TACHO_K_VM_EXIT, 2, buffer, sizeof(buffer)));
	T_OK(near(vm->reason[0].rate, 4) && !vm->reason[0].userspace);
	T_OK(near(vm->reason[1].rate, 2) && vm->reason[1].userspace);
	made_close(&made);
}

/* --- JSON ----------------------------------------------------------------------------------- */

T_CASE(json)
{
	struct top_look look = { .interval = 1, .filter = "s" };
	struct top_snapshot snapshot;
	json_t *object, *line;

	snapshot_make(&snapshot);
	snapshot.lost[TOP_OVERWRITTEN] = 5;
	snapshot.knows_host = true;
	object = top_json(&snapshot, &look);
	T_NEED(object != NULL);
	T_EQ(json_array_size(json_object_get(object, "domains")), 2); /* as in the table */
	line = json_array_get(json_object_get(object, "domains"), 0);
	T_STREQ(json_string_value(json_object_get(line, "name")), "postgres");
	T_OK(near(json_real_value(json_object_get(line, "cpu_percent")), 60));
	T_OK(json_is_null(json_object_get(line, "syscalls_per_s"))); /* not asked for */
	line = json_array_get(json_object_get(object, "domains"), 1);
	T_OK(json_is_null(json_object_get(line, "rss_bytes"))); /* not known */
	T_EQ(json_array_size(json_object_get(object, "pairs")), 1);
	T_EQ(json_array_size(json_object_get(object, "vms")), 1);
	T_EQ(json_integer_value(json_object_get(json_object_get(object, "lost"), "overwritten")),
	     5);
	T_OK(near(json_real_value(json_object_get(object, "accounted_percent")), 99.98));
	T_OK(json_is_true(json_object_get(object, "knows_host")));
	json_decref(object);
}

T_MAIN
