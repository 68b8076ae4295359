// SPDX-License-Identifier: BSD-2-Clause
/*
 * t_topology.c: the processors of this machine, and of files.
 */
#include <errno.h>
#include <fcntl.h>
#include <hwloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sched/topology.h"
#include "t.h"

static char file_name[64];
static char why[256];

static void file_write(const char *text, size_t len)
{
	int fd;

	strcpy(file_name, "/tmp/t_topology.XXXXXX");
	fd = mkostemp(file_name, O_CLOEXEC);
	T_OK(fd >= 0);
	T_EQ(write(fd, text, len), (ssize_t)len);
	close(fd);
}

/* What stderr gets while fn opens the file: it has to be nothing. */
static int silent_open(struct tacho_topology *topology, const char *text, size_t len)
{
	char log[] = "/tmp/t_topology.XXXXXX";
	int saved = dup(2), fd = mkostemp(log, O_CLOEXEC), err;
	struct stat stat = { .st_size = -1 };

	file_write(text, len);
	fflush(stderr);
	dup2(fd, 2);
	why[0] = '\0';
	err = tacho_topology_open(topology, file_name, why, sizeof(why));
	fflush(stderr);
	dup2(saved, 2);
	T_EQ(fstat(fd, &stat), 0);
	T_EQ(stat.st_size, 0);
	close(saved);
	close(fd);
	unlink(log);
	unlink(file_name);
	return err;
}

static int text_open(struct tacho_topology *topology, const char *text)
{
	return silent_open(topology, text, strlen(text));
}

T_CASE(this_machine)
{
	struct tacho_topology topology;
	bool changed = true;

	T_NEED(tacho_topology_open(&topology, NULL, why, sizeof(why)) == 0);
	T_OK(topology.nr_cpus > 0 && topology.nr_cpus <= (uint32_t)sysconf(_SC_NPROCESSORS_ONLN));
	T_EQ(tacho_cpus_count(&topology.online), topology.nr_cpus);
	T_OK(topology.nr_nodes > 0);
	for (uint32_t i = 0; i < topology.nr_cpus; i++) {
		T_OK(tacho_cpus_has(&topology.online, topology.cpus[i].id));
		T_OK(topology.cpus[i].node < topology.nr_nodes);
		T_OK(i == 0 || topology.cpus[i].id > topology.cpus[i - 1].id);
	}
	T_EQ(tacho_topology_refresh(&topology, &changed), 0);
	T_OK(!changed);
	T_OK(getenv("HWLOC_HIDE_ERRORS") == NULL);
	tacho_topology_close(&topology);
	T_EQ(topology.nr_cpus, 0);
}

/* As if a CPU had come since. */
T_CASE(refresh_sees_what_changed)
{
	struct tacho_topology topology;
	uint32_t nr;
	bool changed = false;

	T_NEED(tacho_topology_open(&topology, NULL, why, sizeof(why)) == 0);
	nr = topology.nr_cpus;
	topology.nr_cpus--;
	tacho_cpus_remove(&topology.online, topology.cpus[nr - 1].id);
	tacho_cpus_remove(&topology.seen, topology.cpus[nr - 1].id);
	T_EQ(tacho_topology_refresh(&topology, &changed), 0);
	T_OK(changed);
	T_EQ(topology.nr_cpus, nr);
	/* one that this process may not use went: nothing changed for us */
	tacho_cpus_add(&topology.seen, TACHO_POLICY_CPUS - 1);
	T_EQ(tacho_topology_refresh(&topology, &changed), 0);
	T_OK(!changed);
	tacho_topology_close(&topology);
}

T_CASE(another_machine_is_refused)
{
	struct tacho_topology topology;

	setenv("HWLOC_SYNTHETIC", "pack:2 pu:2", 1);
	T_EQ(tacho_topology_open(&topology, NULL, why, sizeof(why)), -EINVAL);
	T_OK(strstr(why, "HWLOC_SYNTHETIC") != NULL);
	unsetenv("HWLOC_SYNTHETIC");
}

T_CASE(synthetic)
{
	struct tacho_topology topology;
	bool changed = true;

	T_NEED(text_open(&topology, "# two packages\npack:2 l3:1\n core:4 pu:2\n") == 0);
	T_OK(topology.is_synthetic);
	T_EQ(topology.nr_cpus, 16);
	T_EQ(topology.nr_nodes, 1);
	for (uint32_t i = 0; i < topology.nr_cpus; i++) {
		T_EQ(topology.cpus[i].id, i);
		T_EQ(topology.cpus[i].core, i / 2);
		T_EQ(topology.cpus[i].cache, i / 8);
		T_EQ(topology.cpus[i].package, i / 8);
		T_EQ(topology.cpus[i].node, 0);
	}
	T_EQ(tacho_topology_refresh(&topology, &changed), 0);
	T_OK(!changed);
	tacho_topology_close(&topology);
}

T_CASE(nodes_caches_and_numbers)
{
	struct tacho_topology topology;

	T_NEED(text_open(&topology, "node:2 l3:2 l2:2 core:1 pu:2(indexes=0,8,1,9,2,10,3,11,"
				    "4,12,5,13,6,14,7,15)") == 0);
	T_EQ(topology.nr_cpus, 16);
	T_EQ(topology.nr_nodes, 2);
	for (uint32_t i = 0; i < topology.nr_cpus; i++) {
		T_EQ(topology.cpus[i].id, i);
		T_EQ(topology.cpus[i].core, i % 8);
		T_EQ(topology.cpus[i].cache, i % 8 / 2);
		T_EQ(topology.cpus[i].node, i % 8 / 4);
	}
	tacho_topology_close(&topology);
	/* without cores and caches: each its own, and that of its package */
	T_NEED(text_open(&topology, "pack:2 pu:2") == 0);
	T_EQ(topology.nr_cpus, 4);
	T_EQ(topology.cpus[1].core, 1);
	T_EQ(topology.cpus[1].cache, 0);
	T_EQ(topology.cpus[2].cache, 1);
	tacho_topology_close(&topology);
	T_NEED(text_open(&topology, "[numa] pack:32 core:16 pu:2") == 0);
	T_EQ(topology.nr_cpus, TACHO_POLICY_CPUS);
	tacho_topology_close(&topology);
}

T_CASE(xml)
{
	struct tacho_topology topology;
	hwloc_topology_t hwloc;
	char *text;
	int len;

	T_NEED(hwloc_topology_init(&hwloc) == 0);
	T_NEED(hwloc_topology_set_synthetic(hwloc, "node:2 core:2 pu:2") == 0);
	T_NEED(hwloc_topology_load(hwloc) == 0);
	T_NEED(hwloc_topology_export_xmlbuffer(hwloc, &text, &len, 0) == 0);
	T_EQ(silent_open(&topology, text, strlen(text)), 0);
	T_EQ(topology.nr_cpus, 8);
	T_EQ(topology.nr_nodes, 2);
	tacho_topology_close(&topology);
	/* cut off */
	T_EQ(silent_open(&topology, text, strlen(text) / 2), -EINVAL);
	T_OK(strstr(why, "XML") != NULL);
	hwloc_free_xmlbuffer(hwloc, text);
	hwloc_topology_destroy(hwloc);
}

T_CASE(bad_files)
{
	static const char *const bad[] = {
		"",
		"\n",
		"nonsense",
		"pack:2 nonsense:3 pu:1",
		"pu:0",
		"pack:2 core:x",
		"pu:2000",
		"pack:64 core:64 pu:64",
		"pu:-1",
		"pu:4294967295",
		"<topology/>",
		"<",
		"pu:2 core:2",
		"pu:2(indexes=",
		"core:2 pu:1024",
		"pack: 1000000000 pu:1",
		"pu:1(indexes=5000)",
	};
	struct tacho_topology topology;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int err = text_open(&topology, bad[i]);

		if (!T_EQ(err, -EINVAL))
			printf("     of \"%s\"\n", bad[i]);
		T_OK(strncmp(why, file_name, strlen(file_name)) == 0 && !strchr(why, '\n'));
		T_OK(strncmp(why + strlen(file_name), ": ", 2) == 0);
		if (!err)
			tacho_topology_close(&topology);
	}
	T_EQ(silent_open(&topology, "pu:2\0pu:3", 9), -EINVAL);
	T_EQ(tacho_topology_open(&topology, "/nonexistent/file", why, sizeof(why)), -ENOENT);
	T_STREQ(why, "/nonexistent/file: No such file or directory");
	T_EQ(tacho_topology_open(&topology, "/", why, sizeof(why)), -EISDIR);
}

T_MAIN
