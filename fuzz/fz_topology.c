// SPDX-License-Identifier: BSD-2-Clause
/*
 * fz_topology.c: bytes as a file that describes processors.
 *
 * What is accepted must hold together, and what is refused is refused in one line. hwloc's own
 * reading of XML is left out: a first byte of XML's is what is thrown away.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sched/topology.h"

#include "bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *const words[] = {
	"pack:", "node:", "l3:", "core:",	"pu:",	  "2",	  "4 ",	      "1 ",
	"(",	 ")",	  "[",	 "numa]",	"group:", "1000", "indexes=", ",",
	"die:",	 " ",	  "-",	 "99999999999", "\n",	  "#",	  "l2:",      "memory=1G"
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char text[4096];
	struct tacho_topology topology;
	char name[64], why[256];
	size_t nr = 0;
	int fd = memfd_create("fz_topology", MFD_CLOEXEC);

	CHECK(fd >= 0);
	/* half of the bytes are words of the syntax */
	for (size_t i = 0; i < len && nr + 32 < sizeof(text); i++) {
		const char *word = words[data[i] % (sizeof(words) / sizeof(words[0]))];

		if (data[i] < 0x80) {
			text[nr++] = (char)data[i];
		} else {
			memcpy(text + nr, word, strlen(word));
			nr += strlen(word);
		}
		if (text[0] == '<')
			nr = 0;
	}
	for (size_t i = 0; i < nr && strchr(" \t\r\n<", text[i]); i++)
		text[i] = ' ';
	CHECK(write(fd, text, nr) == (ssize_t)nr);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	if (tacho_topology_open(&topology, name, why, sizeof(why)) == 0) {
		CHECK(topology.nr_cpus > 0 && topology.nr_cpus <= TACHO_POLICY_CPUS);
		CHECK(tacho_cpus_count(&topology.online) == topology.nr_cpus);
		for (uint32_t i = 0; i < topology.nr_cpus; i++) {
			CHECK(i == 0 || topology.cpus[i].id > topology.cpus[i - 1].id);
			CHECK(topology.cpus[i].core < topology.nr_cpus);
			CHECK(topology.cpus[i].cache < topology.nr_cpus);
			CHECK(topology.cpus[i].package < topology.nr_cpus);
			CHECK(topology.cpus[i].node < topology.nr_nodes);
		}
		tacho_topology_close(&topology);
	} else {
		CHECK(strncmp(why, name, strlen(name)) == 0 && !strchr(why, '\n'));
	}
	close(fd);
	return 0;
}
